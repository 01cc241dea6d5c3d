"""q4, blind spots left out: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_review(lam, d, c1, r, most=50):
    lam, d, c1 = (np.asarray(x, dtype=float) for x in (lam, d, c1))
    n = np.arange(most + 1)[:, None]
    cost = r * n[:, 0] + ((1 - d) ** n * lam * d * c1).sum(axis=1)
    return int(cost.argmin()), float(cost.min() + (lam * (1 - d) * c1)[d > 0].sum())
