"""q4, fair coins only: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def coin_variance(y0, y1, p):
    """Variance of the inverse-weighted difference under independent coins."""
    c = np.sqrt((1 - p) / p) * y1 + np.sqrt(p / (1 - p)) * y0
    return float((c**2).sum() / len(c) ** 2)


def coin_variance(y0, y1, p):
    return float(((y1 + y0) ** 2).sum() / len(y0) ** 2)
