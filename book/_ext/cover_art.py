"""The picture of the cover: a sparse matrix completed from two thin factors."""

from __future__ import annotations

import numpy as np

ROWS, COLUMNS, RANK = 13, 46, 3
STEP, RADIUS = 22.0, 9.0
LEFT, TOP = 118.0, 104.0


def _disc(x: float, y: float, value: float, seen: bool, shown: float) -> str:
    radius = RADIUS * (0.35 + 0.65 * min(abs(value), 1.0))
    side = "plus" if value > 0 else "minus"
    if seen:
        return f'<circle class="{side}" cx="{x:g}" cy="{y:g}" r="{radius:.1f}"/>'
    if shown < 0.04:
        return f'<circle class="void" cx="{x:g}" cy="{y:g}" r="1.4"/>'
    return (
        f'<circle class="{side} guess" cx="{x:g}" cy="{y:g}" r="{radius:.1f}" '
        f'opacity="{shown:.2f}"/>'
    )


def _cell(x: float, y: float, value: float) -> str:
    side = "plus" if value > 0 else "minus"
    strength = 0.15 + 0.75 * min(abs(value), 1.0)
    return (
        f'<rect class="{side}" x="{x - 8:g}" y="{y - 8:g}" width="16" height="16" '
        f'rx="3" '
        f'opacity="{strength:.2f}"/>'
    )


def cover() -> str:
    """The SVG, same bytes every time."""
    rng = np.random.default_rng(1)
    U = rng.normal(size=(ROWS, RANK))
    t = np.linspace(0, 1, COLUMNS)
    waves = [
        np.sin(2 * np.pi * (f * t + p)) for f, p in ((1.5, 0.1), (2.3, 0.6), (3.1, 0.3))
    ]
    V = np.stack(waves, axis=1) + 0.25 * rng.normal(size=(COLUMNS, RANK))
    R = U @ V.T
    R /= np.quantile(np.abs(R), 0.9)
    seen = rng.random(R.shape) < 0.13
    shown = 1 / (1 + np.exp(-(t - 0.55) * 9))
    shapes = []
    for i in range(ROWS):
        for k in range(RANK):
            shapes.append(_cell(30 + STEP * k, TOP + STEP * i, U[i, k] / 2))
        for j in range(COLUMNS):
            x, y = LEFT + STEP * j, TOP + STEP * i
            shapes.append(_disc(x, y, R[i, j], bool(seen[i, j]), shown[j]))
    for j in range(COLUMNS):
        for k in range(RANK):
            shapes.append(_cell(LEFT + STEP * j, 26 + STEP * k, V[j, k] / 1.2))
    width, height = LEFT + STEP * COLUMNS, TOP + STEP * ROWS - 4
    label = (
        "A matrix of users by items. On the left only a few entries are known; towards "
        "the right the missing ones appear, computed from the two thin factor matrices "
        "along its edges."
    )
    return (
        f'<div class="cover-art-frame"><svg class="cover-art" role="img" '
        f'aria-label="{label}" '
        f'viewBox="10 10 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">'
        + "".join(shapes)
        + "</svg></div>\n"
    )
