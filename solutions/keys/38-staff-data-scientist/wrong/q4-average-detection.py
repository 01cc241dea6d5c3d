"""q4, average detection: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_review(lam, d, c1, r, most=50):
    lam, d, c1 = (np.asarray(x, dtype=float) for x in (lam, d, c1))
    mean = (lam * d).sum() / lam.sum()
    n = np.arange(most + 1)
    cost = r * n + (1 - mean) ** n * (lam * c1).sum()
    return int(cost.argmin()), float(cost.min())
