"""q1, no refusal: wrong, 3 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def score_forecasts(q, y):
    """Brier score and its three parts."""
    q, y = np.asarray(q, dtype=float), np.asarray(y, dtype=float)
    if ((q < 0) | (q > 1)).any():
        raise ValueError("stated probabilities lie between 0 and 1")
    levels, k = np.unique(q, return_inverse=True)
    n_k = np.bincount(k)
    y_k = np.bincount(k, weights=y) / n_k
    share = n_k / len(q)
    return {"brier": float(((q - y) ** 2).mean()),
            "reliability": float(share @ (levels - y_k) ** 2),
            "resolution": float(share @ (y_k - y.mean()) ** 2),
            "uncertainty": float(y.mean() * (1 - y.mean()))}


def score_forecasts(q, y):
    q, y = np.asarray(q, dtype=float), np.asarray(y, dtype=float)
    levels, k = np.unique(q, return_inverse=True)
    n_k = np.bincount(k)
    y_k = np.bincount(k, weights=y) / n_k
    share = n_k / len(q)
    return {"brier": float(((q - y) ** 2).mean()),
            "reliability": float(share @ (levels - y_k) ** 2),
            "resolution": float(share @ (y_k - y.mean()) ** 2),
            "uncertainty": float(y.mean() * (1 - y.mean()))}
