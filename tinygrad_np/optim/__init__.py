"""Optimisers and learning-rate schedules."""

from .adagrad import Adadelta, Adagrad
from .adam import Adam, AdamW
from .clipping import clip_grad_norm
from .optimisers import Optimiser
from .rmsprop import RMSprop
from .schedules import CosineDecay, InverseTimeDecay, OneCycle, StepDecay, WarmUp
from .sgd import SGD

# PyTorch's schedulers, and what is given as lr here
_SCHEDULES = {
    "CosineAnnealingLR": "CosineDecay",
    "ExponentialLR": "StepDecay",
    "LambdaLR": "WarmUp",
    "OneCycleLR": "OneCycle",
    "StepLR": "StepDecay",
    "lr_scheduler": "StepDecay",
}


def __getattr__(name: str) -> None:
    found = _SCHEDULES.get(name)
    way = f"; a schedule is the lr itself, as in SGD(params, lr={found}(…))" if found else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{way}")


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
