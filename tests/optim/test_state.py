"""State by name: a run goes on bit for bit, and what does not fit is named."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.optim.test_pack import SHAPES, assert_same, parameters
from tinygrad_np import optim

MAKE: dict[str, Callable[[Any], optim.Optimiser]] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "nesterov": lambda p: optim.SGD(p, 0.1, 0.9, True, 0.1, clip_norm=1.0),
    "Adam": lambda p: optim.Adam(p, optim.StepDecay(0.1, 3), max_norm=2.0),
    "AdamW": lambda p: optim.AdamW(p, np.float32(0.1), clip_value=1.0),
    "RMSprop": lambda p: optim.RMSprop(p, lambda k: 0.1 / (k + 1), momentum=0.5, centered=True),
}
NAMES = {
    "SGD": [], "nesterov": ["velocity"], "Adam": ["first", "second"],
    "AdamW": ["first", "second"], "RMSprop": ["square", "mean", "velocity"],
}  # fmt: skip
every = pytest.mark.parametrize("name", MAKE)


def go(params: list[tg.Tensor], optimiser: optim.Optimiser, start: int, stop: int) -> None:
    """Steps along gradients that are drawn; some lack at first."""
    for step in range(start, stop):
        for i, p in enumerate(params):
            drawn = np.random.default_rng([step, i]).standard_normal(p.shape)
            p.grad = tg.Tensor(np.asarray(drawn, p.dtype)) if step + i != 2 else None
        optimiser.step()


def through_json(state: dict[str, Any]) -> dict[str, Any]:
    """As a file gives it back: text and arrays in C order."""
    rest = {k: v for k, v in state.items() if not isinstance(v, np.ndarray)}
    arrays = {k: np.array(v, order="C") for k, v in state.items() if isinstance(v, np.ndarray)}
    return {**arrays, **json.loads(json.dumps(rest, allow_nan=False))}


@pytest.mark.parametrize("packed", [True, False])
@every
def test_a_run_goes_on_bit_for_bit(name: str, packed: bool) -> None:
    """Also with parameters that lie otherwise, but for sums, which go along the memory."""
    order = "F" if name in ("nesterov", "Adam") else "C"
    dtypes = (np.float32, np.float64)
    params = parameters(True, dtypes, "F")
    optimiser = MAKE[name](params)
    go(params, optimiser, 0, 4)
    state, values = through_json(optimiser.state_dict()), [p.numpy() for p in params]
    go(params, optimiser, 4, 7)
    others = parameters(packed, dtypes, order)
    second = MAKE[name](others)
    go(others, second, 8, 9)  # whatever it did before
    for p, value in zip(others, values, strict=True):
        with tg.no_grad():
            p[...] = value
    second.load_state_dict(state)
    assert second.steps == 4
    go(others, second, 4, 7)
    assert_same(params, others)


@every
def test_what_a_state_holds(name: str) -> None:
    params = parameters(True, order="F")
    optimiser = MAKE[name](params)
    go(params, optimiser, 0, 3)
    state = optimiser.state_dict()
    names = [f"{i}.{kind}" for i in range(len(SHAPES)) for kind in NAMES[name]]
    assert list(state) == ["class", "settings", "steps", "ages", *names]
    assert state["class"] == type(optimiser).__name__ and state["steps"] == 3
    assert state["ages"].tolist() == [2, 2, 2, 3, 3, 3, 3]
    for i, p in enumerate(params):
        for kind in NAMES[name]:
            assert (state[f"{i}.{kind}"].shape, state[f"{i}.{kind}"].dtype) == (p.shape, p.dtype)
    before = copy.deepcopy(state)
    go(params, optimiser, 3, 4)
    for key in names:  # copies
        np.testing.assert_array_equal(state[key], before[key])


def test_values_of_a_state() -> None:
    p = tg.Tensor([[1.0], [2.0]], requires_grad=True)
    optimiser = optim.SGD([p], 0.5, momentum=0.5)
    for _ in range(2):
        p.grad = tg.Tensor([[1.0], [3.0]])
        optimiser.step()
    assert optimiser.state_dict()["0.velocity"].tolist() == [[1.5], [4.5]]


def test_settings_in_words() -> None:
    p = [tg.Tensor([1.0], requires_grad=True)]
    warm = optim.WarmUp(lambda _: 0.1, 5)
    assert optim.Adam(p, warm, clip_norm=np.float32(2)).state_dict()["settings"] == {
        "lr": "WarmUp(schedule=a function, steps=5.0, start=0.0)", "betas": [0.9, 0.999],
        "eps": 1e-8, "weight_decay": 0.0, "clip_norm": 2.0, "clip_value": None, "max_norm": None,
    }  # fmt: skip
    assert optim.SGD(p, 1, nesterov=True, momentum=0.5).state_dict()["settings"] == {
        "lr": 1.0, "momentum": 0.5, "nesterov": True, "weight_decay": 0.0,
        "clip_norm": None, "clip_value": None, "max_norm": None,
    }  # fmt: skip


def made(**options: Any) -> optim.Optimiser:
    params = [tg.Tensor(np.ones(s), requires_grad=True) for s in ((2, 3), (2,))]
    optimiser = optim.SGD(params, **{"lr": 0.1, "momentum": 0.5, **options})
    for p in params:
        p.grad = tg.Tensor(np.ones(p.shape))
    optimiser.step()
    return optimiser


CHANGES: list[tuple[Any, str]] = [
    (lambda _: None, "it is None, expected what state_dict"),
    (lambda s: {k: v for k, v in s.items() if k != "0.velocity"}, "missing 0.velocity"),
    (lambda s: {k: v for k, v in s.items() if k[0] != "s"}, "missing settings; missing steps"),
    (lambda s: {**s, "2.velocity": 1, 3: 4}, "unexpected '2.velocity'; unexpected 3"),
    (lambda s: {**s, "class": "Adam"}, "it is of class 'Adam', expected SGD"),
    (lambda s: {**s, "class": np.ones(2)}, "it is of class array"),
    (lambda s: {**s, "steps": -1}, "steps is -1, expected a number from 0 up"),
    (lambda s: {**s, "steps": True}, "steps is True"),
    (lambda s: {**s, "steps": 1.5}, "steps is 1.5"),
    (lambda s: {**s, "steps": "x" * 10**6}, "steps is 'xxx"),
    (lambda s: {**s, "settings": 3}, "settings is 3, expected names and values"),
    (lambda s: {**s, "settings": {"lr": 0.1}}, "missing setting momentum; missing setting nest"),
    (lambda s: {**s, "settings": {**s["settings"], "x": 1}}, "unexpected setting 'x'"),
    (lambda s: {**s, "settings": {**s["settings"], "lr": 0.2}}, "lr is 0.2, expected 0.1"),
    (
        lambda s: {**s, "settings": {**s["settings"], "lr": np.ones(3), "max_norm": 1.0}},
        r"lr is array\(.*expected 0.1; max_norm is 1.0, expected None",
    ),
    (
        lambda s: {**s, "0.velocity": s["0.velocity"].T, "1.velocity": np.ones(2, "f4")},
        r"0.velocity has shape \(3, 2\), expected \(2, 3\); 1.velocity has dtype float32, expe",
    ),
    (lambda s: {**s, "1.velocity": [1.0, 2.0]}, "1.velocity is of type list, expected an array"),
    (lambda s: {**s, "ages": np.ones(3, int)}, r"ages has shape \(3,\), expected \(2,\)"),
    (lambda s: {**s, "ages": np.ones(2)}, "ages has dtype float64, expected int64"),
    (lambda s: {**s, "ages": np.array([1, 2])}, "ages are not all in 0 … 1, the number of"),
    (lambda s: {**s, "ages": np.array([-1, 1])}, "ages are not all in 0 … 1"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_what_does_not_fit_is_refused_and_nothing_is_set(change: Any, message: str) -> None:
    optimiser, other = made(), made()
    other.step()
    given = change(other.state_dict() if "ages" not in message else optimiser.state_dict())
    before = optimiser.state_dict()
    with pytest.raises(tg.ShapeError, match=message) as caught:
        optimiser.load_state_dict(given)
    assert str(caught.value).startswith("the state does not fit this optimiser: ")
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    after = optimiser.state_dict()
    assert after["steps"] == before["steps"] == 1
    for key in ("ages", "0.velocity", "1.velocity"):
        np.testing.assert_array_equal(after[key], before[key])


@pytest.mark.parametrize("options", [{"lr": lambda _: 0.1}, {"lr": optim.StepDecay(0.1, 3)}])
def test_another_kind_of_rate_is_refused(options: Any) -> None:
    with pytest.raises(tg.ShapeError, match=r"lr is (.a function.|.StepDecay.*), expected 0.1"):
        made().load_state_dict(made(**options).state_dict())


def test_a_restored_rate_may_be_changed() -> None:
    optimiser = made()
    optimiser.load_state_dict(made().state_dict())
    optimiser.lr = 0.01
    assert optimiser.rate() == 0.01
