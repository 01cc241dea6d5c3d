r"""Matching: each unit is compared with its nearest neighbours in the other group.

Chapter 18. With replacement, M neighbours, distance on whitened covariates
(Mahalanobis). Matching on more than one continuous covariate leaves a bias that
shrinks more slowly than the error; the regression of Abadie and Imbens (2011) removes
most of it. Their variance (2006) is used: the bootstrap is not valid here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import spatial, stats

from streamrec.causal.estimands import NoOverlap, as_units
from streamrec.causal.randomized import Estimate
from streamrec.causal.weighting import Balance, balance, covariates, with_constant

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matched:
    """The estimate, the balance it leaves, and how far the matches are.

    times_used (n,): how often each unit served as a match. distance: mean distance
    of matches, in standard deviations. set_aside: units without a match in the caliper.
    """

    estimate: Estimate
    balance: Balance
    times_used: NDArray[np.int64]
    distance: float
    set_aside: int


def _whiten(X: Floats) -> Floats:
    """Columns with identity covariance: Euclid's distance is then Mahalanobis'."""
    Z = X - X.mean(0)
    _, s, Vt = np.linalg.svd(Z, full_matrices=False)
    keep = s > 1e-9 * s.max()
    return np.asarray(Z @ Vt[keep].T / s[keep] * np.sqrt(len(Z) - 1))


# derivation: eq-ce-matching
def match(
    y: ArrayLike,
    d: ArrayLike,
    X: ArrayLike,
    *,
    neighbours: int = 1,
    estimand: str = "ATT",
    caliper: float = np.inf,
    adjust: bool = True,
    level: float = 0.95,
) -> Matched:
    r"""Nearest-neighbour matching.

    :math:`\hat y_i(1 - d_i) = \frac1M \sum_{j \in J(i)} (y_j + \hat m(x_i) - \hat
    m(x_j))`, with m-hat linear in the matches' group (``adjust``; otherwise without the
    m terms). Variance: :math:`\frac{1}{N^2} \sum (\hat\tau_i - \hat\tau)^2 +
    \frac{1}{N^2} \sum c_i \hat\sigma^2_i`, where for the ATT c = K (K - 1) / M^2 over
    controls, for the ATE c = (K/M)^2 + (2M - 1)/M K/M, K the times used, and sigma^2
    from the nearest neighbour in the unit's own group.

    caliper: largest distance in standard deviations; units without a match are set
    aside and counted, and the estimate is for the others.

    Raises
    ------
    NoOverlap
        If fewer than two units find a match.
    ValueError
        If the estimand is unknown, the caliper not above 0 or neighbours too many.
    """
    if estimand not in ("ATE", "ATT"):
        raise ValueError(f"estimand must be ATE or ATT, not {estimand}")
    outcome, treated = as_units(y, d, minimum=2)
    A = covariates(X, outcome.size)
    smallest = min(int(treated.sum()), int((~treated).sum()))
    if not 1 <= neighbours < smallest:
        raise ValueError(f"neighbours must lie between 1 and {smallest - 1}")
    if not caliper > 0:
        raise ValueError(f"the caliper is a distance above 0, not {caliper}")
    Z = _whiten(A)
    n, M = outcome.size, neighbours
    used = np.zeros(n, np.int64)
    imputed, far = np.full(n, np.nan), []
    sides = ((True, False),) if estimand == "ATT" else ((True, False), (False, True))
    for mine, other in sides:
        i, pool = np.flatnonzero(treated == mine), np.flatnonzero(treated == other)
        distance, place = spatial.cKDTree(Z[pool]).query(Z[i], k=M)
        distance, place = distance.reshape(-1, M), place.reshape(-1, M)
        found = distance[:, -1] <= caliper
        i, j = i[found], pool[place[found]]
        far.append(distance[found].mean(1))
        np.add.at(used, j.ravel(), 1)
        value = outcome[j]
        if adjust and i.size:
            W = with_constant(A)
            w = used[pool] > 0
            # Fit on the matches only, each as often as it was used.
            root = np.sqrt(np.bincount(j.ravel(), minlength=n)[pool][w])[:, None]
            fit = np.linalg.lstsq(
                W[pool][w] * root, outcome[pool][w] * root[:, 0], rcond=None
            )[0]
            m = W @ fit
            value = value + m[i][:, None] - m[j]
        imputed[i] = value.mean(1)
    have = np.isfinite(imputed)
    wanted = n if estimand == "ATE" else int(treated.sum())
    if have.sum() < 2:
        raise NoOverlap(f"fewer than 2 units find a match within {caliper:g}")
    tau = np.where(treated, outcome - imputed, imputed - outcome)[have]
    effect, N = float(tau.mean()), int(have.sum())
    sigma2 = _own_variance(outcome, treated, Z)
    K = used.astype(float)
    if estimand == "ATT":
        c = np.where(treated, 0.0, K * (K - 1) / M**2)
    else:
        c = (K / M) ** 2 + (2 * M - 1) / M * K / M
    se = float(np.sqrt(((tau - effect) ** 2).sum() + np.maximum(c, 0) @ sigma2)) / N
    half = float(stats.norm.ppf((1 + level) / 2)) * se
    weights = np.where(have, 1.0, 0.0) + K / M
    if estimand == "ATT":
        weights = np.where(treated, have.astype(float), K / M)
    name = f"{M} nearest neighbour{'s' if M > 1 else ''}, {estimand}"
    result = Estimate(
        effect,
        se,
        (effect - half, effect + half),
        N if estimand == "ATE" else int(have.sum() + (K > 0).sum()),
        int((treated & have).sum()),
        name + (", adjusted" if adjust else ""),
        level,
    )
    spread = float(np.concatenate(far).mean())
    return Matched(result, balance(A, treated, weights), used, spread, wanted - N)


def _own_variance(y: Floats, treated: NDArray[np.bool_], Z: Floats) -> Floats:
    """sigma^2(x_i): half the squared gap to the nearest unit of the same group."""
    out = np.empty(y.size)
    for group in (treated, ~treated):
        _, place = spatial.cKDTree(Z[group]).query(Z[group], k=2)
        mine = np.arange(group.sum())
        other = np.where(place[:, 0] == mine, place[:, 1], place[:, 0])
        out[group] = (y[group] - y[group][other]) ** 2 / 2
    return out
