r"""Instrumental variables: 2SLS, the instrument's strength, an honest interval.

Chapter 18. y = beta t + X g + u, with an endogenous t and instruments Z (n, m) that
move t, have no other way to y, and are as good as random given X. With one binary
instrument and monotonicity beta is the effect for compliers (LATE).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from streamrec.causal.weighting import covariates, with_constant

Floats = NDArray[np.float64]
WEAK_F = 10.0


@dataclass(frozen=True)
class IVEstimate:
    """2SLS with what has to be read beside it.

    first_stage_f: robust F of the instruments in the first stage; below 10 the normal
    interval is not to be trusted. anderson_rubin: interval that stays valid however
    weak the instrument (None if empty or unbounded). ols: the same regression without
    instruments.
    """

    effect: float
    se: float
    interval: tuple[float, float]
    first_stage_f: float
    anderson_rubin: tuple[float, float] | None
    ols: float
    ols_se: float
    n: int
    level: float

    @property
    def weak(self) -> bool:
        """True if the first-stage F is below 10."""
        return self.first_stage_f < WEAK_F


def _residual(A: Floats, W: Floats) -> Floats:
    """What is left of the columns of A after regression on W."""
    return np.asarray(A - W @ np.linalg.lstsq(W, A, rcond=None)[0])


# derivation: eq-ce-2sls
def two_stage_least_squares(
    y: ArrayLike,
    t: ArrayLike,
    Z: ArrayLike,
    X: ArrayLike | None = None,
    *,
    robust: bool = True,
    level: float = 0.95,
) -> IVEstimate:
    r"""2SLS of y on t with instruments Z, exogenous X partialled out (Frisch-Waugh).

    With t-hat the projection of t on Z: :math:`\hat\beta = \hat t'y / \hat t't`,
    variance :math:`\sum \hat t_i^2 u_i^2 / (\hat t'\hat t)^2` (HC1) or
    :math:`s^2 / \hat t'\hat t` (``robust=False``), u = y - beta t.

    Raises
    ------
    ValueError
        Instruments that X already explains, or fewer rows than columns.
    """
    yy = np.asarray(y, float)
    n = yy.size
    if yy.ndim != 1 or not np.isfinite(yy).all():
        raise ValueError("y must be a column of finite numbers")
    tt, ZZ = covariates(t, n), covariates(Z, n)
    if tt.shape[1] != 1:
        raise ValueError("one endogenous treatment at a time")
    W = with_constant(covariates(X, n) if X is not None else np.empty((n, 0)))
    k = W.shape[1] + 1
    if n <= k + ZZ.shape[1]:
        raise ValueError(f"{n} rows are too few for {k + ZZ.shape[1]} columns")
    r = _residual(np.column_stack([yy, tt, ZZ]), W)
    yr, tr, Zr = r[:, 0], r[:, 1], r[:, 2:]
    spread = np.linalg.norm(ZZ - ZZ.mean(0), axis=0)
    if (np.linalg.norm(Zr, axis=0) <= 1e-9 * spread).any() or (spread == 0).any():
        raise ValueError("an instrument does not vary once X is held fixed")
    fitted = Zr @ np.linalg.lstsq(Zr, tr, rcond=None)[0]
    power = float(fitted @ fitted)
    if power <= 1e-12 * float(tr @ tr):
        raise ValueError("the instruments do not move the treatment at all")
    beta = float(fitted @ yr) / power
    u = yr - beta * tr
    if robust:
        se = float(np.sqrt(n / (n - k) * ((fitted * u) ** 2).sum())) / power
    else:
        se = float(np.sqrt((u @ u) / (n - k) / power))
    ols, ols_se = _regression(yr, tr, k, robust)
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    return IVEstimate(
        beta,
        se,
        (beta - half, beta + half),
        _joint_f(tr, Zr, W.shape[1], robust),
        _anderson_rubin(yr, tr, Zr, W.shape[1], robust, level, beta, se),
        ols,
        ols_se,
        n,
        level,
    )


def _regression(y: Floats, x: Floats, k: int, robust: bool) -> tuple[float, float]:
    power = float(x @ x)
    b = float(x @ y) / power
    u = y - b * x
    n = y.size
    if robust:
        return b, float(np.sqrt(n / (n - k) * ((x * u) ** 2).sum())) / power
    return b, float(np.sqrt((u @ u) / (n - k) / power))


# derivation: eq-ce-first-stage
def _joint_f(t: Floats, Z: Floats, k: int, robust: bool) -> float:
    """F of the hypothesis that no column of Z matters for t (both without X)."""
    n, m = Z.shape
    b = np.linalg.lstsq(Z, t, rcond=None)[0]
    u = t - Z @ b
    inverse = np.linalg.inv(Z.T @ Z)
    c = n / (n - k - m)
    meat = (Z * u[:, None] ** 2).T @ Z if robust else (u @ u) / n * (Z.T @ Z)
    V = c * inverse @ meat @ inverse
    return float(b @ np.linalg.solve(V, b)) / m


# derivation: eq-ce-anderson-rubin
def _anderson_rubin(
    y: Floats,
    t: Floats,
    Z: Floats,
    k: int,
    robust: bool,
    level: float,
    centre: float,
    se: float,
) -> tuple[float, float] | None:
    """All beta for which Z does not explain y - beta t; by a grid, then bisection."""
    bar = float(stats.f.ppf(level, Z.shape[1], y.size - k - Z.shape[1]))

    def outside(beta: float) -> bool:
        return _joint_f(y - beta * t, Z, k, robust) > bar

    if outside(centre):
        return None
    ends = []
    for sign in (-1.0, 1.0):
        near, far = 0.0, 2.0 * se
        while not outside(centre + sign * far):
            near, far = far, 2 * far
            if far > 1e4 * se:
                return None
        for _ in range(60):
            middle = (near + far) / 2
            if outside(centre + sign * middle):
                far = middle
            else:
                near = middle
        ends.append(centre + sign * near)
    return ends[0], ends[1]
