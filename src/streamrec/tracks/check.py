"""``streamrec project check``: the visible criteria on a project, in its own process.

What a learner has not written falls back to the reference, and its criteria are not
run. The learner's code runs in a process of its own, which may crash or hang without
harm to the report.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from streamrec.tracks import milestones
from streamrec.tracks.layout import MANIFEST
from streamrec.tracks.milestones import FORMAT, Part

OPEN = "open"  # not written yet: neither passed nor failed
LATE = ("test_the_documents_are_written",)  # written last: open until it passes


@dataclass(frozen=True)
class Project:
    """A project's folder and what its manifest says."""

    folder: Path
    track: str
    package: str


@dataclass
class Result:
    """What was found about one milestone."""

    name: str
    title: str
    functions: list[str]
    written: list[str]
    given: bool
    message: str = ""  # why nothing could be run
    criteria: list[dict[str, Any]] = field(default_factory=list)

    @property
    def yours(self) -> bool:
        """Whether the learner has written all of it."""
        return not self.given and len(self.written) == len(self.functions)

    @property
    def failed(self) -> bool:
        """Whether something that is there does not work."""
        return bool(self.message) or any(c["status"] == "failed" for c in self.criteria)


def read_project(folder: str | Path) -> Project:
    """The project in a folder.

    Raises
    ------
    ValueError
        If there is none, or its manifest cannot be used.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(
            f"there is no project in {folder} (no {MANIFEST}): "
            "make one with streamrec project new NAME --track A"
        )
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if table.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {table.get('format')}; this version reads {FORMAT}"
        )
    track, package = table.get("track"), table.get("package")
    if track not in milestones.TRACKS:
        raise ValueError(f"{path}: the track must be A, B or C, not {track!r}")
    if not isinstance(package, str) or not package.isidentifier():
        raise ValueError(f"{path}: {package!r} cannot name a package")
    if not (folder / package).is_dir():
        raise ValueError(f"{folder} lacks the package {package} that {MANIFEST} names")
    return Project(folder.resolve(), track, package)


def written(source: str, functions: tuple[str, ...]) -> list[str]:
    r"""Which functions a module defines beyond a stub.

    A stub's body is a docstring and ``raise NotImplementedError``, nothing else.

    Raises
    ------
    SyntaxError
        If the source is not Python.

    Examples
    --------
    >>> written("def f(x):\n    raise NotImplementedError\ng = len\n", ("f", "g"))
    ['g']
    """
    done: dict[str, bool] = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            done[node.name] = not _stub(node.body)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            done |= {(a.asname or a.name): True for a in node.names}
        elif isinstance(node, ast.Assign):
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            done |= dict.fromkeys(names, True)
    return [f for f in functions if done.get(f)]


def _stub(body: list[ast.stmt]) -> bool:
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        body = body[1:]
    if not body:
        return True
    raised = body[0].exc if isinstance(body[0], ast.Raise) else None
    name = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(name, ast.Name) and name.id == "NotImplementedError"


def check(
    folder: str | Path,
    milestone: str | None = None,
    *,
    seed: int = 0,
    seconds: float = 600.0,
) -> tuple[Project, list[Result]]:
    """Run the visible criteria of a project.

    Parameters
    ----------
    folder : the project's.
    milestone : check this one alone.
    seed : of the worlds and inputs.
    seconds : after which the learner's process is ended.

    Raises
    ------
    ValueError
        If there is no project, or its track has no such milestone.
    """
    project = read_project(folder)
    parts = milestones.parts(project.track)
    if milestone is not None:
        parts = tuple(p for p in parts if p.name.lower() == milestone.lower())
        if not parts:
            known = ", ".join(p.name for p in milestones.parts(project.track))
            raise ValueError(
                f"track {project.track} has no milestone {milestone!r} to check: "
                f"use {known}"
            )
    results = [_look(project, p) for p in parts]
    todo = [r.name for r in results if (r.written or r.given) and not r.message]
    _run(project, results, todo, seed, seconds)
    return project, results


def _look(project: Project, part: Part) -> Result:
    """What can be said without running anything."""
    result = Result(part.name, part.title, list(part.functions), [], part.given)
    path = project.folder / project.package / f"{part.module}.py"
    try:
        result.written = written(path.read_text("utf-8"), part.functions)
    except FileNotFoundError:
        result.message = f"{project.package}/{part.module}.py is missing"
    except (SyntaxError, ValueError) as error:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        result.message = f"{path.name} is not Python{line}: {error.args[0]}"
    return result


def _run(
    project: Project, results: list[Result], todo: list[str], seed: int, seconds: float
) -> None:
    """Run criteria in a process; start another for the rest if one ends early."""
    by_name = {r.name: r for r in results}
    deadline = time.monotonic() + seconds
    while todo:
        events, ended = _process(project, todo, seed, deadline)
        done = {e["part"] for e in events if e["event"] == "done"}
        for event in events:
            own = by_name[event["part"]]
            if event["event"] == "criterion":
                own.criteria.append(event["outcome"])
            elif event["event"] == "message":
                own.message = event["text"]
        left = [name for name in todo if name not in done]
        if left:
            by_name[left[0]].message = ended
            left = left[1:]
        todo = left


def _process(
    project: Project, todo: list[str], seed: int, deadline: float
) -> tuple[list[dict[str, Any]], str]:
    """(events of one process, why it ended)."""
    source, target = os.pipe()
    job: dict[str, Any] = {"project": asdict(project) | {"folder": str(project.folder)}}
    job |= {"parts": todo, "seed": seed}
    words = [sys.executable, "-m", "streamrec.tracks.local", str(target)]
    env = os.environ | {"MPLBACKEND": "agg", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        [*words, json.dumps(job)],
        pass_fds=(target,),
        cwd=project.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=env,
    )
    os.close(target)
    os.set_blocking(source, False)
    data, late = bytearray(), False
    try:
        while process.poll() is None:
            late = time.monotonic() > deadline
            if late:
                process.kill()
                break
            data += _drain(source)
            time.sleep(0.02)
        process.wait()
        data += _drain(source)
    finally:
        process.kill()
        process.wait()
        os.close(source)
    events = [json.loads(line) for line in data.split(b"\n") if line.strip()]
    why = "it took too long" if late else f"it ended the process ({process.returncode})"
    return events, why


def _drain(source: int) -> bytes:
    data = b""
    while True:
        try:
            piece = os.read(source, 2**16)
        except BlockingIOError:
            return data
        if not piece:
            return data
        data += piece
