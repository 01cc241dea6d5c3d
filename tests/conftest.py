"""Shared by all tests: one hypothesis profile and the data they use most."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# Examples come from a fixed seed, so a failure on one machine fails on all of them; a
# slow machine must not fail a test by being slow.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def movielens():
    """MovieLens 100k; the container is immutable, so tests may share it."""
    from streamrec.data.sources import movielens_100k

    return movielens_100k()


@pytest.fixture(scope="session")
def movielens_split(movielens):
    """The protocol of the book: the last fifth of every user's history held out."""
    from streamrec.data.splits import last_fraction

    return last_fraction(movielens)
