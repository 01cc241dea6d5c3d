"""q4, batch forgotten and no refusal: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def largest_step(h, C, b, excess):
    low, high = 0.0, 2 / h.max()
    for _ in range(200):
        eta = (low + high) / 2
        ok = (eta * C / (2 * (2 - eta * h))).sum() <= excess
        low, high = (eta, high) if ok else (low, eta)
    return float(low)
