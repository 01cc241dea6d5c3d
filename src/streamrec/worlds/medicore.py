r"""MediCore Pharma: one hospital log that four causal designs can read.

Drug X is meant to prevent readmission within 30 days. Sicker patients get it more
often, so the patients who took it come back *more* often, although it lowers the risk
of the average patient by 4.2 percentage points. The same log can be read by weighting
(severity is recorded), by an instrument (which physician was on call), by staggered
adoption (hospitals list the drug at different months) and by a threshold (a guideline
recommends it from a risk score on). Each design identifies its own effect, and
``world.truth`` knows each of them.

Structural model (patient i of hospital h in month t; :math:`\tilde x` has mean 0 and
SD 1, all but :math:`\tilde r` bounded by :math:`\sqrt 3`; all noise is independent):

.. math::

   r &= 50 + 10\,(0.6\,\tilde s + 0.8\,\tilde w) \quad\text{risk score} \\
   e(z) &= \sigma(\alpha + \beta\tilde s + \gamma z + \delta\,1[r \ge c]
            - \iota\,1[t - g_h < 4] + \theta \tilde f) \\
   A(z) &= 1[t \ge g_h]\,1[V < e(z)], \qquad A = A(Z) \\
   p_0 &= b + 0.07\,\tilde s + 0.012\,\tilde r + 0.008\,\tilde{\text{age}}
          + 0.008\,\tilde{\text{comorbidity}} + 0.015\tilde f + \eta_h + \lambda_t \\
   \tau &= (-4.2 - 1.4\,\tilde s - 0.5\,\tilde r)/100 \\
   Y(a) &= 1[U < p_0 + a\,\tau]

s severity, w laboratory panel, f frailty (never recorded), z the on-call physician's
keenness, :math:`g_h` the month in which hospital h lists the drug, r~ = (r - 50)/10;
:math:`\lambda_t = 0.006 \sin(2\pi t/12) - 0.0005 (t - 12)` in the log, 0 in the trial;
:math:`\eta_h` uniform within 0.02 around ``ADOPTER_RISK`` of the hospital's group.
With the dial ``hidden`` :math:`\theta` at 0 frailty does not confound. A threshold
"sharp" makes e(z) the indicator of eligibility, "none" takes :math:`\delta` away. The
dials add: ``direct`` z to p_0, ``trend_break`` t to p_0 of hospitals that ever adopt,
``learning`` t - g_h to :math:`100\tau`; ``defiers`` act on 1 - z.

Cardiopril-X is a second, separate trial: 15 hospitals, 12-week fall of systolic blood
pressure, site effects around 9.2 mmHg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, ndtr
from scipy.stats import poisson

from streamrec.worlds.shape import (
    Estimand,
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
ROOT3 = float(np.sqrt(3.0))
ADOPTION_MONTHS = (4, 8, 12, 16, None)  # equal shares of hospitals; None: never
ADOPTER_RISK = (0.012, 0.006, 0.0, -0.006, -0.012)  # early adopters have worse rates
THRESHOLDS = ("fuzzy", "sharp", "none")
SITE_PATIENTS = (42, 58, 71, 89, 104, 126, 148, 173, 201, 238, 276, 321, 388, 469, 580)

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"hospitals": 60, "monthly_patients": 8, "trial_patients": 2_000},
    "small": {"hospitals": 340, "monthly_patients": 30, "trial_patients": 12_000},
    "medium": {"hospitals": 340, "monthly_patients": 120, "trial_patients": 48_000},
}

COLUMNS: dict[str, dict[str, str]] = {
    "patients": {
        "patient": "identifier",
        "hospital": "identifier, 0 to hospitals - 1",
        "physician": "identifier of the physician on call",
        "month": "month of discharge, 0 to months - 1",
        "adoption_month": "month from which the hospital lists Drug X; NaN: never",
        "listed": "1 if the hospital lists Drug X in this month",
        "introduction": "1 in the first four months after listing",
        "keen": "1 if the physician said before the study to prefer newer drugs",
        "age": "years",
        "female": "0 or 1",
        "systolic": "systolic blood pressure at admission, mmHg",
        "egfr": "kidney function, mL/min/1.73 m2",
        "comorbidity": "number of chronic conditions",
        "prior_admissions": "admissions in the previous year",
        "severity": "percentile of severity in the national register, 0 to 100",
        "risk_score": "guideline score, about 26 to 74; Drug X advised from the cutoff",
        "eligible": "1 if risk_score is at or above the cutoff",
        "drug_x": "1 if discharged on Drug X",
        "readmitted": "1 if readmitted within 30 days",
    },
    "trial": {
        "patient": "identifier, apart from those of the log",
        "hospital": "identifier",
        "age": "years",
        "female": "0 or 1",
        "systolic": "mmHg",
        "egfr": "mL/min/1.73 m2",
        "comorbidity": "number of chronic conditions",
        "prior_admissions": "admissions in the previous year",
        "severity": "percentile, 0 to 100",
        "risk_score": "guideline score",
        "drug_x": "1 if randomised to Drug X (half of the patients)",
        "readmitted": "1 if readmitted within 30 days",
    },
    "hospitals": {
        "hospital": "identifier",
        "teaching": "1 for a teaching hospital",
        "region": "north, east, south or west",
        "monthly_volume": "expected patients a month",
        "adoption_month": "month from which Drug X is listed; NaN: never",
    },
    "panel": {
        "hospital": "identifier",
        "month": "0 to months - 1",
        "adoption_month": "month from which Drug X is listed; NaN: never",
        "adopted": "1 from the adoption month on",
        "patients": "number of discharges",
        "readmissions": "number readmitted within 30 days",
        "readmission_rate": "percent; NaN in a month without patients",
        "uptake": "percent of patients on Drug X; NaN in a month without patients",
    },
    "cardiopril": {
        "patient": "identifier",
        "site": "1 to 15",
        "cardiopril": "1 if randomised to Cardiopril-X, 0 to placebo",
        "age": "years",
        "female": "0 or 1",
        "systolic_baseline": "mmHg at the start",
        "systolic_week12": "mmHg after 12 weeks",
        "fall": "systolic_baseline - systolic_week12, mmHg",
    },
    "cardiopril_sites": {
        "site": "1 to 15",
        "patients": "number randomised",
        "effect": "mean fall on Cardiopril-X minus mean fall on placebo, mmHg",
        "se": "Welch standard error of effect, mmHg",
    },
}

GRAPH: tuple[tuple[str, str], ...] = (
    ("covariates", "severity"),
    ("severity", "risk_score"),
    ("severity", "drug_x"),
    ("severity", "readmitted"),
    ("risk_score", "eligible"),
    ("risk_score", "readmitted"),
    ("eligible", "drug_x"),
    ("keen", "drug_x"),
    ("adoption_month", "listed"),
    ("month", "listed"),
    ("adoption_month", "introduction"),
    ("month", "introduction"),
    ("listed", "drug_x"),
    ("introduction", "drug_x"),
    ("hospital", "adoption_month"),
    ("hospital", "readmitted"),
    ("month", "readmitted"),
    ("covariates", "readmitted"),
    ("frailty", "readmitted"),
    ("drug_x", "readmitted"),
)


@dataclass(frozen=True)
class MediCoreParameters:
    """Every constant and dial; risks are probabilities, effects percentage points."""

    hospitals: int = 340
    months: int = 24
    monthly_patients: int = 30  # expected discharges of a hospital in a month
    physicians_per_hospital: int = 6  # half of them keen
    trial_patients: int = 12_000
    # readmission without the drug (probability)
    base_risk: float = 0.26
    severity_risk: float = 0.07  # per SD of severity
    score_risk: float = 0.012  # per 10 points of risk score
    age_risk: float = 0.008
    comorbidity_risk: float = 0.008
    frailty_risk: float = 0.015
    # effect of the drug (percentage points)
    effect: float = -4.2
    effect_severity: float = -1.4  # per SD of severity
    effect_score: float = -0.5  # per 10 points of risk score
    # prescription (logits)
    uptake: float = -1.6
    severity_uptake: float = 0.8
    preference: float = 1.6  # a keen physician; 0.2 makes a weak instrument
    eligible_uptake: float = 2.0
    introduction_uptake: float = 1.0  # subtracted in the first four months
    cutoff: float = 54.0  # of the risk score
    threshold: str = "fuzzy"  # or "sharp", "none"
    # dials that break a design (all off)
    hidden: float = 0.0  # logits per SD of frailty: unmeasured confounding
    direct: float = 0.0  # points a keen physician adds directly: breaks exclusion
    defiers: float = 0.0  # share of patients with whom keenness works backwards
    trend_break: float = 0.0  # points a month by which adopters drift away
    learning: float = 0.0  # points by which the effect changes a month after listing
    manipulation: float = 0.0  # share just below the cutoff whose score is lifted
    trial_selection: float = 0.0  # logits per SD by which the trial avoids severity
    # Cardiopril-X (mmHg)
    site_sd: float = 2.2  # between true site effects
    patient_sd: float = 12.0  # of the 12-week fall within an arm
    placebo_fall: float = 3.1
    centred_sites: bool = True  # False: site effects exchangeable Normal draws


def causal_graph(q: MediCoreParameters) -> tuple[tuple[str, str], ...]:
    """Edges (cause, effect) of the log under these dials; ``GRAPH`` by default.

    Examples
    --------
    >>> ("frailty", "drug_x") in causal_graph(MediCoreParameters(hidden=1.0))
    True
    """
    gone: set[tuple[str, str]] = set()
    if q.threshold == "none":
        gone = {("eligible", "drug_x")}
    if q.threshold == "sharp":
        gone = {(x, "drug_x") for x in ("severity", "keen", "introduction")}
    more = [("frailty", "drug_x")] if q.hidden and q.threshold != "sharp" else []
    more += [("keen", "readmitted")] if q.direct else []
    more += [("adoption_month", "readmitted")] if q.learning or q.trend_break else []
    return (*(e for e in GRAPH if e not in gone), *more)


@dataclass(frozen=True)
class MediCoreTruth:
    """What only a simulator knows. Effects in percentage points, mmHg for Cardiopril.

    ``ate``, ``att``, ``atu``, ``late_instrument`` concern ``world.observational``;
    ``effect_at_threshold`` patients at the cutoff whom the guideline moves (its sample
    value: those within one point); ``adoption`` a hospital's listing the drug (averaged
    over all patients of adopted months), split by group and month in ``att_staggered``.
    """

    ate: Estimand
    att: Estimand
    atu: Estimand
    late_instrument: Estimand
    effect_at_threshold: Estimand
    adoption: Estimand
    trial_ate: Estimand
    ate_all_patients: Estimand
    compliers: float  # share of observational patients moved by a keen physician
    att_staggered: pd.DataFrame
    patients: pd.DataFrame
    hospitals: pd.DataFrame
    cardiopril_mean: float
    cardiopril_sd: float
    cardiopril_sites: pd.DataFrame
    graph: tuple[tuple[str, str], ...]


def bounded(z: Array) -> Array:
    """Map a standard normal to mean 0, SD 1 on [-sqrt 3, sqrt 3] (its percentile).

    Examples
    --------
    >>> float(bounded(np.array(0.0)))
    0.0
    """
    return ROOT3 * (2.0 * ndtr(z) - 1.0)


def _counts(z: Array, mean: float) -> Array:
    """Turn standard normals into Poisson counts with the same order."""
    cdf = poisson.cdf(np.arange(16), mean)
    return np.searchsorted(cdf, ndtr(z)).astype(np.int64)


# derivation
def readmission_risk(q: MediCoreParameters, x: dict[str, Array], shift: Array) -> Array:
    """Return p_0: the probability of readmission without the drug (module docstring).

    ``x`` has s, r, age, com, f in SD; ``shift`` = eta_h + lambda_t + direct effects.
    """
    return (
        q.base_risk
        + q.severity_risk * x["s"]
        + q.score_risk * x["r"]
        + q.age_risk * x["age"]
        + q.comorbidity_risk * x["com"]
        + q.frailty_risk * x["f"]
        + shift
    )


# derivation
def drug_effect(q: MediCoreParameters, s: Array, r: Array, since: Any) -> Array:
    """Return tau in probability; ``since`` is the number of months since listing."""
    points = q.effect + q.effect_severity * s + q.effect_score * r + q.learning * since
    return points / 100.0


# derivation
def prescription(
    q: MediCoreParameters, s: Array, r: Array, f: Array, keen: Any, since: Any
) -> Array:
    """Return e(z): probability of Drug X where it is listed; r = (score - 50)/10."""
    eligible = r >= (q.cutoff - 50.0) / 10.0
    if q.threshold == "sharp":
        return eligible.astype(float)
    jump = q.eligible_uptake if q.threshold == "fuzzy" else 0.0
    return expit(
        q.uptake
        + q.severity_uptake * s
        + q.preference * np.asarray(keen)
        + jump * eligible
        - q.introduction_uptake * (np.asarray(since) < 4)
        + q.hidden * f
    )


class _Population:
    """Expectations over patients by quadrature, piecewise at the cutoff."""

    def __init__(self, q: MediCoreParameters, nodes: int = 24) -> None:
        self.q = q
        x, w = np.polynomial.legendre.leggauss(nodes)
        s, ws = ROOT3 * x, w / 2
        f, wf = s, ws
        at = np.clip(((q.cutoff - 50) / 10 - 0.6 * s) / 0.8, -ROOT3, ROOT3)
        low, high = (
            np.stack([np.full_like(at, -ROOT3), at]),
            np.stack([at, at * 0 + ROOT3]),
        )
        half = (high - low)[..., None] / 2  # 2 x S x 1
        lab = (high + low)[..., None] / 2 + half * x  # 2 x S x W
        weight = half * w / (2 * ROOT3) * ws[:, None]  # 2 x S x W
        S = np.broadcast_to(s[:, None], lab.shape)
        self.s, self.r, self.f = np.broadcast_arrays(
            S[..., None], (0.6 * S + 0.8 * lab)[..., None], f
        )
        self.weight = weight[..., None] * wf
        side = np.zeros_like(lab)
        side[1] = 1.0
        self.above = np.broadcast_to(side[..., None], self.s.shape)

    def mean(self, values: Array) -> float:
        """Expectation of a function of (s, r, f)."""
        return float(np.sum(self.weight * values))

    def cell(self, since: int) -> dict[str, float]:
        """Moments of a listed hospital-month, ``since`` months after listing."""
        q = self.q
        tau = 100 * drug_effect(q, self.s, self.r, since)
        e = [prescription(q, self.s, self.r, self.f, k, since) for k in (0, 1)]
        both = (e[0] + e[1]) / 2
        return {
            "tau": self.mean(tau),
            "e": self.mean(both),
            "e_tau": self.mean(both * tau),
            "moved": self.mean(e[1] - e[0]),
            "moved_tau": self.mean((e[1] - e[0]) * tau),
            **self._at_cutoff(since),
        }

    def _at_cutoff(self, since: int) -> dict[str, float]:
        q, c = self.q, (self.q.cutoff - 50) / 10
        low = max(-ROOT3, (c - 0.8 * ROOT3) / 0.6)
        high = min(ROOT3, (c + 0.8 * ROOT3) / 0.6)
        x, w = np.polynomial.legendre.leggauss(48)
        s = ((low + high) / 2 + (high - low) / 2 * x)[:, None]  # S x 1
        f, weight = ROOT3 * x, w[:, None] * w / 4
        s, f = np.broadcast_arrays(s, f)
        tau = 100 * drug_effect(q, s, np.full_like(s, c), since)
        jump = np.zeros_like(s)
        for keen in (0, 1):
            up = prescription(q, s, np.full_like(s, c), f, keen, since)
            down = prescription(q, s, np.full_like(s, c - 1e-9), f, keen, since)
            jump += (up - down) / 2
        return {
            "jump": float(np.sum(weight * jump)),
            "jump_tau": float(np.sum(weight * jump * tau)),
        }


class MediCore:
    """A log of hospital discharges, a trial of Drug X and the Cardiopril-X trial.

    Parameters
    ----------
    size
        ``"tiny"``, ``"small"`` (340 hospitals, about 245,000 discharges) or
        ``"medium"`` (four times as many).
    seed
        Non-negative integer; the same seed gives the same bytes.
    overrides
        Any field of :class:`MediCoreParameters`.

    Raises
    ------
    WorldError
        On an unknown size, a count below one, an unknown threshold, or parameters
        under which a probability would leave [0, 1].
    TypeError
        On an unknown parameter.

    Examples
    --------
    >>> world = MediCore("tiny", seed=1)
    >>> world.panel.shape
    (1440, 8)
    >>> round(world.truth.ate.population, 6)
    -4.2
    """

    version = VERSION
    columns = COLUMNS

    def __init__(self, size: str = "small", seed: int = 0, **overrides: Any) -> None:
        self.size, self.seed = size, check_seed(seed)
        counts = tuple("hospitals months monthly_patients trial_patients".split())
        counts = (*counts, "physicians_per_hospital")
        q = parameters(MediCoreParameters, SIZES, size, overrides, counts)
        self.parameters = q
        if q.threshold not in THRESHOLDS:
            raise WorldError(
                f"threshold must be one of {', '.join(THRESHOLDS)}, "
                f"not {q.threshold!r}."
            )
        if q.physicians_per_hospital % 2:
            raise WorldError("physicians_per_hospital must be even: half are keen.")
        if q.hospitals < len(ADOPTION_MONTHS):
            raise WorldError(f"hospitals must be at least {len(ADOPTION_MONTHS)}.")
        if q.months <= max(g for g in ADOPTION_MONTHS if g):
            raise WorldError("months must be at least 17: the last group adopts at 16.")
        if not 30 < q.cutoff < 70:
            raise WorldError("cutoff must lie between 30 and 70, where patients are.")
        if q.site_sd < 0 or q.patient_sd <= 0:
            raise WorldError(
                "site_sd must be 0 or more and patient_sd above 0, in mmHg."
            )
        if not isinstance(q.centred_sites, (bool, np.bool_)):
            raise WorldError("centred_sites must be True or False.")
        check_share("defiers", q.defiers)
        check_share("manipulation", q.manipulation)

    def _stream(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, f"medicore/{purpose}")

    # ------------------------------------------------------------- hospitals
    @cached_property
    def _hospital(self) -> dict[str, Array]:
        H, k = self.parameters.hospitals, self.parameters.physicians_per_hospital
        group = np.resize(np.arange(len(ADOPTION_MONTHS)), H)
        group = self._stream("adoption").permutation(group)
        month = np.array([np.nan if g is None else g for g in ADOPTION_MONTHS])
        rng = self._stream("hospitals")
        own = rng.uniform(-0.02, 0.02, H)
        volume = np.exp(0.4 * rng.standard_normal(H) - 0.08)
        teaching = (rng.random(H) < 0.25 + 0.2 * (volume > 1)).astype(int)
        region = rng.integers(0, 4, H)
        half = np.resize([0, 1], (H, k))
        return {
            "group": group,
            "adoption": month[group],
            "eta": own + np.array(ADOPTER_RISK)[group],
            "volume": volume * self.parameters.monthly_patients,
            "teaching": teaching,
            "region": region,
            "keen": self._stream("physicians").permuted(half, axis=1),  # H x k
        }

    def _people(self, purpose: str, n: int) -> dict[str, Array]:
        """Draw n patients: recorded covariates and the standardised x of the model."""
        z = self._stream(f"{purpose}/covariates").standard_normal((7, n))
        age, com, sbp, kidney, prior, own, lab = z
        severity = 0.45 * age + 0.5 * com + 0.3 * sbp + 0.35 * kidney + 0.3 * prior
        severity = severity + np.sqrt(0.245) * own  # squares of the weights sum to 1
        s = bounded(severity)
        r = 0.6 * s + 0.8 * bounded(lab)
        return {
            "s": s,
            "r": r,
            "age": bounded(age),
            "com": bounded(com),
            "f": bounded(self._stream(f"{purpose}/frailty").standard_normal(n)),
            "age_years": np.clip(np.rint(68 + 11 * age), 30, 100).astype(int),
            "systolic": np.rint(148 + 16 * sbp).astype(int),
            "egfr": np.clip(np.rint(68 - 18 * kidney), 8, 120).astype(int),
            "comorbidity": _counts(com, 2.2),
            "prior": _counts(prior, 0.8),
            "female": (self._stream(f"{purpose}/sex").random(n) < 0.46).astype(int),
            "severity": 100 * ndtr(severity),
            "score": 50 + 10 * r,
        }

    @staticmethod
    def _recorded(x: dict[str, Array]) -> dict[str, Array]:
        names = {"age": "age_years", "prior_admissions": "prior", "risk_score": "score"}
        order = [*COLUMNS["trial"]][2:-2]  # age to risk_score
        return {name: x[names.get(name, name)] for name in order}

    def _outcomes(
        self, purpose: str, x: dict[str, Array], shift: Array, since: Array
    ) -> dict[str, Array]:
        """Draw both potential outcomes with the same U (a monotone effect)."""
        q = self.parameters
        p0 = readmission_risk(q, x, shift)
        p1 = p0 + drug_effect(q, x["s"], x["r"], since)
        outside = np.mean((np.minimum(p0, p1) < 0) | (np.maximum(p0, p1) > 1))
        if outside:
            raise WorldError(
                f"readmission probability leaves [0, 1] for {outside:.1%} of patients; "
                "bring the risk, effect or dial parameters closer to their defaults."
            )
        U = self._stream(f"{purpose}/outcome").random(p0.size)
        y0, y1 = (U < p0).astype(int), (U < p1).astype(int)
        return {"p0": p0, "p1": p1, "y0": y0, "y1": y1}

    # ------------------------------------------------------------ the hospital log
    @cached_property
    def _log(self) -> dict[str, Array]:
        q, h = self.parameters, self._hospital
        volume = np.repeat(h["volume"][:, None], q.months, axis=1)
        size = self._stream("volume").poisson(volume).ravel()
        cell = np.repeat(np.arange(size.size), size)
        hospital, month = np.divmod(cell, q.months)
        n = cell.size
        if n == 0:
            raise WorldError("no patients were drawn; raise monthly_patients.")
        x = self._people("log", n)
        slot = self._stream("roster").integers(0, q.physicians_per_hospital, n)
        x["hospital"], x["month"], x["cell"] = hospital, month, cell
        x["physician"] = hospital * q.physicians_per_hospital + slot
        x["keen"] = h["keen"][hospital, slot]
        x["adoption"] = h["adoption"][hospital]
        x["since"] = np.nan_to_num(month - x["adoption"], nan=-1.0)
        x["listed"] = (x["since"] >= 0).astype(int)
        self._manipulate(x)
        x.update(self._treatment(x))
        x.update(self._outcomes("log", x, self._shift(x), np.maximum(x["since"], 0)))
        x["y"] = np.where(x["a"] == 1, x["y1"], x["y0"])
        return x

    def _shift(self, x: dict[str, Array]) -> Array:
        """eta_h + lambda_t (+ what the dials add), in probability."""
        q, t = self.parameters, x["month"]
        common = 0.006 * np.sin(2 * np.pi * t / 12) - 0.0005 * (t - 12)
        drift = q.trend_break / 100 * t * np.isfinite(x["adoption"])
        direct = q.direct / 100 * x["keen"]
        return self._hospital["eta"][x["hospital"]] + common + drift + direct

    def _manipulate(self, x: dict[str, Array]) -> None:
        """Lift some scores from the two points below the cutoff to just above it."""
        q, c = self.parameters, (self.parameters.cutoff - 50) / 10
        u = self._stream("log/manipulation").random((2, x["r"].size))
        lift = (x["r"] < c) & (x["r"] >= c - 0.2) & (u[0] < q.manipulation)
        x["r"] = np.where(lift, c + 0.1 * u[1], x["r"])
        x["score"] = 50 + 10 * x["r"]
        x["eligible"] = (x["r"] >= c).astype(int)

    def _treatment(self, x: dict[str, Array]) -> dict[str, Array]:
        q, c = self.parameters, (self.parameters.cutoff - 50) / 10
        V = self._stream("log/treatment").random(x["s"].size)
        contrary = self._stream("log/contrary").random(V.size) < q.defiers

        def takes(keen: Any, r: Array) -> Array:
            acts = np.where(contrary, 1 - keen, keen)
            e = prescription(q, x["s"], r, x["f"], acts, x["since"])
            return x["listed"] * (V < e)

        low, high = np.minimum(x["r"], c - 1e-9), np.maximum(x["r"], c)
        acts = np.where(contrary, 1 - x["keen"], x["keen"])
        e = prescription(q, x["s"], x["r"], x["f"], acts, x["since"])
        return {
            "a": takes(x["keen"], x["r"]).astype(int),
            "e": x["listed"] * e,
            "complier": takes(1, x["r"]) > takes(0, x["r"]),
            "defier": takes(1, x["r"]) < takes(0, x["r"]),
            "at_cutoff": takes(x["keen"], high) > takes(x["keen"], low),
        }

    @cached_property
    def _patients(self) -> pd.DataFrame:
        x = self._log
        return pd.DataFrame(
            {
                "patient": np.arange(x["a"].size),
                "hospital": x["hospital"],
                "physician": x["physician"],
                "month": x["month"],
                "adoption_month": x["adoption"],
                "listed": x["listed"],
                "introduction": x["listed"] * (x["since"] < 4),
                "keen": x["keen"],
                **self._recorded(x),
                "eligible": x["eligible"],
                "drug_x": x["a"],
                "readmitted": x["y"],
            }
        )

    # ------------------------------------------------------------- what is seen
    @property
    def patients(self) -> pd.DataFrame:
        """Every discharge of every hospital and month (a fresh copy)."""
        return self._patients.copy()

    @property
    def observational(self) -> pd.DataFrame:
        """Discharges where Drug X is listed: the sample for weighting, IV and RDD."""
        frame = self._patients
        return frame[frame["listed"] == 1].reset_index(drop=True)

    @property
    def hospitals(self) -> pd.DataFrame:
        """One row a hospital."""
        h = self._hospital
        return pd.DataFrame(
            {
                "hospital": np.arange(h["eta"].size),
                "teaching": h["teaching"],
                "region": np.array(["north", "east", "south", "west"])[h["region"]],
                "monthly_volume": h["volume"],
                "adoption_month": h["adoption"],
            }
        )

    @property
    def panel(self) -> pd.DataFrame:
        """Hospital by month: rates in percent, for difference-in-differences."""
        q, x = self.parameters, self._log
        cells = q.hospitals * q.months
        n, y, a = (
            np.bincount(x["cell"], w, minlength=cells) for w in (None, x["y"], x["a"])
        )
        hospital, month = np.divmod(np.arange(cells), q.months)
        adoption = self._hospital["adoption"][hospital]
        share = 100 / np.where(n > 0, n, np.nan)
        return pd.DataFrame(
            {
                "hospital": hospital,
                "month": month,
                "adoption_month": adoption,
                "adopted": (month >= adoption).astype(int),
                "patients": n.astype(int),
                "readmissions": y.astype(int),
                "readmission_rate": y * share,
                "uptake": a * share,
            }
        )

    @cached_property
    def _trial(self) -> tuple[pd.DataFrame, dict[str, Array]]:
        q = self.parameters
        n, pool = q.trial_patients, 6 * q.trial_patients + 100
        x = self._people("trial", pool)
        willing = expit(-q.trial_selection * x["s"])
        chosen = np.argsort(
            self._stream("trial/entry").random(pool) > willing, kind="stable"
        )
        x = {name: values[chosen[:n]] for name, values in x.items()}
        hospital = self._stream("trial/hospital").integers(0, q.hospitals, n)
        x |= self._outcomes("trial", x, self._hospital["eta"][hospital], np.zeros(n))
        x["a"] = self._stream("trial/arm").permutation(np.resize([0, 1], n))
        y = np.where(x["a"] == 1, x["y1"], x["y0"])
        who = {"patient": np.arange(n), "hospital": hospital}
        seen = {**who, **self._recorded(x), "drug_x": x["a"], "readmitted": y}
        return pd.DataFrame(seen), x

    @property
    def trial(self) -> pd.DataFrame:
        """A randomised trial of Drug X on other patients of the same hospitals."""
        return self._trial[0].copy()

    # ------------------------------------------------------------- Cardiopril-X
    @cached_property
    def _site_effects(self) -> Array:
        q, n = self.parameters, np.array(SITE_PATIENTS, dtype=float)
        mean = canon_of("medicore")["cardiopril_pooled_mmhg"]
        draw = self._stream("cardiopril/sites").standard_normal(n.size)
        if not q.centred_sites:
            return mean + q.site_sd * draw
        margins = np.column_stack([np.ones_like(n), n])
        draw = draw - margins @ np.linalg.lstsq(margins, draw, rcond=None)[0]
        return mean + q.site_sd * draw / draw.std()

    @property
    def cardiopril(self) -> pd.DataFrame:
        """Patients of the Cardiopril-X trial: 15 sites, randomised within each."""
        q, n = self.parameters, np.array(SITE_PATIENTS)
        site = np.repeat(np.arange(n.size), n)
        N = site.size
        order = self._stream("cardiopril/arm").random(N)
        rank = np.lexsort((order, site))
        arm = np.empty(N, dtype=int)
        arm[rank] = (np.arange(N) - np.repeat(np.cumsum(n) - n, n)) % 2
        rng = self._stream("cardiopril/patients")
        z = rng.standard_normal((3, N))
        level = self._stream("cardiopril/placebo").standard_normal(n.size)
        fall = q.placebo_fall + level[site] + q.patient_sd * z[0]
        fall = np.round(fall + arm * self._site_effects[site], 1)
        baseline = np.round(158 + 13 * z[1], 1)
        return pd.DataFrame(
            {
                "patient": np.arange(N),
                "site": site + 1,
                "cardiopril": arm,
                "age": np.clip(np.rint(61 + 10 * z[2]), 25, 95).astype(int),
                "female": (self._stream("cardiopril/sex").random(N) < 0.48).astype(int),
                "systolic_baseline": baseline,
                "systolic_week12": np.round(baseline - fall, 1),
                "fall": fall,
            }
        )

    @property
    def cardiopril_sites(self) -> pd.DataFrame:
        """Effect and standard error of each site, as a summary table gives them."""
        by = self.cardiopril.groupby(["site", "cardiopril"])["fall"]
        mean, var, n = (by.agg(k).unstack() for k in ("mean", "var", "size"))
        return pd.DataFrame(
            {
                "patients": n.sum(axis=1),
                "effect": mean[1] - mean[0],
                "se": np.sqrt(var[1] / n[1] + var[0] / n[0]),
            }
        ).reset_index()

    # ------------------------------------------------------------------- truth
    @cached_property
    def _cells(self) -> dict[int, dict[str, float]]:
        population = _Population(self.parameters)
        longest = self.parameters.months - min(g for g in ADOPTION_MONTHS if g)
        special = range(longest) if self.parameters.learning else (0, 4)
        known = {m: population.cell(m) for m in special}
        return {m: known.get(m) or known[0 if m < 4 else 4] for m in range(longest)}

    def _expected(self, top: str, bottom: str | None = None) -> float:
        """Average a moment over listed cells, by design weight; a ratio if asked."""
        H, T = self.parameters.hospitals, self.parameters.months
        hospitals = np.bincount(np.resize(np.arange(len(ADOPTION_MONTHS)), H))
        a = b = 0.0
        for g, count in zip(ADOPTION_MONTHS, hospitals, strict=True):
            for m in range(T - g if g is not None else 0):
                cell = self._cells[m]
                a += count * cell[top]
                b += count * (cell[bottom] if bottom else 1.0)
        return float(a / b) if b else float("nan")

    def _estimand(self, name: str, who: Array, population: float) -> Estimand:
        x = self._log
        effect = 100 * (x["y1"][who] - x["y0"][who])
        sample = float(effect.mean()) if effect.size else float("nan")
        return Estimand(name, sample, population, int(effect.size), "points")

    @property
    def _staggered(self) -> pd.DataFrame:
        x, T = self._log, self.parameters.months
        rows = []
        gain = 100.0 * (x["y1"] - x["y0"]) * x["a"]
        listed = x["listed"] == 1
        key = np.nan_to_num(x["adoption"], nan=0).astype(int) * T + x["month"]
        n, total, treated = (
            np.bincount(key[listed], w, minlength=T * T)
            for w in (None, gain[listed], x["a"][listed])
        )
        for g in (g for g in ADOPTION_MONTHS if g is not None):
            for t in range(g, T):
                k, cell = g * T + t, self._cells[t - g]
                size = max(n[k], 1)
                rows.append(
                    [g, t, t - g, int(n[k]), total[k] / size, cell["e_tau"]]
                    + [100 * treated[k] / size, 100 * cell["e"]]
                )
        names = ["group", "month", "since", "patients", "att", "att_population"]
        return pd.DataFrame(rows, columns=[*names, "uptake", "uptake_population"])

    @cached_property
    def truth(self) -> MediCoreTruth:
        """Potential outcomes and every effect; nothing seen leads to it."""
        x, q = self._log, self.parameters
        listed, a = x["listed"] == 1, x["a"] == 1
        near = listed & (np.abs(x["score"] - q.cutoff) <= 1) & x["at_cutoff"]
        e, tau, e_tau = (self._expected(k) for k in ("e", "tau", "e_tau"))
        moved = (
            self._expected("moved_tau", "moved") if q.threshold != "sharp" else np.nan
        )
        local = self._expected("jump_tau", "jump") if q.threshold != "none" else np.nan
        make = self._estimand
        staggered = self._staggered
        adoption = np.average(staggered["att"], weights=staggered["patients"])
        return MediCoreTruth(
            ate=make("ATE, listed patients", listed, tau),
            att=make("ATT, listed patients", listed & a, e_tau / e),
            atu=make("ATU, listed patients", listed & ~a, (tau - e_tau) / (1 - e)),
            late_instrument=make("LATE, keen physician", x["complier"], moved),
            effect_at_threshold=make(
                "effect at the cutoff, moved patients", near, local
            ),
            adoption=Estimand(
                "ATT of listing, all patients of adopted months",
                float(adoption),
                e_tau,
                int(listed.sum()),
                "points",
            ),
            trial_ate=self._trial_truth(),
            ate_all_patients=make("ATE, all patients", np.ones_like(a), self._all()),
            compliers=float(x["complier"][listed].mean()),
            att_staggered=staggered,
            patients=self._patient_truth(),
            hospitals=pd.DataFrame(
                {"hospital": np.arange(q.hospitals), "eta": self._hospital["eta"]}
            ),
            cardiopril_mean=float(canon_of("medicore")["cardiopril_pooled_mmhg"]),
            cardiopril_sd=q.site_sd,
            cardiopril_sites=pd.DataFrame(
                {"site": np.arange(1, 16), "effect": self._site_effects.copy()}
            ),
            graph=causal_graph(q),
        )

    def _all(self) -> float:
        """E[tau] over all patients; before listing an effect is that of month 0."""
        q = self.parameters
        groups = np.bincount(np.resize(np.arange(5), q.hospitals))
        since = [
            np.mean(np.maximum(np.arange(q.months) - g, 0)) if g is not None else 0.0
            for g in ADOPTION_MONTHS
        ]
        return q.effect + q.learning * float(groups @ np.array(since) / groups.sum())

    def _trial_truth(self) -> Estimand:
        x, q = self._trial[1], self.parameters
        nodes = _Population(q)
        w = expit(-q.trial_selection * nodes.s)
        tau = 100 * drug_effect(q, nodes.s, nodes.r, 0)
        sample = float(100 * np.mean(x["y1"] - x["y0"]))
        expected = nodes.mean(w * tau) / nodes.mean(w)
        return Estimand("ATE, trial patients", sample, expected, x["a"].size, "points")

    def _patient_truth(self) -> pd.DataFrame:
        x = self._log
        return pd.DataFrame(
            {
                "patient": np.arange(x["a"].size),
                "listed": x["listed"],
                "y0": x["y0"],
                "y1": x["y1"],
                "p0": x["p0"],
                "p1": x["p1"],
                "propensity": x["e"],
                "frailty": x["f"],
                "complier": x["complier"],
                "defier": x["defier"],
                "moved_by_threshold": x["at_cutoff"],
            }
        )

    # ------------------------------------------------------------------- pages
    def naive(self) -> float:
        """Readmission of treated minus untreated, listed patients, points."""
        x = self._log
        listed, a = x["listed"] == 1, x["a"] == 1
        treated, other = x["y"][listed & a], x["y"][listed & ~a]
        return float(100 * (treated.mean() - other.mean()))

    def describe(self) -> Page:
        """Return a page about this world; ``print`` it or show it in a notebook."""
        q, t, x = self.parameters, self.truth, self._log
        listed = x["listed"] == 1

        def line(e: Estimand) -> str:
            return f"{e.name:<48}{e.sample:>8.2f}{e.population:>12.2f}{e.n:>10,}"

        dials = ["hidden", "direct", "defiers", "trend_break", "learning"]
        dials += ["manipulation", "trial_selection"]
        effects = (t.ate, t.att, t.atu, t.late_instrument, t.effect_at_threshold)
        return page(
            f"MediCore, size {self.size}, seed {self.seed}, version {self.version}",
            (
                "Scale",
                [
                    f"{q.hospitals} hospitals, {q.months} months, {x['a'].size:,} "
                    f"discharges, {listed.sum():,} where Drug X is listed",
                    f"readmitted {100 * x['y'].mean():.1f} %, uptake where listed "
                    f"{100 * x['a'][listed].mean():.1f} %",
                    f"trial of {q.trial_patients:,}; Cardiopril-X: "
                    f"{sum(SITE_PATIENTS):,} patients of {len(SITE_PATIENTS)} sites",
                ],
            ),
            (
                "Effects (percentage points of 30-day readmission)",
                [
                    f"{'':<48}{'sample':>8}{'population':>12}{'patients':>10}",
                    *(line(e) for e in (*effects, t.adoption, t.trial_ate)),
                    f"{'naive difference (what a dashboard shows)':<48}"
                    f"{self.naive():>8.2f}",
                ],
            ),
            (
                "Dials (0 is off)",
                [f"{name:<20}{getattr(q, name):g}" for name in dials]
                + [f"{'threshold':<20}{q.threshold} at {q.cutoff:g}"],
            ),
            (
                "How to use it",
                [
                    "observational   weighting, instrument (keen), threshold",
                    "panel           difference-in-differences by adoption_month",
                    "trial           the randomised benchmark",
                    "cardiopril      fifteen sites for hierarchical models",
                    "truth           what only the world knows; never data",
                    "Not realistic: linear probabilities, full adherence, independent",
                    "patients, physicians who matter for the prescription only.",
                ],
            ),
            *(
                (f"world.{frame}", [f"{c:<20}{text}" for c, text in columns.items()])
                for frame, columns in COLUMNS.items()
            ),
        )

    def plot(self) -> Figure:
        """Draw the four designs: overlap, adoption, threshold, sites."""
        from matplotlib.figure import Figure

        fig = Figure(figsize=(10, 7), layout="constrained")
        axes = fig.subplots(2, 2)
        self._plot_overlap(axes[0, 0])
        self._plot_adoption(axes[0, 1])
        self._plot_threshold(axes[1, 0])
        self._plot_sites(axes[1, 1])
        return fig

    def _plot_overlap(self, ax: Any) -> None:
        d = self.observational
        for arm, label in ((0, "without Drug X"), (1, "on Drug X")):
            ax.hist(d.loc[d["drug_x"] == arm, "severity"], 25, alpha=0.6, label=label)
        ax.set(xlabel="severity, percentile", ylabel="patients", title="Who is treated")
        ax.legend()

    def _plot_adoption(self, ax: Any) -> None:
        d = self.panel
        d["listed from"] = d["adoption_month"].map("month {:.0f}".format)
        d.loc[d["adoption_month"].isna(), "listed from"] = "never"
        sums = d.groupby(["listed from", "month"])[["readmissions", "patients"]].sum()
        rate = (100 * sums["readmissions"] / sums["patients"]).unstack(0)
        for name in rate:
            ax.plot(rate.index, rate[name].rolling(3, 1).mean(), label=name)
        ax.set(xlabel="month", ylabel="readmitted, %", title="Staggered adoption")
        ax.legend(fontsize=8)

    def _plot_threshold(self, ax: Any) -> None:
        d = self.observational
        mid = np.floor(d["risk_score"] - self.parameters.cutoff) + 0.5
        by = d.groupby(mid + self.parameters.cutoff)[["drug_x", "readmitted"]].mean()
        ax.plot(by.index, 100 * by["drug_x"], ".", label="on Drug X, %")
        ax.plot(by.index, 100 * by["readmitted"], "x", label="readmitted, %")
        ax.axvline(self.parameters.cutoff, linestyle="--", color="grey")
        ax.set(xlabel="risk score", title="Guideline threshold")
        ax.legend()

    def _plot_sites(self, ax: Any) -> None:
        d = self.cardiopril_sites
        ax.errorbar(d["effect"], d["site"], xerr=1.96 * d["se"], fmt="o")
        ax.axvline(self.truth.cardiopril_mean, linestyle="--", color="grey")
        ax.set(
            xlabel="effect, mmHg", ylabel="site", title="Cardiopril-X, 95 % intervals"
        )


def calibration(
    seeds: Iterable[int] = range(10),
    size: str = "small",
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Measure the canon of MediCore: rows (name, canon, measured, tolerance).

    ``ATE`` is the mean over seeds of the realised effect on listed patients;
    tolerances are 3 % of the canon. ``progress`` is called with each seed done.
    """
    canon, got = canon_of("medicore"), []
    for seed in seeds:
        world = MediCore(size, seed)
        sites = world.cardiopril_sites
        pooled = np.average(sites["effect"], weights=1 / sites["se"] ** 2)
        naive, trial = world.naive(), world.trial.groupby("drug_x")["readmitted"].mean()
        got.append(
            (
                world.truth.ate.sample,
                100 * (trial[1] - trial[0]),
                float(naive > 0),
                pooled,
            )
            + (len(world.hospitals), len(sites), *sites["patients"].agg(["min", "max"]))
        )
        if progress:
            progress(seed)
    mean = [float(v) for v in np.mean(got, axis=0)]
    ate, pool = canon["ate_points"], canon["cardiopril_pooled_mmhg"]
    sites_n = [canon[f"cardiopril_{k}_site"] for k in ("smallest", "largest")]
    return [
        Row("MediCore ATE (realised, listed patients), points", ate, mean[0], 0.126),
        Row("MediCore share of seeds with the naive sign wrong", 1.0, mean[2], 0.0),
        Row("MediCore hospitals", canon["hospitals"], mean[4], 0.0),
        Row(
            "Cardiopril-X pooled effect (precision-weighted), mmHg",
            pool,
            mean[3],
            0.276,
        ),
        Row("Cardiopril-X sites", canon["cardiopril_sites"], mean[5], 0.0),
        Row("Cardiopril-X smallest site, patients", sites_n[0], mean[6], 0.0),
        Row("Cardiopril-X largest site, patients", sites_n[1], mean[7], 0.0),
    ]
