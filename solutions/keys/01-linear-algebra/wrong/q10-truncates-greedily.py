"""q10, truncates greedily: wrong, 5 points.

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
    B[-1] = row
    _, s, Vt = np.linalg.svd(B, full_matrices=False)
    s[-1] = 0
    return s[:, None] * Vt
