"""Reference answers of chapter 25, Data Infrastructure.

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
    if m < 1 or not 0 <= rho < 1:
        raise ValueError("m must be at least 1 and rho in [0, 1)")
    claimed = (1 - rho) * m / (m + 1)
    honest = (1 - rho) * (1 + m * rho) / (1 + (m - 1) * rho)
    real = (1 - rho) * (m + 1) / m
    return claimed, honest, real


def latest(labels, events):
    """Position of the newest event each label may see, or -1."""
    labels, events = [tuple(p) for p in labels], [tuple(p) for p in events]
    by_label = sorted(range(len(labels)), key=labels.__getitem__)
    by_event = sorted(range(len(events)), key=events.__getitem__)
    out, i = [-1] * len(labels), 0
    for j in by_label:
        while i < len(by_event) and events[by_event[i]] <= labels[j]:
            i += 1
        if i and events[by_event[i - 1]][0] == labels[j][0]:
            out[j] = by_event[i - 1]
    return out


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


def known_value(entity, t, ev_entity, ev_time, ev_known):
    """Row of the newest event known at each label, or -1."""
    visible = np.maximum(ev_time, ev_known)
    n = len(ev_time)
    moves = [(int(visible[j]), 0, j) for j in range(n)]
    moves += [(int(t[i]), 1, i) for i in range(len(t))]
    best, out = {}, np.full(len(t), -1)
    for _, is_label, k in sorted(moves):
        if is_label:
            out[k] = best.get(int(entity[k]), (None, None, -1))[2]
        else:
            row = (int(ev_time[k]), int(visible[k]), k)
            e = int(ev_entity[k])
            if e not in best or row > best[e]:
                best[e] = row
    return out


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
