"""Visible checks of chapter 1, Linear Algebra for Machine Learning.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 1

HINTS = {
    "q1": [
        "Which theorem gives the error without the approximation?",
        "`np.linalg.svd(A, compute_uv=False)` returns everything that is needed.",
        "Put a zero in front of the cumulative sum of squares; `np.searchsorted` then finds the first place that reaches the share."
    ],
    "q2": [
        "What would all columns tend to if each were only scaled to length one?",
        "`np.linalg.qr` orthonormalises; keep its `Q`.",
        "The Rayleigh quotients are the diagonal of $Q^\\top AQ$."
    ],
    "q3": [
        "Insert the SVD in $A^\\top A+\\lambda I$ and use $VV^\\top=I$.",
        "The equations decouple: one scalar equation for each $v_i^\\top x$.",
        "For the residual, write $b$ as its components along the $u_i$ and the rest."
    ],
    "q4": [
        "This is weighted ridge regression with the rows of `Y` as observations.",
        "Split the sum over all items into the same sum with weight 1, and what the taken items have beyond it.",
        "The right-hand side only meets items with $r_i=1$, whose weight is $1+\\alpha$."
    ],
    "q5": [
        "Print the condition number of `np.vander(year, degree + 1)`.",
        "A polynomial in the year is a polynomial in (year - middle) / half-width.",
        "Use an orthogonal route (`np.linalg.lstsq`) on the shifted powers, or Legendre polynomials."
    ],
    "q6": [
        "What would the first figure be if nobody had any taste?",
        "Which of the three evaluation choices would change the *order* of two models?",
        "Separate the decision from the forecast: they need different evidence."
    ],
    "q7": [
        "Write the penalty as $\\operatorname{tr}(B^\\top\\Lambda B)$.",
        "Does $\\Lambda$ multiply $B$ from the left or from the right in the gradient?",
        "Add and subtract $\\Lambda$ on the right side of the stationarity equation, as in the chapter."
    ],
    "q8": [
        "Expand the squared norm; one term is constant because $Q$ keeps lengths.",
        "Insert the SVD and use that a trace may be cycled.",
        "The product of orthogonal matrices is orthogonal: how large can its diagonal entries be?"
    ],
    "q9": [
        "Sampling without replacement from two kinds of item: which distribution counts them?",
        "`scipy.stats.hypergeom` has a distribution function; mind \"fewer than k\".",
        "For the closed form let $q$ be uniform, and ask where the item stands among the sampled ones."
    ],
    "q10": [
        "Put the new row in a free place and decompose the sketch.",
        "To free a place, the smallest squared singular value must go; to forget nobody in particular, take the same amount from all.",
        "The trace of $A^\\top A-B^\\top B$ tells how often you can afford to do that."
    ]
}


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
