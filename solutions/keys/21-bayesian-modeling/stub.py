"""The untouched answers of chapter 21, Bayesian Modeling in Practice.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def log_accept(log_x, log_new, x, new):
    """Log acceptance probability of a multiplicative proposal."""
    raise NotImplementedError


def partial_pool(y, se, tau):
    """Posterior of group effects given tau."""
    raise NotImplementedError


def leapfrog(q, p, P, mu, eps, L, M_inv):
    """L leapfrog steps with a dense inverse mass."""
    raise NotImplementedError


def evidence(eta, k, n):
    """Log evidence and its gradient in (log a, log b)."""
    raise NotImplementedError


def predict(eta, k, n):
    """Posterior mean of each user's rate."""
    raise NotImplementedError


def nested_rhat(x):
    """Nested R-hat of draws (G, m, S)."""
    raise NotImplementedError


def stationary_limit(m, S, phi):
    """Limit of nested R-hat in many superchains of stationary AR(1) chains."""
    raise NotImplementedError


def rank_density(u, b, s):
    """Density of the rank of the truth, as a share, for a faulty sampler."""
    raise NotImplementedError


def fault(histogram):
    """Name the fault that a histogram of ranks in 20 bins shows."""
    raise NotImplementedError
