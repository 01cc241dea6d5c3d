"""q4, offsets keep their rows and no mean: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def gradients(X, T, W, b):
    A = [X]
    for w, v in zip(W[:-1], b[:-1]):
        A.append(np.tanh(A[-1] @ w + v))
    Delta = A[-1] @ W[-1] + b[-1] - T
    dW, db = [], []
    for layer in reversed(range(len(W))):
        dW.insert(0, A[layer].T @ Delta)
        db.insert(0, Delta)
        if layer:
            Delta = Delta @ W[layer].T * (1 - A[layer] ** 2)
    return dW, db
