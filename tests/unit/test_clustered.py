"""Clustered errors against statsmodels, loops and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm

from streamrec.stats.clustered import (
    cluster_sums,
    clustered_mean,
    design_effect,
    intraclass_correlation,
    least_squares,
    ratio_of_totals,
    sandwich,
)
from streamrec.stats.intervals import coverage, normal_interval


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    g = rng.integers(25, size=300)
    x = rng.normal(size=300) + 0.5 * rng.normal(size=25)[g]
    y = 1 + 2 * x + rng.normal(size=25)[g] + rng.normal(size=300)
    return np.column_stack([np.ones(300), x]), y, g


def test_cluster_sums_are_loops(table):
    X, y, g = table
    want = np.array([X[g == k].sum(axis=0) for k in np.unique(g)])
    np.testing.assert_allclose(cluster_sums(X, g), want)
    np.testing.assert_allclose(cluster_sums(X[:, 1], g), want[:, 1])
    names = np.array([f"user {k:02d}" for k in g])
    np.testing.assert_allclose(cluster_sums(X, names), want)


def test_least_squares_equals_statsmodels(table):
    X, y, g = table
    for clusters, kind in ((None, "HC1"), (g, "cluster")):
        options = {} if clusters is None else {"cov_kwds": {"groups": g}}
        want = sm.OLS(y, X).fit(cov_type=kind, **options)
        got = least_squares(X, y, clusters)
        np.testing.assert_allclose(got.coefficients, want.params)
        np.testing.assert_allclose(got.covariance, want.cov_params())
        np.testing.assert_allclose(got.se, want.bse)
    assert least_squares(X, y).df == 298 and least_squares(X, y, g).df == 24


def test_sandwich_of_a_logistic_regression_equals_statsmodels(table):
    X, y, g = table
    y = (y > 1).astype(float)
    fit = sm.GLM(y, X, family=sm.families.Binomial()).fit()
    p = fit.fittedvalues
    scores, H = X * (y - p)[:, None], -(X.T * (p * (1 - p))) @ X
    want = sm.GLM(y, X, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": g}
    )
    np.testing.assert_allclose(sandwich(scores, H, g), want.cov_params(), rtol=1e-6)
    plain = sandwich(scores, H, correction=False)
    np.testing.assert_allclose(sandwich(scores, H), plain * 300 / 298)
    each = sandwich(scores, H, np.arange(300), correction=False)
    np.testing.assert_allclose(each, plain)  # one observation a cluster
    np.testing.assert_allclose(
        sandwich(scores, H, g),
        sandwich(scores, H, g, correction=False) * 25 / 24 * 299 / 298,
    )


def test_sandwich_with_a_hessian_that_is_not_symmetric(table):
    X, y, g = table
    H = np.array([[3.0, 1.0], [-2.0, 5.0]])
    scores = X * (y - y.mean())[:, None]
    sums = [scores[g == k].sum(axis=0) for k in np.unique(g)]
    filling = sum(np.outer(s, s) for s in sums)
    want = np.linalg.inv(H) @ filling @ np.linalg.inv(H).T
    np.testing.assert_allclose(sandwich(scores, H, g, correction=False), want)


def test_a_mean_is_a_ratio_of_totals_and_a_regression_on_one(table):
    _, y, g = table
    got = clustered_mean(y, g)
    totals = cluster_sums(np.column_stack([y, np.ones(len(y))]), g)
    ratio = ratio_of_totals(*totals.T)
    one = least_squares(np.ones((len(y), 1)), y, g)
    assert got.value == pytest.approx(y.mean())
    assert (got.se, got.df, got.clusters) == pytest.approx((ratio.se, 24, 25))
    assert got.se == pytest.approx(float(one.se[0]), rel=1e-12)
    assert got.naive_se == pytest.approx(y.std(ddof=1) / math.sqrt(300))
    assert got.design_effect == pytest.approx((got.se / got.naive_se) ** 2)


def test_ratio_is_the_delta_method():
    rng = np.random.default_rng(0)
    n = rng.integers(1, 40, size=200)
    c = rng.binomial(n, rng.beta(2, 8, size=200))
    r, nbar = c.sum() / n.sum(), n.mean()
    g = np.array([1 / nbar, -r / nbar])  # gradient of cbar / nbar
    want = math.sqrt(g @ np.cov(c, n) @ g / 200)
    got = ratio_of_totals(c, n)
    assert got.value == pytest.approx(r) and got.se == pytest.approx(want)
    assert got.naive_se == pytest.approx(math.sqrt(r * (1 - r) / n.sum()))
    assert got.interval(0.9) == pytest.approx(
        normal_interval(r, want, level=0.9, df=199)
    )
    assert math.isnan(ratio_of_totals(-c, n).naive_se)
    assert "200 clusters" in str(got)


def test_one_observation_a_cluster_is_the_ordinary_mean():
    y = np.random.default_rng(0).normal(size=30)
    got = clustered_mean(y, np.arange(30))
    assert got.se == pytest.approx(got.naive_se) and got.design_effect == pytest.approx(
        1
    )


def test_repeating_every_row_changes_the_naive_error_only(table):
    _, y, g = table
    once, twice = clustered_mean(y, g), clustered_mean(np.r_[y, y], np.r_[g, g])
    assert twice.se == pytest.approx(once.se)
    assert twice.naive_se == pytest.approx(once.naive_se / math.sqrt(2), rel=0.01)


def test_difference_adds_variances_with_welch_df():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=12), rng.normal(1, 4, size=30)
    one = clustered_mean(a, np.arange(12)) - clustered_mean(b, np.arange(30))
    from scipy import stats

    want = stats.ttest_ind(a, b, equal_var=False)
    assert one.value / one.se == pytest.approx(want.statistic)
    assert one.df == pytest.approx(want.df) and one.clusters == 42
    assert one.interval() == pytest.approx(want.confidence_interval(0.95))
    assert one.naive_se == pytest.approx(one.se)


def test_intraclass_correlation_is_what_generated_the_data():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(2_000), rng.integers(2, 9, size=2_000))
    y = rng.normal(size=2_000)[g] + 1.5 * rng.normal(size=len(g))
    rho = intraclass_correlation(y, g)
    assert rho == pytest.approx(1 / (1 + 1.5**2), abs=0.03)
    sizes = np.bincount(g)
    want = clustered_mean(y, g).design_effect
    assert design_effect(sizes, rho) == pytest.approx(want, rel=0.1)


def test_intraclass_correlation_equals_analysis_of_variance():
    y = np.array([3.0, 5.0, 1.0, 2.0, 9.0, 7.0, 8.0])
    g = np.array([0, 0, 1, 1, 2, 2, 2])
    means = np.array([y[g == k].mean() for k in range(3)])[g]
    MB = ((means - y.mean()) ** 2).sum() / 2
    MW = ((y - means) ** 2).sum() / 4
    m0 = (7 - (4 + 4 + 9) / 7) / 2
    want = (MB - MW) / (MB + (m0 - 1) * MW)
    assert intraclass_correlation(y, g) == pytest.approx(want)


def test_design_effect_of_equal_and_unequal_clusters():
    assert design_effect([5, 5, 5], 0.3) == pytest.approx(1 + 4 * 0.3)
    assert design_effect([1, 9], 1.0) == pytest.approx(82 / 10)
    assert design_effect([7, 3], 0.0) == 1


def test_clustered_intervals_cover_and_naive_ones_do_not():
    """False alarm of this test: below 1e-5 (4.5 binomial errors)."""
    rng = np.random.default_rng(0)
    R, G, m = 2_000, 40, 20
    y = rng.normal(size=(R, G, 1)) + 2 * rng.normal(size=(R, G, m))
    total, size = y.sum(axis=2), np.full(G, m)
    fits = [ratio_of_totals(t, size) for t in total]
    ends = np.array([f.interval() for f in fits])
    got = coverage(
        normal_interval(*np.array([[f.value, f.se] for f in fits]).T, df=39), 0
    )
    assert abs(got.share - 0.95) < 4.5 * got.se and ends.shape == (R, 2)
    naive = y.std(axis=(1, 2)) / math.sqrt(G * m)
    assert coverage(normal_interval(y.mean(axis=(1, 2)), naive), 0).share < 0.75


@pytest.mark.parametrize(
    "call",
    [
        lambda: cluster_sums([1, 2], [1]),
        lambda: cluster_sums([1, 2], [1, 1]),
        lambda: ratio_of_totals([1], [2]),
        lambda: ratio_of_totals([1, 2], [2, 3, 4]),
        lambda: ratio_of_totals([0, 0], [0, 0]),
        lambda: ratio_of_totals([1, math.nan], [2, 3]),
        lambda: ratio_of_totals([1, 1], [2, -1]),
        lambda: clustered_mean([1, math.nan], [0, 1]),
        lambda: intraclass_correlation([1, 2], [0, 1]),
        lambda: design_effect([0, 2], 0.1),
        lambda: sandwich([[1.0]], [[1.0, 0], [0, 1]]),
        lambda: sandwich(np.ones((3, 2)), np.ones((2, 2))),
        lambda: least_squares([[1, 1], [1, 1], [1, 1]], [1, 2, 3]),
        lambda: least_squares([[1, 0]], [1, 2]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
