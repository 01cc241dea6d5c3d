"""q9, its own neighbour: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def knn_divergence(x, y, k=1):
    x, y = np.asarray(x, float), np.asarray(y, float)
    (n, d), m = x.shape, len(y)
    if y.shape[1] != d or not 1 <= k <= min(n - 1, m):
        raise ValueError("unfit samples")
    rho = np.maximum(cKDTree(x).query(x, [k])[0][:, 0], 1e-9)
    nu = cKDTree(y).query(x, [k])[0][:, 0]
    return float(d * np.mean(np.log(nu / rho)) + np.log(m / (n - 1)))
