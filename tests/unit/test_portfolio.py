"""Order, completion dates, schedules and present cost against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamrec.decisions import portfolio as p


def test_order_respects_dependencies_and_names_a_ring():
    assert p.order({"a": ["c"], "b": ["a"], "c": []}) == ["c", "a", "b"]
    assert p.order({}) == []
    with pytest.raises(p.CycleError, match="a -> b -> a") as error:
        p.order({"a": ["b"], "b": ["a"]})
    assert error.value.cycle == ("a", "b", "a")
    with pytest.raises(p.CycleError, match="b -> b"):
        p.order({"a": [], "b": ["b"]})
    with pytest.raises(KeyError, match="unknown bet 'z'"):
        p.order({"a": ["z"]})


def longest(D, depends):
    """Longest path into each bet, over all paths, one draw."""
    keys = list(depends)

    def into(k):
        return D[keys.index(k)] + max([0.0, *map(into, depends[k])])

    return [into(k) for k in keys]


def test_finish_times_are_longest_paths():
    rng = np.random.default_rng(1)
    depends = {"d": ["b", "c"], "a": [], "b": ["a"], "c": ["a"], "e": []}
    D = rng.exponential(size=(20, 5))
    want = [longest(row, depends) for row in D]
    np.testing.assert_allclose(p.finish_times(D, depends), want, rtol=1e-12)
    np.testing.assert_allclose(p.finish_times(D[0], depends), want[0], rtol=1e-12)
    with pytest.raises(ValueError, match="one column"):
        p.finish_times(D[:, :4], depends)


def test_lognormal_hits_its_quantiles():
    rng = np.random.default_rng(0)
    x = p.lognormal([10.0, 4.0], [19.0, 5.0], 40_000, rng)
    q = np.quantile(x, [0.5, 0.9], axis=0)
    np.testing.assert_allclose(q, [[10.0, 4.0], [19.0, 5.0]], rtol=0.02)
    with pytest.raises(ValueError, match="90 % point"):
        p.lognormal([2.0], [1.0], 3, rng)
    with pytest.raises(ValueError, match="positive"):
        p.lognormal([0.0], [1.0], 3, rng)


def best_by_hand(tasks, C):
    """Every choice of start quarters, most valuable feasible one."""
    T, best = len(C), 0.0
    for starts in itertools.product([None, *range(T)], repeat=len(tasks)):
        at = {k.key: s for k, s in zip(tasks, starts, strict=True) if s is not None}
        end = {k.key: at[k.key] + k.quarters for k in tasks if k.key in at}
        if any(e > T for e in end.values()):
            continue
        if any(
            d not in end or end[d] > at[k.key]
            for k in tasks if k.key in at for d in k.depends
        ):  # fmt: skip
            continue
        used = np.zeros_like(C)
        for k in tasks:
            if k.key in at:
                for t in range(at[k.key], end[k.key]):
                    used[t] += k.demand
        if (used <= C + 1e-9).all():
            worth = sum(k.value * (T - end[k.key]) for k in tasks if k.key in at)
            best = max(best, worth)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_schedule_is_as_good_as_exhaustive_search(seed):
    rng = np.random.default_rng(seed)
    C = rng.integers(4, 9, size=(4, 2)).astype(float)
    tasks = []
    for b in range(4):
        demand = tuple(map(float, rng.integers(1, 5, size=2)))
        needs = tuple(f"t{a}" for a in range(b) if rng.random() < 0.3)
        length = int(rng.integers(1, 3))
        tasks.append(p.Task(f"t{b}", length, demand, float(rng.integers(1, 9)), needs))
    plan = p.schedule(tasks, C)
    assert plan.value == pytest.approx(best_by_hand(tasks, C))
    assert (plan.used <= C + 1e-9).all()
    by_key = {k.key: k for k in tasks}
    total = 0.0
    for key, s in plan.start.items():
        total += by_key[key].value * (4 - s - by_key[key].quarters)
        for d in by_key[key].depends:
            assert plan.start[d] + by_key[d].quarters <= s
    assert total == pytest.approx(plan.value)
    np.testing.assert_allclose(plan.used, p.usage(tasks, plan.start, 4))


def test_the_schedule_is_exact_to_the_last_point():
    """A plan better by 1 in 30,000 is preferred: the solver's default would not."""
    C = np.array([[1.0], [1.0], [0.0]])
    big = p.Task("big", 1, (1.0,), 30_000.0)
    alike = p.Task("alike", 1, (1.0,), 30_001.0)
    plan = p.schedule([big, alike], C)
    assert plan.start == {"alike": 0, "big": 1} and plan.value == 90_002.0


def test_plan_value_counts_quarters_left():
    k = p.Task("a", 2, (1.0,), 3.0)
    assert [p.plan_value(k, t, 5) for t in range(6)] == [9, 6, 3, 0, 0, 0]


def test_bad_tasks_are_refused():
    good = p.Task("a", 1, (1.0, 1.0), 1.0)
    C = np.ones((4, 2))
    for tasks, capacity, part in (
        ([], C, "at least one bet"),
        ([good, good], C, "no key twice"),
        ([p.Task("a", 1, (1.0,), 1.0)], C, "2 demands"),
        ([p.Task("a", 0, (1.0, 1.0), 1.0)], C, "one quarter"),
        ([p.Task("a", 1, (-1.0, 1.0), 1.0)], C, "at least 0"),
        ([good], -C, "not negative"),
        ([good], C[0], "quarters x roles"),
        ([good], C * np.nan, "finite"),
    ):
        with pytest.raises(ValueError, match=part):
            p.schedule(tasks, capacity)
    with pytest.raises(p.CycleError):
        p.schedule([p.Task("a", 1, (1.0, 1.0), 1.0, ("a",))], C)
    with pytest.raises(KeyError):
        p.schedule([p.Task("a", 1, (1.0, 1.0), 1.0, ("z",))], C)


@pytest.mark.parametrize(("rate", "growth"), [(0.1, 0.25), (0.08, 0.0), (0.1, 0.1)])
def test_present_cost_year_by_year(rate, growth):
    flows = [10.0 * (1 + growth) ** (t - 1) / (1 + rate) ** t for t in (1, 2, 3)]
    assert p.present_cost(7.0, 10.0, 3, rate, growth) == pytest.approx(7 + sum(flows))
    assert p.annuity(3, rate, growth) == pytest.approx(sum(flows) / 10)
    assert p.present_cost(7.0, 10.0, 0, rate) == 7.0
    for bad in ((-1, 0.1, 0.0), (1, -1.0, 0.0), (1, 0.1, -1.0)):
        with pytest.raises(ValueError, match="above -1"):
            p.present_cost(1.0, 1.0, *bad)
