"""State that a step reaches in unusual ways: a change before call 6 counts in that call."""

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.each import for_each

Pair = tuple[Callable[[Any], Any], Callable[[], Any]]


def module_imported_inside() -> Pair:
    settings = types.ModuleType("settings_of_a_step")
    settings.k = 1.0  # type: ignore[attr-defined]
    sys.modules["settings_of_a_step"] = settings

    def step(x: Any) -> Any:
        import settings_of_a_step  # type: ignore[import-not-found]

        return x * settings_of_a_step.k

    return step, lambda: setattr(settings, "k", 7.0)


def name_imported_inside() -> Pair:
    _, change = module_imported_inside()

    def step(x: Any) -> Any:
        from settings_of_a_step import k

        return x * k

    return step, change


def attribute_that_was_not_there() -> Pair:
    thing = types.SimpleNamespace()
    return lambda x: x * getattr(thing, "scale", 1.0), lambda: setattr(thing, "scale", 7.0)


def attribute_of_a_class_between() -> Pair:
    class Base:
        k = 1.0

    class Derived(Base):
        pass

    thing = Derived()
    return lambda x: x * thing.k, lambda: setattr(Derived, "k", 7.0)


WAYS = [
    module_imported_inside, name_imported_inside, attribute_that_was_not_there,
    attribute_of_a_class_between,
]  # fmt: skip


@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_a_change_is_seen(make: Callable[[], Pair]) -> None:
    fn, change = make()
    step = tg.replay(fn)
    assert [step(np.ones(1)).item() for _ in range(5)] == [1.0] * 5
    change()
    assert [step(np.ones(1)).item() for _ in range(3)] == [7.0] * 3


def test_functions_of_one_decorator_have_cells_of_their_own() -> None:
    def scaled(function: Any) -> Any:
        k = 1.0

        def call(x: Any, new: float | None = None) -> Any:
            nonlocal k
            k = k if new is None else new
            return function(x) * k

        return call

    sine, cosine, w = scaled(np.sin), scaled(np.cos), tg.Tensor([1.0], requires_grad=True)

    @tg.replay
    def step(x: Any) -> Any:
        loss = np.sum(sine(w) + cosine(w) * x)
        loss.backward()
        return loss

    for change in (lambda: None, lambda: cosine(w, 3.0), lambda: sine(w, 2.0)):
        change()
        with tg.no_grad():
            right = (sine(w) + cosine(w) * 2.0).item()
        found = [step(np.full(1, 2.0)).item() for _ in range(5)]
        assert found == [right] * 5
        assert " 0 programs " not in repr(step)


@pytest.mark.parametrize("kind", ["a number", "a function", "an array", "a Tensor"])
@pytest.mark.parametrize("deep", [False, True])
def test_a_variable_that_has_no_value_may_get_one(kind: str, deep: bool) -> None:
    """And lose it again, whatever it had when the step was recorded."""

    def value(scale: float) -> Any:
        if kind == "a function":
            return lambda x: x * scale
        array = np.full(2, scale)
        return {"a number": scale, "an array": array, "a Tensor": tg.Tensor(array)}[kind]

    def read(x: Any) -> Any:
        try:
            known = k
        except NameError:
            return x
        return known(x) if callable(known) else x * known

    step = tg.replay((lambda x: read(x) + 0.0) if deep else read)
    now = 1.0

    def check(times: int) -> None:
        found = [step(np.ones(2)).numpy().tolist() for _ in range(times)]
        assert found == [[now] * 2] * times

    for times in (5, 1, 2, 3):
        check(times)
        for now in (3.0, 4.0):
            k = value(now)
            check(times)
        del k
        now = 1.0
        check(times)


def test_functions_of_one_decorator_that_count_are_refused() -> None:
    def counted(function: Any) -> Any:
        n = 0

        def call(x: Any) -> Any:
            nonlocal n
            n += 1
            return function(x) * n

        return call

    sine, cosine, w = counted(np.sin), counted(np.cos), tg.Tensor([1.0], requires_grad=True)
    step = tg.replay(lambda x: np.sum(sine(w) + cosine(w) * x).backward())
    with pytest.raises(tg.ReplayError, match="changes n, which is outside"):
        for _ in range(5):
            step(np.ones(1))


def test_a_change_under_a_computed_name_is_seen_without_a_comparison() -> None:
    box = types.SimpleNamespace(k=1.0)

    def step(x: Any) -> Any:
        setattr(box, "K".lower(), getattr(box, "K".lower()) + 1.0)
        return x * getattr(box, "K".lower())

    run = tg.replay(step, verify=False)
    run(np.ones(1))
    with pytest.raises(tg.ReplayError, match=r"changes SimpleNamespace\.k"):
        run(np.ones(1))


class Asked:
    """Python calls these methods of its class without a look at the object."""

    def __call__(self, x: Any) -> Any:
        return x * 1.0

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _key: int) -> float:
        return 1.0

    def __bool__(self) -> bool:
        return True

    def __contains__(self, _x: Any) -> bool:
        return True

    def __eq__(self, _other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __float__(self) -> float:
        return 1.0

    def __mul__(self, x: Any) -> Any:
        return x * 1.0

    def __enter__(self) -> float:
        return 1.0

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Any:
        return iter([1.0])


def entered(one: Any) -> float:
    with one as number:
        return float(number)


ASKED: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "__call__": (lambda one, x: one(x), lambda _, x: x * 7.0),
    "__len__": (lambda one, x: x * len(one), lambda _: 7),
    "__getitem__": (lambda one, x: x * one[0], lambda _, key: 7.0 + key),
    "__bool__": (lambda one, x: x * (1.0 if one else 7.0), lambda _: False),
    "__contains__": (lambda one, x: x * (1.0 if 3 in one else 7.0), lambda _, x: x is None),
    "__eq__": (lambda one, x: x * (1.0 if one == 3 else 7.0), lambda _, other: other is None),
    "__float__": (lambda one, x: x * float(one), lambda _: 7.0),
    "__mul__": (lambda one, x: one * x, lambda _, x: x * 7.0),
    "__enter__": (lambda one, x: x * entered(one), lambda _: 7.0),
    "__iter__": (lambda one, x: x * sum(one), lambda _: iter([7.0])),
}


@for_each(ASKED, ["its class", "a class below", "a new one above"])
def test_special_methods_that_are_replaced(name: str, where: str) -> None:
    ask, new = ASKED[name]
    base = type("Base", (Asked,), {} if where == "a new one above" else {name: vars(Asked)[name]})
    one = type("One", (base,), {})()
    step = tg.replay(lambda x: np.sum(ask(one, x)))
    assert [step(np.ones(1)).item() for _ in range(5)] == [1.0] * 5
    setattr(type(one) if where == "a class below" else base, name, new)
    assert [step(np.ones(1)).item() for _ in range(3)] == [7.0] * 3
