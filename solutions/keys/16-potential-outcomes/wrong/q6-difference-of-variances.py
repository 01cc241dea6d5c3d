"""q6, difference of variances: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sharper_variance(y, d):
    a, b = y[d == 1], y[d == 0]
    v1, v0 = a.var(ddof=1), b.var(ddof=1)
    return float(v1 / len(a) + v0 / len(b) - abs(v1 - v0) / len(y))
