"""q2, other sign and no refusal: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def att(P):
    cells = np.maximum(P.sum(axis=2), 1e-12)
    gap = P[:, 0, 1] / cells[:, 0] - P[:, 1, 1] / cells[:, 1]
    return float(cells[:, 1] @ gap / cells[:, 1].sum())
