"""What class an output means: the one place where outputs become right or wrong."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff.tape import no_grad
from ..autodiff.tensor import Tensor

PROBES = (-9.0, -1.0, 1.0, 9.0)  # outputs at which a loss is asked whether it is one of two classes


@dataclass(frozen=True)
class Decision:
    """How outputs become classes.

    The greatest of several outputs, (n, classes) to (n,). Of one output, (n,) or (n, 1): with
    ``two`` = (low, high) it is ``high`` above 0, else ``low``.
    """

    two: tuple[int, int] | None = None

    def classes(self, outputs: Any) -> Any:
        """The class of each row: (n,)."""
        if self.two is None:
            return np.argmax(outputs, axis=1)
        return np.where(np.ravel(outputs) > 0, self.two[1], self.two[0])

    def right(self, outputs: Any, y: Any) -> Any:
        """How many rows of outputs are right."""
        return np.sum(np.equal(self.classes(outputs), y if self.two is None else np.ravel(y)))


GREATEST = Decision()


def decision(outputs: Any, y: Any, loss: Callable[[Any, Any], Any]) -> Decision | None:
    """The decision that belongs to outputs, targets and loss, None where there is none.

    Several outputs and integer labels (n,) are decided by the greatest output. One output is
    decided by its sign where the labels are all 0 and 1, or -1 and 1, and the loss never rises with
    an output that moves to its label's side, however far: so do cross-entropies of logits and
    hinges, and squares and distances do not. ``loss`` is called for that, with made-up outputs.
    """
    if has_classes(outputs, y):
        return GREATEST
    n = outputs.shape[:1]
    if (
        outputs.shape not in (n, (*n, 1))
        or y.shape not in (n, (*n, 1))
        or y.dtype.kind not in "biuf"
    ):
        return None
    targets = y.numpy() if isinstance(y, Tensor) else y
    outputs = outputs.numpy() if isinstance(outputs, Tensor) else outputs
    for two in ((0, 1), (-1, 1)):
        if (y.dtype.kind not in "bu" or min(two) == 0) and np.isin(targets, two).all():
            sides = [_leads(loss, outputs, targets, label) for label in two]
            if sides == [-1, 1]:
                return Decision(two)
    return None


def has_classes(outputs: Any, y: Any) -> bool:
    """Whether outputs (n, classes), at least 2, meet integer labels (n,)."""
    return (
        outputs.ndim == 2
        and outputs.shape[1] > 1
        and y.shape == outputs.shape[:1]
        and y.dtype.kind in "iu"
    )


def _leads(loss: Callable[[Any, Any], Any], outputs: np.ndarray, y: np.ndarray, label: int) -> int:
    """Where a loss leads outputs of a label: 1 up without end, -1 down, 0 neither."""
    targets = Tensor(np.full_like(y, label))
    try:
        with no_grad(), np.errstate(all="ignore"):
            values = [
                float(np.asarray(loss(Tensor(np.full_like(outputs, probe)), targets)))
                for probe in PROBES
            ]
    except Exception:  # a loss that these labels or outputs are nothing for has no such decision
        return 0
    if not all(map(math.isfinite, values)) or values[0] == values[-1]:
        return 0
    falls = sorted(values, reverse=True) == values
    return 1 if falls else -1 if sorted(values) == values else 0
