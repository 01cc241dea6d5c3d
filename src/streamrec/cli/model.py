"""``streamrec model``: evaluate predictions, check a model before release."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text
from streamrec.cli.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Models: evaluate predictions, check before release.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Kind(StrEnum):
    """Kinds of label."""

    binary = "binary"
    multiclass = "multiclass"
    regression = "regression"


Maybe = Annotated[
    Path | None, typer.Option("--input", "-i", help="CSV or Parquet file.")
]
Names = list[str] | None
Label = Annotated[str | None, typer.Option(help="Column of what came true.")]
Feature = Annotated[Names, typer.Option(help="A feature; repeat it.")]
ModelFile = Annotated[
    Path | None, typer.Option("--model", help="LightGBM model in its text format.")
]
KindOf = Annotated[Kind | None, typer.Option(help="Kind of label, if not plain.")]
Positive = Annotated[str | None, typer.Option(help="Value that counts as 1.")]
Weight = Annotated[str | None, typer.Option(help="Column of weights.")]
Cluster = Annotated[
    str | None, typer.Option(help="Column of users, or whatever rows depend within.")
]
Time = Annotated[str | None, typer.Option(help="Column of dates or numbers.")]
Slice = Annotated[Names, typer.Option("--slice", help="Column of groups; repeat it.")]
Train = Annotated[Path | None, typer.Option(help="Rows the model was fitted on.")]
Example = Annotated[bool, typer.Option("--example", help="Use built-in tables.")]


@app.command()
def evaluate(
    input: Maybe = None,
    label: Label = None,
    prediction: Annotated[
        Names,
        typer.Option(
            help="Column of predictions, the candidate first; repeat it. For several "
            "classes the prefix of their columns."
        ),
    ] = None,
    feature: Feature = None,
    model: ModelFile = None,
    kind: KindOf = None,
    positive: Positive = None,
    weight: Weight = None,
    cluster: Cluster = None,
    time: Time = None,
    slice: Slice = None,
    threshold: Annotated[
        float | None, typer.Option(help="Act from this probability on.")
    ] = None,
    cost_false_alarm: Annotated[
        float | None, typer.Option(help="Cost of acting in vain.")
    ] = None,
    cost_miss: Annotated[
        float | None, typer.Option(help="Cost of not acting when needed.")
    ] = None,
    train: Train = None,
    bins: Annotated[int, typer.Option(help="Bins of the calibration.")] = 10,
    level: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Set incomplete rows aside.")
    ] = False,
    mlflow: Annotated[
        str | None, typer.Option(help="Log the run to sqlite:///FILE.")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the split, when models are fitted.")
    ] = 0,
    example: Example = False,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Judge predictions: metrics, comparison, calibration, costs, slices, drift.

    With --feature and no --prediction, a linear model and boosted trees are fitted on
    70 % of the rows, chosen on 15 % and judged on the last 15 %.

    Example: streamrec model evaluate --example -o report.html

    With a file: streamrec model evaluate -i test.csv --label left --prediction new
    --prediction old --cluster user --slice country
    """
    from streamrec.cli.model_page import evaluation, metric_rows
    from streamrec.evaluation.report import evaluate as judge
    from streamrec.evaluation.report import sentences

    start = now()
    _page_name(output)
    if mlflow is not None:
        _store(mlflow)
    costs = _costs(cost_false_alarm, cost_miss)
    fitted: dict[str, Any] | None = None
    if example and input is not None:
        raise ValueError("--example brings its own tables: leave out --input")
    if example:
        from streamrec.evaluation import example as built_in

        trained, table = built_in.tables()
        name, label, cluster = "the example", label or "left", cluster or "user"
        prediction = prediction or (None if feature or model else ["new", "old"])
        slice, costs = slice or ["country", "plan"], costs or (1.0, 5.0)
        reference = None if feature or model else trained
    else:
        table, name = _table(input), Path(str(input)).name
        reference = None if train is None else _table(train)
    if label is None:
        raise ValueError("name the column of what came true with --label")
    artifact = None
    if model is not None:
        from streamrec.production.release import Artifact

        artifact = Artifact(model)
        if label in artifact.features:
            raise ValueError(f'the label "{label}" is a feature of {model.name}')
        table, prediction = _scored(artifact, table, prediction)
        if reference is not None:
            reference, _ = _scored(artifact, reference, None)
    elif feature and prediction:
        raise ValueError(
            "--feature is for fitting baselines: leave --prediction out, or give the "
            "model itself with --model"
        )
    elif feature:
        from streamrec.evaluation.baselines import fit
        from streamrec.production.profile import profile

        whole = table
        table, reference, fitted = fit(
            table, label=label, features=feature, kind=kind.value if kind else None,
            positive=positive, cluster=cluster, time=time, seed=seed,
        )  # fmt: skip
        prediction, kind = fitted["predictions"], Kind(fitted["kind"])
    result = judge(
        table, label=label, predictions=prediction or [], positive=positive,
        kind=kind.value if kind else None, weight=weight, cluster=cluster, time=time,
        slices=slice or (), threshold=threshold, costs=costs, train=reference,
        bins=bins, level=level, drop_missing=drop_missing,
    )  # fmt: skip
    result["fitted"] = fitted
    if artifact is not None:
        from streamrec.production.release import explain

        result["explanation"] = explain(artifact, table, cluster)
        result["summary"] = [*sentences(result), _main_features(result)]
    if fitted is not None and feature:
        leaks = [
            f"Look at this: {x['column']}: {x['text']}."
            for x in profile(whole[[*feature, label]], label=label)["findings"]
            if x["kind"] == "leak"
        ]
        result["summary"] = [*leaks, _how_fitted(fitted), *result["summary"]]
    page = evaluation(name, result, fitted)
    if output is not None:
        write_text(output, page)
    if mlflow is not None:
        _log(mlflow, name, result, page)
    if format == flags.OutputFormat.json:
        emit(envelope("ok", start, result["rows"], result), format)
        return
    emit(metric_rows(result))
    _say(result["summary"], output)


@app.command()
def check(
    input: Maybe = None,
    label: Label = None,
    prediction: Annotated[
        str | None, typer.Option(help="Column of predictions.")
    ] = None,
    feature: Feature = None,
    train: Train = None,
    model: ModelFile = None,
    kind: KindOf = None,
    positive: Positive = None,
    weight: Weight = None,
    cluster: Cluster = None,
    time: Time = None,
    id: Annotated[
        str | None, typer.Option(help="Column that names a row, once.")
    ] = None,
    slice: Slice = None,
    p50: Annotated[float, typer.Option(help="Limit in ms, half of requests.")] = 50,
    p95: Annotated[float, typer.Option(help="Limit in ms, 95 % of requests.")] = 100,
    p99: Annotated[float, typer.Option(help="Limit in ms, 99 % of requests.")] = 200,
    example: Example = False,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Find what is forgotten: leaks, overlap, skew, bad slices, a wrong artifact.

    Exit code 1 if a check fails.

    Example: streamrec model check --example

    With files: streamrec model check -i test.csv --train train.csv --label left
    --prediction new --feature activity --feature calls --cluster user --time week
    """
    from streamrec.cli.model_page import release
    from streamrec.production.release import Artifact, ReleaseLimits
    from streamrec.production.release import check as inspect

    start = now()
    _page_name(output)
    if example and input is not None:
        raise ValueError("--example brings its own tables: leave out --input")
    if example:
        from streamrec.evaluation import example as built_in

        reference, table = built_in.tables()
        name, label, prediction = "the example", label or "left", prediction or "new"
        feature = feature or (None if model else ["activity", "calls", "plan"])
        cluster, time, id = cluster or "user", time or "week", id or "row"
        slice = slice or ["country", "plan"]
    else:
        table, name = _table(input), Path(str(input)).name
        reference = None if train is None else _table(train)
    if label is None:
        raise ValueError("name the column of what came true with --label")
    artifact = None if model is None else Artifact(model)
    offline = prediction is not None
    if prediction is None:
        if artifact is None:
            raise ValueError("name the column of predictions with --prediction")
        if label in artifact.features:
            raise ValueError(f'the label "{label}" is a feature of {artifact.name}')
        table, (prediction,) = _scored(artifact, table, None)
        if reference is not None:
            reference, _ = _scored(artifact, reference, None)
    if not all(v > 0 for v in (p50, p95, p99)):
        raise ValueError("latencies must be positive")
    found = inspect(
        table, label=label, prediction=prediction, features=feature or (),
        train=reference, kind=kind.value if kind else None, positive=positive,
        weight=weight, cluster=cluster, time=time, unit=id, slices=slice or (),
        artifact=artifact, offline=offline,
        limits=ReleaseLimits(latency=(p50, p95, p99)),
    )  # fmt: skip
    if output is not None:
        write_text(output, release(name, found))
    if format == flags.OutputFormat.json:
        status = "failed" if found["failed"] else "ok"
        emit(envelope(status, start, found["rows"], found), format)
    else:
        emit([{k: c[k] for k in ("status", "name", "text")} for c in found["checks"]])
        _say(found["summary"][:1], output)
    if found["failed"]:
        raise typer.Exit(1)


def _page_name(output: Path | None) -> None:
    if output is not None and output.suffix.lower() != ".html":
        raise ValueError(f"--output {output}: the report is an .html file")


def _say(lines: list[str], output: Path | None) -> None:
    for line in lines:
        typer.echo(f"- {line}")
    if output is not None:
        typer.echo(f"report: {output}")


def _costs(false_alarm: float | None, miss: float | None) -> tuple[float, float] | None:
    if (false_alarm is None) != (miss is None):
        raise ValueError("give both --cost-false-alarm and --cost-miss, or neither")
    return None if false_alarm is None or miss is None else (false_alarm, miss)


def _table(file: Path | None) -> pd.DataFrame:
    if file is None:
        raise ValueError("give the rows with --input FILE, or try --example")
    return read_table(file)


def _scored(
    artifact: Any, table: pd.DataFrame, prediction: list[str] | None
) -> tuple[pd.DataFrame, list[str]]:
    """The table with the artifact's predictions, unless it has some already."""
    if prediction:
        return table, prediction
    p = artifact.predict(table)
    if p.ndim != 1:
        raise ValueError("the model has several outputs: give them with --prediction")
    return table.assign(**{artifact.name: p}), [artifact.name]


def _main_features(result: dict[str, Any]) -> str:
    used = [r["feature"] for r in result["explanation"][:3]]
    return (
        f"By mean absolute SHAP value it uses most {', '.join(used)}: what the model "
        "uses, not what would change the outcome."
    )


def _how_fitted(fitted: dict[str, Any]) -> str:
    cv = ", ".join(
        f"{c['model']} {c['mean']:.4g} (sd over folds {c['sd']:.2g})"
        for c in fitted["cross_validation"]
    )
    return f"Split {fitted['split']}; {fitted['loss']} in cross-validation: {cv}."


def _store(uri: str) -> Path:
    """The file behind a local store; others would send data away."""
    if not uri.startswith("sqlite:///") or len(uri) < 11:
        raise ValueError(
            f"--mlflow {uri}: only a local store, sqlite:///runs.db; nothing is sent"
        )
    file = Path(uri.removeprefix("sqlite:///"))
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist: make it first")
    return file


def _log(uri: str, name: str, result: dict[str, Any], page: str) -> None:
    """One run in a local MLflow store; artifacts beside the data base."""
    from math import isfinite

    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # before the import
    os.environ["DO_NOT_TRACK"] = "true"
    import mlflow

    file = _store(uri)
    mlflow.set_tracking_uri(uri)
    title = "streamrec model evaluate"
    if mlflow.get_experiment_by_name(title) is None:
        place = (file.resolve().parent / f"{file.stem}-artifacts").as_uri()
        mlflow.create_experiment(title, artifact_location=place)
    mlflow.set_experiment(title)
    with mlflow.start_run():
        mlflow.log_params(
            {k: result[k] for k in ("label", "kind", "rows", "clusters", "threshold")}
            | {"data": name, "models": ", ".join(result["models"])}
        )
        for m in result["metrics"]:
            for part in ("value", "low", "high"):
                if isfinite(m[part]):
                    key = f"{m['model']}/{m['metric']}"
                    key += "" if part == "value" else f"_{part}"
                    mlflow.log_metric(_plain(key), m[part])
        mlflow.log_text(page, "report.html")
        mlflow.log_dict(envelope("ok", now(), result["rows"], result)["results"],
                        "evaluation.json")  # fmt: skip


def _plain(key: str) -> str:
    """A name that MLflow takes."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in key)
