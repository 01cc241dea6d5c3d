"""q9, one off in the closed form: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def effective_cut(n_neg, m, k):
    return k * n_neg / m
