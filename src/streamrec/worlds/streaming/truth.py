"""What only the world knows. Estimators never see this; scores do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.worlds.streaming import views
from streamrec.worlds.streaming.engine import Engine

if TYPE_CHECKING:
    from streamrec.worlds.streaming.world import StreamingWorld


def _key(user: NDArray, item: NDArray, week: NDArray) -> NDArray[np.int64]:
    return (week.astype(np.int64) << 46) | (user.astype(np.int64) << 20) | item


class Truth:
    """Potential outcomes and latent quantities of one world."""

    def __init__(self, world: StreamingWorld) -> None:
        self._w = world
        self._cache: dict[int, tuple[NDArray, ...]] = {}

    def _run(self, frame: pd.DataFrame, run: int | None) -> int:
        if not self._w._runs:
            raise ValueError("make a log first: the truth belongs to a run of log()")
        return frame.attrs.get("run", len(self._w._runs) - 1) if run is None else run

    def _cells(self, run: int) -> tuple[NDArray, ...]:
        """Sorted keys, y0, y1, e of every cell of a run, by repeating the run."""
        if run in self._cache:
            return self._cache[run]
        settings = self._w._runs[run]
        if settings["mode"] != "bernoulli" or settings["interference"]:
            raise ValueError(
                "potential outcomes of a cell are defined for bernoulli logging with "
                "interference off; this log used mode="
                f"{settings['mode']!r}, interference={set(settings['interference'])}"
            )
        engine = Engine(self._w._market, self._w._plan(settings, both=True))
        blocks: list[tuple[NDArray, ...]] = []
        state: dict[str, Any] = {"cells": None}
        for t in engine.run():
            if t.cells is not state["cells"]:
                self._close(state, blocks)
                zero = np.zeros(t.cells.items.size)
                state = {"cells": t.cells, "y0": zero, "y1": zero.copy(), "n": zero.copy()}
            long, size = t.extra["long"], t.cells.items.size
            for name in ("0", "1"):
                w = long * t.extra["play" + name]
                state["y" + name] += np.bincount(t.flat, weights=w, minlength=size)
            state["n"] += np.bincount(t.flat, minlength=size)
        self._close(state, blocks)
        table = tuple(np.concatenate(x) for x in zip(*blocks, strict=True))
        order = np.argsort(table[0])
        self._cache = {run: tuple(x[order] for x in table)}
        return self._cache[run]

    def _close(self, state: dict[str, Any], blocks: list[tuple[NDArray, ...]]) -> None:
        cells = state["cells"]
        if cells is None:
            return
        at = np.flatnonzero(state["n"])
        user = cells.u[at // cells.shape[1]]
        key = _key(user, cells.items.ravel()[at], np.full(len(at), cells.week))
        blocks.append((key, state["y0"][at], state["y1"][at]))

    def outcomes(self, week: pd.DataFrame, run: int | None = None) -> pd.DataFrame:
        """Minutes without and with the recommendation for each row: y0, y1."""
        views.need(week, ("user", "item", "week"), "truth.outcomes")
        keys, y0, y1 = self._cells(self._run(week, run))
        key = _key(*(week[k].to_numpy() for k in ("user", "item", "week")))
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        if (keys[at] != key).any():
            raise KeyError("some rows are not cells of this run; pass run=")
        return pd.DataFrame({"y0": y0[at], "y1": y1[at]}, index=week.index)
