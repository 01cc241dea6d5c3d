"""Data defects: each planted one is named; clean tables stay clean."""

import numpy as np
import pandas as pd
import pytest
from event_weeks import START, log, parts

from streamrec.production import faults
from streamrec.production.defects import (
    KINDS,
    Roles,
    as_times,
    clock_shift,
    days_of,
    find_defects,
    find_gaps,
    gaps,
    hour_slots,
    structure,
    unit_change,
    windows,
)


@pytest.fixture(scope="module")
def weeks():
    return parts(log(seed=1))


def kinds(frame, reference, **settings):
    return {d.kind for d in find_defects(frame, reference, **settings)}


def test_ten_clean_weeks_have_no_defects():
    """Level 1 % a table: more than one alarm in ten has probability 0.004."""
    found = [kinds(*parts(log(seed=s))[::-1]) for s in range(20, 30)]
    assert sum(map(bool, found)) <= 1, found


def planted(now):
    rng = np.random.default_rng(0)
    some = rng.random(len(now)) < 0.02
    day = now["timestamp"].dt.floor("D")
    late = now["timestamp"].where(~some, now["timestamp"] + pd.Timedelta(days=400))
    numbers = now["minutes"].astype(object)
    return {
        "duplicates": faults.repeat(now, rng, 0.02),
        "text in numbers": now.assign(minutes=numbers.where(~some, "n/a")),
        "missing column": now.drop(columns="score"),
        "unknown column": now.assign(debug=1),
        "empty day": now[day != day.min() + pd.Timedelta(days=2)],
        "future times": now.assign(timestamp=late),
        "id type": now.assign(user="u" + now["user"].astype(str)),
        "unknown ids": now.assign(user=now["user"] + 10_000),
        "missing values": now.assign(score=now["score"].where(~some)),
        "changed unit": faults.rescale(now, "minutes", 60.0),
        "out of range": now.assign(score=now["score"].where(~some, 9_999.0)),
        "time zone": now.assign(timestamp=now["timestamp"] - pd.Timedelta(hours=7)),
        "no rows": now.iloc[:0],
        "type": now.assign(topic=np.arange(len(now))),
    }


@pytest.mark.parametrize("kind", planted(log(weeks=1, users=3)))
def test_each_planted_defect_is_named(weeks, kind):
    before, now = weeks
    found = find_defects(planted(now)[kind], before)
    assert kind in {d.kind for d in found}
    assert all(d.kind in KINDS and d.text for d in found)


def test_milliseconds_are_named_in_numbers_and_in_dates(weeks):
    before, now = weeks
    stamps = [t["timestamp"].astype("int64") // 10**9 for t in weeks]
    a, b = (t.assign(timestamp=s) for t, s in zip(weeks, stamps, strict=True))
    assert not kinds(b, a)
    assert "milliseconds" in kinds(b.assign(timestamp=b["timestamp"] * 1_000), a)
    few = np.arange(len(b)) % 50 == 0
    mixed = b["timestamp"].where(~few, b["timestamp"] * 1_000)
    found = [d for d in find_defects(b.assign(timestamp=mixed), a)
             if d.kind == "milliseconds"]  # fmt: skip
    assert found[0].rows == few.sum()
    wrong = (stamps[1] * 1_000).astype("datetime64[s]")  # the year 57,000
    assert "milliseconds" in kinds(now.assign(timestamp=wrong), before)


def test_times_in_other_forms_are_the_same_moments():
    t = pd.Series(pd.to_datetime(["2025-03-03T10:00:00", "2025-03-04T12:30:00"]))
    seconds = t.astype("int64") // 10**9
    for form in (
        t, seconds, seconds * 1_000, seconds * 10**6, t.astype(str),
        t.dt.tz_localize("UTC"), t.dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata"),
    ):  # fmt: skip
        assert (as_times(form) == t).all()
    assert as_times(pd.Series(["soon", "2025-03-03"])).isna().tolist() == [True, False]


def test_days_are_those_with_rows():
    days = pd.Series(START + pd.to_timedelta(np.repeat(np.arange(7), 50), "D"))
    stray = pd.Series([START + pd.Timedelta(days=900), START - pd.Timedelta(days=1)])
    assert days_of(pd.concat([days, stray])) == (START, START + pd.Timedelta(days=6))
    assert days_of(pd.Series([pd.NaT])) is None


def test_windows_find_the_same_weekdays():
    before = pd.Series(pd.date_range(START, periods=28 * 4, freq="6h"))
    week = pd.Series(
        pd.date_range(START + pd.Timedelta(days=28), periods=28, freq="6h")
    )
    w = windows(before, week)
    assert (w.days, w.weeks) == (7, (1, 2, 3, 4))
    assert np.bincount(w.of(before)).tolist() == [0, 28, 28, 28, 28]
    lost = windows(before, week[4:24])  # first and last day are missing
    assert (lost.start, lost.days) == (w.start, 7)
    day = windows(before, week[:4])
    assert (day.days, day.weeks) == (1, (1, 2, 3, 4))
    two = windows(before, pd.concat([week, week + pd.Timedelta(days=7)]))
    assert (two.days, two.weeks) == (14, (2, 4))
    given = windows(before, week[:4], days=7)
    assert given.days == 7
    with pytest.raises(ValueError, match="no times"):
        windows(pd.Series([pd.NaT]), week)


def test_gaps_are_where_users_are_missing():
    rng = np.random.default_rng(0)
    expected = np.full(168, 30.0)
    seen = rng.poisson(expected)
    assert not [g for g in gaps(seen, expected, 0.02, START, pd.Timedelta(hours=1))
                if g.p_value < 0.01]  # fmt: skip
    seen[50:56] = 0
    (g,) = gaps(seen, expected, 0.02, START, pd.Timedelta(hours=1))
    assert g.start == START + pd.Timedelta(hours=50)
    assert g.end == START + pd.Timedelta(hours=56) and g.p_value < 1e-3


def test_a_table_without_its_last_day_has_a_gap_if_told_its_window(weeks):
    before, now = weeks
    last = now["timestamp"].dt.floor("D").max()
    cut = now[now["timestamp"] < last]
    assert "empty day" in kinds(cut, before)  # six days are taken for a week
    short = now[now["timestamp"] < last - pd.Timedelta(days=4)]
    assert "empty day" not in kinds(short, before)
    assert "empty day" in kinds(short, before, days=7)


def test_users_in_a_slot_are_counted_once():
    times = pd.Series([START] * 5 + [START - pd.Timedelta(days=7)] * 3)
    span = windows(times[5:], times[:5])
    assert span.weeks == (1,)
    w = span.of(times)
    found = find_gaps(np.array([1, 1, 1, 2, 2, 1, 2, 3]), w, times, span, 24)
    assert not found


def test_units_and_what_is_no_unit():
    rng = np.random.default_rng(0)
    x, y = rng.lognormal(1, 0.8, (2, 2_000))
    always = lambda cut: 0.0  # noqa: E731
    change = unit_change(x, y * 1_000, always)
    assert change is not None and change.factor == pytest.approx(1_000, rel=0.1)
    assert "milliseconds" in str(change)
    assert unit_change(x, y / 60, always).factor == pytest.approx(1 / 60, rel=0.1)
    assert unit_change(x, y * 1.2, always) is None  # too small to be a unit
    assert unit_change(x, y**2.2, always) is None  # another shape
    assert unit_change(x[:5], y, always) is None


def test_clocks_of_some_groups():
    rng = np.random.default_rng(1)

    def hours(n):
        return np.clip(rng.normal(35, 6, n), 0, 47).astype(int)

    group = rng.integers(0, 50, 8_000)
    before = (group, hours(8_000))
    now = hours(8_000)
    assert clock_shift(before, (group, now), 50).p_value > 0.05
    off = np.where(np.isin(group, [4, 17]), (now - 6) % 48, now)
    found = clock_shift(before, (group, off), 50)
    assert found.p_value < 1e-6 and set(found.found) == {4, 17}
    assert found.hours == pytest.approx(-3.0, abs=1.0)
    # everybody an hour and a half later is no fault of groups, but one of all
    later = (now + 3) % 48
    assert not clock_shift(before, (group, later), 50).found
    one = np.zeros(8_000, dtype=int)
    assert clock_shift((one, before[1]), (one, later), 1, relative=False).found
    assert clock_shift((group[:5], now[:5]), (group[:5], now[:5]), 50).checked == 0


def test_slots_of_the_day():
    t = pd.Series(pd.to_datetime(["2025-03-03T00:00", "2025-03-03T23:59"]))
    assert hour_slots(t).tolist() == [0, 47]
    assert hour_slots(t, 24).tolist() == [0, 23]


def test_structure_knows_the_roles_of_columns(weeks):
    before, now = weeks
    other = now.rename(columns={"user": "uid"})
    assert not structure(other, before.rename(columns={"user": "uid"}), Roles("uid"))
    text = now.assign(score=now["score"].round(3).astype(str))
    (found,) = structure(text, before)
    assert found.kind == "type" and "text" in found.text
    whole = before.assign(clicked=before["clicked"].astype(int))
    assert not structure(now.assign(clicked=now["clicked"].astype(int)), whole)


def test_a_reference_that_cannot_be_one(weeks):
    before, now = weeks
    with pytest.raises(ValueError, match="reference"):
        find_defects(now, before.iloc[:0])
    with pytest.raises(ValueError, match='"who"'):
        find_defects(now, before, user="who")


def test_faults_leave_the_original_alone(weeks):
    _, now = weeks
    copy = now.copy()
    rng = np.random.default_rng(0)
    assert len(faults.lose(now, rng, 0.3)) < 0.8 * len(now)
    assert len(faults.silence(now, now["timestamp"].min(), 48)) < len(now)
    frozen = faults.freeze(now, "events_7d", "user")
    assert (frozen.groupby("user")["events_7d"].nunique() == 1).all()
    moved = faults.shift_clock(now, rng, 0.04)["timestamp"] != now["timestamp"]
    assert 0 < now.loc[moved, "item"].nunique() <= 3
    pd.testing.assert_frame_equal(now, copy)
