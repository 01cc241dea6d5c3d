"""q9, half of the way: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

_whole_way = floor_prices


def floor_prices(scores, groups, supply, floor, k):
    return 0.5 * _whole_way(scores, groups, supply, floor, k)
