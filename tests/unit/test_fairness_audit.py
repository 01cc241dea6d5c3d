"""The audit against loops, statsmodels, the bootstrap, and faulty logs."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from streamrec.fairness import audit as a
from streamrec.fairness.metrics import gini, group_exposure


def data(seed=0, users=300, skew=0.0):
    """Rows of one user are alike; groups a, b, c of users, x, y of items."""
    rng = np.random.default_rng(seed)
    u = np.repeat(np.arange(users), rng.integers(1, 30, users))
    own = rng.beta(2, 3, users)
    label = pd.Series(np.array(["a", "b", "c"])[np.arange(users) % 3])
    p = own[u] * np.where(label[u] == "c", 1 - skew, 1)
    items = pd.Series(np.where(np.arange(60) < 20, "x", "y"), index=np.arange(60) + 5)
    log = pd.DataFrame(
        {
            "user": u,
            "item": rng.integers(5, 65, u.size),
            "position": rng.integers(0, 11, u.size),
            "clicked": (rng.uniform(size=u.size) < p).astype(int),
            "minutes": rng.gamma(2, 3, u.size),
        }
    )
    return log, label, items


def plan(**more):
    measures = (
        a.Measure("click rate", "clicked", "share of shelf impressions clicked"),
        a.Measure("minutes", "minutes", "minutes an impression"),
    )
    given = {"least_users": 20} | more
    return a.AuditPlan(
        "test", "language", "language", measures, "board", "stop", **given
    )


def test_values_and_errors_are_cluster_robust():
    log, users, items = data()
    report = a.audit(log, users, items, plan())
    shelf = log[log["position"] > 0]
    shelf = shelf.assign(g=users[shelf["user"]].to_numpy())
    for g, part in shelf.groupby("g"):
        side = report.users.query("measure == 'click rate'")
        row = side.set_index("group").loc[g]
        fit = smf.ols("clicked ~ 1", part).fit(
            cov_type="cluster", cov_kwds={"groups": part["user"]}, use_t=True
        )
        assert row["value"] == pytest.approx(fit.params.iloc[0])
        assert row["se"] == pytest.approx(fit.bse.iloc[0], rel=1e-9)
        low, high = fit.conf_int().to_numpy()[0]
        assert (row["low"], row["high"]) == pytest.approx((low, high))
        assert (row["users"], row["impressions"]) == (part["user"].nunique(), len(part))


def test_exposure_equals_the_metric_and_the_gini_error_the_bootstrap():
    log, users, items = data(1)
    log = log[(log["item"] < 25) | (log["user"] % 3 > 0)]
    report = a.audit(log, users, items, plan())
    shelf = log[log["position"] > 0]
    supply = items.value_counts()
    kind = items[shelf["item"]].to_numpy()
    want = group_exposure(kind, shelf["position"], supply).loc[["x", "y"]]
    np.testing.assert_allclose(report.creators["per_item"], want["per_item"])
    np.testing.assert_allclose(report.creators["share"], want["share"])
    assert report.gini[0] == pytest.approx(gini(want["per_item"]))
    w = 1 / np.log2(1 + shelf["position"].to_numpy())
    E = np.zeros((300, 2))
    np.add.at(E, (shelf["user"].to_numpy(), (kind == "y").astype(int)), w)
    E = E[E.sum(axis=1) > 0]
    rng, n = np.random.default_rng(2), np.array([20.0, 40.0])
    draws = np.array([E[rng.integers(len(E), size=len(E))].sum(0) for _ in range(3000)])
    ginis = np.array([gini(x) for x in draws / n])
    share = draws / n * 60 / draws.sum(axis=1, keepdims=True)
    se = (report.gini[2] - report.gini[0]) / 1.959964
    assert se == pytest.approx(ginis.std(), rel=0.08)
    width = (report.creators["high"] - report.creators["per_item"]) / 1.959964
    np.testing.assert_allclose(width, share.std(axis=0), rtol=0.08)


def test_one_row_has_a_mean_and_no_error_and_none_has_neither():
    one = a.clustered_mean(np.array([3.0]), np.array([1.0]))
    assert one[0] == 3 and np.isnan(one[1])
    assert np.isnan(a.clustered_mean(np.zeros(0), np.zeros(0))).all()


def test_worst_gap_by_hand():
    log, users, items = data(3, skew=0.5)
    report = a.audit(log, users, items, plan())
    row = report.gaps.set_index("measure").loc["click rate"]
    side = report.users.query("measure == 'click rate'").set_index("group")
    assert (row["worst"], row["users"]) == ("c", side.loc["c", "users"])
    best = side["value"].idxmax()
    assert row["gap"] == pytest.approx(side.loc[best, "value"] - side.loc["c", "value"])
    z = 2.39398  # two-sided 95 % over three pairs
    half = z * np.hypot(side.loc[best, "se"], side.loc["c", "se"])
    assert row["gap_high"] - row["gap"] == pytest.approx(half, rel=1e-4)
    assert row["gap"] - row["gap_low"] == pytest.approx(half, rel=1e-4)
    ratio = side.loc["c", "value"] / side.loc[best, "value"]
    assert row["ratio"] == pytest.approx(ratio)
    error = np.hypot(*(side.loc[g, "se"] / side.loc[g, "value"] for g in ("c", best)))
    assert row["ratio_low"] == pytest.approx(ratio * np.exp(-z * error), rel=1e-4)
    assert row["ratio_high"] == pytest.approx(ratio * np.exp(z * error), rel=1e-4)
    assert row["verdict"] == a.BREACH
    assert not report.passed


def test_intervals_cover():
    """No gap at all: 95 % of the group intervals hold the truth (150 x 3 draws)."""
    hits = 0
    for seed in range(150):
        log, users, items = data(seed, users=120)
        side = a.audit(log, users, items, plan()).users.query("measure == 'minutes'")
        hits += int(((side["low"] <= 6) & (6 <= side["high"])).sum())
    assert 410 <= hits <= 445  # 95 % +- 3.9 points: false alarm about 1e-4


@pytest.mark.parametrize(
    ("low", "high", "limit", "below", "want"),
    [
        (0.1, 0.2, 0.3, True, a.WITHIN),
        (0.1, 0.4, 0.3, True, a.UNSETTLED),
        (0.35, 0.4, 0.3, True, a.BREACH),
        (0.85, 0.9, 0.8, False, a.WITHIN),
        (0.7, 0.9, 0.8, False, a.UNSETTLED),
        (0.5, 0.7, 0.8, False, a.BREACH),
        (0.1, 0.3, 0.3, True, a.WITHIN),
        (0.8, 0.9, 0.8, False, a.WITHIN),
        (float("nan"), 0.9, 0.8, False, a.UNSETTLED),
    ],
)
def test_verdicts(low, high, limit, below, want):
    assert a._verdict(low, high, limit, below=below) == want


def test_what_cannot_be_used_is_counted_and_named():
    log, users, items = data(4)
    users = users.copy()
    users[0] = "lonely"  # a group of one
    users[1] = None  # known user, no group
    users = users.drop(2)  # unknown user
    items = items.drop(items.index[:3])  # items without a group
    log.loc[log.index[:40], "minutes"] = np.nan
    report = a.audit(log, users, items, plan(groups=("nobody",)))
    shelf = log[log["position"] > 0]
    gone = report.set_aside
    assert gone["rows not on the shelf"] == int((log["position"] == 0).sum())
    assert gone["shelf rows of users without a language"] == int(
        shelf["user"].isin([1, 2]).sum()
    )
    assert gone["shelf rows of items without a language"] == int(
        (shelf["item"] < 8).sum()
    )
    assert gone["rows without minutes"] == int(shelf["minutes"].isna().sum())
    side = report.users.query("measure == 'click rate'").set_index("group")
    assert side.loc["nobody", "users"] == 0
    assert side.loc["nobody", "note"] == "no impression"
    assert np.isnan(side.loc["nobody", "value"])
    assert side.loc["lonely", "users"] == 1
    assert "one user" in side.loc["lonely", "note"]
    assert np.isfinite(side.loc["lonely", "value"])
    assert np.isnan(side.loc["lonely", ["low", "high"]].astype(float)).all()
    assert report.counts["groups of users without an impression"] == 1
    assert report.counts["groups of fewer than 20 users"] == 1
    assert report.counts["known users without a shelf impression"] == int(
        (~users.index.isin(shelf["user"])).sum()
    )
    assert report.counts["users"] == shelf["user"].nunique()
    assert report.counts["eligible items"] == 57
    used = shelf[~shelf["user"].isin([1, 2]) & (shelf["item"] >= 8)]
    assert report.counts["shelf impressions used"] == len(used)
    text = report.markdown()
    for word in ("nobody", "no impression", "one user", "not defined", "Set aside"):
        assert word in text
    assert report.gaps["worst"].isin(["a", "b", "c"]).all()


def test_repeated_impressions_are_set_aside_once():
    log, users, items = data(7)
    log["event"] = np.arange(len(log))
    once = a.audit(log, users, items, plan(event=("user", "event")))
    assert not any("repeat" in k for k in once.set_aside)
    twice = pd.concat([log, log.iloc[::3]])
    report = a.audit(twice, users, items, plan(event=("user", "event")))
    want = int((log.iloc[::3]["position"] > 0).sum())
    assert (
        report.set_aside["shelf rows that repeat an impression (user, event)"] == want
    )
    pd.testing.assert_frame_equal(report.users, once.users)
    assert report.gini == once.gini


def test_users_who_never_come_and_items_without_a_group_are_counted():
    log, users, items = data(8)
    users = pd.concat([users, pd.Series("a", index=range(1000, 1017))])
    report = a.audit(log, users, items.where(items.index > 6), plan())
    assert report.counts["known users without a shelf impression"] == 17 + int(
        300 - log.loc[log["position"] > 0, "user"].nunique()
    )
    assert report.set_aside["items of the catalogue without a language"] == 2
    assert report.counts["eligible items"] == 58


def test_a_group_that_never_clicks_has_ratio_zero():
    log, users, items = data(9)
    log.loc[log["user"] % 3 == 0, "clicked"] = 0
    row = a.audit(log, users, items, plan()).gaps.set_index("measure").loc["click rate"]
    assert (row["worst"], row["ratio"], row["verdict"]) == ("a", 0.0, a.UNSETTLED)
    assert row["gap_low"] > 0 and np.isnan(row["ratio_high"])


def test_a_group_of_creators_that_is_never_shown_counts_in_the_gini():
    log, users, items = data(5)
    more = pd.concat([items, pd.Series("z", index=range(100, 130))])
    report = a.audit(log, users, more, plan())
    row = report.creators.set_index("group").loc["z"]
    assert (row["exposure"], row["note"]) == (0, "never shown")
    assert report.gini[0] > a.audit(log, users, items, plan()).gini[0]


def test_the_report_can_be_read_and_written(tmp_path):
    log, users, items = data(6)
    users = users.replace("a", "a|<b>")
    repair = a.Repair("re-ranker", 0.28, (-0.02, -0.03, -0.01), (-0.01, -0.02, 0.0))
    report = a.audit(log, users, items, plan(largest_gini=0.9), repair=repair)
    page, web = report.markdown(), report.html()
    for word in ("board", "Tolerance", "clustered by user", "-2.0% (-3.0% to -1.0%)"):
        assert word in page and word in web
    assert "a\\|<b>" in page and "a|&lt;b&gt;" in web and "<b>" not in web
    assert report.write(tmp_path / "audit.md").read_text().rstrip() == page
    assert report.write(tmp_path / "audit.html").read_text().startswith("<!doctype")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audit.html", "audit.md"]
    with pytest.raises(ValueError, match=r"\.md or \.html"):
        report.write(tmp_path / "audit.pdf")
    assert report.verdicts["exposure"] == a.WITHIN
    assert list(report.verdicts) == ["click rate", "minutes", "exposure"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x, u, i: (x.rename(columns={"clicked": "click"}), u, i),
            "mean 'click'",
        ),
        (lambda x, u, i: (x.iloc[:0], u, i), "empty"),
        (lambda x, u, i: (x.assign(position=0), u, i), "no shelf impression"),
        (lambda x, u, i: (x.assign(position=-1), u, i), "place from 1"),
        (lambda x, u, i: (x.assign(position=np.nan), u, i), "place from 1"),
        (lambda x, u, i: (x.assign(position=1.5), u, i), "whole place"),
        (lambda x, u, i: (x.assign(position="top"), u, i), "'position' must hold"),
        (lambda x, u, i: (x.assign(minutes="5 min"), u, i), "'minutes' must hold"),
        (lambda x, u, i: (x, pd.concat([u, u]), i), "users holds"),
        (lambda x, u, i: (x, u, pd.concat([i, i])), "items holds"),
        (lambda x, u, i: (x, u, i.map(lambda _: "x")), "two groups"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        a.audit(*change(*data()), plan())


@pytest.mark.parametrize(
    "more",
    [{"level": 1.0}, {"least_ratio": 0.0}, {"largest_gini": 1.0}, {"least_users": 1}],
)
def test_plans_are_checked(more):
    with pytest.raises(ValueError):
        plan(**more)
    with pytest.raises(ValueError, match="owner"):
        a.AuditPlan("p", "g", "h", (a.Measure("m", "c", "d"),), " ", "stop")
    with pytest.raises(ValueError, match="measure"):
        a.AuditPlan("p", "g", "h", (), "me", "stop")
