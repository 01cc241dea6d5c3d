r"""Metrics with their errors: rows may be weighted and may depend within clusters.

Chapter 28. A metric is a function of the (weighted) distribution of the rows, so that
to first order it is a sum over rows: estimate - truth = sum_i c_i, where c_i (n,) is
the row's contribution (its influence value times its share of the weight). Errors,
paired differences, slices against the rest and trends all follow from c:

.. math:: se^2 = \frac{G}{G-1} \sum_g \Big(\sum_{i \in g} c_i\Big)^2

over the G clusters; two models on the same rows have c_a - c_b. For the AUC and
independent rows this is DeLong's error. Every function here returns (value, c).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from streamrec.stats.intervals import check_level, wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = tuple[float, Floats]
NAN = float("nan")


@dataclass(frozen=True)
class MetricEstimate:
    """A value with its error: ``se``, ends at the level asked, degrees of freedom."""

    value: float
    se: float
    low: float
    high: float
    df: float

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the hypothesis that the truth is 0; NaN without se."""
        if not self.se > 0:
            return NAN
        return float(2 * stdtr(self.df, -abs(self.value) / self.se))

    @property
    def interval(self) -> tuple[float, float]:
        """The two ends."""
        return self.low, self.high


# derivation
def cluster_error(c: Floats, g: Ints) -> float:
    """The clustered standard error of a sum of contributions c (n,); g (n,) codes.

    Clusters are counted over all codes present, also those whose rows contribute 0.

    >>> round(cluster_error(np.array([0.1, -0.1, 0.2, -0.2]), np.arange(4)), 4)
    0.3651
    """
    sums, G = np.bincount(g, weights=c), int((np.bincount(g) > 0).sum())
    return float(np.sqrt(G / (G - 1) * (sums @ sums))) if G > 1 else NAN


def freedom(c: Floats, g: Ints, strata: NDArray[np.generic] | None = None) -> float:
    """Degrees of freedom: contributing clusters less one, in the smaller stratum.

    With strata (the classes) the scarcer one decides: 8 positives among a million
    rows say as much as 8 clusters do. NaN if there are fewer than two.
    """
    active = c != 0
    parts = [active]
    if strata is not None:
        parts = [m for k in _values(strata) if (m := active & (strata == k)).any()]
    counts = [int((np.bincount(g[m]) > 0).sum()) for m in parts]
    least = min(counts, default=0)
    return float(least - 1) if least > 1 else NAN


def _values(strata: NDArray[np.generic]) -> tuple[float, ...] | NDArray[np.generic]:
    """The strata, which are usually 0 and 1: no need to sort."""
    two = bool(((strata == 0) | (strata == 1)).all())
    return (0.0, 1.0) if two else np.unique(strata)


def estimate(
    part: Part,
    g: Ints,
    *,
    level: float = 0.95,
    strata: NDArray[np.generic] | None = None,
    share: bool = False,
    df: float | None = None,
) -> MetricEstimate:
    """Value and interval from (value, contributions).

    share: the value lies in (0, 1), and the interval is made on the logit scale so
    that its ends do too. df: degrees of freedom, if not those of :func:`freedom`.
    """
    value, c = part
    tail = (1 + check_level(level)) / 2
    df = freedom(c, g, strata) if df is None else df
    se = cluster_error(c, g) if c.any() else 0.0
    if not np.isfinite(df) or not se > 1e-15:
        return MetricEstimate(value, NAN, NAN, NAN, NAN)
    q = float(stdtrit(df, tail))
    if share and 0 < value < 1:
        z, half = np.log(value / (1 - value)), q * se / (value * (1 - value))
        low, high = (float(1 / (1 + np.exp(-e))) for e in (z - half, z + half))
    else:
        low, high = value - q * se, value + q * se
    return MetricEstimate(value, se, low, high, df)


# derivation
def rate(
    part: Part, g: Ints, domain: NDArray[np.bool_], *, level: float = 0.95
) -> MetricEstimate:
    """A share of rows with Wilson's interval for as many trials as its error implies.

    n = value (1 - value) / se^2, shrunk by (z / t)^2 where clusters are few; if all
    rows of the domain (n,) agree there is no error to go by, and n is its clusters.

    >>> e = rate(mean(np.ones(50), np.ones(50)), np.arange(50), np.ones(50, bool))
    >>> round(e.low, 3), round(e.high, 3)
    (0.929, 1.0)
    """
    value, c = part
    clusters = int((np.bincount(g[domain]) > 0).sum()) if domain.any() else 0
    if not np.isfinite(value) or clusters == 0:
        return MetricEstimate(value, NAN, NAN, NAN, NAN)
    trials, df, se = float(clusters), clusters - 1.0, 0.0
    if c.any():
        tail = (1 + check_level(level)) / 2
        se, df = cluster_error(c, g), max(freedom(c, g), 1.0)
        if not se > 1e-15:  # one cluster, or none that differs
            return MetricEstimate(value, NAN, NAN, NAN, NAN)
        shrink = float(ndtri(tail) / stdtrit(df, tail)) ** 2
        trials = value * (1 - value) / se**2 * shrink
    low, high = wilson(value * trials, trials, level=level)
    return MetricEstimate(value, se, float(low), float(high), df)


# derivation
def ratio(num: Floats, den: Floats, w: Floats) -> Part:
    """R = sum w num / sum w den, with c = w (num - R den) / sum w den.

    >>> ratio(np.array([1.0, 0.0]), np.ones(2), np.ones(2))[1].tolist()
    [0.25, -0.25]
    """
    total = float(w @ den)
    if not total > 0:
        return NAN, np.zeros(len(w))
    R = float(w @ num) / total
    return R, w * (num - R * den) / total


def mean(x: Floats, w: Floats) -> Part:
    """The weighted mean of x (n,)."""
    return ratio(x, np.ones(len(x)), w)


# derivation
def auc(y: Floats, p: Floats, w: Floats) -> Part:
    """P(score of a positive > of a negative) + half of ties; y (n,) in {0, 1}.

    c = w_i (V_i - AUC) / (weight of the own class), V_i the share of the other class
    that row i stands on the right side of (DeLong's structural components).

    >>> auc(np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]), np.ones(4))[0]
    0.75
    """
    _, k = np.unique(p, return_inverse=True)
    w1, w0 = np.bincount(k, w * y), np.bincount(k, w * (1 - y))
    n1, n0 = w1.sum(), w0.sum()
    if n1 == 0 or n0 == 0:
        return NAN, np.zeros(len(p))
    below = (np.cumsum(w0) - w0 / 2) / n0
    above = 1 - (np.cumsum(w1) - w1 / 2) / n1
    area = float(w1 @ below / n1)
    c = np.where(y == 1, (below[k] - area) / n1, (above[k] - area) / n0)
    if min((y == 1).sum(), (y == 0).sum()) < 2:  # one row: its c is 0, its error not
        c = np.full(len(p), NAN)
    return area, w * c


# derivation
def average_precision(y: Floats, p: Floats, w: Floats) -> Part:
    r"""Mean over positives of the precision at their score, ties as one step.

    With B(s) the share of rows scored s or more, prec(s) the positives' share of those
    and pi the share of positives,

    .. math:: c_i = \frac{w_i}{W \pi}\Big(y_i (prec(s_i) - AP)
        + \frac1W\sum_{j:\,s_j \le s_i} w_j y_j \frac{y_i - prec(s_j)}{B(s_j)}\Big):

    a row counts at its own threshold and in the precision at every lower one.

    >>> part = average_precision(np.array([0, 0, 1, 1.0]),
    ...                          np.array([0.1, 0.4, 0.35, 0.8]), np.ones(4))
    >>> round(part[0], 4)
    0.8333
    """
    _, k = np.unique(-p, return_inverse=True)  # codes fall with the score
    w1, wa = np.bincount(k, w * y), np.bincount(k, w)
    n1, W = w1.sum(), wa.sum()
    if n1 == 0:
        return NAN, np.zeros(len(p))
    prec = np.cumsum(w1) / np.cumsum(wa)
    B = np.cumsum(wa) / W
    ap = float(w1 @ prec / n1)
    ones = np.cumsum((w1 / W / B)[::-1])[::-1]  # sum over scores not above
    precs = np.cumsum((w1 / W * prec / B)[::-1])[::-1]
    c = y * (prec[k] - ap) + y * ones[k] - precs[k]
    return ap, w * c / n1


def log_loss(y: Floats, p: Floats, w: Floats, eps: float = 1e-15) -> Part:
    """Mean of -ln of the probability given to what happened, nats; p (n,) or (n, K)."""
    happened = p[np.arange(len(y)), y.astype(int)] if p.ndim == 2 else np.where(
        y == 1, p, 1 - p
    )  # fmt: skip
    return mean(-np.log(np.clip(happened, eps, None)), w)


def brier(y: Floats, p: Floats, w: Floats) -> Part:
    """Mean squared error of probabilities; with K classes summed over them."""
    if p.ndim == 1:
        return mean((p - y) ** 2, w)
    truth = np.zeros_like(p)
    truth[np.arange(len(y)), y.astype(int)] = 1
    return mean(((p - truth) ** 2).sum(1), w)


# derivation
def explained(y: Floats, p: Floats, w: Floats) -> Part:
    """1 - sum w (y - p)^2 / sum w (y - mean)^2: R squared, or the Brier skill."""
    centre = float(w @ y / w.sum())
    value, c = ratio((y - p) ** 2, (y - centre) ** 2, w)
    return 1 - value, -c


# derivation
def root_mean_square(y: Floats, p: Floats, w: Floats) -> Part:
    """RMSE; its contribution is that of the mean square over twice the root."""
    value, c = mean((y - p) ** 2, w)
    root = float(np.sqrt(value))
    return root, c / (2 * root) if root > 0 else np.zeros(len(y))


def macro_auc(y: Floats, p: Floats, w: Floats) -> Part:
    """Mean over the classes present of the AUC of the class against the rest."""
    parts = [
        auc((y == k).astype(float), p[:, k], w) for k in np.unique(y).astype(int)
    ]  # fmt: skip
    return _average(parts)


def balanced_accuracy(y: Floats, p: Floats, w: Floats) -> Part:
    """Mean over the classes present of their recall by the largest probability."""
    right = (p.argmax(1) == y).astype(float)
    parts = [
        ratio(right * (y == k), (y == k).astype(float), w) for k in np.unique(y)
    ]  # fmt: skip
    return _average(parts)


def _average(parts: list[Part]) -> Part:
    values = np.array([v for v, _ in parts])
    return float(values.mean()), np.mean([c for _, c in parts], axis=0)


def at_threshold(name: str, y: Floats, p: Floats, w: Floats, t: float) -> Part:
    """accuracy, precision, recall, specificity, f1 or selected, with p >= t chosen."""
    s = (p >= t).astype(float)
    hit, one = y * s, np.ones(len(y))
    pairs = {
        "accuracy": (hit + (1 - y) * (1 - s), one),
        "precision": (hit, s),
        "recall": (hit, y),
        "specificity": ((1 - y) * (1 - s), 1 - y),
        "f1": (2 * hit, y + s),
        "selected": (s, one),
    }
    if name not in pairs:
        raise KeyError(f"there is no {name}: choose {', '.join(pairs)}")
    return ratio(*pairs[name], w)


# derivation
def recalibration(y: Floats, p: Floats, w: Floats, *, logistic: bool) -> list[Part]:
    """Intercept and slope of the outcome on the prediction, each with contributions.

    logistic: logit P(y = 1) on logit(p), by Newton; otherwise y on p by least squares.
    A calibrated model has 0 and 1. c = w H^-1 x (y - fitted). NaN where undefined.
    """
    n, nothing = len(y), [(NAN, np.zeros(len(y)))] * 2
    q = np.clip(p, 1e-12, 1 - 1e-12) if logistic else p
    x = np.log(q) - np.log1p(-q) if logistic else q
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return nothing
    Z = np.column_stack([np.ones(n), x])
    beta = np.zeros(2)
    for _ in range(50):
        eta = Z @ beta
        mu = 1 / (1 + np.exp(-np.clip(eta, -35, 35))) if logistic else eta
        H = (Z * (w * (mu * (1 - mu) if logistic else 1.0))[:, None]).T @ Z
        if not np.isfinite(H).all() or np.linalg.cond(H) > 1e13:
            return nothing  # separated: no finite maximum
        move = np.linalg.solve(H, Z.T @ (w * (y - mu)))
        beta = beta + move
        if np.abs(move).max() < 1e-9 * max(1.0, np.abs(beta).max()):
            break
    else:
        return nothing
    c = (Z * (w * (y - mu))[:, None]) @ np.linalg.inv(H)
    return [(float(beta[0]), c[:, 0]), (float(beta[1]), c[:, 1])]


def spread(part: Part, mask: NDArray[np.bool_]) -> Part:
    """Contributions of a part of the rows, placed among all rows (n,)."""
    value, c = part
    out = np.zeros(len(mask))
    out[mask] = c
    return value, out


def contrast(parts: list[Part], coefficients: Floats) -> Part:
    """sum_k a_k value_k with its contributions: a difference, or a trend."""
    value = float(sum(a * v for a, (v, _) in zip(coefficients, parts)))
    return value, np.sum([a * c for a, (_, c) in zip(coefficients, parts)], axis=0)


@dataclass(frozen=True)
class Metric:
    """A metric of a report: its function of (y, p, w), and how to read it."""

    name: str
    function: Callable[[Floats, Floats, Floats], Part]
    higher: bool  # higher is better
    share: bool = False  # lies in (0, 1)
    text: str = ""
    domain: Callable[[Floats, Floats], NDArray[np.bool_]] | None = None  # of a rate


def metrics(kind: str, threshold: float = 0.5) -> list[Metric]:
    """The metrics of a kind of prediction: binary, multiclass or regression."""
    if kind == "regression":
        return [
            Metric("rmse", root_mean_square, False, text="RMSE"),
            Metric("mae", lambda y, p, w: mean(abs(y - p), w), False, text="MAE"),
            Metric("r2", explained, True, text="R squared"),
        ]
    if kind == "multiclass":
        return [
            Metric("log_loss", log_loss, False, text="log loss"),
            Metric("brier", brier, False, text="Brier score"),
            Metric("macro_auc", macro_auc, True, True, "mean AUC of a class"),
            Metric("accuracy", _right, True, True, "accuracy", _everyone),
            Metric(
                "balanced_accuracy", balanced_accuracy, True, True, "balanced accuracy"
            ),
        ]
    if kind != "binary":
        raise ValueError(f"kind {kind}: choose binary, multiclass or regression")
    cuts = [
        Metric(name, _cut(name, threshold), True, True, name, domain)
        for name, domain in (
            ("accuracy", _everyone),
            ("precision", lambda y, p: p >= threshold),
            ("recall", lambda y, p: y == 1),
            ("specificity", lambda y, p: y == 0),
            ("f1", lambda y, p: (y == 1) | (p >= threshold)),
        )
    ]
    return [
        Metric("log_loss", log_loss, False, text="log loss"),
        Metric("auc", auc, True, True, "AUC"),
        Metric("average_precision", average_precision, True, True, "average precision"),
        Metric("brier", brier, False, text="Brier score"),
        Metric("brier_skill", explained, True, text="Brier skill"),
        *cuts,
    ]


def _everyone(y: Floats, p: Floats) -> NDArray[np.bool_]:
    return np.ones(len(y), bool)


def _right(y: Floats, p: Floats, w: Floats) -> Part:
    return mean((p.argmax(1) == y).astype(float), w)


def _cut(name: str, t: float) -> Callable[[Floats, Floats, Floats], Part]:
    return lambda y, p, w: at_threshold(name, y, p, w, t)
