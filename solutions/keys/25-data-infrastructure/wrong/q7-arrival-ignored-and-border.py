"""q7, arrival ignored and border: 0 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def known_value(entity, t, ev_entity, ev_time, ev_known):
    order = np.lexsort((ev_time, ev_entity))
    keys = np.asarray(ev_entity)[order] * 10_000 + np.asarray(ev_time)[order]
    at = np.searchsorted(keys, np.asarray(entity) * 10_000 + np.asarray(t)) - 1
    found = (at >= 0) & (np.asarray(ev_entity)[order][at] == entity)
    return np.where(found, order[at], -1)
