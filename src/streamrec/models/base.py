"""What every matrix recommender shares: ids, cold users, top k, saving and loading.

A model declares its settings as dataclass fields, learns in ``_fit(R)`` and scores in
``_score_rows(rows)``. Everything a reader would otherwise write once per model is here:
external ids in and out, the popularity fallback, seen items filtered, ties broken the
same way every time, chunks that bound memory, and files without pickle.

Shapes: B users asked for, M users and N items trained on, k places in a list.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from streamrec.protocols import Recommendations

if TYPE_CHECKING:
    from streamrec.data.interactions import Interactions

CHUNK_SCORES = 4_000_000  # scores held at once by recommend: 32 MB of float64
FORMAT = 1  # raised when a saved file's layout changes


class NotFittedError(ValueError):
    """The model was asked for something it can only know after ``fit``."""


def top_k(scores: ArrayLike, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Columns and values of the k largest scores of each row, best first.

    Ties go to the smaller column, at the cut as well as inside the list, so equal input
    gives equal lists on every machine. scores (B, N) -> columns (B, k), values (B, k).
    A row is partitioned, not sorted: O(N + k log k).

    Raises ValueError unless 1 <= k <= N.

    >>> top_k([[0.1, 0.7, 0.7, 0.2]], 2)[0].tolist()
    [[1, 2]]
    """
    S = np.asarray(scores, dtype=np.float64)
    B, N = S.shape
    if not 1 <= k <= N:
        raise ValueError(f"k must be between 1 and the {N} columns; got {k}")
    kth = np.partition(S, -k, axis=1)[:, -k, None]  # (B, 1) k-th largest
    keep = S >= kth
    crowded = np.flatnonzero(keep.sum(axis=1) > k)  # rows tied at the cut
    above, tied = S[crowded] > kth[crowded], S[crowded] == kth[crowded]
    room = k - above.sum(axis=1, keepdims=True)
    keep[crowded] = above | (tied & (tied.cumsum(axis=1) <= room))
    columns = np.nonzero(keep)[1].reshape(B, k)  # ascending in each row
    values = np.take_along_axis(S, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)


def presence(R: sp.csr_matrix) -> sp.csr_matrix:
    """The same pattern with every stored value 1: an interaction happened, (M, N).

    >>> presence(sp.csr_matrix([[5.0, 0.0], [0.0, 2.0]])).toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return sp.csr_matrix((np.ones(R.nnz), R.indices, R.indptr), shape=R.shape)


def find_rows(ids: NDArray[Any], query: NDArray[Any]) -> NDArray[np.intp]:
    """Position in ``ids`` of each id in ``query``; -1 where there is none.

    Raises TypeError when one side holds numbers and the other text, since then nothing
    could ever match.

    >>> find_rows(np.array(["a", "b"]), np.array(["b", "zz"])).tolist()
    [1, -1]
    """
    import pandas as pd

    kinds = {"i": "numbers", "u": "numbers", "f": "numbers", "U": "text"}
    have, asked = (kinds.get(a.dtype.kind, "text") for a in (ids, query))
    if len(query) and have != asked:
        raise TypeError(f"the model's ids are {have}, those asked for are {asked}")
    return np.asarray(pd.Index(ids).get_indexer(pd.Index(query)), dtype=np.intp)


def require_positive(model: object, *names: str) -> None:
    """Raise ValueError, naming it, for a setting of the model that is not above 0.

    >>> require_positive(type("Model", (), {"epochs": 0})(), "epochs")
    Traceback (most recent call last):
        ...
    ValueError: epochs must be positive, not 0
    """
    for name in names:
        if not getattr(model, name) > 0:
            raise ValueError(f"{name} must be positive, not {getattr(model, name)}")


class MatrixRecommender:
    """Base of the recommenders that learn from the user x item matrix alone.

    A user without a training interaction, known or not, gets the popularity list: the
    number of training users of each item. Subclasses are dataclasses whose fields are
    the settings; the fields cannot be changed after construction. After ``fit``:

    users_ (M,), items_ (N,) external ids; matrix_ (M, N) CSR of training values;
    popularity_ (N,) training users of each item.
    """

    users_: NDArray[Any]
    items_: NDArray[Any]
    matrix_: sp.csr_matrix
    popularity_: NDArray[np.float64]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self) and name in self.settings:
            raise AttributeError(
                f"{name} is a setting of {type(self).__name__} and fixed at "
                "construction; make a new model"
            )
        super().__setattr__(name, value)

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        names = [f.name for f in fields(self)]  # type: ignore[arg-type]
        return {name: vars(self).get(name) for name in names}

    # What a model adds.

    def _fit(self, R: sp.csr_matrix) -> None:
        """Learn from R (M, N); set attributes whose names end in an underscore."""
        raise NotImplementedError

    def _score_rows(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Scores (B, N) of users given by their training rows."""
        raise NotImplementedError

    # What every model has.

    def fit(self, train: Interactions) -> Self:
        """Learn from interactions; forgets everything learned before.

        Raises ValueError when there is no interaction or a value is not finite.
        """
        R = sp.csr_matrix(train.matrix, dtype=np.float64)
        if R.nnz == 0:
            raise ValueError("no interactions to learn from: the training set is empty")
        if not np.isfinite(R.data).all():
            raise ValueError("training values must be finite; drop NaN and infinities")
        R.sort_indices()
        for name in self._learned():
            delattr(self, name)
        self.users_, self.items_ = np.asarray(train.users), np.asarray(train.items)
        self.matrix_ = R
        self.popularity_ = np.bincount(R.indices, minlength=R.shape[1]).astype(float)
        self._fit(R)
        return self

    def score(self, users: ArrayLike) -> NDArray[np.float64]:
        """Scores of the whole catalogue, seen items included: (B, N), N as items_.

        Rows of users without a training interaction hold popularity_.
        """
        self._check_fitted()
        return self._score_known(self._rows(np.atleast_1d(np.asarray(users))))

    def recommend(
        self, users: ArrayLike, k: int = 10, *, exclude_seen: bool = True
    ) -> Recommendations:
        """Top k of each user in the order asked; a user may be asked for twice.

        Equal scores: the item earlier in items_ first. Fewer than k candidates: the
        end of the row is padding (score -inf, see Recommendations). Users without a
        training interaction get the most popular items. Works through the users in
        chunks, so memory stays near 32 MB of scores whatever B is.

        Raises ValueError for k < 1, TypeError for users of another kind of id.
        """
        self._check_fitted()
        users = np.atleast_1d(np.asarray(users))
        if k < 1:
            raise ValueError(f"k must be at least 1; got {k}")
        rows, (B, N) = self._rows(users), (len(users), len(self.items_))
        columns = np.zeros((B, k), dtype=np.intp)
        values = np.full((B, k), -np.inf)
        step = max(1, CHUNK_SCORES // N)
        for at in range(0, B, step):
            S = self._score_known(rows[at : at + step])  # (b, N)
            if exclude_seen:
                self._hide_seen(S, rows[at : at + step])
            filled = slice(0, min(k, N))
            c, v = top_k(S, min(k, N))
            columns[at : at + step, filled], values[at : at + step, filled] = c, v
        return Recommendations(users, self.items_[columns], values)

    def _check_fitted(self) -> None:
        if "matrix_" not in vars(self):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit first")

    def _rows(self, users: NDArray[Any]) -> NDArray[np.intp]:
        """Training row of each user; -1 for those without a training interaction."""
        rows = find_rows(self.users_, users)
        seen = np.diff(self.matrix_.indptr)
        return np.where((rows >= 0) & (seen[rows] > 0), rows, -1)

    def _score_known(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        S = np.empty((len(rows), len(self.items_)))
        warm = rows >= 0
        S[warm] = self._score_rows(rows[warm])
        S[~warm] = self.popularity_
        return S

    def _hide_seen(self, S: NDArray[np.float64], rows: NDArray[np.intp]) -> None:
        warm = np.flatnonzero(rows >= 0)
        seen = self.matrix_[rows[warm]]
        S[np.repeat(warm, np.diff(seen.indptr)), seen.indices] = -np.inf

    # Files.

    def _learned(self) -> list[str]:
        return [name for name in vars(self) if name.endswith("_")]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted model to one .npz file (arrays and JSON, never pickle).

        The file appears whole or not at all. Returns the path.
        """
        self._check_fitted()
        arrays: dict[str, NDArray[Any]] = {}
        meta: dict[str, Any] = {"format": FORMAT, "model": type(self).__name__}
        meta |= {"settings": self.settings, "numbers": {}, "sparse": []}
        for name in self._learned():
            value = getattr(self, name)
            if sp.issparse(value):
                meta["sparse"].append(name)
                for part in ("data", "indices", "indptr", "shape"):
                    arrays[f"{name}.{part}"] = np.asarray(getattr(value, part))
            elif isinstance(value, np.ndarray):
                arrays[name] = value
            else:
                meta["numbers"][name] = value
        arrays["meta"] = np.array(json.dumps(meta))
        return _write_npz(Path(path), arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that ``save`` wrote; scores equal the saved model's exactly.

        Raises ValueError when the file is not a saved model of this class.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays.pop("meta").item())
        except (KeyError, ValueError, AttributeError, EOFError) as error:
            raise ValueError(f"{path} is not a saved recommender: {error}") from None
        if meta["model"] != cls.__name__ or meta["format"] != FORMAT:
            raise ValueError(
                f"{path} holds a {meta['model']} in format {meta['format']}; "
                f"{cls.__name__} reads its own files in format {FORMAT}"
            )
        model = cls(**meta["settings"])
        for name in meta["sparse"]:
            data, indices, indptr, shape = (
                arrays.pop(f"{name}.{part}")
                for part in ("data", "indices", "indptr", "shape")
            )
            value = sp.csr_matrix((data, indices, indptr), shape=tuple(shape))
            setattr(model, name, value)
        for name, array in arrays.items():
            setattr(model, name, array)
        for name, number in meta["numbers"].items():
            setattr(model, name, number)
        return model


def _write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
