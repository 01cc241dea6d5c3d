"""The causal graphs: acyclic, drawn as declared, and right about what the data do."""

import re
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from streamrec.worlds import load

ROOT = Path(__file__).resolve().parents[2]
WORLDS = ("streaming", "medicore", "meridian", "terraml")


@pytest.fixture(scope="module")
def graphs():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import graphs as module
    finally:
        sys.path.remove(str(ROOT / "tools"))
    return module


@pytest.mark.parametrize("name", WORLDS)
def test_the_picture_shows_the_graph_of_the_truth(graphs, name):
    truth = graphs.edges(load(name, size="tiny").truth.graph)
    text = graphs.image(name).read_text("utf-8")
    assert graphs.drawn(text) == truth
    assert text == graphs.picture(name), "run python tools/worlds.py graphs"
    roles = graphs.DRAWINGS[name]
    known = {x for e in truth for x in e}
    assert {roles.treatment, roles.outcome} | roles.latent <= known
    assert roles.later <= truth


@pytest.mark.parametrize("name", WORLDS)
def test_nothing_causes_itself_on_the_same_day(graphs, name):
    now = graphs.edges(load(name, size="tiny").truth.graph)
    now -= graphs.DRAWINGS[name].later
    before = {}
    for a, b in now:
        before.setdefault(b, set()).add(a)
    assert len(list(TopologicalSorter(before).static_order())) == len(
        {x for e in now for x in e}
    )


@pytest.mark.parametrize("name", WORLDS)
def test_boxes_lie_apart_and_inside(graphs, name):
    text = graphs.image(name).read_text("utf-8")
    left, _, wide, tall = map(float, re.search(r'viewBox="([^"]*)"', text)[1].split())
    boxes = [
        tuple(map(float, m))
        for m in re.findall(
            r'<rect x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"',
            text,
        )
    ]
    assert wide <= 480  # a phone still shows the text
    for k, (x, y, w, h) in enumerate(boxes):
        assert left <= x and x + w <= left + wide and y + h <= tall
        for a, b, c, d in boxes[k + 1 :]:
            assert x + w < a or a + c < x or y + h < b or b + d < y


def test_dials_change_the_graph_as_they_change_the_world():
    hidden = load("streaming", size="tiny", hidden_confounding=1.0).truth.graph
    assert "recommended" in hidden["mood"]
    graph = lambda name, **dials: set(load(name, size="tiny", **dials).truth.graph)  # noqa: E731
    assert ("frailty", "drug_x") in graph("medicore", hidden=1.0)
    assert ("keen", "readmitted") in graph("medicore", direct=1.0)
    assert ("adoption_month", "readmitted") in graph("medicore", learning=-0.1)
    assert ("keen", "drug_x") not in graph("medicore", threshold="sharp")
    assert ("eligible", "drug_x") not in graph("medicore", threshold="none")
    assert ("group", "approved") in graph("meridian", review_bias=0.1)
    assert ("day", "default") in graph("meridian", concept_drift=0.5)
