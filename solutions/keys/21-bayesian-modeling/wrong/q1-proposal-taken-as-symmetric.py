"""q1, proposal taken as symmetric: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def log_accept(log_x, log_new, x, new):
    """Log acceptance probability of a multiplicative proposal."""
    ratio = log_new - log_x + np.log(new / x)        # Q(x | x') / Q(x' | x) = x' / x
    return np.minimum(0.0, np.where(np.isnan(ratio), -np.inf, ratio))


def log_accept(log_x, log_new, x, new):
    ratio = log_new - log_x
    return np.minimum(0.0, np.where(np.isnan(ratio), -np.inf, ratio))
