"""An answer's seconds: those in which the machine was busy with others do not count."""

import os
import subprocess
import sys
import time

import pytest

from streamrec.grading import remote


@pytest.fixture
def wall(monkeypatch):
    """Wall time and queued time in our hands."""
    now = {"wall": 100.0, "queued": 5.0}
    monkeypatch.setattr(remote.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(remote, "queued_of", lambda pid: now["queued"])
    return now


def test_seconds_in_the_queue_are_given_back(wall):
    clock = remote.Clock(4.0, 1)
    wall.update(wall=107.0, queued=9.5)  # 7 s, of which 4.5 s without a processor
    assert clock.used() == pytest.approx(2.5) and clock.left() == pytest.approx(1.5)
    wall.update(wall=109.0)
    assert clock.left() < 0


def test_patience_ends(wall):
    clock = remote.Clock(4.0, 1)
    wall.update(wall=100.0 + 4.0 * remote.PATIENCE + 0.1, queued=1e6)
    assert clock.left() < 0


def test_every_second_counts_where_the_queue_is_unknown(wall):
    assert remote.Clock(4.0).left() == 4.0
    clock = remote.Clock(4.0)
    wall.update(wall=105.0, queued=9.0)
    assert clock.used() == 5.0


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="Linux only")
def test_the_queue_of_children_is_read():
    """Two loops on one processor: each waits about half of the time."""
    loop = (
        "import os, time; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "end = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass"
    )
    both = [
        subprocess.Popen(["/bin/sh", "-c", f"'{sys.executable}' -c '{loop}'; true"])
        for _ in range(2)
    ]
    try:
        time.sleep(1.3)
        queued = [remote.queued_of(p.pid) for p in both]
    finally:
        for p in both:
            p.wait()
    assert sum(queued) > 0.3
