"""q4, one group searched: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def two_levels(N, P):
    g = (P * N) ** (1 / 3)
    return g, g * g, 3 * g
