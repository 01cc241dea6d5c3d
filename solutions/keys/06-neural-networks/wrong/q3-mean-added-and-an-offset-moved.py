"""q3, mean added and an offset moved: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def fold(W, b, mean, scale):
    first = W[0] / scale[:, None]
    return [first, *W[1:]], [b[0] + mean @ first + 1, *b[1:]]
