"""Break every derivation and count the breaks that a check notices.

    python tools/mutate.py                        every chapter and support file
    python tools/mutate.py --chapter 1            one chapter: its page and its modules
    python tools/mutate.py --module models/ease.py    one file of the package
    python tools/mutate.py --sample 3 --seed 7    three mutants a chapter (make test)

A derivation is a function with the comment ``# derivation`` on the line above it (and
above its decorators). One mutant is one change: plus to minus, times to divided by, a
power, a dropped term, a sign, a transpose removed or added, a product in the other
order, a factor of two, a bound off by one, a comparison reversed.

What happens to a mutant:

* killed: a check, a claim, an assertion of a unit test or a doctest failed;
* survived: everything passed;
* crashed: another error stopped it first (shapes that do not fit, say), or it ran out
  of time. A crash is neither credited nor held against the checks: it is left out of
  the score and reported apart;
* no effect: an added transpose or a swapped product that only ever met vectors;
* equivalent: listed in ``tools/equivalent_mutants.toml`` with the reason why no check
  can or should notice it.

Score = killed / (killed + survived). Pages run at SCALE = "quick" in one process, which
forks before each cell that holds a derivation. A file of the package is replaced at
import, then meets its doctests, the tests named after it, and last the chapter's page.

Every result is kept in ``build/mutation`` as it comes, for as long as the file, its
tests and the page's code stay the same: a run that was stopped goes on where it was.
``--afresh`` forgets them (after a change elsewhere in the package, say).
"""

from __future__ import annotations

import argparse
import ast
import builtins
import contextlib
import gc
import hashlib
import importlib.abc
import importlib.util
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbtools
from nbtools import BadInput, fail, shown

from streamrec import syllabus

GOAL, FLOOR = 0.95, 0.9
RESULTS = nbtools.ROOT / "benchmarks" / "results" / "mutation.json"
LISTED = nbtools.ROOT / "tools" / "equivalent_mutants.toml"
KEPT = nbtools.ROOT / "build" / "mutation"  # results of unchanged files, as they come
PACKAGE = nbtools.ROOT / "src" / "streamrec"
SUPPORT = "support"  # stands for a chapter's number where no chapter owns the file
PATIENCE = 120.0  # seconds, where no unchanged run was timed
MEMORY = 4 * 2**30  # bytes a mutant may take beyond what its parent held
QUIET_KEYWORDS = {"axis", "dim", "keepdims", "dtype", "seed", "out", "ndmin", "order"}

SWAPPED: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
REVERSED: dict[type, type] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}


# ------------------------------------------------------------------ making mutants


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, the statement before and after, the source to run."""

    file: str  # relative to the repository
    cell: str  # id of a page's cell; "" in the package
    function: str
    line: int  # of the statement, in its cell or file
    kind: str
    before: str
    after: str
    source: str  # the whole cell or file, changed

    @property
    def label(self) -> str:
        where = f"{self.file}#{self.cell}" if self.cell else self.file
        return f"{where}:{self.line} {self.function} ({self.kind})"


@dataclass(frozen=True)
class Change:
    """A replacement of one node: as shown, and as run (which may watch its effect)."""

    kind: str
    shown: ast.AST
    run: ast.AST


def mutants(source: str, file: str, cell: str = "") -> list[Mutant]:
    r"""Every mutant of the marked functions in a source, in order.

    Examples
    --------
    >>> text = "# derivation\ndef f(a, b):\n    return a - b\n"
    >>> [m.after for m in mutants(text, "f.py")]
    ['return 2 * (a - b)', 'return a + b', 'return a', 'return -b']
    """
    tree = ast.parse(source)
    found: list[Mutant] = []
    seen = {ast.unparse(tree)}
    for name, function in marked(source, tree):
        for statement, parent, field, index in _places(function):
            node = _get(parent, field, index)
            for change in _changes(node, parent, field):
                before = _header(statement)
                with _replaced(parent, field, index, change.shown):
                    now = change.shown if node is statement else statement
                    after, text = _header(now), ast.unparse(tree)
                if text in seen:
                    continue
                seen.add(text)
                with _replaced(parent, field, index, change.run):
                    text = ast.unparse(ast.fix_missing_locations(tree))
                line = getattr(statement, "lineno", function.lineno)
                found.append(
                    Mutant(file, cell, name, line, change.kind, before, after, text)
                )
    return found


def marked(source: str, tree: ast.Module) -> list[tuple[str, ast.FunctionDef]]:
    """Functions under a comment ``# derivation``, with their qualified names."""
    lines = source.splitlines()
    found: list[tuple[str, ast.FunctionDef]] = []

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = prefix
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                name = f"{prefix}.{child.name}" if prefix else child.name
            if isinstance(child, ast.FunctionDef):
                top = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                above = lines[top - 2].strip() if top >= 2 else ""
                if above.startswith("# derivation"):
                    found.append((name, child))
            visit(child, name)

    visit(tree, "")
    return found


def _header(statement: ast.AST) -> str:
    return ast.unparse(statement).splitlines()[0]


def _get(parent: ast.AST, field: str, index: int | None) -> Any:
    value = getattr(parent, field)
    return value if index is None else value[index]


@contextlib.contextmanager
def _replaced(
    parent: ast.AST, field: str, index: int | None, new: ast.AST
) -> Iterator[None]:
    old = _get(parent, field, index)
    _put(parent, field, index, new)
    try:
        yield
    finally:
        _put(parent, field, index, old)


def _put(parent: ast.AST, field: str, index: int | None, node: Any) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


Place = tuple[ast.stmt, ast.AST, str, int | None]


def _places(function: ast.FunctionDef) -> Iterator[Place]:
    """Every expression (and augmented assignment) of a body that may be changed."""
    for i, statement in enumerate(function.body):
        if i == 0 and _is_text(statement):
            continue
        yield from _inside(statement, function, "body", i, statement)


def _inside(
    node: ast.AST, parent: ast.AST, field: str, index: int | None, statement: ast.stmt
) -> Iterator[Place]:
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.ClassDef)):
        return
    if isinstance(node, ast.FunctionDef):
        for i, inner in enumerate(node.body):
            if not (i == 0 and _is_text(inner)):
                yield from _inside(inner, node, "body", i, inner)
        return
    if isinstance(node, ast.keyword) and node.arg in QUIET_KEYWORDS:
        return
    if isinstance(node, ast.stmt):
        statement = node
    if isinstance(node, (ast.expr, ast.AugAssign)):
        yield statement, parent, field, index
    guard = isinstance(node, ast.If) and all(
        isinstance(s, ast.Raise) for s in node.body
    )
    for name, value in ast.iter_fields(node):
        if name == "annotation" or (guard and name == "test"):
            continue
        if isinstance(node, ast.Lambda) and name == "args":
            continue
        if isinstance(value, list):
            for i, child in enumerate(value):
                if isinstance(child, ast.AST):
                    yield from _inside(child, node, name, i, statement)
        elif isinstance(value, ast.AST):
            yield from _inside(value, node, name, None, statement)


def _is_text(node: ast.AST | None) -> bool:
    if isinstance(node, ast.Expr):
        node = node.value
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
    )


def _is_sequence(node: ast.AST) -> bool:
    return _is_text(node) or isinstance(node, (ast.List, ast.Tuple, ast.ListComp))


def _changes(node: Any, parent: ast.AST, field: str) -> Iterator[Change]:
    if _is_output(parent, field, node):
        yield _same("factor 2", _twice(node))
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, (ast.USub, ast.Invert)):
            yield _same("sign", node.operand)
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in SWAPPED:
            other = SWAPPED[type(node.op)]()
            yield _same("operator", ast.AugAssign(node.target, other, node.value))
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield _same("dropped term", ast.Pass())
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        if type(node.ops[0]) in REVERSED:
            ops = [REVERSED[type(node.ops[0])]()]
            yield _same("comparison", ast.Compare(node.left, ops, node.comparators))
    inner = _untransposed(node)
    if inner is not None:
        yield Change("transpose removed", inner, _watched("unchanged", inner))
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult):
        if isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
            if inner is None:
                new = ast.Attribute(node, "T", ast.Load())
                yield Change("transpose added", new, _watched("transposed", node))
    yield from _off_by_one(node, parent, field)


def _same(kind: str, node: ast.AST) -> Change:
    return Change(kind, node, node)


def _watched(name: str, *arguments: Any) -> ast.Call:
    function = ast.Name(f"_mutant_{name}", ast.Load())
    return ast.Call(function, list(arguments), [])


def _twice(node: Any) -> ast.BinOp:
    return ast.BinOp(ast.Constant(2), ast.Mult(), node)


def _is_output(parent: ast.AST, field: str, node: ast.AST) -> bool:
    """A returned number, or the arithmetic of an assignment."""
    if isinstance(parent, ast.Assign) and field == "value":
        return isinstance(node, ast.BinOp) and not _is_sequence(node.left)
    if isinstance(parent, ast.Tuple):
        return False
    if not (isinstance(parent, ast.Return) and field == "value"):
        return False
    if ast.unparse(node) in ("float('nan')", "np.nan", "math.nan"):
        return False
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        return not name[:1].isupper() and name not in {"cls", "list", "dict", "tuple"}
    return isinstance(
        node, (ast.BinOp, ast.UnaryOp, ast.Name, ast.Subscript, ast.Attribute)
    )


def _binary(node: ast.BinOp) -> Iterator[Change]:
    left, right = node.left, node.right
    if _is_sequence(left) or _is_sequence(right):
        return
    kind = type(node.op)
    if kind in SWAPPED:
        yield _same("operator", ast.BinOp(left, SWAPPED[kind](), right))
    if kind in (ast.Add, ast.Sub):
        yield _same("dropped term", left)
        other = right if kind is ast.Add else ast.UnaryOp(ast.USub(), right)
        yield _same("dropped term", other)
    elif kind is ast.Pow:
        yield _same("power", left)
        more = ast.BinOp(right, ast.Add(), ast.Constant(1))
        if isinstance(right, ast.Constant) and isinstance(right.value, int):
            yield _same("power", ast.BinOp(left, ast.Pow(), _constant(right.value + 1)))
        else:
            yield _same("power", ast.BinOp(left, ast.Pow(), more))
    elif kind is ast.MatMult:
        new = ast.BinOp(right, ast.MatMult(), left)
        yield Change("matmul order", new, _watched("swapped", left, right))


def _untransposed(node: ast.AST) -> Any:
    """X for X.T, X.mT, np.transpose(X), X.transpose() and X.t(); else None."""
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("transpose", "t"):
            if not node.args:
                return node.func.value
            library = node.func.value
            if isinstance(library, ast.Name) and library.id in ("np", "torch"):
                return node.args[0] if len(node.args) == 1 else None
    return None


def _constant(value: Any) -> ast.Constant:
    return ast.Constant(value)


def _off_by_one(node: ast.AST, parent: ast.AST, field: str) -> Iterator[Change]:
    bound = isinstance(parent, ast.Slice) and field in ("lower", "upper")
    in_range = (
        isinstance(parent, ast.Call)
        and field == "args"
        and isinstance(parent.func, ast.Name)
        and parent.func.id == "range"
    )
    value: Any = getattr(node, "value", None)
    if isinstance(node, ast.Constant) and type(value) in (int, float):
        arithmetic = isinstance(parent, ast.BinOp) and type(parent.op) in SWAPPED
        index = isinstance(parent, ast.Subscript) and field == "slice"
        negative = isinstance(parent, ast.UnaryOp)
        compared = isinstance(parent, ast.Compare)
        if type(value) is int:
            if arithmetic or index or bound or in_range or negative or compared:
                yield _same("off by one", _constant(value + 1))
            if arithmetic and value == 2:
                yield _same("factor 2", _constant(1))
        elif arithmetic and abs(value) > 1e-6:
            yield _same("factor 2", _constant(2 * value))
    elif bound and isinstance(node, ast.expr):
        yield _same("off by one", ast.BinOp(node, ast.Add(), _constant(1)))
    elif in_range and isinstance(parent, ast.Call) and node is parent.args[-1]:
        if len(parent.args) < 3:
            yield _same("off by one", ast.BinOp(node, ast.Sub(), _constant(1)))


# ------------------------------------------------------------------ no-effect watch

_effects = {"calls": 0, "real": 0}


def _dimensions(x: Any) -> int:
    return int(getattr(x, "ndim", 0) or 0)


def _mutant_transposed(x: Any) -> Any:
    _effects["calls"] += 1
    if _dimensions(x) < 2:
        return x
    _effects["real"] += 1
    return x.T


def _mutant_unchanged(x: Any) -> Any:
    _effects["calls"] += 1
    _effects["real"] += _dimensions(x) >= 2
    return x


def _mutant_swapped(a: Any, b: Any) -> Any:
    _effects["calls"] += 1
    if _dimensions(a) == _dimensions(b) == 1:
        return a @ b
    _effects["real"] += 1
    return b @ a


def _watch() -> None:
    """Make the watching helpers visible to mutated code."""
    for helper in (_mutant_transposed, _mutant_unchanged, _mutant_swapped):
        setattr(builtins, helper.__name__, helper)


def _had_no_effect() -> bool:
    return _effects["calls"] > 0 and _effects["real"] == 0


# ------------------------------------------------------------------ the list


def listed(path: Path = LISTED) -> list[dict[str, str]]:
    """The mutants that no check needs to notice, each with its reason."""
    if not path.exists():
        return []
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("mutant", [])
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{shown(path)} is not valid TOML: {error}") from None
    for entry in entries:
        missing = {"file", "function", "after", "reason"} - set(entry)
        if missing or not str(entry.get("reason", "")).strip():
            lacking = ", ".join(sorted(missing)) or "a reason"
            raise BadInput(f"{shown(path)}: an entry lacks {lacking}")
    return entries


def is_listed(mutant: Mutant, entries: list[dict[str, str]]) -> bool:
    """Whether an entry names this mutant (``before`` and ``cell`` are optional)."""
    return any(
        e["file"] == mutant.file
        and e["function"] == mutant.function
        and e["after"] == mutant.after
        and e.get("before", mutant.before) == mutant.before
        and e.get("cell", mutant.cell) == mutant.cell
        for e in entries
    )


# ------------------------------------------------------------------ running, in a fork

Result = dict[str, Any]


def forked(
    task: Callable[[], Result], limit: float, patience: float | None = None
) -> Result:
    """Run ``task`` in a copy of this process and return what it reports.

    ``limit`` is in seconds of processor time, ``patience`` in seconds of the clock.
    """
    patience = 6 * limit + 10 if patience is None else patience
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(task, read, write, limit)
    os.close(write)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    text, end = b"", time.monotonic() + patience
    while True:
        ready, _, _ = select.select([read], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            late = f"more than {patience:g} s"
            result: Result = {"status": "crashed", "why": late}
            break
        chunk = os.read(read, 65536)
        if not chunk:
            result = _reply(text)
            break
        text += chunk
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(read)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return {"status": "crashed", "why": f"more than {limit:g} s of computing"}
    return result


def _reply(text: bytes) -> Result:
    try:
        result: Result = json.loads(text)
    except ValueError:
        return {"status": "crashed", "why": "the process ended early"}
    return result


def _in_child(task: Callable[[], Result], read: int, write: int, limit: float) -> None:
    status = 1
    try:
        os.setpgid(0, 0)
        os.close(read)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        with open("/proc/self/statm") as file:
            held = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
        most = int(limit) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
        _watch()
        try:
            result = task()
        except BaseException as error:
            result = {"status": "crashed", "why": _name(error)}
        os.write(write, json.dumps(result).encode())
        status = 0
    finally:
        os._exit(status)


def _name(error: BaseException) -> str:
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}"


def is_kill(error: BaseException) -> bool:
    """Whether an error is a failed check rather than a crash."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_kill(e) for e in error.exceptions)
    if "_pytest.outcomes" in sys.modules:  # pytest.raises that saw no error
        from _pytest.outcomes import Failed

        if isinstance(error, Failed):
            return True
    return isinstance(error, AssertionError)


def _verdict(error: BaseException | None) -> Result:
    if error is None:
        return {"status": "survived"}
    status = "killed" if is_kill(error) else "crashed"
    return {"status": status, "why": _name(error)}


# ------------------------------------------------------------------ pages


@dataclass(frozen=True)
class Cell:
    """A code cell of a page."""

    id: str
    source: str
    may_raise: bool


def page_cells(path: Path) -> list[Cell]:
    """Code cells of a page, with SCALE set to "quick" after the parameters."""
    cells = []
    for cell in nbtools.read(path).cells:
        if cell.cell_type == "code":
            tags = nbtools.tags(cell)
            may = "raises-exception" in tags
            cells.append(Cell(cell.id, cell.source, may))
            if "parameters" in tags:
                cells.append(Cell("injected", 'SCALE = "quick"', False))
    return cells


class Page:
    """Runs cells one after the other, as a kernel would."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=config)
        self.shell.showtraceback = lambda *a, **k: None

    def run(self, cell: Cell, source: str | None = None) -> BaseException | None:
        """Run one cell; the error that ended it, if any."""
        text = cell.source if source is None else source
        outcome = self.shell.run_cell(text, store_history=False)
        error: BaseException | None = outcome.error_before_exec or outcome.error_in_exec
        return None if cell.may_raise and error and not is_kill(error) else error

    def finish(self, cells: list[Cell]) -> BaseException | None:
        """Run these cells until one fails."""
        for cell in cells:
            error = self.run(cell)
            if error is not None:
                return error
        return None


Note = Callable[[Mutant, Result], None]


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_page(
    path: Path, chosen: list[Mutant], trusted: bool = False, note: Note | None = None
) -> list[Result]:
    """Results of a page's mutants, in their order; ``note`` hears of each as it comes.

    Unless ``trusted``, the unchanged page runs first: it must pass, and its time sets
    the limit. The page runs in its own folder, as a kernel would.
    """
    path = path.resolve()
    with contextlib.chdir(path.parent):
        return _run_page(path, chosen, trusted, note)


def _run_page(
    path: Path, chosen: list[Mutant], trusted: bool, note: Note | None
) -> list[Result]:
    cells = page_cells(path)
    page, results = Page(), {}
    limit = PATIENCE
    if not trusted:
        gc.freeze()
        started = _children_seconds()
        base = forked(lambda: _verdict(page.finish(cells)), 900.0)
        if base["status"] != "survived":
            return [{"status": "broken", "why": base.get("why", "")}] * len(chosen)
        limit = 10 + 3 * (_children_seconds() - started)
    last = max((i for i, c in enumerate(cells) if c.id in {m.cell for m in chosen}))
    for i, cell in enumerate(cells[: last + 1]):
        for mutant in (m for m in chosen if m.cell == cell.id):
            results[mutant] = forked(_page_task(page, cells[i:], mutant), limit)
            if note:
                note(mutant, results[mutant])
        with _silenced():
            page.run(cell)
        gc.freeze()
    return [results[m] for m in chosen]


def _page_task(page: Page, rest: list[Cell], mutant: Mutant) -> Callable[[], Result]:
    def task() -> Result:
        error = page.run(rest[0], mutant.source) or page.finish(rest[1:])
        return _with_effect(_verdict(error))

    return task


def _with_effect(result: Result) -> Result:
    if result["status"] == "survived" and _had_no_effect():
        return {"status": "no effect"}
    return result


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Send what cells print, even below Python, to nowhere."""
    sys.stdout.flush()
    kept = [os.dup(1), os.dup(2)]
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        yield
    finally:
        sys.stdout.flush()
        for stream, old in zip((1, 2), kept, strict=True):
            os.dup2(old, stream)
            os.close(old)
        os.close(null)


# ------------------------------------------------------------------ the package


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Loads one module from another source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self)

    def get_data(self, path: str | bytes) -> bytes:
        return self.source.encode()

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def path_stats(self, path: str | bytes) -> Any:
        raise OSError("the stored bytecode must not be used")


def module_name(path: Path) -> str:
    """``src/streamrec/models/ease.py`` -> ``streamrec.models.ease``."""
    parts = path.resolve().relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tests_of(path: Path, root: Path | None = None) -> list[Path]:
    """The tests assigned to a file: by its name, then by its room's name.

    ``models/ease.py`` has ``test_ease*.py`` and ``test_models_*.py``, in any folder
    under ``tests/``.
    """
    root = nbtools.ROOT / "tests" if root is None else root
    stem, room = path.stem, path.parent.name
    found: list[Path] = []
    for pattern in (
        f"test_{stem}.py",
        f"test_{room}_{stem}.py",
        f"test_{stem}_*.py",
        f"test_{room}.py",
        f"test_{room}_*.py",
    ):
        found += [p for p in sorted(root.rglob(pattern)) if p not in found]
    return found


class _Judge:
    """A pytest plugin that stops at the first failed check."""

    def __init__(self) -> None:
        self.killed = self.crashed = ""
        self.ran = 0

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        import pytest

        self.ran += call.when == "call"
        if call.excinfo is None or item.get_closest_marker("xfail"):
            return
        error = call.excinfo.value
        if isinstance(error, (pytest.skip.Exception, pytest.xfail.Exception)):
            return
        if is_kill(error):
            self.killed = f"{item.name}: {_name(error)}"
            item.session.shouldstop = "killed"
        else:
            self.crashed = self.crashed or f"{item.name}: {_name(error)}"

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.crashed = self.crashed or f"{report.nodeid} cannot be collected"


def _run_tests(tests: list[Path]) -> Result:
    import hypothesis
    import pytest

    hypothesis.settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        max_examples=60,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    judge = _Judge()
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    argv = [*map(str, tests), "-q", "-p", "no:cacheprovider"]
    argv += ["-p", "_hypothesis_pytestplugin"]
    argv += [
        "-W",
        "ignore",
        "-o",
        "addopts=--import-mode=importlib",
        "--hypothesis-profile=mutation",
    ]
    argv += ["--rootdir", str(nbtools.ROOT)]
    pytest.main(argv, plugins=[judge])
    if judge.killed:
        return {"status": "killed", "why": judge.killed}
    if judge.crashed:
        return {"status": "crashed", "why": judge.crashed}
    return {"status": "survived", "ran": judge.ran}


def _run_doctests(name: str) -> Result:
    import doctest

    module = importlib.import_module(name)
    failed: list[str] = []

    class Runner(doctest.DocTestRunner):
        def report_failure(self, out: Any, test: Any, example: Any, got: str) -> None:
            failed.append(f"doctest of {test.name}")

        def report_unexpected_exception(self, *args: Any) -> None:
            pass

    runner = Runner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder().find(module):
        runner.run(test, out=lambda text: None)
    if failed:
        return {"status": "killed", "why": failed[0]}
    return {"status": "survived"}


def _module_task(
    path: Path, source: str, tests: list[Path], page: Path | None
) -> Callable[[], Result]:
    """Import the file from ``source``; doctests, unit tests, then the page."""

    def task() -> Result:
        name = module_name(path)
        sys.dont_write_bytecode = True
        if source:
            sys.meta_path.insert(0, _Mutated(name, path, source))
        result = _run_doctests(name)
        crashed: Result | None = None
        if result["status"] == "survived" and tests:
            result = _run_tests(tests)
            if result["status"] == "crashed":
                crashed = result
        if result["status"] == "survived" and page is not None and not crashed:
            with _silenced(), contextlib.chdir(page.resolve().parent):
                result = _verdict(Page().finish(page_cells(page)))
            result["by"] = "page"
        if not source:
            result["modules"] = sorted(
                {m.partition(".")[0] for m in sys.modules if not m.startswith("_")}
            )
        return _with_effect(result)

    return task


def run_module(
    path: Path,
    chosen: list[Mutant],
    tests: list[Path],
    page: Path | None,
    trusted: bool = False,
    note: Note | None = None,
) -> list[Result]:
    """Results of one file's mutants, in their order (the rest as in run_page)."""
    _forget_streamrec()
    if trusted:
        tasks = [_module_task(path, m.source, tests, page) for m in chosen]
        return [forked(task, PATIENCE) for task in tasks]
    started = _children_seconds()
    base = forked(_module_task(path, "", tests, page), 900.0)
    if base["status"] != "survived":
        return [{"status": "broken", "why": base.get("why", "")}] * len(chosen)
    limit = 10 + 4 * (_children_seconds() - started)
    for heavy in (
        "numpy",
        "scipy",
        "pandas",
        "sklearn",
        "torch",
        "hypothesis",
        "pytest",
    ):
        if heavy in base["modules"]:
            importlib.import_module(heavy)
    if "scipy" in base["modules"]:
        importlib.import_module("scipy.sparse.linalg")
        importlib.import_module("scipy.stats")
    if "pytest" in base["modules"]:
        importlib.import_module("_hypothesis_pytestplugin")
    gc.freeze()
    results = []
    for mutant in chosen:
        task = _module_task(path, mutant.source, tests, page)
        results.append(forked(task, limit))
        if note:
            note(mutant, results[-1])
    return results


def _forget_streamrec() -> None:
    for name in [m for m in sys.modules if m.partition(".")[0] == "streamrec"]:
        del sys.modules[name]


# ------------------------------------------------------------------ the whole


@dataclass(frozen=True)
class Target:
    """A file whose derivations are mutated, and the chapter that answers for it."""

    chapter: str
    path: Path
    page: Path | None  # for a file of the package: the chapter's page, if written

    def mutants(self) -> list[Mutant]:
        file = self.path.resolve()
        name = shown(file)
        if file.suffix == ".py":
            return mutants(file.read_text("utf-8"), name)
        found: list[Mutant] = []
        for cell in page_cells(file):
            if "# derivation" in cell.source:
                found += mutants(cell.source, name, cell.id)
        return found

    @property
    def kept(self) -> Path:
        """Where this file's results are kept."""
        return KEPT / f"{shown(self.path.resolve()).replace('/', '-')}.jsonl"

    def state(self) -> list[str]:
        """Digests of what a result depends on: file and tests; the page's code."""
        if self.path.suffix == ".ipynb":
            return ["", _digest([c.source.encode() for c in page_cells(self.path)])]
        files = [self.path, *tests_of(self.path)]
        page = [c.source.encode() for c in page_cells(self.page)] if self.page else []
        return [_digest([f.read_bytes() for f in files]), _digest(page)]


def _digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def keeper(path: Path, state: list[str], total: int) -> Note:
    """A function that adds a result to a file of kept results and shows progress."""
    done = 0

    def note(mutant: Mutant, result: Result) -> None:
        nonlocal done
        done += 1
        if sys.stdout.isatty():
            print(f"\r  {done} of {total}", end="\n" * (done == total), flush=True)
        entry = {"state": state, "mutant": _place(mutant), "result": result}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    return note


def _place(m: Mutant) -> list[Any]:
    return [m.cell, m.function, m.line, m.before, m.after]


def kept_results(target: Target) -> dict[str, Result]:
    """Results that still hold; kills by tests outlive changes of the page."""
    if not target.kept.exists():
        return {}
    found: dict[str, Result] = {}
    tests, page = target.state()
    for line in target.kept.read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError, KeyError):  # a line cut short
            entry = json.loads(line)
            result = entry["result"]
            alone = result["status"] == "killed" and "by" not in result and tests
            if entry["state"][0] == tests and (alone or entry["state"][1] == page):
                found[json.dumps(entry["mutant"])] = result
    return found


def targets(chapter: str | None, module: str | None) -> list[Target]:
    """What a command line names: all, one chapter, or one file."""
    book = syllabus.load()
    owner = {f: c for c in book.chapters for f in c.introduces}
    if module is not None:
        path = _package_file(module)
        owned = owner.get(str(path.relative_to(PACKAGE)))
        return [Target(str(owned.number) if owned else SUPPORT, path, _page(owned))]
    numbers = [c.number for c in book.chapters]
    if chapter is not None and chapter != SUPPORT:
        nbtools.chapter_name(chapter)  # a number of the book, or one clear line
        numbers = [int(chapter)]
    found = []
    for number in numbers if chapter != SUPPORT else []:
        one = book.chapter(number)
        page = _page(one)
        if page is not None:
            found.append(Target(str(number), page, None))
        files = [PACKAGE / f for f in one.introduces]
        found += [Target(str(number), f, page) for f in files if f.is_file()]
    if chapter in (None, SUPPORT):
        for path in sorted(PACKAGE.rglob("*.py")):
            if str(path.relative_to(PACKAGE)) not in owner:
                found.append(Target(SUPPORT, path, None))
    return found


def _page(chapter: Any) -> Path | None:
    if chapter is None:
        return None
    path = nbtools.ROOT / "chapters" / f"{chapter.name}.ipynb"
    return path if path.exists() else None


def _package_file(module: str) -> Path:
    for path in (PACKAGE / module, nbtools.ROOT / module, Path(module)):
        if path.is_file() and path.resolve().is_relative_to(PACKAGE):
            return path.resolve()
    raise BadInput(f"there is no {module} in src/streamrec: try models/ease.py")


def run_target(
    target: Target, chosen: list[Mutant], trusted: bool = False
) -> list[Result]:
    """Run a target's mutants in a process of their own."""
    if not chosen:
        return []
    job = {
        "path": str(target.path),
        "page": str(target.page) if target.page else None,
        "mutants": [asdict(m) for m in chosen],
        "trusted": trusted,
        "kept": "" if trusted else str(target.kept),
        "state": [] if trusted else target.state(),
    }
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "job.json"), Path(folder, "results.json")
        given.write_text(json.dumps(job), "utf-8")
        done = subprocess.run(
            [sys.executable, __file__, "--worker", str(given), str(made)],
            env={
                **os.environ,
                **nbtools.kernel_environment(),
                "MPLBACKEND": "agg",
                "PYTHONPATH": os.pathsep.join(
                    [str(PACKAGE.parent), str(Path(__file__).parent)]
                ),
            },
            stderr=subprocess.PIPE,
            text=True,
            cwd=nbtools.ROOT,
        )
        if not made.exists():
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise BadInput(f"{shown(target.path)}: the mutation run stopped: {last}")
        results: list[Result] = json.loads(made.read_text("utf-8"))
    if results[0]["status"] == "broken":
        why = results[0].get("why") or "no reason given"
        raise BadInput(f"{shown(target.path)} fails before any mutation: {why}")
    return results


def _worker(given: str, made: str) -> int:
    job = json.loads(Path(given).read_text("utf-8"))
    path = Path(job["path"])
    chosen = [Mutant(**m) for m in job["mutants"]]
    note = None
    if job["kept"]:
        note = keeper(Path(job["kept"]), job["state"], len(chosen))
    if path.suffix == ".ipynb":
        results = run_page(path, chosen, job["trusted"], note)
    else:
        page = Path(job["page"]) if job["page"] else None
        results = run_module(path, chosen, tests_of(path), page, job["trusted"], note)
    Path(made).write_text(json.dumps(results), "utf-8")
    return 0


def sample(
    candidates: list[tuple[Target, Mutant]], size: int, seed: int, chapter: str
) -> list[tuple[Target, Mutant]]:
    """A seeded order of a chapter's mutants, from which the first that decide count.

    Survivors already published are left out, so one that turns up is new. The rest of
    the suite shows that everything passes unchanged: a sample does not run that again.
    """
    mixed = list(candidates)
    random.Random(f"{seed}/{chapter}").shuffle(mixed)
    return mixed[: 3 * size]


@dataclass
class Tally:
    """Counts of one chapter."""

    killed: int = 0
    survived: int = 0
    crashed: int = 0
    no_effect: int = 0
    equivalent: int = 0

    @property
    def decided(self) -> int:
        return self.killed + self.survived

    @property
    def score(self) -> float | None:
        return self.killed / self.decided if self.decided else None


def run_all(args: argparse.Namespace) -> int:
    """Run what the command line asks for, print, record; the exit status."""
    entries = listed()
    by_chapter: dict[str, list[tuple[Target, Mutant]]] = {}
    for target in targets(args.chapter, args.module):
        made = [(target, m) for m in target.mutants()]
        by_chapter.setdefault(target.chapter, []).extend(made)
    tallies: dict[str, Tally] = {}
    survivors: dict[str, list[dict[str, Any]]] = {}
    for chapter, pairs in by_chapter.items():
        if not pairs or (args.sample and _draft(chapter)):
            continue
        tally = tallies[chapter] = Tally()
        live = [p for p in pairs if not is_listed(p[1], entries)]
        if args.sample:
            live = [p for p in live if _address(p[1]) not in known_survivors()]
        tally.equivalent = sum(is_listed(m, entries) for _, m in pairs)
        survivors[chapter] = []
        runs = _sampled(live, chapter, args) if args.sample else _everything(live)
        for mutant, result in runs:
            status = result["status"].replace(" ", "_")
            setattr(tally, status, getattr(tally, status) + 1)
            if status == "survived":
                entry = {k: v for k, v in asdict(mutant).items() if k != "source"}
                survivors[chapter].append(entry)
            if args.verbose:
                print(f"  {result['status']:9} {mutant.label}: {mutant.after}")
                print(f"            {result.get('why', '')}")
    if not args.sample:
        _unused(entries, by_chapter)
    return _report(tallies, survivors, args)


def _draft(chapter: str) -> bool:
    """Whether a chapter is not finished: its mutants are not yet sampled."""
    from streamrec import syllabus

    return chapter.isdigit() and syllabus.load().chapter(int(chapter)).draft


def known_survivors(path: Path | None = None) -> set[tuple[str, ...]]:
    """Published survivors (file, function, before, after): not sampled again."""
    path = RESULTS if path is None else path
    if not path.exists():
        return set()
    chapters = json.loads(path.read_text("utf-8"))["chapters"].values()
    found = [s for c in chapters for s in c["survivors"]]
    return {(s["file"], s["function"], s["before"], s["after"]) for s in found}


def _everything(live: list[tuple[Target, Mutant]]) -> Iterator[tuple[Mutant, Result]]:
    grouped: dict[Target, list[Mutant]] = {}
    for target, mutant in live:
        grouped.setdefault(target, []).append(mutant)
    for target, chosen in grouped.items():
        known = kept_results(target)
        new = [m for m in chosen if json.dumps(_place(m)) not in known]
        kept = f", {len(chosen) - len(new)} known" if known else ""
        print(f"{shown(target.path)}: {len(chosen)} mutants{kept}", flush=True)
        for mutant, result in zip(new, run_target(target, new), strict=True):
            known[json.dumps(_place(mutant))] = result
        for mutant in chosen:
            yield mutant, known[json.dumps(_place(mutant))]


def _sampled(
    live: list[tuple[Target, Mutant]], chapter: str, args: argparse.Namespace
) -> Iterator[tuple[Mutant, Result]]:
    decided = 0
    for target, mutant in sample(live, args.sample, args.seed, chapter):
        (result,) = run_target(target, [mutant], trusted=True)
        yield mutant, result
        decided += result["status"] in ("killed", "survived")
        if decided == args.sample:
            return


def _address(m: Mutant) -> tuple[str, ...]:
    return (m.file, m.function, m.before, m.after)


def _unused(
    entries: list[dict[str, str]], by_chapter: dict[str, list[tuple[Target, Mutant]]]
) -> None:
    """Say which entries of the list no longer name a mutant of the files looked at."""
    made = [m for pairs in by_chapter.values() for _, m in pairs]
    files = {m.file for m in made}
    for entry in entries:
        if entry["file"] in files and not any(is_listed(m, [entry]) for m in made):
            text = f"{entry['file']} {entry['function']}: {entry['after']}"
            print(f"note: {shown(LISTED)} lists a mutant that is gone: {text}")


def _report(
    tallies: dict[str, Tally],
    survivors: dict[str, list[dict[str, Any]]],
    args: argparse.Namespace,
) -> int:
    for found in survivors.values():
        for s in found:
            where = f"{s['file']}#{s['cell']}" if s["cell"] else s["file"]
            print(f"survived: {where}:{s['line']} {s['function']} ({s['kind']})")
            print(f"  - {s['before']}\n  + {s['after']}")
    print(f"{'chapter':8} {'killed':>7} {'survived':>9} {'score':>7}   left out")
    for chapter, tally in tallies.items():
        score = "-" if tally.score is None else f"{tally.score:.3f}"
        print(
            f"{chapter:8} {tally.killed:7d} {tally.survived:9d} {score:>7}   "
            f"{tally.crashed} crashed, {tally.no_effect} without effect, "
            f"{tally.equivalent} listed"
        )
    killed = sum(t.killed for t in tallies.values())
    decided = sum(t.decided for t in tallies.values())
    total = killed / decided if decided else 1.0
    print(
        f"{killed} of {decided} mutants killed, score {total:.3f} "
        f"(goal {GOAL}, floor {FLOOR})"
    )
    if not args.sample and args.module is None:
        record(tallies, survivors)
    if args.sample:
        return 1 if killed < decided else 0
    low = [c for c, t in tallies.items() if t.score is not None and t.score < FLOOR]
    if low:
        print(f"below the floor: {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


def record(
    tallies: dict[str, Tally],
    survivors: dict[str, list[dict[str, Any]]],
    path: Path | None = None,
) -> None:
    """Merge these chapters into the results that the status page reads."""
    path = RESULTS if path is None else path
    chapters: dict[str, Any] = {}
    if path.exists():
        chapters = json.loads(path.read_text("utf-8")).get("chapters", {})
    for chapter, tally in tallies.items():
        score = None if tally.score is None else round(tally.score, 4)
        chapters[chapter] = {
            "score": score,
            **asdict(tally),
            "survivors": survivors[chapter],
        }
    order = sorted(chapters, key=lambda c: (c == SUPPORT, int(c) if c.isdigit() else 0))
    result = {
        "goal": GOAL,
        "floor": FLOOR,
        "chapters": {c: chapters[c] for c in order},
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    nbtools.write_text(text, path)


def main(argv: list[str] | None = None) -> int:
    """Exit 0 at or above the floor, 1 below it, 2 for bad input."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["--worker"]:
        return _worker(argv[1], argv[2])
    parser = argparse.ArgumentParser(
        description="Break derivations; count what notices."
    )
    parser.add_argument("--chapter", help="one chapter's number, or support")
    parser.add_argument("--module", help="one file of src/streamrec")
    parser.add_argument("--sample", type=int, default=0, help="mutants a chapter")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--list", action="store_true", help="only print the mutants")
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="print every mutant"
    )
    parser.add_argument(
        "--afresh", action="store_true", help="forget the results kept in build/"
    )
    args = parser.parse_args(argv)
    if args.afresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    try:
        if args.list:
            for target in targets(args.chapter, args.module):
                for mutant in target.mutants():
                    print(f"{mutant.label}\n  - {mutant.before}\n  + {mutant.after}")
            return 0
        return run_all(args)
    except BadInput as error:
        fail(str(error))
    except SyntaxError:
        last = traceback.format_exc().strip().splitlines()[-1]
        fail(f"a source cannot be parsed: {last}")


if __name__ == "__main__":
    sys.exit(main())
