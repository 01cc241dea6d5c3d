"""Gate: the whole, rebuilt from clean."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_between,
    expect_equal,
    expect_shape,
    expect_true,
)
from streamrec.tracks.criteria.common import new_plays


def _lists(answer, rng):
    """(lists of 10, past pairs, users): the last twenty users have no history."""
    past, _, B, N = new_plays(rng, 14, 14)
    B, k = B + 20, 10
    lists = answer.recommend(past[:, 0], past[:, 1], B, N, k, seed=5)
    expect_shape(lists, (B, k), "the lists")
    return np.asarray(lists), past, B, N


@criterion("q1", points=2, hint="Set the scores of what was seen to -inf, then sort.")
def test_lists_are_valid(answer, rng):
    """every list holds ten items of the catalogue, none twice, none seen before"""
    lists, past, B, N = _lists(answer, rng)
    expect_true(lists.dtype.kind in "iu", "the lists must hold whole numbers")
    expect_between(lists, 0, N - 1, "an item of a list")
    repeats = np.diff(np.sort(lists, axis=1), axis=1) == 0
    expect_true(not repeats.any(), "a list names an item twice")
    seen = np.zeros((B, N), dtype=bool)
    seen[past[:, 0], past[:, 1]] = True
    again = np.take_along_axis(seen, lists, axis=1)
    expect_true(not again.any(), "a list holds an item that its user has seen")


@criterion("q1", points=1.5, hint="Every random number must come from the seed.")
def test_the_same_seed_gives_the_same_lists(answer, rng):
    """the same log and seed give the same lists, also after a fresh start"""
    state = rng.bit_generator.state
    first = _lists(answer, rng)[0]
    answer.handed_in.restart()
    rng.bit_generator.state = state
    expect_equal(_lists(answer, rng)[0].tolist(), first.tolist(), "the second result")
    other = _lists(answer, rng)[0]  # of another log, or constants would do
    expect_true(bool((other != first).mean() > 0.3), "another log gives the same lists")


@criterion("q1", points=1, hint="What do you show to somebody you know nothing about?")
def test_users_without_history_get_lists(answer, rng):
    """users without history get full lists, nearer to what is popular than chance"""
    lists, past, _, N = _lists(answer, rng)
    expect_between(lists[-20:], 0, N - 1, "an item of a list")
    plays = np.bincount(past[:, 1], minlength=N)
    mean = plays[lists[-20:]].mean()
    expect_true(bool(mean > 1.5 * plays.mean()), "they are no better than chance")


@criterion(
    "q1", points=1, hint="Restart the kernel and run all cells, in a clean copy."
)
def test_the_notebook_runs(answer, rng):
    """report.ipynb runs from top to bottom and leaves a summary with an interval"""
    errors, summary = answer.handed_in.run_notebook("report.ipynb", "summary")
    expect_true(not errors, errors[0] if errors else "")
    expect_true(type(summary) is dict, "summary must be a dict")
    for name in ("ndcg", "low", "high"):
        expect_true(name in summary, f"summary lacks {name}")
        expect_true(np.ndim(summary[name]) == 0, f"summary[{name!r}] must be a number")
        expect_between(summary[name], 0, 1, f"summary[{name!r}]")
    ordered = summary["low"] < summary["ndcg"] < summary["high"]
    expect_true(bool(ordered), "the interval must hold the estimate")


@criterion("q1", points=0.5, hint="Fill in every document of docs/.")
def test_the_documents_are_written(answer, rng):
    """every document of docs/ holds at least 60 words beyond its template"""
    added = answer.handed_in.words_added()
    short = sorted(name for name, words in added.items() if words < 60)
    expect_true(bool(added), "there are no documents in docs")
    expect_true(not short, f"{len(short)} of {len(added)} documents are still to write")
