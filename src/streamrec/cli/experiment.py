"""``streamrec experiment``: design, assign, analyze."""

from __future__ import annotations

import csv
import io
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text

app = typer.Typer(
    help="Experiments: design, assign, analyze.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Kind(StrEnum):
    """Kinds of metric to plan for."""

    binary = "binary"
    continuous = "continuous"


class Formula(StrEnum):
    """Sample sizes for two proportions."""

    unpooled = "unpooled"
    pooled = "pooled"
    arcsine = "arcsine"


class Correction(StrEnum):
    """How several comparisons share alpha."""

    none = "none"
    bonferroni = "bonferroni"
    holm = "holm"
    bh = "bh"


@app.command()
def design(
    baseline: Annotated[float, typer.Option(help="Rate or mean in control.")],
    effect: Annotated[float, typer.Option(help="Smallest effect worth finding.")],
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Effect in units, not relative.")
    ] = False,
    kind: Annotated[Kind, typer.Option(help="Kind of metric.")] = Kind.binary,
    sd: Annotated[
        float | None, typer.Option(help="Standard deviation of a user (continuous).")
    ] = None,
    alpha: Annotated[float, typer.Option(help="False alarms allowed.")] = 0.05,
    power: Annotated[float, typer.Option(help="Chance to find the effect.")] = 0.8,
    ratio: Annotated[float, typer.Option(help="Users in a treatment per control.")] = 1,
    arms: Annotated[int, typer.Option(help="Arms, control included.")] = 2,
    metrics: Annotated[int, typer.Option(help="Metrics that are tested.")] = 1,
    correction: Annotated[
        Correction, typer.Option(help="For several comparisons.")
    ] = Correction.bonferroni,
    formula: Annotated[
        Formula, typer.Option(help="For two proportions.")
    ] = Formula.unpooled,
    traffic: Annotated[
        float | None, typer.Option(help="Users a day, all arms.")
    ] = None,
    rho: Annotated[float, typer.Option(help="Correlation with a covariate.")] = 0.0,
    cluster_size: Annotated[float, typer.Option(help="Users in a cluster.")] = 1.0,
    icc: Annotated[float, typer.Option(help="Correlation within clusters.")] = 0.0,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Users in each arm, and days at a given traffic.

    Example: streamrec experiment design --baseline 0.05 --effect 0.1 --traffic 8000
    """
    from streamrec.experiments import power as planning

    start = now()
    plan = planning.design(
        baseline,
        effect,
        relative=not absolute,
        kind=kind.value,
        sd=sd,
        alpha=alpha,
        power=power,
        ratio=ratio,
        arms=arms,
        metrics=metrics,
        correction=correction.value,
        formula=formula.value,
        traffic=traffic,
        rho=rho,
        cluster_size=cluster_size,
        icc=icc,
    )
    result = plan.as_dict()
    if format == flags.OutputFormat.json:
        result = envelope("ok", start, 1, result)
    emit(result, format, output)


@app.command()
def assign(
    input: flags.Input,
    salt: Annotated[str, typer.Option(help="Name of the experiment; never reuse it.")],
    arm: Annotated[
        list[str], typer.Option(help="NAME=SHARE, control first; repeat it.")
    ],
    unit: Annotated[str, typer.Option(help="Column that is assigned.")] = "user_id",
    config: flags.Config = None,
    output: flags.Output = None,
    verbose: flags.Verbose = False,
) -> None:
    """Give every unit of a CSV or Parquet file its arm: unit and arm, as CSV.

    Example: streamrec experiment assign -i users.csv --salt banner-1
    --arm control=0.5 --arm new=0.5
    """
    from streamrec.cli.tables import read_table
    from streamrec.experiments.assignment import assign as draw

    shares: dict[str, float] = {}
    for text in arm:
        name, _, share = text.rpartition("=")
        if name in shares:
            raise ValueError(f"--arm {text}: {name!r} is named twice")
        try:
            shares[name] = float(share)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--arm {text}: write NAME=SHARE, control=0.5")
    # As text: 007 and 7 are two units, and long numbers keep their last digits.
    ids = read_table(input, [unit], as_text=True)[unit]
    if ids.isna().any():
        raise ValueError(f'{int(ids.isna().sum())} rows have no "{unit}"')
    ids = ids.drop_duplicates()
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow([unit, "variant"])
    rows.writerows(zip(ids, draw(ids, shares, salt), strict=True))
    if output is None:
        typer.echo(buffer.getvalue(), nl=False)
    else:
        write_text(output, buffer.getvalue())


@app.command()
def analyze(
    input: Annotated[
        Path | None, typer.Option("--input", "-i", help="CSV or Parquet file.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help="YAML or JSON file of the plan.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Column of the unit.")] = "user_id",
    variant: Annotated[str, typer.Option(help="Column of the arm.")] = "variant",
    arm: Annotated[
        list[str] | None, typer.Option(help="NAME=SHARE, control first; repeat it.")
    ] = None,
    binary: Annotated[list[str] | None, typer.Option(help="A 0/1 column.")] = None,
    mean: Annotated[list[str] | None, typer.Option(help="A numeric column.")] = None,
    ratio: Annotated[
        list[str] | None, typer.Option(help="NUMERATOR/DENOMINATOR columns.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Use a built-in experiment.")
    ] = False,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Compare the arms; --output report.html writes a report with pictures.

    Exit code 1 if a check stops the report (sample ratio, units in two arms).

    Examples: streamrec experiment analyze --example -o report.html
    streamrec experiment analyze -i users.csv --plan plan.yaml -o report.html
    streamrec experiment analyze -i users.csv --arm control=0.5 --arm new=0.5
    --binary converted
    """
    from streamrec.experiments.analysis import analyze as compare
    from streamrec.experiments.plan import ExperimentPlan
    from streamrec.experiments.report import page

    start = now()
    if output is not None and output.suffix.lower() != ".html":
        raise ValueError(f"--output {output}: the report is an .html file")
    data: Any = input
    if example and (input is not None or plan is not None):
        raise ValueError("--example brings its own users and plan: leave out the file")
    if plan is not None and (arm or binary or mean or ratio):
        raise ValueError(
            "the plan names arms and metrics: leave out --arm, --binary, --mean and "
            "--ratio, or the plan"
        )
    if example:
        import yaml

        from streamrec.experiments import example as shop

        data, chosen = (
            shop.users(),
            ExperimentPlan.from_mapping(yaml.safe_load(shop.PLAN)),
        )
    elif input is None:
        raise ValueError("give the users with --input FILE, or try --example")
    elif plan is not None:
        chosen = ExperimentPlan.from_mapping(flags.read_config(plan))
    else:
        chosen = _ad_hoc(input, unit, variant, arm, binary, mean, ratio)
    result = compare(data, chosen)
    if output is not None:
        write_text(output, page(result))
    status = "failed" if result["stopped"] else "ok"
    if format == flags.OutputFormat.json:
        emit(envelope(status, start, result["counts"]["rows"], result), format)
    else:
        _show(result)
        if output is not None:
            typer.echo(f"report: {output}")
    if result["stopped"]:
        raise typer.Exit(1)


def _ad_hoc(
    input: Path,
    unit: str,
    variant: str,
    arm: list[str] | None,
    binary: list[str] | None,
    mean: list[str] | None,
    ratio: list[str] | None,
) -> Any:
    """A plan from flags: nothing was registered, so all of it is exploratory."""
    from streamrec.experiments.plan import ExperimentPlan, PlannedMetric

    metrics = [PlannedMetric(c, "binary", c) for c in binary or []]
    metrics += [PlannedMetric(c, "mean", c) for c in mean or []]
    for text in ratio or []:
        top, slash, bottom = text.partition("/")
        if not (top and slash and bottom):
            raise ValueError(f"--ratio {text}: write NUMERATOR/DENOMINATOR")
        metrics.append(PlannedMetric(text, "ratio", top, denominator=bottom))
    if not metrics or not arm:
        raise ValueError(
            "give --plan FILE, or the arms (--arm control=0.5 --arm new=0.5) and a "
            "metric (--binary, --mean or --ratio)"
        )
    shares = {}
    for text in arm:
        name, _, share = text.rpartition("=")
        shares[name] = share
    return ExperimentPlan.from_mapping(
        {
            "name": input.stem,
            "unit": unit,
            "variant": variant,
            "arms": shares,
            "metrics": [],
            "registered": False,
        }
        | {"metrics": [_plain(m) for m in metrics]}
    )


def _plain(metric: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(metric)


def _show(result: dict[str, Any]) -> None:
    if result["metrics"]:
        several = len(result["arms"]) > 2
        emit(
            [
                {
                    "metric": r["metric"] + (f" ({r['arm']})" if several else ""),
                    "role": r["role"],
                    "control": r["control"],
                    "treated": r["treatment"],
                    "effect": r["effect"],
                    "low": r["interval"][0],
                    "high": r["interval"][1],
                    "lift": "" if r["lift"] is None else f"{r['lift']:+.1%}",
                    "p": r["p_adjusted"],
                    "verdict": r["verdict"],
                }
                for r in result["metrics"]
            ]
        )
    for line in result["summary"]:
        typer.echo(f"- {line}")
