"""What the worker refuses to the answer, and what it forgives."""

import subprocess
import sys
import types

import pytest

from streamrec.grading import judge
from streamrec.grading.key import load_key
from streamrec.grading.runner import library_files
from streamrec.grading.worker import Worker

FORBIDDEN = """
import ctypes, mmap, platform, subprocess, sys
from streamrec.grading.worker import forbid
assert forbid(platform.machine())
call = ctypes.CDLL(None).syscall
for numbers in ((319, b"x", 0), (250, 1, 0), (29, 0, 4096, 896), (425, 8, 0),
                (101, 0, 0, 0, 0), (0x40000000 + 39,)):
    assert call(*numbers) == -1, numbers
try:
    mmap.mmap(-1, 4096)
except PermissionError:
    pass
else:
    raise SystemExit("shared memory without a file")
mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
assert subprocess.run([sys.executable, "-c", "import numpy"]).returncode == 0
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the filter is one of Linux"
)
def test_memory_that_nobody_counts_and_keys_are_refused():
    import platform

    if platform.machine() != "x86_64":
        pytest.skip("the numbers are those of x86")
    subprocess.run([sys.executable, "-c", FORBIDDEN], check=True)


@pytest.fixture
def worker():
    found = Worker.__new__(Worker)
    found.module = types.ModuleType("answers")
    return found


def test_a_cell_that_raises_defines_what_stands_below(worker):
    cell = (
        "import math\n%matplotlib inline\nopen('no.csv')\n\n\ndef f():\n    return 2\n"
    )
    said = worker.cell(cell, "cell 1")
    assert said["kind"] == "FileNotFoundError" and "line 3" in said["error"]
    assert worker.module.f() == 2
    worker.cell("x = 1\nraise KeyError\nx = 2", "cell 2")
    assert worker.module.x == 1  # only definitions and imports go on


def test_a_cell_that_does_not_parse_defines_nothing(worker):
    assert worker.cell("def f(:\n    pass", "cell 1")["kind"] == "SyntaxError"
    assert not hasattr(worker.module, "f")


def test_check_cells_are_known_at_once():
    assert judge._is_check('selfcheck("q1")\n')
    assert judge._is_check('selfcheck("q1")  # again\nselfcheck("q2")')
    assert not judge._is_check("selfcheck()" * 5000 + "x")
    assert not judge._is_check('selfcheck("q1")\nx = 1')


def test_an_exercise_hides_what_its_chapter_introduces():
    import unprivileged

    key = load_key(unprivileged.ROOT / "solutions" / "keys" / "01-linear-algebra")
    assert "models.ease" in key.hide
    names = {p.as_posix() for p in library_files(key.hide)}
    assert "models/ease.py" not in names and "stats/divergences.py" in names
