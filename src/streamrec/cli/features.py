"""``streamrec features``: profile a table, build features from it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text
from streamrec.cli.tables import read_table, write_table
from streamrec.pages import document, table

app = typer.Typer(
    help="Tables of features: profile them, find leaks and shifts, build them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


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
        read_table(input),
        label=label,
        reference=None if reference is None else read_table(reference),
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


@app.command()
def build(
    input: Annotated[
        Path | None, typer.Option("--input", "-i", help="CSV or Parquet file.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="YAML or JSON file of steps.")
    ] = None,
    apply: Annotated[
        Path | None, typer.Option(help="What --state saved: do the same to new rows.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="File of events, with entity and time.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column to predict.")] = None,
    entity: Annotated[str | None, typer.Option(help="Column: whose row it is.")] = None,
    time: Annotated[str | None, typer.Option(help="Column: when it was asked.")] = None,
    after: Annotated[
        list[str] | None, typer.Option(help="Column known only afterwards; repeat it.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write the features: .csv or .parquet.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="Write what was learnt: .json, for --apply.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Use built-in viewers.")
    ] = False,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Build features by a recipe, fitted on training rows, so that no label leaks.

    Without --recipe one is chosen by what the columns hold; --state keeps it.
    Steps: number, missing, onehot, ordinal, frequency, target, calendar, elapsed, text,
    ratio, product, difference; over earlier rows: lag, rolling, rfm.

    Exit code 1, and no table, if a feature seems to know the label.

    Examples: streamrec features build --example --table train.csv --state churn.json
    streamrec features build -i train.csv --label churned --table features.csv
    streamrec features build -i train.csv --recipe churn.yaml --history plays.parquet
    --table features.parquet --state churn.json -o report.html
    streamrec features build -i new.csv --apply churn.json --history plays.parquet
    --table new-features.parquet
    """
    start = now()
    _check_files(output, table, state)
    if apply is not None and (recipe, label, entity, time, after) != (None,) * 5:
        raise ValueError("--apply brings its own recipe: give no other, and no columns")
    if apply is not None and state is not None:
        raise ValueError("--apply learns nothing: there is no --state to write")
    data, events, text = _tables(input, history, example)
    if apply is not None:
        from streamrec.production.build import Fitted
        from streamrec.production.build import apply as again

        made, guessed = again(Fitted.load(apply), data, history=events), []
    else:
        from streamrec.production.build import build as make

        keys = {"label": label, "entity": entity, "time": time, "after": after}
        plan, guessed = _recipe(recipe, text, keys, data, input)
        made = make(data, plan, history=events)
    found = _results(made, guessed, apply is not None, table, state)
    if not made.stopped:
        if table is not None:
            write_table(table, made.frame)
        if state is not None:
            made.fitted.save(state)
    if output is not None:
        write_text(output, _built_page(made, found))
    status = "failed" if made.stopped else "ok"
    if format == flags.OutputFormat.json:
        emit(envelope(status, start, made.rows_read, found), format)
    else:
        _show(found, output)
    if made.stopped:
        raise typer.Exit(1)


def _check_files(output: Path | None, table: Path | None, state: Path | None) -> None:
    """Files to write, before any work is done."""
    if output is not None and output.suffix.lower() != ".html":
        raise ValueError(f"--output {output}: the report is an .html file")
    if table is not None and table.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"--table {table}: features go to a .csv or .parquet file")
    if state is not None and state.suffix.lower() != ".json":
        raise ValueError(f"--state {state}: what was learnt goes to a .json file")
    for file in (output, table, state):
        if file is not None and not file.parent.is_dir():
            raise ValueError(f"the folder {file.parent} does not exist: make it first")


def _tables(input: Path | None, history: Path | None, example: bool) -> Any:
    """Rows, events if there are any, and the example's recipe."""
    if example:
        from streamrec.production.example import RECIPE, viewers

        if input is not None or history is not None:
            raise ValueError("--example brings its own rows: leave --input out")
        return *viewers(), RECIPE
    if input is None:
        raise ValueError("give --input FILE, or --example")
    return read_table(input), None if history is None else read_table(history), ""


def _recipe(
    file: Path | None, text: str, keys: dict[str, Any], data: Any, input: Path | None
) -> Any:
    """The recipe of a file with the columns given as flags, or a first one."""
    from streamrec.production.recipe import Recipe, first_recipe

    given = {k: v for k, v in keys.items() if v}
    if file is not None:
        return Recipe.from_mapping(flags.read_config(file) | given), []
    if text:
        import yaml

        return Recipe.from_mapping(yaml.safe_load(text) | given), []
    name = "features" if input is None else input.stem
    given["after"] = tuple(given.get("after", ()))
    named = [*given["after"], *(v for k, v in given.items() if k != "after")]
    missing = [c for c in named if c not in data.columns]
    if missing:
        raise ValueError(
            f'there is no column "{missing[0]}" among '
            f"{', '.join(map(str, data.columns))}"
        )
    return first_recipe(data, name=name, **given)


def _results(
    made: Any, guessed: list[dict[str, str]], applied: bool, table: Any, state: Any
) -> dict[str, Any]:
    """What the command says, in every format."""
    wrote = not made.stopped
    found = {
        "applied": applied,
        "version": made.fitted.version,
        "rows_read": made.rows_read,
        "rows_written": len(made.frame) if wrote and table is not None else 0,
        "rows_set_aside": [
            {"reason": k, "rows": n} for k, n in made.rows_aside.items()
        ],
        "features": made.features,
        "set_aside": [*guessed, *made.aside],
        "findings": made.findings,
        "recipe": made.fitted.recipe.as_dict(),
        "lineage": [list(pair) for pair in made.fitted.lineage],
        "table": str(table) if wrote and table is not None else None,
        "state": str(state) if wrote and state is not None else None,
    }
    return found | {"summary": _sentences(made, found)}


def _sentences(made: Any, found: dict[str, Any]) -> list[str]:
    """What was done and what to look at, in sentences that follow from the numbers."""
    from streamrec.production.recipe import HISTORY

    sources = {c for f in made.features for c in f["sources"]}
    how = "as learnt in training" if found["applied"] else "fitted to these rows"
    lines = [
        f"{len(made.features)} features of {len(sources)} columns, {how}; version "
        f"{found['version']}."
    ]
    lines += [
        f"{r['rows']:,} rows set aside: {r['reason']}." for r in found["rows_set_aside"]
    ]
    if found["set_aside"]:
        few = [f"{a['column']} ({a['reason']})" for a in found["set_aside"][:4]]
        more = len(found["set_aside"]) - len(few)
        lines.append(
            f"Not used: {'; '.join(few)}" + (f"; and {more} more." if more else ".")
        )
    if any(s.kind in HISTORY for s in made.fitted.recipe.steps):
        lines.append("Steps over history saw only events strictly before their row.")
    lines += [
        f"{'STOP' if f['severity'] == 'stop' else 'Look at this'}: {f['column']}: "
        f"{f['text']}{'' if f['text'].endswith('?') else '.'}"
        for f in made.findings
    ]
    if made.stopped:
        lines.append(
            "Nothing was written. Leave the column out, or name it under accept in the "
            "recipe if you know that it was known before the label."
        )
    return lines


def _line(f: dict[str, Any]) -> dict[str, Any]:
    """A feature as a row for people."""
    return {
        "feature": f["feature"],
        "step": f["kind"],
        "missing": f"{f['null_share']:.1%}",
        "mean": "" if f["mean"] is None else f"{round(f['mean'], 9) + 0:.4g}",
        "sd": "" if f["sd"] is None else f"{f['sd']:.4g}",
        "alone": "" if f["power"] is None else f"{f['power']:.3f}",
    }


def _show(found: dict[str, Any], output: Path | None) -> None:
    emit([_line(f) for f in found["features"]])
    for line in found["summary"]:
        typer.echo(f"- {line}")
    for name, file in (("features", found["table"]), ("state", found["state"]),
                       ("report", output)):  # fmt: skip
        if file is not None:
            typer.echo(f"{name}: {file}")


def _built_page(made: Any, found: dict[str, Any]) -> str:

    name = made.fitted.recipe.name
    kind = ' class="stop"' if made.stopped else ""
    lines = "".join(f"<li>{escape(s)}</li>" for s in found["summary"])
    body = [
        f"<h1>Features: {escape(name)}</h1>",
        f"<section{kind}><h2>In short</h2><ul>{lines}</ul></section>",
    ]
    if made.findings:
        body.append("<h2>Findings</h2>")
        body.append(table(made.findings, ("severity", "column", "kind", "text")))
    ranked = [f for f in made.features if f["power"] is not None]
    if ranked:
        ranked.sort(key=lambda f: -f["power"])
        body.append("<h2>How each feature alone ranks the label</h2>")
        body.append(_powers(ranked[:30], made.fitted.recipe.label))
    body.append("<h2>Features</h2>")
    body.append(
        table([_line(f) | {"from": ", ".join(f["sources"])} for f in made.features])
    )
    if found["set_aside"]:
        body.append("<h2>Not used</h2>" + table(found["set_aside"]))
    body.append("<h2>Distributions, 1st to 99th percentile</h2>")
    shown = [_histogram(n, made.frame[n]) for n in made.fitted.features[:40]]
    body.append(_grid([r for r in shown if r]))
    return document(f"Features: {name}", body)


def _histogram(name: str, column: Any) -> dict[str, Any] | None:
    import numpy as np

    v = column.to_numpy(float)
    v = v[np.isfinite(v)]
    if not v.size:
        return None
    low, high = np.quantile(v, [0.01, 0.99])
    counts, edges = np.histogram(np.clip(v, low, high), bins=20)
    return {
        "column": name,
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
    }


def _powers(rows: list[dict[str, Any]], label: str | None) -> str:
    """A bar for each feature from 0.5 (two classes) or 0, as SVG."""
    low = 0.5 if min(r["power"] for r in rows) >= 0.5 else 0.0
    parts = []
    for i, r in enumerate(rows):
        y, wide = 20 + 36 * i, 360 * (r["power"] - low) / (1 - low)
        name = r["feature"] if len(r["feature"]) < 60 else r["feature"][:58] + "…"
        parts.append(
            f'<text x="0" y="{y - 5}">{escape(name)}</text><g class="good">'
            f'<rect x="0" y="{y}" width="{wide:.1f}" height="12"/></g>'
            f'<text x="{wide + 6:.1f}" y="{y + 11}">{r["power"]:.3f}</text>'
        )
    title = escape(
        f"AUC or absolute rank correlation with {label}, bars from {low:g}; "
        "near 1 is too good"
    )
    return (
        f'<figure><svg viewBox="0 0 420 {8 + 36 * len(rows)}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg>'
        f"<figcaption>{title}</figcaption></figure>"
    )


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

    body = [f"<h1>Profile of {escape(name)}</h1><p>{found['rows']:,} rows</p>"]
    body.append("<h2>Findings</h2>")
    body.append(
        table(found["findings"], ("severity", "column", "kind", "text"))
        or "<p>Nothing odd was found; that is not proof that nothing is.</p>"
    )
    body.append("<h2>Columns</h2>" + table([_short(r) for r in found["columns"]]))
    body.append("<h2>Distributions, 1st to 99th percentile</h2>")
    body.append(_grid([r for r in found["columns"] if r["histogram"]]))
    return document(f"Profile of {name}", body)


def _grid(records: list[dict[str, Any]]) -> str:
    return f'<div class="grid">{"".join(map(_bars, records))}</div>'


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
        '<figure><svg viewBox="0 0 540 100" role="img" '
        f'aria-label="{title}"><g class="open">{bars}</g></svg>'
        f"<figcaption>{title}</figcaption></figure>"
    )
