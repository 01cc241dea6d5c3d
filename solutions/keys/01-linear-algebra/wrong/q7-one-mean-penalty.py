"""q7, one mean penalty: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def ease_itemwise(G, lam):
    P = np.linalg.inv(G + np.mean(lam) * np.eye(len(G)))
    return np.eye(len(G)) - P / np.diag(P)
