"""q4, most is forgotten: 4 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

all_reviews = best_review


def best_review(lam, d, c1, r, most=50):
    return all_reviews(lam, d, c1, r)
