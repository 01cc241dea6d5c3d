"""Vector indexes: fast = brute force, cost models = counts, bad input = a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recommender_conformance import random_frame

from streamrec.data.interactions import Interactions
from streamrec.models import index as ix
from streamrec.models.base import NotFittedError, top_k
from streamrec.models.bpr import BPR
from streamrec.models.ease import EASE
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.index import (
    ExactIndex,
    Found,
    HNSWIndex,
    IndexedRecommender,
    IVFIndex,
    choose_index,
    recall,
)

METRICS = ("inner_product", "cosine")
KINDS = (
    lambda metric: ExactIndex(metric),
    lambda metric: IVFIndex(metric, cells=20, probes=20),
    lambda metric: IVFIndex(metric, cells=20, probes=20, engine="faiss"),
    lambda metric: HNSWIndex(metric, links=16, beam=200, build_beam=200),
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def items(rng):
    """Clustered, of unequal lengths: the shape of item vectors."""
    centres = rng.normal(size=(12, 8)) * 3
    return (centres[rng.integers(12, size=600)] + rng.normal(size=(600, 8))).round(4)


def brute(items, queries, k, metric):
    X, Q = items.astype(float), queries.astype(float)
    if metric == "cosine":
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
        Q = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    return top_k(Q @ X.T, k)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("make", KINDS)
def test_whole_effort_equals_brute_force(make, metric, items, rng):
    queries = rng.normal(size=(25, 8))
    names = np.array([f"i{n:03}" for n in rng.permutation(600)])
    found = make(metric).build(items, names).search(queries, 10)
    columns, scores = brute(items, queries, 10, metric)
    assert (found.ids == names[columns]).mean() > 0.995  # rounding may swap neighbours
    np.testing.assert_allclose(found.scores, scores, rtol=2e-5, atol=2e-5)
    assert found.valid.all() and found.ids.shape == (25, 10)


@pytest.mark.parametrize("metric", METRICS)
def test_the_two_engines_find_the_same(metric, items, rng):
    queries = rng.normal(size=(40, 8))
    ours = IVFIndex(metric, cells=30, probes=4).build(items).search(queries, 10)
    theirs = IVFIndex(metric, cells=30, probes=4, engine="faiss").build(items)
    theirs = theirs.search(queries, 10)
    assert recall(ours, theirs).mean() > 0.995
    assert theirs.work == pytest.approx(ours.work, rel=1e-3)


def test_more_probes_and_a_wider_beam_find_more(items, rng):
    queries = rng.normal(size=(60, 8))
    truth = ExactIndex().build(items).search(queries, 10)
    by_probes = [
        IVFIndex(cells=40, probes=p).build(items).search(queries, 10)
        for p in (1, 5, 40)
    ]
    shares = [recall(f, truth).mean() for f in by_probes]
    assert shares[0] < shares[1] < shares[2] and shares[2] > 0.999
    assert by_probes[0].work < by_probes[1].work < by_probes[2].work == 640
    thin = HNSWIndex(links=4, beam=10, build_beam=10).build(items).search(queries, 10)
    wide = HNSWIndex(links=4, beam=300, build_beam=10).build(items).search(queries, 10)
    assert recall(thin, truth).mean() < recall(wide, truth).mean()
    assert thin.work < wide.work


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 6))
def test_exact_is_brute_force_with_ties(seed, n, k):
    rng = np.random.default_rng(seed)
    items = rng.integers(-2, 3, size=(n, 3)).astype(float)
    items[0] = 1.0
    queries, k = rng.integers(-2, 3, size=(4, 3)).astype(float), min(k, n)
    found = ExactIndex().build(items).search(queries, k)
    columns, scores = top_k(queries @ items.T, k)
    assert (found.ids == columns).all() and (found.scores == scores).all()


def test_blocks_of_queries_change_nothing(items, rng, monkeypatch):
    queries = rng.normal(size=(23, 8))
    whole = ExactIndex().build(items).search(queries, 7)
    cells = ix.nearest(items, items[:9])
    monkeypatch.setattr(ix, "CHUNK_SCORES", 1_300)
    parts = ExactIndex().build(items).search(queries, 7)
    assert (whole.ids == parts.ids).all()
    assert (cells == ix.nearest(items, items[:9])).all()


# -- what the chapter derives


def test_lifting_keeps_inner_products_and_lands_on_the_sphere(items, rng):
    points, R = ix.lift(items)
    assert R == pytest.approx(np.linalg.norm(items, axis=1).max())
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    q = rng.normal(size=8)
    lifted = np.r_[q / np.linalg.norm(q), 0.0]
    np.testing.assert_allclose(R * np.linalg.norm(q) * points @ lifted, items @ q)


def test_work_is_least_at_the_best_number_of_cells():
    for n, probes, uneven in ((10_000, 4, 1.0), (400_000, 16, 2.3)):
        best = ix.ivf_cells(n, probes, uneven)
        least = ix.ivf_work(n, best, probes, uneven)
        assert least == pytest.approx(2 * np.sqrt(probes * n * uneven), rel=1e-4)
        for other in (best // 2, best * 2):
            assert least < ix.ivf_work(n, other, probes, uneven)
    assert ix.ivf_work(1_000, 10, 2) == 210
    assert ix.ivf_cells(3, 16) == 3 and ix.ivf_cells(1, 1) == 1


def test_imbalance_is_the_mean_cell_of_an_item(rng):
    sizes = rng.integers(0, 50, size=17)
    cell = np.repeat(np.arange(17), sizes)
    want = sizes[cell].mean() / (sizes.sum() / 17)
    assert ix.imbalance(sizes) == pytest.approx(want)
    assert ix.imbalance([4, 4, 4]) == 1 and ix.imbalance([9, 0, 0]) == pytest.approx(3)


def test_predicted_work_is_the_counted_work(items):
    built = IVFIndex("cosine", cells=25, probes=1).build(items)
    found = built.search(items, 1)  # queries drawn as the items are
    want = ix.ivf_work(600, 25, 1, ix.imbalance(built.sizes_))
    assert found.work == pytest.approx(want, rel=1e-9)
    assert (found.ids[:, 0] == np.arange(600)).mean() > 0.99


def test_memory_of_a_graph_is_predicted(rng):
    for links in (8, 32):
        built = HNSWIndex("cosine", links=links).build(rng.normal(size=(3_000, 24)))
        # FAISS keeps a level and an offset for each vector: about twenty bytes more
        assert built.memory_bytes == pytest.approx(
            ix.hnsw_bytes(3_000, 24, links) + 3_000 * 20, rel=0.05
        )


def test_lloyd_descends_and_stops_at_means(rng):
    X = rng.normal(size=(400, 3)).astype(np.float32)
    costs = []
    for iterations in (0, 1, 2, 4, 8, 60):
        M = ix.lloyd(X, 7, seed=3, iterations=iterations)
        cell = ix.nearest(X, M)
        costs.append(((X - M[cell]) ** 2).sum())
    assert all(b <= a * (1 + 1e-6) for a, b in zip(costs, costs[1:]))
    for c in range(7):
        np.testing.assert_allclose(M[c], X[cell == c].mean(axis=0), atol=1e-4)
    distance = ((X[:, None] - M[None]) ** 2).sum(-1)
    assert (cell == distance.argmin(axis=1)).all()


def test_lloyd_refills_empty_cells():
    X = np.repeat([[0.0, 0.0], [5.0, 5.0]], 20, axis=0)
    M = ix.lloyd(X, 4, seed=0)
    assert M.shape == (4, 2) and set(M.ravel().tolist()) <= {0.0, 5.0}
    with pytest.raises(ValueError, match="cells must be between 1 and the 40 points"):
        ix.lloyd(X, 41)


def test_recall_counts_what_was_found():
    truth = Found(np.array([[1, 2], [3, 4]]), np.array([[2.0, 1.0], [1.0, -np.inf]]), 1)
    found = Found(np.array([[2, 9], [4, 3]]), np.array([[2.0, 1.0], [1.0, -np.inf]]), 1)
    assert recall(found, truth).tolist() == [0.5, 0.0]
    nothing = Found(truth.ids, np.full((2, 2), -np.inf), 1)
    assert np.isnan(recall(found, nothing)).all()
    with pytest.raises(ValueError, match="cannot be compared"):
        recall(Found(found.ids[:1], found.scores[:1], 1), truth)


# -- deleting, saving


@pytest.mark.parametrize("make", KINDS)
def test_removed_items_never_come_back(make, items):
    built = make("cosine").build(items)
    gone = np.arange(0, 600, 2)
    assert built.remove(np.r_[gone, 5_000]) == 300
    assert built.remove(gone) == 0 and len(built) == 300
    found = built.search(items[gone[:40]], 10)
    assert found.valid.all() and (found.ids % 2 == 1).all()
    with pytest.raises(ValueError, match="between 1 and the 300 items"):
        built.search(items[:1], 301)


def test_cells_that_hold_too_few_pad_the_list():
    items = np.array([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.9, 0.1]])
    for engine in ("numpy", "faiss"):
        built = IVFIndex("cosine", cells=2, probes=1, engine=engine).build(items)
        found = built.search([1.0, 0.0], 4)
        assert found.valid.tolist() == [[True, True, False, False]], engine
        assert found.ids[0, :2].tolist() == [0, 1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("make", KINDS)
def test_a_saved_index_answers_alike(make, metric, items, rng, tmp_path):
    built = make(metric).build(items, rng.permutation(600) + 10)
    built.remove(built.ids_[:7])
    again = type(built).load(built.save(tmp_path / "index.npz"))
    queries = rng.normal(size=(9, 8))
    one, two = built.search(queries, 5), again.search(queries, 5)
    assert (one.ids == two.ids).all() and len(again) == 593
    np.testing.assert_allclose(one.scores, two.scores)
    assert again.settings == built.settings
    assert again.memory_bytes == built.memory_bytes >= 600 * 8 * 4
    other = IVFIndex if isinstance(built, ExactIndex) else ExactIndex
    with pytest.raises(ValueError, match="holds a"):
        other.load(tmp_path / "index.npz")


def test_other_files_are_refused(tmp_path):
    for name, content in (("a.npz", b"not a zip"), ("b.npz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="not an index saved by"):
            ExactIndex.load(tmp_path / name)
    whole = ExactIndex().build(np.eye(40)).save(tmp_path / "d.npz").read_bytes()
    (tmp_path / "d.npz").write_bytes(whole[: len(whole) // 2])  # a copy cut short
    with pytest.raises(ValueError, match="not an index saved by"):
        ExactIndex.load(tmp_path / "d.npz")
    np.savez(tmp_path / "c.npz", head=np.array("{}"))
    with pytest.raises(ValueError, match="not an index saved by"):
        ExactIndex.load(tmp_path / "c.npz")


def test_a_failed_save_leaves_nothing(items, tmp_path, monkeypatch):
    built = ExactIndex().build(items)
    monkeypatch.setattr(np, "savez_compressed", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        built.save(tmp_path / "index.npz")
    assert not list(tmp_path.iterdir())


# -- bad input


def test_a_build_that_fails_leaves_an_empty_index(items):
    built = IVFIndex(cells=30, probes=2).build(items)
    with pytest.raises(ValueError, match="30 cells are more than the 20"):
        built.build(items[:20])
    assert len(built) == 0
    with pytest.raises(NotFittedError, match="call build first"):
        built.search(items[:1], 1)


@pytest.mark.parametrize(
    ("vectors", "ids", "message"),
    [
        ([[1.0, np.nan]], None, "row 0 of the vectors is not finite"),
        ([[1.0, 2.0], [np.inf, 1.0]], None, "row 1 of the vectors"),
        ([1.0, 2.0], None, "one vector a row"),
        (np.empty((0, 3)), None, "no vectors to index"),
        (np.empty((3, 0)), None, "one vector a row"),
        ([[1.0], [2.0]], [1], "as many ids"),
        ([[1.0], [2.0]], ["a", "a"], "occurs twice"),
        ([[0.0], [0.0]], None, "all vectors are zero"),
    ],
)
def test_bad_vectors_are_named(vectors, ids, message):
    with pytest.raises(ValueError, match=message) as caught:
        IVFIndex(cells=1, probes=1).build(vectors, ids)
    assert "\n" not in str(caught.value)


def test_bad_searches_and_settings_are_named(items):
    with pytest.raises(NotFittedError, match="call build first"):
        ExactIndex().search([1.0])
    built = ExactIndex("cosine").build(items)
    for queries, k, message in (
        (np.ones((2, 5)), 3, "5 dimensions, the index 8"),
        (np.ones((2, 8)), 0, "k must be between 1"),
        (np.ones((2, 8)), 601, "between 1 and the 600 items; got 601"),
        (np.zeros((2, 8)), 3, "row 0 of the queries has length zero"),
        (np.full((2, 8), np.nan), 3, "row 0 of the queries is not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            built.search(queries, k)
    with pytest.raises(TypeError, match="numbers in rows of equal length"):
        built.build([["a"], ["b"]])
    for make, message in (
        (lambda: ExactIndex("dot"), "unknown metric 'dot'"),
        (lambda: IVFIndex(engine="gpu"), "unknown engine 'gpu'"),
        (lambda: IVFIndex(cells=4, probes=5), "got 5 of 4"),
        (lambda: IVFIndex(probes=0), "probes must be"),
        (lambda: HNSWIndex(links=1), "links is too small"),
        (lambda: HNSWIndex(beam=0), "beam is too small"),
        (lambda: IVFIndex(cells=601, probes=1).build(items), "601 cells are more"),
        (lambda: choose_index(0), "at least one item"),
        (lambda: choose_index(9, churn=1.2), "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_without_faiss_one_line_says_what_to_do(items, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match=r"streamrec\[search\]"):
        HNSWIndex().build(items)
    assert len(IVFIndex(cells=4, probes=2).build(items)) == 600  # ours needs nothing


def test_the_choice_follows_size_batches_and_churn():
    assert isinstance(choose_index(ix.EXACT_UP_TO), ExactIndex)
    assert isinstance(choose_index(ix.EXACT_UP_TO + 1, metric="cosine"), HNSWIndex)
    assert isinstance(choose_index(10**6, batches=True), ExactIndex)
    for many in (
        choose_index(10**6, metric="cosine", churn=0.5),
        choose_index(10**6),
    ):
        assert isinstance(many, IVFIndex) and many.engine == "faiss"


# -- behind a recommender


@pytest.fixture
def train():
    return Interactions.from_frame(random_frame())


@pytest.mark.parametrize("model", [ImplicitALS(factors=4), BPR(factors=4, epochs=2)])
@pytest.mark.parametrize("exclude_seen", [True, False])
def test_an_exact_index_gives_the_models_own_lists(model, exclude_seen, train):
    model.fit(train)
    served = IndexedRecommender(model, ExactIndex())
    users = np.r_[train.users, train.users.max() + 9]  # one of them unknown
    ours = served.recommend(users, 5, exclude_seen=exclude_seen)
    theirs = model.recommend(users, 5, exclude_seen=exclude_seen)
    assert (ours.valid == theirs.valid).all()
    np.testing.assert_allclose(
        ours.scores[ours.valid], theirs.scores[ours.valid], rtol=1e-4, atol=1e-5
    )
    assert (ours.items[ours.valid] == theirs.items[ours.valid]).mean() > 0.99
    again = served.retrieve(users, 5)
    assert again.items.shape == (len(users), 5)


def test_a_recommender_without_vectors_is_refused(train):
    with pytest.raises(TypeError, match="EASE has no user and item vectors"):
        IndexedRecommender(EASE().fit(train), ExactIndex())
    with pytest.raises(TypeError, match="fit it first"):
        IndexedRecommender(ImplicitALS(), ExactIndex())
    with pytest.raises(ValueError, match="needs the metric inner_product"):
        IndexedRecommender(ImplicitALS(factors=4).fit(train), ExactIndex("cosine"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 700), st.integers(1, 12), st.booleans())
def test_the_largest_are_those_of_a_full_selection(seed, n, k, ties):
    rng = np.random.default_rng(seed)
    S = rng.integers(0, 6, size=(3, n)) if ties else rng.normal(size=(3, n))
    S, k = S.astype(np.float32), min(k, n)
    got, want = ix.largest(S, k), top_k(S, k)
    assert (got[0] == want[0]).all() and (got[1] == want[1]).all()


def test_the_last_columns_are_looked_at():
    S = np.arange(1_003, dtype=np.float32)[None]
    assert ix.largest(S, 3)[0].tolist() == [[1_002, 1_001, 1_000]]
