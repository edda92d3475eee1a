"""Windows, groups and frames: beside PyTorch, to second order, in float16, and refusals."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np import ShapeError, nn
from tinygrad_np.nn import functional as F

Case = tuple[list[tuple[int, ...]], dict[str, Any]]  # shapes of the arrays, options
POOLS: list[Case] = [
    *(
        ([(3, 4, 9, 8)], options) for options in [
            {"kernel_size": 2}, {"kernel_size": (3, 2)}, {"kernel_size": (9, 8)},
            {"kernel_size": 3, "stride": 2, "padding": 1},
            {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
        ]
    ),
    ([(1, 1, 1, 1)], {"kernel_size": 2, "padding": 1}),
    ([(0, 3, 4, 4)], {"kernel_size": 2}),
]  # fmt: skip
# odd sizes, size 1, padding larger than needed, no images, groups, one group for each channel
LINES: list[Any] = [
    ([(3, 4, 9)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    ([(2, 1, 8)], {"kernel_size": 2, "ceil_mode": True}),
    ([(0, 2, 4)], {"kernel_size": 2}),
]
CASES: dict[str, list[Case]] = {
    "conv1d": [
        ([(3, 4, 9), (5, 4, 3), (5,)], {}),
        ([(3, 4, 9), (5, 4, 3)], {"stride": 2, "padding": 4}),
        ([(2, 4, 8), (6, 2, 2), (6,)], {"groups": 2, "dilation": 3, "padding": (5,)}),
        ([(2, 3, 7), (6, 1, 4)], {"groups": 3, "padding": "same", "dilation": 2}),
        ([(1, 1, 1), (1, 1, 1), (1,)], {"stride": 3}),
        ([(0, 4, 5), (2, 4, 3), (2,)], {"padding": "valid"}),
    ],
    "conv2d": [
        ([(3, 4, 9, 8), (5, 4, 3, 3), (5,)], {}),
        ([(3, 4, 9, 8), (2, 4, 3, 3)], {"padding": 1}),
        ([(3, 4, 9, 8), (3, 4, 2, 5), (3,)], {"stride": 2, "padding": (0, 2)}),
        ([(3, 4, 9, 8), (3, 4, 1, 3)], {"stride": (3, 1), "dilation": (1, 2)}),
        ([(3, 4, 9, 8), (4, 2, 3, 2), (4,)], {"groups": 2, "dilation": 2, "padding": 2}),
        ([(3, 4, 9, 8), (8, 1, 3, 3), (8,)], {"groups": 4, "stride": (1, 2)}),
        ([(3, 4, 9, 8), (6, 4, 9, 8), (6,)], {}),
        ([(3, 4, 9, 8), (6, 4, 1, 1)], {"stride": 4}),
        ([(2, 4, 9, 8), (6, 4, 4, 3), (6,)], {"padding": "same"}),
        ([(2, 4, 5, 6), (4, 1, 2, 3)], {"padding": "same", "dilation": (3, 2), "groups": 4}),
        ([(2, 4, 5, 6), (4, 2, 3, 3)], {"padding": "valid", "stride": 2, "groups": 2}),
        ([(1, 1, 1, 1), (2, 1, 3, 3), (2,)], {"padding": 7}),
        ([(2, 3, 1, 7), (3, 1, 1, 2), (3,)], {"groups": 3, "stride": (5, 3)}),
        ([(0, 2, 4, 4), (3, 2, 2, 2), (3,)], {"padding": 1, "stride": 2}),
    ],
    "conv_transpose2d": [
        ([(2, 4, 5, 3), (4, 3, 3, 2), (3,)], {}),
        ([(2, 4, 5, 3), (4, 3, 3, 3)], {"stride": 2, "padding": 1, "output_padding": 1}),
        ([(2, 4, 2, 3), (4, 2, 2, 3), (4,)], {"groups": 2, "stride": (3, 2), "dilation": (1, 3)}),
        ([(2, 3, 4, 3), (3, 2, 3, 1), (6,)], {"groups": 3, "stride": 3, "output_padding": (2, 1)}),
        ([(2, 2, 3, 3), (2, 1, 2, 2)], {"dilation": 4, "output_padding": (3, 2), "padding": 2}),
        ([(1, 1, 1, 1), (1, 1, 1, 1), (1,)], {"stride": 4, "output_padding": 3}),
        ([(1, 2, 6, 6), (2, 1, 3, 3), (1,)], {"padding": 3}),
        ([(0, 2, 3, 3), (2, 3, 2, 2), (3,)], {"stride": 2}),
    ],
    "max_pool1d": LINES,
    "avg_pool1d": LINES,
    "max_pool2d": POOLS,
    "avg_pool2d": POOLS,
    "adaptive_avg_pool2d": [
        ([(2, 3, 6, 4)], {"output_size": size})
        for size in [1, (1, 1), (3, 2), (4, 3), 7, (None, 2), (5, None), (None, None), 13]
    ] + [([(2, 3, 1, 5)], {"output_size": (2, 3)}), ([(0, 3, 5, 4)], {"output_size": 2})],
    "group_norm": [
        ([(3, 4, 5, 2), (4,), (4,)], {"num_groups": 2}),
        ([(3, 4, 5, 2)], {"num_groups": 4, "eps": 0.1}),
        ([(3, 6, 7), (6,)], {"num_groups": 3}),
        ([(5, 6), (6,), (6,)], {"num_groups": 1}),
        ([(2, 4, 2, 3, 2), (4,), (4,)], {"num_groups": 2}),
        ([(0, 4, 3, 3), (4,), (4,)], {"num_groups": 2}),
    ],
    "pad": [
        ([(2, 3, 4, 5)[4 - len(widths) :]], {"pad": widths, "mode": mode})
        for mode in ("constant", "reflect", "replicate", "circular")
        for widths in [(1, 2), (2, 0, 1, 3), (4, 1, 3, 3)]
    ] + [
        ([(2, 3, 4, 5)], {"pad": (-1, 2, 3, -2), "value": 1.5}),
        ([(2, 3, 4, 5)], {"pad": (-2, -3)}), ([(4,)], {"pad": (0, 0)}),
        ([(0, 3, 4)], {"pad": (2, 2), "mode": "circular"}),
        ([(0, 3, 4)], {"pad": (2, 0), "mode": "reflect"}),
        ([(2, 1, 1)], {"pad": (7, 2), "mode": "replicate"}),
    ],
    "interpolate": [
        ([(2, 3, 4, 5)], options) for options in [
            {"scale_factor": 2}, {"scale_factor": (3, 1)}, {"scale_factor": 1.5},
            {"scale_factor": (0.5, 2.4)}, {"size": 7}, {"size": (4, 10)}, {"size": (2, 3)},
            {"size": (1, 1)},
        ]
    ] + [
        ([(1, 1, 2, 6)], {"scale_factor": 1.1}), ([(1, 1, 1, 3)], {"size": (1, 82)}),
        ([(2, 3, 5)], {"scale_factor": 3}), ([(2, 1, 2, 3, 2)], {"size": (4, 5, 2)}),
        ([(0, 3, 4, 4)], {"scale_factor": 2}),
    ],
}  # fmt: skip


def drawn(shapes: list[tuple[int, ...]], dtype: Any = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(len(shapes[0]))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def applied(fn: Callable[..., Any], arrays: Any, options: dict[str, Any]) -> Any:
    """The function with its weight and bias where its name says they go."""
    x, *others = arrays
    named = dict(zip(("weight", "bias"), others, strict=False))
    return fn(x, **named, **options)


def cases(name: str) -> Iterator[tuple[Callable[..., Any], list[np.ndarray], dict[str, Any]]]:
    for shapes, options in CASES[name]:
        yield lambda *a, o=options: applied(getattr(F, name), a, o), drawn(shapes), options


@for_each(CASES)
def test_values_and_gradients_beside_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    for fn, arrays, options in cases(name):
        value, pullback = tg.vjp(fn, *arrays)
        found = pullback(np.cos(value))
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Using padding='same' with even")  # it may copy
            result = applied(getattr(torch.nn.functional, name), tensors, options)
        result.sin().sum().backward()
        np.testing.assert_allclose(
            value, result.detach().numpy(), rtol=0, atol=1e-10, err_msg=str(options)
        )
        for one, tensor in zip(found, tensors, strict=True):
            np.testing.assert_allclose(
                one, tensor.grad.numpy(), rtol=0, atol=1e-10, err_msg=str(options)
            )


def test_pixels_between_two_are_those_of_pytorch() -> None:
    """For a factor of 1.1 its gradients of sequences are not those of its values."""
    torch = pytest.importorskip("torch")
    for length, factor in itertools.product(range(1, 7), [0.3, 0.7, 1.1, 1.2, 2.1, 2.9]):
        for axes in (1, 2, 3) if int(length * factor) else ():
            x = np.arange(length, dtype=np.float32).reshape(*[1] * (axes + 1), length)
            factors = (*[1.0] * (axes - 1), factor)
            theirs = torch.nn.functional.interpolate(torch.tensor(x), scale_factor=factors)
            np.testing.assert_array_equal(F.interpolate(x, scale_factor=factors), theirs.numpy())


SMALL: dict[str, Case] = {
    "conv1d": ([(1, 2, 4), (2, 1, 2), (2,)], {"groups": 2, "padding": "same"}),
    "conv2d": ([(1, 1, 3, 2), (2, 1, 2, 2), (2,)], {"padding": "same"}),
    "conv_transpose2d": (
        [(1, 2, 2, 1), (2, 1, 2, 1), (2,)],
        {"groups": 2, "stride": 2, "padding": (1, 0), "output_padding": (1, 1)},
    ),
    "max_pool1d": ([(1, 1, 5)], {"kernel_size": 2, "stride": 1}),
    "avg_pool1d": ([(1, 1, 5)], {"kernel_size": 2, "stride": 1, "padding": 1}),
    "max_pool2d": ([(1, 1, 3, 3)], {"kernel_size": 2, "stride": 1}),
    "avg_pool2d": ([(1, 1, 3, 3)], {"kernel_size": 2, "stride": 1, "padding": 1}),
    "adaptive_avg_pool2d": ([(1, 1, 3, 4)], {"output_size": 2}),
    "group_norm": ([(2, 4, 2), (4,), (4,)], {"num_groups": 2}),
    "pad": ([(1, 3, 2)], {"pad": (1, 0, 2, -1)}),
    "interpolate": ([(1, 1, 2, 2)], {"scale_factor": (2, 1.5)}),
}


@for_each(SMALL)
def test_derivatives_to_second_order(name: str) -> None:
    shapes, options = SMALL[name]
    fn = getattr(F, name)
    tg.gradcheck(lambda *a: np.tanh(applied(fn, a, options)), *drawn(shapes), order=2)


def test_the_tables_have_every_function_of_windows() -> None:
    modules = ("convolving", "pooling", "resizing")
    known = {n for n in F.__all__ if getattr(F, n).__module__.endswith(modules)}
    assert known | {"group_norm"} == set(CASES) == set(SMALL)


CHOOSING = ("max_pool1d", "max_pool2d", "pad", "interpolate")


@for_each(CASES)
def test_dtypes_are_kept_and_float16_is_rounded_once(name: str) -> None:
    """It is what float32 gives, gradients too; those that only choose add up as they are."""
    for fn, arrays, options in cases(name):
        halves = [a.astype(np.float16) for a in arrays]
        value, pullback = tg.vjp(fn, *halves)
        wide, back = tg.vjp(fn, *[a.astype(np.float32) for a in halves])
        assert (value.dtype, wide.dtype) == (np.float16, np.float32)
        g = np.cos(value)
        found = pullback(g), back(g.astype(np.float32))
        for half, single in zip((value, *found[0]), (wide, *found[1]), strict=True):
            assert (half.dtype, single.dtype) == (np.float16, np.float32)
            most = 2e-3 * float(np.abs(single).max(initial=1e-3)) if name in CHOOSING else 0
            np.testing.assert_allclose(
                half, single.astype(np.float16), rtol=0, atol=most, err_msg=str(options)
            )


X, SEQUENCES = np.ones((2, 4, 6, 5)), np.ones((2, 4, 9))
W = np.ones((6, 4, 3, 3))
REFUSALS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: F.conv1d(SEQUENCES, W[..., 0], np.ones(5)), ShapeError,
     r"conv1d: x of shape \(2, 4, 9\), weight \(6, 4, 3\), bias \(5,\) and groups=1; expected "
     r"\(n, c, l\), \(o, c / groups, k\) and \(o,\), with groups that divide o"),
    (lambda: F.conv1d(SEQUENCES.transpose(0, 2, 1), W[..., 0]), ShapeError,
     r"give x\.transpose\(0, 2, 1\) if the channels are the last axis"),
    (lambda: F.conv1d(SEQUENCES[0], W[..., 0]), ShapeError, r"x\[None\] for one sequence"),
    (lambda: F.conv1d(SEQUENCES[0].T, W[..., 0]), ShapeError,
     r"give x\.T\[None\] for one sequence"),
    (lambda: F.conv1d(SEQUENCES[0], W[:, :1, 0]), ShapeError,
     r"x\[:, None\] for sequences \(n, l\)"),
    (lambda: F.conv1d(SEQUENCES[0, 0], W[:, :1, 0]), ShapeError,
     r"x\[None, None\] for one sequence"),
    (lambda: F.conv1d(X, W[..., 0]), ShapeError, r"x of shape \(2, 4, 6, 5\)"),
    (lambda: F.conv1d(SEQUENCES, W[..., 0], dilation=5), ShapeError,
     r"a window of 3 with dilation \(5,\) does not fit in sequences of 9, padding included; us"),
    (lambda: F.conv1d(SEQUENCES, W[..., 0], stride=(1, 1)), ValueError,
     r"conv1d\(stride=\(1, 1\)\): an int from 1 up is needed"),
    (lambda: F.conv2d(X, W, stride=2, padding="same"), ValueError,
     r"conv2d: padding='same' for stride=\(2, 2\); give stride=1, or widths for padding"),
    (lambda: F.conv2d(X, W, padding="full"), ValueError, "padding='full'.: one of 'same', 'valid'"),
    (lambda: nn.Conv2d(4, 6, 3, 2, "same"), ValueError, "Conv2d: padding='same' for stride"),
    (lambda: nn.Conv2d(4, 6, 3, padding_mode="mirror"), ValueError,
     "padding_mode='mirror'.: one of"),
    (lambda: nn.Conv1d(4, 6, (3, 3)), ValueError, r"Conv1d\(kernel_size=\(3, 3\)\): an int from 1"),
    (lambda: nn.Conv1d(4, 6, 3, groups=4), ValueError, "groups that divide both numbers of chan"),
    (lambda: nn.Conv2d(4, 6, 3, padding=5, padding_mode="reflect")(X), ValueError,
     r"pad=\(5, 5, 5, 5\) with mode='reflect' for axis 3 of x of shape .*; give widths from 0"),
    (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect")(X[0]), ShapeError, r"x\[None\]"),
    (lambda: F.conv_transpose2d(X, W), ShapeError,
     r"conv_transpose2d: x of shape \(2, 4, 6, 5\), weight \(6, 4, 3, 3\), bias None and group"),
    (lambda: F.conv_transpose2d(X.transpose(0, 2, 3, 1), W[:4]), ShapeError,
     r"x\.transpose\(0, 3, 1, 2\) if the channels"),
    (lambda: F.conv_transpose2d(X[0], W[:4]), ShapeError, r"x\[None\] for one image"),
    (lambda: F.conv_transpose2d(X, W[:4], np.ones(3)), ShapeError, r"bias \(3,\)"),
    (lambda: F.conv_transpose2d(X, W[:4], groups=3), ShapeError, "groups that divide c"),
    (lambda: F.conv_transpose2d(X, W[:4], stride=2, output_padding=(1, 2)), ValueError,
     r"output_padding=\(1, 2\) for stride=2 and dilation=1; give less than one of them"),
    (lambda: F.conv_transpose2d(X, W[:4], padding=(0, 4)), ShapeError,
     r"images of 6×5, a window of 3×3 and padding=\(0, 4\) leave 8×-1; use larger images or less"),
    (lambda: F.conv_transpose2d(X[:, :, :0], W[:4]), ShapeError, "images of 0×5"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, padding="same"), ValueError,  # type: ignore[arg-type]
     r"ConvTranspose2d\(padding='same'\): an int from 0 up"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, 2, seed=0)(X, output_size=(15, 11)), ShapeError,
     r"output_size=\(15, 11\) for x of shape .*; give heights from 13 to 14 and widths from 11"),
    (lambda: nn.ConvTranspose2d(4, 6, 3, 2, seed=0)(X[0], output_size=(99, 11)), ShapeError,
     r"x of shape \(4, 6, 5\), weight .*; expected \(n, c, h, w\)"),
    (lambda: F.adaptive_avg_pool2d(X, 0), ValueError, r"adaptive_avg_pool2d\(output_size=0\)"),
    (lambda: F.adaptive_avg_pool2d(X, None), ValueError,  # type: ignore[arg-type]
     r"output_size=None\): an int from 1 up or a pair"),
    (lambda: F.adaptive_avg_pool2d(X[0], 1), ShapeError,
     r"x of shape \(4, 6, 5\); expected \(n, c"),
    (lambda: F.adaptive_avg_pool2d(X[:, :, :0], 1), ShapeError, "images of 0×5; expected at least"),
    (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), ValueError,  # type: ignore[arg-type]
     r"AdaptiveAvgPool2d\(output_size=\(1, 2, 3\)\)"),
    (lambda: F.group_norm(X, 3), ShapeError,
     r"x of shape \(2, 4, 6, 5\) and num_groups=3; expected"),
    (lambda: F.group_norm(X, 2, np.ones(5)), ShapeError,
     r"group_norm: weight of shape \(5,\) for x of shape \(2, 4, 6, 5\); expected \(4,\); gi"),
    (lambda: nn.GroupNorm(3, 4), ValueError,
     r"GroupNorm\(3, 4\): num_groups that divides num_chan"),
    (lambda: nn.GroupNorm(2, 4)(X.transpose(0, 2, 3, 1)), ShapeError,
     r"expected \(n, 4, \.\.\.\); give x\.transpose\(0, 3, 1, 2\)"),
    (lambda: F.pad(X, (1, 2, 3)), ValueError,
     r"pad\(pad=\(1, 2, 3\)\): a tuple of ints, two for ea"),
    (lambda: F.pad(X, (1, 1), "mirror"), ValueError,
     "mode='mirror'.: one of 'constant', 'reflect'"),
    (lambda: F.pad(X, (1,) * 10), ShapeError, "for 5 axes, x of shape .* has 4"),
    (lambda: F.pad(X, (-3, -3)), ValueError, "cuts more off axis 3 of x of shape"),
    (lambda: F.pad(X, (5, 0), "reflect"), ValueError, "for axis 3 of .*; give widths from 0 to 4"),
    (lambda: F.pad(X, (0, 0, 7, 0), "circular"), ValueError, "for axis 2 of .* widths from 0 to 6"),
    (lambda: F.pad(X, (-1, 0), "replicate"), ValueError, "give widths from 0 up there"),
    (lambda: nn.ZeroPad2d((1, 2)), ValueError,  # type: ignore[arg-type]
     r"ZeroPad2d\(padding=\(1, 2\)\): an int or a tuple of four ints"),
    (lambda: F.interpolate(X), ValueError, "size=None and scale_factor=None; give one of them"),
    (lambda: F.interpolate(X, 3, 2), ValueError, "size=3 and scale_factor=2; give one of them"),
    (lambda: F.interpolate(X, (1, 2, 3)), ValueError, r"an int from 1 up or a tuple of 2 of such"),
    (lambda: F.interpolate(X, scale_factor=0.1), ShapeError, r"would have sizes \[0, 0\]"),
    (lambda: F.interpolate(X, 3, mode="bilinear"), ValueError,
     "mode='bilinear'.: one of 'nearest'"),
    (lambda: F.interpolate(X[0, 0], 3), ShapeError, r"interpolate: x of shape \(6, 5\)"),
    (lambda: nn.Upsample(), ValueError, "Upsample: size=None and scale_factor=None"),
    (lambda: nn.Upsample(scale_factor=-1), ValueError,
     r"Upsample\(scale_factor=-1\): a number above"),
]  # fmt: skip


@for_each(range(len(REFUSALS)))
def test_refusals(row: int) -> None:
    call, error, message = REFUSALS[row]
    with pytest.raises(error, match=message):
        call()
