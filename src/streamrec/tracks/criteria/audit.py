"""Audit: rates, means and exposure, with their intervals."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_shape,
    expect_true,
)


@criterion("q5", points=1.5, hint="Wilson's interval, not the normal one.")
def test_rates_and_intervals(answer, rng):
    """selection rates and their Wilson intervals, group by group"""
    n = int(rng.integers(200, 300))
    group, selected = rng.integers(0, 4, n), rng.uniform(size=n) < 0.15
    got = answer.selection_rates(selected, group)
    expect_shape(got, (4, 3), "the table")
    want, z = [], 1.959963984540054
    for g in range(4):
        own = selected[group == g]
        k, m = own.sum(), len(own)
        centre = (k + z**2 / 2) / (m + z**2)
        half = z * np.sqrt(k * (m - k) / m + z**2 / 4) / (m + z**2)
        want.append((k / m, max(centre - half, 0), min(centre + half, 1)))
    expect_close(got, want, rtol=1e-3, what="rates and intervals")


@criterion("q5", points=1, hint="Sum by user first: a user's rows are not independent.")
def test_means_are_clustered_by_user(answer, rng):
    """means by group, with intervals that count users and not rows"""
    m, n = 240, 4_000
    user = rng.choice(m, n, p=rng.dirichlet(np.ones(m)))
    group = rng.integers(0, 3, m)[user]
    value = rng.normal(size=m)[user] + 0.3 * rng.normal(size=n) + group
    got = answer.group_means(value, user, group)
    expect_shape(got, (3, 3), "the table")
    got = np.asarray(got, float)
    for g in range(3):
        own = group == g
        _, code = np.unique(user[own], return_inverse=True)
        S, N = np.bincount(code, value[own]), np.bincount(code)
        mean = S.sum() / N.sum()
        half = 1.96 * np.sqrt(((S - mean * N) ** 2).sum()) / N.sum()
        expect_close(got[g, 0], mean, rtol=1e-6, scale=1.0, what="a mean")
        for side, sign in ((1, -1), (2, 1)):
            ratio = sign * (got[g, side] - mean) / half
            expect_true(bool(0.95 < ratio < 1.08), "an interval is not clustered")


@criterion("q5", points=1.5, hint="Items that are never shown count with exposure 0.")
def test_gini_of_exposure(answer, rng):
    """the Gini of weighted exposure counts the whole catalogue"""
    N, k = int(rng.integers(50, 70)), 7
    ranked = np.array([rng.permutation(N // 2)[:k] for _ in range(31)])
    weights = 1 / np.log2(np.arange(2, k + 2))
    e = np.zeros(N)
    np.add.at(e, ranked.ravel(), np.tile(weights, len(ranked)))
    want = np.abs(e[:, None] - e[None, :]).sum() / (2 * N * e.sum())
    expect_close(answer.exposure_gini(ranked, N, weights), want, rtol=1e-9)
