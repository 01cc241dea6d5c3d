"""M9: the contract of the funnel, and what faults may do to it."""

import time

import numpy as np

from streamrec.grading.criteria import criterion, expect_shape, expect_true

VALID = 0.999  # of the answers, at least


class Service:
    """A catalogue, its users, and the source of a retriever and a ranker.

    Both are written as lambdas, which the answer's own process evaluates.
    """

    def __init__(self, rng, B):
        self.N, self.k = int(rng.integers(180, 240)), int(rng.integers(8, 13))
        self.users = rng.permutation(10 * B)[:B]
        self.popular = rng.permutation(self.N)
        self.blocked = rng.choice(self.N, 12, replace=False)
        rest = np.setdiff1d(np.arange(self.N), self.blocked)
        self.seen = [
            rng.choice(rest, rng.integers(0, 25), replace=False) for _ in "x" * B
        ]
        self.a, self.b = (int(x) for x in rng.choice([7, 11, 13, 17, 19], 2, False))
        self.w = float(rng.uniform(0.3, 0.5))
        self.m = int(rng.integers(40, 60))  # candidates
        self.hit = int(rng.integers(3))  # users with this remainder meet the fault

    def good(self):
        """Sources of (retrieve, rank) that work."""
        retrieve = f"(np.arange({self.m}) * {self.a} + {self.b} * u) % {self.N}"
        return retrieve, f"np.sin({self.w} * np.asarray(items) * (2 + u % 5) + u)"

    def faulty(self, retrieve="", rank=""):
        """The same, with another source for some users."""
        one, two = self.good()
        if retrieve:
            one = f"({retrieve}) if u % 3 == {self.hit} else ({one})"
        if rank:
            two = f"({rank}) if u % 3 == {self.hit} else ({two})"
        return one, two

    def ask(self, answer, sources, rows=None, deadline=5.0):
        """(items (B, k), fallback (B,)) of the users in ``rows``."""
        rows = np.arange(len(self.users)) if rows is None else rows
        retrieve = answer.define(f"lambda u: {sources[0]}")
        rank = answer.define(f"lambda u, items: {sources[1]}")
        got = answer.make_lists(
            self.users[rows],
            retrieve,
            rank,
            self.popular,
            [self.seen[r] for r in rows],
            self.blocked,
            self.k,
            deadline,
        )
        for name in ("items", "fallback"):
            good = type(got) is dict and name in got
            expect_true(good, "return a dict with items and fallback")
        expect_shape(got["items"], (len(rows), self.k), "the lists")
        expect_shape(np.asarray(got["fallback"]) * 1, (len(rows),), "fallback")
        items = np.asarray(got["items"])
        expect_true(items.dtype.kind in "iu", "the lists must hold whole numbers")
        return items, np.asarray(got["fallback"]).astype(bool)

    def valid(self, items):
        """Which lists hold k items of the catalogue, none twice, blocked or seen."""
        out = []
        for row, seen in zip(items, self.seen):
            own = set(row.tolist())
            bad = own & (set(seen.tolist()) | set(self.blocked.tolist()))
            inside = min(own) >= 0 and max(own) < self.N
            out.append(len(own) == self.k and inside and not bad)
        return np.array(out)

    def expected(self):
        """What a user gets without faults: the ranked candidates, then the popular."""
        retrieve, rank = self.good()
        f = eval(f"lambda u: {retrieve}", {"np": np})
        g = eval(f"lambda u, items: {rank}", {"np": np})
        out = []
        for u, seen in zip(self.users, self.seen):
            left = [j for j in dict.fromkeys(f(u).tolist()) if j not in self.blocked]
            left = np.array([j for j in left if j not in seen])
            order = left[np.argsort(-g(u, left), kind="stable")].tolist()
            never = set(order) | set(seen.tolist()) | set(self.blocked.tolist())
            order += [j for j in self.popular.tolist() if j not in never]
            out.append(order[: self.k])
        return np.array(out)

    def struck(self):
        """Users who meet the fault."""
        return self.users % 3 == self.hit


def _survives(answer, rng, faults, B=400):
    """Lists stay valid under each fault; users who do not meet it keep theirs."""
    for fault in faults:
        s = Service(rng, B)
        items, _ = s.ask(answer, s.faulty(**fault))
        expect_true(bool(s.valid(items).mean() >= VALID), "a fault left a list invalid")
        same = (items == s.expected()).all(axis=1)[~s.struck()]
        expect_true(bool(same.mean() >= VALID), "a fault reached users it does not hit")


@criterion("q14", points=2, hint="Rules last: after ranking, before the list is cut.")
def test_lists_keep_the_contract(answer, rng):
    """k items by rank, none twice, blocked or seen; filled up with what is popular"""
    for m in (0, 6):
        s = Service(rng, 500)
        s.m = m or s.m  # too few candidates: the rest is popular
        items, _ = s.ask(answer, s.good())
        expect_true(bool(s.valid(items).all()), "a list breaks the contract")
        same = bool((items == s.expected()).all())
        expect_true(same, "the lists are not the ranked candidates, then the popular")


@criterion("q14", points=2, hint="Catch the failure of one stage for one user.")
def test_failing_stages_leave_lists_valid(answer, rng):
    """a retriever that raises or finds nothing, a ranker that raises: 99.9 % valid"""
    stages = [
        {"retrieve": "1 // 0"},
        {"retrieve": "np.array([], dtype=int)"},
        {"rank": "{}['weights']"},
    ]
    _survives(answer, rng, stages)


@criterion("q14", points=1.5, hint="Trust no stage: look at what it returns.")
def test_broken_results_leave_lists_valid(answer, rng):
    """ids from nowhere or twice, scores that are no numbers or too few: 99.9 % valid"""
    junk = "np.array([-3, 10**6, 5, 5, 5, 9, 9, 10**6 + 1])"
    stages = [
        {"retrieve": junk},
        {"rank": "np.full(len(items), np.nan)"},
        {"rank": "np.ones(3)"},
        {"retrieve": "None"},
    ]
    _survives(answer, rng, stages, 300)


@criterion(
    "q14", points=1.5, hint="Ask in another thread; wait no longer than allowed."
)
def test_a_slow_stage_is_not_waited_for(answer, rng):
    """a stage that hangs costs its user the deadline, not the answer"""
    for stage in ("retrieve", "rank"):
        s = Service(rng, 45)
        some = np.flatnonzero(s.struck())
        late = set(s.users[some[:6]].tolist())  # six of them hang for 2 seconds
        sources = list(s.good())
        place = 0 if stage == "retrieve" else 1
        hang = "__import__('time').sleep(2)"
        sources[place] = f"({hang}) if u in {late or {-1}} else ({sources[place]})"
        s.ask(answer, s.good(), np.arange(5))  # imports and pools are there
        start = time.monotonic()
        items, told = s.ask(answer, sources, deadline=0.1)
        spent = time.monotonic() - start
        expect_true(bool(s.valid(items).all()), "a slow stage left a list invalid")
        expect_true(spent < 1 + 0.6 * len(late), "slow stages were waited for")
        hit = np.isin(s.users, list(late))
        expect_true(bool(told[hit].all()), "a late answer is not told as a fallback")
        same = (items == s.expected()).all(axis=1)[~hit]
        expect_true(bool(same.mean() > 0.7), "users whose stages answer lose as well")


@criterion("q14", points=0.5, hint="Count a list as degraded when a stage failed.")
def test_degraded_answers_are_told(answer, rng):
    """fallback is true for the users whose stages failed, and for nobody else"""
    for fault in ({"retrieve": "1 // 0"}, {"rank": "np.ones(3)"}, {}):
        s = Service(rng, 200)
        _, told = s.ask(answer, s.faulty(**fault))
        want = s.struck() if fault else np.zeros(len(told), dtype=bool)
        expect_true(bool((told == want).all()), "the degraded share is wrong")


@criterion("q14", points=0.5, hint="What does not depend on the user is done once.")
def test_answers_meet_the_latency(answer, rng):
    """of 120 single answers half take less than 50 ms and 95 % less than 100 ms"""
    s = Service(rng, 120)
    lists, seconds = [], []
    s.ask(answer, s.good(), np.arange(5))
    for r in range(120):
        start = time.monotonic()
        lists.append(s.ask(answer, s.good(), np.array([r]))[0][0])
        seconds.append(time.monotonic() - start)
    expect_true(bool((np.array(lists) == s.expected()).all()), "a list is wrong")
    half, most = np.quantile(seconds, [0.5, 0.95])
    expect_true(bool(half < 0.05 and most < 0.1), "answers take too long")
