"""q3, mean of user means: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def clustered_interval(value, user, z=1.96):
    _, code = np.unique(user, return_inverse=True)
    means = np.bincount(code, weights=value) / np.bincount(code)
    if len(means) < 2:
        return float(means[0]), float("nan"), float("nan")
    r, se = means.mean(), means.std(ddof=1) / np.sqrt(len(means))
    return float(r), float(r - z * se), float(r + z * se)
