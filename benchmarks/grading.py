"""How long a class takes to grade, and how large the process we trust grows.

Run it with ``python benchmarks/run.py --only grading``; results go to
``results/grading.json``, whose fields README.md describes. As root it needs the user
that ``.ci/run`` makes: submissions are never graded by root. Exits with 1 when 25
ordinary submissions of Chapter 1 take 30 seconds or more, 200 take five minutes, a
second run with nothing changed takes two seconds, or a process holds 500 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "grading"))

import make_class  # noqa: E402
import unprivileged  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "grading.json"
KEY = ROOT / "solutions" / "keys" / make_class.SLUG
TARGETS = {25: 30.0, 200: 300.0}  # seconds
AGAIN, MEMORY = 2.0, 500  # seconds, MB
LARGEST = {  # the largest results that are accepted
    "an array of 64 MB": "np.zeros(8 * 10**6)",
    "19,000 arrays": "[np.zeros(400) for _ in range(19_000)]",
    "700,000 empty lists": "[[] for _ in range(700_000)]",
    "900,000 words": "['abcdefgh' for _ in range(900_000)]",
    "990,000 floats": "[0.5] * 990_000",
}
# the run as a child, so that the largest of all processes below it is known
WATCHED = """
import resource, sys
from streamrec.cli.main import main
code = main(sys.argv[1:])
print("largest", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""


def interpreter() -> str:
    """The Python that holds the packages (the benchmarks' own only borrows them)."""
    found = Path(np.__file__).parents[4] / "bin" / "python"
    return str(found) if found.exists() else sys.executable


def grade(folder: Path, *more: str) -> tuple[float, int]:
    """Grade ``folder/class`` as a user without rights: seconds, largest MB."""
    words = ["grade", "run", str(folder / "class"), "--key", str(KEY)]
    words += ["--output", str(folder / "out"), *more]
    command = unprivileged.command([interpreter(), "-P", "-c", WATCHED, *words])
    begin = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd="/",
        env=unprivileged.environment(),
        check=False,
    )
    seconds = time.perf_counter() - begin
    if "largest " not in done.stdout:
        raise SystemExit(f"grading failed: {done.stderr.strip()[-300:]}")
    return seconds, int(done.stdout.split("largest ")[1].split()[0])


def timed(size: int) -> dict[str, Any]:
    """Grade a class of this size, then once more with nothing changed."""
    folder = unprivileged.folder()
    try:
        make_class.write_class(folder / "class", size)
        unprivileged.give(folder)
        seconds, _ = grade(folder)
        again, _ = grade(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "submissions": size,
        "seconds": round(seconds, 1),
        "target": TARGETS[size],
        "met": seconds < TARGETS[size],
        "again_seconds": round(again, 2),
        "again_target": AGAIN,
        "again_met": again < AGAIN,
    }


def largest() -> dict[str, Any]:
    """Grade answers whose every function returns as much as is accepted."""
    folder = unprivileged.folder()
    try:
        (folder / "class").mkdir()
        names = list(make_class.definitions(KEY / "stub.py"))
        for number, expression in enumerate(LARGEST.values()):
            nb = make_class.notebook()
            text = f"def _big(*args):\n    return {expression}\n\n\n"
            text += f"for _name in {names}:\n    globals()[_name] = _big\n"
            nb["cells"].append(make_class.code(text))
            path = folder / "class" / f"big-{number}.ipynb"
            path.write_text(json.dumps(nb), "utf-8")
        unprivileged.give(folder)
        _, megabytes = grade(folder, "--jobs", "1")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "results": list(LARGEST),
        "megabytes": megabytes,
        "target": MEMORY,
        "met": megabytes < MEMORY,
    }


def main() -> int:
    """Measure, write results/grading.json; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="25 only; write nothing")
    quick = parser.parse_args().quick
    why = unprivileged.lacking()
    if why:
        print(f"cannot grade here: {why}", file=sys.stderr)
        return 1
    classes = [timed(size) for size in ([25] if quick else TARGETS)]
    memory = largest()
    rows: list[list[Any]] = []
    for c in classes:
        name = f"{c['submissions']} submissions of Chapter 1"
        rows.append([name, f"{c['seconds']:.1f} s", f"{c['target']:.0f} s"])
        rows.append([f"{name}, nothing changed", f"{c['again_seconds']:.2f} s", "2 s"])
    rows.append(["largest process", f"{memory['megabytes']} MB", f"{MEMORY} MB"])
    table = {
        "title": "Grading: a class of Chapter 1",
        "question": "How long does a class take, and how large do processes grow?",
        "command": "python benchmarks/run.py --only grading",
        "columns": ["what", "measured", "bound"],
        "rows": rows,
        "cores": os.cpu_count(),
        "classes": classes,
        "memory": memory,
    }
    print(json.dumps(table, indent=1))
    if not quick:
        part = RESULTS.with_name(RESULTS.name + ".part")
        part.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        os.replace(part, RESULTS)
    missed = not memory["met"] or not all(c["met"] and c["again_met"] for c in classes)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
