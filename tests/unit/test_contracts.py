"""Contracts: each promise can be broken, and each break is named."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrec.production import contracts as k

NOW = pd.Timestamp("2026-03-02 12:00", tz="UTC")


def frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "event": np.arange(n),
            "time": NOW - pd.to_timedelta(rng.uniform(0, 48, n), unit="h"),
            "watch": np.exp(rng.normal(6, 0.8, n)),
            "format": rng.choice(["video", "podcast"], n),
        }
    )


def contract(**changes):
    median, spread = k.profile(frame(5000, 1)["watch"])
    columns = {
        "event": k.Column("event", "integer", minimum=0),
        "time": k.Column("time", "timestamp"),
        "watch": k.Column(
            "watch",
            "number",
            unit="seconds",
            minimum=0,
            maximum=1e5,
            median=median,
            spread=spread,
        ),
        "format": k.Column("format", "string", allowed=("video", "podcast")),
    }
    settings = dict(key=("event",), time="time", freshness_hours=6.0)
    settings.update(changes.pop("settings", {}))
    columns.update(changes)
    kept = tuple(c for c in columns.values() if c is not None)
    return k.Contract("plays", changes.pop("version", 1), kept, **settings)


def rules(report):
    return {(v.rule, v.column) for v in report.violations}


def test_clean_data_pass():
    report = contract().enforce(frame(), now=NOW)
    assert report.ok and report.rows == 200 and "every promise" in str(report)


BREAKS = {
    ("missing column", "watch"): lambda f: f.drop(columns="watch"),
    ("unknown column", "surprise"): lambda f: f.assign(surprise=1),
    ("null", "format"): lambda f: f.assign(format=f["format"].mask(f["event"] == 3)),
    ("wrong type", "watch"): lambda f: f.assign(
        watch=f["watch"].astype(object).mask(f["event"] == 3, "12 s")
    ),
    ("wrong type", "event"): lambda f: f.assign(event=f["event"] + 0.5),
    ("below minimum", "watch"): lambda f: f.assign(watch=f["watch"] - 1e4),
    ("above maximum", "watch"): lambda f: f.assign(watch=f["watch"] * 1e6),
    ("not allowed", "format"): lambda f: f.assign(format="hologram"),
    ("repeated key", "event"): lambda f: pd.concat([f, f.head(3)]),
    ("clock ahead", "time"): lambda f: f.assign(time=f["time"] + pd.Timedelta("3d")),
    ("stale", "time"): lambda f: f.assign(time=f["time"] - pd.Timedelta("2d")),
    ("drift", "watch"): lambda f: f.assign(watch=f["watch"] / 60),
}


@pytest.mark.parametrize("rule", BREAKS, ids=lambda r: " ".join(r))
def test_each_break_is_named(rule):
    report = contract().validate(BREAKS[rule](frame()), now=NOW)
    assert rule in rules(report)
    assert rule[1] in str(report)
    with pytest.raises(k.ContractBroken):
        contract().enforce(BREAKS[rule](frame()), now=NOW)
    assert len(report.frame()) == len(report.violations)


@given(st.floats(0.01, 100), st.integers(0, 50))
def test_drift_index_of_a_unit_change_is_exact(c, seed):
    x = pd.Series(np.exp(np.random.default_rng(seed).normal(size=51)))
    median, spread = k.profile(x)
    assert k.drift_index(x, median, spread) == pytest.approx(0, abs=1e-12)
    assert k.drift_index(c * x, median, spread) == pytest.approx(
        np.log(c) / spread, abs=1e-9
    )


def test_drift_index_without_positive_values_is_nan():
    assert np.isnan(k.drift_index(pd.Series([0.0, -1.0]), 1.0, 1.0))


def test_drift_index_of_one_positive_value():
    assert k.drift_index(pd.Series([0.0, 2.0]), 1.0, 0.5) == pytest.approx(np.log(4))
    with pytest.raises(ValueError, match="two different"):
        k.profile(pd.Series([3.0, 3.0]))


def test_quarantine_loses_nothing():
    bad = frame()
    bad.loc[2, "watch"] = -5
    bad.loc[3, "format"] = None
    bad = pd.concat([bad, bad.iloc[[0]]], ignore_index=True)
    clean, aside = contract().quarantine(bad)
    assert len(clean) + len(aside) == len(bad) == 201
    assert sorted(aside["reason"]) == [
        "format: null",
        "repeated key",
        "watch: below minimum",
    ]
    assert contract().validate(clean, now=NOW).ok
    with pytest.raises(k.ContractBroken, match="missing"):
        contract().quarantine(bad.drop(columns="time"))


def test_save_and_load_round_trip(tmp_path):
    path = tmp_path / "plays.yaml"
    contract().save(path)
    assert k.load_contract(path) == contract()
    assert [p.name for p in tmp_path.iterdir()] == ["plays.yaml"]
    path.write_text("just words")
    with pytest.raises(ValueError, match="not a contract"):
        k.load_contract(path)


def test_evolution_rules():
    old = contract()
    watch = old["watch"]

    def kinds(new):
        return {(c.kind, c.breaking) for c in k.compare(old, new)}

    assert kinds(old) == set()
    assert kinds(contract(format=None)) == {("removed", True)}
    assert kinds(contract(more=k.Column("more", "string"))) == {("added", False)}
    minutes = replace(watch, unit="minutes")
    assert kinds(contract(watch=minutes)) == {("unit", True)}
    assert kinds(contract(watch=replace(watch, type="integer"))) == {("type", True)}
    assert kinds(contract(watch=replace(watch, nullable=True))) == {("nullable", True)}
    assert kinds(contract(watch=replace(watch, minimum=-1))) == {("minimum", True)}
    assert kinds(contract(watch=replace(watch, minimum=1))) == {("minimum", False)}
    assert kinds(contract(watch=replace(watch, maximum=None))) == {("maximum", True)}
    narrow = replace(old["format"], allowed=("video",))
    assert kinds(contract(format=narrow)) == {("allowed", False)}
    wide = replace(old["format"], allowed=("video", "podcast", "article"))
    assert kinds(contract(format=wide)) == {("allowed", True)}
    stale = contract(settings=dict(freshness_hours=24.0))
    assert kinds(stale) == {("freshness", True)}
    assert kinds(contract(settings=dict(key=("event", "time")))) == {("key", True)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: k.Column("x", "text"), "type must be one of"),
        (lambda: k.Column("x", "number", minimum=2, maximum=1), "exceeds"),
        (lambda: k.Column("x", "number", median=1.0), "together"),
        (lambda: k.Column("x", "number", median=1.0, spread=0.0), "positive"),
        (lambda: contract(settings=dict(key=("nothing",))), "not a column"),
        (lambda: contract(settings=dict(time=None)), "time column"),
        (lambda: k.Contract("t", 1, (k.Column("x", "string"),) * 2), "twice"),
    ],
)
def test_bad_contracts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- compatibility in both directions ------------------------------------------------

CHANGES = {
    "nothing": (lambda c: c, "full"),
    "nullable column added": (
        lambda c: [*c, k.Column("more", "string", nullable=True)],
        "full",
    ),
    "required column added": (lambda c: [*c, k.Column("more", "string")], "forward"),
    "column removed": (lambda c: c[:-1], "backward"),
    "integer to number": (lambda c: [replace(c[0], type="number"), *c[1:]], "backward"),
    "number to integer": (lambda c: [*c[:2], replace(c[2], type="integer"), c[3]],
                          "forward"),
    "unit": (lambda c: [*c[:2], replace(c[2], unit="minutes"), c[3]], "none"),
    "nullable": (lambda c: [*c[:2], replace(c[2], nullable=True), c[3]], "backward"),
    "less": (lambda c: [*c[:2], replace(c[2], minimum=-1.0), c[3]], "backward"),
    "no minimum": (lambda c: [*c[:2], replace(c[2], minimum=None), c[3]], "backward"),
    "lower maximum": (lambda c: [*c[:2], replace(c[2], maximum=9e4), c[3]], "forward"),
    "fewer values": (lambda c: [*c[:3], replace(c[3], allowed=("video",))], "forward"),
    "any value": (lambda c: [*c[:3], replace(c[3], allowed=())], "backward"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_compatibility_of_each_change(name):
    old = contract()
    change, verdict = CHANGES[name]
    new = replace(old, version=2, columns=tuple(change(list(old.columns))))
    assert k.compatibility(old, new).verdict == verdict
    swapped = {"backward": "forward", "forward": "backward"}
    assert k.compatibility(new, old).verdict == swapped.get(verdict, verdict)


def test_keys_and_freshness_have_a_direction():
    old = contract()
    finer = replace(old, key=("event", "time"))
    assert k.compatibility(old, finer).verdict == "backward"
    assert k.compatibility(old, replace(old, key=())).verdict == "backward"
    assert (
        k.compatibility(old, replace(old, freshness_hours=24.0)).verdict == "backward"
    )


def rows_of(promise, rng, n=60):
    """Rows that any keeper of the promise may send, extremes included."""
    out = {}
    for c in promise.columns:
        low = -50.0 if c.minimum is None else c.minimum
        high = 2e5 if c.maximum is None else c.maximum
        if c.type == "timestamp":
            x = pd.Series(NOW - pd.to_timedelta(rng.uniform(0, 4, n), unit="h"))
        elif c.type == "string":
            x = pd.Series(rng.choice(c.allowed or ("video", "other"), n))
        else:
            x = pd.Series(np.r_[low, high, rng.uniform(low, high, n - 2)])
            x = x.round() if c.type == "integer" else x
        if c.nullable:
            x = x.astype(object).where(np.arange(n) != 5, None)
        out[c.name] = x
    frame = pd.DataFrame(out)
    frame["event"] = np.arange(n)
    if promise["event"].type == "number":
        frame["event"] += 0.5
    return frame


@pytest.mark.parametrize("name", [n for n in CHANGES if n != "unit"])
def test_a_verdict_says_what_readers_live_through(name):
    """The verdict against rows actually read: no verdict without its reader."""
    plain = replace(contract()["watch"], median=None, spread=None)
    old = contract(watch=plain)
    new = replace(old, version=2, columns=tuple(CHANGES[name][0](list(old.columns))))
    rng = np.random.default_rng(0)

    def reads(writer, reader):
        try:
            seen = k.read_as(rows_of(writer, rng), reader)
        except k.ContractBroken:
            return False
        return reader.validate(seen, now=NOW).ok

    verdict = k.compatibility(old, new)
    assert reads(old, new) == (not verdict.backward)
    assert reads(new, old) == (not verdict.forward)
