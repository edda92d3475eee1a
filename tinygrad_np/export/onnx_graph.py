"""The graph of an ONNX file, as it is written node by node."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import ExportError
from ..recording.equations import Equation, Variable

Pair = dict[Any, Any]
Shapes = tuple[Sequence[int], Sequence[int]]


class Graph:
    """Nodes, inputs, outputs and arrays. ``names`` are those of the variables that were written.

    ``twins`` has for each equation and variable its counterpart with another number of rows.
    """

    def __init__(self, onnx: Any, twins: Pair, state: dict[int, str], axis: int | None) -> None:
        self.onnx = onnx
        self.twins = twins
        self.names: dict[Variable, str] = {}
        self.state: dict[Variable, str] = {}
        self._known = state
        self._axis = axis
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._arrays: list[Any] = []
        self._constants: dict[Any, str] = {}
        self._fixed: set[Variable] = set()
        self._taken = {"", *state.values()}
        self._rows: tuple[int, int] = (0, 0)
        self._count = ""

    def paired(self, variables: Iterable[Variable]) -> list[tuple[Variable, Variable]]:
        """Variables with their counterparts."""
        return [(variable, self.twins[variable]) for variable in variables]

    def free(self, name: str) -> str:
        """A name that nothing has yet."""
        found, i = name, 1
        while found in self._taken:
            found, i = f"{name}_{i}", i + 1
        self._taken.add(found)
        return found

    def input(self, one: Variable, other: Variable) -> None:
        """An argument of the module; the first one has the rows."""
        if not self._inputs and self._axis is not None:
            self._rows = one.shape[self._axis], other.shape[self._axis]
        self.names[one] = self.free(one.name or "input")
        self._inputs.append(self._described(self.names[one], one, other))

    def output(self, one: Variable, other: Variable, name: str) -> None:
        """A result of the module."""
        name = self.free(name)
        self.add("Identity", self.read(one), name=name)
        self._outputs.append(self._described(name, one, other))

    def made(self, name: str) -> Any:
        """The whole graph, without nodes that nothing reads."""
        wanted = {output.name for output in self._outputs}
        nodes = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                nodes.append(node)
                wanted.update(node.input)
        return self.onnx.helper.make_graph(
            nodes[::-1], name, self._inputs, self._outputs,
            [array for array in self._arrays if array.name in wanted],
        )  # fmt: skip

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """A node with one result, whose name is returned."""
        name = name or self.free(kind.lower())
        made = self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self._nodes.append(made)
        return name

    def constant(self, value: Any, dtype: Any = None) -> str:
        """An array that is the same for every call."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            tensor = self.onnx.numpy_helper.from_array(
                np.ascontiguousarray(array).reshape(array.shape)
            )
            self._constants[key] = self.add("Constant", value=tensor, name=self.free("constant"))
        return self._constants[key]

    def read(self, variable: Variable) -> str:
        """The name of a variable: of what was written before, of the state, or of an array."""
        if variable not in self.names:
            if variable.kind == "memory":
                self.names[variable] = self._held(variable)
            elif variable.kind == "constant" or variable in self._fixed:
                self.names[variable] = self._as_constant(variable, self.twins[variable])
            else:
                raise ExportError(f"it reads {variable}, which another process has not")
        return self.names[variable]

    def is_fixed(self, equation: Equation) -> bool:
        """Whether the results are the same in every call, but for their number of rows."""
        given = all(v.kind == "constant" or v in self._fixed for v in equation.reads)
        shapes = equation.rule is not None and equation.rule.traits.shape_only
        if (given or shapes) and not equation.draws:
            self._fixed.update(equation.results)
            return True
        return False

    def reading(self, equation: Equation) -> "Reading":
        """An equation, to be written."""
        return Reading(self, equation, self.twins[equation])

    def shape(self, shapes: Shapes) -> str:
        """The array of a shape, whose lengths may follow the number of rows."""
        if tuple(shapes[0]) == tuple(shapes[1]):
            return self.constant(shapes[0], np.int64)
        lengths = []
        for pair in zip(*shapes, strict=True):
            if pair[0] == pair[1]:
                lengths.append(self.constant([pair[0]], np.int64))
            else:
                lengths.append(self.length(*pair))
        return self.add("Concat", *lengths, axis=0)

    def length(self, one: int, other: int) -> str:
        """The array of one length that follows the number of rows."""
        self._count = self._count or self.add(
            "Shape", self._inputs[0].name, start=self._axis,
            end=self._axis + 1,  # type: ignore[operator]
        )  # fmt: skip
        return self.add("Mul", self._count, self.constant([self._times(one, other)], np.int64))

    def _times(self, one: int, other: int) -> int:
        """How many times the number of rows a length is."""
        rows, more = self._rows
        if rows and one % rows == 0 and one * more == other * rows:
            return one // rows
        raise ExportError(
            f"a length is {one} for {rows} rows and {other} for {more}, which is no multiple"
        )

    def _held(self, variable: Variable) -> str:
        tensor = variable.source
        name = self._known.get(id(tensor)) or self.free(variable.name or "tensor")
        self.state[variable] = name
        self._arrays.append(self.onnx.numpy_helper.from_array(np.array(tensor._array), name))
        return name

    def _as_constant(self, one: Variable, other: Variable) -> str:
        if one.array is None or one.array.dtype.kind not in "biuf":
            raise ExportError(f"{one} of dtype {one.dtype} has no counterpart")
        if one.shape == other.shape and np.array_equal(one.array, other.array, equal_nan=True):
            return self.constant(one.array)
        differing = [i for i, n in enumerate(one.shape) if n != other.shape[i]]
        small, rest = one.array, other.array
        for i in differing:
            small, rest = small.take([0], axis=i), rest.take([0], axis=i)
        spread = np.array_equal(np.broadcast_to(small, other.shape), other.array, equal_nan=True)
        if not differing or not spread:
            raise ExportError(f"an array of shape {one.shape} depends on the number of rows")
        return self.add("Expand", self.constant(small), self.shape((one.shape, other.shape)))

    def _described(self, name: str, one: Variable, other: Variable) -> Any:
        shape: list[int | str] = []
        for a, b in zip(one.shape, other.shape, strict=True):
            times = 0 if a == b else self._times(a, b)
            shape.append(a if a == b else "batch" if times == 1 else f"{times}*batch")
        return self.onnx.helper.make_tensor_value_info(name, self.kind(one.dtype), shape)

    def kind(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        try:
            return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        except (KeyError, ValueError):
            raise ExportError(f"the dtype {dtype} has no counterpart") from None


class Reading:
    """An equation that is being written, beside its counterpart with other rows."""

    def __init__(self, graph: Graph, equation: Equation, twin: Equation) -> None:
        self.graph = graph
        self.equation = equation
        self.twin = twin
        self.add = graph.add
        self.constant = graph.constant

    @property
    def dtype(self) -> Any:
        """The dtype of the result."""
        return self.equation.results[0].dtype

    @property
    def shapes(self) -> Shapes:
        """The shapes of the result, in both recordings."""
        return self.equation.results[0].shape, self.twin.results[0].shape

    def shapes_of(self, i: int) -> Shapes:
        """The shapes of an operand, in both recordings."""
        return np.shape(_array(self.equation.operands[i])), np.shape(_array(self.twin.operands[i]))

    def x(self, i: int = 0, dtype: Any = None) -> str:
        """The name of an operand, cast to a dtype."""
        return self.value(self.equation.operands[i], self.twin.operands[i], dtype)

    def value(self, given: Any, twin: Any, dtype: Any = None) -> str:
        """The name of an operand or an option that is an array or a number."""
        if isinstance(given, Variable):
            name = self.graph.read(given)
            is_so = dtype is None or np.dtype(dtype) == given.dtype
            return name if is_so else self.cast(name, dtype)
        if not isinstance(given, (bool, int, float, np.generic)):
            raise ExportError(f"the operand {given!r} is no number")
        if given != twin and given == given:
            if isinstance(given, float) and not given.is_integer():
                raise ExportError(f"the number {given!r} depends on the number of rows")
            length = self.graph.length(int(given), int(twin))
            axes = self.constant([0], np.int64)
            return self.cast(self.add("Squeeze", length, axes), dtype or type(given))
        return self.constant(given, dtype)

    def cast(self, name: str, dtype: Any) -> str:
        """A node that changes the dtype."""
        return self.add("Cast", name, to=self.graph.kind(dtype))

    def operands(self, dtype: Any = None) -> list[str]:
        """The names of all operands."""
        return [self.x(i, dtype) for i in range(len(self.equation.operands))]

    def common(self) -> Any:
        """The dtype in which NumPy computes with all operands."""
        return np.result_type(*map(_array, self.equation.operands))

    def option(self, place: int, name: str, default: Any = None) -> Any:
        """An operand or option that is no array, and does not depend on the number of rows."""
        found = [default, default]
        for i, equation in enumerate((self.equation, self.twin)):
            if len(equation.operands) > place >= 0:
                found[i] = equation.operands[place]
            found[i] = equation.options.get(name, found[i])
        if isinstance(found[0], Variable):
            raise ExportError(f"{name} is an array")
        if found[0] != found[1]:
            raise ExportError(f"{name} depends on the number of rows")
        return found[0]

    def only(self, *known: str) -> None:
        """Refuses options other than those known, unless they ask for nothing."""
        for name, value in self.equation.options.items():
            asks = value is not None and value is not True and value not in ("K", "C")
            if name not in known and asks:
                raise ExportError(f"its option {name}= has no counterpart")


def _array(value: Any) -> Any:
    """What stands for a value where shape and dtype count."""
    if isinstance(value, Variable):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    return value
