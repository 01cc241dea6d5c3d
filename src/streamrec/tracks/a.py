"""Track A end to end: from interactions to served lists, a report and its numbers.

``run`` loads data, holds out the newest fifth of each user's history, chooses settings
on a validation slice inside the rest, refits, ranks, re-ranks, judges with paired
intervals against tuned baselines, serves everybody in a batch, watches and audits. What
was fitted is kept in ``OUTPUT/work``, so that a run that was killed goes on where it
was; ``results.json`` and ``report.html`` are replaced last, each whole or not at all.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.data.splits import Split, last_fraction, validation_slice
from streamrec.evaluation import ranking
from streamrec.evaluation.compare import paired_difference
from streamrec.protocols import Recommendations
from streamrec.tracks import a_checks, a_rank
from streamrec.tracks.a_data import Data, load
from streamrec.tracks.a_sources import Ledger, Source, Workshop, fingerprint, sources
from streamrec.tracks.a_sources import write as write_whole
from streamrec.tracks.a_stack import Stack

FRACTION = 0.2  # newest part of each history that is held out
BASELINES = ("popularity", "EASE", "ALS")


@dataclass(frozen=True)
class Settings:
    """What a run may change; every one has a default.

    k: places shown. depth: best items taken from each source. pool: places that the
    re-rankers see. trade: weight of difference in MMR (0: off). exposure: largest Gini
    of exposure of item groups, reached by boosting groups that get less (1: off).
    quick: fewer settings tried and shorter training, to see a run work. seed: of
    everything random.
    """

    k: int = 10
    depth: int = 100
    pool: int = 30
    trade: float = 0.1
    exposure: float = 0.27
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be used."""
        if not 1 <= self.k <= self.pool <= self.depth:
            raise ValueError("settings need 1 <= k <= pool <= depth")
        if not 0 <= self.trade <= 1 or not 0 < self.exposure <= 1:
            raise ValueError("trade must lie in [0, 1] and exposure in (0, 1]")


@dataclass
class Parts:
    """What the stages of a run hand on to one another."""

    data: Data
    settings: Settings
    output: Path
    split: Split
    inner: Split
    ledger: Ledger
    workshop: Workshop
    notes: list[str]


def run(
    data: str | Data,
    output: str | Path,
    settings: Settings | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    items: str | Path | None = None,
    users: str | Path | None = None,
    size: str = "small",
    on_duplicates: str = "error",
    time_unit: str = "s",
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the track on ``data`` (see ``a_data.load``) and write the folder ``output``.

    Returns what ``results.json`` holds. ``say`` is told each stage as it begins.

    Raises
    ------
    ValueError, OSError
        One sentence; what an earlier run left in ``output`` stays as it is.
    """
    s = settings or Settings()
    ledger = Ledger(say)
    with ledger.stage("load and check the data"):
        if isinstance(data, str):
            data = load(
                data, columns=columns, items=items, users=users, size=size,
                seed=s.seed, on_duplicates=on_duplicates, time_unit=time_unit,
            )  # fmt: skip
        defects = a_checks.defects(data)
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: give the name of a folder")
    split = last_fraction(data.interactions, FRACTION)
    inner = validation_slice(split, FRACTION)
    mark = fingerprint(data, asdict(s))
    (folder / "work").mkdir(parents=True, exist_ok=True)
    p = Parts(
        data, s, folder, split, inner, ledger, Workshop(folder / "work" / mark), []
    )
    results = _compose(p, defects)
    _publish(p, results)
    for old in (folder / "work").iterdir():
        if old.name != mark:
            shutil.rmtree(old, ignore_errors=True)
    return results


def _compose(p: Parts, defects: list[dict[str, Any]]) -> dict[str, Any]:
    """Every stage in turn; the results as plain values."""
    s, kinds = p.settings, sources(p.data, p.settings.quick, p.settings.seed)
    tuned, choice = _choose(p, kinds)
    models = _refit(p, kinds, tuned)
    with p.ledger.stage("rank and re-rank the held-out users"):
        stack, judged, c, stages = _judge(p, kinds, models, choice)
    results: dict[str, Any] = {
        "data": _describe(p),
        "settings": asdict(s),
        "chosen": tuned,
        "ways": choice.rows,
        "way": choice.chosen,
        "weights": _weights(choice.ranker, list(models)),
        "quality": [],
        "defects": defects,
    }
    with p.ledger.stage("compare with the baselines"):
        systems = _systems(p, models, judged, stages)
        results |= _quality(p, systems)
        results["recall_by_stage"] = _recall(p, judged, c, stages, list(models))
        results["price"] = _price(p, systems, stages)
        results["calibration"] = _calibration(p, judged, stages)
        results["new_items"] = a_checks.new_items(p, models)
    if p.data.world is not None:
        with p.ledger.stage("true value in the world"):
            results["policy_value"] = _true_value(p, systems)
    results |= a_checks.everything(p, stack, judged, stages)
    results["cost"] = p.ledger.rows
    results["seconds"] = round(p.ledger.seconds, 1)
    results["notes"] = p.notes
    return plain(results)


# -- choosing, fitting -------------------------------------------------------------


def _choose(p: Parts, kinds: list[Source]) -> tuple[dict[str, Any], a_rank.Choice]:
    """Settings of the sources and the way to rank, on the validation slice alone."""
    s, tuned, models = p.settings, {}, {}
    for kind in kinds:
        with p.ledger.stage(f"{kind.name}: choose settings") as row:
            tuned[kind.name], models[kind.name], row["seconds"] = p.workshop.tune(
                kind, p.data, p.inner, s.k
            )
    with p.ledger.stage("choose the way to rank"):
        relevant = ranking._relevant(p.inner)
        rows = np.flatnonzero(np.diff(relevant.indptr))
        c = a_rank.find(
            models,
            p.inner.train.users[rows],
            p.inner.train.binary[rows],
            p.inner.train,
            s.depth,
        )
        choice = a_rank.choose(
            c, relevant[rows], list(models), s.k, seed=s.seed,
            epochs=3 if s.quick else 12,
        )  # fmt: skip
    return tuned, choice


def _refit(p: Parts, kinds: list[Source], tuned: dict[str, Any]) -> dict[str, Any]:
    """Every source on all of the training part, with the settings that were chosen."""
    models = {}
    for kind in kinds:
        with p.ledger.stage(f"{kind.name}: fit") as row:
            models[kind.name], row["seconds"] = p.workshop.fit(
                "final", kind, tuned[kind.name], p.data, p.split.train
            )
    return models


def _judge(
    p: Parts, kinds: list[Source], models: dict[str, Any], choice: a_rank.Choice
) -> tuple[Stack, NDArray[Any], a_rank.Candidates, dict[str, Recommendations]]:
    """The stack, the users judged, their candidates and their lists stage by stage."""
    s, relevant = p.settings, ranking._relevant(p.split)
    users = p.split.train.users[np.flatnonzero(np.diff(relevant.indptr))]
    reasons = {kind.name: kind.reason for kind in kinds}
    titles = p.data.items["title"] if p.data.items["title"].str.len().any() else None
    stack = Stack(
        models, reasons, p.split.train, choice.ranker, choice.calibrator, s.depth,
        s.pool, {}, titles=titles,
    )  # fmt: skip
    c = stack.candidates(users)
    stack.steps = a_checks.rerankers(p, stack, stack.ranked(users, c))
    return stack, users, c, stack.stages(users, c, s.k)


# -- judging -----------------------------------------------------------------------


def _describe(p: Parts) -> dict[str, Any]:
    x = p.data.interactions
    return {
        "name": p.data.name,
        "title": p.data.title,
        "words": p.data.words,
        "users": x.n_users,
        "items": x.n_items,
        "interactions": len(x),
        "train": len(p.split.train),
        "held_out": len(p.split.test),
        "validation": len(p.inner.test),
        "new_items": int((np.diff(p.split.train.binary.tocsc().indptr) == 0).sum()),
        "user_side": p.data.user_side,
        "item_side": p.data.item_side,
    }


def _weights(ranker: Any, names: list[str]) -> dict[str, float] | None:
    w = getattr(ranker, "w_", None)
    return None if w is None else dict(zip(names, map(float, w), strict=True))


def _systems(
    p: Parts, models: dict[str, Any], users: NDArray[Any],
    stages: dict[str, Recommendations],
) -> dict[str, Recommendations]:  # fmt: skip
    """Lists of every system for the judged users; the stack's are its last stage."""
    lists = {n: m.recommend(users, p.settings.k) for n, m in models.items()}
    return lists | {"full stack": list(stages.values())[-1]}


def _quality(p: Parts, systems: dict[str, Recommendations]) -> dict[str, Any]:
    """Accuracy of every system, and the stack's gains paired by user."""
    k = p.settings.k
    found = {n: ranking.evaluate(r, p.split, k) for n, r in systems.items()}
    rows = []
    for name, e in found.items():
        table = e.summary()
        rows.append(
            {
                "system": name,
                "ndcg": e.mean("ndcg"),
                "ndcg_se": float(table.loc["ndcg", "se"]),
                "recall": e.mean("recall"),
                "recall_se": float(table.loc["recall", "se"]),
                "hit_rate": e.mean("hit_rate"),
                "hits": k * e.mean("precision"),
                "novelty": e.mean("novelty"),
                "coverage": e.overall["coverage"],
                "users": int(table.loc["ndcg", "n"]),
            }
        )
    paired = []
    for metric in ("ndcg", "recall"):
        for base in (b for b in found if b != "full stack"):
            d = paired_difference(found["full stack"][metric], found[base][metric])
            paired.append(
                {
                    "metric": metric,
                    "against": base,
                    "difference": d.difference,
                    "se": d.se,
                    "low": d.interval[0],
                    "high": d.interval[1],
                    "users": d.n,
                    "better": d.wins,
                    "worse": d.losses,
                }
            )
    return {"quality": rows, "paired": paired}


def _recall(
    p: Parts, users: NDArray[Any], c: a_rank.Candidates,
    stages: dict[str, Recommendations], names: list[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Share of held-out items that is still there, stage by stage."""
    relevant = ranking._relevant(p.split)[p.split.train.user_rows(users)]
    total = np.diff(relevant.indptr)
    y, B = a_rank.labels(c, relevant), len(users)

    def share(hits: NDArray[Any]) -> float:
        return float((np.bincount(c.user, weights=hits, minlength=B) / total).mean())

    rows = [
        {
            "stage": f"candidates of {name}",
            "items": float(c.found[:, s].sum() / B),
            "recall": share(y * c.found[:, s]),
        }
        for s, name in enumerate(names)
    ]
    rows.append(
        {"stage": "candidates, merged", "items": len(c.item) / B, "recall": share(y)}
    )
    for name, lists in stages.items():
        e = ranking.evaluate(lists, p.split, p.settings.k, metrics=["recall"])
        label = "ranker" if name == "ranked" else name
        rows.append(
            {
                "stage": f"list after {label}",
                "items": float(lists.valid.sum() / B),
                "recall": e.mean("recall"),
            }
        )
    return rows


def _price(
    p: Parts, systems: dict[str, Recommendations], stages: dict[str, Recommendations]
) -> list[dict[str, Any]]:
    """What each re-ranking step gains and costs, paired against the ranker's lists."""
    k, rows = p.settings.k, []
    base = ranking.evaluate(stages["ranked"], p.split, k)
    for name, lists in stages.items():
        e = ranking.evaluate(lists, p.split, k)
        d = paired_difference(e["ndcg"], base["ndcg"])
        rows.append(
            {
                "stage": "ranker" if name == "ranked" else f"+ {name}",
                "ndcg": e.mean("ndcg"),
                "recall": e.mean("recall"),
                "ndcg_change": d.difference,
                "low": d.interval[0],
                "high": d.interval[1],
                "difference_in_list": a_checks.spread(p, lists),
                "group_gini": a_checks.group_gini(p, lists),
                "coverage": e.overall["coverage"],
            }
        )
    return rows


def _calibration(
    p: Parts, users: NDArray[Any], stages: dict[str, Recommendations]
) -> dict[str, Any]:
    """Reliability of the probabilities of the ranker's lists on the held-out part."""
    from streamrec.evaluation.classification import calibration

    relevant = ranking._relevant(p.split)[p.split.train.user_rows(users)]
    lists = stages["ranked"]
    rows = p.split.train.item_rows(lists.items.ravel()).reshape(lists.items.shape)
    ranked = np.where(lists.valid, rows, -1)
    hit, _ = ranking.find_hits(ranked, relevant)
    y, prob = hit[lists.valid].astype(float), lists.scores[lists.valid]
    r = calibration(y, prob)
    return {
        "places": int(len(y)),
        "predicted": float(prob.mean()),
        "observed": float(y.mean()),
        "ece": r.ece,
        "slope": r.slope,
        "bins": r.frame().to_dict("records"),
    }


def _true_value(p: Parts, systems: dict[str, Recommendations]) -> list[dict[str, Any]]:
    """True value of every system in the world: minutes from the places of a session."""
    world, k = p.data.world, p.settings.k
    ids = systems["full stack"].users
    if k != world.truth.settings.slate:
        p.notes.append("true value needs lists of the world's ten places: left out")
        return []
    found = {
        name: world.evaluate(Fixed(lists), users=ids) for name, lists in systems.items()
    }
    found["the world's incumbent"] = world.evaluate(
        "incumbent", mode="deterministic", users=ids
    )
    found["best order in truth"] = world.evaluate(
        world.truth.oracle(0), mode="deterministic", users=ids
    )
    rows = [
        {"system": n, "minutes": v.minutes, "se": v.se, "users": v.users}
        for n, v in found.items()
    ]
    return sorted(rows, key=lambda r: -r["minutes"])


@dataclass
class Fixed:
    """Finished lists as a policy."""

    lists: Recommendations

    def recommend(self, users: NDArray[Any], k: int) -> Recommendations:
        """The lists of these users."""
        at = pd.Index(self.lists.users).get_indexer(np.asarray(users))
        return Recommendations(
            users, self.lists.items[at, :k], self.lists.scores[at, :k]
        )


# -- writing -----------------------------------------------------------------------


def _publish(p: Parts, results: dict[str, Any]) -> None:
    """Report and numbers, last and whole."""
    from streamrec.tracks.report import page

    p.output.mkdir(parents=True, exist_ok=True)
    html = page(results)
    write_whole(p.output / "results.json", json.dumps(results, indent=1) + "\n")
    write_whole(p.output / "report.html", html)


def plain(x: Any) -> Any:
    """Values as JSON has them; NaN and infinity as null."""
    if isinstance(x, Mapping):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "tolist"):
        return plain(x.tolist())
    if isinstance(x, float):
        return x if math.isfinite(x) else None
    return x if isinstance(x, (str, int, bool)) or x is None else str(x)
