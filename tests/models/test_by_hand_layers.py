"""Convolution, transposed convolution and pooling: autodiff against pencil and paper."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from models import by_hand_layers as by_hand
from models.by_hand_layers import Window
from tinygrad_np.nn import functional as F

# images, kernel, stride, padding, dilation, groups, output padding
CASES: list[tuple[Any, Window, int, Any]] = [
    ((3, 2, 5, 4), Window((3, 3)), 1, (0, 0)),
    ((2, 4, 7, 5), Window((3, 2), (2, 1), (1, 0), (1, 2)), 2, (1, 1)),
    ((2, 3, 6, 6), Window((3, 3), (2, 2), (1, 1)), 3, (1, 1)),
    ((1, 6, 4, 9), Window((1, 4), (1, 3), (0, 2)), 3, (0, 2)),
    ((2, 2, 1, 1), Window((3, 3), (2, 3), (1, 1)), 1, (0, 1)),
    ((1, 2, 3, 3), Window((2, 2), (1, 1), (4, 3)), 2, (0, 0)),
    ((2, 2, 9, 8), Window((2, 3), (3, 4), (0, 1), (3, 2)), 1, (2, 3)),
    ((0, 2, 5, 5), Window((3, 3), (2, 2), (1, 1)), 1, (0, 0)),
]


def relative_error(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest entry of the same array."""
    errors = []
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        errors.append(np.abs(a - b).max() / (np.abs(b).max() or 1) if b.size else 0.0)
    return float(max(errors))


def difference(
    fn: Callable[..., Any], arrays: Any, value: Any, slopes: Callable[[Any], Any]
) -> Any:
    """The error of the value, and of the gradients of the sum of its sines."""
    found, pullback = tg.vjp(fn, *arrays)
    return relative_error([found, *pullback(np.cos(found))], [value, *slopes(np.cos(value))])


def drawn(*shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


def test_convolution() -> None:
    for shape, window, groups, _ in CASES:
        x, W, b = drawn(shape, (2 * groups, shape[1] // groups, *window.kernel), 2 * groups)
        _, stride, padding, dilation = window
        assert difference(
            lambda *a, s=stride, p=padding, d=dilation, g=groups: F.conv2d(*a, s, p, d, g),
            (x, W, b),
            by_hand.convolution(x, W, b, window, groups),
            lambda dz, a=(x, W, window, groups): by_hand.convolution_gradients(dz, *a),
        ) <= 1e-12, window  # fmt: skip


def test_transposed_convolution() -> None:
    for shape, window, groups, extra in CASES:
        x, W, b = drawn(shape, (shape[1], 2, *window.kernel), 2 * groups)
        if min(window.inputs(shape[2:], extra)) < 1:
            continue
        _, stride, padding, dilation = window
        options = {"stride": stride, "padding": padding, "output_padding": extra,
                   "groups": groups, "dilation": dilation}  # fmt: skip
        assert difference(
            lambda *a, o=options: F.conv_transpose2d(*a, **o),
            (x, W, b),
            by_hand.transposed(x, W, b, window, groups, extra),
            lambda dy, a=(x, W, window, groups): by_hand.transposed_gradients(dy, *a),
        ) <= 1e-12, window  # fmt: skip


def test_pooling() -> None:
    for shape, window, _, _ in CASES:
        window = window._replace(
            padding=tuple(
                min(p, k // 2) for p, k in zip(window.padding, window.kernel, strict=True)
            ),
            dilation=(1, 1),
        )
        if min(window.outputs(shape[2:])) < 1:
            continue
        (x,) = drawn(shape)
        for values in (x, x.round()):  # without and with equal ones
            kernel, stride, padding, _ = window
            assert difference(
                lambda x, a=(kernel, stride, padding): F.max_pool2d(x, *a),
                (values,),
                by_hand.maxima(values, window),
                lambda dq, a=(values, window): [by_hand.maxima_gradient(dq, *a)],
            ) <= 1e-12, window  # fmt: skip
        assert difference(
            lambda x, a=(kernel, stride, padding): F.avg_pool2d(x, *a),
            (x,),
            by_hand.means(x, window),
            lambda dq, a=(shape[2:], window): [by_hand.means_gradient(dq, *a)],
        ) <= 1e-12, window  # fmt: skip
        for counts in [(1, 1), (2, 3), (5, 4), (7, 2), (12, 1)]:
            assert difference(
                lambda x, c=counts: F.adaptive_avg_pool2d(x, c),
                (x,),
                by_hand.part_means(x, counts),
                lambda dq, size=shape[2:]: [by_hand.part_means_gradient(dq, size)],
            ) <= 1e-12, counts  # fmt: skip
