"""Audit of a million impressions, and the price of re-ranking a week of lists.

Run it with ``python benchmarks/run.py --only fairness``; results go to
``results/fairness.json``, whose fields README.md describes. Exits with 1 when the audit
takes five seconds or more.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from streamrec.fairness.audit import AuditPlan, Measure, audit
from streamrec.fairness.rerank import ExposureReranker
from streamrec.protocols import Recommendations
from streamrec.worlds.streaming import StreamingWorld

RESULTS = Path(__file__).parent / "results" / "fairness.json"
ROWS, TARGET, RUNS = 1_000_000, 5.0, 5
PLAN = AuditPlan(
    "every shelf impression", "language", "language",
    (Measure("click rate", "clicked", "share of impressions clicked"),
     Measure("minutes", "minutes", "minutes an impression")),
    "owner", "repair",
)  # fmt: skip


def timed(run: Callable[[], Any], target: float | None) -> dict[str, Any]:
    """Median seconds of RUNS runs after one that is thrown away."""
    run()
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    median = statistics.median(seconds)
    met = None if target is None else median < target
    return {"seconds": round(median, 3), "runs": RUNS, "target": target, "met": met}


def main() -> int:
    world = StreamingWorld("small", seed=0)
    log = world.log(28, mode="plackett-luce")
    log = log[log["position"] > 0].head(ROWS)
    users = world.users.set_index("user")["language"]
    items = world.items.set_index("item")["language"]
    first = timed(lambda: audit(log, users, items, PLAN), TARGET)
    c = world.contexts(np.arange(5_000))
    lists = Recommendations(c.users, c.items, c.scores.astype(float))
    fair = ExposureReranker(items, target=0.30)
    fit = timed(lambda: fair.fit(lists), None)
    again = timed(lambda: fair.rerank(lists, 10), None)
    names = ("numpy", "scipy", "pandas")
    results = {
        "environment": {
            "versions": {n: version(n) for n in names},
            "cores": os.cpu_count(),
            "threads": 1,
        },
        "audit": {"impressions": len(log), "users": int(log["user"].nunique())} | first,
        "rerank": [
            {"step": "fit", "lists": len(c), "candidates": c.items.shape[1]} | fit,
            {"step": "rerank", "lists": len(c), "candidates": c.items.shape[1]} | again,
        ],
    }
    draft = RESULTS.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, RESULTS)
    print(json.dumps(results["audit"]))
    return 0 if len(log) == ROWS and first["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
