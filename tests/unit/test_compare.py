"""Paired differences against SciPy, and their refusals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from streamrec.evaluation.compare import paired_difference

VALUES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 30), st.just(2)),
    elements=st.floats(-1, 1).map(lambda v: round(v, 3)),
)


@given(VALUES, st.sampled_from([0.8, 0.95, 0.99]))
def test_equals_the_one_sample_t_interval(ab, level):
    a, b = ab.T
    got = paired_difference(a, b, level=level)
    d = a - b
    assert got.difference == pytest.approx(a.mean() - b.mean(), abs=1e-12)
    assert got.se == pytest.approx(stats.sem(d), abs=1e-12)
    if got.se > 1e-9:
        expected = stats.ttest_rel(a, b).confidence_interval(level)
        np.testing.assert_allclose(got.interval, expected, rtol=1e-9, atol=1e-12)
    assert (got.wins, got.ties, got.losses) == (
        (a > b).sum(),
        (a == b).sum(),
        (a < b).sum(),
    )
    assert got.n == len(a) and got.dropped == 0 and got.level == level


@given(VALUES)
def test_swapping_the_two_changes_the_sign(ab):
    a, b = ab.T
    x, y = paired_difference(a, b), paired_difference(b, a)
    assert x.difference == pytest.approx(-y.difference, abs=1e-15)
    assert x.se == pytest.approx(y.se, abs=1e-15)
    assert (x.wins, x.losses, x.clear) == (y.losses, y.wins, y.clear)


def test_pairing_beats_two_separate_errors_when_users_differ():
    rng = np.random.default_rng(0)
    user = rng.normal(size=500)  # easy and difficult users
    a = user + 0.1 + 0.1 * rng.normal(size=500)
    b = user + 0.1 * rng.normal(size=500)
    separate = math.hypot(stats.sem(a), stats.sem(b))
    paired = paired_difference(a, b)
    assert paired.se < separate / 5
    assert paired.clear and not paired_difference(a, a + 0 * b).clear


def test_series_are_matched_by_user():
    a = pd.Series([1.0, 2.0, 3.0], index=["x", "y", "z"])
    b = pd.Series([3.0, 1.0, 2.0], index=["z", "x", "y"])
    got = paired_difference(a, b)
    assert got.difference == 0 and got.ties == 3
    assert paired_difference(a.to_numpy(), b.to_numpy()).ties == 0


def test_undefined_users_are_dropped_together_or_refused():
    got = paired_difference([1.0, np.nan, 2.0], [0.0, np.nan, 0.0])
    assert (got.n, got.dropped, got.difference) == (2, 1, 1.5)
    with pytest.raises(ValueError, match="1 users have a value on one side only"):
        paired_difference([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="nothing to compare"):
        paired_difference([np.nan], [np.nan])


def test_one_user_has_no_error():
    got = paired_difference([1.0], [0.5])
    assert got.difference == 0.5 and math.isnan(got.se) and math.isnan(got.interval[0])
    assert not got.clear


def test_refusals():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="different users"):
        paired_difference(pd.Series([1.0], ["x"]), pd.Series([1.0], ["y"]))
    with pytest.raises(ValueError, match="twice"):
        paired_difference(
            pd.Series([1.0, 2], ["x", "x"]), pd.Series([1.0, 2], ["x", "y"])
        )
    with pytest.raises(ValueError, match="level"):
        paired_difference([1, 2], [1, 2], level=95)
