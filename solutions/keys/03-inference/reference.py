"""Reference answers of chapter 3, Probability Theory and Statistical Inference.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 3


import numpy as np
from scipy import stats

rng = np.random.default_rng(SEED)


def poisson_fit(X, y):
    """Estimate (d,) and inverse information (d, d) of a Poisson regression."""
    beta = np.zeros(X.shape[1])
    beta[0] = np.log(y.mean())  # a start where no mean is far off
    for _ in range(50):
        mu = np.exp(X @ beta)
        beta = beta + np.linalg.solve((X.T * mu) @ X, X.T @ (y - mu))
    mu = np.exp(X @ beta)
    return beta, np.linalg.inv((X.T * mu) @ X)


def wilson_ends(x, n, level):
    """Estimate and Wilson's two ends."""
    p, z = x / n, stats.norm.ppf((1 + level) / 2)
    centre = p + z**2 / (2 * n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return p, (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


def newcombe(x1, n1, x0, n0, level=0.95):
    """Newcombe's interval of p1 - p0: (low, high)."""
    p1, l1, u1 = wilson_ends(x1, n1, level)
    p0, l0, u0 = wilson_ends(x0, n0, level)
    d = p1 - p0
    return float(d - np.hypot(p1 - l1, u0 - p0)), float(d + np.hypot(u1 - p1, p0 - l0))


def lift_se(a, se_a, b, se_b):
    """Standard error of a / b - 1 by the delta method."""
    return float(a / b * np.hypot(se_a / a, se_b / b))


def lift_interval(a, se_a, b, se_b, level=0.95):
    """Interval (low, high) of a / b - 1 through the logarithm of a / b."""
    half = stats.norm.ppf((1 + level) / 2) * np.hypot(se_a / a, se_b / b)
    return float(a / b * np.exp(-half) - 1), float(a / b * np.exp(half) - 1)


def errors(y, sessions, users):
    """Standard errors of the mean by rows, sessions and users: a dictionary."""
    e, n = y - y.mean(), len(y)
    out = {}
    units = {"rows": np.arange(n), "sessions": sessions, "users": users}
    for name, labels in units.items():
        sums = np.bincount(np.unique(labels, return_inverse=True)[1], e)
        G = len(sums)
        out[name] = float(np.sqrt(G / (G - 1) * (sums**2).sum()) / n)
    return out


def variance_of_one_user(p0, p1, m, cv, rho):
    """Variance of the difference of two rates, with one user an arm."""
    deff = 1 + rho * (m * (1 + cv**2) - 1)
    return (p0 * (1 - p0) + p1 * (1 - p1)) * deff / m


def users_needed(p0, p1, m, cv, rho, alpha=0.05, power=0.8):
    """Users an arm for this power, as an int."""
    z = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    v = variance_of_one_user(p0, p1, m, cv, rho)
    return int(np.ceil(z**2 * v / (p1 - p0) ** 2))


def power_with(users, p0, p1, m, cv, rho, alpha=0.05):
    """Power of the two-sided test with so many users an arm."""
    se = np.sqrt(variance_of_one_user(p0, p1, m, cv, rho) / users)
    z, shift = stats.norm.ppf(1 - alpha / 2), (p1 - p0) / se
    return float(stats.norm.cdf(shift - z) + stats.norm.cdf(-shift - z))


def adjusted(y, x, d):
    """Adjusted difference of means and its standard error: (effect, se)."""
    arms = [d == 0, d == 1]
    sxy = sum(((x[a] - x[a].mean()) * (y[a] - y[a].mean())).sum() for a in arms)
    sxx = sum(((x[a] - x[a].mean()) ** 2).sum() for a in arms)
    r = y - sxy / sxx * x
    effect = r[arms[1]].mean() - r[arms[0]].mean()
    return float(effect), float(np.sqrt(sum(r[a].var(ddof=1) / a.sum() for a in arms)))


def user_permutation(clicks, users, arms, draws, rng):
    """Two-sided p-value; whole users are relabelled."""
    _, first, codes = np.unique(users, return_index=True, return_inverse=True)
    c, n = np.bincount(codes, clicks), np.bincount(codes)
    label = np.asarray(arms)[first] == 1

    def difference(treated):
        one = c[treated].sum() / n[treated].sum()
        return one - c[~treated].sum() / n[~treated].sum()

    t = abs(difference(label))
    extreme = sum(abs(difference(rng.permutation(label))) >= t - 1e-12
                  for _ in range(draws))
    return float((1 + extreme) / (1 + draws))


def huber(y, k, clusters=None):
    """Huber mean and its sandwich standard error: (estimate, se)."""
    low, high = y.min(), y.max()
    for _ in range(200):
        theta = (low + high) / 2
        if np.clip(y - theta, -k, k).sum() > 0:
            low = theta  # the score falls in theta: the zero lies higher
        else:
            high = theta
    u = y - theta
    scores, slope = np.clip(u, -k, k), (abs(u) <= k).sum()
    if clusters is not None:
        scores = np.bincount(np.unique(clusters, return_inverse=True)[1], scores)
    return float(theta), float(np.sqrt((scores**2).sum()) / slope)


def end_interval(y, b, draws, rng, level=0.95):
    """Interval (max y, high) of the end of a uniform distribution, by subsampling."""
    n, top = len(y), y.max()
    tops = np.array([rng.choice(y, size=b, replace=False).max() for _ in range(draws)])
    q = np.quantile(b * (top - tops), level)  # law of n (theta - max), estimated
    return float(top), float(top + q / n)
