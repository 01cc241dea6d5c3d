"""q2, no modulus: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def factor(mu, L, eta):
    return max(1 - eta * mu, 1 - eta * L)
