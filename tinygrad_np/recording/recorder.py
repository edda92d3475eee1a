"""Recorder: every operation is recorded, with its operands and results.

While a step is recorded, the engine's funnel calls this module. It runs each operation as in eager
mode and records it as an equation. The sweep runs the rules on Tensors then, so the backward pass
goes through the same funnel.
"""

import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autodiff.nests import leaves, parts, rebuild
from ..autodiff.rules.calls import as_arrays
from ..autodiff.rules.table import Rule, field_of
from ..autodiff.tape import Record, mode, next_number
from ..autodiff.tensor import Tensor
from .equations import Call, Equation, Variable, is_generator
from .lines import PACKAGE, outside, users_line
from .recording import Recording

# the modules a call passes through on its way from whoever wrote it to here
PASSED = ("primitives.dispatch", "tensor", "sweep", "nests")
TRANSFORMS = f"{PACKAGE}.autodiff.transforms"
FUNNEL = {f"{PACKAGE}.autodiff.{name}" for name in PASSED}
FUNNEL |= {__name__, f"{PACKAGE}.replay.capture"}
TRUSTED = (f"{PACKAGE}.autodiff.rules.", f"{PACKAGE}.autodiff.primitives.", TRANSFORMS)
# what is done to Tensors that changes no value
UNCHANGED = ("t.requires_grad = v", "t.register_hook(f)", "a write to memory that others share")
COUNT = "its use as an index or count"
FOREIGN = "a recording is of NumPy's arrays; convert those of another library."


class Recorder:
    """Who is told what the engine does, and writes it into a ``recording``.

    Arrays are known by identity: each one seen is held by its variable until the recording ends.
    What cannot be done again is passed over here; a capture, which is to be replayed, refuses it.
    """

    folds = False  # whether what depends on constants alone is a constant, too

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.variables: list[Variable] = []
        self.tensors: dict[Tensor, bool | None] = {}  # leaves with .grad: was it there at entry?
        self.effects: list[Any] = []
        self.generators: list[np.random.Generator] = []
        self.became: dict[Tensor, None] = {}  # Tensors from outside that got other memory
        self.errors = np.geterr()
        self.left = ("", "")  # how the first value left the tape, and where
        self.call: Call | None = None
        self.pulled: tuple[Record, Any] | None = None
        self._last: tuple[Record, Any] | None = None
        self._of: Equation | None = None
        self._part_of = ""
        self._numbers: list[int] = []  # of the equations, in the sequence of the records
        self._detached: set[Tensor] = set()
        self._overwritten: set[Variable] = set()
        self._kept: list[Any] = []
        self._draws: dict[Any, Any] = {}  # results by operation and states of the generators
        self._known: dict[int, Variable] = {}

    # What the engine calls (``tape.Listener`` says when).

    def apply(
        self, rule: Rule, args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        if getattr(rule.fn, "written_out", False):
            tensors = [
                self._tensor(rule, i, a, v)
                for i, (a, v) in enumerate(zip(args, values, strict=True))
            ]
            outer, self._part_of = self._part_of, self._part_of or rule.name
            try:
                with mode.having(recording=False):
                    return rule.forward(*tensors, **options)._array
            finally:
                self._part_of = outer
        return self._run(rule, self._operands(rule, args, values), values, options)

    def make(self, made: Any, source: Any, rule: Rule | None = None) -> None:
        if rule is None:  # one of the step's own
            if not isinstance(source._node, Record):
                self._operand("detach", 0, source, source._array)
            self._detached.add(made)
            return
        array = source._array if isinstance(source, Tensor) else source
        if isinstance(array, np.ndarray) and array is not made:
            given = source if isinstance(source, Tensor) else array
            operand = self._operand("Tensor(array)", 0, given, array)
            self._note("call", rule, [operand, made.dtype], {}, [made])
        elif id(made) not in self._known:
            self._remember("constant", made)

    def write(
        self, rule: Rule, target: Tensor, operands: Sequence[Any], values: Sequence[Any]
    ) -> None:
        both = [target, *operands], [target._array, *values]
        into, *rest = self._operands(rule, *both)
        if into.kind == "memory":
            self._note("write", rule, [into, *rest], {}, [])
            self._forget({into})
        else:
            self._write_own(rule, into, rest, target._array)

    def _write_own(self, rule: Rule, into: Variable, rest: list[Any], array: Any) -> None:
        """A write into memory of the step's own: an operation with a result of its own."""
        if into.kind not in ("result", "constant") or into.view_of is not None:
            self.refuse("writes into memory that it did not make", "write into a copy (t * 1)")
        for variable in self.variables:
            if np.may_share_memory(variable.array, array):
                self._overwritten.add(variable)
                self._kept.append(variable.array)  # whose id is known
                variable.array = np.array(variable.array)
        self._note("call", rule, [into, *rest], {}, [array])

    def become(self, target: Tensor, value: Tensor) -> None:
        if not isinstance(target._array, np.ndarray):  # inside tg.vmap
            return
        for leaf in self.tensors:
            if getattr(leaf, "_grad", None) is target:
                self.gradient(leaf, value)
        known = self._known.get(id(target._array))
        if known is not None and known.kind == "input":
            self.refuse(
                "writes into an argument, which would not reach the caller",
                "write into a copy (x * 1), and return it",
            )
        if target not in self.became:
            if target in self._detached or (known is not None and known.kind != "memory"):
                return  # a Tensor of the step's own
            if known is not None and known.source is not target:
                self.refuse(
                    "writes to a Tensor that shares its memory with another",
                    "write to a copy (t * 1)",
                )
        if isinstance(value._node, Record):
            self.refuse(
                "makes a Tensor from outside a recorded result", "do it inside tg.no_grad()"
            )
        if known is not None and known.kind == "memory":
            known.kind = "state"
        self.became[target] = None
        operand = self._operand("t[i] = v", 0, value, value._array)
        self._note("become", None, [operand], {"tensor": target}, [])

    def gradient(self, tensor: Tensor, *change: Tensor | None) -> None:
        if change:
            self.deliver(tensor, change[0])
        elif tensor not in self.tensors:
            self.tensors[tensor] = None  # from here on it is known, and may be read
            before = tensor.grad
            self.tensors[tensor] = before is not None
            if before is not None:
                if before._node is not None:
                    self.refuse("finds a .grad that is itself recorded", "call zero_grad() first")
                self._remember("entry", before._array, tensor)

    def deliver(self, tensor: Tensor, gradient: Tensor | None) -> None:
        """``tensor.grad`` is ``gradient`` from now on."""
        self.tensors.setdefault(tensor, None)
        operands = []
        if gradient is not None:
            if gradient.dtype != tensor.dtype:
                self.refuse(
                    f"gives a Tensor of dtype {tensor.dtype} a gradient of {gradient.dtype}",
                    "use .astype()",
                )
            operands = [self._operand(".grad =", 0, gradient, gradient._array)]
        self._note("deliver", None, operands, {"tensor": tensor}, [])

    def leave(self, how: str, _tensor: Tensor | None = None) -> None:
        """A value leaves the tape: what is done with it is not written down."""
        if not any(self.left) and how not in UNCHANGED:
            self.left = how, users_line()

    def lift(self, nest: Any, declared: bool = False, pulled: Any = None) -> Any:
        """The nest with Tensors for the arrays that may be others when this is done again.

        What is ``declared`` the user gave, and has not been seen before.
        """
        self.pulled = pulled or self.pulled
        if declared and self._is_own_code(FUNNEL | {TRANSFORMS}):
            return nest
        parts = leaves(nest)
        beside = [getattr(pulled[1], "_array", None), *parts] if pulled else []
        if any(hasattr(part, "computes_itself") for part in beside):
            return nest  # inside tg.vmap, where arrays beside those of a batch are constants
        for i, part in enumerate(parts):
            if not isinstance(part, np.ndarray):
                continue
            if declared:
                self._operand("", i, part, part)
            known = self._known.get(id(part))
            if known is None or known.kind != "constant" or (declared and not self.folds):
                parts[i] = Tensor._of(part, None)
        return rebuild(nest, parts)

    @contextmanager
    def sweeping(self, records: bool) -> Iterator[None]:
        try:
            with mode.having(recording=records):
                yield
        finally:
            self.pulled = self._last = self._of = None  # they would keep the graph

    def effect(self, worker: Any) -> None:
        """Let ``worker`` do what cannot be recorded.

        It has ``perform()``, ``save()`` and ``restore(saved)``, reads the gradients of its
        ``params``, and may change memory of Tensors.
        """
        for parameter in worker.params:
            self.gradient(parameter)
        mode.capture = None
        try:
            self._perform(worker)
        finally:
            mode.capture = self
        self.effects.append(worker)
        self._note("effect", worker, [], {}, [])

    def inside(self, module: Any, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        """The forward pass of a module, whose equations are to be known as its."""
        around, self.call = self.call, Call(weakref.ref(module), type(module), self.call)
        try:
            return module.forward(*inputs, **options)
        finally:
            self.call = around

    def argument(self, place: int, given: Any) -> Tensor:
        """An argument as the step gets it."""
        tensor = given if isinstance(given, Tensor) else argument(given)
        self._remember("input", tensor._array, given if tensor is given else place)
        return tensor

    def variable(self, tensor: Tensor) -> Variable:
        """The variable of a Tensor that the step returned."""
        operand = self._operand("return", 0, tensor, tensor._array)
        if not isinstance(operand, Variable):
            raise TypeError(FOREIGN)
        return operand

    def close(self) -> None:
        """Forget the arrays that a replay makes anew."""
        self._known.clear()
        for variable in self.variables:
            if variable.kind not in ("constant", "memory"):
                variable.array = None

    def finished(self, results: Sequence[Variable]) -> Recording:
        """The recording of a step that has returned ``results``."""
        made = Recording(self.equations, self.variables, list(results))
        made.left = self.left
        return made

    # How it is written down, and what a capture adds to that.

    def refuse(self, what: str, remedy: str) -> None:
        """What could not be done again."""

    def _perform(self, worker: Any) -> None:
        known = [self._known.get(id(parameter._array)) for parameter in worker.params]
        self._forget({v.root for v in known if v is not None})
        worker.perform()

    def _forget(self, variables: set[Variable]) -> None:
        """Memory that is written to: keep what was read, and take it for another from now on."""
        for variable in [v for v in self.variables if v.root in variables]:  # and views of it
            self._known.pop(id(variable.array), None)
            self._kept.append(variable.array)
            variable.array = np.array(variable.array)

    def _new_generator(self, generator: Any) -> None:
        self.generators.append(generator)

    def _drawn(self, generator: Any) -> None:
        """An operation has drawn from a generator."""

    def _raw(self, array: np.ndarray, _operand: Any) -> Variable:
        """The variable of an array that is no Tensor's, which is seen for the first time."""
        return self._remember("constant", array)

    def _run(
        self,
        rule: Rule,
        operands: list[Any],
        values: Sequence[Any],
        options: dict[str, Any],
    ) -> Any:
        name = spelled(rule)
        given = {k: self._operand(f"{name}({k}=)", 0, v, v) for k, v in options.items()}
        changing = [v for v in given.values() if isinstance(v, Variable) and v.kind != "constant"]
        if rule.traits.shape_only and changing:  # as of np.zeros_like(t, shape=n)
            self.leave(COUNT)
        drawn = [v for v in (*values, *options.values()) if is_generator(v)]
        draw = rule, *((id(g), str(g.bit_generator.state)) for g in drawn)
        mode.capture = None
        try:
            out = rule.forward(*values, **options)
        finally:
            mode.capture = self
        if mode.again and draw in self._draws:
            return self._draws[draw]
        for generator in drawn:
            self._draws[draw] = out
            self._drawn(generator)
        if type(out) is not np.ndarray:
            out = as_arrays(out)
            if not isinstance(out, (np.ndarray, tuple)):
                self.refuse(f"{name} returns no array", "call it outside the step")
                return out
        if isinstance(out, tuple):
            there = [i for i, part in enumerate(out) if part is not None]
            fields = [field_of(type(out), i) for i in range(len(out))]
            arrays = [value for value in values if isinstance(value, np.ndarray)]
            views = any(np.may_share_memory(out[i], a) for i in there for a in arrays)
            for places in [[i] for i in there] if views else [there]:
                some = [out[i] for i in places]
                whole = len(places) == len(out) > 1
                self._note("call", rule, operands, given, some, None if whole else places, fields)
        elif (same := self._known.get(id(out))) is not None and same in operands:
            if same.array is out and rule.traits.checks:
                self._note("check", rule, operands, given, [])
        else:
            self._note("call", rule, operands, given, [out])
        return out

    def _note(
        self, kind: str, does: Any, operands: list[Any], options: dict[str, Any],
        out: Sequence[Any], places: list[int] | None = None, fields: Sequence[str] = (),
    ) -> None:  # fmt: skip
        results = [self._remember("result", part) for part in out]
        equation = Equation(kind, does, operands, options, results, users_line())
        equation.count = len(fields)
        if places is not None:
            equation.fn = chosen(equation.fn, places)
        for i, result in zip(places or range(len(fields)), results, strict=False):
            result.field = fields[i]
        sources = [v for v in equation.reads if v.kind != "constant"]
        for result in results:
            result.made = equation
            is_alone = len(sources) == len(results) == 1  # were there others, it might move
            if is_alone and np.may_share_memory(result.array, sources[0].array):
                result.view_of = sources[0]
        errors: Any = np.geterr()
        if errors != self.errors:
            equation.errors = errors
        self._append(equation)

    def _append(self, equation: Equation) -> None:
        if self.pulled is not self._last:
            self._of = self._pulls()
        equation.call, equation.of = self.call, self._of
        if self._of is not None and equation.traits.copies and equation.reads:
            made = equation.reads[0].made  # a gradient's copy belongs where the gradient was made
            equation.of = (made and made.of) or self._of
        equation.part_of = self._part_of
        self.equations.append(equation)
        self._numbers.append(next_number())

    def _pulls(self) -> Equation | None:
        """The equation whose derivative the sweep is about to take, None outside of one."""
        before, self._last = self._last, self.pulled
        if self.pulled is None:
            return None
        record, g = self.pulled
        equation = self._of_record(record)
        seed = self._known.get(id(g._array)) if isinstance(g, Tensor) else None
        if equation is not None and seed is not None:
            equation.cotangent = seed
            if before is None and seed.made is self.equations[-1]:
                seed.made.of = equation
        return equation

    def _of_record(self, record: Record) -> Equation | None:
        """The equation of an operation on the tape, None of one from before."""
        place = bisect_right(self._numbers, record.number) - 1
        return self.equations[place] if place >= 0 else None

    def _remember(self, kind: str, array: Any, source: Any = None) -> Variable:
        variable = Variable(len(self.variables), kind, array, source)
        self.variables.append(variable)
        self._known[id(array)] = variable
        return variable

    def _tensor(self, rule: Rule, i: int, operand: Any, value: Any) -> Any:
        """An operand of a function that is written out, as an unrecorded Tensor."""
        if not isinstance(value, np.ndarray):
            return value
        self._operand(spelled(rule), i, operand, value)
        return Tensor._of(value, None)

    def _operands(self, rule: Rule, operands: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """The variables of an operation's operands."""
        name, pairs = spelled(rule), zip(operands, values, strict=True)
        return [self._operand(name, i, operand, value) for i, (operand, value) in enumerate(pairs)]

    def _operand(self, name: str, i: int, operand: Any, value: Any) -> Any:
        """The variable of an operand, or the operand itself if it is no array."""
        if not isinstance(value, np.ndarray):
            if is_generator(value) and value not in self.generators:
                self._new_generator(value)
            if _holds_tensor(value):
                self.leave(COUNT)
            return value
        known = self._known.get(id(value))
        if known in self._overwritten:
            self.refuse(
                f"gives {name} a view of a Tensor from before it was written in place",
                "make the view anew",
            )
        if known is not None:
            return known
        if not isinstance(operand, Tensor):
            return self._raw(value, operand)
        if isinstance(operand._node, Record):
            self.refuse(
                f"gives {name} a Tensor (operand {i}) that was computed from variables "
                "outside of it",
                "compute it inside, or .detach() it",
            )
        memory = self._remember("memory", value, operand)
        memory.name = operand.name
        return memory

    def _is_own_code(self, passed: set[str]) -> bool:
        """Whether a rule made the call: the arrays that rules make depend on shapes alone."""
        frame = outside(passed.__contains__)
        return frame is not None and str(frame.f_globals.get("__name__")).startswith(TRUSTED)


def spelled(rule: Rule) -> str:
    """An operation as users write it."""
    return rule.traits.spelled or rule.name


def _holds_tensor(nest: Any) -> bool:
    """Whether a Tensor is in an index or a shape, where NumPy makes a number of it."""
    if isinstance(nest, slice):
        nest = nest.start, nest.stop, nest.step
    inside = None if isinstance(nest, np.ndarray) else parts(nest)
    return isinstance(nest, Tensor) if inside is None else any(map(_holds_tensor, inside.values()))


def argument(array: np.ndarray) -> Tensor:
    """An argument as the step gets it."""
    # a view of its own: the array may be there twice, or be a parameter's memory
    tensor = Tensor._owning(np.asarray(array).view())
    assert tensor._storage is not None
    tensor._storage.expose()  # the array is the caller's: a write to it must not pass
    return tensor


def chosen(fn: Any, places: list[int]) -> Any:
    """A function of several results, as one that gives those at some places (one alone: itself)."""

    def call(*values: Any, **options: Any) -> Any:
        made = fn(*values, **options)
        found = [made[i] for i in places]
        return found[0] if len(found) == 1 else found

    call.places = places  # type: ignore[attr-defined]
    return call
