"""The list of chapters, read from ``syllabus.toml`` (the only place that holds it)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Chapter:
    """One chapter: what it needs, what it adds and which project tracks require it."""

    number: int
    slug: str
    title: str
    part: str  # roman numeral
    needs: tuple[int, ...] = ()
    introduces: tuple[str, ...] = ()  # files, relative to the package
    milestone: str = ""
    milestone_note: str = ""
    tracks: str = ""  # for example "A B C"
    pending: tuple[int, ...] = ()  # chapters whose arrival obliges a return
    draft: bool = False  # written, not yet finished: the page says so
    summary: str = ""
    derive: str = ""
    build: str = ""
    data: str = ""
    spine: str = ""
    pitfalls: str = ""
    adds: str = ""

    @property
    def name(self) -> str:
        """File stem, for example ``01-linear-algebra``."""
        return f"{self.number:02d}-{self.slug}"


@dataclass(frozen=True)
class Part:
    """A part of the book."""

    number: str
    title: str


@dataclass(frozen=True)
class ReadingPath:
    """A route through the book; ``chapters`` is a tuple of chapter numbers."""

    name: str
    chapters: tuple[int, ...]
    weeks: str
    hours: str


@dataclass(frozen=True)
class Syllabus:
    """Parts, chapters, reading paths and what any chapter may import."""

    parts: tuple[Part, ...]
    chapters: tuple[Chapter, ...]
    paths: tuple[ReadingPath, ...]
    support: tuple[str, ...]

    def chapter(self, number: int) -> Chapter:
        """The chapter with this number.

        Raises
        ------
        KeyError
            If there is no such chapter; the message says which exist.
        """
        for chapter in self.chapters:
            if chapter.number == number:
                return chapter
        last = self.chapters[-1].number
        raise KeyError(f"there is no chapter {number}: choose one from 1 to {last}")

    def missing_prerequisites(self, path: ReadingPath) -> tuple[int, ...]:
        """Chapters that those on the path need, directly or not, and the path skips."""
        todo, seen = list(path.chapters), set(path.chapters)
        while todo:
            for need in self.chapter(todo.pop()).needs:
                if need not in seen:
                    seen.add(need)
                    todo.append(need)
        return tuple(sorted(seen - set(path.chapters)))


def _numbers(text: str) -> tuple[int, ...]:
    """``"1, 3, 15-19"`` -> (1, 3, 15, 16, 17, 18, 19)."""
    out: list[int] = []
    for piece in text.split(","):
        first, _, last = piece.strip().partition("-")
        out.extend(range(int(first), int(last or first) + 1))
    return tuple(out)


def _chapter(raw: dict[str, Any]) -> Chapter:
    fields: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()
    }
    return Chapter(**fields)


@lru_cache(maxsize=1)
def load() -> Syllabus:
    """Read the packaged ``syllabus.toml``."""
    raw = tomllib.loads(files("streamrec").joinpath("syllabus.toml").read_text("utf-8"))
    chapters = tuple(_chapter(c) for c in raw["chapters"])
    paths = tuple(
        ReadingPath(p["name"], _numbers(p["chapters"]), p["weeks"], p["hours"])
        for p in raw["paths"]
    )
    parts = tuple(Part(**p) for p in raw["parts"])
    return Syllabus(parts, chapters, paths, tuple(raw["support"]))
