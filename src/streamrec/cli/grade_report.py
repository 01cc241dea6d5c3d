"""``streamrec grade report`` and ``sheet``: what comes after a run."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamrec.cli import flags

Run = Annotated[Path, typer.Argument(help="Folder of a run's results.")]


class Layout(StrEnum):
    """Files that other systems import."""

    canvas = "canvas"
    gradescope = "gradescope"
    nbgrader = "nbgrader"


def report(
    output: Run,
    manual: Annotated[
        Path | None, typer.Option(help="Points by hand: id, question, criterion, ...")
    ] = None,
    due: Annotated[
        Path | None, typer.Option(help="Due times: id (* for all), due, submitted.")
    ] = None,
    late_per_day: Annotated[
        float, typer.Option(min=0, max=100, help="Percent lost a day begun.")
    ] = 10.0,
    late_cap: Annotated[
        float, typer.Option(min=0, max=100, help="Percent lost at most.")
    ] = 50.0,
    grace: Annotated[
        float, typer.Option(min=0, help="Minutes after the due time that are free.")
    ] = 15.0,
    teams: Annotated[
        Path | None, typer.Option(help="Teams: student, submission, multiplier.")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="Class list with an id, or Canvas' or Gradescope's export."),
    ] = None,
    export: Annotated[
        list[Layout] | None, typer.Option(help="Also write this layout (repeat).")
    ] = None,
    assignment: Annotated[
        str, typer.Option(help="The assignment's name in the exports.")
    ] = "",
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Write gradebook, a page of feedback each, and an overview. Runs nobody's code.

    Repeat it whenever a sheet changes. An example:

    streamrec grade report results --manual manual.csv --due due.csv --export canvas

    Exit 0: all graded. 1: some need a look. 2: bad input.
    """
    from streamrec.grading.manual import LateRule
    from streamrec.grading.report import write_report
    from streamrec.grading.state import room

    with room(output):
        made = write_report(
            output,
            manual=manual,
            due=due,
            teams=teams,
            roster=roster,
            late=LateRule(late_per_day, late_cap, timedelta(minutes=grace)),
            layouts=[layout.value for layout in export or ()],
            assignment=assignment,
        )
    look = sum(bool(line.look) for line in made.lines)
    pending = sum(bool(line.pending) for line in made.lines)
    missing = sum(line.state is None for line in made.lines)
    typer.echo(
        f"{len(made.lines)} students: {look} need a look, {pending} have points "
        f"pending, {missing} handed in nothing"
    )
    typer.echo(f"gradebook: {output / 'gradebook.csv'}")
    typer.echo(f"overview:  {output / 'overview.html'}")
    typer.echo(f"feedback:  {output / 'feedback'}")
    if look:
        raise typer.Exit(1)


def sheet(
    output: Run,
    manual: Annotated[
        Path | None, typer.Option(help="The sheet; by default manual.csv in OUTPUT.")
    ] = None,
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Write the sheet for points by hand, and pages with the answers to read.

    What an existing sheet holds is kept; new submissions get blank lines. Write points
    or a share such as 75%, then: streamrec grade report OUTPUT --manual SHEET
    """
    from streamrec.grading.manual import write_sheet
    from streamrec.grading.report import read_key, write_answers
    from streamrec.grading.state import read_run

    path = manual if manual is not None else output / "manual.csv"
    ids = sorted(read_run(output)["submissions"])
    lines, blank = write_sheet(path, ids, read_key(output)["questions"])
    pages = write_answers(output)
    typer.echo(f"{path}: {lines} lines, {blank} still blank")
    for page in pages:
        typer.echo(f"answers: {page}")
