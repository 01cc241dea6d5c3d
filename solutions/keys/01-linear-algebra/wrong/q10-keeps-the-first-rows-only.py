"""q10, keeps the first rows only: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def update(B, row):
    B = np.array(B, float)
    free = np.flatnonzero(np.abs(B).max(axis=1) == 0)
    if len(free) > 1:
        B[free[0]] = row
    return B
