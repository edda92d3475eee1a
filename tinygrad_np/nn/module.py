"""Module: a function with parameters, which are found by looking at its attributes."""

import functools
import os
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ..arguments import flag, function, shown
from ..autodiff.nests import leaves
from ..autodiff.primitives import akin, is_foreign, kind_of, refuse_namespace
from ..autodiff.tape import Record, mode, next_number
from ..autodiff.tensor import Tensor
from ..errors import ShapeError, TapeError
from ..foreign import hosted
from ..habits import ARGUMENTS, NAMES, hinted
from .shown import as_html
from .turns import at_rest

LIBRARIES = (__name__.partition(".")[0], "numpy", "scipy")  # whose functions hold no one's modules


class Misfits(NamedTuple):
    """The names that only a module has, and those that only the state has that it is given."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """Base of all layers and models: write ``forward``, and set parameters as attributes.

    Every Tensor attribute belongs to the state, except recorded results; those that require grad
    are parameters. Modules, and lists, tuples and dicts of modules or Tensors, are searched in the
    order of definition, and each counts once, under its first name. If a list or a Sequential has a
    function, the modules and parameters that the function uses are found, too: its closure
    variables, default arguments, and the object of a method.

    >>> class Net(tg.nn.Module):
    ...     def __init__(self):
    ...         self.inner = tg.nn.Linear(4, 8, seed=0)
    ...         self.outer = tg.nn.Linear(8, 1, seed=1)
    ...     def forward(self, x):
    ...         return self.outer(np.tanh(self.inner(x)))
    ...
    >>> net = Net()
    >>> net(np.ones((5, 4), np.float32)).shape
    (5, 1)
    >>> [name for name, _ in net.named_parameters()]
    ['inner.weight', 'inner.bias', 'outer.weight', 'outer.bias']
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls) and cls.__module__.startswith(f"{LIBRARIES[0]}."):
            place = cls.__name__ if cls.__name__ in ARGUMENTS else "layer"
            cls.__init__ = hinted(place)(cls.__init__)  # type: ignore[method-assign]

    training = True
    _frozen: frozenset[Tensor] | set[Tensor] = frozenset()

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The result for the given inputs; every module defines its own."""
        raise NotImplementedError(
            f"{type(self).__name__} does not define forward(); write def forward(self, x)."
        )

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        started = next_number()
        capture = mode.capture
        if capture is None:
            result = self.forward(*inputs, **options)
        else:
            result = capture.inside(self, inputs, options)
        for part in (result,) if type(result) is Tensor else leaves(result):
            node = part._node if isinstance(part, Tensor) else None
            if type(node) is Record and node.number > started:
                node.origin = (weakref.ref(self), type(self), started, node.origin)
        return result

    if not TYPE_CHECKING:  # checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            way = NAMES["Module"].get(name)
            if way is None:
                return self.__getattribute__(name)  # the error as it is, of a property too
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}; {way}")

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (np.ndarray, np.generic, int, float, list)):
            held = self.__dict__.get(name)
            if isinstance(held, Tensor) and held.requires_grad and not held._is_result:
                raise TypeError(
                    f"{type(self).__name__}.{name} is a parameter, of which {shown(value)} would "
                    f"make a constant that is not trained; write module.{name}.data = array for "
                    f"other values, or module.{name} = tg.Tensor(array, requires_grad=True) before "
                    "the optimiser is made."
                )
        object.__setattr__(self, name, value)

    def _walk(self) -> "Iterator[tuple[str, Module | Tensor]]":
        """This module and all below it, depth first in the order of definition, each once."""
        seen: dict[int, Module | Tensor] = {}  # holds them, so that no id is used twice meanwhile
        stack: list[tuple[str, Module | Tensor]] = [("", self)]
        while stack:
            name, found = stack.pop()
            if id(found) in seen:
                continue
            seen[id(found)] = found
            yield name, found
            if isinstance(found, Module):
                below = [(f"{name}.{n}".lstrip("."), part) for n, part in _below(found)]
                stack += reversed(below)

    def named_modules(self) -> Iterator[tuple[str, "Module"]]:
        """This module (its name is empty) and those below it with dotted names, each once."""
        return ((name, found) for name, found in self._walk() if isinstance(found, Module))

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All Tensors of the state with dotted names, each once."""
        with at_rest(self):  # not while a functional_call of another thread has put others there
            found = list(self._walk())
        return ((n, t) for n, t in found if isinstance(t, Tensor) and not t._is_result)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The Tensors that require grad, with dotted names."""
        return ((name, tensor) for name, tensor in self.named_tensors() if tensor.requires_grad)

    def parameters(self) -> list[Tensor]:
        """The Tensors that require grad, in order of definition."""
        return [tensor for _, tensor in self.named_parameters()]

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every Tensor of the state, by dotted name, in NumPy's memory."""
        return {name: tensor.numpy() for name, tensor in self.named_tensors()}

    def load_state_dict(
        self,
        state: Mapping[str, Any],
        strict: bool = True,
        *,
        rename: Mapping[str, str] | Callable[[str], str] | None = None,
    ) -> Misfits:
        """Take over values by name; checks all names, shapes and dtypes before it writes any.

        Values are arrays or Tensors, those of PyTorch too. ``rename`` gives the names in this
        module for those in the state, as a dict (of the names that differ) or a function. With
        ``strict=False`` names that only one side has are left out. The result names both kinds,
        ``missing`` and ``unexpected``. A Tensor that the module has at several places may be in the
        state under any of its names, or under all, as tied weights are in PyTorch's states.

        Raises ShapeError that names every missing, unexpected and misshapen entry, and every one of
        a dtype that does not fit or with values beyond the model's dtype, TypeError for what is no
        state.
        """
        if not isinstance(state, Mapping):
            loaded = "tg.load(path)" if isinstance(state, (str, os.PathLike)) else "a state_dict()"
            name = type(state).__name__
            raise TypeError(f"load_state_dict: the state is of type {name}; give {loaded}.")
        own = dict(self.named_tensors())
        state = self._under_own_names(_renamed(state, rename), own)
        misfits = Misfits(
            [name for name in own if name not in state], [n for n in state if n not in own]
        )
        wrong: list[str] = []
        if flag("load_state_dict", "strict", strict):
            wrong += [f"missing {name}" for name in misfits.missing]
            wrong += [f"unexpected {_printable(name)}" for name in misfits.unexpected]
        given: dict[str, np.ndarray] = {}
        for name in (name for name in own if name in state):
            if getattr(state[name], "_is_recorded", False):
                raise TapeError(
                    f"{name} is a recorded Tensor, or the variable of a transform, and its "
                    "gradient would be lost on the way into the model; pass its .numpy(), or use "
                    "nn.functional_call."
                )
            refuse_namespace(f"load_state_dict: {name}", state[name])
            try:
                given[name] = as_array(state[name])
            except (TypeError, ValueError) as error:  # as for PyTorch's bfloat16, or a ragged list
                wrong.append(f"{name} is no array ({error})")
        for name, array in given.items():
            shape, dtype = own[name].shape, own[name].dtype
            if array.shape != shape:
                wrong.append(f"{name} has shape {array.shape}, expected {shape}")
            if not np.can_cast(array.dtype, dtype, "same_kind"):
                wrong.append(f"{name} has dtype {array.dtype}, which does not cast to {dtype}")
            elif not _holds(dtype, array):
                wrong.append(f"{name} has {array.dtype} values beyond {dtype}")
        if wrong:
            others = "; make the model with the sizes that the state was saved with"
            sizes = any(name in own and a.shape != own[name].shape for name, a in given.items())
            raise ShapeError(
                f"the state does not fit this model: {'; '.join(wrong)}"
                f"{_way(misfits) or sizes * others}."
            )
        if state and own and not given:
            warnings.warn(
                f"load_state_dict(strict=False): none of the {len(state)} entries, such as "
                f"{_printable(next(iter(state)))}, is one of the module's, such as "
                f"{next(iter(own))}, so that nothing was loaded{_way(misfits)}.",
                RuntimeWarning,
                stacklevel=2,
            )
        for name in given:
            own[name]._write()[...] = akin(given[name], own[name]._array)
        return misfits

    def _under_own_names(self, state: Mapping[str, Any], own: dict[str, Tensor]) -> dict[str, Any]:
        """A state whose entries for one Tensor at several places have the first one's name."""
        first = {id(tensor): name for name, tensor in own.items()}
        found: dict[str, Any] = {}
        given: dict[str, str] = {}
        for name, value in state.items():
            held = None if name in own else _at(self, name)
            known = name if held is None else first.get(id(held), name)
            if known in found and not _are_equal(found[known], value):
                raise ShapeError(
                    f"the state does not fit this model: {given[known]} and {name} are the same "
                    "Tensor in the model, and the state has different values for them."
                )
            found.setdefault(known, value)
            given.setdefault(known, name)
        return found

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze the parameters of this module and all below it (False), or thaw them (True).

        Frozen parameters stay in the state, and gradients pass through to what lies before them.
        """
        flag("requires_grad_", "requires_grad", requires_grad)
        if not requires_grad:
            parameters = self.parameters()
            self._frozen = self._frozen | set(parameters)
            for parameter in parameters:
                parameter.requires_grad = False
                parameter.grad = None
            return self
        own = {tensor for _, tensor in self.named_tensors()}
        for module in (found for _, found in self.named_modules()):
            for tensor in module._frozen & own:
                tensor.requires_grad = True
            if module._frozen:
                module._frozen = module._frozen - own
        return self

    @hinted("to")
    def to(self, *, like: Any) -> Self:
        """Move all Tensors of the state to the kind of array that ``like`` is.

        ``like`` is an array of another library (CuPy's) that speaks NumPy's protocols; its
        shape and dtype do not matter. Optimisers are made after this. Raises TypeError for arrays
        of NumPy's and for what speaks no ``__array_function__``.

        >>> tg.nn.Linear(2, 1).to(like=np.zeros(1))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        TypeError: to(like=a): a is a numpy ndarray, not an array of another library ...
        """
        if not is_foreign(like):
            raise TypeError(
                f"to(like=a): a is {kind_of(like)}, not an array of another library that "
                "speaks NumPy's protocols (__array_ufunc__, __array_function__); a model is made "
                "with NumPy's arrays, so load a state to get back to them (load_state_dict)."
            )
        for _, tensor in self.named_tensors():
            if isinstance(tensor._array, np.ndarray):
                tensor.data = np.asarray(tensor._array, like=like)
        return self

    def train(self, training: bool = True) -> Self:
        """Switch this module and all below it to training mode."""
        for _, module in self.named_modules():
            module.training = training
        return self

    def eval(self) -> Self:
        """Switch this module and all below it to evaluation mode."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    def extra_repr(self) -> str:
        """What ``repr`` shows between the parentheses of a layer."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): " + (repr(part).replace("\n", "\n  ") if inner else _function_name(part))
            for name, part in _parts(vars(self), "")
            if (inner := isinstance(part, Module)) or _is_function_among_layers(name, part)
        ]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    def _repr_html_(self) -> str:
        return as_html(self)


def _at(module: Module, name: str) -> Tensor | None:
    """The Tensor that a module has at a dotted name, also one that it has elsewhere, too."""
    for place, part in _below(module):
        if place == name and isinstance(part, Tensor):
            return part
        if isinstance(part, Module) and name.startswith(f"{place}."):
            return _at(part, name.removeprefix(f"{place}."))
    return None


def _are_equal(one: Any, other: Any) -> bool:
    try:
        a, b = as_array(one), as_array(other)
        return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
    except (TypeError, ValueError):  # no arrays, which is said later
        return True


def _renamed(state: Mapping[str, Any], rename: Any) -> Mapping[str, Any]:
    """A state under the names that ``rename`` gives."""
    if rename is None:
        return state
    if not isinstance(rename, Mapping):
        function("load_state_dict", "rename", rename, "(name), or a dict of names,")
    named = [rename.get(n, n) if isinstance(rename, Mapping) else rename(n) for n in state]
    for name, new in zip(state, named, strict=True):
        if not isinstance(new, str):
            missing = "; is a `return` missing?" if new is None and callable(rename) else "."
            raise TypeError(
                f"load_state_dict: rename returns {shown(new)} for {_printable(name)}, expected "
                f"the name in this module{missing}"
            )
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(
            f"load_state_dict: rename returns {', '.join(twice)} for several entries of the state."
        )
    return dict(zip(named, state.values(), strict=True))


def as_array(value: Any) -> np.ndarray:
    """The array in a Tensor, of ours or PyTorch's, or what NumPy makes of another value."""
    if not isinstance(value, Tensor) and hasattr(value, "detach"):
        value = value.detach().cpu()
    array: np.ndarray = value.numpy() if isinstance(value, Tensor) else np.asarray(hosted(value))
    return array


def _holds(dtype: np.dtype[Any], array: np.ndarray) -> bool:
    """Whether a dtype holds an array's values, rounded or not: finite ones stay finite."""
    if np.can_cast(array.dtype, dtype):
        return True
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if dtype.kind in "iu":
        return bool((cast == array).all())
    return bool((np.isfinite(cast) == np.isfinite(array)).all())


def _way(misfits: Misfits) -> str:
    """How a state with other names comes into a module, as the end of a message."""
    missing, found = misfits
    if "checkpoint" in found:
        return "; this is a checkpoint of fit: give tg.training.Checkpoint.load(path).weights"
    if not missing or len(missing) != len(found):
        return ""
    longer, shorter = (missing[0], found[0]), (found[0], missing[0])
    if longer[0].endswith(f".{longer[1]}"):
        before = longer[0].removesuffix(longer[1])
        return f"; if they are the same, give rename=lambda name: {before!r} + name"
    if shorter[0].endswith(f".{shorter[1]}"):
        before = shorter[0].removesuffix(shorter[1])
        return f"; if they are the same, give rename=lambda name: name.removeprefix({before!r})"
    return "; if they are the same under other names, give rename={old: new}"


def _printable(name: object) -> str:
    """A name from elsewhere as a message takes it: on one line, and not endless."""
    text = str(name)
    return text if text.isprintable() and len(text) <= 100 else repr(text[:100])


def _function_name(function: Any) -> str:
    """What a function, or an object that is called like one, is called."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _is_function_among_layers(name: str, part: Any) -> bool:
    """Whether it stands in ``Sequential`` or in a list, where a module could."""
    return callable(part) and not isinstance(part, type) and not name.isidentifier()


def _below(module: Module) -> Iterator[tuple[str, "Module | Tensor"]]:
    """The modules and Tensors of a module, those too that a function among its layers calls."""
    for name, part in _parts(vars(module), ""):
        if isinstance(part, (Module, Tensor)):
            yield name, part
        elif _is_function_among_layers(name, part):
            for inner, found in _called(part):
                yield f"{name}.{inner}".rstrip("."), found


def _called(function: Any) -> Iterator[tuple[str, "Module | Tensor"]]:
    """The modules and parameters that a function knows of, by the names it has for them."""
    seen: dict[int, Any] = {}
    stack = [("", function)]
    while stack:
        name, found = stack.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found
        if isinstance(found, Module) or (isinstance(found, Tensor) and found.requires_grad):
            yield name, found
        elif not isinstance(found, Tensor):
            inner = [(f"{name}.{n}".strip("."), part) for n, part in _held(found)]
            stack += reversed(inner)


def _held(found: Any) -> Iterator[tuple[str, Any]]:
    """What a function or container holds, by name."""
    if isinstance(found, (dict, list, tuple)):
        yield from _parts(found, "")
    elif isinstance(found, functools.partial):
        yield from (("", found.func), *_parts(found.args, ""), *found.keywords.items())
    elif isinstance(found, types.MethodType):
        yield from (("", found.__self__), ("", found.__func__))
    elif isinstance(found, types.FunctionType):
        if found.__module__.partition(".")[0] in LIBRARIES:
            return
        cells = zip(found.__code__.co_freevars, found.__closure__ or (), strict=True)
        yield from ((name, cell.cell_contents) for name, cell in cells if _is_filled(cell))
        known = found.__globals__
        yield from ((name, known[name]) for name in found.__code__.co_names if name in known)
        names = found.__code__.co_varnames[: found.__code__.co_argcount]
        defaults = found.__defaults__ or ()
        yield from zip(names[len(names) - len(defaults) :], defaults, strict=True)
        yield from (found.__kwdefaults__ or {}).items()
    elif callable(found) and not isinstance(found, type) and hasattr(found, "__dict__"):
        yield from (*_parts(vars(found), ""), ("", type(found).__call__))


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # of a name that is assigned later
        return False


def _parts(container: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """What an object's attributes, lists and dicts hold, with dotted names."""
    items: Any = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, (list, tuple, dict)):
            yield from _parts(value, name)
        else:
            yield name, value
