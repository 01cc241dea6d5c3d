"""q3, no small sample factor: wrong, 1 points.

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


def clustered_interval(value, user, z=1.96):
    value = np.asarray(value, dtype=float)
    _, code = np.unique(user, return_inverse=True)
    S, N = np.bincount(code, weights=value), np.bincount(code)
    r = value.mean()
    if len(N) < 2:
        return float(r), float("nan"), float("nan")
    se = np.sqrt(((S - r * N) ** 2).sum()) / N.sum()
    return float(r), float(r - z * se), float(r + z * se)
