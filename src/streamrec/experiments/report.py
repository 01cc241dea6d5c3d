"""One HTML file from the results of an experiment: sentences, tables, two pictures.

Chapter 33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from streamrec.pages import document, forest, series, table

MARK = {"better": "good", "holds": "good", "worse": "bad", "broken": "bad"}


def page(result: Mapping[str, Any]) -> str:
    """The report as a string of HTML."""
    title = f"Experiment {result['name']}"
    stopped = result["stopped"]
    body = [f"<h1>{escape(title)}</h1>"]
    lines = "".join(f"<li>{escape(s)}</li>" for s in result["summary"])
    kind = ' class="stop"' if stopped else ""
    body.append(f"<section{kind}><h2>In short</h2><ul>{lines}</ul></section>")
    if not stopped:
        body += _results(result)
    body.append("<h2>Checks</h2>" + table(result["checks"], ("name", "status", "text")))
    ratio = result["sample_ratio"]
    rows = [
        {
            "arm": a,
            "units": n,
            "share": f"{ratio['observed'][a]:.2%}",
            "planned": f"{ratio['planned'][a]:.2%}",
        }
        for a, n in ratio["counts"].items()
    ]
    body.append("<h2>Units</h2>" + table(rows, ("arm", "units", "share", "planned")))
    counts = result["counts"]
    body.append(
        f"<p>{counts['rows']:,} rows read, {counts['rows_set_aside']:,} set aside; "
        f"{counts['units']:,} units compared, {counts['units_in_two_arms']:,} found in "
        "two arms.</p>"
    )
    body.append(
        "<footer><p>Intervals are two-sided at "
        f"{1 - result['alpha']:.0%}. Primary metrics are adjusted together (Holm), "
        "secondary and exploratory ones by Benjamini and Hochberg; guardrails are "
        "one-sided against their margin and not adjusted.</p></footer>"
    )
    return document(title, body)


def _results(result: Mapping[str, Any]) -> list[str]:
    body = ["<h2>Metrics</h2>"]
    several = len(result["arms"]) > 2
    lifts = [
        {
            "label": r["metric"] + (f", {r['arm']}" if several else ""),
            "middle": r["lift"],
            "interval": r["lift_interval"],
            "mark": MARK.get(r["verdict"], "open"),
        }
        for r in result["metrics"]
        if r["lift_interval"]
    ]
    if lifts:
        body.append(forest(lifts, "Lift over control, with intervals", percent=True))
    rows = [
        {
            "metric": r["metric"],
            "role": r["role"],
            "arm": r["arm"],
            "control": r["control"],
            "treatment": r["treatment"],
            "effect": r["effect"],
            "interval": _interval(r["interval"]),
            "lift": "" if r["lift"] is None else f"{r['lift']:+.2%}",
            "p": r["p_value"],
            "adjusted p": r["p_adjusted"],
            "verdict": r["verdict"],
            "method": r["method"]
            + (
                f", variance x {r['variance_ratio']:.2f}"
                if r["variance_ratio"] is not None
                else ""
            ),
        }
        for r in result["metrics"]
    ]
    body.append(table(rows))
    if result["days"]:
        body.append("<h2>Day by day</h2>")
        for arm in dict.fromkeys(r["arm"] for r in result["days"]):
            part = [r for r in result["days"] if r["arm"] == arm]
            body.append(series(part, f"Effect of {arm} on the primary metric by day"))
    if result["segments"]:
        body.append("<h2>Segments (exploratory)</h2>")
        marks = [
            {
                "label": f"{r['segment']} {r['value']}"
                + (f", {r['arm']}" if several else ""),
                "middle": r["effect"],
                "interval": r["interval"],
                "mark": "open",
            }
            for r in result["segments"]
            if r["se"] > 0
        ]
        body.append(forest(marks, "Effect on the primary metric by segment"))
        names = (
            "segment",
            "value",
            "arm",
            "n_control",
            "n_treatment",
            "effect",
            "se",
            "p_adjusted",
        )
        body.append(table(result["segments"], names))
    if result["balance"]:
        body.append("<h2>Balance before the experiment</h2>" + table(result["balance"]))
    return body


def _interval(pair: Sequence[float]) -> str:
    return f"{pair[0]:.4g} to {pair[1]:.4g}"
