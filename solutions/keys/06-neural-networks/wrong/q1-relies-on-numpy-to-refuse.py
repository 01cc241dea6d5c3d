"""q1, relies on numpy to refuse: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def forward(X, W, b):
    """Output (n, d_L) of a ReLU network; refuses shapes that do not fit."""
    A = np.asarray(X, dtype=float)
    if not np.isfinite(A).all():
        raise ValueError("X holds a value that is not finite")
    for layer, (w, v) in enumerate(zip(W, b), 1):
        if A.shape[1] != w.shape[0]:
            raise ValueError(f"layer {layer} takes {w.shape[0]} inputs")
        if v.shape != (w.shape[1],):
            raise ValueError(f"the offset of layer {layer} has shape {v.shape}")
        A = A @ w + v
        if layer < len(W):
            A = np.maximum(A, 0)
    return A


def forward(X, W, b):
    for w, v in zip(W[:-1], b[:-1]):
        X = np.maximum(X @ w + v, 0)
    return X @ W[-1] + b[-1]
