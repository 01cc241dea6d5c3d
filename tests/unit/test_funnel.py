"""The funnel keeps its promises whatever its stages do."""

import itertools
import time

import numpy as np
import pandas as pd
import pytest

from streamrec.data.interactions import Interactions
from streamrec.models.popularity import Popularity
from streamrec.production import funnel
from streamrec.production.funnel import (
    FAULTS,
    Funnel,
    Stage,
    inject,
    merge,
    orderer,
    retriever,
    served,
)
from streamrec.protocols import Recommendations

N, K = 60, 10


def lists(users, items, scores=None):
    items = np.asarray(items)
    scores = -np.arange(items.shape[1]) if scores is None else scores
    scores = np.broadcast_to(np.asarray(scores, float), items.shape).copy()
    return Recommendations(np.asarray(users), items, scores)


def taste(seed):
    """A retriever with its own fixed random order of the catalogue for each user."""

    def run(users, size):
        rows = [np.random.default_rng([seed, u]).permutation(N)[:size] for u in users]
        return lists(users, np.array(rows).reshape(len(users), -1))

    return run


def rank(users, candidates):
    """Even items first."""
    score = np.where(candidates.valid, -(candidates.items % 7.0), -np.inf)
    order = np.argsort(-score, axis=1, kind="stable")
    items, score = (np.take_along_axis(a, order, 1) for a in (candidates.items, score))
    return Recommendations(users, items, score)


def stages():
    return [
        Stage("als", taste(1), size=30, reason="like what you watched"),
        Stage("ease", taste(2), size=30, reason="watched together"),
        orderer("rank", rank),
    ]


USERS = np.arange(40)
SEEN = {int(u): np.random.default_rng(u).choice(N, u % 25, False) for u in USERS}
BLOCKED = [3, 5, 8]


def make(parts=None, **more):
    settings = {"fallback": np.arange(N)[::-1], "blocked": BLOCKED, "seen": SEEN}
    return Funnel(stages() if parts is None else parts, **settings | more)


def promises(answer, k=K, catalogue=N):
    """Share of users whose list keeps every promise, counted the slow way."""
    good = 0
    for u, items, ok in zip(answer.users, answer.items, answer.valid, strict=True):
        got = items[ok].tolist()
        hidden = set(SEEN.get(int(u), [])) | set(BLOCKED)
        free = set(range(catalogue)) - hidden
        full = len(got) == min(k, len(free)) and bool(ok[: len(got)].all())
        good += full and len(set(got)) == len(got) and set(got) <= free
    return good / len(answer.users)


def test_a_healthy_funnel_keeps_its_promises():
    f = make()
    answer = f.serve(USERS)
    assert promises(answer) == 1
    assert not answer.degraded.any() and not answer.notes and not answer.short.any()
    assert (np.diff(answer.scores, axis=1) <= 0).all()
    assert set(answer.source.ravel()) <= {"als", "ease", "als+ease"}
    lone = answer.source == "ease"
    assert set(answer.reason[lone]) == {"watched together"}
    assert f.report()["degraded_share"] == 0


def test_the_last_order_stage_decides():
    answer = make().serve(USERS)
    assert (np.diff(answer.items % 7, axis=1) >= 0).all()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", range(3))
def test_each_fault_in_each_stage(stage, fault):
    parts = stages()
    parts[stage] = inject(parts[stage], fault, seconds=0.5)
    f = make(parts, deadline_seconds=0.15)
    begin = time.monotonic()
    answer = f.serve(USERS)
    assert time.monotonic() - begin < 0.45
    assert promises(answer) == 1
    assert answer.notes or fault == "empty"
    if stage == 2 or fault != "empty":
        assert answer.degraded.all()
    assert (np.diff(answer.scores, axis=1) <= 0).all()
    if stage < 2:  # the other retriever and the ranker still do their work
        assert funnel.FALLBACK not in answer.source


@pytest.mark.parametrize("fault", FAULTS)
def test_every_stage_broken_is_the_fallback(fault):
    parts = [inject(s, fault, seconds=0.4) for s in stages()]
    answer = make(parts, deadline_seconds=0.06).serve(USERS)
    assert promises(answer) == 1
    assert answer.degraded.all()
    if fault != "repeats":  # one good item a retriever is left of those
        assert set(answer.source.ravel()) == {funnel.FALLBACK}
        for u, row in zip(USERS, answer.items, strict=True):
            hidden = {*SEEN[int(u)], *BLOCKED}
            want = [i for i in range(N)[::-1] if i not in hidden][:K]
            assert row.tolist() == want


def test_six_faults_at_random_leave_every_answer_valid():
    """All of some 5,000 answers, not 99.9 %; the degraded share is told."""
    rng = np.random.default_rng(7)
    for fault in FAULTS:
        parts = [inject(s, fault, share=0.3, seconds=0.02, rng=rng) for s in stages()]
        f = make(parts, deadline_seconds=0.2, failures=10**6)
        kept = [promises(f.serve(USERS)) for _ in range(25 if fault != "slow" else 6)]
        assert min(kept) == 1
        report = f.report()
        assert report["degraded_share"] > 0.2 or fault in ("slow", "empty")
        assert report["short_share"] == 0


def test_a_hanging_retriever_leaves_time_to_the_ranker():
    parts = stages()
    parts[0] = inject(parts[0], "slow", seconds=1)
    answer = make(parts, deadline_seconds=0.2).serve(USERS)
    assert len(answer.notes) == 1 and answer.notes[0].startswith("als: no answer in")
    assert (np.diff(answer.items % 7, axis=1) >= 0).all()


def test_the_breaker_rests_then_tries_once():
    now = [0.0]
    calls = []

    def broken(users, size):
        calls.append(now[0])
        raise ConnectionError("down")

    f = make([Stage("als", broken)], failures=2, rest_seconds=10, clock=lambda: now[0])
    for _ in range(4):
        answer = f.serve([1])
    assert len(calls) == 2 and "rests" in answer.notes[0]
    now[0] = 11.0
    f.serve([1])
    f.serve([1])
    assert calls == [0, 0, 11.0]
    assert f.report()["failures"] == {"als": 3}


def test_a_stage_that_recovers_is_used_again():
    state = {"down": True}

    def flaky(users, size):
        if state["down"]:
            raise ConnectionError("down")
        return taste(1)(users, size)

    f = make([Stage("als", flaky)], failures=2, rest_seconds=0)
    for _ in range(5):
        assert f.serve(USERS).degraded.all()
    state["down"] = False
    answer = f.serve(USERS)
    assert not answer.notes and set(answer.source.ravel()) == {"als"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda users, n: taste(1)(users[:-1], n),
        lambda users, n: taste(1)(users[::-1], n),
        lambda users, n: None,
        lambda users, n: Recommendations(users, np.zeros((len(users), 3)), np.zeros(2)),
        lambda users, n: 1 / 0,
    ],
)
def test_answers_of_another_shape_are_failures(wrong):
    answer = make([Stage("als", wrong), Stage("ease", taste(2), size=50)]).serve(USERS)
    assert promises(answer) == 1
    assert len(answer.notes) == 1 and answer.notes[0].startswith("als: ")
    assert "ease" in answer.source and answer.degraded.all()


def test_one_bad_user_degrades_one_user():
    def run(users, n):
        out = taste(1)(users, n)
        out.scores[4, 0] = np.nan
        out.items[6, 1] = out.items[6, 0]
        return out

    answer = make([Stage("als", run, size=N)]).serve(USERS)
    assert np.flatnonzero(answer.degraded).tolist() == [4, 6]
    assert promises(answer) == 1


def test_an_order_stage_cannot_add_items():
    def add(users, candidates):
        items = candidates.items.copy()
        items[:, 0] = 41
        return Recommendations(users, items, candidates.scores)

    def few(users, n):
        return lists(users, np.tile(np.arange(10, 25), (len(users), 1)))

    answer = make([Stage("als", few), orderer("add", add)]).serve(np.arange(9) + 100)
    assert 41 not in answer.items and answer.degraded.all()
    assert promises(answer) == 1


def test_an_order_stage_may_cut_but_not_below_k():
    def cut(n):
        def run(users, c):
            return Recommendations(users, c.items[:, -n:], c.scores[:, -n:])

        return [Stage("als", taste(1), size=40), orderer("cut", run)]

    fresh = np.arange(200, 210)
    kept = make(cut(12)).serve(fresh)
    assert not kept.degraded.any()
    short = make(cut(4)).serve(fresh)
    assert short.degraded.all() and promises(short) == 1
    assert set(short.source.ravel()) == {"als"}  # topped up from the candidates


def test_a_small_catalogue_gives_short_lists():
    f = Funnel([Stage("als", taste(1))], np.arange(6), blocked=[1], k=10)
    answer = f.serve([1, 2])
    assert answer.valid.sum(axis=1).tolist() == [5, 5] and answer.short.all()
    assert f.report()["short_share"] == 1


def test_no_stage_no_user_and_everything_seen():
    assert make([]).serve([]).items.shape == (0, K)
    assert make().serve([]).items.shape == (0, K)
    answer = make([], seen={1: np.arange(N)}).serve([1])
    assert not answer.valid.any() and answer.short.all()
    assert not answer.degraded.any() and answer.frame().empty


def test_seen_from_interactions_and_text_ids():
    frame = pd.DataFrame({"user": list("aabbc"), "item": ["x", "y", "y", "z", "x"]})
    train = Interactions.from_frame(frame)
    model = Popularity().fit(train)
    f = Funnel([retriever("popular", model, size=3)], ["x", "y", "z"], seen=train, k=1)
    assert f.serve(["a", "b", "new"]).items.ravel().tolist() == ["z", "x", "x"]
    with pytest.raises(TypeError, match="users are text"):
        f.serve([1])
    with pytest.raises(TypeError, match="blocked holds numbers"):
        Funnel([], ["x"], blocked=[1])


def test_the_batch_does_not_matter():
    """The same list alone, in a batch, in another order: chunks change nothing."""
    f = make()
    whole = f.serve(USERS)
    for some in (USERS[:1], USERS[::-1], USERS[10:13]):
        part = f.serve(some)
        at = np.searchsorted(USERS, some)
        np.testing.assert_array_equal(part.items, whole.items[at])
        np.testing.assert_array_equal(part.source, whole.source[at])


def test_a_deadline_changes_nothing_when_it_is_kept():
    a, b = make().serve(USERS), make(deadline_seconds=30).serve(USERS)
    np.testing.assert_array_equal(a.items, b.items)
    np.testing.assert_array_equal(a.scores, b.scores)


def test_merge_equals_its_formula():
    rng = np.random.default_rng(0)
    given = {
        s: lists([4, 5], [rng.permutation(9)[:6] for _ in range(2)]) for s in "abc"
    }
    weights = {"a": 1.0, "b": 2.0, "c": 0.5}
    got = merge(given, 7, weights=weights, reasons={s: s.upper() for s in "abc"})
    for b in range(2):
        gain = {}
        for s, i in itertools.product("abc", range(6)):
            gain.setdefault(given[s].items[b, i], {})[s] = weights[s] / (61 + i)
        want = sorted(gain, key=lambda i: -sum(gain[i].values()))[:7]
        assert got.items[b].tolist() == want
        for j, item in enumerate(want):
            assert got.scores[b, j] == pytest.approx(sum(gain[item].values()))
            assert got.source[b, j] == "+".join(sorted(gain[item]))
            assert got.reason[b, j] == max(gain[item], key=gain[item].get).upper()


def test_merge_refuses_lists_of_other_users():
    one = lists([1, 2], [[1], [2]])
    with pytest.raises(ValueError, match="other users"):
        merge({"a": one, "b": lists([2, 1], [[1], [2]])}, 1)
    with pytest.raises(ValueError, match="at least one"):
        merge({}, 1)


def test_served_keeps_reasons_of_its_own():
    one = served(lists([1], [[3]]), "als", "why")
    assert served(one, "other", "else") is one


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": [Stage("a", taste(1)), Stage("a", taste(2))]}, "one name"),
        ({"k": 0}, "k must be"),
        ({"deadline_seconds": 0}, "positive"),
        ({"fallback": [1, 1]}, "once"),
        ({"fallback": []}, "once"),
    ],
)
def test_settings_that_cannot_work(change, message):
    with pytest.raises(ValueError, match=message):
        make(**change)


@pytest.mark.parametrize("bad", [{"kind": "sort"}, {"size": 0}, {"weight": 0}])
def test_stages_that_cannot_work(bad):
    with pytest.raises(ValueError):
        Stage("als", taste(1), **bad)
    with pytest.raises(ValueError, match="called"):
        Stage("a+b", taste(1))
    with pytest.raises(ValueError, match="give rng"):
        inject(Stage("als", taste(1)), "error", share=0.5)
