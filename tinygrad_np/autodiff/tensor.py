"""Tensor: an array that records what happens to it, through one funnel behind NumPy's protocols."""

import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ReplayError, ShapeError, TapeError
from .guards import EXCLUSIVE, Guard, Lent, Shared, Slot, Storage, Witness
from .nests import are_whole, frozen, leaves, tupled
from .primitives import (
    ARRAY,
    broadcast,
    cast,
    identity,
    lent,
    replace_at,
    split_index,
    take_at,
    updated,
)  # fmt: skip
from .rules import COMPOSITES, FACTS, METADATA, TABLE, WRITERS, calls, indexing, of_scipy, ways
from .rules.calls import NUMERIC, check_call
from .rules.table import Kept, Rule, check_flag, name_of, read_only, refuse_write, unruled
from .sweep import OWN, references, sweep
from .tape import NO_OPTIONS, Leaf, Node, Record, history, mode, next_number

Method = Callable[..., Any]
Operator = Callable[["Tensor", Any], "Tensor"]
ndarray = np.ndarray
NUMBERS = (bool, int, float, complex)
NESTS = frozenset([list, tuple, dict])
_new = object.__new__
DTYPE_OPTIONS = frozenset(["dtype", "casting", "order", "subok", "signature"])


def _unary(fn: np.ufunc) -> Callable[["Tensor"], "Tensor"]:
    """An operator of one Tensor."""
    return lambda self: apply(fn, (self,))


def _binary(fn: np.ufunc) -> tuple[Operator, Operator, Operator]:
    """An operator in its three forms: t + u, u + t, t += u (NumPy's meaning: in place)."""

    return (
        lambda self, other: apply(fn, (self, other)),
        lambda self, other: apply(fn, (other, self)),
        lambda self, other: self._update(fn, other),
    )


def _method(fn: Any) -> Method:
    """The method that calls a NumPy function on its Tensor."""

    def method(self: "Tensor", *args: Any, **options: Any) -> Any:
        return apply(fn, (self, *args), options)

    method.__name__ = fn.__name__
    method.__doc__ = f"``np.{fn.__name__}`` of this Tensor."
    return method


def _in_place(fn: Any) -> Method:
    """The method that gives its Tensor the value of a function of it, as ndarrays' method does."""

    def method(self: "Tensor", *args: Any, **options: Any) -> None:
        self._put(f"t.{fn.__name__}()", ..., fn(self, *args, **options))

    method.__name__ = fn.__name__
    method.__doc__ = f"Write in place what ``{fn.__name__}`` gives."
    return method


class Tensor:
    """An array with a place on the tape.

    ``data`` is an array, a number or a nested list of numbers (of real, complex, integer or
    boolean dtype); it is copied. With ``requires_grad=True`` (real or complex only) the Tensor is a
    leaf: ``backward`` of whatever is computed from it leaves its gradient in ``.grad``. ``name`` is
    shown in errors and graphs. Raises TypeError for other dtypes, DetachError for Tensors that
    require grad.
    """

    __slots__ = (
        "__weakref__", "_array", "_grad", "_name", "_node", "_shared", "_storage", "_taken",
    )  # fmt: skip
    _array: Any
    _node: Node | None
    _storage: Storage | None
    _shared: Shared | None  # set where other Tensors lie in the same memory
    _taken: Any  # how a constant was taken from another's memory: rule, values, options
    _grad: "Tensor | Slot | None"
    _name: str | None

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None
    ) -> None:
        given = data
        if isinstance(data, Tensor):
            data._refuse_detaching("Tensor(t)")
            data = data._array
        if not hasattr(type(data), "__array_function__") or isinstance(data, ndarray):
            data = calls.as_numbers(data, dtype)
        elif dtype is not None:
            data = data.astype(dtype)
        if data.dtype.kind not in NUMERIC:
            raise TypeError(
                f"a Tensor holds numbers, not dtype {data.dtype} ({calls.brief(given)}); convert "
                "the data first: astype(np.float32), with words numbered (np.unique(words, "
                "return_inverse=True))."
            )
        if mode.capture is not None and isinstance(data, ndarray):
            mode.capture.make(data, given, TABLE[cast])
        self._array = data
        self._node = None
        self._storage = Storage(data)
        if name is not None:
            self.name = name
        if requires_grad is not False:
            self.requires_grad = requires_grad

    @classmethod
    def _of(cls, data: Any, node: Node | None, storage: Storage | None = None) -> "Tensor":
        """A Tensor around an array that is ours already."""
        tensor = cls.__new__(cls)
        tensor._array = data
        tensor._node = node
        tensor._storage = storage
        return tensor

    @classmethod
    def _owning(cls, data: ndarray) -> "Tensor":
        """A constant around an array that nobody else has."""
        return cls._of(data, None, Storage(data))

    @property
    def data(self) -> Any:
        """The array it holds: of a leaf the array itself, of a result a read-only view."""
        self._leave("t.data", self)
        storage = self._storage
        if not isinstance(self._array, ndarray):
            return self._array
        if storage is not None and storage.array is self._array and not self._is_result:
            return storage.lend()
        return self._read_only()

    @data.setter
    def data(self, value: Any) -> None:
        if self._is_result:
            raise TapeError("only a leaf's data can be replaced; this Tensor is a result.")
        self._leave("t.data = v")
        if self._storage is not None and value is self._storage.lent():
            self._storage.write()
            return
        fresh = Tensor(value, dtype=self.dtype)
        if fresh.shape != self.shape:
            raise ShapeError(f"data of shape {fresh.shape} cannot replace data of {self.shape}.")
        if fresh._storage is not None:
            fresh._storage.write()  # records made before now must find this one newer than they are
        if self._storage is not None:
            self._storage.write()
        self._array, self._storage = fresh._array, fresh._storage
        if isinstance(self._node, Leaf):
            self._node.storage = fresh._storage

    @property
    def grad(self) -> "Tensor | None":
        """The accumulated gradient of a leaf: same shape and dtype, or None before a backward."""
        if mode.capture is not None:
            mode.capture.gradient(self)
        found = getattr(self, "_grad", None)
        if type(found) is Slot:
            found = self._grad = Tensor._owning(np.array(found.array))
        return found

    @grad.setter
    def grad(self, value: Any) -> None:
        fresh = value
        if value is not None:
            fresh = value if isinstance(value, Tensor) else Tensor(value, dtype=self.dtype)
            if fresh.shape != self.shape:
                raise ShapeError(f"a gradient of shape {fresh.shape} does not fit {self.shape}.")
        self._deliver(fresh)

    def _deliver(self, gradient: "Tensor | None") -> None:
        self._grad = gradient
        if mode.capture is not None:
            mode.capture.gradient(self, gradient)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this Tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        check_flag("requires_grad", value)
        if value and self._array.dtype.kind not in "fc":
            raise TypeError(
                f"a Tensor of dtype {self.dtype} is a constant and cannot require grad; make it "
                "with dtype=np.float32 (or float64)."
            )
        if self._is_result:
            if not value:
                raise TapeError("a result cannot stop requiring grad; use .detach().")
            return
        if bool(value) == self.requires_grad:
            return
        self._leave("t.requires_grad = v", self)
        self._node = Leaf(self, self._storage, self.name) if value else None

    @property
    def name(self) -> str | None:
        """What errors and graphs call it."""
        own = getattr(self, "_name", None)
        return own if own is not None else getattr(self._node, "name", None)

    @name.setter
    def name(self, value: str | None) -> None:
        self._name = value
        if self._node is not None:
            self._node.name = value
        elif self._storage is not None and self._storage.array is self._array:
            self._storage.name = value

    @property
    def _is_result(self) -> bool:
        return isinstance(self._node, Record)

    @property
    def _is_recorded(self) -> bool:
        """Whether a gradient goes further than to this Tensor: to a transform, or its operands."""
        return self._node is not None and getattr(self._node, "closed", False) is not None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._array.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._array.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes the elements take."""
        return self._array.nbytes  # type: ignore[no-any-return]

    @property
    def T(self) -> "Tensor":
        """The transpose."""
        return self.transpose()

    @property
    def mT(self) -> "Tensor":
        """The last two axes swapped."""
        return apply(np.swapaxes, (self, -1, -2))

    @property
    def real(self) -> "Tensor":
        """The real part."""
        return apply(np.real, (self,))

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> "Tensor":
        """The imaginary part."""
        return apply(np.imag, (self,))

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag[...] = value

    def backward(
        self, gradient: Any = None, create_graph: bool = False, retain_graph: bool = False
    ) -> None:
        """Add d(self)/d(leaf), weighted by ``gradient``, to ``.grad`` of every leaf.

        ``gradient`` has the shape of this Tensor and may be left out for one element.
        ``create_graph`` records the sweep itself, so that gradients have gradients;
        ``retain_graph`` keeps the graph for another backward. Raises TapeError if nothing was
        recorded or the graph was released, StaleValueError if a saved array was overwritten.
        """
        if self._node is None:
            raise TapeError(
                "backward() on a Tensor that does not require grad: no operand of it was made "
                "with requires_grad=True, or it was computed under no_grad."
            )
        seed = self._seed(gradient, create_graph)
        found = sweep(
            [(self._node, seed)],
            retain=retain_graph or create_graph,
            wrap=Tensor,
            records=create_graph,
        )
        plain = not create_graph and mode.capture is None
        with EXCLUSIVE:  # other threads may add to the same leaf
            for leaf, cotangent in found.items():
                tensor = leaf.tensor()  # type: ignore[union-attr] # a sweep without targets
                if tensor is None:
                    continue
                if plain and getattr(tensor, "_grad", None) is None:
                    tensor._grad = Tensor._owning(cotangent)
                else:
                    tensor._accumulate(cotangent)

    def _seed(self, gradient: Any, create_graph: bool) -> Any:
        """The cotangent a sweep from here starts with."""
        if gradient is None:
            if self.size != 1:
                raise TapeError(
                    f"backward() without a gradient needs a result of one element, not shape "
                    f"{self.shape}; reduce it (for example with .sum()) or pass gradient=."
                )
            if not create_graph and mode.capture is None:
                return np.ones_like(self._array)
            gradient = np.ones_like(self if mode.capture is not None else self._array)
        seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
        if seed.shape != self.shape:
            raise ShapeError(
                f"gradient of shape {seed.shape} given to backward of a result of {self.shape}."
            )
        calls.refuse_imaginary("the gradient given to backward", seed, self)
        if not create_graph and mode.capture is None:
            return seed._array.astype(self.dtype, copy=False)
        return seed if seed.dtype == self.dtype else seed.astype(self.dtype)

    def _accumulate(self, cotangent: Any) -> None:
        """Add to ``.grad``, out of place: an older gradient may be in use elsewhere."""
        fresh = cotangent if isinstance(cotangent, Tensor) else Tensor._owning(cotangent)
        old = self.grad
        if old is None:
            self._deliver(fresh)
        elif isinstance(cotangent, Tensor) or old._node is not None:
            self._deliver(old + fresh)
        else:
            self._grad = Tensor._owning(calls.as_arrays(old._array + fresh._array))

    def _write(self) -> Any:
        """The array itself, for a write in place that happens now."""
        if self._storage is None or self._is_result:
            raise TapeError("only a leaf can be written in place.")
        self._leave("a write to it")
        self._storage.write()
        return self._array

    def detach(self) -> "Tensor":
        """The same values as a constant."""
        made = Tensor._of(self._array, None, self._storage)
        made._shared = self._share()
        if mode.capture is not None:
            mode.capture.make(made, self)
        return made

    def numpy(self) -> Any:
        """A copy of the values as an ndarray."""
        self._leave("t.numpy()", self)
        return np.array(self._array)

    def item(self, *index: Any) -> Any:
        """The only element, or the one at ``index``, as a Python number."""
        self._leave("t.item()")
        return self._array.item(*index)

    def tolist(self) -> Any:
        """The values as nested Python lists; of what a transform differentiates, refused."""
        is_variable = self._is_result and self._node.rule.fn is identity  # type: ignore[union-attr]
        if is_variable or any(getattr(n, "closed", None) is False for n in history(self._node)):
            self._refuse_detaching("t.tolist(), unlike t.numpy().tolist(),")
        self._leave("t.tolist()")
        return self._array.tolist()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if options.get("out") is not None:
            return _write_into(getattr(ufunc, method), inputs, options)
        if method == "__call__":
            return apply(ufunc, inputs, options)
        return _apply_method(ufunc, method, inputs, options)

    def __array_function__(
        self, fn: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if fn in FACTS:  # rules and composites ask for shapes all the time
            return fn(*_unwrap(args), **_unwrap(kwargs))
        return apply(fn, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._node is not None:
            self._refuse_detaching(calls.asking("np.asarray(t)"))
        self._leave("np.asarray(t)", self)
        if copy or (dtype is not None and dtype != self.dtype):
            return np.array(self._array, dtype=dtype)
        return self._read_only() if isinstance(self._array, ndarray) else np.asarray(self._array)

    def _refuse_detaching(self, what: str) -> None:
        if self._node is not None:
            raise ways.cut(what, self.shape)

    def _leave(self, how: str, array_of: "Tensor | None" = None) -> None:
        """Tell a capture, if there is one, that the value leaves the tape."""
        if mode.capture is not None:
            mode.capture.leave(how, array_of)

    def __bool__(self) -> bool:
        self._leave("a truth value (if t, while t, and, or)")
        return bool(self._array)

    def _number(self, kind: Any) -> Any:
        self._refuse_detaching(f"{kind.__name__}(t)")
        self._leave(f"{kind.__name__}(t)")
        return kind(self._array[()])

    def __float__(self) -> float:
        return self._number(float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return self._number(int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._number(complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        self._leave("its use as an index or count")
        return operator.index(self._array)

    def __round__(self, digits: int | None = None) -> Any:
        return self._number(round) if digits is None else self.round(digits)

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self == value))

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("a 0-d Tensor cannot be iterated over.")
        return (self[i] for i in range(len(self._array)))

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> "Tensor":
        layout, arrays = split_index(index)
        return apply(take_at, (self, layout, *arrays))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._put("t[i] = v", index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError(f"del t[{index!r}]: a Tensor keeps its shape; use t = np.delete(t, index).")

    def _put(self, what: str, index: Any, value: Any) -> None:
        """Write at an index."""
        layout, arrays = split_index(index)
        value = value if isinstance(value, (Tensor, list, *NUMBERS)) else np.asanyarray(value)
        if isinstance(value, complex):
            calls.refuse_imaginary("the number written", value, self)
        if self._is_part(value, layout, arrays):  # t[i] += v ends so
            return
        if self._is_written_in_place(what, value):
            self._write_now(replace_at, value, layout, *arrays)
        else:
            other = apply(replace_at, (self, value, layout, *arrays))
            self._write_through(what, other, value)

    def _read_only(self) -> ndarray:
        """The array for others to read, which shares its memory for as long as they have it."""
        return np.asarray(Lent(self._array, None, self._share()))

    def _share(self) -> Shared:
        """What all hold that lie in this Tensor's memory."""
        shared = getattr(self, "_shared", None)
        if shared is None:
            with EXCLUSIVE:
                shared = getattr(self, "_shared", None) or Shared(self)
                self._shared = shared
        return shared

    def _sharers(self) -> int:
        """How many others lie in this Tensor's memory, as far as a write must reach them."""
        if self._is_result and self._storage is not None:
            return 1  # the leaf
        lent = self._storage is not None and self._storage.lent() is not None
        shared = getattr(self, "_shared", None)
        return lent if shared is None else lent + references(shared) - OWN - 1

    def _is_part(self, value: Any, layout: tuple[Any, ...], arrays: list[Any]) -> bool:
        """Whether ``value`` is the view of this Tensor that it is to be written to."""
        if arrays or not isinstance(value, Tensor) or not isinstance(self._array, ndarray):
            return False
        shared = getattr(value, "_shared", None)
        if shared is None or shared is not getattr(self, "_shared", None):
            return False
        there = self._array[layout].__array_interface__
        return bool(there == value._array.__array_interface__)

    def _is_written_in_place(self, what: str, value: Any) -> bool:
        """Whether a write goes to the memory itself; refuses those that would lose something.

        That is the memory of a leaf, or of constants that share it: all of them see the write then.
        """
        if isinstance(self._array, ndarray) and not self._array.flags.writeable:
            raise ValueError(f"{what}: the destination is read-only; write into a copy of it.")
        if self._node is None:
            records = mode.capture is not None or (mode.recording and _requires_grad(value))
            return self._storage is not None and not records and self._sharers() > 0
        if mode.recording:
            if isinstance(self._node, Leaf):
                raise TapeError(
                    f"{what} on a leaf that requires grad cannot be recorded; do it inside "
                    "tg.no_grad() to change the leaf, or on a copy (t * 1) to record it."
                )
            return False
        if isinstance(self._node, Record):
            raise TapeError(
                f"{what} inside no_grad on a recorded result would lose its history; use "
                ".detach() first, or write outside no_grad."
            )
        return True

    def _write_now(self, fn: Any, *operands: Any) -> None:
        """Apply ``fn`` to the array itself and into it."""
        assert self._storage is not None
        rule = TABLE[fn]
        values = _unwrap([_admitted(operand) for operand in operands])
        if mode.capture is not None:
            mode.capture.write(rule, self, operands, values)
        self._storage.write()
        rule.forward(self._array, *values, out=self._array)

    def _write_through(self, what: str, other: "Tensor", value: Any) -> None:
        """Take over the result ``other`` of a write of ``value``, and so do those who share."""
        if not (others := self._sharers()):
            self._become(self._fitted(other))
            return
        shared = getattr(self, "_shared", None)
        base = None if shared is None else shared.base()
        also = isinstance(value, Tensor) and getattr(value, "_shared", None) is shared
        views = [self, value] if also and value is not self else [self]
        views = [t for t in views if t is not base]
        ways = [t._way_from(base) for t in views]
        if base is None or None in ways or others != len(views):
            if mode.capture is not None:
                mode.capture.become(self, other)  # both refuse in their own words
                self._leave("a write to memory that others share")
            raise calls.lost(what, self._storage is not None and self._is_result)
        self._write_base(base, self._fitted(other), ways[0] if self is not base else [])
        for view, way in zip(views, ways, strict=True):
            there = base
            for rule, (_, *rest), options in way:
                there = apply(rule.fn, (there, *rest), options)
            view._become(there)
            view._shared = base._share()

    def _way_from(self, base: "Tensor | None") -> Any:
        """The views that lead from ``base`` to this Tensor, if one can write through them."""
        node, taken = self._node, getattr(self, "_taken", None)
        way = [taken] if node is None and taken is not None else []
        while (
            isinstance(node, Record) and node.parents and (base is None or node is not base._node)
        ):
            way.insert(0, (node.rule, node.values, node.kwargs))
            node = node.parents[0]
        if base is None or not way or way[0][1][0] is not base._array or base.dtype != self.dtype:
            return None
        fits = not any(rule.fn in (identity, lent) or rule.is_users for rule, _, _ in way)
        if isinstance(base._node, Leaf):  # written as it is replayed
            fits = fits and mode.capture is not None and [r.fn for r, _, _ in way] == [take_at]
        elif base._node is not None:
            fits = fits and self._node is not None
        return way if fits and (base._node is None or mode.recording is base._is_result) else None

    @staticmethod
    def _write_base(base: "Tensor", other: "Tensor", way: Any) -> None:
        """Give ``base`` the value of the view of it at the end of the ``way``."""
        if isinstance(base._node, Leaf):
            base._write_now(replace_at, other, *way[0][1][1:])
        elif len(way) == 1 and way[0][0].fn is take_at:
            base._become(apply(replace_at, (base, other, *way[0][1][1:])))
        elif way:
            places = np.arange(base.size).reshape(base.shape)
            for rule, (_, *rest), options in way:
                places = rule.forward(places, *rest, **options)
            index = (ARRAY,), Tensor._owning(places)
            flat = apply(replace_at, (base.reshape(-1), other, *index))
            base._become(flat.reshape(base.shape))
        else:
            base._become(other)

    def _fitted(self, other: "Tensor") -> "Tensor":
        """A value that is to replace this one, in this one's dtype."""
        if not np.can_cast(other.dtype, self.dtype, "same_kind"):
            raise TypeError(
                f"a result of dtype {other.dtype} does not fit into a Tensor of {self.dtype}; "
                "write t = t + v instead of t += v to get a new Tensor."
            )
        if other.dtype != self.dtype:
            other = other.astype(self.dtype)
        if other.shape != self.shape:
            raise ShapeError(f"a result of shape {other.shape} cannot replace one of {self.shape}.")
        return other

    def _become(self, other: "Tensor") -> None:
        """Take over another Tensor's value and history; what was saved before keeps its own."""
        if mode.capture is not None:
            mode.capture.become(self, other)
        self._array, self._node, self._storage = other._array, other._node, other._storage
        self._shared = None

    def _update(self, ufunc: np.ufunc, other: Any) -> "Tensor":
        """``t += other`` and the like."""
        if mode.rebinds:
            return apply(ufunc, (self, other))
        what = "an update in place (t += v)"
        if self._is_written_in_place(what, other):
            self._write_now(updated, ufunc, other)
        else:
            self._write_through(what, apply(ufunc, (self, other)), other)
        return self

    def __repr__(self) -> str:
        body = repr(self._array)
        if isinstance(self._array, ndarray):
            body = np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=60)
        made = ""
        if isinstance(self._node, Record):
            made = f", made by {self._node.rule.name}"
        elif self._node is not None:
            made = ", requires_grad=True"
        name = f", name={self.name!r}" if self.name else ""
        return f"Tensor({body}, shape={self.shape}, dtype={self.dtype}{name}{made})"

    def __format__(self, spec: str) -> str:
        return format(self._array.item(), spec) if spec and self.size == 1 else repr(self)

    def __copy__(self) -> "Tensor":
        return self.copy() if self._is_recorded else _rebuild(*self.__reduce__()[1])

    def __reduce__(self) -> tuple[Any, ...]:
        if self._is_recorded:
            raise TapeError(
                "a recorded result, or the variable of a transform, cannot be deep-copied or "
                "pickled with its history; .detach() first."
            )
        grad = None if self.grad is None else self.grad.numpy()
        return _rebuild, (self._array, self.requires_grad, getattr(self, "_name", None), grad)

    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __add__, __radd__, __iadd__ = _binary(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.divide)
    _power, __rpow__, __ipow__ = _binary(np.power)
    __matmul__, __rmatmul__, __imatmul__ = _binary(np.matmul)
    __mod__, __rmod__, __imod__ = _binary(np.remainder)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary(np.floor_divide)
    __divmod__, __rdivmod__ = _binary(np.divmod)[:2]
    __and__, __rand__, __iand__ = _binary(np.bitwise_and)
    __or__, __ror__, __ior__ = _binary(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _binary(np.bitwise_xor)
    __lshift__, __rlshift__, __ilshift__ = _binary(np.left_shift)
    __rshift__, __rrshift__, __irshift__ = _binary(np.right_shift)
    __lt__, __le__ = _binary(np.less)[0], _binary(np.less_equal)[0]
    __gt__, __ge__ = _binary(np.greater)[0], _binary(np.greater_equal)[0]

    def __pow__(self, other: Any, modulo: Any = None) -> "Tensor":
        if modulo is not None:
            raise TypeError(f"pow(t, v, {modulo!r}): Tensors take no modulus; write t**v % m.")
        return self._power(other)

    def __eq__(self, other: object) -> Any:
        return NotImplemented if other is None else apply(np.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        return NotImplemented if other is None else apply(np.not_equal, (self, other))

    # The methods people use on ndarrays.

    def reshape(self, *shape: Any, order: str = "C") -> "Tensor":
        """The elements in another shape."""
        wanted = shape[0] if len(shape) == 1 else shape
        return apply(np.reshape, (self, wanted), {"order": order} if order != "C" else NO_OPTIONS)

    def transpose(self, *axes: Any) -> "Tensor":
        """The axes in another order, reversed if none is given."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return apply(np.transpose, (self,) if order is None else (self, order))

    def flatten(self, order: str = "C") -> "Tensor":
        """The elements in one row."""
        row = self.reshape(-1, order=order)
        return row.copy() if np.may_share_memory(row._array, self._array) else row

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True,
        copy: bool = True,
    ) -> "Tensor":  # fmt: skip
        """The values in another dtype, in memory as NumPy sees fit; integers are constants."""
        del order, subok
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(f"a Tensor of {self.dtype} to {dtype} with casting={casting!r}.")
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return apply(cast, (self, np.dtype(dtype)))

    def copy(self, order: Any = "C") -> "Tensor":  # noqa: ARG002 - NumPy's option
        """The same values in memory of their own, recorded."""
        return apply(broadcast, (self, self.shape))

    def compress(self, condition: Any, axis: int | None = None) -> "Tensor":
        """The slices along ``axis`` where the condition holds."""
        return apply(np.compress, (condition, self), {"axis": axis})

    # These call the NumPy function of their name.
    sum, mean, var, std, prod = map(_method, (np.sum, np.mean, np.var, np.std, np.prod))
    max, min, ptp, any, all = map(_method, (np.max, np.min, np.ptp, np.any, np.all))
    argmax, argmin, argsort = map(_method, (np.argmax, np.argmin, np.argsort))
    argpartition, choose = map(_method, (np.argpartition, np.choose))
    sort, partition, fill, put = map(
        _in_place, (np.sort, np.partition, indexing.fill, indexing.put)
    )
    cumsum, cumprod, trace, dot = map(_method, (np.cumsum, np.cumprod, np.trace, np.dot))
    swapaxes, squeeze, ravel = map(_method, (np.swapaxes, np.squeeze, np.ravel))
    repeat, take, diagonal = map(_method, (np.repeat, np.take, np.diagonal))
    clip, round = map(_method, (np.clip, np.round))
    nonzero, searchsorted = map(_method, (np.nonzero, np.searchsorted))

    def conj(self) -> "Tensor":
        """The complex conjugate; a real Tensor itself, as of NumPy's arrays."""
        return apply(np.conjugate, (self,)) if self.dtype.kind == "c" else self

    conjugate = conj


def _refused(name: str, fact: Any = None) -> property:
    """An attribute that Tensors lack, or (``fact``) cannot have set: its error says what to do."""

    def refuse(_tensor: Tensor, _value: Any = None) -> Any:
        instead = calls.INSTEAD.get(name, f"t.numpy().{name} is that of a copy of the values")
        raise AttributeError(f"a Tensor has no {name} to {'set' if fact else 'use'}; {instead}.")

    return property(fact.fget if fact else refuse, refuse, doc=fact.__doc__)


for name in {*dir(ndarray)} - {*dir(Tensor)} | {"shape", "dtype"}:
    if not name.startswith("_"):
        setattr(Tensor, name, _refused(name, getattr(Tensor, name, None)))


def _rebuild(data: Any, requires_grad: bool, name: str | None, grad: Any) -> Tensor:
    tensor = Tensor(data, requires_grad, name=name)
    tensor.grad = grad
    return tensor


def apply(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] = NO_OPTIONS) -> Tensor:
    """Apply ``fn`` and record it: the one funnel every operation goes through."""
    rule = TABLE.get(fn)
    if rule is None or (kwargs and kwargs.get("out") is not None):
        return _apply_unruled(fn, args, kwargs)  # type: ignore[no-any-return]
    if kwargs:
        args, kwargs = _settle(rule, args, kwargs)
    if not (ordinary := mode.ordinary) and mode.watch is not None:
        args = mode.watch.operands(args)
    if len(args) != 2 or type(x := args[0]) is not Tensor or type(y := args[1]) is not Tensor:
        values, nodes, storage, guarded = _opened(rule, args)
        recorded = nodes.count(None) < len(nodes)
    else:  # the commonest operands spelled out: 0.4 µs less
        values, nodes = (x._array, y._array), (p := x._node, q := y._node)
        recorded = p is not None or q is not None
        storage, other = x._storage, y._storage
        guarded = storage is not None and (p is None or storage.exposed)
        if other is not None:
            guarded = guarded or q is None or other.exposed
            storage = storage or other
    try:
        if ordinary:
            out = rule.eager(*values, **kwargs) if kwargs else rule.eager(*values)
        else:
            out = _looked_at(rule, args, values, kwargs)
    except Exception as error:
        raise calls.explained(error, rule, args) from error
    saved = None
    if type(out) is not ndarray:
        if type(out) is Kept:
            saved, out = out, out.out
        out = calls.as_arrays(out)
        if isinstance(out, tuple) or not hasattr(out, "dtype"):
            return _several(rule, args, values, nodes, kwargs, out, saved, guarded, recorded)  # type: ignore[no-any-return]
    source = None  # no Tensor's memory but its own
    if not rule.is_ufunc and (getattr(out, "base", None) is not None or out is values[0]):
        source = _source(out, getattr(out, "base", None), args)
    storage = None if source is None else source._storage
    tensor = _new(Tensor)
    tensor._array = out
    recorded = recorded and (ordinary or mode.recording)
    if recorded and (rule.certain or check_call(rule, nodes, out)):
        tensor._node = record = _new(Record)  # spelled out as well: 0.1 µs
        tensor._storage = record.storage = storage
        watch = guarded and rule.reads_operands
        record.guards = _guards(rule, args, values, nodes) if watch else None
        record.number = next_number()
        record.rule, record.values, record.kwargs, record.parents = rule, values, kwargs, nodes
        record.out = (saved or out) if rule.reads_out else None
        record.origin = None
        if source is not None and storage is None:
            tensor._shared = source._share()
    else:
        tensor._node = None
        tensor._storage = Storage(out) if source is None else storage
        if source is not None:
            tensor._shared, tensor._taken = source._share(), (rule, values, kwargs)
            # none writes through those
            tensor._storage = None if fn in (identity, lent) else storage
    return tensor


def _looked_at(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """What an operation gives under ``no_grad``, in a capture, or while somebody watches."""
    if mode.watch is not None and mode.watch.computes(values):
        return rule.fn(*values, **kwargs)
    if mode.capture is not None:
        return mode.capture.apply(rule, args, values, kwargs)
    return rule.eager(*values, **kwargs)


def _source(out: Any, base: Any, args: tuple[Any, ...]) -> Tensor | None:
    """The Tensor among the operands in whose memory a result lies, which rests on ``base``."""
    for operand in args:
        if type(operand) is Tensor:
            array = operand._array
            if out is array or base is array or base is getattr(array, "base", None) is not None:
                return operand
    while type(deeper := getattr(base, "base", None)) is ndarray:  # as of np.broadcast_to
        base = deeper
        if (source := _source(None, base, args)) is not None:
            return source
    return None


def _opened(
    rule: Rule, args: tuple[Any, ...]
) -> tuple[Sequence[Any], Sequence[Node | None], Storage | None, bool]:
    """The operands' arrays, nodes, the first one's memory, and whether any is to be watched."""
    values: list[Any] = []
    nodes: list[Node | None] = []
    storage = listed = None
    guarded = False
    for operand in args:
        if (kind := type(operand)) is Tensor:
            values.append(operand._array)
            nodes.append(node := operand._node)
            if (memory := operand._storage) is not None:
                storage = storage or memory
                if node is None or memory.exposed:
                    guarded = True
            continue
        if kind is ndarray and operand.dtype.kind in NUMERIC:
            guarded = True
        elif kind is not float and kind is not int:
            if rule.is_users:
                _refuse_nest(rule, operand)
            if kind is list and rule.is_option(len(values)) and are_whole(operand):
                operand, kind = frozen(operand), tuple  # axes, counts, shapes
            elif kind is list or (kind is tuple and rule.is_ufunc):
                operand = listed = np.asarray(operand)  # one of Tensors that require grad refuses
            if kind is not tuple and (operand is not None or rule.is_ufunc):
                operand = _admitted(operand, rule.is_ufunc)
                guarded = guarded or isinstance(operand, ndarray)
        values.append(operand)
        nodes.append(None)
    if len(values) > rule.operands and not rule.is_users:
        calls.refuse_out(rule, args)
    if listed is not None and rule.certain:
        dtypes = [operand.dtype for operand in args if isinstance(operand, Tensor)]
        calls.say_if_wider(rule, listed.dtype, dtypes)
    return values, nodes, storage, guarded


def _admitted(operand: Any, is_number: bool = False) -> Any:
    """An operand from outside as plain data; refuses what computes in its own way.

    With ``is_number`` Python's own objects (Fraction, Decimal) are refused, too.
    """
    if isinstance(operand, np.memmap):
        operand = operand.view(ndarray)
    calls.refuse_own_way("the operand beside a Tensor", operand)
    dtype = getattr(operand, "dtype", None)
    if is_number and dtype is None and not isinstance(operand, (*NUMBERS, tuple)):
        dtype = np.asarray(operand).dtype
    if isinstance(operand, (ndarray, np.generic)) or is_number:
        calls.check_dtype(dtype, f"the operand {calls.brief(operand)}")
    return operand


def _refuse_nest(rule: Rule, nest: Any) -> None:
    if type(nest) in NESTS and _holds_tensor(nest):
        raise TypeError(
            f"{rule.name} was given Tensors inside a {type(nest).__name__}, where its rules do not "
            f"see them; make each one an operand of its own: {rule.name}(*tensors)."
        )


def _several(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], parents: Sequence[Node | None],
    kwargs: dict[str, Any], out: Any, saved: Any, guarded: bool, recorded: bool,
) -> Any:  # fmt: skip
    """Tensors around the results of a function that gave several, in a tuple of the same kind.

    Each that is not of integers has a record of its own, which refers to that of the operation.
    """
    if not isinstance(out, tuple):
        raise TypeError(f"{rule.name} returned a {type(out).__name__} instead of an array.")
    nodes: Sequence[Record | None] = [None] * len(out)
    if recorded and mode.recording and not rule.constant:
        for part in out:
            _ = part is None or check_call(rule, parents, part)
        watched = guarded and rule.reads_operands and _guards(rule, args, values, parents)
        record = Record.of(rule, values, kwargs, parents, watched or None)
        record.out = (saved or out) if rule.reads_out else None
        nodes = record.parts(out)
    made: list[Tensor | None] = []
    for part, node in zip(out, nodes, strict=True):
        given = () if rule.is_ufunc else (*args, *made)
        made.append(None if part is None else _placed(part, node, given))
    return tupled(type(out), made)


def _placed(array: Any, node: Record | None, given: tuple[Any, ...]) -> Tensor:
    """A result, which may lie in the memory of what was ``given``."""
    source = _source(array, getattr(array, "base", None), given)
    storage = source._storage if source is not None else Storage(array) if node is None else None
    tensor = Tensor._of(array, node, storage)
    if source is not None:
        tensor._shared = source._share()
    if node is not None:
        node.storage = storage
    return tensor


def _guards(
    rule: Rule, args: tuple[Any, ...], values: Sequence[Any], parents: Sequence[Node | None]
) -> list[Guard | None] | None:
    """What watches over each operand; contents are compared where the user can write to them."""
    guards: list[Any] = [getattr(operand, "_storage", None) for operand in args]
    for i, operand in enumerate(args):
        storage = guards[i]
        if isinstance(operand, ndarray) if storage is None else storage.exposed:
            active = [k for k, parent in enumerate(parents) if parent is not None]
            if any(i in rule.read_by(k, len(values)) for k in active):
                if storage is None:
                    guards[i] = Witness(values[i])
                else:
                    with EXCLUSIVE:
                        storage.notice()
    return guards if any(guard is not None for guard in guards) else None


def _settle(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check the options of a call; operands given by keyword become positional."""
    if "out" in kwargs:  # and None
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
    tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    if any(kwargs[name]._node is not None for name in tensors) or not args:
        args, kwargs = _by_position(rule, args, kwargs)
        tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    for value in kwargs.values() if rule.is_users else ():
        _refuse_nest(rule, value)
    for name in tensors:
        kwargs[name]._refuse_detaching(f"{rule.name}({name}=t)")
    if rule.is_ufunc and np.dtype(kwargs.get("dtype")).kind == "c":  # rules read what was computed
        args = tuple(a.astype(kwargs["dtype"]) if isinstance(a, Tensor) else a for a in args)
    allowed = DTYPE_OPTIONS if rule.is_ufunc else rule.accepts
    known = rule.constant or rule.accepts_any or allowed.issuperset(kwargs)
    if not known and _requires_grad(args):
        calls.refuse_options(rule, sorted(set(kwargs) - allowed))
    # arrays among the options (masks, mostly) are copied: nothing guards them
    if tensors or any(isinstance(value, ndarray) for value in kwargs.values()):
        kwargs = {name: _kept(value) for name, value in kwargs.items()}
    return args, kwargs


def _kept(value: Any) -> Any:
    """An option's value, arrays and Tensors as copies."""
    if isinstance(value, Tensor):
        return value.copy()._array
    return np.array(_admitted(value)) if isinstance(value, ndarray) else value


def _by_position(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with all arguments up to the last Tensor given by position."""
    try:
        bound = inspect.signature(rule.forward).bind(*args, **kwargs)
    except ValueError:  # NumPy does not tell the names of this function's parameters
        raise TypeError(f"{rule.name} takes Tensors by position, not by keyword.") from None
    names = list(bound.arguments)
    last = max(
        (i for i, n in enumerate(names) if isinstance(bound.arguments[n], Tensor)), default=0
    )
    if len(bound.args) <= last:
        return args, kwargs
    options = {n: bound.arguments[n] for n in names[last + 1 :]}
    return bound.args[: last + 1], {n: v for n, v in options.items() if n in kwargs or n in names}


def _requires_grad(tree: Any) -> bool:
    """Whether a call's arguments hold a Tensor that requires grad."""
    return any(isinstance(leaf, Tensor) and leaf._node is not None for leaf in leaves(tree))


def _unwrap(tree: Any, lends: bool = False) -> Any:
    """A call's arguments with arrays for Tensors, which are read-only if somebody is lent them."""
    if isinstance(tree, Tensor):
        array = tree._array
        return read_only(array) if lends and type(array) is ndarray else array
    if isinstance(tree, (list, tuple)):
        return type(tree)(_unwrap(part, lends) for part in tree)
    if isinstance(tree, dict):
        return {name: _unwrap(part, lends) for name, part in tree.items()}
    return tree


def _apply_unruled(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Functions outside the table: composites, facts, writers, and whatever needs no gradient."""
    if kwargs.get("out") is not None:
        return _write_into(fn, args, kwargs)
    if fn in COMPOSITES:
        if mode.capture is not None:
            args, kwargs = mode.capture.lift((args, kwargs), declared=True)
        return COMPOSITES[fn](*args, **kwargs)
    is_ruled, reason = (False, "") if fn in TABLE else of_scipy(fn)
    if is_ruled:
        return apply(fn, args, kwargs)
    name = name_of(fn)
    if fn in METADATA:
        if fn not in FACTS and mode.capture is not None:
            mode.capture.leave(f"np.{name}")
        return fn(*_unwrap(args), **_unwrap(kwargs))
    if fn in WRITERS and isinstance((*args, *kwargs.values())[0], Tensor):
        raise TapeError(f"np.{name} cannot write into a Tensor; {calls.WRITTEN}")
    if _requires_grad((args, kwargs)):
        if fn in WRITERS:
            raise ways.written(name)
        raise ways.underived(name, fn, reason)
    if mode.capture is not None:
        rule, parts = unruled(fn, args, kwargs)
        out = mode.capture.apply(rule, parts, _unwrap(parts), NO_OPTIONS)
    else:
        try:
            out = calls.as_arrays(fn(*_unwrap(args, True), **_unwrap(kwargs, True)))
        except ValueError as error:
            refuse_write(error, name)
            raise
    given = leaves((args, kwargs))
    if isinstance(out, tuple):
        return tupled(type(out), [_of_unruled(part, given) for part in out])
    return _of_unruled(out, given)


def _of_unruled(out: Any, given: list[Any]) -> Any:
    """A result of a function without a rule, in memory of its own or of what was given."""
    if not isinstance(out, ndarray):
        return out
    if mode.capture is not None:
        return Tensor._owning(out)
    made = _placed(out, None, tuple(given))
    return made if getattr(made, "_shared", None) is not None else Tensor(out)


def _write_into(fn: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """``out=``: into an array only constants may go, into a Tensor nothing."""
    if _holds_tensor(options["out"]):
        name = getattr(fn, "__self__", fn).__name__
        raise TapeError(f"np.{name}(out=tensor) cannot be recorded; assign the result instead.")
    for operand in leaves((inputs, options)):
        if isinstance(operand, Tensor):
            what = f"{fn.__name__} with out=array (or array += t: assign the result instead)"
            operand._refuse_detaching(what)
    if mode.capture is not None:
        mode.capture.leave("a write into an array (array += t, out=array)")
    return fn(*_unwrap(inputs), **_unwrap(options))


def _apply_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """``np.add.reduce`` and its relatives, as the functions they are."""
    if method == "outer":
        a, b = inputs
        return apply(ufunc, (np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), options)
    calls.check_method(ufunc, method, inputs, options)
    if method == "at":
        return inputs[0]._put(f"np.{ufunc.__name__}.at", ..., indexing.added_at(ufunc, *inputs))
    known = calls.METHODS.get((method, ufunc), getattr(ufunc, method))
    return apply(known, inputs, {"axis": 0, **options} if len(inputs) == 1 else options)


def array(nested: Any, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """A Tensor from a nested list of numbers, arrays and Tensors of equal shapes; recorded."""
    built = _build(nested)
    if dtype is not None and built.dtype != np.dtype(dtype):
        built = built.astype(dtype)
    if requires_grad and built._node is None:
        built = Tensor(built._array, requires_grad)
    return built


def from_numpy(array: ndarray, requires_grad: bool = False) -> Tensor:
    """A Tensor that shares the memory of an array: a write to one is seen in the other.

    The array is watched from then on, as one that ``t.data`` gave: where it was overwritten between
    forward and backward, backward says so. Raises TypeError for what is no array of numbers,
    ReplayError in a step that is replayed, which keeps the memory that it was recorded with.
    """
    if type(array) is not ndarray:
        raise TypeError(
            f"from_numpy takes an np.ndarray, not {type(array).__name__}; tg.Tensor(data) copies."
        )
    calls.check_dtype(array.dtype, "an array")
    if mode.capture is not None:
        raise ReplayError(
            "from_numpy in a replayed step, which would keep the memory of this array; make the "
            "Tensor once, outside the step, or pass the array as an argument."
        )
    tensor = Tensor._owning(array)
    assert tensor._storage is not None
    tensor._storage.lent = lambda: array  # for good, so that it is watched as long
    tensor._storage.expose()
    tensor.requires_grad = requires_grad
    return tensor


def _build(nested: Any) -> Tensor:
    if isinstance(nested, Tensor):
        return nested
    if not isinstance(nested, (list, tuple)) or not _holds_tensor(nested):
        return Tensor(nested)
    parts = [part if isinstance(part, NUMBERS) else _build(part) for part in nested]
    dtype = np.result_type(*(p.dtype if isinstance(p, Tensor) else p for p in parts))
    return stack([p if isinstance(p, Tensor) else Tensor(p, dtype=dtype) for p in parts])


def _holds_tensor(nested: Any) -> bool:
    return any(isinstance(leaf, Tensor) for leaf in leaves(nested))


def stack(tensors: Any, axis: int = 0) -> Tensor:
    """``np.stack`` of a list of Tensors and arrays of one shape, along a new axis."""
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"tg.stack takes a list of Tensors and arrays, not {calls.brief(tensors)}.")
    parts = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    return apply(np.stack, (parts,), {"axis": axis})


def alias(tensor: Tensor) -> Tensor:
    """The same value under a new place on the tape: what a transform differentiates by."""
    return apply(identity, (tensor,))
