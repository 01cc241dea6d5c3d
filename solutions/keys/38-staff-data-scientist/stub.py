"""The untouched answers of chapter 38, The Staff Data Scientist.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def score_forecasts(q, y):
    """Brier score and its three parts."""
    raise NotImplementedError


def days_open(history, today):
    """Days with status open, over all spells."""
    raise NotImplementedError


def best_review(lam, d, c1, r, most=50):
    """(reviewers, expected cost)."""
    raise NotImplementedError


def growth_limit(build, licence, years, rho):
    """The growth of usage at which buying costs as much as building."""
    raise NotImplementedError


def audit(start, quarters, demand, needs, capacity):
    """What is wrong with a plan."""
    raise NotImplementedError
