"""streamrec.production.profile and ``streamrec features profile``."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest

from streamrec.cli import main
from streamrec.production.profile import ProfileLimits, profile

SCHEMA = json.loads(
    files("streamrec.cli").joinpath("schemas/features-profile.json").read_text("utf-8")
)


def table(n=1_000, seed=0, move=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame(
        {
            "x": x + move,
            "noisy": x + rng.normal(size=n),
            "city": rng.choice(["Graz", "Linz", "Wien"], n),
            "y": rng.binomial(1, 1 / (1 + np.exp(-x))),
        }
    )


def kinds(found):
    return {(f["column"], f["kind"]) for f in found["findings"]}


def test_a_clean_table_has_no_findings():
    found = profile(table(), label="y", reference=table(seed=1))
    assert not found["findings"]
    r = {r["column"]: r for r in found["columns"]}
    assert r["x"]["quantiles"][3] == pytest.approx(table()["x"].median())
    assert sum(r["x"]["histogram"]["counts"]) == 1_000
    assert r["city"]["distinct"] == 3 and r["city"]["mean"] is None


def test_each_planted_defect_is_found():
    t = table()
    rng = np.random.default_rng(5)
    t["empty"] = np.where(np.arange(1_000) < 980, np.nan, 1.0)
    t["same"] = 7
    t["copy"] = 3 - 2 * t["x"] + 0.01 * rng.normal(size=1_000)
    t["id"] = [f"row{i}" for i in range(1_000)]
    t["later"] = t["y"] * 2 + rng.normal(0, 0.2, 1_000)
    t["told"] = np.where(t["y"] == 1, "yes", "no")
    t["gone"] = np.where(t["y"] == 1, np.nan, rng.normal(size=1_000))
    t["ratio"] = np.where(np.arange(1_000) == 3, np.inf, 1.0 + t["x"])
    found = kinds(profile(t, label="y"))
    assert {
        ("empty", "missing"), ("same", "constant"), ("copy", "copy"),
        ("id", "identifier"), ("later", "leak"), ("told", "leak"), ("gone", "leak"),
        ("ratio", "infinite"),
    } <= found  # fmt: skip
    assert ("noisy", "leak") not in found and ("id", "leak") not in found
    assert ("city", "leak") not in found


def test_levels_that_know_nothing_are_no_leak():
    """One big level, many rare ones, none: the own label must not enter."""
    rng = np.random.default_rng(6)
    for levels in (1.5, 40, 900):
        t = table(seed=7).assign(who=[f"w{int(k)}" for k in rng.random(1_000) * levels])
        assert ("who", "leak") not in kinds(profile(t, label="y"))


def test_a_label_of_numbers_leaks_by_ranks():
    t = table().assign(y=lambda d: d["x"] + 0.01 * d["noisy"])
    assert ("x", "leak") in kinds(profile(t, label="y"))


def test_a_shift_is_found_and_named():
    now, then = table(move=0.5), table(seed=1)
    now["city"] = np.where(np.arange(1_000) < 200, "Bern", now["city"])
    now["new"], then["lost"] = 1.0, 1.0
    now["y2"], then["y2"] = "a", 1
    found = kinds(profile(now, reference=then))
    assert {("x", "shift"), ("city", "levels"), ("city", "shift"), ("new", "new"),
            ("lost", "lost"), ("y2", "type")} <= found  # fmt: skip
    assert ("noisy", "shift") not in kinds(profile(table(), reference=table(seed=2)))


def test_false_alarms_of_the_shift_test_are_rare():
    alarms = sum(
        bool(profile(table(300, i), reference=table(300, 500 + i))["findings"])
        for i in range(100)
    )
    assert alarms <= 2


def test_limits_move_the_findings():
    t = table()
    assert ("noisy", "copy") in kinds(profile(t, limits=ProfileLimits(correlation=0.5)))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: (t.head(0), None), "no rows"),
        (lambda t: (t, "z"), 'no label "z"'),
        (lambda t: (t.assign(y=1), "y"), "never varies"),
        (lambda t: (pd.concat([t, t[["x"]]], axis=1), None), "named twice"),
    ],
)
def test_bad_tables_are_explained(change, word):
    data, label = change(table())
    with pytest.raises(ValueError, match=word):
        profile(data, label=label)


def test_the_command(tmp_path, capsys):
    table().to_parquet(tmp_path / "a.parquet")
    args = ["features", "profile", "-i", str(tmp_path / "a.parquet"), "--label", "y"]
    assert main([*args, "--format", "json"]) == 0
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, SCHEMA)
    table().assign(told=lambda d: d["y"] + 1).to_csv(tmp_path / "b.csv", index=False)
    args[3] = str(tmp_path / "b.csv")
    page = tmp_path / "p.html"
    assert main([*args, "-o", str(page)]) == 1
    assert "stop: told" in capsys.readouterr().out
    assert page.read_text().count("<svg") == 4
    assert main([*args, "--format", "json"]) == 1
    jsonschema.validate(json.loads(capsys.readouterr().out), SCHEMA)
    for bad, word in (
        (["-i", "none.csv"], "no file"),
        (["-i", str(page)], ".csv or .parquet"),
        (["-i", args[3], "--leak", "2"], "--leak"),
        (["-i", args[3], "-o", "x.txt"], ".html"),
    ):
        assert main(["features", "profile", *bad]) == 2
        error = capsys.readouterr().err
        assert word in error and error.count("\n") == 1
