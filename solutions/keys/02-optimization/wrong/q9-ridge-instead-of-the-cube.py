"""q9, ridge instead of the cube: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sign_descent(H, c, lam, steps):
    return np.linalg.solve(H + lam * np.eye(len(c)), H @ c)


def certificate(theta, H, c, lam):
    g = H @ (theta - c)
    return float(g @ theta + np.abs(g).max() / lam) + 0.0
