"""streamrec.experiments: plans, assignment, comparisons and sequential tests."""

from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from streamrec.experiments import (
    assignment,
    moments,
    power,
    sample_ratio,
    sequential,
)
from streamrec.experiments.moments import Moments

# ------------------------------------------------------------------ power


def test_the_published_sample_sizes():
    assert power.users_for_proportions(0.05, 0.055) == 31_231
    assert power.users_for_proportions(0.05, 0.055, formula="arcsine") == 31_218


def test_arcsine_and_means_equal_statsmodels():
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import proportion_effectsize

    solve = NormalIndPower().solve_power
    for p0, p1, r in ((0.05, 0.055, 1.0), (0.3, 0.36, 2.0), (0.6, 0.5, 0.5)):
        h = abs(proportion_effectsize(p1, p0))
        n = solve(h, alpha=0.05, power=0.9, ratio=r)
        ours = power.users_for_proportions(
            p0, p1, power=0.9, ratio=r, formula="arcsine"
        )
        assert ours == pytest.approx(n, abs=1)
        n = solve(0.2, alpha=0.01, power=0.8, ratio=r)
        assert power.users_for_means(5.0, 1.0, alpha=0.01, ratio=r) == pytest.approx(
            n, abs=1
        )


@pytest.mark.parametrize("formula", power.FORMULAS)
def test_the_planned_power_is_reached(formula):
    """5,000 experiments: 0.80 within three binomial errors (0.017)."""
    rng = np.random.default_rng(3)
    n0 = power.users_for_proportions(0.1, 0.12, ratio=2.0, formula=formula)
    a, b = rng.binomial(n0, 0.1, 5_000), rng.binomial(2 * n0, 0.12, 5_000)
    p0, p1 = a / n0, b / (2 * n0)
    z = (p1 - p0) / np.sqrt(p0 * (1 - p0) / n0 + p1 * (1 - p1) / (2 * n0))
    assert abs((np.abs(z) > stats.norm.ppf(0.975)).mean() - 0.8) < 0.017 + 0.005


def test_detectable_and_sample_size_are_inverse():
    for base, target, r in ((0.05, 0.055, 1.0), (0.4, 0.5, 3.0)):
        n = power.users_for_proportions(base, target, ratio=r)
        found = power.detectable_proportion(base, n, ratio=r)
        assert found == pytest.approx(target, rel=1e-3)
    assert power.detectable_proportion(0.9, 3) == np.inf


def test_design_effect_is_the_variance_of_a_mean_of_clusters():
    rng = np.random.default_rng(1)
    m, rho, clusters = 8, 0.3, 200
    shared = rng.normal(size=(4_000, clusters, 1)) * rho**0.5
    y = shared + rng.normal(size=(4_000, clusters, m)) * (1 - rho) ** 0.5
    ratio = y.mean((1, 2)).var() / (1 / (clusters * m))
    assert ratio == pytest.approx(power.design_effect(m, rho), rel=0.08)


def test_a_design_carries_its_assumptions():
    plan = power.design(
        0.05, 0.1, arms=3, metrics=2, traffic=9_000, rho=0.6, cluster_size=5, icc=0.1
    )
    assert plan.alpha_each == 0.05 / 4
    assert plan.variance_factor == pytest.approx(1.4 * 0.64)
    assert plan.users_total == plan.users_control + 2 * plan.users_treatment
    assert plan.days == -(-plan.users_total // 9_000)
    assert plan.weeks * 7 >= plan.days > plan.weeks * 7 - 7
    more = power.design(20.0, 1.0, relative=False, kind="continuous", sd=15.0)
    assert more.users_control == power.users_for_means(15.0, 1.0)
    assert more.effect == 1.0 and more.relative == 0.05
    loose = power.design(0.05, 0.1, metrics=5, correction="none")
    assert loose.alpha_each == 0.05 and "0.23" in loose.notes[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"baseline": 0.0}, "baseline of 0"),
        ({"baseline": 1.2}, "between 0 and 1"),
        ({"effect": 0.0}, "equal"),
        ({"alpha": 0.0}, "alpha"),
        ({"power": 0.01}, "power"),
        ({"ratio": -1.0}, "ratio"),
        ({"arms": 1}, "two arms"),
        ({"traffic": 0}, "traffic"),
        ({"kind": "count"}, "kind"),
        ({"kind": "continuous"}, "sd"),
        ({"formula": "exact"}, "formula"),
        ({"correction": "fdr"}, "correction"),
        ({"rho": 1.0}, "rho"),
        ({"icc": 2.0}, "icc"),
        ({"cluster_size": float("nan")}, "size >= 1"),
        ({"sd": 2.0}, "leave sd out"),
    ],
)
def test_an_impossible_plan_is_refused(change, word):
    with pytest.raises(ValueError, match=word):
        power.design(**{"baseline": 0.05, "effect": 0.1, **change})


# ------------------------------------------------------------------ assignment


def test_assignment_is_a_function_of_unit_and_salt():
    ids = [f"user-{i}" for i in range(20_000)]
    shares = {"control": 0.5, "a": 0.3, "b": 0.2}
    arms = assignment.assign(ids, shares, "one")
    assert (arms == assignment.assign(ids, shares, "one")).all()
    assert (arms[::-1] == assignment.assign(ids[::-1], shares, "one")).all()
    counts = {k: int((arms == k).sum()) for k in shares}
    assert not sample_ratio.sample_ratio(counts, shares).mismatch
    other = assignment.assign(ids, shares, "two")
    table = [[((arms == i) & (other == j)).sum() for i in shares] for j in shares]
    assert stats.chi2_contingency(table).pvalue > 1e-4  # salts are independent
    assert assignment.uniform([17], "s") == assignment.uniform(["17"], "s")
    u = assignment.uniform(ids, "one")
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_a_larger_last_arm_takes_units_and_moves_no_other():
    ids = range(5_000)
    small = assignment.assign(ids, {"off": 0.9, "on": 0.1}, "ramp")
    large = assignment.assign(ids, {"off": 0.6, "on": 0.4}, "ramp")
    assert (large[small == "on"] == "on").all()


def test_a_salt_cannot_run_into_the_unit():
    assert assignment.uniform(["1x"], "a") != assignment.uniform(["x"], "a1")


@pytest.mark.parametrize(
    ("shares", "salt", "word"),
    [
        ({"a": 1.0}, "s", "two arms"),
        ({"a": 0.5, "b": 0.6}, "s", "add up"),
        ({"a": 1.0, "b": 0.0}, "s", "positive"),
        ({"a": 0.5, "b": 0.5}, "", "salt"),
    ],
)
def test_bad_shares_are_refused(shares, salt, word):
    with pytest.raises(ValueError, match=word):
        assignment.assign([1, 2], shares, salt)


# ------------------------------------------------------------------ sample ratio


def test_chi_square_equals_scipy():
    counts, shares = {"a": 480, "b": 330, "c": 190}, {"a": 0.5, "b": 0.3, "c": 0.2}
    ours = sample_ratio.sample_ratio(counts, shares)
    theirs = stats.chisquare([480, 330, 190], [500, 300, 200])
    assert ours.chi_square == pytest.approx(theirs.statistic)
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert sample_ratio.sample_ratio({"a": 9}, {"a": 0.5, "b": 0.5}).counts["b"] == 0


def test_the_anytime_test_holds_under_peeking_and_finds_a_mismatch():
    rng = np.random.default_rng(5)
    shares = {"a": 0.5, "b": 0.5}

    def ever(p, days=60):
        n = np.cumsum(rng.multinomial(200, [p, 1 - p], days), axis=0)
        return any(
            sample_ratio.sample_ratio_anytime(
                {"a": a, "b": b}, shares, threshold=0.05
            ).mismatch
            for a, b in n
        )

    alarms = np.mean([ever(0.5) for _ in range(400)])
    assert alarms <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5
    assert np.mean([ever(0.47) for _ in range(50)]) > 0.9


def test_the_bayes_factor_has_mean_one_under_the_plan():
    n, p = 12, 0.3
    total = sum(
        stats.binom.pmf(k, n, p)
        / sample_ratio.sample_ratio_anytime(
            {"a": k, "b": n - k}, {"a": p, "b": 1 - p}, strength=3.0
        ).p_value
        for k in range(n + 1)
    )
    # 1 / p is max(1, B); subtract what the cap adds to get the mean of B exactly.
    from scipy.special import betaln

    def bayes_factor(k):
        log_b = betaln(0.9 + k, 2.1 + n - k) - betaln(0.9, 2.1)
        return np.exp(log_b - k * np.log(p) - (n - k) * np.log(1 - p))

    B = np.array([bayes_factor(k) for k in range(n + 1)])
    w = stats.binom.pmf(np.arange(n + 1), n, p)
    assert w @ B == pytest.approx(1.0)
    assert total == pytest.approx(w @ np.maximum(1.0, B))


@pytest.mark.parametrize(
    ("counts", "shares", "word"),
    [
        ({"a": 1, "z": 2}, {"a": 0.5, "b": 0.5}, "'z' is not among"),
        ({}, {"a": 0.5, "b": 0.5}, "at least one user"),
        ({"a": 1}, {"a": 0.5, "b": 0.4}, "add up"),
    ],
)
def test_bad_counts_are_refused(counts, shares, word):
    for test in (sample_ratio.sample_ratio, sample_ratio.sample_ratio_anytime):
        with pytest.raises(ValueError, match=word):
            test(counts, shares)


# ------------------------------------------------------------------ comparisons


@pytest.fixture
def arms():
    rng = np.random.default_rng(11)
    x = rng.gamma(2.0, 3.0, size=300), rng.gamma(2.0, 3.0, size=220)
    y = 0.5 * x[0] + rng.normal(0, 2, 300), 0.3 + 0.5 * x[1] + rng.normal(0, 3, 220)
    return x, y


def test_moments_merge_to_those_of_the_whole(arms):
    (x0, x1), (y0, y1) = arms
    whole = Moments.of(np.r_[y0, y1], np.r_[x0, x1])
    merged = Moments.of(y0, x0) + Moments.of(y1, x1)
    assert asdict(merged) == pytest.approx(asdict(whole))


def test_welch_equals_scipy(arms):
    _, (y0, y1) = arms
    ours = moments.difference_in_means(Moments.of(y0), Moments.of(y1))
    theirs = stats.ttest_ind(y1, y0, equal_var=False)
    ci = theirs.confidence_interval()
    assert ours.p_value == pytest.approx(theirs.pvalue)
    assert ours.interval == pytest.approx((ci.low, ci.high))


def test_proportions_equal_statsmodels_and_fisher():
    from statsmodels.stats.proportion import confint_proportions_2indep

    y0, y1 = np.r_[np.ones(120), np.zeros(880)], np.r_[np.ones(90), np.zeros(410)]
    ours = moments.difference_in_proportions(Moments.of(y0), Moments.of(y1))
    low, high = confint_proportions_2indep(90, 500, 120, 1_000, method="wald")
    assert ours.interval == pytest.approx((low, high))
    few = moments.difference_in_proportions(
        Moments.of(np.r_[np.ones(2), np.zeros(98)]),
        Moments.of(np.r_[np.ones(9), np.zeros(91)]),
    )
    exact = stats.fisher_exact([[9, 91], [2, 98]]).pvalue
    assert few.p_value == pytest.approx(exact) and "has 2 events" in few.note
    for events, name in ((10, "two proportions"), (9, "Fisher's exact test")):
        for y in (np.arange(100) < events, np.arange(100) >= events):
            edge = moments.difference_in_proportions(
                Moments.of(y), Moments.of(np.arange(100) % 2)
            )
            assert edge.method == name
    none = moments.difference_in_proportions(
        Moments.of(np.zeros(50)), Moments.of(np.zeros(50))
    )
    assert np.isnan(none.p_value) and none.note == "no event in either arm"
    with pytest.raises(ValueError, match="not binary"):
        moments.difference_in_proportions(Moments(9, 3.0, 1.0), Moments(9, 0.5, 0.2))


def test_the_delta_method_is_the_variance_of_the_linearised_metric(arms):
    (x0, _), (y0, _) = arms
    R = y0.mean() / x0.mean()
    expected = ((y0 - R * x0) / x0.mean()).var(ddof=1) / y0.size
    assert moments.ratio_variance(Moments.of(y0, x0)) == pytest.approx(expected)


def test_cuped_is_regression_on_the_covariate(arms):
    """Equal in effect to least squares of y on arm and centred x."""
    (x0, x1), (y0, y1) = arms
    ours = moments.cuped(Moments.of(y0, x0), Moments.of(y1, x1))
    d = np.r_[np.zeros(300), np.ones(220)]
    X = np.c_[np.ones(520), d, np.r_[x0, x1]]
    beta = np.linalg.lstsq(X, np.r_[y0, y1], rcond=None)[0]
    assert ours.effect == pytest.approx(beta[1])
    both = (300 * ours.control + 220 * ours.treatment) / 520
    assert both == pytest.approx(np.r_[y0, y1].mean())  # the level stays that of y
    flat = moments.cuped(Moments.of(y0, np.ones(300)), Moments.of(y1, np.ones(220)))
    assert "does not vary" in flat.note


def test_cuped_removes_rho_squared_of_the_variance():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 40_000))
    y = 0.7 * x + np.sqrt(1 - 0.49) * rng.normal(size=x.shape)
    r = moments.cuped(Moments.of(y[0], x[0]), Moments.of(y[1], x[1]))
    assert r.variance_ratio == pytest.approx(1 - r.rho**2, abs=1e-3)
    assert r.variance_ratio == pytest.approx(0.51, abs=0.015)


def test_cuped_removes_rho_squared_of_the_variance_in_the_world():
    """Users of an A/A assigned anew: minutes, adjusted for those of weeks before."""
    from streamrec.worlds.streaming import StreamingWorld

    run = StreamingWorld(size="tiny", seed=0).experiment("incumbent", "incumbent")
    users = run.users.dropna(subset=["pre_minutes"])
    x, y = users["pre_minutes"].to_numpy(), users["minutes"].to_numpy()
    rng, plain, adjusted = np.random.default_rng(4), [], []
    for _ in range(1_000):
        d = rng.permutation(len(y)) < len(y) // 2
        arms = [Moments.of(y[a], x[a]) for a in (~d, d)]
        plain.append(moments.difference_in_means(*arms).effect)
        adjusted.append(moments.cuped(*arms).effect)
    rho = np.corrcoef(x, y)[0, 1]
    assert rho > 0.4
    # A ratio of two variances of 1,000 draws each is known to about 4.5 per cent.
    assert np.var(adjusted) / np.var(plain) == pytest.approx(1 - rho**2, rel=0.14)


def test_no_variation_is_said():
    r = moments.difference_in_means(Moments(5, 1.0, 0.0), Moments(5, 2.0, 0.0))
    assert np.isnan(r.p_value) and "no variation" in r.note


def _heavy(rng, runs, n):
    """Users of a heavy-tailed platform: impressions, clicks at a rate of their own."""
    x = 1 + rng.negative_binomial(0.8, 0.08, size=(runs, n))
    rate = rng.beta(2, 14, size=(runs, n))
    return rng.binomial(x, rate).astype(float), x.astype(float)


def test_ratio_intervals_cover_and_naive_ones_do_not():
    """2,000 A/A tests: 5 % within three errors by user, far more by impression."""
    rng = np.random.default_rng(9)
    runs, n = 2_000, 400
    arms = [_heavy(rng, runs, n) for _ in range(2)]
    rejected, naive = 0, 0
    for i in range(runs):
        (y0, x0), (y1, x1) = ((y[i], x[i]) for y, x in arms)
        a, b = Moments.of(y0, x0), Moments.of(y1, x1)
        rejected += moments.difference_in_ratios(a, b).significant
        p = (y0.sum() + y1.sum()) / (x0.sum() + x1.sum())
        se = np.sqrt(p * (1 - p) * (1 / x0.sum() + 1 / x1.sum()))
        gap = y1.sum() / x1.sum() - y0.sum() / x0.sum()
        naive += abs(gap) > 1.96 * se
    assert abs(rejected / runs - 0.05) < 3 * np.sqrt(0.05 * 0.95 / runs)
    assert naive / runs > 0.10


def test_fieller_is_the_set_of_ratios_that_a_test_keeps():
    rng = np.random.default_rng(4)
    q2 = stats.norm.ppf(0.975) ** 2
    top, bottom = rng.normal(1.2, 0.2, 4_000), rng.normal(1.0, 0.3, 4_000)
    kept = (top - 1.2 * bottom) ** 2 <= q2 * (0.04 + 1.44 * 0.09)
    assert abs(kept.mean() - 0.95) < 0.011  # the truth is kept at the stated rate
    unbounded = 0
    for a, b, keep in zip(top, bottom, kept, strict=True):
        _, interval = moments.fieller(a, 0.04, b, 0.09)
        if interval is None:  # control is not told from 0: all of the line, or rays
            unbounded += 1
        else:
            assert (interval[0] <= 0.2 <= interval[1]) == keep
    assert unbounded > 200
    assert moments.fieller(1.0, 0.1, 0.0, 0.1) == (None, None)


def test_a_guardrail_needs_its_margin_ruled_out():
    same = moments.difference_in_means(Moments(400, 1.0, 1.0), Moments(400, 0.98, 1.0))
    p, fine = moments.no_worse(same, 0.2)
    assert fine and p == pytest.approx(stats.norm.sf(0.18 / same.se))
    p, fine = moments.no_worse(same, 0.1)
    assert not fine and p == pytest.approx(stats.norm.sf(0.08 / same.se))
    assert moments.no_worse(same, 0.1, better="lower")[0] < p
    for bad in ({"margin": 0.0}, {"margin": 1.0, "better": "up"}):
        with pytest.raises(ValueError):
            moments.no_worse(same, **bad)


@pytest.mark.parametrize("bad", [[1.0], [1.0, np.nan], [[1.0, 2.0]], [1.0, np.inf]])
def test_unusable_columns_are_refused(bad):
    with pytest.raises(ValueError):
        Moments.of(bad)


# ------------------------------------------------------------------ sequential


def test_group_sequential_bounds_equal_the_published_ones():
    """Lan-DeMets at five equal looks, alpha 0.05 two-sided."""
    looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    obf = sequential.group_sequential(looks)
    assert obf == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=1e-3)
    pocock = sequential.group_sequential(looks, kind="pocock")
    assert pocock == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=1e-3)
    assert sequential.group_sequential([1.0])[0] == pytest.approx(1.959964, abs=1e-5)


def test_peeking_with_the_bounds_keeps_alpha():
    rng = np.random.default_rng(8)
    t = np.array([0.25, 0.5, 0.75, 1.0])
    steps = rng.normal(size=(40_000, 4)) * np.sqrt(np.diff(t, prepend=0))
    z = np.cumsum(steps, axis=1) / np.sqrt(t)
    error = 3 * np.sqrt(0.05 * 0.95 / 40_000)
    for kind in sequential.SPENDING:
        bounds = sequential.group_sequential(t, kind=kind)
        assert abs((np.abs(z) > bounds).any(1).mean() - 0.05) < error
    assert (np.abs(z) > 1.96).any(1).mean() > 0.11  # what plain peeking costs


def test_always_valid_intervals_hold_at_every_look():
    """3,000 A/A tests of 60 daily looks."""
    rng = np.random.default_rng(6)
    runs, days, users = 3_000, 60, 100
    total = np.cumsum(rng.normal(0, np.sqrt(2 * users), (runs, days)), axis=1)
    n = users * np.arange(1, days + 1)
    estimate, se = total / n, np.sqrt(2 / n)
    tau = sequential.best_tau(se[29])
    width = np.array([sequential.mixture_width(s, tau) for s in se])
    error = 3 * np.sqrt(0.05 * 0.95 / runs)
    assert (np.abs(estimate) > width).any(1).mean() <= 0.05 + error
    assert (np.abs(estimate) > 1.96 * se).any(1).mean() > 0.2
    assert ((np.abs(estimate) > width).mean(0) > 0).any()  # it can reject


def test_p_value_and_interval_agree():
    for estimate in (0.1, 0.25, 0.31, 0.5):
        seen = sequential.look(estimate, 0.1, 0.2)
        assert (seen.p_value < 0.05) == (seen.interval[0] > 0)
    assert sequential.mixture_p_value(0.01, 0.1, 0.2) == 1.0


def test_best_tau_is_the_minimum():
    best = sequential.best_tau(0.4, alpha=0.1)
    width = sequential.mixture_width(0.4, best, alpha=0.1)
    for other in (0.9 * best, 1.1 * best):
        assert sequential.mixture_width(0.4, other, alpha=0.1) > width


def test_impossible_looks_are_refused():
    for bad in ([0.5, 0.5], [0.0, 1.0], [1.2], []):
        with pytest.raises(ValueError):
            sequential.group_sequential(bad)
    with pytest.raises(ValueError, match="kind"):
        sequential.alpha_spent(0.5, kind="linear")
    with pytest.raises(ValueError, match="odd"):
        sequential.group_sequential([0.5, 1.0], points=100)
    with pytest.raises(ValueError, match="positive"):
        sequential.mixture_width(0.0, 1.0)
    with pytest.raises(ValueError, match="alpha"):
        sequential.mixture_width(1.0, 1.0, alpha=2.0)
