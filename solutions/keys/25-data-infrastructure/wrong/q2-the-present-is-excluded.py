"""q2, the present is excluded: wrong, 1 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 0
SCALE = "book"


import numpy as np

rng = np.random.default_rng(SEED)
QUICK = SCALE == "quick"


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


def latest(labels, events):
    out = []
    for e, t in labels:
        seen = [(s, j) for j, (g, s) in enumerate(events) if g == e and s < t]
        out.append(max(seen)[1] if seen else -1)
    return out
