"""Intervals against SciPy, statsmodels and brute force; exact coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from streamrec.stats.intervals import (
    Interval,
    binomial_coverage,
    clopper_pearson,
    coverage,
    delta_se,
    hoeffding,
    normal_interval,
    wald,
    wilson,
)

COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.5, 0.8, 0.95, 0.99])


@given(COUNTS, LEVELS)
def test_proportions_equal_statsmodels(xn, level):
    x, n = xn
    for ours, theirs in ((wilson, "wilson"), (clopper_pearson, "beta")):
        want = proportion_confint(x, n, alpha=1 - level, method=theirs)
        np.testing.assert_allclose(ours(x, n, level=level), want, rtol=1e-9, atol=1e-12)
    p = x / n
    half = stats.norm.ppf((1 + level) / 2) * math.sqrt(p * (1 - p) / n)
    np.testing.assert_allclose(wald(x, n, level=level), (p - half, p + half))


@given(COUNTS, LEVELS)
def test_wilson_inverts_the_score_test(xn, level):
    x, n = xn
    z = stats.norm.ppf((1 + level) / 2)
    for p in wilson(x, n, level=level):
        if 0 < p < 1:
            assert n * (x / n - p) ** 2 == pytest.approx(z**2 * p * (1 - p), rel=1e-6)


def test_clopper_pearson_has_equal_tails():
    low, high = clopper_pearson(7, 30, level=0.9)
    assert stats.binom.sf(6, 30, low) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 30, high) == pytest.approx(0.05)


def test_normal_and_student():
    assert normal_interval(1, 2, level=0.9) == pytest.approx(
        stats.norm.interval(0.9, 1, 2)
    )
    assert normal_interval(1, 2, level=0.9, df=4) == pytest.approx(
        stats.t.interval(0.9, 4, 1, 2)
    )
    many = normal_interval(np.arange(3.0), np.ones(3))
    assert many.low.shape == (3,) and many.contains(1.0).tolist() == [True] * 3
    np.testing.assert_allclose(many.width, 2 * stats.norm.ppf(0.975))
    assert type(normal_interval(1, 2).low) is float
    assert normal_interval(1, 0).contains(1) and not normal_interval(1, 0).contains(1.1)


def test_hoeffding_is_its_formula_and_scales_with_the_bounds():
    got = hoeffding(0.3, 200, level=0.9)
    half = math.sqrt(math.log(2 / 0.1) / 400)
    assert got == pytest.approx((0.3 - half, 0.3 + half))
    wide = hoeffding(3, 200, level=0.9, low=0, high=10)
    assert wide.width == pytest.approx(10 * got.width)
    assert sum(wide) == pytest.approx(6)
    below = hoeffding(-1, 200, level=0.9, low=-2, high=5)
    assert below.width == pytest.approx(7 * got.width)


def test_hoeffding_and_clopper_pearson_never_undercover():
    p = np.linspace(0.002, 0.998, 97)

    def bound(x, n, level):
        return hoeffding(x / n, n, level=level)

    for method in (bound, clopper_pearson):
        assert binomial_coverage(method, 40, p, level=0.9).min() >= 0.9


def test_exact_coverage_equals_simulation():
    rng = np.random.default_rng(1)
    x = rng.binomial(60, 0.05, size=40_000)
    got = coverage(wald(x, 60), 0.05)
    assert abs(got.share - binomial_coverage(wald, 60, 0.05)) < 4.5 * got.se
    each = [binomial_coverage(wald, 60, p) for p in (0.05, 0.4)]
    np.testing.assert_allclose(binomial_coverage(wald, 60, [0.05, 0.4]), each)


def test_coverage_counts_and_keeps_an_error_at_the_ends():
    low = np.array([0.0, 1.0, 2.0, 3.0])
    got = coverage(Interval(low, low + 1), 1.0)  # ends belong to the interval
    assert got.share == 0.5 and got.n == 4
    assert got.se == pytest.approx(math.sqrt(0.25 / 4))
    none = coverage(Interval(low, low + 1), -5.0)
    assert none.share == 0 and none.se == pytest.approx(math.sqrt(2 / 8 * 6 / 8 / 4))
    assert "0.000" in str(none)


def test_delta_against_simulation_and_scalars():
    rng = np.random.default_rng(0)
    S = np.array([[0.04, 0.01], [0.01, 0.09]])
    draws = rng.multivariate_normal([5.0, 8.0], S / 100, size=200_000)
    g = np.array([1 / 8, -5 / 64])
    want = (draws[:, 0] / draws[:, 1]).std()
    assert delta_se(g, S / 100) == pytest.approx(want, rel=0.02)
    assert delta_se(3.0, 4.0) == 6.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: wald(3, 2),
        lambda: wilson(-1, 2),
        lambda: clopper_pearson(1, 0),
        lambda: wilson(1, 2, level=1),
        lambda: wilson(math.nan, 2),
        lambda: normal_interval(0, -1),
        lambda: normal_interval(0, math.nan),
        lambda: normal_interval(0, 1, df=0),
        lambda: normal_interval(0, 1, level=95),
        lambda: hoeffding(0.5, 0),
        lambda: hoeffding(2, 10),
        lambda: hoeffding(0.5, 10, low=1, high=0),
        lambda: delta_se([1, 2], [[1.0]]),
        lambda: delta_se(1.0, -1.0),
        lambda: binomial_coverage(wald, 5, 1.2),
        lambda: coverage(Interval(np.zeros(0), np.zeros(0)), 0),
        lambda: coverage(Interval(math.nan, 1), 0),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
