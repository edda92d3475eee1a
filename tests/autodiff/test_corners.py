"""Lines of the engine that ordinary programs seldom reach."""

from typing import Any

import numpy as np

import tinygrad_np as tg
from tinygrad_np.autodiff.rules.table import parameters
from tinygrad_np.autodiff.tensor import _source


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
