"""Make an exercise set from its one source, ``solutions/NN-slug/solutions.ipynb``.

    python tools/exercises.py            write the sets of every chapter
    python tools/exercises.py 1 6        of these chapters
    python tools/exercises.py --check    change nothing; exit 1 if a file is out of date
    python tools/exercises.py --verify   and run solutions, stubs and wrong answers

Written, always the same from the same source:

    exercises/NN-slug/exercises.ipynb    what a learner gets: statements, stubs, checks
    exercises/NN-slug/checks.py          visible criteria
    src/streamrec/book/visible/NN_slug.py    the same text, as package data
    solutions/keys/NN-slug/              example key: key.yaml, criteria.py,
                                         reference.py, stub.py, wrong/*.py

Cells of the source carry tags. For the set: ``intro``, ``parameters``, ``setup``,
``data`` (all go to the learner too), ``criteria`` (imports of the criteria). For
question qK: the tag ``qK`` and one of ``question``, ``given``, ``stub``, ``solution``,
``visible``, ``held-back``, ``hints``, ``discussion``, ``wrong``, ``rubric``,
``selfcheck``.

Criteria show on the page of solutions what they give: after those of a question a cell
tagged ``selfcheck`` calls ``marks("q1")``, and each wrong answer ends with
``marks("q1", wrong=True)``. The tool adds what is missing of these to the source;
``make chapter`` then stores what they print.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import nbtools
import yaml
from nbformat import NotebookNode
from nbtools import BadInput, fail, shown

from streamrec import syllabus
from streamrec.grading import criteria as crit

PARTS = {
    "question": "markdown",
    "given": "any",
    "stub": "any",
    "solution": "any",
    "visible": "code",
    "held-back": "code",
    "hints": "markdown",
    "discussion": "markdown",
    "wrong": "code",
    "rubric": "markdown",
    "selfcheck": "code",
}
SHARED = ("intro", "parameters", "setup", "data", "criteria")
KINDS = ("code", "derivation", "judgement")
RUBRIC_LEVELS = (0, 40, 75, 100)
SEEDS = (0, 1, 2)  # of verify
ROUNDS = 2  # independent inputs a criterion must pass, in the key
TITLE = re.compile(r"## (q\d+)\. (\S.*)", re.IGNORECASE)
FACTS = re.compile(
    r"\*Level (★{1,4}) · objective ([1-5]) · about (\d+) minutes? · "
    r"(\d+(?:\.\d+)?) points? · (\w+)\*"
)
WRONG = re.compile(r"# wrong: ([a-z0-9][a-z0-9 -]*), points (\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True)
class Places:
    """Where a set is read and written; ``root`` is the repository or a test folder."""

    root: Path

    def source(self, name: str) -> Path:
        return self.root / "solutions" / name / "solutions.ipynb"

    def exercises(self, name: str) -> Path:
        return self.root / "exercises" / name

    def key(self, name: str) -> Path:
        return self.root / "solutions" / "keys" / name

    def visible(self, name: str) -> Path:
        folder = self.root / "src" / "streamrec" / "book" / "visible"
        return folder / f"{name.replace('-', '_')}.py"

    def names(self) -> list[str]:
        found = (self.root / "solutions").glob("[0-9][0-9]-*/solutions.ipynb")
        return sorted(p.parent.name for p in found)


@dataclass
class Question:
    """One question: the facts of its second line and its cells by part."""

    id: str
    title: str = ""
    level: int = 0
    objective: int = 0
    minutes: int = 0
    points: float = 0.0
    kind: str = ""
    cells: dict[str, list[NotebookNode]] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    rubric: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[tuple[str, float, str]] = field(default_factory=list)
    criteria: list[crit.Criterion] = field(default_factory=list)
    visible: set[str] = field(default_factory=set)  # names of visible criteria

    def part(self, name: str) -> list[NotebookNode]:
        return self.cells.get(name, [])

    def code(self, *parts: str) -> str:
        """Source of the code cells of these parts."""
        cells = [c for p in parts for c in self.part(p) if c.cell_type == "code"]
        return _join(c.source for c in cells)


@dataclass
class ExerciseSet:
    """A whole source, read and validated."""

    name: str
    number: int
    title: str
    shared: dict[str, list[NotebookNode]]
    questions: list[Question]

    @property
    def preamble(self) -> str:
        """Code that learner and solution share."""
        parts = ("parameters", "setup", "data")
        return _join(
            c.source for p in parts for c in self.shared[p] if c.cell_type == "code"
        )


class Problems(Exception):
    """Everything wrong with a source, one line each."""


def _join(sources: Any) -> str:
    return "\n\n\n".join(s.strip("\n") for s in sources if s.strip())


# ------------------------------------------------------------------ reading


def parse(path: Path, *, relaxed: bool = False) -> ExerciseSet:
    """Read and validate a source.

    Raises
    ------
    Problems
        With one line for each thing to mend, naming the cell.
    """
    nb = nbtools.read(path)
    name = path.parent.name
    number = int(name[:2])
    problems: list[str] = []
    shared: dict[str, list[NotebookNode]] = {tag: [] for tag in SHARED}
    questions: dict[str, Question] = {}
    for cell in nb.cells:
        _place(cell, shared, questions, problems)
    found = list(questions.values())
    for question in found:
        _question(question, problems)
    _criteria(found, shared, problems)
    for question in found:
        _consistency(question, problems)
    if not shared["intro"]:
        problems.append("a markdown cell tagged intro must open the set")
    if not relaxed:
        _whole(found, problems)
        if fill(nb):
            problems.append("a question does not show its marks: run make exercises")
    if problems:
        raise Problems("\n".join(f"{shown(path)}: {line}" for line in problems))
    try:
        title = syllabus.load().chapter(number).title
    except KeyError:
        title = name[3:].replace("-", " ")
    return ExerciseSet(name, number, title, shared, found)


def _place(
    cell: NotebookNode,
    shared: dict[str, list[NotebookNode]],
    questions: dict[str, Question],
    problems: list[str],
) -> None:
    tags = cell.metadata.get("tags", [])
    ids = [t for t in tags if re.fullmatch(r"q\d+", t)]
    parts = [t for t in tags if t in PARTS]
    common = [t for t in tags if t in SHARED]
    where = f"cell {cell.id}"
    if len(ids) == 1 and len(parts) == 1 and not common:
        need = PARTS[parts[0]]
        if need not in ("any", cell.cell_type):
            problems.append(f"{where}: a cell tagged {parts[0]} must be {need}")
            return
        question = questions.setdefault(ids[0], Question(ids[0]))
        if list(questions)[-1] != ids[0]:
            problems.append(f"{where}: the cells of {ids[0]} must stand together")
        question.cells.setdefault(parts[0], []).append(cell)
    elif len(common) == 1 and not ids and not parts:
        if questions:
            problems.append(f"{where}: {common[0]} must stand before the questions")
        shared[common[0]].append(cell)
    else:
        problems.append(
            f"{where}: give it one of the tags {', '.join(SHARED)}, or a question's "
            f"tag (q1) and one of {', '.join(PARTS)}"
        )


def _question(q: Question, problems: list[str]) -> None:
    """Fill the facts of a question from its cells."""
    for part in ("question", "hints", "discussion"):
        if len(q.part(part)) != 1:
            problems.append(f"{q.id}: needs exactly one cell tagged {part}")
    if not q.part("solution"):
        problems.append(f"{q.id}: needs a cell tagged solution")
    for cell in q.part("question")[:1]:
        lines = [s.strip() for s in cell.source.splitlines() if s.strip()]
        title = TITLE.fullmatch(lines[0]) if lines else None
        facts = FACTS.fullmatch(lines[1]) if len(lines) > 1 else None
        if not title or title.group(1).lower() != q.id:
            problems.append(
                f"cell {cell.id}: the first line must read '## {q.id}. Title'"
            )
        if not facts:
            problems.append(
                f"cell {cell.id}: the second line must read '*Level ★★ · objective 3 · "
                "about 20 minutes · 4 points · code*'"
            )
        if title and facts:
            q.title = title.group(2)
            q.level, q.objective = len(facts.group(1)), int(facts.group(2))
            q.minutes, q.points = int(facts.group(3)), float(facts.group(4))
            q.kind = facts.group(5)
            if q.kind not in KINDS:
                problems.append(
                    f"cell {cell.id}: the kind is one of {', '.join(KINDS)}"
                )
        if len(lines) < 3:
            problems.append(f"cell {cell.id}: the statement is missing")
    for cell in q.part("hints")[:1]:
        pieces = re.split(r"(?m)^\s*\d+\.\s+", cell.source)
        q.hints = [" ".join(p.split()) for p in pieces[1:]]
        if len(q.hints) != 3 or not all(q.hints):
            problems.append(
                f"cell {cell.id}: write exactly three hints, as a list 1. 2. 3."
            )
    for cell in q.part("wrong"):
        first, _, rest = cell.source.partition("\n")
        match = WRONG.fullmatch(first)
        if not match:
            problems.append(
                f"cell {cell.id}: the first line must read '# wrong: name, points 1.5'"
            )
        else:
            name = match.group(1).strip().replace(" ", "-")
            if name in [w[0] for w in q.wrong]:
                problems.append(f"cell {cell.id}: {name} names two wrong answers")
            rest = rest.replace(_marks(q.id, wrong=True), "").strip("\n")
            q.wrong.append((name, float(match.group(2)), rest))
    if len(q.part("rubric")) > 1:
        problems.append(f"{q.id}: put the rubric in one cell")
    for cell in q.part("rubric")[:1]:
        q.rubric = _rubric(cell, problems)


def _rubric(cell: NotebookNode, problems: list[str]) -> list[dict[str, Any]]:
    """The YAML fence of a rubric cell: criterion, points, levels 0/40/75/100."""
    where = f"cell {cell.id}"
    fence = re.search(r"```ya?ml\n(.*?)```", cell.source, re.DOTALL)
    if not fence:
        problems.append(f"{where}: write the rubric in a ```yaml fence")
        return []
    try:
        rows = yaml.safe_load(fence.group(1))
    except yaml.YAMLError as error:
        line = str(error).splitlines()[0]
        problems.append(f"{where}: the rubric is not valid YAML ({line})")
        return []
    good = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or set(row) != {"criterion", "points", "levels"}:
            break
        levels = row["levels"]
        if not isinstance(levels, dict) or tuple(levels) != RUBRIC_LEVELS:
            break
        if not isinstance(row["points"], (int, float)) or row["points"] <= 0:
            break
        if not all(isinstance(v, str) and v.strip() for v in levels.values()):
            break
        words = {k: " ".join(v.split()) for k, v in levels.items()}
        name = " ".join(str(row["criterion"]).split())
        good.append(
            {"criterion": name, "points": float(row["points"]), "levels": words}
        )
    if not good or len(good) != len(rows):
        problems.append(
            f"{where}: each entry of the rubric needs criterion, points and levels "
            "with a description for 0, 40, 75 and 100"
        )
    return good


def _criteria(
    questions: list[Question],
    shared: dict[str, list[NotebookNode]],
    problems: list[str],
) -> None:
    """Run the criteria cells of each question and collect what they define."""
    base: dict[str, Any] = {"__name__": "criteria"}
    for cell in shared["criteria"]:
        _execute(cell, base, problems)
    taken: dict[str, str] = {}
    for q in questions:
        names = dict(base)
        for part in ("visible", "held-back"):
            for cell in q.part(part):
                before = dict(names)
                if not _execute(cell, names, problems):
                    continue
                own = {k: v for k, v in names.items() if before.get(k) is not v}
                try:
                    items = crit.collect(own)
                except ValueError as error:
                    problems.append(f"cell {cell.id}: {error}")
                    continue
                if not items:
                    problems.append(f"cell {cell.id}: defines no function test_*")
                for item in items:
                    if item.question != q.id:
                        problems.append(
                            f"cell {cell.id}: {item.name} is marked {item.question}, "
                            f"its cell {q.id}"
                        )
                    if item.name in taken:
                        problems.append(
                            f"cell {cell.id}: {item.name} is already defined in "
                            f"{taken[item.name]}"
                        )
                    taken[item.name] = f"cell {cell.id}"
                    if part == "visible":
                        q.visible.add(item.name)
                        if item.needs_reference:
                            problems.append(
                                f"cell {cell.id}: a visible criterion cannot use the "
                                "reference: the learner does not have it"
                            )
                    q.criteria.append(item)


def _execute(cell: NotebookNode, names: dict[str, Any], problems: list[str]) -> bool:
    if cell.cell_type != "code":
        return False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(_compile(cell.source, cell.id), names)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        problems.append(
            f"cell {cell.id}: does not run ({text}); imports of the criteria belong "
            "in a cell tagged criteria"
        )
        return False
    return True


def _compile(source: str, name: str) -> Any:
    return compile(source, f"<{name}>", "exec")


def _uses_rng(q: Question, part: str) -> bool:
    for cell in q.part(part):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Name) and node.id == "rng":
                return True
    return False


def _consistency(q: Question, problems: list[str]) -> None:
    """What must hold within a question."""
    automatic = sum(c.points for c in q.criteria)
    manual = sum(r["points"] for r in q.rubric)
    if abs(automatic + manual - q.points) > 1e-9:
        problems.append(
            f"{q.id}: says {q.points:g} points, but its criteria give {automatic:g} "
            f"and its rubric {manual:g}"
        )
    if q.points <= 0:
        problems.append(f"{q.id}: must be worth something")
    if q.kind == "code":
        for part in ("stub", "visible", "held-back", "wrong"):
            if not q.part(part):
                problems.append(f"{q.id}: a code question needs a cell tagged {part}")
        for part in ("visible", "held-back"):
            if q.part(part) and not _uses_rng(q, part):
                problems.append(
                    f"{q.id}: its {part} criteria must draw inputs from rng"
                )
    elif not q.rubric and not q.criteria:
        problems.append(f"{q.id}: needs a rubric or criteria")
    if q.kind == "judgement" and not q.rubric:
        problems.append(f"{q.id}: a judgement question needs a rubric")
    for name, points, _ in q.wrong:
        if points >= automatic:
            problems.append(f"{q.id}: wrong answer {name} must lose points")


def _whole(questions: list[Question], problems: list[str]) -> None:
    """What must hold for a chapter's set."""
    if [q.id for q in questions] != [f"q{i + 1}" for i in range(len(questions))]:
        problems.append("number the questions q1, q2, ... in order")
    if len(questions) < 8:
        problems.append(f"write at least eight questions (there are {len(questions)})")
    for level in range(1, 5):
        if not any(q.level == level for q in questions):
            problems.append(f"no question is at level {'★' * level}")
    for kind, least in (("code", 4), ("derivation", 2), ("judgement", 1)):
        have = sum(q.kind == kind for q in questions)
        if have < least:
            problems.append(
                f"write at least {least} {kind} question(s); there are {have}"
            )


# ------------------------------------------------------------------ marks shown


def _marks(question: str, *, wrong: bool = False) -> str:
    """The line of a page of solutions that shows what the criteria give."""
    return f'marks("{question}"{", wrong=True" if wrong else ""})'


def fill(nb: NotebookNode) -> bool:
    """Add the cells and lines that show marks where they are missing.

    Returns whether anything was.
    """
    last: dict[str, int] = {}  # place of each question's last criteria
    has: dict[str, set[str]] = {}
    changed = False
    for place, cell in enumerate(nb.cells):
        tags = cell.metadata.get("tags", [])
        for q in [t for t in tags if re.fullmatch(r"q\d+", t)]:
            if {"visible", "held-back"} & set(tags):
                last[q] = place
            elif "selfcheck" in tags:
                has.setdefault(q, set()).add(cell.source)
            elif "wrong" in tags and _marks(q, wrong=True) not in cell.source:
                cell.source = cell.source.rstrip() + f"\n\n\n{_marks(q, wrong=True)}"
                changed = True
    bring = "from streamrec.book import marks\n\n"
    first = next(iter(last), None)
    for q, place in reversed(last.items()):
        if not any(_marks(q) in source for source in has.get(q, ())):
            source = (bring if q == first else "") + _marks(q)
            prefix = nb.cells[place].id.split("-")[0]
            made = _code(source, f"{prefix}-{q}-marks", [q, "selfcheck"])
            nb.cells.insert(place + 1, made)
            changed = True
    return changed


# ------------------------------------------------------------------ writing


def outputs(exercise: ExerciseSet, places: Places) -> dict[Path, str]:
    """Text of every generated file."""
    name = exercise.name
    visible = _checks_text(exercise)
    key = places.key(name)
    files = {
        places.exercises(name) / "exercises.ipynb": nbtools.dumps(_stub(exercise)),
        places.exercises(name) / "checks.py": visible,
        places.visible(name): visible,
        key / "criteria.py": _criteria_text(exercise),
        key / "key.yaml": _key_text(exercise),
        key / "reference.py": _python(
            f"Reference answers of chapter {exercise.number}, {exercise.title}.",
            exercise.preamble,
            *(q.code("given", "solution") for q in exercise.questions),
        ),
        key / "stub.py": _python(
            f"The untouched answers of chapter {exercise.number}, {exercise.title}.",
            exercise.preamble,
            *(q.code("given", "stub") for q in exercise.questions),
        ),
    }
    for q in exercise.questions:
        for wrong, points, source in q.wrong:
            files[key / "wrong" / f"{q.id}-{wrong}.py"] = _python(
                f"{q.id}, {wrong.replace('-', ' ')}: {points:g} points. It follows "
                "reference.py.",
                source,
            )
    return files


def _python(title: str, *sources: str) -> str:
    head = f'"""{title}\n\nGenerated from solutions.ipynb: do not edit.\n"""\n\n'
    return head + "# ruff: noqa\n# mypy: ignore-errors\n\n" + _join(sources) + "\n"


def _criteria_cells(exercise: ExerciseSet, *parts: str) -> list[str]:
    shared = [c.source for c in exercise.shared["criteria"] if c.cell_type == "code"]
    own = [c.source for q in exercise.questions for p in parts for c in q.part(p)]
    return shared + own


def _checks_text(exercise: ExerciseSet) -> str:
    hints = {q.id: q.hints for q in exercise.questions}
    facts = f"CHAPTER = {exercise.number}\n\nHINTS = " + json.dumps(
        hints, ensure_ascii=False, indent=4
    )
    title = f"Visible checks of chapter {exercise.number}, {exercise.title}."
    return _python(title, facts, *_criteria_cells(exercise, "visible"))


def _criteria_text(exercise: ExerciseSet) -> str:
    title = f"All criteria of chapter {exercise.number}, {exercise.title}."
    return _python(title, *_criteria_cells(exercise, "visible", "held-back"))


def _key_text(exercise: ExerciseSet) -> str:
    key = {
        "format": 1,
        "chapter": exercise.number,
        "slug": exercise.name[3:],
        "title": exercise.title,
        "seed": 1000 + exercise.number,
        "rounds": ROUNDS,
        "points": _number(sum(q.points for q in exercise.questions)),
        "questions": [_key_question(q) for q in exercise.questions],
    }
    head = (
        "# Example key, generated from solutions.ipynb: do not edit.\n"
        "# A private key is a copy with another seed.\n"
    )
    body = yaml.safe_dump(key, sort_keys=False, allow_unicode=True, width=88)
    return head + body


def _key_question(q: Question) -> dict[str, Any]:
    return {
        "id": q.id,
        "title": q.title,
        "kind": q.kind,
        "level": q.level,
        "objective": q.objective,
        "minutes": q.minutes,
        "points": _number(q.points),
        "criteria": [
            {
                "name": c.name,
                "label": c.label,
                "points": _number(c.points),
                "visible": c.name in q.visible,
                "hint": c.hint,
            }
            for c in q.criteria
        ],
        "rubric": [dict(r, points=_number(r["points"])) for r in q.rubric],
        "hints": q.hints,
        "wrong": [
            {"file": f"wrong/{q.id}-{name}.py", "points": _number(points)}
            for name, points, _ in q.wrong
        ],
        "discussion": q.part("discussion")[0].source.strip(),
    }


def _number(x: float) -> int | float:
    return int(x) if float(x).is_integer() else x


def _stub(exercise: ExerciseSet) -> NotebookNode:
    """The notebook a learner gets."""
    prefix = f"ch{exercise.number:02d}"
    start = (
        "from streamrec.book import chapter_exercises, selfcheck\n\n"
        f"chapter_exercises({exercise.number})"
    )
    cells = [_copy(c, []) for c in exercise.shared["intro"]]
    cells.append(_code(start, f"{prefix}-start", ["start"]))
    for part in ("parameters", "setup", "data"):
        cells += [_copy(c, [part]) for c in exercise.shared[part]]
    for q in exercise.questions:
        cells += [_copy(c, [q.id, "question"]) for c in q.part("question")]
        cells += [_copy(c, [q.id, "given"]) for c in q.part("given")]
        cells += [_copy(c, [q.id, "answer"]) for c in q.part("stub")]
        if not any(c.cell_type == "markdown" for c in q.part("stub")) and (
            q.rubric or not q.part("stub")
        ):
            text = f"*Your answer to {q.id}. Write it here.*"
            cells.append(_markdown(text, f"{prefix}-{q.id}-answer", [q.id, "answer"]))
        if q.visible:
            source = f'selfcheck("{q.id}")'
            cells.append(_code(source, f"{prefix}-{q.id}-check", [q.id, "check"]))
        else:
            hints = "\n".join(
                f"<details><summary>Hint {i} of {len(q.hints)}</summary>\n\n{h}\n\n"
                "</details>"
                for i, h in enumerate(q.hints, 1)
            )
            cells.append(_markdown(hints, f"{prefix}-{q.id}-hints", [q.id, "hints"]))
    ids = [c.id for c in cells]
    for one in ids:
        if ids.count(one) > 1:
            raise Problems(f"{exercise.name}: the cell id {one} is reserved: rename it")
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.nbformat_minor = 5
    nb.metadata = NotebookNode(
        {
            "kernelspec": dict(nbtools.KERNELSPEC),
            "language_info": {"name": "python"},
            "streamrec": {"chapter": exercise.number, "format": 1},
        }
    )
    nbformat.validate(nb)
    return nb


def _copy(cell: NotebookNode, tags: list[str]) -> NotebookNode:
    make = _code if cell.cell_type == "code" else _markdown
    return make(cell.source, cell.id, tags)


def _code(source: str, cell_id: str, tags: list[str]) -> NotebookNode:
    return nbformat.v4.new_code_cell(source, id=cell_id, metadata=_tags(tags))


def _markdown(source: str, cell_id: str, tags: list[str]) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=cell_id, metadata=_tags(tags))


def _tags(tags: list[str]) -> dict[str, Any]:
    return {"tags": tags} if tags else {}


def stale(files: dict[Path, str], places: Places, name: str) -> list[str]:
    """Generated files that are missing, different or left over."""
    lines = []
    for path, text in files.items():
        if not path.is_file():
            lines.append(f"{path.relative_to(places.root)} is missing")
        elif path.read_text("utf-8") != text:
            lines.append(f"{path.relative_to(places.root)} is out of date")
    for path in _left_over(files, places, name):
        lines.append(f"{path.relative_to(places.root)} has no source any more")
    return lines


def _left_over(files: dict[Path, str], places: Places, name: str) -> list[Path]:
    present = (places.key(name) / "wrong").glob("*.py")
    return sorted(p for p in present if p not in files)


def write(files: dict[Path, str], places: Places, name: str) -> None:
    """Write what changed and remove wrong answers that are gone."""
    for path, text in files.items():
        if not path.is_file() or path.read_text("utf-8") != text:
            nbtools.write_text(text, path)
    for path in _left_over(files, places, name):
        path.unlink()


# ------------------------------------------------------------------ verifying


def verify(
    exercise: ExerciseSet, seeds: tuple[int, ...] = SEEDS, rounds: int = ROUNDS
) -> list[str]:
    """Run solution, stub and wrong answers of every question; one line a problem.

    Each runs on the shared cells and its question's own, so a solution that leans on
    another question's is found.
    """
    problems: list[str] = []
    shared = _run(exercise.preamble, {"__name__": "__main__"}, "setup", problems)
    whole = dict(shared)
    for q in exercise.questions:
        _run(q.code("given", "solution"), whole, f"{q.id} solution", problems)
    reference = crit.LocalAnswer(whole)
    for q in exercise.questions:
        problems += [
            f"{q.id}: {line}" for line in _verify(q, shared, reference, seeds, rounds)
        ]
    return problems


def _verify(
    q: Question,
    shared: dict[str, Any],
    reference: crit.LocalAnswer,
    seeds: tuple[int, ...],
    rounds: int,
) -> list[str]:
    problems: list[str] = []
    full = sum(c.points for c in q.criteria)
    given = _run(q.code("given"), dict(shared), "given", problems)
    solved = _run(q.code("solution"), dict(given), "solution", problems)
    blank = _run(q.code("stub"), dict(given), "stub", problems)
    never_lost = {c.name for c in q.criteria}
    for seed in seeds:
        for outcome in _outcomes(q, solved, reference, seed, rounds):
            if not outcome.passed:
                problems.append(f"the solution {_loses(outcome)} (seed {seed})")
        for outcome in _outcomes(q, blank, reference, seed, rounds):
            if outcome.passed:
                problems.append(
                    f"the untouched stub passes {outcome.criterion.name} (seed {seed})"
                )
            elif outcome.status == "error":
                problems.append(f"the untouched stub {_loses(outcome)}")
        for name, points, source in q.wrong:
            names = _run(source, dict(solved), f"wrong answer {name}", problems)
            outcomes = _outcomes(q, names, reference, seed, rounds)
            got = sum(o.criterion.points for o in outcomes if o.passed)
            never_lost -= {o.criterion.name for o in outcomes if not o.passed}
            if abs(got - points) > 1e-9:
                kept = ", ".join(o.criterion.name for o in outcomes if o.passed)
                problems.append(
                    f"wrong answer {name} gets {got:g} of {full:g} points, not the "
                    f"{points:g} stated (seed {seed}; it passes {kept or 'nothing'})"
                )
    if q.criteria:
        for name in sorted(never_lost):
            problems.append(f"no stored wrong answer loses {name}: add one that must")
    return list(dict.fromkeys(problems))


def _loses(outcome: crit.Outcome) -> str:
    verb = "fails" if outcome.status == "failed" else "stumbles in"
    return f"{verb} {outcome.criterion.name}: {outcome.message}"


def _outcomes(
    q: Question,
    names: dict[str, Any],
    reference: crit.LocalAnswer,
    seed: int,
    rounds: int,
) -> list[crit.Outcome]:
    with _quiet():
        found = [
            crit.run(
                c, crit.LocalAnswer(names), seed, reference=reference, rounds=rounds
            )
            for c in q.criteria
        ]
    return crit.settle(found)


def _run(
    source: str, names: dict[str, Any], what: str, problems: list[str]
) -> dict[str, Any]:
    try:
        with _quiet():
            exec(_compile(source, what), names)
    except Exception as error:
        problems.append(f"{what} does not run: {type(error).__name__}: {error}")
    return names


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield


def run_stub(notebook: Path) -> str:
    """Run the learner's notebook from its folder and return what it printed.

    Raises whatever a cell raises: an untouched notebook must run to its end.
    """
    nb = nbtools.read(notebook)
    names: dict[str, Any] = {"__name__": "__main__"}
    here, printed = Path.cwd(), io.StringIO()
    os.chdir(notebook.parent)
    try:
        with contextlib.redirect_stdout(printed):
            for cell in nb.cells:
                if cell.cell_type == "code":
                    exec(_compile(cell.source, cell.id), names)
    finally:
        os.chdir(here)
    return printed.getvalue()


# ------------------------------------------------------------------ command line


def main(argv: list[str] | None = None) -> int:
    """Exit 0 if all is well, 1 if a check failed, 2 for bad input."""
    parser = argparse.ArgumentParser(
        description="Make exercise sets from their solutions notebooks."
    )
    parser.add_argument("chapters", nargs="*", help="chapter numbers (default: all)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if stale"
    )
    parser.add_argument(
        "--verify", action="store_true", help="run solutions, stubs and wrong answers"
    )
    parser.add_argument(
        "--root", type=Path, default=nbtools.ROOT, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--relaxed", action="store_true", help="skip the minimum number of questions"
    )
    args = parser.parse_args(argv)
    places = Places(args.root.resolve())
    try:
        names = _chosen(args.chapters, places)
        failed = [n for n in names if not _one(n, places, args)]
    except BadInput as error:
        fail(str(error))
    except Problems as error:
        fail(str(error))
    if not names:
        print("no solutions.ipynb yet: nothing to do")
    return 1 if failed else 0


def _chosen(chapters: list[str], places: Places) -> list[str]:
    if not chapters:
        return places.names()
    names = [nbtools.chapter_name(c) for c in chapters]
    for name in names:
        if not places.source(name).is_file():
            raise BadInput(f"solutions/{name}/solutions.ipynb does not exist yet")
    return names


def _one(name: str, places: Places, args: argparse.Namespace) -> bool:
    if not args.check and not args.relaxed:
        source = nbtools.read(places.source(name))
        if fill(source):
            nbtools.write(source, places.source(name))
            print(f"{name}: cells that show marks were added: run make chapter")
    exercise = parse(places.source(name), relaxed=args.relaxed)
    files = outputs(exercise, places)
    problems = []
    if args.check:
        problems += stale(files, places, name)
        if problems:
            problems.append("run make exercises")
    else:
        write(files, places, name)
    if args.verify:
        problems += verify(exercise)
    for line in problems:
        print(f"{name}: {line}", file=sys.stderr)
    if not problems:
        points = sum(q.points for q in exercise.questions)
        wrong = sum(len(q.wrong) for q in exercise.questions)
        print(
            f"{name}: {len(exercise.questions)} questions, {points:g} points, "
            f"{sum(len(q.criteria) for q in exercise.questions)} criteria, "
            f"{wrong} wrong answers{', verified' if args.verify else ''}"
        )
    return not problems


if __name__ == "__main__":
    sys.exit(main())
