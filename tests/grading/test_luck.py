"""No key gives points for what is returned without looking: constants, echoes, luck.

Each cheat replaces every function of the key's reference at once. The strongest know
the form of the right result (lengths, shapes, keys) and put other numbers into it.
"""

import functools
import warnings

import numpy as np
import pytest
import unprivileged

from streamrec.grading.criteria import LocalAnswer, load_namespace, run, settle
from streamrec.grading.key import load_key

KEYS = sorted((unprivileged.ROOT / "solutions" / "keys").glob("*/key.yaml"))
ALLOWED = 1.0  # points that luck may give in a whole set


def formed(number):
    """The right form, with other numbers in it."""

    def fill(value):
        if isinstance(value, (list, tuple)):
            return type(value)(fill(v) for v in value)
        if isinstance(value, dict):
            return {k: fill(v) for k, v in value.items()}
        if value is None or isinstance(value, (str, bool)):
            return value if value is None else "x"
        array = np.asarray(value)
        made = np.asarray(number(array.shape, array.dtype))
        return made if array.ndim else made.item()

    def cheat(function, *args, **kwargs):
        try:
            return fill(function(*args, **kwargs))
        except Exception:
            return fill(1.0)  # it does not know what to refuse

    return cheat


def constant(value):
    return lambda function, *args, **kwargs: value


def argument(place, change=lambda x: x):
    def cheat(function, *args, **kwargs):
        return change(args[min(place, len(args) - 1)])

    return cheat


def refusal(function, *args, **kwargs):
    raise ValueError("no")


def value_then_refusal():
    calls = []

    def cheat(function, *args, **kwargs):
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("no")
        return 0.0

    return cheat


def full(number):
    return formed(lambda shape, dtype: np.full(shape, number))


def first_then(number):
    """Finite at the first call, then not: for checks that compare two results."""
    calls = []

    def cheat(function, *args, **kwargs):
        calls.append(1)
        return full(1.0 if len(calls) % 2 else number)(function, *args, **kwargs)

    return cheat


def cheats():
    found = {"refusal": refusal, "a value, then refusal": value_then_refusal()}
    for value in (None, 0, 1, -1, True, 0.5, float("nan"), float("inf"), "", [], {}):
        found[f"always {value!r}"] = constant(value)
    for value in ((0.0, 0.0), (1.0, 1.0, 1.0), [[0, 0, 0, None], [1, 1, 1, None]]):
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


def points(key, names):
    """Points by question of an answer with these names."""
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


@pytest.mark.parametrize("path", KEYS, ids=lambda p: p.parent.name)
def test_luck_earns_at_most_one_point(path):
    key = load_key(path.parent)
    stub = load_namespace(key.folder / "stub.py")
    reference = load_namespace(key.folder / "reference.py")
    asked = [n for n, v in stub.items() if callable(v) and v.__class__ is type(points)]
    lucky = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name, cheat in cheats().items():
            names = {n: functools.partial(cheat, reference[n]) for n in asked}
            found = points(key, names)
            if sum(found.values()) > ALLOWED:
                lucky[name] = found
    assert not lucky
