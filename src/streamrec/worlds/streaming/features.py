"""The 20-feature table of click prediction: user, item and context groups.

Counts look back only: they use days of the same log strictly before the impression's
day, so nothing of the outcome leaks into its own features.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.worlds.streaming.population import Items, Users
from streamrec.worlds.streaming.views import need

CLICK_FEATURES = {
    "user": [
        "tenure_days", "is_new", "tier", "age_band", "past_sessions", "user_ctr",
        "user_minutes",
    ],
    "item": [
        "duration", "age_days", "past_plays", "item_ctr", "creator_ctr", "is_video",
        "is_podcast",
    ],
    "context": [
        "score", "position", "carousel", "language_match", "topic_share", "hour",
    ],
}  # fmt: skip
CLICK_COLUMNS = {
    "tenure_days": "days since sign-up",
    "is_new": "signed up within the last 28 days",
    "tier": "0 free, 1 basic, 2 premium",
    "age_band": "0 youngest .. 4 oldest",
    "past_sessions": "log(1 + sessions before today in this log)",
    "user_ctr": "(plays + 1) / (impressions + 20) before today",
    "user_minutes": "log(1 + minutes before today)",
    "duration": "log minutes",
    "age_days": "log(1 + days since publication)",
    "past_plays": "log(1 + plays of the item before today)",
    "item_ctr": "(plays + 1) / (impressions + 20) of the item before today",
    "creator_ctr": "the same for the creator",
    "is_video": "0 or 1",
    "is_podcast": "0 or 1",
    "score": "the incumbent's score (0 while its vendor is down)",
    "position": "slot 1 .. 10, 0 when organic",
    "carousel": "recommended, 0 or 1",
    "language_match": "the user reads the creator's language",
    "topic_share": "share of the user's earlier plays in the item's category",
    "hour": "hour of day of the session, 0 .. 24",
    "clicked": "outcome, 0 or 1",
}


class _Past:
    """Running counts of plays and impressions by key, advanced a day at a time."""

    def __init__(self, n: int) -> None:
        self.plays, self.seen = np.zeros(n), np.zeros(n)

    def rate(self, k: NDArray) -> NDArray:
        return (self.plays[k] + 1) / (self.seen[k] + 20)

    def add(self, k: NDArray, hit: NDArray) -> None:
        self.plays += np.bincount(k, weights=hit, minlength=len(self.plays))
        self.seen += np.bincount(k, minlength=len(self.seen))


def click_features(
    log: pd.DataFrame, users: Users, items: Items, outage: tuple[int, int]
) -> pd.DataFrame:
    """20 float32 features and ``clicked`` for every row of the log, in its order."""
    names = ("user", "item", "day", "timestamp", "session", "position", "score",
             "clicked", "minutes")  # fmt: skip
    need(log, names, "click_features")
    u, i = log["user"].to_numpy(), log["item"].to_numpy()
    day, hit = log["day"].to_numpy(), log["clicked"].to_numpy()
    stamp = log["timestamp"].to_numpy()
    tenure = day - users.signup[u]
    language = items.language[i]
    reads = (language == users.primary[u]) | (language == users.second[u])
    down = (day >= outage[0]) & (day < outage[1])
    columns = {
        "tenure_days": tenure,
        "is_new": tenure < 28,
        "tier": users.tier[u],
        "age_band": users.age_band[u],
        **_history(log, items, len(users.signup)),
        "duration": np.log(items.duration[i]),
        "age_days": np.log1p(np.maximum(day - items.birth[i], 0)),
        "is_video": items.format[i] == 1,
        "is_podcast": items.format[i] == 2,
        "score": np.where(down, 0, log["score"].to_numpy()),
        "position": log["position"].to_numpy(),
        "carousel": log["position"].to_numpy() > 0,
        "language_match": reads,
        "hour": (stamp - stamp.astype("datetime64[D]")).astype(float) / 3600,
    }
    order = [name for group in CLICK_FEATURES.values() for name in group]
    table = {k: np.asarray(columns[k], dtype=np.float32) for k in order}
    return pd.DataFrame(table | {"clicked": hit.astype(np.int8)}, index=log.index)


def _history(log: pd.DataFrame, items: Items, n_users: int) -> dict[str, NDArray]:
    """Features that look back over earlier days of the log."""
    u, i = log["user"].to_numpy(), log["item"].to_numpy()
    day, hit = log["day"].to_numpy(), log["clicked"].to_numpy()
    minutes = log["minutes"].to_numpy()
    K = items.mixture.shape[1]
    maker, topic = items.creator[i], u.astype(np.int64) * K + items.topic[i]
    by_user, by_item = _Past(n_users), _Past(len(items.topic))
    by_maker, by_topic = _Past(items.n_creators), np.zeros(n_users * K)
    spent, visits = np.zeros(n_users), np.zeros(n_users)
    names = ("past_sessions", "user_ctr", "user_minutes", "past_plays", "item_ctr",
             "creator_ctr", "topic_share")  # fmt: skip
    out = {k: np.zeros(len(u), dtype=np.float32) for k in names}
    order = np.argsort(day, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(day[order])) + 1):
        a, b, c, t, h = u[at], i[at], maker[at], topic[at], hit[at]
        out["past_sessions"][at] = np.log1p(visits[a])
        out["user_ctr"][at] = by_user.rate(a)
        out["user_minutes"][at] = np.log1p(spent[a])
        out["past_plays"][at] = np.log1p(by_item.plays[b])
        out["item_ctr"][at] = by_item.rate(b)
        out["creator_ctr"][at] = by_maker.rate(c)
        out["topic_share"][at] = (by_topic[t] + 0.5) / (by_user.plays[a] + 0.5 * K)
        by_user.add(a, h)
        by_item.add(b, h)
        by_maker.add(c, h)
        by_topic += np.bincount(t[h], minlength=len(by_topic))
        spent += np.bincount(a, weights=minutes[at], minlength=n_users)
        key = np.unique(a.astype(np.int64) * 8 + log["session"].to_numpy()[at] % 8)
        visits += np.bincount(key // 8, minlength=n_users)
    return out
