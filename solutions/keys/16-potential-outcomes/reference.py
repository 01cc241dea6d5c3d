"""Reference answers of chapter 16, The Potential Outcomes Framework.

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
    t = np.asarray(d) == 1
    if t.all() or not t.any():
        raise ValueError("both groups must have units")
    tau, p = y1 - y0, t.mean()
    att, atu = float(tau[t].mean()), float(tau[~t].mean())
    return {
        "naive": float(y1[t].mean() - y0[~t].mean()),
        "ate": float(tau.mean()),
        "att": att,
        "atu": atu,
        "selection": float(y0[t].mean() - y0[~t].mean()),
        "heterogeneity": float((1 - p) * (att - atu)),
    }


def att(P):
    """E[Y(1) - Y(0) | D = 1] from the table P[x, d, y]."""
    cells = P.sum(axis=2)  # (K, 2) P(x, d)
    t = cells[:, 1] > 0
    if (cells[t, 0] <= 0).any():
        raise ValueError("a stratum has treated but no control units")
    gap = P[t, 1, 1] / cells[t, 1] - P[t, 0, 1] / cells[t, 0]
    return float(cells[t, 1] @ gap / cells[t, 1].sum())


def fisher_interval(y, d, grid, alpha=0.05):
    """Smallest and largest constant effect in grid that the exact test accepts."""
    n, n1 = len(y), int(np.sum(d))
    L = np.array([np.isin(range(n), c) for c in combinations(range(n), n1)])
    W = L / n1 - ~L / (n - n1)  # (C, n): difference in means of each lottery
    w = np.asarray(d) / n1 - (1 - np.asarray(d)) / (n - n1)
    kept = []
    for t in grid:
        z = y - t * d
        if (abs(W @ z) >= abs(w @ z) - 1e-9).mean() > alpha:
            kept.append(float(t))
    if not kept:
        raise ValueError("every value of the grid is rejected: widen it")
    return min(kept), max(kept)


def coin_variance(y0, y1, p):
    """Variance of the inverse-weighted difference under independent coins."""
    c = np.sqrt((1 - p) / p) * y1 + np.sqrt(p / (1 - p)) * y0
    return float((c**2).sum() / len(c) ** 2)


def sharper_variance(y, d):
    """Neyman's variance less the part of S_tau^2 / n that the margins reveal."""
    a, b = y[d == 1], y[d == 0]
    s1, s0 = a.std(ddof=1), b.std(ddof=1)
    return float(s1**2 / len(a) + s0**2 / len(b) - (s1 - s0) ** 2 / len(y))


def lin_weights(d, X):
    """Weights w (n,) with Lin's estimate = w @ y for every outcome y."""
    n = len(d)
    Xc = X - X.mean(axis=0)
    t = np.asarray(d, float)[:, None]
    Z = np.hstack([np.ones((n, 1)), t, Xc, t * Xc])
    return np.linalg.pinv(Z)[1]


def paired(y, d, pair):
    """Estimate and standard error of a paired experiment."""
    names, s = np.unique(pair, return_inverse=True)
    m = len(names)
    n1 = np.bincount(s[d == 1], minlength=m)
    n0 = np.bincount(s[d == 0], minlength=m)
    if (n1 != 1).any() or (n0 != 1).any():
        raise ValueError("every pair needs exactly one treated and one control unit")
    gap = np.zeros(m)
    gap[s[d == 1]] += y[d == 1]
    gap[s[d == 0]] -= y[d == 0]
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(m))


def bounds(y, d, lo, hi, delta):
    """Smallest and largest ATE if group means differ by at most delta."""
    p, m1, m0 = np.mean(d), y[d == 1].mean(), y[d == 0].mean()
    unseen1 = np.clip([m1 - delta, m1 + delta], lo, hi)  # E[Y(1) | D = 0]
    unseen0 = np.clip([m0 + delta, m0 - delta], lo, hi)  # E[Y(0) | D = 1]
    ends = p * (m1 - unseen0) + (1 - p) * (unseen1 - m0)
    return float(ends[0]), float(ends[1])


def breakdown(y, d, lo, hi):
    """The smallest delta at which the bounds contain zero."""
    return float(abs(y[d == 1].mean() - y[d == 0].mean()))
