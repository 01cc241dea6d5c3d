"""What the notebook tools share: finding, reading, normalising and writing notebooks.

Nothing here executes a notebook; ``run.py`` does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
KERNELSPEC = {
    "display_name": "Python 3 (ipykernel)",
    "language": "python",
    "name": "python3",
}
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
SVG_DATE = re.compile(r"\s*<dc:date>[^<]*</dc:date>")
SVG_CREATOR = re.compile(r"Matplotlib v[\d.]+\w*")


class BadInput(Exception):
    """What the user gave cannot be used; the message, one line, says what to do."""


def fail(message: str, status: int = 2) -> NoReturn:
    """Print one line on stderr and leave."""
    print(message, file=sys.stderr)
    raise SystemExit(status)


def shown(path: Path) -> str:
    """The path as a reader of the repository knows it."""
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


# ------------------------------------------------------------------ finding


def chapter_name(number: str | int) -> str:
    """``1`` -> ``01-linear-algebra``; the list is the package's syllabus.

    Raises
    ------
    BadInput
        If the number is none of the book's.
    """
    from streamrec import syllabus

    try:
        return syllabus.load().chapter(int(number)).name
    except ValueError:
        raise BadInput(f"CH={number} is not a number: try CH=1") from None
    except KeyError as error:
        raise BadInput(str(error.args[0])) from None


def chapter_path(number: str | int) -> Path:
    """The page of a chapter, which must exist."""
    path = ROOT / "chapters" / f"{chapter_name(number)}.ipynb"
    if not path.exists():
        raise BadInput(f"chapter {number} is not written yet: {shown(path)} is missing")
    return path


def solutions_path(number: str | int) -> Path:
    """Where the source of a chapter's exercise set is (it may be missing)."""
    return ROOT / "solutions" / chapter_name(number) / "solutions.ipynb"


def all_notebooks(*, chapters: bool = True, solutions: bool = True) -> list[Path]:
    """Every page of ``chapters/`` and every source of ``solutions/``, in order."""
    found: list[Path] = []
    if chapters:
        found += sorted((ROOT / "chapters").glob("[0-9][0-9]-*.ipynb"))
    if solutions:
        found += sorted((ROOT / "solutions").glob("[0-9][0-9]-*/solutions.ipynb"))
    return found


def chosen(paths: Iterable[str], chapters: Iterable[str]) -> list[Path]:
    """The notebooks named on a command line; none named means all."""
    picked = [Path(p) for p in paths]
    for path in picked:
        if not path.exists():
            raise BadInput(f"{path} does not exist: give the path of a notebook")
    for number in chapters:
        picked.append(chapter_path(number))
        if solutions_path(number).exists():
            picked.append(solutions_path(number))
    return picked or all_notebooks()


# ------------------------------------------------------------------ reading, writing


def read(path: Path) -> NotebookNode:
    """Read and validate a notebook.

    Raises
    ------
    BadInput
        If the file is no notebook; the message is one line.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{shown(path)} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        where = f"line {error.lineno}" if hasattr(error, "lineno") else "its bytes"
        raise BadInput(
            f"{shown(path)} is not a notebook (not valid JSON at {where}): "
            "restore it from git or write it back from its text view"
        ) from None
    try:
        if raw.get("nbformat") != 4:
            raise BadInput(f"{shown(path)} is not a notebook of format 4")
        raw["nbformat_minor"] = 5
        nb = nbformat.v4.to_notebook(raw)
        _fill_ids(nb, prefix_of(path))
        nbformat.validate(nb)
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError) as error:
        first = (str(error).strip().splitlines() or ["wrong structure"])[0]
        raise BadInput(f"{shown(path)} is not a valid notebook: {first}") from None
    return nb


def dumps(nb: NotebookNode) -> str:
    """The text of a notebook file, the same for the same notebook."""
    return nbformat.v4.writes(nb) + "\n"


def write(nb: NotebookNode, path: Path) -> None:
    """Write a notebook whole or not at all."""
    nbformat.validate(nb)
    write_text(dumps(nb), path)


def write_text(text: str, path: Path) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ------------------------------------------------------------------ ids


def prefix_of(path: Path) -> str:
    """The start of every cell id: ``ch01-`` for anything of chapter 1."""
    for name in (path.stem, path.parent.name):
        match = re.match(r"(\d\d)-", name)
        if match:
            return f"ch{match.group(1)}-"
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:20] + "-"


def new_id(source: str, prefix: str, taken: set[str]) -> str:
    """A readable id, made from the cell's first words, unlike those taken.

    >>> new_id("## The spectral theorem", "ch01-", set())
    'ch01-the-spectral-theorem'
    >>> new_id("", "ch01-", {"ch01-cell"})
    'ch01-cell-2'
    """
    line = next((s for s in source.splitlines() if s.strip(" #`:{}+-")), "")
    match = re.match(r"\s*(?:def|class)\s+(\w+)", line)
    words = re.findall(r"[a-z0-9]+", (match.group(1) if match else line).lower())
    short = ""
    for word in words:
        if len(short) + len(word) > 24:
            break
        short += ("-" if short else "") + word
    base = prefix + (short or (words[0][:24] if words else "cell"))
    candidate, n = base, 1
    while candidate in taken:
        n += 1
        candidate = f"{base}-{n}"
    return candidate


def _fill_ids(nb: NotebookNode, prefix: str) -> None:
    taken = {c["id"] for c in nb.cells if c.get("id")}
    for cell in nb.cells:
        if not cell.get("id"):
            cell["id"] = new_id(cell.source, prefix, taken)
            taken.add(cell["id"])


# ------------------------------------------------------------------ normalising


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return list(cell.get("metadata", {}).get("tags", []))


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def _mask(text: str) -> str:
    return ADDRESS.sub("0x…", text)


def clean_png(data: bytes) -> bytes:
    """The image without text, time and physical-size chunks (they name versions)."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    out, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind not in {b"tEXt", b"zTXt", b"iTXt", b"tIME"}:
            out.append(data[at : at + 12 + length])
        at += 12 + length
    return b"".join(out)


def clean_svg(text: str) -> str:
    """The drawing without its date and version."""
    return SVG_CREATOR.sub("Matplotlib", SVG_DATE.sub("", text))


def _clean_bundle(data: dict[str, Any]) -> dict[str, Any]:
    for kind, value in data.items():
        if kind == "image/png":
            raw = base64.b64decode(_text(value))
            data[kind] = base64.b64encode(clean_png(raw)).decode("ascii")
        elif kind == "image/svg+xml":
            data[kind] = clean_svg(_text(value))
        elif kind.startswith("text/"):
            data[kind] = _mask(_text(value))
    return data


def _clean_outputs(outputs: list[NotebookNode]) -> list[NotebookNode]:
    clean: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            output.text = _mask(_text(output.text))
            last = clean[-1] if clean else None
            if last is not None and last.output_type == "stream":
                last.text += output.text
                continue
        elif "data" in output:
            output.data = _clean_bundle(output.data)
            output.metadata = {
                k: v for k, v in output.metadata.items() if k != "isolated"
            }
        clean.append(output)
    return clean


def normalise(nb: NotebookNode) -> NotebookNode:
    """Remove from a notebook, in place, all that differs from one run to the next."""
    nb.metadata = nbformat.from_dict(
        {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    )
    nb.nbformat, nb.nbformat_minor = 4, 5
    for cell in nb.cells:
        for key in ("execution", "papermill", "collapsed", "ExecuteTime"):
            cell.metadata.pop(key, None)
        cell.source = "\n".join(s.rstrip() for s in _text(cell.source).split("\n"))
        if cell.cell_type == "code":
            ignored = "nbval-ignore-output" in tags(cell)
            cell.outputs = [] if ignored else _clean_outputs(cell.outputs)
        if "attachments" in cell and not cell.attachments:
            del cell["attachments"]
    return nb


# ------------------------------------------------------------------ the kernel


def kernel_environment() -> dict[str, str]:
    """Environment variables under which every notebook runs, wherever it runs.

    One thread; no network look-ups; compiled code kept inside the repository; a
    ``python3`` kernel that is this interpreter, whatever the user has installed.
    """
    cache = ROOT / ".cache"
    key = hashlib.sha256(sys.executable.encode()).hexdigest()[:8]
    jupyter = cache / "jupyter" / key
    spec = jupyter / "kernels" / "python3" / "kernel.json"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = json.dumps({"argv": argv, **KERNELSPEC}, indent=1)
    if not spec.exists() or spec.read_text("utf-8") != text:
        write_text(text, spec)
    one = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
    return {
        **{f"{name}_NUM_THREADS": "1" for name in one},
        "JUPYTER_PATH": str(jupyter),
        "IPYTHONDIR": str(cache / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(ROOT / "tools" / "matplotlibrc"),
        "PYTENSOR_FLAGS": f"base_compiledir={cache / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONHASHSEED": "0",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{cache / 'mlflow.sqlite'}",
        "COLUMNS": "88",
        "TZ": "UTC",
    }
