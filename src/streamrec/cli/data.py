"""``streamrec data``: check a ratings file, summarise a packaged data set."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrec.cli import flags
from streamrec.cli.output import emit

if TYPE_CHECKING:
    from streamrec.data.interactions import Interactions

app = typer.Typer(
    help="Check a ratings file; summarise data sets.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


class Duplicates(StrEnum):
    """Rules for a user and an item that meet more than once."""

    error = "error"
    sum = "sum"
    mean = "mean"
    max = "max"
    first = "first"
    last = "last"
    keep = "keep"


class TimeUnit(StrEnum):
    """Units of a time column."""

    s = "s"
    ms = "ms"
    us = "us"
    ns = "ns"
    iso = "iso"


class Dataset(StrEnum):
    """Packaged data sets of interactions."""

    movielens_100k = "movielens-100k"


def _column(role: str) -> Any:
    return typer.Option(f"--{role}", help=f"Name of the {role} column.")


@app.command()
def check(
    input: flags.Input,
    user: Annotated[str | None, _column("user")] = None,
    item: Annotated[str | None, _column("item")] = None,
    time: Annotated[str | None, _column("time")] = None,
    value: Annotated[str | None, _column("value")] = None,
    on_duplicates: Annotated[
        Duplicates, typer.Option(help="What to do with repeated rows.")
    ] = Duplicates.error,
    time_unit: Annotated[
        TimeUnit, typer.Option(help="Unit of the time column.")
    ] = TimeUnit.s,
    output: flags.Output = None,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Check that a ratings file can be used, and summarise it."""
    from streamrec.data.interactions import read_interactions

    roles = {"user": user, "item": item, "time": time, "value": value}
    found = read_interactions(
        input,
        {role: name for role, name in roles.items() if name is not None},
        on_duplicates=on_duplicates.value,
        time_unit=time_unit.value,
    )
    emit({"file": input.name, **summarise(found)}, format, output)


@app.command()
def summary(
    dataset: Annotated[Dataset, typer.Option(help="Which data set.")],
    input: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Your own copy instead of the package's."),
    ] = None,
    output: flags.Output = None,
    config: flags.Config = None,
    format: flags.Format = flags.TABLE,
    verbose: flags.Verbose = False,
) -> None:
    """Summarise a packaged data set."""
    from streamrec.data import sources

    loaders = {Dataset.movielens_100k: sources.movielens_100k}
    found = loaders[dataset](path=input)
    emit({"data_set": dataset.value, **summarise(found)}, format, output)


def summarise(x: Interactions) -> dict[str, Any]:
    """Sizes, density, lengths of histories, ranges of value and time."""
    import numpy as np

    per_user = np.bincount(x.user_index, minlength=x.n_users)
    per_item = np.bincount(x.item_index, minlength=x.n_items)
    top = max(1, round(x.n_items / 100))
    record: dict[str, Any] = {
        "users": x.n_users,
        "items": x.n_items,
        "interactions": len(x),
        "filled_percent": round(100 * x.binary.nnz / (x.n_users * x.n_items), 4),
        "history_shortest": int(per_user.min()),
        "history_median": float(np.median(per_user)),
        "history_longest": int(per_user.max()),
        "top_1_percent_items_share": round(
            float(np.sort(per_item)[-top:].sum() / len(x)), 4
        ),
        "value_smallest": float(x.value.min()),
        "value_mean": round(float(x.value.mean()), 4),
        "value_largest": float(x.value.max()),
    }
    if x.time is not None:
        record["time_first"], record["time_last"] = (
            np.datetime_as_string(np.datetime64(int(t), "s"))
            for t in (x.time.min(), x.time.max())
        )
    return record
