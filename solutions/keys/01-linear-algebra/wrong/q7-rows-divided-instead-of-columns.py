"""q7, rows divided instead of columns: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def ease_itemwise(G, lam):
    lam = np.asarray(lam, float)
    if np.any(lam <= 0):
        raise ValueError("every penalty must be positive")
    P = np.linalg.inv(G + np.diag(lam))
    return np.eye(len(G)) - P / np.diag(P)[:, None]
