"""Metrics with errors: references, derivatives, weights as copies, coverage."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics as sk

from streamrec.evaluation import estimates as est
from streamrec.evaluation import report
from streamrec.evaluation.classification import (
    auc_interval,
    calibration,
    loss_difference,
)
from streamrec.stats.intervals import wilson

GRID = np.linspace(0.02, 0.98, 49)


def sample(n=400, seed=0, users=None):
    """y, p (rounded: ties), weights, cluster codes; the outcomes of a user depend."""
    rng = np.random.default_rng(seed)
    g = np.arange(n) if users is None else rng.integers(0, users, n)
    g = np.unique(g, return_inverse=True)[1]
    z = rng.normal(size=n) - 0.8
    p = GRID[np.searchsorted(GRID[:-1], 1 / (1 + np.exp(-z)))]
    y = (rng.random(n) < p).astype(float)
    return y, p, rng.gamma(2.0, 1.0, n), g


def classes(n=300, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 2, 3], n)
    y = np.array([rng.choice(3, p=row) for row in p], float)
    return y, p, rng.gamma(2.0, 1.0, n)


def test_values_are_those_of_scikit_learn_with_weights():
    y, p, w, _ = sample()
    s = p >= 0.3
    names = ("accuracy", "precision", "recall", "f1", "specificity")
    cut = {k: est.at_threshold(k, y, p, w, 0.3)[0] for k in names}
    pairs = [
        (est.auc(y, p, w)[0], sk.roc_auc_score(y, p, sample_weight=w)),
        (est.average_precision(y, p, w)[0],
         sk.average_precision_score(y, p, sample_weight=w)),
        (est.log_loss(y, p, w)[0], sk.log_loss(y, p, sample_weight=w)),
        (est.brier(y, p, w)[0], sk.brier_score_loss(y, p, sample_weight=w)),
        (est.explained(y, p, w)[0], sk.r2_score(y, p, sample_weight=w)),
        (cut["accuracy"], sk.accuracy_score(y, s, sample_weight=w)),
        (cut["precision"], sk.precision_score(y, s, sample_weight=w)),
        (cut["recall"], sk.recall_score(y, s, sample_weight=w)),
        (cut["f1"], sk.f1_score(y, s, sample_weight=w)),
        (cut["specificity"], sk.recall_score(1 - y, ~s, sample_weight=w)),
        (est.root_mean_square(y, p, w)[0],
         np.sqrt(np.average((y - p) ** 2, weights=w))),
    ]  # fmt: skip
    for mine, theirs in pairs:
        assert mine == pytest.approx(theirs, rel=1e-12)
    y, p, w = classes()
    ovr = sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
    assert est.macro_auc(y, p, np.ones(len(y)))[0] == pytest.approx(ovr)
    right = sk.balanced_accuracy_score(y, p.argmax(1), sample_weight=w)
    assert est.balanced_accuracy(y, p, w)[0] == pytest.approx(right)
    theirs = sk.log_loss(y, p, sample_weight=w)
    assert est.log_loss(y, p, w)[0] == pytest.approx(theirs)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_contribution_is_the_derivative_with_respect_to_the_weight(kind):
    y, p, w = classes() if kind == "multiclass" else sample()[:3]
    for metric in est.metrics(kind, 0.3):
        value, c = metric.function(y, p, w)
        assert abs(c.sum()) < 1e-12, metric.name
        for i in (3, 50, 117):
            more = w.copy()
            more[i] += 1e-6
            slope = (metric.function(y, p, more)[0] - value) / 1e-6
            assert slope == pytest.approx(c[i] / w[i], abs=1e-6), metric.name


def test_independent_rows_give_the_error_of_delong():
    y, p, _, g = sample(800)
    e = est.estimate(est.auc(y, p, np.ones(800)), g)
    area, low, high = auc_interval(y, p)
    assert e.value == pytest.approx(area)
    assert e.se == pytest.approx((high - low) / 2 / stats.norm.ppf(0.975), rel=0.01)


def test_clustered_errors_of_means_and_recalibration_are_those_of_statsmodels():
    y, p, _, g = sample(600, users=90)
    ones = np.ones(600)
    e = est.estimate(est.mean(y - p, ones), g)
    fit = sm.OLS(y - p, ones).fit(
        cov_type="cluster", cov_kwds={"groups": g, "use_correction": True}
    )
    # statsmodels' correction has a further factor (n - 1) / (n - k)
    assert e.se == pytest.approx(fit.bse[0], rel=1e-3)
    x = sm.add_constant(np.log(p / (1 - p)))
    fit = sm.GLM(y, x, sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": g}
    )
    parts = est.recalibration(y, p, ones, logistic=True)
    for part, value, se in zip(parts, fit.params, fit.bse, strict=True):
        e = est.estimate(part, g)
        assert e.value == pytest.approx(value, rel=1e-6)
        assert e.se == pytest.approx(se, rel=0.005)
    fit = sm.OLS(y, sm.add_constant(p)).fit(
        cov_type="cluster", cov_kwds={"groups": g, "df_correction": False}
    )
    slope = est.estimate(est.recalibration(y, p, ones, logistic=False)[1], g)
    assert slope.value == pytest.approx(fit.params[1])
    assert slope.se == pytest.approx(fit.bse[1], rel=0.005)


def test_a_paired_difference_is_the_clustered_one_of_chapter_6():
    y, p, _, g = sample(500, users=80)
    q = np.clip(p + 0.1, 0, 0.97)
    ones = np.ones(500)
    both = est.contrast(
        [est.log_loss(y, p, ones), est.log_loss(y, q, ones)], np.array([1.0, -1.0])
    )
    theirs = loss_difference(y, p, q, g)
    assert both[0] == pytest.approx(theirs.difference)
    assert est.cluster_error(both[1], g) == pytest.approx(theirs.se)


def test_a_weight_of_two_is_the_row_twice_in_one_cluster():
    y, p, _, g = sample(200)
    w = np.where(np.arange(200) % 3 == 0, 2.0, 1.0)
    k = np.repeat(np.arange(200), w.astype(int))
    for metric in est.metrics("binary", 0.4):
        a, b = metric.function(y, p, w), metric.function(y[k], p[k], np.ones(k.size))
        assert a[0] == pytest.approx(b[0])
        mine, theirs = est.cluster_error(a[1], g), est.cluster_error(b[1], g[k])
        assert mine == pytest.approx(theirs)


def test_the_error_is_that_of_the_cluster_bootstrap():
    y, p, _, g = sample(600, users=100)
    y = np.where(g % 4 == 0, 1 - y, y)  # users differ
    ones, rng = np.ones(600), np.random.default_rng(1)
    drawn = {"auc": [], "average_precision": []}
    for _ in range(400):
        times = np.bincount(rng.integers(0, g.max() + 1, g.max() + 1),
                            minlength=g.max() + 1)[g]  # fmt: skip
        use = times > 0
        for name, values in drawn.items():
            f = getattr(est, name)
            values.append(f(y[use], p[use], times[use].astype(float))[0])
    for name, values in drawn.items():
        se = est.cluster_error(getattr(est, name)(y, p, ones)[1], g)
        assert se == pytest.approx(np.std(values), rel=0.12)


def test_edges_are_undefined_or_wilson_and_never_zero_wide():
    y, p, w, g = sample()
    assert np.isnan(est.auc(np.ones(400), p, w)[0])
    assert np.isnan(est.average_precision(np.zeros(400), p, w)[0])
    one = np.r_[1.0, np.zeros(399)]
    assert np.isnan(est.estimate(est.auc(one, p, w), g, strata=one).low)
    assert np.isnan(est.estimate(est.auc(y, y, w), g, strata=y, share=True).low)
    five = np.r_[np.ones(5), np.zeros(395)]  # all five positives found
    e = est.rate(est.at_threshold("recall", five, five, w, 0.5), g, five == 1)
    assert e.value == 1 and e.high == 1 and e.low == pytest.approx(wilson(5, 5).low)
    assert np.isnan(est.recalibration(y, np.full(400, 0.3), w, logistic=True)[1][0])
    apart = np.where(y == 1, 0.9, 0.2)
    assert np.isnan(est.recalibration(y, apart, w, logistic=True)[1][0])
    with pytest.raises(KeyError):
        est.at_threshold("kappa", y, p, w, 0.5)
    with pytest.raises(ValueError, match="kind"):
        est.metrics("ranking")


def test_a_rate_of_independent_rows_is_that_of_wilson():
    y = (np.arange(300) < 40).astype(float)
    e = est.rate(est.mean(y, np.ones(300)), np.arange(300), y >= 0)
    low, high = wilson(40, 300)
    assert e.low == pytest.approx(low, abs=2e-4)
    assert e.high == pytest.approx(high, abs=3e-4)
    twice = est.rate(est.mean(np.tile(y, 2), np.ones(600)), np.tile(np.arange(300), 2),
                     np.ones(600, bool))  # fmt: skip
    assert twice.interval == pytest.approx(e.interval)  # copies in clusters: no news
    assert np.isnan(est.rate((est.NAN, 0 * y), np.arange(300), y > 2).low)
    one = est.rate(est.mean(np.ones(5), np.ones(5)), np.zeros(5, int), np.ones(5, bool))
    assert one.low == pytest.approx(wilson(1, 1)[0])  # one cluster: one trial


def judged(seed, n=500, users=250, own=1.0):
    """One report of a world with users, and the calibrated score's true AUC."""
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, users, n), rng.normal(size=n)
    mean = -1 + 0.9 * x
    y = mean + own * rng.normal(size=users)[g] + rng.normal(size=n) > 0
    p = stats.norm.cdf(mean / np.sqrt(1 + own**2))
    noisy = stats.norm.cdf((mean + 0.5 * rng.normal(size=n)) / np.sqrt(1 + own**2))
    return pd.DataFrame(
        {"y": y.astype(int), "p": p, "q": noisy, "u": g, "t": rng.integers(0, 40, n),
         "s": rng.choice(["a", "b", "c"], users)[g]}
    )  # fmt: skip


def test_intervals_cover_and_tests_keep_their_level():
    """200 worlds: each share within 3.3 binomial errors of what it should be.

    Tests of slices may be conservative; their level is bounded from above.
    """
    runs, big = 200, judged(10**6, n=400_000, users=200_000)
    truth = {
        "auc": sk.roc_auc_score(big["y"], big["p"]),
        "average_precision": sk.average_precision_score(big["y"], big["p"]),
        "log_loss": sk.log_loss(big["y"], big["p"]),
    }
    worse = truth["auc"] - sk.roc_auc_score(big["y"], big["q"])
    covered = dict.fromkeys([*truth, "difference"], 0)
    alarms = dict.fromkeys(["calibration", "slices", "drift"], 0)
    for seed in range(runs):
        r = report.evaluate(
            judged(seed), label="y", predictions=["p", "q"], cluster="u", time="t",
            slices=["s"],
        )  # fmt: skip
        found = {m["metric"]: m for m in r["metrics"] if m["model"] == "p"}
        for name, value in truth.items():
            covered[name] += found[name]["low"] <= value <= found[name]["high"]
        (d,) = [c for c in r["comparisons"] if c["metric"] == "auc"]
        covered["difference"] += d["low"] <= worse <= d["high"]
        alarms["calibration"] += r["calibration"][0]["p_value"] < 0.05
        alarms["slices"] += any(x["quality_p"] < 0.05 for x in r["slices"])
        alarms["drift"] += any(x["p_adjusted"] < 0.05 for x in r["drift"]["trends"])
    error = 3.3 * np.sqrt(0.05 * 0.95 / runs)
    for name, count in covered.items():
        assert abs(count / runs - 0.95) < error, (name, count / runs)
    for name, count in alarms.items():
        assert count / runs < 0.05 + error, (name, count / runs)
    assert alarms["calibration"] / runs > 0.05 - error


def test_calibration_is_that_of_chapter_6_and_knows_its_own_bias():
    y, p, _, _ = sample(1_000)
    t = pd.DataFrame({"y": y.astype(int), "p": p})
    mine = report.evaluate(t, label="y", predictions=["p"])["calibration"][0]
    theirs = calibration(y, p)
    assert mine["ece"] == pytest.approx(theirs.ece)
    assert mine["slope"] == pytest.approx(theirs.slope)
    assert mine["intercept"] == pytest.approx(theirs.intercept)
    assert [b["observed"] for b in mine["bins"]] == pytest.approx(theirs.observed)
    assert [b["low"] for b in mine["bins"]] == pytest.approx(theirs.low, rel=0.05)
    found = []
    for seed in range(40):
        y, p, _, _ = sample(500, seed=seed)
        t = pd.DataFrame({"y": y.astype(int), "p": p})
        c = report.evaluate(t, label="y", predictions=["p"])["calibration"][0]
        found.append((c["ece"], c["ece_chance"]))
    ece, chance = np.mean(found, axis=0)
    assert ece == pytest.approx(chance, rel=0.1) and chance > 0.02


def test_best_threshold_is_the_cheapest_of_all():
    y, p, w, _ = sample(150)
    t = report.best_threshold(y, p, w, 2.0, 3.0)

    def cost(t):
        return w @ np.where(y == 1, 3.0 * (p < t), 2.0 * (p >= t))

    assert cost(t) == pytest.approx(min(cost(v) for v in [*p, 2.0]))


def test_net_benefit_is_its_definition():
    y, p, _, _ = sample(300)
    t = pd.DataFrame({"y": y.astype(int), "p": p})
    for d in report.evaluate(t, label="y", predictions=["p"])["decision"]:
        act = p >= d["threshold"]
        odds = d["threshold"] / (1 - d["threshold"])
        net = (y[act].sum() - (1 - y[act]).sum() * odds) / 300
        assert d["model"] == pytest.approx(net)
