"""``streamrec chapters``: the list of chapters, from the syllabus."""

from __future__ import annotations

from typing import Annotated

import typer

from streamrec import syllabus
from streamrec.cli import flags
from streamrec.cli.output import emit

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def chapters(
    number: Annotated[
        int | None, typer.Argument(metavar="[N]", help="Show this chapter only.")
    ] = None,
    output: flags.Output = None,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """List the chapters of the book, or show one."""
    book = syllabus.load()
    if number is not None:
        chapter = book.chapter(number)
        record = {
            "chapter": chapter.number,
            "title": chapter.title,
            "part": f"{chapter.part}. {_part_title(chapter.part)}",
            "page": f"chapters/{chapter.name}.ipynb",
            "needs": list(chapter.needs),
            "derives": chapter.derive,
            "builds": chapter.build,
            "adds": chapter.adds,
            "introduces": list(chapter.introduces),
            "milestone": chapter.milestone,
            "tracks": chapter.tracks,
        }
        return emit({k: v for k, v in record.items() if v}, format, output)
    rows = [
        {
            "chapter": c.number,
            "part": c.part,
            "title": c.title,
            "milestone": c.milestone,
            "needs": list(c.needs),
        }
        for c in book.chapters
    ]
    emit(rows, format, output)


def _part_title(number: str) -> str:
    return next(p.title for p in syllabus.load().parts if p.number == number)
