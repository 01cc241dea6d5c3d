"""``check`` and ``claim`` must pass what is true and, above all, be able to fail."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from streamrec.book import CheckError, ClaimError, check, claim

VECTORS = st.lists(st.floats(0.1, 10), min_size=1, max_size=6).map(np.array)
SIZES = st.sampled_from([1e-300, 1e-200, 1e-8, 1.0, 1e8, 1e200, 1e300])


@given(VECTORS, SIZES, st.sampled_from([1e-12, 1e-6, 1e-2]))
def test_the_verdict_depends_on_the_relative_gap_alone(x, size, rtol):
    x = x * size
    check("inside", x, x * (1 + 0.5 * rtol), rtol=rtol)
    with pytest.raises(CheckError, match="differ by"):
        check("outside", x, x * (1 + 3 * rtol), rtol=rtol)


def test_one_wrong_entry_is_seen():
    a = np.ones((30, 30))
    b = a.copy()
    b[3, 4] += 1e-6
    with pytest.raises(CheckError):
        check("entry", a, b, rtol=1e-9)


def test_the_default_tolerance_is_1e_9():
    check("near", 1.0, 1.0 + 5e-10)
    with pytest.raises(CheckError):
        check("far", 1.0, 1.0 + 5e-9)


def test_zero_needs_a_scale():
    check("exact zero", 0.0, 0.0)
    with pytest.raises(CheckError):
        check("tiny", 1e-16, 0.0)
    check("tiny against a scale", 1e-16, 0.0, rtol=1e-12, scale=1.0)
    check(
        "a norm as scale", np.full(4, 1e-13), np.zeros(4), rtol=1e-12, scale=np.ones(4)
    )
    with pytest.raises(CheckError):
        check("too far", 1e-11, 0.0, rtol=1e-12, scale=1.0)


def test_standard_errors():
    check("inside", 1.0, 1.44, se=0.1)
    with pytest.raises(CheckError, match="4.6 of 4.5 se"):
        check("outside", 1.0, 1.46, se=0.1)
    with pytest.raises(CheckError):  # each entry has its own error
        check("one entry", [1.0, 1.0], [1.2, 1.2], se=[0.1, 0.01])
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(CheckError, match="must be positive"):
            check("bad error", 1.0, 1.0, se=bad)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_passes(bad):
    for a, b in ((bad, bad), (1.0, bad), (bad, 1.0)):
        with pytest.raises(CheckError, match="not finite"):
            check("finite", a, b)
        with pytest.raises(CheckError, match="not finite"):
            check("finite", a, b, se=1.0)


def test_shapes_must_agree_and_hold_something():
    with pytest.raises(CheckError, match=r"\(2,\) and \(1, 2\) differ"):
        check("shapes", [1.0, 2.0], [[1.0, 2.0]])
    with pytest.raises(CheckError, match=r"\(\) and \(3,\)"):
        check("no broadcasting", 1.0, np.ones(3))
    for yardstick in ({}, {"se": 1.0}):
        with pytest.raises(CheckError, match="nothing to compare"):
            check("empty", [], [], **yardstick)


@pytest.mark.parametrize("rtol", [1.0, 2.0, -1e-9, np.nan])
def test_a_tolerance_that_cannot_decide_is_refused(rtol):
    with pytest.raises(ValueError, match="cannot fail"):
        check("tolerance", 1.0, 1.0, rtol=rtol)


@pytest.mark.parametrize("scale", [0.0, np.inf, np.nan])
def test_a_scale_that_cannot_decide_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be positive"):
        check("scale", 1.0, 1.0, scale=scale)


def test_two_yardsticks_are_refused():
    for other in ({"rtol": 1e-3}, {"scale": 1.0}):
        with pytest.raises(ValueError, match="give se= alone"):
            check("both", 1.0, 1.0, se=0.1, **other)


def test_anything_array_like():
    x = np.array([[1.0, 0.0], [0.0, 2.0]])
    check("sparse", sparse.csr_matrix(x), x)
    check("table", pd.DataFrame(x), x)
    check("list", x.tolist(), x)
    check("complex", np.exp(1j * np.pi), -1 + 0j, rtol=1e-12)
    with pytest.raises(CheckError):
        check("complex", 1 + 1e-3j, 1 + 0j)


def test_tensors():
    torch = pytest.importorskip("torch")
    x = torch.arange(3.0, requires_grad=True)
    check("tensor", x, np.arange(3.0))
    with pytest.raises(CheckError):
        check("tensor", x, np.arange(3.0) + 1e-3)


def test_one_quiet_line(capsys):
    check("name", np.ones((2, 3)), np.ones((2, 3)))
    claim("more is more", True, "2 against 1")
    claim("bare", np.True_)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "✓ name: array(2, 3) = array(2, 3) (rtol 1e-09)",
        "✓ more is more: 2 against 1",
        "✓ bare",
    ]


def test_a_false_claim_raises_with_its_evidence():
    with pytest.raises(ClaimError, match="✗ more: 1 against 2"):
        claim("more", False, "1 against 2")
    for error in (CheckError, ClaimError):
        assert issubclass(error, AssertionError)


@pytest.mark.parametrize("holds", [1, 0, None, "yes", np.array([True]), [True], 0.5])
def test_a_claim_needs_one_truth_value(holds):
    with pytest.raises(TypeError, match="True or False"):
        claim("truth", holds)


def test_verdicts_can_be_recorded(tmp_path, monkeypatch, capsys):
    file = tmp_path / "verdicts.jsonl"
    monkeypatch.setenv("STREAMREC_RECORD", str(file))
    check("good", 1.0, 1.0)
    with pytest.raises(ClaimError):
        claim("bad", False)
    monkeypatch.setenv("STREAMREC_ON_FAILURE", "record")
    claim("bad but noted", False)
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(r["kind"], r["holds"]) for r in rows] == [
        ("check", True), ("claim", False), ("claim", False),
    ]  # fmt: skip
    assert "✗ bad but noted" in capsys.readouterr().out
