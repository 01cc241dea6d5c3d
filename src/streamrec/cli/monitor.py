"""``streamrec monitor``: is this week's data like the data that was good?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now
from streamrec.cli.tables import read_table

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def monitor(
    reference: Annotated[
        Path, typer.Option(help="CSV or Parquet file: weeks that were good.")
    ],
    current: Annotated[
        Path, typer.Option(help="CSV or Parquet file: the day or week to check.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for report.html, report.json."),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="DuckDB file that keeps every window's checks.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of this table there.")] = "events",
    user: Annotated[str, typer.Option(help="Column of the user.")] = "user",
    item: Annotated[str, typer.Option(help="Column of the item.")] = "item",
    time: Annotated[str, typer.Option(help="Column of the time.")] = "timestamp",
    key: Annotated[
        list[str] | None,
        typer.Option(help="Column that helps to name an event once; repeat it."),
    ] = None,
    outcome: Annotated[
        str | None, typer.Option(help="A 0/1 column, clicked for example.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Watch this column only; repeat it.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Do not watch this column; repeat it.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="First day of the window, 2025-01-06.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="Days of the window, empty ones included.")
    ] = None,
    present: Annotated[
        str | None, typer.Option("--now", help="The present, for the data's age.")
    ] = None,
    freshness_hours: Annotated[
        float, typer.Option(help="Age allowed of the newest event at --now.")
    ] = 24.0,
    false_alarms: Annotated[
        float, typer.Option(help="Chance of any false alarm in a quiet window.")
    ] = 0.05,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Compare a day or a week of events with weeks that were good.

    Volume, gaps, duplicates, clocks, missing values, distributions, units, features
    that no longer change, coverage. Thresholds allow for rows that come in users and
    for weeks that differ, and hold for all checks together.

    Exit code 0 if it is quiet, 1 on an alarm, 2 for input that cannot be used.

    Examples: streamrec monitor --reference train.parquet --current week.parquet
    --outcome clicked --output out/monitor --history monitor.duckdb
    """
    from streamrec.production.monitoring import (
        Monitor,
        MonitorSettings,
        record,
        write_report,
    )
    from streamrec.production.monitoring import history as windows_so_far

    begun = now()
    named = [c for c, usual in ((item, "item"), (time, "timestamp")) if c != usual]
    before, week = read_table(reference), read_table(current)
    lost = [c for c in named if c not in before.columns]
    if lost:
        raise ValueError(
            f"{reference.name} lacks the columns {', '.join(lost)}; it has "
            f"{', '.join(map(str, before.columns))}"
        )
    settings = MonitorSettings(
        user=user,
        item=item if item in before.columns else None,
        time=time if time in before.columns else None,
        key=tuple(key) if key else None,
        outcome=outcome,
        columns=tuple(column) if column else None,
        ignore=tuple(ignore or ()),
        false_alarms=false_alarms,
        freshness_hours=freshness_hours,
    )
    if output is not None and output.exists() and not output.is_dir():
        raise ValueError(f"--output {output} is a file: give the name of a folder")
    if days is not None and days < 1:
        raise ValueError(f"--days {days}: a window has at least one day")
    report = (
        Monitor(settings)
        .fit(before)
        .check(week, now=_moment(present, "--now"), start=_moment(start, "--start"),
               days=days)
    )  # fmt: skip
    past = None
    if history is not None:
        record(report, history, name)
        past = windows_so_far(history, name)
    found = report.to_dict() | {"report": None, "history": None}
    if output is not None:
        files = write_report(report, output, title=f"Monitoring {name}", past=past)
        found["report"] = str(files["report.html"])
    if history is not None:
        found["history"] = str(history)
    if format == flags.OutputFormat.json:
        status = "ok" if report.ok else "failed"
        emit(envelope(status, begun, len(week), found), format)
    else:
        _show(report, found)
    if not report.ok:
        raise typer.Exit(1)


def _moment(text: str | None, option: str) -> Any:
    import pandas as pd

    if text is None:
        return None
    try:
        moment = pd.Timestamp(text)
    except ValueError:
        raise ValueError(
            f"{option} {text}: write a date such as 2025-01-06, or 2025-01-06T12:00"
        ) from None
    return moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo else moment


def _show(report: Any, found: dict[str, Any]) -> None:
    typer.echo(report.paragraph())
    if report.alarms:
        emit(
            [
                {"fault": c.fault, "check": c.name, "finding": c.text,
                 "may follow from": c.explained_by or ""}
                for c in report.alarms
            ]
        )  # fmt: skip
    typer.echo(f"{len(report.checks)} checks")
    for text in report.skipped:
        typer.echo(f"- not checked: {text}")
    for name in ("report", "history"):
        if found[name] is not None:
            typer.echo(f"{name}: {found[name]}")
