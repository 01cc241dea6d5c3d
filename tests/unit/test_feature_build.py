"""streamrec.production.build and recipe, and ``streamrec features build``."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrec.cli import main
from streamrec.cli.tables import read_table, write_table
from streamrec.production import build as b
from streamrec.production.build import Fitted, apply, build, column_transformer
from streamrec.production.example import RECIPE, viewers
from streamrec.production.recipe import Recipe, Selection, Step, first_recipe, width

SCHEMA = json.loads(
    files("streamrec.cli").joinpath("schemas/features-build.json").read_text("utf-8")
)
ALL = {"nulls": None, "same": None, "correlation": None}


def recipe(*steps, **more):
    rows = [{"kind": k, "columns": c, **o} for k, c, o in steps]
    return Recipe.from_mapping({"select": ALL, **more, "steps": rows})


def rows(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": np.where(rng.random(n) < 0.1, np.nan, x),
            "z": rng.gamma(2.0, 3.0, n),
            "city": rng.choice(
                ["Graz", "Linz", "Wien", None], n, p=[0.5, 0.3, 0.1, 0.1]
            ),
            "zip": rng.integers(1, 60, n),
            "text": rng.choice(
                ["a good film", "bad film", "so good so far", "nothing"], n
            ),
            "y": rng.binomial(1, 1 / (1 + np.exp(-x))),
        }
    )


def panel(n=120, seed=0, dates=True):
    """Rows of six entities with repeated moments, a value sometimes missing."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, 40, n)
    return pd.DataFrame(
        {
            "who": rng.choice(list("abcdef"), n),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(t, "D") if dates else t,
            "v": np.where(rng.random(n) < 0.15, np.nan, rng.normal(5, 3, n)),
            "y": rng.integers(0, 2, n),
        }
    )


HISTORY = (
    ("lag", "v", {"steps": [1, 3]}),
    ("rolling", "v", {"windows": ["7d"], "stats": ["sum", "mean", "sd", "count"]}),
    ("rfm", "v", {"within": "10d"}),
)
KEYS = {"entity": "who", "time": "at"}


# --- history -------------------------------------------------------------------------


def slow(data, events, delay=0):
    """The same features, one row at a time, by filtering."""
    out = []
    for _, r in data.iterrows():
        now = r["at"] - pd.Timedelta(delay, "D")
        e = events[(events["who"] == r["who"]) & (events["at"] < now)].dropna(
            subset="v"
        )
        e = e.sort_values("at", kind="stable")
        v = e["v"].to_numpy()
        week = e[e["at"] >= now - pd.Timedelta(7, "D")]["v"]
        ten = e[e["at"] >= now - pd.Timedelta(10, "D")]
        out.append(
            {
                "v_lag1": v[-1] if len(v) else np.nan,
                "v_lag3": v[-3] if len(v) > 2 else np.nan,
                "v_sum_7d": week.sum(),
                "v_mean_7d": week.mean(),
                "v_sd_7d": week.std(),
                "v_count_7d": len(week),
                "v_recency": (r["at"] - ten["at"].max()) / pd.Timedelta(1, "D"),
                "v_frequency": len(ten),
                "v_monetary": ten["v"].mean(),
            }
        )
    return pd.DataFrame(out).astype(float)


@pytest.mark.parametrize(("seed", "delay"), [(0, 0), (1, 0), (2, 3)])
def test_history_is_the_filtered_past(seed, delay):
    data = panel(seed=seed)
    gap = {"gap": f"{delay}d"} if delay else {}
    made = build(data, recipe(*HISTORY, **KEYS, **gap)).frame
    want = slow(data, data, delay)
    pd.testing.assert_frame_equal(made[want.columns], want, rtol=1e-9, atol=1e-9)


def test_numbers_as_moments_give_the_same():
    data = panel()
    plain = panel(dates=False)
    steps = (
        HISTORY[0],
        ("rolling", "v", {"windows": [7]}),
        ("rfm", "v", {"within": 10}),
    )
    made = build(plain, recipe(*steps, **KEYS)).frame
    want = slow(data, data)
    for c in ("v_lag1", "v_recency", "v_frequency", "v_monetary"):
        np.testing.assert_allclose(made[c], want[c], rtol=1e-9)
    np.testing.assert_allclose(made["v_mean_7"], want["v_mean_7d"], rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 39))
def test_nothing_from_a_moment_on_enters_its_rows(seed, cut):
    """Whatever happens at or after a moment, rows up to it keep their features."""
    data = panel(60, seed)
    moment = pd.Timestamp("2026-01-01") + pd.Timedelta(cut, "D")
    changed = data.assign(v=data["v"].where(data["at"] < moment, 1e6), y=data["y"])
    early = (data["at"] <= moment).to_numpy()
    r = recipe(*HISTORY, **KEYS)
    one, two = build(data, r).frame, build(changed, r).frame
    names = [c for c in one if c.startswith("v_")]
    pd.testing.assert_frame_equal(one.loc[early, names], two.loc[early, names])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_lags_are_the_sorted_list_from_its_end(seed, steps):
    rng = np.random.default_rng(seed)
    who, t = rng.integers(0, 3, 20), rng.integers(0, 6, 20)
    ew, et, v = rng.integers(0, 3, 15), rng.integers(0, 6, 15), rng.normal(size=15)
    got = b.lagged(b.Events(ew, et), v, who, t, steps)
    for i in range(20):
        past = sorted((et[j], j) for j in range(15) if ew[j] == who[i] and et[j] < t[i])
        for k, column in zip(steps, got, strict=True):
            want = v[past[-k][1]] if len(past) >= k else np.nan
            np.testing.assert_equal(column[i], want)


def test_no_history_at_all():
    empty = panel().head(0)
    made = build(panel(), recipe(*HISTORY, **KEYS), history=empty).frame
    assert made["v_lag1"].isna().all() and (made["v_frequency"] == 0).all()
    assert made["v_recency"].isna().all() and (made["v_sum_7d"] == 0).all()


def test_rows_without_an_entity_have_no_past():
    data = panel()
    data.loc[5:20, "who"] = None
    made = build(data, recipe(HISTORY[0], HISTORY[2], **KEYS)).frame
    assert made.loc[5:20, "v_lag1"].isna().all()
    assert (made.loc[5:20, "v_frequency"] == 0).all()


def test_new_rows_see_the_training_rows_before_them():
    data = panel(200).sort_values("at", kind="stable", ignore_index=True)
    old, new = data.iloc[:140], data.iloc[140:]
    r = recipe(*HISTORY, **KEYS)
    fitted = build(old, r).fitted
    made = apply(fitted, new, history=old).frame
    want = build(data, r).frame.iloc[140:].reset_index(drop=True)
    names = [c for c in want if c.startswith("v_")]
    pd.testing.assert_frame_equal(made[names], want[names])
    twice = apply(fitted, new, history=data).frame  # rows in both are counted once
    keyed = ~new.duplicated(["who", "at"], keep=False).to_numpy()
    pd.testing.assert_frame_equal(twice.loc[keyed, names], want.loc[keyed, names])


def test_earlier_labels_wait_until_they_are_known():
    data = panel()
    steps = (("lag", "y", {}),)
    with pytest.raises(ValueError, match="label_delay"):
        recipe(*steps, label="y", **KEYS)
    made = build(data, recipe(*steps, label="y", label_delay="5d", **KEYS)).frame
    for i, r in data.iterrows():
        known = data["at"] + pd.Timedelta(5, "D") < r["at"]
        past = data[known & (data["who"] == r["who"])].sort_values("at", kind="stable")
        np.testing.assert_equal(
            made["y_lag1"][i], float(past["y"].iloc[-1]) if len(past) else np.nan
        )


# --- encodings by the label ----------------------------------------------------------


def test_a_row_never_sees_its_own_label():
    data = rows()
    r = recipe(("target", ["zip", "city"], {"smooth": 3}), label="y")
    base = build(data, r).frame
    for i in (0, 7, 399):
        other = data.copy()
        other.loc[i, "y"] = 1 - other.loc[i, "y"]
        made = build(other, r).frame
        assert (made.loc[i, ["zip_target", "city_target"]]
                == base.loc[i, ["zip_target", "city_target"]]).all()  # fmt: skip


def test_out_of_fold_is_the_mean_of_the_other_folds():
    rng = np.random.default_rng(1)
    codes, y, fold = (
        rng.integers(0, 9, 200),
        rng.normal(size=200),
        rng.integers(0, 4, 200),
    )
    got = b.out_of_fold(codes, y, fold, 2.5)
    for i in range(200):
        rest = fold != fold[i]
        mine = y[rest & (codes == codes[i])]
        want = (mine.sum() + 2.5 * y[rest].mean()) / (len(mine) + 2.5)
        assert got[i] == pytest.approx(want, rel=1e-12)


def test_ordered_sees_labels_known_before():
    rng = np.random.default_rng(2)
    codes, y = rng.integers(0, 5, 150), rng.integers(0, 2, 150).astype(float)
    t = rng.integers(0, 30, 150)
    got = b.ordered(codes, y, t, 4, 1.5)
    for i in range(150):
        seen = t + 4 < t[i]
        mine = y[seen & (codes == codes[i])]
        prior = y[seen].mean() if seen.any() else 0.0
        assert got[i] == pytest.approx((mine.sum() + 1.5 * prior) / (len(mine) + 1.5))


def test_rows_of_an_entity_share_a_fold():
    data = rows().assign(who=lambda d: d["zip"].astype(str))
    data.loc[3, "who"] = None
    t = b._Table(data, recipe(("missing", "x", {}), entity="who"))
    fold = b.folds(t, 5)
    here = data["who"].notna()
    assert (pd.Series(fold)[here].groupby(data["who"][here]).nunique() == 1).all()
    assert set(fold) == set(range(5))


def test_levels_that_know_nothing_tell_nothing():
    """Random codes, many with one row: the snippet everybody pastes says they know."""
    rng = np.random.default_rng(3)
    data = pd.DataFrame(
        {"code": rng.integers(0, 1_500, 3_000), "y": rng.integers(0, 2, 3_000)}
    )
    made = build(data, recipe(("target", "code", {"smooth": 0}), label="y"))
    assert made.features[0]["power"] < 0.53 and not made.stopped
    pasted = data.groupby("code")["y"].transform("mean")
    assert b.power_of(pasted.to_numpy(), data["y"]) > 0.8


def test_folds_over_time_are_named():
    r = recipe(("target", "who", {}), label="y", entity="who", time="at")
    assert any(f["kind"] == "folds" for f in build(panel(), r).findings)
    late = recipe(("target", "who", {}), label="y", label_delay="2d", **KEYS)
    assert not any(f["kind"] == "folds" for f in build(panel(), late).findings)


def test_two_classes_of_text_are_numbers():
    data = rows().assign(y=lambda d: np.where(d["y"] == 1, "yes", "no"))
    r = recipe(("target", "city", {}), label="y")
    want = build(rows(), r).frame["city_target"]
    assert (build(data, r).frame["city_target"] == want).all()


# --- against scikit-learn ------------------------------------------------------------


@pytest.mark.parametrize("scale", ["standard", "robust", "range", "none"])
@pytest.mark.parametrize("impute", ["median", "mean", 7.5])
def test_numbers_as_scikit_learn(scale, impute):
    train, new = rows(seed=1), rows(seed=2)
    options = {"scale": scale, "impute": impute, "missing": False}
    r = recipe(("number", ["x", "z"], options))
    reference = column_transformer(r).fit(train)
    fitted = build(train, r).fitted
    made = apply(fitted, new).frame[["x", "z"]]
    np.testing.assert_allclose(made, reference.transform(new), rtol=1e-12, atol=1e-12)


def test_levels_and_words_as_scikit_learn():
    train, new = rows(seed=1).dropna(), rows(seed=2).dropna()
    new.loc[new.index[0], ["city", "zip"]] = ["Bern", 999]
    r = recipe(
        ("onehot", "city", {}),
        ("target", "zip", {"smooth": 20}),
        ("text", "text", {"terms": 5}),
        ("ordinal", "city", {"order": ["Graz", "Linz", "Wien"]}),
        label="y",
    )
    reference = column_transformer(r).fit(train, train["y"]).transform(new)
    fitted = build(train, r).fitted
    done = apply(fitted, new)
    made = done.frame[list(fitted.features)]
    cities = sorted(f for f in fitted.features if "=" in f)
    words = sorted(f for f in fitted.features if ":" in f)
    made = made[[*cities, "zip_target", *words, "city_rank"]]
    np.testing.assert_allclose(made, reference, rtol=1e-9, atol=1e-12)
    assert {f["column"] for f in done.findings if f["kind"] == "levels"} == {
        "city",
        "zip",
    }


def test_steps_without_a_counterpart_are_named():
    for step in (("lag", "v", {}), ("number", "x", {"clip": [0.1, 0.9]})):
        with pytest.raises(ValueError, match="no counterpart"):
            column_transformer(recipe(step, **KEYS))


# --- the other steps -----------------------------------------------------------------


def test_clip_fill_and_indicator():
    v = np.array([0.0, 1, 2, 3, 100, np.nan])
    t = pd.DataFrame({"v": v})
    step = ("number", "v", {"clip": [0, 0.75], "scale": "none", "impute": "median"})
    made = build(t, recipe(step)).frame
    assert made["v"].tolist() == [0, 1, 2, 3, 3, 2]
    assert made["v_missing"].tolist() == [0, 0, 0, 0, 0, 1]
    kept = build(t, recipe(("number", "v", {"impute": "none"}))).frame["v"]
    assert np.isnan(kept[5]) and kept[:5].mean() == pytest.approx(0)
    same = build(t.assign(v=3.0), recipe(("number", "v", {}))).frame["v"]
    assert (same == 0).all()


def test_rare_new_and_missing_levels():
    t = pd.DataFrame({"c": ["a"] * 5 + ["b"] * 3 + ["d", None]})
    r = recipe(("onehot", "c", {"min_count": 2}), ("frequency", "c", {}))
    fitted = build(t, r).fitted
    assert fitted.features == ("c=a", "c=b", "c=(other)", "c=(missing)", "c_frequency")
    made = apply(fitted, pd.DataFrame({"c": ["b", "d", "new", None]}))
    assert made.frame.to_numpy()[:, :4].tolist() == [
        [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]
    ]  # fmt: skip
    assert made.frame["c_frequency"].tolist() == [0.3, 0.1, 0.0, 0.0]
    assert 'never seen in training ("new")' in made.findings[0]["text"]
    most = build(t, recipe(("onehot", "c", {"levels": 1}))).fitted.features
    assert most == ("c=a", "c=(other)", "c=(missing)")


def test_codes_are_one_level_with_and_without_decimals():
    whole, gap = pd.Series([7, 8]), pd.Series([7.0, np.nan])
    assert b.as_text(whole)[0] == b.as_text(gap)[0] == "7"
    assert b.as_text(pd.Series([True, None], dtype=object)).tolist() == ["True", None]
    assert b.as_text(pd.Series([True, False])).tolist() == ["True", "False"]
    fitted = build(pd.DataFrame({"c": [7, 8, 7]}), recipe(("onehot", "c", {}))).fitted
    made = apply(fitted, pd.DataFrame({"c": [7.0, np.nan]})).frame
    assert made["c=7"].tolist() == [1, 0]


def test_circles_and_days():
    t = pd.DataFrame(
        {
            "at": pd.to_datetime(["2026-03-01", "2026-03-03"]),
            "seen": ["2026-02-27T12:00:00", None],
            "day": ["2026-01-05", "2026-01-11"],
        }
    )
    parts = {"parts": ["weekday", "month"]}
    made = build(
        t, recipe(("elapsed", "seen", {}), ("calendar", "day", parts), time="at")
    )
    f = made.frame
    assert f["seen_elapsed"][0] == 1.5 and np.isnan(f["seen_elapsed"][1])
    assert f["day_weekday_sin"][0] == 0 and f["day_weekday_cos"][0] == 1
    assert f["day_weekday_sin"][1] == pytest.approx(np.sin(2 * np.pi * 6 / 7))
    auto = build(t, recipe(("calendar", "day", {})))
    assert auto.fitted.features == tuple(
        f"day_{p}_{s}" for p in ("weekday", "yearday") for s in ("sin", "cos")
    )


def test_pairs_and_features_of_features():
    t = pd.DataFrame({"a": [1.0, 4, 9], "b": [2.0, 0, 3]})
    r = recipe(
        ("ratio", ["a", "b"], {}), ("product", ["a", "b"], {}),
        ("difference", ["a", "b"], {}), ("number", "a_times_b", {"scale": "range"}),
        ("missing", "a_per_b", {}),
    )  # fmt: skip
    with pytest.raises(ValueError, match='no column "a_per_b"'):
        build(t, r)
    made = build(t, recipe(*[(s.kind, list(s.columns), {}) for s in r.steps[:3]],
                           ("number", "a_times_b", {"scale": "range"})))  # fmt: skip
    f = made.frame
    assert f["a_per_b"].tolist()[::2] == [0.5, 3] and np.isnan(f["a_per_b"][1])
    assert f["a_minus_b"].tolist() == [-1, 4, 6]
    assert f["a_times_b"].tolist() == pytest.approx([2 / 27, 0, 1])
    assert ("a", "a_times_b") in made.fitted.lineage


def test_infinite_values_are_missing_and_named():
    t = pd.DataFrame({"x": [1.0, np.inf, 3.0]})
    made = build(t, recipe(("number", "x", {})))
    assert made.frame["x"][1] == 0 and made.findings[0]["kind"] == "infinite"


# --- applied alike -------------------------------------------------------------------


FULL = (
    ("number", ["x", "z"], {"clip": [0.05, 0.95]}),
    ("onehot", "city", {"min_count": 50}),
    ("frequency", "city", {}), ("target", "zip", {}), ("text", "text", {}),
    ("product", ["x", "z"], {}),
)  # fmt: skip


def test_saved_and_read_it_does_the_same(tmp_path):
    made = build(rows(), recipe(*FULL, label="y"))
    made.fitted.save(tmp_path / "f.json")
    read = Fitted.load(tmp_path / "f.json")
    assert read.version == made.fitted.version and read.recipe == made.fitted.recipe
    new = rows(seed=9)
    one, two = apply(made.fitted, new).frame, apply(read, new).frame
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "f.json"]


def test_nothing_is_learnt_from_new_rows():
    """A row by itself gets what it gets among others."""
    fitted = build(rows(), recipe(*FULL, label="y")).fitted
    new = rows(40, seed=8).drop(columns="y")
    whole = apply(fitted, new).frame
    single = pd.concat([apply(fitted, new.iloc[[i]]).frame for i in range(40)])
    pd.testing.assert_frame_equal(whole, single.reset_index(drop=True))


def test_the_same_table_gives_the_same_but_for_encodings_by_the_label():
    data = rows()
    made = build(data, recipe(*FULL, label="y"))
    again = apply(made.fitted, data)
    assert again.stopped and "know their own labels" in again.findings[0]["text"]
    names = [n for n in made.fitted.features if n != "zip_target"]
    pd.testing.assert_frame_equal(made.frame[names], again.frame[names])
    plain = recipe(*[s for s in FULL if s[0] != "target"], label="y")
    assert not apply(build(data, plain).fitted, data).stopped


def test_rows_without_a_label_are_set_aside():
    data = rows()
    data["y"] = data["y"].astype(float)
    data.loc[:9, "y"] = np.nan
    made = build(data, recipe(("number", "z", {}), label="y"))
    assert made.rows_aside == {"the label is missing": 10}
    assert made.rows_read == len(made.frame) + 10


def test_a_version_changes_with_what_was_learnt():
    r = recipe(("number", "z", {}))
    one = build(rows(), r).fitted.version
    assert one == build(rows(), r).fitted.version
    assert one != build(rows(seed=1), r).fitted.version


def test_shifts_are_seen_and_rare_without_one():
    fitted = build(rows(2_000), recipe(("number", ["x", "z"], {}))).fitted
    moved = apply(fitted, rows(2_000, 5).assign(x=lambda d: d["x"] + 1))
    assert [f["column"] for f in moved.findings if f["kind"] == "shift"] == ["x"]
    alarms = sum(len(apply(fitted, rows(2_000, 100 + i)).findings) for i in range(60))
    assert alarms <= 2


# --- leaks and selection -------------------------------------------------------------


def test_columns_that_know_the_label_stop():
    rng = np.random.default_rng(4)
    data = rows().assign(
        later=lambda d: d["y"] * 3 + rng.normal(0, 0.2, 400),
        told=lambda d: np.where(d["y"] == 1, "j", "n"),
    )
    steps = (("number", ["later", "z"], {}), ("onehot", "told", {}))
    made = build(data, recipe(*steps, label="y"))
    assert made.stopped
    assert {f["column"] for f in made.findings} == {"later", "told"}
    fine = build(data, recipe(*steps, label="y", accept=["later", "told"]))
    assert not fine.stopped
    inside = build(data.assign(later=data["later"] - data["z"]),
                   recipe(("product", ["later", "z"], {}), label="y"))  # fmt: skip
    assert not inside.findings  # neither the column nor the product knows


def test_a_feature_that_knows_the_label_stops():
    """Neither column tells; their difference does."""
    rng = np.random.default_rng(5)
    a = rng.normal(0, 100, 400)
    data = pd.DataFrame({"a": a, "y": rng.integers(0, 2, 400)}).assign(
        b=lambda d: d["a"] + d["y"]
    )
    made = build(data, recipe(("difference", ["a", "b"], {}), label="y"))
    assert [f["column"] for f in made.findings] == ["a_minus_b"] and made.stopped


def test_a_date_after_its_row_stops():
    t = pd.DataFrame(
        {"at": ["2026-03-01"] * 3, "end": ["2026-02-01", "2026-03-02", "2026-01-01"]}
    )
    steps = (("elapsed", "end", {}),)
    made = build(t, recipe(*steps, time="at"))
    assert made.stopped and made.findings[0]["kind"] == "future"
    assert not build(t, recipe(*steps, time="at", accept="end")).stopped


def test_what_is_set_aside_is_named():
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2_000, 3))
    data = pd.DataFrame(x, columns=["a", "b", "c"]).assign(
        copy=lambda d: 2 - d["a"] + 0.01 * d["b"],
        empty=np.where(np.arange(2_000) < 1_950, np.nan, 1.0),
        same=1.0,
        almost=(np.arange(2_000) == 5).astype(float),
        y=(x[:, 1] + 0.3 * x[:, 2] + rng.normal(size=2_000) > 0).astype(int),
    )
    names = [c for c in data if c != "y"]
    options = {"impute": "none", "missing": False}
    r = recipe(("number", names, options), label="y", select={})
    made = build(data, r)
    assert made.fitted.features == ("a", "b", "c")
    assert {a["column"] for a in made.aside} == {"copy", "empty", "same", "almost"}
    few = recipe(("number", names, options), label="y", select={"keep": 2})
    assert build(data, few).fitted.features == ("b", "c")


def test_a_first_recipe_by_what_columns_hold():
    rng = np.random.default_rng(7)
    data = rows().assign(
        id=[f"u{i}" for i in range(400)], number=np.arange(400), same=1,
        day=pd.Timestamp("2026-01-01"), seen="2026-01-05",
        many=rng.integers(0, 60, 400).astype(str), y=lambda d: d["y"],
    )  # fmt: skip
    data.loc[:200, "seen"] = "2025-12-24"
    data["essay"] = [f"w{i} and many words" for i in range(400)]
    r, aside = first_recipe(data, label="y", time="day")
    kinds = {s.kind: set(s.columns) for s in r.steps}
    assert kinds == {
        "number": {"x", "z", "zip"}, "onehot": {"city", "text"}, "target": {"many"},
        "calendar": {"seen"}, "elapsed": {"seen"}, "text": {"essay"},
    }  # fmt: skip
    assert {a["column"] for a in aside} == {"id", "number", "same"}
    assert len(build(data, r).features) > 10
    with pytest.raises(ValueError, match="no column is left"):
        first_recipe(data[["same", "y"]], label="y")


# --- bad input -----------------------------------------------------------------------


ONE = [{"kind": "missing", "columns": "x"}]
NULLS = ("missing", "x", {})


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "lacks steps"),
        ({"steps": []}, "at least one step"),
        ({"steps": "number"}, "give a list"),
        ({"steps": [{"columns": "x"}]}, "step 1 lacks kind"),
        ({"steps": [{"kind": "pca", "columns": "x"}]}, "no kind of step"),
        ({"steps": [{"kind": "number"}]}, "at least one column"),
        ({"steps": [{"kind": "number", "columns": "x", "sd": 1}]}, "has no sd"),
        ({"steps": [{"kind": "number", "columns": "x", "scale": "z"}]}, "scale must"),
        ({"steps": [{"kind": "number", "columns": "x", "clip": [0.9, 0.1]}]}, "low <"),
        ({"steps": [{"kind": "number", "columns": "x", "clip": 0.9}]}, "two quantiles"),
        ({"steps": [{"kind": "number", "columns": "x", "missing": 3}]}, "true or"),
        ({"steps": [{"kind": "onehot", "columns": "x", "levels": 0}]}, "whole number"),
        ({"steps": [{"kind": "target", "columns": "x"}]}, "needs a label"),
        ({"label": "y", "steps": [{"kind": "target", "columns": "x", "folds": 1}]},
         "folds must"),
        ({"label": "y", "steps": [{"kind": "target", "columns": "x", "smooth": -1}]},
         "smooth must"),
        ({"steps": [{"kind": "ratio", "columns": ["x"]}]}, "exactly two"),
        ({"steps": [{"kind": "ordinal", "columns": "x"}]}, "give order"),
        ({"steps": [{"kind": "lag", "columns": "x"}]}, "name entity"),
        ({"steps": [{"kind": "elapsed", "columns": "x"}]}, "name time"),
        ({"steps": [{"kind": "lag", "columns": "x", "steps": 0}], **KEYS}, "lag 0"),
        ({"steps": [{"kind": "rolling", "columns": "x"}], **KEYS}, "give windows"),
        ({"steps": [{"kind": "rolling", "columns": "x", "windows": "soon"}], **KEYS},
         "a stretch"),
        ({"steps": [{"kind": "rolling", "columns": "x", "windows": -3}], **KEYS},
         "longer than nothing"),
        ({"label": "x", "steps": [{"kind": "number", "columns": "x"}]}, "the label"),
        ({"after": "x", "steps": [{"kind": "onehot", "columns": "x"}]}, "afterwards"),
        ({"steps": ONE, "lable": "y"}, "unknown entry"),
        ({"steps": ONE, "label_delay": 3}, "needs time"),
        ({"steps": ONE, "gap": "x"}, "gap is"),
        ({"steps": ONE, "seed": -1}, "seed"),
        ({"steps": ONE, "select": 3}, "select: give"),
        ({"steps": ONE, "select": {"a": 3}}, "unknown"),
        ({"steps": ONE, "select": {"nulls": 3}},
         "nulls must"),
        ({"steps": ONE, "select": {"leak": 0.4}},
         "leak must"),
        ({"steps": ONE, "select": {"keep": 0}},
         "keep must"),
    ],
)  # fmt: skip
def test_bad_recipes_are_explained(values, word):
    with pytest.raises(ValueError, match=word):
        Recipe.from_mapping(values)


def test_a_recipe_survives_its_own_values():
    r = Recipe.from_mapping(
        {"label": "y", **KEYS, "label_delay": "7d", "select": {"keep": 3},
         "steps": [{"kind": "rolling", "columns": "v", "windows": ["7d", "30d"]}]}
    )  # fmt: skip
    assert Recipe.from_mapping(json.loads(json.dumps(r.as_dict()))) == r
    assert r.steps == (Step("rolling", ("v",), {"windows": ("7d", "30d")}),)
    assert r.select == Selection(keep=3) and r.delay("y") == width("7d")


@pytest.mark.parametrize(
    ("change", "steps", "more", "word"),
    [
        (lambda d: d.head(0), [NULLS], {}, "no rows"),
        (lambda d: d, [("missing", "q", {})], {}, 'no column "q"'),
        (lambda d: d, [NULLS], {"label": "q"}, 'no column "q"'),
        (lambda d: d.assign(y=1), [NULLS], {"label": "y"}, "never varies"),
        (lambda d: pd.concat([d, d[["x"]]], axis=1), [NULLS], {}, "twice"),
        (lambda d: d, [("number", "city", {})], {}, "holds text"),
        (lambda d: d.assign(x=np.nan), [("number", "x", {})], {}, "no values"),
        (lambda d: d, [("calendar", "city", {})], {}, "no dates"),
        (lambda d: d, [NULLS, NULLS], {}, "made twice"),
        (lambda d: d.assign(text="?"), [("text", "text", {})], {}, "no words"),
        (lambda d: d, [("missing", "z", {})], {"select": {}}, "every feature"),
        (lambda d: d, [("target", "zip", {})], {"label": "city"}, "two classes"),
        (lambda d: d.assign(y=d["y"] / 0.0), [NULLS], {"label": "y"},
         "infinite|never"),
    ],
)  # fmt: skip
def test_bad_tables_are_explained(change, steps, more, word):
    with pytest.raises(ValueError, match=word):
        build(change(rows()), recipe(*steps, **more))


def test_bad_times_are_explained():
    data = panel()
    r = recipe(("lag", "v", {}), **KEYS)
    for bad, word in (
        (data.assign(at="soon"), "datetimes or numbers"),
        (data.assign(at=data["at"].where(data.index > 3)), "missing"),
        (data.drop(columns="at"), 'no column "at"'),
    ):
        with pytest.raises(ValueError, match=word):
            build(bad, r)
    with pytest.raises(ValueError, match="times are dates"):
        build(data, recipe(("rolling", "v", {"windows": 7}), **KEYS))
    with pytest.raises(ValueError, match="times are numbers"):
        build(panel(dates=False), recipe(("lag", "v", {}), gap="1d", **KEYS))
    with pytest.raises(ValueError, match="numbers here and dates|numbers in"):
        build(panel(dates=False), r, history=data)
    with pytest.raises(ValueError, match='history has no column "v"'):
        build(data, r, history=data.drop(columns="v"))


def test_bad_new_rows_are_explained(tmp_path):
    data = panel()
    r = recipe(("lag", "v", {}), ("number", "v", {}), **KEYS)
    own, apart = build(data, r).fitted, build(data, r, history=data).fitted
    for fitted, new, word in (
        (own, data.assign(v="much"), "holds text"),
        (own, data.drop(columns="v"), "no column"),
        (own, panel(dates=False), "were dates in training"),
        (apart, data, "history of events"),
    ):
        with pytest.raises(ValueError, match=word):
            apply(fitted, new)
    file = tmp_path / "f.json"
    own.save(file)
    body = json.loads(file.read_text())
    body["states"][1]["v"]["center"] += 1
    file.write_text(json.dumps(body))
    with pytest.raises(ValueError, match="changed after fitting"):
        Fitted.load(file)
    for text in ("{}", "[1]", "no json", '{"version": 1}'):
        file.write_text(text)
        with pytest.raises(ValueError, match="is not what features build"):
            Fitted.load(file)
    with pytest.raises(ValueError, match="no file"):
        Fitted.load(tmp_path / "none.json")
    with pytest.raises(ValueError, match="does not exist"):
        own.save(tmp_path / "none" / "f.json")


# --- the command ---------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def go(*words):
        code = main(["features", "build", *words])
        out = capsys.readouterr()
        return code, out.out, out.err

    return go


def test_the_example_is_built_saved_and_applied(run, tmp_path):
    code, out, _ = run("--example", "--table", "a.parquet", "--state", "s.json",
                       "-o", "r.html")  # fmt: skip
    assert code == 0 and "strictly before" in out
    page = (tmp_path / "r.html").read_text()
    assert "<script" not in page and page.count("<svg") > 10
    people, events = viewers(50, seed=3)
    people.to_csv("new.csv", index=False)
    events.to_parquet("events.parquet")
    new = ("-i", "new.csv", "--history", "events.parquet", "--apply", "s.json")
    code, out, _ = run(*new, "--table", "b.csv", "--format", "json")
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    assert code == 0 and found["results"]["applied"] and found["status"] == "ok"
    made = pd.read_csv("b.csv", float_precision="round_trip")
    assert list(made.columns) == list(pd.read_parquet("a.parquet").columns)
    want = apply(Fitted.load("s.json"), people, history=events).frame
    np.testing.assert_array_equal(made.iloc[:, 3:], want.iloc[:, 3:])


def test_a_leak_stops_the_command_and_nothing_is_written(run, tmp_path):
    people, _ = viewers(100)
    people.assign(told=people["churned"] + 5.0).to_csv("p.csv", index=False)
    words = ["-i", "p.csv", "--label", "churned", "--entity", "user_id"]
    words += ["--time", "asked_at", "--table", "t.csv", "--state", "s.json"]
    words += ["-o", "r.html"]
    code, out, _ = run(*words, "--format", "json")
    found = json.loads(out)
    jsonschema.validate(found, SCHEMA)
    assert code == 1 and found["status"] == "failed"
    assert [f["column"] for f in found["results"]["findings"]][0] == "told"
    assert {p.name for p in tmp_path.iterdir()} == {"p.csv", "r.html"}
    code, out, _ = run(*words, "--after", "told")
    assert code == 0 and (tmp_path / "t.csv").exists()


def test_a_recipe_from_a_file(run, tmp_path):
    people, events = viewers(60)
    people.to_csv("p.csv", index=False)
    events.to_csv("e.csv", index=False)
    (tmp_path / "r.yaml").write_text(RECIPE)
    code, out, _ = run("-i", "p.csv", "--recipe", "r.yaml", "--history", "e.csv")
    assert code == 0 and "minutes_sum_7d" in out


def test_tables_come_back_as_they_were_written(tmp_path):
    t = pd.DataFrame(
        {"a": [1, 2], "b": [1.0, None], "c": ["x", None], "d": [True, False],
         "e": pd.to_datetime(["2026-01-01", None]), "f": [0.1 + 0.2, 1 / 3]}
    )  # fmt: skip
    for name in ("t.csv", "t.parquet"):
        write_table(tmp_path / name, t)
        back = read_table(tmp_path / name)
        assert (back["f"] == t["f"]).all() and back["a"].dtype == "int64"
        assert back["b"].dtype == float and back["d"].dtype == bool
        assert back["c"].isna().tolist() == [False, True]
    gaps = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "b": [True, None]})
    gaps.to_parquet(tmp_path / "g.parquet")
    back = read_table(tmp_path / "g.parquet")
    assert back["i"].dtype == float and back["b"].dtype == object
    assert list(read_table(tmp_path / "t.csv", ["c", "a"])) == ["c", "a"]
    with pytest.raises(ValueError, match="lacks the columns q; it has a, b"):
        read_table(tmp_path / "t.csv", ["q"])
    assert len(list(tmp_path.iterdir())) == 3


def test_bad_input_is_one_line_and_two(run, tmp_path):
    rows(60).to_csv("a.csv", index=False)
    (tmp_path / "bad.csv").write_bytes(b"")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    (tmp_path / "r.yaml").write_text(
        "steps: [{kind: number, columns: [y]}]\nlabel: y\n"
    )
    (tmp_path / "s.json").write_text("{}")
    for words, word in (
        ((), "--input"),
        (("-i", "none.csv"), "no file"),
        (("-i", "bad.csv"), "cannot be read"),
        (("-i", "bad.parquet"), "cannot be read"),
        (("-i", "s.json"), ".csv or .parquet"),
        (("-i", "a.csv", "--example"), "leave --input out"),
        (("-i", "a.csv", "--recipe", "r.yaml"), "the label"),
        (("-i", "a.csv", "--label", "q"), 'no column "q"'),
        (("-i", "a.csv", "--apply", "s.json"), "is not what"),
        (("-i", "a.csv", "--apply", "s.json", "--label", "y"), "own recipe"),
        (("-i", "a.csv", "--apply", "s.json", "--state", "t.json"), "learns nothing"),
        (("-i", "a.csv", "--table", "t.xlsx"), ".csv or .parquet"),
        (("-i", "a.csv", "--state", "t.pkl"), ".json"),
        (("-i", "a.csv", "-o", "t.txt"), ".html"),
        (("-i", "a.csv", "--table", "none/t.csv"), "does not exist"),
    ):
        code, out, err = run(*words)
        assert code == 2 and word in err and err.count("\n") == 1, (words, err)
        assert out == ""


def test_tables_of_strangers_are_read_or_refused_in_one_line(tmp_path):
    t = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": ["x", "ü"]})
    text = t.to_csv(index=False)
    for mark in ";\t|":
        (tmp_path / "t.csv").write_text(text.replace(",", mark), encoding="utf-8-sig")
        assert read_table(tmp_path / "t.csv").equals(t)
    for content, word in (
        (b"", "it is empty"),
        (text.encode("latin-1"), "not UTF-8"),
        (text.replace("b,c", "a,c").encode(), "holds 'a' twice"),
    ):
        (tmp_path / "t.csv").write_bytes(content)
        with pytest.raises(ValueError, match=word):
            read_table(tmp_path / "t.csv")
    # A name that ends like pandas' own renaming is no second column.
    (tmp_path / "t.csv").write_text("a,a.1\n1,2\n")
    assert list(read_table(tmp_path / "t.csv")) == ["a", "a.1"]
