"""q4, fair coins only: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def coin_variance(y0, y1, p):
    return float(((y1 + y0) ** 2).sum() / len(y0) ** 2)
