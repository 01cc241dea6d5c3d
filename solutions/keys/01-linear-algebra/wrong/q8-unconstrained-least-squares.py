"""q8, unconstrained least squares: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def align(Y, Z):
    return np.linalg.lstsq(Y, Z, rcond=None)[0]


def distance(Y, Z):
    return float(np.linalg.norm(Y @ align(Y, Z) - Z))
