r"""Synthetic control: a weighted mean of untreated units that followed the treated one.

Chapter 18. Abadie, Diamond and Hainmueller (2010), on the outcome's own past: weights
w >= 0 with sum 1 minimise the distance before treatment; the gap after is the effect.
Inference by placebo: the same for every untreated unit, ranked by how much worse the
fit is after than before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SyntheticControl:
    """weights (J,); gap (T,) treated minus synthetic; effect: mean gap after.

    p_value: share of units, the treated one included, whose ratio of errors after to
    before is at least as large (None without placebos).
    """

    weights: Floats
    gap: Floats
    effect: float
    fit_before: float  # root mean squared gap before treatment
    p_value: float | None = None


# derivation: eq-ce-synthetic
def simplex_weights(target: Floats, donors: Floats) -> Floats:
    """Weights w >= 0, sum 1, that minimise ||target - donors @ w||; donors (T0, J).

    Non-negative least squares with the sum as one heavy row, then normalised.

    >>> donors = np.array([[0.0, 2.0], [1.0, 3.0]])
    >>> simplex_weights(np.array([1.0, 2.0]), donors).round(3)
    array([0.5, 0.5])
    """
    scale = max(float(np.abs(donors).max()), 1e-12)
    heavy = 1e4
    A = np.vstack([donors / scale, np.full((1, donors.shape[1]), heavy)])
    w, _ = optimize.nnls(A, np.r_[target / scale, heavy], maxiter=50 * A.shape[1])
    return np.asarray(w / w.sum())


def synthetic_control(
    treated: ArrayLike, donors: ArrayLike, before: int, *, placebos: bool = True
) -> SyntheticControl:
    """Fit on the first ``before`` periods of ``treated`` (T,) and ``donors`` (T, J).

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN, no period before or after, fewer than two donors.
    """
    y, D = np.asarray(treated, float), np.asarray(donors, float)
    if y.ndim != 1 or D.ndim != 2 or len(D) != y.size or D.shape[1] < 2:
        raise ValueError(f"treated (T,) and donors (T, J >= 2) needed, not {D.shape}")
    if not (np.isfinite(y).all() and np.isfinite(D).all()):
        raise ValueError("outcomes hold NaN or infinity: complete the series first")
    if not 2 <= before < y.size:
        raise ValueError(f"before must lie between 2 and {y.size - 1}, not {before}")

    def fit(one: Floats, others: Floats) -> SyntheticControl:
        w = simplex_weights(one[:before], others[:before])
        gap = one - others @ w
        error = float(np.sqrt((gap[:before] ** 2).mean()))
        return SyntheticControl(w, gap, float(gap[before:].mean()), error)

    result = fit(y, D)
    if not placebos:
        return result

    def ratio(r: SyntheticControl) -> float:
        return float((r.gap[before:] ** 2).mean() / max(r.fit_before**2, 1e-12))

    own = ratio(result)
    pool = np.column_stack([y, D])
    others = [
        ratio(fit(D[:, j], np.delete(pool[:, 1:], j, axis=1)))
        for j in range(D.shape[1])
    ]
    p = (1 + sum(r >= own for r in others)) / (1 + len(others))
    return SyntheticControl(
        result.weights, result.gap, result.effect, result.fit_before, p
    )
