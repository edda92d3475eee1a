"""One pass forward and backward, with measurements of every layer."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...autodiff.nests import leaves, rebuild
from ...autodiff.tape import next_number, no_grad
from ...autodiff.tensor import Tensor
from ...data.samples import arrays
from ...nn.activations import Identity
from ...nn.images import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, Upsample, ZeroPad2d
from ...nn.layers import Dropout, Embedding, Flatten
from ...nn.module import Module
from ..decision import Decision, row_decision
from ..inputs import as_arrays, as_tensors, outputs_of, part, rows
from ..reached import SWITCHED, reached

BINS = 60
# tanh beyond which its slope 1 - a² is below 5 % of the greatest; a sigmoid is a tanh, squeezed
SATURATED = 0.95**0.5
PASSED_ON = (
    Flatten, Dropout, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, ZeroPad2d, Upsample, Identity,
)  # no values of their own  # fmt: skip


@dataclass
class Layer:
    """What came out of one layer, over all examples.

    ``dead`` is the share of units that are 0 for every example (None where no value is 0),
    ``varies`` whether it is not the same for all examples,
    ``saturated`` the share of values where a sigmoid or tanh is flat (None for what is not bounded
    so), ``gradient`` the norm of the loss's gradient by the output, ``weighted`` whether the layer
    has a weight, ``source`` the place in the list of layers of what went into it, if that is one.
    ``histogram`` is (counts, edges).
    """

    name: str
    kind: str
    weighted: bool
    mean: float
    std: float
    finite: bool
    varies: bool
    dead: float | None
    saturated: float | None
    histogram: tuple[np.ndarray, np.ndarray]
    gradient: float | None = None
    source: int | None = None


@dataclass
class Parameter:
    """A parameter at the start: its norm, and that of its gradient (None where it has none)."""

    name: str
    shape: tuple[int, ...]
    norm: float
    gradient: float | None
    same_rows: bool


@dataclass
class Start:
    """The network before any training, on one large batch.

    ``decision`` and ``classes`` are None where the task is no classification; ``chance`` is the
    loss of equal outputs, ln(classes) for a cross-entropy; ``takes_logits`` whether the loss is the
    same for outputs with a constant added. ``constant`` is the loss of outputs that are the same
    for all examples: equal ones, or the means of targets of the outputs' shape.
    """

    outputs: np.ndarray
    loss: float
    chance: float | None
    classes: int | None
    takes_logits: bool
    accuracy: float | None
    is_connected: bool
    evaluating: list[str]
    decision: Decision | None = None
    constant: float | None = None
    layers: list[Layer] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # what the loss reaches besides the model

    @property
    def is_trained(self) -> bool:
        """Whether the network is better already than outputs that know no example."""
        return self.constant is not None and self.loss < 0.9 * self.constant

    @property
    def depth_profile(self) -> list[tuple[str, float]]:
        """Gradient norms of layers with weights, first layer first."""
        found = [(layer.name, layer.gradient) for layer in self.layers if layer.weighted]
        if len(found) < 2:  # no layers of their own: the weights' gradients
            found = [(p.name, p.gradient) for p in self.parameters if len(p.shape) > 1]
        return [(name, norm) for name, norm in found if norm is not None]


def look(model: Module, x: Any, y: Any, loss: Callable[[Any, Any], Any]) -> Start:
    """Measure a model that is looked at only once: its layers are wrapped.

    Raises what the model and the loss raise.
    """
    evaluating = [
        name for name, m in model.named_modules() if isinstance(m, SWITCHED) and not m.training
    ]
    model.train()
    watch = Watch(model, x)
    given, since = (as_tensors(x), as_tensors(y)), next_number()
    outputs = outputs_of(model, given[0])
    value = loss(outputs, given[1])
    if isinstance(value, dict):
        raise TypeError(f"the loss returns {list(value)}, expected one number, such as their sum")
    look = reached(model)
    look.look(outputs, [value], given, since)
    connected = isinstance(value, Tensor) and value.requires_grad
    if connected:
        value.backward()
    outputs = as_arrays(outputs)
    start = Start(
        outputs=outputs if isinstance(outputs, np.ndarray) else np.zeros(()),
        loss=float(_array(value)), chance=None, classes=None,
        takes_logits=False, accuracy=None, is_connected=connected, evaluating=evaluating,
        unknown=look.unknown or [],
    )  # fmt: skip
    start.layers = watch.layers()
    start.parameters = [_parameter(name, p, model) for name, p in model.named_parameters()]
    _classify(start, outputs, y, loss)
    return start


def _classify(start: Start, outputs: Any, y: Any, loss: Callable[[Any, Any], Any]) -> None:
    """Fill in what only a classification has, and the loss of outputs that know no example."""
    if isinstance(outputs, np.ndarray) and isinstance(y, np.ndarray):
        start.decision = row_decision(outputs, y, loss)
    if start.decision is None:
        pairs = list(zip(leaves(outputs), leaves(y), strict=False))
        if len(leaves(outputs)) == len(leaves(y)) and all(
            t.shape == o.shape and o.ndim and t.dtype.kind in "iuf" for o, t in pairs
        ):
            means = [np.broadcast_to(t.mean(axis=0), t.shape).astype(o.dtype) for o, t in pairs]
            start.constant = _loss_of(loss, rebuild(outputs, means), y)
        return
    several = start.decision.two is None
    start.classes = outputs.shape[1] if several else 2
    start.accuracy = float(start.decision.right(outputs, y)) / len(y)
    equal = np.full_like(outputs, -np.log(outputs.shape[1]) if several else 0)
    start.chance = start.constant = _loss_of(loss, equal, y)
    shifted = _loss_of(loss, outputs + 1, y)
    start.takes_logits = several and bool(np.isclose(shifted, start.loss, rtol=1e-3, atol=1e-4))


def _loss_of(loss: Callable[[Any, Any], Any], outputs: Any, y: Any) -> float:
    with no_grad():
        return float(_array(loss(as_tensors(outputs), as_tensors(y))))


def mixing(model: Module, x: Any) -> float:
    """How far a first output is another one without the other examples, relative to its size."""
    twin = copy.deepcopy(model).eval()
    with no_grad():
        together, alone = (
            arrays(as_arrays(outputs_of(twin, as_tensors(part(x, slice(n)))))) for n in (rows(x), 1)
        )
    changes = [0.0]
    for whole, one in zip(together, alone, strict=False):
        if len(whole) == rows(x) and one.shape == (1, *whole.shape[1:]):
            size = float(np.abs(whole).max()) or 1.0
            changes.append(float(np.abs(whole[0] - one[0]).max()) / size)
    return max(changes)


@dataclass
class Seen:
    """An array between layers: what ``module`` put out, None for what a function made."""

    name: str
    module: Module | None
    array: np.ndarray
    probe: Tensor | None = None
    source: int | None = None


class Watch:
    """Keeps what goes in and out of the layers of a model, and the gradients by it.

    A layer's output has a Tensor of zeros added, whose gradient is the output's. What functions
    make between layers is seen where it enters the next one.
    """

    def __init__(self, model: Module, x: Any) -> None:
        self.seen: list[Seen] = []
        self.given: list[np.ndarray] = arrays(x)
        self.calls = Counter[str]()
        for name, module in list(model.named_modules()):
            if len(list(module.named_modules())) == 1:  # none inside
                self._wrap(name or type(module).__name__, module)

    def _wrap(self, name: str, module: Module) -> None:
        forward = module.forward

        def watched(*inputs: Any, **options: Any) -> Any:
            for value in (*inputs, *options.values()):
                self._input(name, value)
            source = self._source(inputs[0]) if inputs else None
            out = forward(*inputs, **options)
            if not _is_float(out):
                return out
            probe = None
            if out.requires_grad:
                probe = Tensor(np.zeros_like(out.numpy()), requires_grad=True)
                out = out + probe
            self.calls[name] += 1
            called = name if self.calls[name] == 1 else f"{name} ({self.calls[name]})"
            self.seen.append(Seen(called, module, out.numpy(), probe, source))
            return out

        module.forward = watched  # type: ignore[method-assign]

    def _input(self, name: str, value: Any) -> None:
        if not _is_float(value):
            return
        array = value.numpy()
        known = [*self.given, *(each.array for each in self.seen)]
        if not any(_is_same(array, other) for other in known):
            self.seen.append(Seen(f"input of {name}", None, array))

    def _source(self, value: Any) -> int | None:
        """The place of the layer whose output this is."""
        if not isinstance(value, Tensor):
            return None
        array = value.numpy()
        places = [i for i, each in enumerate(self.seen) if _is_same(array, each.array)]
        return places[-1] if places else None

    def layers(self) -> list[Layer]:
        """What was seen, in the order of the calls."""
        layers: list[Layer] = []
        for seen in self.seen:
            layers.append(_layer(seen))
            if not any(before.weighted for before in layers[:-1]):
                layers[-1].dead = layers[-1].saturated = None  # done to inputs: no activation
        return layers


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype.kind == "f"


def _layer(seen: Seen) -> Layer:
    module, array, probe = seen.module, seen.array, seen.probe
    weighted = module is not None and any(p.ndim > 1 for p in module.parameters())
    kind = "function" if module is None else type(module).__name__
    finite = array[np.isfinite(array)].astype(np.float64)
    activation = not weighted and not isinstance(module, PASSED_ON) and finite.size > 0
    return Layer(
        name=seen.name,
        kind=kind,
        weighted=weighted,
        mean=float(finite.mean()) if finite.size else 0.0,
        std=float(finite.std()) if finite.size else 0.0,
        finite=finite.size == array.size,
        varies=len(array) < 2 or bool((array != array[:1]).any()),
        dead=_dead(array) if activation else None,
        saturated=_saturated(finite, kind) if activation else None,
        histogram=_histogram(finite),
        gradient=None if probe is None or probe.grad is None else _norm(probe.grad),
        source=seen.source,
    )


def _dead(array: np.ndarray) -> float | None:
    """The share of units (channels of images) that are 0 throughout, where 0 is the least value."""
    if array.ndim < 2 or array.min() != 0:
        return None
    axes = (0, 2, 3) if array.ndim == 4 else tuple(range(array.ndim - 1))
    return float(np.mean(~(array != 0).any(axis=axes)))


def _saturated(values: np.ndarray, kind: str) -> float | None:
    low, high = values.min(), values.max()
    if kind == "Softmax" or low < -1 or high > 1:
        return None
    if kind == "Sigmoid" or (kind != "Tanh" and low > 0):
        values = 2 * values - 1
    elif kind != "Tanh" and low >= 0:
        return None
    return float(np.mean(np.abs(values) > SATURATED))


def _histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not values.size:
        return np.zeros(1, int), np.array([0.0, 1.0])
    low, high = np.percentile(values, [0.1, 99.9])
    return np.histogram(values, BINS, (low, high) if high > low else (low - 0.5, low + 0.5))


def _parameter(name: str, parameter: Tensor, model: Module) -> Parameter:
    values, grad = parameter.numpy(), parameter.grad
    owner = dict(model.named_modules()).get(name.rpartition(".")[0])
    rows = values.reshape(len(values), -1) if values.ndim > 1 else values[None]
    return Parameter(
        name=name,
        shape=parameter.shape,
        norm=_norm(parameter),
        gradient=None if grad is None else _norm(grad),
        same_rows=len(rows) > 1
        and not isinstance(owner, Embedding)
        and bool((rows == rows[0]).all()),
    )


def _norm(tensor: Tensor) -> float:
    return float(np.linalg.norm(tensor.numpy().astype(np.float64)))


def _array(value: Any) -> np.ndarray:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def _is_same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same values, perhaps in another shape."""
    return a is b or (a.size == b.size and np.array_equal(a.ravel(), b.ravel()))
