"""Simulated worlds with known truth.

``load("streaming", size="tiny", seed=0)`` builds a world by name; the classes are
imported only when asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

WORLDS = {
    "streaming": "streamrec.worlds.streaming:StreamingWorld",
    "medicore": "streamrec.worlds.medicore:MediCore",
    "meridian": "streamrec.worlds.meridian:Meridian",
    "terraml": "streamrec.worlds.terraml:TerraML",
}


def world_class(name: str) -> type:
    """The class of a world by name; ValueError lists the names."""
    if name not in WORLDS:
        raise ValueError(f"unknown world {name!r}; choose one of {', '.join(WORLDS)}")
    module, _, attribute = WORLDS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def load(name: str, **settings: Any) -> Any:
    """A world by name, for example ``load("streaming", size="tiny", seed=0)``."""
    return world_class(name)(**settings)


__all__ = ["WORLDS", "load", "world_class"]
