"""q1, share of singular values: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def smallest_rank(A, share):
    s = np.linalg.svd(A, compute_uv=False)
    kept = np.append(0.0, np.cumsum(s)) / s.sum()
    return int(np.searchsorted(kept, share))
