"""Ray Data writes the files that one process writes."""

import numpy as np
import pytest

from streamrec.production import ray_scoring
from streamrec.production.batch import BatchJob, BatchStore, score_all
from streamrec.protocols import Recommendations

USERS = np.arange(90)
SETTINGS = {"data_version": "d", "chunk": 20, "created": "2026-01-01", "fallback": [1]}


def loader():
    """A function that loads a scoring function; made here, it is sent by value."""

    def load():
        V = np.random.default_rng(0).normal(size=40)

        def score(users):
            S = np.cos(np.outer(users, V))
            items = np.argsort(-S, axis=1)[:, :5]
            return Recommendations(users, items, np.take_along_axis(S, items, 1))

        return score

    return load


load = loader()


def content(store):
    files = sorted(p for p in store.folder.rglob("*") if p.is_file())
    return {str(p.relative_to(store.folder)): p.read_bytes() for p in files
            if p.name != "lock"}  # fmt: skip


def test_a_worker_scores_its_chunks(tmp_path):
    store, alone = BatchStore(tmp_path / "a"), BatchStore(tmp_path / "b")
    score_all(load(), USERS, alone, "night", **SETTINGS)
    with store.writing():
        job = BatchJob.begin(store, USERS, "night", **SETTINGS)
        worker = ray_scoring.ChunkWorker(job, load)
        out = worker({"id": np.array([4, 1, 0])})
        assert (
            out["rows"].tolist() == [50, 100, 100]
            and not any(out["error"])
            and job.pending() == [2, 3]
        )
        worker({"id": np.array([2, 3])})
        job.finish()

        def none():
            raise FileNotFoundError("model.npz")

        out = ray_scoring.ChunkWorker(job, none)({"id": np.array([0])})
        assert out["error"].tolist() == ["model.npz"]
    assert content(store) == content(alone)


def test_without_workers(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        ray_scoring.score_all_ray(
            load, USERS, BatchStore(tmp_path), "v", workers=0, **SETTINGS
        )


@pytest.mark.slow
def test_two_workers_of_ray_write_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # on a busy machine
    pytest.importorskip("ray.data")
    import ray

    many, one = BatchStore(tmp_path / "many"), BatchStore(tmp_path / "one")
    score_all(load(), USERS, one, "night", **SETTINGS)
    with many.writing():  # as after a run that was killed: one chunk is there
        BatchJob.begin(many, USERS, "night", **SETTINGS).run(3, load())
    first = (many.folder / "drafts/night/data/part-00003.parquet").stat().st_mtime_ns
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        run = ray_scoring.score_all_ray
        made = run(load, USERS, many, "night", workers=2, **SETTINGS)
        assert content(many) == content(one) and made["rows"] == 450
        kept = many.folder / "versions/night/part-00003.parquet"
        assert kept.stat().st_mtime_ns == first
        assert run(load, USERS, many, "night", **SETTINGS) == made

        def broken():
            def score(users):
                return Recommendations(users, np.zeros((1, 1)), np.zeros((1, 1)))

            return score

        with pytest.raises(ValueError, match="chunk 0: 20 users were to be scored"):
            run(broken, USERS, many, "next", **{**SETTINGS, "data_version": "e"})
        assert many.current() == "night"
    finally:
        ray.shutdown()
