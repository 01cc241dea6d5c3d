"""Read and write tables: CSV or Parquet, one clear sentence where that fails."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamrec.cli.output import write_text

if TYPE_CHECKING:
    import pandas as pd


def read_table(file: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV or Parquet file, or only some of its columns.

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
        frame = _parquet(file) if file.suffix.lower() == ".parquet" else _csv(file)
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        raise ValueError(f"{file.name} cannot be read: {why}") from None
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise ValueError(
            f"{file.name} lacks the columns {', '.join(missing)}; it has "
            f"{', '.join(map(str, frame.columns))}"
        )
    return frame[list(dict.fromkeys(columns))] if columns else frame


def _csv(file: Path) -> pd.DataFrame:
    import pandas as pd

    # "round_trip": the number that was written, to its last digit
    return pd.read_csv(file, float_precision="round_trip")


def _parquet(file: Path) -> pd.DataFrame:
    """By DuckDB, which the base install has; an index that pandas stored is dropped."""
    import duckdb

    with duckdb.connect() as base:
        frame = base.execute("from read_parquet(?)", [str(file)]).df()
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
