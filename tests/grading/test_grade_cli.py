"""Every option of ``streamrec grade``, and every bad input, on the command line.

Nothing is executed here: judges are replaced by one that reads an answer's text. What
they do in a sandbox is tested beside (test_runner.py, test_hostile.py, test_keys.py).
"""

import json
import os
from pathlib import Path

import pytest
from test_runner import GOOD, tiny_key

from streamrec.cli.main import main
from streamrec.grading import manual, runner, sandbox, state, verify

BOX = sandbox.Sandbox("bubblewrap", "1", True, True)
LIMITS = sandbox.Sandbox("limits only", "", False, False)


class Judges:
    """Stands in for the lanes: an answer that holds ``return 2`` passes."""

    def __init__(self):
        self.jobs, self.numbers, self.asked, self.stop = [], [], [], None

    def lanes(self, jobs, number):
        self.numbers.append(number)
        for job in jobs:
            if self.stop is not None and "path" in job and job["id"] == self.stop:
                raise KeyboardInterrupt
            self.jobs.append(job)
            text = job.get("source") or Path(job["path"]).read_text("utf-8")
            # a wrong answer follows the solution and wins
            good = text.rstrip().endswith("return 2")
            status = "timeout" if "loop" in text else "passed" if good else "failed"
            verdict = {"event": "criterion", "question": "q1", "name": "test_two"}
            verdict |= {"status": status, "message": "", "odd": False}
            verdict |= {"given": True, "raised": ""}
            events = [verdict, {"event": "starts", "number": 1}]
            if status == "timeout":
                trouble = {"event": "trouble", "question": "q1", "status": status}
                events.append(trouble | {"message": "two took too long"})
            yield job, events, 0.5

    def graded(self):
        return [job["id"] for job in self.jobs if "id" in job]


@pytest.fixture
def judges(monkeypatch):
    made = Judges()
    for module in (runner, verify):
        monkeypatch.setattr(module, "in_lanes", made.lanes)
        monkeypatch.setattr(
            module, "choose", lambda *a, **k: made.asked.append(k) or BOX
        )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return made


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A class of three, a key with a wrong answer; the current folder."""
    monkeypatch.chdir(tmp_path)
    key = tiny_key(tmp_path / "key")
    table = json.loads((key / "key.yaml").read_text())
    table["questions"][0]["wrong"] = [{"file": "wrong/q1-three.py", "points": 0}]
    levels = {0: "none", 40: "some", 75: "most", 100: "all"}
    rubric = {"criterion": "Reason", "points": 4, "levels": levels}
    table["questions"][0] |= {"rubric": [rubric], "title": "Two", "kind": "code"}
    (key / "key.yaml").write_text(json.dumps(table))
    (key / "wrong").mkdir()
    (key / "wrong" / "q1-three.py").write_text("def two():\n    return 3\n")
    (tmp_path / "class").mkdir()
    for name, text in (("ada", GOOD), ("bob", "x = 1\n"), ("cyd", "loop\n")):
        (tmp_path / "class" / f"{name}.py").write_text(text)
    return tmp_path


RUN = ["grade", "run", "class", "--key", "key", "--output", "out"]


@pytest.fixture
def graded(place, judges, capsys):
    assert main(RUN) == 1
    capsys.readouterr()
    return place


def points(folder="out"):
    return {s["id"]: s["points"] for s in state.read_states(folder)}


# ------------------------------------------------------------------ run


def test_run_grades_keeps_and_says_who_needs_a_look(place, judges, capsys):
    assert main(RUN) == 1
    said = capsys.readouterr()
    assert "3 graded, 0 kept, 1 need a look; sandbox: bubblewrap" in said.out
    assert "cyd" in said.out and "ada" not in said.out
    assert said.err == ""  # a bar is for a terminal
    assert points() == {"ada": 3, "bob": 0, "cyd": 0}
    assert main([*RUN, "--verbose"]) == 1
    assert "0 graded, 3 kept" in (said := capsys.readouterr().out)
    assert "ada" in said
    assert judges.numbers[0] == 1  # the key's own solution comes first


def test_run_in_json_prints_nothing_else(place, judges, capsys):
    assert main([*RUN, "--format", "json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [r["id"] for r in rows] == ["ada", "bob", "cyd"]
    assert [r["status"] for r in rows] == ["ok", "ok", "timeout"]


def test_jobs_sets_how_many_at_a_time(place, judges):
    main([*RUN, "--jobs", "5"])
    assert judges.numbers[1:] == [5]


def test_only_grades_the_ids_that_are_named(place, judges, capsys):
    assert main([*RUN, "--only", "ada"]) == 0
    assert judges.graded() == ["ada"]
    assert main([*RUN, "--only", "cyd", "--only", "bob"]) == 1
    assert judges.graded() == ["ada", "bob", "cyd"]
    capsys.readouterr()
    assert main([*RUN, "--only", "eve"]) == 2
    assert capsys.readouterr().err == "error: there is no submission 'eve' to grade\n"


def test_since_grades_what_is_newer(place, judges):
    for name, day in (("ada", 1), ("bob", 10), ("cyd", 20)):
        when = 1_760_000_000 + 86_400 * day  # from 2025-10-09 on
        os.utime(place / "class" / f"{name}.py", (when, when))
    assert main([*RUN, "--since", "2025-10-15"]) == 1
    assert judges.graded() == ["bob", "cyd"]
    assert main([*RUN, "--since", "2025-10-28T00:00:00"]) == 1
    assert judges.graded() == ["bob", "cyd"]  # what is up to date is kept


def test_seed_decides_and_its_text_is_not_stored(place, judges):
    main([*RUN, "--seed", "autumn"])
    record = state.read_run("out")
    assert record["seed"] == runner.seed_of(runner.load_key("key"), "autumn")
    assert {j["seed"] for j in judges.jobs} == {record["seed"]}
    assert "autumn" not in (place / "out" / "run.json").read_text()


def test_a_key_without_a_seed_draws_one_and_keeps_it(place, judges):
    table = json.loads((place / "key" / "key.yaml").read_text())
    del table["seed"]
    (place / "key" / "key.yaml").write_text(json.dumps(table))
    main(RUN)
    drawn = state.read_run("out")["seed"]
    assert len(drawn) == 32
    main(RUN)
    assert state.read_run("out")["seed"] == drawn
    assert judges.graded() == ["ada", "bob", "cyd"]


def test_sandbox_options_reach_the_choice(place, judges):
    main([*RUN, "--sandbox", "podman", "--allow-unsandboxed"])
    assert judges.asked[0] == {"allow_unsandboxed": True, "only": "podman"}


def test_options_may_stand_in_a_file(place, judges):
    (place / "options.yaml").write_text("jobs: 3\nonly: [ada]\n")
    assert main([*RUN, "--config", "options.yaml"]) == 0
    assert judges.graded() == ["ada"] and judges.numbers[-1] == 3


def test_an_interrupted_run_goes_on(place, judges, capsys):
    judges.stop = "bob"
    assert main(RUN) == 130
    assert capsys.readouterr().err == "stopped: interrupted\n"
    assert points() == {"ada": 3}
    judges.stop = None
    main(RUN)
    assert judges.graded() == ["ada", "bob", "cyd"]


# ------------------------------------------------------------------ what stops a run


def refused(words, said, capsys):
    """Exit 2 and one line on stderr that says this."""
    capsys.readouterr()
    assert main(words) == 2
    found = capsys.readouterr().err
    assert said in found, found
    assert found.count("\n") == 1 and found.startswith("error: ")


def change(words, **new):
    """The same command with other places."""
    out = list(words)
    for name, value in new.items():
        at = 2 if name == "submissions" else out.index(f"--{name}") + 1
        out[at] = value
    return out


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"submissions": "empty"}, "nothing to grade in empty"),
        ({"submissions": "nowhere"}, "not a folder of submissions"),
        ({"submissions": "class/ada.py"}, "unpack the archive first"),
        ({"key": "nowhere"}, "there is no key folder nowhere"),
        ({"key": "class"}, "is not a key: it lacks key.yaml"),
    ],
)
def test_missing_and_empty_folders_are_one_line(graded, capsys, new, said):
    (graded / "empty").mkdir()
    refused(change(RUN, **new), said, capsys)
    assert points() == {"ada": 3, "bob": 0, "cyd": 0}


def test_a_key_that_fails_on_its_own_solution_charges_nobody(graded, judges, capsys):
    (graded / "key" / "reference.py").write_text("def two():\n    return 5\n")
    refused(RUN, "the key fails on its own solution (q1 test_two", capsys)
    assert points() == {"ada": 3, "bob": 0, "cyd": 0}


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--since", "yesterday"]])
def test_options_out_of_range_are_one_line(graded, capsys, words):
    capsys.readouterr()
    assert main([*RUN, *words]) == 2
    said = capsys.readouterr().err
    assert words[0] in said and said.count("\n") == 1


def test_root_is_refused_unless_asked_for(place, judges, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    refused(RUN, "grading as root is refused", capsys)
    refused(["grade", "verify", "key"], "as root is refused", capsys)
    assert not judges.jobs
    assert main([*RUN, "--allow-root"]) == 1
    assert main(["grade", "verify", "key", "--allow-root"]) == 0


def test_no_sandbox_is_one_line_and_may_be_accepted(
    graded, judges, monkeypatch, capsys
):
    monkeypatch.setattr(sandbox, "candidates", lambda: [LIMITS])
    for module in (runner, verify):
        monkeypatch.setattr(module, "choose", sandbox.choose)
    refused(RUN, "no sandbox holds here", capsys)
    refused([*RUN, "--sandbox", "podman"], "no sandbox holds here", capsys)
    refused(["grade", "verify", "key"], "--allow-unsandboxed", capsys)
    assert points() == {"ada": 3, "bob": 0, "cyd": 0}  # of the run before
    main([*RUN, "--allow-unsandboxed"])
    assert "sandbox: limits only" in capsys.readouterr().out
    found = {s["id"]: s["status"] for s in state.read_states("out")}
    assert found == {"ada": "unsandboxed", "bob": "unsandboxed", "cyd": "timeout"}
    assert main(["grade", "verify", "key", "--allow-unsandboxed"]) == 0


def test_a_full_disk_is_one_line_and_keeps_what_was_graded(
    graded, judges, monkeypatch, capsys
):
    (graded / "class" / "bob.py").write_text(GOOD)
    with monkeypatch.context() as patch:
        real = state.write_json

        def full(path, data):
            if Path(path).stem == "bob":
                raise OSError(28, "No space left on device")
            real(path, data)

        patch.setattr(state, "write_json", full)
        refused(RUN, "out is full: make room, then run the same", capsys)
    assert points() == {"ada": 3, "bob": 0, "cyd": 0}
    main(RUN)
    assert points() == {"ada": 3, "bob": 3, "cyd": 0}


def test_another_run_in_the_same_place_is_refused(graded, capsys):
    with runner.lock(graded / "out"):
        refused(RUN, "another run is writing to out", capsys)


# ------------------------------------------------------------------ verify


def test_verify_tries_every_case_at_every_seed(place, judges, capsys):
    assert main(["grade", "verify", "key", "--seeds", "2", "--jobs", "3"]) == 0
    assert capsys.readouterr().out == "key: holds\n"
    cases = [j["case"] for j in judges.jobs]
    assert sorted(cases) == sorted(2 * ["solution", "stub", "wrong/q1-three.py"])
    assert len({j["seed"] for j in judges.jobs}) == 2 and judges.numbers == [3]


def test_verify_finds_keys_by_number_name_and_folder(place, monkeypatch, capsys):
    monkeypatch.setattr(verify, "verify_key", lambda folder, **options: [])
    home = place / "solutions" / "keys"
    home.mkdir(parents=True)
    (place / "key").rename(home / "01-tiny")
    for words in ([], ["1"], ["01-tiny"], ["solutions/keys/01-tiny"]):
        assert main(["grade", "verify", *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "01-tiny: holds" and (len(lines) == 1 or not words)
    refused(["grade", "verify", "2"], "no key '2' in solutions/keys", capsys)


def test_verify_without_keys_says_what_to_give(tmp_path, monkeypatch, judges, capsys):
    monkeypatch.chdir(tmp_path)
    refused(["grade", "verify"], "give a key's folder", capsys)
    refused(["grade", "verify", "."], "it lacks key.yaml", capsys)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("reference.py", "def two():\n    return 5\n", "solution gets 0 points, not 3"),
        ("stub.py", GOOD, "stub gets 3 points, not 0: it passes test_two"),
        ("wrong/q1-three.py", GOOD, "no stored wrong answer loses test_two: add one"),
        ("criteria.py", "", "criteria.py lacks test_two of q1"),
        ("criteria.py", "1 +", "criteria.py does not run: SyntaxError"),
    ],
)
def test_verify_says_what_does_not_hold(place, judges, capsys, file, text, said):
    (place / "key" / file).write_text(text)
    assert main(["grade", "verify", "key"]) == 1
    assert said in capsys.readouterr().err


# ------------------------------------------------------------------ sheet and report


def test_a_sheet_can_stand_elsewhere(graded, capsys):
    assert main(["grade", "sheet", "out", "--manual", "mine.csv"]) == 0
    said = capsys.readouterr().out
    assert "mine.csv: 3 lines, 3 still blank" in said and "q1.html" in said
    assert main(["grade", "report", "out", "--manual", "mine.csv"]) == 1
    assert "3 have points pending" in capsys.readouterr().out


def test_a_report_with_every_option(graded, capsys):
    sheet, rows = "id,question,criterion,points\n", "".join(
        f"{name},q1,Reason,100%\n" for name in ("ada", "bob", "cyd")
    )  # fmt: skip
    Path("m.csv").write_text(sheet + rows + "cyd,q1,test_two,3\n")
    Path("due.csv").write_text("id,due\n*,2000-01-01T00:00Z\n")
    Path("teams.csv").write_text("student,submission,multiplier\nann,ada,0.9\n")
    Path("list.csv").write_text("id,name\nann,Ann A\nbob,Bob B\nnew,N\n")
    words = ["--manual", "m.csv", "--due", "due.csv", "--teams", "teams.csv"]
    words += ["--roster", "list.csv", "--late-per-day", "1", "--late-cap", "20"]
    words += ["--grace", "30", "--assignment", "Set 1"]
    words += ["--export", "canvas", "--export", "gradescope", "--export", "nbgrader"]
    assert main(["grade", "report", "out", *words]) == 0  # cyd was looked at
    assert "4 students: 0 need a look, 0 have points pending, 1 handed in nothing" in (
        capsys.readouterr().out
    )
    rows = {r["id"]: r for _, r in manual.read_csv("out/gradebook.csv", ["id"])}
    assert float(rows["ann"]["total"]) == pytest.approx(7 * 0.9 * 0.8)
    assert float(rows["bob"]["total"]) == pytest.approx(4 * 0.8)
    assert float(rows["cyd"]["total"]) == pytest.approx(7 * 0.8)
    assert rows["new"]["status"] == "missing"
    assert {p.name for p in Path("out/exports").iterdir()} == {
        "canvas.csv", "gradescope.csv", "nbgrader.csv"
    }  # fmt: skip


HEAD = "id,question,criterion,points\n"


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("manual", HEAD + "ada,q1,Reason,4.5\n", "line 2: points must be from 0 to 4"),
        ("manual", HEAD + "ada,q1,Reason,-1\n", "must be from 0 to 4; got '-1'"),
        ("manual", HEAD + "ada,q1,Reason,many\n", "must be from 0 to 4; got 'many'"),
        ("manual", HEAD + "ada,q1,Reason,nan\n", "must be from 0 to 4; got 'nan'"),
        ("manual", HEAD + "ada,q1,test_two,9\n", "must be from 0 to 3; got '9'"),
        ("manual", HEAD + "eve,q1,Reason,1\n", "there is no submission 'eve'"),
        ("manual", HEAD + "ada,q2,Reason,1\n", "'q2' has no criterion 'Reason'"),
        ("manual", HEAD + 2 * "ada,q1,Reason,1\n", "is marked twice"),
        ("manual", "id,points\n", "lacks the column question"),
        ("due", "id,due\neve,2026-01-01T00:00Z\n", "nobody has the id 'eve'"),
        ("due", "id,due\nada,2026-01-01T00:00\n", "times with their zone"),
        ("teams", "student,submission\nann,eve\n", "there is no submission 'eve'"),
        ("teams", "student,submission,multiplier\na,ada,2\n", "from 0.8 to 1.05"),
        ("roster", "name\nAnn\n", "needs a column id"),
        ("roster", "id\nann\nann\n", "'ann' is listed twice"),
    ],
)
def test_a_fault_in_a_sheet_is_one_line(graded, capsys, option, text, said):
    Path("sheet.csv").write_text(text)
    refused(["grade", "report", "out", f"--{option}", "sheet.csv"], said, capsys)
    assert not Path("out/gradebook.csv").exists()


@pytest.mark.parametrize("option", ["manual", "due", "teams", "roster"])
def test_a_sheet_that_is_missing_or_not_text_is_one_line(graded, capsys, option):
    words = ["grade", "report", "out", f"--{option}"]
    refused([*words, "nowhere.csv"], "there is no file nowhere.csv", capsys)
    Path("odd.csv").write_bytes(b"id,due\n\xff\xfe\n")
    refused([*words, "odd.csv"], "is not UTF-8", capsys)


@pytest.mark.parametrize(
    "words",
    [["--late-per-day", "101"], ["--late-cap", "-1"], ["--grace", "-5"],
     ["--export", "moodle"]],
)  # fmt: skip
def test_a_rule_out_of_range_is_one_line(graded, capsys, words):
    capsys.readouterr()
    assert main(["grade", "report", "out", *words]) == 2
    said = capsys.readouterr().err
    assert words[0] in said and said.count("\n") == 1


def test_sheet_and_report_need_a_run(graded, capsys):
    for word in ("sheet", "report"):
        refused(["grade", word, "class"], "run streamrec grade run", capsys)
    Path("bad.csv").write_text(
        "id,question,criterion,max,points,comment,grader\nada,q1,Reason,4,99,,\n"
    )
    refused(["grade", "sheet", "out", "--manual", "bad.csv"], "from 0 to 4", capsys)
    assert "99" in Path("bad.csv").read_text()  # nothing that was written is lost


def test_a_report_waits_for_those_that_are_not_graded(graded, capsys):
    (graded / "class" / "dan.py").write_text(GOOD)
    main([*RUN, "--only", "ada"])
    refused(["grade", "report", "out"], "1 submissions are not graded yet", capsys)
