"""Optimisers and learning-rate schedules."""

from .optimisers import SGD, Adam, Optimiser
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay

__all__ = [
    "SGD",
    "Adam",
    "CosineDecay",
    "InverseTimeDecay",
    "OneCycle",
    "Optimiser",
    "StepDecay",
]
