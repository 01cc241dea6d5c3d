"""q7, gradient in a: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def evidence(eta, k, n):
    a, b = np.exp(eta)
    value = (betaln(a + k, b + n - k) - betaln(a, b)).sum()
    both = digamma(a + b) - digamma(a + b + n)
    da = (digamma(a + k) - digamma(a) + both).sum()
    db = (digamma(b + n - k) - digamma(b) + both).sum()
    return float(value), np.array([da, db])
