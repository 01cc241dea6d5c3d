"""Point-in-time joins against brute force; stores against their own promises."""

import importlib.util
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrec.production import contracts as k
from streamrec.production import features as f

NOW = pd.Timestamp("2025-03-01")
DAY = pd.Timedelta("1D")
HOUR = 3_600_000_000_000


def brute(entity, time, event_entity, event_time, known, strict=False):
    """Read every event for every label."""
    out = []
    for e, t in zip(entity, time):
        best, row = None, -1
        for i, (g, s, c) in enumerate(zip(event_entity, event_time, known)):
            visible = max(s, c) < t if strict else max(s, c) <= t
            if g == e and visible and (best is None or (s, max(s, c), i) >= best):
                best, row = (s, max(s, c), i), i
        out.append(row)
    return np.array(out)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.booleans(), st.integers(0, 30))
def test_as_of_is_brute_force(seed, strict, late, n):
    rng = np.random.default_rng(seed)
    e, s = rng.integers(0, 4, n), rng.integers(0, 12, n)
    c = s + rng.integers(-1, 5, n) if late else s
    g, t = rng.integers(0, 5, 25), rng.integers(-1, 16, 25)
    got = f.as_of(g, t, e, s, c if late else None, strict=strict)
    assert np.array_equal(got, brute(g, t, e, s, c, strict))


def test_as_of_takes_text_dates_and_missing_labels():
    e, s = ["a", "b", "a"], pd.to_datetime(["2025-01-02", "2025-01-01", "2025-01-04"])
    t = pd.to_datetime(["2025-01-03", "2025-01-05", "2025-01-05", "2025-01-05"])
    assert f.as_of(["a", "a", "c", None], t, e, s).tolist() == [0, 2, -1, -1]
    aware = t.tz_localize("UTC").tz_convert("Asia/Tokyo")
    assert f.as_of(["a", "a", "c", None], aware, e, s).tolist() == [0, 2, -1, -1]
    assert f.as_of([], [], e, s).tolist() == []
    assert f.as_of(["a"], t[:1], [], []).tolist() == [-1]


def test_as_of_at_large_codes_and_times():
    rng = np.random.default_rng(0)
    e = rng.integers(0, 2**60, 300)
    s = rng.integers(2**60, 2**61, 300)
    rows = f.as_of(e, s, e, s)
    assert np.array_equal(rows, np.arange(300))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: f.as_of([1], [1], ["a"], [1]), TypeError, "text on one side"),
        (lambda: f.as_of([1], [np.nan], [1], [1]), ValueError, "1 label times"),
        (lambda: f.as_of([1], [1], [1.0, np.nan], [1, 2]), ValueError, "1 events have"),
        (lambda: f.as_of([1], [True], [1], [1]), TypeError, "not booleans"),
        (lambda: f.as_of([1], ["noon?"], [1], [1]), TypeError, "datetimes or numbers"),
        (lambda: f.window_sum([1], [1], [1], [1], [1], 0), ValueError, "longer than"),
    ],
)
def test_bad_clocks_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(0, 30))
def test_window_sum_is_brute_force(seed, width, n):
    rng = np.random.default_rng(seed)
    e, s, x = rng.integers(0, 3, n), rng.integers(0, 12, n), rng.normal(size=n)
    g, t = rng.integers(0, 4, 20), rng.integers(-1, 20, 20)
    total, count = f.window_sum(g, t, e, s, x, width)
    for i in range(20):
        inside = (e == g[i]) & (s >= t[i] - width) & (s < t[i])
        assert count[i] == inside.sum()
        assert total[i] == pytest.approx(x[inside].sum(), abs=1e-9)


def test_window_sum_reads_timedeltas_and_skips_nobody():
    t = pd.to_datetime(["2025-01-08", "2025-01-09"])
    s = pd.to_datetime(["2025-01-01", "2025-01-08"])
    total, count = f.window_sum(["a", None], t, ["a", "a"], s, [2.0, 3.0], "7D")
    assert total.tolist() == [2.0, 0.0] and count.tolist() == [1, 0]


# --- stores --------------------------------------------------------------------------


def view(ttl=72.0, **changes):
    columns = {
        "user": k.Column("user", "integer"),
        "time": k.Column("time", "timestamp"),
        "known": k.Column("known", "timestamp"),
        "watch": k.Column(
            "watch", "number", unit="seconds", minimum=0, median=400.0, spread=0.8
        ),
        "plays": k.Column("plays", "integer", minimum=0, nullable=True),
    }
    columns.update(changes)
    contract = k.Contract(
        "habits", 1, tuple(c for c in columns.values() if c is not None),
        key=("user", "time", "known"), time="time", freshness_hours=48.0,
    )  # fmt: skip
    return f.FeatureView(contract, "user", ttl_hours=ttl)


def rows(n=300, seed=0, users=12):
    rng = np.random.default_rng(seed)
    time = pd.Timestamp("2025-02-01") + pd.to_timedelta(rng.uniform(0, 20, n), unit="D")
    delay = pd.to_timedelta(rng.exponential(0.5, n), unit="D")
    return pd.DataFrame(
        {
            "user": rng.integers(0, users, n),
            "time": time.floor("us"),
            "known": (time + delay).floor("us"),
            "watch": 400 * np.exp(0.8 * rng.normal(size=n)),
            "plays": rng.integers(0, 9, n),
        }
    )


def labels(m=1000, seed=1, users=14):
    rng = np.random.default_rng(seed)
    time = pd.Timestamp("2025-02-01") + pd.to_timedelta(rng.uniform(0, 27, m), unit="D")
    return pd.DataFrame({"user": rng.integers(0, users, m), "time": time.floor("us")})


def test_a_thousand_point_in_time_queries_are_brute_force(tmp_path):
    store, v = f.OfflineStore(tmp_path), view()
    data = rows()
    store.write(v, data, now=NOW)
    asked = labels()
    out, counts = store.join(asked, [v])
    want = brute(asked.user, asked.time, data.user, data.time, data.known)
    age = (asked.time - data.time.reindex(want).to_numpy()) / pd.Timedelta("1h")
    fresh = age.to_numpy() <= 72
    expected = data["watch"].reindex(np.where(fresh, want, -1)).to_numpy()
    assert np.array_equal(out["watch"].to_numpy(), expected, equal_nan=True)
    c = counts["habits"]
    assert c["labels"] == 1000 == sum(v for n, v in c.items() if n != "labels")
    assert c["stale"] == int((age > 72).sum()) > 0
    assert c["no history"] == int((want < 0).sum()) > 0


def test_join_keeps_labels_without_entity_and_refuses_clashes():
    asked = pd.DataFrame({"user": [1.0, np.nan], "time": [NOW, NOW]})
    done = f.point_in_time(asked, rows(), view(ttl=None))
    assert done.counts["missing entity"] == 1 and len(done.frame) == 2
    with pytest.raises(ValueError, match="rename"):
        f.point_in_time(asked.assign(watch=1.0), rows(), view())
    with pytest.raises(KeyError, match="'user' is missing"):
        f.point_in_time(asked.drop(columns="user"), rows(), view())


def test_writing_again_changes_nothing(tmp_path):
    store, v = f.OfflineStore(tmp_path / "a"), view()
    first = store.write(v, rows(), now=NOW)
    before = {p: p.read_bytes() for p in sorted((tmp_path / "a").rglob("*.*"))}
    again = store.write(v, rows().sample(frac=1, random_state=3), now=NOW + DAY)
    assert (first.written, first.version) == (300, 1)
    assert (again.written, again.duplicates, again.version) == (0, 300, 1)
    after = {p: p.read_bytes() for p in sorted((tmp_path / "a").rglob("*.*"))}
    assert before == after
    other = f.OfflineStore(tmp_path / "b")
    other.write(v, rows().sample(frac=1, random_state=4), now=NOW)
    assert store.versions(v).equals(other.versions(v))


def test_bad_rows_are_set_aside_and_counted(tmp_path):
    store, v, data = f.OfflineStore(tmp_path), view(), rows()
    data["user"] = data["user"].astype(float)
    data.loc[0, "user"] = np.nan
    data.loc[1, "watch"] = -4.0
    data.loc[2, "time"], data.loc[2, "known"] = NOW + DAY, NOW + DAY
    data.loc[3, "known"] = data.loc[3, "time"] - DAY
    data.loc[4, "known"] = data.loc[4, "time"] + 3 * DAY
    data = pd.concat([data, data.iloc[[9, 10]]])
    kept = data.iloc[4:300]
    late = ((kept["known"] - kept["time"]) > DAY).sum()
    got = store.write(v, data, now=NOW)
    assert got.set_aside == {
        "user: null": 1, "watch: below minimum": 1, "clock ahead": 1,
        "known before it was true": 1, "repeated key": 2,
    }  # fmt: skip
    assert got.read == got.written + got.duplicates + sum(got.set_aside.values()) == 302
    assert got.late == late > 0
    assert len(store.set_aside(v)) == 6
    assert "1 clock ahead" in str(got) and "296 written" in str(got)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign(watch=d.watch / 60), "drift index -5"),
        (lambda d: d.assign(colour=1), "colour is not in the contract"),
        (lambda d: d.drop(columns="plays"), "plays is missing"),
    ],
)
def test_a_bad_schema_is_refused_whole(tmp_path, change, message):
    store, v = f.OfflineStore(tmp_path), view()
    with pytest.raises(k.ContractBroken, match=message):
        store.write(v, change(rows()), now=NOW)
    assert store.read(v).empty and store.versions(v).empty
    assert list(store.read(v)) == v.columns


def test_time_travel_by_version_and_by_clock(tmp_path):
    store, v, data = f.OfflineStore(tmp_path), view(), rows()
    early = data["known"] < pd.Timestamp("2025-02-10")
    store.write(v, data[early], now="2025-02-10")
    before = store.read(v)
    restated = data[early].head(5).assign(known=pd.Timestamp("2025-02-15"), watch=1.0)
    store.write(v, pd.concat([data[~early], restated]), now=NOW)
    assert store.read(v, version=1).equals(before)
    assert store.read(v, known_by="2025-02-09 23:59").equals(before)
    assert store.read(v, version=0).empty and len(store.read(v)) == 305
    assert store.read(v, columns=["watch"]).columns.tolist() == ["watch"]
    assert store.versions(v)["rows"].tolist() == [early.sum(), 305 - early.sum()]
    with pytest.raises(ValueError, match="versions 1 to 2"):
        store.read(v, version=3)
    with pytest.raises(KeyError, match="nonsense"):
        store.read(v, columns=["nonsense"])


def test_a_view_may_grow_but_not_break_its_past(tmp_path):
    store, v = f.OfflineStore(tmp_path), view()
    store.write(v, rows(), now=NOW)
    mood = k.Column("mood", "number", nullable=True)
    grown = view(mood=mood)
    more = rows(seed=5).assign(mood=0.5)
    store.write(grown, more, now=NOW)
    both = store.read(grown)
    assert len(both) == 600 and both["mood"].isna().sum() == 300
    assert store.read(grown, version=1)["mood"].isna().all()
    strict = view(mood=replace(mood, nullable=False), plays=None)
    newer = rows(seed=6).assign(mood=1.0).drop(columns="plays")
    with pytest.raises(ValueError, match="mood: null may be sent"):
        store.write(strict, newer, now=NOW)


def test_freshness_and_missing_days(tmp_path):
    store, v, data = f.OfflineStore(tmp_path), view(), rows()
    assert store.freshness(v, NOW)["fresh"] is False
    data = data[data["time"].dt.floor("D") != pd.Timestamp("2025-02-07")]
    store.write(v, data, now=NOW)
    newest = data["time"].max()
    got = store.freshness(v, newest + pd.Timedelta("50h"))
    assert got["age_hours"] == pytest.approx(50) and got["fresh"] is False
    assert got["missing_days"] == ["2025-02-07"]
    assert store.freshness(v, newest + pd.Timedelta("40h"))["fresh"]


@pytest.mark.parametrize("parts", [1, 3, 17])
@pytest.mark.parametrize("seed", [0, 1])
def test_streaming_equals_the_join_in_memory(parts, seed):
    v, data, asked = view(), rows(seed=seed), labels(200, seed=seed)
    asked = asked.sort_values("time", ignore_index=True)
    data = data.iloc[np.argsort(f._visible(data, v), kind="stable")]
    whole = f.point_in_time(asked, data, v)
    cuts = np.array_split(np.arange(len(data)), 11)
    pieces = [asked.iloc[c] for c in np.array_split(np.arange(len(asked)), parts)]
    got = list(f.stream_join(pieces, (data.iloc[c] for c in cuts), v))
    assert pd.concat([g.frame for g in got]).equals(whole.frame)
    total = {n: sum(g.counts[n] for g in got) for n in whole.counts}
    assert total == whole.counts


def test_streams_that_run_back_are_refused():
    v, data, asked = view(), rows(), labels(50).sort_values("time")
    with pytest.raises(ValueError, match="labels must come in order"):
        list(f.stream_join([asked.iloc[::-1]], [data], v))
    with pytest.raises(ValueError, match="rows must come in the order"):
        list(f.stream_join([asked], [data.sort_values("known").iloc[::-1]], v))
    ordered = data.iloc[np.argsort(f._visible(data, v))]
    late_first = [ordered.iloc[200:210], ordered.iloc[:10]]
    with pytest.raises(ValueError, match="rows must come in the order"):
        list(f.stream_join([asked], late_first, v))
    empty = list(f.stream_join([asked], [], v))
    assert empty[0].counts["no history"] == 50
    assert list(f.stream_join([asked.iloc[:0]], [data], v)) == []


def test_newest_is_the_as_of_join_at_one_moment():
    v, data = view(), rows()
    at = pd.Timestamp("2025-02-12")
    got = f.newest(data, v, at)
    want = brute(got.user, [at] * len(got), data.user, data.time, data.known)
    assert np.array_equal(got["watch"], data["watch"].to_numpy()[want])
    assert got["user"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.FeatureView(view().contract, "item"), "no column 'item'"),
        (lambda: view(ttl=0.0), "ttl_hours must be positive"),
        (lambda: view(watch=None, plays=None), "has no feature"),
        (
            lambda: f.FeatureView(replace(view().contract, key=("user",)), "user"),
            "key must be",
        ),
        (
            lambda: f.FeatureView(
                replace(view().contract, time=None, freshness_hours=None), "user"
            ),
            "names no time",
        ),
    ],
)
def test_bad_views_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parity_names_every_difference():
    a = pd.DataFrame({"x": [1.0, np.nan, 3.0], "y": ["p", None, "q"]})
    assert f.parity(a, a.copy(), ["x", "y"]).empty
    b = a.assign(x=[1.0, 2.0, 4.0])
    assert f.parity(a, b, ["x", "y"])["row"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="3 rows offline but 2 online"):
        f.parity(a, a.head(2), ["x"])


def test_lineage_both_ways_and_cycles():
    edges = [("log", "plays"), ("plays", "ctr"), ("log", "ctr"), ("ctr", "ranker")]
    assert f.lineage(edges, "log") == {"plays": 1, "ctr": 2, "ranker": 3}
    assert f.lineage(edges, "ctr", upstream=True) == {"plays": 1, "log": 2}
    with pytest.raises(ValueError, match="cycle: log > plays > log"):
        f.lineage([("log", "plays"), ("plays", "log")], "log")
    with pytest.raises(KeyError, match="nobody"):
        f.lineage(edges, "nobody")


# --- Feast ---------------------------------------------------------------------------

feast = pytest.mark.skipif(
    importlib.util.find_spec("feast") is None, reason="needs the extra production"
)


@feast
def test_serving_equals_training_row_by_row(tmp_path):
    v, data, moment = view(), rows(), pd.Timestamp("2025-02-19")
    online = f.OnlineStore(tmp_path, (v,))
    visible = data[f._visible(data, v) <= moment.value]
    assert online.write(v, visible) == {"written": 12, "held back": 0}
    users = [3, 0, 99, 11, 7]
    served = online.read(v, users, now=moment)
    asked = pd.DataFrame({"user": users, "time": moment})
    trained = f.point_in_time(asked, data, v).frame
    assert f.parity(trained, served, v.features).empty
    assert served["status"].tolist()[2] == "missing"
    assert {p.name for p in tmp_path.iterdir()} == {"registry.db", "online.db"}
    later = online.read(v, users, now=moment + 5 * DAY)
    assert set(later["status"]) == {"stale", "missing"} and later["watch"].isna().all()


@feast
def test_a_late_row_does_not_overwrite_a_newer_one(tmp_path):
    v, data = view(ttl=None), rows()
    online = f.OnlineStore(tmp_path, (v,))
    last = f.newest(data, v)
    online.write(v, last)
    late = last.assign(time=last["time"] - DAY, watch=1.0, known=NOW)
    assert online.write(v, late) == {"written": 0, "held back": 12}
    restated = last.assign(known=NOW, watch=2.0)
    assert online.write(v, restated)["written"] == 12
    got = online.read(v, last["user"].tolist(), now=NOW)
    assert (got["watch"] == 2.0).all()
    assert online.read(v, [], now=NOW).empty
    with pytest.raises(KeyError, match="not in this store"):
        online.read(
            replace(v, contract=replace(v.contract, name="other")), [1], now=NOW
        )
