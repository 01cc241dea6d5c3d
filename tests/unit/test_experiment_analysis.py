"""From files of users to a report: streamrec.experiments.analysis and its command."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from streamrec.cli import main
from streamrec.experiments import example
from streamrec.experiments.analysis import analyze
from streamrec.experiments.plan import ExperimentPlan
from streamrec.experiments.report import page


def plan(**changes):
    return ExperimentPlan.from_mapping({**yaml.safe_load(example.PLAN), **changes})


@pytest.fixture(scope="module")
def shop():
    return example.users(6_000, seed=3)


@pytest.fixture(scope="module")
def found(shop):
    return analyze(shop, plan())


def row(result, metric):
    return next(r for r in result["metrics"] if r["metric"] == metric)


def test_results_equal_the_arithmetic_on_the_frame(shop, found):
    a, b = (shop[shop["variant"] == arm] for arm in ("control", "treatment"))
    conversion = row(found, "conversion")
    assert conversion["control"] == pytest.approx(a["converted"].mean())
    assert conversion["treatment"] == pytest.approx(b["converted"].mean())
    ctr = row(found, "CTR")
    assert ctr["control"] == pytest.approx(a["clicks"].sum() / a["impressions"].sum())
    crashes = row(found, "crashes")
    theirs = stats.ttest_ind(b["crashes"], a["crashes"], equal_var=False)
    assert crashes["p_value"] == pytest.approx(theirs.pvalue)
    minutes = row(found, "minutes")
    assert minutes["variance_ratio"] == pytest.approx(1 - minutes["rho"] ** 2, abs=0.01)


def test_the_known_effects_are_covered(found):
    """Truth of the example: +0.02, +1 minute, no change twice."""
    for name, truth in (("conversion", 0.02), ("minutes", 1.0), ("crashes", 0.0)):
        low, high = row(found, name)["interval"]
        margin = (high - low) / 2  # a miss by more than the width again is a fault
        assert low - margin <= truth <= high + margin
    assert not found["stopped"] and found["counts"]["units"] == 6_000


def test_many_rows_of_a_unit_are_one_observation(shop):
    """Splitting users into days changes nothing but the number of rows."""
    half = shop.assign(
        clicks=shop["clicks"] // 2,
        impressions=shop["impressions"] // 2,
        minutes=0.0,
        crashes=0,
        converted=0,
        day="2026-02-01",
    )
    rest = shop.assign(
        clicks=shop["clicks"] - half["clicks"],
        impressions=shop["impressions"] - half["impressions"],
    )
    whole, split = analyze(shop, plan()), analyze(pd.concat([half, rest]), plan())
    assert split["counts"]["rows"] == 12_000 and split["counts"]["units"] == 6_000
    for one, two in zip(whole["metrics"], split["metrics"], strict=True):
        assert two["effect"] == pytest.approx(one["effect"])
        assert two["se"] == pytest.approx(one["se"])


def test_a_sample_ratio_mismatch_stops_the_report(shop):
    lost = shop[(shop["variant"] == "control") | (np.arange(len(shop)) % 5 > 0)]
    result = analyze(lost, plan())
    assert result["stopped"] and not result["metrics"]
    assert result["summary"][0].startswith("The report stops here: planned control 50")


def test_units_in_two_arms_are_set_aside_or_stop_the_report(shop):
    few = pd.concat([shop, shop.head(20).assign(variant="treatment")])
    result = analyze(few, plan(segments=[], balance=[]))
    overlap = result["counts"]["units_in_two_arms"]
    assert 0 < overlap < 20 and not result["stopped"]
    many = pd.concat([shop, shop.head(900).assign(variant="treatment")])
    assert analyze(many, plan(segments=[], balance=[]))["stopped"]


def test_missing_values_are_counted_and_compared(shop):
    gone = shop.copy()
    mask = (gone["variant"] == "treatment") & (np.arange(len(gone)) % 10 == 0)
    gone.loc[mask, "minutes"] = np.nan
    result = analyze(gone, plan())
    text = next(c["text"] for c in result["checks"] if c["name"] == "missing values")
    assert "treatment 9" in text or "treatment 10" in text and "may differ too" in text
    assert row(result, "minutes")["n_control"] == (gone["variant"] == "control").sum()


def test_simpson_is_noticed():
    """In each country the treatment is better; overall it looks worse."""
    rows = []
    for country, arm, n, rate in (
        ("AT", "control", 800, 0.60),
        ("AT", "treatment", 200, 0.65),
        ("BR", "control", 200, 0.10),
        ("BR", "treatment", 800, 0.15),
    ):
        y = np.zeros(n)
        y[: int(n * rate)] = 1
        rows.append(pd.DataFrame({"country": country, "variant": arm, "y": y}))
    data = pd.concat(rows, ignore_index=True).reset_index(names="user_id")
    p = plan(
        metrics=[{"name": "y", "kind": "binary", "column": "y", "role": "primary"}],
        balance=[],
        day="",
    )
    result = analyze(data, p)
    assert any(c["name"] == "Simpson" for c in result["checks"])


def test_a_fading_effect_is_noticed():
    rng = np.random.default_rng(0)
    n = 14_000
    day = rng.integers(0, 14, n)
    arm = rng.choice(["control", "treatment"], n)
    y = rng.normal(size=n) + (arm == "treatment") * (1.0 - day / 14)
    data = pd.DataFrame(
        {
            "user_id": np.arange(n),
            "variant": arm,
            "y": y,
            "day": (np.datetime64("2026-01-01") + day).astype(str),
        }
    )
    p = plan(
        metrics=[{"name": "y", "kind": "mean", "column": "y", "role": "primary"}],
        balance=[],
        segments=[],
    )
    result = analyze(data, p)
    text = next(c["text"] for c in result["checks"] if c["name"] == "novelty")
    assert "fades" in text and len(result["days"]) == 14


def test_dates_outside_the_plan_are_counted(shop):
    result = analyze(shop, plan(start="2026-01-06", end="2026-01-10"))
    inside = shop["day"].between("2026-01-06", "2026-01-10").sum()
    assert result["counts"]["units"] == inside
    assert any(c["name"] == "dates" for c in result["checks"])


def test_always_valid_intervals_are_wider(shop, found):
    result = analyze(shop, plan(always_valid=True, planned_units=12_000))
    one, two = row(found, "conversion"), row(result, "conversion")
    assert two["interval"][1] - two["interval"][0] > 1.2 * (
        one["interval"][1] - one["interval"][0]
    )
    assert "always valid" in two["method"]


def test_roles_decide_what_is_said(shop, found):
    assert row(found, "minutes")["verdict"] == "better"  # 1 minute, se below 0.25
    assert row(found, "crashes")["verdict"] in ("holds", "open")
    worse = shop.assign(crashes=shop["crashes"] + (shop["variant"] == "treatment"))
    assert row(analyze(worse, plan()), "crashes")["verdict"] == "broken"
    a_a = shop.assign(variant=np.where(np.arange(6_000) % 2, "control", "treatment"))
    lines = " ".join(analyze(a_a, plan())["summary"])
    assert "not evidence of no difference" in lines.replace("\n", " ")


def test_two_thousand_a_a_tests_keep_alpha():
    """Whole analyses of pure noise: 5 % within three binomial errors.

    100 analyses of 20 independent, skewed columns make 2,000 tests.
    """
    rng = np.random.default_rng(1)
    n, columns, rejected = 400, [f"m{i}" for i in range(20)], 0
    metrics = [
        {"name": c, "kind": "mean", "column": c, "role": "primary"} for c in columns
    ]
    p = plan(metrics=metrics, balance=[], segments=[], day="")
    for _ in range(100):
        data = pd.DataFrame(rng.lognormal(0, 0.8, (n, 20)), columns=columns)
        data["user_id"] = np.arange(n)
        data["variant"] = rng.permutation(np.repeat(["control", "treatment"], n // 2))
        rejected += sum(r["p_value"] < 0.05 for r in analyze(data, p)["metrics"])
    assert abs(rejected / 2_000 - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 2_000)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"variant": "arm"}, 'no column "arm"'),
        ({"unit": "userid"}, 'did you mean "user_id"'),
        ({"arms": {"control": 0.5, "new": 0.5}}, "'treatment', not registered"),
        ({"arms": {"control": 1.0}}, "at least two"),
        ({"arms": {"control": "half", "treatment": 0.5}}, "must be a number"),
        ({"arms": {"control": 0.4, "treatment": 0.4, "third": 0.2}}, "arm 'third'"),
        ({"metrics": []}, "at least one"),
        ({"alpha": 2.0}, "alpha"),
        ({"start": "2026-02-01", "end": "2026-01-01"}, "is after end"),
        ({"always_valid": True}, "planned_units"),
        ({"segment": ["country"]}, "unknown entry segment"),
    ],
)
def test_a_bad_plan_is_explained(shop, change, word):
    with pytest.raises(ValueError, match=word):
        analyze(shop, plan(**change))


@pytest.mark.parametrize(
    ("metric", "word"),
    [
        ({"kind": "mean", "column": "country"}, "not numbers"),
        ({"kind": "binary", "column": "crashes"}, "other than 0 and 1"),
        ({"kind": "ratio", "column": "clicks"}, "needs a denominator"),
        ({"kind": "median", "column": "clicks"}, "kind must be one of"),
        ({"kind": "mean", "column": "clicks", "role": "guardrail"}, "margin"),
        (
            {"kind": "binary", "column": "converted", "covariate": "clicks"},
            "means only",
        ),
        ({"column": "clicks"}, "lacks kind"),
    ],
)
def test_a_bad_metric_is_explained(shop, metric, word):
    rows = [{"name": "x", "role": "primary", **metric}]
    with pytest.raises(ValueError, match=word):
        analyze(shop, plan(metrics=rows, day=""))


def test_a_covariate_that_moves_is_refused(shop):
    twice = pd.concat([shop, shop.assign(minutes_before=0.0)])
    with pytest.raises(ValueError, match="must be fixed before"):
        analyze(twice, plan())


def test_no_conversion_at_all_is_said(shop):
    result = analyze(shop.assign(converted=0), plan())
    assert row(result, "conversion")["verdict"] == "not tested"
    assert any("no event in either arm" in s for s in result["summary"])


# ------------------------------------------------------------------ report, command


def test_the_report_escapes_what_comes_from_the_data(shop):
    nasty = shop.assign(country=np.where(shop["country"] == "AT", "<script>x", "ok"))
    text = page(analyze(nasty, plan()))
    assert "<script>" not in text and "&lt;script&gt;x" in text
    assert text.count("<svg") == 3 and "http" not in text.replace("http-equiv", "")


def schema(name):
    return json.loads(
        files("streamrec.cli").joinpath(f"schemas/{name}.json").read_text("utf-8")
    )


def test_the_command_writes_json_that_keeps_its_schema(shop, tmp_path, capsys):
    shop.to_parquet(tmp_path / "users.parquet")
    (tmp_path / "plan.yaml").write_text(example.PLAN)
    report = tmp_path / "report.html"
    args = [
        "-i",
        str(tmp_path / "users.parquet"),
        "--plan",
        str(tmp_path / "plan.yaml"),
    ]
    code = main(["experiment", "analyze", *args, "--format", "json", "-o", str(report)])
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, schema("experiment-analyze"))
    assert code == 0 and out["status"] == "ok" and report.stat().st_size > 5_000
    shop[shop.index % 3 > 0].assign(
        variant=lambda d: np.where(d.index % 2, "control", d["variant"])
    ).to_csv(tmp_path / "skewed.csv", index=False)
    args[1] = str(tmp_path / "skewed.csv")
    assert main(["experiment", "analyze", *args, "--format", "json"]) == 1
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, schema("experiment-analyze"))
    assert out["status"] == "failed"


def test_design_on_the_command_line(capsys):
    args = "experiment design --baseline 0.05 --effect 0.1 --format json".split()
    assert main(args) == 0
    out = json.loads(capsys.readouterr().out)
    jsonschema.validate(out, schema("experiment-design"))
    assert out["results"]["users_control"] == 31_231
    assert main([*args, "--formula", "arcsine"]) == 0
    assert json.loads(capsys.readouterr().out)["results"]["users_control"] == 31_218


def test_assign_and_analyze_work_together(tmp_path, capsys):
    users = tmp_path / "users.csv"
    users.write_text("user_id\n" + "\n".join(f"u{i}" for i in range(400)) + "\nu0\n")
    args = ["experiment", "assign", "-i", str(users), "--salt", "s"]
    args += ["--arm", "control=0.5", "--arm", "new=0.5"]
    assert main([*args, "-o", str(tmp_path / "arms.csv")]) == 0
    arms = pd.read_csv(tmp_path / "arms.csv")
    assert len(arms) == 400 and set(arms["variant"]) == {"control", "new"}
    arms.assign(y=np.arange(400) % 2).to_csv(tmp_path / "y.csv", index=False)
    code = main(
        ["experiment", "analyze", "-i", str(tmp_path / "y.csv"), "--binary", "y"]
        + ["--arm", "control=0.5", "--arm", "new=0.5"]
    )
    assert code == 0 and "No plan was given" in capsys.readouterr().out


def test_an_experiment_report_in_one_command(tmp_path, capsys):
    target = tmp_path / "report.html"
    assert main(["experiment", "analyze", "--example", "-o", str(target)]) == 0
    assert target.exists() and "conversion" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["analyze"], "--example"),
        (["analyze", "-i", "none.csv", "--binary", "y"], "give --plan"),
        (["analyze", "--example", "-o", "r.pdf"], ".html"),
        (
            [
                "analyze",
                "-i",
                "none.csv",
                "--binary",
                "y",
                "--arm",
                "a=0.5",
                "--arm",
                "b=0.5",
            ],
            "no file",
        ),
        (["analyze", "-i", "x", "--ratio", "a", "--arm", "a=1"], "NUMERATOR"),
        (["assign", "-i", "none.csv", "--salt", "s", "--arm", "a"], "NAME=SHARE"),
        (["assign", "-i", "none.csv", "--salt", "s", "--arm", "a=1"], "no file"),
        (["design", "--baseline", "0", "--effect", "0.1"], "baseline of 0"),
    ],
)
def test_bad_commands_get_one_line(args, word, capsys):
    assert main(["experiment", *args]) == 2
    error = capsys.readouterr().err
    assert word in error and error.count("\n") == 1


# ------------------------------------------------- what strangers' files hold


def written(frame, folder, name="users.csv"):
    frame.to_csv(folder / name, index=False)
    return folder / name


def test_text_far_down_a_column_of_numbers_is_named(tmp_path):
    """DuckDB guesses types from the first rows; the guess may fail much later."""
    big = example.users(30_000)
    text = big.astype({"crashes": object})
    text.loc[len(big) - 2, "crashes"] = "oops"
    with pytest.raises(ValueError, match="\"crashes\" holds 'oops', not numbers"):
        analyze(written(text, tmp_path), plan())
    text.loc[len(big) - 2, "crashes"] = "NA"  # a missing value wherever it stands
    gone = big.astype({"crashes": float})
    gone.loc[len(big) - 2, "crashes"] = np.nan
    found = row(analyze(written(text, tmp_path), plan()), "crashes")
    assert found["effect"] == row(analyze(gone, plan()), "crashes")["effect"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.assign(converted=np.nan), "fewer than two usable values"),
        (lambda d: d.head(0), "no rows"),
        (
            lambda d: d.assign(
                minutes=d["minutes"].map(lambda v: f"{v:.2f}".replace(".", ","))
            ),
            "decimal comma",
        ),
        (lambda d: d.assign(minutes=d["day"]), "not numbers"),
        (lambda d: d.assign(Minutes=1.0), "capitals"),
        (lambda d: d.drop_duplicates("variant"), "one unit"),
        (
            lambda d: d.assign(
                minutes_before=d["minutes_before"].where(d["variant"] == "treatment")
            ),
            "fewer than two values in arm 'control'",
        ),
        (lambda d: d.assign(impressions=0, clicks=0), "'CTR' is 0 or missing"),
        (lambda d: d.assign(day=1_768_352_798_000), "seconds or milliseconds"),
        (lambda d: d.assign(day="Monday"), "no date"),
        (lambda d: d.assign(variant=d["user_id"]), "and 5,995 more, not registered"),
    ],
)
def test_a_broken_file_gets_one_clear_line(shop, tmp_path, change, word, capsys):
    (tmp_path / "plan.yaml").write_text(example.PLAN)
    file = written(change(shop), tmp_path)
    args = ["experiment", "analyze", "-i", str(file)]
    assert main([*args, "--plan", str(tmp_path / "plan.yaml")]) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1


def test_files_that_are_no_tables_are_named(shop, tmp_path):
    text = shop.head(50).to_csv(index=False)
    for name, content, word in (
        ("empty.csv", b"", "empty.csv is empty"),
        ("latin.csv", text.replace("AT", "\u00d6").encode("latin-1"), "UTF-8"),
        ("short.csv", (text + "1,2,3\n").encode(), "number of columns"),
        (
            "twice.csv",
            text.replace("clicks", "converted", 1).encode(),
            "holds 'converted' twice",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=word):
            analyze(tmp_path / name, plan())


def test_an_empty_planned_period_is_said(shop):
    with pytest.raises(ValueError, match="no row lies within"):
        analyze(shop, plan(start="2027-01-01"))


def test_events_of_a_user_and_day_are_one_observation(shop, found):
    """Five copies of each row tell nothing new about any day."""
    copies = analyze(pd.concat([shop] * 5), plan())
    assert len(copies["days"]) == len(found["days"]) == 14
    for one, five in zip(found["days"], copies["days"], strict=True):
        assert five["se"] == pytest.approx(one["se"])


def test_users_in_two_arms_are_left_out_of_the_days_too(shop):
    extra = shop.head(20).assign(converted=1, variant=["control", "treatment"] * 10)
    mixed = pd.concat([shop, extra])
    clean = shop[
        ~shop["user_id"].isin(
            mixed[mixed.groupby("user_id")["variant"].transform("nunique") > 1][
                "user_id"
            ]
        )
    ]
    clean = pd.concat([clean, extra[extra["user_id"].isin(clean["user_id"])]])
    one, two = analyze(mixed, plan()), analyze(clean, plan())
    assert one["counts"]["units_in_two_arms"] > 0
    assert [d["effect"] for d in one["days"]] == [d["effect"] for d in two["days"]]


def test_days_are_ordered_as_days(shop):
    """Numbered days by their number, times by their date, not as text."""
    number = pd.to_datetime(shop["day"]).dt.day - 4  # 1 to 14
    days = [r["day"] for r in analyze(shop.assign(day=number), plan())["days"]]
    assert days == [str(k) for k in range(1, 15)]
    times = pd.to_datetime(shop["day"]) + pd.to_timedelta(np.arange(len(shop)), "s")
    days = analyze(shop.assign(day=times), plan())["days"]
    assert [r["day"] for r in days][:2] == ["2026-01-05", "2026-01-06"]
    some = shop.assign(day=shop["day"].where(shop.index != 5, "32.13.2026"))
    texts = [c["text"] for c in analyze(some, plan())["checks"]]
    assert any(
        "1 rows have no date in 'day', for example '32.13.2026'" in t for t in texts
    )


def test_a_guardrail_says_what_its_interval_says(shop):
    """Harm beyond the margin is shown only by an interval beyond the margin."""
    for factor in (1.0, 1.1, 1.2, 1.25, 1.3, 1.4):
        hurt = shop["crashes"] * np.where(shop["variant"] == "treatment", factor, 1.0)
        for changes in ({}, {"always_valid": True, "planned_units": 6_000}):
            r = row(analyze(shop.assign(crashes=hurt), plan(**changes)), "crashes")
            low, high = r["interval"]
            assert r["verdict"] == (
                "holds"
                if high < r["margin"]
                else "broken"
                if low > r["margin"]
                else "open"
            )
            assert (r["verdict"] == "holds") == (r["p_adjusted"] < 0.025) or changes


def test_a_guardrail_that_never_varies_is_not_tested(shop):
    found = analyze(shop.assign(crashes=0), plan())
    assert row(found, "crashes")["verdict"] == "not tested"
    assert not any("nan" in line for line in found["summary"])


def test_a_part_without_a_denominator_does_not_stop_the_rest(shop):
    none = shop["country"] == "AT"
    quiet = shop.assign(
        clicks=shop["clicks"].where(~none, 0),
        impressions=shop["impressions"].where(~none, 0),
    )
    metrics = [
        {"name": "CTR", "kind": "ratio", "column": "clicks", "role": "primary"}
        | {"denominator": "impressions"}
    ]
    found = analyze(quiet, plan(metrics=metrics))
    assert {r["value"] for r in found["segments"]} == {"BR", "CA", "DE"}


def test_a_segment_of_identifiers_is_said_not_to_be_shown(shop):
    found = analyze(shop.assign(country=shop["user_id"]), plan())
    assert any("no value of country" in line for line in found["summary"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"alpha": "0.05"}, "alpha must be a number, not '0.05'"),
        ({"always_valid": True, "planned_units": "many"}, "whole number"),
        ({"unit": ["a"]}, "unit must be text"),
        ({"segments": [3]}, "segments: give a list of names"),
        ({"start": "yesterday"}, "2026-01-31"),
        ({"registered": "no"}, "true or false"),
        ({"variant": "user_id"}, "one column"),
    ],
)
def test_values_of_a_wrong_kind_in_a_plan_are_named(shop, changes, word):
    with pytest.raises(ValueError, match=word):
        analyze(shop, plan(**changes))


@pytest.mark.parametrize(
    ("entry", "word"),
    [({"name": 3}, "name must be text"), ({"column": 3}, "column must be text"),
     ({"role": "guardrail", "margin": "some"}, "margin must be a number")],
)  # fmt: skip
def test_values_of_a_wrong_kind_in_a_metric_are_named(entry, word):
    metric = {"name": "m", "kind": "mean", "column": "minutes", **entry}
    with pytest.raises(ValueError, match=word):
        plan(metrics=[metric])


def test_everybody_converting_is_not_a_test(shop):
    found = analyze(shop.assign(converted=1), plan())
    assert row(found, "conversion")["verdict"] == "not tested"
    assert "every unit of both arms has the event" in found["summary"][0]


def test_one_source_of_metrics_at_a_time(tmp_path, capsys):
    (tmp_path / "plan.yaml").write_text(example.PLAN)
    example.users(50).to_csv(tmp_path / "u.csv", index=False)
    file = ["-i", str(tmp_path / "u.csv")]
    for args, word in (
        (["--example", *file], "--example brings"),
        ([*file, "--plan", str(tmp_path / "plan.yaml"), "--binary", "converted"],
         "the plan names"),
    ):  # fmt: skip
        assert main(["experiment", "analyze", *args]) == 2
        assert word in capsys.readouterr().err


def test_assignment_reads_what_the_other_commands_read(tmp_path, capsys):
    """Parquet and semicolons too; an identifier is its text to the last digit."""
    ids = [f"{i:04d}" for i in range(20)]
    frame = pd.DataFrame({"user_id": ids, "x": 1.5})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "c.parquet")
    arms = ["--salt", "s", "--arm", "control=0.5", "--arm", "new=0.5"]
    said = []
    for name in ("a.csv", "b.csv", "c.parquet"):
        assert main(["experiment", "assign", "-i", str(tmp_path / name), *arms]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] == said[2] and said[0].split()[1].startswith("0000,")
    big = pd.DataFrame({"user_id": [10**18 + 1, 10**18 + 2]})
    big.to_parquet(tmp_path / "d.parquet")
    assert main(["experiment", "assign", "-i", str(tmp_path / "d.parquet"), *arms]) == 0
    assert f"{10**18 + 1}," in capsys.readouterr().out
    for more, word in ((["--arm", "=0.5"], "NAME=SHARE"), (arms[2:4], "named twice")):
        args = ["experiment", "assign", "-i", str(tmp_path / "a.csv"), *arms, *more]
        assert main(args) == 2 and word in capsys.readouterr().err
