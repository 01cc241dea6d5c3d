"""q2, columns scaled separately: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leading(A, X0, steps):
    Q = X0 / np.linalg.norm(X0, axis=0)
    for _ in range(steps):
        Q = A @ Q
        Q = Q / np.linalg.norm(Q, axis=0)
    return np.einsum("nd,nd->d", Q, A @ Q), Q
