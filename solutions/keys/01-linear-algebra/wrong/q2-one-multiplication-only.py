"""q2, one multiplication only: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leading(A, X0, steps):
    Q = np.linalg.qr(A @ X0).Q
    return np.einsum("nd,nd->d", Q, A @ Q), Q
