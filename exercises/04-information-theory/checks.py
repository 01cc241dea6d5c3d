"""Visible checks of chapter 4, Information Theory for Data Science.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 4

HINTS = {
    "q1": [
        "Write down the ideal code length of one row, once for $y=1$ and once for $y=0$.",
        "The constant code is the same formula with $\\bar y$ in place of $p$.",
        "The difference of two mean lengths is the mean of a difference of logarithms, base two."
    ],
    "q2": [
        "The proof of Kraft's inequality lays intervals of length $2^{-\\ell}$ side by side: in which order must they come?",
        "With integers: let $\\ell_{\\max}$ bits number the smallest cells, and let `start` count the cells used so far.",
        "The word of length $\\ell$ is the first $\\ell$ of the $\\ell_{\\max}$ binary digits of `start`, leading zeros kept."
    ],
    "q3": [
        "Divide each row of counts by its own total before you take logarithms.",
        "Under no change the index is `scale` times a chi-square with $B-1$ degrees of freedom. What is `scale` for $n$ and $m$ rows?",
        "Repeating each row $c$ times multiplies the variance of the shares, for the same number of rows, by $c$."
    ],
    "q4": [
        "Compute $-\\sum_kr_k\\ln p_k$ for the exponential $p$ and any $r$ with the same mean.",
        "It does not depend on $r$. What does Gibbs' inequality say then?",
        "For the second part differentiate the mean of $p_\\lambda$ in $\\lambda$: minus a variance."
    ],
    "q5": [
        "Put 40, 40 and twenty bins into the mean of the null law.",
        "How many independent units are 9,000 rows at thirty rows a user?",
        "Which change would hurt watch time and leave every feature's distribution as it was?"
    ],
    "q6": [
        "Count labels by group in a table (G, K); its column sums are the counts of all rows.",
        "The counts without group $g$ are the column sums less row $g$.",
        "Mind the factor $(G-1)/G$ in front of a *sum* of squares: it is not a standard deviation over $\\sqrt G$."
    ],
    "q7": [
        "Compute $g(b)$, $g'(b)$ and the sign of $g''$.",
        "For many outcomes merge them into two: those with $p_k>q_k$ and the rest.",
        "Show $p(A)-q(A)=\\tfrac12\\sum_k\\lvert p_k-q_k\\rvert$, because the differences sum to zero."
    ],
    "q8": [
        "$I(X;Y\\mid Z)=H(X,Z)+H(Y,Z)-H(X,Y,Z)-H(Z)$; one function that counts combinations is enough.",
        "Keep one score a feature and lower it each time something is chosen; then each round costs $p$ terms, not $p$ times the number chosen.",
        "A copy has conditional information zero given its original, and the *smallest* value counts, so it never comes back."
    ],
    "q9": [
        "$\\ln P_i\\approx\\ln p(x_i)+\\ln(\\text{volume})$; the volume is a constant times $\\rho_i^d$.",
        "In a tree built on `x`, the nearest point to $x_i$ is $x_i$: ask for $k+1$.",
        "$\\psi(n)-\\psi(m+1)$ is nearly $\\ln\\frac{n-1}m$; mind its sign."
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


@criterion("q1", points=2, hint="Which information does a table of group rates carry?")
def test_group_rates_save_the_information_of_the_group(answer, rng):
    """predicting each group's own rate saves the plug-in information, in bits"""
    g = rng.integers(0, 3, 300)
    y = (rng.random(300) < np.array([0.1, 0.3, 0.7])[g]).astype(int)
    rate = np.array([y[g == k].mean() for k in range(3)])
    joint = np.array([[np.mean((g == k) & (y == v)) for v in (0, 1)]
                      for k in range(3)])
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    seen = joint > 0
    bits = (joint[seen] * np.log2(joint[seen] / product[seen])).sum()
    expect_close(answer.bits_saved(y, rate[g]), bits, rtol=1e-9)


def uneven_lengths(rng):
    """Lengths that fill Kraft's inequality, the longest first."""
    return [5, *[int(v) for v in rng.permutation([1, 2, 3, 4, 5])]]


@criterion("q2", points=2, hint="Code a message of every word, and read it back.")
def test_round_trip(answer, rng):
    """what was coded is decoded"""
    words = answer.codewords(uneven_lengths(rng))
    message = [int(v) for v in np.r_[rng.permutation(6), rng.integers(0, 6, 30)]]
    bits = "".join(words[k] for k in message)
    expect_equal(list(answer.decode(bits, words)), message)
    expect_equal(list(answer.decode("", words)), [], what="what an empty string says")


@criterion("q2", points=1, hint="Lay the intervals side by side, the longest first.")
def test_no_word_begins_another(answer, rng):
    """no word is the beginning of another"""
    words = answer.codewords(uneven_lengths(rng))
    clash = [(a, b) for i, a in enumerate(words) for j, b in enumerate(words)
             if i != j and b.startswith(a)]
    expect_true(len(words) == 6 and not clash, "a word begins another")


@criterion("q2", points=1, hint="Sort to lay out, then restore the order.")
def test_lengths_are_those_asked_for(answer, rng):
    """each word has its own length, in the order given"""
    lengths = uneven_lengths(rng)
    expect_equal([len(w) for w in answer.codewords(lengths)], lengths)


@criterion("q3", points=1, hint="Shares decide the index, counts decide the evidence.")
def test_more_rows_are_more_evidence(answer, rng):
    """three times the counts: the same index, less likely by chance"""
    p, q = rng.integers(30, 60, 6), rng.integers(30, 60, 6)
    one, back = answer.psi_alarm(p, q), answer.psi_alarm(q, p)
    three = answer.psi_alarm(3 * p, 3 * q)
    expect_close(back["psi"], one["psi"], rtol=1e-9, what="psi with p and q exchanged")
    expect_close(three["psi"], one["psi"], rtol=1e-9, what="psi of counts times three")
    expect_true(one["psi"] > 0, "different shares have a positive index")
    expect_true(three["p_value"] < one["p_value"], "the p-value must fall")


@criterion("q3", points=1, hint="How likely is an index above zero?")
def test_equal_shares(answer, rng):
    """equal shares: index 0, p-value 1, no alarm"""
    p = rng.integers(5, 50, 7)
    got = answer.psi_alarm(p, 2 * p)
    expect_close(got["psi"], 0.0, rtol=1e-9, scale=1.0)
    expect_close(got["p_value"], 1.0, rtol=1e-9)
    expect_true(not got["alarm"], "nothing moved, yet an alarm")


@criterion("q3", points=1, hint="Units are independent, rows are not.")
def test_repeated_rows_add_no_evidence(answer, rng):
    """five copies of every row, declared as such, leave the p-value as it was"""
    p, q = rng.integers(40, 60, 6), rng.integers(40, 60, 6)
    one = answer.psi_alarm(p, q)
    five = answer.psi_alarm(5 * p, 5 * q, rows_per_unit=5.0)
    expect_close(five["p_value"], one["p_value"], rtol=1e-6)
    bare = answer.psi_alarm(5 * p, 5 * q)["p_value"]
    expect_true(abs(bare - one["p_value"]) > 1e-9, "undeclared copies count")


@criterion("q4", points=1, hint="Solve for lambda: the mean falls as lambda rises.")
def test_it_has_the_mean(answer, rng):
    """a distribution on the values with the mean asked for"""
    v = np.cumsum(rng.uniform(0.5, 2.0, 6))
    m = float(rng.uniform(v[1], v[4]))
    p = answer.max_entropy(v, m)
    expect_shape(p, (6,))
    expect_close(p.sum(), 1.0, rtol=1e-8)
    expect_close(p @ v, m, rtol=1e-6)


@criterion("q4", points=1, hint="The logarithms of the solution lie on a line in v.")
def test_nothing_nearby_has_more(answer, rng):
    """a small step that keeps the sum and the mean lowers the entropy"""
    v = np.cumsum(rng.uniform(0.5, 2.0, 6))
    p = answer.max_entropy(v, float(v[2] + 0.3 * (v[3] - v[2])))
    basis = np.linalg.qr(np.column_stack([np.ones(6), v]))[0]
    step = rng.normal(size=6)
    step -= basis @ (basis.T @ step)
    step *= 0.3 * p.min() / abs(step).max()
    H = lambda r: -(r * np.log(np.maximum(r, 1e-300))).sum()
    expect_true(p.min() > 0, "the solution leaves no value out")
    expect_close(p.sum(), 1.0, rtol=1e-6, what="the sum")
    expect_true(H(p) > max(H(p + step), H(p - step)), "a neighbour has more entropy")


@criterion("q6", points=2, hint="Without one of several like groups nothing changes.")
def test_groups_that_are_alike(answer, rng):
    """groups of the same composition: the plug-in entropy, with no error"""
    shares = rng.integers(1, 6, 4)
    labels = np.tile(np.repeat(np.arange(4), shares), 5)
    groups = np.repeat(np.arange(5), shares.sum())
    order = rng.permutation(len(labels))
    value, se = answer.jackknife_entropy(labels[order], groups[order])
    p = shares / shares.sum()
    expect_close(value, -(p * np.log(p)).sum(), rtol=1e-9, what="the entropy")
    expect_close(se, 0.0, rtol=1e-6, scale=1.0, what="its error")


@criterion("q7", points=1, hint="For two outcomes TV is |a - b|.")
def test_two_outcomes(answer, rng):
    """two outcomes: the function g of the question"""
    a, b = rng.uniform(0.1, 0.9, 2)
    g = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b)) - 2 * (a - b) ** 2
    got = answer.pinsker_gap(np.array([a, 1 - a]), np.array([b, 1 - b]))
    expect_close(got, g, rtol=1e-8, scale=0.01 + abs(g))


def planted(rng, order):
    """Codes of a strong (0), a middling (1) and a weak (2) feature, in this order."""
    x = rng.integers(0, 2, (3_000, 3))
    y = (rng.random(3_000) < 0.08 + x @ [0.5, 0.26, 0.13]).astype(int)
    return x[:, order], y


@criterion("q8", points=1, hint="Nothing is chosen yet, so nothing is conditioned on.")
def test_the_first(answer, rng):
    """the first feature is the most informative one alone"""
    codes, y = planted(rng, [2, 1, 0])
    expect_equal([int(j) for j in answer.by_what_is_new(codes, y, 1)], [2])


@criterion("q8", points=2, hint="What does a copy tell, once the original is known?")
def test_a_copy_is_not_second(answer, rng):
    """a copy of the strong feature is not chosen second"""
    codes, y = planted(rng, [0, 0, 2])
    expect_equal([int(j) for j in answer.by_what_is_new(codes, y, 2)], [0, 2])


@criterion("q9", points=2, hint="Is a point its own nearest neighbour in your count?")
def test_a_known_divergence(answer, rng):
    """two normals half a nat apart, in two dimensions, to within 0.13"""
    x = rng.normal(size=(2_500, 2)) + [0.8, 0.6]
    y = rng.normal(size=(2_500, 2))
    one = answer.knn_divergence(x, y, 5)
    expect_between(one, 0.37, 0.63)
    two = answer.knn_divergence(x[::2], y, 5)
    expect_true(abs(one - two) > 1e-9, "it must depend on the data")
