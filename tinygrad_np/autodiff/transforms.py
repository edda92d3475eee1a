"""Functions of functions: gradients, pullbacks, pushforwards, Jacobians, Hessians.

Arguments and results are nests (list, tuple, dict) of arrays or numbers. Functions receive Tensors.
Called with plain arrays from outside, a transform returns plain arrays; given Tensors, inside
another transform, or where the function closes over recorded Tensors, it returns Tensors that
record. So all transforms can be nested.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import TapeError
from ..habits import nothing
from .guards import Storage
from .making import array
from .nests import SINGLE, floating, leaves, leaves_like, rebuild
from .primitives import akin, is_foreign
from .rules import calls
from .sweep import sweep
from .tape import NO_OPTIONS, Leaf, Node, history, mode, next_number
from .tensor import Tensor, alias

ndarray = np.ndarray
Function = Callable[..., Any]
Argnums = int | tuple[int, ...]
NOTHING: frozenset[Node] = frozenset()
NODE = operator.attrgetter("_node")
PACKAGE = __name__.partition(".")[0] + "."
_one = functools.cache(lambda dtype: np.broadcast_to(np.array(1, dtype), ()))  # read-only


class Run:
    """One recorded call of a function, ready to be swept as often as needed."""

    __slots__ = (
        "aux", "given", "is_flat", "is_single", "may_record", "nodes", "outputs", "plain",
        "records", "targets", "value", "variables",
    )  # fmt: skip

    def __init__(
        self, f: Function, args: Sequence[Any], argnums: Argnums | None = None,
        kwargs: dict[str, Any] = NO_OPTIONS, has_aux: bool = False,
    ) -> None:  # fmt: skip
        self.may_record = ordinary = mode.ordinary
        capture = watch = None
        if not ordinary:
            capture, watch, self.may_record = mode.capture, mode.watch, mode.recording
        self.is_single = isinstance(argnums, (int, np.integer))
        places = (0,) if argnums == 0 and args else calls.positions(argnums, args)
        if capture is not None:
            args, kwargs = capture.lift([args, kwargs], declared=True)
        self.given = given = [*map(args.__getitem__, places)]
        self.is_flat = flat = SINGLE.issuperset(map(type, given))
        found = given if flat else leaves(given)
        if not found and None in given:
            raise TypeError("a transform was given None to differentiate by; give arrays.")
        plain = flat and len(args) == len(given) and not kwargs
        plain = plain or Tensor not in map(type, leaves([args, kwargs]))
        start = next_number()
        if self.may_record:
            value = self._called(f, args, places, found, kwargs)
        else:
            with mode.having(recording=True):
                value = self._called(f, args, places, found, kwargs)
        if has_aux:
            if not isinstance(value, tuple) or len(value) != 2:
                raise TypeError(f"has_aux=True: f returned {value!r}, not (number, anything).")
            value, self.aux = value
        if value is None:
            raise TapeError(nothing(f))
        self.value = value
        self.outputs = outputs = [value]
        if type(value) is not Tensor:
            outputs[:] = [v if isinstance(v, Tensor) else Tensor(v) for v in leaves(value)]
        # a sweep that finds nothing from before need not look for it
        self.targets, self.records = NOTHING, False
        if (older := _older(outputs, start, self.nodes if flat else ())) or not ordinary:
            # rules of what is inside vmap record outside of it, but not those of a capture's sweep
            records = capture is not None and watch is not None
            if older and not records:  # what is from before may be differentiated by
                is_open = (isinstance(n, Leaf) and not n.closed for n in history(*older))
                records = mode.again or any(is_open)
            self.records = self.may_record and records
            plain = plain and not self.records and capture is None
            if watch is not None:  # inside vmap, where arrays stand for batches
                plain = plain and all(isinstance(out._array, ndarray) for out in outputs)
            self.targets = frozenset(self.nodes) if older else NOTHING
        self.plain = plain
        for node in self.nodes:  # the function has returned: they are nobody else's
            if isinstance(node, Leaf):
                node.closed = True

    def _called(
        self, f: Function, args: Sequence[Any], places: Sequence[int], found: list[Any],
        kwargs: dict[str, Any],
    ) -> Any:  # fmt: skip
        """The function's value, with variables for the arguments to differentiate by."""
        self.variables = variables = [*map(_variable, found)]
        self.nodes: list[Any] = [*map(NODE, variables)]
        nests = variables if found is self.given else rebuild(self.given, variables)
        if len(args) == 1 and nests:
            return f(nests[0], **kwargs) if kwargs else f(nests[0])
        inner = dict(enumerate(args)) | dict(zip(places, nests, strict=True))
        return f(*inner.values(), **kwargs)

    def is_number(self) -> bool:
        """Whether the function returned one number."""
        return len(self.outputs) == 1 and self.outputs[0]._array.size == 1

    def pulled(self, cotangents: list[Any], what: str = "a cotangent") -> list[Any]:
        """The cotangents of the variables, which can be differentiated where those given can."""
        given = [c for c in cotangents if isinstance(c, Tensor)]
        records = mode.recording and (self.records or any(c._node is not None for c in given))
        found = self.pull(cotangents, records, what)
        wraps = not records and (given or not self.plain)
        return [Tensor(v) for v in found] if wraps else found

    def pull(
        self, cotangents: Sequence[Any], records: bool, what: str = "a cotangent"
    ) -> list[Any]:
        """The cotangents of the variables: Tensors when they shall record, else arrays."""
        pairs = zip(self.outputs, cotangents, strict=True)
        seeds = [(out._node, out._seed(cotangent, what, records)) for out, cotangent in pairs]
        return self.swept([(node, seed) for node, seed in seeds if node is not None], records)

    def swept(self, seeds: list[tuple[Node, Any]], records: bool) -> list[Any]:
        """The same for cotangents of nodes, which fit."""
        found = sweep(seeds, Tensor, True, self.targets, records)
        try:
            values = [*map(found.__getitem__, self.nodes)]
        except KeyError:  # the result does not depend on all
            pairs = zip(self.nodes, self.variables, strict=True)
            values = [found[n] if n in found else np.zeros_like(v._array) for n, v in pairs]
        return [v if isinstance(v, Tensor) else Tensor(v) for v in values] if records else values

    def result(self) -> Any:
        """The function's value, plain if the transform was called with plain arrays."""
        return self.finish(self.value, self.outputs)

    def finish(self, like: Any, values: list[Any]) -> Any:
        """Values as the caller gets them, in the nest ``like``."""
        if self.plain:
            values = [taken(v) if isinstance(v, Tensor) else v for v in values]
        elif not self.records:
            values = [
                calls.without_history(v) if isinstance(v, Tensor) else Tensor(v) for v in values
            ]
        return rebuild(like, values)

    def by_argument(self, values: list[Any]) -> Any:
        """What ``pull`` gives as the caller gets it: the nest of an argument, or of each."""
        nest = values if self.plain and self.is_flat else self.finish(self.given, values)
        return nest[0] if self.is_single else tuple(nest)


def _older(outputs: list[Tensor], start: int, young: Iterable[Node]) -> list[Node]:
    """What results depend on that was there before the number ``start``, unlike ``young``."""
    reached = [*filter(None, map(NODE, outputs))]
    seen, older = {None, *young, *reached}, []
    for node in reached:  # which grows
        if node.number < start:
            older.append(node)
            continue
        for parent in node.parents:
            if parent not in seen:
                seen.add(parent)
                reached.append(parent)
    return older


def _variable(leaf: Any) -> Tensor:
    kind = type(leaf)
    is_known = kind is float or (kind is ndarray and leaf.dtype.kind in "fc")
    if is_known and mode.ordinary:
        return as_leaf(Tensor._of(array := np.array(leaf), None, Storage(array)), None)
    if mode.watch is not None:
        (leaf,) = mode.watch.operands((leaf,))
    if isinstance(leaf, Tensor) and leaf._node is not None:
        return alias(leaf)
    variable = Tensor(floating(leaf))
    if variable.dtype.kind not in "fc":
        variable.requires_grad = True  # which refuses
    return as_leaf(variable, variable.name)


def as_leaf(tensor: Tensor, name: str | None) -> Tensor:
    """The constant as a variable that a function inside a transform is differentiated by."""
    tensor._node = Leaf(tensor, name, False)
    return tensor


def taken(tensor: Tensor) -> Any:
    """A copy of what a Tensor holds, an array of another library as one."""
    return tensor._array.copy() if is_foreign(tensor._array) else tensor.numpy()


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f``'s value and its gradient by the arguments ``argnums``.

    The gradient has the nest, shapes and dtypes of the argument (a tuple of such for a tuple of
    ``argnums``). With ``has_aux`` ``f`` returns ``(number, anything)``, and so does the result:
    ``((value, aux), gradient)``. Raises TapeError if ``f`` does not return one real number.

    >>> tg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """

    def both(run: Run) -> tuple[Any, Any]:
        value, found = run.result(), gradient(run)
        if has_aux:
            extra = [run.finish(0, [v]) if isinstance(v, Tensor) else v for v in leaves(run.aux)]
            value = value, rebuild(run.aux, extra)
        return value, found

    return _transform(f, argnums, both, has_aux)


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the gradient of ``f`` by the arguments ``argnums``.

    See ``value_and_grad``.

    >>> tg.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    return _transform(f, argnums, gradient)


def _transform(
    f: Function, argnums: Argnums, finish: Callable[[Run], Any], has_aux: bool = False
) -> Function:
    """A function that gives what ``finish`` makes of a call of ``f``."""
    calls.check_function(f, argnums)

    @functools.wraps(f)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        return finish(Run(f, args, argnums, kwargs, has_aux))

    return marked(transformed, argnums)


def marked(transformed: Function, argnums: Any) -> Function:
    """A transform's function, which says by which arguments it differentiates."""
    vars(transformed).update(differentiates=argnums)
    return transformed


def gradient(run: Run) -> Any:
    """The gradient of the one real number that was computed."""
    if not run.is_number():
        shapes = [t.shape for t in run.outputs]
        raise TapeError(
            f"a gradient needs a function that returns one number, not results of shape {shapes}; "
            "reduce it, or use tg.jacobian."
        )
    (out,) = run.outputs
    array, node = out._array, out._node
    if array.dtype.kind == "c":
        raise TapeError("grad of a complex result; take its real part, or use tg.vjp.")
    one = akin(np.ones(array.shape, array.dtype) if array.shape else _one(array.dtype), array)
    if not run.plain and (run.records or mode.capture is not None):
        return run.by_argument(run.pull([one], run.records))
    return run.by_argument(run.swept([] if node is None else [(node, one)], False))


def vjp(f: Function, *args: Any, **kwargs: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*args, **kwargs)`` and its pullback, from cotangents of the result to those of ``args``.

    The pullback takes a nest like the result and returns a tuple with one entry per argument; it
    can be called again, and is differentiable itself.

    >>> value, pullback = tg.vjp(np.multiply, 3.0, 4.0)
    >>> value, pullback(1.0)
    (array(12.), (array(4.), array(3.)))
    """
    calls.check_function(f)
    run = Run(f, args, None, kwargs)

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = leaves_like(run.value, cotangent)
        if mode.capture is not None:
            cotangents = mode.capture.lift(cotangents, declared=True)
        return tuple(rebuild(run.given, run.pulled(cotangents)))

    return run.result(), pullback


def jvp(f: Function, primals: Any, tangents: Any, **kwargs: Any) -> tuple[Any, Any]:
    """``f(*primals, **kwargs)`` and its derivative along ``tangents``, in the nest of the result.

    Forward mode is computed from reverse mode: the pullback is linear in its cotangent, and the
    pullback of this linear map is the derivative along a direction.

    >>> tg.jvp(np.sin, (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    calls.check_function(f)
    primals, tangents = _arguments(primals), _arguments(tangents)
    if mode.capture is not None:
        tangents = mode.capture.lift(tangents, declared=True)
    run = Run(f, primals, None, kwargs)
    given = leaves_like(primals, tangents)
    tensors = [t for t in given if isinstance(t, Tensor)]
    outer = run.may_record and (run.records or any(t._node is not None for t in tensors))
    kinds = [out.dtype if out.dtype.kind in "fc" else np.float64 for out in run.outputs]
    pairs = zip(run.outputs, kinds, strict=True)
    ones = [Tensor(np.ones_like(out._array, dtype=kind)) for out, kind in pairs]
    transposed = Run(lambda *cotangents: run.pull(cotangents, True), ones)
    pushed = transposed.pull(given, outer, "a direction")
    run.records = outer
    run.plain = run.plain and not outer and not tensors
    return run.result(), run.finish(run.value, pushed)


def _arguments(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the Jacobian of ``f``, one sweep per element of the result.

    For a result of shape ``s`` and an argument of shape ``t`` it has shape ``s + t``; nests of
    results hold nests of arguments.

    >>> tg.jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    return _transform(f, argnums, rows)


def rows(run: Run) -> Any:
    """The Jacobians of what was computed."""
    blocks = []
    for k, out in enumerate(run.outputs):
        pulled = []
        for i in range(out.size):
            units = [np.zeros(o.shape, o.dtype) for o in run.outputs]
            units[k].reshape(-1)[i] = 1  # one element after the other
            pulled.append(
                run.pull([akin(u, o) for u, o in zip(units, run.outputs, strict=True)], run.records)
            )
        jacobians = [
            _stacked([row[v] for row in pulled], out.shape, variable, run.records)
            for v, variable in enumerate(run.variables)
        ]
        blocks.append(run.by_argument(jacobians))
    return rebuild(run.value, blocks)


def _stacked(rows: list[Any], shape: tuple[int, ...], variable: Tensor, records: bool) -> Any:
    wide = shape + variable.shape
    if not rows:
        return np.zeros_like(variable._array, shape=wide)
    return array(rows).reshape(wide) if records else np.stack(rows).reshape(wide)


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the second derivatives of ``f``: the Jacobian of the gradient.

    For a function of one array of shape ``s`` the result has shape ``s + s``. Where ``f`` returns
    more than one number it is the Jacobian of the Jacobian, ``t + s + s`` for a result of shape
    ``t``.

    >>> tg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 2.0]))
    array([[4., 6.],
           [6., 0.]])
    """
    first = _transform(f, argnums, lambda run: (gradient if run.is_number() else rows)(run))
    return jacobian(first, argnums)


def hvp(f: Function, primals: Any, vectors: Any, **kwargs: Any) -> Any:
    """The Hessian of ``f`` at ``primals`` times ``vectors``, without forming the Hessian.

    ``primals`` and ``vectors`` are tuples with one entry per argument, and so is the result; for
    one argument given without a tuple it is the product alone. ``kwargs`` are passed on to ``f``.

    >>> tg.hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 6.])
    """
    arguments, directions = _arguments(primals), _arguments(vectors)
    if mode.capture is not None:
        directions = mode.capture.lift(directions, declared=True)
    run = Run(grad(f, tuple(range(len(arguments)))), arguments, None, kwargs)
    pulled = run.pulled(leaves_like(arguments, directions), "a direction")  # H is symmetric
    products = rebuild(run.given, pulled)
    return tuple(products) if isinstance(primals, (tuple, list)) else products[0]


marked(jvp, (1, 2, "primals", "tangents"))
marked(hvp, (1, 2, "primals", "vectors"))


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: the same nest with each Tensor detached; other values do not change.

    >>> tg.grad(lambda x: x * tg.stop_gradient(x))(3.0)
    array(3.)
    """
    return rebuild(x, [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves(x)])


def differentiated_by(fn: Any, count: int) -> tuple[Any, ...] | None:
    """The places of the arguments (of ``count``) by which a transform's ``fn`` differentiates.

    Of those that have names these, too. None if ``fn`` is no transform, or made of something
    else around one.
    """
    given = 0
    while isinstance(fn, functools.partial):
        given, fn = given + len(fn.args), fn.func
    places = getattr(fn, "differentiates", None)
    if places is None or not str(fn.__globals__["__name__"]).startswith(PACKAGE):
        return None  # functools.wraps copies the mark
    places = places if isinstance(places, (tuple, list)) else (places,)
    numbers = [n - given if n >= 0 else n + count for n in places if not isinstance(n, str)]
    return *(n for n in numbers if 0 <= n < count), *(n for n in places if isinstance(n, str))
