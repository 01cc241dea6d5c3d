"""q8, always one hundred: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def boost_for(scores, groups, supply, target, k):
    return 100.0
