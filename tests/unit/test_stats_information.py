"""Entropy and mutual information against scikit-learn, loops and known truths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_regression
from sklearn.metrics import mutual_info_score

from streamrec.stats import information as m


def labels(seed, n=300):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    x = (z + rng.integers(0, 2, n)) % 4
    return x, (x * z + rng.integers(0, 2, n)) % 3, z


def brute(x, y):
    n, total = len(x), 0.0
    for a in set(x):
        for b in set(y):
            p = np.sum((x == a) & (y == b)) / n
            if p > 0:
                total += p * np.log(p / (np.mean(x == a) * np.mean(y == b)))
    return total


@given(st.integers(0, 1000))
def test_plug_in_equals_scikit_learn_and_the_double_sum(seed):
    x, y, z = labels(seed, 60)
    value = m.mutual_information(x, y)
    assert value == pytest.approx(mutual_info_score(x, y), abs=1e-12)
    assert value == pytest.approx(brute(x, y), abs=1e-12)
    assert value == pytest.approx(m.mutual_information(y, x), abs=1e-12)
    by_part = sum(np.mean(z == c) * brute(x[z == c], y[z == c]) for c in set(z))
    conditional = m.conditional_mutual_information(x, y, z)
    assert conditional == pytest.approx(by_part, abs=1e-12)
    # chain rule: I(X; Y, Z) = I(X; Z) + I(X; Y | Z)
    both = m.mutual_information(x, 10 * y + z)
    assert both == pytest.approx(m.mutual_information(x, z) + conditional, abs=1e-12)


def test_entropy_of_counts_and_its_correction():
    c = np.array([[5, 0, 3], [1, 1, 0]])
    h = stats.entropy(c.ravel())
    assert m.entropy_of_counts(c) == pytest.approx(h)
    mm = m.entropy_of_counts(c, correction="miller-madow")
    assert mm == pytest.approx(h + 3 / 20)
    # four cells were seen, so the correction is (4 - 1) / (2 * 10)


def test_miller_madow_removes_the_first_order_bias():
    # 5 standard errors: about one false alarm in a million runs
    rng = np.random.default_rng(2)
    p = np.array([0.4, 0.3, 0.2, 0.1])
    truth, n, reps = stats.entropy(p), 100, 4_000
    counts = rng.multinomial(n, p, reps)
    plug = np.array([m.entropy_of_counts(c) for c in counts])
    mm = np.array([m.entropy_of_counts(c, correction="miller-madow") for c in counts])
    se = plug.std() / np.sqrt(reps)
    assert abs(plug.mean() - truth + 3 / 200) < 5 * se + 2e-4
    assert abs(mm.mean() - truth) < 5 * se + 2e-4
    assert abs(plug.mean() - truth) > 10 * se


def loop_ksg(x, y, k):
    x, y = x / x.std(), y / y.std()
    n, total = len(x), 0.0
    for i in range(n):
        dx, dy = abs(x - x[i]), abs(y - y[i])
        both = np.maximum(dx, dy)
        radius = np.sort(both)[k]
        near = sum(dx < radius) - 1, sum(dy < radius) - 1
        total += digamma(near[0] + 1) + digamma(near[1] + 1)
    return digamma(n) + digamma(k) - total / n


@pytest.mark.parametrize("k", [1, 3, 7])
def test_ksg_equals_the_loop_and_scikit_learn(k):
    rng = np.random.default_rng(k)
    x = rng.normal(size=200)
    y = np.sin(2 * x) + 0.3 * rng.normal(size=200)
    assert m.ksg(x, y, k=k) == pytest.approx(loop_ksg(x, y, k), rel=1e-12)
    library = mutual_info_regression(
        x[:, None] / x.std(), y / y.std(), n_neighbors=k, random_state=0
    )[0]
    assert m.ksg(x, y, k=k) == pytest.approx(library, abs=1e-6)
    assert m.ksg(1e3 * x - 5, y, k=k) == pytest.approx(m.ksg(x, y, k=k), rel=1e-9)
    assert m.ksg(x, x, k=k) == pytest.approx(digamma(200) - digamma(k))


def test_ksg_in_several_dimensions_and_on_normals():
    # tolerance: spread 0.03 at n = 1,500 (measured over 200 seeds), taken five times
    rng = np.random.default_rng(4)
    x = rng.normal(size=(1_500, 2))
    y = 0.6 * x + 0.8 * rng.normal(size=(1_500, 2))
    assert abs(m.ksg(x, y) + np.log(1 - 0.36)) < 0.15
    one = m.ksg(x[:, 0], y[:, 0])
    assert one == pytest.approx(m.ksg(x[:, :1], y[:, :1]))
    line = m._strictly_within(x[:, :1], np.full(1_500, 0.1))
    tree = m._strictly_within(np.c_[x[:, :1], x[:, :1]], np.full(1_500, 0.1))
    np.testing.assert_array_equal(line, tree)
    assert abs(m.ksg(x[:, 0], rng.normal(size=1_500))) < 0.15


def table_sample(seed=0, n=4_000):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    user = rng.integers(0, 80, n)
    X = np.column_stack([y + rng.normal(size=n), rng.normal(size=n), user % 2 * 1.0])
    return X, y, user


def test_ranking_is_the_plug_in_of_each_binned_column():
    X, y, user = table_sample()
    table = m.rank_features(X, y, ["signal", "noise", "parity"], groups=user)
    assert table.index[0] == "signal"
    for j, name in enumerate(["signal", "noise", "parity"]):
        code = m.bin_codes(X[:, j], m.quantile_edges(X[:, j], 10))
        assert table.plug_in[name] == pytest.approx(mutual_info_score(code, y))
        rows = np.arange(len(y))
        left_out = [
            mutual_info_score(code[rows[user != g]], y[rows[user != g]])
            for g in range(80)
        ]
        by_hand = 80 * table.plug_in[name] - 79 * np.mean(left_out)
        assert table.mi[name] == pytest.approx(by_hand, abs=1e-10)
        se = np.sqrt(79 / 80 * ((left_out - np.mean(left_out)) ** 2).sum())
        assert table.se[name] == pytest.approx(se, abs=1e-10)
    assert table.bins.to_dict() == {"signal": 10, "noise": 10, "parity": 2}
    np.testing.assert_allclose(table.share, table.mi / stats.entropy(np.bincount(y)))


def test_independent_rows_are_miller_madow_with_a_delta_method_error():
    X, y, _ = table_sample(1)
    table = m.rank_features(X, y)
    code = m.bin_codes(X[:, 0], m.quantile_edges(X[:, 0], 10))
    mm = m.mutual_information(code, y, correction="miller-madow")
    assert table.mi["x0"] == pytest.approx(mm)
    assert table.mi["x1"] == pytest.approx(table.plug_in["x1"] - 9 / 8_000)
    # row by row: the error of a mean of log ratios
    p_xy = np.array([np.mean((code == a) & (y == b)) for a, b in zip(code, y)])
    p_x = np.array([np.mean(code == a) for a in code])
    p_y = np.array([np.mean(y == b) for b in y])
    ratio = np.log(p_xy / (p_x * p_y))
    assert table.se["x0"] == pytest.approx(ratio.std() / np.sqrt(len(y)))
    rows = np.arange(len(y))  # every row its own group: the two routes nearly agree
    jack = m.rank_features(X[:500], y[:500], groups=rows[:500])
    near = m.rank_features(X[:500], y[:500])
    np.testing.assert_allclose(jack.mi["x0"], near.mi["x0"], atol=2e-3)
    np.testing.assert_allclose(jack.se["x0"], near.se["x0"], rtol=0.1)


def test_missing_values_are_a_bin_and_can_inform():
    rng = np.random.default_rng(6)
    y = rng.integers(0, 2, 3_000)
    x = np.where((y == 1) & (rng.random(3_000) < 0.5), np.nan, rng.normal(size=3_000))
    table = m.rank_features(x[:, None], y, ["gaps"])
    assert table.bins["gaps"] == 11 and table.mi["gaps"] > 10 * table.se["gaps"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: m.entropy_of_counts([0, 0]),
        lambda: m.entropy_of_counts([1, -1]),
        lambda: m.entropy_of_counts([1], correction="magic"),
        lambda: m.mutual_information([1, 2], [1]),
        lambda: m.mutual_information([], []),
        lambda: m.ksg([1.0, 2, 3], [1.0, 2]),
        lambda: m.ksg([1.0, 1, 1], [1.0, 2, 3]),
        lambda: m.ksg([1.0, 2, np.nan], [1.0, 2, 3]),
        lambda: m.ksg([1.0, 2, 3], [1.0, 2, 3], k=3),
        lambda: m.ksg([1.0, 1, 1, 2], [1.0, 1, 1, 3], k=1),
        lambda: m.rank_features([1.0, 2], [0, 1]),
        lambda: m.rank_features([[1.0], [2]], [0, 0]),
        lambda: m.rank_features([[1.0], [2]], [0, 1], ["a", "b"]),
        lambda: m.rank_features([[1.0], [2]], [0, 1], groups=[1, 1]),
        lambda: m.rank_features([[1.0], [2]], [0, 1], groups=[1, 2, 3]),
    ],
)
def test_bad_input_is_refused_in_words(call):
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        call()
