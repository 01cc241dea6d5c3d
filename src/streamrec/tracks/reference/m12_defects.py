"""M12: defects of a day's data, told in sentences."""

import numpy as np

DAY = 86_400.0


def _columns(reference, day):
    """Columns that are missing, new, or of another kind."""
    out = [f"the column {c} is missing" for c in reference if c not in day]
    out += [f"the column {c} is new" for c in day if c not in reference]
    for c in set(reference) & set(day):
        kinds = [np.asarray(t[c]).dtype.kind in "iufb" for t in (reference, day)]
        if kinds[0] != kinds[1]:
            out.append(f"the column {c} has another kind")
    return out


def _rows(reference, day, now):
    """Rows that are missing, repeated, or of another day."""
    time = np.asarray(reference["time"])
    counts = np.unique(time // DAY, return_counts=True)[1]
    n, out = len(np.asarray(day["time"])), []
    if not 0.55 * counts.min() < n < 1.8 * counts.max():
        out.append(f"the day has {n} rows")
    if n and len(np.unique(np.asarray(day["event"]))) < n:
        out.append("events are repeated")
    t = np.asarray(day["time"])
    if np.any(t >= now) or np.any(t < now - DAY):
        out.append("times lie outside the day")
    return out


def _values(name, old, new):
    """What a column's values say against those of the reference."""
    old, new = np.asarray(old), np.asarray(new)
    if old.dtype.kind not in "iufb":
        fresh = np.isin(new, np.unique(old), invert=True).mean()
        return [f"{name} has new values"] if fresh > 0.01 else []
    out = []
    gaps = [np.isnan(np.asarray(x, float)) for x in (old, new)]
    p = (gaps[0].sum() + 1) / (len(old) + 1)
    if gaps[1].mean() > p + 4 * np.sqrt(p * (1 - p) / len(new)) + 0.01:
        out.append(f"{name} has more gaps")
    old, new = old[~gaps[0]], new[~gaps[1]]
    if name in ("user", "item"):
        if np.isin(new, old, invert=True).mean() > 0.5:
            out.append(f"most values of {name} are strangers")
        return out
    if len(new) > 20 and np.ptp(new) == 0 < np.ptp(old):
        out.append(f"{name} does not vary")
    low, high = np.quantile(old, [0.25, 0.75])
    if len(new) and not low - (high - low) < np.median(new) < high + (high - low):
        out.append(f"{name} has moved")
    return out


def find_defects(reference, day, now):
    """A sentence for each defect; none for a clean day."""
    out = _columns(reference, day)
    if not out:
        out = _rows(reference, day, now)
    if not out:
        for name in sorted(set(reference) - {"event", "time"}):
            out += _values(name, reference[name], day[name])
    return out
