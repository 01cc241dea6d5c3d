"""All criteria of chapter 31, Fairness in Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_close,
    expect_equal,
    expect_error,
    expect_shape,
    expect_true,
)


@criterion("q1", points=1, hint="Count negatives and positives of each group first.")
def test_counts(answer, rng):
    """groups are in order and their counts are right"""
    y, g = rng.integers(0, 2, 50), rng.integers(0, 3, 50)
    rows = answer.error_rates(y, rng.integers(0, 2, 50), g)
    expect_equal([r[0] for r in rows], sorted(set(g.tolist())))
    expect_equal(
        [r[3] + r[4] for r in rows],
        [int((g == a).sum()) for a in sorted(set(g.tolist()))],
    )


@criterion("q1", points=2, hint="FPR is among y = 0, FNR among y = 1.")
def test_rates(answer, rng, reference):
    """both error rates are right"""
    y, f, g = rng.integers(0, 2, 90), rng.integers(0, 2, 90), rng.integers(0, 3, 90)
    got, want = answer.error_rates(y, f, g), reference.error_rates(y, f, g)
    expect_close([r[1:3] for r in got], [r[1:3] for r in want], rtol=1e-9)


@criterion("q1", points=1, hint="A group of one still has a row.")
def test_empty_denominators(answer, rng):
    """a group without negatives keeps its row, with NaN"""
    rows = answer.error_rates(
        [1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 0, int(rng.integers(1, 9))]
    )
    expect_equal(len(rows), 2)
    expect_true(
        np.isnan(rows[1][1]), "the false-positive rate of a group without negatives"
    )
    expect_error(
        lambda: answer.error_rates([1, 0], [1], [0, 0]), "ValueError", "unequal lengths"
    )


@criterion(
    "q2", points=1, hint="What happens when the score is never wrong about positives?"
)
def test_identities(answer, rng):
    """antisymmetric in the groups, and proportional to 1 - FNR"""
    a, b, v = rng.uniform(0.1, 0.6, 3)
    one = answer.fpr_gap(a, b, v, 0.3)
    expect_true(abs(one) > 1e-9, "the gap is not zero")
    expect_close(one, -answer.fpr_gap(b, a, v, 0.3), rtol=1e-9)
    expect_close(one / 7, answer.fpr_gap(a, b, v, 0.9), rtol=1e-9)


@criterion(
    "q2", points=2, hint="Build the table of counts from base rate, PPV and FNR."
)
def test_by_counting(answer, rng):
    """the gap is that of tables of counts"""
    a, b, v, m = rng.uniform(0.2, 0.4, 4) * np.array([1, 1, 2, 1])
    fpr = [(p * (1 - m) / v - p * (1 - m)) / (1 - p) for p in (a, b)]
    expect_close(answer.fpr_gap(a, b, v, m), fpr[0] - fpr[1], rtol=1e-9)


@criterion("q2", points=1, hint="A base rate of one has no negatives.")
def test_bad_input(answer, rng):
    """base rates and PPV outside their range are refused"""
    x = float(rng.uniform(0.2, 0.8))
    expect_error(lambda: answer.fpr_gap(1.0, x, x, x), "ValueError", "a base rate of 1")
    expect_error(lambda: answer.fpr_gap(x, x, 0.0, x), "ValueError", "a PPV of 0")


@criterion("q3", points=1, hint="What is the error when every user has one row?")
def test_one_row_a_user(answer, rng):
    """with one row a user it is the ordinary interval of a mean"""
    x = rng.gamma(2, 3, 40)
    r, low, high = answer.clustered_interval(x, rng.permutation(40))
    expect_close(r, x.mean(), rtol=1e-9)
    expect_close(high - low, 2 * 1.96 * x.std(ddof=1) / np.sqrt(40), rtol=1e-9)


@criterion("q3", points=2, hint="Residuals are taken user by user, not row by row.")
def test_unequal_users(answer, rng, reference):
    """users with many and few rows"""
    u = rng.choice(["a", "b", "c", "d", "e"], 60, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    x = rng.normal(size=60) + (u == "a")
    expect_close(
        answer.clustered_interval(x, u, 2.3),
        reference.clustered_interval(x, u, 2.3),
        rtol=1e-9,
    )


@criterion("q3", points=1, hint="How many independent units are there?")
def test_copies_bring_nothing(answer, rng):
    """repeating every row changes nothing; one user has no interval"""
    x, u = rng.normal(size=20), rng.integers(0, 6, 20)
    expect_close(
        answer.clustered_interval(np.tile(x, 3), np.tile(u, 3)),
        answer.clustered_interval(x, u),
        rtol=1e-9,
    )
    expect_true(
        np.isnan(answer.clustered_interval(x, np.zeros(20))[1]), "one user: NaN"
    )


def curve(rng, m, power):
    f = np.r_[0, np.sort(rng.uniform(size=m)), 1]
    return np.column_stack([f, f**power])


@criterion(
    "q6", points=1, hint="If nobody's false positive costs anything, select everybody."
)
def test_free_false_positives(answer, rng):
    """with free false positives everybody is selected"""
    points = [curve(rng, 4, 0.5), curve(rng, 5, 0.7)]
    cost, tpr = answer.equal_opportunity(points, [0.4, 0.6], [0.3, 0.2], 0.0, 1.7)
    expect_close([cost, tpr], [0, 1], scale=1.0, rtol=1e-6)


@criterion(
    "q6",
    points=2,
    hint="Scan the common TPR: for each, every group takes its smallest FPR.",
)
def test_against_a_scan(answer, rng):
    """the least cost is that of a scan over the common TPR"""
    points = [curve(rng, 6, 0.4), curve(rng, 7, 0.6), curve(rng, 5, 0.5)]
    q, b = [0.5, 0.3, 0.2], rng.uniform(0.2, 0.6, 3).tolist()
    t = np.linspace(0, 1, 20_001)
    f = [np.interp(t, p[:, 1], p[:, 0]) for p in points]
    cost = sum(w * (1.3 * (1 - x) * g + 0.9 * x * (1 - t)) for w, x, g in zip(q, b, f))
    expect_close(
        answer.equal_opportunity(points, q, b, 1.3, 0.9)[0], cost.min(), rtol=1e-4
    )


@criterion("q6", points=2, hint="False-positive rates may differ: only TPR is tied.")
def test_value_and_rate(answer, rng, reference):
    """cost and common TPR together"""
    points = [curve(rng, 3, 0.2), curve(rng, 3, 0.5)]
    args = (points, [0.7, 0.3], [0.5, 0.35], 1.0, 1.1)
    expect_close(
        answer.equal_opportunity(*args), reference.equal_opportunity(*args), rtol=1e-5
    )


def lists(rng, B=200):
    g = (rng.uniform(size=(B, 12)) < 0.35).astype(int)
    return rng.normal(size=(B, 12)) - 0.8 * g, g


def ratio(s, g, supply, t, k):
    v = 1 / np.log2(1 + np.arange(1, k + 1))
    top = np.argsort(-(s + t * g), axis=1, kind="stable")[:, :k]
    one = (np.take_along_axis(g, top, 1) * v).sum()
    return (one / supply[1]) / ((v.sum() * len(s) - one) / supply[0])


@criterion(
    "q8", points=2, hint="Sort by the boosted score and measure the exposure again."
)
def test_reaches_the_target(answer, rng):
    """the boost reaches the target"""
    s, g = lists(rng)
    t = answer.boost_for(s, g, [70, 40], 0.9, 5)
    expect_between(t, 0, 100)
    expect_true(ratio(s, g, [70, 40], t, 5) >= 0.9, "exposure ratio below the target")
    much = ratio(s, g, [70, 40], t - 0.1, 5) >= 0.9
    expect_true(not much, "a much smaller boost is enough")


@criterion("q8", points=2, hint="Is a smaller boost enough? Bisect.")
def test_is_smallest(answer, rng):
    """a smaller boost would not do, and none is needed where none is"""
    s, g = lists(rng)
    t = answer.boost_for(s, g, [55, 45], 0.8, 4)
    expect_true(ratio(s, g, [55, 45], t - 0.002, 4) < 0.8, "a smaller boost is enough")
    expect_true(ratio(s, g, [55, 45], t + 0.002, 4) >= 0.8, "the boost is too small")
    expect_equal(float(answer.boost_for(s, g, [55, 45], 0.01, 4)), 0.0)


@criterion("q8", points=2, hint="What if the lists hold nothing of group 1?")
def test_value_and_refusal(answer, rng, reference):
    """unequal supply is taken into account; impossible targets are refused"""
    s, g = lists(rng)
    got, want = (
        f(s, g, [20, 60], 0.35, 6) for f in (answer.boost_for, reference.boost_for)
    )
    expect_between(got - want, -0.0015, 0.0015)
    expect_error(
        lambda: answer.boost_for(s, 0 * g, [20, 60], 0.5, 6),
        "ValueError",
        "lists without group 1",
    )


def lists3(rng, B=120):
    g = rng.choice(3, (B, 15), p=[0.6, 0.25, 0.15])
    return rng.normal(3, 1, (B, 15)) - 0.6 * g, g


@criterion("q9", points=1, hint="At prices of zero nothing is asked.")
def test_zero_prices(answer, rng):
    """at zero prices the bound is the unconstrained utility"""
    s, g = lists3(rng)
    v = 1 / np.log2(1 + np.arange(1, 5))
    want = (-np.sort(-s, axis=1)[:, :4] @ v).mean()
    expect_close(
        answer.dual_bound(s, g, [30, 20, 10], 0.8, 4, np.zeros(3)), want, rtol=1e-9
    )


@criterion(
    "q9",
    points=2,
    hint="The best response sorts by score + price / supply of the group.",
)
def test_bound(answer, rng, reference):
    """the bound at any prices"""
    s, g = lists3(rng)
    p = rng.uniform(0, 30, 3)
    args = (s, g, [30, 20, 10], 0.8, 4, p)
    expect_close(answer.dual_bound(*args), reference.dual_bound(*args), rtol=1e-9)


@criterion(
    "q9",
    points=3,
    hint="The bound is convex in the prices: its subgradient is the slack.",
)
def test_prices(answer, rng, reference):
    """the prices are non-negative and their bound nearly the best"""
    s, g = lists3(rng)
    args = (s, g, [30, 20, 10], 0.7, 4)
    p = np.asarray(answer.floor_prices(*args))
    expect_shape(p, (3,))
    expect_true((p >= 0).all(), "a price is negative")
    best = reference.dual_bound(*args, reference.floor_prices(*args))
    free = reference.dual_bound(*args, np.zeros(3))
    got = reference.dual_bound(*args, p)
    expect_true(
        free - got >= 0.95 * (free - best) > 0,
        "the bound can be lowered",
    )
