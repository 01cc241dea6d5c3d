"""q7, demand in the first quarter only: 3 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

full_audit = audit


def audit(start, quarters, demand, needs, capacity):
    found = full_audit(start, quarters, demand, needs, capacity)
    used = np.zeros(len(capacity))
    for b in range(len(start)):
        used[int(start[b])] += demand[b]
    found["over"] = np.flatnonzero(used > np.asarray(capacity)).tolist()
    return found
