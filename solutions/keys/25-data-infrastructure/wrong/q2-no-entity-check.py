"""q2, no entity check: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def latest(labels, events):
    by_label = sorted(range(len(labels)), key=lambda j: tuple(labels[j]))
    by_event = sorted(range(len(events)), key=lambda j: tuple(events[j]))
    out, i = [-1] * len(labels), 0
    for j in by_label:
        while i < len(by_event) and tuple(events[by_event[i]]) <= tuple(labels[j]):
            i += 1
        out[j] = by_event[i - 1] if i else -1
    return out
