"""Reference answers of chapter 38, The Staff Data Scientist.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def score_forecasts(q, y):
    """Brier score and its three parts."""
    q, y = np.asarray(q, dtype=float), np.asarray(y, dtype=float)
    if ((q < 0) | (q > 1)).any():
        raise ValueError("stated probabilities lie between 0 and 1")
    levels, k = np.unique(q, return_inverse=True)
    n_k = np.bincount(k)
    y_k = np.bincount(k, weights=y) / n_k
    share = n_k / len(q)
    return {"brier": float(((q - y) ** 2).mean()),
            "reliability": float(share @ (levels - y_k) ** 2),
            "resolution": float(share @ (y_k - y.mean()) ** 2),
            "uncertainty": float(y.mean() * (1 - y.mean()))}


def days_open(history, today):
    """Days with status open, over all spells."""
    days = [int(d) for d, _ in history] + [int(today)]
    if any(b < a for a, b in zip(days, days[1:], strict=False)):
        raise ValueError("the history goes back in time")
    spells = zip(history, days[1:], strict=True)
    return sum(end - int(d) for (d, s), end in spells if s == "open")


def best_review(lam, d, c1, r, most=50):
    """(reviewers, expected cost)."""
    lam, d, c1 = (np.asarray(x, dtype=float) for x in (lam, d, c1))
    n = np.arange(most + 1)[:, None]                    # (most + 1, 1)
    cost = r * n[:, 0] + ((1 - d) ** n * lam * c1).sum(axis=1)
    best = int(cost.argmin())
    return best, float(cost[best])


def growth_limit(build, licence, years, rho):
    """The growth of usage at which buying costs as much as building."""
    t = np.arange(1, years + 1)

    def gap(g):
        return (licence * (1 + g) ** (t - 1) / (1 + rho) ** t).sum() - build

    low, high = -0.9, 10.0
    if gap(low) > 0 or gap(high) < 0:
        raise ValueError("no growth rate in the range makes the two equal")
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) < 0 else (low, middle)
    return float((low + high) / 2)


def audit(start, quarters, demand, needs, capacity):
    """What is wrong with a plan."""
    B, T = len(start), len(capacity)
    end = [int(start[b]) + int(quarters[b]) for b in range(B)]
    if max(end) > T:
        raise ValueError("a bet ends after the last quarter")
    depth = [0] * B
    for _ in range(B + 1):
        new = [1 + max([0, *(depth[int(c)] for c in needs[b])]) for b in range(B)]
        if new == depth:
            break
        depth = new
    else:
        raise ValueError("needs form a ring")
    used = np.zeros(T)
    for b in range(B):
        used[int(start[b]) : end[b]] += demand[b]
    early = [b for b in range(B) if any(end[int(c)] > start[b] for c in needs[b])]
    over = np.flatnonzero(used > np.asarray(capacity) + 1e-9)
    return {"too_early": early, "over": over.tolist(), "longest": max(depth)}
