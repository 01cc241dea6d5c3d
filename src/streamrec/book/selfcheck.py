"""``selfcheck("q1")``: the visible criteria of an exercise, run where it is written.

The criteria stand next to the notebook in ``checks.py``; for a notebook that was
downloaded alone, the same text travels in the package. Nothing here ever raises: a
notebook runs to its end whatever its answers do.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from streamrec.book.checks import CheckError
from streamrec.grading.criteria import (
    Criterion,
    LocalAnswer,
    Outcome,
    caller_namespace,
    collect,
    load_namespace,
    run,
    settle,
)
from streamrec.syllabus import load

_state: dict[str, int] = {}  # the chapter whose notebook is open
_shown: dict[tuple[int, str], int] = {}  # hints shown so far
_solved: dict[str, dict[str, Any]] = {}  # names of a solutions page, by question
ROUNDS = 2  # independent inputs of a criterion on a page of solutions, as in a key


class _NoChecks(Exception):
    """The visible criteria cannot be found; the message says what to do."""


def chapter_exercises(number: int) -> None:
    """State which chapter this notebook's exercises belong to.

    Stands in the first code cell of every exercise notebook. Never raises.

    Examples
    --------
    >>> chapter_exercises(99)
    ✗ there is no chapter 99: choose one from 1 to 39
    """
    try:
        _state["chapter"] = number
        names = _checks(number)
        title = load().chapter(number).title
        print(f"Chapter {number}, {title}: {len(names['HINTS'])} exercises")
    except _NoChecks as error:
        print(f"✗ {error}")
    except Exception as error:
        print(f"✗ the exercises cannot be read ({type(error).__name__}: {error})")


def selfcheck(
    question: str, *, chapter: int | None = None, seed: int | None = None
) -> None:
    """Run the visible criteria of one question on the answers in this notebook.

    Prints a line for each criterion and, if one fails, the next of three hints.
    "Visible checks passed" is not "correct": held-back criteria use other inputs.
    Never raises.

    Parameters
    ----------
    question : the question's id, for example ``"q1"``.
    chapter : its chapter; by default that of :func:`chapter_exercises`.
    seed : of the random inputs; another one tries others.
    """
    namespace = caller_namespace()
    try:
        _selfcheck(question, namespace, chapter, 0 if seed is None else seed)
    except _NoChecks as error:
        print(f"✗ {error}")
    except KeyboardInterrupt:
        print(f"✗ {question}: interrupted")
    except BaseException as error:
        print(f"✗ {question}: the check stumbled ({type(error).__name__}: {error})")


def marks(question: str, *, wrong: bool = False) -> None:
    """What every criterion of a question gives the answer defined just now.

    For pages of solutions, where the criteria, visible and held back, stand among the
    cells. After the solution it prints a line for each criterion. After a wrong answer
    (``wrong=True``) it prints the points and the criteria that are lost, and puts the
    solution's names back.

    Parameters
    ----------
    question : the question's id, for example ``"q1"``.
    wrong : whether the answer is one that must lose points.

    Raises
    ------
    CheckError
        If the solution loses a point, a wrong answer loses none, or there is no
        criterion; so a page that says otherwise cannot be built.
    """
    names = caller_namespace()
    items = [c for c in collect(names) if c.question == question]
    if not items:
        raise CheckError(f"no criterion of {question} is defined above this cell")
    if not wrong:
        _solved[question] = {
            k: v for k, v in names.items() if callable(v) or not k.startswith("_")
        }
    elif question not in _solved:
        raise CheckError(f'run marks("{question}") after the solution first')
    reference = _Solution(names, _solved[question])
    outcomes = settle(
        [
            run(item, LocalAnswer(names), 0, reference=reference, rounds=ROUNDS)
            for item in items
        ]
    )
    names.update(_solved[question])
    lost = [o for o in outcomes if not o.passed]
    full = sum(item.points for item in items)
    got = full - sum(o.criterion.points for o in lost)
    said = f"gets {got:g} of {full:g} automatic points"
    if wrong:
        for outcome in lost:
            print(f"✗ {outcome.criterion.label}")
        print(f"{question}: this wrong answer {said}")
        if not lost:
            raise CheckError(f"{question}: a stored wrong answer loses nothing")
        return
    for outcome in outcomes:
        _line(outcome)
    print(f"{question}: the solution {said}")
    if lost:
        raise CheckError(f"{question}: the solution loses {lost[0].criterion.name}")


class _Solution(LocalAnswer):
    """The solution as it stood, though a wrong answer has taken some of its names."""

    def __init__(self, page: dict[str, Any], solved: dict[str, Any]) -> None:
        super().__init__(solved)
        self._page, self._solved = page, solved

    def _guard(
        self, function: Callable[..., Any], name: str, args: Any, kwargs: Any
    ) -> Any:
        taken = {k: v for k, v in self._page.items() if k in self._solved}
        self._page.update(self._solved)
        try:
            return super()._guard(function, name, args, kwargs)
        finally:
            self._page.update(taken)


def _selfcheck(
    question: str, namespace: dict[str, Any], chapter: int | None, seed: int
) -> None:
    number = _state.get("chapter") if chapter is None else chapter
    names = _checks(number)
    hints = names["HINTS"]
    if question not in hints:
        known = ", ".join(hints)
        raise _NoChecks(f"there is no question {question!r}: choose one of {known}")
    key = (names["CHAPTER"], question)
    items = [c for c in collect(names) if c.question == question]
    if not items:
        print(f"{question} has no automatic check: it is read by a person")
        _hint(key, hints[question])
        return
    outcomes = [_try(item, namespace, seed) for item in items]
    for outcome in outcomes:
        _line(outcome)
    failed = sum(not outcome.passed for outcome in outcomes)
    if failed:
        _hint(key, hints[question])
        print(f"{question}: {failed} of {len(items)} visible checks remain")
    else:
        _shown.pop(key, None)
        print(f"{question}: visible checks passed")


def _try(item: Criterion, namespace: dict[str, Any], seed: int) -> Outcome:
    try:
        return run(item, LocalAnswer(namespace), seed)
    except KeyboardInterrupt:
        return Outcome(item, "failed", "interrupted")
    except BaseException as error:
        return Outcome(item, "failed", f"raised {type(error).__name__}")


def _line(outcome: Outcome) -> None:
    item = outcome.criterion
    mark = "✓" if outcome.passed else "✗"
    tail = f": {outcome.message}" if outcome.message else ""
    print(f"{mark} {item.question} {item.label}{tail}")


def _hint(key: tuple[int, str], hints: list[str]) -> None:
    step = min(_shown.get(key, 0) + 1, len(hints))
    _shown[key] = step
    print(f"  hint {step} of {len(hints)}: {hints[step - 1]}")


def _checks(number: int | None) -> dict[str, Any]:
    """The namespace of the visible criteria: beside the notebook, else packaged."""
    beside = Path("checks.py")
    if beside.is_file():
        names = load_namespace(beside.resolve())
        if number is None or names.get("CHAPTER") == number:
            return names
    if number is None:
        raise _NoChecks("run the first cell: it says chapter_exercises(number)")
    try:
        name = load().chapter(number).name.replace("-", "_")
    except KeyError as error:
        raise _NoChecks(str(error.args[0])) from None
    packaged = files("streamrec.book").joinpath("visible", f"{name}.py")
    if not packaged.is_file():
        raise _NoChecks(f"chapter {number} has no exercises in this version")
    return load_namespace(f"{name}.py", packaged.read_text("utf-8"))
