"""q7, no refusals: wrong, 4 points.

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


kind_audit = audit


def audit(start, quarters, demand, needs, capacity):
    try:
        return kind_audit(start, quarters, demand, needs, capacity)
    except ValueError:
        return {"too_early": [], "over": [], "longest": 0}
