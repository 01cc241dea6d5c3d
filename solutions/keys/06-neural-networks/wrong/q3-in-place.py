"""q3, in place: wrong, 4 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def fold(W, b, mean, scale):
    """Weights and offsets of the same network for raw features."""
    first = W[0] / scale[:, None]
    return [first, *W[1:]], [b[0] - mean @ first, *b[1:]]


def fold(W, b, mean, scale):
    W[0] /= scale[:, None]
    b[0] -= mean @ W[0]
    return W, b
