"""Draw the causal graph of each world from the world's own list of edges.

    python tools/worlds.py graphs      book/images/{streaming,medicore,...}-graph.svg

Boxes lie in rows, causes above effects. Variables with the same causes and the same
effects share a box, so that an arrow of the box stands for one of each. Arrows that act
a day later are dashed, and so are the boxes of what nobody records. Every line carries
its edges in ``data-from`` and ``data-to``: a test reads them back and compares them
with ``world.truth.graph``.
"""

from __future__ import annotations

import random
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import nbtools

from streamrec.book.figures import BLUE, INK, MUTED, PAPER, VERMILLION

WIDTH = 430.0  # user units, at least: a phone shows the text at 9 to 11 pixels
SIZE, LINE, PAD = 13, 16, 7  # of the text; between its lines; inside a box
SPACE = 38.0  # between rows, where the lines run
LONGEST = 11  # letters in a line of a box
TRIES = 300  # orders of the rows that are tried for few crossings

Edge = tuple[str, str]


@dataclass(frozen=True)
class Drawing:
    """What a graph does not say itself: roles of its variables."""

    module: str
    name: str
    treatment: str
    outcome: str
    latent: frozenset[str] = frozenset()
    later: frozenset[Edge] = frozenset()  # act a day later; the graph has cycles


def _set(text: str) -> frozenset[str]:
    return frozenset(x.strip() for x in text.split(","))


DRAWINGS = {
    "streaming": Drawing(
        "streamrec.worlds.streaming.truth", "GRAPH", "recommended", "minutes",
        _set("user taste, item taste, follows, user traits, quality, popularity pull, "
             "mood, drift, affinity, recommended play, organic play, fatigue, "
             "satisfaction"),
        frozenset({
            ("satisfaction", "sessions"), ("leave", "sessions"),
            ("sessions", "fatigue"), ("recommended", "fatigue"),
            ("candidates", "fatigue"),
        }),
    ),
    "medicore": Drawing(
        "streamrec.worlds.medicore", "GRAPH", "drug_x", "readmitted", _set("frailty"),
    ),
    "meridian": Drawing(
        "streamrec.worlds.meridian", "GRAPH", "approved", "default",
        _set("reliability, savings, local_economy, default"),
    ),
    "terraml": Drawing(
        "streamrec.worlds.terraml", "GRAPH", "forcing", "warming",
        _set("forcing, internal_variability, warming, weather, station_noise, "
             "moved_instrument, observation_error, shared_bias, model_variability, "
             "model_deviation"),
    ),
}  # fmt: skip


def edges(graph: Mapping[str, Iterable[str]] | Iterable[Edge]) -> set[Edge]:
    """Pairs (cause, effect) of a graph written as a mapping or as pairs."""
    if isinstance(graph, Mapping):
        return {(a, b) for a, effects in graph.items() for b in effects}
    return {(a, b) for a, b in graph}


def groups(pairs: set[Edge], latent: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Variable -> the members of its box: same causes, effects and visibility."""
    found: dict[Any, list[str]] = {}
    names = sorted({x for e in pairs for x in e})
    for x in names:
        causes = frozenset(a for a, b in pairs if b == x)
        effects = frozenset(b for a, b in pairs if a == x)
        found.setdefault((causes, effects, x in latent), []).append(x)
    return {x: tuple(members) for members in found.values() for x in members}


@dataclass
class Node:
    """A box, or a point at which a line passes a row (members empty)."""

    members: tuple[str, ...]
    row: int
    x: float = 0.0
    up: list[Node] = field(default_factory=list, repr=False)
    down: list[Node] = field(default_factory=list, repr=False)

    @property
    def width(self) -> float:
        """Width of the box; a passing line needs a little room too."""
        if not self.members:
            return 2.0
        text = 0.56 * SIZE * max(len(line) for line in self.text) + 2 * PAD
        return max(text, 9.0 * max(len(self.up), len(self.down)) + 12)

    @property
    def text(self) -> list[str]:
        """The words in the box, one line each: members apart by commas."""
        names = [m.replace("_", " ") for m in self.members]
        names = [f"{m}," for m in names[:-1]] + names[-1:]
        return [
            line
            for m in names
            for line in textwrap.wrap(m, LONGEST, break_long_words=False)
        ]

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def rows_of(boxes: set[Edge], later: set[Edge]) -> dict[str, int]:
    """Row of each box: causes above effects, as low as their effects allow.

    An arrow that acts a day later runs upwards, from its cause to an earlier row.
    """
    below: dict[str, list[str]] = {}
    for a, b in boxes:
        below.setdefault(b, [])
        below.setdefault(a, [])
        high, low = (b, a) if (a, b) in later else (a, b)
        below[high].append(low)
    depth: dict[str, int] = {}

    def measure(x: str) -> int:
        if x not in depth:
            depth[x] = 1 + max((measure(y) for y in below[x]), default=-1)
        return depth[x]

    deepest = max(measure(x) for x in below)
    return {x: deepest - depth[x] for x in below}


class Layout:
    """Places boxes and lines; ``lines`` maps an edge of boxes to its nodes."""

    def __init__(self, pairs: set[Edge], d: Drawing) -> None:
        self.box = groups(pairs, d.latent)
        of = {x: members[0] for x, members in self.box.items()}
        boxed = {(of[a], of[b]) for a, b in pairs}
        self.later = {(of[a], of[b]) for a, b in d.later & pairs}
        row = rows_of(boxed, self.later)
        self._relieve(row, boxed)
        self.nodes = {x: Node(self.box[x], r) for x, r in sorted(row.items())}
        self.rows: list[list[Node]] = [[] for _ in range(max(row.values()) + 1)]
        for node in self.nodes.values():
            self.rows[node.row].append(node)
        self.passing: dict[tuple[str, int, int, bool], Node] = {}
        self.lines = {e: self._route(*e) for e in sorted(boxed)}
        self._order()
        self._place()

    def _relieve(self, row: dict[str, int], boxed: set[Edge]) -> None:
        """Move boxes up, where their causes allow, from rows too wide for the page."""
        above: dict[str, list[str]] = {x: [] for x in row}
        for a, b in boxed:
            high, low = (b, a) if (a, b) in self.later else (a, b)
            above[low].append(high)
        for r in range(max(row.values()), 0, -1):
            wide = {x: Node(self.box[x], r).width + 16 for x in row if row[x] == r}
            free = [x for x in wide if all(row[y] < r - 1 for y in above[x])]
            free.sort(key=lambda x: (len(above[x]), x))
            while sum(wide.values()) > WIDTH and free:
                row[x := free.pop(0)] = r - 1
                del wide[x]

    def _route(self, a: str, b: str) -> list[Node]:
        """Nodes of a line; lines of one kind that leave a box share their way."""
        start, end = self.nodes[a], self.nodes[b]
        step = 1 if end.row > start.row else -1
        path = [start]
        for r in range(start.row + step, end.row, step):
            key = (a, r, step, (a, b) in self.later)
            if key not in self.passing:
                self.passing[key] = Node((), r)
                self.rows[r].append(self.passing[key])
            path.append(self.passing[key])
        path.append(end)
        for p, q in zip(path, path[1:], strict=False):
            high, low = (p, q) if step > 0 else (q, p)
            if low not in high.down:
                high.down.append(low)
                low.up.append(high)
        return path

    def _order(self) -> None:
        """The order within rows with the fewest crossings among some tries."""
        rng, best = random.Random(0), (10**9, self.rows)
        for _ in range(TRIES):
            rows = [rng.sample(r, len(r)) for r in self.rows]
            for sweep in range(8):
                down = sweep % 2 == 0
                for r in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
                    at = {n: k for k, n in enumerate(rows[r - 1 if down else r + 1])}
                    rows[r] = sorted(rows[r], key=lambda n: _mean(n, at, down))
            best = min(best, (_crossings(rows), rows), key=lambda pair: pair[0])
        self.rows = best[1]

    def _place(self) -> None:
        """Horizontal places: near the neighbours, in order, inside the page."""
        self.width = max([WIDTH, *(_needed(row) for row in self.rows)])
        for row in self.rows:
            need = sum(n.width for n in row)
            gap, x = (self.width - need) / (len(row) + 1), 0.0
            for n in row:
                x += gap
                n.x = x + n.width / 2
                x += n.width
        for sweep in range(80):
            for row in self.rows if sweep % 2 else self.rows[::-1]:
                want = [_pull(n) for n in row]
                for n, x in zip(row, _separate(row, want, self.width), strict=True):
                    n.x = x


def _mean(n: Node, at: dict[Node, int], down: bool) -> float:
    near = [at[m] for m in (n.up if down else n.down) if m in at]
    return sum(near) / len(near) if near else len(at) / 2


def _crossings(rows: list[list[Node]]) -> int:
    total = 0
    for high, low in zip(rows, rows[1:], strict=False):
        at = {n: k for k, n in enumerate(low)}
        ends = [sorted(at[m] for m in n.down) for n in high]
        for k, mine in enumerate(ends):
            total += sum(x > y for other in ends[k + 1 :] for x in mine for y in other)
    return total


def _pull(n: Node) -> float:
    near = n.up + n.down
    return sum(m.x for m in near) / len(near) if near else n.x


def _room(row: list[Node]) -> list[float]:
    """Least distance of the centres of neighbours in a row."""
    return [
        (a.width + b.width) / 2 + (9 if a.members and b.members else 6)
        for a, b in zip(row, row[1:], strict=False)
    ]


def _needed(row: list[Node]) -> float:
    return sum(_room(row)) + (row[0].width + row[-1].width) / 2 + 4


def _separate(row: list[Node], want: list[float], width: float) -> list[float]:
    """Places close to ``want`` with room between neighbours and at the edges."""
    room = _room(row)
    left = list(want)
    left[0] = max(left[0], row[0].width / 2 + 2)
    for k, r in enumerate(room):
        left[k + 1] = max(left[k + 1], left[k] + r)
    right = list(want)
    right[-1] = min(right[-1], width - row[-1].width / 2 - 2)
    for k in range(len(room) - 1, -1, -1):
        right[k] = min(right[k], right[k + 1] - room[k])
    out = [(a + b) / 2 for a, b in zip(left, right, strict=True)]
    out[0] = max(out[0], row[0].width / 2 + 2)
    for k, r in enumerate(room):
        out[k + 1] = max(out[k + 1], out[k] + r)
    over = out[-1] + row[-1].width / 2 + 2 - width
    return [x - max(over, 0) for x in out]


# --- SVG -----------------------------------------------------------------------------


def _tops(layout: Layout) -> tuple[list[float], list[float]]:
    """Top and height of every row."""
    tall = [max(len(n.text) for n in row) for row in layout.rows]
    height = [float(t * LINE + 2 * PAD - 2) for t in tall]
    top, y = [], 4.0
    for h in height:
        top.append(y)
        y += h + SPACE
    return top, height


def _port(node: Node, others: list[Node], other: Node) -> float:
    """Where a line meets a box: in the order of the other ends."""
    if not node.members:
        return node.x
    ranked = sorted(others, key=lambda n: n.x)
    place = (ranked.index(other) + 1) / (len(ranked) + 1) - 0.5
    return node.x + place * min(node.width + 4, 26.0 * len(ranked))


def _path(line: list[Node], top: list[float], height: list[float]) -> str:
    """A smooth line through its nodes, vertical where it passes a row."""
    parts, going_down = [], line[1].row > line[0].row
    for k, (a, b) in enumerate(zip(line, line[1:], strict=False)):
        high, low = (a, b) if going_down else (b, a)
        box = 0.0 if not high.members else _slack(high, height)
        x0, x1 = _port(high, high.down, low), _port(low, low.up, high)
        y0, y1 = top[high.row] + height[high.row] - box, top[low.row]
        if low.members:
            y1 += _slack(low, height)
        if not going_down:
            x0, y0, x1, y1 = x1, y1, x0, y0
        middle = (y0 + y1) / 2
        parts.append(f"{'L' if k else 'M'}{x0:.1f} {y0:.1f}")
        parts.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
    return "".join(parts)


def _slack(n: Node, height: list[float]) -> float:
    """Space above and below a box that is lower than its row."""
    return (height[n.row] - (len(n.text) * LINE + 2 * PAD - 2)) / 2


def _head(path: str, down: bool) -> str:
    """An arrow head at the end of a path."""
    x, y = (float(v) for v in re.findall(r"-?[\d.]+", path)[-2:])
    s = -1 if down else 1
    return f"M{x:.1f} {y:.1f}l-3.6 {7 * s}h7.2z"


def svg(pairs: set[Edge], drawing: Drawing) -> str:
    """The whole picture as SVG text; the same edges give the same bytes."""
    layout = Layout(pairs, drawing)
    top, height = _tops(layout)
    tall = top[-1] + height[-1] + 4
    sides = [n.x + k * n.width / 2 for row in layout.rows for n in row for k in (-1, 1)]
    wide = max(WIDTH, max(sides) - min(sides) + 6)
    left = (min(sides) + max(sides) - wide) / 2
    view = f"{left:.0f} 0 {wide:.0f} {tall:.0f}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}"'
        f' width="{wide:.0f}" height="{tall:.0f}" font-family="sans-serif"'
        f' font-size="{SIZE}">'
    ]
    for (a, b), line in layout.lines.items():
        path = _path(line, top, height)
        colour = VERMILLION if drawing.treatment in layout.box[a] else MUTED
        dash = ' stroke-dasharray="4 3"' if (a, b) in layout.later else ""
        ends = "".join(
            f' data-{name}="{escape("|".join(layout.box[x]))}"'
            for name, x in (("from", a), ("to", b))
        )
        out.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3"'
            f"{dash}{ends}/>"
        )
        down = line[1].row > line[0].row
        out.append(f'<path d="{_head(path, down)}" fill="{colour}"/>')
    for node in layout.nodes.values():
        out += _box(node, drawing, top, height)
    return "\n".join([*out, "</svg>", ""])


def _box(node: Node, d: Drawing, top: list[float], height: list[float]) -> list[str]:
    colour = INK
    if d.treatment in node.members:
        colour = VERMILLION
    if d.outcome in node.members:
        colour = BLUE
    dashed = ' stroke-dasharray="4 3"' if set(node.members) <= d.latent else ""
    y = top[node.row] + _slack(node, height)
    h = len(node.text) * LINE + 2 * PAD - 2
    out = [
        f'<rect x="{node.x - node.width / 2:.1f}" y="{y:.1f}" width="{node.width:.1f}"'
        f' height="{h:.0f}" rx="7" fill="{PAPER}" stroke="{colour}"'
        f' stroke-width="1.6"{dashed}/>'
    ]
    for k, words in enumerate(node.text):
        base = y + PAD + LINE * k + SIZE - 2
        out.append(
            f'<text x="{node.x:.1f}" y="{base:.1f}" text-anchor="middle"'
            f' fill="{INK}">{escape(words)}</text>'
        )
    return out


def drawn(text: str) -> set[Edge]:
    """The edges that a picture shows, read back from it."""
    return {
        (a, b)
        for causes, effects in re.findall(
            r'data-from="([^"]*)" data-to="([^"]*)"', text
        )
        for a in causes.split("|")
        for b in effects.split("|")
    }


def image(world: str) -> Path:
    """Where the picture of a world's graph lies."""
    return nbtools.ROOT / "book" / "images" / f"{world}-graph.svg"


def picture(world: str) -> str:
    """The picture of a world's graph, from the graph that its truth returns."""
    d = DRAWINGS[world]
    return svg(edges(getattr(import_module(d.module), d.name)), d)


def draw() -> None:
    """Write the four pictures."""
    for world in DRAWINGS:
        nbtools.write_text(picture(world), image(world))
