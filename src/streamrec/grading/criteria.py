"""Criteria: one text that checks an answer in the learner's notebook and in the grader.

A criterion is a function ``test_*`` that receives a stand-in of the answer and a
generator, and raises ``AssertionError`` when the answer is wrong::

    @criterion("q1", points=2, hint="Apply the projection twice.")
    def test_projecting_twice_changes_nothing(answer, rng):
        A, x = rng.normal(size=(7, 3)), rng.normal(size=7)
        once = answer.project(A, x)
        expect_close(answer.project(A, once), once)

A held-back criterion may take a third argument ``reference``: the reference answer,
called in the same way. Only plain values cross between a criterion and an answer:
numbers, strings, None, lists, tuples, dictionaries with string keys and NumPy arrays.
Everything else stays on the answer's side and is named by a ``Handle``. A sandbox
can therefore stand in for ``LocalAnswer`` without a change to any criterion.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

MAX_DEPTH = 50  # nested lists
MAX_VALUES = 1_000_000  # Python objects in one result
MAX_BYTES = 64 * 2**20  # one result
_ARRAY_KINDS = "biufcU"  # bool, integers, floats, complex, text
_PLAIN = (bool, int, float, complex, str, type(None))


class AnswerError(AssertionError):
    """The answer could not be used: a name is missing, a call raised, a value is odd.

    ``kind`` is the class name of the error inside the answer, if there was one.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


# --------------------------------------------------------------------- criteria


@dataclass(frozen=True)
class Criterion:
    """One criterion: the question it belongs to, its worth and a hint for feedback."""

    question: str
    name: str
    points: float
    hint: str
    label: str  # what is required, in words
    function: Callable[..., None]

    @property
    def needs_reference(self) -> bool:
        """Whether the function takes the reference answer as a third argument."""
        return "reference" in inspect.signature(self.function).parameters


@dataclass(frozen=True)
class Outcome:
    """What happened to one criterion.

    ``status`` is "passed"; "failed" (the answer is wrong); or "error" (the criterion
    itself stumbled, which a grader shows to a person and never charges). ``given`` says
    whether the answer gave a value, ``raised`` names the last error that it raised.
    """

    criterion: Criterion
    status: str
    message: str = ""
    given: bool = True
    raised: str = ""

    @property
    def passed(self) -> bool:
        """True if the criterion held in every round."""
        return self.status == "passed"


def criterion(
    question: str, points: float, hint: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a function ``test_*(answer, rng)`` as a criterion of ``question``.

    Parameters
    ----------
    question : the question's id, for example ``"q1"``.
    points : its worth (at least 0).
    hint : one sentence for the feedback when it fails; it must not give the answer.

    Raises
    ------
    ValueError
        If the id, the points, the hint or the function's name has the wrong form.

    Examples
    --------
    >>> @criterion("q1", points=2, hint="Count again.")
    ... def test_two(answer, rng):
    ...     expect_equal(answer.two(), 2)
    >>> test_two.criterion.points
    2.0
    """
    if not re.fullmatch(r"q\d+", question):
        raise ValueError(f"a question is named q1, q2, ...: not {question!r}")
    if not (isinstance(points, (int, float)) and 0 <= points < 1000):
        raise ValueError(f"{question}: points must be a number of at least 0")
    if not hint.strip():
        raise ValueError(f"{question}: give each criterion a hint")

    def mark(function: Callable[..., None]) -> Callable[..., None]:
        name = function.__name__
        names = tuple(inspect.signature(function).parameters)
        if not name.startswith("test_"):
            raise ValueError(f"name the criterion test_{name}")
        if names not in {("answer", "rng"), ("answer", "rng", "reference")}:
            raise ValueError(f"{name} takes (answer, rng) or (answer, rng, reference)")
        doc = (function.__doc__ or "").strip().splitlines()
        label = doc[0].rstrip(".") if doc else name[5:].replace("_", " ")
        function.criterion = Criterion(  # type: ignore[attr-defined]
            question, name, float(points), " ".join(hint.split()), label, function
        )
        return function

    return mark


def collect(module: ModuleType | Mapping[str, Any]) -> list[Criterion]:
    """The criteria defined in a module (or its namespace), in order of definition.

    Raises
    ------
    ValueError
        If a function named ``test_*`` is not marked with :func:`criterion`.
    """
    names = vars(module) if isinstance(module, ModuleType) else module
    found = []
    for name, value in names.items():
        if name.startswith("test_") and callable(value):
            if not hasattr(value, "criterion"):
                raise ValueError(f"{name} lacks @criterion(question, points, hint)")
            found.append(value.criterion)
    return found


def load_namespace(path: str | Path, text: str | None = None) -> dict[str, Any]:
    """Run a file of our own (criteria, reference) and return its names.

    Parameters
    ----------
    path : the file; used for messages alone when ``text`` is given.
    text : its source, if already read.
    """
    source = Path(path).read_text("utf-8") if text is None else text
    linecache.cache[str(path)] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        str(path),
    )
    stem = re.sub(r"\W", "_", Path(path).stem)
    namespace: dict[str, Any] = {"__name__": f"criteria_{stem}", "__file__": str(path)}
    exec(compile(source, str(path), "exec"), namespace)
    return namespace


def run(
    item: Criterion,
    answer: Any,
    seed: int,
    *,
    reference: Any = None,
    rounds: int = 1,
) -> Outcome:
    """Run one criterion on fresh random inputs and say what happened.

    Every criterion has its own stream of random numbers, addressed by seed, round and
    name, so adding one criterion never changes the inputs of another.

    Parameters
    ----------
    item : the criterion.
    answer : a ``LocalAnswer`` or a sandbox's stand-in.
    seed : of the run; a private key has a private one.
    reference : stand-in of the reference answer, for criteria that ask for it.
    rounds : how many independent inputs it must pass.
    """
    address = zlib.crc32(f"{item.question}/{item.name}".encode())
    extra = {"reference": reference} if item.needs_reference else {}
    if extra and reference is None:
        return Outcome(item, "error", "this criterion needs the reference answer")
    if isinstance(answer, LocalAnswer):
        answer.forget()
    status, message = "passed", ""
    for r in range(rounds):
        rng = np.random.default_rng([seed, r, address])
        try:
            item.function(answer, rng, **extra)
        except AssertionError as error:
            status, message = "failed", _one_line(error) or item.hint
        except Exception as error:
            text = f"the check could not use your result ({_describe(error)})"
            status, message = "error", text
        if message:
            break
    given = getattr(answer, "given", True)
    return Outcome(item, status, message, given, getattr(answer, "raised", ""))


ALONE = "refusing bad input counts for an answer that takes good input"
Trace = tuple[bool, bool, str]  # passed, gave a value, kind of the last error raised


def indiscriminate(traces: list[Trace]) -> list[bool]:
    """Which criteria of a question were passed by refusing good input as well.

    A criterion in which the answer only raised counts if the answer passed another one
    by a value, or at least gave values and lost no other by an error of the same kind.
    Otherwise ``raise ValueError`` alone would earn every criterion on bad input.

    Examples
    --------
    >>> indiscriminate([(True, False, "ValueError"), (False, False, "ValueError")])
    [True, False]
    >>> indiscriminate([(True, False, "ValueError"), (False, True, "")])
    [False, False]
    """
    gives = any(given for _, given, _ in traces)
    right = any(passed and given for passed, given, _ in traces)
    lost = {kind for passed, _, kind in traces if not passed}
    return [
        passed and not given and not right and (not gives or kind in lost)
        for passed, given, kind in traces
    ]


def settle(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of all criteria of a question, less indiscriminate refusals."""
    found = indiscriminate([(o.passed, o.given, o.raised) for o in outcomes])
    return [
        replace(o, status="failed", message=ALONE) if bad else o
        for o, bad in zip(outcomes, found, strict=True)
    ]


def _one_line(error: BaseException, limit: int = 240) -> str:
    """An error's text on one line, without what pytest adds to an assertion."""
    try:
        text = str(error)
    except Exception:
        text = "(its message cannot be shown)"
    text = " ".join(text.split("\nassert ")[0].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _describe(error: BaseException) -> str:
    text = _one_line(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# ----------------------------------------------------------- values that may cross


@dataclass(frozen=True)
class Handle:
    """Names an object that stays on the answer's side (``label`` is for messages)."""

    number: int
    label: str


def plain(value: Any, what: str = "the result") -> Any:
    """Convert to plain values, as they would arrive from a sandbox.

    NumPy scalars become Python numbers; arrays are copied; PyTorch tensors, pandas
    columns and tables and SciPy sparse matrices become arrays.

    Raises
    ------
    AnswerError
        If the value (or a part of it) is of another type, too deep or too large.

    Examples
    --------
    >>> plain((1, [2.5, None]))
    (1, [2.5, None])
    """
    budget = [MAX_VALUES, MAX_BYTES]
    return _plain(value, what, 0, budget)


def _spend(budget: list[int], values: int, size: int, what: str) -> None:
    budget[0] -= values
    budget[1] -= size
    if budget[0] < 0 or budget[1] < 0:
        raise AnswerError(f"{what} is too large to check (more than 64 MB)")


def _plain(value: Any, what: str, depth: int, budget: list[int]) -> Any:
    if depth > MAX_DEPTH:
        raise AnswerError(f"{what} is nested more than {MAX_DEPTH} deep")
    kind = type(value)
    if kind in _PLAIN:
        size = len(value) if kind is str else 8
        if kind is int and value.bit_length() > 8192:
            raise AnswerError(f"{what} is an integer of more than 8,192 bits")
        _spend(budget, 1, size, what)
        return value
    if kind in (list, tuple, range):
        parts = [_plain(v, what, depth + 1, budget) for v in value]
        return tuple(parts) if kind is tuple else parts
    if isinstance(value, dict):  # a defaultdict, a Counter too
        if not all(isinstance(k, str) for k in dict.keys(value)):
            raise AnswerError(f"{what} is a dict whose keys are not all strings")
        items = dict.items(value)
        return {str(k): _plain(v, what, depth + 1, budget) for k, v in items}
    if isinstance(value, np.generic):
        if value.dtype.kind in _ARRAY_KINDS:
            return _plain(value.item(), what, depth, budget)
        raise AnswerError(f"{what} holds a NumPy value of type {value.dtype}")
    array = _as_array(value)
    if array is None:
        if isinstance(value, tuple):  # a named tuple
            return tuple(_plain(v, what, depth + 1, budget) for v in tuple(value))
        raise AnswerError(
            f"{what} is of type {kind.__name__}: return numbers, text, arrays, "
            "or lists, tuples and dicts of them"
        )
    if array.dtype.kind not in _ARRAY_KINDS:
        raise AnswerError(f"{what} is an array of type {array.dtype}: use numbers")
    _spend(budget, 1, array.nbytes, what)
    return widened(np.array(array, order="C", copy=True, subok=False))


def widened(array: np.ndarray) -> np.ndarray:
    """Small integers as int64, so that no sum or product of a criterion wraps around.

    Examples
    --------
    >>> (widened(np.array([200], dtype=np.uint8)) * 2).tolist()
    [400]
    """
    small = array.dtype.kind in "iu" and array.dtype.itemsize < 8
    if small and 8 * array.size <= MAX_BYTES:
        return array.astype(np.int64)
    return array


def _as_array(value: Any) -> np.ndarray | None:
    """The array behind an array-like object of a known library, else None."""
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    library = type(value).__module__.partition(".")[0]
    try:
        if library == "torch" and hasattr(value, "detach"):
            return np.asarray(value.detach().cpu().resolve_conj().numpy())
        if library == "pandas" and hasattr(value, "to_numpy"):
            array = np.asarray(value.to_numpy())
            return array.astype(str) if array.dtype.kind == "O" else array
        if library == "scipy" and hasattr(value, "toarray"):
            cells = int(np.prod(value.shape)) * value.dtype.itemsize
            return None if cells > MAX_BYTES else np.asarray(value.toarray())
    except Exception:
        return None
    return None


# ------------------------------------------------------------------- the answer


class LocalAnswer:
    """Calls the answer in this process, with the manners of a sandbox.

    ``answer.project(A, x)`` calls the function ``project`` of the namespace with copies
    of its arguments and returns plain values. Objects stay inside and are named:

    * ``h = answer.new("Model", rank=3)`` makes an object of the answer's own class;
    * ``answer.call(h, "fit", X)`` calls a method (a method that returns its object
      gives the handle back), ``answer.get(h, "coef_")`` reads an attribute;
    * ``answer.make("numpy.random.default_rng", 7)`` makes a library's object on the
      answer's side, ``answer.define("lambda x: x ** 2")`` a function; either may be
      passed as an argument;
    * ``answer.value("k")`` reads a variable; ``answer.has("k")`` says if it exists;
    * ``answer.apply("get", x)`` calls a function whose name is one of these methods.

    Every failure is an ``AnswerError`` that says what to do.

    Examples
    --------
    >>> LocalAnswer({"double": lambda x: 2 * x}).double(3)
    6
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._objects: list[Any] = []
        self.forget()

    def forget(self) -> None:
        """Note anew whether a value was given and which error was raised last."""
        self.given, self.raised = False, ""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.apply(name, *args, **kwargs)

        return call

    def apply(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call the answer's function ``name``."""
        function = self._lookup(name, "(...)")
        if not callable(function):
            raise AnswerError(f"{name} is not a function: define {name}(...)")
        return self._call(function, name, args, kwargs)

    def new(self, name: str, /, *args: Any, **kwargs: Any) -> Handle:
        """An object of the answer's class ``name``."""
        cls = self._lookup(name, " as a class")
        if not callable(cls):
            raise AnswerError(f"{name} is not a class: define class {name}")
        made = self._guard(cls, name, args, kwargs)
        self.given = True
        return self._keep(made, name)

    def make(self, dotted: str, /, *args: Any, **kwargs: Any) -> Handle:
        """An object of a library, made on the answer's side."""
        module, _, name = dotted.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        return self._keep(self._guard(function, name, args, kwargs), name)

    def define(self, source: str) -> Handle:
        """A value of Python source (usually a lambda), made on the answer's side."""
        return self._keep(eval(source, {"np": np}), source)

    def call(self, handle: Handle, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an object."""
        name = f"{handle.label}.{method}"
        function = getattr(self._objects[handle.number], method, None)
        if not callable(function):
            raise AnswerError(f"{handle.label} needs a method {method}(...)")
        return self._call(function, name, args, kwargs)

    def get(self, handle: Handle, attribute: str, /) -> Any:
        """Read an attribute of an object."""
        what = f"{handle.label}.{attribute}"
        try:
            value = getattr(self._objects[handle.number], attribute)
        except AttributeError:
            message = f"{handle.label} needs an attribute {attribute}"
            raise AnswerError(message) from None
        return self._give(value, what)

    def value(self, name: str, /) -> Any:
        """Read a variable of the answer."""
        return self._give(self._lookup(name, " = ..."), name)

    def has(self, name: str, /) -> bool:
        """Whether the answer defines ``name``."""
        return name in self._namespace

    # How values cross.

    def _lookup(self, name: str, form: str) -> Any:
        if name not in self._namespace:
            raise AnswerError(f"define {name}{form} first, then run its cell")
        return self._namespace[name]

    def _keep(self, value: Any, label: str) -> Handle:
        for number, known in enumerate(self._objects):
            if known is value:
                return Handle(number, label)
        self._objects.append(value)
        return Handle(len(self._objects) - 1, label)

    def _take(self, value: Any) -> Any:
        if isinstance(value, Handle):
            return self._objects[value.number]
        return plain(value, "an argument of this check")

    def _give(self, value: Any, what: str) -> Any:
        for number, known in enumerate(self._objects):
            if known is value and type(value) not in _PLAIN:
                self.given = True
                return Handle(number, type(value).__name__)
        result = plain(value, what)
        self.given = True
        return result

    def _call(
        self, function: Callable[..., Any], name: str, args: Any, kwargs: Any
    ) -> Any:
        result = self._guard(function, name, args, kwargs)
        return self._give(result, f"the result of {name}")

    def _guard(
        self, function: Callable[..., Any], name: str, args: Any, kwargs: Any
    ) -> Any:
        taken = [self._take(a) for a in args]
        named = {k: self._take(v) for k, v in kwargs.items()}
        try:
            return function(*taken, **named)
        except NotImplementedError as error:
            self.raised = type(error).__name__
            message = f"{name} is not written yet"
            raise AnswerError(message, type(error).__name__) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit and the like included
            self.raised = type(error).__name__
            message = f"{name} raised {_describe(error)}"
            raise AnswerError(message, type(error).__name__) from error


# ------------------------------------------------------------------- comparisons
#
# A message says what is wrong with the result and never what it should have been.


def _numbers(value: Any, what: str) -> np.ndarray:
    kind = type(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "iufc":
        return np.asarray(value)
    if kind in (int, float, complex):
        return np.asarray(value)
    if kind in (list, tuple):
        try:
            array = np.asarray(value)
        except Exception:
            array = np.asarray(None)
        if array.dtype.kind in "iufc" and not _holds_bool(value):
            return array
    if kind is np.ndarray:
        raise AssertionError(f"{what} is an array of {value.dtype}, not of numbers")
    if isinstance(value, Handle):
        raise AssertionError(f"{what} is an object, not a number or an array")
    if value is None:
        raise AssertionError(f"{what} is None: is a return missing?")
    raise AssertionError(f"{what} is a {kind.__name__}, not a number or an array")


def _holds_bool(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(_holds_bool(v) for v in value)
    return type(value) is bool


def expect_shape(got: Any, shape: tuple[int, ...], what: str = "the result") -> None:
    """``got`` is an array (or nested list) of numbers of this shape; () is a number.

    Examples
    --------
    >>> expect_shape(np.zeros((2, 3)), (2, 3))
    """
    array = _numbers(got, what)
    if array.shape != tuple(shape):
        have = f"shape {array.shape}" if array.shape else "a single number"
        need = f"shape {tuple(shape)}" if shape else "a single number"
        raise AssertionError(f"{what} is {have}; it must be {need}")


def expect_finite(got: Any, what: str = "the result") -> None:
    """Every number of ``got`` is finite."""
    if not np.isfinite(_numbers(got, what)).all():
        raise AssertionError(f"{what} holds NaN or infinity")


def expect_close(
    got: Any,
    want: Any,
    rtol: float = 1e-6,
    *,
    scale: float | None = None,
    what: str = "the result",
) -> None:
    r"""Every entry is right: max |got - want| <= rtol * max |want|.

    ``scale`` replaces max \|want\|, for a target that is zero. Shapes must be equal.
    The message describes the mistake (sign, factor, transpose, number of entries).

    Examples
    --------
    >>> expect_close([1.0, 2.0], np.array([1.0, 2.0]))
    >>> expect_close(-3.0, 3.0)
    Traceback (most recent call last):
        ...
    AssertionError: the result has the wrong sign
    """
    if not 0 <= rtol < 1:
        raise ValueError("rtol must lie in [0, 1): a larger one cannot fail")
    y = _floats(want, what)  # often computed from other results of the answer
    x = _floats(got, what)
    if x.shape != y.shape:
        expect_shape(got, y.shape, what)
    size = float(np.max(np.abs(y), initial=0.0)) if scale is None else float(scale)
    bad = np.abs(x - y) > rtol * size
    if bad.any():
        raise AssertionError(f"{what} {_mistake(x, y, bad, rtol * size)}")


def _floats(value: Any, what: str) -> np.ndarray:
    """As finite numbers of double precision at least; integers would overflow."""
    expect_finite(value, what)
    array = _numbers(value, what)
    return array.astype(np.result_type(array, np.float64))


def _mistake(x: np.ndarray, y: np.ndarray, bad: np.ndarray, slack: float) -> str:
    """What went wrong, without numbers that would give the answer away."""

    def same(a: np.ndarray) -> bool:
        return a.shape == y.shape and bool((np.abs(a - y) <= slack).all())

    norm = float(np.vdot(x, x).real)
    factor = float(np.vdot(x, y).real) / norm if norm else 0.0
    if same(-x):
        return "has the wrong sign"
    if x.ndim == 2 and same(x.T):
        return "is transposed"
    if not x.any():
        return "is zero"
    if factor and x.size > 1 and same(factor * x):
        return "is right up to a constant factor"
    if x.ndim == 1 and x.size > 1 and same(x[::-1]):
        return "is in reverse order"
    if (np.abs(x - y) <= 1e-5 * np.max(np.abs(y), initial=0.0)).all():
        return "is right to about five digits: compute in double precision"
    if x.ndim == 0:
        return "is too large" if x.real > y.real else "is too small"
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    place = first[0] if len(first) == 1 else first
    return f"is wrong in {int(bad.sum())} of {bad.size} entries, first at {place}"


def expect_equal(got: Any, want: Any, what: str = "the result") -> None:
    """Exactly equal: integers, text, truth values, None and sequences of them.

    A truth value is never taken for a number; lists, tuples and arrays are compared as
    sequences.

    Examples
    --------
    >>> expect_equal([3, 1], (3, 1))
    """
    x, y = _listed(got), _listed(want)
    if type(y) is list:
        if type(x) is not list:
            raise AssertionError(f"{what} is a {_word(got)}, not a sequence")
        if len(x) != len(y):
            raise AssertionError(f"{what} has {len(x)} entries; it needs {len(y)}")
        for i, (a, b) in enumerate(zip(x, y, strict=True)):
            expect_equal(a, b, f"entry {i} of {what}")
    elif type(y) is dict:
        if type(x) is not dict:
            raise AssertionError(f"{what} is a {_word(got)}, not a dict")
        if x.keys() != y.keys():
            raise AssertionError(f"{what} does not have the keys asked for")
        for key in y:
            expect_equal(x[key], y[key], f"{what}[{key!r}]")
    elif type(y) in (int, float, complex):
        if type(x) not in (int, float, complex):
            raise AssertionError(f"{what} is a {_word(got)}, not a number")
        if x != y:
            raise AssertionError(f"{what} is wrong")
    elif type(x) is not type(y):
        raise AssertionError(f"{what} is a {_word(got)}, not a {_word(want)}")
    elif x != y:
        raise AssertionError(f"{what} is wrong")


def _listed(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return list(value) if type(value) is tuple else value


def _word(value: Any) -> str:
    return {"NoneType": "None", "str": "text"}.get(
        type(value).__name__, type(value).__name__
    )


def expect_between(got: Any, low: float, high: float, what: str = "the result") -> None:
    """Every number of ``got`` lies in [low, high] (the bounds are shown).

    Examples
    --------
    >>> expect_between(0.3, 0, 1)
    """
    x = _numbers(got, what)
    expect_finite(got, what)
    if not x.size:
        raise AssertionError(f"{what} is empty")
    if x.dtype.kind == "c":
        raise AssertionError(f"{what} is complex")
    if (x < low).any() or (x > high).any():
        raise AssertionError(f"{what} must lie between {low:g} and {high:g}")


def expect_true(condition: Any, message: str) -> None:
    """A condition that the criterion computed; ``message`` says what is wrong.

    Examples
    --------
    >>> expect_true(2 > 1, "two must exceed one")
    """
    if type(condition) not in (bool, np.bool_):
        raise TypeError("expect_true needs True or False")
    if not condition:
        raise AssertionError(message)


def expect_error(call: Callable[[], Any], kind: str, what: str = "bad input") -> None:
    """The answer refuses: calling it raises an error of the class named ``kind``.

    Examples
    --------
    >>> answer = LocalAnswer({"root": lambda x: x.missing})
    >>> expect_error(lambda: answer.root(1), "AttributeError")
    """
    try:
        call()
    except AnswerError as error:
        if error.kind == kind:
            return
        raise AssertionError(f"{what} must raise {kind}: {error}") from None
    raise AssertionError(f"{what} must raise {kind}")


def numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """Central differences (f(x + h e_i) - f(x - h e_i)) / 2h, in the shape of ``x``.

    Examples
    --------
    >>> g = numerical_gradient(lambda x: float(x @ x), np.array([1.0, 2.0]))
    >>> bool(np.allclose(g, [2, 4]))
    True
    """
    x = np.array(x, dtype=float)
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        high, low = x.copy(), x.copy()
        high[i] += step
        low[i] -= step
        ends = [float(_numbers(f(v), "the value")) for v in (high, low)]
        gradient[i] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def caller_namespace(depth: int = 1) -> dict[str, Any]:
    """Global names of the function that called ours (a notebook's are its cells')."""
    names = sys._getframe(depth + 1).f_globals
    if str(names.get("__name__", "")).startswith("streamrec."):
        names = vars(sys.modules["__main__"])
    return names
