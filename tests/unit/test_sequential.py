"""Recommenders of sequences: windows, causality, attention, files, exact resume."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import recommender_conformance
import torch
from recommender_conformance import RecommenderConformance, random_frame

from streamrec.data.interactions import Interactions
from streamrec.models import trainer
from streamrec.models.gru import SessionGRU
from streamrec.models.sasrec import SASRec
from streamrec.models.sequences import (
    Histories,
    Windows,
    cut_windows,
    histories,
    pad,
    seen_so_far,
    sequence_loss,
)


def timed_frame(*args, **kwargs):
    frame = random_frame(*args, **kwargs)
    frame["time"] = np.random.default_rng(1).permutation(len(frame))
    return frame


def sasrec(**change):
    small = {"width": 8, "length": 6, "epochs": 2, "batch": 8}
    return SASRec(**small | change)


def gru(**change):
    small = {"width": 8, "hidden": 8, "length": 6, "epochs": 2, "batch": 8}
    return SessionGRU(**small | change)


MODELS = [sasrec, gru]


class SequentialConformance(RecommenderConformance):
    seeded = True

    @pytest.fixture(autouse=True)
    def times(self, monkeypatch):
        monkeypatch.setattr(recommender_conformance, "random_frame", timed_frame)

    def test_a_user_who_saw_everything_gets_only_padding(self, frame):
        items = frame.item.unique()
        more = pd.DataFrame({"user": 1, "item": items, "value": 3.0})
        both = pd.concat([frame, more.assign(time=range(len(items)))])
        train = Interactions.from_frame(both)
        assert not self.make().fit(train).recommend([1], 5).valid.any()

    def test_non_finite_training_values(self, train):
        value = np.where(np.arange(len(train)) == 3, np.nan, train.value)
        rows = (train.users, train.items, train.user_index, train.item_index)
        with pytest.raises(ValueError, match="finite"):
            self.make().fit(Interactions(*rows, time=train.time, value=value))

    # One interaction has no order; test_only_single_interactions_are_not_enough.
    test_one_user_one_item = None

    # An item never used keeps its random start: scores are near, never equal.
    test_items_used_alike_rank_in_catalogue_order = None


class TestSASRec(SequentialConformance):
    def make(self):
        return sasrec()


class TestSessionGRU(SequentialConformance):
    def make(self):
        return gru()


@pytest.fixture(scope="module")
def train():
    return Interactions.from_frame(timed_frame())


# Histories and windows.


def test_histories_are_in_time_order_with_ties_by_item():
    rows = [("b", 3, 5), ("a", 1, 9), ("a", 2, 4), ("b", 1, 5), ("a", 3, 4)]
    x = Interactions.from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
    found = histories(x).of(range(2))
    assert [x.items[h].tolist() for h in found] == [[2, 3, 1], [1, 3]]


def test_a_user_without_interactions_has_an_empty_history(train):
    x = Interactions(
        [1, 2, 3], train.items, [0, 2], [4, 5], time=np.array([1, 2])
    )  # fmt: skip
    assert [h.tolist() for h in histories(x).of(range(3))] == [[4], [], [5]]


def test_times_are_asked_for():
    x = Interactions.from_frame(random_frame())
    with pytest.raises(ValueError, match="time column"):
        sasrec().fit(x)


def test_pad_keeps_the_end_and_fills_the_rest():
    ids, counts = pad([[1, 2, 3], [], [4]], 2, fill=7)
    assert ids.tolist() == [[2, 3], [7, 7], [4, 7]] and counts.tolist() == [2, 0, 1]


def drawn(counts, length, horizon, times=400):
    """Windows of histories 100 u, 100 u + 1, ... drawn many times."""
    items = torch.cat([100 * u + torch.arange(n) for u, n in enumerate(counts)])
    count = torch.tensor(counts)
    begin = count.cumsum(0) - count
    for seed in range(times):
        generator = torch.Generator().manual_seed(seed)
        yield cut_windows(items, begin, count, length, horizon, -1, generator)


def test_windows_run_in_order_and_targets_lie_within_the_horizon():
    counts, length, horizon = [2, 4, 5, 12], 4, 3
    starts, offsets = [set() for _ in counts], set()
    for w in drawn(counts, length, horizon):
        for u, n in enumerate(counts):
            ids = w.ids[u][w.ids[u] >= 0]
            assert len(ids) == min(n - 1, length)
            assert (ids.diff() == 1).all() and (w.ids[u][len(ids) :] == -1).all()
            starts[u].add(int(ids[0]) - 100 * u)
        current = w.ids.reshape(-1)[w.place]
        assert len(w.place) == int((w.ids >= 0).sum())
        gap = w.target - current
        assert (gap >= 1).all() and (gap <= horizon).all()
        assert (w.target // 100 == current // 100).all()
        assert (w.target % 100 < torch.tensor(counts)[current // 100]).all()
        offsets |= set(gap.tolist())
    assert starts == [{0}, {0}, {0}, set(range(8))]
    assert offsets == {1, 2, 3}


def test_every_offset_within_the_room_is_as_likely():
    gaps = torch.stack([(w.target - w.ids[0])[:3] for w in drawn([5], 4, 3, 3000)])
    for place, room in enumerate((3, 3, 2)):
        share = torch.bincount(gaps[:, place], minlength=4)[1:] / 3000
        expected = torch.tensor([1 / room] * room + [0.0] * (3 - room))
        # five standard errors: a false alarm in 200,000 runs
        assert ((share - expected).abs() < 5 * (0.25 / 3000) ** 0.5).all()


def test_the_softmax_leaves_out_what_was_seen_and_only_that():
    """The loss by a loop over the places."""
    torch.manual_seed(0)
    N, D = 7, 4

    class Network(torch.nn.Module):
        table, weights = torch.randn(N + 1, D), torch.randn(D, N)

        def forward(self, ids):
            return self.table[ids].cumsum(1)

        def logits(self, H):
            return H @ self.weights

    ids = torch.tensor([[1, 2, 3, N], [4, 5, 4, 6]])
    windows = Windows(
        ids, torch.tensor([0, 1, 2, 4, 5, 6, 7]), torch.tensor([2, 5, 0, 4, 6, 3, 1])
    )
    network = Network()
    for exclude in (True, False):
        total, count = 0.0, 0
        for place, y in zip(windows.place.tolist(), windows.target.tolist()):
            b, t = divmod(place, 4)
            past = set(ids[b, : t + 1].tolist())
            if exclude and y in past:
                continue
            S = network.logits(network(ids)[b, t])
            left = [i for i in range(N) if not exclude or i not in past]
            total += float(S[left].logsumexp(0) - S[y])
            count += 1
        found = sequence_loss(network, windows, exclude)
        assert found[1] == count and float(found[0]) == pytest.approx(total, rel=1e-5)
    past = seen_so_far(windows)
    assert set(past[1].tolist()) == {1, 2} and set(past[5].tolist()) == {4, 5}


# The networks.


@pytest.mark.parametrize("make", [*MODELS, lambda: sasrec(attention=False)])
def test_a_change_of_the_future_changes_no_earlier_state(train, make):
    network = make().fit(train).network()
    rng = np.random.default_rng(0)
    ids = torch.from_numpy(rng.integers(0, train.n_items, (4, 6)))
    with torch.no_grad():
        before = network(ids)
        for t in range(1, 6):
            other = ids.clone()
            other[:, t:] = torch.from_numpy(
                rng.integers(0, train.n_items + 1, (4, 6 - t))
            )
            after = network(other)
            assert torch.equal(after[:, :t], before[:, :t])
            assert not torch.equal(after[:, t:], before[:, t:])


@pytest.mark.parametrize("make", MODELS)
def test_the_order_of_the_history_matters(train, make):
    model = make().fit(train)
    a, b = model.score_histories([train.items[:5], train.items[4::-1]])
    assert not np.allclose(a, b)


@pytest.mark.parametrize("make", MODELS)
def test_a_later_interaction_of_somebody_else_leaves_scores_of_a_history(train, make):
    model = make().fit(train)
    past = [train.items[[3, 1, 4]], train.items[[2]]]
    alone = np.vstack([model.score_histories([h]) for h in past])
    assert np.allclose(model.score_histories(past), alone, rtol=1e-5, atol=1e-6)


# People who were not in training.


@pytest.mark.parametrize("make", MODELS)
def test_the_history_of_a_known_user_scores_as_the_user(train, make):
    model = make().fit(train)
    past = [train.items[h] for h in histories(train).of(range(train.n_users))]
    assert np.allclose(model.score_histories(past), model.score(train.users))


@pytest.mark.parametrize("make", MODELS)
def test_unknown_items_and_empty_histories(train, make):
    model = make().fit(train)
    with_unknown = [[10, 999, 20], [10, 20], [], [999]]
    S = model.score_histories(with_unknown)
    assert np.allclose(S[0], S[1])
    assert np.array_equal(S[2:], np.tile(model.popularity_, (2, 1)))
    assert model.score_histories([]).shape == (0, train.n_items)
    with pytest.raises(TypeError, match="ids are numbers"):
        model.score_histories([["a"]])


@pytest.mark.parametrize("make", MODELS)
def test_only_the_last_items_matter(train, make):
    model = make().fit(train)
    tail = train.items[:6]
    longer = np.concatenate([train.items[8:12], tail])
    assert np.allclose(*model.score_histories([tail, longer]))


def test_only_single_interactions_are_not_enough():
    frame = pd.DataFrame({"user": range(5), "item": range(5), "time": range(5)})
    with pytest.raises(ValueError, match="two interactions"):
        sasrec().fit(Interactions.from_frame(frame))


# Learning.


@pytest.mark.parametrize("make", [SASRec, SessionGRU])
def test_a_cycle_is_learnt(make):
    """Nine items in a circle, walked from a random one: the next is certain."""
    rng = np.random.default_rng(0)
    rows = [(u, (s + t) % 9, t) for u, s in enumerate(rng.integers(9, size=90))
            for t in range(6)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["user", "item", "time"])
    model = make(16, epochs=40, horizon=1, dropout=0.0, exclude_seen=False)
    model.fit(Interactions.from_frame(frame))
    S = model.score_histories([[i, (i + 1) % 9] for i in range(9)])
    assert S.argmax(axis=1).tolist() == [(i + 2) % 9 for i in range(9)]
    assert model.loss_[-1] < 0.3 * model.loss_[0]


# Exact resume, several processes.


@pytest.mark.parametrize("make", MODELS)
def test_an_interrupted_fit_ends_with_the_same_weights(
    train, make, tmp_path, monkeypatch
):
    expected = make(epochs=4).fit(train)
    file, close = tmp_path / "state.pt", trainer._Run._close

    def die(run, epoch):
        close(run, epoch)
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer._Run, "_close", die)
        make(epochs=4).fit(train, checkpoint=file)
    assert file.exists()
    found = make(epochs=4).fit(train, checkpoint=file)
    assert np.array_equal(found.weights_, expected.weights_)
    assert np.array_equal(found.loss_, expected.loss_)
    with pytest.raises(ValueError, match="another training"):
        make(epochs=4, horizon=2).fit(train, checkpoint=file)


PROCESSES = """
import sys, numpy as np, pandas as pd
from streamrec.data.interactions import Interactions
from streamrec.models.sasrec import SASRec
from streamrec.models.trainer import world

rng = np.random.default_rng(0)
u, i = np.nonzero(rng.random((31, 17)) < 0.4)
frame = pd.DataFrame({"user": u, "item": i, "time": rng.permutation(len(u))})
model = SASRec(width=8, length=4, epochs=2, batch=9, dropout=0.0)
model.fit(Interactions.from_frame(frame))
if world()[0] == 0:
    np.save(sys.argv[1], model.score(np.arange(31)))
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROCESSES)
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for prefix, name in (([], "1.npy"), (run, "2.npy")):
        command = [sys.executable, *prefix, script, tmp_path / name]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    one, two = np.load(tmp_path / "1.npy"), np.load(tmp_path / "2.npy")
    assert np.allclose(one, two, rtol=1e-4, atol=1e-4)


# Settings.


@pytest.mark.parametrize(
    "make, change",
    [
        (sasrec, {"width": 0}),
        (sasrec, {"heads": 3}),
        (sasrec, {"blocks": 0}),
        (sasrec, {"dropout": 1.0}),
        (gru, {"hidden": 0}),
        (gru, {"dropout": -0.1}),
        *[
            (make, {name: value})
            for make in MODELS
            for name, value in [
                ("length", 0),
                ("horizon", 0),
                ("epochs", 0),
                ("batch", 0),
                ("lr", 0.0),
                ("weight_decay", -1.0),
            ]
        ],
    ],
)
def test_settings_out_of_range(make, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        make(**change)


def test_of_gives_the_histories_asked_for():
    h = Histories(np.array([4, 7, 5]), np.array([0, 2, 2, 3]))
    assert [s.tolist() for s in h.of([2, 0])] == [[5], [4, 7]]
