"""Versions are published whole, resumed, pruned and read while all that happens."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import scipy.sparse as sp

from streamrec.cli import main
from streamrec.models.base import top_k
from streamrec.production import batch
from streamrec.production.batch import (
    BatchJob,
    BatchStore,
    DamagedVersion,
    NoVersion,
    StoreBusy,
    WriteFailed,
    best_items,
    find_store,
    score_all,
)
from streamrec.production.funnel import Funnel, ServedLists, Stage
from streamrec.protocols import Recommendations

USERS = np.arange(100, 200)
FALLBACK = [5, 3, 9]


def lists(users, k=4, text=False):
    users = np.asarray(users)
    key = np.array([sum(map(ord, str(u))) for u in users])
    items = (key[:, None] + np.arange(k)) % 50
    scores = 1.0 / (1 + np.arange(k)) + key[:, None]
    items = items.astype(str) if text else items
    return Recommendations(users, items, scores)


class Counting:
    """A scoring function that stops after some chunks."""

    def __init__(self, stop=10**9):
        self.calls, self.stop = [], stop

    def __call__(self, users):
        if len(self.calls) >= self.stop:
            raise KeyboardInterrupt
        self.calls.append(users.tolist())
        return lists(users)


def make(store, version="day-1", score=lists, users=USERS, **more):
    settings = {"data_version": "d1", "chunk": 30, "fallback": FALLBACK}
    settings |= {"created": "2026-01-01T03:00:00", "reason": "close to your taste"}
    return score_all(score, users, store, version, **settings | more)


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "lock"
    }


@pytest.fixture
def store(tmp_path):
    return BatchStore(tmp_path / "lists")


def test_lists_come_back_as_they_were_scored(store):
    manifest = make(store)
    assert manifest["rows"] == 400 and len(manifest["chunks"]) == 4
    want = lists(USERS).frame()
    with store.open() as reader:
        got = reader.frame()
        assert got["user"].tolist() == want["user"].tolist()
        for name in ("rank", "item", "score"):
            np.testing.assert_array_equal(got[name], want[name])
        assert set(got["reason"]) == {"close to your taste"}
        assert reader.query("select count(*) as n from fallback")["n"][0] == 3
    assert store.verify() == 400
    assert store.current() == "day-1"
    assert not (store.folder / "drafts" / "day-1").exists()


def test_an_answer_has_rank_item_score_and_reason(store):
    make(store)
    rows = store.answer(142, 2)
    want = lists([142])
    assert [r["item"] for r in rows] == want.items[0, :2].tolist()
    assert [r["score"] for r in rows] == want.scores[0, :2].tolist()
    assert [r["rank"] for r in rows] == [1, 2]
    assert rows[0]["reason"] == "close to your taste" and rows[0]["source"] == "model"
    assert store.answer(np.int32(142), 2) == rows


@pytest.mark.parametrize("user", [1, 150_000, -4])
def test_unknown_users_get_the_fallback(store, user):
    make(store)
    rows = store.answer(user)
    assert [r["item"] for r in rows] == FALLBACK
    assert {r["source"] for r in rows} == {"fallback"}
    assert rows[0]["reason"] == "popular with everyone"
    assert len(store.answer(user, 1)) == 1


def test_a_user_between_chunks_and_one_with_an_empty_list(store):
    def some(users):
        out = lists(users)
        out.scores[users == 104] = -np.inf
        return out

    make(store, users=USERS[::4], score=some, chunk=3)
    for user in (101, 104):
        assert store.answer(user)[0]["source"] == "fallback"
    assert store.answer(108)[0]["source"] == "model"
    assert store.answer(196)[0]["source"] == "model"


def test_without_a_fallback_the_unknown_get_nothing(store):
    make(store, fallback=())
    assert store.answer(7) == []


@pytest.mark.parametrize(
    ("user", "error"),
    [("142", TypeError), (1.5, TypeError), (None, TypeError), (True, TypeError)],
)
def test_an_id_of_another_kind_is_refused(store, user, error):
    make(store)
    with pytest.raises(error):
        store.answer(user)


def test_text_ids(store):
    names = [f"u{n}" for n in range(40)] + ["007", "it's", "é"]
    text = lambda users: lists(users, text=True)  # noqa: E731
    make(store, users=names, score=text, fallback=["a", "b"], chunk=7)
    for name in names:
        got = [r["item"] for r in store.answer(name)]
        assert got == lists([name], text=True).items[0].tolist()
    assert store.answer("new")[0]["item"] == "a"
    with pytest.raises(TypeError, match="got 7, which is a number"):
        store.answer(7)
    with store.open() as reader:
        assert reader.parse_user("7") == "7"


def test_parse_user_of_numbers(store):
    make(store)
    with store.open() as reader:
        assert reader.parse_user("142") == 142
        with pytest.raises(ValueError, match="whole numbers here; 'x'"):
            reader.parse_user("x")


def test_a_rerun_changes_no_byte(store):
    make(store)
    before = content(store.folder)
    score = Counting()
    make(store, score=score, created="2027-01-01")
    assert content(store.folder) == before and score.calls == []


def test_another_run_elsewhere_gives_the_same_bytes(store, tmp_path):
    make(store)
    other = BatchStore(tmp_path / "other")
    make(other, users=USERS[::-1].tolist() + [150])
    assert content(other.folder) == content(store.folder)


def test_bytes_are_the_same_in_another_process(store, tmp_path):
    make(store)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_batch as t;"
        "t.make(t.BatchStore(sys.argv[2]))"
    )
    folder = tmp_path / "other"
    here = os.path.dirname(__file__)
    subprocess.run([sys.executable, "-c", code, here, folder], check=True)
    assert content(folder) == content(store.folder)


def test_checksum_does_not_depend_on_the_time(store, tmp_path):
    one = make(store)
    two = make(BatchStore(tmp_path / "b"), created="2026-05-05")
    assert one["created"] != two["created"] and one["checksum"] == two["checksum"]


def test_a_stopped_run_goes_on_where_it_was(store, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(store, score=Counting(stop=2))
    assert store.current() is None and store.versions() == []
    rest = Counting()
    make(store, score=rest, created=None)
    assert [c[0] for c in rest.calls] == [160, 190]
    whole = BatchStore(tmp_path / "whole")
    make(whole)
    assert content(store.folder) == content(whole.folder)  # created included


def test_a_finished_chunk_is_looked_at_before_it_is_kept(store):
    for damage in ("cut", "changed", "gone", "record"):
        with pytest.raises(KeyboardInterrupt):
            make(store, score=Counting(stop=3))
        draft = store.folder / "drafts" / "day-1"
        file = draft / "data" / "part-00001.parquet"
        raw = file.read_bytes()
        if damage == "cut":
            file.write_bytes(raw[:-9])
        elif damage == "changed":
            file.write_bytes(raw[:50] + bytes([raw[50] ^ 1]) + raw[51:])
        elif damage == "gone":
            file.unlink()
        else:
            (draft / "done" / "part-00001.json").write_text('{"file"')
        rest = Counting()
        make(store, score=rest)
        assert [c[0] for c in rest.calls] == [130, 190]
        assert store.verify() == 400
        shutil.rmtree(store.folder)


@pytest.mark.parametrize(
    "change", [{"data_version": "d2"}, {"chunk": 10}, {"users": USERS[:50]}]
)
def test_a_draft_of_other_data_is_not_continued(store, change):
    with pytest.raises(KeyboardInterrupt):
        make(store, score=Counting(stop=2))
    score = Counting()
    make(store, score=score, **change)
    assert sum(map(len, score.calls)) == len(change.get("users", USERS))


def test_a_published_version_is_not_replaced(store):
    make(store)
    with pytest.raises(ValueError, match="made with another data_version"):
        make(store, data_version="d2")
    with pytest.raises(ValueError, match="another fallback_sha256"):
        make(store, fallback=[1])


def test_strays_of_a_killed_run_do_not_get_into_the_version(store):
    with pytest.raises(KeyboardInterrupt):
        make(store, score=Counting(stop=1))
    data = store.folder / "drafts" / "day-1" / "data"
    (data / ".part-00001.parquet.999.tmp").write_bytes(b"half")
    make(store)
    names = sorted(p.name for p in (store.folder / "versions" / "day-1").iterdir())
    parts = [f"part-{n:05d}.parquet" for n in range(4)]
    assert names == ["fallback.parquet", "manifest.json", *parts]


def test_killed_between_the_two_renames(store, monkeypatch):
    make(store)

    def die(self, version):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BatchStore, "_point", die)
        with pytest.raises(KeyboardInterrupt):
            make(store, "day-2", data_version="d2")
    assert store.current() == "day-1"
    score = Counting()
    make(store, "day-2", data_version="d2", score=score)
    assert store.current() == "day-2" and score.calls == []
    make(store)  # an old job that runs again does not turn the clock back
    assert store.current() == "day-2"


def test_publish_is_also_the_way_back(store):
    make(store)
    make(store, "day-2", data_version="d2")
    store.publish("day-1")
    assert store.current() == "day-1"
    make(store, "day-3", data_version="d3", publish=False)
    assert store.current() == "day-1"
    assert [r["version"] for r in store.versions()] == ["day-1", "day-2", "day-3"]
    with pytest.raises(NoVersion, match="no version day-9; there are: day-1"):
        store.publish("day-9")
    with pytest.raises(NoVersion):
        store.publish("../day-1")


def test_prune_keeps_the_current_and_what_is_read(store):
    for n in range(1, 6):
        make(store, f"day-{n}", data_version=f"d{n}", created=f"2026-01-0{n}")
    store.publish("day-2")
    with store.open("day-1") as reader:
        assert store.prune(keep=2) == ["day-3", "day-4"]
        assert reader.answer(142) and len(reader.frame()) == 400
    assert {r["version"] for r in store.versions()} == {"day-1", "day-2", "day-5"}
    assert store.prune(keep=1) == ["day-1", "day-5"]
    assert store.current() == "day-2" and store.verify() == 400
    assert not (store.folder / "trash").exists()
    with pytest.raises(ValueError, match="at least 1"):
        store.prune(0)


def test_score_all_prunes(store):
    for n in range(1, 5):
        made = {"data_version": f"d{n}", "created": f"2026-01-0{n}", "keep": 2}
        make(store, f"day-{n}", **made)
    assert [r["version"] for r in store.versions()] == ["day-3", "day-4"]


def test_two_writers(store):
    make(store)
    with store.writing():
        with pytest.raises(StoreBusy, match=f"process {os.getpid()}"):
            make(store, "day-2", data_version="d2")
        with pytest.raises(StoreBusy):
            store.prune()
        assert store.answer(142)  # readers go on
    make(store, "day-2", data_version="d2")


def test_a_dead_writer_lets_go(store):
    store.folder.mkdir()
    code = (
        "import os, sys; from streamrec.production.batch import BatchStore;"
        "c = BatchStore(sys.argv[1]).writing(); c.__enter__();"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, store.folder], check=False)
    make(store)


def test_readers_see_one_version_or_the_other(store):
    """A reader hammers the store while versions come and go."""
    make(store, "v0", data_version="0", keep=1, chunk=50)
    stop, wrong, seen = threading.Event(), [], set()

    def read():
        while not stop.is_set():
            try:
                with store.open() as reader:
                    n = reader.query("select count(*) as n from lists")["n"][0]
                    seen.add(reader.version)
                    if n != 400 or len(reader.answer(150)) != 4:
                        wrong.append((reader.version, n))
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for t in threads:
        t.start()
    for n in range(1, 9):
        made = {"data_version": str(n), "created": f"2026-01-01T{n:02d}:00"}
        make(store, f"v{n}", keep=1, chunk=50, **made)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong and len(seen) > 2


def limited(bytes_, work):
    """What ``work`` returns in a child in which no file may grow beyond ``bytes_``."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
            said = work()
        except BaseException as error:
            said = f"raised {error!r}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.parametrize("size", [0, 700, 1500])
def test_a_full_disc_leaves_the_current_version(store, size):
    make(store)
    before = content(store.folder / "versions")
    pointer = (store.folder / "current.json").read_bytes()

    def work():
        try:
            make(store, "day-2", data_version="d2")
        except WriteFailed as error:
            return str(error.strerror)
        return "written"

    said = limited(size, work)
    assert said.startswith("File too large while writing version day-2: version day-1")
    assert "day-1 is untouched" in said and "\n" not in said
    assert content(store.folder / "versions") == before
    assert (store.folder / "current.json").read_bytes() == pointer
    assert not list(store.folder.rglob("*.tmp"))
    make(store, "day-2", data_version="d2")
    assert store.current() == "day-2" and store.verify() == 400


@pytest.mark.parametrize("name", ["replace", "fsync", "rename"])
@pytest.mark.parametrize("after", [0, 2, 5, 9])
def test_whatever_call_fails_nothing_partial_shows(store, monkeypatch, name, after):
    """Each call to the disc may be the first that fails: no space left."""
    make(store)
    real, left = getattr(os, name), [after if name != "rename" else after % 2]

    def fail(*args, **more):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(batch.os, name, fail)
        try:
            make(store, "day-2", data_version="d2")
            failed = False
        except WriteFailed as error:
            assert error.errno == errno.ENOSPC
            failed = True
    if failed:
        assert store.current() == "day-1"
    assert store.verify() == 400
    make(store, "day-2", data_version="d2")
    assert store.current() == "day-2" and store.verify() == 400
    assert not list(store.folder.rglob("*.tmp"))


def test_no_permission_or_a_file_in_the_way(tmp_path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        make(BatchStore(tmp_path / "f"))
    with pytest.raises(NoVersion):
        BatchStore(tmp_path / "f").answer(1)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"schema_version": 1}', '{"checksum": 1}']
)
def test_a_damaged_manifest(store, text):
    make(store)
    make(store, "day-2", data_version="d2", created="2026-01-02")
    path = store.folder / "versions" / "day-2" / "manifest.json"
    path.write_text(text)
    with pytest.raises(DamagedVersion, match="day-2 is damaged"):
        store.answer(142)
    with pytest.raises(DamagedVersion):
        make(store, "day-2", data_version="d2")
    assert [r["damaged"] for r in store.versions()] == [True, False]
    store.publish("day-1")
    assert store.answer(142)
    assert store.prune(1) == ["day-2"]


def test_a_manifest_that_was_edited(store):
    make(store)
    path = store.folder / "versions" / "day-1" / "manifest.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {"rows": 7}))
    with pytest.raises(DamagedVersion):
        store.open()
    path.write_text(json.dumps(found | {"created": "2030-01-01"}))
    with pytest.raises(DamagedVersion):
        store.open()
    path.write_text(json.dumps(found | {"schema_version": 2}))
    with pytest.raises(DamagedVersion, match="schema 2"):
        store.open()
    path.unlink()
    with pytest.raises(DamagedVersion, match="lost its manifest"):
        store.open()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": "day-1"'])
def test_a_damaged_pointer(store, text):
    make(store)
    (store.folder / "current.json").write_text(text)
    with pytest.raises(DamagedVersion, match="there are: day-1"):
        store.answer(142)
    with pytest.raises(DamagedVersion):
        store.prune(1)
    store.publish("day-1")
    assert store.answer(142)


def test_damaged_parts(store):
    make(store)
    file = store.folder / "versions" / "day-1" / "part-00001.parquet"
    raw = file.read_bytes()
    file.write_bytes(raw[:-20])
    with pytest.raises(DamagedVersion, match="part-00001.parquet of version day-1"):
        store.answer(142)
    assert store.answer(110)
    file.write_bytes(b"\0" * len(raw))
    with pytest.raises(DamagedVersion):
        store.answer(142)
    with pytest.raises(DamagedVersion, match="missing or changed"):
        store.verify()
    with pytest.raises(DamagedVersion):
        store.publish("day-1")


def test_freshness(store):
    make(store, data_until="2025-12-31T22:00:00+00:00")
    fresh = store.freshness(now="2026-01-01T10:00:00Z")
    assert fresh["age_hours"] == 7 and fresh["data_age_hours"] == 12 and fresh["fresh"]
    assert not store.freshness(now="2026-01-02T06:00:00")["fresh"]  # lists too old
    assert not store.freshness(now="2026-01-01", data_limit_hours=1)["fresh"]
    assert not store.freshness(now="2025-12-31")["fresh"]  # made in the future
    assert not store.freshness()["fresh"]
    with pytest.raises(ValueError, match="ISO 8601"):
        make(store, "b", created="yesterday evening")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: Recommendations(r.users[1:], r.items, r.scores), "not of the users"),
        (lambda r: Recommendations(r.users, r.items[1:], r.scores[1:]), "were to be"),
        (lambda r: Recommendations(r.users, r.items, r.scores[:, 1:]), "were to be"),
        (lambda r: Recommendations(r.users, r.items, r.scores * np.nan), "numbers"),
        (lambda r: Recommendations(r.users, r.items, r.scores * np.inf), "numbers"),
        (lambda r: Recommendations(r.users, r.items, -r.scores), "descend"),
        (lambda r: Recommendations(r.users, r.items * 0, r.scores), "twice"),
    ],
)
def test_a_scoring_function_that_breaks_its_promises(store, change, message):
    with pytest.raises(ValueError, match=message):
        make(store, score=lambda users: change(lists(users)))
    assert store.current() is None


def test_padding_inside_a_list_and_odd_items(store):
    def hole(users):
        out = lists(users)
        out.scores[:, 1] = -np.inf
        return out

    with pytest.raises(ValueError, match="padding"):
        make(store, score=hole)
    odd = lambda users: lists(users, text=True)  # noqa: E731
    with pytest.raises(ValueError, match="one kind of id"):
        make(store, score=odd)

    def halves(users):
        r = lists(users)
        return Recommendations(users, r.items * 0.5, r.scores)

    with pytest.raises(TypeError, match="items"):
        make(store, "day-2", score=halves)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"version": "../x"}, ValueError, "cannot name"),
        ({"version": ""}, ValueError, "cannot name"),
        ({"chunk": 0}, ValueError, "chunk"),
        ({"users": []}, ValueError, "no user"),
        ({"users": [1.5]}, TypeError, "whole numbers"),
        ({"users": np.array([1, "a", None], dtype=object)}, TypeError, "got 1"),
        ({"users": [np.datetime64("2026-01-01")]}, TypeError, "users"),
        ({"data_version": ""}, ValueError, "data_version"),
        ({"fallback": [1, 1]}, ValueError, "twice"),
    ],
)
def test_arguments_that_cannot_work(store, change, error, message):
    with pytest.raises(error, match=message):
        make(store, **change)


def test_sources_and_reasons_of_the_lists_are_kept(store):
    def score(users):
        r = lists(users)
        source = np.full(r.items.shape, "als", dtype=object)
        source[:, 1] = "als+ease"
        return ServedLists(r.users, r.items, r.scores, source, source + "!")

    make(store, score=score)
    rows = store.answer(111)
    assert [r["source"] for r in rows][:2] == ["als", "als+ease"]
    assert rows[1]["reason"] == "als+ease!"


def test_chunks_may_run_in_any_order(store, tmp_path):
    make(store)
    other = BatchStore(tmp_path / "b")
    settings = {"data_version": "d1", "chunk": 30, "fallback": FALLBACK}
    settings |= {"created": "2026-01-01T03:00:00", "reason": "close to your taste"}
    with other.writing():
        job = BatchJob.begin(other, USERS, "day-1", **settings)
        assert job.pending() == [0, 1, 2, 3]
        for n in (2, 0, 3):
            job.run(n, lists)
        with pytest.raises(ValueError, match=r"chunks \[1\] are not scored"):
            job.finish()
        job.run(1, lists)
        job.run(1, lists)
        job.finish()
    assert content(other.folder) == content(store.folder)


def test_an_outage_is_not_published(store):
    """A night of fallback lists: yesterday's are better, and the next run starts."""
    make(store)
    state = {"down": {130, 131, 160}}

    def score(users):
        funnel = Funnel([Stage("als", lambda u, n: lists(u))], np.arange(50), k=4)
        out = funnel.serve(users)
        return replace(out, degraded=np.isin(users, list(state["down"])))

    job = {"data_version": "d2", "max_degraded": 0.02, "score": score}
    with pytest.raises(ValueError, match=r"3.0% of the lists are degraded, at most 2"):
        make(store, "day-2", **job)
    assert store.current() == "day-1"
    state["down"], again = {160}, []
    job["score"] = lambda users: again.append(users[0]) or score(users)
    manifest = make(store, "day-2", **job)
    assert manifest["degraded"] == 1 and again == [130, 160]
    assert store.current() == "day-2"
    assert make(store, "day-2", **{**job, "max_degraded": 0}) == manifest


def test_find_store(store, tmp_path):
    with pytest.raises(NoVersion, match="no published lists"):
        find_store(tmp_path)
    make(store)
    assert find_store(tmp_path).folder == find_store(store.folder).folder


def test_best_items_equal_the_whole_product():
    rng = np.random.default_rng(3)
    U, V = rng.normal(size=(237, 8)), rng.normal(size=(300, 8))
    dense = rng.random((237, 300)) < 0.3
    dense[5] = np.arange(300) < 295
    seen = sp.csr_matrix(dense)
    S = (U.astype(np.float32) @ V.astype(np.float32).T).astype(float)
    S[seen.nonzero()] = -np.inf
    want, value = top_k(S, 20)
    for block in (1, 2_000, 10**8):
        got, score = best_items(U, V, 20, seen=seen, block_scores=block)
        finite = np.isfinite(value)
        np.testing.assert_array_equal(got[finite], want[finite])
        np.testing.assert_allclose(score[finite], value[finite], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(np.isfinite(score), finite)
    with pytest.raises(ValueError, match="between 1 and the 300"):
        best_items(U, V, 301)
    with pytest.raises(ValueError, match="seen must be"):
        best_items(U, V, 3, seen=seen[:, :5])


# --- the command ---------------------------------------------------------------------


def run(capsys, *words):
    code = main(["recommend", *map(str, words)])
    return code, *capsys.readouterr()


def test_recommend_shows_a_list_with_reasons(store, tmp_path, capsys):
    make(store, data_until="2025-12-31")
    code, out, err = run(capsys, "--user", 142, "-k", 2, "--input", tmp_path)
    assert code == 0 and not err
    assert "close to your taste" in out and "day-1" in out
    assert str(lists([142]).items[0, 1]) in out


@pytest.mark.parametrize(("user", "known"), [(142, True), (7, False)])
def test_recommend_as_json(store, tmp_path, capsys, user, known):
    make(store)
    words = ["--user", user, "--format", "json", "-i", tmp_path]
    code, out, _ = run(capsys, *words)
    schema = files("streamrec.cli").joinpath("schemas/recommend.json")
    found = json.loads(out)
    jsonschema.validate(found, json.loads(schema.read_text("utf-8")))
    assert code == 0 and found["results"]["known"] is known
    assert found["results"]["user"] == user
    if not known:
        reasons = {row["reason"] for row in found["results"]["items"]}
        assert reasons == {"popular with everyone"}


def test_recommend_of_text_ids_takes_numbers_as_text(store, tmp_path, capsys):
    text = lambda users: lists(users, text=True)  # noqa: E731
    make(store, users=["7", "b"], score=text, fallback=())
    assert run(capsys, "--user", "7", "-i", tmp_path)[0] == 0
    code, _, err = run(capsys, "--user", "8", "-i", tmp_path)
    assert code == 2 and "no list for user 8" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "x"], "'x' is none"),
        (["--user", "1.5"], "'1.5' is none"),
        (["--user", "1", "-k", "0"], "k must be at least 1"),
        (["--user", "1", "--version", "day-2"], "there are: day-1"),
        ([], "Missing option '--user'"),
    ],
)
def test_recommend_with_bad_input_says_one_line(
    store, tmp_path, capsys, words, message
):
    make(store)
    code, out, err = run(capsys, *words, "--input", tmp_path)
    assert code == 2 and not out
    assert message in err and err.count("\n") == 1


def test_recommend_without_lists_or_with_damaged_ones(store, tmp_path, capsys):
    code, _, err = run(capsys, "--user", 1, "-i", tmp_path / "none")
    assert code == 2 and "no published lists" in err
    make(store)
    (store.folder / "current.json").write_text("{")
    code, _, err = run(capsys, "--user", 1, "-i", tmp_path)
    assert code == 2 and "is damaged" in err and err.count("\n") == 1
