"""``streamrec causal``: did, match, weight, rdd, iv, each with its checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text
from streamrec.cli.tables import read_table
from streamrec.pages import document, forest, table

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Effects without an experiment, and what to check before believing them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Outcome = Annotated[str, typer.Option(help="Column of the outcome.")]
Treatment = Annotated[str, typer.Option(help="Column of the treatment, 0 or 1.")]
Covariate = Annotated[
    list[str] | None,
    typer.Option(help="Column from before the treatment; repeat it."),
]


def _a_level(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"--level {value:g}: write a share such as 0.95")
    return value


Level = Annotated[
    float, typer.Option(help="Confidence of the intervals.", callback=_a_level)
]
Missing = Annotated[
    bool, typer.Option("--drop-missing", help="Set rows with missing values aside.")
]


class Whose(StrEnum):
    """Whose effect."""

    ATE = "ATE"
    ATT = "ATT"


class ControlGroup(StrEnum):
    """Who stands for the untreated."""

    never = "never"
    notyet = "notyet"


class Kernel(StrEnum):
    """Weights by distance from the cutoff."""

    triangular = "triangular"
    uniform = "uniform"


@dataclass
class Finding:
    """What a command says, in every format."""

    command: str
    effect: float
    se: float
    interval: tuple[float, float]
    level: float
    n: int
    estimand: str
    method: str
    assumptions: list[str]
    checks: list[dict[str, str]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # for the picture
    rows_title: str = ""

    def check(self, name: str, good: bool, fine: str, bad: str) -> None:
        """Note a check; a bad one is a warning that a careful colleague would give."""
        status, text = ("ok", fine) if good else ("warning", bad)
        self.checks.append({"name": name, "status": status, "text": text})

    def summary(self) -> list[str]:
        """Sentences that follow from the numbers."""
        low, high = self.interval
        size = f"{self.effect:.4g} ({self.level:.0%} interval {low:.4g} to {high:.4g})"
        if low > 0 or high < 0:
            lines = [f"Estimated effect {size}: told from zero, if the design holds."]
        else:
            lines = [
                f"Estimated effect {size}: no evidence of an effect. That is not "
                "evidence of no effect: every value in the interval remains possible."
            ]
        lines += [f"Look at this: {c['text']}." for c in self.checks
                  if c["status"] == "warning"]  # fmt: skip
        lines.append("It rests on: " + "; ".join(self.assumptions) + ".")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in the schema."""
        return {
            "command": self.command,
            "effect": self.effect,
            "se": self.se,
            "interval": self.interval,
            "level": self.level,
            "n": self.n,
            "estimand": self.estimand,
            "method": self.method,
            "checks": self.checks,
            "assumptions": self.assumptions,
            "details": self.details,
            "rows": self.rows,
            "summary": self.summary(),
        }

    def page(self) -> str:
        """One HTML file with a picture."""
        lines = "".join(f"<li>{escape(s)}</li>" for s in self.summary())
        body = [f"<h1>Effect by {escape(self.method)}</h1><ul>{lines}</ul>"]
        marks = [
            {"label": "effect", "middle": self.effect, "interval": self.interval,
             "mark": "good"}
        ]  # fmt: skip
        body.append(forest(marks, f"Effect ({self.estimand})"))
        body.append("<h2>Checks</h2>" + table(self.checks))
        if self.rows:
            title = self.rows_title
            body.append(f"<h2>{escape(title)}</h2>")
            if "interval" in self.rows[0]:
                body.append(forest([{"mark": "open", **r} for r in self.rows], title))
            body.append(table([_cells(r) for r in self.rows]))
        plain = {k: v for k, v in self.details.items() if not isinstance(v, list)}
        if plain:
            body.append("<h2>Details</h2>" + table(
                [{"name": k.replace("_", " "), "value": v} for k, v in plain.items()]
            ))  # fmt: skip
        return document(f"Effect by {self.method}", body)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the picture as a row of a table."""
    if "interval" not in row:
        return row
    low, high = row["interval"]
    return {
        "": row["label"],
        "effect": row["middle"],
        "interval": f"{low:.4g} to {high:.4g}",
    }


def _finish(
    found: Finding, start: str, rows: int, output: Path | None, format: Any
) -> None:
    if output is not None:
        if output.suffix.lower() != ".html":
            raise ValueError(f"--output {output}: the report is an .html file")
        write_text(output, found.page())
    if format == flags.OutputFormat.json:
        emit(envelope("ok", start, rows, found.as_dict()), format)
        return
    emit({k: v for k, v in found.as_dict().items()
          if k in ("effect", "se", "interval", "n", "estimand", "method")})  # fmt: skip
    for line in found.summary():
        typer.echo(f"- {line}")
    if output is not None:
        typer.echo(f"report: {output}")


def _read(input: Path, columns: list[str], drop: bool) -> tuple[pd.DataFrame, int, int]:
    """The columns as numbers, how many rows there were, how many were set aside."""
    import pandas as pd

    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise ValueError(
            f"column {', '.join(map(repr, twice))} is named twice: outcome, treatment "
            "and covariates are different columns"
        )
    frame = read_table(input, columns)
    for c in frame:
        if not pd.api.types.is_numeric_dtype(frame[c]):
            raise ValueError(
                f'column "{c}" holds text{_sample(frame[c])}: code it as numbers first'
            )
    bad = frame.isna().any(axis=1)
    if bad.all():
        raise ValueError(
            f"no row is left: all {len(frame):,} have missing values (most in "
            f"{frame.isna().sum().idxmax()})"
            if len(frame)
            else f"{input.name} has no rows"
        )
    if bad.any() and not drop:
        worst = frame.isna().sum().idxmax()
        raise ValueError(
            f"{int(bad.sum())} rows have missing values (most in {worst}): decide what "
            "missing means, or set them aside with --drop-missing"
        )
    kept = frame[~bad]
    if len(kept) > 1 and kept[columns[0]].nunique() == 1:
        raise ValueError(
            f'the outcome "{columns[0]}" has one value only: nothing to explain'
        )
    return kept, len(frame), int(bad.sum())


def _sample(column: pd.Series) -> str:
    """A value that is no number, for the sentence that refuses the column."""
    import pandas as pd

    bad = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
    return f", for example {str(bad.iloc[0])[:40]!r}" if len(bad) else ""


def _small(found: Finding, treated: Any) -> None:
    """Normal intervals need more than a handful of units in each group."""
    fewest = int(min(treated.sum(), (~treated).sum()))
    found.check(
        "size", fewest >= 20, f"at least {fewest:,} units in each group",
        f"only {fewest} units in the smaller group: the interval is not to be trusted",
    )  # fmt: skip


def _aside(found: Finding, gone: int) -> None:
    if gone:
        found.check(
            "missing", False, "", f"{gone:,} rows with missing values set aside"
        )
        found.details["rows_set_aside"] = gone


UNCONFOUNDED = [
    "no unseen cause of both treatment and outcome (untestable)",
    "covariates measured before the treatment",
    "one unit's treatment leaves the others' outcomes alone",
]


@app.command()
def weight(
    input: flags.Input,
    outcome: Outcome,
    treatment: Treatment,
    covariate: Covariate = None,
    estimand: Annotated[Whose, typer.Option(help="Whose effect.")] = Whose.ATE,
    trim: Annotated[float, typer.Option(help="Smallest score kept.")] = 0.0,
    drop_missing: Missing = False,
    level: Level = 0.95,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Weighting by the propensity score, and AIPW beside it for the ATE.

    Example: streamrec causal weight -i people.csv --outcome y --treatment d
    --covariate age --covariate income
    """
    import numpy as np

    from streamrec.causal import sensitivity, weighting
    from streamrec.causal.estimands import naive_difference

    start = now()
    names = covariate or []
    if not names:
        raise ValueError("name at least one --covariate from before the treatment")
    data, rows, gone = _read(input, [outcome, treatment, *names], drop_missing)
    y, d, X = data[outcome], data[treatment], data[names].to_numpy(float)
    result = weighting.ipw(y, d, X, estimand=estimand.value, trim=trim, level=level)
    e = weighting.propensity(X, d)
    treated = d.to_numpy() == 1
    w = weighting.score_weights(e, treated, estimand.value)
    left = weighting.balance(X, d, w)
    found = Finding(
        "weight", result.effect, result.se, result.interval, level, result.n,
        estimand.value, result.method, [*UNCONFOUNDED, "scores away from 0 and 1"],
    )  # fmt: skip
    _aside(found, gone)
    _small(found, treated)
    found.details["naive_difference"] = naive_difference(y, d)
    if estimand == Whose.ATE:
        other = weighting.aipw(y, d, X, trim=trim, level=level)
        found.details |= {"aipw": other.effect, "aipw_se": other.se}
        apart = abs(other.effect - result.effect)
        found.check(
            "models", apart < 2 * result.se,
            f"AIPW agrees: {other.effect:.4g}",
            f"AIPW says {other.effect:.4g}: a model of score or outcome is off",
        )  # fmt: skip
    arms = {"treated": treated, "control": ~treated}
    effective = {k: float(w[g].sum() ** 2 / (w[g] ** 2).sum()) for k, g in arms.items()}
    found.details |= {f"effective_{k}": round(v, 1) for k, v in effective.items()}
    aim = {k: g.sum() if estimand == Whose.ATE else treated.sum()
           for k, g in arms.items()}  # fmt: skip
    thin = min(effective[k] / aim[k] for k in arms)
    edge = e if estimand == Whose.ATT else np.maximum(e, 1 - e)
    extreme = float((edge > 0.98).mean())
    found.check(
        "overlap", bool(thin > 0.3 and extreme < 0.05),
        f"scores from {e.min():.3f} to {e.max():.3f}",
        f"scores from {e.min():.3f} to {e.max():.3f}: few units carry the weight "
        f"(effective share {thin:.0%}); trim, or ask about a smaller population",
    )  # fmt: skip
    found.check(
        "balance", left.worst < 0.1,
        f"largest standardised difference left {left.worst:.3f}",
        f"a standardised difference of {left.worst:.2f} is left: enrich the model",
    )  # fmt: skip
    found.rows = [
        {"covariate": n, "before": float(a), "after": float(b)}
        for n, a, b in zip(names, left.raw, left.weighted, strict=True)
    ]
    found.rows_title = "Standardised differences before and after weighting"
    _e_value(found, float(np.std(y, ddof=1)), sensitivity)
    _finish(found, start, rows, output, format)


def _e_value(found: Finding, sd: float, sensitivity: Any) -> None:
    low, high = found.interval
    near = 0.0 if low <= 0 <= high else min(found.interval, key=abs)
    found.details |= {
        "e_value": sensitivity.e_value_of_difference(found.effect, sd),
        "e_value_of_interval": sensitivity.e_value_of_difference(near, sd),
    }


@app.command()
def match(
    input: flags.Input,
    outcome: Outcome,
    treatment: Treatment,
    covariate: Covariate = None,
    estimand: Annotated[Whose, typer.Option(help="Whose effect.")] = Whose.ATT,
    neighbours: Annotated[int, typer.Option(help="Matches for each unit.")] = 1,
    caliper: Annotated[
        float | None, typer.Option(help="Largest distance, in deviations.")
    ] = None,
    drop_missing: Missing = False,
    level: Level = 0.95,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Nearest-neighbour matching, adjusted by regression.

    Example: streamrec causal match -i people.csv --outcome y --treatment d
    --covariate age --neighbours 4
    """
    import numpy as np

    from streamrec.causal import matching, sensitivity, weighting
    from streamrec.causal.estimands import naive_difference

    start = now()
    names = covariate or []
    if not names:
        raise ValueError("name at least one --covariate from before the treatment")
    data, rows, gone = _read(input, [outcome, treatment, *names], drop_missing)
    y, d, X = data[outcome], data[treatment], data[names].to_numpy(float)
    result = matching.match(
        y, d, X, neighbours=neighbours, estimand=estimand.value,
        caliper=np.inf if caliper is None else caliper, level=level,
    )  # fmt: skip
    weighting.propensity(X, d)  # refuses covariates that tell the groups apart
    e = result.estimate
    found = Finding(
        "match", e.effect, e.se, e.interval, level, e.n, estimand.value, e.method,
        [*UNCONFOUNDED, "a comparable unit exists for everybody"],
    )  # fmt: skip
    _aside(found, gone)
    _small(found, d.to_numpy() == 1)
    found.details |= {
        "naive_difference": naive_difference(y, d),
        "mean_distance": result.distance,
        "most_often_used": int(result.times_used.max()),
        "units_without_match": result.set_aside,
    }
    found.check(
        "balance", result.balance.worst < 0.1,
        f"largest standardised difference left {result.balance.worst:.3f}",
        f"a standardised difference of {result.balance.worst:.2f} is left: the matches "
        "are not alike; use a caliper or weights",
    )  # fmt: skip
    found.check(
        "caliper", not result.set_aside, "every unit found a match",
        f"{result.set_aside:,} units found no match: the effect is for the others",
    )  # fmt: skip
    found.rows = [
        {"covariate": n, "before": float(a), "after": float(b)}
        for n, a, b in zip(
            names, result.balance.raw, result.balance.weighted, strict=True
        )
    ]
    found.rows_title = "Standardised differences before and after matching"
    _e_value(found, float(np.std(y, ddof=1)), sensitivity)
    _finish(found, start, rows, output, format)


@app.command()
def iv(
    input: flags.Input,
    outcome: Outcome,
    treatment: Annotated[str, typer.Option(help="Column of the treatment.")],
    instrument: Annotated[list[str], typer.Option(help="Instrument; repeat it.")],
    covariate: Covariate = None,
    drop_missing: Missing = False,
    level: Level = 0.95,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Two-stage least squares, the instrument's strength, an honest interval.

    Example: streamrec causal iv -i card.csv --outcome lwage --treatment educ
    --instrument nearc4 --covariate exper
    """
    from streamrec.causal.instrumental import two_stage_least_squares

    start = now()
    names = covariate or []
    data, rows, gone = _read(
        input, [outcome, treatment, *instrument, *names], drop_missing
    )
    result = two_stage_least_squares(
        data[outcome], data[treatment], data[instrument].to_numpy(float),
        data[names].to_numpy(float) if names else None, level=level,
    )  # fmt: skip
    found = Finding(
        "iv", result.effect, result.se, result.interval, level, result.n,
        "LATE", "two-stage least squares",
        [
            "the instrument acts only through the treatment (untestable)",
            "it is as good as random given the covariates",
            "it moves nobody the other way (monotonicity)",
        ],
    )  # fmt: skip
    _aside(found, gone)
    ar = result.anderson_rubin
    found.details |= {
        "first_stage_f": result.first_stage_f,
        "anderson_rubin_low": None if ar is None else ar[0],
        "anderson_rubin_high": None if ar is None else ar[1],
        "ols": result.ols,
        "ols_se": result.ols_se,
    }
    found.check(
        "strength", not result.weak,
        f"first-stage F = {result.first_stage_f:.1f}",
        f"first-stage F = {result.first_stage_f:.1f} is below 10: the instrument is "
        "weak, do not trust the interval above; read Anderson and Rubin's instead",
    )  # fmt: skip
    text = "unbounded: the data do not limit the effect"
    if ar is not None:
        text = f"{ar[0]:.4g} to {ar[1]:.4g}"
    found.check(
        "honest interval", ar is not None,
        f"Anderson and Rubin's interval, valid for any strength: {text}",
        f"Anderson and Rubin's interval is {text}",
    )  # fmt: skip
    _finish(found, start, rows, output, format)


@app.command()
def rdd(
    input: flags.Input,
    outcome: Outcome,
    running: Annotated[str, typer.Option(help="Column that decides treatment.")],
    cutoff: Annotated[float, typer.Option(help="Treated from here on.")],
    bandwidth: Annotated[
        float | None, typer.Option(help="Window on each side; chosen if not given.")
    ] = None,
    kernel: Annotated[Kernel, typer.Option(help="Weights.")] = Kernel.triangular,
    drop_missing: Missing = False,
    level: Level = 0.95,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """A jump at a cutoff by local lines, with its density test and placebos.

    Example: streamrec causal rdd -i deaths.csv --outcome all --running agecell
    --cutoff 21
    """
    import numpy as np

    from streamrec.causal.discontinuity import discontinuity

    start = now()
    data, rows, gone = _read(input, [outcome, running], drop_missing)
    x, y = data[running].to_numpy(float), data[outcome].to_numpy(float)
    result = discontinuity(
        x, y, cutoff, bandwidth=bandwidth, kernel=kernel.value, level=level
    )
    found = Finding(
        "rdd", result.effect, result.se, result.robust_interval, level,
        result.n_left + result.n_right, "effect at the cutoff",
        "local lines, robust interval",
        [
            "everything else moves continuously through the cutoff",
            "nobody can place the running variable exactly",
        ],
    )  # fmt: skip
    _aside(found, gone)
    found.details |= {
        "bandwidth": result.bandwidth,
        "n_left": result.n_left,
        "n_right": result.n_right,
        "conventional_low": result.interval[0],
        "conventional_high": result.interval[1],
        "density_p": result.density_p,
    }
    if result.density_p is not None:
        found.check(
            "density", result.density_p > 0.01,
            f"no sorting at the cutoff seen (p = {result.density_p:.2g})",
            f"the density jumps at the cutoff (p = {result.density_p:.2g}): units may "
            "have placed themselves",
        )  # fmt: skip
    else:
        found.check("density", False, "", "fewer than 200 units: sorting not tested")
    found.rows_title = "Other bandwidths and false cutoffs"
    for factor in (0.5, 0.75, 1.5, 2.0):
        _try(found, f"bandwidth x {factor:g}", x, y, cutoff, factor * result.bandwidth,
             kernel.value, level, discontinuity)  # fmt: skip
    for side, label in ((x < cutoff, "left"), (x >= cutoff, "right")):
        middle = float(np.median(x[side]))
        _try(found, f"false cutoff {middle:.4g} ({label})", x[side], y[side], middle,
             result.bandwidth, kernel.value, level, discontinuity)  # fmt: skip
    jumps = [r for r in found.rows if r["label"].startswith("false")
             and not r["interval"][0] <= 0 <= r["interval"][1]]  # fmt: skip
    found.check(
        "placebo", not jumps, "no jump at the false cutoffs",
        f"{len(jumps)} of the false cutoffs jump too: lines may not fit these data",
    )  # fmt: skip
    _finish(found, start, rows, output, format)


def _try(
    found: Finding, label: str, x: Any, y: Any, cutoff: float, h: float, kernel: str,
    level: float, run: Any,
) -> None:  # fmt: skip
    """One more row, if there are units enough for it."""
    try:
        r = run(x, y, cutoff, bandwidth=h, kernel=kernel, level=level)
    except ValueError:
        return
    found.rows.append(
        {"label": label, "middle": r.effect, "interval": r.robust_interval}
    )


@app.command()
def did(
    input: flags.Input,
    outcome: Outcome,
    unit: Annotated[str, typer.Option(help="Column of the unit.")],
    time: Annotated[str, typer.Option(help="Column of the period.")],
    first_treated: Annotated[
        str, typer.Option(help="First treated period; 0 or empty if never.")
    ],
    control: Annotated[
        ControlGroup, typer.Option(help="Who stands for the untreated.")
    ] = ControlGroup.never,
    level: Level = 0.95,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Difference-in-differences, also when adoption is staggered.

    Example: streamrec causal did -i counties.csv --outcome lemp --unit county
    --time year --first-treated first
    """
    from streamrec.causal.differences import (
        group_time_effects,
        panel,
        two_way_fixed_effects,
        with_a_period_before,
    )

    start = now()
    data = read_table(input)
    p = panel(data, unit=unit, time=time, outcome=outcome, first_treated=first_treated)
    p, always = with_a_period_before(p)
    result = group_time_effects(p, control=control.value, level=level)
    twfe = two_way_fixed_effects(p, level=level)
    overall = result.overall
    found = Finding(
        "did", overall.effect, overall.se, overall.interval, level, len(p.units),
        "ATT over treated unit-periods", "group-time difference-in-differences",
        [
            "without treatment the changes would have been parallel (untestable)",
            "nobody reacts before the treatment",
            "one unit's treatment leaves the others alone",
        ],
    )  # fmt: skip
    found.details |= {
        "two_way_fixed_effects": twfe.effect,
        "two_way_fixed_effects_se": twfe.se,
        "pretrend_p": result.pretrend_p,
        "group_time": result.table,
    }
    if result.pretrend_p is None:
        found.check("pre-trend", False, "", "no trend before treatment to test")
    else:
        found.check(
            "pre-trend", result.pretrend_p > 0.05,
            f"changes before treatment were alike (p = {result.pretrend_p:.2g}), which "
            "does not prove that they would have stayed so",
            f"changes differed before treatment (p = {result.pretrend_p:.2g}): the "
            "comparison is in doubt",
        )  # fmt: skip
    if always:
        found.check(
            "set aside", False, "",
            f"{always:,} units are treated from the first period on, with nothing to "
            "compare before, and were set aside",
        )  # fmt: skip
    sizes = [int((p.first == g).sum()) for g in {r["group"] for r in result.table}]
    found.check(
        "size", min(*sizes, int((p.first == float("inf")).sum())) >= 5,
        "at least 5 units in each cohort",
        "a cohort, or the never treated, has fewer than 5 units: the interval is not "
        "to be trusted",
    )  # fmt: skip
    cohorts = len(sizes)
    apart = abs(twfe.effect - overall.effect)
    found.check(
        "two-way fixed effects", cohorts == 1 or apart < overall.se,
        f"two-way fixed effects agree: {twfe.effect:.4g}",
        f"two-way fixed effects say {twfe.effect:.4g}: they are wrong where effects "
        "differ over cohorts or time",
    )  # fmt: skip
    found.rows = [
        {
            "label": f"{e:+d} periods" + (" (before)" if e < 0 else ""),
            "middle": v.effect,
            "interval": v.interval,
        }
        for e, v in result.by_event.items()
    ]
    found.rows_title = "Effect by time since treatment"
    _finish(found, start, len(data), output, format)
