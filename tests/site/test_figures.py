"""Figures: deterministic, small, named, legible in both themes."""

from __future__ import annotations

import numpy as np
import pytest

from streamrec.book import figures

plt = pytest.importorskip("matplotlib.pyplot")


def _figure(points: int = 50):
    fig, ax = plt.subplots()
    x = np.linspace(0, 1, points)
    ax.plot(x, np.sin(9 * x), label="one")
    ax.set(xlabel="$x$", ylabel="minutes")
    ax.legend()
    return fig


@pytest.fixture(autouse=True)
def _style():
    before = dict(plt.rcParams)
    figures.use()
    yield
    plt.close("all")
    plt.rcParams.update(before)


def test_the_same_figure_gives_the_same_bytes():
    first, second = (figures.svg(_figure(), "fig-x") for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first and first.startswith("<svg")


def test_rounding_keeps_every_number_readable():
    text = figures.svg(_figure(), "fig-x")
    assert "-0 " not in text and "nan" not in text
    assert len(text.encode()) < figures.MAX_BYTES


@pytest.mark.parametrize(
    ("name", "caption", "alt", "message"),
    [
        ("ndcg", "A caption.", "a text of more than twenty letters", "fig-"),
        ("fig-x", " ", "a text of more than twenty letters", "caption"),
        ("fig-x", "A caption.", "short", "alt text"),
        (
            "fig-x",
            "The same text for both uses.",
            "The same text for both uses.",
            "repeats",
        ),
    ],
)
def test_a_figure_without_words_is_refused(name, caption, alt, message):
    with pytest.raises(ValueError, match=message):
        figures.show(_figure(), name, caption=caption, alt=alt)


def test_a_heavy_figure_is_refused():
    fig, ax = plt.subplots()
    points = np.random.default_rng(0).random((5000, 2))
    ax.scatter(*points.T)
    with pytest.raises(ValueError, match="fewer points"):
        figures.svg(fig, "fig-heavy")


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    ]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    "name", [n for n in figures.PALETTE if n not in ("grid", "paper")]
)
def test_colours_stand_out_in_both_themes(name):
    colour = figures.PALETTE[name]
    least = 4.5 if name in ("ink", "muted") else 3.0
    assert _contrast(colour.light, "#ffffff") >= least
    assert _contrast(colour.dark, "#14181e") >= least


# Simulation of deuteranopia and protanopia, Machado et al. (2009), full severity.
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]])  # fmt: skip
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]])  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "matrix", [np.eye(3), DEUTAN, PROTAN], ids=["all", "deutan", "protan"]
)
def test_the_first_four_colours_can_be_told_apart(theme, matrix):
    names = ["blue", "vermillion", "green", "purple"]
    rgb = np.array([
        [int(getattr(figures.PALETTE[n], theme)[i : i + 2], 16) / 255
         for i in (1, 3, 5)]
        for n in names
    ])  # fmt: skip
    seen = np.clip(rgb**2.2 @ matrix.T, 0, 1) ** (1 / 2.2)
    gaps = [np.linalg.norm(seen[i] - seen[j]) for i in range(4) for j in range(i)]
    assert min(gaps) > 0.18
