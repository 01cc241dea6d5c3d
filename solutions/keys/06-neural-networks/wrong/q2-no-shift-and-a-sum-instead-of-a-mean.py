"""q2, no shift and a sum instead of a mean: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def smoothed(Z, y, eps):
    n, K = Z.shape
    q = np.full((n, K), eps / K)
    q[np.arange(n), y] += 1 - eps
    p = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
    return float(-(q * np.log(p)).sum()), p - 0.5 * q
