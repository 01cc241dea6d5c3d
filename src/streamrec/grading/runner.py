"""``streamrec grade run``: from a folder of submissions to one state file each.

The run is resumable: a state is written whole or not at all and named after a hash of
everything that decides about it, so what is up to date is kept and the rest is graded.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import secrets
import selectors
import shutil
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import streamrec
from streamrec.grading import state as states
from streamrec.grading.criteria import ALONE, indiscriminate
from streamrec.grading.ingest import Entry, discover
from streamrec.grading.key import Key, load_key
from streamrec.grading.remote import PATIENCE
from streamrec.grading.sandbox import Sandbox, choose

OK, LOOK, BROKEN = 0, 1, 2
MOST = 50  # sentences of a kind that are kept about a submission
HARD = 60.0  # seconds beyond the submission's own until its judge is killed
PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "pytest", "torch")
SHARED = ("__init__.py", "criteria.py", "protocol.py", "worker.py")  # with the sandbox
ABSENT = ("worlds", "grading", "cli", "tracks")
Job = dict[str, Any]
Events = list[dict[str, Any]]


@dataclass
class Summary:
    """What a run did."""

    output: Path
    states: list[dict[str, Any]]
    graded: int
    reused: int
    sandbox: str
    exit_code: int = OK
    ignored: list[str] = field(default_factory=list)


class Broken(ValueError):
    """The key or the grader does not work; nothing was charged to anybody."""


# ----------------------------------------------------------- the answer's library


def library_files(hide: Sequence[str]) -> list[Path]:
    """Files of the package that an answer may import, relative to its folder.

    The worlds, the grader and the modules in ``hide`` (``models.als``) are left out.
    """
    root = Path(streamrec.__file__).parent
    hidden = {h.removeprefix("streamrec.").replace(".", "/") for h in hide}
    kept = []
    for path in sorted(root.rglob("*")):
        part = path.relative_to(root)
        if "__pycache__" in part.parts or not path.is_file():
            continue
        if part.parts[0] in ABSENT and part.parts[0] != "grading":
            continue
        if part.parts[0] == "grading" and str(part.name) not in SHARED:
            continue
        whole = part.with_suffix("").as_posix()
        if any(whole == h or whole.startswith(h + "/") for h in hidden):
            continue
        kept.append(part)
    return kept


def build_library(target: Path, hide: Sequence[str]) -> str:
    """Copy the answer's share of streamrec to ``target``; return its sha256."""
    root = Path(streamrec.__file__).parent
    total = hashlib.sha256()
    for part in library_files(hide):
        data = (root / part).read_bytes()
        total.update(f"{part} {len(data)}\n".encode() + data)
        place = target / "streamrec" / part
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / part, place)
        tag = f"{part.stem}.{sys.implementation.cache_tag}.pyc"
        compiled = root / part.parent / "__pycache__" / tag
        if part.suffix == ".py" and compiled.is_file():
            (place.parent / "__pycache__").mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                shutil.copy2(compiled, place.parent / "__pycache__" / tag)
    target.chmod(0o755)
    return total.hexdigest()


def environment() -> dict[str, str]:
    """Versions that may change a result."""
    found = {"python": platform.python_version(), "streamrec": streamrec.__version__}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def trusted_digest() -> str:
    """sha256 of the grader's own files."""
    here = Path(__file__).parent
    names = ["criteria", "judge", "remote", "ingest", "protocol", "worker", "runner"]
    names += ["project"]
    total = hashlib.sha256()
    for name in names:
        total.update((here / f"{name}.py").read_bytes())
    return total.hexdigest()


def seed_of(key: Key, given: str | None) -> str:
    """128 bits as 32 hexadecimal digits, from ``--seed`` or the key.

    A key without a seed draws one, which run.json keeps.
    """
    text = key.seed if given is None else str(given)
    if not text:
        return secrets.token_hex(16)
    return hashlib.sha256(f"streamrec grade {text}".encode()).hexdigest()[:32]


# -------------------------------------------------------------------- the lanes


class Lane:
    """One process that judges, one submission at a time."""

    def __init__(self) -> None:
        source = str(Path(streamrec.__file__).parent.parent)
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
        env = {k: v for k, v in os.environ.items() if k in keep}
        env |= {
            "PYTHONPATH": source,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "agg",
        }
        for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"):
            env[f"{name}_NUM_THREADS"] = "1"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "streamrec.grading.judge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd="/",
        )
        self.job: Job | None = None
        self.events: Events = []
        self.deadline = 0.0
        self.began = 0.0
        self._buffer = bytearray()

    def fileno(self) -> int:
        """Where the judge's lines come from."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def give(self, job: Job) -> None:
        """Hand over a job."""
        assert self.process.stdin is not None
        self.job, self.events = job, []
        self.began = time.monotonic()
        self.deadline = self.began + PATIENCE * job["limits"]["submission"] + HARD
        self.process.stdin.write(json.dumps(job).encode("ascii") + b"\n")
        self.process.stdin.flush()

    def hear(self) -> bool:
        """Take what came; True when the job is done (or its judge is gone)."""
        piece = os.read(self.fileno(), 2**20)
        if not piece:
            self._lost("grader-error", "the judge ended")
            return True
        self._buffer += piece
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "end":
                return True
        return False

    def _lost(self, status: str, message: str) -> None:
        self.events.append({"event": "fault", "status": status, "message": message})
        self.close()

    def late(self) -> bool:
        """Give up on a judge that is far over its time."""
        if self.job is None or time.monotonic() < self.deadline:
            return False
        self._lost("timeout", "checking it took too long")
        return True

    def close(self) -> None:
        """End the judge."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def gone(self) -> bool:
        """Whether the judge has ended."""
        return self.process.poll() is not None


def in_lanes(jobs: Iterable[Job], number: int) -> Iterator[tuple[Job, Events, float]]:
    """Judge jobs in ``number`` lanes; yields (job, events, seconds) as they end."""
    waiting = deque(jobs)
    lanes: list[Lane] = []
    try:
        while waiting or any(lane.job is not None for lane in lanes):
            lanes = [lane for lane in lanes if lane.job is not None or not lane.gone]
            idle = [lane for lane in lanes if lane.job is None]
            while waiting and (idle or len(lanes) < number):
                lane = idle.pop() if idle else Lane()
                if lane not in lanes:
                    lanes.append(lane)
                lane.give(waiting.popleft())
            yield from _listen(lanes)
    finally:
        for lane in lanes:
            lane.close()


def _listen(lanes: list[Lane]) -> Iterator[tuple[Job, Events, float]]:
    busy = [lane for lane in lanes if lane.job is not None]
    with selectors.DefaultSelector() as ready:
        for lane in busy:
            ready.register(lane, selectors.EVENT_READ, lane)
        heard = [k.data for k, _ in ready.select(1.0)]
    for lane in busy:
        done = lane.hear() if lane in heard else lane.late()
        if done:
            job, lane.job = lane.job, None
            assert job is not None
            yield job, lane.events, time.monotonic() - lane.began


# ------------------------------------------------------------------- the verdict


def assemble(key: Key, events: Events, only: Sequence[str] = ()) -> dict[str, Any]:
    """Points of every criterion of the key, from what the judge told.

    What was not told is 0 with the status "not run": the list comes from the key.
    """
    verdicts = {e["name"]: e for e in events if e["event"] == "criterion"}
    trouble = [e for e in events if e["event"] == "trouble"]
    faults = [e for e in events if e["event"] == "fault"]
    unread = [e for e in events if e["event"] == "unreadable"]
    read = next((e for e in events if e["event"] == "read"), {})
    starts = next((e["number"] for e in events if e["event"] == "starts"), 1)
    answers = read.get("answers", {})
    looks: list[str] = list(read.get("looks", []))
    questions: dict[str, Any] = {}
    for q in key.questions:
        if only and q["id"] not in only:
            continue
        own = [t for t in trouble if t["question"] == q["id"]]
        questions[q["id"]] = _question(q, verdicts, own, answers)
    rows = [c for q in questions.values() for c in q["criteria"].values()]
    status, message = _status(rows, trouble, faults, unread)
    for e in trouble:
        if e["status"] in ("timeout", "crashed"):
            looks.append(f"{e['question'] or 'a cell'}: {e['message']}")
    for e in verdicts.values():
        if e["odd"]:
            looks.append(f"{e['question']} {e['name']}: {e['message']}")
    stray = [
        e["message"] for e in trouble if not e["question"] and e["status"] == "error"
    ]
    missing = [c for c in rows if c["status"] in ("not run", "error")]
    if message:
        looks.append(message)
    elif missing:
        looks.append(f"{len(missing)} criteria did not run")
    return {
        "graded": read.get("graded"),
        "restarts": max(0, starts - 1),
        "status": status,
        "message": message,
        "needs_a_look": list(dict.fromkeys(looks))[:MOST],
        "notes": (list(read.get("notes", [])) + stray)[:MOST],
        "points": float(sum(q["points"] for q in questions.values())),
        "max": float(sum(q["max"] for q in questions.values())),
        "questions": questions,
        "answer_cut": bool(read.get("cut", False)),
    }


def _question(
    q: dict[str, Any], verdicts: dict[str, Any], trouble: Events, answers: Any
) -> dict[str, Any]:
    criteria = {}
    lacking = {"status": "not run", "message": "", "given": False, "raised": ""}
    own = [verdicts.get(c["name"], lacking) for c in q["criteria"]]
    bad = indiscriminate(
        [(v["status"] == "passed", v["given"], v["raised"]) for v in own]
    )
    for c, found, refuses in zip(q["criteria"], own, bad, strict=True):
        if refuses:
            found = {"status": "failed", "message": ALONE}
        passed = found["status"] == "passed"
        criteria[c["name"]] = {
            "points": float(c["points"]) if passed else 0.0,
            "max": float(c["points"]),
            "status": found["status"],
            "label": c["label"],
            "hint": c["hint"],
            "visible": bool(c.get("visible")),
            "message": found["message"],
        }
    seen = [c["status"] for c in criteria.values()] + [t["status"] for t in trouble]
    order = ("crashed", "timeout", "not run")
    status = next((s for s in order if s in seen), "ok")
    who = f"{q['module']}.py" if q.get("module") else "a cell"
    texts = [f"{who} raised {t['message']}" for t in trouble if t["status"] == "error"]
    texts += [t["message"] for t in trouble if t["status"] != "error"]
    return {
        "points": float(sum(c["points"] for c in criteria.values())),
        "max": float(sum(c["max"] for c in criteria.values())),
        "status": status,
        "message": "; ".join(texts)[:1000],
        "criteria": criteria,
        "answer": answers.get(q["id"], {"text": [], "code": []}),
    }


def _status(
    rows: list[dict[str, Any]], trouble: Events, faults: Events, unread: Events
) -> tuple[str, str]:
    """Status of the submission and the sentence that explains it."""
    if unread:
        return "unreadable", str(unread[0]["message"])
    if faults:
        return str(faults[0]["status"]), str(faults[0]["message"])
    broken = [c for c in rows if c["status"] == "error"]
    if broken:
        return "grader-error", f"a criterion does not work: {broken[0]['message']}"
    found = {c["status"] for c in rows} | {t["status"] for t in trouble}
    for status in ("crashed", "timeout"):
        if status in found:
            return status, ""
    if any(c["status"] == "not run" for c in rows):
        return "grader-error", "some criteria did not run"
    return "ok", ""


# ----------------------------------------------------------------------- the run


def run(
    submissions: str | Path,
    key: str | Path | Key,
    output: str | Path,
    *,
    jobs: int | None = None,
    only: Sequence[str] = (),
    since: datetime | None = None,
    seed: str | None = None,
    allow_unsandboxed: bool = False,
    allow_root: bool = False,
    sandbox: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Summary:
    """Grade a folder of submissions; what is up to date is kept.

    Parameters
    ----------
    submissions : each file or folder in it is one submission.
    key : the key's folder.
    output : where states are written; made if it is not there.
    jobs : how many at a time; by default one a core.
    only : ids to grade; the others are left as they are.
    since : grade only what was modified since.
    seed : any text; by default the key's.
    allow_unsandboxed : go on with limits alone if no sandbox holds.
    allow_root : go on as root, for whom limits on processes are void.
    sandbox : name of the sandbox to use instead of the first that holds.
    progress : called with (id, done, total) after each submission.

    Raises
    ------
    ValueError
        If the input is bad, the key fails on its own solution or no sandbox holds.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not allow_root:
        raise ValueError(
            "grading as root is refused: limits on processes do not hold for root. "
            "Use another account, or pass --allow-root"
        )
    key = key if isinstance(key, Key) else load_key(key)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for taken, what in ((Path(submissions), "submissions"), (key.folder, "key")):
        if taken.is_dir() and os.path.samefile(taken, output):
            raise ValueError(f"{output} holds the {what}: give the results a folder")
    entries = discover(submissions, skip=output)
    with states.room(output), lock(output):
        return _Run(key, output.resolve(), entries, jobs, only, since).go(
            Path(submissions), seed, allow_unsandboxed, sandbox, progress
        )


@contextlib.contextmanager
def lock(output: Path) -> Iterator[None]:
    """Hold the output folder alone, or say that another run has it."""
    fd = os.open(output / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(
                f"another run is writing to {output}: wait for it or stop it"
            ) from None
        yield
    finally:
        os.close(fd)


@dataclass
class _Run:
    key: Key
    output: Path
    entries: list[Entry]
    jobs: int | None
    only: Sequence[str]
    since: datetime | None
    box: Sandbox | None = None
    seed: str = ""
    base: str = ""
    library: str = ""
    libraries: dict[str, str] = field(default_factory=dict)  # of a project, by question

    def go(
        self,
        folder: Path,
        seed: str | None,
        allow: bool,
        sandbox: str | None,
        progress: Callable[[str, int, int], None] | None,
    ) -> Summary:
        started = _now()
        before = self._before()
        self.seed = seed_of(self.key, seed)
        if seed is None and not self.key.seed and before.get("seed"):
            self.seed = before["seed"]
        out_of_reach = [self.key.folder, folder.resolve(), self.output]
        package = Path(streamrec.__file__).parent  # worlds and references in it
        out_of_reach += [package / "worlds", package / "tracks"]
        self.box = choose(out_of_reach, allow_unsandboxed=allow, only=sandbox)
        work = self.output / "work"
        shutil.rmtree(work, ignore_errors=True)
        for left in (self.output, self.output / "state"):  # by a run that was killed
            for path in left.glob(".part-*"):
                path.unlink(missing_ok=True)
        try:
            work.mkdir(mode=0o700)
            self.library = str(work / "lib")
            Path(self.library).mkdir()
            digest = build_library(Path(self.library), self.key.hide)
            digest += self.build_libraries(work)
            basis = [self.key.digest, self.seed, self.key.rounds, self.box.name]
            basis += [digest, trusted_digest(), environment(), asdict(self.key.limits)]
            self.base = hashlib.sha256(json.dumps(basis).encode()).hexdigest()
            record = self._record(started)
            if before.get("proof") != self.base:
                self._proof()
            record["proof"] = self.base
            states.write_json(self.output / "run.json", record)
            text = self.key.text("key.yaml")
            states.write_text(self.output / "key.yaml", text)
            summary = self._grade(progress)
            record["finished"] = _now()
            record["counts"] = dict(
                sorted(Counter(s["status"] for s in summary.states).items())
            )
            states.write_json(self.output / "run.json", record)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return summary

    def _before(self) -> dict[str, Any]:
        try:
            return states.read_run(self.output)
        except ValueError:
            return {}

    def _record(self, started: str) -> dict[str, Any]:
        key = self.key
        assert self.box is not None
        return {
            "format": 1,
            "key": {
                "id": key.id,
                "chapter": key.chapter,
                "title": key.title,
                "digest": key.digest,
                "points": key.points,
                "automatic": key.automatic,
            },
            "seed": self.seed,
            "rounds": key.rounds,
            "sandbox": self.box.record(),
            "environment": environment(),
            "submissions": [e.id for e in self.entries],
            "counts": {},
            "started": started,
            "finished": None,
        }

    def job(self, entry: Entry | None, **more: Any) -> Job:
        assert self.box is not None
        job = {
            "key": str(self.key.folder),
            "sandbox": self.box.record(),
            "library": self.library,
            "limits": asdict(self.key.limits),
            "seed": self.seed,
            "rounds": self.key.rounds,
        }
        if entry is not None:
            job |= {"id": entry.id, "path": str(entry.path.resolve(strict=False))}
            job |= {"folder": entry.folder}
        if self.libraries:
            job["libraries"] = self.libraries
        return job | more

    def build_libraries(self, work: Path) -> str:
        """For a project: a library a milestone, without the reference of its own.

        Returns the sha256 of all, and of the worlds that the criteria make.
        """
        if self.key.kind != "project":
            return ""
        total = hashlib.sha256()
        for q in self.key.questions:
            if q["criteria"]:
                folder = work / f"lib-{q['id']}"
                folder.mkdir()
                hide = [*self.key.hide, *(q.get("hide") or ())]
                total.update(build_library(folder, hide).encode())
                self.libraries[q["id"]] = str(folder)
        for path in sorted((Path(streamrec.__file__).parent / "worlds").rglob("*")):
            if path.suffix in (".py", ".toml"):
                total.update(path.read_bytes())
        return total.hexdigest()

    def known(self, project: dict[str, Any]) -> Job:
        """The job of a project of the key whose points are known."""
        job = self.job(None, path=str(self.key.folder / project["folder"]), folder=True)
        if project.get("full"):  # the reference leans on the whole library
            job["libraries"] = dict.fromkeys(self.libraries, self.library)
        return job

    def _proof(self) -> None:
        """The key's own solution must get every point before anyone is graded."""
        if self.key.kind == "project":
            jobs = [self.known(p) for p in self.key.projects if p.get("full")]
        else:
            jobs = [self.job(None, source=self.key.text("reference.py"))]
        for _, events, _ in in_lanes(jobs, 1):
            found = assemble(self.key, events)
            if found["points"] == found["max"] and found["status"] == "ok":
                continue
            if found["message"]:
                raise Broken(f"the grader does not work here: {found['message']}")
            lost = [
                f"{q} {name}: {c['message'] or c['status']}"
                for q, own in found["questions"].items()
                for name, c in own["criteria"].items()
                if c["status"] != "passed"
            ]
            why = lost[0] if lost else found["status"]
            raise Broken(f"the key fails on its own solution ({why})")

    def _grade(self, progress: Callable[[str, int, int], None] | None) -> Summary:
        assert self.box is not None
        known = {e.id for e in self.entries}
        unknown = sorted(set(self.only) - known)
        if unknown:
            raise ValueError(f"there is no submission {unknown[0]!r} to grade")
        kept, todo = [], []
        for entry in self.entries:
            old = states.read_state(self.output, entry.id)
            if old is not None and old["hash"] == self._hash(entry):
                if old["modified"] != entry.modified or old["name"] != entry.name:
                    old |= {"modified": entry.modified, "name": entry.name}
                    self._write(old)
                kept.append(old)
            elif self._wanted(entry):
                todo.append(entry)
            elif old is not None:
                kept.append(old)
        total = len(todo)
        fresh = []
        for entry in [e for e in todo if e.problem]:
            events = [{"event": "unreadable", "message": entry.problem}]
            fresh.append(self._finish(entry, events, 0.0))
            if progress:
                progress(entry.id, len(fresh), total)
        by_id = {e.id: e for e in todo}
        # absolute, but a link in the last place stays one (and is refused)
        work = [self.job(e) for e in todo if not e.problem]
        for job, events, seconds in in_lanes(work, self.jobs or os.cpu_count() or 1):
            fresh.append(self._finish(by_id[job["id"]], events, seconds))
            if progress:
                progress(job["id"], len(fresh), total)
        everything = sorted(kept + fresh, key=lambda s: str(s["id"]))
        summary = Summary(self.output, everything, len(fresh), len(kept), self.box.name)
        if any(s["status"] == "grader-error" for s in everything):
            summary.exit_code = BROKEN
        elif any(s["needs_a_look"] for s in everything):
            summary.exit_code = LOOK
        return summary

    def _wanted(self, entry: Entry) -> bool:
        if self.only and entry.id not in self.only:
            return False
        if self.since is not None and entry.modified:
            return datetime.fromisoformat(entry.modified) >= self.since
        return True

    def _hash(self, entry: Entry) -> str:
        text = json.dumps([self.base, entry.digest, entry.folder, entry.looks])
        return hashlib.sha256(text.encode()).hexdigest()

    def _finish(self, entry: Entry, events: Events, seconds: float) -> dict[str, Any]:
        assert self.box is not None
        found = assemble(self.key, events)
        looks = found.pop("needs_a_look")
        notes = found.pop("notes")
        if found["status"] == "ok" and not self.box.mounts:
            found["status"] = "unsandboxed"
        data = {
            "format": 1,
            "id": entry.id,
            "name": entry.name,
            "chapter": self.key.chapter,
            "key": self.key.id,
            "files": entry.files,
            "graded": found.pop("graded"),
            "modified": entry.modified,
            "hash": self._hash(entry),
            "sandbox": self.box.name,
            "seed": self.seed,
            "rounds": self.key.rounds,
            "seconds": round(seconds, 2),
            "restarts": found.pop("restarts"),
            "status": found.pop("status"),
            "message": found.pop("message"),
            "needs_a_look": list(dict.fromkeys(entry.looks + looks)),
            "notes": entry.notes + notes,
            **found,
        }
        self._write(data)
        return data

    def _write(self, data: dict[str, Any]) -> None:
        states.write_json(states.state_path(self.output, data["id"]), data)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
