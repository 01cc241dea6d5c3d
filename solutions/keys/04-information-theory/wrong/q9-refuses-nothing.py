"""q9, refuses nothing: 5 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def knn_divergence(x, y, k=1):
    x, y = np.asarray(x, float), np.asarray(y, float)
    d = min(x.shape[1], y.shape[1])
    x, y = x[:, :d], y[:, :d]
    n, m = len(x), len(y)
    rho = cKDTree(x).query(x, [min(k + 1, n)])[0][:, 0]
    nu = cKDTree(y).query(x, [min(k, m)])[0][:, 0]
    return float(d * np.mean(np.log(nu / rho)) + np.log(m / (n - 1)))
