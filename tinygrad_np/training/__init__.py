"""Training: the loop, what it measures, and the files it leaves."""

from .checkpoint import load, save
from .fit import Epoch, evaluate, fit
from .metrics import accuracy, calibration, confusion, precision_recall, top_k

__all__ = [
    "Epoch",
    "accuracy",
    "calibration",
    "confusion",
    "evaluate",
    "fit",
    "load",
    "precision_recall",
    "save",
    "top_k",
]
