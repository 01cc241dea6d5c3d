"""q4, one minus z squared: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def gradients(X, T, W, b):
    A, Z = [X], []
    for w, v in zip(W[:-1], b[:-1]):
        Z.append(A[-1] @ w + v)
        A.append(np.tanh(Z[-1]))
    Delta = (A[-1] @ W[-1] + b[-1] - T) / len(X)
    dW, db = [], []
    for layer in reversed(range(len(W))):
        dW.insert(0, A[layer].T @ Delta)
        db.insert(0, Delta.sum(axis=0))
        if layer:
            Delta = Delta @ W[layer].T * (1 - Z[layer - 1] ** 2)
    return dW, db
