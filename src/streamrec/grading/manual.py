"""The sheets that people fill in: manual points, due dates, teams, the class list.

All are CSV files in UTF-8 with a heading line. A fault is one ``ValueError`` that names
the file, the line and what to write instead.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from streamrec.grading.state import write_text

SHEET = ("id", "question", "criterion", "max", "points", "comment", "grader")
FORMULA = tuple("=+-@\t\r＝＋－＠")  # a spreadsheet would calculate with these


# ------------------------------------------------------------------ CSV, kept safe


def safe_cell(value: object) -> str:
    """Text for a CSV cell that no spreadsheet takes for a formula.

    Numbers lose trailing zeros; text that begins like a formula gets an apostrophe.

    Examples
    --------
    >>> [safe_cell(v) for v in ("=1+1", -2.5, 3.0, None, "ann")]
    ["'=1+1", '-2.5', '3', '', 'ann']
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{round(float(value), 4):.10g}"
    text = str(value)
    return "'" + text if text.lstrip(" \n").startswith(FORMULA) else text


def unsafe_cell(text: str) -> str:
    """What ``safe_cell`` was given: the apostrophe before a formula goes."""
    bare = text[1:] if text.startswith("'") else text
    return bare if bare.lstrip(" \n").startswith(FORMULA) else text


def write_csv(
    path: Path, head: Iterable[str], rows: Iterable[Iterable[object]]
) -> None:
    """Write a table, whole or not at all."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe_cell(h) for h in head])
    writer.writerows([safe_cell(c) for c in row] for row in rows)
    write_text(path, out.getvalue())


def read_csv(
    path: str | Path, needed: Iterable[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a sheet that has these columns; other columns come along.

    Raises
    ------
    ValueError
        If the file is missing, is not UTF-8, or lacks a column.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it as CSV UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="")
    try:
        names = [(n or "").strip().lower() for n in reader.fieldnames or ()]
        lacking = [n for n in needed if n not in names]
        if lacking:
            has = str(names)[:200]
            raise ValueError(f"{path} lacks the column {lacking[0]}: it has {has}")
        reader.fieldnames = names
        for row in reader:
            if None in row:
                line = reader.line_num
                raise ValueError(f"{path}, line {line}: more cells than columns")
            cells = {k: unsafe_cell(v.strip()) for k, v in row.items()}
            if any(cells.values()):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None


# ------------------------------------------------------------------ manual points


@dataclass(frozen=True)
class Mark:
    """What a person gave for one criterion of a rubric."""

    points: float
    comment: str = ""
    grader: str = ""


Manual = dict[tuple[str, str, str], list[Mark]]  # by submission, question, criterion


def rubric_of(questions: Iterable[Mapping[str, Any]]) -> list[tuple[str, dict]]:
    """(question, criterion of its rubric), in the order of the key."""
    return [(q["id"], r) for q in questions for r in q.get("rubric") or ()]


def _maxima(questions: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    rubric = rubric_of(questions)
    return {(q, str(r["criterion"])): float(r["points"]) for q, r in rubric}


def read_manual(
    path: str | Path,
    submissions: Iterable[str],
    questions: Iterable[Mapping[str, Any]],
) -> Manual:
    """Manual points; a blank cell is pending and gives no mark.

    ``points`` is a number from 0 to the criterion's maximum, or a share such as 75%.
    A criterion may be marked by two people (two lines, two graders). A line may also
    name an automatic criterion (``test_...``): its points take the place of the run's.

    Raises
    ------
    ValueError
        For an unknown submission or criterion, points out of range, or two lines of
        one grader for the same criterion.
    """
    questions = list(questions)
    most = _maxima(questions)
    most |= {
        (q["id"], c["name"]): float(c["points"])
        for q in questions
        for c in q.get("criteria") or ()
    }
    known = set(submissions)
    found: Manual = {}
    for line, row in read_csv(path, ("id", "question", "criterion", "points")):
        where = f"{path}, line {line}"
        if row["id"] not in known:
            raise ValueError(f"{where}: there is no submission {row['id']!r}")
        what = (row["question"], row["criterion"])
        if what not in most:
            raise ValueError(
                f"{where}: the rubric of {what[0]!r} has no criterion {what[1]!r}, "
                "nor has the key"
            )
        if not row["points"]:
            continue
        points = _points(row["points"], most[what], where)
        mark = Mark(points, row.get("comment", ""), row.get("grader", ""))
        marks = found.setdefault((row["id"], *what), [])
        if any(m.grader == mark.grader for m in marks):
            by = f" by {mark.grader}" if mark.grader else ""
            raise ValueError(f"{where}: {row['id']} {what[0]} is marked twice{by}")
        marks.append(mark)
    return found


def _points(text: str, most: float, where: str) -> float:
    share = text.endswith("%")
    try:
        points = float(text.rstrip("% ").replace(",", "."))
    except ValueError:
        points = math.nan
    if share:
        points *= most / 100
    if not 0 <= points <= most + 1e-9:
        raise ValueError(f"{where}: points must be from 0 to {most:g}; got {text!r}")
    return points


def write_sheet(
    path: Path,
    submissions: Iterable[str],
    questions: Iterable[Mapping[str, Any]],
) -> tuple[int, int]:
    """Write a sheet with a line for each manual criterion; (lines, still blank).

    Lines of an existing sheet keep what was filled in; new submissions are added.

    Raises
    ------
    ValueError
        If the existing sheet has a fault.
    """
    questions, ids = list(questions), list(submissions)
    kept: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    if path.exists():
        read_manual(path, [*ids, *_ids_of(path)], questions)  # says what is wrong
        for _, row in read_csv(path, SHEET):
            place = (row["id"], row["question"], row["criterion"])
            kept.setdefault(place, []).append(row)
    rows, blank = [], 0
    for id in ids:
        for question, rubric in rubric_of(questions):
            place = (id, question, str(rubric["criterion"]))
            lines = kept.pop(place, None) or [{"points": ""}]
            blank += all(not line["points"] for line in lines)
            for line in lines:
                given = [line.get(c, "") for c in ("points", "comment", "grader")]
                rows.append([*place, rubric["points"], *given])
    for place, lines in kept.items():  # work on submissions that are gone is not lost
        for line in lines:
            given = [line.get(c, "") for c in ("max", "points", "comment", "grader")]
            rows.append([*place, *given])
    write_csv(path, SHEET, rows)
    return len(rows), blank


def _ids_of(path: Path) -> list[str]:
    return [row["id"] for _, row in read_csv(path, ("id",))]


def agreement(manual: Manual, questions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """How far two graders agree: quadratic-weighted kappa over what both marked.

    Shares of the maximum are compared on the levels 0, 40, 75 and 100 %: with ``O`` the
    share of pairs at levels (i, j), ``E`` the product of its margins and
    ``W = (i - j)^2``, kappa = 1 - sum(W O) / sum(W E). Source: Cohen (1968), Weighted
    kappa. Returns ``pairs``, ``kappa`` (None for fewer than two levels in use).
    """
    import numpy as np

    most = _maxima(questions)
    levels = np.array([0.0, 0.4, 0.75, 1.0])
    table = np.zeros((4, 4))
    for (_, *what), marks in manual.items():
        if len(marks) >= 2 and most.get((what[0], what[1]), 0.0) > 0:
            first, second = sorted(marks, key=lambda m: m.grader)[:2]
            i, j = (
                int(np.abs(levels - m.points / most[what[0], what[1]]).argmin())
                for m in (first, second)
            )
            table[i, j] += 1
    pairs = int(table.sum())
    if not pairs:
        return {"pairs": 0, "kappa": None}
    O = table / pairs  # noqa: E741  as in the formula
    E = np.outer(O.sum(axis=1), O.sum(axis=0))
    W = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    expected = float((W * E).sum())
    kappa = 1 - float((W * O).sum()) / expected if expected else None
    return {"pairs": pairs, "kappa": kappa}


# ------------------------------------------------------------------ dates and teams


@dataclass(frozen=True)
class LateRule:
    """``per_day`` percent of the total a day begun, up to ``cap``, after ``grace``."""

    per_day: float = 10.0
    cap: float = 50.0
    grace: timedelta = timedelta(minutes=15)

    def __post_init__(self) -> None:
        if not (0 <= self.per_day <= 100 and 0 <= self.cap <= 100):
            raise ValueError("late percentages must be from 0 to 100")

    def days(self, due: datetime, submitted: datetime) -> int:
        """Days begun after the due time and the grace.

        Examples
        --------
        >>> due = datetime.fromisoformat("2026-11-20T23:59+00:00")
        >>> LateRule().days(due, due + timedelta(minutes=10))
        0
        >>> LateRule().days(due, due + timedelta(hours=25))
        2
        """
        over = submitted - due
        return 0 if over <= self.grace else math.ceil(over / timedelta(days=1))

    def factor(self, days: int) -> float:
        """What a total is multiplied by.

        Examples
        --------
        >>> [LateRule().factor(d) for d in (0, 1, 9)]
        [1.0, 0.9, 0.5]
        """
        return 1.0 - min(self.cap, self.per_day * days) / 100


@dataclass(frozen=True)
class Due:
    """When a submission is due, and when it came if the sheet says so."""

    due: datetime
    submitted: datetime | None = None


def read_due(path: str | Path, known: Iterable[str]) -> dict[str, Due]:
    """Due times (columns id, due and, if you like, submitted); id ``*`` is everyone.

    Raises
    ------
    ValueError
        For an unknown id or a time without its zone.
    """
    ids, found = {*known, "*"}, {}
    for line, row in read_csv(path, ("id", "due")):
        where = f"{path}, line {line}"
        if row["id"] not in ids:
            raise ValueError(f"{where}: nobody has the id {row['id']!r}")
        given = row.get("submitted", "")
        came = read_time(given, where) if given else None
        found[row["id"]] = Due(read_time(row["due"], where), came)
    return found


def read_time(text: str, where: str) -> datetime:
    """A time with its zone.

    Raises
    ------
    ValueError
        If it is not one.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"{where}: write times with their zone, as 2026-11-20T23:59+01:00; "
            f"got {text!r}"
        )
    return moment


@dataclass(frozen=True)
class Member:
    """A student's part in a submission."""

    submission: str
    multiplier: float = 1.0


def read_teams(path: str | Path, submissions: Iterable[str]) -> dict[str, Member]:
    """Students by id (columns student, submission and, if you like, multiplier).

    Raises
    ------
    ValueError
        For an unknown submission, a student listed twice, or a multiplier outside
        0.8 to 1.05.
    """
    known, found = set(submissions), {}
    for line, row in read_csv(path, ("student", "submission")):
        where = f"{path}, line {line}"
        if row["submission"] not in known:
            raise ValueError(f"{where}: there is no submission {row['submission']!r}")
        if row["student"] in found:
            raise ValueError(f"{where}: {row['student']!r} is listed twice")
        text = row.get("multiplier", "") or "1"
        try:
            multiplier = float(text.replace(",", "."))
        except ValueError:
            multiplier = math.nan
        if not 0.8 <= multiplier <= 1.05:
            raise ValueError(f"{where}: a multiplier is from 0.8 to 1.05; got {text!r}")
        found[row["student"]] = Member(row["submission"], multiplier)
    return found


def read_roster(path: str | Path) -> dict[str, dict[str, str]]:
    """The class list by id (column id; name, first_name, last_name, email if known).

    Canvas' and Gradescope's own exports do too: ``SIS Login ID`` or ``SID`` is the id.

    Raises
    ------
    ValueError
        If no column holds ids, or an id occurs twice.
    """
    rows = list(read_csv(path, ()))
    columns = list(rows[0][1]) if rows else []
    id = next((c for c in ("id", "sis login id", "sid") if c in columns), None)
    if id == "id" and "sis login id" in columns:  # Canvas: its own number is not ours
        id = "sis login id"
    if id is None:
        raise ValueError(f"{path} needs a column id (or SIS Login ID, or SID)")
    found: dict[str, dict[str, str]] = {}
    for line, row in rows:
        if not row[id]:
            continue  # Canvas' line of points possible
        if row[id] in found:
            raise ValueError(f"{path}, line {line}: {row[id]!r} is listed twice")
        found[row[id]] = row
    return found
