"""q1, both edges forgotten: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def errors(A, D):
    s = np.linalg.svd(A, compute_uv=False)
    rest = s[min(D, len(s) - 1) :]
    return float(rest[0]), float(np.sqrt((rest**2).sum()))


def smallest_rank(A, share):
    s = np.linalg.svd(A, compute_uv=False)
    return int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), share)) + 1
