"""The HTML reports of ``streamrec model``: sentences, tables, small charts as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Any

STYLE = """
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));
gap:1.5rem}.grid svg{min-width:0;max-width:30rem}.grid figcaption{font-size:.9rem}
svg.chart text{font-size:14px}.line{fill:none;stroke-width:2.5}
.key{white-space:nowrap;margin-right:1rem}.key svg{width:2rem;height:.7rem;min-width:0;
vertical-align:middle}
li{overflow-wrap:anywhere}
"""
WORDS = {"auc": "AUC", "accuracy": "accuracy", "mae": "MAE"}
MARKS, DASHES = ("good", "bad", "open"), ("", "7 4", "2 4")
LEFT, RIGHT, TOP, BOTTOM = 52.0, 388.0, 28.0, 256.0


def evaluation(
    name: str, r: Mapping[str, Any], fitted: Mapping[str, Any] | None
) -> str:
    """The report of ``model evaluate``."""
    from streamrec.experiments.report import document, table

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
    body += ["<h2>Pictures</h2>", f'<div class="grid">{"".join(_pictures(r))}</div>']
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
    return document(f"{first} on {name}", [f"<style>{STYLE}</style>", *body])


def release(name: str, r: Mapping[str, Any]) -> str:
    """The report of ``model check``."""
    from streamrec.experiments.report import document, table

    stop = ' class="stop"' if r["failed"] else ""
    rows = [{k: c[k] for k in ("status", "name", "text")} for c in r["checks"]]
    body = [
        f"<style>{STYLE}.long,.words{{white-space:normal;min-width:0}}</style>",
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
    from streamrec.experiments.report import forest, table

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
    from streamrec.experiments.report import table

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
    from streamrec.experiments.report import table

    name = WORDS[d["metric"]]
    rows = [
        {k.replace("quality", name).replace("_", " "): v for k, v in p.items()}
        for p in d["periods"]
    ]
    return table(rows)


def _uses(rows: Sequence[Mapping[str, Any]], most: int = 15) -> str:
    from streamrec.experiments.report import forest, table

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
    from streamrec.experiments.report import table

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


def chart(
    title: str,
    x: str,
    y: str,
    lines: Sequence[Mapping[str, Any]] = (),
    *,
    points: Sequence[tuple[float, float, float, float]] = (),
    reference: Sequence[Sequence[float]] = (),
    band: Sequence[tuple[float, float, float]] = (),
    x_range: tuple[float, float] = (0.0, 1.0),
    y_range: tuple[float, float] = (0.0, 1.0),
    x_names: tuple[str, str] | None = None,
) -> str:
    """A small chart: lines, points with intervals, a dashed reference, a band."""
    (x0, x1), (y0, y1) = x_range, y_range

    def at(u: float, v: float) -> str:
        h = LEFT + (u - x0) / ((x1 - x0) or 1) * (RIGHT - LEFT)
        k = BOTTOM - (v - y0) / ((y1 - y0) or 1) * (BOTTOM - TOP)
        return f"{h:.1f},{min(max(k, TOP), BOTTOM):.1f}"

    def path(pairs: Sequence[Sequence[float]], kind: str, dash: str = "") -> str:
        dots = " ".join(at(u, v) for u, v in pairs)
        more = f' stroke-dasharray="{dash}"' if dash else ""
        return (
            f'<polyline class="line {kind}" style="fill:none" points="{dots}"{more}/>'
        )

    parts = [_axes(x, y, x_range, y_range, x_names)]
    if band:
        around = [(u, hi) for u, _, hi in band] + [(u, lo) for u, lo, _ in band[::-1]]
        dots = " ".join(at(u, v) for u, v in around)
        parts.append(
            '<polygon class="good" style="stroke:none;fill-opacity:.2" '
            f'points="{dots}"/>'
        )
    if reference:
        parts.append(path(reference, "zero"))
    keys = []
    for line, mark, dash in zip(lines, MARKS, DASHES):
        parts.append(path(line["points"], mark, dash))
        keys.append(_key(line["label"], mark, dash))
    for u, v, low, high in points:
        cx, cy = at(u, v).split(",")
        if isfinite(low) and isfinite(high):
            parts.append(path([(u, low), (u, high)], "good"))
        parts.append(f'<circle class="good" cx="{cx}" cy="{cy}" r="4"/>')
    label = escape(title)
    return (
        f'<figure><svg class="chart" viewBox="0 0 400 305" role="img" '
        f'aria-label="{label}">{"".join(parts)}</svg>'
        f"<figcaption>{label}{'<br>' if keys else ''}{''.join(keys)}</figcaption>"
        "</figure>"
    )


def _key(label: str, mark: str, dash: str) -> str:
    return (
        '<span class="key"><svg viewBox="0 0 32 10" aria-hidden="true"><line '
        f'class="{mark}" x1="0" x2="32" y1="5" y2="5" stroke-width="3" '
        f'stroke-dasharray="{dash}"/></svg> {escape(label)}</span>'
    )


def _axes(
    x: str,
    y: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_names: tuple[str, str] | None,
) -> str:
    parts = [f'<text x="4" y="14">{escape(y)}</text>']
    for v in ticks(*y_range):
        h = BOTTOM - (v - y_range[0]) / (y_range[1] - y_range[0]) * (BOTTOM - TOP)
        parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{h:.1f}" y2="{h:.1f}"/>'
            f'<text x="{LEFT - 6}" y="{h + 5:.1f}" text-anchor="end">{v:.4g}</text>'
        )
    width = (x_range[1] - x_range[0]) or 1
    if x_names is None:
        marks = [(v, f"{v:.4g}", "middle") for v in ticks(*x_range)]
    else:
        marks = [(x_range[0], x_names[0], "start"), (x_range[1], x_names[1], "end")]
    for v, text, anchor in marks:
        h = LEFT + (v - x_range[0]) / width * (RIGHT - LEFT)
        parts.append(
            f'<text x="{h:.1f}" y="{BOTTOM + 20}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )
    parts.append(
        f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 40}" text-anchor="middle">'
        f"{escape(x)}</text>"
    )
    return "".join(parts)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between two ends, about so many.

    >>> ticks(0.0, 0.49)
    [0.0, 0.1, 0.2, 0.3, 0.4]
    """
    if not high > low:
        return [low]
    rough = (high - low) / about
    unit = 10.0 ** floor(log10(rough))
    step = next(k * unit for k in (1, 2, 2.5, 5, 10) if k * unit >= rough * 0.999)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]
