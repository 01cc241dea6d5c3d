"""The style of every figure in the book, and the one way to show a figure.

``use()`` sets the style for a page; ``show(fig, name, caption=, alt=)`` puts a figure
in it with a number, a caption and a text alternative. Figures are SVG, byte-identical
from run to run, and drawn in the colours of `PALETTE`, each of which the site replaces
by its counterpart when the reader chooses the dark theme.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_BYTES = 60_000  # a figure larger than this makes pages slow on a phone
WIDTH, HEIGHT = 6.0, 3.5  # inches; text stays legible when a phone shrinks it


@dataclass(frozen=True)
class Colour:
    """One colour of the book: its shade on white and its shade on the dark page."""

    light: str  # lower-case hexadecimal, as written to the SVG
    dark: str


# From Okabe and Ito (2008), told apart with any common colour blindness; the shades are
# moved so that each has a contrast of at least 3 with its page (ink and muted: 4.5).
PALETTE: dict[str, Colour] = {
    "blue": Colour("#0072b2", "#3d9be0"),
    "vermillion": Colour("#d55e00", "#ff7b2e"),
    "green": Colour("#00875f", "#1fae80"),
    "purple": Colour("#cc79a7", "#f5c2e0"),
    "ochre": Colour("#a97000", "#f0b429"),
    "sky": Colour("#2a8fc7", "#8ed0f7"),
    "ink": Colour("#24292f", "#e6e8eb"),
    "muted": Colour("#646b73", "#a4adb6"),
    "grid": Colour("#d8dde3", "#3a424c"),
    "paper": Colour("#fefefe", "#14181e"),
}

BLUE, VERMILLION, GREEN, PURPLE, OCHRE, SKY, INK, MUTED, GRID, PAPER = (
    c.light for c in PALETTE.values()
)
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, OCHRE, SKY)
SEQUENTIAL = "cividis"  # for images of non-negative quantities
DIVERGING = "PuOr"  # for images of signed quantities; centre it at zero

_ROUNDED = re.compile(r'( (?:d|x|y|points)="|translate\()([^")]*)')
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


def style(width: float = WIDTH, height: float = HEIGHT) -> dict[str, Any]:
    """The matplotlib settings of the book, sizes in inches.

    Examples
    --------
    >>> style(width=5.0)["figure.figsize"]
    (5.0, 3.5)
    """
    return {
        "figure.figsize": (width, height),
        "figure.facecolor": "none",
        "figure.constrained_layout.use": True,
        "savefig.facecolor": "none",
        "axes.facecolor": "none",
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.labelsize": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "text.color": INK,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib: same everywhere
        "font.size": 10.5,
        "mathtext.fontset": "dejavusans",
        "legend.frameon": False,
        "legend.fontsize": 9.5,
        "lines.linewidth": 1.8,
        "lines.markersize": 5,
        "patch.edgecolor": "none",
        "image.cmap": SEQUENTIAL,
        "svg.fonttype": "path",
    }


def use(width: float = WIDTH, height: float = HEIGHT) -> None:
    """Set the book's style for the rest of the page; sizes in inches.

    Selects the backend that draws without a screen, so a figure appears only where
    `show` puts it.

    Examples
    --------
    >>> use()
    """
    import matplotlib as mpl
    from cycler import cycler

    mpl.use("agg")
    mpl.rcParams.update(mpl.rcParamsDefault | style(width, height))
    mpl.rcParams["axes.prop_cycle"] = cycler(color=CYCLE)


def svg(fig: Figure, name: str) -> str:
    """The figure as SVG text: no date, no random ids, coordinates to 0.01 point.

    The same figure gives the same bytes in every run; `name` salts the ids, so that two
    figures of one page never share any.

    Raises
    ------
    ValueError
        If the text is larger than 60 kB.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        fig.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=96
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].rstrip() + "\n"
    text = re.sub(r" *<metadata>.*?</metadata>\n", "", text, flags=re.DOTALL)
    text = _ROUNDED.sub(lambda m: m[1] + _NUMBER.sub(_round, m[2]), text)
    if (size := len(text.encode())) > MAX_BYTES:
        raise ValueError(
            f"figure {name!r} has {size / 1000:.0f} kB, the limit is "
            f"{MAX_BYTES // 1000} kB: draw fewer points, or pass rasterized=True to "
            "the artist with many"
        )
    return text


def _round(match: re.Match[str]) -> str:
    number = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if number == "-0" else number


def show(fig: Figure, name: str, *, caption: str, alt: str) -> None:
    """Put `fig` into the page as a numbered figure, and close it.

    name: label to refer to it by, ``fig-...``. caption: Markdown, below the figure; say
    what to see, not only what is drawn. alt: plain text for readers who do not see it.
    One figure a cell. In the page, ``{numref}`fig-name``` gives its number.

    Raises
    ------
    ValueError
        If the name does not start with ``fig-``, the caption or the text alternative is
        missing, both are the same, or the SVG is over 60 kB.
    """
    if not re.fullmatch(r"fig-[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"call the figure fig-..., in lower case, not {name!r}")
    caption, alt = " ".join(caption.split()), " ".join(alt.split())
    if not caption or len(alt) < 20:
        raise ValueError(
            f"figure {name!r} needs a caption, and an alt text of at least 20 "
            "characters that says what it shows"
        )
    if caption == alt:
        raise ValueError(
            f"the alt text of {name!r} repeats its caption: say what a reader sees"
        )
    text = svg(fig, name)
    import matplotlib.pyplot as plt

    plt.close(fig)
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return
    if get_ipython() is None:  # outside a notebook there is nothing to show it in
        return
    display(
        {"image/svg+xml": text, "text/plain": f"[{name}] {caption}"},
        raw=True,
        metadata={
            "image/svg+xml": {"alt": alt},
            "streamrec": {"name": name, "caption": caption},
        },
    )
