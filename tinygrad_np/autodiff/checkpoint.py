"""``checkpoint``: results are computed a second time in backward, instead of being kept.

Griewank and Walther, Algorithm 799 (2000), in its simplest form: one level, which may be nested.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import StaleValueError
from .funnel import apply
from .nests import leaves, rebuild
from .primitives import primitive
from .rules import defvjp
from .sweep import sweep
from .tape import Node, Watch, history, mode, next_number
from .tensor import Tensor, alias
from .transforms import as_leaf


class Draws:
    """Looks at operands for generators, and keeps the states that they have before they draw."""

    def __init__(self, outer: Watch | None) -> None:
        self.outer = outer
        self.states: list[tuple[Any, Any]] = []

    def operands(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``args``, as whoever looked before wants them."""
        for part in args:
            if hasattr(part, "bit_generator") and all(part is not g for g, _ in self.states):
                self.states.append((part, part.bit_generator.state))
        return args if self.outer is None else self.outer.operands(args)


class Call:
    """A call whose graph was dropped, and which is made again for each cotangent of its result.

    ``variables`` are the places of the arguments (among all) that require grad, ``closures`` the
    nodes that the function reaches otherwise.
    """

    __slots__ = ("args", "closures", "f", "found", "given", "states", "variables", "waiting")

    def __init__(self, f: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
        self.f = f
        self.args = [list(args), kwargs]
        self.given = leaves(self.args)
        if mode.watch is not None:
            self.given = list(mode.watch.operands(tuple(self.given)))
        self.variables = [
            i for i, v in enumerate(self.given) if isinstance(v, Tensor) and v._node is not None
        ]
        self.waiting: Any = None
        self.found: Any = None

    def first(self) -> Any:
        """The results as the caller gets them."""
        given = [self.given[i] for i in self.variables]
        draws = Draws(mode.watch)
        with mode.having(watch=draws):
            draws.operands(tuple(v for v in self.given if hasattr(v, "bit_generator")))
            out, closures, recorded = self._run(
                [as_leaf(Tensor._of(v._array, None, v._storage), v.name) for v in given]
            )
        self.closures, self.states = list(closures), draws.states
        for i in self.variables:
            self.given[i] = None  # the record has them
        if not recorded:
            return out
        self.found = tuple(v._array for v in recorded)
        # a capture has seen the call, and sees the next; the operands are as they are to be
        with mode.having(capture=None, watch=None):
            parts = apply(again, (self, *given, *closures.values()))
        made = {v._node: part for v, part in zip(recorded, parts, strict=True)}
        return rebuild(out, [made.get(getattr(v, "_node", None), v) for v in leaves(out)])

    def _run(self, variables: list[Tensor]) -> tuple[Any, dict[Node, Tensor], list[Tensor]]:
        """The results, the Tensors that were reached otherwise, and what is recorded of them."""
        inner = list(self.given)
        for i, variable in zip(self.variables, variables, strict=True):
            inner[i] = variable
        own = {v._node for v in variables}
        start = next_number()
        args, kwargs = rebuild(self.args, inner)
        with mode.having(recording=True):
            out = self.f(*args, **kwargs)
        tensors = [v for v in leaves(out) if isinstance(v, Tensor) and v._node is not None]
        closures: dict[Node, Tensor] = {}
        for node in history(*(v._node for v in tensors), since=start):
            for parent, value in zip(node.parents, getattr(node, "values", ()), strict=True):
                if parent is not None and parent.number < start and parent not in own:
                    closures[parent] = Tensor._of(value, parent, parent.storage)
        return out, closures, [v for v in tensors if v._node not in closures]

    def pull(self, place: int, g: Any, out: Any, values: tuple[Any, ...]) -> Any:
        """The cotangent of operand ``place``; all of them are computed for the first."""
        waiting = self.waiting
        first = next(part for part in g if part is not None)
        if waiting is None or waiting[0] is not first or waiting[1][place] is None:
            self.waiting = waiting = first, self._pulled(g, out, values)
        cotangent, waiting[1][place] = waiting[1][place], None
        return cotangent

    def _pulled(self, g: Any, out: Any, values: tuple[Any, ...]) -> list[Any]:
        records = mode.recording and any(isinstance(v, Tensor) for v in (g, *values))
        given = values[: len(self.variables)]
        variables = [
            # where somebody looks there are Tensors without a node, too
            alias(v) if records else as_leaf(Tensor._of(getattr(v, "_array", v), None), None)
            for v in given
        ]
        now = [(generator, generator.bit_generator.state) for generator, _ in self.states]
        try:
            _restore(self.states)
            with mode.having(again=True):
                _, closures, results = self._run(variables)
        finally:
            _restore(now)
        same = list(closures) == self.closures and len(results) == len(out)
        for result, first in zip(results, out, strict=False):
            kept = first._array if isinstance(first, Tensor) else first
            foreign = type(kept) is not np.ndarray and result.shape == kept.shape
            same = same and (foreign or np.array_equal(result._array, kept, equal_nan=True))
        if not same:
            raise StaleValueError(
                f"{getattr(self.f, '__name__', self.f)} returned another result when tg.checkpoint "
                "called it again: let it depend on its arguments alone, write to none of what it "
                "reads before backward(), and draw with tg.random."
            )
        seeds = [(v._node, part) for v, part in zip(results, g, strict=True) if part is not None]
        targets = [v._node for v in variables] + self.closures
        found = sweep(seeds, retain=records, targets=set(targets), wrap=Tensor, records=records)  # type: ignore[arg-type]
        return [
            np.zeros_like(value) if (c := found.get(node)) is None else c  # type: ignore[arg-type]
            for node, value in zip(targets, values, strict=True)
        ]


def _restore(states: list[tuple[Any, Any]]) -> None:
    for generator, state in states:
        generator.bit_generator.state = state


@primitive
def again(call: Call, *_operands: Any) -> Any:
    """What the call gave the first time: a tuple of arrays."""
    found, call.found = call.found, None
    return found


defvjp(again, each=lambda i, g, out, call, *values: call.pull(i - 1, g, out, values))


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f``, but only its arguments and results are kept; backward computes the rest again.

    Takes and returns what ``f`` does: any nest, several results, Tensors that ``f`` closes over.
    For a chain of n layers, the results of all layers are in memory, and the inner results of only
    one. The time grows by that of one forward pass. Random draws (``tg.random``, ``Dropout``) are
    the same the second time; what ``f`` prints or writes happens twice.
    Gradients have gradients, to any order. A replayed step gives the same bits, and leaves out what
    would be computed twice.

        >>> layer = tg.checkpoint(lambda x, w: np.tanh(np.sin(x @ w) ** 2))
        >>> layer(np.ones((2, 3)), tg.Tensor(np.ones((3, 3)), requires_grad=True)).shape
        (2, 3)

    Raises TypeError for what is no function, and StaleValueError in backward if ``f`` gives another
    result the second time.
    """
    if not callable(f):
        raise TypeError(f"tg.checkpoint takes a function, not {f!r}.")

    @functools.wraps(f)
    def recalled(*args: Any, **kwargs: Any) -> Any:
        if not mode.recording:
            return f(*args, **kwargs)
        return Call(f, args, kwargs).first()

    return recalled
