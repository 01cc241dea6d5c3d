"""Our diagnostics equal ArviZ's, and mean what they say."""

import warnings

import numpy as np
import pytest

warnings.filterwarnings("ignore", category=FutureWarning, module="arviz")
az = pytest.importorskip("arviz")

from streamrec.bayes import diagnostics as dg  # noqa: E402


def ar1(phi, chains=4, draws=1000, seed=0):
    rng = np.random.default_rng(seed)
    x = np.zeros((chains, draws))
    x[:, 0] = rng.normal(size=chains) / np.sqrt(1 - phi**2)
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + rng.normal(size=chains)
    return x


CASES = {
    "independent": ar1(0.0),
    "sticky": ar1(0.9, seed=1),
    "antithetic": ar1(-0.6, seed=2),
    "short": ar1(0.3, chains=2, draws=37, seed=3),
    "one chain": ar1(0.5, chains=1, draws=501, seed=4),
    "cauchy": np.random.default_rng(5).standard_cauchy((3, 400)),
    "stuck apart": ar1(0.2, seed=6) + np.arange(4)[:, None],
    "rounded": ar1(0.7, seed=7).round(1),
}


@pytest.mark.parametrize("name", CASES)
def test_equal_to_arviz(name):
    x = CASES[name]
    if len(x) > 1:  # ArviZ refuses one chain; ours compares its halves
        assert dg.rhat(x) == pytest.approx(az.rhat(x, method="rank"), rel=1e-10)
    assert dg.ess_bulk(x) == pytest.approx(az.ess(x, method="bulk"), rel=1e-8)
    assert dg.ess_tail(x) == pytest.approx(az.ess(x, method="tail"), rel=1e-8)
    assert dg.mcse_mean(x) == pytest.approx(az.mcse(x, method="mean"), rel=1e-8)


def test_ess_of_ar1_is_the_known_ratio():
    """An AR(1) chain has tau = (1 + phi) / (1 - phi)."""
    for phi in (0.0, 0.5, 0.8):
        x = ar1(phi, chains=8, draws=20_000, seed=8)
        want = x.size * (1 - phi) / (1 + phi)
        assert dg.ess_bulk(x) == pytest.approx(want, rel=0.1)


def test_rhat_sees_a_shift_and_a_spread():
    rng = np.random.default_rng(9)
    good = rng.normal(size=(4, 1000))
    assert dg.rhat(good) < 1.01
    shift, spread = good.copy(), good.copy()
    shift[0] += 0.5
    spread[0] *= 2
    assert dg.rhat(shift) > 1.02 and dg.rhat(spread) > 1.02


def test_autocovariance_by_loop():
    x = ar1(0.4, chains=1, draws=30)
    m = x - x.mean()
    want = [sum(m[0, i] * m[0, i + t] for i in range(30 - t)) / 30 for t in range(30)]
    np.testing.assert_allclose(dg.autocovariance(x)[0], want, atol=1e-12)


def test_undefined_is_nan_with_a_warning():
    for bad in (np.ones((2, 10)), np.full((2, 10), np.nan)):
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(dg.rhat(bad))
        with pytest.warns(UserWarning, match="NaN"):
            assert np.isnan(dg.ess_tail(bad))
    with pytest.raises(ValueError, match="4 or more draws"):
        dg.rhat(np.ones((2, 3)))


def test_ranks_become_normal_scores():
    """Blom's scores of 1..n, ties sharing the mean rank."""
    from statistics import NormalDist

    x = np.array([[3.0, 1.0], [8.0, 1.0]])
    got = dg.rank_normalise(x)
    score = [NormalDist().inv_cdf((r - 0.375) / 4.25) for r in (3, 1.5, 4, 1.5)]
    np.testing.assert_allclose(got.ravel(), score, rtol=1e-12)


def test_split_halves_and_drops_the_middle():
    x = np.arange(14.0).reshape(2, 7)
    want = [[0, 1, 2], [7, 8, 9], [4, 5, 6], [11, 12, 13]]
    assert dg.split(x).tolist() == want


def test_literal_rhat_and_variance_of_the_mean():
    x = CASES["stuck apart"]
    S = x.shape[1]
    W = np.mean([np.var(c, ddof=1) for c in x])
    B = S * np.var([c.mean() for c in x], ddof=1)
    assert dg._rhat(x) == pytest.approx((((S - 1) / S * W + B / S) / W) ** 0.5)
    y = CASES["sticky"]
    assert dg.mcse_mean(y) == pytest.approx(
        y.std(ddof=1) / dg._ess(dg.split(y)) ** 0.5, rel=1e-12
    )
