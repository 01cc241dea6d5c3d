"""q5, first year not discounted: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


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


def growth_limit(build, licence, years, rho):
    from scipy.optimize import brentq

    t = np.arange(years)
    q = 1 + rho
    return brentq(lambda g: (licence * ((1 + g) / q) ** t).sum() - build, -0.9, 10)
