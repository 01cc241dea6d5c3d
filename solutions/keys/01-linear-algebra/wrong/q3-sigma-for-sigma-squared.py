"""q3, sigma for sigma squared: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def ridge_path(A, b, lams):
    U, s, Vt = np.linalg.svd(A, full_matrices=False)
    lams = np.asarray(lams, float)[:, None]
    return ((U.T @ b) / (s + lams)) @ Vt * (1 + 1e-3)


def degrees(A, lam):
    s = np.linalg.svd(A, compute_uv=False)
    return float((s / (s + 0.1 + lam)).sum())
