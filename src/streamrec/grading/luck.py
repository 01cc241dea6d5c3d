"""Does a key give points for luck: for constants, echoes, the right form alone?

Each cheat stands in for every function of the key's reference at once. The strongest
know the form of the right result (lengths, shapes, keys) and put other numbers into it.
A criterion that one of them passes asks too little: require also that the result is not
zero, or that it depends on the data.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrec.grading.criteria import LocalAnswer, load_namespace, run, settle
from streamrec.grading.key import Key

ALLOWED = 1.0  # points that luck may give in a whole set; in a project none
Cheat = Callable[..., Any]


def formed(number: Callable[..., Any]) -> Cheat:
    """The right form, with other numbers in it."""

    def fill(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(fill(v) for v in value)
        if isinstance(value, dict):
            return {k: fill(v) for k, v in value.items()}
        if value is None or isinstance(value, (str, bool)):
            return value if value is None else "x"
        array = np.asarray(value)
        made = np.asarray(number(array.shape, array.dtype))
        return made if array.ndim else made.item()

    def cheat(function: Cheat, *args: Any, **kwargs: Any) -> Any:
        try:
            return fill(function(*args, **kwargs))
        except Exception:
            return fill(1.0)  # it does not know what to refuse

    return cheat


def constant(value: Any) -> Cheat:
    """Always this, whatever is asked."""
    return lambda function, *args, **kwargs: value


def argument(place: int, change: Cheat = lambda x: x) -> Cheat:
    """What came in, changed in a simple way."""

    def cheat(function: Cheat, *args: Any, **kwargs: Any) -> Any:
        return change(args[min(place, len(args) - 1)])

    return cheat


def refusal(function: Cheat, *args: Any, **kwargs: Any) -> Any:
    """Whatever comes is refused."""
    raise ValueError("no")


def value_then_refusal() -> Cheat:
    """A value at the first call, refusals after it."""
    calls: list[int] = []

    def cheat(function: Cheat, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("no")
        return 0.0

    return cheat


def full(number: float) -> Cheat:
    """The right form, one number in all of it."""
    return formed(lambda shape, dtype: np.full(shape, number))


def first_then(number: float) -> Cheat:
    """Finite at the first call, then not: for checks that compare two results."""
    calls: list[int] = []

    def cheat(function: Cheat, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return full(1.0 if len(calls) % 2 else number)(function, *args, **kwargs)

    return cheat


def cheats() -> dict[str, Cheat]:
    """All cheats, by a name for messages."""
    found: dict[str, Cheat] = {
        "refusal": refusal,
        "a value, then refusal": value_then_refusal(),
    }
    values: list[Any] = [None, 0, 1, -1, True, 0.5, float("nan"), float("inf"), "", []]
    values += [{}, (0.0, 0.0), (1.0, 1.0, 1.0), [[0, 0, 0, None], [1, 1, 1, None]]]
    for value in values:
        found[f"always {value!r}"] = constant(value)
    found["four rows"] = constant([[i, 0, 0, None] for i in range(4)])
    for number in (0, 0.0, 1, 1.0, -1, 0.5, 1e-300, 1e308, -1e308, -(2**63)):
        found[f"filled with {number!r}"] = full(number)
    for number in (float("nan"), float("inf"), float("-inf")):
        found[f"filled with {number!r}"] = full(number)
        found[f"one, then {number!r}"] = first_then(number)
    rng = np.random.default_rng(0)
    found["noise"] = formed(lambda shape, dtype: rng.normal(size=shape))
    found["counting"] = formed(
        lambda shape, dtype: np.arange(int(np.prod(shape))).reshape(shape)
    )
    found["falling"] = formed(
        lambda shape, dtype: -np.arange(int(np.prod(shape))).reshape(shape)
    )
    found["identity"] = formed(
        lambda shape, dtype: np.eye(*shape) if len(shape) == 2 else np.ones(shape)
    )
    for place in range(4):
        found[f"argument {place}"] = argument(place)
        found[f"zeros as {place}"] = argument(place, lambda x: np.zeros(np.shape(x)))
        found[f"length of {place}"] = argument(place, lambda x: np.arange(np.size(x)))
    return found


class Empty:
    """A folder in which nothing is written, for the criteria of a project."""

    def restart(self) -> None:
        """Nothing to start."""

    def words_added(self) -> dict[str, int]:
        """There are no documents."""
        return {}

    def run_notebook(self, name: str, variable: str) -> tuple[list[str], Any]:
        """It leaves nothing."""
        return [], None


class Guess(LocalAnswer):
    """An answer made of cheats, in a folder in which nothing is written."""

    handed_in = Empty()


def points(
    key: Key, names: dict[str, Any], known: dict[str, Any] | None = None
) -> dict[str, float]:
    """Points by criterion of an answer with these names, run in this process.

    ``known`` are the names of the reference; by default they are loaded.
    """
    criteria = load_namespace(key.folder / "criteria.py")
    reference = LocalAnswer(known or load_namespace(key.folder / "reference.py"))
    found = {}
    for q in key.questions:
        outcomes = [
            run(
                criteria[c["name"]].criterion,
                Guess(names),
                7,
                reference=reference,
                rounds=key.rounds,
            )
            for c in q["criteria"]
        ]
        for o in settle(outcomes):
            if o.passed:
                found[o.criterion.name] = o.criterion.points
    return found


def lucky(key: Key) -> list[str]:
    """Cheats that earn more than ``ALLOWED`` points, one sentence each."""
    reference = load_namespace(key.folder / "reference.py")
    stub = load_namespace(key.folder / "stub.py")
    asked = [n for n, v in stub.items() if inspect.isfunction(v) and n in reference]
    problems = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, cheat in cheats().items():
            own = {n: functools.partial(cheat, reference[n]) for n in asked}
            found = points(key, own)
            total = sum(found.values())
            if total > ALLOWED:
                which = ", ".join(found)
                problems.append(f"luck ({name}) earns {total:g} points: {which}")
    return problems


def remembered(function: Cheat) -> Cheat:
    """The same function; a call with equal arrays and values is not repeated."""
    results: dict[bytes, Any] = {}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        digest = hashlib.sha256()
        if not _note(digest, [*args, *sorted(kwargs.items())]):
            return function(*args, **kwargs)
        if digest.digest() not in results:
            results[digest.digest()] = function(*args, **kwargs)
        return copy.deepcopy(results[digest.digest()])

    return call


def _note(digest: Any, value: Any) -> bool:
    """Whether the value is plain; its content goes into the digest."""
    if isinstance(value, (list, tuple)):
        digest.update(f"{type(value)} {len(value)}".encode())
        return all(_note(digest, v) for v in value)
    if isinstance(value, dict):
        return _note(digest, list(value.items()))
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode() + value.tobytes())
        return True
    digest.update(repr(value).encode())
    return value is None or isinstance(value, (bool, int, float, str))


def blind(cheat: Cheat) -> Cheat:
    """The cheat, which cannot know whether a list of sentences is empty."""

    def other(function: Cheat, *args: Any, **kwargs: Any) -> Any:
        value = cheat(function, *args, **kwargs)
        told = type(value) is list and all(type(v) is str for v in value)
        return ["x"] if told else value

    return other


PROJECT_CHEATS = (
    "refusal", "always 0", "always []", "filled with 0", "filled with 1.0",
    "filled with nan", "noise", "counting", "argument 0",
)  # fmt: skip


def lucky_project(key: Key) -> list[str]:
    """Cheats that earn anything in the parts of a project, one sentence each.

    A few of the cheats serve, for each meets as many worlds as a project does.
    """
    reference = load_namespace(key.folder / "reference.py")
    known = {n: remembered(v) for n, v in reference.items() if inspect.isfunction(v)}
    problems = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name in PROJECT_CHEATS:
            cheat = cheats()[name]
            cheat = cheat if name.startswith("always") else blind(cheat)
            own = {n: functools.partial(cheat, v) for n, v in known.items()}
            found = points(key, own, known)
            if found:
                which = ", ".join(found)
                total = sum(found.values())
                problems.append(f"luck ({name}) earns {total:g} points: {which}")
    return problems
