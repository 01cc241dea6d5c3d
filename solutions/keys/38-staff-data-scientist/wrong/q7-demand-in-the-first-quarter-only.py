"""q7, demand in the first quarter only: wrong, 3 points.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 38


from datetime import date, timedelta

import numpy as np

rng = np.random.default_rng(SEED)


def audit(start, quarters, demand, needs, capacity):
    """What is wrong with a plan."""
    B, T = len(start), len(capacity)
    end = [int(start[b]) + int(quarters[b]) for b in range(B)]
    if max(end) > T:
        raise ValueError("a bet ends after the last quarter")
    depth = [0] * B
    for _ in range(B + 1):
        new = [1 + max([0, *(depth[int(c)] for c in needs[b])]) for b in range(B)]
        if new == depth:
            break
        depth = new
    else:
        raise ValueError("needs form a ring")
    used = np.zeros(T)
    for b in range(B):
        used[int(start[b]) : end[b]] += demand[b]
    early = [b for b in range(B) if any(end[int(c)] > start[b] for c in needs[b])]
    over = np.flatnonzero(used > np.asarray(capacity) + 1e-9)
    return {"too_early": early, "over": over.tolist(), "longest": max(depth)}


full_audit = audit


def audit(start, quarters, demand, needs, capacity):
    found = full_audit(start, quarters, demand, needs, capacity)
    used = np.zeros(len(capacity))
    for b in range(len(start)):
        used[int(start[b])] += demand[b]
    found["over"] = np.flatnonzero(used > np.asarray(capacity)).tolist()
    return found
