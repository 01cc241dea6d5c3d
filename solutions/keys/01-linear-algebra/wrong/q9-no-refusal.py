"""q9, no refusal: 7 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def expected_hit(q, n_neg, m, k):
    from scipy.stats import hypergeom

    return hypergeom.cdf(k - 1, n_neg, np.asarray(q), m)
