"""Tensor: an array that records the operations on it; its data, and NumPy's protocols."""

import operator
from typing import Any

import numpy as np

from ..errors import ShapeError, TapeError
from ..foreign import check_known, core, hosted, refuse_mixture
from ..habits import NAMES, warn_of_result
from ..markup import facts, of_array
from .funnel import apply, bind, write_into
from .guards import EXCLUSIVE, Lent, Shared, Slot, Storage
from .operators import Operators, apply_method
from .primitives import akin, cast, identity, is_foreign
from .rules import TABLE, calls, ways
from .rules.calls import NUMERIC
from .rules.table import check_flag
from .sweep import OWN, is_in_slot, references, sweep
from .tape import Leaf, Node, Record, changes, history, mode
from .writes import put

ndarray = np.ndarray


def _fact(name: str, said: str) -> Any:
    """An attribute that is that of the array, read in C."""
    return property(operator.attrgetter(f"_array.{name}"), doc=said)


class Tensor(Operators, ways.Foreign):
    """An array that records the operations on it.

    ``data`` is an array, a number or a nested list of numbers (of real, complex, integer or
    boolean dtype); it is copied. With ``requires_grad=True`` (real or complex only) the Tensor is a
    leaf: ``backward`` of whatever is computed from it leaves its gradient in ``.grad``. ``name`` is
    shown in errors and graphs. Raises TypeError for other dtypes, DetachError for Tensors that
    require grad.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, dtype=np.float32)
    >>> loss = np.sum(w**2)
    >>> loss.backward()
    >>> w.grad
    Tensor([2., 4.], shape=(2,), dtype=float32)
    """

    __slots__ = (
        "__weakref__", "_array", "_grad", "_name", "_node", "_shared", "_storage", "_taken",
    )  # fmt: skip
    mixes = True  # with arrays of NumPy's: see primitives.is_foreign
    _node: Node | None
    _storage: Storage | None
    _shared: Shared | None  # set where other Tensors lie in the same memory
    _taken: Any  # how a constant was taken from the base: rule, values, options of each view
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
        else:
            check_known(data)
            data = data if dtype is None else data.astype(dtype)
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
            raise TapeError("t.data = v needs a leaf, and this is a result; write t[...] = v.")
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
        changes.note()
        if isinstance(self._node, Leaf):
            self._node.storage = fresh._storage

    @property
    def grad(self) -> "Tensor | None":
        """The accumulated gradient of a leaf: same shape and dtype, or None before a backward."""
        if mode.capture is not None:
            mode.capture.gradient(self)
        found = getattr(self, "_grad", None)
        if found is None and type(self._node) is Record and not hasattr(self, "_grad"):
            warn_of_result()
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
        self._grad = fresh
        if mode.capture is not None:
            mode.capture.gradient(self, fresh)

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
        self._node = Leaf(self, self.name) if value else None
        changes.note()

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

    shape: tuple[int, ...] = _fact("shape", "Length of each axis.")
    dtype: np.dtype[Any] = _fact("dtype", "Type of the elements.")
    ndim: int = _fact("ndim", "Number of axes.")
    size: int = _fact("size", "Number of elements.")
    nbytes: int = _fact("nbytes", "Bytes the elements take.")

    def backward(
        self, gradient: Any = None, create_graph: bool = False, retain_graph: bool = False
    ) -> None:
        """Add d(self)/d(leaf), weighted by ``gradient``, to ``.grad`` of every leaf.

        ``gradient`` has the shape of this Tensor and may be left out for one real element.
        ``create_graph`` records the sweep itself, so that gradients have gradients;
        ``retain_graph`` keeps the graph for another backward. Raises TapeError if nothing was
        recorded or the graph was released, StaleValueError if a saved array was overwritten.
        """
        if self._node is None:
            raise TapeError(
                "backward() on a Tensor that does not require grad: no operand of it was made "
                "with requires_grad=True, or it was computed under no_grad, or by tg.replay (call "
                "backward() inside its function)."
            )
        if gradient is None:
            if self.size != 1:
                raise TapeError(
                    f"backward() without a gradient needs a result of one element, not shape "
                    f"{self.shape}; reduce it (for example with .sum()) or pass gradient=."
                )
            if self.dtype.kind == "c":
                raise TapeError(
                    "backward() of a complex result; take its real part, or pass gradient=."
                )
            gradient = np.ones_like(self if mode.capture is not None else self._array)
        seed = self._seed(gradient, "the gradient given to backward", create_graph)
        retain = retain_graph or create_graph
        try:
            found = sweep([(self._node, seed)], Tensor, retain, (), create_graph)
        except Exception as error:
            calls.keep_reason(self._node, error)
            raise
        plain = not create_graph and mode.capture is None
        with EXCLUSIVE:  # other threads may add to the same leaf
            for leaf, cotangent in found.items():
                tensor = leaf.tensor()  # type: ignore[union-attr] # a sweep without targets
                if tensor is None:
                    continue
                if plain and getattr(tensor, "_grad", None) is None:
                    in_slot = is_in_slot(leaf, cotangent)
                    tensor._grad = leaf.slot if in_slot else Tensor._owning(cotangent)  # type: ignore[union-attr]
                else:
                    tensor._accumulate(cotangent)

    def _seed(self, given: Any, what: str, records: bool) -> Any:
        """The cotangent a sweep from here starts with: ``given``, in this shape and dtype."""
        as_array, own = not records and mode.capture is None, self._array
        fits = as_array and type(given) is ndarray is type(own) and given.dtype is own.dtype
        if fits and given.shape == own.shape and given.flags.c_contiguous:
            return given  # as it is: 5 µs less
        seed = given if isinstance(given, Tensor) else Tensor(given)
        if is_foreign(core(own)) and not isinstance(given, (Tensor, ndarray)):  # numbers
            seed = Tensor(akin(seed._array, own))
        refuse_mixture(what, seed, own)
        if seed.shape != self.shape:
            raise ShapeError(
                f"{what} has shape {seed.shape}, and its Tensor has shape {self.shape}."
            )
        calls.refuse_imaginary(what, seed, self)
        seed = seed if seed.dtype == self.dtype else seed.astype(self.dtype)
        return seed._array if as_array else seed

    def _accumulate(self, cotangent: Any) -> None:
        """Add to ``.grad``, out of place: an older gradient may be in use elsewhere."""
        fresh = cotangent if isinstance(cotangent, Tensor) else Tensor._owning(cotangent)
        old = self.grad
        self.grad = fresh if old is None else old + fresh

    def _write(self) -> Any:
        """The array itself, for a write in place that happens now."""
        if self._storage is None or self._is_result:
            raise TapeError("only a leaf can be written in place.")
        self._leave("a write to it", self)
        self._storage.write()
        return self._array

    def detach(self) -> "Tensor":
        """The same values as a constant."""
        made = Tensor._of(calls.detached(self._array), None, self._storage)
        made._shared = self._share()
        if mode.capture is not None:
            mode.capture.make(made, self)
        return made

    def numpy(self) -> Any:
        """A copy of the values as an ndarray."""
        self._leave("t.numpy()", self)
        return np.array(hosted(self._array))

    def item(self, *index: Any) -> Any:
        """The only element, or the one at ``index``, as a Python number."""
        self._leave("t.item()")
        return calls.element(self._array, index)

    def tolist(self) -> Any:
        """The values as nested Python lists; an error in a transform that differentiates them."""
        is_variable = self._is_result and self._node.rule.fn is identity  # type: ignore[union-attr]
        if is_variable or any(getattr(n, "closed", None) is False for n in history(self._node)):
            self._refuse_detaching("t.tolist(), unlike t.numpy().tolist(),")
        self._leave("t.tolist()")
        return self._array.tolist()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if options and options.get("out") is not None:
            return write_into(getattr(ufunc, method), inputs, options)
        if method == "__call__":
            return apply(ufunc, inputs, options)
        return apply_method(ufunc, method, inputs, options)

    def __array_function__(
        self, fn: Any, _types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return apply(fn, args, kwargs)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self._node is not None or calls.is_of_many(self):
            self._refuse_detaching(calls.asking("np.asarray(t)"), True)
        self._leave("np.asarray(t)", self)
        if copy or (dtype is not None and dtype != self.dtype):
            return np.array(self._array, dtype=dtype)
        return self._read_only() if isinstance(self._array, ndarray) else np.asarray(self._array)

    def _refuse_detaching(self, what: str, or_many: bool = False) -> None:
        of_many = or_many and getattr(self._array, "varies", False)  # numbers of one are asked for
        if of_many or (self._node is not None and not getattr(self._node, "severed", False)):
            raise ways.cut(what, self.shape, of_many)

    def _leave(self, how: str, array_of: "Tensor | None" = None) -> None:
        """Tell a capture, if there is one, that the value leaves the tape."""
        if mode.capture is not None:
            mode.capture.leave(how, array_of)

    def __bool__(self) -> bool:
        self._leave("a truth value (if t, while t, and, or)")
        return calls.truth(self._array)

    def _number(self, kind: Any) -> Any:
        self._refuse_detaching(f"{kind.__name__}(t)", True)
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
        return calls.index(self._array)

    def __round__(self, digits: int | None = None) -> Any:
        return self._number(round) if digits is None else self.round(digits)

    __hash__ = object.__hash__

    def __setitem__(self, index: Any, value: Any) -> None:
        put(self, "t[i] = v", index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError(f"del t[{index!r}]: a Tensor keeps its shape; use t = np.delete(t, index).")

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

    def __repr__(self) -> str:
        body = repr(self._array)
        if isinstance(self._array, ndarray):
            body = np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=60)
        return ways.shown(f"Tensor({body}, {', '.join(self._facts())})")

    def _repr_html_(self) -> str:
        return f"{facts('Tensor', self._facts())}\n{of_array(self._array)}"

    def _facts(self) -> list[str]:
        """What is known of it beside the values."""
        name = [f"name={self.name!r}"] if self.name else []
        made = [] if self._node is None else ["requires_grad=True"]
        if isinstance(self._node, Record):
            made = [f"made by {self._node.called}"]
        return [f"shape={self.shape}", f"dtype={self.dtype}", *name, *made]

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
        grad = None if self.grad is None else self.grad._array
        return _rebuild, (self._array, self.requires_grad, getattr(self, "_name", None), grad)


def _refused(name: str, fact: Any = None) -> property:
    """An attribute that Tensors lack, or (``fact``) cannot have set: its error says what to do."""

    def refuse(_tensor: Tensor, _value: Any = None) -> Any:
        instead = NAMES["Tensor"].get(name, f"t.numpy().{name} is that of a copy of the values")
        what = f"{name!r} of a Tensor cannot be set" if fact else f"a Tensor has no {name!r}"
        raise ways.lacking(what, instead)

    return property(fact.fget if fact else refuse, refuse, doc=fact.__doc__)


for name in {*dir(ndarray), *NAMES["Tensor"]} - {*dir(Tensor)} | {"shape", "dtype"}:
    if not name.startswith("_") or name in NAMES["Tensor"]:
        setattr(Tensor, name, _refused(name, getattr(Tensor, name, None)))


bind(Tensor)


def _rebuild(data: Any, requires_grad: bool, name: str | None, grad: Any) -> Tensor:
    tensor = Tensor(data, requires_grad, name=name)
    tensor.grad = grad
    return tensor


def alias(tensor: Tensor) -> Tensor:
    """The same value under a new place on the tape: what a transform differentiates by."""
    return apply(identity, (tensor,))
