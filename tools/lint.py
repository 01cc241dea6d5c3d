"""Check the anatomy of chapters: what every page must have, and must not.

    python tools/lint.py                 all chapters and solutions
    python tools/lint.py --chapter 1     one chapter
    python tools/lint.py --strict        warnings fail too

Each finding is one line, ``file:cell-id: message [rule]``. Errors fail, warnings not.

A decimal in prose must occur in an output of its section (the text under one ``##``),
or be a constant of that section's code, or a canonical figure of the world, or stand in
a paragraph with a citation. A given constant that is none of these is allowed by a
comment in the same cell: ``<!-- lint: allow 0.95 -->`` or ``% lint: allow 0.95 0.8``.
"""

from __future__ import annotations

import argparse
import ast
import base64
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbtools
from nbformat import NotebookNode
from nbtools import BadInput, shown, tags

CHECKS, CLAIMS, PREDICTIONS = 10, 3, 3  # fewest in a chapter
OBJECTIVES, SELF_CHECK, COMPARED = 5, (8, 12), (2, 5)
WORDS, CELLS, CELL_LINES, COLUMNS = (5_000, 9_000), (40, 90), 15, 88
NOTEBOOK_BYTES, FIGURE_BYTES = 3_000_000, 60_000
SECTIONS = {
    "In StreamRec": r"in streamrec",
    "In practice": r"in practice",
    "Self-check": r"self-check",
    "Exercises": r"exercises",
    "Summary": r"summary",
    "Key vocabulary": r"(key )?vocabulary|key terms",
    "Further reading": r"further reading",
}
TAGS = set(
    "parameters hide-input hide-output hide-cell remove-input remove-output "
    "remove-cell scroll-output output_scroll full-width margin nbval-check-output "
    "nbval-ignore-output nbval-skip raises-exception nbval-raises-exception".split()
)
DECIMAL = re.compile(
    r"(?<![\w.,/:-])[-−+]?(\d[\d,]*\.\d+)(?![\w]*\.\d)\b"
    r"(\s*(?:%|\\%|per cent|percent))?"
)
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,_]*\.?\d*(?:[eE][-+]?\d+)?")
ALLOW = re.compile(r"lint:\s*allow\s+([\d.,\s%]+)")
REFERENCE = re.compile(
    r"\b(?:sections?|chapters?|theorems?|equations?|figures?|tables?|definitions?|"
    r"algorithms?|exercises?|python|version|CC BY|[\w-]+[>=~]=)\s*"
    r"\d+(?:\.\d+)+(?:\s*(?:and|to|,|–|-)\s*\d+(?:\.\d+)+)*",
    re.I,
)
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:root|home|tmp|work|usr|opt|Users|var|mnt)/")
SCRIPT = re.compile(r"<script|https?://cdn|plotly", re.I)


@dataclass(frozen=True)
class Finding:
    """One thing to mend."""

    path: Path
    cell: str
    rule: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        """One line, ``file:cell-id: message [rule]``."""
        kind = "warning: " if self.warning else ""
        return f"{shown(self.path)}:{self.cell}: {kind}{self.message} [{self.rule}]"


@dataclass
class Section:
    """The cells under one ``##`` heading; the opening has no title."""

    title: str
    cells: list[NotebookNode] = field(default_factory=list)


@dataclass
class Page:
    """A notebook as the rules see it."""

    path: Path
    nb: NotebookNode
    root: Path = nbtools.ROOT

    @property
    def is_chapter(self) -> bool:
        """Whether this is a page of the book (else the source of an exercise set)."""
        return self.path.name not in {"solutions.ipynb", "exercises.ipynb"}

    @cached_property
    def code(self) -> list[NotebookNode]:
        """Code cells with something in them."""
        return [c for c in self.nb.cells if c.cell_type == "code" and c.source.strip()]

    @cached_property
    def prose(self) -> list[NotebookNode]:
        """Markdown cells."""
        return [c for c in self.nb.cells if c.cell_type == "markdown"]

    @cached_property
    def sections(self) -> list[Section]:
        """The page cut at its ``##`` headings."""
        out = [Section("")]
        for cell in self.nb.cells:
            if cell.cell_type == "markdown":
                found = re.findall(r"^## +(.+)$", _no_fences(cell.source), re.M)
                if found:
                    out.append(Section(found[-1].strip()))
            out[-1].cells.append(cell)
        return out

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        """The syntax trees of code cells that parse."""
        out = {}
        for cell in self.code:
            try:
                out[cell.id] = ast.parse(python_of(cell.source))
            except SyntaxError:
                continue
        return out

    def say(self, cell: str, rule: str, message: str, warning: bool = False) -> Finding:
        """A finding on this page."""
        return Finding(self.path, cell, rule, message, warning)


Rule = Callable[[Page], Iterator[Finding]]
RULES: dict[str, Rule] = {}
EVERYWHERE = {"ids", "tags", "outputs", "paths", "size", "timing", "seeding", "columns"}


def rule(function: Rule) -> Rule:
    """Register a rule under its function's name."""
    RULES[function.__name__.replace("_", "-")] = function
    return function


# ------------------------------------------------------------------ reading a page


def python_of(source: str) -> str:
    """The cell without IPython's magic lines (line numbers kept)."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


def _no_fences(text: str) -> str:
    """Markdown without code blocks; directives and their prose stay."""
    pattern = r"^(`{3,}|~{3,})(?!\{)[^\n]*\n.*?^\1`*~*[ ]*$"
    text = re.sub(pattern, "", text, flags=re.M | re.S)
    code = r"^(`{3,}|:{3,})\{(?:code|code-block|code-cell|literalinclude|math)\}.*?^\1"
    return re.sub(code, "", text, flags=re.M | re.S)


def headings(page: Page) -> list[tuple[int, str, str]]:
    """Level, text and cell id of every heading."""
    return [
        (len(marks), text.strip(), cell.id)
        for cell in page.prose
        for marks, text in re.findall(
            r"^(#{1,6}) +(.+)$", _no_fences(cell.source), re.M
        )
    ]


def calls(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the functions called in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def output_text(cell: NotebookNode) -> str:
    """Everything textual that a cell shows."""
    out = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            out.append(output.text)
        for kind, value in output.get("data", {}).items():
            if kind in {"text/plain", "text/markdown", "text/latex"}:
                out.append(value)
            elif kind == "text/html":
                out.append(re.sub(r"<style.*?</style>|<[^>]+>", " ", value, flags=re.S))
    return "\n".join(out)


def parameters_cell(page: Page) -> NotebookNode | None:
    """The cell tagged ``parameters``, if there is exactly one."""
    found = [c for c in page.code if "parameters" in tags(c)]
    return found[0] if len(found) == 1 else None


def parameter_names(page: Page) -> list[str]:
    """The names that the parameters cell assigns."""
    cell = parameters_cell(page)
    if cell is None or cell.id not in page.trees:
        return []
    return [
        target.id
        for node in page.trees[cell.id].body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]


def unread_parameters(page: Page) -> list[str]:
    """Parameters that no later cell reads, or that a later cell assigns first."""
    names, cell = parameter_names(page), parameters_cell(page)
    read: set[str] = set()
    lost: set[str] = set()
    for other, tree in page.trees.items():
        if cell is None or other == cell.id:
            continue
        loads = {n.id for n in ast.walk(tree) if _is(n, ast.Load)}
        stores = {n.id for n in ast.walk(tree) if _is(n, ast.Store)}
        lost |= {n for n in names if n in stores and n not in read}
        read |= loads & set(names)
    return [n for n in names if n not in read or n in lost]


def _is(node: ast.AST, context: type[ast.expr_context]) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, context)


# ------------------------------------------------------------------ rules for all


@rule
def ids(page: Page) -> Iterator[Finding]:
    """Cell ids start with ``chNN-`` and are unique."""
    prefix, seen = nbtools.prefix_of(page.path), set()
    for cell in page.nb.cells:
        if not re.fullmatch(re.escape(prefix) + r"[a-z0-9][a-z0-9-]*", cell.id):
            yield page.say(cell.id, "ids", f"the id must look like {prefix}short-name")
        if cell.id in seen:
            yield page.say(cell.id, "ids", "two cells have this id")
        seen.add(cell.id)


@rule
def tags_(page: Page) -> Iterator[Finding]:
    """Only known tags, in lower case (others are ignored in silence)."""
    known = TAGS if page.is_chapter else TAGS | _exercise_tags()
    for cell in page.nb.cells:
        for tag in tags(cell):
            if tag in known or (not page.is_chapter and re.fullmatch(r"q\d+", tag)):
                continue
            hint = f": write {tag.lower()}" if tag.lower() in known else ""
            yield page.say(cell.id, "tags", f"unknown tag {tag!r}{hint}")


RULES["tags"] = RULES.pop("tags-")


def _exercise_tags() -> set[str]:
    from exercises import PARTS, SHARED

    return {*PARTS, *SHARED}


@rule
def outputs(page: Page) -> Iterator[Finding]:
    """Executed in order from a fresh kernel; no errors, warnings or scripts stored."""
    expected = 0
    for cell in page.code:
        expected += 1
        if cell.get("execution_count") is None:
            yield page.say(cell.id, "outputs", "not executed: make chapter CH=...")
            return
        if cell.execution_count != expected:
            yield page.say(cell.id, "outputs", "executed out of order: make chapter")
            return
    for cell in page.code:
        for output in cell.outputs:
            if output.output_type == "error":
                yield page.say(cell.id, "outputs", f"stored error: {output.ename}")
            if output.get("name") == "stderr":
                yield page.say(cell.id, "outputs", "stored stderr: make chapter CH=...")
            html = output.get("data", {}).get("text/html", "")
            if SCRIPT.search(html):
                yield page.say(cell.id, "outputs", "the output loads a script")
        if re.search(r"np\.(float|int|bool_?|str_)\d*\(", output_text(cell)):
            yield page.say(cell.id, "outputs", "prints np.float64(...): use float()")


@rule
def paths(page: Page) -> Iterator[Finding]:
    """No absolute path of a machine, in sources or outputs."""
    for cell in page.nb.cells:
        text = cell.source + "\n" + output_text(cell)
        found = ABSOLUTE.search(text)
        if found:
            yield page.say(cell.id, "paths", f"absolute path {found.group()}...")


@rule
def size(page: Page) -> Iterator[Finding]:
    """Notebook below 3 MB, each figure below 60 kB."""
    total = len(nbtools.dumps(page.nb).encode())
    if total > NOTEBOOK_BYTES:
        yield page.say("-", "size", f"{total / 1e6:.1f} MB, at most 3 MB")
    for cell in page.code:
        for kind, data in _images(cell):
            weight = (
                len(data) if kind == "image/svg+xml" else len(base64.b64decode(data))
            )
            if weight > FIGURE_BYTES:
                yield page.say(
                    cell.id, "size", f"figure of {weight / 1e3:.0f} kB, at most 60 kB"
                )


def _images(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    for output in cell.outputs:
        for kind, data in output.get("data", {}).items():
            if kind.startswith("image/"):
                yield kind, data


@rule
def timing(page: Page) -> Iterator[Finding]:
    """Pages never time anything: timings are read from benchmarks/results."""
    clocks = r"(time\.)?(time|perf_counter|process_time|monotonic)(_ns)?|timeit(\.\w+)?"
    for cell in page.code:
        if re.search(r"^\s*%{1,2}time(it)?\b", cell.source, re.M):
            yield page.say(cell.id, "timing", "a page does not time: use make bench")
        for name in calls(page.trees.get(cell.id, ast.Module([], []))):
            if re.fullmatch(clocks, name):
                yield page.say(cell.id, "timing", f"{name}() in a page: use make bench")


@rule
def seeding(page: Page) -> Iterator[Finding]:
    """No global seeding: a generator is made from SEED and passed on."""
    pattern = (
        r"(np|numpy)\.random\.seed|random\.seed|torch\.manual_seed|seed_everything"
    )
    for cell in page.code:
        for name in calls(page.trees.get(cell.id, ast.Module([], []))):
            if re.fullmatch(pattern, name):
                yield page.say(
                    cell.id, "seeding", f"{name}() seeds globally: pass a generator"
                )


@rule
def columns(page: Page) -> Iterator[Finding]:
    """Lines of code of at most 88 columns; cells of at most fifteen lines (warning)."""
    for cell in page.code:
        lines = cell.source.rstrip().splitlines()
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                message = f"line {number} has {len(line)} columns, at most {COLUMNS}"
                yield page.say(cell.id, "columns", message)
        if page.is_chapter and len(lines) > CELL_LINES:
            message = f"{len(lines)} lines, better at most {CELL_LINES}"
            yield page.say(cell.id, "columns", message, warning=True)


# ------------------------------------------------------------------ rules for chapters


@rule
def title(page: Page) -> Iterator[Finding]:
    """One H1, the first line of the page, the title that the syllabus gives."""
    tops = [(text, cell) for level, text, cell in headings(page) if level == 1]
    first = page.nb.cells[0] if page.nb.cells else None
    if first is None or not first.source.lstrip().startswith("# "):
        where = first.id if first is not None else "-"
        yield page.say(where, "title", "the page must begin with `# Title`")
    for text, cell in tops[1:]:
        yield page.say(cell, "title", f"second H1 ({text}): use ## or ###")
    expected = _syllabus_title(page.path)
    if tops and expected and expected.lower() not in tops[0][0].lower():
        yield page.say(tops[0][1], "title", f"the syllabus calls it {expected!r}")


def _syllabus_title(path: Path) -> str | None:
    from streamrec import syllabus

    for chapter in syllabus.load().chapters:
        if chapter.name == path.stem:
            return chapter.title
    return None


@rule
def objectives(page: Page) -> Iterator[Finding]:
    """Exactly five learning objectives in the opening."""
    for cell in page.prose:
        lines = cell.source.splitlines()
        for n, line in enumerate(lines):
            if re.search(r"objectives|you will be able to", line, re.I):
                count = _items(lines[n + 1 :])
                if count == 0 and cell is not page.prose[-1]:
                    following = page.prose[page.prose.index(cell) + 1]
                    count = _items(following.source.splitlines())
                if count != OBJECTIVES:
                    message = f"{count} learning objectives listed, not {OBJECTIVES}"
                    yield page.say(cell.id, "objectives", message)
                return
    yield page.say("-", "objectives", "no list of learning objectives")


def _items(lines: list[str]) -> int:
    """Items of the first list among these lines."""
    count = 0
    for line in lines:
        if re.match(r"(\d+[.)]|[-*+])\s+\S", line):
            count += 1
        elif count and line.strip() and not line.startswith(" "):
            if re.match(r"#|\*\*|`{3}|:{3}|\+\+\+", line):
                break
        elif not count and re.match(r"#{1,6} ", line):
            break
    return count


@rule
def opening(page: Page) -> Iterator[Finding]:
    """The opening says which earlier chapters are needed (the site adds the cost)."""
    text = " ".join(c.source for c in page.prose[:6])
    if not re.search(r"\bneeds?\b", text, re.I):
        yield page.say("-", "opening", "the opening does not say what it needs")


@rule
def parameters(page: Page) -> Iterator[Finding]:
    """One parameters cell: SEED, SCALE = "book", constants only, each of them used."""
    found = [c for c in page.code if "parameters" in tags(c)]
    if len(found) != 1:
        message = f"{len(found)} cells tagged parameters, not one"
        yield page.say(found[1].id if found else "-", "parameters", message)
        return
    cell, values = found[0], {}
    for node in page.trees.get(cell.id, ast.Module([], [])).body:
        simple = isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(
            node.value, (ast.Constant, ast.UnaryOp)
        )
        if not simple:
            message = "holds more than NAME = constant: " + ast.unparse(node)[:40]
            yield page.say(cell.id, "parameters", message)
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        values[ast.unparse(target)] = ast.literal_eval(node.value)
    if not isinstance(values.get("SEED"), int):
        yield page.say(cell.id, "parameters", "SEED = (an integer) is missing")
    if values.get("SCALE") != "book":
        yield page.say(cell.id, "parameters", 'SCALE = "book" is missing')
    for name in unread_parameters(page):
        yield page.say(cell.id, "parameters", f"{name} is set here and never read")


@rule
def checks(page: Page) -> Iterator[Finding]:
    """At least ten checks and three claims stand in the page."""
    names = [n for tree in page.trees.values() for n in calls(tree)]
    for name, least in (("check", CHECKS), ("claim", CLAIMS)):
        count = sum(n.split(".")[-1] == name for n in names)
        if count < least:
            message = f"{count} calls of {name}(), at least {least}"
            yield page.say("-", "checks", message)


@rule
def predictions(page: Page) -> Iterator[Finding]:
    """At least three times, predict before you run."""
    count = sum(len(re.findall(r"predict before", c.source, re.I)) for c in page.prose)
    if count < PREDICTIONS:
        message = f"{count} times 'predict before you run', at least {PREDICTIONS}"
        yield page.say("-", "predictions", message)


@rule
def sections(page: Page) -> Iterator[Finding]:
    """The required sections exist, and somewhere the method breaks."""
    texts = [text.lower() for _, text, _ in headings(page)]
    bold = [
        b.lower() for c in page.prose for b in re.findall(r"\*\*(.+?)\*\*", c.source)
    ]
    for name, pattern in SECTIONS.items():
        expression = re.compile(rf"(?:[\d.]+\s+)?(?:{pattern})\b")
        if not any(expression.match(t) for t in texts + bold):
            yield page.say("-", "sections", f"no section {name!r}")
    if not any("break" in t or "fails" in t for t in texts + bold):
        yield page.say("-", "sections", "nowhere is shown where the method breaks")


@rule
def self_check(page: Page) -> Iterator[Finding]:
    """Eight to twelve questions, each with a collapsed answer."""
    low, high = SELF_CHECK
    for section in page.sections:
        if re.match(r"(?:[\d.]+\s+)?self-check", section.title, re.I):
            text = "\n".join(
                c.source for c in section.cells if c.cell_type == "markdown"
            )
            text = re.split(r"^##? +(?!.*self-check)", text, flags=re.M | re.I)[0]
            directive = (
                r"\{(?:dropdown|toggle)\}|:class:[^\n]*\b(?:dropdown|toggle)|<details"
            )
            count = len(re.findall(directive, text))
            if not low <= count <= high:
                message = f"{count} questions with a collapsed answer, {low} to {high}"
                yield page.say(section.cells[0].id, "self-check", message)
            return


@rule
def pytorch(page: Page) -> Iterator[Finding]:
    """PyTorch appears at least once."""
    if not any(
        re.search(r"^\s*(import|from) torch\b", c.source, re.M) for c in page.code
    ):
        yield page.say("-", "pytorch", "PyTorch is not used")


@rule
def compared(page: Page) -> Iterator[Finding]:
    """Two to five cells are compared strictly with their stored output."""
    low, high = COMPARED
    count = sum("nbval-check-output" in tags(c) for c in page.code)
    if not low <= count <= high:
        message = f"{count} cells tagged nbval-check-output, {low} to {high}"
        yield page.say("-", "compared", message)
    for cell in page.code:
        if "nbval-check-output" in tags(cell) and not cell.outputs:
            yield page.say(cell.id, "compared", "tagged nbval-check-output, no output")
        if "nbval-check-output" in tags(cell) and any(_images(cell)):
            message = "a figure cannot be compared: print the fact in another cell"
            yield page.say(cell.id, "compared", message)


@rule
def figures(page: Page) -> Iterator[Finding]:
    """Every figure has alternative text, a numbered caption, its code collapsed."""
    for cell in page.code:
        for output in cell.outputs:
            kinds = [k for k in output.get("data", {}) if k.startswith("image/")]
            if not kinds:
                continue
            alt, caption, name = _described(cell, output, kinds[0])
            if len(alt) < 20:
                yield page.say(
                    cell.id, "figures", "no alternative text of 20 characters"
                )
            if not (caption and name):
                yield page.say(cell.id, "figures", "the figure has no numbered caption")
            if not {"hide-input", "remove-input"} & set(tags(cell)):
                yield page.say(cell.id, "figures", "collapse the code: tag hide-input")
    for cell in page.prose:
        for text in re.findall(r"!\[(.*?)\]\(", cell.source):
            if not text.strip():
                yield page.say(cell.id, "figures", "an image has no alternative text")
        for body in re.findall(
            r"\{(?:figure|image)\}.*?(?:```|:::)", cell.source, re.S
        ):
            if ":alt:" not in body:
                yield page.say(cell.id, "figures", "an image has no :alt:")


def _described(cell: NotebookNode, output: NotebookNode, kind: str) -> tuple[str, ...]:
    note = output.get("metadata", {})
    cellwise = cell.metadata.get("mystnb", {})
    alt = note.get(kind, {}).get("alt") or cellwise.get("image", {}).get("alt", "")
    own, figure = note.get("streamrec", {}), cellwise.get("figure", {})
    caption = own.get("caption") or figure.get("caption", "")
    return alt, caption, own.get("name") or figure.get("name", "")


@rule
def citations(page: Page) -> Iterator[Finding]:
    """Every key cited is in the bibliography."""
    file = page.root / "book" / "references.bib"
    text = file.read_text("utf-8") if file.exists() else ""
    known = set(re.findall(r"^\s*@\w+\s*\{\s*([^,\s]+)", text, re.M))
    for cell in page.prose:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", cell.source):
            for key in re.split(r"[,;]\s*", group):
                key = re.sub(r"^.*<(.+)>$", r"\1", key.strip())
                if key not in known:
                    message = f"{key!r} is not in book/references.bib"
                    yield page.say(cell.id, "citations", message)


@rule
def length(page: Page) -> Iterator[Finding]:
    """Length and number of cells as in most chapters (warnings)."""
    from run import words

    for count, (low, high), what in (
        (words(page.nb), WORDS, "words of prose"),
        (len(page.nb.cells), CELLS, "cells"),
    ):
        if not low <= count <= high:
            message = f"{count} {what}, most chapters have {low} to {high}"
            yield page.say("-", "length", message, warning=True)


# ------------------------------------------------------------------ decimals in prose


@rule
def decimals(page: Page) -> Iterator[Finding]:
    """Every decimal in prose occurs in an output, or is given."""
    everything = _numbers(page.code)
    given = _canon(page.root)
    for section in page.sections:
        code = [c for c in section.cells if c.cell_type == "code" and c.source.strip()]
        # Summaries and self-checks compute nothing: they quote the whole page.
        values = (_numbers(code) if code and section.title else everything) | given
        for cell in section.cells:
            if cell.cell_type == "markdown":
                yield from _unsupported(page, cell, values)


def _unsupported(
    page: Page, cell: NotebookNode, values: set[float]
) -> Iterator[Finding]:
    allowed = {n.strip(",%") for g in ALLOW.findall(cell.source) for n in g.split()}
    reported = set()
    for paragraph in re.split(r"\n\s*\n", _plain(cell.source)):
        if "{cite" in paragraph:
            continue
        for match in DECIMAL.finditer(paragraph):
            text, percent = match.group(1).replace(",", ""), bool(match.group(2))
            if text in allowed or text in reported or _supported(text, percent, values):
                continue
            reported.add(text)
            message = (
                f"{match.group(0).strip()} is in no output of this section "
                f"(given? <!-- lint: allow {text} -->)"
            )
            yield page.say(cell.id, "decimals", message)


def _plain(text: str) -> str:
    """Prose without code, formulas, headings' numbers and cross references."""
    text = _no_fences(text)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    text = re.sub(r"^%.*$", "", text, flags=re.M)
    text = re.sub(r"\$\$.*?\$\$", " ", text, flags=re.S)
    text = re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", " ", text, flags=re.S)
    text = re.sub(r"(?<!\{cite)(?<!:p\})(?<!:t\})`[^`]*`", " ", text)
    text = re.sub(r"\$([^$]*)\$", lambda m: _only_number(m.group(1)), text)
    text = re.sub(r"^(#+)\s+\d+(\.\d+)*", r"\1", text, flags=re.M)
    text = re.sub(r"\(\d+\.\d+(?:\.\d+)?(?: here)?[;,)]", " ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return REFERENCE.sub(" ", text)


def _only_number(formula: str) -> str:
    """A formula that is but a number counts as prose: ``$0.42$``."""
    rest = re.sub(r"\\(?:approx|pm|times|%|,|;|le|ge|text\{[^}]*\})", " ", formula)
    return rest if not re.search(r"[A-Za-z\\_^=]", rest) else " "


def _numbers(cells: list[NotebookNode]) -> set[float]:
    """Numbers shown by cells, and constants in their source."""
    text = "\n".join(output_text(c) + "\n" + c.source for c in cells)
    text = text.replace("−", "-")
    out = set()
    for token in NUMBER.findall(text):
        try:
            out.add(abs(float(token.replace(",", "").replace("_", ""))))
        except ValueError:
            continue
    return out


def _canon(root: Path) -> set[float]:
    file = root / "src" / "streamrec" / "worlds" / "canon.toml"
    if not file.exists():
        return set()
    out: set[float] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, float):
            out.add(abs(value))
        elif isinstance(value, str):
            out.update(abs(float(x)) for x in re.findall(r"\d+\.\d+", value))

    walk(tomllib.loads(file.read_text("utf-8")))
    return out


def _supported(text: str, percent: bool, values: set[float]) -> bool:
    """Whether a value shown rounds to this decimal (a share also as a percentage)."""
    target, places = float(text), len(text.split(".")[1])
    slack = 0.5 * 10.0**-places * (1 + 1e-9) + 1e-12
    scales = (1.0, 100.0) if percent else (1.0,)
    return any(abs(value * s - target) <= slack for value in values for s in scales)


# ------------------------------------------------------------------ command line


def lint(path: Path, *, root: Path = nbtools.ROOT) -> list[Finding]:
    """All findings on one notebook."""
    page = Page(path, nbtools.read(path), root)
    names = RULES if page.is_chapter else [n for n in RULES if n in EVERYWHERE]
    return [finding for name in names for finding in RULES[name](page)]


def main() -> int:
    """Lint what the command line names; 0 clean, 1 findings, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="lint", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="NOTEBOOK")
    parser.add_argument("--chapter", "-c", action="append", default=[], metavar="N")
    parser.add_argument("--strict", action="store_true", help="warnings fail too")
    options = parser.parse_args()
    try:
        files = nbtools.chosen(options.paths, options.chapter)
        found = [f for file in files for f in lint(file)]
    except BadInput as error:
        nbtools.fail(str(error))
    for finding in found:
        print(finding)
    errors = sum(not f.warning or options.strict for f in found)
    print(f"{len(files)} notebooks, {errors} errors, {len(found) - errors} warnings")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
