"""Vector search: the k items whose vectors score highest against a query.

Three indexes behind one interface. ``ExactIndex`` scores everything; ``IVFIndex``
scores the cells of a partition that lie nearest to the query; ``HNSWIndex`` walks a
graph of neighbours. The last two may miss items: :func:`recall` measures how many.
Cost models, the reduction of inner products to distances and the measurements behind
:func:`choose_index` are derived in Chapter 5; measured figures are in
``benchmarks/results/search.json``.

>>> import numpy as np
>>> items = np.random.default_rng(0).normal(size=(500, 16))
>>> index = ExactIndex("cosine").build(items)
>>> index.search(items[:2], k=1).ids.ravel().tolist()
[0, 1]

Shapes: N items, D dimensions, B queries, k places, C cells; vectors are float32. HNSW
and the compiled engine of IVF need FAISS: ``pip install "streamrec[search]"``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrec.models.base import (
    MatrixRecommender,
    NotFittedError,
    _write_npz,
    top_k,
)
from streamrec.protocols import Recommendations

if TYPE_CHECKING:
    from types import ModuleType

Metric = Literal["inner_product", "cosine"]
FORMAT = 1  # raised when a saved file's layout changes
CHUNK_SCORES = 4_000_000  # scores held at once: 16 MB of float32
EXACT_UP_TO = 20_000  # measured: below it, exact search on one core is fast enough
POINTS_A_CELL = 64  # points from which k-means learns, a cell


@dataclass(frozen=True)
class Found:
    """Answers of a search.

    ids (B, k) external ids, best first; scores (B, k) float64, descending, in the
    index's metric. An approximate index may find fewer than k: the places left over
    have score -inf and ``valid`` False; their ids carry no meaning. ``work`` is the
    mean number of inner products a query cost.
    """

    ids: NDArray[Any]
    scores: NDArray[np.float64]
    work: float

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(B, k) True where the place holds an item."""
        return np.isfinite(self.scores)


def recall(found: Found, truth: Found) -> NDArray[np.float64]:
    """Share of each query's true items that were found, (B,), order ignored.

    recall = |found & truth| / |truth|, with ``truth`` the answer of an exact search.
    NaN where the truth is empty. Raises ValueError when the two differ in queries.

    >>> ids, scores = np.array([[3, 1, 2]]), np.array([[3.0, 2.0, 1.0]])
    >>> truth = Found(ids, scores, 9.0)
    >>> recall(Found(np.array([[3, 2, 7]]), scores, 4.0), truth).round(3).tolist()
    [0.667]
    """
    if len(found.ids) != len(truth.ids):
        raise ValueError(
            f"{len(found.ids)} answers cannot be compared with {len(truth.ids)}: "
            "search both indexes with the same queries"
        )
    out = np.full(len(truth.ids), np.nan)
    for b in range(len(truth.ids)):
        true = truth.ids[b][truth.valid[b]]
        if len(true):
            out[b] = np.isin(true, found.ids[b][found.valid[b]]).mean()
    return out


# --------------------------------------------------------------- what Chapter 5 derives


# derivation: eq-cx-lift
def lift(items: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """Items on a unit sphere of one more dimension: inner products become cosines.

    x -> (x / R, sqrt(1 - |x|^2 / R^2)) with R the largest length; a query q becomes
    (q / |q|, 0), and <q, x> = R |q| cos. items (N, D) -> points (N, D + 1), R.
    Source: Neyshabur and Srebro (2015); equation eq-cx-lift.

    >>> points, R = lift([[3.0, 4.0], [0.0, 1.0]])
    >>> R, np.linalg.norm(points, axis=1).round(6).tolist()
    (5.0, [1.0, 1.0])
    """
    X = np.asarray(items, dtype=np.float64)
    squares = (X * X).sum(axis=1)  # (N,)
    R = float(np.sqrt(squares.max()))
    rest = np.sqrt(np.maximum(0.0, 1.0 - squares / R**2))
    return np.column_stack([X / R, rest]), R


# derivation: eq-cx-imbalance
def imbalance(sizes: ArrayLike) -> float:
    """How unevenly a partition is filled: C sum n_c^2 / N^2, 1 when even, at most C.

    >>> imbalance([5, 5]), imbalance([9, 1])
    (1.0, 1.64)
    """
    n = np.asarray(sizes, dtype=np.float64)
    return float(len(n) * (n**2).sum() / n.sum() ** 2)


# derivation: eq-cx-ivf
def ivf_work(n: float, cells: float, probes: float, uneven: float = 1.0) -> float:
    """Inner products of one query: C centroids, then P cells of about N u / C items.

    Equation eq-cx-ivf; ``uneven`` is :func:`imbalance`.

    >>> ivf_work(200_000, 1_000, 10)
    3000.0
    """
    return cells + probes * n * uneven / cells


# derivation: eq-cx-ivfbest
def ivf_cells(n: int, probes: int, uneven: float = 1.0) -> int:
    """The number of cells with the least work at this many probes: sqrt(P N u).

    >>> ivf_cells(200_000, 16)
    1789
    """
    return max(1, min(n, round(float(np.sqrt(probes * n * uneven)))))


# derivation: eq-cx-hnswmemory
def hnsw_bytes(n: int, dimensions: int, links: int) -> float:
    """Bytes of an HNSW graph with its vectors, four bytes a number and a link.

    A vector costs D numbers, 2M links at the bottom and on average M / (M - 1) above.

    >>> round(hnsw_bytes(200_000, 128, 32) / 1e6)
    154
    """
    upper = links / (links - 1)
    return n * 4.0 * (dimensions + 2 * links + upper)


# derivation: eq-cx-lloyd
def lloyd(
    points: ArrayLike, cells: int, seed: int = 0, iterations: int = 10
) -> NDArray[np.float32]:
    """Centroids (C, D) of k-means by Lloyd's two half-steps, from a random start.

    Assign each point to its nearest centroid, then move each centroid to the mean of
    its points; neither can raise the sum of squared distances. A cell left empty takes
    over a random point. Raises ValueError unless 1 <= cells <= N.

    >>> print(lloyd([[0.0], [0.5], [9.0], [9.5]], 2, seed=1).ravel())
    [0.25 9.25]
    """
    X = np.asarray(points, dtype=np.float32)
    if not 1 <= cells <= len(X):
        raise ValueError(
            f"cells must be between 1 and the {len(X)} points; got {cells}"
        )
    rng = np.random.default_rng(seed)
    centroids = np.sort(rng.choice(len(X), cells, replace=False))
    M = X[centroids]
    for _ in range(iterations):
        cell = nearest(X, M)
        counts = np.bincount(cell, minlength=cells)
        order = np.argsort(cell, kind="stable")
        used = np.flatnonzero(counts)
        starts = (counts.cumsum() - counts)[used]
        M = X[rng.integers(len(X), size=cells)]  # for cells left empty
        M[used] = np.add.reduceat(X[order], starts) / counts[used, None]
    return M


# derivation: eq-cx-nearest
def nearest(points: NDArray[Any], centroids: NDArray[Any]) -> NDArray[np.intp]:
    """Row of the nearest centroid of each point, (N,): argmin |m|^2 - 2 <x, m>.

    >>> nearest(np.array([[0.1], [2.2]]), np.array([[0.0], [2.0]])).tolist()
    [0, 1]
    """
    squares = (centroids * centroids).sum(axis=1)
    step = max(1, CHUNK_SCORES // len(centroids))
    parts = [
        np.argmin(squares - 2 * points[i : i + step] @ centroids.T, axis=1)
        for i in range(0, len(points), step)
    ]
    return np.concatenate(parts)


# ----------------------------------------------------------------------- the interface


def _faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            'this index needs FAISS: run  pip install "streamrec[search]"  or use '
            "ExactIndex"
        ) from error
    module: ModuleType = faiss
    return module


def _matrix(vectors: ArrayLike, what: str) -> NDArray[np.float32]:
    """(n, D) finite float32, or one clear sentence."""
    try:
        X = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what} must be numbers in rows of equal length") from error
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(f"{what} must be a table, one vector a row; got {X.shape}")
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise ValueError(f"row {bad[0]} of the {what} is not finite; drop or mend it")
    return np.ascontiguousarray(X)


@dataclass(eq=False)
class VectorIndex:
    """What the three indexes share; build one of them, not this.

    ``metric`` is "inner_product" (a recommender's score) or "cosine". Settings are
    checked at construction; ``build`` learns, and what it learns ends in an underscore:
    ids_ (N,), vectors_ (N, D) as searched, alive_ (N,).
    """

    metric: Metric = "inner_product"

    ids_ = None

    def __post_init__(self) -> None:
        if self.metric not in ("inner_product", "cosine"):
            raise ValueError(
                f"unknown metric {self.metric!r}: use inner_product or cosine"
            )

    # What an index adds.

    def _build(self, points: NDArray[np.float32]) -> None:
        """Prepare the search among points (N, D')."""
        raise NotImplementedError

    def _search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        """Rows (B, k), -1 where none was found; their scores; the mean work."""
        raise NotImplementedError

    # What every index has.

    def build(self, vectors: ArrayLike, ids: ArrayLike | None = None) -> Self:
        """Index vectors (N, D) under external ids (N,), by default 0 .. N-1.

        Raises ValueError for no vectors, values that are not finite, ids that repeat
        or do not fit, and under "cosine" for a vector of length zero.
        """
        X = _matrix(vectors, "vectors")
        if len(X) == 0:
            raise ValueError("there are no vectors to index")
        names = np.arange(len(X)) if ids is None else np.asarray(ids)
        if names.shape != (len(X),):
            raise ValueError(f"{len(X)} vectors need as many ids; got {names.shape}")
        if len(np.unique(names)) < len(names):
            raise ValueError("an id occurs twice; ids must be unique")
        self.ids_ = None  # a build that fails leaves an empty index, not a mixed one
        self.dimensions_ = X.shape[1]
        self.vectors_ = self._points(X)
        self._build(self.vectors_)
        self.ids_, self.alive_ = names, np.ones(len(X), dtype=bool)
        return self

    def search(self, queries: ArrayLike, k: int = 10) -> Found:
        """The k best items of each query, queries (B, D) or one query (D,).

        Raises ValueError when nothing is built, dimensions differ, a value is not
        finite, or k is not between 1 and the number of items.
        """
        self._check_built()
        q = np.asarray(queries)
        Q = _matrix(q[None] if q.ndim == 1 else q, "queries")
        if Q.shape[1] != self.dimensions_:
            raise ValueError(
                f"queries have {Q.shape[1]} dimensions, the index {self.dimensions_}"
            )
        if not 1 <= k <= len(self):
            raise ValueError(f"k must be between 1 and the {len(self)} items; got {k}")
        prepared, scale = self._queries(Q)
        rows, scores, work = self._search(prepared, int(k))
        scores = np.where(rows >= 0, scores * scale, -np.inf)
        assert self.ids_ is not None
        return Found(self.ids_[rows], scores, work)

    def remove(self, ids: ArrayLike) -> int:
        """Never return these items again; the number that were there.

        A tombstone: the memory is freed by the next ``build``. Unknown ids are ignored.
        """
        self._check_built()
        asked = np.atleast_1d(np.asarray(ids))
        gone = np.isin(self.ids_, asked) & self.alive_  # type: ignore[arg-type]
        self.alive_ = self.alive_ & ~gone
        return int(gone.sum())

    def __len__(self) -> int:
        """Items that can be found."""
        return 0 if self.ids_ is None else int(self.alive_.sum())

    @property
    def memory_bytes(self) -> int:
        """Bytes that a search needs: vectors and what the index adds to them.

        Ids are not counted, nor the vectors as given, which IVF and HNSW keep beside
        (``vectors_``).
        """
        self._check_built()
        return int(self.vectors_.nbytes)

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one .npz without pickle, replacing the file only when complete."""
        self._check_built()
        path = Path(path)
        head = {"format": FORMAT, "kind": type(self).__name__, "set": self.settings}
        arrays = {"ids": np.asarray(self.ids_), "alive": self.alive_, **self._state()}
        return _write_npz(path, {"head": np.array(json.dumps(head)), **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote. Raises ValueError for any other file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
            head = json.loads(str(state.pop("head")))
            ids, alive = state.pop("ids"), state.pop("alive")
            known = head["format"] == FORMAT and head["kind"] == cls.__name__
        except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise ValueError(f"{path} is not an index saved by streamrec") from error
        if not known:
            raise ValueError(f"{path} holds a {head['kind']}, not a {cls.__name__}")
        index = cls(**head["set"])
        index.ids_, index.alive_ = ids, alive
        index._restore(state)
        return index

    def _state(self) -> dict[str, Any]:
        return {"vectors": self.vectors_, "scale": np.array(self._scale())}

    def _restore(self, state: dict[str, Any]) -> None:
        self.vectors_ = state["vectors"]
        self.R_, self.dimensions_ = float(state["scale"][0]), int(state["scale"][1])
        self._build(self.vectors_)

    def _scale(self) -> tuple[float, int]:
        return getattr(self, "R_", 1.0), self.dimensions_

    def _check_built(self) -> None:
        if self.ids_ is None:
            raise NotFittedError(f"{type(self).__name__} is empty: call build first")

    def _points(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Items as they are searched: unit vectors, lifted ones for inner products."""
        if self.metric == "cosine":
            return _unit(X, "vectors")
        if not X.any():
            raise ValueError("all vectors are zero: there is no order to find")
        points, self.R_ = lift(X)
        return points.astype(np.float32)

    def _queries(
        self, Q: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Queries as they are searched (B, D'), and what scores are multiplied by."""
        if self.metric == "cosine":
            return _unit(Q, "queries"), np.ones((len(Q), 1))
        length = np.linalg.norm(Q.astype(np.float64), axis=1, keepdims=True)
        unit = Q / np.where(length > 0, length, 1.0)
        lifted = np.column_stack([unit, np.zeros(len(Q))]).astype(np.float32)
        return lifted, self.R_ * length


def _unit(X: NDArray[np.float32], what: str) -> NDArray[np.float32]:
    length = np.linalg.norm(X.astype(np.float64), axis=1, keepdims=True)
    zero = np.flatnonzero(length == 0)
    if len(zero):
        raise ValueError(
            f"row {zero[0]} of the {what} has length zero: it has no direction, so no "
            "cosine; drop it or use inner_product"
        )
    return np.asarray(X / length, dtype=np.float32)


@dataclass(eq=False)
class ExactIndex(VectorIndex):
    """Scores every item: one matrix product a block of queries, then the k largest.

    Ties go to the item indexed first. O(N D) a query; nothing is ever missed.
    """

    def _points(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        return _unit(X, "vectors") if self.metric == "cosine" else X

    def _queries(
        self, Q: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        return (_unit(Q, "queries") if self.metric == "cosine" else Q), np.ones((1, 1))

    def _build(self, points: NDArray[np.float32]) -> None:
        return

    def _search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        N, B = len(self.vectors_), len(queries)
        rows, scores = np.empty((B, k), dtype=np.intp), np.empty((B, k))
        step = max(1, CHUNK_SCORES // N)
        for i in range(0, B, step):
            S = queries[i : i + step] @ self.vectors_.T  # (b, N)
            if not self.alive_.all():
                S[:, ~self.alive_] = -np.inf
            rows[i : i + step], scores[i : i + step] = largest(S, k)
        return rows, scores, float(N)


# derivation: prop-cx-groups
def largest(
    S: NDArray[np.float32], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns (b, k) and values of the k largest of each row of S (b, N), best first.

    The k largest lie in the k groups with the largest maxima. With groups of about
    sqrt(N / k) columns only maxima are taken in one fast pass, and a few thousand
    candidates are selected from, not N. Ties go to the smaller column, as
    :func:`streamrec.models.base.top_k` has it, also where groups tie.

    >>> largest(np.array([[0.1, 0.7, 0.7, 0.2]], dtype=np.float32), 2)[0].tolist()
    [[1, 2]]
    """
    b, N = S.shape
    W = int(np.sqrt(N / k))
    if W < 4:
        return top_k(S, k)
    G = N // W  # group g holds the columns g, g + G, g + 2G, ...
    maxima = S[:, : W * G].reshape(b, W, G).max(axis=1)  # (b, G)
    kth = np.partition(maxima, G - k, axis=1)[:, G - k, None]
    chosen = maxima >= kth
    if (chosen.sum(axis=1) != k).any():  # groups tie at the cut
        return top_k(S, k)
    groups = np.nonzero(chosen)[1].reshape(b, 1, k)
    inside = (groups + G * np.arange(W)[:, None]).reshape(b, W * k)  # ascending
    rest = np.broadcast_to(np.arange(W * G, N), (b, N - W * G))
    columns = np.concatenate([inside, rest], axis=1)
    places, values = top_k(np.take_along_axis(S, columns, axis=1), k)
    return np.take_along_axis(columns, places, axis=1), values


@dataclass(eq=False)
class IVFIndex(VectorIndex):
    """An inverted file: scores the items of the ``probes`` cells nearest to the query.

    ``cells``: number of cells of the k-means partition, by default the one with the
    least work (:func:`ivf_cells`). ``engine`` "numpy" is ours, "faiss" searches the
    same cells in compiled code; both find the same items. After ``build``: centroids_
    (C, D'), sizes_ (C,).
    """

    cells: int | None = None
    probes: int = 16
    engine: Literal["numpy", "faiss"] = "numpy"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine not in ("numpy", "faiss"):
            raise ValueError(f"unknown engine {self.engine!r}: use numpy or faiss")
        if self.probes < 1 or (self.cells is not None and self.cells < self.probes):
            raise ValueError(
                f"probes must be between 1 and the number of cells; got "
                f"{self.probes} of {self.cells}"
            )

    def _build(self, points: NDArray[np.float32]) -> None:
        N = len(points)
        C = ivf_cells(N, self.probes) if self.cells is None else self.cells
        if C > N:
            raise ValueError(f"{C} cells are more than the {N} vectors; use fewer")
        rng = np.random.default_rng(self.seed)
        few = rng.permutation(N)[: POINTS_A_CELL * C]
        self._fill(lloyd(points[few], C, self.seed))

    def _fill(self, centroids: NDArray[np.float32]) -> None:
        """Sort the vectors by their cell."""
        self.centroids_ = centroids
        cell = nearest(self.vectors_, centroids)
        self.sizes_ = np.bincount(cell, minlength=len(centroids))
        self._rows = np.argsort(cell, kind="stable")
        self._sorted = np.ascontiguousarray(self.vectors_[self._rows])
        self._ends = self.sizes_.cumsum()
        self._squares = (centroids * centroids).sum(axis=1)
        self._compiled: Any = None
        if self.engine == "faiss":
            faiss, D = _faiss(), self.vectors_.shape[1]
            cells = faiss.IndexFlatL2(D)
            cells.add(centroids)
            ivf = faiss.IndexIVFFlat(
                cells, D, len(centroids), faiss.METRIC_INNER_PRODUCT
            )
            ivf.is_trained = True
            ivf.add(self.vectors_)
            self._compiled = (cells, ivf)  # FAISS does not keep the quantizer alive

    def _probed(self, queries: NDArray[np.float32]) -> NDArray[np.intp]:
        """The cells (B, P) nearest to each query, in no order."""
        distance = self._squares - 2 * queries @ self.centroids_.T  # (B, C)
        P = min(self.probes, len(self.centroids_))
        return np.argpartition(distance, P - 1, axis=1)[:, :P]

    def _search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        if self._compiled is not None:
            return self._search_faiss(queries, k)
        probed = self._probed(queries)
        work = len(self.centroids_) + float(self.sizes_[probed].sum(axis=1).mean())
        rows = np.full((len(queries), k), -1, dtype=np.intp)
        scores = np.full((len(queries), k), -np.inf)
        starts = self._ends - self.sizes_
        for b, q in enumerate(queries):
            blocks = [slice(starts[c], self._ends[c]) for c in np.sort(probed[b])]
            near = np.concatenate([self._rows[s] for s in blocks])
            near_scores = np.concatenate([self._sorted[s] @ q for s in blocks])
            if not self.alive_.all():
                kept = self.alive_[near]
                near, near_scores = near[kept], near_scores[kept]
            n = min(k, len(near))
            if n:
                best = np.argpartition(-near_scores, n - 1)[:n]
                best = best[np.lexsort((near[best], -near_scores[best]))]
                rows[b, :n], scores[b, :n] = near[best], near_scores[best]
        return rows, scores, work

    def _search_faiss(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        faiss, C = _faiss(), len(self.centroids_)
        sel = None if self.alive_.all() else _selector(self.alive_)
        how = faiss.SearchParametersIVF(nprobe=min(self.probes, C), sel=sel)
        stats = faiss.cvar.indexIVF_stats
        stats.reset()
        scores, rows = self._compiled[1].search(queries, k, params=how)
        work = C + stats.ndis / max(1, len(queries))
        return rows, scores.astype(np.float64), work

    @property
    def memory_bytes(self) -> int:
        """Bytes of vectors, centroids and lists."""
        self._check_built()
        return int(self._sorted.nbytes + self.centroids_.nbytes + self._rows.nbytes)

    def _state(self) -> dict[str, Any]:
        return {**super()._state(), "centroids": self.centroids_}

    def _restore(self, state: dict[str, Any]) -> None:
        self.vectors_ = state["vectors"]
        self.R_, self.dimensions_ = float(state["scale"][0]), int(state["scale"][1])
        self._fill(state["centroids"])


def _selector(alive: NDArray[np.bool_]) -> Any:
    """FAISS's form of "only these rows"."""
    return _faiss().IDSelectorBatch(np.flatnonzero(alive))


@dataclass(eq=False)
class HNSWIndex(VectorIndex):
    """A hierarchical navigable small-world graph (Malkov and Yashunin 2020), by FAISS.

    ``links``: M, neighbours kept on the upper layers, twice as many at the bottom.
    ``build_beam`` and ``beam``: candidates kept open while building and while searching
    (at least k are kept); more find more and cost more. Insertion is in random order
    under ``seed``; one thread, so the graph is the same every time.
    """

    links: int = 32
    build_beam: int = 100
    beam: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("links", "build_beam", "beam"):
            if getattr(self, name) < (2 if name == "links" else 1):
                raise ValueError(f"{name} is too small: {getattr(self, name)}")

    def _build(self, points: NDArray[np.float32]) -> None:
        faiss = _faiss()
        graph = faiss.IndexHNSWFlat(points.shape[1], self.links, faiss.METRIC_L2)
        graph.hnsw.efConstruction = self.build_beam
        self._order = np.random.default_rng(self.seed).permutation(len(points))
        graph.add(points[self._order])
        self._graph = graph

    def _search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        faiss = _faiss()
        sel = None if self.alive_.all() else _selector(self.alive_[self._order])
        how = faiss.SearchParametersHNSW(efSearch=max(self.beam, k), sel=sel)
        stats = faiss.cvar.hnsw_stats
        stats.reset()
        squares, places = self._graph.search(queries, k, params=how)
        rows = np.where(places >= 0, self._order[places], -1)
        scores = (
            1 - squares.astype(np.float64) / 2
        )  # unit vectors: |q - x|^2 = 2 - 2 cos
        return rows, scores, stats.ndis / max(1, len(queries))

    @property
    def memory_bytes(self) -> int:
        """Bytes of vectors and links, as written to a file."""
        self._check_built()
        return int(len(_faiss().serialize_index(self._graph)))

    def _state(self) -> dict[str, Any]:
        graph = _faiss().serialize_index(self._graph)
        return {"graph": graph, "order": self._order, "scale": np.array(self._scale())}

    def _restore(self, state: dict[str, Any]) -> None:
        self.R_, self.dimensions_ = float(state["scale"][0]), int(state["scale"][1])
        self._graph = _faiss().deserialize_index(state["graph"])
        self._order = state["order"]
        self.vectors_ = np.empty((len(self._order), self._graph.d), dtype=np.float32)
        self.vectors_[self._order] = self._graph.reconstruct_n(0, len(self._order))


def choose_index(
    n_items: int, *, metric: Metric = "inner_product", batches: bool = False,
    churn: float = 0.0,
) -> VectorIndex:  # fmt: skip
    """An index for a catalogue of this size, by what was measured; not yet built.

    Up to 20,000 items, or when queries arrive in large ``batches`` (a millisecond a
    query at 200,000 items, and nothing missed): exact. Above: for cosine HNSW, unless
    more than a tenth of the items is replaced between rebuilds (``churn``), which a
    graph suffers and an inverted file does not. For inner products an inverted file:
    vectors that a model learned differ in length, so that a graph over them finds a
    third of what it should (benchmarks/retrieval.py). Measured on one core with vectors
    of 50 to 128 dimensions (Chapter 5): measure your own.

    >>> type(choose_index(10_000)).__name__, type(choose_index(200_000)).__name__
    ('ExactIndex', 'IVFIndex')
    >>> type(choose_index(200_000, metric="cosine")).__name__
    'HNSWIndex'
    """
    if n_items < 1:
        raise ValueError(f"a catalogue has at least one item; got {n_items}")
    if not 0 <= churn <= 1:
        raise ValueError(f"churn is a share between 0 and 1; got {churn}")
    if n_items <= EXACT_UP_TO or batches:
        return ExactIndex(metric)
    if metric == "cosine":
        return HNSWIndex(metric) if churn <= 0.1 else IVFIndex(metric, engine="faiss")
    return IVFIndex(metric, cells=ivf_cells(n_items, 16), probes=256, engine="faiss")


# ------------------------------------------------------------------------- a retriever


@dataclass(eq=False)
class IndexedRecommender:
    """A fitted factor model whose lists come from an index over its item vectors.

    ``model`` has user vectors X_ (M, D) and item vectors Y_ (N, D), such as
    ``ImplicitALS`` or ``BPR``; the score is their inner product. Seen items are
    dropped *after* the search, so the index is asked for as many more as the user has
    seen. Users without a training interaction get the model's own fallback.
    """

    model: MatrixRecommender
    index: VectorIndex

    def __post_init__(self) -> None:
        if not hasattr(self.model, "Y_") or not hasattr(self.model, "X_"):
            raise TypeError(
                f"{type(self.model).__name__} has no user and item vectors X_, Y_: fit "
                "it first, or use a factor model"
            )
        if self.index.metric != "inner_product":
            raise ValueError("a factor model's score needs the metric inner_product")
        self.index.build(self._with_offset(self.model.Y_, "b_"))

    def retrieve(self, users: ArrayLike, k: int) -> Recommendations:
        """Candidates for each user, seen items dropped: the protocol of a retriever."""
        return self.recommend(users, k)

    def recommend(
        self, users: ArrayLike, k: int = 10, *, exclude_seen: bool = True
    ) -> Recommendations:
        """Top k for each user, as ``model.recommend`` gives it if nothing is missed."""
        users = np.atleast_1d(np.asarray(users))
        rows = self.model._rows(users)
        items = np.full((len(users), k), self.model.items_[0], self.model.items_.dtype)
        scores = np.full((len(users), k), -np.inf)
        cold, warm = np.flatnonzero(rows < 0), np.flatnonzero(rows >= 0)
        if len(cold):
            fallback = self.model.recommend(users[cold], k, exclude_seen=exclude_seen)
            items[cold], scores[cold] = fallback.items, fallback.scores
        R = self.model.matrix_
        extra = np.diff(R.indptr)[rows] if exclude_seen else np.zeros(len(rows), int)
        X = self._with_offset(self.model.X_, None)  # type: ignore[attr-defined]
        for at in np.array_split(warm[np.argsort(extra[warm])], len(warm) // 64 + 1):
            if not len(at):
                continue
            asked = min(k + int(extra[at].max()), len(self.index))
            found = self.index.search(X[rows[at]], asked)
            for b, place in enumerate(at):
                row = rows[place]
                seen = R.indices[R.indptr[row] : R.indptr[row + 1]][: extra[place]]
                keep = found.valid[b] & ~np.isin(found.ids[b], seen)
                best = np.flatnonzero(keep)[:k]
                items[place, : len(best)] = self.model.items_[found.ids[b, best]]
                scores[place, : len(best)] = found.scores[b, best]
        return Recommendations(users, items, scores)

    def _with_offset(self, V: NDArray[Any], offset: str | None) -> NDArray[Any]:
        """Item offsets b_ (BPR has them) become one more dimension, 1 for users."""
        if not hasattr(self.model, "b_"):
            return V
        column = np.ones(len(V)) if offset is None else getattr(self.model, offset)
        return np.column_stack([V, column])
