"""Every key of the book holds, through the sandbox that grades submissions."""

import pytest
import unprivileged

JOBS = ("--jobs", "2")
KEYS = sorted(p.parent for p in unprivileged.ROOT.glob("solutions/keys/*/key.yaml"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("key", KEYS, ids=lambda p: p.name)
def test_solution_stub_and_wrong_answers_get_their_points(key):
    unprivileged.need()
    done = unprivileged.python(
        "-m", "streamrec.cli", "grade", "verify", str(key), *JOBS
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{key.name}: holds\n"
