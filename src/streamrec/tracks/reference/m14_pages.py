"""M14: pages for drift and outages: a day against four clean weeks."""

import numpy as np

LOW = 0.5  # of the weekday's volume in the reference
HIGH = 2.0
FAR = 4.5  # standard deviations of a day's mean
SLACK, SUM = 0.75, 6.0  # of the running sum, in standard deviations


def _by_day(table, first, last):
    """(rows, mean over users of their mean) of each day; NaN without rows."""
    day = np.asarray(table["day"]) - first
    user, value = np.asarray(table["user"]), np.asarray(table["value"], float)
    rows, mean = np.zeros(last - first + 1), np.full(last - first + 1, np.nan)
    for d in range(len(rows)):
        own = day == d
        rows[d] = own.sum()
        if own.any():
            _, code = np.unique(user[own], return_inverse=True)
            mean[d] = (np.bincount(code, value[own]) / np.bincount(code)).mean()
    return rows, mean


def pages(reference, new, first, last):
    """Days of first..last on which somebody is paged, each from what was known then."""
    days = np.asarray(reference["day"])
    start, end = int(days.min()), int(days.max())
    rows, mean = _by_day(reference, start, end)
    usual = np.array(
        [np.median(rows[(np.arange(start, end + 1) - w) % 7 == 0]) for w in range(7)]
    )
    centre, sd = np.nanmean(mean), np.nanstd(mean, ddof=1)
    found, up, down = [], 0.0, 0.0
    for d, (n, m) in enumerate(zip(*_by_day(new, first, last)), first):
        ratio = n / usual[d % 7]
        if not LOW < ratio < HIGH:
            found.append(d)
            continue
        z = (m - centre) / sd
        up, down = max(0.0, up + z - SLACK), max(0.0, down - z - SLACK)
        if abs(z) > FAR or max(up, down) > SUM:
            found.append(d)
            up = down = 0.0
    return found
