"""``to_onnx``: the forward pass of a module as a file in the ONNX format."""

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import whole
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tensor import Tensor
from ..data.files import one_line
from ..errors import ExportError
from ..files import replacing
from ..nn.module import Module
from ..nn.turns import evaluating
from ..recording import Recording
from ..recording.equations import Equation, Variable
from ..recording.recorder import Recorder
from ..recording.text import short
from ..recording.trace import traced
from .numpy_source import refuse_left
from .onnx_graph import Graph, Pair
from .onnx_library import BUFFERS, IR_VERSION, OPSET, library
from .onnx_operations import operation

Axis = int | None
REMEDY = "name the axis of the rows with batch_axis=, or give batch_axis=None for fixed shapes"


def to_onnx(
    module: Module, *example_inputs: Any, path: str | os.PathLike[str], batch_axis: Axis = 0
) -> Path:
    """Write the forward pass of ``module`` on inputs like these to ``path``, for ONNX runtimes.

    The module is run in evaluation mode (its mode is put back) and recorded by ``tg.trace``; each
    equation becomes nodes of opset 18. The Tensors of the state have the names that they have in
    ``module.state_dict()``, inputs those of ``forward``'s arguments, results ``output``, or
    ``output_0``, ``output_1`` … ``example_inputs`` are arrays or Tensors, in nests too.

    The file works for any number of rows: the module runs with two numbers of rows, which shows the
    lengths that depend on it. ``batch_axis`` is the axis of the rows in the first input, and in
    every input that has the same length there; with None all shapes are fixed.

    The file is written under another name and renamed. Returns its path. Checks of values (labels
    in a range) are not written. Raises ExportError, which names operation and line, for what ONNX
    or this export lacks; TypeError for what is no Module, ValueError for a negative ``batch_axis``,
    DataError if the file cannot be written, ImportError without onnx.

    >>> nn = tg.nn
    >>> model = nn.Sequential(nn.Linear(4, 8, seed=0), nn.ReLU(), nn.Linear(8, 3, seed=1))
    >>> path = tg.to_onnx(model, np.ones((2, 4), np.float32), path="model.onnx")
    >>> again = tg.from_onnx(path)
    >>> x = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4)
    >>> np.allclose(again(x).numpy(), model(x).numpy(), atol=1e-6)
    True
    >>> list(again.state_dict())
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    onnx = library("to_onnx")
    if not isinstance(module, Module):
        raise TypeError(f"to_onnx: module is of type {type(module).__name__}; give an nn.Module.")
    axis = None if batch_axis is None else whole("to_onnx", "batch_axis", batch_axis, least=0)
    target = Path(path)
    with replacing(target) as file:
        file.write(_model(onnx, module, example_inputs, axis).SerializeToString())
    return target


def _model(onnx: Any, module: Module, example_inputs: tuple[Any, ...], axis: Axis) -> Any:
    first, second = _recordings(module, example_inputs, axis)
    state = {id(tensor): name for name, tensor in module.named_tensors()}
    graph = Graph(onnx, _pairs(first, second), state, axis)
    for given in graph.paired(first.of_kind("input")):
        graph.input(*given)
    for equation in _live(first):
        _write(graph, equation)
    many = len(first.results) > 1
    for i, (one, other) in enumerate(graph.paired(first.results)):
        graph.output(one, other, f"output_{i}" if many else "output")
    made = onnx.helper.make_model(
        graph.made(type(module).__name__),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tinygrad_np",
    )
    parameters = {name for name, _ in module.named_parameters()}
    buffers = [name for name in graph.state.values() if name not in parameters]
    onnx.helper.set_model_props(made, {BUFFERS: json.dumps(buffers)})
    onnx.checker.check_model(made)
    return made


def _recordings(module: Module, inputs: tuple[Any, ...], axis: Axis) -> tuple[Recording, Recording]:
    """What the module does on the example, and on more rows."""
    parts = leaves(list(inputs))
    arrays = [part for part in parts if isinstance(part, (Tensor, np.ndarray))]
    if not arrays:
        raise ExportError(
            "to_onnx: no example input is an array; give inputs like those that the model is for."
        )
    if axis is None:
        found = _recording(module, inputs)
        return found, found
    if arrays[0].ndim <= axis or not arrays[0].shape[axis]:
        raise ExportError(
            f"to_onnx: the first input of shape {arrays[0].shape} has no rows on axis {axis}; give "
            "an example with some, or batch_axis=None for fixed shapes."
        )
    rows = arrays[0].shape[axis]
    count = max(rows, 2)  # one row would look like an axis that is spread
    more = 2 * count + (count % 2 == 0)  # halves differ, and what is odd
    both = []
    for n in (count, more):
        try:
            both.append(_recording(module, _with_rows(inputs, axis, rows, n)))
        except Exception as error:
            _recording(module, inputs)  # an example that is wrong itself says why
            said = one_line(str(error).partition("\n")[0])
            raise ExportError(
                f"to_onnx: {type(module).__name__} runs on {rows} row{'s' * (rows > 1)}, but not "
                f"on {n} ({said}); {REMEDY}."
            ) from error
    return both[0], both[1]


def _with_rows(inputs: tuple[Any, ...], axis: int, rows: int, count: int) -> tuple[Any, ...]:
    """The inputs with ``count`` rows for ``rows``: the first ones again."""
    parts = leaves(list(inputs))
    for i, part in enumerate(parts):
        if isinstance(part, (Tensor, np.ndarray)):
            array = part.numpy() if isinstance(part, Tensor) else part
            if array.ndim > axis and array.shape[axis] == rows:
                parts[i] = np.take(array, np.arange(count) % rows, axis=axis)
    return tuple(rebuild(list(inputs), parts))


def _recording(module: Module, inputs: tuple[Any, ...]) -> Recording:
    with evaluating(module):
        made = traced(Recorder(), module, inputs, backward=False)
    refuse_left("to_onnx", made)
    for i, value in enumerate(made.returned):
        if made.results and not isinstance(value, Variable):
            raise ExportError(
                f"to_onnx: output {i} of the module is of type {type(value).__name__}; return "
                "Tensors, or None."
            )
    return made


def _pairs(first: Recording, second: Recording) -> Pair:
    """Equations and variables of one recording, each with its counterpart in the other."""
    twins = Pair()

    def both(a: Any, b: Any) -> bool:
        if isinstance(a, Variable) and isinstance(b, Variable):
            return twins.setdefault(a, b) is b and len(a.shape) == len(b.shape)
        return not isinstance(a, Variable) and not isinstance(b, Variable)

    def fit(a: Equation, b: Equation) -> bool:
        return (
            (a.kind, a.rule, a.options.keys()) == (b.kind, b.rule, b.options.keys())
            and (len(a.operands), len(a.results)) == (len(b.operands), len(b.results))
            and all(map(both, (*a.operands, *a.results), (*b.operands, *b.results)))
            and all(both(a.options[key], b.options[key]) for key in a.options)
        )

    for given in zip(first.of_kind("input"), second.of_kind("input"), strict=True):
        twins.setdefault(*given)
    for a, b in itertools.zip_longest(first.equations, second.equations):
        if a is None or b is None or not fit(a, b):
            odd = a or b
            raise ExportError(
                f"to_onnx: {short(odd.line)}: {odd.name} is done otherwise for another number "
                f"of rows; {REMEDY}."
            )
        twins[a] = b
    if not first.results:
        raise ExportError("to_onnx: the module returns no Tensor; return what the file is for.")
    pairs = zip(first.results, second.results, strict=False)
    if len(first.results) != len(second.results) or not all(both(*pair) for pair in pairs):
        raise ExportError(
            f"to_onnx: the module returns something else for another number of rows; {REMEDY}."
        )
    return twins


def _live(recording: Recording) -> list[Equation]:
    """The equations that the results come from."""
    wanted, found = set(recording.results), []
    for equation in reversed(recording.equations):
        if equation.kind == "check":
            continue
        if equation.kind != "call":
            raise ExportError(
                f"to_onnx: {short(equation.line)}: {equation.name} changes a Tensor from outside "
                "the forward pass, which a file cannot; leave it out in evaluation mode."
            )
        if wanted.intersection(equation.results):
            found.append(equation)
            wanted.update(equation.reads)
    return found[::-1]


def _write(graph: Graph, equation: Equation) -> None:
    if graph.is_fixed(equation):
        return
    write = None if equation.rule is None else operation(equation.rule.fn)
    try:
        if equation.draws:
            raise ExportError("it draws random numbers")
        if write is None or len(equation.results) != 1:
            raise ExportError("this export lacks it")
        graph.names[equation.results[0]] = write(graph.reading(equation))
    except ExportError as error:
        where = f" in {equation.call.title}" if equation.call is not None else ""
        raise ExportError(
            f"to_onnx: {short(equation.line)}: {equation.name}{where} cannot be written as ONNX: "
            f"{error}."
        ) from None
