"""Visible checks of chapter 16, The Potential Outcomes Framework.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 16

HINTS = {
    "q1": [
        "Write the observed mean of each group with one of the two potential outcomes.",
        "Selection compares $Y(0)$, and only $Y(0)$, between the groups.",
        "$\\text{ATE}=p\\,\\text{ATT}+(1-p)\\,\\text{ATU}$; solve for ATT minus ATE."
    ],
    "q2": [
        "$\\mathbb E[Y(1)\\mid D=1]$ needs no adjustment at all.",
        "$\\mathbb E[Y(0)\\mid D=1]=\\sum_x\\Pr(x\\mid D=1)\\,\\mathbb E[Y\\mid D=0,x]$.",
        "Only strata with treated units have a positive weight; those need controls."
    ],
    "q3": [
        "Write every lottery as a row of 0 and 1, once, outside the loop over the grid.",
        "For each $t$ the adjusted outcomes are $y-t\\,d$ with the *actual* $d$.",
        "Both the observed statistic and the reference set use the adjusted outcomes."
    ],
    "q4": [
        "Write each term as $a_iD_i-b_i$ with fixed $a_i$, $b_i$.",
        "Independent coins: the variance of the sum is the sum of $p(1-p)a_i^2$.",
        "For part 2 put $y_i(1)=y_i(0)=c$ and compute both estimates when more than $pn$ units are treated."
    ],
    "q5": [
        "Whose minutes would change if the switch were removed tomorrow?",
        "Which of the four covariates existed before launch?",
        "What result would make *you* distrust the experiment you propose?"
    ],
    "q6": [
        "Write $S_\\tau^2$ with $S_1^2$, $S_0^2$ and $S_{10}$.",
        "How large can a covariance be, given two standard deviations?",
        "For part 3 think of $S_1=S_0$: what is $(s_1-s_0)^2$ on average?"
    ],
    "q7": [
        "Least squares is linear in $y$: $\\hat\\beta=Z^+y$.",
        "Which row of the pseudo-inverse belongs to the coefficient of $d$?",
        "Centre the covariates on the mean of **all** units before forming the products with $d$."
    ],
    "q8": [
        "The estimate is the mean over pairs of treated minus control.",
        "`np.unique(pair, return_inverse=True)` numbers the pairs.",
        "The only random thing in a pair is the sign; the variance between pairs estimates, conservatively, the variance of the mean."
    ],
    "q9": [
        "Split the ATE by group: two means are seen, two are not.",
        "An unseen mean lies within $\\delta$ of the seen mean of the same potential outcome, and in $[lo,hi]$.",
        "Try $\\delta=|m_1-m_0|$: does the range bind there?"
    ]
}


from itertools import combinations, product

import numpy as np
from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_error,
    expect_shape,
    expect_true,
)


@criterion("q1", points=1, hint="Add the three terms: do they give what a log shows?")
def test_the_parts_add_up(answer, rng):
    """ate + selection + heterogeneity is the difference of observed means"""
    y0, y1 = rng.normal(size=30), rng.normal(2, 3, size=30)
    d = (np.arange(30) < 11).astype(int)
    got = answer.take_apart(y0, y1, d)
    seen = y1[:11].mean() - y0[11:].mean()
    expect_close(got["naive"], seen, rtol=1e-10, what="naive")
    total = got["ate"] + got["selection"] + got["heterogeneity"]
    expect_close(total, seen, rtol=1e-10, scale=1.0, what="the sum of the parts")


@criterion("q2", points=1, hint="Under a lottery the groups compare as they are.")
def test_under_a_lottery(answer, rng):
    """with one propensity for all it is the plain difference of means"""
    px, m = rng.dirichlet(np.ones(4)), rng.uniform(0.1, 0.5, size=(4, 2))
    m[:, 1] += 0.3
    e = np.array([0.7, 0.3])
    P = px[:, None, None] * e[None, :, None] * np.stack([1 - m, m], axis=2)
    plain = px @ (m[:, 1] - m[:, 0])
    expect_close(answer.att(P), plain, rtol=1e-9, what="att")


@criterion("q3", points=1, hint="At t = the estimate the adjusted difference is zero.")
def test_the_estimate_is_inside(answer, rng):
    """the interval contains the difference in means"""
    d = np.array([1, 0, 1, 0, 1, 0, 1, 0, 0])
    y = rng.normal(size=9) + 10 * d
    hat = y[d == 1].mean() - y[d == 0].mean()
    low, high = answer.fisher_interval(y, d, np.linspace(-30, 30, 241), 0.1)
    expect_true(low < hat < high, "the difference in means must lie inside")


@criterion("q4", points=1, hint="List all 64 outcomes of six fair coins.")
def test_fair_coins(answer, rng):
    """it is the variance over all outcomes of six fair coins"""
    y0, y1 = rng.normal(size=6), rng.normal(1, 2, size=6)
    D = np.array(list(product((0, 1), repeat=6)))
    hat = (D * y1 / 0.5 - (1 - D) * y0 / 0.5).mean(axis=1)
    expect_close(answer.coin_variance(y0, y1, 0.5), hat.var(), rtol=1e-9)


@criterion("q6", points=1, hint="Compare with s1^2/n1 + s0^2/n0.")
def test_never_above_neyman(answer, rng):
    """never above Neyman's estimate, and equal to it when the spreads are equal"""
    d = np.repeat([1, 0], [7, 7])
    b = rng.normal(size=7)
    shifted = np.r_[b + 3, b]
    neyman = 2 * b.var(ddof=1) / 7
    expect_close(answer.sharper_variance(shifted, d), neyman, rtol=1e-9)
    y = np.r_[4 * b, b]
    neyman = (16 + 1) * b.var(ddof=1) / 7
    expect_true(answer.sharper_variance(y, d) < neyman,
                "with unequal spreads it must be below Neyman's")


@criterion("q7", points=1, hint="What must a constant outcome give in each arm?")
def test_sums(answer, rng):
    """treated weights sum to 1, control weights to -1"""
    d = rng.permutation(np.repeat([1, 0], [12, 23]))
    w = answer.lin_weights(d, rng.normal(size=(35, 3)))
    expect_shape(w, (35,))
    expect_close([w[d == 1].sum(), w[d == 0].sum()], [1.0, -1.0], rtol=1e-8)


@criterion("q8", points=1, hint="What is the mean of the pairs' differences?")
def test_the_estimate(answer, rng):
    """the estimate is the difference in means"""
    order = rng.permutation(16)
    d, pair = np.tile([1, 0], 8)[order], np.repeat(np.arange(8), 2)[order]
    y = rng.normal(size=16) + 2 * d
    got = answer.paired(y, d, pair)
    want = y[d == 1].mean() - y[d == 0].mean()
    expect_close(got[0], want, rtol=1e-9, what="the estimate")


@criterion("q9", points=1, hint="With no assumption an unseen mean is anywhere.")
def test_the_two_ends(answer, rng):
    """delta 0 gives the naive difference; delta infinite a width of hi - lo"""
    y, d = rng.uniform(1, 4, size=30), (rng.permutation(30) < 9).astype(int)
    naive = y[d == 1].mean() - y[d == 0].mean()
    expect_close(answer.bounds(y, d, 0.5, 5.0, 0.0), [naive, naive], rtol=1e-9)
    low, high = answer.bounds(y, d, 0.5, 5.0, np.inf)
    expect_close(high - low, 4.5, rtol=1e-9, what="the width")
