"""q4, only the items taken: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fold_in_fast(YtY, Yu, lam, alpha):
    if len(Yu) == 0:
        raise ValueError("no items")
    H = (1 + alpha) * Yu.T @ Yu + lam * np.eye(len(YtY))
    return np.linalg.solve(H, (1 + alpha) * Yu.sum(axis=0))


def fold_in(Y, items, lam, alpha):
    return fold_in_fast(Y.T @ Y, Y[np.asarray(items, int)], lam, alpha)
