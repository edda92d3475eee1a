"""A model's outputs for data, and their loss and accuracy."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, overload

import numpy as np

from ..arguments import shown
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..errors import ShapeError
from ..habits import hinted
from ..nn.functional import cross_entropy
from ..nn.module import Module
from ..nn.turns import evaluating
from .checks import EVALUATION_ROWS, check_loss, check_model
from .decision import Decision, Loss, decision
from .inputs import (
    are_paired,
    as_arrays,
    as_tensors,
    examples,
    outputs_of,
    part,
    rows,
    shapes,
    with_floats,
)
from .mean import check_mean
from .metrics import Metrics, measured, named

OwnMetrics = Metrics | Iterable[Any]


def predict(model: Module, x: Any) -> Any:
    """The model's outputs in evaluation mode, unrecorded: (n, ...) to (n, classes).

    ``x`` is one array, or a tuple, list or dict of such as ``fit`` takes it; where the model gives
    a tuple, dict or dataclass, so does this. Every module is afterwards in the mode it was in.

    >>> tg.training.predict(tg.nn.Linear(4, 2, seed=0), np.ones((5, 4), np.float32)).shape
    (5, 2)
    """
    check_model("predict", model)
    return predicted(model, x, partial(outputs_of, model))


def predicted(model: Module, x: Any, call: Callable[[Any], Any]) -> Any:
    """What ``call`` gives for the Tensors of x while the model is in evaluation mode."""
    x = examples("x", x, model)
    with evaluating(model), no_grad():
        return _outputs(call, x)


def _outputs(call: Callable[[Any], Any], x: Any) -> Any:
    """The outputs for x, some rows at a time where all arrays have a row for each example."""
    n = rows(x) if are_paired(x) else 0
    if n <= EVALUATION_ROWS:
        return _output(call(as_tensors(x)))
    cuts = range(0, n, EVALUATION_ROWS)
    parts = []
    for start in cuts:
        piece = part(x, slice(start, start + EVALUATION_ROWS))
        parts.append(_output(call(as_tensors(piece))))
        if not all(np.shape(leaf)[:1] == (rows(piece),) for leaf in leaves(parts[-1])):
            return _output(call(as_tensors(x)))  # it has no row for each example
    columns = zip(*map(leaves, parts), strict=True)
    return rebuild(parts[0], [np.concatenate(column) for column in columns])


def _output(given: Any) -> Any:
    if not any(isinstance(leaf, Tensor) for leaf in leaves(given)):
        raise TypeError(
            f"predict: the model returns {shown(given)}; one Tensor (n, ...) is needed, or a "
            "tuple, dict or dataclass of Tensors: give a module whose forward returns only these."
        )
    return as_arrays(given)


@overload
def evaluate(
    model: Module, x: Any, y: Any, loss: Loss = ..., metrics: None = None
) -> tuple[float, float]: ...
@overload
def evaluate(
    model: Module, x: Any, y: Any, loss: Loss, metrics: OwnMetrics
) -> tuple[float, float, dict[str, float]]: ...
@overload
def evaluate(
    model: Module, x: Any, y: Any, loss: Loss = ..., *, metrics: OwnMetrics
) -> tuple[float, float, dict[str, float]]: ...
@hinted("evaluate")
def evaluate(
    model: Module,
    x: Any,
    y: Any,
    loss: Loss = cross_entropy,
    metrics: OwnMetrics | None = None,
) -> tuple[float, float] | tuple[float, float, dict[str, float]]:
    """(mean loss, accuracy) of a model on ``x (n, ...)`` and labels ``y (n,)`` or other targets.

    Both may be nests of arrays as ``fit`` takes them. The accuracy is NaN where outputs mean no
    classes. With ``metrics``, as ``fit`` takes them, the third result has what they say, by name.
    Of several losses, a dict, the first result is the sum. Raises what ``loss`` raises, and
    ShapeError for no examples.

    >>> model = tg.nn.Linear(4, 2, seed=0)
    >>> x, y = np.ones((8, 4), np.float32), np.zeros(8, int)
    >>> loss, accuracy = tg.training.evaluate(model, x, y)
    >>> accuracy in (0.0, 1.0)
    True
    """
    check_model("evaluate", model)
    check_loss("evaluate", loss)
    value, right, own = evaluated(model, x, y, named(metrics), Judge(loss))
    return (value, right) if metrics is None else (value, right, own)


def evaluated(
    model: Module, x: Any, y: Any, metrics: Metrics, judge: "Judge"
) -> tuple[float, float, dict[str, float]]:
    """The same by a judge, and with the losses by name where there are several."""
    y = as_arrays(examples("y", y, model))
    if not rows(y):
        raise ShapeError(f"evaluate: y of {shapes(y)}; expected (n, ...) with n at least 1.")
    outputs = predict(model, x)
    if (found := rows(outputs)) != rows(y) and not isinstance(y, dict):
        raise ShapeError(
            f"evaluate: x has {found:,} rows and y of {shapes(y)} has {rows(y):,}; give one label "
            "for each row."
        )
    value, right, losses = judge.scored(outputs, y)
    return value, right, {**losses, **measured(metrics, outputs, y)}


def score(outputs: Any, y: Any, loss: Loss = cross_entropy) -> tuple[float, float]:
    """(mean loss, accuracy) of outputs (n, ...) for labels ``y (n,)``, as ``evaluate``."""
    return Judge(loss).scored(outputs, y)[:2]


class Judge:
    """The loss of outputs, and how many are right; what they mean is found out once."""

    def __init__(
        self, loss: Loss, decided: Decision | None = None, is_shared: bool = False
    ) -> None:
        self.loss = loss
        self.is_shared = is_shared  # with other processes, whose losses are joined as means
        self.decision = decided
        self.is_known = decided is not None

    def scored(self, outputs: Any, y: Any) -> tuple[float, float, dict[str, float]]:
        """The loss, or the sum of several, the accuracy, and the losses where they have names."""
        outputs = with_floats(outputs, np.float64)
        right, counted = self.counted(outputs, y)
        with no_grad():
            given = self.loss(as_tensors(outputs), as_tensors(y))
        if self.is_shared:
            check_mean(self.loss, outputs, y)
        losses, numbers = {}, (Tensor, np.ndarray, np.generic, float, int)
        for name, value in (given if isinstance(given, dict) else {"": given}).items():
            if not isinstance(value, numbers) or np.ndim(value):
                raise TypeError(
                    f"the loss, {shown(self.loss)}, returned {shown(value)} for outputs of "
                    f"{shapes(outputs)} and targets of {shapes(y)}; it must return one number."
                )
            losses[name] = float(np.asarray(value))
        accuracy = right / counted if counted else math.nan
        return sum(losses.values()), accuracy, losses if isinstance(given, dict) else {}

    def counted(self, outputs: Any, y: Any) -> tuple[int, int]:
        """How many are right, and how many count: none where outputs mean no classes."""
        if not isinstance(outputs, np.ndarray) or not isinstance(y, np.ndarray) or not y.size:
            return 0, 0
        if not self.is_known:
            self.decision, self.is_known = decision(outputs, y, self.loss), True
        return (0, 0) if self.decision is None else self.decision.counted(outputs, y)

    def right(self, outputs: Any, y: Any) -> float:
        """How many rows: the share of right ones, of those that count, times their number."""
        if not isinstance(outputs, Tensor) or not isinstance(y, (np.ndarray, Tensor)):
            return math.nan
        right, counted = self.counted(outputs.numpy(), as_arrays(y))
        if not counted:
            return math.nan if y.size else 0.0
        return right * len(y) / counted
