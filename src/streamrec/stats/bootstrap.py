"""The bootstrap: percentile and BCa intervals, rows or whole clusters resampled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrec.stats.intervals import Interval, check_level

Array = NDArray[np.float64]
Statistic = Callable[[Array], float]


def _rows(data: ArrayLike) -> Array:
    x = np.asarray(data, float)
    if x.ndim not in (1, 2) or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError("data must be at least two finite rows, (n,) or (n, d)")
    return x


# derivation
def replicates(
    data: ArrayLike, statistic: Statistic, *, draws: int, rng: np.random.Generator
) -> Array:
    """The statistic of ``draws`` samples of n rows taken with replacement: (draws,).

    A row must be one *independent* unit: for clustered data one row a cluster (its
    totals), so that users and not impressions are resampled.

    Raises
    ------
    ValueError
        Fewer than two rows, values not finite, draws below 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> replicates([1.0, 2.0, 4.0], np.mean, draws=5, rng=rng).shape
    (5,)
    """
    x = _rows(data)
    if draws < 1:
        raise ValueError(f"draws={draws} must be at least 1")
    n = len(x)
    return np.array([statistic(x[rng.integers(n, size=n)]) for _ in range(draws)])


# derivation
def percentile(values: ArrayLike, *, level: float = 0.95) -> Interval:
    """The central ``level`` of bootstrap replicates.

    Examples
    --------
    >>> percentile(np.arange(101.0), level=0.5)
    Interval(low=25.0, high=75.0)
    """
    tail = (1 - check_level(level)) / 2
    low, high = np.quantile(np.asarray(values, float), [tail, 1 - tail])
    return Interval(float(low), float(high))


# derivation
def jackknife(data: ArrayLike, statistic: Statistic) -> Array:
    """The statistic with each row left out in turn: (n,).

    Examples
    --------
    >>> jackknife([1.0, 2.0, 6.0], np.mean)
    array([4. , 3.5, 1.5])
    """
    x = _rows(data)
    return np.array([statistic(np.delete(x, i, axis=0)) for i in range(len(x))])


# derivation
def bca(
    data: ArrayLike,
    statistic: Statistic,
    values: ArrayLike,
    *,
    level: float = 0.95,
) -> Interval:
    r"""Bias-corrected and accelerated interval from bootstrap replicates ``values``.

    With :math:`z_0=\Phi^{-1}(\text{share of replicates below }\hat\theta)` (half of
    ties), jackknife values :math:`\theta_{(i)}` of mean :math:`\bar\theta` and

    .. math::
        a=\frac{\sum(\bar\theta-\theta_{(i)})^3}{6(\sum(\bar\theta-\theta_{(i)})^2)^{3/2}},
        \qquad
        \alpha'=\Phi\Bigl(z_0+\frac{z_0+z_\alpha}{1-a(z_0+z_\alpha)}\Bigr),

    the ends are the quantiles of the replicates at alpha' for alpha = (1 -/+ level)/2.

    Source: Efron (1987).

    Raises
    ------
    ValueError
        Replicates all on one side of the estimate, or a jackknife without variation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=50)
    >>> low, high = bca(x, np.mean, replicates(x, np.mean, draws=999, rng=rng))
    >>> bool(low < x.mean() < high)
    True
    """
    from scipy.special import ndtr, ndtri

    x, theta = _rows(data), np.asarray(values, float)
    here = statistic(x)
    share = (theta < here).mean() + 0.5 * (theta == here).mean()
    if not 0 < share < 1:
        raise ValueError("all replicates lie on one side: the bootstrap fails here")
    left_out = jackknife(x, statistic)
    d = left_out.mean() - left_out
    if not (d**2).sum() > 0:
        raise ValueError("leaving out a row never changes the statistic")
    z0, a = ndtri(share), (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    tail = (1 - check_level(level)) / 2
    shifted = z0 + ndtri(np.array([tail, 1 - tail]))
    low, high = np.quantile(theta, ndtr(z0 + shifted / (1 - a * shifted)))
    return Interval(float(low), float(high))
