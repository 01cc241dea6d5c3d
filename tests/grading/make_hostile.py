"""Write the hostile and unlucky submissions that hostile/cases.toml describes."""

from __future__ import annotations

import copy
import json
import os
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_class
from make_class import code, solved, source

CASES = Path(__file__).parent / "hostile" / "cases.toml"
Notebook = dict[str, Any]


def cases() -> dict[str, dict[str, Any]]:
    """The table, by name."""
    return tomllib.loads(CASES.read_text("utf-8"))


def write_hostile(folder: Path, secrets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Write every case; return the table by the name it has in the folder."""
    found = {}
    base = {"blank": make_class.notebook(), "solved": solved()}
    for name, case in cases().items():
        nb = copy.deepcopy(base[case["base"]])
        if "code" in case:
            text = case["code"]
            for word, value in secrets.items():
                text = text.replace("{" + word + "}", value)
            nb["cells"].insert(_answer(nb) + 1, code(text))
        edit = case.get("edit")
        where = folder / f"{name}.ipynb"
        if edit is None:
            where.write_text(json.dumps(nb), "utf-8")
            found[where.name] = case
        else:
            found[EDITS[edit](nb, folder, name)] = case
    return found


def _answer(nb: Notebook, question: str = "q1") -> int:
    """Place of the last answer cell of a question."""
    return max(
        i
        for i, c in enumerate(nb["cells"])
        if {question, "answer"} <= set(c["metadata"].get("tags", []))
    )


def _keep(nb: Notebook, folder: Path, name: str) -> str:
    (folder / f"{name}.ipynb").write_text(json.dumps(nb), "utf-8")
    return f"{name}.ipynb"


def _text(nb: Notebook, folder: Path, name: str) -> str:
    nb["cells"][_answer(nb)]["source"] = "def errors(A, D) return A"
    return _keep(nb, folder, name)


def _delete(nb: Notebook, folder: Path, name: str) -> str:
    gone = {"setup", "parameters", "start", "check", "question"}
    del nb["cells"][_answer(nb)]
    nb["cells"] = [
        c for c in nb["cells"] if not gone & set(c["metadata"].get("tags", []))
    ]
    return _keep(nb, folder, name)


def _checks(nb: Notebook, folder: Path, name: str) -> str:
    for cell in nb["cells"]:
        if "check" in cell["metadata"].get("tags", []):
            cell["source"] = "def selfcheck(q):\n    print('visible checks passed')"
    return _keep(nb, folder, name)


def _in_checks(nb: Notebook, folder: Path, name: str) -> str:
    answer = nb["cells"][_answer(nb)]
    check = next(
        c for c in nb["cells"] if {"q1", "check"} <= set(c["metadata"].get("tags", []))
    )
    check["source"], answer["source"] = source(answer), ""
    return _keep(nb, folder, name)


def _duplicate(nb: Notebook, folder: Path, name: str) -> str:
    place = _answer(nb)
    nb["cells"].insert(place, copy.deepcopy(nb["cells"][place]))
    return _keep(nb, folder, name)


def _duplicate_stub(nb: Notebook, folder: Path, name: str) -> str:
    stub = make_class.notebook()
    nb["cells"].insert(_answer(nb) + 1, stub["cells"][_answer(stub)])
    return _keep(nb, folder, name)


def _metadata(nb: Notebook, folder: Path, name: str) -> str:
    for cell in nb["cells"]:
        cell.pop("id", None)
        cell.pop("metadata", None)
    nb.pop("metadata")
    return _keep(nb, folder, name)


def _not_json(nb: Notebook, folder: Path, name: str) -> str:
    (folder / f"{name}.ipynb").write_text(json.dumps(nb)[:500], "utf-8")
    return f"{name}.ipynb"


def _deep_json(nb: Notebook, folder: Path, name: str) -> str:
    (folder / f"{name}.ipynb").write_text("[" * 10**6, "utf-8")
    return f"{name}.ipynb"


def _kernel(nb: Notebook, folder: Path, name: str) -> str:
    nb["metadata"]["kernelspec"] = {"name": "conda-env-me", "language": "julia"}
    return _keep(nb, folder, name)


def _link(nb: Notebook, folder: Path, name: str) -> str:
    (folder / f"{name}.ipynb").symlink_to("/etc/passwd")
    return f"{name}.ipynb"


def _link_inside(nb: Notebook, folder: Path, name: str) -> str:
    (folder / name).mkdir()
    _keep(nb, folder / name, "exercises")
    (folder / name / "another.ipynb").symlink_to("/etc/passwd")
    (folder / name / "up").symlink_to("/")
    return name


def _script(nb: Notebook, folder: Path, name: str) -> str:
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown" and "answer" in cell["metadata"].get(
            "tags", []
        ):
            cell["source"] = "<script>alert(1)</script> <img src=x onerror=alert(2)>"
    return _keep(nb, folder, f"{name}<b>")


def _conftest(nb: Notebook, folder: Path, name: str) -> str:
    (folder / name).mkdir()
    _keep(nb, folder / name, "exercises")
    text = "import pytest\n\n\ndef pytest_runtest_call(item):\n    pytest.skip()\n"
    for file in ("conftest.py", "criteria.py", "sitecustomize.py", "numpy.py"):
        (folder / name / file).write_text(text)
    (folder / name / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    return name


def _zip(nb: Notebook, folder: Path, name: str) -> str:
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("work/exercises.ipynb", json.dumps(nb))
        out.writestr("__MACOSX/work/._exercises.ipynb", b"\0\1")
    return f"{name}.zip"


def _zip_bomb(nb: Notebook, folder: Path, name: str) -> str:
    with zipfile.ZipFile(folder / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as out:
        with out.open("exercises.ipynb", "w", force_zip64=True) as file:
            for _ in range(300):
                file.write(bytes(2**20))
    return f"{name}.zip"


def _zip_dots(nb: Notebook, folder: Path, name: str) -> str:
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as out:
        out.writestr("../../exercises.ipynb", json.dumps(nb))
        out.writestr("/tmp/exercises.ipynb", json.dumps(nb))
        link = zipfile.ZipInfo("link.ipynb")
        link.external_attr = 0o120777 << 16
        out.writestr(link, "/etc/passwd")
    return f"{name}.zip"


def _two(nb: Notebook, folder: Path, name: str) -> str:
    (folder / name).mkdir()
    _keep(make_class.notebook(), folder / name, "a")
    _keep(nb, folder / name, "b")
    return name


def _nested(nb: Notebook, folder: Path, name: str) -> str:
    deep = folder / name / "one" / "two"
    deep.mkdir(parents=True)
    _keep(nb, deep, "exercises")
    return name


def _name(nb: Notebook, folder: Path, name: str) -> str:
    raw = os.fsencode(folder / name) + b"-\xe9\xff.ipynb"
    with open(raw, "wb") as file:
        file.write(json.dumps(nb).encode())
    return f"{name}-\\xe9\\xff.ipynb"


def _empty(nb: Notebook, folder: Path, name: str) -> str:
    (folder / name).mkdir()
    return name


def _slow_pattern(nb: Notebook, folder: Path, name: str) -> str:
    nb["cells"].insert(_answer(nb) + 1, code("selfcheck()" * 40 + "x"))
    return _keep(nb, folder, name)


def _stale(nb: Notebook, folder: Path, name: str) -> str:
    old = "def errors(A, D):\n    return 0.0, 0.0\n\n\nprint(not_defined_anywhere)"
    nb["cells"].insert(_answer(nb), code(old))
    return _keep(nb, folder, name)


def _no_file(nb: Notebook, folder: Path, name: str) -> str:
    cell = nb["cells"][_answer(nb)]
    cell["source"] = "table = open('my-data.csv').read()\n\n\n" + source(cell)
    return _keep(nb, folder, name)


def _reverse(nb: Notebook, folder: Path, name: str) -> str:
    nb["cells"] = nb["cells"][::-1]
    return _keep(nb, folder, name)


def _editor(nb: Notebook, folder: Path, name: str) -> str:
    """A byte-order mark, lines of Windows, format 4.0, ids twice, other metadata."""
    nb["metadata"] = {"colab": {"provenance": []}, "accelerator": "GPU"}
    nb["nbformat_minor"] = 0
    for cell in nb["cells"]:
        cell["id"] = "same"
        cell["metadata"] = {"id": "x", "outputId": "y", "vscode": {"languageId": "p"}}
        cell["source"] = source(cell).replace("\n", "\r\n")
    text = json.dumps(nb, indent=4).replace("\n", "\r\n")
    (folder / f"{name} – ä.ipynb").write_bytes(b"\xef\xbb\xbf" + text.encode())
    return f"{name} – ä.ipynb"


def _zip_in_zip(nb: Notebook, folder: Path, name: str) -> str:
    inner = folder / "inner.zip"
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("data.csv", "1,2")
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as out:
        out.writestr("exercises.ipynb", json.dumps(nb))
        out.write(inner, "data/inner.zip")
    inner.unlink()
    return f"{name}.zip"


EDITS: dict[str, Callable[[Notebook, Path, str], str]] = {
    "syntax": _text,
    "delete": _delete,
    "checks": _checks,
    "in-checks": _in_checks,
    "duplicate": _duplicate,
    "duplicate-stub": _duplicate_stub,
    "metadata": _metadata,
    "not-json": _not_json,
    "deep-json": _deep_json,
    "kernel": _kernel,
    "link": _link,
    "link-inside": _link_inside,
    "script": _script,
    "conftest": _conftest,
    "zip": _zip,
    "zip-bomb": _zip_bomb,
    "zip-dots": _zip_dots,
    "two": _two,
    "nested": _nested,
    "name": _name,
    "empty": _empty,
    "slow-pattern": _slow_pattern,
    "stale": _stale,
    "no-file": _no_file,
    "reverse": _reverse,
    "editor": _editor,
    "zip-in-zip": _zip_in_zip,
}
