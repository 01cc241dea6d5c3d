"""An experiment of ten million users from Parquet: DuckDB adds up, then arithmetic.

Run it with ``python benchmarks/run.py --only experiments``; results go to
``results/experiments.json``, whose fields README.md describes. The other side is the
same comparison by pandas (read, group, Welch's tests) on the same file, in this run.
Exits with 1 when ours takes 20 s or 4 GB or more, or when the two disagree.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from streamrec.experiments.analysis import analyze
from streamrec.experiments.plan import ExperimentPlan

RESULTS = Path(__file__).parent / "results" / "experiments.json"
USERS, SECONDS, MEGABYTES = 10_000_000, 20.0, 4_000.0
PLAN: dict[str, Any] = {
    "name": "ten million users",
    "unit": "user_id",
    "variant": "variant",
    "arms": {"control": 0.5, "treatment": 0.5},
    "metrics": [
        {"name": "conversion", "kind": "binary", "column": "converted",
         "role": "primary"},
        {"name": "minutes", "kind": "mean", "column": "minutes",
         "covariate": "minutes_before"},
        {"name": "CTR", "kind": "ratio", "column": "clicks",
         "denominator": "impressions"},
        {"name": "crashes", "kind": "mean", "column": "crashes", "role": "guardrail",
         "better": "lower", "margin": 0.02},
    ],
    "balance": ["minutes_before"],
    "segments": ["country"],
    "day": "day",
}  # fmt: skip


def make(file: Path) -> None:
    """Ten million users, drawn by DuckDB."""
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        db.execute("SELECT setseed(0.5)")
        db.execute(
            f"""COPY (
            SELECT *, (random() < 0.1 + 0.001 * t)::INT AS converted,
              0.7 * minutes_before + 20 * random() + 0.05 * t AS minutes,
              (impressions * 0.2 * random())::INT AS clicks
            FROM (SELECT i AS user_id, (hash(i) % 2)::INT AS t,
                CASE WHEN hash(i) % 2 = 0 THEN 'control' ELSE 'treatment' END
                  AS variant,
                'c' || (hash(i + 7) % 12)::VARCHAR AS country,
                DATE '2026-01-05' + (hash(i + 13) % 14)::INT AS day,
                60 * random() AS minutes_before,
                (1 + 40 * random())::INT AS impressions,
                (random() < 0.3)::INT AS crashes
              FROM range({USERS}) r(i))) TO '{file}' (FORMAT parquet)"""
        )


def ours(file: str) -> dict[str, float]:
    """Whole analysis: every check, metric, segment and day."""
    result = analyze(Path(file), ExperimentPlan.from_mapping(PLAN))
    assert not result["stopped"], result["summary"]
    return {r["metric"]: r["effect"] for r in result["metrics"]}


def pandas_side(file: str) -> dict[str, float]:
    """The metrics alone, on a frame of the columns they need."""
    columns = ["user_id", "variant", "converted", "minutes", "minutes_before"]
    columns += ["clicks", "impressions", "crashes"]
    frame = pd.read_parquet(file, columns=columns)
    assert not frame["user_id"].duplicated().any()
    a = frame[frame["variant"] == "control"]
    b = frame[frame["variant"] == "treatment"]
    x0, x1 = a["minutes_before"], b["minutes_before"]
    cov = (len(a) - 1) * np.cov(a["minutes"], x0)[0, 1]
    cov += (len(b) - 1) * np.cov(b["minutes"], x1)[0, 1]
    theta = cov / ((len(a) - 1) * x0.var() + (len(b) - 1) * x1.var())
    gap = b["minutes"].mean() - a["minutes"].mean() - theta * (x1.mean() - x0.mean())
    rate = [f["clicks"].sum() / f["impressions"].sum() for f in (a, b)]
    return {
        "conversion": b["converted"].mean() - a["converted"].mean(),
        "minutes": gap,
        "CTR": rate[1] - rate[0],
        "crashes": b["crashes"].mean() - a["crashes"].mean(),
    }


def measured(side: str, file: str, queue: Any) -> None:
    """Run one side in a process of its own; tell seconds, peak memory and effects."""
    begin = time.perf_counter()
    effects = {"duckdb": ours, "pandas": pandas_side}[side](file)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    queue.put((seconds, peak, {k: float(v) for k, v in effects.items()}))


def main() -> int:
    """Measure both sides, write the results, say what fails."""
    context = get_context("spawn")
    found: dict[str, tuple[float, float, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "users.parquet"
        make(file)
        size = file.stat().st_size / 2**20
        for side in ("duckdb", "pandas"):
            queue: Any = context.Queue()
            child = context.Process(target=measured, args=(side, str(file), queue))
            child.start()
            found[side] = queue.get()
            child.join()
    (s, mb, effects), (s2, mb2, theirs) = found["duckdb"], found["pandas"]
    agree = all(abs(effects[k] - theirs[k]) < 1e-9 for k in effects)
    result = {
        "title": "An experiment of ten million users, from Parquet, one run",
        "columns": ["side", "seconds", "peak memory, MB", "what it computed"],
        "rows": [
            ["streamrec", round(s, 2), round(mb), "checks, metrics, segments, days"],
            ["pandas", round(s2, 2), round(mb2), "the effects of the metrics"],
            ["ratio", round(s / s2, 2), round(mb / mb2, 2), ""],
        ],
        "users": USERS,
        "file_mb": round(size, 1),
        "seconds": round(s, 2),
        "peak_mb": round(mb),
        "pandas_seconds": round(s2, 2),
        "pandas_peak_mb": round(mb2),
        "seconds_over_pandas": round(s / s2, 2),
        "memory_over_pandas": round(mb / mb2, 2),
        "versions": {p: version(p) for p in ("duckdb", "pandas", "numpy")},
    }
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(temporary, RESULTS)
    print(json.dumps(result, indent=2))
    if not agree:
        print(f"the two sides disagree: {effects} {theirs}", file=sys.stderr)
    return int(not agree or s >= SECONDS or mb >= MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
