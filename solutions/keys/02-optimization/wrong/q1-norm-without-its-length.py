"""q1, norm without its length: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def norm_pull(x, g):
    return g * x
