"""q7, a shift that may go below zero: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def project_simplex(v):
    nu = (v.sum() - 1) / len(v)
    return v - nu, float(nu)
