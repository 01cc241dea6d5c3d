"""q9, breakdown with a sign: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def breakdown(y, d, lo, hi):
    return float(y[d == 1].mean() - y[d == 0].mean())
