"""A progress bar for loops that take more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def track(
    things: Iterable[T],
    description: str = "Working",
    *,
    total: int | None = None,
    after: float = 2.0,
) -> Iterator[T]:
    """Go through ``things``; show a bar on stderr once ``after`` seconds have passed.

    Silent when stderr is not a terminal (a log file, a pipe, a test).

    >>> list(track(range(3)))
    [0, 1, 2]
    """
    if not sys.stderr.isatty():
        yield from things
        return
    from rich.console import Console
    from rich.progress import Progress

    size = len(things) if total is None and isinstance(things, Sized) else total
    begin, done, bar = time.monotonic(), 0, None
    try:
        for thing in things:
            yield thing
            done += 1
            if bar is None and time.monotonic() - begin >= after:
                bar = Progress(console=Console(stderr=True), transient=True)
                task = bar.add_task(description, total=size)
                bar.start()
            if bar is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()
