"""q8, rows not averaged: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def coin_variance(x, m):
    x = np.asarray(x, float)
    return float(2 * ((x @ x) ** 2 - (x**4).sum()))
