"""Python's state that can be reached from an object, kept so that it can be made what it was."""

import collections
import functools
import gc
import types
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..autodiff.tensor import Tensor
from ..recording.lines import Whose, whose
from .mentions import mentions
from .objects import (
    MISSING,
    access_to,
    closure,
    draws,
    fields,
    in_cell,
    is_iterator,
    is_plain,
    isa,
    plain,
)


class Kept:
    """What an effect of a step may change: attributes, names, containers, arrays, generators.

    ``roots`` are the effects; of other objects only the user's are looked into. ``restore`` writes
    into what is there, so that all who hold it see the same. ``iterators`` are those that were
    met: nothing brings back what is taken from them.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.iterators: list[Any] = []
        self._back: list[Callable[[], Any]] = []
        todo, seen = list(roots), {}
        while todo:
            value = todo.pop()
            if not (is_plain(value) or isa(value, Tensor) or id(value) in seen):
                seen[id(value)] = value
                todo += self._keep(value)

    def restore(self) -> None:
        """Make everything what it was."""
        for back in self._back:
            back()

    def _keep(self, value: Any) -> Iterable[Any]:
        """Keep what is in one object; the parts that may have more in them."""
        if draws(type(value)):
            get, put = access_to(value)
            self._back.append(functools.partial(put, get()))
        elif isa(value, np.ndarray):
            if value.flags.writeable:
                self._back.append(functools.partial(np.copyto, value, value.copy()))
        elif isa(value, (list, set, dict, collections.deque)):
            inside = dict(value) if isa(value, dict) else list(value)
            self._back.append(functools.partial(_refill, value, inside))
            return [*value.values()] if isa(value, dict) else inside
        elif isa(value, (tuple, frozenset, types.MethodType, functools.partial)):
            return gc.get_referents(value)
        elif isa(value, types.FunctionType):
            return self._names(value)
        elif is_iterator(value):
            self.iterators.append(value)
        elif hasattr(type(value), "perform") and whose(type(value).__module__) is not Whose.USER:
            parts = (fields(value) or {}).values()  # what numbers it has of its own it keeps itself
            return [part for part in parts if not isa(part, list) or not all(map(is_plain, part))]
        elif whose(type(value).__module__) is Whose.USER:
            own = fields(value) or {}
            self._back.append(functools.partial(_refill, own, dict(own)))
            kinds = [vars(k) for k in type(value).__mro__ if whose(k.__module__) is Whose.USER]
            return [*own.values(), *(plain(held) for k in kinds for held in k.values())]
        return ()

    def _names(self, function: types.FunctionType) -> Iterable[Any]:
        """What a function of the user's has by name: closure, defaults, globals it mentions."""
        if whose(function.__module__) is not Whose.USER:
            return ()
        space = function.__globals__
        chains = mentions(function.__code__).chains
        roots = {chain.root for chain in chains if chain.kind == "global"} & space.keys()
        self._back += [functools.partial(space.__setitem__, name, space[name]) for name in roots]
        found = [space[name] for name in roots]
        found += [function.__defaults__, function.__kwdefaults__]
        for _, held in closure(function):
            if (value := in_cell(held)) is not MISSING:
                found.append(value)
                self._back.append(functools.partial(setattr, held, "cell_contents", value))
        return found


def _refill(container: Any, was: Any) -> None:
    """Make the content of a container what it was, unless it is."""
    if isa(container, dict):
        same = [*map(id, container.values())] == [*map(id, was.values())]
        if same and [*container] == [*was]:
            return
    elif [*map(id, container)] == [*map(id, was)]:
        return
    container.clear()
    (container.extend if isa(container, (list, collections.deque)) else container.update)(was)
