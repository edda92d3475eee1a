"""A module as a notebook shows it: a table of its parameters and other state, and its layers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..markup import Html, code, facts, folded, joined, number, table

if TYPE_CHECKING:
    from .module import Module

ROWS = 60  # the rest is counted
HEAD = ("name", "shape", "dtype", "elements", "mean", "std", "")


def as_html(module: "Module") -> Html:
    """Parameters, frozen ones and other state: name, shape, dtype, size, mean and deviation."""
    tensors = list(module.named_tensors())
    sizes = [tensor.size for _, tensor in tensors if tensor.requires_grad]
    words = "1 parameter" if sum(sizes) == 1 else f"{sum(sizes):,} parameters"
    mode = "training" if module.training else "evaluation"
    parts = [facts(type(module).__name__, [words, f"{mode} mode"])]
    if tensors:
        parts.append(table([_row(*each) for each in tensors[:ROWS]], HEAD))
    if len(tensors) > ROWS:
        parts.append(facts(f"… and {len(tensors) - ROWS:,} more", []))
    return joined([*parts, folded("layers", code(repr(module)))])


def _row(name: str, tensor: Any) -> list[str]:
    array = tensor._array
    spread = ["", ""]
    if isinstance(array, np.ndarray) and array.size and array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            spread = [number(float(f(array, dtype=np.float64))) for f in (np.mean, np.std)]
    kind = "" if tensor.requires_grad else "not trained"
    return [name, str(tensor.shape), str(tensor.dtype), f"{tensor.size:,}", *spread, kind]
