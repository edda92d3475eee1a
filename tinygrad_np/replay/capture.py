"""Capture: every operation of a step is recorded, with its operands and results.

While a step is captured, the engine's funnel calls this module. It runs each operation as in eager
mode and records it as an equation. The sweep runs the rules on Tensors then, so the backward pass
goes through the same funnel.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np

from ..autodiff.guards import Slot, fingerprint
from ..autodiff.nests import leaves, rebuild, tupled
from ..autodiff.rules.table import Rule, Traits
from ..autodiff.sweep import OWN, references
from ..autodiff.tape import Record, mode, recording
from ..autodiff.tensor import Tensor
from ..errors import ReplayError
from .memory import c_strides
from .reads import PACKAGE, Read, Reads, Whose, whose

# the modules a call passes through on its way from whoever wrote it to here
PASSED = ("primitives.dispatch", "tensor", "sweep", "nests")
FUNNEL = {f"{PACKAGE}.autodiff.{name}" for name in PASSED}
TRANSFORMS = f"{PACKAGE}.autodiff.transforms"
TRUSTED = (f"{PACKAGE}.autodiff.rules.", f"{PACKAGE}.autodiff.primitives.", TRANSFORMS)
# what is done to Tensors that no operation does, and what to do instead
CHANGES = {
    "t.data = v": ("replaces t.data", "write t[...] = v inside tg.no_grad()"),
    "t.requires_grad = v": (
        "changes requires_grad of a Tensor from outside",
        "change it before the step, or take the Tensor's .detach() within",
    ),
    "t.register_hook(f)": (
        "gives a leaf from outside another hook",
        "call register_hook, or remove(), outside the step, or hook a result within",
    ),
    "a write to memory that others share": (
        "writes to a Tensor whose memory others share (its .data, a view)",
        "keep a copy (t.numpy(), t.copy()) instead",
    ),
}
PLAIN = (
    "A step that has to look at values runs without tg.replay (in fit: replay=False), more slowly."
)


class Variable:
    """An array of the captured step.

    ``kind`` is ``input`` (an argument), ``memory`` (of a Tensor from outside the step, read where
    it lies), ``state`` (the same, of one that the step gives other memory), ``entry`` (a gradient
    that was there before), ``constant``, or ``result``. ``array``
    is what it was during the capture; ``source`` the Tensor from outside, or the argument's place;
    ``view_of`` is set where a result lies in another variable's memory.
    """

    __slots__ = (
        "array", "dtype", "kind", "made", "nbytes", "number", "shape", "source", "start",
        "strides", "view_of",
    )  # fmt: skip

    def __init__(self, number: int, kind: str, array: np.ndarray, source: Any = None) -> None:
        self.number = number
        self.kind = kind
        self.array: Any = array
        self.source = source
        self.shape = array.shape
        self.dtype = array.dtype
        self.strides = array.strides
        self.nbytes = array.nbytes
        self.start = int(array.__array_interface__["data"][0])
        self.view_of: Variable | None = None
        self.made: Equation | None = None

    @classmethod
    def shaped(cls, like: "Variable", shape: tuple[int, ...]) -> "Variable":
        """A result in the place of another one, with another shape, in C order."""
        made = cls.__new__(cls)
        made.number, made.kind, made.dtype, made.shape = like.number, "result", like.dtype, shape
        made.strides = c_strides(shape, like.dtype.itemsize)
        made.nbytes = math.prod(shape) * like.dtype.itemsize
        made.array = made.source = made.view_of = made.made = None
        made.start = 0
        return made

    @property
    def root(self) -> "Variable":
        """The variable whose memory this one lies in."""
        variable = self
        while variable.view_of is not None:
            variable = variable.view_of
        return variable

    def __repr__(self) -> str:
        return f"{'v' if self.kind == 'result' else self.kind[0]}{self.number}"


class Equation:
    """One captured call: ``results = fn(*operands, **options)``, by a row of the table.

    ``kind`` is ``call``, ``check`` (raises or passes its operand on), ``write`` (the result goes
    into the first operand, memory from outside), ``effect`` (fn works outside the step, such as an
    optimiser; it has no row), ``deliver`` (the first operand becomes ``.grad`` of the Tensor in
    ``options``, which is cleared where there is no operand), or ``become`` (the first operand
    becomes the value of the Tensor in ``options``). ``reads`` are the variables among operands and
    options. ``errors`` is how NumPy is to treat floating-point errors, where that is not as around
    the step. ``clears`` are the Tensors that have no gradient from here on until they are given
    one, which only an error shows.
    """

    __slots__ = (
        "clears", "errors", "fn", "kind", "line", "operands", "options", "reads", "results",
        "rule", "traits",
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
        made.fn, made.errors = self.fn, self.errors
        return made

    @property
    def name(self) -> str:
        """What the operation is called."""
        named = self.rule or self.fn
        return str(getattr(named, "name", None) or getattr(named, "__name__", type(named).__name__))

    @property
    def draws(self) -> bool:
        """Whether a generator is among the operands, whose state the call changes."""
        return any(map(is_generator, (*self.operands, *self.options.values())))


class Capture:
    """The equations of one run of a step, and what it needs from outside.

    Arrays are known by identity: each one seen is held in ``variables`` until the capture ends.
    """

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.variables: list[Variable] = []
        self.tensors: dict[Tensor, bool | None] = {}  # leaves with .grad: was it there at entry?
        self.effects: list[Any] = []
        self.generators: list[np.random.Generator] = []
        self.reads = Reads()
        self.watched: list[tuple[np.ndarray, Any]] = []  # constants that somebody may write to
        self.became: dict[Tensor, None] = {}  # Tensors from outside that got other memory
        self.errors = np.geterr()
        self._raw: dict[Variable, Any] = {}  # arrays that are no Tensors', as they came
        self._detached: set[Tensor] = set()
        self._overwritten: set[Variable] = set()
        self._kept: list[Any] = []
        self._known: dict[int, Variable] = {}

    # What the engine calls.

    def apply(
        self, rule: Rule, args: Sequence[Any], values: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """Run an operation of the table and write it down."""
        if getattr(rule.fn, "written_out", False):
            tensors = [
                self._tensor(rule, i, a, v)
                for i, (a, v) in enumerate(zip(args, values, strict=True))
            ]
            with recording(False):
                out = rule.forward(*tensors, **options)
            return out._array
        with self.reads.paused():
            return self._run(rule, self._operands(rule, args, values), values, options)

    def make(self, made: Any, source: Any, rule: Rule | None = None) -> None:
        """A Tensor is made around the memory of ``source``, or of an array that ``rule`` copied."""
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
        self,
        rule: Rule,
        target: Tensor,
        operands: Sequence[Any],
        values: Sequence[Any],
    ) -> None:
        """An operation writes its result into its first operand, the memory of a Tensor."""
        both = [target, *operands], [target._array, *values]
        into, *rest = self._operands(rule, *both)
        if into.kind == "memory":
            self._note("write", rule, [into, *rest], {}, [])
        else:
            self._write_own(rule, into, rest, target._array)

    def _write_own(self, rule: Rule, into: Variable, rest: list[Any], array: Any) -> None:
        """A write into memory of the step's own: an operation with a result of its own."""
        if into.kind not in ("result", "constant") or into.view_of is not None:
            raise refusal("writes into memory that it did not make", "write into a copy (t * 1)")
        for variable in self.variables:
            if np.may_share_memory(variable.array, array):
                self._overwritten.add(variable)
                self._kept.append(variable.array)  # whose id is known
                variable.array = np.array(variable.array)
        equation = Equation("call", rule, [into, *rest], {}, [], users_line())
        result = self._remember("result", array)
        equation.results, result.made = (result,), equation
        self.equations.append(equation)

    def become(self, target: Tensor, value: Tensor) -> None:
        """``target`` is about to take over the memory of ``value``."""
        for leaf in self.tensors:
            if getattr(leaf, "_grad", None) is target:
                self.gradient(leaf, value)
        known = self._known.get(id(target._array))
        if target not in self.became:
            if target in self._detached or (known is not None and known.kind != "memory"):
                return  # a Tensor of the step's own
            if known is not None and known.source is not target:
                raise refusal(
                    "writes to a Tensor that shares its memory with another",
                    "write to a copy (t * 1)",
                )
        if isinstance(value._node, Record):
            raise refusal(
                "makes a Tensor from outside a recorded result", "do it inside tg.no_grad()"
            )
        if known is not None and known.kind == "memory":
            known.kind = "state"
        self.became[target] = None
        operand = self._operand("t[i] = v", 0, value, value._array)
        self._note("become", None, [operand], {"tensor": target}, [])

    def gradient(self, tensor: Tensor, *change: Tensor | None) -> None:
        """``tensor.grad`` is about to be read, or is another from now on."""
        variable = self._known.get(id(tensor._array))
        if variable is not None and variable.kind != "memory":
            return  # of a variable of the step's own
        if change:
            self._deliver(tensor, change[0])
        elif tensor not in self.tensors:
            before = getattr(tensor, "_grad", None)
            if type(before) is Slot:
                before = tensor._grad = Tensor._owning(np.array(before.array))
            self.tensors[tensor] = before is not None
            if before is not None:
                if before._node is not None:
                    raise refusal("finds a .grad that is itself recorded", "call zero_grad() first")
                self._remember("entry", before._array, tensor)

    def _deliver(self, tensor: Tensor, gradient: Tensor | None) -> None:
        self.tensors.setdefault(tensor, None)
        operands = []
        if gradient is not None:
            if gradient.dtype != tensor.dtype:
                raise refusal(
                    f"gives a Tensor of dtype {tensor.dtype} a gradient of {gradient.dtype}",
                    "use .astype()",
                )
            operands = [self._operand(".grad =", 0, gradient, gradient._array)]
        self._note("deliver", None, operands, {"tensor": tensor}, [])

    def leave(self, how: str, tensor: Tensor | None = None) -> None:
        """A value leaves the tape, or what no operation changes is about to be changed."""
        known = None if tensor is None else self._known.get(id(tensor._array))
        if how in CHANGES:
            own = known is not None and known.kind != "memory"
            if tensor is None or not (own or tensor in self._detached):
                raise refusal(*CHANGES[how])
            return
        given = known is not None and known.kind == "input"
        itself = "; the argument of the step is a Tensor: use it itself" if given else ""
        raise refusal(
            f"takes a value out of a Tensor: {how}",
            "return the Tensor and look at it outside the step, choose with np.where, or take rows "
            f"by labels with F.one_hot(t, k) or from a Tensor, tg.Tensor(table)[t]{itself}",
        )

    def lift(self, nest: Any, declared: bool = False) -> Any:
        """The nest with Tensors for the arrays that may be others when this is done again.

        What is ``declared`` the user gave, and has not been seen before.
        """
        if declared and self._is_own_code(FUNNEL | {TRANSFORMS}):
            return nest
        parts = leaves(nest)
        for i, part in enumerate(parts):
            if not isinstance(part, np.ndarray):
                continue
            if declared:
                self._operand("", i, part, part)
            known = self._known.get(id(part))
            if known is None or known.kind != "constant":
                parts[i] = Tensor._of(part, None)
        return rebuild(nest, parts)

    def effect(self, worker: Any) -> None:
        """Let ``worker`` do what cannot be captured, now and in every replay.

        It has ``perform()``, ``save()`` and ``restore(saved)``, reads the gradients of its
        ``params``, and may change memory of Tensors.
        """
        for parameter in worker.params:
            self.gradient(parameter)
        mode.capture = None
        try:
            with self.reads.working(worker):
                worker.perform()
        finally:
            mode.capture = self
        self.effects.append(worker)
        self._note("effect", worker, [], {}, [])

    def settle(self, iterator: Read | None, reached: Mapping[int, Any]) -> None:
        """The step is over: refuse what moves outside it, and tell constants from memory.

        Raw arrays are constants. Those that the step has not made itself are compared before each
        replay: the guards see to the ones that they have ``reached`` (by id), ``watched`` has what
        others may be held by somebody.
        """
        if (generator := self.reads.moved_generator()) is not None:
            raise refusal(
                f"draws random numbers outside of Tensors ({generator.name})",
                "use tg.random, or pass the numbers as an argument",
                generator.place,
            )
        if iterator is not None:
            raise refusal(
                f"takes from {iterator.name}, an iterator outside of it",
                "pass the values as arguments",
                iterator.place,
            )
        for variable, content in self._raw.items():
            self._check_raw(variable, content)
            base = variable.array
            while isinstance(base.base, np.ndarray):
                base = base.base
            made = base.base is None and references(base) <= OWN + (base is variable.array)
            if not made and id(variable.array) not in reached:
                self.watched.append((variable.array, content))
            variable.array = np.array(variable.array)

    # Inputs and results of the whole step.

    def argument(self, place: int, array: np.ndarray) -> Tensor:
        """An argument as the step gets it."""
        tensor = argument(array)
        self._remember("input", tensor._array, place)
        return tensor

    def variable(self, tensor: Tensor) -> Variable:
        """The variable of a Tensor that the step returned."""
        operand = self._operand("return", 0, tensor, tensor._array)
        assert isinstance(operand, Variable)
        return operand

    def close(self) -> None:
        """Forget the arrays that a replay makes anew."""
        self._known.clear()
        for variable in self.variables:
            if variable.kind not in ("constant", "memory"):
                variable.array = None

    # How it is written down.

    def _run(
        self,
        rule: Rule,
        operands: list[Any],
        values: Sequence[Any],
        options: dict[str, Any],
    ) -> Any:
        name = spelled(rule)
        given = {k: self._operand(f"{name}({k}=)", 0, v, v) for k, v in options.items()}
        drawn = [v for v in (*values, *options.values()) if is_generator(v)]
        mode.capture = None
        try:
            out = rule.forward(*values, **options)
        finally:
            mode.capture = self
        for generator in drawn:
            self.reads.drawn(generator)
        if type(out) is not np.ndarray:
            out = _arrays(out)
            if out is None:
                raise refusal(f"{name} gives no array", "call it outside the step")
        if isinstance(out, tuple):
            there = [i for i, part in enumerate(out) if part is not None]
            arrays = [value for value in values if isinstance(value, np.ndarray)]
            views = any(np.may_share_memory(out[i], a) for i in there for a in arrays)
            for places in [[i] for i in there] if views else [there]:
                made = [out[i] for i in places]
                whole = len(places) == len(out) > 1
                self._note("call", rule, operands, given, made, None if whole else places)
        elif (same := self._known.get(id(out))) is not None and same in operands:
            if same.array is out and rule.traits.checks:
                self._note("check", rule, operands, given, [])
        else:
            self._note("call", rule, operands, given, [out])
        return out

    def _note(
        self, kind: str, does: Any, operands: list[Any], options: dict[str, Any],
        out: Sequence[Any], places: list[int] | None = None,
    ) -> None:  # fmt: skip
        results = [self._remember("result", part) for part in out]
        equation = Equation(kind, does, operands, options, results, users_line())
        if places is not None:
            equation.fn = chosen(equation.fn, places)
        source = _only_source(equation)
        for result in results:
            result.made = equation
            if source is not None and np.may_share_memory(result.array, source.array):
                result.view_of = source
        errors: Any = np.geterr()
        if errors != self.errors:
            equation.errors = errors
        self.equations.append(equation)

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
                self.generators.append(value)
                self.reads.see(value, users_line())
            return value
        known = self._known.get(id(value))
        if known in self._overwritten:
            raise refusal(
                f"gives {name} a view of a Tensor from before it was written in place",
                "make the view anew",
            )
        if known is not None:
            if known in self._raw:
                self._check_raw(known, self._raw[known])
            return known
        if not isinstance(operand, Tensor):
            written = isinstance(operand, list) and not _holds_array(operand)
            if written or self._is_own_code(FUNNEL):
                return self._remember("constant", value)
            raw = self._remember("constant", value)
            self._raw[raw] = fingerprint(value)
            return raw
        if isinstance(operand._node, Record):
            raise refusal(
                f"gives {name} a Tensor (operand {i}) that was computed from variables "
                "outside of it",
                "compute it inside, or .detach() it",
            )
        return self._remember("memory", value, operand)

    def _is_own_code(self, passed: set[str]) -> bool:
        """Whether a rule made the call: the arrays that rules make depend on shapes alone."""
        frame = _caller(passed | {__name__})
        return frame is not None and str(frame.f_globals.get("__name__")).startswith(TRUSTED)

    def _check_raw(self, variable: Variable, content: Any) -> None:
        if fingerprint(variable.array) != content:
            raise refusal(
                f"writes into an array of shape {variable.shape} that it has used before",
                "write into a copy, or keep it in a Tensor and write t[...] = v",
            )


def refusal(what: str, remedy: str, place: str = "") -> ReplayError:
    """The error for a step that cannot be replayed."""
    return ReplayError(
        f"{place or users_line()}: the step {what}. It cannot be replayed so: {remedy}. {PLAIN}"
    )


def spelled(rule: Rule) -> str:
    """An operation as users write it."""
    return rule.traits.spelled or rule.name


def users_line() -> str:
    """Where in the user's code we are."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and whose(frame.f_globals.get("__name__")) < Whose.USER:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


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

    return call


def is_generator(value: Any) -> bool:
    """Whether it is a generator that operations draw from; NumPy's are not loaded to see that."""
    return "numpy.random" in sys.modules and isinstance(value, np.random.Generator)


def _only_source(equation: Equation) -> Variable | None:
    """The variable whose view the only result can be: were there others, it might move."""
    found = [v for v in equation.reads if v.kind != "constant"]
    return found[0] if len(found) == len(equation.results) == 1 else None


def _caller(passed: set[str]) -> FrameType | None:
    """The nearest frame of a module that is not in ``passed``."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in passed:
        frame = frame.f_back
    return frame


def _holds_array(nest: Any) -> bool:
    return any(isinstance(part, (np.ndarray, Tensor)) for part in leaves(nest))


def _arrays(out: Any) -> Any:
    if isinstance(out, (np.generic, bool, int, float, complex)):
        return np.asarray(out)
    if isinstance(out, (tuple, list)):
        return tupled(type(out), [None if part is None else np.asarray(part) for part in out])
    return out if isinstance(out, np.ndarray) else None


NO_TRAITS = Traits()
