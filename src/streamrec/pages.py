"""Reports as one HTML file: the frame, tables and small plots.

Self-contained: no script, no font, nothing fetched; readable on a phone and in the dark
theme. Everything that comes from the data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, isnan, log10
from typing import Any

STYLE = """
:root{--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--paper:#fff;--good:#0072b2;
--bad:#b3470c;--mute:#6e7781}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;
--paper:#0d1117;--good:#56b4e9;--bad:#f0964a;--mute:#8d96a0}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.15rem;margin-top:2rem}
a{color:var(--good)}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem}
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
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));
gap:1.5rem}.charts svg{min-width:0;max-width:30rem}.charts figcaption{font-size:.9rem}
svg.chart text{font-size:14px}.line{fill:none;stroke-width:2.5}
.key{white-space:nowrap;margin-right:1rem}.key svg{width:2rem;height:.7rem;min-width:0;
display:inline-block;vertical-align:middle}
li{overflow-wrap:anywhere}
"""
MARKS, DASHES = ("good", "bad", "open"), ("", "7 4", "2 4")
LEFT, RIGHT, TOP, BOTTOM = 52.0, 388.0, 28.0, 256.0
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, body: Iterable[str]) -> str:
    """A whole page around parts that are HTML already; nothing is fetched or run."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


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


def _cell(x: Any) -> str:
    if x is None or (isinstance(x, float) and isnan(x)):
        return ""
    if isinstance(x, float):
        return f"{x:.4g}"
    return f"{x:,}" if isinstance(x, int) else str(x)


def forest(
    rows: Sequence[Mapping[str, Any]], title: str, *, percent: bool = False
) -> str:
    """A forest plot as SVG: a line with its middle for each row, zero dashed."""
    if not rows:
        return ""
    at = _scale((v for r in rows for v in r["interval"]), 4, 340)
    height = 24 + 40 * len(rows)
    parts = []
    for i, r in enumerate(rows):
        y = 32 + 40 * i
        low, high = r["interval"]
        size = f"{r['middle']:+.1%}" if percent else f"{r['middle']:+.3g}"
        label = r["label"] if len(r["label"]) < 60 else r["label"][:58] + "…"
        parts.append(
            f'<line class="zero" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="{y - 9}" '
            f'y2="{y + 13}"/><text x="0" y="{y - 12}">{escape(label)}</text>'
            f'<g class="{r["mark"]}"><line x1="{at(low):.1f}" x2="{at(high):.1f}" '
            f'y1="{y}" y2="{y}" stroke-width="3"/>'
            f'<circle cx="{at(r["middle"]):.1f}" cy="{y}" r="5"/></g>'
            f'<text x="354" y="{y + 4}">{size}</text>'
        )
    parts.append(f'<text x="{at(0) - 4:.1f}" y="{height - 4}">0</text>')
    return figure(420, height, title, parts)


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
    return figure(420, 220, title, parts)


def _scale(values: Iterable[float], start: float, stop: float) -> Any:
    """A linear map of the values, and 0, onto [start, stop]."""
    values = [*values, 0.0]
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 1.0
    low, high = low - margin, high + margin
    return lambda v: start + (v - low) / (high - low) * (stop - start)


def figure(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    """SVG parts as a figure with a caption, scaled to the page's width."""
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" '
        'role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


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
