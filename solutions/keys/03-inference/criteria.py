"""All criteria of chapter 3, Probability Theory and Statistical Inference.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

from itertools import combinations

import numpy as np
from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_close,
    expect_equal,
    expect_shape,
    expect_true,
)


def plays(rng, n=150):
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return X, rng.poisson(np.exp(X @ [1.1, 0.4, -0.5])).astype(float)


@criterion("q1", points=1, hint="Observed minus expected, summed with x, must vanish.")
def test_the_score_vanishes(answer, rng):
    """the score is zero at the estimate"""
    X, y = plays(rng)
    beta, _ = answer.poisson_fit(X, y)
    expect_shape(beta, (3,))
    expect_close(X.T @ (y - np.exp(X @ beta)), np.zeros(3), rtol=1e-7, scale=y.sum())


@criterion("q1", points=1, hint="With a constant alone the estimate is a logarithm.")
def test_a_constant_alone(answer, rng):
    """a constant alone gives the log of the mean"""
    y = rng.poisson(6.0, size=30).astype(float) + 1
    beta, _ = answer.poisson_fit(np.ones((30, 1)), y)
    expect_shape(beta, (1,))
    off = abs(float(beta[0]) - np.log(y.mean()))
    expect_true(off < 1e-8, "not the log of the mean to eight digits (enough steps?)")


@criterion("q1", points=2, hint="Iterate until nothing changes, on other data too.")
def test_the_estimate(answer, rng, reference):
    """the estimate is that of maximum likelihood"""
    X, y = plays(rng, 80)
    expect_close(answer.poisson_fit(X, y)[0], reference.poisson_fit(X, y)[0], rtol=1e-7)


@criterion("q1", points=2, hint="Which weights does the second derivative carry?")
def test_the_covariance(answer, rng):
    """the covariance is the inverse information"""
    X, y = plays(rng, 80)
    beta, V = answer.poisson_fit(X, y)
    want = np.linalg.inv(X.T @ np.diag(np.exp(X @ beta)) @ X)
    expect_close(X.T @ (y - np.exp(X @ beta)), np.zeros(3), rtol=1e-6, scale=y.sum())
    expect_close(V, want, rtol=1e-6)


@criterion("q2", points=1, hint="Which ends swap roles when the arms swap names?")
def test_swapping_the_arms(answer, rng):
    """swapping the arms changes the signs and the order of the ends"""
    x1, x0 = int(rng.integers(1, 8)), int(rng.integers(10, 20))
    low, high = answer.newcombe(x1, 40, x0, 60, 0.95)
    expect_true(low < high, "the interval has a width")
    other = answer.newcombe(x0, 60, x1, 40, 0.95)
    expect_close(np.array(other), np.array([-high, -low]), rtol=1e-9)


@criterion("q2", points=1, hint="Wilson's ends never leave [0, 1].")
def test_inside_the_possible(answer, rng):
    """the interval stays within -1 and 1"""
    n = int(rng.integers(8, 13))
    low, high = answer.newcombe(n - 1, n, 0, n, 0.95)
    expect_between(high, low, 1.0, "the upper end")
    expect_true(0.1 < low < high, "the interval has a width and lies above zero")


@criterion("q2", points=3, hint="Check each of the four distances by hand once.")
def test_both_ends(answer, rng, reference):
    """both ends are Newcombe's, zeros included"""
    middle = int(rng.integers(3, 30)), int(rng.integers(3, 40))
    for x1, x0 in ((0, 7), middle, (30, 2)):
        got = answer.newcombe(x1, 30, x0, 45, 0.95)
        want = reference.newcombe(x1, 30, x0, 45, 0.95)
        expect_close(np.array(got), np.array(want))


@criterion("q2", points=1, hint="The level enters through one quantile.")
def test_other_levels(answer, rng, reference):
    """the level asked for is the level used"""
    x = int(rng.integers(4, 20))
    got = answer.newcombe(x, 50, 9, 45, 0.8)
    expect_close(np.array(got), np.array(reference.newcombe(x, 50, 9, 45, 0.8)))


@criterion("q3", points=1, hint="A lift has no unit: minutes or hours give the same.")
def test_the_unit_does_not_matter(answer, rng):
    """the standard error does not depend on the unit of the metric"""
    a, b = 30 + rng.random(), 28 + rng.random()
    one = answer.lift_se(a, 0.4, b, 0.3)
    expect_close(answer.lift_se(60 * a, 24.0, 60 * b, 18.0), one, rtol=1e-9)
    noisy = answer.lift_se(a, 0.8, b, 0.3)
    expect_true(abs(noisy - one) > 1e-9, "noise must count")


@criterion("q3", points=1, hint="Work with the logarithm of the ratio.")
def test_never_below_minus_one(answer, rng):
    """the interval contains the estimate and never goes below -1"""
    a = 1 + rng.random()
    low, high = answer.lift_interval(a, a * 0.9, 2.0, 0.1, 0.99)
    expect_true(-1 < low < a / 2 - 1 < high, "the ends must enclose it, above -1")


@criterion("q3", points=3, hint="Differentiate in both arguments.")
def test_the_delta_method(answer, rng):
    """the standard error is that of the delta method"""
    a, b, sa, sb = 5 + rng.random(), 3 + rng.random(), 0.2, 0.3 + rng.random()
    step = 1e-6
    ga = ((a + step) / b - (a - step) / b) / (2 * step)
    gb = (a / (b + step) - a / (b - step)) / (2 * step)
    expect_close(answer.lift_se(a, sa, b, sb), np.hypot(ga * sa, gb * sb), rtol=1e-5)


@criterion("q3", points=3, hint="Ends on the log scale, then back.")
def test_the_interval(answer, rng, reference):
    """the interval is that of the log ratio, at several levels"""
    a, b, s = 5 + rng.random(), 3 + rng.random(), 0.2 + rng.random()
    for level in (0.8, 0.95):
        got = answer.lift_interval(a, s, b, 0.4, level)
        want = reference.lift_interval(a, s, b, 0.4, level)
        expect_close(np.array(got), np.array(want))


def visits(rng, n_users=9):
    per_user = rng.integers(1, 5, size=n_users)
    owner = np.repeat(np.arange(n_users), per_user)          # user of each session
    size = rng.integers(2, 8, size=len(owner))
    sessions = np.repeat(np.arange(len(owner)), size)
    users = owner[sessions]
    y = rng.normal(size=n_users)[users] + rng.normal(size=len(owner))[sessions]
    return y + rng.normal(size=len(y)), 100 + sessions, 7 * users


@criterion("q4", points=1, hint="Units of one row: what is the formula then?")
def test_units_of_one_row(answer, rng):
    """with one row a unit all three are the ordinary standard error"""
    y, one = rng.normal(size=12), np.arange(12)
    got = answer.errors(y, one, one + 5)
    want = y.std(ddof=1) / np.sqrt(12)
    for name in ("rows", "sessions", "users"):
        expect_close(got[name], want, rtol=1e-9, what=name)


@criterion("q4", points=1, hint="Copies of rows add no users.")
def test_copies_add_nothing(answer, rng):
    """copying every row leaves the errors by sessions and users as they were"""
    y, sessions, users = visits(rng)
    once = answer.errors(y, sessions, users)
    twice = answer.errors(*(np.r_[v, v] for v in (y, sessions, users)))
    for name in ("sessions", "users"):
        expect_close(twice[name], once[name], rtol=1e-9, what=name)
    apart = abs(once["sessions"] - once["users"])
    expect_true(apart > 1e-9, "sessions and users differ")


@criterion("q4", points=2, hint="Sum the residuals of a user first, then square.")
def test_by_users(answer, rng, reference):
    """the error by users is right for users of uneven size"""
    data = visits(rng)
    expect_close(answer.errors(*data)["users"], reference.errors(*data)["users"])


@criterion("q4", points=2, hint="The same formula with other labels.")
def test_by_sessions(answer, rng, reference):
    """the error by sessions is right"""
    data = visits(rng)
    expect_close(answer.errors(*data)["sessions"], reference.errors(*data)["sessions"])


@criterion("q5", points=1, hint="One impression a user: the textbook case, both arms.")
def test_one_impression_a_user(answer, rng):
    """one impression a user: 31,231 an arm for 5 % against 5.5 %"""
    expect_equal(answer.users_needed(0.05, 0.055, 1, 0.0, 0.0, 0.05, 0.8), 31231)
    expect_equal(answer.users_needed(0.05, 0.055, 1, 0.0, 0.3, 0.05, 0.8), 31231)


@criterion("q5", points=1, hint="The two functions must tell the same story.")
def test_the_two_agree(answer, rng):
    """the users needed give the power asked for, not more"""
    plan = 0.10, 0.11, 40.0, 0.5, 0.02 + 0.01 * rng.random()
    users = answer.users_needed(*plan, 0.05, 0.8)
    expect_between(answer.power_with(users, *plan, 0.05), 0.799, 0.81, "the power")


@criterion("q5", points=2, hint="Uneven users count: the mean of squares matters.")
def test_users(answer, rng, reference):
    """the number of users is right for uneven users"""
    for power in (0.8, 0.9):
        plan = 0.12, 0.13, 100 + 60 * rng.random(), 0.8, 0.02, 0.05, power
        expect_equal(answer.users_needed(*plan), reference.users_needed(*plan))


@criterion("q5", points=2, hint="Standard error first; mind the design effect.")
def test_power(answer, rng, reference):
    """the power is right, for effects of either sign and for none"""
    for p1 in (0.13, 0.11, 0.12):
        plan = 300, 0.12, p1, 80 + 60 * rng.random(), 0.8, 0.02, 0.10
        expect_close(answer.power_with(*plan), reference.power_with(*plan))


def trial(rng, n=60):
    d = (np.arange(n) % 3 == 0).astype(int)
    x = rng.normal(size=n) + 0.6 * d               # imbalance, as chance may have it
    return 2.5 * d + 1.5 * x + rng.normal(size=n) * (1 + d), x, d


@criterion("q7", points=1, hint="Adding a multiple of x to y must change nothing.")
def test_multiples_of_x(answer, rng):
    """adding a multiple of x to y leaves the effect as it was"""
    y, x, d = trial(rng)
    one, two = answer.adjusted(y, x, d)[0], answer.adjusted(y + 5 * x - 3, x, d)[0]
    expect_close(two, one, rtol=1e-8)
    twice = answer.adjusted(2 * y, x, d)[0]
    expect_true(abs(twice - one) > 1e-6, "it must depend on y")


@criterion("q7", points=1, hint="Without noise the effect must be found exactly.")
def test_no_noise(answer, rng):
    """without noise the effect is exact, even when x is out of balance"""
    _, x, d = trial(rng)
    expect_close(answer.adjusted(2 * x + 3 * d, x, d)[0], 3.0, rtol=1e-8)


@criterion("q7", points=3, hint="Centre x and y within each arm before the slope.")
def test_the_effect(answer, rng, reference):
    """the effect uses the pooled within-arm slope"""
    data = trial(rng)
    expect_close(answer.adjusted(*data)[0], reference.adjusted(*data)[0])


@criterion("q7", points=3, hint="The error is that of the residuals, arm by arm.")
def test_the_error(answer, rng, reference):
    """the error is that of the adjusted outcome, arms with their own variance"""
    data = trial(rng)
    expect_close(answer.adjusted(*data)[1], reference.adjusted(*data)[1])


def impressions(c, n, arm):
    """Rows of users with c clicks among n impressions."""
    rows = [np.r_[np.ones(a), np.zeros(b - a)] for a, b in zip(c, n)]
    clicks = np.concatenate(rows)
    users = np.repeat(np.arange(len(n)) * 3 + 11, n)
    return clicks, users, np.repeat(arm, n)


def exact(c, n, k):
    """The p-value of all relabellings when the first k users are treated."""
    c, n = np.asarray(c, float), np.asarray(n, float)

    def t(some):
        m = np.isin(np.arange(len(n)), some)
        return abs(c[m].sum() / n[m].sum() - c[~m].sum() / n[~m].sum())

    every = [t(some) for some in combinations(range(len(n)), k)]
    return float(np.mean(np.array(every) >= t(range(k)) - 1e-12))


@criterion("q8", points=1, hint="The data count as one of the relabellings.")
def test_the_form_of_the_p_value(answer, rng):
    """the p-value is a whole number of (draws + 1)-ths, and 1 without variation"""
    seed = int(rng.integers(1_000))
    gen = answer.make("numpy.random.default_rng", seed)
    data = impressions([9, 8, 7, 1, 0, 1], [12] * 6, [1, 1, 1, 0, 0, 0])
    p = answer.user_permutation(*data, 400, gen)
    expect_close(p * 401, float(round(p * 401)), rtol=1e-9, what="p (draws + 1)")
    expect_true(p < 0.9, "the arms differ")
    still = impressions([3] * 6, [6] * 6, [1, 1, 1, 0, 0, 0])
    expect_close(answer.user_permutation(*still, 50, gen), 1.0, rtol=1e-12)


@criterion("q8", points=2, hint="Six users, three treated: how many labellings exist?")
def test_six_users(answer, rng):
    """with six users the p-value is that of all twenty relabellings"""
    c = np.r_[rng.integers(14, 17, size=3), rng.integers(1, 4, size=3)]
    n = [20] * 6
    gen = answer.make("numpy.random.default_rng", int(rng.integers(1_000)))
    p = answer.user_permutation(*impressions(c, n, [1, 1, 1, 0, 0, 0]), 2_000, gen)
    expect_close(exact(c, n, 3), 0.1, rtol=1e-9)
    expect_between(p, 0.07, 0.13, "the p-value")


@criterion("q8", points=3, hint="Totals over totals, and both directions count.")
def test_uneven_users(answer, rng):
    """with users of uneven size the p-value is that of all relabellings"""
    n = rng.integers(10, 40, size=8)
    rates = np.array([0.9, 0.3, 0.5, 0.7, 0.1, 0.6, 0.2, 0.4])
    c = np.round(rates * n).astype(int)
    want = exact(c, n, 4)
    gen = answer.make("numpy.random.default_rng", int(rng.integers(1_000)))
    p = answer.user_permutation(
        *impressions(c, n, [1, 1, 1, 1, 0, 0, 0, 0]), 3_000, gen)
    expect_between(p, want - 0.04, want + 0.04, "the p-value")


@criterion("q8", points=2, hint="Can four users ever give strong evidence?")
def test_few_users_many_rows(answer, rng):
    """thousands of rows of six users do not make a small p-value"""
    c = np.r_[rng.integers(300, 350, size=3), rng.integers(200, 250, size=3)]
    gen = answer.make("numpy.random.default_rng", int(rng.integers(1_000)))
    p = answer.user_permutation(
        *impressions(c, [500] * 6, [1, 1, 1, 0, 0, 0]), 500, gen)
    expect_between(p, 0.02, 0.2, "the p-value")


@criterion("q9", points=1, hint="What is the estimate when nothing is clipped?")
def test_a_large_threshold(answer, rng):
    """a huge threshold gives the mean and its error"""
    y = rng.normal(size=40) * 3 + 5
    estimate, se = answer.huber(y, 1e6)
    expect_close(estimate, y.mean(), rtol=1e-7)
    expect_close(se, y.std() / np.sqrt(40), rtol=1e-6)


@criterion("q9", points=1, hint="Put the estimate into its equation.")
def test_the_equation(answer, rng):
    """the clipped residuals sum to zero"""
    y = rng.standard_t(2, size=41)
    estimate, _ = answer.huber(y, 0.8)
    expect_close(np.clip(y - estimate, -0.8, 0.8).sum(), 0.0, rtol=1e-6, scale=41.0)


@criterion("q9", points=3, hint="Filling: squared clipped residuals; bread: a count.")
def test_the_robust_error(answer, rng, reference):
    """the error is the sandwich, outliers included"""
    y = np.r_[rng.normal(size=60), 50 + rng.random(4)]
    got = answer.huber(y, 1.3)
    expect_close(np.array(got), np.array(reference.huber(y, 1.3)), rtol=1e-6)


@criterion("q9", points=3, hint="Sum the clipped residuals of a cluster, then square.")
def test_clusters(answer, rng, reference):
    """the error allows for clusters"""
    g = np.repeat(np.arange(12), rng.integers(2, 9, size=12))
    y = 2 * rng.normal(size=12)[g] + rng.normal(size=len(g))
    got = answer.huber(y, 1.5, 5 * g)
    expect_close(np.array(got), np.array(reference.huber(y, 1.5, 5 * g)), rtol=1e-6)


@criterion("q10", points=1, hint="The end lies beyond the largest observation.")
def test_ends_and_scale(answer, rng):
    """the interval starts at the maximum and scales with the data"""
    y, seed = rng.random(150), int(rng.integers(1_000))
    one, two = (
        answer.end_interval(
            k * y, 15, 200, answer.make("numpy.random.default_rng", seed), 0.9)
        for k in (1, 4))
    expect_close(one[0], y.max(), rtol=1e-12)
    expect_true(one[1] > one[0], "the upper end must exceed the maximum")
    expect_close(np.array(two), 4 * np.array(one), rtol=1e-9)


@criterion("q10", points=1, hint="The level chooses a quantile.")
def test_level(answer, rng):
    """a higher level gives a higher upper end"""
    y, seed = rng.random(150), int(rng.integers(1_000))
    ends = [answer.end_interval(
        y, 15, 300, answer.make("numpy.random.default_rng", seed), level)[1]
        for level in (0.5, 0.8, 0.99)]
    expect_true(ends[0] < ends[1] < ends[2], "it must grow with the level")


@criterion("q10", points=3, hint="The subsample's rate is b, the sample's rate is n.")
def test_length(answer, rng):
    """the mean length is about three thetas over n, as the limit says"""
    gen = answer.make("numpy.random.default_rng", int(rng.integers(1_000)))
    theta, n = 2 + rng.random(), 400
    lengths = []
    for _ in range(16):
        y = theta * rng.random(n)
        _, high = answer.end_interval(y, 20, 300, gen, 0.95)
        lengths.append((high - y.max()) * n / theta)
    expect_between(float(np.mean(lengths)), 2.2, 3.8, "the mean length times n / theta")


@criterion("q10", points=3, hint="Simulate the coverage yourself with a known end.")
def test_coverage(answer, rng):
    """the interval covers the end in most samples"""
    gen = answer.make("numpy.random.default_rng", int(rng.integers(1_000)))
    hits = 0
    for _ in range(60):
        low, high = answer.end_interval(3 * rng.random(300), 15, 200, gen, 0.95)
        hits += low <= 3 <= high
    expect_between(hits, 46, 60, "covered, of 60")
