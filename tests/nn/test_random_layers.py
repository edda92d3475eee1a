"""Layers of random settings beside PyTorch's: values, gradients, states there and back, replay."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import nn

torch = pytest.importorskip("torch")

Drawn = tuple[list[Any], dict[str, Any], tuple[int, ...]]  # arguments, options, shape of x


class Draw:
    """Random settings; every choice by name of the seed alone."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def size(self, low: int, high: int, axes: int = 2) -> Any:
        """From ``low`` to ``high``, one for all axes or one each."""
        each = tuple(int(n) for n in self.rng.integers(low, high + 1, axes))
        return self.one(each, each[0]) if axes > 1 else each[0]

    def shape(self, *channels: int, axes: int, high: int = 7) -> tuple[int, ...]:
        longest = (self.size(1, high, 1) for _ in range(axes))
        return (self.one(0, 1, 2, 3), *channels, *longest)

    def some(self, **options: Any) -> dict[str, Any]:
        """About half of them."""
        return {name: value for name, value in options.items() if self.rng.random() < 0.5}


def convolution(d: Draw, axes: int) -> Drawn:
    groups = d.one(1, 1, 2, 3)
    ins, outs = groups * d.one(1, 2), groups * d.one(1, 2)
    options = d.some(
        stride=d.size(1, 3, axes), dilation=d.size(1, 3, axes), bias=False,
        padding=d.one(d.size(0, 3, axes), d.size(0, 9, axes), "same", "valid"),
        padding_mode=d.one("zeros", "reflect", "replicate", "circular"),
    )  # fmt: skip
    return [ins, outs, d.size(1, 3, axes)], options | {"groups": groups}, d.shape(ins, axes=axes)


def transposed(d: Draw) -> Drawn:
    arguments, options, shape = convolution(d, 2)
    known = {k: v for k, v in options.items() if k != "padding_mode" and not isinstance(v, str)}
    return arguments, known | d.some(output_padding=d.size(0, 2)), shape


def pool(d: Draw) -> Drawn:
    return [d.size(1, 3)], d.some(stride=d.size(1, 3), padding=d.size(0, 2)), d.shape(2, axes=2)


def larger(d: Draw) -> Drawn:
    axes = d.one(1, 2, 2, 3)
    size = {"size": d.size(1, 8, axes)}
    factor = {"scale_factor": tuple(float(f) for f in d.rng.uniform(0.5, 3, axes).round(1))}
    return [], d.one(size, factor, {"scale_factor": d.size(1, 3, 1)}), d.shape(2, axes=axes)


def group_norm(d: Draw) -> Drawn:
    groups = d.one(1, 2, 3)
    channels = groups * d.one(2, 3)
    return [groups, channels], d.some(affine=False, eps=0.1), d.shape(channels, axes=d.one(0, 1, 2))


def batch_norm(d: Draw, axes: int) -> Drawn:
    channels = d.one(1, 2, 3)
    options = d.some(affine=False, momentum=d.one(None, 0.5))
    return [channels], options, (d.one(2, 3), channels, *d.shape(axes=axes)[1:])


def layer_norm(d: Draw) -> Drawn:
    inner = d.one((3,), (2, 3), 4)
    given = inner if isinstance(inner, tuple) else (inner,)
    return [inner], d.some(elementwise_affine=False, bias=False), (*d.shape(axes=1), *given)


def linear(d: Draw) -> Drawn:
    return [3, d.one(1, 4)], d.some(bias=False), (*d.shape(axes=d.one(0, 1)), 3)


def recurrent(d: Draw) -> Drawn:
    options = d.some(batch_first=True, num_layers=2, bidirectional=True, bias=False)
    return [3, 2], options, (*d.one((2, 3), (1, 1), (4, 1), (3,)), 3)


def of_numbers(d: Draw) -> Drawn:
    return [], {}, (*d.shape(axes=d.one(0, 1, 2)), 3)


Made = Callable[[Draw], Drawn]
CONVOLUTIONS: dict[str, Made] = {
    "Conv1d": lambda d: convolution(d, 1),
    "Conv2d": lambda d: convolution(d, 2),
    "ConvTranspose2d": transposed,
}
WEIGHTED: dict[str, Made] = CONVOLUTIONS | {
    "GroupNorm": group_norm,
    "BatchNorm1d": lambda d: batch_norm(d, d.one(0, 1)),
    "BatchNorm2d": lambda d: batch_norm(d, 2),
    "LayerNorm": layer_norm,
    "Linear": linear,
    "RNN": recurrent,
    "LSTM": recurrent,
    "GRU": recurrent,
}
PLAIN: dict[str, Made] = {
    "MaxPool2d": pool,
    "AvgPool2d": pool,
    "AdaptiveAvgPool2d": lambda d: (
        [d.one(d.size(1, 8), (None, 2), (3, None))], {}, d.shape(2, axes=2)
    ),
    "ZeroPad2d": lambda d: ([d.one(d.size(-1, 2, 4), 1)], {}, d.shape(2, axes=2)),
    "Upsample": larger,
    "Softmax": lambda d: ([-1], {}, of_numbers(d)[2]),
    **dict.fromkeys(
        ("ReLU", "LeakyReLU", "ELU", "SiLU", "Softplus", "Tanh", "Sigmoid", "GELU", "Flatten"),
        of_numbers,
    ),
}  # fmt: skip
WINDOWED = {*CONVOLUTIONS, *list(PLAIN)[:5], "GroupNorm"}
SEEDED = {*CONVOLUTIONS, "Linear", "RNN", "LSTM", "GRU"}
CASES = [
    *itertools.product(CONVOLUTIONS, range(6)),
    *itertools.product([k for k in {**WEIGHTED, **PLAIN} if k not in CONVOLUTIONS], range(2)),
    *itertools.product(["Upsample", "GroupNorm", "AdaptiveAvgPool2d"], range(2, 4)),
]


def first(value: Any) -> Any:
    """The first of several results."""
    return first(value[0]) if isinstance(value, tuple) else value


def tried(call: Callable[[], Any]) -> Any:
    """A result, or None where it is refused."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, about itself
            return call()
    except (ValueError, TypeError, RuntimeError, NotImplementedError):
        return None


@for_each(CASES, parts=2)
def test_layers_of_random_settings_beside_pytorch(case: tuple[str, int]) -> None:
    kind, seed = case
    draw = Draw(seed, *map(ord, kind))
    arguments, options, shape = (WEIGHTED | PLAIN)[kind](draw)
    double = {"dtype": np.float64} if kind in WEIGHTED else {}
    own = options | double | ({"seed": 0} if kind in SEEDED else {})
    ours = tried(lambda: getattr(nn, kind)(*arguments, **own))
    theirs = tried(lambda: getattr(torch.nn, kind)(*arguments, **options).double())
    assert (ours is None) == (theirs is None), (arguments, options)
    if ours is None:
        return
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += torch.tensor(draw.rng.standard_normal(parameter.shape))
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for training in (True, False):
        with_same_results(draw, ours.train(training), theirs.train(training), shape, options)
    for name, value in ours.state_dict().items():
        close(value, theirs.state_dict()[name], name)
    theirs.load_state_dict({name: torch.tensor(v) for name, v in ours.state_dict().items()})
    if seed < 3 and kind in WINDOWED and tried(lambda: ours(np.zeros(shape))) is not None:
        replayed_as_eager(draw, ours.train(bool(seed % 2)), shape)


def with_same_results(draw: Draw, ours: Any, theirs: Any, shape: Any, options: Any) -> None:
    a = draw.rng.standard_normal(shape)
    x, there = tg.Tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    value, expected = tried(lambda: first(ours(x))), tried(lambda: first(theirs(there)))
    assert (value is None) == (expected is None), (ours, options, shape)
    if value is None:
        return
    close(value, expected, f"{ours} of {shape}")
    g = draw.rng.standard_normal(value.shape)
    ours.zero_grad(), theirs.zero_grad()
    value.backward(g), expected.backward(torch.tensor(g))
    theirs_by_name = dict(theirs.named_parameters())
    for name, p in (("x", x), *ours.named_parameters()):
        close(p.grad, there.grad if name == "x" else theirs_by_name[name].grad, f"{name} of {ours}")


def replayed_as_eager(draw: Draw, layer: Any, shape: Any) -> None:
    """Three steps each way, from the same state and on new numbers."""
    scale = tg.Tensor(np.array(1.25), requires_grad=True)

    def step(x: Any) -> Any:
        layer.zero_grad()
        scale.grad = None
        out = first(layer(x * scale))
        np.sum(np.sin(out)).backward()
        return out

    replayed = tg.replay(step)
    for _ in range(3):
        x, state, both = draw.rng.standard_normal(shape), layer.state_dict(), []
        for run in (step, replayed):
            layer.load_state_dict(state)
            found = [run(x), scale.grad, *(p.grad for p in layer.parameters())]
            both.append([t.numpy().tobytes() for t in found if t is not None])
        assert both[0] == both[1], layer


def close(ours: Any, theirs: Any, what: str) -> None:
    if ours is None and theirs is None:
        return
    ours, theirs = (v.numpy() if isinstance(v, tg.Tensor) else v for v in (ours, theirs))
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=what)
    assert ours.dtype == theirs.dtype
