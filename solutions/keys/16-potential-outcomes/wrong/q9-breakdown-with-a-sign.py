"""q9, breakdown with a sign: wrong, 4 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def bounds(y, d, lo, hi, delta):
    """Smallest and largest ATE if group means differ by at most delta."""
    p, m1, m0 = np.mean(d), y[d == 1].mean(), y[d == 0].mean()
    unseen1 = np.clip([m1 - delta, m1 + delta], lo, hi)  # E[Y(1) | D = 0]
    unseen0 = np.clip([m0 + delta, m0 - delta], lo, hi)  # E[Y(0) | D = 1]
    ends = p * (m1 - unseen0) + (1 - p) * (unseen1 - m0)
    return float(ends[0]), float(ends[1])


def breakdown(y, d, lo, hi):
    """The smallest delta at which the bounds contain zero."""
    return float(abs(y[d == 1].mean() - y[d == 0].mean()))


def breakdown(y, d, lo, hi):
    return float(y[d == 1].mean() - y[d == 0].mean())
