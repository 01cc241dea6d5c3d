"""What is forgotten before a release: leaks, overlap, skew, slices, the artifact.

Chapter 28. Every check has a name, a status and a sentence. ``failed`` should stop a
release, ``warning`` should be looked at, ``skipped`` says what it would have needed.
Nothing here proves that a model is good; it finds what would show that it is not.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamrec.evaluation.report import Sample, evaluate, instants, need, read
from streamrec.production.profile import ProfileLimits, profile
from streamrec.stats.clustered import intraclass_correlation
from streamrec.stats.divergences import PSITest, psi_test
from streamrec.stats.multiplicity import holm

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Check = dict[str, str]
ORDER = {"failed": 0, "warning": 1, "ok": 2, "skipped": 3}


@dataclass(frozen=True)
class ReleaseLimits:
    """Where a check fails.

    leak: AUC (rank correlation) of one feature. psi: shift beyond chance, at ``level``
    over all columns. missing: share of a feature. calibration: mean gap beyond chance,
    or a quarter of the rarer class if that is less. ratio: observed over expected
    within 1 +- ratio.
    quality: loss of AUC or accuracy in a slice; gap: its own observed less predicted.
    overlap: share of test rows that are training rows. latency: milliseconds at the
    50th, 95th and 99th percentile. errors: share of requests. match: largest
    difference between the artifact's outputs and the offline ones.
    """

    leak: float = 0.98
    psi: float = 0.1
    level: float = 0.001
    missing: float = 0.2
    calibration: float = 0.02
    ratio: float = 0.1
    quality: float = 0.05
    gap: float = 0.05
    overlap: float = 0.001
    latency: tuple[float, float, float] = (50.0, 100.0, 200.0)
    errors: float = 0.001
    match: float = 1e-6


# ------------------------------------------------------------------------ artifacts


class Artifact:
    """A LightGBM model in its text format, which runs nothing when it is read.

    A pickle runs whatever its author wanted; it is never opened here.
    """

    def __init__(self, file: str | Path) -> None:
        import lightgbm

        path = Path(file)
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        with path.open("rb") as stream:
            if stream.read(5) != b"tree\n":
                raise ValueError(
                    f"{path.name} is not a LightGBM text model: write one with "
                    "booster.save_model('model.txt'); pickles are not opened"
                )
        try:
            self.booster = lightgbm.Booster(model_file=str(path))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"{path.name} cannot be read: {error}") from None
        self.name = path.stem
        self.features: list[str] = list(self.booster.feature_name())

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The features of some rows as numbers, in the model's order."""
        import pandas as pd

        need(rows, self.features)
        text = [c for c in self.features if not pd.api.types.is_numeric_dtype(rows[c])]
        if text:
            raise ValueError(
                f"features {', '.join(text)} hold text: this model needs the "
                "numbers it was fitted on"
            )
        return rows[self.features]

    def predict(self, rows: pd.DataFrame) -> Floats:
        """Predictions (n,) or (n, K) for a table that has the features."""
        return np.asarray(self.booster.predict(self.table(rows)))

    def contributions(self, rows: pd.DataFrame) -> Floats:
        """SHAP values (n, D) of the raw score (log-odds), by the exact tree algorithm.

        With the base value they add up to the raw score of the row.
        """
        found = np.asarray(self.booster.predict(self.table(rows), pred_contrib=True))
        if found.shape[1] != len(self.features) + 1:
            raise ValueError("a model with several classes is not explained here")
        return found[:, :-1]

    def latencies(self, rows: pd.DataFrame, requests: int = 300) -> tuple[Floats, int]:
        """Milliseconds of single-row requests, and how many of them failed."""
        table = self.table(rows)
        ms, failed = [], 0
        for i in range(-10, requests):  # ten to warm up
            row = table.iloc[[i % len(table)]]
            start = clock.perf_counter()
            try:
                good = bool(np.isfinite(self.booster.predict(row)).all())
            except Exception:
                good = False
            if i >= 0:
                ms.append(1000 * (clock.perf_counter() - start))
                failed += not good
        return np.array(ms), failed


def explain(
    artifact: Artifact, rows: pd.DataFrame, cluster: str | None = None
) -> list[dict[str, Any]]:
    """Mean |SHAP value| of each feature with its 95 % interval, largest first.

    direction: rank correlation of the feature with its contribution. It says what the
    model uses, not what would change the outcome.
    """
    from scipy import stats

    from streamrec.evaluation import estimates as est

    phi, X = artifact.contributions(rows), artifact.table(rows)
    g = np.arange(len(rows))
    if cluster is not None:
        g = np.unique(rows[cluster].astype(str).to_numpy(), return_inverse=True)[1]
    out = []
    for j, name in enumerate(artifact.features):
        e = est.estimate(est.mean(abs(phi[:, j]), np.ones(len(rows))), g)
        x = X[name].to_numpy(float, na_value=np.nan)
        use = np.isfinite(x)
        way = est.NAN
        if use.sum() > 2 and np.ptp(x[use]) > 0 and np.ptp(phi[use, j]) > 0:
            way = float(stats.spearmanr(x[use], phi[use, j]).statistic)
        out.append({"feature": name, "mean_abs": e.value, "low": e.low,
                    "high": e.high, "direction": way})  # fmt: skip
    return sorted(out, key=lambda r: -r["mean_abs"])


# --------------------------------------------------------------------------- checks


def check(
    table: pd.DataFrame,
    *,
    label: str,
    prediction: str,
    features: Sequence[str] = (),
    train: pd.DataFrame | None = None,
    kind: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    cluster: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    slices: Sequence[str] = (),
    artifact: Artifact | None = None,
    offline: bool = True,
    limits: ReleaseLimits | None = None,
) -> dict[str, Any]:
    """All checks that the columns given allow.

    Parameters
    ----------
    table : the test rows, with predictions; train : the rows the model was fitted on.
    unit : a column whose values may occur only once, and never in both tables.
    cluster : users and the like, whose rows depend on each other.
    artifact : the file that will serve; its features are added to ``features``.
    offline : whether the predictions come from elsewhere and not from the artifact.

    Returns
    -------
    Plain values: ``checks`` (name, status, text; failed first), ``failed``, and
    ``summary``.

    Raises
    ------
    ValueError
        Unknown columns, the label or the prediction among the features, and what
        :func:`streamrec.evaluation.report.read` refuses.
    """
    limits = limits or ReleaseLimits()
    features = list(
        dict.fromkeys([*features, *(artifact.features if artifact else ())])
    )
    for name, what in ((label, "label"), (prediction, "prediction")):
        if name in features:
            raise ValueError(f'the {what} "{name}" is among the features: take it out')
    need(table, [*features, *([unit] if unit else [])])
    columns: dict[str, Any] = {"label": label, "kind": kind, "positive": positive,
                               "weight": weight, "cluster": cluster}  # fmt: skip
    s = read(table, predictions=[prediction], **columns)
    scored = train is not None and prediction in train.columns
    found = evaluate(
        table, predictions=[prediction], time=time, slices=slices, level=0.99,
        train=train if scored else None, **columns,
    )  # fmt: skip
    checks = [
        _scores(s, prediction),
        _useful(found),
        _calibrated(found, limits),
        _fitted(found, scored),
        *_features(table, features, label, s, limits),
        *_apart(table, train, features, label, unit, cluster, time, limits),
        _prevalence(s, train, columns, limits),
        _shifts(table, train, features, prediction, cluster, limits),
        _sliced(found, limits),
        _drifting(found),
        *_served(artifact, table, s, prediction, offline, limits),
    ]
    checks.sort(key=lambda c: ORDER[c["status"]])
    failed = [c["name"] for c in checks if c["status"] == "failed"]
    return {"rows": len(table), "kind": s.kind, "checks": checks, "failed": failed,
            "summary": _summary(checks)}  # fmt: skip


def _check(name: str, status: str, text: str) -> Check:
    return {"name": name, "status": status, "text": text}


def _skip(name: str, wants: str) -> Check:
    return _check(name, "skipped", f"needs {wants}")


def _summary(checks: list[Check]) -> list[str]:
    count = {k: sum(c["status"] == k for c in checks) for k in ORDER}
    head = (
        f"{count['failed']} failed, {count['warning']} to look at, {count['ok']} "
        f"passed, {count['skipped']} skipped."
    )
    told = [f"{c['name']}: {c['text']}." for c in checks
            if c["status"] in ("failed", "warning")]  # fmt: skip
    if not told:
        told = ["Nothing was found; that is not proof that nothing is wrong."]
    return [head, *told]


def _scores(s: Sample, model: str) -> Check:
    p = s.p[model]
    if np.ptp(p) == 0:
        return _check("scores", "failed", f"{model} is {p.flat[0]:.4g} in every row")
    if s.kind == "binary":
        wrong = int((((p == 0) & (s.y == 1)) | ((p == 1) & (s.y == 0))).sum())
        if wrong:
            text = f"{wrong:,} rows were certain (0 or 1) and wrong: log loss infinite"
            return _check("scores", "failed", text)
    text = (
        f"{p.min():.4g} to {p.max():.4g}, {np.unique(p).size:,} distinct, none missing"
    )
    return _check("scores", "ok", text)


def _useful(found: dict[str, Any]) -> Check:
    (c,) = [c for c in found["comparisons"] if c["against"] == "base rate"]
    size = f"{c['text']} {c['difference']:+.3g} ({c['low']:.3g} to {c['high']:.3g})"
    area = [m["value"] for m in found["metrics"] if m["metric"] == "auc"]
    if area and area[0] > 0.999:
        return _check("quality", "failed", "perfect predictions are usually a leak")
    if c["verdict"] == "better":
        return _check("quality", "ok", f"better than the base rate: {size}")
    if c["verdict"] == "worse":
        return _check("quality", "failed", f"worse than the base rate: {size}")
    text = f"not told from predicting the base rate for everyone: {size}"
    return _check("quality", "warning", text)


def _calibrated(found: dict[str, Any], limits: ReleaseLimits) -> Check:
    if found["kind"] == "regression":
        return _skip("calibration", "probabilities")
    (c,) = found["calibration"]
    excess, limit = c["ece"] - c["ece_chance"], limits.calibration
    if found["rate"] is not None:
        limit = min(limit, 0.25 * min(found["rate"], 1 - found["rate"]))
    p = "p < 1e-16" if c["p_value"] < 1e-16 else f"p = {c['p_value']:.2g}"
    text = (
        f"observed over expected {c['ratio']:.3g}, slope {c['slope']:.3g}, mean gap "
        f"{c['ece']:.3g} ({c['ece_chance']:.3g} by chance alone), {p}"
    )
    low, high = c["ratio_interval"]
    off = abs(c["ratio"] - 1) > limits.ratio and not low <= 1 <= high
    if c["p_value"] < 0.01 and excess > limit or off:
        return _check("calibration", "failed", text)
    return _check("calibration", "warning" if c["p_value"] < 0.01 else "ok", text)


def _fitted(found: dict[str, Any], scored: bool) -> Check:
    if not scored:
        return _skip("overfit", "--train with the predictions of the training rows")
    o = found["overfit"]
    text = (
        f"{o['text']} {o['train']:.3g} on training rows, {o['test']:.3g} here, gap "
        f"{o['gap']:.3g} ({o['low']:.3g} to {o['high']:.3g})"
    )
    return _check("overfit", "failed" if o["flagged"] else "ok", text)


def _features(
    table: pd.DataFrame,
    features: list[str],
    label: str,
    s: Sample,
    limits: ReleaseLimits,
) -> list[Check]:
    """Leaks (of any class), and columns that are odd by themselves."""
    if not features:
        return [_skip("leakage", "--feature"), _skip("features", "--feature")]
    X, bounds = table[features], ProfileLimits(leak=limits.leak)
    found = profile(X.assign(**{label: table[label]}), label=label, limits=bounds)[
        "findings"
    ]
    for c in s.classes:
        one = (table[label].astype(str) == c).astype(int)
        if 0 < one.mean() < 1:
            again = X.assign(**{label: one})
            more = profile(again, label=label, limits=bounds)["findings"]
            found += [f | {"text": f"{f['text']} (class {c})"}
                      for f in more if f["kind"] == "leak"]  # fmt: skip
    for c, share in X.isna().mean().items():
        if limits.missing < share <= bounds.nulls:
            found.append({"column": str(c), "kind": "missing", "severity": "look",
                          "text": f"{share:.1%} missing"})  # fmt: skip
    out = []
    for name, kinds, good in (
        ("leakage", ("leak",), "no feature alone gives the label away"),
        ("features", ("infinite", "constant", "near-constant", "identifier", "missing",
                      "copy"), "none constant, infinite, mostly missing or a copy"),
    ):  # fmt: skip
        mine = [f for f in found if f["kind"] in kinds and f["column"] != label]
        bad = any(f["severity"] == "stop" for f in mine)
        text = "; ".join(f"{f['column']}: {f['text']}" for f in mine)
        status = "failed" if bad else "warning" if mine else "ok"
        out.append(_check(name, status, text or good))
    return out


def _apart(
    table: pd.DataFrame,
    train: pd.DataFrame | None,
    features: list[str],
    label: str,
    unit: str | None,
    cluster: str | None,
    time: str | None,
    limits: ReleaseLimits,
) -> list[Check]:
    """Training and test rows must not share rows, identities or times."""
    names = ("same rows", "same ids", "same clusters", "time order")
    if train is None:
        out = [_skip(n, "--train") for n in names]
    else:
        out = [
            _same_rows(table, train, features, label, limits),
            _same_ids(table, train, unit),
            _same_clusters(table, train, cluster),
            _in_order(table, train, time),
        ]
    if unit is not None and table[unit].duplicated().any():
        count = int(table[unit].duplicated().sum())
        text = f'{count:,} test rows repeat a value of "{unit}"'
        out = [c for c in out if c["name"] != "same ids"]
        out.append(_check("same ids", "failed", text))
    return out


def _same_rows(
    table: pd.DataFrame,
    train: pd.DataFrame,
    features: list[str],
    label: str,
    limits: ReleaseLimits,
) -> Check:
    import pandas as pd

    columns = [c for c in (*features, label) if c in train.columns]
    if not features or label not in columns:
        return _skip("same rows", "--feature, and the label in --train")
    wide = max(columns, key=lambda c: table[c].nunique())
    mixed = table.assign(**{wide: np.random.default_rng(0).permutation(table[wide])})
    here, by_chance, there = (
        pd.util.hash_pandas_object(t[columns].astype(str), index=False)
        for t in (table, mixed, train)
    )
    share, chance = float(here.isin(there).mean()), float(by_chance.isin(there).mean())
    text = (
        f"{share:.2%} of test rows are training rows, label included; {chance:.2%} "
        f'would be if "{wide}" were dealt out anew'
    )
    if share > limits.overlap + 2 * chance:
        return _check("same rows", "failed", text)
    if chance > 0.25:
        text += ": too coarse to tell copies from chance"
        return _check("same rows", "warning", text)
    return _check("same rows", "ok", text)


def _same_ids(table: pd.DataFrame, train: pd.DataFrame, unit: str | None) -> Check:
    if unit is None or unit not in train.columns:
        return _skip("same ids", "--id, a column of both files")
    both = int(table[unit].isin(train[unit]).sum())
    text = f'{both:,} values of "{unit}" are in training and test'
    return _check("same ids", "failed" if both else "ok", text)


def _same_clusters(
    table: pd.DataFrame, train: pd.DataFrame, cluster: str | None
) -> Check:
    if cluster is None or cluster not in train.columns:
        return _skip("same clusters", "--cluster, a column of both files")
    share = float(table[cluster].isin(train[cluster]).mean())
    text = f'{share:.1%} of test rows have a "{cluster}" that training had'
    if share == 0:
        return _check("same clusters", "ok", text)
    return _check("same clusters", "warning", text + ": new ones may fare worse")


def _in_order(table: pd.DataFrame, train: pd.DataFrame, time: str | None) -> Check:
    if time is None or time not in train.columns:
        return _skip("time order", "--time, a column of both files")
    (a, shown_a), (b, shown_b) = instants(train[time]), instants(table[time])
    last, first = shown_a.iloc[int(a.argmax())], shown_b.iloc[int(b.argmin())]
    text = f"training ends at {last}, test begins at {first}"
    if b.min() > a.max():
        return _check("time order", "ok", text)
    early = float((b <= a.max()).mean())
    return _check("time order", "failed", f"{text}: {early:.1%} of it is no future")


def _prevalence(
    s: Sample,
    train: pd.DataFrame | None,
    columns: dict[str, Any],
    limits: ReleaseLimits,
) -> Check:
    """Whether the label is as frequent as in training."""
    from streamrec.evaluation import estimates as est

    label = columns["label"]
    if s.kind != "binary":
        return _skip("prevalence", "a binary label")
    if train is None or label not in train.columns:
        return _skip("prevalence", "--train with the label")
    model = next(iter(s.p))
    t = read(train.assign(**{model: 0.5}), predictions=[model], drop_missing=True,
             **{**columns, "kind": "binary"})  # fmt: skip
    a, b = (est.estimate(est.mean(x.y, x.w), x.g, level=0.99) for x in (t, s))
    z = (b.value - a.value) / float(np.hypot(a.se, b.se))
    text = f"{a.value:.2%} positive in training, {b.value:.2%} here"
    moved = abs(z) > 3.29 and abs(b.value / a.value - 1) > limits.ratio
    return _check("prevalence", "warning" if moved else "ok", text)


def _shifts(
    table: pd.DataFrame,
    train: pd.DataFrame | None,
    features: list[str],
    prediction: str,
    cluster: str | None,
    limits: ReleaseLimits,
) -> Check:
    """Features and scores that are not distributed as in training."""
    if train is None:
        return _skip("skew", "--train")
    lost = [c for c in features if c not in train.columns]
    if lost:
        return _check("skew", "failed", f"training has no column {', '.join(lost)}")
    names = [c for c in (*features, prediction) if c in train.columns]
    names = [c for c in names if c in table.columns]
    if not names:
        return _skip("skew", "--feature, or the prediction in --train")
    tests, moved = {}, []
    for c in names:
        a, b = train[c], table[c]
        if _numeric(a) != _numeric(b):
            moved.append(f"{c} was {a.dtype} and is {b.dtype}")
            continue
        found = _psi(a, b, _codes(train, table, cluster))
        if found is not None:
            tests[c] = found
    if tests:
        for (c, t), p in zip(
            tests.items(), holm([t.p_value for t in tests.values()]), strict=True
        ):
            if p < limits.level and t.excess > limits.psi:
                moved.append(f"{c}: {t}")
    if moved:
        return _check("skew", "failed", "; ".join(moved))
    worst = max((t.excess for t in tests.values()), default=0.0)
    text = f"{len(names)} columns as in training, largest PSI beyond chance {worst:.3f}"
    return _check("skew", "ok", text)


def _numeric(column: pd.Series) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_numeric_dtype(column))


def _codes(
    train: pd.DataFrame, table: pd.DataFrame, cluster: str | None
) -> NDArray[Any] | None:
    if cluster is None or cluster not in train.columns:
        return None
    both = [*train[cluster].astype(str), *table[cluster].astype(str)]
    return np.unique(both, return_inverse=True)[1]


def _psi(a: pd.Series, b: pd.Series, g: NDArray[Any] | None) -> PSITest | None:
    """PSI whose null knows that rows of a cluster resemble each other."""
    import pandas as pd

    edges = None
    if not _numeric(a):
        levels = a.dropna().value_counts().index[:50]
        code = {v: float(i) for i, v in enumerate(levels)}
        a, b = (s.map(code).fillna(len(levels)).astype(float) for s in (a, b))
        edges = np.arange(1, len(levels) + 1, dtype=float)
    x, y = a.to_numpy(float, na_value=np.nan), b.to_numpy(float, na_value=np.nan)
    effect = 1.0
    if g is not None:
        ranks = pd.Series(np.r_[x, y]).rank(na_option="bottom").to_numpy(float)
        size = np.bincount(g)
        if np.ptp(ranks) > 0 and 1 < (size > 0).sum() < len(g):
            rho = max(intraclass_correlation(ranks, g), 0.0)
            effect = 1 + (float(size @ size / size.sum()) - 1) * rho
    try:
        return psi_test(x, y, edges=edges, design_effect=effect)
    except ValueError:  # constant in both
        return None


def _sliced(found: dict[str, Any], limits: ReleaseLimits) -> Check:
    if not found["slices"]:
        return _skip("slices", "--slice")
    bad: list[str] = []
    odd: list[str] = []
    for r in found["slices"]:
        name = f"{r['slice']} = {r['value']}"
        drop = r["difference"] if r["metric"] == "mae" else -r["difference"]
        if r["quality_p"] < 0.01:
            text = f"{name}: {r['metric']} {r['quality']:.3g}, {r['difference']:+.3g}"
            worse = drop > limits.quality and r["metric"] != "mae"
            (bad if worse else odd if drop > 0 else []).append(text)
        if r["gap_p"] < 0.01 and not r["gap_low"] <= 0 <= r["gap_high"]:
            text = (
                f"{name}: predicted {r['predicted']:.3g}, observed {r['observed']:.3g}"
            )
            large = abs(r["gap"]) > limits.gap and r["metric"] != "mae"
            (bad if large else odd).append(text)
    if bad or odd:
        status = "failed" if bad else "warning"
        return _check("slices", status, "; ".join([*bad, *odd]) + " against the rest")
    text = f"no evidence that any of {len(found['slices'])} differs from the rest"
    return _check("slices", "ok", text)


def _drifting(found: dict[str, Any]) -> Check:
    if found["drift"] is None:
        return _skip("drift", "--time")
    moved = [
        f"{t['metric']} changes by {t['change']:+.3g} "
        f"({t['low']:.3g} to {t['high']:.3g})"
        for t in found["drift"]["trends"]
        if t["p_adjusted"] < 0.01
    ]
    if moved:
        return _check("drift", "warning", "; ".join(moved) + " over the test period")
    return _check("drift", "ok", "no evidence of a trend over the test period")


def _served(
    artifact: Artifact | None,
    table: pd.DataFrame,
    s: Sample,
    prediction: str,
    offline: bool,
    limits: ReleaseLimits,
) -> list[Check]:
    """What the file that will serve gives, and how fast."""
    if artifact is None:
        return [_skip("artifact", "--model"), _skip("latency", "--model")]
    again = artifact.predict(table)
    if again.ndim != 1:
        return [_skip("artifact", "a model with one output"), _skip("latency", "one")]
    worst = float(abs(again - s.p[prediction]).max())
    same = worst <= limits.match
    text = f"outputs differ from the offline ones by at most {worst:.2g}"
    out = [_check("artifact", "ok" if same else "failed", text)]
    if not offline:
        out = [_skip("artifact", "--prediction, the offline outputs")]
    ms, failed = artifact.latencies(table)
    found = np.percentile(ms, [50, 95, 99])
    slow = bool((found > np.array(limits.latency)).any())
    share = failed / len(ms)
    text = (
        "P50/P95/P99 "
        + "/".join(f"{v:.2g}" for v in found)
        + " ms for single rows in this process (limits "
        + "/".join(f"{v:g}" for v in limits.latency)
        + f"), {share:.1%} errors of {len(ms)}"
    )
    bad = slow or share > limits.errors
    return [*out, _check("latency", "failed" if bad else "ok", text)]
