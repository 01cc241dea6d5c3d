"""q6, shift not standardised and no refusal: wrong, 0 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


from scipy.optimize import brentq
from scipy.stats import norm


def mixed_index(share, factor, spread):
    """Drift index when a share of the rows changes its unit."""
    if not 0 <= share <= 1 or factor <= 0 or spread <= 0:
        raise ValueError("share in [0, 1], factor and spread positive")
    shift = np.log(factor) / spread

    def excess(z):
        return (1 - share) * norm.cdf(z) + share * norm.cdf(z - shift) - 0.5

    return float(brentq(excess, min(0, shift) - 1, max(0, shift) + 1, xtol=1e-12))


def mixed_index(share, factor, spread):
    return float(abs(share) * np.log(abs(factor)) + 0.01)
