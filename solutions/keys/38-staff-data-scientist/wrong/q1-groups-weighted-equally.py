"""q1, groups weighted equally: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def score_forecasts(q, y):
    q, y = np.asarray(q, dtype=float), np.asarray(y, dtype=float)
    if ((q < 0) | (q > 1)).any():
        raise ValueError("stated probabilities lie between 0 and 1")
    levels = np.unique(q)
    y_k = np.array([y[q == v].mean() for v in levels])
    return {"brier": float(((q - y) ** 2).mean()),
            "reliability": float(((levels - y_k) ** 2).mean()),
            "resolution": float(((y_k - y.mean()) ** 2).mean()),
            "uncertainty": float(y.mean() * (1 - y.mean()))}
