"""M0: metrics, splits and a tuned baseline."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_equal,
    expect_finite,
    expect_shape,
    expect_true,
)
from streamrec.tracks.criteria.common import clearly_above, new_plays

FLOOR, TARGET = 0.80, 0.95  # of the reference's NDCG@10 on the same world


@criterion("q2", points=1, hint="Discounts are 1 / log2(rank + 1); divide by the best.")
def test_ndcg_equals_its_definition(answer, rng):
    """NDCG@k equals its definition to 1e-9, users without relevant items included"""
    B, N, k = 23, 41, int(rng.integers(5, 11))
    ranked = np.array([rng.permutation(N)[: k + 3] for _ in range(B)])
    relevant = [rng.permutation(N)[: rng.integers(0, 19)].tolist() for _ in range(B)]
    want = []
    for row, good in zip(ranked[:, :k], relevant):
        gain = sum(1 / np.log2(i + 2) for i, j in enumerate(row) if j in good)
        best = sum(1 / np.log2(i + 2) for i in range(min(k, len(good))))
        want.append(gain / best if best else 0.0)
    expect_close(answer.ndcg(ranked, relevant, k), want, rtol=1e-9, what="NDCG")


@criterion("q2", points=1, hint="Order each user's own interactions; floor the count.")
def test_the_split_holds_out_each_users_last(answer, rng):
    """the last share of each user's interactions is held out, whatever the row order"""
    n = int(rng.integers(700, 900))
    user, time = rng.integers(0, 60, n), rng.permutation(10 * n)[:n]
    share = float(rng.choice([0.13, 0.22, 0.35]))
    test = answer.hold_out_last(user, time, share)
    expect_shape(np.asarray(test).astype(int), (n,), "the mask")
    test = np.asarray(test).astype(bool)
    for u in np.unique(user):
        own = np.flatnonzero(user == u)
        late = own[np.argsort(time[own])][len(own) - int(share * len(own)) :]
        expect_equal(sorted(own[test[own]].tolist()), sorted(late.tolist()), "a user")


@criterion("q2", points=1, hint="A pair that training holds is no test of anything.")
def test_the_split_in_time_leaks_nothing(answer, rng):
    """training ends before the cut; the test holds no pair that training has"""
    n = int(rng.integers(1_200, 1_500))
    user, item = rng.integers(0, 37, n), rng.integers(0, 29, n)
    time, cut = rng.integers(0, 1_000, n), int(rng.integers(500, 800))
    parts = answer.split_at(user, item, time, cut)
    expect_true(type(parts) is tuple and len(parts) == 2, "return (train, test)")
    pair = user * 29 + item
    old = set(pair[time < cut].tolist())
    fresh = np.array([t >= cut and p not in old for t, p in zip(time, pair.tolist())])
    for got, want, name in zip(parts, (time < cut, fresh), ("train", "test")):
        expect_shape(np.asarray(got).astype(int), (n,), name)
        expect_equal(np.asarray(got).astype(bool).tolist(), want.tolist(), name)


def _ndcg(scores, seen, relevant):
    """NDCG@10 of every user with something to find, (B',)."""
    users = np.flatnonzero(relevant.any(axis=1))
    s = np.where(seen, -np.inf, scores)[users]
    top = np.argsort(-s, axis=1, kind="stable")[:, :10]
    hits = np.take_along_axis(relevant[users], top, axis=1)
    discount = 1 / np.log2(np.arange(2, 12))
    best = np.minimum(relevant[users].sum(axis=1), 10)
    return hits @ discount / np.cumsum(discount)[best - 1]


def _offline(answer, reference, rng):
    """NDCG@10, user by user, of the answer, the reference and popularity."""
    past, later, B, N = new_plays(rng, 35, 28)
    seen, relevant = np.zeros((2, B, N), dtype=bool)
    seen[past[:, 0], past[:, 1]] = True
    relevant[later[:, 0], later[:, 1]] = True
    relevant &= ~seen
    scores = answer.score_items(past[:, 0], past[:, 1], B, N)
    expect_shape(scores, (B, N), "the scores")
    expect_finite(scores, "the scores")
    ours = reference.score_items(past[:, 0], past[:, 1], B, N)
    rivals = (np.asarray(scores, float), ours, seen.sum(axis=0) + np.zeros((B, 1)))
    return [_ndcg(s, seen, relevant) for s in rivals]


@criterion("q2", points=1, hint="Tune on a slice of the training days.")
def test_retrieval_beats_popularity(answer, rng, reference):
    """NDCG@10 on an unseen world is two standard errors above popularity's"""
    own, _, popular = _offline(answer, reference, rng)
    expect_true(clearly_above(own - popular), "NDCG@10 is not clearly above popularity")


@criterion("q2", points=1, hint="An EASE or ALS with a tuned penalty reaches it.")
def test_retrieval_reaches_the_floor(answer, rng, reference):
    """NDCG@10 on an unseen world is at least 80 % of the reference's"""
    own, ours, _ = _offline(answer, reference, rng)
    expect_true(own.mean() >= FLOOR * ours.mean(), "NDCG@10 is below its floor")


@criterion("q2", points=1, hint="Compare several penalties; the curve has one maximum.")
def test_retrieval_reaches_the_target(answer, rng, reference):
    """NDCG@10 on an unseen world is at least 95 % of the reference's, up to noise"""
    own, ours, _ = _offline(answer, reference, rng)
    gap = TARGET * ours - own
    expect_true(
        own.mean() >= FLOOR * ours.mean() and not clearly_above(gap),
        "NDCG@10 is below its target",
    )
