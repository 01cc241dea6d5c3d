"""The nightly job: 50,000 users x 20,000 items, top 100, written and published.

Run it with ``python benchmarks/run.py --only batch``; results go to
``results/batch.json``, whose fields README.md describes. The job runs in a process of
its own, so that its memory is its own. Exits with 1 when it takes two minutes or four
gigabytes, or when unit costs, fitted on smaller jobs, miss its scoring by over a third.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from streamrec.production.batch import BatchStore, best_items, score_all
from streamrec.production.funnel import Funnel, Stage, inject, orderer
from streamrec.protocols import Recommendations

RESULTS = Path(__file__).parent / "results" / "batch.json"
USERS, ITEMS, D, K, SEEN = 50_000, 20_000, 64, 100, 100
SECONDS, GIGABYTES, MISS, RUNS = 120.0, 4.0, 1 / 3, 5
# Smaller jobs to fit the unit costs on; the large one is not among them.
GRID = ((4_000, 8_000, 32), (4_000, 8_000, 128), (2_000, 40_000, 64),
        (1_000, 100_000, 32), (1_000, 100_000, 128))  # fmt: skip


def vectors(
    users: int, items: int, dimensions: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32], sp.csr_matrix]:
    """Random vectors of users and items, and SEEN Zipf-popular items a user."""
    rng = np.random.default_rng(seed)
    U, V = (rng.normal(size=(n, dimensions)).astype("f4") for n in (users, items))
    weight = 1.0 / np.arange(1, items + 1)
    columns = rng.choice(items, users * SEEN, p=weight / weight.sum())
    row = np.repeat(np.arange(users), SEEN)
    seen = sp.csr_matrix((np.ones(len(row)), (row, columns)), shape=(users, items))
    return U, V, seen


def job(folder: str) -> dict[str, Any]:
    """The whole job in this process: seconds by step, memory, answers."""
    U, V, seen = vectors(USERS, ITEMS, D)
    spent = {"score": 0.0}

    def score_chunk(users: NDArray[Any]) -> Recommendations:
        begin = time.perf_counter()
        items, scores = best_items(U[users], V, K, seen=seen[users])
        spent["score"] += time.perf_counter() - begin
        return Recommendations(users, items, scores)

    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    store = BatchStore(folder)
    settings: dict[str, Any] = {"data_version": "bench", "fallback": np.arange(K)}
    begin = time.perf_counter()
    made = score_all(score_chunk, np.arange(USERS), store, "night", **settings)
    spent["whole"] = time.perf_counter() - begin
    begin = time.perf_counter()
    score_all(score_chunk, np.arange(USERS), store, "night", **settings)
    rerun = time.perf_counter() - begin
    asked = np.random.default_rng(1).integers(0, USERS, 500).tolist()
    return {
        "users": USERS, "items": ITEMS, "dimensions": D, "k": K, "rows": made["rows"],
        "seconds": spent["whole"], "score_seconds": spent["score"],
        "write_seconds": spent["whole"] - spent["score"], "rerun_seconds": rerun,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "loaded_gigabytes": loaded,
        "disc_megabytes": sum(f.stat().st_size for f in store.open().files) / 1e6,
        "answer": answers(store, asked),
    }  # fmt: skip


def answers(store: BatchStore, users: list[int]) -> dict[str, float]:
    """Milliseconds of one user's list of ten, from a reader that is kept open."""
    ms = []
    with store.open() as reader:
        reader.answer(users[0])
        for user in users:
            begin = time.perf_counter()
            reader.answer(user)
            ms.append(1e3 * (time.perf_counter() - begin))
    p50, p99 = np.percentile(ms, [50, 99])
    return {"reads": len(users), "p50_ms": float(p50), "p99_ms": float(p99)}


def median(run: Callable[[], Any]) -> float:
    """Seconds: the median of RUNS."""
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def unit_costs() -> dict[str, Any]:
    """Least squares of seconds = B (N (a + b D) + c), relative errors, on GRID."""
    rows, points = [], []
    for B, N, dimensions in GRID:
        U, V, seen = vectors(B, N, dimensions)
        seconds = median(lambda U=U, V=V, seen=seen: best_items(U, V, K, seen=seen))
        points.append({"users": B, "items": N, "dimensions": dimensions,
                       "seconds": seconds})  # fmt: skip
        rows.append(B * np.array([N, N * dimensions, 1.0]) / seconds)
    (a, b, c), *_ = np.linalg.lstsq(np.array(rows), np.ones(len(rows)), rcond=None)
    return {"ns_to_pick_an_item": 1e9 * a, "ns_a_multiply_add": 1e9 * b,
            "us_a_list": 1e6 * c, "points": points}  # fmt: skip


def peer(users: int = 5_000) -> dict[str, Any]:
    """The same lists by the package implicit from the same vectors."""
    from implicit.cpu.als import AlternatingLeastSquares

    U, V, seen = vectors(users, ITEMS, D)
    model = AlternatingLeastSquares(factors=D, num_threads=1)
    model.user_factors, model.item_factors = U, V
    ids, found = np.arange(users), seen.tocsr()
    theirs, ours = [], []
    for _ in range(RUNS):  # alternating: a busy machine slows both
        begin = time.perf_counter()
        got, _ = model.recommend(ids, found, N=K, filter_already_liked_items=True)
        theirs.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        mine, _ = best_items(U, V, K, seen=seen)
        ours.append(time.perf_counter() - begin)
    same = np.mean([len(set(x) & set(y)) / K for x, y in zip(got, mine, strict=True)])
    one, two = statistics.median(ours), statistics.median(theirs)
    return {"package": "implicit", "users": users, "seconds": one, "peer_seconds": two,
            "ratio": one / two, "same_items": float(same)}  # fmt: skip


def funnel_costs(users: int = 5_000, size: int = 200) -> dict[str, Any]:
    """What the contract costs: two retrievers and a ranker that take no time."""
    rng, ids = np.random.default_rng(2), np.arange(users)
    lists = [
        Recommendations(ids, rng.random((users, 2 * size)).argsort(1)[:, :size] * 50,
                        np.tile(-np.arange(size, dtype=float), (users, 1)))
        for _ in range(2)
    ]  # fmt: skip
    stages = [Stage(n, lambda u, k, x=x: x) for n, x in zip("ab", lists, strict=True)]
    stages.append(orderer("rank", lambda u, candidates: candidates))
    seen = {u: rng.integers(0, ITEMS, SEEN) for u in range(users)}
    well = Funnel(stages, np.arange(ITEMS), seen=seen, k=K)
    down = [inject(s, "error") for s in stages]
    ill = Funnel(down, np.arange(ITEMS), seen=seen, k=K, failures=10**6)
    us = [1e6 * median(lambda f=f: f.serve(ids)) / users for f in (well, ill)]
    return {"users": users, "candidates": [size, size], "k": K, "us_a_user": us[0],
            "us_a_user_all_down": us[1]}  # fmt: skip


def rounded(x: Any) -> Any:
    """Floats to four significant digits, all the way down."""
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return float(f"{x:.4g}") if isinstance(x, float) else x


def main() -> int:
    if sys.argv[1:2] == ["--job"]:
        print(json.dumps(job(sys.argv[2])))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--job", f"{folder}/lists"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    night = json.loads(done.stdout)
    costs, other, contract = unit_costs(), peer(), funnel_costs()
    ns = costs["ns_to_pick_an_item"] + D * costs["ns_a_multiply_add"]
    predicted = USERS * (1e-9 * ITEMS * ns + 1e-6 * costs["us_a_list"])
    rows_ns = 1e9 * night["write_seconds"] / night["rows"]
    costs |= {"ns_to_write_a_row": rows_ns, "predicted_seconds": predicted,
              "bytes_a_row": 1e6 * night["disc_megabytes"] / night["rows"],
              "predicted_ratio": predicted / night["score_seconds"]}  # fmt: skip
    night["met"] = night["seconds"] < SECONDS and night["gigabytes"] < GIGABYTES
    costs["met"] = bool(abs(costs["predicted_ratio"] - 1) < MISS)
    results = rounded({"job": night, "costs": costs, "peer": other, "funnel": contract})
    night, costs, other, contract = results.values()
    results |= {
        "title": "The nightly job",
        "question": (
            f"How long does it take to score {USERS:,} users on {ITEMS:,} items "
            f"({D} numbers a vector), keep the best {K} that each has not seen, and "
            "publish them? One thread; random vectors, a hundred seen items a user."
        ),
        "command": "python benchmarks/run.py --only batch",
        "columns": ["What", "Measured", "Unit", "Target"],
        "rows": [
            ["Whole job", night["seconds"], "s", f"< {SECONDS:.0f}"],
            ["of this, products and selection", night["score_seconds"], "s", ""],
            ["of this, tables, Parquet, publishing", night["write_seconds"], "s", ""],
            ["The same job again, finished already", night["rerun_seconds"], "s", ""],
            ["Memory of the process", night["gigabytes"], "GB", f"< {GIGABYTES:.0f}"],
            ["On disc", night["disc_megabytes"], "MB", ""],
            ["One user's list, median", night["answer"]["p50_ms"], "ms", ""],
            ["One user's list, 99th percentile", night["answer"]["p99_ms"], "ms", ""],
            ["Products and selection, over the time of implicit", other["ratio"],
             "ratio", ""],
            ["A multiply-add", costs["ns_a_multiply_add"], "ns", ""],
            ["To pick from an item", costs["ns_to_pick_an_item"], "ns", ""],
            ["To finish a list", costs["us_a_list"], "µs", ""],
            ["To write a row", costs["ns_to_write_a_row"], "ns", ""],
            ["Funnel contract, a user", contract["us_a_user"], "µs", ""],
            ["Funnel contract, every stage down", contract["us_a_user_all_down"],
             "µs", ""],
            ["Predicted from smaller jobs, over measured", costs["predicted_ratio"],
             "ratio", "1 ± 1/3"],
        ],
        "versions": {p: version(p) for p in ("numpy", "duckdb", "implicit")},
    }  # fmt: skip
    draft = RESULTS.with_suffix(".tmp")
    draft.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, RESULTS)
    for row in results["rows"]:
        print(*row)
    return 0 if night["met"] and costs["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
