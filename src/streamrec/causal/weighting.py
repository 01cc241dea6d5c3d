r"""Weighting by the propensity score: IPW, and AIPW, which forgives one wrong model.

Chapter 18. Units i = 1..n; outcome y (n,), treatment d (n,) in {0, 1}, covariates
X (n, p) measured before treatment, no constant. Identification needs ignorability
given X and overlap, 0 < e(x) < 1; no number computed here can show the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from streamrec.causal.estimands import NoOverlap, _treatment, as_units
from streamrec.causal.randomized import Estimate
from streamrec.stats.clustered import cluster_sums

Floats = NDArray[np.float64]
ESTIMANDS = ("ATE", "ATT")


def covariates(X: ArrayLike, n: int) -> Floats:
    """X as finite floats (n, p), a column for one covariate.

    Raises
    ------
    ValueError
        Wrong length, NaN or infinity.
    """
    A = np.asarray(X, float)
    A = A[:, None] if A.ndim == 1 else A
    if A.ndim != 2 or len(A) != n:
        raise ValueError(f"covariates must have shape ({n}, p), not {A.shape}")
    if not np.isfinite(A).all():
        raise ValueError("covariates hold NaN or infinity: decide what missing means")
    return A


def with_constant(X: Floats) -> Floats:
    """[1, X]; columns that do not vary, or repeat others, are left out."""
    Z = np.column_stack([np.ones(len(X)), X])
    if len(Z) < Z.shape[1]:
        raise ValueError(f"{len(Z)} rows are too few for {Z.shape[1]} columns")
    scale = np.maximum(np.abs(Z).max(0), 1e-300)
    R = np.linalg.qr(Z / scale, mode="r")
    keep = np.abs(np.diag(R)) > 1e-9 * np.sqrt(len(Z))
    return np.asarray(Z[:, keep])


# derivation: eq-ce-logistic
def logistic(Z: Floats, d: NDArray[np.bool_], *, steps: int = 50) -> Floats:
    r"""Coefficients (k,) of P(d = 1 | z) = 1 / (1 + exp(-z'b)) by Newton's method.

    b <- b + (Z' W Z)^{-1} Z' (d - e) with W = diag(e (1 - e)).

    Raises
    ------
    NoOverlap
        If the covariates separate treated from control perfectly: then no finite
        maximum exists, and no comparison of like with like either.
    """
    b = np.zeros(Z.shape[1])
    for _ in range(steps):
        e = special.expit(Z @ b)
        H = (Z * (e * (1 - e))[:, None]).T @ Z
        try:
            step = np.linalg.solve(H, Z.T @ (d - e))
        except np.linalg.LinAlgError:
            break
        b = b + step
        if np.abs(Z @ step).max() < 1e-9:
            return b
        if np.abs(Z @ b).max() > 500:
            break
    raise NoOverlap(
        "the covariates tell treated from control (almost) perfectly: there is nobody "
        "to compare with; leave out what only restates the treatment"
    )


def propensity(X: ArrayLike, d: ArrayLike) -> Floats:
    """Propensity scores (n,) from a logistic regression on X with a constant.

    >>> x, d = [0.0, 1.0, 0.0, 1.0], [0, 1, 1, 0]
    >>> propensity(x, d).round(3).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    treated = _treatment(d, np.asarray(d).size)
    Z = with_constant(covariates(X, treated.size))
    return np.asarray(special.expit(Z @ logistic(Z, treated)))


@dataclass(frozen=True)
class Balance:
    """Standardised mean differences (p,) before and after weighting."""

    raw: Floats
    weighted: Floats

    @property
    def worst(self) -> float:
        """Largest absolute difference left; above 0.1 is usually called imbalance."""
        return float(np.abs(self.weighted).max())


# derivation: eq-ce-balance
def balance(X: ArrayLike, d: ArrayLike, w: ArrayLike) -> Balance:
    r"""Difference of (weighted) means over the pooled deviation before weighting.

    :math:`(\bar x_1^w - \bar x_0^w) / \sqrt{(s_1^2 + s_0^2) / 2}`.

    >>> balance([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1], np.ones(4)).raw.round(3).tolist()
    [2.828]
    """
    treated = _treatment(d, np.asarray(d).size)
    A, weights = covariates(X, treated.size), np.asarray(w, float)
    sd = np.sqrt((A[treated].var(0, ddof=1) + A[~treated].var(0, ddof=1)) / 2)
    sd = np.where(sd > 0, sd, 1.0)

    def gap(w: Floats) -> Floats:
        means = [np.average(A[g], axis=0, weights=w[g]) for g in (treated, ~treated)]
        return np.asarray((means[0] - means[1]) / sd)

    return Balance(gap(np.ones(treated.size)), gap(weights))


def score_weights(e: Floats, treated: NDArray[np.bool_], estimand: str) -> Floats:
    """1/e and 1/(1-e) for the ATE; 1 and e/(1-e) for the ATT: (n,)."""
    if estimand == "ATE":
        return np.where(treated, 1 / e, 1 / (1 - e))
    return np.where(treated, 1.0, e / (1 - e))


def _units(
    y: ArrayLike, d: ArrayLike, X: ArrayLike, estimand: str, trim: float
) -> tuple[Floats, NDArray[np.bool_], Floats, Floats]:
    """Outcome, treatment, design matrix and scores of the units inside the trim."""
    if estimand not in ESTIMANDS:
        raise ValueError(f"estimand must be ATE or ATT, not {estimand}")
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim must lie in [0, 0.5), not {trim}")
    outcome, treated = as_units(y, d, minimum=2)
    A = covariates(X, outcome.size)
    Z = with_constant(A)
    e = special.expit(Z @ logistic(Z, treated))
    if trim:
        inside = (e >= trim) & (e <= 1 - trim)
        if min(treated[inside].sum(), (~treated[inside]).sum()) < 2:
            raise NoOverlap(f"fewer than 2 units an arm have scores within {trim}")
        outcome, treated, Z = outcome[inside], treated[inside], Z[inside]
        e = special.expit(Z @ logistic(Z, treated))
    return outcome, treated, Z, e


# derivation: eq-ce-ipw
def ipw(
    y: ArrayLike,
    d: ArrayLike,
    X: ArrayLike,
    *,
    estimand: str = "ATE",
    trim: float = 0.0,
    known_scores: bool = False,
    level: float = 0.95,
) -> Estimate:
    r"""Normalised (Hajek) inverse-propensity weighting, logistic scores.

    :math:`\hat\mu_a = \sum_i w_i 1[d_i = a] y_i / \sum_i w_i 1[d_i = a]`, effect
    :math:`\hat\mu_1 - \hat\mu_0`; weights 1/e and 1/(1-e) for the ATE, 1 and e/(1-e)
    for the ATT. The error solves the stacked equations of score and means (Lunceford
    and Davidian 2004): estimating the score lowers it. ``known_scores=True`` treats the
    scores as given, the usual conservative choice. ``trim`` leaves out scores below it
    or above 1 - trim and so changes the population.

    Raises
    ------
    NoOverlap
        If X separates the groups.
    """
    outcome, treated, Z, e = _units(y, d, X, estimand, trim)
    w = score_weights(e, treated, estimand)
    mean = {a: np.average(outcome[g], weights=w[g])
            for a, g in ((1, treated), (0, ~treated))}  # fmt: skip
    residual = np.where(treated, outcome - mean[1], outcome - mean[0])
    total = {a: w[g].sum() for a, g in ((1, treated), (0, ~treated))}
    n = outcome.size
    signed = np.where(treated, n / total[1], -n / total[0])
    influence = signed * w * residual  # (n,), scores taken as known
    if not known_scores:
        # d w / d b = w-dot z: -(1-e)/e, e/(1-e) for the ATE; 0, e/(1-e) for the ATT.
        odds = e / (1 - e)
        slope = np.where(treated, -1 / odds if estimand == "ATE" else 0.0, odds)
        gradient = (signed * slope * residual) @ Z / n  # (k,)
        H = (Z * (e * (1 - e))[:, None]).T @ Z / n
        scores = Z * (treated - e)[:, None]
        influence = influence + scores @ np.linalg.solve(H, gradient)
    se = float(np.sqrt((influence**2).sum())) / n
    name = "IPW" + (", scores taken as known" if known_scores else "")
    return _estimate(mean[1] - mean[0], se, treated, f"{name}, {estimand}", level)


def _estimate(
    effect: float,
    se: float,
    treated: NDArray[np.bool_],
    method: str,
    level: float,
    df: float = np.inf,
) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    half = float(stats.t.ppf((1 + level) / 2, df)) * se
    effect = float(effect)
    return Estimate(
        effect,
        se,
        (effect - half, effect + half),
        treated.size,
        int(treated.sum()),
        method,
        level,
    )


# derivation: eq-ce-aipw
def aipw(
    y: ArrayLike,
    d: ArrayLike,
    X: ArrayLike,
    *,
    folds: int = 1,
    seed: int = 0,
    trim: float = 0.0,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    r"""Augmented IPW of the ATE: linear outcome models in each arm, logistic scores.

    The mean of :math:`\psi_i = \hat m_1 - \hat m_0 + d (y - \hat m_1) / \hat e -
    (1 - d)(y - \hat m_0) / (1 - \hat e)`: consistent if either the scores or the
    outcome models are right (double robustness); its error is the deviation of psi over
    root n. folds > 1 fits the models on the other folds (cross-fitting). ``clusters``:
    labels (n,) whose sums of psi are independent; they stay whole in the folds, and the
    interval takes t with a degree of freedom fewer than clusters. Below about
    100 clusters it still covers a little too rarely (``benchmarks/errorrates.py``).
    """
    outcome, treated, Z, _ = _units(y, d, X, "ATE", trim)
    if clusters is not None and trim:
        raise ValueError("trim and clusters cannot be combined: trim first")
    n = outcome.size
    if not 1 <= folds <= n // 4:
        raise ValueError(f"folds must lie between 1 and {n // 4}, not {folds}")
    psi = np.empty(n)
    _, unit = np.unique(clusters if clusters is not None else np.arange(n),
                        return_inverse=True)  # fmt: skip
    fold = (np.random.default_rng(seed).permutation(unit.max() + 1) % folds)[unit]
    for k in range(folds):
        held = fold == k
        used = held if folds == 1 else ~held
        e = special.expit(Z[held] @ logistic(Z[used], treated[used]))
        m = {}
        for a, group in ((1, treated), (0, ~treated)):
            fit = np.linalg.lstsq(Z[used & group], outcome[used & group], rcond=None)
            m[a] = Z[held] @ fit[0]
        yk, dk = outcome[held], treated[held]
        psi[held] = m[1] - m[0] + dk * (yk - m[1]) / e - ~dk * (yk - m[0]) / (1 - e)
    effect = psi.mean()
    parts, df = psi - effect, np.inf
    if clusters is not None:
        parts = cluster_sums(parts, clusters)
        parts, df = parts * np.sqrt(parts.size / (parts.size - 1)), parts.size - 1
    se = float(np.sqrt((parts**2).sum())) / n
    name = "AIPW" + (f", {folds} folds" if folds > 1 else "")
    return _estimate(effect, se, treated, f"{name}, ATE", level, df)
