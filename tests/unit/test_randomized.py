"""Randomised inference against brute force and a library."""

from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from streamrec.causal.estimands import NoOverlap, naive_difference
from streamrec.causal.randomized import (
    design_variance,
    difference_in_means,
    fisher_test,
    lin_adjustment,
    neyman_variance,
    stratified,
)


def sample(seed=0, n=60, n1=25):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y0 = x @ [1.0, -2.0] + rng.normal(size=n)
    y1 = y0 + 1 + x[:, 0]
    d = np.zeros(n, dtype=int)
    d[rng.choice(n, n1, replace=False)] = 1
    return x, y0, y1, d, np.where(d == 1, y1, y0)


def enumerate_differences(y0, y1, n1):
    n = len(y0)
    out = []
    for pick in combinations(range(n), n1):
        d = np.zeros(n, dtype=bool)
        d[list(pick)] = True
        out.append(y1[d].mean() - y0[~d].mean())
    return np.array(out)


def test_design_variance_is_the_variance_over_all_assignments():
    rng = np.random.default_rng(1)
    y0, y1 = rng.normal(size=9), rng.normal(1, 2, size=9)
    every = enumerate_differences(y0, y1, 4)
    assert every.mean() == pytest.approx((y1 - y0).mean())  # unbiased, exactly
    assert design_variance(y0, y1, 4) == pytest.approx(every.var())


def test_neyman_variance_is_conservative_by_the_effect_variance_on_average():
    rng = np.random.default_rng(2)
    y0, y1 = rng.normal(size=8), rng.normal(1, 2, size=8)
    estimates = []
    for pick in combinations(range(8), 3):
        d = np.zeros(8, dtype=int)
        d[list(pick)] = 1
        estimates.append(neyman_variance(np.where(d == 1, y1, y0), d))
    gap = np.mean(estimates) - design_variance(y0, y1, 3)
    assert gap == pytest.approx((y1 - y0).var(ddof=1) / 8)


def test_difference_in_means_matches_welch():
    _, _, _, d, y = sample()
    ours = difference_in_means(y, d)
    welch = stats.ttest_ind(y[d == 1], y[d == 0], equal_var=False)
    assert ours.effect / ours.se == pytest.approx(welch.statistic)
    assert ours.covers(ours.effect) and not ours.covers(ours.effect + 3 * ours.se)


def test_fisher_enumerates_and_agrees_with_brute_force():
    y = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3])
    d = np.array([1, 0, 1, 0, 1, 0, 0])
    every = enumerate_differences(y, y, 3)
    want = np.mean(np.abs(every) >= abs(naive_difference(y, d)) - 1e-12)
    ours = fisher_test(y, d)
    assert ours.exact and ours.assignments == 35
    assert ours.p_value == pytest.approx(want)
    library = stats.permutation_test(
        (y[d == 1], y[d == 0]), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf
    )
    assert ours.p_value == pytest.approx(library.pvalue)


def test_fisher_sampled_agrees_with_exact_and_custom_statistic():
    _, _, _, d, y = sample(n=16, n1=7)
    exact = fisher_test(y, d)
    rng = np.random.default_rng(0)
    drawn = fisher_test(y, d, draws=20_000, rng=rng, exact_up_to=1)
    se = np.sqrt(exact.p_value * (1 - exact.p_value) / 20_000)
    assert abs(drawn.p_value - exact.p_value) < 5 * se + 1e-4
    ranks = fisher_test(
        y[:8], np.array([1, 0] * 4), statistic=lambda y, d: y[d].sum() - y[~d].sum()
    )
    assert ranks.exact and 0 < ranks.p_value <= 1


def test_fisher_needs_a_generator_only_when_it_samples():
    _, _, _, d, y = sample()
    with pytest.raises(ValueError, match="rng="):
        fisher_test(y, d)


def test_lin_equals_two_regressions_and_statsmodels_hc2():
    x, _, _, d, y = sample()
    ours = lin_adjustment(y, d, x)
    at = np.r_[1.0, x.mean(axis=0)]
    fits = [sm.OLS(y[d == g], sm.add_constant(x[d == g])).fit().params for g in (1, 0)]
    assert ours.effect == pytest.approx(float(at @ (fits[0] - fits[1])))
    xc = x - x.mean(axis=0)
    Z = np.column_stack([np.ones(len(y)), d, xc, d[:, None] * xc])
    library = sm.OLS(y, Z).fit(cov_type="HC2")
    assert ours.se == pytest.approx(library.bse[1])


def test_lin_without_covariates_that_matter_is_neyman():
    """With no covariates HC2 is exactly Neyman's variance."""
    _, _, _, d, y = sample()
    Z = sm.add_constant(d.astype(float))
    library = sm.OLS(y, Z).fit(cov_type="HC2")
    assert difference_in_means(y, d).se == pytest.approx(library.bse[1])


def test_stratified_by_loop():
    x, _, _, d, y = sample(n=200, n1=90)
    s = np.where(x[:, 0] > 0, "high", "low")
    effect = var = 0.0
    for name in np.unique(s):
        here = s == name
        a, b = y[here & (d == 1)], y[here & (d == 0)]
        effect += here.mean() * (a.mean() - b.mean())
        var += here.mean() ** 2 * (a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    ours = stratified(y, d, s)
    assert (ours.effect, ours.se) == pytest.approx((effect, var**0.5))


def test_bad_input_is_named():
    x, _, _, d, y = sample()
    with pytest.raises(NoOverlap, match="merge strata"):
        stratified(y, d, np.arange(y.size))
    with pytest.raises(NoOverlap, match="at least 2"):
        difference_in_means([1.0, 2.0, 3.0], [1, 0, 0])
    with pytest.raises(ValueError, match="constant or collinear"):
        lin_adjustment(y, d, np.ones(y.size))
    with pytest.raises(ValueError, match="missing values"):
        lin_adjustment(y, d, np.where(x > 1, np.nan, x))
    with pytest.raises(NoOverlap, match="covariates need"):
        lin_adjustment(y[:8], [1, 0] * 4, np.eye(8)[:, :4])
    with pytest.raises(ValueError, match="level"):
        difference_in_means(y, d, level=95)
    with pytest.raises(NoOverlap):
        design_variance([1.0, 2.0], [1.0, 2.0], 2)
