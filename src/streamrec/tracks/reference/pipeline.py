"""The whole: from a log to lists."""

import numpy as np


def recommend(user, item, n_users, n_items, k, seed=0):
    """(n_users, k) items, best first, none that a user has seen; -1 where none is left.

    A user without history gets what is popular.
    """
    from streamrec.tracks.reference import m0_offline

    user, item = np.asarray(user), np.asarray(item)
    seen = np.zeros((n_users, n_items), dtype=bool)
    seen[user, item] = True
    scores = np.array(m0_offline.score_items(user, item, n_users, n_items), float)
    scores[~seen.any(axis=1)] = seen.sum(axis=0)
    scores[seen] = -np.inf
    lists = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.where(np.isfinite(np.take_along_axis(scores, lists, 1)), lists, -1)
