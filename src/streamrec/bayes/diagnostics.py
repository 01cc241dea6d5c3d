"""Did the chains mix, and how much do their draws tell? R-hat and effective size.

Chapter 21. Draws have shape (C, S): C chains of S draws of one scalar quantity.
Definitions follow Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Draws = NDArray[np.float64]


def _chains(draws: ArrayLike) -> Draws:
    """(C, S) float64, at least 4 draws a chain; NaN is kept and answered by NaN."""
    x = np.asarray(draws, dtype=float)
    if x.ndim == 1:
        x = x[None, :]
    if x.ndim != 2 or x.shape[1] < 4:
        raise ValueError(
            f"draws must have shape (chains, draws) with 4 or more draws: {x.shape}"
        )
    return x


def _unusable(x: Draws) -> bool:
    """True, with a warning, when a diagnostic is undefined."""
    if not np.isfinite(x).all():
        warnings.warn("draws hold NaN or infinity: the diagnostic is NaN", stacklevel=3)
        return True
    if np.ptp(x) == 0:
        warnings.warn("all draws are equal: the diagnostic is NaN", stacklevel=3)
        return True
    return False


def split(draws: ArrayLike) -> Draws:
    """Cut every chain in two halves: (C, S) -> (2C, S // 2), middle draw dropped.

    A chain that drifts then disagrees with itself.

    >>> split([[1.0, 2.0, 3.0, 4.0]]).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    x = _chains(draws)
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


# derivation: eq-by-ranks
def rank_normalise(x: Draws) -> Draws:
    """Replace draws by normal scores of their pooled ranks (Blom's 3/8 offset).

    z = Phi^-1((r - 3/8) / (n + 1/4)), so that heavy tails cannot hide a shift.
    """
    r = stats.rankdata(x, method="average").reshape(x.shape)
    return stats.norm.ppf((r - 3 / 8) / (x.size + 1 / 4))


# derivation: eq-by-rhat
def _rhat(x: Draws) -> float:
    """sqrt(((S - 1)/S W + B/S) / W) for chains (C, S): between against within."""
    S = x.shape[1]
    W = x.var(axis=1, ddof=1).mean()
    B = S * x.mean(axis=1).var(ddof=1)
    return float(np.sqrt(((S - 1) / S * W + B / S) / W))


# derivation: eq-by-rhat
def rhat(draws: ArrayLike) -> float:
    """Rank-normalised split R-hat: the larger of the bulk and the folded version.

    Near 1 when chains agree in location (bulk) and in spread (folded about the
    median); above 1.01, do not trust the draws. NaN with a warning when undefined.
    """
    x = split(draws)
    if _unusable(x):
        return float("nan")
    folded = np.abs(x - np.median(x))
    return max(_rhat(rank_normalise(x)), _rhat(rank_normalise(folded)))


# derivation: eq-by-rho
def autocovariance(x: Draws) -> Draws:
    """Biased autocovariances of each chain at lags 0..S-1, by FFT: (C, S) -> (C, S)."""
    S = x.shape[1]
    size = 2 ** int(np.ceil(np.log2(2 * S)))  # zero padding: no wrap-around
    f = np.fft.rfft(x - x.mean(axis=1, keepdims=True), size, axis=1)
    return np.fft.irfft(f * f.conj(), size, axis=1)[:, :S] / S


# derivation: eq-by-geyer
def _ess(x: Draws) -> float:
    """C S / tau, tau from Geyer's initial monotone sequence over pooled chains.

    rho_t = 1 - (W - mean_c gamma_ct) / var+; pairs P_k = rho_2k + rho_2k+1 are
    positive and decreasing for a reversible chain, so the sum stops at the first
    negative pair and each pair is cut to its smallest predecessor.
    """
    C, S = x.shape
    gamma = autocovariance(x).mean(axis=0)  # (S,)
    W = gamma[0] * S / (S - 1)
    var_plus = W * (S - 1) / S
    if C > 1:
        var_plus += x.mean(axis=1).var(ddof=1)
    rho = 1 - (W - gamma) / var_plus  # (S,)
    rho[0] = 1.0
    pairs = rho[: 2 * (S // 2)].reshape(-1, 2).sum(axis=1)[: max(1, (S - 1) // 2)]
    negative = np.flatnonzero(pairs < 0)
    K = int(negative[0]) if negative.size else pairs.size - 1
    tail = max(float(rho[2 * K]), 0.0) if K > 0 else 0.0
    tau = -1 + 2 * np.minimum.accumulate(pairs[:K]).sum() + tail
    n = C * S
    return float(n / max(tau, 1 / np.log10(n)))


# derivation: eq-by-geyer
def ess_bulk(draws: ArrayLike) -> float:
    """Effective draws for the centre: ESS of rank-normalised split chains."""
    x = split(draws)
    return float("nan") if _unusable(x) else _ess(rank_normalise(x))


# derivation: eq-by-geyer
def ess_tail(draws: ArrayLike) -> float:
    """Effective draws for the tails: the smaller ESS of the 5 % and 95 % indicators."""
    x = _chains(draws)
    if _unusable(x):
        return float("nan")
    sizes = []
    for q in (0.05, 0.95):
        below = split((x <= np.quantile(x, q)).astype(float))
        sizes.append(_ess(below) if np.ptp(below) > 0 else float(below.size))
    return min(sizes)


# derivation: eq-by-mcse
def mcse_mean(draws: ArrayLike) -> float:
    """Monte-Carlo standard error of the mean: sd / sqrt(ESS of the split chains)."""
    x = split(draws)
    if _unusable(x):
        return float("nan")
    return float(np.std(_chains(draws), ddof=1) / np.sqrt(_ess(x)))
