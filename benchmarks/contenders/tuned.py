"""The hand-written step that the others are measured against: NumPy as an expert writes it.

Nothing is allocated in a step. All parameters lie in one buffer and all gradients in another, so
that the update is a handful of calls. Which way the matrices lie, how ReLU is masked, how many
rows are taken at a time, and what the threads do is a ``Choice``; ``tuning`` finds the best one.

The same for all choices, as measured on NumPy 2.4: ``a.dot(b, out)`` takes 0.15 µs less than
``np.dot`` and 0.6 µs less than ``np.matmul``; a constant as an array takes 0.4 µs less than as a
float; softmax of 41,000 rows of 10 takes a fifth of the time where each class is a contiguous row.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contenders.contender import BETAS, EPS, SLOPE, Array, Contender, Task

Call = tuple[Callable[..., Any], tuple[Any, ...]]
Program = list[Call]


@dataclass(frozen=True)
class Choice:
    """One way to lay out and to divide the work.

    ``hidden``: activations with an example a row ("rows"), with an example a column ("columns"), or
    the latter with a row of ones below, which makes a bias one more input's weights ("ones").
    ``inputs_first``: weights (in, out) instead of (out, in). ``mask``: ReLU by arithmetic on the
    bits of the floats ("bits") or by a comparison ("compare"). ``rows``: how many rows pass forward
    and backward at a time (0: all), so that they stay in cache. ``workers``: threads that each
    take a share of these blocks. ``piece``: how many parameters are updated at a time (0: all).
    ``updaters``: threads that each take a share of these pieces. ``blas_threads``: as the
    environment of the process must have it; 1 if there are several workers.
    """

    hidden: str = "rows"
    inputs_first: bool = True
    mask: str = "bits"
    rows: int = 0
    workers: int = 1
    piece: int = 0
    updaters: int = 1
    blas_threads: int = 1


class Layer(NamedTuple):
    """Views of a flat buffer: weight (in, out), bias (out,).

    ``matrix`` is (in + 1, out) where the bias is its last row, and the weight elsewhere.
    """

    matrix: Array
    weight: Array
    bias: Array


class Activation(NamedTuple):
    """What a layer gives: values (n, m), the same with a column of ones if so chosen, the mask."""

    values: Array
    extended: Array
    mask: Array


class Buffers(NamedTuple):
    """What a block of n rows needs from the start of its forward to the end of its backward."""

    activations: list[Activation]
    logits: Array  # (classes, n)
    ones: Array  # the others (n,)
    positions: Array
    places: Array
    scratch: Array


class Tuned(Contender):
    """The step as lists of calls on arrays that were all made before."""

    def __init__(self, task: Task, choice: Choice) -> None:
        super().__init__(task)
        self.choice = choice
        count = sum(w.size for w in task.weights)
        self.parameters = np.empty(count, np.float32)
        self.gradients = [np.empty(count, np.float32) for _ in range(choice.workers)]
        self.layers = self._layers(self.parameters)
        for index, layer in enumerate(self.layers):
            layer.weight[...] = task.weights[2 * index].T
            layer.bias[...] = task.weights[2 * index + 1]
        n = len(task.x)
        self.x = task.x
        if choice.hidden == "ones":
            self.x = np.ones((n, task.sizes[0] + 1), np.float32)
        self.load()
        self.mean = np.full(n, 1 / n, np.float32)
        self.terms = np.empty(n, np.float32)  # of the loss: log Σ exp z, or z − y
        self.picked = np.zeros(n, np.float32)  # z of each label
        self.rate = task.rate
        self.steps = 0
        self.factor, self.eps = constant(task.rate), constant(EPS)  # what Adam makes of them
        self.phases = [self._gradient_programs(), self._update_programs()]
        self.pool = ThreadPoolExecutor(max(choice.workers, choice.updaters))

    def load(self) -> None:
        if self.x is not self.task.x:
            self.x[:, :-1] = self.task.x

    def set_rate(self, rate: float) -> None:
        self.rate = rate
        self.factor[()] = rate

    def step(self) -> float:
        if self.task.optimiser == "adam":
            self._advance()
        for programs in self.phases:
            others = [self.pool.submit(run, program) for program in programs[1:]]
            run(programs[0])
            for other in others:
                other.result()
        if self.task.loss == "squares":
            return float(self.terms.dot(self.terms)) / len(self.terms)
        return float(self.mean.dot(self.terms) - self.mean.dot(self.picked))

    def weights(self) -> list[Array]:
        return [w.copy() for layer in self.layers for w in (layer.weight.T, layer.bias)]

    def fresh(self) -> Contender:
        return type(self)(self.task, self.choice)

    def _layers(self, flat: Array) -> list[Layer]:
        """A flat buffer as the layers see it."""
        layers = []
        first = 0
        for fan_in, fan_out in itertools.pairwise(self.task.sizes):
            last = first + (fan_in + 1) * fan_out
            part = flat[first:last]
            first = last
            if self.choice.hidden == "ones":
                matrix = self._lying(part, fan_in + 1, fan_out)
                layers.append(Layer(matrix, matrix[:-1], matrix[-1]))
            else:
                weight = self._lying(part[:-fan_out], fan_in, fan_out)
                layers.append(Layer(weight, weight, part[-fan_out:]))
        return layers

    def _lying(self, flat: Array, rows: int, columns: int) -> Array:
        """A matrix (rows, columns), itself or its transpose contiguous."""
        if self.choice.inputs_first:
            return flat.reshape(rows, columns)
        return flat.reshape(columns, rows).T

    def _gradient_programs(self) -> list[Program]:
        """For each worker, what leaves in its gradients the sum over its blocks of rows."""
        n = len(self.x)
        rows = self.choice.rows or n
        blocks = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
        dealt = shares(blocks, self.choice.workers)
        return [self._blocks(b, g) for b, g in zip(dealt, self.gradients, strict=True)]

    def _blocks(self, blocks: Sequence[slice], gradients: Array) -> Program:
        program: Program = []
        buffers: dict[int, Buffers] = {}
        more = np.empty_like(gradients) if len(blocks) > 1 else gradients
        for number, rows in enumerate(blocks):
            n = rows.stop - rows.start
            if n not in buffers:
                buffers[n] = self._buffers(n)
            target = more if number else gradients
            program += self._forward(rows, buffers[n])
            program += self._loss(rows, buffers[n])
            program += self._backward(rows, buffers[n], self._layers(target))
            if number:
                program.append((np.add, (gradients, more, gradients)))
        return program

    def _buffers(self, n: int) -> Buffers:
        activations = []
        for m in self.task.sizes[1:-1]:
            if self.choice.hidden == "rows":
                values = extended = np.empty((n, m), np.float32)
            else:
                extra = self.choice.hidden == "ones"
                extended = np.ones((m + extra, n), np.float32).T
                values = extended[:, :m]
            kind = bool if self._compares() else np.int32
            activations.append(Activation(values, extended, np.empty_like(values, kind)))
        return Buffers(
            activations,
            np.empty((self.task.sizes[-1], n), np.float32),
            np.ones(n, np.float32),
            np.arange(n),
            np.empty(n, np.intp),
            np.empty(n, np.float32),
        )

    def _compares(self) -> bool:
        return self.choice.mask == "compare" and self.task.activation == "relu"

    def _forward(self, rows: slice, buffers: Buffers) -> Program:
        program: Program = []
        a = self.x[rows]
        for layer, activation in itertools.zip_longest(self.layers, buffers.activations):
            z = buffers.logits.T if activation is None else activation.values
            program.append(product(a, layer.matrix, z))
            if self.choice.hidden != "ones":
                program.append((np.add, (z, layer.bias, z)))
            if activation is not None:
                program += self._activate(activation)
                a = activation.extended
        return program

    def _activate(self, activation: Activation) -> Program:
        """φ in place, and what backward needs of it: the mask (z > 0), or the slope of each."""
        z, _, mask = activation
        if self._compares():
            zeros = np.zeros_like(z)
            return [
                (np.greater, (z, constant(0), mask)),
                (partial(np.maximum, z, zeros, out=z), ()),
            ]
        bits = z.view(np.int32)
        masked: Program = [  # −bits is negative exactly where z > 0, and there the mask is all ones
            (np.negative, (bits, mask)),
            (np.right_shift, (mask, np.array(31, np.int32), mask)),
        ]
        if self.task.activation == "relu":
            return [*masked, (np.bitwise_and, (bits, mask, bits))]
        one, slope = constant(1).view(np.int32), constant(SLOPE).view(np.int32)
        return [
            *masked,
            (np.bitwise_and, (mask, np.array(one - slope), mask)),
            (np.add, (mask, slope, mask)),
            (np.multiply, (z, mask.view(np.float32), z)),
        ]

    def _pull_back(self, activation: Activation) -> Call:
        """dA ⊙ φ′(Z), in the place of dA."""
        da, _, mask = activation
        if self._compares():
            return (np.multiply, (da, mask, da))
        if self.task.activation == "relu":
            bits = da.view(np.int32)
            return (np.bitwise_and, (bits, mask, bits))
        return (np.multiply, (da, mask.view(np.float32), da))

    def _loss(self, rows: slice, buffers: Buffers) -> Program:
        """The block's terms of the loss, and dZ in the place of the logits."""
        z, terms, picked = buffers.logits, self.terms[rows], self.picked[rows]
        flat = z.reshape(-1)
        n = len(self.x)
        if self.task.loss == "squares":
            return [
                (np.subtract, (flat, self.task.y[rows].reshape(-1), terms)),
                (np.multiply, (terms, constant(2 / n), flat)),
            ]
        _, _, ones, positions, places, scratch = buffers
        classes = np.ones(len(z), np.float32)
        one = constant(1 / n)
        return [
            (np.multiply, (self.task.y[rows], np.array(len(ones)), places)),
            (np.add, (places, positions, places)),
            (np.maximum.reduce, (z, 0, None, scratch)),
            (np.subtract, (z, scratch, z)),
            (flat.take, (places, 0, picked, "clip")),
            (np.exp, (z, z)),
            (classes.dot, (z, scratch)),
            (np.log, (scratch, terms)),
            (np.divide, (one, scratch, scratch)),
            (np.multiply, (z, scratch, z)),
            (flat.take, (places, 0, scratch, "clip")),
            (np.subtract, (scratch, one, scratch)),
            (flat.__setitem__, (places, scratch)),
        ]

    def _backward(self, rows: slice, buffers: Buffers, gradients: list[Layer]) -> Program:
        program: Program = []
        dz = buffers.logits.T
        for index in reversed(range(len(gradients))):
            below = buffers.activations[index - 1] if index else None
            a = self.x[rows] if below is None else below.extended
            program.append(product(a.T, dz, gradients[index].matrix))
            if self.choice.hidden != "ones":
                program.append((dz.T.dot, (buffers.ones, gradients[index].bias)))
            if below is not None:
                da = below.values  # no longer needed for itself
                program.append(product(dz, self.layers[index].weight.T, da))
                program.append(self._pull_back(below))
                dz = da
        return program

    def _update_programs(self) -> list[Program]:
        count = len(self.parameters)
        piece = self.choice.piece or count
        states = np.zeros((2, count if self.task.optimiser == "adam" else 0), np.float32)
        update = self._adam if self.task.optimiser == "adam" else self._sgd
        pieces = [slice(start, start + piece) for start in range(0, count, piece)]
        programs = []
        for dealt in shares(pieces, self.choice.updaters):
            program: Program = []
            for part in dealt:
                p, (g, *others) = self.parameters[part], [g[part] for g in self.gradients]
                program += [(np.add, (g, other, g)) for other in others]
                program += update(p, g, states[0, part], states[1, part])
            programs.append(program)
        return programs

    def _sgd(self, p: Array, g: Array, *_: Array) -> Program:
        return [(np.multiply, (g, self.factor, g)), (np.subtract, (p, g, p))]

    def _adam(self, p: Array, g: Array, m: Array, v: Array) -> Program:
        """Adam with m / (1 − β₁) and v / (1 − β₂) for m and v, which saves two passes of twelve."""
        beta1, beta2 = map(constant, BETAS)
        return [
            (np.multiply, (m, beta1, m)),
            (np.add, (m, g, m)),
            (np.multiply, (g, g, g)),
            (np.multiply, (v, beta2, v)),
            (np.add, (v, g, v)),
            (np.sqrt, (v, g)),
            (np.add, (g, self.eps, g)),
            (np.divide, (m, g, g)),
            (np.multiply, (g, self.factor, g)),
            (np.subtract, (p, g, p)),
        ]

    def _advance(self) -> None:
        """lr · m̂ / (√v̂ + ε) as factor · m / (√v + eps), for the m and v of ``_adam``."""
        self.steps += 1
        beta1, beta2 = BETAS
        root = math.sqrt((1 - beta2) / (1 - beta2**self.steps))
        self.eps[()] = EPS / root
        self.factor[()] = self.rate * (1 - beta1) / ((1 - beta1**self.steps) * root)


class Products(Tuned):
    """The matrix products of the tuned step and nothing else; what it returns means nothing."""

    def __init__(self, task: Task, choice: Choice) -> None:
        super().__init__(task, choice)
        products = [
            [call for call in program if _is_product(call)] for program in self._gradient_programs()
        ]
        self.phases = [products]


def _is_product(call: Call) -> bool:
    function, arguments = call
    return getattr(function, "__name__", "") == "dot" and arguments[1].ndim == 2


def run(program: Program) -> None:
    """Make the calls."""
    for function, arguments in program:
        function(*arguments)


def product(a: Array, b: Array, out: Array) -> Call:
    """out = a b, for an ``out`` that is contiguous or whose transpose is."""
    if out.flags.c_contiguous:
        return (a.dot, (b, out))
    return (b.T.dot, (a.T, out.T))


def constant(value: float) -> Array:
    """A float32 array of no dimension."""
    return np.array(value, np.float32)


def shares(things: Sequence[slice], number: int) -> Iterable[Sequence[slice]]:
    """Things dealt to a number of threads, in order; the threads' counts differ by one at most."""
    ends = [len(things) * k // number for k in range(number + 1)]
    return [things[first:last] for first, last in itertools.pairwise(ends)]
