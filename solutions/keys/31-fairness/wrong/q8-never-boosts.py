"""q8, never boosts: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np
from scipy.optimize import linprog

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def boost_for(scores, groups, supply, target, k):
    """Smallest boost of group 1 that reaches the target ratio of exposure."""
    v = 1 / np.log2(1 + np.arange(1, k + 1))

    def ratio(t):
        top = np.argsort(-(scores + t * groups), axis=1, kind="stable")[:, :k]
        one = (np.take_along_axis(groups, top, 1) * v).sum()
        zero = v.sum() * len(scores) - one
        return np.inf if zero == 0 else (one / supply[1]) / (zero / supply[0])

    if ratio(0.0) >= target:
        return 0.0
    low, high = 0.0, 100.0
    if ratio(high) < target:
        raise ValueError("the lists do not hold enough of group 1")
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if ratio(middle) >= target else (middle, high)
    return high


def boost_for(scores, groups, supply, target, k):
    return 0.0
