"""Who met what, when and how much: the container every recommender learns from.

:class:`Interactions` keeps the ids the data came with (whole numbers or text) and, next
to them, the row numbers that matrices need. :func:`read_interactions` reads a file and
says in one sentence what is wrong with it.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

OnDuplicates = Literal["error", "sum", "mean", "max", "first", "last", "keep"]
TimeUnit = Literal["s", "ms", "us", "ns", "iso"]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# Seconds since 1970 reach this in the year 5138; anything larger is a finer unit.
_LATEST_SECONDS = 1e11

# Column names taken for granted, in this order, when no mapping is given.
_KNOWN_NAMES = {
    "user": ("user", "user_id", "userid", "uid"),
    "item": ("item", "item_id", "itemid", "iid", "movieid", "movie_id"),
    "time": ("time", "timestamp", "ts"),
    "value": ("value", "rating"),
}


class InteractionsError(ValueError):
    """The data cannot be used as interactions; the message says what to do."""


class Interactions:
    """Interactions of users with items, in the order they were given.

    Attributes
    ----------
    users, items : (n_users,), (n_items,) arrays
        The catalogues: external ids, sorted, each once. A catalogue may hold users or
        items without any interaction (one half of a split, for example).
    user_index, item_index : (n,) int64
        Rows in the catalogues, one for each interaction.
    time : (n,) int64 or float64, seconds since 1970; None if the data have no time
    value : (n,) float64, ratings or counts; ones if the data have no value

    The arrays are read-only. ``len(x)`` is the number of interactions.

    Examples
    --------
    >>> x = Interactions.from_frame(
    ...     pd.DataFrame({"user": ["a", "b", "b"], "item": [7, 7, 9]})
    ... )
    >>> x
    Interactions(3 of 2 users with 2 items, 75.0 % filled, no time)
    >>> x.matrix.toarray().tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    >>> x.item_rows([9, 8]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        users: ArrayLike,
        items: ArrayLike,
        user_index: ArrayLike,
        item_index: ArrayLike,
        *,
        time: ArrayLike | None = None,
        value: ArrayLike | None = None,
    ) -> None:
        self.users = _catalogue(users, "users")
        self.items = _catalogue(items, "items")
        self.user_index = _rows(user_index, len(self.users), "user_index")
        self.item_index = _rows(item_index, len(self.items), "item_index")
        n = len(self.user_index)
        self.time = None if time is None else _read_only(np.array(time))
        self.value = _read_only(
            np.ones(n) if value is None else np.array(value, dtype=np.float64)
        )
        for name, x in (
            ("item_index", self.item_index),
            ("time", self.time),
            ("value", self.value),
        ):
            if x is not None and x.shape != (n,):
                raise InteractionsError(
                    f"{name} has shape {x.shape} where user_index has ({n},): "
                    "give one entry for each interaction"
                )

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        user: str = "user",
        item: str = "item",
        time: str | None = "time",
        value: str | None = "value",
        *,
        on_duplicates: OnDuplicates = "error",
        users: ArrayLike | None = None,
        items: ArrayLike | None = None,
    ) -> Interactions:
        """Build from a table with one row an interaction.

        Parameters
        ----------
        df
            The table; its row order is kept (except when duplicates are merged).
        user, item, time, value
            Names of columns. ``time`` and ``value`` may be missing or None; dates are
            turned into seconds since 1970.
        on_duplicates
            What to do with a (user, item) pair that occurs more than once: ``error``
            (default), merge its values by ``sum``, ``mean`` or ``max`` (the merged row
            has the latest time), take the ``first`` or the ``last`` row (by time if
            there is one), or ``keep`` every row as an event (``matrix`` then holds
            the sum of the values).
        users, items
            Catalogues to use instead of the ids that occur; they must contain these.

        Raises
        ------
        InteractionsError
            Missing columns, empty cells, text where numbers belong, infinite or
            negative numbers where they make no sense, duplicates.
        """
        if on_duplicates not in get_args(OnDuplicates):
            choices = ", ".join(get_args(OnDuplicates))
            raise InteractionsError(
                f"on_duplicates={on_duplicates!r} is not known: choose from {choices}"
            )
        needed = {"user": user, "item": item}
        # The default names of time and value may be absent, a name one chose may not.
        needed |= {"time": time} if time not in (None, "time") else {}
        needed |= {"value": value} if value not in (None, "value") else {}
        _require_columns(df, needed)
        found_users, user_index = _factorize(df[user], user)
        found_items, item_index = _factorize(df[item], item)
        times = _times(df[time], time) if time and time in df else None
        values = _numbers(df[value], value) if value and value in df else None
        if users is not None:
            found_users, user_index = _adopt(users, found_users, user_index, "users")
        if items is not None:
            found_items, item_index = _adopt(items, found_items, item_index, "items")
        all_of_it = cls(
            found_users, found_items, user_index, item_index, time=times, value=values
        )
        if on_duplicates == "keep":
            return all_of_it
        return all_of_it._merge(on_duplicates, df.index)

    def _merge(self, how: str, labels: pd.Index) -> Interactions:
        """One row a (user, item) pair, by one of the rules of ``on_duplicates``."""
        pair = self.user_index * max(self.n_items, 1) + self.item_index
        repeated = pd.Series(pair).duplicated().to_numpy()
        if not repeated.any():
            return self
        if how == "error":
            at = int(np.argmax(repeated))
            first = int(np.argmax(pair == pair[at]))
            n = int(repeated.sum())
            raise InteractionsError(
                f"{n:,} duplicate row{'s' * (n > 1)}: "
                f"user {self.users[self.user_index[at]]!s} and item "
                f"{self.items[self.item_index[at]]!s} first in {_row(labels, first)}, "
                f"again in {_row(labels, at)}; say what to do with on_duplicates="
                "'sum', 'mean', 'max', 'first', 'last' or 'keep'"
            )
        order = np.arange(len(self)) if self.time is None else _stable(self.time)
        by_pair = order[np.argsort(pair[order], kind="stable")]
        starts = np.flatnonzero(np.diff(pair[by_pair], prepend=-1))
        ends = np.append(starts[1:], len(pair)) - 1
        keep = by_pair[starts if how == "first" else ends]
        value = self.value[keep]
        if how in ("sum", "mean"):
            value = np.add.reduceat(self.value[by_pair], starts)
            value = value / (ends - starts + 1) if how == "mean" else value
        elif how == "max":
            value = np.maximum.reduceat(self.value[by_pair], starts)
        back = np.argsort(keep)  # rows stay in the order of the file
        keep, value = keep[back], value[back]
        return Interactions(
            self.users,
            self.items,
            self.user_index[keep],
            self.item_index[keep],
            time=None if self.time is None else self.time[keep],
            value=value,
        )

    # -- sizes -------------------------------------------------------------------

    @property
    def n_users(self) -> int:
        """Users in the catalogue."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items in the catalogue."""
        return len(self.items)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_users, n_items)."""
        return self.n_users, self.n_items

    def __len__(self) -> int:
        return len(self.user_index)

    def __repr__(self) -> str:
        cells = self.n_users * self.n_items
        filled = f"{100 * self.binary.nnz / cells:.1f} % filled" if cells else "empty"
        return (
            f"Interactions({len(self):,} of {self.n_users:,} users with "
            f"{self.n_items:,} items, {filled}, {self._time_range()})"
        )

    def _time_range(self) -> str:
        if self.time is None:
            return "no time"
        if not len(self):
            return "no interaction"
        ends = [float(self.time.min()), float(self.time.max())]
        # Small numbers are periods of a simulated world rather than dates.
        if ends[1] < 1e8 or ends[1] >= _LATEST_SECONDS:
            return f"time {ends[0]:g} to {ends[1]:g}"
        dates = [str(np.datetime64(int(t), "s").astype("datetime64[D]")) for t in ends]
        return " to ".join(dates)

    # -- matrices ----------------------------------------------------------------

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """(n_users, n_items) CSR, float64, of values; repeated pairs are summed.

        A stored zero stays stored: it is an interaction whose value is zero. The
        matrix is shared between calls: copy it before changing it.
        """
        return sparse.csr_matrix(
            (self.value, (self.user_index, self.item_index)), shape=self.shape
        )

    @cached_property
    def binary(self) -> sparse.csr_matrix:
        """(n_users, n_items) CSR, float64: one wherever there is an interaction."""
        x = sparse.csr_matrix(
            (np.ones(len(self)), (self.user_index, self.item_index)), shape=self.shape
        )
        x.data[:] = 1.0
        return x

    # -- ids ---------------------------------------------------------------------

    @cached_property
    def _user_lookup(self) -> pd.Index:
        return pd.Index(self.users)

    @cached_property
    def _item_lookup(self) -> pd.Index:
        return pd.Index(self.items)

    def user_rows(self, users: ArrayLike) -> NDArray[np.int64]:
        """Rows (B,) of these external user ids; -1 for ids not in the catalogue."""
        return _look_up(self._user_lookup, users)

    def item_rows(self, items: ArrayLike) -> NDArray[np.int64]:
        """Rows of these external item ids; -1 for ids not in the catalogue."""
        return _look_up(self._item_lookup, items)

    # -- other views -------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """Columns user, item, time (if there is one) and value, with external ids."""
        columns: dict[str, Any] = {
            "user": self.users[self.user_index],
            "item": self.items[self.item_index],
        }
        if self.time is not None:
            columns["time"] = self.time
        return pd.DataFrame({**columns, "value": self.value})

    def subset(self, mask: ArrayLike, *, keep_catalogue: bool = True) -> Interactions:
        """Some interactions: a boolean mask (n,) or row positions, in that order.

        With ``keep_catalogue`` (default) users and items stay as they are, so that
        matrices align; without it, only those that still occur remain.
        """
        take = np.asarray(mask)
        if take.dtype == bool and take.shape != (len(self),):
            raise InteractionsError(
                f"the mask has shape {take.shape}, the interactions ({len(self)},)"
            )
        if take.dtype != bool:
            take = take.astype(np.int64)
        part = Interactions(
            self.users,
            self.items,
            self.user_index[take],
            self.item_index[take],
            time=None if self.time is None else self.time[take],
            value=self.value[take],
        )
        return part if keep_catalogue else part._shrink()

    def _shrink(self) -> Interactions:
        user_rows, user_index = np.unique(self.user_index, return_inverse=True)
        item_rows, item_index = np.unique(self.item_index, return_inverse=True)
        return Interactions(
            self.users[user_rows],
            self.items[item_rows],
            user_index,
            item_index,
            time=self.time,
            value=self.value,
        )


def read_interactions(
    path: str | os.PathLike[str],
    columns: Mapping[str, str] | None = None,
    *,
    on_duplicates: OnDuplicates = "error",
    time_unit: TimeUnit = "s",
    min_users: int = 2,
    min_items: int = 2,
) -> Interactions:
    r"""Read interactions from a ``.csv``, ``.tsv``, ``.parquet`` or ``.inter`` file.

    Parameters
    ----------
    path
        The file. CSV may be compressed (``.csv.gz``); ``.inter`` is the
        tab-separated format with typed headers that RecBole uses.
    columns
        Which column is which, for example ``{"user": "client", "item": "sku"}``.
        Common names (``user_id``, ``movieId``, ``rating``, ``timestamp``) are
        understood without it. Without a value column every value is 1.
    on_duplicates
        See :meth:`Interactions.from_frame`.
    time_unit
        Unit of the time column: ``s`` (default), ``ms``, ``us``, ``ns``, or ``iso``
        for text such as ``2024-03-01 12:00``.
    min_users, min_items
        Fewer than two users or items leave nothing to learn from or to rank.

    Raises
    ------
    InteractionsError
        One sentence that names the file, what is wrong, where, and what to do.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "ratings.csv"
    >>> _ = file.write_text("client,sku\nann,1\nbob,1\nbob,2\n")
    >>> read_interactions(file, {"user": "client", "item": "sku"})
    Interactions(3 of 2 users with 2 items, 75.0 % filled, no time)
    """
    file = Path(path)
    if time_unit not in get_args(TimeUnit):
        choices = ", ".join(get_args(TimeUnit))
        raise InteractionsError(
            f"time_unit={time_unit!r} is not known: choose from {choices}"
        )
    try:
        df = _read_table(file)
        names = _name_columns(df, dict(columns or {}))
        if "time" in names:
            df[names["time"]] = _seconds(df[names["time"]], names["time"], time_unit)
        if df.empty:
            raise InteractionsError("no row: give it at least one interaction")
        found = Interactions.from_frame(
            df,
            names["user"],
            names["item"],
            names.get("time"),
            names.get("value"),
            on_duplicates=on_duplicates,
        )
        for n, least, kind in (
            (found.n_users, min_users, "user"),
            (found.n_items, min_items, "item"),
        ):
            if n < least:
                raise InteractionsError(
                    f"only {n} {kind}{'s' * (n != 1)}: a recommender needs at least "
                    f"{least} {kind}s; is {names[kind]!r} the right column?"
                )
    except InteractionsError as error:
        raise InteractionsError(f"{file.name}: {error}") from None
    return found


# -- reading -----------------------------------------------------------------------


def _read_table(file: Path) -> pd.DataFrame:
    """The file as a table of text, except Parquet, which knows its types."""
    if not file.is_file():
        what = "is a folder, not a file" if file.is_dir() else "does not exist"
        raise InteractionsError(f"this file {what}: give the path of a ratings file")
    if file.stat().st_size == 0:
        raise InteractionsError(
            "the file is empty: it needs a header and one row an interaction"
        )
    kind = file.name.lower().removesuffix(".gz").rpartition(".")[2]
    try:
        if kind in ("parquet", "pq"):
            import duckdb

            return duckdb.read_parquet(str(file)).df()
        if kind not in ("csv", "tsv", "inter"):
            raise InteractionsError(
                f"files ending in .{kind} are not understood: "
                "save it as .csv, .tsv, .parquet or .inter"
            )
        separator = "," if kind == "csv" else "\t"
        df = pd.read_csv(file, sep=separator, dtype=str, encoding="utf-8-sig")
        if not isinstance(df.index, pd.RangeIndex):
            raise InteractionsError("rows have more cells than the header has names")
        df.index = pd.RangeIndex(2, len(df) + 2, name="line")  # the header is line 1
    except InteractionsError:
        raise
    except UnicodeDecodeError:
        raise InteractionsError(
            "the text is not UTF-8: save the file as UTF-8"
        ) from None
    except Exception as error:  # parsers raise many types; all mean a broken file
        why = " ".join(str(error).split())[:120]
        raise InteractionsError(f"cannot be read as {kind} ({why})") from None
    if kind == "inter":
        df.columns = [c.partition(":")[0] for c in df.columns]
    return df


def _name_columns(df: pd.DataFrame, columns: dict[str, str]) -> dict[str, str]:
    """{"user": column, "item": ..., and "time", "value" where there is one}."""
    present = [str(c) for c in df.columns]
    for role in columns:
        if role not in _KNOWN_NAMES:
            raise InteractionsError(
                f"columns has the key {role!r}: its keys are user, item, time, value"
            )
    names = dict(columns)
    lower = {c.lower().strip(): c for c in reversed(present)}
    taken = set(columns.values())
    for role, known in _KNOWN_NAMES.items():
        if role not in names:
            match = [lower[k] for k in known if k in lower and lower[k] not in taken]
            if match:
                names[role] = match[0]
    missing = [r for r in ("user", "item") if r not in names]
    missing += [r for r, c in columns.items() if c not in present]
    if missing:
        raise InteractionsError(_missing_text(missing, names, present))
    return names


def _missing_text(missing: list[str], names: dict[str, str], present: list[str]) -> str:
    what = " and ".join(
        f"{names[r]!r} for the {r}" if r in names else f"the {r} column"
        for r in missing
    )
    free = [c for c in present if c not in names.values()]
    guess: dict[str, str] = {}
    for role in missing:
        near = difflib.get_close_matches(role, [c.lower() for c in free], 1, 0.3)
        pick = next((c for c in free if near and c.lower() == near[0]), None)
        pick = pick or (free[0] if free else "NAME")
        guess[role] = pick
        free = [c for c in free if c != pick]
    flags = " ".join(f"--{r} {c}" for r, c in guess.items())
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if len(present) == 1 and mark in present[0]:
            return (
                f"missing {what}: the file seems to be separated by {name}; save it "
                "with commas as .csv or with tabs as .tsv"
            )
    return (
        f"missing {what}; the columns are {', '.join(present)}: say which is which, "
        f"for example columns={guess!r} (on the command line {flags})"
    )


def _require_columns(df: pd.DataFrame, names: dict[str, str]) -> None:
    missing = [c for c in names.values() if c not in df.columns]
    if missing:
        present = ", ".join(map(str, df.columns)) or "none"
        raise InteractionsError(
            f"missing column {', '.join(map(repr, missing))}; the columns are "
            f"{present}: pass the names with user=, item=, time=, value="
        )


def _seconds(column: pd.Series, name: str, unit: str) -> pd.Series:
    if unit == "iso":
        dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
        bad = dates.isna() & column.notna()
        if bad.any():
            raise InteractionsError(
                _where(column, bad, name, "is not an ISO date such as 2024-03-01 12:00")
            )
        return dates
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    hint = "; for dates pass time_unit='iso'"
    x = pd.Series(_numbers(column, name, hint), index=column.index)
    return x if unit == "s" else x / _PER_SECOND[unit]


# -- checking ----------------------------------------------------------------------


def _row(labels: pd.Index, at: int) -> str:
    """``line 5`` of a file, ``row 3`` of a table (its own index label)."""
    return f"{labels.name or 'row'} {labels[at]!s}"


def _where(column: pd.Series, bad: pd.Series | NDArray, name: str, what: str) -> str:
    """``column 'time', row 3 ('x'): what`` with a count if more than one row is bad."""
    bad = np.asarray(bad)
    at = int(np.argmax(bad))
    more = int(bad.sum()) - 1
    cell = repr(str(column.iloc[at])[:40])
    text = f"column {name!r}, {_row(column.index, at)}: {cell} {what}"
    return text + (f" ({more:,} more like it)" if more else "")


def _no_gaps(column: pd.Series, name: str) -> None:
    empty = column.isna().to_numpy()
    if empty.any():
        n = int(empty.sum())
        raise InteractionsError(
            f"column {name!r} has {n:,} empty cell{'s' * (n > 1)} (NaN), first in "
            f"{_row(column.index, int(np.argmax(empty)))}: drop or fill these rows"
        )


def _numbers(column: pd.Series, name: str, hint: str = "") -> NDArray[Any]:
    """The column as int64 (if it holds whole numbers) or float64, all finite."""
    _no_gaps(column, name)
    numbers = pd.to_numeric(column, errors="coerce")
    bad = numbers.isna().to_numpy()
    if bad.any():
        raise InteractionsError(
            _where(column, bad, name, "is text, not a number") + hint
        )
    x = numbers.to_numpy()
    if x.dtype.kind not in "iu":
        x = x.astype(np.float64)
        if not np.isfinite(x).all():
            raise InteractionsError(
                _where(column, ~np.isfinite(x), name, "is not finite")
            )
    return x


def _times(column: pd.Series, name: str) -> NDArray[Any]:
    """Seconds since 1970, int64 where they are whole."""
    _no_gaps(column, name)
    if pd.api.types.is_datetime64_any_dtype(column):
        moments = pd.DatetimeIndex(column)
        moments = moments.tz_convert(None) if moments.tz is not None else moments
        x = moments.as_unit("ns").asi8 / 1e9
    else:
        x = _numbers(column, name)
    if (x < 0).any():
        raise InteractionsError(
            _where(column, x < 0, name, "is a negative time")
            + ": times are seconds since 1970"
        )
    if len(x) and x.max() > _LATEST_SECONDS:
        unit = next(u for u in ("ms", "us", "ns") if _fits(x.max(), u))
        warnings.warn(
            f"column {name!r}: times up to {x.max():.0f} are far beyond the present in "
            f"seconds; if they are {unit}, pass time_unit={unit!r} (or divide)",
            stacklevel=4,
        )
    whole = x.astype(np.int64)
    return whole if (whole == x).all() else x.astype(np.float64)


def _fits(latest: float, unit: str) -> bool:
    return unit == "ns" or latest / _PER_SECOND[unit] <= _LATEST_SECONDS


def _factorize(column: pd.Series, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Sorted distinct ids and the row of each entry among them."""
    _no_gaps(column, name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    codes, found = pd.factorize(column)
    ids = _ids(np.asarray(found), name)
    if ids.dtype.kind == "U" and len(ids) and _all_canonical(ids):
        ids = ids.astype(np.int64)
    # Two spellings of one id (1 and 1.0) must become one row.
    distinct, index = np.unique(ids, return_inverse=True)
    return distinct, index.astype(np.int64)[codes]


def _all_canonical(ids: NDArray[Any]) -> bool:
    """True if every text is a whole number as it would be printed ("007" is not)."""
    text = pd.Series(ids)
    return bool(text.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all())


def _ids(x: NDArray[Any], name: str) -> NDArray[Any]:
    """External ids as int64 or as NumPy text (never objects: they go to files)."""
    if x.dtype.kind in "iu":
        return x.astype(np.int64)
    if x.dtype.kind == "U":
        return x
    if x.dtype.kind == "f" and np.isfinite(x).all() and (x == np.floor(x)).all():
        return x.astype(np.int64)
    if x.size == 0:
        return np.zeros(0, dtype=np.int64)
    if x.dtype.kind == "O":
        kinds = {type(v) for v in x.tolist()}
        if kinds == {str}:
            return x.astype(str)
        if all(issubclass(t, (int, np.integer)) and t is not bool for t in kinds):
            return x.astype(np.int64)
    raise InteractionsError(
        f"column {name!r}: ids must be all whole numbers or all text; "
        "convert them with .astype(str)"
    )


def _adopt(
    catalogue: ArrayLike, found: NDArray[Any], index: NDArray[np.int64], name: str
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Re-express rows of ``found`` as rows of a given catalogue."""
    given = np.unique(_ids(np.asarray(catalogue), name))
    rows = _look_up(pd.Index(given), found)
    if (rows < 0).any():
        lost = found[int(np.argmax(rows < 0))]
        raise InteractionsError(
            f"{name}= lacks {int((rows < 0).sum())} ids that occur, such as {lost!s}"
        )
    return given, rows[index]


def _look_up(index: pd.Index, ids: ArrayLike) -> NDArray[np.int64]:
    x = ids if isinstance(ids, (np.ndarray, pd.Series, pd.Index)) else None
    if x is None:
        # An object array keeps a mixed list such as [1, "new"] from turning to text.
        x = np.empty(1, object) if np.isscalar(ids) else np.array(ids, dtype=object)
        if np.isscalar(ids):
            x[0] = ids
    target = pd.Index(np.atleast_1d(np.asarray(x)))
    return index.get_indexer(target).astype(np.int64)


def _catalogue(ids: ArrayLike, name: str) -> NDArray[Any]:
    x = _ids(np.array(ids), name)
    if x.ndim != 1 or (len(x) > 1 and not (x[:-1] < x[1:]).all()):
        raise InteractionsError(f"{name} must be sorted and distinct: use np.unique")
    return _read_only(x)


def _rows(index: ArrayLike, n: int, name: str) -> NDArray[np.int64]:
    x = np.array(index, dtype=np.int64)
    if x.ndim != 1 or (x.size and not (x.min() >= 0 and x.max() < n)):
        raise InteractionsError(f"{name} must hold rows from 0 to {n - 1}")
    return _read_only(x)


def _read_only(x: NDArray[Any]) -> NDArray[Any]:
    x.setflags(write=False)
    return x


def _stable(time: NDArray[Any]) -> NDArray[np.int64]:
    return np.argsort(time, kind="stable")
