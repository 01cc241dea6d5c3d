"""Break a good table on purpose: the faults a monitor is measured against.

Chapter 30. Each function returns a broken copy and leaves the original alone. Drift is
not here: the world has its own, dated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from streamrec.production.defects import as_times


def lose(
    frame: pd.DataFrame,
    rng: np.random.Generator,
    share: float = 0.15,
    *,
    user: str = "user",
    time: str = "timestamp",
) -> pd.DataFrame:
    """Missing events: that share of user-days loses all of them.

    >>> day = pd.Timestamp("2025-01-06")
    >>> log = pd.DataFrame({"user": np.arange(100), "timestamp": day})
    >>> len(lose(log, np.random.default_rng(0), 0.5)) < 70
    True
    """
    day = as_times(frame[time]).dt.floor("D")
    group = frame.groupby([frame[user], day], observed=True).ngroup().to_numpy()
    gone = rng.random(int(group.max()) + 1) < share
    return frame[~gone[group]].copy()


def silence(
    frame: pd.DataFrame, start: pd.Timestamp, hours: float, *, time: str = "timestamp"
) -> pd.DataFrame:
    """Missing events: none arrive for some hours.

    >>> hours = pd.date_range("2025-01-06", periods=5, freq="h")
    >>> log = pd.DataFrame({"timestamp": hours})
    >>> len(silence(log, pd.Timestamp("2025-01-06T01:00"), 2))
    3
    """
    times = as_times(frame[time])
    gone = (times >= start) & (times < start + pd.Timedelta(hours=hours))
    return frame[~gone.to_numpy()].copy()


def repeat(
    frame: pd.DataFrame, rng: np.random.Generator, share: float = 0.02
) -> pd.DataFrame:
    """Duplicated events: that share of rows arrives twice.

    >>> len(repeat(pd.DataFrame({"user": range(100)}), np.random.default_rng(0), 0.1))
    110
    """
    again = rng.choice(len(frame), round(share * len(frame)), replace=False)
    both = pd.concat([frame, frame.iloc[again]])
    return both.iloc[rng.permutation(len(both))].reset_index(drop=True)


def freeze(
    frame: pd.DataFrame,
    column: str,
    entity: str,
    *,
    time: str = "timestamp",
) -> pd.DataFrame:
    """Stale features: each entity keeps the first value that the table has of it.

    >>> day = pd.date_range("2025-01-06", periods=3)
    >>> log = pd.DataFrame({"user": 1, "timestamp": day, "plays": [4, 5, 6]})
    >>> freeze(log, "plays", "user")["plays"].tolist()
    [4, 4, 4]
    """
    order = as_times(frame[time]).argsort(kind="stable")
    first = frame.iloc[order].groupby(entity, observed=True)[column].first()
    return frame.assign(**{column: frame[entity].map(first)})


def rescale(frame: pd.DataFrame, column: str, factor: float = 60.0) -> pd.DataFrame:
    """Changed unit: every value multiplied.

    >>> rescale(pd.DataFrame({"minutes": [2.0]}), "minutes")["minutes"].tolist()
    [120.0]
    """
    return frame.assign(**{column: frame[column] * factor})


def shift_clock(
    frame: pd.DataFrame,
    rng: np.random.Generator,
    share: float = 0.04,
    hours: float = 5.5,
    *,
    item: str = "item",
    time: str = "timestamp",
) -> pd.DataFrame:
    """Time zone: the events of that share of items carry local time.

    >>> day = pd.Timestamp("2025-01-06")
    >>> log = pd.DataFrame({"item": np.arange(50), "timestamp": day})
    >>> moved = shift_clock(log, np.random.default_rng(0))
    >>> int((moved["timestamp"] > day).sum())
    2
    """
    items = frame[item].unique()
    off = rng.choice(items, max(1, round(share * len(items))), replace=False)
    times = frame[time].copy()
    times[frame[item].isin(off)] += pd.Timedelta(hours=hours)
    return frame.assign(**{time: times})
