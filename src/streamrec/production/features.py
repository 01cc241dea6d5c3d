"""Features as they were known: definitions, an offline store, an online store.

Chapter 25. ``as_of`` is the point-in-time join; ``FeatureView`` names features once,
for training and for serving; ``OfflineStore`` keeps every version of a view in Parquet,
read by DuckDB; ``OnlineStore`` serves each entity's newest row through Feast.

Two clocks run through the module. *time* is when a value became true; *known* is when
the store could have had it. A label at t may see a row only if both are at most t.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from streamrec.production.contracts import (
    Contract,
    ContractBroken,
    Report,
    compatibility,
)

Rows = NDArray[np.int64]
REFUSED = ("missing column", "unknown column", "drift")  # these condemn a whole batch


# --- the join ------------------------------------------------------------------------


def ticks(time: ArrayLike, what: str = "times") -> NDArray[Any]:
    """Moments as comparable numbers: datetimes in integer nanoseconds, numbers as is.

    Raises ValueError for missing moments, TypeError for anything else than datetimes
    and numbers. A moment without a zone is read as UTC.

    Examples
    --------
    >>> ticks(["1970-01-01 00:00:01"]).tolist()
    [1000000000]
    """
    x = pd.Series(np.asarray(time) if isinstance(time, (list, tuple)) else time)
    if x.dtype.kind == "M" and isinstance(x.dtype, np.dtype) and not x.isna().any():
        return x.to_numpy("datetime64[ns]").astype(np.int64)
    if pd.api.types.is_bool_dtype(x):
        raise TypeError(f"{what} must be datetimes or numbers, not booleans")
    if not pd.api.types.is_numeric_dtype(x):
        try:
            x = pd.to_datetime(x, utc=True)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{what} must be datetimes or numbers: {error}") from error
    missing = int(x.isna().sum())
    if missing:
        raise ValueError(f"{missing} {what} are missing: set those rows aside first")
    if pd.api.types.is_numeric_dtype(x):
        return x.to_numpy()
    return x.dt.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64)


def _moment(now: Any) -> int:
    """One moment in nanoseconds of UTC."""
    moment = pd.Timestamp(now)
    return int((moment.tz_convert("UTC") if moment.tzinfo else moment).value)


def _codes(labels: ArrayLike, events: ArrayLike) -> tuple[Rows, Rows]:
    """Entity numbers of labels (-1: no entity) and events, from one dictionary."""
    left, right = pd.Series(labels), pd.Series(events)
    sides = [x for x in (right, left) if len(x)]
    if len({pd.api.types.is_numeric_dtype(x) for x in sides}) > 1:
        raise TypeError("entities are text on one side and numbers on the other")
    both = pd.concat(sides, ignore_index=True) if sides else left
    codes = pd.factorize(both)[0].astype(np.int64)
    events_, labels_ = codes[: len(right)], codes[len(right) :]
    if (events_ < 0).any():
        raise ValueError(f"{(events_ < 0).sum()} events have no entity")
    return labels_, events_


# derivation: eq-as-of
def as_of(
    entity: ArrayLike,
    time: ArrayLike,
    event_entity: ArrayLike,
    event_time: ArrayLike,
    known: ArrayLike | None = None,
    *,
    strict: bool = False,
) -> Rows:
    """(m,) row of the event each label sees, -1 where it sees none: eq-as-of.

    Label (e, t) sees the events of entity e with max(time, known) <= t (< t if strict);
    it gets the one with the largest time; of equal times the one known last, then the
    later row. Sort and merge: O((n + m) log n).

    Raises ValueError for missing times or events without an entity, TypeError for
    entities of different kinds. A label without an entity sees nothing.

    Examples
    --------
    >>> as_of(["a", "a", "b"], [5, 1, 9], ["a", "a"], [2, 4]).tolist()
    [1, -1, -1]
    """
    label_code, code = _codes(entity, event_entity)
    t, s = ticks(time, "label times"), ticks(event_time, "event times")
    visible = s if known is None else np.maximum(s, ticks(known, "known times"))
    n = len(s)
    if n == 0:
        return np.full(len(t), -1, dtype=np.int64)
    order = _stable_order(visible)  # events as they appear
    end: Literal["left", "right"] = "left" if strict else "right"
    seen = np.searchsorted(visible[order], t, side=end)  # (m,) appeared by then
    key = np.sort(code[order] * (n + 1) + np.arange(n))  # (entity, appearance) in one
    event = order[key % (n + 1)]
    if known is not None:
        event = _newest_so_far(code, s, visible, event)
    at = np.searchsorted(key, label_code * (n + 1) + seen) - 1
    found = (at >= 0) & (key[at] // (n + 1) == label_code)
    return np.where(found, event[at], -1)


def _stable_order(x: NDArray[Any]) -> Rows:
    """Stable argsort; several times faster where no two values are equal."""
    order = np.argsort(x)
    y = x[order]
    return np.argsort(x, kind="stable") if (y[1:] == y[:-1]).any() else order


# derivation: eq-newest
def _newest_so_far(code: Rows, time: Any, visible: Any, event: Rows) -> Rows:
    """Of the entity's events up to each place, the newest: a running maximum.

    Entities come one after another in growing code, so one accumulation over
    (code, newness) serves all: a larger code beats whatever stood before.
    """
    n = len(code)
    by_age = np.lexsort((np.arange(n), visible, time))
    newness = np.empty(n, dtype=np.int64)
    newness[by_age] = np.arange(n)
    best = np.maximum.accumulate(code[event] * (n + 1) + newness[event])
    return by_age[best % (n + 1)]


# derivation: eq-window
def window_sum(
    entity: ArrayLike,
    time: ArrayLike,
    event_entity: ArrayLike,
    event_time: ArrayLike,
    values: ArrayLike,
    window: Any,
) -> tuple[NDArray[np.float64], Rows]:
    """Sum and count of the entity's events with t - window <= time < t: eq-window.

    window: a number, or a Timedelta (text is read as one) when times are datetimes.
    Two positions in the sorted events and a difference of prefix sums; shapes (m,).

    Examples
    --------
    >>> window_sum([1, 1], [10, 4], [1, 1, 1], [3, 8, 10], [5.0, 7.0, 9.0], 6)
    (array([7., 5.]), array([1, 1]))
    """
    label_code, code = _codes(entity, event_entity)
    t, s = ticks(time, "label times"), ticks(event_time, "event times")
    moment = pd.api.types.is_number(window)
    width = window if moment else pd.Timedelta(window).value
    if not width > 0:
        raise ValueError("the window must be longer than nothing")
    n = len(s)
    order = np.argsort(s, kind="stable")
    key = code[order] * (n + 1) + np.arange(n)
    sorted_key = np.argsort(key)
    total = np.concatenate(
        [[0.0], np.cumsum(np.asarray(values, float)[order][sorted_key])]
    )
    clock, keys = s[order], key[sorted_key]
    ends = [
        np.searchsorted(keys, label_code * (n + 1) + np.searchsorted(clock, moment_))
        for moment_ in (t - width, t)
    ]
    nobody = label_code < 0
    return (
        np.where(nobody, 0.0, total[ends[1]] - total[ends[0]]),
        np.where(nobody, 0, ends[1] - ends[0]),
    )


# --- definitions ---------------------------------------------------------------------


@dataclass(frozen=True)
class FeatureView:
    """Features of one entity, defined once for training and for serving.

    contract: columns with type, unit and range; it must promise ``entity``, a time
    column and ``known``. ttl_hours: an older value is stale and is not served.
    late_hours: a row known longer than this after its time counts as late.
    """

    contract: Contract
    entity: str
    known: str = "known"
    ttl_hours: float | None = None
    late_hours: float = 24.0

    def __post_init__(self) -> None:
        """Both clocks and the entity must be promised."""
        if self.contract.time is None:
            raise ValueError(f"view {self.name}: the contract names no time column")
        for name in (self.entity, self.known):
            try:
                self.contract[name]
            except KeyError as error:
                raise ValueError(f"view {self.name}: {error.args[0]}") from error
        if set(self.contract.key) != {self.entity, self.contract.time, self.known}:
            raise ValueError(
                f"view {self.name}: the contract's key must be "
                f"({self.entity}, {self.contract.time}, {self.known})"
            )
        if self.ttl_hours is not None and not self.ttl_hours > 0:
            raise ValueError(f"view {self.name}: ttl_hours must be positive")
        if not self.features:
            raise ValueError(f"view {self.name} has no feature")

    @property
    def name(self) -> str:
        """The contract's name."""
        return self.contract.name

    @property
    def time(self) -> str:
        """Column of the moment at which a value became true."""
        return str(self.contract.time)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in the contract's order."""
        frame = (self.entity, self.time, self.known)
        return tuple(c.name for c in self.contract.columns if c.name not in frame)

    @property
    def columns(self) -> list[str]:
        """Entity, time, known, then the features."""
        return [self.entity, self.time, self.known, *self.features]


@dataclass(frozen=True)
class Receipt:
    """What became of a batch: read = written + duplicates + all that was set aside."""

    view: str
    version: int
    read: int
    written: int
    duplicates: int
    late: int
    set_aside: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        reasons = [f"{count} {reason}" for reason, count in self.set_aside.items()]
        aside = "; ".join(reasons) or "none"
        return (
            f"{self.view} version {self.version}: {self.read} read, {self.written} "
            f"written ({self.late} of them late), {self.duplicates} duplicates, "
            f"set aside: {aside}"
        )


@dataclass(frozen=True)
class Joined:
    """A training table and what the join met: no label is ever dropped.

    frame: the labels in their order, the features, and ``<view>_age_hours``. counts:
    labels, matched, stale, no history, missing entity; the last four add up to labels.
    """

    frame: pd.DataFrame
    counts: dict[str, int]


def _utc(values: pd.Series) -> pd.Series:
    """Moments in UTC without a zone, to the microsecond: how the stores keep them."""
    utc = pd.to_datetime(values, utc=True).dt.tz_localize(None)
    return utc.astype("datetime64[us]")


def point_in_time(
    labels: pd.DataFrame, rows: pd.DataFrame, view: FeatureView, *, time: str = "time"
) -> Joined:
    """Features of ``view`` as they were known at each label: the join of training.

    labels: any frame with the view's entity and a ``time`` column. rows: rows of the
    view. Values older than the view's ttl are stale and become missing.
    """
    for name, frame in ((view.entity, labels), (time, labels), (view.time, rows)):
        if name not in frame.columns:
            raise KeyError(f"column {name!r} is missing; there are {list(frame)}")
    clash = sorted(set(view.features) & set(labels.columns))
    if clash:
        raise ValueError(f"labels already have the columns {clash}: rename them")
    here = as_of(
        labels[view.entity], labels[time],
        rows[view.entity], rows[view.time], rows[view.known],
    )  # fmt: skip
    found = here >= 0
    born = ticks(rows[view.time])[here] if len(rows) else np.zeros(len(here))
    age = np.where(found, ticks(labels[time]) - born, np.nan) / 3.6e12
    stale = found & (age > (np.inf if view.ttl_hours is None else view.ttl_hours))
    out = labels.copy()
    for name in view.features:
        values = rows[name].reset_index(drop=True)
        seen = values.reindex(np.where(found & ~stale, here, -1))
        out[name] = seen.to_numpy()
    out[f"{view.name}_age_hours"] = age
    nobody = labels[view.entity].isna().to_numpy()
    counts = {
        "labels": len(labels),
        "matched": int((found & ~stale).sum()),
        "stale": int(stale.sum()),
        "no history": int((~found & ~nobody).sum()),
        "missing entity": int(nobody.sum()),
    }
    return Joined(out, counts)


def stream_join(
    labels: Iterable[pd.DataFrame],
    rows: Iterable[pd.DataFrame],
    view: FeatureView,
    *,
    time: str = "time",
) -> Iterator[Joined]:
    """``point_in_time`` in bounded memory: one part of the labels after another.

    Both streams must come in order, labels by ``time`` and rows by the moment they are
    visible, max(time, known). Kept between parts: the newest row of each entity, since
    no later label can see an older one. Raises ValueError when a stream runs back.
    """
    source = iter(rows)
    waiting = next(source, None)
    state: pd.DataFrame | None = None
    clock: Any = None
    last: Any = None
    for part in labels:
        if part.empty:
            continue
        t = ticks(part[time], "label times")
        if (np.diff(t) < 0).any() or (clock is not None and t[0] < clock):
            raise ValueError("labels must come in order of time")
        clock = t[-1]
        window = [] if state is None else [state]
        while waiting is not None:
            visible = _visible(waiting, view)
            ahead = len(visible) and last is not None and visible[0] < last
            if ahead or (np.diff(visible) < 0).any():
                raise ValueError(
                    "rows must come in the order in which they are visible"
                )
            cut = int(np.searchsorted(visible, clock, side="right"))
            if cut:
                window.append(waiting.iloc[:cut])
                last = visible[cut - 1]
            if cut < len(waiting):
                waiting = waiting.iloc[cut:]
                break
            waiting = next(source, None)
        seen = (
            pd.concat(window, ignore_index=True)
            if window
            else pd.DataFrame(columns=view.columns)
        )
        if len(seen):
            yield point_in_time(part, seen, view, time=time)
            state = newest(seen, view)
        else:
            yield point_in_time(part, _empty(view), view, time=time)


def _empty(view: FeatureView) -> pd.DataFrame:
    kinds = {"timestamp": "datetime64[us]", "string": object, "boolean": object}
    return pd.DataFrame(
        {
            n: pd.Series(dtype=kinds.get(view.contract[n].type, float))
            for n in view.columns
        }
    )


def _visible(rows: pd.DataFrame, view: FeatureView) -> NDArray[Any]:
    return np.maximum(ticks(rows[view.time]), ticks(rows[view.known]))


def newest(rows: pd.DataFrame, view: FeatureView, at: Any = None) -> pd.DataFrame:
    """The row of each entity that is in force at ``at`` (default: of all rows)."""
    kept = rows
    if at is not None:
        kept = rows[_visible(rows, view) <= _moment(at)]
    order = np.lexsort((ticks(kept[view.known]), ticks(kept[view.time])))
    last = kept.iloc[order].drop_duplicates(view.entity, keep="last")
    return last.sort_values(view.entity, ignore_index=True)


# --- the offline store ---------------------------------------------------------------


def _stored(rows: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Rows with the one dtype that each promised type has in a file."""
    kinds = {"integer": "Int64", "number": "float64"}
    out = rows.copy()
    for column in contract.columns:
        if column.type == "timestamp":
            out[column.name] = _utc(out[column.name])
        elif column.type in kinds:
            out[column.name] = out[column.name].astype(kinds[column.type])
    return out


@dataclass
class OfflineStore:
    """Every version of every view, as Parquet files that are never rewritten.

    folder/VIEW/manifest.json lists the versions; a version is the files up to it, so an
    old one can always be read again. Rows that break a promise are kept apart in
    folder/VIEW/aside. Everything is written to a temporary name and then moved.
    """

    folder: str | Path

    def __post_init__(self) -> None:
        """Make the folder."""
        self.folder = Path(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, view: FeatureView, batch: pd.DataFrame, *, now: Any) -> Receipt:
        """Add a batch as a new version; returns what became of each row.

        Refused whole (``ContractBroken``): missing or unknown columns, a drift that
        betrays a changed unit. Set aside row by row: nulls, types, ranges, keys
        repeated in the batch, clocks ahead of ``now``, rows known before they were
        true. A row already stored is a duplicate, so a rerun changes nothing.
        """
        batch = batch.reset_index(drop=True)
        report = view.contract.validate(batch)
        broken = tuple(v for v in report.violations if v.rule in REFUSED)
        if broken:
            raise ContractBroken(Report(report.contract, len(batch), broken))
        manifest = self._manifest(view, check=True)
        clean, aside = view.contract.quarantine(batch)
        clean, aside = _clocks(clean, aside, view, now)
        clean = _stored(clean, view.contract)
        fresh = self._new_rows(view, clean)
        fresh = fresh.sort_values([view.known, view.time, view.entity])[view.columns]
        late = (fresh[view.known] - fresh[view.time]).dt.total_seconds() / 3600
        number = len(manifest["versions"]) + bool(len(fresh))
        if len(fresh):
            self._append(view, manifest, fresh, number, now)
        if len(aside):
            text = aside.astype(str)
            mark = hashlib.sha256(text.to_csv(index=False).encode()).hexdigest()[:12]
            self._parquet(text, self._path(view.name) / "aside" / f"{mark}.parquet")
        reasons = aside["reason"].value_counts().sort_index()
        return Receipt(
            view=view.name,
            version=number,
            read=len(batch),
            written=len(fresh),
            duplicates=len(clean) - len(fresh),
            late=int((late > view.late_hours).sum()),
            set_aside={str(k): int(v) for k, v in reasons.items()},
        )

    def read(
        self,
        view: FeatureView,
        *,
        version: int | None = None,
        known_by: Any = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Rows of a view: of an old ``version``, or as ``known_by`` a moment."""
        files = self._files(view.name, version)
        wanted = list(view.columns if columns is None else columns)
        unknown = sorted(set(wanted) - set(view.columns))
        if unknown:
            raise KeyError(f"view {view.name} has no columns {unknown}")
        if not files:
            return _empty(view)[wanted]
        present = self._columns(files)
        picked = ", ".join(f'"{n}"' for n in wanted if n in present)
        where, values = "", [files]
        if known_by is not None:
            where = f' where greatest("{view.time}", "{view.known}") <= ?'
            values.append(pd.Timestamp(_moment(known_by)).to_pydatetime())
        order = f'"{view.known}", "{view.time}", "{view.entity}"'
        query = (
            f"select {picked} from read_parquet(?, union_by_name = true){where} "
            f"order by {order}"
        )
        frame = self._sql(query, values)
        return (
            frame
            if len(picked) and list(frame) == wanted
            else frame.reindex(columns=wanted)
        )

    def versions(self, view: FeatureView) -> pd.DataFrame:
        """One row a version: version, rows, written, contract, sha256."""
        rows = self._manifest(view)["versions"]
        names = ["version", "rows", "written", "contract", "sha256"]
        return pd.DataFrame(rows, columns=["file", *names])[names]

    def set_aside(self, view: FeatureView) -> pd.DataFrame:
        """Every row ever set aside, as text, with its reason."""
        files = sorted(str(p) for p in (self._path(view.name) / "aside").glob("*"))
        if not files:
            return pd.DataFrame(columns=[*view.columns, "reason"])
        return self._sql("from read_parquet(?, union_by_name = true)", [files])

    def join(
        self,
        labels: pd.DataFrame,
        views: Sequence[FeatureView],
        *,
        time: str = "time",
        version: dict[str, int] | None = None,
    ) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
        """Labels with the features of all views at each label's time, and counts."""
        out, counts = labels, {}
        for view in views:
            rows = self.read(view, version=(version or {}).get(view.name))
            done = point_in_time(out, rows, view, time=time)
            out, counts[view.name] = done.frame, done.counts
        return out, counts

    def freshness(self, view: FeatureView, now: Any) -> dict[str, Any]:
        """Age of the newest row, the days without any row, and whether it is fresh."""
        rows = self.read(view, known_by=now, columns=[view.time])
        if rows.empty:
            return {"age_hours": float("inf"), "fresh": False, "missing_days": []}
        days = rows[view.time].dt.floor("D")
        span = pd.date_range(days.min(), days.max(), freq="D")
        age = float((_moment(now) - ticks(rows[view.time]).max()) / 3.6e12)
        limit = view.contract.freshness_hours
        gone = [str(d.date()) for d in span.difference(pd.DatetimeIndex(days.unique()))]
        fresh = limit is None or age <= limit
        return {"age_hours": age, "fresh": fresh, "missing_days": gone}

    def _path(self, name: str) -> Path:
        return Path(self.folder) / name

    def _manifest(self, view: FeatureView, check: bool = False) -> dict[str, Any]:
        path = self._path(view.name) / "manifest.json"
        if not path.exists():
            return {"contract": view.contract.to_dict(), "versions": []}
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if check:
            stored = Contract.from_dict(manifest["contract"])
            broken = compatibility(stored, view.contract).backward
            if broken:
                raise ValueError(
                    f"view {view.name}: the new contract cannot read stored rows: "
                    + "; ".join(broken)
                )
            manifest["contract"] = view.contract.to_dict()
        return manifest

    def _files(self, name: str, version: int | None) -> list[str]:
        path = self._path(name) / "manifest.json"
        if not path.exists():
            return []
        entries = json.loads(path.read_text("utf-8"))["versions"]
        if version is not None and not 0 <= version <= len(entries):
            raise ValueError(f"view {name} has the versions 1 to {len(entries)}")
        kept = entries if version is None else entries[:version]
        return [str(self._path(name) / e["file"]) for e in kept]

    def _new_rows(self, view: FeatureView, clean: pd.DataFrame) -> pd.DataFrame:
        key = [view.entity, view.time, view.known]
        stored = self.read(view, columns=key)
        if stored.empty:
            return clean
        match = clean[key].merge(stored, on=key, how="left", indicator=True)
        return clean[(match["_merge"] == "left_only").to_numpy()]

    def _append(
        self, view: FeatureView, manifest: dict[str, Any], rows: pd.DataFrame,
        number: int, now: Any,
    ) -> None:  # fmt: skip
        folder = self._path(view.name)
        file = f"part-{number:05d}.parquet"
        self._parquet(rows, folder / file)
        entry = {
            "file": file,
            "version": number,
            "rows": len(rows),
            "written": str(pd.Timestamp(_moment(now))),
            "contract": view.contract.version,
            "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
        }
        manifest["versions"].append(entry)
        draft = folder / "manifest.part"
        draft.write_text(json.dumps(manifest, indent=1, default=str) + "\n", "utf-8")
        os.replace(draft, folder / "manifest.json")

    def _parquet(self, frame: pd.DataFrame, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        self._sql(f"copy frame to '{_quoted(draft)}' (format parquet)", [], frame)
        os.replace(draft, path)

    def _columns(self, files: list[str]) -> set[str]:
        query = "describe from read_parquet(?, union_by_name = true)"
        return set(self._sql(query, [files])["column_name"])

    def _sql(
        self, query: str, values: list[Any], frame: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        import duckdb

        with duckdb.connect(config={"threads": 1}) as base:
            if frame is not None:
                base.register("frame", frame)
            return base.execute(query, values).df()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _clocks(
    clean: pd.DataFrame, aside: pd.DataFrame, view: FeatureView, now: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Set aside rows whose clocks cannot be right."""
    if clean.empty:
        return clean, aside
    time, known = ticks(clean[view.time]), ticks(clean[view.known])
    late_now = np.maximum(time, known) > _moment(now)
    reason = np.where(late_now, "clock ahead", "")
    reason = np.where((known < time) & ~late_now, "known before it was true", reason)
    bad = reason != ""
    more = clean[bad].assign(reason=reason[bad])
    return clean[~bad].copy(), pd.concat([aside, more]) if len(aside) else more


# --- the online store ----------------------------------------------------------------


@dataclass
class OnlineStore:
    """The newest row of each entity, for serving: Feast with sqlite in ``folder``.

    Feast is imported on first use. Registry and data are files of ``folder``; nothing
    else is written and no network is used. Feast overwrites whatever it is told to; a
    row that is older than the stored one is therefore held back here, and counted.
    """

    folder: str | Path
    views: tuple[FeatureView, ...]

    def __post_init__(self) -> None:
        """Register the views."""
        from feast import FeatureStore, RepoConfig

        path = Path(self.folder)
        path.mkdir(parents=True, exist_ok=True)
        config = RepoConfig(
            project="streamrec",
            provider="local",
            registry=str(path / "registry.db"),
            online_store={"type": "sqlite", "path": str(path / "online.db")},
            offline_store={"type": "dask"},
            entity_key_serialization_version=3,
        )
        self._feast = FeatureStore(config=config)
        self._names = {v.name: v for v in self.views}
        self._kinds = {
            v.name: [
                (n, v.contract[n].type in ("number", "integer")) for n in v.features
            ]
            for v in self.views
        }
        self._feast.apply([o for v in self.views for o in _feast_objects(v, path)])

    def write(self, view: FeatureView, rows: pd.DataFrame) -> dict[str, int]:
        """Store the newest row of each entity; {"written": ..., "held back": ...}."""
        self._known(view)
        last = newest(rows, view)
        stored = self._raw(view, last[view.entity].tolist())
        time, known = (ticks(last[c]) // 1000 for c in (view.time, view.known))
        before = list(zip(stored["time_us"], stored["known_us"]))
        newer = np.array(
            [
                a is None or (t, k) >= (a, b)
                for (a, b), t, k in zip(before, time, known)
            ],
            dtype=bool,
        )
        out = last[newer].assign(time_us=time[newer], known_us=known[newer])
        out = out.rename(columns={view.time: "event_timestamp", view.known: "created"})
        for name in ("event_timestamp", "created"):
            out[name] = _utc(out[name]).dt.tz_localize("UTC")
        if len(out):
            self._feast.write_to_online_store(view.name, out)
        return {"written": int(newer.sum()), "held back": int((~newer).sum())}

    def read(
        self, view: FeatureView, entities: Sequence[Any], *, now: Any
    ) -> pd.DataFrame:
        """One row an entity: features, age_hours, status (see ``serve``)."""
        answer = self.serve(view, entities, now=now)
        return pd.DataFrame({view.entity: list(entities), **answer})

    def serve(
        self, view: FeatureView, entities: Sequence[Any], *, now: Any
    ) -> dict[str, NDArray[Any]]:
        """Arrays of one value an entity, without a data frame: for the request path.

        Keys: the features, age_hours, status (fresh, stale or missing). Stale values,
        older than the view's ttl at ``now``, are withheld as training withheld them:
        NaN for numbers, None otherwise.
        """
        self._known(view)
        raw = self._raw(view, list(entities))
        limit = np.inf if view.ttl_hours is None else view.ttl_hours
        age = (_moment(now) / 1e3 - np.array(raw["time_us"], dtype=float)) / 3.6e9
        fresh = age <= limit
        out = {}
        for name, numeric in self._kinds[view.name]:
            out[name] = np.array(raw[name], dtype=float if numeric else object)
            if not fresh.all():
                out[name][~fresh] = np.nan if numeric else None
        status = np.where(np.isnan(age), "missing", np.where(fresh, "fresh", "stale"))
        return out | {"age_hours": age, "status": status}

    def _known(self, view: FeatureView) -> None:
        if view.name not in self._names:
            raise KeyError(f"view {view.name} is not in this store: {[*self._names]}")

    def _raw(self, view: FeatureView, entities: list[Any]) -> dict[str, list[Any]]:
        names = [*view.features, "time_us", "known_us"]
        if not entities:
            return {n: [] for n in names}
        answer = self._feast.get_online_features(
            features=[f"{view.name}:{n}" for n in names],
            entity_rows=[{view.entity: e} for e in entities],
        )
        return answer.to_dict()


def _feast_objects(view: FeatureView, folder: Path) -> list[Any]:
    """Feast's entity and feature view for one of ours."""
    from feast import Entity, Field, FileSource, ValueType
    from feast import FeatureView as Registered
    from feast.types import Bool, Float64, Int64, String

    kinds = {"number": Float64, "integer": Int64, "boolean": Bool, "string": String}
    text = view.contract[view.entity].type == "string"
    entity = Entity(
        name=view.entity,
        join_keys=[view.entity],
        value_type=ValueType.STRING if text else ValueType.INT64,
    )
    fields = [Field(name=view.entity, dtype=String if text else Int64)]
    for name in view.features:
        kind = view.contract[name].type
        if kind not in kinds:
            raise ValueError(f"view {view.name}: {name} is a {kind}, serve a number")
        fields.append(Field(name=name, dtype=kinds[kind]))
    fields += [Field(name=n, dtype=Int64) for n in ("time_us", "known_us")]
    source = FileSource(
        name=f"{view.name}_rows",
        path=str(folder / f"{view.name}.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    table = Registered(
        name=view.name, entities=[entity], schema=fields, source=source, online=True
    )
    return [entity, table]


# --- parity and lineage --------------------------------------------------------------


def parity(
    offline: pd.DataFrame, online: pd.DataFrame, features: Sequence[str]
) -> pd.DataFrame:
    """Rows in which training and serving differ: row, feature, offline, online.

    Compared exactly; missing on both sides is agreement.
    """
    if len(offline) != len(online):
        raise ValueError(f"{len(offline)} rows offline but {len(online)} online")
    found = []
    for name in features:
        a, b = offline[name].to_numpy(), online[name].to_numpy()
        same = (a == b) | (pd.isna(a) & pd.isna(b))
        for row in np.flatnonzero(~same):
            found.append((int(row), name, a[row], b[row]))
    return pd.DataFrame(found, columns=["row", "feature", "offline", "online"])


def lineage(
    edges: Iterable[tuple[str, str]], start: str, *, upstream: bool = False
) -> dict[str, int]:
    """Everything made from ``start`` (or that it is made from), with its distance.

    edges: pairs (source, product). The distance is the longest chain. Raises ValueError
    when the graph has a cycle that ``start`` reaches, KeyError for an unknown name.

    Examples
    --------
    >>> lineage([("log", "plays"), ("plays", "ctr"), ("ctr", "ranker")], "plays")
    {'ctr': 1, 'ranker': 2}
    """
    pairs = [(b, a) if upstream else (a, b) for a, b in edges]
    if start not in {x for pair in pairs for x in pair}:
        raise KeyError(f"{start!r} is not in the graph")
    products: dict[str, list[str]] = {}
    for a, b in pairs:
        products.setdefault(a, []).append(b)
    far: dict[str, int] = {}
    stack: list[tuple[str, tuple[str, ...]]] = [(start, (start,))]
    while stack:
        here, path = stack.pop()
        for after in products.get(here, []):
            if after in path:
                raise ValueError("the graph has a cycle: " + " > ".join([*path, after]))
            if far.get(after, 0) < len(path):
                far[after] = len(path)
                stack.append((after, (*path, after)))
    return dict(sorted(far.items(), key=lambda kv: (kv[1], kv[0])))
