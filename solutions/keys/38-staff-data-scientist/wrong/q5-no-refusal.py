"""q5, no refusal: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def growth_limit(build, licence, years, rho):
    t = np.arange(1, years + 1)
    low, high = -0.9, 10.0
    for _ in range(80):
        middle = (low + high) / 2
        gap = (licence * (1 + middle) ** (t - 1) / (1 + rho) ** t).sum() - build
        low, high = (middle, high) if gap < 0 else (low, middle)
    return float((low + high) / 2)
