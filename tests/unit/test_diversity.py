"""Maximal marginal relevance: against brute force, its ends, and its manners."""

import numpy as np
import pandas as pd
import pytest

from streamrec.models.diversity import (
    MMRReranker,
    difference,
    marginal_order,
    relevance,
    unit,
)
from streamrec.protocols import Recommendations, Reranker


def random_lists(seed=0, B=6, L=12, N=40, short=True):
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(N)[:L] for _ in range(B)]) * 10
    scores = -np.sort(-rng.normal(size=(B, L)), axis=1)
    if short:
        scores[1, 5:] = scores[2] = -np.inf  # a short list and an empty one
    return Recommendations(np.arange(B), items, scores)


def vectors(N=40, D=3, seed=1):
    return np.arange(N) * 10, np.random.default_rng(seed).normal(size=(N, D))


def brute(items, scores, ids, V, trade, k):
    """One list at a time, one candidate at a time."""
    V = {i: v / np.linalg.norm(v) for i, v in zip(ids, V, strict=True)}
    left = {i: s for i, s in zip(items, scores, strict=True) if np.isfinite(s)}
    if not left:
        return [], []
    low, width = min(left.values()), max(left.values()) - min(left.values())
    chosen, values = [], []
    for _ in range(min(k, len(left))):
        m = {}
        for i in [i for i in left if i not in chosen]:
            near = max([max(0.0, V[i] @ V[j]) for j in chosen], default=0.0)
            m[i] = (1 - trade) * (left[i] - low) / width - trade * near
        best = max(m, key=m.get)
        chosen.append(best)
        values.append(m[best])
    return chosen, values


@pytest.mark.parametrize("trade", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("k", [1, 4, 12])
def test_equals_brute_force(trade, k):
    lists, (ids, V) = random_lists(), vectors()
    got = MMRReranker(ids, V, trade).rerank(lists, k)
    for b in range(len(lists.users)):
        want, values = brute(lists.items[b], lists.scores[b], ids, V, trade, k)
        assert got.items[b, got.valid[b]].tolist() == want
        assert np.allclose(got.scores[b, got.valid[b]], values, atol=1e-12)


def test_no_weight_on_difference_keeps_the_order():
    lists, (ids, V) = random_lists(), vectors()
    got = MMRReranker(ids, V, 0.0).rerank(lists, 12)
    assert np.array_equal(got.items[got.valid], lists.items[lists.valid])


def test_is_a_reranker_and_adds_nothing():
    lists, (ids, V) = random_lists(seed=3), vectors()
    mmr = MMRReranker(ids, V, 0.7)
    assert isinstance(mmr, Reranker)
    got = mmr.rerank(lists, 5)
    assert got.items.shape == (6, 5)
    for b in range(6):
        given = set(lists.items[b, lists.valid[b]])
        shown = got.items[b, got.valid[b]]
        assert set(shown) <= given and len(set(shown)) == len(shown)


def test_scores_descend_also_where_vectors_point_apart():
    lists = random_lists(seed=4)
    ids, V = vectors(D=2, seed=5)
    scores = MMRReranker(ids, V, 0.6).rerank(lists, 12).scores
    filled = np.where(np.isfinite(scores), scores, -1e300)
    assert (np.diff(filled, axis=1) <= 0).all()


def test_more_weight_gives_more_different_lists():
    lists, (ids, V) = random_lists(B=40, short=False), vectors()
    spread = [
        difference(MMRReranker(ids, V, t).rerank(lists, 5), ids, V).mean()
        for t in (0.0, 0.3, 0.9)
    ]
    assert spread[0] < spread[1] < spread[2]


def test_chunks_change_nothing(monkeypatch):
    lists, (ids, V) = random_lists(), vectors()
    whole = MMRReranker(ids, V).rerank(lists, 6)
    monkeypatch.setattr("streamrec.models.diversity.CHUNK_NUMBERS", 80)
    parts = MMRReranker(ids, V).rerank(lists, 6)
    assert np.array_equal(whole.items, parts.items)
    assert np.array_equal(whole.scores, parts.scores)


def test_longer_lists_than_candidates_are_padded_and_none_is_no_list():
    ids, V = vectors()
    lists = random_lists(L=3)
    got = MMRReranker(ids, V).rerank(lists, 5)
    assert got.items.shape == (6, 5) and not got.valid[:, 3:].any()
    none = Recommendations(np.array([]), np.empty((0, 4), int), np.empty((0, 4)))
    assert MMRReranker(ids, V).rerank(none, 2).items.shape == (0, 2)


def test_categories():
    frame = pd.Series([("a", "b"), ["b"], "a", None, np.nan, ()], index=[*"uvwxyz"])
    mmr = MMRReranker.from_categories(frame, 0.6)
    c = mmr.vectors @ mmr.vectors.T
    assert c[0, 1] == pytest.approx(1 / np.sqrt(2)) and c[1, 2] == 0
    assert not c[3:].any()
    lists = Recommendations(
        np.array([0]), np.array([["w", "u", "v"]]), np.array([[3.0, 2.9, 2.0]])
    )
    assert mmr.rerank(lists, 2).items.tolist() == [["w", "v"]]


def test_relevance():
    r = relevance([[4.0, 2.0, 3.0], [5.0, 5.0, -np.inf], [-np.inf] * 3])
    assert r[0].tolist() == [1.0, 0.0, 0.5]
    assert r[1].tolist() == [1.0, 1.0, -np.inf]
    assert not np.isfinite(r[2]).any()


def test_ties_go_to_the_earlier_place():
    V = np.tile(np.array([1.0, 0.0]), (1, 4, 1))
    assert marginal_order(np.ones((1, 4)), V, 0.4, 4)[0].tolist() == [[0, 1, 2, 3]]


def test_difference_by_hand():
    # cosines .6, 0 and .8: the mean of .4, 1 and .2
    V = [[1.0, 0.0], [1.2, 1.6], [0.0, 3.0]]
    lists = Recommendations(
        np.arange(2),
        np.array([[1, 2, 3]] * 2),
        np.array([[3.0, 2, 1], [3, -np.inf, 0]]),
    )
    got = difference(lists, [1, 2, 3], V)
    assert got[0] == pytest.approx((0.4 + 1 + 0.2) / 3) and got[1] == pytest.approx(1)
    one = Recommendations(np.arange(1), np.array([[1]]), np.ones((1, 1)))
    assert np.isnan(difference(one, [1, 2, 3], V)).all()
    assert unit(np.array([[0.0, 0.0]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trade": 1.2}, r"in \[0, 1\]"),
        ({"vectors": np.zeros((3, 2))}, "as many vectors"),
        ({"items": [1, 1]}, "twice"),
        ({"vectors": [[np.nan], [1.0]]}, "finite"),
    ],
)
def test_settings_that_cannot_be(change, words):
    with pytest.raises(ValueError, match=words):
        MMRReranker(**({"items": [1, 2], "vectors": np.ones((2, 2))} | change))


def test_bad_calls():
    mmr = MMRReranker(np.array([1, 2]), np.eye(2))
    lists = Recommendations(np.array([0]), np.array([[1, 9]]), np.array([[2.0, 1.0]]))
    with pytest.raises(ValueError, match="item 9 has no vector"):
        mmr.rerank(lists, 2)
    with pytest.raises(ValueError, match="at least 1"):
        mmr.rerank(lists, 0)
    padded = Recommendations(lists.users, lists.items, np.array([[2.0, -np.inf]]))
    assert mmr.rerank(padded, 2).items[0, 0] == 1
