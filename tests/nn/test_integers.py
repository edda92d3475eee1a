"""Integers of every width as inputs: what floats of the same values give, nothing wraps around."""

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_np as tg
from tests.each import for_each
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
ROWS, IMAGES = RNG.integers(0, 100, (6, 4)), RNG.integers(0, 100, (2, 4, 6, 6))
LABELS = np.array([0, 1, 2, 3, 0, 1])
W = RNG.standard_normal((4, 4, 3, 3)).astype(np.float32)
CALLS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(F, name) for name in (
        "elu", "leaky_relu", "log_softmax", "logsumexp", "relu", "sigmoid", "silu", "softmax",
        "softplus",
    )},
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "linear": lambda x: F.linear(x, W[:, :, 0, 0]),
    **{loss.__name__: lambda x, loss=loss: loss(x, x[::-1])
       for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss)},
    "binary_cross_entropy_with_logits":
        lambda x: F.binary_cross_entropy_with_logits(x, np.ones((6, 4))),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(np.minimum(x, 1), np.ones((6, 4))),
    "hinge_loss": lambda x: F.hinge_loss(x, np.ones((6, 4), np.int8)),
    **{loss.__name__: lambda x, loss=loss: loss(x, LABELS)
       for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss)},
    "batch_norm": lambda x: F.batch_norm(x, np.zeros(4), np.ones(4), training=True),
    "layer_norm": lambda x: F.layer_norm(x, 4, np.ones(4, np.float32)),
    "group_norm": lambda x: F.group_norm(x, 2),
    "dropout": lambda x: F.dropout(x, generator=np.random.default_rng(0)),
}  # fmt: skip
OF_IMAGES: dict[str, Callable[[Any], Any]] = {
    "conv1d": lambda x: F.conv1d(x[:, :, 0], W[..., 0]),
    "conv2d": lambda x: F.conv2d(x, W, padding="same"),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, W, stride=2),
    "max_pool1d": lambda x: F.max_pool1d(x[:, :, 0], 3, 2, 1),
    "avg_pool1d": lambda x: F.avg_pool1d(x[:, :, 0], 3, 2, 1),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (4, 3)),
    "dropout2d": lambda x: F.dropout2d(x, generator=np.random.default_rng(0)),
    "pad": lambda x: F.pad(x, (1, 2, -1, 0), value=1),
    "interpolate": lambda x: F.interpolate(x, (9, 4)),
}
INDEXED = {"embedding", "one_hot", "tanh"}  # integers are their arguments; NumPy's own function


@for_each([*CALLS, *OF_IMAGES], ["u1", "i1", "u2", "i4", "i8", "u8", "?"])
def test_integers_are_computed_as_floats(name: str, dtype: str) -> None:
    call = CALLS.get(name) or OF_IMAGES[name]
    x = (ROWS if name in CALLS else IMAGES).astype(dtype)
    expected = call(x.astype(np.float64))
    rounding = 1e-5 * float(np.abs(expected).max())
    for given in (x, tg.Tensor(x)):
        found = call(given)
        found = found.numpy() if isinstance(found, tg.Tensor) else found
        np.testing.assert_allclose(found.astype(float), expected, rtol=1e-5, atol=rounding)


def test_every_function_is_in_the_table() -> None:
    assert {*CALLS, *OF_IMAGES} == set(F.__all__) - INDEXED
