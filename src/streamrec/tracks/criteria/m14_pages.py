"""M14: pages for drift and outages, and quiet in between."""

import numpy as np

from streamrec.grading.criteria import criterion, expect_equal, expect_true

REFERENCE, MONTH = 28, 30  # days
IN_TIME = 10  # days from the start of a drift


class Stream:
    """Events of users who differ: a day's values are not independent."""

    def __init__(self, rng):
        self.rng = rng
        self.taste = rng.normal(size=160)
        self.rate = rng.lognormal(1.2, 0.6, 160)
        self.start = 7 * int(rng.integers(3, 40))

    def days(self, first, count):
        """{"day", "user", "value"} of so many clean days."""
        rng, rows = self.rng, []
        for n in range(count):
            busy = 0.75 if (first + n) % 7 in (5, 6) else 0.5
            there = np.flatnonzero(rng.uniform(size=160) < busy)
            user = np.repeat(there, rng.poisson(self.rate[there]))
            value = self.taste[user] + rng.normal(size=len(user))
            rows.append((np.full(len(user), first + n), user, value))
        columns = (np.concatenate(c) for c in zip(*rows))
        return dict(zip(("day", "user", "value"), columns))

    def reference(self):
        """Four clean weeks."""
        return self.days(self.start, REFERENCE)

    def months(self, shift, volume):
        """(the month that follows with its fault, the same month without it)."""
        clean = self.days(self.start + REFERENCE, MONTH)
        n = clean["day"] - self.start - REFERENCE
        left = self.rng.uniform(size=len(n)) < volume[n]
        faulty = clean | {"value": clean["value"] + shift[n]}
        return {c: v[left] for c, v in faulty.items()}, clean


def _paged(answer, reference, month, first):
    """Days of the month on which it pages, counted from 0."""
    got = answer.pages(reference, month, first, first + MONTH - 1)
    array = np.asarray(got)
    good = array.ndim == 1 and (array.size == 0 or array.dtype.kind in "iu")
    expect_true(good, "return a list of days")
    days = sorted({int(d) - first for d in array.tolist()})
    expect_true(all(0 <= d < MONTH for d in days), "a page lies outside the month")
    return days


def _months(answer, rng, count, plant):
    """(days paged, days that would be paged without the fault, its day) of months.

    ``plant`` gives the dials and the day.
    """
    out = []
    for _ in range(count):
        s = Stream(rng)
        shift, volume, day = plant(rng)
        first = s.start + REFERENCE
        reference, (month, clean) = s.reference(), s.months(shift, volume)
        if rng.uniform() < 0.5:  # the order tells nothing
            days = _paged(answer, reference, month, first)
            calm = _paged(answer, reference, clean, first)
        else:
            calm = _paged(answer, reference, clean, first)
            days = _paged(answer, reference, month, first)
        cut = int(rng.integers(8, 22))  # no page may rest on later days
        known = {c: v[month["day"] <= first + cut] for c, v in month.items()}
        got = np.asarray(answer.pages(reference, known, first, first + cut)) - first
        before = sorted({int(d) for d in got.tolist()})
        expect_equal([d for d in days if d <= cut], before, "pages up to a day")
        out.append((days, calm, day))
    return out


def _judged(rows, hit):
    """Each fault is paged, all but one because of the fault; false pages are few."""
    because = 0
    for days, calm, day in rows:
        told = [d for d in days if hit(d, day)]
        expect_true(len(told) > 0, "what was planted was not paged in time")
        because += any(d not in calm for d in told)  # a false page may lie there, too
    expect_true(because >= len(rows) - 1, "the pages do not follow the events")
    false = sum(len(calm) for _, calm, _ in rows)
    expect_true(false <= len(rows), "more than one false page a month")


def _outage(rng):
    day, volume = int(rng.integers(6, 26)), np.ones(MONTH)
    volume[day : day + 2] = rng.uniform(0.1, 0.3)
    return np.zeros(MONTH), volume, day


def _drift(rng):
    day = int(rng.integers(6, 18))
    slope = float(rng.choice([-1, 1]) * rng.uniform(0.09, 0.13))
    return slope * np.maximum(np.arange(MONTH) - day + 1, 0), np.ones(MONTH), day


def _nothing(rng):
    day, volume = int(rng.integers(6, 26)), np.ones(MONTH)
    volume[day] = 0  # one day without a single event: silence is not an answer
    return np.zeros(MONTH), volume, day


@criterion("q16", points=1, hint="Compare a weekday with its like, not with the mean.")
def test_an_outage_is_paged_on_its_day(answer, rng):
    """four outages are paged on their first day, at most one false page a month"""
    _judged(_months(answer, rng, 4, _outage), lambda d, day: d == day)


@criterion("q16", points=1, hint="Small shifts add up: keep a running sum.")
def test_a_drift_is_paged_in_time(answer, rng):
    """four slow drifts are paged within ten days, at most one false page a month"""
    rows = _months(answer, rng, 4, _drift)
    _judged(rows, lambda d, day: day <= d < day + IN_TIME)


@criterion(
    "q16", points=1, hint="A user's events are not independent; days are nearly."
)
def test_quiet_months_stay_quiet(answer, rng):
    """six months with an empty day: it is paged, and at most one other day a month"""
    rows = _months(answer, rng, 6, _nothing)
    _judged(rows, lambda d, day: d == day)
    others = sum(len(set(days) - {day}) for days, _, day in rows)
    expect_true(others <= len(rows), "more than one false page a month")
