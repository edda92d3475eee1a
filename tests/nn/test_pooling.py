"""Pooling with all its options: beside PyTorch, loops by hand, and the order in memory."""

import itertools
from functools import partial
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import ShapeError, nn
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(5)
SIZES = [(1, 1), (2, 3), (5, 4), (7, 7), (9, 8)]
KINDS = [("max_pool2d", {}), ("avg_pool2d", {}), ("avg_pool2d", {"count_include_pad": False})]
Case = tuple[str, np.ndarray, Any, dict[str, Any]]


def cases() -> list[Case]:
    """Functions, images, windows and options; of three in four only some sizes."""
    found: list[Case] = []
    options = itertools.product(
        KINDS, [1, 2, 3, (2, 3)], [None, 1, (3, 2)], [0, 1, (1, 0)], [1, 2], [False, True]
    )
    for i, ((name, more), kernel, stride, padding, dilation, ceil_mode) in enumerate(options):
        if name == "avg_pool2d" and dilation == 2:
            continue
        named = {"stride": stride, "padding": padding, "ceil_mode": ceil_mode, **more}
        if name == "max_pool2d":
            named["dilation"] = dilation
        x = RNG.standard_normal((2, 1, *SIZES[i % len(SIZES)]))
        found.append((name, x, kernel, named))
    return found


def by_hand(name: str, x: np.ndarray, kernel: Any, options: dict[str, Any]) -> Any:
    """The result and the gradient of its sum, by the definition; None where no window fits."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (
        np.broadcast_to(v, 2)
        for v in (kernel, options["stride"] or kernel, options["padding"],
                  options.get("dilation", 1))
    )  # fmt: skip
    high, wide = x.shape[2:]
    starts: list[list[int]] = []
    for n, k, s, p, d in ((high, kh, sh, ph, dh), (wide, kw, sw, pw, dw)):
        reach = d * (k - 1) + 1
        if 2 * p > reach or n + 2 * p - reach <= (-s if options["ceil_mode"] else -1):
            return None
        found = [-p]
        while found[-1] + reach < n + p:  # elements are left
            found.append(found[-1] + s)
        if found[-1] >= n or (found[-1] + reach > n + p and not options["ceil_mode"]):
            found.pop()
        starts.append(found)
    out = np.zeros((*x.shape[:2], len(starts[0]), len(starts[1])))
    gradient = np.zeros(x.shape)
    for (u, a), (v, b) in itertools.product(*map(enumerate, starts)):
        up, across = [a + dh * i for i in range(kh)], [b + dw * j for j in range(kw)]
        inside = [(i, j) for i in up for j in across if 0 <= i < high and 0 <= j < wide]
        counted = [(i, j) for i in up for j in across if i < high + ph and j < wide + pw]
        rows, columns = (list(t) for t in zip(*inside, strict=True)) if inside else ([], [])
        seen = x[:, :, rows, columns]
        if name == "max_pool2d":
            out[:, :, u, v] = seen.max(-1, initial=-np.inf)
            gradient[:, :, rows, columns] += seen == out[:, :, u, v, None]
        else:
            size = len(counted if options.get("count_include_pad", True) else inside)
            out[:, :, u, v] = seen.sum(-1) / size
            gradient[:, :, rows, columns] += 1 / size
    return out, gradient


def test_pooling_beside_a_loop() -> None:
    fitting = 0
    for name, x, kernel, options in cases():
        expected = by_hand(name, x, kernel, options)
        call = partial(getattr(F, name), kernel_size=kernel, **options)
        if expected is None:
            with pytest.raises((ShapeError, ValueError)):
                call(x)
            continue
        fitting += 1
        value, pullback = tg.vjp(call, x)
        for one, other in ((value, expected[0]), (pullback(np.ones(value.shape))[0], expected[1])):
            np.testing.assert_allclose(
                one, other, rtol=0, atol=1e-12, err_msg=str((name, x.shape, kernel, options))
            )
    assert fitting > 150


def test_pooling_beside_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name, x, kernel, options in cases():
        try:
            value, pullback = tg.vjp(partial(getattr(F, name), kernel_size=kernel, **options), x)
        except (ShapeError, ValueError):
            with pytest.raises(RuntimeError):
                getattr(torch.nn.functional, name)(torch.tensor(x), kernel, **options)
            continue
        if np.isinf(value).any():  # of nothing but padding: PyTorch 2 writes beyond its memory
            continue
        there = torch.tensor(x, requires_grad=True)
        expected = getattr(torch.nn.functional, name)(there, kernel, **options)
        np.testing.assert_allclose(value, expected.detach().numpy(), rtol=0, atol=1e-12)
        g = np.cos(np.arange(value.size)).reshape(value.shape)
        expected.backward(torch.tensor(g))
        np.testing.assert_allclose(pullback(g)[0], there.grad.numpy(), rtol=0, atol=1e-12)


def test_pooling_to_second_order() -> None:
    x = RNG.standard_normal((1, 1, 3, 4))
    for name, options in [
        ("max_pool2d", {"stride": 1, "dilation": 2, "padding": 1}),
        ("max_pool2d", {"stride": 2, "ceil_mode": True}),
        ("avg_pool2d", {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ]:
        call = partial(getattr(F, name), kernel_size=2, **options)
        tg.gradcheck(lambda x, call=call: np.tanh(call(x)), x, order=2)


def test_layers_with_all_options() -> None:
    x = np.ones((1, 1, 6, 6), np.float32)
    largest = nn.MaxPool2d(2, 2, 1, 2, ceil_mode=True)
    assert repr(largest) == "MaxPool2d(2, padding=1, dilation=2, ceil_mode=True)"
    assert largest(x).shape == (1, 1, 4, 4)
    mean = nn.AvgPool2d(3, 2, 1, True, False)
    assert (
        repr(mean) == "AvgPool2d(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True)"
    )
    np.testing.assert_array_equal(mean(x), np.ones((1, 1, 4, 4)))
    assert mean(x).dtype == np.float32
    with pytest.raises(TypeError, match=r"avg_pool2d\(ceil_mode=2\)"):
        F.avg_pool2d(x, 2, ceil_mode=2)  # type: ignore[arg-type]


def test_images_keep_the_order_that_a_convolution_gives_them() -> None:
    """Through every layer and back: no copy into another order between two convolutions."""
    layers = [
        nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(3, 1), nn.MaxPool2d(3, 2, 1),
        nn.AvgPool2d(2), nn.AvgPool2d(3, 1, 1, ceil_mode=True), nn.BatchNorm2d(3).eval(),
    ]  # fmt: skip
    weight = RNG.standard_normal((3, 2, 3, 3))
    images = F.conv2d(RNG.standard_normal((4, 2, 9, 8)), weight)
    for layer in layers:
        value, pullback = tg.vjp(lambda x, f=layer: f(x), images)
        back = pullback(value)[0]
        for found in (getattr(value, "_array", value), getattr(back, "_array", back)):
            strides = [found.strides[axis] for axis in (2, 1, 3, 0)]
            assert strides == sorted(strides, reverse=True), (layer, found.strides)
