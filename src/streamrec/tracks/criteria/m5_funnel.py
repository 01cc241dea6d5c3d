"""M5: retrieval of 200 candidates, and their ranking."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_finite,
    expect_shape,
    expect_true,
)
from streamrec.tracks.criteria.common import clearly_above, middle_world, played

K = 200
FLOOR_RECALL, FLOOR_RANK = 0.94, 0.85  # of the reference's on the same world


def _one_hot(table, columns):
    """(n, p): columns of categories as zeros and ones."""
    parts = []
    for name in columns:
        values = table[name].to_numpy().astype(str)
        parts.append(values[:, None] == np.unique(values)[None, :])
    return np.concatenate(parts, axis=1).astype(float)


def _catalogue(rng):
    """(what an answer is given, seen (B, N), relevant (B, N)) of an unseen world."""
    world = middle_world(rng, 800, 1_200)
    plays = played(world, 35)
    users = _one_hot(world.users, ["language", "age_band", "tier"])
    items = _one_hot(world.items, ["category", "format", "language"])
    past, later = plays[plays[:, 2] < 28, :2], plays[plays[:, 2] >= 28, :2]
    past = np.unique(past, axis=0)
    seen, relevant = np.zeros((2, len(users), len(items)), dtype=bool)
    seen[past[:, 0], past[:, 1]] = True
    relevant[later[:, 0], later[:, 1]] = True
    return (past[:, 0], past[:, 1], users, items), seen, relevant & ~seen


def _retrieved(answer, given, seen):
    lists = answer.retrieve(*given, K)
    expect_shape(lists, (len(seen), K), "the candidates")
    lists = np.asarray(lists)
    expect_true(lists.dtype.kind in "iu", "candidates must be whole numbers")
    expect_between(lists, 0, seen.shape[1] - 1, "a candidate")
    repeats = np.diff(np.sort(lists, axis=1), axis=1) == 0
    expect_true(not repeats.any(), "a list names an item twice")
    again = np.take_along_axis(seen, lists, axis=1)
    expect_true(not again.any(), "a list holds an item that its user has seen")
    return lists


def _popular(seen):
    plays = seen.sum(axis=0)
    scores = np.where(seen, -1, plays)
    return np.argsort(-scores, axis=1, kind="stable")[:, :K]


def _recall(lists, relevant):
    """Share of what a user plays later that the candidates hold, (B',)."""
    own = relevant.any(axis=1)
    hits = np.take_along_axis(relevant, lists, axis=1).sum(axis=1)
    return hits[own] / relevant.sum(axis=1)[own]


def _ranked(answer, given, lists, relevant):
    """NDCG@10 of the candidates in the order of the answer's scores, (B',)."""
    scores = answer.rank(*given, lists)
    expect_shape(scores, lists.shape, "the scores")
    expect_finite(scores, "the scores")
    order = np.argsort(-np.asarray(scores, float), axis=1, kind="stable")
    return _ndcg_at_10(np.take_along_axis(lists, order[:, :10], axis=1), relevant)


def _ndcg_at_10(top, relevant):
    own = relevant.any(axis=1)
    hits = np.take_along_axis(relevant, top[:, :10], axis=1)[own]
    discount = 1 / np.log2(np.arange(2, 12))
    best = np.minimum(relevant.sum(axis=1), 10)[own]
    return hits @ discount / np.cumsum(discount)[best - 1]


@criterion("q13", points=1.5, hint="Train the towers on pairs, others as negatives.")
def test_candidates_beat_what_is_popular(answer, rng):
    """recall@200 of unseen candidates is clearly above that of the most popular 200"""
    given, seen, relevant = _catalogue(rng)
    own = _recall(_retrieved(answer, given, seen), relevant)
    gap = own - _recall(_popular(seen), relevant)
    expect_true(clearly_above(gap), "recall@200 is not clearly above popularity's")


@criterion("q13", points=2, hint="Correct in-batch negatives for their popularity.")
def test_candidates_reach_the_floor(answer, rng, reference):
    """recall@200 is at least 94 % of a tuned reference's"""
    given, seen, relevant = _catalogue(rng)
    own = _recall(_retrieved(answer, given, seen), relevant)
    ours = _recall(_retrieved(reference, given, seen), relevant)
    expect_true(bool(own.mean() >= FLOOR_RECALL * ours.mean()), "below its floor")


@criterion("q13", points=1.5, hint="Popularity among the candidates is the rival.")
def test_the_ranking_beats_what_is_popular(answer, rng):
    """NDCG@10 of ranked candidates is clearly above that of the most popular ten"""
    given, seen, relevant = _catalogue(rng)
    own = _ranked(answer, given, _retrieved(answer, given, seen), relevant)
    gap = own - _ndcg_at_10(_popular(seen), relevant)
    expect_true(clearly_above(gap), "NDCG@10 is not clearly above popularity's")


@criterion("q13", points=2, hint="The score of retrieval is the ranker's best feature.")
def test_the_ranking_reaches_the_floor(answer, rng, reference):
    """NDCG@10 of ranked candidates is at least 85 % of a tuned reference's"""
    given, seen, relevant = _catalogue(rng)
    own = _ranked(answer, given, _retrieved(answer, given, seen), relevant)
    theirs = _retrieved(reference, given, seen)
    ours = _ranked(reference, given, theirs, relevant)
    expect_true(bool(own.mean() >= FLOOR_RANK * ours.mean()), "below its floor")
