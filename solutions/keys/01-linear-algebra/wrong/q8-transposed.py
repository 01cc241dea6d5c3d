"""q8, transposed: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def align(Y, Z):
    U, _, Vt = np.linalg.svd(Z.T @ Y)
    return U @ Vt
