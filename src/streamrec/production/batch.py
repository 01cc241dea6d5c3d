"""Lists for every user, made at night and published whole.

Chapter 26. ``score_all`` scores users in chunks and writes them to a ``BatchStore``. A
version is a folder of Parquet files with a manifest; it is built out of sight, moved
into place by one rename, and becomes current when one small file, ``current.json``, is
replaced. A reader sees the old version or the new one, never a part. A job that was
killed goes on with the chunks it had not finished; a job run twice changes nothing.

    FOLDER/current.json                    name and checksum of the current version
    FOLDER/versions/NAME/part-00000.parquet, ..., fallback.parquet, manifest.json
    FOLDER/drafts/NAME/                    a version in the making
    FOLDER/lock                            held by the one job that writes

Every file is flushed to disc before its name appears, and so is the folder that holds
the name: after a crash of the machine a visible name has its content. The locks are
advisory (``flock``) and hold on a local disc; on a network disc let one machine write.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from streamrec.models.index import largest
from streamrec.production.funnel import FALLBACK, FALLBACK_REASON, RRF, served
from streamrec.protocols import Recommendations

SCHEMA_VERSION = 1
COLUMNS = ("user", "rank", "item", "score", "source", "reason")
STORE = "lists"  # folder of the store inside the output of a track
BLOCK_SCORES = 4_000_000  # scores held at once by best_items: 16 MB of float32
BLOCK_USERS = 100  # but at least these: fewer would wait for the items' vectors

ScoreChunk = Callable[[NDArray[Any]], Recommendations]
Progress = Callable[[Sequence[int]], Iterable[int]]


class StoreBusy(ValueError):
    """Another job is writing to the store."""


class NoVersion(ValueError):
    """The store has no such version, or none at all."""


class DamagedVersion(ValueError):
    """Files of a version are missing or are not what its manifest says."""


class WriteFailed(OSError):
    """Nothing could be written: a full disc, a limit, a missing permission."""


# --- scoring -------------------------------------------------------------------------


def best_items(
    U: ArrayLike,
    V: ArrayLike,
    k: int,
    *,
    seen: sp.csr_matrix | None = None,
    block_scores: int = BLOCK_SCORES,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns (B, k) and scores of the k items with the largest u . v for each user.

    U (B, D), V (N, D) are taken as float32 and multiplied in blocks of users, so memory
    stays near ``block_scores`` numbers (or 100 N) whatever B is. seen (B, N): its
    stored entries are not listed; where fewer than k are left the end of a row has
    score -inf. Ties go to the smaller column. Equal inputs in equal blocks give equal
    bits; in other blocks the last digit of a score may differ.

    >>> best_items([[1.0, 0.0]], [[0.1, 0.0], [0.5, 9.0], [0.3, 0.0]], 2)[0].tolist()
    [[1, 2]]
    """
    U, V = (np.ascontiguousarray(x, dtype=np.float32) for x in (U, V))
    B, N = len(U), len(V)
    if not 1 <= k <= N:
        raise ValueError(f"k must be between 1 and the {N} items; got {k}")
    if seen is not None and seen.shape != (B, N):
        raise ValueError(f"seen must be {B} users x {N} items; got {seen.shape}")
    columns, values = np.empty((B, k), dtype=np.intp), np.empty((B, k))
    step = max(BLOCK_USERS, block_scores // N)
    for at in range(0, B, step):
        rows = slice(at, min(B, at + step))
        S = U[rows] @ V.T  # (b, N)
        if seen is not None:
            hide = seen[rows]
            S[
                np.repeat(np.arange(len(S)), np.diff(hide.indptr)), hide.indices
            ] = -np.inf
        columns[rows], values[rows] = largest(S, k)
    return columns, values


def score_all(
    score_chunk: ScoreChunk,
    users: ArrayLike,
    store: BatchStore,
    version: str,
    *,
    data_version: str,
    chunk: int = 5_000,
    fallback: ArrayLike = (),
    source: str = "model",
    reason: str = "",
    created: str | None = None,
    data_until: str | None = None,
    keep: int | None = None,
    publish: bool = True,
    progress: Progress | None = None,
    max_degraded: float | None = None,
) -> dict[str, Any]:
    """Score every user and publish the lists as a version; returns its manifest.

    score_chunk(users) -> Recommendations (a ServedLists brings its own sources and
    reasons; else ``source`` and ``reason`` are written). Users are sorted and each is
    scored once, ``chunk`` at a time. fallback: item ids, best first, for users not in
    the store. data_version: whatever identifies the data, the model and its settings (a
    hash): a draft or version of this name made from other data is not continued.

    Killed and started again, the job keeps the finished chunks. A version that is
    published already is left as it is (ValueError if it was made from other data).
    keep: number of versions left after publishing. created, data_until (time of the
    newest interaction used): ISO 8601; created is now if not given. publish False
    leaves the version in the store without making it current. max_degraded: where
    score_chunk returns a funnel's answers, the largest share of degraded lists that is
    published; a night above it is an outage, and yesterday's lists are better.

    Raises StoreBusy while another job writes, WriteFailed when the disc is full (the
    current version is untouched), ValueError when score_chunk breaks its promises.
    """
    with store.writing():
        job = BatchJob.begin(
            store,
            users,
            version,
            data_version=data_version,
            chunk=chunk,
            fallback=fallback,
            source=source,
            reason=reason,
            created=created,
            data_until=data_until,
        )
        pending = job.pending()
        for n in pending if progress is None else progress(pending):
            job.run(n, score_chunk)
        manifest = job.finish(publish=publish, max_degraded=max_degraded)
        if keep is not None:
            store.prune(keep, locked=True)
    return manifest


@dataclass(frozen=True)
class BatchJob:
    """A version in the making; what ``score_all`` and the workers of Ray share.

    ``run`` may be called for different chunks in different processes; ``begin`` and
    ``finish`` belong to the process that holds ``store.writing()``.
    """

    store: BatchStore
    users: NDArray[Any]
    plan: dict[str, Any]

    @classmethod
    def begin(
        cls,
        store: BatchStore,
        users: ArrayLike,
        version: str,
        *,
        data_version: str,
        chunk: int = 5_000,
        fallback: ArrayLike = (),
        source: str = "model",
        reason: str = "",
        created: str | None = None,
        data_until: str | None = None,
    ) -> Self:
        """Start a draft, or take up the one that an earlier run left."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", version):
            raise ValueError(
                f"{version!r} cannot name a version: use letters, digits, . _ and -"
            )
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1 user; got {chunk}")
        if not data_version:
            raise ValueError("data_version must say what data and model were used")
        ids = np.unique(_ids(users, "users"))
        if not len(ids):
            raise ValueError("there is no user to score")
        spare = _ids(fallback, "fallback")
        if len(np.unique(spare)) < len(spare):
            raise ValueError("fallback lists an item twice")
        plan = {
            "schema_version": SCHEMA_VERSION,
            "version": version,
            "data_version": data_version,
            "data_until": None if data_until is None else _moment(data_until),
            "chunk": chunk,
            "users": len(ids),
            "user_kind": _kind(ids),
            "users_sha256": _digest(ids),
            "fallback_sha256": _digest(spare),
            "item_kind": _kind(spare) if len(spare) else None,
            "source": source,
            "reason": reason,
        }
        if (done := store._manifest_if_any(version)) is not None:
            wrong = [name for name in plan if done.get(name) != plan[name]]
            if wrong:
                raise ValueError(
                    f"version {version} exists and was made with another "
                    f"{' and '.join(wrong)}: give the new one another name"
                )
            return cls(store, ids, {**plan, "created": done["created"]})
        job = cls(store, ids, {**plan, "created": _moment(created)})
        if (old := job._drafted()) is not None:
            if {**old, "created": ""} == {**job.plan, "created": ""}:
                job = cls(store, ids, old)  # keeps the moment the first run began
            else:
                old = None
        with store._writes(version):
            if old is None:
                shutil.rmtree(job._draft, ignore_errors=True)
                (job._draft / "data").mkdir(parents=True)
                (job._draft / "done").mkdir()
                _write_json(job._draft / "plan.json", job.plan)
            for stray in job._draft.rglob(".*.tmp"):  # of a run that was killed
                stray.unlink()
            file = job._draft / "data" / "fallback.parquet"
            if len(spare) and not file.exists():
                _write_parquet(_fallback_table(spare), file, "rank")
        return job

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self.users) // int(self.plan["chunk"]))

    def chunk_users(self, n: int) -> NDArray[Any]:
        """Users of chunk n, in order."""
        size = int(self.plan["chunk"])
        return self.users[n * size : (n + 1) * size]

    def pending(self) -> list[int]:
        """Chunks not written yet, or whose file is not what was written."""
        if self._published:
            return []
        return [n for n in range(self.chunks) if self._record(n, check=True) is None]

    def run(self, n: int, score_chunk: ScoreChunk) -> int:
        """Score and write chunk n; returns the number of rows."""
        users = self.chunk_users(n)
        lists = score_chunk(users.copy())
        lists = served(lists, self.plan["source"], self.plan["reason"])
        table = _table(lists, users)
        data, done = self._files(n)
        with self.store._writes(self.plan["version"]):
            done.unlink(missing_ok=True)
            _write_parquet(table, data, '"user", rank')
            record = {
                "file": data.name,
                "users": len(users),
                "rows": len(table),
                "first": users[0].item(),
                "last": users[-1].item(),
                "item_kind": "text" if table["item"].dtype == object else "numbers",
                "bytes": data.stat().st_size,
                "sha256": _file_digest(data),
                "degraded": int(np.sum(getattr(lists, "degraded", 0))),
            }
            _write_json(done, record)
        return len(table)

    def finish(
        self, *, publish: bool = True, max_degraded: float | None = None
    ) -> dict[str, Any]:
        """Move the whole draft into place and make it current; returns the manifest.

        Raises ValueError when a chunk is missing, or more than a share ``max_degraded``
        of the lists are degraded: the next run scores their chunks again.
        """
        version = self.plan["version"]
        if max_degraded is not None and not self._published:
            self._refuse_outage(max_degraded)
        with self.store._writes(version):
            if not self._published:
                self._seal()
                folder = self.store._version(version)
                folder.parent.mkdir(exist_ok=True)
                os.rename(self._draft / "data", folder)
                _flush(folder.parent)
            # The draft's plan is left until the pointer has moved: while it is there,
            # a run that was killed in between is known to be unfinished.
            if self._draft.exists():
                if publish:
                    self.store._point(version)
                shutil.rmtree(self._draft)
        return self.store.manifest(version)

    def _refuse_outage(self, most: float) -> None:
        records = {n: self._record(n) or {} for n in range(self.chunks)}
        bad = {n: r["degraded"] for n, r in records.items() if r.get("degraded")}
        share = sum(bad.values()) / len(self.users)
        if share > most:
            for n in bad:
                self._files(n)[1].unlink()
            raise ValueError(
                f"{share:.1%} of the lists are degraded, at most {most:.1%} may be: "
                f"version {self.plan['version']} is not published; look at the stages "
                "that failed and run again"
            )

    def _seal(self) -> None:
        records = [self._record(n) for n in range(self.chunks)]
        if missing := [n for n, r in enumerate(records) if r is None]:
            raise ValueError(f"chunks {missing[:5]} are not scored: run them first")
        kinds = {r["item_kind"] for r in records if r} | {self.plan["item_kind"]}
        if len(kinds - {None}) > 1:
            raise ValueError("items are numbers in one place and text in another: "
                             "use one kind of id")  # fmt: skip
        file = self._draft / "data" / "fallback.parquet"
        spare = None
        if file.exists():
            spare = {"bytes": file.stat().st_size, "sha256": _file_digest(file)}
        body = {"columns": list(COLUMNS), "chunks": records, "fallback": spare}
        for name in ("rows", "degraded"):
            body[name] = sum(r[name] for r in records if r)
        same = {k: v for k, v in self.plan.items() if k != "created"} | body
        checksum = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        manifest = {**self.plan, **body, "checksum": checksum}
        _write_json(self._draft / "data" / "manifest.json", manifest)
        _flush(self._draft / "data")

    @property
    def _draft(self) -> Path:
        return self.store.folder / "drafts" / str(self.plan["version"])

    @property
    def _published(self) -> bool:
        return self.store._manifest_if_any(self.plan["version"]) is not None

    def _drafted(self) -> dict[str, Any] | None:
        try:
            plan: dict[str, Any] = json.loads((self._draft / "plan.json").read_text())
        except (OSError, ValueError):
            return None
        return plan

    def _files(self, n: int) -> tuple[Path, Path]:
        name = f"part-{n:05d}"
        data = self._draft / "data" / f"{name}.parquet"
        return data, self._draft / "done" / f"{name}.json"

    def _record(self, n: int, check: bool = False) -> dict[str, Any] | None:
        data, done = self._files(n)
        try:
            record: dict[str, Any] = json.loads(done.read_text("utf-8"))
            if check and _file_digest(data) != record["sha256"]:
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return record


# --- the store -----------------------------------------------------------------------


@dataclass(frozen=True)
class BatchStore:
    """Versions of every user's list in a folder; see the module for its layout.

    One job writes at a time (:meth:`writing`); any number of readers read. The folder
    is made by the first job.
    """

    folder: Path

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "folder", Path(folder))

    # Reading.

    def open(self, version: str | None = None) -> BatchReader:
        """The current version, or another one, held so that it is not pruned.

        Raises NoVersion, or DamagedVersion when its manifest is not what was published.
        """
        for _ in range(50):
            name, digest = (version, None) if version else self._pointer()
            path = self._version(str(name)) / "manifest.json"
            try:
                handle = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                if version or self._pointer() == (name, digest):
                    break
                continue  # pruned since the pointer was read: follow it again
            fcntl.flock(handle, fcntl.LOCK_SH)
            if not path.exists() or not os.path.samestat(os.fstat(handle), path.stat()):
                os.close(handle)
                time.sleep(0.001)
                continue
            try:
                return BatchReader(self, handle, _manifest(path, digest), path.parent)
            except BaseException:
                os.close(handle)
                raise
        if version:
            raise NoVersion(f"{self.folder} has no version {version}{self._choices()}")
        raise DamagedVersion(
            f"the current version {name} of {self.folder} has lost its manifest: "
            f"publish another version, or score again{self._choices()}"
        )

    def answer(self, user: Any, k: int = 10) -> list[dict[str, Any]]:
        """The current list of a user; see :meth:`BatchReader.answer`."""
        with self.open() as reader:
            return reader.answer(user, k)

    def freshness(self, **settings: Any) -> dict[str, Any]:
        """Age of the current version; see :meth:`BatchReader.freshness`."""
        with self.open() as reader:
            return reader.freshness(**settings)

    def manifest(self, version: str | None = None) -> dict[str, Any]:
        """The manifest of a version, the current one if none is named."""
        with self.open(version) as reader:
            return reader.manifest

    def current(self) -> str | None:
        """Name of the current version; None before the first."""
        try:
            return self._pointer()[0]
        except NoVersion:
            return None

    def versions(self) -> list[dict[str, Any]]:
        """One row for each version, oldest first, with damaged and current ones marked.

        Names: version, created, users, rows, data_version, current, damaged.
        """
        try:
            current = self.current()
        except DamagedVersion:
            current = None
        names = ("created", "users", "rows", "data_version")
        out = []
        for path in self._folders():
            try:
                found: Mapping[str, Any] = _manifest(path / "manifest.json", None)
            except (DamagedVersion, OSError):
                found = {}
            row = {"version": path.name, **{n: found.get(n) for n in names}}
            row |= {"current": path.name == current, "damaged": not found}
            out.append(row)
        return sorted(out, key=lambda r: (r["created"] or "", r["version"]))

    def verify(self, version: str | None = None) -> int:
        """Read every file of a version again; the number of rows if all are as written.

        Raises DamagedVersion naming the first file that is not.
        """
        with self.open(version) as reader:
            parts = {c["file"]: c["sha256"] for c in reader.manifest["chunks"]}
            if reader.manifest["fallback"]:
                parts["fallback.parquet"] = reader.manifest["fallback"]["sha256"]
            for name, digest in parts.items():
                path = reader.folder / name
                if not path.exists() or _file_digest(path) != digest:
                    raise DamagedVersion(
                        f"{name} of version {reader.version} is missing or changed: "
                        "publish another version, or score again under another name"
                    )
            return int(reader.manifest["rows"])

    # Writing.

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store's lock: one job writes at a time, readers go on.

        Raises StoreBusy at once if another job holds it. A job that dies, however,
        lets go of it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except (FileExistsError, NotADirectoryError):
            raise ValueError(f"{self.folder} is a file: give a folder") from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = os.read(handle, 100).decode("utf-8", "replace").strip()
                raise StoreBusy(
                    f"another job is writing to {self.folder} ({who or 'unknown'}): "
                    "wait for it to end"
                ) from None
            with suppress(OSError):  # for the message only; the disc may be full
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} since {_moment()}".encode())
            for stray in self.folder.glob(".*.tmp"):  # of a job that was killed
                stray.unlink(missing_ok=True)
            yield
        finally:
            os.close(handle)

    def publish(self, version: str) -> None:
        """Make a version current after reading all of it again: also the way back."""
        with self.writing():
            self.verify(version)
            with self._writes(version):
                self._point(version)

    def prune(self, keep: int = 3, *, locked: bool = False) -> list[str]:
        """Delete all but the newest ``keep`` versions; returns the names deleted.

        The current version stays, and so does one that a reader has open. Drafts that
        no version came of are deleted too. locked: ``writing`` is held already.
        """
        if keep < 1:
            raise ValueError(f"keep at least 1 version; got {keep}")
        if not locked:
            with self.writing():
                return self.prune(keep, locked=True)
        gone = []
        trash = self.folder / "trash"
        current = self._pointer()[0]  # raises if damaged: then nothing is deleted
        rows = [r for r in self.versions() if r["version"] != current]
        count = max(0, len(rows) + 1 - keep)
        for row in rows[:count]:
            if self._discard(row["version"], trash):
                gone.append(row["version"])
        shutil.rmtree(self.folder / "drafts", ignore_errors=True)
        shutil.rmtree(trash, ignore_errors=True)
        return gone

    def _discard(self, version: str, trash: Path) -> bool:
        path = self._version(version)
        handle = None
        try:
            with suppress(FileNotFoundError):
                handle = os.open(path / "manifest.json", os.O_RDONLY)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            trash.mkdir(exist_ok=True)
            os.rename(path, trash / f"{version}.{os.getpid()}.{time.time_ns()}")
        except BlockingIOError:  # a reader has it open
            return False
        finally:
            if handle is not None:
                os.close(handle)
        return True

    # Files.

    def _version(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            raise NoVersion(f"{name!r} does not name a version")
        return self.folder / "versions" / name

    def _folders(self) -> list[Path]:
        folder = self.folder / "versions"
        return [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []

    def _choices(self) -> str:
        names = []
        for path in sorted(self._folders()):
            with suppress(DamagedVersion):
                _manifest(path / "manifest.json", None)
                names.append(path.name)
        return f"; there are: {', '.join(names)}" if names else ""

    def _pointer(self) -> tuple[str, str]:
        path = self.folder / "current.json"
        try:
            found = json.loads(path.read_text("utf-8"))
            return str(found["version"]), str(found["manifest_sha256"])
        except (FileNotFoundError, NotADirectoryError):
            raise NoVersion(
                f"{self.folder} holds no published lists: score them first"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise DamagedVersion(
                f"{path} is damaged: publish a version again{self._choices()}"
            ) from None

    def _point(self, version: str) -> None:
        manifest = self._version(version) / "manifest.json"
        pointer = {"version": version, "manifest_sha256": _file_digest(manifest)}
        _write_json(self.folder / "current.json", pointer)

    def _manifest_if_any(self, version: str) -> dict[str, Any] | None:
        path = self._version(version) / "manifest.json"
        return _manifest(path, None) if path.parent.exists() else None

    @contextmanager
    def _writes(self, version: str) -> Iterator[None]:
        """One sentence for whatever goes wrong on the disc."""
        import duckdb

        try:
            yield
        except (OSError, duckdb.Error) as error:
            code = getattr(error, "errno", None)
            if code is None:
                full = "No space left" in str(error)
                big = "File too large" in str(error)
                code = errno.ENOSPC if full else errno.EFBIG if big else errno.EIO
            try:
                current = self.current()
            except DamagedVersion:
                current = None
            kept = f"version {current} is untouched" if current else "nothing shown yet"
            raise WriteFailed(
                code,
                f"{os.strerror(code)} while writing version {version}: {kept}, "
                "finished chunks are kept; make room and run again",
                str(self.folder),
            ) from error


@dataclass
class BatchReader:
    """One version of the lists, safe from pruning until it is closed.

    Made by :meth:`BatchStore.open`; close it, or use it in a ``with`` statement.
    """

    store: BatchStore
    handle: int
    manifest: dict[str, Any]
    folder: Path

    def __post_init__(self) -> None:
        """Connect when first asked."""
        self._base: Any = None
        self._first = np.array([c["first"] for c in self.manifest["chunks"]])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_base"):
            self.close()

    def close(self) -> None:
        """Let go of the version."""
        if self._base is not None:
            self._base.close()
        if self.handle >= 0:
            os.close(self.handle)
        self._base, self.handle = None, -1

    @property
    def version(self) -> str:
        """Name of the version."""
        return str(self.manifest["version"])

    @property
    def files(self) -> list[Path]:
        """The Parquet files of the lists, for any reader of Parquet."""
        return [self.folder / c["file"] for c in self.manifest["chunks"]]

    def parse_user(self, text: str) -> Any:
        """The id that a text means here: 196 or "196", as the lists have it.

        Raises ValueError when ids are whole numbers and the text is none.
        """
        if self.manifest["user_kind"] == "text":
            return text
        try:
            return int(text)
        except ValueError:
            raise ValueError(
                f"the ids of users are whole numbers here; {text!r} is none"
            ) from None

    def answer(self, user: Any, k: int = 10) -> list[dict[str, Any]]:
        """The first k of a user's list: rank, item, score, source, reason.

        A user who is not in the lists, or whose list is empty, gets the fallback list,
        and its source says so. Raises TypeError for another kind of id than the lists
        have, ValueError for k < 1, DamagedVersion when the file cannot be read.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1; got {k}")
        rows = self._own(user, k)
        if not rows and self.manifest["fallback"]:
            part = {"file": "fallback.parquet", **self.manifest["fallback"]}
            rows = self._select(part, "", [k])
        names = ("rank", "item", "score", "source", "reason")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def has(self, user: Any) -> bool:
        """Whether the user has a list of their own, not empty, in this version."""
        return bool(self._own(user, 1))

    def _own(self, user: Any, k: int) -> list[tuple[Any, ...]]:
        asked = _ids(np.asarray([user]), "the user")
        if _kind(asked) != self.manifest["user_kind"]:
            raise TypeError(
                f"the ids of users are {self.manifest['user_kind']} here; got "
                f"{user!r}, which is {'text' if _kind(asked) == 'text' else 'a number'}"
            )
        at = int(np.searchsorted(self._first, asked[0], side="right")) - 1
        if at < 0 or asked[0].item() > self.manifest["chunks"][at]["last"]:
            return []
        part = self.manifest["chunks"][at]
        return self._select(part, 'where "user" = ?', [asked[0].item(), k])

    def _select(
        self, part: Mapping[str, Any], where: str, values: list[Any]
    ) -> list[tuple[Any, ...]]:
        import duckdb

        path = self.folder / part["file"]
        query = (
            f"select rank, item, score, source, reason from read_parquet(?) {where} "
            "order by rank limit ?"
        )
        try:
            if path.stat().st_size != part["bytes"]:
                raise DamagedVersion("it has another length")
            base = self._connection()
            rows: list[tuple[Any, ...]] = base.execute(
                query, [str(path), *values]
            ).fetchall()
            return rows
        except (OSError, DamagedVersion, duckdb.Error) as error:
            why = " ".join(str(error).split())[:100]
            raise DamagedVersion(
                f"{path.name} of version {self.version} is damaged ({why}): publish "
                "another version, or score again under another name"
            ) from None

    def frame(self) -> pd.DataFrame:
        """All lists: user, rank, item, score, source, reason, by user and rank."""
        return self.query("from lists")

    def query(self, sql: str) -> pd.DataFrame:
        """A question in SQL to the tables ``lists`` and ``fallback``, by DuckDB."""
        base = self._connection()
        tables = {"lists": self.files}
        if self.manifest["fallback"]:
            tables["fallback"] = [self.folder / "fallback.parquet"]
        for name, files in tables.items():
            paths = ", ".join(_quoted(p) for p in files)
            base.execute(
                f"create or replace temp view {name} as from read_parquet([{paths}])"
            )
        frame: pd.DataFrame = base.execute(sql).df()
        return frame

    def freshness(
        self,
        now: Any = None,
        *,
        limit_hours: float = 26.0,
        data_limit_hours: float = 50.0,
    ) -> dict[str, Any]:
        """Age in hours of the lists and of the newest interaction behind them.

        fresh: both within their limits (a nightly job that reads yesterday's data, and
        two hours), neither ahead of ``now`` by more than an hour, which would be a
        clock that is wrong. Data of unknown age do not count.
        """
        moment = pd.Timestamp(_moment(now))
        found: dict[str, Any] = {"version": self.version}
        fresh = True
        for name, key, limit in (
            ("age_hours", "created", limit_hours),
            ("data_age_hours", "data_until", data_limit_hours),
        ):
            then = self.manifest[key]
            age = None
            if then is not None:
                age = (moment - pd.Timestamp(then)).total_seconds() / 3600
                fresh = fresh and -1.0 <= age <= limit
            found |= {key: then, name: age}
        return {**found, "fresh": fresh}

    def _connection(self) -> Any:
        if self._base is None:
            self._base = _duckdb(os.getpid()).cursor()
        return self._base


def find_store(folder: str | os.PathLike[str]) -> BatchStore:
    """The store in a folder or in its folder ``lists``, where a track keeps it.

    Raises NoVersion when neither holds published lists.
    """
    for place in (Path(folder), Path(folder) / STORE):
        if (place / "current.json").exists():
            return BatchStore(place)
    raise NoVersion(
        f"{folder} holds no published lists: give the output folder of a finished run"
    )


# --- tables and files ----------------------------------------------------------------


def _ids(values: ArrayLike, what: str) -> NDArray[Any]:
    """Ids as int64 or as text; anything else is refused."""
    x = np.asarray(values).ravel()
    if not len(x):
        return x.astype(np.int64)
    if x.dtype.kind == "u" and x.max() > np.iinfo(np.int64).max:
        raise TypeError(f"{what}: whole numbers must fit 64 bits with a sign")
    if x.dtype.kind in "iu":
        return x.astype(np.int64)
    if x.dtype.kind == "U" or (
        x.dtype.kind == "O" and all(isinstance(v, str) for v in x)
    ):
        return x.astype(str)
    bad = next((v for v in x if not isinstance(v, str)), x[0])
    raise TypeError(
        f"{what}: ids must be all whole numbers or all text, without gaps; got {bad!r}"
    )


def _kind(ids: NDArray[Any]) -> str:
    return "text" if ids.dtype.kind == "U" else "numbers"


def _table(lists: Any, users: NDArray[Any]) -> pd.DataFrame:
    """Rows to write, after a look at what the scoring function promised."""
    items, scores = np.asarray(lists.items), np.asarray(lists.scores, dtype=np.float64)
    if items.ndim != 2 or items.shape != scores.shape or len(items) != len(users):
        raise ValueError(
            f"{len(users)} users were to be scored; got {items.shape} items and "
            f"{scores.shape} scores"
        )
    if not np.array_equal(np.asarray(lists.users), users):
        raise ValueError("the lists are not of the users asked for, in their order")
    keep = np.isfinite(scores)
    if np.isnan(scores).any() or (scores == np.inf).any():
        raise ValueError("scores must be numbers; -inf marks padding")
    if (keep[:, 1:] & ~keep[:, :-1]).any():
        raise ValueError("padding must stand at the end of a list")
    if (keep[:, 1:] & (scores[:, 1:] > scores[:, :-1])).any():
        raise ValueError("scores must descend in each list")
    B, k = items.shape
    row = np.broadcast_to(np.arange(B)[:, None], (B, k))[keep]
    kept = _ids(items[keep], "items")
    if not len(kept) and items.dtype.kind in "UO":
        kept = kept.astype(str)
    codes, _ = pd.factorize(kept)
    if pd.Series(row * (len(kept) + 1) + codes).duplicated().any():
        raise ValueError("an item stands twice in one list")
    rank = np.broadcast_to(np.arange(1, k + 1, dtype=np.int32), (B, k))[keep]
    text = [pd.Categorical(np.asarray(t)[keep]) for t in (lists.source, lists.reason)]
    columns = (_plain(users[row]), rank, _plain(kept), scores[keep], *text)
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))


def _fallback_table(items: NDArray[Any]) -> pd.DataFrame:
    rank = np.arange(1, len(items) + 1, dtype=np.int32)
    return pd.DataFrame(
        {
            "user": pd.Series([None] * len(items), dtype=object),
            "rank": rank,
            "item": _plain(items),
            "score": 1.0 / (RRF + rank),
            "source": FALLBACK,
            "reason": FALLBACK_REASON,
        }
    )


def _plain(ids: NDArray[Any]) -> NDArray[Any]:
    return ids.astype(object) if ids.dtype.kind == "U" else ids


def _write_parquet(table: pd.DataFrame, path: Path, order: str) -> None:
    """One Parquet file, whole or not at all; equal rows give equal bytes.

    One thread, rows in order, types by name, no time and no name in it: what remains is
    the version of DuckDB.
    """
    kinds = {"rank": "integer", "score": "double", "source": "varchar"}
    kinds |= {"reason": "varchar"}
    for name in ("user", "item"):
        text = table[name].dtype == object
        kinds[name] = "varchar" if text else "bigint"
    chosen = ", ".join(f'"{c}"::{kinds[c]} as "{c}"' for c in COLUMNS)
    draft = _draft_name(path)
    try:
        with _duckdb(os.getpid()).cursor() as base:
            base.register("rows", table)
            base.execute(
                f"copy (select {chosen} from rows order by {order}) to "
                f"{_quoted(draft)} (format parquet, compression zstd)"
            )
        _settle(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@lru_cache(maxsize=2)
def _duckdb(process: int) -> Any:
    """One database in memory for each process (it does not survive a fork).

    One thread: rows keep their order, and equal rows give equal files.
    """
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    draft = _draft_name(path)
    try:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        draft.write_text(text, encoding="utf-8")
        _settle(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _draft_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _settle(draft: Path, path: Path) -> None:
    """Content to the disc, then the name, then the folder that holds the name."""
    _flush(draft)
    os.replace(draft, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(path: Path, digest: str | None) -> dict[str, Any]:
    """A manifest that can be trusted; DamagedVersion otherwise."""
    name = path.parent.name
    try:
        raw = path.read_bytes()
        found: dict[str, Any] = json.loads(raw)
        schema = found["schema_version"]
        body = {k: v for k, v in found.items() if k not in ("created", "checksum")}
        text = json.dumps(body, sort_keys=True).encode()
        good = found["checksum"] == hashlib.sha256(text).hexdigest()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        good, schema = False, SCHEMA_VERSION
    if schema != SCHEMA_VERSION:
        raise DamagedVersion(
            f"version {name} has schema {schema}, this program reads {SCHEMA_VERSION}: "
            "score again"
        )
    if not good or (digest is not None and hashlib.sha256(raw).hexdigest() != digest):
        raise DamagedVersion(
            f"the manifest of version {name} is damaged: publish another version, or "
            "score again under another name"
        )
    return found


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(ids: NDArray[Any]) -> str:
    body = "\0".join(ids).encode() if ids.dtype.kind == "U" else ids.tobytes()
    return hashlib.sha256(_kind(ids).encode() + b"\0" + body).hexdigest()


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _moment(when: Any = None) -> str:
    """A moment in UTC, ISO 8601; now if none is given. No zone means UTC."""
    if when is None:
        return datetime.now(UTC).isoformat(timespec="seconds")
    try:
        t = pd.Timestamp(when)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{when!r} is not a moment: write it as ISO 8601") from error
    if t is pd.NaT:
        raise ValueError("a moment is missing")
    t = t.tz_localize("UTC") if t.tzinfo is None else t.tz_convert("UTC")
    return str(t.isoformat(timespec="seconds"))
