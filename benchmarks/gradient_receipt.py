"""The gradient receipt with a third number: ``python -m tinygrad_np check``, and pencil and paper.

    python benchmarks/gradient_receipt.py                     the default recipe's network
    python benchmarks/gradient_receipt.py --recipe ref-3      a reference project's

For every parameter of an MLP: the formula used by hand, how far autodiff is from what it gives, and
how far from the complex step.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from models.by_hand import BY_HAND, FORMULAS
from models.by_hand_regularised import NORM_FORMULAS, regularised
from tinygrad_np import DataError
from tinygrad_np.run import receipt
from tinygrad_np.run.recipes import Recipe


def by_hand(
    recipe: Recipe, parameters: list[np.ndarray], x: np.ndarray, y: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """The pencil-and-paper gradient of each parameter of a recipe's network, and its formula."""
    if recipe.network is not None:
        raise DataError(
            f"recipe {recipe.name} is not an MLP, and there are gradients by hand for those; leave "
            "them out with python -m tinygrad_np check, or see models/by_hand_cnn.py."
        )
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 if a number differs, or 2 with one line on stderr for bad input."""
    return receipt.main(arguments, "python benchmarks/gradient_receipt.py", by_hand)


if __name__ == "__main__":
    sys.exit(main())
