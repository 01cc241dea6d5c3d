"""A project that was handed in: a folder (or a zip of one) with package and documents.

Its plain files are read with the caps of every submission and copied, so that the
sandbox shows nothing but them. Nothing here runs what they hold.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import streamrec
from streamrec.grading import ingest
from streamrec.grading.ingest import Unreadable
from streamrec.grading.key import Limits
from streamrec.grading.remote import Code, RemoteAnswer, Session, Trouble
from streamrec.grading.sandbox import Sandbox

MANIFEST = "streamrec-project.toml"
FORMAT = 1
MAX_TEXT = 200_000  # characters of a document that are read
COPIED = 0.5  # share of a module's lines from which a person is told
BUDGET = 0.75  # of a submission's time is the answer's; the rest is for the criteria
MOST_SOURCE = 4_000_000  # characters of a project that are compared with the reference
IN_A_COPY = """
import contextlib, os, shutil, sys, tempfile
with contextlib.suppress(OSError, ValueError):
    _copy = os.path.join(tempfile.mkdtemp(), "project")
    shutil.copytree(os.getcwd(), _copy)
    sys.path[sys.path.index(os.getcwd())] = _copy
    os.chdir(_copy)
del contextlib, os, shutil, sys, tempfile
"""  # what a notebook writes next to it must not fail


@dataclass
class Project:
    """What was handed in, read and copied."""

    root: Path  # of the copy
    name: str
    track: str
    package: str
    files: dict[str, bytes]
    looks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Text of a file; empty if it is not there."""
        return ingest.decoded(self.files.get(name, b"")[: 2 * MAX_TEXT])[:MAX_TEXT]

    def source(self, module: str) -> str:
        """Source of a module as Python finds it: a folder of the name comes first."""
        inside = f"{self.package}/{module}/__init__.py"
        beside = f"{self.package}/{module}.py"
        return self.text(inside if inside in self.files else beside)


def read_project(path: Path, folder: bool, target: Path) -> Project:
    """Read a project and copy it to ``target``.

    Raises
    ------
    Unreadable
        With one sentence, if there is no project or several.
    """
    looks: list[str] = []
    files = ingest.contents(path, folder, looks, every=True, mark=MANIFEST)
    found = sorted(n for n in files if n.rsplit("/", 1)[-1] == MANIFEST)
    if not found:
        raise Unreadable(f"there is no {MANIFEST}: hand in the project's whole folder")
    depth = min(n.count("/") for n in found)
    top = [n for n in found if n.count("/") == depth]
    if len(top) > 1:
        raise Unreadable(f"it holds {len(top)} projects: {', '.join(top)[:200]}")
    prefix = top[0][: -len(MANIFEST)]
    own = {n[len(prefix) :]: d for n, d in files.items() if n.startswith(prefix)}
    own = {n: d for n, d in own.items() if not _left_out(n, looks)}
    track, package = _manifest(own[MANIFEST])
    if not any(n.startswith(f"{package}/") and n.endswith(".py") for n in own):
        inside = next((n for n in own if f"/{package}/__init__.py" in n), "")
        more = f": it is in {inside.split('/')[0]}, move it up" if inside else ""
        raise Unreadable(f"it lacks the package {package} that {MANIFEST} names{more}")
    _copy(own, target, looks)
    return Project(target, top[0], track, package, own, looks)


def _left_out(name: str, looks: list[str]) -> bool:
    """Compiled files, which nobody can read, and what tools leave behind."""
    parts = name.split("/")
    if name.lower().endswith((".pyc", ".pyo")) and "__pycache__" not in parts:
        looks.append(f"{name[:100]!r} was left out: hand in its source")
    junk = any(p == "__pycache__" or p.startswith(".") and p.strip(".") for p in parts)
    return junk or name.lower().endswith((".pyc", ".pyo"))


def _manifest(data: bytes) -> tuple[str, str]:
    """(track, package) of a manifest."""
    try:
        table = tomllib.loads(ingest.decoded(data[:65536]))
    except (tomllib.TOMLDecodeError, RecursionError):
        raise Unreadable(f"{MANIFEST} cannot be read") from None
    if table.get("format") != FORMAT:
        raise Unreadable(f"{MANIFEST} is not of format {FORMAT}")
    track, package = table.get("track"), table.get("package")
    if track not in ("A", "B", "C"):
        raise Unreadable(f"{MANIFEST}: the track must be A, B or C")
    package = package if isinstance(package, str) else ""
    plain = re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,79}", package)
    if not plain or package.lower() == "streamrec":
        raise Unreadable(f"{MANIFEST}: that cannot name a package")
    return str(track), str(package)


def _copy(files: dict[str, bytes], target: Path, looks: list[str]) -> None:
    for name, data in files.items():
        parts = name.split("/")
        plain = all(re.fullmatch(r"[^\\/\0]{1,100}", p) for p in parts)
        if not plain or "." in parts or ".." in parts:
            looks.append(f"{name[:100]!r} was left out: its name is odd")
            continue
        place = target.joinpath(*parts)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        except (OSError, ValueError):
            looks.append(f"{name[:100]!r} could not be copied")
    for place in [target, *target.rglob("*")]:
        place.chmod(0o755 if place.is_dir() else 0o644)


def words_added(texts: dict[str, str], templates: dict[str, str]) -> dict[str, int]:
    r"""Words of each document beyond the templates: lines that are in none of them.

    Examples
    --------
    >>> words_added({"a.md": "# Goal\nSell more tea.", "b.md": ""},
    ...             {"a.md": "# Goal\n", "b.md": "# Metric\n"})
    {'a.md': 3, 'b.md': 0}
    """
    out = {}
    known = {s.strip() for text in templates.values() for s in text.splitlines()}
    for name in templates:
        lines = [s.strip() for s in texts.get(name, "").splitlines()]
        fresh = dict.fromkeys(s for s in lines if s not in known)
        out[name] = sum(len(re.findall(r"\w\w+", s)) for s in fresh)
    return out


def code_cells(data: bytes, name: str) -> list[tuple[str, str]]:
    """(label, source) of the code cells of a notebook.

    Raises
    ------
    Unreadable
        If it is not a notebook.
    """
    cells, _ = ingest.parse(name, data)
    return [
        (f"cell {number}", cell.source + "\n")
        for number, cell in enumerate(cells, 1)
        if cell.code and cell.source.strip()
    ]


def copied(source: str, others: str, template: str = "") -> float:
    """Share of a module's telling lines that also stand in other sources.

    Telling: at least 15 characters, no import, comment or header of a function, and
    not in the template. If fewer than eight lines are shared, the share is 0.

    Examples
    --------
    >>> copied("x = 1", "x = 1")
    0.0
    """
    own, known = _telling(source) - _telling(template), _telling(others)
    same = own & known
    return len(same) / len(own) if len(same) >= 8 else 0.0


def _telling(source: str) -> set[str]:
    skip = ("#", "import ", "from ", "def ", "class ", "return ", "raise ", '"""')
    lines = (" ".join(s.split()) for s in source.splitlines())
    return {s for s in lines if len(s) >= 15 and not s.startswith(skip)}


def copies(project: Project, questions: list[dict[str, Any]]) -> list[str]:
    """Files of which half or more stands in the reference, one sentence each."""
    root = Path(streamrec.__file__).parent
    out, sources, left = [], {}, MOST_SOURCE
    for name in sorted(n for n in project.files if n.lower().endswith(".py")):
        sources[name] = project.text(name)
        left -= len(sources[name])
        if left < 0:
            out.append("it holds too much source to compare all of it")
            break
    for q in questions:
        module = q.get("module")
        if not module:
            continue
        paths = [root / "tracks" / "reference" / f"{module}.py"]
        for name in q.get("hide") or ():
            place = root / name.replace(".", "/")
            paths += [place.with_suffix(".py"), *sorted(place.rglob("*.py"))]
        known = "\n".join(p.read_text("utf-8") for p in paths if p.is_file())
        form = root / "tracks" / "template" / f"{module}.py.tmpl"
        template = form.read_text("utf-8") if form.is_file() else ""
        for name, source in sources.items():  # a copy may lie anywhere
            share = copied(source, known, template)
            if share >= COPIED:
                out.append(f"{name} shares {share:.0%} of its lines with the reference")
    return list(dict.fromkeys(out))[:20]


def shown(project: Project, question: dict[str, Any]) -> dict[str, list[str]]:
    """What a reader sees of a question: its module's source, or the documents."""
    module = question.get("module")
    if module:
        source = project.source(module)
        return {"text": [], "code": [source] if source else []}
    names = sorted(n for n in project.files if re.fullmatch(r"docs/[^/]+\.md", n))
    return {"text": [project.text(n) for n in names[:40]], "code": []}


class Sessions:
    """The sandboxes of one project: one a milestone, without that one's reference.

    To a criterion it is ``answer.handed_in``: what it may ask beyond calls.
    """

    def __init__(
        self,
        project: Project,
        sandbox: Sandbox,
        libraries: dict[str, str],
        limits: Limits,
        questions: list[dict[str, Any]],
        templates: dict[str, str],
    ) -> None:
        self.project = project
        self.sandbox = sandbox
        self.libraries = libraries
        self.questions = {q["id"]: q for q in questions}
        share = BUDGET * limits.submission / max(len(libraries), 1)
        self.limits = replace(limits, submission=share)
        self.templates = templates
        self.current: Session | None = None
        self.question = ""
        self.trouble: list[Trouble] = []
        self.starts = 1

    def of(self, question: str) -> Session:
        """The session of a question; that of another one ends."""
        if self.current is None or question != self.question:
            self.close()
            self.question = question
            name = f"{self.project.package}.{self.questions[question]['module']}"
            cells = [Code("", question, name)]
            self.current = self._session(cells, name)
        return self.current

    def _session(self, cells: list[Code], package: str) -> Session:
        library = Path(self.libraries[self.question])
        return Session(
            self.sandbox,
            library,
            self.limits,
            cells,
            submission=self.project.root,
            package=package,
        )

    def close(self) -> None:
        """End what runs and keep what it met."""
        if self.current is not None:
            self.trouble += self.current.trouble
            self.starts += max(0, self.current.starts - 1)
            self.current.close()
            self.current = None

    # what a criterion may ask

    def restart(self) -> None:
        """A fresh process: the next call imports the package anew."""
        if self.current is not None:
            self.current.close()
            self.starts -= 1

    def words_added(self) -> dict[str, int]:
        """Words in each document beyond its template."""
        self.of(self.question).given = True
        texts = {name: self.project.text(name) for name in self.templates}
        return words_added(texts, self.templates)

    def run_notebook(self, name: str, variable: str) -> tuple[list[str], Any]:
        """(what its cells raised, a variable at the end), in a sandbox of its own."""
        self.of(self.question).given = True
        if name not in self.project.files:
            return [f"{name} is missing"], None
        try:
            cells = code_cells(self.project.files[name], name)
        except Unreadable as error:
            return [f"{name} {error}"], None
        codes = [Code(source, label, label) for label, source in cells]
        if self.sandbox.mounts:  # the folder itself can only be read
            codes.insert(0, Code(IN_A_COPY, "setup", "setup"))
        session = self._session(codes, "")
        try:
            session.load()
            errors = [f"{t.question}: {t.message}" for t in session.trouble]
            answer = RemoteAnswer(session, self.question, "notebook")
            has = answer.has(variable)
            return errors, answer.value(variable) if has else None
        finally:
            session.close()
