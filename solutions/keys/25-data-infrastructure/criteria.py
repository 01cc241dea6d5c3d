"""All criteria of chapter 25, Data Infrastructure.

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
    expect_true,
)


@criterion("q1", points=1, hint="What is the ratio of the real to the claimed error?")
def test_the_ratio(answer, rng):
    """real over claimed is (1 + 1/m) squared"""
    m, rho = int(rng.integers(1, 30)), float(rng.uniform(0, 0.9))
    claimed, _, real = answer.leaked_errors(m, rho)
    expect_close(real / claimed, (1 + 1 / m) ** 2, rtol=1e-9)


@criterion("q1", points=2, hint="The honest rule shrinks: its slope is not 1.")
def test_all_three(answer, rng, reference):
    """all three errors are right"""
    for _ in range(5):
        m, rho = int(rng.integers(1, 30)), float(rng.uniform(0.05, 0.9))
        expect_close(
            answer.leaked_errors(m, rho), reference.leaked_errors(m, rho), rtol=1e-9
        )


@criterion("q1", points=1, hint="A correlation of 1 leaves nothing to predict.")
def test_bad_input(answer, rng):
    """impossible m and rho are refused"""
    m = int(rng.integers(2, 9))
    expect_error(lambda: answer.leaked_errors(0, 0.2), "ValueError", "m = 0")
    expect_error(lambda: answer.leaked_errors(m, 1.0), "ValueError", "rho = 1")


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


@criterion("q2", points=3, hint="Compare with reading every event for every label.")
def test_brute_force(answer, rng):
    """the answer is that of brute force, ties and order included"""
    events, labels = pairs(rng, 40), pairs(rng, 40, 5, 14)
    want = [
        max(
            (
                (s, j)
                for j, (g, s) in enumerate(events)
                if g == e and s <= t
            ),
            default=(0, -1),
        )[1]
        for e, t in labels
    ]
    expect_equal([int(r) for r in answer.latest(labels, events)], want)


@criterion("q2", points=1, hint="A label before the first event has no answer.")
def test_no_history(answer, rng):
    """labels without history get -1"""
    e = int(rng.integers(3, 9))
    expect_equal(
        [int(r) for r in answer.latest([[e, 0], [e + 1, 9]], [[e, 5], [e - 1, 1]])],
        [-1, -1],
    )


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


@criterion("q3", points=2, hint="Sort by entity and day before looking for runs.")
def test_every_snapshot_is_answered(answer, rng):
    """each snapshot lies in exactly one spell, with its value"""
    e, d, v = snapshots(rng)
    rows = answer.spells(e, d, v)
    for a, b, c in zip(e, d, v):
        mine = [r for r in rows if r[0] == a and r[2] <= b]
        hit = [r for r in mine if r[3] is None or b < r[3]]
        expect_equal([int(r[1]) for r in hit], [c])


@criterion("q3", points=1, hint="Equal neighbours belong to one spell.")
def test_no_spell_repeats_its_neighbour(answer, rng):
    """neighbouring spells of an entity differ in value"""
    e, d, v = snapshots(rng)
    rows = answer.spells(e, d, v)
    expect_first(rows, e, d)
    expect_true(
        all(a[1] != b[1] for a, b in zip(rows, rows[1:]) if a[0] == b[0]),
        "two neighbouring spells have one value",
    )
    expect_true(len(rows) > 3, "there must be several spells")


@criterion("q6", points=1, hint="What happens when everybody or nobody changes?")
def test_the_ends(answer, rng):
    """nobody: 0; everybody: log(factor) / spread"""
    factor, spread = float(rng.uniform(2, 90)), float(rng.uniform(0.4, 1.2))
    expect_close(answer.mixed_index(0.0, factor, spread), 0.0, rtol=1e-6, scale=1.0)
    expect_close(
        answer.mixed_index(1.0, factor, spread), np.log(factor) / spread, rtol=1e-6
    )


@criterion("q6", points=3, hint="The median of a mixture solves F(z) = 1/2.")
def test_a_large_sample(answer, rng):
    """the index is that of a large sample"""
    share, spread = float(rng.uniform(0.15, 0.4)), float(rng.uniform(0.5, 1.0))
    factor = float(rng.choice([1 / 60, 60.0]))
    n = 200_000
    x = spread * rng.normal(size=n) + np.log(factor) * (rng.uniform(size=n) < share)
    expect_close(
        answer.mixed_index(share, factor, spread), np.median(x) / spread, rtol=0.03,
        scale=1.0,
    )


@criterion("q6", points=1, hint="A share above 1 has no meaning.")
def test_bad_shares(answer, rng):
    """impossible shares and factors are refused"""
    s = float(rng.uniform(0.5, 2))
    expect_error(lambda: answer.mixed_index(1.2, 60, s), "ValueError", "share 1.2")
    expect_error(lambda: answer.mixed_index(0.2, -60, s), "ValueError", "factor -60")


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


@criterion("q7", points=4, hint="The last to arrive need not be the newest.")
def test_with_delays(answer, rng):
    """late events: equal to comparing everything"""
    for _ in range(3):
        case = late(rng, 60, 60)
        got = [int(r) for r in answer.known_value(*case)]
        expect_equal(got, slow(*case))


@criterion("q7", points=1, hint="Sort once; then one pass, or binary searches.")
def test_size(answer, rng):
    """twenty thousand events and labels, a sample compared"""
    case = late(rng, 20_000, 20_000, 2_000, 900)
    rows = [int(r) for r in answer.known_value(*case)]
    some = rng.choice(20_000, 20, replace=False)
    few = (case[0][some], case[1][some], *case[2:])
    expect_equal([rows[i] for i in some], slow(*few))


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


@criterion("q9", points=4, hint="Count an item once, by its last play before t.")
def test_repeats(answer, rng):
    """items that repeat count once"""
    e, t, g, s, i = plays(rng)
    for width in (3, 11, 100):
        want = [
            len(set(i[(g == a) & (s >= u - width) & (s < u)].tolist()))
            for a, u in zip(e, t)
        ]
        got = answer.distinct_in_window(e, t, g, s, i, width)
        expect_equal([int(x) for x in got], want)


@criterion("q9", points=1, hint="The window is open at t and closed at its start.")
def test_borders(answer, rng):
    """the borders of the window"""
    w = int(rng.integers(2, 20))
    got = answer.distinct_in_window(
        np.array([1, 1]), np.array([w, 2 * w]), np.array([1, 1]),
        np.array([0, w]), np.array([7, 8]), w,
    )  # fmt: skip
    expect_equal([int(x) for x in got], [1, 1])
