"""Confidence intervals for means and proportions, and how often they cover."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Interval(NamedTuple):
    """The two ends of an interval: floats, or arrays of them."""

    low: Any
    high: Any

    @property
    def width(self) -> Any:
        """High - low."""
        return self.high - self.low

    def contains(self, value: ArrayLike) -> Any:
        """Whether low <= value <= high: a bool, or an array of them.

        Examples
        --------
        >>> Interval(0.1, 0.3).contains(0.2)
        True
        """
        inside = (np.asarray(self.low) <= value) & (value <= np.asarray(self.high))
        return bool(inside) if np.ndim(inside) == 0 else inside


def _interval(low: Any, high: Any) -> Interval:
    if np.ndim(low) == 0:
        return Interval(float(low), float(high))
    return Interval(np.asarray(low), np.asarray(high))


def check_level(level: float) -> float:
    """Return ``level`` if it lies strictly between 0 and 1, else ValueError.

    Examples
    --------
    >>> check_level(0.9)
    0.9
    """
    if not 0 < level < 1:
        raise ValueError(f"level={level} must lie between 0 and 1, like 0.95")
    return float(level)


def _counts(successes: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    x, size = np.asarray(successes, float), np.asarray(n, float)
    if not (np.isfinite(x).all() and np.isfinite(size).all() and (size > 0).all()):
        raise ValueError("n must be positive and all counts finite")
    if (x < 0).any() or (x > size).any():
        raise ValueError("successes must lie between 0 and n")
    return x, size


# derivation
def normal_interval(
    estimate: ArrayLike,
    se: ArrayLike,
    *,
    level: float = 0.95,
    df: float | None = None,
) -> Interval:
    r"""Estimate plus and minus a quantile times its standard error.

    .. math:: \hat\theta \pm q_{(1+\text{level})/2}\,\text{se}

    with the normal quantile, or Student's with ``df`` degrees of freedom.

    Raises
    ------
    ValueError
        Negative or undefined se, level outside (0, 1), df not positive.

    Examples
    --------
    >>> low, high = normal_interval(10, 2)
    >>> round(low, 2), round(high, 2)
    (6.08, 13.92)
    """
    from scipy.special import ndtri, stdtrit

    check_level(level)
    s = np.asarray(se, float)
    if not (s >= 0).all():
        raise ValueError("se must be a number not below 0")
    if df is not None and not df > 0:
        raise ValueError(f"df={df} must be positive")
    tail = (1 + level) / 2
    q = ndtri(tail) if df is None else stdtrit(df, tail)
    centre = np.asarray(estimate, float)
    return _interval(centre - q * s, centre + q * s)


# derivation
def wald(successes: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Interval:
    r"""The textbook interval of a proportion; poor when n p or n (1 - p) is small.

    .. math:: \hat p \pm z\sqrt{\hat p(1-\hat p)/n}

    Not cut off at 0 and 1, and of width zero at x = 0 and x = n.

    Examples
    --------
    >>> [round(float(end), 3) for end in wald(21, 100)]
    [0.13, 0.29]
    """
    x, size = _counts(successes, n)
    p = x / size
    return normal_interval(p, np.sqrt(p * (1 - p) / size), level=level)


# derivation
def wilson(successes: ArrayLike, n: ArrayLike, *, level: float = 0.95) -> Interval:
    r"""Wilson's interval: all p that a score test at 1 - level does not reject.

    The roots of :math:`n(\hat p-p)^2=z^2p(1-p)`,

    .. math::
        \frac{\hat p+z^2/2n \pm z\sqrt{\hat p(1-\hat p)/n+z^2/4n^2}}{1+z^2/n}.

    Source: Wilson (1927). The everyday choice for a rate of independent trials.

    Examples
    --------
    >>> [round(float(end), 4) for end in wilson(0, 100)]
    [0.0, 0.037]
    """
    from scipy.special import ndtri

    x, size = _counts(successes, n)
    z = ndtri((1 + check_level(level)) / 2)
    p = x / size
    centre = p + z**2 / (2 * size)
    half = z * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
    scale = 1 + z**2 / size
    low = np.where(x == 0, 0.0, (centre - half) / scale)
    high = np.where(x == size, 1.0, (centre + half) / scale)
    return _interval(low, high)


# derivation
def clopper_pearson(
    successes: ArrayLike, n: ArrayLike, *, level: float = 0.95
) -> Interval:
    r"""The exact interval of a proportion: covers at least ``level`` for every p.

    With a = 1 - level, low solves P(X >= x | p) = a/2 and high P(X <= x | p) = a/2;
    both are quantiles of beta distributions.

    Examples
    --------
    >>> [round(float(end), 4) for end in clopper_pearson(0, 100)]
    [0.0, 0.0362]
    """
    from scipy.special import betaincinv

    x, size = _counts(successes, n)
    a = (1 - check_level(level)) / 2
    low = np.where(x == 0, 0.0, betaincinv(np.maximum(x, 0.5), size - x + 1, a))
    high = np.where(x == size, 1.0, betaincinv(x + 1, np.maximum(size - x, 0.5), 1 - a))
    return _interval(low, high)


# derivation
def hoeffding(
    mean: ArrayLike,
    n: ArrayLike,
    *,
    level: float = 0.95,
    low: float = 0.0,
    high: float = 1.0,
) -> Interval:
    r"""Interval of the mean of n independent values known to lie in [low, high].

    .. math:: \bar x \pm (b-a)\sqrt{\log(2/(1-\text{level}))/2n}

    Holds for every n and every such distribution, and is wide for that reason.

    Raises
    ------
    ValueError
        n below 1, high not above low, a mean outside the bounds.

    Examples
    --------
    >>> [round(float(end), 3) for end in hoeffding(0.21, 100)]
    [0.074, 0.346]
    """
    m, size = np.asarray(mean, float), np.asarray(n, float)
    if not (size >= 1).all():
        raise ValueError("n must be at least 1")
    if not high > low:
        raise ValueError(f"high={high} must exceed low={low}")
    if not ((m >= low) & (m <= high)).all():
        raise ValueError(f"the mean must lie in [{low}, {high}]")
    half = (high - low) * np.sqrt(np.log(2 / (1 - check_level(level))) / (2 * size))
    return _interval(m - half, m + half)


# derivation
def delta_se(gradient: ArrayLike, covariance: ArrayLike) -> float:
    r"""Standard error of g(theta-hat) by the delta method.

    .. math:: \sqrt{\nabla g^\top\,\Sigma\,\nabla g}

    ``gradient`` (d,) is taken at theta-hat, ``covariance`` (d, d) is that of
    theta-hat. Scalars serve for d = 1.

    Raises
    ------
    ValueError
        Shapes that do not fit, or a negative variance.

    Examples
    --------
    >>> round(delta_se(1 / 0.2, 0.2 * 0.8 / 400), 3)     # se of log(0.2), n = 400
    0.1
    """
    g = np.atleast_1d(np.asarray(gradient, float))
    S = np.atleast_2d(np.asarray(covariance, float))
    if g.ndim != 1 or S.shape != (len(g), len(g)):
        raise ValueError(f"gradient {g.shape} does not fit covariance {S.shape}")
    variance = float(g @ S @ g)
    if not variance >= 0:
        raise ValueError("the covariance is not positive semi-definite")
    return math.sqrt(variance)


# derivation
def binomial_coverage(
    method: Callable[..., Interval], n: int, p: ArrayLike, *, level: float = 0.95
) -> Any:
    r"""Exact probability that an interval of a proportion contains the truth.

    .. math:: \sum_{x=0}^n \mathbf 1\{p\in I(x)\}\binom nx p^x(1-p)^{n-x}

    ``method(successes, n, level=)`` is `wald`, `wilson` or `clopper_pearson`;
    ``p`` a probability or an array of them. No simulation.

    Examples
    --------
    >>> round(binomial_coverage(wald, 100, 0.02), 3)
    0.866
    """
    from scipy.stats import binom

    truth = np.asarray(p, float)
    if not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError("p must lie in [0, 1]")
    x = np.arange(n + 1)
    low, high = method(x, n, level=level)
    inside = (low <= truth[..., None]) & (truth[..., None] <= high)
    share = (inside * binom.pmf(x, n, truth[..., None])).sum(axis=-1)
    return float(share) if truth.ndim == 0 else share


class Coverage(NamedTuple):
    """Simulated coverage: share of n intervals that contain the truth."""

    share: float
    se: float
    n: int

    def __str__(self) -> str:
        return f"{self.share:.3f} ± {self.se:.3f} ({self.n} intervals)"


# derivation
def coverage(interval: Interval, truth: ArrayLike) -> Coverage:
    r"""Share of simulated intervals that contain the truth, with binomial error.

    The error is :math:`\sqrt{\tilde c(1-\tilde c)/R}` for R intervals, with
    :math:`\tilde c=(\text{hits}+2)/(R+4)` so that a share of 0 or 1 keeps an error.

    Raises
    ------
    ValueError
        No interval, or ends that are not numbers.

    Examples
    --------
    >>> print(coverage(Interval(np.zeros(4), np.array([1, 2, 3, 4])), 1.5))
    0.750 ± 0.242 (4 intervals)
    """
    low, high = np.atleast_1d(interval.low), np.atleast_1d(interval.high)
    if low.size == 0 or np.isnan(low).any() or np.isnan(high).any():
        raise ValueError("coverage needs at least one interval, all ends numbers")
    hit = np.broadcast_to((low <= truth) & (truth <= high), low.shape)
    n, hits = hit.size, int(hit.sum())
    c = (hits + 2) / (n + 4)
    return Coverage(hits / n, math.sqrt(c * (1 - c) / n), n)
