"""q8, earlier layers stand still: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def along(X, W, b, dW, db):
    A = X
    for layer in range(len(W)):
        Z = A @ W[layer] + b[layer]
        dZ = A @ dW[layer] + db[layer]
        A = np.maximum(Z, 0)
    return Z, dZ
