"""What a step did, as a list of equations: the one description that everything else reads."""

import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..autodiff.rules.table import Rule, Traits
from ..autodiff.tape import Record
from ..autodiff.tensor import Tensor


class Variable:
    """An array of the recorded step.

    ``kind`` is ``input`` (an argument), ``memory`` (of a Tensor from outside the step, read where
    it lies), ``state`` (the same, of one that the step gives other memory), ``entry`` (a gradient
    that was there before), ``constant``, or ``result``. ``array``
    is what it was during the recording; ``source`` the Tensor from outside, or the argument's
    place, or of a tape the node; ``view_of`` is set where a result lies in another variable's
    memory. ``name`` is what it is called, ``field`` how one gets at it among several results.
    """

    __slots__ = (
        "array", "dtype", "field", "kind", "made", "name", "nbytes", "number", "shape", "source",
        "start", "strides", "view_of",
    )  # fmt: skip

    def __init__(self, number: int, kind: str, array: np.ndarray, source: Any = None) -> None:
        self.number = number
        self.kind = kind
        self.array: Any = array
        self.source = source
        self.shape = array.shape
        self.dtype = array.dtype
        self.strides = getattr(array, "strides", ())
        self.nbytes = array.nbytes
        memory = getattr(array, "__array_interface__", None)  # other libraries' arrays have none
        self.start = int(memory["data"][0]) if memory else 0
        self.view_of: Variable | None = None
        self.made: Equation | None = None
        self.name: str | None = None
        self.field = ""

    @property
    def root(self) -> "Variable":
        """The variable whose memory this one lies in."""
        variable = self
        while variable.view_of is not None:
            variable = variable.view_of
        return variable

    @property
    def is_number(self) -> bool:
        """Whether it is written into the operations that read it."""
        return self.kind == "constant" and self.shape == ()

    def __repr__(self) -> str:
        return self.name or f"{'v' if self.kind == 'result' else self.kind[0]}{self.number}"


class Call:
    """A module's forward pass, in that of another or None: ``around``. ``path`` is its name."""

    __slots__ = ("around", "kind", "module", "path")

    def __init__(
        self, module: "weakref.ref[Any]", kind: type, around: "Call | None" = None
    ) -> None:
        self.module = module  # weak: a program must not keep the model that keeps it
        self.kind = kind
        self.around = around
        self.path = ""

    @property
    def title(self) -> str:
        """``0.inner: Linear``."""
        return f"{self.path}: {self.kind.__name__}" if self.path else self.kind.__name__


class Equation:
    """One recorded call: ``results = fn(*operands, **options)``, by a row of the table.

    ``kind`` is ``call``, ``check`` (raises or passes its operand on), ``write`` (the result goes
    into the first operand, memory from outside), ``effect`` (fn works outside the step, such as an
    optimiser; it has no row), ``deliver`` (the first operand becomes ``.grad`` of the Tensor in
    ``options``, which is cleared where there is no operand), or ``become`` (the first operand
    becomes the value of the Tensor in ``options``). ``reads`` are the variables among operands and
    options. ``errors`` is how NumPy is to treat floating-point errors, where that is not as around
    the step. ``clears`` are the Tensors that have no gradient from here on until they are given
    one, which only an error shows.

    ``line`` is the user's, ``call`` the innermost module that was being called, ``part_of`` the
    operation of several equations that this is one of. In the backward
    pass ``of`` is the equation of the forward pass whose derivative this belongs to; there
    ``cotangent`` is what has arrived for the (first) result. ``count`` is how many results the
    function gives, where that are several; ``record`` is the one on the tape, if it is read off it.
    """

    __slots__ = (
        "call", "clears", "cotangent", "count", "errors", "fn", "kind", "line", "of", "operands",
        "options", "part_of", "reads", "record", "results", "rule", "traits",
    )  # fmt: skip

    def __init__(
        self,
        kind: str,
        does: Any,
        operands: Sequence[Any],
        options: dict[str, Any],
        results: Sequence[Variable],
        line: str,
    ) -> None:
        self.kind = kind
        self.rule = does if isinstance(does, Rule) else None
        self.fn: Any = does if self.rule is None else self.rule.forward
        self.traits = NO_TRAITS if self.rule is None else self.rule.traits
        self.operands = tuple(operands)
        self.options = options
        self.reads = [v for v in (*operands, *options.values()) if isinstance(v, Variable)]
        self.results = tuple(results)
        self.line = line
        self.errors: dict[str, Any] | None = None
        self.clears: list[Tensor] = []
        self.call: Call | None = None
        self.of: Equation | None = None
        self.cotangent: Variable | None = None
        self.count = 0
        self.part_of = ""
        self.record: Record | None = None

    def __repr__(self) -> str:
        return f"Equation({self.kind} {self.name}: {list(self.operands)} -> {list(self.results)})"

    def renamed(
        self, names: Mapping[Variable, Variable], results: Sequence[Variable]
    ) -> "Equation":
        """The same operation with other results, on other variables where ``names`` has them."""

        def name(value: Any) -> Any:
            return names.get(value, value) if isinstance(value, Variable) else value

        operands = [name(value) for value in self.operands]
        options = {key: name(value) for key, value in self.options.items()}
        made = Equation(self.kind, self.rule or self.fn, operands, options, results, self.line)
        made.fn, made.errors, made.call, made.of = self.fn, self.errors, self.call, self.of
        made.count, made.part_of = self.count, self.part_of
        return made

    @property
    def name(self) -> str:
        """What the operation is called."""
        named = self.rule or self.fn
        return str(getattr(named, "name", None) or getattr(named, "__name__", type(named).__name__))

    @property
    def module(self) -> str:
        """The module that was being called, as texts name it."""
        return "" if self.call is None else self.call.title

    @property
    def is_backward(self) -> bool:
        """Whether it belongs to a backward pass."""
        return self.of is not None or (self.kind == "deliver" and bool(self.operands))

    @property
    def draws(self) -> bool:
        """Whether a generator is among the operands, whose state the call changes."""
        return any(map(is_generator, (*self.operands, *self.options.values())))


def is_generator(value: Any) -> bool:
    """Whether it is a generator that operations draw from; NumPy's are not loaded to see that."""
    return "numpy.random" in sys.modules and isinstance(value, np.random.Generator)


NO_TRAITS = Traits()
