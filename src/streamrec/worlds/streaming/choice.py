"""One session: who sees what, where, and what is played.

P(play | recommended, slot k) = k^-eta_u sigma(kappa_rec + lift_ui + lam s)  (eq-rec)
P(play | organic)             =          sigma(kappa_org + find_i + r lam s) (eq-org)

One 64-bit number serves each opportunity (u, i, t): 16 bits decide whether the item
appears in the session and, if it is met by chance, whether by search or by browsing;
24 bits place it and decide examination, 24 bits are the U of the play, the same in
both arms. What the log shows of an organic impression must not depend on the 24 bits
of examination: they decide what a recommendation would have done.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from streamrec.worlds.random import mix, session_bits
from streamrec.worlds.streaming.policy import sample_slate

F32 = NDArray[np.float32]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNIT24 = np.float32(2.0**-24)
LOG_SLOT = np.concatenate([[0.0], np.log(np.arange(1, 65))]).astype(np.float32)


@dataclass
class Draw:
    """The numbers of the opportunities of a session, (R, C) each."""

    bits: NDArray[np.uint64]

    def appears(self, share: float) -> NDArray[np.bool_]:
        """Which cells appear in the session, each with this probability."""
        low = (self.bits & np.uint64(0xFFFF)).astype(np.uint16)
        return low < np.uint16(min(round(share * 65536), 65535))


def play_uniform(bits: NDArray[np.uint64]) -> F32:
    """U of the play, 24 bits, in (0, 1)."""
    return ((bits >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * _UNIT24


def place(bits: NDArray[np.uint64], k: int) -> tuple[NDArray[np.int8], F32]:
    """A random slot 1..k and the examination uniform V, from the middle 24 bits."""
    w = ((bits >> np.uint64(16)) & np.uint64(0xFFFFFF)).astype(np.float32)
    w = (w + np.float32(0.5)) * (np.float32(k) * _UNIT24)
    slot = w.astype(np.int8)
    return slot + np.int8(1), w - slot


def by_search(bits: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether an organic impression comes from search (35 %), from the low 16 bits."""
    return (bits & np.uint64(0xFFFF)) % np.uint64(100) < np.uint64(35)


def slate_gumbel(bits: NDArray[np.uint64]) -> F32:
    """Gumbel noise of the slate, from a further mixing of the same address."""
    with np.errstate(over="ignore"):
        b = mix(bits + _GOLDEN)
    u = ((b >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) * np.float32(
        2.0**-23
    )
    return -np.log(-np.log(u))


def draw_session(h: NDArray[np.uint64], t: int) -> NDArray[np.uint64]:
    """Bits of every cell for session t (day * 8 + number in the day)."""
    return session_bits(h, t)


def slate_positions(
    w: F32, bits: NDArray[np.uint64], k: int, deterministic: bool
) -> tuple[NDArray[np.int8], F32]:
    """Slots (0 outside the carousel) and their probabilities (NaN there): (R, C)."""
    R, C = w.shape
    noise = np.zeros_like(w) if deterministic else slate_gumbel(bits)
    best, prob = sample_slate(w, noise, k)
    slot = np.zeros((R, C), dtype=np.int8)
    rows = np.arange(R)[:, None]
    slot[rows, best] = np.arange(1, k + 1, dtype=np.int8)
    p = np.full((R, C), np.nan, dtype=np.float32)
    p[rows, best] = 1.0 if deterministic else prob
    return slot, p


def sigmoid(z: F32) -> F32:
    """1 / (1 + exp(-z)), in place on z."""
    np.negative(z, out=z)
    np.exp(z, out=z)
    z += np.float32(1)
    np.reciprocal(z, out=z)
    return z


def examination(slot: NDArray[np.int8], eta: F32) -> F32:
    """theta_k = k ** -eta."""
    return np.exp(-eta * LOG_SLOT[slot])


def completion(
    bits: NDArray[np.uint64], s: F32, mu: float, slope: float, sd: float
) -> tuple[F32, NDArray[np.uint64]]:
    """Share of the item that is played, and bits for what follows (rating)."""
    with np.errstate(over="ignore"):
        b = mix(bits * np.uint64(3) + _GOLDEN)
    u = ((b >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    share = np.exp(mu + slope * s + sd * ndtri(u))
    return np.minimum(share, 1.0).astype(np.float32), b


def rate(
    bits: NDArray[np.uint64], s: F32, quality: F32, share: float
) -> NDArray[np.float32]:
    """Ratings 1..5 of the plays that are rated, NaN elsewhere."""
    with np.errstate(over="ignore"):
        b = mix(bits + _GOLDEN)
    asked = (b & np.uint64(0xFFFF)).astype(np.float64) < share * 65536
    u = ((b >> np.uint64(16)).astype(np.float64) + 0.5) * 2.0**-48
    value = 3.35 + 0.45 * s + 0.35 * quality + 0.75 * ndtri(np.minimum(u, 1 - 1e-12))
    return np.where(asked, np.clip(np.rint(value), 1, 5), np.nan).astype(np.float32)


def apply_budget(
    row: NDArray, order: NDArray, minutes: F32, budget: F32
) -> NDArray[np.bool_]:
    """Which plays fit the day: a play starts only while the budget is not used up.

    row: (P,) user row of each play; order: its place in time; budget: (B,) minutes.
    """
    by = np.lexsort((order, row))
    m, r = minutes[by].astype(np.float64), row[by]
    total = np.cumsum(m)
    first = np.concatenate([[True], r[1:] != r[:-1]]) if len(r) else np.zeros(0, bool)
    before = total - m
    start = np.maximum.accumulate(np.where(first, before, 0.0))
    kept = np.empty(len(row), dtype=bool)
    kept[by] = before - start < budget[r]
    return kept


def mixed_slate(
    w: F32, bits: NDArray[np.uint64], k: int, epsilon: float
) -> tuple[NDArray[np.int8], F32]:
    """A Plackett-Luce slate whose every slot is uniform with probability epsilon.

    P(slot = i | earlier) = (1 - eps) w_i / sum left + eps / number left.
    """
    R, C = w.shape
    left = np.exp(w - w.max(axis=1, keepdims=True), dtype=np.float64)
    open_ = np.ones((R, C), dtype=bool)
    slot = np.zeros((R, C), dtype=np.int8)
    prob = np.full((R, C), np.nan, dtype=np.float32)
    rows = np.arange(R)
    with np.errstate(over="ignore"):
        seed = mix(bits[:, 0] + _GOLDEN * np.uint64(5))
    for place_ in range(1, k + 1):
        u = ((session_bits(seed, place_) >> np.uint64(11)) + 0.5) * 2.0**-53
        share = left / left.sum(axis=1, keepdims=True)
        q = (1 - epsilon) * share + epsilon * open_ / open_.sum(axis=1, keepdims=True)
        cut = np.cumsum(q, axis=1)
        hit = np.minimum((cut < u[:, None] * cut[:, -1:]).sum(axis=1), C - 1)
        slot[rows, hit] = place_
        prob[rows, hit] = q[rows, hit]
        left[rows, hit] = 0
        open_[rows, hit] = False
    return slot, prob
