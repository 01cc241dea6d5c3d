"""Attacks on the worlds: what frames must not tell, tried as an adversary would."""

import gc
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score

from streamrec.worlds import load
from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming import StreamingWorld, choice

SMALL = ("medicore", "meridian", "terraml")


def gain(frame, honest, traces, target):
    """How much held-out R2 the traces add to the honest columns."""
    train = np.arange(len(frame)) % 3 > 0
    score = []
    for columns in (honest, [*honest, *traces]):
        model = HistGradientBoostingRegressor(max_iter=40, random_state=0)
        model.fit(frame.loc[train, columns], target[train])
        score.append(
            r2_score(target[~train], model.predict(frame.loc[~train, columns]))
        )
    return score[1] - score[0]


def residues(frame, name):
    """Columns a leak through ids would show in."""
    return {f"{name} mod {m}": frame[name] % m for m in (2, 4, 8, 16, 64)}


def codes(frame):
    """Numbers in the place of words."""
    return frame.apply(
        lambda c: c if c.dtype.kind in "iufb" else pd.factorize(c)[0], axis=0
    )


def test_ids_digits_and_order_add_nothing_about_the_other_outcome():
    w = StreamingWorld("tiny", 11)
    log = w.log(7)
    week = w.user_item_weeks(log)
    y = w.truth.outcomes(week)
    f = week.merge(w.items[["item", "duration", "creator"]], on="item")
    first = log.groupby(["user", "item"]).agg(
        second=("timestamp", lambda s: s.iloc[0].second), session=("session", "first"),
        position=("position", "first"), row=("day", lambda s: s.index[0] % 997),
    )  # fmt: skip
    f = f.merge(first.reset_index(), on=["user", "item"])
    assert (f["user"].to_numpy() == week["user"].to_numpy()).all()
    more = residues(f, "user") | residues(f, "item")
    bits = f["score"].to_numpy(np.float32).view(np.uint32)
    more["digits"] = pd.Series(bits % 4096)
    f = f.assign(**more)
    organic = (f["recommended"] == 0).to_numpy()
    honest = ["score", "impressions", "duration"]
    traces = [*more, "second", "session", "position", "row", "creator"]
    part = f[organic].reset_index(drop=True)
    assert gain(part, honest, traces, y["y1"].to_numpy()[organic]) < 0.01


def test_ids_and_digits_add_nothing_in_the_small_worlds():
    w = load("medicore", size="tiny")
    d, t = codes(w.patients), w.truth.patients
    d = d.assign(**residues(d, "patient"), digits=d["risk_score"] * 1e6 % 1)
    honest = ["severity", "risk_score", "age", "comorbidity", "listed", "month"]
    traces = [c for c in d if "mod" in c or c in ("digits", "patient", "physician")]
    taken = (d["drug_x"] == 1).to_numpy()
    part = d[taken].reset_index(drop=True)
    assert gain(part, honest, traces, t["y0"].to_numpy(float)[taken]) < 0.01
    assert gain(d, honest, [*traces, "readmitted"], t["frailty"].to_numpy()) < 0.02
    w = load("meridian", size="tiny")
    d, t = codes(w.applications), w.truth.applications
    d = d.assign(**residues(d, "applicant"), digits=d["pd_incumbent"] * 1e9 % 1)
    declined = (d["approved"] == 0).to_numpy()
    part = d[declined].reset_index(drop=True)
    traces = [c for c in d if "mod" in c or c in ("digits", "applicant", "underwriter")]
    lost = t["defaulted"].to_numpy(float)[declined]
    assert gain(part, ["pd_incumbent"], traces, lost) < 0.02


def test_streams_of_random_numbers_are_unrelated():
    n, names = 50_000, ("visit", "clock", "leave", "assign", "own taste", "sensitivity")
    u = np.arange(n)
    Z = [Addressed(s).normal(x, u + k) for s in (0, 1) for k in (0, 1) for x in names]
    r = np.corrcoef(Z)
    np.fill_diagonal(r, 0)
    for k in (0, len(names) * 2):  # the same number one address on, shifted by itself
        assert (Z[k][1:] == Z[k + len(names)][:-1]).all()
    assert np.abs(r).max() < 4.5 / np.sqrt(n)


def test_the_parts_of_one_opportunity_are_unrelated():
    cells = Addressed(3).bits("cell", np.arange(500)[:, None], np.arange(100))
    assert len(np.unique(cells)) == cells.size
    bits = choice.draw_session(cells, 3)
    slot, V = choice.place(bits, 10)
    zero = np.zeros(bits.shape, np.float32)
    share, more = choice.completion(bits, zero, -0.35, 0.08, 0.3)
    rated = choice.rate(more, zero, zero, 1.0)
    parts = [choice.play_uniform(bits), slot, V, choice.by_search(bits), share, rated,
             choice.slate_gumbel(bits), bits & np.uint64(0xFFFF)]  # fmt: skip
    r = np.corrcoef([np.asarray(p, float).ravel() for p in parts])
    np.fill_diagonal(r, 0)
    assert np.abs(r).max() < 4.5 / np.sqrt(bits.size)


def test_no_two_purposes_share_a_stream():
    folder = Path(__import__("streamrec.worlds").worlds.__file__).parent
    names = {
        f"{name}/{purpose}"
        for name in SMALL
        for purpose in re.findall(
            r'_(?:stream|smooth|internal)\(\s*"([^"]+)"',
            (folder / f"{name}.py").read_text(),
        )
    }
    ways, people = ("covariates", "frailty", "sex", "outcome"), ("log", "trial")
    names |= {f"medicore/{p}/{k}" for p in people for k in ways}
    noise = "inc debt hist util del c w amount zip y review".split()
    names |= {f"meridian/noise/{k}" for k in noise}
    years = [f"{s}/{y}" for s in ("current", "paris") for y in range(1980, 2101)]
    names |= {f"terraml/model/{m}/{y}" for m in range(1, 13) for y in years}
    assert len({zlib.crc32(n.encode()) for n in names}) == len(names) > 2900


@pytest.mark.parametrize("name", SMALL)
def test_frames_of_the_small_worlds_lead_nowhere_and_are_copies(name):
    w = load(name, size="tiny")
    for frame in w.columns:
        table = getattr(w, frame)
        assert not table.attrs
        seen, stack = set(), [table]
        while stack:
            x = stack.pop()
            if id(x) in seen or isinstance(x, type) or callable(x):
                continue
            if type(x).__name__ == "module":
                continue
            seen.add(id(x))
            assert not type(x).__module__.startswith("streamrec"), type(x)
            base = isinstance(x, np.ndarray)
            stack.extend([x.base] if base else gc.get_referents(x))
        number = table.select_dtypes("number").columns[0]
        before = getattr(w, frame)[number].copy()
        table.loc[:, number] = 0
        assert getattr(w, frame)[number].equals(before)


def test_writing_into_a_table_of_the_world_does_not_change_it():
    w = StreamingWorld("tiny", 2)
    w.users.loc[:, "signup_day"] = 0
    w.items.loc[:, "duration"] = 1.0
    assert w.log(2).equals(StreamingWorld("tiny", 2).log(2))
