"""q9, jacobian forgotten: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def rank_density(u, b, s):
    return stats.norm.pdf(b + s * stats.norm.ppf(u))
