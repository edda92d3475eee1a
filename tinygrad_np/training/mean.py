"""Whether a loss is a mean over rows, as several processes need that have some rows each."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import shown
from ..autodiff.nests import leaves, rebuild
from ..autodiff.tape import no_grad
from ..data.samples import ARRAYS
from .decision import Loss, has_classes
from .inputs import as_arrays, as_tensors, rows, with_floats

FAR = 1e-5  # relative: of losses that compute in float32, too
MOST = 100_000  # made-up outputs; where classes have more, only the first ones are asked for


def check_mean(loss: Loss, outputs: Any, y: Any) -> None:
    """Raise ValueError where the loss of the rows is not the mean of the losses of their parts.

    ``outputs`` and ``y`` are arrays or nests of arrays with a row for each example; others are the
    same for all parts. It is asked of the first row and the others, and of a third and the others.
    Where outputs are of classes it is asked with labels of all classes, too, so that weights and
    ignored labels show. A loss that draws numbers, or that takes no parts, is not judged.
    """
    outputs, y = with_floats(outputs, np.float64), as_arrays(y)
    n = rows(y, outputs)
    if not n:
        return
    few = np.arange(max(n, 2)) % n
    pairs = [tuple(_taken(nest, few, n) for nest in (outputs, y))]
    if isinstance(outputs, np.ndarray) and isinstance(y, np.ndarray) and has_classes(outputs, y):
        classes = min(outputs.shape[1], MOST // outputs.shape[1] + 2, np.iinfo(y.dtype).max)
        many = np.arange(max(n, classes)) % n
        labels = (np.arange(len(many)) % classes).astype(y.dtype)
        pairs.append((outputs[many], labels))
    for pair in pairs:
        count = rows(pair[1], pair[0])
        for first in {1, -(-count // 3)}:
            found = _apart(loss, pair, count, first)
            if found is not None:
                raise ValueError(
                    f"fit(group=..., loss={shown(loss)}): it is not a mean over rows: it is "
                    f"{found[0]:.6g} for {count} rows, but the mean of what it is for the first "
                    f"{first} and for the others is {found[1]:.6g}, so several processes would "
                    "not train as one does. Return a mean over all rows, such as np.mean("
                    "cross_entropy(outputs, y, weight=w, reduction='none')) for weights, and so "
                    "for ignored labels, or train with one process."
                )


def _apart(loss: Loss, pair: tuple[Any, Any], count: int, first: int) -> tuple[float, float] | None:
    """The loss and the mean of those of two parts, where these differ."""
    parts = [
        tuple(_taken(nest, which, count) for nest in pair)
        for which in (slice(first), slice(first, None))
    ]
    try:
        with np.errstate(all="ignore"):
            whole, again, one, other = (_values(loss, *each) for each in (pair, pair, *parts))
    except Exception:
        return None
    if whole != again:  # also where one is NaN
        return None
    share = first / count
    for a, b, c in zip(whole, one, other, strict=True):
        mean = share * b + (1 - share) * c
        size = max(abs(a), share * abs(b) + (1 - share) * abs(c))
        if math.isfinite(a) and not abs(a - mean) <= FAR * size:
            return a, mean
    return None


def _values(loss: Loss, outputs: Any, y: Any) -> list[float]:
    """The loss, or all of several."""
    with no_grad():
        given = loss(as_tensors(outputs), as_tensors(y))
    named = given if isinstance(given, dict) else {"": given}
    return [float(np.asarray(value).reshape(())) for value in named.values()]


def _taken(nest: Any, which: Any, count: int) -> Any:
    """These rows of all arrays that have ``count``."""

    def taken(leaf: Any) -> Any:
        return leaf[which] if isinstance(leaf, ARRAYS) and leaf.shape[:1] == (count,) else leaf

    if isinstance(nest, ARRAYS):
        return taken(nest)
    return rebuild(nest, [taken(leaf) for leaf in leaves(nest)])


class MeanCheck:
    """``check_mean`` of batches 1, 2, 4, 8, … of a training."""

    def __init__(self, loss: Loss, predict: Callable[[Any], Any]) -> None:
        self.loss, self.predict = loss, predict
        self.seen = 0

    def is_due(self) -> bool:
        """Whether this batch, before its step, is one of those."""
        self.seen += 1
        return not self.seen & (self.seen - 1)

    def look(self, x: Any, y: Any) -> None:
        """Look at a batch, with the outputs of the model in evaluation mode."""
        try:
            outputs = self.predict(x)
        except Exception:  # the step says what is wrong, or the model only trains
            return
        check_mean(self.loss, outputs, y)
