"""q2, weights of everybody: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def att(P):
    """E[Y(1) - Y(0) | D = 1] from the table P[x, d, y]."""
    cells = P.sum(axis=2)  # (K, 2) P(x, d)
    t = cells[:, 1] > 0
    if (cells[t, 0] <= 0).any():
        raise ValueError("a stratum has treated but no control units")
    gap = P[t, 1, 1] / cells[t, 1] - P[t, 0, 1] / cells[t, 0]
    return float(cells[t, 1] @ gap / cells[t, 1].sum())


def att(P):
    cells = P.sum(axis=2)
    if (cells <= 0).any():
        raise ValueError("an empty cell")
    gap = P[:, 1, 1] / cells[:, 1] - P[:, 0, 1] / cells[:, 0]
    return float(cells.sum(axis=1) @ gap)
