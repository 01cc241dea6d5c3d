"""A text view of a chapter for editing, and back, keeping cell ids and valid outputs.

    python tools/text.py --chapter 1           write build/text/01-linear-algebra.md
                                               (and ...solutions.md if there is one)
    python tools/text.py --chapter 1 --back    write the edited text into the notebooks
    python tools/text.py NOTEBOOK.ipynb        any notebook of the repository
    python tools/text.py --back FILE.md        one text file

The text is MyST Markdown. Ids and tags stand in each cell's header and survive; a cell
without an id gets one. A code cell whose source is unchanged keeps its stored outputs.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from pathlib import Path

import nbformat
import nbtools
from nbformat import NotebookNode
from nbtools import BadInput, shown

FOLDER = nbtools.ROOT / "build" / "text"
SOURCE = "source"  # notebook metadata naming the notebook a text belongs to
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def to_text(nb: NotebookNode, source: str) -> str:
    """The MyST Markdown of a notebook, ids included.

    Raises
    ------
    BadInput
        If a cell cannot be carried (for example a Markdown line ``+++``).
    """
    import jupytext

    view = nbformat.v4.new_notebook()
    view.metadata = nbformat.from_dict(
        {"kernelspec": nbtools.KERNELSPEC, SOURCE: source}
    )
    for cell in nb.cells:
        meta = {"id": cell.id, **{k: v for k, v in cell.metadata.items() if v != []}}
        make = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
            "raw": nbformat.v4.new_raw_cell,
        }[cell.cell_type]
        view.cells.append(make(cell.source, metadata=nbformat.from_dict(meta)))
    view.metadata["jupytext"] = {
        "cell_metadata_filter": "all",
        "notebook_metadata_filter": f"kernelspec,{SOURCE},-language_info",
    }
    text = str(jupytext.writes(view, fmt="md:myst"))
    _same(nb, parse(text)[0], source)
    return text


def parse(text: str) -> tuple[list[NotebookNode], str | None]:
    """The cells of a text view (``id`` may be empty) and the notebook it names.

    Raises
    ------
    BadInput
        If its header or a cell header cannot be read.
    """
    import jupytext

    if not text.startswith("---\n"):
        text = "---\nkernelspec: {display_name: P, name: python3}\n---\n\n" + text
    try:
        view = jupytext.reads(text, fmt="md:myst")
    except Exception as error:  # jupytext and YAML raise many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadInput(f"the text cannot be read: {first}") from None
    cells = []
    for cell in view.cells:
        given = str(cell.metadata.pop("id", "") or "")
        if given and not ID.fullmatch(given):
            raise BadInput(f"the id {given!r} may hold letters, digits, - and _ only")
        cell["id"] = given
        cell.source = cell.source.rstrip()
        cells.append(cell)
    return cells, view.metadata.get(SOURCE)


def _key(cell: NotebookNode) -> tuple[str, str, str]:
    return cell.get("id", ""), cell.cell_type, cell.source.rstrip()


def _same(nb: NotebookNode, cells: list[NotebookNode], source: str) -> None:
    old = [c for c in nb.cells if c.source.strip() or c.cell_type == "code"]
    for n, cell in enumerate(old):
        if n >= len(cells) or _key(cells[n]) != _key(cell):
            raise BadInput(
                f"{source}: cell {cell.id} cannot be shown as text (a line +++ or "
                "a {code-cell} fence inside Markdown, or an empty first line?)"
            )
    if len(cells) != len(old):
        raise BadInput(f"{source}: the last cell cannot be shown as text")


def merge(
    cells: list[NotebookNode], old: NotebookNode | None, prefix: str
) -> NotebookNode:
    """A notebook of the edited cells, with the old one's outputs where they still hold.

    Raises
    ------
    BadInput
        If two cells carry the same id.
    """
    known = {c.id: c for c in old.cells} if old else {}
    given = [c["id"] for c in cells if c["id"]]
    twice = sorted({i for i in given if given.count(i) > 1})
    if twice:
        raise BadInput(f"the id {twice[0]} is given twice: remove it from the new cell")
    taken = set(given) | set(known)
    nb = nbformat.v4.new_notebook()
    for cell in cells:
        before = known.get(cell["id"])
        if not cell["id"]:
            cell["id"] = nbtools.new_id(cell.source, prefix, taken)
            taken.add(cell["id"])
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if before is not None and before.source.rstrip() == cell.source:
                cell.outputs = before.get("outputs", [])
                cell.execution_count = before.get("execution_count")
        nb.cells.append(cell)
    return nbtools.normalise(nb)


def text_path(notebook: Path) -> Path:
    """Where the text view of a notebook stands."""
    if notebook.name in {"solutions.ipynb", "exercises.ipynb"}:
        return FOLDER / f"{notebook.parent.name}.{notebook.stem}.md"
    return FOLDER / f"{notebook.stem}.md"


def export(notebook: Path, *, force: bool = False) -> Path:
    """Write the text view of a notebook; edits not yet written back are not lost."""
    nb, target = nbtools.read(notebook), text_path(notebook)
    text = to_text(nb, shown(notebook))
    if target.exists() and not force:
        present = target.read_text("utf-8")
        if present != text and _digest(present) != _exported(target):
            raise BadInput(
                f"{shown(target)} has edits that are not in the notebook: write them "
                "back with BACK=1, or drop them with FORCE=1"
            )
    _save(text, target)
    return target


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _exported(target: Path) -> str:
    """The digest of the text as this tool last wrote it."""
    note = target.with_name(f".{target.name}.sha256")
    return note.read_text("utf-8") if note.exists() else ""


def _save(text: str, target: Path) -> None:
    nbtools.write_text(text, target)
    nbtools.write_text(_digest(text), target.with_name(f".{target.name}.sha256"))


def _home(text_file: Path, source: str | None) -> Path:
    """The notebook of a text: what its header says, else what its name says."""
    if source:
        return nbtools.ROOT / source
    match = re.fullmatch(r"(\d\d-[\w-]+?)(\.solutions)?\.md", text_file.name)
    if not match:
        raise BadInput("its header has no `source: path/of/notebook.ipynb`")
    name = nbtools.chapter_name(match.group(1)[:2])
    if match.group(2):
        return nbtools.ROOT / "solutions" / name / "solutions.ipynb"
    return nbtools.ROOT / "chapters" / f"{name}.ipynb"


def back(text_file: Path, notebook: Path | None = None) -> tuple[Path, int, int]:
    """Write a text view into its notebook; return it, cells written, cells to run."""
    try:
        text = text_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadInput(
            f"{shown(text_file)} is missing: run `make text` first"
        ) from None
    try:
        cells, source = parse(text)
        target = notebook or _home(text_file, source)
        old = nbtools.read(target) if target.exists() else None
        nb = merge(cells, old, nbtools.prefix_of(target))
    except BadInput as error:
        message = str(error)
        raise BadInput(
            message
            if message.startswith(shown(text_file))
            else f"{shown(text_file)}: {message}"
        ) from None
    nbtools.write(nb, target)
    to_run = sum(
        c.cell_type == "code" and c.execution_count is None and bool(c.source.strip())
        for c in nb.cells
    )
    _save(to_text(nb, shown(target)), text_file)
    return target, len(nb.cells), to_run


def _pairs(chapter: str) -> list[Path]:
    page = nbtools.ROOT / "chapters" / f"{nbtools.chapter_name(chapter)}.ipynb"
    return [page, nbtools.solutions_path(chapter)]


def main() -> int:
    """Write text views or write them back; 0 done, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="text", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="FILE")
    parser.add_argument("--chapter", "-c", action="append", default=[], metavar="N")
    parser.add_argument("--back", action="store_true", help="from text to notebook")
    parser.add_argument("--force", action="store_true", help="drop unsaved text edits")
    options = parser.parse_args()
    try:
        books = [nb for n in options.chapter for nb in _pairs(n)]
        if options.back:
            texts = [Path(p) for p in options.paths]
            texts += [text_path(nb) for nb in books if text_path(nb).exists()]
            if not texts:
                raise BadInput("no text to write back: run `make text CH=...` first")
            for text in texts:
                target, count, to_run = back(text)
                print(
                    f"{shown(text)} -> {shown(target)}: {count} cells, {to_run} to run"
                )
        else:
            books = [Path(p) for p in options.paths] + [
                nb for nb in books if nb.exists()
            ]
            if not books and options.chapter:
                nbtools.chapter_path(options.chapter[0])
            for notebook in books or nbtools.all_notebooks():
                text = export(notebook, force=options.force)
                print(f"{shown(notebook)} -> {shown(text)}")
    except BadInput as error:
        nbtools.fail(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
