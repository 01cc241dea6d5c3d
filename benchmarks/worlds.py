"""How fast is the streaming world? One core; results in results/worlds.json.

    python benchmarks/worlds.py            log and experiment (about a minute)
    python benchmarks/worlds.py medium     28 days at medium, streamed to Parquet
    python benchmarks/worlds.py full       one day at full, in chunks

    python benchmarks/worlds.py table      only lay the measured parts out again

Each part runs in its own process, so that its peak memory is its own. The file keeps
what each part measured ("parts") and shows it as a table ("title", "rows").
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "worlds.json"


def log_small() -> dict[str, float]:
    """Impressions a second of log() at small: best of three, 28 days."""
    from streamrec.worlds.streaming import StreamingWorld

    world = StreamingWorld("small", 0)
    out: dict[str, float] = {}
    for mode in ("bernoulli", "plackett-luce"):
        best = 0.0
        for _ in range(3):
            start = time.perf_counter()
            n = len(world.log(28, mode=mode))
            best = max(best, n / (time.perf_counter() - start))
        out[f"{mode}_impressions_per_second"] = round(best)
    start = time.perf_counter()
    n = len(world.log(28, mode="plackett-luce", interference=["budget"]))
    out["with_budget_impressions_per_second"] = round(n / (time.perf_counter() - start))
    return out


def experiment() -> dict[str, float]:
    """20,000 users, 14 days before and 14 days of experiment, full state."""
    from streamrec.worlds.streaming import StreamingWorld

    world = StreamingWorld("small", 0, n_users=20_000)
    start = time.perf_counter()
    world.experiment(days=14, pre_days=14, interference=["budget"])
    both = time.perf_counter() - start
    start = time.perf_counter()
    world.experiment(days=14, pre_days=0)
    return {
        "seconds_14_days": round(time.perf_counter() - start, 2),
        "seconds_with_14_days_before_and_budget": round(both, 2),
    }


def streamed(size: str, days: int) -> dict[str, float]:
    """log() of a size to Parquet."""
    import duckdb

    from streamrec.worlds.streaming import StreamingWorld

    root = Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR")))
    try:
        start = time.perf_counter()
        world = StreamingWorld(size, 0)
        built = time.perf_counter() - start
        start = time.perf_counter()
        out = world.log(days, out=root / "log")
        seconds = time.perf_counter() - start
        n = duckdb.sql(f"SELECT count(*) FROM '{out}/*.parquet'").fetchall()[0][0]
        disk = sum(f.stat().st_size for f in Path(out).iterdir())
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return {
        "days": days,
        "seconds_to_build": round(built, 1),
        "seconds": round(seconds, 1),
        "impressions": n,
        "impressions_per_second": round(n / seconds),
        "parquet_gigabytes": round(disk / 1e9, 2),
    }


PARTS = {
    "log_small": log_small,
    "experiment": experiment,
    "medium": lambda: streamed("medium", 28),
    "full": lambda: streamed("full", 1),
}


LINES = (  # part, what was done, key of its seconds or of its rate
    ("log_small", "log, 28 days, small, bernoulli",
     "bernoulli_impressions_per_second"),
    ("log_small", "log, 28 days, small, plackett-luce",
     "plackett-luce_impressions_per_second"),
    ("log_small", "log, 28 days, small, plackett-luce with the time budget",
     "with_budget_impressions_per_second"),
    ("experiment", "experiment, 20,000 users, 14 days", "seconds_14_days"),
    ("experiment", "the same with 14 days before and the time budget",
     "seconds_with_14_days_before_and_budget"),
    ("medium", "log, 28 days, medium (50,000 users), to Parquet", "seconds"),
    ("full", "log, 1 day, full (5 million users), to Parquet in chunks", "seconds"),
)  # fmt: skip
COLUMNS = {
    "what": "What",
    "seconds": "Seconds",
    "impressions": "Impressions",
    "rate": "Impressions a second",
    "memory": "Peak memory of the part, GB",
    "disk": "Parquet, GB",
}


def page(parts: dict[str, dict[str, float]], machine: str, date: str) -> dict[str, Any]:
    """The result file: what each part measured, and the table that a page shows."""
    rows = []
    for part, what, key in LINES:
        found = parts.get(part)
        if found is None:
            continue
        timed = "per_second" not in key
        rate = found.get("impressions_per_second") if timed else found[key]
        rows.append(
            {
                "what": what,
                "seconds": found[key] if timed else None,
                "impressions": found.get("impressions"),
                "rate": rate,
                "memory": found["peak_gigabytes"],
                "disk": found.get("parquet_gigabytes"),
            }
        )
    return {
        "title": "The streaming world",
        "question": "How long does a simulated platform take?",
        "protocol": "One core, each part in a process of its own. Rates at small are "
        "the best of three runs, the one with the budget a single run; all others are "
        "single runs. Building the world is not counted.",
        "command": "python benchmarks/worlds.py log_small experiment medium full",
        "machine": machine,
        "date": date,
        "columns": COLUMNS,
        "rows": rows,
        "parts": parts,
    }


def machine() -> str:
    """Processor, Python and number of cores used, in words."""
    processor = platform.processor() or platform.machine()
    return f"{processor}, Python {platform.python_version()}, one core used"


def write(table: dict[str, Any]) -> None:
    """Write the result file whole or not at all."""
    RESULTS.parent.mkdir(exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(table, indent=2) + "\n")
    os.replace(temporary, RESULTS)


def run(part: str) -> None:
    """Run one part in a fresh process and merge its result into the file."""
    code = [sys.executable, __file__, "--one", part]
    found = json.loads(subprocess.run(code, check=True, capture_output=True).stdout)
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"parts": {}}
    today = datetime.date.today().isoformat()
    write(page(old["parts"] | {part: found}, machine(), today))
    print(part, found)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        found = PARTS[sys.argv[2]]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps(found | {"peak_gigabytes": round(peak, 2)}))
        return
    if sys.argv[1:] == ["table"]:
        old = json.loads(RESULTS.read_text())
        write(page(old["parts"], old["machine"], old["date"]))
        return
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        message = f"unknown part {', '.join(sorted(unknown))}; choose from "
        print(message + ", ".join([*PARTS, "table"]), file=sys.stderr)
        sys.exit(2)
    for part in sys.argv[1:] or ["log_small", "experiment"]:
        run(part)


if __name__ == "__main__":
    main()
