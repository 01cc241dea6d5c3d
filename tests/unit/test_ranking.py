"""Ranking metrics: each against a brute-force twin that reads like its definition."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from streamrec.data.interactions import Interactions
from streamrec.data.splits import Split, last_fraction
from streamrec.evaluation import ranking
from streamrec.protocols import Recommendations

# -- brute force: one user, plain Python -------------------------------------------


def slow_recall(ranked, relevant, k):
    return sum(i in relevant for i in ranked[:k]) / len(relevant)


def slow_precision(ranked, relevant, k):
    return sum(i in relevant for i in ranked[:k]) / k


def slow_hit_rate(ranked, relevant, k):
    return float(any(i in relevant for i in ranked[:k]))


def slow_reciprocal_rank(ranked, relevant, k):
    for place, i in enumerate(ranked[:k], start=1):
        if i in relevant:
            return 1 / place
    return 0.0


def slow_average_precision(ranked, relevant, k):
    total = 0.0
    for place, i in enumerate(ranked[:k], start=1):
        if i in relevant:
            total += slow_precision(ranked, relevant, place)
    return total / min(k, len(relevant))


def slow_ndcg(ranked, relevant, k):
    gain = sum(
        1 / math.log2(place + 1)
        for place, i in enumerate(ranked[:k], start=1)
        if i in relevant
    )
    ideal = sum(
        1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1)
    )
    return gain / ideal


SLOW = {
    "recall": slow_recall,
    "precision": slow_precision,
    "hit_rate": slow_hit_rate,
    "reciprocal_rank": slow_reciprocal_rank,
    "average_precision": slow_average_precision,
    "ndcg": slow_ndcg,
}


@st.composite
def worlds(draw):
    """Scores with ties, seen items and relevant unseen items for B users, N items."""
    B, N = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    levels = st.sampled_from([-1.0, 0.0, 0.5, 2.0])
    S = draw(hnp.arrays(np.float64, (B, N), elements=levels))
    seen = draw(hnp.arrays(np.bool_, (B, N)))
    relevant = draw(hnp.arrays(np.bool_, (B, N))) & ~seen
    return S, seen, relevant, draw(st.integers(1, 10))


def slow_top_k(scores, seen, k):
    order = sorted((-s, i) for i, s in enumerate(scores) if not seen[i])
    return [i for _, i in order[:k]]


@given(worlds())
def test_top_k_equals_sorting(world):
    S, seen, _, k = world
    ranked = ranking.top_k(S, k, sparse.csr_matrix(seen))
    for u, row in enumerate(ranked):
        expected = slow_top_k(S[u], seen[u], k)
        assert row.tolist() == expected + [-1] * (k - len(expected))


@given(worlds())
def test_accuracy_equals_brute_force(world):
    S, seen, relevant, k = world
    ranked = ranking.top_k(S, k, sparse.csr_matrix(seen))
    hits, n_relevant = ranking.find_hits(ranked, sparse.csr_matrix(relevant))
    np.testing.assert_array_equal(n_relevant, relevant.sum(1))
    assert set(SLOW) == set(ranking.ACCURACY)
    for name, slow in SLOW.items():
        got = ranking.ACCURACY[name](hits, n_relevant)
        for u in range(len(S)):
            mine = set(np.flatnonzero(relevant[u]))
            expected = slow(slow_top_k(S[u], seen[u], k), mine, k) if mine else math.nan
            np.testing.assert_allclose(got[u], expected, rtol=1e-12, err_msg=name)


@given(worlds())
def test_accuracy_lies_between_zero_and_one_and_grows_with_a_hit(world):
    S, seen, relevant, k = world
    ranked = ranking.top_k(S, k, sparse.csr_matrix(seen))
    hits, n = ranking.find_hits(ranked, sparse.csr_matrix(relevant))
    n = np.maximum(n, hits.sum(1) + 1)  # leave room for one more hit
    for name, metric in ranking.ACCURACY.items():
        before = metric(hits, n)
        assert ((before >= 0) & (before <= 1 + 1e-12)).all(), name
        for i in range(k):
            more = hits.copy()
            more[:, i] = True
            assert (metric(more, n) >= before - 1e-12).all(), name


@given(worlds())
def test_moving_a_hit_up_never_hurts(world):
    S, seen, relevant, k = world
    assume(k > 1)
    ranked = ranking.top_k(S, k, sparse.csr_matrix(seen))
    hits, n = ranking.find_hits(ranked, sparse.csr_matrix(relevant))
    up = -np.sort(-hits.astype(int), axis=1)  # all hits first
    for name in ("ndcg", "average_precision", "reciprocal_rank"):
        metric = ranking.ACCURACY[name]
        assert (metric(up, n) >= metric(hits, n) - 1e-12)[n > 0].all(), name
    for name in ("recall", "precision", "hit_rate"):
        metric = ranking.ACCURACY[name]
        np.testing.assert_allclose(metric(up, n), metric(hits, n))


@pytest.mark.parametrize("R", [1, 3, 5, 9])
def test_a_perfect_list_scores_one(R):
    hits = np.arange(5)[None, :] < R
    for name in ("ndcg", "average_precision", "reciprocal_rank", "hit_rate"):
        assert ranking.ACCURACY[name](hits, [R])[0] == pytest.approx(1), name
    assert ranking.recall(hits, [R])[0] == min(5, R) / R
    assert ranking.precision(hits, [R])[0] == min(5, R) / 5


def test_nobody_relevant_is_undefined_not_zero():
    for name, metric in ranking.ACCURACY.items():
        got = metric([[True, False], [False, False]], [1, 0])
        assert np.isnan(got).tolist() == [False, True], name


def test_metrics_refuse_wrong_shapes():
    with pytest.raises(ValueError, match=r"hits must be \(B, k\)"):
        ranking.recall([True, False], [1])
    with pytest.raises(ValueError, match=r"hits must be \(B, k\)"):
        ranking.ndcg([[True]], [1, 2])


# -- beyond accuracy ---------------------------------------------------------------

LISTS = st.integers(1, 6).flatmap(
    lambda N: st.tuples(
        st.just(N),
        st.integers(1, 4).flatmap(
            lambda k: st.lists(
                st.lists(st.integers(-1, N - 1), min_size=k, max_size=k),
                min_size=1,
                max_size=5,
            )
        ),
    )
)


@given(LISTS)
def test_coverage_and_gini_equal_brute_force(case):
    N, lists = case
    shown = [i for row in lists for i in row if i >= 0]
    assert ranking.coverage(lists, N) == len(set(shown)) / N
    e = [shown.count(i) for i in range(N)]
    np.testing.assert_array_equal(ranking.exposure(lists, N), e)
    got = ranking.exposure_gini(lists, N)
    if not shown:
        assert math.isnan(got)
        return
    # Half the mean absolute difference over the mean.
    slow = sum(abs(a - b) for a in e for b in e) / (2 * N * N * (sum(e) / N))
    assert got == pytest.approx(slow, abs=1e-12)
    assert -1e-12 <= got <= (N - 1) / N + 1e-12


@given(LISTS, st.integers(1, 20))
def test_novelty_equals_brute_force(case, extra):
    N, lists = case
    c = np.arange(N)
    n = N + extra
    got = ranking.novelty(lists, c, n)
    for row, value in zip(lists, got, strict=True):
        bits = [-math.log2((c[i] + 1) / (n + 1)) for i in row if i >= 0]
        expected = sum(bits) / len(bits) if bits else math.nan
        np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_exposure_weights_places():
    shown = ranking.exposure([[0, 1], [1, -1]], 3, weights=[1.0, 0.5])
    assert shown.tolist() == [1.0, 1.5, 0.0]
    assert ranking.exposure_gini([[0, 1]], 2, weights=[1, 1]) == 0
    assert ranking.exposure_gini([[0, 1]], 2, weights=[3, 1]) == 0.25


# -- top_k and hits: edges ---------------------------------------------------------


def test_top_k_edges():
    assert ranking.top_k([[1.0, 2.0]], 4).tolist() == [[1, 0, -1, -1]]
    assert ranking.top_k(np.zeros((0, 3)), 2).shape == (0, 2)
    assert ranking.top_k(np.zeros((2, 0)), 2).tolist() == [[-1, -1]] * 2
    assert ranking.top_k([[-np.inf, 0.0]], 2).tolist() == [[1, -1]]
    assert ranking.top_k([[np.inf, 0.0]], 2).tolist() == [[0, 1]]
    assert ranking.top_k([[1, 3, 2]], 1).tolist() == [[1]]  # whole numbers too
    with pytest.raises(ValueError, match="NaN"):
        ranking.top_k([[np.nan, 0.0]], 1)
    with pytest.raises(ValueError, match="at least one"):
        ranking.top_k([[0.0]], 0)
    with pytest.raises(ValueError, match="exclude is"):
        ranking.top_k([[0.0]], 1, sparse.csr_matrix((2, 2)))


def test_top_k_leaves_the_scores_alone():
    S = np.array([[3.0, 2.0, 1.0]])
    ranking.top_k(S, 2, sparse.csr_matrix([[1, 0, 0]]))
    assert S.tolist() == [[3.0, 2.0, 1.0]]


def test_find_hits_refuses_what_would_be_counted_wrongly():
    relevant = sparse.csr_matrix([[1, 1, 0]])
    with pytest.raises(ValueError, match="same item twice"):
        ranking.find_hits([[1, 1]], relevant)
    with pytest.raises(ValueError, match="item rows below 3"):
        ranking.find_hits([[3]], relevant)
    with pytest.raises(ValueError, match="item rows below 3"):
        ranking.find_hits([[-2]], relevant)
    with pytest.raises(ValueError, match="has 1 users"):
        ranking.find_hits([[0], [1]], relevant)
    hits, n = ranking.find_hits([[-1, -1]], relevant)
    assert not hits.any() and n.tolist() == [2]


def test_find_hits_does_not_need_sorted_indices():
    messy = sparse.csr_matrix(
        (np.ones(3), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3)
    )
    hits, n = ranking.find_hits([[0, 1, 2]], messy)
    assert hits.tolist() == [[True, False, True]] and n.tolist() == [2]
    assert messy.indices.tolist() == [2, 0, 2]


# -- evaluate ----------------------------------------------------------------------


def toy_split():
    """User c has nothing held out; item 9 occurs in the held-out half only."""
    df = pd.DataFrame(
        {
            "user": list("aaabbbc"),
            "item": [5, 6, 7, 5, 7, 9, 6],
            "time": [1, 2, 3, 1, 2, 3, 1],
        }
    )
    return last_fraction(Interactions.from_frame(df), 0.5)


def test_evaluate_scores_by_hand():
    split = toy_split()  # held out: a -> {6, 7}, b -> {7, 9}; columns 5, 6, 7, 9
    S = [[9, 1, 2, 3], [9, 4, 2, 3], [0, 0, 0, 0]]
    result = ranking.evaluate(S, split, k=2)
    assert result.per_user.index.tolist() == ["a", "b"]  # c has nothing to be found
    # a sees 9, 7: one hit at place 2. b sees 6, 9: one hit at place 2.
    assert result["recall"].tolist() == [0.5, 0.5]
    assert result["reciprocal_rank"].tolist() == [0.5, 0.5]
    assert result.overall["coverage"] == 3 / 4
    assert result.mean("hit_rate") == 1
    assert list(result.per_user.columns) + list(result.overall) == list(ranking.METRICS)
    summary = result.summary()
    assert summary.loc["recall"].tolist() == [0.5, 0.0, 2]
    assert summary.index.tolist() == list(ranking.METRICS)


class Fixed:
    """A model that recommends the same items to everyone, seen or not."""

    def __init__(self, items):
        self.items, self.asked = items, []

    def recommend(self, users, k=10, *, exclude_seen=True):
        self.asked.append((list(users), k, exclude_seen))
        B = len(users)
        items = np.tile(np.array(self.items)[:k], (B, 1))
        scores = np.tile(-np.arange(items.shape[1], dtype=float), (B, 1))
        return Recommendations(np.asarray(users), items, scores)


def test_evaluate_asks_a_model_for_unseen_items_of_the_users_that_count():
    model = Fixed([9, 7])
    result = ranking.evaluate(model, toy_split(), k=2)
    assert model.asked == [(["a", "b"], 2, True)]
    assert result["recall"].tolist() == [0.5, 1.0]


def test_evaluate_finished_lists():
    split = toy_split()
    # Longer than k, in another order, an item nobody knows, and padding.
    lists = Recommendations(
        np.array(["b", "c", "a"]),
        np.array([[7, 123, 9], [5, 6, 7], [6, 0, 0]]),
        np.array([[3.0, 2, 1], [3, 2, 1], [3, -np.inf, -np.inf]]),
    )
    result = ranking.evaluate(lists, split, k=2, metrics=["recall", "novelty"])
    assert result["recall"].loc["b"] == 0.5 and result["recall"].loc["a"] == 0.5
    assert math.isnan(result["recall"].loc["c"])  # nothing held out: undefined
    assert result.summary().loc["recall", "n"] == 2
    chosen = ranking.evaluate(lists, split, k=2, users=["a"], metrics=["recall"])
    assert chosen["recall"].to_dict() == {"a": 0.5}


def test_items_already_in_training_are_not_relevant():
    df = pd.DataFrame({"user": [1, 1, 1], "item": [5, 6, 5], "time": [1, 2, 3]})
    x = Interactions.from_frame(df, on_duplicates="keep")
    split = Split(x.subset([0]), x.subset([1, 2]))  # 5 again, and 6
    result = ranking.evaluate([[1.0, 0.5]], split, k=1, metrics=["recall"])
    assert result["recall"].tolist() == [1.0]


def test_evaluate_says_what_is_wrong():
    split = toy_split()
    S = np.zeros(split.train.shape)
    with pytest.raises(ValueError, match="unknown metric map: choose from recall"):
        ranking.evaluate(S, split, metrics=["map"])
    with pytest.raises(ValueError, match="user z is not in the split"):
        ranking.evaluate(S, split, users=["a", "z"])
    with pytest.raises(ValueError, match=r"scores are \(2, 2\), the split is \(3, 4\)"):
        ranking.evaluate(np.zeros((2, 2)), split)
    with pytest.raises(ValueError, match="ask for k=3 or more"):
        ranking.evaluate(Fixed([5]), split, k=3)
    short = Fixed([5, 6]).recommend(["a"])
    with pytest.raises(ValueError, match="lack a list"):
        ranking.evaluate(short, split, k=2, users=["a", "b"])
    with pytest.raises(ValueError, match="same item twice"):
        ranking.evaluate(Fixed([5, 5]), split, k=2)


def test_popularity_on_movielens_meets_the_published_figures(movielens_split):
    train = movielens_split.train
    count = np.bincount(train.item_index, minlength=train.n_items)
    scores = np.tile(count.astype(float), (train.n_users, 1))
    result = ranking.evaluate(scores, movielens_split)
    assert round(result.mean("recall"), 3) == 0.060
    assert round(result.mean("ndcg"), 3) == 0.116
    assert len(result.per_user) == 943
