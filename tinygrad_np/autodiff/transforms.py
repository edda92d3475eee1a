"""Functions of functions: gradients, pullbacks, pushforwards, Jacobians, Hessians.

Arguments and results are nests (list, tuple, dict) of arrays or numbers. Functions receive Tensors.
Called with plain arrays from outside, a transform returns plain arrays; given Tensors, inside
another transform, or where the function closes over recorded Tensors, it returns Tensors that
record: everything nests in everything.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, TapeError
from .nests import SINGLE, floating, leaves, leaves_like, rebuild
from .rules.calls import refuse_imaginary
from .sweep import sweep
from .tape import NO_OPTIONS, Leaf, Node, history, mode, next_number, recording
from .tensor import Tensor, alias, array

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]
NOTHING: frozenset[Node] = frozenset()
NO_LEAVES: list[Any] = []
PACKAGE = __name__.partition(".")[0] + "."


class Run:
    """One recorded call of a function, ready to be swept as often as needed."""

    __slots__ = (
        "given", "may_record", "nodes", "outputs", "plain", "records", "targets", "value",
        "variables",
    )  # fmt: skip

    def __init__(
        self, f: Function, args: Sequence[Any], argnums: tuple[int, ...],
        kwargs: dict[str, Any] = NO_OPTIONS,
    ) -> None:  # fmt: skip
        capture = mode.capture
        if capture is not None:
            args = capture.lift(args, declared=True)
        self.may_record = mode.recording
        self.given = given = [args[n] for n in argnums]
        flat = SINGLE.issuperset(map(type, given))
        found = given if flat else leaves(given)
        others = leaves(args) if len(args) > len(given) else NO_LEAVES if flat else found
        plain = Tensor not in map(type, others)
        start = next_number()
        if self.may_record:
            value = self._called(f, args, argnums, found, kwargs)
        else:
            with recording():
                value = self._called(f, args, argnums, found, kwargs)
        self.value = value
        is_one = type(value) is Tensor
        self.outputs = [value] if is_one else [_as_tensor(leaf) for leaf in leaves(value)]
        older = _older(self.outputs, start)
        # rules of what is inside vmap record outside of it, but not those of a capture's sweep
        inside = capture is not None and mode.watch is not None
        self.records = self.may_record and (inside or (bool(older) and _is_open(older)))
        plain = plain and not self.records and capture is None
        for out in self.outputs:
            plain = plain and isinstance(out._array, np.ndarray)
        self.plain = plain
        # a sweep that finds nothing from before need not look for it
        self.targets = {*self.nodes} if older else NOTHING
        for node in self.nodes:  # the function has returned: they are nobody else's
            if isinstance(node, Leaf):
                node.closed = True

    def _called(
        self, f: Function, args: Sequence[Any], argnums: tuple[int, ...], found: list[Any],
        kwargs: dict[str, Any],
    ) -> Any:  # fmt: skip
        """The function's value, with variables for the arguments to differentiate by."""
        self.variables = variables = [_variable(leaf) for leaf in found]
        self.nodes: list[Any] = [v._node for v in variables]
        nests = variables if found is self.given else rebuild(self.given, variables)
        if len(args) == len(nests) == 1:
            return f(nests[0], **kwargs)
        inner = list(args)
        for n, nest in zip(argnums, nests, strict=True):
            inner[n] = nest
        return f(*inner, **kwargs)

    def pull(self, cotangents: list[Any], records: bool) -> list[Any]:
        """The cotangents of the variables: Tensors when they shall record, else arrays."""
        seeds = [
            (out._node, _fit_seed(out, cotangent, records))
            for out, cotangent in zip(self.outputs, cotangents, strict=True)
            if out._node is not None
        ]
        return self.swept(seeds, records)

    def swept(self, seeds: list[tuple[Node, Any]], records: bool) -> list[Any]:
        """The cotangents of the variables for those of nodes."""
        found = sweep(seeds, retain=True, targets=self.targets, wrap=Tensor, records=records)
        values = [found.get(node) for node in self.nodes]
        for i, value in enumerate(values):
            if value is None:
                values[i] = np.zeros_like(self.variables[i]._array)
        return [v if isinstance(v, Tensor) else Tensor(v) for v in values] if records else values

    def result(self) -> Any:
        """The function's value, plain if the transform was called with plain arrays."""
        return self.finish(self.value, self.outputs)

    def finish(self, like: Any, values: list[Any]) -> Any:
        """Values as the caller gets them."""
        if self.plain:
            values = [v.numpy() if isinstance(v, Tensor) else v for v in values]
        elif not self.records:
            values = [v.detach() if isinstance(v, Tensor) else Tensor(v) for v in values]
        return rebuild(like, values)


def _older(outputs: list[Tensor], start: int) -> list[Node]:
    """What results depend on that was there before the number ``start``."""
    reached = [out._node for out in outputs if out._node is not None]
    seen, older = set(reached), []
    for node in reached:  # which grows
        if node.number < start:
            older.append(node)
            continue
        for parent in node.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                reached.append(parent)
    return older


def _is_open(nodes: list[Node]) -> bool:
    """Whether they depend on a variable that may be differentiated by."""
    return any(isinstance(node, Leaf) and not node.closed for node in history(*nodes))


def _variable(leaf: Any) -> Tensor:
    if mode.watch is not None:
        (leaf,) = mode.watch.operands((leaf,))
    kind = type(leaf)
    if kind is Tensor and leaf._node is not None:
        return alias(leaf)
    is_known = kind is float or (kind is np.ndarray and leaf.dtype.kind in "fc")
    if is_known and mode.capture is None:
        variable = Tensor._owning(np.array(leaf))
    else:
        variable = Tensor(floating(leaf))
        if variable.dtype.kind not in "fc":
            variable.requires_grad = True  # which refuses
    variable._node = node = Leaf(variable, variable._storage, None if is_known else variable.name)
    node.closed = False
    return variable


def _as_tensor(leaf: Any) -> Tensor:
    return leaf if isinstance(leaf, Tensor) else Tensor(leaf)


def _fit_seed(out: Tensor, cotangent: Any, records: bool) -> Any:
    seed = _as_tensor(cotangent)
    if seed.shape != out.shape:
        raise ShapeError(f"cotangent of shape {seed.shape} for a result of shape {out.shape}.")
    refuse_imaginary("a cotangent", seed, out)
    if seed.dtype != out.dtype:
        seed = seed.astype(out.dtype)
    return seed if records or mode.capture is not None else seed._array


def _check(f: Any, argnums: Any = 0) -> None:
    """Refuse what is no function, and places that are no numbers."""
    if not callable(f):
        raise TypeError(f"a function to differentiate was expected, not {f!r}.")
    places = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    if not all(isinstance(n, (int, np.integer)) for n in places):
        raise TypeError(f"argnums={argnums!r}; give the place of an argument, or a tuple of them.")


def _positions(argnums: Argnums, args: Sequence[Any]) -> tuple[int, ...]:
    if type(argnums) is int and 0 <= argnums < len(args):
        return (argnums,)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if any(not -len(args) <= n < len(args) for n in wanted):
        raise TypeError(f"argnums={argnums} of a function called with {len(args)} arguments.")
    return tuple(n % len(args) for n in wanted)


def _scalar(run: Run) -> Tensor:
    """The one real number a gradient is of."""
    if len(run.outputs) != 1 or run.outputs[0]._array.size != 1:
        shapes = [t.shape for t in run.outputs]
        raise TapeError(
            f"grad needs a function that returns one number, not results of shape {shapes}; "
            "reduce it, or use tg.jacobian."
        )
    if run.outputs[0]._array.dtype.kind == "c":
        raise TapeError("grad of a complex result; take its real part, or use tg.vjp.")
    return run.outputs[0]


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f``'s value and its gradient by the arguments ``argnums``.

    The gradient has the nest, shapes and dtypes of the argument (a tuple of such for a tuple of
    ``argnums``). With ``has_aux`` ``f`` returns ``(number, anything)``, and so does the result:
    ``((value, aux), gradient)``. Raises TapeError if ``f`` does not return one real number.

    >>> tg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """
    _check(f, argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        aux: list[Any] = []

        def main(*inner: Any, **options: Any) -> Any:
            out = f(*inner, **options)
            if not isinstance(out, tuple) or len(out) != 2:
                raise TypeError(f"has_aux=True: f returned {out!r}, not (number, anything).")
            value, extra = out
            aux.append(extra)
            return value

        run = Run(main if has_aux else f, args, _positions(argnums, args), kwargs)
        gradient = _gradient(run, argnums)
        value = run.result()
        if has_aux:
            found = leaves(aux[0])
            tensors = [leaf if isinstance(leaf, Tensor) else None for leaf in found]
            done = run.finish([0] * len(found), [t if t is not None else 0 for t in tensors])
            extra = [
                d if t is not None else f for d, t, f in zip(done, tensors, found, strict=True)
            ]
            return (value, rebuild(aux[0], extra)), gradient
        return value, gradient

    return marked(differentiated, argnums)


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the gradient of ``f`` by the arguments ``argnums``.

    See ``value_and_grad``.

    >>> tg.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    _check(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return _gradient(Run(f, args, _positions(argnums, args), kwargs), argnums)

    return marked(gradient, argnums)


def marked(transformed: Function, argnums: Any) -> Function:
    """A transform's function, which says by which arguments it differentiates."""
    vars(transformed).update(differentiates=argnums)
    return transformed


def _gradient(run: Run, argnums: Argnums) -> Any:
    out = _scalar(run)
    shape, dtype = out._array.shape, out._array.dtype
    one = np.ones(shape, dtype) if shape else np.array(1, dtype)
    if run.records or mode.capture is not None:
        gradients = run.pull([Tensor(one)], run.records)
    else:
        gradients = run.swept([] if out._node is None else [(out._node, one)], False)
    nest = run.finish(run.given, gradients)
    return nest[0] if isinstance(argnums, int) else tuple(nest)


def vjp(f: Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*args)`` and its pullback: a function from cotangents of the result to those of ``args``.

    The pullback takes a nest like the result and returns a tuple with one entry per argument; it
    can be called again, and is differentiable itself.

    >>> value, pullback = tg.vjp(np.multiply, 3.0, 4.0)
    >>> value, pullback(1.0)
    (array(12.), (array(4.), array(3.)))
    """
    _check(f)
    run = Run(f, args, tuple(range(len(args))))

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = leaves_like(run.value, cotangent)
        if mode.capture is not None:
            cotangents = mode.capture.lift(cotangents, declared=True)
        given = [c for c in cotangents if isinstance(c, Tensor)]
        records = mode.recording and (run.records or any(c._node is not None for c in given))
        pulled = run.pull(cotangents, records)
        if not records:
            wrap = bool(given) or not run.plain
            pulled = [Tensor(p) if wrap else p for p in pulled]
        return tuple(rebuild(run.given, pulled))

    return run.result(), pullback


def jvp(f: Function, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """``f(*primals)`` and its derivative along ``tangents``, in the nest of the result.

    Forward mode as the transpose of the transpose: the pullback is linear in its cotangent, and
    the pullback of that linear map is the pushforward.

    >>> tg.jvp(np.sin, (0.0,), (2.0,))
    (array(0.), array(2.))
    """
    _check(f)
    primals, tangents = _arguments(primals), _arguments(tangents)
    if mode.capture is not None:
        tangents = mode.capture.lift(tangents, declared=True)
    run = Run(f, primals, tuple(range(len(primals))))
    given = leaves_like(primals, tangents)
    _check_directions(run.variables, given)
    outer = run.may_record and (
        run.records or any(isinstance(t, Tensor) and t._node is not None for t in given)
    )

    def contracted(*cotangents: Any) -> Any:
        pulled = run.pull(list(cotangents), True)
        return _dot(pulled, given)

    kinds = [out.dtype if out.dtype.kind in "fc" else np.float64 for out in run.outputs]
    pairs = zip(run.outputs, kinds, strict=True)
    ones = [Tensor(np.ones_like(out._array, dtype=kind)) for out, kind in pairs]
    second = Run(contracted, ones, tuple(range(len(ones))))
    pushed = second.pull([Tensor(np.ones_like(second.outputs[0]._array))], outer)
    run.records = outer
    run.plain = run.plain and not outer and not any(isinstance(t, Tensor) for t in given)
    return run.result(), run.finish(run.value, pushed)


def _arguments(values: Any) -> tuple[Any, ...]:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _check_directions(variables: list[Tensor], directions: list[Any]) -> None:
    shapes = [v.shape for v in variables], [np.shape(d) for d in directions]
    if shapes[0] != shapes[1]:
        raise ShapeError(f"directions of shapes {shapes[1]} for arguments of shapes {shapes[0]}.")
    for variable, direction in zip(variables, directions, strict=True):
        refuse_imaginary("a direction", direction, variable)


def _dot(left: list[Any], right: list[Any]) -> Any:
    """The sum of all products; keeps a Python number out of an empty sum."""
    total: Any = Tensor(0.0)
    for a, b in zip(left, right, strict=True):
        total = total + np.sum(a * (b if isinstance(b, Tensor) else Tensor(b, dtype=a.dtype)))
    return total


def jacobian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the Jacobian of ``f``, one sweep per element of the result.

    For a result of shape ``s`` and an argument of shape ``t`` it has shape ``s + t``; nests of
    results hold nests of arguments.

    >>> tg.jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    _check(f, argnums)

    @functools.wraps(f)
    def rows(*args: Any, **kwargs: Any) -> Any:
        run = Run(f, args, _positions(argnums, args), kwargs)
        blocks = []
        for k, out in enumerate(run.outputs):
            pulled = [run.pull(unit, run.records) for unit in _units(run.outputs, k)]
            jacobians = [
                _stacked([row[v] for row in pulled], out.shape, variable, run.records)
                for v, variable in enumerate(run.variables)
            ]
            nest = run.finish(run.given, jacobians)
            blocks.append(nest[0] if isinstance(argnums, int) else tuple(nest))
        return rebuild(run.value, blocks)

    return marked(rows, argnums)


def _units(outputs: list[Tensor], k: int) -> Any:
    """Cotangents that pick one element of output ``k`` after the other."""
    zeros = [np.zeros(out.shape, out.dtype) for out in outputs]
    for i in range(outputs[k].size):
        unit = np.zeros_like(zeros[k])
        unit.reshape(-1)[i] = 1
        yield [*zeros[:k], unit, *zeros[k + 1 :]]


def _stacked(rows: list[Any], shape: tuple[int, ...], variable: Tensor, records: bool) -> Any:
    wide = shape + variable.shape
    if not rows:
        return np.zeros(wide, variable.dtype)
    return array(rows).reshape(wide) if records else np.stack(rows).reshape(wide)


def hessian(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the second derivatives of ``f``: the Jacobian of the gradient.

    For a function of one array of shape ``s`` the result has shape ``s + s``.

    >>> tg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 2.0]))
    array([[4., 6.],
           [6., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """The Hessian of ``f`` at ``primals`` times ``vectors``, without forming the Hessian.

    ``primals`` and ``vectors`` are tuples with one entry per argument, and so is the result; for
    one argument given without a tuple it is the product alone.

    >>> tg.hvp(lambda x: x[0] ** 2 * x[1], np.array([3.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 6.])
    """
    arguments, directions = _arguments(primals), _arguments(vectors)
    every = tuple(range(len(arguments)))
    if mode.capture is not None:
        directions = mode.capture.lift(directions, declared=True)
    given = leaves_like(arguments, directions)
    _check_directions([_as_tensor(leaf) for leaf in leaves(list(arguments))], given)

    def slope(*inner: Any) -> Any:
        return _dot(leaves(grad(f, every)(*inner)), given)

    products = grad(slope, every)(*arguments)
    return tuple(products) if isinstance(primals, (tuple, list)) else products[0]


for with_directions in (jvp, hvp):
    marked(with_directions, (1, 2))


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: the same nest, each Tensor ``.detach()``ed, all else as it is.

    >>> tg.grad(lambda x: x * tg.stop_gradient(x))(3.0)
    array(3.)
    """
    return rebuild(x, [leaf.detach() if isinstance(leaf, Tensor) else leaf for leaf in leaves(x)])


def differentiated_by(fn: Any, count: int) -> tuple[int, ...] | None:
    """The places of the arguments (of ``count``) by which a transform's ``fn`` differentiates.

    None if ``fn`` is no transform, or made of something else around one.
    """
    given = 0
    while isinstance(fn, functools.partial):
        given, fn = given + len(fn.args), fn.func
    places = getattr(fn, "differentiates", None)
    if places is None or not str(fn.__globals__["__name__"]).startswith(PACKAGE):
        return None  # functools.wraps copies the mark
    places = places if isinstance(places, (tuple, list)) else (places,)
    places = [n - given if n >= 0 else n + count for n in places]
    return tuple(n for n in places if 0 <= n < count)
