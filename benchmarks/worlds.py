"""How fast is the streaming world? One core; results in results/worlds.json.

    python benchmarks/worlds.py            log and experiment (about a minute)
    python benchmarks/worlds.py medium     28 days at medium, streamed to Parquet
    python benchmarks/worlds.py full       one day at full, in chunks

Each part runs in its own process, so that its peak memory is its own.
"""

from __future__ import annotations

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


def run(part: str) -> None:
    """Run one part in a fresh process and merge its result into the file."""
    code = [sys.executable, __file__, "--one", part]
    found = json.loads(subprocess.run(code, check=True, capture_output=True).stdout)
    table = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    table[part] = found
    table["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "cores_used": 1,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(table, indent=2) + "\n")
    os.replace(temporary, RESULTS)
    print(part, found)


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        found = PARTS[sys.argv[2]]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps(found | {"peak_gigabytes": round(peak, 2)}))
        return
    for part in sys.argv[1:] or ["log_small", "experiment"]:
        run(part)


if __name__ == "__main__":
    main()
