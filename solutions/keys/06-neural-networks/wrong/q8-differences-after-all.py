"""q8, differences after all: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def along(X, W, b, dW, db):
    def at(h):
        A = X
        for layer in range(len(W)):
            Z = A @ (W[layer] + h * dW[layer]) + b[layer] + h * db[layer]
            A = np.maximum(Z, 0)
        return Z

    return at(0), (at(1e-4) - at(-1e-4)) / 2e-4
