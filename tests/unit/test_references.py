"""The everyday estimators against references that a benchmark stored."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
STORED = json.loads((BENCHMARKS / "results" / "references.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def ours():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import references

        return references.ours()
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("row", STORED["found"], ids=lambda row: row["name"])
def test_estimators_equal_the_references(ours, row):
    expected = pytest.approx(row["reference"], rel=row["tolerance"])
    assert ours[row["name"]] == expected, row["source"]


def test_every_quantity_has_a_reference(ours):
    assert ours.keys() == {row["name"] for row in STORED["found"]}
    assert {row["source"].split(" ")[0] for row in STORED["found"]} == {
        "R", "linearmodels", "numpy", "scipy", "statsmodels"
    }  # fmt: skip
