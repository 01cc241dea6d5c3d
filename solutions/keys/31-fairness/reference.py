"""Reference answers of chapter 31, Fairness in Machine Learning.

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


def error_rates(y, yhat, groups):
    """(group, fpr, fnr, negatives, positives) of each group."""
    y, yhat, groups = map(np.asarray, (y, yhat, groups))
    if not len(y) == len(yhat) == len(groups):
        raise ValueError("y, yhat and groups must have one length")
    rows = []
    for g in np.unique(groups):
        here = groups == g
        neg, pos = here & (y == 0), here & (y == 1)
        fpr = float(yhat[neg].mean()) if neg.any() else float("nan")
        fnr = float(1 - yhat[pos].mean()) if pos.any() else float("nan")
        rows.append((g.item(), fpr, fnr, int(neg.sum()), int(pos.sum())))
    return rows


def fpr_gap(base_a, base_b, ppv, fnr):
    """Forced difference of false-positive rates."""
    a, b, v, m = (np.asarray(x, dtype=float) for x in (base_a, base_b, ppv, fnr))
    if not ((a > 0) & (a < 1) & (b > 0) & (b < 1) & (v > 0) & (v <= 1)).all():
        raise ValueError("base rates lie in (0, 1) and the PPV in (0, 1]")
    return (a / (1 - a) - b / (1 - b)) * (1 - v) / v * (1 - m)


def clustered_interval(value, user, z=1.96):
    """(mean, low, high), clustered by user."""
    value = np.asarray(value, dtype=float)
    _, code = np.unique(user, return_inverse=True)
    S, N = np.bincount(code, weights=value), np.bincount(code)
    r, m = value.mean(), len(N)
    if m < 2:
        return float(r), float("nan"), float("nan")
    se = np.sqrt(m / (m - 1) * ((S - r * N) ** 2).sum()) / N.sum()
    return float(r), float(r - z * se), float(r + z * se)


def equal_opportunity(points, share, base, c_fp, c_fn):
    """(least cost, common TPR) over mixtures of each group's points."""
    G, start = len(points), np.cumsum([0, *map(len, points)])
    c = np.concatenate(
        [
            q * (c_fp * (1 - b) * p[:, 0] - c_fn * b * p[:, 1])
            for p, q, b in zip(points, share, base)
        ]
    )
    A, rhs = np.zeros((2 * G - 1, start[-1])), np.zeros(2 * G - 1)
    for g, p in enumerate(points):
        A[g, start[g] : start[g + 1]], rhs[g] = 1, 1
        if g:
            A[G + g - 1, : start[1]] = points[0][:, 1]
            A[G + g - 1, start[g] : start[g + 1]] = -p[:, 1]
    got = linprog(c, A_eq=A, b_eq=rhs)
    constant = c_fn * float(np.dot(share, base))
    return got.fun + constant, float(got.x[: start[1]] @ points[0][:, 1])


def boost_for(scores, groups, supply, target, k):
    """Smallest boost of group 1 that reaches the target ratio of exposure."""
    v = 1 / np.log2(1 + np.arange(1, k + 1))

    def ratio(t):
        top = np.argsort(-(scores + t * groups), axis=1, kind="stable")[:, :k]
        one = (np.take_along_axis(groups, top, 1) * v).sum()
        zero = v.sum() * len(scores) - one
        return np.inf if zero == 0 else (one / supply[1]) / (zero / supply[0])

    if ratio(0.0) >= target:
        return 0.0
    low, high = 0.0, 100.0
    if ratio(high) < target:
        raise ValueError("the lists do not hold enough of group 1")
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if ratio(middle) >= target else (middle, high)
    return high


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
