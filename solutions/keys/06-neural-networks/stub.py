"""The untouched answers of chapter 6, Neural Networks from Scratch.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def forward(X, W, b):
    """Output (n, d_L) of a ReLU network; refuses shapes that do not fit."""
    raise NotImplementedError


def smoothed(Z, y, eps):
    """(mean loss, gradient (n, K)) of cross-entropy with smoothed labels."""
    raise NotImplementedError


def fold(W, b, mean, scale):
    """Weights and offsets of the same network for raw features."""
    raise NotImplementedError


def gradients(X, T, W, b):
    """(dW, db) of ||Z_L - T||^2 / (2n) for a tanh network."""
    raise NotImplementedError


def best_steps(eps, F, S, T):
    """(h, bound) of the central difference, (h, bound) of the one-sided one."""
    raise NotImplementedError


def maximum(k):
    """(W, b) of a ReLU network with k hidden layers: the maximum of 2**k inputs."""
    raise NotImplementedError


def along(X, W, b, dW, db):
    """Outputs (n, d_L) and their derivative along (dW, db)."""
    raise NotImplementedError


def decompose(y, p):
    """(calibration, refinement) of the mean log loss; groups of equal p."""
    raise NotImplementedError
