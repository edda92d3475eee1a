"""What a picture of limited size shows: modules as one node, the middle of a chain as a gap."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .trace import Item, Kind, Trace


@dataclass
class Drawn:
    """One node of the picture: an item, a module that stands for all in it, or a gap.

    ``box`` is the box it lies in. ``operations``, ``modules`` and ``parameters`` (elements) say
    what a module or gap hides; ``item`` is what is shown, of a module the last operation in it.
    """

    kind: Kind | Literal["module", "gap"]
    item: Item
    box: int
    module: int = 0
    operations: int = 0
    modules: int = 0
    parameters: int = 0


@dataclass
class Picture:
    """Nodes in the order of computation, edges between their positions, and those that go back."""

    nodes: list[Drawn]
    edges: list[tuple[int, int]]
    whole: int
    loops: list[tuple[int, int]] = field(default_factory=list)


# What stands for an item: its own position, or minus the position of a collapsed box.
Stand = int


def fit(
    trace: Trace, max_nodes: int, spreads: Mapping[int, float] = MappingProxyType({})
) -> Picture:
    """The picture of at most ``max_nodes`` nodes that shows most.

    Modules below some depth are one node each, where that is enough; from what is still too much
    the middle is left out. The latter serves chains of operations, and also a long row of modules
    inside one module that would otherwise be the whole picture. Boxes in ``spreads`` are opened
    after that, the greatest number first, while there is room.
    """
    deepest = max(box.depth for box in trace.boxes)
    stands = _collapsed(trace, deepest + 1)
    inner = None
    for depth in range(deepest, 0, -1):
        if len(set(stands)) <= max_nodes:
            break
        inner, stands = stands, _collapsed(trace, depth)
    shown = set(stands)
    if inner is not None and len(shown) < max_nodes / 4 and _is_row_of_modules(inner):
        stands = inner
    stands = _opened(trace, stands, max_nodes, spreads)
    order = _in_order(trace.items, stands)
    hidden: Sequence[Stand] = ()
    if len(order) > max_nodes:
        head = (max_nodes - 1) // 2
        hidden = order[head : len(order) - (max_nodes - 1 - head)]
    return _picture(trace, stands, order, hidden)


def _collapsed(trace: Trace, depth: int) -> list[Stand]:
    """What stands for each item when boxes at ``depth``, and those of one item, are one node."""
    sizes = [0] * len(trace.boxes)
    for item in trace.items:
        sizes[item.box] += 1
    for i in range(len(sizes) - 1, 0, -1):
        sizes[trace.boxes[i].parent] += sizes[i]
    outermost: list[int] = []
    for i, box in enumerate(trace.boxes):
        above = outermost[box.parent] if i else 0
        outermost.append(above or (i if i and (box.depth == depth or sizes[i] == 1) else 0))
    return [-outermost[item.box] or i for i, item in enumerate(trace.items)]


def _opened(
    trace: Trace, stands: list[Stand], max_nodes: int, spreads: Mapping[int, float]
) -> list[Stand]:
    """What stands for each item when boxes that are one node show what is directly in them."""
    left = dict(spreads)
    while shut := [-stand for stand in set(stands) if -stand in left]:
        box = max(shut, key=lambda shut_box: (left[shut_box], -shut_box))
        del left[box]
        inner = list(stands)
        for i, item in enumerate(trace.items):
            if stands[i] == -box:
                child = next((b for b in trace.around(item.box) if trace.boxes[b].parent == box), 0)
                inner[i] = -child or i
        counts = Counter(inner)
        inner = [i if counts[stand] == 1 else stand for i, stand in enumerate(inner)]
        if len(set(inner)) <= max_nodes:
            stands = inner
    return stands


def _is_row_of_modules(stands: list[Stand]) -> bool:
    distinct = set(stands)
    return 2 * sum(stand < 0 for stand in distinct) > len(distinct)


def _in_order(items: list[Item], stands: list[Stand]) -> list[Stand]:
    """Each stand once, in an order of computation; sources just before their first use."""
    first: dict[Stand, int] = {}
    for i, item in enumerate(items):
        if item.sources:
            first.setdefault(stands[i], i)
    keys: dict[Stand, tuple[int, int]] = {stand: (at, len(items)) for stand, at in first.items()}
    for i, item in enumerate(items):
        for source in item.sources:
            stand = stands[source]
            if stand not in first:
                keys.setdefault(stand, (first[stands[i]], source))
    for i, stand in enumerate(stands):  # what depends on nothing, and nothing on it
        keys.setdefault(stand, (i, i))
    return sorted(keys, key=keys.__getitem__)


def _picture(
    trace: Trace, stands: list[Stand], order: list[Stand], hidden: Sequence[Stand]
) -> Picture:
    nodes: list[Drawn] = []
    position: dict[Stand, int] = {}
    gap = None
    left_out = set(hidden)
    for stand in order:
        box = -stand if stand < 0 else trace.items[stand].box
        around = trace.boxes[box].parent if stand < 0 else box
        if stand in left_out:
            if gap is None:
                gap = Drawn("gap", trace.items[stand], around)
                nodes.append(gap)
            gap.box = trace.common(gap.box, around)
            gap.modules += stand < 0
        elif stand < 0:
            nodes.append(Drawn("module", trace.items[0], around, box))
        else:
            nodes.append(Drawn(trace.items[stand].kind, trace.items[stand], around))
        position[stand] = len(nodes) - 1
    for i, item in enumerate(trace.items):
        node = nodes[position[stands[i]]]
        if item.kind == "parameter":
            node.parameters += item.array.size
        if node.kind in ("module", "gap") and item.kind == "operation":
            node.operations += 1
            node.item = item
    at = [position[stand] for stand in stands]
    loops = list(dict.fromkeys((at[tail], at[head]) for tail, head in trace.loops))
    return Picture(nodes, _edges(trace.items, nodes, at), len(stands), loops)


def _edges(items: list[Item], nodes: list[Drawn], positions: list[int]) -> list[tuple[int, int]]:
    """Arrows between nodes; two between the same only if one operation takes one thing twice."""
    edges: list[tuple[int, int]] = []
    known: set[tuple[int, int]] = set()
    for i, item in enumerate(items):
        for source in item.sources:
            edge = positions[source], positions[i]
            whole = {nodes[edge[0]].kind, nodes[edge[1]].kind}.isdisjoint(("module", "gap"))
            if edge[0] != edge[1] and (whole or edge not in known):
                known.add(edge)
                edges.append(edge)
    return edges
