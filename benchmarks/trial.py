"""The process that trains the networks of ``search.py``, one after another."""

import functools
import math
from typing import Any

import numpy as np

from benchmarks.contenders.worker import Worker, serve
from tinygrad_np import data, nn, optim, training
from tinygrad_np.run.networks import MLP

# each scheme with the gain that it has of itself; settings multiply it by their "scale"
GAINS = {
    "he_normal": math.sqrt(2),
    "he_uniform": math.sqrt(2),
    "xavier_normal": 1.0,
    "xavier_uniform": 1.0,
}


def network(pixels: int, settings: dict[str, Any], seed: Any) -> MLP:
    """Two hidden layers, the second half as wide as the first."""
    name, width = settings["initial"], settings["width"]
    gain = settings["scale"] * GAINS[name]
    initial = functools.partial(getattr(nn.init, name), gain=gain)
    return MLP((pixels, width, max(width // 2, 1), 10), initial=initial, seed=seed)


class Trainer(Worker):
    """Requests for training."""

    def read(self, dataset: str | None, train: int, held: int) -> Any:
        """Read a data set: its test part is dropped, ``held`` of the others validate."""
        (images, labels), _ = data.mnist() if dataset is None else data.load_dataset(dataset)
        # the split of the recipes with as many held out: settings found here go there
        (x, y), (held_x, held_y) = data.split(images, labels, held, seed=0)
        self.train = _flat(x[:train]), y[:train]
        self.validation = _flat(held_x), held_y
        return {}

    def start(self, settings: dict[str, Any], epochs: int, seed: int) -> Any:
        """Make a network; all trials have the same two seeds."""
        weights, order = np.random.default_rng(seed).spawn(2)
        x, y = self.train
        self.model = network(x.shape[1], settings, weights)
        self.batches = data.batches(x, y, settings["batch_size"], seed=order)
        rate = optim.OneCycle(settings["learning_rate"], epochs * len(self.batches), warm_up=0.2)
        self.optimiser = optim.Adam(self.model.parameters(), rate)
        return {"parameters": sum(p.size for p in self.model.parameters())}

    def epoch(self) -> Any:
        """Train for one epoch; the validation accuracy after it."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # rates may be too high
            history = training.fit(
                self.model, self.batches, self.optimiser, epochs=1, validation=self.validation
            )
        return {"accuracy": history[0].validation_accuracy, "seconds": history[0].seconds}


def _flat(images: np.ndarray) -> np.ndarray:
    return data.normalise(images).reshape(len(images), -1)


if __name__ == "__main__":
    serve(Trainer())
