"""How good are these predictions? What a colleague asks of a table of them.

Chapter 28. A row is one prediction with its label; rows of a cluster (a user) may
depend on each other. Metrics with intervals, paired comparison of models, calibration,
the threshold for given costs, slices, change over time: all from the contributions of
:mod:`streamrec.evaluation.estimates`, so all respect weights and clusters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from streamrec.evaluation import estimates as est
from streamrec.stats.intervals import check_level
from streamrec.stats.multiplicity import holm

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DISCRIMINATION = {"binary": "auc", "multiclass": "accuracy", "regression": "mae"}
PRIMARY = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}
FEWEST = 10  # clusters with either label, to judge a slice
OVERFIT = 0.05  # gap of the AUC (accuracy, R squared) between training and test


@dataclass(frozen=True)
class Sample:
    """Validated rows: y (n,), w (n,) > 0, g (n,) cluster codes, p: model -> scores.

    kind: binary (y in {0, 1}, p (n,)), multiclass (y codes, p (n, K)) or regression.
    """

    kind: str
    y: Floats
    w: Floats
    g: Ints
    p: Mapping[str, Floats]
    classes: tuple[str, ...] = ()
    index: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    set_aside: int = 0

    @property
    def strata(self) -> Floats | None:
        """The classes, where the scarcer one limits what can be known."""
        return self.y if self.kind == "binary" else None

    @property
    def clusters(self) -> int:
        """Independent units."""
        return int(self.g.max()) + 1

    def event(self, model: str) -> tuple[Floats, Floats]:
        """What calibration compares: outcome and prediction, both (n,).

        With several classes: whether the likeliest one came, and its probability.
        """
        p = self.p[model]
        if p.ndim == 1:
            return self.y, p
        return (p.argmax(1) == self.y).astype(float), p.max(1)

    def estimate(
        self,
        part: est.Part,
        level: float,
        *,
        share: bool = False,
        df: float | None = None,
    ) -> est.MetricEstimate:
        """The interval of a part, with this sample's clusters and classes."""
        return est.estimate(
            part,
            self.g,
            level=level,
            strata=self.strata,
            share=share,
            df=df,
        )

    def judge(self, k: est.Metric, part: est.Part, model: str, level: float) -> Any:
        """The interval of a metric: a rate has its own."""
        if k.domain is not None:
            return est.rate(part, self.g, k.domain(self.y, self.p[model]), level=level)
        return self.estimate(part, level, share=k.share)


# ------------------------------------------------------------------------- reading


def read(
    table: pd.DataFrame,
    *,
    label: str,
    predictions: Sequence[str],
    kind: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    cluster: str | None = None,
    drop_missing: bool = False,
) -> Sample:
    """Check a table and take its columns as numbers.

    predictions: for several classes the prefix of the columns, one a class.

    Raises
    ------
    ValueError
        Anything that would make the numbers below wrong; the message says what to do.
    """
    import pandas as pd

    if table.empty:
        raise ValueError("the table holds no rows")
    need(table, [c for c in (label, weight, cluster) if c])
    if not predictions:
        raise ValueError("name at least one column of predictions")
    if len(set(predictions)) < len(predictions):
        raise ValueError("a prediction is named twice")
    if label in predictions:
        raise ValueError(f'"{label}" is the label: it cannot be its own prediction')
    kind = kind or _kind(table, label, predictions, positive)
    columns = {m: _columns(table, label, m, kind, predictions) for m in predictions}
    used = [label, *(c for cs in columns.values() for c in cs)]
    used += [c for c in (weight, cluster) if c]
    keep = ~table[list(dict.fromkeys(used))].isna().any(axis=1).to_numpy()
    if not keep.all() and not drop_missing:
        worst = table[used].isna().sum().idxmax()
        raise ValueError(
            f"{int((~keep).sum())} rows have missing values (most in {worst}): find "
            "out why, or set them aside with --drop-missing"
        )
    if not keep.any():
        raise ValueError("no row is complete: nothing to evaluate")
    rows = table[keep]
    ends = {m: tuple(c[len(m) :] for c in cs) for m, cs in columns.items()}
    classes = ends[predictions[0]] if kind == "multiclass" else ()
    for m, names in ends.items():
        if kind == "multiclass" and names != classes:
            raise ValueError(f"{m} has not the same classes as {predictions[0]}")
    y = _label(rows[label], kind, positive, classes)
    w = np.ones(len(rows)) if weight is None else _numbers(rows, weight)
    if (w <= 0).any():
        raise ValueError(f'weights in "{weight}" must be positive')
    g = np.arange(len(rows))
    if cluster is not None:
        g = pd.factorize(rows[cluster])[0].astype(np.int64)
    p = {m: _scores(rows, m, cs, kind) for m, cs in columns.items()}
    return Sample(
        kind, y, w, g, p, classes, np.flatnonzero(keep), int((~keep).sum())
    )  # fmt: skip


def need(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise ValueError, naming them, if columns are missing."""
    missing = [c for c in columns if c not in table.columns]
    if missing:
        have = ", ".join(map(str, table.columns[:20]))
        raise ValueError(f"there is no column {', '.join(missing)}; there are {have}")


def _numbers(table: pd.DataFrame, column: str) -> Floats:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(table[column]):
        raise ValueError(f'"{column}" holds text, not numbers')
    x = table[column].to_numpy(float)
    if not np.isfinite(x).all():
        raise ValueError(f'"{column}" holds {int((~np.isfinite(x)).sum())} infinities')
    return x


def _kind(
    table: pd.DataFrame, label: str, predictions: Sequence[str], positive: str | None
) -> str:
    """Binary, multiclass or regression, by what the columns hold."""
    import pandas as pd

    if positive is not None:
        return "binary"
    values = table[label].dropna().unique()
    if predictions[0] not in table.columns and any(
        f"{predictions[0]}{v}" in table.columns for v in values
    ):
        return "multiclass"
    need(table, predictions)
    if len(values) <= 2:
        return "binary"
    if pd.api.types.is_numeric_dtype(table[label]):
        return "regression"
    raise ValueError(
        f'"{label}" holds {len(values)} classes: give each a column of probabilities, '
        f"{predictions[0]}_{values[0]} and so on, and --prediction {predictions[0]}_"
    )


def _columns(
    table: pd.DataFrame, label: str, model: str, kind: str, models: Sequence[str]
) -> list[str]:
    """The columns of a model, in the order of the classes."""
    if kind != "multiclass":
        need(table, [model])
        return [model]
    others = [m for m in models if m != model and m.startswith(model)]
    found = sorted(
        c
        for c in map(str, table.columns)
        if c.startswith(model) and not any(c.startswith(m) for m in others)
    )
    absent = [
        f"{model}{v}"
        for v in table[label].dropna().unique()
        if f"{model}{v}" not in found
    ]
    if absent:
        raise ValueError(f"there is no column {', '.join(sorted(absent))} of {model}")
    return found


def _label(
    column: pd.Series, kind: str, positive: str | None, classes: Sequence[str]
) -> Floats:
    """Outcomes as numbers: 0 and 1, codes of the classes, or values."""
    import pandas as pd

    name, values = str(column.name), list(column.unique())
    if kind == "regression":
        if not pd.api.types.is_numeric_dtype(column):
            raise ValueError(f'"{name}" holds text, not numbers')
        y = column.to_numpy(float)
        if not np.isfinite(y).all():
            raise ValueError(f'"{name}" holds infinities')
        if np.ptp(y) == 0:
            raise ValueError(f'"{name}" is {y[0]:g} in every row: nothing to predict')
        return y
    if kind == "multiclass":
        if len(values) < 2:
            raise ValueError(f'"{name}" is {values[0]} in every row: one class only')
        code = {c: i for i, c in enumerate(classes)}
        return column.astype(str).map(code).to_numpy(float)
    if kind != "binary":
        raise ValueError(f"kind {kind}: choose binary, multiclass or regression")
    if positive is not None:
        y = (column.astype(str) == str(positive)).to_numpy(float)
    elif set(values) <= {0, 1}:
        y = column.to_numpy(float)
    elif len(values) == 2:
        a, b = sorted(map(str, values))
        raise ValueError(f'"{name}" holds {a} and {b}: say which with --positive {b}')
    elif len(values) > 2:
        raise ValueError(f'"{name}" holds {len(values)} values, and binary needs two')
    else:
        raise ValueError(f'"{name}" is {values[0]} in every row: one class only')
    if y.min() == y.max():
        none = "no row is positive" if y.max() == 0 else "every row is positive"
        raise ValueError(f'{none} in "{name}": with one class there is nothing to tell')
    return y


def _scores(rows: pd.DataFrame, model: str, columns: list[str], kind: str) -> Floats:
    p = np.column_stack([_numbers(rows, c) for c in columns])
    if kind == "regression":
        return p[:, 0]
    if p.min() < 0 or p.max() > 1:
        raise ValueError(
            f"{model} runs from {p.min():.4g} to {p.max():.4g} and is no probability: "
            "apply a sigmoid or softmax first"
        )
    if kind == "multiclass":
        total = p.sum(1)
        if abs(total - 1).max() > 0.01:
            worst = total[abs(total - 1).argmax()]
            raise ValueError(f"{model}* sum to {worst:.3f} in a row, and should to 1")
        return p / total[:, None]
    return p[:, 0]


# ----------------------------------------------------------------------- the report


def evaluate(
    table: pd.DataFrame,
    *,
    label: str,
    predictions: Sequence[str],
    kind: str | None = None,
    positive: str | None = None,
    weight: str | None = None,
    cluster: str | None = None,
    time: str | None = None,
    slices: Sequence[str] = (),
    threshold: float | None = None,
    costs: tuple[float, float] | None = None,
    train: pd.DataFrame | None = None,
    bins: int = 10,
    level: float = 0.95,
    drop_missing: bool = False,
) -> dict[str, Any]:
    """Judge predictions; the first is the candidate, the others are compared with it.

    Parameters
    ----------
    table : a row a prediction.
    label, predictions, positive, weight, cluster, time, slices : columns (``positive``
        a value); for several classes a prediction is the prefix of its columns.
    threshold : act from this probability on; costs : (of a false alarm, of a miss),
        which imply the threshold fp / (fp + fn).
    train : the rows the first model was fitted on, with the same columns.

    Returns
    -------
    Plain values as in ``cli/schemas/model-evaluate.json``; ``summary`` holds sentences.

    Raises
    ------
    ValueError
        See :func:`read`; unknown columns, costs or thresholds out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"y": [0, 0, 1, 1], "p": [0.1, 0.4, 0.35, 0.8]})
    >>> found = evaluate(t, label="y", predictions=["p"])
    >>> [m["value"] for m in found["metrics"] if m["metric"] == "auc"]
    [0.75]
    """
    check_level(level)
    if bins < 2:
        raise ValueError(f"bins must be at least 2, not {bins}")
    extra = {"weight": weight, "cluster": cluster, "positive": positive}
    s = read(
        table, label=label, predictions=predictions, kind=kind,
        drop_missing=drop_missing, **extra,
    )  # fmt: skip
    need(table, [*slices, *([time] if time else [])])
    cut = _threshold(s.kind, threshold, costs)
    used = est.metrics(s.kind, cut)
    rows = table.iloc[s.index]
    parts = {(m, k.name): k.function(s.y, p, s.w) for m, p in s.p.items() for k in used}
    out: dict[str, Any] = {
        "kind": s.kind,
        "label": label,
        "rows": len(s.y),
        "set_aside": s.set_aside,
        "clusters": s.clusters,
        "clustered": cluster is not None,
        "classes": list(s.classes),
        "rate": float(s.w @ s.y / s.w.sum()) if s.kind != "multiclass" else None,
        "level": level,
        "models": list(s.p),
        "threshold": cut if s.kind == "binary" else None,
        "metrics": _metric_rows(s, used, parts, level),
        "comparisons": _comparisons(s, used, parts, level),
        "calibration": [calibration(s, m, bins=bins, level=level) for m in s.p],
        "costs": _costs(s, costs, cut, level),
        "decision": _decision(s, level),
        "slices": _slices(s, rows, slices, cut, level),
        "drift": _drift(s, rows, time, level),
        "overfit": _overfit(s, train, label, list(predictions), extra, level),
        "curves": _curves(s),
        "explanation": [],
    }
    out["summary"] = sentences(out)
    return out


def _threshold(
    kind: str, threshold: float | None, costs: tuple[float, float] | None
) -> float:
    if kind != "binary":
        if threshold is not None or costs is not None:
            raise ValueError("a threshold and costs need a binary label")
        return 0.5
    if costs is not None:
        fp, fn = costs
        if not (fp > 0 and fn > 0 and np.isfinite([fp, fn]).all()):
            raise ValueError("both costs must be positive numbers")
        if threshold is None:
            return fp / (fp + fn)
    cut = 0.5 if threshold is None else threshold
    if not 0 < cut < 1:
        raise ValueError(f"threshold={cut} must lie between 0 and 1")
    return cut


def _metric_rows(
    s: Sample,
    used: list[est.Metric],
    parts: dict[tuple[str, str], est.Part],
    level: float,
) -> list[dict[str, Any]]:
    out = []
    for model in s.p:
        for k in used:
            e = s.judge(k, parts[model, k.name], model, level)
            out.append(
                {"model": model, "metric": k.name, "text": k.text, "value": e.value,
                 "se": e.se, "low": e.low, "high": e.high, "higher": k.higher}
            )  # fmt: skip
    return out


def _comparisons(
    s: Sample,
    used: list[est.Metric],
    parts: dict[tuple[str, str], est.Part],
    level: float,
) -> list[dict[str, Any]]:
    """The first model less each other one, and less the base rate, on the same rows."""
    first, *others = s.p
    out = []
    for k in used:
        mine, rows = parts[first, k.name], []
        for other in others:
            rows.append(_against(s, k, mine, parts[other, k.name], other, level))
        p = [r["p_value"] for r in rows]
        known = [i for i, v in enumerate(p) if np.isfinite(v)]
        for i, adjusted in zip(known, holm([p[i] for i in known]) if known else ()):
            rows[i]["p_adjusted"] = float(adjusted)
        if k.name == PRIMARY[s.kind]:
            base = k.function(s.y, _base(s), s.w)
            rows.append(_against(s, k, mine, base, "base rate", level))
            rows[-1]["p_adjusted"] = rows[-1]["p_value"]
        out += rows
    for r in out:
        clear = r["p_adjusted"] < 1 - level
        better = (r["difference"] > 0) == r.pop("higher")
        r["verdict"] = ("better" if better else "worse") if clear else "no evidence"
    return out


def _base(s: Sample) -> Floats:
    """The same for everyone: the mean label, or the share of each class."""
    if s.kind != "multiclass":
        return np.full(len(s.y), s.w @ s.y / s.w.sum())
    share = np.bincount(s.y.astype(int), s.w, len(s.classes)) / s.w.sum()
    return np.tile(share, (len(s.y), 1))


def _against(
    s: Sample, k: est.Metric, a: est.Part, b: est.Part, name: str, level: float
) -> dict[str, Any]:
    e = s.estimate(est.contrast([a, b], np.array([1.0, -1.0])), level)
    return {"metric": k.name, "text": k.text, "against": name, "difference": e.value,
            "low": e.low, "high": e.high, "p_value": e.p_value, "p_adjusted": est.NAN,
            "higher": k.higher}  # fmt: skip


# ---------------------------------------------------------------------- calibration


def calibration(
    s: Sample, model: str, *, bins: int = 10, level: float = 0.95
) -> dict[str, Any]:
    """Predicted against observed in bins of equal count, and what chance would give.

    ece is the mean |observed - predicted| over rows; ece_chance is its expectation if
    the model were calibrated, since noise alone makes it positive. p_value: all bins
    at once (Hotelling's T2 on the bins' clustered residuals). slope and intercept of
    the recalibration, 1 and 0 when calibrated; ratio is observed over expected.
    """
    y, p = s.event(model)
    shares = s.kind != "regression"
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    b = np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)[1]
    size = np.bincount(b, s.w).astype(float)
    gap = np.asarray(np.bincount(b, s.w * (y - p)) / size, float)
    V, G = _bin_covariance(s, y, p, b, size, gap, shares)
    B, sd = len(size), np.sqrt(np.diag(V))
    p_value = est.NAN
    if G > B + 1 and np.linalg.cond(V) < 1e12:
        T2 = float(gap @ np.linalg.solve(V, gap))
        p_value = float(stats.f.sf(T2 * (G - B) / (B * (G - 1)), B, G - B))
    intercept, slope = (
        s.estimate(part, level)
        for part in est.recalibration(y, p, s.w, logistic=shares)
    )
    whole = s.estimate(est.ratio(y, p, s.w) if p.sum() > 0 else (est.NAN, 0 * y), level)
    return {
        "model": model,
        "bins": [_bin(s, y, p, b == j, level, shares) for j in range(B)],
        "ece": float(size @ abs(gap) / size.sum()),
        "ece_chance": float(size @ (np.sqrt(2 / np.pi) * sd) / size.sum()),
        "p_value": p_value,
        "slope": slope.value,
        "slope_interval": slope.interval,
        "intercept": intercept.value,
        "intercept_interval": intercept.interval,
        "ratio": whole.value if shares else est.NAN,
        "ratio_interval": whole.interval if shares else (est.NAN, est.NAN),
        "mean_gap": float(s.w @ (y - p) / s.w.sum()),
    }


def _bin_covariance(
    s: Sample,
    y: Floats,
    p: Floats,
    b: Ints,
    size: Floats,
    gap: Floats,
    shares: bool,
) -> tuple[Floats, int]:
    """Covariance (B, B) of the bins' residuals under calibration, and the clusters.

    Rows of 0 and 1 have the variance p (1 - p) then, which is known: the sample's own
    is almost nothing in a bin without events. What rows of one cluster share is added
    from the sample.
    """
    G, B = s.clusters, len(size)
    c = s.w * (y - p - gap[b]) / size[b]
    sums = np.bincount(s.g * B + b, c, G * B).reshape(G, B)
    V = np.asarray(sums.T @ sums, float)
    if not shares:
        return V * (G / max(G - 1, 1)), G
    own = np.bincount(b, c**2)  # the sample's variance if rows were independent
    known = np.bincount(b, s.w**2 * p * (1 - p)) / size**2
    exact = np.asarray(V + np.diag(known - own), float)
    if np.linalg.eigvalsh(exact)[0] > 0.1 * known.min():
        return exact, G
    return V + np.diag(np.maximum(known - np.diag(V), 0)), G


def _bin(
    s: Sample, y: Floats, p: Floats, use: NDArray[np.bool_], level: float, shares: bool
) -> dict[str, Any]:
    w, g = s.w[use], s.g[use]
    part = est.mean(y[use], w)
    if shares:
        low, high = est.rate(part, g, np.ones(len(g), bool), level=level).interval
    else:
        low, high = est.estimate(part, g, level=level).interval
    return {"predicted": float(w @ p[use] / w.sum()), "observed": part[0], "low": low,
            "high": high, "rows": int(use.sum())}  # fmt: skip


# ------------------------------------------------------------- costs and thresholds


def best_threshold(y: Floats, p: Floats, w: Floats, fp: float, fn: float) -> float:
    """The score from which acting costs least on these rows: optimistic for others.

    >>> y, p = np.array([0, 1, 1.0]), np.array([0.2, 0.4, 0.9])
    >>> best_threshold(y, p, np.ones(3), 1, 1)
    0.4
    """
    levels, k = np.unique(p, return_inverse=True)
    miss = np.r_[0.0, np.cumsum(np.bincount(k, w * y))]  # acting above levels[:j]
    alarm = np.bincount(k, w * (1 - y))
    alarm = np.r_[np.cumsum(alarm[::-1])[::-1], 0.0]
    j = int(np.argmin(fn * miss + fp * alarm))
    return float(levels[j]) if j < len(levels) else float(np.nextafter(levels[-1], 2))


def _costs(
    s: Sample, costs: tuple[float, float] | None, cut: float, level: float
) -> dict[str, Any] | None:
    """Cost a row at the threshold, at one chosen on other rows, and of doing the same
    to everyone.
    """
    if costs is None:
        return None
    fp, fn = costs
    p = next(iter(s.p.values()))
    price = np.where(s.y == 1, fn * (p < cut), fp * (p >= cut)).astype(float)
    fold = np.random.default_rng(0).permutation(s.clusters)[s.g] % 5
    honest = np.full(len(p), est.NAN)
    for f in np.unique(fold):
        mine, rest = fold == f, fold != f
        t = best_threshold(s.y[rest], p[rest], s.w[rest], fp, fn) if rest.any() else cut
        honest[mine] = np.where(
            s.y[mine] == 1, fn * (p[mine] < t), fp * (p[mine] >= t)
        )  # fmt: skip
    at, chosen = est.mean(price, s.w), est.mean(honest, s.w)
    a, c = s.estimate(at, level), s.estimate(chosen, level)
    d = s.estimate(est.contrast([chosen, at], np.array([1.0, -1.0])), level)
    rate = float(s.w @ s.y / s.w.sum())
    return {
        "false_alarm": fp, "miss": fn, "threshold": cut,
        "cost": a.value, "low": a.low, "high": a.high,
        "best_here": best_threshold(s.y, p, s.w, fp, fn), "honest_cost": c.value,
        "difference": d.value, "difference_low": d.low, "difference_high": d.high,
        "act_on_all": fp * (1 - rate), "act_on_none": fn * rate,
    }  # fmt: skip


def _decision(s: Sample, level: float) -> list[dict[str, float]]:
    """Net benefit of the first model over thresholds, and over the better of all, none.

    Net benefit = true positives / n - false positives / n * t / (1 - t).
    """
    if s.kind != "binary":
        return []
    p = next(iter(s.p.values()))
    top = float(np.clip(np.quantile(p, 0.99), 0.02, 0.99))
    out = []
    for t in np.linspace(0.01, top, 40):
        odds = t / (1 - t)
        everyone = s.y - (1 - s.y) * odds
        mine = everyone * (p >= t)
        rate_all = float(s.w @ everyone / s.w.sum())
        gain = mine - (everyone if rate_all > 0 else 0.0)
        net, over = (s.estimate(est.mean(v, s.w), level) for v in (mine, gain))
        out.append(
            {"threshold": float(t), "model": net.value, "low": net.low,
             "high": net.high, "all": rate_all, "gain": over.value,
             "gain_low": over.low}
        )  # fmt: skip
    return out


# ------------------------------------------------------------------ slices and time


def _levels(column: pd.Series, most: int = 20) -> pd.Series:
    """The groups of a column: its levels, quartiles of numbers, rare ones together."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 10:
        column = pd.qcut(column, 4, duplicates="drop")
    names = column.astype(object).where(column.notna(), "missing").astype(str)
    frequent = names.value_counts().index[:most]
    return names.where(names.isin(frequent), "all others")


def _on(s: Sample, mask: NDArray[np.bool_], function: Any, *scores: Floats) -> est.Part:
    """A metric of some rows, with contributions among all."""
    return est.spread(function(*(v[mask] for v in scores), s.w[mask]), mask)


def _quality(s: Sample, model: str) -> tuple[est.Metric, tuple[Floats, Floats]]:
    name = DISCRIMINATION[s.kind]
    (k,) = [k for k in est.metrics(s.kind) if k.name == name]
    return k, (s.y, s.p[model])


def _residual(y: Floats, p: Floats, w: Floats) -> est.Part:
    return est.mean(y - p, w)


def _slices(
    s: Sample, rows: pd.DataFrame, columns: Sequence[str], cut: float, level: float
) -> list[dict[str, Any]]:
    """The first model on each slice against the rest; p-values adjusted over slices."""
    model = next(iter(s.p))
    out: list[dict[str, Any]] = []
    for column in columns:
        names = _levels(rows[column]).to_numpy()
        for value in sorted(set(names)):
            mask = names == value
            if mask.all():
                raise ValueError(f'"{column}" is {value} in every row: no slices in it')
            out.append(
                {"slice": column, "value": value, "rows": int(mask.sum())}
                | _slice(s, model, mask, cut, level)
            )
    for name in ("quality", "gap"):
        known = [r for r in out if np.isfinite(r[f"{name}_p"])]
        if known:
            for r, a in zip(known, holm([r[f"{name}_p"] for r in known])):
                r[f"{name}_p"] = float(a)
    return out


def _slice(
    s: Sample, model: str, mask: NDArray[np.bool_], cut: float, level: float
) -> dict[str, Any]:
    k, scores = _quality(s, model)
    both = np.array([1.0, -1.0])
    mine, rest = (_on(s, m, k.function, *scores) for m in (mask, ~mask))
    own = s.estimate(mine, level, share=k.share)
    df = min(own.df, est.freedom(rest[1], s.g, s.strata))
    difference = s.estimate(est.contrast([mine, rest], both), level, df=df)
    y, p = s.event(model)
    here, there = (_on(s, m, _residual, y, p) for m in (mask, ~mask))
    gap = s.estimate(here, level)
    df = min(gap.df, est.freedom(there[1], s.g, s.strata))
    gap_difference = s.estimate(est.contrast([here, there], both), level, df=df)
    enough = gap.df >= FEWEST - 1 and own.df >= FEWEST - 1
    w = s.w[mask]
    r = {
        "clusters": int(np.unique(s.g[mask]).size),
        "observed": float(w @ y[mask] / w.sum()),
        "predicted": float(w @ p[mask] / w.sum()),
        "metric": k.name, "quality": own.value, "low": own.low, "high": own.high,
        "difference": difference.value, "difference_low": difference.low,
        "difference_high": difference.high,
        "quality_p": difference.p_value if enough else est.NAN,
        "gap": gap.value, "gap_low": gap.low, "gap_high": gap.high,
        "gap_p": gap_difference.p_value if enough else est.NAN,
        "selected": est.NAN, "recall": est.NAN, "specificity": est.NAN,
        "enough": bool(enough),
    }  # fmt: skip
    if s.kind == "binary":
        for name in ("selected", "recall", "specificity"):
            r[name] = est.at_threshold(name, y[mask], p[mask], w, cut)[0]
    return r


def instants(column: pd.Series) -> tuple[Floats, pd.Series]:
    """A column of times as numbers, and as it will be shown."""
    import pandas as pd

    if column.isna().any():
        raise ValueError(f'{int(column.isna().sum())} rows have no "{column.name}"')
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(float), column
    try:
        when = pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        raise ValueError(
            f'"{column.name}" holds what is neither a number nor a date: write '
            "2026-01-31"
        ) from None
    return when.astype("int64").to_numpy(float), when.dt.strftime("%Y-%m-%d")


def _drift(
    s: Sample, rows: pd.DataFrame, time: str | None, level: float, most: int = 8
) -> dict[str, Any] | None:
    """The first model in up to ``most`` periods of similar size, and linear trends.

    Fewer periods when events are scarce: twice ``FEWEST`` clusters of either label in
    each, on average.
    """
    if time is None:
        return None
    t, shown = instants(rows[time])
    df = est.freedom(np.ones(len(s.y)), s.g, s.strata)
    least = df if np.isfinite(df) else 0.0
    most = int(np.clip(least // (2 * FEWEST), 2, most))
    edges = np.unique(np.quantile(t, np.linspace(0, 1, most + 1)[1:-1]))
    period = np.unique(np.searchsorted(edges, t, side="left"), return_inverse=True)[1]
    if period.max() < 1:
        raise ValueError(f'"{time}" never changes: there is no drift to look for')
    model = next(iter(s.p))
    k, scores = _quality(s, model)
    y, p = s.event(model)
    kinds = {k.name: (k.function, scores, k.share), "gap": (_residual, (y, p), False)}
    periods: list[dict[str, Any]] = []
    trends: list[dict[str, Any]] = []
    parts: dict[str, list[est.Part]] = {name: [] for name in kinds}
    for j in range(period.max() + 1):
        mask = period == j
        r: dict[str, Any] = {
            "start": str(shown.iloc[int(np.flatnonzero(mask)[t[mask].argmin()])]),
            "rows": int(mask.sum()),
            "observed": float(s.w[mask] @ y[mask] / s.w[mask].sum()),
            "predicted": float(s.w[mask] @ p[mask] / s.w[mask].sum()),
        }
        for name, (function, v, share) in kinds.items():
            part = _on(s, mask, function, *v)
            parts[name].append(part)
            e = s.estimate(part, level, share=share)
            key = "quality" if name == k.name else name
            r |= {key: e.value, f"{key}_low": e.low, f"{key}_high": e.high}
        periods.append(r)
    for name, found in parts.items():
        known = [(j, part) for j, part in enumerate(found) if np.isfinite(part[0])]
        if len(known) < 2:
            continue
        x = np.array([j for j, _ in known], float)
        x -= x.mean()
        e = s.estimate(
            est.contrast([part for _, part in known], x / (x @ x) * np.ptp(x)), level
        )
        trends.append({"metric": name, "change": e.value, "low": e.low, "high": e.high,
                       "p_value": e.p_value, "p_adjusted": est.NAN})  # fmt: skip
    known_p = [r for r in trends if np.isfinite(r["p_value"])]
    for r, a in zip(known_p, holm([r["p_value"] for r in known_p]) if known_p else ()):
        r["p_adjusted"] = float(a)
    return {"time": time, "metric": k.name, "periods": periods, "trends": trends}


# ------------------------------------------------------------- training, and curves


def _overfit(
    s: Sample,
    train: pd.DataFrame | None,
    label: str,
    predictions: list[str],
    extra: Mapping[str, Any],
    level: float,
) -> dict[str, Any] | None:
    """The first model's quality on the rows it was fitted on less that on these."""
    if train is None:
        return None
    first = predictions[:1]
    try:
        fitted = read(
            train, label=label, predictions=first, kind=s.kind, drop_missing=True,
            **extra,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"in the training rows: {error}") from None
    return overfit(fitted, s, level)


def overfit(fitted: Sample, s: Sample, level: float = 0.95) -> dict[str, Any]:
    """Quality on the rows a model was fitted on less that on others, with interval."""
    name = {"binary": "auc", "multiclass": "accuracy", "regression": "r2"}[s.kind]
    (k,) = [k for k in est.metrics(s.kind) if k.name == name]
    model = next(iter(fitted.p))
    a = fitted.estimate(k.function(fitted.y, fitted.p[model], fitted.w), level)
    b = s.estimate(k.function(s.y, s.p[model], s.w), level)
    gap, se = a.value - b.value, float(np.hypot(a.se, b.se))
    q = float(stats.t.ppf((1 + level) / 2, min(a.df, b.df)))
    return {
        "metric": name, "text": k.text, "train": a.value, "test": b.value, "gap": gap,
        "low": gap - q * se, "high": gap + q * se, "flagged": bool(gap > OVERFIT),
    }  # fmt: skip


def _curves(s: Sample, points: int = 120) -> list[dict[str, Any]]:
    """ROC and precision-recall curves, thinned, and the scores of the two classes."""
    if s.kind != "binary":
        return []
    out = []
    for model, p in s.p.items():
        _, k = np.unique(-p, return_inverse=True)
        hit = np.cumsum(np.bincount(k, s.w * s.y))
        alarm = np.cumsum(np.bincount(k, s.w * (1 - s.y)))
        thin = np.unique(np.linspace(0, len(hit) - 1, points).astype(int))
        recall, false = hit[thin] / hit[-1], alarm[thin] / alarm[-1]
        precision = hit[thin] / (hit[thin] + alarm[thin])
        edges = np.linspace(0, 1, 21)
        out.append(
            {
                "model": model,
                "roc": [[0.0, 0.0], *np.column_stack([false, recall]).tolist()],
                "precision_recall": np.column_stack([recall, precision]).tolist(),
                "histogram": {
                    name: np.histogram(p[s.y == v], edges)[0].tolist()
                    for name, v in (("positive", 1), ("negative", 0))
                },
            }
        )
    return out


# ------------------------------------------------------------------------ sentences


def _n(x: float) -> str:
    return f"{x:.3g}" if np.isfinite(x) else "undefined"


def _p(p: float) -> str:
    return "p < 1e-16" if p < 1e-16 else f"p = {p:.2g}"


def _range(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "interval undefined"
    return f"{_n(low)} to {_n(high)}"


def sentences(r: Mapping[str, Any]) -> list[str]:
    """What the numbers say, in words; ``r`` as :func:`evaluate` returns it."""
    return [
        *_say_quality(r),
        *_say_comparisons(r),
        *_say_calibration(r),
        *_say_costs(r),
        *_say_slices(r),
        *_say_drift(r),
        *_say_overfit(r),
        _say_assumptions(r),
    ]


def _say_quality(r: Mapping[str, Any]) -> list[str]:
    first, level = r["models"][0], f"{r['level']:.0%}"
    wanted = {
        "binary": ("auc", "average_precision"),
        "multiclass": ("macro_auc", "accuracy"),
        "regression": ("mae", "r2"),
    }[r["kind"]]
    found = {m["metric"]: m for m in r["metrics"] if m["model"] == first}
    said = " and ".join(
        f"{found[k]['text']} {_n(found[k]['value'])} "
        f"({_range(found[k]['low'], found[k]['high'])})"
        for k in wanted
    )
    whole = f"{r['rows']:,} rows"
    if r["clustered"]:
        whole += f" of {r['clusters']:,} clusters"
    if r["kind"] == "binary":
        whole += f", {r['rate']:.1%} positive"
    out = [f"{first}: {said}, {level} intervals, on {whole}."]
    if r["kind"] == "binary" and found["auc"]["value"] > 0.999:
        out.append("Predictions this perfect are usually a leak: look for the label.")
    if r["kind"] == "binary" and found["auc"]["high"] < 0.5:
        out.append("The scores run the wrong way: positives are scored lower.")
    few = found[PRIMARY[r["kind"]]]
    if not np.isfinite(few["low"]):
        out.append("Too few rows of one class, or clusters, for intervals.")
    if r["set_aside"]:
        out.append(f"{r['set_aside']:,} rows with missing values were set aside.")
    return out


def _say_comparisons(r: Mapping[str, Any]) -> list[str]:
    first, out = r["models"][0], []
    for c in r["comparisons"]:
        if c["metric"] != PRIMARY[r["kind"]]:
            continue
        size = f"{c['text']} {c['difference']:+.3g} ({_range(c['low'], c['high'])})"
        if c["verdict"] == "no evidence":
            out.append(
                f"No evidence that {first} and {c['against']} differ: {size}; that is "
                "not evidence that they are equal."
            )
        else:
            p = f", adjusted {_p(c['p_adjusted'])}"
            out.append(f"{first} is {c['verdict']} than {c['against']}: {size}{p}.")
    return out


def _say_calibration(r: Mapping[str, Any]) -> list[str]:
    c, alpha, out = r["calibration"][0], 1 - r["level"], []
    noise = (
        f"mean gap between predicted and observed {_n(c['ece'])}, of which chance "
        f"alone would give {_n(c['ece_chance'])}"
    )
    if not np.isfinite(c["p_value"]):
        out.append(f"Calibration: {noise}; too few clusters to test it.")
    elif c["p_value"] < alpha:
        out.append(f"Not calibrated ({_p(c['p_value'])}): {noise}.")
    else:
        out.append(
            f"No evidence of miscalibration ({_p(c['p_value'])}): {noise}; that is "
            "not proof of calibration."
        )
    low, high = c["ratio_interval"]
    if high < 1 or low > 1:
        way = "more" if high < 1 else "fewer"
        out.append(
            f"It predicts {way} than happens: observed over expected {_n(c['ratio'])} "
            f"({_range(low, high)})."
        )
    low, high = c["slope_interval"]
    if high < 1 or low > 1:
        way = "too extreme" if high < 1 else "too timid"
        out.append(
            f"Predictions are {way}: calibration slope {_n(c['slope'])} "
            f"({_range(low, high)})."
        )
    return out


def _say_costs(r: Mapping[str, Any]) -> list[str]:
    c, out = r["costs"], []
    if c is not None:
        least = min(c["act_on_all"], c["act_on_none"])
        name = "everyone" if c["act_on_all"] <= c["act_on_none"] else "no one"
        how = "less" if c["high"] < least else "more" if c["low"] > least else None
        versus = (
            f"{how} than acting on {name}, {_n(least)}"
            if how
            else f"not told from acting on {name}, {_n(least)}"
        )
        out.append(
            f"Acting from {_n(c['threshold'])} on costs {_n(c['cost'])} a row "
            f"({_range(c['low'], c['high'])}): {versus}."
        )
        if c["difference_high"] < 0 or c["difference_low"] > 0:
            way = "less" if c["difference_high"] < 0 else "more"
            said = (
                f"A threshold chosen on data ({_n(c['best_here'])} here) costs {way} "
                f"on rows not used to choose it: {c['difference']:+.3g} a row "
                f"({_range(c['difference_low'], c['difference_high'])})."
            )
            if way == "less":
                said += " Recalibrate, or use it."
            out.append(said)
    if r["decision"]:
        clear = [d["threshold"] for d in r["decision"] if d["gain_low"] > 0]
        if clear:
            out.append(
                "Over acting on everyone or no one, whichever is better, it gains at "
                f"{len(clear)} of {len(r['decision'])} thresholds, between "
                f"{_n(clear[0])} and {_n(clear[-1])} (each interval by itself)."
            )
        else:
            out.append("At no threshold does it clearly gain over all or no one.")
    return out


def _say_slices(r: Mapping[str, Any]) -> list[str]:
    if not r["slices"]:
        return []
    alpha, out = 1 - r["level"], []
    text = {"auc": "AUC", "accuracy": "accuracy", "mae": "MAE"}
    for x in r["slices"]:
        name = f"{x['slice']} = {x['value']}"
        if x["quality_p"] < alpha:
            out.append(
                f"{name}: {text[x['metric']]} {_n(x['quality'])}, "
                f"{x['difference']:+.3g} against the rest "
                f"({_range(x['difference_low'], x['difference_high'])}), adjusted "
                f"{_p(x['quality_p'])}."
            )
        if x["gap_p"] < alpha:
            out.append(
                f"{name}: predicted {_n(x['predicted'])}, observed "
                f"{_n(x['observed'])}; the gap differs from the rest's, adjusted "
                f"{_p(x['gap_p'])}."
            )
    if not out:
        out.append(
            f"No evidence that any of {len(r['slices'])} slices differs from the rest."
        )
    few = sum(not x["enough"] for x in r["slices"])
    if few:
        out.append(f"{few} slices are too small to judge.")
    return out


def _say_drift(r: Mapping[str, Any]) -> list[str]:
    if r["drift"] is None:
        return []
    name = {"auc": "AUC", "accuracy": "accuracy", "mae": "MAE",
            "gap": "observed less predicted"}  # fmt: skip
    out = []
    for t in r["drift"]["trends"]:
        size = f"{t['change']:+.3g} ({_range(t['low'], t['high'])})"
        if t["p_adjusted"] < 1 - r["level"]:
            out.append(
                f"Over time {name[t['metric']]} changes by {size} from the first "
                f"period to the last, adjusted {_p(t['p_adjusted'])}."
            )
    return out or ["No evidence of a trend over time."]


def _say_overfit(r: Mapping[str, Any]) -> list[str]:
    o = r["overfit"]
    if o is None:
        return []
    size = (
        f"{o['text']} {_n(o['train'])} on the training rows, {_n(o['test'])} here, gap "
        f"{_n(o['gap'])} ({_range(o['low'], o['high'])})"
    )
    if o["flagged"]:
        return [f"Overfit: {size}, above {OVERFIT}."]
    return [f"Gap to training below {OVERFIT}: {size}."]


def _say_assumptions(r: Mapping[str, Any]) -> str:
    unit = "clusters" if r["clustered"] else "rows"
    out = f"It rests on: {unit} are independent; no label was known to the model"
    if not r["clustered"]:
        out += "; if users have several rows, name them with --cluster"
    return out + "."
