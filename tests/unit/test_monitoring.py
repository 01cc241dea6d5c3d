"""The monitor: quiet weeks stay quiet, faults are named, history takes reruns."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from event_weeks import START, log, parts

from streamrec.cli import main
from streamrec.production import faults
from streamrec.production.monitoring import (
    FAULTS,
    Monitor,
    MonitorSettings,
    history,
    record,
    write_report,
)

SCHEMA = json.loads(
    files("streamrec.cli").joinpath("schemas/monitor.json").read_text("utf-8")
)
SETTINGS = MonitorSettings(outcome="clicked")


@pytest.fixture(scope="module")
def weeks():
    return parts(log(seed=2))


@pytest.fixture(scope="module")
def monitor(weeks):
    return Monitor(SETTINGS).fit(weeks[0])


def test_quiet_weeks_stay_quiet():
    """5 % a week stated: four or more of eight has probability 0.0004."""
    found = []
    for seed in range(40, 48):
        before, now = parts(log(seed=seed))
        found.append(Monitor(SETTINGS).fit(before).check(now).faults)
    assert sum(map(bool, found)) < 4, found


BROKEN = {
    "missing events, user-days": (
        "missing events", lambda t, rng: faults.lose(t, rng, 0.4)),
    "missing events, a day": (
        "missing events",
        lambda t, rng: faults.silence(t, START + pd.Timedelta(days=30), 24)),
    "missing events, a topic": (
        "missing events", lambda t, rng: t[t["topic"] != "film"]),
    "duplicated events": (
        "duplicated events", lambda t, rng: faults.repeat(t, rng, 0.03)),
    "stale features": (
        "stale features", lambda t, rng: faults.freeze(t, "events_7d", "user")),
    "changed unit": (
        "changed unit", lambda t, rng: faults.rescale(t, "minutes", 60.0)),
    "time zone": (
        "time zone", lambda t, rng: faults.shift_clock(t, rng, 0.04, -8.0)),
    "missing values": (
        "missing values",
        lambda t, rng: t.assign(score=t["score"].where(rng.random(len(t)) > 0.1))),
    "drift": (
        "drift", lambda t, rng: t.assign(score=0.6 * t["score"] + 0.5)),
    "drift of what is clicked": (
        "drift",
        lambda t, rng: t.assign(clicked=t["clicked"] & (t["topic"] != "news"))),
    "coverage": (
        "coverage", lambda t, rng: t.assign(item=t["item"] % 20)),
    "schema": ("schema", lambda t, rng: t.drop(columns="score")),
    "no rows": ("missing events", lambda t, rng: t.iloc[:0]),
    "no outcome": ("missing events", lambda t, rng: t.assign(clicked=False)),
    "no times": ("schema", lambda t, rng: t.assign(timestamp="soon")),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_each_fault_is_named(weeks, monitor, what):
    name, breaks = BROKEN[what]
    report = monitor.check(breaks(weeks[1], np.random.default_rng(0)))
    assert name in report.faults, str(report)
    assert report.exit_status == 1 and not report.ok
    assert report.paragraph().startswith("Attention") and name in report.paragraph()
    assert set(report.faults) <= set(FAULTS)
    assert name in report.html()


def test_a_cause_explains_what_follows_from_it(weeks, monitor):
    report = monitor.check(faults.rescale(weeks[1], "minutes", 60.0))
    by = {c.name: c.explained_by for c in report.alarms}
    assert report.faults == ("changed unit",)
    assert by["PSI of minutes"] == "changed unit" and by["unit of minutes"] is None


def test_two_faults_are_both_named(weeks, monitor):
    both = faults.rescale(faults.freeze(weeks[1], "events_7d", "user"), "minutes")
    assert monitor.check(both).faults == ("changed unit", "stale features")


def test_the_data_may_be_old(weeks, monitor):
    end = START + pd.Timedelta(days=35)
    assert monitor.check(weeks[1], now=end).ok
    late = monitor.check(weeks[1], now=end + pd.Timedelta(hours=40))
    assert late.faults == ("late data",)


def test_a_single_day_is_compared_with_its_weekdays(weeks, monitor):
    before, now = weeks
    day = now[now["timestamp"] < START + pd.Timedelta(days=29)]
    report = monitor.check(day)
    assert (report.days, report.weeks, report.faults) == (1, 4, ())


def test_a_feature_renewed_weekly_is_not_stale_after_a_gap():
    """The week between reference and window is missing: no step leads over it."""
    frame = log(weeks=6, seed=9)
    week = (frame["timestamp"] - START) // pd.Timedelta(days=7)
    rng = np.random.default_rng(0)
    value = rng.normal(size=(6, 300)).round(3)
    frame["weekly"] = value[week, frame["user"]]
    monitor = Monitor(SETTINGS).fit(frame[week < 4])
    assert "stale features" not in monitor.check(frame[week == 5]).faults


def test_tables_without_times_or_items(weeks):
    names = ["user", "score", "topic"]
    before, now = (t[names] for t in weeks)
    report = Monitor().fit(before).check(now)
    assert report.ok and report.start is None and report.skipped
    moved = now.assign(score=now["score"] + 1)
    assert "drift" in Monitor().fit(before).check(moved).faults


def test_numbers_and_clocks_are_left_out(weeks):
    before, now = (t.assign(row=np.arange(len(t))) for t in weeks)
    now["row"] += len(before)
    before = before.sort_values("timestamp").assign(row=np.arange(len(before)))
    report = Monitor().fit(before).check(now)
    assert any(s.startswith("row:") for s in report.skipped)
    assert "drift" not in report.faults


def test_the_number_of_checks_is_accounted_for(weeks, monitor):
    report = monitor.check(weeks[1])
    tests = [c for c in report.checks if c.p_value is not None]
    assert len({c.name for c in tests}) == len(tests) > 25
    assert all(c.adjusted >= c.p_value for c in tests)
    smallest = min(tests, key=lambda c: c.p_value)
    assert smallest.adjusted == pytest.approx(min(1, len(tests) * smallest.p_value))


def test_bad_settings_and_references(weeks):
    with pytest.raises(ValueError, match="probability"):
        MonitorSettings(false_alarms=1.5)
    with pytest.raises(ValueError, match="bins"):
        MonitorSettings(bins=1)
    with pytest.raises(ValueError, match="no rows"):
        Monitor().fit(weeks[0].iloc[:0])
    with pytest.raises(ValueError, match="lacks the columns who"):
        Monitor(MonitorSettings(user="who")).fit(weeks[0])
    with pytest.raises(ValueError, match="is a time"):
        Monitor().fit(weeks[0].assign(timestamp="soon"))
    with pytest.raises(ValueError, match="fit the monitor"):
        Monitor().check(weeks[1])


# -------------------------------------------------------------------- history, page


def test_history_keeps_windows_and_takes_reruns(weeks, monitor, tmp_path):
    file = tmp_path / "h.duckdb"
    quiet = monitor.check(weeks[1])
    record(quiet, file)
    once = history(file)
    record(quiet, file)
    pd.testing.assert_frame_equal(once, history(file))
    bad = monitor.check(faults.rescale(weeks[1], "minutes", 60.0))
    record(bad, file)  # the same window, corrected
    assert history(file)["alarm"].any() and history(file)["start"].nunique() == 1
    record(quiet, file, "other")
    assert len(history(file, "other")) == len(quiet.checks)
    assert set(history(file)["name"]) == {"events", "other"}


def test_a_history_must_be_one(weeks, monitor, tmp_path):
    report = monitor.check(weeks[1])
    other = tmp_path / "week.csv"
    other.write_text("user,item\n1,2\n" * 100)
    with pytest.raises(ValueError, match="no history"):
        record(report, other)
    with pytest.raises(ValueError, match="no history"):
        history(tmp_path / "none.duckdb")
    with pytest.raises(ValueError, match="folder"):
        record(report, tmp_path / "no" / "h.duckdb")
    assert other.read_text().startswith("user,item")


def test_a_page_says_first_what_matters(weeks, monitor, tmp_path):
    bad = monitor.check(faults.shift_clock(weeks[1], np.random.default_rng(1)))
    file = tmp_path / "h.duckdb"
    first = parts(log(seed=2), 3)
    early = first[1][first[1]["timestamp"] < START + pd.Timedelta(days=28)]
    record(Monitor(SETTINGS).fit(first[0]).check(early), file)
    record(bad, file)
    out = write_report(bad, tmp_path / "out", title="A & B", past=history(file))
    page = out["report.html"].read_text()
    assert page.index("Attention: time zone") < page.index("<svg")
    assert "A &amp; B" in page and "Windows so far" in page and "<script" not in page
    assert json.loads(out["report.json"].read_text())["faults"] == ["time zone"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "report.html", "report.json",
    ]  # fmt: skip


# -------------------------------------------------------------------------- command


@pytest.fixture(scope="module")
def folder(weeks, tmp_path_factory):
    out = tmp_path_factory.mktemp("monitor")
    weeks[0].to_parquet(out / "train.parquet")
    weeks[1].to_parquet(out / "week.parquet")
    weeks[1].to_csv(out / "week.csv", index=False)
    faults.rescale(weeks[1], "minutes").to_parquet(out / "bad.parquet")
    return out


def run(capsys, folder, text, code):
    args = [a.replace("@", f"{folder}/") for a in text.split()]
    assert main(["monitor", "--reference", f"{folder}/train.parquet", *args]) == code
    return capsys.readouterr()


def test_exit_codes_and_schema(capsys, folder):
    text = "--current @{} --outcome clicked --format json -o @out --history @h.duckdb"
    for file, code in (("week.parquet", 0), ("week.csv", 0), ("bad.parquet", 1)):
        got = json.loads(run(capsys, folder, text.format(file), code).out)
        jsonschema.validate(got, SCHEMA)
        assert got["status"] == ("failed" if code else "ok")
    assert got["results"]["faults"] == ["changed unit"]
    assert (folder / "out" / "report.html").is_file()
    assert len(history(folder / "h.duckdb")["start"].unique()) == 1
    shown = run(capsys, folder, "--current @bad.parquet", 1).out
    assert "Attention: changed unit (minutes)" in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--current @none.parquet", "there is no file"),
        ("--current @week.parquet --user who", "lacks the columns who"),
        ("--current @week.parquet --time when", "lacks the columns when"),
        ("--current @week.parquet --start soon", "write a date"),
        ("--current @week.parquet --days 0", "at least one day"),
        ("--current @week.parquet --false-alarms 2", "probability"),
        ("--current @week.parquet -o @week.csv", "is a file"),
        ("--current @week.parquet --history @week.parquet", "no history"),
    ],
)
def test_bad_input_is_one_line(capsys, folder, text, words):
    got = run(capsys, folder, text, 2)
    assert words in got.err and got.err.count("\n") == 1 and got.out == ""
