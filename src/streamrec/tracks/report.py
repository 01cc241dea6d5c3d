"""The report of a Track A run: one page that a manager can read, numbers below.

Everything on the page comes from ``results.json``; nothing is computed here but words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from streamrec import pages

Rows = list[Mapping[str, Any]]
METRICS = {"ndcg": "NDCG", "recall": "Recall"}


def page(r: Mapping[str, Any]) -> str:
    """The whole page as HTML, from the results of ``a.run``."""
    parts = [
        f"<h1>Recommendations for {escape(r['data']['title'])}: how good they are and "
        "what they cost</h1>",
        *(f"<p>{escape(text)}</p>" for text in summary(r)),
        *_failed(r),
        *_quality(r),
        *_value(r),
        *_recall(r),
        *_price(r),
        *_calibration(r),
        *_served(r),
        *_monitoring(r),
        *_audit(r),
        *_defects(r),
        *_cost(r),
        *_method(r),
    ]
    return pages.document(f"Track A on {r['data']['title']}", parts)


def summary(r: Mapping[str, Any]) -> list[str]:
    """The first paragraphs, in plain words."""
    own, k = _system(r, "full stack"), r["settings"]["k"]
    d = r["data"]
    first = (
        f"The newest fifth of what {own['users']:,} people chose was hidden, and the "
        f"system, which had seen only the rest, showed each of them {k} items. "
        f"{own['hit_rate']:.0%} found at least one that they really went on to choose; "
        f"on average {own['hits']:.1f} of the {k} were right."
    )
    return [first, _gains(r), _bill(r, d)]


def _gains(r: Mapping[str, Any]) -> str:
    """How the stack compares with what one would use instead."""
    own, out = _system(r, "full stack"), []
    for name, words in (
        ("popularity", "showing everybody what is popular"),
        ("ALS", "matrix factorisation with its settings tuned (ALS)"),
        ("EASE", "the best linear method, tuned (EASE)"),
    ):
        row = _paired(r, "ndcg", name)
        if row is None:
            continue
        share = row["difference"] / max(own["ndcg"] - row["difference"], 1e-9)
        sure = (
            "the gain is clear" if row["low"] > 0
            else "it is clearly worse" if row["high"] < 0
            else "these data do not tell the two apart"
        )  # fmt: skip
        out.append(f"{share:+.0%} against {words}: {sure}")
    return f"Quality of the order (NDCG@{r['settings']['k']}): {'; '.join(out)}." + (
        _paid(r["price"])
    )


def _paid(price: list[Mapping[str, Any]]) -> str:
    """What variety and an even exposure took from the quality above, if it shows."""
    before, after = price[0]["ndcg"], price[-1]["ndcg"]
    if not before > 0 or after > 0.99 * before:
        return ""
    return (
        f" Variety and an even exposure took {1 - after / before:.0%} of it; "
        "--trade 0 --exposure 1 give it back."
    )


def _bill(r: Mapping[str, Any], d: Mapping[str, Any]) -> str:
    """Time, memory, service, alarms and audit in one paragraph."""
    peak = max(row["peak_megabytes"] for row in r["cost"])
    minutes = r["seconds"] / 60
    time = f"{minutes:.1f} minutes" if minutes >= 1.5 else f"{r['seconds']:.0f} seconds"
    text = (
        f"Learning from {d['train']:,} interactions, judging and serving took {time} "
        f"and {peak / 1024:.1f} GB of memory on one computer."
    )
    if served := r.get("served"):
        text += f" Lists for all {served['users']:,} people are stored and ready."
        asked = sum(f["requests"] for f in served["faults"])
        valid = sum(f["requests"] * f["valid"] for f in served["faults"])
        text += (
            f" {valid:.0f} of {asked:.0f} test requests got a full and valid list, "
            "though most met a fault injected on purpose."
        )
    if watch := r.get("monitoring"):
        text += f" Monitoring: {watch['sentence']}"
    audit = r["audit"]["verdicts"]
    verdicts = ", ".join(f"{name}: {verdict}" for name, verdict in audit.items())
    return f"{text} Fairness audit: {verdicts}."


# -- sections ----------------------------------------------------------------------


def _failed(r: Mapping[str, Any]) -> list[str]:
    if not r["notes"]:
        return []
    items = "".join(f"<li>{escape(n)}</li>" for n in r["notes"])
    return [f'<div class="stop"><p>What to know first:</p><ul>{items}</ul></div>']


def _quality(r: Mapping[str, Any]) -> list[str]:
    k = r["settings"]["k"]
    rows = [
        {
            "system": q["system"],
            f"NDCG@{k}": f"{q['ndcg']:.4f} ± {q['ndcg_se']:.4f}",
            f"Recall@{k}": f"{q['recall']:.4f} ± {q['recall_se']:.4f}",
            "found one": f"{q['hit_rate']:.1%}",
            "catalogue shown": f"{q['coverage']:.1%}",
        }
        for q in sorted(r["quality"], key=lambda q: -q["ndcg"])
    ]
    plots = [
        pages.forest(
            [
                {
                    "label": f"against {row['against']}",
                    "middle": row["difference"],
                    "interval": (row["low"], row["high"]),
                    "mark": _mark(row["low"], row["high"]),
                }
                for row in r["paired"]
                if row["metric"] == metric
            ],
            f"{METRICS[metric]}@{k}: full stack minus the other, same people, with "
            "95 % intervals",
        )
        for metric in METRICS
    ]
    return [
        "<h2>Quality</h2>",
        _p(
            "All items a person had not met were ranked; ± is one standard error over "
            "people. The pictures compare person by person, which is far more precise "
            "than comparing two averages: an interval right of zero is a clear gain."
        ),
        pages.table(rows),
        f'<div class="charts">{"".join(plots)}</div>',
    ]


def _value(r: Mapping[str, Any]) -> list[str]:
    rows = r.get("policy_value")
    if not rows:
        return []
    ndcg = {q["system"]: q["ndcg"] for q in r["quality"]}
    shown = [
        {
            "system": v["system"],
            "minutes a session": f"{v['minutes']:.3f} ± {v['se']:.3f}",
            "NDCG": f"{ndcg[v['system']]:.4f}" if v["system"] in ndcg else "",
        }
        for v in rows
    ]
    both = [v["system"] for v in rows if v["system"] in ndcg]
    by_ndcg = sorted(both, key=lambda n: -ndcg[n])
    same = "the same order" if both == by_ndcg else "another order"
    return [
        "<h2>True value</h2>",
        _p(
            "This platform is simulated, so what lists are truly worth is known: the "
            "minutes that a session's ten places bring. By this measure the systems "
            f"stand in {same} as by NDCG, which only looks at what people chose in the "
            "past."
        ),
        pages.table(shown),
    ]


def _recall(r: Mapping[str, Any]) -> list[str]:
    rows = [
        {
            "stage": row["stage"],
            "items a person": f"{row['items']:.0f}",
            "of later choices": f"{row['recall']:.1%}",
        }
        for row in r["recall_by_stage"]
    ]
    fresh = r.get("new_items")
    told = ""
    if fresh:
        told = "; ".join(
            f"{name} {v['rank']:.0%} ({_pct(v['low'])} to {_pct(v['high'])})"
            for name, v in fresh["places"].items()
        )
        told = (
            f"{fresh['items']} items had nobody in training. When one of them was "
            f"chosen later ({fresh['choices']} times), this share of the other new "
            f"items stood below it (50% by chance): {told}."
        )
    return [
        "<h2>What each stage keeps</h2>",
        _p(
            "Each source proposes candidates, the ranker orders them, re-ranking makes "
            "room for variety. The share of later choices that is still there bounds "
            "everything after it."
        ),
        pages.table(rows),
        *([_p(told)] if told else []),
    ]


def _price(r: Mapping[str, Any]) -> list[str]:
    rows = [
        {
            "lists": row["stage"],
            "NDCG": f"{row['ndcg']:.4f}",
            "change": ""
            if n == 0
            else f"{row['ndcg_change']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f})",
            "variety in a list": f"{row['difference_in_list']:.3f}",
            "Gini of exposure": f"{row['group_gini']:.3f}",
            "catalogue shown": f"{row['coverage']:.1%}",
        }
        for n, row in enumerate(r["price"])
    ]
    return [
        "<h2>The price of variety and of spread exposure</h2>",
        _p(
            "Two steps after the ranker trade a little accuracy: one avoids lists of "
            "look-alikes, the other moves exposure toward groups of items "
            f"({r['data']['item_side']}) that get less of it per item. Gini 0 is equal "
            "exposure."
        ),
        pages.table(rows),
    ]


def _calibration(r: Mapping[str, Any]) -> list[str]:
    c = r["calibration"]
    top = max(max(b["high"] for b in c["bins"]), max(b["predicted"] for b in c["bins"]))
    top = min(1.0, 1.05 * top)
    picture = pages.chart(
        "Predicted and observed share of right items, by tenths of the prediction "
        "(95 % intervals); the dashed line is a perfect forecast",
        "predicted probability",
        "observed",
        points=[
            (b["predicted"], b["observed"], b["low"], b["high"]) for b in c["bins"]
        ],
        reference=[(0.0, 0.0), (top, top)],
        x_range=(0.0, top),
        y_range=(0.0, top),
    )
    slope = "" if c["slope"] is None else f", slope {c['slope']:.2f} (1 is perfect)"
    return [
        "<h2>Can the scores be read as probabilities?</h2>",
        _p(
            f"On average the {c['places']:,} shown places were given "
            f"{c['predicted']:.1%}, and {c['observed']:.1%} were right. Mean gap over "
            f"the tenths {c['ece']:.3f}{slope}."
        ),
        picture,
    ]


def _served(r: Mapping[str, Any]) -> list[str]:
    served = r.get("served")
    if not served:
        return []
    faults = [
        {
            "fault injected": f["fault"],
            "requests": f["requests"],
            "valid lists": f"{f['valid']:.2%}",
            "from a fallback": f"{f['degraded']:.1%}",
        }
        for f in served.get("faults", [])
    ]
    facts = (
        f"{served['lists']:,} places for {served['users']:,} people are stored as "
        f"version {served['version']}, which became visible only when it was whole. "
        "From the folder above this one, ask for a list with:"
    )
    return [
        "<h2>Serving</h2>",
        _p(facts),
        f"<p><code>{escape(served['command'])}</code></p>",
        *_examples(served),
        *(
            [_p("The same lists behind faults, each injected on purpose:")]
            if faults
            else []
        ),
        pages.table(faults),
    ]


def _examples(served: Mapping[str, Any]) -> list[str]:
    rows = served.get("example")
    if not rows:
        return []
    return [
        _p(f"The list of person {served['example_user']}, with the reasons given:"),
        pages.table(rows),
    ]


def _monitoring(r: Mapping[str, Any]) -> list[str]:
    m = r.get("monitoring")
    if not m:
        return []
    return [
        "<h2>Monitoring</h2>",
        _p(m["words"]),
        pages.table(m["rows"]),
        *([f'<p><a href="{m["page"]}">All checks</a></p>'] if m.get("page") else []),
    ]


def _audit(r: Mapping[str, Any]) -> list[str]:
    a, d = r["audit"], r["data"]
    users = [
        {
            "people": str(u["group"]),
            "number": u["users"],
            "found, of what was possible": f"{_pct(u['value'])} "
            f"({_pct(u['low'])} to {_pct(u['high'])})",
            "note": u["note"],
        }
        for u in a["users"]
    ]
    creators = [
        {
            "items": str(g["group"]),
            "number": g["supply"],
            "exposure per item": f"{g['per_item']:.2f} "
            f"({_two(g['low'])} to {_two(g['high'])})",
            "note": g["note"],
        }
        for g in a["creators"]
    ]
    g, low, high = a["gini"]
    return [
        "<h2>Fairness audit</h2>",
        _p(
            f"Tolerances were set before looking. People by {d['user_side']}: the "
            "worst group must reach 80 % of the best. Items by "
            f"{d['item_side']}: Gini of exposure per item at most 0.30, and it is "
            f"{g:.2f} ({low:.2f} to {high:.2f}). "
            + " ".join(f"{n}: {v}." for n, v in a["verdicts"].items())
        ),
        pages.table([u if any(x["note"] for x in users) else _less(u) for u in users]),
        _p("Exposure per item, 1 where it is equal:"),
        pages.table(
            [c if any(x["note"] for x in creators) else _less(c) for c in creators]
        ),
        '<p><a href="audit.html">The whole audit</a></p>',
    ]


def _defects(r: Mapping[str, Any]) -> list[str]:
    rows = r["defects"]
    words = (
        "These findings in the data were reported before learning began:"
        if rows
        else "No defect was found in the data (duplicates, wrong units, empty days, "
        "times in the future and their like)."
    )
    return ["<h2>The data</h2>", _p(words), pages.table(rows)]


def _cost(r: Mapping[str, Any]) -> list[str]:
    rows = [
        {
            "stage": c["stage"],
            "seconds": f"{c['seconds']:.1f}",
            "peak memory so far, MB": c["peak_megabytes"],
        }
        for c in r["cost"]
    ]
    return ["<h2>Cost</h2>", pages.table(rows)]


def _method(r: Mapping[str, Any]) -> list[str]:
    d, k = r["data"], r["settings"]["k"]
    ways = [
        {
            "way to rank": w["way"],
            f"NDCG@{k}, validation": f"{w['ndcg']:.4f} ± {w['se']:.4f}",
            "against": w["against"],
            "gain": f"{w['difference']:+.4f} ({w['low']:+.4f} to {w['high']:+.4f})"
            if w["against"]
            else "",
        }
        for w in r["ways"]
    ]
    chosen = [
        {
            "source": name,
            "settings": ", ".join(f"{a} {b}" for a, b in s.items()) or "none",
            **({"weight": f"{r['weights'][name]:.2f}"} if r["weights"] else {}),
        }
        for name, s in r["chosen"].items()
    ]
    return [
        "<h2>How it was done</h2>",
        _p(
            f"{d['words']}. {d['interactions']:,} interactions of {d['users']:,} "
            f"people with {d['items']:,} items. The newest fifth of each history "
            f"({d['held_out']:,} interactions) was held out for the figures above. "
            "Models, their settings and the way to rank were chosen on the newest "
            f"fifth of the rest ({d['validation']:,}); the models were then fitted on "
            f"all of the rest ({d['train']:,}). How much variety and how even an "
            f"exposure is asked for is policy, not tuned. {d['new_items']:,} items of "
            "the catalogue had nobody in the training part."
        ),
        _p(f"Of the ways to rank, the simplest that is not beaten: {r['way']}."),
        pages.table(ways),
        pages.table(chosen),
        f"<footer>Seed {r['settings']['seed']}. All numbers: results.json.</footer>",
    ]


# -- words -------------------------------------------------------------------------


def _p(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _less(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its empty note."""
    return {k: v for k, v in row.items() if k != "note"}


def _pct(x: float | None) -> str:
    return "?" if x is None else f"{max(x, 0.0):.1%}"


def _two(x: float | None) -> str:
    return "?" if x is None else f"{x:.2f}"


def _mark(low: float, high: float) -> str:
    return "good" if low > 0 else "bad" if high < 0 else "open"


def _first(rows: Iterable[Mapping[str, Any]], **want: Any) -> Mapping[str, Any] | None:
    return next((r for r in rows if all(r[k] == v for k, v in want.items())), None)


def _system(r: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = _first(r["quality"], system=name)
    assert found is not None
    return found


def _paired(r: Mapping[str, Any], metric: str, name: str) -> Mapping[str, Any] | None:
    return _first(r["paired"], metric=metric, against=name)
