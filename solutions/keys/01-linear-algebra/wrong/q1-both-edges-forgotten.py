"""q1, both edges forgotten: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def errors(A, D):
    """(spectral, Frobenius) norm of A minus its best approximation of rank D."""
    s = np.append(np.linalg.svd(A, compute_uv=False), 0.0)
    return float(s[D]), float(np.sqrt((s[D:] ** 2).sum()))


def smallest_rank(A, share):
    """Smallest D whose approximation keeps `share` of the squared Frobenius norm."""
    s = np.linalg.svd(A, compute_uv=False)
    kept = np.append(0.0, np.cumsum(s**2)) / (s**2).sum()
    return int(np.searchsorted(kept, share))


def errors(A, D):
    s = np.linalg.svd(A, compute_uv=False)
    rest = s[min(D, len(s) - 1) :]
    return float(rest[0]), float(np.sqrt((rest**2).sum()))


def smallest_rank(A, share):
    s = np.linalg.svd(A, compute_uv=False)
    return int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), share)) + 1
