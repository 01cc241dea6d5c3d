r"""Tests that may be looked at before the end.

Chapter 29. A fixed-horizon test read every day rejects far too often. Two honest ways:
*always-valid* intervals hold at all times at once (normal mixture; Robbins 1970,
Johari et al. 2022); *group-sequential* bounds spend alpha over a few planned looks
(Lan and DeMets 1983). Both take an estimate and its standard error at each look and
need the estimate to behave like a Gaussian mean over growing data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

SPENDING = ("obrien-fleming", "pocock")


# derivation: eq-ex-mixture
def mixture_p_value(estimate: float, se: float, tau: float) -> float:
    r"""Always-valid p-value of "no effect" from one look.

    Under no effect the likelihood ratio of an effect drawn from N(0, tau^2),
    :math:`\Lambda = \sqrt{\tfrac{V}{V + \tau^2}}\,
    \exp\!\big(\tfrac{\tau^2 \hat\delta^2}{2 V (V + \tau^2)}\big)`, V = se^2, is a
    martingale with mean 1; by Ville's inequality :math:`P(\exists t: \Lambda_t \ge
    1/\alpha) \le \alpha`. The value is min(1, 1 / Lambda); over several looks take the
    smallest.

    >>> round(mixture_p_value(0.3, 0.1, 0.2), 4)
    0.0611
    """
    V, t2 = _variances(se, tau)
    log_ratio = 0.5 * log(V / (V + t2)) + t2 * estimate**2 / (2 * V * (V + t2))
    return exp(min(0.0, -log_ratio))


# derivation: eq-ex-mixture-width
def mixture_width(se: float, tau: float, *, alpha: float = 0.05) -> float:
    r"""Half-width of the interval that holds at all times with probability 1 - alpha.

    Inverting :math:`\Lambda < 1/\alpha`:
    :math:`\sqrt{\tfrac{V (V + \tau^2)}{\tau^2}
    \big(2 \log \tfrac1\alpha + \log \tfrac{V + \tau^2}{V}\big)}`.

    >>> round(mixture_width(0.1, 0.2), 4)
    0.3082
    """
    V, t2 = _variances(se, tau)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
    return sqrt(V * (V + t2) / t2 * (2 * log(1 / alpha) + log((V + t2) / V)))


def best_tau(se: float, *, alpha: float = 0.05) -> float:
    r"""The tau that makes the interval narrowest when the standard error is ``se``.

    Choose ``se`` as planned for the look that matters most, before the data. With
    x = (tau / se)^2 the width is least where
    :math:`x - \log(1 + x) = 2 \log(1/\alpha)`.

    >>> round(best_tau(1.0), 3)
    2.866
    """
    if not se > 0:
        raise ValueError(f"se must be positive, not {se}")
    level = 2 * log(1 / alpha)
    x = optimize.brentq(lambda x: x - np.log1p(x) - level, 1e-6, 10 * level + 10)
    return se * sqrt(x)


def _variances(se: float, tau: float) -> tuple[float, float]:
    if not (se > 0 and tau > 0):
        raise ValueError(f"se and tau must be positive, not {se} and {tau}")
    return se**2, tau**2


# derivation: eq-ex-spending
def alpha_spent(
    fraction: ArrayLike, *, alpha: float = 0.05, kind: str = "obrien-fleming"
) -> NDArray[np.float64]:
    r"""Two-sided alpha spent when ``fraction`` of the information is in.

    obrien-fleming: :math:`4 - 4 \Phi(z_{1-\alpha/4} / \sqrt{t})`, hardly anything
    early; pocock: :math:`\alpha \log(1 + (e - 1) t)`, about evenly.

    >>> alpha_spent([0.5, 1.0]).round(5)
    array([0.00305, 0.05   ])
    """
    t = np.asarray(fraction, float)
    if not ((t > 0) & (t <= 1)).all():
        raise ValueError("fractions of information must lie in (0, 1]")
    if kind == "obrien-fleming":
        z = stats.norm.ppf(1 - alpha / 4)
        return np.asarray(4 * stats.norm.sf(z / np.sqrt(t)))
    if kind == "pocock":
        return np.asarray(alpha * np.log1p((np.e - 1) * t))
    raise ValueError(f"kind must be one of {', '.join(SPENDING)}, not {kind}")


# derivation: eq-ex-group-sequential
def group_sequential(
    fractions: Sequence[float],
    *,
    alpha: float = 0.05,
    kind: str = "obrien-fleming",
    points: int = 801,
) -> NDArray[np.float64]:
    r"""Bounds c_k: stop at look k when abs(z_k) >= c_k; two-sided level alpha overall.

    The score S_k = z_k sqrt(t_k) is a Brownian motion at times t_k. Its density among
    the paths not yet stopped is carried from look to look by numerical integration
    (Armitage, McPherson and Rowe 1969), and c_k is set so that the mass beyond it is
    the alpha spent since the look before.

    fractions: increasing, in (0, 1]; the last is usually 1. Returns (K,).

    >>> group_sequential([0.2, 0.4, 0.6, 0.8, 1.0]).round(3)
    array([4.877, 3.357, 2.68 , 2.29 , 2.031])
    """
    t = np.asarray(fractions, float)
    if t.ndim != 1 or not t.size or (np.diff(t) <= 0).any():
        raise ValueError("fractions of information must increase from look to look")
    spent = np.diff(alpha_spent(t, alpha=alpha, kind=kind), prepend=0.0)
    bounds = np.empty(t.size)
    # Nodes and mass of S among the paths that go on: all of it at 0 before look 1.
    x, mass, before = np.zeros(1), np.ones(1), 0.0
    for k, (now, spend) in enumerate(zip(t, spent, strict=True)):
        sd = sqrt(now - before)
        c = optimize.brentq(
            lambda c, *rest: _mass_beyond(c * sqrt(rest[0]), *rest[1:4]) - rest[4],
            0.0,
            20.0,
            args=(now, x, mass, sd, spend),
            xtol=1e-10,
        )
        bounds[k] = c
        edge = min(c, 9.0) * sqrt(now)
        new = np.linspace(-edge, edge, points)
        weight = _simpson(points) * (new[1] - new[0])
        density = stats.norm.pdf((new[:, None] - x[None, :]) / sd) / sd  # (points, m)
        x, mass, before = new, weight * (density @ mass), now
    return bounds


def _mass_beyond(
    edge: float, x: NDArray[np.float64], mass: NDArray[np.float64], sd: float
) -> float:
    """Mass that a step N(0, sd^2) carries outside [-edge, edge] from nodes x."""
    tails = stats.norm.sf((edge - x) / sd) + stats.norm.cdf((-edge - x) / sd)
    return float(mass @ tails)


def _simpson(points: int) -> NDArray[np.float64]:
    """Weights of Simpson's rule on an odd number of equally spaced points."""
    if points < 3 or points % 2 == 0:
        raise ValueError(f"points must be odd and at least 3, not {points}")
    w = np.full(points, 2.0)
    w[1::2], w[0], w[-1] = 4.0, 1.0, 1.0
    return w / 3


@dataclass(frozen=True)
class Look:
    """One look at a running experiment by the always-valid interval."""

    estimate: float
    se: float
    interval: tuple[float, float]
    p_value: float


def look(estimate: float, se: float, tau: float, *, alpha: float = 0.05) -> Look:
    """Always-valid interval and p-value of one look.

    >>> look(0.5, 0.1, 0.2).interval[0] > 0
    True
    """
    width = mixture_width(se, tau, alpha=alpha)
    p = mixture_p_value(estimate, se, tau)
    return Look(estimate, se, (estimate - width, estimate + width), p)
