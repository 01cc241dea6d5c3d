"""M4: what comes next, from what came before and nothing else."""

import numpy as np

from streamrec.grading.criteria import (
    criterion,
    expect_close,
    expect_finite,
    expect_shape,
    expect_true,
)
from streamrec.tracks.criteria.common import clearly_above

LEAST_GAIN = 0.04  # in the share of next items found, over the bag of items
SHARE_OF_ORDER = 0.7  # of the reference's gain over the bag of items


def _sequences(rng, n, N, L):
    """(n, L) items, -1 after the end: the next one depends on the last two, in order.

    A sequence has at least 7 items.
    """
    one, two = 1.6 * rng.normal(size=(2, N, N))
    x = rng.integers(0, N, (n, L))
    for t in range(2, L):
        z = one[x[:, t - 1]] + two[x[:, t - 2]] + rng.gumbel(size=(n, N))
        x[:, t] = z.argmax(axis=1)
    return np.where(np.arange(L) < rng.integers(7, L + 1, (n, 1)), x, -1)


def _train_and_new(rng):
    N, L = int(rng.integers(20, 26)), 14
    x = _sequences(rng, 1_800, N, L)
    return x[:1_500], x[1_500:], N


def _next_scores(answer, train, N, new):
    scores = answer.next_scores(train, N, new)
    expect_shape(scores, (*new.shape, N), "the scores")
    expect_finite(scores, "the scores")
    return np.asarray(scores, float)


def _cut(rng, x, times=5):
    """(beginnings of x, each ``times`` over, where each ends, what comes next).

    What follows a beginning is not there, so that nobody gains by looking ahead.
    """
    x = np.repeat(x, times, axis=0)
    end = rng.integers(1, (x >= 0).sum(axis=1) - 1)
    given = np.where(np.arange(x.shape[1]) <= end[:, None], x, -1)
    return given, end, x[np.arange(len(x)), end + 1]


def _found(scores, end, nxt, times=5):
    """Share of next items among the best three, for each sequence, (n,).

    Of equal scores half count, as if drawn.
    """
    z = scores[np.arange(len(end)), end]
    own = z[np.arange(len(end)), nxt][:, None]
    rank = (z > own).sum(axis=1) + 0.5 * ((z == own).sum(axis=1) - 1)
    return (rank < 3).reshape(-1, times).mean(axis=1)


def _bag_of_items(train, N, new):
    """Scores of a multinomial logistic regression on counts: the order is lost."""
    from sklearn.linear_model import LogisticRegression

    def bag(x):
        one = np.eye(N + 1)[x][..., :N]  # -1 is the last row, which is cut away
        return np.cumsum(one, axis=1)[:, 1:-1].reshape(-1, N)

    y = train[:, 2:].ravel()
    model = LogisticRegression(max_iter=60).fit(bag(train)[y >= 0], y[y >= 0])
    out = np.full((*new.shape, N), -1e9)
    p = model.predict_log_proba(bag(new))
    out[:, 1:-1, model.classes_] = p.reshape(len(new), -1, len(model.classes_))
    return out


@criterion("q12", points=2, hint="A model that reads the future cannot be served.")
def test_future_events_change_nothing(answer, rng):
    """edits of later items leave each earlier score as it was, and change later ones"""
    train, new, N = _train_and_new(rng)
    new = new[(new >= 0).all(axis=1)]
    cut = rng.integers(3, new.shape[1] - 3, (len(new), 1))
    place = np.arange(new.shape[1])[None, :]
    other = (new + rng.integers(1, N, new.shape)) % N
    edited = np.where(place > cut, other, new)
    order = rng.permutation(2 * len(new))  # nobody knows which row is which
    scores = _next_scores(answer, train, N, np.r_[new, edited][order])
    back = np.argsort(order)
    first, second = scores[back[: len(new)]], scores[back[len(new) :]]
    early = np.broadcast_to(place <= cut, new.shape)
    expect_close(first[early], second[early], rtol=1e-5, what="an earlier score")
    moved = np.abs(first - second).max(axis=2) > 1e-6 * np.abs(first).max()
    expect_true(bool(moved[~early].mean() > 0.8), "later scores ignore the edits")
    given, end, nxt = _cut(rng, new)
    popular = np.bincount(train[train >= 0], minlength=N).astype(float)
    rival = _found(np.broadcast_to(popular, (*given.shape, N)), end, nxt)
    own = _found(_next_scores(answer, train, N, given), end, nxt)
    expect_true(clearly_above(own - rival), "it does no better than what is popular")


def _beside_its_twin(answer, rng, reference=None):
    train, new, N = _train_and_new(rng)
    given, end, nxt = _cut(rng, new)
    own = _found(_next_scores(answer, train, N, given), end, nxt)
    twin = _found(_bag_of_items(train, N, given), end, nxt)
    if reference is None:
        return own, twin
    return own, twin, _found(_next_scores(reference, train, N, given), end, nxt)


@criterion("q12", points=1.5, hint="The item before says more than all before it.")
def test_the_model_beats_its_bag_of_items_twin(answer, rng):
    """on data whose order matters it is clearly above a twin that ignores order"""
    own, twin = _beside_its_twin(answer, rng)
    expect_true(clearly_above(own - twin - LEAST_GAIN), "the bag of items does as well")


@criterion("q12", points=1.5, hint="The last item alone is not enough here.")
def test_the_model_uses_more_than_the_last_item(answer, rng, reference):
    """its gain over the twin is at least 70 % of the reference's"""
    own, twin, ours = _beside_its_twin(answer, rng, reference)
    need = SHARE_OF_ORDER * (ours - twin).mean()
    expect_true(bool((own - twin).mean() >= need), "the gain is below its floor")
