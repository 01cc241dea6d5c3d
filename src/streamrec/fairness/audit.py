"""Two-sided audit of what a platform showed: users on one side, creators on the other.

Chapter 31. The plan (measures, tolerances, owner) is an object of its own because it is
to be written before anyone looks. Users are the independent units, impressions are not:
every interval is clustered by user. Whatever cannot be used is counted and named.
"""

from __future__ import annotations

import difflib
import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from streamrec.fairness.metrics import gini, position_weights
from streamrec.pages import document

Floats = NDArray[np.float64]
WITHIN, BREACH, UNSETTLED = "within tolerance", "breach", "not settled by these data"


@dataclass(frozen=True)
class Measure:
    """A quantity of users: the mean of a log column over shelf impressions."""

    name: str
    column: str
    definition: str


@dataclass(frozen=True)
class AuditPlan:
    """What is fixed before the data are looked at.

    population: who and which period, in words. user_group, item_group: what the groups
    are, in words. groups: user groups that must appear even if nobody is in them.
    least_ratio: smallest tolerable ratio of the worst to the best user group.
    largest_gini: largest tolerable Gini of exposure per eligible item. least_users:
    groups with fewer users get no verdict. owner, action: who decides, and what happens
    in case of a breach. user, item, position: column names; position counts from 1, 0
    is not on the shelf. event: columns that together name an impression; a shelf row
    that repeats an earlier one is set aside and counted (empty: none is looked for).
    """

    population: str
    user_group: str
    item_group: str
    measures: tuple[Measure, ...]
    owner: str
    action: str
    groups: tuple[Any, ...] = ()
    least_ratio: float = 0.8
    largest_gini: float = 0.30
    least_users: int = 30
    level: float = 0.95
    user: str = "user"
    item: str = "item"
    position: str = "position"
    event: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.measures:
            raise ValueError("an audit needs at least one measure")
        if not 0 < self.level < 1 or not 0 < self.least_ratio <= 1:
            raise ValueError("level must lie in (0, 1) and least_ratio in (0, 1]")
        if not 0 < self.largest_gini < 1 or self.least_users < 2:
            raise ValueError(
                "largest_gini must lie in (0, 1), least_users be 2 or more"
            )
        if not self.owner.strip() or not self.action.strip():
            raise ValueError("an audit without an owner and an action decides nothing")


@dataclass(frozen=True)
class Repair:
    """A mitigation and its price: (estimate, low, high) each, relative changes."""

    name: str
    gini: float
    ndcg: tuple[float, float, float]
    minutes: tuple[float, float, float]


# derivation: eq-clustered-ratio
def clustered_mean(total: Floats, count: Floats) -> tuple[float, float]:
    """Mean over rows and its standard error, clustered: sums and counts of m users.

    r = sum S_u / sum N_u;  se = sqrt(m/(m-1) sum (S_u - r N_u)^2) / sum N_u. NaN for
    the error of one user, NaN for both of none.

    >>> clustered_mean(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    (1.0, 0.5)
    """
    m, n = total.size, count.sum()
    if n == 0:
        return float("nan"), float("nan")
    r = total.sum() / n
    if m < 2:
        return float(r), float("nan")
    residual = total - r * count
    return float(r), float(np.sqrt(m / (m - 1) * (residual @ residual)) / n)


# derivation: eq-gini-influence
def clustered_gini(exposure: Floats, supply: Floats) -> tuple[float, float]:
    """Gini of exposure per eligible item and its error, users as clusters.

    exposure: (m, G) of each user; supply: (G,). With a_g = 2 rank - G - 1 the Gini is
    a'x / (G 1'x), x_g = sum_u E_ug / n_g; its linearisation in user u is
    (a - Gini G)'(E_u / n) / (G 1'x). Valid while the order of groups is not in doubt.
    """
    X = exposure / supply  # (m, G)
    x, (m, G) = X.sum(axis=0), X.shape
    value = gini(x)
    rank = np.empty(G)
    rank[np.argsort(x, kind="stable")] = np.arange(1, G + 1)
    part = X @ (2 * rank - G - 1 - value * G) / (G * x.sum())  # (m,)
    se = np.sqrt(m / (m - 1) * (part @ part)) if m > 1 else np.nan
    return value, float(se)


@dataclass(frozen=True)
class AuditReport:
    """Tables, verdicts and counts of an audit; ``markdown()``, ``html()``, ``write()``.

    users: a row a measure and group. gaps: a row a measure (worst against best group).
    creators: a row a group. gini: value, low, high. counts and set_aside: what was used
    and what was not, and why. passed: True if every verdict is "within tolerance".
    """

    plan: AuditPlan
    counts: dict[str, int]
    set_aside: dict[str, int]
    users: pd.DataFrame
    gaps: pd.DataFrame
    creators: pd.DataFrame
    gini: tuple[float, float, float]
    gini_verdict: str
    repair: Repair | None = None

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict of each measure and of exposure."""
        found = dict(zip(self.gaps["measure"], self.gaps["verdict"], strict=True))
        return found | {"exposure": self.gini_verdict}

    @property
    def passed(self) -> bool:
        """True if nothing is in breach and nothing is unsettled."""
        return set(self.verdicts.values()) == {WITHIN}

    def markdown(self) -> str:
        """The audit page as Markdown."""
        return "\n\n".join(
            f"{'#' * level} {text}" if level else _markdown(text)
            for level, text in self._parts()
        )

    def html(self) -> str:
        """The audit page as one self-contained HTML document."""
        body = []
        for level, text in self._parts():
            if level:
                body.append(f"<h{level}>{html.escape(text)}</h{level}>")
            elif isinstance(text, pd.DataFrame):
                body.append(_html(text))
            else:
                body.append(f"<p>{html.escape(text)}</p>")
        return document("Fairness audit", body)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write .md or .html (by the ending), atomically; returns the path."""
        file = Path(path)
        if file.suffix not in (".md", ".html"):
            raise ValueError(f"{file.name}: the report is written as .md or .html")
        text = self.markdown() if file.suffix == ".md" else self.html()
        draft = file.with_name(file.name + ".part")
        draft.write_text(text + "\n", encoding="utf-8")
        os.replace(draft, file)
        return file

    def _parts(self) -> list[tuple[int, Any]]:
        p, (g, low, high) = self.plan, self.gini
        G = int((self.creators["supply"] > 0).sum())
        parts: list[tuple[int, Any]] = [
            (1, "Fairness audit"),
            (0, f"{p.population}. Decision owner: {p.owner}."),
            (2, "Result"),
            (0, pd.DataFrame(self.verdicts.items(), columns=["question", "verdict"])),
            (0, f"In case of a breach: {p.action}."),
            (2, "Population and counts"),
            (0, _listed(self.counts)),
            (0, _listed(self.set_aside, "Set aside: ") or "Nothing was set aside."),
            (2, f"Users, by {p.user_group}"),
            (0, " ".join(f"{m.name}: {m.definition}." for m in p.measures)),
            (0, f"Tolerance, chosen beforehand: the worst group reaches at least "
                f"{p.least_ratio:.0%} of the best. Intervals are {p.level:.0%}, "
                "clustered by user; those of the worst gap allow for having picked the "
                "worst pair."),
            (0, self.users),
            (0, self.gaps),
            (0, " ".join(self._who_bears())),
            (2, f"Creators, by {p.item_group}"),
            (0, "Exposure is the sum of 1/log2(1 + place) over shelf impressions; 'per "
                "item' divides by the eligible items and is 1 at equal exposure."),
            (0, self.creators),
            (0, f"Gini of exposure per eligible item: {g:.3f} "
                f"({low:.3f} to {high:.3f}); "
                f"0 is equal, the maximum of {G} groups is {1 - 1 / G:.3f}. Tolerance,"
                f" chosen beforehand: {p.largest_gini:.2f}."),
            (2, "Cost of repair"),
            (0, _price(self.repair)),
            (2, "What this audit cannot say"),
            (0, "It compares averages of groups that were recorded. It does not say why"
                " groups differ, whether a difference is deserved, or what happens to "
                "people whose group is unknown."),
        ]  # fmt: skip
        return [(level, text) for level, text in parts if len(text)]

    def _who_bears(self) -> list[str]:
        return [
            f"{row.measure}: {row.worst} bears the difference ({row.users:,} users)."
            for row in self.gaps.itertuples()
            if isinstance(row.worst, str)
        ]


def audit(
    log: pd.DataFrame,
    users: pd.Series,
    items: pd.Series,
    plan: AuditPlan,
    *,
    repair: Repair | None = None,
) -> AuditReport:
    """Audit impressions against a plan.

    log: one row an impression with the plan's columns. users: index user, value group.
    items: index item, value group; its length is the eligible supply.

    Raises
    ------
    ValueError
        For an unknown column (the nearest name is suggested), a column that holds no
        numbers, an empty log, ids that stand twice in ``users`` or ``items``, or a log
        without a shelf impression.

    >>> log = pd.DataFrame({"user": [1, 2], "item": [7, 8], "hit": [0, 1]})
    >>> hits = Measure("hits", "hit", "share")
    >>> plan = AuditPlan("two", "g", "h", (hits,), "me", "stop")
    >>> users, items = pd.Series(["a", "b"], [1, 2]), pd.Series(["x", "y"], [7, 8])
    >>> r = audit(log.assign(position=1), users, items, plan)
    >>> r.gini[0], r.counts["shelf impressions used"], r.passed
    (0.0, 2, False)
    """
    columns = [plan.user, plan.item, plan.position, *plan.event]
    _need(log, columns + [m.column for m in plan.measures])
    for name, table in (("users", users), ("items", items)):
        if table.index.has_duplicates:
            twice = table.index[table.index.duplicated()][:5].tolist()
            raise ValueError(f"{name} holds the ids {twice} twice")
    at = _numbers(log, plan.position)
    if not (np.isfinite(at) & (at >= 0) & (at == np.floor(at))).all():
        raise ValueError(
            f"{plan.position} must be 0 (not on the shelf) or a whole place from 1"
        )
    shelf = at > 0
    if not shelf.any():
        raise ValueError("the log has no shelf impression: there is nothing to audit")
    log, place = log.loc[shelf], at[shelf].astype(np.int64)
    again = np.zeros(len(log), dtype=bool)
    if plan.event:
        again = log.duplicated(list(plan.event)).to_numpy()
        log, place = log.loc[~again], place[~again]
    person, group, names = _labels(log[plan.user], users, plan.groups)
    _, kind, kinds = _labels(log[plan.item], items, ())
    aside = {
        "rows not on the shelf": int((~shelf).sum()),
        f"shelf rows that repeat an impression ({', '.join(plan.event)})": int(
            again.sum()
        ),
        f"shelf rows of users without a {plan.user_group}": int((group < 0).sum()),
        f"shelf rows of items without a {plan.item_group}": int((kind < 0).sum()),
        f"items of the catalogue without a {plan.item_group}": int(items.isna().sum()),
    }
    side, gaps = _user_side(log, person, group, names, plan, aside)
    creators, spread = _creator_side(person, kind, kinds, items, place, plan)
    of_user = pd.Series(group).groupby(person).first()
    size = np.bincount(of_user[of_user >= 0], minlength=len(names))  # (G,) users
    counts = {
        "shelf impressions": len(log),
        "shelf impressions used": int(((group >= 0) & (kind >= 0)).sum()),
        "users": int(np.unique(person).size),
        "known users without a shelf impression": int(
            (~users.index.isin(log[plan.user])).sum()
        ),
        "items shown": int(log[plan.item].nunique()),
        "eligible items": int(items.notna().sum()),
        "groups of users without an impression": int((size == 0).sum()),
        f"groups of fewer than {plan.least_users} users": int(
            ((size > 0) & (size < plan.least_users)).sum()
        ),
    }
    verdict = _verdict(spread[1], spread[2], plan.largest_gini, below=True)
    kept = {k: v for k, v in aside.items() if v}
    return AuditReport(
        plan, counts, kept, side, gaps, creators, spread, verdict, repair
    )


def _need(log: pd.DataFrame, columns: Sequence[str]) -> None:
    if log.empty:
        raise ValueError("the log is empty: there is nothing to audit")
    for name in columns:
        if name not in log.columns:
            near = difflib.get_close_matches(name, [str(c) for c in log.columns], 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"the log has no column {name!r}{hint}")


def _numbers(log: pd.DataFrame, column: str) -> Floats:
    try:
        return log[column].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(
            f"the column {column!r} must hold numbers, not {log[column].dtype}"
        ) from None


def _labels(
    ids: pd.Series, table: pd.Series, declared: Sequence[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp], list[Any]]:
    """Cluster of each row, group code of each row (-1 unknown), names of the groups."""
    row, _ = pd.factorize(ids.to_numpy(), use_na_sentinel=False)
    names = sorted(set(table.dropna().unique()) | set(declared), key=str)
    code_of = pd.Index(names).get_indexer(table.to_numpy())
    code_of[table.isna().to_numpy()] = -1
    at = table.index.get_indexer(ids.to_numpy())
    return row, np.where(at < 0, -1, code_of[at]), names


def _user_side(
    log: pd.DataFrame,
    person: NDArray[np.intp],
    group: NDArray[np.intp],
    names: list[Any],
    plan: AuditPlan,
    aside: dict[str, int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values by group with intervals, and the worst gap of each measure."""
    m = int(person.max()) + 1
    of = np.full(m, -1)
    of[person] = group  # a user's group, constant over the rows
    rows: list[tuple[Any, ...]] = []
    gaps: list[dict[str, Any]] = []
    for measure in plan.measures:
        value = _numbers(log, measure.column)
        good = np.isfinite(value)
        if (~good).any():
            aside[f"rows without {measure.column}"] = int((~good).sum())
        S = np.bincount(person[good], weights=value[good], minlength=m).astype(float)
        N = np.asarray(np.bincount(person[good], minlength=m), dtype=float)
        table = [_row(measure.name, names[g], S, N, (of == g) & (N > 0), plan)
                 for g in range(len(names))]  # fmt: skip
        rows += table
        gaps.append(_gap(measure.name, table, plan))
    columns = ["measure", "group", "users", "impressions", "value", "low", "high",
               "se", "note"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(gaps)


def _row(
    measure: str,
    name: Any,
    S: Floats,
    N: Floats,
    here: NDArray[np.bool_],
    plan: AuditPlan,
) -> tuple[Any, ...]:
    users = int(here.sum())
    r, se = clustered_mean(S[here], N[here])
    half = stats.t.ppf((1 + plan.level) / 2, users - 1) * se if users > 1 else np.nan
    note = ""
    if users == 0:
        note = "no impression"
    elif users == 1:
        note = "one user: no interval, no verdict"
    elif users < plan.least_users:
        note = f"fewer than {plan.least_users} users: no verdict"
    return (measure, name, users, int(N[here].sum()), r, r - half, r + half, se, note)


# derivation: eq-worst-gap
def _gap(measure: str, table: list[tuple[Any, ...]], plan: AuditPlan) -> dict[str, Any]:
    """Worst against best group; intervals at the Bonferroni level of all pairs."""
    fit = [t for t in table if t[2] >= plan.least_users]
    blank = {"measure": measure, "worst": None, "best": None, "users": 0}
    nothing = dict.fromkeys(
        ("gap", "gap_low", "gap_high", "ratio", "ratio_low", "ratio_high"), float("nan")
    )
    if len(fit) < 2:
        return blank | nothing | {"verdict": UNSETTLED}
    low, high = min(fit, key=lambda t: t[4]), max(fit, key=lambda t: t[4])
    pairs = len(fit) * (len(fit) - 1) / 2
    z = stats.norm.ppf(1 - (1 - plan.level) / 2 / pairs)
    (a, sa), (b, sb) = (low[4], low[7]), (high[4], high[7])
    half = z * np.hypot(sa, sb)
    gap = {"gap": b - a, "gap_low": b - a - half, "gap_high": b - a + half}
    if a <= 0 or b <= 0:
        ratio = dict.fromkeys(("ratio", "ratio_low", "ratio_high"), float("nan"))
        ratio["ratio"] = a / b if b > 0 else float("nan")  # its logarithm has no error
        verdict = UNSETTLED
    else:
        wide = np.exp(z * np.hypot(sa / a, sb / b))
        ratio = {"ratio": a / b, "ratio_low": a / b / wide, "ratio_high": a / b * wide}
        verdict = _verdict(
            ratio["ratio_low"], ratio["ratio_high"], plan.least_ratio, below=False
        )
    who = {
        "measure": measure,
        "worst": str(low[1]),
        "best": str(high[1]),
        "users": low[2],
    }
    return who | gap | ratio | {"verdict": verdict}


def _verdict(low: float, high: float, limit: float, *, below: bool) -> str:
    """Where the whole interval lies; below: values under the limit are tolerable."""
    if not np.isfinite(low) or not np.isfinite(high):
        return UNSETTLED
    under, over = high <= limit, low > limit
    if not below:
        under, over = high < limit, low >= limit
    good, bad = (under, over) if below else (over, under)
    return WITHIN if good else BREACH if bad else UNSETTLED


# derivation: eq-exposure-interval
def _creator_side(
    person: NDArray[np.intp],
    kind: NDArray[np.intp],
    kinds: list[Any],
    items: pd.Series,
    place: NDArray[np.int64],
    plan: AuditPlan,
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Exposure per eligible item by group with intervals, and the Gini with its own."""
    known = kind >= 0
    G, m = len(kinds), int(person.max()) + 1
    if G < 2 or not known.any():
        raise ValueError("creators need at least two groups, and one of them shown")
    w = position_weights(int(place.max()))[place[known] - 1]
    flat = person[known] * G + kind[known]
    E = np.bincount(flat, weights=w, minlength=m * G).reshape(m, G)
    E = E[E.sum(axis=1) > 0]
    supply = items.value_counts().reindex(kinds).to_numpy(float)
    total, z = E.sum(axis=0), stats.norm.ppf((1 + plan.level) / 2)
    per_item = total / supply * supply.sum() / total.sum()
    m = len(E)
    part = (E * supply.sum() / supply - np.outer(E.sum(axis=1), per_item)) / total.sum()
    se = np.sqrt(m / (m - 1) * (part**2).sum(axis=0)) if m > 1 else np.full(G, np.nan)
    table = pd.DataFrame(
        {
            "group": kinds,
            "supply": supply.astype(int),
            "exposure": total,
            "share": total / total.sum(),
            "per_item": per_item,
            "low": np.maximum(per_item - z * se, 0),
            "high": per_item + z * se,
            "note": np.where(total == 0, "never shown", ""),
        }
    )
    value, error = clustered_gini(E, supply)
    return table, (value, max(value - z * error, 0.0), min(value + z * error, 1.0))


def _listed(counts: dict[str, int], head: str = "") -> str:
    text = "; ".join(f"{k} {v:,}" for k, v in counts.items())
    return f"{head}{text}." if text else ""


def _price(repair: Repair | None) -> str:
    if repair is None:
        return "No repair was priced."

    def of(x: tuple[float, float, float]) -> str:
        return f"{x[0]:+.1%} ({x[1]:+.1%} to {x[2]:+.1%})"

    return (
        f"{repair.name}: Gini {repair.gini:.3f} at NDCG {of(repair.ndcg)} and minutes "
        f"{of(repair.minutes)}."
    )


def _shown(x: Any) -> str:
    if isinstance(x, (float, np.floating)):
        return "not defined" if np.isnan(x) else f"{x:.4g}" if x < 1000 else f"{x:,.0f}"
    return "" if x is None else f"{x:,}" if isinstance(x, (int, np.integer)) else str(x)


def _cells(t: pd.DataFrame) -> list[list[str]]:
    keep = t.drop(columns="se", errors="ignore")
    head = [str(c).replace("_", " ") for c in keep.columns]
    body = zip(*(keep[c].tolist() for c in keep.columns), strict=True)
    return [head, *([_shown(x) for x in row] for row in body)]


def _markdown(text: Any) -> str:
    if not isinstance(text, pd.DataFrame):
        return str(text)
    safe = [[x.replace("|", "\\|") for x in row] for row in _cells(text)]
    lines = ["| " + " | ".join(row) + " |" for row in safe]
    return "\n".join([lines[0], "|" + " --- |" * len(safe[0]), *lines[1:]])


def _html(t: pd.DataFrame) -> str:
    head, *body = [[html.escape(x) for x in row] for row in _cells(t)]
    top = "<tr>" + "".join(f"<th>{x}</th>" for x in head) + "</tr>"
    rows = ("<tr>" + "".join(f"<td>{x}</td>" for x in row) + "</tr>" for row in body)
    cells = f"<thead>{top}</thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{cells}</table></div>'
