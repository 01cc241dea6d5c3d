"""Vectors from text: the words, the network, and what it is for: cold items."""

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from streamrec.data.interactions import Interactions  # noqa: E402
from streamrec.data.splits import last_fraction  # noqa: E402
from streamrec.models.base import NotFittedError  # noqa: E402
from streamrec.models.content_cnn import (  # noqa: E402
    ContentCNN,
    ContentRecommender,
    TextCNN,
    encode,
    item_texts,
    score_metric,
    vocabulary,
    words,
)
from streamrec.models.implicit_als import ImplicitALS  # noqa: E402
from streamrec.worlds.streaming import StreamingWorld  # noqa: E402

# ------------------------------------------------------------------------ texts


def test_item_texts():
    t = pd.DataFrame(
        {"title": ["Heat.", None], "year": [1995, 1996], "genres": [("A", "B"), ()]},
        index=[7, 8],
    )
    assert item_texts(t).to_dict() == {7: "Heat. 1995. A, B", 8: "1996"}
    assert item_texts(t, ["genres", "title"]).tolist() == ["A, B. Heat", ""]
    with pytest.raises(KeyError, match="no column 'plot'; there are title"):
        item_texts(t, ["plot"])


def test_words_and_numbers():
    assert words("Amélie's 2 CATS!") == ["amélie", "s", "2", "cats"]
    known = vocabulary(["a a b", "b c", "c d"])
    assert known == ["b", "c"]
    assert encode(["c b zz", "", "b b b b b"], known, 4).tolist() == [
        [3, 2, 1, 0],
        [0, 0, 0, 0],
        [2, 2, 2, 2],
    ]
    assert encode([], known, 4).shape == (0, 4)


# ---------------------------------------------------------------------- network


@pytest.mark.parametrize("widths", [(1,), (2,), (1, 2, 3, 4)])
def test_padding_says_nothing(widths):
    network = TextCNN(9, 4, 5, widths, 3, 0.0).eval()
    short = torch.tensor([[2, 5, 3]])
    long = torch.cat([short, torch.zeros(1, 6, dtype=torch.long)], dim=1)
    assert torch.allclose(network(short), network(long), atol=1e-6)
    assert torch.isfinite(network(torch.zeros(1, 4, dtype=torch.long))).all()


def test_the_convolution_by_hand():
    """Width 2 sees a word and its right neighbour; the last one sees padding."""
    network = TextCNN(5, 1, 1, (2,), 2, 0.0).eval()
    with torch.no_grad():
        network.words.weight[:] = torch.arange(7.0)[:, None]
        network.filters[0].weight[:] = torch.tensor([[[1.0, 10.0]]])
        network.filters[0].bias[:] = -1.0
        network.out.weight[:], network.out.bias[:] = torch.eye(2), 0.0
    got = network(torch.tensor([[3, 5, 2, 0]]))[0]
    places = [3 + 50 - 1, 5 + 20 - 1, 2 - 1]
    assert got.tolist() == pytest.approx([max(places), sum(places) / 3])


def test_order_of_words_matters_only_to_wide_filters():
    a, b = torch.tensor([[2, 3, 4]]), torch.tensor([[4, 3, 2]])
    one = TextCNN(9, 4, 5, (1,), 3, 0.0).eval()
    two = TextCNN(9, 4, 5, (2,), 3, 0.0).eval()
    assert torch.allclose(one(a), one(b), atol=1e-6)
    assert not torch.allclose(two(a), two(b), atol=1e-3)


def test_the_metric_measures_errors_of_scores():
    rng = np.random.default_rng(0)
    X, e = rng.normal(size=(50, 4)), rng.normal(size=(7, 4))
    L = score_metric(X)
    want = ((X @ e.T) ** 2).mean(axis=0)
    assert np.allclose(((e @ L) ** 2).sum(axis=1), want, rtol=1e-4)
    assert np.isfinite(score_metric(X[:2])).all()  # fewer users than dimensions
    wide = score_metric(X[:2]) @ score_metric(X[:2]).T - X[:2].T @ X[:2] / 2
    assert np.allclose(wide, 1e-6 * np.trace(X[:2].T @ X[:2] / 2) / 4 * np.eye(4))


def told(n=240, seed=0):
    """Texts of two informative words among noise; vectors that the words decide."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(4, size=n), rng.integers(3, size=n)
    texts = [
        f"w{rng.integers(30)} topic{i} w{rng.integers(30)} kind{j}"
        for i, j in zip(a, b, strict=True)
    ]
    Y = rng.normal(size=(4, 5))[a] + rng.normal(size=(3, 5))[b]
    return texts, Y


FAST = {"embedding": 8, "channels": 8, "epochs": 25, "batch": 32, "lr": 1e-2}


@pytest.fixture(scope="module")
def learned():
    texts, Y = told()
    return ContentCNN(**FAST, dropout=0.1).fit(texts[:200], Y[:200])


def test_vectors_of_texts_never_seen(learned):
    texts, Y = told()
    error = ((learned.vectors(texts[200:]) - Y[200:]) ** 2).sum()
    assert error < 0.2 * ((Y[200:] - Y[:200].mean(axis=0)) ** 2).sum()
    assert learned.explained_ > 0.8


def test_vectors_do_not_depend_on_company(learned):
    texts, _ = told()
    alone = np.concatenate([learned.vectors([t]) for t in texts[:5]])
    assert np.allclose(learned.vectors(texts[:5]), alone, atol=1e-5)
    assert learned.vectors([]).shape == (0, 5)
    assert np.isfinite(learned.vectors([""])).all()


def test_seeds_and_checkpoints(tmp_path):
    texts, Y = told(60)
    settings = FAST | {"epochs": 3}
    path = tmp_path / "cnn.ckpt"
    a = ContentCNN(**settings).fit(texts, Y, checkpoint=path)
    b = ContentCNN(**settings).fit(texts, Y, checkpoint=path)  # finished: read back
    c = ContentCNN(**settings, seed=1).fit(texts, Y)
    assert np.array_equal(a.vectors(texts), b.vectors(texts))
    assert b.history_.resumed_from is not None
    assert not np.array_equal(a.vectors(texts), c.vectors(texts))


def test_users_and_counts_decide_what_an_error_costs():
    """A direction no user looks at is not learned; an item nobody took neither."""
    texts, Y = told()
    X = np.zeros((30, 5))
    X[:, 0] = np.random.default_rng(1).normal(size=30)
    cnn = ContentCNN(**FAST).fit(texts, Y, users=X, counts=np.full(len(Y), 20.0))
    V = cnn.vectors(texts)
    assert np.corrcoef(V[:, 0], Y[:, 0])[0, 1] > 0.9
    wrong = Y.copy()
    wrong[::2] = 50.0
    n = np.where(np.arange(len(Y)) % 2, 20.0, 0.0)
    V = ContentCNN(**FAST).fit(texts, wrong, counts=n).vectors(texts)
    assert abs(V).max() < 10


@pytest.mark.parametrize(
    ("texts", "vectors", "words_"),
    [
        (["a a", "a"], np.ones((3, 2)), "as many vectors"),
        (["a"], np.ones((1, 2)), "at least two"),
        (["a", "a"], [[1.0], [np.nan]], "finite"),
        (["a", "b"], np.ones((2, 1)), "no word occurs in 2 texts"),
    ],
)
def test_bad_training(texts, vectors, words_):
    with pytest.raises(ValueError, match=words_):
        ContentCNN().fit(texts, vectors)


@pytest.mark.parametrize(
    "change", [{"channels": 0}, {"widths": ()}, {"dropout": 1.0}, {"patience": -1}]
)
def test_settings_that_cannot_be(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        ContentCNN(**change)


def test_not_fitted():
    with pytest.raises(NotFittedError):
        ContentCNN().vectors(["a"])


# ------------------------------------------------------------------- cold items


@pytest.fixture(scope="module")
def cold_world():
    """A small world, a sixth of its items taken out of training."""
    world = StreamingWorld("tiny", seed=3, n_users=800, n_items=700)
    frame = world.ratings().rename(columns={"timestamp": "time"})[
        ["user", "item", "time"]
    ]
    x = Interactions.from_frame(frame, on_duplicates="last")
    split = last_fraction(x)
    cold = np.zeros(x.n_items, dtype=bool)
    cold[np.random.default_rng(0).choice(x.n_items, x.n_items // 6, False)] = True
    train = split.train.subset(~cold[split.train.item_index])
    test = split.test.subset(cold[split.test.item_index])
    table = world.items.set_index("item")
    texts = item_texts(
        table, ["title", "description", "category", "format", "language"]
    )
    cold = np.bincount(train.item_index, minlength=x.n_items) == 0  # a few more
    model = ContentRecommender(factors=24, epochs=12).fit(train, texts)
    return model, train, test, cold, texts


def places(model, train, test, columns):
    """Mean share of the columns that rank below an item later taken, by item."""
    S = model.score(train.users)
    S[train.binary.toarray() > 0] = np.nan
    later = test.binary.toarray() > 0
    rows = {}
    for u, i in zip(*np.nonzero(later), strict=True):
        rival = S[u, columns & ~later[u]]
        rival = rival[np.isfinite(rival)]
        rows.setdefault(i, []).append((rival < S[u, i]).mean())
    return np.array([np.mean(v) for v in rows.values()])


def test_cold_items_rank_above_chance(cold_world):
    """Mean place, items as the units: its 99.9 % interval lies above one half."""
    model, train, test, cold, _ = cold_world
    for columns in (np.ones(len(cold), dtype=bool), cold):
        p = places(model, train, test, columns)
        assert len(p) > 60
        assert p.mean() - 3.3 * p.std() / np.sqrt(len(p)) > 0.5


def test_warm_items_keep_their_vectors(cold_world):
    model, train, _, cold, texts = cold_world
    assert np.array_equal(model.cold_, cold)
    als = ImplicitALS(24, 10.0).fit(train)
    assert np.array_equal(model.Y_[~cold], als.Y_[~cold])
    assert np.array_equal(model.X_, als.X_)
    new = model.encode_items([texts[i] for i in train.items[cold]])
    assert np.allclose(new, model.Y_[cold], atol=1e-6)


def test_lists_of_cold_items(cold_world):
    model, train, _, cold, _ = cold_world
    lists = model.recommend_cold([*train.users[:4], -1], 6)
    assert np.isin(lists.items, train.items[cold]).all() and lists.valid.all()
    S = model.score(train.users[:4])[:, cold]
    best = train.items[cold][np.argsort(-S, axis=1, kind="stable")[:, :6]]
    assert np.array_equal(lists.items[:4], best)
    many = model.recommend_cold(train.users[0], 1000)
    assert many.valid.sum() == cold.sum()


def test_saved_model_keeps_vectors(cold_world, tmp_path):
    model, train, *_ = cold_world
    copy = ContentRecommender.load(model.save(tmp_path / "c.npz"))
    assert np.array_equal(copy.score(train.users), model.score(train.users))
    assert np.array_equal(
        copy.recommend_cold(train.users, 3).items,
        model.recommend_cold(train.users, 3).items,
    )
    with pytest.raises(NotFittedError, match="not the network"):
        copy.encode_items(["a"])


def test_bad_recommender_calls(cold_world):
    _, train, _, _, texts = cold_world
    with pytest.raises(ValueError, match="give the texts"):
        ContentRecommender().fit(train)
    with pytest.raises(ValueError, match="has no text"):
        ContentRecommender().fit(train, texts.iloc[:50])
    with pytest.raises(ValueError, match="all items are cold"):
        ContentRecommender(cold=10**6).fit(train, texts)
