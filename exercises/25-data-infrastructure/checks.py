"""Visible checks of chapter 25, Data Infrastructure.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

CHAPTER = 25

HINTS = {
    "q1": [
        "Which slope does the leaked feature teach?",
        "Apply slope 1 to the honest feature for the real error.",
        "The honest error is 1 minus the squared covariance over the variance of the honest mean."
    ],
    "q2": [
        "Sort positions, not the lists, so that you can return to the old order.",
        "Move through the events while they are not after the label.",
        "The last event passed counts only if its entity is the label's."
    ],
    "q3": [
        "In SQL this is `lag` to find changes and `lead` to close spells.",
        "Walk through the sorted snapshots and keep the open spell.",
        "Close the open spell only when the value changes within the entity."
    ],
    "q4": [
        "Second moments of a mixture are mixtures of second moments.",
        "For the sign of the derivative of a ratio you need only the numerator.",
        "Complete the square in $b$ for the served error."
    ],
    "q5": [
        "For one user who left, write down what each feature would have said on the day of scoring.",
        "Which sentence of the design could two teams read differently?",
        "What is the simplest thing that would serve three numbers once a night?"
    ],
    "q6": [
        "Work with standardised logarithms: the healthy part is standard Normal.",
        "The other part is the same Normal, shifted by log(factor) / spread.",
        "Bracket the root between the two medians and use a root finder."
    ],
    "q7": [
        "Put labels and events on one time line, by the moment at which events are visible.",
        "Walk along it and keep the newest row of each entity.",
        "An arriving row replaces the kept one only if it is newer by event time."
    ],
    "q8": [
        "Divide one cost by the other and look at both ends.",
        "Show that the ratio increases: differentiate its logarithm.",
        "For the approximation, compare $e^{-Cu}$ with $e^{-u}$ at the crossing."
    ],
    "q9": [
        "Let each item be represented in the window by one of its plays: which?",
        "Take the last play before t; you need to know when the same item is played next.",
        "Sort by entity, item, time: the next play of the item is the next row."
    ]
}


import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_equal,
    expect_error,
    expect_true,
)


@criterion("q1", points=1, hint="What is the ratio of the real to the claimed error?")
def test_the_ratio(answer, rng):
    """real over claimed is (1 + 1/m) squared"""
    m, rho = int(rng.integers(1, 30)), float(rng.uniform(0, 0.9))
    claimed, _, real = answer.leaked_errors(m, rho)
    expect_close(real / claimed, (1 + 1 / m) ** 2, rtol=1e-9)


def pairs(rng, n, entities=4, top=12):
    """n random (entity, moment) pairs."""
    return np.column_stack(
        [rng.integers(0, entities, n), rng.integers(0, top, n)]
    ).tolist()


@criterion("q2", points=1, hint="Two labels may see the same event.")
def test_an_event_sees_itself(answer, rng):
    """labels that are the events themselves find themselves or an equal one"""
    events = pairs(rng, 30)
    rows = answer.latest(events, events)
    expect_equal([list(events[int(r)]) for r in rows], events)


def snapshots(rng, n=60):
    """Shuffled snapshots of three entities."""
    cells = rng.permutation(3 * 40)[:n]
    return (cells // 40).tolist(), (cells % 40).tolist(), rng.integers(0, 2, n).tolist()


def expect_first(rows, entity, day):
    """Each entity's first spell begins with its first snapshot."""
    for a in set(entity):
        first = min(d for e, d in zip(entity, day) if e == a)
        mine = min((r[2] for r in rows if r[0] == a), default=None)
        expect_equal(mine, first, "the first day of a first spell")


@criterion("q3", points=1, hint="Each spell begins where the one before it ends.")
def test_spells_meet(answer, rng):
    """spells of an entity follow each other without gap or overlap"""
    e, d, v = snapshots(rng)
    rows = answer.spells(e, d, v)
    expect_true(len(rows) > 3, "there must be several spells")
    expect_first(rows, e, d)
    for a, b in zip(rows, rows[1:]):
        expect_equal(a[3], b[2] if a[0] == b[0] else None)


@criterion("q6", points=1, hint="What happens when everybody or nobody changes?")
def test_the_ends(answer, rng):
    """nobody: 0; everybody: log(factor) / spread"""
    factor, spread = float(rng.uniform(2, 90)), float(rng.uniform(0.4, 1.2))
    expect_close(answer.mixed_index(0.0, factor, spread), 0.0, rtol=1e-6, scale=1.0)
    expect_close(
        answer.mixed_index(1.0, factor, spread), np.log(factor) / spread, rtol=1e-6
    )


def late(rng, n, m, entities=5, top=30):
    """Random labels and events with delays."""
    s = rng.integers(0, top, n)
    return (
        rng.integers(0, entities, m), rng.integers(0, top + 5, m),
        rng.integers(0, entities, n), s, s + rng.integers(0, top // 3, n),
    )  # fmt: skip


def slow(e, t, g, s, c):
    """Every label with every event."""
    out = []
    for a, u in zip(e, t):
        seen = [
            (s[j], max(s[j], c[j]), j)
            for j in range(len(s))
            if g[j] == a and max(s[j], c[j]) <= u
        ]
        out.append(int(max(seen)[2]) if seen else -1)
    return out


@criterion("q7", points=1, hint="Without delays it is the ordinary as-of join.")
def test_without_delays(answer, rng):
    """events known at once: the ordinary as-of join"""
    e, t, g, s, _ = late(rng, 50, 50)
    got = [int(r) for r in answer.known_value(e, t, g, s, s)]
    expect_equal(got, slow(e, t, g, s, s))


def plays(rng, n=80, m=40):
    """Random labels and plays."""
    return (
        rng.integers(0, 4, m), rng.integers(0, 40, m), rng.integers(0, 4, n),
        rng.integers(0, 40, n), rng.integers(0, 6, n),
    )  # fmt: skip


@criterion("q9", points=1, hint="If no item repeats, counting events is enough.")
def test_all_different(answer, rng):
    """items that never repeat: the number of events"""
    e, t, g, s, _ = plays(rng)
    got = answer.distinct_in_window(e, t, g, s, np.arange(len(s)), 9)
    want = [int(((g == a) & (s >= u - 9) & (s < u)).sum()) for a, u in zip(e, t)]
    expect_equal([int(x) for x in got], want)
