"""Reference answers of chapter 4, Information Theory for Data Science.

Generated from solutions.ipynb: do not edit.
"""

# ruff: noqa
# mypy: ignore-errors

SEED = 4


import numpy as np
from scipy import optimize, special, stats
from scipy.spatial import cKDTree

rng = np.random.default_rng(SEED)


def bits_saved(y, p):
    """Mean bits a row saved by probabilities p (n,) against the constant mean of y."""
    y, p = np.asarray(y), np.asarray(p, float)
    if not ((p > 0) & (p < 1)).all():
        raise ValueError("a probability of 0 or 1 may cost infinitely many bits")
    rate = y.mean()
    constant = np.where(y == 1, np.log2(rate), np.log2(1 - rate))
    model = np.where(y == 1, np.log2(p), np.log2(1 - p))
    return float((model - constant).mean())


def codewords(lengths):
    """Words of a prefix code with these lengths, in their order."""
    lengths = [int(v) for v in lengths]
    top = max(lengths)
    if sum(2 ** (top - v) for v in lengths) > 2**top:
        raise ValueError("no prefix code has these lengths: Kraft's sum exceeds 1")
    words, start = [""] * len(lengths), 0
    for k in sorted(range(len(lengths)), key=lambda j: lengths[j]):
        words[k] = format(start >> (top - lengths[k]), f"0{lengths[k]}b")
        start += 2 ** (top - lengths[k])
    return words


def decode(bits, words):
    """Outcomes coded by the string bits."""
    outcome, out, word = {w: k for k, w in enumerate(words)}, [], ""
    for bit in bits:
        word += bit
        if word in outcome:
            out.append(outcome[word])
            word = ""
    if word:
        raise ValueError(f"{len(word)} bits are left that are no word")
    return out


def psi_alarm(p, q, size=0.1, level=0.01, rows_per_unit=1.0):
    """psi, excess, p_value and alarm for counts p and q (B,)."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    scale = rows_per_unit * (1 / p.sum() + 1 / q.sum())
    a, b = p / p.sum(), q / q.sum()
    psi = float(((a - b) * np.log(a / b)).sum())
    excess = psi - scale * (len(p) - 1)
    p_value = float(stats.chi2.sf(psi / scale, len(p) - 1))
    return {"psi": psi, "excess": excess, "p_value": p_value,
            "alarm": bool(excess > size and p_value < level)}


def max_entropy(values, mean):
    """Distribution (K,) on the values with this mean and the largest entropy."""
    v = np.asarray(values, float)
    if not v.min() < mean < v.max():
        raise ValueError("the mean must lie strictly between the extreme values")
    w = (v - v.min()) / (v.max() - v.min())
    tilted = lambda lam: special.softmax(-lam * w)
    target = (mean - v.min()) / (v.max() - v.min())
    bound = 1.0
    while not tilted(bound) @ w < target < tilted(-bound) @ w:
        bound *= 2
    lam = optimize.brentq(lambda u: tilted(u) @ w - target, -bound, bound, xtol=1e-13)
    return tilted(lam)


def jackknife_entropy(labels, groups):
    """Entropy corrected by leaving out groups, and its standard error."""
    k = np.unique(labels, return_inverse=True)[1]
    g = np.unique(groups, return_inverse=True)[1]
    G, K = g.max() + 1, k.max() + 1
    if G < 2:
        raise ValueError("one group has nothing to leave out")
    table = np.bincount(g * K + k, minlength=G * K).reshape(G, K)
    left = table.sum(axis=0) - table  # (G, K) counts without each group
    H = lambda c: special.entr(c / c.sum(axis=-1, keepdims=True)).sum(axis=-1)
    without = H(left)
    value = G * H(table.sum(axis=0)) - (G - 1) * without.mean()
    se = np.sqrt((G - 1) / G * ((without - without.mean()) ** 2).sum())
    return float(value), float(se)


def pinsker_gap(p, q):
    """KL(p || q) - 2 TV(p, q)^2 in nats."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    tv = np.abs(p - q).sum() / 2
    return float(special.rel_entr(p, q).sum() - 2 * tv**2)


def joint_entropy(*columns):
    """Plug-in entropy of the combinations of integer columns (n,)."""
    rows = np.stack(columns, axis=1)
    return stats.entropy(np.unique(rows, axis=0, return_counts=True)[1])


def by_what_is_new(codes, y, k):
    """Positions of k features, each with the most that is new."""
    codes = np.asarray(codes)
    p = codes.shape[1]
    if not 1 <= k <= p:
        raise ValueError(f"k must be between 1 and {p}, not {k}")
    H = joint_entropy
    score = np.array([H(x) + H(y) - H(x, y) for x in codes.T])
    chosen = []
    while len(chosen) < k:
        best = int(np.argmax([-np.inf if j in chosen else score[j] for j in range(p)]))
        chosen.append(best)
        z = codes[:, best]
        told = [H(x, z) + H(y, z) - H(x, y, z) - H(z) for x in codes.T]
        score = np.minimum(score, told)
    return chosen


def knn_divergence(x, y, k=1):
    """Estimate of KL(p || q) from x (n, d) and y (m, d) by k-th neighbours, in nats."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    (n, d), m = x.shape, len(y)
    if y.shape[1] != d:
        raise ValueError("x and y need the same number of columns")
    if not 1 <= k <= min(n - 1, m):
        raise ValueError("too few points for k neighbours")
    rho = cKDTree(x).query(x, [k + 1])[0][:, 0]  # the first neighbour is x_i itself
    nu = cKDTree(y).query(x, [k])[0][:, 0]
    return float(d * np.mean(np.log(nu / rho)) + np.log(m / (n - 1)))
