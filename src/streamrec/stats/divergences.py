"""How far apart two distributions are, and how much of that is chance.

Chapter 4. Distributions p, q (K,) are weights >= 0, divided by their sum, so counts may
be given; all results are in nats unless a base is named. The convention 0 ln 0 = 0 is
kept, and a divergence is infinite where it must be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]


def _distribution(p: ArrayLike, name: str = "p") -> Floats:
    """Validated weights along the last axis, divided by their sum."""
    w = np.asarray(p, dtype=float)
    if w.ndim == 0 or w.shape[-1] == 0:
        raise ValueError(f"{name} needs at least one outcome")
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError(f"{name} must hold finite weights >= 0")
    total = w.sum(axis=-1, keepdims=True)
    if (total == 0).any():
        raise ValueError(f"{name} sums to zero: nothing was observed")
    return np.asarray(w / total)


def _pair(p: ArrayLike, q: ArrayLike) -> tuple[Floats, Floats]:
    a, b = _distribution(p, "p"), _distribution(q, "q")
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"p has {a.shape[-1]} outcomes and q has {b.shape[-1]}: count both in the "
            "same bins"
        )
    return a, b


# derivation: eq-it-entropy
def entropy(p: ArrayLike, *, base: float | None = None) -> float | Floats:
    """Entropy -sum_k p_k ln p_k along the last axis; base=2 for bits.

    >>> float(entropy([1, 1, 1, 1], base=2))
    2.0
    """
    h = special.entr(_distribution(p)).sum(axis=-1)
    return h if base is None else h / np.log(base)


# derivation: eq-it-kl
def kl(p: ArrayLike, q: ArrayLike) -> float | Floats:
    """Kullback-Leibler divergence KL(p || q) = sum_k p_k ln(p_k / q_k), last axis.

    Infinite if p gives weight where q gives none.

    >>> round(float(kl([1, 1], [3, 1])), 4)
    0.1438
    """
    a, b = _pair(p, q)
    return special.rel_entr(a, b).sum(axis=-1)


# derivation: eq-it-js
def js(p: ArrayLike, q: ArrayLike) -> float | Floats:
    """Jensen-Shannon divergence: mean KL of p and q to their even mixture; <= ln 2.

    >>> round(float(js([1, 0], [0, 1])), 4)
    0.6931
    """
    a, b = _pair(p, q)
    middle = (a + b) / 2
    return (kl(a, middle) + kl(b, middle)) / 2


# derivation: eq-it-psi
def psi(p: ArrayLike, q: ArrayLike) -> float | Floats:
    """Population stability index sum_k (p_k - q_k) ln(p_k / q_k) = KL both ways.

    >>> round(float(psi([50, 50], [60, 40])), 4)
    0.0405
    """
    a, b = _pair(p, q)
    return kl(a, b) + kl(b, a)


# derivation: eq-it-klnormal
def kl_normal(
    mean0: ArrayLike, cov0: ArrayLike, mean1: ArrayLike, cov1: ArrayLike
) -> float:
    """KL(N(mean0, cov0) || N(mean1, cov1)) in d dimensions; scalars mean variances.

    (tr(S1^-1 S0) + (m1 - m0)' S1^-1 (m1 - m0) - d + ln det S1 / det S0) / 2.

    >>> kl_normal(0.0, 1.0, 1.0, 1.0)
    0.5
    """
    m0, m1 = np.atleast_1d(mean0).astype(float), np.atleast_1d(mean1).astype(float)
    S0, S1 = np.atleast_2d(cov0).astype(float), np.atleast_2d(cov1).astype(float)
    d = m0.size
    if m1.shape != (d,) or S0.shape != (d, d) or S1.shape != (d, d):
        raise ValueError(f"means must be ({d},) and covariances ({d}, {d})")
    try:
        L0, L1 = np.linalg.cholesky(S0), np.linalg.cholesky(S1)
    except np.linalg.LinAlgError:
        raise ValueError("both covariances must be positive definite") from None
    trace = (np.linalg.solve(L1, L0) ** 2).sum()
    shift = (np.linalg.solve(L1, m1 - m0) ** 2).sum()
    logdet = 2 * (np.log(np.diag(L1)).sum() - np.log(np.diag(L0)).sum())
    return float((trace + shift - d + logdet) / 2)


# ------------------------------------------------------------ samples, bins, the null


def quantile_edges(x: ArrayLike, bins: int = 10) -> Floats:
    """Interior edges of at most ``bins`` bins of equal count; repeated edges merge.

    Missing values are left out. Bin j holds edges[j-1] <= x < edges[j].

    >>> quantile_edges([1, 2, 3, 4, 5, 6, 7, 8], bins=4).tolist()
    [3.0, 5.0, 7.0]
    """
    v = np.asarray(x, dtype=float)
    v = v[~np.isnan(v)]
    if bins < 2:
        raise ValueError(f"bins must be at least 2, not {bins}")
    if v.size == 0:
        raise ValueError("every value is missing: there is nothing to cut")
    # values of the sample as edges: no bin can then be empty in it
    cuts = np.unique(np.quantile(v, np.arange(1, bins) / bins, method="higher"))
    return np.asarray(cuts[cuts > v.min()])


def bin_counts(x: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """Counts in the bins between interior edges, and of missing values at the end.

    >>> bin_counts([0.0, 1.0, 5.0, np.nan], [1.0, 2.0]).tolist()
    [1, 1, 1, 1]
    """
    return np.bincount(bin_codes(x, edges), minlength=len(np.atleast_1d(edges)) + 2)


def bin_codes(x: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """The bin of each value (n,): 0 to len(edges), and len(edges) + 1 if missing."""
    v, cuts = np.asarray(x, dtype=float), np.atleast_1d(np.asarray(edges, dtype=float))
    if v.ndim != 1:
        raise ValueError(f"x must be one-dimensional, not of shape {v.shape}")
    if cuts.size and not (np.diff(cuts) > 0).all():
        raise ValueError("edges must rise strictly")
    codes = np.searchsorted(cuts, v, side="right")
    return np.asarray(np.where(np.isnan(v), len(cuts) + 1, codes), dtype=np.int64)


@dataclass(frozen=True)
class PSINull:
    """What PSI does when nothing has changed: (1/n + 1/m) chi-square(bins - 1).

    bins: occupied bins. n, m: rows of the reference and of the current sample.
    design_effect: variance of the shares over that of independent rows, 1 if they are
    independent; with c rows a user that repeat one value it is c (Chapter 4).

    >>> null = PSINull(bins=10, n=1000, m=1000)
    >>> round(null.mean, 4), round(null.critical(0.05), 4)
    (0.018, 0.0338)
    """

    bins: int
    n: int
    m: int
    design_effect: float = 1.0

    def __post_init__(self) -> None:
        """Refuse sizes that have no null distribution."""
        if self.bins < 2 or self.n < 1 or self.m < 1:
            raise ValueError("bins must be at least 2, n and m at least 1")
        if not self.design_effect > 0:
            raise ValueError("design_effect must be positive")

    # derivation: eq-it-psinull
    @property
    def scale(self) -> float:
        """Factor of the chi-square: design_effect (1/n + 1/m)."""
        return self.design_effect * (1 / self.n + 1 / self.m)

    # derivation: eq-it-psinull
    @property
    def mean(self) -> float:
        """Expected PSI without any change: scale (bins - 1)."""
        return self.scale * (self.bins - 1)

    def critical(self, level: float = 0.05) -> float:
        """The PSI that chance exceeds with probability ``level``."""
        return float(self.scale * stats.chi2.isf(level, self.bins - 1))

    def exceeds(self, threshold: float) -> float:
        """Probability that chance alone gives a PSI above ``threshold``."""
        return float(stats.chi2.sf(threshold / self.scale, self.bins - 1))

    # derivation: eq-it-psipower
    def power(self, true: float, threshold: float) -> float:
        """P(PSI > threshold) when the populations are ``true`` apart.

        Noncentral chi-square with noncentrality true / scale: good for small PSI.
        """
        if true < 0:
            raise ValueError("a population stability index is never negative")
        shift = true / self.scale
        return float(stats.ncx2.sf(threshold / self.scale, self.bins - 1, shift))


@dataclass(frozen=True)
class PSITest:
    """A measured PSI beside what chance would give (see ``psi_test``).

    value: the index. null: its law without change. p_value: P(chance exceeds value).
    excess: value minus the null's mean, an estimate of the populations' own index.
    """

    value: float
    null: PSINull
    p_value: float

    @property
    def excess(self) -> float:
        """The value less its mean under no change."""
        return self.value - self.null.mean

    def __str__(self) -> str:
        """Value, the part chance explains, p-value, sizes, in one line."""
        return (
            f"PSI {self.value:.4f} (chance alone {self.null.mean:.4f}, "
            f"p = {self.p_value:.2g}, {self.null.bins} bins, "
            f"n = {self.null.n:,} and {self.null.m:,})"
        )


def psi_test(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    bins: int = 10,
    edges: ArrayLike | None = None,
    design_effect: float = 1.0,
    smoothing: float = 0.5,
) -> PSITest:
    """PSI of two samples in quantile bins of the reference, against its null law.

    Missing values are a bin of their own, and bins empty in both samples are dropped.
    If a bin is empty in one sample only, ``smoothing`` is added to every count, since
    the index would be infinite.

    Raises
    ------
    ValueError
        If a sample is empty, or fewer than two bins are occupied.

    Examples
    --------
    >>> x = np.arange(1000.0)
    >>> print(psi_test(x, x + 100))
    PSI 0.5964 (chance alone 0.0180, p = 6.3e-59, 10 bins, n = 1,000 and 1,000)
    """
    a, b = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    if a.size == 0 or b.size == 0:
        raise ValueError("a sample is empty: PSI compares two samples")
    cuts = quantile_edges(a, bins) if edges is None else np.asarray(edges, dtype=float)
    p, q = bin_counts(a, cuts), bin_counts(b, cuts)
    used = (p + q) > 0
    p, q = p[used], q[used]
    if used.sum() < 2:
        raise ValueError("all values fall into one bin: PSI needs at least two")
    null = PSINull(int(used.sum()), a.size, b.size, design_effect)
    add = smoothing if (p == 0).any() or (q == 0).any() else 0.0
    value = float(psi(p + add, q + add))
    return PSITest(value, null, null.exceeds(value))
