"""Networks trained by replayed steps: weights and losses are those of eager mode, bit for bit."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.replay.steps import training_step
from tests.replay.twins import Twin, assert_twins
from tinygrad_np import nn, optim
from tinygrad_np.nn import functional as F
from tinygrad_np.optim import schedules

ROWS = [6, 6, 3, 6, 3, 3, 6]  # of each batch: the last of an epoch is short
CLASSES = 3


def activations() -> list[Callable[[], nn.Module]]:
    found: list[Callable[[], nn.Module]] = [
        nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.Softmax, lambda: nn.GELU("tanh"),
        lambda: nn.LeakyReLU(0.2), lambda: nn.LeakyReLU(-0.3), lambda: nn.Softmax(axis=0),
        nn.SiLU, nn.Softplus, nn.ELU,
    ]  # fmt: skip
    return found


ACTIVATIONS = {repr(make()): make for make in activations()}


class Words(nn.Module):
    """Takes the signs of its inputs for words."""

    def __init__(self) -> None:
        self.embedding = nn.Embedding(2, 3, seed=1)

    def forward(self, x: Any) -> Any:
        return np.sum(self.embedding(np.greater(x, 0).astype(np.int64)), axis=1)


# what stands between the layers of a network of width 5
BETWEEN: dict[str, Callable[[], nn.Module]] = {
    "dropout": lambda: nn.Dropout(0.4, seed=3),
    "nothing": nn.Identity,
    "all dropped": lambda: nn.Dropout(1.0, seed=3),
    "batch norm": lambda: nn.BatchNorm1d(5),
    "batch norm, plain": lambda: nn.BatchNorm1d(5, affine=False, eps=0.1),
    "batch norm, mean of all": lambda: nn.BatchNorm1d(5, momentum=None),
    "layer norm": lambda: nn.LayerNorm(5),
    "layer norm, plain": lambda: nn.LayerNorm(5, elementwise_affine=False),
    "layer norm without bias": lambda: nn.LayerNorm((5,), bias=False),
    "norms and dropout": lambda: nn.Sequential(
        nn.BatchNorm1d(5),
        nn.ReLU(),
        nn.Dropout(0.2, seed=4),
        nn.LayerNorm(5),
        nn.Dropout(0.5, seed=5),
    ),
}


def mean_squares(logits: Any, y: Any) -> Any:
    return F.mse_loss(logits, F.one_hot(y, CLASSES))


def binary(logits: Any, y: Any) -> Any:
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(y, CLASSES))


def likelihood(logits: Any, y: Any) -> Any:
    return F.nll_loss(F.log_softmax(logits), y)


def by_logsumexp(logits: Any, y: Any) -> Any:
    return np.mean(F.logsumexp(logits) - np.sum(logits * F.one_hot(y, CLASSES), axis=1))


def softmax_and_log(logits: Any, y: Any) -> Any:
    return -np.mean(np.log(F.softmax(logits)) * F.one_hot(y, CLASSES))


def smoothed(logits: Any, y: Any) -> Any:
    return F.cross_entropy(logits, y, label_smoothing=0.1)


LOSSES = [
    F.cross_entropy,
    smoothed,
    mean_squares,
    binary,
    likelihood,
    by_logsumexp,
    softmax_and_log,
]

OPTIMISERS: dict[str, Callable[[Any], optim.Optimiser]] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
    "decay": lambda p: optim.SGD(p, 0.1, weight_decay=0.01),
    "momentum, decay": lambda p: optim.SGD(p, 0.1, momentum=0.5, weight_decay=0.01),
    "all of SGD": lambda p: optim.SGD(p, 0.1, momentum=0.5, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, 0.01),
    "Adam, decay": lambda p: optim.Adam(p, 0.01, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01),
    "AdamW": lambda p: optim.AdamW(p, 0.01, weight_decay=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01),
    "all of RMSprop": lambda p: optim.RMSprop(
        p, 0.01, weight_decay=0.01, momentum=0.5, centered=True
    ),
    "Adagrad": lambda p: optim.Adagrad(p, 0.05, lr_decay=0.1, weight_decay=0.01),
    "Adadelta": lambda p: optim.Adadelta(p, 1.0, clip_norm=1.0),
    "clipped norm": lambda p: optim.SGD(p, 0.5, momentum=0.9, clip_norm=0.1),
    "clipped norm, at times": lambda p: optim.Adam(p, 0.1, weight_decay=0.1, clip_norm=1.0),
    "clipped values": lambda p: optim.RMSprop(p, 0.01, momentum=0.5, clip_value=0.05),
    "bounded rows": lambda p: optim.SGD(p, 0.5, momentum=0.9, max_norm=0.5),
    "clipped and bounded": lambda p: optim.AdamW(p, 0.05, clip_norm=0.1, max_norm=0.6),
    "step decay": lambda p: optim.SGD(p, schedules.StepDecay(0.1, 2)),
    "inverse time": lambda p: optim.Adam(p, schedules.InverseTimeDecay(0.01, 0.5)),
    "cosine": lambda p: optim.SGD(p, schedules.CosineDecay(0.1, 5), momentum=0.9),
    "one cycle": lambda p: optim.Adam(p, schedules.OneCycle(0.01, 6)),
    "warm-up": lambda p: optim.AdamW(p, schedules.WarmUp(schedules.StepDecay(0.1, 2), 3)),
    "a function": lambda p: optim.SGD(p, lambda step: 0.1 / (1 + step)),
}
PLACES = ["inside", "outside", "none"]


def batch(k: int, n: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(k)
    n = n or ROWS[k]
    return [rng.standard_normal((n, 2, 2)).astype("f4"), rng.integers(0, CLASSES, n)]


def twin(
    activation: Callable[[], nn.Module] = nn.ReLU,
    loss: Callable[[Any, Any], Any] = F.cross_entropy,
    make: Callable[[Any], optim.Optimiser] = OPTIMISERS["SGD"],
    stepped: str = "inside",
    cleared: str = "inside",
    dtype: Any = np.float32,
) -> Twin:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(4, 5, seed=rng, dtype=dtype),
        activation(),
        nn.Linear(5, 4, bias=False, seed=rng, dtype=dtype),
        nn.Sequential(activation(), nn.Linear(4, CLASSES, seed=rng, dtype=dtype)),
    )
    optimiser = make(model.parameters())

    def step(x: Any, y: Any) -> Any:
        if cleared == "inside":
            optimiser.zero_grad()
        logits = model(x)
        value = loss(logits, y)
        value.backward()
        if stepped == "inside":
            optimiser.step()
        return value, logits

    def before(_: int) -> None:
        if cleared == "outside":
            optimiser.zero_grad()

    def after(_: int) -> None:
        if stepped == "outside":
            optimiser.step()

    def others() -> Any:
        return [optimiser.steps, *optimiser.save()["kept"].values()]

    return Twin(step, model.parameters(), others, before, after)


def runs(cleared: str) -> int:
    """Two for each number of rows, and one more for the first call, which finds no gradients."""
    return 5 if cleared == "none" else 4


# each loss and each activation: no two of them meet in one operation
MET = list(zip(ACTIVATIONS, itertools.cycle(LOSSES)))  # of the activations there are more


@pytest.mark.parametrize(
    ("activation", "loss"), MET, ids=lambda part: getattr(part, "__name__", part)
)
def test_layers_and_losses(activation: str, loss: Any) -> None:
    assert_twins(lambda: twin(ACTIVATIONS[activation], loss), lambda k: batch(k, 6), 5)


@pytest.mark.parametrize(("name", "dtype"), list(zip(BETWEEN, itertools.cycle(["f4", "f8"]))))
def test_layers_with_a_state_of_their_own(name: str, dtype: str) -> None:
    def make() -> Twin:
        rng = np.random.default_rng(0)
        model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(4, 5, seed=rng),
            BETWEEN[name](),
            nn.Linear(5, CLASSES, seed=rng),
        )
        step = training_step(model, optim.Adam(model.parameters(), 0.01))

        def others() -> Any:
            generators = [
                str(m.generator.bit_generator.state)
                for _, m in model.named_modules()
                if isinstance(m, nn.Dropout)
            ]
            return [model.state_dict(), generators]

        return Twin(step, model.parameters(), others)

    def given(k: int) -> list[np.ndarray]:  # means of batches depend on how large they are
        x, y = batch(k, 0 if "batch" in name else 6)
        return [x.astype(dtype), y]

    assert_twins(make, given, *([len(ROWS), 4] if "batch" in name else [5, 2]))


class Residual(nn.Module):
    """What comes in, and what a convolution makes of it."""

    def __init__(self) -> None:
        self.inner = nn.Conv2d(2, 2, 3, padding=1, seed=1)

    def forward(self, x: Any) -> Any:
        return np.maximum(x + self.inner(x), 0)


# what stands between a convolution and the last layer: (n, 2, 6, 6) to (n, anything)
IMAGED: dict[str, Callable[[], nn.Module]] = {
    "largest": lambda: nn.MaxPool2d(2),
    "dropped channels": lambda: nn.Dropout2d(0.5, seed=1),
    "largest, overlapping": lambda: nn.MaxPool2d(3, 2, 1),
    "means": lambda: nn.AvgPool2d((2, 3)),
    "of rows": lambda: nn.Sequential(
        lambda x: np.reshape(x, (len(x), 2, 36)), nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2)
    ),
    "batch norm": lambda: nn.BatchNorm2d(2),
    "group norm": lambda: nn.GroupNorm(2, 2),
    "parts": lambda: nn.AdaptiveAvgPool2d((4, 3)),
    "all of a channel": lambda: nn.AdaptiveAvgPool2d(1),
    "framed": lambda: nn.ZeroPad2d((1, 2, 0, -1)),
    "larger": lambda: nn.Upsample(scale_factor=2),
    "larger in one direction": lambda: nn.Upsample((4, 9)),
    "transposed": lambda: nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, groups=2, seed=1),
    "same, mirrored": lambda: nn.Conv2d(2, 3, 2, 1, "same", padding_mode="reflect", seed=1),
    "rows": lambda: nn.Sequential(
        lambda x: np.reshape(x, (len(x), 2, 36)), nn.Conv1d(2, 3, 3, padding=1, seed=1)
    ),
    "residual": Residual,
    "strided": lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False, seed=1),
    "grouped, dilated": lambda: nn.Conv2d(2, 4, 2, dilation=(2, 1), groups=2, seed=1),
    "two": lambda: nn.Sequential(
        nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 2, seed=1), nn.AvgPool2d(2)
    ),
}


@pytest.mark.parametrize(("name", "dtype"), list(zip(IMAGED, itertools.cycle(["f4", "f8"]))))
def test_convolutional_networks(name: str, dtype: str) -> None:
    def images(k: int) -> list[np.ndarray]:
        rng = np.random.default_rng(k)
        x = rng.standard_normal((4, 1, 8, 8)).round(1).astype(dtype)  # some ties
        return [x, rng.integers(0, CLASSES, 4)]

    def make() -> Twin:
        inner = nn.Sequential(nn.Conv2d(1, 2, 3, seed=0), IMAGED[name](), nn.ReLU(), nn.Flatten())
        with tg.no_grad():
            width = inner.eval()(np.zeros((1, 1, 8, 8), np.float32)).shape[1]
        model = nn.Sequential(inner.train(), nn.Linear(width, CLASSES, seed=2))
        optimiser = optim.Adam(model.parameters(), 0.01)

        def step(x: Any, y: Any) -> Any:
            optimiser.zero_grad()
            logits = model(x)
            loss = F.cross_entropy(logits, y)
            loss.backward()
            optimiser.step()
            return loss, logits

        return Twin(step, model.parameters(), model.state_dict)

    assert_twins(make, images, 5)


@pytest.mark.parametrize("rows", [3000, 4])
def test_norms_of_many_rows_and_of_images(rows: int) -> None:
    def make() -> Twin:
        norm, inner = nn.BatchNorm1d(3), nn.LayerNorm((3, 2))

        def step(x: Any) -> Any:
            norm.zero_grad()
            inner.zero_grad()
            loss = np.sum(np.tanh(inner(norm(x))) * x)
            loss.backward()
            return loss

        return Twin(step, [*norm.parameters(), *inner.parameters()], norm.state_dict)

    assert_twins(
        make, lambda k: [np.random.default_rng(k).standard_normal((rows, 3, 2)).astype("f4")]
    )


def test_embedding() -> None:
    def make() -> Twin:
        model = nn.Sequential(nn.Flatten(), Words(), nn.Linear(3, CLASSES, seed=2))

        def step(x: Any, y: Any) -> Any:
            model.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        return Twin(step, model.parameters())

    assert_twins(make, batch, len(ROWS), 4)


def test_switching_to_evaluation_and_back() -> None:
    def make() -> Twin:
        model = nn.Sequential(
            nn.Flatten(), nn.Linear(4, 5, seed=0), nn.BatchNorm1d(5), nn.Dropout(0.5, seed=1)
        )

        def step(x: Any) -> Any:
            return np.sum(model(x))

        def before(k: int) -> None:
            model.train(k % 4 < 2)

        return Twin(step, [], model.state_dict, before)

    assert_twins(make, lambda _: [batch(0)[0]], 8, None)


# every optimiser at one of the six places, one of them at all
PLACED = [
    (name, stepped, cleared)
    for i, name in enumerate(OPTIMISERS)
    for k, (stepped, cleared) in enumerate(itertools.product(["inside", "outside"], PLACES))
    if name == "momentum" or i % 6 == k
]


@pytest.mark.parametrize(("name", "stepped", "cleared"), PLACED)
def test_optimisers(name: str, stepped: str, cleared: str) -> None:
    def make() -> Twin:
        return twin(make=OPTIMISERS[name], stepped=stepped, cleared=cleared)

    assert_twins(make, lambda k: batch(k, 6), 6, runs(cleared) - 2)


@pytest.mark.parametrize("name", ["SGD", "Adam, decay"])
def test_double_precision(name: str) -> None:
    assert_twins(
        lambda: twin(nn.Tanh, make=OPTIMISERS[name], dtype=np.float64),
        lambda k: [batch(k)[0].astype(float), batch(k)[1]],
        len(ROWS),
        runs("inside"),
    )


def test_everything_the_package_has_is_here() -> None:
    layers = {getattr(nn, name) for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    kinds = (*ACTIVATIONS.values(), *BETWEEN.values(), *IMAGED.values())
    used = {type(part) for make in kinds for _, part in make().named_modules()}
    elsewhere = {nn.RNN, nn.LSTM, nn.GRU, nn.MultiheadAttention}  # tests/nn/test_sequences.py
    bare = {nn.ModuleList, nn.ModuleDict, nn.Embedding, nn.Flatten, nn.Linear, nn.Module}
    assert layers - used - elsewhere == bare
    made = [type(make([tg.Tensor(1.0, requires_grad=True)])) for make in OPTIMISERS.values()]
    own = {v for v in vars(optim).values() if isinstance(v, type) and hasattr(v, "step")}
    assert set(made) == own - {optim.Optimiser}
    found = [v for v in vars(schedules).values() if isinstance(v, type)]
    decays = {v.__name__ for v in found if v.__module__ == schedules.__name__}
    assert decays == {
        "StepDecay",
        "InverseTimeDecay",
        "CosineDecay",
        "OneCycle",
        "Schedule",
        "WarmUp",
    }
