"""Fairness metrics against Fairlearn and brute force; thresholds against a grid."""

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from streamrec.fairness import metrics as m
from streamrec.fairness.postprocessing import FairThresholds, roc_points, upper_hull


def sample(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    g = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    base = np.select([g == "a", g == "b"], [0.6, 0.4], 0.3)
    y = (rng.uniform(size=n) < base).astype(int)
    skill = np.select([g == "a", g == "b"], [1.5, 1.0], 0.7)
    s = 1 / (1 + np.exp(-(skill * (2 * y - 1) + rng.normal(size=n)).round(2)))
    return y, s, g, (s > 0.5).astype(int)


def test_equal_to_fairlearn():
    y, _, g, yhat = sample()
    ours = m.group_rates(yhat, g, y).pivot(
        index="group", columns="rate", values="value"
    )
    library = fl.MetricFrame(
        metrics={
            "selection_rate": fl.selection_rate,
            "tpr": fl.true_positive_rate,
            "fpr": fl.false_positive_rate,
        },
        y_true=y,
        y_pred=yhat,
        sensitive_features=g,
    ).by_group
    for rate in library.columns:
        np.testing.assert_allclose(ours[rate], library[rate].astype(float), atol=1e-9)
    kw = dict(sensitive_features=g)
    assert m.demographic_parity_difference(yhat, g) == pytest.approx(
        fl.demographic_parity_difference(y, yhat, **kw), abs=1e-9
    )
    assert m.equalized_odds_difference(y, yhat, g) == pytest.approx(
        fl.equalized_odds_difference(y, yhat, **kw), abs=1e-9
    )
    smallest = min(r.ratio for r in m.impact_ratios(yhat, g))
    assert smallest == pytest.approx(fl.demographic_parity_ratio(y, yhat, **kw))


def test_empty_denominator_is_nan_and_counted():
    table = m.group_rates([1, 0, 1], ["a", "a", "b"], [1, 0, 1]).set_index(
        ["group", "rate"]
    )
    assert np.isnan(table.loc[("b", "fpr"), "value"])
    assert table.loc[("b", "fpr"), "n"] == 0
    assert table.loc[("b", "tpr"), "n"] == 1


def test_a_category_without_members_keeps_its_row():
    groups = pd.Categorical(["a", "a", "b"], categories=["a", "b", "c"])
    for given_as in (groups, pd.Series(groups, index=[7, 8, 9])):
        table = m.group_rates([1, 0, 1], given_as).set_index("group")
        assert table["n"].to_dict() == {"a": 2, "b": 1, "c": 0}
        assert table.loc["a", "value"] == 0.5 and np.isnan(table.loc["c", "value"])
        assert table["low"].isna().to_dict() == {"a": False, "b": False, "c": True}
    for call in (m.demographic_parity_difference, m.impact_ratios):
        with pytest.raises(ValueError, match="'c'"):
            call([1, 0, 1], groups)


def test_a_summary_names_the_group_whose_rate_is_not_defined():
    y, yhat, g = [1, 0, 1, 1], [1, 0, 1, 0], ["a", "a", "b", "b"]
    with pytest.raises(ValueError, match=r"fpr is not defined in the groups \['b'\]"):
        m.equalized_odds_difference(y, yhat, g)


def test_both_rates_enter_equalised_odds():
    """TPR 1 and 1/2, FPR 0 and 3/4 by hand; exchange the outcomes to exchange them."""
    y = np.array([1, 1, 0, 0, 1, 1, 0, 0, 0, 0])
    yhat = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1, 0])
    g = np.repeat(["a", "b"], [4, 6])
    assert m.equalized_odds_difference(y, yhat, g) == 0.75
    assert m.equalized_odds_difference(1 - y, yhat, g) == 0.75
    assert m.demographic_parity_difference(yhat, g) == pytest.approx(4 / 6 - 1 / 2)


def test_impact_interval_by_hand():
    yhat, g = np.r_[np.ones(30), np.zeros(20), np.ones(12), np.zeros(28)], ["h"] * 50
    (r,) = m.impact_ratios(yhat.astype(int), g + ["l"] * 40, level=0.9)
    wide = 1.6448536 * np.sqrt(0.4 / 30 + 0.7 / 12)
    assert (r.group, r.reference, r.ratio) == ("l", "h", pytest.approx(0.5))
    assert r.low == pytest.approx(0.5 * np.exp(-wide))
    assert r.high == pytest.approx(0.5 * np.exp(wide))
    assert r.certain and r.flagged


def test_impact_of_nobody_is_bounded_by_both_wilson_intervals():
    (r,) = m.impact_ratios([1] * 30 + [0] * 60, ["a"] * 40 + ["b"] * 50)
    upper = m.wilson(0, 50)[1] / m.wilson(30, 40)[0]
    assert (r.ratio, r.low, r.high) == (0, 0, pytest.approx(float(upper)))


def test_wilson_solves_the_score_equation():
    """At each end p, |k/n - p| is z sqrt(p (1 - p) / n): Wilson's definition."""
    k, n = np.array([1, 7, 40, 99]), np.array([10, 20, 300, 100])
    for level in (0.8, 0.95):
        z = stats.norm.ppf((1 + level) / 2)
        for p in m.wilson(k, n, level=level):
            np.testing.assert_allclose(abs(k / n - p), z * np.sqrt(p * (1 - p) / n))


def test_impact_ratio_interval_covers():
    """Fixed reference, ratio 0.8: the log interval covers about 95 %."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        g = np.repeat(["hi", "lo"], [400, 250])
        yhat = rng.uniform(size=650) < np.where(g == "hi", 0.6, 0.48)
        (ratio,) = m.impact_ratios(yhat.astype(int), g)
        hits += ratio.low <= (0.8 if ratio.group == "lo" else 1.25) <= ratio.high
    assert 178 <= hits <= 199


def test_impact_ratio_of_nobody():
    (ratio,) = m.impact_ratios([1, 1, 0, 0, 0], ["a", "a", "b", "b", "b"])
    assert ratio.ratio == 0 and 0 < ratio.high and ratio.flagged and not ratio.certain
    with pytest.raises(ValueError, match="no unit"):
        m.impact_ratios([0, 0], ["a", "b"])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(sum))
def test_gini_by_mean_absolute_difference(x):
    want = np.abs(np.subtract.outer(x, x)).mean() / (2 * np.mean(x))
    assert m.gini(x) == pytest.approx(want, abs=1e-9)


def test_group_exposure_by_loop():
    items = ["x", "y", "x", "x", "y"]
    places = [1, 2, 3, 1, 2]
    supply = pd.Series({"x": 3, "y": 1, "z": 2})
    table = m.group_exposure(items, places, supply)
    w = {p: 1 / np.log2(1 + p) for p in (1, 2, 3)}
    want = {"x": w[1] + w[3] + w[1], "y": 2 * w[2], "z": 0.0}
    for group, value in want.items():
        assert table.loc[group, "exposure"] == pytest.approx(value)
    assert (table["per_item"] * supply).sum() / supply.sum() == pytest.approx(1)
    own = m.group_exposure(items, places, supply, weights=[4.0, 2.0, 1.0])
    assert own["exposure"].tolist() == [9.0, 4.0, 0.0]  # as many weights as places
    fair = m.group_exposure(["x"] * 3 + ["y"], [1] * 4, pd.Series({"x": 3, "y": 1}))
    assert m.gini(fair["per_item"]) == pytest.approx(0)


def fitted():
    return FairThresholds().fit([0, 1, 0, 1], [0.1, 0.8, 0.3, 0.6], list("aabb"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: m.group_rates([0, 2], ["a", "b"]), "only 0 and 1"),
        (lambda: m.group_rates([0, 1], ["a", None]), "1 units have no group"),
        (lambda: m.group_rates([], []), "empty"),
        (lambda: m.group_rates([0, 1], ["a"]), "shape"),
        (lambda: m.gini([-1.0]), ">= 0"),
        (lambda: m.position_weights(0), "at least 1"),
        (lambda: m.group_exposure(["q"], [1], pd.Series({"a": 1})), "lacks the groups"),
        (lambda: m.group_exposure(["a"], [1], pd.Series({"a": 0})), "no eligible"),
        (lambda: m.group_exposure(["a"], [0], pd.Series({"a": 1})), "from 1"),
        (lambda: m.group_exposure(["a"], [1.5], pd.Series({"a": 1})), "whole numbers"),
        (lambda: m.group_exposure([], [], pd.Series({"a": 1})), "non-empty"),
        (lambda: m.group_exposure(["a", "a"], [1], pd.Series({"a": 1})), "common"),
        (
            lambda: m.group_exposure(["a"], [3], pd.Series({"a": 1}), weights=[1, 0.5]),
            "2 weights for 3 places",
        ),
        (lambda: m.wilson(3, 2), "between 0 and trials"),
        (lambda: m.wilson(-1, 2), "between 0 and trials"),
        (lambda: m.gini([]), "non-empty"),
        (lambda: m.gini([1.0, np.nan]), "finite"),
        (lambda: m.group_rates([0, 1], ["a", "b"], [1]), "y must have shape"),
        (lambda: FairThresholds(cost_fp=-1).fit([0, 1], [0, 1], [0, 0]), "negative"),
        (lambda: FairThresholds().fit([0, 1], [0, np.nan], [0, 0]), "finite"),
        (lambda: FairThresholds().fit([0, 2], [0, 1], [0, 0]), "only 0 and 1"),
        (lambda: FairThresholds().fit([], [], []), "non-empty"),
        (lambda: FairThresholds().fit([0, 0], [0, 1], [0, 0]), "0 has no positives"),
        (
            lambda: FairThresholds().fit([0, 1], [0, 1], np.array(["a", None])),
            "1 units have no group",
        ),
        (lambda: fitted().probability([np.nan], ["a"]), "1 scores are not finite"),
        (lambda: fitted().probability([0.5], ["q"]), "not seen in fit"),
        (lambda: fitted().probability([0.5, 1], ["a"]), "common shape"),
        (lambda: FairThresholds("other").fit([0, 1], [0, 1], [0, 0]), "must be one"),
        (lambda: FairThresholds().fit([1, 1], [0, 1], [0, 0]), "no negatives"),
        (lambda: FairThresholds().probability([0.5], ["a"]), "call fit"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_roc_points_by_counting():
    y, s, _, _ = sample(n=60)
    truth = y.astype(bool)
    for t, f, h in zip(*roc_points(truth, s)):
        assert h == pytest.approx(np.mean(s[truth] >= t))
        assert f == pytest.approx(np.mean(s[~truth] >= t))


def test_hull_contains_every_point():
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(size=50))
    y = rng.uniform(size=50)
    hull = upper_hull(x, y)
    assert (np.interp(x, x[hull], y[hull]) >= y - 1e-12).all()
    assert (hull[0], hull[-1]) == (0, x.size - 1)
    slopes = np.diff(y[hull]) / np.diff(x[hull])
    assert (np.diff(slopes) < 0).all()


@pytest.mark.parametrize("constraint", ["equalized_odds", "demographic_parity"])
def test_rates_are_equal_and_cost_no_worse_than_the_library_grid(constraint):
    y, s, g, _ = sample()
    ours = FairThresholds(constraint).fit(y, s, g)
    p = ours.probability(s, g)
    for a in np.unique(g):
        here = g == a
        f, h = ours.rates_[a]
        assert p[here & (y == 0)].mean() == pytest.approx(f, abs=1e-9)
        assert p[here & (y == 1)].mean() == pytest.approx(h, abs=1e-9)
    rates = np.array(list(ours.rates_.values()))
    if constraint == "equalized_odds":
        assert np.ptp(rates, axis=0).max() < 1e-9
    else:
        assert np.ptp([p[g == a].mean() for a in np.unique(g)]) < 1e-9
    error = np.mean(np.where(y == 1, 1 - p, p))
    assert error == pytest.approx(ours.cost_)

    class Given(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.fitted_ = True
            self.classes_ = np.array([0, 1])
            return self

        def predict(self, X):
            return np.asarray(X)[:, 0]

    library = ThresholdOptimizer(
        estimator=Given(),
        constraints=constraint,
        prefit=False,
        predict_method="predict",
    ).fit(s[:, None], y, sensitive_features=g)
    q = library._pmf_predict(s[:, None], sensitive_features=g)[:, 1]
    assert error <= np.mean(np.where(y == 1, 1 - q, q)) + 1e-9


def test_by_trying_mixtures_of_two_thresholds():
    """Brute force: every pair of points of each hull, at each common rate of a grid."""
    y, s, g, _ = sample(n=300)
    keep = g != "c"
    y, s, g = y[keep], s[keep].round(1), g[keep]
    for cp, cn in ((1.0, 1.0), (1.0, 3.0)):
        ours = FairThresholds("equal_opportunity", cp, cn).fit(y, s, g)
        grid, best = np.linspace(0, 1, 4001), 0.0
        for a in ("a", "b"):
            _, f, h = roc_points(y[g == a].astype(bool), s[g == a])
            least = np.full(grid.size, np.inf)  # smallest FPR at each TPR
            for i in range(f.size):
                for j in range(i, f.size):
                    inside = (grid >= h[i]) & (grid <= h[j])
                    t = (grid[inside] - h[i]) / max(h[j] - h[i], 1e-12)
                    at = f[i] + t * (f[j] - f[i])
                    least[inside] = np.minimum(least[inside], at)
            pi, q = y[g == a].mean(), (g == a).mean()
            best = best + q * (cp * (1 - pi) * least + cn * pi * (1 - grid))
        assert ours.cost_ == pytest.approx(best.min(), abs=2e-4)
        assert ours.cost_ <= best.min() + 1e-9
        tprs = [h for _, h in ours.rates_.values()]
        assert np.ptp(tprs) < 1e-9


def test_three_groups_and_a_score_worse_than_chance():
    """Group c ranks backwards: the others are brought to its hull, exactly."""
    y, s, g, _ = sample()
    s = np.where(g == "c", 1 - s, s)
    ours = FairThresholds().fit(y, s, g)
    rates = np.array(list(ours.rates_.values()))
    assert np.ptp(rates, axis=0).max() < 1e-9
    used = sum(t.size for t, _ in ours.mix_.values())
    assert used <= 3 * 3 - 2
    for _, w in ours.mix_.values():
        assert w.sum() == pytest.approx(1)


def test_unequal_costs_move_the_rule():
    y, s, g, _ = sample()
    mild = FairThresholds(cost_fp=1).fit(y, s, g)
    strict = FairThresholds(cost_fp=5).fit(y, s, g)
    assert next(iter(strict.rates_.values()))[0] < next(iter(mild.rates_.values()))[0]


def test_decisions_are_drawn_with_the_stated_chance():
    y, s, g, _ = sample()
    rule = FairThresholds().fit(y, s, g)
    p = rule.probability(s, g)
    drawn = np.mean(
        [rule.predict(s, g, rng=np.random.default_rng(i)) for i in range(200)], axis=0
    )
    z = (drawn - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12) / 200)
    assert np.abs(z[(p > 0.01) & (p < 0.99)]).max(initial=0) < 5.5
    assert (drawn[p == 0] == 0).all() and (drawn[p == 1] == 1).all()
