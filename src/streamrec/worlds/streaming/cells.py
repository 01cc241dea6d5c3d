"""The cells of a week: which items a user can meet, their scores and affinities.

x_ui  = std( rho p_i + l.(a^_u o b_i) + phi F + ell' L + theta q_i + noise ) (eq-score)
s_ui  = std( rho w_u p_i + l.(a_u o b_i) + phi F + ell' L + theta q_i )
        + mu mood + recency + shock                                       (eq-affinity)

with a^_u the incumbent's picture of taste: stale and estimated with error, more so for
new users. ``std`` first takes off the mean of the user's own candidates and divides by
a power of their spread, then subtracts the mean and divides by the standard deviation
of this world's cells in week 0, so that s is in standard deviations whatever the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming.population import Items, Users, rotate
from streamrec.worlds.streaming.settings import Settings
from streamrec.worlds.streaming.utility import Utility, top

F32 = NDArray[np.float32]


def expected_completion(s: F32, c: Settings) -> NDArray[np.float64]:
    """E min(1, exp(mu + slope s + sd Z)): mean share of an item that is played."""
    m, sd = c.completion_mu + c.completion_slope * s, c.completion_sd
    return np.exp(m + sd * sd / 2) * ndtr(-(m + sd * sd) / sd) + ndtr(m / sd)


BLOCK = 500  # users whose utilities over a pool fit the cache


@dataclass
class Cells:
    """One row a user, C candidate items each; all arrays (B, C) unless said."""

    week: int
    u: NDArray[np.int64]  # (B,) user ids
    items: NDArray[np.int32]
    x: F32  # recorded score of the incumbent
    fresh: F32  # the score without staleness and noise (challenger only)
    s: F32  # affinity without the parts that change within the week
    mood: F32  # private part of s, standard normal
    rec: F32  # logit added to lam * s when recommended
    org: F32  # logit added when organic
    topic: NDArray[np.int8]
    format: NDArray[np.int8]
    h: NDArray[np.uint64]  # address of the cell for its opportunities

    @property
    def shape(self) -> tuple[int, int]:
        """(B, C)."""
        return self.items.shape


class Market:
    """Builds cells: retrieval, scores and affinities for any users and week."""

    def __init__(self, r: Addressed, c: Settings, users: Users, items: Items) -> None:
        self.r, self.c, self.users, self.items = r, c, users, items
        self.utility = Utility(r, c, users, items)
        self.popular = np.argsort(-items.pull, kind="stable")
        self.shards = max(1, round((c.n_items - c.pool_head) / (c.pool - c.pool_head)))
        self.trend = self._topic_trend()
        self.moments = (0.0, 1.0, 0.0, 1.0)
        self.moments = self._standardise()
        long = self.items.duration * np.float32(c.minutes_per_play / self._mean_play())
        self.items = replace(self.items, duration=long)

    # -- drift ---------------------------------------------------------------------

    def _topic_trend(self) -> dict[str, int]:
        """The dated shocks of this world (kept in truth.drift)."""
        r, K = self.r, self.c.topics
        u = lambda name: float(r.uniform("drift " + name, 0)[()])  # noqa: E731
        trend = 35 + int(14 * u("trend"))
        mix = 63 + int(14 * u("mix"))
        return {
            "trend_start": trend,
            "trend_end": trend + 21,
            "trend_topic": int(K * u("topic")),
            "mix_start": mix,
            "mix_format": 1 + int(2 * u("format")),
            "bug_start": 91 + int(14 * u("bug")),
            "outage_start": 112 + int(14 * u("outage")),
        }

    def _shock(self, week: int, topic: NDArray, fmt: NDArray) -> F32 | float:
        """Topic trend and content-mix shift, in SD of affinity; whole weeks."""
        t, day = self.trend, 7 * week
        out: NDArray | float = 0.0
        if not self.c.drift or day < t["trend_start"]:
            return out
        if day < t["trend_end"]:
            out = 0.6 * (topic == t["trend_topic"]).astype(np.float32)
        if day >= t["mix_start"]:
            out = out + 0.4 * (fmt == t["mix_format"]).astype(np.float32)
        return np.asarray(out * self.c.drift, dtype=np.float32)

    def taste(self, u: NDArray[np.int64], day: float) -> F32:
        """a_u on a day: slow rotation in the user's own plane. (B, D)."""
        angle = self.c.rotation * self.c.drift * day
        return rotate(self.users.a[u], self.users.plane[u], angle)

    def picture(self, u: NDArray[np.int64], week: int) -> F32:
        """a^_u: what the incumbent believes about taste in a week. (B, D)."""
        c = self.c
        a = self.taste(u, 7 * week - c.stale_days)
        tenure = np.maximum(7 * week - self.users.signup[u], 0)
        fade = np.exp(-tenure / c.taste_error_days)
        sd = c.taste_error + (c.taste_error_new - c.taste_error) * fade
        d = np.arange(c.dims)
        error = self.r.normal("taste error", u[:, None], week // 4, d)
        return a + (sd[:, None] * error).astype(np.float32)

    # -- retrieval -----------------------------------------------------------------

    def pools(
        self, u: NDArray[np.int64], week: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs (row numbers, item pool): the popular head and one dealt shard."""
        if self.shards == 1:
            for k in range(0, len(u), BLOCK):
                yield np.arange(k, min(k + BLOCK, len(u))), np.arange(self.c.n_items)
            return
        head, tail = np.split(self.popular, [self.c.pool_head])
        deal = self.r.bits("deal", tail, week) % np.uint64(self.shards)
        mine = self.r.bits("shard", u, week) % np.uint64(self.shards)
        order = np.argsort(mine, kind="stable")
        bounds = np.searchsorted(
            mine[order], np.arange(self.shards + 1, dtype=np.uint64)
        )
        by_shard = np.argsort(deal, kind="stable")
        cut = np.searchsorted(
            deal[by_shard], np.arange(self.shards + 1, dtype=np.uint64)
        )
        for g in range(self.shards):
            pool = np.sort(np.concatenate([head, tail[by_shard[cut[g] : cut[g + 1]]]]))
            for k in range(bounds[g], bounds[g + 1], BLOCK):
                yield order[k : min(k + BLOCK, bounds[g + 1])], pool

    def candidates(
        self,
        u: NDArray[np.int64],
        week: int,
        slates: NDArray[np.int64] | None = None,
        gone: NDArray[np.bool_] | None = None,
        pull: F32 | None = None,
    ) -> NDArray[np.int32]:
        """The C items each user can meet this week, (B, C), in item order.

        slates: (B, k) items that must be among them. gone: (N,) items withdrawn.
        """
        out = np.empty((len(u), self.c.candidates), dtype=np.int32)
        hidden = self.items.birth > 7 * week
        if gone is not None:
            hidden = hidden | gone
        for rows, pool in self.pools(u, week):
            ub = u[rows]
            if slates is not None:
                pool = np.union1d(pool, slates[rows])
            v = self.utility.block(ub, pool, self.picture(ub, week), pull)
            v += self.utility.noise(ub, pool, week)
            v += self._filter(ub, pool)
            v[:, hidden[pool]] = -np.inf
            if slates is not None:
                v[np.arange(len(ub))[:, None], np.searchsorted(pool, slates[rows])] = (
                    1e9
                )
            out[rows] = pool[top(v, self.c.candidates)]
        return out

    def _filter(self, u: NDArray[np.int64], pool: NDArray[np.int64]) -> F32:
        """Retrieval keeps to the user's languages more than the year's history does."""
        reads = self.utility.reads(u, np.arange(8, dtype=np.int8)[None, :])
        extra = np.float32(self.c.language_filter) * reads.astype(np.float32)
        return np.take(extra, self.items.language[pool], axis=1)

    # -- scores and affinities -------------------------------------------------------

    def _parts(
        self, u: NDArray[np.int64], items: NDArray[np.int32], week: int
    ) -> tuple[F32, F32, F32]:
        """Raw (affinity, score, fresh score) of cells, each (B, C) in utility units."""
        c, it = self.c, self.items
        weights = self.utility.l
        b = it.b[items]  # (B, C, D)
        fan = self.utility.follows_cell(u, it.creator[items])
        reads = self.utility.reads(u, it.language[items])
        shared = c.fan_boost * fan.astype(np.float32)
        shared += (c.language_boost + c.language_filter) * reads.astype(np.float32)
        p = np.float32(c.pull_weight) * it.pull[items]
        own = np.einsum("bcd,bd->bc", b, self.taste(u, 7 * week) * weights)
        seen = np.einsum("bcd,bd->bc", b, self.picture(u, week) * weights)
        noise = self.r.normal("score noise", u[:, None], items, week // 4)
        q = np.float32(c.quality_weight) * it.quality[items]
        affinity = self.users.conformity[u][:, None] * p + own + shared + q
        score = p + seen + shared + q
        score += np.float32(c.score_noise) * noise.astype(np.float32)
        return affinity, score, p + own + shared + q

    def _adapted(
        self, u: NDArray[np.int64], items: NDArray[np.int32], week: int, base: bool
    ) -> tuple[F32, F32, F32]:
        """The parts relative to what the user is used to: the mean of the user's own
        candidates off, and their spread (to the power ``spread``) divided out.

        base: the items are those candidates.
        """
        parts = self._parts(u, items, week)
        usual = parts if base else self._parts(u, self.candidates(u, week), week)
        out = []
        for y, own in zip(parts, usual, strict=True):
            level = np.float32(self.c.adaptation) * own.mean(axis=1, keepdims=True)
            wide = own.std(axis=1, keepdims=True) ** np.float32(self.c.spread)
            out.append((y - level) / np.maximum(wide, np.float32(0.2)))
        return out[0], out[1], out[2]

    def _standardise(self) -> tuple[float, float, float, float]:
        u = np.arange(min(self.c.n_users, 1500))
        s, x, _ = self._adapted(u, self.candidates(u, 0), 0, base=True)
        return float(s.mean()), float(s.std()), float(x.mean()), float(x.std())

    def _mean_play(self) -> float:
        """Expected minutes of a play in week 0 before durations are scaled."""
        c = self.c
        x = self.cells(np.arange(min(c.n_users, 1500)), 0)
        e = expit(c.alpha + c.gamma * x.x)
        theta = np.mean(np.arange(1, c.slate + 1) ** -c.examination)
        play = e * theta * expit(x.rec + c.lam * x.s)
        play += (1 - e) * expit(x.org + c.organic_slope * c.lam * x.s)
        long = self.items.duration[x.items] * expected_completion(x.s, c)
        return float((play * long).sum() / play.sum())

    def cells(
        self,
        u: NDArray[np.int64],
        week: int,
        items: NDArray[np.int32] | None = None,
        **retrieval: object,
    ) -> Cells:
        """Everything about the cells of users u in a week, but for the choice."""
        c, it = self.c, self.items
        base = items is None and all(v is None for v in retrieval.values())
        if items is None:
            items = self.candidates(u, week, **retrieval)  # type: ignore[arg-type]
        raw, score, fresh = self._adapted(u, items, week, base)
        m, sd, mx, sdx = self.moments
        topic, fmt = it.topic[items], it.format[items]
        h = self.r.bits("cell", u[:, None], items)
        mood = self._mood(h, week)
        s = (raw - np.float32(m)) / np.float32(sd) + np.float32(c.mood_weight) * mood
        age = np.maximum(7 * week - it.birth[items], 0) / it.half_life[items]
        s += np.float32(c.recency_weight) * np.exp2(-age).astype(np.float32)
        s += self._shock(week, topic, fmt)
        new = (7 * week - self.users.signup[u] < 28).astype(np.float32)[:, None]
        rec = c.kappa_rec + c.lift_new * new + self.users.sensitivity[u][:, None]
        rec = rec + np.float32(c.lift_niche) * it.niche[items]
        org = np.float32(c.kappa_org) - np.float32(c.find_popular) * it.niche[items]
        return Cells(
            week=week,
            u=u,
            items=items,
            x=(score - np.float32(mx)) / np.float32(sdx),
            fresh=(fresh - np.float32(mx)) / np.float32(sdx),
            s=s.astype(np.float32),
            mood=mood,
            rec=rec.astype(np.float32),
            org=org.astype(np.float32),
            topic=topic,
            format=fmt,
            h=h,
        )

    def _mood(self, h: NDArray[np.uint64], week: int) -> F32:
        """Nearly normal noise of a cell-week: a sum of four 16-bit uniforms."""
        from streamrec.worlds.random import session_bits

        b = session_bits(h ^ self.r.key("mood"), week)
        total = np.zeros(h.shape, dtype=np.float32)
        for k in range(4):
            total += ((b >> np.uint64(16 * k)) & np.uint64(0xFFFF)).astype(np.float32)
        return (total / np.float32(65536) - np.float32(2)) * np.float32(np.sqrt(3.0))
