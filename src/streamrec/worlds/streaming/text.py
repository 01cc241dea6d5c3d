"""Titles and descriptions of items, written from their latent factors.

Words come from the vocabularies of an item's two topics in proportion to its mixture,
plus the mark of its creator, its format, and a tone that follows the sign of its first
taste dimensions. Quality leaves no trace in the text.
"""

from __future__ import annotations

import numpy as np

from streamrec.worlds.random import Addressed
from streamrec.worlds.streaming.population import Items
from streamrec.worlds.streaming.settings import FORMATS

TOPICS = (
    "cooking", "travel", "science", "history", "football", "music", "finance",
    "gardening", "cinema", "health", "technology", "crime",
)  # fmt: skip
WORDS = {
    "cooking": "bread oven spice market kitchen recipe "
    "sauce harvest flavour supper dough grill",
    "travel": "island railway passport harbour mountain border "
    "village hotel desert ferry map trail",
    "science": "particle cell telescope experiment theory genome "
    "fossil reactor ocean orbit species lab",
    "history": "empire archive treaty castle revolt monarch "
    "letters siege ruins dynasty parish trade",
    "football": "striker derby penalty stadium coach league "
    "keeper transfer final defence midfield cup",
    "music": "guitar chorus record jazz tour rhythm "
    "opera studio drummer melody vinyl festival",
    "finance": "bond inflation budget bank startup pension "
    "market loan tax savings broker currency",
    "gardening": "rose compost orchard seedling greenhouse pruning "
    "soil meadow bulb hedge pond herbs",
    "cinema": "director thriller scene script festival actor "
    "camera sequel premiere studio silent cut",
    "health": "sleep heart vaccine clinic running diet "
    "stress nurse muscle memory breath therapy",
    "technology": "robot battery software chip network satellite "
    "code sensor privacy cloud engine data",
    "crime": "detective alibi verdict heist witness forger "
    "prison evidence jury motive confession cipher",
}  # fmt: skip
TONES = (
    ("quiet", "bright", "slow", "gentle"),
    ("bold", "dark", "fast", "raw"),
    ("practical", "plain", "everyday", "useful"),
    ("strange", "dreamlike", "unlikely", "hidden"),
)
SHAPES = {
    "article": ("The {t} {a} and the {b}", "Notes on a {t} {a}",
                "Why the {a} needs a {t} {b}"),
    "video": ("A {t} {a}, filmed", "Inside the {t} {a}", "{A} against {b}: a {t} film"),
    "podcast": ("{A} talk: the {t} {b}", "The {t} {a} hour",
                "Listening to {a} and {b}"),
}  # fmt: skip
NAMES = (
    "Harbour", "Lantern", "Northside", "Clover", "Granite", "Juniper", "Meridiem",
    "Paperboat", "Saffron", "Tidewater", "Umbra", "Willow",
)  # fmt: skip
KINDS = ("Works", "House", "Desk", "Collective", "Radio", "Pictures", "Press", "Room")


def creator_name(creator: int) -> str:
    """Name of a creator; unique for each id.

    >>> creator_name(0)
    'Harbour Works 1'
    """
    a, rest = creator % len(NAMES), creator // len(NAMES)
    return f"{NAMES[a]} {KINDS[rest % len(KINDS)]} {rest // len(KINDS) + 1}"


def _a(word: str) -> str:
    return "An" if word[0] in "aeiou" and word != "useful" else "A"


def write(r: Addressed, x: Items) -> tuple[list[str], list[str]]:
    """Titles and descriptions of all items, in order of the id."""
    N = len(x.topic)
    vocabulary = [WORDS[t].split() for t in TOPICS]
    i = np.arange(N)
    pick = r.uniform("words", i[:, None], np.arange(10))
    share = x.mixture[i, x.topic]
    main = r.uniform("word topic", i[:, None], np.arange(8)) < share[:, None]
    shape = (r.uniform("shape", i) * 3).astype(int)
    tone = (x.b[:, 0] > 0).astype(int)
    mood = 2 + (x.b[:, 1] > 0).astype(int)
    titles, texts = [], []
    for k in range(N):
        one, two = vocabulary[x.topic[k]], vocabulary[x.second_topic[k]]
        w = [(one if main[k, j] else two)[int(pick[k, j] * len(one))] for j in range(8)]
        t = TONES[tone[k]][int(pick[k, 8] * 4)]
        m = TONES[mood[k]][int(pick[k, 9] * 4)]
        kind = FORMATS[x.format[k]]
        b = w[1] if w[1] != w[0] else w[2]
        titles.append(
            SHAPES[kind][shape[k]].format(t=t, a=w[0], b=b, A=w[0].capitalize())
        )
        article = _a(kind)
        texts.append(
            f"{article} {kind} by {creator_name(int(x.creator[k]))} on "
            f"{TOPICS[x.topic[k]]} with a little {TOPICS[x.second_topic[k]]}: "
            f"{w[2]}, {w[3]}, {w[4]} and {w[5]}. "
            f"{_a(m)} {m} piece about {w[6]} and {w[7]}."
        )
    return titles, texts
