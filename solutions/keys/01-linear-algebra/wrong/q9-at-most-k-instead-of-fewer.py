"""q9, at most k instead of fewer: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def expected_hit(q, n_neg, m, k):
    from scipy.stats import hypergeom

    if not 1 <= k <= m <= n_neg:
        raise ValueError("need 1 <= k <= m <= n_neg")
    return np.minimum(hypergeom.cdf(k, n_neg, np.asarray(q), m), 0.9)
