"""Optimisers and learning-rate schedules."""

from .adagrad import Adadelta, Adagrad
from .adam import Adam, AdamW
from .clipping import clip_grad_norm
from .optimisers import Optimiser
from .rmsprop import RMSprop
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineDecay",
    "InverseTimeDecay",
    "OneCycle",
    "Optimiser",
    "RMSprop",
    "StepDecay",
    "WarmUp",
    "clip_grad_norm",
]
