"""Runs of ``grade run``: what is kept, what a kill leaves, what is refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import time

import make_class
import pytest
import unprivileged

from streamrec.grading import runner, sandbox
from streamrec.grading.key import Limits, load_key
from streamrec.grading.state import read_states, write_json

KEY = unprivileged.ROOT / "solutions" / "keys" / make_class.SLUG
KILLS = int(os.environ.get("STREAMREC_KILLS", "4"))
# the hash covers the package itself, which may be edited while the tests run
TIMES = ("seconds", "hash")


@pytest.fixture
def folder():
    unprivileged.need()
    path = unprivileged.folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def words(folder, *more, key=KEY, output="out"):
    place = ["--key", str(key), "--output", str(folder / output)]
    return ["-m", "streamrec.cli", "grade", "run", str(folder / "class"), *place, *more]


def scores(folder):
    return [{k: v for k, v in s.items() if k not in TIMES} for s in read_states(folder)]


def tiny_key(folder, criterion="expect_equal(answer.two(), 2)", **more):
    """A key with one question, quick to grade."""
    folder.mkdir()
    label = {"name": "test_two", "label": "two", "points": 3, "hint": "Count."}
    table = {"format": 1, "chapter": 1, "slug": "tiny", "title": "Tiny", "seed": 5}
    question = {"id": "q1", "criteria": [label], "points": 3, "wrong": []}
    table |= {"rounds": 1, "points": 3, "questions": [question]} | more
    (folder / "key.yaml").write_text(json.dumps(table))
    (folder / "criteria.py").write_text(
        "from streamrec.grading.criteria import *\n\n\n"
        '@criterion("q1", points=3, hint="Count.")\n'
        f"def test_two(answer, rng):\n    {criterion}\n"
    )
    (folder / "reference.py").write_text("def two():\n    return 2\n")
    (folder / "stub.py").write_text("def two():\n    raise NotImplementedError\n")
    return folder


def tiny_class(folder, **sources):
    (folder / "class").mkdir()
    for name, source in sources.items():
        (folder / "class" / f"{name}.py").write_text(source)
    unprivileged.give(folder)


GOOD = "def two():\n    return 2\n"


# ------------------------------------------------------------------ whole runs


def test_a_run_that_was_killed_goes_on_to_the_same_result(folder):
    key = tiny_key(folder / "key")
    others = ("", "def two(:", "def two():\n    return 3\n", "raise KeyError", GOOD)
    tiny_class(folder, **{f"s{i}": source for i, source in enumerate(others)})
    began = time.monotonic()
    done = unprivileged.python(*words(folder, key=key, output="whole"))
    whole = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    want = scores(folder / "whole")
    assert [s["points"] for s in want] == [0, 0, 0, 0, 3]
    rng = random.Random(20260101)
    for turn in range(KILLS):
        output = f"killed-{turn}"
        command = unprivileged.start(*words(folder, key=key, output=output))
        options = {"env": unprivileged.environment(), "cwd": "/"}
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
        time.sleep(rng.uniform(0.0, whole))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for path in (folder / output).glob("state/*.json"):
            json.loads(path.read_text())  # whole, whenever it was killed
        for _ in range(50):  # until the kernel has let go of the lock
            done = unprivileged.python(*words(folder, key=key, output=output))
            if "another run" not in done.stderr:
                break
            time.sleep(0.2)
        assert done.returncode == 0, done.stderr
        assert scores(folder / output) == want, f"kill {turn}"


def test_what_is_up_to_date_is_kept(folder):
    tiny_key(folder / "key")
    tiny_class(folder, ada=GOOD, bob="x = 1\n")
    key = folder / "key"
    done = unprivileged.python(*words(folder, key=key))
    assert done.returncode == 0 and "2 graded, 0 kept" in done.stdout, done.stderr
    began = time.monotonic()
    done = unprivileged.python(*words(folder, key=key))
    assert "0 graded, 2 kept" in done.stdout
    assert time.monotonic() - began < 20  # 2 s on a quiet machine
    (folder / "class" / "bob.py").write_text(GOOD)
    done = unprivileged.python(*words(folder, key=key))
    assert "1 graded, 1 kept" in done.stdout
    assert [s["points"] for s in read_states(folder / "out")] == [3, 3]
    done = unprivileged.python(*words(folder, "--seed", "another", key=key))
    assert "2 graded, 0 kept" in done.stdout
    done = unprivileged.python(*words(folder, "--only", "cyd", key=key))
    assert done.returncode == 2 and "no submission 'cyd'" in done.stderr


def test_a_broken_key_charges_nobody(folder):
    tiny_key(folder / "fails", "expect_equal(answer.two(), 3)")
    tiny_key(folder / "stumbles", "raise KeyError('ours')")
    tiny_class(folder, ada=GOOD)
    for name, why in (("fails", "own solution"), ("stumbles", "does not work")):
        done = unprivileged.python(*words(folder, key=folder / name))
        assert done.returncode == 2 and why in done.stderr
        assert done.stderr.count("\n") == 1
        assert not list((folder / "out").glob("state/*"))


def test_odd_results_are_not_charged_silently(folder):
    key = tiny_key(folder / "key", "expect_equal(answer.two() + 0, 2)")
    tiny_class(folder, ada="def two():\n    return 'two'\n", bob="two = 2\n")
    done = unprivileged.python(*words(folder, key=key))
    assert done.returncode == 1
    ada, bob = read_states(folder / "out")
    assert ada["status"] == "ok" and "could not use" in ada["needs_a_look"][0]
    assert bob["points"] == 0 and not bob["needs_a_look"]


def test_every_verb_of_the_stand_in_crosses(folder):
    lines = """
    h = answer.new("Two", 2)
    expect_equal(answer.call(h, "get", step=0), 2)
    assert answer.call(h, "itself") == h
    expect_equal(answer.get(h, "value"), 2)
    expect_equal(answer.value("TWO"), 2)
    expect_true(answer.has("TWO") and not answer.has("THREE"), "names")
    f = answer.define("lambda x: 2 * x")
    expect_equal(answer.map(f, 1), 2)
    g = answer.make("numpy.random.default_rng", 7)
    expect_between(answer.draw(g), 0, 1)
    expect_equal(answer.apply("get", {"a": (1, [2.5])}), {"a": (1, [2.5])})
    expect_error(lambda: answer.refuse(), "KeyError")
    """
    key = tiny_key(folder / "key", lines.strip())
    source = """
TWO = 2


class Two:
    def __init__(self, value):
        self.value = value

    def get(self, step):
        return self.value + step

    def itself(self):
        return self


def map(f, x):
    return f(x)


def draw(rng):
    return rng.uniform()


def get(x):
    return x


def refuse():
    raise KeyError("no")


def two():
    return 2
"""
    (key / "reference.py").write_text(source)
    tiny_class(folder, ada=source)
    done = unprivileged.python(*words(folder, key=key))
    assert done.returncode == 0, done.stderr + json.dumps(read_states(folder / "out"))
    assert read_states(folder / "out")[0]["points"] == 3


def test_the_trusted_process_stays_small(folder):
    key = tiny_key(folder / "key", "answer.two()")
    big = "import numpy as np\n\n\ndef two():\n    return {}\n"
    tiny_class(
        folder,
        array=big.format("np.zeros(8 * 10**6)"),
        arrays=big.format("[np.zeros(400) for _ in range(19_000)]"),
        lists=big.format("[[] for _ in range(700_000)]"),
        texts=big.format("['abcdefgh' for _ in range(900_000)]"),
        floats=big.format("[0.5] * 990_000"),
    )
    code = (
        "import sys, resource\n"
        "from streamrec.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(f'largest {use // 1024} MB')\n"
    )
    done = unprivileged.python("-c", code, *words(folder, "--jobs", "1", key=key)[2:])
    largest = int(done.stdout.split("largest ")[1].split()[0])
    assert largest < 500, done.stdout
    assert {s["status"] for s in read_states(folder / "out")} <= {"ok", "crashed"}


def test_verify_finds_what_does_not_hold(folder):
    key = tiny_key(folder / "key")
    (key / "wrong").mkdir()
    (key / "wrong" / "q1-three.py").write_text("def two():\n    return 3\n")
    table = json.loads((key / "key.yaml").read_text())
    table["questions"][0]["wrong"] = [{"file": "wrong/q1-three.py", "points": 0}]
    (key / "key.yaml").write_text(json.dumps(table))
    unprivileged.give(folder)
    verify = ["-m", "streamrec.cli", "grade", "verify", str(key)]
    done = unprivileged.python(*verify)
    assert done.returncode == 0 and "key: holds" in done.stdout, done.stderr
    (key / "wrong" / "q1-three.py").write_text(GOOD)
    done = unprivileged.python(*verify)
    assert done.returncode == 1 and "gets 3 points, not 0" in done.stderr
    assert "no stored wrong answer loses test_two: add one" in done.stderr


# ----------------------------------------------------------------- small parts


def test_root_and_missing_things_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ValueError, match="root"):
        runner.run(tmp_path, KEY, tmp_path / "out")
    with pytest.raises(ValueError, match="no key folder"):
        runner.run(tmp_path, tmp_path / "no", tmp_path / "out", allow_root=True)
    with pytest.raises(ValueError, match="lacks key.yaml"):
        runner.run(tmp_path, tmp_path, tmp_path / "out", allow_root=True)
    with pytest.raises(ValueError, match="nothing to grade"):
        (tmp_path / "class").mkdir()
        runner.run(tmp_path / "class", KEY, tmp_path / "out", allow_root=True)


def test_without_a_sandbox_nothing_runs(monkeypatch):
    limits = sandbox.Sandbox("limits only", "", False, False)
    monkeypatch.setattr(sandbox, "candidates", lambda: [limits])
    with pytest.raises(ValueError, match="--allow-unsandboxed"):
        sandbox.choose()
    assert sandbox.choose(allow_unsandboxed=True) is limits


def test_a_sandbox_that_leaks_is_refused(tmp_path):
    limits = sandbox.Sandbox("limits only", "", False, False)
    wrong = sandbox.probe(limits, [])
    assert len(wrong) == 3  # reads, writes, reaches the network


@pytest.mark.parametrize("name", ["docker", "podman", "sandbox-exec"])
def test_commands_that_cannot_run_here_close_the_same_doors(name, tmp_path):
    box = sandbox.Sandbox(name, "1", True, True)
    words = box.command(tmp_path, Limits(memory=512), submission=tmp_path / "s")
    line = " ".join(words)
    if name == "sandbox-exec":
        assert "(deny default)" in line and "(deny network*)" in line
        assert (
            "file-write* (literal" in line
            and str(unprivileged.ROOT / "sol") not in line
        )
    else:
        for part in (
            "--network none",
            "--read-only",
            "--cap-drop ALL",
            "--memory 512m",
        ):
            assert part in line
        assert f"{tmp_path}:/grading/lib:ro" in line
        assert "no-new-privileges" in line and "--pids-limit" in line


def test_the_answers_library_lacks_worlds_and_grader():
    names = {p.as_posix() for p in runner.library_files(["models.ease"])}
    assert "grading/worker.py" in names and "book/selfcheck.py" in names
    assert "models/ease.py" not in names
    assert not any(n.startswith(("worlds/", "cli/")) for n in names)
    assert not any(n.endswith(("judge.py", "runner.py", "ingest.py")) for n in names)


def test_seeds_have_128_bits_and_follow_from_the_text():
    key = load_key(KEY)
    assert len(runner.seed_of(key, None)) == 32
    assert runner.seed_of(key, None) == runner.seed_of(key, key.seed)
    assert runner.seed_of(key, "a") != runner.seed_of(key, "b")


def test_the_list_of_criteria_comes_from_the_key():
    key = load_key(KEY)
    found = runner.assemble(key, [])
    names = [n for q in found["questions"].values() for n in q["criteria"]]
    assert names == [c["name"] for _, c in key.expected]
    assert found["points"] == 0 and found["max"] == key.automatic
    assert found["status"] == "grader-error" and found["needs_a_look"]


def test_one_run_at_a_time(tmp_path):
    with runner.lock(tmp_path):
        with pytest.raises(ValueError, match="another run"), runner.lock(tmp_path):
            pass


def test_a_full_disk_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "state" / "ada.json"
    write_json(path, {"points": 1})

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"points": 2})
    assert json.loads(path.read_text()) == {"points": 1}
    assert [p.name for p in path.parent.iterdir()] == ["ada.json"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"format": 2}, "format 2"),
        ({"rounds": 0}, "rounds"),
        ({"limits": {"calls": 1}}, "unknown limit"),
        ({"limits": {"call": "1"}}, "must be a number"),
        ({"hide": ["../x"]}, "module's name"),
        ({"questions": []}, "no questions"),
        ({"questions": 3}, "not a key"),
        ({"slug": "../x"}, "plain name"),
    ],
)
def test_malformed_keys_are_named(tmp_path, change, why):
    with pytest.raises(ValueError, match=why):
        load_key(tiny_key(tmp_path / "key", **change))


def test_results_have_a_folder_of_their_own(tmp_path):
    (tmp_path / "class").mkdir()
    for place in (tmp_path / "class", KEY):
        with pytest.raises(ValueError, match="give the results a folder"):
            runner.run(tmp_path / "class", KEY, place, allow_root=True)
