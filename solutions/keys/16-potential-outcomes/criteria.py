"""All criteria of chapter 16, The Potential Outcomes Framework.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

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


@criterion("q1", points=2, hint="Which group does each average run over?")
def test_every_part(answer, rng, reference):
    """each effect and each bias is right"""
    y0, y1 = rng.normal(size=40), rng.normal(1, 2, size=40)
    d = (rng.permutation(40) < 9).astype(int)
    got, want = answer.take_apart(y0, y1, d), reference.take_apart(y0, y1, d)
    for name in want:
        expect_close(got[name], want[name], rtol=1e-9, scale=1.0, what=name)


@criterion("q1", points=1, hint="What is the mean of nothing?")
def test_an_empty_group_is_refused(answer, rng):
    """data without treated or without control units are refused"""
    y = rng.normal(size=5)
    expect_error(lambda: answer.take_apart(y, y, np.ones(5, int)), "ValueError",
                 "no control units")
    expect_error(lambda: answer.take_apart(y, y, np.zeros(5, int)), "ValueError",
                 "no treated units")


@criterion("q2", points=1, hint="Under a lottery the groups compare as they are.")
def test_under_a_lottery(answer, rng):
    """with one propensity for all it is the plain difference of means"""
    px, m = rng.dirichlet(np.ones(4)), rng.uniform(0.1, 0.5, size=(4, 2))
    m[:, 1] += 0.3
    e = np.array([0.7, 0.3])
    P = px[:, None, None] * e[None, :, None] * np.stack([1 - m, m], axis=2)
    plain = px @ (m[:, 1] - m[:, 0])
    expect_close(answer.att(P), plain, rtol=1e-9, what="att")


def table(px, e, m):
    share = np.stack([1 - e, e], axis=1)  # (K, 2)
    return (px[:, None] * share)[:, :, None] * np.stack([1 - m, m], axis=2)


@criterion("q2", points=2, hint="Average over the covariates of the treated.")
def test_with_confounding(answer, rng):
    """the effect on the treated is right when treatment depends on the covariate"""
    px, m = rng.dirichlet(3 * np.ones(5)), rng.uniform(0.1, 0.9, size=(5, 2))
    m[:, 1] = np.linspace(0.05, 0.95, 5)
    e = np.linspace(0.1, 0.85, 5)
    want = (px * e) @ (m[:, 1] - m[:, 0]) / (px @ e)
    expect_close(answer.att(table(px, e, m)), want, rtol=1e-8, scale=1.0, what="att")


@criterion("q2", points=1, hint="Whom could the treated of a stratum be compared with?")
def test_no_controls(answer, rng):
    """a stratum without controls is refused"""
    px, m = rng.dirichlet(np.ones(3)), rng.uniform(0.2, 0.8, size=(3, 2))
    P = table(px, np.array([0.3, 0.5, 1.0]), m)
    expect_error(lambda: answer.att(P), "ValueError", "a stratum without controls")


@criterion("q2", points=1, hint="The ATT is about strata in which somebody is treated.")
def test_no_treated(answer, rng):
    """a stratum without treated units does not matter"""
    px = rng.dirichlet(3 * np.ones(3))
    m = np.array([[0.9, 0.1], [0.2, 0.6], [0.3, 0.9]])
    e = np.array([0.0, 0.4, 0.8])
    want = (px * e) @ (m[:, 1] - m[:, 0]) / (px @ e)
    expect_close(answer.att(table(px, e, m)), want, rtol=1e-8, what="att")


@criterion("q3", points=1, hint="At t = the estimate the adjusted difference is zero.")
def test_the_estimate_is_inside(answer, rng):
    """the interval contains the difference in means"""
    d = np.array([1, 0, 1, 0, 1, 0, 1, 0, 0])
    y = rng.normal(size=9) + 10 * d
    hat = y[d == 1].mean() - y[d == 0].mean()
    low, high = answer.fisher_interval(y, d, np.linspace(-30, 30, 241), 0.1)
    expect_true(low < hat < high, "the difference in means must lie inside")


@criterion("q3", points=2, hint="Remove the effect from the treated, then test.")
def test_the_ends(answer, rng, reference):
    """both ends are right"""
    d = (rng.permutation(10) < 4).astype(int)
    y = rng.normal(size=10) + 3 * d
    grid = np.linspace(-8, 14, 441)
    for alpha in (0.05, 0.2):
        expect_close(answer.fisher_interval(y, d, grid, alpha),
                     reference.fisher_interval(y, d, grid, alpha),
                     rtol=1e-9, scale=1.0, what="the interval")


@criterion("q3", points=1, hint="Add five to the treated: where must the ends go?")
def test_it_moves_with_the_treated(answer, rng):
    """adding a constant to the treated moves the interval by it"""
    d = (rng.permutation(9) < 4).astype(int)
    y, grid = rng.normal(size=9), np.linspace(-8, 8, 161)
    a = np.array(answer.fisher_interval(y, d, grid, 0.1))
    b = np.array(answer.fisher_interval(y + 5 * d, d, grid + 5, 0.1))
    expect_close(b - a, np.array([5.0, 5.0]), rtol=1e-9, what="the shift")


@criterion("q3", points=1, hint="What if the grid is far from the data?")
def test_a_grid_that_misses(answer, rng):
    """a grid on which everything is rejected is refused"""
    d = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    y = rng.normal(size=8)
    grid = np.array([500.0, 501.0])
    expect_error(lambda: answer.fisher_interval(y, d, grid, 0.1), "ValueError",
                 "a grid that is rejected everywhere")


@criterion("q4", points=1, hint="List all 64 outcomes of six fair coins.")
def test_fair_coins(answer, rng):
    """it is the variance over all outcomes of six fair coins"""
    y0, y1 = rng.normal(size=6), rng.normal(1, 2, size=6)
    D = np.array(list(product((0, 1), repeat=6)))
    hat = (D * y1 / 0.5 - (1 - D) * y0 / 0.5).mean(axis=1)
    expect_close(answer.coin_variance(y0, y1, 0.5), hat.var(), rtol=1e-9)


@criterion("q4", points=2, hint="Which outcome weighs more when p is small?")
def test_biased_coins(answer, rng, reference):
    """it is right for biased coins"""
    y0, y1 = rng.normal(2, 1, size=11), rng.normal(-1, 2, size=11)
    for p in (0.1, 0.35, 0.8):
        expect_close(answer.coin_variance(y0, y1, p),
                     reference.coin_variance(y0, y1, p), rtol=1e-9)


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


@criterion("q6", points=3, hint="Standard deviations inside the square, n below it.")
def test_values(answer, rng, reference):
    """the plug-in is right for unequal arms"""
    for n1, n0 in ((5, 12), (20, 6)):
        d = rng.permutation(np.repeat([1, 0], [n1, n0]))
        y = rng.normal(size=n1 + n0) * np.where(d == 1, 3.0, 0.7)
        expect_close(answer.sharper_variance(y, d), reference.sharper_variance(y, d),
                     rtol=1e-9)


@criterion("q7", points=1, hint="What must a constant outcome give in each arm?")
def test_sums(answer, rng):
    """treated weights sum to 1, control weights to -1"""
    d = rng.permutation(np.repeat([1, 0], [12, 23]))
    w = answer.lin_weights(d, rng.normal(size=(35, 3)))
    expect_shape(w, (35,))
    expect_close([w[d == 1].sum(), w[d == 0].sum()], [1.0, -1.0], rtol=1e-8)


@criterion("q7", points=2, hint="Each arm has its own slopes.")
def test_estimates(answer, rng):
    """w @ y is the difference of two regressions predicted at the mean"""
    d = rng.permutation(np.repeat([1, 0], [10, 30]))
    X = rng.normal(1, 2, size=(40, 2))
    y = X @ [1.0, -2.0] + d * (1 + X @ [2.0, 1.0]) + rng.normal(size=40)
    at = np.r_[1.0, X.mean(axis=0)]
    fits = []
    for k in (1, 0):
        Z = np.column_stack([np.ones((d == k).sum()), X[d == k]])
        fits.append(np.linalg.lstsq(Z, y[d == k], rcond=None)[0])
    expect_close(answer.lin_weights(d, X) @ y, at @ (fits[0] - fits[1]), rtol=1e-7)


@criterion("q7", points=2, hint="What are the weighted means of X in both arms?")
def test_balance(answer, rng):
    """both arms are balanced on the mean of all units"""
    d = rng.permutation(np.repeat([1, 0], [9, 25]))
    X = rng.normal(3, 2, size=(34, 3))
    w = answer.lin_weights(d, X)
    expect_close(w[d == 1] @ X[d == 1], X.mean(axis=0), rtol=1e-7)
    expect_close(-w[d == 0] @ X[d == 0], X.mean(axis=0), rtol=1e-7)


@criterion("q8", points=1, hint="What is the mean of the pairs' differences?")
def test_the_estimate(answer, rng):
    """the estimate is the difference in means"""
    order = rng.permutation(16)
    d, pair = np.tile([1, 0], 8)[order], np.repeat(np.arange(8), 2)[order]
    y = rng.normal(size=16) + 2 * d
    got = answer.paired(y, d, pair)
    want = y[d == 1].mean() - y[d == 0].mean()
    expect_close(got[0], want, rtol=1e-9, what="the estimate")


@criterion("q8", points=2, hint="Bring the two units of a pair together first.")
def test_the_error(answer, rng, reference):
    """estimate and standard error are right in any order"""
    order = rng.permutation(24)
    d, pair = np.tile([1, 0], 12)[order], np.repeat(np.arange(12), 2)[order] * 7
    y = 5 * np.sin(pair) + d * rng.normal(1, 0.5, size=24) + rng.normal(size=24)
    expect_close(answer.paired(y, d, pair), reference.paired(y, d, pair), rtol=1e-8)


@criterion("q8", points=1, hint="Count treated and control units in each pair.")
def test_broken_pairs(answer, rng):
    """a pair with two treated units is refused"""
    y, pair = rng.normal(size=6), np.array([0, 0, 1, 1, 2, 2])
    d = np.array([1, 1, 0, 0, 1, 0])
    expect_error(lambda: answer.paired(y, d, pair), "ValueError", "a broken pair")


@criterion("q9", points=1, hint="With no assumption an unseen mean is anywhere.")
def test_the_two_ends(answer, rng):
    """delta 0 gives the naive difference; delta infinite a width of hi - lo"""
    y, d = rng.uniform(1, 4, size=30), (rng.permutation(30) < 9).astype(int)
    naive = y[d == 1].mean() - y[d == 0].mean()
    expect_close(answer.bounds(y, d, 0.5, 5.0, 0.0), [naive, naive], rtol=1e-9)
    low, high = answer.bounds(y, d, 0.5, 5.0, np.inf)
    expect_close(high - low, 4.5, rtol=1e-9, what="the width")


@criterion("q9", points=3, hint="Which mean is unseen in a group of share p?")
def test_bounds(answer, rng, reference):
    """the bounds are right between the two ends, clipped where they must be"""
    d = (rng.permutation(40) < 8).astype(int)
    y = np.where(d == 1, rng.uniform(2.5, 4, size=40), rng.uniform(0, 1.5, size=40))
    for delta in (0.2, 0.9, 2.5, np.inf):
        expect_close(answer.bounds(y, d, 0.0, 4.0, delta),
                     reference.bounds(y, d, 0.0, 4.0, delta), rtol=1e-8, scale=1.0)


@criterion("q9", points=2, hint="Let delta grow until the lower end touches zero.")
def test_breakdown(answer, rng, reference):
    """the breakdown point is right for effects of either sign"""
    d = (rng.permutation(40) < 30).astype(int)
    y = np.where(d == 1, rng.uniform(3.0, 4, size=40), rng.uniform(0, 0.6, size=40))
    expect_close(answer.breakdown(y, d, 0.0, 4.0), reference.breakdown(y, d, 0.0, 4.0),
                 rtol=1e-4)
    y = 4 - y
    expect_close(answer.breakdown(y, d, 0.0, 4.0), reference.breakdown(y, d, 0.0, 4.0),
                 rtol=1e-4)
