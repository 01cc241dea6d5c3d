"""The streaming world: a platform whose truth is known."""

from streamrec.worlds.streaming.policy import Contexts, inclusion_probabilities
from streamrec.worlds.streaming.settings import SIZES, Settings
from streamrec.worlds.streaming.world import StreamingWorld

__all__ = ["SIZES", "Contexts", "Settings", "StreamingWorld", "inclusion_probabilities"]
