"""What a graph's operations are filled by: what they cost, or the gradient that arrives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..markup import number
from ..recording.equations import Equation
from ..recording.tables import timed
from ..recording.text import row_of
from .fitting import Picture
from .trace import Trace

COLOURS = (None, "bytes", "time", "gradient")
PALE, DARK = (255, 255, 255), (240, 138, 93)
UNITS = {"bytes": "B", "time": "µs", "gradient": "(root mean square)"}


def fills(traced: Trace, picture: Picture, colour: str) -> tuple[dict[int, str], str]:
    """The colour of each node that has one, by its position, and what to say of the darkest."""
    weights = _weights(list(dict.fromkeys(i.equation for i in traced.items if i.equation)), colour)
    inside: dict[int, set[Equation]] = {}
    for item in traced.items:
        if item.equation is not None:
            for box in traced.around(item.box):
                inside.setdefault(box, set()).add(item.equation)
    found: dict[int, float] = {}
    for i, node in enumerate(picture.nodes):
        one = {node.item.equation} if node.kind == "operation" else set()
        members = inside.get(node.module, set()) if node.kind == "module" else one
        each = [weights[equation] for equation in members if equation in weights]
        if each:
            found[i] = max(each) if colour == "gradient" else sum(each)
    most = max(found.values(), default=0.0)
    shown = f"{most:,.0f}" if colour == "bytes" else number(most)
    said = f"filled by {colour}, the darkest is {shown} {UNITS[colour]}"
    return {i: _colour(level) for i, level in _levels(found, colour == "gradient").items()}, said


def _weights(equations: Sequence[Equation], colour: str) -> dict[Any, float]:
    """What each equation weighs."""
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


def _levels(weights: dict[int, float], by_magnitude: bool) -> dict[int, float]:
    """Numbers from 0 to 1: shares of the greatest, or of the orders of magnitude between."""
    if by_magnitude:
        some = {i: float(np.log10(w)) for i, w in weights.items() if w > 0}
        low, high = min(some.values(), default=0.0) - 1, max(some.values(), default=0.0)
        return {i: (w - low) / (high - low) for i, w in some.items()}
    most = max(weights.values(), default=0.0) or 1.0
    return {i: w / most for i, w in weights.items()}


def _colour(level: float) -> str:
    mixed = [round(a + (b - a) * level) for a, b in zip(PALE, DARK, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)
