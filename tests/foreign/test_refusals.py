"""What arrays of another library are refused, each in one sentence, without that library."""

import types
from typing import Any

import numpy as np
import pytest

import tinygrad_np as tg
from tests.foreign.strict import Strict
from tinygrad_np.autodiff.primitives import needs_memory
from tinygrad_np.autodiff.rules import calls


class Lazy(Strict):
    """An array that nothing can be written into."""

    def __getattr__(self, name: str) -> Any:
        if name == "fill":
            raise AttributeError(name)
        return super().__getattr__(name)


def test_what_writes_needs_memory() -> None:
    needs_memory("max_pool2d", Strict(np.ones(2)))
    with pytest.raises(TypeError, match="max_pool2d writes into arrays, and a tests"):
        needs_memory("max_pool2d", Lazy(np.ones(2)))


def test_lengths_are_to_be_known() -> None:
    with pytest.raises(TypeError, match="whose lengths nobody knows yet, is no Tensor"):
        calls.check_known(types.SimpleNamespace(shape=(float("nan"), 2)))


def test_what_a_library_lacks_is_named() -> None:
    def refuse() -> None:
        raise TypeError("operand type(s) all returned NotImplemented from <ufunc 'add'>, 'at'")

    try:
        refuse()
    except TypeError as error:
        error.__traceback__ = None  # as of an error in C
        told = calls.theirs(error, "sum", [Strict(np.ones(2))])
    assert "needs what that library lacks or refuses (np.add.at)" in str(told)
    assert calls.theirs(TypeError("x"), "sum", [np.ones(2)]) is None


def test_a_rule_gives_the_kind_that_it_was_given() -> None:
    @tg.primitive
    def twice(x: Any) -> Any:
        return x * 2

    tg.defvjp(twice, lambda g, out, x: np.ones(x.shape))  # noqa: ARG005
    with pytest.raises(TypeError, match=r"twice of a tests Strict returned an array of NumPy's"):
        tg.grad(lambda x: np.sum(twice(x)))(Strict(np.ones(2)))


def test_functions_of_masked_arrays_read_what_a_tensor_lacks() -> None:
    t = tg.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(AttributeError, match=r"^np\.ma\.clip of a Tensor: .*use np\.clip of t"):
        np.ma.clip(t, 0, 1)
    with pytest.raises(AttributeError, match=r"^a Tensor has no 'view'"):  # without the source
        eval("np.ma.clip(t, 0, 1)", {"np": np, "t": t})
    with pytest.raises(tg.DataError, match="A network with one output has no classes"):
        tg.nn.functional.cross_entropy(tg.Tensor(np.zeros((2, 1))), np.array([0, 1]))
