"""The list of chapters is complete and consistent with the package."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import streamrec
from streamrec import syllabus

BOOK = syllabus.load()
PACKAGE = Path(streamrec.__file__).parent


def test_thirty_nine_chapters_in_seven_parts():
    assert [c.number for c in BOOK.chapters] == list(range(1, 40))
    assert [p.number for p in BOOK.parts] == ["I", "II", "III", "IV", "V", "VI", "VII"]
    order = [p.number for p in BOOK.parts]
    used = [order.index(c.part) for c in BOOK.chapters]
    assert used == sorted(used) and set(used) == set(range(7))


def test_names_are_unique_and_plain():
    names = [c.name for c in BOOK.chapters]
    assert len(set(names)) == 39 and names[0] == "01-linear-algebra"
    for c in BOOK.chapters:
        assert c.slug == c.slug.lower() and c.slug.replace("-", "").isalnum()
        assert c.title.strip() == c.title != ""


def test_a_chapter_needs_earlier_chapters_only():
    for c in BOOK.chapters:
        assert all(1 <= n < c.number for n in c.needs), c.name
        assert list(c.needs) == sorted(set(c.needs)), c.name


def test_pending_names_other_chapters():
    for c in BOOK.chapters:
        assert all(1 <= n <= 39 and n != c.number for n in c.pending), c.name


def test_a_file_is_introduced_once_and_is_no_support_file():
    seen = {}
    for c in BOOK.chapters:
        for file in c.introduces:
            assert file not in seen, f"{file}: chapters {seen.get(file)} and {c.number}"
            seen[file] = c.number
            room = file.split("/")[0]
            assert file not in BOOK.support, file
            assert room not in BOOK.support or room == "tracks", file  # compositions


def test_every_file_of_chapter_one_exists():
    missing = [f for f in BOOK.chapter(1).introduces if not (PACKAGE / f).is_file()]
    assert missing == []


def test_milestones_name_their_tracks():
    marked = {c.milestone for c in BOOK.chapters}
    assert marked >= {f"M{n}" for n in range(15)} | {"Capstone"}
    for c in BOOK.chapters:
        for track in c.tracks.split():  # a remark may follow: A(batch)
            assert re.fullmatch(r"[ABC](\(\w+\))?", track), c.name


def test_reading_paths():
    assert len(BOOK.paths) == 5
    for path in BOOK.paths:
        assert all(1 <= n <= 39 for n in path.chapters), path.name
        missing = BOOK.missing_prerequisites(path)
        closed = set(path.chapters) | set(missing)
        for n in closed:
            assert set(BOOK.chapter(n).needs) <= closed, (path.name, n)
        assert not set(missing) & set(path.chapters)


@pytest.mark.parametrize("number", [0, 40, -1])
def test_a_chapter_that_does_not_exist(number):
    with pytest.raises(KeyError, match="choose one from 1 to 39"):
        BOOK.chapter(number)


def test_ranges_of_numbers():
    assert syllabus._numbers("1, 3, 15-17") == (1, 3, 15, 16, 17)
