"""q3, rows are independent: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def clustered_interval(value, user, z=1.96):
    r, se = np.mean(value), np.std(value, ddof=1) / np.sqrt(len(value))
    return float(r), float(r - z * se), float(r + z * se)
