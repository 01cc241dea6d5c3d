"""Visible checks of chapter 5, Computational Complexity and Scalability.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 5

HINTS = {
    "q1": [
        "Count operations and bytes separately.",
        "Three matrices move: queries, items, and the scores.",
        "The larger of the two times is the bound, not their sum."
    ],
    "q2": [
        "A stage of $t$ ms made $s$ times as fast saves $t(1-1/s)$.",
        "The largest saving wins, not the largest share.",
        "Keep the starting total for all speed-ups."
    ],
    "q3": [
        "Carry the k best so far; each block adds candidates to them.",
        "`np.lexsort((rows, -scores))` sorts by score, then by row.",
        "Keep a running offset: the row of the first of the block."
    ],
    "q4": [
        "Three things are scored: group centroids, cell centroids, items.",
        "What is the product of the three terms?",
        "The sum of three positive numbers with a given product is least when they are equal."
    ],
    "q5": [
        "What is the lowest score that deserves a place?",
        "Remove repeats and -1 first: -1 would index the last item.",
        "More than k items may reach the bar; cap the share."
    ],
    "q6": [
        "How many bytes must an exact query read, and how long does that take?",
        "Who were the ten queries, and what is the interval of 99 of 100?",
        "What does a filter that keeps a fifth do to a list of ten?"
    ],
    "q7": [
        "The estimate before the arrival is the smallest of the d counters.",
        "Every counter must end at least one above that estimate, and no counter falls.",
        "Read the d counters first; compute the minimum once."
    ],
    "q8": [
        "Write one row as $S=\\sum_js_jx_j$ and square it.",
        "$S^2-\\lVert x\\rVert^2$ is a sum over pairs; which of its products are correlated?",
        "$(\\sum x_j^2)^2=\\sum x_j^4+2\\sum_{j<l}x_j^2x_l^2$."
    ],
    "q9": [
        "Reshape X to (n, m, D/m); compare part j with book j only.",
        "`books[np.arange(m), codes]` picks an entry for each part at once.",
        "The table has m rows and K columns; an item costs m look-ups and additions."
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


@criterion("q3", points=2, hint="Rows are numbered through all blocks.")
def test_it_is_the_best_of_the_whole(answer, rng):
    """the answer equals a full sort of all rows"""
    Y, q = rng.normal(size=(60, 5)), rng.normal(size=5)
    rows, scores = answer.best_of_blocks(q, [Y[:7], Y[7:40], Y[40:]], 6)
    want = np.argsort(-(Y @ q))[:6]
    expect_equal(np.asarray(rows).tolist(), want.tolist())
    expect_close(scores, (Y @ q)[want])


@criterion("q4", points=1, hint="Put your A and C into W(A, C) and wiggle them.")
def test_no_neighbour_is_better(answer, rng):
    """the stated work is that of A and C, and no other A or C does better"""
    N, P = float(rng.integers(50_000, 900_000)), float(rng.integers(2, 40))
    A, C, W = answer.two_levels(N, P)
    work = lambda a, c: a + P * c / a + P * N / c
    expect_close(W, work(A, C), rtol=1e-9)
    for a, c in ((1.1, 1), (0.9, 1), (1, 1.1), (1, 0.9), (1.1, 1.1), (0.9, 0.9)):
        expect_true(work(A * a, C * c) > W, "another choice needs less work")


@criterion("q5", points=2, hint="Without ties this is ordinary recall.")
def test_without_ties_it_is_recall(answer, rng):
    """with distinct scores it is the share of the true k that were found"""
    scores = rng.permutation(80) * 1.0
    found = np.concatenate([np.argsort(-scores)[[0, 2, 3]], np.argsort(-scores)[20:24]])
    expect_close(answer.tie_recall(rng.permutation(found), scores, 6), 3 / 6)
    expect_close(answer.tie_recall(rng.permutation(found), scores, 3), 2 / 3)


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


@criterion("q8", points=1, hint="With few entries all coins can be tried.")
def test_against_all_coins(answer, rng):
    """for one row the variance is that over all coins"""
    x = rng.normal(size=7)
    coins = 1 - 2 * ((np.arange(128)[:, None] >> np.arange(7)) & 1)
    expect_close(answer.coin_variance(x, 1), ((coins @ x) ** 2).var(), rtol=1e-9)


@criterion("q9", points=2, hint="Each part is coded on its own.")
def test_entries_are_coded_as_themselves(answer, rng):
    """vectors made of codebook entries come back exactly"""
    books = rng.normal(size=(4, 9, 3))
    codes = rng.integers(0, 9, size=(20, 4))
    X = answer.decode(codes, books)
    expect_shape(X, (20, 12))
    expect_close(np.asarray(X)[:, 3:6], books[1][codes[:, 1]])
    expect_equal(np.asarray(answer.encode(X, books)).tolist(), codes.tolist())
