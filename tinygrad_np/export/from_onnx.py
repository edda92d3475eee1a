"""``from_onnx``: a file in the ONNX format as a module."""

import functools
import inspect
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.tensor import Tensor
from ..data.files import one_line
from ..errors import DataError
from ..nn.module import Module
from .onnx_library import BUFFERS, library
from .onnx_nodes import NODES, WORDS, Node

OPSETS = range(9, 24)
OWN = ("training", "outputs", "opset")  # arguments of a node that the file does not give


def from_onnx(path: str | os.PathLike[str]) -> "OnnxModule":
    """Read the network in an ONNX file of any library, as a module in evaluation mode.

    The nodes of MLPs and CNNs of opsets 9 to 23 are known: layers, pooling, normalisation,
    activations, arithmetic, reductions, and what changes shapes. Arrays of floats in the file
    (initializers with axes) are the Tensors of the state, under their names. They are parameters
    that can be trained, except the running statistics of BatchNormalization and arrays that
    ``tg.to_onnx`` marked as no parameters. In training mode BatchNormalization uses the statistics
    of the batch; Dropout does nothing in both modes.

    Raises DataError for a missing, damaged or foreign file and, with the node's name, for what is
    not known; ImportError without onnx.

    >>> path = tg.to_onnx(tg.nn.Linear(2, 1, seed=0), np.ones((1, 2), np.float32), path="one.onnx")
    >>> model = tg.from_onnx(path)
    >>> [(name, p.shape) for name, p in model.named_parameters()]
    [('weight', (1, 2)), ('bias', (1,))]
    >>> model(np.ones((3, 2), np.float32)).shape
    (3, 1)
    """
    onnx = library("from_onnx")
    source = Path(path)
    if not source.is_file():
        found = (
            "found no file but a folder or device" if source.exists() else "there is no such file"
        )
        raise DataError(f"{source}: {found}.")
    try:
        model = onnx.load(source)
        for output in model.graph.output:  # what it is says the graph; the checker wants it here
            kind = output.type.tensor_type
            kind.elem_type = kind.elem_type or onnx.TensorProto.FLOAT
            kind.shape.SetInParent()
        onnx.checker.check_model(model)
    except Exception as error:  # whatever damage makes the library raise
        told = f"{source}: not a readable ONNX file ({one_line(error)}); get the file again."
        raise DataError(told) from error
    try:
        return OnnxModule(onnx, model).eval()
    except DataError as error:
        raise DataError(f"{source}: {error}") from None


class Step(NamedTuple):
    """A node of a ``kind``: what it computes from the ``inputs`` has the names ``outputs``."""

    title: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, Any]
    trains: bool


class OnnxModule(Module):
    """The network of an ONNX file. Its state has the names of the file."""

    def __init__(self, onnx: Any, model: Any) -> None:
        graph = model.graph
        opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
        if opset not in OPSETS:
            raise DataError(
                f"its opset is {opset}; expected {OPSETS[0]} to {OPSETS[-1]}, so write it with one "
                "of them."
            )
        self._constants: dict[str, Any] = {"": None}
        self._places: dict[str, tuple[str, ...]] = {}  # the attributes that lead to each Tensor
        self._steps = tuple(filter(None, (self._step(onnx, node, opset) for node in graph.node)))
        arrays = {a.name: onnx.numpy_helper.to_array(a) for a in graph.initializer}
        fixed = {n for s in self._steps for n in s.inputs[3:5] if s.trains}
        words = {entry.key: entry.value for entry in model.metadata_props}
        fixed |= set(json.loads(words.get(BUFFERS, "[]")))
        for name, array in arrays.items():
            is_float = array.dtype.kind == "f"
            if BUFFERS in words or (is_float and array.ndim):
                self._hold(name, Tensor(array, requires_grad=is_float and name not in fixed))
            else:
                self._constants[name] = array
        self._inputs = tuple(i.name for i in graph.input if i.name not in arrays)
        self._outputs = tuple(o.name for o in graph.output)

    def _hold(self, name: str, tensor: Tensor) -> None:
        """Put a Tensor where the dotted name says, in modules that are made for that."""
        *path, last = name.split(".")
        holder: Module = self
        for i, part in enumerate(path):
            if not hasattr(holder, part):
                setattr(holder, part, Module())
            inner = vars(holder).get(part)
            if not isinstance(inner, Module):  # a Tensor, or a name that every module has
                path, last = path[:i], ".".join([*path[i:], last])
                break
            holder = inner
        while hasattr(holder, last):
            last += "_"
        setattr(holder, last, tensor)
        self._places[name] = (*path, last)

    def _step(self, onnx: Any, node: Any, opset: int) -> Step | None:
        title = f"node {node.name or '/'.join(node.output)} ({node.op_type})"
        options = {a.name: _attribute(onnx, a) for a in node.attribute}
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            self._constants[node.output[0]] = _constant(title, options)
            return None
        call = NODES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if call is None:
            domain = f" of {node.domain}" if node.domain else ""
            raise DataError(
                f"{title}: {node.op_type}{domain} is not known to from_onnx, which reads the nodes "
                "of MLPs and CNNs."
            )
        if "to" in options:
            options["to"] = onnx.helper.tensor_dtype_to_np_dtype(options["to"])
        known = _keywords(call)
        for name, value in list(options.items()):
            known_words = WORDS.get((node.op_type, name), (value,))
            if name in OWN or name not in known or value not in known_words:
                raise DataError(
                    f"{title}: its attribute {name}={value!r} is not known to from_onnx."
                )
        if len(options.get("kernel_shape", (1,))) > 2:
            raise DataError(f"{title}: from_onnx knows windows over sequences and images alone.")
        several = [name for name in node.output[1:] if name]
        if several and node.op_type not in ("Split", "Dropout", "BatchNormalization"):
            raise DataError(f"{title}: its further results {several} are not known to from_onnx.")
        own = {"opset": opset, "outputs": len(node.output)}
        options |= {name: value for name, value in own.items() if name in known}
        return Step(
            title, node.op_type, tuple(node.input), tuple(node.output), options, "training" in known
        )

    def forward(self, *inputs: Any) -> Any:
        """The outputs of the file for its inputs: one Tensor, or a tuple."""
        if len(inputs) != len(self._inputs):
            raise TypeError(
                f"the ONNX network takes {len(self._inputs)} inputs ({', '.join(self._inputs)}), "
                f"got {len(inputs)}."
            )
        values = dict(self._constants)
        values |= {
            name: functools.reduce(getattr, place, self) for name, place in self._places.items()
        }
        values |= zip(self._inputs, inputs, strict=True)
        for step in self._steps:
            options = step.options | ({"training": self.training} if step.trains else {})
            try:
                made = NODES[step.kind](*(values[name] for name in step.inputs), **options)
            except (TypeError, ValueError, IndexError, KeyError) as error:
                error.add_note(f"in {step.title}")
                raise
            results = made if isinstance(made, tuple) else (made,)
            values.update(zip(step.outputs, results, strict=False))
        found = tuple(values[name] for name in self._outputs)
        return found[0] if len(found) == 1 else found


def _keywords(call: Node) -> set[str]:
    """The attributes that a node's function takes."""
    if isinstance(call, np.ufunc):
        return set()
    parameters = inspect.signature(call).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _attribute(onnx: Any, attribute: Any) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode()
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _constant(title: str, options: dict[str, Any]) -> Any:
    kinds = {"value": None, "value_float": np.float32, "value_floats": np.float32,
             "value_int": np.int64, "value_ints": np.int64}  # fmt: skip
    for name, value in options.items():
        if name in kinds:
            return np.asarray(value, kinds[name])
    raise DataError(f"{title}: its attributes {sorted(options)} are not known to from_onnx.")
