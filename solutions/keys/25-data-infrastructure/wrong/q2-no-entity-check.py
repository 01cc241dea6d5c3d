"""q2, no entity check: wrong, 1 points.

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
    by_label = sorted(range(len(labels)), key=lambda j: tuple(labels[j]))
    by_event = sorted(range(len(events)), key=lambda j: tuple(events[j]))
    out, i = [-1] * len(labels), 0
    for j in by_label:
        while i < len(by_event) and tuple(events[by_event[i]]) <= tuple(labels[j]):
            i += 1
        out[j] = by_event[i - 1] if i else -1
    return out
