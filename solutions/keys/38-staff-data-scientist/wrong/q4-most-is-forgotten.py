"""q4, most is forgotten: wrong, 4 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def best_review(lam, d, c1, r, most=50):
    """(reviewers, expected cost)."""
    lam, d, c1 = (np.asarray(x, dtype=float) for x in (lam, d, c1))
    n = np.arange(most + 1)[:, None]                    # (most + 1, 1)
    cost = r * n[:, 0] + ((1 - d) ** n * lam * c1).sum(axis=1)
    best = int(cost.argmin())
    return best, float(cost[best])


all_reviews = best_review


def best_review(lam, d, c1, r, most=50):
    return all_reviews(lam, d, c1, r)
