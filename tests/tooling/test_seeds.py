"""Pass rates over seeds, and the hook in check and claim that makes them countable."""

import json

import nbtools
import pytest
import seeds
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from streamrec.book import CheckError, ClaimError, check, claim


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    source = (
        "from streamrec.book import check, claim\n"
        'claim("even", SEED % 2 == 0)\nclaim("quick", SCALE == "quick")\n'
        'check("not 103", 1.0, 2.0 if SEED == 103 else 1.0)\nassert SEED != 104'
    )
    parameters = new_code_cell('SEED = 7\nSCALE = "book"', id="ch90-parameters")
    parameters.metadata["tags"] = ["parameters"]
    title = new_markdown_cell("# S", id="ch90-title")
    nb = new_notebook(cells=[title, parameters, new_code_cell(source, id="ch90-all")])
    path = tmp_path_factory.mktemp("seeds") / "90-sample.ipynb"
    nbtools.write(nb, path)
    before = path.read_bytes()
    result = seeds.run_all([path], [101, 102, 103, 104], jobs=2)
    assert path.read_bytes() == before
    return result


def test_parameters_reach_the_page_and_failures_are_counted(outcomes):
    page = seeds.summarise(outcomes)["90-sample"]
    assert page["claims"] == {
        "even": {"passed": 2, "runs": 4},
        "quick": {"passed": 4, "runs": 4},
    }
    assert (page["passed"], page["runs"], page["seeds"]) == (6, 8, 4)
    assert page["failed_checks"] == {"not 103": [103]}
    assert page["errors"] == [104]


def test_faults_are_errors_failed_checks_and_rare_claims(outcomes):
    faults = seeds.faults(seeds.summarise(outcomes))
    assert len(faults) == 3
    assert "a cell raised at seed 104" in faults[0]
    assert "'not 103' failed at seeds [103]" in faults[1]
    assert "'even' held at 2 of 4 seeds" in faults[2]


def test_the_worst_claim_comes_first(outcomes):
    lines = seeds.table(seeds.summarise(outcomes)).splitlines()
    assert lines[0].split() == ["2/4", "90-sample:", "even"]


def test_a_failing_claim_stops_the_page_unless_told_otherwise(tmp_path, outcomes):
    assert "ClaimError" in seeds.at_seed(outcomes[0].path, 101, go_on=False).error


def test_publishing_keeps_the_other_chapters(tmp_path, monkeypatch):
    monkeypatch.setattr(seeds, "RESULTS", tmp_path / "claims.json")
    pages = [tmp_path / "01-a.ipynb", tmp_path / "02-b.ipynb"]
    monkeypatch.setattr(nbtools, "all_notebooks", lambda **_: pages)
    seeds.publish({"02-b": {"runs": 1}, "09-gone": {"runs": 1}}, 20)
    seeds.publish({"01-a": {"runs": 2}}, 20)
    stored = json.loads((tmp_path / "claims.json").read_text())
    assert stored["chapters"] == {"01-a": {"runs": 2}, "02-b": {"runs": 1}}
    assert (stored["scale"], stored["seeds"]) == ("quick", 20)


def test_check_and_claim_note_each_result(tmp_path, monkeypatch, capsys):
    file = tmp_path / "events.jsonl"
    monkeypatch.setenv("STREAMREC_RECORD", str(file))
    check("one", 1.0, 1.0)
    claim("two", True, "2")
    with pytest.raises(CheckError):
        check("three", 1.0, 2.0)
    with pytest.raises(ClaimError):
        claim("four", False)
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(e["kind"], e["name"], e["holds"]) for e in events] == [
        ("check", "one", True),
        ("claim", "two", True),
        ("check", "three", False),
        ("claim", "four", False),
    ]
    assert "✗" not in capsys.readouterr().out


def test_a_page_can_go_on_after_a_failure(monkeypatch, capsys):
    monkeypatch.setenv("STREAMREC_ON_FAILURE", "record")
    check("three", 1.0, 2.0)
    claim("four", False, "no")
    assert capsys.readouterr().out.splitlines() == [
        "✗ three: 1 and 2 differ by 1 (0.5 relative; allowed rtol 1e-09)",
        "✗ four: no",
    ]
    with pytest.raises(TypeError):  # a mistake of the author is not a failed claim
        claim("five", 1)
    with pytest.raises(ValueError, match="give se="):
        check("six", 1, 1, se=1, rtol=1)
