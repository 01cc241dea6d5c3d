"""The nightly job on several machines: the same chunks, scored by workers of Ray Data.

Chapter 26. Needs the extra ``scale``. Chunk numbers are a Ray data set; each worker
loads the model once and writes its chunks straight into the draft, so no list travels
through the driver. The driver holds the store's lock, and publishes when every chunk is
there. The files are those of ``streamrec.production.batch.score_all``, byte for byte.

The store's folder must be visible to every machine under one path. A worker that dies
is replaced by Ray, and its chunk is scored again: a chunk is whole or absent. A driver
that dies leaves the finished chunks to the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrec.production.batch import BatchJob, BatchStore, ScoreChunk


class ChunkWorker:
    """What one worker holds: the job and the scoring function, loaded once.

    What goes wrong is returned, not raised: Ray's own account of an exception runs to
    pages, and trying again would not help.
    """

    def __init__(self, job: BatchJob, load: Callable[[], ScoreChunk]) -> None:
        self.job, self.load = job, load
        self.score: ScoreChunk | None = None

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Score and write the chunks of a batch; their numbers, rows and errors."""
        rows, errors = [], []
        for n in batch["id"]:
            try:
                self.score = self.score or self.load()
                rows.append(self.job.run(int(n), self.score))
                errors.append("")
            except Exception as error:
                rows.append(0)
                errors.append(str(error) or type(error).__name__)
        return {
            "id": np.asarray(batch["id"]),
            "rows": np.array(rows, dtype=np.int64),
            "error": np.array(errors, dtype=str),
        }


def score_all_ray(
    load: Callable[[], ScoreChunk],
    users: ArrayLike,
    store: BatchStore,
    version: str,
    *,
    data_version: str,
    workers: int = 2,
    keep: int | None = None,
    publish: bool = True,
    max_degraded: float | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """As :func:`~streamrec.production.batch.score_all`, on ``workers`` workers of Ray.

    load() -> score_chunk is called once in each worker: let it read the model from a
    file there. It must be a function that can be sent to another process. ``settings``
    are those of ``score_all``. An initialised Ray is used, a local one is started (and
    stopped) otherwise.

    Raises ModuleNotFoundError without Ray, ValueError for fewer than one worker or a
    chunk that failed (the others are kept), and what ``score_all`` raises.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1; got {workers}")
    import ray

    with store.writing():
        job = BatchJob.begin(
            store, users, version, data_version=data_version, **settings
        )
        pending = job.pending()
        if pending:
            ours = not ray.is_initialized()
            if ours:
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    log_to_driver=False,
                    configure_logging=False,
                )
            try:
                _run(ray.data, job, load, pending, workers)
            finally:
                if ours:
                    ray.shutdown()
        manifest = job.finish(publish=publish, max_degraded=max_degraded)
        if keep is not None:
            store.prune(keep, locked=True)
    return manifest


def _run(
    data: Any,
    job: BatchJob,
    load: Callable[[], ScoreChunk],
    pending: list[int],
    workers: int,
) -> None:
    """Every pending chunk through a pool of workers; the first error as ValueError."""
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    chunks = data.from_items(
        [{"id": n} for n in pending], override_num_blocks=len(pending)
    )
    done = chunks.map_batches(
        ChunkWorker,
        fn_constructor_args=(job, load),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=min(workers, len(pending))),
    )
    errors = {int(row["id"]): row["error"] for row in done.take_all()}
    for n in pending:
        if why := errors.get(n, "Ray did not return it: run again"):
            raise ValueError(f"chunk {n}: {why}")
