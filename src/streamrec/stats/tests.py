"""Tests of hypotheses, the power they have and the sample they need."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
ALTERNATIVES = ("two-sided", "greater", "less")


@dataclass(frozen=True)
class TestResult:
    """Outcome of a test.

    statistic: what was computed. p_value: probability, if the null hypothesis holds,
    of a statistic at least as extreme. df: degrees of freedom, None for a normal.
    """

    __test__ = False  # pytest: not a class of tests

    statistic: float
    p_value: float
    df: float | None = None

    def rejects(self, alpha: float = 0.05) -> bool:
        """Whether p_value <= alpha.

        Examples
        --------
        >>> TestResult(2.5, 0.012).rejects()
        True
        """
        return self.p_value <= alpha


def _sample(values: ArrayLike, name: str, least: int = 2) -> Array:
    x = np.asarray(values, float)
    if x.ndim != 1 or len(x) < least or not np.isfinite(x).all():
        raise ValueError(f"{name} must be at least {least} finite values, shape (n,)")
    return x


def _share(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name}={value} must lie between 0 and 1")
    return float(value)


# derivation
def wald_test(
    estimate: float,
    se: float,
    *,
    null: float = 0.0,
    alternative: str = "two-sided",
    df: float | None = None,
) -> TestResult:
    r"""Test of theta = null by :math:`(\hat\theta-\theta_0)/\text{se}`.

    Normal reference, or Student's with ``df``. ``alternative`` names the side on which
    large departures count: "two-sided", "greater" or "less".

    Raises
    ------
    ValueError
        se not positive, an unknown alternative.

    Examples
    --------
    >>> round(wald_test(1.96, 1).p_value, 3)
    0.05
    """
    from scipy.special import ndtr, stdtr

    if not (math.isfinite(se) and se > 0):
        raise ValueError(f"se={se} must be positive")
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative must be one of {', '.join(ALTERNATIVES)}")
    t = (estimate - null) / se
    below = (lambda v: ndtr(v)) if df is None else (lambda v: stdtr(df, v))
    if alternative == "two-sided":
        p = 2 * below(-abs(t))
    else:
        p = below(-t) if alternative == "greater" else below(t)
    return TestResult(float(t), float(p), df)


# derivation
def welch(a: ArrayLike, b: ArrayLike, *, alternative: str = "two-sided") -> TestResult:
    r"""Welch's test of equal means of two independent samples, variances free.

    With :math:`v_a=s_a^2/n_a`, :math:`v_b=s_b^2/n_b`,

    .. math::
        t=\frac{\bar a-\bar b}{\sqrt{v_a+v_b}},\qquad
        \text{df}=\frac{(v_a+v_b)^2}{v_a^2/(n_a-1)+v_b^2/(n_b-1)}.

    Raises
    ------
    ValueError
        Fewer than two values a side, or no variation at all.

    Examples
    --------
    >>> round(welch([1, 2, 3, 4], [3, 4, 5, 6]).p_value, 3)
    0.071
    """
    x, y = _sample(a, "a"), _sample(b, "b")
    va, vb = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    if va + vb == 0:
        raise ValueError("neither sample varies: nothing to test")
    df = (va + vb) ** 2 / (va**2 / (len(x) - 1) + vb**2 / (len(y) - 1))
    return wald_test(
        float(x.mean() - y.mean()),
        math.sqrt(va + vb),
        alternative=alternative,
        df=float(df),
    )


# derivation
def two_proportions(x1: int, n1: int, x0: int, n0: int) -> TestResult:
    r"""Two-sided test that two independent proportions are equal.

    Variance pooled, as the null hypothesis says: with
    :math:`\bar p=(x_1+x_0)/(n_1+n_0)`,

    .. math:: z=(\hat p_1-\hat p_0)\big/\sqrt{\bar p(1-\bar p)(1/n_1+1/n_0)}.

    The trials must be independent: impressions of the same user are not.

    Raises
    ------
    ValueError
        Counts outside 0..n, or all trials alike.

    Examples
    --------
    >>> round(two_proportions(60, 1000, 40, 1000).p_value, 3)
    0.04
    """
    if not (0 <= x1 <= n1 and 0 <= x0 <= n0 and n1 > 0 and n0 > 0):
        raise ValueError("successes must lie between 0 and n, with n positive")
    p = (x1 + x0) / (n1 + n0)
    if p in (0.0, 1.0):
        raise ValueError("all trials have the same outcome: nothing to test")
    se = math.sqrt(p * (1 - p) * (1 / n1 + 1 / n0))
    return wald_test(x1 / n1 - x0 / n0, se)


# derivation
def goodness_of_fit(observed: ArrayLike, shares: ArrayLike | None = None) -> TestResult:
    r"""Pearson's chi-square test that counts follow given shares (default: equal).

    .. math:: \sum_k(O_k-E_k)^2/E_k,\qquad K-1\text{ degrees of freedom}.

    Two counts of users an arm make it the test for a sample-ratio mismatch. The
    reference distribution needs expected counts of about five or more.

    Raises
    ------
    ValueError
        Fewer than two cells, negative counts, shares not positive or of other shape.

    Examples
    --------
    >>> round(goodness_of_fit([5050, 4950]).p_value, 3)
    0.317
    """
    from scipy.special import chdtrc

    count = np.asarray(observed, float)
    w = np.ones(count.shape) if shares is None else np.asarray(shares, float)
    if count.ndim != 1 or len(count) < 2 or not (count >= 0).all() or not count.any():
        raise ValueError("observed must be at least two counts, not all zero")
    if w.shape != count.shape or not (w > 0).all():
        raise ValueError("shares must be positive, one a cell")
    expected = count.sum() * w / w.sum()
    statistic = float(((count - expected) ** 2 / expected).sum())
    df = len(count) - 1
    return TestResult(statistic, float(chdtrc(df, statistic)), df)


def _rounding(t: float) -> float:
    """By how much equal statistics of two relabellings may differ."""
    return 1e-12 * abs(t)


# derivation
def permutation_test(
    a: ArrayLike,
    b: ArrayLike,
    *,
    draws: int,
    rng: np.random.Generator,
    statistic: Callable[[Array, Array], float] | None = None,
) -> TestResult:
    r"""Two-sided test that a and b come from one distribution, by relabelling.

    The labels are dealt anew ``draws`` times;

    .. math:: p=\frac{1+\#\{|t^*|\ge|t|\}}{1+\text{draws}},

    which has level at most alpha: P(p <= alpha) <= alpha for every alpha under
    exchangeability. The statistic, called as ``statistic(a, b)``, should be near 0
    under the null; the default is the difference of means.

    Raises
    ------
    ValueError
        Empty samples or draws below 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> permutation_test([1, 2, 3], [7, 8, 9], draws=999, rng=rng).p_value < 0.15
    True
    """
    x, y = _sample(a, "a", 1), _sample(b, "b", 1)
    if draws < 1:
        raise ValueError(f"draws={draws} must be at least 1")
    stat = statistic or (lambda u, v: float(u.mean() - v.mean()))
    both, n = np.concatenate([x, y]), len(x)
    t = stat(x, y)
    least = abs(t) - _rounding(t)
    extreme = 0
    for _ in range(draws):
        mixed = rng.permutation(both)
        extreme += abs(stat(mixed[:n], mixed[n:])) >= least
    return TestResult(float(t), (1 + extreme) / (1 + draws))


# derivation
def power(effect: float, se: float, *, alpha: float = 0.05) -> float:
    r"""Probability that a two-sided normal test at ``alpha`` rejects.

    .. math:: \Phi(\delta/\text{se}-z)+\Phi(-\delta/\text{se}-z),\quad z=z_{1-\alpha/2}

    Raises
    ------
    ValueError
        se not positive, alpha outside (0, 1).

    Examples
    --------
    >>> round(power(2.8, 1.0), 2)
    0.8
    """
    from scipy.special import ndtr, ndtri

    if not se > 0:
        raise ValueError(f"se={se} must be positive")
    z = ndtri(1 - _share(alpha, "alpha") / 2)
    shift = effect / se
    return float(ndtr(shift - z) + ndtr(-shift - z))


def _quantiles(alpha: float, power: float) -> float:
    from scipy.special import ndtri

    if _share(power, "power") <= _share(alpha, "alpha"):
        raise ValueError("power must exceed alpha")
    return float(ndtri(1 - alpha / 2) + ndtri(power))


# derivation
def sample_size_means(
    effect: float, sd: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    r"""Units **an arm** to see a difference of means ``effect`` with this power.

    .. math:: n=2\sigma^2(z_{1-\alpha/2}+z_{1-\beta})^2/\delta^2

    The 2 is there because both arms are estimated.

    Raises
    ------
    ValueError
        effect zero, sd not positive, alpha or power out of range.

    Examples
    --------
    >>> sample_size_means(0.5, 14.8)
    13754
    """
    if effect == 0 or not sd > 0:
        raise ValueError("effect must not be zero and sd must be positive")
    q = _quantiles(alpha, power)
    return math.ceil(2 * (sd * q / effect) ** 2)


# derivation
def sample_size_proportions(
    p0: float, p1: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    r"""Units **an arm** to tell proportion p1 from p0 with this power.

    .. math::
        n=(z_{1-\alpha/2}+z_{1-\beta})^2\,
        \frac{p_0(1-p_0)+p_1(1-p_1)}{(p_1-p_0)^2}

    Units are independent trials: with clustered ones multiply by the design effect.

    Raises
    ------
    ValueError
        Proportions equal or outside (0, 1), alpha or power out of range.

    Examples
    --------
    >>> sample_size_proportions(0.05, 0.055)
    31231
    """
    if _share(p0, "p0") == _share(p1, "p1"):
        raise ValueError("p0 and p1 must differ")
    q = _quantiles(alpha, power)
    return math.ceil(q**2 * (p0 * (1 - p0) + p1 * (1 - p1)) / (p1 - p0) ** 2)
