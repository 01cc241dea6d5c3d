"""q4, first order: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def largest_step(h, C, b, excess):
    if not excess > 0:
        raise ValueError("the excess must be positive")
    return 4 * b * excess / C.sum()
