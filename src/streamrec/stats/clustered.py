"""Standard errors when observations come in groups: users, schools, hospitals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrec.stats.intervals import Interval, normal_interval

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ClusteredEstimate:
    """An estimate whose independent units are clusters.

    value: the estimate. se: its clustered standard error. df: degrees of freedom of
    the Student interval. naive_se: the error if all observations were independent
    (NaN when only totals are known). clusters: how many.
    """

    value: float
    se: float
    df: float
    naive_se: float
    clusters: int

    @property
    def design_effect(self) -> float:
        """(se / naive_se) squared: how many times too small the naive variance is."""
        return (self.se / self.naive_se) ** 2

    def interval(self, level: float = 0.95) -> Interval:
        """Student interval with ``df`` degrees of freedom."""
        return normal_interval(self.value, self.se, level=level, df=self.df)

    def __sub__(self, other: ClusteredEstimate) -> ClusteredEstimate:
        """Difference of two estimates from **different** clusters (Welch's df)."""
        va, vb = self.se**2, other.se**2
        return ClusteredEstimate(
            value=self.value - other.value,
            se=math.sqrt(va + vb),
            df=(va + vb) ** 2 / (va**2 / self.df + vb**2 / other.df),
            naive_se=math.hypot(self.naive_se, other.naive_se),
            clusters=self.clusters + other.clusters,
        )

    def __str__(self) -> str:
        low, high = self.interval()
        return (
            f"{self.value:.4g} (se {self.se:.2g}, 95 % interval {low:.4g} to "
            f"{high:.4g}, {self.clusters} clusters)"
        )


def _codes(clusters: ArrayLike, n: int) -> tuple[NDArray[np.intp], int]:
    """Cluster of each row as 0..G-1, and G."""
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise ValueError(f"clusters must be one label a row ({n}), not {labels.shape}")
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        raise ValueError("at least two clusters are needed: one tells no variation")
    return codes, len(found)


# derivation
def cluster_sums(values: ArrayLike, clusters: ArrayLike) -> Array:
    """Sums of the rows of ``values`` (n,) or (n, d) within clusters: (G,) or (G, d).

    Clusters are in sorted order of their labels.

    Raises
    ------
    ValueError
        Labels of another length, or a single cluster.

    Examples
    --------
    >>> cluster_sums([1.0, 2.0, 4.0], ["a", "b", "a"])
    array([5., 2.])
    """
    v = np.asarray(values, float)
    codes, G = _codes(clusters, len(v))
    if v.ndim == 1:
        return np.bincount(codes, v, G).astype(float)
    return np.column_stack([np.bincount(codes, column, G) for column in v.T])


# derivation
def ratio_of_totals(numerator: ArrayLike, denominator: ArrayLike) -> ClusteredEstimate:
    r"""A ratio metric, clicks over impressions, from one row a user.

    With totals :math:`c_g, n_g` of G independent users, :math:`r=\sum c_g/\sum n_g` and
    :math:`e_g=c_g-r\,n_g` (the delta method),

    .. math:: \text{se}^2=\frac{G}{G-1}\,\frac{\sum_g e_g^2}{(\sum_g n_g)^2},
              \qquad \text{df}=G-1.

    ``naive_se`` is that of a proportion, NaN unless 0 <= c_g <= n_g for all g.

    Raises
    ------
    ValueError
        Fewer than two users, unequal shapes, a denominator that sums to zero.

    Examples
    --------
    >>> print(ratio_of_totals([1, 0, 3], [10, 5, 12]))
    0.1481 (se 0.068, 95 % interval -0.1462 to 0.4425, 3 clusters)
    """
    c, n = np.asarray(numerator, float), np.asarray(denominator, float)
    if c.ndim != 1 or c.shape != n.shape or len(c) < 2:
        raise ValueError("give (G,) numerators and denominators of at least 2 clusters")
    if not (np.isfinite(c).all() and np.isfinite(n).all() and (n >= 0).all()):
        raise ValueError("totals must be finite and denominators not negative")
    total = n.sum()
    if total == 0:
        raise ValueError("the denominators sum to zero: no ratio")
    G, r = len(c), c.sum() / total
    e = c - r * n
    variance = G / (G - 1) * (e**2).sum() / total**2
    rate = bool(((c >= 0) & (c <= n)).all())
    return ClusteredEstimate(
        value=float(r),
        se=float(np.sqrt(variance)),
        df=G - 1,
        naive_se=float(np.sqrt(r * (1 - r) / total)) if rate else math.nan,
        clusters=G,
    )


# derivation
def clustered_mean(values: ArrayLike, clusters: ArrayLike) -> ClusteredEstimate:
    r"""Mean of all observations, with errors that allow for clusters.

    The ratio of totals :math:`\sum_g\sum_j y_{gj}/\sum_g n_g`; ``naive_se`` is
    :math:`s/\sqrt n`.

    Raises
    ------
    ValueError
        Values not finite, labels of another length, a single cluster.

    Examples
    --------
    >>> clustered_mean([1, 1, 0, 0], ["a", "a", "b", "b"]).value
    0.5
    """
    y = np.asarray(values, float)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise ValueError("values must be finite, shape (n,)")
    sums = cluster_sums(np.column_stack([y, np.ones(len(y))]), clusters)
    out = ratio_of_totals(sums[:, 0], sums[:, 1])
    naive = float(y.std(ddof=1) / np.sqrt(len(y)))
    return ClusteredEstimate(out.value, out.se, out.df, naive, out.clusters)


# derivation
def intraclass_correlation(values: ArrayLike, clusters: ArrayLike) -> float:
    r"""Correlation of two observations of one cluster (analysis of variance).

    .. math::
        \hat\rho=\frac{M_B-M_W}{M_B+(m_0-1)M_W},\qquad
        m_0=\frac{1}{G-1}\Bigl(n-\frac{\sum_g n_g^2}{n}\Bigr),

    with M_B and M_W the mean squares between and within clusters.

    Raises
    ------
    ValueError
        As `cluster_sums`; also if every cluster has one observation.

    Examples
    --------
    >>> round(intraclass_correlation([1, 1, 3, 3], ["a", "a", "b", "b"]), 3)
    1.0
    """
    y = np.asarray(values, float)
    sums = cluster_sums(np.column_stack([y, np.ones(len(y))]), clusters)
    total, size = sums.T
    n, G = len(y), len(size)
    if n == G:
        raise ValueError("every cluster has one observation: no pairs to correlate")
    between = (size * (total / size - y.mean()) ** 2).sum()
    within = ((y - y.mean()) ** 2).sum() - between
    MB, MW = between / (G - 1), within / (n - G)
    m0 = (n - (size**2).sum() / n) / (G - 1)
    return float((MB - MW) / (MB + (m0 - 1) * MW))


# derivation
def design_effect(sizes: ArrayLike, rho: float) -> float:
    r"""Factor by which clustering multiplies the variance of a mean.

    .. math:: 1+\rho\Bigl(\frac{\sum_g n_g^2}{\sum_g n_g}-1\Bigr),

    1 + (m - 1) rho for equal clusters of m. Source: Kish (1965).

    Examples
    --------
    >>> design_effect([10, 10, 10], 0.2)
    2.8
    """
    m = np.asarray(sizes, float)
    if m.ndim != 1 or not (m > 0).all():
        raise ValueError("sizes must be positive, one a cluster")
    return float(1 + rho * ((m**2).sum() / m.sum() - 1))


# derivation
def sandwich(
    scores: ArrayLike,
    hessian: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    correction: bool = True,
) -> Array:
    r"""Covariance of an M-estimator, whatever the true distribution: (d, d).

    .. math:: H^{-1}\Bigl(c\sum_g s_gs_g^\top\Bigr)H^{-1},\qquad
              s_g=\sum_{i\in g}s_i

    ``scores`` (n, d): gradient of each observation's log-likelihood (or minus loss) at
    the estimate; ``hessian`` (d, d): of the total. Without clusters each observation is
    one. ``correction``: c = G/(G-1) (n-1)/(n-d) with clusters, n/(n-d) without.

    Raises
    ------
    ValueError
        Shapes that do not fit, a singular hessian, a single cluster.

    Examples
    --------
    >>> y = np.array([1.0, 2.0, 6.0])
    >>> V = sandwich((y - 3)[:, None], [[-3.0]], correction=False)
    >>> round(float(V[0, 0]), 4)                         # sum (y - 3)^2 / 9
    1.5556
    """
    S, H = np.asarray(scores, float), np.asarray(hessian, float)
    if S.ndim != 2 or H.shape != (S.shape[1], S.shape[1]):
        raise ValueError(f"scores {S.shape} do not fit a hessian {H.shape}")
    n, d = S.shape
    c = n / (n - d)
    if clusters is not None:
        S = cluster_sums(S, clusters)
        G = len(S)
        c = G / (G - 1) * (n - 1) / (n - d)
    try:
        A = np.linalg.inv(H)
    except np.linalg.LinAlgError as error:
        raise ValueError("the hessian is singular: a column is redundant") from error
    meat = S.T @ S
    return A @ ((c if correction else 1.0) * meat) @ A.T


@dataclass(frozen=True)
class LeastSquares:
    """Coefficients (d,), their covariance (d, d) and degrees of freedom."""

    coefficients: Array
    covariance: Array
    df: float

    @property
    def se(self) -> Array:
        """Standard errors (d,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


# derivation
def least_squares(
    X: ArrayLike, y: ArrayLike, clusters: ArrayLike | None = None
) -> LeastSquares:
    r"""Least squares with errors robust to unequal variances, and to clusters.

    :math:`b=(X^\top X)^{-1}X^\top y`; covariance by `sandwich` with scores
    :math:`x_i(y_i-x_i^\top b)`. Degrees of freedom n - d, or G - 1 with clusters. A
    constant is not added.

    Raises
    ------
    ValueError
        Shapes that do not fit, columns that depend on each other.

    Examples
    --------
    >>> least_squares([[1, 0], [1, 1], [1, 2]], [1.0, 2.0, 3.0]).coefficients.round(6)
    array([1., 1.])
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    if X.ndim != 2 or y.shape != (len(X),) or len(X) <= X.shape[1]:
        raise ValueError(f"X {X.shape} and y {y.shape} do not fit, or too few rows")
    if np.linalg.matrix_rank(X) < X.shape[1]:
        raise ValueError("columns of X depend on each other: leave one out")
    b = np.linalg.lstsq(X, y, rcond=None)[0]
    V = sandwich(X * (y - X @ b)[:, None], -(X.T @ X), clusters)
    n, d = X.shape
    df = n - d if clusters is None else len(np.unique(np.asarray(clusters))) - 1
    return LeastSquares(b, V, df)
