"""Experiments on the platform: assignment, faults, tables of users and days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming.population import Users
from streamrec.worlds.streaming.totals import COUNTS, Totals

UNITS = ("user", "cluster", "switchback")
FAULTS = {
    "srm": "8 % of treated users, the least active first, never reach the table",
    "bots": "1 % of users, all treated, are scripts: 40 plays a day of 6 seconds",
    "lost": "15 % of the treated user-days lose their plays and minutes",
}
EXPERIMENT_USER_COLUMNS = {
    "user": "user id",
    "arm": "control or treatment; switchback: first period's arm",
    "cluster": "community id",
    "region": "country",
    "first_day": "first day with a session in the experiment (exposure)",
    "pre_minutes": "minutes a day before the experiment (missing for new users)",
    "minutes": "minutes a day in the experiment, days present",
    "plays": "plays",
    "sessions": "sessions",
    "shelf_impressions": "carousel impressions",
    "shelf_clicks": "plays from the carousel",
    "organic_clicks": "plays from search and browse",
    "days": "days present (registered, not gone)",
    "retained": "still there at the end",
}
EXPERIMENT_DAILY_COLUMNS = {
    "user": "user id",
    "day": "day, counted from the start of the experiment",
    "arm": "arm on that day",
    "region": "country",
    "minutes": "minutes",
    "sessions": "sessions; 0 on a day without a visit",
    "shelf_impressions": "carousel impressions",
    "shelf_clicks": "plays from the carousel",
    "organic_impressions": "organic impressions",
    "organic_clicks": "organic plays",
}


@dataclass
class Experiment:
    """Result of ``world.experiment``: what an experimentation platform records.

    users: one row a user (``EXPERIMENT_USER_COLUMNS``). daily: one row a user-day
    present (``EXPERIMENT_DAILY_COLUMNS``). unit, days, pre_days, share, salt: the
    design. number: the world's running number of this experiment.
    """

    users: pd.DataFrame
    daily: pd.DataFrame
    unit: str
    days: int
    pre_days: int
    share: float
    salt: str
    number: int = field(default=-1, repr=False)


def assignment(
    r: Addressed, users: Users, unit: str, share: float, salt: str, period: int = 1
) -> Callable[[NDArray[np.int64], int], NDArray[np.int64]]:
    """arm(u, day) -> 0 or 1, by an addressed coin of the unit.

    user: one coin a user. cluster: one a community. switchback: one a (country,
    period of ``period`` days), so a user meets both arms in turn.
    """
    if unit not in UNITS:
        raise ValueError(f"unknown unit {unit!r}; choose one of {', '.join(UNITS)}")
    if not isinstance(period, (int, np.integer)) or period < 1:
        raise ValueError(f"period must be a whole number of days >= 1, got {period!r}")
    if not isinstance(share, (float, np.floating)) or not 0 < share < 1:
        raise ValueError("share must lie strictly between 0 and 1")
    purpose = f"assign {unit} {salt}"

    def arm(u: NDArray[np.int64], day: int) -> NDArray[np.int64]:
        if unit == "switchback":
            where = users.country[u]
            coin = r.uniform(purpose, where, day // period)
        else:
            coin = r.uniform(purpose, u if unit == "user" else users.community[u])
        return (coin < share).astype(np.int64)

    return arm


def gate(
    arm: Callable[[NDArray[np.int64], int], NDArray[np.int64]], start: int
) -> Callable[[NDArray[np.int64], int], NDArray[np.int64]]:
    """The same assignment, everybody in control before day ``start``."""

    def gated(u: NDArray[np.int64], day: int) -> NDArray[np.int64]:
        return arm(u, day) if day >= start else np.zeros(len(u), dtype=np.int64)

    return gated


def check_faults(faults: Iterable[str]) -> frozenset[str]:
    """Names of faults as a set; ValueError lists the known ones."""
    if not isinstance(faults, Iterable):
        raise TypeError(f"faults must be a list of names, got {faults!r}")
    chosen = frozenset([faults] if isinstance(faults, str) else faults)
    unknown = chosen - set(FAULTS)
    if unknown:
        raise ValueError(
            f"unknown fault {', '.join(sorted(map(str, unknown)))}; "
            f"choose from {', '.join(FAULTS)}"
        )
    return chosen


def tables(
    t: Totals, arm: Any, users: Users, regions: tuple[str, ...], pre: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The user and daily tables of an experiment that starts on day start + pre."""
    n, total = t.minutes.shape
    days = np.arange(total - pre) + t.start + pre
    arms = np.stack([arm(t.who, int(d)) for d in days], axis=1).astype(np.int8)
    here = t.present[:, pre:]
    row, col = np.nonzero(here)
    label = lambda a: pd.Categorical.from_codes(a, categories=["control", "treatment"])  # noqa: E731
    region = users.country[t.who]
    daily = pd.DataFrame(
        {
            "user": t.who[row].astype(np.int32),
            "day": col.astype(np.int16),
            "arm": label(arms[row, col]),
            "region": pd.Categorical.from_codes(region[row], categories=list(regions)),
            "minutes": t.minutes[:, pre:][row, col],
        }
        | {k: t.counts[k][:, pre:][row, col] for k in COUNTS}
    )
    came = t.counts["sessions"][:, pre:] > 0
    size = np.maximum(here.sum(axis=1), 1)
    before = t.present[:, :pre].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pre_minutes = t.minutes[:, :pre].sum(axis=1) / np.where(before, before, np.nan)
    sums = {k: t.counts[k][:, pre:].sum(axis=1) for k in COUNTS}
    table = pd.DataFrame(
        {
            "user": t.who.astype(np.int32),
            "arm": label(arms[:, 0]),
            "cluster": users.community[t.who],
            "region": pd.Categorical.from_codes(region, categories=list(regions)),
            "first_day": np.where(came.any(axis=1), came.argmax(axis=1), -1),
            "pre_minutes": pre_minutes,
            "minutes": t.minutes[:, pre:].sum(axis=1) / size,
            "plays": sums["shelf_clicks"] + sums["organic_clicks"],
            "sessions": sums["sessions"],
            "shelf_impressions": sums["shelf_impressions"],
            "shelf_clicks": sums["shelf_clicks"],
            "organic_clicks": sums["organic_clicks"],
            "days": here.sum(axis=1),
            "retained": t.left > t.start + total - 1,
        }
    )
    seen = (table["days"] > 0) & (table["first_day"] >= 0)
    daily = daily[daily["user"].isin(table["user"][seen])]
    return table[seen].reset_index(drop=True), daily.reset_index(drop=True)


def inject(
    r: Addressed, faults: frozenset[str], salt: str, totals: Totals, arm: Any, pre: int
) -> NDArray[np.bool_]:
    """Apply bots and lost events to the totals in place; True for users kept (srm)."""
    who, first = totals.who, totals.start + pre
    kept = np.ones(len(who), dtype=bool)
    treated = arm(who, first) == 1
    if "srm" in faults:
        lazy = totals.counts["sessions"][:, pre:].sum(axis=1)
        score = lazy + r.uniform(f"srm {salt}", who)
        came = treated & (lazy > 0)
        if came.any():
            kept &= ~(came & (score <= np.quantile(score[came], 0.08)))
    if "bots" in faults:
        bot = treated & (r.uniform(f"bots {salt}", who) < 0.02)
        here = totals.present[:, pre:] & bot[:, None]
        totals.counts["shelf_clicks"][:, pre:][here] += 40
        totals.counts["shelf_impressions"][:, pre:][here] += 40
        totals.minutes[:, pre:][here] += np.float32(4.0)
    if "lost" in faults:
        for d in range(pre, totals.minutes.shape[1]):
            day = totals.start + d
            gone = (arm(who, day) == 1) & (r.uniform(f"lost {salt}", who, day) < 0.15)
            for k in ("shelf_clicks", "organic_clicks"):
                totals.counts[k][gone, d] = 0
            totals.minutes[gone, d] = 0
    return kept
