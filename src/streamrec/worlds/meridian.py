r"""Meridian Financial: loan applications whose outcomes are seen only if approved.

An incumbent scorecard approves below a probability of default of 0.12, declines above
0.35 and sends the rest to underwriters. Groups differ in what history did to them, and
zip codes know it: they sharpen the prediction by about two points of AUC, in part
because they carry the local economy and in part because they stand in for the group.

Structural model (applicant of group g; every :math:`\varepsilon` standard normal):

.. math::

   \Pr(\text{zip} = j \mid g) &\propto \text{population}_j\,
        \exp(-\kappa_g a_j + 0.8 \cdot 1[\text{region}_j = \text{home}_g]) \\
   \zeta_j &= -0.4\,a_j + \sqrt{0.84}\,\xi_j \qquad a, \xi \text{ normal scores} \\
   x_{inc}  &= -0.5\,m_g + 0.2\,a_{zip} + 0.85\,\varepsilon_{inc} - \text{drift}_x \\
   x_{debt} &= 0.2\,m_g - 0.25\,x_{inc} + 0.95\,\varepsilon_{debt} \\
   x_{hist} &= -0.3\,m_g + 0.95\,\varepsilon_{hist} \\
   x_{util} &= 0.3\,m_g - 0.5\,c - 0.15\,x_{inc} + 0.8\,\varepsilon_{util} \\
   x_{del}  &= 0.4\,m_g - 0.5\,c + 0.8\,\varepsilon_{del} \\
   w        &= -0.6\,m_g + 0.8\,\varepsilon_w \\
   \text{logit}\,p &= b - 0.4 x_{inc} + 0.5 x_{debt} - 0.3 x_{hist} + 0.5 x_{util}
        + 0.5 x_{del} - 0.4 c - 0.4 w + h\,\zeta_{zip} + \text{drift}_y \\
   Y &= 1[U < p] \\
   \Pr(\text{approved in review}) &= 0.8 - 0.6\,(\hat p - 0.12)/(0.35 - 0.12)
        + \text{leniency} - \text{bias} + \text{private}\cdot c

a the advantage of a zip code, :math:`\zeta` its local economy (high: bad), c own
reliability (standard normal) and w savings, neither ever recorded; m_g the
disadvantage of a group; :math:`\hat p` the incumbent's score. Drift, bias and private
are dials. What is recorded (income, debt ratio, ...) is an increasing function of x.
The noise belongs to the applicant, not to the group: ``truth.counterfactual("B")`` is
the same person with the same noise in group B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import poisson

from streamrec.worlds.shape import (
    Page,
    Row,
    WorldError,
    canon_of,
    check_seed,
    check_share,
    page,
    parameters,
    stream,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

VERSION = "1.0"
GROUPS = ("A", "B", "C", "D", "E")
SHARES = (0.36, 0.16, 0.18, 0.18, 0.12)
SEGREGATION = (-0.5, 1.1, 0.7, -0.3, 0.4)  # kappa: preference for low advantage
REGIONS = ("central", "coast", "hills", "lakes", "plains", "valley")
HOME = (3, 0, 5, 1, 4)  # the region where a group settled first
FEATURES = ("income", "debt_ratio", "history_years", "utilisation", "delinquencies")
ZIP_FEATURES = ("area_unemployment", "area_default_rate")

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"sampled_a_day": 100},
    "small": {"sampled_a_day": 1_000},
    "medium": {"sampled_a_day": 5_000},
    "full": {"sampled_a_day": 15_000},
}

COLUMNS: dict[str, dict[str, str]] = {
    "applications": {
        "applicant": "identifier",
        "day": "day of the application, 0 to days - 1",
        "group": "self-reported group, A to E; no model may use it, audits may",
        "region": "one of six regions",
        "zip": "zip code, 5 digits as text",
        "income": "thousand dollars a year",
        "debt_ratio": "monthly debt payments, percent of income",
        "history_years": "years since the first credit line",
        "utilisation": "percent of credit lines in use",
        "delinquencies": "late payments in 24 months",
        "amount": "requested, thousand dollars",
        "area_unemployment": "percent in the zip code",
        "area_default_rate": "percent over the previous five years in the zip code",
        "pd_incumbent": "probability of default by the incumbent scorecard",
        "route": "auto_approve, manual or auto_decline",
        "underwriter": "identifier, drawn by lot; -1 without manual review",
        "approved": "1 if approved",
        "defaulted": "1 if defaulted within 24 months; NaN if declined",
    },
    "zips": {
        "zip": "zip code",
        "region": "region",
        "area_unemployment": "percent",
        "area_default_rate": "percent over the previous five years",
    },
}

GRAPH: tuple[tuple[str, str], ...] = (
    ("group", "zip"),
    ("group", "income"),
    ("group", "debt_ratio"),
    ("group", "history_years"),
    ("group", "utilisation"),
    ("group", "delinquencies"),
    ("group", "savings"),
    ("zip", "income"),
    ("zip", "local_economy"),
    ("zip", "area_default_rate"),  # through who lives there
    ("local_economy", "area_default_rate"),
    ("local_economy", "area_unemployment"),
    ("income", "amount"),
    ("income", "debt_ratio"),
    ("income", "utilisation"),
    ("reliability", "utilisation"),
    ("reliability", "delinquencies"),
    *((f, "default") for f in FEATURES),
    ("reliability", "default"),
    ("savings", "default"),
    ("local_economy", "default"),
    *((f, "approved") for f in FEATURES),
    ("underwriter", "approved"),
    ("default", "defaulted"),  # the recorded label
    ("approved", "defaulted"),
)


@dataclass(frozen=True)
class MeridianParameters:
    """Every constant and dial. Those marked * are solved by :func:`solve`."""

    days: int = 60
    sampled_a_day: int = 1_000  # of the 15,000 applications a day
    zips: int = 400
    underwriters: int = 40
    disadvantage: tuple[float, ...] = (0.0, 0.668, 0.452, 0.086, 0.332)  # m_g *
    intercept: float = -2.265  # b *
    area_effect: float = 0.506  # h, logits per SD of the local economy *
    # incumbent scorecard: intercept, then a weight for each x of FEATURES *
    scorecard: tuple[float, ...] = (-2.049, -0.433, 0.470, -0.288, 0.653, 0.635)
    # manual review
    leniency: float = 0.08  # SD between underwriters, in probability of approval
    # dials (0 is off)
    review_bias: float = 0.0  # probability that B, C and E lose in manual review
    private_information: float = 0.0  # probability per SD of reliability, in review
    covariate_drift: float = 0.0  # SD by which incomes fall by the last day
    concept_drift: float = 0.0  # logits by which default rises by the last day
    drift_day: int = 30


def causal_graph(q: MeridianParameters) -> tuple[tuple[str, str], ...]:
    """Edges (cause, effect) under these dials; ``GRAPH`` when all are off.

    ``default`` is what would happen with a loan, ``defaulted`` the recorded label.

    Examples
    --------
    >>> causal_graph(MeridianParameters(review_bias=0.1))[-1]
    ('group', 'approved')
    """
    dials = {
        "review_bias": ("group", "approved"),
        "private_information": ("reliability", "approved"),
        "covariate_drift": ("day", "income"),
        "concept_drift": ("day", "default"),
    }
    return (*GRAPH, *(edge for name, edge in dials.items() if getattr(q, name)))


@dataclass(frozen=True)
class MeridianTruth:
    """What only a simulator knows.

    ``applications`` has for every applicant, declined or not: ``defaulted``, its
    probability ``p_default``, ``reliability``, ``savings``. ``zips`` has advantage,
    local economy and the share of each group. ``counterfactual(group)`` gives features,
    scorecard and outcome of everyone in that group with unchanged noise.
    """

    applications: pd.DataFrame
    zips: pd.DataFrame
    groups: pd.DataFrame
    counterfactual: Callable[[str], pd.DataFrame]
    drift_day: int | None
    graph: tuple[tuple[str, str], ...]


# derivation
def expected_auc(score: ArrayLike, probability: ArrayLike) -> float:
    r"""AUC of a score when label i is Bernoulli(p_i), without drawing labels.

    .. math:: \frac{\sum_{i\ne j} p_i (1-p_j)\,(1[s_i > s_j] + \tfrac12 1[s_i = s_j])}
                   {\sum_{i \ne j} p_i (1-p_j)}

    With labels 0 and 1 for p it is the ordinary AUC. Shapes (n,), (n,).

    Examples
    --------
    >>> expected_auc([0.1, 0.2, 0.3, 0.4], [0, 1, 0, 1])
    0.75
    """
    s, p = np.asarray(score, float), np.asarray(probability, float)
    _, tie = np.unique(s, return_inverse=True)
    q = 1 - p
    ones, zeros = np.bincount(tie, p), np.bincount(tie, q)
    below = np.cumsum(zeros) - zeros
    wins = ones @ (below + zeros / 2) - p @ q / 2  # without the pairs i = j
    return float(wins / (p.sum() * q.sum() - p @ q))


def fit_logistic(X: Array, y: Array, steps: int = 12) -> Array:
    """Newton's method for logistic regression; y may be a probability.

    X (n, d) without intercept; returns (d + 1,), the intercept first.

    Examples
    --------
    >>> X = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    >>> fit_logistic(X, np.array([0.25, 0.25, 0.75, 0.75])).round(4).tolist()
    [0.0, 1.0986]
    """
    X = np.column_stack([np.ones(len(X)), X])
    beta = np.zeros(X.shape[1])
    for _ in range(steps):
        p = expit(X @ beta)
        beta = beta + np.linalg.solve((X * (p * (1 - p))[:, None]).T @ X, X.T @ (y - p))
    return beta


def _poisson(x: Array, mean: float) -> Array:
    return np.searchsorted(poisson.cdf(np.arange(24), mean), ndtr(x)).astype(np.int64)


# derivation
def features(q: MeridianParameters, m: Array, a: Array, noise: dict[str, Array]) -> Any:
    """Return the x of the module docstring; m disadvantage, a advantage of the zip."""
    n, c = noise, noise["c"]
    income = -0.5 * m + 0.2 * a + 0.85 * n["inc"] - n["income_fall"]
    return {
        "income": income,
        "debt_ratio": 0.2 * m - 0.25 * income + 0.95 * n["debt"],
        "history_years": -0.3 * m + 0.95 * n["hist"],
        "utilisation": 0.3 * m - 0.5 * c - 0.15 * income + 0.8 * n["util"],
        "delinquencies": 0.4 * m - 0.5 * c + 0.8 * n["del"],
        "savings": -0.6 * m + 0.8 * n["w"],
    }


# derivation
def default_logit(
    q: MeridianParameters, x: dict[str, Array], c: Array, z: Array
) -> Array:
    """Return logit p (module docstring) without drift; z the local economy."""
    return (
        q.intercept
        - 0.4 * x["income"]
        + 0.5 * x["debt_ratio"]
        - 0.3 * x["history_years"]
        + 0.5 * x["utilisation"]
        + 0.5 * x["delinquencies"]
        - 0.4 * c
        - 0.4 * x["savings"]
        + q.area_effect * z
    )


def _recorded(x: dict[str, Array]) -> dict[str, Array]:
    """Turn x into what an application form records (increasing functions)."""
    return {
        "income": np.round(54 * np.exp(0.48 * x["income"]), 1),
        "debt_ratio": np.round(100 * expit(-0.9 + 0.6 * x["debt_ratio"]), 1),
        "history_years": np.round(
            np.minimum(9 * np.exp(0.55 * x["history_years"]), 60), 1
        ),
        "utilisation": np.round(100 * expit(-0.3 + 0.9 * x["utilisation"]), 1),
        "delinquencies": _poisson(x["delinquencies"], 0.9),
    }


def standardise(frame: pd.DataFrame) -> Array:
    """Return the five recorded features on the scale of x, shape (n, 5).

    Undoes the form: log income, logit of percentages, log history; late payments as
    the normal score of their middle rank under Poisson(0.9). The scorecard and the
    models of this module use these columns.
    """
    k = frame["delinquencies"].to_numpy()
    cdf = poisson.cdf(np.arange(-1, 25), 0.9)
    score = ndtri((cdf[:-1] + np.minimum(cdf[1:], 1 - 1e-6)) / 2)

    def share(name: str) -> Array:
        return logit(np.clip(frame[name].to_numpy() / 100, 0.0005, 0.9995))

    return np.column_stack(
        [
            np.log(np.maximum(frame["income"].to_numpy(), 0.1) / 54) / 0.48,
            (share("debt_ratio") + 0.9) / 0.6,
            np.log(np.maximum(frame["history_years"].to_numpy(), 0.1) / 9) / 0.55,
            (share("utilisation") + 0.3) / 0.9,
            score[np.minimum(k, score.size - 1)],
        ]
    )


def _numbers(values: Any, n: int) -> bool:
    """Whether values are n finite numbers."""
    if not isinstance(values, (tuple, list, np.ndarray)) or len(values) != n:
        return False
    kinds = (int, float, np.number)
    return all(isinstance(v, kinds) and np.isfinite(v) for v in values)


def _spread(rng: np.random.Generator, n: int, k: int) -> Array:
    """Return n labels 0 to k - 1, each once in every k consecutive places."""
    blocks = np.tile(np.arange(k), (n // k + 1, 1))
    return rng.permuted(blocks, axis=1).ravel()[:n]


class Meridian:
    """Loan applications over sixty days, a sample of 15,000 a day.

    Parameters
    ----------
    size
        ``"tiny"`` (100 sampled a day), ``"small"`` (1,000), ``"medium"`` (5,000) or
        ``"full"`` (15,000).
    seed
        Non-negative integer; the same seed gives the same bytes.
    overrides
        Any field of :class:`MeridianParameters`.

    Raises
    ------
    WorldError
        On an unknown size, a count below one, or a dial outside its range.
    TypeError
        On an unknown parameter.

    Examples
    --------
    >>> world = Meridian("tiny", seed=1)
    >>> world.applications.shape
    (6000, 18)
    >>> d = world.applications
    >>> bool((d["defaulted"].isna() == (d["approved"] == 0)).all())
    True
    """

    version = VERSION
    columns = COLUMNS

    def __init__(self, size: str = "small", seed: int = 0, **overrides: Any) -> None:
        self.size, self.seed = size, check_seed(seed)
        counts = ("days", "sampled_a_day", "zips", "underwriters")
        q = parameters(MeridianParameters, SIZES, size, overrides, counts)
        self.parameters = q
        canon = canon_of("meridian")
        self.approve, self.decline = (
            canon["auto_approve_below"],
            canon["auto_decline_above"],
        )
        if q.zips < len(REGIONS):
            raise WorldError(f"zips must be at least {len(REGIONS)}, one a region.")
        if not _numbers(q.disadvantage, len(GROUPS)):
            raise WorldError(f"disadvantage needs {len(GROUPS)} numbers, one a group.")
        if not _numbers(q.scorecard, len(FEATURES) + 1):
            raise WorldError(f"scorecard needs {len(FEATURES) + 1} numbers.")
        whole = isinstance(q.drift_day, (int, np.integer))
        if not whole or not 0 <= q.drift_day < max(q.days - 1, 1):
            raise WorldError("drift_day must be a whole number from 0 to days - 2.")
        if not 0 <= q.leniency <= 0.3:
            raise WorldError("leniency must lie between 0 and 0.3.")
        check_share("review_bias", q.review_bias)
        check_share("private_information", q.private_information)

    def _stream(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, f"meridian/{purpose}")

    # --------------------------------------------------------------- geography
    @cached_property
    def _zip(self) -> dict[str, Array]:
        """Zip codes in order of advantage; P(zip | group) as cumulative rows."""
        q, rng, J = self.parameters, self._stream("zips"), self.parameters.zips
        quantiles = ndtri((np.arange(J) + 0.5) / J)
        advantage = quantiles
        own = np.empty(J)  # every tenth of it in every neighbourhood of advantage
        own[np.lexsort((rng.random(J), _spread(rng, J, 10)))] = quantiles
        economy = -0.4 * advantage + np.sqrt(0.84) * own
        region = _spread(rng, J, len(REGIONS))
        log_population = 0.3 * rng.standard_normal(J)
        home = region == np.array(HOME)[:, None]  # 5 x J
        pull = log_population - np.outer(SEGREGATION, advantage) + 0.8 * home
        share = np.exp(pull)
        share /= share.sum(axis=1, keepdims=True)  # 5 x J
        mix = share * np.array(SHARES)[:, None]
        mix /= mix.sum(axis=0)  # P(group | zip)
        unemployment = 5.6 + 1.5 * economy + 0.35 * rng.standard_normal(J)
        burden = np.array(q.disadvantage) @ mix
        rate = -1.75 + q.area_effect * economy + 1.1 * (burden - burden.mean())
        return {
            "advantage": advantage,
            "economy": economy,
            "region": region,
            "cumulative": np.cumsum(share, axis=1),
            "mix": mix,
            "code": np.array([f"{10001 + 37 * k}" for k in rng.permutation(J)]),
            "unemployment": np.round(np.maximum(unemployment, 0.3), 1),
            "rate": np.round(100 * expit(rate + 0.08 * rng.standard_normal(J)), 1),
        }

    def _zip_of(self, group: Array) -> Array:
        """Inverse of P(zip | group) at each applicant's own U, by advantage."""
        U, zips = self._noise["zip"], np.empty(group.size, dtype=np.int64)
        for g in range(len(GROUPS)):
            who = group == g
            zips[who] = np.searchsorted(self._zip["cumulative"][g], U[who])
        return np.minimum(zips, self.parameters.zips - 1)

    # -------------------------------------------------------------- applicants
    @cached_property
    def _noise(self) -> dict[str, Array]:
        q = self.parameters
        n = q.days * q.sampled_a_day
        names = ("inc", "debt", "hist", "util", "del", "c", "w", "amount")
        noise = {k: self._stream(f"noise/{k}").standard_normal(n) for k in names}
        noise |= {
            k: self._stream(f"noise/{k}").random(n) for k in ("zip", "y", "review")
        }
        noise["day"] = np.repeat(np.arange(q.days), q.sampled_a_day)
        ramp = (noise["day"] - q.drift_day) / max(q.days - 1 - q.drift_day, 1)
        noise["ramp"] = np.clip(ramp, 0, 1)
        noise["income_fall"] = q.covariate_drift * noise["ramp"]
        return noise

    @cached_property
    def _group(self) -> Array:
        u = self._stream("group").random(self._noise["y"].size)
        return np.searchsorted(np.cumsum(SHARES)[:-1], u, side="right")

    def _applicants(self, group: Array) -> dict[str, Array]:
        """Everything that follows from a group and the applicant's own noise."""
        q, noise, z = self.parameters, self._noise, self._zip
        place = self._zip_of(group)
        m = np.array(q.disadvantage)[group]
        x = features(q, m, z["advantage"][place], noise)
        eta = default_logit(q, x, noise["c"], z["economy"][place])
        p = expit(eta + q.concept_drift * noise["ramp"])
        form = _recorded(x)
        score = standardise(pd.DataFrame(form)) @ np.array(q.scorecard[1:])
        amount = 0.28 * form["income"] * np.exp(0.45 * noise["amount"])
        return {
            "place": place,
            **form,
            "amount": np.round(np.maximum(amount, 1.0), 1),
            "pd": expit(q.scorecard[0] + score),
            "p": p,
            "y": (noise["y"] < p).astype(int),
            "savings": x["savings"],
        }

    @cached_property
    def _drawn(self) -> dict[str, Array]:
        x = self._applicants(self._group)
        x |= self._decide(x["pd"])
        return x

    def _decide(self, pd_: Array) -> dict[str, Array]:
        """Apply the incumbent policy: thresholds, and review between them."""
        q, group = self.parameters, self._group
        route = np.where(pd_ < self.approve, 0, np.where(pd_ > self.decline, 2, 1))
        by = self._stream("underwriter").integers(0, q.underwriters, pd_.size)
        lenient = q.leniency * ndtri((np.arange(q.underwriters) + 0.5) / q.underwriters)
        lenient = self._stream("leniency").permutation(lenient)
        along = (pd_ - self.approve) / (self.decline - self.approve)
        chance = 0.8 - 0.6 * along + lenient[by]
        chance = chance - q.review_bias * np.isin(group, (1, 2, 4))
        chance = chance + q.private_information * self._noise["c"]
        yes = self._noise["review"] < chance
        approved = (route == 0) | ((route == 1) & yes)
        return {
            "route": route,
            "underwriter": np.where(route == 1, by, -1),
            "approved": approved.astype(int),
        }

    def _form(self, x: dict[str, Array]) -> dict[str, Array]:
        z, place = self._zip, x["place"]
        return {
            "region": np.array(REGIONS)[z["region"][place]],
            "zip": z["code"][place],
            **{name: x[name] for name in FEATURES},
            "amount": x["amount"],
            "area_unemployment": z["unemployment"][place],
            "area_default_rate": z["rate"][place],
            "pd_incumbent": x["pd"],
        }

    # ------------------------------------------------------------ what is seen
    @property
    def applications(self) -> pd.DataFrame:
        """Every application; ``defaulted`` only where a loan was made (a copy)."""
        x = self._drawn
        names = np.array(["auto_approve", "manual", "auto_decline"])
        return pd.DataFrame(
            {
                "applicant": np.arange(x["y"].size),
                "day": self._noise["day"],
                "group": np.array(GROUPS)[self._group],
                **self._form(x),
                "route": names[x["route"]],
                "underwriter": x["underwriter"],
                "approved": x["approved"],
                "defaulted": np.where(x["approved"] == 1, x["y"], np.nan),
            }
        )

    @property
    def zips(self) -> pd.DataFrame:
        """Published statistics of each zip code, sorted by code."""
        z = self._zip
        frame = pd.DataFrame(
            {
                "zip": z["code"],
                "region": np.array(REGIONS)[z["region"]],
                "area_unemployment": z["unemployment"],
                "area_default_rate": z["rate"],
            }
        )
        return frame.sort_values("zip", ignore_index=True)

    def approval_rates(self) -> pd.Series:
        """Percent approved in each group."""
        counts = np.bincount(self._group, minlength=5)
        yes = np.bincount(self._group, self._drawn["approved"], minlength=5)
        return pd.Series(100 * yes / counts, index=pd.Index(GROUPS, name="group"))

    # ------------------------------------------------------------------- truth
    def _counterfactual(self, group: str) -> pd.DataFrame:
        if group not in GROUPS:
            raise WorldError(
                f"unknown group {group!r}; choose from {', '.join(GROUPS)}."
            )
        x = self._applicants(np.full(self._group.size, GROUPS.index(group)))
        who = {"applicant": np.arange(x["y"].size)}
        return pd.DataFrame(
            {**who, **self._form(x), "p_default": x["p"], "defaulted": x["y"]}
        )

    @cached_property
    def truth(self) -> MeridianTruth:
        """Outcomes of everyone, latent causes, the map and counterfactual people."""
        q, x, z = self.parameters, self._drawn, self._zip
        base = pd.Series(x["p"]).groupby(self._group).mean()
        people = {"applicant": np.arange(x["y"].size), "defaulted": x["y"]}
        people |= {"p_default": x["p"], "reliability": self._noise["c"]}
        places = {"zip": z["code"], "advantage": z["advantage"]}
        places |= {"local_economy": z["economy"]}
        places |= {f"share_{g}": z["mix"][k] for k, g in enumerate(GROUPS)}
        groups = {"group": GROUPS, "disadvantage": q.disadvantage}
        groups |= {"share": SHARES, "default_rate": 100 * base.to_numpy()}
        drifts = q.covariate_drift != 0 or q.concept_drift != 0
        return MeridianTruth(
            applications=pd.DataFrame({**people, "savings": x["savings"]}),
            zips=pd.DataFrame(places).sort_values("zip", ignore_index=True),
            groups=pd.DataFrame(groups),
            counterfactual=self._counterfactual,
            drift_day=q.drift_day if drifts else None,
            graph=causal_graph(q),
        )

    # ------------------------------------------------------------------- pages
    def describe(self) -> Page:
        """Return a page about this world; ``print`` it or show it in a notebook."""
        q, x, d = self.parameters, self._drawn, self.applications
        rates, top = self.approval_rates(), self.approval_rates().max()
        base = self.truth.groups.set_index("group")["default_rate"]
        route = d["route"].value_counts(normalize=True)
        seen = d["defaulted"].mean()
        auc = zip_auc(self)
        return page(
            f"Meridian, size {self.size}, seed {self.seed}, version {self.version}",
            (
                "Scale",
                [
                    f"{len(d):,} applications over {q.days} days "
                    f"({q.sampled_a_day:,} a day sampled of 15,000), "
                    f"{q.zips} zip codes",
                    *(
                        f"{name:<14}{100 * share:6.1f} %"
                        for name, share in route.items()
                    ),
                    f"defaulted among approved {100 * seen:.1f} %, among all "
                    f"{100 * x['y'].mean():.1f} % (truth)",
                ],
            ),
            (
                "Groups",
                [
                    f"{'group':<8}{'approved %':>11}{'of highest':>12}"
                    f"{'defaults % (truth)':>20}"
                ]
                + [
                    f"{g:<8}{rates[g]:>11.1f}{rates[g] / top:>12.2f}{base[g]:>20.1f}"
                    for g in GROUPS
                ]
                + [f"four-fifths line: {0.8 * top:.1f} %"],
            ),
            (
                "What a zip code is worth",
                [
                    f"AUC {auc['without']:.3f} without and {auc['with_zip']:.3f} with "
                    f"zip features: {100 * auc['gain']:.2f} points",
                    "(logistic models, fitted and scored on everyone's true outcomes)",
                ],
            ),
            (
                "How to use it",
                [
                    "applications    fit here; defaulted is missing for the declined",
                    "group           for audits, never for a model",
                    "underwriter     drawn by lot: an instrument for approval",
                    "truth           everyone's outcome; counterfactual(group)",
                    "Not realistic: groups of one kind each, no strategic applicants.",
                ],
            ),
            *(
                (f"world.{frame}", [f"{c:<20}{text}" for c, text in columns.items()])
                for frame, columns in COLUMNS.items()
            ),
        )

    def plot(self) -> Figure:
        """Draw approvals, scores, the map of zip codes and selective labels."""
        from matplotlib.figure import Figure

        fig = Figure(figsize=(10, 7), layout="constrained")
        axes = fig.subplots(2, 2)
        d, rates = self.applications, self.approval_rates()
        axes[0, 0].bar(rates.index, rates)
        axes[0, 0].axhline(0.8 * rates.max(), linestyle="--", color="black")
        axes[0, 0].set(ylabel="approved, %", title="Approvals and the four-fifths line")
        for g in GROUPS:
            scores = d.loc[d["group"] == g, "pd_incumbent"]
            axes[0, 1].hist(
                scores, np.linspace(0, 0.8, 41), histtype="step", density=True, label=g
            )
        for line in (self.approve, self.decline):
            axes[0, 1].axvline(line, linestyle="--", color="grey")
        axes[0, 1].set(
            xlabel="incumbent probability of default", title="Scores by group"
        )
        axes[0, 1].legend()
        z = self.truth.zips.merge(self.zips, on="zip")
        axes[1, 0].scatter(z["share_B"] + z["share_C"], z["area_default_rate"], s=8)
        axes[1, 0].set(
            xlabel="share of groups B and C",
            ylabel="area default rate, %",
            title="Zip codes",
        )
        self._plot_labels(axes[1, 1], d)
        return fig

    def _plot_labels(self, ax: Any, d: pd.DataFrame) -> None:
        d["truth"] = self._drawn["y"]
        cut = pd.cut(d["pd_incumbent"], np.linspace(0, 0.7, 15))
        by = d.groupby(cut, observed=True).agg(
            pd=("pd_incumbent", "mean"),
            seen=("defaulted", "mean"),
            all=("truth", "mean"),
        )
        ax.plot(by["pd"], 100 * by["all"], "o-", label="everyone (truth)")
        ax.plot(by["pd"], 100 * by["seen"], "x", label="approved (seen)")
        ax.set(
            xlabel="incumbent score", ylabel="defaulted, %", title="Selective labels"
        )
        ax.legend()


def zip_auc(world: Meridian) -> dict[str, float]:
    """Measure what zip features add: ``without``, ``with_zip`` and ``gain`` in AUC.

    Two logistic models, on the five standardised features and on those plus the two
    area statistics, fitted to the true outcomes of every second applicant and scored
    on the others by :func:`expected_auc` against the true probability of default.
    """
    d, t = world.applications, world.truth.applications
    X = standardise(d)
    area = d[list(ZIP_FEATURES)].to_numpy()
    area = np.column_stack(
        [area[:, 0] / 2 - 2.8, logit(np.clip(area[:, 1], 0.5, 99) / 100)]
    )
    fit = np.arange(len(d)) % 2 == 0
    y, p = t["defaulted"].to_numpy(), t["p_default"].to_numpy()
    result = {}
    for name, columns in (("without", X), ("with_zip", np.column_stack([X, area]))):
        beta = fit_logistic(columns[fit], y[fit])
        result[name] = expected_auc(columns[~fit] @ beta[1:], p[~fit])
    result["gain"] = result["with_zip"] - result["without"]
    return result


def _solved_values(q: MeridianParameters, seed: int) -> tuple[Array, float, Array]:
    """Approval percentages, AUC points of zip and the fitted scorecard under q."""
    world = Meridian(seed=seed, **{k: getattr(q, k) for k in q.__dataclass_fields__})
    beta = fit_logistic(standardise(world.applications), world._drawn["p"])
    return world.approval_rates().to_numpy(), 100 * zip_auc(world)["gain"], beta


def solve(
    start: MeridianParameters | None = None,
    steps: int = 8,
    seeds: Iterable[int] = (901, 902),
) -> MeridianParameters:
    """Solve the constants marked * so that the canon holds; returns the parameters.

    Each step refits the scorecard to the true risk, then moves the intercept by group
    A's approval rate, each disadvantage by its own group's, and the area effect by the
    AUC that zip adds, along slopes measured once. Used to write the constants above;
    a test holds that they are still a fixed point.
    """
    canon, seeds = canon_of("meridian"), list(seeds)
    target = np.array([canon["approval_percent"][g] for g in GROUPS])
    q = start or MeridianParameters(sampled_a_day=4_000)
    for _ in range(steps):
        rates, gain, card = (
            np.mean(v, axis=0)
            for v in zip(*(_solved_values(q, s) for s in seeds), strict=True)
        )
        miss = target - rates
        m = np.array(q.disadvantage)
        m[1:] -= (miss[1:] - miss[0]) / 40.0  # about 40 points of approval a unit of m
        shift = -miss[0] / 24.0  # about 24 points of approval a logit of default
        card[0] += 0.95 * shift  # the refitted scorecard follows
        h = q.area_effect * (canon["auc_points_from_zip"] / gain) ** 0.5
        q = replace(
            q,
            scorecard=tuple(float(v) for v in np.round(card, 4)),
            intercept=round(float(q.intercept + shift), 4),
            disadvantage=tuple(float(v) for v in np.round(m, 4)),
            area_effect=round(float(h), 4),
        )
    return q


def calibration(
    seeds: Iterable[int] = range(10),
    size: str = "small",
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Measure the canon of Meridian: rows (name, canon, measured, tolerance).

    Approval rates within one point, the AUC that zip adds within 3 % of two points;
    no manual-review bias, no drift. ``progress`` is called with each seed done.
    """
    canon, got = canon_of("meridian"), []
    for seed in seeds:
        world = Meridian(size, seed)
        rates = world.approval_rates()
        got.append([*rates, 0.8 * rates.max(), 100 * zip_auc(world)["gain"]])
        if progress:
            progress(seed)
    mean = [float(v) for v in np.mean(got, axis=0)]
    approvals = canon["approval_percent"]
    return [
        *(
            Row(f"Meridian approved in group {g}, %", approvals[g], mean[k], 1.0)
            for k, g in enumerate(GROUPS)
        ),
        Row("Meridian four-fifths line, %", canon["four_fifths_percent"], mean[5], 1.0),
        Row(
            "Meridian AUC from zip features, points",
            canon["auc_points_from_zip"],
            mean[6],
            0.06,
        ),
    ]
