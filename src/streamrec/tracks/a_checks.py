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
from streamrec.fairness.audit import AuditPlan, Measure, audit
from streamrec.fairness.metrics import gini, position_weights
from streamrec.fairness.rerank import ExposureReranker, TargetNotReached
from streamrec.models.diversity import MMRReranker, difference
from streamrec.protocols import Recommendations, Reranker
from streamrec.tracks.a_data import Data
from streamrec.tracks.a_sources import write

if TYPE_CHECKING:
    from streamrec.tracks.a import Parts
    from streamrec.tracks.a_stack import Stack

MOST_GROUPS = 20  # groups of items in the exposure step; the smallest are joined
OTHER = "others"


def defects(data: Data) -> list[dict[str, Any]]:
    """What is odd about the interactions, a row a finding."""
    return []


# -- spread ------------------------------------------------------------------------


def item_groups(data: Data) -> pd.Series:
    """Group of every item; the smallest are joined, so that MOST_GROUPS remain."""
    g = data.item_group.reindex(data.interactions.items).astype(str)
    keep = g.value_counts().index[: MOST_GROUPS - 1]
    many = g.nunique() > MOST_GROUPS
    return g.where(g.isin(keep), OTHER) if many else g


def vectors(p: Parts) -> NDArray[np.float64]:
    """(N, D) what items are like, for diversity: one direction a category."""
    kinds = p.data.items["category"].replace("", "unknown")
    if kinds.nunique() < 2:
        kinds = p.data.item_group.astype(str)
    codes, names = pd.factorize(kinds.to_numpy())
    return np.eye(len(names))[codes]


def rerankers(p: Parts, stack: Stack, lists: Recommendations) -> dict[str, Reranker]:
    """The re-ranking steps of these settings, fitted on the ranker's lists.

    Nothing held out is used: exposure is a property of the lists alone.
    """
    s, steps = p.settings, {}
    if s.trade > 0:
        steps["diversity"] = MMRReranker(p.split.train.items, vectors(p), s.trade)
        lists = steps["diversity"].rerank(lists, lists.items.shape[1])
    groups = item_groups(p.data)
    if s.exposure > 0 and groups.nunique() > 1:
        before = ExposureReranker(groups, target=0.999, k=s.k).fit(lists).gini_before_
        fair = ExposureReranker(groups, target=before * (1 - s.exposure), k=s.k)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                steps["exposure"] = fair.fit(lists)
        except TargetNotReached as error:
            p.notes.append(f"the exposure step was left out: {error}")
    return steps


def spread(p: Parts, lists: Recommendations) -> float:
    """Mean difference of the items of a list (1: no two of one category)."""
    return float(np.nanmean(difference(lists, p.split.train.items, vectors(p))))


def group_gini(p: Parts, lists: Recommendations) -> float:
    """Gini over groups of exposure per eligible item."""
    groups = item_groups(p.data)
    supply = groups.value_counts()
    w = np.broadcast_to(position_weights(lists.items.shape[1]), lists.items.shape)
    shown = groups.reindex(lists.items[lists.valid]).to_numpy()
    E = pd.Series(w[lists.valid]).groupby(shown).sum().reindex(supply.index).fillna(0)
    return gini((E / supply).to_numpy())


# -- the audit ---------------------------------------------------------------------


def everything(
    p: Parts, stack: Stack, users: NDArray[Any], stages: dict[str, Recommendations]
) -> dict[str, Any]:
    """Audit, serving and monitoring, each in its own stage."""
    out: dict[str, Any] = {}
    with p.ledger.stage("audit"):
        out["audit"] = audited(p, list(stages.values())[-1])
    return out


def audited(p: Parts, lists: Recommendations) -> dict[str, Any]:
    """Both sides of the lists against a plan with tolerances; writes audit.html."""
    frame = lists.frame().rename(columns={"rank": "position"})
    relevant = ranking._relevant(p.split)
    rows = p.split.train.user_rows(frame["user"])
    at = p.split.train.item_rows(frame["item"])
    frame["hit"] = np.asarray(relevant[rows, at]).ravel()
    plan = AuditPlan(
        population=f"{p.data.words}; lists of {p.settings.k} for "
        f"{len(lists.users):,} users, judged on the newest fifth of each history",
        user_group=p.data.user_side,
        item_group=p.data.item_side,
        measures=(Measure("hits", "hit", "share of listed items chosen later"),),
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
