"""The page on sizing adds up: its sums give the figures that stand beside them."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sizing():
    path = ROOT / "book" / "_ext" / "sizing.py"
    spec = importlib.util.spec_from_file_location("sizing_under_test", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
SIZES = {"bytes": 1, "MB": 1e6, "GB": 1e9}


def value(text):
    """A figure of the table as seconds or bytes."""
    number, unit = text.split()
    return float(number.replace(",", "")) * (UNITS | SIZES)[unit]


def computed(text):
    """The sum of a row, its units turned into factors."""
    text = text.replace(",", "").replace("²", "**2").replace("×", "*")
    text = re.sub(r"[a-z]{3,}", lambda m: "" if m[0] != "bytes" else "bytes", text)
    for unit, factor in (UNITS | SIZES).items():
        text = re.sub(rf"(?<=[\d)]) {unit}\b", f" * {factor}", text)
    return eval(text, {"__builtins__": {}})


def test_every_sum_gives_its_figure(sizing):
    rows = sizing.tables()["sizing-sums"].splitlines()[2:]
    assert len(rows) == 10
    for row in rows:
        _, arithmetic, figure = (c.strip() for c in row.strip("|").split("|"))
        assert computed(arithmetic) == pytest.approx(value(figure), rel=0.02), row


def test_more_cores_take_less_time(sizing):
    rows = sizing.tables()["sizing-machines"].splitlines()[2:]
    exact = [value(r.split("|")[3].replace("(too late)", "").strip()) for r in rows]
    assert exact[0] / exact[-1] == pytest.approx(32, rel=0.02)


def test_without_results_the_page_says_so(sizing, monkeypatch, tmp_path):
    monkeypatch.setattr(sizing, "RESULTS", tmp_path)
    assert set(sizing.tables().values()) == {"Not measured yet: run `make bench`.\n"}


def test_the_page_includes_every_table(sizing):
    page = (ROOT / "book" / "sizing.md").read_text("utf-8")
    for name in sizing.tables():
        assert f"{{include}} generated/{name}.md" in page
