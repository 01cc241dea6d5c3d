"""Visible checks of chapter 38, The Staff Data Scientist.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 38

HINTS = {
    "q1": [
        "`np.unique(q, return_inverse=True)` gives the groups.",
        "`np.bincount` with weights gives the share that was right in each group.",
        "Reliability compares the stated value with that share; resolution compares the share with the overall mean."
    ],
    "q2": [
        "Each status lasts until the next entry.",
        "Append today to the list of days.",
        "Sum the differences where the status is open."
    ],
    "q3": [
        "Write the expected score and subtract its value at $q=p$.",
        "Use the concavity of the logarithm.",
        "What happens to each score as $q$ approaches one?"
    ],
    "q4": [
        "The share of kind $j$ that $n$ reviewers miss is $(1-d_j)^n$.",
        "Evaluate the cost for every $n$ from 0 to `most`.",
        "`argmin` returns the first of equal values."
    ],
    "q5": [
        "Present cost of buying increases with $g$.",
        "So a bisection, or `scipy.optimize.brentq`, finds the only root.",
        "If buying is dearer at $g=-0.9$ or cheaper at $g=10$, no rate in the range helps."
    ],
    "q6": [
        "When does the first of the $m$ finish, on average?",
        "Exponential durations have no memory.",
        "With equal durations the maximum is any one of them."
    ],
    "q7": [
        "`end = start + quarters` is the first quarter in which the bet no longer runs.",
        "The depth of a bet is one more than the largest depth of what it needs; repeat until nothing changes.",
        "If depths still change after B rounds, there is a ring."
    ],
    "q8": [
        "Whose choices produced last month's clicks?",
        "Which of the four priorities does a larger model touch?",
        "What is the cheapest observation that could prove the proposal wrong?"
    ],
    "q9": [
        "Write the vision last and put it first.",
        "Which promise are you least sure of? It belongs on page one.",
        "Let someone who is not a data scientist retell it to you."
    ]
}


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


@criterion("q2", points=1, hint="An RFC that is still open is open until today.")
def test_still_open(answer, rng):
    """an RFC that is still open counts until today"""
    a, b, c = np.cumsum(rng.integers(2, 20, size=3)).tolist()
    expect_equal(answer.days_open([[a, "draft"], [b, "open"]], c), c - b)


@criterion("q4", points=1, hint="What does a blind spot add to the cost?")
def test_blind_spots_add_their_price(answer, rng):
    """a kind that nobody finds adds its price and changes nothing else"""
    lam, d, c1 = rng.uniform(1, 3, 2), rng.uniform(0.2, 0.6, 2), rng.uniform(5, 30, 2)
    n, cost = answer.best_review(lam, d, c1, 1.3)
    m, more = answer.best_review(np.r_[lam, 0.7], np.r_[d, 0.0], np.r_[c1, 11.0], 1.3)
    expect_equal(int(m), int(n))
    expect_close(more - cost, 7.7, rtol=1e-9)


@criterion("q5", points=2, hint="Put the answer back into the present cost.")
def test_the_costs_are_equal(answer, rng):
    """at the limit the two present costs are equal"""
    rho, licence = rng.uniform(0.05, 0.15), rng.uniform(80, 120)
    build = licence * rng.uniform(2.6, 5.0)
    g = answer.growth_limit(build, licence, 3, rho)
    flows = [licence * (1 + g) ** (t - 1) / (1 + rho) ** t for t in (1, 2, 3)]
    expect_close(sum(flows), build, rtol=1e-5, what="present cost of buying")


@criterion("q7", points=1, hint="Ending in a quarter frees the next one.")
def test_a_tight_chain_is_fine(answer, rng):
    """a chain in which each starts when the last has ended is fine"""
    q = rng.integers(1, 3, size=3)
    start = np.r_[0, np.cumsum(q)[:2]]
    a = answer.audit(start, q, [5.0, 5.0, 5.0], [[], [0], [1]], [5.0] * int(q.sum()))
    expect_equal(a["too_early"], [])
    expect_equal(a["over"], [])
    expect_equal(a["longest"], 3)
