"""q9, no prices: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def dual_bound(scores, groups, supply, floor, k, prices):
    v = 1 / np.log2(1 + np.arange(1, k + 1))
    return float((-np.sort(-scores, axis=1)[:, :k] @ v).mean())


def floor_prices(scores, groups, supply, floor, k):
    return np.zeros(len(supply))
