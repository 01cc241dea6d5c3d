"""q8, differences after all: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def along(X, W, b, dW, db):
    """Outputs (n, d_L) and their derivative along (dW, db)."""
    A, dA = X, np.zeros_like(X)
    for layer in range(len(W)):
        Z = A @ W[layer] + b[layer]
        dZ = dA @ W[layer] + A @ dW[layer] + db[layer]
        A, dA = np.maximum(Z, 0), dZ * (Z > 0)
    return Z, dZ


def along(X, W, b, dW, db):
    def at(h):
        A = X
        for layer in range(len(W)):
            Z = A @ (W[layer] + h * dW[layer]) + b[layer] + h * db[layer]
            A = np.maximum(Z, 0)
        return Z

    return at(0), (at(1e-4) - at(-1e-4)) / 2e-4
