"""M10, live: features as they were known at a moment, in training and in serving."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_equal,
    expect_error,
    expect_shape,
    expect_true,
)


def _events(rng, n, m, entities, span):
    entity, t = rng.integers(0, entities, m), rng.integers(-5, span + 5, m)
    e, s = rng.integers(0, entities, n), rng.integers(0, span, n)
    return entity, t, e, s, s + rng.integers(0, span // 8, n)


def _brute(entity, t, e, s, c):
    want = np.full(len(t), -1)
    for i in range(len(t)):
        seen = np.flatnonzero((e == entity[i]) & (np.maximum(s, c) <= t[i]))
        if len(seen):
            want[i] = max(seen, key=lambda j: (s[j], c[j], j))
    return want


@criterion("q6", points=2, hint="Visible: time and arrival at most t. Newest: by time.")
def test_point_in_time_queries(answer, rng):
    """1,000 point-in-time queries with late events equal brute force"""
    rows = _events(rng, 600, 1_000, 41, 300)
    got = np.asarray(answer.as_of(*rows))
    expect_equal(got.tolist(), _brute(*rows).tolist(), "the rows")


@criterion("q6", points=1, hint="Sort once; comparing every pair is too slow.")
def test_a_large_join_is_answered(answer, rng):
    """200,000 events and 50,000 labels are joined within the time limit"""
    entity, t, e, s, c = _events(rng, 200_000, 50_000, 5_000, 10**6)
    got = answer.as_of(entity, t, e, s, c)
    expect_shape(got, (50_000,), "the rows")
    got = np.asarray(got)
    some = rng.choice(50_000, 300, replace=False)
    want = _brute(entity[some], t[some], e, s, c)
    expect_equal(got[some].tolist(), want.tolist(), "the rows")


def _served(answer, rng, max_age):
    _, _, e, s, c = _events(rng, 500, 10, 60, 300)
    value, entity = rng.normal(size=500), rng.integers(0, 70, 90)
    now = int(rng.integers(120, 250))
    got = answer.serve(e, s, c, value, entity, now, max_age)
    row = _brute(entity, np.full(90, now), e, s, c)
    age = now - s[row]
    good = type(got) is dict and {"value", "status"} <= set(got)
    expect_true(good, "return a dict with value and status")
    return got, row, age, value


@criterion("q6", points=2, hint="Serving must read what training would have read.")
def test_serving_equals_training(answer, rng):
    """what is served at a moment is what a point-in-time join gives: no skew"""
    got, row, _, value = _served(answer, rng, 10**6)
    served = np.asarray(got["value"], float)
    want = np.where(row >= 0, value[row], np.nan)
    same = (served == want) | (np.isnan(served) & np.isnan(want))
    expect_true(bool(same.all()), "training and serving differ")


@criterion("q6", points=1, hint="Old values are withheld, not shown with a note.")
def test_stale_features_are_flagged(answer, rng):
    """fresh, stale and missing are told apart; stale values are withheld as NaN"""
    got, row, age, _ = _served(answer, rng, 40)
    want = np.where(row < 0, "missing", np.where(age <= 40, "fresh", "stale"))
    expect_equal(np.asarray(got["status"]).tolist(), want.tolist(), "the status")
    held = np.isnan(np.asarray(got["value"], float))
    expect_equal(held.tolist(), (want != "fresh").tolist(), "what is withheld")


@criterion("q6", points=1, hint="Missing column, wrong kind, gaps: refuse each.")
def test_a_bad_batch_is_refused(answer, rng):
    """a good batch is counted; four bad ones are refused with a ValueError"""
    n = int(rng.integers(20, 40))
    contract = [["user", "number"], ["minutes", "number"], ["title", "text"]]
    good = {
        "user": np.arange(n),
        "minutes": rng.uniform(size=n),
        "title": np.array([f"t{i}" for i in range(n)]),
        "more": np.ones(n),
    }
    expect_equal(answer.check_batch(good, contract), n, "the count of a good batch")
    gap = np.where(np.arange(n) == 3, np.nan, good["minutes"])
    lacking = {k: v for k, v in good.items() if k != "minutes"}
    bad = [lacking, good | {"minutes": gap}, good | {"user": good["title"]}]
    for batch in [*bad, good | {"user": np.arange(n + 1)}]:
        expect_error(lambda b=batch: answer.check_batch(b, contract), "ValueError")
