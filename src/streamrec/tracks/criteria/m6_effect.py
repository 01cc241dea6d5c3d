"""M6: the average effect of a treatment that units chose themselves."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_equal,
    expect_error,
    expect_true,
)


def _study(rng, n, strength):
    """Outcomes under a treatment that units choose: y, d, X, the average effect."""
    X = rng.normal(size=(n, 4))
    tau = 1.5 + 0.8 * X[:, 0]
    e = 1 / (1 + np.exp(-strength * (0.7 * X[:, 0] - 0.5 * X[:, 1] + 0.3)))
    d = rng.uniform(size=n) < e
    y0 = 2 + X @ [1.0, -0.8, 0.4, 0.0] + 0.3 * X[:, 0] ** 2 + rng.normal(size=n)
    return y0 + d * tau, d.astype(int), X, float(tau.mean())


def _studies(answer, rng):
    rows = []
    for _ in range(20):
        y, d, X, truth = _study(rng, 1_500, 1.0)
        got = answer.average_effect(y, d, X)
        expect_true(
            type(got) in (tuple, list) and len(got) == 3, "return (effect, low, high)"
        )
        naive = y[d == 1].mean() - y[d == 0].mean()
        rows.append((*map(float, got), truth, naive))
    return np.array(rows).T


@criterion("q7", points=4, hint="Adjust; then compute the error of what you adjusted.")
def test_intervals_cover(answer, rng):
    """the 95 % interval covers the effect in at least 17 of 20 worlds, and is short"""
    _, low, high, truth, _ = _studies(answer, rng)
    covered = int(((low <= truth) & (truth <= high)).sum())
    expect_true(covered >= 17, f"the interval covers in {covered} of 20 worlds")
    expect_true(float((high - low).mean()) < 0.6, "the intervals are too wide to use")


@criterion("q7", points=3, hint="Who chose the treatment differs before it, too.")
def test_the_bias_is_small(answer, rng):
    """mean error at most 15 % of the effect, and below that of the naive difference"""
    effect, _, _, truth, naive = _studies(answer, rng)
    bias = abs((effect - truth).mean())
    expect_true(bias <= 0.15 * truth.mean(), "the bias exceeds 15 % of the effect")
    expect_true(bias < abs((naive - truth).mean()), "the naive difference does better")


@criterion("q7", points=3, hint="Look at the propensities before you divide by them.")
def test_no_overlap_is_refused(answer, rng):
    """without overlap the estimate is refused; with it, it is given"""
    for strength in rng.permutation([1.0, 1.0, 12.0, 12.0]):
        y, d, X, _ = _study(rng, 1_500, strength)
        if strength < 2:
            expect_equal(len(answer.average_effect(y, d, X)), 3, "the result")
            continue
        expect_error(
            lambda s=(y, d, X): answer.average_effect(*s), "ValueError", "no overlap"
        )
