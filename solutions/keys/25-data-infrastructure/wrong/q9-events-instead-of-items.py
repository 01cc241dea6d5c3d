"""q9, events instead of items: wrong, 2 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


def distinct_in_window(entity, t, ev_entity, ev_time, ev_item, width):
    """An event counts if it is its item's last before t, and inside the window."""
    t = np.asarray(t)
    order = np.lexsort((ev_time, ev_item, ev_entity))
    e, i, s = (np.asarray(x)[order] for x in (ev_entity, ev_item, ev_time))
    follows = np.r_[(e[1:] == e[:-1]) & (i[1:] == i[:-1]), False]
    after = np.where(follows, np.r_[s[1:], 0], np.iinfo(np.int64).max)
    start = np.searchsorted(e, entity, side="left")
    stop = np.searchsorted(e, entity, side="right")
    out = np.zeros(len(t), dtype=int)
    for k, (a, b) in enumerate(zip(start, stop)):
        inside = (s[a:b] >= t[k] - width) & (s[a:b] < t[k])
        out[k] = int((inside & (after[a:b] >= t[k])).sum())
    return out


def distinct_in_window(entity, t, ev_entity, ev_time, ev_item, width):
    return np.array([
        int(((ev_entity == a) & (ev_time >= u - width) & (ev_time < u)).sum())
        for a, u in zip(entity, t)
    ])
