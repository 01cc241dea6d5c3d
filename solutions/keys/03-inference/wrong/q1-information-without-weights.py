"""q1, information without weights: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def poisson_fit(X, y):
    beta = np.zeros(X.shape[1])
    beta[0] = np.log(y.mean())
    for _ in range(50):
        mu = np.exp(X @ beta)
        beta = beta + np.linalg.solve((X.T * mu) @ X, X.T @ (y - mu))
    return beta, np.linalg.inv(X.T @ X)
