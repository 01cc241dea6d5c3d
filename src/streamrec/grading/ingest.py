"""Read what was handed in: notebooks and archives as data, never as something to run.

Links are not followed, archives are read in memory and never unpacked, and every count
and size has a cap, so that no submission can stop the run or reach another one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import struct
import unicodedata
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

MAX_FILE = 20 * 2**20
MAX_TOTAL = 50 * 2**20
MAX_FILES = 2000
MAX_DEPTH = 8
MAX_CELLS = 5000
MAX_SOURCE = 2 * 2**20
_JUNK = {"__MACOSX", "Thumbs.db", "desktop.ini", "__pycache__"}
_NOT_HANDED_IN = (".csv", ".toml", ".yaml", ".yml", ".xlsx")  # of the instructor
_COPY = re.compile(r"\s*(\(\d+\)|- Copy(\d*)|-Copy\d+|_\d)$", re.IGNORECASE)


class Unreadable(Exception):
    """Nothing here can be graded; the message is one sentence."""


@dataclass
class Entry:
    """One submission in the folder: a file or a folder, not yet read."""

    id: str
    name: str  # as submitted; may be anything
    path: Path
    folder: bool
    files: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    modified: str | None = None
    problem: str = ""
    looks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook."""

    code: bool
    source: str
    tags: tuple[str, ...] = ()
    id: str = ""


@dataclass
class Found:
    """What is graded: the cells, and what was seen on the way."""

    graded: str
    cells: list[Cell]
    chapter: int | None = None
    looks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# ---------------------------------------------------------------- the folder


def discover(folder: str | Path, skip: Path | None = None) -> list[Entry]:
    """Every submission in a folder, by id.

    Parameters
    ----------
    folder : each file or folder in it is one submission.
    skip : a folder that is not one (the output, if it lies inside).

    Raises
    ------
    ValueError
        If the folder is missing or holds no submission.
    """
    folder = Path(folder)
    if not folder.is_dir():
        more = ": unpack the archive first" if folder.is_file() else ""
        raise ValueError(f"{folder} is not a folder of submissions{more}")
    entries = []
    with os.scandir(os.fsencode(folder)) as found:
        items = sorted(found, key=lambda item: item.name)
    for item in items:
        entry = _entry(item, skip)
        if entry is not None:
            entries.append(entry)
    if not entries:
        raise ValueError(
            f"there is nothing to grade in {folder}: put one notebook, folder or zip "
            "a person there"
        )
    _name(entries)
    return sorted(entries, key=lambda e: e.id)


def _entry(item: os.DirEntry[bytes], skip: Path | None) -> Entry | None:
    name = shown(item.name)
    path = Path(os.fsdecode(item.path))
    if name.startswith(".") or name in _JUNK or name.endswith("~"):
        return None
    if skip is not None and item.is_dir() and skip.exists():
        if os.path.samefile(path, skip):
            return None
    is_folder = item.is_dir(follow_symlinks=False)
    if not is_folder and name.lower().endswith(_NOT_HANDED_IN):
        return None
    entry = Entry("", name, path, is_folder)
    try:
        _scan(entry, item)
    except Unreadable as error:
        entry.problem = str(error)
    except OSError as error:
        entry.problem = f"cannot be read ({error.strerror or type(error).__name__})"
    total = hashlib.sha256(json.dumps([entry.files, entry.problem]).encode())
    entry.digest = total.hexdigest()
    return entry


def _scan(entry: Entry, item: os.DirEntry[bytes]) -> None:
    """List and hash the plain files of one submission."""
    status = item.stat(follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise Unreadable("it is a link, and links are not followed")
    if entry.folder:
        paths = list(_walk(os.fsencode(entry.path), entry))
    elif stat.S_ISREG(status.st_mode):
        paths = [(item.name, os.fsencode(entry.path))]
    else:
        raise Unreadable("it is neither a file nor a folder")
    newest, total = 0.0, 0
    for name, path in paths:
        data, modified = read_plain(path)
        total += len(data)
        if total > MAX_TOTAL:
            raise Unreadable("it holds more than 50 MB")
        newest = max(newest, modified)
        found = hashlib.sha256(data).hexdigest()
        entry.files.append({"path": shown(name), "bytes": len(data), "sha256": found})
    if newest:
        moment = datetime.fromtimestamp(int(newest), UTC)
        entry.modified = moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _walk(top: bytes, entry: Entry) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    seen = 0  # files, folders and links
    todo = [(b"", top, 0)]
    while todo:
        prefix, folder, depth = todo.pop()
        with os.scandir(folder) as items:
            inside = sorted(items, key=lambda item: item.name)
        for item in inside:
            seen += 1
            if seen > MAX_FILES:
                raise Unreadable("it holds more than 2,000 files")
            name = prefix + item.name
            word = shown(item.name)
            if word.startswith(".") or word in _JUNK:
                continue
            if item.is_symlink():
                entry.looks.append(f"{shown(name)} is a link: it was not followed")
            elif item.is_dir(follow_symlinks=False):
                if depth >= MAX_DEPTH:
                    raise Unreadable("its folders are nested too deep")
                todo.append((name + b"/", item.path, depth + 1))
            elif item.is_file(follow_symlinks=False):
                found.append((name, item.path))
    return sorted(found)


def read_plain(path: bytes) -> tuple[bytes, float]:
    """Bytes and modification time of a plain file; a link or device is refused.

    Raises
    ------
    Unreadable
        If it is not a plain file or is larger than 20 MB.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{shown(os.path.basename(path))} is not a plain file")
        if status.st_size > MAX_FILE:
            raise Unreadable(f"{shown(os.path.basename(path))} is larger than 20 MB")
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise Unreadable(f"{shown(os.path.basename(path))} is larger than 20 MB")
    return data, status.st_mtime


def shown(name: bytes | str) -> str:
    r"""A file's name as text; bytes that are not UTF-8 become \xNN.

    >>> shown(b"caf\xe9.ipynb")
    'caf\\xe9.ipynb'
    """
    raw = name if isinstance(name, bytes) else os.fsencode(name)
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def plain_id(name: str) -> str:
    """A name that is safe as a file's name: letters, digits and a few signs.

    >>> plain_id("Ada Lovelace_123.ipynb")
    'Ada Lovelace_123'
    """
    stem = re.sub(r"\.(ipynb|py|zip)$", "", name, flags=re.IGNORECASE)
    stem = unicodedata.normalize("NFC", stem)
    safe = re.sub(r"[^\w.@+(), -]", "_", stem).strip(" .")
    changed = safe != stem or len(safe) > 80 or not safe[:1].isalnum()
    if not changed:
        return safe
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    head = re.sub(r"^[\W_]+", "", safe)[:60].strip(" .") or "submission"
    return f"{head}-{mark}"


def _name(entries: list[Entry]) -> None:
    """Give each entry an id of its own, also where case does not count."""
    taken: dict[str, Entry] = {}
    for entry in entries:
        id = plain = plain_id(entry.name)
        mark = hashlib.sha256(os.fsencode(entry.path.name)).hexdigest()
        while id.casefold() in taken:
            other = taken[id.casefold()]
            for one in (entry, other):
                look = f"another submission is named {plain} too"
                one.looks += [] if look in one.looks else [look]
            id, mark = f"{plain}-{mark[:8]}", mark[1:]
        taken[id.casefold()] = entry
        entry.id = id
    for entry in entries:
        copy = re.sub(r"\s*\(\d+\)$", "", entry.id)
        if copy != entry.id and copy.casefold() in taken:
            entry.looks.append(f"it may be a second copy of {copy}")


# ------------------------------------------------------------- one submission


def read(path: Path, folder: bool, questions: list[str], chapter: int) -> Found:
    """The notebook of one submission.

    Parameters
    ----------
    path : the file or folder.
    folder : whether it is a folder.
    questions : ids of the key's questions, to tell which notebook is meant.
    chapter : the key's chapter.

    Raises
    ------
    Unreadable
        With one sentence, if there is nothing to grade.
    """
    notes: list[str] = []
    looks: list[str] = []
    files = contents(path, folder, looks)
    notebooks = {n: d for n, d in files.items() if n.lower().endswith(".ipynb")}
    scripts = {n: d for n, d in files.items() if n.lower().endswith(".py")}
    usable = notebooks or scripts
    if not usable:
        raise Unreadable("there is no notebook (.ipynb) in it")
    found: list[tuple[tuple[int, int], str, list[Cell], int | None]] = []
    broken: list[str] = []
    for name, data in list(usable.items())[:50]:
        try:
            cells, number = parse(name, data)
        except Unreadable as error:
            broken.append(f"{name} {error}")
            continue
        score = (number == chapter, _asked(cells, questions))
        found.append((score, name, cells, number))
    if not found:
        raise Unreadable(broken[0])
    looks += broken
    best = max(score for score, *_ in found)
    fit = [f for f in found if f[0] == best]
    _, name, cells, number = fit[-1]
    if len(fit) > 1:
        others = ", ".join(n for _, n, *_ in fit[:-1])
        looks.append(f"{len(fit)} files fit: {name} was graded, not {others}")
    elif len(found) > 1:
        notes.append(f"{name} was graded; other files do not fit the key")
    if number is not None and number != chapter:
        looks.append(f"{name} belongs to chapter {number}, not to {chapter}")
    elif not best[1] and name.lower().endswith(".ipynb"):
        looks.append(f"{name} has none of the key's questions")
    return Found(name, cells, number, looks, notes)


def contents(
    path: Path, folder: bool, looks: list[str], *, every: bool = False, mark: str = ""
) -> dict[str, bytes]:
    """Bytes of every file that may be a notebook, archives looked into.

    Parameters
    ----------
    path : the file or folder.
    folder : whether it is a folder.
    looks : where notes for a person are added.
    every : take every plain file, not notebooks and Python files alone.
    mark : where a file of this name lies outside of archives, they are data.

    Raises
    ------
    Unreadable
        If it is too large, damaged or of another kind.
    """
    raw = os.fsencode(path)
    if folder:
        entry = Entry("", "", path, True)
        paths = _walk(raw, entry)
    else:
        paths = [(os.path.basename(raw), raw)]
    files: dict[str, bytes] = {}
    whole = bool(mark) and any(shown(n).rsplit("/")[-1] == mark for n, _ in paths)
    for name, where in paths:
        word = shown(name)
        if word.lower().endswith(".zip") and not whole:
            files.update(_unzip(read_plain(where)[0], word, looks, every))
        elif every or word.lower().endswith((".ipynb", ".py")):
            files[word] = read_plain(where)[0]
        elif not folder:
            raise Unreadable("it is neither a notebook (.ipynb) nor a zip archive")
    return files


def _unzip(
    data: bytes, name: str, looks: list[str], every: bool = False
) -> dict[str, bytes]:
    """Notebooks of an archive, read in memory; nothing is ever unpacked."""
    _check_directory(data, name)
    files: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for item in archive.infolist():
                word = shown(item.filename.encode("utf-8", "surrogateescape"))
                base = word.rsplit("/", 1)[-1]
                if item.is_dir() or base.startswith(".") or "__MACOSX" in word:
                    continue
                if not every and not word.lower().endswith((".ipynb", ".py")):
                    continue
                if stat.S_ISLNK(item.external_attr >> 16):
                    looks.append(f"{word} is a link: it was not followed")
                    continue
                parts = re.split(r"[/\\]", item.filename)
                if ".." in parts or item.filename.startswith(("/", "\\")):
                    looks.append(f"{word} points out of the archive: it was left out")
                    continue
                if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # others are unpacked whole, whatever is asked for
                    raise Unreadable(f"{name} is not packed by the usual method")
                with archive.open(item) as file:
                    content = file.read(MAX_FILE + 1)
                total += len(content)
                if len(content) > MAX_FILE or total > MAX_TOTAL:
                    raise Unreadable(f"{name} unpacks to more than 50 MB")
                files[f"{name}/{word}"] = content
    except Unreadable:
        raise
    except RuntimeError:
        raise Unreadable(f"{name} is encrypted") from None
    except Exception:  # zipfile raises many kinds for damaged archives
        raise Unreadable(f"{name} is a damaged archive") from None
    return files


def _check_directory(data: bytes, name: str) -> None:
    """Refuse an archive whose list of files is huge before it is read."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65557))
    if end < 0 or len(data) < end + 22:
        raise Unreadable(f"{name} is a damaged archive")
    count, size = struct.unpack("<HI", data[end + 10 : end + 16])
    if count > MAX_FILES or size > 2**20:
        raise Unreadable(f"{name} holds more than 2,000 files")


def parse(name: str, data: bytes) -> tuple[list[Cell], int | None]:
    """Cells of a notebook or Python file, and the chapter that it names.

    Raises
    ------
    Unreadable
        If it is broken, or too large.
    """
    try:
        text = decoded(data)
        if name.lower().endswith(".py"):
            return _script(text), None
        return _notebook(text)
    except (RecursionError, MemoryError):
        raise Unreadable("is nested too deep or too large") from None


def decoded(data: bytes) -> str:
    """Text of a file, in whatever encoding an editor of our days writes."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _script(text: str) -> list[Cell]:
    """A Python file: one cell, or those between ``# %%`` lines."""
    parts = re.split(r"(?m)^# %%.*\n", text)
    return [Cell(True, _bounded(p)) for p in parts if p.strip()]


def _notebook(text: str) -> tuple[list[Cell], int | None]:
    try:
        nb = json.loads(text)
    except ValueError:
        raise Unreadable("is not a notebook: its JSON is broken") from None
    raw = nb.get("cells") if isinstance(nb, dict) else None
    if raw is None and isinstance(nb, dict):  # format 3
        sheets = nb.get("worksheets")
        if isinstance(sheets, list) and sheets and isinstance(sheets[0], dict):
            raw = sheets[0].get("cells")
    if not isinstance(raw, list):
        raise Unreadable("is not a notebook: it has no cells")
    if len(raw) > MAX_CELLS:
        raise Unreadable("has more than 5,000 cells")
    cells = [c for c in map(_cell, raw) if c is not None]
    if sum(len(c.source) for c in cells) > MAX_SOURCE:
        raise Unreadable("holds more than 2 MB of text")
    meta = nb.get("metadata")
    own = meta.get("streamrec") if isinstance(meta, dict) else None
    number = own.get("chapter") if isinstance(own, dict) else None
    return cells, number if type(number) is int else None


def _cell(raw: Any) -> Cell | None:
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown"):
        return None
    source = raw.get("source", raw.get("input", ""))
    if isinstance(source, list):
        source = "".join(s for s in source if isinstance(s, str))
    if not isinstance(source, str):
        return None
    meta = raw.get("metadata")
    tags = meta.get("tags") if isinstance(meta, dict) else None
    words = tuple(t for t in tags if isinstance(t, str)) if tags else ()
    id = raw.get("id")
    return Cell(
        raw["cell_type"] == "code",
        _bounded(source),
        words,
        id if isinstance(id, str) else "",
    )


def _bounded(source: str) -> str:
    """Source with plain line ends, without what no file could hold."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


_HEADING = re.compile(r"^\s*#{1,6}\s*(q\d+)\b", re.IGNORECASE)


def _asked(cells: list[Cell], questions: list[str]) -> int:
    """How many of the key's questions the cells show."""
    seen = {t for c in cells for t in c.tags}
    for cell in cells:
        match = None if cell.code else _HEADING.match(cell.source)
        if match:
            seen.add(match.group(1).lower())
    return len(seen.intersection(questions))


def sort(cells: list[Cell], questions: list[str]) -> list[tuple[str, Cell]]:
    """Each cell with the question it belongs to ("" before the first).

    By its tag if it has one, else by the question's heading above it, so that cells
    which a learner added, or whose metadata was lost, find their place.
    """
    here = ""
    out = []
    for cell in cells:
        own = [t for t in cell.tags if t in questions]
        match = None if cell.code else _HEADING.match(cell.source)
        if match and match.group(1).lower() in questions:
            here = match.group(1).lower()
            out.append(("", cell))
            continue
        if own and {"question", "check", "hints", "given"} & set(cell.tags):
            if "question" in cell.tags:
                here = own[0]
            out.append((own[0] if cell.code else "", cell))
            continue
        out.append((own[0] if own else here, cell))
    return out
