"""``streamrec track``: run a whole track on a data set."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.data import Duplicates, TimeUnit
from streamrec.cli.output import emit, envelope, now
from streamrec.cli.world import Size

app = typer.Typer(
    help="Run a whole track: data in, recommendations and a report out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Track(StrEnum):
    """Tracks that run end to end."""

    a = "a"


@app.callback()
def top() -> None:
    """Run a whole track: data in, recommendations and a report out."""


@app.command()
def run(
    track: Annotated[Track, typer.Argument(help="Which track.")],
    data: Annotated[
        str, typer.Option(help="movielens, world, or the path of a ratings file.")
    ] = "movielens",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for all that is written.")
    ] = Path("out"),
    map: Annotated[
        str, typer.Option(help="Columns of your file: user=client,item=sku,time=when.")
    ] = "",
    items: Annotated[
        Path | None, typer.Option(help="Your items: item, title, category, text.")
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="Your users: user and features.")
    ] = None,
    on_duplicates: Annotated[
        Duplicates, typer.Option(help="What to do with repeated rows.")
    ] = Duplicates.error,
    time_unit: Annotated[
        TimeUnit, typer.Option(help="Unit of the time column.")
    ] = TimeUnit.s,
    size: Annotated[Size, typer.Option(help="Size of the world.")] = Size.small,
    k: Annotated[int, typer.Option("-k", help="Places shown to a person.")] = 10,
    trade: Annotated[
        float, typer.Option(help="Weight of variety in a list, 0 to 1.")
    ] = 0.1,
    exposure: Annotated[
        float, typer.Option(help="Largest Gini of exposure of item groups; 1: any.")
    ] = 0.27,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer settings, shorter training.")
    ] = False,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Learn, judge, re-rank, serve, watch and audit; write report.html.

    A run that was killed goes on where it was when it is started again. Track A is
    described on its page in the book.

    Examples: streamrec track run a --data movielens --output out/a
    streamrec track run a --data sales.csv --map user=client,item=sku,time=when
    --output out/shop
    """
    from streamrec.tracks.a import Settings
    from streamrec.tracks.a import run as compose

    start, began = now(), time.monotonic()

    def say(stage: str) -> None:
        if verbose or sys.stderr.isatty():
            print(f"{time.monotonic() - began:6.1f} s  {stage}", file=sys.stderr)

    results = compose(
        data,
        output,
        Settings(k=k, trade=trade, exposure=exposure, quick=quick, seed=seed),
        columns=mapping(map),
        items=items,
        users=users,
        size=size.value,
        on_duplicates=on_duplicates.value,
        time_unit=time_unit.value,
        say=say,
    )
    if format == flags.OutputFormat.json:
        emit(envelope("ok", start, results["data"]["interactions"], results), format)
        return
    emit(rows(results), format)
    typer.echo(f"report: {output / 'report.html'}")


def mapping(text: str) -> dict[str, str]:
    """``user=client,item=sku`` as a dictionary.

    >>> mapping("user=client, item=sku")
    {'user': 'client', 'item': 'sku'}
    """
    out: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        role, found, column = (x.strip() for x in part.partition("="))
        if role not in ("user", "item", "time", "value") or not (found and column):
            raise ValueError(
                f"--map {part}: write user=COLUMN,item=COLUMN,time=COLUMN (and "
                "value=COLUMN if there is one)"
            )
        if role in out:
            raise ValueError(f"--map names {role} twice: give it one column")
        out[role] = column
    return out


def rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Quality of every system, best first, with the stack's gain over it."""
    gain = {
        r["against"]: f"{r['difference']:+.4f} ({r['low']:+.4f} to {r['high']:+.4f})"
        for r in results["paired"]
        if r["metric"] == "ndcg"
    }
    return [
        {
            "system": q["system"],
            "ndcg": round(q["ndcg"], 4),
            "recall": round(q["recall"], 4),
            "gain_of_the_stack": gain.get(q["system"], ""),
        }
        for q in sorted(results["quality"], key=lambda q: -q["ndcg"])
    ]
