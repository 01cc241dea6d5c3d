"""The learner's side of ``streamrec project check``: one process, one project.

``python -m streamrec.tracks.local FD JOB`` imports the project's modules, runs their
criteria and writes what it finds to the pipe FD as lines of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from streamrec.grading import project as handed
from streamrec.grading.criteria import LocalAnswer, collect, run
from streamrec.tracks import milestones
from streamrec.tracks.check import LATE, OPEN, Project
from streamrec.tracks.layout import document_templates
from streamrec.tracks.milestones import Part


class HandedIn:
    """The folder as the grader would show it to a criterion, without a sandbox."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def restart(self) -> None:
        """A fresh process; here there is but one."""

    def words_added(self) -> dict[str, int]:
        """Words in each document beyond its template."""
        templates = document_templates(self.project.track)
        texts = {}
        for name in templates:
            path = self.project.folder / name
            texts[name] = path.read_text("utf-8") if path.is_file() else ""
        return handed.words_added(texts, templates)

    def run_notebook(self, name: str, variable: str) -> tuple[list[str], Any]:
        """(what its cells raised, a variable at the end)."""
        from streamrec.grading.worker import compile_cell

        path = self.project.folder / name
        if not path.is_file():
            return [f"{name} is missing"], None
        names: dict[str, Any] = {"__name__": "__main__", "display": lambda *a: None}
        errors = []
        for label, source in handed.code_cells(path.read_bytes(), name):
            try:
                exec(compile_cell(source, label), names)
            except Exception as error:
                errors.append(f"{label} raised {type(error).__name__}: {error}")
        value = LocalAnswer(names)
        return errors, value.value(variable) if value.has(variable) else None


class Answer(LocalAnswer):
    """A module of the project, with the folder that it lies in."""

    handed_in: HandedIn


def check_part(project: Project, part: Part, seed: int) -> list[dict[str, Any]]:
    """Outcomes of the visible criteria of one milestone."""
    module = importlib.import_module(f"{project.package}.{part.module}")
    answer = Answer(vars(module))
    answer.handed_in = HandedIn(project)
    reference = LocalAnswer(
        {f: milestones.reference_of(f) for p in milestones.PARTS for f in p.functions}
    )
    criteria = importlib.import_module(f"streamrec.tracks.criteria.{part.module}")
    out = []
    for item in collect(criteria):
        if item.name in part.held_back:
            continue
        found = run(item, answer, seed, reference=reference)
        status = "passed" if found.passed else "failed"
        waiting = item.name in LATE or found.message.endswith("is not written yet")
        out.append(
            {
                "name": item.name,
                "label": item.label,
                "points": item.points,
                "status": OPEN if waiting and not found.passed else status,
                "message": found.message,
                "hint": "" if found.passed else item.hint,
            }
        )
    return out


def main(fd: int, job: dict[str, Any]) -> None:
    """Check the parts of a job, one event a line."""

    def tell(part: str, event: str, **more: Any) -> None:
        line = json.dumps({"part": part, "event": event, **more}) + "\n"
        os.write(fd, line.encode("ascii"))

    own = job["project"]
    project = Project(Path(own["folder"]), own["track"], own["package"])
    sys.path.insert(0, str(project.folder))
    for part in milestones.parts(project.track):
        if part.name not in job["parts"]:
            continue
        try:
            for outcome in check_part(project, part, job["seed"]):
                tell(part.name, "criterion", outcome=outcome)
        except Exception as error:
            text = f"it does not import: {type(error).__name__}: {error}"
            tell(part.name, "message", text=" ".join(text.split())[:300])
        tell(part.name, "done")
    os._exit(0)  # whatever threads the project started


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
