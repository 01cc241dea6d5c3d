"""q1, ratio inverted and no refusal: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leaked_errors(m, rho):
    m = m + 1
    return (1 - rho), (1 - rho) * (1 + m * rho) / m, (1 - rho) * 2
