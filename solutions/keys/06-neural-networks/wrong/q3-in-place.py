"""q3, in place: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fold(W, b, mean, scale):
    W[0] /= scale[:, None]
    b[0] -= mean @ W[0]
    return W, b
