"""What a replay returns is the caller's own, and what the step returns of others is theirs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.autodiff.nests import leaves

Make = Callable[[], Callable[[Any], Any]]


@dataclasses.dataclass
class Pair:
    first: Any
    second: Any


def twos() -> Any:
    return np.full((2, 2), 2.0)


def from_outside(view: bool) -> Callable[[Any], Any]:
    kept = twos()
    return lambda x: (np.sum(x), kept[:1] if view else kept)


def cached() -> Callable[[Any], Any]:
    found: dict[str, Any] = {}

    def step(x: Any) -> Any:
        if "made" not in found:
            found["made"] = twos()
        return np.sum(x), found["made"]

    return step


def in_an_object() -> Callable[[Any], Any]:
    holder = Pair(twos(), 1.0)
    return lambda x: {"loss": np.sum(x), "kept": holder.first}


def masked(x: Any) -> Any:
    return np.sum(x), np.ma.masked_array(np.ones(2), [True, False])


STEPS: dict[str, Make] = {
    "a constant": lambda: lambda _: np.ones(2),
    "a constant beside a loss": lambda: lambda x: (np.sum(x), np.ones(2)),
    "an array by columns": lambda: lambda x: (np.sum(x), np.asfortranarray(twos())),
    "a view of a constant": lambda: lambda x: (np.sum(x), np.arange(6.0).reshape(2, 3).T[::2]),
    "integers": lambda: lambda x: (x * 2, np.arange(3), np.array(3)),
    "objects": lambda: lambda x: (x * 2, np.array([1, "a"], object)),
    "a masked array": lambda: masked,
    "in a nest": lambda: lambda x: {"a": [x * 2, (np.ones(2), None)], "b": np.zeros(3)},
    "in a dataclass": lambda: lambda x: Pair(np.ones(2), [x * 2, np.zeros(1)]),
    "the argument": lambda: lambda x: x,
    "the argument twice": lambda: lambda x: (x, x, x.T),
    "views of the argument": lambda: lambda x: (x[0], x[:, 1:], np.sum(x)),
    "the same result twice": lambda: lambda x: [y := x * 2, y[0], y, np.sum(x)],
    "the same constant twice": lambda: lambda x: {"a": (y := np.ones(2)), "b": [x * 2, y]},
    "a Tensor made inside": lambda: lambda x: (np.sum(x), tg.Tensor(np.ones(2))),
    "an array from outside": lambda: from_outside(view=False),
    "a view from outside": lambda: from_outside(view=True),
    "an array that is cached": cached,
    "an attribute": in_an_object,
}
TRANSFORMS: dict[str, Make] = {
    "value_and_grad": lambda: tg.value_and_grad(lambda x: np.sum(x)),
    "grad of a sum": lambda: tg.grad(lambda x: np.sum(x)),
    "jacobian": lambda: tg.jacobian(lambda x: x),
    "jacobian of a constant": lambda: tg.jacobian(lambda _: np.ones(2)),
    "hessian": lambda: tg.hessian(lambda x: np.sum(x) ** 2),
    "vmap": lambda: tg.vmap(lambda x: (x, x * 2)),
    "vmap of a constant": lambda: tg.vmap(lambda _: np.array([1.0, 2.0])),
    "vmap beside a number": lambda: tg.vmap(lambda x: (x, 1.0)),
    "vmap of one for all": lambda: tg.vmap(lambda _: np.array([1.0, 2.0]), out_axes=None),
}


def as_aux(make: Make) -> Make:
    def made() -> Callable[[Any], Any]:
        step = make()
        return tg.value_and_grad(lambda x: (np.sum(x * x), step(x)), has_aux=True)

    return made


TRANSFORMS |= {f"aux: {name}": as_aux(make) for name, make in STEPS.items()}


def array_of(part: Any) -> Any:
    return part._array if isinstance(part, tg.Tensor) else part


def places(parts: list[Any]) -> list[int]:
    """At which place each array, or Tensor, stands first."""
    at: dict[int, int] = {}
    keys = [id(part) if hasattr(part, "shape") else -i for i, part in enumerate(parts)]
    return [at.setdefault(key, i) for i, key in enumerate(keys)]


def check(make: Make, eager: Callable[[Any], Any]) -> None:
    """Each call gives what eager mode gives, though all that the calls before gave is written."""
    replayed = tg.replay(make())
    for k in range(8):
        given = np.arange(4.0).reshape(2, 2) + k
        theirs, ours = leaves(eager(given.copy())), leaves(replayed(given))
        assert [*map(type, ours)] == [*map(type, theirs)] and places(ours) == places(theirs)
        for a, b in zip(map(array_of, ours), map(array_of, theirs), strict=True):
            assert repr(a) == repr(b), k
            assert getattr(a, "flags", None) is None or a.flags.writeable == b.flags.writeable
        for part in (*ours, *theirs):
            if isinstance(array := array_of(part), np.ndarray) and array.flags.writeable:
                array[...] = 8


@pytest.mark.parametrize("name", STEPS)
def test_a_caller_may_write_to_what_a_step_returned(name: str) -> None:
    step = STEPS[name]()
    check(STEPS[name], lambda x: step(tg.Tensor(x)))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_caller_may_write_to_what_a_transform_returned(name: str) -> None:
    check(TRANSFORMS[name], TRANSFORMS[name]())


def test_an_array_from_outside_is_returned_as_it_is() -> None:
    kept = np.ones(2)
    step = tg.replay(lambda x: (np.sum(x), kept))
    assert all(step(np.ones(3))[1] is kept for _ in range(5))
