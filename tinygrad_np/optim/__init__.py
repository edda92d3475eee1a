"""Optimisers and learning-rate schedules."""

from .adam import Adam, AdamW
from .optimisers import Optimiser
from .rmsprop import RMSprop
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineDecay",
    "InverseTimeDecay",
    "OneCycle",
    "Optimiser",
    "RMSprop",
    "StepDecay",
    "WarmUp",
]
