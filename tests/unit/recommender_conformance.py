"""What every recommender must do; a test class inherits it by naming its model.

    class TestEASE(RecommenderConformance):
        def make(self):
            return EASE(lam=5.0)

Set ``seeded = True`` for a model whose settings include a seed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from streamrec.data.interactions import Interactions
from streamrec.models.base import MatrixRecommender, NotFittedError
from streamrec.protocols import Recommender


def random_frame(seed: int = 0, users: int = 30, items: int = 17) -> pd.DataFrame:
    """About 150 ratings of 1 to 5; every user and every item occurs."""
    rng = np.random.default_rng(seed)
    R = rng.random((users, items)) < 0.3
    R[np.arange(users), np.arange(users) % items] = True
    u, i = np.nonzero(R)
    value = rng.integers(1, 6, len(u)).astype(float)
    return pd.DataFrame({"user": u + 100, "item": i * 10, "value": value})


class RecommenderConformance:
    """Inherit, define ``make``; some thirty tests follow."""

    seeded = False

    def make(self) -> MatrixRecommender:
        raise NotImplementedError

    @pytest.fixture
    def frame(self) -> pd.DataFrame:
        return random_frame()

    @pytest.fixture
    def train(self, frame):
        return Interactions.from_frame(frame)

    @pytest.fixture
    def model(self, train):
        return self.make().fit(train)

    # The protocol and its shapes.

    def test_meets_the_protocol(self, model):
        assert isinstance(model, Recommender)

    def test_fit_returns_the_model(self, train):
        model = self.make()
        assert model.fit(train) is model

    @pytest.mark.parametrize("k", [1, 3, 10])
    def test_shapes_and_order(self, model, train, k):
        lists = model.recommend(train.users, k)
        assert lists.items.shape == lists.scores.shape == (train.n_users, k)
        assert (lists.users == train.users).all()
        filled = np.where(lists.valid, lists.scores, -1e300)
        assert (np.diff(filled, axis=1) <= 0).all()

    def test_scores_cover_the_catalogue_and_are_finite(self, model, train):
        S = model.score(train.users)
        assert S.shape == train.shape and S.dtype == np.float64
        assert np.isfinite(S).all()

    def test_lists_are_the_brute_force_sort_of_scores(self, model, train):
        lists, S = model.recommend(train.users, 4), model.score(train.users)
        S[train.binary.toarray() > 0] = -np.inf
        for row, items in zip(S, lists.items, strict=True):
            best = sorted(range(len(row)), key=lambda i: (-row[i], i))[:4]
            assert items.tolist() == train.items[best].tolist()

    def test_no_users(self, model):
        assert model.recommend(np.array([], dtype=np.int64), 3).items.shape == (0, 3)

    def test_one_user_as_a_scalar(self, model, train):
        one = model.recommend(train.users[4], 3)
        assert one.items.tolist() == model.recommend([train.users[4]], 3).items.tolist()

    # Seen items, padding, large k.

    def test_seen_items_are_filtered(self, model, train):
        lists = model.recommend(train.users, train.n_items)
        seen = set(zip(*train.frame()[["user", "item"]].to_numpy().T, strict=True))
        frame = lists.frame()
        assert not seen & set(zip(frame.user, frame.item, strict=True))

    def test_everything_unseen_is_ranked(self, model, train):
        lists = model.recommend(train.users, train.n_items)
        unseen = train.n_items - np.diff(train.matrix.indptr)
        assert (lists.valid.sum(axis=1) == unseen).all()

    def test_padding_is_at_the_end(self, model, train):
        valid = model.recommend(train.users, train.n_items).valid
        assert (np.diff(valid.astype(int), axis=1) <= 0).all()

    def test_seen_items_come_back_on_request(self, model, train):
        lists = model.recommend(train.users, train.n_items, exclude_seen=False)
        assert lists.valid.all()
        assert (np.sort(lists.items, axis=1) == train.items).all()

    def test_k_larger_than_the_catalogue(self, model, train):
        lists = model.recommend(train.users, train.n_items + 5)
        assert lists.items.shape == (train.n_users, train.n_items + 5)
        assert not lists.valid[:, train.n_items :].any()

    def test_a_user_who_saw_everything_gets_only_padding(self, frame):
        more = pd.DataFrame({"user": 1, "item": frame.item.unique(), "value": 3.0})
        train = Interactions.from_frame(pd.concat([frame, more]))
        assert not self.make().fit(train).recommend([1], 5).valid.any()

    # Users the model does not know.

    def test_unknown_users_get_the_popular_items(self, model, train):
        counts = np.asarray(train.binary.sum(axis=0)).ravel()
        order = sorted(range(train.n_items), key=lambda i: (-counts[i], i))
        lists = model.recommend([-1, 10**9], 5)
        assert lists.items.tolist() == [train.items[order[:5]].tolist()] * 2

    def test_known_and_unknown_mix(self, model, train):
        mixed = model.recommend([-1, train.users[3]], 4)
        assert (
            mixed.items[1].tolist()
            == model.recommend(train.users[3], 4).items[0].tolist()
        )
        assert mixed.items[0].tolist() == model.recommend(-1, 4).items[0].tolist()

    def test_a_user_without_training_is_cold(self, frame):
        train = Interactions.from_frame(frame, users=[*frame.user.unique(), 7])
        model = self.make().fit(train)
        assert (
            model.recommend(7, 5).items.tolist()
            == model.recommend(-1, 5).items.tolist()
        )

    def test_an_item_without_training_is_ranked(self, frame):
        train = Interactions.from_frame(frame, items=[*frame.item.unique(), 5])
        S = self.make().fit(train).score(train.users)
        assert np.isfinite(S).all()

    # Ids, order and duplicates.

    def test_text_ids(self, frame, model):
        text = frame.assign(user="u" + frame.user.astype(str))
        text["item"] = text["item"].map("i{:04d}".format)  # sorts like the numbers
        other = self.make().fit(Interactions.from_frame(text))
        users = np.unique(frame.user)
        a = model.recommend(users, 5)
        b = other.recommend([f"u{u}" for u in users], 5)
        assert b.items[b.valid].tolist() == [f"i{i:04d}" for i in a.items[a.valid]]
        assert np.array_equal(a.scores, b.scores)

    def test_ids_of_the_wrong_kind_are_refused(self, model):
        with pytest.raises(TypeError, match="ids are numbers"):
            model.recommend(["100"], 3)

    def test_duplicate_queries(self, model, train):
        once = model.recommend(train.users[:3], 5)
        twice = model.recommend(np.repeat(train.users[:3], 2), 5)
        assert np.array_equal(twice.items, np.repeat(once.items, 2, axis=0))

    def test_order_of_the_query_is_kept(self, model, train):
        back = model.recommend(train.users[::-1], 5)
        assert np.array_equal(back.items[::-1], model.recommend(train.users, 5).items)

    def test_order_of_the_rows_does_not_matter(self, frame, model, train):
        mixed = Interactions.from_frame(frame.sample(frac=1.0, random_state=3))
        S = self.make().fit(mixed).score(train.users)
        assert np.allclose(S, model.score(train.users), rtol=1e-4, atol=1e-5)

    def test_chunks_change_nothing(self, model, train, monkeypatch):
        whole = model.recommend(train.users, 5)
        monkeypatch.setattr("streamrec.models.base.CHUNK_SCORES", 3 * train.n_items)
        parts = model.recommend(train.users, 5)
        assert np.array_equal(whole.items, parts.items)
        assert np.allclose(
            whole.scores[whole.valid], parts.scores[whole.valid], rtol=1e-4, atol=1e-6
        )

    def test_items_used_alike_rank_in_catalogue_order(self):
        u = np.repeat(np.arange(12), 2)
        i = np.stack([np.arange(12) % 2, np.full(12, 2)], axis=1).ravel()
        frame = pd.DataFrame({"user": u, "item": i, "value": 4.0})
        train = Interactions.from_frame(frame, items=[0, 1, 2, 7, 8, 9])
        lists = self.make().fit(train).recommend(train.users, 6)
        for row in lists.items:  # 7, 8 and 9 are never used: exactly equal scores
            assert [i for i in row.tolist() if i >= 7] == [7, 8, 9]

    # Determinism, refitting, files.

    def test_deterministic(self, train, model):
        again = self.make().fit(train)
        assert np.array_equal(again.score(train.users), model.score(train.users))

    def test_global_random_state_does_not_matter(self, train, model):
        np.random.seed(123)  # noqa: NPY002 (the point of the test)
        again = self.make().fit(train)
        assert np.array_equal(again.score(train.users), model.score(train.users))

    def test_another_seed_is_another_start(self, train, model):
        if not self.seeded:
            pytest.skip("no seed among the settings")
        other = dataclasses.replace(model, seed=model.seed + 1).fit(train)
        assert not np.array_equal(other.score(train.users), model.score(train.users))

    def test_refit_does_not_leak(self, train):
        other = Interactions.from_frame(random_frame(seed=5, users=11, items=9))
        model = self.make().fit(train).fit(other)
        fresh = self.make().fit(other)
        assert set(vars(model)) == set(vars(fresh))
        assert np.array_equal(model.score(other.users), fresh.score(other.users))

    def test_fit_leaves_the_training_data_alone(self, frame, train):
        before = train.matrix.copy()
        self.make().fit(train)
        assert (before != train.matrix).nnz == 0

    @pytest.mark.parametrize("text", [False, True])
    def test_save_and_load(self, frame, tmp_path, text):
        if text:
            frame = frame.assign(user="u" + frame.user.astype(str))
        train = Interactions.from_frame(frame)
        model = self.make().fit(train)
        copy = type(model).load(model.save(tmp_path / "model.npz"))
        assert copy.settings == model.settings
        assert np.array_equal(copy.score(train.users), model.score(train.users))
        a, b = model.recommend(train.users, 5), copy.recommend(train.users, 5)
        assert np.array_equal(a.items, b.items) and a.items.dtype == b.items.dtype
        assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]

    def test_saved_files_hold_no_pickle(self, model, tmp_path):
        with np.load(model.save(tmp_path / "m.npz"), allow_pickle=False) as file:
            assert all(file[name].dtype != object for name in file.files)

    def test_load_refuses_other_files(self, tmp_path):
        path = tmp_path / "x.npz"
        path.write_text("nothing")
        with pytest.raises(ValueError, match="not a saved recommender"):
            type(self.make()).load(path)

    # Misuse.

    def test_not_fitted(self):
        for call in (lambda m: m.recommend([1]), lambda m: m.score([1])):
            with pytest.raises(NotFittedError, match="call fit first"):
                call(self.make())

    def test_empty_training(self, train):
        with pytest.raises(ValueError, match="no interactions"):
            self.make().fit(train.subset(np.zeros(len(train), dtype=bool)))

    def test_non_finite_training_values(self, train):
        value = np.where(np.arange(len(train)) == 3, np.nan, train.value)
        bad = Interactions(
            train.users, train.items, train.user_index, train.item_index, value=value
        )
        with pytest.raises(ValueError, match="finite"):
            self.make().fit(bad)

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_below_one(self, model, train, k):
        with pytest.raises(ValueError, match="at least 1"):
            model.recommend(train.users, k)

    def test_settings_are_fixed(self, model):
        for name in model.settings:
            with pytest.raises(AttributeError, match="fixed at construction"):
                setattr(model, name, 3)

    def test_one_user_one_item(self):
        train = Interactions.from_frame(
            pd.DataFrame({"user": [1], "item": [2], "value": [3.0]})
        )
        model = self.make().fit(train)
        assert not model.recommend([1], 2).valid.any()
        assert model.recommend([9], 1).items.tolist() == [[2]]
