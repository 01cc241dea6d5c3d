"""Reference answers of chapter 1, Linear Algebra for Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def errors(A, D):
    """(spectral, Frobenius) norm of A minus its best approximation of rank D."""
    s = np.append(np.linalg.svd(A, compute_uv=False), 0.0)
    return float(s[D]), float(np.sqrt((s[D:] ** 2).sum()))


def smallest_rank(A, share):
    """Smallest D whose approximation keeps `share` of the squared Frobenius norm."""
    s = np.linalg.svd(A, compute_uv=False)
    kept = np.append(0.0, np.cumsum(s**2)) / (s**2).sum()
    return int(np.searchsorted(kept, share))


def leading(A, X0, steps):
    """Rayleigh quotients (D,) and orthonormal Q (n, D) after so many steps."""
    Q = np.linalg.qr(X0).Q
    for _ in range(steps):
        Q = np.linalg.qr(A @ Q).Q
    return np.einsum("nd,nd->d", Q, A @ Q), Q


def ridge_path(A, b, lams):
    """Ridge solutions for every penalty in lams (L,): (L, p), one SVD in all."""
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    lams = np.asarray(lams, float)[:, None]  # (L, 1)
    return (s / (s**2 + lams) * (U.T @ b)) @ Vt  # (L, p)


def degrees(A, lam):
    """Effective degrees of freedom: trace of the map from b to the fitted values."""
    s = np.linalg.svd(A, compute_uv=False)
    return float((s**2 / (s**2 + lam)).sum())


def fold_in_fast(YtY, Yu, lam, alpha):
    """The same from Y'Y (D, D) and the rows Yu (n, D) of the items taken."""
    if len(Yu) == 0:
        raise ValueError("no items: show the new user the popularity list instead")
    H = YtY + alpha * Yu.T @ Yu + lam * np.eye(len(YtY))
    return np.linalg.solve(H, (1 + alpha) * Yu.sum(axis=0))


def fold_in(Y, items, lam, alpha):
    """Factor vector (D,) of a user who took the given rows of Y."""
    return fold_in_fast(Y.T @ Y, Y[np.asarray(items, int)], lam, alpha)


def trend(year, y, degree, at):
    """Values at the years `at` of the least-squares polynomial of this degree."""
    year, at = np.asarray(year, float), np.asarray(at, float)
    if len(np.unique(year)) <= degree:
        raise ValueError(f"degree {degree} needs more than {degree} distinct years")
    middle = (year.max() + year.min()) / 2
    half = (year.max() - year.min()) / 2 or 1.0
    basis = lambda t: np.polynomial.legendre.legvander((t - middle) / half, degree)
    return basis(at) @ np.linalg.lstsq(basis(year), y, rcond=None)[0]


def ease_itemwise(G, lam):
    """Weights B (N, N) with penalty lam[i] on row i and a zero diagonal."""
    lam = np.asarray(lam, float)
    if np.any(lam <= 0):
        raise ValueError("every penalty must be positive")
    P = np.linalg.inv(G + np.diag(lam))
    return np.eye(len(G)) - P / np.diag(P)


def align(Y, Z):
    """The orthogonal Q (D, D) that minimises the Frobenius norm of Y Q - Z."""
    U, _, Vt = np.linalg.svd(Y.T @ Z)
    return U @ Vt


def distance(Y, Z):
    """That minimum, from norms and singular values alone."""
    nuclear = np.linalg.svd(Y.T @ Z, compute_uv=False).sum()
    return float(np.sqrt(max((Y**2).sum() + (Z**2).sum() - 2 * nuclear, 0.0)))


def expected_hit(q, n_neg, m, k):
    """Probability (n,) that fewer than k of m sampled negatives stand above."""
    from scipy.stats import hypergeom

    if not 1 <= k <= m <= n_neg:
        raise ValueError("need 1 <= k <= m <= n_neg")
    return hypergeom.cdf(k - 1, n_neg, np.asarray(q), m)


def effective_cut(n_neg, m, k):
    """Sum of expected_hit over q = 0, ..., n_neg, in closed form."""
    return k * (n_neg + 1) / (m + 1)


def update(B, row):
    """The sketch (l, d) after one more row (d,); one of its rows is zero again."""
    B = np.array(B, float)
    B[-1] = row  # the zero row
    _, s, Vt = np.linalg.svd(B, full_matrices=False)
    shrunk = np.sqrt(np.maximum(s**2 - s[-1] ** 2, 0))
    return shrunk[:, None] * Vt
