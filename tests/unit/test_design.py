"""The analysis plan: power by simulation, refusals named, decisions read off."""

from dataclasses import replace

import numpy as np
import pytest

from streamrec.causal.design import (
    AnalysisPlan,
    Covariate,
    PlanError,
    detectable_effect,
    planned_se,
)
from streamrec.causal.randomized import (
    difference_in_means,
    lin_adjustment,
    stratified,
)

PLAN = AnalysisPlan(
    title="t",
    question="q",
    unit="u",
    population="p",
    treatment="a",
    control="b",
    outcome="o",
    outcome_unit="minutes",
    estimand="PATE",
    assignment="randomised",
    mechanism="a fair coin",
    interference="none",
    estimator="difference in means",
    n=400,
    treated_share=0.5,
    sd=10.0,
    smallest_effect=3.0,
    decision="launch if positive",
    falsifiers=("a lopsided sample ratio",),
    signed_by=("product",),
)


def units(seed=0, n=400):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    d = rng.permutation(np.arange(n) < n // 4).astype(int)
    return x, d, 2 * x + d + rng.normal(size=n)


def test_planned_se_is_the_standard_deviation_over_experiments():
    rng = np.random.default_rng(1)
    sd, n, share, r2 = 3.0, 80, 0.25, 0.36
    n1 = int(n * share)
    y = rng.normal(0, sd * np.sqrt(1 - r2), size=(40_000, n))
    spread = (y[:, :n1].mean(axis=1) - y[:, n1:].mean(axis=1)).std()
    want = planned_se(sd, n, share, r2=r2)
    assert spread == pytest.approx(want, rel=0.015)  # 4 standard errors
    assert planned_se(sd, n, share, r2=r2, design_effect=4.0) == pytest.approx(2 * want)


def test_detectable_effect_is_found_as_often_as_stated():
    rng = np.random.default_rng(2)
    for alpha, power in ((0.05, 0.8), (0.01, 0.9)):
        effect = detectable_effect(1.7, alpha=alpha, power=power)
        z = rng.normal(effect, 1.7, size=200_000) / 1.7
        from scipy.stats import norm

        found = (abs(z) > norm.ppf(1 - alpha / 2)).mean()
        assert found == pytest.approx(power, abs=0.005)


def test_a_plan_carries_its_power():
    assert PLAN.se == pytest.approx(1.0)
    assert PLAN.detectable == pytest.approx(2.802, rel=1e-3)
    with pytest.raises(PlanError, match="more units"):
        replace(PLAN, smallest_effect=2.0)
    with pytest.raises(PlanError, match="more units"):
        replace(PLAN, design_effect=2.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, "question is empty"),
        ({"estimand": "effect"}, "estimand must be one of"),
        ({"assignment": "natural"}, "assignment must be one of"),
        ({"estimator": "t-test"}, "estimator must be one of"),
        ({"falsifiers": ()}, "falsify"),
        ({"treated_share": 1.0}, "treated_share"),
        ({"alpha": 0.0}, "alpha"),
        ({"power": 0.3}, "power"),
        ({"sd": float("nan")}, "sd must be positive"),
        ({"smallest_effect": 0.0}, "smallest_effect"),
        ({"r2": 1.0}, "r2"),
        ({"r2": 0.2}, "explains no variance"),
        ({"design_effect": 0.5}, "design_effect"),
        ({"n": 3}, "at least 2"),
        ({"n": float("nan")}, "whole number"),
        ({"sd": "14.8"}, "sd must be a number"),
        ({"falsifiers": "a lopsided sample ratio"}, "list of sentences"),
        ({"falsifiers": (" ",)}, "list of sentences"),
        ({"guardrails": ("p99", "")}, "list of sentences"),
        ({"covariates": ("clicks",)}, "Covariate"),
        ({"covariates": (Covariate("clicks", "after"),)}, "clicks: measured after"),
        ({"estimator": "Lin adjustment"}, "at least one covariate"),
        ({"assignment": "observational"}, "name an adjustment"),
        (
            {
                "assignment": "observational",
                "estimator": "stratified",
                "covariates": (Covariate("score"),),
            },
            "ignorability",
        ),
    ],
)
def test_refusals_say_what_to_do(change, message):
    with pytest.raises(PlanError, match=message):
        replace(PLAN, **change)


def test_the_plan_runs_the_estimator_it_names():
    x, d, y = units()
    s = x > 0
    named = {"covariates": (Covariate("x"),)}
    lin = replace(PLAN, estimator="Lin adjustment", **named)
    strata = replace(PLAN, estimator="stratified", alpha=0.1, **named)
    assert PLAN.analyse(y, d) == difference_in_means(y, d)
    assert lin.analyse(y, d, x) == lin_adjustment(y, d, x)
    assert strata.analyse(y, d, s) == stratified(y, d, s, level=0.9)
    with pytest.raises(PlanError, match="sign a new one"):
        PLAN.analyse(y, d, x)
    with pytest.raises(PlanError, match="needs the covariates"):
        lin.analyse(y, d)


def test_the_verdict_is_read_off_the_interval():
    _, d, y = units()
    base = difference_in_means(y, d)
    for interval, want in (
        ((1.0, 4.0), "effect"),
        ((-1.0, 4.0), "undecided"),
        ((-1.0, 2.0), "too small"),
        ((1.0, 2.0), "too small"),
        ((-4.0, -1.0), "harm"),
    ):
        assert PLAN.verdict(replace(base, interval=interval)) == want


def test_markdown_and_dictionary_round_trip():
    plan = replace(
        PLAN, estimator="stratified", covariates=(Covariate("a|b"),), question="a|b?"
    )
    text = plan.to_markdown()
    assert "2.8 / 3 minutes" in text and "product: ______" in text
    assert "| Question | a/b? |" in text and "Positivity" not in text
    values = plan.as_dict() | {"falsifiers": ["a lopsided sample ratio"]}
    assert AnalysisPlan.from_dict(values) == plan
    with pytest.raises(PlanError, match="unknown entries: colour"):
        AnalysisPlan.from_dict({**values, "colour": 1})
    with pytest.raises(PlanError, match="a covariate has a name"):
        AnalysisPlan.from_dict({**values, "covariates": [{"label": "x"}]})
    for key in ("title", "n"):
        values.pop(key)
    with pytest.raises(PlanError, match="incomplete: title, n"):
        AnalysisPlan.from_dict(values)


def test_a_covariate_is_named_and_timed():
    assert Covariate("minutes before").measured == "before"
    for bad in (("", "before"), ("clicks", "later")):
        with pytest.raises(PlanError, match="give a name"):
            Covariate(*bad)


def test_the_wrong_tail_is_negligible():
    """What ``detectable_effect`` leaves out: significance in the wrong direction."""
    from scipy.stats import norm

    z = norm.ppf(0.975)
    effect = detectable_effect(1.0)
    assert norm.sf(z - effect) == pytest.approx(0.8)
    assert norm.cdf(-z - effect) < 1e-5
