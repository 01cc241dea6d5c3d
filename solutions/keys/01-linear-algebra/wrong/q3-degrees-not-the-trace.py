"""q3, degrees not the trace: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def degrees(A, lam):
    s = np.linalg.svd(A, compute_uv=False)
    return float((s / (s + lam)).sum())
