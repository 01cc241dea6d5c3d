"""q7, weights of the sum: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def lin_weights(d, X):
    n = len(d)
    Xc = X - X.mean(axis=0)
    t = np.asarray(d, float)[:, None]
    Z = np.hstack([np.ones((n, 1)), t, Xc, t * Xc])
    return np.abs(np.linalg.pinv(Z)[1])
