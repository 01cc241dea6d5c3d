"""q1, no refusal: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

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
