"""q7, weights of the sum: wrong, 0 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def lin_weights(d, X):
    """Weights w (n,) with Lin's estimate = w @ y for every outcome y."""
    n = len(d)
    Xc = X - X.mean(axis=0)
    t = np.asarray(d, float)[:, None]
    Z = np.hstack([np.ones((n, 1)), t, Xc, t * Xc])
    return np.linalg.pinv(Z)[1]


def lin_weights(d, X):
    n = len(d)
    Xc = X - X.mean(axis=0)
    t = np.asarray(d, float)[:, None]
    Z = np.hstack([np.ones((n, 1)), t, Xc, t * Xc])
    return np.abs(np.linalg.pinv(Z)[1])
