"""What an optimiser does with each parameter: its NumPy calls, noted as it makes them."""

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor
from ..errors import ExportError
from ..optim.optimisers import Optimiser
from ..optim.pack import working
from ..recording.equations import is_generator


@dataclass
class Update:
    """The update of one parameter: ``calls`` are (function, operands, options, result).

    Arrays among the operands are names: ``values``, ``g``, ``scratch``, ``spare``, those of the
    ``state``, and results. ``state`` has what the optimiser keeps for it, as it was before.
    """

    parameter: Tensor
    state: dict[str, np.ndarray]
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], str]]
    clip_norm: float | None
    max_norm: float | None
    age: int


class Name(str):
    """The name of an array among the operands of a noted call."""


class Noted(np.ndarray):
    """An array that notes the calls it takes part in, and makes them."""

    name: str
    calls: list[Any]

    @classmethod
    def of(cls, array: Any, name: str, calls: list[Any]) -> "Noted":
        """The array under a name."""
        made = np.array(array, order="K").view(cls)
        made.name, made.calls = name, calls
        return made

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **options: Any
    ) -> Any:
        plain = [_plain(x) for x in inputs]
        made = getattr(ufunc, method)(*plain, out=tuple(map(_plain, out)) or None, **options)
        fn = ufunc if method == "__call__" else getattr(ufunc, method)
        return self._note(fn, inputs, options, made, *out)

    def __array_function__(self, fn: Any, _types: Any, args: Any, options: Any) -> Any:
        plain = {name: _plain(x) for name, x in options.items()}
        made = fn(*map(_plain, args), **plain)
        out = [options.pop("out")] if options.get("out") is not None else []
        return self._note(fn, args, options, made, *out)

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is not Ellipsis:
            raise ExportError("its update writes to a part of a parameter")
        super().__setitem__(index, _plain(value))
        self._note(np.copyto, (self, value), {}, None, self)

    def _note(self, fn: Any, args: Any, options: Any, made: Any, *out: Any) -> Any:
        if not out and not isinstance(made, (np.ndarray, np.generic)):
            return made  # a shape
        if out and isinstance(out[0], Noted):
            result = out[0]
        else:
            result = np.asarray(made).view(Noted)  # perhaps of the memory of an operand
            result.name, result.calls = f"u{len(self.calls)}", self.calls
        operands = tuple(map(_named, args))
        given = {k: _named(x) for k, x in options.items()}
        if out and fn is not np.copyto:
            given["out"] = Name(result.name)
        self.calls.append((fn, operands, given, result.name))
        return result


def _noted(method: Any) -> Any:
    """A method of arrays that is noted as a call."""

    def call(self: Noted, *args: Any, **options: Any) -> Any:
        made = method(_plain(self), *map(_plain, args), **options)
        return self._note(method, (self, *args), options, made)

    return call


for _name in (
    "__getitem__", "argmax", "argmin", "astype", "clip", "copy", "cumsum", "dot", "flatten", "max",
    "mean", "min", "prod", "ravel", "repeat", "reshape", "round", "squeeze", "std", "sum",
    "swapaxes", "take", "trace", "transpose", "var",
):  # fmt: skip
    setattr(Noted, _name, _noted(getattr(np.ndarray, _name)))
Noted.T = property(Noted.transpose)  # type: ignore[assignment]


def _named(value: Any) -> Any:
    if not isinstance(value, Noted):
        return value
    if not hasattr(value, "name"):
        raise ExportError("its update makes an array by a method that is not noted")
    return Name(value.name)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Noted) else value


MUTABLE = (list, dict, set, np.ndarray)
OURS = ("params", "param_groups", "_packs", "_defaults")  # which an update only reads


class Draw(NamedTuple):
    """A method of a generator, as the function of a noted call."""

    generator: Any
    method: str


class Drawing:
    """Stands for a generator in an optimiser: draws from a copy, and notes what is drawn."""

    def __init__(self, generator: "np.random.Generator") -> None:
        self.generator, self.copy = generator, copy.deepcopy(generator)
        self.calls: list[Any] = []

    def __getattr__(self, method: str) -> Any:
        found = getattr(self.copy, method)

        def draw(*args: Any, **options: Any) -> Any:
            made = found(*map(_plain, args), **{k: _plain(v) for k, v in options.items()})
            result = Noted.of(made, f"u{len(self.calls)}", self.calls)
            operands = tuple(map(_named, args))
            self.calls.append((Draw(self.generator, method), operands, options, result.name))
            return result if isinstance(made, np.ndarray) else made  # a number stays what it is

        return draw if callable(found) else found


def generators(worker: Any) -> "dict[str, np.random.Generator]":
    """The generators that an optimiser has, by attribute."""
    return {name: value for name, value in vars(worker).items() if is_generator(value)}


def _aside(worker: Optimiser) -> tuple[Optimiser, list[Drawing]]:
    """A copy whose step changes nothing of the optimiser, and what stands for its generators."""
    made = copy.copy(worker)
    kept = {n: v for n, v in vars(worker).items() if n not in OURS and type(v) in MUTABLE}
    tensors = {id(v): v for v in leaves(list(kept.values())) if isinstance(v, Tensor)}
    vars(made).update(copy.deepcopy(kept, tensors))
    drawing = {name: Drawing(generator) for name, generator in generators(worker).items()}
    vars(made).update(drawing)
    return made, list(drawing.values())


def updates(optimiser: Optimiser) -> list[Update]:
    """What the next step of an optimiser does with each parameter that has a gradient."""
    found = []
    worker, drawing = _aside(optimiser)
    for pack in worker._packs:
        names = worker._states(pack.group)
        known = dict(zip(pack.names, map(pack.parts, pack.state), strict=True))
        for i, parameter in enumerate(pack.params):
            values, grad = parameter._array, parameter.grad
            if grad is None:
                continue
            if values.dtype.char not in "fd":
                raise ExportError(f"an update of {values.dtype} is not written out")
            state = {
                n: np.array(known[n][i]) if n in known else np.zeros_like(values) for n in names
            }
            calls: list[Any] = []
            age, rate = pack.ages[i] + 1, worker.rate(pack.group)
            worker._factor = 1.0
            pack.set_numbers(worker._numbers_of(pack.group, rate, age))
            numbers = [number.copy() for number in pack.numbers]
            dtype = working(values.dtype)
            given = [np.asarray(grad._array), *(np.empty_like(values, dtype) for _ in range(2))]
            for each in drawing:
                each.calls = calls
            noted = [
                Noted.of(array, name, calls)
                for array, name in zip([values, *given], WORDS, strict=True)
            ]
            kept = [Noted.of(array, name, calls) for name, array in state.items()]
            used = worker._used(pack, *noted)
            worker._change(pack.group, numbers, noted[0], used, noted[2], *kept)
            found.append(Update(parameter, state, calls, worker.clip_norm, worker.max_norm, age))
    return found


WORDS = ("values", "g", "scratch", "spare")
