"""Write results: a table for people, JSON for programs, to the terminal or a file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from streamrec.cli.flags import OutputFormat

Rows = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def emit(
    rows: Rows,
    format: OutputFormat = OutputFormat.table,
    output: Path | None = None,
    *,
    title: str | None = None,
) -> None:
    """Write one record (a mapping) or several (a list of mappings with equal keys).

    JSON keeps the values; the table shows them rounded, a record as name and value.

    Raises
    ------
    ValueError
        If the folder of ``output`` does not exist.
    """
    if format == OutputFormat.json:
        text = json.dumps(rows, indent=2, ensure_ascii=False, default=_plain) + "\n"
    else:
        text = _table(rows, title, width=None if output is None else 100)
    if output is None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader (head, less) has gone: nothing more to say, even at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        write_text(output, text)


def write_text(file: Path, text: str) -> None:
    """Write a file whole or not at all: a temporary name first, then a rename."""
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} does not exist: make it first")
    if file.is_dir():
        raise ValueError(f"{file} is a folder: give the name of a file")
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # mkstemp makes the file private; give it the permissions of a normal one.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, file)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.strerror:
            raise OSError(error.errno, error.strerror, str(file)) from None
        raise


def _plain(x: Any) -> Any:
    """NumPy scalars and arrays, tuples and paths as JSON has them."""
    if hasattr(x, "tolist"):
        return x.tolist()
    return list(x) if isinstance(x, (tuple, set, frozenset)) else str(x)


def _cell(x: Any) -> str:
    if x is None:
        return ""
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, int):
        return f"{x:,}"
    if isinstance(x, float):
        return f"{x:.4g}"
    return ", ".join(map(_cell, x)) if isinstance(x, (list, tuple)) else str(x)


def _table(rows: Rows, title: str | None, width: int | None) -> str:
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    if isinstance(rows, Mapping):
        table.show_header = False
        table.box = None
        body = [[name.replace("_", " "), _cell(x)] for name, x in rows.items()]
        table.add_column()
        table.add_column(overflow="fold")
    else:
        names = list(rows[0]) if rows else []
        for name in names:
            number = all(isinstance(r[name], (int, float)) for r in rows)
            heading = name.replace("_", " ")
            table.add_column(heading, justify="right" if number else "left")
        body = [[_cell(r[name]) for name in names] for r in rows]
    for line in body:
        table.add_row(*(Text(x) for x in line))
    wide = width or (None if sys.stdout.isatty() else 120)
    buffer = StringIO()
    colour = sys.stdout.isatty() and width is None
    Console(file=buffer, width=wide, force_terminal=colour).print(table)
    return "\n".join(x.rstrip() for x in buffer.getvalue().splitlines()) + "\n"


def now() -> str:
    """Return the time now: UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def envelope(status: str, start: str, items: int, results: Any) -> dict[str, Any]:
    """What every JSON result of the toolbox carries; see ``cli/schemas``."""
    return {
        "status": status,
        "start_time": start,
        "end_time": now(),
        "processed_items": items,
        "results": _finite(results),
    }


def _finite(x: Any) -> Any:
    """NaN and infinity as null, which JSON has instead."""
    if isinstance(x, dict):
        return {k: _finite(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(v) for v in x]
    return None if isinstance(x, float) and not isfinite(x) else x
