"""What people give by mistake: the message says what was given and the remedy, and that works."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np import nn
from tinygrad_np.nn import functional as F

RNG = np.random.default_rng(0)
IMAGES = RNG.random((5, 3, 8, 8)).astype(np.float32)
GREY = IMAGES[:, 0]
ROWS = GREY.reshape(5, 64)
LOGITS = RNG.standard_normal((5, 3)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0])
DEEP = RNG.standard_normal((5, 4, 3))  # (n, length, classes)
WORDS = np.array(["cat", "dog", "emu", "emu", "cat"])

linear = nn.Linear(64, 2, seed=0)
conv = nn.Conv2d(1, 2, 3, seed=0)
colour = nn.Conv2d(3, 2, 3, seed=0)
LOSSES: list[Any] = [F.cross_entropy, F.nll_loss]

Call = Callable[[Any], Any]
# a function, what it is given, words of its message, the same input as the message says
WRONG: list[tuple[str, Call, Any, list[str], Any]] = [
    ("grey images", linear, GREY, ["(5, 8, 8)", "nn.Flatten()", "x.reshape(len(x), -1)"],
     GREY.reshape(5, -1)),
    ("one grey image", linear, GREY[0], ["(8, 8)", "x.reshape(1, -1)"], GREY[0].reshape(1, -1)),
    ("columns", linear, ROWS.T, ["(64, 5)", "x.T"], ROWS),
    ("one number", nn.Flatten(), np.float32(3), ["x.reshape(1, 1)"], np.ones((1, 1))),
    ("other images", linear, IMAGES, ["flattened it has 192 features, and the weight 64"], None),
    ("other rows", linear, LOGITS, ["x of shape (5, 3), weight (2, 64)"], None),
    ("no channels", conv, GREY, ["(5, 8, 8)", "x[:, None]"], GREY[:, None]),
    ("channels last", conv, GREY[..., None], ["x.transpose(0, 3, 1, 2)"], GREY[:, None]),
    ("colours last", colour, IMAGES.transpose(0, 2, 3, 1), ["x.transpose(0, 3, 1, 2)"], IMAGES),
    ("one image of colours", colour, IMAGES[0], ["x[None] for one image"], IMAGES[:1]),
    ("one image, colours last", colour, IMAGES[0].transpose(1, 2, 0),
     ["x.transpose(2, 0, 1)[None]"], IMAGES[:1]),
    ("one grey image", conv, GREY[0], ["x[None, None]"], GREY[0][None, None]),
    ("rows of pixels", conv, ROWS, ["x.reshape(len(x), 1, 8, 8)"], ROWS.reshape(5, 1, 8, 8)),
    ("rows of colours", colour, IMAGES.reshape(5, -1), ["x.reshape(len(x), 3, 8, 8)"], IMAGES),
    ("too many channels", conv, IMAGES, ["x of shape (5, 3, 8, 8), weight (2, 1, 3, 3)",
     "; make in_channels 3, or give x of 1 channel."], IMAGES[:, :1]),
    ("transpose of other channels", nn.ConvTranspose2d(4, 2, 3, seed=0), IMAGES,
     ["; make in_channels 3"], None),
    ("a bias of another size", lambda b: F.conv2d(GREY[:, None], conv.weight.numpy(), b),
     np.ones(5, np.float32), ["; give a bias of shape (2,)"], np.ones(2, np.float32)),
    ("a bias of another size", lambda b: F.linear(ROWS, linear.weight.numpy(), b),
     np.ones(5, np.float32), ["(5,); expected", "; give a bias of shape (2,)"],
     np.ones(2, np.float32)),
    ("images for sequences", nn.Conv1d(3, 2, 3, seed=0), IMAGES,
     ["; conv2d and Conv2d are for images"], None),
    ("sequences of other channels", nn.Conv1d(5, 2, 3, seed=0), DEEP,
     ["; make in_channels 4, or give x of 5 channels"], None),
    ("norm of other channels", nn.BatchNorm2d(4), IMAGES,
     ["BatchNorm2d: x of shape (5, 3, 8, 8); expected (n, 4, h, w); make num_features 3"], None),
    ("norm of other features", nn.BatchNorm1d(4), LOGITS, ["; make num_features 3"], None),
    ("norm of other groups", nn.GroupNorm(2, 4), IMAGES, ["; make num_channels 3"], None),
    ("norm of other sequences", nn.GroupNorm(2, 6), DEEP, ["; make num_channels 4"], None),
    ("too much cut off", nn.ZeroPad2d(-5), IMAGES, ["; give widths that cut off 8 there at most"],
     None),
    ("pool without channels", nn.MaxPool2d(2), GREY, ["max_pool2d", "x[:, None]"], GREY[:, None]),
    ("mean pool of rows", nn.AvgPool2d(2), ROWS, ["avg_pool2d", "x.reshape(len(x), 1, 8, 8)"],
     ROWS.reshape(5, 1, 8, 8)),
    ("pool of channels last", nn.MaxPool2d(2), GREY[..., None],
     ["images of 8×1", "x.transpose(0, 3, 1, 2)"], GREY[:, None]),
    ("norm without channels", nn.BatchNorm2d(1), GREY, ["(5, 8, 8)", "x[:, None]"], GREY[:, None]),
    ("norm of channels last", nn.BatchNorm2d(3), IMAGES.transpose(0, 2, 3, 1),
     ["expected (n, 3, h, w)", "x.transpose(0, 3, 1, 2)"], IMAGES),
    ("norm of features last", nn.BatchNorm1d(3), DEEP, ["x.transpose(0, 2, 1)"],
     DEEP.transpose(0, 2, 1)),
    ("norm of one", nn.BatchNorm1d(3), LOGITS[:1],
     ["one value for each channel", "a size that leaves no last batch of one", "eval()"], LOGITS),
    *[row for loss in LOSSES for row in [
        ("one-hot", lambda t, f=loss: f(LOGITS, t), np.eye(3, dtype=int)[LABELS],
         ["labels of shape (5, 3)", "labels.argmax(axis=1)"], LABELS),
        ("a column", lambda t, f=loss: f(LOGITS, t), LABELS[:, None],
         ["labels of shape (5, 1)", "labels.ravel()"], LABELS),
        ("a row", lambda t, f=loss: f(LOGITS, t), LABELS[None], ["labels.ravel()"], LABELS),
        ("wide one-hot", lambda t, f=loss: f(LOGITS, t), np.eye(4)[LABELS],
         ["labels.argmax(axis=1)"], LABELS),
        ("floats", lambda t, f=loss: f(LOGITS, t), LABELS.astype(float),
         ["labels of dtype float64", "labels.astype(np.int64)"], LABELS),
        ("truth values", lambda t, f=loss: f(LOGITS, t), LABELS > 0,
         ["labels of dtype bool", "labels.astype(np.int64)"], (LABELS > 0).astype(np.int64)),
        ("words", lambda t, f=loss: f(LOGITS, t), WORDS,
         ["labels of dtype <U3", "_, labels = np.unique(labels, return_inverse=True) of words"],
         np.unique(WORDS, return_inverse=True)[1]),
        ("list of words", lambda t, f=loss: f(LOGITS, t), WORDS.tolist(), ["np.unique"], None),
        ("objects", lambda t, f=loss: f(LOGITS, t), LABELS.astype(object),
         ["labels of dtype object", "labels.astype(np.int64) of numbers"], LABELS),
        ("exchanged", lambda a, f=loss: f(a, LOGITS), LABELS, ["give the logits first"], None),
        ("one output", lambda z, f=loss: f(z, LABELS), LOGITS[:, 0],
         ["of shape (5,)", "binary_cross_entropy_with_logits"], None),
        ("lengths", lambda z, f=loss: f(z, np.tile(LABELS[:, None], 4)), DEEP,
         ["logits.reshape(-1, 3) and labels.ravel()"], None),
        ("objects for logits", lambda z, f=loss: f(z, LABELS), LOGITS.astype(object),
         ["of dtype object", "astype(np.float32)"], LOGITS),
        ("too large", lambda t, f=loss: f(LOGITS, t), LABELS + 1,
         ["labels from 1 to 3 for 3 classes", "0 … 2"], LABELS),
    ]],
    ("targets as a column", lambda t: F.mse_loss(LOGITS[:, 0], t), LOGITS[:, :1],
     ["prediction of shape (5,) and target of shape (5, 1)", "target.reshape((5,))"], LOGITS[:, 0]),
    ("targets of one output", lambda t: F.mse_loss(LOGITS[:, :1], t), LOGITS[:, 0],
     ["target.reshape((5, 1))"], LOGITS[:, :1]),
    ("labels for mse", lambda t: F.mse_loss(LOGITS, t), LABELS, ["one_hot(target, 3)"],
     F.one_hot(LABELS, 3)),
    ("words for mse", lambda t: F.mse_loss(LOGITS[:, 0], t), WORDS, ["target of dtype <U3"], None),
    ("index", nn.Embedding(3, 2, seed=0), LABELS + 1,
     ["embedding: indices from 1 to 3 for 3 rows (num_embeddings)", "indices must lie in 0 … 2"],
     LABELS),
    ("float index", nn.Embedding(3, 2, seed=0), LABELS.astype(np.float32),
     ["embedding: indices of dtype float32", "indices.astype(np.int64)"], LABELS),
    ("word index", nn.Embedding(3, 2, seed=0), WORDS, ["_, indices = np.unique(indices, return_"],
     np.unique(WORDS, return_inverse=True)[1]),
    ("no generator", lambda g: F.dropout(LOGITS, generator=g), None,
     ["dropout", "NoneType", "generator=np.random.default_rng(seed)", "nn.Dropout"], RNG),
    ("seed for a generator", lambda g: F.dropout(LOGITS, generator=g), 0,
     ["type int", "generator=np.random.default_rng(seed)"], RNG),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "given", "words", "mended"),
    [row[1:] for row in WRONG],
    ids=[f"{i} {row[0]}" for i, row in enumerate(WRONG)],
)
def test_the_message_says_the_remedy_and_that_works(
    call: Call, given: Any, words: list[str], mended: Any
) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        call(given)
    for part in words:
        assert part in str(caught.value)
    if mended is not None:
        assert np.isfinite(call(mended)).all()
    for wrong in (tg.Tensor(given),) if getattr(given, "dtype", np.dtype("O")).kind in "f" else ():
        with pytest.raises((ValueError, TypeError)) as caught:
            call(wrong)
        assert words[-1] in str(caught.value)


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (nn.Linear(3, 2, seed=0), (4, 3)),
    "conv": (nn.Conv2d(1, 2, 3, seed=0), (2, 1, 4, 4)),
    "max pool": (nn.MaxPool2d(2), (2, 1, 4, 4)),
    "mean pool": (nn.AvgPool2d(2), (2, 1, 4, 4)),
    "batch norm": (nn.BatchNorm1d(3), (4, 3)),
    "batch norm of images": (nn.BatchNorm2d(3), (4, 3, 2, 2)),
    "layer norm": (nn.LayerNorm(3), (4, 3)),
    "group norm": (nn.GroupNorm(1, 3), (4, 3)),
    "conv of sequences": (nn.Conv1d(1, 2, 3, seed=0), (2, 1, 4)),
    "transposed conv": (nn.ConvTranspose2d(1, 2, 3, seed=0), (2, 1, 4, 4)),
    "mean of parts": (nn.AdaptiveAvgPool2d(2), (2, 1, 4, 4)),
    "frame": (nn.ZeroPad2d(1), (2, 1, 4, 4)),
    "larger": (nn.Upsample(scale_factor=2), (2, 1, 4, 4)),
    "network": (nn.Sequential(nn.Linear(3, 2, seed=0), nn.ReLU()), (4, 3)),
    "network of images": (nn.Sequential(nn.Flatten(), nn.Linear(4, 2, seed=0)), (3, 2, 2)),
}
MOVED = (nn.MaxPool2d, nn.ZeroPad2d, nn.Upsample)  # which compute nothing
layers = pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)


@layers
@pytest.mark.parametrize("kind", [object, str, "S4", "M8[D]"])
def test_what_holds_no_numbers_is_refused_by_dtype(layer: Any, shape: Any, kind: Any) -> None:
    x = np.ones(shape, np.int64).astype(kind)
    with pytest.raises(TypeError) as caught:
        layer(x)
    assert f"x of dtype {x.dtype}; convert numbers with x.astype(np.float32)" in str(caught.value)
    assert "if x has words: _, x = np.unique(x, return_inverse=True)" in str(caught.value)
    if kind is not str:
        return
    with pytest.raises(TypeError, match="x of dtype <U"):
        layer(x.tolist())


@layers
def test_what_is_no_array_is_refused_by_type(layer: Any, shape: Any) -> None:
    del shape
    for wrong in (None, nn.ReLU(), {"x": 1}, object()):
        with pytest.raises(TypeError, match=rf": x is of type {type(wrong).__name__}; give an arr"):
            layer(wrong)
    with pytest.raises(tg.ShapeError, match="entries have different lengths"):
        layer([[1.0, 2.0, 3.0], [1.0]])


@layers
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_list_does_not_widen_a_network(layer: Any, shape: Any, dtype: Any) -> None:
    """Pools and the like have no dtype of their own: a list is float64 there, as in NumPy."""
    x = RNG.standard_normal(shape).astype(dtype)
    widened = not layer.parameters()
    with tg.no_grad():
        expected = layer(x if widened else x.astype(np.float32))
        found, whole = layer(x.tolist()), layer(np.ones(shape, np.int64).tolist())
        assert layer(x).dtype == dtype  # arrays keep NumPy's meaning
    assert found.dtype == (np.float64 if widened else np.float32)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-6)
    assert whole.dtype == (np.int64 if isinstance(layer, MOVED) else found.dtype)


def test_a_list_of_targets_does_not_widen_a_loss() -> None:
    prediction = tg.Tensor(LOGITS, requires_grad=True)
    loss = F.mse_loss(prediction, np.zeros((5, 3)).tolist())
    assert loss.dtype == np.float32
    assert loss.item() == F.mse_loss(LOGITS, np.zeros_like(LOGITS))
    assert F.mse_loss(np.zeros((5, 3)).tolist(), prediction).dtype == np.float32
    assert F.cross_entropy(prediction, LABELS.tolist()).dtype == np.float32


def test_a_list_of_indices_stays_one() -> None:
    net = nn.Sequential(nn.Embedding(4, 2, seed=0), nn.Linear(2, 3, seed=1))
    np.testing.assert_array_equal(net([0, 3]).numpy(), net(np.array([0, 3])).numpy())


def test_a_list_of_tensors_enters_a_layer() -> None:
    parts = [tg.Tensor(row, requires_grad=True) for row in ROWS]
    linear(parts).sum().backward()
    for part in parts:
        np.testing.assert_allclose(part.grad.numpy(), linear.weight.numpy().sum(axis=0), rtol=1e-6)


def test_a_tensor_of_words_says_what_to_do() -> None:
    for wrong in (WORDS, LABELS.astype(object), ["a"], {"a": 1}):
        with pytest.raises(TypeError, match=r"not dtype .* astype\(np.float32\).*np.unique\(words"):
            tg.Tensor(wrong)
