"""Visible checks of chapter 6, Neural Networks from Scratch.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 6

HINTS = {
    "q1": [
        "Walk through the layers once and compare shapes before you multiply.",
        "`v.shape != (w.shape[1],)` catches an offset that would broadcast.",
        "`np.isfinite(X).all()` before the first product: ReLU would turn some NaN paths into silence later."
    ],
    "q2": [
        "The gradient of $-\\sum_kq_k\\log p_k$ with respect to $z$ is $p\\sum_kq_k-q$.",
        "$q$ sums to one, so nothing changes but the indicator.",
        "Compute $\\log p$ from shifted logits, never the logarithm of a probability."
    ],
    "q3": [
        "$((x-m)/s)W_1+b_1=x\\,(W_1\\text{ with row }j\\text{ divided by }s_j)+\\dots$",
        "What is left does not depend on $x$: it belongs to the offset.",
        "The mean must be divided by the scale as well before it meets $W_1$."
    ],
    "q4": [
        "Only $\\Delta_L$ and $\\phi'$ differ from the chapter.",
        "$\\Delta_L=(Z_L-T)/n$.",
        "$\\phi'(Z)=1-\\tanh^2Z=1-A\\odot A$, with the activation you already have."
    ],
    "q5": [
        "Which rows are independent of which?",
        "What was the test set used for before it reported the result?",
        "Which property of a probability does a price need, and does AUC see it?"
    ],
    "q6": [
        "Expand $f(\\theta+h)$ and $f(\\theta-h)$ and subtract: which orders cancel?",
        "Rounding: each of the two values is off by at most $\\varepsilon F$.",
        "Set the derivative of the bound to zero, then insert."
    ],
    "q7": [
        "Write the maximum as one number plus a ReLU of a difference.",
        "A number itself passes through a ReLU layer as a difference of two units.",
        "For the lower bound look at where each side is not differentiable, and along the diagonal."
    ],
    "q8": [
        "Carry two matrices through the network: $A$ and its derivative.",
        "$\\mathrm dZ_l=\\mathrm dA_{l-1}W_l+A_{l-1}\\mathrm dW_l+\\mathbf 1\\mathrm db_l^\\top$ stands in the chapter.",
        "ReLU lets the derivative pass where $Z>0$; not after the last layer."
    ],
    "q9": [
        "Condition on $P$ first; the outcome then has mean $C$.",
        "Cross-entropy is entropy plus divergence.",
        "$H$ is concave, and $C_Q$ is a conditional mean of $C$."
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


def network(rng, sizes):
    """Random weights and offsets."""
    W = [rng.normal(size=s) for s in zip(sizes, sizes[1:])]
    return W, [rng.normal(size=o) for o in sizes[1:]]


def run(X, W, b):
    """Output of a ReLU network."""
    for w, v in zip(W[:-1], b[:-1]):
        X = np.maximum(X @ w + v, 0)
    return X @ W[-1] + b[-1]


@criterion("q1", points=1, hint="With one layer nothing is cut off at zero.")
def test_one_layer_is_linear(answer, rng):
    """one layer is a linear map"""
    W, b = network(rng, [4, 3])
    X = rng.normal(size=(6, 4))
    expect_close(answer.forward(X, W, b), X @ W[0] + b[0], rtol=1e-10)


@criterion("q2", points=1, hint="Each row of p and each row of q sums to one.")
def test_rows_of_the_gradient(answer, rng):
    """each row of the gradient sums to zero"""
    Z, y = rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    loss, G = answer.smoothed(Z, y, 0.2)
    expect_shape(G, (7, 4))
    expect_close(G.sum(axis=1), np.zeros(7), scale=1.0)
    expect_true(np.abs(G).max() > 1e-3, "the gradient is not zero")


@criterion("q2", points=1, hint="The gradient is of the mean over rows.")
def test_gradient_by_differences(answer, rng):
    """the gradient is that of the loss returned"""
    Z, y = rng.normal(size=(3, 4)), rng.integers(0, 4, 3)
    f = lambda z: answer.smoothed(z.reshape(3, 4), y, 0.1)[0]  # noqa: E731
    G = answer.smoothed(Z, y, 0.1)[1]
    expect_close(np.ravel(G), numerical_gradient(f, Z.ravel()), rtol=1e-4)
    expect_true(np.abs(G).max() > 1e-3, "the gradient is not zero")


@criterion("q3", points=1, hint="With mean 0 and scale 1 nothing changes.")
def test_nothing_to_fold(answer, rng):
    """mean 0 and scale 1 change nothing"""
    W, b = network(rng, [3, 4, 2])
    V, c = answer.fold(W, b, np.zeros(3), np.ones(3))
    X = rng.normal(size=(5, 3))
    expect_close(run(X, V, c), run(X, W, b), rtol=1e-10)


def tanh_loss(X, T, W, b):
    n, A = len(X), X
    for w, v in zip(W[:-1], b[:-1]):
        A = np.tanh(A @ w + v)
    return ((A @ W[-1] + b[-1] - T) ** 2).sum() / (2 * n)


@criterion("q4", points=1, hint="One entry of db for each unit.")
def test_shapes(answer, rng):
    """gradients have the shapes of the parameters"""
    W, b = network(rng, [3, 5, 2])
    X, T = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    dW, db = answer.gradients(X, T, W, b)
    for got, like in zip([*dW, *db], [*W, *b]):
        expect_shape(got, like.shape)
    expect_true(np.abs(dW[0]).max() > 1e-6, "the first layer's gradient is not zero")
    A = np.tanh(X @ W[0] + b[0])  # without errors all gradients vanish
    dW, db = answer.gradients(X, A @ W[1] + b[1], W, b)
    for got in [*dW, *db]:
        expect_close(got, np.zeros(np.shape(got)), rtol=1e-9, scale=1.0)


@criterion("q4", points=1, hint="The output layer is linear regression on A.")
def test_output_offset(answer, rng):
    """the output offset agrees with differences"""
    W, b = network(rng, [3, 4, 2])
    X, T = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    db = answer.gradients(X, T, W, b)[1]
    f = lambda v: tanh_loss(X, T, W, [b[0], v])  # noqa: E731
    expect_close(db[-1], numerical_gradient(f, b[-1]), rtol=1e-5)


@criterion("q6", points=1, hint="The central bound is h^2 T / 6 plus rounding.")
def test_powers(answer, rng):
    """a thousand times more rounding moves the central step by ten"""
    F, S, T = rng.uniform(0.5, 2, 3)
    a, b = answer.best_steps(1e-15, F, S, T), answer.best_steps(1e-12, F, S, T)
    expect_close(b[0] / a[0], 10.0, rtol=1e-6)
    expect_close(b[2] / a[2], np.sqrt(1000), rtol=1e-6)


@criterion("q7", points=1, hint="max(a, b) = b + relu(a - b); b = relu(b) - relu(-b).")
def test_two_numbers(answer, rng):
    """the larger of two numbers, negative ones included"""
    X = rng.normal(size=(50, 2))
    W, b = answer.maximum(1)
    expect_close(run(X, W, b)[:, 0], X.max(axis=1), rtol=1e-10)


@criterion("q8", points=1, hint="The last layer has no ReLU.")
def test_only_the_output_moves(answer, rng):
    """moving only the output offset moves every output by it"""
    W, b = network(rng, [3, 4, 2])
    X, v = rng.normal(size=(5, 3)), rng.normal(size=2)
    Z, dZ = answer.along(X, W, b, [0 * w for w in W], [0 * b[0], v])
    expect_close(Z, run(X, W, b), rtol=1e-9)
    expect_close(dZ, np.tile(v, (5, 1)), rtol=1e-9)


@criterion("q8", points=1, hint="The derivative is linear in the direction.")
def test_linear_in_the_direction(answer, rng):
    """twice the direction gives twice the derivative"""
    W, b = network(rng, [3, 4, 2])
    X, (V, c) = rng.normal(size=(5, 3)), network(rng, [3, 4, 2])
    one = answer.along(X, W, b, V, c)[1]
    two = answer.along(X, W, b, [2 * v for v in V], [2 * v for v in c])[1]
    expect_close(two, 2 * np.asarray(one), rtol=1e-9)
    expect_true(np.abs(one).max() > 1e-6, "the derivative is not zero")


def forecasts(rng, n=400):
    p = rng.choice([0.12, 0.17, 0.4, 0.43, 0.8], n)
    y = (rng.random(n) < p**1.5).astype(int)
    return y, p


@criterion("q9", points=1, hint="Add and subtract the entropy of each group.")
def test_the_sum_is_the_log_loss(answer, rng):
    """the two parts add up to the log loss and neither is negative"""
    y, p = forecasts(rng)
    parts = answer.decompose(y, p)
    loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
    expect_close(sum(parts), loss, rtol=1e-8)
    expect_between(min(parts), 1e-6, loss, "the smaller part")
