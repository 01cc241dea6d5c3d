r"""Regression discontinuity: a jump at a cutoff, by local lines on either side.

Chapter 18. Units with x >= cutoff are treated; the effect at the cutoff is identified
if everything else moves continuously there, which nobody who can place x exactly would
respect: hence the density test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
KERNELS = ("triangular", "uniform")


@dataclass(frozen=True)
class Discontinuity:
    """Jump at the cutoff.

    interval: of the local lines, which ignores their bias. robust_interval: of local
    parabolas at the same bandwidth, which is the bias-corrected interval of Calonico,
    Cattaneo and Titiunik (2014) with equal bandwidths; report this one.
    """

    effect: float
    se: float
    interval: tuple[float, float]
    robust_interval: tuple[float, float]
    bandwidth: float
    n_left: int
    n_right: int
    density_p: float | None


def _inputs(x: ArrayLike, y: ArrayLike, cutoff: float) -> tuple[Floats, Floats]:
    xx, yy = np.asarray(x, float), np.asarray(y, float)
    if xx.ndim != 1 or xx.shape != yy.shape:
        raise ValueError(f"x and y need one shape (n,), not {xx.shape} and {yy.shape}")
    if not (np.isfinite(xx).all() and np.isfinite(yy).all()):
        raise ValueError("x or y holds NaN or infinity: decide what missing means")
    return xx - cutoff, yy


# derivation: eq-ce-local-polynomial
def _side(x: Floats, y: Floats, h: float, order: int, kernel: str) -> tuple[float, ...]:
    """Value at 0 of a local polynomial on one side, and its variance (HC1)."""
    near = np.abs(x) <= h
    u, v = x[near] / h, y[near]
    k = np.sqrt(1 - np.abs(u)) if kernel == "triangular" else np.ones_like(u)
    P = np.vander(u, order + 1, increasing=True) * k[:, None]
    if np.linalg.matrix_rank(P) < order + 1 or u.size < order + 2:
        raise ValueError(
            f"only {u.size} units within {h:.4g} on one side: widen the bandwidth"
        )
    inverse = np.linalg.inv(P.T @ P)
    b = inverse @ P.T @ (v * k)
    r = v * k - P @ b
    meat = (P * r[:, None] ** 2).T @ P
    V = u.size / (u.size - order - 1) * inverse @ meat @ inverse
    return float(b[0]), float(V[0, 0]), int(u.size)


# derivation: eq-ce-bandwidth
def bandwidth_ik(x: ArrayLike, y: ArrayLike, cutoff: float) -> float:
    r"""Bandwidth of Imbens and Kalyanaraman (2012) for local lines, triangular kernel.

    :math:`3.4375 \big(\frac{\sigma_-^2 + \sigma_+^2}{f\,[(m_+'' - m_-'')^2 + r_- +
    r_+]}\big)^{1/5} n^{-1/5}` from pilot estimates of the density f, the variances, the
    second derivatives m'' and the regularisation r at the cutoff.
    """
    u, v = _inputs(x, y, cutoff)
    n, left = u.size, u < 0
    n0, n1 = int(left.sum()), int((~left).sum())
    if min(n0, n1) < 10:
        raise ValueError(f"{n0} units left and {n1} right of the cutoff: 10 are needed")
    h1 = 1.84 * u.std(ddof=1) * n**-0.2
    near0, near1 = left & (u >= -h1), ~left & (u <= h1)
    if min(near0.sum(), near1.sum()) < 3:
        raise ValueError("too few units near the cutoff to choose a bandwidth")
    f = (near0.sum() + near1.sum()) / (2 * n * h1)
    s0, s1 = v[near0].var(ddof=1), v[near1].var(ddof=1)
    # Third derivative from one cubic with a jump.
    C = np.column_stack([np.ones(n), ~left, u, u**2, u**3])
    m3 = 6 * float(np.linalg.lstsq(C, v, rcond=None)[0][4])
    m3 = m3 if abs(m3) > 1e-12 else 1e-12
    second, regular = [], []
    for side, size, s2 in ((left, n0, s0), (~left, n1, s1)):
        h2 = 3.56 * (s2 / (f * m3**2)) ** (1 / 7) * size ** (-1 / 7)
        near = side & (np.abs(u) <= h2)
        if near.sum() < 5:
            near = side
        P = np.vander(u[near], 3, increasing=True)
        second.append(2 * float(np.linalg.lstsq(P, v[near], rcond=None)[0][2]))
        h2 = max(h2, np.abs(u[near]).max())
        regular.append(2160 * s2 / (near.sum() * h2**4))
    curve = (second[1] - second[0]) ** 2 + sum(regular)
    return float(3.4375 * ((s0 + s1) / (f * curve)) ** 0.2 * n**-0.2)


# derivation: eq-ce-density
def density_test(x: ArrayLike, cutoff: float, bandwidth: float | None = None) -> float:
    r"""p-value of equal density on both sides of the cutoff (McCrary 2008).

    Local lines through a fine histogram give f_- and f_+; the log difference has
    variance :math:`\frac{24}{5 n h} (1/f_- + 1/f_+)`.
    """
    u, _ = _inputs(x, np.zeros(len(np.asarray(x))), cutoff)
    n = u.size
    b = 2 * u.std(ddof=1) / np.sqrt(n)
    h = bandwidth if bandwidth is not None else 1.5 * u.std(ddof=1) * n**-0.2
    side = []
    for sign in (-1.0, 1.0):
        v = sign * u[(u >= 0) if sign > 0 else (u < 0)]
        edges = np.arange(0, h + b, b)
        if edges.size < 4:
            raise ValueError("the bandwidth is too narrow for a density")
        count, _ = np.histogram(v, edges)
        middle = (edges[:-1] + edges[1:]) / 2
        k = np.sqrt(np.maximum(0, 1 - middle / h))
        P = np.column_stack([np.ones(middle.size), middle]) * k[:, None]
        fit = np.linalg.lstsq(P, count / (n * b) * k, rcond=None)[0]
        side.append(float(fit[0]))
    if min(side) <= 0:
        return 0.0
    se = np.sqrt(24 / (5 * n * h) * (1 / side[0] + 1 / side[1]))
    return float(2 * stats.norm.sf(abs(np.log(side[1] / side[0])) / se))


def discontinuity(
    x: ArrayLike,
    y: ArrayLike,
    cutoff: float,
    *,
    bandwidth: float | None = None,
    kernel: str = "triangular",
    level: float = 0.95,
) -> Discontinuity:
    """Estimate the jump of y at ``cutoff`` of x.

    bandwidth: in units of x; chosen by :func:`bandwidth_ik` if not given, infinite for
    lines through everything (with the uniform kernel).

    Raises
    ------
    ValueError
        Unequal lengths, NaN, too few units on a side.
    """
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, not {kernel}")
    u, v = _inputs(x, y, cutoff)
    if not ((u < 0).any() and (u >= 0).any()):
        raise ValueError(f"no units on one side of the cutoff {cutoff:g}")
    h = bandwidth_ik(x, y, cutoff) if bandwidth is None else float(bandwidth)
    if not h > 0:
        raise ValueError(f"bandwidth must be positive, not {h}")
    h = min(h, float(np.abs(u).max()))
    z = float(stats.norm.ppf((1 + level) / 2))
    jumps = []
    for order in (1, 2):
        a, va, na = _side(u[u < 0], v[u < 0], h, order, kernel)
        b, vb, nb = _side(u[u >= 0], v[u >= 0], h, order, kernel)
        jumps.append((b - a, float(np.sqrt(va + vb))))
    (effect, se), (robust, robust_se) = jumps
    density = density_test(x, cutoff) if u.size >= 200 else None
    return Discontinuity(
        effect,
        se,
        (effect - z * se, effect + z * se),
        (robust - z * robust_se, robust + z * robust_se),
        h,
        int(na),
        int(nb),
        density,
    )
