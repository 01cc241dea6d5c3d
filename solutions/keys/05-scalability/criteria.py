"""All criteria of chapter 5, Computational Complexity and Scalability.

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


@criterion("q1", points=1, hint="Which of the two limits binds for one query?")
def test_half_the_bytes_half_the_time(answer, rng):
    """one query is bound by reading: half the bytes take half the time"""
    N, D = int(rng.integers(10_000, 90_000)), int(rng.integers(30, 300))
    one = answer.least_seconds(1, N, D, 4, 1e12, 1e10)
    expect_close(one, 4 * N * D / 1e10, rtol=0.1)              # scores: a few per cent
    expect_close(answer.least_seconds(1, N, D, 2, 1e12, 1e10), one / 2, rtol=1e-9)


@criterion("q1", points=1, hint="Two operations for each product of two numbers.")
def test_a_slow_processor_is_the_limit(answer, rng):
    """with endless bandwidth the time is operations over peak"""
    B, N, D = (int(v) for v in rng.integers(3, 50, 3))
    expect_close(answer.least_seconds(B, N, D, 4, 1e6, 1e18), 2 * B * N * D / 1e6)


@criterion("q1", points=1, hint="The scores are written, too.")
def test_any_machine(answer, rng, reference):
    """the time is right for any sizes and any machine"""
    for peak, bandwidth in ((1e9, 1e7), (1e9, 1e9), (1e8, 1e10)):
        B, N, D = (int(v) for v in rng.integers(2, 400, 3))
        args = (B, N, D, 4, peak, bandwidth)
        expect_close(answer.least_seconds(*args), reference.least_seconds(*args))


@criterion("q1", points=1, hint="What would a bandwidth of zero mean?")
def test_impossible_machines_are_refused(answer, rng):
    """sizes and rates that are not positive are refused"""
    N = int(rng.integers(5, 50))
    expect_error(
        lambda: answer.least_seconds(1, N, 8, 4, 1e9, 0), "ValueError", "0 B/s"
    )
    expect_error(
        lambda: answer.least_seconds(0, N, 8, 4, 1e9, 1e9), "ValueError", "B=0"
    )


@criterion(
    "q2", points=1, hint="Which share does the stage have, and what does Amdahl say?"
)
def test_one_step_is_amdahls_law(answer, rng):
    """after one step the speed-up is 1 / (1 - f + f / s)"""
    times = rng.uniform(1, 3, 4)
    times[2] += 20
    got = answer.plan(times, np.full(4, 5.0), 1)
    f = times[2] / times.sum()
    expect_equal(list(got["order"]), [2])
    expect_close(got["speedups"][0], 1 / (1 - f + f / 5))


@criterion("q2", points=1, hint="A slow stage that hardly improves is no target.")
def test_the_gain_decides_and_not_the_share(answer, rng):
    """a smaller stage that gains more milliseconds comes first"""
    scale = rng.uniform(1, 9)
    got = answer.plan(np.array([10.0, 6.0, 1.0]) * scale, [1.1, 3.0, 100.0], 3)
    expect_equal(list(got["order"]), [1, 2, 0])


@criterion(
    "q2", points=2, hint="Speed-ups are against the start, and no stage improves twice."
)
def test_any_profile(answer, rng, reference):
    """order and speed-ups are right for any profile"""
    times, factors = rng.uniform(1, 50, 6), rng.uniform(1.2, 9, 6)
    got, want = answer.plan(times, factors, 5), reference.plan(times, factors, 5)
    expect_equal(list(got["order"]), list(want["order"]))
    expect_close(got["speedups"], want["speedups"])


@criterion("q2", points=1, hint="How many stages can be improved?")
def test_impossible_plans_are_refused(answer, rng):
    """too many steps and factors of at most 1 are refused"""
    times = rng.uniform(1, 5, 3)
    expect_error(
        lambda: answer.plan(times, [2, 2, 2], 4), "ValueError", "four of three"
    )
    expect_error(
        lambda: answer.plan(times, [2, 1, 2], 1), "ValueError", "a factor of 1"
    )


@criterion("q3", points=2, hint="Rows are numbered through all blocks.")
def test_it_is_the_best_of_the_whole(answer, rng):
    """the answer equals a full sort of all rows"""
    Y, q = rng.normal(size=(60, 5)), rng.normal(size=5)
    rows, scores = answer.best_of_blocks(q, [Y[:7], Y[7:40], Y[40:]], 6)
    want = np.argsort(-(Y @ q))[:6]
    expect_equal(np.asarray(rows).tolist(), want.tolist())
    expect_close(scores, (Y @ q)[want])


@criterion("q3", points=2, hint="Equal scores may stand in different blocks.")
def test_ties_go_to_the_smaller_row(answer, rng, reference):
    """equal scores are ordered by row, at the cut too"""
    Y, q = rng.integers(-1, 2, size=(50, 2)).astype(float), np.ones(2)
    blocks = [Y[:10], Y[10:30], Y[30:]]
    for k in (1, 9, 23):
        rows, _ = answer.best_of_blocks(q, blocks, k)
        want, _ = reference.best_of_blocks(q, blocks, k)
        expect_equal(np.asarray(rows).tolist(), np.asarray(want).tolist())


@criterion("q3", points=2, hint="A block may be shorter than k, or empty.")
def test_short_and_empty_blocks(answer, rng):
    """blocks of any length, and fewer rows than k, are handled"""
    Y, q = rng.normal(size=(5, 3)), rng.normal(size=3)
    blocks = [Y[:0], Y[:2], Y[2:2], Y[2:]]
    rows, _ = answer.best_of_blocks(q, blocks, 4)
    expect_equal(np.asarray(rows).tolist(), np.argsort(-(Y @ q))[:4].tolist())
    rows, _ = answer.best_of_blocks(q, blocks, 9)
    expect_equal(np.asarray(rows).tolist(), np.argsort(-(Y @ q)).tolist())


@criterion("q4", points=1, hint="Put your A and C into W(A, C) and wiggle them.")
def test_no_neighbour_is_better(answer, rng):
    """the stated work is that of A and C, and no other A or C does better"""
    N, P = float(rng.integers(50_000, 900_000)), float(rng.integers(2, 40))
    A, C, W = answer.two_levels(N, P)
    work = lambda a, c: a + P * c / a + P * N / c
    expect_close(W, work(A, C), rtol=1e-9)
    for a, c in ((1.1, 1), (0.9, 1), (1, 1.1), (1, 0.9), (1.1, 1.1), (0.9, 0.9)):
        expect_true(work(A * a, C * c) > W, "another choice needs less work")


@criterion(
    "q4", points=1, hint="The product of the three terms does not depend on A and C."
)
def test_the_law_of_the_cube_root(answer, rng):
    """eight times the items need twice the work"""
    N, P = float(rng.integers(50_000, 900_000)), float(rng.integers(2, 40))
    expect_close(answer.two_levels(8 * N, P)[2], 2 * answer.two_levels(N, P)[2])
    expect_close(answer.two_levels(N, P)[2] ** 3, 27 * P * P * N)


@criterion("q5", points=2, hint="Without ties this is ordinary recall.")
def test_without_ties_it_is_recall(answer, rng):
    """with distinct scores it is the share of the true k that were found"""
    scores = rng.permutation(80) * 1.0
    found = np.concatenate([np.argsort(-scores)[[0, 2, 3]], np.argsort(-scores)[20:24]])
    expect_close(answer.tie_recall(rng.permutation(found), scores, 6), 3 / 6)
    expect_close(answer.tie_recall(rng.permutation(found), scores, 3), 2 / 3)


@criterion("q5", points=2, hint="A twin of the k-th best is as good as the k-th best.")
def test_twins_count(answer, rng, reference):
    """items that tie with the k-th best count, and never more than k of them"""
    scores = rng.integers(0, 6, 60) * 1.0
    for k in (3, 7):
        found = rng.choice(60, 12, replace=False)
        got = answer.tie_recall(found, scores, k)
        expect_close(got, reference.tie_recall(found, scores, k), scale=1.0)
    expect_close(answer.tie_recall(np.arange(60), scores, 4), 1.0)
    twins = np.array([3.0, 9.0, 5.0, 5.0, 1.0])
    for second in (2, 3):
        expect_close(answer.tie_recall([1, second], twins, 2), 1.0)


@criterion("q5", points=1, hint="An id returned twice fills one place; -1 fills none.")
def test_padding_and_repeats_fill_no_place(answer, rng):
    """-1 is no item and an item counts once"""
    scores = np.append(rng.permutation(30) * 1.0, 99.0)        # the last is the best
    top = np.argsort(-scores)[1]
    expect_close(answer.tie_recall([top, top, -1], scores, 4), 1 / 4)


def arrivals(rng, n=400, kinds=60, d=3, w=20):
    """A skewed stream, its elements' columns, and the places of each arrival."""
    columns = rng.integers(0, w, size=(kinds, d))
    stream = np.minimum(rng.geometric(0.08, n) - 1, kinds - 1)
    return stream, columns, columns[stream]


@criterion(
    "q7", points=2, hint="An element's smallest counter must rise at each arrival."
)
def test_estimates_are_never_too_low(answer, rng):
    """every estimate is at least the true count"""
    stream, columns, places = arrivals(rng)
    table = np.asarray(answer.conservative(places, 20))
    expect_shape(table, (3, 20))
    estimate = table[np.arange(3), columns].min(axis=1)
    expect_true(
        bool((estimate >= np.bincount(stream, minlength=60)).all()),
        "an estimate lies below the true count",
    )
    expect_true(int(table.max()) <= len(stream), "a counter exceeds the stream")


@criterion("q7", points=3, hint="Raise to the old minimum plus one, not by one.")
def test_counters_are_raised_only_as_far_as_needed(answer, rng, reference):
    """the table is that of conservative update"""
    _, _, places = arrivals(rng, n=300)
    expect_equal(
        np.asarray(answer.conservative(places, 20)).tolist(),
        np.asarray(reference.conservative(places, 20)).tolist(),
    )


@criterion(
    "q7", points=2, hint="Read all of an element's counters before you write any."
)
def test_the_rows_are_read_before_they_are_written(answer, rng):
    """one row is plain counting, and equal rows stay equal"""
    column = rng.integers(0, 9, size=(80, 1))
    counts = np.bincount(column[:, 0], minlength=9)
    expect_equal(np.asarray(answer.conservative(column, 9)).tolist(), [counts.tolist()])
    table = np.asarray(answer.conservative(np.repeat(column, 4, axis=1), 9))
    expect_equal(table.tolist(), [counts.tolist()] * 4)


@criterion("q8", points=1, hint="With few entries all coins can be tried.")
def test_against_all_coins(answer, rng):
    """for one row the variance is that over all coins"""
    x = rng.normal(size=7)
    coins = 1 - 2 * ((np.arange(128)[:, None] >> np.arange(7)) & 1)
    expect_close(answer.coin_variance(x, 1), ((coins @ x) ** 2).var(), rtol=1e-9)


@criterion("q8", points=1, hint="Rows are independent, each with weight 1/m.")
def test_rows_and_scale(answer, rng):
    """it falls like 1/m, grows like the fourth power, and is zero for one entry"""
    x, m = rng.normal(size=9), int(rng.integers(2, 50))
    one = answer.coin_variance(x, 1)
    expect_true(one > 0, "a vector of many entries has variance zero")
    expect_close(answer.coin_variance(x, m), one / m, rtol=1e-9)
    expect_close(answer.coin_variance(3 * x, 1), 81 * one, rtol=1e-9)
    expect_close(answer.coin_variance(np.eye(5)[2] * 4.2, m), 0.0, scale=1.0)


@criterion("q9", points=2, hint="Each part is coded on its own.")
def test_entries_are_coded_as_themselves(answer, rng):
    """vectors made of codebook entries come back exactly"""
    books = rng.normal(size=(4, 9, 3))
    codes = rng.integers(0, 9, size=(20, 4))
    X = answer.decode(codes, books)
    expect_shape(X, (20, 12))
    expect_close(np.asarray(X)[:, 3:6], books[1][codes[:, 1]])
    expect_equal(np.asarray(answer.encode(X, books)).tolist(), codes.tolist())


@criterion("q9", points=3, hint="Nearest in distance, not largest in inner product.")
def test_codes_are_nearest(answer, rng, reference):
    """no other code is nearer, and the error is the least there is"""
    books, X = rng.normal(size=(3, 7, 4)) * 2, rng.normal(size=(15, 12))
    codes = np.asarray(answer.encode(X, books))
    expect_equal(codes.tolist(), np.asarray(reference.encode(X, books)).tolist())


@criterion("q9", points=2, hint="Add the looked-up products of the parts.")
def test_tables_give_the_decoded_product(answer, rng):
    """the scores are those of the decoded vectors"""
    books, q = rng.normal(size=(5, 6, 2)), rng.normal(size=10)
    codes = rng.integers(0, 6, size=(30, 5))
    whole = np.concatenate([books[j][codes[:, j]] for j in range(5)], axis=1)
    expect_close(answer.scores(q, codes, books), whole @ q, rtol=1e-9, scale=1.0)


@criterion("q9", points=2, hint="What is multiplied once the table stands?")
def test_work_is_that_of_the_table(answer, rng):
    """multiplications do not grow with the number of items"""
    K, m, width = (int(v) for v in rng.integers(3, 40, 3))
    expect_close(answer.work(1_000, m * width, m, K), K * m * width)
    expect_close(answer.work(9_000, m * width, m, K), K * m * width)
