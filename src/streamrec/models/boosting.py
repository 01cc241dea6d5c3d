"""Gradient boosting with stumps: descent in the space of functions.

F is a sum of small functions. With loss l(y, F) the steepest descent direction at the
training points is the vector of residuals r_i = -dl/dF(x_i); since only functions are
allowed, the stump nearest to it in least squares is taken instead:

    h = argmin_h sum_i (r_i - h(x_i))^2,        F <- F + nu h.

squared loss (y - F)^2 / 2: r = y - F, a leaf's value is its mean residual.
log loss log(1 + exp(F)) - y F: r = y - p with p = sigma(F); the split is the same least
squares, the leaf's value a Newton step, sum r / sum p (1 - p).

Source: Friedman (2001). Shapes: n observations, p features, T rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from streamrec.models.base import NotFittedError

Floats = NDArray[np.float64]


# derivation
def best_split(X: Floats, order: NDArray[np.intp], r: Floats) -> tuple[int, float]:
    """Feature and threshold of the stump nearest to r in least squares.

    Splitting n rows with sum S into left (n_L, S_L) and right lowers the squared error
    by S_L^2 / n_L + S_R^2 / n_R - S^2 / n; all cuts of a feature come from one running
    sum of r in the order of that feature. X (n, p), order = X.argsort(axis=0). Rows
    with x <= threshold go left. Ties: the first feature, then the smallest threshold.

    Raises ValueError when every feature is constant.

    >>> X = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> best_split(X, X.argsort(axis=0), np.array([0.0, 0.0, 1.0, 1.0]))
    (0, 2.5)
    """
    n = len(r)
    x = np.take_along_axis(X, order, axis=0)  # (n, p) ascending
    left = np.cumsum(r[order], axis=0)[:-1]  # (n - 1, p) S_L of each cut
    n_left = np.arange(1, n)[:, None]
    gain = left**2 / n_left + (r.sum() - left) ** 2 / (n - n_left)
    gain[x[1:] == x[:-1]] = -np.inf  # no cut between equal values
    feature, cut = divmod(int(np.argmax(gain.T)), n - 1)
    if gain[cut, feature] == -np.inf:
        raise ValueError("every feature is constant: there is nothing to split")
    return feature, float((x[cut, feature] + x[cut + 1, feature]) / 2)


@dataclass
class BoostedStumps:
    """Gradient-boosted stumps; see the module's equations.

    rounds: T. shrinkage: nu, the share of each step taken. loss: "squared" or
    "logistic" (outcomes 0 and 1; scores are logits). Deterministic.
    After fit: start_ (the best constant), feature_ (T,), threshold_ (T,), left_ and
    right_ (T,) what a stump adds (nu included), loss_ (T + 1,) mean training loss
    before the first and after each round.

    Raises ValueError for settings out of range; in fit for wrong shapes, values that
    are not finite, features that are all constant, and outcomes that the logistic loss
    cannot take.

    >>> model = BoostedStumps(rounds=1, shrinkage=1.0, loss="squared")
    >>> model.fit([[0.0], [1.0]], [3.0, 5.0]).score([[0.2], [9.0]]).tolist()
    [3.0, 5.0]
    """

    rounds: int = 200
    shrinkage: float = 0.1
    loss: str = "logistic"

    def __post_init__(self) -> None:
        if not self.rounds >= 1:
            raise ValueError(f"rounds must be at least 1; got {self.rounds}")
        if not 0 < self.shrinkage <= 1:
            raise ValueError(f"shrinkage must lie in (0, 1], not {self.shrinkage}")
        if self.loss not in ("squared", "logistic"):
            raise ValueError(f"loss must be 'squared' or 'logistic', not {self.loss!r}")

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn from X (n, p) and y (n,)."""
        A, t = _matrix(X), np.asarray(y, dtype=float)
        if t.shape != (len(A),) or not np.isfinite(t).all():
            raise ValueError(f"y must hold {len(A)} finite numbers")
        if len(A) < 2:
            raise ValueError("at least two observations are needed")
        if self.loss == "logistic" and set(np.unique(t)) != {0.0, 1.0}:
            raise ValueError("the logistic loss needs outcomes 0 and 1, both present")
        self.p_ = A.shape[1]
        start = logit(t.mean()) if self.loss == "logistic" else t.mean()
        self.start_, F = float(start), np.full(len(A), start)
        order, stumps, losses = A.argsort(axis=0, kind="stable"), [], [self._loss(t, F)]
        for _ in range(self.rounds):
            r, h = self._residual(t, F)
            feature, threshold = best_split(A, order, r)
            goes_left = A[:, feature] <= threshold
            left, right = (
                self.shrinkage * r[rows].sum() / max(h[rows].sum(), 1e-300)
                for rows in (goes_left, ~goes_left)
            )
            F = F + np.where(goes_left, left, right)
            stumps.append((feature, threshold, left, right))
            losses.append(self._loss(t, F))
        columns = [np.array(c) for c in zip(*stumps)]
        self.feature_, self.threshold_, self.left_, self.right_ = columns
        self.loss_ = np.array(losses)
        return self

    # derivation
    def _residual(self, y: Floats, F: Floats) -> tuple[Floats, Floats]:
        """Minus the gradient of the loss in F, and its second derivative, (n,) each."""
        if self.loss == "squared":
            return y - F, np.ones_like(F)
        p = expit(F)
        return y - p, p * (1 - p)

    # derivation
    def _loss(self, y: Floats, F: Floats) -> float:
        if self.loss == "squared":
            return float(((y - F) ** 2).mean() / 2)
        return float((np.logaddexp(0, F) - y * F).mean())

    def staged(self, X: ArrayLike) -> NDArray[Any]:
        """Scores after 0, 1, ..., T rounds: (T + 1, n)."""
        if not hasattr(self, "feature_"):
            raise NotFittedError("BoostedStumps is not fitted: call fit first")
        A = _matrix(X)
        if A.shape[1] != self.p_:
            raise ValueError(f"fitted on {self.p_} features, asked for {A.shape[1]}")
        goes_left = A[:, self.feature_] <= self.threshold_  # (n, T)
        added = np.where(goes_left, self.left_, self.right_).T
        return self.start_ + np.vstack([np.zeros(len(A)), np.cumsum(added, axis=0)])

    def score(self, X: ArrayLike) -> NDArray[Any]:
        """F(x) of each row, (n,): a logit for the logistic loss.

        Raises NotFittedError before ``fit``, ValueError for another number of features.
        """
        return self.staged(X)[-1]

    def probability(self, X: ArrayLike) -> NDArray[Any]:
        """sigma(F(x)), (n,); for the logistic loss only."""
        if self.loss != "logistic":
            raise ValueError("only the logistic loss gives probabilities")
        return expit(self.score(X))


def _matrix(X: ArrayLike) -> Floats:
    A = np.asarray(X, dtype=float)
    if A.ndim != 2 or not np.isfinite(A).all():
        raise ValueError("X must be a matrix of finite numbers, one row an observation")
    return A
