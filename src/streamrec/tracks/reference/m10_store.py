"""M10, live: features as they were known at a moment, in training and in serving."""

import numpy as np


def as_of(entity, t, event_entity, event_time, event_known):
    """Row of the newest event of the entity that was known at t, (m,); -1 for none."""
    from streamrec.production import features

    return features.as_of(entity, t, event_entity, event_time, event_known)


def serve(event_entity, event_time, event_known, value, entity, now, max_age):
    """{"value": (m,), "status": (m,)} at ``now``: what training would have seen."""
    entity = np.asarray(entity)
    row = as_of(
        entity, np.full(len(entity), now), event_entity, event_time, event_known
    )
    found = row >= 0
    age = now - np.asarray(event_time)[row]
    status = np.where(found, np.where(age <= max_age, "fresh", "stale"), "missing")
    values = np.asarray(value, float)[row]
    return {"value": np.where(status == "fresh", values, np.nan), "status": status}


def check_batch(columns, contract):
    """Number of rows of a batch that keeps its contract; else ValueError."""
    for name, kind in contract:
        if name not in columns:
            raise ValueError(f"the column {name} is missing")
        values = np.asarray(columns[name])
        if (values.dtype.kind in "iuf") != (kind == "number"):
            raise ValueError(f"the column {name} must hold {kind}s")
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise ValueError(f"the column {name} has gaps")
    lengths = {len(np.asarray(columns[name])) for name, _ in contract}
    if len(lengths) > 1:
        raise ValueError("the columns differ in length")
    return lengths.pop() if lengths else 0
