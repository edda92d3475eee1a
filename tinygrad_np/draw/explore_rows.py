"""A recording as rows of a page: what is computed from what, in foldable groups of modules."""

from dataclasses import dataclass, field
from typing import Any

from ..autodiff.tensor import Tensor
from ..recording import Recording
from ..recording.equations import Equation, Variable

LONGEST = 150  # rows of a group that are not folded further
CHUNK = 100  # rows of a group that was


@dataclass
class Group:
    """Rows that fold into one: ``around`` is the position of the group around, -1 outside.

    ``part_of`` is the operation of the table whose several equations they are, where it is one.
    """

    title: str
    around: int
    part_of: str = ""


@dataclass
class Row:
    """One equation of the forward pass, or something that it was given.

    ``sources`` are positions of the rows it is computed from; ``cotangent`` is what the backward
    pass brings here, and ``backward`` the equations that belong to this row there.
    """

    name: str
    group: int
    values: list[Variable]
    equation: Equation | None = None
    cotangent: Variable | None = None
    sources: list[int] = field(default_factory=list)
    backward: list[Equation] = field(default_factory=list)


class Layout:
    """The ``rows`` and ``groups`` of a recording, and the row that each equation belongs to."""

    def __init__(self, recording: Recording) -> None:
        self.rows: list[Row] = []
        self.groups: list[Group] = []
        self.home: dict[Equation, int] = {}
        self._names = recording.names
        self._open: list[tuple[Any, int]] = []  # the groups we are in: what they are of, where
        self._made: dict[Variable, int] = {}
        self._leaves: dict[Any, int] = {}  # by the Tensor, or the tape's node
        differentiated = {equation.of for equation in recording.equations}
        for variable in recording.of_kind("input"):
            self._leaf(variable, [])
        for equation in recording.equations:
            self._add(equation)
            if equation.part_of and equation in differentiated:  # the last of its parts
                self._open.pop()
        _join_single(self.rows, self.groups)
        _fold_long(self.rows, self.groups)

    def _add(self, equation: Equation) -> None:
        if equation.of is not None and equation.of in self.home:
            row = self.home[equation] = self.home[equation.of]
            self.rows[row].backward.append(equation)
            return
        if equation.kind == "deliver" and equation.operands:
            tensor = equation.options["tensor"]
            row = self._leaves.get(tensor, self._leaves.get(tensor._node, -1))
            if row >= 0:
                self.home[equation] = row
                self.rows[row].cotangent = equation.operands[0]
                self.rows[row].backward.append(equation)
                return
        chain = _around(equation)
        given = [v for v in equation.reads if v.kind != "result" and not v.is_number]
        for variable in given:
            if variable not in self._made:
                self._leaf(variable, chain)
        sources = [self._made[v] for v in equation.reads if v in self._made]
        self.home[equation] = len(self.rows)
        for variable in equation.results:
            self._made[variable] = len(self.rows)
        self.rows.append(
            Row(equation.name, self._group(chain), list(equation.results), equation,
                equation.cotangent, list(dict.fromkeys(sources)))
        )  # fmt: skip

    def _leaf(self, variable: Variable, chain: list[tuple[Any, str]]) -> None:
        self._made[variable] = len(self.rows)
        if not isinstance(variable.source, int):  # an argument's place
            self._leaves.setdefault(variable.source, len(self.rows))
        kind = variable.kind
        if kind in ("memory", "state"):
            source = variable.source
            kind = "parameter"
            if isinstance(source, Tensor) and not source.requires_grad:
                kind = "constant"
        self.rows.append(Row(kind, self._group(chain), [variable]))

    def _group(self, chain: list[tuple[Any, str]]) -> int:
        """The position of the group of a chain of calls; what is left is closed for good."""
        common = 0
        while common < min(len(chain), len(self._open)) and (
            chain[common][0] == self._open[common][0]
        ):
            common += 1
        del self._open[common:]
        for key, title in chain[common:]:
            part_of = title if key == title else ""
            self.groups.append(Group(title, self._open[-1][1] if self._open else -1, part_of))
            self._open.append((key, len(self.groups) - 1))
        return self._open[-1][1] if self._open else -1


def _around(equation: Equation) -> list[tuple[Any, str]]:
    """What an equation lies in, from the outside: modules' calls, and the operation of several."""
    found: list[tuple[Any, str]] = []
    call = equation.call
    while call is not None:
        found.append((call, call.title))
        call = call.around
    found.reverse()
    if equation.part_of:
        found.append((equation.part_of, equation.part_of))
    elif equation.kind == "deliver":
        title = ".grad delivered" if equation.operands else ".grad cleared"
        found.append((title, title))
    return found


def _join_single(rows: list[Row], groups: list[Group]) -> None:
    """Make one of a group and the only thing in it, if that is a group."""
    inside = [0] * len(groups)
    for around in [row.group for row in rows] + [group.around for group in groups]:
        if around >= 0:
            inside[around] += 1
    joined: set[int] = set()
    for group in groups:  # from the outside
        while group.around >= 0 and inside[group.around] == 1:
            joined.add(group.around)
            outer = groups[group.around]
            group.title, group.around = f"{outer.title} › {group.title}", outer.around
    kept = [place for place in range(len(groups)) if place not in joined]
    places = {-1: -1} | {place: i for i, place in enumerate(kept)}
    groups[:] = [groups[place] for place in kept]
    for group in groups:
        group.around = places[group.around]
    for row in rows:
        row.group = places[row.group]


def _fold_long(rows: list[Row], groups: list[Group]) -> None:
    """Give groups of very many rows or groups further ones in between."""
    inside: dict[int, list[Row | Group]] = {}
    seen: set[int] = set()
    for row in rows:
        chain, place = [], row.group
        while place >= 0 and place not in seen:
            seen.add(place)
            chain.append(place)
            place = groups[place].around
        for place in reversed(chain):
            inside.setdefault(groups[place].around, []).append(groups[place])
        inside.setdefault(row.group, []).append(row)
    for around, parts in inside.items():
        for start in range(0, len(parts), CHUNK) if len(parts) > LONGEST else ():
            some = parts[start : start + CHUNK]
            groups.append(Group(f"parts {start + 1} to {start + len(some)}", around))
            for part in some:
                if isinstance(part, Row):
                    part.group = len(groups) - 1
                else:
                    part.around = len(groups) - 1
