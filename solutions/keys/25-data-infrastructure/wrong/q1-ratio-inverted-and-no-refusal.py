"""q1, ratio inverted and no refusal: wrong, 0 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def leaked_errors(m, rho):
    """(claimed, honest, real) error over the variance of the label."""
    if m < 1 or not 0 <= rho < 1:
        raise ValueError("m must be at least 1 and rho in [0, 1)")
    claimed = (1 - rho) * m / (m + 1)
    honest = (1 - rho) * (1 + m * rho) / (1 + (m - 1) * rho)
    real = (1 - rho) * (m + 1) / m
    return claimed, honest, real


def leaked_errors(m, rho):
    m = m + 1
    return (1 - rho), (1 - rho) * (1 + m * rho) / m, (1 - rho) * 2
