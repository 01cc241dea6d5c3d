"""The key of an exercise set: what is asked, what it is worth, how it is run.

A key is a folder: ``key.yaml`` (questions, criteria, rubric), ``criteria.py``,
``reference.py``, ``stub.py`` and ``wrong/*.py``. ``tools/exercises.py`` writes the
example keys; a private key is a copy with another seed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

FORMAT = 1
FILES = ("key.yaml", "criteria.py", "reference.py", "stub.py")  # a project: no stub


@dataclass(frozen=True)
class Limits:
    """What one submission may use; ``key.yaml`` may set others under ``limits``."""

    call: float = 10.0  # seconds, one call of a function
    cell: float = 20.0  # seconds, one cell
    submission: float = 60.0  # seconds, all calls and cells together
    memory: int = 2048  # MB, all processes together
    processes: int = 64  # processes and threads
    restarts: int = 1  # after a crash or a time-out, for each question


@dataclass(frozen=True)
class Key:
    """A key that was read and found to be whole."""

    folder: Path
    id: str
    chapter: int
    title: str
    seed: str
    rounds: int
    points: float
    questions: list[dict[str, Any]]
    limits: Limits = field(default_factory=Limits)
    hide: tuple[str, ...] = ()
    kind: str = "exercise"
    package: str = ""
    digest: str = ""
    track: str = ""  # of a project
    templates: dict[str, str] = field(default_factory=dict)  # of its documents
    projects: list[dict[str, Any]] = field(default_factory=list)  # with known points

    @property
    def expected(self) -> list[tuple[str, dict[str, Any]]]:
        """(question, criterion) for every criterion, in order."""
        return [(q["id"], c) for q in self.questions for c in q["criteria"]]

    @property
    def automatic(self) -> float:
        """Points that criteria give."""
        return float(sum(c["points"] for _, c in self.expected))

    def text(self, name: str) -> str:
        """Text of one of the key's files."""
        return (self.folder / name).read_text("utf-8")


def load_key(folder: str | Path) -> Key:
    """Read a key.

    Raises
    ------
    ValueError
        With one sentence, if the folder is missing, incomplete or malformed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no key folder {folder}: give one with key.yaml")
    table = _yaml(folder / "key.yaml") if (folder / "key.yaml").is_file() else {}
    needed = FILES[:3] if table.get("kind") == "project" else FILES
    for name in needed:
        if not (folder / name).is_file():
            raise ValueError(f"{folder} is not a key: it lacks {name}")
    try:
        return _key(folder.resolve(), table)
    except (KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{folder / 'key.yaml'} is not a key ({why})") from None


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        table = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = " ".join(str(error).split())[:120]
        raise ValueError(f"{path} is not valid YAML ({line})") from None
    if not isinstance(table, dict):
        raise ValueError(f"{path} must hold the fields of a key")
    if table.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {table.get('format')}; this version reads {FORMAT}"
        )
    return table


def _key(folder: Path, table: dict[str, Any]) -> Key:
    known = {f.name for f in fields(Limits)}
    limits = dict(table.get("limits") or {})
    for name, value in limits.items():
        if name not in known:
            raise ValueError(
                f"key.yaml: unknown limit {name}: use {', '.join(sorted(known))}"
            )
        if type(value) not in (int, float) or value < 0:
            raise ValueError(f"key.yaml: the limit {name} must be a number above 0")
    seed = table.get("seed")
    rounds = table["rounds"]
    if type(rounds) is not int or not 1 <= rounds <= 100:
        raise ValueError("key.yaml: rounds must be a whole number from 1 to 100")
    hide = tuple(str(h) for h in _hidden(table))
    for name in hide:
        if not re.fullmatch(r"\w+(\.\w+)*", name):
            raise ValueError(f"key.yaml: {name!r} in hide is not a module's name")
    key = Key(
        folder=folder,
        id=f"{int(table['chapter']):02d}-{table['slug']}",
        chapter=int(table["chapter"]),
        title=str(table["title"]),
        seed="" if seed is None else str(seed),
        rounds=rounds,
        points=float(table["points"]),
        questions=list(table["questions"]),
        limits=Limits(**limits),
        hide=hide,
        kind=str(table.get("kind", "exercise")),
        package=str(table.get("package", "")),
        digest=digest(folder),
        track=str(table.get("track", "")),
        templates=dict(table.get("templates") or {}),
        projects=list(table.get("projects") or ()),
    )
    _questions(key)
    if key.kind == "project":
        _project(key)
    elif key.kind != "exercise":
        raise ValueError(f"key.yaml: the kind is exercise or project, not {key.kind!r}")
    return key


def _hidden(table: dict[str, Any]) -> list[Any]:
    """What the key hides; by default the modules that its chapter introduces.

    An exercise asks for the learner's own; the package holds it already.
    """
    from streamrec import syllabus

    if "hide" in table or table.get("kind", "exercise") != "exercise":
        return list(table.get("hide") or ())
    try:
        files = syllabus.load().chapter(int(table["chapter"])).introduces
    except KeyError:
        return []
    return [f.removesuffix(".py").replace("/", ".") for f in files]


def _questions(key: Key) -> None:
    """Names are unique and of the right form, points are numbers."""
    if not re.fullmatch(r"[\w.-]+", key.id):
        raise ValueError(f"key.yaml: the slug of {key.id!r} is not a plain name")
    ids = [q["id"] for q in key.questions]
    names = [c["name"] for _, c in key.expected]
    for name in ids + names:
        if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
            raise ValueError(f"key.yaml: {name!r} is not a plain name")
    for kind, found in (("question", ids), ("criterion", names)):
        twice = sorted({n for n in found if found.count(n) > 1})
        if twice:
            raise ValueError(f"key.yaml: the {kind} {twice[0]} occurs twice")
    if not ids:
        raise ValueError("key.yaml: there are no questions")
    for _, c in key.expected:
        if type(c["points"]) not in (int, float) or c["points"] < 0:
            raise ValueError(f"key.yaml: {c['name']} needs points of at least 0")
        for part in ("label", "hint"):
            if not isinstance(c.get(part), str):
                raise ValueError(f"key.yaml: {c['name']} needs a {part}")


def _project(key: Key) -> None:
    """What a project's key says of modules and of projects with known points."""
    if key.track not in ("A", "B", "C"):
        raise ValueError("key.yaml: a project's key needs the track A, B or C")
    for q in key.questions:
        if q["criteria"] and not re.fullmatch(r"[a-z]\w*", str(q.get("module", ""))):
            raise ValueError(f"key.yaml: {q['id']} needs the module that it checks")
        for name in q.get("hide") or ():
            if not re.fullmatch(r"\w+(\.\w+)*", str(name)):
                raise ValueError(f"key.yaml: {name!r} in hide is not a module's name")
    for p in key.projects:
        place = (key.folder / str(p["folder"])).resolve()
        if not place.is_dir() or not place.is_relative_to(key.folder):
            raise ValueError(f"key.yaml: there is no folder {p['folder']} in the key")


def digest(folder: Path) -> str:
    """sha256 of what decides about points (not of the stored wrong answers)."""
    total = hashlib.sha256()
    for name in (n for n in FILES if (folder / n).is_file()):
        data = (folder / name).read_bytes()
        total.update(f"{name} {len(data)}\n".encode() + data)
    return total.hexdigest()
