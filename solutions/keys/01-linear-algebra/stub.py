"""The untouched answers of chapter 1, Linear Algebra for Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def errors(A, D):
    """(spectral, Frobenius) norm of A minus its best approximation of rank D."""
    raise NotImplementedError


def smallest_rank(A, share):
    """Smallest D whose approximation keeps `share` of the squared Frobenius norm."""
    raise NotImplementedError


def leading(A, X0, steps):
    """Rayleigh quotients (D,) and orthonormal Q (n, D) after so many steps."""
    raise NotImplementedError


def ridge_path(A, b, lams):
    """Ridge solutions for every penalty in lams (L,): (L, p), one SVD in all."""
    raise NotImplementedError


def degrees(A, lam):
    """Effective degrees of freedom: trace of the map from b to the fitted values."""
    raise NotImplementedError


def fold_in(Y, items, lam, alpha):
    """Factor vector (D,) of a user who took the given rows of Y."""
    raise NotImplementedError


def fold_in_fast(YtY, Yu, lam, alpha):
    """The same from Y'Y (D, D) and the rows Yu (n, D) of the items taken."""
    raise NotImplementedError


def trend(year, y, degree, at):
    """Values at the years `at` of the least-squares polynomial of this degree."""
    raise NotImplementedError


def ease_itemwise(G, lam):
    """Weights B (N, N) with penalty lam[i] on row i and a zero diagonal."""
    raise NotImplementedError


def align(Y, Z):
    """The orthogonal Q (D, D) that minimises the Frobenius norm of Y Q - Z."""
    raise NotImplementedError


def distance(Y, Z):
    """That minimum, from norms and singular values alone."""
    raise NotImplementedError


def expected_hit(q, n_neg, m, k):
    """Probability (n,) that fewer than k of m sampled negatives stand above."""
    raise NotImplementedError


def effective_cut(n_neg, m, k):
    """Sum of expected_hit over q = 0, ..., n_neg, in closed form."""
    raise NotImplementedError


def update(B, row):
    """The sketch (l, d) after one more row (d,); one of its rows is zero again."""
    raise NotImplementedError
