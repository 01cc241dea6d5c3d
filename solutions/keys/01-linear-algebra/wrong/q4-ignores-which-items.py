"""q4, ignores which items: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fold_in_fast(YtY, Yu, lam, alpha):
    if len(Yu) == 0:
        raise ValueError("no items")
    return np.zeros(len(YtY))


def fold_in(Y, items, lam, alpha):
    return fold_in_fast(Y.T @ Y, Y[np.asarray(items, int)], lam, alpha)
