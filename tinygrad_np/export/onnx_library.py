"""The library of the ONNX format, loaded where it is needed."""

from typing import Any

OPSET = 18  # of the operations written: since then reductions take their axes as an input
IR_VERSION = 8  # of the file: the one that came with it
BUFFERS = "tinygrad_np.buffers"  # where a file says which Tensors of the state are no parameters


def library(caller: str) -> Any:
    """The module ``onnx``, with its helpers; raises ImportError that says what to install."""
    try:
        import onnx
        from onnx import checker, helper, numpy_helper  # noqa: F401 - attributes of the module
    except ImportError:
        raise ImportError(f"tg.{caller} needs the library onnx: pip install onnx.") from None
    return onnx
