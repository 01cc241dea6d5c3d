"""An analysis plan that is complete before the data are looked at (milestone M6).

Chapter 16, "The Potential Outcomes Framework". ``AnalysisPlan`` is a validated record:
it refuses to exist while the question, the assumptions or the power are missing. It
prints as Markdown for signature, runs the analysis it names, and reads the decision
off the interval by the rule that was signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from math import sqrt
from numbers import Integral, Real
from typing import Any

from numpy.typing import ArrayLike
from scipy import stats

from streamrec.causal.randomized import (
    Estimate,
    difference_in_means,
    lin_adjustment,
    stratified,
)

ASSIGNMENTS = ("randomised", "observational")
ESTIMANDS = ("SATE", "PATE")
ESTIMATORS = ("difference in means", "Lin adjustment", "stratified")


class PlanError(ValueError):
    """The plan cannot be signed as it stands."""


@dataclass(frozen=True)
class Covariate:
    """Something to adjust for: its name and the time at which it was measured.

    ``measured``: "before" or "after" treatment was assigned. Only "before" may be used.
    """

    name: str
    measured: str = "before"

    def __post_init__(self) -> None:
        """Raise PlanError unless named and timed."""
        if not str(self.name).strip() or self.measured not in ("before", "after"):
            raise PlanError(
                f'covariate {self.name!r}: give a name and measured="before" or "after"'
            )


# derivation: eq-po-planned-se
def planned_se(
    sd: float, n: int, share: float, *, r2: float = 0.0, design_effect: float = 1.0
) -> float:
    r"""Standard error to expect of a comparison of means.

    :math:`\sqrt{\text{deff}\,(1 - R^2)\,\sigma^2\,[1/(np) + 1/(n(1 - p))]}` with sd
    sigma the same in both groups, n units, treated share p, R^2 the share of the
    outcome's variance that the adjustment explains, deff the inflation by clusters.

    >>> round(planned_se(10.0, 400, 0.5), 12)
    1.0
    """
    return sqrt(design_effect * (1 - r2) * sd**2 * (1 / (n * share * (1 - share))))


# derivation: eq-po-detectable
def detectable_effect(se: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    r"""Smallest effect found with the given power: (z_{1-alpha/2} + z_power) se.

    Two-sided normal test at level alpha; the chance of a significant result in the
    wrong direction is left out (below 1e-5 at the usual settings).

    >>> round(detectable_effect(1.0), 3)
    2.802
    """
    z = stats.norm.ppf([1 - alpha / 2, power])
    return float((z[0] + z[1]) * se)


@dataclass(frozen=True)
class AnalysisPlan:
    """What will be compared, why the comparison is causal, and what will be decided.

    Texts are sentences for the people who sign. Outcome, smallest_effect and sd are in
    ``outcome_unit``. ``smallest_effect`` is the effect that would change the decision
    and must be detectable with ``power`` at ``alpha``.
    """

    title: str
    question: str
    unit: str  # what one row is
    population: str  # which units, and which are left out, decided beforehand
    treatment: str
    control: str
    outcome: str
    outcome_unit: str
    estimand: str  # one of ESTIMANDS
    assignment: str  # one of ASSIGNMENTS
    mechanism: str  # who or what assigns treatment, with which probability
    interference: str  # why treating one unit leaves the others alone
    estimator: str  # one of ESTIMATORS
    n: int
    treated_share: float
    sd: float
    smallest_effect: float
    decision: str  # what is done above, below and within the interval
    covariates: tuple[Covariate, ...] = ()
    ignorability: str = ""  # observational only: why nothing else drives both
    positivity: str = ""  # observational only: smallest propensity kept, and the rest
    r2: float = 0.0
    design_effect: float = 1.0
    alpha: float = 0.05
    power: float = 0.8
    guardrails: tuple[str, ...] = ()
    falsifiers: tuple[str, ...] = ()  # findings that would make us distrust the result
    signed_by: tuple[str, ...] = ()  # roles

    def __post_init__(self) -> None:
        """Raise PlanError for the first thing that is missing or contradictory."""
        self._check_texts()
        self._check_numbers()
        self._check_assumptions()
        detectable = self.detectable
        if detectable > self.smallest_effect:
            raise PlanError(
                f"the design detects {detectable:.3g} {self.outcome_unit} at best, the "
                f"decision needs {self.smallest_effect:.3g}: more units, a better "
                "covariate, or another question"
            )

    def _check_texts(self) -> None:
        for name in (
            "title question unit population treatment control outcome outcome_unit "
            "mechanism interference decision"
        ).split():
            if not str(getattr(self, name)).strip():
                raise PlanError(f"{name} is empty: write it before data are looked at")
        for name, allowed in (
            ("estimand", ESTIMANDS),
            ("assignment", ASSIGNMENTS),
            ("estimator", ESTIMATORS),
        ):
            if getattr(self, name) not in allowed:
                raise PlanError(f"{name} must be one of {', '.join(allowed)}")
        for name in ("guardrails", "falsifiers", "signed_by"):
            entries = getattr(self, name)
            if isinstance(entries, str) or not all(str(e).strip() for e in entries):
                raise PlanError(f"{name} must be a list of sentences, none empty")
        if not self.falsifiers:
            raise PlanError("name at least one finding that would falsify the analysis")

    def _check_numbers(self) -> None:
        if not isinstance(self.n, Integral):
            raise PlanError(f"n must be a whole number of units, not {self.n!r}")
        for name in (
            "treated_share sd smallest_effect r2 design_effect alpha power"
        ).split():
            if not isinstance(getattr(self, name), Real):
                raise PlanError(f"{name} must be a number, not {getattr(self, name)!r}")
        for name, low, high in (
            ("treated_share", 0.0, 1.0),
            ("alpha", 0.0, 0.5),
            ("power", 0.5, 1.0),
        ):
            if not low < getattr(self, name) < high:
                raise PlanError(f"{name} must lie strictly between {low} and {high}")
        for name in ("sd", "smallest_effect"):
            if not 0 < getattr(self, name) < float("inf"):
                raise PlanError(f"{name} must be positive and finite")
        if not 0 <= self.r2 < 1:
            raise PlanError("r2 must lie in [0, 1)")
        if not 1 <= self.design_effect < float("inf"):
            raise PlanError("design_effect must be at least 1, and finite")
        if self.n * min(self.treated_share, 1 - self.treated_share) < 2:
            raise PlanError("each group needs at least 2 units")

    def _check_assumptions(self) -> None:
        if not all(isinstance(c, Covariate) for c in self.covariates):
            raise PlanError("covariates must be a list of Covariate(name, measured)")
        late = [c.name for c in self.covariates if c.measured != "before"]
        if late:
            raise PlanError(
                f"{', '.join(late)}: measured after assignment, so perhaps itself an "
                "effect of the treatment; adjust only for what came before"
            )
        if self.estimator != "difference in means" and not self.covariates:
            raise PlanError(f"{self.estimator} needs at least one covariate")
        if self.estimator == "difference in means" and self.r2:
            raise PlanError("a difference in means explains no variance: r2 must be 0")
        if self.assignment == "observational":
            if self.estimator == "difference in means":
                raise PlanError(
                    "treatment was chosen, not drawn: the plain difference is the "
                    "effect plus selection; name an adjustment"
                )
            if not (self.ignorability.strip() and self.positivity.strip()):
                raise PlanError(
                    "an observational plan states its ignorability and its positivity"
                )

    @property
    def se(self) -> float:
        """Standard error to expect (``planned_se``), in units of the outcome."""
        return planned_se(
            self.sd,
            self.n,
            self.treated_share,
            r2=self.r2,
            design_effect=self.design_effect,
        )

    @property
    def detectable(self) -> float:
        """Smallest effect this design finds with the stated power."""
        return detectable_effect(self.se, alpha=self.alpha, power=self.power)

    def analyse(
        self, y: ArrayLike, d: ArrayLike, adjust: ArrayLike | None = None
    ) -> Estimate:
        """Run the estimator named in the plan.

        ``adjust``: covariates (n, p) for Lin's adjustment, strata (n,) for the
        stratified estimator, nothing for the difference in means.
        """
        level = 1 - self.alpha
        if self.estimator == "difference in means":
            if adjust is not None:
                raise PlanError("the plan names no adjustment: sign a new one first")
            return difference_in_means(y, d, level=level)
        if adjust is None:
            raise PlanError(f"{self.estimator} needs the covariates the plan names")
        run = lin_adjustment if self.estimator == "Lin adjustment" else stratified
        return run(y, d, adjust, level=level)

    def verdict(self, estimate: Estimate) -> str:
        """Read the interval: "effect", "harm", "too small" or "undecided".

        effect: the interval lies above zero and reaches smallest_effect; harm: below
        zero; too small: entirely below smallest_effect (and not harm); else undecided.
        """
        low, high = estimate.interval
        if high < 0:
            return "harm"
        if high < self.smallest_effect:
            return "too small"
        return "effect" if low > 0 else "undecided"

    def to_markdown(self) -> str:
        """The page to sign."""
        unit = self.outcome_unit
        rows = [
            ("Question", self.question),
            ("Unit", self.unit),
            ("Population", self.population),
            ("Treatment / control", f"{self.treatment} / {self.control}"),
            ("Outcome", f"{self.outcome} ({unit})"),
            ("Estimand", self.estimand),
            ("Assignment", f"{self.assignment}: {self.mechanism}"),
            ("Interference", self.interference),
            ("Ignorability", self.ignorability),
            ("Positivity", self.positivity),
            ("Estimator", f"{self.estimator}, {100 * (1 - self.alpha):g} % interval"),
            ("Adjusted for", ", ".join(c.name for c in self.covariates)),
            ("Units", f"{self.n:,}, {100 * self.treated_share:g} % treated"),
            ("Expected standard error", f"{self.se:.3g} {unit}"),
            (
                "Detectable / needed effect",
                f"{self.detectable:.3g} / {self.smallest_effect:.3g} {unit} "
                f"(power {self.power:g})",
            ),
            ("Decision", self.decision),
            ("Guardrails", "; ".join(self.guardrails)),
            ("Would falsify it", "; ".join(self.falsifiers)),
            ("Signed by", ", ".join(f"{role}: ______" for role in self.signed_by)),
        ]
        lines = [f"**{self.title}**", "", "| | |", "| --- | --- |"]
        lines += [f"| {k} | {v.replace('|', '/')} |" for k, v in rows if v]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file; ``from_dict`` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AnalysisPlan:
        """Build a plan from plain values (a TOML or YAML file).

        Raises
        ------
        PlanError
            For unknown, missing or invalid entries.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise PlanError(f"unknown entries: {', '.join(unknown)}")
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        missing = [
            f.name for f in fields(cls) if f.default is MISSING and f.name not in given
        ]
        if missing:
            raise PlanError(f"the plan is incomplete: {', '.join(missing)}")
        try:
            given["covariates"] = tuple(
                c if isinstance(c, Covariate) else Covariate(**c)
                for c in given.get("covariates", ())
            )
        except TypeError:
            raise PlanError("a covariate has a name and the time measured") from None
        return cls(**given)
