"""StreamingWorld: the object that chapters use."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming import choice, views
from streamrec.worlds.streaming.cells import Cells, Market
from streamrec.worlds.streaming.engine import Day, Engine, Plan
from streamrec.worlds.streaming.experiment import (
    EXPERIMENT_DAILY_COLUMNS,
    EXPERIMENT_USER_COLUMNS,
    Experiment,
    assignment,
    check_faults,
    gate,
    inject,
    tables,
)
from streamrec.worlds.streaming.features import (
    CLICK_COLUMNS,
    CLICK_FEATURES,
    click_features,
)
from streamrec.worlds.streaming.history import RATING_COLUMNS, ratings
from streamrec.worlds.streaming.policy import Contexts, Rule, check_mode
from streamrec.worlds.streaming.population import draw_items, draw_users
from streamrec.worlds.streaming.settings import (
    COUNTRIES,
    INTERFERENCE,
    Settings,
    settings_for,
)
from streamrec.worlds.streaming.totals import Totals, run_totals
from streamrec.worlds.streaming.truth import PolicyValue, Truth

VERSION = "1.0"


class StreamingWorld:
    r"""A streaming platform as a structural causal model whose truth is known.

    ``size`` is tiny (500 users x 300 items), small (5,000 x 2,000), medium (50,000 x
    20,000) or full (5,000,000 x 200,000); overrides are the names in ``Settings``, for
    example ``n_users=20_000`` or ``gamma=2.0``. Every random number is addressed by
    (seed, purpose, user, item, time), so a user meets the same noise under any policy.
    The page :ref:`worlds` explains the equations, draws the causal graph and says what
    is realistic.

    Index user u, item i of creator c(i) and language g(i), week w, day t, slot k;
    :math:`\sigma` is the logistic function and :math:`\hat a_{uw}` the incumbent's
    stale, noisy picture of taste.

    *Static choice* (the ratings view; pull p, taste a and b, follows F, reads L):

    .. math::

       v_{ui} = \omega_u p_i + \sum_d l_d a_{ud} b_{id} + \varphi F_{u,c(i)}
                + \ell L_{u,g(i)}

    *Candidates*: the 60 items with the largest :math:`\hat v_{uiw} + \ell_0 L +
    \tau_u G_{uiw}` among published items of a pool, G standard Gumbel noise and
    :math:`\hat v` the same utility with :math:`\hat a` in the place of a.

    *Affinity and score*, with :math:`\ell' = \ell + \ell_0`:

    .. math::

       y_{uiw} &= \rho\omega_u p_i + \sum_d l_d a_{udw} b_{id} + \varphi F + \ell' L
                  + \theta_q q_i \\
       \hat y_{uiw} &= \rho p_i + \sum_d l_d \hat a_{udw} b_{id} + \varphi F + \ell' L
                  + \theta_q q_i + \varepsilon_{ui} \\
       s_{uit} &= \text{std}(y_{uiw}) + \mu\,\text{mood}_{uiw} + \text{recency}_{iw}
                  + \text{shock}_{iw} + \text{season}_{\text{weekday},\text{format}}
                  - \phi\,\text{fatigue}_{ut,\text{topic}} \\
       x_{uiw} &= \text{std}(\hat y_{uiw})

    std first adapts, :math:`(y_{ui} - \bar y_u) / \text{sd}_u^{0.7}` with the mean and
    standard deviation of the user's own candidates (people get used to their level),
    then subtracts the mean and divides by the standard deviation of all cells of week
    0. x is recorded, s drives behaviour.

    *Choice*, by mode: bernoulli, each candidate on its own with :math:`e_{uiw} =
    \sigma(\alpha + \gamma x_{uiw})` held to [0.01, 0.95], one draw a week;
    plackett-luce, a slate a session with

    .. math::

       P(\text{slot } k = i \mid \text{earlier}) = e^{\beta x_i}
            / \sum_{j\ \text{left}} e^{\beta x_j};

    deterministic, the ten best in order.

    *Play*, with one examination uniform V and one play uniform U an opportunity:

    .. math::

       \text{recommended in slot } k &: V < k^{-\eta_u} \text{ and }
            U < \sigma(\kappa_1 + \text{lift}_{uiw} + \lambda s_{uit}) \\
       \text{organic} &: U < \sigma(\kappa_0 + \text{find}_i + r\lambda s_{uit}) \\
       \text{minutes} &= \text{duration}_i \min(1, e^{m + \delta s + \varsigma Z})

    lift is larger for users of less than 28 days and obscure items and varies between
    users; find grows with the pull. U, Z are the same in both arms.

    *Visits, satisfaction, leaving*:

    .. math::

       \text{sessions}_{ut} &= \min(4, \lfloor \text{habit}_u \text{weekday}_t
            \text{year}_t \text{wander}_{uw} e^{2b\tanh(z_u/2)} + U'_{ut} \rfloor) \\
       z_u &\leftarrow 0.9 z_u + \text{carousel plays a session} - \text{expected}
            \quad\text{on days with a visit} \\
       P(\text{leave on } t) &= 1 - \exp(-e^{h_0 + h_1 1[\text{arrived, tenure} < 7]
            - h_z z_u}), \quad z_u \text{ held to } [-4, 4]

    In bernoulli mode z acts on visits from the next week on, else from the next day.

    *Drift*: a rotates slowly in a plane of the user's own; one topic trend, one
    content-mix shift, one clock bug and one vendor outage, dated in ``truth.drift``.

    *Interference*, off by default: ``budget`` (a play starts only while the day's
    minutes are not used up), ``popularity`` (local trends in communities), ``creators``
    (leave without exposure), ``training`` (the score learns from everybody's plays).

    Language enters the match (F, L) and never the quality. The log is what an analyst
    sees; ``truth`` is for scoring only.

    >>> world = StreamingWorld("tiny", seed=0)
    >>> week = world.user_item_weeks(world.log(days=7))
    >>> y = world.truth.outcomes(week)
    >>> bool(np.allclose(week.minutes, np.where(week.recommended == 1, y.y1, y.y0)))
    True
    """

    version = VERSION
    LOG_COLUMNS = views.LOG_COLUMNS
    USER_COLUMNS = views.USER_COLUMNS
    ITEM_COLUMNS = views.ITEM_COLUMNS
    WEEK_COLUMNS = views.WEEK_COLUMNS
    DAILY_COLUMNS = views.DAILY_COLUMNS
    SESSION_COLUMNS = views.SESSION_COLUMNS
    RATING_COLUMNS = RATING_COLUMNS
    CLICK_FEATURES = CLICK_FEATURES
    CLICK_COLUMNS = CLICK_COLUMNS
    EXPERIMENT_USER_COLUMNS = EXPERIMENT_USER_COLUMNS
    EXPERIMENT_DAILY_COLUMNS = EXPERIMENT_DAILY_COLUMNS

    def __init__(self, size: str = "small", seed: int = 0, **overrides: Any) -> None:
        c = settings_for(size, overrides)
        self.size, self.seed = size, seed
        self._c: Settings = c
        self._r = Addressed(seed)
        self._users = draw_users(self._r, c)
        self._market = Market(self._r, c, self._users, draw_items(self._r, c))
        self._items = self._market.items
        self._runs: list[dict[str, Any]] = []
        self._experiments: list[dict[str, Any]] = []

    # -- tables ------------------------------------------------------------------

    @cached_property
    def users(self) -> pd.DataFrame:
        """Observable columns of users (``USER_COLUMNS``)."""
        return views.user_table(self._users)

    @cached_property
    def items(self) -> pd.DataFrame:
        """Observable columns of items (``ITEM_COLUMNS``), with title and text."""
        from streamrec.worlds.streaming.text import TOPICS, write

        titles, texts = write(self._r, self._items)
        return views.item_table(self._items, titles, texts, TOPICS[: self._c.topics])

    def ratings(self, users: ArrayLike | None = None) -> pd.DataFrame:
        """Ratings before day 0 (``RATING_COLUMNS``): the MovieLens-like view."""
        u = np.arange(self._c.n_users) if users is None else self._known(users)
        return ratings(self._market, u)

    # -- the log -------------------------------------------------------------------

    def log(
        self,
        days: int,
        policy: Any = "incumbent",
        mode: str | None = None,
        *,
        start: int = 0,
        users: ArrayLike | None = None,
        interference: Iterable[str] = (),
        feedback: str | None = None,
        epsilon: float = 0.0,
        out: str | os.PathLike[str] | None = None,
        chunk: int = 5_000,
    ) -> Any:
        """Impressions of ``days`` days under a policy (``LOG_COLUMNS``).

        policy: incumbent, challenger, uniform, popular; a callable or object with
        ``propensities(Contexts) -> (B, N)``; or a recommender with ``recommend``.
        mode: bernoulli (default), plackett-luce, deterministic (default of
        recommenders). interference: budget, popularity, creators, training.
        feedback: when satisfaction acts on visits, weekly (bernoulli) or daily.
        epsilon: share of uniform choice mixed in. out: folder for Parquet parts, which
        appears only when complete; then its path is returned.

        Rows are in the order week, block of ``chunk`` users, day, session, user.
        """
        settings = self._settings(
            days, policy, mode, start, users, interference, feedback, epsilon, chunk
        )
        engine = Engine(self._market, self._plan(settings))
        if out is not None:
            path = write_parts(engine, self._columns, Path(out))
            self._runs.append(settings)
            return path
        frame = views.log_table(self._columns(day) for day in engine.run())
        self._runs.append(settings)  # a run that failed is no run
        frame.attrs["run"] = len(self._runs) - 1
        return frame

    def _settings(
        self,
        days: int,
        policy: Any,
        mode: str | None,
        start: int,
        users: ArrayLike | None,
        interference: Iterable[str],
        feedback: str | None,
        epsilon: float,
        chunk: int = 5_000,
    ) -> dict[str, Any]:
        """Checked settings of a run, enough to repeat it exactly."""
        whole = isinstance(days, (int, np.integer)) and not isinstance(days, bool)
        if not whole or days < 1:
            raise ValueError(f"days must be a whole number of at least 1, got {days!r}")
        start = check_day(start, int(days))
        if mode is None:
            ranks = hasattr(policy, "recommend") and not hasattr(policy, "propensities")
            mode = "deterministic" if ranks else "bernoulli"
        if not isinstance(epsilon, (int, float, np.number)) or not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon must be a number in [0, 1], got {epsilon!r}")
        if not isinstance(chunk, (int, np.integer)) or chunk < 1:
            raise ValueError(f"chunk must be a whole number of users, got {chunk!r}")
        if feedback not in (None, "weekly", "daily"):
            raise ValueError("feedback must be 'weekly', 'daily' or None")
        return {
            "days": int(days),
            "policy": policy,
            "mode": check_mode(mode),
            "start": int(start),
            "users": None if users is None else self._known(users),
            "interference": switches(interference),
            "feedback": feedback,
            "epsilon": float(epsilon),
            "chunk": int(chunk),
        }

    def _plan(self, s: dict[str, Any], **more: Any) -> Plan:
        s = {k: v for k, v in s.items() if k != "policy"} | {
            "rules": [Rule(s["policy"], s["mode"], self._c)]
        }
        return Plan(**(s | more))

    def _known_rows(self, users: ArrayLike) -> NDArray[np.int64]:
        """User ids in the order given, checked."""
        u = np.atleast_1d(_array(users, "users"))
        self._known(u)
        return u.astype(np.int64)

    def _known_items(self, items: ArrayLike) -> NDArray[np.int64]:
        i = np.atleast_1d(_array(items, "items"))
        if i.dtype.kind not in "iu" or i.size == 0:
            raise TypeError("items must be a non-empty array of whole-number item ids")
        if i.min() < 0 or i.max() >= self._c.n_items:
            bad = i.min() if i.min() < 0 else i.max()
            raise ValueError(
                f"unknown item {bad}; items are 0 .. {self._c.n_items - 1}"
            )
        return i.astype(np.int64)

    def _known(self, users: ArrayLike) -> NDArray[np.int64]:
        u = np.unique(_array(users, "users"))
        if u.dtype.kind not in "iu" or len(u) == 0:
            raise TypeError("users must be a non-empty list of whole-number user ids")
        if u[0] < 0 or u[-1] >= self._c.n_users:
            bad = u[0] if u[0] < 0 else u[-1]
            raise KeyError(f"unknown user {bad}; users are 0 .. {self._c.n_users - 1}")
        return u.astype(np.int64)

    # -- views ---------------------------------------------------------------------

    def user_item_weeks(self, log: pd.DataFrame) -> pd.DataFrame:
        """One row a user-item-week with an impression (``WEEK_COLUMNS``)."""
        return views.user_item_weeks(log)

    def sessions(self, log: pd.DataFrame) -> pd.DataFrame:
        """One row a session (``SESSION_COLUMNS``)."""
        return views.sessions(log)

    def daily_users(self, log: pd.DataFrame) -> pd.DataFrame:
        """One row a user-day with a session (``DAILY_COLUMNS``)."""
        return views.daily_users(log)

    def click_features(self, log: pd.DataFrame) -> pd.DataFrame:
        """20 float32 features (``CLICK_FEATURES``: user, item, context) and clicked."""
        day = self._shock_day("outage_start")
        return click_features(log, self._users, self._items, (day, day + 3))

    def _shock_day(self, name: str) -> int:
        return self._market.trend[name] if self._c.drift else 10**9

    def _columns(self, day: Day) -> dict[str, NDArray]:
        bug = self._shock_day("bug_start")
        return views.impressions(day, self._users.country, bug)

    # -- experiments -----------------------------------------------------------------

    def experiment(
        self,
        treatment: Any = "challenger",
        control: Any = "incumbent",
        unit: str = "user",
        days: int = 14,
        *,
        pre_days: int = 14,
        share: float = 0.5,
        salt: str = "experiment",
        period: int = 1,
        mode: str = "plackett-luce",
        users: ArrayLike | None = None,
        interference: Iterable[str] = (),
        novelty: float = 0.0,
        faults: Iterable[str] = (),
        start: int = 0,
    ) -> Experiment:
        """Policy against policy on randomised users, clusters or switchback periods.

        unit: user, cluster (observed communities) or switchback (country x ``period``
        days). Everybody gets ``control`` for ``pre_days``, then the arms differ for
        ``days``. novelty: extra logits of a new treatment, fading over 5 days. faults:
        srm, bots, lost. ``treatment=control`` is an A/A test.
        """
        chosen = check_faults(faults)
        whole = isinstance(pre_days, (int, np.integer))
        if not whole or isinstance(pre_days, bool) or pre_days < 0:
            raise ValueError("pre_days must be a whole number of at least 0")
        s = self._settings(
            days, treatment, mode, start, users, interference, None, 0.0
        ) | {"days": int(days) + int(pre_days)}
        check_day(start, s["days"])
        numeric = isinstance(novelty, (int, float, np.number))
        if not numeric or isinstance(novelty, bool) or not np.isfinite(novelty):
            raise TypeError(f"novelty must be a number of logits, got {novelty!r}")
        arm = assignment(self._r, self._users, unit, share, salt, period)
        record = {
            "settings": s, "control": control, "novelty": novelty,
            "begin": int(start) + int(pre_days),
            "design": (unit, int(days), int(pre_days), share, salt),
        }  # fmt: skip
        self._experiments.append(record)
        number = len(self._experiments) - 1
        totals = self._arm_totals(number, arm)
        kept = inject(self._r, chosen, salt, totals, arm, int(pre_days))
        table, daily = tables(totals, arm, self._users, COUNTRIES, int(pre_days))
        ok = np.isin(table["user"].to_numpy(), totals.who[kept])
        table = table[ok].reset_index(drop=True)
        daily = daily[np.isin(daily["user"].to_numpy(), totals.who[kept])]
        return Experiment(
            table, daily.reset_index(drop=True), unit, int(days), int(pre_days), share,
            salt, number,
        )  # fmt: skip

    def _arm_totals(self, number: int, arm: Any) -> Totals:
        """Totals of an experiment with a given assignment, or one arm for everybody."""
        e = self._experiments[number]
        s = {k: v for k, v in e["settings"].items() if k != "policy"}
        rules = [
            Rule(p, s["mode"], self._c) for p in (e["control"], e["settings"]["policy"])
        ]
        if isinstance(arm, int):
            fixed = arm
            arm = lambda u, day: np.full(len(u), fixed, dtype=np.int64)  # noqa: E731
        plan = Plan(
            rules=rules, arm=gate(arm, e["begin"]), novelty=e["novelty"],
            novelty_start=e["begin"], **s,
        )  # fmt: skip
        return run_totals(Engine(self._market, plan))

    # -- bandits and values ------------------------------------------------------------

    def contexts(
        self,
        users: ArrayLike,
        day: int = 0,
        items: ArrayLike | None = None,
    ) -> Contexts:
        """What a policy sees for these users (in the order given) on a day.

        items: the same arms for everybody; default each user's own candidates.
        """
        u = self._known_rows(users)
        grid: NDArray[np.int32] | None = None
        if items is not None:
            known = self._known_items(items)
            if known.ndim != 1:
                raise ValueError("items must be one list: the same arms for everybody")
            arms = np.broadcast_to(known, (len(u), known.size))
            grid = arms.astype(np.int32)
        cells = self._market.cells(u, check_day(day) // 7, items=grid)
        return Contexts(u, cells.items, cells.x, int(day), self._c.slate)

    def context_features(self, contexts: Contexts) -> NDArray[np.float32]:
        """Observable features of each user and candidate, (B, N, p = 9).

        One, score, language match, log duration, age of the item (log days), new user,
        paying user, video, podcast.
        """
        u, i, x = contexts.users, contexts.items, self._items
        shape = i.shape
        wide = lambda a: np.broadcast_to(a[:, None], shape)  # noqa: E731
        columns = [
            np.ones(shape), contexts.scores,
            self._market.utility.reads(u, x.language[i]),
            np.log(x.duration[i]),
            np.log1p(np.maximum(contexts.day - x.birth[i], 0)),
            wide(contexts.day - self._users.signup[u] < 28),
            wide(self._users.tier[u] > 0),
            x.format[i] == 1, x.format[i] == 2,
        ]  # fmt: skip
        return np.stack(columns, axis=-1).astype(np.float32)

    def step(
        self, contexts: Contexts, actions: ArrayLike, reward: str = "minutes"
    ) -> NDArray[np.float32]:
        """Rewards of recommending one item to each context, in the first slot: (B,).

        reward: minutes or clicked. The noise is addressed by user, item and day, so the
        same action in the same context earns the same reward.
        """
        if reward not in ("minutes", "clicked"):
            raise ValueError("reward must be 'minutes' or 'clicked'")
        cells = self._chosen(contexts, actions)
        p = choice.sigmoid(cells.rec + np.float32(self._c.lam) * cells.s)[:, 0]
        bits = choice.draw_session(cells.h[:, 0], 8 * contexts.day + 7)
        played = choice.play_uniform(bits) < p
        if reward == "clicked":
            return played.astype(np.float32)
        c = self._c
        part, _ = choice.completion(
            bits, cells.s[:, 0], c.completion_mu, c.completion_slope, c.completion_sd
        )
        long = part * self._items.duration[cells.items[:, 0]]
        return np.where(played, long, np.float32(0))

    def _chosen(self, contexts: Contexts, actions: ArrayLike) -> Cells:
        if not isinstance(contexts, Contexts):
            raise TypeError("contexts must be what world.contexts() returned")
        items = self._known_items(actions)
        if items.shape != (len(contexts),):
            raise ValueError(
                f"actions must be one item id for each of {len(contexts)} contexts"
            )
        grid = items[:, None].astype(np.int32)
        return self._market.cells(contexts.users, contexts.day // 7, items=grid)

    def evaluate(
        self,
        policy: Any = "incumbent",
        mode: str | None = None,
        days: int | None = None,
        **more: Any,
    ) -> PolicyValue:
        """True value of a policy, by simulation.

        days=None: expected minutes from the carousel of one session (``truth.value``).
        days=n: simulated minutes a user-day over n days with full state, all users.
        """
        if days is None:
            return self.truth.value(policy, mode, **more)
        if mode is None:
            ranks = hasattr(policy, "recommend") and not hasattr(policy, "propensities")
            mode = "deterministic" if ranks else "plackett-luce"
        unknown = set(more) - {"start", "users", "interference"}
        if unknown:
            raise TypeError(
                f"evaluate(days=n) has no argument {', '.join(sorted(unknown))}; it "
                "takes start, users and interference"
            )
        s = self._settings(
            days, policy, mode, more.get("start", 0), more.get("users"),
            more.get("interference", ()), None, 0.0,
        )  # fmt: skip
        t = run_totals(Engine(self._market, self._plan(s)))
        here = t.present.sum(axis=1)
        mean = t.minutes.sum(axis=1)[here > 0] / here[here > 0]
        plays = t.plays().sum() / here.sum()
        se = mean.std(ddof=1) / np.sqrt(len(mean))
        return PolicyValue(
            float(t.minutes.sum(dtype=float) / here.sum()), float(plays), float(se),
            len(mean), "a user-day",
        )  # fmt: skip

    # -- people ----------------------------------------------------------------------

    def describe(self) -> str:
        """A page about this world that a person can read (observable facts only)."""
        from streamrec.worlds.streaming.report import describe

        return describe(self)

    def plot(self) -> Any:
        """An overview figure: popularity, activity, a week, exposure by language."""
        from streamrec.worlds.streaming.report import plot

        return plot(self)

    def __repr__(self) -> str:
        return (
            f"StreamingWorld(size={self.size!r}, {self._c.n_users:,} users x "
            f"{self._c.n_items:,} items, version {self.version})"
        )

    # -- truth -----------------------------------------------------------------------

    @cached_property
    def truth(self) -> Truth:
        """Potential outcomes, latent factors, the oracle: for scoring only."""
        return Truth(self)


LAST_DAY = 2**15 - 1  # of the calendar: day is stored in 16 bits


def check_day(day: Any, days: int = 1) -> int:
    """A day of the world from which ``days`` fit; ValueError if it is none."""
    whole = isinstance(day, (int, np.integer)) and not isinstance(day, bool)
    if not whole or day < 0:
        raise ValueError(f"day must be a whole number of at least 0, got {day!r}")
    if day + days - 1 > LAST_DAY:
        raise ValueError(f"the calendar of the world ends on day {LAST_DAY:,}")
    return int(day)


def _array(ids: Any, what: str) -> NDArray[Any]:
    """Ids as an array; TypeError for what is none, such as rows of unequal length."""
    try:
        return np.asarray(ids)
    except ValueError:
        raise TypeError(f"{what} must be a plain list of whole-number ids") from None


def switches(names: Iterable[str] | bool) -> frozenset[str]:
    """Interference switches as a set; True means all of them."""
    if names is True:
        return frozenset(INTERFERENCE)
    if not names:
        return frozenset()
    if not isinstance(names, Iterable):
        raise TypeError(f"interference must be a list of names, got {names!r}")
    chosen = frozenset([names] if isinstance(names, str) else names)
    unknown = chosen - set(INTERFERENCE)
    if unknown:
        raise ValueError(
            f"unknown interference {', '.join(sorted(map(str, unknown)))}; choose from "
            f"{', '.join(INTERFERENCE)}"
        )
    return chosen


def write_parts(
    engine: Engine, columns: Callable[[Day], dict[str, NDArray]], out: Path
) -> Path:
    """Stream a run to a folder of Parquet files that appears only when complete."""
    import duckdb

    if out.exists():
        raise FileExistsError(f"{out} exists; choose another folder or remove it")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    part.mkdir(parents=True)
    try:
        with duckdb.connect() as db:
            for n, days in enumerate(_blocks(engine, columns)):
                frame = views.log_table(days)
                name = str(part / f"part-{n:05d}.parquet").replace("'", "''")
                db.execute(f"COPY (SELECT * FROM frame) TO '{name}' (FORMAT parquet)")
                del frame
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _blocks(
    engine: Engine, columns: Callable[[Day], dict[str, NDArray]]
) -> Iterable[list[dict[str, NDArray]]]:
    """Days grouped by chunk and week."""
    block: list[dict[str, NDArray]] = []
    cells = None
    for day in engine.run():
        if cells is not None and day.cells is not cells:
            yield block
            block = []
        cells = day.cells
        block.append(columns(day))
    if block:
        yield block
