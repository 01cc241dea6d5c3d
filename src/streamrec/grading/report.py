"""The report: manual points, dates and teams merged with what a run measured.

``write_report`` reads the folder of a run and writes into it ``gradebook.csv``, a page
of feedback for each student (``feedback/``), an overview for the instructor, and files
that other systems import (``exports/``). It never runs a learner's code, and it may be
repeated as often as one likes: points come from the run and from the sheets alone.
"""

from __future__ import annotations

import base64
import hashlib
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from streamrec.grading import manual as sheets
from streamrec.grading.manual import Due, LateRule, Manual, Mark, Member
from streamrec.grading.state import read_run, read_states, write_text

LAYOUTS = ("canvas", "gradescope", "nbgrader")


# ------------------------------------------------------------------ one line of a class


@dataclass
class Line:
    """A student's result.

    ``auto``, ``manual`` and ``pending`` are points; ``total`` is what counts now, that
    is (auto + manual) x multiplier x late factor, with pending points at 0.
    """

    id: str
    submission: str
    name: str
    state: dict[str, Any] | None
    marks: dict[tuple[str, str], list[Mark]] = field(default_factory=dict)
    auto: float = 0.0
    manual: float = 0.0
    pending: float = 0.0
    max: float = 0.0
    days_late: int = 0
    late_factor: float = 1.0
    multiplier: float = 1.0
    page: str = ""
    names: frozenset[str] = frozenset()  # of the automatic criteria

    @property
    def total(self) -> float:
        """What counts now."""
        earned = (self.auto + self.manual) * self.multiplier * self.late_factor
        return min(round(earned, 4), self.max)

    @property
    def percent(self) -> float:
        """The total as a share of the maximum."""
        return 100 * self.total / self.max if self.max else 0.0

    @property
    def status(self) -> str:
        """The run's word for the submission; ``missing`` for none."""
        return str(self.state["status"]) if self.state else "missing"

    @property
    def looked(self) -> bool:
        """Whether somebody gave points for an automatic criterion by hand."""
        return any(name in self.names for _, name in self.marks)

    @property
    def look(self) -> list[str]:
        """Why a person should look at it; nothing once somebody has."""
        if self.state is None or self.looked:
            return []
        return list(self.state["needs_a_look"])

    def points(self, question: str, criterion: str) -> float:
        """Points of an automatic criterion: the run's, unless given by hand."""
        marks = self.marks.get((question, criterion))
        if marks:
            return statistics.fmean(m.points for m in marks)
        assert self.state is not None
        found = self.state["questions"][question]["criteria"][criterion]
        return float(found["points"])


@dataclass
class Report:
    """What a report says, before it is written."""

    run: dict[str, Any]
    key: dict[str, Any]
    lines: list[Line]
    agreement: dict[str, Any]

    @property
    def questions(self) -> list[dict[str, Any]]:
        """Questions of the key, in order."""
        return list(self.key["questions"])

    @property
    def max(self) -> float:
        """Points of the whole set."""
        return maximum(self.questions)


def maximum(questions: Iterable[dict[str, Any]]) -> float:
    """All points: of criteria and of rubrics."""
    return float(
        sum(c["points"] for q in questions for c in [*q["criteria"], *_rubric(q)])
    )


def _rubric(question: dict[str, Any]) -> list[dict[str, Any]]:
    return list(question.get("rubric") or ())


# ------------------------------------------------------------------ merging


def read_key(output: str | Path) -> dict[str, Any]:
    """The key as the run used it."""
    path = Path(output) / "key.yaml"
    if not path.exists():
        raise ValueError(f"{path} does not exist: run streamrec grade run")
    table = yaml.safe_load(path.read_text("utf-8"))
    return dict(table)


def merge(
    output: str | Path,
    *,
    manual: str | Path | None = None,
    due: str | Path | None = None,
    teams: str | Path | None = None,
    roster: str | Path | None = None,
    late: LateRule | None = None,
) -> Report:
    """Put everything that is known about a class together.

    Raises
    ------
    ValueError
        If the folder holds no run or a sheet has a fault; one sentence.
    """
    output = Path(output)
    run, key = read_run(output), read_key(output)
    present = set(run["submissions"])
    states = {s["id"]: s for s in read_states(output) if s["id"] in present}
    lacking = sorted(present - set(states))
    if lacking:
        raise ValueError(
            f"{len(lacking)} submissions are not graded yet, {lacking[0]!r} among "
            "them: run streamrec grade run again"
        )
    given: Manual = {}
    if manual is not None:
        given = sheets.read_manual(manual, states, key["questions"])
    members = sheets.read_teams(teams, states) if teams is not None else {}
    listed = sheets.read_roster(roster) if roster is not None else {}
    for member in {m.submission for m in members.values()}:
        present.discard(member)
    people = members | {id: Member(id) for id in sorted(present)}
    people |= {id: Member("") for id in listed if id not in people}
    dates = sheets.read_due(due, {*people, *states}) if due is not None else {}
    lines = [
        _line(id, people[id], states, key, given, listed.get(id, {}))
        for id in sorted(people)
    ]
    for line in lines:
        _lateness(line, dates, late or LateRule())
    _pages(lines)
    return Report(run, key, lines, sheets.agreement(given, key["questions"]))


def _line(
    id: str,
    member: Member,
    states: dict[str, dict[str, Any]],
    key: dict[str, Any],
    given: Manual,
    listed: dict[str, str],
) -> Line:
    state = states.get(member.submission)
    line = Line(id, member.submission, _name(listed), state)
    line.multiplier, line.max = member.multiplier, maximum(key["questions"])
    if state is None:
        return line
    auto = [(q["id"], c["name"]) for q in key["questions"] for c in q["criteria"]]
    line.names = frozenset(name for _, name in auto)
    for place in auto:
        if marks := given.get((member.submission, *place)):
            line.marks[place] = marks
    line.auto = sum(line.points(*place) for place in auto)
    for question, rubric in sheets.rubric_of(key["questions"]):
        marks = given.get((member.submission, question, str(rubric["criterion"])), [])
        if marks:
            line.marks[question, str(rubric["criterion"])] = marks
            line.manual += statistics.fmean(m.points for m in marks)
        else:
            line.pending += float(rubric["points"])
    return line


def _name(listed: dict[str, str]) -> str:
    first, last = listed.get("first name", ""), listed.get("last name", "")
    whole = (
        f"{first or listed.get('first_name', '')} {last or listed.get('last_name', '')}"
    )
    return listed.get("name") or listed.get("student") or whole.strip()


def _lateness(line: Line, dates: dict[str, Due], rule: LateRule) -> None:
    date = dates.get(line.id) or dates.get(line.submission) or dates.get("*")
    if date is None or line.state is None:
        return
    came = date.submitted
    if came is None and line.state.get("modified"):
        came = datetime.fromisoformat(line.state["modified"])
    if came is not None:
        line.days_late = rule.days(date.due, came)
        line.late_factor = rule.factor(line.days_late)


def _pages(lines: list[Line]) -> None:
    """Give every student a file name that no system objects to."""
    taken: set[str] = set()
    for line in lines:
        plain = re.sub(r"[^A-Za-z0-9._@+-]", "_", line.id).strip(".")[:100] or "_"
        if plain != line.id or plain.lower() in taken:
            plain += "-" + hashlib.sha256(line.id.encode()).hexdigest()[:8]
        taken.add(plain.lower())
        line.page = plain + ".html"


# ------------------------------------------------------------------ writing


def write_report(
    output: str | Path,
    *,
    manual: str | Path | None = None,
    due: str | Path | None = None,
    teams: str | Path | None = None,
    roster: str | Path | None = None,
    late: LateRule | None = None,
    layouts: Iterable[str] = (),
    assignment: str = "",
) -> Report:
    """Merge, then write gradebook, feedback pages, overview and exports.

    Pages of students who are gone are removed. Every file is written whole.

    Raises
    ------
    ValueError
        As ``merge``; also for a layout that is not one of ``LAYOUTS``.
    """
    output, layouts = Path(output), list(layouts)
    for name in layouts:
        if name not in LAYOUTS:
            raise ValueError(f"no layout {name!r}: use {', '.join(LAYOUTS)}")
    report = merge(
        output, manual=manual, due=due, teams=teams, roster=roster, late=late
    )
    write_gradebook(report, output / "gradebook.csv")
    known = sheets.read_roster(roster) if roster is not None else {}
    for name in layouts:
        head, rows = _LAYOUT[name](report, known, assignment or report.key["title"])
        sheets.write_csv(output / "exports" / f"{name}.csv", head, rows)
    folder = output / "feedback"
    for line in report.lines:
        write_text(folder / line.page, _page("feedback.html", report, line=line))
    for path in folder.glob("*.html"):
        if path.name not in {line.page for line in report.lines}:
            path.unlink()
    write_text(output / "overview.html", _page("overview.html", report))
    return report


def write_answers(output: str | Path) -> list[Path]:
    """A page for each question with a rubric: every answer, one after another."""
    report = merge(output)
    made = []
    for question in report.questions:
        if _rubric(question):
            path = Path(output) / "answers" / f"{question['id']}.html"
            write_text(path, _page("answers.html", report, question=question))
            made.append(path)
    return made


def write_gradebook(report: Report, path: Path) -> None:
    """One line a student, one column a criterion."""
    auto = [(q["id"], c["name"]) for q in report.questions for c in q["criteria"]]
    rubric = [(q, str(r["criterion"])) for q, r in sheets.rubric_of(report.questions)]
    head = ["id", "name", "submission", "status"]
    head += [f"{q}.{name}" for q, name in auto] + [f"{q}: {name}" for q, name in rubric]
    head += ["auto", "manual", "pending", "days_late", "late_factor", "multiplier"]
    head += ["total", "max", "percent", "needs_a_look", "seconds", "sandbox"]
    sheets.write_csv(path, head, (_cells(x, auto, rubric) for x in report.lines))


def _cells(
    line: Line, auto: list[tuple[str, str]], rubric: list[tuple[str, str]]
) -> list[object]:
    cells: list[object] = [line.id, line.name, line.submission, line.status]
    state = line.state
    for question, name in auto:
        cells.append(line.points(question, name) if state is not None else None)
    for place in rubric:
        marks = line.marks.get(place)
        cells.append(statistics.fmean(m.points for m in marks) if marks else None)
    cells += [line.auto, line.manual, line.pending]
    cells += [line.days_late, line.late_factor, line.multiplier]
    cells += [line.total, line.max, round(line.percent, 1), _looks(line)]
    seconds = round(float(state["seconds"]), 1) if state else None
    return [*cells, seconds, state["sandbox"] if state else ""]


def _looks(line: Line) -> str:
    """Why a person should look, in one cell wherever a semicolon separates cells."""
    return " / ".join(line.look).replace(";", ",")


# ------------------------------------------------------------------ other systems

Table = tuple[list[str], list[list[object]]]


def _canvas(report: Report, known: dict[str, dict[str, str]], title: str) -> Table:
    """Canvas: its five columns, then the assignment, points possible in line two."""
    columns = ["student", "id", "sis user id", "sis login id", "section"]
    rows: list[list[object]] = [["Points Possible", "", "", "", "", report.max]]
    for line in report.lines:
        row = known.get(line.id, {})
        own = [row.get(c, "") for c in columns]
        if "sis login id" not in row:
            own = [line.name, "", "", line.id, ""]
        rows.append([*own, line.total])
    return ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title], rows


def _gradescope(report: Report, known: dict[str, dict[str, str]], title: str) -> Table:
    """Gradescope's own export: score and maximum an assignment."""
    head = ["First Name", "Last Name", "SID", "Email", title, f"{title} - Max Points"]
    rows: list[list[object]] = []
    for line in report.lines:
        first, last, email = _person(line, known)
        rows.append([first, last, line.id, email, line.total, line.max])
    return head, rows


def _nbgrader(report: Report, known: dict[str, dict[str, str]], title: str) -> Table:
    """The columns of ``nbgrader export``."""
    head = ["assignment", "timestamp", "max_score", "student_id", "last_name"]
    head += ["first_name", "email", "raw_score", "late_submission_penalty", "score"]
    rows: list[list[object]] = []
    for line in report.lines:
        first, last, email = _person(line, known)
        raw = (line.auto + line.manual) * line.multiplier
        moment = line.state.get("modified") if line.state else ""
        penalty = raw - line.total
        rows.append(
            [title, moment, line.max, line.id, last, first, email, raw, penalty]
            + [line.total]
        )
    return head, rows


def _person(line: Line, known: dict[str, dict[str, str]]) -> tuple[str, str, str]:
    row = known.get(line.id, {})
    first = row.get("first_name") or row.get("first name", "")
    last = row.get("last_name") or row.get("last name", "")
    if not first and not last:
        first, _, last = line.name.rpartition(" ")
    return first, last, row.get("email", "")


_LAYOUT = {"canvas": _canvas, "gradescope": _gradescope, "nbgrader": _nbgrader}


# ------------------------------------------------------------------ pages


def _page(template: str, report: Report, **more: Any) -> str:
    """A self-contained page: everything escaped, nothing loaded, no scripts."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("streamrec.grading"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = lambda x: f"{round(float(x), 2):g}"
    environment.filters["href"] = lambda x: quote(str(x))
    style = environment.get_template("style.css").render().strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(template).render(
        report=report,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'",
        histogram=histogram,
        rubric=_rubric,
        statistics=class_statistics,
        score=question_score,
        reached=level_reached,
        **more,
    )


def question_score(line: Line, question: dict[str, Any]) -> tuple[float, float, float]:
    """(points, pending, maximum) of a student in a question."""
    points = pending = 0.0
    if line.state is not None:
        points = sum(
            line.points(question["id"], c["name"]) for c in question["criteria"]
        )
    for r in _rubric(question):
        marks = line.marks.get((question["id"], str(r["criterion"])))
        if marks:
            points += statistics.fmean(m.points for m in marks)
        elif line.state is not None:
            pending += float(r["points"])
    return points, pending, maximum([question])


def level_reached(marks: list[Mark] | None, rubric: dict[str, Any]) -> Any:
    """The highest level of a rubric that the points reach; None if they are pending.

    Examples
    --------
    >>> rubric = {"points": 4, "levels": {0: "", 40: "", 75: "", 100: ""}}
    >>> level_reached([Mark(3.0)], rubric), level_reached([Mark(2.9)], rubric)
    (75, 40)
    """
    if not marks or not rubric["points"]:
        return None
    share = 100 * statistics.fmean(m.points for m in marks) / rubric["points"]
    levels = [level for level in rubric["levels"] if float(level) <= share + 1e-9]
    return max(levels, key=float, default=None)


def histogram(shares: list[float], bins: int = 10) -> list[dict[str, float]]:
    """Bars of a histogram of shares in [0, 1]: x, width, height (of 100), count.

    Examples
    --------
    >>> [b["count"] for b in histogram([0.0, 0.05, 0.5, 1.0], bins=2)]
    [2, 2]
    """
    counts = [0] * bins
    for share in shares:
        counts[min(int(share * bins), bins - 1)] += 1
    most = max(counts, default=0) or 1
    return [
        {"x": 100 * i / bins, "width": 100 / bins, "height": 100 * c / most, "count": c}
        for i, c in enumerate(counts)
    ]


def class_statistics(report: Report) -> dict[str, Any]:
    """What the overview shows of those who submitted."""
    came = [line for line in report.lines if line.state is not None]
    questions = []
    for q in report.questions:
        scores = [question_score(line, q) for line in came]
        done = [p / m for p, pending, m in scores if m and not pending]
        questions.append(
            {
                "id": q["id"],
                "title": q["title"],
                "kind": q["kind"],
                "max": maximum([q]),
                "shares": done,
                "mean": statistics.fmean(done) if done else None,
                "pending": sum(bool(p) for _, p, _ in scores),
            }
        )
    criteria = []
    for q in report.questions:
        for c in q["criteria"]:
            passed = [line.points(q["id"], c["name"]) > 0 for line in came]
            rate = statistics.fmean(passed) if passed else None
            criteria.append({"id": q["id"], "label": c["label"], "rate": rate})
    criteria.sort(key=lambda c: (c["rate"] is None, c["rate"]))
    totals = [line.percent / 100 for line in came if not line.pending]
    return {
        "came": len(came),
        "totals": totals,
        "median": statistics.median(totals) if totals else None,
        "questions": questions,
        "criteria": criteria,
        "look": [
            line
            for line in came
            if line.look or (line.status != "ok" and not line.looked)
        ],
        "pending": [line for line in came if line.pending],
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
