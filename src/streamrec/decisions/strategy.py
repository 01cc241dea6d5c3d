"""The strategy document of Chapter 38, and a validator that knows its brief.

``read`` takes Markdown or JSON, ``check`` returns findings, each with the name of the
rule that found it. A document with no finding is complete and consistent; whether it
is *right* is a matter for readers and the rubric.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from streamrec.decisions.portfolio import CycleError, order
from streamrec.decisions.records import (
    LEVELS,
    LINE,
    PROSE,
    BuildOrBuy,
    Outcome,
    Record,
    Row,
    _choice,
)

QUARTER = re.compile(r"\d{4} Q[1-4]")
VISION = 200  # characters
LEAST = {
    "bets": 3,
    "team": 3,
    "metrics": 3,
    "quarters": 4,
    "risks": 2,
    "build_or_buy": 2,
}
MOST_BETS = 5


# ------------------------------------------------------------------ the document


@dataclass(frozen=True)
class Bet(Record):
    """One bet: a page that says what, why, how (against what else), when, who, metric.

    The expected effect is an interval on the metric's change, in the metric's unit,
    with the evidence behind it.
    """

    title: str
    key: str
    serves: tuple[str, ...] = field(metadata=LINE)
    depends_on: tuple[str, ...] = field(metadata=LINE)
    first_quarter: str
    last_quarter: str
    owner: str
    people: tuple[str, ...] = field(metadata=LINE)
    vendors: tuple[str, ...] = field(metadata=LINE)
    metric: str
    effect_low: float | None
    effect_high: float | None
    evidence: str
    what: str = field(metadata=PROSE)
    why: str = field(metadata=PROSE)
    how: str = field(metadata=PROSE)
    alternatives: tuple[str, ...] = ()

    def _validate(self) -> None:
        for q in (self.first_quarter, self.last_quarter):
            _quarter(q, f"bet {self.title!r}")


@dataclass(frozen=True)
class TeamEntry(Row):
    """A role, how many people, what they are good at, what is missing."""

    role: str
    people: int
    strengths: str
    gap: str


@dataclass(frozen=True)
class Metric(Row):
    """A measure of a priority (or a guardrail): baseline, target, date."""

    name: str
    priority: str
    unit: str
    baseline: float | None
    target: float | None
    due: date | None


@dataclass(frozen=True)
class Allocation(Row):
    """Person-weeks of a role for a bet in a quarter."""

    quarter: str
    bet: str
    role: str
    person_weeks: float

    def _validate(self) -> None:
        _quarter(self.quarter, "the allocation")
        if self.person_weeks < 0:
            raise ValueError("person-weeks cannot be negative")


@dataclass(frozen=True)
class Risk(Row):
    """What may go wrong, how likely, how bad, what is done, who watches."""

    risk: str
    likelihood: str
    impact: str
    mitigation: str
    owner: str

    def _validate(self) -> None:
        for x in (self.likelihood, self.impact):
            _choice(x, LEVELS, f"likelihood and impact of {self.risk!r}")


@dataclass(frozen=True)
class Strategy(Record):
    """The strategy document: six sections and what ties them together."""

    title: str
    author: str
    day: date
    vision: str = field(metadata=PROSE)
    bets: tuple[Bet, ...] = ()
    team: tuple[TeamEntry, ...] = ()
    metrics: tuple[Metric, ...] = ()
    roadmap: tuple[Outcome, ...] = ()
    allocation: tuple[Allocation, ...] = ()
    risks: tuple[Risk, ...] = ()
    build_or_buy: tuple[BuildOrBuy, ...] = ()

    def _validate(self) -> None:
        for o in self.roadmap:
            _quarter(o.quarter, "the roadmap")


def _quarter(text: str, where: str) -> None:
    if text and not QUARTER.fullmatch(text):
        raise ValueError(f"{where}: a quarter is written 2027 Q1, not {text!r}")


# ------------------------------------------------------------------ the brief


@dataclass(frozen=True)
class Priority:
    """What the business asked for: a key, and the change it wants."""

    key: str
    title: str
    unit: str
    baseline: float
    target: float


@dataclass(frozen=True)
class Brief:
    """Priorities in order, people by role, plannable weeks of a person a quarter."""

    priorities: tuple[Priority, ...]
    team: tuple[tuple[str, int], ...]
    weeks: float

    def capacity(self) -> dict[str, float]:
        """Person-weeks a quarter by role."""
        return {role: n * self.weeks for role, n in self.team}


BRIEF = Brief(
    priorities=(
        Priority("churn", "New-user seven-day churn", "%", 42.0, 35.0),
        Priority("exposure", "Gini of exposure over creator languages", "", 0.48, 0.30),
        Priority("latency", "99th percentile of latency", "ms", 180.0, 100.0),
        Priority("causal", "Experiments that report a causal effect", "%", 0.0, 100.0),
    ),
    team=(("data scientist", 6), ("ML engineer", 2), ("data engineer", 1)),
    weeks=9.0,  # of 13: leave, operations, hiring and reviews take the rest
)


# ------------------------------------------------------------------ the validator


@dataclass(frozen=True)
class Finding:
    """A rule that the document breaks, where, and what to do."""

    rule: str
    where: str
    message: str

    def __str__(self) -> str:
        """One line."""
        return f"[{self.rule}] {self.where}: {self.message}"


def check(s: Strategy, brief: Brief = BRIEF) -> list[Finding]:
    """Everything in the document that the brief does not allow; [] if nothing."""
    rules = (
        _presence, _names, _bets, _priorities, _metrics, _capacity, _order, _single
    )  # fmt: skip
    return [Finding(*f) for rule in rules for f in rule(s, brief)]


Found = Iterator[tuple[str, str, str]]


def _presence(s: Strategy, brief: Brief) -> Found:
    if len(s.vision) <= VISION:
        yield "vision", "vision", f"{len(s.vision)} characters; say it in over {VISION}"
    have = {k: len(getattr(s, k)) for k in LEAST if k != "quarters"}
    have["quarters"] = len({o.quarter for o in s.roadmap})
    for name, least in LEAST.items():
        if have[name] < least:
            yield name, name, f"{have[name]} given; at least {least} are needed"
    if have["bets"] > MOST_BETS:
        yield "bets", "bets", f"{have['bets']} bets; more than {MOST_BETS} is a list"


def _names(s: Strategy, brief: Brief) -> Found:
    """Names that lead nowhere, names that occur twice."""
    keys = [b.key for b in s.bets]
    metrics = [m.name for m in s.metrics]
    priorities = [p.key for p in brief.priorities]
    for what, names in (("bet", keys), ("metric", metrics)):
        for n in sorted({n for n in names if names.count(n) > 1}):
            yield "unknown-name", n, f"two {what}s have this name: rename one"
    used: list[tuple[str, str, Sequence[str]]] = []
    for b in s.bets:
        used += [(b.key, d, keys) for d in b.depends_on]
        used += [(b.key, p, priorities) for p in b.serves]
        used += [(b.key, b.metric, metrics)]
    used += [(f"metric {m.name}", m.priority, [*priorities, ""]) for m in s.metrics]
    used += [("roadmap", o.bet, keys) for o in s.roadmap]
    used += [("allocation", a.bet, keys) for a in s.allocation]
    used += [("allocation", a.role, list(brief.capacity())) for a in s.allocation]
    used += [("team", t.role, list(brief.capacity())) for t in s.team]
    for where, name, known in used:
        if name not in known:
            yield "unknown-name", where, f"{name!r} is not one of {', '.join(known)}"


def _bets(s: Strategy, brief: Brief) -> Found:
    """A bet says what, why, how, against what else, when, who, and by how much."""
    work = {(a.bet, a.quarter) for a in s.allocation if a.person_weeks > 0}
    for b in s.bets:
        for name in (
            "what",
            "why",
            "how",
            "evidence",
            "owner",
            "people",
            "alternatives",
        ):
            if not getattr(b, name):
                yield "bet-incomplete", b.key, f"it does not say {name!r}"
        if not b.first_quarter or b.last_quarter < b.first_quarter:
            yield "bet-incomplete", b.key, "its quarters are missing or out of order"
        low, high = b.effect_low, b.effect_high
        if low is None or high is None or not low < high:
            yield "impact-interval", b.key, "give the effect as an interval, low < high"
        mine = {q for key, q in work if key == b.key}
        if not mine:
            yield "capacity", b.key, "nobody is allocated to it"
        for q in sorted(q for q in mine if not b.first_quarter <= q <= b.last_quarter):
            yield "capacity", b.key, f"work is allocated in {q}, outside its quarters"


def _priorities(s: Strategy, brief: Brief) -> Found:
    served = {p for b in s.bets for p in b.serves}
    for p in brief.priorities:
        if p.key not in served:
            yield "priority-unserved", p.key, f"no bet serves {p.title!r}"


def _metrics(s: Strategy, brief: Brief) -> Found:
    for m in s.metrics:
        lacks = [k for k in ("baseline", "target", "due") if getattr(m, k) is None]
        if lacks:
            yield "metric-incomplete", m.name, f"it lacks {', '.join(lacks)}"
    for p in brief.priorities:
        mine = [m for m in s.metrics if m.priority == p.key]
        if not mine:
            yield "metric-missing", p.key, f"no metric measures {p.title!r}"
        for m in mine:
            if m.target is not None and short_of(m.target, p):
                yield (
                    "metric-target",
                    m.name,
                    (f"target {m.target:g} falls short of the brief's {p.target:g}"),
                )


# derivation: eq-staff-progress
def short_of(target: float, p: Priority) -> bool:
    """Whether a target asks for less change than the brief, in the brief's direction.

    >>> short_of(38.0, BRIEF.priorities[0]), short_of(34.0, BRIEF.priorities[0])
    (True, False)
    """
    return (target - p.baseline) / (p.target - p.baseline) < 1 - 1e-9


def _capacity(s: Strategy, brief: Brief) -> Found:
    need: dict[tuple[str, str], float] = defaultdict(float)
    for a in s.allocation:
        need[a.quarter, a.role] += a.person_weeks
    have = brief.capacity()
    for (quarter, role), weeks in sorted(need.items()):
        if role in have and weeks > have[role] + 1e-9:
            yield (
                "over-capacity",
                quarter,
                f"{weeks:g} person-weeks of {role} are allocated, {have[role]:g} exist",
            )
    people: dict[str, int] = defaultdict(int)
    for t in s.team:
        people[t.role] += t.people
    for role, n in brief.team:
        if people[role] > n:
            yield "over-capacity", "team", f"{people[role]} x {role}; the brief has {n}"


def _order(s: Strategy, brief: Brief) -> Found:
    bets = {b.key: b for b in s.bets}
    known = {k: [d for d in b.depends_on if d in bets] for k, b in bets.items()}
    try:
        order(known)
    except CycleError as error:
        yield "circular-dependency", error.cycle[0], str(error)
        return
    for key, needs in known.items():
        for d in needs:
            if not bets[d].last_quarter < bets[key].first_quarter:
                yield (
                    "dependency-order",
                    key,
                    (
                        f"it starts in {bets[key].first_quarter} and needs {d!r}, "
                        f"which ends in {bets[d].last_quarter}"
                    ),
                )


def _single(s: Strategy, brief: Brief) -> Found:
    if len(s.bets) < 2:
        return
    carried = {
        "owner": [{b.owner} for b in s.bets],
        "person": [set(b.people) for b in s.bets],
        "vendor": [set(b.vendors) for b in s.bets],
    }
    for what, sets in carried.items():
        for name in sorted(set.intersection(*sets) - {""}):
            yield "single-point", name, f"this {what} carries every bet: share the load"


# ------------------------------------------------------------------ files


def read(file: Path | str) -> Strategy:
    """A strategy from a .md or .json file; ValueError says what cannot be read."""
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; `streamrec strategy new` writes one")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not UTF-8 text") from None
    if path.suffix.lower() == ".json":
        return Strategy.from_json(text)
    return Strategy.from_markdown(text.replace("\r\n", "\n"))


HINTS = {
    "Vision": "One to two pages. What will be true for a viewer and a creator in a "
    "year? Outcomes, no technology. Over 200 characters.",
    "Bets": "Three to five, a page each. Copy the example for each bet. The effect is "
    "the change of the metric in its own unit, as an interval; evidence says whether "
    "it was measured, simulated or assumed.",
    "Team": "Three rows or more: strengths, and the gap a hire or a course closes.",
    "Metrics": "Baseline, target and date for each. Guardrails have no priority.",
    "Roadmap": "Four quarters or more: what is true at the end of each.",
    "Allocation": "Person-weeks; a person has 9 plannable weeks a quarter.",
    "Risks": "Two or more; likelihood and impact are low, medium or high.",
    "Build or buy": "Two or more; costs over three years, empty where unknown.",
}


def template(brief: Brief = BRIEF, year: int = 2027) -> str:
    """Markdown to start from: it can be read, and ``check`` says what it lacks."""
    bet = Bet(
        "Name of the first bet", "first-bet", (brief.priorities[0].key,), (),
        f"{year} Q1", f"{year} Q2", "", (), (), brief.priorities[0].title, None, None,
        "", "", "", "",
    )  # fmt: skip
    metrics = tuple(
        Metric(p.title, p.key, p.unit, p.baseline, None, None) for p in brief.priorities
    )
    team = tuple(TeamEntry(role, n, "", "") for role, n in brief.team)
    text = Strategy(
        f"Strategy {year}", "", date(year, 1, 1), "", (bet,), team, metrics
    ).to_markdown()  # fmt: skip
    for section, hint in HINTS.items():
        text = text.replace(f"\n## {section}\n", f"\n## {section}\n\n<!-- {hint} -->\n")
    return text
