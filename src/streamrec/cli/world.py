"""``streamrec world``: describe worlds, measure canon, coverage and realism."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit

app = typer.Typer(
    help="Simulated worlds with known truth.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Size(StrEnum):
    """Sizes of worlds; MediCore and TerraML have no full."""

    tiny = "tiny"
    small = "small"
    medium = "medium"
    full = "full"


@app.command()
def describe(
    name: Annotated[
        str, typer.Argument(help="streaming, medicore, meridian, terraml.")
    ],
    size: Annotated[Size, typer.Option(help="Size.")] = Size.small,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
) -> None:
    """Print a page about a world."""
    from streamrec.worlds import world_class

    cls: Any = world_class(name)
    typer.echo(cls(size.value, seed).describe())


@app.command()
def calibrate(
    seeds: Annotated[int, typer.Option(min=1, help="Number of worlds.")] = 10,
    size: Annotated[Size, typer.Option(help="Size.")] = Size.small,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
) -> None:
    """Canon against measurement; exit code 1 if a figure lies outside its tolerance."""
    from streamrec.worlds.calibration import table

    rows = table(seeds, size.value)
    emit(rows.to_dict("records"), format, output)
    if not rows["inside"].all():
        raise typer.Exit(1)


@app.command()
def coverage(
    worlds: Annotated[int, typer.Option(min=2, help="Number of worlds.")] = 500,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
) -> None:
    """Do nominal 95 % intervals cover? Exit code 1 if a verdict fails."""
    from streamrec.worlds.coverage import study

    _finish(study(worlds), "estimators", output, format)


@app.command()
def realism(
    seeds: Annotated[int, typer.Option(min=1, help="Number of worlds.")] = 5,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
) -> None:
    """Interactions against MovieLens 100k; exit code 1 if a verdict fails."""
    from streamrec.worlds.validation import realism as measure

    _finish(measure(seeds), "rows", output, format)


def _finish(found: dict[str, Any], rows: str, output: Any, format: Any) -> None:
    """Write everything as JSON or the main table, then the verdicts."""
    if format == flags.TABLE and output is None:
        emit(found[rows], format, output)
        for verdict, holds in found["verdicts"].items():
            typer.echo(f"{'ok' if holds else 'FAILED'}  {verdict}")
    else:
        emit(found, format, output)
    if not all(found["verdicts"].values()):
        raise typer.Exit(1)
