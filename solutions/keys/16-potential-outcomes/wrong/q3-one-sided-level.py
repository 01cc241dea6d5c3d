"""q3, one sided level: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_3b = fisher_interval


def fisher_interval(y, d, grid, alpha=0.05):
    return right_3b(y, d, grid, alpha / 2)
