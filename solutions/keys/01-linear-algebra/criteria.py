"""All criteria of chapter 1, Linear Algebra for Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

import numpy as np
from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_close,
    expect_equal,
    expect_error,
    expect_shape,
    expect_true,
)


@criterion("q1", points=1, hint="What is left when nothing is kept?")
def test_rank_zero_loses_everything(answer, rng):
    """rank zero loses the whole matrix, in both norms"""
    A = rng.normal(size=(6, 4))
    spectral, frobenius = answer.errors(A, 0)
    expect_close(spectral, np.linalg.norm(A, 2), rtol=1e-9)
    expect_close(frobenius, np.linalg.norm(A), rtol=1e-9)


@criterion("q1", points=1, hint="A matrix of rank two needs at most two components.")
def test_a_rank_two_matrix(answer, rng):
    """a matrix of rank two is kept whole by two components"""
    A = rng.normal(size=(7, 2)) @ rng.normal(size=(2, 5))
    expect_between(answer.smallest_rank(A, 1 - 1e-9), 2, 2, "the rank")


@criterion("q1", points=2, hint="Count the singular values from D on, in each norm.")
def test_errors_in_both_norms(answer, rng):
    """both errors are right for tall and wide matrices"""
    for shape in ((9, 5), (4, 8)):
        A, D = rng.normal(size=shape), 3
        U, s, Vt = np.linalg.svd(A, full_matrices=False)
        rest = A - U[:, :D] * s[:D] @ Vt[:D]
        spectral, frobenius = answer.errors(A, D)
        expect_close(spectral, np.linalg.norm(rest, 2), rtol=1e-8)
        expect_close(frobenius, np.linalg.norm(rest), rtol=1e-8)
        nothing = np.array(answer.errors(A, min(shape)))
        expect_close(nothing, np.zeros(2), scale=1.0, what="the errors at full rank")


@criterion("q1", points=2, hint="The share is of squares; D and D - 1 must disagree.")
def test_smallest_rank(answer, rng):
    """the rank is the smallest that keeps the share of squares"""
    Q = np.linalg.qr(rng.normal(size=(8, 5))).Q
    A = Q * np.array([5.0, 4.0, 3.0, 2.0, 1.0])  # squares 25 16 9 4 1 of 55
    wanted = ((0.0, 0), (0.40, 1), (0.50, 2), (0.80, 3), (0.95, 4), (0.99, 5))
    for share, want in wanted:
        expect_equal(answer.smallest_rank(A, share), want, f"rank for {share}")


def spectrum(rng, values):
    Q = np.linalg.qr(rng.normal(size=(len(values), len(values)))).Q
    return Q * np.array(values) @ Q.T, Q


@criterion("q2", points=1, hint="Orthonormalise after every multiplication.")
def test_orthonormal(answer, rng):
    """the columns returned are orthonormal"""
    A, _ = spectrum(rng, [9.0, 4.0, 2.0, 1.0, 0.5, 0.3])
    _, Q = answer.leading(A, rng.normal(size=(6, 3)), 40)
    expect_shape(Q, (6, 3))
    expect_close(Q.T @ Q, np.eye(3), rtol=1e-8)
    expect_true(np.abs(Q - np.eye(6, 3)).max() > 1e-3, "Q must depend on A")


@criterion("q2", points=1, hint="After many steps A q = lambda q for each column.")
def test_eigenpairs(answer, rng):
    """after many steps the columns are eigenvectors"""
    A, _ = spectrum(rng, [9.0, 4.0, 2.0, 1.0, 0.5, 0.3])
    values, Q = answer.leading(A, rng.normal(size=(6, 3)), 80)
    expect_close(A @ Q, Q * values, rtol=1e-6)
    expect_true(np.abs(Q).max() > 0.1, "the columns must not be zero")


@criterion("q2", points=2, hint="Eigenvalues may be negative: use q'Aq, not a length.")
def test_signs(answer, rng):
    """negative eigenvalues come back negative"""
    A, _ = spectrum(rng, [-9.0, 5.0, -2.5, 1.0, 0.5])
    values, _ = answer.leading(A, rng.normal(size=(5, 3)), 120)
    expect_close(values, np.array([-9.0, 5.0, -2.5]), rtol=1e-6)


@criterion("q2", points=2, hint="Exactly `steps` multiplications from X0.")
def test_few_steps(answer, rng, reference):
    """the result after few steps is that of the stated iteration"""
    A, _ = spectrum(rng, [3.0, 2.5, 2.0, 1.0, 0.7])
    X0 = rng.normal(size=(5, 2))
    for steps in (0, 1, 4):
        got, want = (x.leading(A, X0, steps) for x in (answer, reference))
        expect_close(got[0], want[0], rtol=1e-8)
        expect_close(got[1] @ got[1].T, want[1] @ want[1].T, rtol=1e-8)


@criterion("q3", points=1, hint="Put each solution into the normal equations.")
def test_normal_equations(answer, rng):
    """each solution satisfies its normal equations"""
    A, b = rng.normal(size=(9, 4)), rng.normal(size=9)
    lams = np.array([0.3, 2.0, 11.0])
    X = answer.ridge_path(A, b, lams)
    expect_shape(X, (3, 4))
    for x, lam in zip(X, lams):
        expect_close(A.T @ (A @ x) + lam * x, A.T @ b, rtol=1e-8)


@criterion("q3", points=1, hint="Each direction loses a part of its one degree.")
def test_degrees_fall(answer, rng):
    """the degrees of freedom fall strictly between p and 0"""
    A = rng.normal(size=(9, 4))
    d = [answer.degrees(A, lam) for lam in (1e-9, 0.5, 5.0, 50.0)]
    expect_close(d[0], 4.0, rtol=1e-6)
    expect_true(all(x > y > 0 for x, y in zip(d, d[1:])), "they must fall with lam")


@criterion("q3", points=1, hint="Penalty zero is least squares; the scales may differ.")
def test_least_squares_and_scales(answer, rng):
    """zero penalty is least squares, for columns of uneven length"""
    A = rng.normal(size=(12, 3)) * [1.0, 20.0, 0.1]
    b = rng.normal(size=12)
    want = np.linalg.lstsq(A, b, rcond=None)[0]
    expect_close(answer.ridge_path(A, b, np.array([0.0]))[0], want, rtol=1e-8)


@criterion("q3", points=2, hint="Take the trace of A (A'A + lam I)^-1 A'.")
def test_degrees_are_the_trace(answer, rng):
    """the degrees of freedom are the trace of the hat matrix"""
    A, lam = rng.normal(size=(8, 5)), float(rng.uniform(0.5, 3))
    hat = A @ np.linalg.solve(A.T @ A + lam * np.eye(5), A.T)
    expect_close(answer.degrees(A, lam), np.trace(hat), rtol=1e-8)


def dense(Y, items, lam, alpha):
    """The objective's gradient at x, as a function of x."""
    r = np.zeros(len(Y))
    r[items] = 1
    c = 1 + alpha * r
    return lambda x: -2 * Y.T @ (c * (r - Y @ x)) + 2 * lam * x


@criterion("q4", points=2, hint="Set the gradient over ALL items to zero.")
def test_gradient_is_zero(answer, rng):
    """the gradient of the objective vanishes at the answer"""
    Y, items = rng.normal(size=(15, 4)), np.array([2, 7, 11])
    x = answer.fold_in(Y, items, 1.7, 3.0)
    expect_shape(x, (4,))
    expect_close(dense(Y, items, 1.7, 3.0)(x), np.zeros(4), rtol=1e-7, scale=50.0)


@criterion("q4", points=3, hint="Y'CY = Y'Y + alpha Yu'Yu; the right side is weighted.")
def test_fast_equals_dense(answer, rng):
    """the fast form solves the same problem"""
    for n, lam, alpha in ((1, 0.4, 0.0), (5, 2.0, 1.0), (9, 6.0, 20.0)):
        Y = rng.normal(size=(30, 5))
        items = rng.choice(30, n, replace=False)
        x = answer.fold_in_fast(Y.T @ Y, Y[items], lam, alpha)
        expect_close(dense(Y, items, lam, alpha)(x), np.zeros(5), rtol=1e-7, scale=99.0)


@criterion("q4", points=1, hint="The order of the items must not matter.")
def test_order(answer, rng):
    """the order of the items does not matter, the items do"""
    Y = rng.normal(size=(12, 3))
    a = answer.fold_in(Y, np.array([1, 5, 8]), 1.0, 2.0)
    b = answer.fold_in(Y, np.array([8, 1, 5]), 1.0, 2.0)
    c = answer.fold_in(Y, np.array([8, 1, 6]), 1.0, 2.0)
    expect_close(a, b, rtol=1e-10)
    expect_true(np.abs(a - c).max() > 1e-6, "other items must give another user")


@criterion("q4", points=2, hint="What can be said of a user without items?")
def test_nobody(answer, rng):
    """a user without items is refused"""
    Y = rng.normal(size=(6, 2))
    empty = np.array([], dtype=int)
    slow = lambda: answer.fold_in(Y, empty, 1.0, 1.0)
    expect_error(slow, "ValueError", "no items")
    fast = lambda: answer.fold_in_fast(Y.T @ Y, Y[empty], 1.0, 1.0)
    expect_error(fast, "ValueError", "no items")


def known(rng, degree, n=120, low=1940, high=2000):
    """Years, and a polynomial whose values are known exactly."""
    year = rng.integers(low, high + 1, size=n).astype(float)
    c = rng.normal(size=degree + 1)
    f = lambda t: np.polynomial.polynomial.polyval((np.asarray(t) - 1970) / 40, c)
    return year, f


@criterion("q5", points=1, hint="A straight line must come back exactly.")
def test_a_line(answer, rng):
    """a straight line is recovered"""
    year, f = known(rng, 1)
    at = np.array([1950.0, 1987.0])
    expect_close(answer.trend(year, f(year), 1, at), f(at), rtol=1e-8)


@criterion("q5", points=2, hint="Centre and scale the year before you take powers.")
def test_high_degree(answer, rng):
    """polynomials up to degree eight are recovered to eight digits"""
    for degree in (4, 6, 8):
        year, f = known(rng, degree)
        at = np.linspace(1942, 1998, 9)
        expect_close(answer.trend(year, f(year), degree, at), f(at), rtol=1e-8)


@criterion("q5", points=2, hint="It is least squares: average the noise.")
def test_noise(answer, rng, reference):
    """with noise the fit is the least-squares fit"""
    year, f = known(rng, 3)
    y = f(year) + rng.normal(size=len(year))
    at = np.array([1945.0, 1969.5, 1999.0])
    want = reference.trend(year, y, 5, at)
    expect_close(answer.trend(year, y, 5, at), want, rtol=1e-7)


@criterion("q5", points=1, hint="Three distinct years determine at most degree two.")
def test_too_few_years(answer, rng):
    """too few distinct years are refused"""
    year = np.array([1950.0, 1960.0, 1970.0] * 4)
    y = rng.normal(size=12)
    expect_error(lambda: answer.trend(year, y, 3, year), "ValueError", "three years")


@criterion("q7", points=1, hint="No item may predict itself.")
def test_diagonal(answer, rng):
    """the diagonal is zero and the rest is not"""
    R = (rng.random((40, 6)) < 0.4).astype(float)
    B = answer.ease_itemwise(R.T @ R, rng.uniform(1, 9, size=6))
    expect_shape(B, (6, 6))
    expect_close(np.diag(B), np.zeros(6), rtol=1e-9, scale=1.0)
    expect_true(np.abs(B).sum() > 1e-3, "B must not be zero")


@criterion("q7", points=1, hint="Off the diagonal, G B + Lambda B - G must vanish.")
def test_stationary(answer, rng):
    """the gradient vanishes off the diagonal"""
    R, lam = rng.normal(size=(30, 5)), rng.uniform(1, 30, size=5)
    G = R.T @ R
    B = answer.ease_itemwise(G, lam)
    gradient = G @ B + lam[:, None] * B - G
    off = gradient[~np.eye(5, dtype=bool)]
    expect_close(off, np.zeros(20), rtol=1e-8, scale=np.abs(G).max())
    expect_true(np.abs(B - np.eye(5)).max() > 1e-3, "B must depend on G")


@criterion("q7", points=2, hint="Delete column j, then ridge with uneven penalties.")
def test_column_by_column(answer, rng):
    """each column is a ridge regression on the other items"""
    R, lam = (rng.random((60, 7)) < 0.35).astype(float), rng.uniform(2, 50, size=7)
    G = R.T @ R
    B = answer.ease_itemwise(G, lam)
    for j in (0, 4):
        rest = np.arange(7) != j
        want = np.linalg.solve((G + np.diag(lam))[np.ix_(rest, rest)], G[rest, j])
        expect_close(B[rest, j], want, rtol=1e-7)


@criterion("q7", points=1, hint="A zero penalty may leave G singular.")
def test_penalties(answer, rng):
    """penalties that are not positive are refused"""
    lam = np.array([1.0, 0.0, 2.0])
    G = np.eye(3) * 4 + 1
    expect_error(lambda: answer.ease_itemwise(G, lam), "ValueError", "a zero penalty")


@criterion("q8", points=1, hint="Q must be orthogonal whatever the data.")
def test_orthogonal(answer, rng):
    """the answer is an orthogonal matrix"""
    Q = answer.align(rng.normal(size=(20, 4)), rng.normal(size=(20, 4)))
    expect_shape(Q, (4, 4))
    expect_close(Q.T @ Q, np.eye(4), rtol=1e-9)
    expect_true(np.abs(Q - np.eye(4)).max() > 1e-3, "Q must depend on Y and Z")


@criterion("q8", points=1, hint="If Z = Y W exactly, the answer is W.")
def test_exact_rotation(answer, rng):
    """an exact rotation is found"""
    Y = rng.normal(size=(15, 3)) * [3.0, 1.0, 0.4]
    W = np.linalg.qr(rng.normal(size=(3, 3))).Q
    expect_close(answer.align(Y, Y @ W), W, rtol=1e-8)


@criterion("q8", points=1, hint="With noise, no small rotation may be better.")
def test_it_is_the_minimum(answer, rng):
    """no other orthogonal matrix comes closer"""
    Y = rng.normal(size=(25, 4)) * [4.0, 2.0, 1.0, 0.5]
    Z = Y @ np.linalg.qr(rng.normal(size=(4, 4))).Q + 0.8 * rng.normal(size=Y.shape)
    Q = answer.align(Y, Z)
    expect_close(Q.T @ Q, np.eye(4), rtol=1e-9)
    best = np.linalg.norm(Y @ Q - Z)
    for size in (0.01, 0.1, 1.0, 1.0, 1.0):
        other = np.linalg.qr(Q + size * rng.normal(size=(4, 4)))
        other = other.Q * np.sign(np.diag(other.R))
        expect_true(np.linalg.norm(Y @ other - Z) >= best - 1e-9, "a better Q exists")


@criterion("q8", points=2, hint="Use part 1 with the maximum of part 2.")
def test_distance(answer, rng, reference):
    """the distance is the norm at the best rotation"""
    Y, Z = rng.normal(size=(12, 3)), 2 * rng.normal(size=(12, 3))
    want = np.linalg.norm(Y @ reference.align(Y, Z) - Z)
    expect_close(answer.distance(Y, Z), want, rtol=1e-7)


@criterion("q9", points=1, hint="At the top none stands above, at the bottom all.")
def test_top_and_bottom(answer, rng):
    """the best place always hits, the worst never, and the chance falls between"""
    p = answer.expected_hit(np.arange(0, 61), 60, 12, 5)
    expect_shape(p, (61,))
    expect_close(p[0], 1.0, rtol=1e-9)
    expect_close(p[60], 0.0, rtol=1e-9, scale=1.0)
    expect_true(np.all(np.diff(p) <= 1e-12), "a worse place cannot hit more often")


@criterion("q9", points=1, hint="Draw samples without replacement and count.")
def test_simulation(answer, rng):
    """the probability agrees with real sampling"""
    n_neg, m, k, q = 40, 10, 3, int(rng.integers(8, 15))
    place = np.argsort(rng.random((20_000, n_neg)), axis=1)[:, :m]
    hit = ((place < q).sum(axis=1) < k).mean()
    p = float(answer.expected_hit(np.array([q]), n_neg, m, k)[0])
    expect_true(abs(p - hit) < 5 * np.sqrt(0.25 / 20_000), "simulation disagrees")


@criterion("q9", points=2, hint="Drawn without replacement: not binomial.")
def test_exact(answer, rng):
    """the probability is exact, also for small catalogues"""
    from itertools import combinations

    q = int(rng.integers(2, 5))
    draws = [sum(x < q for x in c) for c in combinations(range(8), 5)]
    for k in (1, 2, 3):
        want = np.mean([d < k for d in draws])
        expect_close(answer.expected_hit(np.array([q]), 8, 5, k)[0], want, rtol=1e-9)


@criterion("q9", points=3, hint="Let the item stand at a random place among all.")
def test_effective_cut(answer, rng, reference):
    """the effective cut is the sum over all places"""
    for n_neg, m, k in ((30, 7, 2), (150, 40, 10), (int(rng.integers(60, 90)), 9, 4)):
        total = reference.expected_hit(np.arange(n_neg + 1), n_neg, m, k).sum()
        expect_close(answer.effective_cut(n_neg, m, k), total, rtol=1e-8)


@criterion("q9", points=1, hint="More samples than negatives cannot be drawn.")
def test_bad_sizes(answer, rng):
    """impossible sizes are refused"""
    q = np.array([1])
    expect_error(lambda: answer.expected_hit(q, 10, 11, 2), "ValueError", "m > n_neg")
    expect_error(lambda: answer.expected_hit(q, 10, 5, 6), "ValueError", "k > m")


def gap(answer, A, ell):
    """Eigenvalues of A'A - B'B after streaming the rows of A."""
    B = np.zeros((ell, A.shape[1]))
    for row in A:
        B = answer.update(B, row)
        expect_shape(B, (ell, A.shape[1]))
        free = np.abs(B).max(axis=1).min() <= 1e-9 * (1 + np.abs(A).max())
        expect_true(free, "no row of the sketch is free")
    expect_true(np.abs(B).max() > 1e-3 * np.abs(A).max(), "the sketch is empty")
    return np.linalg.eigvalsh(A.T @ A - B.T @ B)


@criterion("q10", points=2, hint="Shrink all squared values by the same amount.")
def test_random_stream(answer, rng):
    """the guarantee holds on a random stream"""
    A = rng.normal(size=(60, 8)) * np.linspace(3, 0.3, 8)
    e = gap(answer, A, 5)
    limit = (A**2).sum() / 5
    expect_true(e.min() > -1e-8 * limit, "the sketch overstates a direction")
    expect_true(e.max() < limit * (1 + 1e-9), "the sketch forgets a direction")


@criterion("q10", points=5, hint="A small step in one direction, again and again.")
def test_forgotten_direction(answer, rng):
    """a direction that always arrives below the rest is not forgotten"""
    ell, d = 4, 9
    Q = np.linalg.qr(rng.normal(size=(d, d))).Q
    A = np.vstack([2 * Q[: ell - 1], np.tile(0.5 * Q[ell - 1], (120, 1))])
    e = gap(answer, A, ell)
    expect_true(e.max() < (A**2).sum() / ell * (1 + 1e-9), "a direction was forgotten")


@criterion("q10", points=1, hint="x' (A'A - B'B) x may never be negative.")
def test_never_overstates(answer, rng):
    """no direction is overstated"""
    A = rng.normal(size=(50, 6)) @ np.diag([5.0, 4.0, 1.0, 0.5, 0.2, 0.1])
    e = gap(answer, A, 3)
    expect_true(e.min() > -1e-8 * (A**2).sum(), "the sketch overstates a direction")


@criterion("q10", points=2, hint="A matrix of rank below l loses nothing.")
def test_low_rank_is_exact(answer, rng):
    """a stream of rank below l is kept exactly"""
    A = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 7))
    e = gap(answer, A, 4)
    expect_close(e, np.zeros(7), rtol=1e-8, scale=(A**2).sum())
