"""Does a key hold? Its solution, stub and wrong answers, through the sandbox."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from streamrec.grading.judge import check_criteria
from streamrec.grading.key import Key, load_key
from streamrec.grading.luck import lucky, lucky_project
from streamrec.grading.runner import _Run, assemble, in_lanes, seed_of
from streamrec.grading.runner import build_library as build
from streamrec.grading.sandbox import choose


def verify_key(
    folder: str | Path | Key,
    *,
    seeds: Sequence[str] = (),
    jobs: int | None = None,
    allow_unsandboxed: bool = False,
    allow_root: bool = False,
) -> list[str]:
    """What is wrong with a key, one sentence each; empty if it holds.

    The reference solution must get every point, the untouched stub none, and each
    stored wrong answer, which is run after the solution and so need only hold what it
    changes, exactly the points that key.yaml states for its question. Every criterion
    must be lost by at least one wrong answer. What is returned without looking may earn
    one point in the whole set of an exercise, nothing in a project.

    Parameters
    ----------
    folder : the key.
    seeds : seeds to try; by default the key's own.
    jobs : how many at a time.
    allow_unsandboxed, allow_root : as for a run.
    """
    key = folder if isinstance(folder, Key) else load_key(folder)
    if hasattr(os, "geteuid") and os.geteuid() == 0 and not allow_root:
        raise ValueError("verifying as root is refused: pass --allow-root")
    problems = list(check_criteria(key))
    if problems:
        return problems
    box = choose([key.folder], allow_unsandboxed=allow_unsandboxed)
    with tempfile.TemporaryDirectory(prefix="streamrec-verify-") as name:
        library = Path(name, "lib")
        library.mkdir()
        build(library, key.hide)
        frame = _Run(key, Path(name), [], jobs, (), None, box, library=str(library))
        frame.build_libraries(Path(name))
        problems += lucky(key) if key.kind == "exercise" else lucky_project(key)
        work = []
        for seed in seeds or [""]:
            frame.seed = seed_of(key, seed or None)
            for p in key.projects:
                more = {"case": Path(p["folder"]).name, "want": float(p["points"])}
                work.append(frame.known(p) | more | {"seed_text": seed})
            for case in _cases(key) if key.kind == "exercise" else ():
                work.append(frame.job(None, seed_text=seed, **case))
        kept = {c["name"] for _, c in key.expected}  # by every wrong answer
        if key.kind == "project":
            kept = set()
        for job, events, _ in in_lanes(work, jobs or os.cpu_count() or 1):
            found = assemble(key, events, job.get("questions") or ())
            problems += _judge(job, found)
            if job["case"] not in ("solution", "stub"):
                for q in found["questions"].values():
                    kept -= {
                        name
                        for name, c in q["criteria"].items()
                        if c["status"] != "passed"
                    }
    problems += [f"no stored wrong answer loses {n}: add one" for n in kept]
    return sorted(dict.fromkeys(problems))


def _cases(key: Key) -> list[dict[str, Any]]:
    table = yaml.safe_load(key.text("key.yaml"))
    reference = key.text("reference.py")
    cases: list[dict[str, Any]] = [
        {"case": "solution", "source": reference, "want": key.automatic},
        {"case": "stub", "source": key.text("stub.py"), "want": 0.0},
    ]
    for q in table["questions"]:
        for wrong in q.get("wrong") or ():
            cases.append(
                {
                    "case": wrong["file"],
                    "source": f"{reference}\n\n\n{key.text(wrong['file'])}",
                    "want": float(wrong["points"]),
                    "questions": [q["id"]],
                }
            )
    return cases


def _judge(job: dict[str, Any], found: dict[str, Any]) -> list[str]:
    at = f" (seed {job['seed_text']})" if job["seed_text"] else ""
    problems = []
    if found["status"] != "ok":
        why = found["message"] or "; ".join(found["needs_a_look"])
        problems.append(f"{job['case']}: {found['status']}{at}: {why}")
    if abs(found["points"] - job["want"]) > 1e-9:
        kept = [
            name
            for q in found["questions"].values()
            for name, c in q["criteria"].items()
            if (c["status"] == "passed") == (job["case"] != "solution")
        ]
        word = "loses" if job["case"] == "solution" else "passes"
        problems.append(
            f"{job['case']} gets {found['points']:g} points, not {job['want']:g}{at}: "
            f"it {word} {', '.join(kept) or 'nothing'}"
        )
    return problems
