"""Canon against measurement: every canonical figure of the streaming world.

``measure(seed)`` gives all figures of one world; ``table(seeds)`` their means, standard
errors and whether each lies within its tolerance. The figures and their settings stand
in ``canon.toml``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from streamrec.worlds.streaming.engine import Engine
from streamrec.worlds.streaming.totals import Totals, run_totals
from streamrec.worlds.streaming.world import StreamingWorld


@cache
def canon() -> dict[str, Any]:
    """The canonical figures: ``canon()["figures"]["ate"]["value"]``.

    >>> canon()["figures"]["ate"]["value"]
    2.8
    """
    text = resources.files("streamrec.worlds").joinpath("canon.toml").read_text("utf-8")
    return tomllib.loads(text)


def totals(
    world: StreamingWorld,
    days: int,
    policy: Any = "incumbent",
    mode: str = "plackett-luce",
    interference: tuple[str, ...] = (),
    **more: Any,
) -> Totals:
    """Totals by user and day of a run that leaves no log."""
    s = world._settings(
        days, policy, mode, more.get("start", 0), more.get("users"), interference,
        more.get("feedback"), 0.0,
    )  # fmt: skip
    return run_totals(Engine(world._market, world._plan(s)))


def measure_cells(world: StreamingWorld) -> dict[str, float]:
    """Effects and click-through rates of a week of bernoulli logging."""
    log = world.log(7)
    week = world.user_item_weeks(log)
    y = world.truth.outcomes(week)
    d, Y = week["recommended"].to_numpy() == 1, week["minutes"].to_numpy()
    effect = (y["y1"] - y["y0"]).to_numpy()
    rec, hit = log["recommended"].to_numpy(), log["clicked"].to_numpy()
    return {
        "naive": Y[d].mean() - Y[~d].mean(),
        "ate": effect.mean(),
        "att": effect[d].mean(),
        "atu": effect[~d].mean(),
        "ctr_recommended": hit[rec].mean(),
        "ctr_organic": hit[~rec].mean(),
        "carousel_share": (hit & rec).sum() / hit.sum(),
    }


def measure_slates(world: StreamingWorld) -> dict[str, float]:
    """Engagement and exposure of 28 days of slates."""
    t = totals(world, 28)
    stay = t.present.all(axis=1)
    before, after = t.minutes[stay, :14].mean(axis=1), t.minutes[stay, 14:].mean(axis=1)
    return {
        "minutes": t.minutes[stay].mean(),
        "minutes_sd": after.std(ddof=1),
        "pre_post": np.corrcoef(before, after)[0, 1],
        "language_gini": language_gini(world, t.exposure),
    }


def language_gini(world: StreamingWorld, exposure: np.ndarray) -> float:
    """Gini over creator languages of exposure an eligible item."""
    from streamrec.fairness.metrics import gini

    g = world._items.language
    n = np.bincount(g, minlength=8)
    per_item = np.bincount(g, weights=exposure, minlength=8) / np.maximum(n, 1)
    return gini(per_item[n > 0])


def measure_arrivals(
    world: StreamingWorld, policy: Any = "incumbent"
) -> dict[str, float]:
    """Seven-day churn of users who sign up during the run."""
    t = totals(world, 70, policy, users=np.flatnonzero(world._users.signup >= 0))
    signup = world._users.signup[t.who]
    seen = signup <= 62
    return {"churn_new": float((t.left - signup <= 7)[seen].mean())}


def measure_capstone(world: StreamingWorld) -> dict[str, float]:
    """Challenger for everybody against incumbent for everybody, budget on."""
    a, b = (
        totals(world, 14, p, interference=("budget",))
        for p in ("incumbent", "challenger")
    )
    ctr = lambda t: t.counts["shelf_clicks"].sum() / t.counts["shelf_impressions"].sum()  # noqa: E731
    return {
        "capstone_naive": ctr(b) / ctr(a) - 1,
        "capstone_causal": b.plays().sum() / a.plays().sum() - 1,
    }


GROUPS = {
    "cells": measure_cells,
    "slates": measure_slates,
    "arrivals": measure_arrivals,
    "capstone": measure_capstone,
}


def measure(
    seed: int,
    size: str = "small",
    groups: tuple[str, ...] = tuple(GROUPS),
    **overrides: Any,
) -> dict[str, float]:
    """All figures of the chosen groups for one world."""
    world = StreamingWorld(size, seed, **overrides)
    out: dict[str, float] = {}
    for g in groups:
        out |= {k: float(v) for k, v in GROUPS[g](world).items()}
    return out


def table(seeds: int = 10, size: str = "small", **overrides: Any) -> pd.DataFrame:
    """Canon, mean over seeds, standard error, relative gap, verdict; a row a figure."""
    rows = pd.DataFrame([measure(s, size, **overrides) for s in range(seeds)])
    figures = canon()["figures"]
    out = []
    for name, f in figures.items():
        mean = float(rows[name].mean())
        se = float(rows[name].std(ddof=1) / np.sqrt(seeds)) if seeds > 1 else np.nan
        gap = mean / f["value"] - 1
        out.append(
            {
                "figure": name,
                "canon": f["value"],
                "measured": mean,
                "se": se,
                "gap": gap,
                "tolerance": f["tolerance"],
                "inside": bool(abs(gap) <= f["tolerance"]),
                "setting": f["setting"],
                "unit": f["unit"],
            }
        )
    return pd.DataFrame(out)
