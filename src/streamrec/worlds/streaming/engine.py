"""The loop over weeks, users and days, with its state.

State carried from day to day: topic fatigue F_uk, satisfaction z_u, the day a user
leaves, and (with interference on) local trends and withdrawn items.

sessions_ut = floor(habit_u weekday_t year_t wander_uw exp(2 b tanh(z_u / 2)) + U),
              at most 4                                                     (eq-visits)
F_uk       <- exp(-1/memory) (F_uk + n_uk / session_items - 1/K), n_uk the day's
              impressions on topic k; the bracket is F_uk without a visit  (eq-fatigue)
z_u        <- .9 z_u + plays from the carousel a session - expected, on days
              with a visit                                            (eq-satisfaction)
P(leave)    = 1 - exp(-exp(h0 + h_new 1[arrived, tenure < 7] - h_z z_u)),
              z_u held to [-4, 4]                                            (eq-leave)

In bernoulli mode z is read once a week (``feedback="weekly"``), so a flipped cell
changes nothing else in its week; in the slate modes it is read every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrec.worlds.streaming import choice
from streamrec.worlds.streaming.cells import Cells, Market
from streamrec.worlds.streaming.policy import Rule

F32 = NDArray[np.float32]
NEVER = np.int32(2**30)
WEEKDAY = np.array([0.97, 0.95, 0.96, 0.98, 1.02, 1.08, 1.04])
DAYPART = ((6, 10), (10, 16), (16, 20), (20, 24))  # hours
DAYPART_SHARE = (0.18, 0.24, 0.24, 0.34)


@dataclass
class Plan:
    """What to simulate."""

    rules: list[Rule]  # one an arm
    mode: str
    start: int  # first day
    days: int
    users: NDArray[np.int64] | None = None  # a subset (ids, ascending)
    arm: Callable[[NDArray[np.int64], int], NDArray[np.int64]] | None = None
    feedback: str | None = None  # weekly or daily
    interference: frozenset[str] = frozenset()
    epsilon: float = 0.0
    novelty: float = 0.0  # extra logits of a new treatment on its first day
    novelty_start: int = 0
    flip: tuple[int, int, int] | None = None  # (user, item, week): one choice reversed
    both: bool = False  # also compute both potential outcomes (bernoulli mode)
    detail: bool = False  # also keep probabilities of each impression
    chunk: int = 5_000  # users simulated together

    def weekly(self) -> bool:
        """Whether satisfaction acts on visits once a week only."""
        feedback = self.feedback or ("weekly" if self.mode == "bernoulli" else "daily")
        return feedback == "weekly"


@dataclass
class State:
    """What is carried from day to day, for all users."""

    z: F32
    left: NDArray[np.int32]  # first day the user is gone
    fatigue: F32  # (n, topics)
    trend: F32 | None = None  # (communities, N) log ratio of recent plays
    plays: F32 | None = None
    exposure: NDArray[np.float64] | None = None  # (N,) this week's carousel exposure
    gone: NDArray[np.bool_] | None = None  # (N,) withdrawn items
    all_plays: F32 | None = None  # (N,) recent plays of everybody


@dataclass
class Day:
    """Impressions of one chunk and day, one entry an impression."""

    day: int
    cells: Cells
    arms: NDArray[np.int64] | None
    row: NDArray[np.int32]  # row of the user in the chunk
    flat: NDArray[np.int64]  # row * C + candidate
    session: NDArray[np.int8]
    slot: NDArray[np.int8]  # 0: organic
    propensity: F32
    play: NDArray[np.bool_]
    minutes: F32
    share: F32  # completed share, 0 if not played
    rating: F32
    surface: NDArray[np.int8]
    seconds: NDArray[np.int32]  # start of the session, seconds after midnight
    alive: NDArray[np.int64]  # rows of users who could have come
    extra: dict[str, NDArray] = field(default_factory=dict)


class Engine:
    """Runs a plan over a market and yields the days."""

    def __init__(self, market: Market, plan: Plan) -> None:
        self.m, self.c, self.p = market, market.c, plan
        self.users, self.items, self.r = market.users, market.items, market.r
        n, c = self.c.n_users, self.c
        who = np.arange(n) if plan.users is None else plan.users
        self.who = who
        self.state = State(
            z=np.zeros(n, dtype=np.float32),
            left=np.full(n, NEVER, dtype=np.int32),
            fatigue=np.zeros((n, c.topics), dtype=np.float32),
        )
        if plan.interference & {"popularity"}:
            shape = (int(self.users.community.max()) + 1, c.n_items)
            self.state.trend = np.zeros(shape, dtype=np.float32)
            self.state.plays = np.zeros(shape, dtype=np.float32)
        if "training" in plan.interference:
            self.state.all_plays = np.zeros(c.n_items, dtype=np.float32)
        if "creators" in plan.interference:
            self.state.gone = np.zeros(c.n_items, dtype=bool)
            self.state.exposure = np.zeros(c.n_items)
        self.season = self._season()

    def _season(self) -> F32:
        """season[day of week, format], in SD of affinity."""
        base = np.array([[1, 0, -1]] * 5 + [[-1, 1, 0]] * 2, dtype=np.float32)
        return np.float32(self.c.season_weight) * base

    # -- the loop ----------------------------------------------------------------

    def run(self) -> Iterator[Day]:
        """Days in the order week, chunk of users, day."""
        first, last = self.p.start, self.p.start + self.p.days
        shared = self.p.interference & {"popularity", "training", "creators"}
        step = len(self.who) if shared else self.p.chunk
        for week in range(first // 7, -(-last // 7)):
            begin, end = max(first, 7 * week), min(last, 7 * week + 7)
            for k in range(0, len(self.who), max(step, 1)):
                u = self.who[k : k + step]
                known = (self.users.signup[u] < end) & (self.state.left[u] > begin)
                u = u[known]
                if len(u):
                    yield from self._week(u, week, begin, end)
            self._creators_decide()

    def _week(
        self, u: NDArray[np.int64], week: int, begin: int, end: int
    ) -> Iterator[Day]:
        slates = [rule.slates(u) for rule in self.p.rules]
        forced = [s for s in slates if s is not None]
        cells = self.m.cells(
            u,
            week,
            slates=np.concatenate(forced, axis=1) if forced else None,
            gone=self.state.gone,
        )
        if self.state.all_plays is not None:
            cells.x = cells.x + self._training()[cells.items]
        W = [
            rule.weights(cells, s) for rule, s in zip(self.p.rules, slates, strict=True)
        ]
        chosen = None
        if self.p.mode == "bernoulli":
            chosen = self._choose(cells, W)
        z = self.state.z[u].copy()
        for day in range(begin, end):
            used = z if self.p.weekly() else self.state.z[u]
            today = self._day(cells, W, chosen, day, used)
            self._update(today)
            yield today

    def _choose(self, cells: Cells, W: list[F32]) -> list[NDArray[np.bool_]]:
        """D_ui of the week for each arm, from one addressed uniform."""
        a = self.r.uniform("assign", cells.u[:, None], cells.items, cells.week)
        W[:] = [self.mixed(w) for w in W]
        D = [a < rule.choice(cells, w) for rule, w in zip(self.p.rules, W, strict=True)]
        if self.p.flip and self.p.flip[2] == cells.week:
            user, item, _ = self.p.flip
            hit = (cells.u[:, None] == user) & (cells.items == item)
            D = [d ^ hit for d in D]
        return D

    def mixed(self, e: F32) -> F32:
        """Bernoulli probabilities with a share epsilon of uniform recommendation."""
        eps = np.float32(self.p.epsilon)
        return (1 - eps) * e + eps * np.float32(self.c.slate / self.c.session_items)

    # -- one day -------------------------------------------------------------------

    def _sessions(
        self, u: NDArray[np.int64], week: int, day: int, z: F32
    ) -> NDArray[np.int64]:
        """Number of sessions of each user on a day (0..4).  eq-visits"""
        c = self.c
        wander = sum(
            0.8**k * 0.6 * self.r.normal("wander", u, week - k + 60) for k in range(6)
        )
        rate = self.users.habit[u] * np.exp(c.wander_sd * wander)
        year = 1 + 0.05 * np.cos(2 * np.pi * day / 365.25)
        rate = (
            rate * WEEKDAY[day % 7] * year * np.exp(c.return_slope * np.tanh(z / 2) * 2)
        )
        n = np.floor(rate + self.r.uniform("visit", u, day)).astype(np.int64)
        here = (self.users.signup[u] <= day) & (self.state.left[u] > day)
        return np.where(here, np.clip(n, 0, 4), 0)

    def _day(
        self,
        cells: Cells,
        W: list[F32],
        chosen: list[NDArray[np.bool_]] | None,
        day: int,
        z: F32,
    ) -> Day:
        u = cells.u
        here = (self.users.signup[u] <= day) & (self.state.left[u] > day)
        self._leave(u, day, z, here)
        n = self._sessions_today(cells, day, z, here)
        arms = None if self.p.arm is None else self.p.arm(u, day)
        parts = []
        for j in range(int(n.max(initial=0))):
            rows = np.flatnonzero(n > j)
            parts.append(self._session(cells, W, chosen, day, j, rows, arms))
        out = _join(parts)
        today = Day(day=day, cells=cells, arms=arms, alive=np.flatnonzero(here), **out)
        if "budget" in self.p.interference:
            self._budget(today)
        return today

    def _sessions_today(
        self, cells: Cells, day: int, z: F32, here: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        return np.where(here, self._sessions(cells.u, cells.week, day, z), 0)

    def _leave(
        self, u: NDArray[np.int64], day: int, z: F32, here: NDArray[np.bool_]
    ) -> None:
        """Decide who does not come back tomorrow.  eq-leave"""
        c = self.c
        new = (day - self.users.signup[u] < 7) & (self.users.signup[u] >= 0)
        H = c.leave_base + c.leave_new * new - c.leave_slope * np.clip(z, -4, 4)
        go = self.r.uniform("leave", u, day) < -np.expm1(-np.exp(H))
        self._going = u[here & go]

    def _pick(self, arrays: list[Any], rows: NDArray, arms: NDArray | None) -> NDArray:
        """Rows of the array of each user's arm."""
        if len(arrays) == 1:
            a = arrays[0]
            return a if len(rows) == len(a) else a[rows]
        stacked = np.empty((len(rows), arrays[0].shape[1]), dtype=arrays[0].dtype)
        mine = np.zeros(len(rows)) if arms is None else arms[rows]
        for k, a in enumerate(arrays):
            here = mine == k
            stacked[here] = a[rows[here]]
        return stacked

    def _session(
        self,
        cells: Cells,
        W: list[F32],
        chosen: list[NDArray[np.bool_]] | None,
        day: int,
        j: int,
        rows: NDArray[np.int64],
        arms: NDArray[np.int64] | None,
    ) -> dict[str, NDArray]:
        """All impressions of session j of the users in rows."""
        c, (B, C) = self.c, cells.shape
        whole = len(rows) == B
        get = (lambda a: a) if whole else (lambda a: a[rows])
        bits = choice.draw_session(get(cells.h), 8 * day + j)
        w = self._pick(W, rows, arms)
        if chosen is not None:
            rec = self._pick(chosen, rows, arms)
            seen = choice.Draw(bits).appears(c.session_items / c.candidates)
            slot = prob = None
        else:
            slot, prob = self._slate(w, bits)
            rec = slot > 0
            rest = (c.session_items - c.slate) / (c.candidates - c.slate)
            seen = rec | choice.Draw(bits).appears(rest)
        idx = np.flatnonzero(seen)  # impressions, in (R, C)
        r = (idx // C).astype(np.int32)
        flat = idx if whole else rows[r] * C + (idx % C)
        b = bits.ravel()[idx]
        D = rec.ravel()[idx]
        k, V = choice.place(b, c.slate)
        if slot is not None:
            k = slot.ravel()[idx]
        s = self._affinity(cells, flat, rows[r], day)
        eta = self.users.eta[cells.u][rows][r]
        lift = self._novelty(arms, rows, r, day)
        out = self._outcome(cells, flat, s, D, k, V, eta, b, lift)
        out["row"] = r if whole else rows[r].astype(np.int32)
        out["flat"] = flat
        out["session"] = np.full(len(idx), j, dtype=np.int8)
        out["slot"] = np.where(D, k, 0).astype(np.int8)
        out["propensity"] = (w if prob is None else prob).ravel()[idx]
        out["surface"] = np.where(D, 0, np.where(choice.by_search(b), 1, 2)).astype(
            np.int8
        )
        out["seconds"] = self._clock(cells.u[rows], day, j)[r]
        return out

    def _slate(self, w: F32, bits: NDArray[np.uint64]) -> tuple[NDArray[np.int8], F32]:
        fixed = self.p.mode == "deterministic"
        if self.p.epsilon and not fixed:
            return choice.mixed_slate(w, bits, self.c.slate, self.p.epsilon)
        return choice.slate_positions(w, bits, self.c.slate, fixed)

    def _affinity(
        self, cells: Cells, flat: NDArray[np.int64], row: NDArray, day: int
    ) -> F32:
        """s_uit: the week's affinity, season, fatigue, local trend.  eq-affinity"""
        topic = cells.topic.ravel()[flat]
        s = cells.s.ravel()[flat]
        s += self.season[day % 7][cells.format.ravel()[flat]]
        tired = self.state.fatigue[cells.u] * np.float32(self.c.fatigue_weight)
        s -= tired.ravel()[row * np.int64(self.c.topics) + topic]
        if self.state.trend is not None:
            where = self.users.community[cells.u][row]
            trend = self.state.trend[where, cells.items.ravel()[flat]]
            s += np.float32(self.c.popularity_strength) * trend
        return s

    def _novelty(
        self, arms: NDArray | None, rows: NDArray, r: NDArray, day: int
    ) -> F32 | float:
        """Extra logits of recommendations while a treatment is new."""
        if not self.p.novelty or arms is None:
            return 0.0
        size = self.p.novelty * np.exp(-(day - self.p.novelty_start) / 5.0)
        return (np.float32(size) * (arms[rows] > 0).astype(np.float32))[r]

    def _outcome(
        self,
        cells: Cells,
        flat: NDArray[np.int64],
        s: F32,
        D: NDArray[np.bool_],
        k: NDArray[np.int8],
        V: F32,
        eta: F32,
        b: NDArray[np.uint64],
        lift: F32 | float,
    ) -> dict[str, NDArray]:
        """Plays, minutes, completions and ratings.  eq-rec, eq-org"""
        c = self.c
        rec, org = cells.rec.ravel()[flat] + lift, cells.org.ravel()[flat]
        U = choice.play_uniform(b)
        rec += np.float32(c.lam) * s
        org += np.float32(c.lam * c.organic_slope) * s
        p = choice.sigmoid(np.where(D, rec, org))
        theta = choice.examination(k, eta)
        examined = V < theta
        play = (U < p) & (examined | ~D)
        kept = play
        extra: dict[str, NDArray] = {}
        if self.p.both:
            p1, p0 = choice.sigmoid(rec.copy()), choice.sigmoid(org.copy())
            extra["play1"], extra["play0"] = (U < p1) & examined, U < p0
            kept = extra["play1"] | extra["play0"]
        if self.p.detail:
            p1, p0 = choice.sigmoid(rec.copy()), choice.sigmoid(org.copy())
            extra |= {"s": s, "p_rec": p1, "p_org": p0, "theta": theta}
        at = np.flatnonzero(kept)
        share, bits = choice.completion(
            b[at], s[at], c.completion_mu, c.completion_slope, c.completion_sd
        )
        item = cells.items.ravel()[flat[at]]
        long = np.zeros(len(flat), dtype=np.float32)
        long[at] = share * self.items.duration[item]
        whole = np.zeros(len(flat), dtype=np.float32)
        whole[at] = share
        rating = np.full(len(flat), np.nan, dtype=np.float32)
        rating[at] = choice.rate(bits, s[at], self.items.quality[item], c.rating_share)
        if self.p.both:
            extra["long"] = long
            long = np.where(play, long, np.float32(0))
            whole = np.where(play, whole, np.float32(0))
            rating = np.where(play, rating, np.float32(np.nan))
        return {
            "play": play,
            "minutes": long,
            "share": whole,
            "rating": rating,
            **extra,
        }

    def _clock(self, u: NDArray[np.int64], day: int, j: int) -> NDArray[np.int32]:
        """Start of the session, seconds after midnight."""
        part = self.r.choice("daypart", DAYPART_SHARE, u, day, j)
        low, high = np.array(DAYPART).T
        x = self.r.uniform("clock", u, day, j)
        return ((low[part] + (high - low)[part] * x) * 3600).astype(np.int32)

    def _budget(self, today: Day) -> None:
        """Plays beyond the day's minutes are displaced."""
        c, u = self.c, today.cells.u
        B = c.budget_minutes * self.users.habit[u] / c.sessions
        B = B * np.exp(c.budget_sd * self.r.normal("budget", u, today.day))
        at = np.flatnonzero(today.play)
        order = today.seconds[at] * 64.0 + today.flat[at] * 7919 % 61
        kept = choice.apply_budget(today.row[at], order, today.minutes[at], B)
        lost = at[~kept]
        today.play[lost] = False
        today.minutes[lost] = 0
        today.share[lost] = 0
        today.rating[lost] = np.nan

    # -- after the day ------------------------------------------------------------

    def _update(self, t: Day) -> None:
        """Fatigue, satisfaction, departures, trends."""
        c, st, u, K = self.c, self.state, t.cells.u, self.c.topics
        B = len(u)
        key = t.row * np.int64(K) + t.cells.topic.ravel()[t.flat]
        seen = np.bincount(key, minlength=B * K).reshape(B, K)
        keep = np.float32(np.exp(-1 / c.fatigue_memory))
        fresh = seen.astype(np.float32) / np.float32(c.session_items) - np.float32(
            1 / K
        )
        fresh[seen.sum(axis=1) == 0] = 0
        st.fatigue[u] = keep * (st.fatigue[u] + fresh)
        self._satisfy(t)
        st.left[self._going] = t.day + 1
        self._spread(t)

    def _satisfy(self, t: Day) -> None:
        """Z <- .9 z + carousel plays a session - expected, on days with a visit."""
        c, u, B = self.c, t.cells.u, len(t.cells.u)
        shelf = np.bincount(t.row, weights=t.play & (t.slot > 0), minlength=B)
        last = np.zeros(B, dtype=np.int64)  # sessions today
        visit = t.row.astype(np.int64) * 8 + t.session
        first = np.flatnonzero(np.diff(visit, prepend=-1) != 0)
        np.add.at(last, t.row[first], 1)
        came = last > 0
        z = self.state.z[u]
        surprise = shelf[came] / last[came] - c.expected_plays
        z[came] = c.satisfaction_memory * z[came] + surprise.astype(np.float32)
        self.state.z[u] = z

    def _spread(self, t: Day) -> None:
        """Interference between users: local trends, the training log, exposure."""
        st, c = self.state, self.c
        if st.trend is None and st.all_plays is None and st.exposure is None:
            return
        item = t.cells.items.ravel()[t.flat]
        if st.plays is not None and st.trend is not None:
            where = self.users.community[t.cells.u][t.row]
            st.plays *= np.float32(0.8)
            np.add.at(st.plays, (where[t.play], item[t.play]), np.float32(1))
            total = st.plays.sum(axis=0, keepdims=True)
            usual = total * (st.plays.sum(axis=1, keepdims=True) / max(total.sum(), 1))
            st.trend = np.log((st.plays + 1) / (usual + 1)).astype(np.float32)
        if st.all_plays is not None:
            st.all_plays *= np.float32(0.9)
            st.all_plays += np.bincount(item[t.play], minlength=c.n_items)
        if st.exposure is not None:
            st.exposure += np.bincount(item[t.slot > 0], minlength=c.n_items)

    def _training(self) -> F32:
        """Score shift from the shared training log: recent plays, centred."""
        plays = self.state.all_plays
        x = np.log1p(np.zeros(self.c.n_items) if plays is None else plays)
        shift = self.c.training_strength * (x - x.mean()) / (x.std() + 1)
        return shift.astype(np.float32)

    def _creators_decide(self) -> None:
        """Creators whose exposure an item falls far below their usual share leave."""
        st, c = self.state, self.c
        if st.exposure is None or st.gone is None:
            return
        maker, n = self.items.creator, self.items.n_creators
        size = np.bincount(maker, minlength=n)
        seen = np.bincount(maker, weights=st.exposure, minlength=n) / np.maximum(
            size, 1
        )
        fair = st.exposure.sum() / c.n_items
        weak = seen < c.creator_floor * fair
        go = weak & (self.r.uniform("creator leaves", np.arange(n)) < 0.3)
        st.gone |= go[maker]
        st.exposure[:] = 0


def _join(parts: list[dict[str, NDArray]]) -> dict:
    """Sessions of a day as one table; names beyond the fixed ones go to extra."""
    fixed = set(Day.__dataclass_fields__)
    if not parts:
        parts = [_empty()]
    one = len(parts) == 1
    table = {
        k: parts[0][k] if one else np.concatenate([p[k] for p in parts])
        for k in parts[0]
    }
    extra = {k: table.pop(k) for k in list(table) if k not in fixed}
    return {**table, "extra": extra}


def _empty() -> dict[str, NDArray]:
    f, i8 = np.zeros(0, np.float32), np.zeros(0, np.int8)
    none = np.zeros(0, bool)
    return {
        "row": np.zeros(0, np.int32), "flat": np.zeros(0, np.int64), "session": i8,
        "slot": i8, "propensity": f, "play": none, "minutes": f, "share": f,
        "rating": f, "surface": i8, "seconds": np.zeros(0, np.int32),
        "play1": none, "play0": none, "long": f, "s": f, "p_rec": f, "p_org": f,
        "theta": f,
    }  # fmt: skip
