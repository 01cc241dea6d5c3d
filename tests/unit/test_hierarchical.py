"""Closed forms against brute force; limits; what happens to bad input."""

import numpy as np
import pytest
from scipy import stats

from streamrec.bayes import hierarchical as H

Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SE = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
RNG = np.random.default_rng(0)
COUNTS = RNG.multinomial(12, [0.5, 0.3, 0.2], size=30) + RNG.integers(0, 3, (30, 3))


def joint(mu, tau):
    """log p(y | mu, tau), theta integrated out, by scipy."""
    return stats.norm.logpdf(Y, mu, np.sqrt(SE**2 + tau**2)).sum()


def test_marginal_is_the_integral_over_mu():
    mus = np.linspace(-150, 160, 6001)
    taus = np.array([0.5, 4.0, 25.0])
    brute = [np.log(np.exp([joint(m, t) for m in mus]).sum()) for t in taus]
    ours = H.log_marginal(Y, SE, taus)
    np.testing.assert_allclose(np.diff(ours), np.diff(brute), rtol=1e-9)


def test_centre_and_conditional_by_quadrature():
    tau = 6.0
    mus = np.linspace(-80, 90, 4001)
    p = np.exp([joint(m, tau) for m in mus])
    p /= p.sum()
    m, V = H.centre(Y, SE, np.array([tau]))
    assert m[0] == pytest.approx(p @ mus, rel=1e-9)
    assert V[0] == pytest.approx(p @ (mus - p @ mus) ** 2, rel=1e-8)
    # theta_j given mu by its own product of two normals, then averaged over mu
    precision = 1 / SE[:, None] ** 2 + 1 / tau**2
    given = (Y[:, None] / SE[:, None] ** 2 + mus / tau**2) / precision  # (J, mus)
    mean, variance = H.conditional(Y, SE, np.array([tau]))
    np.testing.assert_allclose(mean[0], given @ p, rtol=1e-9)
    spread = 1 / precision[:, 0] + (given**2) @ p - (given @ p) ** 2
    np.testing.assert_allclose(variance[0], spread, rtol=1e-7)


@pytest.mark.parametrize("prior", H.PRIORS)
def test_posterior_of_tau_against_a_plain_grid(prior):
    taus = np.linspace(0.005, 4000, 400_001)
    density = {
        "half-normal": stats.halfnorm(scale=7).logpdf,
        "half-cauchy": stats.halfcauchy(scale=7).logpdf,
        "flat": np.zeros_like,
    }[prior]
    w = np.exp(H.log_marginal(Y, SE, taus) + density(taus))
    w /= w.sum()
    g = H.normal_groups(Y, SE, scale=7, prior=prior, points=4000)
    assert g.weight.sum() == pytest.approx(1)
    for power in (0.5, 1.0):
        assert g.weight @ g.tau**power == pytest.approx(w @ taus**power, rel=1e-3)
    below = g.weight[g.tau < 5].sum()
    assert below == pytest.approx(w[taus < 5].sum(), abs=2e-3)


def test_grid_is_the_midpoint_rule_of_its_substitution():
    tau, log_slope = H._grid(3.0, 8)
    u = (np.arange(8) + 0.5) / 8
    np.testing.assert_allclose(tau / (tau + 3.0), u, rtol=1e-12)
    h = 1e-6
    slope = (3 * (u + h) / (1 - u - h) - 3 * (u - h) / (1 - u + h)) / (2 * h)
    np.testing.assert_allclose(np.exp(log_slope), slope, rtol=1e-8)


def test_a_wide_prior_does_not_starve_the_grid():
    """The grid follows the data where the prior is far wider than they are."""
    wide = H.normal_groups(Y, SE, scale=1e7)
    flat = H.normal_groups(Y, SE, scale=10, prior="flat", points=20_000)
    np.testing.assert_allclose(wide.mean, flat.mean, rtol=2e-3)
    np.testing.assert_allclose(wide.sd, flat.sd, rtol=5e-3)


def test_summaries_of_the_mixture():
    g = H.normal_groups(Y, SE, scale=10)
    rng = np.random.default_rng(1)
    t = rng.choice(g.tau.size, 200_000, p=g.weight)
    draws = g.theta[t] + np.sqrt(g.theta_variance[t]) * rng.normal(size=(len(t), 8))
    np.testing.assert_allclose(g.mean, draws.mean(0), atol=0.12)
    np.testing.assert_allclose(g.sd, draws.std(0), rtol=0.02)
    low, high = g.interval(0.9)
    np.testing.assert_allclose(low, np.quantile(draws, 0.05, axis=0), atol=0.3)
    np.testing.assert_allclose(high, np.quantile(draws, 0.95, axis=0), atol=0.3)


def test_limits_of_pooling():
    tiny = H.normal_groups(Y, SE, scale=1e-6)
    pooled = (Y / SE**2).sum() / (1 / SE**2).sum()
    np.testing.assert_allclose(tiny.mean, pooled, rtol=1e-6)
    assert pooled == pytest.approx(7.69, abs=0.005)
    assert np.sqrt(tiny.mu_variance[0]) == pytest.approx(4.07, abs=0.005)
    spread = H.normal_groups(1000 * Y, SE, scale=1e5)
    np.testing.assert_allclose(spread.mean, 1000 * Y, rtol=1e-3)
    assert (H.shrinkage(SE, 0.0) == 0).all()


def test_empirical_bayes_is_the_peak_of_the_marginal():
    y = Y * 3
    g = H.empirical_bayes(y, SE)
    taus = np.linspace(0, 100, 20_001)
    peak = taus[H.log_marginal(y, SE, taus).argmax()]
    assert g.tau[0] == pytest.approx(peak, abs=0.006)
    assert H.empirical_bayes(Y, SE).tau[0] == 0  # eight schools pool completely
    np.testing.assert_allclose(g.sd, np.sqrt(g.theta_variance[0]))


def test_evidence_equals_scipy_and_its_gradient_a_difference():
    each, total = H.tail_counts(COUNTS)
    alpha = np.array([[1.3, 0.4, 2.0], [0.2, 5.0, 1.0]])
    by_scipy = [
        sum(stats.dirichlet_multinomial.logpmf(x, a, x.sum()) for x in COUNTS)
        for a in alpha
    ]
    ours = H.log_evidence(alpha, each, total)
    ways = sum(stats.multinomial.logpmf(x, x.sum(), np.ones(3) / 3) for x in COUNTS)
    ways += COUNTS.sum() * np.log(3)  # log multinomial coefficients
    np.testing.assert_allclose(ours + ways, by_scipy, rtol=1e-10)
    model, eta, h = H.ColdStart(prior_total=4, prior_spread=0.7), np.log(alpha), 1e-6
    for log_p, slope in (
        (
            lambda e: H.log_evidence(np.exp(e), each, total),
            H.evidence_gradient(alpha, each, total),
        ),
        (
            lambda e: model.log_posterior(e, each, total),
            model.gradient(eta, each, total),
        ),
    ):
        up = np.array([log_p(eta + h * e) - log_p(eta - h * e) for e in np.eye(3)])
        np.testing.assert_allclose(slope, up.T / (2 * h), rtol=1e-6)
    prior = model.log_posterior(eta, each, total) - ours
    want = stats.norm.logpdf(eta, np.log(4 / 3), 0.7).sum(1)
    assert prior[0] - prior[1] == pytest.approx(want[0] - want[1], rel=1e-10)


def test_bayes_agrees_with_importance_sampling_from_the_prior():
    few = COUNTS[:3, :2]
    model = H.ColdStart(draws=4000, warmup=500).fit(few, rng=np.random.default_rng(2))
    assert model.rhat_.max() < 1.01 and model.ess_.min() > 1000
    rng = np.random.default_rng(3)
    eta = np.log(5 / 2) + 1.5 * rng.normal(size=(400_000, 2))
    new = np.array([[2, 0]])
    logs = H.log_evidence(np.exp(eta), *H.tail_counts(np.vstack([few, new])))
    w = np.exp(logs - logs.max())
    alpha = np.exp(eta)
    want = w @ ((alpha[:, 0] + 2) / (alpha.sum(1) + 2)) / w.sum()
    assert model.preference(new)[0, 0] == pytest.approx(want, abs=0.01)


def test_preferences_are_pooled_and_normalised():
    model = H.ColdStart(method="empirical").fit(COUNTS)
    a = model.alpha_[0]
    x = np.array([[0, 0, 0], [4, 0, 1]])
    want = (a + x) / (a.sum() + x.sum(1))[:, None]
    np.testing.assert_allclose(model.preference(x), want)
    category, popularity = np.array([0, 1, 2, 2, 0]), np.array([3, 1, 1, 3, 1.0])
    p = model.items(x, category, popularity)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(p[:, 0] / p[:, 4], 3)
    np.testing.assert_allclose(p[:, 2] + p[:, 3], want[:, 2])


@pytest.mark.parametrize("x", [[0, 1, 0], [4, 0, 1], [900, 20, 1]])
def test_a_users_own_counts_weigh_the_draws_of_alpha(x):
    """Two draws of alpha: Bayes' rule by scipy, also for a long record."""
    model, x = H.ColdStart(), np.array(x)
    model.alpha_ = np.array([[3.0, 0.5, 0.2], [0.4, 0.6, 5.0]])
    fit = [stats.dirichlet_multinomial.logpmf(x, a, x.sum()) for a in model.alpha_]
    w = np.exp(fit - np.max(fit))
    share = (model.alpha_ + x) / (model.alpha_.sum(1) + x.sum())[:, None]
    np.testing.assert_allclose(model.preference([x])[0], w @ share / w.sum())


def test_maximum_of_the_evidence_is_a_maximum():
    each, total = H.tail_counts(COUNTS)
    best = H._maximise(each, total)
    value = H.log_evidence(best[None], each, total)
    for change in (0.99, 1.01):
        for k in range(3):
            other = best.copy()
            other[k] *= change
            assert H.log_evidence(other[None], each, total) < value


def test_bad_input_is_named():
    ok = dict(scale=1.0)
    with pytest.raises(ValueError, match="improper posterior: the likelihood stays"):
        H.normal_groups(Y, SE, prior="log-flat", **ok)
    with pytest.raises(ValueError, match="fewer than 3 groups"):
        H.normal_groups(Y[:2], SE[:2], prior="flat", **ok)
    with pytest.raises(ValueError, match="improper prior"):
        H.normal_groups(Y, SE, scale=np.inf)
    with pytest.raises(ValueError, match="prior must be one of"):
        H.normal_groups(Y, SE, prior="wide", **ok)
    with pytest.raises(ValueError, match="standard errors must be positive"):
        H.normal_groups(Y, 0 * SE, **ok)
    with pytest.raises(ValueError, match="finite"):
        H.empirical_bayes(np.full(3, np.nan), np.ones(3))
    with pytest.raises(ValueError, match="two vectors"):
        H.empirical_bayes([1.0], [1.0])
    with pytest.raises(ValueError, match="points"):
        H.normal_groups(Y, SE, points=3, **ok)
    with pytest.raises(ValueError, match="level"):
        H.normal_groups(Y, SE, **ok).interval(1.0)
    with pytest.raises(ValueError, match="flat prior on log alpha is improper"):
        H.ColdStart(prior_spread=np.inf)
    with pytest.raises(ValueError, match="prior_total"):
        H.ColdStart(prior_total=0)
    with pytest.raises(ValueError, match="method"):
        H.ColdStart(method="guess")
    with pytest.raises(ValueError, match="all counts are zero"):
        H.ColdStart(method="empirical").fit(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="whole numbers"):
        H.ColdStart(method="empirical").fit([[0.5, 1], [1, 1]])
    with pytest.raises(ValueError, match="give fit an rng"):
        H.ColdStart().fit(COUNTS)
    with pytest.raises(ValueError, match="not fitted"):
        H.ColdStart().preference([[1, 2]])
    model = H.ColdStart(method="empirical").fit(COUNTS)
    with pytest.raises(ValueError, match="3 categories"):
        model.preference([[1, 2]])
    with pytest.raises(ValueError, match="popularity positive"):
        model.items(COUNTS, [0, 1, 2], [1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match=r"category must lie in 0\.\.2"):
        model.items(COUNTS, [0, 1, 3], np.ones(3))
