"""q3, effect added instead of removed: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


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


right_3 = fisher_interval


def fisher_interval(y, d, grid, alpha=0.05):
    low, high = right_3(y, d, -np.asarray(grid)[::-1], alpha)
    return -high, -low
