"""q9, no search: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def floor_prices(scores, groups, supply, floor, k):
    return np.zeros(len(supply))
