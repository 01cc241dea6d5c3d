"""Assignment by a salted hash: deterministic, without a table, independent by salt.

Chapter 33. The first 53 bits of BLAKE2b(salt, unit) are a uniform number in [0, 1); the
arm is the interval of cumulated shares it falls into. The same unit gets the same arm
on every machine and day; another salt shuffles all units anew, so that experiments do
not inherit each other's groups. Raising the share of the last arm moves units only into
it, never between the others, when its shares are listed in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from math import isclose
from typing import Any

import numpy as np
from numpy.typing import NDArray


def uniform(units: Iterable[Any], salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each unit, (n,), a function of unit and salt alone.

    Units are hashed by their text: 17 and "17" are the same unit, 17.0 is not.

    >>> uniform(["ann", "bob"], "banner").round(3)
    array([0.864, 0.034])
    """
    if not salt:
        raise ValueError("give the experiment a salt, for example its name and date")
    seeded = blake2b(f"{len(salt)}:{salt}:".encode(), digest_size=8)

    def draw(unit: Any) -> int:
        h = seeded.copy()
        h.update(str(unit).encode())
        return int.from_bytes(h.digest(), "big") >> 11

    bits = np.fromiter((draw(u) for u in units), np.int64)
    return np.asarray(bits * 2.0**-53, np.float64)


def assign(
    units: Iterable[Any], shares: Mapping[str, float], salt: str
) -> NDArray[np.str_]:
    """Arm of each unit, (n,).

    ``shares``: arm -> share, in a fixed order, adding up to 1.

    >>> assign(["ann", "bob", "eve"], {"control": 0.5, "new": 0.5}, "banner").tolist()
    ['new', 'control', 'control']
    """
    names, p = list(shares), np.array(list(shares.values()), float)
    if len(names) < 2:
        raise ValueError("an experiment has at least two arms")
    if not (p > 0).all() or not isclose(p.sum(), 1.0, abs_tol=1e-9):
        raise ValueError(f"shares must be positive and add up to 1, not {dict(shares)}")
    edges = np.cumsum(p)[:-1]
    places = np.searchsorted(edges, uniform(units, salt), side="right")
    return np.array(names)[places]
