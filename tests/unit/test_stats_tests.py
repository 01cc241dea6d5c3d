"""Tests, power and sample sizes against SciPy, statsmodels and enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportions_ztest

from streamrec.stats.tests import (
    TestResult,
    goodness_of_fit,
    permutation_test,
    power,
    sample_size_means,
    sample_size_proportions,
    two_proportions,
    wald_test,
    welch,
)

A = np.random.default_rng(0).exponential(2.0, size=17)
B = np.random.default_rng(1).normal(1.0, 0.5, size=40)


@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_welch_equals_scipy(side):
    got, want = (
        welch(A, B, alternative=side),
        stats.ttest_ind(A, B, equal_var=False, alternative=side),
    )
    assert (got.statistic, got.p_value, got.df) == pytest.approx(
        (want.statistic, want.pvalue, want.df)
    )


def test_wald_test():
    assert wald_test(3, 2, null=1).statistic == 1
    assert wald_test(3, 2, null=1).p_value == pytest.approx(2 * stats.norm.sf(1))
    assert wald_test(3, 2, alternative="greater").p_value == pytest.approx(
        stats.norm.sf(1.5)
    )
    assert wald_test(3, 2, alternative="less", df=5).p_value == pytest.approx(
        stats.t.cdf(1.5, 5)
    )
    assert TestResult(1, 0.05).rejects() and not TestResult(1, 0.05).rejects(0.04)


def test_two_proportions_equals_statsmodels():
    z, p = proportions_ztest([40, 61], [400, 380])
    got = two_proportions(40, 400, 61, 380)
    assert (got.statistic, got.p_value) == pytest.approx((z, p))


def test_goodness_of_fit_equals_scipy():
    count, w = np.array([30, 55, 15]), np.array([1, 2, 1])
    want = stats.chisquare(count, 100 * w / 4)
    got = goodness_of_fit(count, w)
    assert (got.statistic, got.p_value, got.df) == pytest.approx((*want, 2))
    assert goodness_of_fit([60, 40]).p_value == pytest.approx(
        stats.chisquare([60, 40]).pvalue
    )


def test_permutation_test_equals_enumeration():
    a, b = np.array([3.0, 5.0, 9.0]), np.array([1.0, 2.0, 4.0, 4.5])
    both, t = np.r_[a, b], a.mean() - b.mean()
    every = [
        abs(both[list(c)].mean() - np.delete(both, c).mean()) >= abs(t) - 1e-12
        for c in itertools.combinations(range(7), 3)
    ]
    exact, draws = np.mean(every), 8_000
    got = permutation_test(a, b, draws=draws, rng=np.random.default_rng(0))
    assert got.statistic == pytest.approx(t)
    assert abs(got.p_value - exact) < 4.5 * math.sqrt(exact * (1 - exact) / draws)


def test_permutation_test_counts_the_data_and_takes_a_statistic():
    rng = np.random.default_rng(0)
    far = permutation_test(np.zeros(20) + B[:20], 99 + B[20:], draws=99, rng=rng)
    assert far.p_value == 1 / 100
    same = permutation_test([1, 1], [1, 1, 1], draws=9, rng=rng)
    assert same.p_value == 1  # every relabelling is as extreme
    spread = permutation_test(
        A, B, draws=199, rng=rng, statistic=lambda u, v: math.log(u.std() / v.std())
    )
    assert spread.p_value == 1 / 200


@pytest.mark.parametrize("effect", [0.3, -0.3, 0.0])
def test_power_equals_statsmodels(effect):
    want = NormalIndPower().power(effect, nobs1=100, alpha=0.05)
    assert power(effect, math.sqrt(2 / 100)) == pytest.approx(want, rel=1e-6)
    assert power(0.0, 1.0, alpha=0.1) == pytest.approx(0.1)


def test_sample_sizes():
    n = NormalIndPower().solve_power(0.5 / 14.8, alpha=0.05, power=0.8)
    assert sample_size_means(0.5, 14.8) == math.ceil(n) == 13_754
    assert sample_size_means(-0.5, 14.8) == 13_754
    n = sample_size_means(0.2, 1.3, alpha=0.01, power=0.9)
    assert power(0.2, 1.3 * math.sqrt(2 / n), alpha=0.01) == pytest.approx(
        0.9, abs=1e-3
    )
    n = sample_size_proportions(0.05, 0.055, alpha=0.1, power=0.7)
    se = math.sqrt((0.05 * 0.95 + 0.055 * 0.945) / n)
    assert power(0.005, se, alpha=0.1) == pytest.approx(0.7, abs=1e-3)
    assert sample_size_proportions(0.05, 0.055) == 31_231


@pytest.mark.parametrize(
    "call",
    [
        lambda: wald_test(1, 0),
        lambda: wald_test(1, math.nan),
        lambda: wald_test(1, 1, alternative="both"),
        lambda: welch([1], [1, 2]),
        lambda: welch([1, 1], [2, 2]),
        lambda: welch([1, math.inf], [2, 3]),
        lambda: two_proportions(5, 4, 1, 4),
        lambda: two_proportions(0, 4, 0, 4),
        lambda: goodness_of_fit([5]),
        lambda: goodness_of_fit([0, 0]),
        lambda: goodness_of_fit([5, -1]),
        lambda: goodness_of_fit([5, 5], [1, 0]),
        lambda: goodness_of_fit([5, 5], [1, 1, 1]),
        lambda: permutation_test([], [1], draws=9, rng=np.random.default_rng(0)),
        lambda: permutation_test([1], [1], draws=0, rng=np.random.default_rng(0)),
        lambda: power(1, 0),
        lambda: power(1, 1, alpha=0),
        lambda: sample_size_means(0, 1),
        lambda: sample_size_means(1, 0),
        lambda: sample_size_means(1, 1, power=0.04),
        lambda: sample_size_proportions(0.1, 0.1),
        lambda: sample_size_proportions(0, 0.1),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
