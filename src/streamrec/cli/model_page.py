"""The HTML reports of ``streamrec model``: sentences, tables, small charts as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

from streamrec.pages import (
    MARKS,
    chart,
    document,
    forest,
    table,
)

WORDS = {"auc": "AUC", "accuracy": "accuracy", "mae": "MAE"}


def evaluation(
    name: str, r: Mapping[str, Any], fitted: Mapping[str, Any] | None
) -> str:
    """The report of ``model evaluate``."""
    first = r["models"][0]
    body = [
        f"<h1>{escape(first)} on {escape(name)}</h1>",
        f"<section><h2>In short</h2>{_list(r['summary'])}</section>",
        "<h2>Metrics</h2>" + table(metric_rows(r)),
    ]
    versus = [c for c in r["comparisons"] if isfinite(c["difference"])]
    if versus:
        body.append(f"<h2>{escape(first)} against the others, on the same rows</h2>")
        body.append(table([_compared(c) for c in versus]))
    body += ["<h2>Pictures</h2>", f'<div class="charts">{"".join(_pictures(r))}</div>']
    body.append("<h2>Calibration by bins of equal count</h2>")
    body.append(table([_rounded(b) for b in r["calibration"][0]["bins"]]))
    if r["costs"]:
        rows = [
            {"what": k.replace("_", " "), "value": v} for k, v in r["costs"].items()
        ]
        body.append("<h2>Costs a row</h2>" + table(rows))
    if r["slices"]:
        body.append("<h2>Slices</h2>" + _slices(r))
    if r["drift"]:
        body.append("<h2>Over time</h2>" + _periods(r["drift"]))
    if r["explanation"]:
        body.append("<h2>What the model uses</h2>" + _uses(r["explanation"]))
    if fitted:
        body.append(_fitted(fitted))
    body.append(
        f"<footer><p>Intervals are two-sided at {r['level']:.0%}"
        + (", for clusters that are independent" if r["clustered"] else "")
        + "; p-values of several models, slices or trends are adjusted (Holm).</p>"
        "</footer>"
    )
    return document(f"{first} on {name}", body)


def release(name: str, r: Mapping[str, Any]) -> str:
    """The report of ``model check``."""
    stop = ' class="stop"' if r["failed"] else ""
    rows = [{k: c[k] for k in ("status", "name", "text")} for c in r["checks"]]
    body = [
        "<style>.long,.words{white-space:normal;min-width:0}</style>",
        f"<h1>Before release: {escape(name)}</h1>",
        f"<section{stop}><h2>In short</h2>{_list(r['summary'])}</section>",
        "<h2>Every check</h2>" + table(rows),
    ]
    return document(f"Before release: {name}", body)


def metric_rows(r: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a metric: the first model with its interval, then the others."""
    out: dict[str, dict[str, Any]] = {}
    for m in r["metrics"]:
        row = out.setdefault(m["metric"], {"metric": m["text"]})
        row[m["model"]] = m["value"]
        if m["model"] == r["models"][0]:
            row |= {"low": m["low"], "high": m["high"]}
    return list(out.values())


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(s)}</li>" for s in lines) + "</ul>"


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k.replace("_", " "): f"{v:.4g}" if isinstance(v, float) else v
        for k, v in row.items()
    }


def _compared(c: Mapping[str, Any]) -> dict[str, Any]:
    p = c["p_adjusted"]
    return {
        "metric": c["text"],
        "against": c["against"],
        "difference": f"{c['difference']:+.3g}",
        "low": c["low"],
        "high": c["high"],
        "adjusted p": f"{p:.2g}" if isfinite(p) else "",
        "verdict": c["verdict"],
    }


def _slices(r: Mapping[str, Any]) -> str:

    rows = [
        {
            "label": f"{x['slice']} {x['value']}",
            "middle": x["difference"],
            "interval": (x["difference_low"], x["difference_high"]),
            "mark": "bad" if x["quality_p"] < 1 - r["level"] else "open",
        }
        for x in r["slices"]
        if isfinite(x["difference_low"])
    ]
    name = WORDS[r["slices"][0]["metric"]]
    heads = {"slice": "slice", "value": "value", "rows": "rows",
             "observed": "observed", "predicted": "predicted", "quality": name,
             "low": "low", "high": "high", "quality_p": "adjusted p", "gap": "gap",
             "gap_p": "adjusted p of gap"}  # fmt: skip
    if r["kind"] == "binary":
        heads |= {k: k for k in ("selected", "recall", "specificity")}
    listed = [{head: x[k] for k, head in heads.items()} for x in r["slices"]]
    return forest(rows, f"{name} of a slice less that of the rest") + table(listed)


def _costs(c: Mapping[str, float]) -> str:

    words = {
        "cost": f"acting from {c['threshold']:.4g} on",
        "low": "its interval, low",
        "high": "high",
        "honest_cost": "acting from a threshold chosen on other rows",
        "difference": "that, less the first",
        "difference_low": "its interval, low",
        "difference_high": "high",
        "act_on_all": "acting on everyone",
        "act_on_none": "acting on no one",
    }
    head = (
        f"<p>A false alarm costs {c['false_alarm']:g}, a miss {c['miss']:g}. On these "
        f"rows {c['best_here']:.4g} would be the cheapest threshold.</p>"
    )
    return head + table([{"what": w, "cost": c[k]} for k, w in words.items()])


def _periods(d: Mapping[str, Any]) -> str:

    name = WORDS[d["metric"]]
    rows = [
        {k.replace("quality", name).replace("_", " "): v for k, v in p.items()}
        for p in d["periods"]
    ]
    return table(rows)


def _uses(rows: Sequence[Mapping[str, Any]], most: int = 15) -> str:
    marks = [
        {"label": x["feature"], "middle": x["mean_abs"], "mark": "good",
         "interval": (x["low"], x["high"])}
        for x in rows[:most] if isfinite(x["low"])
    ]  # fmt: skip
    return (
        forest(marks, "Mean absolute SHAP value (log-odds), with intervals")
        + table(list(rows))
        + "<p>This is what the model uses, not what would change the outcome. "
        "Direction is the rank correlation of the feature with its contribution.</p>"
    )


def _fitted(f: Mapping[str, Any]) -> str:

    rows = ", ".join(f"{n:,} {name}" for name, n in f["rows"].items())
    cv = [{"model": c["model"], "mean": c["mean"], "sd over folds": c["sd"],
           "folds": len(c["folds"])} for c in f["cross_validation"]]  # fmt: skip
    return (
        f"<h2>How the models were fitted</h2><p>Split {escape(f['split'])}: {rows}. "
        f"Settings by {escape(f['loss'])} on the validation rows; refitted on training "
        "and validation rows; judged on the test rows.</p>"
        + table(f["tried"])
        + f"<h2>Cross-validation: {escape(f['loss'])}</h2>"
        + table(cv)
    )


# ---------------------------------------------------------------------------- charts


def _pictures(r: Mapping[str, Any]) -> list[str]:
    out = []
    models = r["curves"][: len(MARKS)]
    if models:
        for key, title, x, y in (
            ("roc", "ROC; dotted: random scores", "false alarms", "hits"),
            (
                "precision_recall",
                "Precision at each recall; dotted: the base rate",
                "recall",
                "precision",
            ),
        ):
            lines = [{"points": m[key], "label": m["model"]} for m in models]
            ends = (0.0, 1.0) if key == "roc" else (r["rate"], r["rate"])
            line = [[0.0, ends[0]], [1.0, ends[1]]]
            out.append(chart(title, x, y, lines, reference=line))
    c = r["calibration"][0]
    if len(c["bins"]) > 1:
        names = ("predicted", "observed", "low", "high")
        seen = [b[k] for b in c["bins"] for k in names if isfinite(b[k])]
        low, high = (0.0 if r["kind"] == "binary" else min(seen)), max(seen)
        points = [
            (b["predicted"], b["observed"], b["low"], b["high"]) for b in c["bins"]
        ]
        title = f"Calibration of {c['model']}; dotted: predicted = observed"
        out.append(
            chart(title, "predicted", "observed", points=points, x_range=(low, high),
                  y_range=(low, high), reference=[[low, low], [high, high]])
        )  # fmt: skip
    if models:
        out.append(_histogram(models[0]))
    if r["decision"]:
        out.append(_benefit(r["decision"], r["models"][0]))
    if r["drift"]:
        out += _drift(r)
    return out


def _histogram(m: Mapping[str, Any]) -> str:
    """Shares of each class by score, as steps."""
    lines = []
    for name, counts in m["histogram"].items():
        total = sum(counts) or 1
        steps = [[x, n / total] for i, n in enumerate(counts)
                 for x in (i / len(counts), (i + 1) / len(counts))]  # fmt: skip
        lines.append({"points": [[0, 0], *steps, [1, 0]], "label": f"{name} rows"})
    top = max(p[1] for line in lines for p in line["points"])
    title = f"Scores of {m['model']} by class, shares of 20 bins"
    return chart(title, "score", "share", lines, y_range=(0, top))


def _benefit(rows: Sequence[Mapping[str, float]], model: str) -> str:
    x = [d["threshold"] for d in rows]
    top = max(d["high"] for d in rows if isfinite(d["high"]) or True)
    top = max([d["model"] for d in rows] + [top if isfinite(top) else 0.0])
    floor = -0.25 * top
    both = [[d["threshold"], d["all"]] for d in rows if d["all"] >= floor]
    lines = [{"points": [[d["threshold"], max(d["model"], floor)] for d in rows],
              "label": model}, {"points": both, "label": "act on all"}]  # fmt: skip
    band = [
        (d["threshold"], max(d["low"], floor), max(d["high"], floor))
        for d in rows
        if isfinite(d["low"])
    ]
    return chart(
        "Net benefit: hits a row, less false alarms at the threshold's odds",
        "threshold", "net benefit", lines, x_range=(0, max(x)), y_range=(floor, top),
        reference=[[0, 0], [max(x), 0]], band=band,
    )  # fmt: skip


def _drift(r: Mapping[str, Any]) -> list[str]:
    rows, name = r["drift"]["periods"], WORDS[r["drift"]["metric"]]
    points = [
        (float(i), p["quality"], p["quality_low"], p["quality_high"])
        for i, p in enumerate(rows)
        if isfinite(p["quality"])
    ]
    ends = [float(v) for p in points for v in p[1:] if isfinite(v)]
    x_range, names = (-0.5, len(rows) - 0.5), (rows[0]["start"], rows[-1]["start"])
    out = []
    if ends:
        margin = 0.1 * (max(ends) - min(ends)) or 0.1
        out.append(
            chart(f"{name} by period", "period begins", name, points=points,
                  x_range=x_range, y_range=(min(ends) - margin, max(ends) + margin),
                  x_names=names)
        )  # fmt: skip
    both = ("observed", "predicted")
    lines = [
        {"points": [[float(i), p[k]] for i, p in enumerate(rows)], "label": k}
        for k in both
    ]
    values = [float(p[k]) for p in rows for k in both]
    margin = 0.3 * (max(values) - min(values)) or 0.1
    out.append(
        chart("Observed and predicted mean by period", "period begins", "mean", lines,
              x_range=x_range, y_range=(min(values) - margin, max(values) + margin),
              x_names=names)
    )  # fmt: skip
    return out
