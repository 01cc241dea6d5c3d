"""The hostile and unlucky set: cases end as the table says, nothing else moves."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from pathlib import Path

import make_class
import make_hostile
import psutil
import pytest
import unprivileged
import yaml

KEY = unprivileged.ROOT / "solutions" / "keys" / make_class.SLUG
LIMITS = {"call": 4, "cell": 8, "submission": 40}  # shorter, so that the set is quick
ORDINARY = 3

# the whole set is graded before the first test: a minute where nothing else runs
pytestmark = pytest.mark.timeout(1800)


def private_key(folder: Path) -> Path:
    """A private key: a copy with another seed and shorter limits."""
    shutil.copytree(KEY, folder)
    table = yaml.safe_load((folder / "key.yaml").read_text("utf-8"))
    table |= {"seed": 730217, "limits": LIMITS}
    text = yaml.safe_dump(table, allow_unicode=True, sort_keys=False)
    (folder / "key.yaml").write_text(text, "utf-8")
    return folder


def grade(*words: str) -> subprocess.CompletedProcess[str]:
    """``streamrec grade`` as a user without rights."""
    return unprivileged.python("-m", "streamrec.cli", "grade", *words)


def digest(folder: Path) -> str:
    """sha256 over every plain file of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            total.update(bytes(path.relative_to(folder)) + path.read_bytes())
    return total.hexdigest()


class Graded:
    """One run on the ordinary and the hostile ones together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.submissions = folder / "submissions"
        self.output = folder / "out"
        self.key = private_key(folder / "key")
        self.canary = folder / "canary"
        self.canary.write_text("quiet")
        self.submissions.mkdir()
        self.ordinary = make_class.write_class(self.submissions, ORDINARY)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            other = self.submissions / f"{make_class.NAMES[0]}.ipynb"
            secrets = {
                "CANARY": str(self.canary),
                "KEY": str(self.key),
                "OUTPUT": str(self.output),
                "OTHER": str(other),
                "PORT": str(server.getsockname()[1]),
            }
            self.table = make_hostile.write_hostile(self.submissions, secrets)
            unprivileged.give(folder)
            self.before = digest(self.submissions), digest(self.key)
            self.done = grade(
                "run",
                str(self.submissions),
                "--key",
                str(self.key),
                "--output",
                str(self.output),
            )
            try:
                server.accept()
                self.connected = True
            except BlockingIOError:
                self.connected = False
        self.after = digest(self.submissions), digest(self.key)
        found = [
            json.loads(p.read_text("utf-8"))
            for p in (self.output / "state").glob("*.json")
        ]
        self.states = {s["name"]: s for s in found}


@pytest.fixture(scope="module")
def graded():
    unprivileged.need()
    folder = unprivileged.folder()
    yield Graded(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_the_run_completes_and_asks_for_a_look(graded):
    assert graded.done.returncode == 1, graded.done.stderr + graded.done.stdout
    assert len(graded.states) == len(graded.table) + ORDINARY


@pytest.mark.parametrize("name", list(make_hostile.cases()))
def test_each_case_ends_as_the_table_says(graded, name):
    case = make_hostile.cases()[name]
    ours = [n for n in graded.states if n.split(".")[0].startswith(name)]
    state = graded.states[min(ours, key=len)]
    why = json.dumps({k: v for k, v in state.items() if k != "questions"})
    lost = [
        (q, n, c["status"], c["message"])
        for q, own in state["questions"].items()
        for n, c in own["criteria"].items()
        if c["status"] != "passed"
    ]
    want = state["max"] - case["lost"] if case["base"] == "solved" else 0.0
    assert state["status"] in case["status"], why + str(lost[:4])
    assert state["points"] == want, why + str(lost[:6])
    if "look" in case:
        assert bool(state["needs_a_look"]) == case["look"], why
    assert set(state["questions"]) == {
        q["id"] for q in yaml.safe_load((KEY / "key.yaml").read_text())["questions"]
    }


def test_ordinary_answers_keep_their_points(graded):
    for name, questions in graded.ordinary.items():
        state = graded.states[f"{name}.ipynb"]
        got = {q: state["questions"][q]["points"] for q in questions}
        assert got == questions, name
        assert state["status"] == "ok"


def test_nothing_outside_changed(graded):
    assert graded.canary.read_text() == "quiet"
    assert graded.before == graded.after
    assert not (graded.output / "work").exists()
    assert not graded.connected, "an answer reached the network"


def test_no_process_survives(graded):
    for process in psutil.process_iter(["cmdline"]):
        assert "time.sleep(987654)" not in " ".join(process.info["cmdline"] or [])


def test_a_second_run_keeps_everything(graded):
    words = [str(graded.submissions), "--key", str(graded.key)]
    done = grade("run", *words, "--output", str(graded.output))
    assert f"0 graded, {len(graded.states)} kept" in done.stdout, done.stderr


def test_the_report_escapes_what_learners_wrote(graded):
    assert grade("sheet", str(graded.output)).returncode == 0
    done = grade("report", str(graded.output))
    assert done.returncode == 1, done.stderr  # some need a look
    pages = list((graded.output / "feedback").glob("*.html"))
    assert len(pages) == len(graded.states)
    for page in [*pages, *(graded.output / "answers").glob("*.html")]:
        assert "<script>alert" not in page.read_text("utf-8")
    for line in (graded.output / "gradebook.csv").read_text("utf-8").splitlines():
        assert not line.startswith(("=", "+", "-", "@"))
