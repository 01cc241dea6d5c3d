"""Criteria, the local stand-in of an answer, and ``selfcheck``."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from streamrec.book import CheckError, chapter_exercises, selfcheck
from streamrec.grading import criteria as crit
from streamrec.grading.criteria import (
    AnswerError,
    LocalAnswer,
    criterion,
    expect_between,
    expect_close,
    expect_equal,
    expect_error,
    expect_finite,
    expect_shape,
    expect_true,
    numerical_gradient,
)

module = sys.modules["streamrec.book.selfcheck"]


# ------------------------------------------------------------------ criteria


def test_criteria_are_collected_in_order_with_their_facts():
    @criterion("q2", points=2, hint="look  again")
    def test_b(answer, rng):
        """the second thing holds.

        More words.
        """

    @criterion("q1", points=0.5, hint="h")
    def test_a_first(answer, rng, reference):
        pass

    second, first = crit.collect({"test_b": test_b, "x": 1, "test_a": test_a_first})
    assert (second.question, second.points, second.hint) == ("q2", 2.0, "look again")
    assert second.label == "the second thing holds"
    assert first.label == "a first"
    assert first.needs_reference
    assert not second.needs_reference


@pytest.mark.parametrize(
    ("question", "points", "hint"), [("1", 1, "h"), ("q1", -1, "h"), ("q1", 1, " ")]
)
def test_a_criterion_of_the_wrong_form_is_refused(question, points, hint):
    with pytest.raises(ValueError, match=r"q1|hint"):
        criterion(question, points, hint)


def test_an_unmarked_test_is_refused():
    with pytest.raises(ValueError, match="lacks @criterion"):
        crit.collect({"test_x": lambda answer, rng: None})


def make(function, points=1.0):
    function.__name__ = "test_it"
    return criterion("q1", points, "a hint")(function).criterion


def test_run_has_four_endings():
    def passes(answer, rng):
        pass

    def fails(answer, rng):
        raise AssertionError

    def stumbles(answer, rng):
        answer.f().missing

    def compares(answer, rng, reference):
        expect_equal(answer.f(), reference.f())

    answer = LocalAnswer({"f": lambda: 1})
    assert crit.run(make(passes), answer, 0).passed
    assert crit.run(make(fails), answer, 0).message == "a hint"
    assert crit.run(make(stumbles), answer, 0).status == "error"
    assert crit.run(make(compares), answer, 0, reference=answer).passed
    assert crit.run(make(compares), answer, 0).status == "error"


def test_inputs_depend_on_seed_and_round_alone():
    seen = []

    def draws(answer, rng):
        seen.append(rng.random())

    item = make(draws)
    for seed in (1, 2, 1):
        crit.run(item, None, seed, rounds=2)
    assert seen[:2] == seen[4:]
    assert len(set(seen)) == 4


def test_a_later_round_can_fail():
    def once(answer, rng):
        expect_true(rng.random() > 0.5, "low")

    outcomes = [crit.run(make(once), None, s, rounds=20).status for s in range(5)]
    assert outcomes == ["failed"] * 5


# ------------------------------------------------------------------ the local answer


def test_inputs_are_copies():
    def spoil(x, table):
        x[:] = 0
        table["rows"].clear()

    x, table = np.ones(3), {"rows": [1, 2]}
    LocalAnswer({"spoil": spoil}).spoil(x, table)
    assert x.sum() == 3
    assert table == {"rows": [1, 2]}


def test_results_are_copies():
    kept = np.zeros(2)
    answer = LocalAnswer({"f": lambda: kept})
    answer.f()[:] = 5
    assert not kept.any()


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.int8(3), 3),
        (range(3), [0, 1, 2]),
        ((1, [2.0, "x"]), (1, [2.0, "x"])),
        ({"a": None}, {"a": None}),
    ],
)
def test_plain_values_cross(value, want):
    got = crit.plain(value)
    assert got == want
    assert type(got) is type(want)


@pytest.mark.parametrize(
    "value",
    [
        np.matrix([[1.0, 2.0]]),
        sp.csr_array(np.array([[1.0, 2.0]])),
        pd.DataFrame([[1.0, 2.0]]),
        np.array([[1.0, 2.0]], order="F"),
    ],
)
def test_known_array_likes_become_arrays(value):
    got = crit.plain(value)
    assert type(got) is np.ndarray
    expect_close(got, np.array([[1.0, 2.0]]))


def test_tensors_become_arrays():
    torch = pytest.importorskip("torch")
    got = crit.plain(torch.ones(2, requires_grad=True))
    assert type(got) is np.ndarray


class Odd:
    def __eq__(self, other):
        return True

    __hash__ = None


def deep():
    value = []
    for _ in range(1000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        Odd(),
        {1: 2},
        {1, 2},
        b"bytes",
        lambda: 1,
        np.array([Odd()]),
        deep(),
        10**5000,
        np.zeros(10**7),
        [0] * 1_100_000,
        np.datetime64("2020-01-01"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_odd_results_are_refused_in_words(value):
    answer = LocalAnswer({"f": lambda: value})
    with pytest.raises(AnswerError, match="the result of f is|the result of f holds"):
        answer.f()


def test_a_list_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(AnswerError, match="nested"):
        crit.plain(loop)


def boom(error):
    raise error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "f raised ValueError: no"),
        (SystemExit(0), "f raised SystemExit"),
        (RecursionError("deep"), "f raised RecursionError"),
        (MemoryError(), "f raised MemoryError"),
        (NotImplementedError(), "f is not written yet"),
        (KeyError("a\nb"), "f raised KeyError"),
    ],
)
def test_errors_of_the_answer_are_told(error, text):
    with pytest.raises(AnswerError) as caught:
        LocalAnswer({"f": lambda: boom(error)}).f()
    assert str(caught.value).startswith(text)
    assert caught.value.kind == type(error).__name__


def test_a_missing_name_says_what_to_do():
    with pytest.raises(AnswerError, match=r"define project\(\.\.\.\) first"):
        LocalAnswer({}).project(1)
    with pytest.raises(AnswerError, match="not a function"):
        LocalAnswer({"k": 3}).k()
    assert LocalAnswer({"k": 3}).value("k") == 3
    assert not LocalAnswer({}).has("k")


class Counter:
    def __init__(self, start=0):
        self.n = start

    def add(self, k):
        self.n += k
        return self

    def other(self):
        return Counter()


def test_objects_stay_inside_behind_handles():
    answer = LocalAnswer({"Counter": Counter, "read": lambda c: c.n})
    h = answer.new("Counter", start=2)
    assert answer.call(h, "add", 3) == h
    assert answer.get(h, "n") == 5
    assert answer.read(h) == 5
    with pytest.raises(AnswerError, match="Counter needs a method fit"):
        answer.call(h, "fit")
    with pytest.raises(AnswerError, match="needs an attribute coef_"):
        answer.get(h, "coef_")
    with pytest.raises(AnswerError, match="of type Counter"):
        answer.call(h, "other")


def test_library_objects_and_functions_are_made_inside():
    names = {
        "draw": lambda rng: rng.random(),
        "twice": lambda f, x: f(f(x)),
        "total": lambda m: m.sum(),
        "get": lambda: 4,
    }
    answer = LocalAnswer(names)
    rng = answer.make("numpy.random.default_rng", 7)
    assert answer.draw(rng) == np.random.default_rng(7).random()
    assert answer.twice(answer.define("lambda x: x ** 2"), 3) == 81
    sparse = answer.make("scipy.sparse.csr_array", np.eye(3))
    assert answer.total(sparse) == 3
    assert answer.apply("get") == 4


# ------------------------------------------------------------------ comparisons


@pytest.mark.parametrize(
    ("got", "want", "text"),
    [
        (np.array([1.0, -2.0]), np.array([-1.0, 2.0]), "has the wrong sign"),
        (np.arange(4.0).reshape(2, 2).T, np.arange(4.0).reshape(2, 2), "transposed"),
        (np.array([2.0, 5.0]), np.array([4.0, 10.0]), "up to a constant factor"),
        (np.array([1.0, 2.0, 4.0]), np.array([4.0, 2.0, 1.0]), "reverse order"),
        (np.zeros(2), np.ones(2), "is zero"),
        (2.0, 3.0, "too small"),
        (4.0, 3.0, "too large"),
        ([1.0, 2.0, 9.0], [1.0, 2.0, 3.5], "wrong in 1 of 3 entries, first at 2"),
        (np.nan, 3.0, "NaN or infinity"),
        (np.ones((2, 3)), np.ones((3, 2)), "shape (2, 3); it must be shape (3, 2)"),
        (np.ones(1), 1.0, "it must be a single number"),
        (None, 1.0, "is a return missing"),
        (True, 1.0, "is a bool"),
        ("1", 1.0, "is a str"),
        ([True, 1.0], [1.0, 1.0], "is a list"),
        (np.array([True]), [1.0], "array of bool"),
        ([[1.0], [1.0, 2.0]], [1.0], "not a number"),
        (crit.Handle(0, "M"), 1.0, "is an object"),
    ],
)
def test_expect_close_describes_the_mistake(got, want, text):
    with pytest.raises(AssertionError) as caught:
        expect_close(got, want)
    said = str(caught.value)
    assert text in said
    assert "3.5" not in said


def test_expect_close_is_relative_to_the_largest_entry():
    expect_close([1e6, 0.0], [1e6, 0.5])
    with pytest.raises(AssertionError):
        expect_close([1.0, 0.0], [1.0, 1e-5])
    with pytest.raises(AssertionError):
        expect_close([1e-9], [0.0])
    expect_close([1e-9], [0.0], scale=1.0)
    with pytest.raises(ValueError, match="cannot fail"):
        expect_close(1.0, 2.0, rtol=1.0)


@pytest.mark.parametrize(
    ("got", "want"),
    [([1, 2], (1, 2)), (np.array([3, 4]), [3, 4]), (1.0, 1), (1, np.int64(1)),
     ("a", "a"), (None, None), ({"a": [1]}, {"a": (1,)}), (True, np.bool_(True))],
)  # fmt: skip
def test_expect_equal_accepts(got, want):
    expect_equal(got, want)


@pytest.mark.parametrize(
    ("got", "want"),
    [([1, 3], [1, 2]), ([1], [1, 2]), (True, 1), (1, True), ("1", 1), (None, 0),
     ({"a": 1}, {"b": 1}), (3, [3]), ("ab", ["a", "b"]), (float("nan"), float("nan"))],
)  # fmt: skip
def test_expect_equal_refuses(got, want):
    with pytest.raises(AssertionError):
        expect_equal(got, want)


def test_the_other_expectations_can_fail():
    for call in (
        lambda: expect_shape([1.0], (2,)),
        lambda: expect_finite([np.inf]),
        lambda: expect_between([0.5, 1.5], 0, 1),
        lambda: expect_true(np.bool_(False), "no"),
        lambda: expect_error(lambda: None, "ValueError"),
    ):
        with pytest.raises(AssertionError):
            call()
    with pytest.raises(TypeError):
        expect_true(np.ones(2), "no")
    answer = LocalAnswer({"f": lambda: boom(TypeError("t"))})
    expect_error(answer.f, "TypeError")
    with pytest.raises(AssertionError, match="must raise ValueError"):
        expect_error(answer.f, "ValueError")


def test_numerical_gradient_of_a_matrix_function():
    A = np.arange(6.0).reshape(2, 3)
    g = numerical_gradient(lambda X: float((X**2).sum()), A)
    expect_close(g, 2 * A, rtol=1e-8)


# ------------------------------------------------------------------ selfcheck

CHECKS = '''
from streamrec.grading.criteria import criterion, expect_close
CHAPTER = 1
HINTS = {"q1": ["one", "two", "three"], "q2": ["read", "think", "write"]}

@criterion("q1", points=1, hint="h")
def test_double(answer, rng):
    """twice the number comes back"""
    x = float(rng.normal())
    expect_close(answer.double(x), 2 * x)

@criterion("q1", points=1, hint="h")
def test_zero(answer, rng):
    """zero stays zero"""
    expect_close(answer.double(0.0), 0.0)
'''


@pytest.fixture
def notebook(tmp_path, monkeypatch, capsys):
    """A folder with checks, and a way to run a cell in it."""
    (tmp_path / "checks.py").write_text(CHECKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_state", {})
    monkeypatch.setattr(module, "_shown", {})
    names = {
        "__name__": "__main__",
        "selfcheck": selfcheck,
        "chapter_exercises": chapter_exercises,
    }

    def run(cell):
        exec(cell, names)
        return capsys.readouterr().out.splitlines()

    return run


def test_selfcheck_prints_a_line_each_and_the_next_hint(notebook):
    assert notebook("chapter_exercises(1)")[0].endswith("2 exercises")
    lines = notebook("selfcheck('q1')")
    assert lines == [
        "✗ q1 twice the number comes back: define double(...) first, then run its cell",
        "✗ q1 zero stays zero: define double(...) first, then run its cell",
        "  hint 1 of 3: one",
        "q1: 2 of 2 visible checks remain",
    ]
    lines = notebook("def double(x): return x\nselfcheck('q1')")
    assert lines[1] == "✓ q1 zero stays zero"
    assert lines[2:] == ["  hint 2 of 3: two", "q1: 1 of 2 visible checks remain"]
    for _ in range(2):
        assert "  hint 3 of 3: three" in notebook("selfcheck('q1')")
    lines = notebook("def double(x): return 2 * x\nselfcheck('q1')")
    assert lines[-1] == "q1: visible checks passed"
    assert not any("correct" in line for line in lines)
    assert "  hint 1 of 3: one" in notebook("del double\nselfcheck('q1')")


@pytest.mark.parametrize(
    "body",
    ["raise SystemExit", "return double(x)", "raise MemoryError", "return double",
     "import sys; sys.exit(3)", "raise GeneratorExit", "raise KeyboardInterrupt",
     "class E(Exception):\n  def __str__(self): raise E\n raise E"],
)  # fmt: skip
def test_selfcheck_never_raises(notebook, body):
    lines = notebook(
        f"def double(x):\n {body}\nout = selfcheck('q1')\nassert out is None"
    )
    assert lines[-1] == "q1: 2 of 2 visible checks remain"


def test_selfcheck_survives_names_that_the_learner_took(notebook):
    lines = notebook("print = abs = None\ndef double(x): return 2 * x\nselfcheck('q1')")
    assert lines[-1] == "q1: visible checks passed"


def test_selfcheck_of_a_written_question_gives_hints(notebook):
    assert notebook("selfcheck('q2')")[-1] == "  hint 1 of 3: read"


def test_selfcheck_says_what_is_wrong_with_the_question(notebook):
    assert "choose one of q1, q2" in notebook("selfcheck('q7')")[0]
    assert notebook("selfcheck(None)")[0].startswith("✗")
    assert "no exercises in this version" in notebook("selfcheck('q1', chapter=39)")[0]
    assert "there is no chapter 77" in notebook("chapter_exercises(77)")[0]


def test_selfcheck_survives_broken_checks(notebook, tmp_path):
    (tmp_path / "checks.py").write_text("CHAPTER = ")
    assert "SyntaxError" in notebook("selfcheck('q1')")[0]
    assert "SyntaxError" in notebook("chapter_exercises(1)")[0]
    (tmp_path / "checks.py").unlink()
    module._state.clear()
    assert "there is no chapter 77" in notebook("selfcheck('q1', chapter=77)")[0]
    assert "run the first cell" in notebook("selfcheck('q1')")[0]


def test_checks_travel_with_the_package(notebook, tmp_path, monkeypatch):
    folder = tmp_path / "package" / "visible"
    folder.mkdir(parents=True)
    (folder / "01_linear_algebra.py").write_text(CHECKS)
    (tmp_path / "checks.py").unlink()
    monkeypatch.setattr(module, "files", lambda name: tmp_path / "package")
    notebook("chapter_exercises(1)")
    lines = notebook("def double(x): return 2 * x\nselfcheck('q1')")
    assert lines[-1] == "q1: visible checks passed"


def test_another_seed_tries_other_inputs(notebook):
    cell = "seen = []\ndef double(x):\n seen.append(x)\n return 2 * x\n"
    notebook(cell + "selfcheck('q1'); selfcheck('q1'); selfcheck('q1', seed=5)")
    notebook("assert seen[0] == seen[2] != seen[4]")


def test_criteria_need_the_base_install_alone():
    code = (
        "import sys, streamrec.grading.criteria, streamrec.book.selfcheck; "
        "heavy = {'pytest', 'torch', 'pandas', 'scipy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_outcomes_and_criteria_are_immutable():
    outcome = crit.Outcome(make(lambda answer, rng: None), "passed")
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.status = "failed"


# ------------------------------------------------------------------ marks of solutions

PAGE = CHECKS + '''
def double(x):
    return helper(x) + x

def helper(x):
    return x

@criterion("q1", points=2, hint="h")
def test_like_the_reference(answer, rng, reference):
    """it agrees with the solution"""
    x = float(rng.normal())
    expect_close(answer.double(x), reference.double(x))
'''


@pytest.fixture
def page(notebook, monkeypatch):
    monkeypatch.setattr(module, "_solved", {})
    notebook("pass")

    def run(cell):
        return notebook(f"from streamrec.book import marks\n{cell}")

    run(PAGE)
    return run


def test_marks_of_a_solution_name_every_criterion(page):
    assert page("marks('q1')") == [
        "✓ q1 twice the number comes back",
        "✓ q1 zero stays zero",
        "✓ q1 it agrees with the solution",
        "q1: the solution gets 4 of 4 automatic points",
    ]


def test_marks_of_a_wrong_answer_name_what_is_lost_and_put_the_solution_back(page):
    page("marks('q1')")
    # the solution calls helper by its name, which the wrong answer takes
    lines = page("def helper(x): return 3 * x\nmarks('q1', wrong=True)")
    assert lines == [
        "✗ twice the number comes back",
        "✗ it agrees with the solution",
        "q1: this wrong answer gets 1 of 4 automatic points",
    ]
    assert page("print(double(2.0))") == ["4.0"]
    lines = page("def double(x): return 1.0 + 2 * x\nmarks('q1', wrong=True)")
    assert lines[-1] == "q1: this wrong answer gets 0 of 4 automatic points"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("marks('q1')\nmarks('q1', wrong=True)", "wrong answer loses nothing"),
        ("marks('q1', wrong=True)", "after the solution first"),
        ("marks('q2')", "no criterion of q2"),
        ("def double(x): return x\nmarks('q1')", "the solution loses test_double"),
    ],
)
def test_a_page_whose_marks_are_false_cannot_be_built(page, cell, said):
    with pytest.raises(CheckError, match=said):
        page(cell)
