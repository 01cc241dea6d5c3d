"""q9, bins of a tenth: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def decompose(y, p):
    """(calibration, refinement) of the mean log loss; groups of equal p."""
    value, group = np.unique(p, return_inverse=True)
    count = np.bincount(group)
    c = np.bincount(group, weights=y) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(c > 0, c * np.log(c), 0) - np.where(
            c < 1, (1 - c) * np.log(1 - c), 0)
    cross = -c * np.log(value) - (1 - c) * np.log(1 - value)
    share = count / count.sum()
    return float(share @ (cross - entropy)), float(share @ entropy)


def decompose(y, p):
    bins = np.floor(10 * p)
    calibration = refinement = 0.0
    for at in (bins == k for k in np.unique(bins)):
        c, q = y[at].mean(), p[at].mean()
        H = -sum(v * np.log(v) for v in (c, 1 - c) if v > 0)
        cross = -c * np.log(q) - (1 - c) * np.log(1 - q)
        calibration += at.mean() * (cross - H)
        refinement += at.mean() * H
    return float(calibration), float(refinement)
