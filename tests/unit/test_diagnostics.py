"""Our diagnostics equal literal loops and ArviZ's, and mean what they say."""

import warnings
from statistics import NormalDist, fmean, variance

import numpy as np
import pytest

from streamrec.bayes import diagnostics as dg


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


def loops_ess(chains):
    """Effective draws of lists of numbers by the formulas, without arrays."""
    C, S = len(chains), len(chains[0])
    means = [fmean(c) for c in chains]
    gamma = [
        fmean(
            sum((c[i] - m) * (c[i + t] - m) for i in range(S - t)) / S
            for c, m in zip(chains, means)
        )
        for t in range(S)
    ]
    within = gamma[0] * S / (S - 1)
    total = gamma[0] + (variance(means) if C > 1 else 0.0)
    rho = [1.0] + [1 - (within - g) / total for g in gamma[1:]]
    pairs = [rho[2 * k] + rho[2 * k + 1] for k in range(max(1, (S - 1) // 2))]
    stop = next((k for k, p in enumerate(pairs) if p < 0), len(pairs) - 1)
    kept = [min(pairs[: k + 1]) for k in range(stop)]
    tau = -1 + 2 * sum(kept) + (max(rho[2 * stop], 0.0) if stop else 0.0)
    return C * S / max(tau, 1 / np.log10(C * S))


def loops_scores(chains):
    """Normal scores of the pooled ranks, ties sharing the mean rank."""
    pool = sorted(v for c in chains for v in c)
    first, n = {}, len(pool)
    for i, v in enumerate(pool):
        first.setdefault(v, i)
    rank = {v: first[v] + (pool.count(v) + 1) / 2 for v in first}
    z = NormalDist().inv_cdf
    return [[z((rank[v] - 0.375) / (n + 0.25)) for v in c] for c in chains]


def halves(x):
    """First and last halves of every chain, as lists."""
    h = len(x[0]) // 2
    return [list(c[:h]) for c in x] + [list(c[-h:]) for c in x]


def loops_rhat(chains):
    """Between against within, without arrays."""
    S, means = len(chains[0]), [fmean(c) for c in chains]
    W = fmean(variance(c) for c in chains)
    return (((S - 1) / S * W + variance(means)) / W) ** 0.5


SHORT = {
    "sticky": ar1(0.8, chains=3, draws=60, seed=11).round(2),
    "antithetic": ar1(-0.7, chains=2, draws=41, seed=12),
    "alternating": np.tile([1.0, -1.0, 1.1, -0.9], (2, 8)),
    "one chain": ar1(0.4, chains=1, draws=48, seed=13),
    "shifted": ar1(0.1, chains=3, draws=40, seed=14) + np.arange(3)[:, None],
    "spread": ar1(0.1, chains=3, draws=40, seed=15) * np.array([[1], [1], [4]]),
    "drifting": ar1(0.2, chains=2, draws=40, seed=16) + np.arange(40) / 8,
    "trend": np.cumsum(ar1(0.5, chains=2, draws=14, seed=17) ** 2, axis=1),
    "tiny": ar1(0.0, chains=2, draws=4, seed=18),
}


@pytest.mark.parametrize("name", SHORT)
def test_equal_to_literal_loops(name):
    x = SHORT[name]
    parts = halves(x)
    away = [[abs(v - np.median(parts)) for v in c] for c in parts]
    scores = [loops_scores(c) for c in (parts, away)]
    np.testing.assert_allclose(dg.rank_normalise(np.array(parts)), scores[0], rtol=1e-9)
    assert dg._ess(x) == pytest.approx(loops_ess(x.tolist()), rel=1e-8)
    assert dg.ess_bulk(x) == pytest.approx(loops_ess(scores[0]), rel=1e-8)
    assert dg._rhat(np.array(parts)) == pytest.approx(loops_rhat(parts), rel=1e-10)
    assert dg.rhat(x) == pytest.approx(max(map(loops_rhat, scores)), rel=1e-8)
    sd = variance(x.ravel().tolist()) ** 0.5
    assert dg.mcse_mean(x) == pytest.approx(sd / loops_ess(parts) ** 0.5, rel=1e-8)
    sides = []
    for q in (0.05, 0.95):
        below = halves((x <= np.quantile(x, q)).astype(float))
        same = len({v for c in below for v in c}) == 1
        sides.append(float(np.size(below)) if same else loops_ess(below))
    assert dg.ess_tail(x) == pytest.approx(min(sides), rel=1e-8)


def test_more_draws_than_there_are_come_only_up_to_a_limit():
    """Antithetic draws: tau is never taken below 1 / log10(n)."""
    x = np.tile([1.0, -1.0], (4, 50)) + np.linspace(0, 1e-3, 100)
    assert dg._ess(x) == pytest.approx(400 * np.log10(400), rel=1e-9)


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


@pytest.mark.parametrize("name", CASES)
def test_equal_to_arviz(name):
    warnings.filterwarnings("ignore", category=FutureWarning, module="arviz")
    az = pytest.importorskip("arviz")
    x = CASES[name]
    if len(x) > 1:  # ArviZ refuses one chain; ours compares its halves
        assert dg.rhat(x) == pytest.approx(az.rhat(x, method="rank"), rel=1e-10)
    assert dg.ess_bulk(x) == pytest.approx(az.ess(x, method="bulk"), rel=1e-8)
    assert dg.ess_tail(x) == pytest.approx(az.ess(x, method="tail"), rel=1e-8)
    assert dg.mcse_mean(x) == pytest.approx(az.mcse(x, method="mean"), rel=1e-8)
