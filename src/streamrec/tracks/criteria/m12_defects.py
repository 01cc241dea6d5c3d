"""M12: defects of a day's data, planted and absent."""

import numpy as np

from streamrec.grading.criteria import criterion, expect_true

DAY = 86_400.0
ALLOWED = 1  # false alarms in ten clean days
DEFECTS = (
    "repeated", "text", "milliseconds", "new column", "no column", "empty", "future",
    "gaps", "unit", "past", "category", "few", "strangers", "constant",
)  # fmt: skip


class Shop:
    """The events of a small platform, day by day."""

    def __init__(self, rng):
        self.rng = rng
        self.activity = rng.dirichlet(np.full(400, 0.7))
        self.pull = rng.dirichlet(np.full(150, 0.5))
        self.rows = int(rng.integers(350, 500))
        self.gap = float(rng.uniform(0.01, 0.03))
        self.first = int(rng.integers(10**6))

    def day(self, d):
        """Columns of day ``d``: busier weekends, gaps, long tails."""
        rng = self.rng
        volume = self.rows * (1.4 if d % 7 in (5, 6) else 1.0) * rng.lognormal(0, 0.08)
        n = int(volume)
        minutes = np.minimum(rng.lognormal(2.0, 0.8, n), 240)
        minutes[rng.uniform(size=n) < self.gap] = np.nan
        event = self.first + d * 10**5 + rng.permutation(n)
        hour = np.clip(rng.normal(15, 4, n) % 24, 0, 23.999)
        return {
            "event": event,
            "user": rng.choice(400, n, p=self.activity),
            "item": rng.choice(150, n, p=self.pull),
            "time": d * DAY + hour * 3600,
            "minutes": minutes,
            "surface": rng.choice(
                ["browse", "carousel", "search"], n, p=[0.3, 0.5, 0.2]
            ),
            "score": rng.beta(2, 5, n),
        }

    def plant(self, t, defect, now):
        """A day's columns with one defect."""
        rng, n = self.rng, len(t["event"])
        some = rng.uniform(size=n) < rng.uniform(0.05, 0.15)
        some[rng.integers(n)] = True
        t = {name: np.array(value) for name, value in t.items()}
        match defect:
            case "repeated":
                return {c: np.r_[v, v[some]] for c, v in t.items()}
            case "text":
                t["minutes"] = np.array([f"{x:.1f} min" for x in t["minutes"]])
            case "milliseconds":
                t["time"] = t["time"] * 1000
            case "new column":
                t[str(rng.choice(["mintues", "debug", "v2_score"]))] = np.zeros(n)
            case "no column":
                del t[str(rng.choice(["user", "minutes", "score", "surface"]))]
            case "empty":
                return {c: v[:0] for c, v in t.items()}
            case "future":
                t["time"][some] = now + rng.uniform(3600, 9 * DAY, some.sum())
            case "gaps":
                t["minutes"][rng.uniform(size=n) < rng.uniform(0.15, 0.5)] = np.nan
            case "unit":
                t["minutes"] = t["minutes"] * 60
            case "past":
                t["time"][some] -= DAY * rng.integers(2, 9)
            case "category":
                t["surface"] = t["surface"].astype("U12")
                t["surface"][some] = str(rng.choice(["Search", "unknown", "homepage"]))
            case "few":
                left = rng.uniform(size=n) < 0.3
                return {c: v[left] for c, v in t.items()}
            case "strangers":
                t["user"] = rng.integers(10**6, 10**7, n)
            case _:
                t["score"] = np.full(n, t["score"][0])
        return t


def _days_told(answer, rng):
    """(planted defects that were found; clean days that raised an alarm), of ten each.

    Each day is shown with its defect and without, among others: what raises an alarm
    on both was not found.
    """
    shown, told = [], {}
    for defect in rng.choice(DEFECTS, 10, replace=False):
        shop = Shop(rng)
        start = int(rng.integers(20, 200))
        past = [shop.day(d) for d in range(start - 14, start)]
        reference = {c: np.concatenate([t[c] for t in past]) for c in past[0]}
        today, now = shop.day(start), (start + 1) * DAY
        shown.append((defect, False, reference, today, now))
        shown.append((defect, True, reference, shop.plant(today, defect, now), now))
    for n in rng.permutation(len(shown)):
        defect, planted, *given = shown[n]
        got = answer.find_defects(*given)
        good = type(got) in (list, tuple) and all(type(x) is str for x in got)
        expect_true(good, "return a list of sentences, empty for a clean day")
        told[defect, planted] = len(got) > 0
    alarms = {defect for (defect, planted), yes in told.items() if yes and not planted}
    found = {defect for (defect, planted), yes in told.items() if yes and planted}
    return len(found - alarms), len(alarms)


def _finds(answer, rng, least):
    found, alarms = _days_told(answer, rng)
    expect_true(alarms <= ALLOWED, f"{alarms} of 10 clean days raised an alarm")
    expect_true(found >= least, f"{found} of 10 planted defects were found")


@criterion("q15", points=1, hint="Columns, kinds, rows: what a contract would refuse.")
def test_five_of_ten_defects_are_found(answer, rng):
    """5 of 10 planted defects are found, with at most one alarm in 10 clean days"""
    _finds(answer, rng, 5)


@criterion("q15", points=1.5, hint="Compare the day with what the reference's days do.")
def test_seven_of_ten_defects_are_found(answer, rng):
    """7 of 10 planted defects are found, with at most one alarm in 10 clean days"""
    _finds(answer, rng, 7)


@criterion("q15", points=1.5, hint="What would a day look like if this were broken?")
def test_nine_of_ten_defects_are_found(answer, rng):
    """9 of 10 planted defects are found, with at most one alarm in 10 clean days"""
    _finds(answer, rng, 9)
