"""What only the world knows. Estimators never see this; scores do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from streamrec.worlds.streaming import choice, views
from streamrec.worlds.streaming.cells import Cells, expected_completion
from streamrec.worlds.streaming.engine import Engine
from streamrec.worlds.streaming.policy import Contexts, Rule
from streamrec.worlds.streaming.settings import LANGUAGES

if TYPE_CHECKING:
    from streamrec.worlds.streaming.experiment import Experiment
    from streamrec.worlds.streaming.world import StreamingWorld

# Causes and their effects: the union over the logging modes, interference off. What
# std() takes from a user's other candidates is left out. Effects on fatigue, and those
# of satisfaction and leaving on sessions, come a day later (a week in bernoulli mode).
# "follows": of creators; "user traits": habit, conformity, temperature, slope of
# examination, sensitivity; "item age": time since publication, half-life.
GRAPH = {
    "user taste": ["candidates", "affinity", "score"],
    "item taste": ["candidates", "affinity", "score"],
    "language": ["candidates", "affinity", "score"],
    "follows": ["candidates", "affinity", "score"],
    "user traits": ["candidates", "affinity", "recommended play", "play", "sessions"],
    "quality": ["popularity pull", "affinity", "score", "rating"],
    "popularity pull": [
        "candidates", "affinity", "score", "recommended play", "organic play",
    ],
    "item age": ["candidates", "affinity"],
    "tenure": ["candidates", "score", "recommended play", "leave"],
    "mood": ["affinity"],
    "drift": ["affinity"],
    "candidates": ["recommended", "organic play", "fatigue"],
    "score": ["recommended", "position"],
    "recommended": ["position", "play", "satisfaction", "fatigue"],
    "position": ["play"],
    "affinity": ["recommended play", "organic play", "minutes", "rating"],
    "recommended play": ["play"],
    "organic play": ["play"],
    "season": ["affinity", "sessions"],
    "fatigue": ["affinity"],
    "duration": ["minutes"],
    "sessions": ["play", "satisfaction", "fatigue"],
    "play": ["minutes", "satisfaction", "rating"],
    "satisfaction": ["sessions", "leave"],
    "leave": ["sessions"],
}  # fmt: skip


@dataclass(frozen=True)
class PolicyValue:
    """Expected minutes and plays; se: standard error over users of ``minutes``."""

    minutes: float
    plays: float
    se: float
    users: int
    unit: str

    def __str__(self) -> str:
        return f"{self.minutes:.3f} ± {self.se:.3f} minutes {self.unit}"


def _key(user: NDArray, item: NDArray, week: NDArray) -> NDArray[np.int64]:
    return (week.astype(np.int64) << 46) | (user.astype(np.int64) << 20) | item


class Truth:
    """Potential outcomes and latent quantities of one world."""

    def __init__(self, world: StreamingWorld) -> None:
        self._w = world
        self._cache: dict[int, tuple[NDArray, ...]] = {}

    @property
    def graph(self) -> dict[str, list[str]]:
        """Causes and their effects in this world, as the page of the worlds draws them.

        With ``hidden_confounding`` the mood also decides who is recommended.
        """
        out = {cause: list(effects) for cause, effects in GRAPH.items()}
        if self._w._c.hidden_confounding:
            out["mood"].append("recommended")
        return out

    # -- potential outcomes ----------------------------------------------------------

    def outcomes(self, week: pd.DataFrame, run: int | None = None) -> pd.DataFrame:
        """Minutes without and with the recommendation for each row: y0, y1.

        The cell's choice flipped, everything else as realised. Same index as ``week``
        (a frame with user, item, week). Bernoulli logging with interference off only.
        """
        y0, y1, _ = self._lookup(week, run)
        return pd.DataFrame({"y0": y0, "y1": y1}, index=week.index)

    def propensities(
        self, week: pd.DataFrame, run: int | None = None
    ) -> NDArray[np.float64]:
        """P(recommended) really used for each cell (differs from the recorded one only
        when confounding is hidden).
        """
        return self._lookup(week, run)[2].astype(np.float64)

    def effects(self, week: pd.DataFrame, run: int | None = None) -> dict[str, float]:
        """naive, ate, att, atu, selection of these cells, minutes a user-item-week."""
        y = self.outcomes(week, run)
        d = week["recommended"].to_numpy() == 1
        y0, y1 = y["y0"].to_numpy(), y["y1"].to_numpy()
        return {
            "naive": float(y1[d].mean() - y0[~d].mean()),
            "ate": float((y1 - y0).mean()),
            "att": float((y1 - y0)[d].mean()),
            "atu": float((y1 - y0)[~d].mean()),
            "selection": float(y0[d].mean() - y0[~d].mean()),
        }

    def cate(
        self, week: pd.DataFrame, by: ArrayLike, run: int | None = None
    ) -> pd.DataFrame:
        """Mean effect by group: columns group, effect, cells. by: one label a row."""
        y = self.outcomes(week, run)
        table = pd.DataFrame({"group": np.asarray(by), "effect": y["y1"] - y["y0"]})
        grouped = table.groupby("group", observed=True)["effect"]
        return grouped.agg(effect="mean", cells="size").reset_index()

    def groups(self, week: pd.DataFrame) -> pd.DataFrame:
        """Group labels of cells: new_user (under 28 days), niche (pull below median),
        language, format, segment.
        """
        w, u, i = self._w, week["user"].to_numpy(), week["item"].to_numpy()
        pull = w._items.pull
        return pd.DataFrame(
            {
                "new_user": 7 * week["week"].to_numpy() - w._users.signup[u] < 28,
                "niche": pull[i] < np.median(pull),
                "language": np.array(LANGUAGES)[w._items.language[i]],
                "format": w._items.format[i],
                "segment": w._users.segment[u],
            },
            index=week.index,
        )

    def _run(self, frame: pd.DataFrame, run: int | None) -> int:
        if not self._w._runs:
            raise ValueError("make a log first: the truth belongs to a run of log()")
        n = frame.attrs.get("run", len(self._w._runs) - 1) if run is None else run
        if not isinstance(n, (int, np.integer)) or not 0 <= n < len(self._w._runs):
            raise ValueError(
                f"this world has no run {n!r}; its runs are 0 .. "
                f"{len(self._w._runs) - 1}, in the order of log()"
            )
        return int(n)

    def _lookup(self, week: pd.DataFrame, run: int | None) -> tuple[NDArray, ...]:
        views.need(week, ("user", "item", "week"), "truth")
        keys, y0, y1, e = self._cells(self._run(week, run))
        key = _key(*(week[k].to_numpy() for k in ("user", "item", "week")))
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        if (keys[at] != key).any():
            raise KeyError("some rows are not cells of this run; pass run=")
        return y0[at], y1[at], e[at]

    def _cells(self, run: int) -> tuple[NDArray, ...]:
        """Sorted keys, y0, y1, e of every cell of a run, by repeating the run."""
        if run in self._cache:
            return self._cache[run]
        settings = self._w._runs[run]
        if settings["mode"] != "bernoulli" or settings["interference"]:
            raise ValueError(
                "potential outcomes of a cell are defined for bernoulli logging with "
                f"interference off; this log used mode={settings['mode']!r}, "
                f"interference={sorted(settings['interference'])}"
            )
        engine = Engine(self._w._market, self._w._plan(settings, both=True))
        blocks: list[tuple[NDArray, ...]] = []
        sums: dict[str, Any] = {"cells": None}
        for t in engine.run():
            if t.cells is not sums["cells"]:
                self._close(engine, sums, blocks)
                sums = {"cells": t.cells, **_zeros(t.cells)}
            long, size = t.extra["long"], t.cells.items.size
            for d in "01":
                w = long * t.extra["play" + d]
                sums["y" + d] += np.bincount(t.flat, weights=w, minlength=size)
            sums["n"] += np.bincount(t.flat, minlength=size)
        self._close(engine, sums, blocks)
        table = tuple(np.concatenate(x) for x in zip(*blocks, strict=True))
        order = np.argsort(table[0])
        self._cache = {run: tuple(x[order] for x in table)}
        return self._cache[run]

    def _close(self, engine: Engine, sums: dict[str, Any], blocks: list) -> None:
        cells = sums["cells"]
        if cells is None:
            return
        at = np.flatnonzero(sums["n"])
        rule = engine.p.rules[0]
        e = rule.choice(cells, engine.mixed(rule.weights(cells))).ravel()[at]
        user = cells.u[at // cells.shape[1]]
        key = _key(user, cells.items.ravel()[at], np.full(len(at), cells.week))
        blocks.append((key, sums["y0"][at], sums["y1"][at], e))

    def flip(self, user: int, item: int, week: int, run: int | None = None) -> float:
        """Minutes of a cell in a run repeated with only that cell's choice reversed.

        Any interference setting (bernoulli mode); the brute-force twin of ``outcomes``.
        """
        settings = self._w._runs[self._run(pd.DataFrame(), run)]
        if settings["mode"] != "bernoulli":
            raise ValueError(
                "a choice can be flipped in bernoulli logging only; this log used "
                f"mode={settings['mode']!r}"
            )
        self._w._known_rows(user)
        self._w._known_items(item)
        plan = self._w._plan(settings, flip=(user, item, week))
        total = 0.0
        for t in Engine(self._w._market, plan).run():
            if t.cells.week == week:
                hit = (t.cells.u[t.row] == user) & (
                    t.cells.items.ravel()[t.flat] == item
                )
                total += float(t.minutes[hit].sum(dtype=np.float64))
        return total

    # -- latent things ---------------------------------------------------------------

    @property
    def users(self) -> pd.DataFrame:
        """Latent columns of users: taste_1.., segment, habit, conformity, ..."""
        x = self._w._users
        taste = {f"taste_{d + 1}": x.a[:, d] for d in range(x.a.shape[1])}
        names = ("segment", "activity", "habit", "conformity", "temperature", "eta",
                 "sensitivity")  # fmt: skip
        return pd.DataFrame({"user": np.arange(len(x.a))} | taste).assign(
            **{k: getattr(x, k) for k in names}
        )

    @property
    def items(self) -> pd.DataFrame:
        """Latent columns of items: taste_1.., quality, pull, niche, half_life."""
        x = self._w._items
        taste = {f"taste_{d + 1}": x.b[:, d] for d in range(x.b.shape[1])}
        names = ("quality", "pull", "niche", "half_life")
        return pd.DataFrame({"item": np.arange(len(x.b))} | taste).assign(
            **{k: getattr(x, k) for k in names}
        )

    @property
    def concepts(self) -> tuple[NDArray, NDArray]:
        """(topics, dims) concept vectors and (items, topics) mixtures."""
        return self._w._items.T, self._w._items.mixture

    @property
    def drift(self) -> dict[str, int]:
        """Dates (days) of the shocks; the taste rotation is settings.rotation a day."""
        t = dict(self._w._market.trend)
        return t if self._w._c.drift else {}

    @property
    def settings(self) -> Any:
        """All constants of the world."""
        return self._w._c

    def affinity(self, users: ArrayLike, items: ArrayLike, day: int = 0) -> NDArray:
        """S of each user for each item given, (B, N); without fatigue and season."""
        return self._grid(users, items, day).s

    def play_probability(
        self, users: ArrayLike, items: ArrayLike, day: int = 0
    ) -> NDArray[np.float32]:
        """P(play | recommended and examined) of each user and item, (B, N)."""
        cells = self._grid(users, items, day)
        return choice.sigmoid(cells.rec + np.float32(self._w._c.lam) * cells.s)

    def _grid(self, users: ArrayLike, items: ArrayLike, day: int) -> Cells:
        u, i = self._w._known_rows(users), self._w._known_items(items)
        grid = i if i.ndim == 2 else np.broadcast_to(i, (len(u), len(i)))
        return self._w._market.cells(u, day // 7, items=grid.astype(np.int32))

    def impressions(self, log: pd.DataFrame, run: int | None = None) -> pd.DataFrame:
        """For each row of the log: affinity, p_recommended, p_organic (given
        examination) and examination; in the log's order, so give the whole log.
        """
        settings = self._w._runs[self._run(log, run)]
        parts = []
        for t in Engine(self._w._market, self._w._plan(settings, detail=True)).run():
            part = {k: t.extra[k] for k in ("s", "p_rec", "p_org", "theta")}
            part |= {"user": t.cells.u[t.row], "item": t.cells.items.ravel()[t.flat]}
            parts.append(part)
        table = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        views.need(log, ("user", "item"), "truth.impressions")
        if len(table["s"]) != len(log) or any(
            (table.pop(k) != log[k].to_numpy()).any() for k in ("user", "item")
        ):
            raise ValueError("give the whole log of the run, in its original order")
        names = {"s": "affinity", "p_rec": "p_recommended", "p_org": "p_organic",
                 "theta": "examination"}  # fmt: skip
        return pd.DataFrame(table, index=log.index).rename(columns=names)

    # -- policies --------------------------------------------------------------------

    def expected_reward(
        self, contexts: Contexts, actions: ArrayLike, reward: str = "minutes"
    ) -> NDArray[np.float32]:
        """Expected reward of ``world.step`` for each context, (B,)."""
        if reward not in ("minutes", "clicked"):
            raise ValueError("reward must be 'minutes' or 'clicked'")
        cells = self._w._chosen(contexts, actions)
        p, long = self._expected(cells)
        return (p * long if reward == "minutes" else p)[:, 0]

    def _expected(self, cells: Cells) -> tuple[NDArray, NDArray]:
        """P(play | recommended, examined) and expected minutes of a play."""
        c = self._w._c
        p = choice.sigmoid(cells.rec + np.float32(c.lam) * cells.s)
        long = expected_completion(cells.s, c) * self._w._items.duration[cells.items]
        return p, long.astype(np.float32)

    def value(
        self,
        policy: Any = "incumbent",
        mode: str | None = None,
        day: int = 0,
        users: ArrayLike | None = None,
        draws: int = 4,
    ) -> PolicyValue:
        """One-step value: expected minutes from the carousel of one session.

        sum over slots of theta_k P(play | examined) E(minutes | play), the slate drawn
        ``draws`` times by a random policy. Fatigue and season are left out.
        """
        w = self._w
        u = np.arange(min(w._c.n_users, 5000)) if users is None else w._known(users)
        if mode is None:
            fixed = hasattr(policy, "recommend") and not hasattr(policy, "propensities")
            mode = "deterministic" if fixed else "plackett-luce"
        if not isinstance(draws, (int, np.integer)) or draws < 1:
            raise ValueError("draws must be a whole number of at least 1")
        if isinstance(day, bool) or not isinstance(day, (int, np.integer)) or day < 0:
            raise ValueError(f"day must be a whole number of at least 0, got {day!r}")
        rule = Rule(policy, mode, w._c)
        minutes, plays = np.zeros(len(u)), np.zeros(len(u))
        for k in range(0, len(u), 1000):
            rows = slice(k, k + 1000)
            minutes[rows], plays[rows] = self._slate_value(rule, u[rows], day, draws)
        return PolicyValue(
            float(minutes.mean()),
            float(plays.mean()),
            float(minutes.std(ddof=1) / np.sqrt(len(u))),
            len(u),
            "a session, carousel",
        )

    def _slate_value(
        self, rule: Rule, u: NDArray, day: int, draws: int
    ) -> tuple[NDArray, NDArray]:
        c, slates = self._w._c, rule.slates(u)
        cells = self._w._market.cells(u, day // 7, slates=slates)
        weight = rule.weights(cells, slates)
        p, long = self._expected(cells)
        eta = self._w._users.eta[u][:, None]
        if rule.mode == "bernoulli":
            theta = np.mean(
                [np.arange(1, c.slate + 1) ** -e for e in eta], axis=1
            )  # a random slot
            share = weight * (c.session_items / c.candidates) * theta[:, None]
            return (share * p * long).sum(axis=1), (share * p).sum(axis=1)
        fixed = rule.mode == "deterministic"
        total = np.zeros((2, len(u)))
        for n in range(1 if fixed else draws):
            bits = choice.draw_session(cells.h, 8 * day + n)
            slot, _ = choice.slate_positions(weight, bits, c.slate, fixed)
            theta = np.where(slot > 0, choice.examination(slot, eta), 0)
            total += [(theta * p * long).sum(axis=1), (theta * p).sum(axis=1)]
        total /= 1 if fixed else draws
        return total[0], total[1]

    def oracle(self, day: int = 0) -> Oracle:
        """The policy that maximises the one-step value over the whole catalogue."""
        return Oracle(self, day)

    def experiment(self, e: Experiment) -> dict[str, float]:
        """Global effect of an experiment: everybody treated against nobody.

        Keys: minutes (a user-day), minutes_relative, plays_relative, ctr_relative.
        """
        made = self._w._experiments
        design = (e.unit, e.days, e.pre_days, e.share, e.salt)
        if not 0 <= e.number < len(made) or made[e.number]["design"] != design:
            raise ValueError(
                "this experiment was not made by this world; give the object that "
                "world.experiment() returned"
            )
        one, zero = (self._w._arm_totals(e.number, arm) for arm in (1, 0))
        pre = e.pre_days
        total = lambda t: t.minutes[:, pre:].sum(dtype=float)  # noqa: E731
        m1 = total(one) / one.present[:, pre:].sum()
        m0 = total(zero) / zero.present[:, pre:].sum()
        plays = [t.plays()[:, pre:].sum(dtype=float) for t in (one, zero)]
        rate = [
            t.counts["shelf_clicks"][:, pre:].sum(dtype=float)
            / t.counts["shelf_impressions"][:, pre:].sum(dtype=float)
            for t in (one, zero)
        ]
        return {
            "minutes": float(m1 - m0),
            "minutes_relative": float(m1 / m0 - 1),
            "plays_relative": float(plays[0] / plays[1] - 1),
            "ctr_relative": float(rate[0] / rate[1] - 1),
        }


def _zeros(cells: Cells) -> dict[str, NDArray]:
    return {k: np.zeros(cells.items.size) for k in ("y0", "y1", "n")}


class Oracle:
    """Ranks items by expected minutes; meets ``recommend(users, k)``."""

    def __init__(self, truth: Truth, day: int) -> None:
        self._truth, self._day = truth, day

    def recommend(self, users: ArrayLike, k: int = 10, **_: Any) -> NDArray[np.int64]:
        """(B, k) item ids, best first (published items only)."""
        t, w = self._truth, self._truth._w
        u = w._known_rows(users)
        if not 1 <= k <= w._c.n_items:
            raise ValueError(f"k must lie in 1 .. {w._c.n_items}, got {k!r}")
        everything = np.arange(w._c.n_items)
        hidden = w._items.birth > self._day // 7 * 7
        out = np.empty((len(u), k), dtype=np.int64)
        for a in range(0, len(u), 100):
            p, long = t._expected(t._grid(u[a : a + 100], everything, self._day))
            gain = np.where(hidden, -1, p * long)
            out[a : a + 100] = np.argsort(-gain, axis=1, kind="stable")[:, :k]
        return out
