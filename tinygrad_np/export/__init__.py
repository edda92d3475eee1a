"""Recordings as programs for others."""

from .numpy_source import to_numpy
from .to_onnx import to_onnx

__all__ = ["to_numpy", "to_onnx"]
