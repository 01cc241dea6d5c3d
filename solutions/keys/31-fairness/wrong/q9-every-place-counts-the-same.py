"""q9, every place counts the same: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def dual_bound(scores, groups, supply, floor, k, prices):
    n = np.asarray(supply, dtype=float)
    boost = np.asarray(prices) / n
    top = np.argsort(-(scores + boost[groups]), axis=1, kind="stable")[:, :k]
    U = np.take_along_axis(scores, top, 1).sum(axis=1).mean()
    g = np.take_along_axis(groups, top, 1).ravel()
    E = np.bincount(g, minlength=len(n)) / len(top)
    return float(U + np.dot(prices, E / n - floor * k / n.sum()))
