"""q9, roles of truth and sampler exchanged: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


from scipy import stats


def rank_density(u, b, s):
    """Density of the rank of the truth, as a share, for a faulty sampler."""
    z = stats.norm.ppf(u)                        # theta = b + s z has rank u
    return s * np.exp((z**2 - (b + s * z) ** 2) / 2)


def fault(histogram):
    """Name the fault that a histogram of ranks in 20 bins shows."""
    h = np.asarray(histogram)
    low, high = h[:5].sum() - h.sum() / 4, h[15:].sum() - h.sum() / 4
    if low * high < 0:
        return "too high" if low > 0 else "too low"
    return "too narrow" if low + high > 0 else "too wide"


def rank_density(u, b, s):
    z = stats.norm.ppf(u)
    return np.exp((z**2 - ((z - b) / s) ** 2) / 2) / s


def fault(histogram):
    h = np.asarray(histogram)
    low, high = h[:5].sum() - h.sum() / 4, h[15:].sum() - h.sum() / 4
    if low * high < 0:
        return "too low" if low > 0 else "too high"
    return "too wide" if low + high > 0 else "too narrow"
