"""Track A end to end: its arithmetic, its files, and what it does with bad input."""

import errno
import json
import os
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from shop_sales import shop

from streamrec.cli.main import main
from streamrec.cli.track import mapping
from streamrec.data.interactions import Interactions
from streamrec.models.ease import EASE
from streamrec.tracks import a, a_checks, a_data, a_sources, report

MAP = "user=client,item=sku,time=when"


def few(data, quick=False, seed=0):
    """Sources without a network, for speed."""
    chosen = a_sources.linear(data, True, seed)
    return [s for s in chosen if s.name in ("popularity", "EASE", "ALS")]


@pytest.fixture
def light(monkeypatch):
    monkeypatch.setattr(a, "sources", few)
    return monkeypatch


# ------------------------------------------------------------------ arithmetic


def test_thirds_keep_ties_together():
    g = a_data.thirds(range(6), np.array([1, 1, 1, 1, 5, 9]), "history")
    assert g.tolist() == ["small history"] * 4 + ["large history"] * 2


# ------------------------------------------------------------------ a file of one's own


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run on the shop's file with items, by the command."""
    folder = tmp_path_factory.mktemp("shop")
    shop().to_csv(folder / "sales.csv", index=False)
    goods = pd.DataFrame({"sku": [f"s{i}" for i in range(40)]})
    goods["title"] = [f"Item {i}" for i in range(40)]
    goods["category"] = np.where(np.arange(40) % 2, "odd", "even")
    goods.to_csv(folder / "goods.csv", index=False)
    words = ["track", "run", "a", "--data", str(folder / "sales.csv"), "--map", MAP]
    words += ["--items", str(folder / "goods.csv"), "--quick"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(a, "sources", few)
        assert main([*words, "-o", str(folder / "out")]) == 0
    return folder


def results(folder):
    return json.loads((folder / "out" / "results.json").read_text())


def test_the_results_fit_their_schema(done):
    text = files("streamrec.cli").joinpath("schemas/track-run.json").read_text("utf-8")
    schema = json.loads(text)["properties"]["results"]
    Draft202012Validator(schema).validate(results(done))


def test_the_stack_learns_two_tastes(done):
    quality = {q["system"]: q["ndcg"] for q in results(done)["quality"]}
    assert quality["full stack"] > quality["popularity"]


def test_recall_grows_by_merging_and_falls_along_the_stages(done):
    rows = {r["stage"]: r["recall"] for r in results(done)["recall_by_stage"]}
    merged = rows["candidates, merged"]
    assert merged >= max(v for k, v in rows.items() if k.startswith("candidates of"))
    assert merged >= rows["list after ranker"]


def test_every_list_that_was_served_through_a_fault_was_valid(done):
    faults = results(done)["served"]["faults"]
    assert len(faults) == 7 and all(f["valid"] == 1.0 for f in faults)
    assert faults[0]["degraded"] == 0.0


def test_the_page_is_one_file_that_escapes_what_comes_from_the_data(done):
    page = (done / "out" / "report.html").read_text("utf-8")
    assert page.startswith("<!doctype html>") and "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    changed = results(done)
    changed["data"]["title"] = "<b>shop</b>"
    from streamrec.tracks.report import page as write

    assert "<b>shop</b>" not in write(changed)


def test_a_second_run_is_quick_and_says_the_same(done, light):
    before = results(done)
    sales, goods = str(done / "sales.csv"), str(done / "goods.csv")
    light.setattr(EASE, "fit", None)  # nothing is fitted again
    a.run(
        sales, done / "out", a.Settings(quick=True), items=goods, columns=mapping(MAP)
    )
    assert same(before, results(done))


def same(one, two):
    return steady(one) == steady(two)


def steady(x):
    """Results without what a clock or the memory decides."""
    drop = ("seconds", "cost", "served", "notes")
    return {k: v for k, v in x.items() if k not in drop}


def test_a_run_that_was_killed_goes_on_and_ends_the_same(done, light, tmp_path):
    fit, calls = a_sources.Workshop.fit, []

    def killed(self, *args, **more):
        calls.append(args[0])
        if len(calls) == 5:
            raise KeyboardInterrupt
        return fit(self, *args, **more)

    light.setattr(a_sources.Workshop, "fit", killed)
    sales, goods = str(done / "sales.csv"), str(done / "goods.csv")
    more = {"items": goods, "columns": mapping(MAP)}
    with pytest.raises(KeyboardInterrupt):
        a.run(sales, tmp_path / "out", a.Settings(quick=True), **more)
    assert not (tmp_path / "out" / "results.json").exists()
    a.run(sales, tmp_path / "out", a.Settings(quick=True), **more)
    assert same(results(done), results(tmp_path))


# ------------------------------------------------------------------ bad input


def spoil(kind):
    """The shop's table with one thing wrong."""
    t = shop()
    if kind == "columns":
        return t.rename(columns={"sku": "thing"})
    if kind == "text":
        t = t.astype({"when": str})
        t.loc[7, "when"] = "yesterday"
    if kind == "milliseconds":
        t["when"] *= 1000
    if kind == "duplicates":
        t = pd.concat([t, t.head(3)])
    if kind == "empty cell":
        t.loc[3, "client"] = None
    if kind == "few":
        t = t[t.client.isin(["c1", "c2", "c3"])]
    if kind == "empty":
        t = t.head(0)
    if kind == "no time":
        t = t.drop(columns="when")
    return t


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("columns", "--map user=COLUMN,item"),
        ("text", "line 9"),
        ("milliseconds", "--time-unit ms"),
        ("duplicates", "--on-duplicates sum, mean"),
        ("empty cell", "empty cell"),
        ("few", "at least 20"),
        ("empty", "no row"),
    ],
)
def test_bad_data_get_one_line_and_leave_the_output_alone(
    kind, words, done, light, tmp_path, capsys
):
    spoil(kind).to_csv(tmp_path / "bad.csv", index=False)
    refused(tmp_path, capsys, words, "--data", str(tmp_path / "bad.csv"), "--map", MAP)


def refused(folder, capsys, words, *more):
    """The command ends with 2, one line that says it, and touches no file."""
    out = folder / "old"
    out.mkdir()
    (out / "report.html").write_text("before")
    assert main(["track", "run", "a", "-o", str(out), *more]) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1 and words in err, err
    assert [f.name for f in out.iterdir()] == ["report.html"]
    assert (out / "report.html").read_text() == "before"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--data", "nowhere.csv"], "does not exist"),
        (["--data", "netflix"], "movielens, world"),
        (["--data", "world", "--map", "user=a"], "brings its own"),
        (["--map", "user:a"], "--map user:a"),
        (["--map", "user=a,user=b"], "twice"),
        (["--map", "price=a"], "--map price=a"),
        (["-k", "0"], "k"),
        (["--trade", "2"], "trade"),
    ],
)
def test_wrong_options_get_one_line(more, words, tmp_path, capsys):
    refused(tmp_path, capsys, words, *more)


def test_a_unit_that_puts_all_events_into_1970_is_refused(tmp_path, capsys):
    shop().to_csv(tmp_path / "shop.csv", index=False)
    more = ("--data", str(tmp_path / "shop.csv"), "--map", MAP, "--time-unit", "us")
    refused(tmp_path, capsys, "is of 1970-01-01", *more)


def test_finding_all_there_is_to_find_is_the_same_for_every_history():
    k, held = 4, np.array([1, 2, 8])  # user c could use more places than there are
    user = np.repeat(["a", "b", "c"], k)
    hit = np.r_[1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1].astype(float)
    each = a_checks.share_of_possible(hit, np.repeat(held, k), user, k)
    assert np.allclose(each.reshape(3, k).mean(axis=1), 1.0)
    none = a_checks.share_of_possible(hit[:k], np.zeros(k, int), user[:k], k)
    assert np.isnan(none).all()


def test_the_price_of_policy_stands_beside_the_quality():
    price = [{"ndcg": 0.20}, {"ndcg": 0.19}]
    assert "took 5% of it" in report._paid(price)
    assert report._paid([{"ndcg": 0.20}, {"ndcg": 0.199}]) == ""


def test_a_file_without_times_is_refused(tmp_path, capsys):
    spoil("no time").to_csv(tmp_path / "bad.csv", index=False)
    columns = "user=client,item=sku"
    more = ["--data", str(tmp_path / "bad.csv"), "--map", columns]
    refused(tmp_path, capsys, "--map time=COLUMN", *more)


@pytest.mark.parametrize(
    ("goods", "words"),
    [
        ({"name": ["a"]}, "no column 'item'"),
        ({"sku": ["s1", "s1"]}, "stands in two rows"),
        ({"sku": ["zz"]}, "none of its ids"),
    ],
)
def test_a_wrong_table_of_items_is_refused(goods, words, tmp_path, capsys):
    shop().to_csv(tmp_path / "sales.csv", index=False)
    pd.DataFrame(goods).to_csv(tmp_path / "goods.csv", index=False)
    more = ["--data", str(tmp_path / "sales.csv"), "--map", MAP]
    more += ["--items", str(tmp_path / "goods.csv")]
    refused(tmp_path, capsys, words, *more)


def test_a_full_disc_leaves_the_last_report(done, light, tmp_path, capsys):
    sales = str(done / "sales.csv")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("before")

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    light.setattr(os, "replace", full)
    words = ["track", "run", "a", "--data", sales, "--map", MAP, "--quick"]
    assert main([*words, "-o", str(out)]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1 and "No space left" in err[0]
    assert (out / "report.html").read_text() == "before"


# ------------------------------------------------------------------ the world


def test_the_world_also_tells_what_lists_are_truly_worth(tmp_path):
    r = a.run("world", tmp_path / "out", a.Settings(quick=True), size="tiny")
    value = {v["system"]: v["minutes"] for v in r["policy_value"]}
    assert value["best order in truth"] >= max(value.values())
    assert value["full stack"] > 0
    assert r["data"]["user_side"] == "language"
    assert {"SASRec", "GRU", "two towers", "content"} <= set(value)


def test_an_index_keeps_the_whole_of_ids_that_are_text():
    from streamrec.models.implicit_als import ImplicitALS
    from streamrec.models.index import ExactIndex, IndexedRecommender

    x = Interactions.from_frame(shop(), "client", "sku", "when")  # s0, ..., s39
    model = ImplicitALS(factors=4, lam=1.0).fit(x)
    found = IndexedRecommender(model, ExactIndex()).recommend(x.users[:3], 20)
    assert (found.items == model.recommend(x.users[:3], 20).items).all()
