"""What an experiment will be judged by, written down before anyone looks.

Chapter 33. A plan is a YAML or JSON file::

    name: new-ranker
    unit: user_id                 # column: who was assigned
    variant: variant              # column: the arm
    arms: {control: 0.5, treatment: 0.5}    # planned shares, control first
    metrics:
      - {name: conversion, kind: binary, column: converted, role: primary}
      - {name: minutes, kind: mean, column: minutes, covariate: minutes_before}
      - {name: CTR, kind: ratio, column: clicks, denominator: impressions}
      - {name: crashes, kind: mean, column: crashes, role: guardrail,
         better: lower, margin: 0.02}
    balance: [minutes_before]     # columns from before, compared between arms
    segments: [country]
    day: day                      # optional column: novelty over days
    alpha: 0.05

Primary metrics are confirmatory: their p-values are adjusted together by Holm.
Secondary ones are exploratory: adjusted by Benjamini and Hochberg, and called so. A
guardrail asks whether harm beyond its margin is ruled out. A column that the plan does
not name is not analysed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamrec.production.recipe import known_entries

KINDS = ("binary", "mean", "ratio")
ROLES = ("primary", "secondary", "guardrail")


@dataclass(frozen=True)
class PlannedMetric:
    """One metric of a plan.

    kind: "binary" (did it happen), "mean" (sum over a unit's rows), "ratio" (sum of
    column over sum of denominator). covariate: the same quantity from before, for
    CUPED (means only). margin: tolerated harm of a guardrail, relative to control.
    """

    name: str
    kind: str
    column: str
    denominator: str = ""
    covariate: str = ""
    role: str = "secondary"
    better: str = "higher"
    margin: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for a metric that cannot be computed or judged."""
        who = f"metric {self.name!r}"
        _check_kinds(self, who)
        for value, allowed, what in (
            (self.kind, KINDS, "kind"),
            (self.role, ROLES, "role"),
            (self.better, ("higher", "lower"), "better"),
        ):
            if value not in allowed:
                raise ValueError(
                    f"{who}: {what} must be one of {', '.join(allowed)}, not {value!r}"
                )
        if (self.kind == "ratio") != bool(self.denominator):
            raise ValueError(f"{who}: a ratio, and only a ratio, needs a denominator")
        if self.covariate and self.kind != "mean":
            raise ValueError(f"{who}: a covariate is used for means only")
        if (self.role == "guardrail") != (self.margin > 0):
            raise ValueError(
                f"{who}: a guardrail, and only a guardrail, needs a margin above 0, "
                "relative to control"
            )


@dataclass(frozen=True)
class ExperimentPlan:
    """A validated plan; see the module's text for the file."""

    name: str
    unit: str
    variant: str
    arms: Mapping[str, float]
    metrics: tuple[PlannedMetric, ...]
    balance: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    day: str = ""
    start: str = ""
    end: str = ""
    alpha: float = 0.05
    always_valid: bool = False
    planned_units: int = 0
    registered: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for the first thing that makes the plan unusable."""
        _check_kinds(self, "the plan")
        for name in ("balance", "segments"):
            if not all(isinstance(c, str) for c in getattr(self, name)):
                raise ValueError(f"{name}: give a list of names of columns")
        for name in ("start", "end"):
            _check_date(name, getattr(self, name))
        if len(self.arms) < 2 or abs(sum(self.arms.values()) - 1) > 1e-6:
            raise ValueError(
                "arms: name at least two with shares that add up to 1, control first"
            )
        if any(not p > 0 for p in self.arms.values()):
            raise ValueError("arms: every share must be positive")
        if not self.metrics:
            raise ValueError("metrics: name at least one")
        names = [m.name for m in self.metrics]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"metrics: {', '.join(twice)} is named twice")
        if self.registered and not any(m.role == "primary" for m in self.metrics):
            raise ValueError("metrics: a plan names at least one with role: primary")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha must lie between 0 and 0.5, not {self.alpha}")
        if self.always_valid and self.planned_units < 2:
            raise ValueError("always_valid needs planned_units, the size aimed at")
        if (self.start or self.end) and not self.day:
            raise ValueError("start and end need day, the column they refer to")
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")

    @property
    def control(self) -> str:
        """The first arm."""
        return next(iter(self.arms))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ExperimentPlan:
        """Build a plan from plain values.

        Raises
        ------
        ValueError
            Naming the entry that is unknown, missing or of the wrong kind.
        """
        given = known_entries(cls, values, "the plan")
        arms = given["arms"]
        if not isinstance(arms, Mapping):
            raise ValueError("arms: give a share for each, {control: 0.5, new: 0.5}")
        try:
            given["arms"] = {str(k): float(v) for k, v in arms.items()}
        except (TypeError, ValueError):
            raise ValueError("arms: every share must be a number") from None
        rows = given["metrics"]
        if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
            raise ValueError("metrics: give a list of {name, kind, column, ...}")
        given["metrics"] = tuple(
            PlannedMetric(
                **known_entries(PlannedMetric, r, f"metric {r.get('name', '?')!r}")
            )
            for r in rows
        )
        for name in ("balance", "segments"):
            entry = given.get(name, ())
            given[name] = (entry,) if isinstance(entry, str) else tuple(entry)
        for name in ("start", "end"):
            given[name] = str(given.get(name) or "")
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    def columns(self) -> list[str]:
        """Every column of the data that the plan uses."""
        names = [self.unit, self.variant, *self.balance, *self.segments]
        names += [self.day] if self.day else []
        for m in self.metrics:
            names += [c for c in (m.column, m.denominator, m.covariate) if c]
        return list(dict.fromkeys(names))


def _check_kinds(entry: Any, where: str) -> None:
    """YAML gives a type to what it reads: 3 is no name, "0.05" in quotes no number."""
    kinds: dict[str, tuple[tuple[type, ...], str]] = {
        "str": ((str,), "text"),
        "float": ((int, float), "a number"),
        "int": ((int,), "a whole number"),
        "bool": ((bool,), "true or false"),
    }
    for field in dataclasses.fields(entry):
        if field.type not in kinds:
            continue
        allowed, what = kinds[str(field.type)]
        value = getattr(entry, field.name)
        if not isinstance(value, allowed) or (
            isinstance(value, bool) and field.type != "bool"
        ):
            raise ValueError(f"{where}: {field.name} must be {what}, not {value!r}")


def _check_date(name: str, text: str) -> None:
    from datetime import date

    try:
        date.fromisoformat(text or "2026-01-31")
    except ValueError:
        raise ValueError(f"{name}: write a date as 2026-01-31, not {text!r}") from None
