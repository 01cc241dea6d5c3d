"""q8, impressions relabelled: 1 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def user_permutation(clicks, users, arms, draws, rng):
    clicks, label = np.asarray(clicks), np.asarray(arms) == 1

    def difference(treated):
        return clicks[treated].mean() - clicks[~treated].mean()

    t = abs(difference(label))
    extreme = sum(abs(difference(rng.permutation(label))) >= t - 1e-12
                  for _ in range(draws))
    return float((1 + extreme) / (1 + draws))
