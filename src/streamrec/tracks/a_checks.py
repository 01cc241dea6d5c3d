"""What Track A checks around the ranking: defects, spread, serving, audit, alarms.

Each function takes what a run has (``a.Parts``) and gives plain rows for the report.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.evaluation import ranking
from streamrec.fairness.audit import AuditPlan, Measure, audit, clustered_mean
from streamrec.fairness.metrics import gini, position_weights
from streamrec.fairness.rerank import ExposureReranker, TargetNotReached
from streamrec.models.diversity import MMRReranker, difference
from streamrec.protocols import Recommendations, Reranker
from streamrec.tracks.a_data import Data
from streamrec.tracks.a_sources import write

if TYPE_CHECKING:
    from streamrec.tracks.a import Parts
    from streamrec.tracks.a_stack import Stack

WEEK = 7  # days at the end of the data that monitoring looks at
CHUNK_USERS = 1_000
VERSIONS = 3  # kept in the store
MOST_DEGRADED = 0.05  # share of degraded lists above which a night is not published
MOST_GROUPS = 20  # groups of items in the exposure step; the smallest are joined
OTHER = "others"
SHARES = (1.0, 0.75, 0.5, 0.25)  # of the way to the target, tried in turn


def events(data: Data) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Interactions before the last WEEK days, and those of these days."""
    x = data.interactions
    assert x.time is not None  # checked when the data were read
    frame = x.frame().rename(columns={"time": "timestamp"})
    day = x.time // 86_400
    late = (day > day.max() - WEEK) & (day > day.min())
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="s")
    return frame[~late].reset_index(drop=True), frame[late].reset_index(drop=True)


def defects(data: Data) -> list[dict[str, Any]]:
    """What is broken in the last week, against the time before it; a row a finding."""
    from streamrec.production.defects import find_defects

    before, now = events(data)
    if before.empty or now.empty:
        return []
    return [
        {"defect": d.kind, "column": d.column, "rows": d.rows, "what": d.text}
        for d in find_defects(now, before)
    ]


# -- spread ------------------------------------------------------------------------


def item_groups(data: Data) -> pd.Series:
    """Group of every item; the smallest are joined, so that MOST_GROUPS remain."""
    g = data.item_group.reindex(data.interactions.items).astype(str)
    keep = g.value_counts().index[: MOST_GROUPS - 1]
    many = g.nunique() > MOST_GROUPS
    return g.where(g.isin(keep), OTHER) if many else g


def variety(p: Parts, trade: float = 0.0) -> MMRReranker:
    """Diversity by the tags of the items: genres, categories, sizes of the audience."""
    return MMRReranker.from_categories(p.data.tags.reindex(p.split.train.items), trade)


def rerankers(p: Parts, stack: Stack, lists: Recommendations) -> dict[str, Reranker]:
    """The re-ranking steps of these settings, fitted on the ranker's lists.

    Nothing held out is used: exposure is a property of the lists alone.
    """
    s = p.settings
    steps: dict[str, Reranker] = {}
    if s.trade > 0:
        steps["diversity"] = variety(p, s.trade)
        lists = steps["diversity"].rerank(lists, lists.items.shape[1])
    groups = item_groups(p.data)
    if s.exposure < 1 and groups.nunique() > 1:
        fair = fair_enough(p, groups, lists)
        if fair is not None:
            steps["exposure"] = fair
    return steps


def fair_enough(
    p: Parts, groups: pd.Series, lists: Recommendations
) -> ExposureReranker | None:
    """The exposure step for the target of the settings, or the nearest that is reached.

    None where exposure is even enough without it, or cannot be made more even.
    """
    k, target = p.settings.k, p.settings.exposure
    before = ExposureReranker(groups, target=0.999, k=k).fit(lists).gini_before_
    if before <= target:
        return None
    for share in SHARES:
        aim = before + share * (target - before)
        fair = ExposureReranker(groups, target=aim, k=k)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                fair.fit(lists)
        except TargetNotReached:
            continue
        if share < 1:
            p.notes.append(
                f"exposure of item groups could not be brought to a Gini of {target:g} "
                f"with these candidates; {fair.gini_:.3f} was reached"
            )
        return fair
    p.notes.append("exposure of item groups could not be made more even: step left out")
    return None


def spread(p: Parts, lists: Recommendations) -> float:
    """Mean difference of the items of a list (1: no two share a tag)."""
    how = variety(p)
    return float(np.nanmean(difference(lists, how.items, how.vectors)))


def group_gini(p: Parts, lists: Recommendations) -> float:
    """Gini over groups of exposure per eligible item."""
    groups = item_groups(p.data)
    supply = groups.value_counts()
    w = np.broadcast_to(position_weights(lists.items.shape[1]), lists.items.shape)
    shown = groups.reindex(lists.items[lists.valid]).to_numpy()
    E = pd.Series(w[lists.valid]).groupby(shown).sum().reindex(supply.index).fillna(0)
    return gini((E / supply).to_numpy())


def new_items(p: Parts, models: dict[str, Any]) -> dict[str, Any] | None:
    """Where items that nobody had met stand among one another: 1 best, 0.5 by chance.

    For each held-out choice of such an item, the share of the other new items that its
    person's scores put below it; intervals are clustered by user. None if there is no
    such choice.
    """
    train, test = p.split.train, p.split.test.binary.tocsr()
    fresh = np.flatnonzero(np.diff(train.binary.tocsc().indptr) == 0)
    chosen = test[:, fresh].tocoo()
    if len(fresh) < 3 or not chosen.nnz:
        return None
    users, rows = np.unique(chosen.row, return_inverse=True)
    places = {}
    for name in ("content", "two towers"):
        if name in models:
            S = models[name].score(train.users[users])[:, fresh]  # (B, n)
            own = S[rows, chosen.col][:, None]
            beaten = ((own > S[rows]) + 0.5 * (own == S[rows])).sum(axis=1) - 0.5
            rank = beaten / (len(fresh) - 1)
            total = np.asarray(np.bincount(rows, weights=rank), dtype=float)
            count = np.asarray(np.bincount(rows), dtype=float)
            mean, se = clustered_mean(total, count)
            places[name] = {
                "rank": mean, "low": mean - 1.96 * se, "high": mean + 1.96 * se
            }  # fmt: skip
    return {"items": len(fresh), "choices": int(chosen.nnz), "places": places}


# -- the audit ---------------------------------------------------------------------


def everything(
    p: Parts, stack: Stack, users: NDArray[Any], stages: dict[str, Recommendations]
) -> dict[str, Any]:
    """Audit, serving and monitoring, each in its own stage."""
    out: dict[str, Any] = {}
    with p.ledger.stage("audit"):
        out["audit"] = audited(p, list(stages.values())[-1])
    with p.ledger.stage("serve everybody in a batch"):
        out["served"] = served(p, stack)
    with p.ledger.stage("serve through faults"):
        out["served"]["faults"] = injected(p, stack)
    with p.ledger.stage("monitoring"):
        out["monitoring"] = monitored(p)
    return out


# -- serving -----------------------------------------------------------------------


def served(p: Parts, stack: Stack) -> dict[str, Any]:
    """Lists of all users, through the funnel, as a version of the store.

    What a person has chosen before is never listed, the held-out part included.
    """
    from streamrec.production.batch import STORE, BatchStore, score_all

    x, k, mark = p.data.interactions, p.settings.k, p.workshop.folder.name
    assert x.time is not None
    store = BatchStore(p.output / STORE)
    funnel = stack.funnel(k, x)
    manifest = score_all(
        lambda users: stack.explain(funnel.serve(users)),
        x.users,
        store,
        mark,
        data_version=mark,
        chunk=CHUNK_USERS,
        fallback=funnel.fallback[: max(100, k)],
        data_until=str(np.datetime64(int(x.time.max()), "s")) + "Z",
        keep=VERSIONS,
        max_degraded=MOST_DEGRADED,
    )
    some = x.users[int(np.argmax(np.bincount(x.user_index)))]
    titles = p.data.items["title"]
    example = [
        {
            "place": row["rank"],
            "item": titles.get(row["item"], "") or str(row["item"]),
            "found by": row["source"].replace("+", ", "),
            "reason": row["reason"],
        }
        for row in store.answer(some.item() if hasattr(some, "item") else some, k)
    ]
    return {
        "users": x.n_users,
        "lists": int(manifest["rows"]),
        "version": mark,
        "command": f"streamrec recommend --user {some} --input {p.output.name}",
        "example_user": str(some),
        "example": example,
    }


def injected(p: Parts, stack: Stack, batch: int = 5) -> list[Any]:
    """Lists served while every stage suffers one fault in three of ten calls.

    A list is valid if it has k items (or all there are), none twice, none that the
    person met before.
    """
    from streamrec.production.funnel import FAULTS, inject

    rng = np.random.default_rng(p.settings.seed)
    x, k, rows = p.data.interactions, p.settings.k, []
    everyone, calls = rng.permutation(x.users), 3 if p.settings.quick else 12
    for fault in ("none", *FAULTS):
        funnel = stack.funnel(k, x, deadline=0.5 if fault == "slow" else None)
        if fault != "none":
            funnel.stages = [
                inject(stage, fault, share=0.3, seconds=1.0, rng=rng)
                for stage in funnel.stages
            ]
        valid = asked = degraded = 0
        for n in range(3 if fault == "slow" else calls):
            users = np.resize(everyone, calls * batch)[n * batch : (n + 1) * batch]
            answer = funnel.serve(users)
            valid += sum(is_valid(x, answer, b, k) for b in range(len(users)))
            asked, degraded = asked + len(users), degraded + int(answer.degraded.sum())
        rows.append(
            {
                "fault": fault,
                "requests": asked,
                "valid": valid / max(1, asked),
                "degraded": degraded / max(1, asked),
            }
        )
    return rows


def is_valid(x: Any, answer: Recommendations, b: int, k: int) -> bool:
    """Whether the list of user b keeps the contract."""
    row = int(x.user_rows([answer.users[b]])[0])
    seen = x.binary[row].indices if row >= 0 else np.empty(0, int)
    items = x.item_rows(answer.items[b][answer.valid[b]])
    full = len(items) == min(k, x.n_items - len(seen))
    alone = len(np.unique(items)) == len(items)
    return bool(
        full and alone and (items >= 0).all() and not np.isin(items, seen).any()
    )


def share_of_possible(
    hit: NDArray[np.float64], held: NDArray[np.int64], user: NDArray[Any], k: int
) -> NDArray[np.float64]:
    """Values of listed rows whose mean over a user's rows is hits / min(k, held), (n,).

    A user of whom two items are held out cannot have more than two hits: the share of
    places that hit would call any recommender unfair to short histories. NaN where
    nothing is held out.

    >>> hit, held = np.array([1.0, 0.0, 1.0, 1.0]), np.array([1, 1, 5, 5])
    >>> share_of_possible(hit, held, np.array(["a", "a", "b", "b"]), 2).tolist()
    [2.0, 0.0, 1.0, 1.0]
    """
    _, code, places = np.unique(user, return_inverse=True, return_counts=True)
    possible = np.minimum(k, held)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(possible > 0, hit * places[code] / possible, np.nan)


def audited(p: Parts, lists: Recommendations) -> dict[str, Any]:
    """Both sides of the lists against a plan with tolerances; writes audit.html."""
    frame = lists.frame().rename(columns={"rank": "position"})
    relevant = ranking._relevant(p.split)
    rows = p.split.train.user_rows(frame["user"])
    at = p.split.train.item_rows(frame["item"])
    hit = np.asarray(relevant[rows, at], dtype=float).ravel()
    frame["found"] = share_of_possible(
        hit, np.diff(relevant.indptr)[rows], frame["user"].to_numpy(), p.settings.k
    )
    plan = AuditPlan(
        population=f"{p.data.words}; lists of {p.settings.k} for "
        f"{len(lists.users):,} users, judged on the newest fifth of each history",
        user_group=p.data.user_side,
        item_group=p.data.item_side,
        measures=(
            Measure("found", "found", "share found of the hits that were possible"),
        ),
        owner="the owner of the product",
        action="look into the worst group before the lists are shown",
    )
    report = audit(frame, p.data.user_group.astype(str), item_groups(p.data), plan)
    write(p.output / "audit.html", report.html() + "\n")
    return {
        "verdicts": report.verdicts,
        "passed": report.passed,
        "gini": list(report.gini),
        "users": report.users.drop(columns="se").to_dict("records"),
        "gaps": report.gaps.to_dict("records"),
        "creators": report.creators.to_dict("records"),
    }


# -- monitoring --------------------------------------------------------------------


def monitored(p: Parts) -> dict[str, Any]:
    """The last week of the data against what came before it; writes monitoring/."""
    from streamrec.production.monitoring import Monitor, record, write_report
    from streamrec.production.monitoring import history as past

    before, now = events(p.data)
    if before.empty or now.empty:
        return {
            "faults": [],
            "sentence": "not possible: all data are from one week.",
            "words": "All data are from one week: there is nothing to compare with.",
            "rows": [],
        }
    report = Monitor().fit(before).check(now)
    file = p.output / "monitoring" / "history.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    record(report, file, p.data.name)
    write_report(report, file.parent, past=past(file, p.data.name))
    faults = ", ".join(report.faults)
    return {
        "faults": list(report.faults),
        "sentence": f"alarm ({faults})." if faults else "no alarm.",
        "words": f"The last {WEEK} days of the data against all before them. "
        + report.paragraph(),
        "rows": [
            {"alarm": c.fault, "column": c.column, "what was seen": c.text}
            for c in report.alarms
        ],
        "checks": len(report.checks),
        "page": "monitoring/report.html",
    }
