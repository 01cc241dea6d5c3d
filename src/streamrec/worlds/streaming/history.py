"""The ratings view: what users had played and rated before day 0.

The consumed set of a user is the top n_u of the static utility plus Gumbel noise (the
same utility that retrieves candidates), so realism is measured on this very world. It
is a view of its own: every user and item of the world takes part, also those whose
sign-up or publication lies after day 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.worlds.random import fast_gumbel
from streamrec.worlds.streaming.cells import BLOCK, Market
from streamrec.worlds.streaming.views import DAY_SECONDS, START_DATE

RATING_COLUMNS = {
    "user": "user id",
    "item": "item id",
    "rating": "1 to 5",
    "timestamp": "time of the rating, UTC, before day 0",
}


def lengths(m: Market, u: NDArray[np.int64]) -> NDArray[np.int64]:
    """n_u = floor + lognormal(mu, sigma), capped, at most 60 % of the catalogue."""
    c = m.c
    z = m.users.activity[u].astype(np.float64)
    n = c.history_floor + np.exp(c.history_mu + c.history_sigma * z)
    return np.minimum(n, min(c.history_cap, 0.6 * c.n_items)).astype(np.int64)


def consumed(m: Market, u: NDArray[np.int64]) -> tuple[NDArray, NDArray, NDArray]:
    """(user, item, static utility) of every interaction; best first for each user."""
    everything = np.arange(m.c.n_items)
    low = np.uint64(0xFFFFFFFF)
    keys = (m.r.bits("history item", everything) & low).astype(np.uint32)
    rows = (m.r.bits("history user", u) & low).astype(np.uint32)
    out = []
    for k in range(0, len(u), BLOCK):
        ub = u[k : k + BLOCK]
        v = m.utility.block(ub, everything, m.users.a[ub])
        noise = fast_gumbel(rows[k : k + BLOCK], keys)
        order = np.argsort(-(v + m.users.temperature[ub][:, None] * noise), axis=1)
        n = lengths(m, ub)
        keep = np.arange(m.c.n_items) < n[:, None]
        who = np.repeat(ub, n)
        item = order[keep]
        out.append((who, item, v[np.searchsorted(ub, who), item]))
    return tuple(np.concatenate(x) for x in zip(*out, strict=True))  # type: ignore


def ratings(m: Market, u: NDArray[np.int64]) -> pd.DataFrame:
    """Ratings of users u, in time order for each user (``RATING_COLUMNS``)."""
    who, item, v = consumed(m, u)
    own = v - m.items.pull[item] * m.users.conformity[who]
    liked = (own - own.mean()) / own.std()
    q = m.items.quality[item]
    noise = m.r.normal("history rating", who, item)
    mood = m.r.normal("rater", who)  # some users rate everything higher
    value = 3.45 + 0.35 * liked + 0.45 * q + 0.35 * mood + 0.75 * noise
    # ratings fall into visits of about eight, on days of the last year
    visits = np.maximum(1, np.bincount(who)[who] // 8)
    visit = np.floor(visits * m.r.uniform("history visit", who, item)).astype(np.int64)
    span = np.clip(-m.users.signup[who], 8, 365)
    day = -1 - np.floor(span * m.r.uniform("history day", who, visit)).astype(np.int64)
    hour = 6 + 17 * m.r.uniform("history hour", who, visit)
    second = (hour * 3600).astype(np.int64)
    second += np.floor(2400 * m.r.uniform("history second", who, item)).astype(np.int64)
    stamp = START_DATE + (day * DAY_SECONDS + second).astype("timedelta64[s]")
    order = np.lexsort((item, stamp, who))
    frame = pd.DataFrame(
        {
            "user": who.astype(np.int32),
            "item": item.astype(np.int32),
            "rating": np.clip(np.rint(value), 1, 5).astype(np.int8),
            "timestamp": stamp,
        }
    )
    return frame.iloc[order].reset_index(drop=True)
