"""What a model has to beat: a line and a forest of small trees, honestly judged.

Chapter 28. The rows are split once (forward in time, whole clusters, or stratified);
settings are chosen on the validation part; the test part is touched once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamrec.evaluation.report import instants, need

if TYPE_CHECKING:
    import pandas as pd

Names = NDArray[np.str_]
SHARES = (0.70, 0.15, 0.15)
MODELS = ("linear", "trees")
SETTINGS: dict[str, tuple[float, ...]] = {
    "linear": (0.01, 0.1, 1.0, 10.0),  # C, the inverse of the penalty
    "trees": (4, 8, 16),  # leaves
}


def split(
    n: int,
    *,
    time: NDArray[np.float64] | None = None,
    cluster: Sequence[Any] | None = None,
    label: Sequence[Any] | None = None,
    seed: int = 0,
) -> tuple[Names, str]:
    """``train``, ``validation`` or ``test`` for each of n rows, and how it was done.

    With times the last 15 % are the test and the 15 % before them the validation, and
    equal times stay together; else clusters stay together; else labels are stratified.

    >>> split(10, time=np.arange(10.0))[0].tolist()[-4:]
    ['train', 'validation', 'test', 'test']
    """
    rng = np.random.default_rng(seed)
    names = np.array(["train", "validation", "test"])
    cuts = np.cumsum(SHARES)[:2]
    if time is not None:
        late = np.quantile(time, cuts, method="lower")
        times = np.unique(time)
        if len(times) < 3:
            raise ValueError("a split forward in time needs at least three times")
        last = min(int(np.searchsorted(times, late[1])), len(times) - 2)
        first = min(int(np.searchsorted(times, late[0])), last - 1)
        edges = times[[first, last]]
        out = names[np.searchsorted(edges, time, side="left")]
        how = "forward in time"
    elif cluster is not None:
        code = np.unique(np.asarray(cluster, dtype=str), return_inverse=True)[1]
        place = (rng.permutation(code.max() + 1) + 0.5) / (code.max() + 1)
        out, how = names[np.searchsorted(cuts, place[code])], "whole clusters"
    else:
        out, how = np.full(n, names[0], dtype=names.dtype), "stratified by label"
        strata = np.zeros(n) if label is None else np.asarray(label, dtype=str)
        for value in np.unique(strata):
            rows = rng.permutation(np.flatnonzero(strata == value))
            place = (np.arange(rows.size) + 0.5) / rows.size
            out[rows] = names[np.searchsorted(cuts, place)]
    if not np.isin(names, out).all():
        raise ValueError("too few rows, times or clusters for a 70/15/15 split")
    return out, how


def fit(
    table: pd.DataFrame,
    *,
    label: str,
    features: Sequence[str],
    kind: str | None = None,
    positive: str | None = None,
    cluster: str | None = None,
    time: str | None = None,
    folds: int = 5,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Fit the baselines on a table: (test rows, training rows, how it went).

    Both tables get the columns ``linear`` and ``trees`` (for several classes
    ``linear:a``, ...). The record holds the split, the settings tried with their
    validation losses, the models ordered by them, and the loss in cross-validation
    with its spread over folds.

    Raises
    ------
    ValueError
        The label among the features, unknown or empty columns, missing labels, a
        split that leaves a part without a class.
    """
    import pandas as pd

    need(table, [label, *features, *(c for c in (cluster, time) if c)])
    if label in features:
        raise ValueError(f'the label "{label}" is among the features: take it out')
    if not features:
        raise ValueError("name the features, each with --feature")
    if table[label].isna().any():
        raise ValueError(f'{int(table[label].isna().sum())} rows have no "{label}"')
    kind = kind or _kind(table[label], positive)
    y = table[label]
    if kind == "binary" and positive is not None:
        y = (y.astype(str) == positive).astype(int)
    if kind != "regression":
        if y.nunique() < 2:
            raise ValueError(f'"{label}" is {y.iloc[0]} in every row: one class only')
        y = y.astype(str)
    t = None if time is None else instants(table[time])[0]
    who = None if cluster is None else table[cluster].astype(str)
    part, how = split(
        len(table), time=t, cluster=who, seed=seed,
        label=None if kind == "regression" else y,
    )  # fmt: skip
    rows = {name: np.flatnonzero(part == name) for name in np.unique(part)}
    fresh = {m: m if m not in table.columns else f"{m} (fitted)" for m in MODELS}
    if kind != "regression":
        for name, r in rows.items():
            lost = set(y) - set(y.iloc[r])
            if lost:
                raise ValueError(f"the {name} part has no row of {min(lost)}: too few")
    X = table[list(features)]
    tried, best = [], {}
    for m in MODELS:
        for value in SETTINGS[m]:
            model = _model(X, m, value, kind, seed)
            model.fit(X.iloc[rows["train"]], y.iloc[rows["train"]])
            loss = _loss(model, X, y, rows["validation"], kind)
            tried.append({"model": fresh[m], "setting": value, "loss": loss})
        best[m] = min((r for r in tried if r["model"] == fresh[m]),
                      key=lambda r: float(str(r["loss"])))  # fmt: skip
    seen = np.r_[rows["train"], rows["validation"]]
    cv = []
    test, trained = table.iloc[rows["test"]].copy(), table.iloc[seen].copy()
    for m in MODELS:
        value = float(str(best[m]["setting"]))
        losses = [
            _loss(
                _model(X, m, value, kind, seed).fit(X.iloc[a], y.iloc[a]), X, y, b, kind
            )
            for a, b in _folds(seen, t, who, y, kind, folds, seed)
        ]
        cv.append({"model": fresh[m], "mean": float(np.mean(losses)),
                   "sd": float(np.std(losses, ddof=1)), "folds": losses})  # fmt: skip
        model = _model(X, m, value, kind, seed).fit(X.iloc[seen], y.iloc[seen])
        for frame in (test, trained):
            p = _predict(model, frame[list(features)], kind)
            if kind == "multiclass":
                for j, c in enumerate(model.classes_):
                    frame[f"{fresh[m]}:{c}"] = p[:, j]
            else:
                frame[fresh[m]] = p
    order = sorted(MODELS, key=lambda m: float(str(best[m]["loss"])))
    end = ":" if kind == "multiclass" else ""
    record = {
        "kind": kind,
        "split": how,
        "rows": {str(name): int(r.size) for name, r in rows.items()},
        "loss": "mean squared error" if kind == "regression" else "log loss",
        "tried": tried,
        "cross_validation": cv,
        "predictions": [fresh[m] + end for m in order],
    }
    return test, pd.DataFrame(trained), record


def _kind(y: pd.Series, positive: str | None) -> str:
    import pandas as pd

    if positive is not None or y.nunique() <= 2:
        return "binary"
    number = pd.api.types.is_numeric_dtype(y)
    return "regression" if number and y.nunique() > 10 else "multiclass"


def _model(X: pd.DataFrame, name: str, value: float, kind: str, seed: int) -> Any:
    """Preparation and model in one pipeline, so that folds stay apart."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = [c for c in X if pd.api.types.is_numeric_dtype(X[c])]
    words = [c for c in X if c not in numeric]
    levels = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=30, sparse_output=False
    )
    filled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    prepare = make_column_transformer(
        (filled if name == "linear" else "passthrough", numeric), (levels, words)
    )
    flat = kind == "regression"
    if name == "linear":
        model: Any = (
            Ridge(alpha=1 / value)
            if flat
            else LogisticRegression(C=value, max_iter=500)
        )
    else:
        trees = (
            HistGradientBoostingRegressor if flat else HistGradientBoostingClassifier
        )
        model = trees(max_leaf_nodes=int(value), max_iter=100, learning_rate=0.06,
                      early_stopping=False, random_state=seed)  # fmt: skip
    return make_pipeline(prepare, model)


def _predict(model: Any, X: pd.DataFrame, kind: str) -> NDArray[np.float64]:
    if kind == "regression":
        return np.asarray(model.predict(X))
    p = np.asarray(model.predict_proba(X))
    return p[:, 1] if kind == "binary" else p


def _loss(
    model: Any, X: pd.DataFrame, y: pd.Series, rows: NDArray[np.intp], kind: str
) -> float:
    from sklearn.metrics import log_loss, mean_squared_error

    if kind == "regression":
        return float(mean_squared_error(y.iloc[rows], model.predict(X.iloc[rows])))
    p = model.predict_proba(X.iloc[rows])
    return float(log_loss(y.iloc[rows], p, labels=model.classes_))


def _folds(
    seen: NDArray[np.intp],
    t: NDArray[np.float64] | None,
    who: pd.Series | None,
    y: pd.Series,
    kind: str,
    folds: int,
    seed: int,
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Folds of the rows seen, of the same nature as the split."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    if t is not None:  # each fold is predicted from what came before it
        edges = np.unique(np.quantile(t[seen], np.arange(1, folds + 1) / (folds + 1)))
        block = np.searchsorted(edges, t[seen], side="left")
        pairs = [(seen[block < k], seen[block == k]) for k in range(1, block.max() + 1)]
    elif who is not None:
        groups = who.iloc[seen]
        pairs = [(seen[a], seen[b])
                 for a, b in GroupKFold(folds).split(seen, groups=groups)]  # fmt: skip
    else:
        kinds = KFold if kind == "regression" else StratifiedKFold
        cut = kinds(folds, shuffle=True, random_state=seed)
        pairs = [(seen[a], seen[b]) for a, b in cut.split(seen, y.iloc[seen])]
    whole = y.iloc[seen].nunique()
    good = [
        (a, b) for a, b in pairs
        if kind == "regression" or y.iloc[a].nunique() == whole
    ]  # fmt: skip
    if len(good) < 2:
        raise ValueError("too few rows of one class for cross-validation")
    return good
