"""q1, one step from zero: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def poisson_fit(X, y):
    beta = np.linalg.solve(X.T @ X, X.T @ (y - 1))
    return beta, np.linalg.inv(X.T @ X)
