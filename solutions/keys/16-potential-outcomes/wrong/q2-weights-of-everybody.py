"""q2, weights of everybody: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def att(P):
    cells = P.sum(axis=2)
    if (cells <= 0).any():
        raise ValueError("an empty cell")
    gap = P[:, 1, 1] / cells[:, 1] - P[:, 0, 1] / cells[:, 0]
    return float(cells.sum(axis=1) @ gap)
