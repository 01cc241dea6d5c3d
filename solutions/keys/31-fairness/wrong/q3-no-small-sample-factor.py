"""q3, no small sample factor: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def clustered_interval(value, user, z=1.96):
    value = np.asarray(value, dtype=float)
    _, code = np.unique(user, return_inverse=True)
    S, N = np.bincount(code, weights=value), np.bincount(code)
    r = value.mean()
    if len(N) < 2:
        return float(r), float("nan"), float("nan")
    se = np.sqrt(((S - r * N) ** 2).sum()) / N.sum()
    return float(r), float(r - z * se), float(r + z * se)
