"""Recordings as programs for others, and back."""

from .from_onnx import from_onnx
from .numpy_source import to_numpy
from .to_onnx import to_onnx

__all__ = ["from_onnx", "to_numpy", "to_onnx"]
