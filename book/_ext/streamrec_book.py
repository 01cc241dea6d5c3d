"""What the book needs of Sphinx beyond Jupyter Book.

* figures shown by ``streamrec.book.figures.show`` become numbered figures with alt
  text, put into the page as inline SVG whose colours follow the theme;
* the head of a chapter offers its notebook and exercises, and says what it cost;
* docstrings are plain text with ``literals``: other mark-up characters are escaped;
* ``{chapter}`16``` links to a chapter, whether it is written or only planned;
* punctuation stays on the line of the formula before it;
* pages without a file of their own lead "edit" to the file they are made from.
"""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

import pandas  # noqa: F401  looks for libraries that autodoc replaces: load it first
import scipy.sparse  # noqa: F401
import sklearn  # noqa: F401
from docutils import nodes
from docutils.core import publish_doctree
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxRole

from streamrec import syllabus
from streamrec.book import figures

FIGURE = "book-figure"  # class of an image made by figures.show
COLOURS = {
    c.light: f"var(--fig-{name},{c.light})" for name, c in figures.PALETTE.items()
}


def stylesheet() -> str:
    """The palette as CSS variables, one set for each theme."""
    light = "".join(f"--fig-{n}:{c.light};" for n, c in figures.PALETTE.items())
    dark = "".join(f"--fig-{n}:{c.dark};" for n, c in figures.PALETTE.items())
    return f"html{{{light}}}\nhtml[data-theme=dark]{{{dark}}}\n"


# --- notebooks -----------------------------------------------------------------------


def prepare_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the metadata of shown figures into figure options; add the head."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            shown = output.get("metadata", {}).get("streamrec")
            if not shown:
                continue
            alt = output["metadata"]["image/svg+xml"]["alt"]
            cell["metadata"]["mystnb"] = {
                "figure": {"name": shown["name"], "caption": shown["caption"]},
                "image": {"alt": alt, "classes": FIGURE},
            }
    head = Path(app.srcdir, "book/generated/heads", f"{Path(docname).name}.md")
    first = next((c for c in notebook["cells"] if c["cell_type"] == "markdown"), None)
    if docname.startswith("chapters/") and first is not None and head.exists():
        lines = "".join(first["source"]).split("\n")
        title = next((i for i, x in enumerate(lines) if x.startswith("# ")), None)
        if title is not None:
            lines[title + 1 : title + 1] = ["", head.read_text("utf-8").strip(), ""]
            first["source"] = "\n".join(lines)
        app.env.dependencies[docname].add(str(head))
    source[0] = json.dumps(notebook)


# --- figures -------------------------------------------------------------------------


def inline_svg(text: str, alt: str, prefix: str) -> str:
    """SVG for a page: ids made unique, the book's colours tied to the theme."""
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda m: COLOURS.get(m[0], m[0]), text)
    label = nodes.unescape(alt).replace("&", "&amp;").replace("<", "&lt;")
    label = label.replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def visit_image(self, node: nodes.image) -> None:  # type: ignore[no-untyped-def]
    """Write our own figures into the page, leave every other image to the theme."""
    if FIGURE not in node.get("classes", []) or not node["uri"].endswith(".svg"):
        type(self).visit_image(self, node)
        return
    path = Path(self.builder.srcdir, node["uri"])
    if not path.exists():  # the image collector may already have named the copy
        path = Path(self.builder.srcdir, node.get("candidates", {}).get("*", ""))
    prefix = f"f{path.stem[:8]}"
    svg = inline_svg(path.read_text("utf-8"), node.get("alt", ""), prefix)
    self.body.append(f'<div class="{FIGURE}">{svg}</div>')


def depart_image(self, node: nodes.image) -> None:  # type: ignore[no-untyped-def]
    """Nothing to close for an inlined figure."""
    if FIGURE not in node.get("classes", []):
        type(self).depart_image(self, node)


# --- docstrings ----------------------------------------------------------------------

_MARKED = re.compile(r"(``.+?``|:[\w:]+:`[^`]+`|`[^`]+`)")
_SPECIAL = re.compile(r"(?<!\\)([|*]|(?<=\w)_(?=\W|$)|`)")


def plain_docstring(app, what, name, obj, options, lines) -> None:  # type: ignore[no-untyped-def]
    """Make reStructuredText of a docstring written as plain text.

    Outside literals and code, ``|``, ``*``, lone back-quotes and trailing ``_`` are
    escaped. Paragraphs before the first section that would not parse (a table drawn
    with spaces, a hanging second line) keep their lines as written.
    """
    rules = (i for i, x in enumerate(lines[1:]) if re.fullmatch(r"\s*-{3,}", x))
    end = next(rules, len(lines))
    out, code = [], False
    for block in re.split(r"\n\s*\n", "\n".join(lines[:end]).rstrip()):
        start = block.lstrip()
        code = start.startswith((".. ", ">>>")) or (code and block[:1] == " ")
        if not code:
            block = _escape(block)
            if not _parses(block.rstrip().removesuffix("::")):
                block = "\n".join("| " + x for x in block.split("\n"))
        out.append(block)
        code = code or block.rstrip().endswith("::")
    sections = "\n".join(lines[end:])
    pieces = re.split(r"(^[ ]*>>>.*(?:\n(?!\s*$).*)*)", sections, flags=re.MULTILINE)
    pieces[::2] = [_escape(p) for p in pieces[::2]]
    lines[:] = [*"\n\n".join(out).split("\n"), "", *"".join(pieces).split("\n")]


@cache
def _parses(block: str) -> bool:
    """Whether docutils reads the block without complaint; roles are left to Sphinx."""
    block = re.sub(r":[\w:]+:`[^`]+`", "role", block)
    settings = {"report_level": 5, "halt_level": 5, "warning_stream": False}
    tree = publish_doctree(block, settings_overrides=settings)
    return all(m["level"] < 2 for m in tree.findall(nodes.system_message))


def _escape(text: str) -> str:
    """Names in single back-quotes become literals; other mark-up loses its meaning."""
    pieces = _MARKED.split(text)
    pieces[1::2] = [f"`{p}`" if re.match("`[^`]", p) else p for p in pieces[1::2]]
    for i in range(0, len(pieces), 2):
        rows = pieces[i].split("\n")
        for k, row in enumerate(rows):
            bullet = re.match(r"\s*[*] ", row) if (k or not i) else None
            cut = bullet.end() if bullet else 0
            rows[k] = row[:cut] + _SPECIAL.sub(r"\\\1", row[cut:])
        pieces[i] = "\n".join(rows)
    return "".join(pieces)


# --- links to the sources ------------------------------------------------------------

_MADE_FROM = {
    "api": "src/streamrec",
    "outline": "src/streamrec/syllabus.toml",
    "parts": "src/streamrec/syllabus.toml",
}


def _body(script: object) -> str:
    """The text of an inline script."""
    return str(getattr(script, "attributes", {}).get("body", ""))


def page_context(app, pagename, templatename, context, doctree) -> None:  # type: ignore[no-untyped-def]
    """No live-code scripts; edit links of generated pages lead to their source."""
    context["script_files"] = [  # live code needs another server: leave it out
        s
        for s in context.get("script_files", [])
        if "thebe" not in f"{getattr(s, 'filename', s)} {_body(s)}".lower()
    ]
    if not pagename.startswith("book/generated/"):
        return
    target = _MADE_FROM.get(pagename.split("/")[2], "src/streamrec/syllabus.toml")
    for group in context.get("header_buttons", []):
        for button in [group, *group.get("buttons", [])]:
            url = button.get("url", "")
            if isinstance(url, str) and f"/{pagename}." in url and "/edit/" in url:
                base = url.split("/edit/")[0]
                branch = app.config.html_context.get("github_version", "main")
                button["url"] = f"{base}/blob/{branch}/{target}"
    context["header_buttons"] = [
        b
        for b in context.get("header_buttons", [])
        if b.get("label") != "launch-buttons"
    ]


# --- chapters by number --------------------------------------------------------------


class ChapterRole(SphinxRole):
    """``{chapter}`16``` links to that chapter; ``#16`` shows only its number."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A reference to the page that exists."""
        try:
            chapter = syllabus.load().chapter(int(self.text.lstrip("#")))
        except (KeyError, ValueError):
            message = self.inliner.reporter.error(
                f"no chapter {self.text!r} in the syllabus", line=self.lineno
            )
            return [], [message]
        folder = (
            "/chapters" if self._written(chapter.name) else "/book/generated/outline"
        )
        label = f"Chapter {chapter.number}"
        if self.text.startswith("#"):
            label = str(chapter.number)
        reference = addnodes.pending_xref(
            "",
            nodes.inline("", label, classes=["chapter-reference"]),
            refdomain="std",
            reftype="doc",
            refexplicit=True,
            reftarget=f"{folder}/{chapter.name}",
            refdoc=self.env.docname,
            refwarn=True,
        )
        return [reference], []

    def _written(self, name: str) -> bool:
        return Path(self.env.srcdir, "chapters", f"{name}.ipynb").exists()


def write_in_parallel(app: Sphinx, env: object) -> None:
    """Use every core to write pages; reading must stay serial for numbered theorems."""
    app.parallel = min(4, os.cpu_count() or 1)


class GluePunctuation(SphinxTransform):
    """Keep a comma or a full stop on the line of the formula before it.

    A browser may break the line on either side of a typeset formula, so the two go
    into a span that does not wrap.
    """

    default_priority = 900

    def apply(self, **kwargs: object) -> None:
        for math in list(self.document.findall(nodes.math)):
            parent, place = math.parent, math.parent.index(math)
            after = parent[place + 1] if place + 1 < len(parent) else None
            if isinstance(after, nodes.Text) and after[0] in ".,;:!?)":
                mark = nodes.Text(after[0])
                glued = nodes.inline("", "", math, mark, classes=["glued"])
                parent[place : place + 2] = [glued, nodes.Text(after[1:])]


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Register what is above."""
    app.add_css_file("figures.css", priority=900)
    app.add_css_file("book.css", priority=901)
    app.add_js_file("book.js", loading_method="defer")
    app.add_role("chapter", ChapterRole())
    app.add_transform(GluePunctuation)
    app.add_node(nodes.image, override=True, html=(visit_image, depart_image))
    app.connect("env-updated", write_in_parallel)
    app.connect("source-read", prepare_notebook)
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)
    app.connect("html-page-context", page_context, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
