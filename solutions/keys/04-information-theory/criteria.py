"""All criteria of chapter 4, Information Theory for Data Science.

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


@criterion("q1", points=2, hint="Code lengths of what happened, not of what did not.")
def test_any_probabilities(answer, rng, reference):
    """the saving is right for any probabilities, good or bad"""
    y = np.r_[0, 1, rng.integers(0, 2, 40)]
    p = rng.uniform(0.05, 0.95, 42)
    expect_close(answer.bits_saved(y, p), reference.bits_saved(y, p), rtol=1e-9)


@criterion("q1", points=1, hint="What does a code spend on an event it ruled out?")
def test_certainty_is_refused(answer, rng):
    """a probability of exactly 0 or 1 is refused"""
    y, p = np.array([0, 1, 1]), rng.uniform(0.2, 0.8, 3)
    for sure in (0.0, 1.0):
        bad = np.r_[p[:2], sure]
        expect_error(lambda: answer.bits_saved(y, bad), "ValueError", "certainty")


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


@criterion("q2", points=1, hint="Add up 2 to the minus length.")
def test_impossible_lengths_are_refused(answer, rng):
    """lengths that break Kraft's inequality are refused"""
    lengths = [int(v) for v in rng.permutation([1, 2, 2, 3])]
    expect_error(lambda: answer.codewords(lengths), "ValueError", "short words")


@criterion("q2", points=1, hint="What is in your buffer when the string ends?")
def test_leftovers_are_refused(answer, rng):
    """a string that ends within a word is refused"""
    words = ["0", "10", "110", "111"]
    bits = "".join(words[k] for k in rng.integers(0, 4, 8)) + "11"
    expect_error(lambda: answer.decode(bits, words), "ValueError", "bits left over")


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


@criterion("q3", points=2, hint="1/n + 1/m, and B - 1 degrees of freedom.")
def test_the_law(answer, rng, reference):
    """index, excess and p-value for samples of different sizes, units included"""
    p, q = rng.integers(40, 60, 8), rng.integers(400, 600, 8)
    for rows in (1.0, 3.0):
        got = answer.psi_alarm(p, q, rows_per_unit=rows)
        want = reference.psi_alarm(p, q, rows_per_unit=rows)
        for key in ("psi", "excess", "p_value"):
            expect_close(got[key], want[key], rtol=1e-6, what=key)


@criterion("q3", points=1, hint="A million rows make anything significant.")
def test_small_but_certain(answer, rng):
    """a certain change is an alarm only if what chance does not explain is large"""
    p = rng.integers(90_000, 110_000, 5)
    small = answer.psi_alarm(p, p + np.array([9_000, 0, 0, 0, 0]))
    large = answer.psi_alarm(p, p * np.array([4, 1, 1, 1, 1]))
    expect_true(not small["alarm"] and large["alarm"], "size is half of the rule")
    q = rng.permutation([54] * 5 + [26] * 5)               # PSI 0.128, excess 0.083
    partly = answer.psi_alarm(np.full(10, 40), q)
    expect_true(not partly["alarm"], "size is judged without chance's part")


@criterion("q3", points=1, hint="What does chance alone give for 50 rows a side?")
def test_large_but_uncertain(answer, rng):
    """a large index that chance explains is no alarm"""
    q = rng.permutation([2, 3, 4, 5, 5, 5, 6, 6, 7, 7])
    expect_true(not answer.psi_alarm(np.full(10, 5), q)["alarm"], "fifty rows a side")


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


@criterion("q4", points=1, hint="Values may be negative, and unevenly spaced.")
def test_any_values(answer, rng, reference):
    """the distribution is right for any values, means near an end included"""
    v = np.sort(rng.normal(size=5) * 4)
    m = float(v[0] + 0.1 * (v[-1] - v[0]))
    expect_close(answer.max_entropy(v, m), reference.max_entropy(v, m), rtol=1e-5)


@criterion("q4", points=1, hint="Which means can any distribution on the values have?")
def test_impossible_means_are_refused(answer, rng):
    """a mean outside the values, or at their ends, is refused"""
    v = np.sort(rng.normal(size=4))
    for m in (float(v[0]) - 1.0, float(v[-1])):
        expect_error(lambda: answer.max_entropy(v, m), "ValueError", "such a mean")


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


@criterion("q6", points=3, hint="Groups may differ in size and in what they hold.")
def test_uneven_groups(answer, rng, reference):
    """estimate and error for groups of uneven size, named by any integers"""
    groups = np.r_[7, 90, -3, rng.choice([7, 90, -3, 12], 60, p=[0.1, 0.2, 0.3, 0.4])]
    labels = (rng.integers(0, 5, 63) + (groups > 10)) % 5
    got = answer.jackknife_entropy(labels, groups)
    want = reference.jackknife_entropy(labels, groups)
    expect_close(got[0], want[0], rtol=1e-8, what="the entropy")
    expect_close(got[1], want[1], rtol=1e-8, what="its error")


@criterion("q6", points=1, hint="What is left when the only group is left out?")
def test_one_group_is_refused(answer, rng):
    """a single group is refused"""
    labels = rng.integers(0, 3, 12)
    one = np.full(12, 4)
    call = lambda: answer.jackknife_entropy(labels, one)
    expect_error(call, "ValueError", "one group")


@criterion("q7", points=1, hint="For two outcomes TV is |a - b|.")
def test_two_outcomes(answer, rng):
    """two outcomes: the function g of the question"""
    a, b = rng.uniform(0.1, 0.9, 2)
    g = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b)) - 2 * (a - b) ** 2
    got = answer.pinsker_gap(np.array([a, 1 - a]), np.array([b, 1 - b]))
    expect_close(got, g, rtol=1e-8, scale=0.01 + abs(g))


@criterion("q7", points=1, hint="Half the sum of absolute differences.")
def test_many_outcomes(answer, rng, reference):
    """many outcomes, some of probability zero under p"""
    p, q = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(6))
    p[2] = 0.0
    p /= p.sum()
    got, want = answer.pinsker_gap(p, q), reference.pinsker_gap(p, q)
    expect_close(got, want, rtol=1e-8)


@criterion("q7", points=1, hint="What if q rules out what p allows?")
def test_infinite(answer, rng):
    """infinite when q excludes an outcome of p"""
    p = rng.dirichlet(np.ones(4)) * 0.9 + 0.025
    q = np.array([0.0, 0.5, 0.25, 0.25])
    expect_true(answer.pinsker_gap(p, q) == np.inf, "an excluded outcome")


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


@criterion("q8", points=3, hint="Every feature chosen counts, not the last alone.")
def test_nor_later(answer, rng):
    """nor later: the smallest value over all features chosen decides"""
    codes, y = planted(rng, [0, 1, 0, 2])
    expect_equal([int(j) for j in answer.by_what_is_new(codes, y, 3)], [0, 1, 3])


@criterion("q8", points=1, hint="There are p features.")
def test_impossible_numbers_are_refused(answer, rng):
    """more features than there are, or none, are refused"""
    codes, y = planted(rng, [0, 1, 2])
    for k in (0, 4):
        call = lambda: answer.by_what_is_new(codes, y, k)
        expect_error(call, "ValueError", "such a k")


@criterion("q9", points=2, hint="Is a point its own nearest neighbour in your count?")
def test_a_known_divergence(answer, rng):
    """two normals half a nat apart, in two dimensions, to within 0.13"""
    x = rng.normal(size=(2_500, 2)) + [0.8, 0.6]
    y = rng.normal(size=(2_500, 2))
    one = answer.knn_divergence(x, y, 5)
    expect_between(one, 0.37, 0.63)
    two = answer.knn_divergence(x[::2], y, 5)
    expect_true(abs(one - two) > 1e-9, "it must depend on the data")


@criterion("q9", points=3, hint="Which sample are the k-th neighbours counted in?")
def test_uneven_samples(answer, rng, reference):
    """samples of uneven size and scale, several k"""
    x, y = rng.normal(size=(80, 3)) * [1, 2, 0.5], 1.7 * rng.normal(size=(130, 3)) - 0.4
    for k in (1, 4):
        want = reference.knn_divergence(x, y, k)
        expect_close(answer.knn_divergence(x, y, k), want, rtol=1e-6, scale=1.0)


@criterion("q9", points=1, hint="n - 1 others, m draws.")
def test_too_few_points(answer, rng):
    """too few points, or different dimensions, are refused"""
    x, y = rng.normal(size=(5, 2)), rng.normal(size=(30, 2))
    wide = rng.normal(size=(30, 3))
    expect_error(lambda: answer.knn_divergence(x, y, 5), "ValueError", "n = k")
    expect_error(lambda: answer.knn_divergence(y, wide, 1), "ValueError", "dimensions")
