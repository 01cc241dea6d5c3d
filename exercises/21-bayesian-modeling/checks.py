"""Visible checks of chapter 21, Bayesian Modeling in Practice.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 21

HINTS = {
    "q1": [
        "What is the density of $x'$ given $x$? Change variables from $\\varepsilon$.",
        "The normal part is symmetric; what remains is $1/x'$ one way and $1/x$ the other.",
        "Add $\\log(x'/x)$ to the difference of log densities, then cut at zero."
    ],
    "q2": [
        "With $\\theta_j$ integrated out, what is the variance of $y_j$ around $\\mu$?",
        "Weight by its inverse to get the centre $m$ and its variance $V$.",
        "The variance of $\\theta_j$ is $B_j\\sigma_j^2+(1-B_j)^2V$."
    ],
    "q3": [
        "Hamilton's equations: the velocity of $q$ is $M^{-1}p$.",
        "Half kick, drift, half kick, and all of that $L$ times.",
        "The half kicks inside a path may be merged, the first and last may not."
    ],
    "q4": [
        "Write each as a composition of shears, if it is one.",
        "$FkF=k^{-1}$ and $FdF=d^{-1}$; what happens to the order when a product is inverted?",
        "A palindrome of reversible factors is reversible."
    ],
    "q5": [
        "Write the expectation as an integral over $z$ against $e^{-H(z)}/Z$.",
        "Split $\\min(1,e^{-\\Delta})$ at $\\Delta=0$.",
        "$e^{-\\Delta}$ times a normal density with $m=s^2/2$ is another normal density."
    ],
    "q6": [
        "What would the table look like if all hospitals were equally good?",
        "Compute $B_j$ for $\\tau=0.2$ and a standard error of 1.",
        "Which decision would follow from each number, and what would it cost to be wrong?"
    ],
    "q7": [
        "Integrate the Beta density times $\\theta^k(1-\\theta)^{n-k}$: a ratio of Beta functions.",
        "The derivative of $\\log\\Gamma$ is the digamma function.",
        "The chain rule multiplies the derivative in $a$ by $a$."
    ],
    "q8": [
        "First reduce the last axis to chain means and chain variances.",
        "`var(ddof=1)` of one number is NaN: treat one draw and one chain apart. For (b), everything follows from the variance $v$ of one chain's mean.",
        "The variance of superchain means is *not* multiplied by the number of chains. For (b), $\\sum_s(x_s-\\bar x)^2$ has expectation $S\\sigma^2(1-v)$."
    ],
    "q9": [
        "Which $\\theta$ has the rank $u$? $\\theta=b+s\\,\\Phi^{-1}(u)$.",
        "The density of $u$ is that of $\\theta$ times $\\mathrm d\\theta/\\mathrm du=s/\\varphi(\\Phi^{-1}(u))$.",
        "Draws that are too narrow leave the truth outside them: both ends are full. Draws that are too high leave the truth below them."
    ]
}


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


@criterion("q2", points=1, hint="At tau = 0 all groups share one effect.")
def test_complete_pooling(answer, rng):
    """tau = 0 gives the precision-weighted mean to every group"""
    y, se = rng.normal(size=6) * 4, rng.uniform(0.5, 3, size=6)
    got = answer.partial_pool(y, se, 0.0)
    w = se**-2.0
    expect_close(got["mean"], np.full(6, (w * y).sum() / w.sum()), rtol=1e-9)
    expect_close(got["sd"], np.full(6, w.sum() ** -0.5), rtol=1e-9)


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


@criterion("q8", points=1, hint="Superchains that agree give a value near one.")
def test_agreement(answer, rng):
    """independent draws give a value near one, shifted superchains do not"""
    x = rng.normal(size=(6, 50, 4))
    good = answer.nested_rhat(x)
    expect_between(good, 1.0, 1.05, what="the value for independent draws")
    bad = answer.nested_rhat(x + 2.0 * np.arange(6)[:, None, None])
    expect_between(bad, 2.5, 5.0, what="the value for shifted superchains")


@criterion("q9", points=1, hint="A density integrates to one, here over (0, 1).")
def test_it_is_a_density(answer, rng):
    """it integrates to one, and not because it is constant"""
    u = (np.arange(20_000) + 0.5) / 20_000
    b, s = rng.uniform(-0.5, 0.5), rng.uniform(0.9, 1.6)
    p = np.asarray(answer.rank_density(u, b, s))
    expect_close(p.mean(), 1.0, rtol=2e-3, what="the integral")
    assert p.std() > 0.05, "a faulty sampler's ranks are not uniform"
