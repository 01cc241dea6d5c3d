"""Lay out a learner's project: stubs, templates of the written parts, data.

The files of a project are text made from the templates of this package; they are
written to a temporary folder first, which then takes the project's name.
"""

from __future__ import annotations

import importlib.util
import json
import keyword
import os
import re
import shutil
import sys
import tempfile
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import streamrec
from streamrec.grading.rubric import load_rubric
from streamrec.tracks import milestones
from streamrec.tracks.milestones import FORMAT, Part

MANIFEST = "streamrec-project.toml"
NOTEBOOK = "report.ipynb"
DAYS = 35  # of data/log.csv
SEED = 36  # of the world it comes from


def create(target: str | Path, track: str) -> Path:
    """Lay out a new project in the folder ``target``, whole or not at all.

    Parameters
    ----------
    target : a folder that does not exist yet, or is empty; its name is the project's.
    track : A, B or C.

    Raises
    ------
    ValueError
        If the name cannot name a package, the track is unknown or the folder is taken.
    """
    target = Path(target)
    package = package_name(target.name)
    if not target.parent.is_dir():
        raise ValueError(f"the folder {target.parent} does not exist: make it first")
    if target.is_file() or target.is_symlink():
        raise ValueError(f"{target} exists and is no folder: give another name")
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} exists and is not empty: give another name")
    texts = project_files(target.name, package, track)
    texts["data/log.csv"] = example_log()
    write_folder(target, texts)
    return target


def package_name(name: str) -> str:
    """The name of a project's package: that of the project, as Python spells names.

    Raises
    ------
    ValueError
        If it has other signs than letters, digits, - and _, or is taken.

    Examples
    --------
    >>> package_name("My-rec")
    'my_rec'
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name):
        raise ValueError(
            f"{name!r} cannot name a project: use up to 40 letters, digits, - and _, "
            "a letter first"
        )
    package = name.lower().replace("-", "_")
    taken = keyword.iskeyword(package) or package in sys.stdlib_module_names
    if taken or package in ("data", "docs", "tests"):
        raise ValueError(f"the name {name} is taken by Python: give another")
    found = importlib.util.find_spec(package)
    if found is not None and found.origin is not None:
        raise ValueError(f"a package {package} is installed already: give another name")
    return package


def write_folder(target: Path, texts: dict[str, str]) -> None:
    """Write files below ``target``, which appears whole or not at all."""
    temporary = Path(
        tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent.resolve())
    )
    try:
        for name, text in texts.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def template(name: str) -> str:
    """Text of a template."""
    path = resources("streamrec.tracks") / "template" / f"{name}.tmpl"
    return path.read_text("utf-8")


def reference_source(part: Part) -> str:
    """Source of the reference's module of a part."""
    path = resources("streamrec.tracks") / "reference" / f"{part.module}.py"
    return path.read_text("utf-8")


def project_files(name: str, package: str, track: str) -> dict[str, str]:
    """Every file of a new project but its data: path -> text."""
    parts = milestones.parts(track)
    rubric = load_rubric(track)
    words = {
        "title": name,
        "name": name,
        "package": package,
        "track": track,
        "summary": rubric.summary,
        "format": FORMAT,
        "version": streamrec.__version__,
        "table": "\n".join(_row(p, package) for p in parts),
        "hidden": "\n".join(f"- {p.name}: {_hidden(p)}" for p in parts),
        "note": milestones.note(track),
        "later": "\n".join(
            f"- {r['milestone']}: {r['today']:g} of {r['points']:g} points today. "
            f"{r['criterion']}."
            for r in milestones.later(track)
        ),
    }
    out = {
        MANIFEST: _fill(template(MANIFEST), words),
        "README.md": _fill(template("README.md"), words).rstrip() + "\n",
        "pyproject.toml": _fill(template("pyproject.toml"), words),
        NOTEBOOK: notebook(_fill(template("report.py"), words)),
        "tests/test_parts.py": _fill(template("test_parts.py"), words),
        f"{package}/__init__.py": f'"""{name}: a recommender of track {track}."""\n',
    }
    for part in parts:
        out[f"{package}/{part.module}.py"] = template(f"{part.module}.py")
    return out | document_templates(track)


def _fill(text: str, words: dict[str, Any]) -> str:
    """Put words in the place of their names in braces; other braces stay."""
    for name, value in words.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _row(part: Part, package: str) -> str:
    names = ", ".join(f"`{f}`" for f in part.functions)
    if part.given:
        names = "given; change it as you like"
    module = f"`{package}/{part.module}.py`"
    return f"| {part.name}: {part.title} | {module} | {part.chapters} | {names} |"


def _hidden(part: Part) -> str:
    return ", ".join(f"`streamrec.{h}`" for h in part.hide)


def document_templates(track: str) -> dict[str, str]:
    """Templates of the documents that a reader marks: path -> text."""
    import yaml

    path = resources("streamrec.tracks") / "template" / "documents.yaml"
    known = yaml.safe_load(path.read_text("utf-8"))
    out = {}
    for c in load_rubric(track).manual:
        if c.criterion in known:
            entry = known[c.criterion]
            levels = [f"- {k} %: {v}" for k, v in c.levels.items() if k]
            head = f"# {c.criterion}\n\n{c.points:g} points. A reader looks for:\n\n"
            body = "".join(f"\n## {h}\n" for h in entry["headings"])
            out[f"docs/{entry['file']}"] = head + "\n".join(levels) + "\n" + body
    return out


def notebook(text: str) -> str:
    r"""A notebook (JSON) from text with ``# %%`` lines between its cells.

    Examples
    --------
    >>> cells = json.loads(notebook("# %% [markdown]\n# # Title\n# %%\nx = 1"))
    >>> [c["source"] for c in cells["cells"]]
    ['# Title', 'x = 1']
    """
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(re.split(r"(?m)^# %%", text)[1:], 1):
        kind, _, source = part.partition("\n")
        cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}}
        if "[markdown]" in kind:
            lines = [s.removeprefix("#").removeprefix(" ") for s in source.splitlines()]
            cell |= {"cell_type": "markdown", "source": "\n".join(lines)}
        else:
            cell |= {"cell_type": "code", "source": source.rstrip("\n")}
            cell |= {"execution_count": None, "outputs": []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    table: dict[str, Any] = {"cells": cells, "metadata": {"kernelspec": kernel}}
    table |= {"nbformat": 4, "nbformat_minor": 5}
    return json.dumps(table, indent=1) + "\n"


def example_log() -> str:
    """Clicks of a tiny world, as CSV: user, item, day."""
    from streamrec.worlds.streaming import StreamingWorld

    log = StreamingWorld("tiny", seed=SEED).log(DAYS)
    plays = log.loc[log["clicked"], ["user", "item", "day"]]
    text: str = plays.to_csv(index=False, lineterminator="\n")
    return text
