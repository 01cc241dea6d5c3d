"""Projects are laid out, checked and graded; each stored one gets what it should."""

import dataclasses
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile

import make_projects
import pytest
import unprivileged

from streamrec.grading import ingest, luck, project
from streamrec.grading.criteria import collect, load_namespace
from streamrec.grading.judge import check_criteria
from streamrec.grading.key import load_key
from streamrec.grading.state import read_states
from streamrec.tracks import key as keys
from streamrec.tracks import layout, milestones
from streamrec.tracks.check import check, read_project, written

QUICK = ("full", "blank", "reexport", "minimal", "leaks")


def streamrec(*words, cwd=None):
    """Output of the command, and its exit status."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", "streamrec.cli", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False
    )


# ------------------------------------------------------------------ the tables


@pytest.mark.parametrize("track", milestones.TRACKS)
def test_points_of_parts_are_those_of_the_rubric(track):
    table = keys.key_table(track)
    have, full = milestones.today(track)
    found = sum(c["points"] for q in table["questions"] for c in q["criteria"])
    assert abs(found - have) < 0.1  # rounding of the scaled ones
    assert sum(r["points"] - r["today"] for r in table["later"]) == pytest.approx(
        full - have, abs=0.05
    )
    assert table["points"] == pytest.approx(found + 100 - full)
    for part in milestones.PARTS:
        if part.track == track:
            q = next(q for q in table["questions"] if q["id"] == part.question)
            assert q["points"] == part.share


@pytest.mark.parametrize("track", milestones.TRACKS)
def test_a_key_is_whole_and_its_criteria_match(track, tmp_path):
    key = load_key(keys.write_key(tmp_path / "key", track, "5"))
    assert key.kind == "project" and key.track == track
    assert list(check_criteria(key)) == []
    hidden = {q["id"]: q["hide"] for q in key.questions if q["criteria"]}
    assert all(hidden.values())
    with pytest.raises(ValueError, match="not empty"):
        keys.write_key(tmp_path / "key", track)


def test_the_reference_has_every_function_and_the_templates_are_stubs():
    names = [name for part in milestones.PARTS for name in part.functions]
    assert len(names) == len(set(names))  # a key has them all in one module
    for part in milestones.PARTS:
        for name in part.functions:
            assert callable(milestones.reference_of(name))
        found = written(layout.template(f"{part.module}.py"), part.functions)
        assert found == (list(part.functions) if part.given else [])


# ------------------------------------------------------------------ new and check


def test_new_lays_out_a_project_that_check_runs(tmp_path):
    assert (
        streamrec("project", "new", "demo", "--track", "A", cwd=tmp_path).stderr == ""
    )
    done = streamrec("project", "check", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 11 are yours" in done.stdout
    assert done.stdout.count("✓") == 4  # the whole runs, on the reference
    assert done.stdout.count("○") == 1 and "✗" not in done.stdout
    again = streamrec("project", "new", "demo", "--track", "A", cwd=tmp_path)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "not empty" in again.stderr


@pytest.mark.parametrize("track", milestones.TRACKS)
def test_a_layout_holds_what_its_track_asks(track, tmp_path):
    folder = layout.create(tmp_path / "My-rec", track)
    assert read_project(folder).package == "my_rec"
    for part in milestones.parts(track):
        assert (folder / "my_rec" / f"{part.module}.py").is_file()
    assert len(list((folder / "docs").iterdir())) >= 5
    assert json.loads((folder / "report.ipynb").read_text())["nbformat"] == 4
    assert "{" not in (folder / "README.md").read_text()
    assert stat.S_IMODE(folder.stat().st_mode) & 0o700 == 0o700


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("1st", "letter first"),
        ("a b", "letter first"),
        ("é", "letter first"),
        ("json", "taken by Python"),
        ("class", "taken by Python"),
        ("numpy", "installed already"),
        ("streamrec", "installed already"),
        ("nowhere/demo", "does not exist"),
        ("x" * 41, "up to 40"),
    ],
)
def test_bad_names_are_refused_in_one_line(name, why, tmp_path):
    with pytest.raises(ValueError, match=why) as caught:
        layout.create(tmp_path / name, "A")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_layout_that_cannot_be_finished_leaves_nothing(tmp_path, monkeypatch):
    def fail(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout.os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        layout.create(tmp_path / "demo", "A")
    assert list(tmp_path.iterdir()) == []


def laid(tmp_path, name):
    make_projects.write(tmp_path, [name])
    return tmp_path / name


def test_check_counts_what_is_written_and_shows_hints(tmp_path):
    folder = laid(tmp_path, "wrong-audit")
    _, (good,) = check(folder, "m10")
    assert good.yours and not good.failed
    _, (bad,) = check(folder, "Audit")
    status = {c["name"]: c["status"] for c in bad.criteria}
    assert bad.yours and bad.failed
    assert {n for n, s in status.items() if s == "failed"} == make_projects.LOST[
        "wrong-audit"
    ]
    assert all(c["hint"] for c in bad.criteria if c["status"] == "failed")
    with pytest.raises(ValueError, match="Gate, M0, M1, M2, M3, M4, M5, M9, M10, M12"):
        check(folder, "M6")


def test_check_survives_a_project_that_ends_its_process(tmp_path):
    folder = laid(tmp_path, "broken")
    (folder / "demo" / "m10_batch.py").write_text(
        "import os\nos._exit(3)\naccept = 1\n"
    )
    (folder / "demo" / "audit.py").write_text("def selection_rates(a, b):\n    1 / 0\n")
    _, results = check(folder)
    found = {r.name: r for r in results}
    assert "not Python (line 1)" in found["M2"].message
    assert "ended the process" in found["M10"].message
    status = {c["name"]: c["status"] for c in found["Audit"].criteria}
    assert sorted(status.values()) == ["failed", "failed", "failed"]
    assert not found["Gate"].failed and not found["M0"].failed
    assert not found["Audit"].yours and found["M0"].yours


def test_check_says_when_there_is_no_project(tmp_path):
    done = streamrec("project", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no project in .")


# ------------------------------------------------------------------ reading


def test_a_project_is_found_in_a_zip_and_below_a_folder(tmp_path):
    folder = laid(tmp_path, "blank")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        for place in sorted(folder.rglob("*")):
            out.write(place, place.relative_to(tmp_path))
        out.writestr("../outside.py", "x = 1")
    (tmp_path / "copy").mkdir()
    found = project.read_project(path, False, tmp_path / "copy")
    assert (found.track, found.package) == ("A", "demo")
    assert (tmp_path / "copy" / "demo" / "m0_offline.py").is_file()
    assert any("points out of the archive" in look for look in found.looks)
    (folder / "docs" / "link.md").symlink_to("/etc/hostname")
    (tmp_path / "other").mkdir()
    found = project.read_project(tmp_path / "blank", True, tmp_path / "other")
    assert not (tmp_path / "other" / "docs" / "link.md").exists()


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (None, "hand in the project's whole folder"),
        ("format = 1\ntrack = 'A'\npackage = 'streamrec'", "cannot name a package"),
        ("format = 1\ntrack = 'A'\npackage = '../x'", "cannot name a package"),
        ("format = 1\ntrack = 'D'\npackage = 'demo'", "must be A, B or C"),
        ("format = 2", "not of format 1"),
        ("= [", "cannot be read"),
        ("format = 1\ntrack = 'A'\npackage = 'other'", "lacks the package other"),
    ],
)
def test_what_is_no_project_is_unreadable(manifest, why, tmp_path):
    folder = laid(tmp_path, "blank")
    (folder / layout.MANIFEST).unlink()
    if manifest is not None:
        (folder / layout.MANIFEST).write_text(manifest)
    with pytest.raises(ingest.Unreadable, match=why):
        project.read_project(folder, True, tmp_path / "copy")


def reading(folder, tmp_path, label="copy"):
    (tmp_path / label).mkdir()
    return project.read_project(folder, folder.is_dir(), tmp_path / label)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_project_of_another_editor_is_read(encoding, tmp_path):
    folder = laid(tmp_path, "full")
    for place in (folder / layout.MANIFEST, folder / "docs" / "problem.md"):
        place.write_text(place.read_text(), encoding, newline="\r\n")
    (folder / "demo" / "__init__.py").unlink()
    found = reading(folder, tmp_path)
    assert "Sentence 3 has words" in found.text("docs/problem.md")
    templates = layout.document_templates("A")
    texts = {name: found.text(name) for name in templates}
    assert min(project.words_added(texts, templates).values()) > 60


def test_a_package_with_capitals_is_read(tmp_path):
    folder = laid(tmp_path, "full")
    (folder / "demo").rename(folder / "MyRec")
    manifest = (folder / layout.MANIFEST).read_text().replace('"demo"', '"MyRec"')
    (folder / layout.MANIFEST).write_text(manifest)
    assert reading(folder, tmp_path).source("audit").startswith("import")


def test_a_package_in_src_is_told_where_it_is(tmp_path):
    folder = laid(tmp_path, "full")
    (folder / "src").mkdir()
    (folder / "demo").rename(folder / "src" / "demo")
    with pytest.raises(ingest.Unreadable, match="it is in src, move it up"):
        reading(folder, tmp_path)


def test_archives_inside_a_project_stay_what_they_are(tmp_path):
    folder = laid(tmp_path, "full")
    with zipfile.ZipFile(folder / "data" / "log.zip", "w") as out:
        out.write(folder / "data" / "log.csv", "log.csv")
    (folder / "data" / "odd.zip").write_bytes(b"none")
    reading(folder, tmp_path)
    copy = tmp_path / "copy" / "data" / "log.zip"
    assert copy.read_bytes() == (folder / "data" / "log.zip").read_bytes()


def test_what_runs_is_what_a_reader_sees(tmp_path):
    folder = laid(tmp_path, "full")
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        for place in sorted(folder.rglob("*")):
            out.write(place, place.relative_to(tmp_path))
        out.writestr("full/demo/./audit.py", "x = 1")
        out.writestr("full/demo/__pycache__/audit.cpython-311.pyc", "x")
        out.writestr("full/demo/m9.pyc", "x")
        out.writestr("full/demo/m2_ranker/__init__.py", "y = 2")
        out.writestr("full/.git/HEAD", "x")
    found = reading(path, tmp_path)
    copy = tmp_path / "copy"
    assert (copy / "demo" / "audit.py").read_text() == found.source("audit")
    assert found.source("m2_ranker") == "y = 2"
    assert not list(copy.rglob("*.pyc")) and not (copy / ".git").exists()
    assert len(found.looks) == 2  # m9.pyc and the odd name


def test_a_copy_is_told_wherever_it_lies(tmp_path):
    folder = laid(tmp_path, "full")
    part = milestones.PARTS[1]
    (folder / "demo" / "helpers.py").write_text(layout.reference_source(part))
    questions = keys.key_table("A")["questions"]
    (told,) = project.copies(reading(folder, tmp_path), questions)
    assert told.startswith("demo/helpers.py shares 100%")


def test_templates_of_other_documents_are_no_words():
    templates = layout.document_templates("A")
    every = "\n".join(templates.values())
    added = project.words_added(dict.fromkeys(templates, every), templates)
    assert set(added.values()) == {0}


def test_copied_lines_are_told_and_common_ones_are_not():
    source = layout.reference_source(milestones.PARTS[1])
    template = layout.template("m0_offline.py")
    assert project.copied(source, source, template) == 1.0
    assert project.copied(make_projects.M0, source, template) < 0.3


# ------------------------------------------------------------------ grading


@pytest.fixture(scope="module")
def home():
    unprivileged.need()
    path = unprivileged.folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def graded(home, names, label):
    """States of stored projects by id, and what the command said."""
    place = home / label
    keys.write_key(home / f"{label}-key", "A", "11")
    make_projects.write(place / "class", names)
    unprivileged.give(home)
    words = ["--key", str(home / f"{label}-key"), "--output", str(place / "out")]
    done = unprivileged.python(
        "-m", "streamrec.cli", "grade", "run", str(place / "class"), *words
    )
    return {s["id"]: s for s in read_states(place / "out")}, done


def lost(state):
    rows = [q["criteria"] for q in state["questions"].values()]
    return {n for own in rows for n, c in own.items() if c["status"] != "passed"}


@pytest.fixture(scope="module")
def results(home):
    return graded(home, QUICK, "quick")


@pytest.mark.parametrize("name", QUICK)
def test_stored_projects_get_their_points(results, name):
    states, done = results
    assert done.returncode == 0, done.stdout + done.stderr
    assert lost(states[name]) == make_projects.LOST[name]
    assert states[name]["status"] == "ok"


def test_full_and_blank_projects_get_all_and_nothing(results):
    states, _ = results
    assert states["full"]["points"] == states["full"]["max"] == 60
    for name in ("blank", "reexport"):
        assert states[name]["points"] == 0, name
    assert states["minimal"]["points"] == 8.5
    assert states["leaks"]["points"] == make_projects.POINTS["leaks"]


def test_a_reader_sees_documents_and_sources(results):
    answers = results[0]["full"]["questions"]
    assert "Sentence 3 has words" in answers[milestones.WRITTEN]["answer"]["text"][0]
    assert "def ndcg" in answers["q2"]["answer"]["code"][0]


def test_the_report_joins_the_rubric(results, home):
    out = home / "quick" / "out"
    done = unprivileged.python("-m", "streamrec.cli", "grade", "sheet", str(out))
    assert done.returncode == 0, done.stderr
    sheet = (out / "manual.csv").read_text()
    assert "Evaluation honesty" in sheet
    done = unprivileged.python("-m", "streamrec.cli", "grade", "report", str(out))
    assert done.returncode == 0, done.stderr
    page = next((out / "feedback").glob("full*")).read_text()
    assert "All 60 automatic points of track A" in page and "out of 100" in page
    assert "Not in any total yet" not in page


@pytest.mark.slow
def test_the_other_flawed_projects_get_their_points(home):
    names = [n for n in make_projects.PROJECTS if n not in QUICK]
    states, done = graded(home, names, "slow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: lost(states[n]) for n in names} == {
        n: make_projects.LOST[n] for n in names
    }
    known = {n: make_projects.POINTS[n] for n in names if n in make_projects.POINTS}
    assert {n: states[n]["points"] for n in known} == known


@pytest.mark.slow
def test_hostile_projects_get_what_they_should_and_stop_nothing(home):
    states, done = graded(home, tuple(make_projects.HOSTILE), "hostile")
    assert done.returncode == 1, done.stdout + done.stderr
    found = {n: lost(s) for n, s in states.items()}
    assert found == make_projects.HOSTILE_LOST
    assert "grader-error" not in {s["status"] for s in states.values()}


@pytest.mark.slow
@pytest.mark.parametrize("track", milestones.TRACKS)
def test_the_keys_of_all_tracks_hold(track):
    unprivileged.need()
    done = unprivileged.python("-m", "streamrec.cli", "grade", "verify", track)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"track-{track.lower()}: holds\n"


def test_every_criterion_of_track_a_is_lost_by_a_flawed_project():
    names = load_namespace("criteria.py", keys.criteria_source("A"))
    flawed = [
        v for k, v in make_projects.LOST.items() if 0 < len(v) < len(make_projects.ALL)
    ]
    assert {c.name for c in collect(names)} == set().union(*flawed)


def test_points_of_stored_projects_are_those_of_what_they_lose():
    table = keys.key_table("A")
    points = {c["name"]: c["points"] for q in table["questions"] for c in q["criteria"]}
    assert sum(points.values()) == 60 and set(points) == make_projects.ALL
    for name, own in make_projects.POINTS.items():
        lost = sum(points[n] for n in make_projects.LOST[name])
        assert own == pytest.approx(60 - lost), name


def test_luck_earns_nothing_in_a_project(tmp_path, monkeypatch):
    key = load_key(keys.write_key(tmp_path / "key", "A", "5"))
    some = [q for q in key.questions if q.get("milestone") in ("M12", "M14", "Audit")]
    key = dataclasses.replace(key, questions=some)
    assert luck.lucky_project(key) == []
    reference = load_namespace(key.folder / "reference.py")
    assert sum(luck.points(key, reference).values()) == 11
    monkeypatch.setattr(luck, "PROJECT_CHEATS", ("no cheat",))
    monkeypatch.setattr(luck, "cheats", lambda: {"no cheat": lambda f, *a: f(*a)})
    (told,) = luck.lucky_project(key)
    assert told.startswith("luck (no cheat) earns")
