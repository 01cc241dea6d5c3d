"""q2, the true class gets no share: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def smoothed(Z, y, eps):
    n, K = Z.shape
    q = np.full((n, K), eps / K)
    q[np.arange(n), y] = 1 - eps
    shifted = Z - Z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(q * log_p).sum() / n), (np.exp(log_p) - q) / n
