"""M10, batch features: what arrives late, twice or not at all."""

import numpy as np

from streamrec.grading.criteria import criterion, expect_equal, expect_true


def _batch(rng, n=400):
    """Ids with repeats, times on the sender's clock, distinct arrivals."""
    ids, arrival = rng.integers(0, 170, n), rng.permutation(5 * n)[:n]
    return ids, arrival - rng.integers(-4, 60, n), arrival


def _kept(ids, time, arrival):
    want = []
    for one in np.unique(ids):
        own = [j for j in np.flatnonzero(ids == one) if time[j] <= arrival[j]]
        if own:
            want.append(min(own, key=lambda j: arrival[j]))
    return sorted(int(j) for j in want)


@criterion("q4", points=1.5, hint="A retry repeats ids; a fast clock runs ahead.")
def test_duplicates_and_fast_clocks_are_set_aside(answer, rng):
    """of rows with one id the first to arrive is kept; clocks ahead are set aside"""
    batch = _batch(rng)
    got = np.asarray(answer.accept(*batch))
    expect_equal(got.tolist(), _kept(*batch), "the rows kept")


@criterion("q4", points=0.5, hint="What is there already must not count as new.")
def test_a_batch_delivered_twice_changes_nothing(answer, rng):
    """a batch that is delivered twice keeps the same events"""
    ids, time, arrival = _batch(rng)
    late = arrival + 5 * len(ids)
    twice = [np.r_[a, b] for a, b in ((ids, ids), (time, time), (arrival, late))]
    once = np.asarray(answer.accept(ids, time, arrival)).tolist()
    again = np.asarray(answer.accept(*twice))
    held = again[again < len(ids)].tolist()
    expect_true(len(held) > 100, "too few rows were kept")
    expect_equal(held, once, "the rows kept of the first delivery")
    expect_equal(again.tolist(), _kept(*twice), "the rows kept")


def _days(rng):
    first, D, n = int(rng.integers(3, 40)), 30, 900
    gaps = rng.choice(np.arange(5, 25), 4, replace=False)
    day = rng.choice(np.setdiff1d(np.arange(D), gaps), n)
    return first, D, first + day, first + day + rng.geometric(0.5, n) - 1


@criterion("q4", points=1, hint="What arrives later belongs to the day it happened.")
def test_late_events_count_in_their_own_day(answer, rng):
    """counts by day hold what had arrived; a later run fills them in"""
    first, D, day, arrival = _days(rng)
    for now in (first + 20, first + D + 40):
        got = answer.daily(day, arrival, first, first + D - 1, now)
        expect_true(type(got) is dict and "counts" in got, "return a dict with counts")
        known = day[arrival <= now] - first
        want = np.bincount(known, minlength=D).tolist()
        expect_equal(np.asarray(got["counts"]).tolist(), want, "the counts")


@criterion("q4", points=1, hint="A day without rows is not a day of zero interest.")
def test_missing_days_and_age_are_told(answer, rng):
    """days without any event are listed, and the age of the newest event is right"""
    first, D, day, arrival = _days(rng)
    now = first + int(rng.integers(18, 26))
    got = answer.daily(day, arrival, first, first + D - 1, now)
    known = day[arrival <= now]
    want = sorted(set(range(first, first + D)) - set(known.tolist()))
    for name in ("missing", "age"):
        expect_true(type(got) is dict and name in got, f"return a dict with {name}")
    expect_equal(np.asarray(got["missing"]).tolist(), want, "the missing days")
    expect_equal(int(got["age"]), int(now - known.max()), "the age")


@criterion("q4", points=1, hint="Order the rows by something that the data hold.")
def test_a_rerun_writes_the_same_text(answer, rng):
    """a batch of lists is written in one way, whatever the order of its rows"""
    B, k = 31, 6
    users, items = rng.permutation(900)[:B], rng.integers(-1, 80, (B, k))
    items = np.where(np.cumsum(items < 0, axis=1) > 0, -1, items)
    order = rng.permutation(B)
    lines = ["user,rank,item"]
    for b in np.argsort(users):
        lines += [f"{users[b]},{i},{j}" for i, j in enumerate(items[b], 1) if j >= 0]
    for rows in (np.arange(B), order):
        text = answer.batch_file(users[rows], items[rows])
        expect_true(type(text) is str, "return text")
        expect_equal(text, "\n".join(lines) + "\n", "the file")
