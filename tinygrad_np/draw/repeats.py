"""What repeats is drawn once: equal blocks one after the other, the steps of an unrolled loop."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import labels
from .trace import Box, Trace

LEAST = 4  # fewer repetitions are drawn one by one
LONGEST = 256  # operations in one repetition
NUMBER = re.compile(r"(?<![:\d])\d+(?![:\d])")  # but not the ends of a slice


@dataclass
class Repeat:
    """Operations ``first``, ``first + 1``, … in ``count`` repetitions of ``period`` each.

    ``twins`` has for each item of a later repetition the one of the first; ``loops`` are pairs of
    items of the first: what one repetition makes, and what takes it in the next.
    """

    first: int
    period: int
    count: int
    around: int = 0  # the innermost box around all of it
    twins: dict[int, int] = field(default_factory=dict)
    loops: list[tuple[int, int]] = field(default_factory=list)


def folded(trace: Trace) -> Trace:
    """The same with one of each row of equal repetitions, in a box that says how many there are.

    Repetitions are equal where they do the same to arrays of the same shapes, in modules of the
    same kind, and take the same things, things that differ in the number in their name, or what
    the repetition before made. Only rows of 4 or more are folded.
    """
    finder = _Finder(trace)
    return _without(trace, finder.found()) if len(finder.operations) >= LEAST else trace


class _Finder:
    """Looks for repetitions among the operations, in the order of computation."""

    def __init__(self, trace: Trace) -> None:
        self.items = trace.items
        self.boxes = trace.boxes
        self.operations = [i for i, item in enumerate(trace.items) if item.kind == "operation"]
        # of each box those around it, from the outside
        self.chains = [[*trace.around(i), 0][::-1] for i in range(len(trace.boxes))]
        known: dict[object, int] = {}
        kinds = [known.setdefault(self._kind(i), len(known)) for i in self.operations]
        self.kinds = np.array(kinds, dtype=np.int64)
        self.inside = [0] * len(trace.boxes)  # operations in each box
        for i in self.operations:
            for box in self.chains[self.items[i].box]:
                self.inside[box] += 1
        self.twins: dict[int, int] = {}

    def _kind(self, i: int) -> object:
        item = self.items[i]
        titles = tuple(self.boxes[box].title for box in self.chains[item.box])
        formula = NUMBER.sub("#", item.formula) if item.formula.startswith("·[") else item.formula
        return formula, labels.kind_of_array(item.array), titles, len(item.sources)

    def found(self) -> list[Repeat]:
        """Those that hide most first; none overlap. The search ends with its budget."""
        taken = np.zeros(len(self.operations), bool)
        chosen: list[Repeat] = []
        rows = sorted(self._rows(), key=lambda row: (-(row[2] // row[1] - 1) * row[1], row[1]))
        left = 10 * len(self.operations) + 20_000  # operations to look at
        for start, period, length in rows:
            for offset in range(period):
                count = (length - offset) // period
                first, end = start + offset, start + offset + count * period
                if count < LEAST or taken[first:end].any():
                    left -= 1
                    continue
                left -= 3 * period
                if left < 0:
                    return chosen
                if self._checked(Repeat(first, period, 3)) is None:
                    continue
                left -= end - first
                repeat = self._checked(Repeat(first, period, count))
                if repeat is not None:
                    taken[first:end] = True
                    self.twins |= repeat.twins
                    chosen.append(repeat)
                    break
        return chosen

    def _rows(self) -> Iterator[tuple[int, int, int]]:
        """Where operations look periodic: (start, period, how many operations)."""
        kinds = self.kinds
        for period in range(1, min(len(kinds) // LEAST, LONGEST) + 1):
            equal = np.concatenate([[False], kinds[:-period] == kinds[period:], [False]])
            edges = np.flatnonzero(equal[1:] != equal[:-1])
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                if end - start >= (LEAST - 1) * period:
                    yield start, period, end - start + period

    def _checked(self, repeat: Repeat) -> Repeat | None:
        """The repeat with what belongs to what, None where its repetitions are not equal."""
        size = repeat.period * repeat.count
        places = self.operations[repeat.first : repeat.first + size]
        at = {i: divmod(n, repeat.period) for n, i in enumerate(places)}
        if not self._fits_boxes(repeat, places, at):
            return None
        for i, (turn, place) in at.items():
            if turn:
                repeat.twins[i] = places[place]
        for i, (turn, place) in at.items():
            if not turn:
                continue
            earlier = self.items[places[place if turn == 1 else repeat.period + place]]
            pairs = zip(self.items[i].sources, earlier.sources, strict=True)
            if not all(self._is_equal(repeat, at, turn, i, s, t) for s, t in pairs):
                return None
        return repeat

    def _fits_boxes(
        self, repeat: Repeat, places: list[int], at: dict[int, tuple[int, int]]
    ) -> bool:
        """Whether every box lies in one repetition, or around all of them."""
        chains = [self.chains[self.items[i].box] for i in places]
        shared = _common(chains)
        repeat.around = shared[-1]
        turns: dict[int, list[int]] = {}
        for i, chain in zip(places, chains, strict=True):
            for box in chain[len(shared) :]:
                turns.setdefault(box, []).append(at[i][0])
        return all(
            len(set(found)) == 1 and len(found) == self.inside[box] for box, found in turns.items()
        )

    def _is_equal(
        self, repeat: Repeat, at: dict[int, tuple[int, int]], turn: int, i: int, s: int, t: int
    ) -> bool:
        """Whether a source in a repetition is what one is in the first, or later in the second."""
        reference = 0 if turn == 1 else 1
        if s in at:
            back = turn - at[s][0]
            if back == 1 and turn == 1:  # the first takes the start of the loop
                loop = (repeat.twins.get(s, s), repeat.twins[i])
                repeat.loops += [loop] if loop not in repeat.loops else []
                return t not in at
            return t in at and at[t] == (reference - back, at[s][1])
        if t in at:
            return False
        if self.twins.get(s, s) == self.twins.get(t, t):
            return True
        if self._leaf(s) is None or self._leaf(s) != self._leaf(t):
            return False
        twin = repeat.twins.get(t, self.twins.get(t, t))
        return repeat.twins.setdefault(s, self.twins.get(s, twin)) == twin

    def _leaf(self, i: int) -> object:
        """What a source is like that no operation makes."""
        item = self.items[i]
        if item.sources or item.kind == "operation":
            return None
        return item.kind, NUMBER.sub("#", item.name or ""), labels.kind_of_array(item.array)


def _without(trace: Trace, repeats: list[Repeat]) -> Trace:
    """The trace without the later repetitions."""
    twins = {i: twin for repeat in repeats for i, twin in repeat.twins.items()}
    ends = {twin: i for i, twin in twins.items() if not trace.items[i].sources}  # leaves alone
    boxes = [replace(box) for box in trace.boxes]
    inside = [item.box for item in trace.items]
    operations = [i for i, item in enumerate(trace.items) if item.kind == "operation"]
    for repeat in repeats:
        shown = operations[repeat.first : repeat.first + repeat.period]
        size = repeat.period * repeat.count
        last = operations[repeat.first + size - repeat.period : repeat.first + size]
        own = [*shown, *(set(repeat.twins.values()) - set(shown))]
        _frame(boxes, inside, repeat, own, last[0])
    kept = [i for i in range(len(trace.items)) if i not in twins]
    number = {i: n for n, i in enumerate(kept)}
    items = []
    for i in kept:
        sources = []
        for source in trace.items[i].sources:
            at = number[twins.get(source, source)]
            if source not in twins or at not in sources:
                sources.append(at)
        item = trace.items[i]
        name = item.name
        if name and i in ends and not trace.boxes[item.box].path:  # else the box says how many
            name = _span(name, trace.items[ends[i]].name or name)
        items.append(replace(item, name=name, sources=sources, box=inside[i]))
    loops = [(number[a], number[b]) for repeat in repeats for a, b in repeat.loops]
    return _in_order(Trace(items, boxes, loops))


def _frame(boxes: list[Box], inside: list[int], repeat: Repeat, own: list[int], last: int) -> None:
    """Put the items of the first repetition into a box, or use that of a module around them."""
    tops = {_below(boxes, inside[i], repeat.around) for i in own}
    words = f" × {repeat.count}"
    if len(tops) == 1 and (top := tops.pop()):
        box, end = boxes[top], boxes[_below(boxes, inside[last], repeat.around)]
        distinct = box.path != end.path and " call " not in box.path
        boxes[top] = replace(
            box,
            path=_span(box.path, end.path),
            title=box.title + words,
            parameters=box.parameters * (repeat.count if distinct else 1),
        )
        return
    depth = boxes[repeat.around].depth
    boxes.append(Box("", words.strip(), 0, repeat.around, depth + 1))
    new = len(boxes) - 1
    for i in own:
        if inside[i] == repeat.around:
            inside[i] = new
    for i in range(1, new):
        if i in tops:
            boxes[i].parent = new
    for i in range(1, new):  # those inside are one deeper
        if _below(boxes, i, new):
            boxes[i].depth += 1


def _below(boxes: list[Box], box: int, around: int) -> int:
    """The box right below ``around`` in which ``box`` lies; 0 where it lies in none."""
    while box and box != around and boxes[box].parent != around:
        box = boxes[box].parent
    return box if box != around else 0


def _span(first: str, last: str) -> str:
    """``blocks.0 … 19``."""
    if first == last:
        return first
    common = "".join(_common([first, last])).rstrip("0123456789")
    return f"{first} … {last[len(common) :]}"


def _common(parts: Sequence[Sequence[Any]]) -> list[Any]:
    """What all begin with."""
    return [
        found[0]
        for found in itertools.takewhile(lambda f: len(set(f)) == 1, zip(*parts, strict=False))
    ]


def _in_order(trace: Trace) -> Trace:
    """The same with each box behind the one around it."""
    order = sorted(range(len(trace.boxes)), key=lambda i: (trace.boxes[i].depth, i))
    number = {box: n for n, box in enumerate(order)}
    boxes = [replace(trace.boxes[i], parent=number[trace.boxes[i].parent]) for i in order]
    items = [replace(item, box=number[item.box]) for item in trace.items]
    return replace(trace, items=items, boxes=boxes)
