"""The untouched answers of chapter 31, Fairness in Machine Learning.

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


def error_rates(y, yhat, groups):
    """(group, fpr, fnr, negatives, positives) of each group."""
    raise NotImplementedError


def fpr_gap(base_a, base_b, ppv, fnr):
    """Forced difference of false-positive rates."""
    raise NotImplementedError


def clustered_interval(value, user, z=1.96):
    """(mean, low, high), clustered by user."""
    raise NotImplementedError


def equal_opportunity(points, share, base, c_fp, c_fn):
    """(least cost, common TPR) over mixtures of each group's points."""
    raise NotImplementedError


def boost_for(scores, groups, supply, target, k):
    """Smallest boost of group 1 that reaches the target ratio of exposure."""
    raise NotImplementedError


def dual_bound(scores, groups, supply, floor, k, prices):
    """Upper bound on U of all re-rankings that meet the floor."""
    raise NotImplementedError


def floor_prices(scores, groups, supply, floor, k):
    """Prices (G,) >= 0 with a nearly best bound."""
    raise NotImplementedError
