"""Addressed random numbers: uniform, independent of each other, the same anywhere."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from streamrec.worlds.random import Addressed, fast_gumbel, mix, session_bits

# Each statistical test below is run with fixed seeds; its false-alarm rate was 1 in
# 10,000 before the seed was fixed.
ALARM = 1e-4


def test_mix_is_splitmix64():
    """First output of SplitMix64 from state 0 (golden ratio added once)."""
    golden = np.array([0x9E3779B97F4A7C15], dtype=np.uint64)
    assert int(mix(golden)[0]) == 0xE220A8397B1DCDAF


def test_same_address_same_number_in_any_shape_and_order():
    r = Addressed(3)
    grid = r.uniform("x", np.arange(7)[:, None], np.arange(5))
    assert grid.shape == (7, 5)
    assert grid[4, 2] == Addressed(3).uniform("x", 4, 2)
    assert (r.uniform("x", np.arange(7)[::-1], 2) == grid[::-1, 2]).all()


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_uniform_over_each_part_of_the_address(seed):
    r, n = Addressed(seed), np.arange(20_000)
    for address in ((n, 3, 1), (3, n, 1), (3, 1, n), (n, n, n)):
        assert kstest(r.uniform("test", *address), "uniform").pvalue > ALARM


def test_neighbours_are_independent():
    """Pairs (address, next address) fill a 16 x 16 grid evenly; so do two purposes."""
    r, n = Addressed(1), np.arange(200_000)
    x = r.uniform("a", n, 5)
    for y in (r.uniform("a", n + 1, 5), r.uniform("a", n, 6), r.uniform("b", n, 5),
              Addressed(2).uniform("a", n, 5)):  # fmt: skip
        count = np.histogram2d(x, y, bins=16, range=[[0, 1], [0, 1]])[0]
        expected = len(n) / 256
        statistic = ((count - expected) ** 2 / expected).sum()
        assert chi2.sf(statistic, 255) > ALARM


def test_every_bit_is_fair_and_flips_with_one_bit_of_address():
    b = Addressed(9).bits("bits", np.arange(50_000))
    other = Addressed(9).bits("bits", np.arange(50_000) ^ 1)
    ones = np.array([((b >> np.uint64(k)) & np.uint64(1)).mean() for k in range(64)])
    flips = np.array(
        [(((b ^ other) >> np.uint64(k)) & np.uint64(1)).mean() for k in range(64)]
    )
    bound = 5 * 0.5 / np.sqrt(50_000)
    assert np.abs(ones - 0.5).max() < bound and np.abs(flips - 0.5).max() < 1.5 * bound


def test_fields_of_a_session_number_are_independent():
    cell = Addressed(4).bits("cell", np.arange(100_000))
    b = session_bits(cell, 11)
    low = (b & np.uint64(0xFFFF)).astype(float)
    mid = ((b >> np.uint64(16)) & np.uint64(0xFFFFFF)).astype(float)
    high = (b >> np.uint64(40)).astype(float)
    again = (session_bits(cell, 12) >> np.uint64(40)).astype(float)
    R = np.corrcoef([low, mid, high, again])
    assert np.abs(R - np.eye(4)).max() < 5 / np.sqrt(100_000)


def test_retrieval_noise_is_gumbel_without_structure():
    r = Addressed(5)
    ku = r.bits("u", np.arange(400)).astype(np.uint32)
    ki = r.bits("i", np.arange(500)).astype(np.uint32)
    g = fast_gumbel(ku, ki)
    assert kstest(g.ravel()[::7], "gumbel_r").pvalue > ALARM
    # singular values of pure noise stay within the Marchenko-Pastur edge (+ 10 %)
    top = np.linalg.svd(g - g.mean(), compute_uv=False)[0]
    assert top < 1.1 * g.std() * (np.sqrt(400) + np.sqrt(500))


@pytest.mark.parametrize("seed", [1.5, "a", True])
def test_seed_must_be_an_integer(seed):
    with pytest.raises(TypeError, match="integer"):
        Addressed(seed)


def test_addresses_must_be_integers():
    with pytest.raises(TypeError, match="integers"):
        Addressed(0).uniform("x", 0.5)
