"""Rubrics of the project tracks: 100 points each, read from YAML and checked."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

TRACKS = ("A", "B", "C")
LEVELS = (0, 40, 75, 100)


@dataclass(frozen=True)
class Automatic:
    """Points that a run gives."""

    milestone: str
    points: float
    criterion: str


@dataclass(frozen=True)
class Criterion:
    """Points that a reader gives; ``levels`` says what earns which share."""

    criterion: str
    points: float
    levels: dict[int, str]


@dataclass(frozen=True)
class Rubric:
    """What a track's project is graded by."""

    track: str
    title: str
    summary: str
    automatic: tuple[Automatic, ...]
    manual: tuple[Criterion, ...]

    @property
    def automatic_points(self) -> float:
        """Points that a run gives in all."""
        return sum(a.points for a in self.automatic)

    @property
    def manual_points(self) -> float:
        """Points that readers give in all."""
        return sum(m.points for m in self.manual)


def load_rubric(track: str) -> Rubric:
    """The rubric of track A, B or C.

    Raises
    ------
    ValueError
        For another track.

    Examples
    --------
    >>> r = load_rubric("A")
    >>> r.automatic_points, r.manual_points
    (60.0, 40.0)
    """
    import yaml

    if track not in TRACKS:
        raise ValueError(f"there is no track {track!r}: use A, B or C")
    name = f"track-{track.lower()}.yaml"
    text = (files("streamrec.grading") / "rubrics" / name).read_text("utf-8")
    return parse(yaml.safe_load(text), name)


def parse(table: Any, name: str) -> Rubric:
    """Check a rubric's table.

    Raises
    ------
    ValueError
        With the place: unknown or missing fields, points that are not above 0 or do
        not sum to 100, levels other than 0, 40, 75 and 100, a name used twice.
    """
    _fields(table, {"track", "title", "summary", "automatic", "manual"}, name)
    automatic = []
    for i, row in enumerate(table["automatic"], 1):
        where = f"{name}: automatic {i}"
        _fields(row, {"milestone", "points", "criterion"}, where)
        automatic.append(
            Automatic(
                _text(row["milestone"], where),
                _points(row["points"], where),
                _text(row["criterion"], where),
            )
        )
    manual = []
    for i, row in enumerate(table["manual"], 1):
        where = f"{name}: manual {i}"
        _fields(row, {"criterion", "points", "levels"}, where)
        if tuple(row["levels"]) != LEVELS:
            raise ValueError(
                f"{where}: the levels are 0, 40, 75 and 100, in this order"
            )
        levels = {k: _text(v, where) for k, v in row["levels"].items()}
        if len(set(levels.values())) < len(LEVELS):
            raise ValueError(f"{where}: two levels read the same")
        criterion = _text(row["criterion"], where)
        manual.append(Criterion(criterion, _points(row["points"], where), levels))
    for names in ([a.milestone for a in automatic], [m.criterion for m in manual]):
        if len(set(names)) < len(names):
            raise ValueError(f"{name}: a name is used twice")
    head = {k: _text(table[k], name) for k in ("track", "title", "summary")}
    rubric = Rubric(**head, automatic=tuple(automatic), manual=tuple(manual))
    total = rubric.automatic_points + rubric.manual_points
    if abs(total - 100) > 1e-9:
        raise ValueError(f"{name}: the points sum to {total:g}; they must sum to 100")
    return rubric


def _fields(table: Any, wanted: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected the fields {', '.join(sorted(wanted))}")
    wrong = sorted(map(str, wanted ^ set(table)))
    if wrong:
        kind = "lacks" if wrong[0] in wanted else "has an unknown field"
        raise ValueError(f"{where} {kind} {wrong[0]}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: {value!r} must be a text")
    return value


def _points(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not 0 < value <= 100:
        raise ValueError(f"{where}: points must be above 0; got {value!r}")
    return float(value)
