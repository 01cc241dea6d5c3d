"""q2, no refusal: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def days_open(history, today):
    """Days with status open, over all spells."""
    days = [int(d) for d, _ in history] + [int(today)]
    if any(b < a for a, b in zip(days, days[1:], strict=False)):
        raise ValueError("the history goes back in time")
    spells = zip(history, days[1:], strict=True)
    return sum(end - int(d) for (d, s), end in spells if s == "open")


def days_open(history, today):
    days = [int(d) for d, _ in history] + [int(today)]
    spells = zip(history, days[1:], strict=True)
    return sum(end - int(d) for (d, s), end in spells if s == "open")
