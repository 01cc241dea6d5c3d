"""q10, keeps the first rows only: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def update(B, row):
    """The sketch (l, d) after one more row (d,); one of its rows is zero again."""
    B = np.array(B, float)
    B[-1] = row  # the zero row
    _, s, Vt = np.linalg.svd(B, full_matrices=False)
    shrunk = np.sqrt(np.maximum(s**2 - s[-1] ** 2, 0))
    return shrunk[:, None] * Vt


def update(B, row):
    B = np.array(B, float)
    free = np.flatnonzero(np.abs(B).max(axis=1) == 0)
    if len(free) > 1:
        B[free[0]] = row
    return B
