"""Is this week's data like the data that the model was trained on?

Chapter 30. ``Monitor`` compares a window of events with a reference: volume, gaps,
duplicates, clocks, missing values, distributions (PSI, KS), units, features that no
longer change, coverage. Thresholds come from what users and quiet weeks do by
themselves, and all checks of a window together raise a false alarm with at most a
stated probability (Holm). What cannot be told apart from the data alone is said so:
names of faults are diagnoses of patterns, not proofs.
"""

from __future__ import annotations

import datetime
import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from scipy import stats

from streamrec import pages
from streamrec.production.defects import (
    Defect,
    Events,
    Roles,
    as_times,
    hour_slots,
    repeated,
    structure,
)
from streamrec.stats.divergences import bin_codes, psi, quantile_edges
from streamrec.stats.multiplicity import holm
from streamrec.stats.shift import (
    PRIOR_DF,
    Shift,
    ks_critical,
    ks_shift,
    ratio_shift,
    share_shift,
    table,
)

Floats = NDArray[np.float64]
ACTIONS = {
    "schema": "Refuse the table and ask its owner what was changed.",
    "missing events": "Look for the job or the client that stopped sending; reload.",
    "late data": "See whether the last load ran; serve the last good lists until then.",
    "duplicated events": "Remove repeated keys, then find the retry that sent twice.",
    "changed unit": "Do not score with this column; ask which unit it is in now.",
    "time zone": "Ask the source which zone it sends; correct the times, then reload.",
    "stale features": "See when the feature job last wrote; run it before scoring.",
    "missing values": "Find the source that stopped filling the column.",
    "coverage": "See which items or users the tables no longer hold.",
    "drift": "Look at quality on recent labels; retrain if it fell.",
}
FAULTS = tuple(ACTIONS)
OF_DEFECT = {
    "no rows": "missing events",
    "milliseconds": "changed unit",
    "missing values": "missing values",
}


@dataclass(frozen=True)
class MonitorSettings:
    """What to watch, and which changes nobody would act on.

    user, item, time, key: columns of the events (None: there is none); key names an
    event once. outcome: a 0/1 column, for its rate and for what is played. columns:
    those watched, by default all others. ignore: columns that are not.

    false_alarms: probability of any false alarm in a window without change, over all
    checks. Tolerances: volume, rate, items: relative; nulls, repeats: of a share; psi,
    ks: of the indices; mix: of the index over items, since a catalogue renews itself.
    freshness_hours: age allowed of the newest event.
    """

    user: str = "user"
    item: str | None = "item"
    time: str | None = "timestamp"
    key: tuple[str, ...] | None = None
    outcome: str | None = None
    columns: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    false_alarms: float = 0.05
    volume: float = 0.05
    rate: float = 0.05
    items: float = 0.10
    nulls: float = 0.01
    repeats: float = 0.05
    psi: float = 0.001
    ks: float = 0.02
    mix: float = 0.02
    freshness_hours: float = 24.0
    bins: int = 10

    def __post_init__(self) -> None:
        """Refuse rates that are none."""
        if not 0 < self.false_alarms < 1:
            raise ValueError(
                f"false_alarms is a probability a window, not {self.false_alarms}"
            )
        if self.bins < 2:
            raise ValueError(f"bins must be at least 2, not {self.bins}")

    @property
    def roles(self) -> Roles:
        """The columns that name users, items and times."""
        return Roles(self.user, self.item, self.time, self.key)


@dataclass(frozen=True)
class Check:
    """One comparison and its outcome.

    name: unique in a report. fault: what an alarm of it is called (``FAULTS``). value:
    the change measured; limit: where it alarms, if it has such a number. p_value, and
    adjusted for the number of checks (None: a rule). explained_by: the fault from which
    this alarm may follow.
    """

    name: str
    fault: str
    column: str
    value: float | None
    limit: float | None
    p_value: float | None
    text: str
    adjusted: float | None = None
    alarm: bool = False
    explained_by: str | None = None


@dataclass(frozen=True)
class MonitorReport:
    """What one window was found to be; ``exit_status`` is for schedulers.

    start, days: the window. weeks: stretches of the reference it was compared with.
    skipped: checks that could not be made, and why.
    """

    start: str | None
    days: int
    rows: int
    users: int
    weeks: int
    reference_rows: int
    false_alarms: float
    checks: tuple[Check, ...]
    skipped: tuple[str, ...] = ()
    plots: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def alarms(self) -> tuple[Check, ...]:
        """Checks that alarm, those that may follow from another one included."""
        return tuple(c for c in self.checks if c.alarm)

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of what is wrong, most urgent first; empty for a quiet window."""
        named = {c.fault for c in self.alarms if c.explained_by is None}
        return tuple(f for f in FAULTS if f in named)

    @property
    def ok(self) -> bool:
        """True if no check alarms."""
        return not self.alarms

    @property
    def exit_status(self) -> int:
        """0 quiet, 1 alarm."""
        return int(not self.ok)

    @property
    def period(self) -> str:
        """The window in words."""
        if self.start is None:
            return "this table"
        return (
            f"{self.start}"
            if self.days == 1
            else f"the {self.days} days from {self.start}"
        )

    def paragraph(self) -> str:
        """What happened, for a reader without statistics."""
        against = (
            f"the same weekdays of {self.weeks} earlier weeks"
            if self.weeks > 1
            else "the reference"
        )
        size = f"{self.rows:,} events of {self.users:,} users"
        if self.ok:
            return (
                f"Nothing needs attention. In {self.period}, {size} look like "
                f"{against}. Where nothing is wrong, a report like this one raises an "
                f"alarm in at most {self.false_alarms:.0%} of cases."
            )
        parts = []
        for fault in self.faults:
            mine = [c for c in self.alarms if c.fault == fault and not c.explained_by]
            where = [c.column for c in mine if c.column]
            named = ", ".join(list(dict.fromkeys(where))[:4])
            parts.append(fault + (f" ({named})" if named else ""))
        what = ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + parts[-1]
        steps = " ".join(f"For {f}: {_low(ACTIONS[f])}" for f in self.faults[:3])
        return (
            f"Attention: {what}. In {self.period}, {size} differ from {against} by "
            f"more than users and ordinary weeks explain. {steps}"
        )

    def frame(self) -> pd.DataFrame:
        """One row a check, alarms first."""
        rows = [asdict(c) for c in self.checks]
        out = pd.DataFrame(rows, columns=list(Check.__dataclass_fields__))
        return out.sort_values(
            ["alarm", "adjusted"], ascending=[False, True], kind="stable"
        ).reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: faults, paragraph, window, checks."""
        names = ("start", "days", "rows", "users", "weeks", "reference_rows",
                 "false_alarms")  # fmt: skip
        return {
            "ok": self.ok,
            "faults": list(self.faults),
            "summary": self.paragraph(),
            **{n: getattr(self, n) for n in names},
            "checks": [asdict(c) for c in self.checks],
            "skipped": list(self.skipped),
        }

    def html(self, title: str = "Monitoring", past: pd.DataFrame | None = None) -> str:
        """A self-contained page; ``past``: rows of ``history`` for a chart."""
        return _page(self, title, past)

    def __str__(self) -> str:
        lines = [self.paragraph()]
        lines += [f"  {c.fault}: {c.name}: {c.text}" for c in self.alarms]
        return "\n".join(lines)


def _low(text: str) -> str:
    return text[0].lower() + text[1:]


class Monitor:
    """Compare windows of events with a reference window.

    >>> rng = np.random.default_rng(0)
    >>> day = pd.to_timedelta(rng.uniform(0, 35, 9000), "D")
    >>> day = pd.Timestamp("2025-01-06") + day
    >>> log = pd.DataFrame({"user": rng.integers(0, 200, 9000), "item": 1,
    ...                     "timestamp": day})
    >>> old = log.timestamp < pd.Timestamp("2025-02-03")
    >>> Monitor().fit(log[old]).check(log[~old]).faults
    ()
    """

    def __init__(self, settings: MonitorSettings | None = None) -> None:
        self.settings = settings or MonitorSettings()

    def fit(self, reference: pd.DataFrame) -> Monitor:
        """Keep the reference; ValueError if it cannot be one."""
        s = self.settings
        if reference.empty:
            raise ValueError("the reference holds no rows: give a window that was good")
        needed = [s.user, *(s.columns or ()), *([s.outcome] if s.outcome else [])]
        missing = [c for c in needed if c not in reference.columns]
        if missing:
            raise ValueError(
                f"the reference lacks the columns {', '.join(missing)}; it has "
                f"{', '.join(map(str, reference.columns))}"
            )
        if s.time in reference.columns and as_times(reference[s.time]).isna().all():
            raise ValueError(f'no value of "{s.time}" in the reference is a time')
        again = repeated(reference, s.roles.names(reference))
        self.repeated_ = float(again.mean())
        self.reference_ = reference.reset_index(drop=True)
        self.again_ = again
        return self

    def check(
        self,
        current: pd.DataFrame,
        *,
        now: pd.Timestamp | None = None,
        start: pd.Timestamp | None = None,
        days: int | None = None,
    ) -> MonitorReport:
        """Compare a window with the reference.

        Parameters
        ----------
        current : the rows of the window.
        now : the present, for the age of the newest event; not checked without.
        start, days : the window, if the table may lack its first or last days; by
            default the table's own days, a week if there are four to seven.

        Raises
        ------
        ValueError
            The monitor was not fitted.
        """
        if not hasattr(self, "reference_"):
            raise ValueError("fit the monitor to a reference window first")
        return _Checking(self, current, now, start, days).report()


# ------------------------------------------------------------------------- checking


class _Checking:
    """One run over one window: collects checks."""

    def __init__(
        self, monitor: Monitor, current: pd.DataFrame, now: Any, start: Any, days: Any
    ) -> None:
        self.s, self.now = monitor.settings, now
        self.m, self.current = monitor, current.reset_index(drop=True)
        self.checks: list[Check] = []
        self.rules: list[Check] = []
        self.shifts: dict[str, tuple[str, Shift]] = {}
        self.skipped: list[str] = []
        self.plots: dict[str, Any] = {"columns": {}}
        self.window = (start, days)
        self.both: Events | None = None
        self.days: _Days | None = None

    def report(self) -> MonitorReport:
        self._run()
        s, both = self.s, self.both
        span = None if both is None else both.span
        return MonitorReport(
            None if span is None else str(span.start.date()),
            0 if span is None else span.days,
            len(self.current),
            self.current[s.user].nunique() if s.user in self.current else 0,
            0 if span is None else len(span.weeks),
            len(self.m.reference_),
            s.false_alarms,
            self._judged(),
            tuple(self.skipped),
            self.plots,
        )

    def _run(self) -> None:
        s, reference = self.s, self.m.reference_
        found = structure(self.current, reference, s.roles)
        for d in found:
            self._rule(d)
        broken = {d.column for d in found if d.kind in ("missing column", "no rows")}
        if {"", s.user} & broken:
            return
        again = repeated(self.current, s.roles.names(self.current))
        start, days = self.window
        roles = s.roles
        if roles.time in reference and roles.time in self.current:
            if as_times(self.current[roles.time]).isna().all() and start is None:
                roles = replace(roles, time=None)
                self._rule(Defect("type", str(s.time), len(self.current),
                                  "no value is a time that can be read"))  # fmt: skip
        try:
            if again.any() or self.m.repeated_:
                whole = Events(self.current, reference, roles, start=start, days=days)
                self._duplicates(whole, again)
            self.both = Events(
                self.current[~again],
                reference[~self.m.again_] if self.m.repeated_ else reference,
                roles,
                start=start,
                days=days,
            )
        except ValueError as error:
            self.skipped.append(str(error))
            return
        if self.both.U < 2:
            self.skipped.append("all tests: there are fewer than two users")
            return
        self._time()
        self._columns({d.column for d in found if d.kind in ("missing column", "type")})
        self._coverage()
        self._outcome()
        self.plots["shifts"] = self.shifts

    # -- collecting

    def _rule(self, d: Defect) -> None:
        fault = OF_DEFECT.get(d.kind, "schema")
        self.rules.append(
            Check(
                f"{d.kind} {d.column}".strip(),
                fault,
                d.column,
                None,
                None,
                None,
                d.text,
                None,
                True,
            )  # fmt: skip
        )

    def _add(
        self, name: str, fault: str, column: str, value: float | None, p: float,
        text: str,
    ) -> None:  # fmt: skip
        p = float(min(max(p, 0.0), 1.0))
        self.checks.append(Check(name, fault, column, value, None, p, text))

    def _shift(
        self, name: str, fault: str, column: str, s: Shift, text: str, scale: str
    ) -> None:
        self.shifts[name] = (scale, s)
        self._add(name, fault, column, s.value, s.p_value, text)

    def _judged(self) -> tuple[Check, ...]:
        """Limits, adjusted p-values, alarms, and which follow from others."""
        if not self.checks:
            return tuple(self.rules)
        adjusted = holm([c.p_value or 0.0 for c in self.checks])
        level = self.s.false_alarms / len(self.checks)
        out = list(self.rules)
        for c, p in zip(self.checks, adjusted, strict=True):
            alarm = bool(p <= self.s.false_alarms)
            limit = self._limit(c.name, level)
            out.append(replace(c, adjusted=float(p), alarm=alarm, limit=limit))
        return tuple(_explained(c, out) for c in out)

    def _limit(self, name: str, level: float) -> float | None:
        if name not in self.shifts:
            return None
        scale, s = self.shifts[name]
        if scale == "ks":
            return ks_critical(s, level)
        Q = s.critical(level)
        return float(np.sqrt(Q)) if scale == "log" else Q

    # -- events and their times

    def _duplicates(self, whole: Events, again: NDArray[np.bool_]) -> None:
        event = np.concatenate([again, self.m.again_])[whole.keep]
        share = float(again.mean())
        text = f"{share:.2%} of rows repeat an event (before: {self.m.repeated_:.2%})"
        p = whole.share(event, 0.001) if share > self.m.repeated_ else 1.0
        key = ", ".join(self.s.roles.names(self.current))
        self._add("repeated events", "duplicated events", key, share, p, text)

    def _time(self) -> None:
        both = self._both
        if both.span is None or both.times is None:
            self.skipped.append("volume, gaps and clocks: there is no column of times")
            return
        self._age(both)
        if both.span.weeks:
            self._volume(both)
        else:
            self.skipped.append(
                "volume and gaps: the reference holds no such stretch of weekdays"
            )
        self._clocks(both)

    @property
    def _both(self) -> Events:
        assert self.both is not None
        return self.both

    def _age(self, both: Events) -> None:
        if self.now is None or both.times is None:
            return
        newest = both.times[both.now & (both.times <= self.now).to_numpy()].max()
        age = (pd.Timestamp(self.now) - newest).total_seconds() / 3600
        if not age <= self.s.freshness_hours:
            text = f"the newest event is {age:.1f} h old"
            self.rules.append(
                Check("age of the newest event", "late data", str(self.s.time), age,
                      self.s.freshness_hours, None, text, None, True)
            )  # fmt: skip

    def _volume(self, both: Events) -> None:
        s, span = self.s, both.span
        assert span is not None and both.times is not None
        W = both.K + 1
        inside = np.ones(len(both.w), dtype=bool)
        inside[both.now] = span.of(both.times[both.now]) == 0
        u, w = both.users[inside], both.w[inside]
        flat = np.zeros(len(u), dtype=np.int64)
        rows = table(u, w, flat, (both.U, W, 1))[..., 0]
        day = ((both.times[inside] - span.start) // pd.Timedelta(days=1)).to_numpy(int)
        first = int(day.min())
        seen = np.unique((u * W + w) * (int(day.max()) - first + 1) + day - first)
        uw = seen // (int(day.max()) - first + 1)
        active = np.bincount(uw, minlength=both.U * W).astype(float)
        active = active.reshape(both.U, W)
        if not rows[:, 0].any():
            return
        for name, top, bottom, words in (
            ("rows", rows, None, "events"),
            ("visits", active, None, "user-days with an event"),
            ("rows a visit", rows, active, "events a user-day"),
        ):
            try:
                t = ratio_shift(top, bottom, tolerance=s.volume)
            except ValueError:
                self.skipped.append(f"{name}: a week of the reference is empty")
                continue
            fault = "missing events" if t.value < 0 else "drift"
            text = f"{np.expm1(t.value):+.1%} {words} against earlier weeks"
            self._shift(name, fault, str(s.time), t, text, "log")
        for hours, unit in ((1, "hours"), (24, "days")):
            found = both.gaps(hours)
            p = min((g.p_value for g in found), default=1.0)
            worst = [g for g in found if g.p_value <= 0.01][:3]
            text = "; ".join(f"next to no events from {g.start} to {g.end}"
                             for g in worst)  # fmt: skip
            self._add(f"gaps of {unit}", "missing events", str(s.time),
                      float(len(worst)), p, text or "no gap")  # fmt: skip
        self._plot_volume(both, inside)

    def _plot_volume(self, both: Events, inside: NDArray[np.bool_]) -> None:
        span = both.span
        assert span is not None and both.times is not None
        back = np.array([0, *span.weeks]) * 7
        day = (both.times[inside] - span.start) // pd.Timedelta(days=1)
        at = day.to_numpy(np.int64) + back[both.w[inside]]
        at = np.clip(at, 0, span.days - 1)
        n = np.bincount(both.w[inside] * span.days + at,
                        minlength=(both.K + 1) * span.days)  # fmt: skip
        self.plots["volume"] = n.reshape(-1, span.days).tolist()

    def _clocks(self, both: Events) -> None:
        assert both.times is not None
        names: list[str | None] = [None]
        if self.s.item in both.frame.columns and self.s.item in both.reference.columns:
            names.append(self.s.item)
        names += [c for c in self._watched() if self._is_text(c)]
        for name in names:
            found, labels = both.clock(name)
            if not found.checked:
                continue
            off = [str(labels[i]) for i in found.found]
            hours = f"about {found.hours:+g} h"
            if name is None:
                value = found.hours
                text = f"all events moved by {hours}" if off else "as before"
            else:
                value = len(off) / found.checked
                some = ", ".join(off[:5]) + (" ..." if off[5:] else "")
                text = (
                    f"{len(off):,} of {found.checked:,} values of {name} ({some}) "
                    f"moved by {hours}" if off else f"{found.checked:,} as before"
                )  # fmt: skip
            label = "clock" if name is None else f"clock by {name}"
            column = str(self.s.time) if name is None else name
            self._add(label, "time zone", column, value, found.p_value, text)
        known = both.times.notna().to_numpy()
        slot = hour_slots(both.times[known], 24)
        now = both.now[known]
        self.plots["hours"] = [
            _shares(np.bincount(slot[~now], minlength=24)),
            _shares(np.bincount(slot[now], minlength=24)),
        ]

    # -- columns

    def _watched(self) -> list[str]:
        s, frame = self.s, self.current
        roles = {s.user, s.item, s.time, *(s.key or ())}
        names = s.columns or [
            c for c in self.m.reference_.columns if c not in roles | set(s.ignore)
        ]
        return [str(c) for c in names if c in frame.columns and self._plain(c)]

    def _plain(self, c: str) -> bool:
        """Whether values can be counted: lists and the like cannot."""
        both = (self.m.reference_[c], self.current[c])
        return not any(
            types.is_object_dtype(x)
            and x.head(100).map(pd.api.types.is_list_like).any()
            for x in both
        )

    def _is_text(self, c: str) -> bool:
        """Few levels that are names."""
        x = self.m.reference_[c]
        if types.is_numeric_dtype(x) or types.is_datetime64_any_dtype(x):
            return False
        return bool(x.nunique() <= 50)

    def _columns(self, broken: set[str]) -> None:
        both = self._both
        for c in self._watched():
            if c in broken:
                continue
            reference = self.m.reference_[c]
            self._nulls(both, c)
            if types.is_datetime64_any_dtype(reference):
                continue
            if types.is_numeric_dtype(reference) and not types.is_bool_dtype(reference):
                self._number(both, c, reference)
            elif reference.nunique() <= 50:
                self._levels(both, c, both.column(c))

    def _nulls(self, both: Events, c: str) -> None:
        empty = both.column(c).isna().to_numpy()
        before, now = empty[~both.now].mean(), empty[both.now].mean()
        p = both.share(empty, self.s.nulls) if empty.any() else 1.0
        text = f"{now:.2%} missing (before: {before:.2%})"
        self._add(f"missing {c}", "missing values", c, float(now), p, text)

    def _number(self, both: Events, c: str, reference: pd.Series) -> None:
        x = both.numbers(c)
        if reference.nunique() <= 12:
            self._levels(both, c, pd.Series(x))
            return
        if self._follows_time(both, x):
            self.skipped.append(f"{c}: it grows with time (a clock or a number)")
            return
        ok = np.isfinite(x)
        if not ok[both.now].any() or len(np.unique(both.w[ok])) <= both.K:
            return
        fine = self._edges(x[ok & ~both.now], 2 * self.s.bins)
        codes = bin_codes(np.where(ok, x, 0.0), fine)
        T = both.table(codes, len(fine) + 1, ok)
        wide = np.add.reduceat(T, np.arange(0, T.shape[2], 2), axis=2)
        t = share_shift(wide, tolerance=self.s.psi) if wide.shape[2] > 1 else None
        if t is not None:
            self._shift(f"PSI of {c}", "drift", c, t, f"PSI {t.value:.3f}", "psi")
        k = ks_shift(T, tolerance=self.s.ks)
        self._shift(f"KS of {c}", "drift", c, k, f"KS {k.value:.3f}", "ks")
        change = both.unit(c)
        self._add(
            f"unit of {c}", "changed unit", c,
            1.0 if change is None else change.factor,
            1.0 if change is None else change.p_value,
            "as before" if change is None else str(change),
        )  # fmt: skip
        self._stale(c)
        p, q = (w.sum(axis=0) for w in (T[:, 1:].sum(axis=1), T[:, 0]))
        middle = [f"{e:.3g}" for e in fine]
        self.plots["columns"][c] = (middle, _shares(p), _shares(q))

    def _edges(self, x: Floats, bins: int) -> Floats:
        """Quantile edges; a lowest value that half the rows hold has its own bin."""
        low = x.min()
        if (x == low).mean() > 0.5 and (x > low).any():
            rest = x[x > low]
            return np.unique(np.concatenate([[rest.min()], quantile_edges(rest, bins)]))
        return quantile_edges(x, bins)

    def _follows_time(self, both: Events, x: Floats) -> bool:
        if both.times is None:
            return False
        use = np.flatnonzero(~both.now & np.isfinite(x) & both.times.notna().to_numpy())
        use = use[:: max(1, len(use) // 5000)]
        if len(use) < 20 or np.ptp(x[use]) == 0:
            return False
        moment = both.times.to_numpy().astype("int64")[use]
        return bool(abs(stats.spearmanr(x[use], moment).statistic) > 0.95)

    def _levels(self, both: Events, c: str, column: pd.Series) -> None:
        """PSI over levels: rare ones together; levels that vanish are told apart."""
        ok = column.notna().to_numpy()
        if not ok[both.now].any() or len(np.unique(both.w[ok])) <= both.K:
            return
        past = column[ok & ~both.now].value_counts(normalize=True)
        keep = list(past[past >= 0.005].index[:19])
        codes = pd.Categorical(column, categories=keep).codes.astype(np.int64)
        codes = np.where(codes < 0, len(keep), codes)
        T = both.table(codes, len(keep) + 1, ok)
        used = T.sum(axis=(0, 1)) > 0
        if used.sum() < 2:
            return
        t = share_shift(T, tolerance=self.s.psi)
        q, p = _shares(T[:, 0].sum(axis=0)), _shares(T[:, 1:].sum(axis=(0, 1)))
        gone = [
            str(v) for v, a, b in zip(keep, q, p, strict=False)
            if b >= 0.02 and a <= 0.1 * b
        ]  # fmt: skip
        fault, text = "drift", f"PSI {t.value:.3f}"
        if gone and not types.is_numeric_dtype(column):
            fault, text = "missing events", f"{text}: {', '.join(gone)} vanished"
        self._shift(f"PSI of {c}", fault, c, t, text, "psi")
        names = [*map(str, keep), "other"]
        self.plots["columns"][c] = (names, p, q)

    # -- features that no longer change

    def _stale(self, c: str) -> None:
        both = self._both
        if both.span is None or not both.span.weeks:
            return
        if self.days is None:
            self.days = _Days(both.frame, both.reference, self.s.roles, both.span)
        steps = self.days.steps(c)
        if steps is None:
            return
        entity, w, same, what = steps
        E, W = int(entity.max()) + 1, both.K + 1
        T = table(entity, w, same.astype(np.int64), (E, W, 2))
        if (T.sum(axis=(0, 2)) < 20).any() or E < 2:
            return
        before = T[:, 1:, 1].sum() / T[:, 1:].sum()
        now = T[:, 0, 1].sum() / T[:, 0].sum()
        if before > 0.95:
            return
        edge = min(before + self.s.repeats, 0.999)
        limit = float(psi([before, 1 - before], [edge, 1 - edge])) if before else 0.0
        t = share_shift(T, tolerance=limit)
        p = t.p_value if now > before else 1.0
        text = (
            f"{now:.0%} of {what}s have the value of their day before "
            f"(usual: {before:.0%})"
        )
        self._add(f"renewal of {c}", "stale features", c, float(now), p, text)

    # -- items and outcome

    def _coverage(self) -> None:
        both, item = self._both, self.s.item
        if item is None or not {item} <= set(both.frame) & set(both.reference):
            return
        codes, labels = pd.factorize(both.column(item))
        codes = codes.astype(np.int64)
        seen = np.zeros((both.K + 1, len(labels) + 1), dtype=bool)
        seen[both.w, codes] = True
        n = seen[:, : len(labels)].sum(axis=1).astype(float)
        if both.K >= 2 and n.min() > 0:
            base = np.log(n[1:])
            value = float(np.log(n[0]) - base.mean())
            spread = (PRIOR_DF / 2 * 0.03**2 + ((base - base.mean()) ** 2).sum()) / (
                PRIOR_DF / 2 + both.K - 1
            )
            z = max(abs(value) - np.log1p(self.s.items), 0.0)
            z /= np.sqrt(spread * (1 + 1 / both.K))
            p = float(2 * stats.t.sf(z, PRIOR_DF / 2 + both.K - 1))
            text = f"{int(n[0]):,} items (before: {np.exp(base.mean()):,.0f} a window)"
            self._add("items with an event", "coverage", item, value, p, text)
        T = both.table(codes.clip(0), len(labels))
        past = T[:, 1:].sum(axis=(0, 1))
        order = np.argsort(-past, kind="stable")
        part = np.cumsum(past[order]) / past.sum()
        group = np.zeros(len(labels), dtype=np.int64)
        group[order] = np.minimum((part * 10 - 1e-9).astype(np.int64), 9)
        group[past == 0] = 10
        T = both.table(group[codes.clip(0)], 11)
        t = share_shift(T, tolerance=self.s.mix)
        new = T[:, 0, 10].sum() / T[:, 0].sum()
        text = (
            f"PSI {t.value:.3f} over items by popularity; {new:.1%} of rows on new ones"
        )
        self._shift(f"PSI of {item}", "drift", item, t, text, "psi")

    def _outcome(self) -> None:
        both, c = self._both, self.s.outcome
        if c is None or c not in both.frame.columns:
            return
        y = np.nan_to_num(both.numbers(c))
        one = np.zeros(len(y), dtype=np.int64)
        shape = (both.U, both.K + 1, 1)
        hit = table(both.users, both.w, one, shape, y)[..., 0]
        rows = table(both.users, both.w, one, shape)[..., 0]
        try:
            t = ratio_shift(hit, rows, tolerance=self.s.rate)
        except ValueError:
            self.rules.append(
                Check(f"rate of {c}", "missing events", c, None, None, None,
                      f"{c} is never 1 in this window", None, True)
            )  # fmt: skip
            return
        text = f"{np.expm1(t.value):+.1%} against earlier weeks"
        self._shift(f"rate of {c}", "drift", c, t, text, "log")
        for name in self._watched():
            if name != c and self._is_text(name):
                self._mix(both, name, y > 0)

    def _mix(self, both: Events, name: str, hit: NDArray[np.bool_]) -> None:
        column = both.column(name)
        past = column[~both.now].value_counts(normalize=True)
        keep = list(past[past >= 0.005].index[:19])
        codes = pd.Categorical(column, categories=keep).codes.astype(np.int64)
        T = both.table(np.where(codes < 0, len(keep), codes), len(keep) + 1, hit)
        if (T.sum(axis=(0, 2)) == 0).any() or (T.sum(axis=(0, 1)) > 0).sum() < 2:
            return
        t = share_shift(T, tolerance=self.s.psi)
        self._shift(f"PSI of {name} where {self.s.outcome}", "drift", name, t,
                    f"PSI {t.value:.3f}", "psi")  # fmt: skip


class _Days:
    """Rows of both tables by entity and day, sorted once for all features.

    ``entities``: for users, items and both together: the name, the entity of each row,
    rows in order of entity and day, and where each of these groups begins.
    """

    def __init__(
        self, current: pd.DataFrame, reference: pd.DataFrame, roles: Roles, span: Any
    ) -> None:
        self.tables, self.whole = (current, reference), span.days > 1
        names = [c for c in (roles.user, roles.item) if c is not None]
        times = pd.concat(
            [as_times(t[roles.time]) for t in self.tables], ignore_index=True
        )
        self.ok = times.notna().to_numpy()
        times = times[self.ok]
        whole = (times - times.min().floor("D")) // pd.Timedelta(days=1)
        self.day = whole.to_numpy(np.int64)
        self.w = span.of(times)
        self.w[: int(self.ok[: len(current)].sum())] = 0
        codes = []
        for c in names:
            if all(c in t for t in self.tables):
                ids = pd.concat([t[c] for t in self.tables], ignore_index=True)[self.ok]
                codes.append((c, pd.factorize(ids)[0].astype(np.int64)))
        if len(codes) == 2:
            (u, a), (i, b) = codes
            codes.append((f"{u} and {i}", a * (b.max() + 1) + b))
        self.entities = [(name, e, *self._sorted(e)) for name, e in codes]

    def _sorted(self, e: NDArray[np.int64]) -> tuple[Any, Any]:
        key = e * (int(self.day.max()) + 1) + self.day
        order = np.argsort(key, kind="stable")
        first = np.concatenate([[True], np.diff(key[order]) != 0])
        return order, np.flatnonzero(first)

    def steps(
        self, c: str
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], str] | None:
        """Steps of a feature from one day to the entity's next one.

        The entity is the first whose value is one a day. Returns entity and window of
        each step, whether the value stayed, and the entity's name; None for columns
        that are mostly one value (they tell nothing about renewal).
        """
        x = pd.concat([pd.to_numeric(t[c], errors="coerce") for t in self.tables])
        x = x.to_numpy(float, na_value=np.nan)[self.ok]
        finite = x[np.isfinite(x)]
        if not finite.size or (finite == np.median(finite)).mean() > 0.5:
            return None
        for name, e, order, first in self.entities:
            v = x[order]
            inner = np.ones(len(v), dtype=bool)
            inner[first] = False
            if inner.any() and (np.diff(v, prepend=np.nan) == 0)[inner].mean() < 0.9:
                continue
            # the row in the middle of the day: a few rows of a wrong day do no harm
            size = np.diff(np.append(first, len(v)))
            at = order[first + size // 2]
            who, when, value = e[at], self.day[at], x[at]
            step = (np.diff(who) == 0) & (np.diff(when) <= 7) & (self.w[at][1:] >= 0)
            step &= np.isfinite(value[1:]) & np.isfinite(value[:-1])
            if self.whole:  # the window before may be missing, here or there
                step &= self.w[at][1:] == self.w[at][:-1]
            if not step.any():
                continue
            to = np.flatnonzero(step) + 1
            entity = np.unique(who[to], return_inverse=True)[1].astype(np.int64)
            return entity, self.w[at][to], value[to] == value[to - 1], name
        return None


def _explained(c: Check, found: Sequence[Check]) -> Check:
    """Mark an alarm that may follow from another one."""
    others = [o for o in found if o.alarm and o is not c]
    if c.alarm and c.fault == "stale features" and (c.value or 0.0) < 0.5:
        # events put on the next day bring the value of the day before with them
        if any(o.fault == "time zone" for o in others):
            return replace(c, explained_by="time zone")
    if not c.alarm or c.fault not in ("drift", "coverage", "missing values"):
        return c
    for fault in ("schema", "changed unit", "stale features", "missing values"):
        if c.fault == "drift" and any(
            o.fault == fault and o.column == c.column and c.column for o in others
        ):
            return replace(c, explained_by=fault)
    if any(o.fault == "missing events" for o in others):
        return replace(c, explained_by="missing events")
    return c


def _shares(n: Any) -> list[float]:
    n = np.asarray(n, dtype=float)
    return (n / max(n.sum(), 1e-12)).tolist()


# -------------------------------------------------------------------------- history

_SCHEMA = """
create table if not exists windows (
  name varchar, start varchar, days integer, rows bigint, users bigint, ok boolean,
  faults varchar, summary varchar, primary key (name, start, days));
create table if not exists checks (
  name varchar, start varchar, days integer, "check" varchar, fault varchar,
  "column" varchar, value double, "limit" double, p_value double, adjusted double,
  alarm boolean, explained_by varchar, text varchar,
  primary key (name, start, days, "check"));
"""


def record(report: MonitorReport, file: str | Path, name: str = "events") -> None:
    """Add a report to a history in DuckDB; a window checked again replaces itself.

    One transaction: a reader, or a rerun after a kill, sees a window whole or not.

    Raises
    ------
    ValueError
        The file is not a DuckDB database, or another process has it open.
    """
    start = report.start or ""
    with _open(file) as base:
        base.execute("begin")
        base.execute(_SCHEMA)
        for t in ("windows", "checks"):
            base.execute(f"delete from {t} where name = ? and start = ? and days = ?",
                         [name, start, report.days])  # fmt: skip
        base.execute(
            "insert into windows values (?, ?, ?, ?, ?, ?, ?, ?)",
            [name, start, report.days, report.rows, report.users, report.ok,
             ", ".join(report.faults), report.paragraph()],
        )  # fmt: skip
        rows = [
            [name, start, report.days, c.name, c.fault, c.column, c.value, c.limit,
             c.p_value, c.adjusted, c.alarm, c.explained_by, c.text]
            for c in report.checks
        ]  # fmt: skip
        if rows:
            base.executemany(f"insert into checks values ({', '.join('?' * 13)})", rows)
        base.execute("commit")


def history(file: str | Path, name: str | None = None) -> pd.DataFrame:
    """Every check of every window recorded, oldest first (see ``record``).

    ValueError if there is no such file or it is no history.
    """
    if not Path(file).is_file():
        raise ValueError(f"there is no history {Path(file).name}")
    with _open(file) as base:
        base.execute(_SCHEMA)
        return base.execute(
            'select * from checks where ? is null or name = ? order by start, "check"',
            [name, name],
        ).df()


def _open(file: str | Path) -> Any:
    import duckdb

    path = Path(file)
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist: make it first")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as stream:
            if stream.read(12)[8:] != b"DUCK":  # DuckDB also opens other tables
                raise ValueError(
                    f"{path.name} is no history: name a new file, or a DuckDB one"
                )
    try:
        return duckdb.connect(str(path))
    except duckdb.Error as error:
        why = " ".join(str(error).split())[:120]
        raise ValueError(
            f"{path.name} cannot be opened as a history (a DuckDB file): {why}"
        ) from None


# ----------------------------------------------------------------------------- page


def _page(r: MonitorReport, title: str, past: pd.DataFrame | None) -> str:
    """The report as HTML."""
    kind = "" if r.ok else ' class="stop"'
    body = [
        f"<h1>{html.escape(title)}: {html.escape(r.period)}</h1>",
        f"<section{kind}><p>{html.escape(r.paragraph())}</p></section>",
    ]
    if r.alarms:
        body.append("<h2>What was found</h2>")
        body.append(pages.table([_alarm_row(c) for c in r.alarms]))
    charts = [*_volume_chart(r), *_hour_chart(r), *_column_charts(r)]
    charts += _past_chart(past, r.false_alarms)
    if charts:
        body.append(
            f'<h2>Now and before</h2><div class="charts">{"".join(charts)}</div>'
        )
    every = pages.table([_row(c) for c in _ordered(r)])
    body.append(
        f"<details{'' if r.alarms else ' open'}><summary>Every check "
        f"({len(r.checks)})</summary>{every}</details>"
    )
    for text in r.skipped:
        body.append(f"<p>Not checked: {html.escape(text)}.</p>")
    tests = sum(c.p_value is not None for c in r.checks)
    body.append(
        f"<footer><p>{tests} tests; together they raise a false alarm in at most "
        f"{r.false_alarms:.0%} of windows in which nothing changed by more than the "
        "tolerances. Chance is judged by drawing users, not rows, and by how much "
        "earlier weeks differ from each other. Names of faults are readings of a "
        "pattern: look before you act.</p></footer>"
    )
    return pages.document(title, body)


def _alarm_row(c: Check) -> dict[str, Any]:
    after = f"; may follow from {c.explained_by}" if c.explained_by else ""
    return {"fault": c.fault, "finding": f"{c.name}: {c.text}{after}",
            "what to do": "" if c.explained_by else ACTIONS[c.fault]}  # fmt: skip


def _ordered(r: MonitorReport) -> list[Check]:
    return sorted(
        r.checks, key=lambda c: (not c.alarm, 1.0 if c.p_value is None else c.p_value)
    )


def _row(c: Check) -> dict[str, Any]:
    p = "rule" if c.p_value is None else f"{c.p_value:.2g}"
    return {
        "check": c.name,
        "alarm": "yes" if c.alarm else "",
        "finding": c.text,
        "alarms beyond": "" if c.limit is None else f"{c.limit:.3g}",
        "p": p,
    }


def _volume_chart(r: MonitorReport) -> list[str]:
    n = r.plots.get("volume")
    if not n or r.days < 2:
        return []
    unit = 1000.0 if max(n[0]) >= 10_000 else 1.0
    now, before = [x / unit for x in n[0]], np.array(n[1:]) / unit
    top = 1.1 * max(max(now), before.max())
    low, high = before.min(axis=0), before.max(axis=0)
    return [
        pages.chart(
            "Events a day: now, and the range of earlier weeks (band)", "day",
            "thousand events" if unit > 1 else "events",
            [{"label": "now", "points": list(enumerate(now))}],
            band=[(i, low[i], high[i]) for i in range(r.days)],
            x_range=(0, r.days - 1), y_range=(0, top),
            x_names=(str(r.start), f"day {r.days}"),
        )
    ]  # fmt: skip


def _hour_chart(r: MonitorReport) -> list[str]:
    if "hours" not in r.plots:
        return []
    before, now = r.plots["hours"]
    return [
        pages.chart(
            "Share of events by hour of the day (UTC)", "hour", "share",
            [{"label": "now", "points": list(enumerate(now))},
             {"label": "before", "points": list(enumerate(before))}],
            x_range=(0, 23), y_range=(0, 1.1 * max(*before, *now)),
        )
    ]  # fmt: skip


def _column_charts(r: MonitorReport, most: int = 6) -> list[str]:
    """Columns that alarm, or the two that moved most, as shares of bins."""
    known = r.plots.get("columns", {})
    alarmed = [c.column for c in r.alarms if c.column in known]
    moved = [c.column for c in _ordered(r) if c.column in known][:2]
    return [
        _column_chart(c, *known[c])
        for c in list(dict.fromkeys(alarmed or moved))[:most]
    ]


def _column_chart(
    c: str, names: list[str], before: list[float], now: list[float]
) -> str:
    levels, what = len(names) == len(now), "bin, from low to high"
    if levels:
        what = "level, most frequent first"
    elif before[0] > 0.5 and len(now) > 2:  # one value that most rows hold
        what += f"; {before[0]:.0%} at the lowest value before, {now[0]:.0%} now"
        names, before, now = names, _shares(before[1:]), _shares(now[1:])
    ends = (names[0], names[-1])
    if not levels:
        ends = (f"about {names[0]}", f"from {names[-1]}")
    last = max(len(now) - 1, 1)
    return pages.chart(
        f"{c}: share of events by {what}", c, "share",
        [{"label": "now", "points": list(enumerate(now))},
         {"label": "before", "points": list(enumerate(before))}],
        x_range=(0, last), y_range=(0, 1.1 * max(*before, *now)), x_names=ends,
    )  # fmt: skip


def _past_chart(past: pd.DataFrame | None, level: float) -> list[str]:
    """The smallest adjusted p-value of each window recorded, as -log10."""
    if past is None or past["start"].nunique() < 2:
        return []
    p = past.groupby("start")["adjusted"].min().clip(lower=1e-6).fillna(1.0)
    y = -np.log10(p.to_numpy())
    limit = -np.log10(level)
    return [
        pages.chart(
            "Windows so far: evidence of the strongest check (dashed: alarm)",
            "window", "-log10 p",
            [{"label": "strongest check", "points": list(enumerate(y))}],
            reference=[(0, limit), (len(y) - 1, limit)],
            x_range=(0, len(y) - 1), y_range=(0, max(2.0, 1.1 * y.max())),
            x_names=(str(p.index[0]), str(p.index[-1])),
        )
    ]  # fmt: skip


def write_report(
    report: MonitorReport,
    folder: str | Path,
    *,
    title: str = "Monitoring",
    past: pd.DataFrame | None = None,
) -> dict[str, Path]:
    """Write report.html and report.json into a folder, each whole or not at all."""
    import json

    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    text = {
        "report.html": report.html(title, past),
        "report.json": json.dumps(_finite(report.to_dict()), indent=1) + "\n",
    }
    for name, content in text.items():
        draft = out / f".{name}.{os.getpid()}"
        try:
            draft.write_text(content, encoding="utf-8")
            os.replace(draft, out / name)
        finally:
            draft.unlink(missing_ok=True)
    return {name: out / name for name in text}


def _finite(x: Any) -> Any:
    """NaN and infinity as null; NumPy's numbers and dates as plain ones."""
    if isinstance(x, Mapping):
        return {k: _finite(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(v) for v in x]
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, (datetime.date, pd.Timestamp)):
        return str(x)
    return None if isinstance(x, float) and not np.isfinite(x) else x
