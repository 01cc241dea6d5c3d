"""The whole suite, step by step, with counts.

    python tools/test.py                    every step
    python tools/test.py units site         some steps
    python tools/test.py lint --chapter 1   some chapters only (lint, notebooks)

Each step is a process of its own; a failing step does not stop the next. The last line
is ``N passed, N failed, N skipped``; the exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbtools
from nbtools import BadInput, shown

REPORTS = nbtools.ROOT / "build" / "test"
WORKERS = str(min(2, os.cpu_count() or 1))
TESTS = nbtools.ROOT / "tests"
KEYS = "tests/grading/test_keys.py"
ELSEWHERE = {"notebooks", "exercises", "site"}  # folders of tests/ with their own step


@dataclass
class Count:
    """Results of one or several commands."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        """Both together."""
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        """``N passed, N failed, N skipped``."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


Step = Callable[[list[str]], Count]


def run(
    command: list[str], *, quiet: bool = False, indent: str = "  "
) -> tuple[int, str]:
    """Run a Python module or script of ours; show its output as it comes."""
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "1",
        **{f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL", "NUMBA")},
    }
    lines = []
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=nbtools.ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not quiet:
                print(indent + line, end="", flush=True)
    if quiet and process.returncode:
        print("".join("  " + line for line in lines[-40:]), end="", flush=True)
    return process.returncode, "".join(lines)


def pytest(name: str, *arguments: str) -> Count:
    """Run pytest and count from its report."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    status, _ = run(
        ["-m", "pytest", "--no-header", "-p", "no:cacheprovider", "-rfEs"]
        + [f"--junitxml={report}", *arguments],
        indent="",
    )
    if status == 5:  # nothing was collected
        return Count(skipped=1)
    if not report.exists():
        return Count(failed=1)
    suite = ElementTree.parse(report).getroot().find("testsuite")
    number = {
        k: int(suite.get(k, 0)) for k in ("tests", "failures", "errors", "skipped")
    }
    failed = number["failures"] + number["errors"]
    if status and not failed:
        failed = 1
    passed = number["tests"] - number["failures"] - number["errors"] - number["skipped"]
    return Count(max(0, passed), failed, number["skipped"])


def absent(what: str) -> Count:
    """A step whose subject does not exist yet."""
    print(f"  skipped: {what}")
    return Count(skipped=1)


# ------------------------------------------------------------------ the steps


def units(_: list[str]) -> Count:
    """Tests of the package and tools, and the examples in docstrings."""
    folders = [shown(p) for p in sorted(TESTS.glob("test_*.py"))]
    folders += [
        shown(p)
        for p in sorted(TESTS.iterdir())
        if p.is_dir() and p.name not in ELSEWHERE and any(p.glob("**/test_*.py"))
    ]
    count = pytest("doctests", "--doctest-modules", "src/streamrec", "-n", WORKERS)
    return count + pytest("units", *folders, f"--ignore={KEYS}", "-n", WORKERS)


def notebooks(chapters: list[str]) -> Count:
    """Every page against its stored outputs, then at quick scale and another seed."""
    paths = [shown(p) for p in nbtools.chosen([], chapters)]
    count = Count()
    if paths:
        count += pytest(
            "nbval", "--nbval-lax", "--nbval-cell-timeout=600", "-n", WORKERS, *paths
        )
    else:
        count += absent("no notebooks yet")
    only = ["-k", " or ".join(Path(p).stem for p in paths)] if chapters else []
    return count + pytest("notebooks", "tests/notebooks", "-n", WORKERS, *only)


def seeds(_: list[str]) -> Count:
    """A sample of pages at two more seeds: one count for each claim and seed."""
    if not nbtools.all_notebooks(solutions=False):
        return absent("no chapters yet")
    status, text = run(["tools/seeds.py", "--sample"])
    found = re.search(r"(\d+) of (\d+) claims held; (\d+) faults", text)
    if not found:
        return Count(failed=1)
    passed, _, faults = map(int, found.groups())
    return Count(passed, max(faults, int(status != 0)))


def mutation(_: list[str]) -> Count:
    """Three mutants a chapter: each must be noticed by a check."""
    if not (nbtools.ROOT / "tools" / "mutate.py").exists():
        return absent("no tools/mutate.py yet")
    status, text = run(["tools/mutate.py", "--sample", "3"])
    found = re.findall(r"(\d+) of (\d+) (?:mutants )?killed", text)
    if not found:
        return Count(failed=1) if status else Count(skipped=1)
    killed, total = map(int, found[-1])
    return Count(killed, max(total - killed, 1) if status else 0)


def exercises(_: list[str]) -> Count:
    """Generated files current; solutions, stubs and wrong answers get their points."""
    return pytest("exercises", "tests/exercises", "-n", WORKERS)


def keys(_: list[str]) -> Count:
    """Every key in the grader's sandbox: solution, stub and wrong answers."""
    return pytest("keys", KEYS, "--durations=5")


def site(_: list[str]) -> Count:
    """The site builds without a warning; a browser finds nothing wrong, offline."""
    status, _ = run(["tools/site.py", "build", "--all"], quiet=True)
    print(
        "  the site builds" if not status else "  the site does not build", flush=True
    )
    count = Count(passed=int(not status), failed=int(bool(status)))
    if not any((TESTS / "site").glob("test_*.py")):
        return count + absent("no tests of the site yet")
    return count + pytest("site", "tests/site")


def lint(chapters: list[str]) -> Count:
    """Style, types, layers of imports, anatomy of chapters."""
    imports = (
        "import sys; from importlinter.cli import lint_imports_command as f; "
        "sys.argv = ['lint-imports', '--no-cache']; sys.exit(f())"
    )
    pages = [option for n in chapters for option in ("--chapter", n)]
    count = Count()
    for name, command in (
        ("ruff", ["-m", "ruff", "check", "--quiet", "--no-cache"]),
        ("mypy", ["-m", "mypy"]),
        ("import-linter", ["-c", imports]),
        ("chapters", ["tools/lint.py", *pages]),
    ):
        status, _ = run(command, quiet=name != "chapters")
        print(f"  {name}: {'failed' if status else 'passed'}", flush=True)
        count += Count(passed=int(not status), failed=int(bool(status)))
    return count


STEPS: dict[str, Step] = {
    "lint": lint,
    "units": units,
    "notebooks": notebooks,
    "seeds": seeds,
    "mutation": mutation,
    "exercises": exercises,
    "keys": keys,
    "site": site,
}


def main() -> int:
    """Run the steps; 0 all passed, 1 something failed, 2 bad input."""
    parser = argparse.ArgumentParser(
        prog="test", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--chapter", "-c", action="append", default=[], metavar="N")
    options = parser.parse_args()
    unknown = [s for s in options.steps if s not in STEPS]
    if unknown:
        nbtools.fail(f"no step {unknown[0]!r}: choose among {', '.join(STEPS)}")
    try:
        for number in options.chapter:
            nbtools.chapter_path(number)
    except BadInput as error:
        nbtools.fail(str(error))
    REPORTS.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, Count, float]] = []
    chosen = options.steps or list(STEPS)
    for number, name in enumerate(chosen, 1):
        step, start = STEPS[name], time.perf_counter()
        print(f"[{number}/{len(chosen)}] {name}: {step.__doc__}", flush=True)
        try:
            count = step(options.chapter)
        except BadInput as error:
            print(f"  {error}")
            count = Count(failed=1)
        rows.append((name, count, time.perf_counter() - start))
        print(f"  {name}: {count} in {rows[-1][2]:.0f} s\n", flush=True)
    total = Count()
    print("summary")
    for name, count, seconds in rows:
        total += count
        print(f"  {name:<10} {count}  ({seconds:.0f} s)")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
