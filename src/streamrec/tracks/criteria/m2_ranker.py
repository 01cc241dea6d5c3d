"""M2: the probability of a click."""

import numpy as np

from streamrec.grading.criteria import criterion, expect_shape, expect_true
from streamrec.tracks.criteria.common import clearly_above, tiny_world

LEAST = 0.02  # of the base rate's log loss, to be gained


def _logistic(X, y, X_new, lam=1.0):
    """Probabilities of a ridge-penalised logistic regression, by Newton's method."""
    mean, sd = X.mean(axis=0), X.std(axis=0) + 1e-9
    Z, new = ((np.c_[np.ones(len(A)), (A - mean) / sd]) for A in (X, X_new))
    w = np.zeros(Z.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-Z @ w))
        H = (Z * (p * (1 - p))[:, None]).T @ Z + lam * np.eye(len(w))
        w -= np.linalg.solve(H, Z.T @ (p - y) + lam * w)
    return 1 / (1 + np.exp(-new @ w))


def _tables(rng):
    """(X, y, X_new, y_new): features and clicks of past and of later days."""
    world = tiny_world(rng)
    log = world.log(24, mode="plackett-luce")
    table = world.click_features(log)
    X = table.drop(columns="clicked").to_numpy(float)
    y = table["clicked"].to_numpy(float)
    shelf = (log["position"] > 0).to_numpy()
    fit = np.flatnonzero(shelf & log["day"].between(10, 20).to_numpy())
    new = np.flatnonzero(shelf & (log["day"] > 20).to_numpy())
    fit = rng.choice(fit, min(len(fit), 20_000), replace=False)
    new = rng.choice(new, min(len(new), 10_000), replace=False)
    return X[fit], y[fit], X[new], y[new]


def _clicks(answer, rng):
    """Outcomes, the answer's probabilities and two rivals' on unseen days."""
    X, y, X_new, y_new = _tables(rng)
    p = answer.click_probability(X, y, X_new)
    expect_shape(p, (len(y_new),), "the probabilities")
    p = np.asarray(p, float)
    expect_true(bool(((p >= 0) & (p <= 1)).all()), "probabilities lie in [0, 1]")
    rivals = {
        "base": np.full(len(y_new), y.mean()),
        "linear": _logistic(X, y, X_new),
    }
    return y_new, np.clip(p, 1e-6, 1 - 1e-6), rivals


def _loss(y, p):
    return -np.where(y == 1, np.log(p), np.log1p(-p))


@criterion("q3", points=1, hint="Look at the losses of your own validation days.")
def test_the_ranker_beats_the_base_rate(answer, rng):
    """log loss on unseen days is clearly below the base rate's, by 2 % and more"""
    y, p, rivals = _clicks(answer, rng)
    base = _loss(y, rivals["base"])
    gap = base - _loss(y, p) - LEAST * base.mean()  # a hair's breadth is no gain
    expect_true(clearly_above(gap), "log loss is not clearly below the base rate's")


@criterion("q3", points=2, hint="A line on standardised features is the rival.")
def test_the_ranker_keeps_up_with_a_line(answer, rng):
    """log loss on unseen days is not above that of logistic regression, up to noise"""
    y, p, rivals = _clicks(answer, rng)
    gap = _loss(y, p) - _loss(y, rivals["linear"])
    expect_true(not clearly_above(gap), "logistic regression does better")


@criterion("q3", points=1, hint="Compare the mean prediction with the rate, by decile.")
def test_the_ranker_is_calibrated(answer, rng):
    """it tells rows apart, and in deciles mean prediction and rate differ little"""
    y, p, _ = _clicks(answer, rng)
    parts = np.array_split(np.argsort(p, kind="stable"), 10)
    gaps = [abs(p[i].mean() - y[i].mean()) for i in parts]
    expect_true(float(np.mean(gaps)) < 0.03, "the probabilities are not calibrated")
    spread = y[parts[-1]].mean() - y[parts[0]].mean()
    expect_true(bool(spread > 0.2), "the prediction does not tell clicks apart")
