"""A small page that has everything a chapter must have; tests break it."""

from nbformat import NotebookNode
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

CHECKS = "\n".join(f'check("identity {n}", {n}.0, {n}.0)' for n in range(10))
QUESTIONS = "\n\n".join(
    f"{n}. Why?\n\n:::{{dropdown}} Answer\nBecause.\n:::" for n in range(1, 10)
)
MARKDOWN = {
    "title": (
        "# Linear Algebra for Machine Learning\n\nHow many?\n\n"
        "**Learning objectives**\n\n"
        "1. derive\n2. implement\n3. compare\n4. explain\n5. judge\n\n"
        "**Needs:** nothing."
    ),
    "first": (
        "## 1.1 First\n\nPredict before you run. The error is 0.123 (see Section 1.2), "
        "or 12.3 % of all. **Predict before you run** and predict before you run.\n\n"
        "As {cite:t}`eckart1936` found, 0.777 of it."
    ),
    "end": (
        "## Where it breaks\n\nHere.\n\n## In StreamRec\n\nx\n\n## In practice\n\nx\n"
    ),
    "self": f"## Self-check\n\n{QUESTIONS}",
    "last": (
        "## Exercises\n\nx\n\n## Summary\n\nThe error was 0.12.\n\n"
        "### Key vocabulary\n\nx\n\n### Further reading\n\nx"
    ),
}
CODE = {
    "parameters": ('SEED = 7\nSCALE = "book"', ["parameters"], ""),
    "imports": (
        "import numpy as np\nimport torch\n\n"
        "from streamrec.book import check, claim\n\n"
        "rng = np.random.default_rng(SEED)\nn = 10 if SCALE == 'quick' else 20",
        [],
        "",
    ),
    "checks": (CHECKS, [], "✓ identity\n"),
    "claims": (
        'claim("one", True)\nclaim("two", True)\nclaim("three", True)\nprint(0.1234)',
        ["nbval-check-output"],
        "0.1234\n",
    ),
    "fact": ("print(2 + 2)", ["nbval-check-output"], "4\n"),
}
SVG = "<svg><path d='M0 0'/></svg>"


def page() -> NotebookNode:
    """The page, with outputs as if it had been executed."""
    cells = [_markdown("title"), *(_code(name) for name in ("parameters", "imports"))]
    cells += [
        _markdown("first"),
        *(_code(name) for name in ("checks", "claims", "fact")),
    ]
    cells += [_figure(), *(_markdown(name) for name in ("end", "self", "last"))]
    for count, cell in enumerate((c for c in cells if c.cell_type == "code"), 1):
        cell.execution_count = count
    nb = new_notebook(cells=cells)
    nb.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return nb


def cell(nb: NotebookNode, name: str) -> NotebookNode:
    """A cell by the end of its id."""
    return next(c for c in nb.cells if c.id == f"ch01-{name}")


def _markdown(name: str) -> NotebookNode:
    out = new_markdown_cell(MARKDOWN[name])
    out.id = f"ch01-{name}"
    return out


def _code(name: str) -> NotebookNode:
    source, tags, text = CODE[name]
    out = new_code_cell(source, metadata={"tags": tags} if tags else {})
    out.id = f"ch01-{name}"
    out.outputs = [new_output("stream", name="stdout", text=text)] if text else []
    return out


def _figure() -> NotebookNode:
    out = new_code_cell("show(fig)", metadata={"tags": ["hide-input"]})
    out.id = "ch01-figure"
    note = {
        "image/svg+xml": {"alt": "A falling line of errors, steep at first."},
        "streamrec": {"name": "fig-errors", "caption": "Errors fall."},
    }
    data = {"image/svg+xml": SVG, "text/plain": "[fig-errors] Errors fall."}
    out.outputs = [new_output("display_data", data=data, metadata=note)]
    return out
