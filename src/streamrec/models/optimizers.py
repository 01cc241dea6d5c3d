"""First-order optimisers and L-BFGS on NumPy arrays, written as their equations.

A step-by-step optimiser holds its settings and its state; ``step(theta, grad)`` moves a
list of arrays *in place* by one step:

    opt = Adam(eta=0.01)
    opt.step([X, Y], [dX, dY])          # X and Y have moved

State is made at the first step and belongs to those arrays: use a new optimiser for
other parameters. The conventions are PyTorch's, so the same gradients give the same
paths. ``minimize_lbfgs`` minimises a deterministic function to a tolerance instead.

Symbols: eta step size, g gradient, t number of the step from 1, all operations entry by
entry. Equations: Chapter 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[Any]


class Optimizer:
    """Base: checks, counts steps, keeps one dict of state for each array."""

    def step(self, theta: Sequence[Floats], grad: Sequence[Floats]) -> None:
        """Move each array of theta in place by one step along its gradient.

        Raises ValueError when arrays and gradients do not match in number or shape, or
        differ from those of the first step.
        """
        shapes = [np.shape(a) for a in theta]
        if shapes != [np.shape(g) for g in grad]:
            raise ValueError("theta and grad need the same number of arrays and shapes")
        if not hasattr(self, "state_"):
            self.t_, self.shapes_ = 0, shapes
            self.state_: list[dict[str, Floats]] = [{} for _ in theta]
        if shapes != self.shapes_:
            raise ValueError(
                "other arrays than at the first step: make a new optimiser"
            )
        self.t_ += 1
        for a, g, state in zip(theta, grad, self.state_):
            self._move(a, g, state)

    def _move(self, a: Floats, g: Floats, state: dict[str, Floats]) -> None:
        raise NotImplementedError


def _positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, not {value}")


def _share(**settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must lie in [0, 1), not {value}")


@dataclass
class SGD(Optimizer):
    """Gradient steps with momentum, plain or Nesterov's.

        v <- momentum v + g;   theta <- theta - eta v            (heavy ball)
                               theta <- theta - eta (g + momentum v)   (nesterov)

    weight_decay lam adds lam theta to g first. The velocity starts at 0.

    Source: Polyak (1964); Nesterov (1983) in the form of Sutskever et al. (2013).

    >>> x = np.array([1.0])
    >>> SGD(eta=0.5).step([x], [2 * x]); x.tolist()
    [0.0]
    """

    eta: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _positive(eta=self.eta)
        _share(momentum=self.momentum)

    # derivation
    def _move(self, a: Floats, g: Floats, state: dict[str, Floats]) -> None:
        g = g + self.weight_decay * a
        v = state["v"] = self.momentum * state.get("v", 0.0) + g
        a -= self.eta * (g + self.momentum * v if self.nesterov else v)


@dataclass
class AdaGrad(Optimizer):
    """G <- G + g^2;  theta <- theta - eta g / (sqrt(G) + eps).

    Source: Duchi, Hazan and Singer (2011).

    >>> x = np.array([1.0, 1.0])
    >>> AdaGrad(eta=0.5).step([x], [np.array([4.0, 0.1])]); x.round(6).tolist()
    [0.5, 0.5]
    """

    eta: float = 0.1
    eps: float = 1e-10

    def __post_init__(self) -> None:
        _positive(eta=self.eta)

    # derivation
    def _move(self, a: Floats, g: Floats, state: dict[str, Floats]) -> None:
        G = state["G"] = state.get("G", 0.0) + g**2
        a -= self.eta * g / (np.sqrt(G) + self.eps)


@dataclass
class RMSProp(Optimizer):
    """v <- rho v + (1 - rho) g^2;  theta <- theta - eta g / (sqrt(v) + eps).

    Source: Tieleman and Hinton (2012).

    >>> x = np.array([1.0])
    >>> RMSProp(eta=0.1, rho=0.75).step([x], [np.array([3.0])]); x.round(6).tolist()
    [0.8]
    """

    eta: float = 0.01
    rho: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        _positive(eta=self.eta)
        _share(rho=self.rho)

    # derivation
    def _move(self, a: Floats, g: Floats, state: dict[str, Floats]) -> None:
        v = state["v"] = self.rho * state.get("v", 0.0) + (1 - self.rho) * g**2
        a -= self.eta * g / (np.sqrt(v) + self.eps)


@dataclass
class Adam(Optimizer):
    """Momentum over a running root mean square, both corrected for their start.

        m <- beta1 m + (1 - beta1) g;      m_hat = m / (1 - beta1^t)
        v <- beta2 v + (1 - beta2) g^2;    v_hat = v / (1 - beta2^t)
        theta <- theta - eta m_hat / (sqrt(v_hat) + eps)

    weight_decay lam: added to g as lam theta (L2, the default) or, with
    ``decoupled``, applied to theta as theta <- (1 - eta lam) theta before the step.

    Source: Kingma and Ba (2015); decoupling: Loshchilov and Hutter (2019).

    >>> x = np.array([1.0, 1.0])
    >>> Adam(eta=0.1).step([x], [np.array([5.0, -0.01])]); x.round(6).tolist()
    [0.9, 1.1]
    """

    eta: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def __post_init__(self) -> None:
        _positive(eta=self.eta)
        _share(beta1=self.beta1, beta2=self.beta2)

    # derivation
    def _move(self, a: Floats, g: Floats, state: dict[str, Floats]) -> None:
        if self.decoupled:
            a *= 1 - self.eta * self.weight_decay
        else:
            g = g + self.weight_decay * a
        m = state["m"] = self.beta1 * state.get("m", 0.0) + (1 - self.beta1) * g
        v = state["v"] = self.beta2 * state.get("v", 0.0) + (1 - self.beta2) * g**2
        m_hat = m / (1 - self.beta1**self.t_)
        v_hat = v / (1 - self.beta2**self.t_)
        a -= self.eta * m_hat / (np.sqrt(v_hat) + self.eps)


@dataclass
class AdamW(Adam):
    """Adam with decoupled weight decay.

    >>> x = np.array([1.0])
    >>> AdamW(eta=0.1, weight_decay=0.5).step([x], [np.array([2.0])])
    >>> x.round(6).tolist()
    [0.85]
    """

    weight_decay: float = 0.01
    decoupled: bool = True


# L-BFGS.


@dataclass(frozen=True)
class Minimum:
    """What ``minimize_lbfgs`` found.

    x (n,); value f(x); gradient_norm the largest absolute entry of the gradient;
    iterations; evaluations of f and its gradient; converged: the tolerance was met.
    """

    x: Floats
    value: float
    gradient_norm: float
    iterations: int
    evaluations: int
    converged: bool


# derivation
def two_loop(
    g: NDArray[np.float64], S: Sequence[Floats], Y: Sequence[Floats]
) -> NDArray[np.float64]:
    """H g, with H the BFGS approximation of the inverse Hessian, never formed: (n,).

    S, Y: the kept steps x_{k+1} - x_k and changes of gradient, oldest first, with
    s'y > 0. H starts as (s'y / y'y) I of the newest pair (I if there is none) and
    each pair updates it by H <- (I - r s y') H (I - r y s') + r s s', r = 1 / s'y.
    Cost 4 n numbers of work for each pair instead of n^2.

    Source: Nocedal (1980).

    >>> s, y = np.array([1.0, 0.0]), np.array([2.0, 0.0])
    >>> two_loop(np.array([4.0, 4.0]), [s], [y]).tolist()
    [2.0, 2.0]
    """
    q, alpha = np.array(g, dtype=float), []
    for s, y in zip(reversed(S), reversed(Y)):
        a = (s @ q) / (s @ y)
        q -= a * y
        alpha.append(a)
    if S:
        q *= (S[-1] @ Y[-1]) / (Y[-1] @ Y[-1])
    for s, y, a in zip(S, Y, reversed(alpha)):
        q += (a - (y @ q) / (s @ y)) * s
    return q


def minimize_lbfgs(
    value_and_gradient: Callable[[Floats], tuple[float, Floats]],
    x0: ArrayLike,
    *,
    memory: int = 10,
    tolerance: float = 1e-8,
    max_iterations: int = 500,
) -> Minimum:
    """Minimise a differentiable function: x <- x - a H g with a from a line search.

    Stops when the largest absolute entry of the gradient is at most ``tolerance``, or
    when the line search cannot improve in float64. The step length meets the weak
    Wolfe conditions, so s'y > 0 and H stays positive definite.

    Raises ValueError for a start that is not a finite vector, a memory below 1, and a
    value or gradient at the start that is not finite.

    >>> minimum = minimize_lbfgs(lambda x: (x @ x / 2, x), np.array([0.3, 0.4]))
    >>> minimum.converged, minimum.x.tolist()
    (True, [0.0, 0.0])
    """
    x = np.array(x0, dtype=float)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("the start must be a vector of finite numbers")
    if memory < 1:
        raise ValueError(f"memory must be at least 1; got {memory}")
    f, g = value_and_gradient(x)
    if not (np.isfinite(f) and np.isfinite(g).all()):
        raise ValueError("the function or its gradient is not finite at the start")
    S: list[Floats] = []
    Y: list[Floats] = []
    k, evaluations = 0, 1
    while np.abs(g).max() > tolerance and k < max_iterations:
        d = -two_loop(g, S, Y)
        first = 1.0 if S else min(1.0, 1 / float(np.linalg.norm(g)))
        a, f_new, g_new, used = _wolfe(value_and_gradient, x, f, g, d, first)
        evaluations += used
        if a == 0.0:
            break
        S, Y = [*S, a * d][-memory:], [*Y, g_new - g][-memory:]
        x, f, g, k = x + a * d, f_new, g_new, k + 1
    norm = float(np.abs(g).max())
    return Minimum(x, float(f), norm, k, evaluations, norm <= tolerance)


def _wolfe(
    function: Callable[[Floats], tuple[float, Floats]],
    x: Floats,
    f: float,
    g: Floats,
    d: Floats,
    a: float,
) -> tuple[float, float, Floats, int]:
    """Step length by doubling and bisection; 0.0 when none is found in 60 trials.

    Accepts f(x + a d) <= f + 1e-4 a g'd and g(x + a d)'d >= 0.9 g'd.
    """
    slope, low, high = g @ d, 0.0, np.inf
    for used in range(1, 61):
        f_new, g_new = function(x + a * d)
        if not f_new <= f + 1e-4 * a * slope:  # too far (or not a number)
            high = a
        elif g_new @ d < 0.9 * slope:  # too short
            low = a
        else:
            return a, f_new, g_new, used
        a = (low + high) / 2 if np.isfinite(high) else 2 * a
    return 0.0, f, g, used
