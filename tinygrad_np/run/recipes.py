"""How each network is trained: the five reference projects as published, and our own default.

A recipe is data. What a reference project states is taken as stated; what it leaves open was chosen
once, on validation data only, and is marked "chosen". ``docs/recipes.md`` gives the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import data, nn, optim
from ..data.datasets import Dataset
from ..errors import DataError
from ..nn.functional import cross_entropy
from .networks import CNN, MLP, Compact, Deep, Halving, LeNet5, Pairs, PyTorchExample, Quick, ResNet

Arrays = tuple[np.ndarray, np.ndarray]
Schedule = Callable[[int, int], optim.optimisers.LearningRate]


@dataclass(frozen=True)
class Parts:
    """A data set cut into the parts a recipe uses; images (n, 784) float32, labels (n,) int64."""

    train: Arrays
    validation: Arrays
    test: Arrays
    mean: float | None = None  # how pixels were standardised after division by 255
    std: float | None = None


@dataclass(frozen=True)
class Recipe:
    """One network and the way it is trained.

    ``batch_size=None`` is full-batch gradient descent. ``schedule`` takes the steps per epoch
    and the epochs, and gives a learning rate or a function of the step. ``validation`` is how many
    training images are held out, ``train`` how many of the others are used (None: all),
    ``standardise`` whether pixels are centred and scaled after division by 255. ``settings`` are
    options of the optimiser, ``transform`` changes each training batch (see ``data.batches``),
    ``dataset`` is what it is meant for. ``network`` makes another network than an MLP (of ``seed``,
    ``initial`` and ``dtype``); ``sizes`` then are its inputs, channels and widths. ``by_hand`` is
    the network's kind in ``models.by_hand``. ``reported`` has, for each data set the project
    reports on, its accuracy in 0 … 1 on the part ``judged_on``.
    """

    name: str
    sizes: tuple[int, ...]
    epochs: int
    batch_size: int | None
    schedule: Schedule
    validation: int
    summary: str
    activation: str = "relu"
    by_hand: str = "relu"
    initial: Any = nn.init.he_uniform
    norm: str | None = None
    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    optimiser: Callable[..., optim.Optimiser] = optim.SGD
    settings: tuple[tuple[str, Any], ...] = ()
    transform: Any = None
    dataset: str = "mnist"
    network: Callable[..., nn.Module] | None = None
    train: int | None = None
    standardise: bool = False
    judged_on: str = "test"
    reported: tuple[tuple[str, float], ...] = ()

    @property
    def shown(self) -> str:
        """The network in a few words: widths, or of convolutions the channels and the widths."""
        kind, sizes = ("", self.sizes) if self.network is None else ("conv ", self.sizes[1:])
        return kind + "-".join(map(str, sizes))

    def build(self, seed: nn.init.Seed = 0, dtype: Any = np.float32) -> nn.Module:
        if self.network is not None:
            made = {"initial": self.initial, "seed": seed, "dtype": dtype}
            return self.network(classes=self.sizes[-1], **made)
        return MLP(
            self.sizes, self.activation, norm=self.norm, dropout=self.dropout,
            input_dropout=self.input_dropout, initial=self.initial, seed=seed, dtype=dtype,
        )  # fmt: skip

    @property
    def is_plain(self) -> bool:
        """Whether it is trained without what ``models.by_hand`` has no training for."""
        extras = (
            self.norm, self.dropout, self.input_dropout, self.label_smoothing, self.settings,
            self.network,
        )  # fmt: skip
        return not any(extras) and self.optimiser in (optim.SGD, optim.Adam)

    def loss(self, logits: Any, labels: Any) -> Any:
        """What is minimised: cross-entropy, with the recipe's label smoothing."""
        return cross_entropy(logits, labels, self.label_smoothing)

    def parts(self, dataset: Dataset) -> Parts:
        """Training, validation and test part, scaled; the split does not depend on the run's seed.

        A data set too small for the recipe's split gives a sixth of its training part for
        validation. Raises DataError where the images do not have as many pixels as the network
        inputs.
        """
        (x, y), (x_test, y_test) = dataset
        pixels = x[0].size if len(x) else 0
        if pixels != self.sizes[0]:
            raise DataError(
                f"the images have {pixels} pixels each and the network of recipe {self.name} has "
                f"{self.sizes[0]} inputs; use images of 28×28 pixels."
            )
        if self.train is not None:
            x, y = x[: self.train + self.validation], y[: self.train + self.validation]
        held = min(self.validation, len(x) // 6)
        (x_train, y_train), (x_held, y_held) = data.split(x, y, held, seed=0)
        mean = std = None
        if self.standardise:
            unit = x_train / np.float32(255)
            mean, std = float(unit.mean(dtype=np.float64)), float(unit.std(dtype=np.float64))

        def flat(images: np.ndarray) -> np.ndarray:
            return data.normalise(images, mean, std).reshape(len(images), -1)

        return Parts(
            (flat(x_train), y_train), (flat(x_held), y_held), (flat(x_test), y_test), mean, std
        )

    def fitted(self, dataset: Dataset, hidden: Sequence[int] | None = None) -> "Recipe":
        """The recipe for a data set of another size of picture, or other classes.

        ``hidden`` are the widths of the hidden layers instead of the recipe's. Raises DataError
        where its network cannot take them, and for data of one class.
        """
        images = dataset[0][0]
        pixels = images[0].size if len(images) else self.sizes[0]
        most = max((int(y.max(initial=0)) for _, y in dataset), default=0) + 1
        names = getattr(dataset, "names", None)
        classes = len(names) if names else max(most, self.sizes[-1])
        if names and len(names) < 2:
            raise DataError(
                f"found the class {names[0]!r} alone, expected two or more to tell apart; give a "
                "folder, or a word among the labels, for each class."
            )
        if self.network is not None:
            if hidden is not None:
                raise DataError(
                    f"--sizes are for linear layers, and recipe {self.name} has other layers; "
                    "leave them out, or give another recipe."
                )
            return replace(self, sizes=(*self.sizes[:-1], classes))
        inner = self.sizes[1:-1] if hidden is None else tuple(hidden)
        return replace(self, sizes=(pixels, *inner, classes))

    def batches(self, train: Arrays, seed: Any) -> Any:
        if self.batch_size is None:
            return [train]
        return data.batches(
            *train, batch_size=self.batch_size, seed=seed,
            transform=self.transform, ahead=2 if self.transform else 0,
        )  # fmt: skip

    def steps_per_epoch(self, train: Arrays) -> int:
        return 1 if self.batch_size is None else -(-len(train[0]) // self.batch_size)

    def learning_rate(self, train: Arrays) -> optim.optimisers.LearningRate:
        return self.schedule(self.steps_per_epoch(train), self.epochs)

    def build_optimiser(self, model: nn.Module, train: Arrays) -> optim.Optimiser:
        rate = self.learning_rate(train)
        return self.optimiser(model.parameters(), rate, **dict(self.settings))

    def reported_accuracy(self, dataset: str) -> float | None:
        """What the reference project reports for a data set, or None."""
        return dict(self.reported).get(dataset)


def with_rate(recipe: Recipe, lr: float) -> Recipe:
    """A recipe with another learning rate: the largest of its cycle, or a constant one."""
    schedule = _constant(lr) if recipe.name in REFERENCES else _one_cycle(lr)
    return replace(recipe, schedule=schedule)


def _constant(lr: float) -> Schedule:
    return lambda steps, epochs: lr  # noqa: ARG005


def _one_cycle(peak: float) -> Schedule:
    return lambda steps, epochs: optim.OneCycle(peak, steps * epochs, warm_up=0.2)


# sizes of the distortions: chosen on validation images, near those of Simard et al. (2003)
_DIGITS = data.augment.Distort(shift=1, rotation=10, scale=0.12, shear=0.12, alpha=34, sigma=5)
_MOVED_DIGITS = data.augment.Distort(shift=2, rotation=10, scale=0.1, shear=0.1)
_CLOTHES = data.augment.Distort(shift=1, mirror=0.5)
_SHARP_CLOTHES = data.augment.Distort(shift=2, mirror=0.5, whole=True)

_SGD: dict[str, Any] = {
    "optimiser": optim.SGD,
    "settings": (("momentum", 0.9), ("nesterov", True), ("weight_decay", 5e-4)),
}


def _full_batch(name: str, initial: Any, reported: float) -> Recipe:
    """The two references that take the same steps from other initial weights."""
    return Recipe(
        name, (784, 10, 10), 500, None, _constant(0.1), 1000, "full-batch gradient descent",
        by_hand="two_layer_relu", initial=initial, train=41000, judged_on="validation",
        reported=(("mnist", reported),),
    )  # fmt: skip


def _own(
    name: str, summary: str, sizes: tuple[int, ...], peak: float, epochs: int,
    validation: int = 1000, batch_size: int = 128, optimiser: Any = optim.Adam, **others: Any,
) -> Recipe:  # fmt: skip
    """A recipe of this project: Adam with one cycle of the learning rate."""
    return Recipe(
        name, sizes, epochs, batch_size, _one_cycle(peak), validation, summary,
        optimiser=optimiser, **others,
    )  # fmt: skip


def _twice(
    name: str, summary: str, sizes: tuple[int, ...], peak: float, epochs: tuple[int, int],
    transform: Any = _DIGITS, **others: Any,
) -> list[Recipe]:  # fmt: skip
    """A recipe on the images as they are, and a longer one on images distorted anew."""
    plain, distorted = epochs
    return [
        _own(name, summary, sizes, peak, plain, **others),
        _own(
            f"{name}-distorted", f"{summary}, every image distorted anew", sizes, peak, distorted,
            transform=transform, **others,
        ),
    ]  # fmt: skip


_WIDE = (784, 1024, 1024, 10)
_FASHION: dict[str, Any] = {"sizes": (784, 1024, 512, 10), "dataset": "fashion", "norm": "batch"}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in [
        _own("default", "Adam, one cycle of the learning rate", (784, 128, 64, 10), 8e-3, 6, 5000),
        # He-normal chosen among what "He-like" may mean; epochs and rate as in ref-1
        _full_batch("ref-0", nn.init.he_normal, 0.84),
        _full_batch("ref-1", nn.init.he_uniform, 0.844),  # initial weights chosen
        Recipe(
            name="ref-2",
            summary="two epochs of mini-batches, decaying rate",
            sizes=(784, 128, 10),  # hidden width chosen
            initial=nn.init.he_normal,  # chosen
            standardise=True,  # chosen
            batch_size=32,
            epochs=2,
            schedule=lambda steps, epochs: optim.CosineDecay(0.15, steps * epochs),  # chosen
            validation=5000,
            reported=(("mnist", 0.90), ("fashion", 0.85)),
        ),
        Recipe(
            name="ref-3",
            summary="deep, leaky ReLU, thirty epochs",
            sizes=(784, 500, 300, 100, 10),
            activation="leaky_relu",
            by_hand="leaky_relu",
            initial=nn.init.xavier_uniform,
            standardise=True,  # chosen
            batch_size=60,
            epochs=30,
            schedule=lambda steps, _: optim.InverseTimeDecay(0.01, 0.005, every=steps),
            validation=10000,
            reported=(("mnist", 0.9723),),
        ),
        Recipe(
            name="ref-4",
            summary="mini-batch gradient descent",
            sizes=(784, 128, 64, 10),
            initial=nn.init.he_uniform,  # chosen
            batch_size=64,  # chosen
            epochs=20,  # chosen
            schedule=_constant(0.3),  # chosen
            validation=5000,
            reported=(("mnist", 0.9753),),
        ),
        _own(
            "small", "the reference network as good as it gets", (784, 10, 10), 1e-2, 60, 5000,
            activation="leaky_relu", by_hand="leaky_relu", standardise=True,
        ),
        _own("wide", "two wide layers, nothing else", _WIDE, 2e-3, 20),
        _own(
            "dropout", "wide, with dropout and batch normalisation", _WIDE, 4e-3, 50,
            norm="batch", dropout=0.5, input_dropout=0.2,
            optimiser=optim.AdamW, settings=(("weight_decay", 0.05),),
        ),
        _own("distorted", "wide, every image distorted anew", _WIDE, 2e-3, 30, transform=_DIGITS),
        _own(
            "large", "larger and longer, every image distorted anew", (784, 2048, 1024, 512, 10),
            2e-3, 100, batch_size=256, transform=_DIGITS,
        ),
        _own(
            "cnn", "a small convolutional network", (784, 16, 32, 128, 10), 4e-3, 4, network=CNN,
        ),
        _own(
            "quick", "99 % in two epochs: few channels, batch normalisation",
            (784, 8, 16, 32, 10), 2e-2, 2, network=Quick,
        ),
        *_twice("lenet-5", "LeNet-5", (784, 6, 16, 120, 84, 10), 4e-3, (10, 20), network=LeNet5),
        *_twice(
            "pytorch-example", "PyTorch's example", (784, 32, 64, 128, 10), 2e-3, (8, 15),
            network=PyTorchExample,
        ),
        *_twice(
            "residual", "a small residual network", (784, 16, 32, 10), 6e-3, (8, 20),
            network=ResNet,
        ),
        _own(
            "best", "three convolutions, batch normalisation, dropout", (784, 16, 32, 64, 10),
            2e-2, 8, network=Compact,
        ),
        _own(
            "best-distorted", "five convolutions in pairs, every image distorted anew",
            (784, 32, 64, 128, 10), 0.1, 18, network=Pairs, transform=_MOVED_DIGITS, **_SGD,
        ),
        _own(
            "fashion-best", "three convolutions, batch normalisation, dropout",
            (784, 32, 64, 128, 10), 1e-2, 10, network=Halving, dataset="fashion",
        ),
        _own(
            "fashion-best-distorted", "deeper, images moved by whole pixels and mirrored anew",
            (784, 16, 64, 128, 10), 0.1, 36, network=Deep, dataset="fashion",
            transform=_SHARP_CLOTHES, label_smoothing=0.1, **_SGD,
        ),
        _own(
            "fashion", "dropout and batch normalisation", peak=2e-3, epochs=30,
            dropout=0.4, input_dropout=0.1, **_FASHION,
        ),
        _own(
            "fashion-distorted", "batch normalisation, images moved and mirrored anew", peak=2e-3,
            epochs=40, transform=_CLOTHES, **_FASHION,
        ),
    ]
}  # fmt: skip
CONVOLUTIONAL = tuple(name for name, recipe in RECIPES.items() if recipe.network is not None)
REFERENCES = ("ref-0", "ref-1", "ref-2", "ref-3", "ref-4")
DEFAULT = "default"
