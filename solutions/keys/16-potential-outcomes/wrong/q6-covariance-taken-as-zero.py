"""q6, covariance taken as zero: wrong, 0 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def sharper_variance(y, d):
    """Neyman's variance less the part of S_tau^2 / n that the margins reveal."""
    a, b = y[d == 1], y[d == 0]
    s1, s0 = a.std(ddof=1), b.std(ddof=1)
    return float(s1**2 / len(a) + s0**2 / len(b) - (s1 - s0) ** 2 / len(y))


def sharper_variance(y, d):
    a, b = y[d == 1], y[d == 0]
    v1, v0 = a.var(ddof=1), b.var(ddof=1)
    return float(v1 / len(a) + v0 / len(b) - (v1 + v0) / len(y))
