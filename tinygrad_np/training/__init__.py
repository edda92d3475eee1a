"""Training: the loop, what it measures, and the files it leaves."""

from .callbacks import EarlyStopping, Run
from .checkpoint import Checkpoint
from .doctor import Diagnosis, Finding, diagnose
from .features import features
from .fit import fit
from .history import Epoch, History, Progress
from .metrics import accuracy, calibration, confusion, precision_recall, top_k
from .record import Histograms
from .scoring import evaluate, predict
from .weights import load, save

__all__ = [
    "Checkpoint",
    "Diagnosis",
    "EarlyStopping",
    "Epoch",
    "Finding",
    "Histograms",
    "History",
    "Progress",
    "Run",
    "accuracy",
    "calibration",
    "confusion",
    "diagnose",
    "evaluate",
    "features",
    "fit",
    "load",
    "precision_recall",
    "predict",
    "save",
    "top_k",
]
