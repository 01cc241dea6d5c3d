"""The funnel contract: k valid items for every user, whatever breaks on the way.

Chapter 24. Retrievers propose candidates, order stages rank and re-rank them, and
``Funnel`` keeps four promises about what comes out: k items (or all there are), no item
twice, none blocked, none the user has seen. A stage that fails, is late or returns
nonsense costs quality, never an answer: the funnel goes on with what it has, fills up
from a fallback list, and tells which users got a degraded list.

Shapes: B users asked for, N items of the catalogue, C candidates, k places.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from streamrec.protocols import Recommendations

RRF = 60.0  # constant of reciprocal rank fusion, as its authors chose it
FALLBACK = "fallback"  # source of an item that no stage proposed
FALLBACK_REASON = "popular with everyone"
FAULTS = ("error", "slow", "empty", "not a number", "foreign items", "repeats")

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class ServedLists(Recommendations):
    """Ranked lists in which every item says where it came from and why.

    source, reason: (B, k) text; without meaning where ``valid`` is False.
    """

    source: NDArray[Any]
    reason: NDArray[Any]

    def frame(self) -> pd.DataFrame:
        """Long form: user, item, rank, score, source, reason; padding dropped."""
        keep = self.valid.ravel()
        more = {
            "source": self.source.ravel()[keep],
            "reason": self.reason.ravel()[keep],
        }
        return super().frame().assign(**more)


@dataclass(frozen=True)
class FunnelAnswer(ServedLists):
    """What the funnel serves.

    degraded: (B,) True where a stage failed the user or the fallback had to fill.
    short: (B,) True where fewer than k items could be served at all.
    notes: one sentence for each stage that failed in this call.
    """

    degraded: NDArray[np.bool_]
    short: NDArray[np.bool_]
    notes: tuple[str, ...] = ()


def served(lists: Recommendations, source: str, reason: str) -> ServedLists:
    """The same lists with one source and one reason; a ServedLists is left alone.

    >>> lists = Recommendations(np.array([1]), np.array([[7]]), np.array([[0.5]]))
    >>> served(lists, "als", "like what you watched").reason.tolist()
    [['like what you watched']]
    """
    if isinstance(lists, ServedLists):
        return lists
    shape = np.shape(lists.items)
    text = [np.full(shape, t, dtype=object) for t in (source, reason)]
    return ServedLists(lists.users, lists.items, lists.scores, *text)


# --- stages --------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One step of a funnel.

    kind "retrieve": ``run(users, size)`` returns candidates for each user. kind
    "order": ``run(users, candidates)`` gets a ServedLists and returns some of its items
    in a new order. Either returns a Recommendations for exactly these users. ``weight``
    is a retriever's weight in the merge; ``reason`` is shown with its items.
    """

    name: str
    run: Callable[[NDArray[Any], Any], Recommendations]
    kind: Literal["retrieve", "order"] = "retrieve"
    size: int = 200
    reason: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        if self.kind not in ("retrieve", "order"):
            raise ValueError(
                f"a stage retrieves or orders; {self.name} has {self.kind!r}"
            )
        if self.size < 1 or not self.weight > 0:
            raise ValueError(
                f"{self.name}: size must be at least 1 and weight positive"
            )
        if not self.name or "+" in self.name or self.name == FALLBACK:
            raise ValueError(f"a stage cannot be called {self.name!r}: choose a word")


def retriever(
    name: str, model: Any, *, size: int = 200, reason: str = "", weight: float = 1.0
) -> Stage:
    """A retrieving stage from anything with ``retrieve`` or ``recommend``."""
    run = getattr(model, "retrieve", None) or model.recommend
    return Stage(name, lambda users, n: run(users, n), "retrieve", size, reason, weight)


def orderer(name: str, run: Callable[[NDArray[Any], Any], Recommendations]) -> Stage:
    """An ordering stage from a function (users, candidates) -> Recommendations."""
    return Stage(name, run, "order")


def inject(
    stage: Stage,
    fault: str,
    *,
    share: float = 1.0,
    seconds: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Stage:
    """The stage with a fault of ``FAULTS`` in this share of its calls.

    error: raises. slow: sleeps for ``seconds`` first. empty: nothing but padding. not
    a number: scores NaN. foreign items: ids outside any catalogue. repeats: one item in
    every place.

    >>> inject(Stage("als", lambda users, n: None), "missing")
    Traceback (most recent call last):
    ...
    ValueError: no fault 'missing'; there are: error, slow, empty, not a number, ...
    """
    if fault not in FAULTS:
        raise ValueError(f"no fault {fault!r}; there are: {', '.join(FAULTS)}")
    if share < 1 and rng is None:
        raise ValueError("a share of the calls is drawn at random: give rng")

    def run(users: NDArray[Any], what: Any) -> Recommendations:
        if rng is not None and rng.random() >= share:
            return stage.run(users, what)
        if fault == "error":
            raise ConnectionError("the service cannot be reached")
        if fault == "slow":
            time.sleep(seconds)
        good = stage.run(users, what)
        items, scores = np.array(good.items), np.array(good.scores, dtype=float)
        if fault in ("empty", "not a number"):
            scores[:] = -np.inf if fault == "empty" else np.nan
        if fault == "foreign items":
            text = items.dtype.kind in "UO"
            items = np.char.add("?", items.astype(str)) if text else items + 10**12
        if fault == "repeats":
            items[:] = items[:, :1]
        return Recommendations(good.users, items, scores)

    return replace(stage, run=run)


# --- merging -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pool:
    """Lists by row numbers of the catalogue: code (B, C) is -1 where there is none."""

    code: Rows
    score: NDArray[np.float64]
    source: NDArray[Any]
    reason: NDArray[Any]

    @property
    def count(self) -> Rows:
        return np.asarray((self.code >= 0).sum(axis=1))

    def take(self, keep: NDArray[np.bool_], k: int | None = None) -> _Pool:
        """Only the kept places, moved to the left; at most k of each row."""
        keep = keep & (self.code >= 0)
        order = np.argsort(~keep, axis=1, kind="stable")
        most = int(keep.sum(axis=1).max(initial=0))
        order = order[:, : most if k is None else min(most, k)]
        parts = [np.take_along_axis(a, order, 1) for a in vars(self).values()]
        gone = ~np.take_along_axis(keep, order, 1)
        parts[0][gone], parts[1][gone] = -1, -np.inf
        return _Pool(*parts)


def _nothing(B: int) -> _Pool:
    text = np.empty((B, 0), dtype=object)
    return _Pool(np.empty((B, 0), dtype=np.intp), np.empty((B, 0)), text, text)


def _starts(sorted_keys: NDArray[Any]) -> Rows:
    """Where each run of equal keys begins."""
    return np.flatnonzero(np.r_[True, sorted_keys[1:] != sorted_keys[:-1]])


def _fuse(pools: Sequence[tuple[str, float, _Pool]], N: int) -> _Pool:
    """Reciprocal rank fusion of several pools; ties to the earlier pool and rank."""
    B = len(pools[0][2].code)
    parts = []
    for s, (_, weight, pool) in enumerate(pools):
        row, place = np.nonzero(pool.code >= 0)  # a row's places ascend
        gain = weight / (RRF + 1.0 + place)
        source = np.full(len(row), s)
        key = row * N + pool.code[row, place]
        parts.append((key, gain, source, place, pool.reason[row, place]))
    key, gain, source, place, reason = (
        np.concatenate(x) for x in zip(*parts, strict=True)
    )
    if not len(key):
        return _nothing(B)
    order = np.lexsort((source, -gain, key))  # the source that gave most comes first
    first = _starts(key[order])
    total = np.add.reduceat(gain[order], first)
    bits = np.bitwise_or.reduceat(np.left_shift(1, source[order]), first)
    lead = order[first]
    row, code = np.divmod(key[lead], N)
    best = np.lexsort((place[lead], source[lead], -total, row))
    begin = _starts(row[best])
    size = np.diff(np.r_[begin, len(best)])
    at = np.arange(len(best)) - np.repeat(begin, size)
    shape, where = (B, int(size.max())), (row[best], at)
    kinds = np.unique(bits)
    names = np.array([_names(pools, b) for b in kinds], dtype=object)
    out = _Pool(
        np.full(shape, -1, dtype=np.intp),
        np.full(shape, -np.inf),
        np.full(shape, "", dtype=object),
        np.full(shape, "", dtype=object),
    )
    out.code[where], out.score[where] = code[best], total[best]
    out.source[where] = names[np.searchsorted(kinds, bits[best])]
    out.reason[where] = reason[lead][best]
    return out


def _names(pools: Sequence[tuple[str, float, _Pool]], bits: int) -> str:
    return "+".join(name for s, (name, _, _) in enumerate(pools) if bits >> s & 1)


def merge(
    lists: Mapping[str, Recommendations],
    k: int,
    *,
    weights: Mapping[str, float] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> ServedLists:
    """One list for each user out of several retrievers' lists.

    Score of an item = sum over the retrievers s that propose it of
    w_s / (60 + rank_s): reciprocal rank fusion (Cormack, Clarke and Buettcher, 2009),
    which needs no common scale of scores. ``source`` names all of them ("als+ease");
    ``reason`` is that of the retriever which gave most. Equal scores: the retriever
    named first, then its rank. An item twice in one list counts where it stands first.

    Raises ValueError when the lists are not for the same users, or k < 1.

    >>> one = Recommendations(np.array([1]), np.array([[7, 8]]), np.array([[2.0, 1.0]]))
    >>> two = Recommendations(np.array([1]), np.array([[8, 9]]), np.array([[5.0, 4.0]]))
    >>> both = merge({"als": one, "ease": two}, 2)
    >>> both.items.tolist(), both.source.tolist()
    ([[8, 7]], [['als+ease', 'als']])
    """
    if k < 1 or not lists:
        raise ValueError("merge at least one list into at least one place")
    users = np.asarray(next(iter(lists.values())).users)
    ids = np.concatenate([np.asarray(x.items).ravel() for x in lists.values()])
    catalogue = pd.Index(pd.unique(ids))
    pools = []
    for name, one in lists.items():
        text = (reasons or {}).get(name, "")
        pool, _ = _read(served(one, name, text), users, catalogue, name)
        pools.append((name, (weights or {}).get(name, 1.0), pool))
    pool = _fuse(pools, max(1, len(catalogue)))
    return _write(pool.take(pool.code >= 0, k), users, catalogue.to_numpy(), k)


def _read(
    lists: ServedLists, users: NDArray[Any], catalogue: pd.Index, name: str
) -> tuple[_Pool, NDArray[np.bool_]]:
    """What a stage returned as a pool, and the rows in which something was wrong.

    Dropped, and so wrong: unknown items, repeats, scores that are not finite. Padding
    (-inf) is no fault. Raises ValueError when the shape or the users are not as asked.
    """
    items, scores = np.asarray(lists.items), np.asarray(lists.scores, dtype=np.float64)
    B = len(users)
    if items.ndim != 2 or items.shape != scores.shape or len(items) != B:
        raise ValueError(f"{name} returned {items.shape} items and {scores.shape} "
                         f"scores for {B} users")  # fmt: skip
    if not np.array_equal(np.asarray(lists.users), users):
        raise ValueError(f"{name} answered for other users than those asked for")
    code = np.asarray(catalogue.get_indexer(pd.Index(items.ravel())), dtype=np.intp)
    code = code.reshape(items.shape)
    filled = scores != -np.inf
    good = filled & np.isfinite(scores) & (code >= 0)
    order = np.argsort(-np.where(good, scores, -np.inf), axis=1, kind="stable")
    arrays = (code, scores, np.asarray(lists.source), np.asarray(lists.reason), good)
    *parts, good = (np.take_along_axis(a, order, 1) for a in arrays)
    row = np.arange(B)[:, None] * max(1, len(catalogue))
    again = pd.Series((row + parts[0])[good]).duplicated().to_numpy()
    good[good] = ~again
    broken = good.sum(axis=1) < filled.sum(axis=1)
    return _Pool(*parts).take(good), broken


def _write(pool: _Pool, users: NDArray[Any], ids: NDArray[Any], k: int) -> ServedLists:
    """A pool with external ids, padded to k places."""
    B, c = pool.code.shape
    pad = ((0, 0), (0, max(0, k - c)))
    code = np.pad(np.maximum(pool.code, 0), pad)[:, :k]
    items = ids[code] if len(ids) else np.zeros((B, k), dtype=np.int64)
    score = np.pad(pool.score, pad, constant_values=-np.inf)[:, :k]
    text = [
        np.pad(t, pad, constant_values="")[:, :k] for t in (pool.source, pool.reason)
    ]
    return ServedLists(users, items, score, *text)


# --- the funnel ----------------------------------------------------------------------


@dataclass
class _Health:
    failures: int = 0
    rests_until: float = -np.inf


@dataclass(eq=False)
class Funnel:
    """Stages in order, and the promises about what comes out of them.

    stages: retrievers (all asked at once, merged by :func:`merge`) and order stages
    (one after the other). fallback: (N,) every item that may be served, best first for
    a user we know nothing of: it is the catalogue, and what fills up short lists.
    blocked: item ids never served. seen: what each user has seen, a mapping from user
    to item ids or an Interactions. k: places.

    deadline_seconds: for one call of ``serve``, whatever the number of users; what is
    left is shared equally among the steps to come, so a stage that hangs leaves time
    to the others. None waits for ever and starts no threads (batch jobs). Filling up
    comes on top: tens of microseconds a user.

    A stage that failed ``failures`` times in a row rests for ``rest_seconds`` (a
    circuit breaker): nobody waits for it, and a hanging stage cannot pile up threads.
    """

    stages: Sequence[Stage]
    fallback: ArrayLike
    blocked: ArrayLike = ()
    seen: Any = None
    deadline_seconds: float | None = None
    k: int = 10
    failures: int = 3
    rest_seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        """Check the settings; number the catalogue."""
        names = [s.name for s in self.stages]
        if len(set(names)) < len(names):
            raise ValueError(f"two stages have one name: {', '.join(names)}")
        if self.k < 1:
            raise ValueError(f"k must be at least 1; got {self.k}")
        if self.deadline_seconds is not None and not self.deadline_seconds > 0:
            raise ValueError("deadline_seconds must be positive, or None to wait")
        self._ids = np.asarray(self.fallback)
        self._index = pd.Index(self._ids)
        if self._ids.ndim != 1 or not len(self._ids) or not self._index.is_unique:
            raise ValueError("fallback must hold each item of the catalogue once")
        self._blocked = np.zeros(len(self._ids), dtype=bool)
        hits = self._codes(np.asarray(self.blocked), "blocked")
        self._blocked[hits[hits >= 0]] = True
        self._open = np.flatnonzero(~self._blocked)  # fallback order
        self._seen, self._kind = self._histories(self.seen)
        self._health = {name: _Health() for name in names}
        self._lock = threading.Lock()

    def serve(self, users: ArrayLike, k: int | None = None) -> FunnelAnswer:
        """A list of k places for each user. Never raises because a stage failed.

        Raises TypeError for users of another kind of id than in ``seen``, ValueError
        for k < 1.
        """
        users = np.atleast_1d(np.asarray(users))
        k = self.k if k is None else k
        if k < 1:
            raise ValueError(f"k must be at least 1; got {k}")
        if len(users) and self._kind and _kind(users) != self._kind:
            raise TypeError(f"the ids of users are {self._kind}, those asked for are "
                            f"{_kind(users)}")  # fmt: skip
        begin, B = self.clock(), len(users)
        histories = [self._seen.get(u, _NONE) for u in users.tolist()]
        hidden = self._keys(histories)
        broken, notes = np.zeros(B, dtype=bool), list[str]()
        pool = self._retrieve(users, hidden, begin, broken, notes)
        orders = [s for s in self.stages if s.kind == "order"]
        for n, stage in enumerate(orders):
            pool = self._reorder(
                stage, pool, users, k, begin, len(orders) - n, broken, notes
            )
        pool = pool.take(pool.code >= 0, k)
        broken |= pool.count < np.minimum(k, self._available(histories))
        pool = self._fill(pool, histories, k)
        lists = _write(pool, users, self._ids, k)
        out = FunnelAnswer(
            lists.users,
            lists.items,
            lists.scores,
            lists.source,
            lists.reason,
            degraded=broken,
            short=pool.count < k,
            notes=tuple(notes),
        )
        with self._lock:
            self.counts["users"] += B
            self.counts["degraded"] += int(out.degraded.sum())
            self.counts["short"] += int(out.short.sum())
        return out

    def report(self) -> dict[str, Any]:
        """Users served so far, shares degraded and short, failures of each stage."""
        n = max(1, self.counts["users"])
        return {
            "users": self.counts["users"],
            "degraded_share": self.counts["degraded"] / n,
            "short_share": self.counts["short"] / n,
            "failures": {s.name: self.counts[f"failed {s.name}"] for s in self.stages},
        }

    # Steps of ``serve``.

    def _retrieve(
        self,
        users: NDArray[Any],
        hidden: NDArray[Any],
        begin: float,
        broken: NDArray[np.bool_],
        notes: list[str],
    ) -> _Pool:
        stages = [s for s in self.stages if s.kind == "retrieve"]
        steps = 1 + len(self.stages) - len(stages)
        jobs = [(s, lambda s=s: s.run(users, s.size)) for s in stages]
        found = self._call(jobs, users, begin, steps, broken, notes)
        pools = [(s.name, s.weight, p) for s in stages if (p := found.get(s.name))]
        if not pools:
            return _nothing(len(users))
        pool = _fuse(pools, len(self._ids))
        key = np.arange(len(users))[:, None] * len(self._ids) + pool.code
        return pool.take(~self._blocked[pool.code] & ~_locate(key, hidden)[1])

    def _reorder(
        self,
        stage: Stage,
        pool: _Pool,
        users: NDArray[Any],
        k: int,
        begin: float,
        steps: int,
        broken: NDArray[np.bool_],
        notes: list[str],
    ) -> _Pool:
        """The pool in the stage's order; the old order where it failed a user."""
        if not pool.code.size:
            return pool
        lists = _write(pool, users, self._ids, pool.code.shape[1])
        jobs = [(stage, lambda: stage.run(users, lists))]
        new = self._call(jobs, users, begin, steps, broken, notes).get(stage.name)
        if new is None:
            return pool
        old, key = (self._spread(p.code) for p in (pool, new))
        order = np.argsort(old, axis=None, kind="stable")
        at, known = _locate(key, old.ravel()[order])
        known &= key >= 0
        broken |= (~known & (key >= 0)).any(axis=1)
        # Source and reason stay those of the retrievers.
        text = [a.ravel()[order[at]] for a in (pool.source, pool.reason)]
        new = replace(new, source=text[0], reason=text[1]).take(known)
        enough = new.count >= np.minimum(k, pool.count)
        broken |= ~enough
        if enough.all():
            return new
        used = _locate(old, np.sort(self._spread(new.code), axis=None))[1]
        spare = pool.take(~used & ~enough[:, None])
        return _append(new, spare)

    def _fill(self, pool: _Pool, histories: list[Rows], k: int) -> _Pool:
        """Short rows filled up with the best items of the fallback list."""
        need = k - pool.count
        rows = np.flatnonzero(need > 0)
        if not len(rows):
            return pool
        code = np.full((len(pool.code), int(need.max())), -1, dtype=np.intp)
        for b in rows:
            taken = np.r_[histories[b], pool.code[b]]
            some = self._open[: need[b] + len(taken)]
            some = some[~np.isin(some, taken)][: need[b]]
            code[b, : len(some)] = some
        score = np.where(code >= 0, 0.0, -np.inf)
        text = [np.full(code.shape, t, object) for t in (FALLBACK, FALLBACK_REASON)]
        return _append(pool, _Pool(code, score, *text))

    def _call(
        self,
        jobs: Sequence[tuple[Stage, Callable[[], Recommendations]]],
        users: NDArray[Any],
        begin: float,
        steps: int,
        broken: NDArray[np.bool_],
        notes: list[str],
    ) -> dict[str, _Pool]:
        """What the stages returned by their names; failures noted and left out."""
        seconds = None
        if self.deadline_seconds is not None:
            left = self.deadline_seconds - (self.clock() - begin)
            seconds = max(0.0, left) / steps
        ready = []
        for stage, job in jobs:
            if self.clock() < self._health[stage.name].rests_until:
                notes.append(f"{stage.name}: rests after {self.failures} failures")
            elif seconds == 0.0:
                notes.append(f"{stage.name}: no time was left for it")
            else:
                ready.append((stage, job))
        broken |= len(ready) < len(jobs)
        out = {}
        results = _run([job for _, job in ready], seconds)
        for (stage, _), got in zip(ready, results, strict=True):
            try:
                if isinstance(got, Exception):
                    raise got
                pool, wrong = _read(
                    served(got, stage.name, stage.reason),
                    users,
                    self._index,
                    stage.name,
                )
            except Exception as error:
                why = " ".join(str(error).split()) or type(error).__name__
                notes.append(f"{stage.name}: {why}")
                broken |= True
                self._failed(stage.name)
                continue
            if wrong.any():
                notes.append(f"{stage.name}: invalid items for {wrong.sum()} users")
                broken |= wrong
            # Nonsense for everybody is a failure of the stage, not of one user.
            if len(users) and wrong.all() and not pool.code.size:
                self._failed(stage.name)
            else:
                self._health[stage.name].failures = 0
            out[stage.name] = pool
        return out

    def _failed(self, name: str) -> None:
        with self._lock:
            self.counts[f"failed {name}"] += 1
            health = self._health[name]
            health.failures += 1
            if health.failures >= self.failures:
                # After the rest one trial: a single further failure sends it back.
                health.rests_until = self.clock() + self.rest_seconds

    # Numbers instead of ids.

    def _codes(self, items: NDArray[Any], what: str) -> Rows:
        if len(items) and _kind(items) != _kind(self._ids):
            raise TypeError(f"{what} holds {_kind(items)}, the fallback list "
                            f"{_kind(self._ids)}: use one kind of id")  # fmt: skip
        return np.asarray(self._index.get_indexer(pd.Index(items)), dtype=np.intp)

    def _histories(self, seen: Any) -> tuple[dict[Any, Rows], str]:
        if seen is None or (isinstance(seen, Mapping) and not seen):
            return {}, ""
        if isinstance(seen, Mapping):
            users = np.asarray(list(seen))
            parts = [np.asarray(x).ravel() for x in seen.values()]
            sizes = [len(p) for p in parts]
            items = np.concatenate([p for p in parts if len(p)] or [self._ids[:0]])
            codes = self._codes(items, "seen")
        else:
            users, R = np.asarray(seen.users), seen.matrix.tocsr()
            sizes = np.diff(R.indptr)
            codes = self._codes(np.asarray(seen.items), "seen")[R.indices]
        split = np.split(codes, np.cumsum(sizes)[:-1])
        known = [np.unique(c[c >= 0]) for c in split]
        return dict(zip(users.tolist(), known, strict=True)), _kind(users)

    def _keys(self, histories: list[Rows]) -> NDArray[Any]:
        sizes = [len(h) for h in histories]
        row = np.repeat(np.arange(len(histories)), sizes)
        return np.sort(row * len(self._ids) + np.concatenate([*histories, _NONE]))

    def _spread(self, code: Rows) -> NDArray[Any]:
        """One number for each (row, item); places without an item share -1."""
        row = np.arange(len(code))[:, None] * len(self._ids)
        return np.where(code >= 0, row + code, -1)

    def _available(self, histories: list[Rows]) -> Rows:
        """(B,) items that may be served to each user at all."""
        hidden = [int((~self._blocked[h]).sum()) for h in histories]
        return len(self._open) - np.array(hidden, dtype=np.intp)


_NONE: Rows = np.empty(0, dtype=np.intp)


def _locate(
    key: NDArray[Any], ascending: NDArray[Any]
) -> tuple[Rows, NDArray[np.bool_]]:
    """Where each key stands in an ascending array, and whether it does."""
    if not len(ascending):
        return np.zeros(key.shape, dtype=np.intp), np.zeros(key.shape, dtype=bool)
    at = np.minimum(np.searchsorted(ascending, key), len(ascending) - 1)
    return at, ascending[at] == key


def _kind(ids: NDArray[Any]) -> str:
    return "numbers" if ids.dtype.kind in "iuf" else "text"


def _append(pool: _Pool, more: _Pool) -> _Pool:
    """``more`` after the pool, its scores moved below so that they descend."""
    low = np.where(pool.code >= 0, pool.score, np.inf).min(axis=1, initial=np.inf)
    low = np.where(np.isfinite(low), low, 0.0)
    step = np.arange(1, more.code.shape[1] + 1)
    more = replace(more, score=np.where(more.code >= 0, low[:, None] - step, -np.inf))
    pairs = zip(vars(pool).values(), vars(more).values(), strict=True)
    both = _Pool(*(np.concatenate(p, axis=1) for p in pairs))
    return both.take(both.code >= 0)


def _run(jobs: Sequence[Callable[[], Any]], seconds: float | None) -> list[Any]:
    """Result or exception of each job; all at once in threads when time is limited.

    A thread that is late cannot be stopped; it is left behind as a daemon and what it
    returns is not looked at.
    """

    def safe(job: Callable[[], Any]) -> Any:
        try:
            return job()
        except Exception as error:
            return error

    if seconds is None:
        return [safe(job) for job in jobs]
    results: list[Any] = [TimeoutError(f"no answer in {seconds:.3g} s")] * len(jobs)
    threads = []
    until = time.monotonic() + seconds
    for n, job in enumerate(jobs):

        def work(n: int = n, job: Callable[[], Any] = job) -> None:
            results[n] = safe(job)

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return list(results)
