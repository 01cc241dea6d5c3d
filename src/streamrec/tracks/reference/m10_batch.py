"""M10, batch features: what arrives late, twice or not at all."""

import numpy as np


def accept(event_id, event_time, arrival_time):
    """Rows of a batch to keep, ascending: first arrivals whose clock is not ahead."""
    event_id = np.asarray(event_id)
    event_time, arrival_time = np.asarray(event_time), np.asarray(arrival_time)
    good = np.flatnonzero(event_time <= arrival_time)
    order = good[np.lexsort((good, arrival_time[good]))]
    _, first = np.unique(event_id[order], return_index=True)
    return np.sort(order[first])


def daily(event_day, arrival_day, first, last, now):
    """Counts of the days first..last as known at ``now``, gaps and the data's age."""
    event_day, arrival_day = np.asarray(event_day), np.asarray(arrival_day)
    known = event_day[arrival_day <= now]
    inside = known[(known >= first) & (known <= last)]
    counts = np.bincount(inside - first, minlength=last - first + 1)
    missing = (first + np.flatnonzero(counts == 0)).tolist()
    return {"counts": counts, "missing": missing, "age": int(now - known.max())}


def batch_file(users, items):
    """Text of a batch of lists: user,rank,item; the same whatever the rows' order."""
    users, items = np.asarray(users), np.asarray(items)
    lines = ["user,rank,item"]
    for b in np.argsort(users, kind="stable"):
        for rank, item in enumerate(items[b].tolist(), 1):
            if item >= 0:
                lines.append(f"{users[b]},{rank},{item}")
    return "\n".join(lines) + "\n"
