"""Group fairness of decisions and of exposure, each with its interval.

Chapter 31. Decisions yhat (n,) in {0, 1}, outcomes y (n,) in {0, 1}, groups (n,) any
labels. A rate whose denominator is empty is NaN and its row says how many units there
were: nothing is dropped. A category of a pandas categorical that nobody belongs to
keeps its row too. A summary over groups refuses groups whose rate is not defined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RATES = ("selection_rate", "tpr", "fpr", "ppv", "base_rate")


def _binary(x: ArrayLike, name: str, n: int | None = None) -> NDArray[np.bool_]:
    values = np.asarray(x)
    if values.ndim != 1 or (n is not None and values.size != n):
        raise ValueError(f"{name} must have shape ({n or 'n'},), not {values.shape}")
    if values.size == 0:
        raise ValueError(f"{name} is empty: there is nothing to audit")
    if not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name} must hold only 0 and 1: threshold scores first")
    return values.astype(bool)


def _groups(groups: ArrayLike, n: int) -> pd.Series:
    kept = groups if isinstance(groups, (pd.Series, pd.Categorical)) else None
    labels = pd.Series(np.asarray(groups) if kept is None else kept)
    labels = labels.reset_index(drop=True)
    if labels.shape != (n,):
        raise ValueError(f"groups must have shape ({n},), not {labels.shape}")
    missing = int(labels.isna().sum())
    if missing:
        raise ValueError(
            f"{missing} units have no group: give them a label such as 'unknown' so "
            "that the report can count them"
        )
    return labels


# derivation: eq-wilson
def wilson(
    successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson score interval for a proportion; NaN where there are no trials.

    Centre (k + z^2/2) / (n + z^2); half width z sqrt(k (n - k)/n + z^2/4) / (n + z^2).
    """
    k, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    if ((k < 0) | (k > n)).any():
        raise ValueError("successes must lie between 0 and trials")
    z = stats.norm.ppf((1 + level) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (k + z**2 / 2) / (n + z**2)
        half = z * np.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def group_rates(
    yhat: ArrayLike,
    groups: ArrayLike,
    y: ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row a group and rate: group, rate, value, low, high, events, n.

    selection_rate = P(yhat = 1); with outcomes also tpr = P(yhat = 1 | y = 1),
    fpr = P(yhat = 1 | y = 0), ppv = P(y = 1 | yhat = 1), base_rate = P(y = 1).
    Intervals are Wilson's and assume independent units.

    >>> group_rates([1, 0, 1, 1], ["a", "a", "b", "b"])["value"].tolist()
    [0.5, 1.0]
    """
    decision = _binary(yhat, "yhat")
    labels = _groups(groups, decision.size)
    truth = None if y is None else _binary(y, "y", decision.size)
    parts = {"selection_rate": (decision, np.ones_like(decision))}  # (event, eligible)
    if truth is not None:
        parts["tpr"] = (decision & truth, truth)
        parts["fpr"] = (decision & ~truth, ~truth)
        parts["ppv"] = (decision & truth, decision)
        parts["base_rate"] = (truth, np.ones_like(decision))
    frames = []
    for rate, (event, eligible) in parts.items():
        counts = pd.DataFrame({"events": event, "n": eligible})
        table = counts.groupby(labels, observed=False).sum().astype(int)
        table.index = table.index.astype(object)  # categories that are plain labels
        table.insert(0, "rate", rate)
        frames.append(table.rename_axis("group").reset_index())
    out = pd.concat(frames, ignore_index=True)
    with np.errstate(invalid="ignore"):
        out["value"] = out["events"] / out["n"].where(out["n"] > 0)
    out["low"], out["high"] = wilson(out["events"], out["n"], level=level)
    return out[["group", "rate", "value", "low", "high", "events", "n"]]


# derivation: eq-range
def _range(table: pd.DataFrame, rate: str) -> float:
    """Largest minus smallest value of a rate over the groups, all of them defined."""
    value = table.loc[table["rate"] == rate].set_index("group")["value"]
    undefined = value.index[value.isna()].tolist()
    if undefined:
        raise ValueError(
            f"{rate} is not defined in the groups {undefined[:5]}: nobody to average "
            "over; read group_rates, or leave them out and say so"
        )
    return float(value.max() - value.min())


def demographic_parity_difference(yhat: ArrayLike, groups: ArrayLike) -> float:
    """Largest minus smallest selection rate over the groups.

    ValueError names a group that nobody belongs to.

    >>> demographic_parity_difference([1, 0, 1, 1], ["a", "a", "b", "b"])
    0.5
    """
    return _range(group_rates(yhat, groups), "selection_rate")


def equalized_odds_difference(
    y: ArrayLike, yhat: ArrayLike, groups: ArrayLike
) -> float:
    """max(range of TPR, range of FPR) over the groups.

    ValueError names the groups without positives or without negatives: their rate is
    not defined, and leaving them out would hide them.

    >>> equalized_odds_difference([1, 0, 1, 0], [1, 0, 1, 1], ["a", "a", "b", "b"])
    1.0
    """
    table = group_rates(yhat, groups, y)
    return max(_range(table, "tpr"), _range(table, "fpr"))


@dataclass(frozen=True)
class ImpactRatio:
    """Selection rate of one group over the reference's, with a log-normal interval.

    ratio, low, high; flagged: ratio < 0.8; certain: the whole interval lies below 0.8.
    """

    group: object
    reference: object
    ratio: float
    low: float
    high: float

    @property
    def flagged(self) -> bool:
        """The four-fifths rule, applied to the point estimate."""
        return self.ratio < 0.8

    @property
    def certain(self) -> bool:
        """True if even the upper end of the interval is below four fifths."""
        return self.high < 0.8


# derivation: eq-impact-ratio
def impact_ratios(
    yhat: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> list[ImpactRatio]:
    """Four-fifths rule with its sampling error: every group against the best one.

    Delta method on the log: Var(log p1/p0) = (1 - p1)/(n1 p1) + (1 - p0)/(n0 p0).
    The reference is the group with the highest rate *in this sample*, which makes the
    smallest ratio look smaller than it is when groups are small. ValueError if nobody
    was selected, or nobody belongs to a group.

    >>> [(r.group, r.ratio) for r in impact_ratios([1, 0, 1, 1], list("aabb"))]
    [('a', 0.5)]
    """
    table = group_rates(yhat, groups).set_index("group")
    empty = table.index[table["n"] == 0].tolist()
    if empty:
        raise ValueError(f"nobody belongs to the groups {empty[:5]}: leave them out")
    best = table["value"].idxmax()
    z = stats.norm.ppf((1 + level) / 2)
    p0, n0 = table.loc[best, "value"], table.loc[best, "n"]
    if p0 == 0:
        raise ValueError("no unit of any group was selected: ratios are undefined")
    out = []
    for group, row in table.iterrows():
        if group == best:
            continue
        p1, n1 = row["value"], row["n"]
        if p1 == 0:
            # the logarithm is undefined: bound by the ends of both Wilson intervals
            k0 = table.loc[best, "events"]
            upper = wilson(0, n1, level=level)[1] / wilson(k0, n0, level=level)[0]
            out.append(ImpactRatio(group, best, 0.0, 0.0, float(upper)))
            continue
        se = np.sqrt((1 - p1) / (n1 * p1) + (1 - p0) / (n0 * p0))
        r = p1 / p0
        low, high = r * np.exp(-z * se), r * np.exp(z * se)
        out.append(ImpactRatio(group, best, float(r), float(low), float(high)))
    return out


# derivation: eq-gini
def gini(x: ArrayLike) -> float:
    """Gini coefficient of non-negative amounts (G,): 0 equal, (G - 1)/G one has all.

    sum_i (2 i - G - 1) x_(i) / (G sum x), x_(i) ascending.

    >>> gini([1.0, 1.0, 1.0]), gini([0.0, 0.0, 1.0])
    (0.0, 0.6666666666666666)
    """
    v = np.sort(np.asarray(x, dtype=float))
    if v.ndim != 1 or v.size == 0 or not np.isfinite(v).all() or v[0] < 0:
        raise ValueError("gini needs a non-empty list of finite amounts >= 0")
    if v.sum() == 0:
        return float("nan")
    G = v.size
    return float((2 * np.arange(1, G + 1) - G - 1) @ v / (G * v.sum()))


# derivation: eq-position-weight
def position_weights(k: int) -> NDArray[np.float64]:
    """Logarithmic exposure of places 1..k, 1 / log2(1 + place): (k,).

    >>> position_weights(3).round(3).tolist()
    [1.0, 0.631, 0.5]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return 1 / np.log2(1 + np.arange(1, k + 1))


# derivation: eq-exposure
def group_exposure(
    item_groups: ArrayLike,
    places: ArrayLike,
    supply: pd.Series,
    *,
    weights: ArrayLike | None = None,
) -> pd.DataFrame:
    """Exposure of creator groups per eligible item.

    item_groups (m,): group of each shown item. places (m,): its place, from 1.
    supply: eligible items a group (index = group). weights (k,): exposure of a place,
    logarithmic by default. Returns a row a group of ``supply``: exposure (sum of
    weights), share, supply, per_item (exposure / supply, scaled to mean 1 over items).

    Raises
    ------
    ValueError
        If a shown group is missing from ``supply`` or a group has no eligible item.
    """
    shown, place = pd.Series(np.asarray(item_groups)), np.asarray(places)
    if shown.shape != place.shape or shown.empty:
        raise ValueError("item_groups and places need one common, non-empty shape (m,)")
    unknown = sorted(set(shown.unique()) - set(supply.index), key=str)
    if unknown:
        raise ValueError(f"supply lacks the groups {unknown[:5]}")
    if (supply <= 0).any():
        empty = supply.index[supply <= 0].tolist()
        raise ValueError(f"groups {empty[:5]} have no eligible item: leave them out")
    if place.min() < 1 or (place != np.floor(place)).any():
        raise ValueError("places are whole numbers that count from 1")
    w = position_weights(int(place.max())) if weights is None else np.asarray(weights)
    if place.max() > len(w):
        raise ValueError(f"{len(w)} weights for {int(place.max())} places")
    total = pd.Series(w[place.astype(int) - 1]).groupby(shown.values).sum()
    exposure = total.reindex(supply.index, fill_value=0.0)
    per_item = exposure / supply * supply.sum() / exposure.sum()
    columns = {"exposure": exposure, "share": exposure / exposure.sum()}
    return pd.DataFrame({**columns, "supply": supply, "per_item": per_item})
