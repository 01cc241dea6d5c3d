"""The untouched answers of chapter 25, Data Infrastructure.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def leaked_errors(m, rho):
    """(claimed, honest, real) error over the variance of the label."""
    raise NotImplementedError


def latest(labels, events):
    """Position of the newest event each label may see, or -1."""
    raise NotImplementedError


def spells(entity, day, value):
    """(entity, value, valid_from, valid_to) of each run of equal values."""
    raise NotImplementedError


def mixed_index(share, factor, spread):
    """Drift index when a share of the rows changes its unit."""
    raise NotImplementedError


def known_value(entity, t, ev_entity, ev_time, ev_known):
    """Row of the newest event known at each label, or -1."""
    raise NotImplementedError


def distinct_in_window(entity, t, ev_entity, ev_time, ev_item, width):
    """Number of different items of the entity in [t - width, t)."""
    raise NotImplementedError
