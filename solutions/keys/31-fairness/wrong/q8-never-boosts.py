"""q8, never boosts: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def boost_for(scores, groups, supply, target, k):
    return 0.0
