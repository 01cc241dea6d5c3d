"""``streamrec strategy``: start, check and convert a strategy document."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, write_text

app = typer.Typer(
    help="Write and check a strategy document.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Document = Annotated[Path, typer.Argument(help="Strategy, .md or .json.")]


class Form(StrEnum):
    """Forms of a record."""

    markdown = "markdown"
    json = "json"


@app.command()
def new(
    year: Annotated[int, typer.Option(help="Year of the strategy.")] = 2027,
    force: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    output: flags.Output = None,
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Write the template of a strategy document."""
    from streamrec.decisions.strategy import template

    if not 1000 <= year <= 9999:
        raise ValueError(f"the year must have four digits, not {year}")
    text = template(year=year)
    if output is None:
        typer.echo(text, nl=False)
        return
    if output.exists() and not force:
        raise ValueError(
            f"{output} exists: give another name, or --force to replace it"
        )
    write_text(output, text)


@app.command()
def check(
    document: Document,
    output: flags.Output = None,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Check a strategy against the brief; exit 1 if a rule is broken."""
    from streamrec.decisions import strategy

    found = strategy.check(strategy.read(document))
    if found or format == flags.OutputFormat.json:
        rows = [{"rule": f.rule, "where": f.where, "message": f.message} for f in found]
        emit(rows, format, output)
    else:
        emit({"file": document.name, "findings": 0}, format, output)
    if found:
        raise typer.Exit(1)


@app.command()
def render(
    document: Document,
    to: Annotated[Form, typer.Option(help="Form to write.")] = Form.markdown,
    output: flags.Output = None,
    config: flags.Config = None,
    verbose: flags.Verbose = False,
) -> None:
    """Write a strategy as tidy Markdown or as JSON."""
    from streamrec.decisions.strategy import read

    record = read(document)
    text = record.to_json() if to == Form.json else record.to_markdown()
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
