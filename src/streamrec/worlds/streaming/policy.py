"""Logging policies in three modes, with their exact probabilities.

bernoulli       every candidate of the week is recommended independently with
                probability e_ui; the order in the carousel is random.
plackett-luce   each session draws a slate without replacement,
                P(slot k = i | earlier) = w_i / sum of w not yet placed;
                by Gumbel top-k, as log w_i + Gumbel_i sorted has that law.
deterministic   the k best in order: no overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrec.worlds.streaming.cells import Cells
from streamrec.worlds.streaming.settings import MODES, Settings

F32 = NDArray[np.float32]
BUILT_IN = ("incumbent", "challenger", "uniform", "popular")


@dataclass(frozen=True)
class Contexts:
    """What a policy sees when it chooses: observable things only.

    users: (B,) ids. items: (B, N) candidate item ids. scores: (B, N) the incumbent's
    recorded score of each candidate (about mean 0, SD 1). day: first day on which the
    choice is used. k: places in the carousel.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]
    day: int
    k: int = 10

    def __len__(self) -> int:
        return len(self.users)


def validate(P: ArrayLike, shape: tuple[int, int], mode: str, k: int) -> NDArray:
    """Propensities of a policy, checked for its mode; ValueError says what is wrong."""
    try:
        P = np.asarray(P)
        if P.dtype.kind not in "biuf":
            raise TypeError
        P = P.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(
            f"a policy must return an array of numbers of shape {shape} (users x "
            "candidates): the propensities of contexts.items"
        ) from None
    if P.shape != shape:
        raise ValueError(
            f"propensities must have shape {shape} (users x candidates), got {P.shape}"
        )
    if not np.isfinite(P).all() or (P < 0).any() or (P > 1 + 1e-9).any():
        raise ValueError("propensities must be finite and lie between 0 and 1")
    if mode == "plackett-luce":
        if np.abs(P.sum(axis=1) - 1).max() > 1e-6:
            raise ValueError(
                "plackett-luce propensities are those of the first slot: every row "
                "must sum to 1"
            )
        if ((P > 0).sum(axis=1) < k).any():
            raise ValueError(
                f"plackett-luce needs at least {k} candidates with positive probability"
            )
    if mode == "deterministic":
        if not np.isin(P, (0.0, 1.0)).all() or (P.sum(axis=1) != k).any():
            raise ValueError(
                f"deterministic propensities are 0 or 1 with exactly {k} ones in a row"
            )
    return P


def check_mode(mode: str) -> str:
    """The mode, if it is one; ValueError lists the modes."""
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}; choose one of {', '.join(MODES)}")
    return mode


def incumbent_propensity(x: F32, c: Settings) -> F32:
    """E = sigma(alpha + gamma x), clipped to [clip_low, clip_high]."""  # eq-propensity
    e = 1 / (1 + np.exp(-(np.float32(c.alpha) + np.float32(c.gamma) * x)))
    return np.clip(e, np.float32(c.clip_low), np.float32(c.clip_high))


class Rule:
    """A policy made ready for the simulator in one mode.

    ``weights(cells)`` gives (B, C): probabilities (bernoulli), log weights
    (plackett-luce) or a ranking key (deterministic); ``slates(u, week)`` gives the
    (B, k) items of a recommender that ranks the whole catalogue, or None.
    """

    def __init__(self, policy: Any, mode: str, c: Settings) -> None:
        self.mode, self.c, self.policy = check_mode(mode), c, policy
        self._ask = None if isinstance(policy, str) else _asker(policy)
        self._rank = getattr(policy, "recommend", None)
        if isinstance(policy, str) and policy not in BUILT_IN:
            raise ValueError(
                f"unknown policy {policy!r}; choose one of {', '.join(BUILT_IN)}, or "
                "give an object with propensities(contexts) or recommend(users, k)"
            )
        if self._ask is None and not isinstance(policy, str):
            if self._rank is None:
                raise TypeError(
                    "a policy is a name, a callable, or an object with "
                    "propensities(contexts) or recommend(users, k)"
                )
            if mode != "deterministic":
                raise ValueError(
                    "a recommender without propensities runs in mode='deterministic'"
                )

    def slates(self, u: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The recommender's own lists; None for a policy over the candidates."""
        if self._rank is None or self._ask is not None:
            return None
        answer = self._rank(u.copy(), self.c.slate)
        lists = np.asarray(getattr(answer, "items", answer))
        if lists.shape != (len(u), self.c.slate):
            raise ValueError(
                f"recommend must return {self.c.slate} items for each of {len(u)} "
                f"users, got shape {lists.shape}"
            )
        if lists.dtype.kind not in "iu":
            raise TypeError("recommended items must be whole-number item ids")
        if (lists < 0).any() or (lists >= self.c.n_items).any():
            bad = lists[(lists < 0) | (lists >= self.c.n_items)][0]
            raise ValueError(
                f"the policy recommends unknown item {bad}; items are 0 .. "
                f"{self.c.n_items - 1}"
            )
        ordered = np.sort(lists, axis=1)
        if (ordered[:, 1:] == ordered[:, :-1]).any():
            raise ValueError("a slate holds the same item twice")
        return lists.astype(np.int64)

    def weights(self, cells: Cells, slates: NDArray[np.int64] | None = None) -> F32:
        """(B, C) weights of this rule in its mode."""
        if slates is not None:
            key = np.full(cells.shape, -np.inf, dtype=np.float32)
            for slot in range(slates.shape[1]):
                key[cells.items == slates[:, slot, None]] = -slot
            return key
        if self._ask is None:
            return self._built_in(cells)
        contexts = Contexts(
            cells.u.copy(),
            cells.items.copy(),
            cells.x.copy(),
            7 * cells.week,
            self.c.slate,
        )
        P = validate(self._ask(contexts), cells.shape, self.mode, self.c.slate)
        if self.mode == "bernoulli":
            return P.astype(np.float32)
        if self.mode == "plackett-luce":
            with np.errstate(divide="ignore"):
                return np.log(P).astype(np.float32)
        return np.where(P > 0, cells.x, -np.inf).astype(np.float32)

    def _built_in(self, cells: Cells) -> F32:
        x, c = self._score(cells), self.c
        if self.mode == "bernoulli":
            if self.policy == "uniform":
                return np.full(cells.shape, c.slate / c.session_items, dtype=np.float32)
            return incumbent_propensity(x, c)
        if self.mode == "plackett-luce":
            return np.float32(c.slate_sharpness) * x
        return x

    def _score(self, cells: Cells) -> F32:
        if self.policy == "uniform":
            return np.zeros(cells.shape, dtype=np.float32)
        if self.policy == "challenger":
            part = np.float32(self.c.challenger)
            return cells.x + part * cells.fresh
        if self.policy == "popular":  # the pull in SD, which makes things found
            part = np.float32(self.c.find_popular)
            return (cells.org - np.float32(self.c.kappa_org)) / (part or np.float32(1))
        return cells.x

    def choice(self, cells: Cells, w: F32) -> F32:
        """Probabilities really used in bernoulli mode (w unless hidden)."""
        h = self.c.hidden_confounding
        if not h or self.policy != "incumbent":
            return w
        return incumbent_propensity(cells.x + np.float32(h) * cells.mood, self.c)


def _asker(policy: Any) -> Callable[[Contexts], Any] | None:
    if hasattr(policy, "propensities"):
        return policy.propensities
    if hasattr(policy, "recommend"):
        return None
    return policy if callable(policy) else None


def sample_slate(
    logits: F32, gumbel: F32, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Plackett-Luce slates by Gumbel top-k, with the probability of each slot.

    logits, gumbel: (B, C) -> columns (B, k) in slot order and their conditional
    probabilities P(slot k | earlier slots), (B, k). For ``-inf`` logits probability 0.
    """
    B = len(logits)
    key = logits + gumbel
    best = np.argpartition(key, -k, axis=1)[:, -k:]
    rows = np.arange(B)[:, None]
    best = best[rows, np.argsort(-key[rows, best], axis=1)]
    w = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    chosen = w[rows, best]
    left = w.sum(axis=1, keepdims=True) - np.cumsum(chosen, axis=1) + chosen
    return best, np.minimum(chosen / np.maximum(left, 1e-300), 1.0)


def inclusion_probabilities(
    logits: ArrayLike, k: int, nodes: int = 48
) -> NDArray[np.float64]:
    """Marginal probability that each candidate enters a Plackett-Luce slate of k.

    Give candidate j an exponential clock of rate w_j = exp(logit_j); the slate is the
    first k to ring. Then P(i in slate) is the integral over t of w_i exp(-w_i t) times
    the probability that fewer than k others have rung by t, a Poisson-binomial tail;
    evaluated by Gauss-Legendre quadrature in v = exp(-W t / k).

    logits: (B, C) -> (B, C); rows sum to k. ValueError if k is not in 1 .. C.

    >>> inclusion_probabilities([[0.0, 0.0, 0.0, 0.0]], 2).round(6)
    array([[0.5, 0.5, 0.5, 0.5]])
    """
    z = np.atleast_2d(np.asarray(logits, dtype=np.float64))
    B, C = z.shape
    if not 1 <= k <= C:
        raise ValueError(f"k must lie in 1 .. {C}")
    if k == C:
        return np.ones((B, C))
    w = np.exp(z - z.max(axis=1, keepdims=True))
    w *= C / w.sum(axis=1, keepdims=True)
    g, weight = np.polynomial.legendre.leggauss(nodes)
    v, weight = (g + 1) / 2, weight / 2
    P = np.zeros((B, C))
    power = 3.0  # t = -power log v: spreads the nodes over slow and fast clocks
    for vn, wn in zip(v, weight, strict=True):
        t = -power * np.log(vn)
        p = -np.expm1(-w * t)  # (B, C) rung by t
        density = w * (1 - p) * power / vn
        P += wn * density * _fewer_than(p, k)
    return P * (k / P.sum(axis=1, keepdims=True))


def _fewer_than(p: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """P(fewer than k of the others succeed), leaving each one out in turn: (B, C)."""
    B, C = p.shape
    ahead = np.zeros((C + 1, B, k))  # counts among the first j
    behind = np.zeros((C + 1, B, k))  # counts among those after j
    ahead[0, :, 0] = behind[C, :, 0] = 1
    for j in range(C):
        ahead[j + 1] = _add(ahead[j], p[:, j])
        behind[C - j - 1] = _add(behind[C - j], p[:, C - j - 1])
    tail = np.cumsum(behind, axis=2)[:, :, ::-1]  # P(count after j <= k - 1 - m)
    return np.einsum("jbm,jbm->bj", ahead[:C], tail[1:])


def _add(counts: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    out = counts * (1 - p)[:, None]
    out[:, 1:] += counts[:, :-1] * p[:, None]
    return out
