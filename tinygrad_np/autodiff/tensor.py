"""Tensor: an array that records what happens to it, through one funnel behind NumPy's protocols."""

import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DetachError, ShapeError, TapeError
from .guards import Guard, Slot, Storage, Witness
from .nests import leaves
from .primitives import broadcast, cast, identity, put_at, replace_at, split_index, take_at, update
from .rules import COMPOSITES, FACTS, METADATA, TABLE, WRITERS
from .rules.table import Kept, Rule, remedy
from .sweep import sweep
from .tape import NO_OPTIONS, Leaf, Node, Record, mode, next_number

Method = Callable[..., Any]
Operator = Callable[["Tensor", Any], "Tensor"]
ndarray = np.ndarray
NUMBERS = (bool, int, float, complex)
_new = object.__new__
DTYPE_OPTIONS = frozenset(["dtype", "casting", "order", "subok", "signature"])
METHODS: dict[tuple[str, np.ufunc], Any] = {
    ("reduce", np.add): np.sum, ("reduce", np.multiply): np.prod,
    ("reduce", np.maximum): np.max, ("reduce", np.minimum): np.min,
    ("reduce", np.logical_and): np.all, ("reduce", np.logical_or): np.any,
    ("accumulate", np.add): np.cumsum, ("accumulate", np.multiply): np.cumprod,
}  # fmt: skip


def _unary(fn: np.ufunc) -> Callable[["Tensor"], "Tensor"]:
    """An operator of one Tensor."""
    return lambda self: apply(fn, (self,))


def _binary(fn: np.ufunc) -> tuple[Operator, Operator, Operator]:
    """An operator in its three forms: t + u, u + t, t += u."""

    def forward(self: "Tensor", other: Any) -> "Tensor":
        return apply(fn, (self, other))

    def reflected(self: "Tensor", other: Any) -> "Tensor":
        return apply(fn, (other, self))

    def in_place(self: "Tensor", other: Any) -> "Tensor":
        return self._update(fn, other)

    return forward, reflected, in_place


def _method(fn: Any) -> Method:
    """The method that calls a NumPy function on its Tensor."""

    def method(self: "Tensor", *args: Any, **options: Any) -> Any:
        return apply(fn, (self, *args), options)

    method.__name__ = fn.__name__
    method.__doc__ = f"``np.{fn.__name__}`` of this Tensor."
    return method


class Tensor:
    """An array with a place on the tape.

    ``data`` is an array, a number or a nested list of numbers (of real, complex, integer or
    boolean dtype); it is copied. With ``requires_grad=True`` (real or complex only) the Tensor is a
    leaf: ``backward`` of whatever is computed from it leaves its gradient in ``.grad``. ``name`` is
    shown in errors and graphs. Raises TypeError for other dtypes, DetachError for Tensors that
    require grad.
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_name", "_node", "_storage")
    _data: Any
    _node: Node | None
    _storage: Storage | None
    _grad: "Tensor | Slot | None"
    _name: str | None

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, name: str | None = None
    ) -> None:
        given = data
        if isinstance(data, Tensor):
            data._refuse_detaching("Tensor(t)")
            data = data._data
        if not hasattr(type(data), "__array_function__") or isinstance(data, ndarray):
            data = np.array(data, dtype=dtype, subok=False)
        elif dtype is not None:
            data = data.astype(dtype)
        if data.dtype.kind not in "biufc":
            raise TypeError(
                f"a Tensor holds numbers, not dtype {data.dtype}; convert the data first."
            )
        if mode.capture is not None:
            mode.capture.enter(given, data)
        self._data = data
        self._node = None
        self._storage = Storage(data)
        if name is not None:
            self.name = name
        if requires_grad:
            self.requires_grad = True

    @classmethod
    def _of(cls, data: Any, node: Node | None, storage: Storage | None = None) -> "Tensor":
        """A Tensor around an array that is ours already."""
        tensor = cls.__new__(cls)
        tensor._data = data
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
        self._leave("t.data")
        storage = self._storage
        if storage is not None and storage.array is self._data and not self._is_result:
            storage.expose()
            return self._data
        if not isinstance(self._data, ndarray):
            return self._data
        if storage is not None and storage.slot is not None:
            storage.expose()
        view = self._data.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, value: Any) -> None:
        if self._is_result:
            raise TapeError("only a leaf's data can be replaced; this Tensor is a result.")
        if mode.capture is not None:
            mode.capture.replace()
        if value is self._data:
            if self._storage is not None:
                self._storage.write()
            return
        fresh = Tensor(value, dtype=self.dtype)
        if fresh.shape != self.shape:
            raise ShapeError(f"data of shape {fresh.shape} cannot replace data of {self.shape}.")
        if fresh._storage is not None:
            fresh._storage.write()  # records made before now must find this one newer than they are
        if self._storage is not None:
            self._storage.write()
        self._data, self._storage = fresh._data, fresh._storage
        if isinstance(self._node, Leaf):
            self._node.storage = fresh._storage
            self._node.move()

    @property
    def grad(self) -> "Tensor | None":
        """The accumulated gradient of a leaf: same shape and dtype, or None before a backward."""
        if mode.capture is not None:
            mode.capture.read_grad(self)
        found = getattr(self, "_grad", None)
        if type(found) is Slot:
            found = self._grad = found.give(Tensor._of)
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
            mode.capture.set_grad(self, gradient)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this Tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self._data.dtype.kind not in "fc":
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
        if mode.capture is not None:
            mode.capture.frees_or_freezes(self)
        if isinstance(self._node, Leaf):
            self._node.move()
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
        elif self._storage is not None and self._storage.array is self._data:
            self._storage.name = value

    @property
    def _is_result(self) -> bool:
        return isinstance(self._node, Record)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """Bytes the elements take."""
        return self._data.nbytes  # type: ignore[no-any-return]

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

    @property
    def imag(self) -> "Tensor":
        """The imaginary part."""
        return apply(np.imag, (self,))

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
        for leaf, cotangent in found.items():
            tensor = leaf.tensor()  # type: ignore[union-attr] # what a sweep without targets finds
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
                return np.ones_like(self._data)
            gradient = np.ones_like(self if mode.capture is not None else self._data)
        seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
        if seed.shape != self.shape:
            raise ShapeError(
                f"gradient of shape {seed.shape} given to backward of a result of {self.shape}."
            )
        if not create_graph and mode.capture is None:
            return seed._data.astype(self.dtype, copy=False)
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
            self._grad = Tensor._owning(old._data + fresh._data)

    def _write(self) -> Any:
        """The array itself, for a write in place that happens now."""
        if self._storage is None or self._is_result:
            raise TapeError("only a leaf can be written in place.")
        self._leave("a write to it")
        self._storage.write()
        return self._data

    def detach(self) -> "Tensor":
        """The same values as a constant."""
        made = Tensor._of(self._data, None, self._storage)
        if mode.capture is not None:
            mode.capture.detached(self, made)
        return made

    def numpy(self) -> Any:
        """A copy of the values as an ndarray."""
        self._leave("t.numpy()")
        return np.array(self._data)

    def item(self) -> Any:
        """The only element as a Python number."""
        self._leave("t.item()")
        return self._data.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        self._leave("t.tolist()")
        return self._data.tolist()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if options.get("out") is not None:
            return _write_into(ufunc, method, inputs, options)
        if method == "__call__":
            return apply(ufunc, inputs, options)
        return _apply_method(ufunc, method, inputs, options)

    def __array_function__(
        self, fn: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return apply(fn, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._refuse_detaching("np.asarray(t)")
        self._leave("np.asarray(t)")
        reused = self._storage is not None and self._storage.slot is not None
        if copy or reused or (dtype is not None and dtype != self.dtype):
            return np.array(self._data, dtype=dtype)
        view = np.asarray(self._data).view()
        view.flags.writeable = False
        return view

    def _refuse_detaching(self, what: str) -> None:
        if self._node is not None:
            raise DetachError(
                f"{what} would cut a Tensor that requires grad (shape {self.shape}) off the tape: "
                "use .item() or .numpy() (or .detach()) if that is meant, tg.array or tg.stack to "
                "make one Tensor of several, and a Tensor as the target of a write."
            )

    def _leave(self, how: str) -> None:
        """Tell a capture, if there is one, that the value leaves the tape."""
        if mode.capture is not None:
            mode.capture.leave(how)

    def __bool__(self) -> bool:
        self._leave("a truth value (if t, while t, and, or)")
        return bool(self._data)

    def _number(self, kind: Any) -> Any:
        self._refuse_detaching(f"{kind.__name__}(t)")
        self._leave(f"{kind.__name__}(t)")
        return kind(self._data)

    def __float__(self) -> float:
        return self._number(float)  # type: ignore[no-any-return]

    def __int__(self) -> int:
        return self._number(int)  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return self._number(complex)  # type: ignore[no-any-return]

    def __index__(self) -> int:
        self._leave("its use as an index or count")
        return operator.index(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("a 0-d Tensor cannot be iterated over.")
        return (self[i] for i in range(len(self._data)))

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> "Tensor":
        layout, arrays = split_index(index)
        return apply(take_at, (self, layout, *arrays))

    def __setitem__(self, index: Any, value: Any) -> None:
        layout, arrays = split_index(index)
        if self._is_written_in_place("t[i] = v"):
            self._write_now(put_at, value, layout, *arrays)
            return
        known = isinstance(value, (Tensor, ndarray, list, *NUMBERS))
        value = value if known else np.asarray(value)
        self._become(apply(replace_at, (self, value, layout, *arrays)))

    def _is_written_in_place(self, what: str) -> bool:
        """Whether a write goes to the memory of a leaf; refuses those that would lose something."""
        if self._node is None:
            return False
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
        """Call ``fn`` on the array itself, which it writes to."""
        assert self._storage is not None
        values = _unwrap(operands)
        if mode.capture is not None:
            mode.capture.write(fn, self, operands, values)
        self._storage.write()
        fn(self._data, *values)

    def _become(self, other: "Tensor") -> None:
        """Take over another Tensor's value and history; what was saved before keeps its own."""
        if not np.can_cast(other.dtype, self.dtype, "same_kind"):
            raise TypeError(
                f"a result of dtype {other.dtype} does not fit into a Tensor of {self.dtype}; "
                "write t = t + v instead of t += v to get a new Tensor."
            )
        if other.dtype != self.dtype:
            other = other.astype(self.dtype)
        if other.shape != self.shape:
            raise ShapeError(f"a result of shape {other.shape} cannot replace one of {self.shape}.")
        if mode.capture is not None:
            mode.capture.become(self, other)
        self._data, self._node, self._storage = other._data, other._node, other._storage

    def _update(self, ufunc: np.ufunc, other: Any) -> "Tensor":
        """``t += other`` and the like."""
        if self._is_written_in_place("an update in place (t += v)"):
            self._write_now(update, ufunc, other)
        else:
            self._become(apply(ufunc, (self, other)))
        return self

    def __repr__(self) -> str:
        body = repr(self._data)
        if isinstance(self._data, ndarray):
            body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=60)
        made = ""
        if isinstance(self._node, Record):
            made = f", made by {self._node.rule.name}"
        elif self._node is not None:
            made = ", requires_grad=True"
        name = f", name={self.name!r}" if self.name else ""
        return f"Tensor({body}, shape={self.shape}, dtype={self.dtype}{name}{made})"

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if spec and self.size == 1 else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._is_result:
            raise TapeError(
                "a recorded result cannot be copied or pickled with its history; .detach() first."
            )
        grad = None if self.grad is None else self.grad.numpy()
        return _rebuild, (self._data, self.requires_grad, getattr(self, "_name", None), grad)

    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)
    __add__, __radd__, __iadd__ = _binary(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.divide)
    __pow__, __rpow__, __ipow__ = _binary(np.power)
    __matmul__, __rmatmul__ = _binary(np.matmul)[:2]
    __mod__, __rmod__ = _binary(np.remainder)[:2]
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide)[:2]
    __and__, __rand__ = _binary(np.bitwise_and)[:2]
    __or__, __ror__ = _binary(np.bitwise_or)[:2]
    __xor__, __rxor__ = _binary(np.bitwise_xor)[:2]
    __lshift__, __rshift__ = _binary(np.left_shift)[0], _binary(np.right_shift)[0]
    __lt__, __le__ = _binary(np.less)[0], _binary(np.less_equal)[0]
    __gt__, __ge__ = _binary(np.greater)[0], _binary(np.greater_equal)[0]

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

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
        return self.reshape(-1, order=order)

    def astype(self, dtype: Any, copy: bool = True) -> "Tensor":
        """The values in another dtype; integers and booleans are constants."""
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return apply(cast, (self, np.dtype(dtype)))

    def copy(self) -> "Tensor":
        """The same values in memory of their own, recorded."""
        return apply(broadcast, (self, self.shape))

    def compress(self, condition: Any, axis: int | None = None) -> "Tensor":
        """The slices along ``axis`` where the condition holds."""
        return apply(np.compress, (condition, self), {"axis": axis})

    # These call the NumPy function of their name.
    sum, mean, var, std, prod = map(_method, (np.sum, np.mean, np.var, np.std, np.prod))
    max, min, ptp, any, all = map(_method, (np.max, np.min, np.ptp, np.any, np.all))
    argmax, argmin, argsort, sort = map(_method, (np.argmax, np.argmin, np.argsort, np.sort))
    cumsum, cumprod, trace, dot = map(_method, (np.cumsum, np.cumprod, np.trace, np.dot))
    swapaxes, squeeze, ravel = map(_method, (np.swapaxes, np.squeeze, np.ravel))
    repeat, take, diagonal = map(_method, (np.repeat, np.take, np.diagonal))
    clip, round, conj, conjugate = map(_method, (np.clip, np.round, np.conj, np.conjugate))
    nonzero, searchsorted = map(_method, (np.nonzero, np.searchsorted))


def _rebuild(data: Any, requires_grad: bool, name: str | None, grad: Any) -> Tensor:
    tensor = Tensor(data, requires_grad, name=name)
    tensor.grad = grad
    return tensor


def apply(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] = NO_OPTIONS) -> Tensor:
    """Apply ``fn`` and record it: the one funnel every operation goes through."""
    rule = TABLE.get(fn)
    if rule is None:
        return _apply_unruled(fn, args, kwargs)  # type: ignore[no-any-return]
    if kwargs:
        args, kwargs = _settle(rule, args, kwargs)
    values: Sequence[Any]
    nodes: Sequence[Node | None]
    if len(args) == 2 and type(x := args[0]) is Tensor and type(y := args[1]) is Tensor:
        # the commonest operands spelled out: 0.4 µs less
        values, nodes = (x._data, y._data), (p := x._node, q := y._node)
        recorded = p is not None or q is not None
        storage, other = x._storage, y._storage
        guarded = storage is not None and (p is None or storage.exposed)
        if other is not None:
            guarded = guarded or q is None or other.exposed
            storage = storage or other
    else:
        values, nodes, storage, guarded = _opened(args)
        recorded = nodes.count(None) < len(nodes)
    ordinary = mode.ordinary
    try:
        if not ordinary and mode.capture is not None:
            out = mode.capture.call(rule, args, values, kwargs)
        else:
            out = rule.eager(*values, **kwargs) if kwargs else rule.eager(*values)
    except Exception as error:
        raise _explained(error, rule, args) from error
    saved = None
    if type(out) is not ndarray:
        if type(out) is Kept:
            saved, out = out, out.out
        out = _as_array(out)
        if type(out) is tuple:
            return tuple(Tensor._owning(part) for part in out)  # type: ignore[return-value]
    if storage is not None and (
        rule.is_ufunc or (getattr(out, "base", None) is None and out is not values[0])
    ):
        storage = None  # memory of its own, not a view
    tensor = _new(Tensor)
    tensor._data = out
    if recorded and (ordinary or mode.recording) and (rule.certain or _check_call(rule, args, out)):
        tensor._node = record = _new(Record)  # spelled out as well: 0.1 µs
        tensor._storage = record.storage = storage
        record.number = next_number()
        record.rule, record.values, record.kwargs, record.parents = rule, values, kwargs, nodes
        record.out = (saved or out) if rule.reads_out else None
        watch = guarded and rule.reads_operands
        record.guards = _guards(rule, args, values, nodes) if watch else None
        record.origin = None
    else:
        tensor._node = None
        tensor._storage = storage or Storage(out)
    return tensor


def _opened(
    args: tuple[Any, ...],
) -> tuple[Sequence[Any], Sequence[Node | None], Storage | None, bool]:
    """The operands' arrays, nodes, the first one's memory, and whether any is to be watched."""
    values: list[Any] = []
    nodes: list[Node | None] = []
    storage = None
    guarded = False
    for operand in args:
        if (kind := type(operand)) is Tensor:
            values.append(operand._data)
            nodes.append(node := operand._node)
            if (memory := operand._storage) is not None:
                storage = storage or memory
                if node is None or memory.exposed:
                    guarded = True
            continue
        if kind is not float and kind is not int:
            if kind is list:
                operand = np.asarray(operand)  # a list of Tensors that require grad refuses
            elif isinstance(operand, ndarray):
                guarded = True
        values.append(operand)
        nodes.append(None)
    return values, nodes, storage, guarded


def _check_call(rule: Rule, args: tuple[Any, ...], out: Any) -> bool:
    """Whether a result is to be recorded; refuses a call that the rule would not understand."""
    if rule.constant:
        return False
    if len(args) > rule.operands:
        raise TypeError(
            f"{rule.name} was given {len(args)} positional arguments, and its rule knows "
            f"{rule.operands}: give options by keyword."
        )
    return bool(out.dtype.kind in "fc")


def _as_array(out: Any) -> Any:
    """A function's result as array (or tuple of arrays); arrays of other libraries stay."""
    if isinstance(out, (np.generic, *NUMBERS)):
        return np.asarray(out)
    if isinstance(out, (tuple, list)):
        return tuple(np.asarray(part) for part in out)
    return out


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
                guards[i] = Witness(values[i], storage)
    return guards if any(guard is not None for guard in guards) else None


def _settle(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Check the options of a call; operands given by keyword become positional."""
    if kwargs.get("out", 0) is None:
        kwargs = {name: value for name, value in kwargs.items() if name != "out"}
    tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    if any(kwargs[name]._node is not None for name in tensors) or not args:
        args, kwargs = _by_position(rule, args, kwargs)
        tensors = [name for name, value in kwargs.items() if isinstance(value, Tensor)]
    for name in tensors:
        kwargs[name]._refuse_detaching(f"{rule.name}({name}=t)")
    allowed = DTYPE_OPTIONS if rule.is_ufunc else rule.accepts
    if not rule.constant and not allowed.issuperset(kwargs) and _requires_grad(args):
        unknown = sorted(set(kwargs) - allowed)
        raise NotImplementedError(
            f"{rule.name} with {', '.join(f'{name}=' for name in unknown)} cannot be recorded; "
            + remedy(unknown)
        )
    # arrays among the options (masks, mostly) are copied: nothing guards them
    if tensors or any(isinstance(value, ndarray) for value in kwargs.values()):
        kwargs = {name: _kept(value) for name, value in kwargs.items()}
    return args, kwargs


def _kept(value: Any) -> Any:
    """An option's value, arrays and Tensors as copies."""
    if isinstance(value, Tensor):
        return value.copy()._data
    return np.array(value) if isinstance(value, ndarray) else value


def _by_position(
    rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with all arguments up to the last Tensor given by position."""
    try:
        bound = inspect.signature(rule.forward).bind(*args, **kwargs)
    except ValueError:  # NumPy does not tell the names of this function's parameters
        raise TypeError(f"{rule.name} takes Tensors by position, not by keyword, here.") from None
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


def _unwrap(tree: Any) -> Any:
    """A call's arguments with arrays for Tensors."""
    if isinstance(tree, Tensor):
        return tree._data
    if isinstance(tree, (list, tuple)):
        return type(tree)(_unwrap(part) for part in tree)
    if isinstance(tree, dict):
        return {name: _unwrap(part) for name, part in tree.items()}
    return tree


def _apply_unruled(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Functions outside the table: composites, facts, writers, and whatever needs no gradient."""
    if fn in COMPOSITES:
        if mode.capture is not None:
            mode.capture.declared(fn, (args, kwargs))
        return COMPOSITES[fn](*args, **kwargs)
    name = getattr(fn, "__name__", repr(fn))
    if fn in METADATA:
        if fn not in FACTS and mode.capture is not None:
            mode.capture.leave(f"np.{name}")
        return fn(*_unwrap(args), **_unwrap(kwargs))
    if _requires_grad((args, kwargs)):
        if fn in WRITERS:
            raise DetachError(
                f"np.{name} would write a Tensor that requires grad into an array, off the tape; "
                "write t[index] = value on a Tensor instead, or .detach() the value."
            )
        raise TapeError(
            f"{name} has no derivative here: give it one with tg.defvjp, or pass t.detach()."
        )
    if fn in WRITERS and isinstance(args[0], Tensor):
        raise TapeError(f"np.{name} cannot write into a Tensor; use t[index] = value.")
    if mode.capture is not None:
        out = mode.capture.call_unknown(fn, args, kwargs)
    else:
        out = _as_array(fn(*_unwrap(args), **_unwrap(kwargs)))
    own = Tensor if mode.capture is None else Tensor._owning  # they may be views
    if isinstance(out, tuple):
        return tuple(own(part) for part in out)
    return own(out) if isinstance(out, ndarray) else out


def _write_into(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """``out=``: into an array only constants may go, into a Tensor nothing."""
    targets = options["out"]
    if any(isinstance(target, Tensor) for target in targets):
        raise TapeError(
            f"np.{ufunc.__name__}(out=tensor) cannot be recorded; assign the result instead."
        )
    for operand in inputs:
        if isinstance(operand, Tensor):
            operand._refuse_detaching(f"{ufunc.__name__} into an array (array += t, out=array)")
    if mode.capture is not None:
        mode.capture.leave("a write into an array (array += t, out=array)")
    return getattr(ufunc, method)(*_unwrap(inputs), **_unwrap(options))


def _apply_method(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """``np.add.reduce`` and its relatives, as the functions they are."""
    if method == "outer":
        a, b = inputs
        return apply(ufunc, (np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), options)
    if (known := METHODS.get((method, ufunc))) is not None:
        return apply(known, inputs, {"axis": 0, **options} if len(inputs) == 1 else options)
    if method == "at":
        raise TapeError(
            f"np.{ufunc.__name__}.at writes in place and cannot be recorded; use t[index] = value."
        )
    if _requires_grad((inputs, options)):
        raise TapeError(f"np.{ufunc.__name__}.{method} has no derivative here.")
    return _apply_unruled(getattr(ufunc, method), inputs, options)


def _explained(error: Exception, rule: Rule, args: tuple[Any, ...]) -> Exception:
    """The error with the operation, its operands and, for products, the likely cure."""
    shown = [_shown(i, operand) for i, operand in enumerate(args)]
    if type(error) is not ValueError:
        error.add_note(f"in {rule.name} of\n  " + "\n  ".join(shown))
        return error
    text = f"{rule.name}: {error} Operands:\n  " + "\n  ".join(shown) + _likely_cure(rule, args)
    return ShapeError(text)


def _shown(position: int, operand: Any) -> str:
    name = getattr(operand, "name", None) or f"operand {position}"
    if hasattr(operand, "shape"):
        return f"{name}: shape {operand.shape}, dtype {operand.dtype}"
    return f"{name}: {operand!r}"


def _likely_cure(rule: Rule, args: tuple[Any, ...]) -> str:
    if rule.fn is not np.matmul or np.ndim(args[1]) != 2 or np.ndim(args[0]) == 0:
        return ""
    if np.shape(args[0])[-1] == np.shape(args[1])[-1]:
        return "\n  did you mean x @ w.T?"
    return ""


def array(nested: Any, requires_grad: bool = False, dtype: Any = None) -> Tensor:
    """A Tensor from a nested list of numbers, arrays and Tensors of equal shapes; recorded."""
    built = _build(nested)
    if dtype is not None and built.dtype != np.dtype(dtype):
        built = built.astype(dtype)
    if requires_grad and built._node is None:
        built = Tensor(built._data, requires_grad=True)
    return built


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
    parts = [t if isinstance(t, Tensor) else Tensor(t) for t in tensors]
    return apply(np.stack, (parts,), {"axis": axis})


def alias(tensor: Tensor) -> Tensor:
    """The same value under a new place on the tape: what a transform differentiates by."""
    return apply(identity, (tensor,))
