"""``streamrec stats``: a hypothesis test with its effect size and its assumptions."""

from __future__ import annotations

from enum import StrEnum
from html import escape
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit, envelope, now, write_text
from streamrec.cli.tables import read_table
from streamrec.pages import document, forest, table

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="Hypothesis tests with effect sizes and what they assume.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Kind(StrEnum):
    """Which test; auto chooses by the columns."""

    auto = "auto"
    welch = "welch"
    paired = "paired"
    rank = "rank"
    anova = "anova"
    table = "table"
    correlation = "correlation"


@app.callback()
def room() -> None:
    """Keep the subcommand's name even while there is one only."""


@app.command()
def test(
    input: flags.Input,
    value: Annotated[str, typer.Option(help="Column to compare.")],
    by: Annotated[str, typer.Option(help="Column of groups, or a second number.")],
    kind: Annotated[Kind, typer.Option(help="Test; auto chooses.")] = Kind.auto,
    unit: Annotated[
        str | None, typer.Option(help="Column that pairs rows (paired test).")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    config: flags.Config = None,
    output: flags.Output = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Compare a column between groups, or with another column.

    auto: two columns of numbers with many values: correlation; text or two values
    against groups: table; numbers in two groups: Welch; in more: Welch's ANOVA.

    Example: streamrec stats test -i people.csv --value wage --by union
    """
    start = now()
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, not {alpha}")
    data, rows, gone = _read(input, [value, by] + ([unit] if unit else []))
    chosen = _choose(data, value, by, unit) if kind == Kind.auto else kind
    found = RUN[chosen](data, value, by, unit, alpha)
    if gone:
        found["checks"].append(
            _check("missing", False, f"{gone:,} rows with missing values set aside")
        )
    found["kind"] = chosen.value
    found["summary"] = _summary(found, value, by, alpha)
    if output is not None:
        if output.suffix.lower() != ".html":
            raise ValueError(f"--output {output}: the report is an .html file")
        write_text(output, _page(found, value, by))
    if format == flags.OutputFormat.json:
        emit(envelope("ok", start, rows, found), format)
        return
    emit(found["groups"])
    for line in found["summary"]:
        typer.echo(f"- {line}")
    if output is not None:
        typer.echo(f"report: {output}")


def _read(input: Path, columns: list[str]) -> tuple[pd.DataFrame, int, int]:
    """Complete rows, how many rows there were, how many were set aside."""
    import pandas as pd

    if columns[0] == columns[1]:
        raise ValueError(f'"{columns[0]}" is compared with itself: name two columns')
    frame = read_table(input, columns)
    for c in frame:
        if pd.api.types.is_float_dtype(frame[c]) and frame[c].abs().max() == inf:
            raise ValueError(f'"{c}" holds infinity: decide what it means first')
    bad = frame.isna().any(axis=1)
    if (~bad).sum() < 4:
        raise ValueError("fewer than 4 complete rows: nothing to test")
    return frame[~bad], len(frame), int(bad.sum())


def _choose(data: pd.DataFrame, value: str, by: str, unit: str | None) -> Kind:
    import pandas as pd

    levels = data[by].nunique()
    number = pd.api.types.is_numeric_dtype(data[value]) and data[value].nunique() > 2
    if unit is not None:
        return Kind.paired
    if number and pd.api.types.is_numeric_dtype(data[by]) and levels > 10:
        return Kind.correlation
    if not number:
        return Kind.table
    return Kind.welch if levels == 2 else Kind.anova


def _check(name: str, good: bool, text: str) -> dict[str, str]:
    return {"name": name, "status": "ok" if good else "warning", "text": text}


def _groups(data: pd.DataFrame, value: str, by: str, least: int) -> dict[str, Any]:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(data[value]):
        raise ValueError(f'"{value}" holds text: use --kind table')
    parts = {
        str(k): g[value].to_numpy(float) for k, g in data.groupby(by, observed=True)
    }
    if len(parts) < 2:
        raise ValueError(f'"{by}" has one value only: two groups are needed')
    thin = [k for k, v in parts.items() if v.size < least]
    if thin:
        raise ValueError(
            f'group {", ".join(thin[:5])} of "{by}" has fewer than {least} rows'
        )
    return parts


def _two(data: pd.DataFrame, value: str, by: str, least: int = 2) -> dict[str, Any]:
    parts = _groups(data, value, by, least)
    if len(parts) != 2:
        raise ValueError(f'"{by}" has {len(parts)} groups: this test compares two')
    return parts


def _rows(parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "group": k,
            "n": v.size,
            "mean": float(v.mean()),
            "sd": float(v.std(ddof=1)),
            "median": float(sorted(v)[v.size // 2]),
        }
        for k, v in parts.items()
    ]


def _result(name: str, statistic: float, p: float, **more: Any) -> dict[str, Any]:
    return {
        "test": name,
        "statistic": float(statistic),
        "p_value": float(p),
        "effect": None,
        "interval": None,
        "effect_size": None,
        "effect_size_name": "",
        "groups": [],
        "checks": [],
        **more,
    }


def _skew_check(parts: dict[str, Any]) -> dict[str, str]:
    """Is the normal approximation of the mean safe? |skewness| / sqrt(n) by group."""
    from scipy import stats

    worst = max(
        abs(float(stats.skew(v))) / v.size**0.5 if v.std() > 0 else 0.0
        for v in parts.values()
    )
    return _check(
        "normality of means",
        worst < 0.15,
        f"largest skewness over root n is {worst:.2f}"
        + ("" if worst < 0.15 else ": means are not normal yet; try --kind rank"),
    )


def _welch(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    from streamrec.stats.intervals import normal_interval
    from streamrec.stats.tests import welch

    parts = _two(data, value, by)
    (one, a), (two, b) = parts.items()
    spread = a.var(ddof=1) / a.size + b.var(ddof=1) / b.size
    if spread == 0:
        raise ValueError(f'"{value}" does not vary within the groups')
    tested = welch(b, a)
    gap = float(b.mean() - a.mean())
    pooled = ((a.var(ddof=1) + b.var(ddof=1)) / 2) ** 0.5
    d = gap / pooled * (1 - 3 / (4 * (a.size + b.size) - 9))
    return _result(
        "Welch's t",
        tested.statistic,
        tested.p_value,
        effect=gap,
        interval=normal_interval(gap, spread**0.5, level=1 - alpha, df=tested.df),
        effect_size=float(d),
        effect_size_name="Hedges' g",
        groups=_rows(parts),
        checks=[
            _check("independence", True, "assumes one row a unit, rows independent"),
            _skew_check(parts),
        ],
        contrast=f"{two} - {one}",
    )


def _paired(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    from scipy import stats

    if unit is None:
        raise ValueError("a paired test needs --unit, the column that pairs rows")
    if data.duplicated([unit, by]).any():
        raise ValueError(f'a "{unit}" occurs twice in one group of "{by}"')
    parts = _two(data, value, by)
    wide = data.pivot(index=unit, columns=by, values=value)
    whole = wide.dropna()
    if len(whole) < 3:
        raise ValueError(f'fewer than 3 values of "{unit}" occur in both groups')
    one, two = map(str, wide.columns)
    gap = (whole.iloc[:, 1] - whole.iloc[:, 0]).to_numpy(float)
    if gap.std() == 0:
        raise ValueError("every pair differs by the same amount: nothing to test")
    tested = stats.ttest_1samp(gap, 0.0)
    ci = tested.confidence_interval(1 - alpha)
    lost = len(wide) - len(whole)
    return _result(
        "paired t",
        tested.statistic,
        tested.pvalue,
        effect=float(gap.mean()),
        interval=(float(ci.low), float(ci.high)),
        effect_size=float(gap.mean() / gap.std(ddof=1)),
        effect_size_name="Cohen's d of the differences",
        groups=_rows(parts),
        checks=[
            _check("pairs", not lost, f"{len(whole)} pairs, {lost} units without one"),
            _skew_check({"differences": gap}),
        ],
        contrast=f"{two} - {one}",
    )


def _rank(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    from scipy import stats

    parts = _two(data, value, by)
    (one, a), (two, b) = parts.items()
    tested = stats.brunnermunzel(a, b)
    chance = float(stats.mannwhitneyu(b, a).statistic) / (a.size * b.size)
    return _result(
        "Brunner and Munzel's rank test",
        tested.statistic,
        tested.pvalue,
        effect_size=chance,
        effect_size_name=f"chance that {two} exceeds {one} (ties half)",
        groups=_rows(parts),
        checks=[
            _check("question", True, "asks whose values tend to be larger, not means"),
            _check(
                "size",
                min(a.size, b.size) >= 10,
                f"{min(a.size, b.size)} rows in the smaller group",
            ),
        ],
        contrast=f"{two} - {one}",
    )


def _anova(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    import numpy as np
    from scipy import stats

    parts = _groups(data, value, by, 2)
    n = np.array([v.size for v in parts.values()], float)
    mean = np.array([v.mean() for v in parts.values()])
    var = np.array([v.var(ddof=1) for v in parts.values()])
    if (var == 0).any():
        raise ValueError(f'"{value}" does not vary within some group of "{by}"')
    # Welch (1951): weights n / s^2, F with adjusted degrees of freedom.
    w = n / var
    k, grand = len(parts), float(w @ mean / w.sum())
    lam = float(((1 - w / w.sum()) ** 2 / (n - 1)).sum())
    top = float(w @ (mean - grand) ** 2) / (k - 1)
    F = top / (1 + 2 * (k - 2) / (k**2 - 1) * lam)
    df2 = (k**2 - 1) / (3 * lam)
    whole = np.concatenate(list(parts.values()))
    between = float(n @ (mean - whole.mean()) ** 2)
    omega = (between - (k - 1) * _within(parts)) / (
        float(((whole - whole.mean()) ** 2).sum()) + _within(parts)
    )
    return _result(
        "Welch's ANOVA",
        F,
        float(stats.f.sf(F, k - 1, df2)),
        effect_size=max(0.0, omega),
        effect_size_name="omega squared",
        groups=_rows(parts),
        checks=[
            _check("independence", True, "assumes one row a unit, rows independent"),
            _skew_check(parts),
            _check("pairs", True, "which groups differ is a further question: adjust"),
        ],
    )


def _within(parts: dict[str, Any]) -> float:
    """Mean square within groups."""
    n = sum(v.size for v in parts.values())
    inside = sum(float(((v - v.mean()) ** 2).sum()) for v in parts.values())
    return inside / (n - len(parts))


def _table(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    import pandas as pd
    from scipy import stats

    counts = pd.crosstab(data[by], data[value])
    if min(counts.shape) < 2:
        raise ValueError(f'"{value}" or "{by}" has one value only: nothing to compare')
    if max(counts.shape) > 50:
        many = value if counts.shape[1] > 50 else by
        raise ValueError(
            f'"{many}" has more than 50 levels: it looks like a name, or like a number '
            "that was read as text"
        )
    tested = stats.chi2_contingency(counts, correction=False)
    least = float(tested.expected_freq.min())
    name, p = "chi-square of independence", float(tested.pvalue)
    if least < 5 and counts.shape == (2, 2):
        name, p = "Fisher's exact test", float(stats.fisher_exact(counts)[1])
    n = int(counts.to_numpy().sum())
    cramer = (float(tested.statistic) / n / (min(counts.shape) - 1)) ** 0.5
    found = _result(
        name,
        tested.statistic,
        p,
        effect_size=cramer,
        effect_size_name="Cramer's V",
        groups=[
            {"group": str(k), **{str(c): int(v) for c, v in row.items()}}
            for k, row in counts.iterrows()
        ],
        checks=[
            _check("independence", True, "assumes one row a unit, rows independent"),
            _check(
                "expected counts",
                least >= 5 or name.startswith("Fisher"),
                f"smallest expected count {least:.1f}",
            ),
        ],
    )
    if counts.shape == (2, 2):
        found |= _two_rates(counts, alpha)
    return found


def _two_rates(counts: pd.DataFrame, alpha: float) -> dict[str, Any]:
    """Difference of the two rates of the last level, Newcombe's interval."""
    from streamrec.stats.intervals import wilson

    x = counts.iloc[:, 1].to_numpy()
    n = counts.sum(axis=1).to_numpy()
    p = x / n
    ends = [wilson(int(a), int(b), level=1 - alpha) for a, b in zip(x, n, strict=True)]
    gap = float(p[1] - p[0])
    low = gap - float(((p[1] - ends[1][0]) ** 2 + (ends[0][1] - p[0]) ** 2) ** 0.5)
    high = gap + float(((ends[1][1] - p[1]) ** 2 + (p[0] - ends[0][0]) ** 2) ** 0.5)
    names = list(map(str, counts.index))
    return {
        "effect": gap,
        "interval": (low, high),
        "contrast": f"share of {counts.columns[1]}: {names[1]} - {names[0]}",
    }


def _correlation(
    data: pd.DataFrame, value: str, by: str, unit: str | None, alpha: float
) -> dict[str, Any]:
    import numpy as np
    import pandas as pd
    from scipy import stats

    for c in (value, by):
        if not pd.api.types.is_numeric_dtype(data[c]):
            raise ValueError(f'"{c}" holds text: a correlation needs two numbers')
        if data[c].nunique() < 2:
            raise ValueError(f'"{c}" does not vary')
    x, y = data[by].to_numpy(float), data[value].to_numpy(float)
    tested = stats.pearsonr(x, y)
    ci = tested.confidence_interval(1 - alpha)
    ranks = float(stats.spearmanr(x, y).statistic)
    r = float(tested.statistic)
    return _result(
        "Pearson's correlation",
        r,
        tested.pvalue,
        effect=r,
        interval=(float(ci.low), float(ci.high)),
        effect_size=ranks,
        effect_size_name="Spearman's rank correlation",
        groups=[
            {"group": c, "n": v.size, "mean": float(v.mean()),
             "sd": float(v.std(ddof=1)), "median": float(np.median(v))}
            for c, v in ((by, x), (value, y))
        ],
        checks=[
            _check(
                "shape",
                abs(r - ranks) < 0.2,
                f"Pearson {r:.2f}, Spearman {ranks:.2f}"
                + ("" if abs(r - ranks) < 0.2 else ": outliers or a curve; plot it"),
            )
        ],
        contrast="correlation",
    )  # fmt: skip


RUN = {
    Kind.welch: _welch,
    Kind.paired: _paired,
    Kind.rank: _rank,
    Kind.anova: _anova,
    Kind.table: _table,
    Kind.correlation: _correlation,
}


def _summary(found: dict[str, Any], value: str, by: str, alpha: float) -> list[str]:
    p, lines = found["p_value"], []
    size = f"{found['effect_size_name']} {found['effect_size']:.2g}"
    if found["effect"] is not None:
        low, high = found["interval"]
        size = (
            f"{found.get('contrast', 'effect')} = {found['effect']:.4g} "
            f"({1 - alpha:.0%} interval {low:.4g} to {high:.4g}), {size}"
        )
    if p < alpha:
        lines.append(f"{value} differs with {by}: {size}, p = {p:.2g}.")
    else:
        lines.append(
            f"No evidence that {value} differs with {by}: {size}, p = {p:.2g}. That is "
            "not evidence of no difference."
        )
    lines.append(f"Test: {found['test']}.")
    lines += [
        f"Look at this: {c['text']}." for c in found["checks"] if c["status"] != "ok"
    ]
    return lines


def _page(found: dict[str, Any], value: str, by: str) -> str:

    title = f"{value} by {by}"
    lines = "".join(f"<li>{escape(s)}</li>" for s in found["summary"])
    body = [f"<h1>{escape(title)}</h1><ul>{lines}</ul>"]
    if found["effect"] is not None:
        row = {
            "label": found.get("contrast", "effect"),
            "middle": found["effect"],
            "interval": found["interval"],
            "mark": "open",
        }
        body.append(forest([row], "Effect with its interval"))
    body.append("<h2>Groups</h2>" + table(found["groups"]))
    body.append("<h2>Checks</h2>" + table(found["checks"]))
    return document(title, body)
