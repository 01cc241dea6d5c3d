"""M0: metrics, splits and a tuned baseline.

Shapes: B users, N items, n interactions, k places in a list.
"""

import numpy as np
from scipy import sparse

LAM = 100.0  # ridge penalty, in squared interactions


def ndcg(ranked, relevant, k):
    """NDCG@k of each user, (B,): the package's metric; 0 without relevant items."""
    from streamrec.evaluation import ranking

    rows = np.repeat(np.arange(len(relevant)), [len(r) for r in relevant])
    items = np.concatenate([np.asarray(r, dtype=int) for r in relevant] or [[]])
    N = 1 + int(max(np.max(ranked, initial=0), np.max(items, initial=0)))
    held_out = sparse.csr_matrix(
        (np.ones(len(items)), (rows, items.astype(int))), shape=(len(relevant), N)
    )
    hits, n_relevant = ranking.find_hits(np.asarray(ranked)[:, :k], held_out)
    return np.nan_to_num(ranking.ndcg(hits, n_relevant))


def hold_out_last(user, time, share):
    """True for the last floor(share x n_u) interactions of each user u, (n,)."""
    user, time = np.asarray(user), np.asarray(time)
    order = np.lexsort((time, user))
    _, start, size = np.unique(user[order], return_index=True, return_counts=True)
    place = np.arange(len(user)) - np.repeat(start, size)
    test = np.zeros(len(user), dtype=bool)
    test[order] = place >= np.repeat(size - np.floor(share * size).astype(int), size)
    return test


def split_at(user, item, time, cut):
    """(train, test): before the cut; from it on, without pairs that training has."""
    user, item, time = map(np.asarray, (user, item, time))
    train = time < cut
    N = int(item.max(initial=0)) + 1
    pair = user.astype(np.int64) * N + item
    return train, ~train & ~np.isin(pair, pair[train])


def score_items(user, item, n_users, n_items):
    """Scores of every item for every user, (n_users, n_items): EASE."""
    from streamrec.models.ease import ease_weights

    X = np.zeros((n_users, n_items))
    X[user, item] = 1.0
    return X @ ease_weights(X.T @ X, LAM)
