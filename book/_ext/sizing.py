"""The tables of the page on sizing: arithmetic on measured unit costs.

``tables()`` reads ``benchmarks/results`` and returns one Markdown table for each
generated file; every result stands beside the sum that gives it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
RECALL = 0.95  # of the hundred best, asked of an index


@dataclass(frozen=True)
class Firm:
    """What is to be sized."""

    users: float = 5e6
    items: float = 2e5
    dimensions: int = 64
    k: int = 100
    history: float = 100  # interactions a user
    sweeps: int = 15  # of alternating least squares
    versions: int = 3  # nights kept on disc
    hours: float = 2  # the night's window


def result(name: str) -> dict[str, Any]:
    """One file of results."""
    text = (RESULTS / f"{name}.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def number(x: float) -> str:
    """Three significant digits, thousands apart."""
    if x >= 1000:
        digits = len(str(int(x))) - 3
        return f"{round(x, -digits):,.0f}"
    return f"{x:.3g}"


def seconds(x: float) -> str:
    """Seconds as people say them."""
    if x < 90:
        return f"{number(x)} s"
    return f"{number(x / 60)} min" if x < 5400 else f"{number(x / 3600)} h"


def size(x: float) -> str:
    """Bytes as people say them."""
    return f"{number(x / 1e9)} GB" if x >= 1e9 else f"{number(x / 1e6)} MB"


def cheapest_index() -> dict[str, Any]:
    """The setting with the least time a query that reaches RECALL, in a batch."""
    found = [
        row
        for row in result("search")["frontier"]
        if row["data"] == "items"
        and row["index"] != "exact"
        and row["recall_100"] >= RECALL
    ]
    best: dict[str, Any] = min(found, key=lambda row: row["batch_ms"])
    return best


def costs(firm: Firm) -> dict[str, float]:
    """Seconds on one core and bytes, by step."""
    batch, unit = result("batch"), result("batch")["costs"]
    U, N, D, k = firm.users, firm.items, firm.dimensions, firm.k
    ns = unit["ns_to_pick_an_item"] + D * unit["ns_a_multiply_add"]
    fit = next(
        row
        for row in result("recommenders")["fit"]
        if row["data"] == "synthetic" and row["objective"] == "weighted"
    )
    als = fit["seconds"] / (fit["interactions"] * fit["iterations"])
    return {
        "ns": ns,
        "als_ns": 1e9 * als,
        "train": als * U * firm.history * firm.sweeps,
        "exact": U * (1e-9 * N * ns + 1e-6 * unit["us_a_list"]),
        "index": U * 1e-3 * cheapest_index()["batch_ms"],
        "funnel": U * 1e-6 * batch["funnel"]["us_a_user"],
        "write": 1e-9 * U * k * unit["ns_to_write_a_row"],
        "disc": U * k * unit["bytes_a_row"],
        "user_vectors": 4 * U * D,
        "item_vectors": 4 * N * D,
        "ease": 8 * N * N,
    }


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, all columns to the left but the last."""
    rule = ["---"] * (len(head) - 1) + ["--:"]
    lines = [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
    return "\n".join(lines) + "\n"


def unit_table() -> str:
    """What was measured, and where."""
    batch, best = result("batch"), cheapest_index()
    unit = batch["costs"]
    known = costs(Firm())
    index = f"{best['index']} ({best['engine']}, {best['setting']})"
    return markdown(
        ("Unit", "Benchmark", "Cost"),
        (
            ("One multiply-add of a product of matrices", "batch",
             f"{unit['ns_a_multiply_add']:.3g} ns"),
            ("To pick the best from one item's score", "batch",
             f"{unit['ns_to_pick_an_item']:.3g} ns"),
            ("To finish one list of 100", "batch", f"{unit['us_a_list']:.3g} µs"),
            (f"One query of {index}, recall@100 of {best['recall_100']:.3g}", "search",
             f"{best['batch_ms']:.3g} ms"),
            ("The funnel contract for one user, 400 candidates", "batch",
             f"{batch['funnel']['us_a_user']:.3g} µs"),
            ("To write one row", "batch", f"{unit['ns_to_write_a_row']:.3g} ns"),
            ("One row on disc", "batch", f"{unit['bytes_a_row']:.3g} bytes"),
            ("One interaction in one sweep of ALS, 128 factors", "recommenders",
             f"{known['als_ns']:.3g} ns"),
            ("One user's list from the published files", "batch",
             f"{batch['job']['answer']['p50_ms']:.3g} ms"),
        ),
    )  # fmt: skip


def sum_table(firm: Firm) -> str:
    """Every step: the sum and what it comes to on one core."""
    c, unit, batch = costs(firm), result("batch")["costs"], result("batch")
    U, N, D, k = (number(x) for x in (firm.users, firm.items, firm.dimensions, firm.k))
    rows = (
        ("Train ALS", f"{U} users × {number(firm.history)} interactions × "
         f"{firm.sweeps} sweeps × {c['als_ns']:.3g} ns", seconds(c["train"])),
        ("Score, exactly", f"{U} × ({N} × ({unit['ns_to_pick_an_item']:.3g} + {D} × "
         f"{unit['ns_a_multiply_add']:.3g}) ns + {unit['us_a_list']:.3g} µs)",
         seconds(c["exact"])),
        ("or score with the index", f"{U} × {cheapest_index()['batch_ms']:.3g} ms",
         seconds(c["index"])),
        ("Funnel contract", f"{U} × {batch['funnel']['us_a_user']:.3g} µs",
         seconds(c["funnel"])),
        ("Write", f"{U} × {k} rows × {unit['ns_to_write_a_row']:.3g} ns",
         seconds(c["write"])),
        ("Disc, one night", f"{U} × {k} rows × {unit['bytes_a_row']:.3g} bytes",
         size(c["disc"])),
        (f"Disc, {firm.versions} nights kept and one in the making",
         f"{firm.versions + 1} × {size(c['disc'])}",
         size((firm.versions + 1) * c["disc"])),
        ("Vectors of the users", f"{U} × {D} × 4 bytes", size(c["user_vectors"])),
        ("Vectors of the items", f"{N} × {D} × 4 bytes", size(c["item_vectors"])),
        ("The matrix of EASE", f"{N}² × 8 bytes", size(c["ease"])),
    )  # fmt: skip
    return markdown(("Step", "Sum", "One core"), rows)


def machine_table(firm: Firm) -> str:
    """Time of the night by the number of cores, exact and with the index."""
    c = costs(firm)
    rest = c["funnel"] + c["write"]
    rows = []
    for cores in (1, 2, 4, 8, 16, 32):
        times = [(c[way] + rest) / cores for way in ("exact", "index")]
        fits = [
            f"{seconds(t)}{'' if t <= 3600 * firm.hours else ' (too late)'}"
            for t in times
        ]
        rows.append((str(cores), seconds(c["train"] / cores), *fits))
    head = ("Cores", "Training", "Lists, exact", "Lists, index")
    return markdown(head, rows)


def tables() -> dict[str, str]:
    """Name of the generated file -> its text; a sentence where nothing is measured."""
    firm = Firm()
    try:
        return {
            "sizing-units": unit_table(),
            "sizing-sums": sum_table(firm),
            "sizing-machines": machine_table(firm),
        }
    except (FileNotFoundError, KeyError, StopIteration, ValueError):
        names = ("sizing-units", "sizing-sums", "sizing-machines")
        return dict.fromkeys(names, "Not measured yet: run `make bench`.\n")


if __name__ == "__main__":
    for name, text in tables().items():
        print(f"## {name}\n\n{text}")
