"""q9, events instead of items: 2 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def distinct_in_window(entity, t, ev_entity, ev_time, ev_item, width):
    return np.array([
        int(((ev_entity == a) & (ev_time >= u - width) & (ev_time < u)).sum())
        for a, u in zip(entity, t)
    ])
