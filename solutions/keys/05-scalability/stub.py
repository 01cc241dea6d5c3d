"""The untouched answers of chapter 5, Computational Complexity and Scalability.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 5


import numpy as np

rng = np.random.default_rng(SEED)


def least_seconds(B, N, D, bytes_each, peak, bandwidth):
    """Least seconds of B queries against N items by the roofline."""
    raise NotImplementedError


def plan(times, factors, steps):
    """Which stages to improve, in order, and the whole's speed-up after each."""
    raise NotImplementedError


def best_of_blocks(q, blocks, k):
    """Rows (k,) and scores (k,) of the best of all blocks, best first."""
    raise NotImplementedError


def two_levels(N, P):
    """The best number of groups A and of cells C, and the least work W."""
    raise NotImplementedError


def tie_recall(found, scores, k):
    """Share of k places filled by items as good as the k-th best."""
    raise NotImplementedError


def conservative(places, w):
    """Counters (d, w) of a Count-Min sketch with conservative update."""
    raise NotImplementedError


def coin_variance(x, m):
    """Variance of |Rx|^2 for a coin matrix R with m rows."""
    raise NotImplementedError


def encode(X, books):
    """Codes (n, m): the nearest codebook entry of each part."""
    raise NotImplementedError


def decode(codes, books):
    """The vectors (n, D) that codes stand for."""
    raise NotImplementedError


def scores(q, codes, books):
    """Inner products (n,) of q with the decoded vectors, by tables."""
    raise NotImplementedError


def work(n, D, m, K):
    """Multiplications of scores for n items."""
    raise NotImplementedError
