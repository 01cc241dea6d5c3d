"""The exercise tool on a small set: what it writes, what it refuses, what it finds."""

import shutil
from pathlib import Path

import nbformat
import nbtools
import pytest
import yaml

import exercises

FIXTURES = Path(__file__).parent / "fixtures"
NAME = "01-linear-algebra"


@pytest.fixture
def places(tmp_path):
    root = tmp_path / "a root"
    shutil.copytree(FIXTURES, root)
    return exercises.Places(root)


def change(places, cell_id, old, new):
    """Edit the source notebook of the fixture."""
    path = places.source(NAME)
    nb = nbtools.read(path)
    (cell,) = (c for c in nb.cells if c.id == cell_id)
    assert old in cell.source
    cell.source = cell.source.replace(old, new)
    nbtools.write(nb, path)


def find(places, *tags):
    """Id of the first cell with these tags."""
    nb = nbtools.read(places.source(NAME))
    for cell in nb.cells:
        if set(tags) <= set(cell.metadata.get("tags", [])):
            return cell.id
    raise AssertionError(f"no cell tagged {tags}")


def parse(places):
    return exercises.parse(places.source(NAME), relaxed=True)


def refused(places):
    with pytest.raises(exercises.Problems) as caught:
        parse(places)
    return str(caught.value)


# ------------------------------------------------------------------ what is written


def test_the_stored_files_are_current_and_verified():
    places = exercises.Places(FIXTURES)
    exercise = parse(places)
    assert not exercises.stale(exercises.outputs(exercise, places), places, NAME)
    assert not exercises.verify(exercise)


def test_the_same_source_gives_the_same_bytes(places):
    assert exercises.outputs(parse(places), places) == exercises.outputs(
        parse(places), places
    )


def test_the_learners_notebook_holds_no_answer(places):
    nb = nbformat.from_dict(exercises._stub(parse(places)))
    text = "\n".join(c.source for c in nb.cells)
    for secret in (
        "linalg",
        "lstsq",
        "held-back",
        "reference",
        "Leaving out",
        "return",
    ):
        assert secret not in text.replace("which returns", "")
    assert text.count("selfcheck(") == 2
    assert all(not c.get("outputs") for c in nb.cells if c.cell_type == "code")
    ids = [c.id for c in nb.cells]
    assert len(set(ids)) == len(ids)


def test_visible_checks_hold_nothing_held_back(places):
    files = exercises.outputs(parse(places), places)
    text = files[places.exercises(NAME) / "checks.py"]
    assert text == files[places.visible(NAME)]
    assert "test_the_residual_is_orthogonal" in text
    assert "least_squares" not in text
    assert "linalg" not in text


def test_the_key_lists_everything_a_grader_expects(places):
    key = yaml.safe_load(exercises._key_text(parse(places)))
    assert [q["id"] for q in key["questions"]] == ["q1", "q2", "q3"]
    first, _, last = key["questions"]
    assert [c["points"] for c in first["criteria"]] == [1, 2, 1]
    assert [c["visible"] for c in first["criteria"]] == [True, False, False]
    assert list(last["rubric"][0]["levels"]) == [0, 40, 75, 100]
    assert key["points"] == 9
    for entry in first["wrong"]:
        assert (places.key(NAME) / entry["file"]).is_file()


def test_a_written_answer_gets_a_cell_and_collapsed_hints(places):
    cells = {c.id: c.source for c in exercises._stub(parse(places)).cells}
    assert "Write it here" in cells["ch01-q3-answer"]
    assert cells["ch01-q3-hints"].count("<details>") == 3


def test_check_reports_stale_missing_and_left_over_files(places, capsys):
    argv = ["--check", "--relaxed", "--root", str(places.root)]
    assert exercises.main(argv) == 0
    (places.exercises(NAME) / "checks.py").write_text("changed")
    (places.key(NAME) / "key.yaml").unlink()
    (places.key(NAME) / "wrong" / "q9-old.py").write_text("")
    assert exercises.main(argv) == 1
    said = capsys.readouterr().err
    assert "checks.py is out of date" in said
    assert "key.yaml is missing" in said
    assert "q9-old.py has no source any more" in said
    assert exercises.main(argv[1:]) == 0
    assert exercises.main(argv) == 0


def test_the_untouched_notebook_runs_to_its_end(places):
    printed = exercises.run_stub(places.exercises(NAME) / "exercises.ipynb")
    assert "q1: 1 of 1 visible checks remain" in printed
    assert "hint 1 of 3" in printed
    assert "passed" not in printed


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("tags", "old", "new", "message"),
    [
        (("q1", "question"), "## q1. ", "## Q. ", "the first line must read"),
        (("q1", "question"), "Level ★ ", "Level * ", "the second line must read"),
        (("q1", "question"), "objective 1", "objective 6", "the second line must read"),
        (("q1", "question"), "4 points", "5 points", "says 5 points"),
        (("q1", "question"), "· code*", "· coding*", "the kind is one of"),
        (("q1", "hints"), "3. Solve", "Solve", "exactly three hints"),
        (("q1", "wrong"), ", points 0", "", "# wrong: name, points"),
        (("q1", "wrong"), "points 0", "points 4", "must lose points"),
        (("q1", "visible"), '"q1"', '"q2"', "is marked q2"),
        (("q1", "visible"), "rng.normal(size=(7, 3)), rng.normal(size=7)",
         "np.eye(7)[:, :3], np.ones(7)", "must draw inputs from rng"),
        (("q1", "visible"), "(answer, rng)", "(answer, rng, reference)",
         "a visible criterion cannot use the reference"),
        (("q1", "held-back"), "(answer, rng, reference)", "(answer)", "takes (answer"),
        (("q1", "held-back"), "test_it_agrees_with_least_squares",
         "test_the_residual_is_orthogonal", "is already defined"),
        (("q3", "rubric"), "    40: names the two residuals\n", "", "0, 40, 75"),
        (("q3", "rubric"), "```yaml", "```", "```yaml fence"),
        (("criteria",), "criterion,", "", "does not run"),
    ],
)  # fmt: skip
def test_a_malformed_source_is_refused(places, tags, old, new, message):
    cell_id = find(places, *tags)
    change(places, cell_id, old, new)
    said = refused(places)
    assert message in said
    assert "q1" in said or "q3" in said or cell_id in said


@pytest.mark.parametrize("part", ["hints", "solution", "discussion", "stub", "visible",
                                  "held-back", "wrong", "question"])  # fmt: skip
def test_a_missing_part_is_named(places, part):
    path = places.source(NAME)
    nb = nbtools.read(path)
    nb.cells = [
        c for c in nb.cells if not {"q1", part} <= set(c.metadata.get("tags", []))
    ]
    nbtools.write(nb, path)
    assert f"tagged {part}" in refused(places)


def test_an_untagged_cell_is_refused(places):
    path = places.source(NAME)
    nb = nbtools.read(path)
    nb.cells.append(nbformat.v4.new_markdown_cell("stray", id="ch01-stray"))
    nbtools.write(nb, path)
    assert "cell ch01-stray: give it one of the tags" in refused(places)


def test_a_whole_set_has_a_minimum():
    with pytest.raises(exercises.Problems) as caught:
        exercises.parse(exercises.Places(FIXTURES).source(NAME))
    said = str(caught.value)
    for part in ("at least eight", "★★★★", "4 code", "2 derivation", "1 judgement"):
        assert part in said


def test_bad_input_is_one_line(places, capsys):
    places.source(NAME).write_text("{not json")
    with pytest.raises(SystemExit) as caught:
        exercises.main(["--relaxed", "--root", str(places.root)])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "is not a notebook" in said
    assert len(said.strip().splitlines()) == 1


def test_an_unknown_chapter_is_one_line(places, capsys):
    with pytest.raises(SystemExit) as caught:
        exercises.main(["99", "--root", str(places.root)])
    assert caught.value.code == 2
    assert "there is no chapter 99" in capsys.readouterr().err


# ------------------------------------------------------------------ marks shown


def test_marks_are_added_once_where_they_are_missing(places):
    nb = nbtools.read(places.source(NAME))
    assert exercises.fill(nb)
    assert not exercises.fill(nb)
    tags = [c.metadata.get("tags", []) for c in nb.cells]
    for q in ("q1", "q2"):
        place = next(i for i, t in enumerate(tags) if t == [q, "selfcheck"])
        assert tags[place - 1] == [q, "held-back"]
        assert f'marks("{q}")' in nb.cells[place].source
    wrong = [c.source for c in nb.cells if "wrong" in c.metadata.get("tags", [])]
    assert wrong and all(s.rstrip().endswith(", wrong=True)") for s in wrong)


def test_lines_that_show_marks_stay_out_of_what_is_generated(places):
    before = exercises.outputs(parse(places), places)
    nb = nbtools.read(places.source(NAME))
    exercises.fill(nb)
    nbtools.write(nb, places.source(NAME))
    assert exercises.outputs(parse(places), places) == before


def test_a_set_without_marks_is_refused():
    with pytest.raises(exercises.Problems, match="does not show its marks"):
        exercises.parse(exercises.Places(FIXTURES).source(NAME))


def test_a_stored_wrong_answer_holds_only_what_it_changes(places):
    for path in (places.key(NAME) / "wrong").glob("*.py"):
        text = path.read_text("utf-8")
        assert "import" not in text and "SEED" not in text, path.name


# ------------------------------------------------------------------ what verify finds


def problems_of(places):
    return "\n".join(exercises.verify(parse(places)))


def test_a_solution_that_fails_is_found(places):
    change(places, find(places, "q1", "solution"), "return A @", "return 2 * A @")
    assert "q1: the solution fails test_the_residual" in problems_of(places)


def test_a_solution_that_leans_on_another_question_is_found(places):
    cell = find(places, "q2", "solution")
    change(places, cell, "d = X.shape[1]", "d = project(X, y) * 0 + X.shape[1]")
    assert "name 'project' is not defined" in problems_of(places)


def test_a_stub_that_earns_points_is_found(places):
    refusal = "if A.shape[1] > A.shape[0]:\n        raise ValueError\n    return 0 * x"
    change(places, find(places, "q1", "stub"), "raise NotImplementedError", refusal)
    said = problems_of(places)
    assert "the untouched stub passes test_wide_matrices_are_refused" in said


def test_wrong_points_are_found(places):
    change(places, find(places, "q1", "wrong"), "points 0", "points 1")
    assert "no-gram-matrix gets 0 of 4 points, not the 1 stated" in problems_of(places)


def test_a_criterion_that_no_wrong_answer_loses_is_found(places):
    path = places.source(NAME)
    nb = nbtools.read(path)
    nb.cells = [c for c in nb.cells if "nothing returned" not in c.source]
    nbtools.write(nb, path)
    assert "no stored wrong answer loses test_fit_returns" in problems_of(places)
