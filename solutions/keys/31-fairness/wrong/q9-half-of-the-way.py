"""q9, half of the way: wrong, 3 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np
from scipy.optimize import linprog

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def dual_bound(scores, groups, supply, floor, k, prices):
    """Upper bound on U of all re-rankings that meet the floor."""
    return _respond(scores, groups, supply, floor, k, prices)[0]


def _respond(scores, groups, supply, floor, k, prices):
    """Bound, utility and slack (G,) of the best response."""
    n, v = np.asarray(supply, dtype=float), 1 / np.log2(1 + np.arange(1, k + 1))
    boost = np.asarray(prices) / n
    top = np.argsort(-(scores + boost[groups]), axis=1, kind="stable")[:, :k]
    U = (np.take_along_axis(scores, top, 1) @ v).mean()
    g = np.take_along_axis(groups, top, 1).ravel()
    E = np.bincount(g, weights=np.tile(v, len(top)), minlength=len(n)) / len(top)
    slack = E / n - floor * v.sum() / n.sum()
    return float(U + np.dot(prices, slack)), U, slack


def floor_prices(scores, groups, supply, floor, k):
    """Prices (G,) >= 0 with a nearly best bound: cutting planes on the dual."""
    G, cuts = len(supply), []
    p = np.zeros(G)
    top = 1e3 * (1 + np.ptp(scores)) * max(supply)
    best, best_p = np.inf, p
    for _ in range(200):
        value, U, slack = _respond(scores, groups, supply, floor, k, p)
        if value < best:
            best, best_p = value, p
        cuts.append((U, slack))
        A = np.array([np.r_[s, -1.0] for _, s in cuts])
        got = linprog(
            np.r_[np.zeros(G), 1.0],
            A_ub=A,
            b_ub=[-u for u, _ in cuts],
            bounds=[(0, top)] * G + [(None, None)],
        )
        if best - got.fun <= 1e-4 * abs(best):
            break
        p = (got.x[:G] + best_p) / 2
    return best_p


_whole_way = floor_prices


def floor_prices(scores, groups, supply, floor, k):
    return 0.5 * _whole_way(scores, groups, supply, floor, k)
