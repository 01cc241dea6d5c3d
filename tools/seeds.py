"""Run pages at other seeds and count how often each claim holds.

    python tools/seeds.py                  every page at twenty seeds, results published
    python tools/seeds.py --chapter 1      one chapter; the others' results stay
    python tools/seeds.py --sample         two seeds of three pages, nothing published

Pages run at SCALE="quick" in memory; nothing in ``chapters/`` changes. A failing check
or claim is counted and the page goes on; a cell that raises anything else is an error.
The pass rate of every claim goes to ``benchmarks/results/claims.json``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbtools
from nbformat import NotebookNode
from nbtools import BadInput, shown
from run import CellFailed, Cost, execute

RESULTS = nbtools.ROOT / "benchmarks" / "results" / "claims.json"
SEEDS = tuple(range(101, 121))
LEAST = 0.8  # a claim that holds less often is a headline that is not true


@dataclass
class Outcome:
    """One page at one seed."""

    path: Path
    seed: int
    cost: Cost | None = None
    error: str = ""
    events: list[dict] = field(
        default_factory=list
    )  # as check() and claim() noted them


def injected(nb: NotebookNode, **values: object) -> NotebookNode:
    """A copy of the notebook with these parameters set after its parameters cell."""
    from papermill.parameterize import parameterize_notebook

    copied = copy.deepcopy(nb)
    copied.metadata["papermill"] = {}  # papermill records the parameters here
    copied.metadata["language_info"] = {"name": "python"}
    for cell in copied.cells:
        cell.metadata.setdefault("tags", [])
    changed = parameterize_notebook(copied, values, kernel_name="python3")
    for number, cell in enumerate(changed.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if not cell.get("id"):
            cell["id"] = f"injected-{number}"
    return changed


def at_seed(
    path: Path, seed: int, *, go_on: bool = True, timeout: int = 300
) -> Outcome:
    """Run a page at SCALE="quick" with this seed, in memory."""
    outcome = Outcome(path, seed)
    nb = injected(nbtools.read(path), SEED=seed, SCALE="quick")
    with tempfile.TemporaryDirectory(prefix="streamrec-seed-") as folder:
        record = Path(folder) / "events.jsonl"
        environment = {"STREAMREC_RECORD": str(record)}
        if go_on:
            environment["STREAMREC_ON_FAILURE"] = "record"
        try:
            outcome.cost = execute(
                nb, path.parent, timeout=timeout, environment=environment
            )
        except CellFailed as error:
            outcome.error = str(error)
        if record.exists():
            lines = record.read_text("utf-8").splitlines()
            outcome.events = [json.loads(line) for line in lines]
    return outcome


def run_all(paths: list[Path], seeds: list[int], jobs: int) -> list[Outcome]:
    """Every page at every seed, a line of progress for each page."""
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(jobs) as pool:  # each run is a process of its own
        for number, path in enumerate(paths, 1):
            done = list(pool.map(lambda s, p=path: at_seed(p, s), seeds))
            outcomes += done
            wrong = sum(
                bool(o.error) or any(not e["holds"] for e in o.events) for o in done
            )
            print(
                f"[{number}/{len(paths)}] {shown(path)}: {len(done)} seeds, "
                f"{wrong} with a failure",
                flush=True,
            )
    return outcomes


def summarise(outcomes: list[Outcome]) -> dict[str, dict]:
    """Per page: runs and passes of all claims, and of each claim and check by name."""
    pages: dict[str, dict] = {}
    for outcome in outcomes:
        page = pages.setdefault(
            outcome.path.stem,
            {"passed": 0, "runs": 0, "seeds": 0, "claims": {}, "failed_checks": {}},
        )
        page["seeds"] += 1
        if outcome.error:
            page.setdefault("errors", []).append(outcome.seed)
        for event in outcome.events:
            name, holds = event["name"], event["holds"]
            if event["kind"] == "claim":
                row = page["claims"].setdefault(name, {"passed": 0, "runs": 0})
                for counter in (row, page):
                    counter["runs"] += 1
                    counter["passed"] += holds
            elif not holds:
                page["failed_checks"].setdefault(name, []).append(outcome.seed)
    return pages


def publish(pages: dict[str, dict], seeds: int) -> None:
    """Write the pass rates; pages not run now keep theirs."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    chapters = known.get("chapters", {}) | pages
    existing = {p.stem for p in nbtools.all_notebooks(solutions=False)}
    chapters = {k: chapters[k] for k in sorted(chapters) if k in existing}
    result = {"scale": "quick", "seeds": seeds, "chapters": chapters}
    text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
    nbtools.write_text(text, RESULTS)


def table(pages: dict[str, dict]) -> str:
    """The pass rates, worst first."""
    rows = sorted(
        (row["passed"] / row["runs"], name, row, page)
        for page, data in pages.items()
        for name, row in data["claims"].items()
    )
    return "\n".join(
        f"  {row['passed']:3d}/{row['runs']:<3d} {page}: {name}"
        for _, name, row, page in rows
    )


def faults(pages: dict[str, dict]) -> list[str]:
    """What must be mended: errors, checks that failed, claims that seldom hold."""
    out = []
    for page, data in pages.items():
        for seed in data.get("errors", []):
            out.append(f"{page}: a cell raised at seed {seed}")
        for name, seeds in data["failed_checks"].items():
            out.append(f"{page}: the check {name!r} failed at seeds {seeds}")
        for name, row in data["claims"].items():
            if row["passed"] < LEAST * row["runs"]:
                held = f"{row['passed']} of {row['runs']}"
                out.append(f"{page}: the claim {name!r} held at {held} seeds")
    return out


def main() -> int:
    """Run the seeds; 0 all well, 1 a fault, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="seeds", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--chapter", "-c", action="append", default=[], metavar="N")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many")
    parser.add_argument("--sample", action="store_true", help="a small sample")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    if not 1 <= options.seeds <= 1000:
        nbtools.fail("--seeds must be from 1 to 1000")
    try:
        paths = [nbtools.chapter_path(n) for n in options.chapter]
        paths = paths or nbtools.all_notebooks(solutions=False)
        for path in paths:
            nbtools.read(path)
    except BadInput as error:
        nbtools.fail(str(error))
    seeds = list(range(SEEDS[0], SEEDS[0] + options.seeds))
    if options.sample:
        from streamrec import syllabus

        drafts = {c.name for c in syllabus.load().chapters if c.draft}
        paths = [path for path in paths if path.stem not in drafts]
        chooser = random.Random(len(paths))  # other pages as the book grows
        paths = sorted(chooser.sample(paths, min(3, len(paths))))
        seeds = [SEEDS[-1] + 1, SEEDS[-1] + 2]
    outcomes = run_all(paths, seeds, options.jobs)
    pages = summarise(outcomes)
    print(table(pages))
    for outcome in outcomes:
        if outcome.error:
            print(f"{shown(outcome.path)} at seed {outcome.seed}:\n{outcome.error}")
    wrong = faults(pages)
    for line in wrong:
        print(line)
    if not options.sample and paths:
        publish(pages, options.seeds)
        print(f"published in {shown(RESULTS)}")
    passed = sum(p["passed"] for p in pages.values())
    runs = sum(p["runs"] for p in pages.values())
    print(f"{passed} of {runs} claims held; {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
