"""The gradient at each layer of deep networks, before and after training.

    python benchmarks/dynamics.py                        20 layers of 64 units on MNIST
    python benchmarks/dynamics.py --plot FILE.png        and a picture

A gradient is the norm of the loss's derivative by the output of a linear layer, on 512 images; the
last column is the loss of these after so many steps of Adam (0.001, 128 images each).
"""

import argparse
import copy
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too
if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tinygrad_np import data, nn, optim, replay
from tinygrad_np.draw.figures import empty_figure
from tinygrad_np.nn.functional import cross_entropy
from tinygrad_np.run.command_line import Arguments, at_least, guarded, new_picture
from tinygrad_np.run.networks import MLP
from tinygrad_np.run.outputs import write_picture
from tinygrad_np.training.doctor.layers import look

LOOKED_AT, BATCH, RATE = 512, 128, 1e-3
COLOURS = ("#D55E00", "#CC79A7", "#E69F00", "#0072B2", "#56B4E9", "#009E73")


def doubled(*args: Any, **options: Any) -> np.ndarray:
    """He's initial weights times two."""
    return 2 * nn.init.he_uniform(*args, **options)


# name: activation, initial weights, normalisation before each activation
NETWORKS: dict[str, tuple[str, Any, str | None]] = {
    "sigmoid, Xavier": ("sigmoid", nn.init.xavier_uniform, None),
    "ReLU, Xavier": ("relu", nn.init.xavier_uniform, None),
    "ReLU, He × 2": ("relu", doubled, None),
    "ReLU, He": ("relu", nn.init.he_uniform, None),
    "ReLU, He, LayerNorm": ("relu", nn.init.he_uniform, "layer"),
    "ReLU, He, BatchNorm": ("relu", nn.init.he_uniform, "batch"),
}


@dataclass
class Course:
    """One network: gradients of its linear layers, first layer first, and losses."""

    name: str
    before: list[float]
    after: list[float]
    first_loss: float
    last_loss: float


def watched(name: str, x: np.ndarray, y: np.ndarray, depth: int, width: int, steps: int) -> Course:
    """Build, look, train, look again."""
    activation, initial, norm = NETWORKS[name]
    sizes = (x.shape[1], *[width] * (depth - 1), 10)
    model = MLP(sizes, activation, norm=norm, initial=initial, seed=0)
    some, labels = x[:LOOKED_AT], y[:LOOKED_AT]
    start = look(copy.deepcopy(model), some, labels, cross_entropy)
    optimiser = optim.Adam(model.parameters(), RATE)

    @replay
    def step(x: Any, y: Any) -> Any:
        optimiser.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        return loss

    done = 0
    with np.errstate(all="ignore"):  # what explodes is to be seen
        while done < steps:
            for batch in data.batches(x, y, batch_size=BATCH, seed=done):
                if len(batch[1]) == BATCH and done < steps:
                    step(*batch)
                    done += 1
        end = look(copy.deepcopy(model), some, labels, cross_entropy)
    before, after = ([norm for _, norm in seen.depth_profile] for seen in (start, end))
    return Course(name, before, after, start.loss, end.loss)


def table(courses: Sequence[Course], steps: int) -> str:
    """One line for each network."""
    depth = len(courses[0].before)
    places = sorted({1, *(-(-depth * i // 4) for i in range(1, 5))})
    head = f"{'network':<21}" + "".join(f"{f'layer {i}':>11}" for i in places)
    head += f"{'first / last':>14}{'loss':>9}{f'after {steps}':>12}"
    lines = [head, "-" * len(head)]
    for course in courses:
        norms = "".join(f"{course.before[i - 1]:>11.1e}" for i in places)
        ratio = course.before[0] / course.before[-1]
        lines.append(
            f"{course.name:<21}{norms}{ratio:>14.1e}{course.first_loss:>9.3g}"
            f"{course.last_loss:>12.3g}"
        )
    return "\n".join(lines)


def picture(courses: Sequence[Course], steps: int) -> Any:
    """Gradients by depth, before and after."""
    figure = empty_figure(11, 4.5)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, when in ((left, "before"), (right, "after")):
        for course, colour in zip(courses, COLOURS, strict=True):
            norms = np.array(getattr(course, when))
            norms[~(norms > 0)] = np.nan
            places = np.arange(1, len(norms) + 1)
            axes.plot(places, norms, marker=".", color=colour, label=course.name)
        title = "before training" if when == "before" else f"after {steps} steps of Adam"
        axes.set(title=title, xlabel="linear layer", yscale="log")
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
    left.set_ylabel("norm of the gradient by the layer's output")
    right.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__)
    parser.add_argument("--depth", type=int, default=20, help="linear layers")
    parser.add_argument("--width", type=int, default=64, help="units of each")
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--plot", type=new_picture, help="write a picture to this PNG file")
    given = parser.parse_args(arguments)
    at_least(given, depth=2, width=1, steps=1)
    return given


def work(given: argparse.Namespace) -> int:
    """Measure, print, draw."""
    (images, labels), _ = data.mnist()
    x = data.normalise(images).reshape(len(images), -1)
    courses = [
        watched(name, x, labels.astype(np.int64), given.depth, given.width, given.steps)
        for name in NETWORKS
    ]
    print(table(courses, given.steps))
    if given.plot is not None:
        write_picture(given.plot, picture(courses, given.steps))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, or 2 with one line on stderr for bad input."""
    return guarded("dynamics.py", lambda: work(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
