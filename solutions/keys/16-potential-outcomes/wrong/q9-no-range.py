"""q9, no range: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def bounds(y, d, lo, hi, delta):
    naive = y[d == 1].mean() - y[d == 0].mean()
    return float(naive - delta), float(naive + delta)
