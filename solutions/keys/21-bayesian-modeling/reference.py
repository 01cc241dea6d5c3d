"""Reference answers of chapter 21, Bayesian Modeling in Practice.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 1


import numpy as np

rng = np.random.default_rng(SEED)


def log_accept(log_x, log_new, x, new):
    """Log acceptance probability of a multiplicative proposal."""
    ratio = log_new - log_x + np.log(new / x)        # Q(x | x') / Q(x' | x) = x' / x
    return np.minimum(0.0, np.where(np.isnan(ratio), -np.inf, ratio))


def partial_pool(y, se, tau):
    """Posterior of group effects given tau."""
    if not (np.asarray(se) > 0).all():
        raise ValueError("standard errors must be positive")
    v = se**2 + tau**2
    V = 1 / (1 / v).sum()
    m = V * (y / v).sum()
    B = tau**2 / v
    sd = np.sqrt(B * se**2 + (1 - B) ** 2 * V)
    return {"centre": float(m), "mean": B * y + (1 - B) * m, "sd": sd}


def leapfrog(q, p, P, mu, eps, L, M_inv):
    """L leapfrog steps with a dense inverse mass."""
    for _ in range(L):
        p = p - eps / 2 * P @ (q - mu)
        q = q + eps * M_inv @ p
        p = p - eps / 2 * P @ (q - mu)
    return q, p


from scipy.special import betaln, digamma


def evidence(eta, k, n):
    """Log evidence and its gradient in (log a, log b)."""
    a, b = np.exp(eta)
    value = (betaln(a + k, b + n - k) - betaln(a, b)).sum()
    both = digamma(a + b) - digamma(a + b + n)
    da = (digamma(a + k) - digamma(a) + both).sum()
    db = (digamma(b + n - k) - digamma(b) + both).sum()
    return float(value), np.array([a * da, b * db])


def predict(eta, k, n):
    """Posterior mean of each user's rate."""
    a, b = np.exp(eta)
    return (a + k) / (a + b + n)


def nested_rhat(x):
    """Nested R-hat of draws (G, m, S)."""
    x = np.asarray(x, dtype=float)
    G, m, S = x.shape
    if G < 2:
        raise ValueError("nested R-hat needs at least two superchains")
    chain = x.mean(axis=2)                                       # (G, m)
    between_chains = chain.var(axis=1, ddof=1) if m > 1 else np.zeros(G)
    within = x.var(axis=2, ddof=1).mean(axis=1) if S > 1 else np.zeros(G)
    W = (between_chains + within).mean()
    B = chain.mean(axis=1).var(ddof=1)
    return float(np.sqrt(1 + B / W)) if W > 0 else float("nan")


def stationary_limit(m, S, phi):
    """Limit of nested R-hat in many superchains of stationary AR(1) chains."""
    t = np.arange(1, S)
    v = (1 + 2 * ((1 - t / S) * phi**t).sum()) / S     # Var(chain mean) / sigma^2
    within = (1 - v) * S / (S - 1) if S > 1 else 0.0   # E[sample variance] / sigma^2
    return float(np.sqrt(1 + v / m / (v + within)))


from scipy import stats


def rank_density(u, b, s):
    """Density of the rank of the truth, as a share, for a faulty sampler."""
    z = stats.norm.ppf(u)                        # theta = b + s z has rank u
    return s * np.exp((z**2 - (b + s * z) ** 2) / 2)


def fault(histogram):
    """Name the fault that a histogram of ranks in 20 bins shows."""
    h = np.asarray(histogram)
    low, high = h[:5].sum() - h.sum() / 4, h[15:].sum() - h.sum() / 4
    if low * high < 0:
        return "too high" if low > 0 else "too low"
    return "too narrow" if low + high > 0 else "too wide"
