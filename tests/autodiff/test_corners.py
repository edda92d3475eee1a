"""Lines of the engine that ordinary programs seldom reach."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tinygrad_np.autodiff.funnel import _source
from tinygrad_np.autodiff.rules.signatures import parameters


def test_a_wider_option_widens_half_precision() -> None:
    half = tg.Tensor(np.array([1.0, 3.0], np.float16))
    found = np.average(half, weights=np.array([1.0, 3.0]))
    assert (found.dtype, found.item()) == (np.float64, 2.5)


def test_repeats_of_nothing_have_a_gradient_of_nothing() -> None:
    x = tg.Tensor(np.zeros(0), requires_grad=True)
    np.sum(np.repeat(x, np.array([], int))).backward()
    assert x.grad is not None
    assert x.grad.shape == (0,)


def test_a_function_that_does_not_tell_itsparameters() -> None:
    assert dict(parameters(type)) == {}


def test_a_record_that_is_released_while_its_rule_runs() -> None:
    """As another thread that sweeps the same graph may do."""
    results: list[Any] = []

    @tg.primitive
    def doubled(x: Any) -> Any:
        return x * 2

    def rule(g: Any, _out: Any, _x: Any) -> Any:
        results[0]._node.release()
        return g * 2

    tg.defvjp(doubled, rule)
    t = tg.Tensor([1.0], requires_grad=True)
    results.append(doubled(t))
    results[0].backward()
    assert t.grad is not None and t.grad.tolist() == [2.0]


def test_the_source_of_a_view_behind_another_object() -> None:
    tensor = tg.Tensor(np.arange(3.0))
    view = np.lib.stride_tricks.as_strided(tensor._array, (2, 2), (8, 8))
    assert not isinstance(view.base, np.ndarray)
    assert _source(view, view.base, (1.0, tensor)) is tensor


@pytest.mark.parametrize("has_rule", [False, True])
def test_what_users_functions_raise_comes_through(has_rule: bool) -> None:
    @tg.primitive
    def picky(x: Any) -> Any:
        raise ValueError(f"not of shape {x.shape}")

    if has_rule:
        tg.defvjp(picky, lambda g, _out, _x: g)
    with pytest.raises(ValueError, match=r"not of shape \(2,\)"):
        picky(tg.Tensor([1.0, 2.0], requires_grad=has_rule))


def test_products_that_do_not_fit_are_told_with_their_operands() -> None:
    vectors = tg.Tensor([1.0, 2.0]), tg.Tensor([1.0, 2.0, 3.0])
    with pytest.raises(tg.ShapeError, match=r"(?s)operand 1: shape \(3,\), dtype float64$"):
        vectors[0] @ vectors[1]


def test_writers_of_constants_are_told_the_way() -> None:
    with pytest.raises(tg.TapeError, match=r"np\.putmask cannot write into a Tensor"):
        np.putmask(tg.Tensor([1.0, 2.0]), [True, False], 3.0)


class Wrapped:
    """Of a library that has NumPy's older protocol alone."""

    def __array_wrap__(self, *_: Any) -> Any:
        raise AssertionError


FOREIGN: dict[str, tuple[Callable[[tg.Tensor], Any], str]] = {
    "PyTorch's functions": (lambda t: t.__torch_function__(abs), "PyTorch's abs takes no Tensor"),
    "DLPack": (lambda t: t.__dlpack_device__(), "would lose its history"),
    "written": (lambda t: t.__setitem__(0, Wrapped()), "which is no array of NumPy's"),
    "no option": (lambda t: t.std(foo=0), "std takes no option foo="),
    "nothing": (lambda _: tg.grad(lambda _: None)(1.0), "return"),
    "of examples": (lambda t: tg.vmap(lambda x: np.array([x, x]))(t), "differs between the ex"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_others_ask_of_tensors_is_refused(name: str) -> None:
    call, said = FOREIGN[name]
    with pytest.raises((TypeError, tg.TapeError), match=said):
        call(tg.Tensor([1.0, 2.0]))


def test_the_gradient_of_a_result_is_none_with_a_warning() -> None:
    result = tg.Tensor(1.0, requires_grad=True) * 2
    with pytest.warns(UserWarning, match="grad"):
        assert result.grad is None


def test_a_batched_value_in_a_tensor_from_outside_is_refused_at_the_end() -> None:
    outer = tg.Tensor([0.0])

    def step(x: Any) -> Any:
        outer[0] = x
        return x

    with pytest.raises((tg.TapeError, TypeError)):
        tg.vmap(step)(np.ones(2))
    assert outer.tolist() == [0.0]
