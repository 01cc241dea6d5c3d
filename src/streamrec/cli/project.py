"""``streamrec project``: lay out a project, check it, write its key."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit

app = typer.Typer(
    help="Your own project: lay it out, check it; a key to grade by.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Track(StrEnum):
    """The project tracks."""

    A = "A"
    B = "B"
    C = "C"


TrackOption = Annotated[
    Track, typer.Option("--track", "-t", case_sensitive=False, help="A, B or C.")
]


@app.command()
def new(
    name: Annotated[Path, typer.Argument(help="The project's folder, not yet there.")],
    track: TrackOption,
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Lay out a project: a package of stubs, a notebook, documents to fill, data.

    Stubs that you have not filled fall back to the reference, so it all runs at once.
    """
    from streamrec.tracks.layout import create
    from streamrec.tracks.milestones import parts

    create(name, track.value)
    own = sum(not p.given for p in parts(track.value))
    typer.echo(f"{name}: track {track.value}, {own} milestones; see {name}/README.md")
    typer.echo(f"next: streamrec project check {name}")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path("."),
    milestone: Annotated[
        str | None, typer.Option("--milestone", "-m", help="This one alone: M0, ...")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the worlds; try others.")] = 0,
    seconds: Annotated[
        float, typer.Option(min=1, help="After which your process is ended.")
    ] = 600.0,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Run the visible criteria on a project; say how much of it is yours.

    What passes here behaves as asked on these worlds. The grader draws others.

    Exit 0: nothing that you wrote fails. 1: something does. 2: there is no project.
    """
    from streamrec.tracks.check import check as run

    project, results = run(folder, milestone, seed=seed, seconds=seconds)
    if format == flags.OutputFormat.json:
        emit([_record(r) for r in results], format)
    else:
        typer.echo(f"{project.folder.name}: track {project.track}")
        for r in results:
            _show(r)
        own = [r for r in results if not r.given]
        yours = sum(r.yours for r in own)
        stand_in = [r.name for r in own if not r.yours]
        if own:
            more = f"; the reference stands in for {', '.join(stand_in)}"
            typer.echo(f"{yours} of {len(own)} are yours{more if stand_in else ''}")
    if any(r.failed for r in results):
        raise typer.Exit(1)


def _record(r: Any) -> dict[str, Any]:
    return {
        "milestone": r.name,
        "yours": r.yours,
        "written": r.written,
        "message": r.message,
        "criteria": r.criteria,
    }


def _show(r: Any) -> None:
    """A line for the milestone, and one for each criterion."""
    if not r.given and not r.written and not r.message:
        typer.echo(f"{r.name}: not yours yet, the reference stands in")
        return
    part = "" if r.given or r.yours else f" ({len(r.written)} of {len(r.functions)})"
    typer.echo(f"{r.name}: {r.title}{part}")
    if r.message:
        typer.echo(f"  ✗ {r.message}")
    for c in r.criteria:
        sign = {"passed": "✓", "failed": "✗"}.get(c["status"], "○")
        text = f"  {sign} {c['label']}"
        if c["message"]:
            text += f": {c['message']}"
        if c["status"] == "failed":
            text += f". Hint: {c['hint']}"
        typer.echo(text)


@app.command()
def key(
    folder: Annotated[Path, typer.Argument(help="The key's folder, not yet there.")],
    track: TrackOption,
    seed: Annotated[
        str, typer.Option(help="Any text; by default each run draws its own.")
    ] = "",
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Write the key that grades a track, for: streamrec grade run PROJECTS --key KEY.

    Without --seed every run draws 128 bits of its own and keeps them in its folder.
    """
    from streamrec.tracks.key import write_key
    from streamrec.tracks.milestones import note

    write_key(folder, track.value, seed)
    typer.echo(f"{folder}: key of track {track.value}")
    typer.echo(note(track.value))
