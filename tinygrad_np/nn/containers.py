"""Modules that hold other modules: in sequence, in a list, by name."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..arguments import refusal
from ..autodiff.nests import leaves
from ..autodiff.tensor import Tensor
from .layers import Embedding
from .module import Module
from .operands import entered

Layer = Callable[[Any], Any]


class _Numbered(Module):
    """Layers under the names 0, 1, 2 …, as ``state_dict`` and ``repr`` show them."""

    def __init__(self, layers: Iterable[Any] = ()) -> None:
        none = isinstance(layers, (type, np.ndarray))
        if none or not isinstance(layers, Iterable):
            raise refusal(type(self).__name__, "modules", layers, "a list of modules")
        for layer in layers:
            self._put(str(len(self)), layer)

    def _put(self, name: str, layer: Any) -> None:
        if isinstance(layer, type) or not callable(layer):
            raise TypeError(f"{type(self).__name__}: layer {name} is {_no_layer(self, layer)}")
        setattr(self, name, layer)

    def _named(self) -> list[tuple[str, Layer]]:
        found = vars(self).items()
        return [(n, layer) for n, layer in found if isinstance(layer, Module) or n.isdigit()]

    def __iter__(self) -> Iterator[Any]:
        return (layer for _, layer in self._named())

    def __len__(self) -> int:
        return len(self._named())

    def __getitem__(self, i: int | slice) -> Any:
        if not isinstance(i, slice):
            return self._named()[i][1]
        part = type(self)()
        for name, layer in self._named()[i]:
            setattr(part, name, layer)
        return part

    def __setitem__(self, i: int, layer: Any) -> None:
        self._put(self._named()[i][0], layer)

    def append(self, module: Any) -> Self:
        """Put a module at the end."""
        names = [int(name) for name, _ in self._named() if name.isdigit()]
        self._put(str(max(names, default=-1) + 1), module)
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Put several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, i: int, module: Any) -> Self:
        """Put a module before position ``i``."""
        self._set([*[*self][:i], module, *[*self][i:]])
        return self

    def __delitem__(self, i: int | slice) -> None:
        rest = [*self]
        del rest[i]
        self._set(rest)

    def _set(self, modules: list[Any]) -> None:
        for name, _ in self._named():
            delattr(self, name)
        self.extend(modules)


class Sequential(_Numbered):
    """One layer after the other: modules, and functions of one array such as ``np.tanh``.

    Each has its position for its name, as ``state_dict`` and ``repr`` show; a slice is a Sequential
    of the same layers under the same names, and ``net[i] = layer`` puts another one there. A list
    of numbers given for x gets the dtype of the first parameter, unless there is an Embedding.
    Raises TypeError for what is neither module nor function: a class (``nn.Tanh`` for
    ``nn.Tanh()``), a list (``Sequential(*layers)`` unpacks it).

    >>> net = tg.nn.Sequential(tg.nn.Linear(4, 8, seed=0), np.tanh, tg.nn.Linear(8, 1, seed=1))
    >>> net(np.ones((5, 4), np.float32)).shape
    (5, 1)
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__(layers)

    def forward(self, x: Any) -> Any:
        if isinstance(x, list) and all(isinstance(part, (int, float)) for part in leaves(x)):
            indexed = any(isinstance(module, Embedding) for _, module in self.named_modules())
            x = entered("Sequential", x, None if indexed else next(iter(self.parameters()), None))
        for name, layer in vars(self).items():
            if isinstance(layer, Module) or name.isdigit():
                x = layer(x)
        return x


class ModuleList(_Numbered):
    """A list of modules whose parameters are found; the ``forward`` that uses them is yours.

    >>> layers = tg.nn.ModuleList(tg.nn.Linear(4, 4, seed=i) for i in range(3))
    >>> len(layers), list(layers.state_dict())[:2]
    (3, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Any] = ()) -> None:
        super().__init__(modules)


class ModuleDict(Module):
    """A dict of modules whose parameters are found; the ``forward`` that uses them is yours.

    Raises KeyError for a name with a dot, or one that every module has, such as "train".

    >>> nn = tg.nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10, seed=0), "even": nn.Linear(8, 2, seed=1)})
    >>> "digit" in heads, list(heads.state_dict())[0]
    (True, 'digit.weight')
    """

    def __init__(self, modules: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self.update(modules)

    def update(self, modules: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Put in several modules by name."""
        try:
            given = dict(modules)
        except (TypeError, ValueError):
            needed = "a dict of names and modules"
            raise refusal("ModuleDict", "modules", modules, needed) from None
        for name, module in given.items():
            self[name] = module

    def __setitem__(self, name: str, module: Any) -> None:
        if not isinstance(name, str) or "." in name or not name or hasattr(type(self), name):
            raise KeyError(
                f"ModuleDict: {name!r} is no name for a module; give a string without a dot that "
                "is no attribute of ModuleDict."
            )
        if not isinstance(module, Module):
            raise TypeError(f"ModuleDict: {name} is {_no_layer(self, module)}")
        setattr(self, name, module)

    def __getitem__(self, name: str) -> Any:
        return self._modules()[name]

    def __delitem__(self, name: str) -> None:
        del self._modules()[name]
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self._modules()

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules())

    def __len__(self) -> int:
        return len(self._modules())

    def _modules(self) -> dict[str, Module]:
        return {name: part for name, part in vars(self).items() if isinstance(part, Module)}

    def keys(self) -> Iterable[str]:
        """The names, in the order they were put in."""
        return self._modules().keys()

    def values(self) -> Iterable[Module]:
        """The modules, in the order they were put in."""
        return self._modules().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules, in the order they were put in."""
        return self._modules().items()

    def pop(self, name: str) -> Module:
        """Take a module out."""
        module: Module = self[name]
        delattr(self, name)
        return module


def _no_layer(container: Module, given: Any) -> str:
    """What was given for a layer, and what to give."""
    if isinstance(given, type) and issubclass(given, np.generic):
        return f"the dtype {given.__name__}; give each layer its dtype={given.__name__}."
    if isinstance(given, type):
        name = "nn." * given.__module__.startswith(__package__) + given.__name__
        return f"the class {name}; write {name}() with the arguments it takes, if any."
    if isinstance(given, (np.ndarray, Tensor)):
        found = f"a {type(given).__name__} of shape {given.shape}"
    elif isinstance(given, (str, int, float, type(None))):
        found = repr(given)
    else:
        found = f"of type {type(given).__name__}"
        if isinstance(given, Iterable) and isinstance(container, Sequential):
            values = ".values()" * isinstance(given, Mapping)
            return f"{found}; unpack it: Sequential(*layers{values})."
    return f"{found}; give a module such as nn.ReLU(), or a function of one array such as np.tanh."
