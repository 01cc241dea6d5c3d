"""Samplers: exact properties first, then known targets."""

import numpy as np
import pytest

from streamrec.bayes import hmc as H
from streamrec.bayes.diagnostics import ess_bulk, mcse_mean, rhat

A = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, 0.3], [0.0, 0.3, 0.5]])  # precision
MU = np.array([1.0, -2.0, 0.5])


def gaussian(q):
    return -0.5 * np.einsum("ci,ij,cj->c", q - MU, A, q - MU)


def gaussian_gradient(q):
    return -(q - MU) @ A


def test_leapfrog_is_reversible_and_preserves_volume():
    rng = np.random.default_rng(0)
    q, p, mass = rng.normal(size=(1, 3)), rng.normal(size=(1, 3)), np.array([1, 2, 0.5])
    q1, p1 = H.leapfrog(q, p, gaussian_gradient, 0.1, 7, mass)
    q2, p2 = H.leapfrog(q1, -p1, gaussian_gradient, 0.1, 7, mass)
    np.testing.assert_allclose(q2, q, atol=1e-12)
    np.testing.assert_allclose(-p2, p, atol=1e-12)

    def flow(z):
        a, b = H.leapfrog(z[None, :3], z[None, 3:], gaussian_gradient, 0.1, 7, mass)
        return np.concatenate([a[0], b[0]])

    z, h = np.concatenate([q[0], p[0]]), 1e-6
    J = np.array([(flow(z + h * e) - flow(z - h * e)) / (2 * h) for e in np.eye(6)]).T
    assert np.linalg.det(J) == pytest.approx(1, abs=1e-7)


def test_energy_error_is_second_order_in_the_step():
    rng = np.random.default_rng(1)
    q, p, m = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), np.ones(3)
    errors = []
    for eps in (0.1, 0.05, 0.025):
        q1, p1 = H.leapfrog(q, p, gaussian_gradient, eps, round(1 / eps), m)
        dH = gaussian(q1) - H.kinetic(p1, m) - gaussian(q) + H.kinetic(p, m)
        errors.append(np.abs(dH).mean())
    slopes = np.diff(np.log(errors)) / np.log(0.5)
    np.testing.assert_allclose(slopes, 2, atol=0.1)


@pytest.mark.parametrize("kind", ["hmc", "metropolis"])
def test_known_gaussian(kind):
    """Mean and covariance within 4.5 Monte-Carlo errors: false alarm below 1e-4."""
    rng = np.random.default_rng(2)
    start = rng.normal(size=(4, 3))
    if kind == "hmc":
        s = H.hmc(gaussian, gaussian_gradient, start, draws=2000, warmup=300, rng=rng)
        assert abs(s.accept.mean() - 0.8) < 0.12
        assert not s.divergent.any() and s.gradients > 2000
    else:
        s = H.metropolis(gaussian, start, draws=20_000, warmup=500, scale=1.2, rng=rng)
    truth = np.linalg.inv(A)
    for i in range(3):
        x = s.draws[:, :, i]
        assert rhat(x) < 1.02
        assert abs(x.mean() - MU[i]) < 4.5 * mcse_mean(x)
        square = (x - MU[i]) ** 2
        assert abs(square.mean() - truth[i, i]) < 4.5 * mcse_mean(square)


def test_hmc_beats_metropolis_per_draw_where_scales_differ():
    scales = np.array([0.1, 1.0, 3.0])
    log_density = lambda q: -0.5 * (q**2 / scales**2).sum(1)  # noqa: E731
    gradient = lambda q: -q / scales**2  # noqa: E731
    rng = np.random.default_rng(3)
    start = rng.normal(size=(4, 3)) * scales
    a = H.hmc(log_density, gradient, start, draws=500, warmup=300, rng=rng)
    b = H.metropolis(log_density, start, draws=500, warmup=300, scale=0.2, rng=rng)
    assert ess_bulk(a.draws[:, :, 2]) > 10 * ess_bulk(b.draws[:, :, 2])


def test_same_seed_same_draws():
    run = lambda: H.hmc(  # noqa: E731
        gaussian,
        gaussian_gradient,
        np.zeros((2, 3)),
        draws=20,
        warmup=20,
        rng=np.random.default_rng(5),
    )
    np.testing.assert_array_equal(run().draws, run().draws)


def test_divergence_is_reported_where_the_curvature_explodes():
    def funnel(q):
        v, x = q[:, 0], q[:, 1]
        return -0.5 * v**2 / 9 - 0.5 * x**2 * np.exp(-v) - 0.5 * v

    def funnel_gradient(q):
        v, x = q[:, 0], q[:, 1]
        e = np.exp(-v)
        return np.column_stack([-v / 9 + 0.5 * x**2 * e - 0.5, -x * e])

    rng = np.random.default_rng(6)
    s = H.hmc(
        funnel, funnel_gradient, np.zeros((4, 2)), draws=1000, warmup=200, rng=rng
    )
    assert s.divergent.any()


def test_torch_gradient_equals_ours():
    torch = pytest.importorskip("torch")
    P, mu = torch.from_numpy(A), torch.from_numpy(MU)
    value, gradient = H.torch_gradient(
        lambda q: -0.5 * torch.einsum("ci,ij,cj->c", q - mu, P, q - mu)
    )
    q = np.random.default_rng(7).normal(size=(5, 3))
    np.testing.assert_allclose(value(q), gaussian(q), rtol=1e-12)
    np.testing.assert_allclose(gradient(q), gaussian_gradient(q), rtol=1e-12)


def test_bad_input_is_named():
    rng = np.random.default_rng(0)
    ok = dict(draws=5, warmup=0, rng=rng)
    with pytest.raises(ValueError, match="not finite at the start of chains"):
        H.hmc(lambda q: np.full(len(q), -np.inf), lambda q: q, np.zeros((2, 1)), **ok)
    with pytest.raises(ValueError, match="chains, dimensions"):
        H.hmc(gaussian, gaussian_gradient, np.zeros(3), **ok)
    with pytest.raises(ValueError, match="must map"):
        H.hmc(lambda q: q, lambda q: q, np.zeros((2, 3)), **ok)
    with pytest.raises(ValueError, match="mass"):
        H.hmc(gaussian, gaussian_gradient, np.zeros((2, 3)), mass=[1, -1, 1], **ok)
    with pytest.raises(ValueError, match="scale"):
        H.metropolis(gaussian, np.zeros((2, 3)), scale=0, **ok)
    with pytest.raises(ValueError, match="draws"):
        H.metropolis(gaussian, np.zeros((2, 3)), scale=1, draws=0, rng=rng)


def test_acceptance_is_the_ratio_cut_at_one():
    got = H.metropolis_accept(np.array([-np.log(4), 0.0, 3.0, -np.inf, np.nan]))
    np.testing.assert_allclose(got, [0.25, 1, 1, 0, 0], rtol=1e-15)


def test_kinetic_energy_by_a_dense_inverse():
    rng = np.random.default_rng(8)
    p, mass = rng.normal(size=(4, 3)), rng.uniform(0.5, 4, size=3)
    want = [0.5 * v @ np.linalg.inv(np.diag(mass)) @ v for v in p]
    np.testing.assert_allclose(H.kinetic(p, mass), want, rtol=1e-12)


def test_leapfrog_by_small_steps_is_the_exact_flow_of_an_oscillator():
    """q'' = -w^2 q with mass m: a rotation with period 2 pi / w."""
    m, w = 2.5, 1.3
    q, p = np.array([[0.7]]), np.array([[-0.4]])
    got = H.leapfrog(q, p, lambda x: -m * w**2 * x, 1e-4, 20_000, np.array([m]))
    c, s = np.cos(2 * w), np.sin(2 * w)
    want = [c * 0.7 - s * 0.4 / (m * w), -m * w * s * 0.7 - c * 0.4]
    np.testing.assert_allclose(np.ravel(got), want, rtol=1e-6)


def test_dual_averaging_by_sums():
    """The recursion unrolled: weighted sums of the acceptances, as in the paper."""
    accept = np.array([0.9, 0.2, 0.7, 0.95, 0.6])
    tuner = H.DualAveraging(0.3, target=0.75)
    for a in accept:
        tuner.update(a)
    T = len(accept)
    eta = 1 / (np.arange(1, T + 1) + 10)
    w = np.arange(1, T + 1) ** -0.75

    def left(x, t):
        """What remains of each earlier term after t steps."""
        return np.array([x[i] * np.prod(1 - x[i + 1 : t]) for i in range(t)])

    h = np.array([left(eta, t) @ (0.75 - accept[:t]) for t in range(1, T + 1)])
    log_step = np.log(3.0) - np.sqrt(np.arange(1, T + 1)) / 0.05 * h
    np.testing.assert_allclose(np.log(tuner.step), log_step[-1], rtol=1e-12)
    np.testing.assert_allclose(np.log(tuner.final), left(w, T) @ log_step, rtol=1e-12)
    assert H.DualAveraging(0.3).final == 0.3


def test_mass_is_the_inverse_of_a_regularised_variance():
    """Five imaginary draws with variance 1/1000, as in Stan."""
    q = np.random.default_rng(9).normal(size=(12, 3)) * [1, 10, 0.1]
    s2 = ((q - q.mean(0)) ** 2).sum(0) / 11
    np.testing.assert_allclose(1 / H._mass(q), (12 * s2 + 5e-3) / 17, rtol=1e-12)


def test_warm_up_finds_scales_a_hundred_apart():
    """One estimate of the mass from a unit mass leaves wide directions too narrow."""
    s = np.geomspace(1, 100, 20)
    x = H.hmc(
        lambda q: -0.5 * (q**2 / s**2).sum(axis=1),
        lambda q: -q / s**2,
        np.random.default_rng(10).uniform(-1, 1, size=(4, 20)),
        draws=400,
        warmup=600,
        rng=np.random.default_rng(11),
    ).draws
    assert min(ess_bulk(x[:, :, d]) for d in range(20)) > 400
    spread = x.std(axis=(0, 1)) / s
    assert (abs(spread - 1) < 0.2).all()
