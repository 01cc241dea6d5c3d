r"""Difference-in-differences: two-way fixed effects, and group-time effects.

Chapter 18. Panel: one row a unit and period. Parallel trends: without treatment the
changes of treated and untreated units would have been equal on average. When adoption
is staggered, two-way fixed effects compare late adopters with early ones, and weights
may be negative; group-time effects (Callaway and Sant'Anna 2021) compare each cohort
with those never treated (or not yet), and average openly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from streamrec.stats.clustered import LeastSquares, least_squares

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """An effect with standard error (clustered by unit), interval and p-value."""

    effect: float
    se: float
    interval: tuple[float, float]
    p_value: float


def _effect(effect: float, se: float, level: float) -> Effect:
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    p = float(2 * stats.norm.sf(abs(effect) / se)) if se > 0 else float("nan")
    return Effect(effect, se, (effect - half, effect + half), p)


@dataclass(frozen=True)
class Panel:
    """Outcomes y (units, periods), first treated period of each (inf: never)."""

    units: NDArray[Any]
    periods: NDArray[Any]
    y: Floats
    first: Floats


def panel(
    data: pd.DataFrame, *, unit: str, time: str, outcome: str, first_treated: str
) -> Panel:
    """Read a long table; ``first_treated`` is 0, missing or inf for the never treated.

    Raises
    ------
    ValueError
        Missing columns, text, a unit and period that occur twice or not at all, a unit
        whose first treated period changes, NaN outcomes, an outcome that never varies,
        fewer than two units treated or never treated.
    """
    names = [unit, time, outcome, first_treated]
    missing = [c for c in names if c not in data.columns]
    if missing:
        raise ValueError(f"the data lack the columns {', '.join(missing)}")
    if len(set(names)) < 4:
        raise ValueError("unit, time, outcome and first treated are different columns")
    for c in names[1:]:
        _refuse_text(data[c])
    if data.duplicated([unit, time]).any():
        n = int(data.duplicated([unit, time]).sum())
        raise ValueError(f"{n} rows repeat a {unit} and {time}")
    wide = data.pivot(index=unit, columns=time, values=outcome)
    values = wide.to_numpy(float)
    if not np.isfinite(values).all():
        n = int((~np.isfinite(values)).any(1).sum())
        raise ValueError(
            f"{n} units lack an outcome in some {time}: balance the panel first"
        )
    starts = data.groupby(unit)[first_treated]
    if (starts.nunique(dropna=False) > 1).any():
        raise ValueError(f"{first_treated} changes within a unit")
    first = starts.first().reindex(wide.index).to_numpy(float)
    first = np.where(np.isnan(first) | (first <= 0), np.inf, first)
    treated = int(np.isfinite(first).sum())
    if min(treated, first.size - treated) < 2:
        raise ValueError(
            "both treated and never-treated units are needed, two of each at least: "
            f"found {treated} and {first.size - treated}"
        )
    if (values == values[0, 0]).all():
        raise ValueError(f"{outcome} has one value only: nothing to explain")
    return Panel(wide.index.to_numpy(), wide.columns.to_numpy(), values, first)


def _refuse_text(column: pd.Series) -> None:
    """Periods and outcomes must be numbers; a date has no distance to a cohort."""
    import pandas as pd

    bad = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    if bad.any() or not (
        pd.api.types.is_numeric_dtype(column) or column.dtype == object
    ):
        sample = str(column[bad].iloc[0] if bad.any() else column.iloc[0])[:40]
        raise ValueError(
            f'column "{column.name}" holds {sample!r}: write numbers (years, or months '
            "counted from a start; 0 or empty for never)"
        )


def with_a_period_before(p: Panel) -> tuple[Panel, int]:
    """The panel without units treated from the first period on, and how many went.

    Nothing was seen of them before treatment, so no change can be compared.

    Raises
    ------
    ValueError
        If fewer than two units remain that are treated within the periods.
    """
    keep = p.first > p.periods[0]
    if (keep & (p.first <= p.periods[-1])).sum() < 2:
        raise ValueError(
            "fewer than two units start treatment after the first period and by the "
            "last: no change to compare"
        )
    small = replace(p, units=p.units[keep], y=p.y[keep], first=p.first[keep])
    return small, int((~keep).sum())


# derivation: eq-ce-twfe
def two_way_fixed_effects(p: Panel, *, level: float = 0.95) -> Effect:
    r"""Coefficient of "treated now" with unit and period effects, clustered by unit.

    Both sides are demeaned by unit and period (exact in a balanced panel).
    """
    d = (p.periods[None, :] >= p.first[:, None]).astype(float)

    def demean(a: Floats) -> Floats:
        return np.asarray(
            a - a.mean(1, keepdims=True) - a.mean(0, keepdims=True) + a.mean()
        )

    units = np.repeat(np.arange(len(p.units)), len(p.periods))
    fit: LeastSquares = least_squares(
        demean(d).reshape(-1, 1), demean(p.y).ravel(), units
    )
    return _effect(float(fit.coefficients[0]), float(fit.se[0]), level)


@dataclass(frozen=True)
class GroupTime:
    """Group-time effects and their averages.

    table: rows of (group, time, effect, se). overall: average over treated unit-periods
    (the "simple" aggregate). by_event: event time -> Effect; negative times are placebo
    comparisons before treatment. pretrend_p: joint Wald test that all those before -1
    ... are zero.
    """

    table: list[dict[str, float]]
    overall: Effect
    by_event: dict[int, Effect]
    pretrend_p: float | None


# derivation: eq-ce-group-time
def group_time_effects(
    p: Panel, *, control: str = "never", level: float = 0.95
) -> GroupTime:
    r"""ATT(g, t) of each cohort g and period t, without covariates.

    After treatment, t >= g: :math:`E[y_t - y_{b} | g] - E[y_t - y_{b} | C]` with base b
    the last period before g; before treatment b is the period before t (placebos). C:
    the never treated, or with ``control="notyet"`` also those treated after t. Errors
    come from influence functions, so that averages keep the covariances.
    """
    if control not in ("never", "notyet"):
        raise ValueError(f'control must be "never" or "notyet", not {control}')
    n, T = p.y.shape
    groups = np.unique(p.first[np.isfinite(p.first)])
    table, influence, keys = [], [], []
    for g in groups:
        before = np.flatnonzero(p.periods < g)
        if not before.size:
            continue  # treated from the first period on: no base to compare with
        for t in range(1, T):
            base = before[-1] if p.periods[t] >= g else t - 1
            mine = p.first == g
            free = np.isinf(p.first)
            if control == "notyet":
                free = free | ((p.first > max(p.periods[t], p.periods[base])) & ~mine)
            change = p.y[:, t] - p.y[:, base]
            a, b = change[mine], change[free]
            effect = float(a.mean() - b.mean())
            phi = np.zeros(n)
            phi[mine] = (a - a.mean()) / mine.sum()
            phi[free] = -(b - b.mean()) / free.sum()
            keys.append((g, p.periods[t]))
            influence.append(phi)
            se = float(np.sqrt((phi**2).sum()))
            table.append(
                {"group": float(g), "time": float(p.periods[t]), "effect": effect,
                 "se": se}
            )  # fmt: skip
    return _averages(p, table, np.array(influence), keys, level)


def _averages(
    p: Panel,
    table: list[dict[str, float]],
    influence: Floats,
    keys: list[tuple[float, Any]],
    level: float,
) -> GroupTime:
    effects = np.array([r["effect"] for r in table])
    size = {g: float((p.first == g).mean()) for g, _ in keys}
    order = {t: i for i, t in enumerate(p.periods)}
    event = np.array([order[t] - int(np.searchsorted(p.periods, g)) for g, t in keys])
    weight = np.array([size[g] for g, _ in keys])

    def average(pick: NDArray[np.bool_]) -> Effect:
        w = weight[pick] / weight[pick].sum()
        effect = float(w @ effects[pick])
        phi = w @ influence[pick]
        # Group shares are estimated too: their part of the influence function.
        for i in np.flatnonzero(pick):
            share = (p.first == keys[i][0]).astype(float) - weight[i]
            slope = (effects[i] - effect) / weight[pick].sum()
            phi = phi + slope * share / len(p.units)
        return _effect(effect, float(np.sqrt((phi**2).sum())), level)

    by_event = {int(e): average(event == e) for e in np.unique(event)}
    early = event < 0
    pretrend = None
    if early.any():
        V = influence[early] @ influence[early].T
        statistic = float(effects[early] @ np.linalg.pinv(V) @ effects[early])
        rank = int(np.linalg.matrix_rank(V))
        pretrend = float(stats.chi2.sf(statistic, rank)) if rank else None
    return GroupTime(table, average(event >= 0), by_event, pretrend)
