"""The operation that made the first value that is not finite, found on a tape."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff.rules.table import Part
from ..autodiff.tape import NO_OPTIONS, Leaf, Node, Record, history, recording
from ..autodiff.tensor import Tensor


@dataclass(frozen=True)
class Origin:
    """The first operation on the way that made a value which is not finite from finite ones.

    ``index`` is the first such element of its result, ``operands`` what it was made of, in words:
    numbers where an operand has that element, else shape and range. Where ``operation`` is empty,
    the value came from outside: ``operands`` says as what.
    """

    operation: str
    in_backward: bool
    index: tuple[int, ...]
    value: Any
    operands: tuple[str, ...]

    def __str__(self) -> str:
        place = f" at index {self.index}" if self.index else ""
        if not self.operation:
            return f"{self.operands[0]} is {self.value}{place}"
        where = ", in the backward pass," if self.in_backward else ""
        return (
            f"{self.operation}{where} gives {self.value}{place}, of {' and '.join(self.operands)}"
        )


def origin_of(
    run: Callable[[], Tensor], params: Iterable[Tensor], names: Mapping[str, Any] = NO_OPTIONS
) -> Origin | None:
    """Run forward and backward once more and find where it began; None where the tape can't tell.

    ``run`` gives a loss; ``names`` has arrays from outside that a sentence may name. Gradients of
    the ``params`` are afterwards what they were.
    """
    params = list(params)
    before = [parameter.grad for parameter in params]
    try:
        with recording(), np.errstate(all="ignore"):
            for parameter in params:
                parameter.grad = None
            loss = run()
            found = _trace(loss, 0, names)
            if found is None and np.isfinite(loss.numpy()).all() and loss._node is not None:
                newest = loss._node.number
                loss.backward(create_graph=True)
                for parameter in params:
                    found = found or _trace(parameter.grad, newest, names)
            return found
    except Exception:  # a step that cannot run again, or twice differentiated, tells nothing
        return None
    finally:
        for parameter, gradient in zip(params, before, strict=True):
            parameter.grad = gradient


def _trace(result: Tensor | None, forward: int, names: Mapping[str, Any]) -> Origin | None:
    """Where a result that is not finite began; ``forward`` is the last number before backward."""
    if result is None or np.isfinite(result.numpy()).all():
        return None
    node = result._node
    if not isinstance(node, Record):
        return None
    arrays: dict[int, Any] = {node.number: result.numpy()}  # of the nodes that are not finite
    last: Origin | None = None
    for found in history(node):
        out = arrays.pop(found.number, None)
        if out is None:
            continue
        if isinstance(found.rule, Part):  # one of several results
            arrays |= {parent.number: out for parent in found.parents if parent is not None}
            continue
        pairs = [] if isinstance(found, Leaf) else _operands(found)
        bad = [(parent, value) for parent, value in pairs if not np.isfinite(value).all()]
        arrays |= {parent.number: value for parent, value in bad if parent is not None}
        outside = [value for parent, value in bad if parent is None]
        if isinstance(found, Leaf):
            last = _origin("", False, out, (found.name or f"a parameter of shape {out.shape}",))
        elif not bad:
            index = _first(out)
            words = tuple(_in_words(value, out, index) for _, value in pairs)
            last = _origin(found.rule.name, found.number > forward > 0, out, words)
        elif outside and len(outside) == len(bad):
            kind = f"an operand of {found.rule.name}, of shape {np.shape(outside[0])},"
            kind = next(
                (name for name, array in names.items() if _are_same(array, outside[0])), kind
            )
            last = _origin("", False, np.asarray(outside[0]), (kind,))
    return last


def _are_same(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and np.array_equal(a, b, equal_nan=True)


def _operands(record: Record) -> list[tuple[Node | None, Any]]:
    """The operands that are numbers, with the nodes they came from."""
    pairs = zip(record.parents, record.values, strict=True)
    numbers = [(p, v) for p, v in pairs if isinstance(v, (np.ndarray, np.generic, int, float))]
    return [(p, v) for p, v in numbers if np.asarray(v).dtype.kind in "fciub"]


def _origin(operation: str, backward: bool, out: Any, operands: tuple[str, ...]) -> Origin:
    index = _first(out)
    return Origin(operation, backward, index, out[index].item(), operands)


def _first(out: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])


def _in_words(value: Any, out: Any, index: tuple[int, ...]) -> str:
    """The element of an operand that belongs to an element of the result, or what there is."""
    array = np.asarray(value)
    try:
        return f"{np.broadcast_to(array, out.shape)[index].item():.6g}"
    except ValueError:
        low, high = (array.min(), array.max()) if array.size else (np.nan, np.nan)
        return f"an operand of shape {array.shape} from {low:.4g} to {high:.4g}"
