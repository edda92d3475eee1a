"""The gradient receipt: autodiff, pencil and paper, and complex step, side by side.

    python benchmarks/gradient_receipt.py                     the default recipe's network
    python benchmarks/gradient_receipt.py --recipe ref-3      a reference project's

For every parameter of a network, in float64, on real MNIST images: the formula used by hand, how
far autodiff is from it, and how far it is from the complex step (Squire & Trapp 1998), the limit
of finite differences that needs no step size: Im f(θ + ih) / h with h = 1e-30.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # runs from a bare clone too

from models.by_hand import BY_HAND, FORMULAS
from models.by_hand_regularised import NORM_FORMULAS, regularised
from models.command_line import Arguments, guarded, make_folder
from models.mlp import MLP
from models.recipes import DEFAULT, RECIPES, Recipe
from tinygrad_np import DataError, Tensor, data, nn, no_grad
from tinygrad_np.data.files import replacing

STEP = 1e-30
HAND_TOLERANCE = 1e-12
STEP_TOLERANCE = 1e-7


@dataclass
class Row:
    """One parameter's line on the receipt; errors relative to the largest entry of the gradient."""

    name: str
    shape: tuple[int, ...]
    norm: float
    formula: str
    by_hand: float
    by_step: float

    @property
    def agrees(self) -> bool:
        """Whether all three numbers are the same."""
        return self.by_hand <= HAND_TOLERANCE and self.by_step <= STEP_TOLERANCE


def receipt(recipe: Recipe, images: int = 32, elements: int = 24, seed: int = 0) -> list[Row]:
    """One row for each parameter of a recipe's network, on ``images`` training images.

    The complex step is taken for ``elements`` entries (the largest ones and random ones) and along
    three random directions, to which every entry contributes.
    """
    rng = np.random.default_rng(seed)
    recipe = replace(
        recipe, dropout=0.0, input_dropout=0.0
    )  # what is drawn cannot be stepped along
    model = recipe.build(rng, dtype=np.float64)
    assert isinstance(model, MLP)
    for _, parameter in model.named_parameters():
        if parameter.ndim == 1:  # biases start at 0, where an error could hide
            parameter.data = rng.standard_normal(parameter.shape) * 0.1
    (x, y), _ = data.mnist()
    x = data.normalise(x[:images], dtype=np.float64).reshape(images, -1)
    y = y[:images]
    nn.functional.cross_entropy(model(Tensor(x)), y).backward()
    values = [p.numpy() for p in model.parameters()]
    if recipe.norm:
        _, hand = regularised(values, x, y, norm=recipe.norm)
    else:
        _, hand = BY_HAND[recipe.by_hand](values, x, y)
    # a bias in front of batch normalisation has gradient 0: no scale for what is left by rounding
    floor = 1e-2 * max(float(np.abs(gradient).max()) for gradient in hand)
    rows = []
    names = [name for name, _ in model.named_parameters()]
    for k, name in enumerate(names):
        gradient = model.parameters()[k].grad
        assert gradient is not None
        ours = gradient.numpy()
        scale = max(float(np.abs(hand[k]).max()), floor) or 1.0
        rows.append(
            Row(
                name,
                ours.shape,
                float(np.linalg.norm(ours)),
                formula(recipe, k, len(names)),
                float(np.abs(ours - hand[k]).max()) / scale,
                _step_error(model, k, ours, x, y, elements, rng) / scale,
            )
        )
    return rows


def formula(recipe: Recipe, k: int, count: int) -> str:
    """What ``models.by_hand`` computes for parameter ``k`` of ``count``."""
    layer = "output" if k >= count - 2 else "hidden"
    if recipe.norm and layer == "hidden":
        return NORM_FORMULAS[k % 4]
    return FORMULAS[recipe.by_hand][f"{layer} {'bias' if k % 2 else 'weight'}"]


def _step_error(
    model: MLP,
    k: int,
    ours: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    elements: int,
    rng: np.random.Generator,
) -> float:
    """The largest difference between autodiff and the complex step for one parameter."""
    flat = np.abs(ours).ravel()
    largest = np.argsort(flat)[-elements // 2 :]
    places = np.unique(np.concatenate([largest, rng.integers(0, flat.size, elements // 2)]))
    errors = []
    for place in places:
        unit = np.zeros(flat.size)
        unit[place] = 1.0
        step = _complex_step(model, k, unit.reshape(ours.shape), x, y)
        errors.append(step - float(ours.ravel()[place]))
    for _ in range(3):
        direction = rng.standard_normal(ours.shape) / np.sqrt(ours.size)
        step = _complex_step(model, k, direction, x, y)
        errors.append(step - float(np.sum(ours * direction)))
    return float(np.abs(errors).max())


def _complex_step(model: MLP, k: int, direction: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """The derivative of the loss along a direction of one parameter, from forward passes alone."""
    shifted = MLP.__new__(MLP)
    shifted.layers = nn.Sequential(*_complex_layers(model, k, direction))
    with no_grad():
        loss = nn.functional.cross_entropy(shifted(Tensor(x)), y)
    return float(loss.numpy().imag) / STEP


def _complex_layers(model: MLP, k: int, direction: np.ndarray) -> list[nn.Module]:
    layers: list[nn.Module] = []
    position = 0
    for layer in model.layers:
        if isinstance(layer, (nn.Linear, nn.BatchNorm1d, nn.LayerNorm)):
            assert layer.weight is not None and layer.bias is not None
            pair = [p.numpy().astype(np.complex128) for p in (layer.weight, layer.bias)]
            if k in (position, position + 1):
                pair[k - position] += 1j * STEP * direction
            copied = type(layer).__new__(type(layer))
            vars(copied).update(vars(layer), weight=Tensor(pair[0]), bias=Tensor(pair[1]))
            if isinstance(copied, nn.BatchNorm1d):
                vars(copied).update(running_mean=None, running_var=None)
            layer = copied
            position += 2
        layers.append(layer)
    return layers


def markdown(recipe: Recipe, rows: list[Row]) -> str:
    """The receipt as a Markdown table."""
    lines = [
        f"# Gradient receipt: {recipe.name}, {'-'.join(map(str, recipe.sizes))}",
        "",
        "| parameter | shape | norm | by hand | autodiff − by hand | autodiff − complex step | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {'×'.join(map(str, row.shape))} | {row.norm:.4g} | {row.formula} | "
            f"{row.by_hand:.1e} | {row.by_step:.1e} | {'agrees' if row.agrees else 'DIFFERS'} |"
        )
    lines += ["", "Differences are relative to the largest entry of the gradient; float64."]
    return "\n".join(lines) + "\n"


def text(recipe: Recipe, rows: list[Row]) -> str:
    """The receipt as a terminal shows it."""
    wide = max(len(row.formula) for row in rows)
    lines = [
        f"{recipe.name}: {'-'.join(map(str, recipe.sizes))} {recipe.activation}, float64",
        f"{'parameter':<18}{'shape':>12}{'norm':>11}  {'by hand':<{wide}}"
        f"{'− by hand':>12}{'− cx. step':>12}  verdict",
    ]
    for row in rows:
        lines.append(
            f"{row.name:<18}{'×'.join(map(str, row.shape)):>12}{row.norm:>11.4g}  "
            f"{row.formula:<{wide}}{row.by_hand:>12.1e}{row.by_step:>12.1e}  "
            f"{'agrees' if row.agrees else 'DIFFERS'}"
        )
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default=DEFAULT, help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--out", type=Path, help="the Markdown file (runs/receipt-RECIPE.md)")
    given = parser.parse_args(arguments)
    if given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}.")
    if RECIPES[given.recipe].network is not None:
        raise DataError(
            f"recipe {given.recipe} is not an MLP, and the receipt is for those; for convolutions "
            "models/by_hand_cnn.py has the gradients by hand."
        )
    return given


def print_receipt(given: argparse.Namespace) -> int:
    """Print a receipt and write it as Markdown; 1 if a number differs."""
    recipe = RECIPES[given.recipe]
    target = given.out or Path("runs") / f"receipt-{recipe.name}.md"
    make_folder("--out", target.parent)
    rows = receipt(recipe)
    print(text(recipe, rows))
    with replacing(target) as file:
        file.write(markdown(recipe, rows).encode())
    print(f"written to {target}")
    return 0 if all(row.agrees for row in rows) else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 if a number differs, or 2 with one line on stderr for bad input."""
    return guarded("gradient_receipt.py", lambda: print_receipt(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
