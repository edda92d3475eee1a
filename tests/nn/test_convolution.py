"""Convolution and pooling: beside PyTorch, loops by hand, and the hand-derived network."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from models.by_hand_cnn import convolved, input_gradient, small_cnn, weight_gradient
from tinygrad_np import ShapeError, nn
from tinygrad_np.autodiff.primitives import convolution
from tinygrad_np.autodiff.primitives.shaping import reshape
from tinygrad_np.nn import functional as F
from tinygrad_np.run.networks import CNN

RNG = np.random.default_rng(4)
IMAGES = RNG.standard_normal((3, 4, 9, 8))

# options, output channels, kernel
CONVOLUTIONS: list[tuple[dict[str, Any], int, tuple[int, int]]] = [
    ({}, 5, (3, 3)),
    ({"padding": 1}, 2, (3, 3)),
    ({"stride": 2, "padding": (0, 2)}, 3, (2, 5)),
    ({"stride": (3, 1), "dilation": (1, 2)}, 3, (1, 3)),
    ({"groups": 2, "dilation": 2, "padding": 2}, 4, (3, 2)),
    ({"groups": 4, "stride": (1, 2)}, 8, (3, 3)),
    ({}, 6, (9, 8)),
    ({"stride": 4}, 6, (1, 1)),
]
each = pytest.mark.parametrize(("options", "outs", "kernel"), CONVOLUTIONS, ids=str)


def drawn(options: dict[str, Any], outs: int, kernel: tuple[int, int]) -> list[np.ndarray]:
    """Images, weight and bias."""
    rng = np.random.default_rng(1)
    inner = IMAGES.shape[1] // options.get("groups", 1)
    return [IMAGES, rng.standard_normal((outs, inner, *kernel)), rng.standard_normal(outs)]


@each
def test_conv2d_beside_a_loop(options: dict[str, Any], outs: int, kernel: Any) -> None:
    x, weight, bias = drawn(options, outs, kernel)
    found = F.conv2d(x, weight, bias, **options)
    (p, q), (s, t), (d, e) = (
        np.broadcast_to(options.get(name, usual), 2)
        for name, usual in (("padding", 0), ("stride", 1), ("dilation", 1))
    )
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)))
    inner = weight.shape[1]
    each_group = outs // options.get("groups", 1)
    for n, o, u, v in np.ndindex(found.shape):
        expected, first = bias[o], o // each_group * inner
        for c, i, j in np.ndindex(weight.shape[1:]):
            expected += x[n, first + c, u * s + i * d, v * t + j * e] * weight[o, c, i, j]
        assert found[n, o, u, v] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"stride": (2, 1), "padding": 1}, {"groups": 2}], ids=str)
def test_conv2d_to_second_order(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1, 2, 3, 3)), rng.standard_normal((2, 2, 2, 2)), np.ones(2)]
    arrays[1] = arrays[1][:, : 2 // options.get("groups", 1)]
    tg.gradcheck(lambda *a: np.tanh(F.conv2d(*a, **options)), *arrays, order=2)


@pytest.mark.parametrize(("images", "channels"), [(1, 2), (5, 17), (70, 2), (70, 17)])
def test_many_images_are_taken_some_at_a_time(
    images: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "IMAGES", 4000)
    rng = np.random.default_rng(images)
    x = rng.standard_normal((images, channels, 12, 12))
    weight = rng.standard_normal((3, channels, 7, 7))
    blocks = convolution.image_blocks(images, 7 * 3 * 12)
    assert [b.stop for b in blocks] == ([14, 28, 42, 56, 70] if images == 70 else [images])
    value, pullback = tg.vjp(F.conv2d, x, weight)
    np.testing.assert_allclose(value, convolved(x, weight), rtol=0, atol=1e-11)
    by_x, by_weight = pullback(np.cos(value))
    np.testing.assert_allclose(by_x, input_gradient(np.cos(value), weight), rtol=0, atol=1e-11)
    np.testing.assert_allclose(by_weight, weight_gradient(np.cos(value), x), rtol=0, atol=1e-10)


def in_rows(x: np.ndarray) -> np.ndarray:
    """The same in memory as convolutions leave it."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2)


@each
def test_every_way_and_memory_order_gives_the_same(
    options: dict[str, Any], outs: int, kernel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: dict[str, Any] = {"groups": options.get("groups", 1)}
    for name in ("stride", "dilation"):
        named[name] = tuple(np.broadcast_to(options.get(name, 1), 2).tolist())
    for images in (0, 1, 3):
        _, weight, _ = drawn(options, outs, kernel)
        x = np.resize(IMAGES, (images, 4, 12, 11))
        y = np.random.default_rng(2).standard_normal(convolution.convolve(x, weight, **named).shape)
        calls: list[Callable[..., Any]] = [
            lambda lay, x=x, w=weight, **o: convolution.convolve(lay(x), w, **named, **o),
            lambda lay, y=y, w=weight, **o: convolution.convolve_back(
                lay(y), w, (12, 11), **named, **o
            ),
            lambda lay, x=x, y=y, **o: convolution.convolve_weight(
                lay(x), lay(y), kernel, **named, **o
            ),
        ]
        for call in calls:
            expected = call(np.ascontiguousarray)
            for laid in (call(in_rows), call(in_rows, out=np.empty(expected.shape))):
                np.testing.assert_array_equal(laid, expected)
            for channels, copies in ((0, 1), (0, 1 << 20), (1 << 30, 1), (1 << 30, 1 << 20)):
                with monkeypatch.context() as patched:
                    for name, value in (
                        ("SHIFTED", channels), ("CHANNELS", channels), ("COPIES", copies)
                    ):  # fmt: skip
                        patched.setattr(convolution, name, value)
                    np.testing.assert_allclose(call(in_rows), expected, rtol=0, atol=1e-12)


def test_flattened_images_are_those_of_their_copy() -> None:
    x = np.random.default_rng(0).standard_normal((5, 4, 14, 14))
    weight = np.ones((8, 4, 3, 3))
    out = F.conv2d(x, weight)
    np.testing.assert_array_equal(reshape(out, (5, -1)), out.copy().reshape(5, -1))
    flat = reshape(out, (5, 8 * 12 * 12), out=np.empty((5, 8 * 12 * 12)))
    np.testing.assert_array_equal(flat, out.copy().reshape(5, -1))
    assert np.shares_memory(reshape(out, (5, 2, 4, 12, 12)), out)  # a view where there can be one
    column = reshape(out, (5, -1), "F", out=np.empty((5, 8 * 12 * 12), order="F"))
    np.testing.assert_array_equal(column, out.reshape((5, -1), order="F"))


FAULTS = """
import resource, sys
import numpy as np
from tinygrad_np.nn import functional as F

if sys.argv[1] == "convolving":
    F.conv2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1)))
before = 0
for i in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt if i == 1 else before
    kept = [np.ones(8000) for _ in range(64)]  # 1,000 pages
    del kept
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_freed_memory_is_kept_from_the_first_convolution_on() -> None:
    pytest.importorskip("resource")
    if platform.libc_ver()[0] != "glibc" or any(name.startswith("MALLOC_") for name in os.environ):
        pytest.skip("what glibc does by itself")
    command = [sys.executable, "-c", FAULTS]
    here = Path(tg.__file__).parents[1]
    without, faults = (
        int(subprocess.run([*command, which], capture_output=True, check=True, cwd=here).stdout)
        for which in ("nothing", "convolving")
    )
    assert without > 4000 > 500 > faults


@pytest.mark.parametrize("lies", [(0, 1, 2, 3), (2, 1, 3, 0)], ids=["as made", "in rows"])
@pytest.mark.parametrize("padding", [0, 1])
def test_images_may_be_written_to_before_the_backward_pass(
    padding: int, lies: tuple[int, ...]
) -> None:
    """A convolution has its own copy of an array, in its own order."""
    x = np.array(IMAGES.transpose(lies), order="C").transpose(np.argsort(lies))
    weight = tg.Tensor(RNG.standard_normal((2, 4, 3, 3)), requires_grad=True)
    gradients = []
    for writes in (False, True):
        out = F.conv2d(x, weight, padding=padding)
        if writes:
            x[...] = 0
        out.backward(np.ones(out.shape))
        gradients.append(weight.grad)
        weight.grad = None
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", "i4", "?"])
def test_relu_of_large_arrays_has_the_bits_and_order_of_small_ones(kind: str) -> None:
    x = RNG.standard_normal((9, 40, 11, 30)).astype(kind).transpose(3, 1, 0, 2)
    if kind[0] == "f":
        x[:2] = -0.0
        x[2:4] = np.nan
    found, expected = F.relu(tg.Tensor(x)).numpy(), np.maximum(x, 0)
    assert (found.dtype, found.strides) == (expected.dtype, expected.strides)
    assert found.tobytes() == expected.tobytes()


def test_equal_largest_elements_share_the_gradient() -> None:
    x = np.array([[[[5.0, 1.0, 7.0, 7.0], [5.0, 5.0, 0.0, 7.0]]]])
    found = tg.grad(lambda x: np.sum(F.max_pool2d(x, 2) * np.array([6.0, 3.0])))(x)
    np.testing.assert_array_equal(found, [[[[2, 0, 1, 1], [2, 2, 0, 1]]]])


def test_a_window_with_nan_is_nan_and_gets_no_gradient() -> None:
    x = np.array([[[[np.nan, 1.0, 7.0, 2.0]]]])
    value, pullback = tg.vjp(lambda x: F.max_pool2d(x, (1, 2)), x)
    np.testing.assert_array_equal(value, [[[[np.nan, 7]]]])
    np.testing.assert_array_equal(pullback(np.ones((1, 1, 1, 2)))[0], [[[[0, 0, 1, 0]]]])


# module, its repr, its result for the images
MODULES: list[tuple[nn.Module, str, tuple[int, ...]]] = [
    (nn.Conv2d(4, 6, 3, seed=0), "Conv2d(4, 6, kernel_size=3)", (3, 6, 7, 6)),
    (
        nn.Conv2d(4, 6, (3, 2), 2, (1, 0), (1, 2), 2, False, seed=0),
        "Conv2d(4, 6, kernel_size=(3, 2), stride=2, padding=(1, 0), dilation=(1, 2), groups=2, "
        "bias=False)",
        (3, 6, 5, 3),
    ),
    (nn.MaxPool2d(2), "MaxPool2d(2)", (3, 4, 4, 4)),
    (nn.AvgPool2d((3, 2), 1, 1), "AvgPool2d((3, 2), stride=1, padding=1)", (3, 4, 9, 9)),
    (nn.BatchNorm2d(4), "BatchNorm2d(4, eps=1e-05, momentum=0.1)", (3, 4, 9, 8)),
    (
        nn.Conv2d(4, 6, (4, 3), padding="same", padding_mode="circular", seed=0),
        "Conv2d(4, 6, kernel_size=(4, 3), padding='same', padding_mode='circular')",
        (3, 6, 9, 8),
    ),
    (
        nn.ConvTranspose2d(4, 6, 3, 2, 1, (1, 0), 2, False, (1, 2), seed=0),
        "ConvTranspose2d(4, 6, kernel_size=3, stride=2, padding=1, output_padding=(1, 0), "
        "dilation=(1, 2), groups=2, bias=False)",
        (3, 6, 18, 17),
    ),
    (nn.AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d(1)", (3, 4, 1, 1)),
    (nn.AdaptiveAvgPool2d((None, 3)), "AdaptiveAvgPool2d((None, 3))", (3, 4, 9, 3)),
    (nn.ZeroPad2d((1, 0, -1, 2)), "ZeroPad2d((1, 0, -1, 2))", (3, 4, 10, 9)),
    (nn.Upsample(scale_factor=(2, 1.5)), "Upsample(scale_factor=(2, 1.5))", (3, 4, 18, 12)),
    (nn.Upsample(5), "Upsample(size=5)", (3, 4, 5, 5)),
    (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05)", (3, 4, 9, 8)),
]


@pytest.mark.parametrize(("module", "shown", "shape"), MODULES, ids=[row[1] for row in MODULES])
def test_layers(module: nn.Module, shown: str, shape: tuple[int, ...]) -> None:
    assert repr(module) == shown
    x = tg.Tensor(IMAGES.astype(np.float32), requires_grad=True)
    out = module(x)
    assert (out.shape, out.dtype) == (shape, np.dtype(np.float32))
    np.sum(np.sin(out)).backward()
    for leaf in (x, *module.parameters()):
        assert leaf.grad is not None and leaf.grad.dtype == np.float32
        assert np.abs(leaf.grad.numpy()).max() > 1e-3


def test_weights_of_a_convolution() -> None:
    layer = nn.Conv2d(8, 40, 5, groups=2, seed=0)
    assert layer.weight.shape == (40, 4, 5, 5)
    assert np.var(layer.weight.numpy()) == pytest.approx(2 / 100, rel=0.05)
    again = nn.Conv2d(8, 40, 5, groups=2, seed=0)
    np.testing.assert_array_equal(layer.weight.numpy(), again.weight.numpy())
    assert layer.bias is not None and not layer.bias.numpy().any()


def test_weights_of_a_transposed_convolution() -> None:
    """Each output is a sum over the input channels of its group, which the variance is for."""
    layer = nn.ConvTranspose2d(40, 8, 5, groups=2, seed=0)
    assert layer.weight.shape == (40, 4, 5, 5)
    assert np.var(layer.weight.numpy()) == pytest.approx(2 / (20 * 25), rel=0.05)
    out = layer(np.random.default_rng(0).standard_normal((2, 40, 20, 20)))
    assert np.var(out.numpy()[:, :, 4:-4, 4:-4]) == pytest.approx(2, rel=0.2)
    numbered: Any = lambda shape, *_, dtype: np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    there = nn.Conv2d(6, 4, 1, groups=2, initial=numbered).weight.numpy()
    back = nn.ConvTranspose2d(6, 4, 1, groups=2, initial=numbered).weight.numpy()
    for part, other in zip(np.split(there, 2), np.split(back, 2), strict=True):
        np.testing.assert_array_equal(part.swapaxes(0, 1), other)


def test_a_transposed_convolution_gives_the_size_that_is_asked_for() -> None:
    there = nn.Conv2d(4, 2, 3, 2, 1, seed=0)
    back = nn.ConvTranspose2d(2, 4, 3, 2, 1, seed=0)
    for high, wide in [(9, 8), (9, 9), (10, 10), (10, 9)]:
        small = there(np.ones((1, 4, high, wide)))
        assert back(small, output_size=(high, wide)).shape == (1, 4, high, wide)


class Residual(nn.Module):
    """The plain way: a sum in ``forward``, and a convolution where the channels change."""

    def __init__(self, of: Any = nn, **made: Any) -> None:
        self.conv1 = of.Conv2d(4, 6, 3, 2, 1, bias=False, **made)
        self.bn1 = of.BatchNorm2d(6, **{k: v for k, v in made.items() if k == "dtype"})
        self.conv2 = of.Conv2d(6, 6, 3, padding="same", **made)
        self.downsample = of.Sequential(of.Conv2d(4, 6, 1, 2, **made))

    def forward(self, x: Any) -> Any:
        inner = self.conv2(F.relu(self.bn1(self.conv1(x))))
        return F.relu(inner + self.downsample(x))


def test_a_residual_block_has_the_names_and_results_of_pytorch() -> None:
    torch = pytest.importorskip("torch")

    class Theirs(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            Residual.__init__(self, torch.nn, dtype=torch.float64)  # type: ignore[arg-type]

        def forward(self, x: Any) -> Any:
            inner = self.conv2(torch.relu(self.bn1(self.conv1(x))))
            return torch.relu(inner + self.downsample(x))

    ours, theirs = Residual(dtype=np.float64, seed=0), Theirs()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x, there = tg.Tensor(IMAGES, requires_grad=True), torch.tensor(IMAGES, requires_grad=True)
    out, expected = ours(x), theirs(there)
    np.testing.assert_allclose(out.numpy(), expected.detach().numpy(), rtol=0, atol=1e-10)
    np.sum(np.sin(out)).backward()
    expected.sin().sum().backward()
    for one, other in zip((x, *ours.parameters()), (there, *theirs.parameters()), strict=True):
        assert one.grad is not None
        np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_channels_beside_pytorch(training: bool) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.BatchNorm2d(4, dtype=np.float64), torch.nn.BatchNorm2d(4).double()
    for _ in range(2):
        ours(IMAGES)
        theirs(torch.tensor(IMAGES))
    ours.train(training)
    theirs.train(training)
    expected = theirs(torch.tensor(IMAGES)).detach().numpy()
    np.testing.assert_allclose(ours(IMAGES).numpy(), expected, rtol=0, atol=1e-12)
    for name in ("running_mean", "running_var"):
        np.testing.assert_allclose(
            getattr(ours, name).numpy(), getattr(theirs, name).numpy(), rtol=1e-12
        )


W = np.ones((6, 4, 3, 3))
REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: F.conv2d(IMAGES, W[:, :3]),
        ShapeError,
        r"conv2d: x of shape \(3, 4, 9, 8\), weight \(6, 3, 3, 3\), bias None and groups=1; exp",
    ),
    (lambda: F.conv2d(IMAGES[0], W), ShapeError, r"x of shape \(4, 9, 8\)"),
    (lambda: F.conv2d(IMAGES, W, np.ones(5)), ShapeError, r"bias \(5,\)"),
    (lambda: F.conv2d(IMAGES, W[:5, :2], groups=2), ShapeError, "groups that divide o"),
    (
        lambda: F.conv2d(IMAGES, W, dilation=4),
        ShapeError,
        r"a window of 3×3 with dilation \(4, 4\) does not fit in images of 9×8, padding included",
    ),
    (
        lambda: F.conv2d(IMAGES, W, stride=0),
        ValueError,
        "conv2d.stride=0.: an int from 1 up or a",
    ),
    (
        lambda: F.conv2d(IMAGES, W, padding=(1, 2, 3)),
        ValueError,
        r"padding=\(1, 2, 3\)\): an int fr",
    ),
    (lambda: F.max_pool2d(IMAGES[0], 2), ShapeError, r"max_pool2d: x of shape \(4, 9, 8\); expec"),
    (lambda: F.max_pool2d(IMAGES, 3, padding=2), ValueError, "give at most half of that"),
    (lambda: F.avg_pool2d(IMAGES, 10), ShapeError, "avg_pool2d: a window of 10×10"),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), ValueError, "groups that divide both numbers of chan"),
    (lambda: nn.Conv2d(0, 6, 3), ValueError, r"Conv2d\(in_channels=0\): an int from 1 up is"),
    (lambda: nn.Conv2d(4, 6, 2.5), ValueError, "kernel_size=2.5"),  # type: ignore[arg-type]
    (lambda: nn.MaxPool2d(0), ValueError, "MaxPool2d.kernel_size=0.: an int from 1 up"),
    (lambda: nn.BatchNorm2d(0), ValueError, r"BatchNorm2d\(num_features=0\): an int from 1 up"),
    (lambda: nn.BatchNorm2d(4)(IMAGES[0]), ShapeError, r"BatchNorm2d: x of shape \(4, 9, 8\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[r[2][:30] for r in REFUSALS])
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def relative_error(ours: Any, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("seed", range(3))
def test_the_hand_derived_network(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, seed=rng, dtype=np.float64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3 * 3 * 2, 5, seed=rng, dtype=np.float64),
    )
    for parameter in model.parameters():
        if parameter.ndim == 1:  # biases start at 0, where an error could hide
            parameter.data = 0.3 * rng.standard_normal(parameter.shape)
    x, y = rng.standard_normal((7, 2, 8, 6)), rng.integers(0, 5, 7)
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    expected, gradients = small_cnn([p.numpy() for p in model.parameters()], x, y)
    assert loss.item() == pytest.approx(expected, rel=1e-13)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is not None and parameter.grad.shape == gradient.shape
        assert relative_error(parameter.grad.numpy(), gradient) <= 1e-12


def test_pencil_and_paper_against_central_differences() -> None:
    rng = np.random.default_rng(1)
    parameters = [rng.standard_normal(s) for s in ((2, 1, 2, 2), (2,), (3, 8), (3,))]
    x, y = rng.standard_normal((4, 1, 5, 5)), rng.integers(0, 3, 4)
    _, gradients = small_cnn(parameters, x, y)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in np.ndindex(parameter.shape):
            kept, ends = parameter[place], []
            for step in (1e-6, -1e-6):
                parameter[place] = kept + step
                ends.append(small_cnn(parameters, x, y)[0])
            parameter[place] = kept
            slope = (ends[0] - ends[1]) / 2e-6
            assert slope == pytest.approx(gradient[place], rel=1e-6, abs=1e-8)


def test_weights_come_from_pytorch() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(4, 6, (3, 2), groups=2),
        torch.nn.BatchNorm2d(6),
        torch.nn.MaxPool2d(3, 2, 1),
    ).double()
    theirs(torch.tensor(IMAGES))
    ours = nn.Sequential(
        nn.Conv2d(4, 6, (3, 2), groups=2, dtype=np.float64),
        nn.BatchNorm2d(6, dtype=np.float64),
        nn.MaxPool2d(3, 2, 1),
    )
    ours.load_state_dict(theirs.state_dict())
    expected = theirs.eval()(torch.tensor(IMAGES)).detach().numpy()
    np.testing.assert_allclose(ours.eval()(IMAGES).numpy(), expected, rtol=0, atol=1e-10)


def test_the_cnn_takes_flat_images_and_images() -> None:
    model = CNN((2, 3), 7, seed=0)
    x = np.random.default_rng(0).random((2, 784), np.float32)
    logits = model(x)
    assert logits.shape == (2, 10) and logits.dtype == np.float32
    np.testing.assert_array_equal(logits.numpy(), model(x.reshape(2, 1, 28, 28)).numpy())
    shapes = [p.shape for p in model.parameters() if p.ndim > 1]
    assert shapes == [(2, 1, 5, 5), (3, 2, 5, 5), (7, 48), (10, 7)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 1, 3, 0)])
def test_one_image_may_have_any_stride(order: tuple[int, ...]) -> None:
    """NumPy leaves the strides of axes with one element open."""
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 6))
    laid = np.ascontiguousarray(x.transpose(order))
    strides = [s if n > 1 else 1232 for s, n in zip(laid.strides, laid.shape, strict=True)]
    odd = np.lib.stride_tricks.as_strided(laid, laid.shape, strides).transpose(np.argsort(order))
    weight = np.random.default_rng(1).normal(size=(3, 4, 5, 5))
    step = tg.value_and_grad(lambda x, w: np.sum(F.conv2d(x, w, padding=1) ** 2), (0, 1))
    right, replayed = step(x, weight), tg.replay(step)
    for found in (step(odd, weight), *(replayed(odd, weight) for _ in range(3))):
        np.testing.assert_array_equal(found[0], right[0])
        for a, b in zip(found[1], right[1], strict=True):
            np.testing.assert_allclose(a, b, 1e-12)


def test_products_in_pieces_of_columns() -> None:
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(64, 6, 14, 14)), rng.normal(size=(16, 6, 5, 5))
    seen = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))
    right = np.einsum("nchwuv,ocuv->nohw", seen, weight, optimize=True)
    np.testing.assert_allclose(F.conv2d(x, weight), right, 1e-10, 1e-10)
