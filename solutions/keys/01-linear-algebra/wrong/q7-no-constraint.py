"""q7, no constraint: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def ease_itemwise(G, lam):
    lam = np.asarray(lam, float)
    if np.any(lam <= 0):
        raise ValueError("every penalty must be positive")
    return np.linalg.solve(G + np.diag(lam), G)
