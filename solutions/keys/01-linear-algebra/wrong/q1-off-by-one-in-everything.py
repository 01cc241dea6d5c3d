"""q1, off by one in everything: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def errors(A, D):
    s = np.append(np.linalg.svd(A, compute_uv=False), [0.0, 0.0])
    return float(s[D + 1]), float(np.sqrt((s[D + 1 :] ** 2).sum()))


def smallest_rank(A, share):
    s = np.linalg.svd(A, compute_uv=False)
    return int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), share))
