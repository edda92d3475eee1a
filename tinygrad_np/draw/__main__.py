"""``python -m tinygrad_np.draw MODEL_OR_RECIPE --out FILE``: a picture without writing code."""

import argparse
import importlib
import itertools
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..nn import functional
from ..nn.activations import ReLU
from ..nn.layers import Linear, Sequential
from ..nn.module import Module
from .canvas import Graph
from .graph import graph
from .render import check_ending, write_or_fall_back

LARGEST = 10**8  # parameters of a network that is made only to be drawn

DESCRIPTION = """Draw the computation graph of a network.

MODEL_OR_RECIPE is the name of a recipe (models/recipes.py), layer sizes of an MLP such as
784-128-64-10, or package.module:name of a Module or of a function without arguments that makes one.
Exit code 2: the input was bad and nothing was written. Exit code 1: no program that can draw is
installed, and the DOT text was written instead."""


class InputError(ValueError):
    """What the user asked for cannot be drawn."""


class WithLoss(Module):
    """A network and the cross-entropy of its logits."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def forward(self, x: Any, labels: Any) -> Any:
        loss = functional.cross_entropy(self.model(x), labels)
        loss.name = "loss"
        return loss


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_complain(f"{message}; see python -m tinygrad_np.draw --help."))


def _complain(sentence: str) -> int:
    print(" ".join(f"draw: {sentence}".split()), file=sys.stderr)
    return 2


def main(arguments: list[str] | None = None) -> int:
    """Draw what the command line says; the exit code."""
    parser = Parser("python -m tinygrad_np.draw", description=DESCRIPTION)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("model", metavar="MODEL_OR_RECIPE")
    parser.add_argument("--out", type=Path, required=True, help="a .svg, .png, .pdf or .dot file")
    parser.add_argument(
        "--input", metavar="N,…", help="shape of the example input, as in 1,1,28,28"
    )
    parser.add_argument("--loss", action="store_true", help="draw the cross-entropy loss as well")
    given = parser.parse_args(arguments)
    try:
        _check_target(given.out)
        picture = _drawn(given.model, given.input, given.loss)
        written, complaint = write_or_fall_back(picture.source, given.out)
    except (InputError, OSError) as error:
        return _complain(str(error))
    if complaint is not None:
        print(complaint, file=sys.stderr)
        return 1
    print(f"wrote {written}")
    return 0


def _drawn(name: str, wanted: str | None, loss: bool) -> Graph:
    """The graph of the network called ``name``; what its code raises is bad input."""
    try:
        model = find(name)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} could not be made: {type(error).__name__}: {error}") from error
    shape = _input_shape(model, wanted)
    inputs: list[Any] = [np.zeros(shape, np.float32)]
    if loss:
        model = WithLoss(model)
        inputs.append(np.zeros(shape[0], np.int64))
    try:
        return graph(model, *inputs)
    except Exception as error:
        raise InputError(
            f"{name} could not run on an example of shape {shape} (--input gives another): "
            f"{type(error).__name__}: {error}"
        ) from error


def _check_target(path: Path) -> None:
    try:
        check_ending(path)
    except ValueError as error:
        raise InputError(str(error)) from None
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; create it first.")


def find(name: str) -> Module:
    """The network that a recipe's name, layer sizes or ``module:name`` stand for."""
    if re.fullmatch(r"\d+(-\d+)+", name):
        return _of_sizes([int(size) for size in name.split("-")])
    if ":" in name:
        return _of_python_name(name)
    try:
        recipes = importlib.import_module("models.recipes").RECIPES
    except ModuleNotFoundError as error:
        if error.name not in ("models", "models.recipes"):
            raise
        recipes = {}
    if name not in recipes:
        known = f"a recipe ({', '.join(recipes)})" if recipes else "a recipe (none is installed)"
        raise InputError(
            f"{name!r} is not {known}, sizes such as 784-128-10, or package.module:name."
        )
    model: Module = recipes[name].build(0)
    return model


def _of_sizes(sizes: list[int]) -> Module:
    """Linear layers with ReLU between them."""
    pairs = list(itertools.pairwise(sizes))
    if min(sizes) < 1 or sum(a * b for a, b in pairs) > LARGEST:
        raise InputError(
            f"sizes {'-'.join(map(str, sizes))}: each must be at least 1, and the network have at "
            f"most {LARGEST:,} weights."
        )
    rng = np.random.default_rng(0)
    layers: list[Module] = []
    for fan_in, fan_out in pairs:
        layers += [Linear(fan_in, fan_out, seed=rng), ReLU()]
    return Sequential(*layers[:-1])


def _of_python_name(name: str) -> Module:
    path, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{name}: {error}; give package.module:name.") from None
    model = found if isinstance(found, Module) else found()
    if not isinstance(model, Module):
        raise InputError(f"{name} gives {type(model).__name__}, not a Module.")
    return model


def _input_shape(model: Module, given: str | None) -> tuple[int, ...]:
    """The shape asked for, or one row of what the model says or its first layer takes."""
    if given is not None:
        if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", given):
            raise InputError(f"--input {given}: give sizes above 0 with commas, as in 1,1,28,28.")
        return tuple(int(size) for size in given.split(","))
    if isinstance(said := getattr(model, "input_shape", None), tuple):
        return (1, *said)
    first = next(iter(model.parameters()), None)
    if first is None or first.ndim != 2:
        raise InputError("the shape of its input cannot be told from its layers; give --input.")
    return (1, first.shape[1])


if __name__ == "__main__":
    sys.exit(main())
