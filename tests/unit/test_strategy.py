"""The strategy document, its validator and its commands."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from streamrec.cli import main
from streamrec.decisions import strategy as s

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "solutions" / "38-staff-data-scientist"
FLAWS = (
    "circular-dependency",
    "dependency-order",
    "metric-incomplete",
    "over-capacity",
    "priority-unserved",
    "single-point",
)
pytestmark = pytest.mark.skipif(
    not STORED.is_dir(), reason="the worked documents stand in the repository"
)


@pytest.fixture(scope="module")
def good():
    return s.read(STORED / "strategy.md")


def rules(document):
    return {f.rule for f in s.check(document)}


def bets(document, key, **changes):
    changed = (replace(b, **changes) if b.key == key else b for b in document.bets)
    return replace(document, bets=tuple(changed))


def test_the_reference_passes_in_both_forms(good, tmp_path):
    assert s.check(good) == []
    assert (STORED / "strategy.md").read_text("utf-8") == good.to_markdown()
    file = tmp_path / "s.json"
    file.write_text(good.to_json(), "utf-8")
    assert s.read(file) == good


def test_six_flawed_strategies_are_stored():
    assert {f.stem for f in (STORED / "flawed").glob("*.md")} == set(FLAWS)


@pytest.mark.parametrize("rule", FLAWS)
def test_each_is_rejected_for_its_own_reason(rule):
    assert rules(s.read(STORED / "flawed" / f"{rule}.md")) == {rule}


@pytest.mark.parametrize(
    ("part", "keep", "rule"),
    [
        ("team", 2, "team"),
        ("risks", 1, "risks"),
        ("build_or_buy", 1, "build_or_buy"),
        ("roadmap", 5, "quarters"),
    ],
)
def test_presence(good, part, keep, rule):
    short = replace(good, **{part: getattr(good, part)[:keep]})
    assert rules(short) == {rule}
    assert rule in rules(replace(good, **{part: ()}))


def test_vision_bets_and_metrics_have_thresholds(good):
    assert rules(replace(good, vision="x" * 200)) == {"vision"}
    assert rules(replace(good, vision="x" * 201)) == set()
    assert "bets" in rules(replace(good, bets=good.bets[:2]))
    more = tuple(replace(good.bets[0], key=f"b{k}", title=f"B{k}") for k in range(6))
    assert "bets" in rules(replace(good, bets=more))
    assert "metrics" in rules(replace(good, metrics=good.metrics[:2]))


def test_names_must_lead_somewhere(good):
    for change in (
        {"serves": ("profit",)},
        {"depends_on": ("nothing",)},
        {"metric": "happiness"},
    ):
        assert "unknown-name" in rules(bets(good, "latency", **change))
    a = replace(good.allocation[0], role="prompt engineer")
    assert "unknown-name" in rules(replace(good, allocation=(a, *good.allocation[1:])))
    t = replace(good.team[0], role="prompt engineer")
    assert rules(replace(good, team=(t, *good.team[1:]))) == {"unknown-name"}
    twice = replace(good, metrics=(*good.metrics, good.metrics[-1]))
    assert rules(twice) == {"unknown-name"}
    o = replace(good.roadmap[0], bet="x")
    assert rules(replace(good, roadmap=(o, *good.roadmap[1:]))) == {"unknown-name"}
    m = replace(good.metrics[-1], priority="x")
    assert rules(replace(good, metrics=(*good.metrics[:-1], m))) == {"unknown-name"}
    twin = replace(good.bets[0], title="Twin")
    assert "unknown-name" in rules(replace(good, bets=(*good.bets[1:], twin, twin)))


def test_bets_are_complete(good):
    for change in (
        {"what": ""},
        {"owner": ""},
        {"alternatives": ()},
        {"evidence": ""},
        {"first_quarter": ""},
    ):
        assert "bet-incomplete" in rules(bets(good, "rerank", **change))
    for low, high in ((None, 1.0), (1.0, None), (1.0, 1.0), (2.0, 1.0)):
        changed = bets(good, "rerank", effect_low=low, effect_high=high)
        assert rules(changed) == {"impact-interval"}


def test_allocation_fits_the_bets(good):
    idle = tuple(a for a in good.allocation if a.bet != "latency")
    assert rules(replace(good, allocation=idle)) == {"capacity"}
    late = s.Allocation("2027 Q4", "latency", "ML engineer", 1.0)
    assert rules(replace(good, allocation=(*good.allocation, late))) == {"capacity"}
    zero = replace(late, person_weeks=0.0)
    assert rules(replace(good, allocation=(*good.allocation, zero))) == set()


def test_capacity_is_an_equality_at_most(good):
    """Nine weeks a person: two engineers have 18, one more is one too many."""
    used = sum(
        a.person_weeks
        for a in good.allocation
        if (a.quarter, a.role) == ("2027 Q1", "ML engineer")
    )
    spare = s.BRIEF.capacity()["ML engineer"] - used
    fill = s.Allocation("2027 Q1", "cold-start", "ML engineer", spare)
    full = (*good.allocation, fill)
    assert rules(replace(good, allocation=full)) == set()
    over = (*good.allocation, replace(fill, person_weeks=spare + 0.5))
    assert rules(replace(good, allocation=over)) == {"over-capacity"}
    crowd = replace(good.team[0], people=7)
    assert rules(replace(good, team=(crowd, *good.team[1:]))) == {"over-capacity"}


def test_metrics_reach_the_brief(good):
    def with_metric(**changes):
        m = (
            replace(x, **changes) if x.priority == "churn" else x for x in good.metrics
        )
        return rules(replace(good, metrics=tuple(m)))

    assert with_metric(target=38.0) == {"metric-target"}
    assert with_metric(target=30.0) == set()
    for gap in ("baseline", "target", "due"):
        assert with_metric(**{gap: None}) == {"metric-incomplete"}
    assert with_metric(priority="") == {"metric-missing"}


@pytest.mark.parametrize("p", s.BRIEF.priorities, ids=lambda p: p.key)
def test_short_of_knows_the_direction(p):
    half = (p.baseline + p.target) / 2
    assert s.short_of(half, p) and s.short_of(p.baseline, p)
    assert not s.short_of(p.target, p)
    assert not s.short_of(2 * p.target - p.baseline, p)
    hair = (p.baseline - p.target) * 1e-12  # a rounding error short is not short
    assert not s.short_of(p.target + hair, p)


def test_single_points_of_failure(good):
    for change in ({"owner": "X"}, {"vendors": ("Cloud", "Y")}, {"people": ("Z", "W")}):
        every = tuple(replace(b, **change) for b in good.bets)
        assert rules(replace(good, bets=every)) == {"single-point"}
    alone = replace(good, bets=good.bets[:1])
    assert "single-point" not in rules(alone)


def test_order_is_strict(good):
    """A bet starts in a quarter after the last one of what it needs."""
    same = bets(good, "cold-start", depends_on=("latency",))
    assert rules(same) == {"dependency-order"}


def test_the_template_can_be_read_and_lacks_everything():
    blank = s.Strategy.from_markdown(s.template())
    assert {"vision", "bets", "quarters", "risks", "build_or_buy", "impact-interval",
            "priority-unserved", "metric-incomplete"} <= rules(blank)  # fmt: skip
    assert "unknown-name" not in rules(blank)


def test_bad_values_are_refused(good):
    with pytest.raises(ValueError, match="2027 Q1, not 'Q1 2027'"):
        replace(good.bets[0], first_quarter="Q1 2027")
    with pytest.raises(ValueError, match="negative"):
        s.Allocation("2027 Q1", "a", "b", -1.0)
    with pytest.raises(ValueError, match="low, medium, high"):
        s.Risk("r", "likely", "low", "m", "o")
    with pytest.raises(ValueError, match="2027 Q1"):
        s.Strategy("t", "a", date(2027, 1, 1), "v",
                   roadmap=(s.Outcome("soon", "o", "b", "m"),))  # fmt: skip


# ------------------------------------------------------------------ commands


@pytest.fixture
def run(capsys):
    def call(*args):
        code = main(["strategy", *map(str, args)])
        return code, *capsys.readouterr()

    return call


def test_new_then_check(run, tmp_path):
    file = tmp_path / "mine.md"
    assert run("new", "-o", file)[0] == 0
    code, out, err = run("check", file, "--format", "json")
    assert code == 1 and err == ""
    assert "vision" in {f["rule"] for f in json.loads(out)}
    code, out, err = run("new", "-o", file)
    assert code == 2 and "exists" in err and err.count("\n") == 1
    before = file.read_text("utf-8")
    assert run("new", "-o", file, "--force", "--year", 2028)[0] == 0
    assert file.read_text("utf-8") != before and [file] == list(tmp_path.iterdir())
    assert run("new")[1].startswith("# Strategy 2027")
    assert run("new", "--year", 27)[0] == 2


def test_check_passes_the_reference_and_fails_the_flawed(run):
    code, out, err = run("check", STORED / "strategy.md")
    assert code == 0 and "findings" in out and err == ""
    code, out, _ = run("check", STORED / "flawed" / "over-capacity.md")
    assert code == 1 and "over-capacity" in out and "18 exist" in out
    code, out, _ = run("check", STORED / "strategy.md", "--format", "json")
    assert code == 0 and json.loads(out) == []


def test_render_round_trip(run, tmp_path):
    form = tmp_path / "s.json"
    assert run("render", STORED / "strategy.md", "--to", "json", "-o", form)[0] == 0
    code, out, _ = run("render", form)
    assert code == 0 and out == (STORED / "strategy.md").read_text("utf-8")


def test_bad_input_is_one_line(run, tmp_path):
    absent = tmp_path / "none.md"
    binary, prose = tmp_path / "b.md", tmp_path / "p.md"
    binary.write_bytes(b"\xff\xfe\x00")
    prose.write_text("just words\n", "utf-8")
    broken = tmp_path / "x.json"
    broken.write_text("{", "utf-8")
    number = tmp_path / "n.md"
    text = (STORED / "strategy.md").read_text("utf-8")
    number.write_text(text.replace("| 20.0 |", "| twenty |"), "utf-8")
    for file, part in (
        (absent, "does not exist"),
        (binary, "not UTF-8"),
        (prose, "one heading"),
        (broken, "not JSON"),
        (number, "must be a number, not 'twenty'"),
    ):
        for command in ("check", "render"):
            code, out, err = run(command, file)
            assert code == 2 and out == "" and part in err and err.count("\n") == 1
    code, _, err = run("render", STORED / "strategy.md", "-o", tmp_path / "no" / "x.md")
    assert code == 2 and "does not exist" in err


def test_rules_are_independent_of_the_order_of_bets(good):
    for few in itertools.islice(itertools.permutations(good.bets), 0, 120, 17):
        assert s.check(replace(good, bets=few)) == []
