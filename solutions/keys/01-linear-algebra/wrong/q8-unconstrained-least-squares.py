"""q8, unconstrained least squares: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def align(Y, Z):
    """The orthogonal Q (D, D) that minimises the Frobenius norm of Y Q - Z."""
    U, _, Vt = np.linalg.svd(Y.T @ Z)
    return U @ Vt


def distance(Y, Z):
    """That minimum, from norms and singular values alone."""
    nuclear = np.linalg.svd(Y.T @ Z, compute_uv=False).sum()
    return float(np.sqrt(max((Y**2).sum() + (Z**2).sum() - 2 * nuclear, 0.0)))


def align(Y, Z):
    return np.linalg.lstsq(Y, Z, rcond=None)[0]


def distance(Y, Z):
    return float(np.linalg.norm(Y @ align(Y, Z) - Z))
