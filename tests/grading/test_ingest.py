"""What was handed in is read as data, with caps, and named safely."""

import hashlib
import json
import os
import zipfile

import pytest

from streamrec.grading import ingest
from streamrec.grading.ingest import Unreadable, discover, plain_id, sort

QUESTIONS = ["q1", "q2"]


def cell(source, kind="code", tags=(), id=None):
    out = {"cell_type": kind, "source": source, "metadata": {"tags": list(tags)}}
    return out | ({"id": id} if id else {})


def notebook(*cells, chapter=1):
    meta = {"streamrec": {"chapter": chapter}} if chapter else {}
    return json.dumps({"cells": list(cells), "metadata": meta, "nbformat": 4})


GOOD = notebook(cell("## q1. One", "markdown"), cell("x = 1"))


def read(path):
    return ingest.read(path, path.is_dir(), QUESTIONS, 1)


def test_files_folders_and_archives_are_submissions(tmp_path):
    (tmp_path / "ada.ipynb").write_text(GOOD)
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "work.ipynb").write_text(GOOD)
    with zipfile.ZipFile(tmp_path / "cyd.zip", "w") as out:
        out.writestr("deep/er/work.ipynb", GOOD)
    (tmp_path / "dan.pdf").write_text("%PDF")
    (tmp_path / ".hidden.ipynb").write_text(GOOD)
    (tmp_path / "roster.csv").write_text("id\n")
    entries = discover(tmp_path)
    assert [e.id for e in entries] == ["ada", "bob", "cyd", "dan.pdf"]
    for entry in entries[:3]:
        assert read(entry.path).cells[1].source == "x = 1"
    with pytest.raises(Unreadable, match="neither a notebook"):
        read(entries[3].path)


def test_the_hash_follows_the_content_and_not_the_time(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_text(GOOD)
    before = discover(tmp_path)[0]
    os.utime(path, (1e9, 1e9))
    after = discover(tmp_path)[0]
    assert before.digest == after.digest
    assert after.modified == "2001-09-09T01:46:40Z"
    path.write_text(GOOD + " ")
    assert discover(tmp_path)[0].digest != before.digest


def test_an_empty_folder_and_a_file_are_told_apart(tmp_path):
    with pytest.raises(ValueError, match="nothing to grade"):
        discover(tmp_path)
    (tmp_path / "all.zip").write_bytes(b"")
    with pytest.raises(ValueError, match="unpack"):
        discover(tmp_path / "all.zip")


@pytest.mark.parametrize(
    "name", ["ada", "Ada Lovelace_123_ch01", "ada (1)", "étienne", "o_neill-2"]
)
def test_harmless_names_stay(name):
    assert plain_id(f"{name}.ipynb") == name


@pytest.mark.parametrize(
    "name",
    ["=cmd|' /C calc'!A0", "../up", "<b>", "-rf", "", ".", "a\nb", "x" * 200, "@a"],
)
def test_other_names_become_safe_and_stay_different(name):
    found = plain_id(name + ".ipynb")
    assert found[0].isalnum() and "/" not in found and "\n" not in found
    assert len(found) < 100
    assert found != plain_id(name + "'.ipynb")


def test_names_that_differ_in_case_alone_get_ids_of_their_own(tmp_path):
    for name in ("Ada.ipynb", "ada.ipynb", "ada.zip"):
        (tmp_path / name).write_text(GOOD)
    ids = [e.id.casefold() for e in discover(tmp_path)]
    assert len(set(ids)) == 3


def test_a_second_copy_is_mentioned(tmp_path):
    for name in ("ada.ipynb", "ada (1).ipynb"):
        (tmp_path / name).write_text(GOOD)
    looks = {e.id: e.looks for e in discover(tmp_path)}
    assert looks["ada"] == [] and "second copy" in looks["ada (1)"][0]


def test_links_and_pipes_are_not_followed(tmp_path):
    (tmp_path / "link.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe.ipynb")
    for entry in discover(tmp_path):
        assert entry.problem


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "JSON"),
        ("[]", "no cells"),
        ('{"cells": 3}', "no cells"),
        ("[" * 10**5, "deep|JSON"),
        ('{"cells": [' + ",".join(["{}"] * 6000) + "]}", "cells"),
        (notebook(cell("x" * 3 * 2**20)), "2 MB"),
    ],
)
def test_what_is_no_notebook_is_unreadable(tmp_path, text, why):
    (tmp_path / "ada.ipynb").write_text(text)
    with pytest.raises(Unreadable, match=why):
        read(tmp_path / "ada.ipynb")


def test_odd_notebooks_are_read(tmp_path):
    path = tmp_path / "ada.ipynb"
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]}]}]}
    path.write_text(json.dumps(old))
    assert read(path).cells[0].source == "x = 1"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert len(read(path).cells) == 2
    path.write_bytes(GOOD.encode("utf-16"))
    assert len(read(path).cells) == 2
    odd = [cell("x = 1"), 3, {"cell_type": "code"}, {"cell_type": "code", "source": 3}]
    path.write_text(json.dumps({"cells": odd, "metadata": None}))
    assert [c.source for c in read(path).cells] == ["x = 1", ""]
    path.write_text(notebook(cell("x = '\\ud800'")))
    read(path).cells[0].source.encode()


def test_a_notebook_of_another_chapter_is_mentioned(tmp_path):
    (tmp_path / "ada.ipynb").write_text(notebook(cell("x"), chapter=6))
    assert "chapter 6" in read(tmp_path / "ada.ipynb").looks[0]


def test_the_notebook_that_fits_is_chosen(tmp_path):
    (tmp_path / "z.ipynb").write_text(notebook(cell("x"), chapter=None))
    (tmp_path / "a.ipynb").write_text(GOOD)
    found = read(tmp_path)
    assert found.graded == "a.ipynb" and not found.looks
    (tmp_path / "b.ipynb").write_text(GOOD)
    found = read(tmp_path)
    assert found.graded == "b.ipynb" and "2 files fit" in found.looks[0]


def archive(path, names, content=GOOD, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name in names:
            out.writestr(name, content, **options)


def test_archives_cannot_point_outside(tmp_path):
    path = tmp_path / "a.zip"
    archive(path, ["../x.ipynb", "/x.ipynb", "a/../../x.ipynb", "ok.ipynb"])
    found = read(path)
    assert found.graded == "a.zip/ok.ipynb" and len(found.looks) == 3


def test_archive_bombs_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    archive(path, ["a.ipynb"], bytes(60 * 2**20))
    with pytest.raises(Unreadable, match="50 MB"):
        read(path)
    archive(path, [f"{i}.ipynb" for i in range(2500)], "{}")
    with pytest.raises(Unreadable, match="2,000"):
        read(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(Unreadable, match="damaged"):
        read(path)


def test_folders_have_caps(tmp_path):
    deep = tmp_path / "ada"
    for _ in range(12):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert "deep" in discover(tmp_path)[0].problem


def test_cells_find_their_question():
    cells = [
        ingest.Cell(True, "import numpy"),
        ingest.Cell(False, "## q1. One"),
        ingest.Cell(True, "a = 1", ("q1", "answer")),
        ingest.Cell(False, "my words"),
        ingest.Cell(False, "## q2. Two\ntext", ("q2", "question")),
        ingest.Cell(True, "b = 2"),
        ingest.Cell(True, "moved", ("q1", "answer")),
    ]
    found = [q for q, _ in sort(cells, QUESTIONS)]
    assert found == ["", "", "q1", "q1", "", "q2", "q1"]


def test_names_that_differ_in_case_never_take_a_third_ones_id(tmp_path):
    plain, mark = "alice", hashlib.sha256(b"alice.ipynb").hexdigest()[:8]
    for name in ("Alice.ipynb", f"{plain}-{mark}.ipynb", "alice.ipynb"):
        (tmp_path / name).write_text(GOOD)
    entries = discover(tmp_path)
    assert len({e.id.casefold() for e in entries}) == 3
    assert sum(bool(e.looks) for e in entries) >= 2  # both of a pair are looked at


def test_links_and_folders_count_as_files_do(tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "MAX_FILES", 10)
    (tmp_path / "ada").mkdir()
    for number in range(11):
        (tmp_path / "ada" / f"link-{number}").symlink_to("/etc/passwd")
    assert "2,000 files" in discover(tmp_path)[0].problem


def test_archives_of_other_kinds_are_refused(tmp_path):
    for number, kind in enumerate((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w", kind) as out:
            out.writestr("work.ipynb", GOOD)
        with pytest.raises(Unreadable, match="usual method"):
            read(path)
    path = tmp_path / "secret.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("work.ipynb", GOOD)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1  # the flag of encryption
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="encrypted"):
        read(path)


def test_the_last_of_two_files_with_one_name_counts(tmp_path):
    path = tmp_path / "ada.zip"
    with pytest.warns(UserWarning), zipfile.ZipFile(path, "w") as out:
        out.writestr("work.ipynb", "{}")
        out.writestr("work.ipynb", GOOD)
    assert read(path).cells[1].source == "x = 1"


def test_lines_of_windows_are_plain_lines(tmp_path):
    (tmp_path / "ada.ipynb").write_text(notebook(cell("x = 1\r\ny = 2\rz = 3")))
    assert read(tmp_path / "ada.ipynb").cells[0].source == "x = 1\ny = 2\nz = 3"
