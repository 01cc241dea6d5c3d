"""q4, no cross term: wrong, 0 points.

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
    terms = (1 - p) / p * y1**2 + p / (1 - p) * y0**2
    return float(terms.sum() / len(y0) ** 2)
