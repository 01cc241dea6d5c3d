"""q8, unpaired error: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 16


from itertools import combinations

import numpy as np

rng = np.random.default_rng(SEED)


def paired(y, d, pair):
    """Estimate and standard error of a paired experiment."""
    names, s = np.unique(pair, return_inverse=True)
    m = len(names)
    n1 = np.bincount(s[d == 1], minlength=m)
    n0 = np.bincount(s[d == 0], minlength=m)
    if (n1 != 1).any() or (n0 != 1).any():
        raise ValueError("every pair needs exactly one treated and one control unit")
    gap = np.zeros(m)
    gap[s[d == 1]] += y[d == 1]
    gap[s[d == 0]] -= y[d == 0]
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(m))


right_8 = paired


def paired(y, d, pair):
    estimate, _ = right_8(y, d, pair)
    a, b = y[d == 1], y[d == 0]
    return estimate, float(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)))
