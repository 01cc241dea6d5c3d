r"""Features from a table by a recipe, fitted once and applied alike ever after.

Chapter 28. :func:`build` fits a :class:`~streamrec.production.recipe.Recipe` to a
training table and gives its features; what was learnt (medians, levels, encodings, what
was set aside) is a :class:`Fitted`, plain JSON, and :func:`apply` does the same to new
rows. Nothing learnt comes from the rows it is applied to.

Two leaks are closed by construction. A step over history sees events strictly before
its row's moment. A level encoded by the label is encoded, in training, by the labels of
*other* rows: of other folds (all rows of an entity in one), or of earlier rows once
their label was known. Others are looked for: a feature that knows the label too well, a
date after its row.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamrec.production.features import ticks, window_sum
from streamrec.production.profile import (
    ProfileLimits,
    correlations,
    finding,
    leaks,
    power_of,
)
from streamrec.production.recipe import HISTORY, Recipe, Step, dates, width
from streamrec.stats.divergences import bin_counts, psi_test, quantile_edges

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.compose import ColumnTransformer

Floats = NDArray[np.float64]
Texts = NDArray[np.object_]
Columns = dict[str, Floats]
FORMAT = 1
DAY = 86_400e9  # nanoseconds
PART = 4_000_000  # values of windows held at once


# --- reading a table -----------------------------------------------------------------


def as_text(column: pd.Series) -> Texts:
    """Levels as text, None where missing; 7 and 7.0 are one level.

    A column of whole numbers turns into decimals as soon as one is missing: without
    this, the same code would be two levels.

    >>> import pandas as pd
    >>> as_text(pd.Series([7.0, None, 2.5])).tolist()
    ['7', None, '2.5']
    """
    import pandas as pd

    out = np.full(len(column), None, dtype=object)
    here = column.notna().to_numpy()
    numeric = pd.api.types.is_numeric_dtype(column)
    number = numeric and not pd.api.types.is_bool_dtype(column)
    show = (lambda v: f"{float(v):.15g}") if number else str
    codes, levels = pd.factorize(column[here])
    names = np.array([show(v) for v in levels], dtype=object)
    if len(names):
        out[here] = names[codes]
    return out


def as_numbers(column: pd.Series) -> Floats:
    """Numbers, NaN where missing; ValueError quotes the first value that is none."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(f'column "{column.name}" holds dates: use calendar or elapsed')
    number = pd.to_numeric(column, errors="coerce")
    bad = number.isna() & column.notna()
    if bad.any():
        raise ValueError(
            f'column "{column.name}" holds text ("{str(column[bad].iloc[0])[:20]}"): '
            "encode it, for example by onehot"
        )
    return np.asarray(number.to_numpy(float, na_value=np.nan))


def _moments(column: pd.Series, what: str) -> NDArray[Any]:
    try:
        return ticks(column.reset_index(drop=True), what)
    except TypeError as error:
        raise ValueError(f'column "{column.name}": {error}') from None


class _Past:
    """Events that steps over history may look at."""

    def __init__(self, rows: pd.DataFrame, recipe: Recipe) -> None:
        for c in (recipe.entity, recipe.time):
            if c not in rows.columns:
                raise ValueError(f'the history has no column "{c}"')
        self.rows = rows.reset_index(drop=True)
        self.who = as_text(self.rows[str(recipe.entity)])
        self.when = _moments(self.rows[str(recipe.time)], "times of events")
        self.numeric = _numeric(self.rows[str(recipe.time)])
        self.seen: dict[str, tuple[Events, Any, Floats]] = {}

    def events(self, column: str) -> tuple[Events, Any, Floats]:
        """Events whose value of a column is known: sorted, their moments and values."""
        if column not in self.rows.columns:
            raise ValueError(f'the history has no column "{column}"')
        if column not in self.seen:
            value = as_numbers(self.rows[column])
            here = np.isfinite(value) & (self.who != None)  # noqa: E711
            kept = Events(self.who[here], self.when[here])
            self.seen[column] = kept, self.when[here], value[here]
        return self.seen[column]


@dataclass
class _Table:
    """Rows under work: their columns, what was built, what was noticed."""

    data: pd.DataFrame
    recipe: Recipe
    past: _Past | None = None
    y: Floats | None = None  # labels, while fitting
    built: Columns = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    findings: list[dict[str, str]] = field(default_factory=list)
    now: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.data)

    def column(self, name: str) -> pd.Series:
        """A column of the table; ValueError if it is not there."""
        if name not in self.data.columns:
            raise ValueError(
                f'there is no column "{name}" among '
                f"{', '.join(map(str, self.data.columns))}"
            )
        return self.data[name]

    def number(self, name: str) -> Floats:
        """A feature built before, or a column as numbers; infinite is missing."""
        v = self.built[name] if name in self.built else as_numbers(self.column(name))
        far = np.isinf(v)
        if far.any():
            text = f"{far.sum():,} infinite values count as missing"
            self.note(name, "infinite", "look", text)
        return np.where(far, np.nan, v)

    def text(self, name: str) -> Texts:
        """A column as levels."""
        return as_text(self.column(name))

    def when(self) -> NDArray[Any]:
        """The moment of each row."""
        if self.now is None:
            self.now = _moments(self.column(str(self.recipe.time)), "times")
        return self.now

    def note(self, *words: str) -> None:
        """Keep a finding, once."""
        found = finding(*words)
        if found not in self.findings:
            self.findings.append(found)

    def add(self, step: Step, name: str, values: Floats, *reads: str) -> None:
        """Keep a feature under a name that nothing else has."""
        r = self.recipe
        replaced = step.kind == "number" and name in step.columns
        if name in self.built and not replaced:
            raise ValueError(f'the feature "{name}" is made twice: drop one step')
        if name in (r.entity, r.time, r.label):
            raise ValueError(f'the feature "{name}" has the name of a column of keys')
        roots = [self.sources.get(c, (c,)) for c in reads]
        self.sources[name] = tuple(dict.fromkeys(c for root in roots for c in root))
        self.kinds[name] = step.kind
        self.built[name] = np.asarray(values, float)


# --- numbers -------------------------------------------------------------------------


# derivation: eq-build-number
def fit_number(v: Floats, step: Step) -> dict[str, Any]:
    """Bounds, filling value, centre and spread of a column of numbers.

    Clipped to the quantiles of ``clip``, missing values filled, then (v - centre) /
    spread: mean and deviation (n), median and interquartile range, or least and range.
    """
    known = v[~np.isnan(v)]
    if not known.size:
        raise ValueError("it has no values at all")
    low, high = (None, None)
    if step["clip"] is not None:
        low, high = (float(q) for q in np.quantile(known, step["clip"]))
    known = _clip(known, low, high)
    fills = {"median": np.median(known), "mean": known.mean(), "none": np.nan}
    how = step["impute"]
    fill = float(fills[how] if isinstance(how, str) else how)
    filled = _clip(np.where(np.isnan(v), fill, v), low, high)
    center, spread = _center(filled[~np.isnan(filled)], step["scale"])
    return {
        "low": low,
        "high": high,
        "fill": None if np.isnan(fill) else fill,
        "center": center,
        "spread": spread or 1.0,
        "indicator": bool(step["missing"] and np.isnan(v).any()),
    }


def _clip(v: Floats, low: float | None, high: float | None) -> Floats:
    return v if low is None else np.clip(v, low, high)


def _center(v: Floats, scale: str) -> tuple[float, float]:
    if scale == "standard":
        return float(v.mean()), float(v.std())
    if scale == "robust":
        q1, q2, q3 = np.quantile(v, [0.25, 0.5, 0.75])
        return float(q2), float(q3 - q1)
    if scale == "range":
        return float(v.min()), float(v.max() - v.min())
    return 0.0, 1.0


def _number(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        s, v = state[c], t.number(c)
        missing = np.isnan(v)
        x = np.where(missing & (s["fill"] is not None), s["fill"] or 0.0, v)
        x = _clip(x, s["low"], s["high"])
        t.add(step, c, (x - s["center"]) / s["spread"], c)
        if s["indicator"]:
            t.add(step, f"{c}_missing", missing, c)


def _fit_number(step: Step, t: _Table) -> Any:
    out = {}
    for c in step.columns:
        try:
            out[c] = fit_number(t.number(c), step)
        except ValueError as error:
            named = f'column "{c}"' not in str(error)
            raise ValueError(f'column "{c}": {error}' if named else error) from None
    return out


def _missing(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        t.add(step, f"{c}_missing", t.column(c).isna().to_numpy(), c)


def _pair(step: Step, state: Any, t: _Table) -> None:
    a, b = step.columns
    x, y = t.number(a), t.number(b)
    if step.kind == "ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            t.add(step, f"{a}_per_{b}", np.where(y == 0, np.nan, x / y), a, b)
    elif step.kind == "product":
        t.add(step, f"{a}_times_{b}", x * y, a, b)
    else:
        t.add(step, f"{a}_minus_{b}", x - y, a, b)


# --- levels --------------------------------------------------------------------------


def _counts(levels: Texts) -> dict[str, int]:
    """How often each level occurs, the most frequent first, ties by name."""
    known = levels[[v is not None for v in levels]]
    names, n = np.unique(known.astype(str), return_counts=True)
    order = np.argsort(-n, kind="stable")
    return {str(names[i]): int(n[i]) for i in order}


def _unseen(t: _Table, c: str, levels: Texts, known: Any, then: str) -> None:
    """Note levels that training did not have."""
    fresh = [v for v in levels if v is not None and v not in known]
    if fresh:
        text = (
            f"{len(fresh):,} rows hold levels never seen in training "
            f'("{fresh[0][:20]}"): {then}'
        )
        t.note(c, "levels", "look", text)


def _fit_onehot(step: Step, t: _Table) -> Any:
    out = {}
    for c in step.columns:
        levels = t.text(c)
        counts = _counts(levels)
        kept = [k for k, n in counts.items() if n >= step["min_count"]]
        kept = kept[: step["levels"]]
        missing = any(v is None for v in levels)
        out[c] = {"levels": kept, "missing": missing, "seen": list(counts)}
        out[c]["other"] = len(kept) < len(counts)
    return out


def _onehot(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        s, levels = state[c], t.text(c)
        then = "they count as other" if s["other"] else "all its columns are 0"
        _unseen(t, c, levels, set(s["seen"]), then)
        for k in s["levels"]:
            t.add(step, f"{c}={k}", levels == k, c)
        if s["other"]:
            kept = {None, *s["levels"]}
            t.add(step, f"{c}=(other)", np.array([v not in kept for v in levels]), c)
        if s["missing"]:
            t.add(step, f"{c}=(missing)", np.array([v is None for v in levels]), c)


def _ordinal(step: Step, state: Any, t: _Table) -> None:
    rank = {str(v): float(i) for i, v in enumerate(step["order"])}
    for c in step.columns:
        levels = t.text(c)
        _unseen(t, c, levels, rank, "missing, since they have no place in the order")
        t.add(step, f"{c}_rank", np.array([rank.get(v, np.nan) for v in levels]), c)


def _fit_frequency(step: Step, t: _Table) -> Any:
    n = max(len(t), 1)
    return {c: {k: m / n for k, m in _counts(t.text(c)).items()} for c in step.columns}


def _frequency(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        share, levels = state[c], t.text(c)
        _unseen(t, c, levels, share, "frequency 0")
        t.add(step, f"{c}_frequency", np.array([share.get(v, 0.0) for v in levels]), c)


# --- levels by the label -------------------------------------------------------------


# derivation: eq-build-shrink
def shrink(total: Any, n: Any, prior: Any, smooth: float) -> Floats:
    """A level's mean label, drawn to the prior as if by ``smooth`` further rows.

    (total + smooth prior) / (n + smooth), and the prior for a level without rows: the
    posterior mean of a normal or beta model (Micci-Barreca 2001).

    >>> shrink([3.0, 0.0], [4, 0], 0.5, 4.0).tolist()
    [0.625, 0.5]
    """
    total, n = np.asarray(total, float), np.asarray(n, float)
    weight = n + smooth
    safe = np.where(weight > 0, weight, 1.0)
    return np.where(weight > 0, (total + smooth * np.asarray(prior)) / safe, prior)


def _codes(levels: Texts) -> tuple[NDArray[np.int64], Texts]:
    """Numbers of levels, missing as a level of its own at the end."""
    import pandas as pd

    codes, names = pd.factorize(levels)
    return np.where(codes < 0, len(names), codes).astype(np.int64), names


# derivation: eq-build-out-of-fold
def out_of_fold(codes: Any, y: Floats, fold: Any, smooth: float) -> Floats:
    """Each row's level encoded by the labels of the *other* folds, (n,).

    With its own label among them, a level with one row would know its label, and a
    model would trust rare levels most.

    >>> out_of_fold([0, 0, 0, 1], np.array([1.0, 1, 0, 0]), [0, 0, 1, 1], 0.0).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    codes, fold = np.asarray(codes), np.asarray(fold)
    size = int(codes.max()) + 1
    n = np.bincount(codes, minlength=size)
    total = np.bincount(codes, weights=y, minlength=size)
    out = np.empty(len(y))
    for f in np.unique(fold):
        own = fold == f
        n_f = n - np.bincount(codes[own], minlength=size)
        total_f = total - np.bincount(codes[own], weights=y[own], minlength=size)
        rest = y[~own]
        prior = rest.mean() if rest.size else y.mean()
        out[own] = shrink(total_f, n_f, prior, smooth)[codes[own]]
    return out


# derivation: eq-build-ordered
def ordered(codes: Any, y: Floats, time: Any, delay: float, smooth: float) -> Floats:
    """Each row's level encoded by labels known before its moment, (n,).

    A label of a row at s is known from s + delay; a row at t sees those with s + delay
    < t. The prior is the mean of all labels it sees, or 0 if it sees none at all.

    >>> ordered([0, 0, 0], np.array([1.0, 0, 1]), [1, 2, 3], 0, 0.0).tolist()
    [0.0, 1.0, 0.5]
    """
    t = np.asarray(time)
    now, ever = _exact(t, delay), t.max() - t.min() + 1
    total, n = window_sum(codes, now, codes, t, y, ever)
    one = np.zeros(len(y), dtype=np.int64)
    all_, seen = window_sum(one, now, one, t, y, ever)
    prior = np.where(seen > 0, all_ / np.maximum(seen, 1), 0.0)
    return shrink(total, n, prior, smooth)


def _exact(t: NDArray[Any], delay: float) -> NDArray[Any]:
    """Moments less a delay, whole if they are: no float holds all nanoseconds."""
    whole = np.issubdtype(t.dtype, np.integer) and float(delay).is_integer()
    return t - (int(delay) if whole else delay)


def folds(t: _Table, k: int) -> NDArray[np.int64]:
    """A fold for each row; all rows of an entity share one."""
    import pandas as pd

    rng = np.random.default_rng(t.recipe.seed)
    if t.recipe.entity is None:
        return rng.permutation(len(t)) % k
    codes = pd.factorize(t.text(t.recipe.entity))[0]
    alone = codes < 0  # rows of nobody are each their own
    codes = np.where(alone, codes.max() + 1 + np.cumsum(alone), codes)
    return (rng.permutation(int(codes.max()) + 1) % k)[codes]


def _fit_target(step: Step, t: _Table) -> Any:
    if t.y is None:
        raise ValueError("a target encoding needs a label of numbers or two classes")
    out: dict[str, Any] = {"prior": float(t.y.mean()), "levels": {}}
    for c in step.columns:
        codes, names = _codes(t.text(c))
        n = np.bincount(codes, minlength=len(names) + 1)
        total = np.bincount(codes, weights=t.y, minlength=len(names) + 1)
        out["levels"][c] = {
            "known": {
                str(k): [float(total[i]), int(n[i])] for i, k in enumerate(names)
            },
            "missing": [float(total[-1]), int(n[-1])],
        }
        mean = _encode_fitting(step, t, codes)
        t.add(step, f"{c}_target", mean, c)
        if len(names) > 0.5 * len(t):
            text = f"{len(names):,} levels in {len(t):,} rows: few rows tell of each"
            t.note(c, "identifier", "look", text)
    return out


def _encode_fitting(step: Step, t: _Table, codes: Any) -> Floats:
    """The encoding of the training rows themselves, without their own labels."""
    assert t.y is not None
    if t.recipe.label_delay is not None:
        delay = t.recipe.delay(str(t.recipe.label))
        return ordered(codes, t.y, t.when(), delay, step["smooth"])
    if t.recipe.time is not None:
        text = (
            "its folds mix past and future: give label_delay, and rows are encoded by "
            "labels known before them"
        )
        t.note(", ".join(step.columns), "folds", "look", text)
    return out_of_fold(codes, t.y, folds(t, step["folds"]), step["smooth"])


def _target(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        s, levels = state["levels"][c], t.text(c)
        _unseen(t, c, levels, s["known"], "encoded by the mean of all labels")
        pairs = np.array(
            [s["missing"] if v is None else s["known"].get(v, (0, 0)) for v in levels],
            dtype=float,
        ).reshape(-1, 2)
        mean = shrink(pairs[:, 0], pairs[:, 1], state["prior"], step["smooth"])
        t.add(step, f"{c}_target", mean, c)


# --- moments -------------------------------------------------------------------------


def _clock(t: _Table, c: str) -> pd.Series:
    """A column as moments in UTC, NaT where missing."""
    import pandas as pd

    column = t.column(c)
    whole = column.dropna()
    if len(whole) and not dates(whole):
        raise ValueError(f'column "{c}" holds no dates such as 2026-01-31')
    kind = {} if pd.api.types.is_datetime64_any_dtype(column) else {"format": "ISO8601"}
    try:
        return pd.to_datetime(column, utc=True, **kind)
    except (ValueError, TypeError) as error:
        raise ValueError(f'column "{c}" holds no date: {error}') from None


# derivation: eq-build-calendar
def turn(moment: pd.Series) -> dict[str, Floats]:
    """How far each clock has gone round, in [0, 1): hour, weekday, month, yearday.

    A feature is the sine and the cosine of 2 pi times this, so that 23:59 and 00:00 are
    neighbours.

    >>> import pandas as pd
    >>> turn(pd.Series(pd.to_datetime(["2026-01-05 06:00"])))["hour"].tolist()
    [0.25]
    """
    d = moment.dt
    day = (d.hour * 3600 + d.minute * 60 + d.second) / 86_400
    parts = {
        "hour": day,
        "weekday": d.dayofweek / 7,
        "month": (d.month - 1) / 12,
        "yearday": (d.dayofyear - 1 + day) / (365 + d.is_leap_year),
    }
    return {k: v.where(moment.notna()).to_numpy(float) for k, v in parts.items()}


def _fit_calendar(step: Step, t: _Table) -> Any:
    """The parts asked for, or those that vary (month only where days do not)."""
    if step["parts"] is not None:
        return {c: list(step["parts"]) for c in step.columns}
    out = {}
    for c in step.columns:
        angle = turn(_clock(t, c))
        use = [p for p in ("hour", "weekday", "yearday") if np.nanstd(angle[p]) > 1e-12]
        out[c] = use or ["month"]
    return out


def _calendar(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        angle = turn(_clock(t, c))
        for part in state[c]:
            a = 2 * np.pi * angle[part]
            t.add(step, f"{c}_{part}_sin", np.sin(a), c)
            t.add(step, f"{c}_{part}_cos", np.cos(a), c)


def _elapsed(step: Step, state: Any, t: _Table) -> None:
    """Days (or units of time) from a column's moment to the row's."""
    now = t.when()
    time = str(t.recipe.time)
    dated = not _numeric(t.column(time))
    for c in step.columns:
        if dated:
            moment = _clock(t, c)
            then = moment.dt.tz_localize(None).to_numpy("datetime64[ns]")
            gap = (now - then.astype(np.int64)) / DAY
            gap = np.where(moment.isna(), np.nan, gap)
        else:
            gap = now - t.number(c)
        late = int((gap < 0).sum())
        if late and c not in t.recipe.accept:
            text = f"{late:,} rows hold a moment after their own: was it known then?"
            t.note(c, "future", "stop", text)
        t.add(step, f"{c}_elapsed", gap, c, time)


def _numeric(column: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column))


# --- history -------------------------------------------------------------------------


class Events:
    """Events sorted by entity and moment, to be looked up by both.

    An entity and a moment are made one whole number, so that two searches in the sorted
    events find both ends of what a row may see: O((n + m) log n). Events of one moment
    keep their order.
    """

    # derivation: eq-build-span
    def __init__(self, entity: Any, time: Any) -> None:
        """Sort n events once."""
        import pandas as pd

        codes, names = pd.factorize(np.asarray(entity))
        s, self.n = np.asarray(time), len(codes)
        self.names = pd.Index(names)
        self.order = np.lexsort((s, codes))
        self.clock = np.sort(s)
        rank = np.searchsorted(self.clock, s[self.order])
        self.key = codes[self.order] * (self.n + 1) + rank

    # derivation: eq-build-span
    def before(self, entity: Any, time: Any, window: Any = None) -> tuple[Any, Any]:
        """Start and end of what each row sees: ``order[start:end]`` of its entity.

        Those with t - window <= time < t, or all with time < t; the oldest first.

        >>> events = Events([1, 1, 1], [1, 3, 5])
        >>> [x.tolist() for x in events.before([1, 1, 2], [5, 2, 9], 3)]
        [[1, 0, 0], [2, 1, 0]]
        """
        t, who = np.asarray(time), self.names.get_indexer(np.asarray(entity))
        base, clock = who * (self.n + 1), self.clock
        end = np.searchsorted(self.key, base + np.searchsorted(clock, t))
        first = 0 if window is None else np.searchsorted(clock, t - window)
        start = np.searchsorted(self.key, base + first)
        return np.where(who < 0, 0, start), np.where(who < 0, 0, end)


# derivation: eq-build-lag
def lagged(
    events: Events, values: Any, entity: Any, time: Any, steps: Any
) -> list[Floats]:
    """The k-th last value of the row's entity strictly before its moment, for each k.

    NaN where there are fewer.

    >>> lagged(Events([1, 1, 1], [1, 3, 5]), [10.0, 30.0, 50.0], [1, 1], [5, 2], [1, 2])
    [array([30., 10.]), array([10., nan])]
    """
    start, end = events.before(entity, time)
    v = np.append(np.asarray(values, float)[events.order], np.nan)
    return [v[np.where(end - k >= start, end - k, -1)] for k in steps]


# derivation: eq-build-rolling
def sums(values: Floats, start: Any, end: Any) -> tuple[Floats, Floats]:
    """Sum, and sum of squares around the mean, of ``values[start:end]`` for each row.

    From the values of the span alone: differences of prefix sums would let a huge value
    elsewhere, even a later one, blur all others. In parts of bounded memory.

    >>> sums(np.array([1.0, 2.0, 6.0]), np.array([0, 1, 2]), np.array([3, 2, 2]))
    (array([9., 2., 0.]), array([14.,  0.,  0.]))
    """
    total, square = np.zeros(len(start)), np.zeros(len(start))
    some = np.flatnonzero(end > start)
    part = np.cumsum(end[some] - start[some]) // PART
    for rows in np.split(some, np.flatnonzero(np.diff(part)) + 1):
        n = end[rows] - start[rows]
        at = np.cumsum(n) - n
        x = values[np.arange(n.sum()) + np.repeat(start[rows] - at, n)]
        if x.size:
            total[rows] = np.add.reduceat(x, at)
            around = x - np.repeat(total[rows] / n, n)
            square[rows] = np.add.reduceat(around**2, at)
    return total, square


def _look_back(t: _Table, c: str) -> tuple[Events, Any, Floats, Any, Any]:
    """Events of a column, their moments and values; rows' entities and last moments."""
    if t.past is None:
        raise ValueError("there is no history to look at")
    if _numeric(t.column(str(t.recipe.time))) != t.past.numeric:
        raise ValueError("times are numbers here and dates in the history")
    events, when, value = t.past.events(c)
    who = t.text(str(t.recipe.entity))
    return events, when, value, who, _exact(t.when(), t.recipe.delay(c))


def _window(t: _Table, window: Any) -> Any:
    """A window in the units of the time column."""
    dated = not _numeric(t.column(str(t.recipe.time)))
    if dated == isinstance(window, (int, float)):
        kind, example = ("dates", "7d") if dated else ("numbers", "7")
        raise ValueError(
            f"times are {kind}: write windows and delays such as {example}, not "
            f"{window}"
        )
    return int(width(window)) if dated else window


def _lag(step: Step, state: Any, t: _Table) -> None:
    for c in step.columns:
        events, _, value, who, now = _look_back(t, c)
        values = lagged(events, value, who, now, step["steps"])
        for k, v in zip(step["steps"], values, strict=True):
            t.add(step, f"{c}_lag{k}", v, c)


def _over(t: _Table, c: str, window: Any) -> tuple[Floats, Floats, Floats, Any]:
    """Sum, squares around the mean, count, and moment of the last event in a window."""
    events, when, value, who, now = _look_back(t, c)
    start, end = events.before(who, now, window)
    total, square = sums(value[events.order], start, end)
    last = np.append(when[events.order], 0)[end - 1]
    return total, square, (end - start).astype(float), last


def _mean(total: Floats, n: Floats) -> Floats:
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _rolling(step: Step, state: Any, t: _Table) -> None:
    """Sum, mean, deviation (n - 1) and count over t - window <= time < t."""
    for c in step.columns:
        for w in step["windows"]:
            total, square, n, _ = _over(t, c, _window(t, w))
            made = {
                "sum": total,
                "count": n,
                "mean": _mean(total, n),
                "sd": np.sqrt(np.where(n > 1, square / np.maximum(n - 1, 1), np.nan)),
            }
            for name in step["stats"]:
                t.add(step, f"{c}_{name}_{w}", made[name], c)


# derivation: eq-build-rfm
def _rfm(step: Step, state: Any, t: _Table) -> None:
    """Recency (days since the last event), frequency (events), monetary (mean)."""
    scale = 1.0 if _numeric(t.column(str(t.recipe.time))) else DAY
    size = None if step["within"] is None else _window(t, step["within"])
    for c in step.columns:
        total, _, n, last = _over(t, c, size)
        since = np.where(n > 0, (t.when() - last) / scale, np.nan)
        t.add(step, f"{c}_recency", since, c)
        t.add(step, f"{c}_frequency", n, c)
        t.add(step, f"{c}_monetary", _mean(total, n), c)


# --- words ---------------------------------------------------------------------------


def _fit_text(step: Step, t: _Table) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    out = {}
    for c in step.columns:
        vector = TfidfVectorizer(max_features=step["terms"])
        try:
            vector.fit([v or "" for v in t.text(c)])
        except ValueError:
            raise ValueError(f'column "{c}" holds no words to count') from None
        idf = vector.idf_.tolist()
        out[c] = {k: idf[i] for k, i in sorted(vector.vocabulary_.items())}
    return out


def _text(step: Step, state: Any, t: _Table) -> None:
    """Counts of a word times its rarity, each row of length 1."""
    from sklearn.feature_extraction.text import CountVectorizer

    for c in step.columns:
        words = list(state[c])
        count = CountVectorizer(vocabulary=words)
        X = count.transform([v or "" for v in t.text(c)]).toarray().astype(float)
        X *= np.array([state[c][w] for w in words])
        length = np.sqrt((X**2).sum(axis=1, keepdims=True))
        X /= np.where(length > 0, length, 1.0)
        for i, w in enumerate(words):
            t.add(step, f"{c}:{w}", X[:, i], c)


Fit = Callable[[Step, _Table], Any]
Make = Callable[[Step, Any, _Table], None]
FITS: dict[str, Fit] = {
    "number": _fit_number,
    "onehot": _fit_onehot,
    "frequency": _fit_frequency,
    "target": _fit_target,
    "calendar": _fit_calendar,
    "text": _fit_text,
}
MAKES: dict[str, Make] = {
    "number": _number,
    "missing": _missing,
    "onehot": _onehot,
    "ordinal": _ordinal,
    "frequency": _frequency,
    "target": _target,
    "calendar": _calendar,
    "elapsed": _elapsed,
    "text": _text,
    "ratio": _pair,
    "product": _pair,
    "difference": _pair,
    "lag": _lag,
    "rolling": _rolling,
    "rfm": _rfm,
}


# --- fit and apply -------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """All that was learnt from a training table; plain values, no pickle."""

    recipe: Recipe
    states: tuple[Any, ...]
    features: tuple[str, ...]  # kept, in order
    aside: tuple[dict[str, str], ...]
    training: Mapping[str, Any]  # rows, digest, own_history, numeric_time
    shape: Mapping[str, Any]  # edges and counts of each feature
    lineage: tuple[tuple[str, str], ...]  # (column, feature)

    @property
    def version(self) -> str:
        """Twelve digits that change with anything learnt."""
        return hashlib.sha256(self._body().encode()).hexdigest()[:12]

    def _body(self) -> str:
        plain = {
            "format": FORMAT,
            "recipe": self.recipe.as_dict(),
            "states": list(self.states),
            "features": list(self.features),
            "aside": list(self.aside),
            "training": dict(self.training),
            "shape": dict(self.shape),
            "lineage": [list(pair) for pair in self.lineage],
        }
        return json.dumps(plain, allow_nan=False)

    def save(self, file: str | Path) -> None:
        """Write as JSON: to a temporary name, then moved."""
        path = Path(file)
        if not path.parent.is_dir():
            raise ValueError(f"the folder {path.parent} does not exist: make it first")
        body = json.loads(self._body()) | {"version": self.version}
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(json.dumps(body, indent=1) + "\n")
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, file: str | Path) -> Fitted:
        """Read what ``save`` wrote; ValueError if it is another file, or was edited."""
        path = Path(file)
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        try:
            body = json.loads(path.read_text("utf-8"))
            version = body.pop("version")
            if body.pop("format") != FORMAT:
                raise ValueError("another format")
            found = cls(
                Recipe.from_mapping(body["recipe"]),
                tuple(body["states"]),
                tuple(body["features"]),
                tuple(body["aside"]),
                body["training"],
                body["shape"],
                tuple((a, b) for a, b in body["lineage"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{path.name} is not what features build has saved: fit it again"
            ) from None
        if found.version != version:
            raise ValueError(f"{path.name} was changed after fitting: fit it again")
        return found


@dataclass(frozen=True)
class Built:
    """Features of a table and what was met on the way.

    frame: entity, time, label as far as there, then the features. rows_read = rows of
    the frame + rows_aside. findings: column, kind, severity ("stop", "look"), text.
    """

    frame: pd.DataFrame
    fitted: Fitted
    rows_read: int
    rows_aside: dict[str, int]
    findings: list[dict[str, str]]
    features: list[dict[str, Any]]
    aside: list[dict[str, str]]

    @property
    def stopped(self) -> bool:
        """Whether something was found that makes the features unfit for use."""
        return any(f["severity"] == "stop" for f in self.findings)


def build(
    data: pd.DataFrame, recipe: Recipe, *, history: pd.DataFrame | None = None
) -> Built:
    """Fit a recipe to a training table and give its features.

    Parameters
    ----------
    data : a row an example; rows without a label are set aside.
    history : events of the entities, with the same entity and time columns; without it
        the earlier rows of ``data`` are the history.

    Raises
    ------
    ValueError
        One sentence about what cannot be used.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"x": [1.0, None, 3.0], "city": ["a", "b", "a"]})
    >>> r = Recipe.from_mapping({"steps": [{"kind": "number", "columns": "x"},
    ...                                    {"kind": "onehot", "columns": "city"}]})
    >>> build(t, r).frame["x"].round(3).tolist()
    [-1.225, 0.0, 1.225]
    """
    _sound(data, recipe)
    data = data.reset_index(drop=True)
    y, rows_aside, kept = _labels(data, recipe), {}, data
    if recipe.label is not None:
        bare = data[recipe.label].isna().to_numpy()
        kept = data[~bare].reset_index(drop=True)
        y = None if y is None else y[~bare]
        rows_aside = {"the label is missing": int(bare.sum())} if bare.any() else {}
        if kept.empty:
            raise ValueError(f'no row has a label "{recipe.label}"')
    past = _past(recipe, data if history is None else history)
    table = _Table(kept, recipe, past, y)
    _delays(table)
    _duplicates(table)
    states = []
    for step in recipe.steps:
        made = set(table.built)
        state = FITS[step.kind](step, table) if step.kind in FITS else None
        states.append(state)
        if set(table.built) == made:  # target encodes its training rows while fitting
            MAKES[step.kind](step, state, table)
    features, aside = _select(table)
    if not features:
        why = "; ".join(f"{a['column']}: {a['reason']}" for a in aside[:3])
        raise ValueError(f"every feature was set aside ({why})")
    if recipe.label is not None:
        _look_for_leaks(table, kept[recipe.label])
    fitted = Fitted(
        recipe,
        tuple(json.loads(json.dumps(states))),
        tuple(features),
        tuple(aside),
        _training(data, recipe, history is None),
        _shape(table, features),
        tuple((c, f) for f in features for c in table.sources[f]),
    )
    return _finish(table, fitted, len(data), rows_aside)


def apply(
    fitted: Fitted, data: pd.DataFrame, *, history: pd.DataFrame | None = None
) -> Built:
    """The features of new rows, with what was learnt in training.

    If training had no history of its own, ``history`` (for example the training table)
    is put before the new rows; what stands in both is counted once. The label may be
    absent. Raises ValueError for columns that are gone or changed their kind.
    """
    r = fitted.recipe
    _sound(data, r, label=False)
    table = _Table(data.reset_index(drop=True), r, _past_of(fitted, data, history))
    _same_clock(fitted, table)
    if _digest(data, r) == fitted.training["digest"] and _by_label(r):
        text = (
            "this is the training table: by these encodings its rows know their own "
            "labels; use the features that training wrote"
        )
        table.note(str(r.label), "leak", "stop", text)
    _duplicates(table)
    for step, state in zip(r.steps, fitted.states, strict=True):
        MAKES[step.kind](step, state, table)
    _shifts(table, fitted)
    return _finish(table, fitted, len(data), {})


def _by_label(r: Recipe) -> bool:
    return any(s.kind == "target" for s in r.steps)


def _sound(data: pd.DataFrame, r: Recipe, label: bool = True) -> None:
    if data.empty:
        raise ValueError("the table holds no rows")
    twice = data.columns[data.columns.duplicated()].unique().tolist()
    if twice:
        raise ValueError(f"columns {', '.join(map(str, twice))} are named twice")
    for c in (r.entity, r.time, r.label if label else None):
        if c is not None and c not in data.columns:
            raise ValueError(
                f'there is no column "{c}" among {", ".join(map(str, data.columns))}'
            )


def _labels(data: pd.DataFrame, r: Recipe) -> Floats | None:
    """The label as numbers, if it is one or has two classes."""
    if r.label is None:
        return None
    y = data[r.label]
    classes = sorted(y.dropna().unique(), key=str)
    if len(classes) < 2:
        raise ValueError(f'the label "{r.label}" never varies: nothing to predict')
    if _numeric(y):
        number = as_numbers(y)
        if np.isinf(number).any():
            raise ValueError(f'the label "{r.label}" holds infinite values')
        return number
    if len(classes) > 2:
        return None
    return np.where(y.isna(), np.nan, (y == classes[1]).to_numpy(float))


def _past(r: Recipe, rows: pd.DataFrame) -> _Past | None:
    if not any(s.kind in HISTORY for s in r.steps):
        return None
    return _Past(rows, r)


def _past_of(fitted: Fitted, data: pd.DataFrame, history: Any) -> _Past | None:
    """The history of new rows: the given one, with the rows themselves if need be."""
    import pandas as pd

    r = fitted.recipe
    if not any(s.kind in HISTORY for s in r.steps):
        return None
    if not fitted.training["own_history"]:
        if history is None:
            raise ValueError("it was fitted with a history of events: give it here too")
        return _past(r, history)
    if history is None:
        return _past(r, _with_label(data, r))
    _Past(history, r)  # complains of missing columns first
    new = _with_label(data, r)
    again = _keys(new, r).isin(set(_keys(history, r))).to_numpy()
    return _past(r, pd.concat([history, new[~again]], ignore_index=True))


def _with_label(data: pd.DataFrame, r: Recipe) -> pd.DataFrame:
    """The table with columns that only training needs to have, empty."""
    later = [c for c in (r.label, *r.after) if c and c not in data.columns]
    return data.assign(**{c: np.nan for c in later})


def _keys(rows: pd.DataFrame, r: Recipe) -> pd.Series:
    import pandas as pd

    who = as_text(rows[str(r.entity)])
    when = _moments(rows[str(r.time)], "times")
    return pd.Series(list(zip(who, when.tolist(), strict=True)), dtype=object)


def _delays(t: _Table) -> None:
    """Delays must be in the units of the time column."""
    for delay in (t.recipe.gap, t.recipe.label_delay):
        if t.recipe.time is not None and delay not in (None, 0):
            _window(t, delay)


def _same_clock(fitted: Fitted, t: _Table) -> None:
    time = t.recipe.time
    if time and _numeric(t.column(time)) != fitted.training["numeric_time"]:
        was = "numbers" if fitted.training["numeric_time"] else "dates"
        raise ValueError(f'the times in "{time}" were {was} in training')


def _duplicates(t: _Table) -> None:
    r = t.recipe
    if r.entity and r.time:
        again = int(t.data.duplicated([r.entity, r.time]).sum())
        if again:
            text = f"{again:,} rows repeat entity and time: they do not see each other"
            t.note(r.entity, "duplicate", "look", text)


def _training(data: pd.DataFrame, r: Recipe, own: bool) -> dict[str, Any]:
    return {
        "rows": len(data),
        "digest": _digest(data, r),
        "own_history": own,
        "numeric_time": bool(r.time and _numeric(data[r.time])),
    }


def _digest(data: pd.DataFrame, r: Recipe) -> str:
    """A fingerprint of the columns that steps read, in their order of rows."""
    import pandas as pd

    read = sorted({c for s in r.steps for c in s.columns if c in data.columns})
    read = [c for c in read if c != r.label]
    text = pd.DataFrame({c: as_text(data[c]) for c in read}).astype(str)
    marks = pd.util.hash_pandas_object(text, index=False).to_numpy()
    return hashlib.sha256(marks.tobytes()).hexdigest()[:16]


# --- selection and checks ------------------------------------------------------------


def _select(t: _Table) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the features kept, in order, and why the others were not."""
    limits, aside = t.recipe.select, []
    names = []
    for name, v in t.built.items():
        reason = _poor(v, limits)
        if reason:
            aside.append({"column": name, "reason": reason})
        else:
            names.append(name)
    if limits.correlation is not None and len(names) > 1:
        names = _distinct(t, names, limits.correlation, aside)
    if limits.keep is not None and limits.keep < len(names):
        names = _eliminate(t, names, limits.keep, aside)
    return names, aside


def _poor(v: Floats, limits: Any) -> str:
    missing = np.isnan(v)
    if limits.nulls is not None and missing.mean() > limits.nulls:
        return f"{missing.mean():.1%} missing"
    _, counts = np.unique(v, return_counts=True)  # NaNs count as one value
    if limits.same is not None and len(counts) == 1:
        return "it never varies"
    if limits.same is not None and counts.max() / v.size > limits.same:
        return f"{counts.max() / v.size:.2%} of rows hold one value"
    return ""


def _distinct(
    t: _Table, names: list[str], limit: float, aside: list[dict[str, str]]
) -> list[str]:
    """Without those that repeat an earlier one, up to a line."""
    R, _ = correlations(np.column_stack([t.built[n] for n in names]))
    kept: list[int] = []
    for j, name in enumerate(names):
        like = [i for i in kept if abs(R[i, j]) > limit]
        if like:
            text = f"correlation {R[like[0], j]:.3f} with {names[like[0]]}"
            aside.append({"column": name, "reason": text})
        else:
            kept.append(j)
    return [names[i] for i in kept]


def _eliminate(
    t: _Table, names: list[str], keep: int, aside: list[dict[str, str]]
) -> list[str]:
    """Recursive elimination by a linear model of standardised features."""
    from sklearn.feature_selection import RFE
    from sklearn.linear_model import LogisticRegression, Ridge

    if t.y is None:
        raise ValueError("select: keep needs a label of numbers or two classes")
    X = np.column_stack([t.built[n] for n in names])
    X = (X - np.nanmean(X, axis=0)) / np.nanstd(X, axis=0)
    X = np.nan_to_num(X)
    binary = np.unique(t.y).size == 2
    model = LogisticRegression(max_iter=1_000) if binary else Ridge()
    rank = RFE(model, n_features_to_select=keep, step=0.1).fit(X, t.y).ranking_
    for name, r in zip(names, rank, strict=True):
        if r > 1:
            text = f"eliminated: not among the {keep} most useful"
            aside.append({"column": name, "reason": text})
    return [n for n, r in zip(names, rank, strict=True) if r == 1]


def _look_for_leaks(t: _Table, label: pd.Series) -> None:
    """Columns read in their own row, then features, that know the label too well."""
    import pandas as pd

    r = t.recipe
    keys = (r.entity, r.time)
    own = dict.fromkeys(
        c for s in r.steps if s.kind not in HISTORY for c in s.columns
        if c in t.data.columns and c not in keys
    )  # fmt: skip
    limits = ProfileLimits(leak=r.select.leak)
    found = leaks(pd.DataFrame({c: t.data[c] for c in own}), label, limits)
    named = {f["column"] for f in found} | set(r.accept)
    made = {n: v for n, v in t.built.items() if not named & set(t.sources[n])}
    found += leaks(pd.DataFrame(made), label, limits)
    t.findings += [f for f in found if f["column"] not in r.accept]


def _shape(t: _Table, features: list[str]) -> dict[str, Any]:
    """Deciles of each feature in training and how many rows fell between them."""
    out = {}
    for name in features:
        v = t.built[name]
        values = np.unique(v[~np.isnan(v)])
        edges = values[1:] if values.size <= 10 else quantile_edges(v)
        out[name] = {"edges": edges.tolist(), "counts": bin_counts(v, edges).tolist()}
    return out


def _shifts(t: _Table, fitted: Fitted) -> None:
    """Features that moved since training, beyond chance over all of them."""
    limits, tests = ProfileLimits(), {}
    for name in fitted.features:
        edges, counts = (np.asarray(fitted.shape[name][k]) for k in ("edges", "counts"))
        # One value for each bin stands for all that training had there.
        lowest = edges[0] - 1 if edges.size else 0.0
        try:
            then = np.repeat(np.array([lowest, *edges, np.nan]), counts)
            tests[name] = psi_test(then, t.built[name], edges=edges)
        except ValueError:  # one bin only: constant in both
            continue
    for name, test in tests.items():
        p = min(1.0, test.p_value * len(tests))
        if p < limits.level and test.excess > limits.psi:
            t.note(name, "shift", "look", f"{test}: not as in training")


def _finish(t: _Table, fitted: Fitted, read: int, rows_aside: dict[str, int]) -> Built:
    import pandas as pd

    r = t.recipe
    keys = [c for c in (r.entity, r.time, r.label) if c and c in t.data.columns]
    keys = list(dict.fromkeys(keys))
    frame = pd.concat(
        [t.data[keys], pd.DataFrame({n: t.built[n] for n in fitted.features})], axis=1
    )
    label = t.data[r.label] if r.label in keys else None
    order = {"stop": 0, "look": 1}
    return Built(
        frame,
        fitted,
        read,
        rows_aside,
        sorted(t.findings, key=lambda f: order[f["severity"]]),
        [_describe(t, n, label) for n in fitted.features],
        list(fitted.aside),
    )


def _describe(t: _Table, name: str, label: Any) -> dict[str, Any]:
    v = t.built[name]
    known = v[~np.isnan(v)]
    return {
        "feature": name,
        "kind": t.kinds[name],
        "sources": list(t.sources[name]),
        "null_share": float(np.isnan(v).mean()),
        "mean": float(known.mean()) if known.size else None,
        "sd": float(known.std(ddof=1)) if known.size > 1 else None,
        "power": None if label is None else power_of(v, label),
    }


# --- for scikit-learn ----------------------------------------------------------------


def column_transformer(recipe: Recipe) -> ColumnTransformer:
    """The steps that need no history as an unfitted ``ColumnTransformer``.

    For cross-validation: inside a pipeline it is fitted anew on each training part.
    Covers number (without clip and indicator), onehot, ordinal, target and text;
    ValueError for other steps: build those first, they learn nothing from the label.

    >>> r = Recipe.from_mapping({"steps": [{"kind": "number", "columns": "x"}]})
    >>> column_transformer(r).transformers[0][2]
    ['x']
    """
    from sklearn.compose import ColumnTransformer

    parts: list[Any] = []
    for i, s in enumerate(recipe.steps):
        name = f"{i}_{s.kind}"
        if s.kind == "text":
            parts += [(f"{name}_{c}", _learner(s, recipe), c) for c in s.columns]
        else:
            parts.append((name, _learner(s, recipe), list(s.columns)))
    return ColumnTransformer(parts)


def _learner(s: Step, recipe: Recipe) -> Any:
    from sklearn import preprocessing as pre
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    if s.kind == "number" and s["clip"] is None:
        scales = {
            "standard": pre.StandardScaler(),
            "robust": pre.RobustScaler(),
            "range": pre.MinMaxScaler(),
            "none": "passthrough",
        }
        how = s["impute"]
        fill: Any = "passthrough"
        if not isinstance(how, str):
            fill = SimpleImputer(strategy="constant", fill_value=how)
        elif how != "none":
            fill = SimpleImputer(strategy=how)
        return make_pipeline(fill, scales[s["scale"]])
    if s.kind == "onehot":
        return pre.OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=s["min_count"] if s["min_count"] > 1 else None,
            sparse_output=False,
        )
    if s.kind == "ordinal":
        return pre.OrdinalEncoder(
            categories=[list(s["order"])] * len(s.columns),
            handle_unknown="use_encoded_value",
            unknown_value=np.nan,
        )
    if s.kind == "target":
        return pre.TargetEncoder(
            smooth=float(s["smooth"]), cv=s["folds"], random_state=recipe.seed
        )
    if s.kind == "text":
        return TfidfVectorizer(max_features=s["terms"])
    raise ValueError(f"{s.kind} has no counterpart in scikit-learn: build it first")
