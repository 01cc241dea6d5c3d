"""q8, control minus treated: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_8b = paired


def paired(y, d, pair):
    estimate, error = right_8b(y, d, pair)
    return -estimate, error
