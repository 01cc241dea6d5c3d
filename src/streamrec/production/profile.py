"""A profile of a table of features, and the defects worth stopping for.

Chapter 28. What a column holds, and what is odd about it: almost always missing,
without variation, another name for a row, a copy of another column, a column that knows
the label, a distribution that moved since the reference. Thresholds are arguments;
those that depend on the sample size carry a p-value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamrec.evaluation.classification import auc
from streamrec.stats.divergences import psi_test
from streamrec.stats.multiplicity import holm

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProfileLimits:
    """Where a finding begins; shares and correlations are between 0 and 1."""

    nulls: float = 0.95
    same: float = 0.999  # share of the most frequent value
    correlation: float = 0.95
    leak: float = 0.98  # AUC of one feature, or absolute rank correlation
    psi: float = 0.1  # beyond what chance explains
    level: float = 0.001  # of the shift tests, adjusted over columns


def profile(
    data: pd.DataFrame,
    *,
    label: str | None = None,
    reference: pd.DataFrame | None = None,
    limits: ProfileLimits | None = None,
) -> dict[str, Any]:
    """Describe every column and list findings.

    Parameters
    ----------
    data : the table, a row an example.
    label : column to predict, if there is one; numbers, or two classes.
    reference : an earlier table of the same columns (training data).

    Returns
    -------
    Plain values: ``rows``, ``columns`` (a record each), ``findings`` (column, kind,
    severity "stop" or "look", text).

    Raises
    ------
    ValueError
        No rows, repeated column names, an unknown label.
    """
    limits = limits or ProfileLimits()
    if data.empty:
        raise ValueError("the table holds no rows")
    twice = data.columns[data.columns.duplicated()].unique().tolist()
    if twice:
        raise ValueError(f"columns {', '.join(map(str, twice))} are named twice")
    if label is not None and label not in data.columns:
        raise ValueError(
            f'there is no label "{label}" among {", ".join(map(str, data.columns))}'
        )
    records = [_describe(data[c]) for c in data.columns]
    findings: list[dict[str, str]] = []
    for r in records:
        findings += _odd(r, len(data), limits, r["column"] == label)
    features = data.drop(columns=[] if label is None else [label])
    findings += _copies(_numbers(features), limits)
    if label is not None:
        findings += leaks(features, data[label], limits)
    if reference is not None:
        findings += _shifts(data, reference, label, limits)
    order = {"stop": 0, "look": 1}
    findings.sort(key=lambda f: order[f["severity"]])
    return {"rows": len(data), "columns": records, "findings": findings}


def finding(column: str, kind: str, severity: str, text: str) -> dict[str, str]:
    """A finding; severity "stop" or "look"."""
    return {"column": column, "kind": kind, "severity": severity, "text": text}


def _numbers(data: pd.DataFrame) -> dict[str, Floats]:
    """Columns of numbers as such; truth values are levels."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return {
        c: data[c].to_numpy(float, na_value=np.nan)
        for c in data.columns
        if is_numeric_dtype(data[c]) and not is_bool_dtype(data[c])
    }


def _describe(column: pd.Series) -> dict[str, Any]:
    """One record: type, nulls, distinct values, moments, quantiles, a histogram."""
    import pandas as pd

    whole = column.dropna()
    counts = whole.value_counts()
    record: dict[str, Any] = {
        "column": str(column.name),
        "type": str(column.dtype),
        "null_share": float(column.isna().mean()),
        "distinct": int(counts.size),
        "top": None if counts.empty else str(counts.index[0]),
        "top_share": 0.0 if counts.empty else float(counts.iloc[0] / len(column)),
        "mean": None,
        "sd": None,
        "quantiles": None,  # 0, 1, 25, 50, 75, 99, 100 %
        "histogram": None,  # edges (k + 1) and counts (k)
    }
    boolean = pd.api.types.is_bool_dtype(column)
    if pd.api.types.is_numeric_dtype(column) and not boolean and len(whole):
        v = whole.to_numpy(float)
        v = v[np.isfinite(v)]
        if v.size:
            q = np.quantile(v, [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1])
            count, edges = np.histogram(np.clip(v, q[1], q[5]), bins=20)
            record |= {
                "mean": float(v.mean()),
                "sd": float(v.std(ddof=1)) if v.size > 1 else 0.0,
                "quantiles": q.tolist(),
                "histogram": {"edges": edges.tolist(), "counts": count.tolist()},
                "infinite": int(len(whole) - v.size),
            }
    return record


def _odd(
    r: dict[str, Any], rows: int, limits: ProfileLimits, label: bool
) -> list[dict[str, str]]:
    name, out = r["column"], []
    if r["null_share"] > limits.nulls:
        text = f"{r['null_share']:.1%} missing: nothing can be learnt from it"
        out.append(finding(name, "missing", "look", text))
    elif label and r["null_share"]:
        text = f"the label is missing in {r['null_share']:.1%} of rows"
        out.append(finding(name, "missing", "stop", text))
    if r["distinct"] <= 1:
        out.append(finding(name, "constant", "look", "it never varies"))
    elif r["top_share"] > limits.same:
        text = f"{r['top_share']:.2%} of rows hold {r['top']}"
        out.append(finding(name, "near-constant", "look", text))
    if r.get("infinite"):
        text = f"{r['infinite']:,} infinite values"
        out.append(finding(name, "infinite", "stop", text))
    full = rows > 50 and r["distinct"] == rows
    if full and not label and not r["type"].startswith("float"):
        text = "a different value in every row: an identifier, not a feature"
        out.append(finding(name, "identifier", "look", text))
    return out


def _copies(numeric: dict[str, Floats], limits: ProfileLimits) -> list[dict[str, str]]:
    """Pairs of columns that say the same, up to a line."""
    finite = {c: np.where(np.isfinite(v), v, np.nan) for c, v in numeric.items()}
    usable = {
        c: v
        for c, v in finite.items()
        if np.isfinite(v).mean() > 0.5 and np.nanstd(v) > 0
    }
    names, out = list(usable), []
    if len(names) < 2:
        return []
    R, pairs = correlations(np.column_stack(list(usable.values())))
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        if pairs[i, j] > 10 and abs(R[i, j]) > limits.correlation:
            text = f"correlation {R[i, j]:.3f} with {names[i]}: keep one of them"
            out.append(finding(names[j], "copy", "look", text))
    return out


def correlations(X: Floats) -> tuple[Floats, Floats]:
    """Correlations of columns (n, d) over the rows where both are there, and how many.

    >>> R, pairs = correlations(np.array([[1.0, 2], [2, 4], [3, np.nan], [4, 8]]))
    >>> round(float(R[0, 1]), 3), int(pairs[0, 1])
    (1.0, 3)
    """
    Z = (X - np.nanmean(X, 0)) / np.nanstd(X, 0)
    seen = np.isfinite(Z).astype(float)
    Z = np.nan_to_num(Z)
    pairs = seen.T @ seen
    a, b = Z.T @ seen, (Z**2).T @ seen
    with np.errstate(invalid="ignore", divide="ignore"):
        cov = Z.T @ Z / pairs - a * a.T / pairs**2
        var = b / pairs - (a / pairs) ** 2
        return cov / np.sqrt(var * var.T), pairs


def _truth(y: pd.Series) -> tuple[Floats, bool] | None:
    """The label as numbers, and whether it has two classes; None for text of more."""
    import pandas as pd

    classes = y.dropna().unique()
    if len(classes) < 2:
        raise ValueError(f'the label "{y.name}" never varies: nothing to predict')
    if len(classes) == 2:
        return (y == max(classes)).to_numpy(float), True
    if not pd.api.types.is_numeric_dtype(y):
        return None
    return y.to_numpy(float, na_value=np.nan), False


def _power(t: Floats, s: Floats, binary: bool) -> float | None:
    """How well a score alone ranks the label: AUC, or absolute rank correlation."""
    from scipy import stats

    if len(t) < 20 or np.unique(t).size < 2 or np.unique(s).size < 2:
        return None
    if binary:
        area = auc(t, s)
        return max(area, 1 - area)
    return abs(float(stats.spearmanr(s, t).statistic))


def power_of(score: Floats, y: pd.Series) -> float | None:
    """How well a score (n,) alone ranks a label, whichever way round.

    AUC for two classes, absolute rank correlation for numbers, over the rows where both
    are known; None for other labels, or where fewer than 20 rows or no variation.

    >>> import pandas as pd
    >>> power_of(np.arange(40.0), pd.Series([1] * 20 + [0] * 20))
    1.0
    """
    if y.nunique() < 2 or (found := _truth(y)) is None:
        return None
    use = y.notna().to_numpy() & np.isfinite(score)
    return _power(found[0][use], score[use], found[1])


def leaks(
    data: pd.DataFrame, y: pd.Series, limits: ProfileLimits | None = None
) -> list[dict[str, str]]:
    """Columns that predict the label too well to have been known beforehand.

    A column by its values (text by the mean label of a level in the other half of the
    rows) and by whether it is missing. ValueError for a label that never varies.

    >>> import pandas as pd
    >>> y = pd.Series([0, 1] * 20, name="y")
    >>> [f["column"] for f in leaks(pd.DataFrame({"told": y + 5}), y)]
    ['told']
    """
    limits, out = limits or ProfileLimits(), []
    if (found := _truth(y)) is None:
        return []
    (truth, binary), label = found, y.name
    known = y.notna().to_numpy()
    scores = _numbers(data)
    for c in data.columns:
        if c not in scores:
            scores[c] = _by_level(data[c], truth, known)
    for c in data.columns:
        if data[c].nunique() < 2:
            continue
        missing = data[c].isna().to_numpy()
        parts = [(scores[c], known & np.isfinite(scores[c]), "its values")]
        if 0 < missing.mean() < 1:
            parts.append((missing.astype(float), known, "whether it is missing"))
        for score, use, what in parts:
            power = _power(truth[use], score[use], binary)
            if power is not None and power > limits.leak:
                how = "AUC" if binary else "rank correlation"
                text = (
                    f"{what} alone predict {label} with {how} {power:.3f}: was it "
                    "known before the label?"
                )
                out.append(finding(str(c), "leak", "stop", text))
    return out


def _by_level(column: pd.Series, truth: Any, known: Any) -> Floats:
    """Each level as its mean label in the *other* half of the rows, (n,).

    The own label must not enter: with it, rare levels would seem to know everything,
    and leaving out one row at a time would give the label away with its sign turned.
    """
    import pandas as pd

    codes = pd.factorize(column)[0]
    t = np.where(known, truth, 0.0).astype(float)
    whole = t.sum() / max(known.sum(), 1)
    half = np.random.default_rng(0).permutation(len(codes)) % 2 == 0
    out = np.empty(len(codes))
    for mine in (half, ~half):
        w = known & ~mine
        size = np.bincount(codes[w] + 1, minlength=codes.max() + 2)
        total = np.bincount(codes[w] + 1, weights=t[w], minlength=codes.max() + 2)
        out[mine] = ((total + whole) / (size + 1))[codes[mine] + 1]
    return np.where(codes < 0, np.nan, out)


def _shifts(
    data: pd.DataFrame,
    reference: pd.DataFrame,
    label: str | None,
    limits: ProfileLimits,
) -> list[dict[str, str]]:
    """Columns whose distribution moved; new and lost columns and levels."""
    import pandas as pd

    out = []
    for c in reference.columns.difference(data.columns):
        out.append(finding(str(c), "lost", "stop", "the reference has it, these not"))
    for c in data.columns.difference(reference.columns):
        out.append(finding(str(c), "new", "look", "the reference does not have it"))
    tests = {}
    for c in data.columns.intersection(reference.columns):
        a, b = reference[c], data[c]
        if pd.api.types.is_numeric_dtype(a) != pd.api.types.is_numeric_dtype(b):
            text = f"it was {a.dtype} and is {b.dtype}"
            out.append(finding(str(c), "type", "stop", text))
            continue
        edges = None
        if not pd.api.types.is_numeric_dtype(a):
            levels = pd.Index(a.dropna().unique())
            fresh = b.dropna()[~b.dropna().isin(levels)]
            if len(fresh):
                text = (
                    f"{len(fresh) / len(b):.1%} of rows hold levels never seen before"
                )
                out.append(finding(str(c), "levels", "look", text))
            if levels.size > 50:
                continue
            code = {v: float(i) for i, v in enumerate(levels)}
            a, b = (s.map(code).fillna(levels.size).astype(float) for s in (a, b))
            edges = np.arange(1, levels.size + 1, dtype=float)
        try:
            tests[c] = psi_test(a.to_numpy(float), b.to_numpy(float), edges=edges)
        except ValueError:  # one bin only: constant in both
            continue
    if not tests:
        return out
    adjusted = holm([t.p_value for t in tests.values()])
    for (c, t), p in zip(tests.items(), adjusted, strict=True):
        if p < limits.level and t.excess > limits.psi:
            severity = "look" if c == label else "stop"
            out.append(finding(str(c), "shift", severity, f"{t}, over all columns"))
    return out
