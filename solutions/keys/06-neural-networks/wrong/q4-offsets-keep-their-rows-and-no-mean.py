"""q4, offsets keep their rows and no mean: wrong, 0 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def gradients(X, T, W, b):
    """(dW, db) of ||Z_L - T||^2 / (2n) for a tanh network."""
    A = [X]
    for w, v in zip(W[:-1], b[:-1]):
        A.append(np.tanh(A[-1] @ w + v))
    Delta = (A[-1] @ W[-1] + b[-1] - T) / len(X)
    dW, db = [], []
    for layer in reversed(range(len(W))):
        dW.insert(0, A[layer].T @ Delta)
        db.insert(0, Delta.sum(axis=0))
        if layer:
            Delta = Delta @ W[layer].T * (1 - A[layer] ** 2)
    return dW, db


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
