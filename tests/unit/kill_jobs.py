"""Jobs that are killed: ``python kill_jobs.py KIND FOLDER TRIALS SEED``.

KIND train: a small network with a checkpoint after every step. score: a night's lists,
most of the time in scoring. write: the same, most of the time on the disc. Each trial
forks a job, kills it (SIGKILL) at a random moment, looks at what is visible, runs the
job again to its end and compares the result with an undisturbed one, byte for byte.
calls: as write, killed before each call that flushes or changes a name on the disc.
Meanwhile a reader in another process reads whatever is published. Prints JSON.
"""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from streamrec.production.batch import BatchStore, NoVersion, score_all
from streamrec.protocols import Recommendations

USERS = np.arange(300)


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def fork(work):
    """Run ``work`` in a child; its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- the jobs ------------------------------------------------------------------------


def night(folder, number, seconds):
    """Version ``number``: every score of it says so."""

    def score(users):
        time.sleep(seconds)
        items = (users[:, None] * 7 + np.arange(40)) % 997
        scores = number + 1.0 - np.broadcast_to(np.arange(40) / 100, items.shape)
        return Recommendations(users, items, scores)

    settings = {"data_version": str(number), "fallback": np.arange(50), "keep": 2}
    settings |= {"created": f"2026-01-01T{number:02d}:00", "chunk": 60}
    score_all(score, USERS, BatchStore(folder / "lists"), f"night-{number}", **settings)


def training(folder):
    """Final weights after training from whatever checkpoint there is."""
    import torch

    from streamrec.models.trainer import TrainSettings, train

    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = torch.nn.Sequential(
            torch.nn.Linear(6, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1)
        )
        X = torch.randn(240, 6)
        data = {"X": X, "y": X[:, :1].sin()}

    def loss(net, b, generator):
        noise = torch.randn(b["X"].shape, generator=generator)
        return ((net(b["X"] + 0.1 * noise) - b["y"]) ** 2).mean()

    settings = TrainSettings(epochs=5, batch_size=24, seed=3)
    train(network, loss, data, settings, checkpoint=folder / "run.pt", every=1)
    weights = {k: v.numpy() for k, v in network.state_dict().items()}
    np.savez(folder / ".weights.npz", **weights)
    os.replace(folder / ".weights.npz", folder / "weights.npz")


def run(kind, folder):
    if kind == "train":
        training(folder)
    else:
        night(folder, 2, 0.05 if kind == "score" else 0.0)


def prepare(kind, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if kind != "train":
        night(folder, 0, 0.0)
        night(folder, 1, 0.0)  # the job makes a third, and prunes the first


def result(kind, folder):
    if kind == "train":
        with np.load(folder / "weights.npz") as file:
            return {name: file[name].tobytes() for name in file.files}
    return content(folder / "lists" / "versions") | {
        "current": (folder / "lists" / "current.json").read_bytes()
    }


# --- what may be seen ----------------------------------------------------------------


def whole(store):
    """Number of the version that a reader sees; raises if it is not whole."""
    with store.open() as reader:
        number = int(reader.version.removeprefix("night-"))
        seen = reader.query(
            'select count(*) as rows, count(distinct "user") as users, '
            "min(ceil(score)) as low, max(ceil(score)) as high from lists"
        ).iloc[0]
        want = [len(USERS) * 40, len(USERS), number + 1, number + 1]
        assert seen.tolist() == want, (reader.version, seen.to_dict())
        assert len(reader.answer(150)) == 10 and len(reader.answer(10**6)) == 10
    return number


def watch(folder, stop):
    """Read until the file ``stop`` is there; write what was seen."""
    store, seen, errors = BatchStore(folder / "lists"), {}, []
    while not stop.exists():
        try:
            number = str(whole(store))
            seen[number] = seen.get(number, 0) + 1
        except NoVersion:  # between two trials the folder is made anew
            pass
        except Exception as error:
            if (folder / "lists" / "current.json").exists():
                errors.append(repr(error))
        time.sleep(0.002)
    stop.write_text(json.dumps({"seen": seen, "errors": errors[:5]}))


# --- trials --------------------------------------------------------------------------


def at_moments(kind, folder, trials, rng):
    """Kill at random moments of an undisturbed run's time, until ``trials`` were hit.

    A job that ends before its moment (the machine was busy when it was timed) is looked
    at too, shortens the time the moments are drawn from, and does not count.
    """
    prepare(kind, folder)
    begin = time.monotonic()
    assert ended(fork(lambda: run(kind, folder))) == 0
    seconds = time.monotonic() - begin
    want, killed, early = result(kind, folder), 0, 0
    while killed < trials and early < 3 * trials:
        prepare(kind, folder)
        begin, moment = time.monotonic(), rng.uniform(0.02, 0.95) * seconds
        child = fork(lambda: run(kind, folder))
        while time.monotonic() - begin < moment:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.001)
        else:
            os.kill(child, signal.SIGKILL)
        if ended(child) == -signal.SIGKILL:
            killed += 1
        else:
            early, seconds = early + 1, min(seconds, time.monotonic() - begin)
        after(kind, folder, want)
    return {"trials": killed + early, "killed": killed, "seconds": seconds}


def at_calls(folder):
    """Kill before and after each call that changes a name on the disc."""
    names = ("replace", "rename", "fsync", "unlink", "rmdir")

    def with_kill(left):
        def job():
            count = [left]

            def wrap(real):
                def call(*args, **more):
                    count[0] -= 1
                    if count[0] < 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return real(*args, **more)

                return call

            for name in names:
                setattr(os, name, wrap(getattr(os, name)))
            run("write", folder)

        return job

    prepare("write", folder)
    run("write", folder)
    want, left, code = result("write", folder), 0, -signal.SIGKILL
    while code:
        assert code == -signal.SIGKILL
        prepare("write", folder)
        code = ended(fork(with_kill(left)))
        after("write", folder, want)
        left += 1
    return {"trials": left, "killed": left - 1}


def after(kind, folder, want):
    """What a kill leaves is whole; the job run again ends as if undisturbed."""
    if kind != "train":
        store = BatchStore(folder / "lists")
        assert whole(store) in (1, 2)
        store.verify()
    assert ended(fork(lambda: run(kind, folder))) == 0
    got = result(kind, folder)
    assert got == want, sorted(k for k in want | got if got.get(k) != want.get(k))
    if kind != "train":
        strays = [str(p) for p in folder.rglob("*.tmp")]
        assert not strays, strays
        assert not list((folder / "lists").glob("drafts/*"))


def main():
    kind, folder, trials, seed = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    rng = np.random.default_rng(seed)
    if kind == "train":
        import torch

        torch.set_num_threads(1)
        print(json.dumps(at_moments(kind, folder, trials, rng)))
        return
    stop = folder.with_suffix(".stop")
    reader = fork(lambda: watch(folder, stop))
    try:
        calls = kind == "calls"
        out = at_calls(folder) if calls else at_moments(kind, folder, trials, rng)
    finally:
        stop.touch()
        ended(reader)
    print(json.dumps(out | {"reader": json.loads(stop.read_text())}))


if __name__ == "__main__":
    main()
