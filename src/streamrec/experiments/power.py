r"""How many users an experiment needs, and what it can find with those it has.

Chapter 33. Two arms, control 0 and treatment 1, with n_0 and n_1 = ratio n_0 users.
A two-sided normal test at level alpha finds a difference delta with probability about
1 - beta when delta = (z_{1-alpha/2} + z_{1-beta}) se; every function here is that line
solved for another letter. The chance of a significant result of the wrong sign is left
out (below 1e-5 at the usual settings).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import asin, ceil, inf, isfinite, sqrt
from typing import Any

from scipy import optimize, stats

from streamrec.stats.clustered import design_effect as kish
from streamrec.stats.tests import sample_size_means

FORMULAS = ("unpooled", "pooled", "arcsine")
CORRECTIONS = ("none", "bonferroni", "holm", "bh")


def _z(alpha: float, power: float) -> tuple[float, float]:
    """Quantiles z_{1-alpha/2} and z_{power}."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    if not alpha < power < 1:
        raise ValueError(f"power must lie between alpha and 1, not {power}")
    return float(stats.norm.ppf(1 - alpha / 2)), float(stats.norm.ppf(power))


def _whole(n: float) -> int:
    """Round up, but not for a rounding error of the floating point."""
    return ceil(n - 1e-9 * max(1.0, n))


def _users(effect: float, variance: float, alpha: float, power: float) -> int:
    """Users in control when a control and its r treated add ``variance`` to a gap."""
    return sample_size_means(effect, sqrt(variance / 2), alpha=alpha, power=power)


# derivation: eq-ex-proportions
def users_for_proportions(
    base: float,
    target: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
    formula: str = "unpooled",
) -> int:
    r"""Users in control to tell the rates p_0 = base and p_1 = target apart.

    With z_a = z_{1-alpha/2}, z_b = z_{power}, q = 1 - p and r = n_1 / n_0:

    unpooled  (z_a + z_b)^2 (p_0 q_0 + p_1 q_1 / r) / (p_1 - p_0)^2
    pooled    (z_a sqrt(p q (1 + 1/r)) + z_b sqrt(p_0 q_0 + p_1 q_1 / r))^2
              / (p_1 - p_0)^2, with p = (p_0 + r p_1) / (1 + r)
    arcsine   (z_a + z_b)^2 (1 + 1/r) / h^2, with h = 2 asin sqrt p_1 - 2 asin sqrt p_0

    The factor (1 + 1/r) is 2 for equal arms: a comparison has two noisy sides.

    >>> users_for_proportions(0.05, 0.055)
    31231
    >>> users_for_proportions(0.05, 0.055, formula="arcsine")
    31218
    """
    za, zb = _z(alpha, power)
    p0, p1, r = float(base), float(target), float(ratio)
    if not (0 < p0 < 1 and 0 < p1 < 1):
        raise ValueError(f"rates must lie between 0 and 1, not {p0} and {p1}")
    if p0 == p1:
        raise ValueError("the two rates are equal: no number of users tells them apart")
    _positive("ratio", r)
    separate = p0 * (1 - p0) + p1 * (1 - p1) / r
    if formula == "unpooled":
        return _users(p1 - p0, separate, alpha, power)
    if formula == "arcsine":
        h = 2 * asin(sqrt(p1)) - 2 * asin(sqrt(p0))
        return _users(h, 1 + 1 / r, alpha, power)
    if formula == "pooled":
        p = (p0 + r * p1) / (1 + r)
        common = p * (1 - p) * (1 + 1 / r)
        return _whole((za * sqrt(common) + zb * sqrt(separate)) ** 2 / (p1 - p0) ** 2)
    raise ValueError(f"formula must be one of {', '.join(FORMULAS)}, not {formula}")


# derivation: eq-ex-means
def users_for_means(
    sd: float,
    effect: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
) -> int:
    r"""Users in control to find a difference ``effect`` of means with deviation ``sd``.

    :math:`(z_{1-\alpha/2} + z_{power})^2 \sigma^2 (1 + 1/r) / \delta^2`.

    >>> users_for_means(1.0, 0.1)
    1570
    """
    _z(alpha, power)
    _positive("sd", sd)
    _positive("ratio", ratio)
    if effect == 0 or not isfinite(effect):
        raise ValueError(f"effect must be finite and not 0, not {effect}")
    return _users(effect, sd**2 * (1 + 1 / ratio), alpha, power)


# derivation: eq-ex-detectable
def detectable_proportion(
    base: float,
    users: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
) -> float:
    """Smallest target rate above ``base`` found with ``users`` in control (unpooled).

    >>> round(detectable_proportion(0.05, 31_231), 5)
    0.055
    """
    za, zb = _z(alpha, power)
    if not 0 < base < 1:
        raise ValueError(f"base must lie between 0 and 1, not {base}")
    _positive("users", users)
    _positive("ratio", ratio)

    def short(target: float) -> float:
        spread = base * (1 - base) + target * (1 - target) / ratio
        return target - base - (za + zb) * sqrt(spread / users)

    if short(1.0) < 0:
        return inf
    return float(optimize.brentq(short, base, 1.0, xtol=1e-12))


# derivation: eq-ex-design-effect
def design_effect(size: float, icc: float, *, cv: float = 0.0) -> float:
    r"""Inflation of a variance when whole clusters are assigned (Kish 1965).

    :math:`1 + ((1 + cv^2) m - 1)\rho` for mean cluster size m, intra-class correlation
    rho, and coefficient of variation cv of the sizes.

    >>> round(design_effect(20, 0.05), 2)
    1.95
    """
    if not 1 <= size < inf or not 0 <= icc <= 1 or not 0 <= cv < inf:
        raise ValueError("clusters need size >= 1, 0 <= icc <= 1 and cv >= 0")
    return kish([(1 + cv**2) * size], icc)  # sum of squares over sum of the sizes


@dataclass(frozen=True)
class Design:
    """The answer of :func:`design`; every assumption is in it."""

    kind: str
    baseline: float
    effect: float  # absolute
    relative: float | None  # effect / baseline
    alpha: float  # of the whole family of metrics
    alpha_each: float  # at which each metric is planned
    power: float
    formula: str
    arms: int
    users_control: int
    users_treatment: int  # in each treatment arm
    users_total: int
    variance_factor: float  # design effect times 1 - rho^2
    days: int | None
    weeks: int | None
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def design(
    baseline: float,
    effect: float,
    *,
    relative: bool = True,
    kind: str = "binary",
    sd: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    ratio: float = 1.0,
    arms: int = 2,
    metrics: int = 1,
    correction: str = "bonferroni",
    formula: str = "unpooled",
    traffic: float | None = None,
    rho: float = 0.0,
    cluster_size: float = 1.0,
    icc: float = 0.0,
) -> Design:
    """Plan an experiment: users in each arm and days at a given traffic.

    Parameters
    ----------
    baseline : rate (binary) or mean (continuous) in control.
    effect : smallest effect worth finding; relative to ``baseline`` if ``relative``.
    kind : "binary" or "continuous" (then ``sd``, the standard deviation of a user).
    ratio : users in each treatment arm for one in control.
    arms, metrics : comparisons planned are (arms - 1) times metrics.
    correction : how the comparisons share alpha. "holm" and "bh" are planned like
        "bonferroni", their worst case; "none" plans each at alpha.
    traffic : users entering a day, over all arms.
    rho : correlation with a covariate from before (CUPED): variance times 1 - rho^2.
    cluster_size, icc : when clusters are assigned: variance times the design effect.

    >>> plan = design(0.05, 0.10, traffic=8_000)
    >>> plan.users_control, plan.users_total, plan.days, plan.weeks
    (31231, 62462, 8, 2)
    """
    if kind not in ("binary", "continuous"):
        raise ValueError(f'kind must be "binary" or "continuous", not {kind}')
    if correction not in CORRECTIONS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTIONS)}")
    if arms < 2 or metrics < 1:
        raise ValueError("an experiment has at least two arms and one metric")
    if not -1 < rho < 1:
        raise ValueError(f"rho must lie strictly between -1 and 1, not {rho}")
    if relative and baseline == 0:
        raise ValueError("a relative effect of a baseline of 0 is 0: give an absolute")
    delta = effect * baseline if relative else effect
    comparisons = (arms - 1) * metrics
    each = alpha if correction == "none" else alpha / comparisons
    if kind == "binary":
        if sd is not None:
            raise ValueError("a rate has its own sd: leave sd out, or use continuous")
        n = users_for_proportions(
            baseline,
            baseline + delta,
            alpha=each,
            power=power,
            ratio=ratio,
            formula=formula,
        )
    else:
        if sd is None:
            raise ValueError("a continuous metric needs sd, its standard deviation")
        formula = "normal"
        n = users_for_means(sd, delta, alpha=each, power=power, ratio=ratio)
    factor = design_effect(cluster_size, icc) * (1 - rho**2)
    control = _whole(n * factor)
    treatment = _whole(control * ratio)
    total = control + (arms - 1) * treatment
    days = weeks = None
    if traffic is not None:
        _positive("traffic", traffic)
        days = ceil(total / traffic)
        weeks = ceil(days / 7)
    notes = []
    if days is not None and days % 7:
        notes.append(
            f"weekdays differ: run {weeks} whole week{'s' if weeks != 1 else ''}"
        )
    if comparisons > 1 and correction == "none":
        notes.append(
            f"{comparisons} comparisons each at {alpha:g}: the chance of at least one "
            f"false alarm is up to {1 - (1 - alpha) ** comparisons:.2f} if independent"
        )
    if correction in ("holm", "bh") and comparisons > 1:
        notes.append(f"{correction} is planned at its worst case, Bonferroni")
    if kind == "binary" and min(baseline, 1 - baseline) * control < 10:
        notes.append(
            "fewer than 10 events expected in control: normal formulas are poor"
        )
    return Design(
        kind=kind,
        baseline=baseline,
        effect=delta,
        relative=delta / baseline if baseline else None,
        alpha=alpha,
        alpha_each=each,
        power=power,
        formula=formula,
        arms=arms,
        users_control=control,
        users_treatment=treatment,
        users_total=total,
        variance_factor=factor,
        days=days,
        weeks=weeks,
        notes=tuple(notes),
    )


def _positive(name: str, value: float) -> None:
    if not (value > 0 and isfinite(value)):
        raise ValueError(f"{name} must be positive and finite, not {value}")
