"""Our recommenders against the ``implicit`` package, both sides in one run.

Run it with ``python benchmarks/run.py --only recommenders``; results go to
``results/recommenders.json``, whose fields README.md describes. ``--quick`` leaves out
the five million interactions and writes nothing.

Fairness: one thread on both sides; fits alternate (ours, theirs, ours, ...) and medians
are compared; data are ready in the form each side takes; the objective that both lower
is evaluated with our code on both sides' factors. ``implicit`` multiplies the data by
its alpha, so its confidence is c = alpha on positives; ours is c = 1 + alpha r. The two
agree when ours is one less.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from threadpoolctl import threadpool_info

from streamrec.data import sources, splits
from streamrec.data.interactions import Interactions
from streamrec.evaluation.compare import paired_difference
from streamrec.evaluation.ranking import evaluate
from streamrec.models.als import ALS
from streamrec.models.ease import EASE
from streamrec.models.implicit_als import ImplicitALS, objective
from streamrec.models.item_knn import ItemKNN
from streamrec.models.popularity import Popularity
from streamrec.models.svd import PureSVD
from streamrec.protocols import Recommendations

RESULTS = Path(__file__).parent / "results" / "recommenders.json"
FACTORS, LAM, ITERATIONS, SEED = 128, 10.0, 15, 0
CONFIDENCE = {"unweighted": 1.0, "weighted": 11.0}  # c on positives
GRID = {"factors": (64, 128), "lam": (3.0, 10.0, 30.0), "alpha": (0.0, 1.0, 10.0)}
SHAPE, COUNT = (50_000, 10_000), 5_000_000

# Data.


def movielens() -> splits.Split:
    return splits.last_fraction(sources.movielens_100k(), 0.2)


def synthetic(seed: int = SEED) -> Interactions:
    """Five million distinct pairs: log-normal user activity, Zipf-like popularity."""
    rng, (M, N) = np.random.default_rng(seed), SHAPE
    users, items = rng.lognormal(0, 1, M), (np.arange(N) + 20.0) ** -0.9
    u = rng.choice(M, int(1.3 * COUNT), p=users / users.sum())
    i = rng.choice(N, int(1.3 * COUNT), p=items / items.sum())
    pairs = np.sort(rng.permutation(np.unique(u * N + i))[:COUNT])
    return Interactions(np.arange(M), np.arange(N), pairs // N, pairs % N)


# The two sides.


def ours(c: float, iterations: int = ITERATIONS, seed: int = SEED) -> ImplicitALS:
    return ImplicitALS(
        factors=FACTORS, lam=LAM, alpha=c - 1, iterations=iterations, seed=seed
    )


def theirs(
    c: float, iterations: int = ITERATIONS, seed: int = SEED, **change: Any
) -> AlternatingLeastSquares:
    settings = {"factors": FACTORS, "regularization": LAM, "alpha": c} | change
    return AlternatingLeastSquares(
        iterations=iterations, random_state=seed, num_threads=1, **settings
    )


def plain(train: Interactions) -> sp.csr_matrix:
    return train.binary.astype(np.float32)


def their_lists(model: Any, train: Interactions, k: int = 10) -> Recommendations:
    rows = np.arange(train.n_users)
    columns, scores = model.recommend(rows, plain(train), N=k)
    return Recommendations(train.users, train.items[columns], scores.astype(float))


def peer_settings(peer: Any) -> dict[str, Any]:
    names = ("K", "factors", "regularization", "alpha", "iterations")
    return {n: getattr(peer, n) for n in names if hasattr(peer, n)}


# Measuring.


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(
    a: Callable[[], Any], b: Callable[[], Any], runs: int
) -> tuple[float, float]:
    """Median seconds of two calls made in turn."""
    pairs = [(seconds(a), seconds(b)) for _ in range(runs)]
    return statistics.median(p[0] for p in pairs), statistics.median(
        p[1] for p in pairs
    )


def versus(
    a: Callable[[], Any], b: Callable[[], Any], runs: int, target: float | None
) -> dict[str, Any]:
    t, peer = alternate(a, b, runs)
    ratio = t / peer
    row = {"ratio": digits(ratio), "seconds": digits(t), "peer_seconds": digits(peer)}
    return row | {"runs": runs, "target": target, "met": met(ratio, target)}


def alone(call: Callable[[], Any], runs: int, target: float | None) -> dict[str, Any]:
    t = statistics.median(seconds(call) for _ in range(runs))
    row = {"seconds": digits(t), "runs": runs}
    return row | {"target": target, "met": met(t, target)}


def met(value: float, target: float | None) -> bool | None:
    return None if target is None else bool(value <= target)


def digits(x: float, n: int = 3) -> float:
    return float(f"{x:.{n}g}")


def say(text: str) -> None:
    print(text, flush=True)


# Parts of the report.


def selection(split: splits.Split) -> dict[str, Any]:
    """Settings of implicit ALS by validation NDCG@10, mean of three seeds."""
    inner = splits.validation_slice(split)
    rows = []
    for point in itertools.product(*GRID.values()):
        setting = dict(zip(GRID, point, strict=True))
        values = [
            evaluate(ImplicitALS(**setting, seed=s).fit(inner.train), inner).mean(
                "ndcg"
            )
            for s in range(3)
        ]
        rows.append({"settings": setting, "ndcg": digits(statistics.fmean(values), 4)})
    rows.sort(key=lambda row: -row["ndcg"])
    say(f"validation slice chose {rows[0]}")
    return {"held_out": len(inner.test), "seeds": 3, "chosen": rows[0]["settings"],
            "grid": rows}  # fmt: skip


def summary(name: str, side: str, settings: dict[str, Any], ev: Any) -> dict[str, Any]:
    table = ev.summary()
    row: dict[str, Any] = {"model": name, "side": side, "settings": settings}
    for metric in ("ndcg", "recall"):
        mean, se = table.loc[metric, "mean"], table.loc[metric, "se"]
        row[metric] = {"mean": digits(mean, 4), "se": digits(se, 2)}
    say(f"{side:9} {name:22} NDCG@10 {row['ndcg']['mean']:.4f}  "
        f"Recall@10 {row['recall']['mean']:.4f}")  # fmt: skip
    return row | {"users": int(table.loc["ndcg", "n"])}


def quality(
    split: splits.Split, chosen: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    train = split.train
    mine = {
        "popularity": Popularity(),
        "item-kNN": ItemKNN(k=200),
        "EASE": EASE(lam=400.0),
        "PureSVD": PureSVD(factors=50),
        "implicit ALS": ImplicitALS(**chosen),
        "implicit ALS, c = 11": ours(11.0),
    }
    same = {"factors": chosen["factors"], "regularization": chosen["lam"]}
    peers = {
        "item-kNN": CosineRecommender(K=200, num_threads=1),
        "implicit ALS": theirs(1 + chosen["alpha"], **same),
        "implicit ALS, c = 11": theirs(11.0),
        "implicit ALS, defaults": theirs(1.0, factors=64, regularization=0.01),
    }
    rows, results = [], {}
    for name, model in mine.items():
        ev = evaluate(model.fit(train), split)
        results["ours", name] = ev["ndcg"]
        rows.append(summary(name, "ours", model.settings, ev))
    for name, peer in peers.items():
        peer.fit(plain(train), show_progress=False)
        ev = evaluate(their_lists(peer, train), split)
        results["implicit", name] = ev["ndcg"]
        rows.append(summary(name, "implicit", peer_settings(peer), ev))
    pairs = [(("ours", n), ("implicit", n)) for n in peers if n in mine]
    pairs += [(("ours", "implicit ALS"), ("ours", n)) for n in ("EASE", "item-kNN")]
    pairs += [(("ours", "EASE"), ("ours", "popularity"))]
    paired = [compare(a, b, results[a], results[b]) for a, b in pairs]
    return rows, paired, spread(split, chosen)


def compare(a: tuple[str, str], b: tuple[str, str], x: Any, y: Any) -> dict[str, Any]:
    d = paired_difference(x, y)
    low, high = d.interval
    say(f"paired    {' '.join(a)} - {' '.join(b)}: {d.difference:+.4f} (se {d.se:.4f})")
    row = {"a": " ".join(a), "b": " ".join(b), "metric": "ndcg"}
    numbers = {"difference": d.difference, "se": d.se, "low": low, "high": high}
    return row | {k: digits(v) for k, v in numbers.items()} | {"users": int(d.n)}


def spread(split: splits.Split, chosen: dict[str, Any]) -> dict[str, Any]:
    """NDCG@10 of the chosen implicit ALS over ten starts: no lucky seed."""
    values = [
        evaluate(ImplicitALS(**chosen, seed=s).fit(split.train), split).mean("ndcg")
        for s in range(10)
    ]
    about = {"model": "implicit ALS", "metric": "ndcg", "n": len(values)}
    numbers = {
        "mean": statistics.fmean(values),
        "lowest": min(values),
        "highest": max(values),
    }
    target = {"target": 0.199, "met": min(values) >= 0.199}
    return about | {k: digits(v, 4) for k, v in numbers.items()} | target


def ratings() -> dict[str, Any]:
    """Rating error of explicit ALS, random five-fold."""
    squares = []
    for fold in splits.k_fold(sources.movielens_100k(), 5, seed=SEED):
        test = fold.test.frame()
        r = ALS().fit(fold.train).predict(test["user"], test["item"])
        squares.append((r - test["value"].to_numpy()) ** 2)
    rmse = float(np.sqrt(np.concatenate(squares).mean()))
    say(f"explicit ALS RMSE {rmse:.4f}")
    return {"model": "explicit ALS", "settings": ALS().settings, "folds": 5,
            "rmse": digits(rmse, 4), "target": 0.94, "met": rmse <= 0.94}  # fmt: skip


def fit_times(data: str, train: Interactions, runs: int) -> list[dict[str, Any]]:
    R, rows = plain(train), []
    for (kind, c), target in zip(CONFIDENCE.items(), (1.0, 3.0), strict=True):
        a, b = ours(c), theirs(c)
        train.matrix  # noqa: B018 (both sides start from a ready matrix)
        a.fit(train), b.fit(R, show_progress=False)  # both compiled and warm
        C = (c * train.binary).astype(np.float64)
        mine = objective(C, a.X_, a.Y_, LAM)
        peer = objective(C, b.user_factors, b.item_factors, LAM)
        row = versus(
            lambda a=a: a.fit(train),
            lambda b=b: b.fit(R, show_progress=False),
            runs,
            target,
        )
        say(f"fit       {data}, {kind}: {row['ratio']} x implicit "
            f"({row['seconds']} s against {row['peer_seconds']} s); "
            f"objective {mine / peer:.5f} x")  # fmt: skip
        about = {"data": data, "interactions": len(train), "objective": kind, "c": c}
        about |= {"factors": FACTORS, "lam": LAM, "iterations": ITERATIONS}
        about["our_step"] = "one Cholesky factor" if c == 1 else "3 CG steps"
        about["objective_ratio"] = digits(mine / peer, 5)
        rows.append(about | row)
    return rows


def recommend_times(split: splits.Split) -> list[dict[str, Any]]:
    """Top 10 of all 943 users, seen items removed."""
    train, rows = split.train, []
    R, users = plain(train), np.arange(train.n_users)
    models = [Popularity(), ItemKNN(), EASE(), PureSVD(), ours(1.0)]
    peers: dict[str, Any] = {"ItemKNN": CosineRecommender(K=200, num_threads=1)}
    peers["ImplicitALS"] = theirs(1.0)
    for model in models:
        name = type(model).__name__
        model.fit(train).recommend(train.users)
        row = alone(lambda m=model: m.recommend(train.users), 9, 0.1)
        if name in peers:
            peer = peers[name]
            peer.fit(R, show_progress=False)
            pair = versus(
                lambda m=model: m.recommend(train.users),
                lambda p=peer: p.recommend(users, R, N=10),
                9,
                None,
            )
            row |= {key: pair[key] for key in ("ratio", "peer_seconds")}
        say(f"recommend {name}: {row['seconds']} s")
        rows.append({"model": name, "users": train.n_users, "k": 10} | row)
    return rows


def metric_times(split: splits.Split) -> dict[str, Any]:
    S = EASE().fit(split.train).score(split.train.users)
    row = alone(lambda: evaluate(S, split), 9, 0.05)
    say(f"metrics   {row['seconds']} s for {S.shape[0]} x {S.shape[1]} scores")
    return {"scores": list(S.shape), "k": 10, "metrics": "all"} | row


# Peak memory, each measurement in a fresh process.


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def memory_child(side: str, data: str) -> None:
    """Print the peak of one weighted fit above what the ready data occupy, in MB."""
    train = synthetic() if data == "synthetic" else movielens().train
    if side == "ours":
        model = ours(11.0, iterations=1)
        train.matrix  # noqa: B018
        fit: Callable[[], Any] = partial(model.fit, train)
    else:
        peer, R = theirs(11.0, iterations=1), plain(train)
        fit = partial(peer.fit, R, show_progress=False)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident("VmRSS")
    fit()
    print(resident("VmHWM") - before)


def memory(data: str) -> dict[str, Any]:
    def peak(side: str) -> float:
        command = [sys.executable, __file__, "--memory", side, data]
        return float(subprocess.run(command, capture_output=True, text=True,
                                    check=True).stdout)  # fmt: skip

    a, b = peak("ours"), peak("implicit")
    say(f"memory    {data}: {a:.0f} MB against {b:.0f} MB")
    return {"data": data, "objective": "weighted", "ratio": digits(a / b, 2),
            "megabytes": digits(a, 2), "peer_megabytes": digits(b, 2)}  # fmt: skip


# The whole.


def environment() -> dict[str, Any]:
    packages = ("numpy", "scipy", "implicit", "streamrec")
    kernels = {i.get("architecture") for i in threadpool_info()} - {None}
    return {"versions": {p: version(p) for p in packages}, "threads": 1,
            "cores": os.cpu_count(), "blas_kernels": sorted(kernels)}  # fmt: skip


def report(quick: bool) -> dict[str, Any]:
    split = movielens()
    out: dict[str, Any] = {"benchmark": "recommenders", "format": 1}
    out["environment"] = environment()
    out["protocol"] = (
        "MovieLens 100k; per user the last ceil(20 %) in time held out (ties by item "
        "id); every rating an implicit positive; all unseen items ranked; NDCG@10 "
        "binary, ideal cut at min(10, held out); Recall@10 = hits / held out"
    )
    out["fit"] = fit_times("MovieLens 100k", split.train, 5)
    out["recommend_all"] = recommend_times(split)
    out["metrics"] = metric_times(split)
    out["selection"] = selection(split)
    chosen = out["selection"]["chosen"]
    out["quality"], out["paired"], out["seeds"] = quality(split, chosen)
    out["ratings"] = ratings()
    if not quick:
        out["memory"] = [memory("MovieLens 100k"), memory("synthetic")]
        out["fit"] += fit_times("synthetic", synthetic(), 3)
    return out


def write(out: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    partial = RESULTS.with_suffix(".json.tmp")
    partial.write_text(json.dumps(out, indent=1) + "\n")
    os.replace(partial, RESULTS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Our recommenders against implicit.")
    parser.add_argument(
        "--quick", action="store_true", help="small data, write nothing"
    )
    parser.add_argument("--memory", nargs=2, metavar=("SIDE", "DATA"), help="internal")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Method expects CSR")
    if arguments.memory:
        memory_child(*arguments.memory)
        return 0
    out = report(arguments.quick)
    if not arguments.quick:
        write(out)
    timed = [*out["fit"], *out["recommend_all"], out["metrics"]]
    missed = [r for r in [*timed, out["seeds"], out["ratings"]] if r["met"] is False]
    for row in missed:
        say(f"target missed: {row}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
