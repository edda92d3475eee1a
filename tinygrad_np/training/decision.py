"""Which class an output means, and whether it is right."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor
from ..nn.functional import cross_entropy

# outputs at which a loss is asked whether it is one of two classes: logits, and probabilities
PROBES = (-9.0, -1.0, 1.0, 9.0)
SHARES = (0.01, 0.3, 0.7, 0.99)
MOST = 1_000_000  # made-up outputs for one question: of more only so many first rows are asked for
Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Decision:
    """How outputs become classes.

    The greatest of several outputs along ``axis``: (n, classes) to (n,), or (n, classes, ...) or
    (n, ..., classes) to (n, ...). With ``two`` = (low, high) each output is one of two: ``high``
    above ``threshold``, else ``low``. With ``shares`` targets are shares of the classes, of which
    the greatest is right. Labels that are no class, and those ``ignored``, count nothing.
    """

    two: tuple[int, int] | None = None
    threshold: float = 0.0
    axis: int = 1
    shares: bool = False
    ignored: frozenset[int] = frozenset()

    def classes(self, outputs: Any) -> Any:
        """The class of each row: (n,)."""
        if self.two is None:
            return np.argmax(outputs, axis=self.axis)
        return np.where(np.ravel(outputs) > self.threshold, self.two[1], self.two[0])

    def right(self, outputs: Any, y: Any) -> Any:
        return np.sum(np.equal(self.classes(outputs), y if self.two is None else np.ravel(y)))

    def counted(self, outputs: np.ndarray, y: np.ndarray) -> tuple[int, int]:
        """How many outputs are right, and how many count."""
        if self.shares:
            y = np.argmax(y, axis=self.axis)
        right = np.equal(np.ravel(self.classes(outputs)), np.ravel(y))
        if self.two is None and not self.shares:
            counts = (y >= 0) & (y < outputs.shape[self.axis])
            if self.ignored:
                counts &= ~np.isin(y, list(self.ignored))
            right = right[counts.ravel()]
        return int(np.count_nonzero(right)), right.size


GREATEST = Decision()


def decision(outputs: Any, y: Any, loss: Loss) -> Decision | None:
    """The decision that belongs to outputs, targets and loss, None where there is none.

    Integer labels (n, ...) are decided by the greatest output. Where targets of the outputs' shape
    are all 0 and 1, or -1 and 1, each output is decided by its sign, if the loss never rises with
    outputs that move to their label's side, however far: so do cross-entropies of logits and
    hinges, and squares and distances do not. A loss that is only defined in 0 … 1, or flat outside,
    and does so there is one of probabilities. Shares of the classes that add up to 1 are decided by
    the greatest, if the loss never rises with the output of a class that has all. ``loss`` is
    called for that, with made-up outputs.
    """
    outputs, y = (a.numpy() if isinstance(a, Tensor) else a for a in (outputs, y))
    whole = y
    if outputs.size > MOST and outputs.shape[:1] == y.shape[:1]:
        few = max(1, MOST * len(y) // outputs.size)
        outputs, y = outputs[:few], y[:few]
    if y.dtype.kind in "iu" and (axis := _class_axis(outputs, y, loss)) is not None:
        return Decision(axis=axis, ignored=_ignored(outputs, y, loss, axis))
    n = outputs.shape[:1]
    one = (n, (*n, 1))
    if y.dtype.kind not in "biuf" or not outputs.ndim:
        return None
    if y.shape != outputs.shape and not (outputs.shape in one and y.shape in one):
        return None
    for two in ((0, 1), (-1, 1)):
        if (y.dtype.kind not in "bu" or min(two) == 0) and np.isin(whole, two).all():
            threshold = _threshold(outputs, y, loss, two)
            if threshold is not None:
                return Decision(two, threshold)
    return _of_shares(outputs, y, loss)


def row_decision(outputs: Any, y: Any, loss: Loss) -> Decision | None:
    """The same where each row is one example: of labels (n,), or of the sign of one output."""
    found = decision(outputs, y, loss)
    if found is None or found.shares or found.threshold or outputs.ndim > 2:
        return None
    if found.two is not None and outputs.size != len(outputs):
        return None
    return replace(found, ignored=frozenset())


def has_classes(outputs: Any, y: Any) -> bool:
    """Whether outputs (n, classes), at least 2, meet integer labels (n,)."""
    return (
        outputs.ndim == 2
        and outputs.shape[1] > 1
        and y.shape == outputs.shape[:1]
        and y.dtype.kind in "iu"
    )


def _class_axis(outputs: np.ndarray, y: np.ndarray, loss: Loss) -> int | None:
    """Where the classes are, for integer labels: on axis 1, or the last one; None for none.

    Where both may be, that is asked of the loss: it is less for the axis on which labels lead.
    """
    if has_classes(outputs, y):
        return 1
    shape = outputs.shape
    if outputs.ndim < 3 or y.ndim != outputs.ndim - 1:
        return None
    fits = {1: y.shape == (shape[0], *shape[2:]), outputs.ndim - 1: y.shape == shape[:-1]}
    axes = [axis for axis, fit in fits.items() if fit and shape[axis] > 1]
    if len(axes) < 2:
        return axes[0] if axes else None
    labels = (np.arange(y.size).reshape(y.shape) // 2 % shape[1]).astype(y.dtype)
    made = []
    for axis in axes:
        classes = np.arange(shape[axis]).reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
        hot = np.equal(np.expand_dims(labels, axis), classes)
        made.append(_value(loss, hot.astype(outputs.dtype), labels))
    return axes[int(made[1] < made[0])]


def _ignored(outputs: np.ndarray, y: np.ndarray, loss: Loss, axis: int) -> frozenset[int]:
    """The classes whose outputs a loss does not look at, as far as so many examples show them."""
    if loss is cross_entropy or not y.size:
        return frozenset()
    labels = np.resize(np.arange(outputs.shape[axis]), y.shape).astype(y.dtype)
    made = Tensor(np.zeros_like(outputs), requires_grad=True)
    try:
        with np.errstate(all="ignore"):
            loss(made, Tensor(labels)).backward()
    except Exception:  # a loss that these labels are nothing for ignores none
        return frozenset()
    if made.grad is None:
        return frozenset()
    moved = np.any(made.grad.numpy() != 0, axis=axis)
    if not moved.any():
        return frozenset()
    return frozenset(np.setdiff1d(labels[~moved], labels[moved]).tolist())


def _threshold(outputs: np.ndarray, y: np.ndarray, loss: Loss, two: Any) -> float | None:
    """Above which output a loss of two classes means the higher one; None for other losses."""
    low, high = (_values(loss, outputs, y, label, PROBES) for label in two)
    if _rises(low) and _rises(high[::-1]):
        is_flat = all(v[0] == v[1] and v[2] == v[3] for v in (low, high))
        return 0.5 if is_flat else 0.0
    if two != (0, 1) or math.isfinite(low[-1]) or math.isfinite(high[0]):
        return None
    low, high = (_values(loss, outputs, y, label, SHARES) for label in two)
    return 0.5 if _rises(low) and _rises(high[::-1]) else None


def _of_shares(outputs: np.ndarray, y: np.ndarray, loss: Loss) -> Decision | None:
    """The decision for targets that are shares of the classes, which are on axis 1."""
    if y.shape != outputs.shape or y.ndim < 2 or y.shape[1] < 2 or y.dtype.kind != "f":
        return None
    if not (y.size and y.min() >= 0 and np.abs(y.sum(axis=1) - 1).max() < 1e-3):
        return None
    first = np.zeros_like(y)
    first[:, 0] = 1
    values = []
    for probe in PROBES:
        made = np.zeros_like(outputs)
        made[:, 0] = probe
        values.append(_value(loss, made, first))
    return Decision(shares=True) if _rises(values[::-1]) else None


def _values(
    loss: Loss, outputs: np.ndarray, y: np.ndarray, label: int, probes: Sequence[float]
) -> list[float]:
    """The losses of one label at outputs that are all the same."""
    targets = np.full_like(y, label)
    return [_value(loss, np.full_like(outputs, probe), targets) for probe in probes]


def _value(loss: Loss, outputs: np.ndarray, y: np.ndarray) -> float:
    """A loss of made-up outputs, NaN where they are nothing for it."""
    try:
        with no_grad(), np.errstate(all="ignore"):
            return float(np.asarray(loss(Tensor(outputs), Tensor(y))))
    except Exception:
        return math.nan


def _rises(values: Sequence[float]) -> bool:
    """Whether finite values never fall, and end higher than they begin."""
    is_finite = all(map(math.isfinite, values))
    return is_finite and sorted(values) == list(values) and values[0] != values[-1]
