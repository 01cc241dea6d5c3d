"""q3, one row a snapshot: wrong, 3 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def spells(entity, day, value):
    """(entity, value, valid_from, valid_to) of each run of equal values."""
    out = []
    for e, d, v in sorted(zip(entity, day, value), key=lambda r: (r[0], r[1])):
        if out and out[-1][0] == e:
            if out[-1][1] == v:
                continue
            out[-1] = (*out[-1][:3], d)
        out.append((e, v, d, None))
    return out


def spells(entity, day, value):
    rows = sorted(zip(entity, day, value))
    return [
        (e, v, d, rows[i + 1][1] if i + 1 < len(rows) and rows[i + 1][0] == e else None)
        for i, (e, d, v) in enumerate(rows)
    ]
