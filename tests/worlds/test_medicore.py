"""MediCore: schema, secrecy, reproducibility, and four designs that find their effect.

Statistical tests allow 4.5 standard errors: a correct world fails one of them with
probability 7e-6, and the seeds are fixed.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression

from streamrec.worlds.medicore import (
    COLUMNS,
    MediCore,
    MediCoreParameters,
    _Population,
    calibration,
    drug_effect,
    prescription,
    readmission_risk,
)
from streamrec.worlds.shape import WorldError

SE = 4.5
FRAMES = tuple(COLUMNS)
HIDDEN = {"y0", "y1", "p0", "p1", "propensity", "frailty", "complier", "eta"}


@pytest.fixture(scope="module")
def world():
    return MediCore("small", seed=3)


@pytest.fixture(scope="module")
def tiny():
    return MediCore("tiny", seed=3)


def ols(X, y):
    """Coefficients and HC0 covariance."""
    X, y = np.asarray(X, float), np.asarray(y, float)
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ y
    scores = X * (y - X @ beta)[:, None]
    return beta, inverse @ (scores.T @ scores) @ inverse


def two_stage(Z, X, y):
    """Just-identified IV: coefficients and HC0 covariance."""
    Z, X, y = (np.asarray(v, float) for v in (Z, X, y))
    inverse = np.linalg.inv(Z.T @ X)
    beta = inverse @ Z.T @ y
    scores = Z * (y - X @ beta)[:, None]
    return beta, inverse @ (scores.T @ scores) @ inverse.T


def close(estimate, se, truth):
    assert abs(estimate - truth) < SE * se, (
        f"{estimate:.2f} +- {se:.2f}, truth {truth:.2f}"
    )


# ------------------------------------------------------------------ shape of the world
@pytest.mark.parametrize("frame", FRAMES)
def test_schema(tiny, frame):
    data = getattr(tiny, frame)
    assert list(data) == list(COLUMNS[frame])
    assert not set(data) & HIDDEN
    assert not data.attrs
    binary = set(data) & {
        "listed",
        "keen",
        "female",
        "eligible",
        "drug_x",
        "readmitted",
    }
    assert all(set(data[c].unique()) <= {0, 1} for c in binary)
    rest = data.drop(columns=[c for c in data if c == "adoption_month"])
    assert frame == "panel" or not rest.isna().any().any()


def test_ranges(world):
    d = world.patients
    assert d["severity"].between(0, 100).all() and d["risk_score"].between(25, 75).all()
    assert d["age"].between(30, 100).all() and d["systolic"].between(60, 240).all()
    assert (d["eligible"] == (d["risk_score"] >= world.parameters.cutoff)).all()
    assert (d.loc[d["listed"] == 0, "drug_x"] == 0).all()
    assert d["hospital"].nunique() == 340


def test_same_seed_same_bytes_other_seed_other_bytes(tiny):
    again, other = MediCore("tiny", seed=3), MediCore("tiny", seed=4)
    for frame in FRAMES:
        a, b = getattr(tiny, frame), getattr(again, frame)
        assert a.to_csv().encode() == b.to_csv().encode()
        if frame != "hospitals":
            assert not a.equals(getattr(other, frame))
    assert_frame_equal(tiny.truth.patients, again.truth.patients)


def test_order_of_access_does_not_matter(tiny):
    other = MediCore("tiny", seed=3)
    _ = other.cardiopril, other.trial, other.truth
    assert_frame_equal(other.patients, tiny.patients)


def test_a_dial_changes_only_what_it_is_about(tiny):
    dialled = MediCore("tiny", seed=3, hidden=1.0, effect=0.0)
    covariates = ["hospital", "month", "age", "severity", "risk_score", "keen"]
    assert_frame_equal(dialled.patients[covariates], tiny.patients[covariates])
    assert_frame_equal(dialled.cardiopril, tiny.cardiopril)
    assert not dialled.patients["drug_x"].equals(tiny.patients["drug_x"])


def test_what_is_seen_is_a_copy(tiny):
    before = tiny.patients
    view = tiny.patients
    view["readmitted"] = -1
    assert_frame_equal(tiny.patients, before)


def test_consistency_of_potential_outcomes(tiny):
    d, t = tiny.patients, tiny.truth.patients
    realised = np.where(d["drug_x"] == 1, t["y1"], t["y0"])
    assert (d["readmitted"] == realised).all()
    assert ((t["y1"] <= t["y0"]) | (t["p1"] > t["p0"])).all()  # the same U in both arms
    assert ((t["propensity"] > 0) == (t["listed"] == 1)).all()


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"size": "huge"}, WorldError, "choose from tiny, small, medium"),
        ({"hospitals": -3}, WorldError, "at least 1"),
        ({"monthly_patients": 2.5}, WorldError, "whole number"),
        ({"seed": -1}, WorldError, "seed"),
        ({"sed": 1}, TypeError, "unknown parameter 'sed'"),
        ({"threshold": "soft"}, WorldError, "fuzzy, sharp, none"),
        ({"defiers": 1.5}, WorldError, "share"),
        ({"cutoff": 90.0}, WorldError, "between 30 and 70"),
        ({"months": 10}, WorldError, "at least 17"),
        ({"patient_sd": 0.0}, WorldError, "above 0"),
        ({"hidden": float("nan")}, WorldError, "finite"),
    ],
)
def test_bad_input_says_what_to_do(kwargs, error, words):
    with pytest.raises(error, match=words):
        MediCore(**kwargs)


def test_impossible_probabilities_are_refused():
    with pytest.raises(WorldError, match="leaves"):
        _ = MediCore("tiny", base_risk=0.05).patients


def test_pages(tiny):
    text = tiny.describe()
    assert "hospitals" in text and "naive" in text and repr(text) == str(text)
    assert len(tiny.plot().axes) == 4


# --------------------------------------------------- the equations of the docstring
def test_equations():
    rng = np.random.default_rng(0)
    q = MediCoreParameters(hidden=0.7)
    s, r, age, com, f, shift = rng.uniform(-1.7, 1.7, (6, 200))
    x = {"s": s, "r": r, "age": age, "com": com, "f": f}
    p0 = 0.26 + 0.07 * s + 0.012 * r + 0.008 * age + 0.008 * com + 0.015 * f + shift
    assert_allclose(readmission_risk(q, x, shift), p0)
    assert_allclose(drug_effect(q, s, r, 3), (-4.2 - 1.4 * s - 0.5 * r) / 100)
    keen, since = rng.integers(0, 2, 200), rng.integers(0, 9, 200)
    line = (
        -1.6 + 0.8 * s + 1.6 * keen + 2.0 * (50 + 10 * r >= 54) - (since < 4) + 0.7 * f
    )
    assert_allclose(prescription(q, s, r, f, keen, since), 1 / (1 + np.exp(-line)))


def test_scores_and_severity(world):
    d, x = world.patients, world._log
    assert_allclose(d["risk_score"], 50 + 10 * x["r"])
    lab = (x["r"] - 0.6 * x["s"]) / 0.8
    for v in (x["s"], lab, x["f"], x["age"], x["com"]):  # uniform of mean 0, SD 1
        assert abs(v.mean()) < SE / np.sqrt(v.size) and abs(v.std() - 1) < 0.01
        assert np.abs(v).max() <= np.sqrt(3)
    assert_allclose(d["severity"], 50 * (1 + x["s"] / np.sqrt(3)))
    assert abs(np.corrcoef(lab, x["s"])[0, 1]) < SE / np.sqrt(lab.size)
    related = d[["age", "systolic", "egfr", "comorbidity"]].corrwith(d["severity"])
    assert (related * [1, 1, -1, 1] > 0.2).all()


def test_treatment_follows_the_propensity(world):
    d, t = world.patients, world.truth.patients
    bins = (t["propensity"] * 10).astype(int)
    gap = d["drug_x"].groupby(bins).mean() - t["propensity"].groupby(bins).mean()
    assert (gap.abs() < SE * 0.5 / np.sqrt(bins.value_counts().sort_index())).all()
    rate = d["readmitted"] - np.where(d["drug_x"] == 1, t["p1"], t["p0"])
    assert abs(rate.mean()) < SE * 0.5 / np.sqrt(len(d))


def test_learning_makes_the_effect_depend_on_time():
    t = MediCore("small", seed=2, learning=-0.1).truth.att_staggered
    early, late = t.query("since == 4"), t.query("since == 16")
    assert late["att_population"].mean() < early["att_population"].mean() - 0.4
    gap = np.average(t["att"] - t["att_population"], weights=t["patients"])
    assert abs(gap) < SE * 16 / np.sqrt(t["patients"].sum())


# --------------------------------------------------------------------------- the truth
def test_population_truth_is_the_limit_of_samples():
    big = MediCore("medium", seed=8)
    t = big.truth
    estimands = (t.ate, t.att, t.atu, t.late_instrument, t.adoption, t.trial_ate)
    for e in (*estimands, t.effect_at_threshold, t.ate_all_patients):
        close(e.sample, 23 / np.sqrt(e.n), e.population)
    assert t.ate.population == pytest.approx(-4.2, abs=1e-9)


def test_quadrature_converges_and_equals_simulation():
    q = MediCoreParameters(hidden=0.5)
    coarse, fine = _Population(q).cell(0), _Population(q, nodes=48).cell(0)
    for name in coarse:  # smooth on both sides of the cutoff
        assert_allclose(coarse[name], fine[name], rtol=1e-5, err_msg=name)
    n = 1_000_000
    s, w, f = np.random.default_rng(1).uniform(-np.sqrt(3), np.sqrt(3), (3, n))
    r = 0.6 * s + 0.8 * w
    e = (prescription(q, s, r, f, 0, 0) + prescription(q, s, r, f, 1, 0)) / 2
    tau = 100 * drug_effect(q, s, r, 0)
    close((e * tau).mean(), (e * tau).std() / np.sqrt(n), fine["e_tau"])
    near = np.abs(r - 0.4) < 0.02
    s, f, c = s[near], f[near], np.full(near.sum(), 0.4)
    jump = sum(
        prescription(q, s, c, f, k, 0) - prescription(q, s, c - 1e-6, f, k, 0)
        for k in (0, 1)
    )
    tau = 100 * drug_effect(q, s, c, 0)
    for name, value in (("jump", jump / 2), ("jump_tau", jump / 2 * tau)):
        close(value.mean(), value.std() / np.sqrt(near.sum()), fine[name])


def test_att_atu_and_ate_agree(world):
    t = world.truth
    share = t.att.n / t.ate.n
    assert_allclose(share * t.att.sample + (1 - share) * t.atu.sample, t.ate.sample)
    staggered = t.att_staggered
    whole = np.average(staggered["att"], weights=staggered["patients"])
    assert_allclose(whole, share * t.att.sample)
    assert staggered["patients"].sum() == t.ate.n


def test_group_time_effects_are_cell_means(tiny):
    d, t = tiny.patients, tiny.truth
    gain = 100.0 * d["drug_x"] * (t.patients["y1"] - t.patients["y0"])
    cell = (d["adoption_month"] == 8) & (d["month"] == 13)
    row = t.att_staggered.query("group == 8 and month == 13").iloc[0]
    assert_allclose(row["att"], gain[cell].mean())
    assert row["patients"] == cell.sum()


# ----------------------------------------------------------------------- four designs
def test_naive_sign_is_wrong(world):
    d = world.observational
    rate = d.groupby("drug_x")["readmitted"].mean()
    assert 100 * (rate[1] - rate[0]) > 1.5 > 0 > world.truth.ate.sample
    assert_allclose(100 * (rate[1] - rate[0]), world.naive())


def test_trial(world):
    d = world.trial
    a = d["drug_x"] == 1
    y1, y0 = 100 * d.loc[a, "readmitted"], 100 * d.loc[~a, "readmitted"]
    se = np.sqrt(y1.var() / len(y1) + y0.var() / len(y0))
    close(y1.mean() - y0.mean(), se, world.truth.trial_ate.population)


def adjusters(d):
    standard = lambda v: (v - v.mean()) / v.std()  # noqa: E731
    X = d[["eligible", "keen", "introduction"]].astype(float)
    X["severity"], X["score"] = standard(d["severity"]), standard(d["risk_score"])
    X["since"] = standard(d["month"] - d["adoption_month"])
    X["month"] = standard(d["month"])
    return X.to_numpy()


def test_weighting_finds_the_ate(world):
    d = world.observational
    X, a, y = adjusters(d), d["drug_x"].to_numpy(), 100 * d["readmitted"].to_numpy()
    e = LogisticRegression(C=1e6, max_iter=500).fit(X, a).predict_proba(X)[:, 1]
    w1, w0 = a / e, (1 - a) / (1 - e)
    m1, m0 = np.average(y, weights=w1), np.average(y, weights=w0)
    influence = w1 * (y - m1) / w1.mean() - w0 * (y - m0) / w0.mean()
    close(m1 - m0, influence.std() / np.sqrt(len(y)), world.truth.ate.population)


def test_regression_finds_the_ate(world):
    d = world.observational
    X, a = adjusters(d), d["drug_x"].to_numpy()[:, None]
    centred = X - X.mean(axis=0)
    design = np.column_stack([a, np.ones(len(d)), centred, a * centred])
    beta, V = ols(design, 100 * d["readmitted"])
    close(beta[0], np.sqrt(V[0, 0]), world.truth.ate.population)


def test_hidden_confounding_biases_weighting_not_the_instrument():
    world = MediCore("small", seed=5, hidden=1.5, frailty_risk=0.02)
    d = world.observational
    X, a = adjusters(d), d["drug_x"].to_numpy()[:, None]
    centred = X - X.mean(axis=0)
    design = np.column_stack([a, np.ones(len(d)), centred, a * centred])
    beta, V = ols(design, 100 * d["readmitted"])
    assert beta[0] - world.truth.ate.population > 4 * np.sqrt(V[0, 0])
    estimate, se = instrument(d)
    close(estimate, se, world.truth.late_instrument.population)


def instrument(d):
    X = adjusters(d)
    others = np.column_stack([np.ones(len(d)), X[:, [0, 2, 3, 4, 5, 6]]])
    Z = np.column_stack([d["keen"], others])
    beta, V = two_stage(
        Z, np.column_stack([d["drug_x"], others]), 100 * d["readmitted"]
    )
    return beta[0], np.sqrt(V[0, 0])


def test_instrument_finds_the_late(world):
    d, truth = world.observational, world.truth
    close(*instrument(d), truth.late_instrument.population)
    first = d.groupby("keen")["drug_x"].mean().diff().iloc[-1]
    n = len(d)
    close(first, np.sqrt(1 / n), truth.compliers)
    assert not world.truth.patients["defier"].any()
    assert (
        d.groupby("keen")["severity"].mean().diff().abs().iloc[-1] < 1
    )  # as if random


def test_exclusion_and_monotonicity_can_be_broken():
    direct = MediCore("small", seed=6, direct=-1.0)
    estimate, se = instrument(direct.observational)
    assert estimate < direct.truth.late_instrument.population - 2 * se
    assert MediCore("tiny", defiers=0.2).truth.patients["defier"].mean() > 0.01


def did(panel, groups=(4, 8, 12, 16)):
    """ATT over patients of adopted months; never-adopters are the controls."""
    n = panel["patients"].to_numpy(float).reshape(-1, panel["month"].nunique())
    y = 100 * panel["readmissions"].to_numpy(float).reshape(n.shape)
    adoption = panel["adoption_month"].to_numpy().reshape(n.shape)[:, 0]
    month = np.arange(n.shape[1])

    def rate(who, when, w):
        return (w[who] @ y[who][:, when]).sum() / (w[who] @ n[who][:, when]).sum()

    def estimate(w):
        total = weight = 0.0
        never = np.isnan(adoption)
        for g in groups:
            own, pre = adoption == g, month < g
            base = rate(own, pre, w) - rate(never, pre, w)
            for t in range(g, n.shape[1]):
                size = n[own, t] @ w[own]
                gap = rate(own, [t], w) - rate(never, [t], w) - base
                total, weight = total + size * gap, weight + size
        return total / weight

    rng = np.random.default_rng(0)
    H = len(n)
    boot = [
        estimate(rng.multinomial(H, np.full(H, 1 / H)).astype(float)) for _ in range(60)
    ]
    return estimate(np.ones(H)), np.std(boot)


def test_staggered_adoption_finds_the_att(world):
    close(*did(world.panel), world.truth.adoption.sample)
    after = world.panel.query("adopted == 1")
    late = after["readmissions"].sum() / after["patients"].sum()
    before = world.panel.query("adopted == 0")
    early = before["readmissions"].sum() / before["patients"].sum()
    assert abs(100 * (late - early) - world.truth.adoption.sample) > 0.3  # confounded


def test_broken_trends_break_difference_in_differences():
    world = MediCore("small", seed=7, trend_break=0.25)
    estimate, se = did(world.panel)
    assert estimate > world.truth.adoption.sample + 4 * se


def discontinuity(d, cutoff, width):
    x = d["risk_score"] - cutoff
    d, x = d[x.abs() <= width], x[x.abs() <= width].to_numpy()
    up = (x >= 0).astype(float)
    controls = np.column_stack(
        [np.ones(len(x)), x, x * up, d["severity"], d["introduction"]]
    )
    y, a = 100 * d["readmitted"].to_numpy(), d["drug_x"].to_numpy()
    Z, X = np.column_stack([up, controls]), np.column_stack([a, controls])
    beta, V = two_stage(Z, X, y)
    return beta[0], np.sqrt(V[0, 0])


@pytest.mark.parametrize("threshold", ["fuzzy", "sharp"])
def test_threshold_finds_the_local_effect(threshold):
    world = MediCore("small", seed=9, threshold=threshold)
    estimate = discontinuity(world.observational, world.parameters.cutoff, 8)
    close(*estimate, world.truth.effect_at_threshold.population)
    if threshold == "sharp":
        d = world.observational
        assert (d["drug_x"] == d["eligible"]).all()
        assert np.isnan(world.truth.late_instrument.population)
        propensity = world.truth.patients["propensity"]
        assert np.isin(propensity, [0.0, 1.0]).all() and propensity.nunique() == 2


def test_manipulation_bunches_above_the_cutoff():
    def bins(world):
        score = world.observational["risk_score"] - world.parameters.cutoff
        return score.between(-2, 0).sum(), score.between(0, 2).sum()

    below, above = bins(MediCore("small", seed=1))
    assert abs(above - below) < 0.1 * below
    below, above = bins(MediCore("small", seed=1, manipulation=0.4))
    assert above > 1.5 * below


def test_the_trial_can_avoid_the_sick():
    choosy = MediCore("tiny", seed=2, trial_selection=1.5, trial_patients=4000)
    assert choosy.trial["severity"].mean() < 35
    assert choosy.truth.trial_ate.population > -3.7 > choosy.truth.ate.population


# ------------------------------------------------------------------------ Cardiopril-X
def test_cardiopril_sites(tiny):
    d, table, truth = tiny.cardiopril, tiny.cardiopril_sites, tiny.truth
    assert len(table) == 15
    assert (table["patients"].min(), table["patients"].max()) == (42, 580)
    arms = d.groupby(["site", "cardiopril"]).size().unstack()
    assert (arms.diff(axis=1)[1].abs() <= 1).all()
    effects = truth.cardiopril_sites["effect"]
    assert_allclose(effects.mean(), 9.2)
    assert_allclose(np.average(effects, weights=table["patients"]), 9.2)
    assert_allclose(effects.std(ddof=0), truth.cardiopril_sd)
    assert (np.abs(table["effect"] - effects) < SE * table["se"]).all()
    assert_allclose(d["systolic_baseline"] - d["systolic_week12"], d["fall"], atol=1e-9)


def test_exact_patients_show_the_site_effects():
    exact = MediCore("tiny", 3, patient_sd=1e-6)
    effects = exact.truth.cardiopril_sites["effect"]
    assert_allclose(
        exact.cardiopril_sites["effect"], effects, atol=0.11
    )  # rounding twice
    assert effects.std() > 1


def test_free_site_effects_are_normal_draws():
    draws = [
        MediCore("tiny", s, centred_sites=False).truth.cardiopril_sites["effect"]
        for s in range(40)
    ]
    values = pd.concat(draws)
    close(values.mean(), 2.2 / np.sqrt(len(values)), 9.2)
    close(values.std(), 2.2 / np.sqrt(2 * len(values)), 2.2)


def test_calibration_smoke():
    for row in calibration(range(2)):  # two seeds: sqrt(5) times the noise of ten
        assert abs(row.measured - row.canon) <= 2.5 * row.tolerance, row
