"""The trusted end of the pipe: start a worker, put questions to it, stop it in time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from streamrec.grading import protocol
from streamrec.grading.criteria import AnswerError, Handle, plain
from streamrec.grading.key import Limits
from streamrec.grading.sandbox import Sandbox

START = 30.0  # seconds a sandbox may take to start
TICK = 0.2  # seconds between two looks at the memory
PATIENCE = 3.0  # on a busy machine at most so many times the seconds allowed


class GraderError(Exception):
    """Something of ours does not work; no answer is charged for it."""


class Stopped(AnswerError):
    """The worker had to be stopped; ``status`` is "timeout" or "crashed"."""

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Code:
    """One cell to run: its source, the question it belongs to, a name for messages."""

    source: str
    question: str
    name: str


@dataclass
class Trouble:
    """What went wrong while a cell ran or a question was answered."""

    question: str
    status: str  # "error", "timeout", "crashed"
    message: str


class Clock:
    """Seconds an answer had for itself: those it queued for a processor do not count.

    Where the system does not tell how long a process queued, every second counts; at
    most ``PATIENCE`` times ``seconds`` pass in any case.
    """

    def __init__(self, seconds: float, pid: int | None = None) -> None:
        self.seconds = seconds
        self._pid = pid
        self._begin = time.monotonic()
        self._queued = queued_of(pid) if pid is not None else 0.0

    def used(self) -> float:
        """Seconds used so far."""
        wall = time.monotonic() - self._begin
        if wall <= self.seconds or self._pid is None:
            return wall
        queued = max(0.0, queued_of(self._pid) - self._queued)
        return max(wall - queued, wall / PATIENCE)

    def left(self) -> float:
        """Seconds left; 0 or less when the time is up."""
        return self.seconds - self.used()


@dataclass
class Session:
    """One answer in its sandbox, started again after a crash as far as is allowed."""

    sandbox: Sandbox
    library: Path
    limits: Limits
    cells: list[Code]
    submission: Path | None = None
    package: str = ""
    process: subprocess.Popen[bytes] | None = None
    trouble: list[Trouble] = field(default_factory=list)
    last_stop: Stopped | None = None  # since the judge cleared it
    starts: int = 0
    spent: float = 0.0  # seconds of the worker's time
    given: bool = False  # whether a value came since the judge cleared it
    raised: str = ""  # kind of the last error that came since then
    _bad: set[int] = field(default_factory=set)
    _failures: dict[str, int] = field(default_factory=dict)
    _buffer: bytearray = field(default_factory=bytearray)
    _number: int = 0
    _loaded: bool = False
    _told: set[tuple[str, str, str]] = field(default_factory=set)

    # ------------------------------------------------------------ life and death

    def load(self) -> None:
        """Start a worker and run every cell that is not known to stop it."""
        while not self._loaded:
            if self._remaining() <= 0:
                raise self._stop("", "timeout", self._too_long())
            self._start()
            if self._run_cells():
                self._loaded = True

    def _start(self) -> None:
        for attempt in (1, 2):
            self.close()
            self.starts += 1
            words = self.sandbox.command(
                self.library,
                self.limits,
                submission=self.submission,
                package=self.package,
            )
            try:
                self.process = subprocess.Popen(
                    words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise GraderError(f"the sandbox does not start: {error}") from None
            Thread(target=self._watch, args=(self.process,), daemon=True).start()
            self._buffer.clear()
            for stream in (self.process.stdin, self.process.stdout):
                os.set_blocking(stream.fileno(), False)  # type: ignore[union-attr]
            try:
                message, _ = self._receive(Clock(START))
                if message.get("ready") is True:
                    return
            except (Stopped, protocol.ProtocolError):
                pass
            if attempt == 2:
                why = self._last_words()
                self.close()
                raise GraderError(f"the sandbox does not start{why}")

    def _last_words(self) -> str:
        """What the sandbox wrote to stderr before any answer ran."""
        if self.process is None or self.process.stderr is None:
            return ""
        self.kill()
        os.set_blocking(self.process.stderr.fileno(), False)
        try:
            text = os.read(self.process.stderr.fileno(), 4000).decode(
                "utf-8", "replace"
            )
        except OSError:
            return ""
        lines = text.strip().splitlines()
        return f": {lines[-1][:200]}" if lines else ""

    def _run_cells(self) -> bool:
        """Run the cells in order; False if one of them stopped the worker."""
        first = 0
        for again in (False, True):
            errors: list[tuple[int, dict[str, Any]]] = []
            for number in range(first, len(self.cells)):
                if number in self._bad:
                    continue
                reply = self._cell(number, self.cells[number])
                if reply is None:
                    return False
                if "error" in reply:
                    errors.append((number, reply))
            late = [n for n, reply in errors if reply.get("kind") == "NameError"]
            for number, reply in errors:
                if again or not late or number < late[0]:
                    question = self.cells[number].question
                    self._tell(question, "error", _clean(reply["error"]))
            if not late:
                break
            first = late[0]  # it stands before what it needs: from there once more
        return True

    def _cell(self, number: int, cell: Code) -> dict[str, Any] | None:
        if self.package:
            request = {"op": "package", "name": self.package}
        else:
            request = {"op": "cell", "source": cell.source, "name": cell.name}
        try:
            reply, _ = self._exchange(request, [], self.limits.cell, cell.name)
        except Stopped as stop:
            self._bad.add(number)
            self._tell(cell.question, stop.status, str(stop))
            self.close()
            if len(self._bad) > 10:
                self._bad.update(range(len(self.cells)))
            return None
        return reply

    def _tell(self, question: str, status: str, message: str) -> None:
        found = (question, status, message)
        if found not in self._told:  # cells run again after a restart
            self._told.add(found)
            self.trouble.append(Trouble(*found))

    def _stop(self, question: str, status: str, message: str) -> Stopped:
        stop = Stopped(message, status)
        self.last_stop = stop
        self._tell(question, status, message)
        return stop

    def kill(self) -> None:
        """End the worker and everything it started."""
        if self.process is not None:
            _end(self.process)
            self.process.wait()

    def close(self) -> None:
        """End the worker, if there is one."""
        self._loaded = False
        if self.process is None:
            return
        self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    pass
        self.process = None

    # ------------------------------------------------------------------ requests

    def ask(
        self, question: str, scope: str, verb: str, args: Any, kwargs: Any, what: str
    ) -> Any:
        """Put one call to the answer.

        Raises
        ------
        AnswerError
            If the answer raised, or returned what cannot cross.
        Stopped
            If it took too long, crashed, or may not be started again.
        """
        self._refuse(question, what)
        if not self._loaded:
            self.load()
        blobs: list[bytes] = []
        request = {
            "op": "call",
            "scope": scope,
            "verb": verb,
            "args": protocol.encode([_outgoing(a) for a in args], blobs),
            "kwargs": protocol.encode(
                {k: _outgoing(v) for k, v in kwargs.items()}, blobs
            ),
        }
        try:
            reply, back = self._exchange(request, blobs, self.limits.call, what)
            if "error" in reply:
                self.raised = _clean(reply.get("kind", ""))
                raise AnswerError(_clean(reply["error"]), self.raised)
            if "value" in reply:
                return protocol.decode(reply["value"], back)
            fault = _clean(reply.get("fault", "no value came back"))
            raise AnswerError(f"{what} cannot be used: {fault}")
        except protocol.ProtocolError as error:
            text = f"{what} sent something that is not a result ({error})"
            stop = self._stop(question, "crashed", text)
        except Stopped as stopped:
            stop = self._stop(question, stopped.status, str(stopped))
        weight = self.limits.restarts + 1 if stop.status == "timeout" else 1
        for name, cost in ((question, 1), (f"{question} {what}", weight)):
            self._failures[name] = self._failures.get(name, 0) + cost
        self.close()
        raise stop

    def _refuse(self, question: str, what: str) -> None:
        """Do not call again what was stopped: one time-out, or two crashes, suffice.

        Other functions of the question go on, up to a third failure in all.
        """
        allowed = self.limits.restarts
        again = self._failures.get(f"{question} {what}", 0) > allowed
        if again or self._failures.get(question, 0) > allowed + 1:
            text = f"not run again: {what if again else question} was stopped before"
            self.last_stop = Stopped(text, self._status(question))
            raise self.last_stop

    def _status(self, question: str) -> str:
        kinds = {t.status for t in self.trouble if t.question == question}
        return "timeout" if "timeout" in kinds else "crashed"

    def _remaining(self) -> float:
        return self.limits.submission - self.spent

    def _too_long(self) -> str:
        return f"the submission needed more than {self.limits.submission:g} s in all"

    def _exchange(
        self, request: dict[str, Any], blobs: list[bytes], seconds: float, what: str
    ) -> tuple[dict[str, Any], list[Any]]:
        self._number += 1
        data = protocol.pack({"id": self._number, **request}, blobs)
        allowed = min(seconds, self._remaining())
        if allowed <= 0:
            raise Stopped(self._too_long(), "timeout")
        clock = Clock(allowed, self.process.pid if self.process else None)
        try:
            if self._buffer or self._waiting():
                raise Stopped(f"{what} wrote to the grader's pipe", "crashed")
            self._send(data, clock)
            message, back = self._receive(clock)
        except TimeoutError:
            text = f"{what} took longer than {seconds:g} s and was stopped"
            if allowed < seconds:
                text = self._too_long()
            raise Stopped(text, "timeout") from None
        except EOFError:
            raise Stopped(f"{what} ended the process", "crashed") from None
        except protocol.ProtocolError as error:
            text = f"{what} sent something that is not a result ({error})"
            raise Stopped(text, "crashed") from None
        finally:
            self.spent += clock.used()
        if message.get("id") != self._number or self._buffer:
            raise Stopped(f"{what} wrote to the grader's pipe", "crashed")
        return message, back

    # ------------------------------------------------------------------- the pipe

    def _streams(self) -> tuple[int, int]:
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            raise EOFError
        return process.stdin.fileno(), process.stdout.fileno()

    def _waiting(self) -> bool:
        """Whether bytes came that nobody asked for."""
        _, source = self._streams()
        with selectors.DefaultSelector() as ready:
            ready.register(source, selectors.EVENT_READ)
            if not ready.select(0):
                return False
        piece = os.read(source, 2**16)
        if not piece:
            raise EOFError
        self._buffer += piece
        return True

    def _wait(self, fd: int, event: int, clock: Clock) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(fd, event)
            while True:
                left = clock.left()
                if left <= 0:
                    raise TimeoutError
                if ready.select(min(left, TICK)):
                    return

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """While it runs: stop an answer whose processes hold too much memory.

        In a thread of its own, for an answer may work while nobody waits for it.
        """
        most = self.limits.memory * 2**20 * 5 // 4
        while self.process is process and process.poll() is None:
            if memory_of(process.pid) > most:
                _end(process)
            time.sleep(TICK)

    def _send(self, data: bytes, clock: Clock) -> None:
        target, _ = self._streams()
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(target, view[: 2**20]) :]
            except BlockingIOError:
                self._wait(target, selectors.EVENT_WRITE, clock)
            except BrokenPipeError:
                raise EOFError from None

    def _receive(self, clock: Clock) -> tuple[dict[str, Any], list[Any]]:
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                break
            searched = len(self._buffer)
            if searched > protocol.MAX_LINE:
                raise protocol.ProtocolError("a line without an end")
            self._fill(clock)
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        message, sizes = protocol.head(line)
        del line
        blobs: list[Any] = []
        for size in sizes:
            while len(self._buffer) < size:
                self._fill(clock, size - len(self._buffer))
            blobs.append(bytes(memoryview(self._buffer)[:size]))
            del self._buffer[:size]
        return message, blobs

    def _fill(self, clock: Clock, need: int = 2**16) -> None:
        _, source = self._streams()
        while True:
            try:
                piece = os.read(source, min(max(need, 2**16), 2**20))
            except BlockingIOError:
                self._wait(source, selectors.EVENT_READ, clock)
                continue
            if not piece:
                raise EOFError
            if clock.left() < 0:
                raise TimeoutError
            self._buffer += piece
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()


def _outgoing(value: Any) -> Any:
    return value if type(value) is Handle else plain(value, "an argument of this check")


def _clean(text: Any) -> str:
    """Text of the answer's on one line, short and without control characters."""
    if type(text) is not str:
        return "(not a text)"
    kept = "".join(c if c.isprintable() else " " for c in text[:4000])
    return " ".join(kept.split())[:1000]


def processes_of(pid: int) -> list[int]:
    """A process and all below it, as far as the system shows them."""
    found, todo = [], [pid]
    while todo:
        number = todo.pop()
        found.append(number)
        try:
            for task in os.listdir(f"/proc/{number}/task"):
                with open(f"/proc/{number}/task/{task}/children", "rb") as file:
                    todo += [int(child) for child in file.read().split()]
        except (OSError, ValueError):
            continue
    return found


def memory_of(pid: int) -> int:
    """Bytes of memory that a process and all below it hold (0 where unknown)."""
    page = os.sysconf("SC_PAGE_SIZE")
    return page * sum(_word(f"/proc/{n}/statm", 1) for n in processes_of(pid))


def queued_of(pid: int) -> float:
    """Seconds a process and all below it were ready but had no processor."""
    return 1e-9 * sum(_word(f"/proc/{n}/schedstat", 1) for n in processes_of(pid))


def _word(file: str, place: int) -> int:
    """One number of a file of /proc; 0 where it cannot be read."""
    try:
        with open(file, "rb") as stream:
            return int(stream.read().split()[place])
    except (OSError, ValueError, IndexError):
        return 0


class RemoteAnswer:
    """Stands in for ``LocalAnswer`` over the pipe."""

    handed_in: Any  # the folder, for criteria of a project

    def __init__(self, session: Session, question: str, scope: str) -> None:
        self._session = session
        self._question = question
        self._scope = scope
        self._start = -1  # handles are lost when the worker is started again

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.apply(name, *args, **kwargs)

        return call

    def _ask(self, verb: str, what: str, args: Any, kwargs: Any = None) -> Any:
        held = any(type(a) is Handle for a in [*args, *(kwargs or {}).values()])
        if held and self._start != self._session.starts:
            raise AnswerError(f"{what} cannot run: its object was lost in a crash")
        result = self._session.ask(
            self._question, self._scope, verb, args, kwargs or {}, what
        )
        self._start = self._session.starts
        if verb not in ("make", "define", "has"):
            self._session.given = True
        return result

    def _handle(self, verb: str, name: str, args: Any, kwargs: Any = None) -> Handle:
        result = self._ask(verb, name, (name, *args), kwargs)
        if type(result) is not Handle:
            raise AnswerError(f"{name} did not make an object")
        return result

    def apply(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the answer's function ``name``."""
        return self._ask("apply", name, (name, *args), kwargs)

    def new(self, name: str, /, *args: Any, **kwargs: Any) -> Handle:
        """An object of the answer's class ``name``."""
        return self._handle("new", name, args, kwargs)

    def make(self, dotted: str, /, *args: Any, **kwargs: Any) -> Handle:
        """An object of a library, made on the answer's side."""
        return self._handle("make", dotted, args, kwargs)

    def define(self, source: str) -> Handle:
        """A value of Python source (usually a lambda), made on the answer's side."""
        return self._handle("define", source, ())

    def call(self, handle: Handle, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an object."""
        what = f"{handle.label}.{method}"
        return self._ask("call", what, (handle, method, *args), kwargs)

    def get(self, handle: Handle, attribute: str, /) -> Any:
        """Read an attribute of an object."""
        return self._ask("get", f"{handle.label}.{attribute}", (handle, attribute))

    def value(self, name: str, /) -> Any:
        """Read a variable of the answer."""
        return self._ask("value", name, (name,))

    def has(self, name: str, /) -> bool:
        """Whether the answer defines ``name``."""
        return self._ask("has", name, (name,)) is True
