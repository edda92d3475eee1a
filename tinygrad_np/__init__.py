"""Reverse-mode autodiff on NumPy arrays: the whole public interface on one screen."""

from . import ctrl_c as ctrl_c  # first, while the others are imported
from . import data, draw, nn, optim, parallel, polynomial, random, training
from .autodiff.checkpoint import checkpoint
from .autodiff.gradcheck import gradcheck
from .autodiff.making import array, from_numpy, stack
from .autodiff.primitives import primitive
from .autodiff.rules import defvjp
from .autodiff.tape import no_grad
from .autodiff.tensor import Tensor
from .autodiff.transforms import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from .batching import vmap
from .errors import (
    DataError,
    DataWarning,
    DetachError,
    ExportError,
    GradientError,
    ReplayError,
    ShapeError,
    StaleValueError,
    TapeError,
)
from .export import from_onnx, to_numpy, to_onnx
from .habits import lacking
from .recording import Receipt, Recording, anomaly, autopsy, receipt, tape_of, trace
from .replay import replay
from .training.weights import load, save
from .version import __version__


def __getattr__(name: str) -> None:
    raise lacking(__name__, name)


__all__ = [
    "DataError",
    "DataWarning",
    "DetachError",
    "ExportError",
    "GradientError",
    "Receipt",
    "Recording",
    "ReplayError",
    "ShapeError",
    "StaleValueError",
    "TapeError",
    "Tensor",
    "__version__",
    "anomaly",
    "array",
    "autopsy",
    "checkpoint",
    "data",
    "defvjp",
    "draw",
    "from_numpy",
    "from_onnx",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "nn",
    "no_grad",
    "optim",
    "parallel",
    "polynomial",
    "primitive",
    "random",
    "receipt",
    "replay",
    "save",
    "stack",
    "stop_gradient",
    "tape_of",
    "to_numpy",
    "to_onnx",
    "trace",
    "training",
    "value_and_grad",
    "vjp",
    "vmap",
]
