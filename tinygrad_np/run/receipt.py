"""The gradient receipt: for every parameter of a network, autodiff beside other ways to the number.

In float64, on real MNIST images: how far autodiff is from the complex step (Squire & Trapp 1998),
the limit of finite differences that needs no step size: Im f(θ + ih) / h with h = 1e-30. Where
there are formulas from pencil and paper for the network, also those, and how far autodiff is from
what they give.
"""

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .. import data
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import DataError
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..nn.normalisation import BatchNorm1d
from .command_line import Arguments, guarded, new_file
from .outputs import write
from .recipes import DEFAULT, RECIPES, Recipe

STEP = 1e-30
HAND_TOLERANCE = 1e-12
STEP_TOLERANCE = 1e-7
PROGRAM = "python -m tinygrad_np check"

# the gradients by hand and their formulas, from (recipe, parameters, images, labels)
Twin = Callable[
    [Recipe, list[np.ndarray], np.ndarray, np.ndarray], tuple[list[np.ndarray], list[str]]
]


@dataclass
class Row:
    """One parameter's line on the receipt; errors relative to the largest entry of the gradient.

    Without a gradient by hand, ``formula`` is empty and ``by_hand`` 0.
    """

    name: str
    shape: tuple[int, ...]
    norm: float
    formula: str
    by_hand: float
    by_step: float

    @property
    def agrees(self) -> bool:
        """Whether all numbers are the same."""
        return self.by_hand <= HAND_TOLERANCE and self.by_step <= STEP_TOLERANCE


def receipt(
    recipe: Recipe, twin: Twin | None = None, images: int = 32, elements: int = 24, seed: int = 0
) -> list[Row]:
    """One row for each parameter of a recipe's network, on ``images`` training images.

    The complex step is taken for ``elements`` entries (the largest ones and random ones) and along
    three random directions, to which every entry contributes.
    """
    rng = np.random.default_rng(seed)
    recipe = replace(
        recipe, dropout=0.0, input_dropout=0.0
    )  # what is drawn cannot be stepped along
    model = recipe.build(rng, dtype=np.float64)
    for parameter in model.parameters():
        if parameter.ndim == 1:  # biases start at 0, where an error could hide
            parameter.data = rng.standard_normal(parameter.shape) * 0.1
    (x, y), _ = data.mnist()
    x = data.normalise(x[:images], dtype=np.float64).reshape(images, -1)
    y = y[:images]
    values = [parameter.numpy() for parameter in model.parameters()]
    hand, formulas = twin(recipe, values, x, y) if twin else (None, [""] * len(values))
    cross_entropy(model(Tensor(x)), y).backward()
    ours = [p.grad.numpy() for p in model.parameters() if p.grad is not None]
    # a bias in front of batch normalisation has gradient 0: no scale for what is left by rounding
    floor = 1e-2 * max(float(np.abs(gradient).max()) for gradient in ours)
    step = ComplexStep(model, x, y)
    rows = []
    for k, (name, _) in enumerate(model.named_parameters()):
        scale = max(float(np.abs(ours[k]).max()), floor) or 1.0
        rows.append(
            Row(
                name,
                ours[k].shape,
                float(np.linalg.norm(ours[k])),
                formulas[k],
                float(np.abs(ours[k] - hand[k]).max()) / scale if hand else 0.0,
                step.error(k, ours[k], elements, rng) / scale,
            )
        )
    return rows


class ComplexStep:
    """Derivatives of a network's loss from forward passes alone, on a complex copy of it."""

    def __init__(self, model: Module, x: np.ndarray, y: np.ndarray) -> None:
        self.model, self.x, self.y = copy.deepcopy(model), Tensor(x), y
        self.parameters: list[Tensor] = []
        for _, module in self.model.named_modules():
            if isinstance(module, BatchNorm1d):
                vars(module).update(running_mean=None, running_var=None)
            for name, value in list(vars(module).items()):
                if isinstance(value, Tensor) and value.requires_grad:
                    self.parameters.append(Tensor(value.numpy().astype(np.complex128)))
                    setattr(module, name, self.parameters[-1])

    def along(self, k: int, direction: np.ndarray) -> float:
        """The derivative along a direction of parameter ``k``."""
        parameter = self.parameters[k]
        with no_grad():
            parameter[...] = parameter.real + 1j * STEP * direction
            loss = cross_entropy(self.model(self.x), self.y)
            parameter[...] = parameter.real
        return float(loss.numpy().imag) / STEP

    def error(self, k: int, ours: np.ndarray, elements: int, rng: np.random.Generator) -> float:
        """The largest difference to autodiff's gradient ``ours`` of parameter ``k``."""
        flat = np.abs(ours).ravel()
        largest = np.argsort(flat)[-elements // 2 :]
        places = np.unique(np.concatenate([largest, rng.integers(0, flat.size, elements // 2)]))
        errors = []
        for place in places:
            unit = np.zeros(flat.size)
            unit[place] = 1.0
            errors.append(self.along(k, unit.reshape(ours.shape)) - float(ours.ravel()[place]))
        for _ in range(3):
            direction = rng.standard_normal(ours.shape) / np.sqrt(ours.size)
            errors.append(self.along(k, direction) - float(np.sum(ours * direction)))
        return float(np.abs(errors).max())


def _table(rows: list[Row]) -> list[list[str]]:
    """The head and the rows as text; without gradients by hand, without their columns."""
    head = ["parameter", "shape", "norm", "by hand", "− by hand", "− cx. step", "verdict"]
    table = [head] + [
        [
            row.name,
            "×".join(map(str, row.shape)),
            f"{row.norm:.4g}",
            row.formula,
            f"{row.by_hand:.1e}",
            f"{row.by_step:.1e}",
            "agrees" if row.agrees else "DIFFERS",
        ]
        for row in rows
    ]
    if not any(row.formula for row in rows):
        table = [[*line[:3], *line[5:]] for line in table]
    return table


def markdown(recipe: Recipe, rows: list[Row]) -> str:
    """The receipt as a Markdown table."""
    head, *lines = _table(rows)
    return "\n".join([
        f"# Gradient receipt: {recipe.name}, {'-'.join(map(str, recipe.sizes))}",
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(line)} |" for line in lines),
        "",
        "“−”: autodiff minus that, relative to the largest entry of the gradient; float64.",
    ]) + "\n"  # fmt: skip


def text(recipe: Recipe, rows: list[Row]) -> str:
    """The receipt as a terminal shows it: numbers to the right, words to the left."""
    table = _table(rows)
    words = ("parameter", "by hand", "verdict")
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [f"{recipe.name}: {'-'.join(map(str, recipe.sizes))} {recipe.activation}, float64"]
    for line in table:
        cells = [
            cell.ljust(width) if name in words else cell.rjust(width)
            for name, cell, width in zip(table[0], line, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def parse(arguments: Sequence[str] | None, program: str = PROGRAM) -> argparse.Namespace:
    """The command line."""
    parser = Arguments(program, description=__doc__)
    parser.add_argument("--recipe", default=DEFAULT, help=f"one of {', '.join(RECIPES)}")
    parser.add_argument("--out", type=new_file, help="the Markdown file (runs/receipt-RECIPE.md)")
    given = parser.parse_args(arguments)
    if given.recipe not in RECIPES:
        raise DataError(f"there is no recipe {given.recipe!r}; known: {', '.join(RECIPES)}.")
    return given


def print_receipt(given: argparse.Namespace, twin: Twin | None) -> int:
    """Print a receipt and write it as Markdown; 1 if a number differs."""
    recipe = RECIPES[given.recipe]
    target = given.out or Path("runs") / f"receipt-{recipe.name}.md"
    rows = receipt(recipe, twin)
    print(text(recipe, rows))
    write(target, markdown(recipe, rows).encode())
    print(f"written to {target}")
    return 0 if all(row.agrees for row in rows) else 1


def main(
    arguments: Sequence[str] | None = None, program: str = PROGRAM, twin: Twin | None = None
) -> int:
    """The exit code: 0, 1 if a number differs, or 2 with one line on stderr for bad input."""
    name = Path(program.split()[-1]).name
    return guarded(name, lambda: print_receipt(parse(arguments, program), twin))
