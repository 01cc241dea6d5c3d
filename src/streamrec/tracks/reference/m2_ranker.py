"""M2: the probability of a click."""

import numpy as np


def click_probability(X, y, X_new):
    """Probability of a click for each new row, (m,): gradient boosting."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.1, max_leaf_nodes=8, random_state=0
    )
    return model.fit(X, np.asarray(y) > 0).predict_proba(X_new)[:, 1]
