"""q9, one off in the closed form: wrong, 5 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def expected_hit(q, n_neg, m, k):
    """Probability (n,) that fewer than k of m sampled negatives stand above."""
    from scipy.stats import hypergeom

    if not 1 <= k <= m <= n_neg:
        raise ValueError("need 1 <= k <= m <= n_neg")
    return hypergeom.cdf(k - 1, n_neg, np.asarray(q), m)


def effective_cut(n_neg, m, k):
    """Sum of expected_hit over q = 0, ..., n_neg, in closed form."""
    return k * (n_neg + 1) / (m + 1)


def effective_cut(n_neg, m, k):
    return k * n_neg / m
