"""The bootstrap against SciPy, the plug-in formula and its own failures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from streamrec.stats.bootstrap import bca, jackknife, percentile, replicates

X = np.random.default_rng(5).exponential(3.0, size=60)


def mean(x):
    return float(x.mean())


def test_replicates_of_a_mean_have_the_plug_in_variance():
    draws = replicates(X, mean, draws=6_000, rng=np.random.default_rng(0))
    want = X.std() / math.sqrt(60)
    assert draws.std() == pytest.approx(want, rel=4.5 / math.sqrt(2 * 6_000))
    assert draws.mean() == pytest.approx(X.mean(), abs=4.5 * want / math.sqrt(6_000))


def test_rows_stay_together():
    table = np.column_stack([X, 2 * X])
    ratio = replicates(
        table,
        lambda t: float(t[:, 1].sum() / t[:, 0].sum()),
        draws=20,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(ratio, 2)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_intervals_equal_scipy(level):
    draws = replicates(X, mean, draws=4_000, rng=np.random.default_rng(0))
    same = stats.bootstrap(
        (X,), np.mean, n_resamples=0, confidence_level=level, method="percentile",
        bootstrap_result=_result(draws),
    )  # fmt: skip
    np.testing.assert_allclose(percentile(draws, level=level), same.confidence_interval)
    same = stats.bootstrap(
        (X,), np.mean, n_resamples=0, confidence_level=level, method="BCa",
        bootstrap_result=_result(draws),
    )  # fmt: skip
    np.testing.assert_allclose(
        bca(X, mean, draws, level=level), same.confidence_interval, rtol=1e-9
    )


def _result(draws):
    class Result:
        bootstrap_distribution = draws

    return Result()


def test_jackknife_is_a_loop():
    want = [np.median(X[np.arange(60) != i]) for i in range(60)]
    np.testing.assert_allclose(jackknife(X, lambda x: float(np.median(x))), want)


def test_bca_moves_towards_the_long_tail():
    draws = replicates(X, mean, draws=4_000, rng=np.random.default_rng(0))
    plain, moved = percentile(draws), bca(X, mean, draws)
    assert moved.low > plain.low and moved.high > plain.high


def test_ties_with_the_estimate_count_half():
    x = np.repeat([0.0, 1.0, 2.0], [10, 20, 10])
    draws = np.repeat([0.0, 1.0, 2.0], [100, 800, 100])
    got = bca(x, mean, draws)  # symmetric: z0 = 0, a = 0
    assert got == percentile(draws)


@pytest.mark.parametrize(
    "call",
    [
        lambda: replicates([1.0], mean, draws=9, rng=np.random.default_rng(0)),
        lambda: replicates(X, mean, draws=0, rng=np.random.default_rng(0)),
        lambda: replicates([1, math.nan], mean, draws=9, rng=np.random.default_rng(0)),
        lambda: replicates(np.ones((2, 2, 2)), mean, draws=9,
                           rng=np.random.default_rng(0)),
        lambda: percentile([1.0, 2.0], level=1.5),
        lambda: bca(X, lambda x: float(x.max()), np.full(50, X.max() - 1)),
        lambda: bca([1.0, 1.0], mean, [0.0, 2.0]),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
