"""q3, silence on a bad grid: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_3c = fisher_interval


def fisher_interval(y, d, grid, alpha=0.05):
    try:
        return right_3c(y, d, grid, alpha)
    except ValueError:
        return float("nan"), float("nan")
