"""M5: retrieval of candidates and their ranking: item-to-item weights, tuned apart.

B users, N items, k candidates.
"""

import numpy as np

WIDE, SHARP = 300.0, 100.0  # ridge penalties: for candidates, for their order


def _scores(user, item, n_users, n_items, lam):
    """(X, X W): what was played and the scores of EASE with penalty lam."""
    from streamrec.models.ease import ease_weights

    X = np.zeros((n_users, n_items))
    X[user, item] = 1.0
    return X, X @ ease_weights(X.T @ X, lam)


def retrieve(user, item, user_features, item_features, k):
    """(B, k) items that the user has not seen, best first."""
    B, N = len(user_features), len(item_features)
    X, S = _scores(user, item, B, N, WIDE)
    plays = X.sum(axis=0)
    S[~X.any(axis=1)] = plays  # users without history
    S = np.where(X > 0, -np.inf, S + 1e-9 * plays)
    return np.argsort(-S, axis=1, kind="stable")[:, :k]


def rank(user, item, user_features, item_features, candidates):
    """(B, k) scores of the candidates."""
    B, N = len(user_features), len(item_features)
    X, S = _scores(user, item, B, N, SHARP)
    S += 1e-4 * X.sum(axis=0)
    return np.take_along_axis(S, np.asarray(candidates), axis=1)
