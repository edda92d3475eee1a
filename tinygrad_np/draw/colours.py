"""What a graph's operations are filled by: what they cost, or the gradient that arrives."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..markup import number
from ..recording.equations import Equation
from ..recording.tables import timed
from ..recording.text import row_of
from .fitting import Picture
from .trace import Trace

COLOURS = (None, "bytes", "time", "gradient")
PALE, DARK = (253, 232, 220), (240, 138, 93)
UNITS = {"bytes": " B", "time": " µs", "gradient": ""}
UNFILLED = {"gradient": {"#ffffff": "no gradient of its own"}}
APART = 0.1  # of all levels: what differs by more is not one node, if there is room


class Colouring:
    """What the operations of a graph are filled by."""

    def __init__(self, traced: Trace, colour: str) -> None:
        self.traced, self.colour = traced, colour
        equations = list(dict.fromkeys(i.equation for i in traced.items if i.equation))
        self.weights = _weights(equations, colour)
        self.inside: dict[int, set[Equation]] = {}
        for item in traced.items:
            if item.equation is not None:
                for box in traced.around(item.box):
                    self.inside.setdefault(box, set()).add(item.equation)

    def spreads(self) -> dict[int, float]:
        """How far the levels of what lies in each box are apart, where that is seen."""
        levels = _levels(self.weights, self.colour == "gradient")
        found = {}
        for box, equations in self.inside.items():
            some = [levels[equation] for equation in equations if equation in levels]
            if some and max(some) - min(some) > APART:
                found[box] = max(some) - min(some)
        return found

    def fills(self, picture: Picture) -> tuple[dict[int, str], dict[str, str]]:
        """The colour of each node that has one, by its position, and what colours say."""
        found: dict[int, float] = {}
        for i, node in enumerate(picture.nodes):
            one = {node.item.equation} if node.kind == "operation" else set()
            members = self.inside.get(node.module, set()) if node.kind == "module" else one
            each = [self.weights[equation] for equation in members if equation in self.weights]
            if each:
                found[i] = max(each) if self.colour == "gradient" else sum(each)
        least, most = (f(found.values(), default=0.0) for f in (min, max))
        if self.colour != "gradient":
            least = 0.0
        ends = {
            _hex(0.0): f"palest {self._shown(least)}",
            _hex(1.0): f"darkest {self._shown(most)}",
        }
        levels = _levels(found, self.colour == "gradient")
        filled = {i: _hex(level) for i, level in levels.items()}
        return filled, ends | UNFILLED.get(self.colour, {})

    def _shown(self, weight: float) -> str:
        return (f"{weight:,.0f}" if self.colour == "bytes" else number(weight)) + UNITS[self.colour]


def _weights(equations: Sequence[Equation], colour: str) -> dict[Any, float]:
    if colour == "bytes":
        return {equation: float(row_of(0, equation).nbytes) for equation in equations}
    if colour == "time":
        return {equation: 1e6 * seconds for equation, seconds in timed(equations, 5).items()}
    arrived = {e: e.cotangent.array for e in equations if e.cotangent is not None}
    if not arrived:
        raise ValueError(
            'colour="gradient" of a recording without a backward pass; trace with backward=True.'
        )
    with np.errstate(all="ignore"):
        sizes = {e: float(np.sqrt(np.mean(np.square(np.abs(g))))) for e, g in arrived.items()}
    return {equation: size for equation, size in sizes.items() if np.isfinite(size)}


def _levels(weights: Mapping[Any, float], by_magnitude: bool) -> dict[Any, float]:
    """Numbers from 0 to 1: shares of the greatest, or of the orders of magnitude between."""
    if by_magnitude:
        some = {i: float(np.log10(w)) for i, w in weights.items() if w > 0}
        low, high = min(some.values(), default=0.0), max(some.values(), default=0.0)
        low = min(low, high - 1)  # less than one order of magnitude is little
        return dict.fromkeys(weights, 0.0) | {i: (w - low) / (high - low) for i, w in some.items()}
    most = max(weights.values(), default=0.0) or 1.0
    return {i: w / most for i, w in weights.items()}


def _hex(level: float) -> str:
    mixed = [round(a + (b - a) * level) for a, b in zip(PALE, DARK, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
