"""``streamrec features``: profile a table of features."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Tables of features: profile, defects, leaks, shifts.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def room() -> None:
    """Keep the subcommand's name even while there is one only."""


@app.command()
def profile(
    input: flags.Input,
    label: Annotated[str | None, typer.Option(help="Column to predict.")] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Earlier file of the same columns.")
    ] = None,
    leak: Annotated[
        float, typer.Option(help="AUC of one feature that is too good.")
    ] = 0.98,
    psi: Annotated[float, typer.Option(help="Shift that matters.")] = 0.1,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Describe every column; find leaks, shifts, copies, what never varies.

    Exit code 1 if something should stop you: a leak, a shift, a lost column.

    Example: streamrec features profile -i train.csv --label churned -o profile.html
    """
    from streamrec.production.profile import ProfileLimits
    from streamrec.production.profile import profile as describe

    start = now()
    if output is not None and output.suffix.lower() != ".html":
        raise ValueError(f"--output {output}: the report is an .html file")
    if not 0.5 < leak <= 1 or not psi > 0:
        raise ValueError("--leak must lie in (0.5, 1] and --psi above 0")
    found = describe(
        _read(input),
        label=label,
        reference=None if reference is None else _read(reference),
        limits=ProfileLimits(leak=leak, psi=psi),
    )
    stop = any(f["severity"] == "stop" for f in found["findings"])
    if output is not None:
        write_text(output, _page(input.name, found))
    if format == flags.OutputFormat.json:
        emit(envelope("failed" if stop else "ok", start, found["rows"], found), format)
    else:
        emit([_short(r) for r in found["columns"]])
        for f in found["findings"]:
            typer.echo(f"- {f['severity']}: {f['column']}: {f['text']}")
        if not found["findings"]:
            typer.echo("- nothing odd was found; that is not proof that nothing is")
        if output is not None:
            typer.echo(f"report: {output}")
    if stop:
        raise typer.Exit(1)


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    if file.suffix.lower() == ".parquet":
        return pd.read_parquet(file)
    if file.suffix.lower() == ".csv":
        return pd.read_csv(file)
    raise ValueError(f"{file.name}: give a .csv or .parquet file")


def _short(r: dict[str, Any]) -> dict[str, Any]:
    q = r["quantiles"] or [None] * 7
    return {
        "column": r["column"],
        "type": r["type"],
        "missing": f"{r['null_share']:.1%}",
        "distinct": r["distinct"],
        "mean": "" if r["mean"] is None else f"{r['mean']:.4g}",
        "sd": "" if r["sd"] is None else f"{r['sd']:.4g}",
        "median": "" if q[3] is None else f"{q[3]:.4g}",
        "most frequent": "" if r["top"] is None
        else f"{r['top'][:20]} ({r['top_share']:.0%})",
    }  # fmt: skip


def _page(name: str, found: dict[str, Any]) -> str:
    from streamrec.experiments.report import document, table

    body = [f"<h1>Profile of {escape(name)}</h1><p>{found['rows']:,} rows</p>"]
    body.append("<h2>Findings</h2>")
    body.append(
        table(found["findings"], ("severity", "column", "kind", "text"))
        or "<p>Nothing odd was found; that is not proof that nothing is.</p>"
    )
    body.append("<h2>Columns</h2>" + table([_short(r) for r in found["columns"]]))
    body.append("<h2>Distributions, 1st to 99th percentile</h2>")
    body += [_bars(r) for r in found["columns"] if r["histogram"]]
    return document(f"Profile of {name}", body)


def _bars(r: dict[str, Any]) -> str:
    """A histogram as SVG."""
    counts, edges = r["histogram"]["counts"], r["histogram"]["edges"]
    top, step = max(counts), 500 / len(counts)
    bars = "".join(
        f'<rect x="{20 + i * step:.1f}" y="{90 - 80 * c / top:.1f}" '
        f'width="{step - 2:.1f}" height="{80 * c / top:.1f}"/>'
        for i, c in enumerate(counts)
    )
    title = escape(f"{r['column']}: {edges[0]:.4g} to {edges[-1]:.4g}")
    return (
        '<figure class="scroll" tabindex="0"><svg viewBox="0 0 540 100" role="img" '
        f'aria-label="{title}"><g class="open">{bars}</g></svg>'
        f"<figcaption>{title}</figcaption></figure>"
    )
