"""Static choice: the utility behind candidates and behind the ratings view.

v_ui = w_u p_i + sum_d l_d a_ud b_id + phi F_{u,c(i)} + ell L_{u,g(i)}  (eq-utility)

and a user's set of n items is the top n of v_ui + tau_u Gumbel, which is sampling
without replacement with probabilities softmax(v / tau).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamrec.worlds.random import Addressed, fast_gumbel
from streamrec.worlds.streaming.population import Items, Users, taste_weights
from streamrec.worlds.streaming.settings import Settings

F32 = NDArray[np.float32]
_LOW = np.uint64(0xFFFFFFFF)


def _low(x: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return (x & _LOW).astype(np.uint32)


class Utility:
    """Utilities and their noise for blocks of users and pools of items."""

    def __init__(self, r: Addressed, c: Settings, users: Users, items: Items) -> None:
        self.c, self.users, self.items = c, users, items
        self.l = taste_weights(c)
        N, n_creators = c.n_items, items.n_creators
        self._ku = _low(r.bits("choice user", np.arange(c.n_users)))
        self._fan_u = _low(r.bits("fan user", np.arange(c.n_users)))
        self._fan_c = _low(r.bits("fan creator", np.arange(n_creators)))
        self._phase = (r.bits("phase", np.arange(N)) % np.uint64(64)).astype(np.int64)
        self._r = r
        self._cut = np.float32(-np.log(-np.log(1 - c.fan_share)))

    def follows(self, u: NDArray[np.int64], creators: NDArray) -> NDArray[np.bool_]:
        """F_uc for every pair: (B,), (M,) -> (B, M) bool."""
        return fast_gumbel(self._fan_u[u], self._fan_c[creators]) > self._cut

    def follows_cell(self, u: NDArray[np.int64], creators: NDArray) -> NDArray:
        """F_uc cell by cell: u (B,), creators (B, C) -> (B, C) bool."""
        B, C = creators.shape
        rows = np.broadcast_to(self._fan_u[u][:, None], (B, C)).reshape(-1)
        h = (rows + self._fan_c[creators.reshape(-1)])[:, None]
        g = fast_gumbel(h[:, 0], np.zeros(1, dtype=np.uint32))
        return g.reshape(B, C) > self._cut

    def reads(self, u: NDArray[np.int64], language: NDArray) -> NDArray[np.bool_]:
        """L_ug: whether the user reads the language; language broadcasts to (B, .)."""
        first, second = self.users.primary[u][:, None], self.users.second[u][:, None]
        return (language == first) | (language == second)

    def block(
        self,
        u: NDArray[np.int64],
        pool: NDArray[np.int64],
        a: F32,
        pull: F32 | None = None,
    ) -> F32:
        """v_ui for users u (B,) with tastes a (B, D) and items pool (M,): (B, M)."""
        c, it = self.c, self.items
        p = it.pull[pool] if pull is None else pull[pool]
        left = np.concatenate([a * self.l, self.users.conformity[u][:, None]], axis=1)
        right = np.concatenate([it.b[pool], p[:, None]], axis=1)
        v = left.astype(np.float32) @ right.T.astype(np.float32)
        made, where = np.unique(it.creator[pool], return_inverse=True)
        bonus = c.fan_boost * self.follows(u, made).astype(np.float32)
        lang = c.language_boost * self.reads(u, np.arange(8, dtype=np.int8)[None, :])
        v += np.take(bonus, where, axis=1)
        v += np.take(lang.astype(np.float32), it.language[pool], axis=1)
        return v

    def noise(self, u: NDArray[np.int64], pool: NDArray[np.int64], week: int) -> F32:
        """tau_u Gumbel_ui; an item's part is redrawn every refresh_weeks: (B, M)."""
        every = self.c.refresh_weeks
        epoch = (week + self._phase[pool] % every) // every
        k_i = (self._r.bits("choice item", pool, epoch) & _LOW).astype(np.uint32)
        return self.users.temperature[u][:, None] * fast_gumbel(self._ku[u], k_i)


def top(scores: F32, k: int) -> NDArray[np.int64]:
    """Columns of the k largest of each row, in column order: (B, M) -> (B, k)."""
    B, M = scores.shape
    if k >= M:
        return np.broadcast_to(np.arange(M), (B, M)).copy()
    cut = np.partition(scores, M - k, axis=1)[:, M - k]
    mask = scores >= cut[:, None]
    extra = mask.sum(axis=1) - k  # ties at the cut: drop the last of them
    for row in np.flatnonzero(extra):
        mask[row, np.flatnonzero(scores[row] == cut[row])[-extra[row] :]] = False
    return (np.flatnonzero(mask) % M).reshape(B, k)
