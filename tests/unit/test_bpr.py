"""BPR: gradients, the law of its draws, and its quality on MovieLens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare

from streamrec.data.interactions import Interactions
from streamrec.evaluation.ranking import evaluate
from streamrec.models.bpr import BPR, pairwise_loss, triple_gradients


def problem(seed=0, M=4, N=6, D=3, B=25):
    rng = np.random.default_rng(seed)
    X, Y, b = rng.normal(size=(M, D)), rng.normal(size=(N, D)), rng.normal(size=N)
    u, i, j = (rng.integers(n, size=B) for n in (M, N, N))
    return X, Y, b, u, i, j


def penalised(X, Y, b, u, i, j, lam):
    """The objective, one triple after the other."""
    total = 0.0
    for a, p, q in zip(u, i, j):
        d = X[a] @ Y[p] + b[p] - X[a] @ Y[q] - b[q]
        total += np.log1p(np.exp(-d))
        squares = X[a] @ X[a] + Y[p] @ Y[p] + Y[q] @ Y[q] + b[p] ** 2 + b[q] ** 2
        total += lam / 2 * squares
    return total


def test_gradients_are_the_derivatives_of_the_objective():
    X, Y, b, u, i, j = problem()
    grads = triple_gradients(X, Y, b, u, i, j, 0.3)
    for which, (array, grad) in enumerate(zip((X, Y, b), grads)):
        for place in np.ndindex(array.shape):
            parts = []
            for h in (1e-6, -1e-6):
                moved = [a.copy() for a in (X, Y, b)]
                moved[which][place] += h
                parts.append(penalised(*moved, u, i, j, 0.3))
            assert grad[place] == pytest.approx((parts[0] - parts[1]) / 2e-6, abs=1e-6)


def test_loss_is_the_definition_and_does_not_overflow():
    X, Y, b, u, i, j = problem(1)
    assert pairwise_loss(X, Y, b, u, i, j).sum() == pytest.approx(
        penalised(X, Y, b, u, i, j, 0.0)
    )
    assert pairwise_loss(X, Y, 1e4 * b, u, i, j).max() < np.inf


@pytest.fixture(scope="module")
def skewed():
    """Items of very unequal popularity: item c is taken by about 60 / (c + 1)."""
    rng = np.random.default_rng(3)
    R = rng.random((60, 12)) < 1 / (1 + np.arange(12.0))
    R[:, 0] |= ~R.any(axis=1)
    u, i = np.nonzero(R)
    return Interactions.from_frame(pd.DataFrame({"user": u, "item": i}))


@pytest.mark.parametrize("negatives", ["uniform", "popularity"])
def test_the_law_of_the_other_item(skewed, negatives):
    """False alarm 1e-4: among a user's untaken items the draw follows q."""
    R = skewed.matrix.tocsr()
    R.sort_indices()
    M, N = R.shape
    users, items = np.repeat(np.arange(M), np.diff(R.indptr)), R.indices.astype(np.intp)
    user = 5
    q = np.ones(N) if negatives == "uniform" else np.bincount(items, minlength=N) + 0.0
    q[R[user].indices] = 0
    model = BPR(negatives=negatives)
    u = np.full(20_000, user)
    j, valid = model._draw(u, items, users * N + items, N, np.random.default_rng(0))
    counts = np.bincount(j[valid], minlength=N)
    assert counts[q == 0].sum() == 0
    expected = q[q > 0] / q.sum() * counts.sum()
    assert chisquare(counts[q > 0], expected).pvalue > 1e-4


def test_a_user_who_took_everything_is_left_out():
    frame = pd.DataFrame({"user": [1, 1, 1, 2], "item": [1, 2, 3, 1]})
    model = BPR(factors=2, epochs=3).fit(Interactions.from_frame(frame))
    assert np.isfinite(model.X_).all() and np.isfinite(model.loss_).all()


def test_scores_are_the_differences_that_were_trained(skewed):
    model = BPR(factors=2, epochs=2).fit(skewed)
    s = model.score(skewed.users[:3])
    u, i, j = np.arange(3), np.array([0, 4, 7]), np.array([3, 1, 2])
    d = s[u, i] - s[u, j]
    loss = pairwise_loss(model.X_, model.Y_, model.b_, u, i, j)
    np.testing.assert_allclose(np.log1p(np.exp(-d)), loss, rtol=1e-5)


def test_without_bias_the_offsets_stay_zero(skewed):
    assert not BPR(factors=2, epochs=2, bias=False).fit(skewed).b_.any()
    assert BPR(factors=2, epochs=2).fit(skewed).b_.any()


@pytest.mark.parametrize(
    "bad",
    [
        {"factors": 0},
        {"eta": 0.0},
        {"lam": -1.0},
        {"epochs": 0},
        {"batch": 0},
        {"negatives": "hard"},
    ],
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        BPR(**bad)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_ranks_as_well_as_its_peer(movielens_split, seed):
    model = BPR(seed=seed).fit(movielens_split.train)
    assert evaluate(model, movielens_split, k=10).mean("ndcg") >= 0.168
