"""q8, broken pairs accepted: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_8c = paired


def paired(y, d, pair):
    try:
        return right_8c(y, d, pair)
    except ValueError:
        return float(y[d == 1].mean() - y[d == 0].mean()), float("nan")
