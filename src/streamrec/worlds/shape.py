"""What the small worlds share: streams of random numbers, sizes, estimands, pages.

Every random quantity has its own stream, keyed by the seed and by its purpose. Turning
a dial therefore changes what the dial is about and nothing else: two worlds with the
same seed have the same patients, applicants or weather.
"""

from __future__ import annotations

import dataclasses
import tomllib
import zlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple, TypeVar

import numpy as np

P = TypeVar("P")


class WorldError(ValueError):
    """A world was asked for something it cannot make."""


class Row(NamedTuple):
    """One line of a calibration table; ``tolerance`` is absolute, in the same unit."""

    name: str
    canon: float
    measured: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether the measured value is inside canon +- tolerance."""
        return bool(abs(self.measured - self.canon) <= self.tolerance)


class Page(str):
    """Text that a notebook shows as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclasses.dataclass(frozen=True)
class Estimand:
    """A true effect: ``sample`` in the units of this world, ``population`` over worlds.

    ``sample`` averages the realised potential outcomes of the units that define it;
    ``population`` is its expectation over worlds with the same parameters.

    Examples
    --------
    >>> float(Estimand("ATE", sample=-4.1, population=-4.2, n=10, unit="points"))
    -4.2
    """

    name: str
    sample: float
    population: float
    n: int
    unit: str

    def __float__(self) -> float:
        return self.population


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator addressed by (seed, purpose).

    Examples
    --------
    >>> a, b = stream(0, "age").random(), stream(0, "age").random()
    >>> a == b, a == stream(0, "sex").random()
    (True, False)
    """
    key = zlib.crc32(purpose.encode())
    return np.random.Generator(
        np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(key,)))
    )


def check_seed(seed: Any) -> int:
    """Return the seed as an integer, or say what a seed is."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise WorldError(f"seed must be an integer of 0 or more, not {seed!r}.")
    return int(seed)


def parameters(
    cls: type[P],
    sizes: Mapping[str, Mapping[str, Any]],
    size: str,
    overrides: Mapping[str, Any],
    counts: tuple[str, ...],
) -> P:
    """Build a parameter object from a named size and the caller's overrides.

    Raises
    ------
    WorldError
        If the size is unknown, or a count is not a whole number of at least one.
    TypeError
        If an override names no parameter, or a dial is not given a number.
    """
    if not isinstance(size, str) or size not in sizes:
        raise WorldError(f"unknown size {size!r}; choose from {', '.join(sizes)}.")
    known = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise TypeError(
            f"unknown parameter {unknown[0]!r}; {cls.__name__} has {', '.join(known)}."
        )
    values = {**sizes[size], **overrides}
    for f in dataclasses.fields(cls):  # type: ignore[arg-type]
        value = values.get(f.name, f.default)
        number = isinstance(value, (int, float, np.number))
        if isinstance(f.default, float) and (not number or isinstance(value, bool)):
            raise TypeError(f"{f.name} must be a number, not {value!r}.")
    result = cls(**values)
    for name in counts:
        value = getattr(result, name)
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < 1:
            raise WorldError(
                f"{name} must be a whole number of at least 1, not {value!r}."
            )
    for name in known:
        value = getattr(result, name)
        if isinstance(value, float) and not np.isfinite(value):
            raise WorldError(f"{name} must be a finite number, not {value!r}.")
    return result


def check_share(name: str, value: float) -> None:
    """Raise unless 0 <= value <= 1."""
    if not 0 <= value <= 1:
        raise WorldError(f"{name} is a share: give a number from 0 to 1, not {value}.")


@lru_cache(maxsize=1)
def _canon_file() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("canon.toml").read_text("utf-8")
    return tomllib.loads(text)


def canon_of(world: str) -> dict[str, Any]:
    """Return the canonical figures of one world, as canon.toml states them.

    Examples
    --------
    >>> canon_of("medicore")["ate_points"]
    -4.2
    """
    return dict(_canon_file()[world])


def page(title: str, *sections: tuple[str, list[str]]) -> Page:
    """Lay out a describe() page: a title, then headed lists of lines."""
    lines = [title, "=" * len(title)]
    for head, body in sections:
        lines += ["", head, "-" * len(head), *body]
    return Page("\n".join(lines))
