"""Layers that read a sequence step by step: RNN, LSTM, GRU."""

import math
from typing import Any, ClassVar

import numpy as np

from ..arguments import dtype as floating
from ..arguments import flag, generator, one_of, share, whole
from ..autodiff.making import stack
from ..autodiff.primitives import akin
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from . import functional, init
from .module import Module
from .operands import entered, shape_of, unusual

State = tuple[Any, ...]


class _Recurrent(Module):
    """What the three have in common: parameters by PyTorch's names, layers, directions, layouts."""

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h0",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        seed: init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        place = type(self).__name__
        self.input_size = whole(place, "input_size", input_size)
        self.hidden_size = whole(place, "hidden_size", hidden_size)
        self.num_layers = whole(place, "num_layers", num_layers)
        self.batch_first = flag(place, "batch_first", batch_first)
        self.dropout = share(place, "dropout", dropout)
        self.bidirectional = flag(place, "bidirectional", bidirectional)
        flag(place, "bias", bias)
        dtype = floating(place, "dtype", dtype)
        self.generator = generator(place, seed)
        bound = 1 / math.sqrt(hidden_size)
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                entering = input_size if layer == 0 else hidden_size * len(self._suffixes(0))
                shapes = {
                    "weight_ih": (self.gates * hidden_size, entering),
                    "weight_hh": (self.gates * hidden_size, hidden_size),
                    "bias_ih": (self.gates * hidden_size,),
                    "bias_hh": (self.gates * hidden_size,),
                }
                for name, shape in list(shapes.items())[: 4 if bias else 2]:
                    values = init.uniform(shape, bound, self.generator, dtype)
                    tensor = Tensor(values, requires_grad=True, name=f"{name}_{suffix}")
                    setattr(self, f"{name}_{suffix}", tensor)

    def _suffixes(self, layer: int) -> list[str]:
        """The ends of the parameters' names in a layer, one for each direction."""
        return [f"l{layer}"] + [f"l{layer}_reverse"] * self.bidirectional

    def forward(self, x: Any, initial: Any = None) -> tuple[Any, Any]:
        weight = self._parameter("weight_ih", "l0")
        x = entered(type(self).__name__, x, weight)
        shape = shape_of(x)
        steps = 1 if self.batch_first and len(shape) == 3 else 0
        if len(shape) not in (2, 3) or shape[-1] != self.input_size or not shape[steps]:
            layout = "(n, steps, features)" if self.batch_first else "(steps, n, features)"
            raise ShapeError(
                f"{type(self).__name__}: x of shape {shape}; expected {layout}, or "
                f"(steps, features) for one sequence, with {self.input_size} features and at "
                "least one step."
            )
        single = len(shape) == 2
        if single:
            x = np.expand_dims(x, 1)
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        given = self._initial(initial, x, single)
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer:
                x = functional.dropout(x, self.dropout, self.training, self.generator)
            outputs = []
            for suffix in self._suffixes(layer):
                found, state = self._run(x, suffix, tuple(part[len(last)] for part in given))
                outputs.append(found)
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        final = tuple(stack(parts) for parts in zip(*last, strict=True))
        if single:
            x, final = x[:, 0], tuple(part[:, 0] for part in final)
        elif self.batch_first:
            x = np.swapaxes(x, 0, 1)
        return x, final if len(final) > 1 else final[0]

    def _parameter(self, name: str, suffix: str) -> Any:
        return getattr(self, f"{name}_{suffix}", None)

    def _initial(self, initial: Any, x: Any, single: bool) -> State:
        """The states before the first step: (layers · directions, n, hidden_size) each."""
        rows = self.num_layers * len(self._suffixes(0))
        shape = rows, shape_of(x)[1], self.hidden_size
        if initial is None:
            zeros = np.zeros(
                shape, np.result_type(x.dtype, self._parameter("weight_ih", "l0").dtype)
            )
            zeros = akin(zeros, x)
            return (zeros,) * len(self.states)
        parts = (initial,) if len(self.states) == 1 else initial
        names = ", ".join(self.states)
        if not isinstance(parts, tuple) or len(parts) != len(self.states):
            raise TypeError(f"{type(self).__name__}: give the first state as a pair ({names}).")
        wanted = (rows, self.hidden_size) if single else shape
        found = []
        for name, part in zip(self.states, parts, strict=True):
            part = entered(type(self).__name__, part, x, name)
            if shape_of(part) != wanted:
                raise ShapeError(
                    f"{type(self).__name__}: {name} of shape {shape_of(part)}; expected {wanted}."
                )
            found.append(np.expand_dims(part, 1) if single else part)
        return tuple(found)

    def _run(self, x: Any, suffix: str, state: State) -> tuple[Any, State]:
        """The outputs (steps, n, hidden_size) of one direction of a layer, and its last state."""
        weight, bias = self._parameter("weight_hh", suffix), self._parameter("bias_hh", suffix)
        # the inputs' share of all steps in one product
        inputs = functional.linear(
            x, self._parameter("weight_ih", suffix), self._parameter("bias_ih", suffix)
        )
        count = shape_of(x)[0]
        backwards = suffix.endswith("_reverse")
        outputs = []
        for t in reversed(range(count)) if backwards else range(count):
            state = self._step(inputs[t], functional.linear(state[0], weight, bias), state)
            outputs.append(state[0])
        return stack(outputs[::-1] if backwards else outputs), state

    def _step(self, entering: Any, recurring: Any, state: State) -> State:
        """The next state, given both products with the weights, biases added."""
        raise NotImplementedError

    def _parts(self, x: Any) -> list[Any]:
        """One part for each gate."""
        size = self.hidden_size
        return [x[:, i * size : (i + 1) * size] for i in range(self.gates)]

    def extra_repr(self) -> str:
        said = [f"{self.input_size}, {self.hidden_size}", *unusual(self, num_layers=1)]
        said += ["bias=False"] * (self._parameter("bias_ih", "l0") is None)
        said += unusual(self, batch_first=False, dropout=0.0, bidirectional=False)
        return ", ".join(said)


class RNN(_Recurrent):
    """h ← act(W_ih x + b_ih + W_hh h + b_hh), act being tanh or relu (Elman 1990).

    ``rnn(x, h0)`` gives (outputs, h_n): x (steps, n, input_size), with ``batch_first``
    (n, steps, input_size), or (steps, input_size) for one sequence; outputs likewise, with
    hidden_size features (twice as many if ``bidirectional``); h0 and h_n
    (num_layers · directions, n, hidden_size), h0 zeros if it is left out. Parameters have PyTorch's
    names and shapes (``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``,
    ``…_l0_reverse``) and start uniform in ±1/√hidden_size. ``dropout`` acts between layers.
    Raises ShapeError for other shapes, ValueError for sizes below 1.

    >>> outputs, last = tg.nn.RNN(3, 5, seed=0)(np.zeros((7, 2, 3), np.float32))
    >>> outputs.shape, last.shape
    ((7, 2, 5), (1, 2, 5))
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        seed: init.Seed = None,
        dtype: Any = np.float32,
    ) -> None:
        one_of("RNN", "nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            seed=seed, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    def _step(self, entering: Any, recurring: Any, state: State) -> State:
        del state
        act = functional.tanh if self.nonlinearity == "tanh" else functional.relu
        return (act(entering + recurring),)


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    With i, f, g, o the four parts of W_ih x + b_ih + W_hh h + b_hh:
    c ← σ(f) c + σ(i) tanh(g), h ← σ(o) tanh(c). ``lstm(x, (h0, c0))`` gives
    (outputs, (h_n, c_n)); shapes, names and errors are those of ``RNN``.

    >>> outputs, (h, c) = tg.nn.LSTM(3, 5, seed=0)(np.zeros((7, 2, 3), np.float32))
    >>> outputs.shape, h.shape, c.shape
    ((7, 2, 5), (1, 2, 5), (1, 2, 5))
    """

    gates = 4
    states = ("h0", "c0")

    def _step(self, entering: Any, recurring: Any, state: State) -> State:
        i, f, g, o = self._parts(entering + recurring)
        cell = functional.sigmoid(f) * state[1] + functional.sigmoid(i) * np.tanh(g)
        return functional.sigmoid(o) * np.tanh(cell), cell


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al. 2014, in PyTorch's form).

    r, z, n are the three parts of W_ih x + b_ih, and r′, z′, n′ those of W_hh h + b_hh:
    m = tanh(n + σ(r + r′) n′), h ← (1 - σ(z + z′)) m + σ(z + z′) h. Shapes, names and errors are
    those of ``RNN``.

    >>> outputs, last = tg.nn.GRU(3, 5, batch_first=True, seed=0)(np.zeros((2, 7, 3), np.float32))
    >>> outputs.shape, last.shape
    ((2, 7, 5), (1, 2, 5))
    """

    gates = 3

    def _step(self, entering: Any, recurring: Any, state: State) -> State:
        r, z, n = self._parts(entering)
        r_, z_, n_ = self._parts(recurring)
        kept = functional.sigmoid(z + z_)
        new = np.tanh(n + functional.sigmoid(r + r_) * n_)
        return (new + kept * (state[0] - new),)
