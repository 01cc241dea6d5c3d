"""q4, no cross term: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def coin_variance(y0, y1, p):
    terms = (1 - p) / p * y1**2 + p / (1 - p) * y0**2
    return float(terms.sum() / len(y0) ** 2)
