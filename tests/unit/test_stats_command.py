"""``streamrec stats test`` against scipy and statsmodels, on a file."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.oneway import anova_oneway
from statsmodels.stats.proportion import confint_proportions_2indep

from streamrec.cli import main

SCHEMA = json.loads(
    files("streamrec.cli").joinpath("schemas/stats-test.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = 240
    g = rng.choice(["a", "b"], n)
    return pd.DataFrame(
        {
            "who": np.arange(n) // 2,
            "side": np.tile(["left", "right"], n // 2),
            "g": g,
            "three": rng.choice(["x", "y", "z"], n),
            "y": rng.gamma(3.0, 2.0, n) + (g == "b"),
            "t": rng.normal(size=n),
            "yes": rng.binomial(1, np.where(g == "b", 0.5, 0.3)),
        }
    )


@pytest.fixture
def ask(frame, tmp_path, capsys):
    frame.to_csv(tmp_path / "f.csv", index=False)

    def run(text):
        args = ["stats", "test", "-i", str(tmp_path / "f.csv"), *text.split()]
        assert main([*args, "--format", "json"]) == 0
        out = json.loads(capsys.readouterr().out)
        jsonschema.validate(out, SCHEMA)
        return out["results"]

    return run


def test_two_groups(ask, frame):
    found = ask("--value y --by g")
    a, b = (frame.loc[frame["g"] == k, "y"] for k in "ab")
    theirs = stats.ttest_ind(b, a, equal_var=False)
    assert found["kind"] == "welch"
    assert found["p_value"] == pytest.approx(theirs.pvalue)
    ci = theirs.confidence_interval()
    assert found["interval"] == pytest.approx([ci.low, ci.high])
    found = ask("--value y --by g --kind rank")
    assert found["p_value"] == pytest.approx(stats.brunnermunzel(a, b).pvalue)
    chance = (b.to_numpy()[:, None] > a.to_numpy()).mean()
    assert found["effect_size"] == pytest.approx(chance)


def test_more_groups(ask, frame):
    found = ask("--value y --by three")
    parts = [g["y"].to_numpy() for _, g in frame.groupby("three")]
    theirs = anova_oneway(parts, use_var="unequal")
    assert found["kind"] == "anova"
    assert found["statistic"] == pytest.approx(theirs.statistic)
    assert found["p_value"] == pytest.approx(theirs.pvalue)


def test_pairs(ask, frame):
    found = ask("--value y --by side --unit who")
    wide = frame.pivot(index="who", columns="side", values="y")
    theirs = stats.ttest_rel(wide["right"], wide["left"])
    assert found["p_value"] == pytest.approx(theirs.pvalue)


def test_shares(ask, frame):
    found = ask("--value yes --by g")
    counts = pd.crosstab(frame["g"], frame["yes"])
    assert found["kind"] == "table"
    theirs = stats.chi2_contingency(counts, correction=False)
    assert found["p_value"] == pytest.approx(theirs.pvalue)
    (x0, n0), (x1, n1) = ((counts.loc[k, 1], counts.loc[k].sum()) for k in "ab")
    ci = confint_proportions_2indep(x1, n1, x0, n0, method="newcomb")
    assert found["interval"] == pytest.approx(ci, abs=1e-9)


def test_correlation(ask, frame):
    found = ask("--value y --by t")
    assert found["kind"] == "correlation"
    assert found["p_value"] == pytest.approx(stats.pearsonr(frame["t"], frame["y"])[1])
    assert found["summary"][0].startswith("No evidence")


def test_the_report_and_its_warnings(frame, tmp_path, capsys):
    skewed = frame.head(16).assign(y=np.r_[np.arange(15.0), 500.0])
    skewed.loc[3, "t"] = np.nan
    skewed.to_csv(tmp_path / "s.csv", index=False)
    page = tmp_path / "r.html"
    args = ["stats", "test", "-i", str(tmp_path / "s.csv"), "--value", "y"]
    assert main([*args, "--by", "side", "-o", str(page)]) == 0
    out = capsys.readouterr().out
    assert "try --kind rank" in out and "<svg" in page.read_text()
    assert main([*args, "--by", "t", "--kind", "correlation"]) == 0
    assert "1 rows with missing values" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("--value nope --by g", "lacks the columns nope"),
        ("--value g --by y --kind welch", "holds text"),
        ("--value y --by three --kind welch", "compares two"),
        ("--value y --by g --kind paired", "--unit"),
        ("--value y --by g --unit g", "occurs twice"),
        ("--value g --by t --kind correlation", "holds text"),
        ("--value g --by y --kind table", "more than 50 levels"),
        ("--value y --by g --alpha 2", "alpha"),
        ("--value y --by g -o r.pdf", ".html"),
    ],
)
def test_bad_input_gets_one_line(frame, tmp_path, capsys, text, word):
    frame.to_csv(tmp_path / "f.csv", index=False)
    args = ["stats", "test", "-i", str(tmp_path / "f.csv"), *text.split()]
    assert main(args) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "text", "word"),
    [
        ({}, "--value y --by y", "compared with itself"),
        ({"y": np.inf}, "--value y --by g", '"y" holds infinity'),
        ({"y": "1,5"}, "--value y --by g", "one value only"),
        ({"three": np.arange(240)}, "--value g --by three", '"three" has more than 50'),
        ({"three": np.arange(240)}, "--value y --by three --kind anova", "fewer than"),
    ],
)
def test_columns_that_cannot_be_compared_are_named(
    frame, tmp_path, capsys, changes, text, word
):
    frame.assign(**changes).to_csv(tmp_path / "f.csv", index=False)
    assert main(["stats", "test", "-i", str(tmp_path / "f.csv"), *text.split()]) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1 and len(said) < 200
