"""Optimisers against PyTorch, SciPy and their own definitions."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from streamrec.models.optimizers import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    RMSProp,
    minimize_lbfgs,
    two_loop,
)

torch = pytest.importorskip("torch")

PAIRS = {
    "plain": (SGD(0.05), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (
        SGD(0.05, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.1),
    ),
    "nesterov": (
        SGD(0.05, momentum=0.8, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.8, nesterov=True),
    ),
    "adagrad": (AdaGrad(0.1), lambda p: torch.optim.Adagrad(p, 0.1)),
    "rmsprop": (
        RMSProp(0.01, rho=0.9),
        lambda p: torch.optim.RMSprop(p, 0.01, alpha=0.9),
    ),
    "adam": (Adam(0.02), lambda p: torch.optim.Adam(p, 0.02)),
    "adam with L2": (
        Adam(0.02, beta1=0.8, beta2=0.95, weight_decay=0.3),
        lambda p: torch.optim.Adam(p, 0.02, betas=(0.8, 0.95), weight_decay=0.3),
    ),
    "adamw": (
        AdamW(0.02, weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, 0.02, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_forty_steps_equal_pytorch(name):
    ours, make = PAIRS[name]
    rng = np.random.default_rng(0)
    theta = [rng.normal(size=(3, 4)), rng.normal(size=5)]
    other = [torch.tensor(a.copy(), requires_grad=True) for a in theta]
    theirs = make(other)
    for _ in range(40):
        grad = [rng.normal(size=a.shape) * 10 ** rng.uniform(-2, 1) for a in theta]
        ours.step(theta, grad)
        for p, g in zip(other, grad):
            p.grad = torch.tensor(g)
        theirs.step()
    for a, p in zip(theta, other):
        np.testing.assert_allclose(a, p.detach().numpy(), rtol=1e-11)


def test_state_belongs_to_its_arrays():
    opt = Adam()
    opt.step([np.zeros(3)], [np.ones(3)])
    with pytest.raises(ValueError, match="new optimiser"):
        opt.step([np.zeros(4)], [np.ones(4)])
    with pytest.raises(ValueError, match="same number"):
        SGD().step([np.zeros(3)], [np.zeros(2)])


def test_float32_stays_float32():
    a = np.ones(3, np.float32)
    opt = AdamW(eta=0.1)
    opt.step([a], [np.ones(3, np.float32)])
    assert a.dtype == np.float32 and opt.state_[0]["v"].dtype == np.float32


@pytest.mark.parametrize(
    "bad",
    [
        lambda: SGD(eta=0),
        lambda: SGD(momentum=1.0),
        lambda: Adam(beta1=-0.1),
        lambda: Adam(beta2=1.0),
        lambda: RMSProp(rho=1.5),
        lambda: AdaGrad(eta=-1),
    ],
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="must"):
        bad()


def dense_inverse(S, Y, n):
    """The matrix that two_loop multiplies by, formed by the BFGS update."""
    H = np.eye(n) * ((S[-1] @ Y[-1]) / (Y[-1] @ Y[-1]) if S else 1.0)
    for s, y in zip(S, Y):
        r, I = 1 / (s @ y), np.eye(n)  # noqa: E741
        H = (I - r * np.outer(s, y)) @ H @ (I - r * np.outer(y, s))
        H += r * np.outer(s, s)
    return H


@pytest.mark.parametrize("pairs", [0, 1, 4])
def test_two_loops_equal_the_dense_update(pairs):
    rng = np.random.default_rng(pairs)
    A = rng.normal(size=(6, 6))
    A = A @ A.T + np.eye(6)
    S = [rng.normal(size=6) for _ in range(pairs)]
    Y = [A @ s for s in S]
    g = rng.normal(size=6)
    np.testing.assert_allclose(two_loop(g, S, Y), dense_inverse(S, Y, 6) @ g)
    if pairs:
        np.testing.assert_allclose(two_loop(Y[-1], S, Y), S[-1])  # secant equation


@pytest.mark.parametrize("memory", [1, 5, 20])
def test_rosenbrock(memory):
    fun = lambda x: (scipy.optimize.rosen(x), scipy.optimize.rosen_der(x))  # noqa: E731
    found = minimize_lbfgs(fun, np.full(10, -1.0), memory=memory)
    assert found.converged and found.gradient_norm <= 1e-8
    assert found.evaluations >= found.iterations
    if memory > 1:
        np.testing.assert_allclose(found.x, 1.0, atol=1e-6)


def test_it_stops_where_it_must():
    fun = lambda x: (float(x @ x) / 2, x)  # noqa: E731
    assert not minimize_lbfgs(
        lambda x: (scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)),
        [-1.0, 2.0], max_iterations=3,
    ).converged  # fmt: skip
    assert minimize_lbfgs(fun, np.zeros(3)).iterations == 0
    lying = minimize_lbfgs(lambda x: (float(x @ x), -x), np.ones(2))
    assert not lying.converged  # a gradient of the wrong sign: no step improves
    for start in ([[1.0]], [np.nan]):
        with pytest.raises(ValueError, match="start"):
            minimize_lbfgs(fun, start)
    with pytest.raises(ValueError, match="memory"):
        minimize_lbfgs(fun, [1.0], memory=0)
    with pytest.raises(ValueError, match="not finite"):
        minimize_lbfgs(lambda x: (np.nan, x), [1.0])
