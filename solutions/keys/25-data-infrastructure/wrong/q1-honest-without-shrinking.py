"""q1, honest without shrinking: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leaked_errors(m, rho):
    if m < 1 or not 0 <= rho < 1:
        raise ValueError("m must be at least 1 and rho in [0, 1)")
    real = (1 - rho) * (m + 1) / m
    return (1 - rho) * m / (m + 1), real, real
