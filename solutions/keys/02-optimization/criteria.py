"""All criteria of chapter 2, Multivariate Calculus and Optimization.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

import numpy as np
from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_close,
    expect_error,
    expect_finite,
    expect_shape,
    expect_true,
    numerical_gradient,
)


@criterion("q1", points=1, hint="Adding a constant to a row of z changes nothing.")
def test_rows_of_the_softmax(answer, rng):
    """the adjoint of each row of z sums to zero"""
    back = answer.softmax_pull(rng.normal(size=(3, 5)), rng.normal(size=(3, 5)))
    expect_shape(back, (3, 5))
    expect_close(back.sum(axis=1), np.zeros(3), rtol=1e-9, scale=1.0)
    expect_true(np.abs(back).max() > 1e-6, "the adjoint is not zero")


@criterion("q1", points=1, hint="Stretching x by 1 % stretches its length by 1 %.")
def test_the_norm_is_homogeneous(answer, rng):
    """x times the adjoint of x is g times the length of x"""
    x, g = rng.normal(size=6), 1.7
    expect_close(x @ answer.norm_pull(x, g), g * np.linalg.norm(x), rtol=1e-9)


@criterion("q1", points=2, hint="Every entry of a row of P depends on every z there.")
def test_softmax(answer, rng):
    """the adjoint of the softmax is the derivative of g times softmax"""
    z, g = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))

    def value(flat):
        e = np.exp(flat.reshape(4, 3))
        return float((g * e / e.sum(axis=1, keepdims=True)).sum())

    want = numerical_gradient(value, z.ravel()).reshape(4, 3)
    expect_close(answer.softmax_pull(z, g), want, rtol=1e-5)


@criterion("q1", points=1, hint="Mind the sign and the power in b.")
def test_quotient(answer, rng):
    """both adjoints of a quotient"""
    a, b, g = rng.normal(size=4), rng.uniform(0.5, 2, 4), rng.normal(size=4)
    back = answer.quotient_pull(a, b, g)
    expect_close(back[0], g / b, rtol=1e-9)
    expect_close(back[1], -g * a / (b * b), rtol=1e-9)


@criterion("q1", points=1, hint="Which value does the statement ask for at 0?")
def test_norm_at_zero(answer, rng):
    """zeros at x = 0, not NaN"""
    expect_close(answer.norm_pull(np.zeros(3), 2.5), np.zeros(3), scale=1.0)
    away = answer.norm_pull(np.ones(3), 2.5)
    expect_true(np.abs(away).max() > 1e-6, "elsewhere it is not zero")


@criterion("q2", points=1, hint="At the best step both ends have the same modulus.")
def test_factor_at_the_best_step(answer, rng):
    """at eta = 2 / (L + mu) the factor is (kappa - 1) / (kappa + 1)"""
    mu = float(rng.uniform(0.5, 2))
    L = mu * float(rng.uniform(3, 40))
    want = (L - mu) / (L + mu)
    expect_close(answer.factor(mu, L, 2 / (L + mu)), want, rtol=1e-9)


@criterion("q2", points=1, hint="k is the first number that is enough.")
def test_first_number_that_is_enough(answer, rng):
    """one step fewer would not be enough"""
    kappa = float(rng.uniform(2.3, 6))
    rho = (kappa - 1) / (kappa + 1)
    k = answer.steps(kappa, 6, "descent")
    expect_true(rho**k <= 1e-6 < rho ** (k - 1), "k is not the first that is enough")


@criterion("q2", points=2, hint="For a long step the largest eigenvalue is the worst.")
def test_factor_of_any_step(answer, rng):
    """the factor is right for short, long and divergent steps"""
    mu, L = 0.7, float(rng.uniform(5, 9))
    h = np.linspace(mu, L, 400)
    for eta in (0.3 / L, 1.8 / L, 2.6 / L):
        expect_close(answer.factor(mu, L, eta), np.abs(1 - eta * h).max(), rtol=1e-9)


@criterion("q2", points=2, hint="Momentum replaces kappa by its square root.")
def test_steps_of_both_methods(answer, rng, reference):
    """both methods, small and large condition numbers"""
    for kappa in (3.7, float(rng.uniform(20, 50)), float(rng.uniform(1e4, 2e4))):
        for method in ("descent", "momentum"):
            got, want = (x.steps(kappa, 7, method) for x in (answer, reference))
            expect_true(got == want, f"{method} at kappa {kappa:.1f}")


@criterion("q3", points=1, hint="With one negative the loss is that of BPR.")
def test_one_negative_is_bpr(answer, rng):
    """with one negative the loss is -log sigma of the difference"""
    x, Y = rng.normal(size=4), rng.normal(size=(2, 4))
    d = x @ (Y[0] - Y[1])
    expect_close(answer.sampled_softmax(x, Y)[0], np.logaddexp(0, -d), rtol=1e-9)


@criterion("q3", points=1, hint="The residuals softmax - (1, 0, ..., 0) add up to 0.")
def test_the_rows_balance(answer, rng):
    """the gradients in the items sum to zero"""
    x, Y = rng.normal(size=4), rng.normal(size=(6, 4))
    dY = answer.sampled_softmax(x, Y)[2]
    expect_shape(dY, (6, 4))
    expect_close(dY.sum(axis=0), np.zeros(4), rtol=1e-9, scale=1.0)
    expect_true(np.abs(dY).max() > 1e-6, "the gradient is not zero")


@criterion("q3", points=2, hint="Compare with difference quotients.")
def test_gradients(answer, rng):
    """both gradients are the derivatives of the stated loss"""
    x, Y = rng.normal(size=3), rng.normal(size=(5, 3))

    def value(flat):
        s = flat[3:].reshape(5, 3) @ flat[:3]
        return float(np.log(np.exp(s).sum()) - s[0])

    want = numerical_gradient(value, np.r_[x, Y.ravel()])
    _, dx, dY = answer.sampled_softmax(x, Y)
    expect_close(np.r_[dx, np.ravel(dY)], want, rtol=1e-5)


@criterion("q3", points=1, hint="Subtract the largest score before exponentials.")
def test_large_scores(answer, rng):
    """scores of a thousand do not overflow"""
    x = rng.uniform(1, 2, size=3)
    loss, dx, _ = answer.sampled_softmax(1e3 * x, np.eye(3) * [2, 1, 3])
    expect_finite(np.r_[loss, dx])
    s = 1e3 * x * [2, 1, 3]
    expect_close(loss, np.logaddexp.reduce(s) - s[0], rtol=1e-9, scale=1e3)


@criterion("q4", points=1, hint="Insert the answer into the formula of the floor.")
def test_the_target_is_met_exactly(answer, rng):
    """at the answer the floor is the target"""
    h, C = rng.uniform(0.5, 3, 4), rng.uniform(0.5, 2, 4)
    eta = answer.largest_step(h, C, 3, 0.2)
    expect_close((eta * C / 3 / (2 * (2 - eta * h))).sum(), 0.2, rtol=1e-6)


@criterion("q4", points=1, hint="A batch divides the noise, nothing else.")
def test_a_batch_divides_the_noise(answer, rng):
    """a batch of four is a quarter of the noise"""
    h, C = rng.uniform(0.5, 3, 4), rng.uniform(0.5, 2, 4)
    a, b = answer.largest_step(h, C, 4, 0.1), answer.largest_step(h, C / 4, 1, 0.1)
    expect_close(a, b, rtol=1e-7)
    other = answer.largest_step(h, 3 * C, 4, 0.1)
    expect_true(abs(a - other) > 1e-9, "the step must depend on the noise")


@criterion("q4", points=2, hint="The floor grows with the step: bisect.")
def test_values(answer, rng, reference):
    """the step is right for small and large targets and batches"""
    h, C = rng.uniform(0.2, 5, 6), rng.uniform(0.1, 3, 6)
    for b, excess in ((1, 0.01), (8, 0.05), (32, 0.4)):
        got, want = (x.largest_step(h, C, b, excess) for x in (answer, reference))
        expect_close(got, want, rtol=1e-6)


@criterion("q4", points=1, hint="Beyond 2 / max(h) there is no floor at all.")
def test_stability_comes_first(answer, rng):
    """a generous target does not lead beyond the stable steps"""
    h, C = rng.uniform(0.5, 3, 4), rng.uniform(0.5, 2, 4)
    eta = answer.largest_step(h, C, 2, 1e12)
    expect_between(eta * h.max(), 1.99, 2, "eta times the largest eigenvalue")


@criterion("q4", points=1, hint="No step has a floor of zero.")
def test_refusal(answer, rng):
    """a target that is not positive is refused"""
    for bad in (0.0, -float(rng.uniform(1, 2))):
        expect_error(lambda e=bad: answer.largest_step(np.ones(2), np.ones(2), 1, e),
                     "ValueError", "an excess that is not positive")


@criterion("q5", points=1, hint="Check the two corrections at k = 1.")
def test_first_step(answer, rng):
    """the first step has length eta in every coordinate"""
    g = rng.normal(size=(1, 4)) + np.sign(rng.normal(size=(1, 4)))
    path = answer.amsgrad(np.zeros(4), g, 0.1)
    expect_shape(path, (2, 4))
    expect_close(path[1], -0.1 * np.sign(g[0]), rtol=1e-4)


@criterion("q5", points=1, hint="With one gradient for ever, v only grows.")
def test_constant_gradients(answer, rng):
    """constant gradients give equal steps"""
    g = np.tile(rng.uniform(1, 2, size=3), (12, 1))
    path = answer.amsgrad(np.zeros(3), g, 0.05)
    expect_close(np.diff(path, axis=0), np.full((12, 3), -0.05), rtol=1e-4)


@criterion("q5", points=2, hint="The maximum is of v before its correction.")
def test_paths(answer, rng, reference):
    """the path is right for gradients of changing size"""
    g = rng.normal(size=(40, 3)) * np.exp(rng.normal(size=(40, 1)))
    start = rng.normal(size=3)
    got, want = (x.amsgrad(start, g, 0.03, 0.8, 0.9) for x in (answer, reference))
    expect_close(np.diff(got, axis=0), np.diff(want, axis=0), rtol=1e-6)


@criterion("q5", points=1, hint="After a large gradient the scale may never fall.")
def test_long_memory(answer, rng):
    """a large gradient is remembered"""
    g = np.r_[[[100.0]], np.ones((60, 1)) * rng.uniform(0.9, 1.1)]
    step = np.abs(np.diff(answer.amsgrad(np.zeros(1), g, 0.1, 0.0, 0.9), axis=0))
    late = step[-20:]
    expect_true(late.max() < 0.01, "late steps are as long as if nothing had happened")
    expect_true(step.max() > 1e-6, "it did not move")


@criterion("q5", points=1, hint="Do not write into the array you were given.")
def test_path_holds_the_start(answer, rng):
    """the path begins with the start"""
    start = rng.normal(size=3)
    path = answer.amsgrad(start, rng.normal(size=(5, 3)), 0.5)
    expect_close(path[0], start, rtol=1e-12)


@criterion("q7", points=1, hint="Non-negative, and one in total.")
def test_on_the_simplex(answer, rng):
    """the answer lies on the simplex"""
    w, _ = answer.project_simplex(rng.normal(size=9) * 2)
    expect_shape(w, (9,))
    expect_close(np.sum(w), 1.0, rtol=1e-9)
    expect_true(np.min(w) >= 0, "a share is negative")


@criterion("q7", points=1, hint="A point of the simplex is its own projection.")
def test_points_of_the_simplex_stay(answer, rng):
    """a point of the simplex stays where it is"""
    v = rng.dirichlet(np.ones(6))
    expect_close(answer.project_simplex(v)[0], v, rtol=1e-9)


@criterion("q7", points=2, hint="Check v - w against the condition of optimality.")
def test_nearest(answer, rng):
    """no other point of the simplex is nearer"""
    for scale in (0.1, 1.0, 10.0):
        v = scale * rng.normal(size=8)
        w = answer.project_simplex(v)[0]
        expect_true(((v - w) * (np.eye(8) - w)).sum(axis=1).max() < 1e-9 * (1 + scale),
                    "a vertex lies in a direction that brings w nearer to v")
        expect_close(np.sum(w), 1.0, rtol=1e-9)
        expect_true(np.min(w) > -1e-9, "a share is negative")


@criterion("q7", points=1, hint="w = max(v - nu, 0) with the sign of nu as stated.")
def test_the_multiplier(answer, rng):
    """the multiplier explains the shares"""
    v = 2 * rng.normal(size=7)
    w, nu = answer.project_simplex(v)
    expect_close(w, np.maximum(v - nu, 0), rtol=1e-9)
    expect_close(np.maximum(v - nu, 0).sum(), 1.0, rtol=1e-9)


@criterion("q8", points=1, hint="Without momentum it must be the formula of the page.")
def test_without_momentum(answer, rng):
    """beta = 0 gives the floor of plain SGD"""
    h, eta, sigma = rng.uniform(0.5, 2), rng.uniform(0.1, 0.5), rng.uniform(1.5, 3)
    want = eta * sigma**2 / (h * (2 - eta * h))
    expect_close(answer.momentum_variance(h, eta, 0.0, sigma), want, rtol=1e-9)


@criterion("q8", points=1, hint="The variance is quadratic in the noise.")
def test_scale_of_the_noise(answer, rng):
    """three times the noise, nine times the variance"""
    h, eta, beta = rng.uniform(0.5, 2), rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.9)
    one, three = (answer.momentum_variance(h, eta, beta, s) for s in (1.0, 3.0))
    expect_close(three, 9 * one, rtol=1e-9)
    expect_true(abs(one) > 1e-9, "the variance is not zero")


@criterion("q8", points=3, hint="Iterate the covariance of (x_k, x_{k-1}).")
def test_fixed_point(answer, rng):
    """the variance is the fixed point of the covariance recursion"""
    for beta in (0.3, 0.9):
        h, eta, sigma = rng.uniform(0.5, 2), rng.uniform(0.2, 0.8), rng.uniform(0.5, 2)
        T = np.array([[1 + beta - eta * h, -beta], [1.0, 0.0]])
        S, noise = np.zeros((2, 2)), np.diag([eta**2 * sigma**2, 0.0])
        for _ in range(4_000):
            S = T @ S @ T.T + noise
        expect_close(answer.momentum_variance(h, eta, beta, sigma), S[0, 0], rtol=1e-6)


def bowl(rng, d=4):
    Q = np.linalg.qr(rng.normal(size=(d, d))).Q
    return Q * rng.uniform(0.5, 3, d) @ Q.T, rng.normal(size=d)


@criterion("q9", points=1, hint="A mixture of points of a cube stays in it.")
def test_inside_the_cube(answer, rng):
    """every iterate lies in the cube"""
    H, c = bowl(rng)
    for steps in (1, 2, 7, 50):
        theta = answer.sign_descent(H, 5 * c, 2.0, steps)
        expect_true(np.abs(theta).max() <= 0.5 + 1e-12, "outside the cube")
        expect_true(np.abs(theta).max() > 1e-3, "it did not move")


@criterion("q9", points=1, hint="The optimum, if inside the cube, has no gap.")
def test_no_gap_at_the_optimum(answer, rng):
    """the certificate is zero at an optimum inside the cube"""
    H, c = bowl(rng)
    c = c / np.abs(c).max()
    expect_close(answer.certificate(c, H, c, 0.5), 0.0, scale=1.0)
    away = answer.certificate(c / 2, H, c, 0.5)
    expect_true(away > 1e-9, "no gap away from the optimum")


@criterion("q9", points=2, hint="The maximum of a linear function over a cube.")
def test_certificate(answer, rng):
    """the certificate is the maximum over the corners"""
    H, c = bowl(rng, 3)
    theta = rng.uniform(-0.3, 0.3, 3)
    g = H @ (theta - c)
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T / 1.7
    want = (g @ theta - corners @ g).max()
    expect_close(answer.certificate(theta, H, c, 1.7), want, rtol=1e-9)


@criterion("q9", points=2, hint="Follow the first steps by hand.")
def test_first_steps(answer, rng, reference):
    """the first steps are those stated"""
    H, c = bowl(rng)
    for steps in (1, 2, 3, 6):
        got, want = (x.sign_descent(H, c, 0.8, steps) for x in (answer, reference))
        expect_close(got, want, rtol=1e-9)


@criterion("q9", points=3, hint="For diagonal H the solution in the cube is a clip.")
def test_limit(answer, rng):
    """the limit is the minimiser in the cube"""
    h = rng.uniform(0.5, 3, 5)
    c = np.array([3.0, -2.0, 0.3, -0.1, 1.5]) * rng.uniform(0.9, 1.1, 5)
    theta = answer.sign_descent(np.diag(h), c, 1.0, 20_000)
    expect_close(theta, np.clip(c, -1, 1), rtol=0.02)


@criterion("q10", points=2, hint="Compare with difference quotients for a short run.")
def test_gradient_in_the_start(answer, rng):
    """the gradient in the start is the derivative of the loss"""
    W, s0 = rng.normal(size=(3, 3)), rng.normal(size=3)

    def loss(s):
        for _ in range(6):
            s = np.tanh(W @ s)
        return float(s @ s / 2)

    got = answer.checkpointed(W, s0, 6, 2)[0]
    expect_close(got, numerical_gradient(loss, s0), rtol=1e-4, scale=0.1)


@criterion("q10", points=2, hint="W is used in every step: all terms add up.")
def test_gradient_in_the_matrix(answer, rng):
    """the gradient in W sums over all steps"""
    W, s0 = rng.normal(size=(3, 3)), rng.normal(size=3)

    def loss(flat):
        s = s0
        for _ in range(6):
            s = np.tanh(flat.reshape(3, 3) @ s)
        return float(s @ s / 2)

    got = answer.checkpointed(W, s0, 6, 3)[1]
    want = numerical_gradient(loss, W.ravel()).reshape(3, 3)
    expect_close(got, want, rtol=1e-4, scale=0.1)


@criterion("q10", points=2, hint="The last segment may be shorter.")
def test_any_spacing(answer, rng, reference):
    """the spacing does not change the gradients, whether it divides T or not"""
    W, s0 = rng.normal(size=(4, 4)), rng.normal(size=4)
    want = reference.checkpointed(W, s0, 23, 1)
    for every in (3, 5, 23, 40):
        got = answer.checkpointed(W, s0, 23, every)
        expect_close(got[0], want[0], rtol=1e-8)
        expect_close(got[1], want[1], rtol=1e-8)


@criterion("q10", points=2, hint="Forget a segment before the next is recomputed.")
def test_states_held(answer, rng, reference):
    """the memory is that of checkpoints and one segment"""
    W, s0 = rng.normal(size=(2, 2)), rng.normal(size=2)
    for T, every in ((100, 10), (64, 4), (90, 7), (200, 40)):
        kept, want = (x.checkpointed(W, s0, T, every)[2] for x in (answer, reference))
        expect_between(kept, want - 2, want + 2, f"states held, T {T}, every {every}")
