"""The gradient receipt: every derivative of a recipe's network, in two other ways.

On real MNIST images, in float64: each rule as a formula, and autodiff beside finite differences and
the complex step, for each equation and for the loss by each parameter (``tg.receipt``).
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..recording import Receipt
from ..recording import receipt as receipt_of
from ..recording.receipt import SUFFIXES
from .command_line import Arguments, guarded, new_file
from .recipes import DEFAULT, RECIPES, Recipe

PROGRAM = "python -m tinygrad_np check"


def example(
    recipe: Recipe, images: int = 32, seed: int = 0
) -> tuple[Module, np.ndarray, np.ndarray]:
    """A recipe's network in float64, without dropout, with images and labels to train on."""
    rng = np.random.default_rng(seed)
    model = replace(recipe, dropout=0.0, input_dropout=0.0).build(rng, dtype=np.float64)
    for parameter in model.parameters():
        if parameter.ndim == 1:  # biases start at 0, where an error could hide
            parameter.data = rng.standard_normal(parameter.shape) * 0.1
    (x, y), _ = data.mnist()
    return model, data.normalise(x[:images], dtype=np.float64).reshape(images, -1), y[:images]


def receipt(model: Module, x: np.ndarray, y: np.ndarray) -> Receipt:
    """The receipt of a network's loss by its parameters."""

    def loss(labels: np.ndarray) -> Any:
        return cross_entropy(model(Tensor(x)), labels)

    return receipt_of(loss, y)


def parse(arguments: Sequence[str] | None, program: str = PROGRAM) -> argparse.Namespace:
    parser = Arguments(program, description=__doc__)
    parser.add_argument("--recipe", default=DEFAULT, help=f"one of {', '.join(RECIPES)}")
    parser.add_argument(
        "--out", type=new_file, help="a .html, .md or .txt file (runs/receipt-RECIPE.html)"
    )
    given = parser.parse_args(arguments)
    if given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}.")
    given.out = given.out or Path("runs") / f"receipt-{given.recipe}.html"
    if given.out.suffix.lower() not in SUFFIXES:
        raise DataError(f"--out {given.out}: name a file that ends in {', '.join(SUFFIXES)}.")
    return given


def show(made: Receipt, target: Path) -> bool:
    """Print a receipt and write it; whether it agrees."""
    print(made)
    target.parent.mkdir(parents=True, exist_ok=True)
    made.save(target)
    print(f"{', '.join(made.summary())}; written to {target}")
    return made.agrees


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 if a number differs, or 2 with one line on stderr for bad input."""

    def run() -> int:
        given = parse(arguments)
        return 0 if show(receipt(*example(RECIPES[given.recipe])), given.out) else 1

    return guarded("check", run)
