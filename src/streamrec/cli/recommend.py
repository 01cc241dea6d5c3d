"""``streamrec recommend``: a user's list from the last night, with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def recommend(
    user: Annotated[str, typer.Option("--user", help="The user's id in your data.")],
    input: Annotated[
        Path, typer.Option("--input", "-i", help="Output folder of a track run.")
    ],
    k: Annotated[int, typer.Option("-k", help="Places in the list.")] = 10,
    version: Annotated[
        str | None, typer.Option(help="A version other than the current one.")
    ] = None,
    output: flags.Output = None,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Show a user's list, and why each item is in it.

    Lists are read from the last published version. A user who is not in it gets the
    fallback list, and the reason says so.

    Example: streamrec recommend --user 196 --input out/a
    """
    from streamrec.production.batch import find_store

    start = now()
    with find_store(input).open(version) as reader:
        one = reader.parse_user(user)
        rows, known = reader.answer(one, k), reader.has(one)
        fresh = reader.freshness()
    if format == flags.OutputFormat.json:
        results: dict[str, Any] = {"user": one, "known": known}
        results |= {key: fresh[key] for key in ("version", "created", "data_until")}
        results["items"] = rows
        emit(envelope("ok", start, len(rows), results), format, output)
    elif rows:
        shown = ("rank", "item", "score", "reason", "source")
        title = f"Version {fresh['version']}, made {fresh['created']}"
        if len(rows) < k:
            title += f"; the stored list holds {len(rows)} items"
        emit([{n: row[n] for n in shown} for row in rows], format, output, title=title)
    else:
        raise ValueError(
            f"there is no list for user {user} and no fallback list in {input}"
        )
