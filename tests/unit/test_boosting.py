"""Boosted stumps against scikit-learn and an exhaustive search."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from streamrec.models.base import NotFittedError
from streamrec.models.boosting import BoostedStumps, best_split
from streamrec.protocols import Ranker


def data(n=120, p=4, seed=0):
    """Features exact in float32, because scikit-learn's trees round to it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)).astype(np.float32).astype(float)
    F = 2 * (X[:, 0] > 0.3) + X[:, 1]
    return X, F + rng.normal(size=n), (rng.random(n) < 1 / (1 + np.exp(-F))) + 0.0


def exhaustive(X, r):
    """Smallest squared error of any stump."""
    best = np.inf
    for x in X.T:
        for t in np.unique(x)[:-1]:
            sides = [r[x <= t], r[x > t]]
            best = min(best, sum(((s - s.mean()) ** 2).sum() for s in sides))
    return best


@pytest.mark.parametrize("rounded", [False, True])
def test_the_split_is_the_best_of_all(rounded):
    X, r, _ = data(40)
    X = X.round() if rounded else X
    feature, t = best_split(X, X.argsort(axis=0, kind="stable"), r)
    sides = [r[X[:, feature] <= t], r[X[:, feature] > t]]
    error = sum(((s - s.mean()) ** 2).sum() for s in sides)
    assert error == pytest.approx(exhaustive(X, r))


def test_squared_loss_equals_scikit_learn():
    X, y, _ = data()
    ours = BoostedStumps(60, 0.3, "squared").fit(X, y)
    theirs = GradientBoostingRegressor(n_estimators=60, learning_rate=0.3, max_depth=1)
    new = data(seed=1)[0]
    np.testing.assert_allclose(ours.score(new), theirs.fit(X, y).predict(new))


def test_logistic_loss_equals_scikit_learn():
    X, _, y = data(300)
    ours = BoostedStumps(60, 0.3).fit(X, y)
    theirs = GradientBoostingClassifier(n_estimators=60, learning_rate=0.3, max_depth=1)
    new = data(seed=1)[0]
    theirs.fit(X, y)
    np.testing.assert_allclose(ours.score(new), theirs.decision_function(new))
    np.testing.assert_allclose(ours.probability(new), theirs.predict_proba(new)[:, 1])


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_training_loss_falls_and_the_stages_add_up(loss):
    X, y, t = data()
    model = BoostedStumps(50, 0.2, loss).fit(X, y if loss == "squared" else t)
    assert (np.diff(model.loss_) < 0).all()
    stages = model.staged(X)
    assert stages.shape == (51, len(X))
    np.testing.assert_allclose(stages[0], model.start_)
    np.testing.assert_allclose(stages[-1], model.score(X))


def test_training_loss_is_the_definition():
    X, y, t = data()
    squared = BoostedStumps(5, 0.2, "squared").fit(X, y)
    assert squared.loss_[0] == pytest.approx(((y - y.mean()) ** 2).mean() / 2)
    assert squared.loss_[-1] == pytest.approx(((y - squared.score(X)) ** 2).mean() / 2)
    logistic = BoostedStumps(5, 0.2).fit(X, t)
    p = logistic.probability(X)
    likelihood = t * np.log(p) + (1 - t) * np.log(1 - p)
    assert logistic.loss_[-1] == pytest.approx(-likelihood.mean())


def test_order_of_features_may_be_monotone_transformed():
    X, y, _ = data()
    plain = BoostedStumps(30, 0.3, "squared").fit(X, y).score(X)
    cubed = BoostedStumps(30, 0.3, "squared").fit(X**3, y).score(X**3)
    np.testing.assert_allclose(plain, cubed)


def test_it_is_a_ranker_and_refuses_what_it_cannot_do():
    assert isinstance(BoostedStumps(), Ranker)
    with pytest.raises(NotFittedError):
        BoostedStumps().score([[1.0]])
    X, y, t = data()
    with pytest.raises(ValueError, match="0 and 1"):
        BoostedStumps().fit(X, y)
    with pytest.raises(ValueError, match="both"):
        BoostedStumps().fit(X, np.ones(len(X)))
    with pytest.raises(ValueError, match="constant"):
        BoostedStumps().fit(np.ones((4, 2)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="finite"):
        BoostedStumps().fit([[np.nan], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="2 finite"):
        BoostedStumps().fit([[0.0], [1.0]], [0, 1, 1])
    with pytest.raises(ValueError, match="two"):
        BoostedStumps(loss="squared").fit([[0.0]], [0])
    with pytest.raises(ValueError, match="features"):
        BoostedStumps(rounds=2).fit(X, t).score(X[:, :2])
    with pytest.raises(ValueError, match="probabilities"):
        BoostedStumps(rounds=2, loss="squared").fit(X, y).probability(X)
    for bad in ({"rounds": 0}, {"shrinkage": 0.0}, {"loss": "hinge"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            BoostedStumps(**bad)
