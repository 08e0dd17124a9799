"""Observation: counters, histograms and logger names. A leaf that knows no sessions."""

from .counters import COUNTERS, GREETING_REFUSALS, Counters
from .histogram import Histogram

__all__ = ["COUNTERS", "GREETING_REFUSALS", "Counters", "Histogram"]
