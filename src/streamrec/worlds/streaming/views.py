"""What an analyst sees: tables of users, items, impressions and their summaries.

Every table is built from observable columns only; nothing here refers to the world.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.worlds.streaming.engine import Day
from streamrec.worlds.streaming.population import Items, Users
from streamrec.worlds.streaming.settings import (
    AGE_BANDS,
    COUNTRIES,
    FORMATS,
    LANGUAGES,
    SURFACES,
    TIERS,
)

START_DATE = np.datetime64("2025-01-06", "s")  # day 0, a Monday
DAY_SECONDS = 86_400

LOG_COLUMNS = {
    "user": "user id",
    "item": "item id",
    "day": "day since the start of the world (0 is Monday 2025-01-06)",
    "timestamp": "start of the session, UTC",
    "session": "session id, unique for a user: 8 * day + number in the day",
    "surface": "carousel (recommended), search or browse (organic)",
    "recommended": "shown in the carousel",
    "position": "slot in the carousel, 1 to 10; 0 when organic",
    "propensity": "probability recorded by the policy: bernoulli, that this item is "
    "recommended to this user this week; plackett-luce, that this item fills this slot "
    "given the slots before it (missing when organic); deterministic, 1",
    "score": "the incumbent's recorded score of the item for the user",
    "clicked": "played",
    "minutes": "minutes watched, listened or read; 0 if not played",
    "completed": "at least 90 % played",
    "rating": "1 to 5 where the user rated the play, else missing",
}
WEEK_COLUMNS = {
    "user": "user id",
    "item": "item id",
    "week": "day // 7",
    "recommended": "recommended in this week, 0 or 1",
    "propensity": "recorded probability of being recommended (bernoulli logging)",
    "score": "the incumbent's recorded score",
    "impressions": "times the user met the item, any surface",
    "clicks": "plays",
    "minutes": "minutes over the week",
}
DAILY_COLUMNS = {
    "user": "user id",
    "day": "day",
    "sessions": "sessions",
    "shelf_impressions": "carousel impressions",
    "shelf_clicks": "plays from the carousel",
    "organic_impressions": "search and browse impressions",
    "organic_clicks": "plays from search and browse",
    "minutes": "minutes of the day",
}
SESSION_COLUMNS = {
    "user": "user id",
    "session": "session id (unique for a user)",
    "day": "day",
    "timestamp": "start, UTC",
    "impressions": "items met",
    "clicks": "plays",
    "minutes": "minutes",
    "items": "played item ids in order of position, tuple",
}


def _labels(codes: NDArray, names: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=list(names))


def user_table(x: Users) -> pd.DataFrame:
    """Observable columns of users."""
    second = np.array([*LANGUAGES, ""])[x.second]
    return pd.DataFrame(
        {
            "user": np.arange(len(x.signup), dtype=np.int32),
            "language": _labels(x.primary, LANGUAGES),
            "second_language": pd.Categorical(second, categories=["", *LANGUAGES]),
            "country": _labels(x.country, COUNTRIES),
            "age_band": pd.Categorical.from_codes(
                x.age_band, categories=list(AGE_BANDS), ordered=True
            ),
            "tier": pd.Categorical.from_codes(
                x.tier, categories=list(TIERS), ordered=True
            ),
            "signup_day": x.signup,
            "community": x.community,
        }
    )


USER_COLUMNS = {
    "user": "user id, 0 .. n_users - 1",
    "language": "first language",
    "second_language": "second language, empty if none",
    "country": "country",
    "age_band": "age band",
    "tier": "subscription tier",
    "signup_day": "day of registration; negative before day 0",
    "community": "community id: friends and neighbours, the natural cluster",
}
ITEM_COLUMNS = {
    "item": "item id, 0 .. n_items - 1",
    "title": "title",
    "description": "two sentences",
    "category": "main topic",
    "format": "article, video or podcast",
    "creator": "creator id",
    "language": "language of the creator",
    "duration": "minutes",
    "published_day": "day of publication; negative before day 0",
}


def item_table(
    x: Items, titles: list[str], texts: list[str], topics: tuple[str, ...]
) -> pd.DataFrame:
    """Observable columns of items."""
    return pd.DataFrame(
        {
            "item": np.arange(len(x.topic), dtype=np.int32),
            "title": titles,
            "description": texts,
            "category": _labels(x.topic, topics),
            "format": _labels(x.format, FORMATS),
            "creator": x.creator,
            "language": _labels(x.language, LANGUAGES),
            "duration": x.duration.round(1),
            "published_day": x.birth,
        }
    )


BUG_DAYS, BUG_COUNTRY, BUG_SECONDS = 4, 2, 19_800  # one country logs local time


def impressions(t: Day, country: NDArray, bug: int) -> dict[str, NDArray]:
    """Columns of the log for one day of one chunk; bug: first day of the clock bug."""
    n = len(t.flat)
    start = START_DATE + np.timedelta64(t.day * DAY_SECONDS, "s")
    seconds = t.seconds.astype(np.int64)
    if bug <= t.day < bug + BUG_DAYS:
        seconds = seconds + BUG_SECONDS * (country[t.cells.u][t.row] == BUG_COUNTRY)
    seconds = seconds.astype("timedelta64[s]")
    return {
        "user": t.cells.u.astype(np.int32)[t.row],
        "item": t.cells.items.ravel()[t.flat],
        "day": np.full(n, t.day, dtype=np.int16),
        "timestamp": start + seconds,
        "session": 8 * t.day + t.session.astype(np.int32),
        "surface": t.surface,
        "recommended": t.slot > 0,
        "position": t.slot,
        "propensity": t.propensity,
        "score": t.cells.x.ravel()[t.flat],
        "clicked": t.play,
        "minutes": t.minutes,
        "completed": t.share >= np.float32(0.9),
        "rating": t.rating,
    }


def _no_impressions() -> dict[str, NDArray]:
    """Columns of a log in which nobody came."""
    kinds = dict.fromkeys(LOG_COLUMNS, "float32") | {
        "user": "int32", "item": "int32", "day": "int16", "session": "int32",
        "timestamp": "datetime64[s]", "surface": "int8", "recommended": "bool",
        "position": "int8", "clicked": "bool", "completed": "bool",
    }  # fmt: skip
    return {name: np.zeros(0, dtype=kind) for name, kind in kinds.items()}


def log_table(days: Iterable[dict[str, NDArray]]) -> pd.DataFrame:
    """One frame from the columns of many days."""
    parts = list(days) or [_no_impressions()]
    columns = {k: np.concatenate([p[k] for p in parts]) for k in LOG_COLUMNS}
    columns["surface"] = _labels(columns["surface"], SURFACES)
    return pd.DataFrame(columns, copy=False)


def need(frame: pd.DataFrame, names: Iterable[str], what: str) -> None:
    """Raise KeyError naming the columns that are missing."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{what} needs a DataFrame, got {type(frame).__name__}")
    missing = [x for x in names if x not in frame.columns]
    if missing:
        raise KeyError(f"{what} needs columns {', '.join(missing)}")


def _groups(*keys: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of each distinct key, and the group of every row, in sorted order."""
    key = np.zeros(len(keys[0]), dtype=np.int64)
    for k in keys:
        k = k.astype(np.int64)
        key = key * (int(k.max(initial=0)) + 1) + k
    order = np.argsort(key, kind="stable")
    new = np.diff(key[order], prepend=-1) != 0
    group = np.empty(len(key), dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    return order[new], group


def user_item_weeks(log: pd.DataFrame) -> pd.DataFrame:
    """One row a user-item-week: the unit of the canonical effects."""
    names = ("user", "item", "day", "recommended", "propensity", "score", "clicked",
             "minutes")  # fmt: skip
    need(log, names, "user_item_weeks")
    day = log["day"].to_numpy()
    week = (day // 7).astype(np.int32)
    user, item = log["user"].to_numpy(), log["item"].to_numpy()
    first, group = _groups(week, user, item)
    n = len(first)
    total = lambda x: np.bincount(group, weights=x, minlength=n)  # noqa: E731
    rec = np.zeros(n, dtype=np.int8)
    shown = log["recommended"].to_numpy()
    rec[group[shown]] = 1
    frame = pd.DataFrame(
        {
            "user": user[first],
            "item": item[first],
            "week": week[first],
            "recommended": rec,
            "propensity": log["propensity"].to_numpy()[first],
            "score": log["score"].to_numpy()[first],
            "impressions": np.bincount(group, minlength=n).astype(np.int32),
            "clicks": total(log["clicked"].to_numpy()).astype(np.int32),
            "minutes": total(log["minutes"].to_numpy()),
        }
    )
    frame.attrs.update(log.attrs)
    return frame


def sessions(log: pd.DataFrame) -> pd.DataFrame:
    """One row a session with the items played, in order of position."""
    names = ("user", "item", "session", "day", "timestamp", "position", "clicked",
             "minutes")  # fmt: skip
    need(log, names, "sessions")
    user, session = log["user"].to_numpy(), log["session"].to_numpy()
    first, group = _groups(user, session)
    n = len(first)
    clicked = log["clicked"].to_numpy()
    at = np.flatnonzero(clicked)
    at = at[np.lexsort((log["position"].to_numpy()[at], group[at]))]
    played = np.split(
        log["item"].to_numpy()[at], np.searchsorted(group[at], np.arange(1, max(n, 1)))
    )[:n]
    return pd.DataFrame(
        {
            "user": user[first],
            "session": session[first],
            "day": log["day"].to_numpy()[first],
            "timestamp": log["timestamp"].to_numpy()[first],
            "impressions": np.bincount(group, minlength=n).astype(np.int32),
            "clicks": np.bincount(group, weights=clicked, minlength=n).astype(np.int32),
            "minutes": np.bincount(group, weights=log["minutes"], minlength=n),
            "items": [tuple(int(i) for i in p) for p in played],
        }
    )


def daily_users(log: pd.DataFrame) -> pd.DataFrame:
    """One row a user-day with at least one session."""
    names = ("user", "day", "session", "recommended", "clicked", "minutes")
    need(log, names, "daily_users")
    user, day = log["user"].to_numpy(), log["day"].to_numpy()
    first, group = _groups(user, day)
    n = len(first)
    rec, hit = log["recommended"].to_numpy(), log["clicked"].to_numpy()
    count = lambda m: np.bincount(group, weights=m, minlength=n).astype(np.int32)  # noqa: E731
    last = np.zeros(n, dtype=np.int32)
    np.maximum.at(last, group, log["session"].to_numpy() % 8 + 1)
    return pd.DataFrame(
        {
            "user": user[first],
            "day": day[first],
            "sessions": last,
            "shelf_impressions": count(rec),
            "shelf_clicks": count(rec & hit),
            "organic_impressions": count(~rec),
            "organic_clicks": count(~rec & hit),
            "minutes": np.bincount(group, weights=log["minutes"], minlength=n),
        }
    )
