"""Classification metrics: brute-force twins, scikit-learn, properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from streamrec.evaluation import classification as c


@st.composite
def predictions(draw):
    n = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    p = rng.uniform(size=n).round(draw(st.integers(1, 8)))  # rounding makes ties
    y = (rng.uniform(size=n) < p).astype(int)
    y[:2] = [0, 1]
    return y, p


@given(predictions())
def test_auc_by_brute_force(data):
    y, p = data
    wins = [float(a > b) + 0.5 * float(a == b) for a in p[y == 1] for b in p[y == 0]]
    assert c.auc(y, p) == pytest.approx(np.mean(wins))
    assert c.auc(y, p) == pytest.approx(1 - c.auc(1 - y, p))


@given(predictions())
def test_equal_to_scikit_learn(data):
    y, p = data
    assert c.auc(y, p) == pytest.approx(sk.roc_auc_score(y, p))
    assert c.average_precision(y, p) == pytest.approx(sk.average_precision_score(y, p))
    assert c.brier(y, p) == pytest.approx(sk.brier_score_loss(y, p))
    q = np.clip(p, 1e-15, 1 - 1e-15)
    want = -np.mean([np.log(b if a else 1 - b) for a, b in zip(y, q)])
    assert c.log_loss(y, p) == pytest.approx(want)


@given(predictions())
def test_proper_scores_are_minimised_by_the_event_rate(data):
    y, _ = data
    rate = np.full(y.size, y.mean())
    for shift in (-0.05, 0.05):
        moved = np.clip(rate + shift, 0, 1)
        assert c.brier(y, rate) <= c.brier(y, moved)
        assert c.log_loss(y, rate) <= c.log_loss(y, moved) + 1e-12


def test_delong_covers_and_matches_a_direct_variance():
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1 / np.sqrt(2))  # P(N(1,1) > N(0,1))
    hits = 0
    for _ in range(400):
        y = (rng.uniform(size=150) < 0.4).astype(int)
        _, low, high = c.auc_interval(y, rng.normal(y, 1))
        hits += low <= truth <= high
    assert 365 <= hits <= 395  # 0.95 nominal; false alarm about 2e-3 a side


def test_delong_components_by_loop():
    rng = np.random.default_rng(1)
    y = np.array([1, 0, 1, 1, 0, 0, 1, 0])
    p = rng.integers(0, 5, 8) / 4
    pos, neg = p[y == 1], p[y == 0]
    psi = np.array([[float(a > b) + 0.5 * float(a == b) for b in neg] for a in pos])
    var = psi.mean(1).var(ddof=1) / 4 + psi.mean(0).var(ddof=1) / 4
    area, low, high = c.auc_interval(y, p)
    assert area == pytest.approx(psi.mean())
    assert (high - low) / 2 == pytest.approx(1.959964 * np.sqrt(var), rel=1e-6)


def test_calibration_bins_and_slope():
    rng = np.random.default_rng(2)
    p = rng.beta(2, 5, 20_000)
    y = (rng.uniform(size=p.size) < p).astype(int)
    good = c.calibration(y, p)
    assert good.count.sum() == p.size and np.ptp(good.count) <= 1
    assert good.ece < 0.015 and abs(good.slope - 1) < 0.1
    assert (good.low <= good.observed).all() and (good.observed <= good.high).all()
    logit = np.log(p / (1 - p))
    sharp = 1 / (1 + np.exp(-2 * logit))  # too confident: slope one half
    bad = c.calibration(y, sharp)
    assert bad.slope == pytest.approx(good.slope / 2, rel=1e-6)
    assert bad.ece > 3 * good.ece and bad.worst > good.worst
    library = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], y)
    assert good.slope == pytest.approx(library.coef_[0, 0], rel=1e-4)
    assert good.intercept == pytest.approx(library.intercept_[0], abs=1e-4)


def test_bins_have_equal_count_and_hold_neighbours():
    p = np.random.default_rng(8).permutation(np.arange(1, 41) / 50)
    shape = c.calibration((p > 0.4).astype(int), p, bins=4)
    assert shape.count.tolist() == [10, 10, 10, 10]
    want = np.sort(p).reshape(4, 10).mean(axis=1)
    np.testing.assert_allclose(shape.predicted, want)
    assert c.calibration((p > 0.4).astype(int), p).count.tolist() == [4] * 10


def test_certain_and_wrong_is_finite():
    far = -np.log(1e-15)
    np.testing.assert_allclose(c.log_loss_each([0, 1], [1.0, 0.0]), far, rtol=1e-2)
    y = np.array([1, 0, 1, 0, 1, 0])
    assert np.isfinite(c.calibration(y, [1.0, 1.0, 0.0, 0.0, 0.7, 0.3]).slope)


def test_recalibration_is_newtons_method():
    rng = np.random.default_rng(9)
    p = rng.uniform(0.1, 0.9, 500)
    y = rng.uniform(size=500) < p**2
    quick = c._recalibration(y, p, steps=8)
    assert quick == pytest.approx(c._recalibration(y, p), rel=1e-9)


def test_two_of_a_kind_are_enough():
    assert np.isfinite(c.auc_interval([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.8])).all()
    two = c.loss_difference([0, 1, 0, 1], [0.1, 0.3, 0.4, 0.8], [0.5] * 4, [1, 1, 2, 2])
    assert np.isfinite([two.se, *two.interval]).all()


def test_wilson_interval_known_value():
    shape = c.calibration([1] * 3 + [0] * 7, [0.3] * 10)
    assert (shape.low[0], shape.high[0]) == pytest.approx((0.1078, 0.6032), abs=1e-4)
    assert shape.predicted[0] == pytest.approx(0.3) and shape.ece == pytest.approx(0)
    assert len(shape.frame()) == 1


def test_undefined_is_nan_and_bad_input_is_named():
    assert np.isnan(c.auc([1, 1], [0.2, 0.3]))
    assert np.isnan(c.average_precision([0, 0], [0.2, 0.3]))
    assert np.isnan(c.auc_interval([1, 0], [0.2, 0.3])[0])
    assert np.isnan(c.calibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]).slope)
    for y, p, message in [
        ([0, 2], [0.1, 0.2], "only 0 and 1"),
        ([0, 1], [0.1, 1.2], r"\[0, 1\]"),
        ([0, 1], [0.1, np.nan], "not finite"),
        ([0, 1], [0.1], "shape"),
        ([], [], "empty"),
    ]:
        with pytest.raises(ValueError, match=message):
            c.summary(y, p)


def test_loss_difference_by_hand_and_against_paired_rows():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 40)
    a, b = rng.uniform(0.1, 0.9, (2, 40))
    user = rng.integers(0, 7, 40)
    got = c.loss_difference(y, a, b, user)
    d = c.log_loss_each(y, a) - c.log_loss_each(y, b)
    total = sum(d[user == u].sum() - (user == u).sum() * d.mean() for u in range(7))
    assert total == pytest.approx(0, abs=1e-12)
    var = sum((d[user == u] - d.mean()).sum() ** 2 for u in range(7)) * 7 / 6 / 40**2
    assert (got.difference, got.se) == pytest.approx((d.mean(), np.sqrt(var)))
    t = stats.t.ppf(0.975, 6)
    assert got.interval == pytest.approx((d.mean() - t * got.se, d.mean() + t * got.se))
    assert (got.n, got.clusters) == (40, 7) and "7 clusters" in str(got)
    alone = c.loss_difference(y, a, b, np.arange(40))  # every row its own cluster
    assert alone.se == pytest.approx(d.std(ddof=1) / np.sqrt(40))
    back = c.loss_difference(y, b, a, user)
    assert back.difference == pytest.approx(-got.difference)
    assert back.clear == got.clear
    wider = c.loss_difference(y, a, b, user, level=0.99)
    assert wider.interval[1] - wider.interval[0] > got.interval[1] - got.interval[0]


def test_loss_difference_undefined_and_bad_input():
    one = c.loss_difference([0, 1], [0.1, 0.2], [0.3, 0.4], [5, 5])
    assert np.isnan(one.se) and np.isnan(one.interval[0]) and not one.clear
    with pytest.raises(ValueError, match="clusters need shape"):
        c.loss_difference([0, 1], [0.1, 0.2], [0.3, 0.4], [5])


def test_clustered_errors_cover_where_independent_ones_do_not():
    rng = np.random.default_rng(5)
    hits = np.zeros(2)
    for _ in range(300):
        user = np.repeat(np.arange(60), 10)
        lean = np.repeat(rng.normal(0, 1, 60), 10)  # a shift of a shared by a user
        y = rng.integers(0, 2, 600)
        a, b = 1 / (1 + np.exp(-lean * (2 * y - 1) * 0.5)), np.full(600, 0.5)
        mu = np.mean(-np.log(1 / (1 + np.exp(-0.5 * NODES)))) - np.log(2)
        for j, by in enumerate((user, np.arange(600))):
            low, high = c.loss_difference(y, a, b, by).interval
            hits[j] += low <= mu <= high
    assert hits[0] >= 267 and hits[1] < 200  # 0.95 nominal; false alarm below 1e-4


NODES = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
