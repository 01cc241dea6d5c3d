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


def test_fisher_counts_ties_in_any_unit():
    """Outcomes in another unit give the same p-value, however small they are."""
    y = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.3])
    d = np.array([1, 0, 1, 0, 1, 0, 0])
    want = fisher_test(y, d).p_value
    for unit in (1e-12, 1e9):
        assert fisher_test(unit * y, d).p_value == want


def test_fisher_is_exact_at_every_attainable_level():
    y = np.random.default_rng(3).normal(size=8)
    picks = [np.isin(np.arange(8), c).astype(int) for c in combinations(range(8), 3)]
    p = np.array([fisher_test(y, d).p_value for d in picks])
    for level in np.unique(p):
        assert (p <= level + 1e-12).mean() == pytest.approx(level)


def test_a_sampled_p_value_counts_what_was_seen():
    """(1 + count) / (1 + draws): the smallest is 1 / (1 + draws), never zero."""
    y = np.r_[np.arange(20.0), 100 + np.arange(20.0)]
    d = np.repeat([0, 1], 20)
    rng = np.random.default_rng(0)
    ours = fisher_test(y, d, draws=99, rng=rng)
    assert (ours.p_value, ours.assignments, ours.exact) == (0.01, 99, False)
    ours = fisher_test(
        y, d, draws=99, rng=rng, statistic=lambda y, d: y[d].sum() - y[~d].sum()
    )
    assert (ours.p_value, ours.assignments, ours.exact) == (0.01, 99, False)
    with pytest.raises(ValueError, match="draws"):
        fisher_test(y, d, draws=0, rng=rng)


def test_a_sampled_statistic_agrees_with_the_exact_one():
    _, _, _, d, y = sample(n=12, n1=5)
    top = lambda y, d: y[d].max() - y[~d].max()  # noqa: E731
    exact = fisher_test(y, d, statistic=top)
    rng = np.random.default_rng(1)
    drawn = fisher_test(y, d, statistic=top, draws=4_000, rng=rng, exact_up_to=1)
    se = np.sqrt(exact.p_value * (1 - exact.p_value) / 4_000)
    assert abs(drawn.p_value - exact.p_value) < 5 * se + 1e-3


def test_a_statistic_that_is_not_a_number_is_refused():
    _, _, _, d, y = sample(n=8, n1=3)
    with pytest.raises(ValueError, match="not finite"):
        fisher_test(y, d, statistic=lambda y, d: np.nan if d[0] else 1.0)


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


def test_lin_does_not_depend_on_units_of_the_covariates():
    x, _, _, d, y = sample()
    want = lin_adjustment(y, d, x)
    ours = lin_adjustment(y, d, x * [1e9, 1e-9] + [1e12, 3.0])
    assert (ours.effect, ours.se) == pytest.approx((want.effect, want.se), rel=1e-3)
    ours = lin_adjustment(y, d, x * [1e9, 1e-7])
    assert (ours.effect, ours.se) == pytest.approx((want.effect, want.se), rel=1e-9)


def test_lin_with_no_covariates_is_neyman():
    _, _, _, d, y = sample()
    ours = lin_adjustment(y, d, np.empty((y.size, 0)))
    want = difference_in_means(y, d)
    assert (ours.effect, ours.se) == pytest.approx((want.effect, want.se))


def test_a_unit_that_fixes_its_own_coefficient_is_refused():
    _, _, _, d, y = sample()
    first = np.flatnonzero(d == 1)[0]
    second = np.flatnonzero(d == 0)[0]
    alone = np.zeros(y.size)
    alone[[first, second]] = 1.0
    with pytest.raises(ValueError, match="leverage 1"):
        lin_adjustment(y, d, alone)


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
    with pytest.raises(ValueError, match="shape"):
        lin_adjustment(y, d, np.zeros((y.size, 2, 2)))
    with pytest.raises(ValueError, match="rows for"):
        lin_adjustment(y, d, x[:-1])
    for n_treated in (0, 2):
        with pytest.raises(NoOverlap, match="between 1 and 1"):
            design_variance([1.0, 2.0], [1.0, 2.0], n_treated)
    with pytest.raises(ValueError, match="y1 has 1 missing"):
        design_variance([1.0, 2.0], [1.0, np.nan], 1)
    with pytest.raises(ValueError, match="one common shape"):
        design_variance([1.0, 2.0], [1.0, 2.0, 3.0], 1)


def test_the_smallest_samples_are_accepted():
    """The limits of the refusals: two units a group and a stratum, p + 2 for Lin."""
    y, d = np.array([3.0, 5.0, 1.0, 2.0]), np.array([1, 1, 0, 0])
    assert stratified(y, d, np.zeros(4)).effect == 2.5
    assert neyman_variance(y, d) == pytest.approx(1.0 + 0.25)
    assert design_variance([0.0, 2.0], [1.0, 5.0], 1) == pytest.approx(8 + 2 - 1)
    x = np.array([0.0, 1.0, 3.0, 2.0, 0.5, 4.0])
    six = lin_adjustment([1.0, 2.0, 5.0, 1.0, 0.0, 2.5], [1, 1, 1, 0, 0, 0], x)
    assert six.se > 0
    with pytest.raises(NoOverlap, match="at least 3"):
        lin_adjustment(y, d, x[:4])
    with pytest.raises(NoOverlap, match="1 strata .* 3 units"):
        stratified(np.arange(7.0), [1, 0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1])
    with pytest.raises(NoOverlap, match=r"6 strata \(\[0, 1, 2, 3, 4\]\.\.\.\)"):
        stratified(np.arange(6.0), [1, 0, 1, 0, 1, 0], np.arange(6))


def test_an_interval_is_normal_at_its_level():
    _, _, _, d, y = sample()
    for level in (0.9, 0.95):
        ours = difference_in_means(y, d, level=level)
        z = stats.norm.ppf(0.5 + level / 2)
        want = (ours.effect - z * ours.se, ours.effect + z * ours.se)
        assert ours.interval == pytest.approx(want)
        assert ours.n == 60 and ours.n_treated == 25
