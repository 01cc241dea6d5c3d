"""The command ``streamrec``."""

from streamrec.cli.main import main

__all__ = ["main"]
