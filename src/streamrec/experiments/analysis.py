"""From a file of users and a plan to results: DuckDB adds up, the rest is arithmetic.

Chapter 33. Order matters and is fixed: what was set aside, the sample ratio (a mismatch
stops the report), balance, then the metrics with the roles the plan gave them, then
segments and days. Nothing is dropped without being counted.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import re
from dataclasses import replace
from math import isnan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from streamrec.experiments import moments, sequential
from streamrec.experiments.moments import Comparison, Moments
from streamrec.experiments.plan import ExperimentPlan, PlannedMetric
from streamrec.experiments.sample_ratio import sample_ratio
from streamrec.stats.multiplicity import benjamini_hochberg, holm

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

MOST_OVERLAP = 0.01  # share of units in two arms beyond which the report stops
MOST_SEGMENTS = 20
NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "BOOL", "REAL", "NUMERIC")
NO_VALUE = ("", "na", "n/a", "nan", "null", "none", "-")  # in a column of numbers
COUNTED_DAYS = 1e8  # beyond that a number is no day: seconds since 1970, for example


def analyze(data: Path | str | pd.DataFrame, plan: ExperimentPlan) -> dict[str, Any]:
    """Analyse an experiment.

    Parameters
    ----------
    data : CSV or Parquet file, or a data frame: one row a unit, or several (then the
        rows of a unit are added up: a unit is one observation however active it is).
    plan : what to compare, see :class:`~streamrec.experiments.plan.ExperimentPlan`.

    Returns
    -------
    Plain values: ``checks`` (name, status "ok", "warning" or "failed", text),
    ``stopped`` (bool), ``counts``, ``sample_ratio``, ``balance``, ``metrics``,
    ``segments``, ``days``, ``summary`` (sentences).

    Raises
    ------
    ValueError
        For missing or non-numeric columns, unregistered arms, a binary metric that is
        not 0 or 1.
    """
    import duckdb

    texts: list[str] = []  # columns whose type was guessed wrong from the first rows
    while True:
        try:
            with duckdb.connect() as db:
                db.execute("SET memory_limit = '3GB'")
                types = _open(db, data, texts)
                _check_columns(plan, types)
                _make_numbers(db, plan, types)
                return _Analysis(db, plan, types).run()
        except duckdb.Error as error:
            column = re.search(r'when converting column "(.*?)"\.', str(error))
            if column is None or column[1] in texts:
                name = Path(data).name if isinstance(data, (str, Path)) else "the data"
                raise ValueError(f"{name} cannot be read: {_why(error)}") from None
            texts.append(column[1])


def _why(error: Exception) -> str:
    """What DuckDB found, in a sentence without its settings."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    where = f"line {line[1]}: " if line else ""
    if "not utf-8" in text:
        return f"{where}not UTF-8 text: save the file as UTF-8 first"
    if "sniffing" in text:
        return "its rows do not have one number of columns, or it is not UTF-8 text"
    return where + text.splitlines()[1 if line else 0][:160]


def _open(db: duckdb.DuckDBPyConnection, data: Any, texts: list[str]) -> dict[str, str]:
    """Make the view ``origin``; return the type of each column."""
    if isinstance(data, (str, Path)):
        path = Path(data)
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        reader = {".csv": "read_csv", ".gz": "read_csv", ".parquet": "read_parquet"}
        if path.suffix.lower() not in reader:
            raise ValueError(f"{path.name}: give a .csv or .parquet file")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise ValueError(f"{path.name} is empty")
        kind = reader[path.suffix.lower()]
        more = ""
        if kind == "read_csv":
            _one_name_each(db, path)
            more = ", header = true"
        if texts:
            kinds = ", ".join(f"{_text(c)}: 'VARCHAR'" for c in texts)
            more += f", types = {{{kinds}}}"
        source = f"{kind}({_text(str(path))}{more})"
    else:
        db.register("given", data)
        source = "given"
    db.execute(f"CREATE VIEW origin AS SELECT * FROM {source}")
    return {r[0]: r[1] for r in db.execute("DESCRIBE origin").fetchall()}


def _one_name_each(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Two columns of one name: nobody can say which of them is meant."""
    found = db.execute("SELECT Delimiter FROM sniff_csv(?)", [str(path)]).fetchone()
    assert found is not None
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
        names = next(csv.reader(lines, delimiter=found[0]), [])
    small = [n.casefold() for n in names]
    twice = sorted({n for n in names if n and small.count(n.casefold()) > 1})
    if twice:
        raise ValueError(
            f"{path.name}: the first line holds {', '.join(map(repr, twice))} twice "
            "(capitals do not tell columns apart): rename or remove one"
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _check_columns(plan: ExperimentPlan, types: dict[str, str]) -> None:
    if len(types) == 1 and any(mark in next(iter(types)) for mark in ",;\t|"):
        raise ValueError("the rows do not have one number of columns: mend the file")
    for column in plan.columns():
        if column not in types:
            near = difflib.get_close_matches(column, types, 1)
            hint = f'; did you mean "{near[0]}"?' if near else "."
            raise ValueError(
                f'the data have no column "{column}"{hint} They have: '
                f"{_few(list(types), 20)}"
            )
    if plan.unit == plan.variant:
        raise ValueError(f"unit and variant are one column, {plan.unit!r}: name two")


def _few(names: list[str], most: int = 5) -> str:
    """A list for a sentence, however long it is."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _is_number(kind: str) -> bool:
    return kind.upper().startswith(NUMBERS) or "INT" in kind.upper()


def _make_numbers(
    db: duckdb.DuckDBPyConnection, plan: ExperimentPlan, types: dict[str, str]
) -> None:
    """Make the view ``raw``: ``origin`` with "NA" and the like as missing numbers."""
    if db.execute("SELECT 1 FROM origin LIMIT 1").fetchone() is None:
        raise ValueError("the data hold no rows")
    numeric = {c for m in plan.metrics for c in (m.column, m.denominator, m.covariate)}
    numbers = []
    for column in sorted((numeric | set(plan.balance)) - {""}):
        if _is_number(types[column]):
            continue
        name, what = _name(column), "dates"
        if types[column] == "VARCHAR":
            strange = db.execute(
                f"SELECT {name} FROM origin WHERE try_cast({name} AS DOUBLE) IS NULL "
                f"AND lower(trim({name})) NOT IN {NO_VALUE} LIMIT 1"
            ).fetchone()
            if strange is None:
                numbers.append(f"try_cast({name} AS DOUBLE) AS {name}")
                continue
            what = repr(strange[0][:40])
            if re.fullmatch(r"-?\d+,\d+", strange[0].strip()):
                what += " (a decimal comma: write a point)"
        raise ValueError(
            f'column "{column}" holds {what}, not numbers alone: clean it first, or '
            "name another column"
        )
    replaced = f" REPLACE ({', '.join(numbers)})" if numbers else ""
    db.execute(f"CREATE VIEW raw AS SELECT *{replaced} FROM origin")


class _Analysis:
    """One run over one connection; the steps in the order they are reported."""

    def __init__(
        self, db: duckdb.DuckDBPyConnection, plan: ExperimentPlan, types: dict[str, str]
    ) -> None:
        self.db, self.plan, self.types = db, plan, types
        self.checks: list[dict[str, str]] = []
        self.arms = list(plan.arms)
        self.treatments = self.arms[1:]
        self.repeated = False  # more than one row of a unit

    # -------------------------------------------------------------- helpers

    def _note(self, name: str, status: str, text: str) -> None:
        self.checks.append({"name": name, "status": status, "text": text})

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self.db.execute(query).fetchone()
        assert row is not None
        return row

    def run(self) -> dict[str, Any]:
        plan = self.plan
        counts = self._prepare()
        ratio = sample_ratio(counts["arms"], plan.arms)
        result: dict[str, Any] = {
            "name": plan.name,
            "registered": plan.registered,
            "alpha": plan.alpha,
            "arms": plan.arms,
            "counts": counts,
            "sample_ratio": ratio.as_dict(),
            "balance": [],
            "metrics": [],
            "segments": [],
            "days": [],
        }
        observed = ", ".join(f"{k} {v:,}" for k, v in counts["arms"].items())
        if ratio.mismatch:
            self._note(
                "sample ratio",
                "failed",
                f"planned {_shares(plan.arms)}, found {observed}: p = "
                f"{ratio.p_value:.2g}. Units are missing for a reason that may differ "
                "by arm, so the arms cannot be compared. Find the cause first.",
            )
        else:
            self._note(
                "sample ratio",
                "ok",
                f"{observed} agree with {_shares(plan.arms)} (p = {ratio.p_value:.2g})",
            )
        stopped = any(c["status"] == "failed" for c in self.checks)
        if not stopped:
            result["balance"] = self._balance()
            result["metrics"] = self._metrics()
            result["segments"] = self._segments()
            result["days"] = self._days()
        result.update(checks=self.checks, stopped=stopped)
        result["summary"] = summary(result)
        return result

    # -------------------------------------------------------------- units

    def _prepare(self) -> dict[str, Any]:
        """Table ``units``, one row a unit; everything set aside is counted."""
        plan, db = self.plan, self.db
        unit, variant = _name(plan.unit), f"{_name(plan.variant)}::VARCHAR"
        rows, blank = self._one(
            f"SELECT count(*), count(*) FILTER ({unit} IS NULL OR {variant} IS NULL) "
            "FROM raw"
        )
        if rows == 0:
            raise ValueError("the data hold no rows")
        found = [
            r[0]
            for r in db.execute(
                f"SELECT DISTINCT {variant} FROM raw WHERE {variant} IS NOT NULL"
            ).fetchall()
        ]
        strange = sorted(set(found) - set(self.arms))
        if strange:
            raise ValueError(
                f"column {plan.variant!r} holds {_few(list(map(repr, strange)))}, not "
                f"registered in the plan, which has {', '.join(map(repr, self.arms))}"
            )
        for arm in self.arms:
            if arm not in found:
                raise ValueError(f"no row belongs to arm {arm!r}: nothing to compare")
        where = [f"{unit} IS NOT NULL", f"{variant} IS NOT NULL"]
        outside = 0
        if plan.day:
            self._check_days()
        if plan.start or plan.end:
            day = self._day()
            inside = [f"{day} >= DATE {_text(plan.start)}"] if plan.start else []
            inside += [f"{day} <= DATE {_text(plan.end)}"] if plan.end else []
            condition = " AND ".join(inside)
            (outside,) = self._one(
                f"SELECT count(*) FILTER (NOT coalesce({condition}, false)) FROM raw"
            )
            where.append(condition)
            if outside == rows:
                raise ValueError(
                    f"no row lies within {plan.start or '...'} to {plan.end or '...'}"
                )
        db.execute(
            "CREATE TEMP VIEW kept AS SELECT * FROM raw WHERE " + " AND ".join(where)
        )
        kept, units, overlap = self._group(unit, variant)
        arms = dict(
            db.execute("SELECT arm, count(*) FROM units GROUP BY arm").fetchall()
        )
        for arm in self.arms:
            if arms.get(arm, 0) < 2:
                raise ValueError(
                    f"arm {arm!r} has {'one unit' if arms.get(arm) else 'no unit'} "
                    "left: at least two are needed to see any variation"
                )
        if blank:
            self._note(
                "missing",
                "warning",
                f"{blank:,} of {rows:,} rows lack a unit or an arm and were set aside",
            )
        if outside:
            self._note(
                "dates",
                "warning",
                f"{outside:,} rows lie outside {plan.start or '...'} to "
                f"{plan.end or '...'} and were set aside",
            )
        if overlap:
            share = overlap / units
            text = f"{overlap:,} of {units:,} units ({share:.2%}) appear in two arms"
            if share > MOST_OVERLAP:
                self._note(
                    "overlap",
                    "failed",
                    f"{text}: assignment did not hold, so no comparison is made",
                )
            else:
                self._note("overlap", "warning", f"{text} and were set aside")
        return {
            "rows": rows,
            "rows_set_aside": rows - kept,
            "units": units - overlap,
            "units_in_two_arms": overlap,
            "arms": {a: int(arms.get(a, 0)) for a in self.arms},
        }

    def _day(self) -> str:
        """SQL of the day of a row: a date, or a number that counts days."""
        name, kind = _name(self.plan.day), self.types[self.plan.day].upper()
        if kind == "VARCHAR":
            return f"try_cast({name} AS TIMESTAMP)::DATE"
        return name if _is_number(kind) else f"{name}::DATE"

    def _check_days(self) -> None:
        """Days that are no days would be put in a wrong order, or shown one by one."""
        plan, name = self.plan, _name(self.plan.day)
        write = "write dates such as 2026-01-31"
        if _is_number(self.types[plan.day]):
            (top,) = self._one(f"SELECT max(abs({name}::DOUBLE)) FROM raw")
            if top is not None and top >= COUNTED_DAYS:
                raise ValueError(
                    f'column "{plan.day}" holds numbers such as {top:.0f}, perhaps '
                    f"seconds or milliseconds since 1970: {write}"
                )
            if plan.start or plan.end:
                raise ValueError(
                    f'start and end need dates, column "{plan.day}" holds numbers: '
                    f"{write}"
                )
            return
        lost, known, sample = self._one(
            f"SELECT count(*) FILTER ({self._day()} IS NULL), "
            f"count(*) FILTER ({self._day()} IS NOT NULL), "
            f"any_value({name}::VARCHAR) FILTER ({self._day()} IS NULL) "
            f"FROM raw WHERE {name} IS NOT NULL"
        )
        if lost and not known:
            raise ValueError(
                f'column "{plan.day}" holds {sample!r}, which is no date: {write}'
            )
        if lost:
            self._note(
                "days",
                "warning",
                f"{lost:,} rows have no date in {plan.day!r}, for example {sample!r}, "
                "and are left out of the picture by day",
            )

    def _group(self, unit: str, variant: str) -> tuple[int, int, int]:
        """Add the rows of a unit up; one row a unit needs no adding."""
        plan = self.plan
        kept, units = self._one(f"SELECT count(*), count(DISTINCT {unit}) FROM kept")
        picks, sums = [], []
        for i, m in enumerate(plan.metrics):
            y = f"{_name(m.column)}::DOUBLE"
            picks.append(f"{y} AS y{i}")
            sums.append(f"{'max' if m.kind == 'binary' else 'sum'}({y}) AS y{i}")
            x = m.denominator or m.covariate
            if x:
                x = f"{_name(x)}::DOUBLE"
                picks.append(f"{x} AS x{i}")
                sums.append(f"{'sum' if m.kind == 'ratio' else 'max'}({x}) AS x{i}")
        for i, column in enumerate(plan.balance):
            picks.append(f"{_name(column)}::DOUBLE AS b{i}")
            sums.append(f"max({_name(column)}::DOUBLE) AS b{i}")
        for i, column in enumerate(plan.segments):
            picks.append(f"{_name(column)}::VARCHAR AS s{i}")
            sums.append(f"min({_name(column)}::VARCHAR) AS s{i}")
        self.repeated = kept != units
        if not self.repeated:
            self.db.execute(
                f"CREATE TEMP VIEW units AS SELECT {variant} AS arm, "
                f"{', '.join(picks)} FROM kept"
            )
            return kept, units, 0
        self._constant(unit)
        self.db.execute(
            f"CREATE TEMP TABLE grouped AS SELECT min({variant}) AS arm, "
            f"count(DISTINCT {variant}) AS arms, {', '.join(sums)} "
            f"FROM kept GROUP BY {unit}"
        )
        self.db.execute(
            "CREATE TEMP VIEW units AS SELECT * FROM grouped WHERE arms = 1"
        )
        (overlap,) = self._one("SELECT count(*) FROM grouped WHERE arms > 1")
        return kept, units, overlap

    def _constant(self, unit: str) -> None:
        """What was measured before cannot change between rows of one unit."""
        plan = self.plan
        before = [m.covariate for m in plan.metrics if m.covariate]
        for column in dict.fromkeys([*before, *plan.balance, *plan.segments]):
            name = _name(column)
            (changing,) = self._one(
                f"SELECT count(*) FROM (SELECT 1 FROM kept GROUP BY {unit} "
                f"HAVING min({name}) <> max({name}))"
            )
            if changing:
                raise ValueError(
                    f'"{column}" changes within {changing:,} units: a covariate or '
                    "segment must be fixed before the experiment"
                )

    # -------------------------------------------------------------- balance

    def _balance(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for i, column in enumerate(self.plan.balance):
            by_arm = self._by("arm", f"b{i}")
            for arm in self.arms:
                if arm not in by_arm:
                    raise ValueError(
                        f'"{column}" of balance has fewer than two values in arm '
                        f"{arm!r}: fill it, or take it out of the plan"
                    )
            base = by_arm[self.plan.control]
            for arm in self.treatments:
                m = by_arm[arm]
                sd = sqrt((base.var + m.var) / 2)
                gap = (m.mean - base.mean) / sd if sd > 0 else 0.0
                test = moments.difference_in_means(base, m)
                rows.append(
                    {
                        "column": column,
                        "arm": arm,
                        "control": base.mean,
                        "treatment": m.mean,
                        "standardised_difference": gap,
                        "p_value": test.p_value,
                    }
                )
        if rows:
            p = [1.0 if isnan(r["p_value"]) else r["p_value"] for r in rows]
            odd = [
                r["column"]
                for r, q in zip(rows, holm(p), strict=True)
                if q < 1e-3 or abs(r["standardised_difference"]) > 0.1
            ]
            if odd:
                self._note(
                    "balance",
                    "warning",
                    f"{', '.join(dict.fromkeys(odd))} differs between arms before the "
                    "experiment by more than chance explains, or by over a tenth of a "
                    "standard deviation",
                )
            else:
                self._note("balance", "ok", "the arms were alike beforehand")
        return rows

    def _by(
        self, group: str, y: str, x: str = "", where: str = "", source: str = "units"
    ) -> dict[Any, Moments]:
        """Moments of y (and x) for each value of ``group`` where both are finite."""
        usable = [f"isfinite({y})"] + ([f"isfinite({x})"] if x else [])
        usable += [where] if where else []
        pick = f"count(*), avg({y}), var_samp({y})"
        if x:
            pick += f", avg({x}), var_samp({x}), covar_samp({y}, {x})"
        rows = self.db.execute(
            f"SELECT {group}, {pick} FROM {source} WHERE {' AND '.join(usable)} "
            "GROUP BY ALL"
        ).fetchall()
        width = len(group.split(","))
        return {
            (r[0] if width == 1 else r[:width]): Moments(
                r[width],
                *(float("nan") if v is None else float(v) for v in r[width + 1 :]),
            )
            for r in rows
            if r[width] >= 2
        }

    # -------------------------------------------------------------- metrics

    def _compare(self, metric: PlannedMetric, c: Moments, t: Moments) -> Comparison:
        level = 1 - self.plan.alpha
        if metric.kind == "binary":
            return moments.difference_in_proportions(c, t, level=level)
        if metric.kind == "ratio":
            return moments.difference_in_ratios(c, t, level=level)
        if metric.covariate:
            return moments.cuped(c, t, level=level)
        return moments.difference_in_means(c, t, level=level)

    def _metrics(self) -> list[dict[str, Any]]:
        rows = []
        for i, metric in enumerate(self.plan.metrics):
            self._check_values(i, metric)
            x = f"x{i}" if metric.denominator or metric.covariate else ""
            by_arm = self._by("arm", f"y{i}", x)
            self._check_missing(metric, by_arm)
            base = by_arm.get(self.plan.control)
            for arm in self.treatments:
                other = by_arm.get(arm)
                if base is None or other is None:
                    raise ValueError(
                        f"metric {metric.name!r} has fewer than two usable values in "
                        f"arm {arm if other is None else self.plan.control!r}"
                    )
                found = self._compare(metric, base, other)
                rows.append(self._row(metric, arm, found))
        self._adjust(rows)
        return rows

    def _row(
        self, metric: PlannedMetric, arm: str, found: Comparison
    ) -> dict[str, Any]:
        fixed = found
        if self.plan.always_valid and found.se > 0:
            found = self._at_any_time(found)
        row: dict[str, Any] = {
            "metric": metric.name,
            "arm": arm,
            "role": metric.role if self.plan.registered else "exploratory",
            "kind": metric.kind,
            "better": metric.better,
            **found.as_dict(),
            "p_adjusted": None,
            "verdict": "",
        }
        if metric.role == "guardrail":
            margin = metric.margin * abs(found.control)
            row["margin"] = margin
            low, high = found.interval
            least, most = (low, high) if metric.better == "lower" else (-high, -low)
            if isnan(least):
                return row | {"verdict": "not tested"}
            if margin > 0:
                row["p_adjusted"] = self._p_harm(fixed, margin, metric.better)
            row["verdict"] = (
                "holds" if most < margin else "broken" if least > margin else "open"
            )
        return row

    def _p_harm(self, found: Comparison, margin: float, better: str) -> float:
        """p-value of "worse by the margin or more"; valid at any look if planned so."""
        if not self.plan.always_valid:
            return moments.no_worse(found, margin, better=better)[0]
        gain = (found.effect if better == "higher" else -found.effect) + margin
        moved = self._at_any_time(replace(found, effect=gain))
        return moved.p_value if gain > 0 else 1.0

    def _at_any_time(self, found: Comparison) -> Comparison:
        n = found.n_control + found.n_treatment
        planned = found.se * sqrt(n / self.plan.planned_units)
        tau = sequential.best_tau(planned, alpha=self.plan.alpha)
        seen = sequential.look(found.effect, found.se, tau, alpha=self.plan.alpha)
        return replace(
            found,
            interval=seen.interval,
            p_value=seen.p_value,
            lift_interval=None,
            method=f"{found.method}, always valid",
        )

    def _adjust(self, rows: list[dict[str, Any]]) -> None:
        for roles, adjust in (
            (("primary",), holm),
            (("secondary", "exploratory"), benjamini_hochberg),
        ):
            family = [r for r in rows if r["role"] in roles and not isnan(r["p_value"])]
            if not family:
                continue
            for row, p in zip(
                family, adjust([r["p_value"] for r in family]), strict=True
            ):
                row["p_adjusted"] = float(p)
                found = bool(p < self.plan.alpha)
                good = (row["effect"] > 0) == (row["better"] == "higher")
                row["verdict"] = (
                    "no evidence" if not found else "better" if good else "worse"
                )
        for row in rows:
            row["verdict"] = row["verdict"] or "not tested"

    def _check_values(self, i: int, metric: PlannedMetric) -> None:
        if metric.kind == "binary":
            (strange,) = self._one(
                f"SELECT count(*) FROM units WHERE isfinite(y{i}) "
                f"AND y{i} NOT IN (0, 1)"
            )
            if strange:
                raise ValueError(
                    f'column "{metric.column}" of metric {metric.name!r} has '
                    f"{strange:,} values other than 0 and 1: use kind: mean"
                )
        if metric.kind == "ratio":
            (negative,) = self._one(f"SELECT count(*) FROM units WHERE x{i} < 0")
            if negative:
                raise ValueError(
                    f'denominator "{metric.denominator}" of metric {metric.name!r} is '
                    f"negative for {negative:,} units"
                )
            for arm, total in self.db.execute(
                f"SELECT arm, sum(x{i}) FROM units GROUP BY arm"
            ).fetchall():
                if not total:
                    raise ValueError(
                        f'denominator "{metric.denominator}" of metric '
                        f"{metric.name!r} is 0 or missing for everyone in arm {arm!r}"
                    )

    def _check_missing(self, metric: PlannedMetric, by_arm: dict[Any, Moments]) -> None:
        """Values that are missing more often in one arm than in the other mislead."""
        sizes = dict(
            self.db.execute("SELECT arm, count(*) FROM units GROUP BY arm").fetchall()
        )
        used = {a: by_arm[a].n if a in by_arm else 0 for a in self.arms}
        lost = {a: sizes[a] - used[a] for a in self.arms}
        if not any(lost.values()):
            return
        table = [[lost[a], used[a]] for a in self.arms]
        p = 1.0
        if all(sum(column) for column in zip(*table, strict=True)):
            p = float(stats.chi2_contingency(table).pvalue)
        counts = ", ".join(f"{a} {lost[a] / sizes[a]:.1%}" for a in self.arms)
        text = f"{metric.name}: no usable value for {counts} of units, left out there"
        if p < 1e-3:
            text += f"; the shares differ (p = {p:.2g}), so who is left may differ too"
        self._note("missing values", "warning", text)

    # -------------------------------------------------------------- segments and days

    def _primary(self) -> tuple[int, PlannedMetric]:
        for i, m in enumerate(self.plan.metrics):
            if m.role == "primary":
                return i, m
        return 0, self.plan.metrics[0]

    def _segments(self) -> list[dict[str, Any]]:
        i, metric = self._primary()
        x = f"x{i}" if metric.denominator or metric.covariate else ""
        rows: list[dict[str, Any]] = []
        for k, column in enumerate(self.plan.segments):
            cells = self._by(f"s{k}, arm", f"y{i}", x)
            sizes: dict[Any, int] = {}
            for (value, _), m in cells.items():
                sizes[value] = sizes.get(value, 0) + m.n
            names = sorted(sizes, key=lambda v: -sizes[v])
            if len(names) > MOST_SEGMENTS:
                self._note(
                    "segments",
                    "warning",
                    f"{column} has {len(names)} values: the {MOST_SEGMENTS} largest "
                    "are shown",
                )
                names = names[:MOST_SEGMENTS]
            for arm in self.treatments:
                part = []
                for value in names:
                    c = cells.get((value, self.plan.control))
                    t = cells.get((value, arm))
                    if c is None or t is None or _no_base(metric, c, t):
                        continue
                    part.append((value, c, t, self._compare(metric, c, t)))
                if not part:
                    self._note(
                        "segments",
                        "warning",
                        f"no value of {column} has two units in {arm} and in control: "
                        "not shown",
                    )
                rows += self._segment_rows(column, arm, part)
        return rows

    def _segment_rows(
        self,
        column: str,
        arm: str,
        part: list[tuple[Any, Moments, Moments, Comparison]],
    ) -> list[dict[str, Any]]:
        tested = [f for *_, f in part if not isnan(f.p_value)]
        if not tested:
            return []
        adjusted = iter(benjamini_hochberg([f.p_value for f in tested]))
        rows = [
            {
                "segment": column,
                "value": "(missing)" if value is None else str(value),
                "arm": arm,
                **f.as_dict(),
                "p_adjusted": None if isnan(f.p_value) else float(next(adjusted)),
            }
            for value, _, _, f in part
        ]
        w = np.array([1 / f.se**2 for f in tested if f.se > 0])
        e = np.array([f.effect for f in tested if f.se > 0])
        if e.size > 1:
            q = float((w * (e - w @ e / w.sum()) ** 2).sum())
            p = float(stats.chi2.sf(q, e.size - 1))
            if p < 0.01:
                self._note(
                    "segments",
                    "warning",
                    f"the effect of {arm} differs between values of {column} (p = "
                    f"{p:.2g}, exploratory)",
                )
        sizes = np.array([[c.n, t.n] for _, c, t, _ in part], float)
        whole = self._whole_effect(arm)
        effects = np.array([f.effect for *_, f in part])
        within = float(effects @ sizes.sum(1) / sizes.sum())
        mixed = stats.chi2_contingency(sizes).pvalue if len(part) > 1 else 1.0
        if whole * within < 0 and (mixed < 1e-3 or (effects * whole <= 0).all()):
            self._note(
                "Simpson",
                "warning",
                f"overall {arm} moves the primary metric by {whole:.3g}, but within "
                f"values of {column} by {within:.3g} on average: the arms hold "
                f"different mixes of {column} (p = {mixed:.2g})",
            )
        return rows

    def _whole_effect(self, arm: str) -> float:
        i, metric = self._primary()
        x = f"x{i}" if metric.denominator or metric.covariate else ""
        by_arm = self._by("arm", f"y{i}", x)
        return self._compare(metric, by_arm[self.plan.control], by_arm[arm]).effect

    def _days(self) -> list[dict[str, Any]]:
        """Effect on the primary metric by day, and whether it fades."""
        plan = self.plan
        if not plan.day:
            return []
        _, metric = self._primary()
        simple = replace(metric, covariate="")
        self._daily(metric)
        x = "x" if metric.denominator else ""
        cells = self._by("day, arm", "y", x, source="daily")
        days: list[Any] = sorted({d for d, _ in cells if d is not None})
        if not days:
            self._note(
                "days",
                "warning",
                f"no value of {plan.day} has two units in each arm: days not shown",
            )
        rows: list[dict[str, Any]] = []
        for arm in self.treatments:
            for day in days:
                c, t = cells.get((day, plan.control)), cells.get((day, arm))
                if c is None or t is None or _no_base(metric, c, t):
                    continue
                found = self._compare(simple, c, t)
                rows.append(
                    {
                        "day": f"{day:.0f}" if isinstance(day, float) else str(day),
                        "arm": arm,
                        "effect": found.effect,
                        "se": found.se,
                        "interval": found.interval,
                    }
                )
            self._trend(arm, [r for r in rows if r["arm"] == arm and r["se"] > 0])
        return rows

    def _daily(self, metric: PlannedMetric) -> None:
        """View ``daily``: one row a unit and day, units in two arms left out."""
        unit, variant = _name(self.plan.unit), f"{_name(self.plan.variant)}::VARCHAR"
        y, x = f"{_name(metric.column)}::DOUBLE", ""
        top = f"{'max' if metric.kind == 'binary' else 'sum'}({y}) AS y"
        if metric.denominator:
            x = f", {_name(metric.denominator)}::DOUBLE AS x"
            top += f", sum({_name(metric.denominator)}::DOUBLE) AS x"
        pick = f"SELECT {self._day()} AS day, {variant} AS arm, {y} AS y{x} FROM kept"
        if self.repeated:
            pick = (
                f"SELECT {self._day()} AS day, min({variant}) AS arm, {top} FROM kept "
                f"WHERE {unit} NOT IN (SELECT {unit} FROM kept GROUP BY {unit} "
                f"HAVING count(DISTINCT {variant}) > 1) GROUP BY {unit}, {self._day()}"
            )
        self.db.execute(f"CREATE TEMP VIEW daily AS {pick}")

    def _trend(self, arm: str, rows: list[dict[str, Any]]) -> None:
        if len(rows) < 5:
            return
        t = np.arange(len(rows), dtype=float)
        e = np.array([r["effect"] for r in rows])
        w = np.array([1 / r["se"] ** 2 for r in rows])
        centred = t - w @ t / w.sum()
        slope = float((w * centred) @ e / ((w * centred) @ centred))
        se = float(1 / sqrt((w * centred) @ centred))
        p = float(2 * stats.norm.sf(abs(slope) / se))
        if p < 0.01:
            what = "fades" if slope * float(w @ e) < 0 else "grows"
            self._note(
                "novelty",
                "warning",
                f"the effect of {arm} {what} over the days (slope {slope:.3g} a day, "
                f"p = {p:.2g}): the average is not what will last",
            )


def _no_base(metric: PlannedMetric, c: Moments, t: Moments) -> bool:
    """A part of the data with nothing under the ratio in one of the arms."""
    return bool(metric.denominator) and not min(c.mean_x, t.mean_x) > 0


def _shares(arms: Any) -> str:
    return ", ".join(f"{k} {100 * v:g} %" for k, v in arms.items())


def _range(row: dict[str, Any]) -> str:
    low, high = row["lift_interval"] or (None, None)
    if low is not None:
        return f"{row['lift']:+.1%} ({low:+.1%} to {high:+.1%})"
    low, high = row["interval"]
    return f"{row['effect']:+.3g} ({low:+.3g} to {high:+.3g})"


def summary(result: dict[str, Any]) -> list[str]:
    """Sentences that follow from the numbers; "no evidence" is not "no effect"."""
    lines = []
    if result["stopped"]:
        bad = [c for c in result["checks"] if c["status"] == "failed"]
        return ["The report stops here: " + " ".join(c["text"] for c in bad)]
    if not result["registered"]:
        lines.append("No plan was given: everything below is exploratory.")
    for row in result["metrics"]:
        who = f"{row['metric']}, {row['arm']} against control"
        size, verdict = _range(row), row["verdict"]
        if row["role"] == "guardrail":
            if verdict == "not tested":
                lines.append(f"Guardrail {who}: not tested ({row['note']}).")
                continue
            text = {
                "holds": "harm beyond the margin is ruled out",
                "broken": "the guardrail is broken: harm beyond the margin is shown",
                "open": "harm beyond the margin is not ruled out",
            }[verdict]
            lines.append(f"Guardrail {who}: {size}; {text}.")
        elif verdict in ("better", "worse"):
            strength = "" if row["role"] == "primary" else " (exploratory)"
            lines.append(
                f"{who}: {verdict}{strength}, {size}, adjusted p = "
                f"{row['p_adjusted']:.2g}."
            )
        elif verdict == "no evidence":
            lines.append(
                f"{who}: no evidence of a difference, {size}. That is not evidence of "
                "no difference: every value in the interval remains possible."
            )
        else:
            lines.append(f"{who}: not tested ({row['note'] or 'too little data'}).")
        if row["note"] and verdict != "not tested":
            lines.append(f"Note on {row['metric']}: {row['note']}.")
    warned = [c["text"] for c in result["checks"] if c["status"] == "warning"]
    lines += [f"Look at this: {text}." for text in warned]
    return lines
