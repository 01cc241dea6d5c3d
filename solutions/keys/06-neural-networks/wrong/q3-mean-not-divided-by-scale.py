"""q3, mean not divided by scale: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fold(W, b, mean, scale):
    return [W[0] / scale[:, None], *W[1:]], [b[0] - mean @ W[0], *b[1:]]
