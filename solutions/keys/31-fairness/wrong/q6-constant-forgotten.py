"""q6, constant forgotten: wrong, 0 points.

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


def equal_opportunity(points, share, base, c_fp, c_fn):
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
    return got.fun, float(got.x[: start[1]] @ points[0][:, 1])
