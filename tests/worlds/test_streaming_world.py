"""The streaming world at size tiny: interface, truth, propensities, no leaks."""

import numpy as np
import pandas as pd
import pytest

from streamrec.worlds import WORLDS, load
from streamrec.worlds.streaming import Contexts, StreamingWorld, inclusion_probabilities
from streamrec.worlds.streaming.policy import sample_slate


@pytest.fixture(scope="module")
def world():
    return StreamingWorld("tiny", 3)


@pytest.fixture(scope="module")
def log(world):
    return world.log(14)


@pytest.fixture(scope="module")
def week(world, log):
    return world.user_item_weeks(log)


@pytest.fixture(scope="module")
def slates(world):
    return world.log(7, mode="plackett-luce")


# -- tables --------------------


def test_columns_are_the_documented_ones(world, log, week):
    for frame, columns in (
        (world.users, world.USER_COLUMNS),
        (world.items, world.ITEM_COLUMNS),
        (log, world.LOG_COLUMNS),
        (week, world.WEEK_COLUMNS),
        (world.sessions(log), world.SESSION_COLUMNS),
        (world.daily_users(log), world.DAILY_COLUMNS),
        (world.ratings(), world.RATING_COLUMNS),
        (world.click_features(log), world.CLICK_COLUMNS),
    ):
        assert list(frame.columns) == list(columns)


def test_log_values_make_sense(log):
    assert set(log["surface"].cat.categories) == {"carousel", "search", "browse"}
    rec = log["recommended"]
    assert ((log["position"] > 0) == rec).all() and log["position"].max() == 10
    assert ((log["surface"] == "carousel") == rec).all()
    assert ((log["minutes"] > 0) == log["clicked"]).all()
    assert not (log["completed"] & ~log["clicked"]).any()
    assert log.loc[~log["clicked"], "rating"].isna().all()
    assert log["rating"].dropna().between(1, 5).all()
    assert log["propensity"].between(0.01, 0.95).all()
    assert (log["day"] == (log["timestamp"] - pd.Timestamp("2025-01-06")).dt.days).all()


def test_views_keep_totals(world, log, week):
    total, hits = log["minutes"].sum(), log["clicked"].sum()
    for frame in (week, world.daily_users(log), world.sessions(log)):
        assert frame["minutes"].sum() == pytest.approx(total, rel=1e-5)
    assert week["clicks"].sum() == world.sessions(log)["clicks"].sum() == hits
    assert week["impressions"].sum() == len(log)


def test_views_agree_with_pandas(world, log, week):
    slow = log.assign(week=log["day"] // 7).groupby(["week", "user", "item"], sort=True)
    slow = slow.agg(n=("day", "size"), rec=("recommended", "max"), m=("minutes", "sum"))
    key = week.sort_values(["week", "user", "item"])
    assert (key["impressions"].to_numpy() == slow["n"].to_numpy()).all()
    assert (key["recommended"].to_numpy() == slow["rec"].to_numpy()).all()
    np.testing.assert_allclose(key["minutes"], slow["m"], rtol=1e-5)
    s = world.sessions(log)
    assert (s["items"].map(len) == s["clicks"]).all()


def test_click_features_do_not_see_their_own_day(world, log):
    X = world.click_features(log)
    changed = log.copy()
    last = log["day"] == log["day"].max()
    changed.loc[last, "clicked"] = ~changed.loc[last, "clicked"]
    Y = world.click_features(changed)
    pd.testing.assert_frame_equal(X.drop(columns="clicked"), Y.drop(columns="clicked"))
    assert sum(map(len, world.CLICK_FEATURES.values())) == 20
    assert np.isfinite(X.to_numpy()).all()


def test_text_follows_the_category(world):
    items = world.items
    assert all(
        c in d for c, d in zip(items["category"], items["description"], strict=True)
    )


# -- reproducibility and addressed noise --------------------


def test_same_seed_same_bytes_other_seed_other_world(world, log):
    again = StreamingWorld("tiny", 3).log(14)
    pd.testing.assert_frame_equal(log, again)
    assert not StreamingWorld("tiny", 4).log(1).equals(log[log["day"] == 0])


def test_chunks_and_length_change_nothing(world, log):
    by = ["day", "user", "session", "item"]
    small = world.log(14, chunk=97).sort_values(by, ignore_index=True)
    pd.testing.assert_frame_equal(small, log.sort_values(by, ignore_index=True))
    short = world.log(7)
    assert short.equals(log[log["day"] < 7].reset_index(drop=True))


def test_a_subset_of_users_meets_the_same_noise(world, log):
    part = world.log(14, users=[5, 6, 250])
    whole = log[log["user"].isin([5, 6, 250])].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, whole)


def test_same_user_same_noise_under_another_policy(world, log):
    """Organic impressions common to two policies have the same outcome."""
    other = world.log(14, policy="uniform")
    key = ["user", "item", "session"]
    both = log[~log["recommended"]].merge(
        other[~other["recommended"]], on=key, suffixes=("", "_2")
    )
    first = both["day"] < 7  # later weeks differ through satisfaction and tiredness
    assert len(both) > 10_000
    assert (both["minutes"] == both["minutes_2"])[first].all()


# -- truth --------------------


def test_outcomes_are_consistent(world, week):
    y = world.truth.outcomes(week)
    seen = np.where(week["recommended"] == 1, y["y1"], y["y0"])
    np.testing.assert_allclose(seen, week["minutes"], rtol=1e-5, atol=1e-5)
    assert (world.truth.propensities(week) == week["propensity"]).all()
    e = world.truth.effects(week)
    assert e["naive"] == pytest.approx(e["att"] + e["selection"], rel=1e-12)


def test_flipping_one_cell_reproduces_its_other_outcome(world, week):
    """Individual effects are exact: rerun the run with one choice reversed."""
    y = world.truth.outcomes(week)
    moved = np.flatnonzero((y["y0"] != y["y1"]).to_numpy())
    at = [*moved[:: len(moved) // 6], *range(0, len(week), len(week) // 3)]
    for k in at:
        row = week.iloc[k]
        flipped = world.truth.flip(int(row["user"]), int(row["item"]), int(row["week"]),
                                   run=week.attrs["run"])  # fmt: skip
        other = y["y0"].iloc[k] if row["recommended"] else y["y1"].iloc[k]
        assert flipped == pytest.approx(other, rel=1e-5, abs=1e-6)


def test_the_rest_of_the_week_does_not_move_when_a_cell_flips(world):
    """Interference off: flipping a cell leaves every other cell of its week alone."""
    from streamrec.worlds.streaming.engine import Engine

    world.log(7, users=[8, 9])
    s = world._runs[-1]
    cell = (8, int(world.contexts([8]).items[0, 3]), 0)
    plans = [world._plan(s), world._plan(s, flip=cell)]
    days = [list(Engine(world._market, p).run()) for p in plans]
    for a, b in zip(*days, strict=True):
        same = a.cells.items.ravel()[a.flat] != cell[1]
        same |= a.cells.u[a.row] != 8
        assert (a.flat == b.flat).all() and (a.minutes == b.minutes)[same].all()


def test_effects_are_heterogeneous_as_promised(world, week):
    g = world.truth.groups(week)
    for name in ("new_user", "niche"):
        by = world.truth.cate(week, g[name]).set_index("group")["effect"]
        assert by[True] > by[False]


def test_inverse_propensity_weights_recover_the_effect(world, week):
    from streamrec.worlds.coverage import estimates

    e = world.truth.effects(week)
    found = estimates(week)
    assert abs(found["Hajek"][0] - e["ate"]) < 4 * found["Hajek"][1]
    assert abs(found["naive"][0] - e["ate"]) > 4 * found["naive"][1]


def test_hidden_confounding_breaks_the_recorded_propensity():
    w = StreamingWorld("tiny", 3, hidden_confounding=1.0)
    k = w.user_item_weeks(w.log(7))
    assert np.abs(w.truth.propensities(k) - k["propensity"]).max() > 0.1


def test_truth_refuses_what_it_does_not_define(world, slates):
    with pytest.raises(ValueError, match="bernoulli logging"):
        world.truth.outcomes(world.user_item_weeks(slates))
    with pytest.raises(ValueError, match="make a log first"):
        StreamingWorld("tiny", 1).truth.outcomes(
            pd.DataFrame({"user": [0], "item": [0], "week": [0]})
        )


def test_nothing_in_the_data_reaches_the_truth(world, log, week, slates):
    """Only documented columns of plain types; attrs hold a run number at most; no
    observable column is a latent one in disguise."""
    tables = [world.users, world.items, log, week, slates, world.sessions(log),
              world.daily_users(log), world.ratings(), world.click_features(log),
              world.experiment(days=2, pre_days=1).users]  # fmt: skip
    for frame in tables:
        assert set(frame.attrs) <= {"run"}
        assert all(isinstance(v, int) for v in frame.attrs.values())
        for column in frame:
            for value in frame[column].head(3):
                assert not hasattr(value, "__dict__") or isinstance(value, pd.Timestamp)
    latent_items, latent_users = world.truth.items, world.truth.users
    latent_items = latent_items.drop(columns="half_life")  # follows from the format
    for seen, hidden in ((world.items, latent_items), (world.users, latent_users)):
        numbers = seen.select_dtypes("number").drop(columns=[seen.columns[0]])
        for a in numbers:
            for b in hidden.columns[1:]:
                # no observable number tracks a latent one
                assert abs(np.corrcoef(numbers[a], hidden[b])[0, 1]) < 0.6, (a, b)
    contexts = world.contexts([1, 2])
    assert set(vars(contexts)) == {"users", "items", "scores", "day", "k"}


def test_what_the_log_shows_does_not_encode_the_other_outcome():
    """Columns of organic cells say nothing about Y(1) beyond Y(0), score and day."""
    w = StreamingWorld("tiny", 4, n_users=1_500)
    log = w.log(7)
    cell = w.user_item_weeks(log)
    cell = cell.join(w.truth.outcomes(cell))[cell["impressions"] == 1]
    rows = log.merge(cell[["user", "item", "y0", "y1"]], on=["user", "item"])
    organic = rows[~rows["recommended"]]
    by = organic.groupby("surface", observed=True)["y1"].agg(["mean", "sem"])
    gap = by["mean"].diff().iloc[-1]
    assert abs(gap) < 4 * np.hypot(*by["sem"])
    # nor do the last digits of what is recorded, the order of rows or the ids
    traces = {
        "score": organic["score"].astype(float) * 1e4 % 1,
        "propensity": organic["propensity"].astype(float) * 1e5 % 1,
        "user": organic["user"] % 8,
    }
    for name, trace in traces.items():
        r = np.corrcoef(trace, organic["y1"])[0, 1]
        assert abs(r) < 4.5 / np.sqrt(len(organic)), name
    shown = rows[rows["recommended"]]
    played = (shown["y0"] > 0).groupby(shown["position"]).agg(["mean", "size"])
    p = (shown["y0"] > 0).mean()
    z = (played["mean"] - p) / np.sqrt(p * (1 - p) / played["size"])
    assert np.abs(z).max() < 4.5  # slots are at random: no slot knows Y(0)


def test_quality_leaves_no_trace_in_the_text_but_taste_does():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_predict

    w = StreamingWorld("small", 1, n_users=100)
    text = w.items["title"] + " " + w.items["description"]
    X = CountVectorizer(min_df=3).fit_transform(text)
    fit = {
        name: np.corrcoef(cross_val_predict(Ridge(100), X, y, cv=5), y)[0, 1]
        for name, y in w.truth.items[["quality", "pull", "taste_1"]].items()
    }
    assert fit["quality"] < 0.1
    assert fit["pull"] < 0.1
    assert fit["taste_1"] > 0.5


def test_no_object_in_a_frame_leads_back_to_the_world(world, log, week):
    import gc

    hidden = {"StreamingWorld", "Truth", "Market", "Engine", "Utility", "Cells"}
    done = world.experiment(days=1, pre_days=1)
    roots = [log, week, world.users, world.items, done, world.contexts([1, 2])]
    seen, stack = set(), list(roots)
    while stack:
        x = stack.pop()
        if id(x) in seen or isinstance(x, type) or callable(x):
            continue
        if type(x).__name__ == "module":
            continue
        seen.add(id(x))
        assert type(x).__name__ not in hidden
        if isinstance(x, np.ndarray):
            stack.append(x.base)
        else:
            stack.extend(gc.get_referents(x))


def test_a_policy_that_writes_into_its_contexts_changes_nothing_else(world):
    def plain(contexts):
        return np.full(contexts.items.shape, 0.2)

    def vandal(contexts):
        contexts.users[:] = 0
        contexts.items[:] = 0
        contexts.scores[:] = 9
        return np.full(contexts.items.shape, 0.2)

    pd.testing.assert_frame_equal(world.log(2, plain), world.log(2, vandal))


# -- logging modes --------------------


def test_bernoulli_marginals_are_exact(world, log):
    """Recommendations match the recorded probabilities: chi-square by decile of e."""
    k = world.user_item_weeks(log)
    e, d = k["propensity"].to_numpy(float), k["recommended"].to_numpy(float)
    group = np.searchsorted(np.quantile(e, np.linspace(0, 1, 11)[1:-1]), e)
    z = [(d[group == g] - e[group == g]).sum()
         / np.sqrt((e * (1 - e))[group == g].sum()) for g in range(10)]  # fmt: skip
    assert np.abs(z).max() < 4.5


def test_every_slate_has_ten_slots_and_its_conditional_probabilities(slates):
    shelf = slates[slates["recommended"]]
    by = shelf.groupby(["user", "session"])["position"]
    assert (by.nunique() == 10).all() and (by.size() == 10).all()
    assert shelf["propensity"].between(0, 1).all()
    assert slates.loc[~slates["recommended"], "propensity"].isna().all()


def test_slot_probabilities_against_their_definition():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4, 7)).astype(np.float32)
    best, p = sample_slate(logits, rng.gumbel(size=(4, 7)).astype(np.float32), 3)
    for r in range(4):
        w = np.exp(logits[r].astype(float))
        for k in range(3):
            assert p[r, k] == pytest.approx(w[best[r, k]] / w.sum(), rel=1e-6)
            w[best[r, k]] = 0


def test_gumbel_top_k_draws_from_plackett_luce():
    rng = np.random.default_rng(1)
    w = np.array([0.5, 0.3, 0.15, 0.05])
    n = 40_000
    logits = np.broadcast_to(np.log(w), (n, 4)).astype(np.float32)
    best, _ = sample_slate(logits, rng.gumbel(size=(n, 4)).astype(np.float32), 2)
    share = np.mean((best[:, 0] == 0) & (best[:, 1] == 1))
    p = 0.5 * 0.3 / 0.5
    assert abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / n)
    inside = (best[:, :, None] == np.arange(4)).any(axis=1).mean(axis=0)
    exact = inclusion_probabilities(np.log(w), 2)[0]
    assert np.abs(inside - exact).max() < 4.5 * 0.5 / np.sqrt(n)


def test_inclusion_probabilities_against_enumeration():
    from itertools import permutations

    z = np.array([1.2, 0.1, -0.7, 2.0, 0.4])
    w, k = np.exp(z), 3
    exact = np.zeros(5)
    for order in permutations(range(5), k):
        p, left = 1.0, w.sum()
        for i in order:
            p, left = p * w[i] / left, left - w[i]
        exact[list(order)] += p
    np.testing.assert_allclose(inclusion_probabilities(z, k)[0], exact, atol=1e-6)


def test_deterministic_mode_has_no_overlap(world):
    fixed = world.log(1, mode="deterministic")
    assert (fixed.loc[fixed["recommended"], "propensity"] == 1).all()


def test_epsilon_raises_small_probabilities(world):
    mixed = world.log(2, mode="plackett-luce", epsilon=0.3)
    assert mixed["propensity"].min() >= 0.3 / 60 * 0.999
    soft = world.log(2, epsilon=0.5)
    assert soft["propensity"].min() >= 0.5 * 10 / 46


# -- policies --------------------


def half(contexts: Contexts):
    return np.full(contexts.items.shape, 0.5)


def test_own_policies_in_each_mode(world):
    flat = lambda c: np.full(c.items.shape, 1 / c.items.shape[1])  # noqa: E731
    first = lambda c: (np.arange(c.items.shape[1]) < c.k) * np.ones((len(c), 1))  # noqa: E731
    assert world.log(1, policy=half)["propensity"].eq(0.5).all()
    slate = world.log(1, policy=flat, mode="plackett-luce")
    top = slate[slate["position"] == 1]["propensity"]
    assert np.allclose(top, 1 / 60)
    assert len(world.log(1, policy=first, mode="deterministic"))


@pytest.mark.parametrize(
    ("policy", "mode", "message"),
    [
        (lambda c: np.full(c.items.shape, 1.5), "bernoulli", "between 0 and 1"),
        (lambda c: np.full((2, 2), 0.5), "bernoulli", "shape"),
        (lambda c: np.full(c.items.shape, np.nan), "bernoulli", "finite"),
        (half, "plackett-luce", "sum to 1"),
        (half, "deterministic", "exactly 10 ones"),
        ("best", "bernoulli", "unknown policy"),
        ("incumbent", "random", "unknown mode"),
    ],
)
def test_invalid_policies_are_named(world, policy, mode, message):
    with pytest.raises(ValueError, match=message):
        world.log(1, policy=policy, mode=mode)


@pytest.mark.parametrize("mode", ["bernoulli", "plackett-luce", "deterministic"])
def test_the_popular_policy_shows_what_is_popular(world, mode):
    pull = world.truth.items["pull"].to_numpy()
    log = world.log(1, policy="popular", mode=mode)
    shown = log["recommended"].to_numpy()
    assert pull[log["item"][shown]].mean() > pull[log["item"][~shown]].mean() + 0.5
    assert 0.05 < shown.mean() < 0.5


class Ranker:
    def __init__(self, item):
        self.item = item

    def recommend(self, users, k=10):
        return np.tile(np.arange(self.item, self.item + k), (len(users), 1))


def test_a_recommender_is_a_deterministic_policy(world):
    shown = world.log(1, policy=Ranker(40))
    shelf = shown[shown["recommended"]]
    assert set(shelf["item"]) == set(range(40, 50))
    assert (shelf["item"] == 39 + shelf["position"]).all()
    with pytest.raises(ValueError, match="unknown item"):
        world.log(1, policy=Ranker(295))
    with pytest.raises(ValueError, match="deterministic"):
        world.log(1, policy=Ranker(0), mode="bernoulli")


def test_values_have_the_expected_order_and_nobody_beats_the_oracle(world):
    value = {
        p: world.evaluate(p).minutes for p in ("uniform", "incumbent", "challenger")
    }
    oracle = world.evaluate(world.truth.oracle()).minutes
    assert value["uniform"] < value["incumbent"] < value["challenger"] < oracle
    greedy = world.evaluate("incumbent", mode="deterministic").minutes
    assert value["incumbent"] < greedy < oracle


def test_step_rewards_average_to_their_expectation(world):
    c = world.contexts(np.arange(500), day=2, items=np.arange(10))
    x = np.concatenate([world.step(c, np.full(500, i), "clicked") for i in range(10)])
    p = np.concatenate(
        [world.truth.expected_reward(c, np.full(500, i), "clicked") for i in range(10)]
    )
    assert abs(x.mean() - p.mean()) < 4.5 * np.sqrt((p * (1 - p)).sum()) / len(p)
    assert (world.step(c, np.full(500, 3)) == world.step(c, np.full(500, 3))).all()
    with pytest.raises(ValueError, match="unknown item"):
        world.step(c, np.full(500, 300))


# -- experiments --------------------


def test_an_aa_experiment_is_flat_and_its_truth_is_zero(world):
    e = world.experiment("incumbent", days=7, pre_days=7)
    assert all(v == 0 for v in world.truth.experiment(e).values())
    g = e.users.groupby("arm", observed=True)["minutes"].agg(["mean", "var", "size"])
    z = g["mean"].diff().iloc[1] / np.sqrt((g["var"] / g["size"]).sum())
    assert abs(z) < 4.5


def test_units_are_randomised_as_named(world):
    user = world.experiment(days=2, pre_days=0).users
    assert 0.4 < (user["arm"] == "treatment").mean() < 0.6
    cluster = world.experiment(unit="cluster", days=2, pre_days=0).users
    assert (cluster.groupby("cluster")["arm"].nunique() == 1).all()
    daily = world.experiment(unit="switchback", days=4, pre_days=0).daily
    assert (daily.groupby(["region", "day"], observed=True)["arm"].nunique() == 1).all()
    assert daily.groupby("user")["arm"].nunique().max() == 2


def test_faults_show(world):
    clean = world.experiment(days=3, pre_days=2)
    srm = world.experiment(days=3, pre_days=2, faults=["srm"])
    count = lambda e: (e.users["arm"] == "treatment").sum()  # noqa: E731
    assert count(srm) < 0.95 * count(clean)
    bots = world.experiment(days=3, pre_days=2, faults="bots").users["shelf_clicks"]
    assert bots.max() >= 40 > clean.users["shelf_clicks"].max()
    lost = world.experiment(days=3, pre_days=2, faults="lost").users
    treated = lambda t: t.loc[t["arm"] == "treatment", "minutes"].mean()  # noqa: E731
    assert treated(lost) < 0.93 * treated(clean.users)


def test_interference_switches_change_runs_and_budget_displaces(world):
    base = world.log(14, mode="plackett-luce")
    for name in ("budget", "popularity", "creators", "training"):
        run = world.log(14, mode="plackett-luce", interference=[name])
        assert not run.equals(base), name
    tight = StreamingWorld("tiny", 3, budget_minutes=10.0)
    assert (
        tight.log(3, interference=["budget"])["minutes"].sum()
        < world.log(3)["minutes"].sum()
    )


def test_novelty_lifts_the_first_days(world):
    e = world.experiment("incumbent", days=3, pre_days=0, novelty=1.0)
    assert world.truth.experiment(e)["minutes"] > 0


# -- dials --------------------


@pytest.mark.parametrize(
    ("dial", "values", "statistic"),
    [
        ("gamma", (0.5, 1.0, 2.0), lambda w, k: np.std(k["propensity"])),
        ("examination", (0.2, 0.5, 0.9), lambda w, k: -k["clicks"].sum()),
        ("mood_weight", (0.1, 0.5, 1.0), lambda w, k: -np.corrcoef(
            k["score"], w.truth.outcomes(k)["y1"])[0, 1]),
    ],
)  # fmt: skip
def test_dials_move_what_they_should(dial, values, statistic):
    out = []
    for v in values:
        w = StreamingWorld("tiny", 5, **{dial: v})
        out.append(statistic(w, w.user_item_weeks(w.log(7))))
    assert out == sorted(out)


# -- bad input, files --------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: StreamingWorld("huge"), ValueError, "unknown size"),
        (lambda: StreamingWorld("tiny", gama=1), TypeError, "did you mean gamma"),
        (lambda: StreamingWorld("tiny", n_items=20), ValueError, "candidates"),
        (lambda: StreamingWorld("tiny", -1), ValueError, "seed"),
        (lambda: StreamingWorld("tiny").log(-3), ValueError, "days"),
        (lambda: StreamingWorld("tiny").log(1.5), ValueError, "days"),
        (lambda: StreamingWorld("tiny").log(1, users=[900]), KeyError, "unknown user"),
        (
            lambda: StreamingWorld("tiny").log(1, interference=["x"]),
            ValueError,
            "budget",
        ),
        (
            lambda: StreamingWorld("tiny").experiment(unit="x"),
            ValueError,
            "unknown unit",
        ),
        (
            lambda: StreamingWorld("tiny").experiment(faults="x"),
            ValueError,
            "unknown fault",
        ),
        (lambda: StreamingWorld("tiny", gamma="a"), TypeError, "gamma must be a numb"),
        (lambda: StreamingWorld("tiny", dims=1.5), TypeError, "whole number"),
        (lambda: StreamingWorld("tiny", alpha=np.nan), ValueError, "finite"),
        (lambda: StreamingWorld("tiny", topics=13), ValueError, "at most 12"),
        (lambda: StreamingWorld("tiny", new_share=2), ValueError, r"\[0, 1\]"),
        (lambda: StreamingWorld("tiny").log(1, chunk=-1), ValueError, "chunk"),
        (lambda: StreamingWorld("tiny").log(1, start=True), ValueError, "day"),
        (lambda: StreamingWorld("tiny").log(1, epsilon="a"), ValueError, "epsilon"),
        (lambda: StreamingWorld("tiny").contexts([1], day=-1), ValueError, "day"),
        (
            lambda: StreamingWorld("tiny").log(1, lambda c: "no numbers"),
            TypeError,
            "array of numbers",
        ),
        (
            lambda: StreamingWorld("tiny").experiment(unit="switchback", period=0),
            ValueError,
            "period",
        ),
        (lambda: StreamingWorld(["tiny"]), ValueError, "unknown size"),
        (lambda: StreamingWorld("tiny").log(1, start=2**15), ValueError, "calendar"),
        (lambda: StreamingWorld("tiny").log(1, users=[[1], [2, 3]]), TypeError, "ids"),
        (
            lambda: StreamingWorld("tiny").log(1, interference=[3]),
            ValueError,
            "unknown interference 3",
        ),
        (
            lambda: StreamingWorld("tiny").log(1, lambda c: c.scores * 1j),
            TypeError,
            "array of numbers",
        ),
        (
            lambda: StreamingWorld("tiny").experiment(days=1, novelty=np.nan),
            TypeError,
            "novelty",
        ),
        (
            lambda: StreamingWorld("tiny").experiment(days=1, pre_days=True),
            ValueError,
            "pre_days",
        ),
        (lambda: StreamingWorld("tiny").experiment(faults=3), TypeError, "faults"),
        (
            lambda: StreamingWorld("tiny").contexts([1, 2], items=[[1], [2]]),
            ValueError,
            "one list",
        ),
        (lambda: StreamingWorld("tiny").step([1], [1]), TypeError, "contexts"),
        (lambda: load("medicore", size=["tiny"]), ValueError, "unknown size"),
        (lambda: load("medicore", centred_sites=2), ValueError, "True or False"),
        (lambda: load("meridian", disadvantage=3), ValueError, "5 numbers"),
        (lambda: load("meridian", scorecard=("a",) * 6), ValueError, "6 numbers"),
        (lambda: load("meridian", drift_day=1.5), ValueError, "whole number"),
        (
            lambda: load("terraml", size="tiny").model_field(1.5, "paris", 2050),
            ValueError,
            "whole number",
        ),
        (lambda: load("mars"), ValueError, "unknown world"),
        (lambda: load("medicore", hidden="a"), TypeError, "hidden must be a number"),
        (lambda: load("terraml", bias_scale="a"), TypeError, "must be a number"),
    ],
)
def test_bad_input_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_truth_refuses_the_wrong_run_order_or_world():
    one, two = StreamingWorld("tiny", 1), StreamingWorld("tiny", 2)
    log = one.log(2)
    with pytest.raises(ValueError, match="original order"):
        one.truth.impressions(log.sample(frac=1, random_state=0))
    with pytest.raises(ZeroDivisionError):  # a run that failed is no run
        one.log(2, lambda contexts: 1 / 0)
    week = one.user_item_weeks(log)
    week.attrs.clear()
    assert len(one.truth.outcomes(week)) == len(week)
    with pytest.raises(KeyError, match="unknown user"):
        one.truth.flip(10**6, 0, 0)
    done = one.experiment(days=1, pre_days=0)
    with pytest.raises(ValueError, match="not made by this world"):
        two.truth.experiment(done)
    two.log(1, mode="plackett-luce")
    with pytest.raises(ValueError, match="bernoulli logging only"):
        two.truth.flip(0, 0, 0)


def test_views_of_a_log_in_which_nobody_came(world):
    late = world.users.loc[world.users["signup_day"] > 7, "user"].to_numpy()[:1]
    log = world.log(1, users=late)
    assert len(log) == 0
    assert list(log) == list(world.LOG_COLUMNS)
    for view in (world.user_item_weeks, world.sessions, world.daily_users,
                 world.click_features):  # fmt: skip
        assert len(view(log)) == 0


def test_streaming_to_parquet_gives_the_same_log(world, log, tmp_path):
    out = world.log(14, out=tmp_path / "log", chunk=100)
    files = sorted(out.glob("*.parquet"))
    assert len(files) > 3
    disk = pd.concat([pd.read_parquet(f) for f in files])
    by = ["day", "user", "session", "item"]
    a, b = (x.sort_values(by, ignore_index=True) for x in (disk, log))
    for name in ("user", "item", "propensity", "minutes", "position"):
        assert (a[name].to_numpy() == b[name].to_numpy()).all()
    with pytest.raises(FileExistsError):
        world.log(1, out=out)


def test_an_interrupted_run_leaves_nothing(world, tmp_path):
    calls = []

    def stop(contexts):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return half(contexts)

    with pytest.raises(KeyboardInterrupt):
        world.log(14, policy=stop, out=tmp_path / "log", chunk=200)
    assert list(tmp_path.iterdir()) == []


def test_description_and_figure(world):
    page = world.describe()
    assert "500 registered users" in page and len(page.splitlines()) < 40
    import matplotlib

    matplotlib.use("Agg")
    assert len(world.plot().axes) == 4


def test_registry_names_the_four_worlds():
    assert set(WORLDS) == {"streaming", "medicore", "meridian", "terraml"}
    assert isinstance(load("streaming", size="tiny"), StreamingWorld)
