"""The command line: one file a verb, loaded when it is asked for. ``main`` is the entry point."""

from .main import main

__all__ = ["main"]
