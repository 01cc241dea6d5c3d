"""q8, zero derivative: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def along(X, W, b, dW, db):
    Z = X
    for w, v in zip(W, b):
        Z = np.maximum(Z @ w + v, 0)
    return Z, 0 * Z
