"""Arrays with one value for each example of a batch, which look like the array of one example.

``Batched`` speaks NumPy's protocols, so Tensors hold it as they hold any array, and the table's
rules run on it: gradients inside ``vmap`` are those of each example. What it holds may be a Tensor,
which records: ``vmap`` can be differentiated, too.
"""

import math
import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..autodiff.nests import leaves, rebuild
from ..autodiff.primitives import ARRAY, cast, take_at
from ..autodiff.rules import COMPOSITES, FACTS, TABLE, ways
from ..autodiff.rules.signatures import name_of
from ..autodiff.tape import Watch, mode, next_number
from ..autodiff.tensor import Tensor
from ..errors import ShapeError, TapeError

Batching = Callable[..., Any]  # of a function, the level, and the function's arguments
RULES: dict[Any, Batching] = {}  # how functions are computed for all examples at once


class Level:
    """One call of ``vmap``: its number on the tape, and how many examples there are.

    It looks at all operands while it runs. What was recorded outside is the same for all examples
    and is to be recorded there: the operation gets it as ``Batched``, too. While a step is captured
    that goes for all Tensors, since what is inside is no array that a replay could be told of.
    """

    __slots__ = ("entered", "number", "outer", "size")

    def __init__(self, size: int, outer: Watch | None) -> None:
        self.number = next_number()
        self.size = size
        self.outer = outer
        self.entered: list[tuple[Any, ...]] = []

    def enter(self, tensor: Tensor) -> None:
        """A Tensor that was the same for all examples is about to differ between them."""
        before = tensor._array, tensor._node, tensor._storage
        self.entered.append((weakref.ref(tensor), before))

    def leave(self, results: list[Any]) -> None:
        """The function has returned ``results``: what else has differed since is from outside."""
        for ref, before in self.entered:
            tensor = ref()
            if tensor is not None and all(tensor is not result for result in results):
                tensor._array, tensor._node, tensor._storage = before
                raise TapeError(
                    f"a write inside tg.vmap into a Tensor of shape {tensor.shape} from outside: "
                    "it would be one for each example; write into a copy of it (w * 1), and "
                    "return that."
                )

    def operands(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """``args`` with ``Batched`` around what comes from outside."""
        for part in args:
            if hasattr(part, "bit_generator"):
                raise TapeError(
                    "a random draw inside tg.vmap: is it one for each example, or one for all? "
                    "Draw outside, and pass the numbers (in_axes=0 or in_axes=None)."
                )
        return tuple([self._inside(part) if type(part) is Tensor else part for part in args])

    def _inside(self, tensor: Tensor) -> Tensor:
        node, array = tensor._node, tensor._array
        is_inside = mode.capture is None if node is None else node.number > self.number
        if is_inside or (type(array) is Batched and array.level is self):
            return tensor
        tensor = from_outside(tensor, self.outer)
        inside = Tensor._of(Batched(tensor, self, False), None)
        inside._shared = tensor._share()
        return inside


def from_outside(given: Any, outer: Watch | None) -> Any:
    """What a ``vmap`` is given, as the one around it sees it: the memory of its views is that."""
    return given if outer is None else outer.operands((given,))[0]


class Batched(NDArrayOperatorsMixin):
    """The array of one example, which holds those of all: along the first axis of ``held``.

    Where it ``varies`` not, ``held`` is the same for all, without that axis.
    """

    __slots__ = ("__weakref__", "held", "level", "of", "varies")
    mixes = True
    computes_itself = True  # operations with it are its own, not the table's

    def __init__(self, held: Any, level: Level, varies: bool = True, of: Any = None) -> None:
        self.held = outermost(held) if varies else held
        self.level = level
        self.varies = varies
        self.of = of

    @property
    def base(self) -> Any:
        """What is the same for all that lie in one memory: views, and what they are views of."""
        return memory(self.held) if self.of is None else self.of.base

    @property
    def flags(self) -> Any:
        """Of what is held: whether it may be written to."""
        return getattr(self.held, "_array", self.held).flags

    @property
    def one(self) -> Any:
        """An array that lies in memory as one example does; its numbers mean nothing."""
        array = laid_as(self.held)
        return array[0] if self.varies and len(array) else array

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return tuple(self.held.shape[self.varies :])

    @property
    def dtype(self) -> Any:
        """Of the elements."""
        return self.held.dtype

    @property
    def ndim(self) -> int:
        """Of one example."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Of one example."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Of one example."""
        return self.size * int(self.dtype.itemsize)

    @property
    def T(self) -> Any:
        """The transpose."""
        return np.transpose(self)

    @property
    def real(self) -> Any:
        """The real part."""
        return np.real(self)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return np.imag(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(part, Tensor) for part in inputs):
            return NotImplemented  # a Tensor may hold one of these, and is asked next
        if (out := options.pop("out", None)) is not None and type(out[0]) is not Batched:
            raise TapeError(f"np.{ufunc.__name__}(out=) inside tg.vmap; assign the result instead.")
        return computed(ufunc if method == "__call__" else getattr(ufunc, method), inputs, options)

    def __array_function__(
        self, fn: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if any(isinstance(part, Tensor) for part in leaves([args, kwargs])):
            return NotImplemented
        return computed(fn, args, kwargs)

    def _alone(self, what: str) -> Any:
        """What is the same for all, without its wrapping; refused where examples differ."""
        if self.varies:
            raise ways.cut(what, self.shape, True)
        return self.held

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self._alone("its array (t.numpy(), np.asarray(t))"), dtype)

    def __bool__(self) -> bool:
        return bool(self._alone("a truth value (if t, while t, and, or)"))

    def __float__(self) -> float:
        return float(self._alone("a Python number"))

    def __int__(self) -> int:
        return int(self._alone("a Python number"))

    def __complex__(self) -> complex:
        return complex(self._alone("a Python number"))

    def __index__(self) -> int:
        return operator.index(self._alone("its use as an index or count"))

    def item(self, *index: Any) -> Any:
        """One element as a Python number, which is refused where examples differ."""
        return self._alone("a Python number (t.item())").item(*index)

    def tolist(self) -> Any:
        """The values as nested lists, which are refused where examples differ."""
        return self._alone("its values (t.tolist())").tolist()

    def detach(self) -> "Batched":
        """The same values, which are constants outside, too."""
        inside = self.held
        inside = inside.detach() if isinstance(inside, (Tensor, Batched)) else inside
        return Batched(inside, self.level, self.varies, self.of)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array without axes.")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self.level.size} examples of shape {self.shape}, dtype {self.dtype}>"

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        layout = tuple(ARRAY if hasattr(part, "dtype") and np.ndim(part) else part
                       for part in parts)  # fmt: skip
        arrays = [part for part, spot in zip(parts, layout, strict=True) if spot is ARRAY]
        return take_at(self, layout, *arrays)

    def astype(self, dtype: Any, **options: Any) -> Any:
        """In another dtype."""
        return self if options.get("copy") is False and dtype == self.dtype else cast(self, dtype)

    def reshape(self, *shape: Any) -> Any:
        """In another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)


def _method(fn: Any) -> Callable[..., Any]:
    """The method that calls a NumPy function, as ndarrays have it: users' rules call them."""
    return lambda self, *args, **options: fn(self, *args, **options)


for fn in (
    np.all, np.any, np.argmax, np.argmin, np.argsort, np.clip, np.conj, np.cumprod, np.cumsum,
    np.diagonal, np.dot, np.max, np.mean, np.min, np.prod, np.ravel, np.repeat, np.round,
    np.squeeze, np.std, np.sum, np.swapaxes, np.take, np.trace, np.var,
):  # fmt: skip
    setattr(Batched, "conj" if fn is np.conj else fn.__name__, _method(fn))


# How functions are computed for all examples at once.


def computed(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``fn`` of operands some of which are ``Batched``: that of the newest ``vmap`` first."""
    kwargs = {name: value for name, value in kwargs.items() if name != "out" or value is not None}
    given = leaves([args, kwargs])
    found = [part for part in given if type(part) is Batched]
    level = max((part.level for part in found), key=lambda level: level.number)
    if fn in FACTS:
        how = held if fn in (np.may_share_memory, np.shares_memory) else likeness
        return fn(*opened(args, level, how), **opened(kwargs, level, how))
    inside, mode.watch = mode.watch, level.outer
    try:
        if not any(part.varies for part in found if part.level is level):
            out = fn(*opened(args, level, held), **opened(kwargs, level, held))
            out = closed(out, level, False)
        else:
            out = _rule(fn)(fn, level, args, kwargs)
            out = one_by_one(fn, level, args, kwargs) if out is NotImplemented else out
    finally:
        mode.watch = inside
    ways.check_kinds(name_of(fn), given, out)
    return out


def _rule(fn: Any) -> Batching:
    """Who computes ``fn`` for all examples at once, or one by one."""
    if (rule := RULES.get(fn)) is not None:
        return rule
    in_table = TABLE.get(fn)
    is_plain_ufunc = isinstance(fn, np.ufunc) and fn.signature is None
    if is_plain_ufunc or (in_table is not None and in_table.traits.elementwise):
        return each_element
    if getattr(fn, "written_out", False):
        return made_of(fn.implementation)
    return made_of(COMPOSITES[fn]) if fn in COMPOSITES else one_by_one


def opened(tree: Any, level: Level, how: Callable[[Batched], Any]) -> Any:
    """A call's arguments with something else for what is ``Batched`` in this ``vmap``."""
    if type(tree) is Batched:
        return how(tree) if tree.level is level else tree
    if isinstance(tree, (list, tuple)):
        return type(tree)(opened(part, level, how) for part in tree)
    if isinstance(tree, dict):
        return {name: opened(part, level, how) for name, part in tree.items()}
    return tree


def held(x: Batched) -> Any:
    return x.held


def memory(array: Any) -> Any:
    """What all arrays have in common that lie in the memory of this one."""
    if isinstance(array, Tensor):
        return getattr(array, "_shared", None) if array._storage is None else array._storage
    while getattr(array, "base", None) is not None:  # as_strided has an object between
        array = array.base
    return array


def laid_as(array: Any) -> Any:
    """The array of NumPy's that shows how this one lies."""
    array = getattr(array, "_array", array)
    return array.one if type(array) is Batched else array


def outermost(held: Any) -> Any:
    """What is held, with the examples one after the other in memory, each as it lies alone.

    So a function that keeps how its operands lie, or gives a view where it can, does for all
    examples what it does for one.
    """
    array = laid_as(held)
    if type(array) is not np.ndarray or array.flags.c_contiguous:
        return held
    far, *near = [abs(n) for n in array.strides]
    if not far or all(n <= far or k == 1 for n, k in zip(near, array.shape[1:], strict=True)):
        return held
    axes = [0, *(1 + i for i in sorted(range(len(near)), key=lambda i: -near[i]))]
    made = np.copy(np.transpose(held, axes), order="C")
    if type(made) is np.ndarray:
        made.flags.writeable = array.flags.writeable
    return np.transpose(made, np.argsort(axes).tolist())


def likeness(x: Batched) -> Any:
    """An array of the shape and dtype of one example."""
    return np.broadcast_to(np.empty((), x.dtype), x.shape)


def closed(out: Any, level: Level, varies: bool = True) -> Any:
    """A result, or several."""
    if isinstance(out, (tuple, list)):
        parts = [closed(part, level, varies) for part in out]
        return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)
    return Batched(out if hasattr(out, "shape") else np.asarray(out), level, varies)


def is_varying(x: Any, level: Level) -> bool:
    return type(x) is Batched and x.level is level and x.varies


def plain(x: Any, level: Level) -> Any:
    """What does not vary, without its wrapping."""
    return x.held if type(x) is Batched and x.level is level and not x.varies else x


def aligned(x: Any, ndim: int, level: Level) -> Any:
    """What is held, broadcasting as the example with ``ndim`` axes does."""
    if not is_varying(x, level):
        return plain(x, level)
    missing = ndim - x.ndim
    return x.held if missing <= 0 else x.held.reshape((level.size, *(1,) * missing, *x.shape))


def spread(x: Any, level: Level, shape: tuple[int, ...]) -> Any:
    """What is held by all examples, broadcast to ``shape`` in each."""
    whole, wide = aligned(x, len(shape), level), (level.size, *shape)
    return whole if np.shape(whole) == wide else np.broadcast_to(whole, wide)


def one_by_one(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions that know no batches: one call for each example."""
    quick = getattr(fn, "implementation", fn) if fn in TABLE else fn
    results = []
    for i in range(max(level.size, 1)):

        def example(x: Batched, i: int = i) -> Any:
            if not x.varies:
                return x.held
            if not level.size:
                return np.zeros(x.shape, x.dtype)
            part = x.held[i]
            if isinstance(part, np.ndarray):
                part = part.view()
                part.flags.writeable = False
            return part if hasattr(part, "__array_function__") else np.asarray(part)

        given, options = opened(args, level, example), opened(kwargs, level, example)
        is_raw = not any(isinstance(v, (Tensor, Batched)) for v in leaves([given, options]))
        results.append((quick if is_raw else fn)(*given, **options))
    parts = [[p if hasattr(p, "shape") else np.asarray(p) for p in leaves(r)] for r in results]
    if len({tuple(p.shape for p in part) for part in parts}) > 1:
        raise ShapeError(
            f"{getattr(fn, '__name__', fn)} inside tg.vmap returns another shape in each example; "
            "give what decides the shape as an argument that is the same for all (in_axes=None)."
        )
    stacked = [np.stack(column)[: level.size] for column in zip(*parts, strict=True)]
    found = [x for x in leaves([args, kwargs]) if is_varying(x, level)]
    sources = [next((x for x in found if memory(x.held) is memory(p)), None) for p in parts[0]]
    made = [Batched(v, level, True, of) for v, of in zip(stacked, sources, strict=True)]
    return rebuild(results[0], made)


def each_element(fn: Any, level: Level, args: Any, kwargs: Any) -> Any:
    """Functions of each element of operands that broadcast."""
    operands = [*args, *kwargs.values()]
    arrays = [part for part in operands if hasattr(part, "shape") and not isinstance(part, type)]
    ndim = max(map(np.ndim, arrays))
    first = [aligned(part, ndim, level) for part in args]
    options = {name: aligned(part, ndim, level) for name, part in kwargs.items()}
    return closed(fn(*first, **options), level)


def made_of(body: Callable[..., Any]) -> Callable[..., Any]:
    """A rule that is other functions."""
    return lambda _fn, _level, args, kwargs: body(*args, **kwargs)
