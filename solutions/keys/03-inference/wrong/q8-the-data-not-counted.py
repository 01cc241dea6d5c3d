"""q8, the data not counted: 7 points. It follows reference.py.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

def user_permutation(clicks, users, arms, draws, rng):
    _, first, codes = np.unique(users, return_index=True, return_inverse=True)
    c, n = np.bincount(codes, clicks), np.bincount(codes)
    label = np.asarray(arms)[first] == 1

    def difference(treated):
        one = c[treated].sum() / n[treated].sum()
        return one - c[~treated].sum() / n[~treated].sum()

    t = abs(difference(label))
    extreme = sum(abs(difference(rng.permutation(label))) >= t - 1e-12
                  for _ in range(draws))
    return float(extreme / draws)
