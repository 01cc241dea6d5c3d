"""The trusted side of one submission: pytest runs the key's criteria.

``python -m streamrec.grading.judge`` reads jobs as lines of JSON and, for each, forks a
child that reads the submission, starts its sandbox and runs the criteria; what it finds
comes back as lines of JSON. The child's memory is limited and nothing of the submission
lies in the folder that pytest sees.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrec.grading import ingest, project
from streamrec.grading.criteria import (
    Criterion,
    LocalAnswer,
    collect,
    load_namespace,
)
from streamrec.grading.key import Key, Limits, load_key
from streamrec.grading.remote import (
    PATIENCE,
    Code,
    GraderError,
    RemoteAnswer,
    Session,
)
from streamrec.grading.sandbox import Sandbox

MEMORY = 440 * 2**20  # bytes of its own that a judge may hold
GRACE = 20.0  # seconds beyond the submission's, for what the criteria compute
_SELFCHECK = re.compile(r"\s*selfcheck\([^()]*\)\s*(#.*)?")
_SHOWN = 40_000  # characters of an answer that are kept


class TooLong(BaseException):
    """The criteria themselves compute for too long on what came back."""


class Sample:
    """What the reference handed in, for a criterion of a folder that stumbles."""

    def restart(self) -> None:
        """Nothing to start."""

    def words_added(self) -> dict[str, int]:
        """Written."""
        return {"docs/all.md": 1000}

    def run_notebook(self, name: str, variable: str) -> tuple[list[str], Any]:
        """A result of the right form."""
        return [], {"ndcg": 0.5, "low": 0.4, "high": 0.6}


class Judge:
    """A pytest plugin: fixtures ``answer``, ``rng``, ``reference``; verdicts out."""

    def __init__(
        self,
        session: Session,
        reference: LocalAnswer,
        seed: int,
        rounds: int,
        emit: Any,
        only: set[str] | None,
    ) -> None:
        self.session = session
        self.sessions: project.Sessions | None = None  # of a project
        self.reference_answer = reference
        self.seed = seed
        self.rounds = rounds
        self.emit = emit
        self.only = only
        self.verdicts: dict[str, dict[str, Any]] = {}

    # what a criterion receives

    @pytest.fixture
    def answer(self, request: pytest.FixtureRequest) -> RemoteAnswer:
        """The learner's answer, over the pipe."""
        item: Criterion = request.function.criterion
        answer = RemoteAnswer(self.session, item.question, request.node.name)
        if self.sessions is not None:
            answer.handed_in = self.sessions
        return answer

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> np.random.Generator:
        """Random numbers of this criterion and round."""
        return self._rng(request.function.criterion, request.param)

    @pytest.fixture
    def reference(self) -> LocalAnswer:
        """The key's own answer."""
        return self.reference_answer

    def _rng(self, item: Criterion, number: int) -> np.random.Generator:
        address = zlib.crc32(f"{item.question}/{item.name}".encode())
        return np.random.default_rng([self.seed, number, address])

    # what pytest is told

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Each criterion once a round."""
        if "rng" in metafunc.fixturenames:
            metafunc.parametrize("rng", range(self.rounds), indirect=True)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Only the questions that were asked for."""
        if self.only is not None:
            items[:] = [i for i in items if _criterion(i).question in self.only]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A criterion that is lost already is not tried again."""
        known = self.verdicts.get(_criterion(item).name)
        if known is not None and known["status"] != "passed":
            pytest.skip("lost already")
        if self.sessions is not None:
            self.session = self.sessions.of(_criterion(item).question)
        self.session.last_stop = None
        self.session.given, self.session.raised = False, ""

    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> None:
        """Note the verdict."""
        own = _criterion(item)
        if call.when == "call":
            self._verdict(item, own, call.excinfo)
            if call.excinfo is not None:  # or results of 64 MB would add up
                traceback.clear_frames(call.excinfo.value.__traceback__)
        elif call.excinfo is not None and not call.excinfo.errisinstance(
            pytest.skip.Exception
        ):
            self._note(own, "error", _one(call.excinfo.value))

    def _verdict(self, item: pytest.Item, own: Criterion, excinfo: Any) -> None:
        stop = self.session.last_stop
        if excinfo is None:
            self._note(own, "passed", "")
            return
        error = excinfo.value
        if isinstance(error, GraderError):
            self._note(own, "error", str(error))
            pytest.exit(str(error), returncode=9)
        elif isinstance(error, TooLong):
            self._note(own, "timeout", "checking the result took too long")
            pytest.exit("too long", returncode=9)
        elif stop is not None:
            self._note(own, stop.status, _one(stop))
        elif isinstance(error, AssertionError):
            self._note(own, "failed", _one(error) or own.hint)
        else:
            self._stumbled(item, own, error)

    def _stumbled(self, item: pytest.Item, own: Criterion, error: Any) -> None:
        """The criterion raised: is it the result's fault or the criterion's?"""
        number = item.callspec.params["rng"]  # type: ignore[attr-defined]
        extra = {"reference": self.reference_answer} if own.needs_reference else {}
        try:
            own.function(self.reference_answer, self._rng(own, number), **extra)
        except TooLong:
            self._note(own, "timeout", "checking the result took too long")
            pytest.exit("too long", returncode=9)
        except BaseException as ours:
            self._note(own, "error", f"{type(ours).__name__}: {_one(ours)}")
            return
        text = f"the check could not use your result ({type(error).__name__})"
        self._note(own, "failed", text, odd=True)

    def _note(
        self, own: Criterion, status: str, message: str, *, odd: bool = False
    ) -> None:
        before = self.verdicts.get(own.name, {"given": False})  # of another round
        self.verdicts[own.name] = {
            "question": own.question,
            "name": own.name,
            "status": status,
            "message": message,
            "odd": odd,
            "given": self.session.given or before["given"],
            "raised": self.session.raised,
        }
        self.emit({"event": "criterion", **self.verdicts[own.name]})


def _criterion(item: pytest.Item) -> Criterion:
    found: Criterion = item.function.criterion  # type: ignore[attr-defined]
    return found


def _one(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    text = text.split("\nassert ")[0]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


# ------------------------------------------------------------------- one job


def judge(job: dict[str, Any], key: Key, emit: Any) -> None:
    """Grade one submission and tell what is found through ``emit``."""
    limits = Limits(**job["limits"]) if job.get("limits") else key.limits
    if key.kind == "project":
        # a judge that is killed leaves nothing outside the output folder
        work = Path(job["library"]).parent
        with tempfile.TemporaryDirectory(prefix="project-", dir=work) as name:
            _judge_project(job, key, limits, Path(name).resolve(), emit)
        return
    ids = [q["id"] for q in key.questions]
    try:
        cells = _cells(job, key, ids, emit)
    except ingest.Unreadable as error:
        emit({"event": "unreadable", "message": _one(error)})
        return
    except (OSError, MemoryError, RecursionError) as error:
        emit({"event": "unreadable", "message": f"cannot be read ({_one(error)})"})
        return
    session = Session(
        Sandbox(**job["sandbox"]),
        Path(job["library"]),
        limits,
        cells,
    )
    _timed(job, key, session, limits, emit)


def _judge_project(
    job: dict[str, Any], key: Key, limits: Limits, folder: Path, emit: Any
) -> None:
    """Grade a project: read it, copy it, run each milestone in its own sandbox."""
    try:
        found = project.read_project(Path(job["path"]), job["folder"], folder)
        if found.track != key.track:
            raise ingest.Unreadable(f"it is of track {found.track}, not {key.track}")
        if key.package and found.package != key.package:
            raise ingest.Unreadable(f"its package must be named {key.package}")
    except ingest.Unreadable as error:
        emit({"event": "unreadable", "message": _one(error)})
        return
    except (OSError, MemoryError, RecursionError) as error:
        emit({"event": "unreadable", "message": f"cannot be read ({_one(error)})"})
        return
    answers = {q["id"]: project.shown(found, q) for q in key.questions}
    emit(
        {
            "event": "read",
            "graded": found.name,
            "looks": found.looks + project.copies(found, key.questions),
            "notes": found.notes,
            "answers": {q: _cut(a) for q, a in answers.items()},
            "cut": any(_long(a) for a in answers.values()),
        }
    )
    sandbox, libraries = Sandbox(**job["sandbox"]), job["libraries"]
    sessions = project.Sessions(
        found, sandbox, libraries, limits, key.questions, key.templates
    )
    _timed(job, key, sessions, limits, emit)


def _timed(
    job: dict[str, Any],
    key: Key,
    session: Session | project.Sessions,
    limits: Limits,
    emit: Any,
) -> None:
    """Run the criteria within the time that there is; tell what was met."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * limits.submission + GRACE)
    try:
        _run(job, key, session, emit)
    except TooLong:
        emit({"event": "fault", "status": "timeout", "message": "checking took long"})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        session.close()
        for one in session.trouble:
            emit(
                {
                    "event": "trouble",
                    "question": one.question,
                    "status": one.status,
                    "message": _one(Exception(one.message)),
                }
            )
        emit({"event": "starts", "number": session.starts})


def _alarm(number: int, frame: Any) -> None:
    raise TooLong


def _run(
    job: dict[str, Any], key: Key, session: Session | project.Sessions, emit: Any
) -> None:
    names = load_namespace(key.folder / "reference.py")
    several = isinstance(session, project.Sessions)
    plugin = Judge(
        session.of(key.expected[0][0]) if several else session,  # type: ignore
        LocalAnswer(names),
        int(job["seed"], 16),
        int(job["rounds"]),
        emit,
        set(job["questions"]) if job.get("questions") else None,
    )
    if several:
        plugin.sessions = session  # type: ignore[assignment]
        plugin.reference_answer.handed_in = Sample()  # type: ignore
    # a judge that is killed leaves nothing outside the output folder
    work = Path(job["library"]).parent
    with tempfile.TemporaryDirectory(prefix="judge-", dir=work) as folder:
        copy = Path(folder, "criteria.py")
        copy.write_text(key.text("criteria.py"), "utf-8")
        code = pytest.main(_options(folder, copy), plugins=[plugin])
    if code not in (0, 1, 9):
        late = not signal.getitimer(signal.ITIMER_REAL)[0]  # the alarm has rung
        status, why = "grader-error", f"pytest: {code}"
        if late:
            status, why = "timeout", "checking took too long"
        emit({"event": "fault", "status": status, "message": why})


def _options(folder: str, file: Path) -> list[str]:
    off = "terminal cacheprovider warnings faulthandler stepwise logging".split()
    words = [str(file), "--rootdir", folder, "-c", os.devnull, "--noconftest"]
    words += ["--assert=plain", "--capture=no", "--import-mode=importlib"]
    return words + [w for name in off for w in ("-p", f"no:{name}")]


def _cells(job: dict[str, Any], key: Key, ids: list[str], emit: Any) -> list[Code]:
    """What the worker runs: the untouched stub first, then the learner's cells."""
    stub = key.text("stub.py")
    first = Code(stub, "", "setup of the exercises")
    if "source" in job:
        return [first, Code(job["source"], "", "answer")]
    found = ingest.read(Path(job["path"]), job["folder"], ids, key.chapter)
    placed = ingest.sort(found.cells, ids)
    answers: dict[str, dict[str, list[str]]] = {}
    cells = [first]
    lines = f"\n{stub}\n"
    for number, (question, cell) in enumerate(placed, 1):
        source = cell.source.strip("\n")
        if not source.strip():
            continue
        untouched = cell.code and f"\n{source}\n" in lines
        check = cell.code and _is_check(source)
        if question and not check and not untouched:
            kept = answers.setdefault(question, {"text": [], "code": []})
            kept["code" if cell.code else "text"].append(source)
        if cell.code and not check and not untouched:
            cells.append(Code(source + "\n", question, f"cell {number}"))
    emit(
        {
            "event": "read",
            "graded": found.graded,
            "looks": found.looks,
            "notes": found.notes,
            "answers": {q: _cut(a) for q, a in answers.items()},
            "cut": any(_long(a) for a in answers.values()),
        }
    )
    return cells


def _is_check(source: str) -> bool:
    if "chapter_exercises(" in source:
        rest = re.sub(r"(?m)^\s*(#.*|chapter_exercises\(\d*\)\s*)?$", "", source)
        rest = re.sub(r"from streamrec\.book import [\w, ]+", "", rest)
        return not rest.strip()
    lines = source.splitlines()
    return len(lines) < 4 and all(map(_SELFCHECK.fullmatch, lines))


def _long(answer: dict[str, list[str]]) -> bool:
    return any(sum(map(len, part)) > _SHOWN for part in answer.values())


def _cut(answer: dict[str, list[str]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for part, texts in answer.items():
        left, kept = _SHOWN, []
        for text in texts:
            clean = "".join(
                c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text
            )
            if left > 0:
                kept.append(clean[:left])
            left -= len(clean)
        out[part] = kept
    return out


# ----------------------------------------------------------------- the server


def serve() -> None:
    """Read jobs from stdin, fork for each, write lines of JSON to stdout."""
    parent_dies_too()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = os.fdopen(os.dup(0), "rb")
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # prints of a criterion must not look like events
    keys: dict[str, Key] = {}
    with contextlib.suppress(Exception):
        import scipy.linalg  # noqa: F401  most criteria need it: import it once
    for line in requests:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _child(job, out, keys)
                status = 0
            except BaseException:
                text = traceback.format_exc().strip().splitlines()[-1]
                _emit(
                    out, {"event": "fault", "status": "grader-error", "message": text}
                )
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        _emit(out, {"event": "end", "status": status})


def _child(job: dict[str, Any], out: int, keys: dict[str, Key]) -> None:
    parent_dies_too()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, hard))
    key = load_key(job["key"])
    judge(job, key, lambda event: _emit(out, event))


def _emit(out: int, event: dict[str, Any]) -> None:
    data = json.dumps(event).encode("ascii") + b"\n"
    while data:
        data = data[os.write(out, data) :]


def parent_dies_too() -> None:
    """Ask Linux to kill this process when the one that started it is gone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def check_criteria(key: Key) -> Iterator[str]:
    """What is wrong between key.yaml and criteria.py, one sentence each."""
    try:
        found = collect(load_namespace(key.folder / "criteria.py"))
    except Exception as error:
        yield f"criteria.py does not run: {type(error).__name__}: {error}"
        return
    have = {c.name: c for c in found}
    for question, c in key.expected:
        own = have.pop(c["name"], None)
        if own is None:
            yield f"criteria.py lacks {c['name']} of {question}"
        elif own.question != question or (
            key.kind == "exercise" and own.points != float(c["points"])
        ):  # a project's points depend on the track: key.yaml decides
            yield f"{c['name']} has another question or points in criteria.py"
    for name in have:
        yield f"key.yaml lacks {name}"


if __name__ == "__main__":
    serve()
