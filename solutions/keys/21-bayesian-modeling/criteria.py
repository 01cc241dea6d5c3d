"""All criteria of chapter 21, Bayesian Modeling in Practice.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

from statistics import NormalDist

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_close,
    expect_equal,
    expect_error,
    expect_shape,
    numerical_gradient,
)


@criterion(
    "q1", points=2, hint="Write detailed balance with the density of the proposal."
)
def test_detailed_balance(answer, rng):
    """pi(x) Q(x'|x) a(x, x') is symmetric in x and x'"""
    x, new = rng.gamma(2, size=9), rng.gamma(2, size=9)
    log_pi = lambda v: 1.7 * np.log(v) - 1.3 * v
    there = answer.log_accept(log_pi(x), log_pi(new), x, new)
    back = answer.log_accept(log_pi(new), log_pi(x), new, x)
    expect_between([*there, *back], -1e3, 1e3, "the log probability")
    # log-normal proposal: the part that is not symmetric is 1 / (point proposed)
    expect_close(
        log_pi(x) - np.log(new) + there,
        log_pi(new) - np.log(x) + back,
        rtol=1e-9,
        scale=1.0,
        what="the two flows",
    )


@criterion("q1", points=1, hint="A probability is at most one.")
def test_values(answer, rng, reference):
    """the values are right and at most zero"""
    x, new = rng.gamma(2, size=12), rng.gamma(2, size=12)
    a, b = rng.normal(size=12), rng.normal(size=12)
    expect_close(answer.log_accept(a, b, x, new), reference.log_accept(a, b, x, new),
                 rtol=1e-9)


@criterion("q1", points=1, hint="np.minimum lets NaN through.")
def test_nan(answer, rng):
    """a point outside the support is never accepted"""
    x, new = rng.gamma(2, size=3), rng.gamma(2, size=3)
    got = np.asarray(answer.log_accept(rng.normal(size=3), np.full(3, np.nan), x, new))
    expect_shape(got, (3,))
    assert (got == -np.inf).all(), "NaN must give minus infinity"


@criterion("q2", points=1, hint="At tau = 0 all groups share one effect.")
def test_complete_pooling(answer, rng):
    """tau = 0 gives the precision-weighted mean to every group"""
    y, se = rng.normal(size=6) * 4, rng.uniform(0.5, 3, size=6)
    got = answer.partial_pool(y, se, 0.0)
    w = se**-2.0
    expect_close(got["mean"], np.full(6, (w * y).sum() / w.sum()), rtol=1e-9)
    expect_close(got["sd"], np.full(6, w.sum() ** -0.5), rtol=1e-9)


@criterion("q2", points=1, hint="The weights of the centre contain tau.")
def test_means(answer, rng, reference):
    """centre and means are right for any tau"""
    y, se, tau = rng.normal(size=7) * 4, rng.uniform(0.5, 3, size=7), rng.uniform(1, 3)
    got, want = (a.partial_pool(y, se, tau) for a in (answer, reference))
    expect_close(got["centre"], want["centre"], rtol=1e-8)
    expect_close(got["mean"], want["mean"], rtol=1e-8)


@criterion("q2", points=1, hint="The centre is uncertain too.")
def test_sds(answer, rng, reference):
    """standard deviations include the uncertainty of the centre"""
    y, se, tau = rng.normal(size=7) * 4, rng.uniform(0.5, 3, size=7), rng.uniform(1, 3)
    got, want = (a.partial_pool(y, se, tau)["sd"] for a in (answer, reference))
    expect_close(got, want, rtol=1e-8)


@criterion("q2", points=1, hint="Look at the signs of se first.")
def test_bad_se(answer, rng):
    """a standard error of zero is refused"""
    y = rng.normal(size=3)
    expect_error(lambda: answer.partial_pool(y, np.array([1.0, 0.0, 2.0]), 1.0),
                 "ValueError", "a zero standard error")


def problem(rng, D=4):
    A, B = rng.normal(size=(2, D, D))
    P, M_inv = A @ A.T / D + np.eye(D), B @ B.T / D + 0.5 * np.eye(D)
    return rng.normal(size=D), rng.normal(size=D), P, rng.normal(size=D), M_inv


@criterion("q3", points=1, hint="Is your step a palindrome of kicks and drifts?")
def test_reversible(answer, rng):
    """forward, flip, forward, flip is the identity, and the point has moved"""
    q, p, P, mu, M_inv = problem(rng)
    q1, p1 = answer.leapfrog(q, p, P, mu, 0.2, 6, M_inv)
    assert np.abs(np.asarray(q1) - q).max() > 1e-3, "the path must move"
    q2, p2 = answer.leapfrog(q1, -np.asarray(p1), P, mu, 0.2, 6, M_inv)
    expect_close(q2, q, rtol=1e-8, scale=1.0, what="position after the round trip")
    expect_close(-np.asarray(p2), p, rtol=1e-8, scale=1.0, what="momentum")


@criterion("q3", points=2, hint="Which of the two equations contains the mass?")
def test_energy(answer, rng):
    """the energy error falls as the square of the step"""
    q, p, P, mu, M_inv = problem(rng)
    H = lambda a, b: 0.5 * (a - mu) @ P @ (a - mu) + 0.5 * b @ M_inv @ b
    errors = []
    for n in (100, 200):
        a, b = (np.asarray(v) for v in answer.leapfrog(q, p, P, mu, 1 / n, n, M_inv))
        errors.append(abs(H(a, b) - H(q, p)))
    assert errors[0] < 0.05 and errors[1] < 0.3 * errors[0] + 1e-7, "energy is not kept"


@criterion("q3", points=1, hint="Count kicks and drifts of a path of several steps.")
def test_path(answer, rng, reference):
    """the end point is right"""
    q, p, P, mu, M_inv = problem(rng)
    got = answer.leapfrog(q, p, P, mu, 0.15, 7, M_inv)
    want = reference.leapfrog(q, p, P, mu, 0.15, 7, M_inv)
    expect_close(np.hstack([*got]), np.hstack([*want]), rtol=1e-8)


def clicks(rng):
    n = rng.integers(0, 12, size=15)
    return rng.normal(size=2) * 0.7, rng.binomial(n, rng.beta(2, 3, size=15)), n


@criterion("q7", points=2, hint="Differentiate in log a, not in a.")
def test_gradient(answer, rng):
    """the gradient is that of the value"""
    eta, k, n = clicks(rng)
    slope = numerical_gradient(lambda e: answer.evidence(e, k, n)[0], eta)
    assert np.abs(slope).max() > 1e-3, "the value must depend on eta"
    expect_close(answer.evidence(eta, k, n)[1], slope, rtol=1e-4)


@criterion("q7", points=2, hint="Take one click at a time: a Polya urn.")
def test_urn(answer, rng):
    """the evidence is that of an urn"""
    eta, k, n = clicks(rng)
    a, b = np.exp(eta)
    urn = sum(np.log(a + np.arange(x)).sum() + np.log(b + np.arange(m - x)).sum()
              - np.log(a + b + np.arange(m)).sum() for x, m in zip(k, n))
    expect_close(answer.evidence(eta, k, n)[0], urn, rtol=1e-8)


@criterion("q7", points=1, hint="What does a user with no impressions get?")
def test_prediction(answer, rng, reference):
    """predictions are pooled towards the prior mean"""
    eta, k, n = clicks(rng)
    expect_close(answer.predict(eta, k, n), reference.predict(eta, k, n), rtol=1e-9)


@criterion("q8", points=1, hint="Superchains that agree give a value near one.")
def test_agreement(answer, rng):
    """independent draws give a value near one, shifted superchains do not"""
    x = rng.normal(size=(6, 50, 4))
    good = answer.nested_rhat(x)
    expect_between(good, 1.0, 1.05, what="the value for independent draws")
    bad = answer.nested_rhat(x + 2.0 * np.arange(6)[:, None, None])
    expect_between(bad, 2.5, 5.0, what="the value for shifted superchains")


@criterion("q8", points=2, hint="Which axis does each variance run over?")
def test_nested_values(answer, rng, reference):
    """values are right for uneven shapes"""
    for shape in ((4, 7, 5), (3, 5, 1), (5, 1, 6)):
        x = rng.normal(size=shape) + rng.normal(size=(shape[0], 1, 1))
        expect_close(answer.nested_rhat(x), reference.nested_rhat(x), rtol=1e-9)


@criterion("q8", points=2, hint="Two special cases are named in the statement.")
def test_edges(answer, rng):
    """constant draws give NaN, one superchain is refused"""
    value = answer.nested_rhat(np.full((3, 4, 2), rng.normal()))
    assert np.isnan(value), "constant draws must give NaN"
    expect_between(answer.nested_rhat(rng.normal(size=(3, 4, 2))), 0, 1e3)
    expect_error(lambda: answer.nested_rhat(rng.normal(size=(1, 4, 3))), "ValueError",
                 "a single superchain")


@criterion("q8", points=2, hint="A chain's sample variance is too small on average.")
def test_limit(answer, rng, reference):
    """the limit for stationary chains is right"""
    for S in (1, 2, 9):
        m, phi = int(rng.integers(2, 9)), rng.uniform(0.2, 0.9)
        expect_close(answer.stationary_limit(m, S, phi),
                     reference.stationary_limit(m, S, phi), rtol=1e-9)


@criterion("q9", points=1, hint="A density integrates to one, here over (0, 1).")
def test_it_is_a_density(answer, rng):
    """it integrates to one, and not because it is constant"""
    u = (np.arange(20_000) + 0.5) / 20_000
    b, s = rng.uniform(-0.5, 0.5), rng.uniform(0.9, 1.6)
    p = np.asarray(answer.rank_density(u, b, s))
    expect_close(p.mean(), 1.0, rtol=2e-3, what="the integral")
    assert p.std() > 0.05, "a faulty sampler's ranks are not uniform"


@criterion("q9", points=2, hint="Which theta has rank u? Then change variables.")
def test_density_values(answer, rng):
    """the density is that of simulated ranks"""
    b, s = rng.uniform(-0.7, 0.7), rng.uniform(0.8, 1.5)
    edges = np.array([0.02, 0.2, 0.45, 0.8, 0.97])
    cut = b + s * np.array([NormalDist().inv_cdf(e) for e in edges])
    want = np.diff([NormalDist().cdf(c) for c in cut])
    for i, (lo, hi) in enumerate(zip(edges[:-1], edges[1:])):
        u = lo + (hi - lo) * (np.arange(4000) + 0.5) / 4000
        got = np.asarray(answer.rank_density(u, b, s)).mean() * (hi - lo)
        expect_close(got, want[i], rtol=1e-4)


@criterion("q9", points=1, hint="If all draws are too high, where does the truth rank?")
def test_faults_are_named(answer, rng):
    """the four faults are named"""
    for b, s, name in ((0, 0.6, "too narrow"), (0, 1.7, "too wide"),
                       (0.8, 1, "too high"), (-0.8, 1, "too low")):
        u = [NormalDist(b, s).cdf(v) for v in rng.normal(size=4000)]
        counts = np.histogram(u, bins=20, range=(0, 1))[0]
        expect_equal(answer.fault(counts), name)
