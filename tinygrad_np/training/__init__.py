"""Training: the loop, what it measures, and the files it leaves."""

from .checkpoint import load, save
from .fit import Epoch, evaluate, fit
from .metrics import accuracy, confusion

__all__ = ["Epoch", "accuracy", "confusion", "evaluate", "fit", "load", "save"]
