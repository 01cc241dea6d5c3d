"""q1, divided by the group: wrong, 1 points.

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
    for g in np.unique(groups):
        h = groups == g
        rows.append(
            (
                g.item(),
                float((yhat[h] * (1 - y[h])).mean()),
                float(((1 - yhat[h]) * y[h]).mean()),
                int((y[h] == 0).sum()),
                int((y[h] == 1).sum()),
            )
        )
    return rows
