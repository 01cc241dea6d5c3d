"""Rubrics of the tracks."""

import copy
import re

import pytest
import yaml

from streamrec.grading import rubric

SPLIT = {"A": (60, 40), "B": (64, 36), "C": (58, 42)}


@pytest.mark.parametrize("track", rubric.TRACKS)
def test_a_track_is_worth_a_hundred_points(track):
    found = rubric.load_rubric(track)
    assert (found.automatic_points, found.manual_points) == SPLIT[track]
    assert found.track == track
    assert found.manual[-1].criterion.startswith("Defence")


def test_an_unknown_track_is_named():
    with pytest.raises(ValueError, match="use A, B or C"):
        rubric.load_rubric("D")


def table():
    path = rubric.files("streamrec.grading") / "rubrics" / "track-a.yaml"
    return yaml.safe_load(path.read_text("utf-8"))


def drop(t):
    del t["manual"][0]["levels"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda t: t.pop("title"), "lacks title"),
        (lambda t: t.update(notes="x"), "unknown field notes"),
        (lambda t: t["automatic"][0].update(points=7), "sum to 101"),
        (lambda t: t["automatic"][0].update(points=0), "above 0"),
        (lambda t: t["automatic"][0].update(points="6"), "above 0"),
        (lambda t: t["automatic"][1].update(milestone="Gate"), "used twice"),
        (lambda t: t["manual"][1]["levels"].pop(40), "0, 40, 75 and 100"),
        (lambda t: t["manual"][1]["levels"].update({40: ""}), "must be a text"),
        (lambda t: t["manual"][0]["levels"].update({40: "x", 75: "x"}), "the same"),
        (drop, "manual 1 lacks levels"),
        (lambda t: t.update(manual=["x"]), "expected the fields"),
    ],
)
def test_a_fault_in_a_rubric_is_named_with_its_place(edit, said):
    faulty = copy.deepcopy(table())
    edit(faulty)
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        rubric.parse(faulty, "track-a.yaml")
    assert "\n" not in str(caught.value)
