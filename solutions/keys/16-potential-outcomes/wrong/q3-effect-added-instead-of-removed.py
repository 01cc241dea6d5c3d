"""q3, effect added instead of removed: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_3 = fisher_interval


def fisher_interval(y, d, grid, alpha=0.05):
    low, high = right_3(y, d, -np.asarray(grid)[::-1], alpha)
    return -high, -low
