"""Metropolis and Hamiltonian Monte Carlo, all chains advanced together.

Chapter 21. A log density maps positions (C, D) to (C,), its gradient (C, D) to (C, D):
C chains, D dimensions. Nothing here needs the normalising constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]
Gradient = Callable[[Floats], Floats]

DIVERGENCE = 1000.0  # energy error beyond which the integrator has left the path


@dataclass(frozen=True)
class Samples:
    """Draws and how they were made.

    draws: (C, S, D). accept: (C,) mean acceptance probability. divergent: (C, S) True
    where the energy error exceeded ``DIVERGENCE``. step_size: the leapfrog step (or the
    Metropolis scale) used after warm-up. gradients: gradient evaluations a chain.
    """

    draws: Floats
    accept: Floats
    divergent: NDArray[np.bool_]
    step_size: float
    gradients: int


def _start(log_density: LogDensity, start: ArrayLike) -> tuple[Floats, Floats]:
    q = np.array(start, dtype=float)
    if q.ndim != 2:
        raise ValueError(f"start must have shape (chains, dimensions), not {q.shape}")
    value = np.asarray(log_density(q), dtype=float)
    if value.shape != (q.shape[0],):
        raise ValueError(
            f"log_density must map {q.shape} to ({q.shape[0]},), not to {value.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(value))
    if bad.size:
        raise ValueError(
            f"the log density is not finite at the start of chains {bad.tolist()}: "
            "start inside the support, and check that the prior is proper"
        )
    return q, value


def _counts(draws: int, warmup: int) -> None:
    if draws < 1 or warmup < 0:
        raise ValueError("draws must be at least 1 and warmup at least 0")


# derivation: eq-by-mh
def metropolis_accept(log_ratio: Floats) -> Floats:
    """Acceptance probability min(1, exp(log ratio)); a NaN ratio is never accepted."""
    return np.exp(np.minimum(0.0, np.where(np.isnan(log_ratio), -np.inf, log_ratio)))


def metropolis(
    log_density: LogDensity,
    start: ArrayLike,
    *,
    draws: int,
    warmup: int = 0,
    scale: float,
    rng: np.random.Generator,
) -> Samples:
    """Random-walk Metropolis with proposal N(q, scale^2 I).

    start (C, D). The symmetric proposal cancels from the ratio p(q') / p(q).
    """
    q, value = _start(log_density, start)
    _counts(draws, warmup)
    if not scale > 0:
        raise ValueError(f"scale must be positive, not {scale}")
    C, D = q.shape
    out, accept = np.empty((C, draws, D)), np.zeros(C)
    for s in range(-warmup, draws):
        proposal = q + scale * rng.normal(size=q.shape)
        proposed = np.asarray(log_density(proposal), dtype=float)
        a = metropolis_accept(proposed - value)  # (C,)
        move = rng.uniform(size=C) < a
        q = np.where(move[:, None], proposal, q)
        value = np.where(move, proposed, value)
        if s >= 0:
            out[:, s] = q
            accept += a / draws
    return Samples(out, accept, np.zeros((C, draws), bool), float(scale), 0)


# derivation: eq-by-leapfrog
def leapfrog(
    q: Floats, p: Floats, gradient: Gradient, step: float, steps: int, mass: Floats
) -> tuple[Floats, Floats]:
    """Half kick, then drift and kick: reversible and volume-preserving.

    p <- p + step/2 grad(q);  q <- q + step p / mass;  p <- p + step/2 grad(q).
    q, p (C, D); mass (D,) the diagonal of M. Consecutive half kicks are merged.
    """
    p = p + step / 2 * gradient(q)
    for i in range(steps):
        q = q + step * p / mass
        last = i == steps - 1
        p = p + (step / 2 if last else step) * gradient(q)
    return q, p


# derivation: eq-by-hamilton
def kinetic(p: Floats, mass: Floats) -> Floats:
    """Kinetic energy p' M^-1 p / 2 for diagonal M: (C, D), (D,) -> (C,)."""
    return 0.5 * (p**2 / mass).sum(axis=1)


@dataclass
class DualAveraging:
    """Step size that reaches a target acceptance (Nesterov; Hoffman and Gelman 2014).

    gamma, t0, kappa as published: shrinkage, stabilisation, forgetting exponent.
    """

    step: float
    target: float = 0.8
    gamma: float = 0.05
    t0: float = 10.0
    kappa: float = 0.75
    t: int = 0
    h_bar: float = 0.0
    log_bar: float = 0.0

    def __post_init__(self) -> None:
        """Shrink towards ten times the first step: trying large steps is cheap."""
        self.mu = np.log(10 * self.step)

    # derivation: eq-by-dual
    def update(self, accept: float) -> None:
        """One warm-up iteration with mean acceptance probability ``accept``."""
        self.t += 1
        eta = 1 / (self.t + self.t0)
        self.h_bar = (1 - eta) * self.h_bar + eta * (self.target - accept)
        log_step = self.mu - np.sqrt(self.t) / self.gamma * self.h_bar
        w = self.t**-self.kappa
        self.log_bar = w * log_step + (1 - w) * self.log_bar
        self.step = float(np.exp(log_step))

    @property
    def final(self) -> float:
        """The averaged step size, used after warm-up."""
        return float(np.exp(self.log_bar)) if self.t else self.step


def hmc(
    log_density: LogDensity,
    gradient: Gradient,
    start: ArrayLike,
    *,
    draws: int,
    warmup: int,
    rng: np.random.Generator,
    step: float = 0.1,
    length: float = 1.5,
    max_steps: int = 256,
    target: float = 0.8,
    mass: ArrayLike | None = None,
) -> Samples:
    """Hamiltonian Monte Carlo with a jittered path length and adapted step size.

    Resample p ~ N(0, M); integrate; accept with probability
    min(1, exp(H(q, p) - H(q', p'))), where H = -log density + kinetic energy. The path
    length is uniform on (0.5, 1.5) times ``length``: a fixed one can return to its
    start. During warm-up the step size adapts (shared by the chains, dual averaging)
    and, unless given, the diagonal mass is set to 1 / variance at the end of each of
    three windows, each twice as long as the one before: a wide direction is crossed
    only once the mass of the last window lets it be.

    Parameters
    ----------
    start: (C, D). length: in units of the standardised coordinates (about a quarter
    period of a Gaussian is 1.57). target: mean acceptance wanted. mass: (D,).

    Raises
    ------
    ValueError
        For wrong shapes, a start outside the support, or non-positive settings.
    """
    q, value = _start(log_density, start)
    _counts(draws, warmup)
    C, D = q.shape
    if not (step > 0 and length > 0 and 0 < target < 1 and max_steps >= 1):
        raise ValueError(
            "step, length and max_steps must be positive, target in (0, 1)"
        )
    ends = _window_ends(warmup) if mass is None else []
    m = np.ones(D) if mass is None else np.asarray(mass, dtype=float)
    if m.shape != (D,) or not (m > 0).all():
        raise ValueError(f"mass must be ({D},) and positive")
    tuner, seen = DualAveraging(step, target), []
    out, accept = np.empty((C, draws, D)), np.zeros(C)
    divergent, gradients = np.zeros((C, draws), bool), 0
    for s in range(-warmup, draws):
        eps = tuner.step if s < 0 else tuner.final
        steps = int(
            np.clip(np.ceil(length * rng.uniform(0.5, 1.5) / eps), 1, max_steps)
        )
        p = rng.normal(size=q.shape) * np.sqrt(m)  # p ~ N(0, M)
        with np.errstate(all="ignore"):  # a divergent path overflows
            q1, p1 = leapfrog(q, p, gradient, eps, steps, m)
            value1 = np.asarray(log_density(q1), dtype=float)
            error = (value1 - kinetic(p1, m)) - (value - kinetic(p, m))  # -dH, (C,)
        a = metropolis_accept(error)
        move = rng.uniform(size=C) < a
        q = np.where(move[:, None], q1, q)
        value = np.where(move, value1, value)
        if s >= 0:
            out[:, s], divergent[:, s] = q, ~(error > -DIVERGENCE)
            accept += a / draws
            gradients += steps + 1
            continue
        tuner.update(float(a.mean()))
        seen.append(q)
        if s + warmup in ends:
            if s + warmup > ends[0]:  # the first stretch only finds the mass of pi
                m = _mass(np.concatenate(seen))
                tuner = DualAveraging(min(tuner.final, 1.0), target)
            seen = []
    return Samples(out, accept, divergent, tuner.final, gradients)


def _window_ends(warmup: int) -> list[int]:
    """Last iterations of a first stretch and of three doubling windows, or none.

    >>> _window_ends(600)
    [50, 100, 200, 400]
    """
    return [warmup * 2**j // 12 for j in range(4)] if warmup >= 60 else []


# derivation: eq-by-mass
def _mass(q: Floats) -> Floats:
    """Diagonal mass 1 / variance, shrunk towards 1 as Stan does: (n, D) -> (D,)."""
    n = len(q)
    variance = n / (n + 5) * q.var(axis=0, ddof=1) + 1e-3 * 5 / (n + 5)
    return 1 / variance


def torch_gradient(log_density: Callable) -> tuple[LogDensity, Gradient]:
    """NumPy log density and gradient from a PyTorch log density (C, D) -> (C,).

    The gradient of the sum over chains is the stack of each chain's own gradient,
    since chains do not interact.
    """
    import torch

    def value(q: Floats) -> Floats:
        with torch.no_grad():
            return log_density(torch.from_numpy(np.ascontiguousarray(q))).numpy()

    def gradient(q: Floats) -> Floats:
        x = torch.from_numpy(np.array(q)).requires_grad_(True)
        (g,) = torch.autograd.grad(log_density(x).sum(), x)
        return g.numpy()

    return value, gradient
