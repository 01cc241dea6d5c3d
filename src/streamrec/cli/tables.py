"""Read and write tables: CSV or Parquet, one clear sentence where that fails."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamrec.cli.output import write_text

if TYPE_CHECKING:
    import pandas as pd


def read_table(
    file: Path, columns: Sequence[str] = (), *, as_text: bool = False
) -> pd.DataFrame:
    """A CSV or Parquet file, or only some of its columns; as text as it was written.

    Raises
    ------
    ValueError
        If there is no such file, it is no table, or columns are missing.
    """
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    if file.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"{file.name}: give a .csv or .parquet file")
    try:
        if file.suffix.lower() == ".parquet":
            frame = _parquet(file, as_text)
        else:
            frame = _csv(file, as_text)
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        raise ValueError(f"{file.name} cannot be read: {why}") from None
    _one_name_each(file, frame)
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ValueError(
            f"{file.name} lacks the columns {', '.join(missing)}; it has "
            f"{', '.join(map(str, frame.columns))}"
        )
    return frame[list(dict.fromkeys(columns))] if columns else frame


def _one_name_each(file: Path, frame: pd.DataFrame) -> None:
    """Two columns of one name: pandas renames the second, and nobody asked for that."""
    import csv

    names = list(map(str, frame.columns))
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t|"):
        raise ValueError(f"{file.name}: its rows do not have one number of columns")
    if file.suffix.lower() != ".csv" or not any(re.search(r"\.\d+$", n) for n in names):
        return
    with file.open(encoding="utf-8-sig", newline="") as lines:
        written = next(csv.reader(lines, delimiter=_delimiter(file)), [])
    twice = sorted({n for n in written if n and written.count(n) > 1})
    if twice:
        raise ValueError(
            f"{file.name}: the first line holds {', '.join(map(repr, twice))} twice: "
            "rename or remove one"
        )


def _delimiter(file: Path) -> str:
    """The mark between columns: a comma, unless the first line has only others."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next(lines, "")
    return "," if "," in first else max(",;\t|", key=first.count)


def _csv(file: Path, as_text: bool) -> pd.DataFrame:
    import pandas as pd

    if not file.stat().st_size:
        raise ValueError("it is empty")
    mark = _delimiter(file)
    try:
        # "round_trip": the number that was written, to its last digit
        return pd.read_csv(
            file,
            float_precision="round_trip",
            sep=mark,
            dtype=str if as_text else None,
        )
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text: save it as UTF-8 first") from None


def _parquet(file: Path, as_text: bool) -> pd.DataFrame:
    """By DuckDB, which the base install has; an index that pandas stored is dropped."""
    import duckdb

    with duckdb.connect() as base:
        what = "select columns(*)::varchar" if as_text else ""
        frame = base.execute(f"{what} from read_parquet(?)", [str(file)]).df()
    frame = frame.drop(columns=[c for c in frame if c.startswith("__index_level_")])
    return frame.astype({c: _plain(frame[c]) for c in frame})


def _plain(column: pd.Series) -> Any:
    """NumPy's type for what DuckDB gives as a type with missing values."""
    import pandas as pd

    if not pd.api.types.is_extension_array_dtype(column.dtype):
        return column.dtype
    gaps = column.isna().any()
    if pd.api.types.is_bool_dtype(column.dtype):
        return object if gaps else bool
    if pd.api.types.is_integer_dtype(column.dtype):
        return float if gaps else "int64"
    return float if pd.api.types.is_float_dtype(column.dtype) else column.dtype


def write_table(file: Path, frame: pd.DataFrame) -> None:
    """Write CSV or Parquet whole or not at all."""
    if file.suffix.lower() == ".csv":
        write_text(file, frame.to_csv(index=False))
        return
    if file.suffix.lower() != ".parquet":
        raise ValueError(f"{file.name}: give a .csv or .parquet file")
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist: make it first")
    import duckdb

    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".table-") as folder:
        draft = Path(folder) / "table.parquet"
        with duckdb.connect() as base:
            base.register("frame", frame)
            base.table("frame").write_parquet(str(draft))
        os.replace(draft, file)
