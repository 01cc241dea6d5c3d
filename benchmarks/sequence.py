"""Sequential recommenders on MovieLens 100k: quality over seeds, seconds, how chosen.

Run it with ``python benchmarks/run.py --only sequence``; results go to
``results/sequence.json``, whose fields README.md describes. ``--part NAME`` runs one of
quality, seconds and selection, and keeps the others. Protocol: the last fifth of every
user's history is held out; settings were chosen on the last fifth of what is left.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from streamrec.data import sources, splits
from streamrec.data.interactions import Interactions
from streamrec.evaluation.compare import paired_difference
from streamrec.evaluation.ranking import Evaluation, evaluate
from streamrec.models.base import MatrixRecommender
from streamrec.models.ease import EASE
from streamrec.models.gru import SessionGRU
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.popularity import Popularity
from streamrec.models.sasrec import SASRec
from streamrec.models.sequences import SequentialRecommender

RESULTS = Path(__file__).parent / "results" / "sequence.json"
SEEDS = (0, 1, 2)
LEAST = {"ndcg": 0.206, "recall": 0.118}  # what the ranker must reach alone
SECONDS = 60.0
BASELINES: dict[str, MatrixRecommender] = {
    "popularity": Popularity(),
    "EASE": EASE(lam=400.0),
    "implicit ALS": ImplicitALS(factors=128, lam=10.0, alpha=0.0),
}
GRID: dict[type[SequentialRecommender], list[dict[str, Any]]] = {
    SASRec: [
        {},
        {"horizon": 1},
        {"horizon": 10},
        {"length": 50},
        {"blocks": 2},
        {"lr": 2e-3},
    ],
    SessionGRU: [{}, {"horizon": 1}],
}


def digits(x: float, n: int = 4) -> float:
    return float(f"{x:.{n}g}")


def described(name: str, found: list[Evaluation]) -> dict[str, Any]:
    """Mean over seeds; standard error over users of their mean over seeds."""
    row: dict[str, Any] = {"model": name, "seeds": len(found)}
    for metric in ("ndcg", "recall"):
        users = over_seeds(found, metric)
        means = [e.mean(metric) for e in found]
        row[metric] = {
            "mean": digits(users.mean()),
            "se": digits(users.std(ddof=1) / np.sqrt(len(users)), 2),
            "lowest": digits(min(means)),
            "highest": digits(max(means)),
        }
    return row


def over_seeds(found: list[Evaluation], metric: str) -> Any:
    return sum(e[metric] for e in found) / len(found)


def shuffled_ties(x: Interactions, seed: int = 0) -> Interactions:
    """The same interactions, those of one second in random order."""
    assert x.time is not None
    later = np.random.default_rng(seed).random(len(x))
    return Interactions(
        x.users, x.items, x.user_index, x.item_index, time=x.time + later, value=x.value
    )


def quality() -> dict[str, Any]:
    split = splits.last_fraction(sources.movielens_100k(), 0.2)
    found: dict[str, list[Evaluation]] = {}

    def judge(
        name: str, make: Callable[[], MatrixRecommender], x: Interactions
    ) -> None:
        found.setdefault(name, []).append(evaluate(make().fit(x), split))
        print(name, found[name][-1], flush=True)

    for name, model in BASELINES.items():
        judge(name, lambda model=model: model, split.train)
    for seed in SEEDS:
        judge("self-attention", lambda seed=seed: SASRec(seed=seed), split.train)
        judge("GRU", lambda seed=seed: SessionGRU(seed=seed), split.train)
    judge("the bag twin", lambda: SASRec(attention=False), split.train)
    judge("self-attention, ties shuffled", SASRec, shuffled_ties(split.train))
    paired = []
    for a in ("self-attention", "GRU"):
        for b in ("implicit ALS", "EASE", "the bag twin"):
            for metric in ("ndcg", "recall"):
                users = (over_seeds(found[m], metric) for m in (a, b))
                d = paired_difference(*users)
                row = {"a": a, "b": b, "metric": metric}
                numbers = zip(("difference", "se", "low", "high"),
                              (d.difference, d.se, *d.interval))  # fmt: skip
                row |= {n: digits(value, 3) for n, value in numbers}
                paired.append(row)
    rows = [described(name, evaluations) for name, evaluations in found.items()]
    ours = next(row for row in rows if row["model"] == "self-attention")
    met = {metric: ours[metric]["lowest"] >= LEAST[metric] for metric in LEAST}
    return {"quality": rows, "paired": paired, "targets": LEAST, "met": met}


def seconds() -> dict[str, Any]:
    split = splits.last_fraction(sources.movielens_100k(), 0.2)
    torch.set_num_threads(2)
    rows = []
    for model in (SASRec(), SessionGRU()):
        begin = time.perf_counter()
        model.fit(split.train)
        middle = time.perf_counter()
        model.recommend(split.train.users, 10)
        end = time.perf_counter()
        row = {"model": type(model).__name__, "threads": 2}
        row |= {"fit": digits(middle - begin, 3), "lists": digits(end - middle, 2)}
        rows.append(row | {"target": SECONDS, "met": middle - begin < SECONDS})
        print(rows[-1], flush=True)
    torch.set_num_threads(1)
    return {"seconds": rows}


def selection() -> dict[str, Any]:
    outer = splits.last_fraction(sources.movielens_100k(), 0.2)
    split = splits.validation_slice(outer)
    rows = []
    for model in BASELINES.values():
        e = evaluate(model.fit(split.train), split)
        rows.append({"model": type(model).__name__, "change": {}} | score(e))
    for kind, changes in GRID.items():
        for change in changes:
            e = evaluate(kind(**change).fit(split.train), split)
            rows.append({"model": kind.__name__, "change": change} | score(e))
            print(rows[-1], flush=True)
    return {"selection": {"held_out": len(split.test), "rows": rows}}


def score(e: Evaluation) -> dict[str, float]:
    return {metric: digits(e.mean(metric)) for metric in ("ndcg", "recall")}


PARTS = {"quality": quality, "seconds": seconds, "selection": selection}


def page(results: dict[str, Any]) -> dict[str, Any]:
    """What the book prints."""
    rows = [
        [q["model"], q["seeds"], q["ndcg"]["mean"], q["ndcg"]["se"],
         f"{q['ndcg']['lowest']:.4f} to {q['ndcg']['highest']:.4f}",
         q["recall"]["mean"]]
        for q in results.get("quality", [])
    ]  # fmt: skip
    tables = [
        {
            "title": "Differences, paired by user (mean over seeds)",
            "columns": ["a minus b", "metric", "difference", "low", "high"],
            "rows": [
                [
                    f"{p['a']} minus {p['b']}",
                    p["metric"],
                    p["difference"],
                    p["low"],
                    p["high"],
                ]
                for p in results.get("paired", [])
            ],  # fmt: skip
        },
        {
            "title": "Seconds on two threads",
            "columns": ["model", "fit", "target", "lists for 943 users"],
            "rows": [
                [s["model"], s["fit"], s["target"], s["lists"]]
                for s in results.get("seconds", [])
            ],
        },
        {
            "title": "How settings were chosen: one change of the defaults at a time, "
            "on the validation slice",
            "columns": ["model", "change", "NDCG@10", "Recall@10"],
            "rows": [
                [
                    s["model"],
                    ", ".join(f"{k} = {v}" for k, v in s["change"].items()) or "none",
                    s["ndcg"],
                    s["recall"],
                ]
                for s in results.get("selection", {}).get("rows", [])
            ],  # fmt: skip
        },
    ]
    return {
        "title": "Sequential recommenders on MovieLens 100k",
        "question": "How good are rankers that read the order of a history, over "
        "random starts, against models of the matrix alone, and how long do they "
        "train?",
        "command": "python benchmarks/run.py --only sequence",
        "columns": [
            "model",
            "seeds",
            "NDCG@10",
            "se over users",
            "over seeds",
            "Recall@10",
        ],  # fmt: skip
        "rows": rows,
        "tables": [t for t in tables if t["rows"]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, help="run one part, keep the others")
    chosen = parser.parse_args().part
    torch.set_num_threads(1)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, part in PARTS.items():
        if chosen in (None, name):
            results |= part()
            names = ("numpy", "scipy", "torch", "streamrec")
            versions = {n: version(n) for n in names}
            results["environment"] = {"versions": versions, "cores": os.cpu_count()}
            results = page(results) | {k: v for k, v in results.items()
                                       if k not in page(results)}  # fmt: skip
            draft = RESULTS.with_suffix(".part")
            draft.write_text(json.dumps(results, indent=1) + "\n")
            os.replace(draft, RESULTS)
    timed = all(row["met"] for row in results.get("seconds", []))
    return 0 if timed and all(results.get("met", {}).values()) else 1


if __name__ == "__main__":
    sys.exit(main())
