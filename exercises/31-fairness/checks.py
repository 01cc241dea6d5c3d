"""Visible checks of chapter 31, Fairness in Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 31

HINTS = {
    "q1": [
        "Which people can be a false positive at all?",
        "The denominator of the FPR is the number of negatives in the group, not the group.",
        "Test `mask.any()` before you take a mean."
    ],
    "q2": [
        "Start from the identity of the first impossibility theorem.",
        "Only one factor differs between the groups.",
        "Check the range before dividing."
    ],
    "q3": [
        "`np.unique(..., return_inverse=True)` turns labels into codes.",
        "`np.bincount` gives sums and counts of users.",
        "Handle one user before you divide by m − 1."
    ],
    "q4": [
        "Bound the error within one group by a difference of two rates.",
        "Both groups share one selection rate.",
        "Use the triangle inequality, then ask when each step is an equality."
    ],
    "q5": [
        "Which side of the platform is missing?",
        "When was the tolerance chosen, and what is the unit of the interval?",
        "Who was removed, and who is no longer in the log?"
    ],
    "q6": [
        "One non-negative weight for each point of each group.",
        "G rows for \"weights sum to one\", G − 1 rows for \"TPR equals that of group 0\".",
        "The objective drops a constant, c_fn times the overall base rate; add it back."
    ],
    "q7": [
        "Write the blind score as a mixture over the group.",
        "A weighted mean lies strictly between two different numbers.",
        "When is the posterior of the group one half?"
    ],
    "q8": [
        "Exposure of group 1 never falls when its boost grows.",
        "So bisect between 0 and 100.",
        "Divide each exposure by its own supply before taking the ratio."
    ],
    "q9": [
        "For a re-ranking that meets the floor every priced term is non-negative; so add them to U and maximise.",
        "The maximiser sorts each list by score plus price over supply.",
        "The bound is convex and piecewise linear in the prices; subgradient descent or cutting planes both work."
    ]
}


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


@criterion("q3", points=1, hint="What is the error when every user has one row?")
def test_one_row_a_user(answer, rng):
    """with one row a user it is the ordinary interval of a mean"""
    x = rng.gamma(2, 3, 40)
    r, low, high = answer.clustered_interval(x, rng.permutation(40))
    expect_close(r, x.mean(), rtol=1e-9)
    expect_close(high - low, 2 * 1.96 * x.std(ddof=1) / np.sqrt(40), rtol=1e-9)


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
