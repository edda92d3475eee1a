"""A training step of 784-128-64-10, batch 64, SGD: by hand, with this project, with PyTorch.

    python benchmarks/step_time.py

All start from the same weights and see the same batch; the losses are compared before anything is
timed. The contenders take turns on two threads each; medians of wall time.
"""

import os

THREADS = "2"
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = THREADS

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from models import by_hand
from models.mlp import MLP
from tinygrad_np import Tensor, nn, optim

SIZES = (784, 128, 64, 10)
BATCH = 64
RATE = 0.01
ROUNDS = 40
STEPS = 25

Step = Callable[[], float]


def hand_step(model: MLP, x: np.ndarray, y: np.ndarray) -> Step:
    """The pencil-and-paper twin, plain NumPy."""
    parameters = [p.numpy() for p in model.parameters()]

    def step() -> float:
        loss, gradients = by_hand.deep_relu(parameters, x, y)
        by_hand.sgd_step(parameters, gradients, RATE)
        return loss

    return step


def eager_step(model: MLP, x: np.ndarray, y: np.ndarray) -> Step:
    """This project, nothing captured."""
    optimiser = optim.SGD(model.parameters(), RATE)

    def step() -> float:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(Tensor(x)), y)
        loss.backward()
        optimiser.step()
        return float(loss.item())

    return step


def torch_step(model: MLP, x: np.ndarray, y: np.ndarray) -> Step:
    """PyTorch's eager mode."""
    import torch

    torch.set_num_threads(int(THREADS))
    layers: list[Any] = []
    for fan_in, fan_out in itertools.pairwise(SIZES):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for theirs, ours in zip(network.parameters(), model.parameters(), strict=True):
            theirs.copy_(torch.from_numpy(ours.numpy()))
    optimiser = torch.optim.SGD(network.parameters(), RATE)
    images, labels = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return float(loss.item())

    return step


def contenders() -> dict[str, Step]:
    """Those that can run here, each with weights of its own."""
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, SIZES[0]), dtype=np.float32)
    y = rng.integers(0, 10, BATCH)
    makers = {"NumPy by hand": hand_step, "tinygrad_np eager": eager_step}
    try:
        import torch  # noqa: F401

        makers["PyTorch eager"] = torch_step
    except ImportError:
        print("PyTorch is not installed, and left out.")
    return {name: make(MLP(SIZES, seed=0), x, y) for name, make in makers.items()}


def main() -> None:
    """Check that all agree, then print microseconds per step and ratios."""
    steps = contenders()
    losses = {name: [step() for _ in range(5)] for name, step in steps.items()}
    control = losses["NumPy by hand"]
    for name, found in losses.items():
        if not np.allclose(found, control, rtol=1e-4):
            raise SystemExit(f"{name} does not compute the same losses: {found} and {control}")
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            times[name].append((time.perf_counter() - start) / STEPS * 1e6)
    hand = statistics.median(times["NumPy by hand"])
    print(f"one step of {'-'.join(map(str, SIZES))}, batch {BATCH}, SGD, {THREADS} threads:")
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"  {name:<20}{middle:8.0f} µs   {middle / hand:5.2f} × by hand")


if __name__ == "__main__":
    main()
