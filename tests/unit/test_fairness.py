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


def test_wilson_solves_the_score_equation():
    """At each end p, |k/n - p| is z sqrt(p (1 - p) / n): Wilson's definition."""
    k, n = np.array([1, 7, 40, 99]), np.array([10, 20, 300, 100])
    for level in (0.8, 0.95):
        z = stats.norm.ppf((1 + level) / 2)
        for p in m.wilson(k, n, level=level):
            np.testing.assert_allclose(abs(k / n - p), z * np.sqrt(p * (1 - p) / n))


def test_impact_ratio_interval_covers():
    """Fixed reference and ratio 0.8: the log interval covers about 95 %."""
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(500):
        g = np.repeat(["hi", "lo"], [400, 250])
        yhat = rng.uniform(size=650) < np.where(g == "hi", 0.6, 0.48)
        (ratio,) = m.impact_ratios(yhat.astype(int), g)
        hits += ratio.low <= (0.8 if ratio.group == "lo" else 1.25) <= ratio.high
    assert 458 <= hits <= 489


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
    fair = m.group_exposure(["x"] * 3 + ["y"], [1] * 4, pd.Series({"x": 3, "y": 1}))
    assert m.gini(fair["per_item"]) == pytest.approx(0)


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
