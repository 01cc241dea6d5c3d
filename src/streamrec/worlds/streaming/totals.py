"""Runs that keep only totals by user and day: experiments, retention, policy values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrec.worlds.streaming.engine import Day, Engine

COUNTS = (
    "sessions",
    "shelf_impressions",
    "shelf_clicks",
    "organic_impressions",
    "organic_clicks",
)


@dataclass
class Totals:
    """Totals of a run: arrays (users, days), rows in the order of ``who``."""

    who: NDArray[np.int64]
    start: int
    minutes: NDArray[np.float32]
    counts: dict[str, NDArray[np.int16]]
    present: NDArray[np.bool_]  # registered and not gone
    left: NDArray[np.int32]  # first day gone, by user
    exposure: NDArray[np.float64]  # (N,) carousel impressions of each item

    def plays(self) -> NDArray[np.int16]:
        """All plays, carousel and organic: (users, days)."""
        return self.counts["shelf_clicks"] + self.counts["organic_clicks"]


def run_totals(engine: Engine) -> Totals:
    """Run an engine to the end and keep totals only."""
    p, n = engine.p, len(engine.who)
    shape = (n, p.days)
    out = Totals(
        who=engine.who,
        start=p.start,
        minutes=np.zeros(shape, np.float32),
        counts={k: np.zeros(shape, np.int16) for k in COUNTS},
        present=np.zeros(shape, bool),
        left=np.zeros(0, np.int32),
        exposure=np.zeros(engine.c.n_items),
    )
    for t in engine.run():
        _add(out, t)
    out.left = engine.state.left[engine.who]
    return out


def _add(out: Totals, t: Day) -> None:
    at = np.searchsorted(out.who, t.cells.u)
    d, B = t.day - out.start, len(at)
    shelf, play = t.slot > 0, t.play
    visit = t.row.astype(np.int64) * 8 + t.session
    visits = np.flatnonzero(np.diff(visit, prepend=-1) != 0)
    rows = {
        "sessions": t.row[visits],
        "shelf_impressions": t.row[shelf],
        "shelf_clicks": t.row[shelf & play],
        "organic_impressions": t.row[~shelf],
        "organic_clicks": t.row[~shelf & play],
    }
    for name, r in rows.items():
        out.counts[name][at, d] = np.bincount(r, minlength=B)
    out.minutes[at, d] = np.bincount(t.row, weights=t.minutes, minlength=B)
    out.present[at[t.alive], d] = True
    item = t.cells.items.ravel()[t.flat[shelf]]
    out.exposure += np.bincount(item, minlength=len(out.exposure))
