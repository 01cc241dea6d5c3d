"""Splits: the protocol of the book, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrec.data.interactions import Interactions
from streamrec.data.splits import (
    Split,
    SplitError,
    global_time_split,
    k_fold,
    last_fraction,
    leave_last_out,
    validation_slice,
)

# (user, item) pairs are distinct; times repeat, so that ties matter.
LOGS = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 9)),
    st.integers(0, 5),
    min_size=2,
    max_size=40,
).map(
    lambda d: Interactions.from_frame(
        pd.DataFrame(
            [(u, i, t) for (u, i), t in d.items()], columns=["user", "item", "time"]
        )
    )
)


def pairs(x):
    return set(zip(x.user_index.tolist(), x.item_index.tolist(), strict=True))


def assert_partition(split, x):
    assert pairs(split.train) | pairs(split.test) == pairs(x)
    assert not pairs(split.train) & pairs(split.test)
    assert split.train.shape == split.test.shape == x.shape


def brute_force(x, how_many, keep=1):
    """Held-out pairs, a user at a time, by sorting a list."""
    held = set()
    for u in range(x.n_users):
        rows = np.flatnonzero(x.user_index == u)
        mine = sorted(
            (x.time[j], x.items[x.item_index[j]], x.item_index[j]) for j in rows
        )
        h = max(0, min(how_many(len(mine)), len(mine) - keep))
        held |= {(u, i) for _, _, i in mine[len(mine) - h :]}
    return held


@given(LOGS, st.sampled_from([0.1, 0.2, 0.5, 0.9]), st.integers(0, 3))
def test_last_fraction_equals_brute_force(x, fraction, keep):
    split = last_fraction(x, fraction, keep=keep)
    assert_partition(split, x)
    expected = brute_force(x, lambda n: math.ceil(round(fraction * n, 9)), keep)
    assert pairs(split.test) == expected


@given(LOGS, st.integers(1, 3))
def test_leave_last_out_equals_brute_force(x, n):
    split = leave_last_out(x, n)
    assert_partition(split, x)
    assert pairs(split.test) == brute_force(x, lambda _: n)


@given(LOGS)
def test_row_order_does_not_matter(x):
    order = np.random.default_rng(0).permutation(len(x))
    assert pairs(last_fraction(x).test) == pairs(last_fraction(x.subset(order)).test)


def test_ties_in_time_go_by_item_id_as_numbers():
    df = pd.DataFrame({"user": 1, "item": [9, 10, 2], "time": [5, 5, 5]})
    test = leave_last_out(Interactions.from_frame(df)).test
    assert test.frame()["item"].tolist() == [10]  # as text, "9" would come last


def test_rounding_noise_does_not_hold_out_one_more():
    df = pd.DataFrame({"user": 1, "item": range(30), "time": range(30)})
    x = Interactions.from_frame(df)
    assert 0.1 * 3 * 10 > 3
    assert len(last_fraction(x, 0.1 * 3 / 3).test) == 3


def test_movielens_protocol(movielens, movielens_split):
    assert (len(movielens_split.train), len(movielens_split.test)) == (79_619, 20_381)
    held_out = np.bincount(movielens_split.test.user_index)
    n_u = np.bincount(movielens.user_index)
    np.testing.assert_array_equal(held_out, -(-n_u // 5))  # ceil(n / 5) in integers
    inside = validation_slice(movielens_split)
    assert_partition(inside, movielens_split.train)
    assert (len(inside.train), len(inside.test)) == (63_305, 16_314)


@given(LOGS, st.sampled_from([0.1, 0.3, 0.5]))
def test_global_split_has_one_moment(x, fraction):
    if x.time.min() == x.time.max():
        with pytest.raises(SplitError, match="leaves one half empty"):
            global_time_split(x, fraction)
        return
    try:
        split = global_time_split(x, fraction)
    except SplitError:  # ties reach back to the first moment
        assert (x.time == x.time.min()).mean() > 1 - fraction - 1 / len(x)
        return
    assert_partition(split, x)
    assert split.train.time.max() < split.test.time.min()
    assert len(split.test) >= math.ceil(fraction * len(x) - 1e-9)
    without_ties = (split.test.time > split.test.time.min()).sum()
    assert without_ties < math.ceil(fraction * len(x) - 1e-9)


@given(LOGS, st.integers(2, 5), st.integers(0, 3))
def test_folds_hold_out_everything_once(x, k, seed):
    if k > len(x):
        with pytest.raises(SplitError, match="choose between 2 and"):
            k_fold(x, k, seed=seed)
        return
    folds = k_fold(x, k, seed=seed)
    sizes = [len(f.test) for f in folds]
    assert sum(sizes) == len(x) and max(sizes) - min(sizes) <= 1
    assert set().union(*(pairs(f.test) for f in folds)) == pairs(x)
    for f in folds:
        assert_partition(f, x)


def test_folds_depend_on_the_seed_alone(movielens):
    a, b, c = (k_fold(movielens, 5, seed=s)[0].test for s in (1, 1, 2))
    assert pairs(a) == pairs(b) != pairs(c)
    rng = np.random.default_rng(1)
    assert pairs(k_fold(movielens, 5, seed=rng)[0].test) == pairs(a)


def test_errors_say_what_to_do():
    df = pd.DataFrame({"user": [1, 1], "item": [1, 2]})
    x = Interactions.from_frame(df)
    with pytest.raises(SplitError, match="give a time column, or use k_fold"):
        last_fraction(x)
    timed = Interactions.from_frame(df.assign(time=[1, 2]))
    for fraction in (0, 1, -0.1, 1.5, math.nan):
        with pytest.raises(SplitError, match="between 0 and 1"):
            last_fraction(timed, fraction)
    with pytest.raises(SplitError, match="at least one"):
        leave_last_out(timed, 0)
    with pytest.raises(SplitError, match="not be negative"):
        last_fraction(timed, keep=-1)
    with pytest.raises(SplitError, match="after 1 and up to 2"):
        global_time_split(timed, at=1)
    with pytest.raises(SplitError, match="different items"):
        Split(timed, timed.subset([True, False], keep_catalogue=False))
