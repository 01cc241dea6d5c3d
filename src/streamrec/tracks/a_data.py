"""Data of Track A: MovieLens, a simulated world, or a file of one's own.

Whatever the source, what comes out is one :class:`Data`: interactions with times, a
table of items (title, category, text), a table of users, and the groups of both that
the audit compares.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from streamrec.data.interactions import (
    Interactions,
    InteractionsError,
    _read_table,
    read_interactions,
)

PACKAGED = ("movielens", "world")
WORLD_USERS = 5_000  # users of a larger world whose histories are learned from
OLDEST = 1990  # newest event before this year: the unit of time is wrong
LEAST_USERS = 20  # fewer users with something held out: nothing could be chosen
PARTS = ("small", "middle", "large")  # thirds of a count, where no group is known
COLUMNS = ("title", "category", "text")  # of a table of items


@dataclass(frozen=True)
class Data:
    """Everything a run learns from and reports on.

    name: movielens, world or the file's name. title, words: a heading and a sentence.
    items: index item id; title, category, text ("" where there is none). users: index
    user id; a column a feature (may have none). features: of items, index item id, a
    column a feature. tags: index item id, tuples of what an item is. item_group,
    user_group: index id, value the group compared in the audit; item_side, user_side:
    what these groups are.
    world: the simulated world, if it is one.
    """

    name: str
    title: str
    words: str
    interactions: Interactions
    items: pd.DataFrame
    users: pd.DataFrame
    features: pd.DataFrame
    tags: pd.Series
    item_group: pd.Series
    user_group: pd.Series
    item_side: str
    user_side: str
    world: Any = field(default=None, repr=False)

    @property
    def has_text(self) -> bool:
        """Whether items come with words beyond their id."""
        return bool(self.items["text"].str.len().gt(0).any())


def load(
    source: str,
    *,
    columns: Mapping[str, str] | None = None,
    items: str | Path | None = None,
    users: str | Path | None = None,
    size: str = "small",
    seed: int = 0,
    on_duplicates: str = "error",
    time_unit: str = "s",
) -> Data:
    """Read a data set.

    source: ``movielens``, ``world`` (a streaming world of this ``size`` and ``seed``)
    or the path of a ratings file. columns: which column of the file is which, keys
    user, item, time, value. items: file with a row an item (item, and title, category
    or text); users: file with a row a user and a column a feature.

    Raises
    ------
    ValueError
        One sentence that names the file, what is wrong and what to do.
    """
    if source not in PACKAGED:
        found = _own(source, columns or {}, items, users, on_duplicates, time_unit)
    elif columns or items or users:
        raise ValueError(
            f"--data {source} brings its own tables: --map, --items and --users are "
            "for a file of yours"
        )
    else:
        found = _movielens() if source == "movielens" else _world(size, seed)
    check(found.interactions)
    return found


def check(x: Interactions) -> None:
    """Refuse interactions from which nothing could be held out, in one sentence."""
    if x.time is None:
        raise ValueError(
            "the interactions have no time column, and the newest of each user are "
            "held out to judge by: name it with --map time=COLUMN"
        )
    n = np.bincount(x.user_index, minlength=x.n_users)
    enough = int((n >= 3).sum())
    if enough < LEAST_USERS:
        raise ValueError(
            f"only {enough} users have three interactions or more: at least "
            f"{LEAST_USERS} are needed to choose settings and to judge them"
        )


def thirds(index: Any, counts: np.ndarray, what: str) -> pd.Series:
    """Groups by a count: the smallest, middle and largest third, ties together.

    >>> thirds([7, 8, 9], np.array([1, 5, 9]), "history").tolist()
    ['small history', 'middle history', 'large history']
    """
    edges = np.quantile(counts, [1 / 3, 2 / 3])
    code = np.searchsorted(edges, counts, side="left")
    names = np.array([f"{p} {what}" for p in PARTS])
    return pd.Series(names[code], index=pd.Index(index), name=what)


# -- the three kinds of data -------------------------------------------------------


def _movielens() -> Data:
    from streamrec.data import sources

    x = sources.movielens_100k()
    films = sources.movielens_100k_items().reindex(x.items)
    genres = [g if isinstance(g, tuple) else () for g in films["genres"]]
    first = pd.Series([g[0] if g else "unknown" for g in genres], index=films.index)
    items = pd.DataFrame(
        {
            "title": films["title"].fillna("").astype(str),
            "category": first,
            "text": [
                f"{t} ({y}). {', '.join(g)}."
                for t, y, g in zip(films["title"], films["year"], genres, strict=True)
            ],
        }
    )
    people = sources.movielens_100k_users().reindex(x.users)
    age = pd.cut(people["age"], [0, 24, 34, 49, 200], labels=False)
    bands = np.array(["under 25", "25 to 34", "35 to 49", "50 and over"])[age]
    users = people[["gender", "occupation"]].assign(age=bands)
    return Data(
        "movielens",
        "MovieLens 100k",
        "MovieLens 100k: ratings of films, 1997 and 1998",
        x,
        items,
        users,
        pd.DataFrame({"genres": genres, "year": films["year"].astype("float64")}),
        pd.Series(genres, index=films.index),
        first.rename("genre"),
        users["age"].rename("age"),
        "first genre",
        "age band",
    )


def _world(size: str, seed: int) -> Data:
    from streamrec.worlds.streaming import StreamingWorld

    world = StreamingWorld(size, seed=seed)
    sample = np.arange(min(len(world.users), WORLD_USERS))
    events = world.ratings(sample)
    when = events["timestamp"].to_numpy("datetime64[s]").astype(np.int64)
    x = Interactions.from_frame(events.assign(time=when), value="rating")
    table = world.items.set_index("item").reindex(x.items)
    items = pd.DataFrame(
        {
            "title": table["title"].astype(str),
            "category": table["category"].astype(str),
            "text": table["title"].astype(str) + ". " + table["description"],
        }
    )
    people = world.users.set_index("user").reindex(x.users)
    users = people[["language", "country", "age_band", "tier"]].astype(str)
    return Data(
        "world",
        f"a simulated platform ({size})",
        f"a simulated streaming platform, size {size}, seed {seed}: "
        f"histories of {x.n_users:,} users",
        x,
        items,
        users,
        table[["category", "format", "creator", "language"]].astype(str),
        pd.Series([(c,) for c in items["category"]], index=table.index),
        table["language"].astype(str).rename("language"),
        users["language"].rename("language"),
        "language of the creator",
        "language",
        world,
    )


def _own(
    source: str,
    columns: Mapping[str, str],
    items: str | Path | None,
    users: str | Path | None,
    on_duplicates: str,
    time_unit: str,
) -> Data:
    file = Path(source)
    if not file.exists() and not file.suffix:
        raise ValueError(
            f"--data {source}: give {', '.join(PACKAGED)} or the path of a .csv, "
            ".tsv or .parquet file"
        )
    x = _read(file, columns, on_duplicates, time_unit)
    goods = _table(items, x.items, ("item", columns.get("item", "item"), "item_id"))
    people = _table(users, x.users, ("user", columns.get("user", "user"), "user_id"))
    table = pd.DataFrame(index=pd.Index(x.items, name="item"))
    for name in COLUMNS:
        table[name] = goods[name] if name in goods else ""
    if "text" not in goods:
        table["text"] = (table["title"] + ". " + table["category"]).str.strip(". ")
    per_item = np.bincount(x.item_index, minlength=x.n_items)
    per_user = np.bincount(x.user_index, minlength=x.n_users)
    if "category" in goods:
        group, side = table["category"].replace("", "unknown"), "category"
    else:
        group, side = thirds(x.items, per_item, "audience"), "size of the audience"
    return Data(
        file.name,
        file.name,
        f"The file {file.name}",
        x,
        table,
        people.astype(str),
        goods.drop(columns=["title", "text"], errors="ignore"),
        pd.Series([(g,) for g in group], index=table.index),
        group,
        thirds(x.users, per_user, "history"),
        side,
        "length of the history",
    )


def _read(
    file: Path, columns: Mapping[str, str], on_duplicates: str, time_unit: str
) -> Interactions:
    """The ratings file; what is wrong with it is said in the words of the command."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            x = read_interactions(
                file,
                columns,
                on_duplicates=on_duplicates,  # type: ignore[arg-type]
                time_unit=time_unit,  # type: ignore[arg-type]
            )
    except UserWarning as warning:  # times far in the future
        raise ValueError(f"{file.name}: {_said(str(warning))}") from None
    except InteractionsError as error:
        raise ValueError(_said(str(error))) from None
    if time_unit in ("ms", "us", "ns") and x.time is not None:
        last = pd.Timestamp(float(x.time.max()), unit="s")
        if last.year < OLDEST:
            raise ValueError(
                f"{file.name}: with --time-unit {time_unit} the newest event is of "
                f"{last:%Y-%m-%d}: give a coarser unit (s, ms)"
            )
    return x


def _said(text: str) -> str:
    """Advice about arguments as advice about options.

    >>> _said("say what to do with on_duplicates='sum' or 'keep'")
    'say what to do with --on-duplicates sum or keep'
    """
    text, cut, _ = text.partition(", for example columns=")
    if cut:
        text += " with --map user=COLUMN,item=COLUMN,time=COLUMN"
    found = re.sub(r"(on_duplicates|time_unit)='(\w+)'", r"--\1 \2", text)
    if found != text:
        found = found.replace("pass --", "give --")
        found = re.sub(r"'(\w+)'(?=[,.]| or|$)", r"\1", found)
    return found.replace("--on_duplicates", "--on-duplicates").replace(
        "--time_unit", "--time-unit"
    )


def _table(file: str | Path | None, ids: np.ndarray, keys: tuple[str, ...]) -> Any:
    """A table of one's own by id, in the order of ``ids``; text, "" where it is bare.

    Raises ValueError if no column holds ids, one stands twice, or none is known.
    """
    if file is None:
        return pd.DataFrame(index=pd.Index(ids))
    path = Path(file)
    try:
        frame = _read_table(path)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    key = next((k for k in keys if k in frame.columns), None)
    if key is None:
        raise ValueError(
            f"{path.name}: no column {keys[0]!r}; it has "
            f"{', '.join(map(str, frame.columns))}: rename the one that holds the ids"
        )
    if frame[key].isna().any():
        raise ValueError(f"{path.name}: {int(frame[key].isna().sum())} rows have no id")
    frame[key] = frame[key].astype(str)
    if frame[key].duplicated().any():
        twice = frame[key][frame[key].duplicated()].iloc[0]
        raise ValueError(f"{path.name}: {key} {twice} stands in two rows: keep one")
    known = pd.Index(ids.astype(str))
    frame = frame.set_index(key)
    if not frame.index.isin(known).any():
        raise ValueError(
            f"{path.name}: none of its ids in {key!r} occurs in the interactions"
        )
    frame.columns = [str(c).lower() for c in frame.columns]
    found = frame.reindex(known).fillna("").astype(str)
    return found.set_axis(pd.Index(ids), axis=0)
