"""Records of decisions: round trips, rules, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrec.decisions import records as r

DAY = date(2027, 1, 4)
LINE = st.text(st.sampled_from("ab |é:*-1"), max_size=12).map(
    lambda x: " ".join(x.split())
)
ITEM = LINE.filter(bool).filter(lambda x: not x.startswith("-"))
PROSE = st.lists(ITEM, max_size=3).map("\n\n".join)


def document(**changes):
    good = r.DesignDocument(
        "Cold start",
        "a senior",
        "in review",
        6,
        "Newcomers leave.",
        "Pool what peers like.",
        "Randomised, four weeks.",
        ("a quiz", "popular items"),
        ("peers mislead",),
        ("an engineer",),
        datetime(2027, 1, 4, 9),
        datetime(2027, 1, 6, 9),
    )
    return replace(good, **changes)


def rfc(statuses=("draft", "open"), gaps=(2, 10), **changes):
    days = [DAY + timedelta(days=sum(gaps[:k])) for k in range(len(statuses))]
    history = tuple(map(r.StatusChange, days, statuses))
    good = r.RFC(
        "One event schema", 7, "a lead", DAY + timedelta(days=16), "all keep their own",
        history, "s", "m", "p", "It slows the small teams.", "i", "g", "t",
    )  # fmt: skip
    return replace(good, **changes)


# ------------------------------------------------------------------ round trips


@settings(max_examples=60, deadline=None)
@given(PROSE, LINE, st.lists(ITEM, max_size=3), st.booleans(), LINE)
def test_markdown_and_json_bring_a_record_back(text, note, items, flag, author):
    one = rfc(
        summary=text,
        alternatives=tuple(items),
        open_questions=tuple(items[:1]),
        default_if_rejected="x",
        author=author,
        feedback=(r.Comment(author, note, flag, True),),
    )
    assert r.RFC.from_markdown(one.to_markdown()) == one
    assert r.RFC.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    "record",
    [
        document(),
        document(shared=None, meeting=None),
        r.Review("Cold start", DAY, "approved with conditions", "What if it fails?",
                 (r.Comment("x", "which peers?", True, True),), ("a guardrail",)),
        r.OKR("Newcomers stay", "an owner", (
            r.KeyResult("seven-day churn", "%", 42.0, 35.0, DAY),
            r.KeyResult("first-week sessions", "", 3.1, 3.6, DAY))),
        r.Roadmap("2027", "v", tuple(
            r.Outcome("2027 Q1", "o", b, "m") for b in "abc"), ("one engineer",)),
    ],
)  # fmt: skip
def test_every_record_has_both_forms(record):
    cls = type(record)
    assert cls.from_markdown(record.to_markdown()) == record
    assert cls.from_json(record.to_json()) == record
    assert cls.from_markdown(record.to_markdown(2), 2) == record


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda t: t.replace("# One", "One"), "exactly one heading"),
        (lambda t: t + "\n# Another\n", "exactly one heading"),
        (lambda t: t.replace("**Number:** 7", "**Number:** seven"), "a whole number"),
        (lambda t: t.replace("- **Number:** 7", "Number 7"), "- **Name:** value"),
        (lambda t: t.replace("**Number:**", "**Nummer:**"), "unknown part 'Nummer'"),
        (lambda t: t.replace("- **Number:** 7\n", ""), "lacks 'number'"),
        (lambda t: t.replace("2027-01-20", "20 January"), "a date such as"),
        (
            lambda t: t.replace("| Day | Status |", "| Status | Day |"),
            "needs the columns",
        ),
        (lambda t: t.replace("| draft |", "| draft | x |"), "3 cells, not 2"),
        (lambda t: t.replace("## Motivation", "## Summary"), "occurs twice"),
        (
            lambda t: t.replace("## Alternatives\n", "## Alternatives\n\nfree text"),
            "'- '",
        ),
    ],
)
def test_bad_markdown_is_named(change, part):
    text = change(rfc().to_markdown())
    with pytest.raises(ValueError, match="(?s).*") as error:
        r.RFC.from_markdown(text)
    assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"title": "x"}', "lacks 'owner'"),
        ('{"title": "x", "owner": "y", "key_results": 3}', "must be a list"),
        ('{"title": "x", "owner": "y", "key_results": [], "z": 1}', "no field 'z'"),
        ('{"title": "x", "owner": "y", "key_results": [1]}', "object"),
    ],
)
def test_bad_json_is_named(text, part):
    with pytest.raises(ValueError, match=part):
        r.OKR.from_json(text)


def test_types_are_checked():
    with pytest.raises(TypeError, match="whole number"):
        document(pages="6")
    with pytest.raises(TypeError, match="tuple of str"):
        document(risks=["a list"])
    with pytest.raises(ValueError, match="one line"):
        document(author="two\nlines")
    with pytest.raises(ValueError, match="heading"):
        document(problem="# a heading")
    with pytest.raises(ValueError, match="finite"):
        r.KeyResult("churn", "%", float("nan"), 1.0, DAY)
    with pytest.raises(ValueError, match="empty"):
        document(risks=("",))


# ------------------------------------------------------------------ documents, reviews


def test_a_document_is_ready_with_its_parts():
    assert document().missing() == [] and document().concerns() == []
    bare = document(
        status="draft", problem="", alternatives=("one",), risks=(), reviewers=()
    )
    assert bare.missing() == ["problem", "a second alternative", "a risk", "a reviewer"]
    for status in ("in review", "approved", "approved with conditions"):
        with pytest.raises(ValueError, match="it lacks problem"):
            replace(bare, status=status)
    for status in ("needs revision", "withdrawn"):
        replace(bare, status=status)


def test_customs_are_reported():
    late = document(pages=14, shared=datetime(2027, 1, 5, 9), reviewers=("a senior",))
    assert [c.split()[0] for c in late.concerns()] == ["14", "shared", "the"]
    assert "24 hours" in late.concerns()[1]
    assert not document(pages=3).concerns() and not document(pages=10).concerns()
    assert document(pages=2).concerns()
    with pytest.raises(ValueError, match="before"):
        document(meeting=datetime(2027, 1, 1, 9))
    with pytest.raises(ValueError, match="must be one of draft"):
        document(status="rubber-stamped")
    with pytest.raises(ValueError, match="pages"):
        document(pages=0)


def test_reviews():
    open_ = r.Comment("x", "leak?", True, False)
    with pytest.raises(ValueError, match="not settled"):
        r.Review("t", DAY, "approved", "q", (open_,))
    r.Review("t", DAY, "needs revision", "q", (open_,))
    with pytest.raises(ValueError, match="conditions go with"):
        r.Review("t", DAY, "approved", "q", (), ("a condition",))
    with pytest.raises(ValueError, match="conditions go with"):
        r.Review("t", DAY, "approved with conditions", "q")
    assert r.Review("t", DAY, "approved", "q").concerns()
    assert not r.Review("t", DAY, "withdrawn", "q").concerns()


# ------------------------------------------------------------------ RFC


def test_days_open_count_every_spell():
    one = rfc(("draft", "open", "draft", "open", "rejected"), (2, 10, 3, 5))
    assert one.days_open(DAY + timedelta(days=90)) == 15
    assert rfc().days_open(DAY + timedelta(days=9)) == 7
    assert r.spells(one.history, DAY + timedelta(days=20), "draft") == 5
    assert r.spells(one.history, DAY + timedelta(days=25), "rejected") == 5
    with pytest.raises(ValueError, match="before the last entry"):
        one.days_open(DAY)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.integers(0, 9))
def test_days_open_equal_counting_day_by_day(gaps, after):
    one = rfc(("draft", "open", "draft", "open"), gaps)
    end = one.history[-1].day + timedelta(days=after)
    days = [one.history[0].day + timedelta(days=k)
            for k in range((end - one.history[0].day).days)]  # fmt: skip
    status = [[c.status for c in one.history if c.day <= d][-1] for d in days]
    assert one.days_open(end) == status.count("open")


def test_rfc_rules():
    assert rfc().status == "open"
    assert rfc().overdue(DAY + timedelta(days=17))
    assert not rfc().overdue(DAY + timedelta(days=16))
    blocking = (r.Comment("x", "no", True, False),)
    for bad, part in (
        (lambda: rfc(("open",)), "starts with 'draft'"),
        (lambda: rfc(history=()), "starts with 'draft'"),
        (lambda: rfc(("draft", "accepted")), "from draft to accepted"),
        (lambda: rfc(("draft", "done")), "must be one of"),
        (lambda: rfc(gaps=(-1, 1)), "back in time"),
        (lambda: rfc(("draft", "open", "accepted"), feedback=blocking), "blocking"),
        (lambda: rfc(default_if_rejected=""), "if it is rejected"),
        (lambda: rfc(strongest_case_against=""), "strongest case"),
        (lambda: rfc(number=0), "starts at 1"),
    ):
        with pytest.raises(ValueError, match=part):
            bad()
    assert rfc(feedback=blocking).blocking() == list(blocking)


# ------------------------------------------------------------------ build or buy, OKR


def test_the_rule_table():
    """Each row of the brief, by enumeration of what it leaves free."""
    L = r.LEVELS
    for e in L:
        for m in L:
            for v in L:
                for u in (False, True):
                    high = "build" if e == "high" or not u else "hybrid"
                    low = "open source" if v == "high" else "buy"
                    mid = (
                        "build"
                        if e == "high"
                        else "buy"
                        if m == "high"
                        else "open source"
                    )
                    assert r.recommend("high", e, m, v, u) == high
                    assert r.recommend("low", e, m, v, u) == low
                    assert r.recommend("medium", e, m, v, u) == mid
    with pytest.raises(ValueError, match="vendor risk must be one of"):
        r.recommend("low", "low", "low", "huge")


def test_a_departure_from_the_rule_needs_a_reason():
    args = ("store", "low", "medium", "high", "low", False, 500.0, 300.0)
    assert r.BuildOrBuy(*args, "buy", "").rule == "buy"
    with pytest.raises(ValueError, match="the rule says buy"):
        r.BuildOrBuy(*args, "build", "")
    r.BuildOrBuy(*args, "open source", "We know it already.")
    with pytest.raises(ValueError, match="must be one of"):
        r.BuildOrBuy(*args, "rent", "why not")
    with pytest.raises(ValueError, match="negative"):
        r.BuildOrBuy("x", *args[1:6], -1.0, None, "buy", "r")


def test_key_results_are_outcomes():
    k = r.KeyResult("p99 latency", "ms", 180.0, 100.0, DAY)
    assert (
        k.progress(140.0) == 0.5 and k.progress(180.0) == 0 and k.progress(80.0) == 1.25
    )
    with pytest.raises(ValueError, match="activity"):
        r.KeyResult("Launch the cache", "", 0.0, 1.0, DAY)
    with pytest.raises(ValueError, match="equal"):
        r.KeyResult("p99", "ms", 1.0, 1.0, DAY)
    with pytest.raises(ValueError, match="two to five"):
        r.OKR("o", "x", (k,))
    with pytest.raises(ValueError, match="3 to 5 bets"):
        r.Roadmap("t", "v", (r.Outcome("2027 Q1", "o", "a", "m"),))
