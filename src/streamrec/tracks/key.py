"""Write the key of a track: a folder that ``streamrec grade run`` takes.

The key is made from the criteria and the reference of this package, so that one text
serves the learner's check and the grader. It also holds projects with known results
(the reference, the untouched layout, one that re-exports the reference), by which
``streamrec grade verify`` tells whether the key holds.
"""

from __future__ import annotations

import importlib
import re
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

from streamrec.grading.criteria import collect
from streamrec.grading.rubric import load_rubric
from streamrec.tracks import layout, milestones
from streamrec.tracks.milestones import WRITTEN, Part

CHAPTER = 36  # the capstone
LIMITS = {"call": 60, "cell": 120, "submission": 1200, "memory": 3072}
_INNER = re.compile(r"(?m)^from streamrec\.tracks\.criteria\.common import .*\n")
_FILLER = "The reference's documents hold words alone so that they count as written. "


def write_key(folder: str | Path, track: str, seed: str = "") -> Path:
    """Write the key of a track to a folder that does not exist yet.

    Parameters
    ----------
    folder : where.
    track : A, B or C.
    seed : any text; empty for one that each run draws by itself.

    Raises
    ------
    ValueError
        If the folder is taken or the track unknown.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not empty: give another name")
    if not folder.parent.is_dir():
        raise ValueError(f"the folder {folder.parent} does not exist: make it first")
    layout.write_folder(folder, key_files(track, seed))
    return folder


def key_files(track: str, seed: str = "") -> dict[str, str]:
    """Files of a track's key: path -> text."""
    import yaml

    table = key_table(track, seed)
    head = (
        f"# Key of track {track}, written by streamrec project key.\n"
        "# A private key is a copy with another seed.\n"
    )
    text = yaml.safe_dump(table, sort_keys=False, allow_unicode=True, width=88)
    out = {
        "key.yaml": head + text,
        "criteria.py": criteria_source(track),
        "reference.py": reference_source(track),
    }
    log = layout.example_log()
    for name, own in (
        ("solution", solution(track)),
        ("blank", layout.project_files("blank", "blank", track)),
        ("reexport", reexport(track)),
    ):
        own["data/log.csv"] = log
        out |= {f"projects/{name}/{path}": text for path, text in own.items()}
    return out


def key_table(track: str, seed: str = "") -> dict[str, Any]:
    """What key.yaml holds."""
    rubric = load_rubric(track)
    questions = [_question(p, track) for p in milestones.parts(track)]
    _settle(questions)
    automatic = round(sum(q["points"] for q in questions), 2)
    manual = [
        {"criterion": c.criterion, "points": c.points, "levels": dict(c.levels)}
        for c in rubric.manual
    ]
    points = rubric.manual_points
    written: dict[str, Any] = {
        "id": WRITTEN,
        "title": "Written work and defence",
        "kind": "judgement",
    }
    questions.append(written | {"points": points, "criteria": [], "rubric": manual})
    return {
        "format": 1,
        "kind": "project",
        "track": track,
        "package": "",
        "chapter": CHAPTER,
        "slug": f"track-{track.lower()}",
        "title": f"Track {track}: {rubric.title}",
        "seed": seed,
        "rounds": 1,
        "points": round(automatic + points, 2),
        "note": milestones.note(track),
        "later": milestones.later(track),
        "limits": LIMITS,
        "templates": layout.document_templates(track),
        "projects": [
            {"folder": "projects/solution", "points": automatic, "full": True},
            {"folder": "projects/blank", "points": 0},
            {"folder": "projects/reexport", "points": 0},
        ],
        "questions": questions,
    }


def _question(part: Part, track: str) -> dict[str, Any]:
    module = importlib.import_module(f"streamrec.tracks.criteria.{part.module}")
    factor = milestones.scale(part, track)
    criteria: list[dict[str, Any]] = [
        {
            "name": c.name,
            "label": c.label,
            "points": c.points * factor,
            "visible": c.name not in part.held_back,
            "hint": c.hint,
        }
        for c in collect(module)
    ]
    return {
        "id": part.question,
        "title": f"{part.name}: {part.title}",
        "kind": "code",
        "milestone": part.name,
        "module": part.module,
        "hide": list(part.hide),
        "points": 0.0,
        "criteria": criteria,
        "rubric": [],
    }


def _settle(questions: list[dict[str, Any]]) -> None:
    """Round points to cents so that scaled ones add up: round the running sum."""
    total = 0.0
    for q in questions:
        start = round(total, 2)
        for c in q["criteria"]:
            before = round(total, 2)
            total += c["points"]
            c["points"] = round(round(total, 2) - before, 2)
        q["points"] = round(round(total, 2) - start, 2)


def criteria_source(track: str) -> str:
    """The criteria of a track's milestones as one module."""
    home = resources("streamrec.tracks") / "criteria"
    names = ["common", *(p.module for p in milestones.parts(track))]
    parts = [(home / f"{n}.py").read_text("utf-8") for n in names]
    return "\n\n".join(_INNER.sub("", text) for text in parts)


def reference_source(track: str) -> str:
    """The reference's functions as one module, for the trusted side alone."""
    lines = [f'"""The reference of track {track}."""\n']
    for p in milestones.parts(track):
        names = ", ".join(p.functions)
        lines.append(f"from streamrec.tracks.reference.{p.module} import {names}\n")
    return "\n".join(lines)


def solution(track: str) -> dict[str, str]:
    """A project whose parts are the reference's; it needs the whole library."""
    out = layout.project_files("reference", "reference_project", track)
    for p in milestones.parts(track):
        if not p.given:
            out[f"reference_project/{p.module}.py"] = layout.reference_source(p)
    for name in layout.document_templates(track):
        out[name] += "\n" + "".join(f"{n}. {_FILLER}\n" for n in range(12))
    return out


def reexport(track: str) -> dict[str, str]:
    """A project that imports the reference's functions under its own name."""
    out = layout.project_files("reexport", "reexport", track)
    for p in milestones.parts(track):
        names = ", ".join(p.functions)
        source = f"from streamrec.tracks.reference.{p.module} import {names}\n"
        out[f"reexport/{p.module}.py"] = source
    return out
