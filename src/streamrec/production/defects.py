"""Defects of data that a program can name: found before a model learns from them.

Chapter 28. ``find_defects`` compares a table of events with a reference that was found
to be good. Broken promises of structure (columns, types) come from the reference's
contract and need no statistics; the others (missing values, empty days, units, clocks)
are tests whose variance comes from users, and the chance of any false alarm in a clean
table is at most the stated level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from scipy import stats

from streamrec.production.contracts import Column, Contract, drift_index, profile
from streamrec.stats.multiplicity import holm
from streamrec.stats.shift import rare_shift, ratio_shift, share_shift, table

Floats = NDArray[np.float64]
KINDS = (
    "no rows", "missing column", "unknown column", "text in numbers", "type",
    "id type", "unknown ids", "milliseconds", "future times", "missing values",
    "duplicates", "empty day", "out of range", "changed unit", "time zone",
)  # fmt: skip
# A day counts as part of the table from this share of a median day's rows on.
EDGE = 0.05
# The smallest factor that is called a change of unit: ounces and pounds are further.
LEAST_FACTOR = 1.5
FACTORS = {
    24.0: "days and hours", 60.0: "minutes and seconds", 100.0: "units and hundredths",
    1000.0: "seconds and milliseconds", 3600.0: "hours and seconds",
    1e6: "seconds and microseconds", 86400.0: "days and seconds", 2.54: "in and cm",
    1.609: "miles and km", 2.2046: "kg and lb", 1440.0: "days and minutes",
}  # fmt: skip


@dataclass(frozen=True)
class Defect:
    """One defect: kind (``KINDS``), column, rows concerned, and a sentence.

    p_value: None where a rule was broken, which needs no statistics.
    """

    kind: str
    column: str
    rows: int
    text: str
    p_value: float | None = None


@dataclass(frozen=True)
class Roles:
    """What the columns of a table of events mean; None where there is no such column.

    key: columns that together name an event once; None for user, item and time.
    """

    user: str = "user"
    item: str | None = "item"
    time: str | None = "timestamp"
    key: tuple[str, ...] | None = None

    def names(self, frame: pd.DataFrame) -> tuple[str, ...]:
        """The key's columns; none if the table lacks one."""
        key = self.key or tuple(c for c in (self.user, self.item, self.time) if c)
        return key if set(key) <= set(frame.columns) else ()


# ------------------------------------------------------------------------ time


def as_times(column: pd.Series) -> pd.Series:
    """Moments in UTC without a zone; NaT where there is none.

    Numbers are seconds since 1970, or finer where their median says so; text is read
    as dates.

    >>> as_times(pd.Series([1736121600, 1736121600])).iloc[0].isoformat()
    '2025-01-06T00:00:00'
    """
    if types.is_datetime64_any_dtype(column):
        times = column
    elif types.is_numeric_dtype(column):
        x = column.astype(float)
        seconds = x / 10.0 ** (3 * _thousands(x))
        seconds = seconds.where(seconds.abs() < 9e9)
        times = pd.to_datetime(seconds, unit="s", errors="coerce")
    else:
        times = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
    if getattr(times.dt, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    if times.dtype != "datetime64[ns]":
        year = times.dt.year
        times = times.where((year > 1700) & (year < 2250)).astype("datetime64[ns]")
    return times


def _thousands(x: pd.Series) -> int:
    """0 for seconds, 1 for milliseconds, 2 for microseconds, 3 for nanoseconds."""
    middle = x.abs().median()
    return int(np.searchsorted([1e11, 1e14, 1e17], middle)) if middle == middle else 0


def days_of(times: pd.Series) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """First and last day of a table; days with next to no rows at the ends left out.

    A few events with a wrong clock then do not stretch the table by days or years.

    >>> days = pd.Series(pd.date_range("2025-01-06", periods=96, freq="h"))
    >>> [str(d.date()) for d in days_of(days)]
    ['2025-01-06', '2025-01-09']
    """
    count = times.dropna().dt.floor("D").value_counts().sort_index()
    if count.empty:
        return None
    busy = count[count >= EDGE * count.median()]
    while len(busy) > 1:  # nor do days far outside, where there are few of them
        middle = busy.index[len(busy) // 2]
        far = max(60.0, 3.0 * len(busy))
        near = np.abs((busy.index - middle).days) <= far
        if near.all():
            break
        busy = busy[near]
    return busy.index[0], busy.index[-1]


@dataclass(frozen=True)
class Windows:
    """A window of days and the stretches of the reference that resemble it.

    start: its first day; days: its length. weeks: by how many weeks to go back for each
    stretch of the same weekdays that the reference holds whole (empty: none).
    """

    start: pd.Timestamp
    days: int
    weeks: tuple[int, ...]

    @property
    def end(self) -> pd.Timestamp:
        """The first moment after the window."""
        return self.start + pd.Timedelta(days=self.days)

    def of(self, times: pd.Series) -> NDArray[np.int64]:
        """Stretch of each moment: 0 the window, 1.. the stretches, -1 in none."""
        day = ((times - self.start) // pd.Timedelta(days=1)).to_numpy(float)
        out = np.full(len(day), -1, dtype=np.int64)
        for k, back in enumerate((0, *self.weeks)):
            at = day + 7 * back
            out[(at >= 0) & (at < self.days)] = k
        return out


def windows(
    reference: pd.Series,
    current: pd.Series,
    start: pd.Timestamp | None = None,
    days: int | None = None,
    most: int = 12,
) -> Windows:
    """The current window, and its weeks in the reference; ValueError without times.

    start, days : the window, if not that of the data: a table from which the last day
    is missing cannot tell so itself. Without them a table of four to seven days is
    taken for a week, and it starts where the reference ends if that is near.

    >>> hours = pd.Series(pd.date_range("2025-01-06", periods=35 * 24, freq="h"))
    >>> w = windows(hours[: 28 * 24], hours[28 * 24 :])
    >>> str(w.start.date()), w.days, w.weeks
    ('2025-02-03', 7, (1, 2, 3, 4))
    """
    before, now = days_of(reference), days_of(current)
    if before is None:
        raise ValueError("the reference has no times that can be read")
    if now is None and start is None:
        raise ValueError("there are no times that can be read: give the window's start")
    follows = before[1] + pd.Timedelta(days=1)
    if start is None:
        start = now[0]  # type: ignore[index]
        long = days or (now[1] - now[0]).days + 1  # type: ignore[index]
        if follows < start and (now[1] - follows).days < 7 and long > 1:  # type: ignore[index]
            start = follows
    start = pd.Timestamp(start).floor("D")
    if days is None:
        last = now[1] if now is not None else start
        days = max(1, (last - start).days + 1)
        days = 7 * -(-days // 7) if days > 3 else days
    fits = range(1, int((start - before[0]).days) // 7 + 1)
    last = before[1] - start
    weeks = [w for w in fits if days - 1 - 7 * w <= last.days]
    # stretches must not overlap each other
    stride = -(-days // 7)
    return Windows(start, int(days), tuple(weeks[::stride][:most]))


def hour_slots(times: pd.Series, slots: int = 48) -> NDArray[np.int64]:
    """Slot of the day of each moment, 0 .. slots - 1.

    >>> hour_slots(pd.Series(pd.to_datetime(["2025-01-06T12:40"]))).tolist()
    [25]
    """
    inside = (times - times.dt.floor("D")) / pd.Timedelta(days=1)
    return np.asarray((inside.to_numpy(float) * slots).astype(np.int64) % slots)


# ----------------------------------------------------------------- single defects


def repeated(frame: pd.DataFrame, key: Sequence[str]) -> NDArray[np.bool_]:
    """Rows that repeat the key of an earlier row.

    >>> repeated(pd.DataFrame({"user": [1, 1, 2]}), ["user"]).tolist()
    [False, True, False]
    """
    if not key:
        return np.zeros(len(frame), dtype=bool)
    return np.asarray(frame.duplicated(list(key), keep="first"))


@dataclass(frozen=True)
class UnitChange:
    """A factor that explains how a column moved, and the p-value of the move."""

    factor: float
    p_value: float

    def __str__(self) -> str:
        """The factor, and which pair of units has it."""
        f = max(self.factor, 1 / self.factor)
        near = [n for x, n in FACTORS.items() if abs(np.log(f / x)) < 0.08]
        hint = f", as between {near[0]}" if near else ""
        what = "as large" if self.factor > 1 else "as small"
        return f"values are {f:.3g} times {what}{hint}"


def unit_change(
    before: Floats,
    now: Floats,
    test: Callable[[float], float],
) -> UnitChange | None:
    """Whether one factor turns the positive values of ``before`` into those of ``now``.

    A change of unit moves every quantile of the logarithm by the same amount. It is
    named if the medians differ by 1.5 or more and what is left of the move of the
    quantiles (5 to 95 %) is under a quarter of it. test: p-value of a change in the
    share of positive values above a cut (the reference's median).

    >>> x = np.arange(1.0, 100.0)
    >>> str(unit_change(x, 60 * x, lambda cut: 0.0))
    'values are 60 times as large, as between minutes and seconds'
    """
    a, b = (x[np.isfinite(x) & (x > 0)] for x in (before, now))
    if min(a.size, b.size) < 20 or np.ptp(a) == 0:
        return None
    below = [(x < 0).sum() / ((x != 0) & np.isfinite(x)).sum() for x in (before, now)]
    if abs(below[1] - below[0]) > 0.05:  # a factor leaves the signs as they are
        return None
    median, spread = profile(pd.Series(a))
    move = drift_index(pd.Series(b), median, spread) * spread
    if abs(move) < np.log(LEAST_FACTOR):
        return None
    at = np.linspace(0.05, 0.95, 19)
    left = np.log(np.quantile(b, at) / np.quantile(a, at)) - move
    if np.sqrt(np.mean(left**2)) > 0.25 * abs(move):
        return None
    cut = median if move > 0 else np.nextafter(median, 0)
    return UnitChange(float(np.exp(move)), test(cut))


@dataclass(frozen=True)
class ClockShift:
    """Whether the clock of some groups (items, countries) is off.

    p_value: 1 / e, e the mean of the groups' likelihood ratios "off by some shift"
    against "as before"; valid whatever the dependence between groups. found: groups
    that are off, with the hours by which. checked: groups with enough users. evidence:
    log e.
    """

    p_value: float
    found: dict[Any, float]
    checked: int
    evidence: float = 0.0

    @property
    def hours(self) -> float:
        """The median shift of the groups found, 0 if there are none."""
        return float(np.median([*self.found.values()])) if self.found else 0.0


def clock_shift(
    before: tuple[NDArray[np.int64], NDArray[np.int64]],
    now: tuple[NDArray[np.int64], NDArray[np.int64]],
    groups: int,
    *,
    relative: bool = True,
    slots: int = 48,
    least: int = 20,
) -> ClockShift:
    r"""Find groups whose events moved to other hours of the day.

    Each group has a profile h over the slots of the day, from the reference, shrunk to
    that of everybody and moved as everybody's moved. A shift by s slots has the
    likelihood ratio :math:`\prod_j h(b_j - s) / h(b_j)`, whose mean is 1 if the clock
    is right. One event a user and group makes the factors independent.

    Parameters
    ----------
    before, now : (group, slot) of events; ``now`` one event a user and group.
    groups : how many groups; ``relative``: follow what everybody does. Shifts of less
        than an hour are not looked for, nor groups of fewer than ``least`` events.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> day = np.clip(rng.normal(36, 4, size=4000), 0, 47).astype(int)
    >>> group = rng.integers(0, 20, size=4000)
    >>> off = np.where(group == 3, (day + 11) % 48, day)
    >>> clock_shift((group, day), (group, off), 20).found
    {3: 5.5}
    """
    A = np.bincount(before[0] * slots + before[1], minlength=groups * slots)
    N = np.bincount(now[0] * slots + now[1], minlength=groups * slots)
    A, N = A.reshape(groups, slots).astype(float), N.reshape(groups, slots)
    use = np.flatnonzero((N.sum(axis=1) >= least) & (A.sum(axis=1) >= least))
    if not use.size:
        return ClockShift(1.0, {}, 0)
    hour = slots // 24
    shifts = np.arange(hour, slots - hour + 1)
    ratio = _clock_ratios(A[use], N[use], N.sum(axis=0), shifts, relative)
    each = np.logaddexp.reduce(ratio, axis=0) - np.log(len(shifts))
    wrong = each > np.log(1000.0)
    if relative and 0 < wrong.sum() < len(use) / 2:  # what everybody else does
        others = N.sum(axis=0) - N[use][wrong].sum(axis=0)
        ratio = _clock_ratios(A[use], N[use], others, shifts, relative)
        each = np.logaddexp.reduce(ratio, axis=0) - np.log(len(shifts))
    total = np.logaddexp.reduce(each) - np.log(len(each))
    off = each > (np.log(1000.0) if groups > 1 else 0.0)
    best = shifts[ratio.argmax(axis=0)] * 24.0 / slots
    best = np.where(best > 12, best - 24, best)
    found = {int(use[i]): float(best[i]) for i in np.flatnonzero(off)}
    p = float(np.exp(-max(total, 0.0)))
    return ClockShift(p, found, len(use), float(total))


def _clock_ratios(
    A: Any, N: NDArray[np.int64], everybody: Any, shifts: Any, relative: bool
) -> Floats:
    """Log likelihood ratio of each shift for each group, (shifts, groups)."""
    g, c = A.sum(axis=0) + 0.5, everybody + 0.5
    h = A + 100.0 * g / g.sum()
    if relative:
        h = h * (c / c.sum()) / (g / g.sum())
    L = np.log(0.98 * h / h.sum(axis=1, keepdims=True) + 0.02 / A.shape[1])
    base = (N * L).sum(axis=1)
    return np.stack([(N * np.roll(L, s, axis=1)).sum(axis=1) - base for s in shifts])


@dataclass(frozen=True)
class Gap:
    """A stretch of the window with next to nobody, and how unlikely it is."""

    start: pd.Timestamp
    end: pd.Timestamp
    p_value: float


def gaps(
    seen: NDArray[np.int64], expected: Floats, spread: float, start: Any, step: Any
) -> list[Gap]:
    """Slots with less than a quarter of the users expected, neighbours joined.

    seen, expected : (S,) users in each slot of the window. spread: variance of the
    rate between quiet weeks, relative. p-values are of a negative binomial count with
    mean ``expected`` and variance expected + spread expected squared, times S.

    >>> day, hour = pd.Timestamp("2025-01-06"), pd.Timedelta(hours=1)
    >>> found = gaps(np.array([30, 0, 0, 28]), np.full(4, 30.0), 0.02, day, hour)
    >>> [(g.start.hour, g.end.hour) for g in found]
    [(1, 3)]
    """
    lam, S = np.maximum(expected, 1e-9), len(seen)
    size = 1.0 / max(spread, 1e-6)
    p = stats.nbinom.cdf(seen, size, size / (size + lam)) * S
    low = np.flatnonzero((seen <= lam / 4) & (p < 1))
    out: list[Gap] = []
    for run in np.split(low, np.flatnonzero(np.diff(low) > 1) + 1):
        if run.size:
            at = (start + int(run[0]) * step, start + int(run[-1] + 1) * step)
            out.append(Gap(*at, float(min(p[run].min(), 1.0))))
    return out


def users_by_slot(
    users: NDArray[np.int64], w: NDArray[np.int64], slot: NDArray[np.int64], shape: Any
) -> NDArray[np.int64]:
    """Distinct users (W, S) by window and slot."""
    W, S = shape
    at = np.unique((w * S + slot) * (int(users.max(initial=0)) + 1) + users)
    cell = at // (int(users.max(initial=0)) + 1)
    return np.bincount(cell, minlength=W * S).reshape(W, S)


def find_gaps(
    users: NDArray[np.int64],
    w: NDArray[np.int64],
    times: pd.Series,
    span: Windows,
    hours: int = 1,
) -> list[Gap]:
    """Gaps of a window against the same hours of the same weekdays before."""
    slots = span.days * 24 // hours
    back = np.array([0, *span.weeks]) * 7 * 24
    hour = ((times - span.start) // pd.Timedelta(hours=1)).to_numpy(float)
    keep = (w >= 0) & np.isfinite(hour)
    users, w = users[keep], w[keep]
    slot = (hour[keep].astype(np.int64) + back[w]) // hours
    inside = (slot >= 0) & (slot < slots)
    n = users_by_slot(users[inside], w[inside], slot[inside], (len(back), slots))
    base = n[1:].mean(axis=0)
    size = n.sum(axis=1) / max(n[1:].sum(axis=1).mean(), 1e-9)
    lam = base * np.clip(size[0], 0.5, 1.0)
    spread = 0.02
    if len(span.weeks) > 1:
        over = ((n[1:] - base) ** 2).sum() / (len(span.weeks) - 1) - base.sum()
        spread = max(spread, float(over / max((base**2).sum(), 1e-9)))
    return gaps(n[0], lam, spread, span.start, pd.Timedelta(hours=hours))


# ------------------------------------------------------------------------ structure


def contract_of(
    reference: pd.DataFrame, name: str = "reference", extra: bool = False
) -> Contract:
    """The contract that a good table suggests: its columns and their types.

    Columns of mixed values promise nothing and are left out.

    >>> contract_of(pd.DataFrame({"user": [1, 2]}))["user"].type
    'integer'
    """
    kinds = {str(c): _type(reference[c]) for c in reference.columns}
    columns = tuple(Column(c, k, nullable=True) for c, k in kinds.items() if k)
    return Contract(name, 1, columns, extra=extra)


def _type(column: pd.Series) -> str:
    if types.is_bool_dtype(column):
        return "boolean"
    if types.is_datetime64_any_dtype(column):
        return "timestamp"
    if types.is_integer_dtype(column):
        return "integer"
    if types.is_object_dtype(column):
        kind = types.infer_dtype(column, skipna=True)
        return {"boolean": "boolean", "string": "string"}.get(kind, "")
    return "number" if types.is_numeric_dtype(column) else "string"


def structure(
    frame: pd.DataFrame, reference: pd.DataFrame, roles: Roles | None = None
) -> list[Defect]:
    """Broken promises of structure: columns, types, ids; rules, not tests."""
    roles = roles or Roles()
    if frame.empty:
        return [Defect("no rows", "", 0, "the table holds no rows")]
    ids = {roles.user, roles.item}
    out = []
    same = [  # no value of these columns can be of another type
        c
        for c in reference.columns.intersection(frame.columns)
        if reference[c].dtype == frame[c].dtype
        and not types.is_object_dtype(frame[c])
        and not types.is_float_dtype(frame[c])
    ]
    free = [c for c in reference.columns if not _type(reference[c])]
    promise = contract_of(reference.drop(columns=same))
    rest = frame.drop(columns=[*same, *free], errors="ignore")
    out += [
        Defect("missing column", str(c), len(frame), f"{c} is in the reference only")
        for c in free
        if c not in frame.columns
    ]
    for v in promise.validate(rest).violations:
        text, kind, rows = v.message, v.rule, v.count
        if v.rule == "missing column":
            text = f"{v.column} is in the reference and not here"
        elif v.rule == "unknown column":
            text = f"{v.column} is not in the reference"
        elif v.rule == "wrong type":
            kind, rows, text = _wrong_type(
                frame[v.column], reference[v.column], v.column in ids, v.count
            )
            if not kind:
                continue
        out.append(Defect(kind, v.column, rows, text))
    broken = {d.column for d in out if d.kind != "unknown column"}
    for c in (roles.user, roles.item):
        if c not in broken and c in frame.columns and c in reference.columns:
            out += _strangers(frame, reference, str(c), roles.time)
    for c in roles.names(frame):
        if c in reference.columns:
            out += _unnamed(frame[c].isna(), reference[c].isna(), c)
    if roles.time in frame.columns and roles.time in reference.columns:
        out += _scale(frame[roles.time], reference[roles.time], str(roles.time))
    return out


def _wrong_type(
    now: pd.Series, before: pd.Series, is_id: bool, rows: int
) -> tuple[str, int, str]:
    example = now.dropna().iloc[0]
    was = _type(before)
    if is_id:
        return "id type", rows, f"ids were {was}s and are like {example!r}"
    if was == "number" or (was == "integer" and not types.is_numeric_dtype(now)):
        bad = now[pd.to_numeric(now, errors="coerce").isna() & now.notna()]
        if len(bad):
            return (
                "text in numbers", len(bad),
                f"{len(bad):,} values are no numbers, for example {bad.iloc[0]!r}",
            )  # fmt: skip
        if not types.is_numeric_dtype(now):
            return "type", rows, "numbers are written as text"
        if types.is_numeric_dtype(before) and np.isinf(before.astype(float)).any():
            return "", 0, ""
        return "out of range", rows, f"{rows:,} infinite values"
    if was == "timestamp" and as_times(now).notna().all():
        return "", 0, ""  # dates in another form, still readable
    if was == "boolean" and set(now.dropna().unique()) <= {0, 1}:
        return "", 0, ""
    return "type", rows, f"it was {was} and now holds values like {example!r}"


def _strangers(
    frame: pd.DataFrame, reference: pd.DataFrame, column: str, time: str | None
) -> list[Defect]:
    """Ids that nobody has seen, where the later half of the reference had few."""
    half = len(reference) // 2
    order = np.arange(len(reference))
    if time in reference.columns:
        order = np.argsort(as_times(reference[time]).to_numpy(), kind="stable")
    ids = reference[column].to_numpy()[order]
    usual = float(np.isin(ids[half:], ids[:half]).mean())
    known = float(np.isin(frame[column].to_numpy(), ids).mean())
    if usual > 0.6 and known < usual / 3:
        text = (
            f"{1 - known:.0%} of rows have a {column} that the reference does not know "
            f"(usual: {1 - usual:.0%}): were ids renamed?"
        )
        return [Defect("unknown ids", column, round((1 - known) * len(frame)), text)]
    return []


def _unnamed(now: pd.Series, before: pd.Series, column: str) -> list[Defect]:
    """Rows without a user, item or time, which no test by user can judge."""
    share, usual = float(now.mean()), float(before.mean())
    if share <= 0.005 or share <= 2 * usual:
        return []
    text = f"{share:.1%} of rows have no {column} (before: {usual:.1%})"
    return [Defect("missing values", column, int(now.sum()), text)]


def _scale(now: pd.Series, before: pd.Series, name: str) -> list[Defect]:
    """Times in milliseconds where they were in seconds, and the like."""
    if not (types.is_numeric_dtype(now) and types.is_numeric_dtype(before)):
        raw = now if types.is_datetime64_any_dtype(now) else as_times(now)
        year = raw.dropna().dt.year
        far = int(((year < 1980) | (year > 2200)).sum())
        if far > EDGE * len(now):
            text = f"{far:,} times lie before 1980 or after 2200: is their unit right?"
            return [Defect("milliseconds", name, far, text)]
        return []
    x = now.astype(float)
    usual = 10.0 ** (3 * _thousands(before.astype(float)))
    unit = 10.0 ** (3 * np.searchsorted([1e11, 1e14, 1e17], x.abs().to_numpy()))
    other = (unit != usual) & x.notna().to_numpy()
    if not other.any():
        return []
    text = (
        f"{int(other.sum()):,} times are of another unit than the reference's, for "
        f"example {x[other].iloc[0]:.0f}: milliseconds and seconds?"
    )
    return [Defect("milliseconds", name, int(other.sum()), text)]


# ------------------------------------------------------------------------- statistics


class Events:
    """Two tables side by side: users, windows and numbers as the tests need them.

    w: window of each row, 0 for the current table, 1 to K for stretches of the
    reference (one stretch, all of it, without times or if none fits).
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        reference: pd.DataFrame,
        roles: Roles,
        *,
        start: pd.Timestamp | None = None,
        days: int | None = None,
    ) -> None:
        self.roles, self.span, self.times = roles, None, None
        n = len(frame)
        w = np.concatenate([np.zeros(n, np.int64), np.ones(len(reference), np.int64)])
        has_time = roles.time in frame.columns and roles.time in reference.columns
        if has_time:
            now, before = as_times(frame[roles.time]), as_times(reference[roles.time])
            times = pd.concat([now, before], ignore_index=True)
            self.span = windows(before, now, start, days)
            if self.span.weeks:
                w[n:] = self.span.of(before)
                w[n:][w[n:] == 0] = -1
        keep = w >= 0
        self.w, self.keep = w[keep], keep
        if has_time:
            self.times = times[keep].reset_index(drop=True)
        self.frame, self.reference = frame, reference
        self.K = int(self.w.max(initial=0))
        users = pd.concat([frame[roles.user], reference[roles.user]])[keep]
        self.users, labels = pd.factorize(users)
        self.users = self.users.astype(np.int64)
        if (self.users < 0).any():  # rows without a user are one user more
            self.users[self.users < 0] = len(labels)
        self.U = int(self.users.max(initial=0)) + 1

    @property
    def now(self) -> NDArray[np.bool_]:
        """Rows of the current table."""
        return self.w == 0

    def column(self, name: str) -> pd.Series:
        """A column over both tables, rows of the windows only."""
        both = pd.concat([self.frame[name], self.reference[name]], ignore_index=True)
        return both[self.keep].reset_index(drop=True)

    def numbers(self, name: str) -> Floats:
        """The same as numbers; what is none is missing."""
        both = [pd.to_numeric(x[name], errors="coerce") for x in self._tables]
        x = pd.concat(both, ignore_index=True).to_numpy(float, na_value=np.nan)
        return np.asarray(x[self.keep])

    @property
    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self.frame, self.reference

    def table(self, levels: NDArray[np.int64], B: int, use: Any = None) -> Floats:
        """Counts (U, W, B) of the rows used."""
        use = slice(None) if use is None else use
        shape = (self.U, self.K + 1, B)
        return table(self.users[use], self.w[use], levels[use], shape)

    def share(self, event: NDArray[np.bool_], tolerance: float) -> float:
        """P-value of a change in the share of rows with an event.

        By users touched where they are few, else by the log ratio of shares.
        """
        T = self.table(event.astype(np.int64), 2)
        hit, rows = T[..., 1], T.sum(axis=2)
        q = hit[:, 0].sum() / rows[:, 0].sum()
        p = hit[:, 1:].sum() / rows[:, 1:].sum()
        if abs(q - p) <= tolerance:
            return 1.0
        touched = (hit > 0).sum(axis=0)
        there = (rows > 0).sum(axis=0)
        if touched[0] < 20 or touched[1:].mean() < 20:
            if q < p:
                return 1.0
            return rare_shift(
                int(touched[0]), int(there[0]), int(touched[1:].sum()),
                int(there[1:].sum()),
            )  # fmt: skip
        relative = tolerance / p
        return ratio_shift(hit, rows, tolerance=relative).p_value

    def unit(self, name: str) -> UnitChange | None:
        """``unit_change`` of a column."""
        x = self.numbers(name)

        def test(cut: float) -> float:
            use = x > 0
            T = self.table((x > cut).astype(np.int64), 2, use)
            if (T.sum(axis=(0, 2)) == 0).any():
                return 1.0
            return share_shift(T, tolerance=0.02).p_value

        return unit_change(x[~self.now], x[self.now], test)

    def clock(self, name: str | None) -> tuple[ClockShift, NDArray[Any]]:
        """``clock_shift`` by the levels of a column, or of everybody (None)."""
        assert self.times is not None
        known = self.times.notna().to_numpy()
        slot = np.zeros(len(known), dtype=np.int64)
        slot[known] = hour_slots(self.times[known])
        if name is None:
            codes, labels = np.zeros(len(slot), np.int64), np.array(["all"])
        else:
            codes, labels = pd.factorize(self.column(name))
            codes, labels = codes.astype(np.int64), np.asarray(labels)

        def compare(k: int) -> ClockShift:
            """Window k against the stretches of the reference other than it."""
            past = known & (codes >= 0) & (self.w != k) & (self.w > 0)
            rows = np.flatnonzero(known & (codes >= 0) & (self.w == k))
            one = codes[rows] * self.U + self.users[rows]
            rows = rows[np.unique(one, return_index=True)[1]]
            return clock_shift(
                (codes[past], slot[past]),
                (codes[rows], slot[rows]),
                len(labels),
                relative=name is not None,
            )

        found = compare(0)
        if name is None and found.evidence > 0 and self.K > 1:
            # hours differ between weeks: what quiet weeks show is no evidence
            usual = max(compare(k).evidence for k in range(1, self.K + 1))
            left = found.evidence - max(usual, 0.0)
            found = replace(
                found,
                evidence=left,
                p_value=float(np.exp(-max(left, 0.0))),
                found=found.found if left > 0 else {},
            )
        return found, labels

    def gaps(self, hours: int) -> list[Gap]:
        """``find_gaps``; none where the reference holds no comparable stretch."""
        if self.span is None or not self.span.weeks or self.times is None:
            return []
        return find_gaps(self.users, self.w, self.times, self.span, hours)


def find_defects(
    frame: pd.DataFrame,
    reference: pd.DataFrame,
    *,
    user: str = "user",
    item: str | None = "item",
    time: str | None = "timestamp",
    key: Sequence[str] | None = None,
    now: pd.Timestamp | None = None,
    start: pd.Timestamp | None = None,
    days: int | None = None,
    level: float = 0.01,
) -> list[Defect]:
    """Compare a table of events with a good reference and name what is broken.

    Parameters
    ----------
    frame, reference : rows are events; the reference may be several weeks before.
    user, item, time, key : columns (see ``Roles``).
    now : the present; later events are in the future. Without it, events more than a
        day after the table's last busy day are.
    start, days : the window, if the table should hold more than it seems to.
    level : chance of any false alarm in a clean table, over all tests (Holm).

    Returns
    -------
    Defects in the order of ``KINDS``; none if nothing was found.

    Raises
    ------
    ValueError
        The reference is empty or lacks the user column.

    Examples
    --------
    >>> day = pd.Timestamp("2025-01-06")
    >>> good = pd.DataFrame({"user": range(50), "item": 1, "timestamp": day})
    >>> [d.kind for d in find_defects(good.rename(columns={"item": "thing"}), good)]
    ['missing column', 'unknown column']
    """
    roles = Roles(user, item, time, None if key is None else tuple(key))
    if reference.empty or user not in reference.columns:
        raise ValueError(f'the reference needs rows and the column "{user}"')
    out = structure(frame, reference, roles)
    lost = {d.column for d in out if d.kind in ("missing column", "no rows")}
    if {"", user} & lost:
        return out
    if roles.time in reference.columns and not _readable(frame, roles.time):
        again = np.zeros(len(frame), dtype=bool)
        roles = replace(roles, time=None)  # what is left has no clock
    else:
        again = repeated(frame, roles.names(frame))
        out += _future(frame, reference, roles, now)
    tests = _tests(frame, reference, roles, again, out, start, days)
    if tests:
        adjusted = holm([min(1.0, d.p_value or 0.0) for d in tests])
        out += [d for d, p in zip(tests, adjusted, strict=True) if p <= level]
    return sorted(out, key=lambda d: KINDS.index(d.kind))


def _readable(frame: pd.DataFrame, time: str | None) -> bool:
    """Whether the table has times that can be read."""
    return time in frame.columns and bool(as_times(frame[time]).notna().any())


def _future(
    frame: pd.DataFrame, reference: pd.DataFrame, roles: Roles, now: Any
) -> list[Defect]:
    if roles.time not in frame.columns:
        return []
    times = as_times(frame[roles.time])
    if now is None:
        busy = days_of(times)
        now = None if busy is None else busy[1] + pd.Timedelta(days=2)
    ahead = 0 if now is None else int((times > pd.Timestamp(now)).sum())
    if not ahead:
        return []
    text = f"{ahead:,} events lie after {pd.Timestamp(now).date()}"
    return [Defect("future times", str(roles.time), ahead, text)]


def _tests(
    frame: pd.DataFrame,
    reference: pd.DataFrame,
    roles: Roles,
    again: NDArray[np.bool_],
    found: list[Defect],
    start: Any,
    days: int | None,
) -> list[Defect]:
    """Every test with its p-value, alarms and not."""
    out = []
    both = Events(frame, reference, roles, start=start, days=days)
    if again.any():
        names = roles.names(reference)
        old = repeated(reference, names)
        e = np.concatenate([again, old])[both.keep]
        text = f"{int(again.sum()):,} rows repeat an earlier {', '.join(names)}"
        p = both.share(e, 0.001)
        out.append(Defect("duplicates", ", ".join(names), int(again.sum()), text, p))
    if again.any():  # what follows should not see them twice
        both = Events(frame[~again], reference, roles, start=start, days=days)
    broken = {d.column for d in found if d.kind != "unknown column"}
    for c in reference.columns.intersection(frame.columns):
        if c not in broken:
            out += _column_tests(both, str(c), c in roles.names(reference))
    return out + _clock_tests(both)


def _column_tests(both: Events, c: str, is_role: bool) -> list[Defect]:
    out = []
    empty = both.column(c).isna().to_numpy()
    count = int((empty & both.now).sum())
    if count and not is_role:
        was, size = empty[~both.now].mean(), both.now.sum()
        text = f"{count / size:.1%} are missing (before: {was:.1%})"
        p = both.share(empty, 0.005)
        if count / size > was:
            out.append(Defect("missing values", c, count, text, p))
    numeric = types.is_numeric_dtype(both.reference[c])
    if is_role or not numeric or types.is_bool_dtype(both.reference[c]):
        return out
    change = both.unit(c)
    if change is not None:
        rows = int(both.now.sum())
        return [*out, Defect("changed unit", c, rows, str(change), change.p_value)]
    x = both.numbers(c)
    low, high = np.nanmin(x[~both.now], initial=0), np.nanmax(x[~both.now], initial=0)
    far = (x < low - (high - low)) | (x > high + (high - low))
    if (far & both.now).any() and high > low:
        worst = x[far & both.now][0]
        text = f"values such as {worst:.4g}; before {low:.4g} to {high:.4g}"
        p = both.share(far, 0.0)
        out.append(Defect("out of range", c, int((far & both.now).sum()), text, p))
    return out


def _clock_tests(both: Events) -> list[Defect]:
    if both.times is None or both.span is None:
        return []
    time, out = str(both.roles.time), []
    for g in both.gaps(24):
        if g.end - g.start >= pd.Timedelta(days=1):
            text = f"next to no events from {g.start.date()} to {g.end.date()}"
            out.append(Defect("empty day", time, 0, text, g.p_value))
    for name in (both.roles.item, None):
        if name is not None and not (name in both.frame and name in both.reference):
            continue
        found, labels = both.clock(name)
        if not found.checked:
            continue
        off = [labels[i] for i in found.found]
        what = f"{len(off):,} of {found.checked:,} {name}s" if name else "all events"
        text = f"{what} moved by about {found.hours:+g} h"
        p = found.p_value
        rows = int(both.column(name)[both.now].isin(off).sum()) if name else 0
        out.append(Defect("time zone", time, rows, text, p))
    return out
