"""How good are predicted probabilities? Discrimination, proper scores, calibration.

Chapter 6. Outcomes y (n,) in {0, 1}; predictions p (n,): probabilities, or any score
for the AUC and average precision. Undefined is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def _outcomes(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    """Validated y (n,) bool and finite scores p (n,)."""
    truth, score = np.asarray(y), np.asarray(p, dtype=float)
    if truth.ndim != 1 or truth.shape != score.shape:
        raise ValueError(
            f"y and p need one common shape (n,), not {truth.shape} and {score.shape}"
        )
    if truth.size == 0:
        raise ValueError("y and p are empty: there is nothing to evaluate")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("y must hold only 0 and 1")
    if not np.isfinite(score).all():
        raise ValueError(
            f"{int((~np.isfinite(score)).sum())} predictions are not finite"
        )
    return truth.astype(bool), score


def _probabilities(y: ArrayLike, p: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    truth, prob = _outcomes(y, p)
    if prob.min() < 0 or prob.max() > 1:
        raise ValueError("predictions must lie in [0, 1]: apply a sigmoid first")
    return truth, prob


# derivation: eq-auc
def auc(y: ArrayLike, p: ArrayLike) -> float:
    r"""Area under the ROC curve = P(score of a positive > score of a negative).

    With R_1 the rank sum of the positives (ties share their mean rank),
    AUC = (R_1 - n_1 (n_1 + 1) / 2) / (n_1 n_0): the Mann-Whitney statistic.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    truth, score = _outcomes(y, p)
    n1 = int(truth.sum())
    n0 = truth.size - n1
    if n1 == 0 or n0 == 0:
        return float("nan")
    R1 = stats.rankdata(score)[truth].sum()
    return float((R1 - n1 * (n1 + 1) / 2) / (n1 * n0))


# derivation: eq-auc-variance
def auc_interval(
    y: ArrayLike, p: ArrayLike, *, level: float = 0.95
) -> tuple[float, float, float]:
    """AUC and its interval by DeLong's variance, for independent rows.

    Var = var(V_10) / n_1 + var(V_01) / n_0, where V_10 (V_01) is each positive's
    (negative's) share of negatives (positives) it beats. Returns (auc, low, high).
    """
    truth, score = _outcomes(y, p)
    pos, neg = score[truth], score[~truth]
    if min(pos.size, neg.size) < 2:
        return float("nan"), float("nan"), float("nan")
    rank = stats.rankdata(score)
    v10 = (rank[truth] - stats.rankdata(pos)) / neg.size  # (n1,)
    v01 = 1 - (rank[~truth] - stats.rankdata(neg)) / pos.size  # (n0,)
    area = float(v10.mean())
    se = float(np.sqrt(v10.var(ddof=1) / pos.size + v01.var(ddof=1) / neg.size))
    z = float(stats.norm.ppf((1 + level) / 2))
    return area, area - z * se, area + z * se


# derivation: eq-average-precision
def average_precision(y: ArrayLike, p: ArrayLike) -> float:
    """Sum over thresholds of (recall_n - recall_n-1) precision_n, ties as one step.

    >>> round(average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    truth, score = _outcomes(y, p)
    if not truth.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.r_[np.flatnonzero(np.diff(score[order])), truth.size - 1]  # ends of ties
    precision = hits[last] / (last + 1)
    recall = hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


# derivation: eq-log-loss
def log_loss_each(y: ArrayLike, p: ArrayLike, *, eps: float = 1e-15) -> Floats:
    """-y log p - (1 - y) log(1 - p) for each row (n,); p clipped to [eps, 1 - eps]."""
    truth, prob = _probabilities(y, p)
    q = np.clip(prob, eps, 1 - eps)
    return -np.where(truth, np.log(q), np.log1p(-q))


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean negative log-likelihood of the outcomes, in nats.

    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    return float(log_loss_each(y, p).mean())


@dataclass(frozen=True)
class LossDifference:
    """Mean log loss of a minus that of b on the same rows (see ``loss_difference``).

    difference: nats a row, negative where a is better. se: clustered standard error.
    interval: at ``level``. n, clusters: rows and independent clusters.
    """

    difference: float
    se: float
    interval: tuple[float, float]
    level: float
    n: int
    clusters: int

    @property
    def clear(self) -> bool:
        """True if the interval does not contain zero."""
        return self.interval[0] > 0 or self.interval[1] < 0

    def __str__(self) -> str:
        """The difference with its interval, in one line."""
        low, high = self.interval
        return (
            f"{self.difference:+.5f} nats (se {self.se:.5f}, {100 * self.level:g} % "
            f"interval {low:+.5f} to {high:+.5f}, {self.clusters} clusters)"
        )


# derivation: eq-nn-cluster
def loss_difference(
    y: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    clusters: ArrayLike,
    *,
    level: float = 0.95,
) -> LossDifference:
    r"""Compare the log losses of two models row by row, errors clustered.

    With d_i the difference of the two losses of row i and d its mean, rows of one
    cluster (a user) may depend on each other and clusters may not:

    .. math:: se^2 = \frac{G}{G-1} \frac{1}{n^2} \sum_g \Big(\sum_{i \in g}
        (d_i - \bar d)\Big)^2

    The interval uses the t quantile with G - 1 degrees of freedom; NaN if G < 2.

    >>> d = loss_difference([1, 0, 1, 0], [0.5] * 4, [0.5] * 4, [1, 1, 2, 2])
    >>> d.difference, d.clusters
    (0.0, 2)
    """
    d = log_loss_each(y, a) - log_loss_each(y, b)  # (n,)
    groups = np.asarray(clusters)
    if groups.shape != d.shape:
        raise ValueError(f"clusters need shape {d.shape}, not {groups.shape}")
    names, g = np.unique(groups, return_inverse=True)
    G, mean = len(names), float(d.mean())
    sums = np.bincount(g, weights=d - mean)  # (G,)
    with np.errstate(divide="ignore", invalid="ignore"):
        se = float(np.sqrt(np.divide(G, G - 1.0) * (sums @ sums)) / d.size)
    half = float(stats.t.ppf((1 + level) / 2, G - 1)) * se if G > 1 else float("nan")
    if G < 2:
        se = float("nan")
    return LossDifference(mean, se, (mean - half, mean + half), level, d.size, G)


# derivation: eq-brier
def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared error of the probabilities, (1/n) sum (p - y)^2.

    >>> brier([1, 0], [0.5, 0.5])
    0.25
    """
    truth, prob = _probabilities(y, p)
    return float(((prob - truth) ** 2).mean())


@dataclass(frozen=True)
class Calibration:
    """Reliability in bins of equal count (see ``calibration``).

    predicted, observed: (G,) mean prediction and event rate of each bin. low, high:
    (G,) Wilson interval of the event rate. count: (G,). ece: expected calibration
    error, sum of count/n |observed - predicted|. slope, intercept: of the logistic
    recalibration logit P(y) = intercept + slope logit(p); 1 and 0 when calibrated.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]
    ece: float
    slope: float
    intercept: float

    @property
    def worst(self) -> float:
        """Largest gap |observed - predicted| over the bins."""
        return float(np.abs(self.observed - self.predicted).max())

    def frame(self) -> pd.DataFrame:
        """One row a bin."""
        import pandas as pd

        names = ("predicted", "observed", "low", "high", "count")
        return pd.DataFrame({name: getattr(self, name) for name in names})


# derivation: eq-calibration
def calibration(
    y: ArrayLike, p: ArrayLike, *, bins: int = 10, level: float = 0.95
) -> Calibration:
    """Compare predicted and observed rates in ``bins`` bins of (nearly) equal count.

    Equal predictions always share a bin, so there may be fewer bins than asked.
    """
    truth, prob = _probabilities(y, p)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    edges = np.unique(np.quantile(prob, np.linspace(0, 1, bins + 1)[1:-1]))
    g = np.searchsorted(edges, prob, side="left")
    _, g = np.unique(g, return_inverse=True)
    count = np.bincount(g)
    predicted = np.bincount(g, weights=prob) / count
    observed = np.bincount(g, weights=truth) / count
    z = float(stats.norm.ppf((1 + level) / 2))
    centre = (observed + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(observed * (1 - observed) / count + z**2 / (4 * count**2))
    half /= 1 + z**2 / count
    ece = float(count @ np.abs(observed - predicted) / truth.size)
    slope, intercept = _recalibration(truth, prob)
    low, high = centre - half, centre + half
    return Calibration(predicted, observed, low, high, count, ece, slope, intercept)


# derivation: eq-recalibration
def _recalibration(
    truth: NDArray[np.bool_], prob: Floats, steps: int = 50
) -> tuple[float, float]:
    """Slope and intercept of logit P(y) on logit(p), by Newton; NaN if undefined."""
    if truth.all() or not truth.any() or np.ptp(prob) == 0:
        return float("nan"), float("nan")
    q = np.clip(prob, 1e-12, 1 - 1e-12)
    Z = np.column_stack([np.ones(q.size), np.log(q) - np.log1p(-q)])  # (n, 2)
    beta = np.zeros(2)  # extreme predictions would saturate a start at (0, 1)
    for _ in range(steps):
        mu = 1 / (1 + np.exp(-np.clip(Z @ beta, -35, 35)))
        H = (Z * (mu * (1 - mu))[:, None]).T @ Z
        if not np.isfinite(H).all() or np.linalg.cond(H) > 1e12:
            return float("nan"), float("nan")  # separated: no finite maximum
        move = np.linalg.solve(H, Z.T @ (truth - mu))
        beta = beta + move
        if np.abs(move).max() < 1e-10:
            return float(beta[1]), float(beta[0])
    return float("nan"), float("nan")


def summary(y: ArrayLike, p: ArrayLike, *, bins: int = 10) -> dict[str, float]:
    """AUC, average precision, log loss, Brier, ECE, calibration slope and intercept."""
    shape = calibration(y, p, bins=bins)
    return {
        "auc": auc(y, p),
        "average_precision": average_precision(y, p),
        "log_loss": log_loss(y, p),
        "brier": brier(y, p),
        "ece": shape.ece,
        "slope": shape.slope,
        "intercept": shape.intercept,
    }
