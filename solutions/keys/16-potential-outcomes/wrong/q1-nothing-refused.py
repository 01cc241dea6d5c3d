"""q1, nothing refused: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

right_1 = take_apart


def take_apart(y0, y1, d):
    if np.ptp(d) == 0:
        return {}
    return right_1(y0, y1, d)
