"""``python -m tinygrad_np draw MODEL_OR_RECIPE --out FILE``: a picture without writing code."""

import argparse
import importlib
import itertools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from ..draw.canvas import Graph
from ..draw.graph import graph
from ..draw.render import RenderError, check_ending, write
from ..errors import DataError
from ..nn import functional
from ..nn.layers import Embedding
from ..nn.module import Module
from .command_line import Arguments, guarded, new_file
from .networks import MLP
from .recipes import RECIPES

LARGEST = 10**8  # parameters of a network that is made only to be drawn
PROGRAM = "python -m tinygrad_np draw"

DESCRIPTION = """Draw the computation graph of a network.

MODEL_OR_RECIPE is the name of a recipe, layer sizes of an MLP such as 784-128-64-10, or
my.module:name of a Module, or of a class or function without arguments that makes one; my.module is
looked for in the working directory too. The shape of its input is the module's own
``input_shape`` after a batch of 1, what its first layer takes, or --shape; its dtype is what the
module runs on, float32 or int64.
Exit code 2: the input was bad, or no program that can draw is installed, and nothing was written.
A .dot file needs no such program."""


class WithLoss(Module):
    """A network and the cross-entropy of its logits."""

    def __init__(self, model: Module) -> None:
        self.model = model

    def forward(self, x: Any, labels: Any) -> Any:
        loss = functional.cross_entropy(self.model(x), labels)
        loss.name = "loss"
        return loss


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("draw", lambda: _draw(parse(arguments)))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Arguments(PROGRAM, description=DESCRIPTION)
    parser.add_argument("model", metavar="MODEL_OR_RECIPE")
    parser.add_argument("--out", type=new_file, required=True, help="a .svg, .png, .pdf, .dot file")
    parser.add_argument(
        "--shape", "--input", metavar="N,…", action="append",
        help="shape of the example input, as in 1,1,28,28; once for each input",
    )  # fmt: skip
    parser.add_argument("--loss", action="store_true", help="draw the cross-entropy loss as well")
    return parser.parse_args(arguments)


def _draw(given: argparse.Namespace) -> int:
    check_ending(given.out)
    picture = _drawn(given.model, given.shape, given.loss)
    try:
        write(picture.source, given.out)
    except RenderError as error:
        raise DataError(f"{given.out} was not written: {error} A .dot file needs none.") from error
    print(f"wrote {given.out}")
    return 0


def _drawn(name: str, wanted: list[str] | None, loss: bool) -> Graph:
    """The graph of the network called ``name``; what its code raises is bad input."""
    try:
        model = find(name)
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{name} could not be made: {type(error).__name__}: {error}") from error
    shapes = [_input_shape(model)] if wanted is None else [_shape(text) for text in wanted]
    labels: list[Any] = []
    if loss:
        if len(shapes) > 1:
            raise DataError("--loss is for networks of one input; give --shape once.")
        model = WithLoss(model)
        labels.append(np.zeros(shapes[0][0], np.int64))
    problem: Exception | None = None
    for dtypes in _dtypes(model, len(shapes)):
        inputs: list[Any] = [
            np.zeros(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)
        ]
        try:
            return graph(model, *inputs, *labels)
        except Exception as error:
            problem = problem or error
    raise DataError(
        f"{name} could not run on an example of shape {', '.join(map(str, shapes))} (--shape "
        f"gives another): {type(problem).__name__}: {problem}"
    ) from problem


def _dtypes(model: Module, count: int) -> Iterator[tuple[type, ...]]:
    """The dtypes that its inputs may have, likely ones first: an Embedding takes integers."""
    is_embedded = count == 1 and _first_is_embedding(model)
    likely = (np.int64, np.float32) if is_embedded else (np.float32, np.int64)
    return itertools.product(likely, repeat=count)


def _first_is_embedding(model: Module) -> bool:
    """Whether the first of its layers that has parameters is one."""
    for _, module in model.named_modules():
        if any(isinstance(value, Tensor) for value in vars(module).values()):
            return isinstance(module, Embedding)
    return False


def find(name: str) -> Module:
    """The network that a recipe's name, layer sizes or ``module:name`` stand for."""
    if re.fullmatch(r"\d+(-\d+)+", name):
        return _of_sizes([int(size) for size in name.split("-")])
    if ":" in name:
        return _of_python_name(name)
    if name not in RECIPES:
        raise DataError(
            f"{name!r} is not a recipe ({', '.join(RECIPES)}), sizes such as 784-128-10, or "
            "my.module:name."
        )
    return RECIPES[name].build(0)


def _of_sizes(sizes: list[int]) -> Module:
    if min(sizes) < 1 or sum(a * b for a, b in itertools.pairwise(sizes)) > LARGEST:
        raise DataError(
            f"sizes {'-'.join(map(str, sizes))}: each must be at least 1, and the network have at "
            f"most {LARGEST:,} weights."
        )
    return MLP(sizes, seed=0)


def _of_python_name(name: str) -> Module:
    path, _, attribute = name.partition(":")
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where ``python -m`` looks, and a console script does not
    try:
        found = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"{name}: {error}; give my.module:name.") from None
    model = found if isinstance(found, Module) else found()
    if not isinstance(model, Module):
        raise DataError(f"{name} returns {type(model).__name__}, not a Module.")
    return model


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise DataError(f"--shape {text}: give sizes above 0 with commas, as in 1,1,28,28.")
    return tuple(int(size) for size in text.split(","))


def _input_shape(model: Module) -> tuple[int, ...]:
    """One row of what the model says or its first layer takes."""
    if isinstance(said := getattr(model, "input_shape", None), tuple):
        return (1, *said)
    if _first_is_embedding(model):
        return (1, 1)
    first = next(iter(model.parameters()), None)
    if first is None or first.ndim != 2:
        raise DataError("the shape of its input cannot be told from its layers; give --shape.")
    return (1, first.shape[1])
