"""q4, always at least one: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def best_review(lam, d, c1, r, most=50):
    lam, d, c1 = (np.asarray(x, dtype=float) for x in (lam, d, c1))
    n = np.arange(1, most + 1)[:, None]
    cost = r * n[:, 0] + ((1 - d) ** n * lam * c1).sum(axis=1)
    return int(cost.argmin()) + 1, float(cost.min())
