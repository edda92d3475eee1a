"""The gradient receipt with a fourth number: ``python -m tinygrad_np check``, and pencil and paper.

    python benchmarks/gradient_receipt.py                     the default recipe's network
    python benchmarks/gradient_receipt.py --recipe ref-3      a reference project's

Below the receipt, for every parameter of an MLP: the formula used by hand, and how far autodiff is
from what it gives.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from models.by_hand import BY_HAND, FORMULAS
from models.by_hand_regularised import NORM_FORMULAS, regularised
from tinygrad_np import DataError, Receipt
from tinygrad_np.nn import Module
from tinygrad_np.run import receipt
from tinygrad_np.run.command_line import guarded
from tinygrad_np.run.recipes import RECIPES, Recipe

PROGRAM = "python benchmarks/gradient_receipt.py"
TOLERANCE = 1e-12


def by_hand(
    recipe: Recipe, parameters: list[np.ndarray], x: np.ndarray, y: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """The pencil-and-paper gradient of each parameter of a recipe's network, and its formula."""
    if recipe.norm:
        _, gradients = regularised(parameters, x, y, norm=recipe.norm)
    else:
        _, gradients = BY_HAND[recipe.by_hand](parameters, x, y)
    return gradients, [formula(recipe, k, len(parameters)) for k in range(len(parameters))]


def formula(recipe: Recipe, k: int, count: int) -> str:
    """What ``models.by_hand`` computes for parameter ``k`` of ``count``."""
    layer = "output" if k >= count - 2 else "hidden"
    if recipe.norm and layer == "hidden":
        return NORM_FORMULAS[k % 4]
    return FORMULAS[recipe.by_hand][f"{layer} {'bias' if k % 2 else 'weight'}"]


def compared(
    recipe: Recipe, made: Receipt, model: Module, x: np.ndarray, y: np.ndarray
) -> list[tuple[str, str, float]]:
    """Each parameter, its formula, and autodiff minus it, relative to the largest entry."""
    names = [name for name, _ in model.named_parameters()]
    hand, formulas = by_hand(recipe, [p.numpy() for p in model.parameters()], x, y)
    ours = [made.gradients[name] for name in names]
    # a bias in front of batch normalisation has gradient 0: no scale for what is left by rounding
    floor = 1e-2 * max(float(np.abs(gradient).max()) for gradient in ours)
    apart = [
        float(np.abs(a - b).max()) / max(float(np.abs(a).max()), floor)
        for a, b in zip(ours, hand, strict=True)
    ]
    return list(zip(names, formulas, apart, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 if a number differs, or 2 with one line on stderr for bad input."""

    def run() -> int:
        given = receipt.parse(arguments, PROGRAM)
        recipe = RECIPES[given.recipe]
        if recipe.network is not None:
            raise DataError(
                f"recipe {recipe.name} is not an MLP, and there are gradients by hand for those; "
                "leave them out with python -m tinygrad_np check, or see models/by_hand_cnn.py."
            )
        model, x, y = receipt.example(recipe)
        made = receipt.receipt(model, x, y)
        agrees = receipt.show(made, given.out)
        print("by hand:")
        for name, text, apart in compared(recipe, made, model, x, y):
            verdict = "agrees" if apart <= TOLERANCE else "DIFFERS"
            agrees = agrees and apart <= TOLERANCE
            print(f"  {name:<20}  {text:<75}  {apart:8.1e}  {verdict}")
        return 0 if agrees else 1

    return guarded("gradient_receipt.py", run)


if __name__ == "__main__":
    sys.exit(main())
