"""q1, sign and nan: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def norm_pull(x, g):
    return g * x / np.linalg.norm(x)


def quotient_pull(a, b, g):
    return g / b, g * a / b**2
