"""Sample ratio mismatch: are the arms as large as they were meant to be?

Chapter 33. When 50:50 was planned and the counts say otherwise beyond chance, users
went missing for a reason that may differ by arm, and no comparison of the arms is to be
trusted. So the test comes first, at a strict level (0.001), and stops the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from streamrec.stats.tests import goodness_of_fit

THRESHOLD = 1e-3


@dataclass(frozen=True)
class SampleRatio:
    """Counts against shares; ``mismatch`` is p_value < threshold."""

    counts: dict[str, int]
    shares: dict[str, float]
    chi_square: float | None  # None for the anytime-valid test
    p_value: float
    threshold: float

    @property
    def mismatch(self) -> bool:
        """True if the counts are not explained by chance."""
        return self.p_value < self.threshold

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        total = sum(self.counts.values())
        return {
            "counts": self.counts,
            "observed": {k: n / total for k, n in self.counts.items()},
            "planned": self.shares,
            "chi_square": self.chi_square,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "mismatch": self.mismatch,
        }


def _both(
    counts: Mapping[str, int], shares: Mapping[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    extra = sorted(set(counts) - set(shares))
    if extra:
        raise ValueError(
            f"arm {', '.join(map(repr, extra))} is not among the planned ones: "
            f"{', '.join(shares)}"
        )
    n = np.array([counts.get(k, 0) for k in shares], float)
    p = np.array(list(shares.values()), float)
    if (n < 0).any() or n.sum() == 0 or p.size < 2:
        raise ValueError("sample ratio needs two arms and at least one user")
    if not (p > 0).all() or abs(p.sum() - 1) > 1e-9:
        raise ValueError("planned shares must be positive and add up to 1")
    return n, p


# derivation: eq-ex-srm
def sample_ratio(
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    threshold: float = THRESHOLD,
) -> SampleRatio:
    r"""Pearson's chi-square, :math:`\sum_k (n_k - n p_k)^2 / (n p_k)`, K - 1 df.

    >>> r = sample_ratio({"a": 821_588, "b": 815_482}, {"a": 0.5, "b": 0.5})
    >>> round(r.p_value, 7), r.mismatch
    (1.8e-06, True)
    """
    n, p = _both(counts, shares)
    test = goodness_of_fit(n, p)
    named = {k: int(counts.get(k, 0)) for k in shares}
    return SampleRatio(named, dict(shares), test.statistic, test.p_value, threshold)


# derivation: eq-ex-srm-anytime
def sample_ratio_anytime(
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    strength: float = 100.0,
    threshold: float = THRESHOLD,
) -> SampleRatio:
    r"""A p-value that may be looked at every day (Lindon and Malek 2022).

    The Bayes factor of a Dirichlet(strength p) mixture of shares against the planned
    ones, :math:`B = \frac{\Gamma(s)}{\Gamma(s + n)} \prod_k \frac{\Gamma(s p_k + n_k)}
    {\Gamma(s p_k)} p_k^{-n_k}`, is a martingale with mean 1 under the plan, so the
    chance that 1 / B ever falls below alpha is at most alpha (Ville). The p-value is
    min(1, 1 / B) at the present counts.

    >>> r = sample_ratio_anytime({"a": 5_300, "b": 4_700}, {"a": 0.5, "b": 0.5})
    >>> r.mismatch
    True
    """
    n, p = _both(counts, shares)
    if not strength > 0:
        raise ValueError(f"strength must be positive, not {strength}")
    a = strength * p
    log_b = (
        special.gammaln(a.sum())
        - special.gammaln(a.sum() + n.sum())
        + float((special.gammaln(a + n) - special.gammaln(a) - n * np.log(p)).sum())
    )
    p_value = exp(min(0.0, -float(log_b)))
    named = {k: int(counts.get(k, 0)) for k in shares}
    return SampleRatio(named, dict(shares), None, p_value, threshold)
