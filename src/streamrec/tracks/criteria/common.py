"""What several milestones' criteria use."""

import numpy as np


def tiny_world(rng):
    """A world of 500 users and 300 items that nobody has met."""
    from streamrec.worlds.streaming import StreamingWorld

    return StreamingWorld("tiny", seed=int(rng.integers(2**63)))


def middle_world(rng, n_users, n_items):
    """A world of a size between tiny and small that nobody has met."""
    from streamrec.worlds.streaming import StreamingWorld

    size = {"n_users": n_users, "n_items": n_items}
    return StreamingWorld("tiny", seed=int(rng.integers(2**63)), **size)


def played(world, days):
    """(user, item, day) of what was clicked, (n, 3)."""
    log = world.log(days)
    return log.loc[log["clicked"], ["user", "item", "day"]].to_numpy(np.int64)


def new_plays(rng, days, cut):
    """(past, later, B, N): pairs clicked before day ``cut`` and from it on, (n, 2).

    The world itself is let go: a criterion that fails keeps what it holds.
    """
    world = tiny_world(rng)
    plays = played(world, days)
    past, later = plays[plays[:, 2] < cut, :2], plays[plays[:, 2] >= cut, :2]
    B, N = len(world.users), len(world.items)
    return np.unique(past, axis=0), np.unique(later, axis=0), B, N


def clearly_above(gap, margin=2.0):
    """Whether the mean of paired differences is ``margin`` standard errors above 0."""
    gap = np.asarray(gap, float)
    return bool(gap.mean() > margin * gap.std(ddof=1) / len(gap) ** 0.5)
