"""M3: item vectors from texts, for items that nobody has played yet.

B users, N items, D factors, T words.
"""

import numpy as np

D = 16
LAM = 10.0  # ridge penalty of the encoder


def _words(texts):
    """(N, T): tf-idf of the words that two texts share, rows of length 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=2)
    return vectorizer.fit_transform(texts).toarray()


def score_cold(user, item, texts, n_users, cold):
    """(n_users, m): users' vectors times what the encoder makes of the cold texts."""
    X, cold = np.zeros((n_users, len(texts))), np.asarray(cold)
    X[user, item] = 1.0
    warm = np.setdiff1d(np.arange(len(texts)), cold)
    seen = X[:, warm]
    U, s, Vt = np.linalg.svd(seen / np.sqrt(1 + seen.sum(axis=0)), full_matrices=False)
    T, V = _words(texts), Vt[:D].T * s[:D]
    G = T[warm]
    W = np.linalg.solve(G.T @ G + LAM * np.eye(T.shape[1]), G.T @ V)
    return U[:, :D] @ (T[cold] @ W).T
