"""``streamrec grade``: from a folder of submissions to points and feedback."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streamrec.cli import flags, grade_report
from streamrec.cli.output import emit

app = typer.Typer(
    help="Grade submissions in a sandbox; check a key.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Jobs = Annotated[
    int | None, typer.Option(min=1, max=64, help="At a time; by default one a core.")
]
Unsandboxed = Annotated[
    bool, typer.Option(help="Go on with limits alone if no sandbox holds.")
]
Root = Annotated[bool, typer.Option(help="Go on as root.")]


@app.command()
def run(
    submissions: Annotated[
        Path, typer.Argument(help="Folder: a notebook, folder or zip a person.")
    ],
    key: Annotated[Path, typer.Option(help="The key's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of results.")],
    jobs: Jobs = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Grade this id alone (repeat for more).")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what was modified since (UTC).")
    ] = None,
    seed: Annotated[
        str | None, typer.Option(help="Any text; by default the key's seed.")
    ] = None,
    sandbox: Annotated[
        str | None, typer.Option(help="Use this sandbox, for example bubblewrap.")
    ] = None,
    allow_unsandboxed: Unsandboxed = False,
    allow_root: Root = False,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Run the key's criteria on every submission; what is up to date is kept.

    Each answer runs in its own sandbox, which is probed first and named in the result.
    Stop with Ctrl-C and run the same command to go on. Then: streamrec grade report.

    Exit 0: all graded. 1: some need a look. 2: bad input, or the grader is broken.
    """
    from streamrec.grading.runner import run as grade

    moment = since.replace(tzinfo=UTC) if since is not None else None
    with _Bar() as bar:
        summary = grade(
            submissions,
            key,
            output,
            jobs=jobs,
            only=only or (),
            since=moment,
            seed=seed,
            allow_unsandboxed=allow_unsandboxed,
            allow_root=allow_root,
            sandbox=sandbox,
            progress=bar,
        )
    rows = [
        {
            "id": s["id"],
            "points": s["points"],
            "of": s["max"],
            "status": s["status"],
            "look": "; ".join(s["needs_a_look"])[:100],
            "seconds": s["seconds"],
        }
        for s in summary.states
    ]
    if format == flags.OutputFormat.json or verbose:
        emit(rows, format)
    else:
        emit([r for r in rows if r["look"]], format) if summary.exit_code else None
    if format != flags.OutputFormat.json:
        looks = sum(bool(s["needs_a_look"]) for s in summary.states)
        typer.echo(
            f"{len(rows)} submissions: {summary.graded} graded, {summary.reused} kept, "
            f"{looks} need a look; sandbox: {summary.sandbox}; results in {output}"
        )
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


@app.command()
def verify(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Chapters, tracks (A) or key folders; default: all."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="How many seeds to try.")
    ] = 1,
    jobs: Jobs = None,
    allow_unsandboxed: Unsandboxed = False,
    allow_root: Root = False,
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Check keys: solution all points, stub none, wrong answers their known points.

    Chapters are looked up in solutions/keys below the current folder; A, B and C are
    the keys of the project tracks. Exit 1 if a key does not hold.
    """
    from streamrec.grading.verify import verify_key

    failed = False
    scratch = tempfile.TemporaryDirectory(prefix="streamrec-keys-")
    for folder in _keys(keys or [], Path(scratch.name)):
        found = verify_key(
            folder,
            seeds=[""] + [f"extra {i}" for i in range(1, seeds)],
            jobs=jobs,
            allow_unsandboxed=allow_unsandboxed,
            allow_root=allow_root,
        )
        for line in found:
            typer.echo(f"{folder.name}: {line}", err=True)
        failed |= bool(found)
        if not found:
            typer.echo(f"{folder.name}: holds")
    scratch.cleanup()
    if failed:
        raise typer.Exit(1)


app.command()(grade_report.sheet)
app.command()(grade_report.report)


def _keys(words: list[str], scratch: Path) -> list[Path]:
    """Key folders for chapter numbers or names, tracks or paths; all if none is given.

    The keys of tracks are written to ``scratch`` first.
    """
    home = Path("solutions", "keys")
    if not words:
        found = sorted(p.parent for p in home.glob("*/key.yaml"))
        if not found:
            raise ValueError(
                "there are no keys in solutions/keys here: give a key's folder"
            )
        return found + [_track(name, scratch) for name in "ABC"]
    out = []
    for word in words:
        if word in ("A", "B", "C"):
            out.append(_track(word, scratch))
            continue
        if Path(word).is_dir():
            out.append(Path(word))
            continue
        number = f"{int(word):02d}" if word.isdigit() else word
        found = sorted(p.parent for p in home.glob(f"{number}*/key.yaml"))
        if len(found) != 1:
            raise ValueError(f"there is no key {word!r} in solutions/keys")
        out += found
    return out


def _track(name: str, scratch: Path) -> Path:
    """The key of a track, with a seed that stays."""
    from streamrec.tracks.key import write_key

    return write_key(scratch / f"track-{name.lower()}", name, f"track {name}")


class _Bar:
    """A progress bar on stderr, if that is a terminal; no thread of its own."""

    def __enter__(self) -> _Bar:
        self.shown = sys.stderr.isatty()
        return self

    def __call__(self, id: str, done: int, total: int) -> None:
        if self.shown:
            width = 30 * done // max(total, 1)
            bar = "#" * width + "." * (30 - width)
            sys.stderr.write(f"\r[{bar}] {done}/{total} {id[:30]:30s}")
            sys.stderr.flush()

    def __exit__(self, *args: object) -> None:
        if self.shown:
            sys.stderr.write("\r" + " " * 80 + "\r")
            sys.stderr.flush()
