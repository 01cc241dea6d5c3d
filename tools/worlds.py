"""Measure the worlds for their page: canon, realism, coverage.

    python tools/worlds.py                    everything (ten minutes on one core)
    python tools/worlds.py calibration small  only some of it
    python tools/worlds.py graphs             only draw the causal graphs

Writes benchmarks/results/world-*.json, each whole or not at all, which the page "The
worlds" prints, and its figures in book/images. Exit 1 if a figure or a verdict fails.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import graphs
import nbtools

SMALL = ("medicore", "meridian", "terraml")


def rounded(x: Any, digits: int = 4) -> Any:
    """Floats at four significant digits, at any depth."""
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [rounded(v) for v in x]
    if hasattr(x, "item"):
        x = x.item()
    return float(f"{x:.{digits}g}") if isinstance(x, float) else x


def calibration() -> dict[str, Any]:
    """Canon of the streaming world: means over ten seeds."""
    from streamrec.worlds.calibration import table

    rows = table(10)
    verdicts = {"every figure within its tolerance": bool(rows["inside"].all())}
    return {"rows": rows.to_dict("records"), "verdicts": verdicts,
            "command": "streamrec world calibrate"}  # fmt: skip


def realism() -> dict[str, Any]:
    """Interactions against MovieLens 100k: means over five seeds."""
    from streamrec.worlds.validation import realism as measure

    draw_realism(5)
    return {**measure(5), "command": "streamrec world realism"}


def draw_realism(seeds: int) -> None:
    """Popularity by rank and the spectrum: MovieLens, worlds, a world without taste."""
    import matplotlib.pyplot as plt
    import numpy as np

    from streamrec.book import figures
    from streamrec.worlds import validation as v

    figures.use()
    data = [v.simulated(seed) for seed in range(seeds)]
    curves = [("worlds", figures.SKY, "-", *pair) for pair in data]
    bare = v.null(*data[0], np.random.default_rng(0))
    curves += [("no taste", figures.VERMILLION, ":", *bare)]
    curves += [("MovieLens 100k", figures.INK, "--", *v.movielens())]
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    for i, (name, color, style, user, item) in enumerate(curves):
        X = v.matrix(user, item)
        count = np.sort(np.bincount(X.indices))[::-1]
        rank = np.unique(np.geomspace(1, len(count), 40).astype(int))
        label = name if i == 0 or name != "worlds" else None
        left.loglog(rank, count[rank - 1], style, color=color, label=label)
        energy = np.cumsum(v.spectrum(X))[:50:2]
        right.plot(np.arange(1, 51, 2), energy, style, color=color, label=label)
    left.set(xlabel="rank of the item", ylabel="ratings")
    right.set(xlabel="singular values kept", ylabel="share of energy")
    left.legend(frameon=False)
    path = nbtools.ROOT / "book" / "images" / "world-realism.svg"
    nbtools.write_text(figures.svg(fig, "world-realism"), path)


def coverage() -> dict[str, Any]:
    """Coverage of nominal 95 % intervals over 500 worlds."""
    from streamrec.worlds.coverage import study

    found = study(500)
    return {**found, "rows": found["estimators"], "command": "streamrec world coverage"}


def small() -> dict[str, Any]:
    """Canon of the three small worlds: means over ten seeds."""
    rows = []
    for name in SMALL:
        for r in import_module(f"streamrec.worlds.{name}").calibration(range(10)):
            row = {"world": name, "figure": r.name, "canon": r.canon}
            row |= {"measured": r.measured, "tolerance": r.tolerance, "inside": r.ok}
            rows.append(row)
    verdicts = {"every figure within its tolerance": all(r["inside"] for r in rows)}
    return {"rows": rows, "verdicts": verdicts, "command": "make worlds"}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "calibration": calibration,
    "realism": realism,
    "coverage": coverage,
    "small": small,
}


def main() -> int:
    """Measure the chosen parts."""
    parser = argparse.ArgumentParser(description="Measure the worlds for their page.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "graphs", []],
                        default=[])  # fmt: skip
    failed, parts = 0, parser.parse_args().parts or [*PARTS, "graphs"]
    if "graphs" in parts:
        graphs.draw()
    for name in (x for x in parts if x != "graphs"):
        print(f"{name} ...", flush=True)
        found = PARTS[name]()
        path = nbtools.ROOT / "benchmarks" / "results" / f"world-{name}.json"
        text = json.dumps(rounded(found), indent=1, ensure_ascii=False)
        nbtools.write_text(text + "\n", path)
        for verdict, holds in found["verdicts"].items():
            print(f"  {'ok' if holds else 'FAILED'}  {verdict}", flush=True)
            failed += not holds
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
