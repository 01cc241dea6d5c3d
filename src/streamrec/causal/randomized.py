"""Inference when treatment was randomised: Neyman, Fisher, Lin, strata.

Chapter 16. Units i = 1..n; outcome y (n,), treatment d (n,) in {0, 1}, covariates
X (n, p). ``Estimate.interval`` is two-sided and normal, or t where stated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import comb
from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from streamrec.causal.estimands import (
    NoOverlap,
    _outcome,
    as_units,
    naive_difference,
)

Statistic = Callable[[NDArray[np.float64], NDArray[np.bool_]], float]


@dataclass(frozen=True)
class Estimate:
    """An estimated effect with its standard error (units of the outcome)."""

    effect: float
    se: float
    interval: tuple[float, float]
    n: int
    n_treated: int
    method: str
    level: float = 0.95

    def covers(self, truth: float) -> bool:
        """True if the interval holds ``truth``."""
        return self.interval[0] <= truth <= self.interval[1]

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.effect:.4g} (se {self.se:.3g}; {100 * self.level:g} % interval "
            f"{low:.4g} to {high:.4g}; n = {self.n}, {self.method})"
        )


def _estimate(
    effect: float, se: float, treated: NDArray[np.bool_], method: str, level: float
) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    z = float(stats.norm.ppf((1 + level) / 2))
    interval = (effect - z * se, effect + z * se)
    n1 = int(treated.sum())
    return Estimate(effect, se, interval, treated.size, n1, method, level)


# derivation: eq-po-neyman
def neyman_variance(y: ArrayLike, d: ArrayLike) -> float:
    r"""Conservative variance of the difference in means, :math:`s_1^2/n_1 + s_0^2/n_0`.

    The true design variance is S1^2/n1 + S0^2/n0 - S_tau^2/n. The last term, the
    variance of unit effects, cannot be estimated since no unit shows both outcomes; it
    is >= 0, so leaving it out errs on the safe side (Neyman 1923).
    """
    outcome, treated = as_units(y, d, minimum=2)
    y1, y0 = outcome[treated], outcome[~treated]
    return float(y1.var(ddof=1) / y1.size + y0.var(ddof=1) / y0.size)


def difference_in_means(y: ArrayLike, d: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Difference in means with Neyman's standard error.

    Unbiased for the sample ATE under complete randomisation; its interval covers the
    sample ATE at least as often as stated, the population ATE about as often.

    >>> print(difference_in_means([3.0, 5.0, 1.0, 2.0], [1, 1, 0, 0]))
    2.5 (se 1.12; 95 % interval 0.3087 to 4.691; n = 4, difference in means)
    """
    outcome, treated = as_units(y, d, minimum=2)
    effect = naive_difference(outcome, treated)
    se = neyman_variance(outcome, treated) ** 0.5
    return _estimate(effect, se, treated, "difference in means", level)


# derivation: eq-po-design-variance
def design_variance(y0: ArrayLike, y1: ArrayLike, n_treated: int) -> float:
    r"""True variance of the difference in means over complete randomisations.

    :math:`S_1^2/n_1 + S_0^2/n_0 - S_\tau^2/n`, from both potential outcomes (n,).
    """
    a, b = _outcome(y0, "y0"), _outcome(y1, "y1")
    n, n1 = a.size, index(n_treated)
    if a.shape != b.shape:
        raise ValueError(f"y0 and y1 need one common shape (n,): {a.shape}, {b.shape}")
    if not 0 < n1 < n:
        raise NoOverlap(f"n_treated must lie between 1 and {n - 1}, not {n1}")
    s1, s0, s_tau = b.var(ddof=1), a.var(ddof=1), (b - a).var(ddof=1)
    return float(s1 / n1 + s0 / (n - n1) - s_tau / n)


@dataclass(frozen=True)
class RandomizationTest:
    """Fisher's test of the sharp null that no unit was affected.

    p_value: share of assignments at least as extreme; exact when every assignment was
    enumerated, otherwise (1 + count) / (1 + draws), valid for any number of draws.
    """

    statistic: float
    p_value: float
    assignments: int
    exact: bool


# derivation: eq-po-fisher
def fisher_test(
    y: ArrayLike,
    d: ArrayLike,
    *,
    statistic: Statistic | None = None,
    draws: int = 10_000,
    rng: np.random.Generator | None = None,
    exact_up_to: int = 20_000,
) -> RandomizationTest:
    """Randomisation test under complete randomisation, two-sided.

    Under the sharp null Y(1) = Y(0), so the outcomes stay and only labels move. All
    C(n, n1) assignments are enumerated when there are at most ``exact_up_to``;
    otherwise ``draws`` are sampled with ``rng``. ``statistic(y, d)`` defaults to the
    difference in means; its absolute value decides. Values that differ by less than
    1e-9 of the largest count as ties.

    Raises
    ------
    ValueError
        If the statistic is not a finite number for some assignment, or if assignments
        must be sampled and ``rng`` is missing.
    """
    outcome, treated = as_units(y, d)
    n, n1 = outcome.size, int(treated.sum())
    total = comb(n, n1)
    exact = total <= exact_up_to
    if exact:
        labels = _all_assignments(n, n1)  # (C(n, n1), n)
    else:
        if rng is None:
            raise ValueError(f"{total:.3g} assignments: pass rng= to sample them")
        if draws < 1:
            raise ValueError(f"draws must be at least 1, not {draws}")
        labels = None
    if statistic is None:
        seen = naive_difference(outcome, treated)
        values = _permuted_differences(outcome, n1, labels, draws, rng)
    else:
        seen = float(statistic(outcome, treated))
        rows = _sampled(treated, draws, rng) if labels is None else labels
        values = np.array([statistic(outcome, row) for row in rows], dtype=float)
    if not (np.isfinite(seen) and np.isfinite(values).all()):
        raise ValueError("the statistic is not finite for some assignment: change it")
    slack = 1e-9 * np.abs(values).max()  # equal assignments must tie in floating point
    extreme = int((np.abs(values) >= abs(seen) - slack).sum())
    p = extreme / values.size if exact else (1 + extreme) / (1 + values.size)
    return RandomizationTest(seen, float(p), int(values.size), exact)


def _all_assignments(n: int, n1: int) -> NDArray[np.bool_]:
    """Every way to treat n1 of n units: (C(n, n1), n)."""
    from itertools import combinations

    picks = np.array(list(combinations(range(n), n1)))  # (C, n1)
    labels = np.zeros((len(picks), n), dtype=bool)
    np.put_along_axis(labels, picks, True, axis=1)
    return labels


def _sampled(
    treated: NDArray[np.bool_], draws: int, rng: np.random.Generator | None
) -> Iterator[NDArray[np.bool_]]:
    """``draws`` random assignments, one at a time."""
    assert rng is not None
    for _ in range(draws):
        yield rng.permutation(treated)


def _permuted_differences(
    y: NDArray[np.float64],
    n1: int,
    labels: NDArray[np.bool_] | None,
    draws: int,
    rng: np.random.Generator | None,
) -> NDArray[np.float64]:
    """Differences in means over assignments, in chunks of bounded memory."""
    n, total = y.size, y.sum()
    if labels is not None:
        sums = labels @ y
    else:
        assert rng is not None
        sums = np.empty(draws)
        step = max(1, 4_000_000 // n)
        for start in range(0, draws, step):
            size = min(step, draws - start)
            shuffled = rng.permuted(np.tile(y, (size, 1)), axis=1)
            sums[start : start + size] = shuffled[:, :n1].sum(axis=1)
    return sums / n1 - (total - sums) / (n - n1)


# derivation: eq-po-hc2
def _hc2(
    Z: NDArray[np.float64], e: NDArray[np.float64], bread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """HC2 covariance (eq-po-hc2): bread Z' diag(e^2 / (1 - h)) Z bread, h leverages."""
    h = np.einsum("ij,jk,ik->i", Z, bread, Z)  # (n,)
    if (h >= 1 - 1e-10).any():
        raise ValueError(
            "a unit determines a coefficient by itself (leverage 1): use fewer "
            "covariates or merge rare categories"
        )
    meat = (Z * (e**2 / (1 - h))[:, None]).T @ Z
    return bread @ meat @ bread


# derivation: eq-po-lin
def lin_adjustment(
    y: ArrayLike, d: ArrayLike, X: ArrayLike, *, level: float = 0.95
) -> Estimate:
    r"""Regression adjustment with interactions (Lin 2013), HC2 standard error.

    Regress y on 1, d, X - mean(X), d (X - mean(X)); the coefficient of d equals
    the difference of two separate regressions predicted at mean(X). Consistent for the
    ATE whatever the truth looks like; asymptotically never less precise than the
    difference in means. X (n, p), or (n,) for one covariate; its units do not matter.

    Raises
    ------
    ValueError
        If X has NaN, a constant or collinear column, or too many columns.
    """
    outcome, treated = as_units(y, d, minimum=2)
    covariates = np.asarray(X, dtype=float)
    if covariates.ndim == 1:
        covariates = covariates[:, None]
    if covariates.ndim != 2:
        raise ValueError(f"X must have shape (n, p), not {covariates.shape}")
    n, p = covariates.shape
    if n != outcome.size:
        raise ValueError(f"X has {n} rows for {outcome.size} outcomes")
    if not np.isfinite(covariates).all():
        raise ValueError("X has missing values: impute them and add a flag first")
    n1 = int(treated.sum())
    if min(n1, n - n1) < p + 2:
        raise NoOverlap(
            f"{p} covariates need at least {p + 2} units in each group: "
            f"{n1} treated, {n - n1} control"
        )
    spread, size = np.ptp(covariates, axis=0), np.abs(covariates).max(axis=0)  # (p,)
    if (spread <= 1e-12 * size).any():
        raise ValueError("X has a constant or collinear column within a group")
    Xc = (covariates - covariates.mean(axis=0)) / spread  # the unit changes nothing
    t = treated[:, None].astype(float)  # (n, 1)
    Z = np.hstack([np.ones((n, 1)), t, Xc, t * Xc])  # (n, 2p + 2)
    if np.linalg.matrix_rank(Z) < Z.shape[1]:
        raise ValueError("X has a constant or collinear column within a group")
    bread = np.linalg.inv(Z.T @ Z)
    beta = bread @ (Z.T @ outcome)  # (2p + 2,)
    V = _hc2(Z, outcome - Z @ beta, bread)
    se = float(V[1, 1] ** 0.5)
    return _estimate(float(beta[1]), se, treated, "Lin adjustment, HC2", level)


# derivation: eq-po-strat
def stratified(
    y: ArrayLike, d: ArrayLike, strata: ArrayLike, *, level: float = 0.95
) -> Estimate:
    r"""Weighted average of within-stratum differences, weights n_s / n.

    effect = sum_s (n_s / n) (mean_1s - mean_0s), variance
    sum_s (n_s / n)^2 (s_1s^2 / n_1s + s_0s^2 / n_0s). Unbiased for the ATE under
    randomisation within strata, or under ignorability given the stratum.

    Raises
    ------
    NoOverlap
        If a stratum has fewer than two treated or two control units; the message
        names the strata and how many units they hold. Nothing is dropped silently:
        units whose stratum is NaN make a stratum of their own.
    """
    outcome, treated = as_units(y, d, minimum=2)
    _, s = np.unique(np.asarray(strata), return_inverse=True)
    if s.shape != outcome.shape:
        raise ValueError(f"strata must have shape {outcome.shape}, not {s.shape}")
    S = int(s.max()) + 1
    n1 = np.bincount(s[treated], minlength=S)  # (S,)
    n0 = np.bincount(s[~treated], minlength=S)
    thin = np.flatnonzero((n1 < 2) | (n0 < 2))
    if thin.size:
        names = np.unique(np.asarray(strata))[thin][:5].tolist()
        units = int((n1 + n0)[thin].sum())
        raise NoOverlap(
            f"{thin.size} strata ({names}...) with {units} units lack two treated or "
            "two control units: merge strata or leave those units out and say so"
        )
    m1, v1 = _moments(outcome[treated], s[treated], n1)
    m0, v0 = _moments(outcome[~treated], s[~treated], n0)
    w = (n1 + n0) / outcome.size  # (S,)
    effect = float(w @ (m1 - m0))
    se = float(np.sqrt(w**2 @ (v1 / n1 + v0 / n0)))
    return _estimate(effect, se, treated, f"stratified by {S} strata", level)


def _moments(
    y: NDArray[np.float64], s: NDArray[np.intp], n: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (ddof 1) of y in each stratum: (S,), (S,)."""
    mean = np.bincount(s, weights=y, minlength=n.size) / n
    squares = np.bincount(s, weights=(y - mean[s]) ** 2, minlength=n.size)
    return mean, squares / (n - 1)
