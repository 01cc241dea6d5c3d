"""q1, drops thin groups: wrong, 2 points.

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


def error_rates(y, yhat, groups):
    """(group, fpr, fnr, negatives, positives) of each group."""
    y, yhat, groups = map(np.asarray, (y, yhat, groups))
    if not len(y) == len(yhat) == len(groups):
        raise ValueError("y, yhat and groups must have one length")
    rows = []
    for g in np.unique(groups):
        here = groups == g
        neg, pos = here & (y == 0), here & (y == 1)
        fpr = float(yhat[neg].mean()) if neg.any() else float("nan")
        fnr = float(1 - yhat[pos].mean()) if pos.any() else float("nan")
        rows.append((g.item(), fpr, fnr, int(neg.sum()), int(pos.sum())))
    return rows


def error_rates(y, yhat, groups):
    y, yhat, groups = map(np.asarray, (y, yhat, groups))
    rows = []
    for g in np.unique(groups)[::-1]:
        n, p = (groups == g) & (y == 0), (groups == g) & (y == 1)
        if n.any() and p.any():
            rows.insert(
                0,
                (
                    g.item(),
                    float(yhat[n].mean()),
                    float(1 - yhat[p].mean()),
                    int(p.sum()),
                    int(p.sum()),
                ),
            )
    return rows
