"""Records of technical leadership: validated, immutable, in Markdown and in JSON.

A record is a frozen dataclass. Its Markdown form is read by people and by
``from_markdown`` (comments ``<!-- -->`` are skipped); its JSON form by programs. The
fields decide the Markdown:

    title                        the heading
    short text, number, date     a line ``- **Review deadline:** 2026-03-02``
    tuple of str (``LINE``)      such a line, entries separated by ``;``
    long text (``PROSE``)         a section with paragraphs
    tuple of str                 a section with a bullet list
    tuple of ``Row``             a section with a table
    tuple of ``Record``          a section with one subsection a record

Source: the records follow Chapter 38; the four archetypes and the idea of writing a
strategy from design documents are Larson's (Staff Engineer, 2021).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date, datetime
from types import UnionType
from typing import Any, ClassVar, Self, get_args, get_origin, get_type_hints

LEVELS = ("low", "medium", "high")
OPTIONS = ("build", "buy", "open source", "hybrid")
NAMES: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "yes or no",
    date: "a date such as 2026-03-02",
    datetime: "a time such as 2026-03-02T10:00",
}


PROSE = {"prose": True}  # a field of paragraphs with a section of its own
LINE = {"line": True}  # a list on one line, its entries separated by semicolons

# ------------------------------------------------------------------ values and text


def _value(text: str, kind: Any, where: str) -> Any:
    """Text from a line or a cell as the type of its field; '' is None where allowed."""
    text = text.strip()
    if get_origin(kind) is UnionType:
        kinds = [k for k in get_args(kind) if k is not type(None)]
        return None if text == "" else _value(text, kinds[0], where)
    if get_origin(kind) is tuple:
        return tuple(x.strip() for x in text.split(";") if x.strip())
    if kind is str:
        return text
    try:
        if kind is bool:
            return {"yes": True, "no": False}[text.lower()]
        if kind in (date, datetime):
            return kind.fromisoformat(text)
        return kind(text.replace(",", ""))
    except (ValueError, KeyError):
        raise ValueError(f"{where} must be {NAMES[kind]}, not {text!r}") from None


def _text(value: Any) -> str:
    """A value as it stands in a line or a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="minutes")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return "; ".join(value)
    return repr(value) if isinstance(value, float) else str(value)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _inner(kind: Any) -> Any:
    """X of tuple[X, ...], else None."""
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def _kinds(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _is_row(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Row)


def _one_line(text: str, where: str) -> None:
    if text != " ".join(text.split()):
        raise ValueError(f"{where} must be one line without surplus spaces")


class Row:
    """What rows and records share: types are checked when they are made."""

    def __post_init__(self) -> None:
        """Check the types of all fields, then whatever the class adds."""
        kinds = _kinds(type(self))
        for f in fields(self):  # type: ignore[arg-type]
            _check_type(f, getattr(self, f.name), kinds[f.name], self._where(f.name))
        self._validate()

    def _validate(self) -> None:
        """Rules of the class; raises ValueError."""

    def _where(self, name: str) -> str:
        return f"{_label(name)!r} of {type(self).__name__}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name, dates as ISO text."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The inverse of ``to_dict``; unknown and missing names are refused."""
        if not isinstance(data, dict):
            raise ValueError(f"{cls.__name__} must be an object with named fields")
        own = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        _expect_names(cls.__name__, set(data), own)
        kinds = _kinds(cls)
        return cls(**{k: _revive(v, kinds[k], k) for k, v in data.items()})


def _check_type(f: Field[Any], value: Any, kind: Any, where: str) -> None:
    allowed = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    inner = _inner(kind)
    if inner is not None:
        if not isinstance(value, tuple) or not all(isinstance(x, inner) for x in value):
            raise TypeError(f"{where} must be a tuple of {inner.__name__}")
        for x in value if inner is str else ():
            _one_line(x, where)
            if x == "" or (f.metadata.get("line") and ";" in x):
                raise ValueError(
                    f"{where}: an entry is empty, or holds ';' on its line"
                )
        return
    exact = {int, float} if float in allowed else set(allowed)
    if type(value) not in exact | set(allowed):
        raise TypeError(f"{where} must be {NAMES.get(allowed[0], 'text')}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} must be finite")
    if isinstance(value, str) and f.metadata.get("prose"):
        if value != value.strip() or re.search(r"^#", value, re.M):
            raise ValueError(f"{where} may hold no heading and no space at its ends")
    elif isinstance(value, str):
        _one_line(value, where)


def _plain(value: Any) -> Any:
    if isinstance(value, Row):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(x) for x in value]
    return value.isoformat() if isinstance(value, date) else value


def _revive(value: Any, kind: Any, name: str) -> Any:
    inner = _inner(kind)
    if inner is not None:
        if not isinstance(value, list):
            raise ValueError(f"{name!r} must be a list")
        return tuple(_revive(x, inner, name) for x in value)
    if _is_row(kind):
        return kind.from_dict(value)
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = next(k for k in get_args(kind) if k is not type(None))
    if kind in (date, datetime) and isinstance(value, str):
        return _value(value, kind, repr(name))
    return value


def _expect_names(what: str, given: set[str], own: dict[str, Field[Any]]) -> None:
    unknown = sorted(given - set(own))
    if unknown:
        raise ValueError(f"{what} has no field {unknown[0]!r}; it has {', '.join(own)}")
    need = {k for k, f in own.items() if f.default is MISSING}
    lacking = [k for k in own if k in need - given]
    if lacking:
        raise ValueError(f"{what} lacks {', '.join(repr(k) for k in lacking)}")


class Record(Row):
    """A row with a title, a Markdown form and a JSON form."""

    title: str
    KIND: ClassVar[str] = ""

    def _where(self, name: str) -> str:
        return f"{_label(name)!r} of {type(self).__name__} {self.title!r}"

    def to_json(self) -> str:
        """The record as indented JSON with a trailing newline."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``; ValueError says what is wrong."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"this is not JSON: {error}") from None
        return cls.from_dict(data)

    def to_markdown(self, level: int = 1) -> str:
        """The record as Markdown whose top heading has ``level`` hashes."""
        kinds, lines, sections = _kinds(type(self)), [], []
        for f in fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, f.name), kinds[f.name]
            many = _inner(kind) is not None and not f.metadata.get("line")
            if f.metadata.get("prose") or many:
                body = _section(value, kind, level + 2)
                sections.append(f"{'#' * (level + 1)} {_label(f.name)}\n\n{body}")
            elif f.name != "title":
                lines.append(f"- **{_label(f.name)}:** {_text(value)}".rstrip())
        parts = [f"{'#' * level} {self.title}", "\n".join(lines), *sections]
        return "\n\n".join(x.strip("\n") for x in parts if x) + "\n"

    @classmethod
    def from_markdown(cls, text: str, level: int = 1) -> Self:
        """The inverse of ``to_markdown``; ValueError names the section or line."""
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        (title, body), *more = _split(text, level) or [("", "")]
        if not title or more:
            raise ValueError(
                f"a {cls.__name__} needs exactly one heading of level {level}"
            )
        kinds = _kinds(cls)
        names = {_label(f.name): f.name for f in fields(cls)}  # type: ignore[arg-type]
        values: dict[str, Any] = {"title": title}
        head, *_ = re.split(rf"^{'#' * (level + 1)} ", body, maxsplit=1, flags=re.M)
        for label, value in _lines(head, title):
            name = _known(label, names, title)
            values[name] = _value(value, kinds[name], f"{label!r} in {title!r}")
        for label, part in _split(body, level + 1):
            name = _known(label, names, title)
            values[name] = _read(
                part, kinds[name], level + 2, f"{label!r} in {title!r}"
            )
        own = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        _expect_names(f"{cls.__name__} {title!r}", set(values), own)
        return cls(**values)


def _known(label: str, names: dict[str, str], title: str) -> str:
    if label not in names:
        raise ValueError(
            f"{title!r} has an unknown part {label!r}; known are {', '.join(names)}"
        )
    return names[label]


def _split(text: str, level: int) -> list[tuple[str, str]]:
    """Headings of a level with what stands under them, in order; twice is an error."""
    parts = re.split(rf"^{'#' * level} +(.+?) *$", text, flags=re.M)[1:]
    found = [(parts[k].strip(), parts[k + 1].strip()) for k in range(0, len(parts), 2)]
    titles = [t for t, _ in found]
    for t in titles:
        if titles.count(t) > 1:
            raise ValueError(f"the heading {t!r} occurs twice")
    return found


def _lines(head: str, title: str) -> Iterable[tuple[str, str]]:
    for line in head.splitlines():
        if not line.strip():
            continue
        m = re.match(r"- \*\*(.+?):\*\*(.*)$", line)
        if m is None:
            raise ValueError(
                f"under {title!r} expected  - **Name:** value  but found {line[:60]!r}"
            )
        yield m.group(1), m.group(2)


def _section(value: Any, kind: Any, level: int) -> str:
    inner = _inner(kind)
    if inner is None:
        return str(value)
    if inner is str:
        return "\n".join(f"- {x}" for x in value)
    if issubclass(inner, Record):
        return "\n".join(x.to_markdown(level) for x in value).rstrip("\n")
    return _table(value, inner)


def _read(text: str, kind: Any, level: int, where: str) -> Any:
    inner = _inner(kind)
    if inner is None:
        return text
    if inner is str:
        return _bullets(text, where)
    if issubclass(inner, Record):
        marks = "#" * level
        return tuple(
            inner.from_markdown(f"{marks} {t}\n{body}", level)
            for t, body in _split(text, level)
        )
    return _rows(text, inner, where)


def _bullets(text: str, where: str) -> tuple[str, ...]:
    out = []
    for line in filter(str.strip, text.splitlines()):
        if not line.startswith("- "):
            raise ValueError(f"{where} is a list of lines that start with '- '")
        out.append(line[2:].strip())
    return tuple(out)


def _table(rows: Sequence[Row], kind: type[Row]) -> str:
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    lines = [[_label(n) for n in names], ["---"] * len(names)]
    for r in rows:
        lines.append([_text(getattr(r, n)).replace("|", r"\|") for n in names])
    return "\n".join(f"| {' | '.join(x)} |" for x in lines)


def _rows(text: str, kind: type[Row], where: str) -> tuple[Row, ...]:
    lines = [x for x in text.splitlines() if x.strip()]
    if not lines:
        return ()
    cells = [
        [c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", x.strip())[1:-1]]
        for x in lines
    ]
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    labels = [_label(n) for n in names]
    if cells[0] != labels:
        raise ValueError(f"the table {where} needs the columns {', '.join(labels)}")
    kinds, out = _kinds(kind), []
    for k, row in enumerate(cells[2:], start=1):
        here = f"row {k} of {where}"
        if len(row) != len(names):
            raise ValueError(f"{here} has {len(row)} cells, not {len(names)}")
        pairs = zip(names, row, strict=True)
        out.append(
            kind(**{n: _value(c, kinds[n], f"{n!r} in {here}") for n, c in pairs})
        )
    return tuple(out)


def _choice(value: str, allowed: Sequence[str], what: str) -> None:
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}, not {value!r}")


# ------------------------------------------------------------------ design documents

DOCUMENT_STATUS = (
    "draft",
    "in review",
    "approved",
    "approved with conditions",
    "needs revision",
    "withdrawn",
)
AHEAD_HOURS, PAGES = 48, (3, 10)


@dataclass(frozen=True)
class DesignDocument(Record):
    """A proposal that is judged before the work starts.

    ``missing()`` lists what it lacks to be reviewed; a document that lacks something
    can only be a draft, need revision or be withdrawn.
    """

    title: str
    author: str
    status: str
    pages: int
    problem: str = field(metadata=PROSE)
    approach: str = field(metadata=PROSE)
    evaluation_plan: str = field(metadata=PROSE)
    alternatives: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    shared: datetime | None = None
    meeting: datetime | None = None

    def _validate(self) -> None:
        _choice(self.status, DOCUMENT_STATUS, "the status of a design document")
        if self.pages < 1:
            raise ValueError("pages must be at least 1")
        if self.shared and self.meeting and self.meeting < self.shared:
            raise ValueError("the meeting lies before the document was shared")
        gaps = self.missing()
        if gaps and self.status in DOCUMENT_STATUS[1:4]:
            raise ValueError(
                f"{self.title!r} cannot be {self.status}: it lacks {gaps[0]}"
            )

    def missing(self) -> list[str]:
        """What the document lacks: sections, two alternatives, a risk, a reviewer."""
        texts = ("problem", "approach", "evaluation_plan")
        gaps = [_label(n).lower() for n in texts if not getattr(self, n)]
        if len(self.alternatives) < 2:
            gaps.append(
                "a second alternative" if self.alternatives else "two alternatives"
            )
        gaps += ["a risk"] * (not self.risks) + ["a reviewer"] * (not self.reviewers)
        return gaps

    def concerns(self) -> list[str]:
        """Customs not kept: 3 to 10 pages, shared 48 hours ahead, not self-reviewed."""
        out = []
        if not PAGES[0] <= self.pages <= PAGES[1]:
            out.append(f"{self.pages} pages; {PAGES[0]} to {PAGES[1]} get read")
        if self.shared and self.meeting:
            hours = (self.meeting - self.shared).total_seconds() / 3600
            if hours < AHEAD_HOURS:
                out.append(
                    f"shared {hours:.0f} hours ahead; {AHEAD_HOURS} are customary"
                )
        if set(self.reviewers) == {self.author}:
            out.append("the author is the only reviewer")
        return out


@dataclass(frozen=True)
class Comment(Row):
    """One remark of a reviewer; blocking ones must be settled before approval."""

    author: str
    text: str
    blocking: bool
    settled: bool


@dataclass(frozen=True)
class Review(Record):
    """The outcome of a design review."""

    title: str
    day: date
    verdict: str
    hardest_question: str
    comments: tuple[Comment, ...] = ()
    conditions: tuple[str, ...] = ()

    def _validate(self) -> None:
        _choice(self.verdict, DOCUMENT_STATUS[2:], "the verdict of a review")
        if (self.verdict == "approved with conditions") != bool(self.conditions):
            raise ValueError("conditions go with 'approved with conditions' only")
        if self.verdict.startswith("approved") and self.blocking():
            raise ValueError(
                f"{self.blocking()[0].author}'s blocking comment is not settled: "
                "settle it, or ask for a revision"
            )

    def blocking(self) -> list[Comment]:
        """Blocking comments that are not settled."""
        return [c for c in self.comments if c.blocking and not c.settled]

    def concerns(self) -> list[str]:
        """Signs of a rubber stamp."""
        if self.verdict == "approved" and not self.comments:
            return ["approved without a comment: a rubber stamp looks like this"]
        return []


# ------------------------------------------------------------------ RFC

RFC_MOVES: dict[str, tuple[str, ...]] = {
    "draft": ("open",),
    "open": ("accepted", "rejected", "draft"),
    "accepted": ("superseded",),
    "rejected": ("open", "superseded"),
    "superseded": (),
}


@dataclass(frozen=True)
class StatusChange(Row):
    """The day on which an RFC took a status."""

    day: date
    status: str


@dataclass(frozen=True)
class RFC(Record):
    """A request for comments: a decision that binds other teams."""

    title: str
    number: int
    author: str
    review_deadline: date
    default_if_rejected: str
    history: tuple[StatusChange, ...]
    summary: str = field(metadata=PROSE)
    motivation: str = field(metadata=PROSE)
    proposal: str = field(metadata=PROSE)
    strongest_case_against: str = field(metadata=PROSE)
    impact: str = field(metadata=PROSE)
    migration: str = field(metadata=PROSE)
    timeline: str = field(metadata=PROSE)
    alternatives: tuple[str, ...] = ()
    open_questions: tuple[str, ...] = ()
    feedback: tuple[Comment, ...] = ()

    def _validate(self) -> None:
        if self.number < 1:
            raise ValueError("the number of an RFC starts at 1")
        if not self.history or self.history[0].status != "draft":
            raise ValueError("the history of an RFC starts with 'draft'")
        for c in self.history:
            _choice(c.status, tuple(RFC_MOVES), "the status of an RFC")
        for a, b in zip(self.history, self.history[1:], strict=False):
            if b.day < a.day:
                raise ValueError(f"the history goes back in time at {b.day}")
            if b.status not in RFC_MOVES[a.status]:
                raise ValueError(f"an RFC cannot go from {a.status} to {b.status}")
        if self.status == "accepted" and self.blocking():
            raise ValueError(
                "an RFC with an unsettled blocking concern cannot be accepted"
            )
        if self.status != "draft" and not (
            self.default_if_rejected and self.strongest_case_against
        ):
            raise ValueError(
                "before an RFC is opened, say what happens if it is rejected and make "
                "the strongest case against it"
            )

    @property
    def status(self) -> str:
        """The last status of the history."""
        return self.history[-1].status

    def blocking(self) -> list[Comment]:
        """Blocking concerns that are not settled; the rest are suggestions."""
        return [c for c in self.feedback if c.blocking and not c.settled]

    # derivation: eq-staff-days-open
    def days_open(self, today: date) -> int:
        """Days spent with status open up to ``today``: the sum over open spells.

        >>> days = [StatusChange(date(2026, 3, d), s)
        ...         for d, s in ((1, "draft"), (3, "open"), (17, "accepted"))]
        >>> spells(days, date(2026, 4, 1))
        14
        """
        return spells(self.history, today)

    def overdue(self, today: date) -> bool:
        """Still open after its deadline: time for the stated default."""
        return self.status == "open" and today > self.review_deadline


# derivation: eq-staff-days-open
def spells(history: Sequence[StatusChange], today: date, status: str = "open") -> int:
    """Days in a status up to ``today``, summed over all its spells.

    Raises ValueError if ``today`` lies before the last entry.

    >>> spells([StatusChange(date(2026, 3, 1), "open")], date(2026, 3, 8))
    7
    """
    if today < history[-1].day:
        raise ValueError(f"today ({today}) lies before the last entry of the history")
    ends = [c.day for c in history[1:]] + [today]
    pairs = zip(history, ends, strict=True)
    return sum((end - c.day).days for c, end in pairs if c.status == status)


# ------------------------------------------------------------------ build or buy


def recommend(
    differentiation: str,
    expertise: str,
    maintenance: str = "medium",
    vendor_risk: str = "medium",
    urgent: bool = False,
) -> str:
    """Build, buy, open source or hybrid, by the rule table of Chapter 38.

    Levels are low, medium, high. "Strong expertise" is high.

    >>> recommend("high", "high"), recommend("low", "high", vendor_risk="low")
    ('build', 'buy')
    """
    for name, x in (
        ("differentiation", differentiation),
        ("expertise", expertise),
        ("maintenance", maintenance),
        ("vendor risk", vendor_risk),
    ):
        _choice(x, LEVELS, name)
    if differentiation == "high":
        return "hybrid" if expertise != "high" and urgent else "build"
    if differentiation == "low":
        return "open source" if vendor_risk == "high" else "buy"
    if expertise == "high":
        return "build"
    return "buy" if maintenance == "high" else "open source"


@dataclass(frozen=True)
class BuildOrBuy(Row):
    """One decision: five ratings, two costs over three years, the choice and why.

    A choice that departs from the rule needs a reason that says so.
    """

    component: str
    differentiation: str
    expertise: str
    maintenance: str
    vendor_risk: str
    urgent: bool
    build_cost: float | None
    buy_cost: float | None
    choice: str
    reason: str

    def _validate(self) -> None:
        _choice(self.choice, OPTIONS, f"the choice for {self.component!r}")
        for cost in (self.build_cost, self.buy_cost):
            if cost is not None and cost < 0:
                raise ValueError(f"a cost of {self.component!r} is negative")
        if self.choice != self.rule and not self.reason:
            raise ValueError(
                f"{self.component!r}: the rule says {self.rule}; give a reason for "
                f"{self.choice}"
            )

    @property
    def rule(self) -> str:
        """What the rule table recommends."""
        return recommend(
            self.differentiation,
            self.expertise,
            self.maintenance,
            self.vendor_risk,
            self.urgent,
        )


# ------------------------------------------------------------------ roadmap, OKR

ACTIVITIES = (
    "adopt analyse build complete create define deliver deploy design develop document "
    "explore finish hold implement improve introduce investigate launch migrate "
    "organise plan publish refactor release research roll run ship start train write"
).split()


@dataclass(frozen=True)
class KeyResult(Row):
    """A measured outcome: from a baseline to a target by a date."""

    outcome: str
    unit: str
    baseline: float
    target: float
    due: date

    def _validate(self) -> None:
        first = self.outcome.split(" ")[0].lower()
        if first in ACTIVITIES:
            raise ValueError(
                f"{self.outcome!r} is an activity: say what will be different "
                "when it is done"
            )
        if self.baseline == self.target:
            raise ValueError(f"{self.outcome!r}: baseline and target are equal")

    # derivation: eq-staff-progress
    def progress(self, value: float) -> float:
        """(value - baseline) / (target - baseline): 0 at the start, 1 when reached.

        >>> KeyResult("churn", "%", 42.0, 35.0, date(2027, 3, 31)).progress(38.5)
        0.5
        """
        return (value - self.baseline) / (self.target - self.baseline)


@dataclass(frozen=True)
class OKR(Record):
    """An objective with two to five key results."""

    title: str
    owner: str
    key_results: tuple[KeyResult, ...]

    def _validate(self) -> None:
        if not 2 <= len(self.key_results) <= 5:
            raise ValueError("an objective has two to five key results")


@dataclass(frozen=True)
class Outcome(Row):
    """What is true at the end of a quarter, and which bet makes it so."""

    quarter: str
    outcome: str
    bet: str
    leading_metric: str


@dataclass(frozen=True)
class Roadmap(Record):
    """A vision as outcomes, sequenced bets, team gaps, dependencies and risks."""

    title: str
    vision: str = field(metadata=PROSE)
    outcomes: tuple[Outcome, ...] = ()
    team_gaps: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()

    def _validate(self) -> None:
        bets = {o.bet for o in self.outcomes}
        if not 3 <= len(bets) <= 5:
            raise ValueError(
                f"a roadmap has 3 to 5 bets, this one {len(bets)}: "
                "more is a shopping list"
            )
