"""q7, common slope: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def lin_weights(d, X):
    t = np.asarray(d, float)[:, None]
    Z = np.hstack([np.ones((len(d), 1)), t, X])
    return np.linalg.pinv(Z)[1]
