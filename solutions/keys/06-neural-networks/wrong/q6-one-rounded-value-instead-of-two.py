"""q6, one rounded value instead of two: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def best_steps(eps, F, S, T):
    """(h, bound) of the central difference, (h, bound) of the one-sided one."""
    h = (3 * eps * F / T) ** (1 / 3)
    k = 2 * np.sqrt(eps * F / S)
    return float(h), float(h**2 * T / 2), float(k), float(k * S)


def best_steps(eps, F, S, T):
    h = (1.5 * eps * F / T) ** (1 / 3)
    k = np.sqrt(2 * eps * F / S)
    return float(h), float(h**2 * T / 2), float(k), float(k * S)
