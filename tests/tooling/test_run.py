"""Executing notebooks: byte-identical, whole or not at all, clear when a cell fails."""

import base64
import json
import struct
import subprocess
import sys
import zlib

import nbtools
import pytest
import run
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TOOL = str(nbtools.ROOT / "tools" / "run.py")
NOISY = """\
import os, sys, warnings
from streamrec.book import check, claim
warnings.warn("noise")
print("to stderr", file=sys.stderr)
print(object())
check("one", 1.0, 1.0)
claim("yes", True)
print(os.environ["OMP_NUM_THREADS"], sorted({"a", "b"}))"""
FIGURE = """\
import matplotlib.pyplot as plt
%config InlineBackend.figure_formats = ["png", "svg"]
fig, ax = plt.subplots()
ax.plot([1, 2, 3])
plt.show()"""


def make(path, *sources, tags=()):
    cells = [new_markdown_cell("# Sample", id="ch90-title")]
    for number, source in enumerate(sources):
        cell = new_code_cell(source, id=f"ch90-{number}")
        cell.metadata["tags"] = list(tags)
        cells.append(cell)
    nb = new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "another-kernel", "display_name": "x"}
    nbtools.write(nb, path)
    return path


def call(*arguments):
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    path = make(tmp_path_factory.mktemp("a place") / "90-a.ipynb", NOISY, FIGURE)
    costs = path.with_name("costs.json")
    done = call(path, "--json", costs)
    assert done.returncode == 0, done.stdout + done.stderr
    return path, json.loads(costs.read_text())[str(path)]


def test_a_second_run_changes_no_byte(executed):
    path, _ = executed
    before = path.read_bytes()
    assert call(path).returncode == 0
    assert path.read_bytes() == before
    assert call("--check", path).returncode == 0


def test_nothing_that_varies_is_stored(executed):
    path, _ = executed
    nb = nbtools.read(path)
    stored = json.dumps([c.get("outputs") for c in nb.cells] + [nb.metadata])
    for word in ("stderr", "noise", "dc:date", "Matplotlib v", "another"):
        assert word not in stored
    (png,) = (o for o in nb.cells[2].outputs if "image/png" in o.get("data", {}))
    assert b"Software" not in base64.b64decode(png.data["image/png"])
    assert [c.id for c in nb.cells] == ["ch90-title", "ch90-0", "ch90-1"]
    assert "<object object at 0x…>" in nb.cells[1].outputs[0].text
    assert "1 ['a', 'b']" in nb.cells[1].outputs[0].text
    assert nb.metadata.language_info == {"name": "python"}


def test_costs_and_checks_are_measured(executed):
    _, cost = executed
    assert (cost["checks"], cost["claims"], cost["failed"]) == (1, 1, [])
    assert 30 < cost["memory_mb"] < 1000
    assert 0 < cost["cpu_seconds"] < 60


def test_check_tells_which_cell_differs_and_writes_nothing(executed, tmp_path):
    path = tmp_path / "90-a.ipynb"
    nb = nbtools.read(executed[0])
    nb.cells[1].outputs[0].text = "something else\n"
    nbtools.write(nb, path)
    before = path.read_bytes()
    done = call("--check", path)
    assert done.returncode == 1
    assert "stored outputs differ: ch90-0" in done.stdout
    assert path.read_bytes() == before


def test_a_failing_cell_is_shown_and_the_file_is_left_alone(tmp_path):
    path = make(tmp_path / "90-b.ipynb", "x = 1\ny = x / 0", "print('never')")
    before = path.read_bytes()
    done = call(path)
    assert done.returncode == 1
    assert "cell ch90-0" in done.stdout
    assert "> y = x / 0" in done.stdout
    assert "ZeroDivisionError: division by zero" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["90-b.ipynb"]


def test_a_cell_that_never_ends_and_a_kernel_that_dies(tmp_path):
    slow = make(tmp_path / "90-c.ipynb", "import time\ntime.sleep(60)")
    dead = make(tmp_path / "90-d.ipynb", "import os\nos._exit(3)")
    done = call("--timeout", "2", slow, dead)
    assert done.returncode == 1
    assert "still running after 2 s" in done.stdout
    assert "the kernel died" in done.stdout


def test_ignored_outputs_are_emptied(tmp_path):
    path = make(tmp_path / "90-e.ipynb", "print(1)", tags=["nbval-ignore-output"])
    assert call(path).returncode == 0
    assert nbtools.read(path).cells[1].outputs == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"cells": [', "not valid JSON"),
        ("[]", "not a valid notebook"),
        ('{"nbformat": 3, "nbformat_minor": 0, "metadata": {}}', "format 4"),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
            "not a valid notebook",
        ),
        ("\ufeff", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_notebook(tmp_path, content, words):
    path = tmp_path / "bad.ipynb"
    path.write_text(content, "utf-8")
    with pytest.raises(nbtools.BadInput, match=words) as caught:
        nbtools.read(path)
    assert "\n" not in str(caught.value)
    if content == "[]":
        done = call(path)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert path.read_text("utf-8") == content


@pytest.mark.parametrize("number", ["0", "40", "-1", "one", "1.5", ""])
def test_a_chapter_that_does_not_exist(number):
    with pytest.raises(nbtools.BadInput, match="choose one from 1 to 39|try CH=1"):
        nbtools.chapter_path(number)


@pytest.mark.parametrize("tool", ["run", "lint", "text", "seeds"])
def test_every_tool_says_so_in_one_line(tool):
    script = str(nbtools.ROOT / "tools" / f"{tool}.py")
    done = subprocess.run(
        [sys.executable, script, "--chapter=77"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "there is no chapter 77: choose one from 1 to 39\n"


def test_a_missing_file():
    done = call("nowhere.ipynb")
    assert done.returncode == 2
    assert done.stderr == "nowhere.ipynb does not exist: give the path of a notebook\n"


def _png(*extra):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    image = chunk(b"IDAT", zlib.compress(b"\0\0"))
    rest = b"".join(chunk(k, d) for k, d in extra)
    return b"\x89PNG\r\n\x1a\n" + head + rest + image + chunk(b"IEND", b"")


def test_images_lose_their_metadata_and_nothing_else():
    noisy = _png((b"tEXt", b"Software\0x"), (b"tIME", b"1234567"), (b"gAMA", b"1234"))
    assert nbtools.clean_png(noisy) == _png((b"gAMA", b"1234"))
    assert nbtools.clean_png(b"no image") == b"no image"
    svg = "<svg>Matplotlib v3.11.2, x <dc:date>2026</dc:date></svg>"
    assert nbtools.clean_svg(svg) == "<svg>Matplotlib, x</svg>"


def test_normalising_twice_is_normalising_once():
    raw = base64.b64encode(_png((b"tEXt", b"a\0b"))).decode() + "\n"
    nb = new_notebook(cells=[new_code_cell("1  \n2", id="ch90-x")])
    nb.cells[0].outputs = [
        {"output_type": "stream", "name": "stdout", "text": "a 0x7f00aa11bb22\n"},
        {"output_type": "stream", "name": "stderr", "text": "w"},
        {"output_type": "stream", "name": "stdout", "text": "b"},
        {"output_type": "display_data", "data": {"image/png": raw}, "metadata": {}},
    ]
    from nbformat import from_dict

    nb = nbtools.normalise(from_dict(nb))
    once = nbtools.dumps(nb)
    assert nb.cells[0].outputs[0].text == "a 0x…\nb"
    assert nb.cells[0].source == "1\n2"
    assert nbtools.dumps(nbtools.normalise(nb)) == once


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    nbtools.write_text("old", path)

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(nbtools.os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        nbtools.write_text("new", path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
    assert path.read_text() == "old"


def test_the_status_keeps_rounded_costs(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "STATUS", tmp_path / "status.json")
    nb = new_notebook(cells=[new_markdown_cell("word " * 523), new_code_cell("1")])
    cost = run.Cost(31.7, 29.2, 812.0, 25, 8)
    run.record(tmp_path / "02-b.ipynb", cost, nb)
    run.record(tmp_path / "01-a.ipynb", cost, nb)
    status = json.loads((tmp_path / "status.json").read_text())
    assert list(status) == ["01-a", "02-b"]
    assert status["01-a"] == {
        "seconds": 30,
        "cpu_seconds": 30,
        "memory_mb": 800,
        "checks": 25,
        "claims": 8,
        "words": 500,
        "cells": 2,
        "code_cells": 1,
    }


@pytest.mark.parametrize("source", ["1", "1 / 0"])
def test_the_kernel_is_gone_when_the_run_is_over(tmp_path, source):
    import psutil

    nb = new_notebook(cells=[new_code_cell(source, id="ch90-1")])
    try:
        run.execute(nb, tmp_path)
    except run.CellFailed:
        assert source == "1 / 0"
    left = psutil.Process().children(recursive=True)
    assert not [p for p in left if "ipykernel" in " ".join(p.cmdline())]
