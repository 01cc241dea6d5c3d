"""Data contracts: what a table promises, checked before anyone trains on it.

Chapter 25. A contract names columns with type, unit, range and drift reference, a key,
a time column and a freshness limit. ``validate`` finds and counts; ``quarantine`` sets
bad rows aside, never silently; ``compare`` says which changes break consumers, and
``compatibility`` in which direction.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

TYPES = ("integer", "number", "string", "boolean", "timestamp")


@dataclass(frozen=True)
class Column:
    """One promised column.

    type: one of integer, number, string, boolean, timestamp. unit: in words, for
    example "seconds". minimum, maximum: inclusive range. allowed: permitted values.
    median, spread: reference of the *positive* values, median and standard deviation of
    the natural logarithm; together they give the drift index. drift_limit: its alarm.
    """

    name: str
    type: str
    unit: str = ""
    description: str = ""
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[Any, ...] = ()
    median: float | None = None
    spread: float | None = None
    drift_limit: float = 3.0

    def __post_init__(self) -> None:
        """Refuse a promise that cannot be kept."""
        if self.type not in TYPES:
            raise ValueError(
                f"column {self.name}: type must be one of {', '.join(TYPES)}, "
                f"not {self.type!r}"
            )
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"column {self.name}: minimum {low} exceeds maximum {high}"
            )
        if (self.median is None) != (self.spread is None):
            raise ValueError(f"column {self.name}: give median and spread together")
        if self.spread is not None and not (self.spread > 0 and self.median > 0):  # type: ignore[operator]
            raise ValueError(f"column {self.name}: median and spread must be positive")


@dataclass(frozen=True)
class Violation:
    """One broken promise: rule, column, rows concerned, and a sentence."""

    rule: str
    column: str
    count: int
    message: str


@dataclass(frozen=True)
class Report:
    """Outcome of a validation: rows read, and what was broken."""

    contract: str
    rows: int
    violations: tuple[Violation, ...] = ()

    @property
    def ok(self) -> bool:
        """True if every promise held."""
        return not self.violations

    def frame(self) -> pd.DataFrame:
        """One row a violation."""
        columns = [f.name for f in fields(Violation)]
        return pd.DataFrame([asdict(v) for v in self.violations], columns=columns)

    def __str__(self) -> str:
        if self.ok:
            return f"{self.contract}: {self.rows} rows, every promise held"
        lines = [f"  {v.rule} ({v.column}): {v.message}" for v in self.violations]
        head = f"{self.contract}: {self.rows} rows, {len(lines)} promises broken"
        return "\n".join([head, *lines])


class ContractBroken(ValueError):
    """Raised by ``Contract.enforce``; ``report`` says what was found."""

    def __init__(self, report: Report) -> None:
        """Keep the report and print it."""
        super().__init__(str(report))
        self.report = report


@dataclass(frozen=True)
class Change:
    """One difference between two versions of a contract."""

    column: str
    kind: str
    breaking: bool
    message: str


@dataclass(frozen=True)
class Contract:
    """A table's promise to its consumers.

    key: columns that identify a row. time: the event-time column. freshness_hours: how
    old the newest event may be. extra: whether unknown columns are tolerated.
    """

    name: str
    version: int
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    time: str | None = None
    freshness_hours: float | None = None
    extra: bool = False

    def __post_init__(self) -> None:
        """Names must be unique, and key and time must be promised columns."""
        names = [c.name for c in self.columns]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"contract {self.name}: columns {twice} appear twice")
        for needed in (*self.key, *((self.time,) if self.time else ())):
            if needed not in names:
                raise ValueError(f"contract {self.name}: {needed!r} is not a column")
        if self.freshness_hours is not None and self.time is None:
            raise ValueError(f"contract {self.name}: freshness needs a time column")

    def __getitem__(self, name: str) -> Column:
        """The promised column of this name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"contract {self.name} has no column {name!r}")

    def validate(
        self, frame: pd.DataFrame, *, now: pd.Timestamp | None = None
    ) -> Report:
        """Check every promise. ``now`` is needed for freshness and late clocks."""
        found = [*self._schema(frame)]
        for column in self.columns:
            if column.name in frame.columns:
                found.extend(_column_violations(column, frame[column.name]))
        found.extend(self._keys(frame))
        found.extend(self._clock(frame, now))
        return Report(f"{self.name} v{self.version}", len(frame), tuple(found))

    def enforce(
        self, frame: pd.DataFrame, *, now: pd.Timestamp | None = None
    ) -> Report:
        """``validate``, and raise ``ContractBroken`` unless every promise held."""
        report = self.validate(frame, now=now)
        if not report.ok:
            raise ContractBroken(report)
        return report

    def quarantine(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Split rows into (clean, set aside); the latter gains a column ``reason``.

        Only promises about single rows can be judged here: nulls, types, ranges,
        allowed values, repeated keys (the first stays).

        Raises
        ------
        ContractBroken
            If a promised column is missing, since no row can then be clean.
        """
        missing = [v for v in self._schema(frame) if v.rule == "missing column"]
        if missing:
            name = f"{self.name} v{self.version}"
            raise ContractBroken(Report(name, len(frame), tuple(missing)))
        reasons = pd.Series("", index=frame.index, dtype=object)
        for column in self.columns:
            for rule, bad in _row_rules(column, frame[column.name]):
                reasons[bad & (reasons == "")] = f"{column.name}: {rule}"
        if self.key:
            again = frame.duplicated(list(self.key), keep="first")
            reasons[again & (reasons == "")] = "repeated key"
        bad = reasons != ""
        return frame[~bad].copy(), frame[bad].assign(reason=reasons[bad])

    def _schema(self, frame: pd.DataFrame) -> list[Violation]:
        out = []
        for column in self.columns:
            if column.name not in frame.columns:
                text = f"{column.name} is missing; the table has {list(frame.columns)}"
                out.append(Violation("missing column", column.name, len(frame), text))
        if not self.extra:
            promised = {c.name for c in self.columns}
            for name in frame.columns:
                if name not in promised:
                    text = f"{name} is not in the contract: add it or drop it"
                    out.append(Violation("unknown column", str(name), len(frame), text))
        return out

    def _keys(self, frame: pd.DataFrame) -> list[Violation]:
        if not self.key or not set(self.key) <= set(frame.columns):
            return []
        again = frame.duplicated(list(self.key), keep="first")
        if not again.any():
            return []
        first = frame.loc[again, list(self.key)].iloc[0].to_dict()
        text = f"{int(again.sum())} rows repeat an earlier key, first {first}"
        return [Violation("repeated key", ", ".join(self.key), int(again.sum()), text)]

    def _clock(self, frame: pd.DataFrame, now: pd.Timestamp | None) -> list[Violation]:
        if self.time is None or now is None or self.time not in frame.columns:
            return []
        time = pd.to_datetime(frame[self.time], errors="coerce", utc=True)
        moment = now.tz_localize("UTC") if now.tzinfo is None else now
        out = []
        ahead = int((time > moment).sum())
        if ahead:
            text = f"{ahead} events lie in the future of {moment.isoformat()}"
            out.append(Violation("clock ahead", self.time, ahead, text))
        if self.freshness_hours is not None:
            past = time[time <= moment]
            age = (moment - past.max()).total_seconds() / 3600 if len(past) else np.inf
            if not age <= self.freshness_hours:
                limit = f"promised {self.freshness_hours:g}"
                text = f"newest event is {age:.1f} h old; {limit}"
                out.append(Violation("stale", self.time, len(frame), text))
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain form, defaults left out."""
        columns = []
        for c in self.columns:
            shown = {f.name: getattr(c, f.name) for f in fields(c)}
            short = {
                f.name: shown[f.name]
                for f in fields(c)
                if f.name in ("name", "type") or shown[f.name] != f.default
            }
            if "allowed" in short:
                short["allowed"] = list(short["allowed"])
            columns.append(short)
        head: dict[str, Any] = {"name": self.name, "version": self.version}
        head["key"] = list(self.key)
        for name in ("time", "freshness_hours", "extra"):
            head[name] = getattr(self, name)
        return {**head, "columns": columns}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Contract:
        """The contract of a plain form (see ``to_dict``).

        Raises KeyError or TypeError when a part is missing or unknown.
        """
        rest = {name: value for name, value in raw.items() if name != "columns"}
        rest["key"] = tuple(rest.get("key") or ())
        columns = tuple(
            Column(**{**c, "allowed": tuple(c.get("allowed", ()))})
            for c in raw["columns"]
        )
        return cls(columns=columns, **rest)

    def save(self, path: str | Path) -> None:
        """Write YAML, whole or not at all."""
        target = Path(path)
        text = yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, target)


def load_contract(path: str | Path) -> Contract:
    """Read a contract from YAML.

    Raises
    ------
    ValueError
        If the file is not a contract; the message names the first problem.
    """
    try:
        return Contract.from_dict(yaml.safe_load(Path(path).read_text("utf-8")))
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{Path(path).name} is not a contract: {error}") from error


def _typed(column: Column, values: pd.Series) -> pd.Series:
    """True where a non-null value has the promised type."""
    kind = column.type
    if kind == "string":
        return values.map(lambda v: isinstance(v, str)).astype(bool)
    if kind == "boolean":
        return values.map(lambda v: isinstance(v, (bool, np.bool_))).astype(bool)
    if kind == "timestamp":
        if pd.api.types.is_datetime64_any_dtype(values):
            return pd.Series(True, index=values.index)
        return values.map(lambda v: isinstance(v, pd.Timestamp)).astype(bool)
    numbers = _numbers(values)
    finite = np.isfinite(numbers)
    return finite & (numbers == numbers.round()) if kind == "integer" else finite


def _numbers(values: pd.Series) -> pd.Series:
    """Numeric values as float; anything else (text, booleans) is NaN."""
    if pd.api.types.is_bool_dtype(values):
        return pd.Series(np.nan, index=values.index)
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(float)
    keep = values.map(lambda v: isinstance(v, (int, float, np.number)))
    return pd.to_numeric(
        values.where(keep & ~values.map(lambda v: isinstance(v, bool)))
    )


def _row_rules(column: Column, values: pd.Series) -> list[tuple[str, pd.Series]]:
    """(rule, rows that break it) for every promise about single rows."""
    null = values.isna()
    typed = _typed(column, values) | null
    rules = [("null", null & (not column.nullable)), ("wrong type", ~typed)]
    if column.type in ("integer", "number"):
        numbers = _numbers(values)
        if column.minimum is not None:
            rules.append(("below minimum", numbers < column.minimum))
        if column.maximum is not None:
            rules.append(("above maximum", numbers > column.maximum))
    if column.allowed:
        rules.append(("not allowed", ~null & ~values.isin(column.allowed)))
    return rules


def _column_violations(column: Column, values: pd.Series) -> list[Violation]:
    out = []
    for rule, bad in _row_rules(column, values):
        count = int(bad.sum())
        if count:
            example = values[bad].iloc[0]
            text = f"{count} of {len(values)} values, for example {example!r}"
            out.append(Violation(rule, column.name, count, text))
    if column.median is not None and column.type in ("integer", "number"):
        index = drift_index(_numbers(values), column.median, column.spread)  # type: ignore[arg-type]
        if abs(index) > column.drift_limit:
            factor = float(np.exp(index * column.spread))  # type: ignore[operator]
            unit = f" (promised unit: {column.unit})" if column.unit else ""
            text = (
                f"drift index {index:.1f}: values are {factor:.3g} times as large{unit}"
            )
            out.append(Violation("drift", column.name, len(values), text))
    return out


# derivation: eq-drift-index
def drift_index(values: pd.Series, median: float, spread: float) -> float:
    """Shift of the log median in reference spreads: (log med(x) - log median) / spread.

    A change of unit multiplies every value by a constant c and so adds exactly
    log(c) / spread, whatever the distribution. Uses positive values; NaN without any.
    """
    x = np.asarray(values, dtype=float)
    positive = x[x > 0]
    if positive.size == 0:
        return float("nan")
    return float((np.log(np.median(positive)) - np.log(median)) / spread)


def profile(values: pd.Series) -> tuple[float, float]:
    """Median and log-spread of the positive values: a contract's drift reference."""
    x = np.asarray(_numbers(values), dtype=float)
    positive = x[x > 0]
    if positive.size < 2 or np.ptp(positive) == 0:
        raise ValueError(
            "a drift reference needs at least two different positive values"
        )
    return float(np.median(positive)), float(np.log(positive).std(ddof=1))


@dataclass
class _Changes:
    """Collects differences (see ``compare``)."""

    found: list[Change] = field(default_factory=list)

    def add(self, column: str, kind: str, breaking: bool, message: str) -> None:
        self.found.append(Change(column, kind, breaking, message))


def compare(old: Contract, new: Contract) -> list[Change]:
    """Schema evolution: what changed, and does it break a reader of the old version?

    Breaking: a column removed, its type or unit changed, null newly possible, range or
    allowed values widened, the key changed, freshness loosened. Not breaking: a column
    added, range or allowed values narrowed, null no longer possible, wording.
    """
    out = _Changes()
    before = {c.name: c for c in old.columns}
    after = {c.name: c for c in new.columns}
    for name in before.keys() - after.keys():
        out.add(name, "removed", True, f"{name} was removed")
    for name in after.keys() - before.keys():
        out.add(name, "added", False, f"{name} was added")
    for name in before.keys() & after.keys():
        _compare_column(before[name], after[name], out)
    if old.key != new.key:
        out.add(", ".join(new.key), "key", True, f"key {old.key} became {new.key}")
    loosened = (new.freshness_hours or np.inf) > (old.freshness_hours or np.inf)
    if loosened:
        out.add(new.time or "", "freshness", True, "data may be older than promised")
    return sorted(out.found, key=lambda c: (not c.breaking, c.column, c.kind))


def _compare_column(a: Column, b: Column, out: _Changes) -> None:
    for kind in ("type", "unit"):
        x, y = getattr(a, kind), getattr(b, kind)
        if x != y:
            out.add(a.name, kind, True, f"{kind} {x!r} became {y!r}")
    if a.nullable != b.nullable:
        text = "null is now possible" if b.nullable else "null is no longer possible"
        out.add(a.name, "nullable", b.nullable, text)
    low = (-np.inf if a.minimum is None else a.minimum) - (
        -np.inf if b.minimum is None else b.minimum
    )
    if a.minimum != b.minimum:
        out.add(a.name, "minimum", low > 0, f"minimum {a.minimum} became {b.minimum}")
    if a.maximum != b.maximum:
        top_a = np.inf if a.maximum is None else a.maximum
        top_b = np.inf if b.maximum is None else b.maximum
        text = f"maximum {a.maximum} became {b.maximum}"
        out.add(a.name, "maximum", top_b > top_a, text)
    if set(a.allowed) != set(b.allowed):
        wider = not b.allowed or bool(a.allowed and set(b.allowed) - set(a.allowed))
        out.add(a.name, "allowed", wider, "allowed values changed")


@dataclass(frozen=True)
class Compatibility:
    """Who can read what after a change; each tuple lists what stands in the way.

    backward: readers of the new version meet data of the old one (a model retrained
    today on last year's files). forward: readers of the old version meet new data (a
    service that is not yet deployed again).
    """

    backward: tuple[str, ...]
    forward: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """full, backward, forward or none."""
        if not self.backward:
            return "backward" if self.forward else "full"
        return "none" if self.forward else "forward"


def compatibility(old: Contract, new: Contract) -> Compatibility:
    """Schema evolution in both directions, for a reader that uses ``read_as``.

    Data of a writer can be read by a reader if every row the writer may send keeps the
    reader's promises. Tolerated: a column the reader does not know; a column that is
    missing but nullable; an integer where a number is expected.
    """
    return Compatibility(_obstacles(old, new), _obstacles(new, old))


def _obstacles(writer: Contract, reader: Contract) -> tuple[str, ...]:
    """Why rows of ``writer`` may break ``reader``; empty if they cannot."""
    sent = {c.name: c for c in writer.columns}
    out = []
    for want in reader.columns:
        if want.name in sent:
            out.extend(_column_obstacles(sent[want.name], want))
        elif not want.nullable:
            out.append(f"{want.name}: required but not sent")
    if writer.key != reader.key and reader.key:
        finer = set(writer.key) <= set(reader.key) and bool(writer.key)
        if not finer:
            out.append(f"key {writer.key} does not make {reader.key} unique")
    if (writer.freshness_hours or np.inf) > (reader.freshness_hours or np.inf):
        out.append("freshness: data may be older than the reader expects")
    return tuple(out)


def _column_obstacles(sent: Column, want: Column) -> list[str]:
    out = []
    if sent.type != want.type and (sent.type, want.type) != ("integer", "number"):
        out.append(f"{want.name}: {sent.type} sent, {want.type} expected")
    if sent.unit != want.unit:
        out.append(f"{want.name}: unit {sent.unit!r} sent, {want.unit!r} expected")
    if sent.nullable and not want.nullable:
        out.append(f"{want.name}: null may be sent")
    if want.minimum is not None and (
        sent.minimum is None or sent.minimum < want.minimum
    ):
        out.append(f"{want.name}: values below {want.minimum} may be sent")
    if want.maximum is not None and (
        sent.maximum is None or sent.maximum > want.maximum
    ):
        out.append(f"{want.name}: values above {want.maximum} may be sent")
    if want.allowed and not (sent.allowed and set(sent.allowed) <= set(want.allowed)):
        out.append(f"{want.name}: values other than {list(want.allowed)} may be sent")
    return out


def read_as(frame: pd.DataFrame, reader: Contract) -> pd.DataFrame:
    """The frame as a tolerant reader sees it: its own columns, absent ones null.

    Only nullable columns may be absent; otherwise ``ContractBroken`` names them.
    """
    missing = [c for c in reader.columns if c.name not in frame.columns]
    needed = tuple(
        Violation("missing column", c.name, len(frame), f"{c.name} is required")
        for c in missing
        if not c.nullable
    )
    if needed:
        name = f"{reader.name} v{reader.version}"
        raise ContractBroken(Report(name, len(frame), needed))
    return frame.reindex(columns=[c.name for c in reader.columns])
