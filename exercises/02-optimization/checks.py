"""Visible checks of chapter 2, Multivariate Calculus and Optimization.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 2

HINTS = {
    "q1": [
        "Write the differential of each result first.",
        "$\\mathrm dP=P\\odot(\\mathrm dz-\\langle P,\\mathrm dz\\rangle)$ in each row; take its transpose.",
        "The transpose of that map is the map itself: it is symmetric."
    ],
    "q2": [
        "In an eigendirection the factor is $1-\\eta h$; take moduli.",
        "A linear function's modulus is largest at an end of the interval.",
        "Solve $\\rho^k=10^{-m}$ by logarithms; both are negative; round up."
    ],
    "q3": [
        "Write the loss as log-sum-exp minus the score of the positive.",
        "The derivative in the scores is softmax minus a unit vector.",
        "For part 2 write the probability of the ordered candidates and divide by the product of all $q$."
    ],
    "q4": [
        "The floor is a sum over coordinates; each term rises with the step.",
        "Its limit at $2/\\max h$ is infinite if there is noise in that direction.",
        "Bisect between 0 and $2/\\max h$."
    ],
    "q5": [
        "Adam with one more array.",
        "Take the maximum after updating v, before the correction.",
        "Keep v itself decaying: the maximum is a second array, not a replacement."
    ],
    "q6": [
        "Which theorem says what a constant step does in the end?",
        "Count steps, not passes.",
        "What do the scores estimate under each law of negatives?"
    ],
    "q7": [
        "Two cases: a share is positive, or it is zero.",
        "Sum the positive shares to find $\\nu$ for a given number of them.",
        "Study $1-\\sum_{s\\le r}(v_{(s)}-v_{(r)})$ as $r$ grows."
    ],
    "q8": [
        "It is an autoregression of order two.",
        "You need two unknowns: the variance and the covariance of neighbours.",
        "$(1+\\beta)^2-(1+\\beta-\\eta h)^2$ factors."
    ],
    "q9": [
        "Factor $\\gamma/\\lambda$ out of the sign term.",
        "A linear function over a cube is minimised at the corner with the opposite signs.",
        "$\\max_s-\\nabla f^\\top s=\\lVert\\nabla f\\rVert_1/\\lambda$."
    ],
    "q10": [
        "Write the plain reverse sweep first, with all states kept.",
        "A segment from checkpoint $k$ runs to the next checkpoint or to $T$.",
        "In the backward step you need the state before (for $W$) and after (for the slope of tanh)."
    ]
}


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
