"""The arithmetic of a portfolio: order, schedule, completion dates, present cost.

B bets, T quarters, R roles, n Monte-Carlo draws. Source: Chapter 38; the schedule is a
time-indexed integer programme (Pritsker, Watters and Wolfe 1969), solved by HiGHS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Depends = Mapping[str, Sequence[str]]


class CycleError(ValueError):
    """Bets that wait for each other; ``cycle`` holds their keys."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(
            f"{' -> '.join(self.cycle)} wait for each other: drop one dependency"
        )


def order(depends: Depends) -> list[str]:
    """Keys so that each comes after all it depends on; ties in the given order.

    Raises KeyError for an unknown key and CycleError, with the ring, for a cycle.

    >>> order({"rerank": ["logs"], "logs": []})
    ['logs', 'rerank']
    """
    done: list[str] = []
    path: list[str] = []

    def visit(key: str) -> None:
        if key in done:
            return
        if key in path:
            raise CycleError([*path[path.index(key) :], key])
        if key not in depends:
            raise KeyError(f"{path[-1]!r} depends on the unknown bet {key!r}")
        path.append(key)
        for need in depends[key]:
            visit(need)
        path.pop()
        done.append(key)

    for key in depends:
        visit(key)
    return done


# ------------------------------------------------------------------ completion dates


def lognormal(
    median: ArrayLike, p90: ArrayLike, n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Durations (n, B) with given medians and 90 % points, independent over bets.

    log D = log median + sigma Z, sigma = log(p90 / median) / z_0.9.

    >>> lognormal([4.0], [4.0], 2, np.random.default_rng(0)).tolist()
    [[4.0], [4.0]]
    """
    m, q = np.asarray(median, dtype=float), np.asarray(p90, dtype=float)
    if (m <= 0).any() or (q < m).any():
        raise ValueError("medians must be positive and no 90 % point below its median")
    return m * np.exp(lognormal_sigma(m, q) * rng.standard_normal((n, len(m))))


# derivation: eq-staff-sigma
def lognormal_sigma(median: ArrayLike, p90: ArrayLike) -> NDArray[np.float64]:
    """Sigma = log(p90 / median) / z_0.9, z_0.9 = 1.2816.

    >>> round(float(lognormal_sigma(10.0, 19.0)), 3)
    0.501
    """
    from scipy.special import ndtri

    return np.log(np.asarray(p90) / np.asarray(median)) / ndtri(0.9)


# derivation: eq-staff-finish
def finish_times(durations: ArrayLike, depends: Depends) -> NDArray[np.float64]:
    """F_b = D_b + max over b's dependencies of F, (..., B); columns as in ``depends``.

    Raises ValueError for a wrong number of columns, CycleError, KeyError.

    >>> finish_times([[2.0, 3.0, 1.0]], {"a": [], "b": [], "c": ["a", "b"]}).tolist()
    [[2.0, 3.0, 4.0]]
    """
    D, keys = np.asarray(durations, dtype=float), list(depends)
    if D.shape[-1:] != (len(keys),):
        raise ValueError(f"durations need one column for each of {len(keys)} bets")
    F = np.zeros_like(D)
    for key in order(depends):
        b, need = keys.index(key), [keys.index(k) for k in depends[key]]
        start = F[..., need].max(axis=-1, initial=0.0)  # (...)
        F[..., b] = start + D[..., b]
    return F


# ------------------------------------------------------------------ schedule


@dataclass(frozen=True)
class Task:
    """A bet as the scheduler sees it.

    quarters: how long it takes. demand (R,): person-weeks a quarter of each role.
    value: what a quarter is worth once it is done. depends: keys of other tasks.
    """

    key: str
    quarters: int
    demand: tuple[float, ...]
    value: float
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """start: first quarter (from 0) of each chosen bet. value: what the plan earns.
    used (T, R): person-weeks taken.
    """

    start: dict[str, int]
    value: float
    used: NDArray[np.float64]


# derivation: eq-staff-milp
def plan_value(task: Task, start: int, horizon: int) -> float:
    """Value x quarters left after completion; nothing if it is never done.

    >>> plan_value(Task("a", 2, (1.0,), 5.0), 0, 4)
    10.0
    """
    return task.value * max(horizon - (start + task.quarters), 0)


def schedule(tasks: Sequence[Task], capacity: ArrayLike) -> Plan:
    """The start quarters that earn most within capacity (T, R) and dependencies.

    x_bt = 1 if bet b starts in quarter t. Maximise sum v_bt x_bt, v_bt as in
    ``plan_value``, subject to: each bet at most once; in each quarter and role demand
    at most capacity; a bet starts in t only if each bet it depends on started at least
    its own duration earlier.

    Raises ValueError for shapes, negative numbers and repeated keys; CycleError,
    KeyError for dependencies.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    C = np.asarray(capacity, dtype=float)
    _check_tasks(tasks, C)
    T, R = C.shape
    B = len(tasks)
    value = np.array([[plan_value(k, t, T) for t in range(T)] for k in tasks])
    fits = np.array([[t + k.quarters <= T for t in range(T)] for k in tasks])
    rows, most = _constraints(tasks, C)
    found = milp(
        -value.ravel() + 1e-6 * np.tile(np.arange(T), B),  # ties: earlier, sparer
        constraints=LinearConstraint(rows, ub=most),
        integrality=np.ones(B * T),
        bounds=Bounds(0, fits.ravel().astype(float)),
        options={"mip_rel_gap": 0.0},  # HiGHS stops at 1e-4 otherwise
    )
    x = np.rint(found.x).astype(int).reshape(B, T)
    start = {k.key: int(x[b].argmax()) for b, k in enumerate(tasks) if x[b].any()}
    used = usage(tasks, start, T)
    return Plan(start, float((value * x).sum()), used)


def _check_tasks(tasks: Sequence[Task], C: NDArray[np.float64]) -> None:
    if C.ndim != 2 or C.size == 0 or not np.isfinite(C).all() or (C < 0).any():
        raise ValueError("capacity must be quarters x roles, finite and not negative")
    keys = [k.key for k in tasks]
    if not keys or len(set(keys)) < len(keys):
        raise ValueError("there must be at least one bet and no key twice")
    for k in tasks:
        if len(k.demand) != C.shape[1] or min(k.demand) < 0 or k.quarters < 1:
            raise ValueError(
                f"bet {k.key!r} needs {C.shape[1]} demands of at least 0 and at least "
                "one quarter"
            )
    order({k.key: k.depends for k in tasks})


# derivation: eq-staff-milp
def usage(
    tasks: Sequence[Task], start: Mapping[str, int], horizon: int
) -> NDArray[np.float64]:
    """Person-weeks a quarter and role, (T, R), of bets that start as given.

    >>> usage([Task("a", 2, (3.0,), 1.0)], {"a": 1}, 3).ravel().tolist()
    [0.0, 3.0, 3.0]
    """
    demand = np.array([k.demand for k in tasks])  # (B, R)
    used = np.zeros((horizon, demand.shape[1]))
    for k, a in zip(tasks, demand, strict=True):
        if k.key in start:
            used[start[k.key] : start[k.key] + k.quarters] += a
    return used


# derivation: eq-staff-milp
def _constraints(
    tasks: Sequence[Task], C: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows A (m, B T) and bounds b (m,) of A x <= b."""
    (T, _), B = C.shape, len(tasks)
    keys = [k.key for k in tasks]
    rows: list[NDArray[np.float64]] = []
    most: list[float] = []
    for b in range(B):  # at most once
        a = np.zeros((B, T))
        a[b] = 1
        rows.append(a)
        most.append(1.0)
    for (t, r), limit in np.ndenumerate(C):  # running in quarter t
        a = np.zeros((B, T))
        for b, k in enumerate(tasks):
            a[b, max(0, t - k.quarters + 1) : t + 1] = k.demand[r]
        rows.append(a)
        most.append(float(limit))
    for b, k in enumerate(tasks):  # started by t only if the need is done by t
        for need in k.depends:
            c = keys.index(need)
            for t in range(T):
                a = np.zeros((B, T))
                a[b, : t + 1] = 1
                a[c, : max(0, t - tasks[c].quarters + 1)] -= 1
                rows.append(a)
                most.append(0.0)
    return np.array(rows).reshape(len(rows), -1), np.array(most)


# ------------------------------------------------------------------ build or buy


# derivation: eq-staff-annuity
def present_cost(
    upfront: float, yearly: float, years: int, rate: float, growth: float = 0.0
) -> float:
    """Upfront + sum over t = 1..years of yearly (1 + growth)^(t-1) / (1 + rate)^t.

    >>> round(present_cost(100.0, 10.0, 3, 0.0), 6)
    130.0
    """
    if years < 0 or rate <= -1 or growth <= -1:
        raise ValueError("years must be at least 0, rate and growth above -1")
    t = np.arange(1, years + 1)
    return float(upfront + yearly * ((1 + growth) ** (t - 1) / (1 + rate) ** t).sum())


# derivation: eq-staff-annuity
def annuity(years: int, rate: float, growth: float = 0.0) -> float:
    """Present cost of 1 a year that grows: (1 - q^years) / (rate - growth),
    q = (1 + growth) / (1 + rate); years / (1 + rate) where rate = growth.

    >>> round(annuity(3, 0.1), 4)
    2.4869
    """
    if math.isclose(rate, growth, abs_tol=1e-12):
        return years / (1 + rate)
    q = (1 + growth) / (1 + rate)
    return (1 - q**years) / (rate - growth)
