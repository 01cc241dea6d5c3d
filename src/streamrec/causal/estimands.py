"""What a causal question asks for, and what the naive comparison measures instead.

Chapter 16, "The Potential Outcomes Framework". Units i = 1..n, treatment d (n,) in
{0, 1}, potential outcomes y0, y1 (n,). Functions that take y0 *and* y1 can be used
only in a world whose truth is known.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class NoOverlap(ValueError):
    """A group of units has no treated or no control unit to compare with."""


def _outcome(y: ArrayLike, name: str) -> NDArray[np.float64]:
    """(n,) finite float64, or a ValueError that names the array."""
    values = np.asarray(y, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), not {values.shape}")
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"{name} has {bad} missing or infinite values: drop or impute them first, "
            "and say which"
        )
    return values


def _treatment(d: ArrayLike, n: int) -> NDArray[np.bool_]:
    """(n,) True where treated, or a ValueError that says what was found."""
    values = np.asarray(d)
    if values.shape != (n,):
        raise ValueError(f"the treatment must have shape ({n},), not {values.shape}")
    levels = np.unique(values)
    if not np.isin(levels, (0, 1)).all():
        raise ValueError(
            f"the treatment must be 0 or 1; found {levels[:5].tolist()}: code it as "
            "binary or compare two levels at a time"
        )
    if levels.size < 2:
        group = "control" if levels.size and bool(levels[0]) else "treated"
        raise NoOverlap(f"there are no {group} units, so nothing can be compared")
    return values.astype(bool)


def as_units(
    y: ArrayLike, d: ArrayLike, *, minimum: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Validate outcome and treatment; both groups need at least ``minimum`` units.

    Returns y (n,) float64 and d (n,) bool. Warns if the outcome is constant.

    Raises
    ------
    NoOverlap
        If a group is empty or smaller than ``minimum``.
    ValueError
        For NaN, wrong shapes or a treatment that is not binary.
    """
    outcome = _outcome(y, "the outcome")
    treated = _treatment(d, outcome.size)
    n1 = int(treated.sum())
    smallest = min(n1, outcome.size - n1)
    if smallest < minimum:
        raise NoOverlap(
            f"each group needs at least {minimum} units: {n1} treated and "
            f"{outcome.size - n1} control were given"
        )
    if np.ptp(outcome) == 0:
        warnings.warn(
            "the outcome is constant: every difference and standard error is zero",
            stacklevel=3,
        )
    return outcome, treated


# derivation: eq-po-naive
def naive_difference(y: ArrayLike, d: ArrayLike) -> float:
    """Mean outcome of the treated minus that of the controls.

    E[Y | D = 1] - E[Y | D = 0]: a description of two groups, an effect only under
    assumptions (eq-po-naive, Chapter 16).

    >>> naive_difference([3.0, 5.0, 1.0, 2.0], [1, 1, 0, 0])
    2.5
    """
    outcome, treated = as_units(y, d)
    return float(outcome[treated].mean() - outcome[~treated].mean())


@dataclass(frozen=True)
class Decomposition:
    """The naive difference taken apart (all in units of the outcome).

    naive = att + selection_bias, and
    naive = ate + selection_bias + (1 - p) (att - atu), with p the treated share.
    """

    naive: float
    ate: float
    att: float
    atu: float
    selection_bias: float
    treated_share: float

    # derivation: eq-po-three
    @property
    def heterogeneity_bias(self) -> float:
        """(1 - p)(ATT - ATU): how far the treated differ in *effect* from everyone."""
        return (1 - self.treated_share) * (self.att - self.atu)


# derivation: eq-po-three
def decompose(y0: ArrayLike, y1: ArrayLike, d: ArrayLike) -> Decomposition:
    """Split the naive difference into effect and selection, given both outcomes.

    ATE = E[Y(1) - Y(0)], ATT = E[Y(1) - Y(0) | D = 1], ATU = E[Y(1) - Y(0) | D = 0],
    selection bias = E[Y(0) | D = 1] - E[Y(0) | D = 0]. Sample averages over the units
    given: the sample estimands (SATE and so on), which the identity fits exactly.

    >>> decompose([1, 0], [3, 1], [1, 0])
    Decomposition(naive=3.0, ate=1.5, att=2.0, atu=1.0, selection_bias=1.0, \
treated_share=0.5)
    """
    control, treatment = _outcome(y0, "y0"), _outcome(y1, "y1")
    if control.shape != treatment.shape:
        raise ValueError(f"y0 {control.shape} and y1 {treatment.shape} differ in shape")
    treated = _treatment(d, control.size)
    effect = treatment - control  # (n,)
    return Decomposition(
        naive=float(treatment[treated].mean() - control[~treated].mean()),
        ate=float(effect.mean()),
        att=float(effect[treated].mean()),
        atu=float(effect[~treated].mean()),
        selection_bias=float(control[treated].mean() - control[~treated].mean()),
        treated_share=float(treated.mean()),
    )


# derivation: eq-po-consistency
def observed(y0: ArrayLike, y1: ArrayLike, d: ArrayLike) -> NDArray[np.float64]:
    """Consistency: the outcome a log shows, Y = D Y(1) + (1 - D) Y(0).

    >>> observed([1.0, 0.0], [3.0, 1.0], [1, 0]).tolist()
    [3.0, 0.0]
    """
    control, treatment = _outcome(y0, "y0"), _outcome(y1, "y1")
    return np.where(_treatment(d, control.size), treatment, control)


@dataclass(frozen=True)
class Overlap:
    """How comparable the groups are, given propensities (see ``overlap``)."""

    lowest: float
    highest: float
    outside: float  # share of units with a propensity outside [trim, 1 - trim]
    effective_treated: float  # Kish's effective share of the treated under weights 1/e
    effective_control: float  # and of the controls under weights 1/(1 - e)


# derivation: eq-po-share
def _effective_share(w: NDArray[np.float64]) -> float:
    """(sum w)^2 / (n sum w^2), in (0, 1]: 1 when all weights are equal."""
    return float(w.sum() ** 2 / (w.size * (w**2).sum()))


def overlap(propensity: ArrayLike, d: ArrayLike, *, trim: float = 0.05) -> Overlap:
    """Diagnose positivity, 0 < Pr(D = 1 | X) < 1, from propensities (n,).

    Raises
    ------
    NoOverlap
        If a propensity is 0 or 1: some units had no chance of the other treatment,
        and no weighting can invent their outcomes.
    ValueError
        If a propensity is no probability, or trim lies outside [0, 1/2).
    """
    e = _outcome(propensity, "the propensity")
    treated = _treatment(d, e.size)
    if not 0 <= trim < 0.5:
        raise ValueError(f"trim must lie in [0, 0.5), not {trim}")
    if (e < 0).any() or (e > 1).any():
        raise ValueError(
            f"propensities run from {e.min():.3g} to {e.max():.3g}: pass probabilities"
        )
    stuck = int(((e == 0) | (e == 1)).sum())
    if stuck:
        raise NoOverlap(
            f"{stuck} units have propensity 0 or 1: drop them and change the question "
            "to the units that could have received either treatment"
        )
    return Overlap(
        lowest=float(e.min()),
        highest=float(e.max()),
        outside=float(((e < trim) | (e > 1 - trim)).mean()),
        effective_treated=_effective_share(1 / e[treated]),
        effective_control=_effective_share(1 / (1 - e[~treated])),
    )


def strata_table(y: ArrayLike, d: ArrayLike, strata: ArrayLike) -> Any:
    """One row a stratum: n, treated, naive difference (NaN where a group is empty).

    Returns a data frame indexed by stratum with columns n, treated, difference. Units
    without a stratum (NaN) make a row of their own: none is dropped.
    """
    import pandas as pd

    outcome, treated = as_units(y, d)
    keep: dict[str, Any] = {"observed": True, "dropna": False}
    frame = pd.DataFrame({"y": outcome, "d": treated, "stratum": np.asarray(strata)})
    means = frame.groupby(["stratum", "d"], **keep)["y"].mean().unstack()
    counts = frame.groupby("stratum", **keep)["d"].agg(["size", "sum"])
    table = counts.rename(columns={"size": "n", "sum": "treated"})
    means = means.reindex(columns=[False, True])
    table["difference"] = means[True] - means[False]
    return table
