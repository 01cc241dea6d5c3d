r"""How strong an unseen cause would have to be to explain an effect away.

Chapter 18. Two answers: the E-value, on the scale of risk ratios (VanderWeele and Ding
2017), and the robustness value of a regression coefficient, on the scale of partial R^2
(Cinelli and Hazlett 2020). Neither says that such a cause exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, sqrt

from scipy import stats


# derivation: eq-ce-e-value
def e_value(risk_ratio: float) -> float:
    r"""Least risk ratio, with both treatment and outcome, that explains RR away.

    :math:`E = RR + \sqrt{RR (RR - 1)}`, with 1/RR for RR < 1.

    >>> round(e_value(3.9), 2)
    7.26
    """
    if not (risk_ratio > 0 and isfinite(risk_ratio)):
        raise ValueError(f"a risk ratio is positive and finite, not {risk_ratio}")
    r = max(risk_ratio, 1 / risk_ratio)
    return r + sqrt(r * (r - 1))


def e_value_of_difference(effect: float, sd: float) -> float:
    """E-value of a difference in means by the rule RR ~ exp(0.91 effect / sd).

    >>> round(e_value_of_difference(0.0, 2.0), 2)
    1.0
    """
    if not sd > 0:
        raise ValueError(f"sd must be positive, not {sd}")
    return e_value(exp(0.91 * effect / sd))


@dataclass(frozen=True)
class Robustness:
    """partial_r2 of the treatment; rv: strength that moves the estimate to zero.

    rv_significance: strength that makes it no longer significant. Both are partial R^2
    with treatment and outcome alike, between 0 and 1.
    """

    partial_r2: float
    rv: float
    rv_significance: float


# derivation: eq-ce-robustness
def robustness_value(
    effect: float, se: float, df: float, *, alpha: float = 0.05
) -> Robustness:
    r"""From an OLS coefficient with classical error and residual degrees of freedom.

    With :math:`f = |t| / \sqrt{df}`: :math:`RV = \tfrac12 (\sqrt{f^4 + 4 f^2} - f^2)`;
    for significance f is lowered by :math:`t^*_{\alpha, df - 1} / \sqrt{df - 1}`.

    >>> r = robustness_value(0.097, 0.023, 783)
    >>> round(r.rv, 3), round(r.rv_significance, 3)
    (0.14, 0.077)
    """
    if not (se > 0 and df > 1):
        raise ValueError("se must be positive and df above 1")
    f = abs(effect) / se / sqrt(df)
    less = f - float(stats.t.ppf(1 - alpha / 2, df - 1)) / sqrt(df - 1)

    def rv(f: float) -> float:
        return 0.5 * (sqrt(f**4 + 4 * f**2) - f**2) if f > 0 else 0.0

    return Robustness(f**2 / (1 + f**2), rv(f), rv(less))
