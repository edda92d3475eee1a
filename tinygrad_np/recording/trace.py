"""``trace``: what a function does on example inputs, as a list of equations."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autodiff.nests import leaves, rebuild
from ..autodiff.primitives import has_no_protocols, is_foreign
from ..autodiff.tape import mode
from ..autodiff.tensor import Tensor
from ..errors import TapeError
from .names import give_names, placed
from .recorder import FOREIGN, Recorder
from .recording import Recording
from .tape import add_backward

ARRAYS = (Tensor, np.ndarray, np.generic, float, complex)


def trace(fn: Callable[..., Any], *example_inputs: Any, backward: bool = True) -> Recording:
    """Run ``fn(*example_inputs)`` once and record all its operations, as a ``Recording``.

    ``fn`` is a function, a module or a replayed step. It gets Tensors for arrays and floats, also
    inside nests. Each equation has the operation, operands and results with shapes and dtypes,
    bytes, FLOPs, the line of the source, and the module. With ``backward`` the backward pass of the
    sum of all results follows, unless ``fn`` computes gradients itself. Only ``fn`` itself can
    change a ``.grad``. If a value leaves the tape (``t.item()``, ``if t``), what is computed from
    it is a plain number in the recording; ``left`` says where.

    Raises what ``fn`` raises, and TapeError inside of a step that is captured for a replay.

    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> found = tg.trace(lambda x: np.sum(np.exp(w * x)), np.ones(2))
    >>> [row.left for row in found.rows()[:2]]
    ['v2: float64[2] = multiply(w, x)', 'v3: float64[2] = exp(v2)']
    """
    return traced(Recorder(), fn, example_inputs, backward)


def traced(
    recorder: Recorder, fn: Callable[..., Any], example_inputs: tuple[Any, ...], backward: bool
) -> Recording:
    """Let a recorder write down what a function does."""
    if not callable(fn):
        raise TypeError(
            "tg.trace, tg.receipt and tg.to_numpy take a function, a module or a replayed step, "
            f"not {fn!r}."
        )
    if mode.capture is not None:
        raise TapeError("tg.trace inside of a step that is being recorded; call it outside.")
    parts = leaves(list(example_inputs))
    for place, part in enumerate(parts):
        if isinstance(part, ARRAYS):
            parts[place] = recorder.argument(place, part)
        elif is_foreign(part) or has_no_protocols(part):
            raise TypeError(FOREIGN)
    args = rebuild(list(example_inputs), parts)
    mode.capture = recorder
    try:
        with mode.having(recording=True):
            out = fn(*args)
    finally:
        mode.capture = None
    given = [part for part in leaves(out) if part is not None]
    found = [part for part in given if isinstance(part, Tensor)]
    results = [recorder.variable(part) for part in found]
    gradients, own = [], len(recorder.equations)
    if backward and not any(equation.of for equation in recorder.equations):
        gradients = add_backward(recorder, found)
    made = recorder.finished(results)
    made.gradients, made.own = gradients, own
    variables = iter(results)
    made.returned = [next(variables) if isinstance(x, Tensor) else x for x in given]
    made.title = f"Recording of {getattr(fn, '__name__', type(fn).__name__)}"
    _name(made, fn, example_inputs)
    return made


def _name(made: Recording, fn: Any, inputs: tuple[Any, ...]) -> None:
    """Give variables from outside the names they have there."""
    scope = _scope(fn)
    modules = [value for value in scope.values() if hasattr(type(value), "named_modules")]
    made.names = give_names(made.equations, made.variables, modules)
    around = [pair for name, value in scope.items() for pair in placed(value, name)]
    held = {id(part): place for place, part in around if isinstance(part, Tensor)}
    for variable in made.variables:
        if variable.name is None and (place := held.get(id(variable.source))) is not None:
            variable.name = made.names[variable.source] = place
    given = iter(made.of_kind("input"))
    for name, each in zip(names_of(fn, len(inputs)), inputs, strict=True):
        for place, part in placed(each, name):
            if isinstance(part, ARRAYS):
                variable = next(given)
                variable.name = variable.name or place


def _scope(fn: Any) -> dict[str, Any]:
    """What a function closes over or has as globals."""
    if not inspect.isfunction(inspect.unwrap(fn)):
        return {}
    found = inspect.getclosurevars(inspect.unwrap(fn))
    return {**found.globals, **found.nonlocals}


def names_of(fn: Any, count: int) -> list[str]:
    """What the author of a function or a module calls its inputs."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    fixed: list[str] = []
    for function in (fn, getattr(fn, "forward", None)):
        try:
            parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        except (TypeError, ValueError):  # of what does not say, as some functions of NumPy
            continue
        fixed = fixed or [p.name for p in parameters if p.kind in kinds][:count]
    others = [f"input {i}" for i in range(len(fixed) + 1, count + 1)]
    return fixed + (["input"] if count == 1 and others else others)
