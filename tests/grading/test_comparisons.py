"""Comparisons that a worthless result must not pass; checks that take too long."""

import types
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import pytest

from streamrec.grading import judge
from streamrec.grading.criteria import (
    Criterion,
    LocalAnswer,
    expect_between,
    expect_close,
    indiscriminate,
    plain,
)

LEAST = -(2**63)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_target_that_is_not_finite_is_refused(bad):
    # a criterion may compute the target from another result of the answer
    with pytest.raises(AssertionError, match="NaN or infinity"):
        expect_close(1.0, bad)
    with pytest.raises(AssertionError, match="NaN or infinity"):
        expect_close(bad, 1.0)


def test_the_smallest_integer_is_not_close_to_zero():
    # |-2^63| is negative as int64
    with pytest.raises(AssertionError):
        expect_close(np.array([LEAST]), np.array([0]), scale=1.0)
    with pytest.raises(AssertionError):
        expect_close(np.array([LEAST, 1]), np.array([0, 1]))


def test_small_integers_do_not_wrap_around():
    got = plain(np.array([[16, 16]], dtype=np.uint8))
    assert (got @ got.T).item() == 512
    assert plain(np.array([2**63], dtype=np.uint64)).dtype == np.uint64


def test_dictionaries_of_other_kinds_are_plain_ones():
    kinds = (defaultdict(float, a=1.5), Counter("aab"), OrderedDict(a=1, b=2))
    for value in (*kinds, {np.str_("a"): 1}):
        got = plain(value)
        assert type(got) is dict and got == dict(value)
        assert all(type(k) is str for k in got)


@pytest.mark.parametrize("bad", [[], np.zeros((0, 3)), 1 + 1j, np.nan, None, True])
def test_only_real_numbers_lie_in_a_range(bad):
    with pytest.raises(AssertionError):
        expect_between(bad, 0, 2)


def test_single_precision_is_named():
    want = np.random.default_rng(0).normal(size=50)
    with pytest.raises(AssertionError, match="double precision"):
        expect_close(want.astype(np.float32), want, rtol=1e-9)
    expect_close(want.astype(np.float32), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("traces", "bad"),
    [
        ([(True, False, "ValueError")], [True]),
        ([(True, False, "ValueError"), (False, True, "")], [False, False]),
        ([(True, False, "ValueError"), (False, True, "ValueError")], [True, False]),
        ([(True, False, "ValueError"), (False, True, "IndexError")], [False, False]),
        (
            [
                (True, False, "ValueError"),
                (False, False, "ValueError"),
                (True, True, ""),
            ],
            [False, False, False],
        ),
    ],
)
def test_refusals_count_for_an_answer_that_takes_good_input(traces, bad):
    assert indiscriminate(traces) == bad


def test_a_check_that_is_too_slow_is_not_a_broken_grader():
    def slow(answer, rng):
        raise judge.TooLong

    told = []
    one = Criterion("q1", "test_slow", 1.0, "Hint.", "slow", slow)
    session = types.SimpleNamespace(given=True, raised="", last_stop=None)
    found = judge.Judge(session, LocalAnswer({}), 1, 1, told.append, None)
    item = types.SimpleNamespace(callspec=types.SimpleNamespace(params={"rng": 0}))
    with pytest.raises(pytest.exit.Exception):
        found._stumbled(item, one, TypeError("odd"))
    assert told[-1]["status"] == "timeout"
