"""q7, raw rates and no normaliser: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def evidence(eta, k, n):
    a, b = np.exp(eta)
    value = betaln(a + k, b + n - k).sum()
    both = -digamma(a + b + n)
    da, db = (digamma(a + k) + both).sum(), (digamma(b + n - k) + both).sum()
    return float(value), np.array([a * da, b * db])


def predict(eta, k, n):
    return k / np.maximum(n, 1)
