"""Two towers: what the correction corrects, features, histories, resume, processes."""

import dataclasses
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recommender_conformance import RecommenderConformance, random_frame

torch = pytest.importorskip("torch")

from streamrec.data.interactions import Interactions  # noqa: E402
from streamrec.models import two_tower  # noqa: E402
from streamrec.models.index import (  # noqa: E402
    ExactIndex,
    IndexedRecommender,
    IVFIndex,
)
from streamrec.models.two_tower import (  # noqa: E402
    TwoTower,
    corrected_softmax_loss,
    learn_tokens,
    write_tokens,
)
from streamrec.protocols import Retriever  # noqa: E402

SMALL = {"dimensions": 4, "hidden": 6, "history": 5, "epochs": 2, "batch": 32}


class TestTwoTower(RecommenderConformance):
    seeded = True

    def make(self):
        return TwoTower(**SMALL)


class TestTwoTowerHard(RecommenderConformance):
    seeded = True

    def make(self):
        return TwoTower(**SMALL, hard=2, hard_epochs=1, pool=5, future=True)


# ------------------------------------------------------------------ the correction

P = torch.tensor([[0.6, 0.2, 0.15, 0.05], [0.1, 0.3, 0.2, 0.4]], dtype=torch.float64)
SHARE = torch.tensor([0.7, 0.3], dtype=torch.float64)  # of the two users
Q = SHARE @ P  # popularity: the law of in-batch negatives


def expected_loss(s, log_q, negatives=2):
    """Mean over every positive and every draw of negatives from Q, exactly."""
    total = 0.0
    for user, i in itertools.product(range(2), range(4)):
        for others in itertools.product(range(4), repeat=negatives):
            row = torch.tensor([i, *others])
            chance = SHARE[user] * P[user, i] * Q[row[1:]].prod()
            loss = corrected_softmax_loss(
                s[user, row][None], torch.tensor([0]), log_q[row]
            )
            total = total + chance * loss[0]
    return total


def gradient_at(s, log_q, negatives):
    s = s.clone().requires_grad_()
    expected_loss(s, log_q, negatives).backward()
    return s.grad.abs().max().item()


@pytest.mark.parametrize("negatives", [1, 2, 3])
def test_the_corrected_optimum_is_the_log_probability(negatives):
    offset = torch.tensor([[0.3], [-1.0]], dtype=torch.float64)  # free for each user
    assert gradient_at(P.log() + offset, Q.log(), negatives) < 1e-12
    assert gradient_at(P.log() - Q.log(), Q.log(), negatives) > 1e-2


@pytest.mark.parametrize("negatives", [1, 2])
def test_without_correction_popular_items_are_punished(negatives):
    """The optimum is then log p - log q: another order of the items."""
    none = torch.zeros(4, dtype=torch.float64)
    assert gradient_at(P.log() - Q.log(), none, negatives) < 1e-12
    assert gradient_at(P.log(), none, negatives) > 1e-2
    assert (P.argsort(1) != (P.log() - Q.log()).argsort(1)).any()


def test_training_with_popular_negatives_finds_the_probabilities():
    """By gradient descent on drawn batches, to the noise of the draws."""
    generator = torch.Generator().manual_seed(0)
    free = torch.zeros(2, 4, requires_grad=True)
    step = torch.optim.Adam([free], lr=0.02)
    n = 256
    for t in range(1200):
        user = torch.multinomial(SHARE, n, replacement=True, generator=generator)
        item = torch.multinomial(P[user], 1, generator=generator)[:, 0]
        loss = corrected_softmax_loss(
            free[user][:, item], torch.arange(n), Q.log().float()[item]
        ).mean()
        for group in step.param_groups:
            group["lr"] = 0.05 * (1 - t / 1200)
        step.zero_grad()
        loss.backward()
        step.step()
    assert torch.allclose(free.detach().softmax(1), P.float(), atol=0.02)


def test_the_loss_by_hand():
    s = torch.tensor([[2.0, 1.0, 0.0]])
    q = torch.tensor([0.5, 0.25, 0.25])
    odds = np.exp([2, 1, 0]) / q.numpy()
    got = float(corrected_softmax_loss(s, torch.tensor([1]), q.log()))
    assert got == pytest.approx(-np.log(odds[1] / odds.sum()), rel=1e-5)


# -------------------------------------------------------------------- features


def test_tokens():
    t = pd.DataFrame(
        {
            "year": [1990.0, 1991.0, np.nan, 1999.0],
            "genres": [("a", "b"), ["b"], (), None],
            "kind": ["film", "film", None, "short"],
            "flag": [True, False, True, True],
        },
        index=[3, 1, 2, 9],
    )
    known = learn_tokens(t)
    assert {"genres=a", "genres=b", "kind=film", "kind=short"} <= set(known["names"])
    assert "flag=True" in known["names"]
    rows = write_tokens(t, known, 4)
    said = [{known["names"][j - 1] for j in r if j} for r in rows]
    assert said[0] >= {"genres=a", "genres=b", "kind=film", "flag=True"}
    assert not any(x.startswith(("year", "genres", "kind")) for x in said[2])
    years = [next((x for x in s if x.startswith("year")), None) for s in said]
    assert years[0] != years[1] != years[3] and years[2] is None
    new = t.assign(genres=[("zz",)] * 4, year=[0.0, 3000, 1990, 1990])
    got = write_tokens(new, known, 4)
    assert known["names"][got[0][0] - 1] == "year=0"
    with pytest.raises(ValueError, match="lack column 'year'"):
        write_tokens(t.drop(columns="year"), known, 4)


def test_titles_are_no_category():
    t = pd.DataFrame({"title": [f"film {i}" for i in range(50)]})
    assert learn_tokens(t)["names"] == []
    assert write_tokens(t, learn_tokens(t), 50).tolist() == [[0]] * 50


def topic_world(seed=0, users=80, items=60, topics=4):
    """Users take items of one topic; topic and a noisy text vector are features."""
    rng = np.random.default_rng(seed)
    topic, taste = np.arange(items) % topics, np.arange(users) % topics
    rows = []
    for u in range(users):
        p = np.where(topic == taste[u], 8.0, 1.0)
        taken = rng.choice(items, 15, replace=False, p=p / p.sum())
        rows += [(u, i, t) for t, i in enumerate(taken)]
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    table = pd.DataFrame({"topic": [f"t{x}" for x in topic]})
    text = np.eye(topics)[topic] + 0.1 * rng.normal(size=(items, topics))
    return frame, table, text, topic, taste


@pytest.fixture(scope="module")
def topical():
    frame, table, text, topic, taste = topic_world()
    new = frame[frame.item < 50]  # the last ten items are never taken
    train = Interactions.from_frame(new, items=np.arange(60))
    people = pd.DataFrame({"club": [f"c{x}" for x in taste]})
    model = TwoTower(dimensions=8, hidden=8, history=10, epochs=20, batch=128,
                     dropout=0.1, lr=0.02,
                     leave_out=0.1)  # fmt: skip
    return model.fit(train, table, people, text=text), train, table, people, text


def test_new_items_are_placed_by_their_features(topical):
    model, train, table, _, text = topical
    S = model.score(train.users)[:, 50:]
    taste, topic = np.arange(80) % 4, np.arange(50, 60) % 4
    fits = taste[:, None] == topic
    assert S[fits].mean() > S[~fits].mean() + 1.0
    again = model.encode_items(table.iloc[50:], text=text[50:])
    assert np.allclose(again, model.item_vectors_[50:], atol=1e-5)


def test_features_are_asked_for_by_name(topical):
    model, train, table, people, text = topical
    with pytest.raises(ValueError, match="lack column 'topic'"):
        model.encode_items(pd.DataFrame({"x": [1]}), text=text[:1])
    with pytest.raises(ValueError, match="text vectors must be"):
        model.encode_items(table[:3])
    fresh = TwoTower(**SMALL)
    with pytest.raises(ValueError, match="no row for 59"):
        fresh.fit(train, table[:59])
    with pytest.raises(ValueError, match="table of items"):
        fresh.fit(train, text=text)
    with pytest.raises(ValueError, match="twice in the table of users"):
        fresh.fit(train, users=pd.concat([people, people]))
    assert not hasattr(fresh, "_given")


def test_order_of_the_feature_tables_does_not_matter(topical):
    _, train, table, people, text = topical
    mixed = np.random.default_rng(3).permutation(60)
    a = TwoTower(**SMALL).fit(train, table, people, text=text)
    b = TwoTower(**SMALL).fit(train, table.iloc[mixed], people[::-1], text=text[mixed])
    assert np.array_equal(a.item_vectors_, b.item_vectors_)
    assert np.array_equal(a.user_vectors_, b.user_vectors_)


def test_saved_with_features(topical, tmp_path):
    model, train, table, people, text = topical
    copy = TwoTower.load(model.save(tmp_path / "m.npz"))
    assert np.array_equal(copy.score(train.users), model.score(train.users))
    a = [m.encode_items(table[:5], text=text[:5]) for m in (model, copy)]
    assert np.array_equal(*a)
    b = [m.encode_users([[1, 5]], people[:1]) for m in (model, copy)]
    assert np.array_equal(*b)


# ------------------------------------------------------------------- histories


def test_new_users_with_a_known_history_equal_the_known_users(topical):
    model, train, _, people, _ = topical
    frame = train.frame().sort_values("time")
    histories = [frame[frame.user == u]["item"].tolist() for u in (3, 7)]
    got = model.encode_users(histories, people.iloc[[3, 7]])
    assert np.allclose(got, model.user_vectors([3, 7]), atol=1e-5)
    noise = model.encode_users([[*histories[0], 10**6]], people.iloc[[3]])
    assert np.allclose(noise, got[:1], atol=1e-6)
    with pytest.raises(KeyError, match="encode_users"):
        model.user_vectors([3, 10**6])


def test_a_training_row_sees_only_what_was_taken_before(topical):
    """Windows hold the items before the target, newest first, weighted by age."""
    _, train, *_ = topical
    model = TwoTower(**SMALL, memory=2.0)
    model.fit(train)
    place = torch.tensor([0, 3, 9])
    taken, weight = model._window(place, torch.zeros(3, dtype=torch.long), place)
    assert not taken[0].any() and not weight[0].any()
    assert taken[1].tolist() == [*model.taken_[[2, 1, 0]], 0, 0]
    assert taken[2].tolist() == model.taken_[[8, 7, 6, 5, 4]].tolist()
    w = np.exp(-np.arange(5) / 2)
    assert np.allclose(weight[2], w / np.linalg.norm(w), atol=1e-6)
    end = torch.tensor([12])
    around, _ = model._window(end, torch.tensor([8]), torch.tensor([10]))
    assert around[0].tolist() == [model.taken_[11], 0, *model.taken_[[9, 8]], 0]


# ------------------------------------------------------------------- retrieval


def test_retrieve_equals_recommend(topical):
    model, train, *_ = topical
    assert isinstance(model, Retriever)
    users = [*train.users[:5], -1]
    a, b = model.retrieve(users, 12), model.recommend(users, 12)
    assert np.array_equal(a.items, b.items)
    assert np.allclose(a.scores[a.valid], b.scores[b.valid], rtol=1e-4)
    indexed = IndexedRecommender(model, ExactIndex())
    assert np.array_equal(indexed.retrieve(users, 12).items, a.items)


def test_a_new_fit_makes_a_new_index(topical):
    _, train, *_ = topical
    model = TwoTower(**SMALL).fit(train)
    model.retrieve([0], 3)
    other = Interactions.from_frame(random_frame(seed=5, users=11, items=9))
    model.fit(other)
    assert set(model.retrieve(other.users, 3).items.ravel()) <= set(other.items)


def test_the_correction_raises_popular_items():
    frame, *_ = topic_world()
    much = pd.DataFrame({"user": np.arange(80), "item": 999, "time": 7})
    train = Interactions.from_frame(pd.concat([frame, much]))
    settings = SMALL | {"epochs": 6, "lr": 0.02}
    place = int(train.item_rows([999])[0])
    mean = [
        TwoTower(**settings, correction=c).fit(train).score(train.users)
        for c in (True, False)
    ]
    rank = [(S > S[:, [place]]).sum(axis=1).mean() for S in mean]
    assert rank[0] < 10 < rank[1]


def test_hard_negatives_are_unseen_items_that_rank_best(topical):
    _, train, *_ = topical
    model = TwoTower(**SMALL, pool=7).fit(train)
    mined = model._mine(model._restored())
    lists = model.recommend(train.users, 7)
    trained = train.items[model.popularity_ > 0]
    for row, user in zip(mined, range(80), strict=True):
        best = model.recommend([user], 60).items[0]
        want = [i for i in best if i in trained][:7]
        assert set(train.items[row - 1]) == set(want)
    assert lists.items.shape == mined.shape


# ------------------------------------------------------------- resume, processes


def test_training_goes_on_from_a_checkpoint(topical, tmp_path, monkeypatch):
    _, train, *_ = topical
    settings = SMALL | {"hard": 2, "hard_epochs": 1, "pool": 5}
    whole = TwoTower(**settings).fit(train)

    class Killed(Exception):
        pass

    original, calls = two_tower._BatchLoss.__call__, [0]

    def dies(self, *arguments):
        calls[0] += 1
        if calls[0] == dead:
            raise Killed
        return original(self, *arguments)

    for dead in (45, 85):  # in the second pass, and among the hard negatives
        path, calls[0] = tmp_path / f"{dead}.ckpt", 0
        monkeypatch.setattr(two_tower._BatchLoss, "__call__", dies)
        with pytest.raises(Killed):
            TwoTower(**settings).fit(train, checkpoint=path)
        monkeypatch.setattr(two_tower._BatchLoss, "__call__", original)
        again = TwoTower(**settings).fit(train, checkpoint=path)
        assert np.array_equal(again.weights_, whole.weights_)
        assert np.array_equal(again.losses_, whole.losses_)
    with pytest.raises(ValueError, match="another training"):
        other = settings | {"dropout": 0.1}
        TwoTower(**other).fit(train, checkpoint=path)


SPLIT = {"dropout": 0.0, "leave_out": 0.2, "hard": 2, "hard_epochs": 1, "pool": 5}
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
import numpy as np, torch
from test_two_tower import SMALL, SPLIT, topic_world
from streamrec.data.interactions import Interactions
from streamrec.models.trainer import world
from streamrec.models.two_tower import TwoTower
torch.set_num_threads(1)
frame, table, text, *_ = topic_world()
train = Interactions.from_frame(frame)
model = TwoTower(**SMALL | SPLIT)
model.fit(train, table, text=text)
if world()[0] == 0:
    np.savez(sys.argv[1], items=model.item_vectors_, users=model.user_vectors_)
"""


@pytest.mark.slow
def test_two_processes_train_the_same_towers(tmp_path):
    script, out = tmp_path / "run.py", tmp_path / "two.npz"
    script.write_text(SCRIPT)
    here = str(Path(__file__).parent)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node=2", str(script), str(out), here]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True,
                          timeout=180, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    frame, table, text, *_ = topic_world()
    settings = SMALL | {
        "dropout": 0.0,
        "leave_out": 0.2,
        "hard": 2,
        "hard_epochs": 1,
        "pool": 5,
    }
    one = TwoTower(**settings).fit(Interactions.from_frame(frame), table, text=text)
    two = np.load(out)
    assert np.allclose(two["items"], one.item_vectors_, atol=1e-4)
    assert np.allclose(two["users"], one.user_vectors_, atol=1e-4)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dimensions": 0}, "dimensions must be positive"),
        ({"memory": -1.0}, "memory must be >= 0"),
        ({"dropout": 1.0}, "dropout is a share"),
        ({"leave_out": -0.1}, "leave_out is a share"),
    ],
)
def test_settings_that_cannot_be(change, words):
    with pytest.raises(ValueError, match=words):
        TwoTower(**change)


def test_settings_are_listed():
    assert TwoTower().settings == dataclasses.asdict(TwoTower())


def test_large_catalogues_get_an_inverted_file():
    assert type(two_tower._index_for(10_000)) is ExactIndex
    index = two_tower._index_for(200_000)
    assert isinstance(index, IVFIndex) and index.cells == 1789 and index.probes == 256
