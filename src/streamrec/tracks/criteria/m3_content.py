"""M3: a content encoder for items that nobody has played yet."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_finite,
    expect_shape,
    expect_true,
)
from streamrec.tracks.criteria.common import clearly_above, middle_world, played

LEAST_AUC, SHARE_OF_GAIN = 0.53, 0.7


def _held_items(rng):
    """(past pairs, texts, cold items, who played them later (B, m), rival scores)."""
    world = middle_world(rng, 700, 900)
    pairs = np.unique(played(world, 35)[:, :2], axis=0)
    B, N = len(world.users), len(world.items)
    texts = (world.items["title"] + ". " + world.items["description"]).tolist()
    category = world.items["category"].to_numpy().astype(str)
    cold = np.sort(rng.choice(N, N // 5, replace=False))
    held = np.isin(pairs[:, 1], cold)
    past = pairs[~held]
    later = np.zeros((B, N), dtype=bool)
    later[pairs[held, 0], pairs[held, 1]] = True
    plays = np.bincount(past[:, 1], minlength=N)
    warm = np.setdiff1d(np.arange(N), cold)
    rival = np.zeros(len(cold))
    for j, i in enumerate(cold):
        same = warm[category[warm] == category[i]]
        rival[j] = plays[same].mean() if len(same) else 0.0
    return past, texts, cold, later[:, cold], np.tile(rival, (B, 1))


def _auc(scores, good):
    """Area under the curve of each user with something to find, ties count half."""
    out = []
    for s, own in zip(scores, good):
        if own.any() and not own.all():
            a, b = s[own][:, None], s[~own][None, :]
            out.append(((a > b) + 0.5 * (a == b)).mean())
    return np.array(out)


def _encoded(answer, rng, reference=None):
    past, texts, cold, good, rival = _held_items(rng)
    given = past[:, 0], past[:, 1], texts, len(good), cold
    scores = answer.score_cold(*given)
    expect_shape(scores, good.shape, "the scores")
    expect_finite(scores, "the scores")
    found = [_auc(np.asarray(scores, float), good), _auc(rival, good)]
    if reference is not None:
        found.append(_auc(np.asarray(reference.score_cold(*given)), good))
    return found


@criterion("q11", points=1, hint="Words that two texts share say that they are alike.")
def test_cold_items_do_better_than_chance(answer, rng):
    """items without any play are ranked clearly above chance on an unseen world"""
    own, _ = _encoded(answer, rng)
    expect_true(clearly_above(own - LEAST_AUC), "cold items are ranked by chance")


@criterion("q11", points=1, hint="Predict the item's vector from its text.")
def test_the_encoder_beats_what_is_popular(answer, rng, reference):
    """it is clearly above the category's popularity, at 70 % of the reference's gain"""
    own, rival, ours = _encoded(answer, rng, reference)
    expect_true(clearly_above(own - rival), "the category's popularity does as well")
    gain, need = own.mean() - 0.5, SHARE_OF_GAIN * (ours.mean() - 0.5)
    expect_true(bool(gain >= need), "the gain over chance is below its floor")
