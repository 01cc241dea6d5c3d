"""All criteria of chapter 38, The Staff Data Scientist.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_equal,
    expect_error,
)


@criterion("q1", points=1, hint="Which sign does resolution carry?")
def test_the_parts_add_up(answer, rng):
    """the parts add up to the Brier score"""
    q = rng.choice([0.55, 0.7, 0.85, 0.95], size=60)
    y = (rng.random(60) < 0.7).astype(float)
    s = answer.score_forecasts(q, y)
    parts = s["reliability"] - s["resolution"] + s["uncertainty"]
    expect_close(parts, ((q - y) ** 2).mean(), rtol=1e-9, what="sum of the parts")


@criterion("q1", points=2, hint="Weight each group by its share of the answers.")
def test_each_part_is_right(answer, rng, reference):
    """each part is right for groups of unequal size"""
    q = rng.choice([0.5, 0.6, 0.9], size=80, p=[0.1, 0.3, 0.6])
    y = (rng.random(80) < 0.8 * q).astype(float)
    s, t = answer.score_forecasts(q, y), reference.score_forecasts(q, y)
    for name in ("brier", "reliability", "resolution", "uncertainty"):
        expect_close(s[name], t[name], rtol=1e-9, what=name)


@criterion("q1", points=1, hint="Check the range of q before anything else.")
def test_percentages_are_refused(answer, rng):
    """answers given as percentages are refused"""
    q = rng.integers(50, 100, size=9).astype(float)
    bad = lambda: answer.score_forecasts(q, np.ones(9))  # noqa: E731
    expect_error(bad, "ValueError", "per cents")


@criterion("q2", points=1, hint="An RFC that is still open is open until today.")
def test_still_open(answer, rng):
    """an RFC that is still open counts until today"""
    a, b, c = np.cumsum(rng.integers(2, 20, size=3)).tolist()
    expect_equal(answer.days_open([[a, "draft"], [b, "open"]], c), c - b)


@criterion("q2", points=1, hint="It may be opened twice.")
def test_two_spells(answer, rng):
    """two spells are added, the draft between them is not"""
    d = np.cumsum(rng.integers(2, 20, size=6)).tolist()
    names = ["draft", "open", "draft", "open", "accepted"]
    history = [list(x) for x in zip(d[:5], names, strict=True)]
    expect_equal(answer.days_open(history, d[5]), d[2] - d[1] + d[4] - d[3])


@criterion("q2", points=1, hint="Compare each day with the next, today included.")
def test_time_runs_forward(answer, rng):
    """a history that goes back in time is refused"""
    d = int(rng.integers(5, 50))
    bad = [[d, "draft"], [d - 3, "open"]]
    expect_error(lambda: answer.days_open(bad, d + 9), "ValueError", "going back")
    good = [[d, "draft"], [d + 3, "open"]]
    expect_error(lambda: answer.days_open(good, d), "ValueError", "today too early")


@criterion("q4", points=1, hint="What does a blind spot add to the cost?")
def test_blind_spots_add_their_price(answer, rng):
    """a kind that nobody finds adds its price and changes nothing else"""
    lam, d, c1 = rng.uniform(1, 3, 2), rng.uniform(0.2, 0.6, 2), rng.uniform(5, 30, 2)
    n, cost = answer.best_review(lam, d, c1, 1.3)
    m, more = answer.best_review(np.r_[lam, 0.7], np.r_[d, 0.0], np.r_[c1, 11.0], 1.3)
    expect_equal(int(m), int(n))
    expect_close(more - cost, 7.7, rtol=1e-9)


@criterion("q4", points=1, hint="`most` is an allowed number, and the largest.")
def test_no_more_than_there_are(answer, rng, reference):
    """no more reviewers than there are"""
    lam, d, c1 = rng.uniform(2, 4, 2), rng.uniform(0.05, 0.1, 2), rng.uniform(90, 99, 2)
    most = int(rng.integers(2, 6))
    n, cost = answer.best_review(lam, d, c1, 0.7, most=most)
    expect_equal(int(n), most)
    want = reference.best_review(lam, d, c1, 0.7, most=most)[1]
    expect_close(cost, want, rtol=1e-9, what="cost")


@criterion("q4", points=2, hint="Add up the kinds; do not average d first.")
def test_number_and_cost(answer, rng, reference):
    """number and cost are right for three kinds"""
    for _ in range(5):
        lam, d, c1 = rng.uniform(0, 4, 3), rng.uniform(0, 0.8, 3), rng.uniform(1, 40, 3)
        got = answer.best_review(lam, d, c1, 1.7)
        want = reference.best_review(lam, d, c1, 1.7)
        expect_equal(int(got[0]), int(want[0]))
        expect_close(got[1], want[1], rtol=1e-9, what="cost")


@criterion("q4", points=1, hint="Start counting at zero.")
def test_sometimes_nobody(answer, rng):
    """cheap flaws deserve no review"""
    c1 = rng.uniform(0.1, 0.5, 2)
    n, cost = answer.best_review([1.0, 1.0], [0.3, 0.4], c1, 2.0)
    expect_equal(int(n), 0)
    expect_close(cost, c1.sum(), rtol=1e-9)


@criterion("q5", points=2, hint="Put the answer back into the present cost.")
def test_the_costs_are_equal(answer, rng):
    """at the limit the two present costs are equal"""
    rho, licence = rng.uniform(0.05, 0.15), rng.uniform(80, 120)
    build = licence * rng.uniform(2.6, 5.0)
    g = answer.growth_limit(build, licence, 3, rho)
    flows = [licence * (1 + g) ** (t - 1) / (1 + rho) ** t for t in (1, 2, 3)]
    expect_close(sum(flows), build, rtol=1e-5, what="present cost of buying")


@criterion("q5", points=2, hint="Growth may be negative.")
def test_shrinking_usage(answer, rng, reference):
    """the limit may be negative, and the horizon other than three years"""
    for years in (2, 5):
        build = float(rng.uniform(1.2, 1.6)) * 100
        g = answer.growth_limit(build, 100.0, years, 0.08)
        expect_close(g, reference.growth_limit(build, 100.0, years, 0.08), rtol=1e-5)


@criterion("q5", points=1, hint="Compare the ends of the range first.")
def test_no_limit(answer, rng):
    """when buying is dearer at any growth there is no limit"""
    licence = rng.uniform(500, 900)
    expect_error(
        lambda: answer.growth_limit(10.0, licence, 3, 0.1), "ValueError", "no limit"
    )


@criterion("q7", points=1, hint="Ending in a quarter frees the next one.")
def test_a_tight_chain_is_fine(answer, rng):
    """a chain in which each starts when the last has ended is fine"""
    q = rng.integers(1, 3, size=3)
    start = np.r_[0, np.cumsum(q)[:2]]
    a = answer.audit(start, q, [5.0, 5.0, 5.0], [[], [0], [1]], [5.0] * int(q.sum()))
    expect_equal(a["too_early"], [])
    expect_equal(a["over"], [])
    expect_equal(a["longest"], 3)


@criterion("q7", points=3, hint="A bet uses every quarter from its start to its end.")
def test_random_plans(answer, rng, reference):
    """faults of random plans are found, all of them"""
    for _ in range(6):
        q, start = rng.integers(1, 3, size=5), rng.integers(0, 4, size=5)
        demand = rng.uniform(1, 9, size=5)
        needs = [[int(a) for a in range(b) if rng.random() < 0.4] for b in range(5)]
        capacity = rng.uniform(6, 16, size=6)
        got = answer.audit(start, q, demand, needs, capacity)
        want = reference.audit(start, q, demand, needs, capacity)
        for name in ("too_early", "over", "longest"):
            expect_equal(got[name], want[name])


@criterion("q7", points=1, hint="Follow the needs: does a chain come back?")
def test_rings(answer, rng):
    """a ring of needs is refused"""
    q = rng.integers(1, 2, size=3)
    bad = [[2], [0], [1]]
    expect_error(lambda: answer.audit([0, 1, 2], q, [1.0] * 3, bad, [9.0] * 6),
                 "ValueError", "a ring")


@criterion("q7", points=1, hint="Compare ends with the number of quarters.")
def test_late_ends(answer, rng):
    """a bet that outlives the plan is refused"""
    q = [int(rng.integers(2, 4))]
    expect_error(lambda: answer.audit([3], q, [1.0], [[]], [9.0] * 4),
                 "ValueError", "an end beyond the plan")
