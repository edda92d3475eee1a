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
from .nests import leaves, leaves_like, rebuild
from .rules.calls import refuse_imaginary
from .sweep import sweep
from .tape import Leaf, Node, history, mode, next_number, recording
from .tensor import Tensor, alias, array

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


class Run:
    """One recorded call of a function, ready to be swept as often as needed."""

    def __init__(self, f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> None:
        if mode.capture is not None:
            args = mode.capture.declared(args)
        self.args = args
        self.argnums = argnums
        self.may_record = mode.recording
        self.given = [args[n] for n in argnums]
        self.plain = not any(isinstance(leaf, Tensor) for leaf in leaves(list(args)))
        start = next_number()
        with recording():
            self.variables = [_variable(leaf) for leaf in leaves(self.given)]
            self.nodes = [v._node for v in self.variables if v._node is not None]
            chosen = rebuild(self.given, self.variables)
            inner = list(args)
            for n, value in zip(argnums, chosen, strict=True):
                inner[n] = value
            self.value = f(*inner)
        self.outputs = [_as_tensor(leaf) for leaf in leaves(self.value)]
        self.records = self.may_record and self._reaches_outside(start)
        self.plain = self.plain and not self.records
        self.close()

    def _reaches_outside(self, start: int) -> bool:
        """Whether the result also depends on something recorded before this call."""
        roots = [out._node for out in self.outputs if out._node is not None]
        older = [node for node in roots if node.number < start]
        for node in history(*roots, since=start):
            older += [p for p in node.parents if p is not None and p.number < start]
        return any(isinstance(node, Leaf) and not node.closed for node in history(*older))

    def close(self) -> None:
        """Say that the function has returned: its variables are nobody else's."""
        for node in self.nodes:
            if isinstance(node, Leaf):
                node.closed = True

    def pull(self, cotangents: list[Any], records: bool) -> list[Any]:
        """The cotangents of the variables: Tensors when they shall record, else arrays."""
        seeds = []
        for out, cotangent in zip(self.outputs, cotangents, strict=True):
            if out._node is not None:
                seeds.append((out._node, _fit_seed(out, cotangent, records)))
        found = sweep(seeds, retain=True, targets=set(self.nodes), wrap=Tensor, records=records)
        variables = zip(self.nodes, self.variables, strict=True)
        return [self._found(node, v, found, records) for node, v in variables]

    def _found(self, node: Node, variable: Tensor, found: dict[Node, Any], records: bool) -> Any:
        value = found.get(node)
        if value is None:
            value = np.zeros_like(variable._array)
        return value if not records or isinstance(value, Tensor) else Tensor(value)

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


def _variable(leaf: Any) -> Tensor:
    if isinstance(leaf, Tensor) and leaf._node is not None:
        return alias(leaf)
    if isinstance(leaf, int) and not isinstance(leaf, bool):
        leaf = float(leaf)
    variable = Tensor(leaf, requires_grad=True)
    assert isinstance(variable._node, Leaf)
    variable._node.closed = False
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
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if any(not -len(args) <= n < len(args) for n in wanted):
        raise TypeError(f"argnums={argnums} of a function called with {len(args)} arguments.")
    return tuple(n % len(args) for n in wanted)


def _scalar(run: Run, name: str) -> Tensor:
    """The one real number a gradient is of."""
    if len(run.outputs) != 1 or run.outputs[0].size != 1:
        shapes = [t.shape for t in run.outputs]
        raise TapeError(
            f"{name} needs a function that returns one number, not results of shape {shapes}; "
            "reduce it, or use tg.jacobian."
        )
    if run.outputs[0].dtype.kind == "c":
        raise TapeError(f"{name} of a complex result; take its real part, or use tg.vjp.")
    return run.outputs[0]


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """A function that returns ``f``'s value and its gradient by the arguments ``argnums``.

    The gradient has the nest, shapes and dtypes of the argument (a tuple of such for a tuple of
    ``argnums``). With ``has_aux`` ``f`` returns ``(number, anything)``, and so does the result:
    ``((value, aux), gradient)``. Raises TapeError if ``f`` does not return one real number.
    """
    _check(f, argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        aux: list[Any] = []

        def main(*inner: Any) -> Any:
            out = f(*inner, **kwargs)
            if not has_aux:
                return out
            if not isinstance(out, tuple) or len(out) != 2:
                raise TypeError(f"has_aux=True: f returned {out!r}, not (number, anything).")
            value, extra = out
            aux.append(extra)
            return value

        run = Run(main, args, _positions(argnums, args))
        out = _scalar(run, "grad")
        gradients = run.pull([Tensor(np.ones_like(out._array))], run.records)
        nest = run.finish(run.given, gradients)
        gradient = nest[0] if isinstance(argnums, int) else tuple(nest)
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

    return differentiated


def grad(f: Function, argnums: Argnums = 0) -> Function:
    """A function that returns the gradient of ``f`` by the arguments ``argnums``.

    See ``value_and_grad``.
    """
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(f: Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """``f(*args)`` and its pullback: a function from cotangents of the result to those of ``args``.

    The pullback takes a nest like the result and returns a tuple with one entry per argument; it
    can be called again, and is differentiable itself.
    """
    _check(f)
    run = Run(f, args, tuple(range(len(args))))

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cotangents = leaves_like(run.value, cotangent)
        if mode.capture is not None:
            cotangents = mode.capture.declared(cotangents)
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
    """
    _check(f)
    primals, tangents = _arguments(primals), _arguments(tangents)
    if mode.capture is not None:
        tangents = mode.capture.declared(tangents)
    run = Run(f, primals, tuple(range(len(primals))))
    given = leaves_like(primals, tangents)
    _check_directions(run.variables, given)
    outer = run.may_record and (
        run.records or any(isinstance(t, Tensor) and t._node is not None for t in given)
    )

    smooth = [i for i, out in enumerate(run.outputs) if out.dtype.kind in "fc"]
    pushed = [np.zeros_like(out._array) for out in run.outputs]  # of integers

    def contracted(*cotangents: Any) -> Any:
        weights: list[Any] = list(pushed)
        for i, cotangent in zip(smooth, cotangents, strict=True):
            weights[i] = cotangent
        return _dot(run.pull(weights, True), given)

    ones = [Tensor(np.ones_like(run.outputs[i]._array)) for i in smooth]
    second = Run(contracted, ones, tuple(range(len(ones))))
    found = second.pull([Tensor(np.ones_like(second.outputs[0]._array))], outer)
    for i, tangent in zip(smooth, found, strict=True):
        pushed[i] = tangent
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
    """
    _check(f, argnums)

    @functools.wraps(f)
    def rows(*args: Any, **kwargs: Any) -> Any:
        def main(*inner: Any) -> Any:
            return f(*inner, **kwargs)

        run = Run(main, args, _positions(argnums, args))
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

    return rows


def _units(outputs: list[Tensor], k: int) -> Any:
    """Cotangents that pick one element of output ``k`` after the other."""
    zeros = [np.zeros_like(out._array) for out in outputs]
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
    """A function that returns the second derivatives of ``f``: the Jacobian of the gradient."""
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function, primals: Any, vectors: Any) -> Any:
    """The Hessian of ``f`` at ``primals`` times ``vectors``, without forming the Hessian.

    ``primals`` and ``vectors`` are tuples with one entry per argument, and so is the result; for
    one argument given without a tuple it is the product alone.
    """
    arguments, directions = _arguments(primals), _arguments(vectors)
    every = tuple(range(len(arguments)))
    if mode.capture is not None:
        directions = mode.capture.declared(directions)
    given = leaves_like(arguments, directions)
    _check_directions([_as_tensor(leaf) for leaf in leaves(list(arguments))], given)

    def slope(*inner: Any) -> Any:
        return _dot(leaves(grad(f, every)(*inner)), given)

    products = grad(slope, every)(*arguments)
    return tuple(products) if isinstance(primals, (tuple, list)) else products[0]
