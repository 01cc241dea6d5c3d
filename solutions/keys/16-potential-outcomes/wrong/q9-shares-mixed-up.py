"""q9, shares mixed up: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def bounds(y, d, lo, hi, delta):
    p, m1, m0 = 1 - np.mean(d), y[d == 1].mean(), y[d == 0].mean()
    unseen1 = np.clip([m1 - delta, m1 + delta], lo, hi)
    unseen0 = np.clip([m0 + delta, m0 - delta], lo, hi)
    ends = p * (m1 - unseen0) + (1 - p) * (unseen1 - m0)
    return float(ends[0]), float(ends[1])
