r"""Comparisons of two arms from sums alone: means, rates, ratios, CUPED.

Chapter 33. Ten million users are first reduced to a few moments an arm (by DuckDB, or
by :meth:`Moments.of`); every test here needs no more. The unit is whatever was
assigned, usually the user: a click-through rate with users assigned is a *ratio* of two
user means, not a proportion of impressions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf, isfinite, isnan, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from streamrec.stats.clustered import ClusteredEstimate
from streamrec.stats.intervals import check_level, normal_interval
from streamrec.stats.tests import wald_test


@dataclass(frozen=True)
class Moments:
    """Count, means, variances (n - 1) and covariance of y and x over units of an arm.

    y is the metric or its numerator; x a covariate from before or the denominator.
    """

    n: int
    mean: float
    var: float
    mean_x: float = nan
    var_x: float = nan
    cov: float = nan

    @classmethod
    def of(cls, y: ArrayLike, x: ArrayLike | None = None) -> Moments:
        """Moments of arrays (n,).

        >>> Moments.of([1.0, 2.0, 3.0])
        Moments(n=3, mean=2.0, var=1.0, mean_x=nan, var_x=nan, cov=nan)
        """
        a = _column(y, "y")
        if x is None:
            return cls(a.size, float(a.mean()), float(a.var(ddof=1)))
        b = _column(x, "x")
        if a.shape != b.shape:
            raise ValueError(f"y and x need one length, not {a.size} and {b.size}")
        c = np.cov(a, b)
        return cls(
            a.size,
            float(a.mean()),
            float(c[0, 0]),
            float(b.mean()),
            float(c[1, 1]),
            float(c[0, 1]),
        )

    # derivation: eq-ex-merge
    def __add__(self, other: Moments) -> Moments:
        """Moments of both groups of units together (Chan, Golub and LeVeque 1983)."""
        n = self.n + other.n
        w, m = other.n / n, self.n * other.n / n
        dy, dx = other.mean - self.mean, other.mean_x - self.mean_x

        def pooled(a: float, b: float, product: float) -> float:
            return ((self.n - 1) * a + (other.n - 1) * b + m * product) / (n - 1)

        return Moments(
            n,
            self.mean + w * dy,
            pooled(self.var, other.var, dy * dy),
            self.mean_x + w * dx,
            pooled(self.var_x, other.var_x, dx * dx),
            pooled(self.cov, other.cov, dy * dx),
        )


def _column(values: ArrayLike, name: str) -> np.ndarray[Any, Any]:
    a = np.asarray(values, float)
    if a.ndim != 1 or a.size < 2:
        raise ValueError(f"{name} must be one column of at least two units")
    if not np.isfinite(a).all():
        raise ValueError(
            f"{name} holds NaN or infinity: decide what a missing value means first"
        )
    return a


@dataclass(frozen=True)
class Comparison:
    """Treatment against control on one metric.

    effect: difference, in units of the metric, with standard error and interval; lift:
    effect / control with its interval (Fieller), None where control may be 0.
    """

    control: float
    treatment: float
    effect: float
    se: float
    interval: tuple[float, float]
    p_value: float
    lift: float | None
    lift_interval: tuple[float, float] | None
    n_control: int
    n_treatment: int
    method: str
    level: float
    variance_ratio: float | None = None  # after / before CUPED
    rho: float | None = None
    note: str = ""

    @property
    def significant(self) -> bool:
        """True if the interval leaves out 0."""
        return bool(self.p_value < 1 - self.level)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _compare(
    control: float,
    treatment: float,
    var_control: float,
    var_treatment: float,
    n: tuple[int, int],
    *,
    method: str,
    level: float,
    df: float | None = None,
) -> Comparison:
    """The interval around a difference of two independent estimates."""
    check_level(level)
    effect, se = treatment - control, sqrt(var_control + var_treatment)
    note = ""
    if se == 0:
        note = "no variation in either arm: nothing to compare"
        p, low, high = nan, nan, nan
    else:
        p = wald_test(effect, se, df=df).p_value
        low, high = normal_interval(effect, se, level=level, df=df)
    lift, lift_interval = fieller(
        treatment, var_treatment, control, var_control, level=level, df=df or inf
    )
    return Comparison(
        control,
        treatment,
        effect,
        se,
        (low, high),
        p,
        lift,
        lift_interval,
        *n,
        method,
        level,
        note=note,
    )


# derivation: eq-ex-fieller
def fieller(
    top: float,
    var_top: float,
    bottom: float,
    var_bottom: float,
    *,
    level: float = 0.95,
    df: float = inf,
) -> tuple[float | None, tuple[float, float] | None]:
    r"""Relative lift top / bottom - 1 of independent estimates, Fieller's interval.

    The set of ratios r with :math:`(a - r b)^2 \le q^2 (v_a + r^2 v_b)`. It is an
    interval only while b differs from 0 at the same level; otherwise None.

    >>> lift, (low, high) = fieller(0.055, 1e-6, 0.05, 1e-6)
    >>> round(lift, 3), round(low, 3), round(high, 3)
    (0.1, 0.043, 0.16)
    """
    if bottom == 0 or isnan(bottom) or isnan(top):
        return None, None
    q2 = float(stats.t.ppf((1 + level) / 2, df)) ** 2
    a = bottom**2 - q2 * var_bottom
    c = top**2 - q2 * var_top
    if a <= 0:
        return top / bottom - 1, None
    root = sqrt(max(0.0, (top * bottom) ** 2 - a * c))
    low, high = (top * bottom - root) / a - 1, (top * bottom + root) / a - 1
    return top / bottom - 1, (low, high)


# derivation: eq-ex-welch
def difference_in_means(
    control: Moments, treatment: Moments, *, level: float = 0.95
) -> Comparison:
    r"""Welch's comparison of two means, unequal variances allowed.

    :math:`se^2 = s_1^2/n_1 + s_0^2/n_0`, t with Satterthwaite's degrees of freedom.

    >>> r = difference_in_means(Moments(50, 1.0, 4.0), Moments(60, 2.0, 9.0))
    >>> round(r.effect, 3), round(r.se, 4), round(r.p_value, 4)
    (1.0, 0.4796, 0.0395)
    """
    v0, v1 = control.var / control.n, treatment.var / treatment.n
    one, two = (
        ClusteredEstimate(m.mean, sqrt(v), m.n - 1, nan, m.n)
        for m, v in ((control, v0), (treatment, v1))
    )
    df = (two - one).df if v0 + v1 > 0 else None
    return _compare(
        control.mean,
        treatment.mean,
        v0,
        v1,
        (control.n, treatment.n),
        method="Welch",
        level=level,
        df=df,
    )


# derivation: eq-ex-two-proportions
def difference_in_proportions(
    control: Moments, treatment: Moments, *, level: float = 0.95
) -> Comparison:
    r"""Two proportions: :math:`se^2 = p_1 q_1/n_1 + p_0 q_0/n_0`, normal.

    The same variance serves interval and test, so that they never disagree. With fewer
    than 10 events or non-events in an arm the normal approximation is poor: then the
    p-value is Fisher's exact one, and the note says so.

    >>> r = difference_in_proportions(
    ...     Moments(10_000, 0.05, 0.0475), Moments(10_000, 0.055, 0.052))
    >>> round(r.p_value, 4)
    0.1129
    """
    p0, p1, n0, n1 = control.mean, treatment.mean, control.n, treatment.n
    for p in (p0, p1):
        if not 0 <= p <= 1:
            raise ValueError(f"a rate must lie between 0 and 1, not {p}: not binary")
    result = _compare(
        p0,
        p1,
        p0 * (1 - p0) / n0,
        p1 * (1 - p1) / n1,
        (n0, n1),
        method="two proportions",
        level=level,
    )
    events = [round(p0 * n0), round(p1 * n1)]
    fewest = min(*events, n0 - events[0], n1 - events[1])
    if not sum(events):
        return replace(result, p_value=nan, note="no event in either arm")
    if sum(events) == n0 + n1:
        note = "every unit of both arms has the event"
        return replace(result, p_value=nan, note=note)
    if fewest < 10:
        table = [[events[1], n1 - events[1]], [events[0], n0 - events[0]]]
        return replace(
            result,
            p_value=float(stats.fisher_exact(table)[1]),
            method="Fisher's exact test",
            note=f"an arm has {fewest} events or non-events: the interval is rough",
        )
    return result


# derivation: eq-ex-delta
def ratio_variance(m: Moments) -> float:
    r"""Variance of the ratio of means R = y-bar / x-bar over independent units.

    Delta method: :math:`\frac{s_y^2 - 2 R s_{xy} + R^2 s_x^2}{n \bar x^2}`, the
    variance of the mean of (y - R x) / x-bar.
    """
    if m.mean_x == 0:
        return nan
    R = m.mean / m.mean_x
    return max(0.0, m.var - 2 * R * m.cov + R**2 * m.var_x) / (m.n * m.mean_x**2)


def difference_in_ratios(
    control: Moments, treatment: Moments, *, level: float = 0.95
) -> Comparison:
    """Ratios of sums (clicks per impression) with units as the independent part.

    >>> y, x = [1.0, 0, 2, 1], [4.0, 3, 5, 2]
    >>> r = difference_in_ratios(Moments.of(y, x), Moments.of(y, x))
    >>> round(r.control, 4), r.effect
    (0.2857, 0.0)
    """
    for m in (control, treatment):
        if not isfinite(m.mean_x) or m.mean_x <= 0:
            raise ValueError("the denominator of a ratio must have a positive mean")
    return _compare(
        control.mean / control.mean_x,
        treatment.mean / treatment.mean_x,
        ratio_variance(control),
        ratio_variance(treatment),
        (control.n, treatment.n),
        method="ratio, delta method",
        level=level,
    )


# derivation: eq-ex-cuped
def cuped(control: Moments, treatment: Moments, *, level: float = 0.95) -> Comparison:
    r"""Welch's comparison adjusted for a covariate from before (Deng et al. 2013).

    :math:`y - \theta (x - \bar x)` with :math:`\theta = s_{xy} / s_x^2` pooled within
    arms. The variance shrinks by :math:`1 - \rho^2`; the effect stays unbiased because
    x was measured before assignment and so has one mean in both arms.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(2, 5_000)); y = 0.8 * x + 0.6 * rng.normal(size=(2, 5_000))
    >>> r = cuped(Moments.of(y[0], x[0]), Moments.of(y[1], x[1]))
    >>> round(r.rho, 1), round(r.variance_ratio, 2)
    (0.8, 0.36)
    """
    n0, n1 = control.n, treatment.n

    def within(a: float, b: float) -> float:
        return ((n0 - 1) * a + (n1 - 1) * b) / (n0 + n1 - 2)

    var_x = within(control.var_x, treatment.var_x)
    if isnan(var_x):
        raise ValueError("CUPED needs moments of a covariate")
    plain = difference_in_means(control, treatment, level=level)
    if var_x == 0:
        return replace(plain, note="the covariate does not vary: no adjustment")
    cov = within(control.cov, treatment.cov)
    var_y = within(control.var, treatment.var)
    theta = cov / var_x
    middle = (n0 * control.mean_x + n1 * treatment.mean_x) / (n0 + n1)

    def adjusted(m: Moments) -> Moments:
        var = m.var - 2 * theta * m.cov + theta**2 * m.var_x
        return Moments(m.n, m.mean - theta * (m.mean_x - middle), max(0.0, var))

    result = difference_in_means(adjusted(control), adjusted(treatment), level=level)
    ratio = (result.se / plain.se) ** 2 if plain.se > 0 else nan
    rho = cov / sqrt(var_x * var_y) if var_y > 0 else nan
    return replace(result, method="Welch after CUPED", variance_ratio=ratio, rho=rho)


# derivation: eq-ex-noninferiority
def no_worse(
    comparison: Comparison, margin: float, *, better: str = "higher"
) -> tuple[float, bool]:
    r"""Guardrail: is the treatment worse than control by less than ``margin``?

    One-sided test of "worse by margin or more" at (1 - level) / 2; ``margin`` > 0 is in
    units of the metric. Returns the p-value and whether harm beyond the margin is ruled
    out.

    >>> r = difference_in_means(Moments(5_000, 1.0, 1.0), Moments(5_000, 1.0, 1.0))
    >>> no_worse(r, 0.1)[1], no_worse(r, 0.01)[1]
    (True, False)
    """
    if not margin > 0:
        raise ValueError(f"a guardrail needs a positive margin, not {margin}")
    if better not in ("higher", "lower"):
        raise ValueError(f'better must be "higher" or "lower", not {better}')
    if not comparison.se > 0:
        return nan, False
    gain = comparison.effect if better == "higher" else -comparison.effect
    p = float(stats.norm.sf((gain + margin) / comparison.se))
    return p, p < (1 - comparison.level) / 2
