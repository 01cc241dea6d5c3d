"""Which milestones a track asks for, what each must define, what it is worth.

A part is one milestone as one module of a learner's package. Only the milestones whose
material exists in the book are here; what a rubric asks beyond them is named as still
to come (:func:`later`) and is in no total.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamrec.grading.rubric import Rubric, load_rubric

TRACKS = ("A", "B", "C")
FORMAT = 1  # of a project's layout; raised when an old project would not run
MODELS = ("als", "base", "ease", "implicit_als", "item_knn", "popularity", "svd")
_OFFLINE = ("evaluation.ranking", "data.splits", *(f"models.{m}" for m in MODELS))


@dataclass(frozen=True)
class Part:
    """One milestone of a project.

    ``hide`` names the modules of streamrec that are absent while it is graded: the
    reference of this milestone. ``row`` is the milestone's name in the rubric of
    ``track``, the first track that asks for it, and ``share`` the points of that row
    that can be earned today.
    """

    name: str  # as on the command line
    question: str  # its id in a key
    module: str  # of the learner's package
    title: str
    functions: tuple[str, ...]
    track: str
    row: str
    share: float
    chapters: str
    hide: tuple[str, ...]
    held_back: tuple[str, ...] = ()  # criteria that only a key has
    given: bool = False  # laid out complete; the learner need not write it


PARTS = (
    Part(
        "Gate", "q1", "pipeline", "The whole, rebuilt from clean", ("recommend",),
        "A", "Gate", 6, "36", _OFFLINE, given=True,
    ),
    Part(
        "M0", "q2", "m0_offline", "Metrics, splits and a tuned baseline",
        ("ndcg", "hold_out_last", "split_at", "score_items"),
        "A", "M0", 6, "1", _OFFLINE,
    ),
    Part(
        "M1", "q10", "m1_search", "Approximate search and its cost sheet",
        ("build_index", "candidates", "cost_sheet"),
        "A", "M1", 6, "5", ("models.index",),
    ),
    Part(
        "M2", "q3", "m2_ranker", "A ranker of clicks", ("click_probability",),
        "A", "M2-M3", 4, "6", ("models.mlp", "evaluation.classification"),
    ),
    Part(
        "M3", "q11", "m3_content", "A content encoder for cold items",
        ("score_cold",), "A", "M2-M3", 2, "8",
        ("models.content_cnn", "models.two_tower"),
    ),
    Part(
        "M4", "q12", "m4_sequence", "What comes next", ("next_scores",),
        "A", "M4", 5, "9 and 10", ("models.gru", "models.sasrec", "models.sequences"),
    ),
    Part(
        "M5", "q13", "m5_funnel", "Retrieval and ranking", ("retrieve", "rank"),
        "A", "M5", 7, "13",
        (*(f"models.{m}" for m in (*MODELS, "bpr", "two_tower")),),
    ),
    Part(
        "M9", "q14", "m9_funnel", "The funnel's contract under faults", ("make_lists",),
        "A", "M9", 8, "24", ("production.funnel",),
    ),
    Part(
        "M10", "q4", "m10_batch", "Batches that can be run again",
        ("accept", "daily", "batch_file"),
        "A", "M10", 5, "25", ("production",),
    ),
    Part(
        "M12", "q15", "m12_defects", "Defects of a day's data", ("find_defects",),
        "A", "M12", 4, "28", ("production.defects", "production.monitoring"),
    ),
    Part(
        "M14", "q16", "m14_pages", "Pages for drift and outages", ("pages",),
        "A", "M14", 3, "30", ("production.defects", "production.monitoring"),
    ),
    Part(
        "Audit", "q5", "audit", "Rates, means and exposure by group",
        ("selection_rates", "group_means", "exposure_gini"),
        "A", "Audit", 4, "31", ("fairness", "evaluation.ranking"),
    ),
    Part(
        "M10-live", "q6", "m10_store", "Features as they were known",
        ("as_of", "serve", "check_batch"),
        "B", "M10", 7, "25", ("production",),
        held_back=("test_a_large_join_is_answered",),
    ),
    Part(
        "M6", "q7", "m6_effect", "The average effect of what users chose",
        ("average_effect",), "C", "M6", 10, "16 and 18", ("causal",),
    ),
)  # fmt: skip
WRITTEN = "q9"  # the question of what a reader marks


def parts(track: str) -> tuple[Part, ...]:
    """Parts of a track, those of the tracks below it included.

    Raises
    ------
    ValueError
        If the track is not A, B or C.

    Examples
    --------
    >>> [p.name for p in parts("A")]
    ['Gate', 'M0', 'M1', 'M2', 'M3', 'M4', 'M5', 'M9', 'M10', 'M12', 'M14', 'Audit']
    """
    if track not in TRACKS:
        raise ValueError(f"there is no track {track!r}: use A, B or C")
    known = TRACKS[: TRACKS.index(track) + 1]
    return tuple(p for p in PARTS if p.track in known)


def scale(part: Part, track: str) -> float:
    """Points in ``track`` for one point of the part's own track.

    Track B re-runs the automatic part of A for 14 of its points, track C that of B
    for 10.

    Examples
    --------
    >>> round(scale(PARTS[0], "B"), 4)  # 14 of B's points for the 60 of A
    0.2333
    """
    factor = 1.0
    for lower, upper in zip(TRACKS, TRACKS[1:]):
        if TRACKS.index(part.track) <= TRACKS.index(lower) < TRACKS.index(track):
            row = next(
                a for a in load_rubric(upper).automatic if a.milestone == f"{lower} set"
            )
            factor *= row.points / load_rubric(lower).automatic_points
    return factor


def today(track: str) -> tuple[float, float]:
    """(automatic points that can be earned today, those of the whole rubric).

    Examples
    --------
    >>> today("A")
    (60.0, 60.0)
    """
    found = sum(p.share * scale(p, track) for p in parts(track))
    return round(found, 2), load_rubric(track).automatic_points


def later(track: str) -> list[dict[str, Any]]:
    """Rows of the rubric that nothing, or not everything, can be earned in today."""
    rubric: Rubric = load_rubric(track)
    out = []
    for row in rubric.automatic:
        if row.milestone.endswith(" set"):
            have = sum(
                p.share * scale(p, track) for p in parts(track) if p.track != track
            )
        else:
            own = [p for p in PARTS if (p.track, p.row) == (track, row.milestone)]
            have = sum(p.share for p in own)
        if have < row.points - 1e-9:
            out.append(
                {
                    "milestone": row.milestone,
                    "points": row.points,
                    "today": round(have, 2),
                    "criterion": row.criterion,
                }
            )
    return out


def note(track: str) -> str:
    """What a total means today, in one or two sentences.

    Examples
    --------
    >>> note("A").split(";")[0]
    'All 60 automatic points of track A can be earned'
    """
    have, full = today(track)
    manual = load_rubric(track).manual_points
    if have >= full - 1e-9:
        return (
            f"All {full:g} automatic points of track {track} can be earned; with the "
            f"{manual:g} that a reader gives the total is out of {have + manual:g}."
        )
    return (
        f"Of the {full:g} automatic points of track {track}, {have:g} can be earned "
        f"today: milestones whose chapters are not written yet are left out. The total "
        f"is therefore out of {have + manual:g}, not 100; for a mark out of 100 "
        f"multiply by {100 / (have + manual):.4g}."
    )


def reference_of(name: str) -> Callable[..., Any]:
    """The reference's function of this name."""
    for part in PARTS:
        if name in part.functions:
            module = importlib.import_module(
                f"streamrec.tracks.reference.{part.module}"
            )
            function: Callable[..., Any] = getattr(module, name)
            return function
    raise ValueError(f"no milestone has a function {name}")
