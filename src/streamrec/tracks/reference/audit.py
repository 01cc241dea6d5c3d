"""Audit: rates, means and exposure, with their intervals."""

import numpy as np


def selection_rates(selected, group):
    """For each group in ascending order: (rate, low, high), Wilson's 95 % interval."""
    from streamrec.fairness.metrics import group_rates

    table = group_rates(selected, group).sort_values("group")
    return table[["value", "low", "high"]].to_numpy(float)


def group_means(value, user, group):
    """For each group in ascending order: (mean, low, high), clustered by user."""
    from streamrec.fairness.audit import clustered_mean

    value, user, group = np.asarray(value, float), np.asarray(user), np.asarray(group)
    rows = []
    for g in np.unique(group):
        own = group == g
        _, code = np.unique(user[own], return_inverse=True)
        m, se = clustered_mean(np.bincount(code, value[own]), np.bincount(code) * 1.0)
        rows.append((m, m - 1.96 * se, m + 1.96 * se))
    return np.array(rows)


def exposure_gini(ranked, n_items, weights):
    """Gini of position-weighted exposure over the whole catalogue."""
    from streamrec.evaluation import ranking

    return ranking.exposure_gini(ranked, n_items, weights)
