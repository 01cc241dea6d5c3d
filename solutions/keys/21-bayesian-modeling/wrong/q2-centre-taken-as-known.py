"""q2, centre taken as known: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def partial_pool(y, se, tau):
    """Posterior of group effects given tau."""
    if not (np.asarray(se) > 0).all():
        raise ValueError("standard errors must be positive")
    v = se**2 + tau**2
    V = 1 / (1 / v).sum()
    m = V * (y / v).sum()
    B = tau**2 / v
    sd = np.sqrt(B * se**2 + (1 - B) ** 2 * V)
    return {"centre": float(m), "mean": B * y + (1 - B) * m, "sd": sd}


def partial_pool(y, se, tau):
    v = se**2 + tau**2
    m = (y / v).sum() / (1 / v).sum()
    B = tau**2 / v
    return {"centre": float(m), "mean": B * y + (1 - B) * m, "sd": np.sqrt(B) * se}
