"""Sentence embeddings: what is asked of texts, and alike ones near each other."""

import numpy as np
import pytest

from streamrec.models import text as sentences


def test_absent_model_says_what_to_install(monkeypatch):
    monkeypatch.setattr(sentences, "find_spec", lambda name: None)
    sentences._model.cache_clear()
    assert not sentences.available()
    with pytest.raises(sentences.MissingModel, match=r"streamrec\[text\]"):
        sentences.embed(["a film"])


def test_only_text_is_embedded():
    with pytest.raises(TypeError, match="list of texts"):
        sentences.embed("a film")
    with pytest.raises(TypeError, match="text 1 is float"):
        sentences.embed(["a", np.nan])
    assert sentences.embed([]).shape == (0, 384)


@pytest.mark.slow
@pytest.mark.skipif(not sentences.available(), reason="extra text is not installed")
def test_alike_sentences_have_alike_vectors():
    texts = ["A war in space.", "Cooking pasta at home.", "A war in space.", ""]
    V = sentences.embed(texts)
    assert V.shape == (4, 384) and V.dtype == np.float32
    assert np.allclose(np.linalg.norm(V, axis=1), 1, atol=1e-5)
    assert np.array_equal(V[0], V[2])
    q = sentences.embed(["battle of starships", "an Italian recipe"])
    assert (q @ V[:2].T).argmax(axis=1).tolist() == [0, 1]
