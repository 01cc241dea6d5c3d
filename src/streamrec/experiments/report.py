"""One HTML file from the results of an experiment: sentences, tables, two pictures.

Chapter 33. Self-contained: no script, no font, nothing fetched. Everything that comes
from the data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isnan
from typing import Any

STYLE = """
:root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--good:#0072b2;
--bad:#b3470c;--mute:#6e7781}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;
--paper:#0d1117;--good:#56b4e9;--bad:#f0964a;--mute:#8d96a0}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.15rem;margin-top:2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;
white-space:nowrap}th{color:var(--soft);font-weight:600}
td:first-child,th:first-child,.words{text-align:left}
.long{white-space:normal;min-width:min(16rem,48vw)}
.stop{border-left:4px solid var(--bad);padding:.5rem 1rem}
svg{width:100%;height:auto;max-width:34rem;display:block}
figure{margin:0 0 1.5rem}figcaption{color:var(--soft);font-size:.9rem}
.grid{display:grid;gap:0 1.5rem;
grid-template-columns:repeat(auto-fill,minmax(15rem,1fr))}
svg text{fill:var(--ink);font-size:13px;paint-order:stroke;stroke:var(--paper);
stroke-width:4px}
.axis{stroke:var(--line)}.zero{stroke:var(--mute);stroke-dasharray:4 3}
.good{stroke:var(--good);fill:var(--good)}.bad{stroke:var(--bad);fill:var(--bad)}
.open{stroke:var(--mute);fill:var(--mute)}footer{color:var(--soft);margin-top:3rem}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
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


def document(title: str, body: Iterable[str]) -> str:
    """A whole page around parts that are HTML already; nothing is fetched or run."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


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


def _cell(x: Any) -> str:
    if x is None or (isinstance(x, float) and isnan(x)):
        return ""
    if isinstance(x, float):
        return f"{x:.4g}"
    return f"{x:,}" if isinstance(x, int) else str(x)


def table(rows: Iterable[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """An HTML table of mappings, escaped; empty when there are no rows."""
    rows = list(rows)
    if not rows:
        return ""
    names = names or list(rows[0])
    words = {n: any(isinstance(r[n], str) for r in rows) for n in names}

    def cell(tag: str, name: str, text: str) -> str:
        kind = "words long" if len(text) > 30 else "words" if words[name] else ""
        return f'<{tag} class="{kind}">{escape(text)}</{tag}>'

    head = "".join(cell("th", n, n.replace("_", " ")) for n in names)
    body = "".join(
        "<tr>" + "".join(cell("td", n, _cell(r[n])) for n in names) + "</tr>"
        for r in rows
    )
    return (
        '<div class="scroll" tabindex="0"><table><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _scale(values: Iterable[float], start: float, stop: float) -> Any:
    """A linear map of the values, and 0, onto [start, stop]."""
    values = [*values, 0.0]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    return lambda v: start + (v - low) / (high - low) * (stop - start)


def forest(
    rows: Sequence[Mapping[str, Any]], title: str, *, percent: bool = False
) -> str:
    """A forest plot as SVG: a line with its middle for each row, and the zero line."""
    if not rows:
        return ""
    at = _scale((v for r in rows for v in r["interval"]), 4, 340)
    height = 24 + 40 * len(rows)
    parts = [
        f'<line class="zero" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="8" '
        f'y2="{height - 18}"/>'
    ]
    for i, r in enumerate(rows):
        y = 32 + 40 * i
        low, high = r["interval"]
        size = f"{r['middle']:+.1%}" if percent else f"{r['middle']:+.3g}"
        label = r["label"] if len(r["label"]) < 60 else r["label"][:58] + "…"
        parts.append(
            f'<text x="0" y="{y - 12}">{escape(label)}</text>'
            f'<g class="{r["mark"]}"><line x1="{at(low):.1f}" x2="{at(high):.1f}" '
            f'y1="{y}" y2="{y}" stroke-width="3"/>'
            f'<circle cx="{at(r["middle"]):.1f}" cy="{y}" r="5"/></g>'
            f'<text x="354" y="{y + 4}">{size}</text>'
        )
    parts.append(f'<text x="{at(0) - 4:.1f}" y="{height - 4}">0</text>')
    return _svg(420, height, title, parts)


def series(rows: Sequence[Mapping[str, Any]], title: str) -> str:
    """Effects by day with intervals, as SVG."""
    top, bottom = 12.0, 190.0
    at = _scale((v for r in rows for v in r["interval"]), bottom, top)
    step = 380 / max(1, len(rows))
    parts = [
        f'<line class="zero" x1="20" x2="412" y1="{at(0):.1f}" y2="{at(0):.1f}"/>',
        f'<text x="6" y="{at(0) + 4:.1f}">0</text>',
    ]
    for i, r in enumerate(rows):
        x = 26 + step * (i + 0.5)
        low, high = r["interval"]
        parts.append(
            f'<g class="open"><line x1="{x:.1f}" x2="{x:.1f}" y1="{at(low):.1f}" '
            f'y2="{at(high):.1f}" stroke-width="2"/>'
            f'<circle cx="{x:.1f}" cy="{at(r["effect"]):.1f}" r="4"/></g>'
        )
    for i, x in ((0, 26.0), (len(rows) - 1, 340.0)):
        parts.append(
            f'<text x="{x:.0f}" y="212">{escape(str(rows[i]["day"])[:10])}</text>'
        )
    return _svg(420, 220, title, parts)


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" '
        'role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )
