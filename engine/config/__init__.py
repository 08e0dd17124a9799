"""Configuration: typed values (model.py) and the TOML file that holds them (toml.py).

A leaf: the runtime and the tools use it, the pure part never does.
"""

from .model import AcceptorConfig, Config, JournalConfig, SessionConfig
from .toml import load, loads

__all__ = ["AcceptorConfig", "Config", "JournalConfig", "SessionConfig", "load", "loads"]
