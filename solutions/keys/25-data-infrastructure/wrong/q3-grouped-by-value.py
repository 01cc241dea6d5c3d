"""q3, grouped by value: wrong, 0 points.

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
    first = {}
    for e, d, v in zip(entity, day, value):
        first[e, v] = min(d, first.get((e, v), d))
    return [(e, v, d, None) for (e, v), d in sorted(first.items())][:3]
