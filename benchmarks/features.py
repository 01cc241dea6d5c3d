"""The point-in-time join against DuckDB and pandas, online reads, and two layouts.

Run it with ``python benchmarks/run.py --only features``; results go to
``results/features.json``, whose fields README.md describes. Exits with 1 when our join
of a million events with a hundred thousand labels takes a second or more, when the
three joins disagree, or when the 99th percentile of an online read reaches five
milliseconds.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from streamrec.production.contracts import Column, Contract
from streamrec.production.features import FeatureView, OnlineStore, as_of

RESULTS = Path(__file__).parent / "results" / "features.json"
EVENTS, LABELS, ENTITIES, RUNS = 1_000_000, 100_000, 50_000, 7
READS, ROUNDS, FEATURES, USERS = 5_000, 5, 50, 5_000
SIDES = ("row", "column")
TARGET, P99 = 1.0, 5.0
START = np.datetime64("2025-01-06", "us")


def frames(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events and labels of four weeks; no two events at one moment."""
    span = 28 * 86_400_000_000
    moment = rng.choice(span // 1_000, EVENTS, replace=False) * 1_000
    events = pd.DataFrame(
        {
            "user": rng.integers(0, ENTITIES, EVENTS),
            "time": START + moment.astype("timedelta64[us]"),
            "value": rng.normal(size=EVENTS),
        }
    )
    asked = rng.integers(0, span, LABELS).astype("timedelta64[us]")
    labels = pd.DataFrame(
        {"user": rng.integers(0, ENTITIES, LABELS), "time": START + asked}
    )
    return events, labels


def alternate(sides: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median seconds of each side; the sides take turns, the first turn is free."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(runs + 1):
        for name, run in sides.items():
            begin = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(t) for name, t in times.items()}


def joins(rng: np.random.Generator) -> dict[str, Any]:
    """Ours, DuckDB's ASOF and pandas' merge_asof, values in the labels' order."""
    events, labels = frames(rng)
    values = events["value"].to_numpy()
    labels["row"] = np.arange(LABELS)
    base = duckdb.connect(config={"threads": 1})
    base.register("events_frame", events)
    base.register("labels_frame", labels)
    base.execute("create table events as from events_frame")
    base.execute("create table labels as from labels_frame")

    def ours() -> np.ndarray:
        rows = as_of(labels["user"], labels["time"], events["user"], events["time"])
        return np.where(rows >= 0, values[rows], np.nan)

    def late() -> np.ndarray:
        known = events["time"] + pd.Timedelta("1h")
        rows = as_of(
            labels["user"], labels["time"], events["user"], events["time"], known
        )
        return np.where(rows >= 0, values[rows], np.nan)

    def duck() -> np.ndarray:
        query = (
            "select value from labels asof left join events on labels.user = "
            "events.user and labels.time >= events.time order by row"
        )
        return base.execute(query).fetchnumpy()["value"]

    def pandas() -> np.ndarray:
        done = pd.merge_asof(
            labels.sort_values("time"), events.sort_values("time"), on="time", by="user"
        )
        return done.sort_values("row")["value"].to_numpy()

    mine = ours()
    theirs = (np.ma.filled(duck(), np.nan), pandas())
    equal = all(np.array_equal(mine, t, equal_nan=True) for t in theirs)
    t = alternate({"ours": ours, "late": late, "duckdb": duck, "pandas": pandas}, RUNS)
    return {
        "events": EVENTS,
        "labels": LABELS,
        "entities": ENTITIES,
        "matched": int(np.isfinite(mine).sum()),
        "equal": equal,
        "seconds": round(t["ours"], 4),
        "late_seconds": round(t["late"], 4),
        "duckdb_seconds": round(t["duckdb"], 4),
        "pandas_seconds": round(t["pandas"], 4),
        "duckdb_ratio": round(t["ours"] / t["duckdb"], 2),
        "pandas_ratio": round(t["ours"] / t["pandas"], 2),
        "runs": RUNS,
        "target": TARGET,
        "met": t["ours"] < TARGET and equal,
    }


def online(rng: np.random.Generator, folder: Path) -> dict[str, Any]:
    """Latency of one read of fifty features of one user; medians over the rounds."""
    names = [f"f{i:02d}" for i in range(FEATURES)]
    columns = (
        Column("user", "integer"),
        Column("time", "timestamp"),
        Column("known", "timestamp"),
        *(Column(n, "number") for n in names),
    )
    contract = Contract("habits", 1, columns, ("user", "time", "known"), "time")
    view = FeatureView(contract, "user")
    rows = pd.DataFrame(rng.normal(size=(USERS, FEATURES)), columns=names)
    moment = pd.Timestamp(START)
    rows = rows.assign(user=np.arange(USERS), time=moment, known=moment)
    store = OnlineStore(folder, (view,))
    store.write(view, rows)
    now = moment + pd.Timedelta("1h")
    asked = rng.integers(0, USERS, READS + 200).tolist()
    for user in asked[:200]:
        store.serve(view, [user], now=now)
    rounds = []
    for part in np.array_split(np.array(asked[200:]), ROUNDS):
        took = []
        for user in part.tolist():
            begin = time.perf_counter()
            store.serve(view, [user], now=now)
            took.append(1e3 * (time.perf_counter() - begin))
        rounds.append(np.percentile(took, [50, 99]))
    p50, p99 = np.median(rounds, axis=0)
    return {
        "store": "sqlite",
        "features": FEATURES,
        "users": USERS,
        "reads": READS,
        "p50_ms": round(float(p50), 3),
        "p99_ms": round(float(p99), 3),
        "p99_rounds": [round(float(r[1]), 3) for r in rounds],
        "target": P99,
        "met": bool(p99 < P99),
    }


def layouts(rng: np.random.Generator, folder: Path) -> list[dict[str, Any]]:
    """The mean of one column of fifty, and one whole row, in sqlite and in Parquet."""
    n, c = 200_000, FEATURES
    frame = pd.DataFrame(
        rng.normal(size=(n, c)), columns=[f"f{i:02d}" for i in range(c)]
    )
    frame.insert(0, "id", np.arange(n))
    rows, columns = folder / "rows.db", folder / "columns.parquet"
    lite = sqlite3.connect(rows)
    spec = ", ".join(f"{name} real" for name in frame.columns[1:])
    lite.execute(f"create table t (id integer primary key, {spec})")
    marks = ", ".join("?" * (c + 1))
    lite.executemany(
        f"insert into t values ({marks})", frame.itertuples(index=False, name=None)
    )
    lite.commit()
    base = duckdb.connect(config={"threads": 1})
    base.register("frame", frame)
    base.execute(f"copy frame to '{columns}' (format parquet)")
    some = rng.integers(0, n, 64).tolist()
    turn = iter(some * 40)
    sides: dict[str, dict[str, Callable[[], Any]]] = {
        "mean of one column": {
            "row": lambda: lite.execute("select avg(f07) from t").fetchone(),
            "column": lambda: base.execute(
                f"select avg(f07) from '{columns}'"
            ).fetchone(),
        },
        "one whole row": {
            "row": lambda: lite.execute(
                "select * from t where id = ?", [next(turn)]
            ).fetchone(),
            "column": lambda: base.execute(
                f"select * from '{columns}' where id = ?", [next(turn)]
            ).fetchone(),
        },
    }
    out = []
    for name, both in sides.items():
        t = alternate(both, 25)
        out.append(
            {
                "question": name,
                "rows": n,
                "columns": c,
                "row_ms": round(1e3 * t["row"], 3),
                "column_ms": round(1e3 * t["column"], 3),
                "ratio": round(t["row"] / t["column"], 3),
            }
        )
    lite.close()
    return out


def table(
    joined: dict[str, Any], read: dict[str, Any], layout: list[dict[str, Any]]
) -> list[list[Any]]:
    """Rows for the page of benchmarks."""
    what = f"join of {EVENTS:,} events with {LABELS:,} labels"
    sides = {"seconds": "ours", "late_seconds": "ours, late data"} | {
        f"{n}_seconds": n for n in ("duckdb", "pandas")
    }
    rows: list[list[Any]] = [[what, sides[k], round(1e3 * joined[k], 1)] for k in sides]
    what = f"read of {FEATURES} features of one user"
    rows += [[what, f"sqlite, {p}", read[f"{p}_ms"]] for p in ("p50", "p99")]
    for case in layout:
        rows += [[case["question"], f"{k} layout", case[f"{k}_ms"]] for k in SIDES]
    return rows


def main() -> int:
    rng = np.random.default_rng(0)
    joined = joins(rng)
    with tempfile.TemporaryDirectory() as folder:
        read = online(rng, Path(folder) / "online")
        layout = layouts(rng, Path(folder))
    names = ("numpy", "pandas", "duckdb", "feast")
    results = {
        "title": "Features: the point-in-time join, online reads, two layouts",
        "question": "What do a join of a million events, a read of fifty features and "
        "the two layouts of a table cost?",
        "command": "python benchmarks/run.py --only features",
        "columns": ["what", "side", "milliseconds"],
        "rows": table(joined, read, layout),
        "environment": {
            "versions": {n: version(n) for n in names},
            "cores": os.cpu_count(),
            "threads": 1,
        },
        "join": joined,
        "online": read,
        "layout": layout,
    }
    draft = RESULTS.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(draft, RESULTS)
    print(json.dumps(results, indent=1))
    return 0 if joined["met"] and read["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
