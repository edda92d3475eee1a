"""The same step twice, as it is written and replayed, from equal state: every bit is compared."""

import numbers
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tinygrad_np as tg
from tinygrad_np.autodiff.nests import leaves
from tinygrad_np.replay.native import with_one_nan

Inputs = Callable[[int], Sequence[Any]]


def _state() -> Any:
    return state_of_a_library  # type: ignore[name-defined] # noqa: F821


# a function of a library that reads a variable of that library: no guard sees it
out_of_sight: Any = types.FunctionType(_state.__code__, vars(numbers))


def put_out_of_sight(value: Any) -> None:
    """Say what ``out_of_sight`` returns."""
    numbers.state_of_a_library = value  # type: ignore[attr-defined]


@dataclass
class Twin:
    """A step and the Tensors and other things whose state it may change.

    ``before`` and ``after`` are called around every call of the step, outside of it.
    """

    step: Callable[..., Any]
    tensors: list[tg.Tensor] = field(default_factory=list)
    others: Callable[[], Any] = tuple
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None


def array_of(value: Any) -> Any:
    """What a Tensor holds (a copy), or the value itself."""
    return np.array(value._array) if isinstance(value, tg.Tensor) else value


def state(twin: Twin) -> Iterator[tuple[str, Any]]:
    """All that a step may have changed, with names."""
    for i, tensor in enumerate(twin.tensors):
        yield f"tensor {i}", array_of(tensor)
        yield f"gradient {i}", array_of(tensor.grad)
    for i, value in enumerate(leaves(twin.others())):
        yield f"other {i}", array_of(value)


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal to the last bit, in dtype and shape."""
    if isinstance(a, (np.ndarray, np.generic)) and isinstance(b, (np.ndarray, np.generic)):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and repr(a) == repr(b)


def same_but_for_the_kind_of_nan(a: Any, b: Any) -> bool:
    """The same of fused replays: which of two NaN is kept depends on how arrays lie."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        a, b = with_one_nan(a), with_one_nan(b)
    return _exactly(a, b)


_exactly = same  # which fused tests replace


def wrapped(value: Any) -> Any:
    """An array as the replayed step gets it: a Tensor around the same memory."""
    array = isinstance(value, (np.ndarray, np.generic))
    return tg.Tensor._owning(np.asarray(value)) if array else value


def differences(
    make: Callable[[], Twin],
    inputs: Inputs = lambda _: (),
    calls: int = 4,
    runs: int | None = 2,
    verify: bool = True,
) -> str:
    """What differs between the step as written and replayed, in the first call where it does.

    ``runs`` is how often the step may be run as Python, besides the checks at calls 4, 8, 16 …,
    which there are none of without ``verify``: twice for each signature.
    """
    eager, other = make(), make()
    ran: list[None] = []

    def counted(*args: Any) -> Any:
        ran.append(None)
        return other.step(*args)

    replayed = tg.replay(counted, verify=verify)
    for k in range(calls):
        eager.before(k)
        other.before(k)
        expected = [array_of(v) for v in leaves(eager.step(*map(wrapped, inputs(k))))]
        found = [array_of(v) for v in leaves(replayed(*inputs(k)))]
        eager.after(k)
        other.after(k)
        if len(found) != len(expected):
            return f"call {k}: {len(found)} results instead of {len(expected)}"
        named = [("result", a, b) for a, b in zip(found, expected, strict=True)]
        pairs = zip(state(other), state(eager), strict=True)
        for what, ours, theirs in [*named, *((name, a, b) for (name, a), (_, b) in pairs)]:
            if not same(ours, theirs):
                return f"call {k}: {what} is {ours!r} and should be {theirs!r}"
    programs = [p for found in replayed._local.programs.values() for p in found]
    checks = sum(max((p.runs + 1).bit_length() - 2, 0) for p in programs) if verify else 0
    if runs is not None and len(ran) - checks != runs:
        return f"the step was run {len(ran)} times, {checks} of them checks, not {runs}"
    return ""


def assert_twins(
    make: Callable[[], Twin],
    inputs: Inputs = lambda _: (),
    calls: int = 4,
    runs: int | None = 2,
    verify: bool = True,
) -> None:
    """Assert that a replay equals the step as it is written, in every call."""
    found = differences(make, inputs, calls, runs, verify)
    assert found == "", found
