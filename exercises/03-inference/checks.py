"""Visible checks of chapter 3, Probability Theory and Statistical Inference.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 3

HINTS = {
    "q1": [
        "Write down $A(\\eta)$ for the Poisson family; its derivatives are the mean and the variance.",
        "The score is $X^\\top(y-\\mu)$, the information $X^\\top\\operatorname{diag}(\\mu)X$.",
        "Start at the log of the mean of `y`, otherwise the first step may be far too long."
    ],
    "q2": [
        "The difference is small when $p_1$ is small **and** $p_0$ is large.",
        "So the lower end pairs $l_1$ with $u_0$, the upper end $u_1$ with $l_0$.",
        "`np.hypot` is the root of a sum of squares."
    ],
    "q3": [
        "A ratio of two random quantities has a gradient with two entries.",
        "Relative errors add in squares.",
        "Transform the two ends, not the standard error."
    ],
    "q4": [
        "The score of a row is its residual from the overall mean.",
        "`np.unique(labels, return_inverse=True)` turns any labels into 0, 1, ...",
        "`np.bincount(codes, residuals)` sums within units."
    ],
    "q5": [
        "What is $\\sum m_g^2/\\sum m_g$ in terms of the mean and the coefficient of variation?",
        "It is $m(1+\\text{cv}^2)$.",
        "Impressions needed times the design effect, divided by impressions a user."
    ],
    "q6": [
        "How many impressions does a user have, and what was the design effect in the chapter?",
        "Divide z by the root of the design effect and read the p-value again.",
        "Ask of every \"confirmation\" whether it could have come out differently."
    ],
    "q7": [
        "Put $r=y-bx$ and read $\\hat\\tau_b$ as a plain difference of means.",
        "The variance is a parabola in $b$.",
        "`x[d == 1] - x[d == 1].mean()` centres within an arm."
    ],
    "q8": [
        "Reduce the table to one row a user first: clicks, impressions, arm.",
        "Permute the vector of users' arms, then recompute two totals an arm.",
        "Count the observed labelling once in numerator and denominator."
    ],
    "q9": [
        "The sum of clipped residuals falls when $\\theta$ rises: bisect.",
        "Where a residual is clipped it contributes $k^2$ to the filling and nothing to the bread.",
        "`np.bincount(codes, scores)` sums scores within clusters."
    ],
    "q10": [
        "Which quantity has a limit law, and at which rate?",
        "`rng.choice(y, size=b, replace=False)` is a subsample.",
        "Take the quantile of $b(\\hat\\theta_n-\\hat\\theta^*_b)$ and divide it by $n$."
    ]
}


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
