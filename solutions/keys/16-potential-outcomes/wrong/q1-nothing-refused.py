"""q1, nothing refused: wrong, 3 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def take_apart(y0, y1, d):
    """The naive difference and its parts, sample averages."""
    t = np.asarray(d) == 1
    if t.all() or not t.any():
        raise ValueError("both groups must have units")
    tau, p = y1 - y0, t.mean()
    att, atu = float(tau[t].mean()), float(tau[~t].mean())
    return {
        "naive": float(y1[t].mean() - y0[~t].mean()),
        "ate": float(tau.mean()),
        "att": att,
        "atu": atu,
        "selection": float(y0[t].mean() - y0[~t].mean()),
        "heterogeneity": float((1 - p) * (att - atu)),
    }


right_1 = take_apart


def take_apart(y0, y1, d):
    if np.ptp(d) == 0:
        return {}
    return right_1(y0, y1, d)
