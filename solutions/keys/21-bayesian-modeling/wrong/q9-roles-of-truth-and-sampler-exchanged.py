"""q9, roles of truth and sampler exchanged: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def rank_density(u, b, s):
    z = stats.norm.ppf(u)
    return np.exp((z**2 - ((z - b) / s) ** 2) / 2) / s


def fault(histogram):
    h = np.asarray(histogram)
    low, high = h[:5].sum() - h.sum() / 4, h[15:].sum() - h.sum() / 4
    if low * high < 0:
        return "too low" if low > 0 else "too high"
    return "too wide" if low + high > 0 else "too narrow"
