"""Replay: the recorded tape of a step, run in memory that is allocated once."""

from .program import Program
from .step import Replay, replay

__all__ = ["Program", "Replay", "replay"]
