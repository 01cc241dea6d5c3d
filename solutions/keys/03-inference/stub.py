"""The untouched answers of chapter 3, Probability Theory and Statistical Inference.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 3


import numpy as np
from scipy import stats

rng = np.random.default_rng(SEED)


def poisson_fit(X, y):
    """Estimate (d,) and inverse information (d, d) of a Poisson regression."""
    raise NotImplementedError


def newcombe(x1, n1, x0, n0, level=0.95):
    """Newcombe's interval of p1 - p0: (low, high)."""
    raise NotImplementedError


def lift_se(a, se_a, b, se_b):
    """Standard error of a / b - 1 by the delta method."""
    raise NotImplementedError


def lift_interval(a, se_a, b, se_b, level=0.95):
    """Interval (low, high) of a / b - 1 through the logarithm of a / b."""
    raise NotImplementedError


def errors(y, sessions, users):
    """Standard errors of the mean by rows, sessions and users: a dictionary."""
    raise NotImplementedError


def users_needed(p0, p1, m, cv, rho, alpha=0.05, power=0.8):
    """Users an arm for this power, as an int."""
    raise NotImplementedError


def power_with(users, p0, p1, m, cv, rho, alpha=0.05):
    """Power of the two-sided test with so many users an arm."""
    raise NotImplementedError


def adjusted(y, x, d):
    """Adjusted difference of means and its standard error: (effect, se)."""
    raise NotImplementedError


def user_permutation(clicks, users, arms, draws, rng):
    """Two-sided p-value; whole users are relabelled."""
    raise NotImplementedError


def huber(y, k, clusters=None):
    """Huber mean and its sandwich standard error: (estimate, se)."""
    raise NotImplementedError


def end_interval(y, b, draws, rng, level=0.95):
    """Interval (max y, high) of the end of a uniform distribution, by subsampling."""
    raise NotImplementedError
