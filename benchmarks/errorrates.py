"""Error rates of every estimator of experiments and of causal, by simulation.

Run it with ``python benchmarks/run.py --only errorrates``; results go to
``results/errorrates.json``, whose fields README.md describes. A row is a method on a
kind of data whose truth is known: 2,000 runs without an effect (how often does it
reject?) and, on the same draws, 2,000 with the effect that the plan says is found four
times in five (does the interval cover it? how often is it found?). Rows marked "fails"
are there to fail: they are what people do instead. Exits with 1 when a method that
should hold does not, or one that should fail holds. ``--runs 200`` for a quick look
(nothing is written).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from math import isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.progress import track
from scipy import special, stats

from streamrec.causal.differences import (
    group_time_effects,
    panel,
    two_way_fixed_effects,
)
from streamrec.causal.discontinuity import discontinuity
from streamrec.causal.instrumental import two_stage_least_squares
from streamrec.causal.matching import match
from streamrec.causal.randomized import lin_adjustment, stratified
from streamrec.causal.weighting import aipw, ipw
from streamrec.experiments import moments, sequential
from streamrec.experiments.moments import Moments
from streamrec.experiments.sample_ratio import sample_ratio, sample_ratio_anytime
from streamrec.stats.multiplicity import benjamini_hochberg, holm

RESULTS = Path(__file__).parent / "results" / "errorrates.json"
RUNS, ALPHA, POWER = 2_000, 0.05, 0.8
NOTE = (
    "Each row meets data whose truth is known: first without an effect, then with one. "
    "A method holds if it rejects as often as its level says (or less, where it only "
    "promises a bound), covers as often as its interval says, and finds the effect as "
    "often as the plan said. The rows that fail are what people do instead, or where "
    "an approximation ends; biases and exact shares stand in the file."
)
Z = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)
Floats = NDArray[np.float64]
nan = float("nan")
Data = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a method says in one run."""

    estimate: float
    low: float
    high: float
    reject: bool


@dataclass(frozen=True)
class Row:
    """A method, the data it meets, and what is expected of it.

    effect: that the plan finds with probability ``POWER``, in units of the outcome.
    holds: False for what is shown to fail. at_most: the level is only bounded.
    planned: whether the power of the plan is to be met within three points.
    """

    method: str
    data: str
    draw: Callable[[np.random.Generator, float], Data]
    ask: Callable[[Data], Answer]
    effect: float
    holds: bool = True
    at_most: bool = False
    planned: bool = True
    level: float = ALPHA


def answer(r: Any) -> Answer:
    """From anything with an effect and an interval."""
    low, high = r.interval
    p = getattr(r, "p_value", None)
    reject = not low <= 0 <= high if p is None or isnan(p) else p < ALPHA
    return Answer(getattr(r, "effect", nan), low, high, bool(reject))


# ------------------------------------------------------------------- experiments
# 2,000 users, half of them treated. x is measured before.

USERS, CLUSTER, ICC, DAYS, RHO = 2_000, 10, 0.3, 14, 0.6
SKEW = 1.2  # sigma of the log-normal minutes


def independent(rng: np.random.Generator, effect: float) -> Data:
    """Normal outcomes, correlation RHO with the covariate."""
    d = rng.permutation(USERS) < USERS // 2
    x = rng.normal(size=USERS)
    y = RHO * x + sqrt(1 - RHO**2) * rng.normal(size=USERS)
    return {"d": d, "x": x, "y": y + effect * d}


def clustered(rng: np.random.Generator, effect: float) -> Data:
    """Whole clusters of CLUSTER users are assigned; x and y share their effects."""
    groups = USERS // CLUSTER
    g = np.repeat(np.arange(groups), CLUSTER)
    d = (rng.permutation(groups) < groups // 2)[g]

    def one() -> Floats:
        between = sqrt(ICC) * rng.normal(size=groups)[g]
        return between + sqrt(1 - ICC) * rng.normal(size=USERS)

    x = one()
    return {"d": d, "x": x, "g": g, "y": RHO * x + 0.8 * one() + effect * d}


def heavy(rng: np.random.Generator, effect: float, treated: int = USERS // 2) -> Data:
    """Log-normal minutes; x is last month's, correlated on the log scale."""
    d = rng.permutation(USERS) < treated
    a, b = rng.normal(size=(2, USERS))
    x, y = np.exp(SKEW * a), np.exp(SKEW * (RHO * a + sqrt(1 - RHO**2) * b))
    return {"d": d, "x": x, "y": y + effect * d}


def drifting(rng: np.random.Generator, effect: float, ramp: bool = False) -> Data:
    """Users arrive over DAYS and the level rises by two deviations meanwhile.

    ramp: a tenth is treated in the first week and half in the second.
    """
    day = np.sort(rng.integers(0, DAYS, USERS))
    share = np.where((day < DAYS // 2) & ramp, 0.1, 0.5)
    d = rng.random(USERS) < share
    x = rng.normal(size=USERS)
    y = RHO * x + sqrt(1 - RHO**2) * rng.normal(size=USERS) + 2 * day / DAYS
    return {"d": d, "x": x, "y": y + effect * d, "day": day}


def rates(rng: np.random.Generator, effect: float, base: float = 0.1) -> Data:
    """Conversions."""
    d = rng.permutation(2 * USERS) < USERS
    return {"d": d, "y": (rng.random(2 * USERS) < base + effect * d).astype(float)}


def clicks(rng: np.random.Generator, effect: float) -> Data:
    """Clicks of users whose impressions have a long tail and whose rates differ."""
    d = rng.permutation(USERS) < USERS // 2
    n = 1 + rng.negative_binomial(0.8, 0.08, USERS)
    p = rng.beta(2, 14, USERS) * (1 + effect * d / 0.125)  # mean rate 1/8
    return {"d": d, "x": n.astype(float), "y": rng.binomial(n, p).astype(float)}


def arms(data: Data, x: bool = False) -> tuple[Moments, Moments]:
    """Moments of control and treatment."""

    def of(arm: NDArray[np.bool_]) -> Moments:
        return Moments.of(data["y"][arm], data["x"][arm] if x else None)

    return of(~data["d"]), of(data["d"])


def welch(data: Data) -> Answer:
    return answer(moments.difference_in_means(*arms(data)))


def cuped(data: Data) -> Answer:
    return answer(moments.cuped(*arms(data, x=True)))


def proportions(data: Data) -> Answer:
    return answer(moments.difference_in_proportions(*arms(data)))


def ratios(data: Data) -> Answer:
    return answer(moments.difference_in_ratios(*arms(data, x=True)))


def by_impression(data: Data) -> Answer:
    """The wrong unit: impressions as if independent."""
    d, y, n = data["d"], data["y"], data["x"]
    rate = [y[a].sum() / n[a].sum() for a in (~d, d)]
    size = [int(n[a].sum()) for a in (~d, d)]
    both = (Moments(m, p, p * (1 - p)) for m, p in zip(size, rate, strict=True))
    return answer(moments.difference_in_proportions(*both))


def by_cluster(data: Data) -> Answer:
    """Sums over clusters as units: a ratio of totals."""
    sums = np.bincount(data["g"], data["y"])
    units = {"y": sums, "x": np.bincount(data["g"]) * 1.0,
             "d": np.bincount(data["g"], data["d"]) > 0}  # fmt: skip
    return ratios(units)


def lin(data: Data) -> Answer:
    return answer(lin_adjustment(data["y"], data["d"], data["x"]))


def strata(data: Data) -> Answer:
    return answer(stratified(data["y"], data["d"], data["day"]))


def looks(data: Data, times: int) -> list[tuple[float, float]]:
    """Estimate and error after each of ``times`` equal parts of the users."""
    found = []
    for k in range(1, times + 1):
        part = slice(0, k * len(data["y"]) // times)
        r = moments.difference_in_means(
            *arms({"y": data["y"][part], "d": data["d"][part]})
        )
        found.append((r.effect, r.se))
    return found


def peeking(data: Data) -> Answer:
    """Stop at the first of DAYS looks with p < .05."""
    z = stats.norm.ppf(1 - ALPHA / 2)
    for estimate, se in looks(data, DAYS):
        if abs(estimate) > z * se:
            break
    low, high = estimate - z * se, estimate + z * se
    return Answer(estimate, low, high, not low <= 0 <= high)


def always_valid(data: Data, sd: float = 1.0) -> Answer:
    """Stop at the first of DAYS looks whose always-valid interval leaves out 0."""
    tau = sequential.best_tau(sd * sqrt(4 / len(data["y"])))
    low, high = -np.inf, np.inf
    for estimate, se in looks(data, DAYS):
        now = sequential.look(estimate, se, tau)
        low, high = max(low, now.interval[0]), min(high, now.interval[1])
        if not now.interval[0] <= 0 <= now.interval[1]:
            break
    return Answer(estimate, low, high, not low <= 0 <= high)


FIVE = sequential.group_sequential([0.2, 0.4, 0.6, 0.8, 1.0])


def group_sequential(data: Data) -> Answer:
    """Five looks with O'Brien and Fleming's bounds, which give no interval."""
    for (estimate, se), c in zip(looks(data, 5), FIVE, strict=True):
        if abs(estimate) > c * se:
            return Answer(nan, nan, nan, True)
    return Answer(nan, nan, nan, False)


def guardrail(data: Data) -> Answer:
    """Is harm beyond the margin ruled out? Its null is harm of just the margin."""
    data = {**data, "y": data["y"] - MARGIN * data["d"]}
    r = moments.difference_in_means(*arms(data))
    return Answer(nan, nan, nan, moments.no_worse(r, MARGIN)[1])


MARGIN = float(Z) * sqrt(4 / USERS)


def several(data: Data, adjust: Callable[..., Any] | None) -> Answer:
    """Four metrics; rejects if any does. Without adjustment: what goes wrong."""
    p = []
    for j in range(4):
        part = {"d": data["d"], "y": data["ys"][j]}
        p.append(moments.difference_in_means(*arms(part)).p_value)
    values = np.array(p) if adjust is None else np.asarray(adjust(p))
    return Answer(nan, nan, nan, bool(values.min() < ALPHA))


def four(rng: np.random.Generator, effect: float) -> Data:
    """Four metrics with correlation a half, the effect on the first."""
    d = rng.permutation(USERS) < USERS // 2
    shared = rng.normal(size=USERS)
    ys = sqrt(0.5) * shared + sqrt(0.5) * rng.normal(size=(4, USERS))
    ys[0] += effect * d
    return {"d": d, "ys": ys}


def counts(rng: np.random.Generator, effect: float) -> Data:
    """Users of each arm by day; effect: the share that is lost from treatment."""
    new = rng.multinomial(20_000, [0.5, 0.5 * (1 - effect), 0.5 * effect], DAYS)
    return {"n": new[:, :2].cumsum(0)}


HALVES = {"a": 0.5, "b": 0.5}


def ratio_test(data: Data) -> Answer:
    last = dict(zip("ab", map(int, data["n"][-1]), strict=True))
    p = sample_ratio(last, HALVES).p_value
    return Answer(nan, nan, nan, p < ALPHA)


def ratio_daily(data: Data) -> Answer:
    p = [sample_ratio(dict(zip("ab", map(int, n), strict=True)), HALVES).p_value
         for n in data["n"]]  # fmt: skip
    return Answer(nan, nan, nan, min(p) < ALPHA)


def ratio_anytime(data: Data) -> Answer:
    p = [sample_ratio_anytime(dict(zip("ab", map(int, n), strict=True)), HALVES).p_value
         for n in data["n"]]  # fmt: skip
    return Answer(nan, nan, nan, min(p) < ALPHA)


# ---------------------------------------------------------- without an experiment
# 800 units; treatment follows x, and so does the outcome.

UNITS = 800


def confounded(
    tail: str, n: int = UNITS
) -> Callable[[np.random.Generator, float], Data]:
    """Draws with normal errors, with errors of 3 degrees of freedom, or clustered."""

    def draw(rng: np.random.Generator, effect: float) -> Data:
        g = np.repeat(np.arange(n // CLUSTER), CLUSTER)
        x = rng.normal(size=(n, 2))
        e = rng.normal(size=n)
        if tail == "heavy":
            e = rng.standard_t(3, n) / sqrt(3)
        if tail == "clustered":  # clusters are treated as a whole, errors shared
            x = rng.normal(size=(n // CLUSTER, 2))[g]
            e = sqrt(ICC) * rng.normal(size=n // CLUSTER)[g] + sqrt(1 - ICC) * e
        u = rng.random(n // CLUSTER)[g] if tail == "clustered" else rng.random(n)
        d = u < special.expit(0.6 * x[:, 0] - 0.4 * x[:, 1])
        y = x @ [1.0, 0.5] + e + effect * d
        return {"d": d, "x": x, "y": y, "g": g}

    return draw


def unadjusted(data: Data) -> Answer:
    return welch(data)


def weighted(data: Data) -> Answer:
    return answer(ipw(data["y"], data["d"], data["x"]))


def doubly_robust(data: Data) -> Answer:
    return answer(aipw(data["y"], data["d"], data["x"]))


def doubly_robust_clusters(data: Data) -> Answer:
    return answer(aipw(data["y"], data["d"], data["x"], clusters=data["g"]))


def matched(data: Data) -> Answer:
    return answer(match(data["y"], data["d"], data["x"], neighbours=2).estimate)


PERIODS = 8
STARTS = np.repeat([4.0, 6.0, np.inf], [50, 50, 100])


def staggered(
    kind: str, grows: bool = False
) -> Callable[[np.random.Generator, float], Data]:
    """Panel of 200 units, cohorts treated at 4 and 6; effect in each treated period.

    kind: independent errors, errors that last (AR 0.7), heavy tails, or a common trend
    beside levels that differ by cohort. grows: the effect of a unit grows with time
    since treatment (``effect`` is then its average over treated unit-periods).
    """

    def draw(rng: np.random.Generator, effect: float) -> Data:
        n, t = len(STARTS), np.arange(PERIODS)
        e = rng.normal(size=(n, PERIODS))
        if kind == "clustered":
            for k in range(1, PERIODS):
                e[:, k] = 0.7 * e[:, k - 1] + sqrt(1 - 0.49) * e[:, k]
        if kind == "heavy":
            e = rng.standard_t(3, size=e.shape) / sqrt(3)
        y = rng.normal(size=(n, 1)) + e
        if kind == "drifting":
            y = y + 0.5 * t + np.isfinite(STARTS)[:, None]
        on = t >= STARTS[:, None]
        since = np.where(on, t - np.where(np.isinf(STARTS), 0, STARTS)[:, None] + 1, 0)
        weight = since / since[on].mean() if grows else on
        y = y + effect * weight
        frame = pd.DataFrame(
            {"unit": np.repeat(np.arange(n), PERIODS), "t": np.tile(t, n),
             "y": y.ravel(), "first": np.repeat(STARTS, PERIODS)}
        )  # fmt: skip
        return {"panel": panel(frame, unit="unit", time="t", outcome="y",
                               first_treated="first")}  # fmt: skip

    return draw


def did(data: Data) -> Answer:
    return answer(group_time_effects(data["panel"]).overall)


def twfe(data: Data) -> Answer:
    return answer(two_way_fixed_effects(data["panel"]))


def cutoff(tail: str) -> Callable[[np.random.Generator, float], Data]:
    """Units at a cutoff 0 of x, a curved outcome."""

    def draw(rng: np.random.Generator, effect: float) -> Data:
        x = rng.uniform(-1, 1, UNITS)
        e = rng.normal(size=UNITS)
        if tail == "heavy":
            e = rng.standard_t(3, UNITS) / sqrt(3)
        y = 0.8 * x + 0.6 * x**2 - 0.5 * x**3 + 0.5 * e + effect * (x >= 0)
        return {"x": x, "y": y}

    return draw


def rdd(data: Data) -> Answer:
    r = discontinuity(data["x"], data["y"], 0.0)
    low, high = r.robust_interval
    return Answer((low + high) / 2, low, high, not low <= 0 <= high)


def rdd_line(data: Data) -> Answer:
    """Straight lines through everything: the curvature becomes a jump."""
    r = discontinuity(data["x"], data["y"], 0.0, bandwidth=np.inf, kernel="uniform")
    return answer(r)


def instrument(strength: float) -> Callable[[np.random.Generator, float], Data]:
    """A hidden u moves t and y; z moves t by ``strength``."""

    def draw(rng: np.random.Generator, effect: float) -> Data:
        z, u, v, e = rng.normal(size=(4, UNITS))
        t = strength * z + 2 * u + 0.3 * v
        return {"z": z, "t": t, "y": effect * t + 2 * u + 0.5 * e}

    return draw


def iv(data: Data) -> Answer:
    return answer(two_stage_least_squares(data["y"], data["t"], data["z"]))


def iv_ar(data: Data) -> Answer:
    """Its set may be the line, or the line less a gap: both count as the whole line."""
    r = two_stage_least_squares(data["y"], data["t"], data["z"])
    low, high = r.anderson_rubin or (-np.inf, np.inf)
    return Answer(r.effect, low, high, not low <= 0 <= high)


def ols(data: Data) -> Answer:
    r = two_stage_least_squares(data["y"], data["t"], data["z"])
    half = 1.96 * r.ols_se
    low, high = r.ols - half, r.ols + half
    return Answer(r.ols, low, high, not low <= 0 <= high)


# ------------------------------------------------------------- the streaming world


def streaming_users() -> Data:
    """Users of an A/A in the streaming world: two weeks, and the two weeks before."""
    from streamrec.worlds.streaming import StreamingWorld

    world = StreamingWorld(size="small", seed=0)
    e = world.experiment("incumbent", "incumbent")
    u = e.users
    return {
        "x": u["pre_minutes"].fillna(u["pre_minutes"].mean()).to_numpy(float),
        "y": u["minutes"].to_numpy(float),
        "clicks": u["shelf_clicks"].to_numpy(float),
        "impressions": u["shelf_impressions"].to_numpy(float),
    }


def reassigned(users: Data, y: str, x: str) -> Callable[..., Data]:
    """The same users assigned anew; the effect adds to the metric of the treated."""

    def draw(rng: np.random.Generator, effect: float) -> Data:
        n = len(users[y])
        d = rng.permutation(n) < n // 2
        more = effect * d * (users[x] if y == "clicks" else 1.0)
        return {"d": d, "x": users[x], "y": users[y] + more}

    return draw


# ------------------------------------------------------------------------ the study


def rows(users: Data) -> list[Row]:
    """Every row of the table, in order."""
    plain = float(Z) * sqrt(4 / USERS)
    sd_heavy = sqrt((np.exp(SKEW**2) - 1) * np.exp(SKEW**2))
    from_rest = sqrt(1 - RHO**2)
    whole = sqrt(1 + (CLUSTER - 1) * ICC)
    spread = sqrt(1 + (2**2) / 12)  # with the level that drifts
    p = 0.1
    from streamrec.experiments.power import detectable_proportion

    lift = detectable_proportion(p, USERS) - p
    n = len(users["y"])
    sd = float(users["y"].std())
    rho = float(np.corrcoef(users["x"], users["y"])[0, 1])
    r = users["clicks"].sum() / users["impressions"].sum()
    noise = float((users["clicks"] - r * users["impressions"]).std())
    noise /= float(users["impressions"].mean())
    ours = reassigned(users, "y", "x")
    ctr = reassigned(users, "clicks", "impressions")
    per = float(Z) * sqrt(4 / n)
    ramp = lambda rng, effect: drifting(rng, effect, ramp=True)  # noqa: E731
    few = lambda rng, effect: heavy(rng, effect, treated=40)  # noqa: E731
    world = "streaming world, users assigned anew"
    week = "drifting, a tenth then half treated"
    late = {"planned": False}
    causal = float(Z) * 0.085
    whole_clusters = confounded("clustered", 2_000)
    few_clusters = confounded("clustered", 400)
    return [
        Row("Welch", "independent", independent, welch, plain),
        Row("Welch", "heavy-tailed", heavy, welch, plain * sd_heavy),
        Row("Welch", "heavy-tailed, 40 of 2,000 treated", few, welch,
            float(Z) * sqrt(1 / 40) * sd_heavy, holds=False, **late),
        Row("Welch", "drifting", drifting, welch, plain * spread),
        Row("Welch", week, ramp, welch, plain * spread, holds=False, **late),
        Row("stratified by day", week, ramp, strata, plain * 1.5, **late),
        Row("Welch on users", "clustered", clustered, welch, plain * whole,
            holds=False, **late),
        Row("ratio of cluster totals", "clustered", clustered, by_cluster,
            plain * whole),
        Row("Welch", world, ours, welch, per * sd),
        Row("CUPED", "independent", independent, cuped, plain * from_rest),
        Row("CUPED", "heavy-tailed", heavy, cuped, plain * sd_heavy, **late),
        Row("CUPED", "drifting", drifting, cuped, plain * spread, **late),
        Row("CUPED", world, ours, cuped, per * sd * sqrt(1 - rho**2)),
        Row("Lin's adjustment", "independent", independent, lin, plain * from_rest),
        Row("Lin's adjustment", "heavy-tailed", heavy, lin, plain * sd_heavy, **late),
        Row("two proportions", "conversions of 10 %", rates, proportions, lift),
        Row("ratio, delta method", "clicks, long-tailed impressions", clicks, ratios,
            0.0225, **late),
        Row("ratio, delta method", world, ctr, ratios, per * noise),
        Row("proportions of impressions", "clicks, long-tailed impressions", clicks,
            by_impression, 0.0225, holds=False, **late),
        Row("fixed test, looked at daily", "independent", independent, peeking, plain,
            holds=False, **late),
        Row("always valid, looked at daily", "independent", independent, always_valid,
            plain, at_most=True, **late),
        Row("always valid, looked at daily", "heavy-tailed", heavy,
            lambda data: always_valid(data, sd_heavy), plain * sd_heavy,
            at_most=True, **late),
        Row("group sequential, five looks", "independent", independent,
            group_sequential, plain, **late),
        Row("guardrail at its margin", "independent", independent, guardrail,
            MARGIN, level=ALPHA / 2),
        Row("four metrics, no correction", "correlated", four,
            lambda data: several(data, None), plain, holds=False, **late),
        Row("four metrics, Holm", "correlated", four,
            lambda data: several(data, holm), plain, at_most=True, **late),
        Row("four metrics, Benjamini-Hochberg", "correlated", four,
            lambda data: several(data, benjamini_hochberg), plain, at_most=True,
            **late),
        Row("sample ratio", "users by day", counts, ratio_test, 0.0106),
        Row("sample ratio, looked at daily", "users by day", counts, ratio_daily,
            0.0106, holds=False, **late),
        Row("sample ratio, anytime, daily", "users by day", counts, ratio_anytime,
            0.0106, at_most=True, **late),
        Row("difference of means", "confounded", confounded("normal"), unadjusted,
            causal, holds=False, **late),
        Row("IPW", "confounded", confounded("normal"), weighted, causal, **late),
        Row("IPW", "confounded, heavy tails", confounded("heavy"), weighted, causal,
            **late),
        Row("AIPW", "confounded", confounded("normal"), doubly_robust, causal, **late),
        Row("AIPW", "confounded, heavy tails", confounded("heavy"), doubly_robust,
            causal, **late),
        Row("AIPW, clusters ignored", "confounded, 200 clusters", whole_clusters,
            doubly_robust, causal, holds=False, **late),
        Row("AIPW, by cluster", "confounded, 200 clusters", whole_clusters,
            doubly_robust_clusters, causal, **late),
        Row("AIPW, by cluster", "confounded, 40 clusters", few_clusters,
            doubly_robust_clusters, 2 * causal, holds=False, **late),
        Row("matching with adjustment (ATT)", "confounded", confounded("normal"),
            matched, causal, **late),
        Row("matching with adjustment (ATT)", "confounded, heavy tails",
            confounded("heavy"), matched, causal, **late),
        *[Row("group-time differences", f"panel, {name}", staggered(kind), did, 0.4,
              **late)
          for kind, name in (("normal", "independent"), ("clustered", "errors last"),
                             ("heavy", "heavy tails"), ("drifting", "trend"))],
        Row("group-time differences", "panel, effect grows",
            staggered("normal", grows=True), did, 1.0, **late),
        Row("two-way fixed effects", "panel, effect grows",
            staggered("normal", grows=True), twfe, 1.0, holds=False, **late),
        Row("local parabolas", "cutoff, curved", cutoff("normal"), rdd, 0.5, **late),
        Row("local parabolas", "cutoff, heavy tails", cutoff("heavy"), rdd, 0.5,
            **late),
        Row("lines through everything", "cutoff, curved", cutoff("normal"), rdd_line,
            0.3, holds=False, **late),
        Row("least squares", "hidden confounder", instrument(0.5), ols, 0.4,
            holds=False, **late),
        Row("2SLS", "strong instrument", instrument(0.5), iv, 0.4, **late),
        Row("2SLS", "weak instrument", instrument(0.07), iv, 0.4, holds=False, **late),
        Row("Anderson-Rubin", "weak instrument", instrument(0.07), iv_ar, 0.4,
            at_most=True, **late),
    ]  # fmt: skip


def study(row: Row, runs: int, seed: int) -> dict[str, Any]:
    """Run a row: rates of rejection, coverage, power and bias."""
    null = np.empty(runs, bool)
    found, covers = np.empty(runs, bool), np.empty(runs)
    errors = np.empty(runs)
    for i in range(runs):
        null[i] = row.ask(row.draw(np.random.default_rng([seed, i]), 0.0)).reject
        a = row.ask(row.draw(np.random.default_rng([seed, i]), row.effect))
        found[i], errors[i] = a.reject, a.estimate - row.effect
        covers[i] = nan if isnan(a.low) else a.low <= row.effect <= a.high
    rate = float(null.mean())
    coverage = float(covers.mean())
    error = 3 * sqrt(row.level * (1 - row.level) / runs)
    level_ok = rate <= row.level + error
    if not row.at_most:
        level_ok = level_ok and rate >= row.level - error
    slack = max(0.02, 3 * sqrt(0.95 * 0.05 / runs))
    cover_ok = isnan(coverage) or coverage >= 0.95 - slack
    if not row.at_most:
        cover_ok = cover_ok and (isnan(coverage) or coverage <= 0.95 + slack)
    power = float(found.mean())
    margin = max(0.03, 3 * sqrt(POWER * (1 - POWER) / runs))
    power_ok = not row.planned or abs(power - POWER) <= margin
    return {
        "method": row.method,
        "data": row.data,
        "level": row.level,
        "rejects": round(rate, 4),
        "coverage": None if isnan(coverage) else round(coverage, 4),
        "power": round(power, 4),
        "planned_power": POWER if row.planned else None,
        "bias": None if isnan(errors.mean()) else round(float(errors.mean()), 4),
        "holds": bool(level_ok and cover_ok and power_ok),
        "expected": row.holds,
    }


def main() -> int:
    """Simulate every row, write the table, say what is not as expected."""
    parser = argparse.ArgumentParser(description="Error rates by simulation.")
    parser.add_argument("--runs", type=int, default=RUNS, help="runs a row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose method holds this text")
    arguments = parser.parse_args()
    every = [r for r in rows(streaming_users()) if arguments.only in r.method]
    found = []
    for row in track(every, "simulating"):
        found.append(study(row, arguments.runs, arguments.seed))
        print({k: v for k, v in found[-1].items() if k not in ("level",)}, flush=True)
    odd = [f for f in found if f["holds"] != f["expected"]]
    for f in odd:
        word = "does not hold" if f["expected"] else "was to fail and holds"
        print(f"{f['method']} on {f['data']} {word}", file=sys.stderr)
    if arguments.runs != RUNS or arguments.seed or arguments.only:
        return 1 if odd else 0

    def share(value: float | None, digits: int = 1) -> str:
        return "" if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"

    def of(level: float) -> str:
        return "" if level == ALPHA else f" of {share(level)}"

    result = {
        "title": f"Error rates of the estimators, {RUNS:,} simulated runs a row",
        "note": NOTE,
        "columns": ["method", "data", "rejects without effect", "covers the effect",
                    "finds it", "planned", "verdict"],
        "rows": [
            [f["method"], f["data"],
             share(f["rejects"]) + of(f["level"]),
             share(f["coverage"]), share(f["power"]), share(f["planned_power"], 0),
             "holds" if f["holds"] else "fails"]
            for f in found
        ],
        "runs": RUNS,
        "alpha": ALPHA,
        "found": found,
        "versions": {p: version(p) for p in ("numpy", "scipy", "pandas")},
    }  # fmt: skip
    temporary = RESULTS.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    os.replace(temporary, RESULTS)
    return 1 if odd else 0


if __name__ == "__main__":
    sys.exit(main())
