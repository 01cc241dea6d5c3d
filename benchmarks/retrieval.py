"""Two-tower retrieval, cold items, and an index over trained vectors of 200,000 items.

Run it with ``python benchmarks/run.py --only retrieval``; results go to
``results/retrieval.json``, whose fields README.md describes. Parts:

* movielens: recall@200 and NDCG@10 of the two towers beside tuned EASE and ALS, on the
  validation slice (where settings were chosen, and where parts are taken away) and,
  for the chosen settings and three seeds, on the held-out fifth, paired by user;
* cold: items taken out of training altogether, ranked by their text, on MovieLens and
  in the streaming world;
* index: exact, IVF and HNSW over trained vectors of the full catalogue.

One thread. Exits with 1 when a target is missed. ``--part NAME`` runs one part and
keeps the others.
"""

from __future__ import annotations

import argparse
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
import pandas as pd

from streamrec.data.interactions import Interactions
from streamrec.data.sources import (
    movielens_100k,
    movielens_100k_items,
    movielens_100k_users,
)
from streamrec.data.splits import Split, last_fraction, validation_slice
from streamrec.evaluation.compare import paired_difference
from streamrec.evaluation.ranking import evaluate
from streamrec.models.content_cnn import ContentCNN, ContentRecommender, item_texts
from streamrec.models.ease import EASE
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.index import (
    ExactIndex,
    HNSWIndex,
    IVFIndex,
    choose_index,
    recall,
)
from streamrec.models.two_tower import TwoTower
from streamrec.worlds.streaming import StreamingWorld

RESULT = Path(__file__).parent / "results" / "retrieval.json"
SEEDS = (0, 1, 2)
COLD_SHARE = 0.15  # of the items that somebody took
ITEMS = ["year", "genres"]
USERS = ["age", "gender", "occupation"]
FULL = ["title", "description", "category", "format", "language"]
SECONDS, RECALL, SPEED, BUILD = 60.0, 0.95, 5.0, 120.0  # targets
FULL_USERS, DIMENSIONS, TAUGHT, ENOUGH = 4_000, 128, 30_000, 5
QUERIES, ALONE = 1_000, 200  # searched in a batch; one at a time
PARTS = ("movielens", "cold", "index")
HALVES = {
    "validation": "MovieLens 100k, validation slice",
    "held_out": "MovieLens 100k, held-out fifth",
}


def short(x: float, digits: int = 4) -> float:
    return float(f"{x:.{digits}g}")


# -------------------------------------------------------------------------- movielens


def quality(model: Any, split: Split) -> dict[str, pd.Series]:
    """NDCG@10, recall@10 and recall@200 of each user."""
    ten = evaluate(model, split, 10, metrics=["ndcg", "recall"]).per_user
    many = evaluate(model, split, 200, metrics=["recall"]).per_user
    return {"ndcg_10": ten["ndcg"], "recall_10": ten["recall"],
            "recall_200": many["recall"]}  # fmt: skip


def line(name: str, per_user: dict[str, pd.Series], **more: Any) -> dict[str, Any]:
    means = {k: short(float(v.mean())) for k, v in per_user.items()}
    row = {"model": name} | means | more
    print(json.dumps(row), flush=True)
    return row


def two_tower_parts(split: Split) -> list[dict[str, Any]]:
    """The validation slice: the chosen model, and what its parts are worth."""
    from streamrec.models.text import available, embed

    items, users = movielens_100k_items(), movielens_100k_users()
    rows = [
        line("EASE", quality(EASE().fit(split.train), split)),
        line("implicit ALS", quality(ImplicitALS().fit(split.train), split)),
    ]
    plain = (items[ITEMS], users[USERS])
    tries: list[tuple[str, TwoTower, tuple[Any, ...], dict[str, Any]]] = [
        ("two towers", TwoTower(), plain, {}),
        ("no logQ correction", TwoTower(correction=False), plain, {}),
        ("no features", TwoTower(), (), {}),
        ("with hard negatives", TwoTower(hard=8), plain, {}),
        ("with later items in the history", TwoTower(future=True), plain, {}),
        ("a tenth of the ids left out", TwoTower(leave_out=0.1), plain, {}),
    ]
    if available():
        text = embed(item_texts(items[["title", *ITEMS]]))
        tries.append(("with sentence embeddings", TwoTower(), plain, {"text": text}))
    for name, model, features, more in tries:
        rows.append(
            line(name, quality(model.fit(split.train, *features, **more), split))
        )
    return rows


def movielens() -> dict[str, Any]:
    split = last_fraction(movielens_100k())
    items, users = movielens_100k_items()[ITEMS], movielens_100k_users()[USERS]
    out: dict[str, Any] = {"validation": two_tower_parts(validation_slice(split))}
    rivals = {
        "EASE": quality(EASE().fit(split.train), split),
        "implicit ALS": quality(ImplicitALS().fit(split.train), split),
    }
    held_out = [line(name, per_user) for name, per_user in rivals.items()]
    paired, seconds = [], []
    for seed in SEEDS:
        begin = time.perf_counter()
        model = TwoTower(seed=seed).fit(split.train, items, users)
        seconds.append(time.perf_counter() - begin)
        found = quality(model, split)
        held_out.append(line("two towers", found, seed=seed))
        for name, per_user in rivals.items():
            for metric in found:
                d = paired_difference(found[metric], per_user[metric])
                paired.append(
                    {"a": "two towers", "b": name, "seed": seed, "metric": metric,
                     "difference": short(d.difference), "low": short(d.interval[0]),
                     "high": short(d.interval[1])}
                )  # fmt: skip
    took = statistics.median(seconds)
    out |= {"held_out": held_out, "paired": paired}
    out["seconds"] = {"median": short(took, 3), "runs": len(seconds),
                      "target": SECONDS, "met": took < SECONDS}  # fmt: skip
    return out


# ------------------------------------------------------------------------- cold items


def cold_data(name: str) -> tuple[Interactions, pd.Series]:
    """Interactions and item texts of MovieLens or of a world's size."""
    if name == "MovieLens 100k":
        return movielens_100k(), item_texts(movielens_100k_items()[["title", *ITEMS]])
    world = StreamingWorld(name.split()[1], seed=0)
    ratings = world.ratings().rename(columns={"timestamp": "time"})
    x = Interactions.from_frame(ratings[["user", "item", "time"]], on_duplicates="last")
    return x, item_texts(world.items.set_index("item"), FULL)


def without(x: Interactions, seed: int) -> tuple[Interactions, Interactions]:
    """Training without some items; later interactions with exactly those."""
    split, rng = last_fraction(x), np.random.default_rng(seed)
    used = np.unique(split.train.item_index)
    gone = np.zeros(x.n_items, dtype=bool)
    gone[rng.choice(used, int(COLD_SHARE * len(used)), replace=False)] = True
    train = split.train.subset(~gone[split.train.item_index])
    return train, split.test.subset(gone[split.test.item_index])


def placed(model: Any, train: Interactions, test: Interactions) -> pd.DataFrame:
    """Of each held-out pair: share of the user's other items that rank below it."""
    S = model.score(train.users)
    S[train.binary.toarray() > 0] = np.nan
    later, new = test.binary.toarray() > 0, model.popularity_ == 0
    rows = []
    for u, i in zip(*np.nonzero(later), strict=True):
        others = ~later[u] & np.isfinite(S[u])
        row = [i]
        for among in (others, others & new):
            s = S[u, among]
            row.append(((s < S[u, i]) + 0.5 * (s == S[u, i])).mean())
        rows.append(row)
    return pd.DataFrame(rows, columns=["item", "all", "cold"])


def interval(values: pd.DataFrame, column: str) -> dict[str, float]:
    """Mean over items, each the mean of its users, with a 95 % interval over items."""
    by_item = values.groupby("item")[column].mean()
    mean, se = float(by_item.mean()), float(by_item.sem())
    return {"mean": short(mean), "low": short(mean - 1.96 * se),
            "high": short(mean + 1.96 * se), "items": len(by_item)}  # fmt: skip


def cold() -> list[dict[str, Any]]:
    rows = []
    for name in ("MovieLens 100k", "world tiny", "world small"):
        x, texts = cold_data(name)
        train, test = without(x, seed=0)
        begin = time.perf_counter()
        content = ContentRecommender().fit(train, texts)
        took = time.perf_counter() - begin
        models = [("text CNN", content, took)]
        if name == "MovieLens 100k":
            items, users = movielens_100k_items()[ITEMS], movielens_100k_users()[USERS]
            begin = time.perf_counter()
            towers = TwoTower(leave_out=0.1).fit(train, items, users)
            models.append(("two towers", towers, time.perf_counter() - begin))
        for model_name, model, took in models:
            values = placed(model, train, test)
            rows.append(
                {"data": name, "model": model_name, "pairs": len(values),
                 "among_all": interval(values, "all"),
                 "among_cold": interval(values, "cold"), "seconds": short(took, 3)}
            )  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
        # the same vectors dealt out at random: what is left is not knowledge
        mixed = np.random.default_rng(1).permutation(np.flatnonzero(content.cold_))
        content.Y_[content.cold_] = content.Y_[mixed]
        values = placed(content, train, test)
        rows.append(
            {"data": name, "model": "text CNN, vectors dealt at random",
             "pairs": len(values), "among_all": interval(values, "all"),
             "among_cold": interval(values, "cold"), "seconds": None}
        )  # fmt: skip
        print(json.dumps(rows[-1]), flush=True)
    return rows


# ------------------------------------------------------------------------------ index


def trained_vectors() -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Item vectors (200000, 128), user vectors (4000, 128), and how they were made.

    Implicit ALS on the histories of the users; the CNN learns its vectors from the
    texts of items with interactions enough and places all the others.
    """
    begin = time.perf_counter()
    world = StreamingWorld("full", seed=0, n_users=FULL_USERS)
    table = world.items.set_index("item")
    x = Interactions.from_frame(
        world.ratings()[["user", "item"]], on_duplicates="first",
        items=table.index.to_numpy(),
    )  # fmt: skip
    drawn = time.perf_counter()
    als = ImplicitALS(DIMENSIONS, iterations=8).fit(x)
    n, texts = als.popularity_, item_texts(table, FULL).tolist()
    warm = np.flatnonzero(n >= ENOUGH)
    some = np.random.default_rng(0).permutation(warm)[:TAUGHT]
    cnn = ContentCNN(epochs=4, batch=256, length=40)
    cnn.fit([texts[i] for i in some], als.Y_[some], users=als.X_, counts=n[some])
    Y = np.where((n >= ENOUGH)[:, None], als.Y_, cnn.vectors(texts))
    how: dict[str, Any] = {
        "users": FULL_USERS, "interactions": len(x), "items": len(Y),
        "learned_from_interactions": len(warm), "learned_from_text": len(Y) - len(warm),
        "explained": short(cnn.explained_, 3),
        "history_seconds": short(drawn - begin, 3),
        "training_seconds": short(time.perf_counter() - drawn, 3),
    }  # fmt: skip
    lengths = np.linalg.norm(Y, axis=1)
    how["lengths"] = [short(x, 3) for x in np.quantile(lengths, (0, 0.5, 0.99, 1))]
    print(json.dumps(how), flush=True)
    return Y.astype(np.float32), als.X_.astype(np.float32), how


def each(search: Callable[[np.ndarray], Any], Q: np.ndarray) -> float:
    """Median milliseconds of one query at a time."""
    times = []
    for q in Q[:ALONE]:
        start = time.perf_counter()
        search(q)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def batch(search: Callable[[np.ndarray], Any], Q: np.ndarray) -> float:
    """Milliseconds a query in a batch, median of three after one thrown away."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        search(Q)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[1:]) / len(Q)


def index_rows(Y: np.ndarray, Q: np.ndarray) -> list[dict[str, Any]]:
    exact = ExactIndex().build(Y)
    truth = exact.search(Q, 100)
    rows: list[dict[str, Any]] = []

    def row(name: str, setting: int | None, index: Any, build: float) -> None:
        got = index.search(Q, 100)
        rows.append(
            {"index": name, "setting": setting,
             "recall_100": short(float(np.mean(recall(got, truth)))),
             "work": round(got.work),
             "ms": short(each(lambda q: index.search(q, 100), Q), 3),
             "batch_ms": short(batch(lambda q: index.search(q, 100), Q), 3),
             "build_seconds": short(build, 3)}
        )  # fmt: skip
        rows[-1]["speed"] = short(rows[0]["ms"] / rows[-1]["ms"], 3)
        rows[-1]["batch_speed"] = short(rows[0]["batch_ms"] / rows[-1]["batch_ms"], 3)
        print(json.dumps(rows[-1]), flush=True)

    row("exact", None, exact, 0.0)
    for name, make, knob, settings in (
        ("IVF", lambda: IVFIndex(engine="faiss"), "probes", (16, 32, 64, 128, 256)),
        ("HNSW", HNSWIndex, "beam", (100, 200, 500, 1_000)),
    ):
        index = make()
        begin = time.perf_counter()
        index.build(Y)
        took = time.perf_counter() - begin
        for setting in settings:
            setattr(index, knob, setting)
            row(name, setting, index, took)
    return rows


def index() -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(1)
    Y, X, how = trained_vectors()
    Q = X[np.random.default_rng(2).permutation(len(X))[:QUERIES]]
    rows = index_rows(Y, Q)
    good = [r for r in rows[1:] if r["recall_100"] >= RECALL]
    best = max(good, key=lambda r: r["speed"], default=None)
    met = best is not None and best["speed"] >= SPEED and best["build_seconds"] < BUILD
    small = type(choose_index(10_000)).__name__
    return {
        "vectors": how, "rows": rows, "best": best, "at_10000_items": small,
        "target": {"recall_100": RECALL, "speed": SPEED, "build_seconds": BUILD},
        "met": bool(met and small == "ExactIndex"),
    }  # fmt: skip


# ----------------------------------------------------------------------------- writing


def span(x: dict[str, float]) -> str:
    return f"{x['mean']:.3f} ({x['low']:.3f} to {x['high']:.3f})"


def tables(out: dict[str, Any]) -> dict[str, Any]:
    """What the page of benchmarks shows."""
    found = out.get("index", {})
    more = []
    if "movielens" in out:
        for half, heading in HALVES.items():
            more.append(
                {"title": heading,
                 "rows": [{"Model": r["model"] + (f", seed {r['seed']}" if "seed" in r
                                                  else ""),
                           "NDCG@10": r["ndcg_10"], "Recall@10": r["recall_10"],
                           "Recall@200": r["recall_200"]}
                          for r in out["movielens"][half]]}
            )  # fmt: skip
    if "cold" in out:
        more.append(
            {"title": "Items taken out of training: share of other items ranked below "
             "them, for users who later took them (0.5 is chance; 95 % over items)",
             "rows": [{"Data": r["data"], "Model": r["model"],
                       "Among all": span(r["among_all"]),
                       "Among the new": span(r["among_cold"])} for r in out["cold"]]}
        )  # fmt: skip
    return {
        "title": "Retrieval",
        "question": "What does an index over trained vectors of 200,000 items (128 "
        "dimensions, queries are users) buy and miss? One thread, top 100.",
        "command": "python benchmarks/run.py --only retrieval",
        "rows": [
            {"Index": r["index"], "Setting": r["setting"] or "–",
             "Recall@100": r["recall_100"], "Inner products": r["work"],
             "ms, one query": r["ms"], "Times exact": r["speed"],
             "ms in a batch": r["batch_ms"], "Build, s": r["build_seconds"]}
            for r in found.get("rows", [])
        ],
        "tables": more,
    }  # fmt: skip


def reached(out: dict[str, Any]) -> bool:
    """Whether every target of the parts at hand is met."""
    fast = out.get("movielens", {}).get("seconds", {}).get("met", True)
    found = out.get("index", {}).get("met", True)
    above = [
        r["among_cold"]["low"] > 0.5 and r["among_all"]["low"] > 0.5
        for r in out.get("cold", [])
        if "random" not in r["model"]
    ]
    return bool(fast and found and all(above))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=PARTS, action="append")
    parts = parser.parse_args().part or PARTS
    out = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for part in parts:
        out[part] = globals()[part]()
    names = ("numpy", "torch", "faiss-cpu")
    out["environment"] = {
        "versions": {n: version(n) for n in names},
        "threads": 1,
        "cores": os.cpu_count(),
    }
    kept = {k: v for k, v in out.items() if k in (*PARTS, "environment")}
    draft = RESULT.with_suffix(".part")
    draft.write_text(json.dumps(tables(out) | kept, indent=1) + "\n")
    os.replace(draft, RESULT)
    return 0 if reached(out) else 1


if __name__ == "__main__":
    sys.exit(main())
