"""kill -9 at random moments: a rerun ends as if nothing had happened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

JOBS = Path(__file__).with_name("kill_jobs.py")


def trials(kind, folder, count, seed=0):
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, JOBS, kind, folder / "work", str(count), str(seed)],
        env=os.environ | threads,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    if kind != "train":
        assert not found["reader"]["errors"], found["reader"]
        assert found["reader"]["seen"].get("1", 0) > 0
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["train", "score", "write"])
def test_killed_at_twenty_random_moments(kind, tmp_path):
    if kind == "train":
        pytest.importorskip("torch")
    assert trials(kind, tmp_path, 20)["killed"] == 20


@pytest.mark.slow
def test_killed_around_each_call_that_changes_a_name(tmp_path):
    assert trials("calls", tmp_path, 0)["killed"] > 40


def test_killed_twice(tmp_path):
    assert trials("score", tmp_path, 2)["killed"] == 2
