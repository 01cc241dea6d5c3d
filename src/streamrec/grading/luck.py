"""Does a key give points for luck: for constants, echoes, the right form alone?

Each cheat stands in for every function of the key's reference at once. The strongest
know the form of the right result (lengths, shapes, keys) and put other numbers into it.
A criterion that one of them passes asks too little: require also that the result is not
zero, or that it depends on the data.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrec.grading.criteria import LocalAnswer, load_namespace, run, settle
from streamrec.grading.key import Key

ALLOWED = 1.0  # points that luck may give in a whole set
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


def points(key: Key, names: dict[str, Any]) -> dict[str, float]:
    """Points by criterion of an answer with these names, run in this process."""
    criteria = load_namespace(key.folder / "criteria.py")
    reference = LocalAnswer(load_namespace(key.folder / "reference.py"))
    found = {}
    for q in key.questions:
        outcomes = [
            run(
                criteria[c["name"]].criterion,
                LocalAnswer(names),
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
