"""q2, columns scaled separately: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def leading(A, X0, steps):
    """Rayleigh quotients (D,) and orthonormal Q (n, D) after so many steps."""
    Q = np.linalg.qr(X0).Q
    for _ in range(steps):
        Q = np.linalg.qr(A @ Q).Q
    return np.einsum("nd,nd->d", Q, A @ Q), Q


def leading(A, X0, steps):
    Q = X0 / np.linalg.norm(X0, axis=0)
    for _ in range(steps):
        Q = A @ Q
        Q = Q / np.linalg.norm(Q, axis=0)
    return np.einsum("nd,nd->d", Q, A @ Q), Q
