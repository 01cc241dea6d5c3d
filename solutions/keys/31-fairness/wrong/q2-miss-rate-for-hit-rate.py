"""q2, miss rate for hit rate: wrong, 1 points.

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


def fpr_gap(base_a, base_b, ppv, fnr):
    """Forced difference of false-positive rates."""
    a, b, v, m = (np.asarray(x, dtype=float) for x in (base_a, base_b, ppv, fnr))
    if not ((a > 0) & (a < 1) & (b > 0) & (b < 1) & (v > 0) & (v <= 1)).all():
        raise ValueError("base rates lie in (0, 1) and the PPV in (0, 1]")
    return (a / (1 - a) - b / (1 - b)) * (1 - v) / v * (1 - m)


def fpr_gap(base_a, base_b, ppv, fnr):
    a, b, v, m = (np.asarray(x, dtype=float) for x in (base_a, base_b, ppv, fnr))
    if not ((a > 0) & (a < 1) & (b > 0) & (b < 1) & (v > 0) & (v <= 1)).all():
        raise ValueError("range")
    return (a / (1 - a) - b / (1 - b)) * (1 - v) / v * m
