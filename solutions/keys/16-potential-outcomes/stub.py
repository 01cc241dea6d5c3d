"""The untouched answers of chapter 16, The Potential Outcomes Framework.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def take_apart(y0, y1, d):
    """The naive difference and its parts, sample averages."""
    raise NotImplementedError


def att(P):
    """E[Y(1) - Y(0) | D = 1] from the table P[x, d, y]."""
    raise NotImplementedError


def fisher_interval(y, d, grid, alpha=0.05):
    """Smallest and largest constant effect in grid that the exact test accepts."""
    raise NotImplementedError


def coin_variance(y0, y1, p):
    """Variance of the inverse-weighted difference under independent coins."""
    raise NotImplementedError


def sharper_variance(y, d):
    """Neyman's variance less the part of S_tau^2 / n that the margins reveal."""
    raise NotImplementedError


def lin_weights(d, X):
    """Weights w (n,) with Lin's estimate = w @ y for every outcome y."""
    raise NotImplementedError


def paired(y, d, pair):
    """Estimate and standard error of a paired experiment."""
    raise NotImplementedError


def bounds(y, d, lo, hi, delta):
    """Smallest and largest ATE if group means differ by at most delta."""
    raise NotImplementedError


def breakdown(y, d, lo, hi):
    """The smallest delta at which the bounds contain zero."""
    raise NotImplementedError
