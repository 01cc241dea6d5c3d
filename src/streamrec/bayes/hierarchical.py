"""Many groups with little data each, pooled as far as the data say they agree.

Chapter 21. Two models. ``normal_groups``: estimates y_j with known standard errors
se_j around effects theta_j ~ N(mu, tau^2), solved by quadrature over tau, no sampling.
``ColdStart``: a new user's shares of K categories, theta_u ~ Dirichlet(alpha), with
alpha learned from earlier users by Hamiltonian Monte Carlo or by maximum likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from streamrec.bayes.diagnostics import ess_bulk, rhat
from streamrec.bayes.hmc import hmc

Floats = NDArray[np.float64]
PRIORS = ("half-normal", "half-cauchy", "flat")
ALPHA_BOUNDS = (1e-3, 1e3)  # of the maximum-likelihood alpha, which may not exist


def _estimates(y: ArrayLike, se: ArrayLike) -> tuple[Floats, Floats]:
    """(J,) estimates and standard errors, or one sentence on what is wrong."""
    y, se = np.asarray(y, dtype=float), np.asarray(se, dtype=float)
    if y.ndim != 1 or y.shape != se.shape or y.size < 2:
        raise ValueError(
            f"y and se must be two vectors of one length, at least 2, not {y.shape} "
            f"and {se.shape}"
        )
    if not np.isfinite(y).all() or not np.isfinite(se).all():
        raise ValueError("y and se must be finite: drop groups without an estimate")
    if not (se > 0).all():
        raise ValueError("standard errors must be positive")
    return y, se


# derivation: eq-by-shrink
def shrinkage(se: ArrayLike, tau: ArrayLike) -> Floats:
    """Weight of a group's own estimate: B_j = tau^2 / (tau^2 + se_j^2), in [0, 1].

    The posterior mean given mu and tau is B_j y_j + (1 - B_j) mu.

    >>> shrinkage([1.0, 3.0], 1.0).tolist()
    [0.5, 0.1]
    """
    se, tau = np.asarray(se, dtype=float), np.asarray(tau, dtype=float)
    return tau**2 / (tau**2 + se**2)


# derivation: eq-by-conditional
def centre(y: Floats, se: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of mu given tau under a flat prior on mu: (T,), (T,).

    Precision weights w_j = 1 / (se_j^2 + tau^2); y, se (J,), tau (T,).
    """
    w = 1 / (se**2 + tau[:, None] ** 2)  # (T, J)
    V = 1 / w.sum(axis=1)
    return V * (w * y).sum(axis=1), V


# derivation: eq-by-marginal
def log_marginal(y: Floats, se: Floats, tau: Floats) -> Floats:
    """Log p(y | tau) with mu integrated out, without constants: (T,).

    (log V - sum_j log v_j - sum_j (y_j - m)^2 / v_j) / 2 with v_j = se_j^2 + tau^2.
    """
    m, V = centre(y, se, tau)
    v = se**2 + tau[:, None] ** 2  # (T, J)
    fit = np.log(v) + (y - m[:, None]) ** 2 / v
    return 0.5 * (np.log(V) - fit.sum(axis=1))


# derivation: eq-by-conditional
def conditional(y: Floats, se: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of each theta_j given tau, mu integrated out: (T, J) twice.

    B y + (1 - B) m  and  B se^2 + (1 - B)^2 V.
    """
    m, V = centre(y, se, tau)
    B = shrinkage(se, tau[:, None])  # (T, J)
    mean = B * y + (1 - B) * m[:, None]
    return mean, B * se**2 + (1 - B) ** 2 * V[:, None]


@dataclass(frozen=True)
class Groups:
    """What is known about J groups, as a mixture over values of tau.

    tau (T,), weight (T,) sum to 1; mu, mu_variance (T,) and theta, theta_variance
    (T, J) given tau. One value of tau means that it was estimated, not averaged over.
    """

    tau: Floats
    weight: Floats
    mu: Floats
    mu_variance: Floats
    theta: Floats
    theta_variance: Floats

    @property
    def mean(self) -> Floats:
        """Posterior means of theta, (J,)."""
        return self.weight @ self.theta

    @property
    def sd(self) -> Floats:
        """Posterior standard deviations of theta, (J,)."""
        second = self.weight @ (self.theta_variance + self.theta**2)
        return np.sqrt(second - self.mean**2)

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Central interval of each theta_j, by bisection of the mixture: (J,), (J,)."""
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, not {level}")
        return self._quantile((1 - level) / 2), self._quantile((1 + level) / 2)

    def _quantile(self, p: float) -> Floats:
        s = np.sqrt(self.theta_variance)  # (T, J)
        low = (self.theta - 12 * s).min(axis=0)
        high = (self.theta + 12 * s).max(axis=0)
        for _ in range(60):
            mid = (low + high) / 2
            below = self.weight @ special.ndtr((mid - self.theta) / s) < p
            low, high = np.where(below, mid, low), np.where(below, high, mid)
        return (low + high) / 2


def _groups(y: Floats, se: Floats, tau: Floats, weight: Floats) -> Groups:
    return Groups(tau, weight, *centre(y, se, tau), *conditional(y, se, tau))


# derivation: eq-by-quadrature
def _log_prior(tau: Floats, prior: str, scale: float) -> Floats:
    """Log density of tau, without its constant: (T,)."""
    z = tau / scale
    if prior == "half-normal":
        return -(z**2) / 2
    return -np.log1p(z**2) if prior == "half-cauchy" else np.zeros_like(z)


def normal_groups(
    y: ArrayLike,
    se: ArrayLike,
    *,
    scale: float,
    prior: str = "half-normal",
    points: int = 1000,
) -> Groups:
    """Full posterior of y_j ~ N(theta_j, se_j^2), theta_j ~ N(mu, tau^2), mu flat.

    Everything but tau is conjugate, so tau is the only integral: the midpoint rule on
    u = tau / (tau + g) in (0, 1), with g the smaller of ``scale`` and the range of the
    data. scale: of the prior of tau, in the units of y. prior: one of ``PRIORS``.

    Raises
    ------
    ValueError
        For bad input, and where the posterior would be improper: a flat prior of tau
        with fewer than three groups, or the prior 1/tau ("log-flat") with any number.

    >>> g = normal_groups([28.0, 8, -3, 7], [15.0, 10, 16, 11], scale=10)
    >>> g.mean.round(1).tolist()
    [12.6, 9.1, 7.6, 8.9]
    """
    y, se = _estimates(y, se)
    if prior == "log-flat":
        raise ValueError(
            "the prior 1/tau gives an improper posterior: the likelihood stays "
            "positive at tau = 0; use a half-normal or half-cauchy prior"
        )
    if prior not in PRIORS:
        raise ValueError(f"prior must be one of {', '.join(PRIORS)}, not {prior!r}")
    if prior == "flat" and y.size < 3:
        raise ValueError(
            "a flat prior of tau gives an improper posterior with fewer than 3 groups; "
            "use a half-normal or half-cauchy prior"
        )
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(
            f"scale must be positive and finite, not {scale}: an infinite one is an "
            'improper prior (ask for prior="flat")'
        )
    if points < 10:
        raise ValueError(f"points must be at least 10, not {points}")
    tau, jacobian = _grid(min(scale, float(np.ptp(y) + se.max())), points)
    log_weight = log_marginal(y, se, tau) + _log_prior(tau, prior, scale) + jacobian
    return _groups(y, se, tau, special.softmax(log_weight))


# derivation: eq-by-quadrature
def _grid(scale: float, points: int) -> tuple[Floats, Floats]:
    """Midpoints tau = scale u / (1 - u) and log d tau / d u: (T,), (T,)."""
    u = (np.arange(points) + 0.5) / points
    return scale * u / (1 - u), np.log(scale) - 2 * np.log(1 - u)


def empirical_bayes(y: ArrayLike, se: ArrayLike) -> Groups:
    """The same model with tau replaced by its restricted maximum likelihood.

    The uncertainty of mu is kept, that of tau is not. An estimate of 0
    pools completely.

    >>> float(empirical_bayes([1.0, 1.1, 0.9], [1.0, 1.0, 1.0]).tau[0])
    0.0
    """
    y, se = _estimates(y, se)
    top = 10 * (np.ptp(y) + se.max())
    coarse = np.r_[0.0, np.geomspace(1e-4 * top, top, 200)]
    value = log_marginal(y, se, coarse)
    best = int(value.argmax())
    tau = coarse[best]
    if 0 < best < coarse.size - 1:
        found = optimize.minimize_scalar(
            lambda t: -log_marginal(y, se, np.array([t]))[0],
            bounds=(coarse[best - 1], coarse[best + 1]),
            method="bounded",
            options={"xatol": 1e-10 * top},
        )
        tau = found.x
    return _groups(y, se, np.array([tau]), np.ones(1))


# ------------------------------------------------------------------ cold start


# derivation: eq-by-evidence
def tail_counts(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """How many users have more than r in category k, (K, R), and in all, (R_all,).

    All that the Dirichlet-multinomial evidence needs to know about the users.

    >>> tail_counts(np.array([[2, 0], [1, 1]]))[0].tolist()
    [[2.0, 1.0], [1.0, 0.0]]
    """
    r = np.arange(max(1, counts.max()))
    total = counts.sum(axis=1)
    s = np.arange(max(1, total.max()))
    each = (counts[:, :, None] > r).sum(axis=0).astype(float)
    return each, (total[:, None] > s).sum(axis=0).astype(float)


# derivation: eq-by-evidence
def log_evidence(alpha: Floats, each: Floats, total: Floats) -> Floats:
    """Sum over users of log p(x_u | alpha), multinomial coefficients dropped: (C,).

    sum_k sum_r T_kr log(alpha_k + r) - sum_r T_r log(A + r), A = sum_k alpha_k.
    alpha (C, K).
    """
    a = alpha[:, :, None] + np.arange(each.shape[1])  # (C, K, R)
    A = alpha.sum(axis=1)[:, None] + np.arange(total.size)  # (C, R_all)
    return (each * np.log(a)).sum(axis=(1, 2)) - (total * np.log(A)).sum(axis=1)


# derivation: eq-by-evidence-slope
def evidence_gradient(alpha: Floats, each: Floats, total: Floats) -> Floats:
    """Gradient of ``log_evidence`` in eta = log alpha: (C, K)."""
    a = alpha[:, :, None] + np.arange(each.shape[1])
    A = alpha.sum(axis=1)[:, None] + np.arange(total.size)
    slope = (each / a).sum(axis=2) - (total / A).sum(axis=1)[:, None]
    return alpha * slope


def _counts(counts: ArrayLike, K: int | None = None) -> NDArray[np.int64]:
    x = np.asarray(counts)
    if x.ndim != 2 or x.shape[1] < 2 or (K is not None and x.shape[1] != K):
        wanted = "at least 2" if K is None else str(K)
        raise ValueError(f"counts must be (users, {wanted} categories), not {x.shape}")
    if not np.isfinite(x).all() or (x < 0).any() or (x != np.round(x)).any():
        raise ValueError("counts must be whole numbers, zero or more, without NaN")
    return x.astype(np.int64)


@dataclass(eq=False)
class ColdStart:
    """Preferences of users with few interactions, pooled towards earlier users.

    x_u | theta_u ~ Multinomial(n_u, theta_u), theta_u ~ Dirichlet(alpha), and
    log alpha_k ~ N(log(prior_total / K), prior_spread^2). The mean share of category k
    given alpha is (alpha_k + x_uk) / (A + n_u): the user's own shares with weight
    n_u / (n_u + A), the population's with the rest.

    method "bayes" averages over draws of alpha; "empirical" plugs in the maximum of the
    evidence, searched within ``ALPHA_BOUNDS``. After ``fit``: alpha_ (S, K);
    rhat_ and ess_ (K,) for "bayes".

    >>> model = ColdStart(method="empirical").fit([[5, 1], [1, 4], [3, 0], [0, 5]])
    >>> bool(model.preference([[3, 0]])[0, 0] > 0.6)
    True
    """

    method: str = "bayes"
    prior_total: float = 5.0
    prior_spread: float = 1.5
    draws: int = 250
    warmup: int = 250
    chains: int = 4
    alpha_: Floats = field(init=False, repr=False)
    rhat_: Floats = field(init=False, repr=False)
    ess_: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.method not in ("bayes", "empirical"):
            raise ValueError(f'method: "bayes" or "empirical", not {self.method!r}')
        for name in ("prior_total", "prior_spread"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ValueError(
                    f"{name} must be positive and finite, not {value}: a flat prior on "
                    "log alpha is improper, and so would be the posterior"
                )

    def fit(
        self, counts: ArrayLike, *, rng: np.random.Generator | None = None
    ) -> ColdStart:
        """Learn alpha from earlier users' counts (U, K); rng is needed for "bayes"."""
        x = _counts(counts)
        if x.sum() == 0:
            raise ValueError("no interactions to learn from: all counts are zero")
        each, total = tail_counts(x)
        if self.method == "empirical":
            self.alpha_ = _maximise(each, total)[None]
            return self
        if rng is None:
            raise ValueError('method "bayes" draws: give fit an rng')
        start = self._prior_mean(x.shape[1]) + 0.3 * rng.normal(
            size=(self.chains, x.shape[1])
        )
        samples = hmc(
            lambda eta: self.log_posterior(eta, each, total),
            lambda eta: self.gradient(eta, each, total),
            start,
            draws=self.draws,
            warmup=self.warmup,
            rng=rng,
            step=0.05,
        )
        eta = samples.draws  # (C, S, K)
        self.rhat_ = np.array([rhat(eta[:, :, k]) for k in range(eta.shape[2])])
        self.ess_ = np.array([ess_bulk(eta[:, :, k]) for k in range(eta.shape[2])])
        self.alpha_ = np.exp(eta.reshape(-1, eta.shape[2]))
        return self

    def _fitted(self) -> Floats:
        if not hasattr(self, "alpha_"):
            raise ValueError("ColdStart is not fitted: call fit first")
        return self.alpha_

    def _prior_mean(self, K: int) -> float:
        return float(np.log(self.prior_total / K))

    # derivation: eq-by-cold
    def log_posterior(self, eta: Floats, each: Floats, total: Floats) -> Floats:
        """Log density of eta = log alpha without its constant: (C, K) -> (C,)."""
        z = (eta - self._prior_mean(eta.shape[1])) / self.prior_spread
        return log_evidence(np.exp(eta), each, total) - 0.5 * (z**2).sum(axis=1)

    # derivation: eq-by-cold
    def gradient(self, eta: Floats, each: Floats, total: Floats) -> Floats:
        """Gradient of ``log_posterior``: (C, K)."""
        pull = (eta - self._prior_mean(eta.shape[1])) / self.prior_spread**2
        return evidence_gradient(np.exp(eta), each, total) - pull

    # derivation: eq-by-cold-predictive
    def preference(self, counts: ArrayLike) -> Floats:
        """Probability that the next interaction is in each category: (B, K).

        Draws of alpha are weighted by p(x_u | alpha): the user's own counts are data on
        alpha too. Time and memory O(B S K).
        """
        x = _counts(counts, self._fitted().shape[1])
        a, A = self.alpha_, self.alpha_.sum(axis=1)  # (S, K), (S,)
        n = x.sum(axis=1)  # (B,)
        out = np.empty(x.shape)
        for b in range(len(x)):
            kinds = np.flatnonzero(x[b])
            w = special.softmax(
                _log_rising(a[:, kinds], x[b, kinds]).sum(axis=1) - _log_rising(A, n[b])
            )
            out[b] = w @ ((a + x[b]) / (A + n[b])[:, None])
        return out

    # derivation: eq-by-cold-items
    def items(
        self, counts: ArrayLike, category: ArrayLike, popularity: ArrayLike
    ) -> Floats:
        """Probability of each item: preference for its category times its share there.

        category (N,) in 0..K-1, popularity (N,) positive -> (B, N), rows sum to 1 when
        every category has an item.
        """
        c, p = np.asarray(category), np.asarray(popularity, dtype=float)
        if c.shape != p.shape or not (np.isfinite(p).all() and (p > 0).all()):
            raise ValueError("category and popularity: (N,) each, popularity positive")
        if not np.isin(c, np.arange(self._fitted().shape[1])).all():
            raise ValueError(f"category must lie in 0..{self.alpha_.shape[1] - 1}")
        share = p / np.bincount(c, weights=p)[c]
        return share * self.preference(counts)[:, c]


# derivation: eq-by-cold-average
def _log_rising(a: Floats, n: NDArray[np.int64]) -> Floats:
    """Log of a (a + 1) ... (a + n - 1), of any size."""
    return special.gammaln(a + n) - special.gammaln(a)


def _maximise(each: Floats, total: Floats) -> Floats:
    """Maximum-likelihood alpha (K,) within ALPHA_BOUNDS."""

    def objective(eta: Floats) -> tuple[float, Floats]:
        alpha = np.exp(eta)[None]
        value = log_evidence(alpha, each, total)[0]
        return -value, -evidence_gradient(alpha, each, total)[0]

    K = len(each)
    found = optimize.minimize(
        objective, np.zeros(K), jac=True, bounds=[tuple(np.log(ALPHA_BOUNDS))] * K
    )
    return np.exp(found.x)
