"""Sheets, gradebook, pages and exports, on the folder that a run leaves behind."""

import csv
import html
import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml

from streamrec.grading import manual, report
from streamrec.grading.state import write_json

ROOT = Path(__file__).resolve().parents[2]
KEY = ROOT / "solutions" / "keys" / "01-linear-algebra" / "key.yaml"
ODD = '=HYPERLINK("x") <script>alert(1)</script>'


@pytest.fixture
def output(tmp_path):
    """A run of four submissions: all right, half right, nothing, unreadable."""
    key = yaml.safe_load(KEY.read_text("utf-8"))
    shutil.copy(KEY, tmp_path / "key.yaml")
    names = {"ann": 1.0, "bob": 0.5, ODD: 0.0, "dan (1)": 0.0}
    for number, (id, share) in enumerate(names.items()):
        write_json(tmp_path / "state" / f"{number}.json", state(key, id, share))
    run = {
        "format": 1,
        "submissions": list(names),
        "sandbox": {"name": "bubblewrap"},
    }
    write_json(tmp_path / "run.json", run)
    return tmp_path


def state(key, id, share):
    questions = {}
    for q in key["questions"]:
        criteria = {}
        for i, c in enumerate(q["criteria"]):
            good = share == 1 or (share > 0 and i % 2 == 0)
            criteria[c["name"]] = {
                "points": float(c["points"] if good else 0),
                "max": float(c["points"]),
                "status": "passed" if good else "failed",
                "label": c["label"],
                "hint": c["hint"],
                "visible": c["visible"],
                "message": "" if good else f"not {ODD}",
            }
        questions[q["id"]] = {
            "points": sum(c["points"] for c in criteria.values()),
            "max": float(sum(c["points"] for c in q["criteria"])),
            "status": "ok",
            "message": "",
            "criteria": criteria,
            "answer": {"text": [f"my words {ODD}"], "code": ["x = 1 < 2"]},
        }
    unreadable = id.startswith("dan")
    return {
        "format": 1, "id": id, "name": id + ".ipynb", "files": [], "graded": id,
        "modified": "2026-11-20T10:00:00Z", "hash": "0", "sandbox": "bubblewrap",
        "seed": "0" * 32, "seconds": 1.25, "restarts": 0,
        "status": "unreadable" if unreadable else "ok",
        "message": "not a notebook" if unreadable else "",
        "needs_a_look": ["not a notebook"] if unreadable else [],
        "notes": [], "points": sum(q["points"] for q in questions.values()),
        "max": 0.0, "questions": questions,
    }  # fmt: skip


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sheet(output, *rows):
    path = output / "manual.csv"
    lines = ["id,question,criterion,points,comment,grader", *rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def first_rubric():
    key = yaml.safe_load(KEY.read_text("utf-8"))
    question, r = manual.rubric_of(key["questions"])[0]
    return question, str(r["criterion"]), float(r["points"])


def cells(*values):
    return ",".join('"' + str(v).replace('"', '""') + '"' for v in values)


# ------------------------------------------------------------------ points


def test_blank_points_are_pending_and_not_zero(output):
    key = yaml.safe_load(KEY.read_text("utf-8"))
    made = report.write_report(output)
    row = {r["id"]: r for r in table(output / "gradebook.csv")}["ann"]
    rubric = sum(r["points"] for _, r in manual.rubric_of(key["questions"]))
    assert rubric > 0 and float(row["pending"]) == rubric
    assert float(row["auto"]) + rubric == float(row["max"]) == key["points"]
    assert float(row["total"]) == float(row["auto"])
    question, name, _ = first_rubric()
    assert row[f"{question}: {name}"] == ""
    assert made.max == key["points"]


def test_manual_points_are_added_and_survive_another_run(output):
    question, name, most = first_rubric()
    path = sheet(
        output,
        cells("ann", question, name, "75%", f"well argued {ODD}", "kim"),
        cells("bob", question, name, most / 2, "", ""),
    )
    for _ in range(2):
        report.write_report(output, manual=path)
        rows = {r["id"]: r for r in table(output / "gradebook.csv")}
        assert float(rows["ann"]["manual"]) == pytest.approx(0.75 * most)
        assert float(rows["bob"][f"{question}: {name}"]) == most / 2
    assert "well argued" in (output / "feedback" / "ann.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("eve", None, None, 1), "no submission 'eve'"),
        (("ann", "q99", None, 1), "rubric of 'q99'"),
        (("ann", None, "Style", 1), "no criterion 'Style'"),
        (("ann", None, None, 1e9), "from 0 to"),
        (("ann", None, None, -1), "from 0 to"),
        (("ann", None, None, "many"), "from 0 to"),
        (("ann", None, None, "nan"), "from 0 to"),
        (("ann", None, None, "101%"), "from 0 to"),
    ],
)
def test_a_wrong_manual_line_is_named(output, row, said):
    question, name, _ = first_rubric()
    id, q, c, points = row
    path = sheet(output, cells(id, q or question, c or name, points, "", ""))
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        report.write_report(output, manual=path)
    assert "line 2" in str(caught.value)
    assert not (output / "gradebook.csv").exists()


def test_two_graders_are_averaged_and_compared(output):
    question, name, most = first_rubric()
    path = sheet(
        output,
        cells("ann", question, name, most, "", "kim"),
        cells("ann", question, name, "40%", "", "lee"),
    )
    made = report.merge(output, manual=path)
    ann = next(x for x in made.lines if x.id == "ann")
    assert ann.manual == pytest.approx(0.7 * most)
    assert made.agreement["pairs"] == 1
    twice = sheet(output, *[cells("ann", question, name, 1, "", "kim")] * 2)
    with pytest.raises(ValueError, match="twice by kim"):
        report.merge(output, manual=twice)


def test_kappa_equals_that_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(3)
    levels = [0.0, 0.4, 0.75, 1.0]
    first = rng.integers(0, 4, 60)
    second = np.clip(first + rng.integers(-1, 2, 60), 0, 3)
    questions = [{"id": "q1", "rubric": [{"criterion": "c", "points": 8}]}]
    marks = {
        (f"s{i}", "q1", "c"): [
            manual.Mark(8 * levels[a], grader="a"),
            manual.Mark(8 * levels[b], grader="b"),
        ]
        for i, (a, b) in enumerate(zip(first, second))
    }
    found = manual.agreement(marks, questions)
    want = cohen_kappa_score(first, second, weights="quadratic", labels=range(4))
    assert found["pairs"] == 60
    assert found["kappa"] == pytest.approx(want, abs=1e-12)


# ------------------------------------------------------------------ the sheet


def test_a_sheet_keeps_what_was_filled_in(output):
    question, name, _ = first_rubric()
    key = yaml.safe_load(KEY.read_text("utf-8"))
    path = output / "manual.csv"
    ids = ["ann", "bob", ODD]
    lines, blank = manual.write_sheet(path, ids, key["questions"])
    assert lines == blank == 3 * len(manual.rubric_of(key["questions"]))
    rows = table(path)
    assert rows[-1]["id"].startswith("'=")  # no spreadsheet calculates it
    place = next(
        i for i, r in enumerate(rows)
        if (r["id"], r["question"], r["criterion"]) == ("bob", question, name)
    )  # fmt: skip
    rows[place] |= {"points": "1", "comment": "ok, fine", "grader": "kim"}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    more, blank = manual.write_sheet(path, [*ids, "cleo"], key["questions"])
    assert more == lines + lines // 3 and blank == more - 1
    assert any(r["comment"] == "ok, fine" for r in table(path))
    manual.write_sheet(path, ["ann"], key["questions"])  # bob withdrew
    assert any(r["comment"] == "ok, fine" for r in table(path))


def test_sheets_with_semicolons_and_byte_order_marks_are_read(output):
    question, name, _ = first_rubric()
    path = output / "m.csv"
    text = f'id;question;criterion;points\nann;{question};"{name}";1,5\n'
    path.write_text("\ufeff" + text, "utf-8")
    found = manual.read_manual(path, ["ann"], report.read_key(output)["questions"])
    assert found["ann", question, name][0].points == 1.5


@pytest.mark.parametrize("text", ["", "id,question\nann,q1\n"])
def test_a_sheet_without_its_columns_is_refused(output, text):
    (output / "m.csv").write_text(text)
    with pytest.raises(ValueError, match="lacks the column"):
        report.write_report(output, manual=output / "m.csv")


# ------------------------------------------------------------------ late, teams, class


def test_a_sheet_that_is_no_table_is_one_clear_line(output):
    for text in ("id\n" + "a" * 200_000, "id,x\n" + '"' * 400_001, '"' * 99_999):
        (output / "sheet.csv").write_text(text)
        with pytest.raises(ValueError, match=r"sheet\.csv") as error:
            list(manual.read_csv(output / "sheet.csv", ("id", "x")))
        assert len(str(error.value)) < 600 and "\n" not in str(error.value)


def test_lateness_takes_a_share_of_the_total(output):
    due = output / "due.csv"
    due.write_text(
        "id,due,submitted\n*,2026-11-20T09:00+00:00,\n"
        "bob,2026-11-20T09:00+00:00,2026-11-30T09:00+00:00\n"
    )
    rows = {x.id: x for x in report.merge(output, due=due).lines}
    assert (rows["ann"].days_late, rows["ann"].late_factor) == (1, 0.9)
    assert rows["ann"].total == pytest.approx(0.9 * rows["ann"].auto)
    assert (rows["bob"].days_late, rows["bob"].late_factor) == (10, 0.5)
    rule = manual.LateRule(per_day=20, cap=100, grace=timedelta(hours=2))
    rows = {x.id: x for x in report.merge(output, due=due, late=rule).lines}
    assert rows["ann"].days_late == 0 and rows["bob"].late_factor == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,due\n*,tomorrow\n", "zone"),
        ("id,due\n*,2026-11-20T09:00\n", "zone"),
        ("id,due\neve,2026-11-20T09:00Z\n", "nobody has the id"),
    ],
)
def test_a_wrong_due_date_is_named(output, text, said):
    (output / "due.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        report.merge(output, due=output / "due.csv")


def test_a_team_shares_a_submission(output):
    teams = output / "team.csv"
    teams.write_text("student,submission,multiplier\nkim,ann,1.05\nlee,ann,0.9\n")
    rows = {x.id: x for x in report.merge(output, teams=teams).lines}
    assert "ann" not in rows and set(rows) >= {"kim", "lee", "bob"}
    assert rows["lee"].total == pytest.approx(0.9 * rows["lee"].auto)
    assert rows["kim"].total == pytest.approx(1.05 * rows["kim"].auto)
    teams.write_text("student,submission\nkim,nobody\n")
    with pytest.raises(ValueError, match="no submission 'nobody'"):
        report.merge(output, teams=teams)
    teams.write_text("student,submission,multiplier\nkim,ann,2\n")
    with pytest.raises(ValueError, match="0.8 to 1.05"):
        report.merge(output, teams=teams)


def test_a_multiplier_does_not_exceed_the_maximum(output):
    line = report.Line("a", "a", "", {"status": "ok"}, auto=10, max=10)
    line.multiplier = 1.05
    assert line.total == 10


def test_who_handed_in_nothing_is_listed_as_missing(output):
    roster = output / "class.csv"
    roster.write_text("id,name,email\nann,Ann Lee,a@x.org\nzoe,Zoe Poe,z@x.org\n")
    report.write_report(output, roster=roster, layouts=report.LAYOUTS)
    rows = {r["id"]: r for r in table(output / "gradebook.csv")}
    assert rows["zoe"]["status"] == "missing" and rows["zoe"]["total"] == "0"
    assert "Nothing was handed in" in (output / "feedback/zoe.html").read_text()
    assert rows["ann"]["name"] == "Ann Lee"
    scores = {r["SID"]: r for r in table(output / "exports" / "gradescope.csv")}
    assert scores["ann"]["Last Name"] == "Lee"
    assert scores["ann"]["Email"] == "a@x.org"
    raw = {r["student_id"]: r for r in table(output / "exports" / "nbgrader.csv")}
    assert float(raw["ann"]["score"]) == float(rows["ann"]["total"])


def test_canvas_gets_its_own_columns_back(output):
    roster = output / "canvas.csv"
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Old (7)\n"
        "    Points Possible,,,,,10\n"
        '"Lee, Ann",4711,u1,ann,S1,3\n'
    )
    report.write_report(
        output, roster=roster, layouts=["canvas"], assignment="Week 1 (42)"
    )
    rows = table(output / "exports" / "canvas.csv")
    assert rows[0]["Student"] == "Points Possible"
    ann = next(r for r in rows if r["SIS Login ID"] == "ann")
    assert (ann["Student"], ann["ID"], ann["Section"]) == ("Lee, Ann", "4711", "S1")
    assert float(ann["Week 1 (42)"]) > 0
    with pytest.raises(ValueError, match="no layout 'moodle'"):
        report.write_report(output, layouts=["moodle"])


# ------------------------------------------------------------------ pages


def test_everything_on_a_page_is_escaped(output):
    report.write_report(output)
    report.write_answers(output)
    pages = [*output.glob("*.html"), *output.glob("*/*.html")]
    assert len(pages) >= 6
    for page in pages:
        text = page.read_text("utf-8")
        assert "<script" not in text.lower()
        assert "default-src 'none'" in html.unescape(text)
        assert not re.search(r"\son\w+=|javascript:|(src|href)=\"(https?:)?//", text)
    assert "&lt;script&gt;" in (output / "overview.html").read_text("utf-8")


def test_pages_show_hints_and_never_what_was_expected(output):
    report.write_report(output)
    text = (output / "feedback" / "bob.html").read_text("utf-8")
    key = report.read_key(output)
    lost = key["questions"][0]["criteria"][1]
    assert html.unescape(text).count(lost["hint"]) >= 1
    for question in key["questions"]:
        if question.get("discussion"):
            assert question["discussion"] not in html.unescape(text)


def test_points_of_a_criterion_can_be_given_by_hand(output):
    key = yaml.safe_load(KEY.read_text("utf-8"))
    first = key["questions"][0]["criteria"][0]
    sheet = output / "m.csv"
    head = "id,question,criterion,points,comment,grader\n"
    line = f"dan (1),q1,{first['name']},100%,read by eye <b>,\n"
    sheet.write_text(
        head + line + line.replace("by eye", "again").replace(",\n", ",x\n")
    )
    before = report.merge(output)
    made = report.write_report(output, manual=sheet)
    (was,) = (x for x in before.lines if x.id == "dan (1)")
    (dan,) = (x for x in made.lines if x.id == "dan (1)")
    assert was.look and not dan.look  # somebody has looked
    assert (was.auto, dan.auto) == (0, first["points"])
    (row,) = (r for r in table(output / "gradebook.csv") if r["id"] == "dan (1)")
    assert float(row[f"q1.{first['name']}"]) == float(row["auto"]) == first["points"]
    assert row["needs_a_look"] == ""
    page = (output / "feedback" / dan.page).read_text("utf-8")
    assert "given by hand" in page and "read by eye &lt;b&gt;" in page
    for bad, said in (("999", "from 0 to"), ("-1", "from 0 to")):
        sheet.write_text(head + line.replace("100%", bad))
        with pytest.raises(ValueError, match=said):
            report.merge(output, manual=sheet)


def test_a_page_shows_the_level_that_was_reached(output):
    key = yaml.safe_load(KEY.read_text("utf-8"))
    q, rubric = manual.rubric_of(key["questions"])[0]
    sheet = output / "m.csv"
    head = "id,question,criterion,points\n"
    sheet.write_text(f'{head}ann,{q},"{rubric["criterion"]}",80%\n')
    report.write_report(output, manual=sheet)
    page = (output / "feedback" / "ann.html").read_text("utf-8")
    assert re.findall(r'<tr class="hit"><td class="n">(\d+) %', page) == ["75"]
    assert 'href="#q1"' in page and 'id="q1"' in page


def test_file_names_are_plain_and_pages_of_others_go(output):
    (output / "feedback").mkdir()
    (output / "feedback" / "left.html").write_text("x")
    made = report.write_report(output)
    names = {p.name for p in (output / "feedback").iterdir()}
    assert names == {x.page for x in made.lines} and len(names) == 4
    assert all(re.fullmatch(r"[A-Za-z0-9._@+-]+\.html", n) for n in names)


def test_the_gradebook_is_safe_and_the_same_every_time(output):
    report.write_report(output)
    first = (output / "gradebook.csv").read_bytes()
    report.write_report(output)
    assert (output / "gradebook.csv").read_bytes() == first
    assert not re.search(rb'(^|,)"?=', first)
    for text in ("=1", " =1", "\t=1", "\n@x", "＝1", "－1"):
        assert manual.safe_cell(text) == "'" + text
        assert manual.unsafe_cell(manual.safe_cell(text)) == text
    line = report.Line("a", "a", "", {"needs_a_look": ["q1: no;=1", "b"]})
    assert ";" not in report._looks(line)  # it separates cells in half of Europe


def test_a_folder_without_a_run_is_one_clear_line(tmp_path, output):
    with pytest.raises(ValueError, match="run streamrec grade run"):
        report.write_report(tmp_path / "nothing")
    run = json.loads((output / "run.json").read_text())
    run["submissions"].append("late")
    write_json(output / "run.json", run)
    with pytest.raises(ValueError, match="not graded yet"):
        report.write_report(output)


def test_a_time_is_read_with_its_zone():
    assert manual.read_time("2026-11-20T10:00:00Z", "x") == datetime.fromisoformat(
        "2026-11-20T11:00+01:00"
    )


def test_the_commands_write_a_sheet_and_a_report(output, capsys):
    from streamrec.cli.main import main

    assert main(["grade", "sheet", str(output)]) == 0
    filled = table(output / "manual.csv")
    assert all(row["points"] == "" for row in filled)
    words = ["grade", "report", str(output), "--manual", str(output / "manual.csv")]
    assert main([*words, "--export", "canvas", "--assignment", "Week 1"]) == 1  # a look
    said = capsys.readouterr().out
    assert "1 need a look" in said and "overview" in said
    assert "Week 1" in (output / "exports" / "canvas.csv").read_text("utf-8")
    assert main(["grade", "report", str(output / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
