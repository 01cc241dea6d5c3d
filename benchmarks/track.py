"""Track A end to end: quality on MovieLens over three seeds, and worth in the world.

Run it with ``python benchmarks/run.py --only track``; results go to
``results/track.json``, whose fields README.md describes. Four runs of
``streamrec track run a`` in processes of their own: MovieLens 100k with seeds 0 to 2
and the streaming world of size medium; then one probe, in which films get new numbers
at random, since ties in time are ordered by number. What was fitted is kept in
``build/track``: delete it to measure seconds anew. Exits with 1 when a target is
missed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from streamrec.data.interactions import Interactions
from streamrec.data.splits import last_fraction
from streamrec.evaluation.ranking import evaluate
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.sasrec import SASRec
from streamrec.tracks import a, a_data

RESULTS = Path(__file__).parent / "results" / "track.json"
BUILD = Path(__file__).resolve().parent.parent / "build" / "track"
SEEDS = (0, 1, 2)
NDCG, RECALL, SECONDS, NETWORK_SECONDS = 0.206, 0.118, 300.0, 60.0
BEFORE = {"ALS": 0.202, "EASE": 0.195}  # tuned, as the protocol's table has them


def one(data: str, seed: int) -> dict[str, Any]:
    """A run in a process of its own, so that memory and seconds are its own."""
    code = f"""
from streamrec.tracks import a
a.run({"movielens" if data == "movielens" else "world"!r}, {str(BUILD / data)!r} +
      "-{seed}", a.Settings(seed={seed}), size="medium", say=print)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    return json.loads((BUILD / f"{data}-{seed}" / "results.json").read_text())


def probe() -> dict[str, float]:
    """NDCG@10 of two models when the films' numbers say nothing."""
    x = a_data.load("movielens").interactions
    new = np.random.default_rng(1).permutation(x.n_items)
    y = Interactions(
        x.users, np.arange(x.n_items), x.user_index, new[x.item_index], time=x.time
    )
    split = last_fraction(y, a.FRACTION)
    models = {"ALS": ImplicitALS(factors=128, lam=10.0), "SASRec": SASRec()}
    return {
        n: evaluate(m.fit(split.train), split, metrics=["ndcg"]).mean("ndcg")
        for n, m in models.items()
    }


def pick(rows: list[dict[str, Any]], **want: Any) -> dict[str, Any]:
    """The row with these values."""
    return next(r for r in rows if all(r[k] == v for k, v in want.items()))


def quality(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over seeds of every system; errors over users are those of the first."""
    rows = []
    for q in runs[0]["quality"]:
        mine = [pick(r["quality"], system=q["system"]) for r in runs]
        rows.append(
            {
                "system": q["system"],
                "ndcg": statistics.mean(m["ndcg"] for m in mine),
                "ndcg_lowest": min(m["ndcg"] for m in mine),
                "ndcg_se": q["ndcg_se"],
                "recall": statistics.mean(m["recall"] for m in mine),
                "recall_lowest": min(m["recall"] for m in mine),
                "recall_se": q["recall_se"],
            }
        )
    return sorted(rows, key=lambda r: -r["ndcg"])


def fit_seconds(runs: list[dict[str, Any]], name: str) -> float:
    """Longest fit of a source on the whole training part."""
    return max(pick(r["cost"], stage=f"{name}: fit")["seconds"] for r in runs)


def page(found: dict[str, Any]) -> dict[str, Any]:
    """Title, question and rows for the page of benchmarks."""
    shown = [
        [
            q["system"],
            f"{q['ndcg']:.4f} (se {q['ndcg_se']:.4f})",
            f"{q['recall']:.4f} (se {q['recall_se']:.4f})",
        ]
        for q in found["quality"]
    ]
    tables = [
        {
            "title": "The stack against tuned baselines, person by person, each seed",
            "columns": ["Seed", "Metric", "Against", "Difference", "95 % interval"],
            "rows": [
                [p["seed"], p["metric"], p["against"], f"{p['difference']:+.4f}",
                 f"{p['low']:+.4f} to {p['high']:+.4f}"]
                for p in found["paired"]
            ],
        },
        {
            "title": "Before and after re-ranking, seed 0",
            "columns": ["Lists", "NDCG@10", "Gini of exposure", "Variety"],
            "rows": [
                [p["stage"], f"{p['ndcg']:.4f}", f"{p['group_gini']:.3f}",
                 f"{p['difference_in_list']:.3f}"]
                for p in found["price"]
            ],
        },
        *([] if not found["policy_value"] else [{
            "title": "Simulated platform, size medium: true value and NDCG",
            "columns": ["System", "Minutes a session", "Standard error", "NDCG@10"],
            "rows": [
                [v["system"], f"{v['minutes']:.3f}", f"{v['se']:.3f}", v["ndcg"]]
                for v in found["policy_value"]
            ],
        }]),
        {
            "title": "Targets",
            "columns": ["What", "Measured", "Target", "Met"],
            "rows": [
                [t["what"], f"{t['measured']:.4g}", t["target"], t["met"]]
                for t in found["targets"]
            ],
        },
    ]  # fmt: skip
    return {
        "title": "Track A, end to end",
        "question": "How good is the whole stack on MovieLens 100k (newest fifth of "
        "each history held out, all unseen films ranked), against its parts and tuned "
        f"baselines? Means over seeds {', '.join(map(str, found['seeds']))}; settings "
        "from a validation slice inside the training part; the weight of variety and "
        "the limit on exposure are policy, set by hand with their price in view, and "
        "lower these figures.",
        "note": "Ties in time are ordered by the number of the film. With numbers "
        "drawn at random the sequential model keeps its lead: "
        + ", ".join(f"{n} {v:.4f}" for n, v in found["probe"].items())
        + ". Ratings there follow the site's own lists, which sequence models can "
        "foresee: read these figures as foresight of what is rated next.",
        "command": "python benchmarks/run.py --only track",
        "columns": ["System", "NDCG@10", "Recall@10"],
        "rows": shown,
        "tables": tables,
    }


def main() -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    runs = [one("movielens", seed) for seed in SEEDS]
    return record(runs, one("medium", 0), probe())


def record(
    runs: list[dict[str, Any]], world: dict[str, Any] | None, probed: dict[str, float]
) -> int:
    """Write the results of these runs; 1 if a target is missed."""
    ndcg = {q["system"]: f"{q['ndcg']:.4f}" for q in (world or runs[0])["quality"]}
    found: dict[str, Any] = {
        "seeds": [r["settings"]["seed"] for r in runs],
        "quality": quality(runs),
        "paired": [
            {"seed": r["settings"]["seed"]} | p
            for r in runs
            for p in r["paired"]
            if p["against"] in BEFORE
        ],
        "price": runs[0]["price"],
        "recall_by_stage": runs[0]["recall_by_stage"],
        "calibration": runs[0]["calibration"],
        "cost": runs[0]["cost"],
        "seconds": [r["seconds"] for r in runs],
        "policy_value": [
            v | {"ndcg": ndcg.get(v["system"], "")}
            for v in (world or {}).get("policy_value", [])
        ],
        "world": world["data"]["words"] if world else "not recorded yet",
        "probe": probed,
    }
    stack = pick(found["quality"], system="full stack")
    low = min(p["low"] for p in found["paired"] if p["metric"] == "ndcg")
    networks = {n: fit_seconds(runs, n) for n in ("SASRec", "two towers")}
    memory = max(c["peak_megabytes"] for r in runs for c in r["cost"]) / 1024
    rows: list[tuple[str, float, str, bool]] = [
        ("NDCG@10, lowest seed", stack["ndcg_lowest"], f"{NDCG}",
         stack["ndcg_lowest"] >= NDCG),
        ("Recall@10, lowest seed", stack["recall_lowest"], f"{RECALL}",
         stack["recall_lowest"] >= RECALL),
        ("NDCG@10 over ALS and EASE, lowest interval's end", low, "> 0", low > 0),
        *((f"{n}, fit, seconds", s, f"< {NETWORK_SECONDS:g}", s < NETWORK_SECONDS)
          for n, s in networks.items()),
        ("whole run, seconds", max(found["seconds"]), f"< {SECONDS:g}",
         max(found["seconds"]) < SECONDS),
        ("peak memory, gigabytes", memory, "< 4", memory < 4),
    ]  # fmt: skip
    names = ("what", "measured", "target", "met")
    found["targets"] = [dict(zip(names, r, strict=True)) for r in rows]
    draft = RESULTS.with_suffix(".part")
    draft.write_text(json.dumps(a.plain(found | page(found)), indent=1) + "\n")
    os.replace(draft, RESULTS)
    missed = [t["what"] for t in found["targets"] if not t["met"]]
    print("\n".join(f"missed: {m}" for m in missed) or "all targets met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
