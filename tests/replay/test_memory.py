"""Gradients that sum what lies in memory in many ways: their bits are eager mode's in all modes."""

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import nn
from tinygrad_np.autodiff.primitives.convolution import LONG, SHARED
from tinygrad_np.nn import functional as F
from tinygrad_np.recording.equations import Variable

LABELS = np.arange(8) % 3
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((8, 3, 9, 9))
WEIGHT = RNG.standard_normal((3, 3, 3, 3)) * 0.2
TARGETS = RNG.random((8, 3))

# what sums or contracts a cotangent to the gradient of ``b`` (3,)
CONSUMERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "conv2d": F.conv2d,
    "conv_transpose2d": F.conv_transpose2d,
    "add": lambda x, w, b: F.conv2d(x, w) + b[:, None, None],
    "multiply": lambda x, w, b: F.conv2d(x, w) * b[:, None, None],
    "linear": lambda x, w, b: np.moveaxis(F.linear(np.moveaxis(x, 1, -1), w[0, :, 0], b), -1, 1),
    "einsum": lambda x, w, b: np.einsum("nchw,c->nchw", F.conv2d(x, w), b),
    "matmul": lambda x, w, b: np.moveaxis(
        np.moveaxis(F.conv2d(x, w), 1, -1) @ np.outer(b, b), -1, 1
    ),
}
# (n, 3, h, w) to (n, 3), which sends back what is repeated, turned or taken apart
MAKERS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda t: t.mean(axis=(2, 3)),
    "sum of relu": lambda t: F.relu(t).sum(axis=(2, 3)) * 0.01,
    "max": lambda t: t.max(axis=(2, 3)),
    "mean twice": lambda t: t.mean(axis=3).mean(axis=2),
    "avg_pool2d": lambda t: F.avg_pool2d(t, 2).mean(axis=(2, 3)),
    "transpose": lambda t: np.transpose(t, (3, 2, 1, 0)).mean(axis=(0, 1)).T,
    "slice": lambda t: t[:, :, 1:, ::2].mean(axis=(2, 3)),
    "repeat": lambda t: np.repeat(t, 2, axis=2).mean(axis=(2, 3)),
}
LOSSES: dict[str, Callable[[Any], Any]] = {
    "cross_entropy": lambda t: F.cross_entropy(t, LABELS),
    "binary_cross_entropy": lambda t: F.binary_cross_entropy_with_logits(
        t, TARGETS.astype(t.dtype)
    ),
    "square": lambda t: np.mean(t * t),
}


def check_modes(name: str, dtype: str, makers: list[Callable[[Any], Any]]) -> None:
    x, w = IMAGES.astype(dtype), WEIGHT.astype(dtype)
    start = np.linspace(-1, 1, 3).astype(dtype)
    pairs = [(maker, loss) for maker in makers for loss in LOSSES.values()]
    biases = [tg.Tensor(start, requires_grad=True, name=f"b{i}") for i in range(len(pairs))]

    def losses(x: Any, biases: Any) -> Any:
        return [
            loss(maker(CONSUMERS[name](x, w, b)))
            for b, (maker, loss) in zip(biases, pairs, strict=True)
        ]

    def step(x: Any) -> Any:
        total = sum(losses(x, biases))
        total.backward()
        return total

    def gradients(run: Any) -> list[bytes]:
        for b in biases:
            b.grad = None
        run(x)
        return [b.grad.numpy().tobytes() for b in biases]

    def watched(x: Any) -> None:
        with tg.anomaly():
            step(x)

    expected, replayed = gradients(step), tg.replay(step)
    for run in (replayed, replayed, replayed, replayed, watched):
        assert gradients(run) == expected
    taken = tg.grad(lambda given: sum(losses(x, given)))([start] * len(pairs))
    assert [g.tobytes() for g in taken] == expected
    room: dict[str, Any] = {"__name__": "made"}
    for b in biases:  # else the script would add to what is there
        b.grad = None
    exec(tg.to_numpy(step, x), room)
    made = room["step"]({"x": x} | {f"b{i}": start for i in range(len(pairs))})
    assert [made[f"b{i}.grad"].tobytes() for i in range(len(pairs))] == expected


@for_each(["conv2d", "conv_transpose2d"])
def test_sums_over_a_means_cotangent_have_the_same_bits_in_all_modes(name: str) -> None:
    check_modes(name, "f4", [MAKERS["mean"]])


@pytest.mark.slow
@for_each(CONSUMERS, ["f4", "f8"])
def test_sums_over_cotangents_have_the_same_bits_in_all_modes(name: str, dtype: str) -> None:
    check_modes(name, dtype, [*MAKERS.values()])


def test_convolutions_behind_each_other_copy_no_images() -> None:
    """What convolutions and maxima give lies in order; no short product is BLAS's to share."""
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, seed=0), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5, seed=1),
        nn.ReLU(), nn.Conv2d(16, 24, 3, seed=2), nn.ReLU(), nn.MaxPool2d(2),
    )  # fmt: skip

    @tg.replay
    def step(x: Any) -> Any:
        model.zero_grad()
        loss = np.sum(model(x) ** 2)
        loss.backward()
        return loss

    x = RNG.random((64, 1, 28, 28), np.float32)
    assert step(x).item() == step(x).item()
    calls = [
        (owner.operands, call.func, call.args)
        for owner, call in step._local.last.binding.instructions
        if owner.name.startswith("convolve") and isinstance(call, functools.partial)
    ]
    copied = {np.size(args[2]) for _, fn, args in calls if fn is operator.setitem}
    operands = {v.shape for given, *_ in calls for v in given if isinstance(v, Variable)}
    whole = {shape for shape in operands if len(shape) == 4 and shape[0] == 64 and shape[1] > 1}
    assert len(whole) == 4  # what two layers get, and the cotangents of all three
    assert copied.isdisjoint(map(math.prod, whole))
    products = [args for _, fn, args in calls if fn is np.matmul]
    sizes = {args[0].shape[-2] * math.prod(args[1].shape[-2:]) for args in products}
    assert len(sizes) > 4
    assert not any(SHARED <= n < LONG for n in sizes), sizes
