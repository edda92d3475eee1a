"""The networks and batches whose training step is timed."""

from dataclasses import dataclass

import numpy as np

from benchmarks.contenders.contender import Array, Task, he_uniform

OPTIMISERS = ("sgd", "adam")


@dataclass(frozen=True)
class Scenario:
    """A network and a batch; rates with which thousands of steps on that batch do not diverge."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    sgd: float
    adam: float
    activation: str = "relu"
    loss: str = "cross_entropy"

    @property
    def title(self) -> str:
        """As it stands in a table."""
        hidden = self.sizes[1:-1]
        inner = f"{len(hidden)}×{hidden[0]}" if len(hidden) > 4 else "-".join(map(str, hidden))
        leaky = " leaky" if self.activation == "leaky_relu" else ""
        return f"{self.sizes[0]}-{inner}-{self.sizes[-1]}{leaky}, batch {self.batch:,}"

    def task(self, optimiser: str) -> Task:
        """The same weights and the same random batch at each call.

        Every input comes twice, with labels drawn independently: then no network can learn the
        batch by heart, whose gradients would vanish and slow the arithmetic down (denormals).
        """
        rng = np.random.default_rng(1)
        n, classes = self.batch, self.sizes[-1]
        x = np.resize(
            rng.random(((n + 1) // 2, self.sizes[0]), dtype=np.float32), (n, self.sizes[0])
        )
        if self.loss == "squares":
            y: Array = rng.random((n, 1), dtype=np.float32)
        else:
            y = rng.integers(0, classes, n)
        rate = {"sgd": self.sgd, "adam": self.adam}[optimiser]
        weights = he_uniform(self.sizes, seed=0)
        return Task(self.sizes, self.activation, self.loss, optimiser, rate, weights, x, y)


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in [
        Scenario("full-batch", (784, 10, 10), 41_000, sgd=0.1, adam=1e-3),
        Scenario("batch-1000", (784, 10, 10), 1_000, sgd=0.1, adam=1e-3),
        Scenario("two-layer", (784, 128, 10), 32, sgd=0.01, adam=1e-4),
        Scenario(
            "leaky", (784, 500, 300, 100, 10), 60, sgd=0.01, adam=1e-4, activation="leaky_relu"
        ),
        Scenario("three-layer", (784, 128, 64, 10), 64, sgd=0.01, adam=1e-4),
        Scenario("deep", (784, *[64] * 20, 10), 64, sgd=0.01, adam=1e-4),
        Scenario("wide", (784, 2048, 2048, 10), 256, sgd=0.01, adam=1e-5),
        Scenario("tiny", (2, 16, 16, 1), 8, sgd=0.01, adam=1e-3, loss="squares"),
    ]
}
