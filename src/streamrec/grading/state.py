"""What a run leaves behind: one JSON file a submission, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` under a temporary name, then rename it into place.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "a.json"
    ...     write_json(path, {"points": 2})
    ...     read_json(path)
    {'points': 2}
    """
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text under a temporary name, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def room(output: Path) -> Iterator[None]:
    """Say in one sentence that the disk is full; what was written before stays.

    Examples
    --------
    >>> with room(Path("out")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
        ...
    ValueError: the disk with out is full: make room, then run the same command again
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ValueError(
            f"the disk with {output} is full: make room, then run the same command "
            "again"
        ) from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ValueError
        If it is missing or damaged; the message names the file.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: run streamrec grade run") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(
            f"{path} is damaged: delete it and run streamrec grade run"
        ) from None


def read_run(output: str | Path) -> dict[str, Any]:
    """The record of the last run in this folder."""
    found = read_json(Path(output) / "run.json")
    if not isinstance(found, dict) or found.get("format") != 1:
        raise ValueError(f"{output}/run.json is not a record of this version")
    return found


def read_state(output: str | Path, id: str) -> dict[str, Any] | None:
    """The state of one submission, or None if there is none that can be used."""
    try:
        found = read_json(state_path(Path(output), id))
    except ValueError:
        return None
    good = isinstance(found, dict) and found.get("format") == 1
    return found if good and found.get("id") == id else None


def read_states(output: str | Path) -> list[dict[str, Any]]:
    """Every state in the folder, by id.

    Raises
    ------
    ValueError
        If one is damaged (a run writes it anew once it is deleted).
    """
    paths = sorted((Path(output) / "state").glob("*.json"))
    return sorted((read_json(p) for p in paths), key=lambda s: str(s["id"]))


def state_path(output: Path, id: str) -> Path:
    """Where the state of a submission is kept."""
    return output / "state" / f"{id}.json"
