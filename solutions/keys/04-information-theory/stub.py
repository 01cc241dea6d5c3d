"""The untouched answers of chapter 4, Information Theory for Data Science.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 4


import numpy as np
from scipy import optimize, special, stats
from scipy.spatial import cKDTree

rng = np.random.default_rng(SEED)


def bits_saved(y, p):
    """Mean bits a row saved by probabilities p (n,) against the constant mean of y."""
    raise NotImplementedError


def codewords(lengths):
    """Words of a prefix code with these lengths, in their order."""
    raise NotImplementedError


def decode(bits, words):
    """Outcomes coded by the string bits."""
    raise NotImplementedError


def psi_alarm(p, q, size=0.1, level=0.01, rows_per_unit=1.0):
    """psi, excess, p_value and alarm for counts p and q (B,)."""
    raise NotImplementedError


def max_entropy(values, mean):
    """Distribution (K,) on the values with this mean and the largest entropy."""
    raise NotImplementedError


def jackknife_entropy(labels, groups):
    """Entropy corrected by leaving out groups, and its standard error."""
    raise NotImplementedError


def pinsker_gap(p, q):
    """KL(p || q) - 2 TV(p, q)^2 in nats."""
    raise NotImplementedError


def by_what_is_new(codes, y, k):
    """Positions of k features, each with the most that is new."""
    raise NotImplementedError


def knn_divergence(x, y, k=1):
    """Estimate of KL(p || q) from x (n, d) and y (m, d) by k-th neighbours, in nats."""
    raise NotImplementedError
