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
from streamrec.worlds.streaming import views
from streamrec.worlds.streaming.cells import Market
from streamrec.worlds.streaming.engine import Engine, Plan
from streamrec.worlds.streaming.policy import Contexts, Rule, check_mode
from streamrec.worlds.streaming.population import draw_items, draw_users
from streamrec.worlds.streaming.settings import INTERFERENCE, Settings, settings_for

VERSION = "1.0"


class StreamingWorld:
    """A streaming platform as a structural causal model whose truth is known."""

    version = VERSION
    LOG_COLUMNS = views.LOG_COLUMNS
    USER_COLUMNS = views.USER_COLUMNS
    ITEM_COLUMNS = views.ITEM_COLUMNS
    WEEK_COLUMNS = views.WEEK_COLUMNS
    DAILY_COLUMNS = views.DAILY_COLUMNS
    SESSION_COLUMNS = views.SESSION_COLUMNS

    def __init__(self, size: str = "small", seed: int = 0, **overrides: Any) -> None:
        c = settings_for(size, overrides)
        self.size, self.seed = size, seed
        self._c: Settings = c
        self._r = Addressed(seed)
        self._users, self._items = draw_users(self._r, c), draw_items(self._r, c)
        self._market = Market(self._r, c, self._users, self._items)
        self._runs: list[dict[str, Any]] = []

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
        from streamrec.worlds.streaming.history import ratings

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
    ) -> pd.DataFrame | Path:
        """Impressions of ``days`` days under a policy (``LOG_COLUMNS``)."""
        settings = self._settings(
            days, policy, mode, start, users, interference, feedback, epsilon, chunk
        )
        engine = Engine(self._market, self._plan(settings))
        self._runs.append(settings)
        if out is not None:
            return write_parts(engine, Path(out))
        frame = views.log_table(views.impressions(day) for day in engine.run())
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
        if not isinstance(start, (int, np.integer)) or start < 0:
            raise ValueError(f"start must be a day of at least 0, got {start!r}")
        if mode is None:
            ranks = hasattr(policy, "recommend") and not hasattr(policy, "propensities")
            mode = "deterministic" if ranks else "bernoulli"
        if not 0 <= epsilon <= 1:
            raise ValueError("epsilon must lie in [0, 1]")
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

    def _known(self, users: ArrayLike) -> NDArray[np.int64]:
        u = np.unique(np.asarray(users))
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

    # -- truth -----------------------------------------------------------------------

    @cached_property
    def truth(self) -> Any:
        """Potential outcomes, latent factors, the oracle: for scoring only."""
        from streamrec.worlds.streaming.truth import Truth

        return Truth(self)


def switches(names: Iterable[str] | bool) -> frozenset[str]:
    """Interference switches as a set; True means all of them."""
    if names is True:
        return frozenset(INTERFERENCE)
    if not names:
        return frozenset()
    chosen = frozenset([names] if isinstance(names, str) else names)
    unknown = chosen - set(INTERFERENCE)
    if unknown:
        raise ValueError(
            f"unknown interference {', '.join(sorted(unknown))}; choose from "
            f"{', '.join(INTERFERENCE)}"
        )
    return chosen


def write_parts(engine: Engine, out: Path) -> Path:
    """Stream a run to a folder of Parquet files that appears only when complete."""
    import duckdb

    if out.exists():
        raise FileExistsError(f"{out} exists; choose another folder or remove it")
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    part.mkdir(parents=True)
    try:
        with duckdb.connect() as db:
            for n, days in enumerate(_weeks(engine)):
                frame = views.log_table(days)  # noqa: F841  (read by DuckDB)
                name = part / f"part-{n:05d}.parquet"
                db.execute(f"COPY (SELECT * FROM frame) TO '{name}' (FORMAT parquet)")
                del frame
        os.replace(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return out


def _weeks(engine: Engine) -> Iterable[list[dict[str, NDArray]]]:
    """Days grouped by chunk and week."""
    block: list[dict[str, NDArray]] = []
    cells = None
    for day in engine.run():
        if cells is not None and day.cells is not cells:
            yield block
            block = []
        cells = day.cells
        block.append(views.impressions(day))
    if block:
        yield block
