"""Inside the sandbox: run the cells of an answer and answer calls over a pipe.

This process belongs to the answer from its first cell on, so nothing here is trusted
and nothing here decides about points. What it says is checked on the other side.
"""

from __future__ import annotations

import ast
import contextlib
import ctypes
import json
import linecache
import os
import platform
import re
import resource
import struct
import sys
import types
from typing import Any, BinaryIO

from streamrec.grading import protocol
from streamrec.grading.criteria import AnswerError, LocalAnswer

VERBS = ("apply", "new", "make", "define", "call", "get", "value", "has")
_MAGIC = re.compile(r"^(\s*)(?:[%!].*|\w+\s*=\s*[%!].*|\??[\w.]+\?{1,2})\s*$")
_CELL_MAGIC = re.compile(r"%%(time|timeit|capture|prun)\b.*")


def main(limits: str) -> None:
    """Set the limits, take the pipes from the standard streams and serve."""
    settings = json.loads(limits)
    restrict(settings)
    requests = os.fdopen(os.dup(0), "rb", buffering=2**16)
    replies = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    folder = settings.get("folder")
    if folder:
        os.chdir(folder)
        sys.path.insert(0, folder)
    Worker(requests, replies, settings.get("package", "")).serve()


def restrict(settings: dict[str, Any]) -> None:
    """Limits of the operating system, for this process and all it starts."""
    memory = int(settings["memory"]) * 2**20
    seconds = int(settings["submission"]) + 5
    wanted = {
        "RLIMIT_DATA": memory,
        "RLIMIT_AS": 4 * memory + 2**32,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": 64 * 2**20,
        "RLIMIT_NOFILE": 128,  # also bounds what sockets hold
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    if settings.get("processes"):
        wanted["RLIMIT_NPROC"] = int(settings["processes"])
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is not None:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (value, value))
    if sys.platform == "linux":
        forbid(platform.machine())


# Calls that hold memory which no limit counts, or that reach the user's keys, watches
# and other processes.
_FORBIDDEN = {
    "x86_64": (0xC000003E, 9)
    + (29, 68, 101, 248, 249, 250, 253, 294, 298, 300, 310, 311, 319, 321, 323),
    "aarch64": (0xC00000B7, 222)
    + (194, 186, 117, 217, 218, 219, 26, 241, 262, 270, 271, 279, 280, 282),
}  # the architecture's mark and mmap, then shmget, msgget, ptrace, add_key,
# request_key, keyctl, inotify_init, perf_event_open, fanotify_init, process_vm_readv
# and writev, memfd_create, bpf, userfaultfd
_EVERYWHERE = (425, 426, 427, 447)  # io_uring, memfd_secret


def forbid(machine: str) -> bool:
    """Refuse those system calls from now on, here and in all that is started.

    A seccomp filter; returns whether it is in force. Shared memory without a file
    (``mmap`` with MAP_SHARED and MAP_ANONYMOUS) is refused too: it stays when it is no
    longer mapped, where ``/proc`` does not show it.
    """
    if machine not in _FORBIDDEN:
        return False
    mark, mmap, *numbers = _FORBIDDEN[machine]
    calls = [*numbers, *_EVERYWHERE]
    load, equal, least, mask, give = 0x20, 0x15, 0x35, 0x54, 0x06
    end = len(calls) + 5  # place of the refusal, counted from the line after the number
    lines = [(load, 0, 0, 4), (equal, 0, end + 2, mark), (load, 0, 0, 0)]
    lines += [(least, end, 0, 0x40000000)]  # another table of calls, on x86
    lines += [(equal, end - 1 - i, 0, call) for i, call in enumerate(calls)]
    lines += [(equal, 0, 3, mmap), (load, 0, 0, 40), (mask, 0, 0, 0x21)]
    lines += [(equal, 1, 0, 0x21), (give, 0, 0, 0x7FFF0000), (give, 0, 0, 0x50001)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    block = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(lines), ctypes.addressof(block))
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)  # no new rights
    return bool(libc.prctl(22, 2, program, 0, 0) == 0)


class Worker:
    """The module of one answer and the requests that reach it."""

    def __init__(self, requests: BinaryIO, replies: int, package: str = "") -> None:
        self.requests = requests
        self.replies = replies
        self.package = package
        self.module = _module()
        self.scope: Any = None
        self.answer = LocalAnswer(vars(self.module))

    def serve(self) -> None:
        """Answer requests until the pipe ends."""
        protocol.write(self.replies, protocol.pack({"id": 0, "ready": True}, []))
        while True:
            request = protocol.read(self.requests)
            if request is None:
                os._exit(0)
            message, blobs = request
            self.reply(message, blobs)

    def reply(self, message: dict[str, Any], blobs: list[Any]) -> None:
        """Do what a request asks and send what came of it."""
        out: list[bytes] = []
        try:
            body = self.handle(message, blobs, out)
            data = protocol.pack({"id": message["id"], **body}, out)
        except AnswerError as error:
            body = {"error": str(error)[:2000], "kind": str(error.kind)[:200]}
            data = protocol.pack({"id": message["id"], **body}, [])
        except BaseException as error:
            text = f"{type(error).__name__}: {_text(error)}"
            data = protocol.pack({"id": message["id"], "fault": text[:2000]}, [])
        protocol.write(self.replies, data)

    def handle(
        self, message: dict[str, Any], blobs: list[Any], out: list[bytes]
    ) -> dict[str, Any]:
        """Run a cell, import a package or call the answer."""
        if message["op"] == "cell":
            return self.cell(message["source"], message["name"])
        if message["op"] == "package":
            return self.load(message["name"])
        if message["scope"] != self.scope:
            self.scope = message["scope"]
            self.answer = LocalAnswer(vars(self.module))
        verb = message["verb"]
        if verb not in VERBS:
            raise ValueError(f"no verb {verb}")
        args = protocol.decode(message["args"], blobs)
        named = protocol.decode(message["kwargs"], blobs)
        if verb in ("get", "value", "has", "define"):
            result = getattr(self.answer, verb)(*args)
        else:
            result = getattr(self.answer, verb)(*args, **named)
        try:
            return {"value": protocol.encode(result, out)}
        except (MemoryError, RecursionError):
            raise AnswerError("the result is too large to check") from None

    def cell(self, source: str, name: str) -> dict[str, Any]:
        """Run one cell; what it raises is told, not thrown."""
        try:
            code = compile_cell(source, name)
            exec(code, vars(self.module))
        except BaseException as error:
            number = _line(error, name)
            line = f" (line {number} of the cell)" if number else ""
            text = f"{type(error).__name__}: {_text(error)}{line}"
            if number:
                self.define_rest(source, name, number)
            return {"error": text[:2000], "kind": type(error).__name__[:200]}
        return {"value": None}

    def define_rest(self, source: str, name: str, line: int) -> None:
        """What a cell defines and imports below the line that raised.

        A file that is not there or a plot that fails must not cost the answer below.
        """
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        for node in ast.parse(cell_text(source)).body:
            if node.lineno > line and isinstance(node, kinds):
                part = ast.Module([node], [])
                with contextlib.suppress(BaseException):
                    exec(compile(part, name, "exec"), vars(self.module))

    def load(self, name: str) -> dict[str, Any]:
        """Import a package of the submission; its names become the answer's."""
        import importlib

        try:
            self.module = importlib.import_module(name)
        except BaseException as error:
            text = f"{type(error).__name__}: {_text(error)}"
            return {"error": text[:2000], "kind": type(error).__name__[:200]}
        return {"value": None}


def _module() -> types.ModuleType:
    """A fresh ``__main__`` with what a notebook offers beyond Python."""
    module = types.ModuleType("__main__")

    def quiet(*args: Any, **kwargs: Any) -> None:
        """Stands in for what only a notebook can do."""

    vars(module).update(
        display=quiet,
        selfcheck=quiet,
        chapter_exercises=quiet,
        get_ipython=lambda: _Shell(),
        input=lambda prompt="": "",
    )
    sys.modules["__main__"] = module
    return module


class _Shell:
    """``get_ipython()`` outside a notebook: every method does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def compile_cell(source: str, name: str) -> types.CodeType:
    r"""Compile a cell; notebook commands (``%``, ``!``, ``?``) are left out.

    >>> space = {}
    >>> exec(compile_cell("%matplotlib inline\nx = 2", "cell"), space)
    >>> space["x"]
    2
    """
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    return compile(cell_text(source), name, "exec")


def cell_text(source: str) -> str:
    """The cell without its notebook commands, if that makes it Python."""
    if _parses(source):
        return source
    lines = source.splitlines(keepends=True)
    first = next((s for s in lines if s.strip()), "")
    if first.startswith("%%"):
        if not _CELL_MAGIC.match(first):
            return ""  # another language
        lines[lines.index(first)] = "\n"
    kept = [_MAGIC.sub(r"\1pass", s.rstrip("\n")) + "\n" for s in lines]
    text = "".join(kept)
    return text if _parses(text) else source


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:500]
    except BaseException:
        return "(its message cannot be shown)"


def _line(error: BaseException, name: str) -> int:
    """The line of the cell where it happened, 0 if there is none."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_filename == name and frame.f_code.co_name == "<module>":
            return trace.tb_lineno
        trace = trace.tb_next
    return 0
