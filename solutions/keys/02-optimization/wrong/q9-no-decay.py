"""q9, no decay: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def sign_descent(H, c, lam, steps):
    theta = np.zeros(len(c))
    for k in range(steps):
        theta = theta - 2 / (k + 2) / lam * np.sign(H @ (theta - c))
    return theta
