"""What features to make from a table, as a file that can be read and checked.

Chapter 28. A recipe names the label, whose row it is and when it was asked, and a list
of steps. It holds no data: :mod:`streamrec.production.build` fits it to a training
table. Whatever would let the label in is refused here, before any data is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Each kind of step with its options and their defaults; None: chosen by the data.
KINDS: dict[str, dict[str, Any]] = {
    "number": {"impute": "median", "scale": "standard", "clip": None, "missing": True},
    "missing": {},
    "onehot": {"min_count": 1, "levels": 50},
    "ordinal": {"order": None},
    "frequency": {},
    "target": {"smooth": 20.0, "folds": 5},
    "calendar": {"parts": None},
    "elapsed": {},
    "text": {"terms": 20},
    "ratio": {},
    "product": {},
    "difference": {},
    "lag": {"steps": (1,)},
    "rolling": {"windows": None, "stats": ("mean", "count")},
    "rfm": {"within": None},
}
HISTORY = ("lag", "rolling", "rfm")  # see earlier rows only, never their own
PAIRS = ("ratio", "product", "difference")
CHOICES: dict[str, tuple[str, ...]] = {
    "impute": ("median", "mean", "none"),
    "scale": ("standard", "robust", "range", "none"),
    "parts": ("hour", "weekday", "month", "yearday"),
    "stats": ("sum", "mean", "sd", "count"),
}
SAMPLE = 1_000  # rows looked at to tell dates from text


@dataclass(frozen=True)
class Step:
    """One line of a recipe: a kind, the columns it reads, its options."""

    kind: str
    columns: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in the defaults; raise ValueError for what the kind does not have."""
        if self.kind not in KINDS:
            raise ValueError(
                f'there is no kind of step "{self.kind}"; there are {", ".join(KINDS)}'
            )
        unknown = sorted(set(self.options) - set(KINDS[self.kind]))
        if unknown:
            has = ", ".join(KINDS[self.kind]) or "no options"
            raise ValueError(f"{self.kind} has no {', '.join(unknown)}; it has {has}")
        if not self.columns:
            raise ValueError(f"{self.kind}: name at least one column")
        if self.kind in PAIRS and len(self.columns) != 2:
            raise ValueError(f"{self.kind}: name exactly two columns")
        options = {**KINDS[self.kind], **self.options}
        for name in ("parts", "stats", "steps", "windows", "order", "clip"):
            if isinstance(options.get(name), (str, int, float)):
                options[name] = (options[name],)
            elif options.get(name) is not None:
                options[name] = tuple(options[name])
        object.__setattr__(self, "options", options)
        for name, value in options.items():
            _check_option(self.kind, name, value)

    def __getitem__(self, name: str) -> Any:
        """An option."""
        return self.options[name]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in a file."""
        plain = {k: list(v) if isinstance(v, tuple) else v
                 for k, v in self.options.items()}  # fmt: skip
        return {"kind": self.kind, "columns": list(self.columns), **plain}


def _number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool) and isfinite(x)


def _check_option(kind: str, name: str, value: Any) -> None:
    """Raise ValueError for a value the option cannot have."""
    if (
        name in CHOICES
        and value is not None
        and not (name == "impute" and _number(value))
    ):
        given = value if isinstance(value, tuple) else (value,)
        wrong = [str(v) for v in given if v not in CHOICES[name]]
        if wrong or not given:
            raise ValueError(
                f"{kind}: {name} must be among {', '.join(CHOICES[name])}, not "
                f"{', '.join(wrong) or 'empty'}"
            )
    elif name in ("min_count", "levels", "terms") and not _whole(value, 1):
        raise ValueError(f"{kind}: {name} must be a whole number from 1, not {value}")
    elif name == "folds" and not _whole(value, 2):
        raise ValueError(f"{kind}: folds must be a whole number from 2, not {value}")
    elif name == "smooth" and not (_number(value) and value >= 0):
        raise ValueError(f"{kind}: smooth must be a number from 0, not {value}")
    elif name == "steps" and not (value and all(_whole(v, 1) for v in value)):
        raise ValueError(f"{kind}: steps must be whole numbers from 1: lag 0 is now")
    elif name == "clip" and value is not None:
        if len(value) != 2 or not all(map(_number, value)):
            raise ValueError(f"{kind}: clip takes two quantiles such as [0.01, 0.99]")
        if not 0 <= value[0] < value[1] <= 1:
            raise ValueError(f"{kind}: clip needs 0 <= low < high <= 1")
    elif name in ("order", "windows") and not value:
        example = "[low, mid, high]" if name == "order" else "[7d, 30d, 90d]"
        raise ValueError(f"{kind}: give {name}, for example {example}")
    elif name == "missing" and not isinstance(value, bool):
        raise ValueError(f"{kind}: missing must be true or false, not {value}")
    if name in ("windows", "within") and value is not None:
        for v in value if name == "windows" else (value,):
            width(v)


def _whole(x: Any, least: int) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= least


def width(window: Any, what: str = "a window") -> float:
    """A stretch of time: a number as it is, text such as "7d" in nanoseconds.

    Raises ValueError unless it is longer than nothing.

    >>> width("1h")
    3600000000000.0
    """
    import pandas as pd

    try:
        size = float(window) if _number(window) else float(pd.Timedelta(window).value)
    except (ValueError, TypeError):
        raise ValueError(
            f"{what} is a number or a stretch such as 7d, not {window}"
        ) from None
    if not size > 0:
        raise ValueError(f"{what} must be longer than nothing, not {window}")
    return size


@dataclass(frozen=True)
class Selection:
    """What is set aside after building, by the training table; None: not looked at."""

    nulls: float | None = 0.95  # share of missing values
    same: float | None = 0.999  # share of the most frequent value
    correlation: float | None = 0.95  # with a feature built earlier
    keep: int | None = None  # so many by recursive elimination
    leak: float = 0.98  # AUC or rank correlation with the label of one feature

    def __post_init__(self) -> None:
        """Raise ValueError for a share outside (0, 1]."""
        for name in ("nulls", "same", "correlation", "leak"):
            value = getattr(self, name)
            if value is not None and not (_number(value) and 0 < value <= 1):
                raise ValueError(f"select: {name} must lie in (0, 1], not {value}")
        if self.leak <= 0.5:
            raise ValueError(f"select: leak must be above 0.5, not {self.leak}")
        if self.keep is not None and not _whole(self.keep, 1):
            raise ValueError(f"select: keep must be a whole number, not {self.keep}")


@dataclass(frozen=True)
class Recipe:
    """Steps, and what keeps the future out of them.

    label: column to predict. entity, time: whose row it is and when it was asked.
    after: other columns known only afterwards. label_delay: how long after its row a
    label is known (``0`` if at once); without it no step may look at earlier labels.
    gap: how long before its row the newest event may be (data arrive late). accept:
    columns that predict the label too well, looked at and found innocent.
    """

    steps: tuple[Step, ...]
    name: str = "features"
    label: str | None = None
    entity: str | None = None
    time: str | None = None
    after: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    label_delay: Any = None
    gap: Any = None
    seed: int = 0
    select: Selection = Selection()

    def __post_init__(self) -> None:
        """Raise ValueError where a step could see what it predicts."""
        if not self.steps:
            raise ValueError("a recipe needs at least one step")
        if not _whole(self.seed, 0):
            raise ValueError(f"seed must be a whole number from 0, not {self.seed}")
        for name in ("label_delay", "gap"):
            value = getattr(self, name)
            if value is not None and value != 0:
                width(value, name)
        if self.label_delay is not None and self.time is None:
            raise ValueError("label_delay needs time, the column it is counted from")
        for i, step in enumerate(self.steps, 1):
            self._refuse(f"step {i} ({step.kind})", step)

    def _refuse(self, where: str, step: Step) -> None:
        later = {c: "known only afterwards" for c in self.after}
        if self.label is not None:
            later[self.label] = "the label"
        for c in step.columns:
            if c in later and step.kind not in HISTORY:
                raise ValueError(
                    f'{where} uses "{c}", {later[c]}: a feature must be known before'
                )
            if c in later and self.label_delay is None:
                raise ValueError(
                    f'{where} looks at earlier values of "{c}", {later[c]}: say with '
                    "label_delay how long after its row it is known"
                )
        if step.kind in HISTORY and (self.entity is None or self.time is None):
            raise ValueError(
                f"{where} looks at earlier rows: name entity, whose row it is, and time"
            )
        if step.kind == "elapsed" and self.time is None:
            raise ValueError(f"{where} counts up to the row's moment: name time")
        if step.kind == "target" and self.label is None:
            raise ValueError(f"{where} needs a label to encode by")

    def delay(self, column: str) -> float:
        """How long before its row the newest value of a column may be."""
        gap = 0.0 if self.gap in (None, 0) else width(self.gap)
        if column == self.label or column in self.after:
            late = 0.0 if self.label_delay in (None, 0) else width(self.label_delay)
            return max(gap, late)
        return gap

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain values, for example a YAML file.

        >>> Recipe.from_mapping({"label": "y", "steps": [
        ...     {"kind": "number", "columns": ["x"]}]}).steps[0]["scale"]
        'standard'

        Raises
        ------
        ValueError
            Naming the entry that is unknown, missing or of the wrong kind.
        """
        given = known_entries(cls, values, "the recipe")
        rows = given["steps"]
        if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
            raise ValueError("steps: give a list of {kind, columns, ...}")
        given["steps"] = tuple(_step(i, r) for i, r in enumerate(rows, 1))
        for name in ("after", "accept"):
            given[name] = _names(given.get(name, ()))
        for name in ("name", "label", "entity", "time"):
            if name in given:
                given[name] = str(given[name])
        if "select" in given:
            if not isinstance(given["select"], Mapping):
                raise ValueError("select: give {nulls: 0.95, correlation: 0.95, ...}")
            options = given["select"]
            known_entries(Selection, options, "select")
            given["select"] = Selection(**{str(k): v for k, v in options.items()})
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in a file."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "steps": [s.as_dict() for s in self.steps],
            "after": list(self.after),
            "accept": list(self.accept),
            "select": dataclasses.asdict(self.select),
        }


def _names(entry: Any) -> tuple[str, ...]:
    return (entry,) if isinstance(entry, str) else tuple(map(str, entry))


def _step(i: int, row: Mapping[str, Any]) -> Step:
    options = {str(k): v for k, v in row.items() if k not in ("kind", "columns")}
    columns = options.pop("column", row.get("columns", ()))
    if "kind" not in row:
        raise ValueError(f"step {i} lacks kind; there are {', '.join(KINDS)}")
    try:
        return Step(str(row["kind"]), _names(columns), options)
    except (ValueError, TypeError) as error:
        raise ValueError(f"step {i}: {error}") from None


def known_entries(cls: Any, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Entries of a mapping that a dataclass has, or a sentence about the others."""
    names = {f.name: f for f in fields(cls)}
    unknown = sorted(set(map(str, values)) - set(names))
    if unknown:
        raise ValueError(
            f"{where} has an unknown entry {', '.join(unknown)}; "
            f"known are {', '.join(names)}"
        )
    missing = [
        n for n, f in names.items()
        if f.default is MISSING and f.default_factory is MISSING and n not in values
    ]  # fmt: skip
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    return {str(k): v for k, v in values.items() if v is not None}


# --- a first recipe ------------------------------------------------------------------


def first_recipe(
    data: pd.DataFrame,
    *,
    label: str | None = None,
    entity: str | None = None,
    time: str | None = None,
    after: tuple[str, ...] = (),
    name: str = "features",
) -> tuple[Recipe, list[dict[str, str]]]:
    """A recipe to start from, chosen by what the columns hold, and what it left out.

    Numbers are filled and scaled; few levels become columns; many are encoded by the
    label, out of fold; dates become circles, and days until ``time``. Steps over
    history are never guessed: only you know what a row's own value contains.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"x": [1.5, 2.5, 0.5], "city": ["a", "b", "a"]})
    >>> [s.kind for s in first_recipe(t)[0].steps]
    ['number', 'onehot']
    """
    chosen: dict[str, list[str]] = {}
    aside = []
    for c in data.columns:
        if c in (label, entity, time) or c in after:
            continue
        kind, why = _guess(data[c], label is not None)
        if kind:
            chosen.setdefault(kind, []).append(str(c))
            if kind == "calendar" and time is not None:
                chosen.setdefault("elapsed", []).append(str(c))
        else:
            aside.append({"column": str(c), "reason": why})
    if not chosen:
        raise ValueError("no column is left to make a feature of")
    steps = tuple(Step(k, tuple(v)) for k, v in chosen.items())
    recipe = Recipe(
        steps, name=name, label=label, entity=entity, time=time, after=after
    )
    return recipe, aside


def _guess(column: pd.Series, labelled: bool) -> tuple[str, str]:
    """A kind of step, or "" and the reason why there is none."""
    import pandas as pd

    whole = column.dropna()
    distinct = whole.nunique()
    if distinct <= 1:
        return "", "it never varies"
    own = len(column) > 50 and distinct == len(column)
    if pd.api.types.is_numeric_dtype(column):
        if own and not pd.api.types.is_float_dtype(column):
            return "", "a different value in every row: an identifier"
        return "number", ""
    if dates(whole):
        return "calendar", ""
    words = whole.head(SAMPLE).astype(str).str.count(r"\s+").mean() + 1
    if words >= 3 and distinct > 20:
        return "text", ""
    if own:
        return "", "a different value in every row: an identifier"
    if distinct <= 20:
        return "onehot", ""
    return ("target" if labelled else "frequency"), ""


def dates(column: pd.Series) -> bool:
    """Whether a column without missing values holds dates, as such or as text."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    if column.empty or not pd.api.types.is_string_dtype(column):
        return False
    text = column.head(SAMPLE).astype(str)
    if not text.str.match(r"\d{4}-\d{2}-\d{2}").all():
        return False
    return bool(pd.to_datetime(text, errors="coerce", format="ISO8601").notna().all())
