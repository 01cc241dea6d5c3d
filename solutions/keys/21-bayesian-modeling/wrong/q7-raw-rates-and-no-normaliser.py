"""q7, raw rates and no normaliser: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


from scipy.special import betaln, digamma


def evidence(eta, k, n):
    """Log evidence and its gradient in (log a, log b)."""
    a, b = np.exp(eta)
    value = (betaln(a + k, b + n - k) - betaln(a, b)).sum()
    both = digamma(a + b) - digamma(a + b + n)
    da = (digamma(a + k) - digamma(a) + both).sum()
    db = (digamma(b + n - k) - digamma(b) + both).sum()
    return float(value), np.array([a * da, b * db])


def predict(eta, k, n):
    """Posterior mean of each user's rate."""
    a, b = np.exp(eta)
    return (a + k) / (a + b + n)


def evidence(eta, k, n):
    a, b = np.exp(eta)
    value = betaln(a + k, b + n - k).sum()
    both = -digamma(a + b + n)
    da, db = (digamma(a + k) + both).sum(), (digamma(b + n - k) + both).sum()
    return float(value), np.array([a * da, b * db])


def predict(eta, k, n):
    return k / np.maximum(n, 1)
