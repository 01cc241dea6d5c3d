"""q7, no constraint: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def ease_itemwise(G, lam):
    """Weights B (N, N) with penalty lam[i] on row i and a zero diagonal."""
    lam = np.asarray(lam, float)
    if np.any(lam <= 0):
        raise ValueError("every penalty must be positive")
    P = np.linalg.inv(G + np.diag(lam))
    return np.eye(len(G)) - P / np.diag(P)


def ease_itemwise(G, lam):
    lam = np.asarray(lam, float)
    if np.any(lam <= 0):
        raise ValueError("every penalty must be positive")
    return np.linalg.solve(G + np.diag(lam), G)
