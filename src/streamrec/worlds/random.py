"""Addressed random numbers: every number has a name, none has a turn.

A generator that is *drawn from* gives its numbers out in order, so one extra draw
shifts all that follow and two policies never meet the same luck. Here a random number
is a hash of its address, ``(seed, purpose, u, i, t, ...)``: the same user meets the
same noise under any policy, in any order, in any chunk.

The hash is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators", doi 10.1145/2714064.2660195), applied once for each
part of the address.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

U64 = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)
_TO_UNIT = float(2.0**-53)


def mix(x: U64) -> U64:
    """The SplitMix64 finaliser, in place on its argument (any shape) and returned.

    >>> int(mix(np.array([1], dtype=np.uint64))[0]) == 0x5692161d100b05e5
    True
    """
    x ^= x >> _S30
    x *= _M1
    x ^= x >> _S27
    x *= _M2
    x ^= x >> _S31
    return x


def _part(values: ArrayLike) -> U64:
    a = np.asarray(values)
    if a.dtype.kind not in "iub":
        raise TypeError(
            "addresses are integers; give whole numbers, not floats or text"
        )
    return a.astype(np.uint64, copy=False)


class Addressed:
    """Random numbers addressed by ``(seed, purpose, *integers)``.

    Arguments of every method broadcast like NumPy arrays; equal addresses give equal
    numbers, on every call and in every process.

    >>> r = Addressed(7)
    >>> r.uniform("coin", 3) == r.uniform("coin", np.arange(5))[3]
    np.True_
    """

    def __init__(self, seed: int) -> None:
        if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool):
            raise TypeError("seed must be an integer")
        if not 0 <= seed < 2**63:
            raise ValueError("seed must lie in 0 .. 2**63 - 1")
        self.seed = int(seed)
        self._keys: dict[str, np.uint64] = {}

    def key(self, purpose: str) -> np.uint64:
        """The 64-bit key of a purpose in this seed."""
        if purpose not in self._keys:
            digest = hashlib.blake2b(f"{self.seed}:{purpose}".encode(), digest_size=8)
            self._keys[purpose] = np.uint64(int.from_bytes(digest.digest(), "little"))
        return self._keys[purpose]

    def bits(self, purpose: str, *address: ArrayLike) -> U64:
        """64 random bits for each address, uint64, shape of the broadcast address."""
        h = np.array(self.key(purpose), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for a in address:
                h = mix(np.atleast_1d(h + (_part(a) + np.uint64(1)) * _GOLDEN))
        shape = np.broadcast_shapes(*(np.shape(a) for a in address))
        return h.reshape(shape)

    def uniform(self, purpose: str, *address: ArrayLike) -> NDArray[np.float64]:
        """Uniform on the open interval (0, 1), 53 bits."""
        b = self.bits(purpose, *address)
        return ((b >> np.uint64(11)).astype(np.float64) + 0.5) * _TO_UNIT

    def normal(self, purpose: str, *address: ArrayLike) -> NDArray[np.float64]:
        """Standard normal, by the inverse distribution function."""
        from scipy.special import ndtri

        return ndtri(self.uniform(purpose, *address))

    def gumbel(self, purpose: str, *address: ArrayLike) -> NDArray[np.float64]:
        """Standard Gumbel, -log(-log(U))."""
        return -np.log(-np.log(self.uniform(purpose, *address)))

    def choice(
        self, purpose: str, shares: ArrayLike, *address: ArrayLike
    ) -> NDArray[np.int64]:
        """Index drawn with the given shares (they are normalised)."""
        cut = np.cumsum(np.asarray(shares, dtype=np.float64))
        return np.searchsorted(cut[:-1] / cut[-1], self.uniform(purpose, *address))


def session_bits(cell: U64, t: ArrayLike) -> U64:
    """64 bits for an opportunity: the bits of a cell (u, i) and a time stamp t.

    cell: uint64, any shape; t: integer (scalar or broadcastable). One mixing round: the
    inner loop of the simulator.
    """
    with np.errstate(over="ignore"):
        step = (_part(t) + np.uint64(1)) * _GOLDEN
        return mix(cell + step)


def fast_gumbel(
    rows: NDArray[np.uint32], columns: NDArray[np.uint32]
) -> NDArray[np.float32]:
    """Gumbel noise for every pair (row, column) from 32-bit keys: (B,), (M,) -> (B, M).

    The finaliser of MurmurHash3 on the sum of the keys, 23 bits kept: enough for the
    noise of retrieval, where 10 million pairs are needed at once.
    """
    h = rows[:, None] + columns[None, :]
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h >>= np.uint32(
        9
    )  # top 23 bits: the last fold of the finaliser moves only low ones
    g = h.astype(np.float32)
    g += np.float32(0.5)
    g *= np.float32(2.0**-23)
    np.log(g, out=g)
    np.negative(g, out=g)
    np.log(g, out=g)
    np.negative(g, out=g)
    return g


__all__ = ["Addressed", "fast_gumbel", "mix", "session_bits"]
