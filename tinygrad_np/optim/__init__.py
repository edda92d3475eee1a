"""Optimisers and learning-rate schedules."""

from ..habits import lacking
from .adagrad import Adadelta, Adagrad
from .adam import Adam, AdamW
from .clipping import clip_grad_norm
from .optimisers import Optimiser
from .rmsprop import RMSprop
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp
from .sgd import SGD


def __getattr__(name: str) -> None:
    raise lacking(__name__, name)


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
