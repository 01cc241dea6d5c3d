"""Every exercise set of the book: generated files current, points as stated."""

import subprocess
import sys

import nbtools
import pytest

import exercises

PLACES = exercises.Places(nbtools.ROOT)
NAMES = PLACES.names()

pytestmark = pytest.mark.skipif(not NAMES, reason="no exercise set yet")


@pytest.mark.parametrize("name", NAMES)
def test_the_generated_files_are_current(name):
    exercise = exercises.parse(PLACES.source(name))
    assert not exercises.stale(exercises.outputs(exercise, PLACES), PLACES, name)


@pytest.mark.parametrize("name", NAMES)
def test_solutions_stubs_and_wrong_answers_get_their_points(name):
    exercise = exercises.parse(PLACES.source(name))
    assert not exercises.verify(exercise)


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_solutions_shows_the_points_that_are_stated(name):
    exercise = exercises.parse(PLACES.source(name))
    shown = {}
    for cell in nbtools.read(PLACES.source(name)).cells:
        for output in cell.get("outputs", []):
            for tag in cell.metadata.get("tags", []):
                shown.setdefault(tag, []).append(output.get("text", ""))
    for q in exercise.questions:
        full = sum(c.points for c in q.criteria)
        lines = [t.splitlines()[-1] for t in shown.get(q.id, []) if "gets" in t]
        if q.criteria:
            wanted = [("the solution", full)]
            wanted += [("this wrong answer", points) for _, points, _ in q.wrong]
            assert lines == [
                f"{q.id}: {who} gets {points:g} of {full:g} automatic points"
                for who, points in wanted
            ], f"run the page of {q.id} again: make chapter"


@pytest.mark.parametrize("name", NAMES)
def test_the_untouched_notebook_runs_to_its_end(name):
    # In its own process: the notebook is the learner's, with its own imports.
    tools = str(nbtools.ROOT / "tools")
    code = (
        f"import sys, pathlib; sys.path.insert(0, {tools!r}); import exercises; "
        "print(exercises.run_stub(pathlib.Path(sys.argv[1])))"
    )
    path = PLACES.exercises(name) / "exercises.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "visible checks remain" in done.stdout
    assert "visible checks passed" not in done.stdout


def test_no_generated_folder_lost_its_source():
    made = {p.parent.name for p in PLACES.root.glob("exercises/[0-9]*/checks.py")}
    made |= {p.parent.name for p in PLACES.root.glob("solutions/keys/*/key.yaml")}
    assert made == set(NAMES)
