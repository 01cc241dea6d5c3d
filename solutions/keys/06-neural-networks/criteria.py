"""All criteria of chapter 6, Neural Networks from Scratch.

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


@criterion("q1", points=1, hint="ReLU after every layer but the last.")
def test_three_layers(answer, rng):
    """three layers, the last one without ReLU"""
    W, b = network(rng, [4, 5, 3, 2])
    X = rng.normal(size=(9, 4))
    expect_close(answer.forward(X, W, b), run(X, W, b), rtol=1e-10)


@criterion("q1", points=2, hint="An offset of shape (1,) broadcasts: compare shapes.")
def test_refusals(answer, rng):
    """wrong shapes and missing values are refused"""
    W, b = network(rng, [4, 5, 2])
    X = rng.normal(size=(6, 4))
    expect_error(lambda: answer.forward(X[:, :3], W, b), "ValueError", "a narrow X")
    expect_error(lambda: answer.forward(X, W, [b[0], b[1][:1]]), "ValueError",
                 "an offset of length one")
    for bad, what in ((np.nan, "a missing value"), (np.inf, "an infinite value")):
        X[2, 1] = bad
        expect_error(lambda: answer.forward(X, W, b), "ValueError", what)


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


@criterion("q2", points=2, hint="Write out q for three classes.")
def test_value(answer, rng, reference):
    """loss and gradient are right for several epsilons"""
    Z, y = rng.normal(0, 2, size=(6, 5)), rng.integers(0, 5, 6)
    for eps in (0.0, 0.1, 0.6):
        got, want = answer.smoothed(Z, y, eps), reference.smoothed(Z, y, eps)
        expect_close(got[0], want[0], rtol=1e-8)
        expect_close(got[1], want[1], rtol=1e-8)


@criterion("q2", points=1, hint="Subtract the largest logit of the row.")
def test_large_logits(answer, rng):
    """logits of a thousand do not overflow"""
    Z = np.array([[1000.0, 0.0, -1000.0]]) + rng.normal(size=3)
    loss, G = answer.smoothed(Z, np.array([1]), 0.1)
    expect_finite(np.r_[loss, np.ravel(G)])
    expect_between(loss, 900, 1100, "the loss")


@criterion("q3", points=1, hint="With mean 0 and scale 1 nothing changes.")
def test_nothing_to_fold(answer, rng):
    """mean 0 and scale 1 change nothing"""
    W, b = network(rng, [3, 4, 2])
    V, c = answer.fold(W, b, np.zeros(3), np.ones(3))
    X = rng.normal(size=(5, 3))
    expect_close(run(X, V, c), run(X, W, b), rtol=1e-10)


@criterion("q3", points=2, hint="Insert the standardisation into the first layer.")
def test_raw_features(answer, rng):
    """the folded network on raw features equals the old one on standardised ones"""
    W, b = network(rng, [4, 6, 5, 1])
    mean, scale = rng.normal(0, 20, 4), np.array([0.01, 1.7, 300.0, 5.0])
    X = mean + scale * rng.normal(size=(20, 4))
    V, c = answer.fold(W, b, mean, scale)
    expect_close(run(X, V, c), run((X - mean) / scale, W, b), rtol=1e-7)


@criterion("q3", points=1, hint="A network may have no hidden layer.")
def test_one_layer(answer, rng):
    """a network of a single layer is folded too"""
    W, b = network(rng, [3, 2])
    mean, scale = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    X = rng.normal(size=(6, 3))
    V, c = answer.fold(W, b, mean, scale)
    expect_close(run(X, V, c), run((X - mean) / scale, W, b), rtol=1e-8)


@criterion("q3", points=1, hint="`/=` and `-=` write into the array they are given.")
def test_the_given_network_stays(answer, rng):
    """the network that was given is left as it was"""
    W, b = network(rng, [3, 4, 2])
    mean, scale = rng.normal(size=3), rng.uniform(0.5, 2, 3)
    V, c = answer.make("builtins.list", W), answer.make("builtins.list", b)
    new = answer.fold(V, c, mean, scale)
    expect_shape(new[0][0], (3, 4))
    expect_true(np.abs(new[0][0] - W[0]).max() > 1e-3, "nothing was folded")
    for layer in range(2):
        for handle, was in ((V, W), (c, b)):
            now = answer.call(handle, "__getitem__", layer)
            expect_close(now, was[layer], rtol=1e-12, what="what you were given")


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


@criterion("q4", points=4, hint="The derivative of tanh is 1 - tanh^2.")
def test_every_layer(answer, rng):
    """every weight and offset of a network of three layers agrees with differences"""
    W, b = network(rng, [3, 4, 3, 2])
    X, T = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    dW, db = answer.gradients(X, T, W, b)
    for j in range(3):
        def f(w, j=j):
            V = [*W[:j], w.reshape(W[j].shape), *W[j + 1:]]
            return tanh_loss(X, T, V, b)

        expect_close(np.ravel(dW[j]), numerical_gradient(f, W[j].ravel()), rtol=1e-4)

        def g(v, j=j):
            return tanh_loss(X, T, W, [*b[:j], v, *b[j + 1:]])

        expect_close(db[j], numerical_gradient(g, b[j]), rtol=1e-4)


@criterion("q6", points=1, hint="The central bound is h^2 T / 6 plus rounding.")
def test_powers(answer, rng):
    """a thousand times more rounding moves the central step by ten"""
    F, S, T = rng.uniform(0.5, 2, 3)
    a, b = answer.best_steps(1e-15, F, S, T), answer.best_steps(1e-12, F, S, T)
    expect_close(b[0] / a[0], 10.0, rtol=1e-6)
    expect_close(b[2] / a[2], np.sqrt(1000), rtol=1e-6)


@criterion("q6", points=1, hint="Minimise truncation plus rounding over h.")
def test_central(answer, rng, reference):
    """step and bound of the central difference"""
    F, S, T = rng.uniform(0.3, 3, 3)
    got, want = (x.best_steps(1e-13, F, S, T) for x in (answer, reference))
    expect_close(np.array(got[:2]), np.array(want[:2]), rtol=1e-8)
    expect_close(got[1], want[1], rtol=1e-8)


@criterion("q6", points=1, hint="Two rounded values, divided by h and not by 2h.")
def test_one_sided(answer, rng, reference):
    """step and bound of the one-sided difference"""
    F, S, T = rng.uniform(0.3, 3, 3)
    got, want = (x.best_steps(1e-13, F, S, T) for x in (answer, reference))
    expect_close(got[2], want[2], rtol=1e-8)
    expect_close(got[3], want[3], rtol=1e-8)


@criterion("q7", points=1, hint="max(a, b) = b + relu(a - b); b = relu(b) - relu(-b).")
def test_two_numbers(answer, rng):
    """the larger of two numbers, negative ones included"""
    X = rng.normal(size=(50, 2))
    W, b = answer.maximum(1)
    expect_close(run(X, W, b)[:, 0], X.max(axis=1), rtol=1e-10)


@criterion("q7", points=2, hint="A stage's output merges with the next linear map.")
def test_many_numbers(answer, rng):
    """the largest of 4, 8 and 16 numbers"""
    for k in (2, 3, 4):
        W, b = answer.maximum(k)
        for unit in (1.0, 1e6):
            X = unit * rng.normal(-1, 2, size=(40, 2**k))
            expect_close(run(X, W, b)[:, 0], X.max(axis=1), rtol=1e-9)


@criterion("q7", points=1, hint="k hidden layers: k + 1 matrices.")
def test_depth_and_width(answer, rng):
    """k hidden layers and at most three units a pair"""
    for k in (1, 3, 4):
        W, _ = answer.maximum(k)
        expect_true(len(W) == k + 1, "the network has k hidden layers")
        units = sum(np.shape(w)[1] for w in W[:-1])
        expect_between(units, k, 3 * (2**k - 1), "hidden units")
    X = rng.normal(size=(30, 8))
    W, b = answer.maximum(3)
    expect_close(run(X, W, b)[:, 0], X.max(axis=1), rtol=1e-9)


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


@criterion("q8", points=4, hint="Differentiate the product A W: both factors move.")
def test_against_differences(answer, rng):
    """the derivative of a network of three layers agrees with differences"""
    W, b = network(rng, [4, 6, 5, 3])
    X, (V, c) = rng.normal(size=(7, 4)), network(rng, [4, 6, 5, 3])
    h = 1e-7
    plus = run(X, [w + h * v for w, v in zip(W, V)], [u + h * v for u, v in zip(b, c)])
    less = run(X, [w - h * v for w, v in zip(W, V)], [u - h * v for u, v in zip(b, c)])
    want = (plus - less) / (2 * h)
    got = np.asarray(answer.along(X, W, b, V, c)[1])
    expect_shape(got, (7, 3))
    expect_between(np.median(np.abs(got - want)), 0, 1e-5, "the median error")
    far = answer.along(X, W, b, [1e6 * v for v in V], [1e6 * v for v in c])[1]
    expect_close(far, 1e6 * got, rtol=1e-9, what="a long direction")


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


@criterion("q9", points=2, hint="Calibration is a divergence within groups of equal p.")
def test_parts(answer, rng, reference):
    """both parts are right, in uneven groups"""
    y, p = forecasts(rng, 371)
    got, want = answer.decompose(y, p), reference.decompose(y, p)
    expect_close(got[0], want[0], rtol=1e-7)
    expect_close(got[1], want[1], rtol=1e-7)


@criterion("q9", points=1, hint="0 log 0 = 0.")
def test_pure_groups(answer, rng):
    """groups in which all outcomes are equal give no NaN"""
    p = np.repeat([0.2, 0.7, 0.9], 40)
    y = np.r_[np.zeros(40, int), rng.integers(0, 2, 40), np.ones(40, int)]
    parts = answer.decompose(y, p)
    expect_finite(np.array(parts))
    loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
    expect_close(sum(parts), loss, rtol=1e-8)
    c = y[40:80].mean()
    expect_close(parts[1], -(c * np.log(c) + (1 - c) * np.log(1 - c)) / 3, rtol=1e-7)
