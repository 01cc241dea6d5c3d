"""The sources of candidates of Track A, and a folder that remembers what was fitted."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamrec.data.interactions import Interactions
from streamrec.data.splits import Split
from streamrec.evaluation.ranking import evaluate
from streamrec.models.ease import EASE
from streamrec.models.implicit_als import ImplicitALS
from streamrec.models.item_knn import ItemKNN
from streamrec.models.popularity import Popularity
from streamrec.tracks.a_data import Data

DENSE_ITEMS = 6_000  # EASE and item-kNN hold an items x items matrix
SOFTMAX_ITEMS = 6_000  # sequence models score the whole catalogue at every place
TEXT_ITEMS = 10_000  # about 150 texts a second are embedded


@dataclass(frozen=True)
class Source:
    """A kind of model that finds and scores candidates.

    reason: why an item that it found is on the list, for the person who reads it.
    grid: settings to choose from on the validation slice (one: nothing to choose).
    most_items: catalogues above this are not for it. kind: given settings and a seed,
    the model. learn: how it is fitted, if ``fit(train)`` is not enough.
    """

    name: str
    reason: str
    kind: Callable[..., Any]
    grid: tuple[dict[str, Any], ...] = ({},)
    most_items: int = 10**9
    learn: Callable[[Any, Interactions, Data, Path], Any] | None = None


def sources(data: Data, quick: bool = False, seed: int = 0) -> list[Source]:
    """The sources that suit a data set, simplest first."""
    return linear(data, quick, seed) + networks(data, quick, seed)


def networks(data: Data, quick: bool = False, seed: int = 0) -> list[Source]:
    """Sources that are networks; passes over the data fall with its size.

    Their settings are their defaults, which were chosen on the validation slice of
    MovieLens 100k.
    """
    from streamrec.models.gru import SessionGRU
    from streamrec.models.sasrec import SASRec
    from streamrec.models.two_tower import TwoTower

    x = data.interactions
    passes = int(np.clip(20_000 / x.n_users, 4, 20))
    tower = int(np.clip(1_000_000 / len(x), 2, 10))
    small: dict[str, Any] = {"seed": seed, "epochs": passes}
    big: dict[str, Any] = {"seed": seed, "epochs": tower}
    if quick:
        small |= {"width": 16, "epochs": 2}
        big |= {"dimensions": 16, "epochs": 2}
    words: dict[str, Any] = {"seed": seed, "factors": min(64, max(8, x.n_items // 8))}
    if quick:
        words |= {"epochs": 2}
    found = [
        Source(
            "content",
            "its description resembles what you liked",
            content_only(),
            (words,),
            learn=_content,
        ),
        Source(
            "two towers",
            "fits what you chose lately",
            TwoTower,
            (big,),
            learn=_two_towers,
        ),
        Source(
            "GRU",
            "often chosen next in sessions like yours",
            SessionGRU,
            (small,),
            SOFTMAX_ITEMS,
            _checkpointed,
        ),
        Source(
            "SASRec",
            "follows from what you chose last",
            SASRec,
            (small,),
            SOFTMAX_ITEMS,
            _checkpointed,
        ),
    ]
    if not data.has_text:
        found = [s for s in found if s.name != "content"]
    return [s for s in found if x.n_items <= s.most_items]


def content_only() -> Any:
    """A ContentRecommender that places every item by its text, the known ones too."""
    from streamrec.models.content_cnn import ContentRecommender

    class Content(ContentRecommender):
        def _fit(self, R: Any) -> None:
            said = self._given[0].reindex(self.items_).tolist()
            super()._fit(R)
            self.Y_ = self.cnn.vectors(said)

    return Content


def _content(model: Any, train: Interactions, data: Data, file: Path) -> None:
    model.fit(train, data.items["text"].reindex(train.items), checkpoint=file)


def _checkpointed(model: Any, train: Interactions, data: Data, file: Path) -> None:
    model.fit(train, checkpoint=file)


def _two_towers(model: Any, train: Interactions, data: Data, file: Path) -> None:
    items = data.features.reindex(train.items)
    users = data.users.reindex(train.users)
    model.fit(
        train,
        items,
        users,
        text=texts(data, file.parent),
        checkpoint=file,
    )


def texts(data: Data, folder: Path) -> Any:
    """Sentence embeddings of the items' texts, (N, 384), kept in the folder; or None.

    None without texts, without the extra ``text``, or for more than TEXT_ITEMS items.
    """
    from streamrec.models import text

    N = data.interactions.n_items
    if not data.has_text or N > TEXT_ITEMS or not text.available():
        return None
    file = folder / "texts.npy"
    if not file.is_file():
        V = text.embed(data.items["text"].reindex(data.interactions.items))
        draft = file.with_name(".texts.part.npy")
        np.save(draft, V, allow_pickle=False)
        os.replace(draft, file)
    return np.load(file, allow_pickle=False)


def linear(data: Data, quick: bool = False, seed: int = 0) -> list[Source]:
    """Sources without a network: seconds to fit."""
    N = data.interactions.n_items
    lams = (400.0,) if quick else (200.0, 400.0, 800.0)
    ridge = (10.0,) if quick else (5.0, 10.0, 20.0)
    factors = min(128, max(8, N // 8))
    all_of_them = [
        Source("popularity", "popular with everybody", Popularity),
        Source(
            "EASE",
            "often chosen with what you chose",
            EASE,
            tuple({"lam": x} for x in lams),
            DENSE_ITEMS,
        ),
        Source(
            "ALS",
            "liked by people with a taste like yours",
            ImplicitALS,
            tuple({"factors": factors, "lam": x, "seed": seed} for x in ridge),
        ),
        Source(
            "item-kNN",
            "close to what you chose",
            ItemKNN,
            ({"k": 200},),
            DENSE_ITEMS,
        ),
    ]
    return [s for s in all_of_them if N <= s.most_items]


def fingerprint(data: Data, settings: dict[str, Any]) -> str:
    """Eleven characters that change with the data or the settings."""
    from streamrec import __version__

    x = data.interactions
    h = hashlib.sha256()
    for part in (x.users, x.items):
        h.update("\n".join(map(str, part.tolist())).encode())
    for numbers in (x.user_index, x.item_index, x.time, x.value):
        h.update(np.ascontiguousarray(numbers).tobytes())
    for table in (data.items, data.users):
        h.update(table.to_csv().encode())
    words = json.dumps(settings | {"version": __version__}, sort_keys=True, default=str)
    h.update(words.encode())
    return h.hexdigest()[:11]


@dataclass
class Ledger:
    """Seconds and memory of every stage, in the order in which they ran.

    say: called with the name of each stage as it begins.
    """

    say: Callable[[str], None] = lambda _: None
    rows: list[dict[str, Any]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Measure a block; set ``row["seconds"]`` within to overrule the clock."""
        self.say(name)
        row: dict[str, Any] = {"stage": name}
        began = time.perf_counter()
        yield row
        row.setdefault("seconds", time.perf_counter() - began)
        row["seconds"] = round(row["seconds"], 3)
        row["peak_megabytes"] = round(peak_megabytes())
        self.rows.append(row)

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return float(sum(r["seconds"] for r in self.rows))


def peak_megabytes() -> float:
    """The largest resident memory of this process so far, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass
class Workshop:
    """Fitted models in a folder: a run that was killed goes on where it was.

    folder: of this data and these settings alone; models lie in it as they are fitted,
    each whole or not at all, beside checkpoints of those under way.
    """

    folder: Path

    def fit(
        self, key: str, source: Source, settings: dict[str, Any], data: Data,
        train: Interactions,
    ) -> tuple[Any, float]:  # fmt: skip
        """(fitted model, seconds it took), from the folder if it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = json.dumps(settings, sort_keys=True)
        tag = hashlib.sha256(words.encode()).hexdigest()[:6]
        file = self.folder / f"{key}-{source.name}-{tag}.npz"
        note = file.with_suffix(".json")
        model = source.kind(**settings)
        if file.is_file() and note.is_file():
            return type(model).load(file), json.loads(note.read_text())["seconds"]
        began = time.perf_counter()
        if source.learn is None:
            model.fit(train)
        else:
            source.learn(model, train, data, file.with_suffix(".checkpoint"))
        seconds = time.perf_counter() - began
        model.save(file)
        write(note, json.dumps({"seconds": seconds, "settings": settings}))
        file.with_suffix(".checkpoint").unlink(missing_ok=True)
        return model, seconds

    def tune(
        self, source: Source, data: Data, inner: Split, k: int
    ) -> tuple[dict[str, Any], Any, float]:
        """Settings of the grid with the best NDCG@k on the validation slice.

        Also the model fitted with them on ``inner.train``, and the seconds of all fits.
        """
        found, best, total = None, -np.inf, 0.0
        for settings in source.grid:
            model, seconds = self.fit("inner", source, settings, data, inner.train)
            total += seconds
            value = 0.0
            if len(source.grid) > 1:
                value = evaluate(model, inner, k, metrics=["ndcg"]).mean("ndcg")
            if value > best:
                found, best = (settings, model), value
        assert found is not None
        return *found, total


def write(file: Path, text: str) -> None:
    """A text file, whole or not at all."""
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(file)) from None
