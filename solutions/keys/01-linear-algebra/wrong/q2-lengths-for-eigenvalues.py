"""q2, lengths for eigenvalues: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def leading(A, X0, steps):
    Q = np.linalg.qr(X0).Q
    for _ in range(steps):
        Q = np.linalg.qr(A @ Q).Q
    return np.linalg.norm(A @ Q, axis=0), Q
