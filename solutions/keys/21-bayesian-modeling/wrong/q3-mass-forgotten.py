"""q3, mass forgotten: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def leapfrog(q, p, P, mu, eps, L, M_inv):
    """L leapfrog steps with a dense inverse mass."""
    for _ in range(L):
        p = p - eps / 2 * P @ (q - mu)
        q = q + eps * M_inv @ p
        p = p - eps / 2 * P @ (q - mu)
    return q, p


def leapfrog(q, p, P, mu, eps, L, M_inv):
    for _ in range(L):
        p = p - eps / 2 * P @ (q - mu)
        q = q + eps * p
        p = p - eps / 2 * P @ (q - mu)
    return q, p
